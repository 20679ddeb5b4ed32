//! What to ask a device for and what to make of its answer. Pure; `libasound.rs` asks, `mod.rs` tells the user.
//!
//! The rate matters most (a bat at 384 kHz is not there at 48 kHz), then the channels, then the width of a sample:
//! the first layout in the order of preference that has rate and channels exactly wins; failing that, the first that
//! has anything near.

use crate::device::alsa::door::Shape;
use crate::message::Depth;
use crate::signal::pcm::Sample;
use crate::time::Rate;

/// The `bit_depth` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitDepth {
    Sixteen,
    TwentyFour,
    /// The widest the device has, up to 24.
    Auto,
}

/// What is asked of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    pub rate: Rate,
    pub channels: u8,
    pub depth: BitDepth,
    pub period_ms: u32,
    pub buffer_ms: u32,
}

/// What a device and a wish have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    pub sample: Sample,
    pub rate: Rate,
    /// 1 to 8.
    pub channels: u8,
}

/// A device's answers.
pub trait Offers {
    /// It has exactly this.
    fn exactly(&self, settled: Settled) -> bool;
    /// The nearest it has with the same sample layout.
    fn nearest(&self, settled: Settled) -> Option<Settled>;
}

pub fn settle(offers: &impl Offers, wish: &Wish) -> Option<Settled> {
    let order = preferences(wish.depth).iter();
    let wished = order.map(|sample| Settled { sample: *sample, rate: wish.rate, channels: wish.channels });
    wished.clone().find(|settled| offers.exactly(*settled)).or_else(|| wished.clone().find_map(|settled| offers.nearest(settled)))
}

/// Layouts in the order in which they are tried: first those that need no conversion.
fn preferences(depth: BitDepth) -> &'static [Sample; 4] {
    use Sample::{S16, S24, S24Packed, S32};
    match depth {
        BitDepth::Sixteen => &[S16, S24Packed, S24, S32],
        BitDepth::TwentyFour => &[S24Packed, S24, S32, S16],
        BitDepth::Auto => &[S32, S24Packed, S24, S16],
    }
}

/// Bits that are recorded: never more than the device has.
pub fn recorded(depth: BitDepth, sample: Sample) -> Depth {
    match (depth, sample) {
        (BitDepth::Sixteen, _) | (_, Sample::S16) => Depth::Sixteen,
        (BitDepth::TwentyFour | BitDepth::Auto, _) => Depth::TwentyFour,
    }
}

/// "hw:1,0 S16_LE 48000 Hz 2 channels, period 100 ms, buffer 2000 ms"
pub fn describe(pcm: &str, shape: &Shape) -> String {
    let Settled { sample, rate, channels } = shape.settled;
    let ms = |frames| rate.ns_of(frames) / 1_000_000;
    let plural = if channels == 1 { "" } else { "s" };
    let stamps = if shape.stamped { "" } else { "; no time stamps from the driver, the moment of reading is used" };
    format!(
        "{pcm} {} {rate} {channels} channel{plural}, period {} ms, buffer {} ms{stamps}",
        sample.name(),
        ms(shape.period_frames),
        ms(shape.buffer_frames)
    )
}

