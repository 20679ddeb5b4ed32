//! When was the sound on air that a stream delivers: its time stamps against the clock of arrival.
//!
//! A server sends what it has stored when one connects (seconds at once), the network holds sound back and lets it go in
//! lumps. Sound cannot arrive before it was made, so of all that arrived in the last minute the piece with the least delay
//! is nearest to the truth: frame f was on air at (its place in the stream) + lead, where lead is the least of
//! (arrival − place). Called by the stream's cutter; `signal` and codecs are unknown here.

use heapless::Deque;

use crate::time::{Mono, Rate, SECOND_NS};

const BIN_NS: i64 = 3 * SECOND_NS;
const BINS: usize = 20;

/// Of one connection. Fixed memory.
pub struct Lead {
    rate: Rate,
    origin: Mono,
    /// Of each 3 s: (when they began, the least lead in ns after `origin`).
    bins: Deque<(Mono, i64), BINS>,
    lead_ns: i64,
}

impl Lead {
    /// `origin`: when the first bytes came.
    pub fn new(rate: Rate, origin: Mono) -> Lead {
        Lead { rate, origin, bins: Deque::new(), lead_ns: 0 }
    }

    /// The frames before number `end` had arrived by `at`.
    pub fn push(&mut self, end: u64, at: Mono) {
        let lead_ns = at.since(self.origin).saturating_sub(self.rate.ns_of(end));
        match self.bins.back_mut().filter(|(began, _)| at.since(*began) < BIN_NS) {
            Some((_, least)) => *least = lead_ns.min(*least),
            None => {
                if self.bins.is_full() {
                    self.bins.pop_front();
                }
                let _ = self.bins.push_back((at, lead_ns)); // there is room now
            }
        }
        self.lead_ns = self.bins.iter().map(|(_, least)| *least).min().unwrap_or(0);
    }

    /// When this frame was on air; never later than its arrival.
    pub fn mono_of(&self, frame: u64) -> Mono {
        self.origin.plus_ns(self.rate.ns_of(frame).saturating_add(self.lead_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = SECOND_NS;

    /// Arrivals as (seconds of sound so far, seconds since the first byte); then when second `of` was on air, in ms.
    #[track_caller]
    fn check(arrivals: &[(f64, f64)], of: u64, want_ms: i64) {
        let mut lead = Lead::new(Rate::new(1_000).expect("a rate"), Mono(50 * S));
        for (sound, at) in arrivals {
            lead.push((sound * 1e3) as u64, Mono(50 * S + (at * 1e9) as i64));
        }
        assert_eq!(lead.mono_of(of * 1_000).since(Mono(50 * S)) / 1_000_000, want_ms);
    }

    #[test]
    fn what_a_server_had_stored_was_on_air_before() {
        check(&[(4.0, 0.0), (5.0, 1.0), (6.0, 2.0)], 0, -4_000);
        check(&[(4.0, 0.0), (5.0, 1.0), (6.0, 2.0)], 6, 2_000);
    }

    #[test]
    fn what_the_network_holds_back_is_not_late() {
        check(&[(1.0, 1.0), (2.0, 2.0), (2.1, 6.0), (6.5, 6.5)], 6, 6_000);
    }

    #[test]
    fn what_was_skipped_is_seen_after_a_minute() {
        let mut arrivals: Vec<(f64, f64)> = (1..10).map(|s| (f64::from(s), f64::from(s))).collect();
        arrivals.extend((10..40).map(|s| (f64::from(s), f64::from(s) + 5.0)));
        check(&arrivals, 39, 39_000);
        arrivals.extend((40..80).map(|s| (f64::from(s), f64::from(s) + 5.0)));
        check(&arrivals, 79, 84_000);
    }

    #[test]
    fn a_station_whose_clock_is_slow_is_followed() {
        let mut lead = Lead::new(Rate::new(1_000).expect("a rate"), Mono(0));
        for s in 1..100_000 {
            lead.push(s * 1_000, Mono(s as i64 * 1_000_100_000));
        }
        let late_ms = lead.mono_of(99_999_000).since(Mono(99_999 * 1_000_100_000)) / 1_000_000;
        assert!((-6..=0).contains(&late_ms), "{late_ms} ms");
    }
}
