//! The clocks of the machine: monotonic, wall, and whether the wall clock is to be trusted.
//!
//! A marked door for `unsafe`: `adjtimex` has no safe wrapper. It is called to read only.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use crate::time::{Look, Mono, SECOND_NS, Wall};

/// Where time comes from; what decides anything gets a [`Look`] as an argument.
pub trait Clock: Send + Sync {
    fn mono(&self) -> Mono;
    /// Both clocks at the same moment, as closely as the machine allows.
    fn look(&self) -> Look;

    /// Takes the time from somebody who knows it: `wall` is now. Only where [`look`](Clock::look) says that nobody has synced it.
    fn set(&self, wall: Wall) -> io::Result<SetBy> {
        let _ = wall;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// How the time was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The clock of the machine was set.
    System,
    /// This process may not do that, and counts with an offset of its own until the machine's clock is synced.
    Offset,
}

impl SetBy {
    pub const fn name(self) -> &'static str {
        match self {
            SetBy::System => "system",
            SetBy::Offset => "offset",
        }
    }
}

/// From the machine's wall clock to the time that was told, while the machine's clock could not be set.
static OFFSET_NS: AtomicI64 = AtomicI64::new(0);
/// The time is that of a browser.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// Whose the time is while it is not synced: that of a browser, or nobody's. For sidecars.
pub fn source() -> Option<&'static str> {
    IS_TOLD.load(Relaxed).then_some(BROWSER)
}

pub const BROWSER: &str = "browser";

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
        let synced = synced();
        if synced && IS_TOLD.load(Relaxed) {
            // Whoever syncs it knows better.
            OFFSET_NS.store(0, Relaxed);
            IS_TOLD.store(false, Relaxed);
        }
        Look { synced, wall: best.1.wall.plus_ns(OFFSET_NS.load(Relaxed)), ..best.1 }
    }

    fn set(&self, wall: Wall) -> io::Result<SetBy> {
        let by = match clock_settime(ClockId::Realtime, timespec(wall)) {
            Ok(()) => {
                OFFSET_NS.store(0, Relaxed);
                SetBy::System
            }
            Err(e) => {
                log::info!(target: "clock", "the clock of the machine is left as it is ({e}): the recorder counts from its own");
                OFFSET_NS.fetch_add(wall.since(self.look().wall), Relaxed);
                SetBy::Offset
            }
        };
        IS_TOLD.store(true, Relaxed);
        Ok(by)
    }
}

fn timespec(at: Wall) -> Timespec {
    Timespec { tv_sec: at.0.div_euclid(SECOND_NS), tv_nsec: at.0.rem_euclid(SECOND_NS) }
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
    pub fn step(&self, wall: Wall, synced: bool) {
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

    fn set(&self, wall: Wall) -> io::Result<SetBy> {
        self.with(|t| t.1 = wall);
        Ok(SetBy::System)
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
        clock.step(Wall(1_000), true);
        assert_eq!(clock.look(), Look { mono: Mono(15), wall: Wall(1_000), synced: true });
    }
}
