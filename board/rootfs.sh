#!/bin/sh
# The image's root file system as far as it is Debian's: Debian 13 for boards of 32 bits (armhf), trimmed to what a recorder on a
# Raspberry Pi needs. image.sh puts soundpost into it.
#
#   rootfs.sh          prints the tar archive, which is kept below ~/.cache/soundpost and made anew when this file changes
#   rootfs.sh plain    Debian 13 as debootstrap would install it, with its kernel: what the image's start is measured against
#
# Programs of the board are run here by qemu-user, so it takes ten minutes; once more only when the list of packages changes. Needs
# root and the machine's own mirror, nothing else.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# NetworkManager with wpa_supplicant: what Raspberry Pi OS itself uses on the same Wi-Fi chip, as a client and as an access point
# (dnsmasq then hands out addresses). busybox and zstd are the initrd's.
packages='systemd-sysv dbus udev kmod initramfs-tools busybox zstd linux-image-armmp raspi-firmware
  firmware-brcm80211 wireless-regdb iw network-manager wpasupplicant dnsmasq-base avahi-daemon systemd-timesyncd
  alsa-utils libasound2t64 e2fsprogs dosfstools exfatprogs fdisk iproute2 iputils-ping procps ca-certificates tzdata
  openssh-server sudo minisign nano less'

# Kernel modules that are kept, with those that they need: the Pi's own devices, USB (sound cards, sticks, network), sound, Wi-Fi,
# file systems of cards and sticks; and what the boot test needs: virtio, snd-aloop, mac80211_hwsim.
modules='^(arch|block|crypto|kernel|lib|mm|security)/
^fs/(autofs|configfs|exfat|ext4|fat|fuse|jbd2|nls|ntfs3|overlayfs)/
^net/(802|core|ipv4|ipv6|llc|mac80211|packet|rfkill|unix|wireless)/[^/]*$
^net/sched/sch_fq
^sound/(core|drivers|usb)/
^sound/soc/(bcm|codecs|generic)/
^drivers/(clk|cpufreq|dma|firmware|gpio|leds|mailbox|mmc|nvmem|pci|pps|pwm|regulator|reset|rtc|thermal|virtio|w1)/
^drivers/block/(loop|virtio_blk)\.
^drivers/char/hw_random/
^drivers/hid/(hid|hid-generic|usbhid/.*)\.
^drivers/hwmon/raspberrypi
^drivers/i2c/(i2c-|algos/|muxes/|busses/i2c-(bcm|gpio))
^drivers/mfd/bcm
^drivers/net/(dummy|mii|net_failover|tun|veth|virtio_net)\.
^drivers/net/(mdio|phy|usb)/
^drivers/net/wireless/(broadcom/brcm80211|virtual)/
^drivers/phy/broadcom/
^drivers/scsi/(scsi_mod|sd_mod)\.
^drivers/soc/bcm/
^drivers/spi/(spi-bcm|spidev)
^drivers/usb/(class|common|core|dwc2|gadget|host|misc|phy|roles|serial|storage)/
^drivers/watchdog/bcm'

fail() { echo "$0: $*" >&2; exit 1; }

