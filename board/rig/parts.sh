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
mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial" "$cache/apt/none" "$cache/debs" "$cache/root"
touch "$cache/apt/status"
main=$(sh "$here/mirror.sh" main)
echo "deb [arch=armhf] $main trixie main" >"$cache/apt/sources.list"
cat >"$cache/apt/conf" <<S
APT::Architecture "armhf";
APT::Architectures { "armhf"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "$cache/apt";
Dir::State::lists "$cache/apt/lists";
Dir::State::status "$cache/apt/status";
Dir::Cache "$cache/apt/cache";
Dir::Etc::sourcelist "$cache/apt/sources.list";
Dir::Etc::sourceparts "$cache/apt/none";
Dir::Etc::preferencesparts "$cache/apt/none";
Dir::Etc::TrustedParts "/usr/share/keyrings";
S
APT_CONFIG=$cache/apt/conf
export APT_CONFIG
apt-get update -qq >&2
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
