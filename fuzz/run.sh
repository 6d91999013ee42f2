#!/usr/bin/env bash
# Builds every fuzzer and runs each for some seconds: fuzz/run.sh [SECONDS, default 60] [TARGET ...]
#
# Stable Rust is enough: rustc's own coverage pass, and libFuzzer from its crate. What a run learns goes to target/fuzz/,
# never into the tree; an input that crashes is copied to tests/data/crashes/TARGET/, where `cargo test` replays it from
# then on: fix what it found, and commit it. Good inputs are committed by hand, to fuzz/corpus/TARGET/.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
# libFuzzer takes 0 for ever.
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: $seconds is no number of seconds from 1" >&2; exit 2; }
mapfile -t known < <(sed -n 's/^name = "\([a-z]*\)"$/\1/p' fuzz/Cargo.toml)
targets=("$@")
(( ${#targets[@]} )) || targets=("${known[@]}")
host=$(rustc -vV | sed -n 's/^host: //p')
jobs=$(nproc)

coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
# With --target, or build scripts and macros would be instrumented too.
RUSTFLAGS=$(echo $coverage) cargo build --locked --release --manifest-path fuzz/Cargo.toml --target "$host" \
  --target-dir target/fuzz/build

one() {
  local target=$1 learnt=target/fuzz/corpus/$1 found=target/fuzz/crashes/$1 log=target/fuzz/$1.log status=0
  mkdir -p "$learnt" "$found"
  # A slow input is a finding too: nothing here may take a second.
  "target/fuzz/build/$host/release/$target" "$learnt" "fuzz/corpus/$target" -artifact_prefix="$found/" \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=8192 -print_final_stats=1 >"$log" 2>&1 || status=$?
  if (( status )); then
    mkdir -p "tests/data/crashes/$target"
    find "$found" -type f -newer target/fuzz/started -exec cp -t "tests/data/crashes/$target/" {} +
    echo "fuzz: $target CRASHED (its input is in tests/data/crashes/$target/, the whole log in $log):"
    grep -v '^#' "$log" | head -40
  else
    awk -v t="$target" '/number_of_executed_units/ {n = $2} /average_exec_per_sec/ {r = $2} /^#.* cov: / {c = $4}
      END {printf "fuzz: %-8s %9d runs, %6d a second, %d edges\n", t, n, r, c}' "$log"
  fi
  return "$status"
}

for target in "${targets[@]}"; do
  [[ " ${known[*]} " == *" $target "* ]] || { echo "fuzz: no target is called $target, only: ${known[*]}" >&2; exit 2; }
done

# As many at a time as there are processors.
mkdir -p target/fuzz
touch target/fuzz/started
failed=0
for target in "${targets[@]}"; do
  while (( $(jobs -rp | wc -l) >= jobs )); do wait -n || failed=1; done
  one "$target" &
done
while [[ -n $(jobs -p) ]]; do wait -n || failed=1; done
exit "$failed"
