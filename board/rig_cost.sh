#!/bin/sh
# What a second of sound costs on the board, in instructions (rig/cost.py): for 1, 2 and 4 sources, by thread.
#
#   rig_cost.sh [TARGET]    armv7-unknown-linux-gnueabihf unless told otherwise; its program must have been built
set -eu
target=${1:-armv7-unknown-linux-gnueabihf}
here=$(cd "$(dirname "$0")" && pwd)
rig=$here/../target/board/rig
sh "$here/packages.sh" python3 sox e2fsprogs
sh "$here/rig/qemu.sh"
sh "$here/rig.sh" "$target" "$rig"
exec python3 -B "$here/rig/cost.py" "$rig"
