//! The machine that the recorder is on: its warmth, its supply, its network, its clock and its disk.

use std::fmt;

use super::{Limits, Watch, limits};
use crate::time::{Mono, SECOND_NS};

/// Degrees Celsius; a board makes itself slower from 80 on.
const HOT: Limits = limits(80.0, 75.0, 60, 300);
const VOLTAGE: Limits = limits(1.0, 1.0, 0, 600);
/// dB below a milliwatt.
const WIFI: Limits = limits(85.0, 80.0, 600, 300);
/// Seconds that the clock has gone by itself, after it was right.
const CLOCK: Limits = limits(86_400.0, 1.0, 0, 0);
/// So long after the start somebody should have set the clock of a machine that has none of its own.
const UNSET_NS: i64 = 1_800 * SECOND_NS;
/// Less than so many hours of room, as negative numbers.
const ROOM: Limits = limits(-24.0, -26.0, 0, 0);
/// Before this year no recorder of this kind was built: 2025-01-01, in seconds of UTC.
const BUILT_S: i64 = 1_735_689_600;

/// The machine as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineFacts {
    pub temperature_c: Option<f64>,
    pub under_voltage: Option<bool>,
    pub wifi_dbm: Option<i32>,
    /// Seconds of UTC by its clock, and whether somebody sets that.
    pub wall_s: i64,
    pub is_synced: bool,
    /// A clock of its own goes on without power. Else the time at a start is that of the last stop, however long ago that was.
    pub has_clock: bool,
    /// Until the disk is full; `None` while nothing is recorded.
    pub hours_left: Option<f64>,
}

/// What can be wrong with the machine, in the order of [`MachineHealth::look`].
pub const MACHINE_MATTERS: usize = 5;

#[derive(Debug)]
pub struct MachineHealth {
    began: Option<Mono>,
    synced: Option<Mono>,
    watches: [Watch; MACHINE_MATTERS],
}

impl Default for MachineHealth {
    fn default() -> MachineHealth {
        MachineHealth { began: None, synced: None, watches: [HOT, VOLTAGE, WIFI, CLOCK, ROOM].map(Watch::new) }
    }
}

impl MachineHealth {
    /// Which of them are shown, and no reason to call somebody: the recording does not suffer.
    pub const NOTES: [bool; MACHINE_MATTERS] = [false, false, true, false, false];

    /// Of each matter what there is to say about it, `None` where all is well.
    pub fn look(&mut self, now: Mono, facts: &MachineFacts) -> [Option<MachineTrouble>; MACHINE_MATTERS] {
        if facts.is_synced {
            self.synced = Some(now);
        }
        let alone_s = self.synced.map(|at| now.since(at) as f64 / SECOND_NS as f64);
        let is_late = now.since(*self.began.get_or_insert(now)) >= UNSET_NS;
        let is_unset = !facts.is_synced && facts.wall_s < BUILT_S;
        let is_guessed = self.synced.is_none() && !facts.has_clock && is_late;
        let values = [
            facts.temperature_c,
            facts.under_voltage.map(|is_weak| f64::from(u8::from(is_weak))),
            facts.wifi_dbm.map(|dbm| -f64::from(dbm)),
            if is_unset || is_guessed { Some(f64::INFINITY) } else { alone_s },
            facts.hours_left.map(|hours| -hours),
        ];
        let hours = facts.hours_left.map_or(24, |hours| hours.clamp(0.0, 1e6) as u32 + 1);
        let troubles = [
            MachineTrouble::Hot,
            MachineTrouble::UnderVoltage,
            MachineTrouble::Wifi,
            match (is_unset, is_guessed) {
                (true, _) => MachineTrouble::ClockUnset,
                (false, true) => MachineTrouble::ClockGuessed,
                (false, false) => MachineTrouble::ClockAlone,
            },
            MachineTrouble::Room { hours },
        ];
        let mut told = [None; MACHINE_MATTERS];
        for (((told, trouble), watch), value) in told.iter_mut().zip(troubles).zip(&mut self.watches).zip(values) {
            *told = watch.look(now, value).then_some(trouble);
        }
        told
    }
}

