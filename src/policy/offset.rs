//! UTC minus CLOCK_MONOTONIC, and whether it was set (a step) or led (a slew).
//!
//! Called by the splitter with every look at both clocks; looks may come at any pace. What to do about a step is not decided here.

use crate::message::ClockState;
use crate::time::{Look, Mono, SECOND_NS, Wall};

/// A change of this much between two looks a second apart is a step.
const STEP_NS: i64 = SECOND_NS / 2;

/// Looks may be further apart (the looker hung), and a clock that is slewed meanwhile must not look as if it had been set.
/// adjtime and the kernel's PLL slew at most 500 ppm, so that much more is granted for each further second. chronyd may slew
/// a hundred times faster, but granting that would hide true steps after a hang, whereas a needless cut harms nothing.
const SLEW_PPM: i64 = 500;

/// The wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// UTC is now this much later than the look before had it.
    pub by_ns: i64,
    /// What was known of the clock before.
    pub before: ClockState,
}

/// The mapping between [`Mono`] and [`Wall`] as of the last look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offset {
    last: Option<Look>,
    /// A look about a second ago: looks that come more often must not cut one step into many small ones.
    reference: Option<Look>,
}

impl Offset {
    pub fn new() -> Offset {
        Offset::default()
    }

    pub fn push(&mut self, look: Look) -> Option<Step> {
        let last = self.last.replace(look);
        let (Some(last), Some(reference)) = (last, self.reference) else {
            self.reference = Some(look);
            return None;
        };
        let apart_ns = look.mono.since(reference.mono).max(0);
        let allowed_ns = STEP_NS + (apart_ns - SECOND_NS).max(0) / 1_000_000 * SLEW_PPM;
        let stepped = ns(look).saturating_sub(ns(reference)).saturating_abs() >= allowed_ns;
        if stepped || apart_ns >= SECOND_NS || look.mono < reference.mono {
            self.reference = Some(look);
        }
        stepped.then(|| Step { by_ns: ns(look).saturating_sub(ns(last)), before: state(last) })
    }

    /// Before the first look the two clocks count as one.
    pub fn wall_of(&self, at: Mono) -> Wall {
        Wall(at.0.saturating_add(self.last.map_or(0, ns)))
    }

    pub fn mono_of(&self, at: Wall) -> Mono {
        Mono(at.0.saturating_sub(self.last.map_or(0, ns)))
    }

    pub fn state(&self) -> ClockState {
        self.last.map_or(ClockState::Unsynced, state)
    }
}

fn ns(look: Look) -> i64 {
    look.wall.0.saturating_sub(look.mono.0)
}

fn state(look: Look) -> ClockState {
    if look.synced { ClockState::Synced } else { ClockState::Unsynced }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// Looks as (monotonic ms, offset ms, synced); the steps found as (look, by ms).
    #[track_caller]
    fn check(looks: &[(i64, i64, bool)], steps: &[(usize, i64)]) {
        let mut offset = Offset::new();
        let mut found = Vec::new();
        for (i, &(mono, off, synced)) in looks.iter().enumerate() {
            let look = Look { mono: Mono(mono * MS), wall: Wall((mono + off) * MS), synced };
            if let Some(step) = offset.push(look) {
                found.push((i, step.by_ns / MS));
            }
            assert_eq!(offset.wall_of(look.mono), look.wall);
            assert_eq!(offset.mono_of(look.wall), look.mono);
        }
        assert_eq!(found, steps);
    }

    #[test]
    fn half_a_second_is_a_step() {
        check(&[(0, 0, true), (1_000, 499, true), (2_000, 0, true)], &[]);
        check(&[(0, 0, true), (1_000, 500, true), (2_000, 0, true)], &[(1, 500), (2, -500)]);
        check(&[(0, 0, false), (1_000, 1_735_000_000_000, true), (2_000, 1_735_000_000_000, true)], &[(1, 1_735_000_000_000)]);
    }

    #[test]
    fn a_slew_is_none_however_long_it_goes_on() {
        let slew: Vec<_> = (0..3_600).map(|s| (s * 1_000, s / 2, true)).collect();
        check(&slew, &[]);
        let fast: Vec<_> = (0..100).map(|s| (s * 1_000, s * 83, true)).collect();
        check(&fast, &[]);
    }

    #[test]
    fn a_looker_that_hung() {
        // An hour of slewing at 500 ppm is 1.8 s; a minute of silence does not hide a step of 600 ms.
        check(&[(0, 0, true), (3_600_000, 1_800, true)], &[]);
        check(&[(0, 0, true), (60_000, 30, true)], &[]);
        check(&[(0, 0, true), (60_000, 600, true)], &[(1, 600)]);
    }

    #[test]
    fn frequent_looks_do_not_divide_a_step() {
        check(&[(0, 0, true), (100, 300, true), (200, 600, true), (1_200, 600, true)], &[(2, 300)]);
    }

    #[test]
    fn the_state_before_the_step_is_kept() {
        let mut offset = Offset::new();
        assert_eq!(offset.state(), ClockState::Unsynced);
        offset.push(Look { mono: Mono(0), wall: Wall(0), synced: false });
        let step = offset.push(Look { mono: Mono(0), wall: Wall(SECOND_NS), synced: true });
        assert_eq!(step, Some(Step { by_ns: SECOND_NS, before: ClockState::Unsynced }));
        assert_eq!(offset.state(), ClockState::Synced);
    }

    #[test]
    fn hostile_looks_do_no_harm() {
        let mut offset = Offset::new();
        for (mono, wall) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, i64::MAX), (-1, i64::MIN), (5, 5)] {
            offset.push(Look { mono: Mono(mono), wall: Wall(wall), synced: true });
            let _ = (offset.wall_of(Mono(i64::MAX)), offset.mono_of(Wall(i64::MIN)));
        }
    }
}
