//! Frames against the clock: finds samples that vanished without the device saying so. Pure; fed by `reader.rs`.
//!
//! Some USB hosts drop isochronous packets and some sound servers drop what is not fetched, and neither raises an overrun.
//! What gives them away is a deficit: fewer frames than the time that passed. It has three causes that must be kept apart.
//! - *Delay*: frames exist but are not shown yet. It comes and goes, so the least deficit in a window is free of it.
//! - *Drift*: the card's clock is not ours. It grows slowly, at most [`DRIFT_PPM`], so the reference follows that fast and no
//!   faster. Time daemons bend CLOCK_MONOTONIC, some by percents; the time here must be CLOCK_MONOTONIC_RAW.
//! - *Loss*: what is left, once it passes the threshold. A loss is therefore noticed up to two windows late, and one below
//!   the threshold only together with others. Steady loss beyond 500 ppm adds up and is noticed too, as is a card whose clock
//!   is worse than that: entering its shortfall as lost keeps the time of every frame true.

use crate::time::{Mono, Rate, SECOND_NS};

/// What a sound card's crystal and the machine's own may differ by; beyond it the difference counts as loss.
const DRIFT_PPM: i64 = 500;
const WINDOW_NS: i64 = 3 * SECOND_NS;
/// Fewer looks than this say too little about the least deficit.
const LOOKS: u32 = 4;

pub struct Balance {
    rate: Rate,
    threshold_frames: i64,
    began: Option<Mono>,
    /// Found lost so far.
    lost_frames: i64,
    /// The deficit that delay and drift explain.
    reference: Option<i64>,
    window: Window,
}

#[derive(Clone, Copy)]
struct Window {
    from: Mono,
    looks: u32,
    least: i64,
}

impl Balance {
    /// The threshold is 50 ms or two periods.
    pub fn new(rate: Rate, period_frames: u64) -> Balance {
        let periods = i64::try_from(period_frames.saturating_mul(2)).unwrap_or(i64::MAX);
        let window = Window { from: Mono(0), looks: 0, least: i64::MAX };
        let threshold_frames = periods.max(i64::from(rate.hz() / 20));
        Balance { rate, threshold_frames, began: None, lost_frames: 0, reference: None, window }
    }

    /// After an interruption that is accounted for: counts anew from the next look.
    pub fn restart(&mut self) {
        self.began = None;
    }

    /// One look: `frames` have been shown since the last restart, read or waiting. Frames that must have been lost, if any.
    pub fn look(&mut self, raw: Mono, frames: u64) -> Option<u64> {
        let frames = i64::try_from(frames).unwrap_or(i64::MAX);
        let Some(began) = self.began else {
            // From here on the deficit is 0 at `raw`: what was shown before counts as lost in advance, with a minus.
            (self.began, self.lost_frames, self.reference) = (Some(raw), -frames, None);
            self.window = Window { from: raw, looks: 1, least: 0 };
            return None;
        };
        let expected = i64::try_from(self.rate.frames_in(raw.since(began))).unwrap_or(i64::MAX);
        let deficit = expected.saturating_sub(frames.saturating_add(self.lost_frames));
        self.window.least = self.window.least.min(deficit);
        self.window.looks = self.window.looks.saturating_add(1);
        let length_ns = raw.since(self.window.from);
        if length_ns < WINDOW_NS || self.window.looks < LOOKS {
            return None;
        }
        let least = self.window.least;
        self.window = Window { from: raw, looks: 0, least: i64::MAX };
        self.judge(least, length_ns)
    }

    fn judge(&mut self, least: i64, length_ns: i64) -> Option<u64> {
        let reference = *self.reference.get_or_insert(least);
        let step = least.saturating_sub(reference);
        if step > self.threshold_frames {
            self.lost_frames = self.lost_frames.saturating_add(step);
            return u64::try_from(step).ok();
        }
        let length_frames = i64::try_from(self.rate.frames_in(length_ns)).unwrap_or(i64::MAX);
        let drift = length_frames.saturating_mul(DRIFT_PPM) / 1_000_000;
        self.reference = Some(reference.saturating_add(step.min(drift)));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card of 48 kHz with periods of 100 ms, looked at every 100 ms for `seconds`; `shown(s)` are its frames.
    /// Each loss as "frames at second".
    fn run(seconds: u32, shown: impl Fn(f64) -> f64) -> Vec<String> {
        let mut balance = Balance::new(Rate::new(48_000).expect("a rate"), 4_800);
        let mut found = Vec::new();
        for look in 0..seconds * 10 {
            let now = f64::from(look) / 10.0;
            if let Some(lost) = balance.look(Mono((now * 1e9) as i64), shown(now) as u64) {
                found.push(format!("{lost} at {now:.0} s"));
            }
        }
        found
    }

    #[track_caller]
    fn check(seconds: u32, shown: impl Fn(f64) -> f64, expected: &[&str]) {
        assert_eq!(run(seconds, shown), expected);
    }

    #[test]
    fn drift_is_not_loss() {
        for ppm in [-490.0, -100.0, 0.0, 100.0, 490.0] {
            check(86_400, |s| s * 48_000.0 * (1.0 + ppm / 1e6), &[]);
        }
    }

    #[test]
    fn delay_is_not_loss() {
        // Shown in bursts of 1.9 s, as a starved sound server does; then a second of standstill that is made up for.
        check(600, |s| (s / 1.9).floor() * 1.9 * 48_000.0, &[]);
        check(600, |s| if (100.0..101.0).contains(&s) { 100.0 } else { s } * 48_000.0, &[]);
    }

    #[test]
    fn a_silent_loss_is_found_once() {
        check(600, |s| (s - if s > 100.0 { 0.5 } else { 0.0 }) * 48_000.0, &["24000 at 105 s"]);
        check(600, |s| (s - if s > 100.0 { 3.0 } else { 0.0 }) * 48_000.0 * 1.0001, &["143991 at 105 s"]);
        // Below the threshold of 200 ms, and above it together with another.
        check(100, |s| (s - if s > 50.0 { 0.15 } else { 0.0 }) * 48_000.0, &[]);
        check(
            100,
            |s| {
                (s - if s > 60.0 {
                    0.3
                } else if s > 50.0 {
                    0.15
                } else {
                    0.0
                }) * 48_000.0
            },
            &["14184 at 63 s"],
        );
    }

    #[test]
    fn steady_loss_adds_up() {
        let lost: u64 = run(1_000, |s| s * 48_000.0 * 0.99).iter().filter_map(|l| l.split(' ').next()?.parse::<u64>().ok()).sum();
        let truth = 1_000.0 * 48_000.0 * (0.01 - 500e-6);
        assert!((truth - lost as f64).abs() < 15_000.0, "{lost} of {truth}");
    }

    #[test]
    fn hostile_numbers() {
        let mut balance = Balance::new(Rate::new(768_000).expect("a rate"), u64::MAX);
        for (raw, frames) in [(0, u64::MAX), (i64::MAX, 0), (i64::MIN, u64::MAX), (5, 5), (i64::MAX, 1), (i64::MAX, 1)] {
            balance.look(Mono(raw), frames);
        }
    }
}
