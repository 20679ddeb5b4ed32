#!/bin/sh
# Power cuts in the rig (rig.sh), of armv7-unknown-linux-gnueabihf: takes about half an hour, and more on a busy machine.
#
#   rig_power.sh [N [SECONDS]]    N cuts (20), then the disk at every flush of a recording of SECONDS (90, which has 200 flushes)
#
# The VM is killed at random moments while it records and started again on the same disk. Then all writes to the disk of one more
# recording are logged, and the disk is looked at as it was at each flush, and before it with some writes left out. Each time the file
# system recovers, what was finished is as it was, and at most sync_seconds + 1 s of what the card had captured is lost. Marks that
# are written behind the file system tell how much that was.
set -eu
cuts=${1:-20}
seconds=${2:-90}
here=$(cd "$(dirname "$0")" && pwd)
rig=$here/../target/board/rig-power
sh "$here/packages.sh" python3 flac e2fsprogs qemu-user-static
sh "$here/rig/qemu.sh"
sh "$here/rig.sh" armv7-unknown-linux-gnueabihf "$rig"
[ "$cuts" = 0 ] || python3 -B "$here/rig/power.py" "$rig" cuts "$cuts"
[ "$seconds" = 0 ] || python3 -B "$here/rig/power.py" "$rig" flushes "$seconds"
