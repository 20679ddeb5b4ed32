#!/bin/sh
# The container (container.sh) as its users start it, as far as a machine without an engine for containers allows (as root): its own
# program, user, folders and file in its own root, from the command line that is written in it; the machine's network. What only an
# engine gives (namespaces, limits, /dev/snd) is not tried.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
sh "$here/packages.sh" buildah python3 curl flac
sh "$here/container.sh"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
work=$(mktemp -d)
container=
runner=
end() {
  [ -z "$runner" ] || kill -TERM "$runner" 2>/dev/null || true
  [ -z "$container" ] || buildah rm "$container" >/dev/null
  rm -rf "$work"
}
trap end EXIT
fail() { echo "$0: $*" >&2; [ ! -e "$work/log" ] || cat "$work/log" >&2; exit 1; }

container=$(buildah from "oci-archive:target/container/soundpost-$version-amd64.tar")
inside() { buildah run --volume "$work/config.ini:/app/config.ini:ro" --volume "$work/config:/app/config" --volume "$work/recordings:/app/recordings" "$container" -- "$@"; }
command=$(buildah inspect --type container "$container" | python3 -c '
import json, sys
config = json.load(sys.stdin)["OCIv1"]["config"]
print(" ".join(config["Entrypoint"] + config["Cmd"]))')
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$work/recordings" "$work/config"
cat >"$work/config.ini" <<S
[general]
split_minutes = 0.1
[web]
bind = 127.0.0.1
port = $port
[demo]
type = demo
sample_rate = 48000
format = flac
S
inside /usr/bin/soundpost check -c /app/config.ini >/dev/null

# shellcheck disable=SC2086  # the words of a command
inside $command >"$work/log" 2>&1 &
runner=$!
tries=0
until curl -fs "http://127.0.0.1:$port/api/files" | grep -q '"state":"analysed"'; do
  tries=$((tries + 1))
  if [ "$tries" -ge 300 ] || ! kill -0 "$runner" 2>/dev/null; then fail "no analysed recording after $tries tries"; fi
  sleep 0.2
done
curl -fs "http://127.0.0.1:$port/" | grep -qi '<html' || fail "no page"

# As an engine ends it: the signal goes to the program itself, which is below the runner.
below() { for child in $(pgrep -P "$1"); do echo "$child"; below "$child"; done; }
program=
for process in $(below "$runner"); do
  [ "$(tr '\0' ' ' <"/proc/$process/cmdline")" != "$command " ] || program=$process
done
[ -n "$program" ] || fail "$command runs nowhere"
kill -TERM "$program"
wait "$runner" || true
runner=

# With the configuration in a folder of its own, as compose.yaml and soundpost.container have it: its page edits it, and it stays whose it was.
command="/usr/bin/soundpost $(sed -n 's/^    command: //p' board/container/compose.yaml)"
grep -qx "Exec=${command#/usr/bin/soundpost }" board/container/soundpost.container || fail "compose.yaml and soundpost.container differ"
hash=$(printf 'secret\n' | inside /usr/bin/soundpost hash-password)
awk -v hash="$hash" '{ print } /^port = / { print hash }' "$work/config.ini" >"$work/config/config.ini"
chown 1234:1234 "$work/config/config.ini"
chmod 640 "$work/config/config.ini"
# shellcheck disable=SC2086  # the words of a command
inside $command >"$work/log" 2>&1 &
runner=$!
settings() { curl -fsS -u :secret "$@" "http://127.0.0.1:$port/api/settings"; }
tries=0
until settings >"$work/told.json" 2>/dev/null; do
  tries=$((tries + 1))
  if [ "$tries" -ge 300 ] || ! kill -0 "$runner" 2>/dev/null; then fail "no settings after $tries tries"; fi
  sleep 0.2
done
python3 - "$work/told.json" >"$work/new.json" <<'P'
import json, sys
told = json.load(open(sys.argv[1]))
assert told["locked"] is None, told["locked"]
print(json.dumps({"text": told["text"] + "# of the page\n"}))
P
settings -X PUT -H 'If-Match: *' -d @"$work/new.json" >/dev/null || fail "the settings are not taken"
tail -n 1 "$work/config/config.ini" | grep -qx '# of the page' || fail "the settings of the page are not in the file"
[ "$(stat -c '%a %u:%g' "$work/config/config.ini" "$work/config/config.ini.bak" | sort -u)" = "640 1234:1234" ] \
  || fail "the configuration belongs to somebody else"
program=
for process in $(below "$runner"); do
  [ "$(tr '\0' ' ' <"/proc/$process/cmdline")" != "$command " ] || program=$process
done
[ -n "$program" ] || fail "$command runs nowhere"
kill -TERM "$program"
wait "$runner" || true
runner=
[ -z "$(find "$work/recordings" -name '*.part')" ] || fail "a file was left open"
flac -s -t "$work"/recordings/*.flac
echo "the container records, shows its page, has its settings changed and closes its files: $(find "$work/recordings" -name '*.flac' | wc -l) recordings"
