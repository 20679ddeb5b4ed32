#!/bin/sh
# The package in a bare Debian 12 (as root): it installs, records as its user, is upgraded while recordings and a changed configuration
# stay, and goes without taking a recording along. Needs no network but the mirror of packages.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
target=${1:-x86_64-unknown-linux-gnu}
case $target in
  x86_64-unknown-linux-gnu) arch=amd64 ;;
  *) echo "$0: only of x86_64-unknown-linux-gnu" >&2; exit 1 ;;
esac
[ "$(id -u)" = 0 ] || { echo "$0: a root file system is made: run it as root" >&2; exit 1; }
sh "$here/packages.sh" mmdebstrap systemd

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
sh "$here/deb.sh" "$target"
VERSION=$version+next sh "$here/deb.sh" "$target"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mmdebstrap --quiet --variant=minbase bookworm "$root" "$(sh "$here/mirror.sh" main)"
cp target/deb/soundpost_"$version"*_"$arch".deb "$root/"
inside() { DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"; }
fail() { echo "$0: $*" >&2; exit 1; }

inside apt-get update -qq
inside apt-get install -y -qq --no-install-recommends "./soundpost_${version}_$arch.deb" >/dev/null
inside id soundpost | grep -q audio || fail "the user is not in the group audio"
inside soundpost check -c /etc/soundpost.ini >/dev/null
inside soundpost --version
systemd-analyze verify --man=no --root="$root" soundpost.service
systemd-analyze security --offline=yes --root="$root" soundpost.service | tail -n 1

# As the unit runs it, for the time of one file.
mkdir -p "$root/var/lib/soundpost"
inside chown soundpost: /var/lib/soundpost
inside setpriv --reuid soundpost --regid soundpost --init-groups --inh-caps=-all \
  sh -c 'cd /var/lib/soundpost && timeout -s TERM 5 soundpost record --demo' || [ $? = 124 ]
inside soundpost verify /var/lib/soundpost/recordings
recordings=$(cd "$root" && sha256sum var/lib/soundpost/recordings/*.flac)

echo '# mine' >>"$root/etc/soundpost.ini"
inside apt-get install -y -qq "./soundpost_$version+next_$arch.deb" >/dev/null
inside dpkg-query -W -f '${Version}\n' soundpost | grep -qx "$version+next" || fail "it was not upgraded"
tail -n 1 "$root/etc/soundpost.ini" | grep -qx '# mine' || fail "the configuration was lost"
[ "$(cd "$root" && sha256sum var/lib/soundpost/recordings/*.flac)" = "$recordings" ] || fail "the upgrade changed a recording"

inside apt-get purge -y -qq soundpost >/dev/null
[ ! -e "$root/etc/soundpost.ini" ] && [ ! -e "$root/usr/bin/soundpost" ] || fail "the purge left something"
[ "$(cd "$root" && sha256sum var/lib/soundpost/recordings/*.flac)" = "$recordings" ] || fail "the purge took a recording"
echo "the package installs, records, is upgraded and goes"
