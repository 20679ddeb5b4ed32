#!/bin/sh
# The rig: a tiny Linux for a virtual board, with a real kernel, real ALSA (snd-aloop) and the recorder.
#
#   rig.sh TARGET OUT    makes OUT/kernel, OUT/initramfs and OUT/root (the same as a folder) of target/TARGET/release/soundpost
#
# What else is in it is Debian's (rig/parts.sh); rig/init is its first process. Nothing is loaded that the tests do not use.
set -eu
target=${1:?a target}
out=${2:?a folder to write to}
here=$(cd "$(dirname "$0")" && pwd)
[ "$target" = armv7-unknown-linux-gnueabihf ] || { echo "$0: the rig is for armv7-unknown-linux-gnueabihf, not $target" >&2; exit 1; }
program=$here/../target/$target/release/soundpost
[ -x "$program" ] || { echo "$0: $program is not there: sh board/cross.sh build $target" >&2; exit 1; }
sh "$here/packages.sh" cpio kmod xz-utils
parts=$(sh "$here/rig/parts.sh")
kernel=$(cat "$parts/kernel")
libraries=usr/lib/arm-linux-gnueabihf

rm -rf "$out/root"
mkdir -p "$out/root"
root=$(cd "$out/root" && pwd)
cd "$root"
mkdir -p bin dev etc modules proc run sys tmp data www/cgi-bin "$libraries" usr/share
ln -s usr/lib lib
ln -s bin sbin
install -m 755 "$parts/root/usr/bin/busybox" "$parts/root/usr/bin/aplay" "$program" bin/
install -m 755 "$here/rig/init" init
install -m 755 "$here/rig/recorder" "$here/rig/load" "$here/rig/marker" bin/
install -m 755 "$here/rig/command.cgi" www/cgi-bin/command
cp -a "$parts/root/usr/share/alsa" usr/share/
for library in libasound.so.2 libatopology.so.2 libgcc_s.so.1 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1; do
  [ ! -e "$parts/root/$libraries/$library" ] || cp -L "$parts/root/$libraries/$library" "$libraries/"
done
cp -L "$parts/root/$libraries/ld-linux-armhf.so.3" usr/lib/ 2>/dev/null || cp -L "$parts/root/usr/lib/ld-linux-armhf.so.3" usr/lib/

# Modules in the order in which they are loaded, each with all that it needs. What is for the newer processors of 64 bits (-ce) is
# refused by the virtual one.
[ -e "$parts/root/usr/lib/modules/$kernel/modules.dep" ] || depmod -b "$parts/root/usr" "$kernel"
for module in snd-aloop snd-usb-audio usb-storage sd_mod xhci_pci virtio_blk virtio_net virtio_rng crc32c_generic ext4 exfat; do
  modprobe -d "$parts/root/usr" -S "$kernel" --show-depends "$module" | awk '$1 == "insmod" && !/-ce\.ko/ { print $2 }' | while read -r file; do
    name=modules/$(basename "${file%.xz}")
    echo "$(basename "$name" .ko | tr - _) /$name" >>"modules/$module.order"
    [ ! -e "$name" ] || continue
    case $file in
      *.xz) xz -dc "$file" >"$name" ;;
      *) cp "$file" "$name" ;;
    esac
  done
  [ -s "modules/$module.order" ] || { echo "$0: the kernel $kernel has no module $module" >&2; exit 1; }
done

find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 >../initramfs
cp "$parts/root/boot/vmlinuz-$kernel" ../kernel
