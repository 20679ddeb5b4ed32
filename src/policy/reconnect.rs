//! When to connect again to a station that is gone or refuses.
//!
//! A station that was there a moment ago is most likely back in a moment, and every second costs sound: for a minute it is
//! tried every 1.5 s or more often, whatever the configuration says and whatever it answers meanwhile (error pages, redirects
//! in a circle: most hiccups look like that), then less and less often up to once a minute, for ever. A server that refuses
//! from the start (password, certificate) is spared the rush. `max_retries` times `retry_delay_seconds` is how long a station
//! may be away before it is an alarm.

use super::retry::Again;
use crate::time::{Mono, SECOND_NS};

/// Even when told to wait not at all: a server that refuses would be hammered.
const LEAST_NS: i64 = SECOND_NS / 10;
const SOON_NS: i64 = SECOND_NS * 3 / 2;
const SOON_FOR_NS: i64 = 60 * SECOND_NS;
const SELDOM_NS: i64 = 60 * SECOND_NS;
/// A connection that brought sound for so long was a success.
const GOOD_RUN_NS: i64 = 10 * SECOND_NS;
/// Sound for so long shows that the station is there, though not that it stays: the minute begins anew.
const SOME_RUN_NS: i64 = SECOND_NS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Gone,
    /// The other side answers and says no.
    Refused,
    /// It will not work before the configuration changes.
    Wrong,
}

#[derive(Clone, Debug)]
pub struct Reconnect {
    delay_ns: i64,
    alarm_after_ns: i64,
    /// Between two tries of one that is away for long.
    seldom_ns: i64,
    running_since: Option<Mono>,
    /// Since when there has been no good connection.
    lost_at: Option<Mono>,
    /// Since when there has been no sound at all.
    silent_at: Option<Mono>,
    /// There was sound once: address, password and certificate were right then.
    has_sounded: bool,
    failures: u32,
    wait_ns: i64,
}

impl Reconnect {
    pub fn new(max_retries: u32, retry_delay_seconds: f64) -> Reconnect {
        let delay_ns = (retry_delay_seconds * SECOND_NS as f64).clamp(0.0, 86_400.0 * SECOND_NS as f64) as i64; // NaN is 0
        let alarm_after_ns = delay_ns.saturating_mul(i64::from(max_retries));
        Reconnect {
            delay_ns,
            alarm_after_ns,
            seldom_ns: SELDOM_NS,
            running_since: None,
            lost_at: None,
            silent_at: None,
            has_sounded: false,
            failures: 0,
            wait_ns: 0,
        }
    }

    /// However long it was away, it is found to be there again within so many seconds, unless it refuses.
    pub fn found_within(self, seconds: u32) -> Reconnect {
        Reconnect { seldom_ns: i64::from(seconds) * SECOND_NS, ..self }
    }

    /// Sound comes.
    pub fn opened(&mut self, now: Mono) {
        self.running_since = Some(now);
    }

