//! The level of each window, and what a whole recording's samples say of its quality: exact sums of integers, so that everybody
//! who adds them up has the same ones.
//!
//! With x = sample / 2^(bits-1), the level of a window is L = 10·log10(mean of x² over all its frames and channels), without a
//! down-mix, in hundredths of dBFS clamped to [-120, 0]. A full-scale square wave has 0, a full-scale sine -3.01.

use wide::{i16x8, i32x4};

use super::Shape;
use super::lanes::{ONES, s16x8};
use crate::message::analysis::{Centibel, Quality, WINDOWS_PER_SECOND};
use crate::message::window;

/// dBFS in hundredths of digital silence, and the lowest level that is told.
pub const LOWEST: i16 = -12_000;

/// Samples that are added up at once: sums of so many halves of squares, and of so many samples, fit 32 bits.
const PIECE: usize = 4_096;

/// What a run of samples adds up to. The empty run has `min > max`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sums {
    /// Of x², in units of one step of a sample squared.
    squares: u128,
    sum: i128,
    samples: u64,
    min: i32,
    max: i32,
    clipped: u64,
}

impl Sums {
    const NONE: Sums = Sums { squares: 0, sum: 0, samples: 0, min: i32::MAX, max: i32::MIN, clipped: 0 };

    fn add(&mut self, other: &Sums) {
        self.squares += other.squares;
        self.sum += other.sum;
        self.samples += other.samples;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.clipped += other.clipped;
    }

    fn peak(&self) -> u32 {
        if self.samples == 0 { 0 } else { self.max.unsigned_abs().max(self.min.unsigned_abs()) }
    }

    /// Mean of x².
    fn mean_square(&self, full_scale: f64) -> f64 {
        if self.samples == 0 { 0.0 } else { self.squares as f64 / (self.samples as f64 * (full_scale * full_scale)) }
    }
}

/// Windows' levels as they come. Allocates only when there are more than it was made for.
pub struct Levels {
    shape: Shape,
    frames: u64,
    /// First frame of the next window.
    end: u64,
    now: Sums,
    /// Without `now`.
    before: Sums,
    levels: Vec<i16>,
    /// Windows that are whole; not all of them need be in `levels`.
    whole: u64,
    silent: u64,
    /// Largest samples of the newest windows, by turns.
    peaks: [u32; WINDOWS_PER_SECOND as usize],
}

impl Levels {
    pub fn new(shape: Shape, windows: usize) -> Levels {
        let end = window::first_frame(1, shape.rate_hz);
        let levels = Vec::with_capacity(windows);
        Levels {
            shape,
            frames: 0,
            end,
            now: Sums::NONE,
            before: Sums::NONE,
            levels,
            whole: 0,
            silent: 0,
            peaks: Default::default(),
        }
    }

    pub fn last(&self) -> Option<i16> {
        self.levels.last().copied()
    }

    /// Largest sample of the newest second of whole windows, hundredths of dBFS.
    pub fn last_peak(&self) -> Option<i16> {
        let peak = f64::from(self.peaks.into_iter().max()?) / self.shape.full_scale();
        (!self.levels.is_empty()).then(|| level(peak * peak))
    }

    /// Of the windows that are whole.
    pub fn all(&self) -> &[i16] {
        &self.levels
    }

    /// For one who has looked at them and keeps no profile.
    pub fn forget(&mut self) {
        self.levels.clear();
    }

    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Samples at the highest or the lowest value that the depth holds.
    pub fn clipped(&self) -> u64 {
        self.before.clipped + self.now.clipped
    }

    /// Whole frames.
    pub fn push(&mut self, samples: &[i32]) {
        let (lowest, highest) = self.shape.extremes();
        self.windows(samples, 1, |piece| of_ints(piece, lowest, highest));
    }

    /// Whole frames of 16 bits, little endian.
    pub fn push_s16(&mut self, pcm: &[u8]) {
        self.windows(pcm, 2, of_s16);
    }

    /// Splits what comes where windows end; `width` items are a sample.
    fn windows<T>(&mut self, mut items: &[T], width: usize, sums: impl Fn(&[T]) -> Sums) {
        let frame = width * usize::from(self.shape.channels);
        while items.len() >= frame {
            let room = usize::try_from(self.end - self.frames).unwrap_or(usize::MAX);
            let take = room.min(items.len() / frame);
            let (now, rest) = items.split_at(take * frame);
            for piece in now.chunks(PIECE * width) {
                self.now.add(&sums(piece));
            }
            self.frames += take as u64;
            items = rest;
            if self.frames == self.end {
                self.close();
            }
        }
    }

