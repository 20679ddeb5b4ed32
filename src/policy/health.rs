//! Is the recorder well? Facts in, with the time; out comes what a person should know, in words, for as long as it holds.
//!
//! Everything has a hysteresis, in value and in time: what wavers about a limit is one alarm and not a hundred. Asked every few
//! seconds by the actor of the same name, which raises and clears the alarms.

mod lane;
mod machine;

pub use lane::{LANE_MATTERS, LaneFacts, LaneHealth, LaneTrouble};
pub use machine::{MACHINE_MATTERS, MachineFacts, MachineHealth, MachineTrouble};

use crate::time::{Mono, SECOND_NS};

/// When something begins to be wrong, and when it is right again. More is worse.
#[derive(Clone, Copy, Debug)]
struct Limits {
    raise_at: f64,
    clear_at: f64,
    raise_after_s: i64,
    clear_after_s: i64,
}

const fn limits(raise_at: f64, clear_at: f64, raise_after_s: i64, clear_after_s: i64) -> Limits {
    Limits { raise_at, clear_at, raise_after_s, clear_after_s }
}

/// One thing that is looked at.
#[derive(Clone, Copy, Debug)]
struct Watch {
    limits: Limits,
    is_raised: bool,
    /// Since when it has been otherwise.
    turned: Option<Mono>,
}

impl Watch {
    const fn new(limits: Limits) -> Watch {
        Watch { limits, is_raised: false, turned: None }
    }

    /// Whether it is wrong now; what nobody knows is not.
    fn look(&mut self, now: Mono, value: Option<f64>) -> bool {
        let value = value.unwrap_or(f64::NEG_INFINITY);
        let Limits { raise_at, clear_at, raise_after_s, clear_after_s } = self.limits;
        let (turns, after_s) = match self.is_raised {
            false => (value >= raise_at, raise_after_s),
            true => (value < clear_at, clear_after_s),
        };
        if !turns {
            self.turned = None;
        } else if now.since(*self.turned.get_or_insert(now)) >= after_s.saturating_mul(SECOND_NS) {
            (self.is_raised, self.turned) = (!self.is_raised, None);
        }
        self.is_raised
    }
}
