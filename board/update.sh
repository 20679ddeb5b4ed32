#!/bin/sh
# A signed update for cards that were flashed before: target/board/soundpost-update-VERSION.tar, for `soundpost-update FILE` on the box
# or for the card's FAT partition.
#
#   update.sh [PROGRAM]    the board's binary, else target/armv7-unknown-linux-gnueabihf/release/soundpost
#
# VERSION=… names it (else Cargo.toml's), UPDATE_SECRET=FILE signs it, else ~/.config/soundpost/update.key, whose other half image.sh has
# put into the image. The version stands in the signature's trusted comment, and so is signed as well.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
fail() { echo "$0: $*" >&2; exit 1; }
program=${1:-target/armv7-unknown-linux-gnueabihf/release/soundpost}
[ -x "$program" ] || fail "$program is not there: sh board/cross.sh build armv7-unknown-linux-gnueabihf"
sh "$here/packages.sh" minisign file
secret=${UPDATE_SECRET:-${XDG_CONFIG_HOME:-$HOME/.config}/soundpost/update.key}
[ -e "$secret" ] || fail "there is no key $secret: board/image.sh makes one"
case $(file -bL "$program") in *ARM,\ EABI5*) ;; *) fail "$program is not a program for the board" ;; esac
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)

mkdir -p target/board
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install -m 755 "$program" "$work/soundpost"
minisign -S -W -s "$secret" -m "$work/soundpost" -x "$work/soundpost.minisig" -c 'made by board/update.sh' -t "soundpost $version armhf" </dev/null >/dev/null
tar -C "$work" --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf "target/board/soundpost-update-$version.tar" soundpost soundpost.minisig
ls -l "target/board/soundpost-update-$version.tar"
