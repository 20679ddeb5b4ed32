"""What a disk is written for each byte of finished files, in one long recording with the usual splits."""
import os, sys

import record, sound
from vm import COUNTED, VM, Failed, main, run, wait_for

# The noise that is played: its FLAC is about as large as that of a windy day.
PLAYED = 60
MAY_BE, COUNTS_FROM = 1.1, 600
CONFIG = record.CONFIG.replace("split_minutes = 0.1", "split_minutes = 60")


def test(rig, work, seconds):
    data, played = os.path.join(work, "data.ext4"), os.path.join(work, "played.raw")
    run("mke2fs", "-q", "-t", "ext4", "-E", record.NOT_LATER, data, "1G")
    with open(played, "wb") as out:
        out.write(sound.signal(PLAYED))
    with VM(rig, work, CONFIG, "rig.data=vda:ext4:noatime", record.disks(data, played), COUNTED) as vm:
        vm.told("data", 90)
        wait_for("commands are taken", 30, lambda: vm.sh("echo yes") == "yes\n")
        vm.sh("sync", 60)
        before = vm.sectors_written()
        vm.sh("recorder")
        wait_for("it records", 60, lambda: vm.source("mic")["state"] == "recording")
        vm.sh(f"(while :; do aplay -q -D hw:Loopback,0,0 -t raw -f S16_LE -r {sound.RATE} -c {sound.CHANNELS} --buffer-time=1000000 /dev/vdb; done) "
              ">/dev/null 2>&1 </dev/null &")
        wait_for("so much is recorded", seconds + 120, lambda: vm.source("mic")["frames"] >= seconds * sound.RATE, 5)
        resident, own, most = vm.memory()
        vm.sh("kill -TERM $(cat /run/recorder.pid)")
        wait_for("it ends", 60, lambda: "over" in vm.sh("kill -0 $(cat /run/recorder.pid) 2>/dev/null || echo over"), 0.5)
        vm.sh("sync", 60)
        written = (vm.sectors_written() - before) * 512
        sizes = [int(size) for size in vm.sh("for file in /data/recordings/*.flac; do stat -c %s $file; done").split()]
        if vm.sh("ls /data/recordings/*.part 2>/dev/null"):
            raise Failed("something is left unfinished")
        share = written / sum(sizes)
        print(f"{seconds} s in {len(sizes)} files of {sum(sizes)} bytes: {written} bytes written to the disk, {share:.3f} for each "
              f"(at most {MAY_BE} over an hour)")
        print(f"memory of the recorder then: {resident / 1024:.1f} MiB resident, {own / 1024:.1f} of it its own, most {most / 1024:.1f}")
        if seconds >= COUNTS_FROM and share > MAY_BE:
            raise Failed(f"{share:.3f} bytes are written for each byte")
        print("PASS: disk")


if __name__ == "__main__":
    length = int(sys.argv[2])
    sys.exit(main("disk", length + 400, lambda work: test(sys.argv[1], work, length)))
