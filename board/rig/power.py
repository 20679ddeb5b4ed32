"""Power cuts: the VM killed at random moments and started again on the same disk; and its disk at every flush of one run."""
import hashlib, os, random, re, shutil, sys, time

import record, replay, sound
from vm import STEADY, VM, Failed, main, run, wait_for

SYNC_SECONDS = 5
MAY_BE_LOST = SYNC_SECONDS + 1
# The file system's size in MiB; the marker's sector lies behind it.
FILE_SYSTEM = 128
MARK_SECTOR = FILE_SYSTEM * 2048
LINE = f"rig.data=vda:ext4:noatime rig.mark={MARK_SECTOR} rig.record"
CONFIG = record.CONFIG.replace("[mic]", f"sync_seconds = {SYNC_SECONDS}\n[mic]")


def new_disk(path):
    run("mke2fs", "-q", "-t", "ext4", "-E", record.NOT_LATER, "-L", "DATA", path, f"{FILE_SYSTEM}M")
    os.truncate(path, FILE_SYSTEM * 2**20 + 4096)


def captured(mark):
    """Frames that the card had captured when the marker looked, and the most that it can have captured before it looked again."""
    said = re.match(rb"captured (\d+) (\d+) ", mark)
    return (int(said.group(1)), int(said.group(1)) + int(said.group(2)) * sound.RATE // 100) if said else (0, 0)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def recover(disk):
    """What a mount does first: the journal, inodes that were deleted while they were open, and the totals of what is free, which ext4
    counts anew. Nothing else may be wrong."""
    said = run("e2fsck", "-fy", "-E", "no_optimize_extents", disk, codes=(0, 1)).stdout.decode()
    before = ""
    for line in said.splitlines():
        if line.endswith("? yes") and not re.match(r"Free (blocks|inodes) count wrong \(\d+, counted=\d+\)\.", before):
            raise Failed(f"the file system was damaged: {before} {line}")
        before = line
    run("e2fsck", "-fn", "-E", "no_optimize_extents", disk)
    return "recovering journal" in said


# --- killed, and started again ---

class Known:
    """Files that were seen finished: their hashes, and their frames."""

    def __init__(self):
        self.hashes, self.frames = {}, {}

    def look(self, vm):
        """Fetches what is finished and not yet known."""
        for file in closed(vm):
            if file["name"] not in self.hashes:
                self.hashes[file["name"]] = sha(vm.get(f"/download/{file['name']}"))
                self.frames[file["name"]] = file["frames"]


def run_of(vm):
    """The name that the first file of this start's run has, but for its ending: its time."""
    found = wait_for("the recorder says that it records", 60, lambda: re.search(r"\[mic\] recording .* run (\d{8})T(\d{6})Z", vm.said()))
    return f"{found.group(1)}_{found.group(2)}"


def closed(vm):
    return [file for file in vm.json("/api/files?limit=100")["files"] if file["state"] != "open"]


def after_the_cut(vm, known, this_run, work):
    """Once the recorder is there again, what was cut off is whole as far as it goes. Says how many frames that are."""
    noted = dict(known.hashes)
    wait_for("what was cut off is repaired", 60,
             lambda: vm.sh(f"cd /data/recordings; for part in *.part; do [ ${{part%%.*}} '<' {this_run} ] && echo $part; done") == "", 0.5)
    files = wait_for("the page lists what was finished before the cut", 60,
                     lambda: (found := closed(vm)) and set(noted) <= {file["name"] for file in found} and found, 0.5)
    frames = 0
    for file in files:
        if file["name"] in noted or file["name"] >= this_run:
            continue
        path = os.path.join(work, file["name"])
        with open(path, "wb") as out:
            out.write(vm.get(f"/download/{file['name']}"))
        try:
            got = len(sound.decoded(path)) // sound.FRAME
        except ValueError as why:
            raise Failed(str(why)) from why
        os.remove(path)
        if got != file["frames"]:
            raise Failed(f"{file['name']} is listed with {file['frames']} frames and has {got}")
        frames += got
    return frames


def until_cut(vm, known, this_run, seconds, disk):
    """Notes what is finished until the cut, after so many more seconds are captured. Says how many frames of the run that are, and how
    many the card had captured: at least, and at most (as the marker looks only now and then)."""
    def mark():
        with open(disk, "rb") as image:
            image.seek(MARK_SECTOR * replay.SECTOR)
            return captured(image.read(replay.SECTOR))
    cut, look = mark()[0] + seconds * sound.RATE, 0.0
    while mark()[0] < cut:
        vm.alive()
        # Each look costs the VM some of its time.
        if time.monotonic() > look:
            known.look(vm)
            look = time.monotonic() + 2
        time.sleep(0.01)
    vm.kill()
    least, most = mark()
    return sum(frames for name, frames in known.frames.items() if name >= this_run), least, most


def mended(disk, known, work):
    """A copy of the disk as the cut left it is mended as a mount would do it; and all that was finished is on it, as it was."""
    copy, folder = os.path.join(work, "copy.ext4"), os.path.join(work, "files")
    replay.with_writes(disk, copy, [])
    os.truncate(copy, FILE_SYSTEM * 2**20)
    needed = recover(copy)
    files = recordings_on(copy, folder)
    for name, was in known.hashes.items():
        if name not in files or sha(files[name]) != was:
            raise Failed(f"{name} was finished, and is {'another file now' if name in files else 'not there any more'}")
    os.remove(copy)
    return needed


def recordings_on(disk, folder):
    """The finished recordings on a disk, by name; the folder has everything of them."""
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    run("debugfs", "-R", f"rdump /recordings {folder}", disk)
    recordings = os.path.join(folder, "recordings")
    return read_all(recordings, ".flac") if os.path.isdir(recordings) else {}


def cuts(rig, work, times, seed):
    disk, played = os.path.join(work, "data.ext4"), os.path.join(work, "played.raw")
    new_disk(disk)
    with open(played, "wb") as out:
        out.write(sound.signal(40))
    chance, known, worst, worst_at_most, journals = random.Random(seed), Known(), 0.0, 0.0, 0
    had = least = most = 0
    for number in range(times + 1):
        with open(disk, "r+b") as image:
            replay.Write(MARK_SECTOR, bytes(replay.SECTOR)).into(image)
        with VM(rig, work, CONFIG, LINE, record.disks(disk, played), STEADY) as vm:
            vm.told("block", 180)
            this_run = run_of(vm)
            wait_for("commands are taken", 30, lambda: vm.sh("echo yes") == "yes\n")
            record.play(vm, 40)
            wait_for("the page answers", 30, lambda: vm.source("mic")["state"] == "recording")
            if number > 0:
                kept = had + after_the_cut(vm, known, this_run, work)
                lost, at_most = (max(0, least - kept) / sound.RATE, (most - kept) / sound.RATE)
                worst, worst_at_most = max(worst, lost), max(worst_at_most, at_most)
                print(f"cut {number}: {least / sound.RATE:.1f} s captured, {lost:.2f} to {at_most:.2f} s lost, "
                      f"{len(known.hashes)} finished files as they were", flush=True)
                if lost > MAY_BE_LOST or at_most < 0:
                    raise Failed(f"{lost:.2f} to {at_most:.2f} s are lost, {MAY_BE_LOST} may be")
            if number == times:
                vm.kill()
                mended(disk, known, work)
                break
            # Somewhere within two files.
            had, least, most = until_cut(vm, known, this_run, chance.uniform(0.5, 2 * record.SPLIT), disk)
        journals += mended(disk, known, work)
    if len(known.hashes) < times:
        raise Failed(f"only {len(known.hashes)} files were finished: too few to say anything of them")
    print(f"{times} power cuts: every file system mounts, {len(known.hashes)} finished files as they were; "
          f"the worst lost {worst:.2f} to {worst_at_most:.2f} s, {MAY_BE_LOST} may be; the journal was needed {journals} times, and was enough")


# --- every flush of one run ---

class Replayed:
    """Holds the disk at a point against what the run recorded in the end."""

    def __init__(self, rig, work, final):
        self.rig, self.work = rig, work
        # By name: the hash of each file in the end; and all of their samples in a row.
        self.final = {name: sha(data) for name, data in final.items()}
        self.samples, self.cache = b"", {}
        for name in sorted(final):
            self.samples += self.decode(name, final[name])
        self.seen = set()

    def decode(self, name, data):
        key = sha(data)
        if key not in self.cache:
            path = os.path.join(self.work, "decoded.flac")
            with open(path, "wb") as out:
                out.write(data)
            try:
                self.cache[key] = sound.decoded(path)
            except ValueError as why:
                raise Failed(f"{name}: {why}") from why
        return self.cache[key]

    def files(self, disk, folder):
        """The recordings on a disk, by name, after what the recorder does first at its start."""
        finished = recordings_on(disk, folder)
        recordings = os.path.join(folder, "recordings")
        if not os.path.isdir(recordings):
            return {}, {}
        if any(name.endswith(".part") for name in os.listdir(recordings)):
            root = os.path.join(self.rig, "root")
            run("qemu-arm-static", "-L", root, os.path.join(root, "bin/soundpost"), "repair", recordings)
        if left := [name for name in os.listdir(recordings) if name.endswith(".part")]:
            raise Failed(f"{left} stays unfinished after a repair")
        return finished, read_all(recordings, ".flac")

    def check(self, kind, disk):
        """How many frames are there."""
        finished, all_files = self.files(disk, os.path.join(self.work, "files"))
        for name, data in finished.items():
            if name in self.final and sha(data) != self.final[name]:
                raise Failed(f"{name} was finished, and became another file")
        if missing := self.seen - set(finished):
            raise Failed(f"finished before, and no more there: {sorted(missing)}")
        if kind == "flush":
            self.seen |= set(finished)
        samples = b"".join(self.decode(name, all_files[name]) for name in sorted(all_files))
        if not self.samples.startswith(samples[:len(self.samples)]):
            raise Failed(f"of {sorted(all_files)} not every sample is what was recorded")
        return len(samples) // sound.FRAME


def read_all(folder, ending):
    found = {}
    for name in os.listdir(folder):
        if name.endswith(ending):
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = file.read()
    return found


def log_run(rig, work, disk, log, seconds):
    """Records onto a disk whose writes are logged. Says what was played, as a check that there was something to lose."""
    played = os.path.join(work, "played.raw")
    signal = sound.signal(seconds)
    with open(played, "wb") as out:
        out.write(signal)
    open(log, "w").close()
    devices = record.disks(disk, played)
    devices[0:4] = ["-blockdev", f"driver=file,filename={disk},node-name=disk,cache.no-flush=on",
                    "-blockdev", f"driver=file,filename={log},node-name=log,cache.no-flush=on",
                    "-blockdev", "driver=blklogwrites,node-name=data,file=disk,log=log,log-sector-size=512",
                    "-device", "virtio-blk-pci,drive=data,write-cache=on"]
    with VM(rig, work, CONFIG, LINE, devices, STEADY) as vm:
        vm.told("block", 180)
        wait_for("the page says that it records", 30, lambda: vm.source("mic")["state"] == "recording")
        record.play(vm, seconds)
        wait_for("the signal is played", 4 * seconds + 60, lambda: vm.sh("kill -0 $(cat /run/aplay.pid) 2>/dev/null || echo over") == "over\n", 1)
        source = vm.source("mic")
        if source["gaps"] or source["xruns"]:
            raise Failed(f"gaps are told: {source['gaps']}, overruns {source['xruns']}")
        # The log counts its entries when QEMU ends by itself.
        vm.qmp("quit")
        vm.process.wait(30)
    return signal


def flushes(rig, work, seconds, wanted, seed):
    disk, log, copy = (os.path.join(work, name) for name in ("disk", "log", "copy"))
    new_disk(disk)
    base = os.path.join(work, "base")
    shutil.copyfile(disk, base)
    signal = log_run(rig, work, disk, log, seconds)
    os.truncate(disk, FILE_SYSTEM * 2**20)
    recover(disk)
    replayed = Replayed(rig, work, {})
    _, final = replayed.files(disk, os.path.join(work, "files"))
    replayed = Replayed(rig, work, final)
    place = sound.found(signal, replayed.samples)
    if place is None or place[1] < (seconds - MAY_BE_LOST) * sound.RATE:
        raise Failed("what was played is not in the files of the run")

    marks = [captured(entry.data)[0] for entry in replay.read(log) if entry and entry.sector == MARK_SECTOR]
    counts, worst, journals = {"flush": 0, "torn": 0}, {"flush": (0.0, 0.0), "torn": (0.0, 0.0)}, 0
    for kind, writes, seen in replay.points(replay.read(log), base, MARK_SECTOR, seed):
        counts[kind] += 1
        replay.with_writes(base, copy, writes)
        os.truncate(copy, FILE_SYSTEM * 2**20)
        try:
            journals += recover(copy)
            kept = replayed.check(kind, copy)
            # The mark before the point is the least that was captured. The second one behind it was looked at after the point: the most.
            least, most = marks[seen - 1] if seen else 0, marks[min(seen + 1, len(marks) - 1)]
            lost = (max(0, least - kept) / sound.RATE, (most - kept) / sound.RATE)
            if lost[0] > MAY_BE_LOST or lost[1] < 0:
                raise Failed(f"{lost[0]:.2f} to {lost[1]:.2f} s are lost, {MAY_BE_LOST} may be")
        except Failed as why:
            raise Failed(f"{kind} {counts[kind]}: {why}") from why
        worst[kind] = max(worst[kind], lost)
    if counts["flush"] < wanted:
        raise Failed(f"only {counts['flush']} flushes were logged, {wanted} are wanted: record for longer")
    said = {kind: f"{low:.2f} to {high:.2f} s" for kind, (low, high) in worst.items()}
    print(f"the log of {seconds} s, {len(marks)} marks: {counts['flush']} flushes, the worst lost {said['flush']}; "
          f"{counts['torn']} points before them with some writes left out, the worst lost {said['torn']}; {MAY_BE_LOST} may be; "
          f"{len(replayed.seen)} finished files never changed; the journal was needed {journals} times, and was enough")


def test(rig, work, what, number, seed):
    if what == "cuts":
        cuts(rig, work, number, seed)
    else:
        flushes(rig, work, number, 200, seed)
    print(f"PASS: {what}")


if __name__ == "__main__":
    rig_folder, kind_of_test, amount = sys.argv[1], sys.argv[2], int(sys.argv[3])
    limit = 300 + amount * (120 if kind_of_test == "cuts" else 16)
    sys.exit(main("power cuts", limit, lambda work: test(rig_folder, work, kind_of_test, amount, 5)))
