#!/usr/bin/env python3
"""Acoustic indices of each minute of mono 16-bit recordings by scikit-maad: what tests/indices_reference.rs compares with.

    indices.py FILE.wav...        one line of JSON for each file: a list of minutes

The spectrogram is maad's, with the parameters that soundpost names; the rest of each index is maad's alone.
"""

import json
import sys
import wave

import numpy as np
from maad import features, sound, util


def minute(x, rate, n):
    # One frame more than there is: maad leaves the last out.
    whole = np.concatenate([x[: len(x) // n * n], np.zeros(n)])
    shape = dict(window="hann", nperseg=n, noverlap=0, detrend=False)
    amplitude, _, hz, _ = sound.spectrogram(whole, rate, mode="amplitude", **shape)
    power, _, _, _ = sound.spectrogram(whole, rate, mode="psd", **shape)
    assert amplitude.shape == (n // 2, len(x) // n)
    centre = np.arange(amplitude.shape[1]) * n + n // 2
    steps = [amplitude[:, (centre >= t * rate) & (centre < (t + 5) * rate)] for t in range(0, len(x) // rate, 5)]
    top = min(10_000, rate // 2 // 1000 * 1000)
    band = hz[(hz >= 2000) & (hz < 8000)]
    df = hz[1] - hz[0]
    rms = np.sqrt((x[: len(x) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10) ** 2).mean(axis=1))
    spectral = features.frequency_entropy(amplitude.mean(axis=1))[0]
    return {
        "aci": sum(features.acoustic_complexity_index(step)[2] for step in steps),
        "adi": features.acoustic_diversity_index(amplitude, hz, 0, top, 1000, -50),
        "aei": features.acoustic_eveness_index(amplitude, hz, 0, top, 1000, -50),
        # Its sum of decibels by hertz, as an area in dB kHz.
        "bi": features.bioacoustics_index(amplitude, hz, (band[0], band[-1])) * df * df / 1000,
        "h": spectral * util.entropy(rms),
        "h_hilbert": spectral * features.temporal_entropy(x, "seewave", "hilbert"),
        "ndsi": features.soundscape_index(power, hz, (2000, 7000), (1000, 1000), R_compatible=None)[0],
    }


def analyse(path):
    with wave.open(path) as wav:
        assert wav.getsampwidth() == 2 and wav.getnchannels() == 1
        rate = wav.getframerate()
        x = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2") / 32768
    n = 1
    while 2 * n <= rate / 40:
        n *= 2
    return [minute(x[m : m + 60 * rate], rate, n) for m in range(0, len(x) // (60 * rate) * 60 * rate, 60 * rate)]


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(json.dumps([{key: float(value) for key, value in minute.items()} for minute in analyse(path)]))