# Deletes every module that is neither in the list above nor needed by one that is.
trim_modules() {
  tree=$(echo "$1"/usr/lib/modules/*)
  kernel=$(basename "$tree")
  (cd "$tree/kernel" && find . -name '*.ko*' | sed 's|^\./||' | sort) >"$tree/all"
  echo "$modules" >"$tree/patterns"
  grep -E -f "$tree/patterns" "$tree/all" | sed 's|^|kernel/|' >"$tree/chosen"
  awk -F '[: ]+' -v chosen="$tree/chosen" '
    BEGIN { while ((getline line <chosen) > 0) wanted[line] = 1 }
    wanted[$1] { for (field = 1; field <= NF; field++) if ($field != "") print $field }' "$tree/modules.dep" | sort -u >"$tree/keep"
  sed 's|^|kernel/|' "$tree/all" | sort | comm -23 - "$tree/keep" | (cd "$tree" && xargs rm -f)
  rm "$tree/all" "$tree/patterns" "$tree/chosen" "$tree/keep"
  find "$tree/kernel" -type d -empty -delete
  unpack_modules "$tree/kernel"
  depmod -b "$1/usr" "$kernel"
}

# Unpacked and without signatures, which nobody asks for on a board without a trusted boot: a module is loaded in a tenth of the time,
# and the boot waits for some twenty.
unpack_modules() {
  find "$1" -name '*.ko.xz' -exec xz -d {} +
  python3 - "$1" <<'P'
import pathlib, struct, sys
END = b"~Module signature appended~\n"
for path in pathlib.Path(sys.argv[1]).rglob("*.ko"):
    module = path.read_bytes()
    if module.endswith(END):
        size = struct.unpack(">I", module[-len(END) - 4:-len(END)])[0]
        path.write_bytes(module[:-len(END) - 12 - size])
P
}

# What no Raspberry Pi of 32 bits, or nobody without a keyboard and a screen, needs.
trim() {
  root=$1
  trim_modules "$root"
  find "$root"/usr/lib/linux-image-* -type f ! -name 'bcm2836-rpi-2-b.dtb' ! -name 'bcm2837-rpi-*.dtb' ! -name 'bcm2711-rpi-4*.dtb' -delete
  rm -f "$root"/boot/System.map-*
  # Wi-Fi chips of the Zero 2 W, 3 and 4.
  find "$root/usr/lib/firmware" \( -path '*/brcm/*' -o -path '*/cypress/*' \) \
    ! -name '*43430-sdio.*' ! -name '*43455-sdio.*' ! -name '*43456-sdio.*' ! -type d -delete
  find "$root/usr/lib/firmware/brcm" \( -name '*sdio.*,*' -o -name '*sdio.[A-Za-z]*[- ]*' \) ! -name '*.raspberrypi,*' -delete
  rm -rf "$root"/usr/lib/udev/hwdb.d "$root"/usr/lib/udev/hwdb.bin "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale \
    "$root"/usr/share/info "$root"/usr/share/sounds "$root"/usr/share/lintian "$root"/usr/share/bash-completion \
    "$root"/usr/lib/arm-linux-gnueabihf/gconv "$root"/boot/firmware
  rm -rf "$root"/var/cache/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/var/lib/dpkg/*-old "$root"/etc/ssh/ssh_host_*
  rm -f "$root"/var/lib/systemd/random-seed "$root"/var/lib/systemd/credential.secret "$root"/etc/*- "$root"/var/lib/dbus/machine-id
  # Empty: the machine gives itself one.
  : >"$root/etc/machine-id"
  rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
  # Nobody can log in as root, not even at a serial console.
  grep -q '^root:[*!]' "$root/etc/shadow" || fail "root has a password"
}

# Programs of the board can be run here when the kernel knows by whom.
emulation() {
  [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  [ -e /proc/sys/fs/binfmt_misc/qemu-arm ] || cat /usr/lib/binfmt.d/qemu-arm.conf >/proc/sys/fs/binfmt_misc/register
  arch-test armhf >/dev/null || fail "no program of armhf runs here (qemu-user-static, binfmt_misc)"
}

# Debian as it comes: an archive, and what mmdebstrap is told besides.
debian() {
  tar=$1
  shift
  sh "$here/packages.sh" mmdebstrap arch-test qemu-user-static
  emulation
  mmdebstrap --mode=root --architectures=armhf --components=main,non-free-firmware "$@" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    trixie "$tar.new.tar" "deb $(sh "$here/mirror.sh" main) trixie main non-free-firmware" >&2
  mv "$tar.new.tar" "$tar"
}

make_archive() {
  sh "$here/packages.sh" kmod xz-utils python3
  whole=$cache/debian-armhf-$(echo "$packages" | sha256sum | cut -c 1-12).tar
  # The initrd is made once, by image.sh, with what belongs to it.
  export INITRD=No
  [ -e "$whole" ] || debian "$whole" --variant=minbase --include="$(echo "$packages" | tr -s ' \n' ',,' | sed 's/,$//')"
  work=$(mktemp -d "$cache/rootfs.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  tar -C "$work" --numeric-owner -xpf "$whole"
  trim "$work"
  tar -C "$work" --sort=name --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime \
    --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf "$1.new" .
  mv "$1.new" "$1"
}

[ "$(id -u)" = 0 ] || fail "a root file system is made: run it as root"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/soundpost
mkdir -p "$cache"
# Files are no younger than Debian 13 itself: the same packages make the same archive.
SOURCE_DATE_EPOCH=$(date -u -d 2025-08-09 +%s)
export SOURCE_DATE_EPOCH
if [ "${1:-}" = plain ]; then
  plain=$cache/debian-plain-armhf.tar
  [ -e "$plain" ] || debian "$plain" --variant=important --include=linux-image-armmp,initramfs-tools,systemd-sysv,dbus \
    --customize-hook='echo virtio_blk >>"$1/etc/initramfs-tools/modules" && chroot "$1" update-initramfs -u' # its disk
  echo "$plain"
  exit
fi
archive=$cache/rootfs-armhf-$(sha256sum "$here/rootfs.sh" | cut -c 1-12).tar
[ -e "$archive" ] || make_archive "$archive"
echo "$archive"
