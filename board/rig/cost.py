"""What a second of sound costs the board's own program, in instructions; and from that, on paper, the load of its processor.

The virtual processor's clock goes on by one nanosecond with each instruction, so the time that the kernel charges a thread is the
number of instructions that it executed, its system calls included. The count is exact; that a Cortex-A53 executes about one
instruction a cycle in such code is what the load is reckoned with, and is no measurement.
"""
import os, sys

from vm import COUNTED, VM, main, run, wait_for

LANES, SETTLE, SECONDS = (1, 2, 4), 12, 40
GENERAL = """[general]
output_directory = /data/recordings
split_minutes = 60
pool_seconds = 12
[web]
bind = 0.0.0.0
port = 8080
"""
LANE = """[mic%d]
type = file
path = /data/sound.wav
pace = real
loop = yes
format = flac
filename_pattern = mic%d/%%Y%%m%%d_%%H%%M%%S
"""
# Wind-like noise that is another left and right, with a call in it every two seconds.
SOUND = ["-r", "48000", "-b", "16", "-c", "2"]


def make_sound(path):
    noise, calls = path + ".noise.wav", path + ".calls.wav"
    run("sox", "-R", "-n", *SOUND, noise, "synth", "20", "pinknoise", "pinknoise", "vol", "0.1")
    run("sox", "-R", "-n", *SOUND, calls, "synth", "0.4", "sine", "3000-6000", "vol", "0.1", "pad", "0.8", "0.8", "repeat", "9")
    run("sox", "-R", "-m", noise, calls, path)
    os.remove(noise)
    os.remove(calls)


def spent(vm):
    """By thread, in nanoseconds since it began; and the clock."""
    said = vm.sh("cut -d' ' -f1 /proc/uptime; for t in /proc/$(cat /run/recorder.pid)/task/*; do "
                 "echo $(cat $t/comm) $(cut -d' ' -f1 $t/schedstat); done")
    now, *lines = said.splitlines()
    threads = {}
    for line in lines:
        name, _, ns = line.rpartition(" ")
        # mic2/encoder and mic1/encoder are one kind.
        kind = name.split("/")[-1]
        threads[kind] = threads.get(kind, 0) + int(ns)
    return float(now), threads


def measure(rig, work, data, lanes):
    config = GENERAL + "".join(LANE % (n, n) for n in range(lanes))
    disks = ["-drive", f"file={data},format=raw,if=none,id=data,cache=unsafe", "-device", "virtio-blk-pci,drive=data"]
    with VM(rig, work, config, "rig.data=vda:ext4:noatime rig.record", disks, COUNTED) as vm:
        rate = 48000
        ready = lambda: all(vm.source(f"mic{n}")["frames"] > SETTLE * rate for n in range(lanes))
        wait_for("every source records", 300, ready, 1)
        (begin, before), start = spent(vm), vm.source("mic0")["frames"]
        wait_for("the time is over", 600, lambda: vm.source("mic0")["frames"] > start + SECONDS * rate, 1)
        end, after = spent(vm)
    seconds = end - begin
    return {kind: (after[kind] - before.get(kind, 0)) / seconds / 1e6 for kind in after}


def test(rig, work):
    folder, data = os.path.join(work, "folder"), os.path.join(work, "data.ext4")
    os.mkdir(folder)
    make_sound(os.path.join(folder, "sound.wav"))
    run("mke2fs", "-q", "-t", "ext4", "-d", folder, data, "512M")
    rows = {lanes: measure(rig, work, data, lanes) for lanes in LANES}
    kinds = sorted(rows[LANES[-1]], key=lambda kind: -rows[LANES[-1]][kind])
    print("million instructions a second of 48 kHz stereo, by thread, with analysis and page:")
    print("| sources | " + " | ".join(kinds[:6]) + " | all | of one core at 1 GHz, one instruction a cycle |")
    for lanes, row in rows.items():
        whole = sum(row.values())
        print(f"| {lanes} | " + " | ".join(f"{row.get(kind, 0):.1f}" for kind in kinds[:6]) + f" | {whole:.1f} | {whole / 10:.1f} % |")


if __name__ == "__main__":
    sys.exit(main("the count", 1800, lambda work: test(sys.argv[1], work)))
