#!/usr/bin/env python3
"""The analysis of a recording in straight numpy, from its definition: what tests/analysis_reference.rs compares with.

    profile.py FILE.wav...        one line of JSON for each file

Nothing here is clever, and nothing is taken from the program: each step is one line of the definition.
"""

import json
import math
import sys
import wave

import numpy as np

BANDS, COLUMNS = 24, 128


def read_wav(path):
    """Rate, bits, and samples as integers: frames x channels."""
    with wave.open(path) as wav:
        rate, channels, width = wav.getframerate(), wav.getnchannels(), wav.getsampwidth()
        raw = np.frombuffer(wav.readframes(wav.getnframes()), dtype=np.uint8)
    if width == 1:  # the only unsigned kind
        samples = raw.astype(np.int64) - 128
    else:
        parts = raw.reshape(-1, width).astype(np.int64)
        samples = sum(parts[:, i] << (8 * i) for i in range(width))
        samples -= (samples >> (8 * width - 1)) << (8 * width)
    return rate, 8 * width, samples.reshape(-1, channels)


def half_away(x):
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def window_edges(frames, rate):
    """[first, end) of each window that counts."""
    edges, k = [], 0
    while True:
        first, end = k * rate // 10, (k + 1) * rate // 10
        if first >= frames or 2 * (min(end, frames) - first) < end - first:
            return edges
        edges.append((first, min(end, frames)))
        k += 1


def levels(samples, rate, bits):
    edges, found = window_edges(len(samples), rate), []
    squares = (samples[: edges[-1][1] if edges else 0] ** 2).sum(axis=1)
    sums = np.add.reduceat(squares, [first for first, _ in edges]) if edges else []
    for (first, end), whole in zip(edges, sums):
        mean = int(whole) / ((end - first) * samples.shape[1] * 2 ** (2 * bits - 2))
        level = 10 * math.log10(mean) if mean > 0 else -math.inf
        found.append(int(half_away(100 * min(max(level, -120.0), 0.0))))
    return found


def band_bins(low, high, count, rate, n):
    """Edges in Hz, and the bins of each band."""
    edges = [low * (high / low) ** (i / count) for i in range(count + 1)]
    edges[0], edges[count] = low, high
    centres = np.arange(n // 2 + 1) * rate / n
    bins = []
    for i in range(count):
        inside = np.flatnonzero((centres >= edges[i]) & (centres < edges[i + 1]))
        if len(inside) == 0:
            inside = np.array([np.argmin(np.abs(centres - math.sqrt(edges[i] * edges[i + 1])))])
        bins.append(inside)
    return edges, bins


def cells(power):
    """One power a band and window as what is stored of it."""
    with np.errstate(divide="ignore"):
        found = np.clip(half_away(2 * (10 * np.log10(power) + 127.5)), 0, 255)
    return np.where(power > 0, found, 0).astype(int).tolist()


def spectra(samples, rate, bits):
    """Powers, spectra x bins, where a full-scale sine is 1, and the centre of each in frames."""
    n = 1
    while 2 * n <= rate / 40:
        n *= 2
    mono = samples.sum(axis=1) / samples.shape[1] / 2 ** (bits - 1)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    count = len(mono) // n
    frames = mono[: count * n].reshape(count, n)
    return np.abs(np.fft.rfft(frames * hann, axis=1)) ** 2 * 16 / n**2, np.arange(count) * n + n // 2, n


def bands_and_columns(samples, rate, bits):
    power, centre, n = spectra(samples, rate, bits)
    detection_edges, detection_bins = band_bins(max(100.0, 2 * rate / n), 0.45 * rate, BANDS, rate, n)
    column_edges, column_bins = band_bins(20.0, rate / 2, COLUMNS, rate, n)
    windows = len(window_edges(len(samples), rate))
    # Which spectra lie in each window, and the mean power of each band in them.
    first = np.searchsorted(centre, [k * rate // 10 for k in range(windows + 1)])

    def means(bins):
        of_spectrum = power[: first[-1], bins].sum(axis=1)
        return np.add.reduceat(of_spectrum, first[:-1]) / np.diff(first) / len(bins)

    detection = cells(np.array([means(bins) for bins in detection_bins]).T)
    tenths = np.array([means(bins) for bins in column_bins]).T
    columns = cells(np.array([tenths[k : k + 10].max(axis=0) for k in range(0, windows, 10)]))
    return detection_edges, column_edges, detection, columns


def floors(values, lowest):
    """Of each block, and the block's [first, end)."""
    starts = list(range(0, len(values), 300))
    if len(starts) > 1 and len(values) - starts[-1] < 150:
        starts.pop()
    blocks = list(zip(starts, starts[1:] + [len(values)]))
    return [(max(sorted(values[a:b])[math.ceil((b - a) / 5) - 1], lowest), a, b) for a, b in blocks]


def loud(values, margin, lowest):
    """Window: how much above its floor, for the loud ones. Everything in hundredths of a decibel."""
    over = {}
    for floor, a, b in floors(values, lowest):
        over.update({k: values[k] - floor for k in range(a, b) if values[k] >= floor + margin})
    return over


def runs(windows, min_gap_ms):
    """Maximal runs [first, end) of loud windows; those whose distance is below the gap are one."""
    found = []
    for k in sorted(windows):
        if found and (k == found[-1][1] or (k - found[-1][1]) * 100 < min_gap_ms):
            found[-1][1] = k + 1
        else:
            found.append([k, k + 1])
    return found


def level_sections(level, margin, min_gap_ms):
    over = loud(level, margin, -9000)
    return [[a, b, max(over[k] for k in range(a, b) if k in over)] for a, b in runs(over, min_gap_ms)]


def band_sections(detection, edges, margin, min_gap_ms, min_length_ms):
    over = [loud([-12750 + 50 * row[band] for row in detection], margin, -9000) for band in range(BANDS)]
    found = []
    for a, b in runs(set().union(*over), min_gap_ms):
        if (b - a) * 100 >= min_length_ms:
            bands = [band for band in range(BANDS) if any(a <= k < b for k in over[band])]
            score = max(over[band][k] for band in bands for k in over[band] if a <= k < b)
            found.append([a, b, score, float(np.float32(edges[bands[0]])), float(np.float32(edges[bands[-1] + 1]))])
    return found


def quality(samples, bits, level):
    full = 2 ** (bits - 1)
    squares = sum(int(x) for x in (samples**2).sum(axis=1))
    return {
        "peak": int(np.abs(samples).max()) / full,
        "dc": int(samples.sum()) / (samples.size * full),
        "clipped": int(((samples == -full) | (samples == full - 1)).sum()),
        "level": 10 * math.log10(squares / (samples.size * full**2)) if squares else -120.0,
    }


def analyse(path):
    rate, bits, samples = read_wav(path)
    level = levels(samples, rate, bits)
    detection_edges, column_edges, detection, columns = bands_and_columns(samples, rate, bits)
    return {
        "frames": len(samples),
        "levels": level,
        "detection_edges": [float(np.float32(hz)) for hz in detection_edges],
        "column_edges": [float(np.float32(hz)) for hz in column_edges],
        "detection": [v for row in detection for v in row],
        "columns": [v for row in columns for v in row],
        "floors": [floor for floor, _, _ in floors(level, -9000)],
        "level_sections": level_sections(level, 1200, 2000),
        "band_sections": band_sections(detection, detection_edges, 1200, 2000, 200),
        "sensitive": band_sections(detection, detection_edges, 625, 500, 300),
        "quality": quality(samples, bits, level),
    }


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(json.dumps(analyse(path)))
