//! Whether samples still come: what a service manager's watchdog asks of a recorder.
//!
//! A source that records must deliver. One that waits, or has raised an alarm, is being cared for already: its device is gone, or
//! its disk, and a new process would find it no better. What is left is a recorder that believes that it records and does
//! not, whatever the reason, and that is started anew.

use crate::time::{Mono, SECOND_NS};

/// Its own watchdog ends a run whose samples stand still much sooner.
const STILL_NS: i64 = 45 * SECOND_NS;

/// One source as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// A run is on, and nobody has been told of trouble with it.
    pub should_deliver: bool,
    /// Grows with every block that comes.
    pub progress: u64,
}

/// What was seen of each source.
#[derive(Debug, Default)]
pub struct Vital {
    last: Vec<(Sign, Mono)>,
}

impl Vital {
    /// The place of a source that should deliver and has not for too long. The signs come in the same order at each look.
    pub fn look(&mut self, now: Mono, signs: impl Iterator<Item = Sign>) -> Option<usize> {
        let mut still = None;
        for (place, sign) in signs.enumerate() {
            if place == self.last.len() {
                self.last.push((sign, now));
            }
            let (last, since) = &mut self.last[place]; // pushed above, if it was not there
            if !sign.should_deliver || sign != *last {
                (*last, *since) = (sign, now);
            }
            if now.since(*since) > STILL_NS {
                still.get_or_insert(place);
            }
        }
        still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second at sources whose signs are made from the second; when the first doubt came, and of whom.
    fn first_doubt(seconds: i64, signs: &dyn Fn(i64) -> Vec<Sign>) -> Option<(i64, usize)> {
        let mut vital = Vital::default();
        (0..seconds).find_map(|s| vital.look(Mono(s * SECOND_NS), signs(s).into_iter()).map(|place| (s, place)))
    }

    fn sign(should_deliver: bool, frames: i64) -> Sign {
        Sign { should_deliver, progress: frames as u64 }
    }

    #[test]
    fn samples_that_stand_still_are_noticed() {
        assert_eq!(first_doubt(86_400, &|s| vec![sign(true, s)]), None);
        assert_eq!(first_doubt(200, &|s| vec![sign(true, s), sign(true, s.min(100))]), Some((146, 1)));
        assert_eq!(first_doubt(200, &|_| vec![sign(true, 7)]), Some((46, 0)));
    }

    #[test]
    fn whoever_is_cared_for_is_excused() {
        assert_eq!(first_doubt(86_400, &|_| vec![sign(false, 7)]), None);
        // Back after an hour: the time counts from then.
        assert_eq!(first_doubt(7_200, &|s| vec![sign(s >= 3_600, 7)]), Some((3_646, 0)));
        assert_eq!(first_doubt(3_600, &|_| vec![]), None);
    }

    #[test]
    fn a_trickle_is_life() {
        assert_eq!(first_doubt(86_400, &|s| vec![sign(true, s / 44)]), None);
    }
}
