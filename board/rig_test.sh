#!/bin/sh
# The rig (rig.sh) records: a known signal through a real kernel's ALSA, bit for bit across splits, with analysis and page.
#
#   rig_test.sh [TARGET]    armv7-unknown-linux-gnueabihf unless told otherwise; its program must have been built
#
# Says PASS and what it measured: the time to the first captured block, the recorder's memory, what the disk is written.
set -eu
target=${1:-armv7-unknown-linux-gnueabihf}
here=$(cd "$(dirname "$0")" && pwd)
rig=$here/../target/board/rig
sh "$here/packages.sh" python3 flac e2fsprogs
sh "$here/rig/qemu.sh"
sh "$here/rig.sh" "$target" "$rig"
exec python3 -B "$here/rig/record.py" "$rig"
