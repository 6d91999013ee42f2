#!/usr/bin/env python3
"""Records what a HAProxy of 2.7 or later says of itself, for tests/it/proxy_transcripts.rs.

    tests/record/haproxy.py /usr/local/sbin/haproxy >tests/it/fixtures/haproxy-3.2-recorded.txt

Starts it in a directory of its own on a port of loopback that is free, reloads it twice (once with a file that it
refuses) while a client holds on to the first worker, and writes each question with its answer. Paths of this
machine are replaced; nothing else is.
"""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

CONFIG = """global
    description "vipkeeper generation 0123456789abcdef"
    node lb1
    stats socket {dir}/stats.sock mode 600 level admin
    stats maxconn 20
    hard-stop-after 600s
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend www
    bind 127.0.0.1:{port}
    default_backend web
backend web
    balance roundrobin
    server web1 192.0.2.129:8080 weight 10
    server web2 192.0.2.130:8080 weight 10
"""
WITHIN = 10.0


def ask(path, command):
    """The whole answer to one command."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(WITHIN)
        stream.connect(str(path))
        stream.sendall(command.encode() + b"\n")
        stream.shutdown(socket.SHUT_WR)
        answer = b""
        while part := stream.recv(65536):
            answer += part
        return answer.decode()


def until(attempt):
    end = time.monotonic() + WITHIN
    while True:
        try:
            if answer := attempt():
                return answer
        except OSError:
            pass
        if time.monotonic() > end:
            sys.exit("record: it never came")
        time.sleep(0.01)


def record(binary, directory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, master, stats = (directory / name for name in ("haproxy.cfg", "master.sock", "stats.sock"))
    text = CONFIG.format(dir=directory, port=port)
    config.write_text(text)
    says = [("haproxy -vv", subprocess.run([binary, "-vv"], capture_output=True, text=True, check=True).stdout)]
    log = open(directory / "log", "w")
    process = subprocess.Popen([binary, "-W", "-db", "-S", master, "-f", config], stderr=log, stdout=log)
    try:
        until(lambda: ask(stats, "show info"))
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"GET / HT")
        until(lambda: "CurrConns: 1" in ask(stats, "show info"))
        until(lambda: ask(master, "show proc"))
        says.append(("reload", ask(master, "reload")))
        until(lambda: "old workers\n" in (now := ask(master, "show proc")) and now.count("worker  ") == 2)
        says.append(("show proc", ask(master, "show proc")))
        config.write_text(text + "    frobnicate\n")
        says.append(("reload that fails", ask(master, "reload")))
        until(lambda: ask(master, "show proc"))
        says.append(("show proc after a failed reload", ask(master, "show proc")))
        ask(stats, "set server web/web2 state maint; set weight web/web2 3")
        says += [(command, ask(stats, command)) for command in ("show info", "show stat", "show servers state")]
        client.close()
    finally:
        process.terminate()
        process.wait(WITHIN)
    return says


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    binary = pathlib.Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory() as directory:
        says = record(str(binary), pathlib.Path(directory))
        version = re.search(r"HAProxy version (\S+)", says[0][1]).group(1)
        print(f"## HAProxy {version}: recorded by tests/record/haproxy.py; only paths were replaced.")
        for question, answer in says:
            answer = answer.replace(directory, "/run/vipkeeper").replace(str(binary), "/usr/local/sbin/haproxy")
            answer = re.sub(r"(?m)^(Running on|.*Build options ?:|  (CC|CFLAGS|OPTIONS|DEBUG|TARGET|CPU) +=).*\n", "", answer)
            print(f"==== {question}\n{answer.rstrip()}\n")


main()
