# shellcheck shell=sh disable=SC2154
# Sourced by container_test.sh and deb_test.sh: a recorder that runs, seen through its page. They set $log, where it tells what it does,
# and $port, where its page is; its password is "secret".

# shellcheck disable=SC2034  # of those who source it
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

fail() { echo "$0: $*" >&2; [ ! -e "$log" ] || cat "$log" >&2; exit 1; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# await PROCESS WHAT COMMAND...: until the command succeeds, for a minute at most and while the process runs. Or WHAT is the matter.
await() {
  process=$1 what=$2 tries=0
  shift 2
  until "$@" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -ge 300 ] || ! kill -0 "$process" 2>/dev/null; then fail "$what after $tries tries"; fi
    sleep 0.2
  done
}

# shows PATH TEXT: the page has the text there.
shows() { curl -fsS -u :secret "http://127.0.0.1:$port$1" | grep -q "$2"; }

settings() { curl -fsS -u :secret "$@" "http://127.0.0.1:$port/api/settings"; }

# change_settings PROCESS FILE: a line is added to the settings on the page, and is in the file then.
change_settings() {
  await "$1" "no settings" settings -o "$log.told"
  python3 - "$log.told" >"$log.new" <<'P'
import json, sys
told = json.load(open(sys.argv[1]))
assert told["locked"] is None, told["locked"]
print(json.dumps({"text": told["text"] + "# of the page\n"}))
P
  settings -X PUT -H 'If-Match: *' -d @"$log.new" >/dev/null || fail "the settings are not taken"
  tail -n 1 "$2" | grep -qx '# of the page' || fail "the settings of the page are not in the file"
}
