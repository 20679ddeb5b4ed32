//! How much of a stretch of time was to be recorded: what is missing after one without a recorder.

use jiff::ToSpan;

use super::{AFTER_DAYS, HORIZON_DAYS, Schedule, Span};
use crate::time::{SECOND_NS, Wall};

/// Parts that are told apart; what is behind them belongs to the last one.
const PARTS: usize = 1_000;

/// A part of a stretch, from the first to the last moment in which the source is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub span: Span,
    /// At most `span`: a duty has pauses.
    pub on_ns: i64,
}

impl Schedule {
    /// What of [from, to) is in its windows, in order: those that overlap are one, and without a duty those that touch. A
    /// stretch that is longer than anybody's absence comes from a clock that was wrong, and is in no window or in all.
    pub fn within(&self, from: Wall, to: Wall) -> Vec<Part> {
        let whole = Part { span: Span { begin: from, end: to }, on_ns: to.since(from) };
        if to <= from {
            return Vec::new();
        }
        if self.rules.is_always() || to.since(from) / SECOND_NS / 86_400 > HORIZON_DAYS {
            return vec![whole];
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut add = |part: Part| {
            let is_last = parts.len() >= PARTS;
            match parts.last_mut() {
                Some(last) if is_last || (part.span.begin == last.span.end && self.rules.duty.is_none()) => last.extend(part),
                _ => parts.push(part),
            }
        };
        let last = self.date_of(to).saturating_add(AFTER_DAYS.days());
        let mut date = self.first_date(from);
        let mut together: Vec<Span> = Vec::new();
        while date <= last {
            for window in self.windows_of(date) {
                if together.iter().all(|other| other.end <= window.begin) {
                    self.joined(&together, whole.span).into_iter().for_each(&mut add);
                    together.clear();
                }
                together.push(window);
            }
            let Ok(next) = date.checked_add(1.day()) else { break };
            date = next;
        }
        self.joined(&together, whole.span).into_iter().for_each(&mut add);
        parts
    }

    /// Of these windows, which overlap, what is on within the stretch.
    fn joined(&self, windows: &[Span], stretch: Span) -> Option<Part> {
        let end = windows.iter().map(|window| window.end).max()?.min(stretch.end);
        let mut at = windows.iter().map(|window| window.begin).min()?.max(stretch.begin);
        let mut part: Option<Part> = None;
        while at < end {
            match windows.iter().filter_map(|window| self.end_in(*window, at)).max() {
                Some(off) => {
                    let on = Part { span: Span { begin: at, end: off.min(end) }, on_ns: off.min(end).since(at) };
                    part.get_or_insert(Part { span: Span { begin: at, end: at }, on_ns: 0 }).extend(on);
                    at = off;
                }
                None => match windows.iter().filter_map(|window| self.begin_after(*window, at)).min() {
                    Some(on) => at = on.max(at.plus_ns(1)),
                    None => break,
                },
            }
        }
        part
    }
}

impl Part {
    fn extend(&mut self, by: Part) {
        self.span.end = by.span.end;
        self.on_ns = self.on_ns.saturating_add(by.on_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BERLIN, UTC, schedule, wall};
    use super::*;

    /// Parts as `DDTHH:MM:SS-DDTHH:MM:SS seconds` of UTC.
    #[track_caller]
    fn check(text: &str, at: (&str, Option<super::super::Place>), from: &str, to: &str, want: &[&str]) {
        let schedule = schedule(text, at);
        let time = |at: Wall| super::super::timestamp(at).strftime("%dT%H:%M:%S").to_string();
        let told = |p: &Part| format!("{}-{} {}", time(p.span.begin), time(p.span.end), p.on_ns / SECOND_NS);
        let found: Vec<String> = schedule.within(wall(from), wall(to)).iter().map(told).collect();
        assert_eq!(found, want, "{text} from {from} to {to}");
    }

    #[test]
    fn what_was_missed_is_what_windows_hold() {
        let (from, to) = ("2026-03-01T07:00:00Z", "2026-03-03T06:30:00Z");
        let nights = ["01T07:00:00-01T08:00:00 3600", "02T06:00:00-02T08:00:00 7200", "03T06:00:00-03T06:30:00 1800"];
        check("06:00..08:00", UTC, from, to, &nights);
        check("06:00..08:00", UTC, "2026-03-01T09:00:00Z", "2026-03-02T05:00:00Z", &[]);
        check("06:00..08:00", UTC, to, from, &[]);
        check("", UTC, from, to, &["01T07:00:00-03T06:30:00 171000"]);
        check("; days mon", UTC, from, to, &["02T00:00:00-03T00:00:00 86400"]);
        // Nights over midnight, of which the first began the day before; windows that overlap, and one behind them.
        check("22:00..07:30", UTC, from, "2026-03-01T22:00:01Z", &["01T07:00:00-01T07:30:00 1800", "01T22:00:00-01T22:00:01 1"]);
        check("06:00..08:00 07:00..09:00 09:00..10:00", UTC, from, "2026-03-01T12:00:00Z", &["01T07:00:00-01T10:00:00 10800"]);
        // The night of the change to summer time has an hour less.
        check("00:00..06:00", BERLIN, "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", &["28T23:00:00-29T04:00:00 18000"]);
    }

    #[test]
    fn of_a_duty_only_what_is_on() {
        let hour = |from, to, want: &str| check("06:00..07:00; duty 60s/5m", UTC, from, to, &[want]);
        hour("2026-03-01T00:00:00Z", "2026-03-01T12:00:00Z", "01T06:00:00-01T06:56:00 720");
        hour("2026-03-01T06:00:30Z", "2026-03-01T06:05:10Z", "01T06:00:30-01T06:05:10 40");
        hour("2026-03-01T06:02:00Z", "2026-03-01T06:09:00Z", "01T06:05:00-01T06:06:00 60");
        check("06:00..07:00; duty 60s/5m", UTC, "2026-03-01T06:02:00Z", "2026-03-01T06:04:00Z", &[]);
        // Two duties that run beside each other: minutes 0, 5, … of one and 2, 7, … of the other.
        let two = "06:00..06:10 06:02..06:10; duty 60s/5m";
        check(two, UTC, "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", &["01T06:00:00-01T06:08:00 240"]);
        // Each window has its own.
        let days = ["01T00:00:00-01T12:00:01 2", "02T00:00:00-02T00:00:01 1"];
        check("; duty 1s/12h", UTC, "2026-03-01T00:00:00Z", "2026-03-02T06:00:00Z", &days);
    }

    #[test]
    fn a_clock_that_was_decades_off_and_thousands_of_windows() {
        check("06:00..08:00", UTC, "1970-01-01T00:00:00Z", "2026-03-02T00:00:00Z", &["01T00:00:00-02T00:00:00 1772409600"]);
        let many = schedule("06:00..08:00", UTC).within(wall("2018-01-01T00:00:00Z"), wall("2026-01-01T00:00:00Z"));
        assert_eq!((many.len(), many.iter().map(|part| part.on_ns).sum::<i64>()), (PARTS, 2_922 * 7_200 * SECOND_NS));
        assert_eq!(many.last().map(|part| part.span.end), Some(wall("2025-12-31T08:00:00Z")));
    }
}
