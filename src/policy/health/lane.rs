//! One source: whether samples come, whether they are sound, and whether the disk takes them.

use std::fmt;

use super::{Limits, Watch, limits};
use crate::status::CHANNELS;
use crate::time::{Mono, SECOND_NS};

/// Seconds without a sample.
const STALLED: Limits = limits(30.0, 5.0, 0, 10);
/// Seconds of one and the same value.
const STILL: Limits = limits(120.0, 1.0, 0, 60);
/// Part of the samples that is clipped, over a minute or so.
const CLIPPING: Limits = limits(1e-3, 2e-4, 120, 600);
/// Part of the pool that was in use: the disk is that far behind.
const SLOW: Limits = limits(0.75, 0.5, 0, 600);
/// In the last hour or so.
const OVERRUNS: Limits = limits(10.0, 3.0, 0, 0);
/// Of the sound card's clock, in ppm.
const DRIFT: Limits = limits(500.0, 400.0, 600, 600);

/// One source as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LaneFacts {
    /// A run is on.
    pub is_recording: bool,
    /// Somebody has been told already that it does not work.
    pub is_troubled: bool,
    /// Grows with every block that comes.
    pub progress: u64,
    /// Most blocks that were in use since the last look, and all that there are.
    pub blocks_used: u32,
    pub blocks: u32,
    /// Since the start, as the following two.
    pub xruns: u32,
    pub samples_heard: u64,
    pub samples_clipped: u64,
    /// Of each channel: for how many seconds it has delivered one value, and whether that is zero.
    pub still: [(u32, bool); CHANNELS],
    pub channels: u8,
    pub drift_ppm: Option<f64>,
}

/// What can be wrong with a source, in the order of [`LaneHealth::look`].
pub const LANE_MATTERS: usize = 6;

/// What was seen of a source.
#[derive(Debug)]
pub struct LaneHealth {
    last: LaneFacts,
    looked: Option<Mono>,
    advanced: Option<Mono>,
    /// Part of the samples that is clipped, the last minute counting most.
    clipping: f64,
    /// In the last hour, the older ones counting less.
    overruns: f64,
    watches: [Watch; LANE_MATTERS],
    /// As it was last, for what is said until it is over.
    still: LaneTrouble,
}

impl Default for LaneHealth {
    fn default() -> LaneHealth {
        LaneHealth {
            last: LaneFacts::default(),
            looked: None,
            advanced: None,
            clipping: 0.0,
            overruns: 0.0,
            watches: [STALLED, STILL, CLIPPING, SLOW, OVERRUNS, DRIFT].map(Watch::new),
            still: LaneTrouble::Still { zero: 0, constant: 0 },
        }
    }
}

impl LaneHealth {
    /// Of each matter what there is to say about it, `None` where all is well.
    pub fn look(&mut self, now: Mono, facts: &LaneFacts) -> [Option<LaneTrouble>; LANE_MATTERS] {
        self.count(now, facts);
        let is_on = facts.is_recording;
        let stalled = self.still_for_ns(now).filter(|_| !facts.is_troubled).map(|ns| ns as f64 / SECOND_NS as f64);
        let stills = &facts.still[..usize::from(facts.channels).min(CHANNELS)];
        let longest = stills.iter().map(|(seconds, _)| f64::from(*seconds)).reduce(f64::max).filter(|_| is_on);
        let used = (facts.blocks > 0).then(|| f64::from(facts.blocks_used) / f64::from(facts.blocks)).filter(|_| is_on);
        let drift = facts.drift_ppm.map(f64::abs).filter(|_| is_on);
        let values = [stalled, longest, is_on.then_some(self.clipping), used, Some(self.overruns), drift];
        let mut raised = [false; LANE_MATTERS];
        for ((raised, watch), value) in raised.iter_mut().zip(&mut self.watches).zip(values) {
            *raised = watch.look(now, value);
        }
        let bits = |wanted: &dyn Fn(&(u32, bool)) -> bool| {
            stills.iter().enumerate().filter(|(_, still)| wanted(still)).fold(0_u8, |bits, (n, _)| bits | 1 << n)
        };
        let is_still = |still: &(u32, bool)| f64::from(still.0) >= STILL.raise_at / 2.0;
        let (zero, constant) = (bits(&|still| is_still(still) && still.1), bits(&|still| is_still(still) && !still.1));
        if zero | constant != 0 {
            self.still = LaneTrouble::Still { zero, constant };
        }
        let (still, stalled) = (self.still, LaneTrouble::Stalled);
        let troubles = [stalled, still, LaneTrouble::Clipping, LaneTrouble::Slow, LaneTrouble::Overruns, LaneTrouble::Drift];
        let mut told = troubles.map(Some);
        told.iter_mut().zip(raised).filter(|(_, raised)| !raised).for_each(|(told, _)| *told = None);
        told
    }

