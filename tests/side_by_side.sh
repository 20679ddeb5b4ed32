#!/bin/sh
# Runs every test, some binaries side by side: many of them wait most of their time, for sound cards, servers and clocks.
#
#   side_by_side.sh CARGO...     such as: side_by_side.sh cargo test --profile proof --locked; everything has been built before
#
# What a binary said is shown when it has ended. JOBS of them run at once, the longest first.
set -eu
cd "$(dirname "$0")/.."
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

longest="page mutation http_hostile stream_ogg drills stuck_log station_faults stations stationary_noise field_day"
others=$(for file in tests/*.rs; do basename "$file" .rs; done)
for name in $longest; do [ -e "tests/$name.rs" ] || { echo "$0: tests/$name.rs is gone" >&2; exit 1; }; done

SAID=$said
export SAID
{
  printf -- '--test %s\n' $longest
  printf -- '--lib\n--bins\n--doc\n'
  for name in $others; do case " $longest " in *" $name "*) ;; *) printf -- '--test %s\n' "$name" ;; esac; done
} | xargs -d '\n' -P "${JOBS:-2}" -I '{}' sh -c '
  what=$1
  shift
  file="$SAID/$(echo "$what" | tr -c "a-z_\n" "-")"
  code=0
  "$@" $what >"$file" 2>&1 || code=$?
  grep -E "^(test result|     Running|   Doc-tests)" "$file" | tr "\n" " " | sed "s/  */ /g; s/^ //"
  echo
  [ "$code" = 0 ] || { cat "$file"; echo "$what: failed" >>"$SAID/failed"; }
  exit 0
' sh '{}' "$@"

if [ -e "$said/failed" ]; then
  cat "$said/failed" >&2
  exit 1
fi
