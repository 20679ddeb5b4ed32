//! How long something takes, as a histogram of fixed size: one atomic a step, nothing allocated, nothing locked.
//!
//! Written by the store after every write and sync; read by the page, Prometheus and the health of the machine.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Upper bounds of the steps in microseconds; what takes longer than the last is counted behind them.
pub const BOUNDS_US: [u64; 16] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000,
    10_000_000,
];

/// Steps, that without a bound included.
pub const STEPS: usize = BOUNDS_US.len() + 1;

#[derive(Debug, Default)]
pub struct Latency {
    steps: [AtomicU64; STEPS],
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

impl Latency {
    pub fn took(&self, us: u64) {
        let step = BOUNDS_US.partition_point(|bound| *bound < us); // at most the number of bounds
        self.steps[step].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
        self.max_us.fetch_max(us, Relaxed);
    }

    pub fn max_us(&self) -> u64 {
        self.max_us.load(Relaxed)
    }

    pub fn look(&self) -> Spread {
        let mut steps = [0; STEPS];
        steps.iter_mut().zip(&self.steps).for_each(|(step, counted)| *step = counted.load(Relaxed));
        Spread { steps, sum_us: self.sum_us.load(Relaxed), max_us: self.max_us() }
    }
}

/// One look at a [`Latency`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How often it took at most the bound of this step and more than that of the one before.
    pub steps: [u64; STEPS],
    pub sum_us: u64,
    pub max_us: u64,
}

impl Spread {
    pub fn count(&self) -> u64 {
        self.steps.iter().sum()
    }

    /// So many of a hundred took at most so long, in microseconds: the bound of a step, or the longest time if that is less.
    /// `None` while nothing was counted.
    pub fn percentile_us(&self, percent: u32) -> Option<u64> {
        let count = self.count();
        let rank = (u128::from(count) * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0_u128;
        let step = self.steps.iter().position(|step| {
            seen += u128::from(*step);
            seen >= rank
        })?;
        Some(BOUNDS_US.get(step).map_or(self.max_us, |bound| self.max_us.min(*bound)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_bounds_of_steps() {
        let check = |times: &[u64], percent: u32, expected: Option<u64>| {
            let latency = Latency::default();
            times.iter().for_each(|us| latency.took(*us));
            assert_eq!(latency.look().percentile_us(percent), expected, "{percent} of {times:?}");
        };
        check(&[], 99, None);
        check(&[0], 50, Some(0));
        check(&[70], 50, Some(70));
        check(&[100, 101, 900], 1, Some(100));
        check(&[100, 101, 900], 50, Some(200));
        check(&[100, 101, 900], 100, Some(900));
        check(&[30, 30, 30, 25_000_000], 75, Some(100));
        check(&[30, 30, 30, 25_000_000], 76, Some(25_000_000));
        check(&[30, 30, 30, 25_000_000], 1_000, Some(25_000_000));
    }

    #[test]
    fn everything_is_counted_once() {
        let latency = Latency::default();
        (0..2_000).for_each(|n| latency.took(n * n * 10));
        let spread = latency.look();
        assert_eq!((spread.count(), spread.max_us), (2_000, 1_999 * 1_999 * 10));
        assert_eq!(spread.sum_us, (0..2_000_u64).map(|n| n * n * 10).sum::<u64>());
        let at_most = spread.steps.iter().take(8).sum::<u64>();
        assert_eq!(at_most, (0..2_000).filter(|n| n * n * 10 <= 20_000).count() as u64);
    }
}
