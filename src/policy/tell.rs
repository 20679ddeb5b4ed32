//! Which alarms are told to people who are far away, when, and how long it is tried.
//!
//! [`Telling`] turns what is raised into messages: one when an alarm begins, one when it is over, one a day while it holds; of the
//! same alarm never two beginnings within an hour, however it flickers. [`Outbox`] holds them until they have arrived. [`Beat`]
//! says when the sign of life is due that stays away when all is not well.

use std::collections::VecDeque;

use crate::message::told::{Told, Word};
use crate::status::Raised;
use crate::time::{Mono, SECOND_NS, Wall};

const MINUTE_NS: i64 = 60 * SECOND_NS;
const HOUR_NS: i64 = 60 * MINUTE_NS;
/// What is raised while everything starts may be over in a moment; and a recorder that falls again and again says nothing.
const SETTLE_NS: i64 = 20 * SECOND_NS;
/// Between two beginnings of one alarm.
const APART_NS: i64 = HOUR_NS;
const REMIND_NS: i64 = 24 * HOUR_NS;

/// What was told of each alarm, by its number.
#[derive(Debug, Default)]
pub struct Telling {
    began: Option<Mono>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Default)]
struct Row {
    last: Option<Mono>,
    /// It has been told that this holds, and not that it is over.
    holds: Option<(String, Wall)>,
}

impl Telling {
    /// What is to be told now, the oldest alarm first. `raised`: all that holds.
    pub fn look(&mut self, now: Mono, wall: Wall, raised: &[Raised]) -> Vec<Told> {
        if now.since(*self.began.get_or_insert(now)) < SETTLE_NS {
            return Vec::new();
        }
        let mut told = Vec::new();
        let mut say = |word, text: &str, since| told.push(Told { word, text: text.to_owned(), since, at: now });
        for (id, row) in self.rows.iter_mut().enumerate() {
            if raised.iter().all(|raised| raised.id != id) {
                row.holds.take().iter().for_each(|(text, since)| say(Word::Over, text, *since));
            }
        }
        for alarm in raised.iter().filter(|alarm| !alarm.is_note) {
            if self.rows.len() <= alarm.id {
                self.rows.resize(alarm.id + 1, Row::default());
            }
            let row = &mut self.rows[alarm.id]; // made above
            let age_ns = row.last.map_or(i64::MAX, |last| now.since(last));
            let word = if row.holds.is_some() { Word::Holds } else { Word::Begun };
            if age_ns >= if word == Word::Begun { APART_NS } else { REMIND_NS } {
                let since = alarm.since(wall);
                say(word, &alarm.text, since);
                (row.last, row.holds) = (Some(now), Some((alarm.text.clone(), since)));
            }
        }
        told
    }
}

/// Messages that wait for the network.
pub const OUTBOX: usize = 32;
/// Nobody wants to hear of it any more.
const STALE_NS: i64 = 48 * HOUR_NS;
/// After the first failure, and at most.
const AGAIN_NS: (i64, i64) = (30 * SECOND_NS, HOUR_NS);

#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Told>,
    failures: u32,
    again: Option<Mono>,
}

impl Outbox {
    /// The oldest gives way when there is no room. The number of messages that are lost by this.
    pub fn push(&mut self, told: Told) -> u64 {
        let lost = self.queue.len() >= OUTBOX && self.queue.pop_front().is_some();
        self.queue.push_back(told);
        u64::from(lost)
    }

    /// What is to be sent now.
    pub fn due(&self, now: Mono) -> Option<&Told> {
        self.queue.front().filter(|_| self.again.is_none_or(|again| now >= again))
    }

    /// When something is due, should nothing else happen. Past: now.
    pub fn next(&self) -> Option<Mono> {
        self.queue.front().map(|told| self.again.unwrap_or(told.at))
    }

    pub fn sent(&mut self) {
        self.queue.pop_front();
        (self.failures, self.again) = (0, None);
    }

    /// Twice as long each time; an hour at once where it was refused. The number of messages that are too old by now.
    pub fn failed(&mut self, now: Mono, is_refused: bool) -> u64 {
        let (first_ns, most_ns) = AGAIN_NS;
        let wait_ns = if is_refused { most_ns } else { (first_ns << self.failures.min(10)).min(most_ns) };
        self.failures = self.failures.saturating_add(1);
        self.again = Some(now.plus_ns(wait_ns));
        let before = self.queue.len();
        self.queue.retain(|told| now.since(told.at) < STALE_NS);
        (before - self.queue.len()) as u64
    }

    /// When it is tried again after the last failure.
    pub fn again(&self) -> Option<Mono> {
        self.again
    }
}

/// The sign of life.
#[derive(Debug)]
pub struct Beat {
    every_ns: i64,
    first: Option<Mono>,
    next: Mono,
    was_well: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Well,
    /// Something has gone wrong.
    Unwell,
}

impl Beat {
    pub fn new(every_minutes: f64) -> Beat {
        Beat { every_ns: (every_minutes * MINUTE_NS as f64) as i64, first: None, next: Mono(0), was_well: true }
    }

    /// What is to be sent now. The first one comes when everything has started; while all is not well none comes but the one that
    /// says so.
    pub fn due(&mut self, now: Mono, is_well: bool) -> Option<Sign> {
        let first = *self.first.get_or_insert(now.plus_ns(SETTLE_NS));
        if std::mem::replace(&mut self.was_well, is_well) != is_well {
            self.next = now;
        }
        self.next = self.next.max(first);
        (now >= self.next).then_some(if is_well { Sign::Well } else { Sign::Unwell })
    }

