#!/usr/bin/env python3
"""The analysis of a recording as one writes it down in an afternoon: soundfile and numpy, everything at once.

    analyse.py level|bands FILE

The peer of `soundpost analyse` in the benchmarks: the same levels, floors and sections; with bands also the same cells and
columns, without the sections in them and without indices.
"""

import sys

import numpy as np
import soundfile

MARGIN_DB, MIN_GAP_WINDOWS, BLOCK = 12.0, 20, 300


def power_db(power):
    return 10 * np.log10(np.maximum(power, 1e-12))


def sections(level):
    floor = np.concatenate([np.full(len(block), np.percentile(block, 20)) for block in np.split(level, range(BLOCK, len(level), BLOCK))])
    loud = np.flatnonzero(level >= floor + MARGIN_DB)
    if len(loud) == 0:
        return []
    return [(run[0], run[-1] + 1) for run in np.split(loud, np.flatnonzero(np.diff(loud) >= MIN_GAP_WINDOWS) + 1)]


def band_means(power, rate, n, low, high, count):
    bins = np.clip(np.searchsorted(np.arange(n // 2 + 1) * rate / n, np.geomspace(low, high, count + 1)), 0, n // 2)
    return np.stack([power[:, a : max(b, a + 1)].mean(axis=1) for a, b in zip(bins, bins[1:])], axis=1)


def bands(x, rate):
    n = 2 ** int(np.log2(rate / 40))
    frames = x.mean(axis=1)[: len(x) // n * n].reshape(-1, n) * np.hanning(n + 1)[:-1]
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2 * 16 / n**2
    centre = np.arange(len(power)) * n + n // 2
    first = np.searchsorted(centre, np.arange(len(x) * 10 // rate) * rate // 10)
    windows = np.add.reduceat(power, first, axis=0) / np.diff(np.append(first, len(power)))[:, None]
    detection = power_db(band_means(windows, rate, n, 100, 0.45 * rate, 24))
    columns = power_db(band_means(windows, rate, n, 20, rate / 2, 128))
    return detection, np.maximum.reduceat(columns, np.arange(0, len(columns), 10), axis=0)


what, path = sys.argv[1:]
x, rate = soundfile.read(path, always_2d=True)
window = rate // 10
level = power_db((x[: len(x) // window * window] ** 2).reshape(-1, window * x.shape[1]).mean(axis=1))
found = sections(level)
if what == "bands":
    bands(x, rate)
print(f"{len(level)} windows, {len(found)} sections, peak {np.abs(x).max():.4f}")
