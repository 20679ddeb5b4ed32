//! Bars for the eye: the newest moment of a sound in logarithmic bands, as music players show it.
//!
//! A symmetric Hann window over `length` samples of the mean of the channels, magnitudes |X| of its transform, their mean in each
//! band, divided by a reference that follows the loudest band: up by 5 % of the difference a frame, down by 0.5 %. So the
//! picture shows a quiet wood as well as a loud one, and still shows which of two moments was louder. Numbers are whole, in
//! thousandths. Nothing is allocated after `new`.

use std::f64::consts::TAU;

use wide::f64x2;

use super::fft::Transform;
use super::lanes;

/// What 1 is, in a frame.
pub const SCALE: u16 = 1_000;
/// Bands and bass end here, in units of the reference.
const CEILING: f64 = 1.5;
/// The reference at the start, how it goes up and down with each frame, and what it is at least.
const REFERENCE: f64 = 0.01;
const ATTACK: f64 = 0.05;
const RELEASE: f64 = 0.005;
const FLOOR: f64 = 1e-4;
/// Bands that are the bass.
const BASS: usize = 4;
/// dBFS of the root mean square that are level 0 and 1.
const LEVEL_DB: (f64, f64) = (-60.0, -6.0);
/// A mean square below this is silence.
const SILENCE: f64 = 1e-12;

/// What a spectrum shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    pub bands: usize,
    /// Samples, a power of two from 64 to 16,384.
    pub length: usize,
    /// Hz; the upper one is the Nyquist frequency where that is lower.
    pub low_hz: f64,
    pub high_hz: f64,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning { bands: 32, length: 1_024, low_hz: 20.0, high_hz: 16_000.0 }
    }
}

impl Tuning {
    /// The first bin of each band and the one behind its last: f·n/r, rounded down, and at least one bin.
    fn bins(&self, rate_hz: u32) -> impl Iterator<Item = (usize, usize)> {
        let Tuning { bands, length, low_hz, .. } = *self;
        let rate = f64::from(rate_hz);
        let high_hz = self.high_hz.min(rate / 2.0);
        let edge = move |i: usize| {
            let hz = low_hz * (high_hz / low_hz).powf(i as f64 / bands as f64);
            ((hz * length as f64 / rate) as usize).min(length / 2)
        };
        (0..bands).map(move |i| (edge(i), edge(i + 1).max(edge(i) + 1)))
    }
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// 0 to 1,500.
    pub bands: Vec<u16>,
    /// The mean of the lowest four bands; 0 where there are fewer.
    pub bass: u16,
    /// 0 at -60 dBFS and below, 1,000 from -6 dBFS on.
    pub level: u16,
}

pub struct Spectrum {
    transform: Transform,
    bins: Vec<(usize, usize)>,
    means: Vec<f64>,
    reference: f64,
    frame: Frame,
}

impl Spectrum {
    pub fn new(tuning: Tuning, rate_hz: u32) -> Spectrum {
        let bins: Vec<_> = tuning.bins(rate_hz).collect();
        let last = (tuning.length - 1) as f64;
        Spectrum {
            transform: Transform::with_window(tuning.length, |i| 0.5 - 0.5 * (TAU * i as f64 / last).cos()),
            means: vec![0.0; bins.len()],
            frame: Frame { bands: vec![0; bins.len()], bass: 0, level: 0 },
            reference: REFERENCE,
            bins,
        }
    }

    /// Samples of a frame.
    pub fn length(&self) -> usize {
        self.transform.length()
    }

    /// Of exactly [`length`](Spectrum::length) samples, the mean of the channels, from -1 to 1.
    pub fn frame(&mut self, mono: &[f64]) -> &Frame {
        let (place, window) = self.transform.next(mono.len());
        lanes::multiply(mono, window, place);
        let count = place.len();
        if let Some(powers) = self.transform.push(count) {
            for (mean, (first, end)) in self.means.iter_mut().zip(&self.bins) {
                let bins = &powers[*first..*end]; // at most length / 2 + 1, as there are
                *mean = lanes::sum(bins, f64x2::sqrt) / bins.len() as f64;
            }
            self.show();
        }
        self.frame.level = level(mono);
        &self.frame
    }

