#!/bin/sh
# Prints the bin folder of a virtual environment of ours that has a package of PyPI; makes it when it is not there yet. Whoever asks while
# it is made waits for it.
# venv.sh NAME PACKAGE==VERSION
set -eu
tmp=${CARGO_TARGET_TMPDIR:-target/tmp}
home=$tmp/venv-$1
mkdir -p "$tmp"
exec 9>"$home.lock"
flock 9
if [ "$(cat "$home/has" 2>/dev/null)" != "$2" ]; then
  /usr/bin/python3 -m venv --clear "$home" >&2
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$2" >&2
  echo "$2" >"$home/has"
fi
echo "$home/bin"
