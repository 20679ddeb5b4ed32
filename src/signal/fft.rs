//! The power spectra of a signal, one after the other: periodic Hann, as far apart as they are long, from the first frame on.
//!
//! Powers are scaled so that a full-scale sine at the centre of a bin has 1: |X|²·16/n², since half of its amplitude is at the
//! positive frequency and a Hann window lets half of it through. In f64, so that cells of a hundred decibels below full scale
//! are right to the last bit beside loud ones. The only file that knows of rustfft.

use std::f64::consts::TAU;
use std::sync::Arc;

use num_complex::Complex;
use rustfft::algorithm::Radix4;
use rustfft::{Fft, FftDirection, FftPlannerAvx};

use super::lanes::multiply;

/// Plan, window and buffers for one length.
pub struct Transform {
    /// Of half the length: even samples are real parts and odd ones imaginary.
    half: Arc<dyn Fft<f64>>,
    /// With the scale in it, so that samples come as the integers that they are.
    window: Vec<f64>,
    /// That are there, of `spectrum`.
    filled: usize,
    /// The frames, windowed, and then what becomes of them.
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    /// e^(-i·2πk/n) of k from 1 to below n/4.
    twiddles: Vec<Complex<f64>>,
    powers: Vec<f64>,
}

impl Transform {
    /// `length` is a power of two, at least 4; `unit` is the value of a sample that means 1.
    pub fn new(length: usize, unit: f64) -> Transform {
        assert!(length.is_power_of_two() && length >= 4, "a length of window::spectrum_frames");
        let half = plan(length / 2);
        // Amplitude 4/n, as powers want 16/n²; halved, since unfolding doubles.
        let scale = 2.0 / (length as f64 * unit);
        let hann = |i: usize| 0.5 - 0.5 * (TAU * i as f64 / length as f64).cos();
        Transform {
            window: (0..length).map(|i| hann(i) * scale).collect(),
            filled: 0,
            spectrum: vec![Complex::default(); length / 2],
            scratch: vec![Complex::default(); half.get_inplace_scratch_len()],
            twiddles: (1..length / 4).map(|k| Complex::cis(-TAU * k as f64 / length as f64)).collect(),
            powers: vec![0.0; length / 2 + 1],
            half,
        }
    }

    pub fn length(&self) -> usize {
        self.window.len()
    }

    /// Frames that are wanted before the next spectrum is there: at least one.
    pub fn room(&self) -> usize {
        self.window.len() - self.filled
    }

    /// Room for the next frames, in units of a sample: as many as are wanted, or as there is room for.
    pub fn next(&mut self, wanted: usize) -> &mut [f64] {
        let place = self.filled..self.filled + wanted.min(self.room());
        &mut bytemuck::cast_slice_mut(&mut self.spectrum)[place]
    }

    /// So many of them have been written. The powers of bins 0 to n/2 when they were enough.
    pub fn push(&mut self, count: usize) -> Option<&[f64]> {
        let place = self.filled..self.filled + count.min(self.room());
        self.filled = place.end;
        multiply(&mut bytemuck::cast_slice_mut(&mut self.spectrum)[place.clone()], &self.window[place]);
        (self.room() == 0).then(|| self.transform())
    }

    fn transform(&mut self) -> &[f64] {
        self.filled = 0;
        self.half.process_with_scratch(&mut self.spectrum, &mut self.scratch);
        unfold(&self.spectrum, &self.twiddles, &mut self.powers);
        &self.powers
    }
}

/// With vectors where the machine has them, and else the plain algorithm: neither brings along the many for other lengths.
fn plan(length: usize) -> Arc<dyn Fft<f64>> {
    match FftPlannerAvx::new() {
        Ok(mut planner) => planner.plan_fft_forward(length),
        Err(()) => Arc::new(Radix4::new(length, FftDirection::Forward)),
    }
}

