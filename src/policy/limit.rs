//! At most one line a minute about something that happens again and again: months of lines would wear the card.
//! What was not said is counted and said with the next line.

use crate::time::{Mono, SECOND_NS};

const QUIET_NS: i64 = 60 * SECOND_NS;

#[derive(Clone, Debug, Default)]
pub struct Limit {
    said: Option<Mono>,
    waiting: Tally,
}

/// What has happened since the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub times: u64,
    pub frames: u64,
}

impl Limit {
    /// It happened, and cost so many frames.
    pub fn add(&mut self, frames: u64) {
        self.waiting.times = self.waiting.times.saturating_add(1);
        self.waiting.frames = self.waiting.frames.saturating_add(frames);
    }

    /// What to say now, if there is something and a minute has passed.
    pub fn due(&mut self, now: Mono) -> Option<Tally> {
        let quiet = self.said.is_some_and(|said| now.since(said) < QUIET_NS);
        if quiet || self.waiting.times == 0 {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_with_the_count_since() {
        let mut limit = Limit::default();
        let mut said = Vec::new();
        for second in 0..200 {
            if (10..100).contains(&second) {
                limit.add(5);
            }
            if let Some(Tally { times, frames }) = limit.due(Mono(second * SECOND_NS)) {
                said.push(format!("at {second} s: {times}, {frames} frames"));
            }
        }
        assert_eq!(said, ["at 10 s: 1, 5 frames", "at 70 s: 60, 300 frames", "at 130 s: 29, 145 frames"]);
    }

    #[test]
    fn hostile_numbers() {
        let mut limit = Limit::default();
        limit.add(u64::MAX);
        limit.add(u64::MAX);
        assert_eq!(limit.due(Mono(i64::MAX)), Some(Tally { times: 2, frames: u64::MAX }));
        limit.add(1);
        assert_eq!(limit.due(Mono(i64::MIN)), None);
    }
}