/// What is wrong with the machine, as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineTrouble {
    Hot,
    UnderVoltage,
    Wifi,
    ClockUnset,
    ClockGuessed,
    ClockAlone,
    Room { hours: u32 },
}

impl fmt::Display for MachineTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MachineTrouble::Hot => f.write_str("The board is hotter than 80 °C: it needs shade or air."),
            MachineTrouble::UnderVoltage => {
                f.write_str("The supply is too weak: it needs a stronger one, or a shorter and thicker cable.")
            }
            MachineTrouble::Wifi => f.write_str("The wireless network is hardly heard here: -85 dBm or less."),
            MachineTrouble::ClockUnset => {
                f.write_str("The clock was never set: recordings have wrong names until it is (network, GPS or a clock module).")
            }
            MachineTrouble::ClockGuessed => f.write_str(
                "Nobody has set the clock since the start: times, and hours to record in, are late by as long as there was no power (network, GPS, a clock module, or a browser).",
            ),
            MachineTrouble::ClockAlone => f.write_str("The clock has gone by itself for a day: times of recordings drift."),
            MachineTrouble::Room { hours } => write!(f, "The disk will be full in less than {hours} hours."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine() {
        let well = MachineFacts { wall_s: BUILT_S * 2, is_synced: true, ..MachineFacts::default() };
        let mut health = MachineHealth::default();
        let mut look = |s: i64, facts: MachineFacts| {
            let told = health.look(Mono(s * SECOND_NS), &facts);
            told.iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(look(0, well), "");
        let hot = MachineFacts { temperature_c: Some(82.0), ..well };
        assert_eq!(
            (look(10, hot), look(70, hot)),
            (String::new(), "The board is hotter than 80 °C: it needs shade or air.".into())
        );
        let warm = MachineFacts { temperature_c: Some(77.0), ..well };
        assert!(!look(1_000, warm).is_empty() && !look(2_000, well).is_empty() && look(2_300, well).is_empty());
        let weak = MachineFacts { under_voltage: Some(true), ..well };
        assert!(look(2_301, weak).starts_with("The supply is too weak"));
        assert!(!look(2_310, well).is_empty() && look(2_911, well).is_empty());
        let room = |hours: f64| MachineFacts { hours_left: Some(hours), ..well };
        assert_eq!(look(3_000, room(25.0)), "");
        assert_eq!(look(3_005, room(23.5)), "The disk will be full in less than 24 hours.");
        assert_eq!(look(3_010, room(25.0)), "The disk will be full in less than 26 hours.");
        assert_eq!(look(3_015, room(27.0)), "");
        // No clock module, and nobody has set the clock since the start; then somebody does.
        let mut bare = MachineHealth::default();
        let mut told = |s: i64, is_synced: bool, has_clock: bool| {
            let facts = MachineFacts { is_synced, has_clock, ..well };
            bare.look(Mono(s * SECOND_NS), &facts).iter().flatten().map(ToString::to_string).collect::<String>()
        };
        assert_eq!((told(5, false, false), told(1_804, false, false), told(1_805, false, true)), Default::default());
        assert!(told(1_806, false, false).starts_with("Nobody has set the clock since the start"));
        assert_eq!((told(1_807, true, false), told(1_900, false, false)), Default::default());
        // A clock that was right and is left alone; then one that nobody ever set.
        let alone = MachineFacts { is_synced: false, ..well };
        assert_eq!((look(4_000, well), look(90_399, alone)), Default::default());
        assert!(look(90_400, alone).starts_with("The clock has gone by itself"));
        assert_eq!(look(90_405, well), "");
        let mut fresh = MachineHealth::default();
        let unset = fresh.look(Mono(0), &MachineFacts::default());
        assert_eq!(unset.iter().flatten().count(), 1, "{unset:?}");
        let told = fresh.look(Mono(1), &MachineFacts { wall_s: BUILT_S, ..MachineFacts::default() });
        assert_eq!(told.iter().flatten().count(), 0, "a clock module has set it: {told:?}");
    }
}
