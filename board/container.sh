#!/bin/sh
# The container for servers: target/container/soundpost-VERSION-ARCH.tar, an OCI image made of the Debian package, without an
# engine that runs containers.
#
#   container.sh [amd64]
#
# Debian's essential packages, libasound, time zones, and soundpost's own package. The same commit makes the same layers: their
# times are the commit's. Runs as root, which mmdebstrap and buildah want here.
set -eu
arch=${1:-amd64}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
[ "$arch" = amd64 ] || { echo "$0: only amd64 is made, not $arch" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "$0: a root file system is made: run it as root" >&2; exit 1; }
sh "$here/packages.sh" buildah mmdebstrap
sh "$here/deb.sh" x86_64-unknown-linux-gnu

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)
export SOURCE_DATE_EPOCH
out=$PWD/target/container
mkdir -p "$out"
work=$(mktemp -d)
container=
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
trap '[ -z "$container" ] || buildah rm "$container" >/dev/null; rm -rf "$work"' EXIT

# Only the program: the service, its user and its rule for udev are for machines that start by themselves.
# shellcheck disable=SC2016  # expanded by mmdebstrap's shell
mmdebstrap --quiet --variant=essential --include=libasound2,tzdata \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook="dpkg-deb --fsys-tarfile target/deb/soundpost_${version}_$arch.deb | tar -x -C \"\$1\" ./usr/bin/soundpost" \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists "$1"/var/cache "$1"/var/log/*' \
  --customize-hook='mkdir -p "$1/app/recordings" "$1/analyses"' \
  bookworm "$work/root.tar" "$(sh "$here/mirror.sh" main)"

container=$(buildah from scratch)
buildah add --quiet "$container" "$work/root.tar" / >/dev/null
# The folders, the file and the port that ISR's containers have.
buildah config --workingdir /app --entrypoint '["/usr/bin/soundpost"]' --cmd 'record -c /app/config.ini' --stop-signal TERM \
  --port 8080 --arch "$arch" --created-by soundpost \
  --label org.opencontainers.image.title=soundpost --label "org.opencontainers.image.version=$version" \
  --label org.opencontainers.image.licenses="MIT OR Apache-2.0" "$container"
image=$out/soundpost-$version-$arch.tar
rm -f "$image"
buildah commit --quiet --timestamp "$SOURCE_DATE_EPOCH" "$container" "oci-archive:$image:soundpost:$version" >/dev/null
ls -l "$image"
