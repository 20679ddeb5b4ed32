#!/bin/sh
# The rig (rig.sh) records: a known signal through a real kernel's ALSA, bit for bit across splits, with analysis and page.
#
#   rig_test.sh [TARGET]            armv7-unknown-linux-gnueabihf unless told otherwise; its program must have been built
#   rig_test.sh TARGET usb          the card unplugged and back; a USB stick recorded to, as ext4 and exFAT, pulled and back
#   rig_test.sh TARGET disk SECONDS what the disk is written for each byte of finished files, over so long a recording
#
# Says PASS and what it measured: the time to the first captured block, the recorder's memory, what the disk is written.
set -eu
target=${1:-armv7-unknown-linux-gnueabihf}
what=${2:-record}
here=$(cd "$(dirname "$0")" && pwd)
rig=$here/../target/board/rig
sh "$here/packages.sh" python3 flac e2fsprogs exfatprogs
sh "$here/rig/qemu.sh"
sh "$here/rig.sh" "$target" "$rig"
case $what in
  record | usb) exec python3 -B "$here/rig/$what.py" "$rig" ;;
  disk) exec python3 -B "$here/rig/disk.py" "$rig" "${3:-3600}" ;;
  *) echo "$0: record, usb or disk, not $what" >&2; exit 1 ;;
esac
