#!/bin/sh
# Debian's own Rust for a board, unpacked under a cache folder: for machines where rustup cannot add a target.
#
#   toolchain.sh armhf|arm64    prints the folder, which has rust/ (rustc, and the standard library of the board) and sys/ (libasound)
#
# Debian has the same compiler for amd64 (in its security archive) and its standard library for boards (in its next release), so
# both are unpacked side by side; nothing of it is installed. The mirrors are those of this machine.
set -eu
arch=${1:?armhf or arm64}
version=1.96
cache=${XDG_CACHE_HOME:-$HOME/.cache}/soundpost/toolchain-$arch-$version
here=$(cd "$(dirname "$0")" && pwd)

[ -e "$cache/whole" ] && { echo "$cache"; exit; }
case $arch in
  armhf) sh "$here/packages.sh" gcc-arm-linux-gnueabihf g++-arm-linux-gnueabihf libc6-dev-armhf-cross ;;
  arm64) sh "$here/packages.sh" gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross ;;
  *) echo "$0: no board is $arch: armhf or arm64" >&2; exit 1 ;;
esac

rm -rf "$cache"
mkdir -p "$cache/debs" "$cache/rust" "$cache/sys"

main=$(sh "$here/mirror.sh" main)
security=$(sh "$here/mirror.sh" security)
APT_CONFIG=$(sh "$here/apt.sh" "$cache" amd64 "$arch" <<S
deb [arch=amd64,$arch] $main bookworm main
deb [arch=amd64] $security bookworm-security main
deb [arch=$arch] $main trixie main
S
)
export APT_CONFIG

newest() { apt-cache madison "$1" | awk -v wanted="^$version" '$3 ~ wanted { print $3; exit }'; }
rustc=$(newest rustc-web)
std=$(newest "libstd-rust-web-dev:$arch")
if [ -z "$rustc" ] || [ "${rustc%%+*}" != "${std%%+*}" ]; then
  echo "$0: Debian's rustc-web is '$rustc' and its standard library for $arch '$std': they must be the same $version" >&2
  exit 1
fi
cd "$cache/debs"
apt-get download -qq "rustc-web=$rustc" "libstd-rust-web-$version=$rustc" "libstd-rust-web-dev:amd64=$rustc" libllvm22:amd64 \
  "libstd-rust-web-dev:$arch=$std" "libasound2-dev:$arch/bookworm" "libasound2:$arch/bookworm" >&2
for deb in rustc-web*.deb libstd-rust-web*.deb libllvm*.deb; do dpkg -x "$deb" "$cache/rust"; done
for deb in libasound2*.deb; do dpkg -x "$deb" "$cache/sys"; done
rm -rf "$cache/debs" "$cache/apt"
touch "$cache/whole"
echo "$cache"
