//! The clocks of the machine: monotonic, wall, and whether the wall clock is to be trusted.
//!
//! A marked door for `unsafe`: `adjtimex` has no safe wrapper. It is called to read only.

use std::sync::Mutex;

use rustix::time::{ClockId, clock_gettime};

use crate::time::{Look, Mono, SECOND_NS, Wall};

/// Where time comes from; what decides anything gets a [`Look`] as an argument.
pub trait Clock: Send + Sync {
    fn mono(&self) -> Mono;
    /// Both clocks at the same moment, as closely as the machine allows.
    fn look(&self) -> Look;
}

/// The machine's own clocks.
pub struct RealClock;

impl Clock for RealClock {
    fn mono(&self) -> Mono {
        let t = clock_gettime(ClockId::Monotonic);
        Mono(t.tv_sec * SECOND_NS + t.tv_nsec)
    }

    fn look(&self) -> Look {
        // The wall clock is read between two looks at the monotonic one; a look that was interrupted is taken again.
        let mut best = (i64::MAX, Look { mono: Mono(0), wall: Wall(0), synced: false });
        for _ in 0..4 {
            let before = self.mono();
            let t = clock_gettime(ClockId::Realtime);
            let width = self.mono().since(before);
            let wall = Wall(t.tv_sec.saturating_mul(SECOND_NS).saturating_add(t.tv_nsec));
            if width < best.0 {
                best = (width, Look { mono: before.plus_ns(width / 2), wall, synced: false });
            }
            if width < 20_000 {
                break;
            }
        }
        Look { synced: synced(), ..best.1 }
    }
}

/// Whether the kernel holds its clock for disciplined: no STA_UNSYNC (adjtimex(2)).
#[allow(unsafe_code)]
fn synced() -> bool {
    // SAFETY: `timex` is plain integers, for which zero is a value; with modes = 0 the call only fills it in.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut timex), timex.status)
    };
    state >= 0 && status & libc::STA_UNSYNC == 0
}

/// A clock that moves only when told to.
#[derive(Default)]
pub struct SimulatedClock(Mutex<(Mono, Wall, bool)>);

impl SimulatedClock {
    pub fn new(mono: Mono, wall: Wall, synced: bool) -> SimulatedClock {
        SimulatedClock(Mutex::new((mono, wall, synced)))
    }

    /// Both clocks go on by `ns`.
    pub fn advance(&self, ns: i64) {
        self.with(|t| *t = (t.0.plus_ns(ns), t.1.plus_ns(ns), t.2));
    }

    /// Somebody sets the wall clock.
    pub fn set(&self, wall: Wall, synced: bool) {
        self.with(|t| *t = (t.0, wall, synced));
    }

    fn with<R>(&self, f: impl FnOnce(&mut (Mono, Wall, bool)) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl Clock for SimulatedClock {
    fn mono(&self) -> Mono {
        self.with(|t| t.0)
    }

    fn look(&self) -> Look {
        self.with(|t| Look { mono: t.0, wall: t.1, synced: t.2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_clocks_advance_together() {
        let (a, b) = (RealClock.look(), RealClock.look());
        assert!(b.mono >= a.mono);
        assert!(a.wall > Wall(1_577_836_800 * SECOND_NS), "this machine's clock is before 2020");
    }

    #[test]
    fn a_simulated_clock_steps_only_its_wall() {
        let clock = SimulatedClock::new(Mono(5), Wall(0), false);
        clock.advance(10);
        clock.set(Wall(1_000), true);
        assert_eq!(clock.look(), Look { mono: Mono(15), wall: Wall(1_000), synced: true });
    }
}
