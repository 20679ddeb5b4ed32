//! When to try again: sources that fail, and actors that fall.
//!
//! Who waits, and on what, is the caller's business: capture (for its source), the uploader and the supervisor.

use heapless::Deque;

use crate::time::{Mono, SECOND_NS};

/// After the fast attempts: for ever, because a field box never gives up.
const SLOW_NS: i64 = 60 * SECOND_NS;
/// A run that held this long was a success; a device that fails sooner is still failing.
const GOOD_RUN_NS: i64 = 10 * SECOND_NS;

/// Attempts of one source: `max_retries` fast ones, then slow ones and an alarm.
#[derive(Clone, Debug)]
pub struct Retry {
    max_retries: u32,
    fast_ns: i64,
    failures: u32,
    running_since: Option<Mono>,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    pub at: Mono,
    /// Which failure in a row it was, from 1.
    pub failure: u32,
    /// The fast attempts are used up: somebody should look at it.
    pub alarm: bool,
}

impl Retry {
    pub fn new(max_retries: u32, retry_delay_seconds: f64) -> Retry {
        let fast_ns = (retry_delay_seconds * SECOND_NS as f64).clamp(0.0, 86_400.0 * SECOND_NS as f64) as i64; // NaN is 0
        Retry { max_retries, fast_ns, failures: 0, running_since: None }
    }

    /// The source was opened.
    pub fn opened(&mut self, now: Mono) {
        self.running_since = Some(now);
    }

    /// The source failed, at opening or later.
    pub fn failed(&mut self, now: Mono) -> Again {
        let ran_well = self.running_since.take().is_some_and(|since| now.since(since) >= GOOD_RUN_NS);
        if ran_well {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let alarm = self.failures > self.max_retries;
        let wait_ns = match (alarm, ran_well) {
            (true, _) => SLOW_NS.max(self.fast_ns),
            // What worked until now probably works again at once, and every second costs sound.
            (false, true) => 0,
            (false, false) => self.fast_ns,
        };
        Again { at: now.plus_ns(wait_ns), failure: self.failures, alarm }
    }

    /// Whether the source counts as failing for good: true from the first slow attempt until a run has held for a while.
    pub fn alarm(&self, now: Mono) -> bool {
        let good = self.running_since.is_some_and(|since| now.since(since) >= GOOD_RUN_NS);
        self.failures > self.max_retries && !good
    }
}

const MAX_RESTARTS: usize = 5;
const WITHIN_NS: i64 = 60 * SECOND_NS;

/// Restarts of one actor: more than 5 within 60 s, and the process had better begin anew.
#[derive(Clone, Debug, Default)]
pub struct RestartBudget {
    recent: Deque<Mono, MAX_RESTARTS>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Restart,
    GiveUp,
}

impl RestartBudget {
    pub fn new() -> RestartBudget {
        RestartBudget::default()
    }

    /// An actor fell at `now`.
    pub fn fell(&mut self, now: Mono) -> Verdict {
        while self.recent.front().is_some_and(|&at| now.since(at) > WITHIN_NS) {
            self.recent.pop_front();
        }
        match self.recent.push_back(now) {
            Ok(()) => Verdict::Restart,
            Err(_) => Verdict::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: i64) -> Mono {
        Mono(seconds * SECOND_NS)
    }

    /// Failures at these seconds; a run of `held` seconds came before each. Waits in seconds, `!` with alarm.
    #[track_caller]
    fn check(mut retry: Retry, held: &[Option<i64>], expected: &str) {
        let mut now = s(0);
        let mut found = Vec::new();
        for held in held {
            if let Some(seconds) = *held {
                retry.opened(now);
                now = now.plus_ns(seconds * SECOND_NS);
            }
            let again = retry.failed(now);
            found.push(format!("{}{}", again.at.since(now) / SECOND_NS, if again.alarm { "!" } else { "" }));
            now = again.at;
        }
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn fast_then_slow_for_ever() {
        check(Retry::new(3, 5.0), &[None; 6], "5 5 5 60! 60! 60!");
        check(Retry::new(0, 5.0), &[None; 2], "60! 60!");
        check(Retry::new(1, 300.0), &[None; 3], "300 300! 300!");
        check(Retry::new(1, f64::NAN), &[None; 2], "0 60!");
    }

    #[test]
    fn only_a_run_that_holds_is_a_success() {
        check(Retry::new(2, 5.0), &[Some(1), Some(1), Some(1), Some(3_600), Some(9)], "5 5 60! 0 5");
    }

    #[test]
    fn the_alarm_ends_with_a_good_run() {
        let mut retry = Retry::new(0, 5.0);
        assert!(!retry.alarm(s(0)));
        retry.failed(s(0));
        assert!(retry.alarm(s(0)));
        retry.opened(s(60));
        assert!(retry.alarm(s(61)));
        assert!(!retry.alarm(s(70)));
    }

    #[test]
    fn six_falls_in_a_minute_end_the_process() {
        let mut budget = RestartBudget::new();
        for at in [0, 1, 2, 3, 4] {
            assert_eq!(budget.fell(s(at)), Verdict::Restart);
        }
        assert_eq!(budget.clone().fell(s(60)), Verdict::GiveUp);
        assert_eq!(budget.fell(s(61)), Verdict::Restart);
        assert_eq!(budget.fell(s(61)), Verdict::GiveUp);
    }
}