/// In what the recording is not as wished, if it is not.
pub fn differences(wish: &Wish, settled: Settled) -> Option<String> {
    let Settled { sample, rate, channels } = settled;
    let mut differences = Vec::new();
    if rate != wish.rate {
        differences.push(format!("it does not offer {}, {rate} is the nearest", wish.rate));
    }
    if channels != wish.channels {
        let plural = if wish.channels == 1 { "" } else { "s" };
        differences.push(format!("it does not offer {} channel{plural}, {channels} is the nearest", wish.channels));
    }
    match (wish.depth, sample) {
        (BitDepth::TwentyFour, Sample::S16) => differences.push("it does not offer 24 bits, 16 are recorded".to_owned()),
        (BitDepth::Sixteen, Sample::S24Packed | Sample::S24 | Sample::S32) => {
            differences.push(format!("it does not offer 16 bits, the top 16 of {} are kept", sample.bits()));
        }
        _ => {}
    }
    if differences.is_empty() { None } else { Some(differences.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sample::{S16, S24, S24Packed, S32};

    /// Every combination a device has.
    struct Table(&'static [(Sample, u8, u32)]);

    impl Offers for Table {
        fn exactly(&self, s: Settled) -> bool {
            self.0.contains(&(s.sample, s.channels, s.rate.hz()))
        }

        fn nearest(&self, s: Settled) -> Option<Settled> {
            let same = self.0.iter().filter(|row| row.0 == s.sample);
            let near = same.min_by_key(|row| (row.1.abs_diff(s.channels), row.2.abs_diff(s.rate.hz())));
            near.map(|row| Settled { sample: row.0, channels: row.1, rate: Rate::new(row.2).expect("a rate") })
        }
    }

    fn wish(depth: BitDepth, channels: u8, hz: u32) -> Wish {
        Wish { rate: Rate::new(hz).expect("a rate"), channels, depth, period_ms: 100, buffer_ms: 2000 }
    }

    #[track_caller]
    fn check(table: &'static [(Sample, u8, u32)], depth: BitDepth, channels: u8, hz: u32, expected: &str) {
        let wish = wish(depth, channels, hz);
        let text = settle(&Table(table), &wish).map_or("nothing".to_owned(), |settled| {
            let shape = Shape {
                settled,
                period_frames: u64::from(settled.rate.hz()) / 10,
                buffer_frames: 2 * u64::from(settled.rate.hz()),
                stamped: true,
            };
            let text = describe("hw:1,0", &shape).replace(", period 100 ms, buffer 2000 ms", "");
            let differs = differences(&wish, settled).map_or(String::new(), |text| format!("; {text}"));
            format!("{text}{differs} in {}", recorded(depth, settled.sample).bits())
        });
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_settled() {
        use BitDepth::{Auto, Sixteen, TwentyFour};
        const BOTH: &[(Sample, u8, u32)] = &[(S16, 2, 48_000), (S24Packed, 2, 48_000), (S32, 2, 48_000)];
        check(BOTH, Sixteen, 2, 48_000, "hw:1,0 S16_LE 48000 Hz 2 channels in 16");
        check(BOTH, TwentyFour, 2, 48_000, "hw:1,0 S24_3LE 48000 Hz 2 channels in 24");
        check(BOTH, Auto, 2, 48_000, "hw:1,0 S32_LE 48000 Hz 2 channels in 24");
        check(&[(S16, 1, 48_000)], Auto, 1, 48_000, "hw:1,0 S16_LE 48000 Hz 1 channel in 16");
        check(&[(S24, 1, 48_000), (S32, 1, 48_000)], TwentyFour, 1, 48_000, "hw:1,0 S24_LE 48000 Hz 1 channel in 24");
        check(
            &[(S32, 2, 48_000)],
            Sixteen,
            2,
            48_000,
            "hw:1,0 S32_LE 48000 Hz 2 channels; it does not offer 16 bits, the top 16 of 32 are kept in 16",
        );
        check(
            &[(S16, 1, 384_000)],
            TwentyFour,
            1,
            384_000,
            "hw:1,0 S16_LE 384000 Hz 1 channel; it does not offer 24 bits, 16 are recorded in 16",
        );
        check(
            BOTH,
            Sixteen,
            1,
            44_100,
            "hw:1,0 S16_LE 48000 Hz 2 channels; it does not offer 44100 Hz, 48000 Hz is the nearest; it does not offer 1 channel, 2 is the nearest in 16",
        );
        check(&[], Auto, 1, 44_100, "nothing");
        // The rate goes before the width.
        check(
            &[(S24Packed, 1, 48_000), (S16, 1, 384_000)],
            TwentyFour,
            1,
            384_000,
            "hw:1,0 S16_LE 384000 Hz 1 channel; it does not offer 24 bits, 16 are recorded in 16",
        );
    }
}