/// The powers of a real signal of n samples out of the transform Z of its pairs, four times as large: with the even samples'
/// spectrum E = (Z(k) + Z*(n/2-k))/2 and the odd ones' O = (Z(k) - Z*(n/2-k))/2i, bin k is E + e^(-i·2πk/n)·O and bin n/2-k
/// the conjugate of E - e^(-i·2πk/n)·O.
fn unfold(z: &[Complex<f64>], twiddles: &[Complex<f64>], powers: &mut [f64]) {
    let half = z.len();
    let (low, high) = powers.split_at_mut(half / 2);
    low[0] = 4.0 * (z[0].re + z[0].im).powi(2);
    high[half / 2] = 4.0 * (z[0].re - z[0].im).powi(2);
    high[0] = 4.0 * z[half / 2].norm_sqr();
    let pairs = z[1..].iter().zip(z.iter().rev()).zip(twiddles);
    let bins = low[1..].iter_mut().zip(high[..half / 2].iter_mut().rev());
    for (((front, back), twiddle), (low, high)) in pairs.zip(bins) {
        let even = Complex::new(front.re + back.re, front.im - back.im);
        let odd = Complex::new(front.im + back.im, back.re - front.re) * twiddle;
        *low = (even + odd).norm_sqr();
        *high = (even - odd).norm_sqr();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many values as there is room for, at most.
    fn push(transform: &mut Transform, values: impl ExactSizeIterator<Item = f64>) -> Option<&[f64]> {
        let room = transform.next(values.len());
        let count = room.len();
        room.iter_mut().zip(values).for_each(|(place, value)| *place = value);
        transform.push(count)
    }

    #[test]
    fn a_full_scale_sine_has_0_dbfs_and_half_of_its_amplitude_in_the_bins_beside_it() {
        let sine = |i: usize| 32_768.0 * (TAU * 10.0 * i as f64 / 256.0).sin();
        let mut transform = Transform::new(256, 32_768.0);
        assert_eq!(push(&mut transform, (0..100).map(sine)), None);
        let powers = push(&mut transform, (100..256).map(sine)).expect("a whole frame").to_vec();
        for (bin, expected) in [(9, 0.25), (10, 1.0), (11, 0.25), (12, 0.0), (100, 0.0), (128, 0.0)] {
            assert!((powers[bin] - expected).abs() < 1e-12, "bin {bin}: {}", powers[bin]);
        }
    }

    #[test]
    fn every_bin_is_that_of_the_definition() {
        for length in [4, 8, 16, 64, 1_024] {
            let value = |i: usize| ((i * i * 7_919 + i) % 1_000) as f64 - 500.0;
            let hann = |i: usize| 0.5 - 0.5 * (TAU * i as f64 / length as f64).cos();
            let mut transform = Transform::new(length, 1.0);
            let powers = push(&mut transform, (0..length).map(value)).expect("a whole frame");
            for (bin, power) in powers.iter().enumerate() {
                let term = |i: usize| Complex::cis(-TAU * (bin * i % length) as f64 / length as f64) * (value(i) * hann(i));
                let expected = (0..length).map(term).sum::<Complex<f64>>().norm_sqr() * 16.0 / (length * length) as f64;
                assert!((power - expected).abs() < 1e-9 * expected.max(1.0), "bin {bin} of {length}: {power}, {expected}");
            }
            assert_eq!(powers.len(), length / 2 + 1);
        }
    }

    #[test]
    fn without_vectors_it_is_the_same() {
        let mut plain = Transform::new(512, 1.0);
        plain.half = Arc::new(Radix4::new(256, FftDirection::Forward));
        plain.scratch = vec![Complex::default(); plain.half.get_inplace_scratch_len()];
        let value = |i: usize| ((i * 7_919) % 1_000) as f64 - 500.0;
        let mut any = Transform::new(512, 1.0);
        let powers = push(&mut any, (0..512).map(value)).expect("a whole frame");
        let others = push(&mut plain, (0..512).map(value)).expect("a whole frame");
        assert!(powers.iter().zip(others).all(|(a, b)| (a - b).abs() < 1e-9), "{powers:?} {others:?}");
    }

    #[test]
    fn the_same_spectrum_however_it_comes() {
        let value = |i: usize| ((i * 7_919) % 1_000) as f64 - 500.0;
        let mut whole = Transform::new(128, 1_000.0);
        let expected = push(&mut whole, (0..128).map(value)).expect("a whole frame").to_vec();
        for piece in [1, 7, 100] {
            let mut transform = Transform::new(128, 1_000.0);
            let mut at = 0;
            let powers = loop {
                let take = piece.min(transform.room());
                if let Some(powers) = push(&mut transform, (at..at + take).map(value)) {
                    break powers.to_vec();
                }
                at += take;
            };
            assert_eq!(powers, expected, "in pieces of {piece}");
        }
    }
}
