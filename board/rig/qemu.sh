#!/bin/sh
# Makes sure that qemu-system-arm is there: from the packages of this machine, or from backports.
#
# Where qemu-utils is that of backports, an emulator from Debian 12 itself would have apt remove it. Then the emulator comes from
# backports as well, by a list of sources that is not kept, and nothing is removed.
set -eu
command -v qemu-system-arm >/dev/null && exit 0
here=$(cd "$(dirname "$0")/.." && pwd)

utils=$(dpkg-query -W -f '${Version}' qemu-utils 2>/dev/null || true)
case $utils in
  *bpo12*) ;;
  *) exec sh "$here/packages.sh" qemu-system-arm ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/lists/partial"
mirror=$(sh "$here/mirror.sh" main)
printf 'deb [arch=amd64] %s %s main\n' "$mirror" bookworm "$mirror" bookworm-backports >"$work/sources.list"
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
get() {
  DEBIAN_FRONTEND=noninteractive $as_root apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=root "$@"
}
echo "installing Debian packages: qemu-system-arm from backports, as qemu-utils $utils is" >&2
get update
get install -y --no-install-recommends --no-remove qemu-system-arm/bookworm-backports qemu-system-common/bookworm-backports \
  qemu-system-data/bookworm-backports >/dev/null
