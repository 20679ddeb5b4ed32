#!/bin/sh
# The image as it is flashed, in a virtual board (qemu-system-arm), on a copy of the card: it records a known signal through the kernel's
# ALSA, and what is fetched from its page is that signal, bit for bit; a power cut takes nothing; the first start, Wi-Fi and hotspot,
# updates. Takes some minutes each.
#
#   boot_test.sh [record] [settings] [network] [update] [start]    all of them, one after the other, or those named
#
# `start` compares the time to the first block with a plain Debian's start, which is made first (ten minutes, once). IMAGE=FILE.img tests
# that one.
#
# Only ports of 127.0.0.1 are opened. The image is not changed for it and has no way in: see boot/machine.py.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
image=${IMAGE:-target/board/soundpost-$version-armhf.img}
[ -e "$image" ] || { echo "$0: $image is not there: sh board/image.sh" >&2; exit 1; }
sh "$here/packages.sh" python3 mtools dosfstools fdisk e2fsprogs flac coreutils
sh "$here/rig/qemu.sh"
[ $# -gt 0 ] || set -- record settings network update start

# Three updates: a good one (the board's binary of now, by another version), one that ends at once, and one that somebody else signed.
updates() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  VERSION=0.1.0+next sh "$here/update.sh" >&2
  cp target/board/soundpost-update-0.1.0+next.tar "$work/good.tar"
  tar -xf "$(sh "$here/rootfs.sh")" -C "$work" ./usr/bin/true
  VERSION=useless sh "$here/update.sh" "$work/usr/bin/true" >&2
  cp target/board/soundpost-update-useless.tar "$work/useless.tar"
  minisign -G -W -p "$work/other.pub" -s "$work/other.key" >/dev/null
  VERSION=forged UPDATE_SECRET="$work/other.key" sh "$here/update.sh" >&2
  cp target/board/soundpost-update-forged.tar "$work/forged.tar"
  rm -f target/board/soundpost-update-0.1.0+next.tar target/board/soundpost-update-useless.tar target/board/soundpost-update-forged.tar
}

for what in "$@"; do
  echo "== $what"
  case $what in
    record | settings | network) python3 -B "$here/boot/$what.py" "$image" ;;
    update) updates; python3 -B "$here/boot/update.py" "$image" "$work/good.tar" "$work/useless.tar" "$work/forged.tar" ;;
    start) python3 -B "$here/boot/start.py" "$image" "$(sh "$here/rootfs.sh" plain)" ;;
    *) echo "$0: record, settings, network, update or start, not $what" >&2; exit 1 ;;
  esac
done
