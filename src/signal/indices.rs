//! The acoustic indices that ecologists compare places and seasons by, one set a minute.
//!
//! All are of the one spectrogram that there is ([`fft`](super::fft)): the mean of the channels, periodic Hann, n the largest
//! power of two ≤ r/40, spectra n apart, bins 0 to n/2 - 1. A spectrum belongs to the minute of its centre. a(f, t) is an
//! amplitude and p(f, t) its square; sums over t are over the minute. What is not defined, such as in digital silence, is 0.
//!
//! | index | definition | deviates in |
//! |---|---|---|
//! | ACI | Pieretti, Farina, Morri 2011: Σ over steps j of 5 s and over f of Σₜ\|a(f,t+1) - a(f,t)\| / Σₜ a(f,t) | n above |
//! | ADI | Villanueva-Rivera and others 2011: Shannon's -Σ q·ln q over bands of 1 kHz to 10 kHz; q is a band's part of the sum of the shares of cells within 50 dB of the loudest cell | the threshold is met to 0.27 dB; only bands that end at r/2 or below |
//! | AEI | the same: Gini's coefficient of those shares | as ADI |
//! | BI | Boelman and others 2007: area in dB·kHz between 2 and 8 kHz of the mean spectrum above its least bin there | the mean is of amplitudes, as in soundecology |
//! | H | Sueur and others 2008: Hₜ·H_f, each Shannon's entropy by the logarithm of its number of values: H_f of the mean amplitudes over f, Hₜ of the envelope | the envelope is that of windows of 100 ms (RMS over all channels), not Hilbert's |
//! | NDSI | Kasten and others 2012: (β - α)/(β + α); α the mean p of the bins from 1 to 2 kHz, β the sum of those of six bands of 1 kHz from 2 to 8 kHz | no Welch overlap; only bands that end at r/2 or below |

use std::ops::Range;

use wide::{f32x4, f64x2};

use super::lanes::{add_to, two};
use crate::message::analysis::{
    ACI_STEP_S, ADI_BAND_HZ, ADI_MAX_HZ, ADI_THRESHOLD_DB, ANTHROPHONY_HZ, BI_HZ, BIOPHONY_HZ, Indices, NDSI_BAND_HZ,
    WINDOWS_PER_SECOND,
};

/// Windows of a minute.
const MINUTE: u64 = 60 * WINDOWS_PER_SECOND;
/// A last part of fewer windows has no indices.
const SHORTEST: u64 = MINUTE / 2;

/// Powers are counted by the top bits of their floating-point form: a step is a sixteenth of an octave, 0.27 dB at most.
const STEP_SHIFT: u32 = 52 - 4;
/// From 2^-60, far below anything that is within 50 dB of a loudest cell above the noise of 24 bits, …
const LOWEST_STEP: u64 = (1_023 - 60) << 4;
/// … to 2^4.
const STEPS: usize = 64 << 4;

/// Adds up spectra to minutes; allocates nothing but the list of minutes.
pub struct Minutes {
    rate_hz: u32,
    /// Of a spectrum.
    length: usize,
    minute: u64,
    /// Number of the step of ACI.
    step: u64,
    /// Spectra in the step.
    spectra: u64,
    bins: Bins,
    /// Sum over the minute's steps so far.
    aci: f64,
    /// Of each band of ADI.
    counts: Vec<Count>,
    /// The loudest cells of the minute, of even and of odd bins.
    loudest: f64x2,
    /// `h` is H_f only, until the end.
    done: Vec<Indices>,
}

/// How many of a band's cells have a power of each step: 64,826 a minute at most for a band of 1 kHz, since (1 kHz·n/r + 1)
/// bins by (60 s·r/n + 1) spectra, with r/n from 40 to 80 Hz, are no more.
struct Count {
    bins: Range<usize>,
    steps: [u16; STEPS],
}

