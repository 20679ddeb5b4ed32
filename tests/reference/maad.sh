#!/bin/sh
# Prints a python that has scikit-maad, from PyPI, in a virtual environment of ours; makes it when it is not there yet.
set -eu
home=${CARGO_TARGET_TMPDIR:-target/tmp}/maad
python=$home/bin/python
if ! "$python" -c 'import maad' 2>/dev/null; then
  /usr/bin/python3 -m venv --clear "$home" >&2
  "$python" -m pip install --quiet --disable-pip-version-check 'scikit-maad==1.5.2' >&2
fi
echo "$python"
