"""The image records: a signal through the kernel's ALSA, across splits, fetched from the page, bit for bit; then the plug is pulled."""
import datetime, hashlib, os, random, re, sys, time

from machine import BOOT, ROOT, Card, Failed, Machine, main, run, wait_for
import sound

SECONDS, SPLIT, SYNC = 24, 6, 2
MEMORY_KIB = 14 * 1024
CONFIG = f"""[general]
output_directory = /data/recordings
log_file = none
split_minutes = 0.1
sync_seconds = {SYNC}
[mic]
type = soundcard
format = flac
device = hw:Loopback,1,0
sample_rate = 48000
channels = 2
[web]
port = 80
[analysis]
detector = bands
"""


def as_windows_leaves_it(text):
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def play(machine):
    machine.sh(f"setsid aplay -q -D hw:Loopback,0,0 -t raw -f S16_LE -r {sound.RATE} -c {sound.CHANNELS} --buffer-time=1000000 "
               "/dev/vdb >/run/aplay.log 2>&1 </dev/null & echo $! >/run/aplay.pid")


def recording(machine, seconds=900):
    wait_for("the page says that it records", seconds, lambda: machine.alive() and machine.source("mic")["state"] == "recording", 0.5)


def finished(machine):
    files = machine.json("/api/files?limit=100")["files"]
    return [file for file in reversed(files) if file["state"] == "analysed"]


def fetch(machine, files, folder):
    """Their samples one after the other, and each file's sum."""
    samples, sums = b"", {}
    for file in files:
        path, content = os.path.join(folder, file["name"]), machine.get(f"/download/{file['name']}")
        sums[file["name"]] = hashlib.sha256(content).hexdigest()
        with open(path, "wb") as out:
            out.write(content)
        try:
            samples += sound.decoded(path)
        except ValueError as why:
            raise Failed(str(why)) from why
    return samples, sums


def first_block(machine):
    """Seconds since the kernel began, and its share of the time to the login prompt."""
    text = machine.sh("cat /proc/asound/Loopback/pcm1c/sub0/status")
    return float(re.search(r"trigger_time: ([\d.]+)", text).group(1)) + 0.1


def root_sum(card, work):
    path = card.cut_out(ROOT, os.path.join(work, "root.ext4"))
    run("e2fsck", "-fn", path)
    with open(path, "rb") as root:
        whole = hashlib.file_digest(root, "sha256").hexdigest()
    os.remove(path)
    return whole


def plays_and_comes_back(machine, signal, work):
    play(machine)
    machine.until("the signal is played", SECONDS + 60, "! kill -0 $(cat /run/aplay.pid)")
    if said := machine.sh("cat /run/aplay.log"):
        raise Failed(f"aplay says: {said.strip()}")
    end = machine.source("mic")["frames"]
    files = wait_for("what was played is finished and analysed", 4 * SPLIT + 90,
                     lambda: sum(file["frames"] for file in finished(machine)) >= end and finished(machine), 1)
    samples, sums = fetch(machine, files, work)
    place = sound.found(signal, samples)
    if place is None:
        raise Failed("the signal is not in the files")
    if place[1] != len(signal) // sound.FRAME:
        raise Failed(f"of {len(signal) // sound.FRAME} frames the first {place[1]} are the same, then not")
    sections = sum(len(machine.json(f"/api/files/{file['name']}/analysis")["sections"]) for file in files)
    if len(files) < 4 or sections < 2 or any(file["gaps"] for file in files):
        raise Failed(f"{len(files)} files, {sections} sections, gaps {[file['gaps'] for file in files]}")
    print(f"bit for bit the same: {place[1]} frames in {len(files)} files, fetched from the page; {sections} sections marked", flush=True)
    return sums


