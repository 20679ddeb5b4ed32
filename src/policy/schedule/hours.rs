//! A schedule as the thread of a source asks it: many times a second, and answered from memory nearly always.

use super::{Schedule, Standing};
use crate::time::Wall;

/// asked <= now < standing.until, or the schedule is asked again: so is it after the clock was set back.
#[derive(Clone, Debug)]
pub struct Hours {
    schedule: Schedule,
    asked: Wall,
    standing: Option<Standing>,
}

impl Hours {
    pub fn new(schedule: Schedule) -> Hours {
        Hours { schedule, asked: Wall(0), standing: None }
    }

    /// Whether the source is to be recorded.
    pub fn is_on(&mut self, now: Wall) -> bool {
        match self.standing {
            Some(standing) if self.asked <= now && now < standing.until => standing.is_on,
            _ => {
                let standing = self.schedule.look(now);
                (self.asked, self.standing) = (now, Some(standing));
                standing.is_on
            }
        }
    }

    /// When it is on next, and how its clock shows that. `None`: never, as far as one can see.
    pub fn next(&self, now: Wall) -> Option<(Wall, String)> {
        let at = self.schedule.next_begin(now)?;
        Some((at, self.schedule.shown(at)))
    }

    /// Outside of its windows: until when, the end of time where there are none, and what the log says of it.
    pub fn held(&self, now: Wall) -> (Wall, String) {
        match self.next(now) {
            Some((at, shown)) => (at, format!("held by its schedule until {shown}")),
            None => (Wall(i64::MAX), "held by its schedule, which has no window any more".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::schedule::{Rules, parse_windows};
    use crate::policy::split::Zone;
    use crate::time::SECOND_NS;

    #[test]
    fn a_clock_that_is_set_is_followed() {
        let rules = Rules { windows: parse_windows("06:00..07:00").expect("a window"), ..Rules::ALWAYS };
        let mut hours = Hours::new(Schedule::new(rules, Zone::UTC, None).expect("no sun"));
        let minute = |minute: i64| Wall(minute * 60 * SECOND_NS);
        let answers = [359, 360, 419, 420, 390, 10, 390, 1_799, 1_800].map(|at| hours.is_on(minute(at)));
        assert_eq!(answers, [false, true, true, false, true, false, true, false, true]);
        assert_eq!(hours.next(minute(420)), Some((minute(1_800), "Fri 1970-01-02 06:00:00".to_owned())));
    }
}
