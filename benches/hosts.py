"""Balancers in network namespaces, for the benches beside this file: vipkeeper or keepalived, each with an HAProxy.

Needs root, iproute2, haproxy, keepalived (and socat and killall for its checks); python3's own library only.
Namespaces are named by our process id and removed at exit; processes are ended by their own ids.
"""
import ctypes, os, shutil, signal, socket, struct, subprocess, sys, tempfile, time

CLONE_NEWNET = 0x40000000
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS, PACKET_OUTGOING, ETH_P_ALL = 26, 33, 35, 4, 3
LIBC = ctypes.CDLL(None, use_errno=True)
CPUACCT = "/sys/fs/cgroup/cpuacct"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VIPKEEPER = os.path.join(ROOT, "target/release/vipkeeper")
WIRE = {"A": "10.97.0.11", "B": "10.97.0.12"}
VIP, VRID = "10.97.0.100", 51
# Normal scheduling, said explicitly: a row says what it ran with.
NO_RT = 0
# The addresses of a router that are in its adverts; both programs are told to leave out the others.
ADVERTISED = 200

VIPKEEPER_TOML = """\
[[node]]
name = "A"
address = "10.97.0.11"

[[node]]
name = "B"
address = "10.97.0.12"

[[vip]]
name = "vip"
addresses = [{vips}]
excluded = [{excluded}]
interface = "eth0"
vrid = {vrid}
prefer = ["A", "B"]
advert_interval = "{advert}ms"
{peers}
[proxy]
engine = "haproxy"
maxconn = 1000
nbthread = 1
{health}
[[frontend]]
name = "fe"
bind = ["*:80"]
default_backend = "be"

[[backend]]
name = "be"
server = [{{ name = "s1", address = "127.0.0.1:8001" }}]
"""

KEEPALIVED_CONF = """\
global_defs {{
    router_id bench_{host}
    vrrp_version 3
    script_user root
    enable_script_security
    vrrp_garp_master_delay 1
    vrrp_garp_master_repeat 5
    vrrp_garp_master_refresh 10
    vrrp_garp_lower_prio_repeat 1
    {extra}
}}
{script}
vrrp_instance VI_1 {{
    interface eth0
    state BACKUP
    virtual_router_id {vrid}
    priority {priority}
    advert_int {advert}
    virtual_ipaddress {{
        {vips}
    }}
    virtual_ipaddress_excluded {{
        {excluded}
    }}
    {track}
}}
"""

HAPROXY_CFG = """\
global
    stats socket {dir}/haproxy.sock mode 600 level admin expose-fd listeners
    maxconn 1000
    nbthread 1
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
frontend fe
    bind :80
    default_backend be
backend be
    server s1 127.0.0.1:8001
"""

# Healthy: the stats socket answers in time. keepalived 2.2 knows whole seconds only, for intervals and for time limits.
CHECK_SH = """\
#!/bin/sh
exec 2>/dev/null
echo "show info" | timeout 0.1 socat -t 5 - UNIX-CONNECT:{dir}/haproxy.sock | grep -q '^Name: HAProxy'
"""


def sh(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def need(*names):
    """Ends the bench when it cannot run here."""
    missing = [n for n in names if not program(n)]
    if os.geteuid():
        sys.exit("needs root: it makes network namespaces")
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")
    # So that what was begun is also put away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def machine(own=0.0):
    """One line about the machine; a busy one is warned about. `own`: what the bench itself adds to the load."""
    load, cpus = os.getloadavg(), os.cpu_count() or 1
    line = f"load {load[0]:.2f} {load[1]:.2f} {load[2]:.2f} on {cpus} processors, Linux {os.uname().release}"
    if load[0] - own > 0.3 * cpus:
        line += "\nWARNING: this machine is busy with something else; do not publish these numbers"
    return line


def socket_in(namespace, *kind):
    """A socket of another network namespace. `setns` is per thread."""
    with open("/proc/thread-self/ns/net") as own, open(f"/run/netns/{namespace}") as other:
        if LIBC.setns(other.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.socket(*kind)
        finally:
            if LIBC.setns(own.fileno(), CLONE_NEWNET):
                os._exit(70)


class Wire:
    """The switch's end of a host's cable. The kernel stamps what arrives, so nobody has to read it in time."""

    def __init__(self, net, host, code):
        self.socket = s = socket_in(net.switch, socket.AF_PACKET, socket.SOCK_RAW, 0)
        memory = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *i) for i in code))
        s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("=HxxxxxxQ", len(code), ctypes.addressof(memory)))
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        s.bind((f"p{host}", ETH_P_ALL))
        s.setblocking(False)

    def read(self):
        """(kernel time in ns, frame) of what the host has sent since the last reading."""
        while True:
            try:
                frame, ancillary, _, address = self.socket.recvmsg(2048, 256)
            except BlockingIOError:
                return
            if address[2] != PACKET_OUTGOING:
                for level, kind, data in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                        seconds, ns = struct.unpack("=qq", data[:16])
                        yield seconds * 10**9 + ns, frame


