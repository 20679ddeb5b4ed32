//! Waiting that can be stopped, and turns: how many of all stations may look up a name or connect at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{error, fmt};

/// No wait is longer without a look at the stop flag. Data ends a wait at once, so a stream that flows never sees one end.
pub const SLICE: Duration = Duration::from_millis(250);

/// Why waiting ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The recorder wants to stop.
    Stopped,
    /// Nothing came, or nothing was taken, in time.
    Quiet(Duration),
    /// The whole exchange took longer than it may.
    Overdue,
    /// The connection was reset, not closed.
    Reset,
    /// More of a header or of a chunk's length than anybody needs.
    Endless,
    /// Too many others are connecting or looking up names.
    Busy,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Halt::Stopped => f.write_str("stopped"),
            Halt::Quiet(after) => write!(f, "no answer for {} s", after.as_millis().div_ceil(100) as f64 / 10.0),
            Halt::Overdue => f.write_str("took too long"),
            Halt::Reset => f.write_str("the connection was reset"),
            Halt::Endless => f.write_str("its answer makes no sense (a header without end)"),
            Halt::Busy => f.write_str("waits for other connections that do not come about"),
        }
    }
}

impl error::Error for Halt {}

/// What ends every wait of one lane.
#[derive(Debug)]
pub struct Waiting {
    stop: Arc<AtomicBool>,
    /// Of the exchange under way; none while a stream flows.
    until: Mutex<Option<Instant>>,
}

impl Waiting {
    pub fn new(stop: Arc<AtomicBool>) -> Waiting {
        Waiting { stop, until: Mutex::new(None) }
    }

    pub fn set_until(&self, until: Option<Instant>) {
        *lock(&self.until) = until;
    }

    pub fn check(&self, now: Instant) -> Result<(), Halt> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Halt::Stopped);
        }
        let overdue = lock(&self.until).is_some_and(|until| now >= until);
        if overdue { Err(Halt::Overdue) } else { Ok(()) }
    }
}

/// At most `limit` hold a ticket.
#[derive(Debug)]
pub struct Gate {
    limit: usize,
    inside: Mutex<usize>,
    left: Condvar,
}

impl Gate {
    pub fn new(limit: usize) -> Arc<Gate> {
        Arc::new(Gate { limit, inside: Mutex::new(0), left: Condvar::new() })
    }

    /// Waits for a turn. Who failed last time (`doubtful`) gets one of the first half only: hosts that do not answer cannot
    /// keep those out that do.
    pub fn enter(self: &Arc<Gate>, doubtful: bool, patience: Duration, waiting: &Waiting) -> Result<Ticket, Halt> {
        let limit = if doubtful { self.limit.div_ceil(2) } else { self.limit };
        let until = Instant::now() + patience;
        let mut inside = lock(&self.inside);
        while *inside >= limit {
            let now = Instant::now();
            waiting.check(now)?;
            if now >= until {
                return Err(Halt::Busy);
            }
            inside = self.left.wait_timeout(inside, SLICE).unwrap_or_else(PoisonError::into_inner).0;
        }
        *inside += 1;
        Ok(Ticket(Arc::clone(self)))
    }
}

/// A turn; given back when dropped.
#[derive(Debug)]
pub struct Ticket(Arc<Gate>);

impl Drop for Ticket {
    fn drop(&mut self) {
        *lock(&self.0.inside) -= 1; // it was counted when the ticket was made
        self.0.left.notify_all();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubtful_ones_leave_room() {
        let (gate, waiting) = (Gate::new(4), Waiting::new(Arc::default()));
        let enter = |doubtful| gate.enter(doubtful, Duration::ZERO, &waiting);
        let first = [enter(true), enter(true)];
        assert!(first.iter().all(Result::is_ok));
        assert_eq!(enter(true).err(), Some(Halt::Busy));
        let others = [enter(false), enter(false)];
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(enter(false).err(), Some(Halt::Busy));
        drop(others);
        drop(first);
        assert!(enter(true).is_ok());
    }
}
