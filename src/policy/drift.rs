//! Sample clock against CLOCK_MONOTONIC: which instant belongs to a frame, and how far the device's rate is from its name.
//!
//! Each device read says "frame n was there by this instant". Scheduling makes such a statement late, never early, so the
//! truth is the line *under* the points. That line is sought with the least-delayed reads of 3 s bins over 60 s; a second
//! row of 60 s bins over an hour gives a slope that jitter hardly touches. What callers see is a third line that is led
//! towards the found one without ever jumping, so times of frames stay in order and neighbouring files agree.
//!
//! No clock is read here and UTC is unknown here (see `offset`). Called by the splitter, once per device read.

use heapless::Deque;

use crate::time::{Mono, Rate, SECOND_NS};

/// A crystal is within 100 ppm; beyond this the stamps mean something else (a replay, frames lost unseen).
const MAX_PPM: f64 = 500.0;
/// Before that much is seen the nominal rate is the better guess.
const USED_AFTER_S: u64 = 30;
/// The hour's slope is better than the minute's from here on.
const FAR_AFTER_S: u64 = 120;
/// Twice what jitter does to the slope of one minute.
const DISAGREE_PPM: f64 = 20.0;
/// So many bins of disagreement (two minutes) are more than one disturbance passing through the minute.
const DISAGREE_BINS: u32 = 40;
/// The published line follows the found one with this time constant...
const FOLLOW_NS: f64 = 20.0 * SECOND_NS as f64;
/// ... but runs at most this much fast or slow on the way: 100 ms are corrected in about a minute.
const FOLLOW_LIMIT: f64 = 0.005;

/// Maps the frame numbers of one run to [`Mono`]. Fixed memory; frame numbers count lost frames too.
pub struct Fit {
    rate: Rate,
    /// Frame 0 by the start of the run; all lateness is counted from the nominal line through it.
    origin: Mono,
    last: u64,
    near: Envelope<20>,
    far: Envelope<60>,
    disagree: u32,
    /// Found slope in ns late per frame, when one is trusted.
    slope: Option<f64>,
    line: Line,
}

impl Fit {
    pub fn new(rate: Rate, at: Mono) -> Fit {
        let hz = u64::from(rate.hz());
        Fit {
            rate,
            origin: at,
            last: 0,
            near: Envelope::new(hz * 3),
            far: Envelope::new(hz * 60),
            disagree: 0,
            slope: None,
            line: Line { frame: 0, at, ns_per_frame: nominal(rate) },
        }
    }

    /// A device read ended at `at`; the next frame to come is number `frames`. Reads that do not advance are ignored.
    pub fn push(&mut self, frames: u64, at: Mono) {
        if frames <= self.last {
            return;
        }
        let interval_ns = (frames - self.last) as f64 * nominal(self.rate);
        self.last = frames;
        let late_ns = at.since(self.origin).saturating_sub(self.rate.ns_of(frames));
        let point = Point { frame: frames, late_ns };
        let lean = self.slope.unwrap_or(0.0);
        self.far.push(point, lean);
        if self.near.push(point, lean) {
            self.choose_slope();
        }
        if let Some(slope) = self.slope {
            self.follow(slope, interval_ns);
        }
    }

    /// When `frame` began.
    pub fn mono_of(&self, frame: u64) -> Mono {
        self.line.at(frame)
    }

    /// The frame that began nearest to `at`; 0 for instants before the run.
    pub fn frame_at(&self, at: Mono) -> u64 {
        let frames = at.since(self.line.at) as f64 / self.line.ns_per_frame;
        let whole = frames.abs().round() as u64; // saturates
        if frames < 0.0 { self.line.frame.saturating_sub(whole) } else { self.line.frame.saturating_add(whole) }
    }

    /// How much faster than its name the device runs, in millionths, when a trusted fit exists.
    pub fn ppm(&self) -> Option<f64> {
        // A device that is fast has its frames early: lateness falls.
        self.slope.map(|slope| (nominal(self.rate) / (nominal(self.rate) + slope) - 1.0) * 1e6)
    }

    /// True frames per second of the device, when a trusted fit exists.
    pub fn measured_rate(&self) -> Option<f64> {
        self.ppm().map(|ppm| f64::from(self.rate.hz()) * (1.0 + ppm / 1e6))
    }

    /// Both rows agree: the hour's slope. They do not: frames vanished or stamps were wrong not long ago, which first bends the
    /// minute's slope and later the hour's, so what was trusted stays until the hour has been given up and begun anew.
    fn choose_slope(&mut self) {
        let hz = u64::from(self.rate.hz());
        let limit = nominal(self.rate) * MAX_PPM / 1e6;
        let near = self.near.slope(hz * USED_AFTER_S).filter(|s| s.abs() <= limit);
        let found = match (near, self.far.slope(hz * FAR_AFTER_S)) {
            (near, None) => near,
            (Some(near), Some(far)) if (near - far).abs() <= nominal(self.rate) * DISAGREE_PPM / 1e6 => {
                self.disagree = 0;
                Some(far.clamp(-limit, limit))
            }
            (_, Some(_)) => {
                self.disagree += 1;
                if self.disagree >= DISAGREE_BINS {
                    self.far.points.clear();
                    self.disagree = 0;
                }
                self.slope
            }
        };
        if found.is_none() && self.slope.is_some() {
            self.line = Line { frame: self.last, at: self.line.at(self.last), ns_per_frame: nominal(self.rate) };
        }
        self.slope = found;
    }