    pub fn failed(&mut self, why: Why, now: Mono) -> Again {
        let ran_ns = self.running_since.take().map_or(0, |since| now.since(since));
        let good = ran_ns >= GOOD_RUN_NS;
        if good {
            (self.failures, self.lost_at) = (0, None);
        }
        if ran_ns >= SOME_RUN_NS {
            (self.silent_at, self.has_sounded) = (None, true);
        }
        let away_ns = now.since(*self.lost_at.get_or_insert(now));
        let soon = now.since(*self.silent_at.get_or_insert(now)) < SOON_FOR_NS;
        self.failures = self.failures.saturating_add(1);
        self.wait_ns = match why {
            Why::Gone if good => 0,
            Why::Gone if soon => self.delay_ns.clamp(LEAST_NS, SOON_NS),
            Why::Refused | Why::Wrong if soon && self.has_sounded => self.delay_ns.clamp(LEAST_NS, SOON_NS),
            Why::Gone | Why::Refused => {
                let seldom_ns = if why == Why::Gone { self.seldom_ns } else { SELDOM_NS };
                (self.wait_ns.saturating_mul(2)).clamp(self.delay_ns.max(SOON_NS).min(seldom_ns), self.delay_ns.max(seldom_ns))
            }
            Why::Wrong => self.delay_ns.max(SELDOM_NS),
        };
        let alarm = why != Why::Gone || (away_ns >= self.alarm_after_ns && self.failures > 1);
        Again { at: now.plus_ns(self.wait_ns), failure: self.failures, alarm }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails again and again after so many seconds of sound: the waits in ms, `!` where there is an alarm.
    #[track_caller]
    fn check(max_retries: u32, delay_s: f64, sound_s: Option<i64>, why: Why, times: usize, want: &str) {
        let mut reconnect = Reconnect::new(max_retries, delay_s);
        let mut now = Mono(0);
        if let Some(sound_s) = sound_s {
            reconnect.opened(now);
            now = now.plus_ns(sound_s * SECOND_NS);
        }
        let told: Vec<String> = (0..times)
            .map(|_| {
                let again = reconnect.failed(why, now);
                let wait_ms = again.at.since(now) / 1_000_000;
                now = again.at;
                format!("{wait_ms}{}", if again.alarm { "!" } else { "" })
            })
            .collect();
        assert_eq!(told.join(" "), want);
    }

    #[test]
    fn soon_at_first_then_less_often() {
        check(10, 5.0, Some(20), Why::Gone, 4, "0 1500 1500 1500");
        check(10, 5.0, None, Why::Gone, 4, "1500 1500 1500 1500");
        check(3, 1.0, Some(20), Why::Gone, 6, "0 1000 1000 1000 1000! 1000!");
        check(10, 0.0, Some(20), Why::Gone, 3, "0 100! 100!");
    }

    #[test]
    fn whoever_refuses_from_the_start_is_not_rushed() {
        check(10, 5.0, None, Why::Refused, 6, "5000! 10000! 20000! 40000! 60000! 60000!");
        check(10, 5.0, None, Why::Wrong, 2, "60000! 60000!");
        check(10, 5.0, Some(0), Why::Refused, 2, "5000! 10000!");
    }

    #[test]
    fn whoever_refuses_after_sound_may_soon_be_back() {
        check(10, 5.0, Some(1), Why::Refused, 2, "1500! 1500!");
        check(10, 5.0, Some(1), Why::Wrong, 2, "1500! 1500!");
        let first_minute = "1500! ".repeat(40);
        check(10, 5.0, Some(20), Why::Refused, 43, &format!("{first_minute}5000! 10000! 20000!"));
    }

    #[test]
    fn who_is_to_be_found_soon_is_asked_often_for_ever() {
        let mut reconnect = Reconnect::new(10, 1.0).found_within(4);
        let mut now = Mono(0);
        for _ in 0..1_000 {
            let again = reconnect.failed(Why::Gone, now);
            assert!(again.at.since(now) <= 4 * SECOND_NS);
            now = again.at;
        }
        assert_eq!(reconnect.failed(Why::Gone, now).at.since(now), 4 * SECOND_NS);
        assert!(reconnect.failed(Why::Wrong, now).at.since(now) > 4 * SECOND_NS, "a wrong password stays wrong");
    }

    /// A server that sends sound for two seconds and falls, for ten minutes.
    #[test]
    fn a_station_that_falls_again_and_again_is_not_neglected() {
        let mut reconnect = Reconnect::new(10, 5.0);
        let mut now = Mono(0);
        while now < Mono(600 * SECOND_NS) {
            reconnect.opened(now);
            now = now.plus_ns(2 * SECOND_NS);
            let again = reconnect.failed(Why::Gone, now);
            assert_eq!(again.at.since(now), SOON_NS, "{now:?}");
            assert_eq!(again.alarm, now >= Mono(52 * SECOND_NS), "{now:?}");
            now = again.at;
        }
    }

    #[test]
    fn never_longer_than_a_minute_and_never_over() {
        let mut reconnect = Reconnect::new(10, 5.0);
        let mut now = Mono(0);
        let mut most_ns = 0;
        for n in 0..10_000 {
            let again = reconnect.failed(Why::Gone, now);
            most_ns = most_ns.max(again.at.since(now));
            assert_eq!(again.alarm, now.0 >= 50 * SECOND_NS && n > 0, "{now:?}");
            now = again.at;
        }
        assert_eq!(most_ns, 60 * SECOND_NS);
    }

    #[test]
    fn a_good_connection_begins_anew() {
        let mut reconnect = Reconnect::new(10, 5.0);
        for s in 0..100 {
            reconnect.failed(Why::Gone, Mono(s * 10 * SECOND_NS));
        }
        reconnect.opened(Mono(2_000 * SECOND_NS));
        let again = reconnect.failed(Why::Gone, Mono(2_001 * SECOND_NS));
        assert!(again.alarm, "a second of sound is no good connection");
        reconnect.opened(Mono(3_000 * SECOND_NS));
        let again = reconnect.failed(Why::Gone, Mono(3_011 * SECOND_NS));
        assert_eq!((again.at, again.failure, again.alarm), (Mono(3_011 * SECOND_NS), 1, false));
    }
}
