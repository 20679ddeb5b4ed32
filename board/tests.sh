#!/bin/sh
# Every test: one optimised build, then the binaries of the tests beside each other, since most of them wait for sound that takes its
# time. What measures, or makes the whole machine busy, comes after them, one at a time. All are run to their end; who fell is told last.
#   tests.sh [JOBS]     so many at once, one more than there are cores if nothing is said; 1: one after the other
# What each one said is in target/tests/NAME.log. `cargo test --profile proof` does the same without this, and takes twice as long.
set -eu
cd "$(dirname "$0")/.."
logs=${CARGO_TARGET_DIR:-target}/tests

# tests.sh --run NAME=BINARY...: these, one after the other. Nothing that happens to one keeps another from being run.
if [ "${1:-}" = --run ]; then
  shift
  for test in "$@"; do
    name=${test%%=*}
    began=$(date +%s)
    told=ok
    CARGO_MANIFEST_DIR=$PWD "${test#*=}" >"$logs/$name.log" 2>&1 || told=FELL
    [ $told = ok ] || echo "$name" >>"$logs/fell"
    printf '%-4s %4s s  %s\n' $told $(($(date +%s) - began)) "$name"
  done
  exit
fi

# How fast something is, and how much memory it takes, must not be its neighbours' doing.
alone='listeners http_beside library'
# One browser at a time; these take longest, so they begin first.
browsers='page field_day'
# So do these: then nobody is left over at the end.
long='month upload stream_ogg mutation stationary_noise drills notify trigger station_faults station_kills relay_hostile http_hostile'

jobs=${1:-$(($(nproc) + 1))}
cargo test --profile proof --locked --no-run
mkdir -p "$logs"
rm -f "$logs"/*
CARGO_TERM_COLOR=never cargo test --profile proof --locked --no-run 2>&1 |
  sed -n 's/^ *Executable \(unittests \)*\(.*\) (\(.*\))$/\2 \3/p' |
  while read -r source binary; do echo "$(basename "$source" .rs)=$binary"; done >"$logs/all"
[ -s "$logs/all" ] || { echo "$0: cargo tells of no tests" >&2; exit 1; }

for name in $alone $browsers $long; do
  grep -q "^$name=" "$logs/all" || { echo "$0: there is no test $name" >&2; exit 1; }
done
named() { for name in "$@"; do grep "^$name=" "$logs/all"; done; }
# shellcheck disable=SC2086  # lists of names
{
  named $alone >"$logs/alone"
  named $browsers | paste -s -d ' ' >"$logs/beside"
  named $long >>"$logs/beside"
}
others=$(cat "$logs/beside" "$logs/alone" | tr ' ' '\n' | grep -vxFf - "$logs/all")
echo "$others" >>"$logs/beside"

began=$(date +%s)
xargs -P "$jobs" -L 1 sh "$PWD/board/tests.sh" --run <"$logs/beside"
xargs -P 1 -L 1 sh "$PWD/board/tests.sh" --run <"$logs/alone"
CARGO_MANIFEST_DIR=$PWD cargo test --profile proof --locked --doc >"$logs/doc.log" 2>&1 || echo doc >>"$logs/fell"
minutes=$((($(date +%s) - began + 30) / 60))
if [ -e "$logs/fell" ]; then
  while read -r name; do printf '\n%s fell:\n' "$name"; cat "$logs/$name.log"; done <"$logs/fell"
  echo "fell, after $minutes minutes: $(paste -s -d ' ' "$logs/fell")" >&2
  exit 1
fi
echo "$(wc -l <"$logs/all") binaries of tests, none fell, in $minutes minutes; what they said is in $logs"
