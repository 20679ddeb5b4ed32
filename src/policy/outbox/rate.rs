//! How fast bytes may leave: a bucket that fills at the rate that was set and holds one second of it.

use crate::time::{Mono, SECOND_NS};

#[derive(Clone, Debug)]
pub struct Rate {
    bytes_per_second: u64,
    /// In the bucket; below zero while what was taken too early is paid back.
    tokens: i64,
    filled_at: Option<Mono>,
}

impl Rate {
    /// 0: as fast as it goes.
    pub fn new(bytes_per_second: u64) -> Rate {
        Rate { bytes_per_second, tokens: 0, filled_at: None }
    }

    /// Takes so many bytes out; for how many nanoseconds whoever takes them should wait before he sends them.
    pub fn take(&mut self, bytes: u64, now: Mono) -> i64 {
        if self.bytes_per_second == 0 {
            return 0;
        }
        let full = i64::try_from(self.bytes_per_second).unwrap_or(i64::MAX);
        match self.filled_at {
            None => self.tokens = full,
            Some(at) => {
                let ns = now.since(at).clamp(0, 3_600 * SECOND_NS);
                let come = i128::from(full) * i128::from(ns) / i128::from(SECOND_NS);
                self.tokens = self.tokens.saturating_add(i64::try_from(come).unwrap_or(i64::MAX)).min(full);
            }
        }
        self.filled_at = Some(now);
        self.tokens = self.tokens.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        let owed = i128::from(self.tokens.min(0).unsigned_abs());
        i64::try_from(owed * i128::from(SECOND_NS) / i128::from(full)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_in_a_while_is_what_may() {
        for (bytes_per_second, piece) in [(1_000, 64), (125_000, 16_384), (1_000_000, 65_536)] {
            let (mut rate, mut now, mut sent) = (Rate::new(bytes_per_second), Mono(0), 0);
            while now.0 < 60 * SECOND_NS {
                now = now.plus_ns(rate.take(piece, now));
                sent += piece;
            }
            // One second's worth is in the bucket at first.
            let allowed = 61 * bytes_per_second + piece;
            assert!((allowed - 3 * piece - bytes_per_second..=allowed).contains(&sent), "{bytes_per_second}: {sent}");
        }
    }

    #[test]
    fn without_a_rate_nobody_waits_and_a_pause_saves_nothing_up() {
        assert_eq!(Rate::new(0).take(u64::MAX, Mono(0)), 0);
        let mut rate = Rate::new(1_000);
        assert_eq!(rate.take(1_000, Mono(0)), 0);
        assert_eq!(rate.take(2_000, Mono(1_000 * SECOND_NS)), SECOND_NS);
    }
}
