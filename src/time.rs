//! Instants, rates and the only arithmetic between them.
//!
//! Three kinds of time exist here and never mix by accident:
//! [`Mono`] (CLOCK_MONOTONIC, never steps), [`Wall`] (UTC, may step) and a count of frames at a [`Rate`].
//! Nothing in this file reads a clock.

use std::fmt;

/// Nanoseconds in a second.
pub const SECOND_NS: i64 = 1_000_000_000;

/// An instant of CLOCK_MONOTONIC in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub i64);

/// An instant of UTC, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub i64);

impl Mono {
    /// Nanoseconds from `earlier` to here; negative when `earlier` is later.
    pub fn since(self, earlier: Mono) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub fn plus_ns(self, ns: i64) -> Mono {
        Mono(self.0.saturating_add(ns))
    }
}

impl Wall {
    /// Nanoseconds from `earlier` to here; negative when `earlier` is later.
    pub fn since(self, earlier: Wall) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub fn plus_ns(self, ns: i64) -> Wall {
        Wall(self.0.saturating_add(ns))
    }

    /// Microseconds since the epoch, rounded down: the unit of sidecars and of the catalogue.
    pub fn micros(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    pub fn from_micros(us: i64) -> Wall {
        Wall(us.saturating_mul(1_000))
    }
}

/// Frames per second as the device was asked for them; 1 to 768 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u32);

impl Rate {
    pub const MAX_HZ: u32 = 768_000;
    pub const MIN: Rate = Rate(1);

    /// `None` for 0 and for more than [`Rate::MAX_HZ`].
    pub const fn new(hz: u32) -> Option<Rate> {
        if hz == 0 || hz > Rate::MAX_HZ { None } else { Some(Rate(hz)) }
    }

    pub const fn hz(self) -> u32 {
        self.0
    }

    /// The duration of `frames` at this rate in nanoseconds, rounded down.
    pub fn ns_of(self, frames: u64) -> i64 {
        let ns = u128::from(frames) * SECOND_NS as u128 / u128::from(self.0);
        i64::try_from(ns).unwrap_or(i64::MAX)
    }

    /// Whole frames in `ns` nanoseconds, rounded to the nearest; 0 for a negative duration.
    pub fn frames_in(self, ns: i64) -> u64 {
        let ns = ns.max(0) as u128;
        let frames = (ns * u128::from(self.0) + SECOND_NS as u128 / 2) / SECOND_NS as u128;
        frames as u64 // below 2^63 ns * 768 kHz / 1e9 < 2^53
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// One look at both clocks at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub mono: Mono,
    pub wall: Wall,
    /// adjtimex reports the clock without STA_UNSYNC.
    pub synced: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_nanoseconds_agree_over_a_year() {
        for hz in [8_000, 44_100, 48_000, 96_000, 384_000] {
            let rate = Rate::new(hz).expect("a valid rate");
            for frames in [0, 1, 4_096, u64::from(hz), 365 * 86_400 * u64::from(hz) + 7] {
                assert_eq!(rate.frames_in(rate.ns_of(frames)), frames, "{frames} frames at {hz} Hz");
            }
        }
    }

    #[test]
    fn bounds() {
        assert!(Rate::new(0).is_none());
        assert!(Rate::new(768_001).is_none());
        assert_eq!(Rate::new(48_000).map(|r| r.frames_in(-5)), Some(0));
        assert_eq!(Rate::new(1).map(|r| r.ns_of(u64::MAX)), Some(i64::MAX));
    }
}
