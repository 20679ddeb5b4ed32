#!/bin/sh
# The package in a bare Debian 12 (as root): it installs over one whose configuration lay elsewhere, records as its user, has its settings
# changed on the page, is upgraded while recordings and a changed configuration stay, and goes without taking a recording along. Needs no
# network but the mirror of packages.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
target=${1:-x86_64-unknown-linux-gnu}
case $target in
  x86_64-unknown-linux-gnu) arch=amd64 ;;
  *) echo "$0: only of x86_64-unknown-linux-gnu" >&2; exit 1 ;;
esac
[ "$(id -u)" = 0 ] || { echo "$0: a root file system is made: run it as root" >&2; exit 1; }
sh "$here/packages.sh" mmdebstrap systemd curl python3

root=$(mktemp -d)
log=$root/log
recorder=
trap '[ -z "$recorder" ] || kill -TERM "$recorder" 2>/dev/null || true; rm -rf "$root"' EXIT
# shellcheck source=board/page_test.sh
. "$here/page_test.sh"
sh "$here/deb.sh" "$target"
VERSION=$version+next sh "$here/deb.sh" "$target"

mmdebstrap --quiet --variant=minbase bookworm "$root" "$(sh "$here/mirror.sh" main)"
cp target/deb/soundpost_"$version"*_"$arch".deb "$root/"
inside() { DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"; }

ini=/etc/soundpost/soundpost.ini
inside apt-get update -qq

# One of before, with a configuration that somebody changed.
old=$root/old
mkdir -p "$old/DEBIAN" "$old/etc"
echo '# as it came' >"$old/etc/soundpost.ini"
echo /etc/soundpost.ini >"$old/DEBIAN/conffiles"
printf 'Package: soundpost\nVersion: 0.0.9\nArchitecture: %s\nMaintainer: nobody <nobody@packages.invalid>\nDescription: old\n' "$arch" >"$old/DEBIAN/control"
dpkg-deb --root-owner-group --build "$old" "$root/old.deb" >/dev/null
inside dpkg -i /old.deb >/dev/null
echo '# mine of before' >>"$root/etc/soundpost.ini"

inside apt-get install -y -qq --no-install-recommends "./soundpost_${version}_$arch.deb" >/dev/null
inside id soundpost | grep -q audio || fail "the user is not in the group audio"
grep -qx '# mine of before' "$root$ini" || fail "the old configuration was not taken over"
[ -z "$(find "$root/etc" -maxdepth 1 -name 'soundpost.ini*')" ] || fail "the old configuration is still there"
[ "$(inside stat -c '%a %U:%G' "$ini" /etc/soundpost | tr '\n' ' ')" = "640 soundpost:soundpost 2770 root:soundpost " ] \
  || fail "the rights of the configuration: $(inside stat -c '%a %U:%G' "$ini" /etc/soundpost)"
# Anew, as on a machine that never had it.
inside apt-get purge -y -qq soundpost >/dev/null
[ ! -e "$root/etc/soundpost" ] || fail "the purge left the configuration"
inside apt-get install -y -qq --no-install-recommends "./soundpost_${version}_$arch.deb" >/dev/null
inside soundpost check -c "$ini" >/dev/null
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

# Settings that are changed on the page, as the unit's user and with a system that it may not write to but where the unit says so.
port=$(free_port)
writable=$(sed -n 's/^ReadWritePaths=//p' "$root/usr/lib/systemd/system/soundpost.service" "$root/lib/systemd/system/soundpost.service" 2>/dev/null | head -n 1)
[ -n "$writable" ] || fail "the unit lets nothing be written"
hash=$(printf 'secret\n' | inside soundpost hash-password)
printf '[web]\nbind = 127.0.0.1\nport = %s\n%s\n[demo]\ntype = demo\n' "$port" "$hash" >"$root$ini"
inside install -d -o soundpost /run/soundpost
seen=$root/mnt
# shellcheck disable=SC2016,SC2086  # expanded by the shell inside; folders
unshare -m sh -c 'root=$1 seen=$2 ini=$3; shift 3
  mount --bind "$root" "$seen"
  mount -o remount,bind,ro "$seen"
  for path in "$@" /var/lib/soundpost /run/soundpost; do mount --bind "$root$path" "$seen$path"; done
  exec chroot "$seen" setpriv --reuid soundpost --regid soundpost --init-groups --inh-caps=-all \
    sh -c "cd /var/lib/soundpost && RUNTIME_DIRECTORY=/run/soundpost exec soundpost record -c $ini"' sh "$root" "$seen" "$ini" $writable >"$log" 2>&1 &
recorder=$!
change_settings "$recorder" "$root$ini"
grep -q "^password_hash = .argon2" "$root$ini" || fail "the password is gone"
[ "$(inside stat -c '%a %U:%G' "$ini" "$ini.bak" | sort -u)" = "640 soundpost:soundpost" ] || fail "the rights of the settings are others"
# As systemctl reload has it, after somebody changed it by hand.
printf '[second]\ntype = demo\nfilename_pattern = second_%%H%%M%%S\n' >>"$root$ini"
kill -HUP "$recorder"
await "$recorder" "HUP changes nothing" shows /api/status '"name":"second"'
kill -TERM "$recorder"
wait "$recorder" || fail "it did not end well"
recorder=
recordings=$(cd "$root" && sha256sum var/lib/soundpost/recordings/*.flac)

echo '# mine' >>"$root$ini"
inside apt-get install -y -qq "./soundpost_$version+next_$arch.deb" >/dev/null
inside dpkg-query -W -f '${Version}\n' soundpost | grep -qx "$version+next" || fail "it was not upgraded"
tail -n 1 "$root$ini" | grep -qx '# mine' || fail "the configuration was lost"
[ "$(cd "$root" && sha256sum var/lib/soundpost/recordings/*.flac)" = "$recordings" ] || fail "the upgrade changed a recording"

inside apt-get purge -y -qq soundpost >/dev/null
[ ! -e "$root/etc/soundpost" ] && [ ! -e "$root/usr/bin/soundpost" ] || fail "the purge left something"
[ "$(cd "$root" && sha256sum var/lib/soundpost/recordings/*.flac)" = "$recordings" ] || fail "the purge took a recording"
echo "the package installs, records, has its settings changed, is upgraded and goes"
