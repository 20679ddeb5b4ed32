#!/bin/sh
# What the rig is made of beside the recorder: Debian 13's kernel for boards of 32 bits, busybox, ALSA's libraries and aplay.
#
#   parts.sh    prints the folder, which has root/ (the packages, unpacked) and kernel (its release: 6.12…-armmp)
#
# Nothing is installed: the packages are unpacked under a cache folder. The mirror is that of this machine.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/soundpost/rig-armhf-1
[ -e "$cache/whole" ] && { echo "$cache"; exit; }

rm -rf "$cache"
mkdir -p "$cache/debs" "$cache/root"
main=$(sh "$here/mirror.sh" main)
APT_CONFIG=$(echo "deb [arch=armhf] $main trixie main" | sh "$here/apt.sh" "$cache" armhf)
export APT_CONFIG
kernel=$(apt-cache depends linux-image-armmp | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$kernel" ] || { echo "$0: the mirror has no kernel that linux-image-armmp stands for" >&2; exit 1; }
cd "$cache/debs"
apt-get download -qq "$kernel" busybox-static libc6 libgcc-s1 libasound2t64 libasound2-data alsa-utils >&2
for deb in *.deb; do dpkg -x "$deb" "$cache/root"; done
# Their makers unpack onto a system where lib is usr/lib.
[ ! -d "$cache/root/lib" ] || { cp -a "$cache/root/lib/." "$cache/root/usr/lib/" && rm -rf "$cache/root/lib"; }
echo "${kernel#linux-image-}" >"$cache/kernel"
rm -rf "$cache/debs" "$cache/apt" "$cache/root/usr/share/doc" "$cache/root/usr/share/man" "$cache/root/usr/share/locale"
touch "$cache/whole"
echo "$cache"