    /// A window ends, and with it the windows of no frames that rates below ten have.
    fn close(&mut self) {
        while self.frames == self.end {
            self.keep();
            self.end = window::first_frame(self.whole + 1, self.shape.rate_hz);
        }
    }

    fn keep(&mut self) {
        let turn = self.whole as usize % self.peaks.len();
        self.whole += 1;
        self.peaks[turn] = self.now.peak();
        self.levels.push(level(self.now.mean_square(self.shape.full_scale())));
        self.silent += u64::from(self.now.squares == 0);
        self.before.add(&self.now);
        self.now = Sums::NONE;
    }

    /// The levels in hundredths of dBFS, and the quality of all frames; its floor is not known here.
    pub fn finish(mut self) -> (Vec<i16>, Quality) {
        if window::windows(self.frames, self.shape.rate_hz) > self.whole {
            self.keep();
        }
        let mut all = self.before;
        all.add(&self.now);
        let full_scale = self.shape.full_scale();
        let quality = Quality {
            peak: f64::from(all.peak()) / full_scale,
            dc: if all.samples == 0 { 0.0 } else { all.sum as f64 / (all.samples as f64 * full_scale) },
            clipped_samples: all.clipped,
            silent_windows: self.silent,
            level: decibels(all.mean_square(full_scale)),
            ..Quality::default()
        };
        (self.levels, quality)
    }
}

/// 10·log10 of a mean of x², at least that of [`LOWEST`].
fn decibels(mean_square: f64) -> f64 {
    (10.0 * mean_square.log10()).clamp(f64::from(LOWEST) / 100.0, 0.0)
}

/// Hundredths of dBFS, rounded half away from zero.
fn level(mean_square: f64) -> i16 {
    Centibel::of_db(decibels(mean_square)).0
}

/// Of eight samples at once: the squares of neighbours are added up by the instruction that multiplies them, and their upper and
/// lower halves apart, since no two squares of 32 bits would fit a third time.
fn of_s16(pcm: &[u8]) -> Sums {
    let (eights, rest) = pcm.split_at(pcm.len() / 16 * 16);
    const HALF: i32x4 = i32x4::new([0xFFFF; 4]);
    let (mut low, mut high, mut sum) = (i32x4::ZERO, i32x4::ZERO, i32x4::ZERO);
    let (mut min, mut max) = (i16x8::splat(i16::MAX), i16x8::splat(i16::MIN));
    for bytes in eights.chunks_exact(16) {
        let x = s16x8(bytes);
        // Two squares of -2^15 are 2^31, which is right without its sign.
        let squares = x.dot(x);
        low += squares & HALF;
        high += (squares >> 16) & HALF;
        sum += x.dot(ONES);
        min = min.min(x);
        max = max.max(x);
    }
    let add = |lanes: i32x4| lanes.to_array().iter().map(|&lane| lane as u128).sum::<u128>();
    let mut sums = Sums {
        squares: (add(high) << 16) + add(low),
        sum: sum.reduce_add().into(),
        samples: pcm.len() as u64 / 2,
        min: i32::from(min.reduce_min()),
        max: i32::from(max.reduce_max()),
        clipped: 0,
    };
    for x in rest.chunks_exact(2).map(|bytes| i32::from(s16(bytes))) {
        sums.squares += (x * x) as u128;
        sums.sum += i128::from(x);
        (sums.min, sums.max) = (sums.min.min(x), sums.max.max(x));
    }
    // Clipping is rare: only then they are counted.
    if sums.min == i32::from(i16::MIN) || sums.max == i32::from(i16::MAX) {
        sums.clipped = pcm.chunks_exact(2).filter(|bytes| matches!(s16(bytes), i16::MIN | i16::MAX)).count() as u64;
    }
    sums
}

fn s16(bytes: &[u8]) -> i16 {
    i16::from_le_bytes([bytes[0], bytes[1]])
}