class Net:
    """Hosts on one bridge. `tag` keeps several apart."""

    def __init__(self, tag, hosts):
        stem = f"vb{os.getpid()}{tag}"
        self.switch, self.ns = f"{stem}s", {h: f"{stem}{h}" for h in hosts}
        self.dir = tempfile.mkdtemp(prefix=stem, dir="/dev/shm")
        try:
            for n in (self.switch, *self.ns.values()):
                sh("ip", "netns", "add", n)
                sh("ip", "netns", "exec", n, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
                sh("ip", "-n", n, "link", "set", "lo", "up")
            sh("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
            sh("ip", "-n", self.switch, "link", "set", "br0", "up")
            for host, n in self.ns.items():
                sh("ip", "-n", self.switch, "link", "add", f"p{host}", "type", "veth", "peer", "name", "eth0", "netns", n)
                sh("ip", "-n", self.switch, "link", "set", f"p{host}", "master", "br0", "up")
                sh("ip", "-n", n, "addr", "add", f"{WIRE[host]}/24", "dev", "eth0")
                sh("ip", "-n", n, "link", "set", "eth0", "up")
        except BaseException:
            self.close()
            raise

    def holds(self, host):
        return f" {VIP}/" in sh("ip", "-n", self.ns[host], "-o", "-4", "addr", "show", "dev", "eth0")

    def close(self):
        for n in (self.switch, *self.ns.values()):
            subprocess.run(["ip", "netns", "del", n], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)


class Daemon:
    """One host's failover program, in a CPU accounting group of its own where there is one (cgroup v1), with its HAProxy.

    `kind` is "vipkeeper" or "keepalived". Each process gets a session of its own, as a service manager has it.
    """

    def __init__(self, kind, net, host, advert_ms, binary=None, realtime=NO_RT, check=None, peers=False, health="",
                 addresses=(VIP,)):
        self.addresses = addresses
        self.kind, self.net, self.host, self.proxy, self.started = kind, net, host, None, []
        self.dir = os.path.join(net.dir, host)
        os.makedirs(self.dir)
        self.group = os.path.join(CPUACCT, os.path.basename(net.dir) + host) if os.path.isdir(CPUACCT) else None
        if self.group:
            os.makedirs(self.group, exist_ok=True)
        if kind == "vipkeeper":
            self.start_vipkeeper(advert_ms, binary or VIPKEEPER, realtime, peers, health)
        else:
            self.start_keepalived(advert_ms, binary or program("keepalived"), realtime, check)

    def start_vipkeeper(self, advert_ms, binary, realtime, peers, health):
        peers = '\n[peers]\nkey_file = "peers.key"\n' if peers else ""
        health = f"health = {{ {health} }}\n" if health else ""
        self.write("vipkeeper.toml", VIPKEEPER_TOML.format(
            **self.vips('"{}/32",'), vrid=VRID, advert=advert_ms, peers=peers, health=health))
        self.write("peers.key", "a key for measurements only, known to all\n", 0o600)
        self.main = self.start([binary, "run", "--realtime", str(realtime), "--config", f"{self.dir}/vipkeeper.toml",
                                "--node", self.host, "--runtime-dir", self.dir], grouped=True)

    def start_keepalived(self, advert_ms, binary, realtime, check):
        self.write("haproxy.cfg", HAPROXY_CFG.format(dir=self.dir))
        name = f"vb{os.getpid() % 100000}{os.path.basename(self.net.dir)[-1]}{self.host}"
        os.symlink(program("haproxy"), f"{self.dir}/{name}")
        self.proxy = self.start([f"{self.dir}/{name}", "-W", "-f", f"{self.dir}/haproxy.cfg"])
        time.sleep(0.5)
        self.write("check.sh", CHECK_SH.format(dir=self.dir), 0o700)
        scripts = {None: "",
                   "killall": f'script "{program("killall")} -0 {name}"\n    interval 2',
                   "stats": f'script "{self.dir}/check.sh"\n    interval 1\n    timeout 1\n    fall 1\n    rise 2'}
        script = f"vrrp_script check {{\n    {scripts[check]}\n}}" if check else ""
        extra = "vrrp_no_swap\n    vrrp_higher_prio_send_advert true"
        if realtime:
            extra = f"vrrp_rt_priority {realtime}\n    {extra}"
        self.write("keepalived.conf", KEEPALIVED_CONF.format(
            host=self.host, **self.vips("{}"), vrid=VRID, advert=f"{advert_ms / 1000:.2f}", extra=extra, script=script,
            priority={"A": 254, "B": 253}[self.host], track="track_script {\n        check\n    }" if check else ""))
        pids = [x for flag, name in (("-p", "ka"), ("-r", "vrrp"), ("-c", "chk")) for x in (flag, f"{self.dir}/{name}.pid")]
        self.main = self.start([binary, "-n", "-l", "-f", f"{self.dir}/keepalived.conf", *pids], grouped=True)

    def vips(self, form):
        lines = [form.format(address) for address in self.addresses]
        return {"vips": "\n".join(lines[:ADVERTISED]), "excluded": "\n".join(lines[ADVERTISED:])}

    def write(self, name, text, mode=0o644):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{self.dir}/{name}", mode)

    def start(self, command, grouped=False):
        join = f"echo $$ >{self.group}/tasks; " if grouped and self.group else ""
        with open(f"{self.dir}/log", "a") as log:
            p = subprocess.Popen(["sh", "-c", join + 'exec "$@"', "sh", "ip", "netns", "exec", self.net.ns[self.host], *command],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.started.append(p)
        return p

    def cpu(self):
        """CPU seconds so far: (of everything it started, ended children too, but for HAProxy; of its HAProxy)"""
        own, proxies = self.pids()
        proxy = sum(map(runtime, proxies))
        if self.group:
            total = int(open(f"{self.group}/cpuacct.usage").read()) / 1e9
            # vipkeeper's HAProxy is in its group, keepalived's is not.
            return total - (proxy if self.kind == "vipkeeper" else 0), proxy
        return sum(runtime(p) + reaped(p) for p in own), proxy

    def log(self):
        return open(f"{self.dir}/log").read()

    def pids(self):
        """(its own processes, those of its HAProxy)"""
        kids = {}
        for p in filter(str.isdigit, os.listdir("/proc")):
            try:
                kids.setdefault(int(open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[1]), []).append(int(p))
            except OSError:
                pass
        def tree(pid):
            return [pid, *(x for kid in kids.get(pid, []) for x in tree(kid))]
        # vipkeeper's HAProxy is its child.
        everything = [x for p in self.started for x in tree(p.pid)]
        haproxy = os.path.realpath(program("haproxy"))
        proxies = set(x for x in everything if executable(x) == haproxy)
        return [x for x in everything if x not in proxies], sorted(proxies)

    def stop(self):
        """SIGINT also ends vipkeeper's HAProxy. Whatever is left in the namespace then is killed, by its own id."""
        for p in self.started:
            if p.poll() is None:
                p.send_signal(signal.SIGINT if self.kind == "vipkeeper" else signal.SIGTERM)
        end = time.monotonic() + 5
        for p in self.started:
            try:
                p.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        # An HAProxy that vipkeeper left running is nobody's child.
        for pid in sh("ip", "netns", "pids", self.net.ns[self.host]).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        for p in self.started:
            p.wait()
        if self.group:
            for _ in range(50):
                try:
                    os.rmdir(self.group)
                    break
                except OSError:
                    time.sleep(0.02)


def executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None  # It has ended.


def runtime(pid):
    """CPU seconds of a process so far, in all its threads."""
    spent = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            spent += int(open(f"/proc/{pid}/task/{thread}/schedstat").read().split()[0])
    except OSError:
        pass
    return spent / 1e9


def reaped(pid):
    """CPU seconds of its ended children, which the kernel counts in hundredths only."""
    try:
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def memory(pids):
    """KiB of these processes together. What they share counts once for each in `rss`, in shares in `pss`."""
    found = {"processes": 0, "rss": 0, "pss": 0, "anon": 0}
    for pid in pids:
        try:
            lines = [line.split() for line in open(f"/proc/{pid}/smaps_rollup")][1:]
        except OSError:
            continue
        sizes = {line[0]: int(line[1]) for line in lines}
        found["processes"] += 1
        for key, name in (("rss", "Rss:"), ("pss", "Pss:"), ("anon", "Anonymous:")):
            found[key] += sizes[name]
    return found


def until(what, done, seconds=20):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