    /// For how long no sample has come from a source that records.
    pub fn still_for_ns(&self, now: Mono) -> Option<i64> {
        self.advanced.filter(|_| self.last.is_recording).map(|at| now.since(at))
    }

    fn count(&mut self, now: Mono, facts: &LaneFacts) {
        let seconds = self.looked.replace(now).map_or(0.0, |looked| now.since(looked) as f64 / SECOND_NS as f64);
        let before = std::mem::replace(&mut self.last, *facts);
        if facts.progress != before.progress || !before.is_recording || !facts.is_recording {
            self.advanced = Some(now);
        }
        let heard = facts.samples_heard.saturating_sub(before.samples_heard);
        if heard > 0 {
            let share = facts.samples_clipped.saturating_sub(before.samples_clipped) as f64 / heard as f64;
            self.clipping += (share - self.clipping) * (seconds / 60.0).clamp(0.0, 1.0);
        }
        let more = f64::from(facts.xruns.saturating_sub(before.xruns));
        self.overruns = self.overruns * (-seconds / 3_600.0).exp() + more;
    }
}

/// What is wrong with a source, as a sentence that stays the same while it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneTrouble {
    Stalled,
    /// Channels, one a bit.
    Still {
        zero: u8,
        constant: u8,
    },
    Clipping,
    Slow,
    Overruns,
    Drift,
}

impl fmt::Display for LaneTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LaneTrouble::Stalled => "it records, yet no samples come",
            LaneTrouble::Still { zero, constant } => {
                let (channels, what) =
                    if *zero > 0 { (*zero, "nothing but zeros") } else { (*constant, "one and the same value") };
                write!(f, "{} for minutes {what}: is the microphone connected and alive?", Channels(channels))?;
                return Ok(());
            }
            LaneTrouble::Clipping => "more than one sample of a thousand is clipped: turn the gain down",
            LaneTrouble::Slow => "the disk is so slow that three quarters of the memory for sound were full",
            LaneTrouble::Overruns => "the sound card overran ten times within an hour: sound is missing each time",
            LaneTrouble::Drift => "the clock of the sound card is wrong by more than 500 ppm: is it the card that it should be?",
        })
    }
}

