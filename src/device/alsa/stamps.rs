//! Which instants of a driver to believe. Pure; called by `reader.rs`.
//!
//! Some drivers stamp with zero, some with another clock, some go backwards now and then. A stamp counts only if it is not zero,
//! not before the one before it and within the second that has just passed; else the moment of looking stands in for it.

use crate::time::{Mono, SECOND_NS};

pub struct Stamps {
    usable: bool,
    previous: Mono,
}

impl Stamps {
    pub fn new(usable: bool) -> Stamps {
        Stamps { usable, previous: Mono(0) }
    }

    /// When the newest frame was captured, looked at `now`.
    pub fn choose(&mut self, stamp: Option<Mono>, now: Mono) -> Mono {
        match stamp.filter(|stamp| self.usable && self.believable(*stamp, now)) {
            Some(stamp) => {
                self.previous = stamp;
                stamp
            }
            None => now,
        }
    }

    fn believable(&self, stamp: Mono, now: Mono) -> bool {
        stamp.0 != 0 && stamp >= self.previous && (0..=SECOND_NS).contains(&now.since(stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_believable_stamps_count() {
        let mut stamps = Stamps::new(true);
        let s = SECOND_NS;
        for (stamp, now, expected, why) in [
            (Some(0), s / 2, s / 2, "zero"),
            (Some(10 * s), 10 * s + 7, 10 * s, "good"),
            (Some(10 * s - 1), 10 * s + 8, 10 * s + 8, "backwards"),
            (Some(10 * s), 10 * s + 9, 10 * s, "the same again"),
            (Some(11 * s + 1), 11 * s, 11 * s, "in the future"),
            (Some(12 * s), 13 * s + 1, 13 * s + 1, "too old"),
            (Some(1_700_000_000 * s), 14 * s, 14 * s, "the wall clock"),
            (Some(i64::MIN), 14 * s, 14 * s, "nonsense"),
            (None, 15 * s, 15 * s, "none"),
            (Some(16 * s), 16 * s, 16 * s, "good again"),
        ] {
            assert_eq!(stamps.choose(stamp.map(Mono), Mono(now)), Mono(expected), "{why}");
        }
        assert_eq!(Stamps::new(false).choose(Some(Mono(10 * s)), Mono(10 * s + 7)), Mono(10 * s + 7));
    }
}
