//! Uploads: what is sent next, when, how fast, and under which name. Called by the uploader, once for each target.
//!
//! What waits is no list in memory: the catalogue is asked for the next recording, so that a hundred thousand of them weigh
//! nothing and a restart needs no care. Here is what decides when to ask, and what to make of an answer.
//!
//! # Rules
//! * A target that fails is left alone for a while: 5 s, then twice as long each time, a quarter of an hour at most; a third of it
//!   is chance, so that a fleet does not come back in one moment. One that refuses is left alone for the whole quarter at once.
//! * A recording that alone is refused holds nobody up: the others go on, and it is tried again after six hours.
//! * Outside of its window nothing is begun, and what was begun stops at the next look and is gone on with later.

pub mod layout;
pub mod rate;

pub use layout::{Layout, Names};
pub use rate::Rate;

use crate::time::{Mono, SECOND_NS};

const FIRST_NS: i64 = 5 * SECOND_NS;
const LONGEST_NS: i64 = 15 * 60 * SECOND_NS;
/// A recording that a target does not want is offered again after so long.
pub const REFUSED_FOR_NS: i64 = 6 * 3_600 * SECOND_NS;
/// A target that failed for so long is a reason to look after it.
const ALARM_AFTER_NS: i64 = 3_600 * SECOND_NS;

/// Which of those that wait is sent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What is new is there soon; what is old comes when there is time.
    Newest,
    #[default]
    Oldest,
}

/// What a WAV becomes on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Convert {
    #[default]
    No,
    /// As FLAC, where that holds all of it.
    Flac,
}

/// How a recording stands with a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Waiting,
    /// It is looked how long the FLAC will be that it is sent as.
    Converting,
    /// Part n of so many, counted from 1.
    Sending(u32, u32),
    Verifying,
    Uploaded,
    /// The target does not want this one.
    Refused,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Converting => "converting",
            State::Sending(..) => "sending",
            State::Verifying => "verifying",
            State::Uploaded => "uploaded",
            State::Refused => "refused",
        }
    }
}

/// Why something was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The target is not there, or has a fault of its own.
    Failed,
    /// It says no to whatever it is sent: password, bucket, room.
    Refused,
}

/// When a target is tried again.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
    since: Option<Mono>,
    again: Option<Mono>,
}

impl Backoff {
    pub fn worked(&mut self) {
        *self = Backoff::default();
    }

    /// `chance`: any number, another each time.
    pub fn failed(&mut self, why: Why, now: Mono, chance: u32) {
        let doubled = FIRST_NS.saturating_mul(1 << self.failures.min(20)).min(LONGEST_NS);
        let whole = if why == Why::Refused { LONGEST_NS } else { doubled };
        let part = i64::from(chance % 1_000) * (whole / 3) / 1_000;
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert(now);
        self.again = Some(now.plus_ns(whole - part));
    }

    /// Not before then, if it is in the future.
    pub fn again(&self, now: Mono) -> Option<Mono> {
        self.again.filter(|again| *again > now)
    }

    /// Somebody should look.
    pub fn is_alarming(&self, now: Mono) -> bool {
        self.since.is_some_and(|since| now.since(since) >= ALARM_AFTER_NS)
    }
}

/// In how many pieces so many bytes travel, and how large they are. No server takes more than 10,000 pieces.
pub fn parts(bytes: u64, wanted: u64) -> (u32, u64) {
    const MOST: u64 = 10_000;
    const STEP: u64 = 1 << 20;
    let least = bytes.div_ceil(MOST).div_ceil(STEP) * STEP;
    let size = if bytes.div_ceil(MOST) <= wanted { wanted.max(1) } else { least.max(1) };
    (bytes.div_ceil(size).max(1) as u32, size) // at most MOST
}

/// `a/b.flac` under its n-th name: `a/b.flac`, `a/b-2.flac` …
pub fn numbered(key: &str, n: u32) -> String {
    if n < 2 {
        return key.to_owned();
    }
    let name = key.rfind('/').map_or(0, |slash| slash + 1);
    let dot = key[name..].rfind('.').filter(|dot| *dot > 0).map_or(key.len(), |dot| name + dot);
    format!("{}-{n}{}", &key[..dot], &key[dot..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_fails_is_tried_less_and_less_often() {
        let mut backoff = Backoff::default();
        let mut now = Mono(0);
        let mut waits = Vec::new();
        for _ in 0..10 {
            backoff.failed(Why::Failed, now, 0);
            let again = backoff.again(now).expect("later");
            waits.push(again.since(now) / SECOND_NS);
            now = again;
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!((backoff.again(now), backoff.is_alarming(now)), (None, false));
        assert!(backoff.is_alarming(Mono(3_600 * SECOND_NS)));
        backoff.worked();
        assert!(!backoff.is_alarming(Mono(9_999 * SECOND_NS)));
    }

    #[test]
    fn chance_takes_a_third_at_most_and_who_refuses_waits_long() {
        for (why, chance, want) in
            [(Why::Failed, 0, 5_000), (Why::Failed, 999, 3_335), (Why::Failed, 1_500, 4_166), (Why::Refused, 0, 900_000)]
        {
            let mut backoff = Backoff::default();
            backoff.failed(why, Mono(0), chance);
            assert_eq!(backoff.again(Mono(0)).map(|again| again.0 / 1_000_000), Some(want), "{why:?} {chance}");
        }
    }

    #[test]
    fn any_length_has_few_enough_parts() {
        const MIB: u64 = 1 << 20;
        for (bytes, want) in [
            (0, (1, 8 * MIB)),
            (8 * MIB, (1, 8 * MIB)),
            (8 * MIB + 1, (2, 8 * MIB)),
            (80_000 * MIB, (10_000, 8 * MIB)),
            (80_001 * MIB, (8_889, 9 * MIB)),
            (640 * MIB, (80, 8 * MIB)),
        ] {
            assert_eq!(parts(bytes, 8 * MIB), want, "{bytes}");
        }
        assert_eq!(parts(1_000_000, 65_536), (16, 65_536));
        assert!(parts(u64::MAX, 1).0 <= 10_000);
    }

    #[test]
    fn a_second_file_of_a_name_has_a_number() {
        for (key, n, want) in [
            ("a/b.flac", 1, "a/b.flac"),
            ("a/b.flac", 2, "a/b-2.flac"),
            ("a.b/c", 3, "a.b/c-3"),
            ("x/.hidden", 2, "x/.hidden-2"),
            ("b.tar.gz", 2, "b.tar-2.gz"),
        ] {
            assert_eq!(numbered(key, n), want);
        }
    }
}
