#!/usr/bin/env python3
"""How late adverts leave: vipkeeper and keepalived with 10 ms adverts, idle and under load, with and without real time.

    sudo benches/lateness/lateness.py [--seconds 6] [--rounds 3]

See README.md beside this file.
"""
import argparse, itertools, os, statistics, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import hosts

INTERVAL_MS = 10
# Accepts IPv4 frames of protocol 112, so that nothing else wakes or fills the socket.
FILTER = [(0x28, 0, 0, 12), (0x15, 0, 3, 0x800), (0x30, 0, 0, 23), (0x15, 0, 1, 112), (6, 0, 0, 0xffff), (6, 0, 0, 0)]


def adverts(wire):
    """Kernel times, in ns, of all adverts (priority over 0) since the last reading."""
    for at, frame in wire.read():
        advert = 14 + (frame[14] & 15) * 4
        if frame[advert + 1] == hosts.VRID and frame[advert + 2]:
            yield at


def late(times):
    """Lateness of each advert in us: the gap to the one before it, less the interval."""
    return [(b - a) / 1000 - INTERVAL_MS * 1000 for a, b in itertools.pairwise(times)]


def measure(kind, check, realtime, a):
    """Gaps idle and under load, of one process: {busy loops: lateness}."""
    net = hosts.Net("l", "A")
    daemon, load, found = None, [], {}
    try:
        wire = hosts.Wire(net, "A", FILTER)
        daemon = hosts.Daemon(kind, net, "A", INTERVAL_MS, binary=getattr(a, kind), realtime=realtime, check=check)
        hosts.until(f"{kind} holds the VIP", lambda: net.holds("A"))
        time.sleep(a.settle)
        for burners in (0, a.burners):
            # Each in a session of its own, as services are: some kernels share the processor out by session.
            load = [subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(burners)]
            time.sleep(0.5)
            list(wire.read())
            time.sleep(a.seconds)
            found[burners] = late(adverts(wire))
        return found
    except RuntimeError as error:
        raise RuntimeError(f"{error}\n{daemon.log() if daemon else ''}") from error
    finally:
        for p in load:
            p.kill()
            p.wait()
        if daemon:
            daemon.stop()
        net.close()


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def line(name, values):
    cells = [statistics.fmean(values), *(quantile(values, q) for q in (0.01, 0.5, 0.9, 0.99)), max(values)]
    # A backup waits for three intervals and its skew time.
    lost = sum(v > 2 * INTERVAL_MS * 1000 for v in values)
    return f"{name:42} {len(values):6} " + " ".join(f"{c:8.0f}" for c in cells) + f" {lost:6}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6, help="of each measurement: idle, then loaded")
    parser.add_argument("--rounds", type=int, default=3, help="each measures everything once, in another order")
    parser.add_argument("--settle", type=float, default=3, help="seconds between the VIP and the measurement")
    parser.add_argument("--burners", type=int, default=4, help="busy loops of the load")
    parser.add_argument("--priority", type=int, default=50, help="of the rows with real-time scheduling")
    parser.add_argument("--vipkeeper", default=hosts.VIPKEEPER)
    parser.add_argument("--keepalived", default=hosts.program("keepalived"))
    a = parser.parse_args()
    hosts.need("ip", "haproxy", "keepalived", "socat")
    print(hosts.machine())
    print(f"adverts every {INTERVAL_MS} ms, {a.rounds} rounds of {a.seconds:g} s each; lateness in us\n")
    subjects = [("vipkeeper", None), ("keepalived", None), ("keepalived", "stats")]
    found = {cell: [] for cell in itertools.product((0, a.burners), (hosts.NO_RT, a.priority), subjects)}
    loads = []
    for turn in range(a.rounds):
        for realtime in (hosts.NO_RT, a.priority):
            # Those that are compared follow one another, and each is first in its turn.
            for n in range(len(subjects)):
                kind, check = subject = subjects[(n + turn) % len(subjects)]
                loads.append(os.getloadavg()[0])
                for burners, values in measure(kind, check, realtime, a).items():
                    found[burners, realtime, subject].append(values)
                print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    head = " ".join(f"{c:>8}" for c in ("mean", "p1", "p50", "p90", "p99", "max"))
    for burners in (0, a.burners):
        print(f"{f'{burners} busy loops' if burners else 'idle':42} {'gaps':>6} {head} {'>3 int':>6}")
        for (_, realtime, (kind, check)), parts in ((c, v) for c, v in found.items() if c[0] == burners):
            name = f"{kind}{' + stats check' if check else ''}, {f'real time {realtime}' if realtime else 'normal'}"
            print(line(name, [v for part in parts for v in part]))
            print(f"{'  worst of each round':42}" + " ".join(f"{max(part):8.0f}" for part in parts))
        print()
    # The busy loops of the measurement before are still in these averages.
    print(f"load average when the measurements began: {min(loads):.2f} to {max(loads):.2f}")
    print(hosts.machine(own=float(a.burners)))


if __name__ == "__main__":
    main()
