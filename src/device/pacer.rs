//! Keeps a made-up source in step with the clock, as a sound card's crystal does.

use std::thread;
use std::time::Duration;

use super::Pace;
use super::clock::{Clock, RealClock};
use crate::time::{Mono, Rate};

/// Says how many frames may be handed out now, and sleeps when that is none.
pub struct Pacer {
    pace: Pace,
    rate: Rate,
    start: Mono,
    /// Frames handed out since `start`.
    frames: u64,
    /// Frames of one period: what a read waits for.
    period: u64,
}

/// A period like a sound card's, and while somebody listens.
const PERIOD_MS: u64 = 100;
const HURRY_MS: u64 = 20;

impl Pacer {
    pub fn start(pace: Pace, rate: Rate) -> Pacer {
        let mut pacer = Pacer { pace, rate, start: RealClock.mono(), frames: 0, period: 1 };
        pacer.hurry(false);
        pacer
    }

    /// Short periods or usual ones from now on.
    pub fn hurry(&mut self, is_wanted: bool) {
        let period_ms = if is_wanted { HURRY_MS } else { PERIOD_MS };
        self.period = (u64::from(self.rate.hz()) * period_ms / 1000).max(1);
    }

    pub fn started_at(&self) -> Mono {
        self.start
    }

    /// Up to `room` frames, after the sleep that a real device would have imposed; the second value is when the last of them ended.
    pub fn next(&mut self, room: u64) -> (u64, Mono) {
        if self.pace == Pace::OnDemand {
            self.frames += room;
            return (room, RealClock.mono());
        }
        // Whole periods: a sleep that took too long leaves a frame or two, which are not worth a read.
        let wanted = self.frames + self.period.min(room);
        while self.due() < wanted {
            let wake = self.start.plus_ns(self.rate.ns_of(wanted));
            let ns = wake.since(RealClock.mono()).max(1);
            thread::sleep(Duration::from_nanos(ns as u64));
        }
        let frames = self.due().saturating_sub(self.frames).min(room);
        self.frames += frames;
        (frames, self.start.plus_ns(self.rate.ns_of(self.frames)))
    }

    /// Lets `frames` pass without handing them out.
    pub fn skip(&mut self, frames: u64) {
        self.frames += frames;
    }

    /// Frames that the clock has earned so far.
    fn due(&self) -> u64 {
        self.rate.frames_in(RealClock.mono().since(self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_time_frames_never_come_early() {
        let rate = Rate::new(48_000).expect("a rate");
        let mut pacer = Pacer::start(Pace::RealTime, rate);
        let mut total = 0;
        for _ in 0..3 {
            let (frames, at) = pacer.next(u64::MAX);
            total += frames;
            assert_eq!(at, pacer.started_at().plus_ns(rate.ns_of(total)));
            assert!(RealClock.mono().plus_ns(20_834) >= at, "frames before their time");
        }
        // A read that comes late finds more than a period, and never a scrap of one.
        assert!(total >= 3 * 4_800, "{total}");
        pacer.hurry(true);
        assert!(pacer.next(u64::MAX).0 >= 960);
        assert_eq!(pacer.next(100).0, 100, "as much as there is room for");
    }

    #[test]
    fn on_demand_everything_is_due() {
        let mut pacer = Pacer::start(Pace::OnDemand, Rate::new(8_000).expect("a rate"));
        assert_eq!(pacer.next(123).0, 123);
    }
}
