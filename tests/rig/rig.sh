#!/bin/sh
# Capture devices that behave like sound cards, on a machine that has none: no hardware, no kernel module, no privileges.
# A private PulseAudio owns one null sink a device. What is played into NAME_out is what NAME hears, in real time, and both
# are ordinary ALSA devices through alsa-lib's pulse plugin. Debian packages: pulseaudio libasound2-plugins alsa-utils.
#
#   rig.sh start DIR NAME:RATE:CHANNELS[:FORMAT] ...   FORMAT: s16le (default), s24le, s32le; prints the variables to export
#   aplay -D NAME_out tone.wav & arecord -D NAME ...
#   rig.sh stop DIR
#   rig.sh run DIR NAME:...                            as start, but stays: the process itself becomes the server
#
# Everything the server keeps lies in DIR, so any number of rigs run side by side, as root or not. A rig that was forgotten
# ends by itself when nobody has been connected for RIG_IDLE_S seconds.
set -eu

usage() { sed -n 's/^#   //p' "$0" >&2; exit 2; }
fail() { echo "rig.sh: $*" >&2; exit 1; }

[ $# -ge 2 ] || usage
command=$1 dir=$2
shift 2

# One word of the server's identity: where it listens. A path of a Unix socket has at most 107 bytes.
socket=$dir/pulse.sock

configure() {
    [ $# -gt 0 ] || usage
    command -v pulseaudio >/dev/null || fail "pulseaudio is missing: apt-get install pulseaudio libasound2-plugins alsa-utils"
    mkdir -p "$dir/home" "$dir/run"
    chmod 700 "$dir/home" "$dir/run"
    dir=$(cd "$dir" && pwd)
    socket=$dir/pulse.sock
    [ ${#socket} -le 107 ] || fail "$socket: too long for a socket, choose a shorter folder"
    # Sinks first: when the socket is there, so are the devices. Without rewinds a sink renders 50 ms at a time; otherwise
    # it begins with two seconds in advance, which a recorder that comes later never hears.
    {
        for spec in "$@"; do
            name=$(field 1 "$spec") rate=$(field 2 "$spec") channels=$(field 3 "$spec") format=$(field 4 "$spec")
            echo "load-module module-null-sink sink_name=$name rate=${rate:-48000} channels=${channels:-1} format=${format:-s16le} norewinds=1"
        done
        echo "load-module module-native-protocol-unix auth-anonymous=1 socket=$socket"
    } >"$dir/server.pa"
    {
        echo "</usr/share/alsa/alsa.conf>"
        for spec in "$@"; do
            name=$(field 1 "$spec")
            cat <<END
pcm.$name { type pulse server "unix:$socket" device "$name.monitor" hint { show on description "rig $name" } }
pcm.${name}_out { type pulse server "unix:$socket" device "$name" hint { show off } }
END
        done
    } >"$dir/asound.conf"
}

field() { echo "$2:::" | cut -d: -f"$1"; }

# Replaces this shell: its process id is the server's. No shared memory, pid file or bus, so that nothing lies outside DIR.
serve() {
    unset DBUS_SESSION_BUS_ADDRESS DBUS_SYSTEM_BUS_ADDRESS DISPLAY PULSE_SERVER PULSE_RUNTIME_PATH
    export HOME="$dir/home" XDG_RUNTIME_DIR="$dir/run" XDG_CONFIG_HOME="$dir/home" PULSE_COOKIE="$dir/cookie"
    rm -f "$socket"
    exec pulseaudio -n --daemonize=no --use-pid-file=no --disable-shm=yes --realtime=no --high-priority=no \
        --exit-idle-time="${RIG_IDLE_S:-120}" --file="$dir/server.pa" >"$dir/server.log" 2>&1 </dev/null
}

case $command in
run)
    configure "$@"
    serve
    ;;
start)
    configure "$@"
    (serve) &
    echo $! >"$dir/server.pid"
    tries=100
    until [ -S "$socket" ]; do
        kill -0 "$(cat "$dir/server.pid")" 2>/dev/null && [ $tries -gt 0 ] || fail "the server did not start: see $dir/server.log"
        tries=$((tries - 1))
        sleep 0.1
    done
    echo "export ALSA_CONFIG_PATH=$dir/asound.conf PULSE_COOKIE=$dir/cookie PULSE_RUNTIME_PATH=$dir/run/pulse"
    ;;
stop)
    [ -f "$dir/server.pid" ] || exit 0
    pid=$(cat "$dir/server.pid")
    kill "$pid" 2>/dev/null || true
    tries=50
    while kill -0 "$pid" 2>/dev/null && [ $tries -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
    rm -rf "$dir/server.pid" "$dir/server.pa" "$dir/server.log" "$dir/asound.conf" "$dir/cookie" "$dir/home" "$dir/run" "$socket"
    rmdir "$dir" 2>/dev/null || true
    ;;
*) usage ;;
esac
