#!/bin/sh
# The Debian mirror that this machine itself reads packages from: of the release (main), or of its security updates (security).
set -eu
what=${1:?main or security}
all=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
addresses=$(printf '%s\n' "$all" \
  | sed -n 's/^URIs:[[:space:]]*//p; s/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\).*/\2/p' | tr ' ' '\n' | sed '/^$/d')
case $what in
  main) found=$(printf '%s\n' "$addresses" | grep -v security | head -n 1) ;;
  security) found=$(printf '%s\n' "$addresses" | grep security | head -n 1) ;;
  *) echo "$0: main or security" >&2; exit 1 ;;
esac
[ -n "$found" ] || { echo "$0: found no Debian mirror ($what) in /etc/apt/sources.list and sources.list.d" >&2; exit 1; }
echo "$found"
