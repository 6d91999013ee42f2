#!/usr/bin/env python3
"""Reloads under load: what they lose and how long they take, of vipkeeper and of a plain proxy in the same run.

    sudo benches/reload/reload.py [--engine nginx] [--reloads 100] [--rate 1000] [--servers 10000]

See README.md beside this file.
"""
import argparse, json, multiprocessing, os, re, signal, socket, statistics, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import hosts

LOADERS = 4
# What the frontend says by itself, so that no server is part of the figures, with the number of the change.
ANSWER = {
    "haproxy": "http-request return status 200 content-type text/plain string ok hdr x-change {change}",
    "nginx": "add_header x-change {change}; return 200 ok;",
}

TOML = """\
[[node]]
name = "A"
address = "10.97.0.11"

[[node]]
name = "B"
address = "10.97.0.12"

[[vip]]
name = "vip"
addresses = ["10.97.0.100/24"]
interface = "eth0"
vrid = 51
prefer = ["A", "B"]

[proxy]
engine = "{engine}"
maxconn = 4000
hard_stop_after = "5s"

[[frontend]]
name = "fe"
bind = ["*:80"]
default_backend = "{first}"
raw = ["{answer}"]

{backends}
"""

PLAIN = """\
global
    description "generation {generation}"
    stats socket {dir}/plain.sock mode 600 level admin expose-fd listeners
    maxconn 4000
    hard-stop-after 5s
    close-spread-time 2500ms
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend fe
    bind *:81
    default_backend be
    {answer}
backend be
    server s1 127.0.0.1:8001
"""


PLAIN_NGINX = """\
daemon off;
master_process on;
pid {dir}/plain.pid;
error_log {dir}/plain.log notice;
worker_processes auto;
worker_shutdown_timeout 5s;
events {{ worker_connections 8064; }}
http {{
    access_log off;
    server {{ listen unix:{dir}/plain.sock; return 200 "description: generation {generation}"; }}
    upstream be {{ server 127.0.0.1:8001; }}
    server {{ listen 81; {answer} }}
}}
"""


def backends(weight, number=1, servers=1):
    """TOML of so many backends with so many servers each; the weight of the very first one changes."""
    out = []
    for b in range(number):
        rows = [f'{{ name = "s{s}", address = "10.{90 + b // 250}.{b % 250}.{s + 1}:8001"'
                + (f", weight = {weight}" if b == s == 0 else "") + " }" for s in range(servers)]
        out.append(f'[[backend]]\nname = "be{b}"\nserver = [\n  ' + ",\n  ".join(rows) + ",\n]\n")
    return "\n".join(out)


def toml(change, number=1, servers=1, engine="haproxy", weight=1):
    """The change is one of the answer, which takes a reload; that of a weight does not."""
    answer = ANSWER[engine].format(change=change)
    return TOML.format(engine=engine, first="be0", answer=answer, backends=backends(weight, number, servers))


def plain_text(engine, directory, change):
    template = PLAIN if engine == "haproxy" else PLAIN_NGINX
    return template.format(dir=directory, answer=ANSWER[engine].format(change=change), generation=change)


def save(path, text):
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def ask(path, text, timeout=5.0):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(path)
        s.sendall(text.encode())
        if not text.startswith(("GET", "POST")):
            s.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            some = s.recv(1 << 16)
            if not some:
                return answer.decode()
            answer += some


def loader(namespace, port, rate, stop, results):
    """Opens `rate` connections a second, one request on each; counts what is not answered with 200."""
    with open(f"/run/netns/{namespace}") as other:
        if hosts.LIBC.setns(other.fileno(), hosts.CLONE_NEWNET):
            os._exit(70)
    asked, failed, due = 0, {}, time.monotonic()
    while not stop.is_set():
        asked += 1
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=3) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                answer = b""
                while some := s.recv(4096):
                    answer += some
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise OSError(f"answered {answer[:20]!r}")
        except OSError as error:
            failed[str(error)] = failed.get(str(error), 0) + 1
        due += 1 / rate
        pause = due - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        elif pause < -1:
            due = time.monotonic()  # What the machine cannot do is not made up for in a burst.
    results.put((asked, failed))


