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
use wide::f64x2;

use super::lanes;

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
    /// e^(-i·2πk/n) of two neighbouring k each, from 1 and 2 to n/4 - 1 and n/4.
    twiddles: Vec<Parts>,
    powers: Vec<f64>,
}

impl Transform {
    /// `length` is a power of two, at least 4; `unit` is the value of a sample that means 1.
    pub fn new(length: usize, unit: f64) -> Transform {
        // Amplitude 4/n, as powers want 16/n².
        let scale = 4.0 / (length as f64 * unit);
        Transform::with_window(length, |i| scale * (0.5 - 0.5 * (TAU * i as f64 / length as f64).cos()))
    }

    /// With another window and scale: powers are |Σ window(i)·x(i)·e^(-i·2πki/n)|².
    pub fn with_window(length: usize, window: impl Fn(usize) -> f64) -> Transform {
        assert!(length.is_power_of_two() && length >= 4, "a length of window::spectrum_frames");
        let half = plan(length / 2);
        let angle = |i: usize| TAU * i as f64 / length as f64;
        let twiddles = |k: usize| [k, k + 1].map(|k| Complex::cis(-angle(k)));
        Transform {
            // Halved, since unfolding doubles.
            window: (0..length).map(|i| 0.5 * window(i)).collect(),
            filled: 0,
            spectrum: vec![Complex::default(); length / 2],
            scratch: vec![Complex::default(); half.get_inplace_scratch_len()],
            twiddles: (1..length / 4).step_by(2).map(|k| parts(&twiddles(k))).collect(),
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

    /// Room for the next frames, in units of a sample and times the window, which is beside it: as many as are wanted, or as
    /// there is room for.
    pub fn next(&mut self, wanted: usize) -> (&mut [f64], &[f64]) {
        let place = self.filled..self.filled + wanted.min(self.room());
        (&mut bytemuck::cast_slice_mut(&mut self.spectrum)[place.clone()], &self.window[place])
    }

    /// So many of them have been written. The powers of bins 0 to n/2 when they were enough.
    pub fn push(&mut self, count: usize) -> Option<&[f64]> {
        self.filled += count.min(self.room());
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

/// The real parts of two numbers, and their imaginary ones.
type Parts = [f64x2; 2];

fn parts(two: &[Complex<f64>]) -> Parts {
    lanes::parts(bytemuck::cast_slice(two))
}

/// The powers of a real signal of n samples out of the transform Z of its pairs, four times as large, two of each half at a time.
fn unfold(z: &[Complex<f64>], twiddles: &[Parts], powers: &mut [f64]) {
    let half = z.len();
    let (low, high) = powers.split_at_mut(half / 2);
    low[0] = 4.0 * (z[0].re + z[0].im).powi(2);
    high[half / 2] = 4.0 * (z[0].re - z[0].im).powi(2);
    high[0] = 4.0 * z[half / 2].norm_sqr();
    let (front, back) = z[1..].split_at(half / 2 - 1);
    let pairs = front.chunks_exact(2).zip(back.rchunks_exact(2)).zip(twiddles);
    let bins = low[1..].chunks_exact_mut(2).zip(high[1..half / 2].rchunks_exact_mut(2));
    for (((front, back), twiddles), (low, high)) in pairs.zip(bins) {
        let [front_bins, back_bins] = unfold_two(parts(front), parts(&[back[1], back[0]]), twiddles);
        low.copy_from_slice(&front_bins);
        high.copy_from_slice(&[back_bins[1], back_bins[0]]);
    }
    // The last but the middle, if there is one, is alone.
    if let ([.., front], [_, back, ..], Some(twiddles)) = (front, back, twiddles.last()) {
        let [[front_bin, _], [back_bin, _]] = unfold_two(parts(&[*front; 2]), parts(&[*back; 2]), twiddles);
        (low[half / 2 - 1], high[1]) = (front_bin, back_bin);
    }
}

/// With the even samples' spectrum E = (Z(k) + Z*(n/2-k))/2 and the odd ones' O = (Z(k) - Z*(n/2-k))/2i, bin k is
/// E + e^(-i·2πk/n)·O and bin n/2-k the conjugate of E - e^(-i·2πk/n)·O. The powers of bins k, and of bins n/2-k.
fn unfold_two(front: Parts, back: Parts, twiddle: &Parts) -> [[f64; 2]; 2] {
    let (even_re, even_im) = (front[0] + back[0], front[1] - back[1]);
    let (re, im) = (front[1] + back[1], back[0] - front[0]);
    let (odd_re, odd_im) = (re * twiddle[0] - im * twiddle[1], re * twiddle[1] + im * twiddle[0]);
    let power = |re: f64x2, im: f64x2| (re * re + im * im).to_array();
    [power(even_re + odd_re, even_im + odd_im), power(even_re - odd_re, even_im - odd_im)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many values as there is room for, at most.
    fn push(transform: &mut Transform, values: impl ExactSizeIterator<Item = f64>) -> Option<&[f64]> {
        let (room, window) = transform.next(values.len());
        let count = room.len();
        room.iter_mut().zip(window).zip(values).for_each(|((place, by), value)| *place = value * by);
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
