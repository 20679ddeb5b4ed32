//! Noise that does not change has nothing in it that stands out: at most one section an hour, in both modes, for white noise,
//! pink noise and rain.
//!
//! All of it at the defaults. That bands want 15 dB is for rain: with 12 dB there are 50 to 120 sections an hour.

use soundpost::message::analysis::{Detection, Detector};
use soundpost::signal::{Analyzer, Scope, Shape, sections};

const SHAPE: Shape = Shape { rate_hz: 16_000, channels: 1, bits: 16 };
const MINUTES: usize = 12;
/// Of each noise: as many hours as fifths of them.
const SEEDS: u64 = 20;

/// SplitMix64: good in every bit, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In (0, 1].
    fn uniform(&mut self) -> f64 {
        ((self.roll() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

fn white(dice: &mut Dice) -> impl FnMut() -> f64 {
    move || 0.02 * dice.normal()
}

/// Power by 1/f: the sum of octaves' noises, each half as fast as the one before (Voss).
fn pink(dice: &mut Dice) -> impl FnMut() -> f64 {
    let mut octaves: [f64; 14] = std::array::from_fn(|_| dice.normal());
    let mut count = 0_u32;
    move || {
        count = count.wrapping_add(1);
        let changed = (count.trailing_zeros() as usize).min(octaves.len() - 1);
        octaves[changed] = dice.normal();
        0.005 * (octaves.iter().sum::<f64>() + dice.normal())
    }
}

/// Drops at random times, 200 a second, of exponential amplitude, through one pole at 2 kHz.
fn rain(dice: &mut Dice) -> impl FnMut() -> f64 {
    let pole = (-std::f64::consts::TAU * 2_000.0 / f64::from(SHAPE.rate_hz)).exp();
    let (mut next, mut out) = (0.0, 0.0);
    move || {
        let mut drops = 0.0;
        while next < 1.0 {
            // Either way: pressure falls as it rises.
            let sign = if dice.roll() & 1 == 0 { 0.1 } else { -0.1 };
            drops -= sign * dice.uniform().ln();
            next -= f64::from(SHAPE.rate_hz) / 200.0 * dice.uniform().ln();
        }
        next -= 1.0;
        out = pole * out + (1.0 - pole) * drops;
        out
    }
}

/// Feeds a noise, made of dice, to whoever takes its values.
type Noise = fn(&mut Dice, &mut dyn FnMut(&mut dyn FnMut() -> f64));

/// Sections an hour, over all seeds, by level and by bands.
fn sections_an_hour(noise: Noise) -> [f64; 2] {
    let mut counts = [0; 2];
    for seed in 0..SEEDS {
        let frames = MINUTES * 60 * SHAPE.rate_hz as usize;
        let mut analyzer = Analyzer::with_capacity(SHAPE, Scope { bands: true, indices: false }, frames as u64);
        noise(&mut Dice(seed << 32), &mut |value| {
            let mut piece = [0; 1_000];
            for _ in 0..frames / piece.len() {
                piece.fill_with(|| (value() * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i32);
                analyzer.push(&piece);
            }
        });
        let profile = analyzer.finish().profile;
        assert!(profile.levels.iter().all(|level| (-7_000..-1_000).contains(level)), "the noise is there");
        for (count, detector) in counts.iter_mut().zip([Detector::Level, Detector::Bands]) {
            *count += sections(&profile, &Detection::by(detector)).len();
        }
    }
    let hours = SEEDS as f64 * MINUTES as f64 / 60.0;
    counts.map(|count| count as f64 / hours)
}

#[track_caller]
fn check(noise: Noise) {
    let [level, bands] = sections_an_hour(noise);
    assert!(level <= 1.0 && bands <= 1.0, "{level} sections an hour by level, {bands} by bands");
}

#[test]
fn white_noise() {
    check(|dice, take| take(&mut white(dice)));
}

#[test]
fn pink_noise() {
    check(|dice, take| take(&mut pink(dice)));
}

#[test]
fn rain_noise() {
    check(|dice, take| take(&mut rain(dice)));
}

/// The same with one call of a second in it, 16 dB above the noise of its band: the measure is not deaf.
#[test]
fn a_call_in_the_noise_is_found() {
    let mut dice = Dice(7);
    let mut noise = white(&mut dice);
    let mut analyzer = Analyzer::new(SHAPE, Scope { bands: true, indices: false });
    for frame in 0..60 * 16_000 {
        let call = if (480_000..496_000).contains(&frame) { (frame as f64 * 1.2).sin() * 0.05 } else { 0.0 };
        analyzer.push(&[((noise() + call) * 32_768.0).round() as i32]);
    }
    let profile = analyzer.finish().profile;
    let found = |detector| sections(&profile, &Detection::by(detector));
    assert_eq!(found(Detector::Level), []);
    let [section] = found(Detector::Bands)[..] else { panic!("{:?}", found(Detector::Bands)) };
    assert_eq!((section.first_window, section.end_window), (300, 310));
    let (low, high) = section.band_hz.expect("bands");
    assert!(low < 3_056.0 && 3_056.0 < high && high / low < 2.1, "{low} to {high} Hz");
}