/// One value for each of bins 0 to n/2 - 1. What is summed over a step of some hundred spectra has 24 bits, which is enough.
struct Bins {
    last: Vec<f32x4>,
    /// Over the step: amplitudes, and their changes.
    step: Vec<f32x4>,
    changes: Vec<f32x4>,
    /// Over the minute.
    amplitudes: Vec<f64>,
    powers: Vec<f64>,
}

impl Minutes {
    pub fn new(rate_hz: u32, length: usize, minutes: usize) -> Minutes {
        let (zeros, singles) = (|| vec![0.0; length / 2], || vec![f32x4::ZERO; (length / 2).div_ceil(4)]);
        let bands = (0..(rate_hz / 2).min(ADI_MAX_HZ) / ADI_BAND_HZ).map(|band| band * ADI_BAND_HZ..(band + 1) * ADI_BAND_HZ);
        let counts = bands.map(|hz| Count { bins: bins(&hz, rate_hz, length), steps: [0; STEPS] });
        Minutes {
            rate_hz,
            length,
            minute: 0,
            step: 0,
            spectra: 0,
            bins: Bins { last: singles(), step: singles(), changes: singles(), amplitudes: zeros(), powers: zeros() },
            aci: 0.0,
            counts: counts.collect(),
            loudest: f64x2::ZERO,
            done: Vec::with_capacity(minutes),
        }
    }

    /// Powers of bins 0 to n/2 of the next spectrum, whose centre is in this window.
    pub fn push(&mut self, window: u64, powers: &[f64]) {
        let step = window / (u64::from(ACI_STEP_S) * WINDOWS_PER_SECOND);
        if step != self.step {
            self.end_step();
            self.step = step;
        }
        if window / MINUTE != self.minute {
            self.end_minute();
            self.minute = window / MINUTE;
        }
        self.bins.add(powers, self.spectra == 0);
        self.spectra += 1;
        self.count(powers);
    }

    fn end_step(&mut self) {
        self.spectra = 0;
        let bins = &mut self.bins;
        let (changes, step): (&[f32], &[f32]) = (bytemuck::cast_slice(&bins.changes), bytemuck::cast_slice(&bins.step));
        for ((changes, step), minute) in changes.iter().zip(step).zip(&mut bins.amplitudes) {
            self.aci += ratio(f64::from(*changes), f64::from(*step));
            *minute += f64::from(*step);
        }
        bins.changes.fill(f32x4::ZERO);
        bins.step.fill(f32x4::ZERO);
    }

    fn end_minute(&mut self) {
        let shares = self.shares();
        self.done.push(Indices {
            aci: self.aci as f32,
            adi: shannon(&shares) as f32,
            aei: gini(shares) as f32,
            bi: self.bi() as f32,
            h: evenness(self.bins.amplitudes.iter().copied()) as f32,
            ndsi: self.ndsi() as f32,
        });
        self.bins.amplitudes.fill(0.0);
        self.bins.powers.fill(0.0);
        self.counts.iter_mut().for_each(|count| count.steps.fill(0));
        (self.aci, self.loudest) = (0.0, f64x2::ZERO);
    }

    /// Of the minutes that are whole or nearly so, given all levels of the file in hundredths of dBFS.
    pub fn finish(mut self, levels: &[i16]) -> Vec<Indices> {
        self.end_step();
        self.end_minute();
        let minutes = levels.chunks(MINUTE as usize).take_while(|minute| minute.len() as u64 >= SHORTEST);
        for (indices, minute) in self.done.iter_mut().zip(minutes.clone()) {
            let envelope = minute.iter().map(|level| 10_f64.powf(f64::from(*level) / 2_000.0));
            indices.h *= evenness(envelope) as f32;
        }
        self.done.truncate(minutes.count());
        self.done
    }

    fn bins(&self, hz: &Range<u32>) -> Range<usize> {
        bins(hz, self.rate_hz, self.length)
    }

    fn count(&mut self, powers: &[f64]) {
        for Count { bins, steps } in &mut self.counts {
            for power in &powers[bins.clone()] {
                let count = &mut steps[place(*power)];
                *count = count.saturating_add(1);
            }
        }
        for pair in powers[..self.length / 2].chunks_exact(2) {
            self.loudest = self.loudest.fast_max(two(pair));
        }
    }

