"""The signal that is played into the rig's sound card, and where it is found again."""
import array, random, subprocess

RATE, CHANNELS, FRAME = 48000, 2, 4
# A burst of so many seconds begins in the middle of every BURST_EVERY seconds.
BURST_EVERY, BURST_SECONDS = 4, 0.6


def signal(seconds, seed=1):
    """16 bits, stereo: noise from a seed, so that no two seconds are alike; faint, and loud in bursts that the analysis marks."""
    whole = array.array("h")
    chance = random.Random(seed)
    for second in range(seconds * 10):
        tenth = array.array("h", chance.randbytes(RATE // 10 * FRAME))
        at = (second % (BURST_EVERY * 10)) / 10 - BURST_EVERY / 2
        shift = 1 if 0 <= at < BURST_SECONDS else 8
        whole.extend([sample >> shift for sample in tenth])
    # Found at once: it begins with what is neither silence nor noise.
    whole[0:8] = array.array("h", [32767, -32768] * 4)
    return whole.tobytes()


def decoded(path):
    """A FLAC file's samples, as they were played; the file is tested whole (MD5) on the way."""
    done = subprocess.run(["flac", "--silent", "--decode", "--stdout", "--force-raw-format", "--endian=little", "--sign=signed", str(path)],
                          stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        raise ValueError(f"flac refuses {path}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def found(played, recorded):
    """Where in `recorded` the signal begins, and how many frames from there on are bit for bit the same."""
    start = -1
    while True:
        start = recorded.find(played[:64], start + 1)
        if start < 0:
            return None
        if start % FRAME == 0:
            break
    length = min(len(played), len(recorded) - start)
    if recorded[start:start + length] == played[:length]:
        return start // FRAME, length // FRAME
    same = next(at for at in range(length) if recorded[start + at] != played[at])
    return start // FRAME, same // FRAME
