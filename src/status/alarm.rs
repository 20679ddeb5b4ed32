//! Alarms: what a person should know, from when it began until it is over.
//!
//! One [`Alarm`] is one thing that can be wrong with one source or actor. It lies with the other counters of that source, its
//! owner raises and clears it, and never waits for a reader. [`Alarms`] lists those that there are: all are known once
//! everything has been started. Nobody logs here: who raises one has his own words for the log.

use std::fmt::Write;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::uptime_ms;
use crate::time::Wall;

/// A longer text is cut off.
const TEXT_BYTES: usize = 240;

#[derive(Debug, Default)]
pub struct Alarm {
    /// When it was raised, by [`uptime_ms`], and one; 0 while all is well.
    since_ms: AtomicU64,
    text: Mutex<heapless::String<TEXT_BYTES>>,
}

impl Alarm {
    /// True if all was well before. One that is raised again keeps its beginning and gets the new text, one line.
    pub fn raise(&self, text: impl std::fmt::Display) -> bool {
        let slot = match self.text.try_lock() {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            // Somebody reads it just now: the old text stays.
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut slot) = slot {
            slot.clear();
            let _ = write!(Short(&mut slot), "{text}"); // what does not fit is cut off
        }
        self.since_ms.compare_exchange(0, uptime_ms() + 1, Relaxed, Relaxed).is_ok()
    }

    /// True if there was something to clear.
    pub fn clear(&self) -> bool {
        self.is_raised() && self.since_ms.swap(0, Relaxed) != 0
    }

    pub fn is_raised(&self) -> bool {
        self.since_ms.load(Relaxed) != 0
    }

    /// For how long it has been raised, in milliseconds, and its text.
    pub fn look(&self) -> Option<(u64, String)> {
        self.look_at(uptime_ms())
    }

    fn look_at(&self, now_ms: u64) -> Option<(u64, String)> {
        let since_ms = self.since_ms.load(Relaxed).checked_sub(1)?;
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner).as_str().to_owned();
        Some((now_ms.saturating_sub(since_ms), text))
    }
}

/// Takes letters as long as there is room.
struct Short<'a>(&'a mut heapless::String<TEXT_BYTES>);

impl Write for Short<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        text.chars().try_for_each(|c| self.0.push(if c.is_control() { ' ' } else { c })).map_err(|()| std::fmt::Error)
    }
}

/// All that can be raised, each with the name of what it is about.
#[derive(Debug, Default)]
pub struct Alarms {
    rows: Mutex<Vec<Row>>,
}

#[derive(Debug)]
struct Row {
    about: Arc<str>,
    alarm: Arc<Alarm>,
    is_note: bool,
}

/// One that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// Of the alarm, as long as the program runs.
    pub id: usize,
    pub for_ms: u64,
    /// One line.
    pub text: String,
    /// It is shown, and no reason to call somebody.
    pub is_note: bool,
}

impl Raised {
    /// When it began.
    pub fn since(&self, now: Wall) -> Wall {
        now.plus_ns(i64::try_from(self.for_ms).unwrap_or(i64::MAX).saturating_mul(-1_000_000))
    }
}

impl Alarms {
    /// At the start; an empty `about` says that the text tells enough.
    pub fn watch(&self, about: &str, alarm: &Arc<Alarm>) {
        self.add(Row { about: about.into(), alarm: alarm.clone(), is_note: false });
    }

    /// The same of what is shown, and no reason to call somebody.
    pub fn note(&self, alarm: &Arc<Alarm>) {
        self.add(Row { about: "".into(), alarm: alarm.clone(), is_note: true });
    }

    fn add(&self, row: Row) {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
    }

    /// The raised ones, the oldest first.
    pub fn raised(&self) -> Vec<Raised> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |about: &str, text: String| if about.is_empty() { text } else { format!("{about}: {text}") };
        let now_ms = uptime_ms(); // one for all, so that their order is that of their beginnings
        let looks = rows.iter().enumerate().filter_map(|(id, Row { about, alarm, is_note })| {
            let (for_ms, text) = alarm.look_at(now_ms)?;
            Some(Raised { id, for_ms, text: line(about, text), is_note: *is_note })
        });
        let mut raised: Vec<_> = looks.collect();
        raised.sort_by_key(|raised| std::cmp::Reverse(raised.for_ms));
        raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_raised_once_and_cleared_once() {
        let alarm = Alarm::default();
        assert!(!alarm.is_raised() && !alarm.clear() && alarm.look().is_none());
        assert!(alarm.raise("no samples") && !alarm.raise("gone,\nstill"));
        assert_eq!(alarm.look().map(|(_, text)| text), Some("gone, still".into()));
        assert!(alarm.clear() && !alarm.clear() && alarm.look().is_none());
        assert!(alarm.raise("again"));
    }

    #[test]
    fn a_long_text_is_cut_off_between_letters() {
        let alarm = Alarm::default();
        alarm.raise("ä".repeat(1_000));
        assert_eq!(alarm.look().map(|(_, text)| text), Some("ä".repeat(TEXT_BYTES / 2)));
    }

    #[test]
    fn a_reader_does_not_hold_up_who_raises_it() {
        let alarm = Alarm::default();
        let reading = alarm.text.lock().expect("free");
        assert!(alarm.raise("x") && alarm.is_raised());
        drop(reading);
    }

    #[test]
    fn those_that_are_raised_are_listed() {
        let (alarms, a, b) = (Alarms::default(), Arc::new(Alarm::default()), Arc::new(Alarm::default()));
        alarms.watch("mic", &a);
        alarms.watch("", &b);
        assert_eq!(alarms.raised(), []);
        a.raise("gone");
        b.raise("The disk is full.");
        let texts = |alarms: &Alarms| alarms.raised().into_iter().map(|raised| raised.text).collect::<Vec<_>>();
        assert_eq!(texts(&alarms), ["mic: gone", "The disk is full."]);
        a.clear();
        assert_eq!(texts(&alarms), ["The disk is full."]);
    }
}