def figures(machine):
    block = first_block(machine)
    login = re.search(r"= ([\dmin. ]+)s", machine.sh("systemd-analyze time"))
    memory = machine.sh("cat /proc/$(systemctl show -P MainPID soundpost.service)/status")
    resident = int(re.search(r"VmRSS:\s+(\d+)", memory).group(1))
    print(f"first captured block {block:.1f} s after the kernel began; whole boot {login.group(1) if login else '?'} s")
    print(f"memory of the recorder {resident / 1024:.1f} MiB; of the machine:")
    print(machine.sh("free -m").rstrip(), flush=True)
    if resident > MEMORY_KIB:
        raise Failed(f"the recorder has {resident} KiB of memory, more than {MEMORY_KIB}")


def pull_the_plug(machine, moment):
    play(machine)
    time.sleep(moment)
    frames = machine.source("mic")["frames"]
    machine.kill()
    return frames, datetime.datetime.now(datetime.timezone.utc).isoformat()


def before(machine, cut, frames):
    """The files that were begun before the cut, when they hold all that they must."""
    files = [file for file in finished(machine) if file["start"] < cut]
    return sum(file["frames"] for file in files) >= frames - (SYNC + 1) * sound.RATE and files


def test(image, work):
    signal_path, signal = os.path.join(work, "signal.raw"), sound.signal(SECONDS)
    with open(signal_path, "wb") as out:
        out.write(signal)
    card = Card(image, os.path.join(work, "card.img"))
    card.put("soundpost.ini", as_windows_leaves_it(CONFIG))
    untouched = root_sum(card, work)
    moment = random.uniform(3, 20)

    with Machine(card, work, signal_path, "modules_load=snd-aloop") as machine:
        recording(machine)
        up = time.monotonic() - machine.started
        wait_for("the login prompt", 240, lambda: "login:" in machine.said(), 0.5)
        print(f"recording {up:.0f} s, login prompt {time.monotonic() - machine.started:.0f} s after the power", flush=True)
        figures(machine)
        room = int(machine.sh("df -m --output=size /data | tail -n 1"))
        if room < 350:
            raise Failed(f"the data partition has {room} MiB, and did not grow to the card")
        sums = plays_and_comes_back(machine, signal, work)
        machine.until("STATUS.TXT is on the card", 120, "grep -q '^recording: yes' /boot/firmware/STATUS.TXT")
        frames, cut = pull_the_plug(machine, moment)
    print(f"power cut {moment:.1f} s into the signal, {frames} frames captured", flush=True)

    if root_sum(card, work) != untouched:
        raise Failed("the root's partition was changed")
    fat = card.cut_out(BOOT, os.path.join(work, "boot.fat"))
    run("fsck.fat", "-n", fat)
    status = card.get("STATUS.TXT")
    if not status or b"recording: yes\r\n" not in status:
        raise Failed("STATUS.TXT is not whole")

    with Machine(card, work, signal_path, "modules_load=snd-aloop") as machine:
        recording(machine)
        files = wait_for("what the cut left is analysed", 120, lambda: before(machine, cut, frames), 1)
        samples, after = fetch(machine, files, work)
        changed = [name for name, value in sums.items() if after.get(name) != value]
        if changed:
            raise Failed(f"finished files were changed: {changed}")
        kept = len(samples) // sound.FRAME
        first = sound.found(signal, samples)
        second = sound.found(signal, samples[(first[0] + first[1]) * sound.FRAME:])
        if second is None or second[1] < (moment - SYNC - 6) * sound.RATE:
            raise Failed(f"of the second playing only {second} is there")
        print(f"after the cut: {kept} of {frames} frames there and playable (at most {SYNC + 1} s may be lost), "
              f"{second[1] / sound.RATE:.1f} s of the second playing bit for bit")
        machine.off()
    if root_sum(card, work) != untouched:
        raise Failed("the root's partition was changed")
    print("PASS: the image records, and a power cut takes nothing")


if __name__ == "__main__":
    sys.exit(main("the image", 3600, lambda work: test(sys.argv[1], work)))