    /// Of each band: the share of its cells that are within the threshold of the loudest.
    fn shares(&self) -> Vec<f64> {
        let loudest = self.loudest.to_array().into_iter().fold(0.0, f64::max);
        let threshold = place(loudest * 10_f64.powf(ADI_THRESHOLD_DB / 10.0));
        let share = |count: &Count| {
            let sum = |counts: &[u16]| counts.iter().map(|&n| u64::from(n)).sum::<u64>() as f64;
            ratio(sum(&count.steps[threshold..]), sum(&count.steps))
        };
        if loudest > 0.0 { self.counts.iter().map(share).collect() } else { Vec::new() }
    }

    fn bi(&self) -> f64 {
        let amplitudes = &self.bins.amplitudes[self.bins(&BI_HZ)];
        // Where nothing at all is, one step of 24 bits stands in.
        let db = |sum: &f64| 20.0 * sum.max(1e-7).log10();
        let least = amplitudes.iter().map(db).fold(f64::INFINITY, f64::min);
        let kilohertz = f64::from(self.rate_hz) / self.length as f64 / 1_000.0;
        amplitudes.iter().map(|sum| (db(sum) - least) * kilohertz).sum()
    }

    fn ndsi(&self) -> f64 {
        let density = |low: u32| {
            let hz = low..low + NDSI_BAND_HZ;
            let bins = &self.bins.powers[self.bins(&hz)];
            if hz.end * 2 <= self.rate_hz { ratio(bins.iter().sum(), bins.len() as f64) } else { 0.0 }
        };
        let sum = |hz: Range<u32>| hz.step_by(NDSI_BAND_HZ as usize).map(density).sum::<f64>();
        let (alpha, beta) = (sum(ANTHROPHONY_HZ), sum(BIOPHONY_HZ));
        ratio(beta - alpha, beta + alpha)
    }
}

impl Bins {
    /// The `first` spectrum of a step changed from nothing.
    fn add(&mut self, spectrum: &[f64], first: bool) {
        let change = f32x4::splat(if first { 0.0 } else { 1.0 });
        let sums = self.step.iter_mut().zip(&mut self.changes).zip(&mut self.last);
        for (powers, ((step, changes), last)) in spectrum[..self.powers.len()].chunks(4).zip(sums) {
            let amplitudes = singles(powers).sqrt();
            *changes += (amplitudes - *last).fast_max(*last - amplitudes) * change;
            *step += amplitudes;
            *last = amplitudes;
        }
        add_to(&mut self.powers, spectrum);
    }
}

/// Four of them; what is missing is 0.
fn singles(powers: &[f64]) -> f32x4 {
    match *powers {
        [a, b, c, d] => f32x4::new([a as f32, b as f32, c as f32, d as f32]),
        _ => f32x4::new(std::array::from_fn(|i| powers.get(i).map_or(0.0, |power| *power as f32))),
    }
}

/// Bins whose centres are in a range of Hz, of those below r/2.
fn bins(hz: &Range<u32>, rate_hz: u32, length: usize) -> Range<usize> {
    let first_from = |hz: u32| (u64::from(hz) * length as u64).div_ceil(u64::from(rate_hz)) as usize;
    first_from(hz.start).min(length / 2)..first_from(hz.end).min(length / 2)
}

