"""The spectrum as a music player draws it, straight from numpy: reads 32-bit floats, prints the frames as JSON.

    spectrum.py RATE BANDS LENGTH LOW HIGH FILE
"""
import json, sys

import numpy

rate, bands, length, low, high = (float(word) for word in sys.argv[1:6])
bands, length = int(bands), int(length)
high = min(high, rate / 2)
edges = [min(int(low * (high / low) ** (i / bands) * length / rate), length // 2) for i in range(bands + 1)]
window, reference, frames = numpy.hanning(length), 0.01, []
for mono in numpy.fromfile(sys.argv[6], "<f4").astype(float).reshape(-1, length):
    magnitude = numpy.abs(numpy.fft.rfft(mono * window))
    means = numpy.array([magnitude[a:max(b, a + 1)].mean() for a, b in zip(edges, edges[1:])])
    peak = means.max()
    reference += (peak - reference) * (0.05 if peak > reference else 0.005)
    shown = numpy.clip(means / max(reference, 1e-4), 0, 1.5)
    energy = float(numpy.dot(mono, mono))
    level = 0.0
    if energy > 1e-12:
        level = min(max((10 * numpy.log10(energy / length) + 60) / 54, 0.0), 1.0)
    frames.append({"frequencies": (shown * 1000).astype(int).tolist(), "bass": int(shown[:4].mean() * 1000) if bands >= 4 else 0, "level": int(level * 1000)})
print(json.dumps(frames))
