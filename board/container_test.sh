#!/bin/sh
# The container (container.sh) as its users start it, as far as a machine without an engine for containers allows (as root): its own
# program, user, folders and file in its own root, from the command line that is written in it; the machine's network. What only an
# engine gives (namespaces, limits, /dev/snd) is not tried.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
sh "$here/packages.sh" buildah python3 curl flac
sh "$here/container.sh"

export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
work=$(mktemp -d)
log=$work/log
# shellcheck source=board/page_test.sh
. "$here/page_test.sh"
container=
runner=
end() {
  [ -z "$runner" ] || kill -TERM "$runner" 2>/dev/null || true
  [ -z "$container" ] || buildah rm "$container" >/dev/null
  rm -rf "$work"
}
trap end EXIT

container=$(buildah from "oci-archive:target/container/soundpost-$version-amd64.tar")
inside() { buildah run --volume "$work/config.ini:/app/config.ini:ro" --volume "$work/config:/app/config" --volume "$work/recordings:/app/recordings" "$container" -- "$@"; }
command=$(buildah inspect --type container "$container" | python3 -c '
import json, sys
config = json.load(sys.stdin)["OCIv1"]["config"]
print(" ".join(config["Entrypoint"] + config["Cmd"]))')
port=$(free_port)
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
inside $command >"$log" 2>&1 &
runner=$!
await "$runner" "no analysed recording" shows /api/files '"state":"analysed"'
curl -fs "http://127.0.0.1:$port/" | grep -qi '<html' || fail "no page"

# As an engine ends it: the signal goes to the program itself, which is below the runner.
below() { for child in $(pgrep -P "$1"); do echo "$child"; below "$child"; done; }
finish() {
  program=
  for process in $(below "$runner"); do
    [ "$(tr '\0' ' ' <"/proc/$process/cmdline")" != "$command " ] || program=$process
  done
  [ -n "$program" ] || fail "$command runs nowhere"
  kill -TERM "$program"
  wait "$runner" || true
  runner=
}
finish

# With the configuration in a folder of its own, as compose.yaml and soundpost.container have it: its page edits it, and it stays whose it was.
command="/usr/bin/soundpost $(sed -n 's/^    command: //p' board/container/compose.yaml)"
grep -qx "Exec=${command#/usr/bin/soundpost }" board/container/soundpost.container || fail "compose.yaml and soundpost.container differ"
hash=$(printf 'secret\n' | inside /usr/bin/soundpost hash-password)
awk -v hash="$hash" '{ print } /^port = / { print hash }' "$work/config.ini" >"$work/config/config.ini"
chown 1234:1234 "$work/config/config.ini"
chmod 640 "$work/config/config.ini"
# shellcheck disable=SC2086  # the words of a command
inside $command >"$log" 2>&1 &
runner=$!
change_settings "$runner" "$work/config/config.ini"
[ "$(stat -c '%a %u:%g' "$work/config/config.ini" "$work/config/config.ini.bak" | sort -u)" = "640 1234:1234" ] \
  || fail "the configuration belongs to somebody else"
finish
[ -z "$(find "$work/recordings" -name '*.part')" ] || fail "a file was left open"
flac -s -t "$work"/recordings/*.flac
echo "the container records, shows its page, has its settings changed and closes its files: $(find "$work/recordings" -name '*.flac' | wc -l) recordings"
