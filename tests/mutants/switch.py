#!/usr/bin/env python3
"""Every mutant of cargo-mutants in one build, chosen at run time: minutes where a build for each takes a day.

`cargo mutants --list` says what to break. A copy of the package below target/mutants-switched/ gets every function with
mutants rewritten: its body becomes a `match` on the environment variable MUTANT, with one arm for each mutant and the body
as it is for all else. What does not compile is unviable and is dropped. The simulation is a module of the unit tests there,
and the shell and the command line are left out, so that it is all compiled once.

Every test runs alone once with nothing broken: what it costs, and which functions it reaches. Then each mutant is judged by
the tests that reach its function, the cheap ones first, until one fails.

    tests/mutants/switch.py                    all of them
    tests/mutants/switch.py -f src/vrrp        files whose path begins so
    tests/mutants/switch.py --missed           only what the last run missed: after tests were written
    tests/mutants/switch.py --quick 1.2        only the cheapest tests; what they do not notice may be noticed by others
    tests/mutants/switch.py --rest             what was not run yet, or not by all tests
    tests/mutants/switch.py --missed --by exact --by hints
                                               only the tests whose names say so: after those were written
    tests/mutants/switch.py --sample 100       so many, drawn at random

The lists are in target/mutants-switched/: missed.txt, timeout.txt, unviable.txt, unswitched.txt and results.json.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import math
import os
import pathlib
import random
import re
import resource
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "mutants-switched"
COPY = WORK / "package"
# What the tests may read of the package.
COPIED = ("Cargo.toml", "Cargo.lock", "src", "templates", "config", "docs", "tests/data", "tests/sim", "systemd")
# A mutant that allocates for ever is to die before the machine does.
MEMORY_BYTES_MAX = 4 << 30
# Late is what takes so many times as long as without the mutant, and so much more, in seconds of the processor.
LATE_TIMES = 5
LATE_SECONDS = 3.0
# The first tests to be tried are those that cost no more than this together, then four times as much, and so on.
FIRST_SECONDS = 0.1
# Borrows are only checked in functions whose types are right: each round drops what the last one hid.
ROUNDS_MAX = 12

# No lint may spare a mutant the tests.
LINTS = "#![allow(warnings, arithmetic_overflow, unconditional_panic, overflowing_literals, unconditional_recursion)]\n"
# What the shell owns is not broken here, and would be most of the build; the simulation needs its clock.
SHELL = "pub mod shell { pub mod clock { pub fn now() -> std::time::Instant { std::time::Instant::now() } } }\n"
# Which mutant is meant; and, when none is, which functions a test reaches.
CHOSEN = """
#[cfg(test)]
extern crate self as vipkeeper;
#[cfg(test)]
mod sim;
pub mod mutant {
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    static CHOSEN: OnceLock<u32> = OnceLock::new();
    static RECORD: OnceLock<Option<std::fs::File>> = OnceLock::new();
    static REACHED: [AtomicBool; FUNCTIONS] = [const { AtomicBool::new(false) }; FUNCTIONS];
    pub fn chosen(function: usize) -> u32 {
        let chosen = *CHOSEN.get_or_init(|| std::env::var("MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(0));
        if chosen == 0 {
            reach(function);
        }
        chosen
    }
    #[inline(never)]
    fn reach(function: usize) {
        let record = || std::env::var_os("MUTANT_REACH").and_then(|path| std::fs::File::create(path).ok());
        if let Some(mut file) = RECORD.get_or_init(record).as_ref()
            && !REACHED[function].swap(true, Ordering::Relaxed)
        {
            let _ = file.write_all(format!("{function}\\n").as_bytes());
        }
    }
}
"""


# ---- what to break --------------------------------------------------------------------------------------------------


class Text:
    """A source file whose places are given as line and column, both from 1, in characters."""

    def __init__(self, text):
        self.text = text
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def at(self, place):
        return self.starts[place["line"] - 1] + place["column"] - 1

    def span(self, span):
        return self.at(span["start"]), self.at(span["end"])


def list_mutants():
    out = subprocess.run(
        ["cargo", "mutants", "--list", "--json"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    mutants = json.loads(out)
    for number, mutant in enumerate(mutants, start=1):
        mutant["number"] = number
        del mutant["diff"]
    return mutants


TOKEN = re.compile(
    r"""
    (?P<line>//[^\n]*)
  | (?P<block>/\*)
  | (?P<raw>b?r(?P<hashes>\#*)")
  | (?P<string>b?"(?:\\.|[^"\\])*")
  | (?P<char>b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\])')
  | (?P<open>\{)
  | (?P<close>\})
  | (?P<word>\w+)
  | .
    """,
    re.VERBOSE | re.DOTALL,
)


def body_of(text, start, end):
    """Where the braces of a function's body are: the last that closes, and what it closes. None: it ends otherwise."""
    stack, last, at = [], None, start
    while at < end:
        token = TOKEN.match(text, at)
        at = token.end()
        if token["block"]:
            depth = 1
            while depth:
                mark = re.compile(r"/\*|\*/").search(text, at)
                depth += 1 if mark[0] == "/*" else -1
                at = mark.end()
        elif token["raw"]:
            at = text.index('"' + token["hashes"], at) + 1 + len(token["hashes"])
        elif token["open"]:
            stack.append(token.start())
        elif token["close"]:
            last = (stack.pop(), token.start())
    return last if last and last[1] == end - 1 and not stack else None


# ---- the copy -------------------------------------------------------------------------------------------------------


def switched(text, functions):
    """The text with every function rewritten; one inside another keeps its own switch where the outer is not broken."""

    def default(start, end, inside):
        out, at = [], start
        for function in inside:
            out += [text[at : function["open"] + 1], rewritten(function), text[function["close"]]]
            at = function["close"] + 1
        return "".join(out + [text[at:end]])

    def rewritten(function):
        start, end = function["open"] + 1, function["close"]
        boxed = function["boxed"]

        def arm(pattern, mark, body):
            if boxed:
                body = f"\nlet boxed: {boxed} = Box::new({{{body}\n}}); boxed"
            return f"{pattern} => {{ /*@{mark}@*/{body}\n/*@/{mark}@*/ }}\n"

        arms = []
        for mutant in function["mutants"]:
            at, to = mutant["at"]
            body = f"{text[start:at]} {mutant['replacement']} {text[to:end]}"
            arms.append(arm(mutant["number"], mutant["number"], body))
        arms.append(arm("_", f"f{function['number']}", default(start, end, function["inside"])))
        return f"\nmatch crate::mutant::chosen({function['number']}) {{\n" + "".join(arms) + "}\n"

    outer, stack = [], []
    for function in sorted(functions, key=lambda f: (f["open"], -f["close"])):
        function["inside"] = []
        while stack and stack[-1]["close"] < function["open"]:
            stack.pop()
        (stack[-1]["inside"] if stack else outer).append(function)
        stack.append(function)
    return default(0, len(text), outer)


def boxed_type(signature):
    """An `impl Iterator` has one type for all arms: a box. None: nothing to do."""
    found = re.search(r"->\s*impl\s+(.*?)\s*$", signature, re.DOTALL)
    if not found:
        return None
    bounds = re.sub(r"use<.*?('\w+).*?>", r"\1", found[1])
    return f"Box<dyn {bounds}>" if re.search(r"\+\s*'", bounds) else f"Box<dyn {bounds} + '_>"


def find_functions(mutants):
    """The functions by file, each with its mutants; what has no body to switch is given back apart."""
    files, unswitched = collections.defaultdict(dict), []
    for mutant in mutants:
        path = mutant["file"]
        source = Text((ROOT / path).read_text())
        start, end = source.span(mutant["function"]["span"])
        body = body_of(source.text, start, end)
        at = source.span(mutant["span"])
        if not body or not body[0] < at[0] <= at[1] <= body[1]:
            unswitched.append(mutant)
            continue
        signature = source.text[start : body[0]]
        if re.search(r"\bconst\s+(unsafe\s+)?fn\b", signature):
            unswitched.append(mutant)
            continue
        mutant["at"] = at
        function = files[path].setdefault(
            body[0],
            {"number": mutant["number"], "open": body[0], "close": body[1], "mutants": [], "boxed": boxed_type(signature)},
        )
        function["mutants"].append(mutant)
    return {path: list(functions.values()) for path, functions in files.items()}, unswitched


def write_if_new(path, text):
    """What did not change keeps its time, that cargo builds no more than it must."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != text:
        path.write_bytes(text)


def manifest():
    """The library alone, as a workspace of its own."""
    text = (ROOT / "Cargo.toml").read_text()
    text = re.sub(r"(?m)^default-run = .*\n", "", text)
    text = re.sub(r"(?ms)^\[\[(bin|test)\]\]\n.*?(?=^\[)", "", text)
    text = text.replace("autotests = false", "autotests = false\nautobins = false")
    text = re.sub(r"(?ms)^\[lints\.[a-z]+\]\n.*?(?=^\[|\Z)", "", text)
    name = re.search(r'(?m)^name = "(.*)"', text)[1]
    for profile in ("dev", "test"):
        text += f"\n[profile.{profile}.package.{name}]\ndebug = false\n"
    return text + "\n[workspace]\n"


def library(text, functions):
    """The simulation becomes a module of the unit tests, that everything is compiled once."""
    text = re.sub(r"(?m)^pub mod (shell|cli);\n", "", text)
    return LINTS + text + SHELL + CHOSEN.replace("FUNCTIONS", str(functions))


def simulation(text):
    return text.replace("crate::", "crate::sim::").replace('"../data/', '"../../tests/data/')


def write_copy(files, functions):
    wanted = set()
    for name in COPIED:
        top = ROOT / name
        for path in [top] if top.is_file() else sorted(p for p in top.rglob("*") if p.is_file()):
            inside = str(path.relative_to(ROOT))
            data = path.read_bytes()
            if inside == "Cargo.toml":
                data = manifest().encode()
            elif inside in files:
                data = switched(data.decode(), files[inside]).encode()
            elif inside == "src/lib.rs":
                data = library(data.decode(), functions).encode()
            elif inside.startswith("tests/sim/"):
                data = simulation(data.decode()).encode()
                inside = inside.replace("tests/sim/main.rs", "src/sim/mod.rs").replace("tests/sim/", "src/sim/")
            write_if_new(COPY / inside, data)
            wanted.add(COPY / inside)
    for path in COPY.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()


# ---- what compiles --------------------------------------------------------------------------------------------------


def cargo(*arguments):
    # Dependencies are those of the package's own tests; its path tells the copy from the package.
    env = dict(os.environ, CARGO_TARGET_DIR=os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")))
    out = subprocess.run(
        ["cargo", *arguments, "--locked", "--message-format=json"],
        cwd=COPY,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    messages = [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]
    return out.returncode, messages, out.stderr


def places(span):
    """The place of an error, and where the macros around it were called."""
    while span:
        yield span["file_name"], span["line_start"]
        span = (span.get("expansion") or {}).get("span")


def arms_of(path):
    """From line to the innermost arm: a mutant's number, or f and the number of a function's first mutant."""
    arms, stack = {}, []
    for number, line in enumerate((COPY / path).read_text().splitlines(), start=1):
        for mark in re.findall(r"/\*@(/?f?\d+)@\*/", line):
            if mark.startswith("/"):
                stack.pop()
            else:
                stack.append(mark)
        if stack:
            arms[number] = stack[-1]
    return arms


def blamed(messages, files):
    """Which arms the errors of a build are in; an error that is in none is given back as text."""
    arms = {path: arms_of(path) for path in files}
    guilty, strays = set(), []
    for message in messages:
        message = message.get("message") or {}
        if not isinstance(message, dict) or message.get("level") != "error" or not message.get("spans"):
            continue
        hits = [
            arms[path][line]
            for span in sorted(message["spans"], key=lambda s: not s["is_primary"])
            for path, line in places(span)
            if line in arms.get(path, {})
        ]
        mutants = [hit for hit in hits if not hit.startswith("f")]
        if mutants:
            guilty.add(int(mutants[0]))
        elif hits:
            guilty.add(hits[0])
        else:
            strays.append(message["rendered"])
    return guilty, strays


def build(files, unviable, unswitched, remember):
    """Drops what does not compile until the rest does; gives back the test program."""
    for attempt in range(1, ROUNDS_MAX + 1):
        write_copy(files, 1 + max(f["number"] for fs in files.values() for f in fs))
        code, messages, stderr = cargo("test", "--no-run", "--lib")
        if code == 0:
            return next(m["executable"] for m in messages if m.get("executable"))
        guilty, strays = blamed(messages, files)
        if not guilty:
            sys.exit("".join(strays) or stderr)
        for functions in files.values():
            for function in list(functions):
                if f"f{function['number']}" in guilty:
                    # It compiles as it is, hence what stands in the way is the switch itself.
                    unswitched += function["mutants"]
                    functions.remove(function)
                    continue
                unviable += [m for m in function["mutants"] if m["number"] in guilty]
                function["mutants"] = [m for m in function["mutants"] if m["number"] not in guilty]
                if not function["mutants"]:
                    functions.remove(function)
        say(f"round {attempt}: {len(unviable)} unviable, {len(unswitched)} cannot be switched")
        remember(unviable, unswitched)
    sys.exit(f"it does not compile after {ROUNDS_MAX} rounds")


# ---- the runs -------------------------------------------------------------------------------------------------------


def run(program, tests, cpu_seconds, **more):
    """Some tests until the first one fails: the verdict, who noticed, and the processor time that it took."""
    env = {"SIM_SEEDS": "24", "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1", "RUST_BACKTRACE": "0"}
    env |= os.environ | {"CARGO_MANIFEST_DIR": str(COPY)} | more

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Counted by the processor: what else the machine does makes nothing late.
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(cpu_seconds), math.ceil(cpu_seconds) + 1))

    child = subprocess.Popen(
        [program, "--test-threads=1", "--exact", *tests],
        cwd=COPY,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        preexec_fn=limit,
    )
    last, failed = None, False
    for line in child.stdout:
        begun = re.match(r"test (\S+)", line)
        last = begun[1] if begun and begun[1] != "result:" else last
        if re.match(r"test .* \.\.\. FAILED", line):
            failed = True
            # Not Popen.kill(): that may wait for it, and its times would be lost.
            os.kill(child.pid, signal.SIGKILL)
            break
    child.stdout.close()
    _pid, status, usage = os.wait4(child.pid, 0)
    child.returncode = code = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    if failed:
        return "caught", last, cpu
    if code == -signal.SIGXCPU:
        return "timeout", last, cpu
    return ("caught", f"{last} (ended with {code})", cpu) if code else ("passed", None, cpu)


def measure(program, jobs, without):
    """Of every test: what it costs and which functions it reaches. One that fails ends the run."""
    memory, age = WORK / "measured.json", os.stat(program).st_mtime
    if memory.exists():
        known = json.loads(memory.read_text())
        if (known["program"], known["age"]) == (program, age):
            return known["costs"], collections.defaultdict(list, {int(f): t for f, t in known["reaches"].items()})
    listed = subprocess.run([program, "--list"], cwd=COPY, check=True, stdout=subprocess.PIPE, text=True).stdout
    tests = [test for test in re.findall(r"(?m)^(\S+): test$", listed) if test not in without]
    costs, reaches = {}, collections.defaultdict(list)

    def one(test):
        record = WORK / "reach" / re.sub(r"\W", "_", test)
        record.unlink(missing_ok=True)
        verdict, _, cpu = run(program, [test], 600, MUTANT_REACH=str(record))
        return test, verdict, cpu, record.read_text().split() if record.exists() else []

    (WORK / "reach").mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for test, verdict, cpu, reached in pool.map(one, tests):
            if verdict != "passed":
                sys.exit(f"{test} fails when nothing is broken")
            costs[test] = cpu
            for function in reached:
                reaches[int(function)].append(test)
    # What it takes to start a process is not counted for each.
    least = min(costs.values())
    costs = {test: max(cost - least, 0.001) for test, cost in costs.items()}
    memory.write_text(json.dumps(dict(program=program, age=age, costs=costs, reaches=reaches)))
    return costs, reaches


def judge(program, mutant, costs, tests, quick, by):
    """Only tests that reach its function can notice it: the cheap ones first."""
    verdict, noticed, spent = "missed", None, 0.0
    meant = [test for test in tests if not by or any(part in test for part in by)]
    waiting, budget, left_out = sorted(meant, key=costs.get), FIRST_SECONDS, len(tests) - len(meant)
    while quick and sum(map(costs.get, waiting)) > quick:
        waiting.pop()
        left_out += 1
    while waiting:
        batch, cost = [], 0.0
        while waiting and (not batch or cost + costs[waiting[0]] <= budget):
            cost += costs[waiting[0]]
            batch.append(waiting.pop(0))
        budget *= 4
        result, noticed, cpu = run(program, batch, LATE_SECONDS + LATE_TIMES * cost, MUTANT=str(mutant["number"]))
        spent += cpu
        if result != "passed":
            verdict = result
            break
    keys = ("name", "file", "genre")
    more = dict(verdict=verdict, noticed=noticed, seconds=round(spent, 2), tests=len(tests), left_out=left_out)
    return {k: mutant[k] for k in keys} | more


def unfinished(result):
    return not result or (result["verdict"] == "missed" and result.get("left_out", 1) > 0)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def directory(path):
    return str(pathlib.PurePath(path).parent) if path.count("/") > 1 else path


def table(rows):
    """By directory: what CONTRIBUTING.md shows."""
    counts = collections.defaultdict(collections.Counter)
    for path, verdict in rows:
        counts[directory(path)][verdict] += 1
        counts["together"][verdict] += 1
    print("\n| files | mutants | unviable | caught | timeout | missed | not measured | caught of viable |")
    print("|---|---|---|---|---|---|---|---|")
    for name in sorted(counts, key=lambda n: (n == "together", n)):
        c = counts[name]
        found, viable = c["caught"] + c["timeout"], c["caught"] + c["timeout"] + c["missed"]
        share = f"{100 * found / viable:.1f} %" if viable else "-"
        cells = [c.total(), c["unviable"], c["caught"], c["timeout"], c["missed"], c["unswitched"] + c["not run"], share]
        print(f"| `{name}` | " + " | ".join(map(str, cells)) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-f", "--file", action="append", default=[], help="only files whose path begins so")
    parser.add_argument("--missed", action="store_true", help="only what the last run missed")
    parser.add_argument("--without", action="append", default=[], help="a test that is left out")
    parser.add_argument("--rest", action="store_true", help="only what has not been run yet")
    parser.add_argument("--by", action="append", default=[], help="only tests with this in their name")
    parser.add_argument("--quick", type=float, help="only the cheapest tests, so many seconds of the processor together")
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random")
    parser.add_argument("--minutes", type=float, help="stop after so long; what ran is a random sample")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--build-only", action="store_true")
    options = parser.parse_args()

    mutants = list_mutants()
    say(f"{len(mutants)} mutants")
    WORK.mkdir(parents=True, exist_ok=True)
    # Which do not compile is remembered for as long as no source changes.
    digest = hashlib.sha256(b"".join((ROOT / f).read_bytes() for f in sorted({m["file"] for m in mutants}))).hexdigest()
    memory = WORK / "compiles.json"
    known = json.loads(memory.read_text()) if memory.exists() else {}
    if known.get("digest") != digest:
        known = {"digest": digest, "unviable": [], "unswitched": []}
    unviable = [m for m in mutants if m["name"] in set(known["unviable"])]
    unswitched = [m for m in mutants if m["name"] in set(known["unswitched"])]
    dropped = {m["number"] for m in unviable + unswitched}
    files, more = find_functions([m for m in mutants if m["number"] not in dropped])
    unswitched += more

    def remember(unviable, unswitched):
        known.update(unviable=[m["name"] for m in unviable], unswitched=[m["name"] for m in unswitched])
        memory.write_text(json.dumps(known, indent=1))

    program = build(files, unviable, unswitched, remember)
    viable = sorted((m for fs in files.values() for f in fs for m in f["mutants"]), key=lambda m: m["number"])
    say(f"{len(viable)} viable, {len(unviable)} unviable, {len(unswitched)} cannot be switched")
    if options.build_only:
        return

    started = time.monotonic()
    costs, reaches = measure(program, options.jobs, options.without)
    say(f"nothing broken: all {len(costs)} tests pass, {sum(costs.values()):.1f} s of the processor")
    tests = {m["number"]: reaches[f["number"]] for fs in files.values() for f in fs for m in f["mutants"]}

    record = WORK / "results.json"
    results = {r["name"]: r for r in json.loads(record.read_text())} if record.exists() else {}
    chosen = viable
    if options.file:
        chosen = [m for m in chosen if m["file"].startswith(tuple(options.file))]
    if options.rest:
        chosen = [m for m in chosen if unfinished(results.get(m["name"]))]
    elif options.missed:
        chosen = [m for m in chosen if results.get(m["name"], {}).get("verdict") == "missed"]
    else:
        for mutant in chosen:
            results.pop(mutant["name"], None)
    # In a random order, what ran of a sweep that was stopped is an honest sample.
    random.shuffle(chosen)
    chosen = chosen[: options.sample]
    count = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        def work(mutant):
            if options.minutes and time.monotonic() - started > 60 * options.minutes:
                return None
            return judge(program, mutant, costs, tests[mutant["number"]], options.quick, options.by)

        for done, result in enumerate(concurrent.futures.as_completed([pool.submit(work, m) for m in chosen]), start=1):
            result = result.result()
            if not result:
                continue
            results[result["name"]] = result
            count[result["verdict"]] += 1
            if result["verdict"] == "missed":
                say(f"MISSED {result['name']}")
            if done % 25 == 0 or done == len(chosen):
                say(f"{done} of {len(chosen)}: " + ", ".join(f"{n} {v}" for v, n in sorted(count.items())))
                record.write_text(json.dumps(list(results.values()), indent=1))

    names = {m["name"] for m in viable}
    results = {n: r for n, r in results.items() if n in names}
    record.write_text(json.dumps(list(results.values()), indent=1))
    for verdict in ("missed", "timeout"):
        lines = sorted(n for n, r in results.items() if r["verdict"] == verdict)
        (WORK / f"{verdict}.txt").write_text("".join(f"{line}\n" for line in lines))
    for verdict, which in (("unviable", unviable), ("unswitched", unswitched)):
        (WORK / f"{verdict}.txt").write_text("".join(f"{m['name']}\n" for m in which))
    rows = [(m["file"], results.get(m["name"], {}).get("verdict", "not run")) for m in viable]
    rows += [(m["file"], "unviable") for m in unviable] + [(m["file"], "unswitched") for m in unswitched]
    table(rows)
    say(f"what was missed: {WORK.relative_to(ROOT)}/missed.txt")


if __name__ == "__main__":
    main()