/// Which step a power is counted in.
fn place(power: f64) -> usize {
    ((power.to_bits() >> STEP_SHIFT).saturating_sub(LOWEST_STEP) as usize).min(STEPS - 1)
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// -Σ q·ln q of the parts q that the values are of their sum.
fn shannon(values: &[f64]) -> f64 {
    entropy(values.iter().copied())
}

fn entropy(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let sum: f64 = values.clone().sum();
    values.filter(|value| *value > 0.0).map(|value| -(value / sum) * (value / sum).ln()).sum()
}

/// Entropy by what it is at most: 1 when all values are alike.
fn evenness(values: impl Iterator<Item = f64> + Clone) -> f64 {
    ratio(entropy(values.clone()), (values.count() as f64).ln())
}

/// Gini's coefficient: 0 when all values are alike, nearly 1 when one has all.
fn gini(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let ranked: f64 = values.iter().zip(1..).map(|(value, rank)| value * f64::from(rank)).sum();
    let sum: f64 = values.iter().sum();
    if sum > 0.0 { (2.0 * ranked / sum - (count + 1.0)) / count } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 8 kHz: 128 frames a spectrum, 62.5 a second; minutes of what `power` says of (bin, spectrum), at one level.
    fn minutes(windows: u64, power: impl Fn(usize, u64) -> f64) -> Vec<Indices> {
        let mut minutes = Minutes::new(8_000, 128, 0);
        for spectrum in 0..windows * 800 / 128 {
            let powers: Vec<f64> = (0..=64).map(|bin| power(bin, spectrum)).collect();
            minutes.push((spectrum * 128 + 64) / 800, &powers);
        }
        minutes.finish(&vec![-2_000; windows as usize])
    }

    #[track_caller]
    fn check(found: f32, expected: f64, what: &str) {
        assert!((f64::from(found) - expected).abs() < 1e-4 * expected.abs().max(1.0), "{what}: {found}, not {expected}");
    }

    #[test]
    fn a_minute_where_nothing_changes() {
        let [all] = minutes(600, |_, _| 1e-6)[..] else { panic!("one minute") };
        check(all.aci, 0.0, "ACI");
        check(all.adi, 4_f64.ln(), "ADI of four bands below 4 kHz");
        check(all.aei, 0.0, "AEI");
        check(all.bi, 0.0, "BI");
        check(all.h, 1.0, "H");
        // Two bands of biophony against one.
        check(all.ndsi, 1.0 / 3.0, "NDSI");
    }

    #[test]
    fn a_bin_that_flickers() {
        // Amplitudes 1 and 3 by turns: in each of twelve steps a change of 2 for a mean of 2.
        let [all] = minutes(600, |bin, t| if bin == 40 { [1e-4, 9e-4][t as usize % 2] } else { 0.0 })[..] else { panic!() };
        assert!((11.8..12.0).contains(&all.aci), "{}", all.aci);
        check(all.adi, 0.0, "ADI: one band has all");
        check(all.aei, 0.75, "AEI: one of four");
        check(all.ndsi, 1.0, "NDSI: 2.5 kHz is an animal");
        check(all.h, 0.0, "H");
    }

    #[test]
    fn the_area_of_a_step_of_20_db_a_kilohertz_wide() {
        // 3 to 4 kHz is 20 dB above 2 to 3 kHz.
        let [all] = minutes(600, |bin, _| if bin >= 48 { 1e-4 } else { 1e-6 })[..] else { panic!() };
        check(all.bi, 20.0, "BI");
    }

    #[test]
    fn what_is_more_than_50_db_below_the_loudest_does_not_count() {
        let of = |db: f64| minutes(600, |bin, _| if bin < 16 { 1e-2 } else { 1e-2 * 10_f64.powf(db / 10.0) })[0];
        check(of(-49.9).adi, 4_f64.ln(), "49.9 dB below");
        check(of(-50.4).adi, 0.0, "50.4 dB below");
    }

    #[test]
    fn half_a_minute_has_indices_and_less_has_none() {
        for (windows, expected) in [(0, 0), (299, 0), (300, 1), (600, 1), (899, 1), (900, 2), (1_500, 3)] {
            assert_eq!(minutes(windows, |_, _| 1.0).len(), expected, "{windows} windows");
        }
    }

    #[test]
    fn silence_has_no_indices_that_are_no_numbers() {
        let [all] = minutes(600, |_, _| 0.0)[..] else { panic!("one minute") };
        assert_eq!(all, Indices { aci: 0.0, adi: 0.0, aei: 0.0, bi: 0.0, h: 0.0, ndsi: 0.0 });
    }
}