    /// Should nothing change until then.
    pub fn next(&self) -> Mono {
        self.next
    }

    /// It was sent, or it was tried: then again soon.
    pub fn done(&mut self, now: Mono, sign: Sign, has_arrived: bool) {
        self.next = match (has_arrived, sign) {
            (true, Sign::Well) => now.plus_ns(self.every_ns),
            (true, Sign::Unwell) => Mono(i64::MAX),
            (false, _) => now.plus_ns(self.every_ns.min(MINUTE_NS)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: i64 = 60;
    const H: i64 = 60 * M;

    fn raised(id: usize) -> Raised {
        Raised { id, for_ms: 0, text: format!("alarm {id}"), is_note: id == 9 }
    }

    /// Looks every ten seconds at alarms that hold in these seconds; what is told, and when.
    #[track_caller]
    fn check(hours: i64, holds: impl Fn(i64) -> Vec<usize>, expected: &[(i64, &str)]) {
        let mut telling = Telling::default();
        let mut told = Vec::new();
        for s in (0..hours * H).step_by(10) {
            let list: Vec<Raised> = holds(s).into_iter().map(raised).collect();
            let now = telling.look(Mono(s * SECOND_NS), Wall(s * SECOND_NS), &list);
            told.extend(now.into_iter().map(|it| (s, format!("{} {}", it.word.name(), it.text))));
        }
        let told: Vec<_> = told.iter().map(|(s, text)| (*s, text.as_str())).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn an_alarm_is_told_once_and_its_end_once() {
        check(3, |_| vec![], &[]);
        check(
            3,
            |s| if (600..1_200).contains(&s) { vec![2] } else { vec![] },
            &[(600, "alarm alarm 2"), (1_200, "over alarm 2")],
        );
        // Notes are nobody's business; what is over before everything has started is none either.
        check(3, |_| vec![9], &[]);
        check(3, |s| if s < 20 { vec![1] } else { vec![] }, &[]);
        check(60, |_| vec![0], &[(20, "alarm alarm 0"), (20 + 24 * H, "reminder alarm 0"), (20 + 48 * H, "reminder alarm 0")]);
    }

    #[test]
    fn one_that_flickers_is_told_once_an_hour() {
        let flicker = |s: i64| if s % 60 < 30 { vec![0] } else { vec![] };
        let expected = [
            (20, "alarm alarm 0"),
            (30, "over alarm 0"),
            (H + 20, "alarm alarm 0"),
            (H + 30, "over alarm 0"),
            (2 * H + 20, "alarm alarm 0"),
            (2 * H + 30, "over alarm 0"),
        ];
        check(3, flicker, &expected);
        // One that came back within the hour and stays is told when the hour is over.
        let back = |s: i64| if (100..200).contains(&s) || s >= 300 { vec![0] } else { vec![] };
        check(2, back, &[(100, "alarm alarm 0"), (200, "over alarm 0"), (100 + H, "alarm alarm 0")]);
    }

    #[test]
    fn the_outbox_keeps_what_is_new_and_tries_more_and_more_seldom() {
        let told = |s: i64| Told { word: Word::Begun, text: s.to_string(), since: Wall(0), at: Mono(s * SECOND_NS) };
        let mut outbox = Outbox::default();
        assert!(outbox.due(Mono(0)).is_none() && outbox.next().is_none());
        let lost: u64 = (0..40).map(|s| outbox.push(told(s))).sum();
        assert_eq!((lost, outbox.due(Mono(0)).map(|told| told.text.as_str())), (8, Some("8")));
        let (mut now, mut tries) = (Mono(0), Vec::new());
        while outbox.due(now).is_some() {
            tries.push(now.0 / SECOND_NS);
            assert!(tries.len() < 100);
            outbox.failed(now, false);
            now = outbox.again().expect("again");
        }
        assert_eq!(tries[..9], [0, 30, 90, 210, 450, 930, 1_890, 3_810, 7_410]);
        assert!(tries.last().is_some_and(|last| (47 * H..50 * H).contains(last)), "given up after two days: {tries:?}");
        outbox.push(told(0));
        outbox.sent();
        outbox.push(told(1));
        assert!(outbox.due(Mono(0)).is_some());
        outbox.failed(Mono(0), true);
        assert_eq!(outbox.next(), Some(Mono(HOUR_NS)));
    }

    #[test]
    fn a_sign_of_life_while_all_is_well() {
        let mut beat = Beat::new(5.0);
        let mut sent = Vec::new();
        for s in (0..2 * H).step_by(10) {
            let (now, is_well) = (Mono(s * SECOND_NS), !(1_000..3_000).contains(&s));
            if let Some(sign) = beat.due(now, is_well) {
                // One does not arrive.
                let has_arrived = sent.len() != 2;
                sent.push((s, sign));
                beat.done(now, sign, has_arrived);
            }
        }
        let (well, unwell) = (Sign::Well, Sign::Unwell);
        assert_eq!(sent[..6], [(20, well), (320, well), (620, well), (680, well), (980, well), (1_000, unwell)]);
        assert_eq!(sent[6..8], [(3_000, well), (3_300, well)]);
    }
}