class Load:
    def __init__(self, namespace, port, rate):
        self.stop, self.results, self.began = multiprocessing.Event(), multiprocessing.Queue(), time.monotonic()
        self.all = [multiprocessing.Process(target=loader, args=(namespace, port, rate / LOADERS, self.stop, self.results),
                                            daemon=True) for _ in range(LOADERS)]
        for p in self.all:
            p.start()

    def end(self):
        """(requests, a second, {error: number})"""
        self.stop.set()
        seconds = time.monotonic() - self.began
        asked, failed = 0, {}
        for _ in self.all:
            some, errors = self.results.get(timeout=30)
            asked += some
            for error, n in errors.items():
                failed[error] = failed.get(error, 0) + n
        for p in self.all:
            p.join()
        return asked, asked / seconds, failed


class Vipkeeper:
    def __init__(self, net, binary, text):
        self.dir = os.path.join(net.dir, "vipkeeper")
        os.makedirs(f"{self.dir}/state")
        self.toml = f"{self.dir}/vipkeeper.toml"
        save(self.toml, text)
        self.log = open(f"{self.dir}/log", "w")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", net.ns["A"], binary, "run", "--realtime", "0", "--config", self.toml, "--node", "A",
             "--runtime-dir", self.dir, "--state-dir", f"{self.dir}/state"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        hosts.until("vipkeeper's proxy is healthy", lambda: (s := self.status()) and s["proxy"]["healthy"], 60)

    def status(self):
        try:
            answer = ask(f"{self.dir}/control.sock", "GET /v1/status HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n")
            return json.loads(answer[answer.index("\r\n\r\n") + 4:])
        except (OSError, ValueError):
            return None

    def apply(self, text, poll=0.004):
        """Seconds from the saved file to the confirmed worker."""
        before, start = self.status()["config"]["digest"], time.monotonic()
        save(self.toml, text)
        while True:
            time.sleep(poll)
            status = self.status()
            took = time.monotonic() - start
            if status and status["config"]["digest"] != before:
                return took
            if took > 60:
                raise RuntimeError(f"not in force after a minute: {status and status['config']}")

    def asked(self, text):
        """Seconds from `vipkeeper reload`, for a file that was just saved, to its answer: it does not wait for quiet."""
        save(self.toml, text)
        start = time.monotonic()
        answer = ask(f"{self.dir}/control.sock",
                     "POST /v1/reload HTTP/1.1\r\nHost: v\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 60)
        took = time.monotonic() - start
        if '"ok":true' not in answer:
            raise RuntimeError(f"refused: {answer[-500:]}")
        return took

    def reloads(self):
        """Reloads that the master has tried."""
        if os.path.exists(f"{self.dir}/master.sock"):
            proc = ask(f"{self.dir}/master.sock", "show proc\n")
            return int(re.search(r"^\d+ +master +(\d+)", proc, re.M).group(1))
        return open(f"{self.dir}/nginx.log").read().count("reconfiguring")

    def end(self):
        end(self.process)


class Plain:
    """HAProxy as a script would run it: check, then SIGUSR2, then wait until the new worker answers."""

    def __init__(self, net, name, text):
        self.dir, self.cfg = net.dir, f"{net.dir}/{name}.cfg"
        self.sock = re.search(r"stats socket (\S+)", text).group(1)
        save(self.cfg, text)
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", net.ns["A"], "haproxy", "-W", "-db", "-f", self.cfg], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        hosts.until("plain HAProxy answers", lambda: os.path.exists(self.sock) and self.description(), 30)
        time.sleep(1)

    def description(self):
        try:
            found = re.search(r"^description: (.*)$", ask(self.sock, "show info\n"), re.M)
            return found and found.group(1)
        except OSError:
            return None

    def apply(self, text, poll=0.004):
        wanted, start = re.search(r'description "(.*)"', text).group(1), time.monotonic()
        save(self.cfg, text)
        subprocess.run(["haproxy", "-c", "-f", self.cfg], check=True, capture_output=True)
        signalled = time.monotonic()
        self.process.send_signal(signal.SIGUSR2)
        while self.description() != wanted:
            time.sleep(poll)
            if time.monotonic() - signalled > 5:
                self.process.send_signal(signal.SIGUSR2)  # The master ignored it while it executed itself anew.
                signalled = time.monotonic()
            if time.monotonic() - start > 60:
                raise RuntimeError("the plain reload did not come")
        return time.monotonic() - start

    def end(self):
        end(self.process)


class PlainNginx:
    """nginx as a script would run it: `nginx -t`, then SIGHUP, then wait until it answers with the new file."""

    def __init__(self, net, text):
        self.sock, self.cfg = f"{net.dir}/plain.sock", f"{net.dir}/nginx.conf"
        save(self.cfg, text)
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", net.ns["A"], "nginx", "-c", self.cfg, "-e", f"{net.dir}/plain.log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        hosts.until("plain nginx answers", self.answer, 30)
        time.sleep(1)

    def answer(self):
        try:
            return ask(self.sock, "GET / HTTP/1.0\r\n\r\n")
        except OSError:
            return None

    def apply(self, text, poll=0.004):
        wanted, start = re.search(r'"(description: .*?)"', text).group(1), time.monotonic()
        save(self.cfg, text)
        subprocess.run(["nginx", "-t", "-q", "-c", self.cfg, "-e", "/dev/null"], check=True, capture_output=True)
        self.process.send_signal(signal.SIGHUP)
        while wanted not in (self.answer() or ""):
            time.sleep(poll)
            if time.monotonic() - start > 60:
                raise RuntimeError("the plain reload did not come")
        return time.monotonic() - start

    def end(self):
        end(self.process)


def end(process):
    """SIGINT also ends vipkeeper's HAProxy; what stays is killed with the namespace's processes."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def sweep(net):
    for pid in hosts.sh("ip", "netns", "pids", net.ns["A"]).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass


def quantiles(seconds):
    ordered = sorted(1000 * s for s in seconds)
    return f"median {statistics.median(ordered):.0f} ms, p99 {ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]:.0f} ms"


def under_load(name, net, port, proxy, texts, a):
    load = Load(net.ns["A"], port, a.rate)
    time.sleep(1)
    took = []
    for text in texts:
        took.append(proxy.apply(text))
        time.sleep(a.pause)
    time.sleep(1)
    asked, rate, failed = load.end()
    print(f"{name:18} {len(took)} reloads, {quantiles(took)}; {asked} requests at {rate:.0f}/s: {sum(failed.values())} failed {failed or ''}",
          flush=True)


def many(net, a):
    """A file with many servers: rendering it, and applying a change beside the plain way."""
    number, each = 500, a.servers // 500
    keeper, plain = Vipkeeper(net, a.vipkeeper, toml(1, number, each)), None
    try:
        render = [a.vipkeeper, "render", "--config", keeper.toml, "--node", "A", "--runtime-dir", keeper.dir]
        rendering = []
        for _ in range(5):
            start = time.monotonic()
            rendered = subprocess.run(render, check=True, capture_output=True, text=True).stdout
            rendering.append(time.monotonic() - start)
        rendered = rendered.replace("bind *:80", "bind *:81").replace("stats.sock", "plain.sock")

        def version(n):
            return re.sub(r'description ".*"', f'description "generation {n}"', rendered).replace(
                "s0 10.90.0.1:8001 weight 1", f"s0 10.90.0.1:8001 weight {n}")
        plain = Plain(net, "many", version(1))
        ours, theirs, checks, reloaded, changed = [], [], [], [], []
        for n in range(2, 2 + a.rounds):
            start = time.monotonic()
            subprocess.run(["haproxy", "-c", "-f", plain.cfg], check=True, capture_output=True)
            checks.append(time.monotonic() - start)
            theirs.append(plain.apply(version(n), 0.02))
            time.sleep(2)
            ours.append(keeper.apply(toml(n, number, each), 0.02))
            time.sleep(2)
            reloaded.append(keeper.asked(toml(1000 + n, number, each)))
            time.sleep(2)
            before = keeper.reloads()
            changed.append(keeper.asked(toml(1000 + n, number, each, weight=n)))
            if keeper.reloads() != before:
                raise RuntimeError("a weight took a reload")
            keeper.asked(toml(1000 + n, number, each))
            time.sleep(2)
        print(f"{number * each} servers in {number} backends, {len(rendered.splitlines())} lines:")
        print(f"  `vipkeeper render`, the whole process    {quantiles(rendering)}")
        print(f"  `haproxy -c` alone                       {quantiles(checks)}")
        print(f"  plain: `haproxy -c`, reload, it answers  {quantiles(theirs)}")
        plain_way = statistics.median(theirs)
        for what, took in (("saved, settled, ... confirmed", ours), ("asked, ... confirmed", reloaded),
                           ("asked, a weight: no reload", changed)):
            print(f"  vipkeeper: {what:30}{quantiles(took)}, {statistics.median(took) / plain_way:.2f} times that")
        sys.stdout.flush()
    finally:
        keeper.end()
        if plain:
            plain.end()
        sweep(net)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["haproxy", "nginx"], default="haproxy")
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--rate", type=float, default=1000, help="new connections a second")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two reloads")
    parser.add_argument("--servers", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5, help="changes of the large file")
    parser.add_argument("--vipkeeper", default=hosts.VIPKEEPER)
    a = parser.parse_args()
    hosts.need("ip", a.engine)
    print(hosts.machine(), flush=True)
    net, running = hosts.Net("r", "A"), []
    try:
        changes = range(2, 2 + a.reloads)
        first = plain_text(a.engine, net.dir, 1)
        plain = Plain(net, "plain", first) if a.engine == "haproxy" else PlainNginx(net, first)
        running.append(plain)
        under_load(f"plain {a.engine}", net, 81, plain, [plain_text(a.engine, net.dir, n) for n in changes], a)
        plain.end()
        keeper = Vipkeeper(net, a.vipkeeper, toml(1, engine=a.engine))
        running.append(keeper)
        under_load("vipkeeper", net, 80, keeper, [toml(n, engine=a.engine) for n in changes], a)

        time.sleep(2)
        before, start = keeper.reloads(), time.monotonic()
        for n in range(20):
            save(keeper.toml, toml(100_000 + n, engine=a.engine))
            time.sleep(0.05)
        saving = time.monotonic() - start
        installed = f"{keeper.dir}/state/" + ("haproxy.cfg" if a.engine == "haproxy" else "nginx.conf")
        hosts.until("the last of the saved files is in force",
                    lambda: "x-change 100019" in open(installed).read(), 30)
        time.sleep(3)
        print(f"20 saves in {saving:.1f} s   {keeper.reloads() - before} reloads", flush=True)
        keeper.end()
        sweep(net)
        if a.engine == "haproxy":
            os.rename(keeper.dir, keeper.dir + ".small")
            many(net, a)
        print(hosts.machine())
    except (RuntimeError, OSError) as error:
        log = next((open(f"{d}/log").read()[-3000:] for d in (f"{net.dir}/vipkeeper",) if os.path.exists(f"{d}/log")), "")
        sys.exit(f"{error}\n{log}")
    finally:
        for proxy in running:
            proxy.end()
        sweep(net)
        net.close()


if __name__ == "__main__":
    main()
