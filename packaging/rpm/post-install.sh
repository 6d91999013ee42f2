systemd-sysusers vipkeeper.conf >/dev/null 2>&1 || :
systemd-tmpfiles --create vipkeeper.conf >/dev/null 2>&1 || :
systemctl daemon-reload >/dev/null 2>&1 || :
# An upgrade: the unit's RestartKillSignal leaves VIP and proxy to the new vipkeeper.
if [ "$1" -ge 2 ]; then systemctl try-restart vipkeeper.service >/dev/null 2>&1 || :; fi