    /// Leads the published line towards the highest line of this slope that has no read of the last minute below it.
    fn follow(&mut self, slope: f64, interval_ns: f64) {
        let Some(late_ns) = self.near.lowest(slope, self.last) else { return };
        let found = self.origin.plus_ns(self.rate.ns_of(self.last)).plus_ns(late_ns.round() as i64);
        let at = self.line.at(self.last);
        // Reads further apart than the time constant must not overshoot.
        let bend = (found.since(at) as f64 / FOLLOW_NS.max(interval_ns)).clamp(-FOLLOW_LIMIT, FOLLOW_LIMIT);
        self.line = Line { frame: self.last, at, ns_per_frame: (nominal(self.rate) + slope) * (1.0 + bend) };
    }
}

fn nominal(rate: Rate) -> f64 {
    SECOND_NS as f64 / f64::from(rate.hz())
}

/// The published mapping: straight from an anchor, forward and a little back.
struct Line {
    frame: u64,
    at: Mono,
    ns_per_frame: f64,
}

impl Line {
    fn at(&self, frame: u64) -> Mono {
        let ns = frame.abs_diff(self.frame) as f64 * self.ns_per_frame;
        let ns = ns.round() as i64; // saturates
        if frame < self.frame { self.at.plus_ns(-ns) } else { self.at.plus_ns(ns) }
    }
}

/// One device read: `late_ns` after the nominal line.
#[derive(Clone, Copy)]
struct Point {
    frame: u64,
    late_ns: i64,
}

/// The least-delayed read of each of the last `N` bins.
struct Envelope<const N: usize> {
    bin_frames: u64,
    points: Deque<Point, N>,
}

impl<const N: usize> Envelope<N> {
    fn new(bin_frames: u64) -> Self {
        Envelope { bin_frames, points: Deque::new() }
    }

    /// `lean`: the slope known so far in ns per frame, so that reads of one bin compare fairly. True when a bin began.
    fn push(&mut self, point: Point, lean: f64) -> bool {
        let bin = point.frame / self.bin_frames;
        if let Some(least) = self.points.back_mut() {
            if least.frame / self.bin_frames == bin {
                let expected = lean * (point.frame - least.frame) as f64;
                if point.late_ns.saturating_sub(least.late_ns) as f64 <= expected {
                    *least = point;
                }
                return false;
            }
        }
        while self.points.front().is_some_and(|p| p.frame / self.bin_frames + N as u64 <= bin) {
            self.points.pop_front();
        }
        // Bins of the window are distinct, so at most N - 1 are left: there is room.
        let _ = self.points.push_back(point);
        true
    }

    /// Slope of the edge of the lower convex hull that spans the middle: of all lines with no point below them, this one
    /// is nearest to the points on the whole (the most likely one when delays are exponential).
    fn slope(&self, min_span_frames: u64) -> Option<f64> {
        let (first, last) = (self.points.front()?, self.points.back()?);
        let span = last.frame - first.frame;
        if span < min_span_frames {
            return None;
        }
        let middle = first.frame + span / 2;
        let mut best: Option<(f64, f64)> = None;
        for a in self.points.iter().filter(|p| p.frame <= middle) {
            for b in self.points.iter().filter(|p| p.frame > middle) {
                let rise = b.late_ns.saturating_sub(a.late_ns) as f64;
                let slope = rise / (b.frame - a.frame) as f64;
                let height = a.late_ns.saturating_sub(first.late_ns) as f64 + slope * (middle - a.frame) as f64;
                if best.is_none_or(|(lowest, _)| height < lowest) {
                    best = Some((height, slope));
                }
            }
        }
        best.map(|(_, slope)| slope)
    }

