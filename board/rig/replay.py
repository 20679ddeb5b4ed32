"""A log of a disk's writes (QEMU's blklogwrites, in the format of dm-log-writes), and the disk as it was at any point of it."""
import os, random, struct

MAGIC, SECTOR = 0x6A736677736872, 512
FLUSH, FUA, DISCARD = 1, 2, 4


class Write:
    __slots__ = ("sector", "data")

    def __init__(self, sector, data):
        self.sector, self.data = sector, data

    def into(self, disk):
        disk.seek(self.sector * SECTOR)
        disk.write(self.data)


def read(path):
    """The log's entries in their order: a Write, or None for a flush."""
    with open(path, "rb") as log:
        magic, version, count, sector = struct.unpack("<QQQI", log.read(28))
        if (magic, version, sector) != (MAGIC, 1, SECTOR):
            raise ValueError(f"{path} is no log of writes in sectors of {SECTOR}: {magic:x}, {version}, {sector}")
        at = SECTOR
        for number in range(count):
            log.seek(at)
            place, sectors, flags, _ = struct.unpack("<QQQQ", log.read(32))
            at += SECTOR
            if flags & DISCARD:
                # What is discarded reads as zeros here.
                yield Write(place, bytes(sectors * SECTOR))
            elif sectors:
                log.seek(at)
                data = log.read(sectors * SECTOR)
                if len(data) != sectors * SECTOR:
                    raise ValueError(f"{path} ends within entry {number}")
                at += len(data)
                yield Write(place, data)
            if flags & (FLUSH | FUA):
                yield None


def points(log, disk, mark_sector, seed):
    """At every flush, what a disk holds for certain; and before the next one, what it may hold when its cache loses some of it.

    `disk` is the path of the disk as it was at the start, and is brought forward. Yields the kind of the point ("flush" or "torn"),
    the writes to put on a copy of the disk, and how many times the sector at `mark_sector` had been written."""
    chance, waiting, marks = random.Random(seed), [], 0
    with open(disk, "r+b") as base:
        for entry in log:
            if entry is None:
                if not waiting:
                    continue
                # Each of them reached the medium or did not: one chance for all of a point, so that many and few are seen.
                share = chance.random()
                yield "torn", [write for write in waiting if chance.random() < share], marks
                for write in waiting:
                    write.into(base)
                base.flush()
                waiting = []
                yield "flush", [], marks
            elif entry.sector == mark_sector:
                marks += 1
            else:
                waiting.append(entry)


def with_writes(disk, copy, writes):
    """A copy of the disk with more written to it. Holes stay holes."""
    size = os.path.getsize(disk)
    with open(disk, "rb") as source, open(copy, "wb") as out:
        out.truncate(size)
        at = 0
        while at < size:
            try:
                begin = os.lseek(source.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(source.fileno(), begin, os.SEEK_HOLE)
            source.seek(begin)
            out.seek(begin)
            while (left := at - begin) > 0:
                part = source.read(min(left, 1 << 20))
                out.write(part)
                begin += len(part)
        for write in writes:
            write.into(out)
