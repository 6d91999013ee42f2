#!/usr/bin/env python3
"""How long a planned take-over of a router with many addresses takes, of vipkeeper and keepalived.

    sudo benches/scale/scale.py [--n 1000,5000] [--rounds 3]

See README.md beside this file.
"""
import argparse, os, signal, socket, statistics, struct, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import hosts

ADVERT_MS = 1000
# Accepts ARP, so that nothing else fills the socket.
FILTER = [(0x28, 0, 0, 12), (0x15, 0, 1, 0x806), (6, 0, 0, 0xffff), (6, 0, 0, 0)]
RTM_NEWADDR, RTM_DELADDR, RTMGRP_IPV4_IFADDR, IFA_ADDRESS = 20, 21, 0x10, 1


def addresses(n):
    return [f"10.98.{i // 250}.{i % 250 + 1}" for i in range(n)]


class Addresses(threading.Thread):
    """When each address came to a host and when it went, as the kernel tells everybody. Renewed leases change nothing."""

    def __init__(self, net, host):
        super().__init__(daemon=True)
        self.here = {}
        self.socket = hosts.socket_in(net.ns[host], socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, hosts.SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((0, RTMGRP_IPV4_IFADDR))
        self.start()

    def run(self):
        while True:
            data, at = self.socket.recv(1 << 16), time.time_ns()
            while data:
                length, kind = struct.unpack_from("=IH", data)
                message, data = data[:length], data[(length + 3) & ~3:]
                offset = 24
                while kind in (RTM_NEWADDR, RTM_DELADDR) and offset + 4 <= length:
                    size, attribute = struct.unpack_from("=HH", message, offset)
                    if attribute == IFA_ADDRESS:
                        ip = message[offset + 4:offset + 8]
                        if kind == RTM_NEWADDR:
                            self.here.setdefault(ip, at)
                        else:
                            self.here.pop(ip, None)
                    offset += max(4, (size + 3) & ~3)


def measure(kind, n, a):
    net, daemons = hosts.Net("s", "AB"), {}
    try:
        wire, watch = hosts.Wire(net, "B", FILTER), {h: Addresses(net, h) for h in "AB"}
        has = lambda host: sum(ip[:2] == b"\x0a\x62" for ip in list(watch[host].here))
        for host in "AB":
            daemons[host] = hosts.Daemon(kind, net, host, ADVERT_MS, binary=getattr(a, kind), addresses=addresses(n))
            if host == "A":
                hosts.until(f"{kind} on A has all", lambda: has("A") == n, 60)
        hosts.until(f"{kind} on B is ready", lambda: has("A") == n and not has("B"))
        time.sleep(a.settle)
        before, start = {h: daemons[h].cpu()[0] for h in "AB"}, time.monotonic()
        time.sleep(a.seconds)
        minutes = (time.monotonic() - start) / 60
        found = {f"cpu {h}": (daemons[h].cpu()[0] - before[h]) / minutes for h in "AB"}
        found |= {f"pss {h}": hosts.memory(daemons[h].pids()[0])["pss"] / 1024 for h in "AB"}
        if has("A") != n or has("B"):
            raise RuntimeError("addresses moved while nothing was to happen")
        list(wire.read())
        stopped = time.time_ns()
        daemons["A"].main.send_signal(signal.SIGTERM)
        hosts.until(f"{kind} on B has all", lambda: has("B") == n and not has("A"), 60)
        times = [at for ip, at in list(watch["B"].here.items()) if ip[:2] == b"\x0a\x62"]
        announced, end = {}, time.monotonic() + 10
        while len(announced) < n:
            if time.monotonic() > end:
                raise RuntimeError(f"{kind} announced {len(announced)} of {n}")
            time.sleep(0.2)
            for at, frame in wire.read():
                if frame[28:32] == frame[38:42] and frame[28:30] == b"\x0a\x62":
                    announced.setdefault(frame[28:32], at)
        ms = lambda at: (at - stopped) / 1e6
        return found | {"first": ms(min(times)), "last": ms(max(times)), "announced": ms(max(announced.values()))}
    except RuntimeError as error:
        raise RuntimeError("\n".join([str(error), *(d.log()[-2000:] for d in daemons.values())])) from error
    finally:
        for daemon in daemons.values():
            daemon.stop()
        net.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", default="1000,5000", help="addresses of the router")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="for which the CPU is measured before the take-over")
    parser.add_argument("--settle", type=float, default=4, help="seconds before that")
    parser.add_argument("--vipkeeper", default=hosts.VIPKEEPER)
    parser.add_argument("--keepalived", default=hosts.program("keepalived"))
    a = parser.parse_args()
    hosts.need("ip", "haproxy", "keepalived")
    print(hosts.machine())
    print(f"{a.rounds} rounds; median (worst) of the rounds; ms since SIGTERM on A, CPU s/min and PSS in MB before it\n")
    kinds, sizes, found = ["vipkeeper", "keepalived"], [int(n) for n in a.n.split(",")], {}
    for turn in range(a.rounds):
        for n in sizes:
            for kind in kinds[::-1] if turn % 2 else kinds:
                found.setdefault((n, kind), []).append(measure(kind, n, a))
                print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    columns = [("first", "first on B", 1), ("last", "last on B", 1), ("announced", "all announced", 1),
               ("cpu A", "CPU A", 2), ("cpu B", "CPU B", 2), ("pss A", "PSS A", 1), ("pss B", "PSS B", 1)]
    print(f"{'':26}" + " ".join(f"{c:>16}" for _, c, _ in columns))
    for (n, kind), runs in sorted(found.items(), key=lambda cell: (cell[0][0], kinds.index(cell[0][1]))):
        values = [(sorted(r[key] for r in runs), digits) for key, _, digits in columns]
        print(f"{f'{n} addresses, {kind}':26}"
              + " ".join(f"{f'{statistics.median(v):.{d}f} ({v[-1]:.{d}f})':>16}" for v, d in values))
    print()
    print(hosts.machine())


if __name__ == "__main__":
    main()
