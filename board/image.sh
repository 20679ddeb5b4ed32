#!/bin/sh
# The image for SD cards: target/board/soundpost-VERSION-armhf.img.xz with its SHA-256, and os_list.json for Raspberry Pi Imager.
#
#   image.sh [raw]    raw: not packed, which saves minutes while one works on it
#
# Debian's part comes from rootfs.sh, soundpost from deb.sh (DEB=FILE: that package instead), and what makes a board of both from root/.
# Three partitions: BOOT (FAT: firmware, kernel, soundpost.ini), ROOT (never written to) and DATA (grows to the card at the first start).
# The same commit and the same packages make the same bytes. The key whose signature updates need is ~/.config/soundpost/update.pub,
# made here if there is none (UPDATE_KEY=FILE: another). URL=… is where os_list.json says that the image lies. Needs root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
fail() { echo "$0: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "a file system is made: run it as root"
sh "$here/packages.sh" mtools dosfstools fdisk xz-utils minisign device-tree-compiler qemu-user-static cpio zstd

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
commit=$(git log -1 --format=%h 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)
export SOURCE_DATE_EPOCH
out=$PWD/target/board
name=soundpost-$version-armhf.img
# MiB: where partitions begin and how large they are.
boot_at=4 boot_size=128 root_at=132 root_size=368 data_at=500 data_size=48 whole=548

# The names by which partitions, and so images, can be told apart are the same in each.
boot_id=50d50001
root_id=50d50002-0000-4000-8000-000000000002
data_id=50d50003-0000-4000-8000-000000000003

mkdir -p "$out"
work=$(mktemp -d "$out/image.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
# Inside, with a /proc that is gone with the command.
# shellcheck disable=SC2016  # expanded by the inner shell
inside() { unshare --mount --fork sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" "$@"; }

update_key() {
  [ -z "${UPDATE_KEY:-}" ] || { echo "$UPDATE_KEY"; return; }
  folder=${XDG_CONFIG_HOME:-$HOME/.config}/soundpost
  if [ ! -e "$folder/update.pub" ]; then
    mkdir -p "$folder"
    (umask 077 && minisign -G -W -p "$folder/update.pub" -s "$folder/update.key" >/dev/null)
    echo "made a key for updates: $folder/update.key; keep it, cards that are flashed now take no updates without it" >&2
  fi
  echo "$folder/update.pub"
}

# One line of soundpost.ini instead of another, which must be there.
set_key() {
  grep -qx "$1" "$2" || fail "$2 has no line '$1'"
  sed -i "s|^$1\$|$3|" "$2"
}

install_soundpost() {
  deb=${DEB:-}
  [ -n "$deb" ] || { sh "$here/deb.sh" armv7-unknown-linux-gnueabihf >&2; deb=target/deb/soundpost_${version}_armhf.deb; }
  cp "$deb" "$root/soundpost.deb"
  inside env DEBIAN_FRONTEND=noninteractive dpkg -i /soundpost.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "the package does not install"; }
  rm "$root/soundpost.deb"
  rm -rf "$root/usr/share/doc" "$root/usr/share/man"
  (cd board/root && find . -type f ! -path './boot/firmware/*' ! -path './boot/overlays/*' -exec cp --parents --no-preserve=ownership,timestamps {} "$root/" \;)
  mkdir -p "$root/boot/firmware" "$root/data" "$root/usr/share/soundpost"
  # What the package's unit waits for on other machines is there when the system starts.
  grep -q '^After=local-fs.target' "$root/usr/lib/systemd/system/soundpost.service" || fail "soundpost.service waits for something else now"
  sed '/^After=/d; /^RequiresMountsFor=/d; s/^WantedBy=.*/WantedBy=sysinit.target/' "$root/usr/lib/systemd/system/soundpost.service" \
    >"$root/etc/systemd/system/soundpost.service"
  cp board/root/boot/firmware/wifi.txt "$root/usr/share/soundpost/wifi.txt"
  cp "$(update_key)" "$root/usr/share/soundpost/update.pub"
  echo "soundpost $version ($commit), Debian $(cat "$root/etc/debian_version"), kernel $kernel" >"$root/usr/share/soundpost/version"
  # A clock that knows nothing begins here.
  : >"$root/usr/lib/clock-epoch"
  ini=$root/etc/soundpost/soundpost.ini
  cp board/root/boot/firmware/soundpost.ini "$ini"
  set_key '#output_directory = recordings' "$ini" 'output_directory = /data/recordings'
  set_key '#log_file = recorder.log' "$ini" 'log_file = none'
  set_key '#port = 8080' "$ini" 'port = 80'
  set_key '#detector = level' "$ini" 'detector = bands'
}

# What starts by itself: the recorder, what belongs to it, and the network. Neither ssh nor what looks after a system that can be changed.
services() {
  rm -f "$root/etc/systemd/system/multi-user.target.wants/soundpost.service"
  inside systemctl --quiet enable soundpost.service soundpost-grow.service soundpost-settings.service soundpost-network.service \
    soundpost-access.service soundpost-status.timer soundpost-trial.service soundpost-update.service \
    NetworkManager.service avahi-daemon.service systemd-timesyncd.service
  inside systemctl --quiet disable ssh.service ssh.socket sshd-keygen.service 2>/dev/null || true
  # What costs time at each start and does nothing for a root that is the same each time.
  inside systemctl --quiet mask NetworkManager-wait-online.service getty@tty1.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-rfkill.service systemd-rfkill.socket \
    systemd-tmpfiles-clean.timer systemd-hwdb-update.service ldconfig.service systemd-journal-catalog-update.service \
    systemd-update-done.service systemd-pstore.service systemd-sysusers.service systemd-journal-flush.service systemd-random-seed.service \
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
    sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount modprobe@configfs.service modprobe@drm.service \
    modprobe@efi_pstore.service modprobe@fuse.service systemd-initctl.socket systemd-creds.socket systemd-sysext.socket \
    systemd-pcrextend.socket systemd-pcrlock.socket systemd-ask-password-console.path systemd-ask-password-wall.path \
    systemd-udev-load-credentials.service systemd-tmpfiles-setup-dev-early.service kmod-static-nodes.service alsa-state.service
  mkdir -p "$root/etc/systemd/system-generators"
  for generator in bless-boot cryptsetup factory-reset gpt-auto hibernate-resume import integritysetup rc-local ssh system-update sysv tpm2 veritysetup; do
    ln -s /dev/null "$root/etc/systemd/system-generators/systemd-$generator-generator"
  done
  inside systemctl set-default multi-user.target >/dev/null 2>&1
  # Levels that were set with alsamixer and stored outlive a start.
  rm -rf "$root/var/lib/alsa"
  ln -s /data/system/alsa "$root/var/lib/alsa"
  # NetworkManager writes it when there is a network.
  ln -sf /run/NetworkManager/resolv.conf "$root/etc/resolv.conf"
}

make_initrd() {
  # Without udev (see modules), and without a check of a root that is never written to.
  (cd "$root/usr/share/initramfs-tools" && rm hooks/udev scripts/*/udev hooks/fsck hooks/raspi-firmware-fsck)
  inside env SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" update-initramfs -c -k "$kernel" >"$work/initrd.log" 2>&1 || { cat "$work/initrd.log" >&2; fail "no initrd"; }
  cp "$root/boot/initrd.img-$kernel" "$work/initrd.img"
  { cpio -t <"$work/initrd.img"; zstd -dc "$work/initrd.img" | cpio -t; } >"$work/inside" 2>/dev/null || true
  for module in sdhci-iproc bcm2835 snd overlay ext4 vfat nls_cp437 nls_ascii virtio_blk; do
    grep -q "/$module\.ko" "$work/inside" || fail "the initrd has no $module: the board would not find its card"
  done
}

# The partition that people see. The program that knows every key reads its soundpost.ini once, too.
fill_boot() {
  boot=$work/boot
  mkdir -p "$boot/overlays"
  firmware=$root/usr/lib/raspi-firmware
  for file in bootcode.bin start.elf start_cd.elf start4.elf start4cd.elf fixup.dat fixup_cd.dat fixup4.dat fixup4cd.dat; do cp "$firmware/$file" "$boot/"; done
  for file in bcm2836-rpi-2-b bcm2837-rpi-zero-2-w bcm2837-rpi-3-a-plus bcm2837-rpi-3-b bcm2837-rpi-3-b-plus bcm2711-rpi-4-b; do
    cp "$root/usr/lib/linux-image-$kernel/$file.dtb" "$boot/"
  done
  cp "$root/boot/vmlinuz-$kernel" "$boot/kernel.img"
  cp "$work/initrd.img" "$boot/initrd.img"
  for source in board/root/boot/overlays/*.dts; do
    overlay=$(basename "$source" .dts)
    dtc -q -@ -I dts -O dtb -o "$boot/overlays/$overlay.dtbo" "$source"
    # A Pi 2 has no Bluetooth that could be turned off, and is not told to (config.txt).
    for board in "$boot"/*.dtb; do
      case $(basename "$board")/$overlay in bcm2836-rpi-2-b.dtb/bluetooth-off) continue ;; esac
      fdtoverlay -i "$board" -o "$work/try" "$boot/overlays/$overlay.dtbo" || fail "the overlay $overlay does not fit $(basename "$board")"
    done
  done
  for file in README.txt config.txt cmdline.txt wifi.txt; do cp "board/root/boot/firmware/$file" "$boot/"; done
  sed -i 's/$/\r/' "$boot/README.txt" "$boot/wifi.txt"
  cp "$root/etc/soundpost/soundpost.ini" "$boot/soundpost.ini"
  inside soundpost check -c /etc/soundpost/soundpost.ini >/dev/null || fail "soundpost.ini is not right"
}

# Nothing younger than the commit, no logs, no caches.
settle() {
  rm -rf "$root"/boot/vmlinuz* "$root"/boot/initrd* "$root"/boot/config* "$root/boot/firmware" "$root/usr/lib/raspi-firmware" "$root"/usr/lib/linux-image-* \
    "$root"/vmlinuz* "$root"/initrd.img* "$root"/var/log/* "$root"/var/cache/* "$root"/var/lib/dpkg/*-old "$root"/etc/*- "$root"/var/lib/initramfs-tools
  : >"$root/etc/machine-id"
  rm -f "$root/etc/hostname"
  mkdir -p "$root/boot/firmware"
  find "$root" "$boot" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

make_fat() {
  truncate -s "${boot_size}M" "$work/boot.fat"
  mkfs.vfat -F 32 -n BOOT --invariant "$work/boot.fat" >/dev/null
  (cd "$boot" && find . -mindepth 1 -type d | LC_ALL=C sort | while read -r folder; do mmd -i "$work/boot.fat" "::${folder#.}"; done
    find . -type f | LC_ALL=C sort | while read -r file; do mcopy -m -i "$work/boot.fat" "$file" "::${file#.}"; done)
}

# Debian 13's mke2fs, the image's own, takes no time but the given one; Debian 12's does.
ext4() {
  image=$1 label=$2 id=$3 size=$4
  shift 4
  truncate -s "${size}M" "$image"
  qemu-arm-static -L "$root" -E SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" "$root/usr/sbin/mke2fs" -q -F -t ext4 -b 4096 -L "$label" -U "$id" \
    -E "hash_seed=$id,root_owner=0:0${extended:+,$extended}" -m 0 "$@" "$image"
}

make_partitions() {
  make_fat
  # Never written to: it needs no journal, and no room.
  extended='' ext4 "$work/root.ext4" ROOT "$root_id" "$root_size" -O ^has_journal,^resize_inode -d "$root"
  # Recordings are few and large; up to 2 TiB. The journal keeps the size that it begins with.
  extended=resize=536870912,lazy_itable_init=0,lazy_journal_init=0 ext4 "$work/data.ext4" DATA "$data_id" "$data_size" -i 65536 -J size=16
}

assemble() {
  truncate -s "${whole}M" "$work/$name"
  printf 'label: dos\nlabel-id: 0x%s\nstart=%dMiB,size=%dMiB,type=c,bootable\nstart=%dMiB,size=%dMiB,type=83\nstart=%dMiB,size=%dMiB,type=83\n' \
    "$boot_id" $boot_at $boot_size $root_at $root_size $data_at $data_size | sfdisk --quiet "$work/$name"
  dd if="$work/boot.fat" of="$work/$name" bs=1M seek=$boot_at conv=notrunc,sparse status=none
  dd if="$work/root.ext4" of="$work/$name" bs=1M seek=$root_at conv=notrunc,sparse status=none
  dd if="$work/data.ext4" of="$work/$name" bs=1M seek=$data_at conv=notrunc,sparse status=none
}

sum() { sha256sum "$1" | cut -d ' ' -f 1; }

publish() {
  if [ "$1" = raw ]; then
    mv "$work/$name" "$out/"
    exit
  fi
  xz -6 -T2 --keep "$work/$name"
  mv "$work/$name" "$work/$name.xz" "$out/"
  cd "$out"
  sha256sum "$name.xz" >"$name.xz.sha256"
  cat >os_list.json <<J
{
  "os_list": [
    {
      "name": "soundpost $version (32-bit)",
      "description": "Field audio recorder for Zero 2 W, Pi 2, 3 and 4",
      "icon": "icons/use_custom.png",
      "url": "${URL:-file://$out}/$name.xz",
      "extract_size": $(stat -c %s "$name"),
      "extract_sha256": "$(sum "$name")",
      "image_download_size": $(stat -c %s "$name.xz"),
      "image_download_sha256": "$(sum "$name.xz")",
      "release_date": "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)",
      "init_format": "cloudinit-rpi",
      "devices": ["pi4-32bit", "pi3-32bit", "pi2-32bit"]
    }
  ]
}
J
  ls -l "$name" "$name.xz"
}

mkdir "$root"
tar -C "$root" --numeric-owner -xpf "$(sh "$here/rootfs.sh")"
kernel=$(basename "$root"/usr/lib/modules/*)
install_soundpost
services
make_initrd
fill_boot
settle
make_partitions
assemble
publish "${1:-packed}"
[ "$(stat -c %s "$name.xz")" -le 200000000 ] || fail "$name.xz is larger than 200 MB"
[ "$(stat -c %s "$name")" -le 600000000 ] || fail "$name is larger than 600 MB"