/// `channel 1 delivers`, `channels 1 and 2 deliver`.
struct Channels(u8);

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.count_ones();
        f.write_str(if count == 1 { "channel" } else { "channels" })?;
        let numbers = (0..8).filter(|n| self.0 & 1 << n != 0).map(|n| n + 1);
        for (place, number) in (1..).zip(numbers) {
            match place {
                1 => write!(f, " {number}")?,
                _ if place == count => write!(f, " and {number}")?,
                _ => write!(f, ", {number}")?,
            }
        }
        f.write_str(if count == 1 { " delivers" } else { " deliver" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: LaneFacts = LaneFacts {
        is_recording: true,
        is_troubled: false,
        progress: 0,
        blocks_used: 2,
        blocks: 100,
        xruns: 0,
        samples_heard: 0,
        samples_clipped: 0,
        still: [(0, false); CHANNELS],
        channels: 2,
        drift_ppm: Some(12.0),
    };

    /// Looks every five seconds at a source that is made from the second; what began (`+`) and ended (`-`), and when.
    #[track_caller]
    fn lane(seconds: u64, facts: impl Fn(u64) -> LaneFacts, expected: &[(u64, &str)]) {
        let (mut health, mut last, mut events) = (LaneHealth::default(), [None; LANE_MATTERS], Vec::new());
        for s in (0..seconds).step_by(5) {
            let told = health.look(Mono(s as i64 * SECOND_NS), &facts(s));
            for (before, now) in last.iter().zip(&told) {
                match (before, now) {
                    (None, Some(trouble)) => events.push((s, format!("+{trouble:?}"))),
                    (Some(trouble), None) => events.push((s, format!("-{trouble:?}"))),
                    _ => {}
                }
            }
            last = told;
        }
        let events: Vec<_> = events.iter().map(|(s, text)| (*s, text.as_str())).collect();
        assert_eq!(events, expected);
    }

    fn live(s: u64) -> LaneFacts {
        LaneFacts { progress: s + 1, samples_heard: s * 96_000, ..WELL }
    }

    #[test]
    fn a_source_that_is_well_says_nothing_for_weeks() {
        lane(1_000_000, live, &[]);
        // One overrun an hour, a pop that clips every minute, a slow disk now and then.
        let used = |s: u64| if s % 3_600 == 0 { 60 } else { 1 };
        let xruns = |s: u64| (s / 3_600) as u32;
        lane(200_000, |s| LaneFacts { xruns: xruns(s), samples_clipped: s / 60 * 50, blocks_used: used(s), ..live(s) }, &[]);
        // Closed by its schedule for most of the day, with what it was last.
        lane(200_000, |s| LaneFacts { is_recording: false, still: [(9_999, true); CHANNELS], ..WELL.at(s / 1_000_000) }, &[]);
    }

    impl LaneFacts {
        fn at(self, progress: u64) -> LaneFacts {
            LaneFacts { progress, ..self }
        }
    }

    #[test]
    fn samples_that_stand_still() {
        lane(200, |s| WELL.at(s.min(60)), &[(90, "+Stalled")]);
        lane(400, |s| WELL.at(if s < 200 { s.min(60) } else { s }), &[(90, "+Stalled"), (210, "-Stalled")]);
        // Whoever is cared for already is excused.
        lane(400, |s| LaneFacts { is_troubled: true, ..WELL.at(s.min(60)) }, &[]);
    }

    #[test]
    fn a_dead_microphone() {
        let dead = |s: u64| match s {
            100..400 => [((s - 100) as u32, true), (0, false)],
            _ => [(0, false); 2],
        };
        let facts = |s: u64| {
            let mut still = [(0, false); CHANNELS];
            still[..2].copy_from_slice(&dead(s));
            LaneFacts { still, ..live(s) }
        };
        lane(1_000, facts, &[(220, "+Still { zero: 1, constant: 0 }"), (460, "-Still { zero: 1, constant: 0 }")]);
    }

    #[test]
    fn what_wavers_is_one_alarm() {
        // Clipping of one in five hundred, every other minute.
        let clipped = |s: u64| (0..s / 60).filter(|minute| minute % 2 == 0).count() as u64 * 60 * 192 + s % 60 * 192;
        let mut begun = 0;
        let (mut health, mut was) = (LaneHealth::default(), false);
        for s in (0..86_400).step_by(5) {
            let facts =
                LaneFacts { samples_clipped: if s < 3_600 { s * 960 } else { 3_600 * 960 + clipped(s - 3_600) }, ..live(s) };
            let is = health.look(Mono(s as i64 * SECOND_NS), &facts)[2].is_some();
            begun += u32::from(is && !was);
            was = is;
        }
        assert_eq!(begun, 1);
    }

    #[test]
    fn a_slow_disk_overruns_and_a_wrong_clock() {
        let burst = |s: u64| if (1_000..1_005).contains(&s) { 80 } else { 3 };
        lane(4_000, |s| LaneFacts { blocks_used: burst(s), ..live(s) }, &[(1_000, "+Slow"), (1_605, "-Slow")]);
        let xruns = |s: u64| (s.min(1_000) / 100) as u32 + if s > 1_000 { 1 } else { 0 };
        let told = |s: u64| LaneFacts { xruns: xruns(s) * 2, ..live(s) };
        lane(20_000, told, &[(600, "+Overruns"), (7_780, "-Overruns")]);
        let drift = |s: u64| LaneFacts { drift_ppm: Some(if s < 5_000 { -620.0 } else { 10.0 }), ..live(s) };
        lane(20_000, drift, &[(600, "+Drift"), (5_600, "-Drift")]);
    }

    #[test]
    fn channels_are_named() {
        let check = |zero: u8, constant: u8, expected: &str| {
            let text = LaneTrouble::Still { zero, constant }.to_string();
            assert!(text.starts_with(expected), "{text}");
        };
        check(0b1, 0, "channel 1 delivers for minutes nothing but zeros");
        check(0b11, 0b100, "channels 1 and 2 deliver for minutes nothing but zeros");
        check(0, 0b1110_0000, "channels 6, 7 and 8 deliver for minutes one and the same value");
    }
}
