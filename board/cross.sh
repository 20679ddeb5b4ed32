#!/bin/sh
# The board's binary, and a look at what came out.
#
#   cross.sh build  TARGET          target/TARGET/release/soundpost, by the first of three routes that is there
#   cross.sh check  TARGET          architecture, libraries, size; --version, check, ten seconds of the demo under qemu-user
#   cross.sh test   TARGET          the unit tests under qemu-user
#
# TARGET is armv7-unknown-linux-gnueabihf (Zero 2 W, Pi 2, 3, 4) or aarch64-unknown-linux-gnu. ROUTE=cross|rustup|debian chooses.
set -eu
job=${1:?build, check or test}
target=${2:?a target}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."

case $target in
  armv7-unknown-linux-gnueabihf) arch=armhf triple=arm-linux-gnueabihf qemu=qemu-arm-static loader=ld-linux-armhf.so.3 ;;
  aarch64-unknown-linux-gnu) arch=arm64 triple=aarch64-linux-gnu qemu=qemu-aarch64-static loader=ld-linux-aarch64.so.1 ;;
  *) echo "$0: no board is $target: armv7-unknown-linux-gnueabihf or aarch64-unknown-linux-gnu" >&2; exit 1 ;;
esac
upper=$(echo "$target" | tr 'a-z-' 'A-Z_')

# `cross` brings a container with everything; it needs an engine that runs.
has_cross() { command -v cross >/dev/null && { docker info || podman info; } >/dev/null 2>&1; }
# rustup has added the target: its standard library is there.
has_target() { ls "$(rustc --print target-libdir --target "$target" 2>/dev/null)"/libstd-*.rlib >/dev/null 2>&1; }
: "${ROUTE:=$(if has_cross; then echo cross; elif has_target; then echo rustup; else echo debian; fi)}"

# The C compiler and libasound are Debian's, unless a container has them; on the third route the Rust compiler is, too.
tools() {
  sh "$here/packages.sh" pkg-config cmake
  kit=$(sh "$here/toolchain.sh" "$arch")
  export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR="$kit/sys"
  export PKG_CONFIG_LIBDIR="$kit/sys/usr/lib/$triple/pkgconfig:$kit/sys/usr/share/pkgconfig"
  if [ "$ROUTE" = debian ]; then
    export RUSTC="$kit/rust/usr/bin/rustc" RUSTDOC="$kit/rust/usr/bin/rustdoc"
    export LD_LIBRARY_PATH="$kit/rust/usr/lib/x86_64-linux-gnu"
  fi
}

# Runs a program of the board here.
emulator() {
  sh "$here/packages.sh" qemu-user-static binutils file
  echo "$qemu -L /usr/$triple -E LD_LIBRARY_PATH=$kit/sys/usr/lib/$triple"
}

fail() { echo "$0: $*" >&2; exit 1; }

build() {
  echo "route: $ROUTE" >&2
  if [ "$ROUTE" = cross ]; then
    CROSS_CONFIG=$PWD/cross.toml cross build --release --locked --target "$target"
  else
    tools
    cargo build --release --locked --target "$target"
  fi
}

check() {
  kit=$(sh "$here/toolchain.sh" "$arch")
  run=$(emulator)
  program=target/$target/release/soundpost
  [ -x "$program" ] || fail "$program is not there: cross.sh build $target"
  file -b "$program" | cut -d, -f1-5
  if [ "$arch" = armhf ]; then
    attributes=$(readelf -A "$program")
    for wanted in 'Tag_CPU_arch: v7' 'Tag_ABI_VFP_args: VFP registers'; do
      echo "$attributes" | grep -q "$wanted" || fail "$program lacks '$wanted'"
    done
  fi
  for library in $(readelf -d "$program" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p'); do
    case $library in
      libasound.so.2 | libc.so.6 | libm.so.6 | libgcc_s.so.1 | "$loader") ;;
      *) fail "$program needs $library, which an image need not have" ;;
    esac
  done
  # Debian 12 has glibc 2.36.
  newest=$(readelf -V "$program" | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n 1)
  [ "$(printf '%s\nGLIBC_2.36\n' "$newest" | sort -V | tail -n 1)" = GLIBC_2.36 ] || fail "$program wants $newest"
  bytes=$(stat -c %s "$program")
  echo "$bytes bytes, $(echo "$bytes" | awk '{ printf "%.2f", $1 / 1048576 }') MiB (at most 6), newest symbol $newest"
  [ "$bytes" -le 6291456 ] || fail "$program is larger than 6 MiB"

  # shellcheck disable=SC2086  # an emulator and its options
  $run "$program" --version
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  printf '[demo]\ntype = demo\n' >"$folder/soundpost.ini"
  # shellcheck disable=SC2086
  $run "$program" check -c "$folder/soundpost.ini" >/dev/null
  code=0
  # shellcheck disable=SC2086
  (cd "$folder" && timeout -s INT 10 $run "$OLDPWD/$program" record --demo) || code=$?
  [ "$code" = 124 ] || fail "record --demo ended by itself with $code"
  # shellcheck disable=SC2086
  $run "$program" verify "$folder/recordings"
  ls "$folder"/recordings/*.flac >/dev/null
}

unit_tests() {
  if [ "$ROUTE" = cross ]; then
    CROSS_CONFIG=$PWD/cross.toml cross test --release --locked --target "$target" --lib
    return
  fi
  tools
  run=$(emulator)
  eval "export CARGO_TARGET_${upper}_RUNNER='$run'"
  cargo test --release --locked --target "$target" --lib
}

case $job in
  build) build ;;
  check) check ;;
  test) unit_tests ;;
  *) fail "build, check or test" ;;
esac