/// Squares are added up as their upper and their lower halves: so the loop knows nothing wider than its lanes and becomes one
/// of vectors.
fn of_ints(samples: &[i32], lowest: i32, highest: i32) -> Sums {
    let (mut low, mut high, mut sum, mut min, mut max) = (0_u64, 0_u64, 0_i64, i32::MAX, i32::MIN);
    for &x in samples {
        let square = (i64::from(x) * i64::from(x)) as u64;
        low += square & 0xFFFF_FFFF;
        high += square >> 32;
        sum += i64::from(x);
        min = min.min(x);
        max = max.max(x);
    }
    let clips = min <= lowest || max >= highest;
    Sums {
        squares: (u128::from(high) << 32) + u128::from(low),
        sum: sum.into(),
        samples: samples.len() as u64,
        min,
        max,
        clipped: if clips { samples.iter().filter(|&&x| x <= lowest || x >= highest).count() as u64 } else { 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONO: Shape = Shape { rate_hz: 8_000, channels: 1, bits: 16 };

    fn of(shape: Shape, samples: &[i32]) -> (Vec<i16>, Quality) {
        let mut levels = Levels::new(shape, 0);
        levels.push(samples);
        levels.finish()
    }

    #[test]
    fn levels_of_what_is_known() {
        let check = |bits, value: i32, expected| {
            let shape = Shape { bits, ..MONO };
            assert_eq!(of(shape, &vec![value; 800]).0, [expected], "{value} of {bits} bits");
        };
        check(16, 0, -12_000);
        check(16, 1, -9_031);
        check(16, -32_768, 0);
        check(16, 32_767, 0);
        check(16, 16_384, -602);
        check(8, -128, 0);
        check(8, 64, -602);
        // One step of 24 bits is below what is told.
        check(24, 1, -12_000);
        check(24, 4_194_304, -602);
        check(32, i32::MIN, 0);
        check(32, 1 << 30, -602);
    }

    #[test]
    fn all_channels_count_and_none_cancels_another() {
        let stereo = Shape { channels: 2, ..MONO };
        assert_eq!(of(stereo, &[16_384, -16_384].repeat(800)).0, [-602]);
        assert_eq!(of(stereo, &[16_384, 0].repeat(800)).0, [-903]);
    }

    #[test]
    fn the_peak_is_that_of_the_last_second() {
        let mut levels = Levels::new(MONO, 0);
        assert_eq!(levels.last_peak(), None);
        let check = |levels: &mut Levels, samples: &[i32], expected| {
            levels.push(samples);
            assert_eq!(levels.last_peak(), Some(expected));
        };
        check(&mut levels, &[[-16_384].as_slice(), &[0; 799]].concat(), -602);
        check(&mut levels, &[0; 9 * 800], -602);
        check(&mut levels, &[0; 800], -12_000);
        check(&mut levels, &[-32_768; 800], 0);
    }

    #[test]
    fn quality_is_of_every_sample_even_behind_the_last_window() {
        let mut samples = vec![0; 1_600];
        samples[0] = 32_767;
        samples.extend([-32_768; 100]);
        let (levels, quality) = of(MONO, &samples);
        assert_eq!((levels.len(), quality.clipped_samples, quality.silent_windows), (2, 101, 1));
        assert_eq!((quality.peak, quality.dc), (1.0, (32_767.0 - 3_276_800.0) / 1_700.0 / 32_768.0));
        assert!((quality.level - 10.0 * (101.0_f64 / 1_700.0).log10()).abs() < 1e-3, "{}", quality.level);
        assert_eq!(of(MONO, &[]), (vec![], Quality { level: -120.0, ..Quality::default() }));
    }

    #[test]
    fn sixteen_bits_are_the_same_as_bytes_and_as_numbers() {
        let mut seed = 7_u32;
        let samples: Vec<i32> = (0..20_011)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                [i32::from((seed >> 16) as i16), 32_767, -32_768][usize::from(seed >> 28 == 0) * (1 + (seed >> 27 & 1) as usize)]
            })
            .collect();
        let bytes: Vec<u8> = samples.iter().flat_map(|x| (*x as i16).to_le_bytes()).collect();
        let mut levels = Levels::new(MONO, 25);
        levels.push_s16(&bytes);
        let found = levels.finish();
        assert!(found.1.clipped_samples > 100);
        assert_eq!(found, of(MONO, &samples));
    }

    #[test]
    fn the_loudest_that_there_is_does_not_overflow() {
        for (bits, value) in [(32, i32::MIN), (24, -8_388_608), (16, -32_768)] {
            let shape = Shape { rate_hz: 768_000, channels: 8, bits };
            assert_eq!(of(shape, &vec![value; 768_000]).0, [0], "{bits} bits");
        }
        let bytes = [0x00, 0x80].repeat(614_400);
        let mut levels = Levels::new(Shape { rate_hz: 768_000, channels: 8, bits: 16 }, 1);
        levels.push_s16(&bytes);
        assert_eq!(levels.finish().0, [0]);
    }
}
