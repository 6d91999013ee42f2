#!/usr/bin/env python3
"""What an idle pair costs: CPU seconds per minute and memory, of vipkeeper and keepalived, on the active host and the backup.

    sudo benches/idle/idle.py [--seconds 30] [--rounds 1]

See README.md beside this file.
"""
import argparse, os, statistics, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import hosts

# (name, kind, options of hosts.Daemon)
SUBJECTS = [
    ("vipkeeper", "vipkeeper", {}),
    ("vipkeeper + peers", "vipkeeper", {"peers": True}),
    ("keepalived, no check", "keepalived", {}),
    ("keepalived + killall -0", "keepalived", {"check": "killall"}),
    ("keepalived + stats check", "keepalived", {"check": "stats"}),
]


def measure(kind, options, a):
    """{host: what its program and its HAProxy cost}"""
    net, daemons = hosts.Net("i", "AB"), {}
    try:
        for host in "BA":
            daemons[host] = hosts.Daemon(kind, net, host, a.advert, binary=getattr(a, kind), **options)
            time.sleep(0.5)
        hosts.until(f"{kind} on A holds the VIP alone", lambda: net.holds("A") and not net.holds("B"))
        time.sleep(a.settle)
        before, start = {h: daemons[h].cpu() for h in daemons}, time.monotonic()
        time.sleep(a.seconds)
        minutes = (time.monotonic() - start) / 60
        found = {}
        for host, daemon in sorted(daemons.items()):
            own, proxy = ((now - then) / minutes for now, then in zip(daemon.cpu(), before[host]))
            pids, _ = daemon.pids()
            found[host] = {"cpu": own, "proxy": proxy, **hosts.memory(pids)}
        if not net.holds("A") or net.holds("B"):
            raise RuntimeError("the VIP moved while nothing was to happen")
        return found
    except RuntimeError as error:
        raise RuntimeError("\n".join([str(error), *(d.log() for d in daemons.values())])) from error
    finally:
        for daemon in daemons.values():
            daemon.stop()
        net.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=1, help="each measures everything once, in another order")
    parser.add_argument("--settle", type=float, default=6, help="seconds between the VIP and the measurement")
    parser.add_argument("--advert", type=int, default=1000, help="milliseconds between adverts")
    parser.add_argument("--only", help="measure only those whose name contains this")
    parser.add_argument("--vipkeeper", default=hosts.VIPKEEPER)
    parser.add_argument("--keepalived", default=hosts.program("keepalived"))
    a = parser.parse_args()
    hosts.need("ip", "haproxy", "keepalived", "killall", "socat")
    subjects = [s for s in SUBJECTS if not a.only or a.only in s[0]]
    print(hosts.machine())
    print(f"adverts every {a.advert} ms, {a.rounds} rounds of {a.seconds:g} s; median (worst) of the rounds\n")
    found = {}
    for turn in range(a.rounds):
        for n in range(len(subjects)):
            name, kind, options = subjects[(n + turn) % len(subjects)]
            for host, costs in measure(kind, options, a).items():
                found.setdefault((name, host), []).append(costs)
            print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    head = ("CPU s/min", "HAProxy's", "processes", "RSS MB", "PSS MB", "anon MB")
    print(f"{'':36}" + " ".join(f"{h:>17}" for h in head))
    for name, _, _ in subjects:
        for host, role in (("A", "active"), ("B", "backup")):
            costs = found[name, host]
            cells = []
            for key, unit in (("cpu", 1), ("proxy", 1), ("processes", 1), ("rss", 1024), ("pss", 1024), ("anon", 1024)):
                values = [c[key] / unit for c in costs]
                form = ".0f" if key == "processes" else ".3f" if unit == 1 else ".1f"
                cells.append(f"{statistics.median(values):{form}} ({max(values):{form}})")
            print(f"{f'{name}, {role}':36}" + " ".join(f"{c:>17}" for c in cells))
    print()
    print(hosts.machine())


if __name__ == "__main__":
    main()
