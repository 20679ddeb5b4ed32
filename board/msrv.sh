#!/bin/sh
# Compiles everything, tests and benchmarks too, with the oldest Rust that Cargo.toml promises: Debian 12's, unpacked under a cache
# folder; nothing of it is installed. The mirror is that of this machine. Cargo may be a newer one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/soundpost/rust-$version

if ! [ -e "$cache/whole" ]; then
  rm -rf "$cache"
  mkdir -p "$cache/debs" "$cache/rust"
  main=$(sh "$here/mirror.sh" main)
  APT_CONFIG=$(echo "deb $main bookworm main" | sh "$here/apt.sh" "$cache" amd64)
  export APT_CONFIG
  wanted=$(apt-cache madison rustc-web | awk -v wanted="^$version[.]" '$3 ~ wanted { print $3; exit }')
  [ "$wanted" ] || { echo "$0: Debian 12 has no rustc-web $version: say another rust-version" >&2; exit 1; }
  cd "$cache/debs"
  # With what LLVM needs besides, which a bare machine may not have.
  apt-get download -qq "rustc-web=$wanted" "libstd-rust-web-$version=$wanted" "libstd-rust-web-dev=$wanted" libllvm19 libz3-4 libedit2 \
    libbsd0 libmd0 libffi8 libxml2 libicu72 liblzma5 libzstd1 libtinfo6 zlib1g >&2
  for deb in *.deb; do dpkg -x "$deb" "$cache/rust"; done
  cd "$here"
  rm -rf "$cache/debs" "$cache/apt"
  touch "$cache/whole"
fi

usr=$cache/rust/usr
export LD_LIBRARY_PATH="$usr/lib:$usr/lib/x86_64-linux-gnu:$cache/rust/lib/x86_64-linux-gnu" RUSTC="$usr/bin/rustc"
"$RUSTC" --version
cd "$here/.."
CARGO_TARGET_DIR=target/msrv exec cargo check --locked --all-targets
