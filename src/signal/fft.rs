//! The power spectra of a signal, one after the other: periodic Hann, as far apart as they are long, from the first frame on.
//!
//! Powers are scaled so that a full-scale sine at the centre of a bin has 1: |X|²·16/n², since half of its amplitude is at the
//! positive frequency and a Hann window lets half of it through. In f64, so that cells of a hundred decibels below full scale
//! are right to the last bit beside loud ones. The only file that knows of realfft.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Plan, window and buffers for one length.
pub struct Transform {
    plan: Arc<dyn RealToComplex<f64>>,
    /// With the scale in it, so that samples come as the integers that they are.
    window: Vec<f64>,
    frames: Vec<f64>,
    filled: usize,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    powers: Vec<f64>,
}

impl Transform {
    /// `unit` is the value of a sample that means 1.
    pub fn new(length: usize, unit: f64) -> Transform {
        let plan = RealFftPlanner::new().plan_fft_forward(length);
        // Amplitude 4/n, as powers want 16/n².
        let scale = 4.0 / (length as f64 * unit);
        let hann = |i: usize| 0.5 - 0.5 * (TAU * i as f64 / length as f64).cos();
        Transform {
            window: (0..length).map(|i| hann(i) * scale).collect(),
            frames: vec![0.0; length],
            filled: 0,
            spectrum: plan.make_output_vec(),
            scratch: plan.make_scratch_vec(),
            powers: vec![0.0; length / 2 + 1],
            plan,
        }
    }

    pub fn length(&self) -> usize {
        self.window.len()
    }

    /// Frames that are wanted before the next spectrum is there: at least one.
    pub fn room(&self) -> usize {
        self.window.len() - self.filled
    }

    /// As many values as there is room for, at most, in units of a sample; the powers of bins 0 to n/2 when they were enough.
    pub fn push(&mut self, values: impl ExactSizeIterator<Item = f64>) -> Option<&[f64]> {
        let count = values.len().min(self.room());
        let place = self.filled..self.filled + count;
        for ((frame, weight), value) in self.frames[place.clone()].iter_mut().zip(&self.window[place]).zip(values) {
            *frame = value * weight;
        }
        self.filled += count;
        (self.room() == 0).then(|| self.transform())
    }

    fn transform(&mut self) -> &[f64] {
        self.filled = 0;
        // It fails only for buffers of other lengths than the plan's, and these are the plan's.
        let done = self.plan.process_with_scratch(&mut self.frames, &mut self.spectrum, &mut self.scratch);
        debug_assert!(done.is_ok());
        for (power, bin) in self.powers.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
        &self.powers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_scale_sine_has_0_dbfs_and_half_of_its_amplitude_in_the_bins_beside_it() {
        let sine = |i: usize| 32_768.0 * (TAU * 10.0 * i as f64 / 256.0).sin();
        let mut transform = Transform::new(256, 32_768.0);
        assert_eq!(transform.push((0..100).map(sine)), None);
        let powers = transform.push((100..256).map(sine)).expect("a whole frame").to_vec();
        for (bin, expected) in [(9, 0.25), (10, 1.0), (11, 0.25), (12, 0.0), (100, 0.0), (128, 0.0)] {
            assert!((powers[bin] - expected).abs() < 1e-12, "bin {bin}: {}", powers[bin]);
        }
    }

    #[test]
    fn the_same_spectrum_however_it_comes() {
        let value = |i: usize| ((i * 7_919) % 1_000) as f64 - 500.0;
        let mut whole = Transform::new(128, 1_000.0);
        let expected = whole.push((0..128).map(value)).expect("a whole frame").to_vec();
        for piece in [1, 7, 100] {
            let mut transform = Transform::new(128, 1_000.0);
            let mut at = 0;
            let powers = loop {
                let take = piece.min(transform.room());
                if let Some(powers) = transform.push((at..at + take).map(value)) {
                    break powers.to_vec();
                }
                at += take;
            };
            assert_eq!(powers, expected, "in pieces of {piece}");
        }
    }
}