    /// Lateness at `frame` of the highest line of this slope with no point below it.
    fn lowest(&self, slope: f64, frame: u64) -> Option<f64> {
        self.points.iter().map(|p| p.late_ns as f64 + slope * frame.saturating_sub(p.frame) as f64).reduce(f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// splitmix64: the same delays on every machine.
    struct Dice(u64);
    impl Dice {
        fn unit(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }
        /// Exponential scheduling delay in ns, cut at 20 ms.
        fn delay_ns(&mut self, mean_ms: f64) -> f64 {
            (-(1.0 - self.unit()).ln() * mean_ms).min(20.0) * 1e6
        }
    }

    struct Seen {
        ppm: Option<f64>,
        worst_ns: i64,
    }

    const HZ: u32 = 48_000;

    /// `seconds` of 100 ms reads from a device that is `ppm` fast; every 97 s the reader sleeps for 2 s.
    fn listen(seed: u64, ppm: f64, mean_ms: f64, seconds: u64) -> Seen {
        let rate = Rate::new(HZ).expect("valid");
        let mut dice = Dice(seed);
        let truth = |frame: u64| (frame as f64 * 1e9 / (f64::from(HZ) * (1.0 + ppm / 1e6))) as i64;
        let mut fit = Fit::new(rate, Mono(0));
        let (mut worst_ns, mut asleep_until, mut before) = (0, 0, Mono(0));
        for read in 1..=seconds * 10 {
            let frame = read * 4_800;
            if read % 970 == 0 {
                asleep_until = truth(frame) + 2_000_000_000;
            }
            let at = (truth(frame) + dice.delay_ns(mean_ms) as i64).max(asleep_until);
            fit.push(frame, Mono(at));
            let mapped = fit.mono_of(frame);
            assert!(mapped > before, "seed {seed}: time went back at frame {frame}");
            before = mapped;
            assert!(fit.frame_at(mapped).abs_diff(frame) <= 1);
            if read > 1_200 {
                worst_ns = worst_ns.max((mapped.0 - truth(frame)).abs());
            }
        }
        Seen { ppm: fit.ppm(), worst_ns }
    }

    #[track_caller]
    fn check(ppm: f64, mean_ms: f64, seconds: u64, within_ppm: f64) {
        for seed in 0..20 {
            let seen = listen(seed, ppm, mean_ms, seconds);
            let found = seen.ppm.expect("a fit after 30 s");
            assert!((found - ppm).abs() <= within_ppm, "seed {seed}: {found} instead of {ppm}");
            assert!(seen.worst_ns <= 1_000_000, "seed {seed}: a frame was {} ns off", seen.worst_ns);
        }
    }

    #[test]
    fn drift_is_found_within_5_ppm() {
        check(0.0, 5.0, 300, 1.0);
        check(87.5, 5.0, 60, 5.0);
        check(-87.5, 5.0, 300, 1.0);
        check(100.0, 20.0, 300, 3.0);
        check(450.0, 5.0, 300, 1.0);
        check(100.0, 5.0, 7_200, 0.05);
    }

    #[test]
    fn nothing_is_claimed_before_30_s() {
        assert_eq!(listen(1, 100.0, 5.0, 29).ppm, None);
        assert!(listen(1, 100.0, 5.0, 36).ppm.is_some());
    }

    #[test]
    fn a_fast_replay_keeps_the_nominal_rate() {
        let rate = Rate::new(HZ).expect("valid");
        let mut fit = Fit::new(rate, Mono(7));
        for read in 1..=36_000_u64 {
            fit.push(read * 4_800, Mono(7 + read as i64 * 166_667));
        }
        assert_eq!(fit.ppm(), None);
        assert_eq!(fit.mono_of(3_600 * 48_000), Mono(7 + 3_600 * SECOND_NS));
        assert_eq!(fit.frame_at(Mono(7 + 3_600 * SECOND_NS)), 3_600 * 48_000);
    }

    /// After five minutes `gone_ms` vanish: all later frames are that much later. Never a jump, and right again after a while.
    fn vanish(gone_ms: i64, right_after_s: u64) {
        let mut fit = Fit::new(Rate::new(HZ).expect("valid"), Mono(0));
        let mut before = Mono(0);
        for read in 1..=12_000_u64 {
            let gone_ns = if read > 3_000 { gone_ms * 1_000_000 } else { 0 };
            let truth = Mono(read as i64 * 100_000_000 + gone_ns);
            fit.push(read * 4_800, truth);
            let at = fit.mono_of(read * 4_800);
            assert!((99_000_000..=101_000_000).contains(&at.since(before)), "a jump of {} ns", at.since(before));
            if read > 3_000 + right_after_s * 10 {
                assert!(at.since(truth).abs() < 2_000_000, "{} ns off {} s later", at.since(truth), read / 10 - 300);
            }
            assert!(fit.ppm().is_none_or(|ppm| ppm.abs() < 10.0), "{:?} ppm", fit.ppm());
            before = at;
        }
    }

    #[test]
    fn frames_that_vanished_unseen_are_learnt_without_a_jump() {
        vanish(0, 0);
        vanish(10, 120);
        vanish(100, 180);
        vanish(2_000, 620);
    }

    #[test]
    fn hostile_stamps_do_no_harm() {
        let mut fit = Fit::new(Rate::new(Rate::MAX_HZ).expect("valid"), Mono(i64::MIN));
        for (frames, at) in [(1, i64::MAX), (0, 0), (u64::MAX / 2, i64::MIN), (u64::MAX, i64::MAX), (5, 5)] {
            fit.push(frames, Mono(at));
            let _ = (fit.mono_of(u64::MAX), fit.mono_of(0), fit.frame_at(Mono(i64::MAX)), fit.frame_at(Mono(i64::MIN)));
        }
    }
}
