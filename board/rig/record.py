"""A signal through a real kernel's ALSA into files and back: bit for bit, across every split, with analysis and page."""
import os, sys, time

import sound
from vm import STEADY, VM, Failed, main, run, wait_for

SECONDS, SPLIT = 24, 6
MEMORY_KIB = 14 * 1024
# Everything is written by mke2fs: else the kernel does so later, and it would count as the recorder's.
NOT_LATER = "lazy_itable_init=0,lazy_journal_init=0"
CONFIG = """[general]
output_directory = /data/recordings
split_minutes = 0.1
time_zone = UTC
[mic]
type = soundcard
format = flac
device = hw:Loopback,1,0
sample_rate = 48000
channels = 2
[web]
bind = 0.0.0.0
port = 8080
"""


def disks(data, played):
    """The data disk is /dev/vda, the signal /dev/vdb. What the VM has written survives its end without this machine's disk being waited
    for, which may be slow for reasons of its own: so a flush inside is none outside."""
    return ["-drive", f"file={data},format=raw,if=none,id=data,cache=unsafe", "-device", "virtio-blk-pci,drive=data",
            "-drive", f"file={played},format=raw,if=none,id=played,readonly=on", "-device", "virtio-blk-pci,drive=played"]


def play(vm, seconds):
    vm.sh(f"aplay -q -D hw:Loopback,0,0 -t raw -f S16_LE -r {sound.RATE} -c {sound.CHANNELS} --buffer-time=1000000 "
          "/dev/vdb >/tmp/aplay.log 2>&1 </dev/null & echo $! >/run/aplay.pid")


def played_well(vm):
    if said := vm.sh("cat /tmp/aplay.log"):
        raise Failed(f"aplay says: {said.strip()}")


def finished(vm):
    """Files that are closed and analysed, oldest first; and none that is only closed before one of them."""
    files = vm.json("/api/files?limit=100")["files"]
    return [file for file in reversed(files) if file["state"] == "analysed"]


def fetch(vm, files, folder):
    samples = b""
    for file in files:
        path = os.path.join(folder, file["name"])
        with open(path, "wb") as out:
            out.write(vm.get(f"/download/{file['name']}"))
        try:
            samples += sound.decoded(path)
        except ValueError as why:
            raise Failed(str(why)) from why
    return samples


def check_analysis(vm, files, begin):
    """Every burst that lies whole inside one file is a section of it, at its place."""
    bursts = at = 0
    for file in files:
        first, at = at, at + file["frames"]
        sidecar = vm.json(f"/api/files/{file['name']}/analysis")
        profile = vm.get(f"/api/files/{file['name']}/profile")
        # A file that begins just before a boundary is short.
        if profile[:4] != b"SPPF" or len(profile) < min(1000, file["frames"] // 100):
            raise Failed(f"{file['name']} has no profile of its levels")
        # Where digital silence is in the file, all of the signal is loud.
        if first < begin or at > begin + SECONDS * sound.RATE:
            continue
        for number in range(SECONDS // sound.BURST_EVERY):
            burst = begin / sound.RATE + sound.BURST_EVERY * (number + 0.5) - first / sound.RATE
            if not 0.2 < burst < file["duration_s"] - sound.BURST_SECONDS - 0.2:
                continue
            bursts += 1
            if not any(abs(section["from_s"] - burst) < 0.2 for section in sidecar["sections"]):
                raise Failed(f"{file['name']}: no section at {burst:.1f} s, where a burst is: {sidecar['sections']}")
    if bursts < 2:
        raise Failed(f"only {bursts} bursts could be looked for")
    return bursts


def test(rig, work):
    data, played = os.path.join(work, "data.ext4"), os.path.join(work, "played.raw")
    run("mke2fs", "-q", "-t", "ext4", "-E", NOT_LATER, "-L", "DATA", data, "256M")
    signal = sound.signal(SECONDS)
    with open(played, "wb") as out:
        out.write(signal)
    with VM(rig, work, CONFIG, "rig.data=vda:ext4:noatime rig.record", disks(data, played), STEADY) as vm:
        up = vm.told("up", 90)
        block = vm.told("block", 90)
        block_host = time.monotonic() - vm.started
        wait_for("the page says that it records", 30, lambda: vm.source("mic")["state"] == "recording")
        wait_for("commands are taken", 30, lambda: vm.sh("echo yes") == "yes\n")
        page = vm.get("/")
        if b"<html" not in page.lower():
            raise Failed("the page is not HTML")
        before = vm.sectors_written()
        play(vm, SECONDS)
        wait_for("the signal is played", 4 * SECONDS + 30, lambda: vm.sh("kill -0 $(cat /run/aplay.pid) 2>/dev/null || echo over") == "over\n", 0.5)
        end = vm.source("mic")["frames"]
        files = wait_for("what was played is finished and analysed", 8 * SPLIT + 60,
                         lambda: sum(file["frames"] for file in finished(vm)) >= end and finished(vm), 0.5)
        memory = vm.memory()
        vm.sh("sync")
        written = (vm.sectors_written() - before) * 512
        samples = fetch(vm, files, work)
        status = vm.source("mic")
        gaps = vm.sh("cat /data/recordings/gaps*.csv 2>/dev/null | grep -v ^start")
        played_well(vm)
        place = sound.found(signal, samples)
        if place is None:
            raise Failed("the signal is not in the files")
        begin, same = place
        if same != len(signal) // sound.FRAME:
            raise Failed(f"of {len(signal) // sound.FRAME} frames the first {same} are the same, then not")
        splits = len(files) - 1
        if splits < 3:
            raise Failed(f"only {splits} splits lie in it")
        if gaps or status["gaps"] or status["xruns"] or any(file["gaps"] for file in files):
            raise Failed(f"gaps are told: {status['gaps']} and {status['xruns']} overruns; {gaps.strip()}")
        if "time_zone" in (said := vm.said()):
            raise Failed(f"UTC needs no database of zones, and there is none here: {said}")
        bursts = check_analysis(vm, files, begin)
        if memory[0] > MEMORY_KIB:
            raise Failed(f"the recorder has {memory[0]} KiB of memory, more than {MEMORY_KIB}")
        audio = sum(file["bytes"] for file in files)
        print(f"bit for bit the same: {same} frames across {splits} splits, no gap, no overrun; {bursts} bursts marked as sections")
        print(f"boot to user space {up:.2f} s, to the first captured block {block:.2f} s, of a processor with one instruction a nanosecond "
              f"({block_host:.1f} s of this machine)")
        print(f"memory of the recorder: {memory[0] / 1024:.1f} MiB resident (at most 14), {memory[1] / 1024:.1f} of it its own, most {memory[2] / 1024:.1f}")
        print(f"written to the disk with splits of {SPLIT} s: {written} bytes for {audio} bytes of finished files: {written / audio:.2f}")
        print(f"PASS: the rig records ({time.monotonic() - vm.started:.0f} s)")


if __name__ == "__main__":
    sys.exit(main("the rig", 300, lambda work: test(sys.argv[1], work)))