    fn show(&mut self) {
        let loudest = self.means.iter().copied().fold(0.0, f64::max);
        let speed = if loudest > self.reference { ATTACK } else { RELEASE };
        self.reference += (loudest - self.reference) * speed;
        let reference = self.reference.max(FLOOR);
        for (mean, band) in self.means.iter_mut().zip(&mut self.frame.bands) {
            *mean = (*mean / reference).min(CEILING);
            *band = thousandths(*mean);
        }
        self.frame.bass = self.means.get(..BASS).map_or(0, |bass| thousandths(bass.iter().sum::<f64>() / BASS as f64));
    }
}

fn level(mono: &[f64]) -> u16 {
    let square = lanes::sum(mono, |x| x * x) / mono.len().max(1) as f64;
    if square * mono.len() as f64 <= SILENCE {
        return 0;
    }
    let (low, high) = LEVEL_DB;
    thousandths(((10.0 * square.log10() - low) / (high - low)).clamp(0.0, 1.0))
}

/// Rounded down.
fn thousandths(value: f64) -> u16 {
    (value * f64::from(SCALE)) as u16 // saturates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, rate: f64, amplitude: f64) -> Vec<f64> {
        (0..1_024).map(|i| amplitude * (TAU * hz * f64::from(i) / rate).sin()).collect()
    }

    #[test]
    fn bands_are_at_least_a_bin_wide_and_end_at_the_nyquist_frequency() {
        let bins: Vec<_> = Tuning::default().bins(44_100).collect();
        assert_eq!((bins.len(), bins[0], bins[4], bins[31]), (32, (0, 1), (1, 2), (301, 371)));
        for rate in [8_000, 44_100, 48_000, 384_000] {
            for (length, bands) in [(64, 8), (1_024, 32), (16_384, 200)] {
                let bins: Vec<_> = Tuning { bands, length, ..Tuning::default() }.bins(rate).collect();
                assert!(bins.iter().all(|(first, end)| first < end && *end <= length / 2 + 1), "{rate} Hz: {bins:?}");
                assert!(bins.windows(2).all(|two| two[0].0 <= two[1].0), "{rate} Hz: {bins:?}");
            }
        }
        let bat = Tuning { high_hz: 200_000.0, low_hz: 10_000.0, ..Tuning::default() };
        assert_eq!(bat.bins(384_000).last(), Some((466, 512)));
    }

    #[test]
    fn a_tone_is_the_loudest_band_and_the_picture_settles_on_it() {
        let mut spectrum = Spectrum::new(Tuning::default(), 48_000);
        let tone = sine(1_000.0, 48_000.0, 0.5);
        let first = spectrum.frame(&tone).clone();
        let loudest = |frame: &Frame| frame.bands.iter().enumerate().max_by_key(|(_, band)| **band).map(|(at, _)| at);
        // Everything is above a reference that has not yet followed.
        assert_eq!(first.bands[18], 1_500);
        let settled = (0..400).map(|_| spectrum.frame(&tone).clone()).last().expect("frames");
        let (band, at) = (loudest(&settled), Tuning::default().bins(48_000).position(|(a, b)| (a..b).contains(&21)));
        assert_eq!((band, settled.bands[band.expect("one")]), (at, 1_000));
        // The root mean square of half a full scale is -9 dBFS: (60 - 9.0) / 54.
        assert_eq!((settled.level, settled.bass < 20), (944, true));
    }

    #[test]
    fn it_falls_slowly_and_silence_is_nothing() {
        let mut spectrum = Spectrum::new(Tuning::default(), 48_000);
        let (loud, quiet) = (sine(1_000.0, 48_000.0, 0.5), sine(1_000.0, 48_000.0, 0.05));
        let loudest = |frame: &Frame| *frame.bands.iter().max().expect("bands");
        for _ in 0..400 {
            spectrum.frame(&loud);
        }
        assert_eq!(loudest(spectrum.frame(&quiet)), 100, "a tenth is a tenth");
        for _ in 0..138 {
            spectrum.frame(&quiet);
        }
        assert!((180..190).contains(&loudest(spectrum.frame(&quiet))), "half of the difference after 139 frames");
        let silence = spectrum.frame(&[0.0; 1_024]);
        assert!(silence.level == 0 && silence.bass == 0 && loudest(silence) == 0);
    }
}
