#!/bin/sh
# The Debian package of a target: target/deb/soundpost_VERSION_ARCH.deb, looked over by lintian.
#
#   deb.sh x86_64-unknown-linux-gnu|armv7-unknown-linux-gnueabihf|aarch64-unknown-linux-gnu
#
# Made of what cargo built (board/cross.sh for a board), the same bytes from the same commit: its time is the commit's. VERSION
# stands in for that of Cargo.toml.
set -eu
target=${1:?a target}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."

case $target in
  x86_64-unknown-linux-gnu) arch=amd64 program=target/release/soundpost ;;
  armv7-unknown-linux-gnueabihf) arch=armhf program=target/$target/release/soundpost ;;
  aarch64-unknown-linux-gnu) arch=arm64 program=target/$target/release/soundpost ;;
  *) echo "$0: no package is made for $target" >&2; exit 1 ;;
esac
if [ "$arch" = amd64 ]; then cargo build --release --locked; else sh "$here/cross.sh" build "$target"; fi
sh "$here/packages.sh" debhelper bash-completion dpkg-dev lintian

version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)
export SOURCE_DATE_EPOCH
out=$PWD/target/deb
stage=$out/$arch/soundpost-$version
rm -rf "$out/$arch"
mkdir -p "$stage"
cp -r board/debian "$stage/debian"
cp "$program" board/root/boot/firmware/soundpost.ini README.md board/debian/60-soundpost.rules "$stage"
cat >"$stage/debian/changelog" <<S
soundpost ($version) unstable; urgency=medium

  * Every change is told in CHANGELOG.md of the source.

 -- $(sed -n 's/^Maintainer: //p' board/debian/control)  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
S
(cd "$stage" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps --host-arch "$arch" >"$out/$arch/log" 2>&1) \
  || { tail -n 30 "$out/$arch/log" >&2; exit 1; }
mv "$out/$arch/soundpost_${version}_$arch.deb" "$out/"
lintian --fail-on error --allow-root --tag-display-limit 0 "$out/soundpost_${version}_$arch.deb"
ls -l "$out/soundpost_${version}_$arch.deb"
