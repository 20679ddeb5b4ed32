"""Life with USB: the card is unplugged and comes back; a stick that is recorded to, as ext4 and as exFAT, is pulled and comes back.

The card is snd-aloop, taken from its driver and given back: QEMU has no USB device that captures. The stick is QEMU's usb-storage."""
import os, re, sys

import record, sound
from power import closed, sha
from vm import STEADY, VM, Failed, main, run, wait_for

DRIVER = "/sys/bus/platform/drivers/snd_aloop"


def ready(vm):
    wait_for("commands are taken", 30, lambda: vm.sh("echo yes") == "yes\n")
    wait_for("it records", 60, lambda: vm.source("mic")["state"] == "recording")


def later(vm, script):
    """Begins something inside that may take its time."""
    vm.sh(f"({script}) >/dev/null 2>&1 </dev/null &")


def records_on(vm, name="mic", seconds=60):
    """Frames go on coming."""
    now = vm.source(name)["frames"]
    wait_for("frames come", seconds, lambda: vm.source(name)["frames"] > now + sound.RATE, 0.5)


def card(rig, work, played):
    data = os.path.join(work, "data.ext4")
    run("mke2fs", "-q", "-t", "ext4", "-E", record.NOT_LATER, data, "128M")
    with VM(rig, work, record.CONFIG, "rig.data=vda:ext4:noatime rig.record", record.disks(data, played), STEADY) as vm:
        vm.told("block", 90)
        ready(vm)
        wait_for("a file is finished", 60, lambda: closed(vm), 0.5)
        # The driver lets go only when whoever has the card open has closed it.
        later(vm, f"echo snd_aloop.0 >{DRIVER}/unbind; touch /tmp/gone")
        wait_for("the card is closed after it was unplugged", 30, lambda: "gone" in vm.sh("ls /tmp"), 0.5)
        wait_for("its source waits", 30, lambda: (source := vm.source("mic"))["state"] == "waiting" and source["file"] is None, 0.5)
        wait_for("its file is finished", 30, lambda: vm.sh("ls /data/recordings/*.part 2>/dev/null") == "", 0.5)
        before = closed(vm)
        reasons = [file["details"]["end_reason"] for file in before]
        runs = len(re.findall(r"\[mic\] recording ", vm.said()))
        later(vm, f"echo snd_aloop.0 >{DRIVER}/bind")
        wait_for("it records again", 90, lambda: vm.source("mic")["state"] == "recording", 0.5)
        records_on(vm)
        if len(re.findall(r"\[mic\] recording ", vm.said())) != runs + 1:
            raise Failed("there is no new run")
        gap = wait_for("the gap is entered", 30, lambda: [line for line in vm.sh("cat /data/recordings/gaps*.csv").split() if "unplugged" in line], 0.5)
        lost = int(gap[0].split(",")[3])
        if lost < sound.RATE // 10:
            raise Failed(f"the gap has {lost} frames only: {gap}")
        print(f"the card was unplugged: its file was closed ({reasons[0]}), {lost / sound.RATE:.1f} s entered as a gap, and a new run began by itself")


def plug(vm, kind, name):
    """Puts the stick in and mounts it: over the one before, so that there is no moment in which the folder is one of the root."""
    vm.qmp("device_add", driver="usb-storage", id=name, bus="usb.0", drive="stick")
    device = wait_for("the stick is there", 60, lambda: re.search(r"sd[a-z]", vm.sh("ls /dev")), 0.5).group(0)
    if said := vm.sh(f"mkdir -p /stick; mount -t {kind} -o noatime /dev/{device} /stick"):
        if "stick" not in vm.sh("cat /proc/mounts"):
            raise Failed(f"the stick cannot be mounted: {said}")


def stick(rig, work, played, signal, kind):
    image, data = os.path.join(work, "stick"), os.path.join(work, "data.ext4")
    run("mke2fs", "-q", "-t", "ext4", "-E", record.NOT_LATER, data, "32M")
    with open(image, "wb") as out:
        out.truncate(128 << 20)
    run(*(["mke2fs", "-q", "-t", "ext4", "-E", record.NOT_LATER, image] if kind == "ext4" else ["mkfs.exfat", image]))
    devices = [*record.disks(data, played), "-device", "qemu-xhci,id=usb", "-blockdev", f"driver=file,filename={image},node-name=stick"]
    with VM(rig, work, record.CONFIG.replace("/data/", "/stick/"), "rig.data=vda:ext4:noatime", devices, STEADY) as vm:
        vm.told("data", 90)
        wait_for("commands are taken", 30, lambda: vm.sh("echo yes") == "yes\n")
        vm.sh(f"load xhci_pci usb-storage sd_mod {kind}", 60)
        plug(vm, kind, "first")
        vm.sh("recorder")
        ready(vm)
        record.play(vm, record.SECONDS)
        end = len(signal) // sound.FRAME + vm.source("mic")["frames"] + sound.RATE
        files = wait_for("what was played is finished", 4 * record.SECONDS + 90,
                         lambda: (found := record.finished(vm)) and sum(file["frames"] for file in found) >= end and found, 0.5)
        record.played_well(vm)
        place = sound.found(signal, record.fetch(vm, files, work))
        if place is None or place[1] != len(signal) // sound.FRAME:
            raise Failed(f"what was played is not what is on the {kind} stick: {place}")
        vm.sh("sync")
        was = {file["name"]: sha(vm.get(f"/download/{file['name']}")) for file in files}

        vm.qmp("device_del", id="first")
        wait_for("the stick is gone", 30, lambda: "sd" not in vm.sh("ls /dev"), 0.5)
        trouble = wait_for("the status tells of it", 60, lambda: vm.source("mic")["trouble"], 0.5)
        # Longer than the memory holds.
        wait_for("sound is lost", 60, lambda: "the pool is empty" in vm.said(), 0.5)
        plug(vm, kind, "second")
        wait_for("the trouble is over", 90, lambda: vm.source("mic")["trouble"] is None, 0.5)
        records_on(vm)
        wait_for("a file is finished on it again", 60, lambda: [file for file in record.finished(vm) if file["name"] not in was], 0.5)
        for name, hashed in was.items():
            if sha(vm.get(f"/download/{name}")) != hashed:
                raise Failed(f"{name} was finished, and is another file now")
        there = set(vm.sh("ls /stick/recordings").split())
        if not vm.sh("cat /stick/recordings/gaps*.csv 2>/dev/null | grep -v ^start"):
            raise Failed("what was lost is not in gaps.csv of the stick")
        lies = [name for name in re.findall(r"recorded /stick/recordings/(\S+)", vm.said()) if name not in there]
        if lies:
            raise Failed(f"said to be recorded, and not there: {lies}, but {sorted(there)}")
        print(f"{kind}: bit for bit the same on a stick, pulled while it was recorded to, '{trouble[:60]}…'; it records again by itself, "
              f"{len(was)} finished files as they were")


def test(rig, work):
    played, signal = os.path.join(work, "played.raw"), sound.signal(record.SECONDS)
    with open(played, "wb") as out:
        out.write(signal)
    card(rig, work, played)
    for kind in ("ext4", "exfat"):
        stick(rig, work, played, signal, kind)
    print("PASS: USB")


if __name__ == "__main__":
    sys.exit(main("USB", 1500, lambda work: test(sys.argv[1], work)))
