//! The bytes of a mount, and where in them one may begin.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Manner;

/// Streams that may follow each other before a listener has heard the first of them.
const MOST_STREAMS: usize = 8;
/// A ring begins with room for this, and for twice the burst.
const LEAST: usize = 64 << 10;

/// Positions are counts of all bytes that ever were pushed.
#[derive(Debug, Default)]
pub struct Ring {
    /// Empty while nobody listens; twice as large whenever something would go that somebody has not heard yet.
    pub bytes: Box<[u8]>,
    /// Where it began: of what was before nothing is here.
    from: u64,
    pub end: u64,
    /// No listener is before this.
    heard: u64,
    /// Of the units that are whole in the ring, oldest first.
    starts: VecDeque<u64>,
    /// The newest one, and those before it of which there may be something in the ring.
    pub streams: VecDeque<Stream>,
    pub is_over: bool,
    /// A stream will begin: whoever comes waits for it.
    pub is_awaited: bool,
}

#[derive(Clone, Debug)]
pub struct Stream {
    pub number: u64,
    pub began: u64,
    pub header: Arc<[u8]>,
}

impl Ring {
    pub fn clear(&mut self) {
        self.bytes = Box::default();
        self.starts.clear();
        self.forget();
    }

    /// Streams of which nothing is left.
    pub fn forget(&mut self) {
        let oldest = self.oldest();
        while self.streams.get(1).is_some_and(|next| next.began <= oldest && next.began < self.end) {
            self.streams.pop_front();
        }
        if self.streams.len() > MOST_STREAMS {
            self.streams.pop_front();
        }
    }

    /// The one after it, which begins where it ends.
    pub fn next(&self, number: u64) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.number > number)
    }

    /// `is_start`: of a unit, not more of the last one. What is larger than the room is heard by nobody. `slowest` tells where the
    /// last of the listeners is; it is asked for seldom.
    pub fn push(&mut self, unit: &[u8], is_start: bool, manner: Manner, slowest: impl FnOnce() -> u64) {
        if unit.is_empty() || unit.len() > manner.ring || (!is_start && self.starts.is_empty()) {
            return;
        }
        if self.bytes.is_empty() {
            self.bytes = vec![0; LEAST.max(2 * manner.burst).min(manner.ring)].into_boxed_slice();
            self.from = self.end;
        }
        let needed = |from: u64| usize::try_from(self.end - from.min(self.end)).unwrap_or(usize::MAX).saturating_add(unit.len());
        if self.bytes.len() < manner.ring && needed(self.heard) > self.bytes.len() {
            self.heard = slowest().min(self.end);
            let needed = needed(self.heard).min(manner.ring);
            if needed > self.bytes.len() {
                self.grow(needed.next_power_of_two().min(manner.ring));
            }
        }
        self.write(unit);
        if is_start {
            self.starts.push_back(self.end - unit.len() as u64);
        }
        let oldest = self.oldest();
        while self.starts.front().is_some_and(|start| *start < oldest) {
            self.starts.pop_front();
        }
        self.forget();
    }

    fn write(&mut self, some: &[u8]) {
        let at = self.place(self.end);
        let first = some.len().min(self.bytes.len() - at);
        self.bytes[at..at + first].copy_from_slice(&some[..first]);
        self.bytes[..some.len() - first].copy_from_slice(&some[first..]);
        self.end += some.len() as u64;
    }

    /// What there is stays, each byte in its new place.
    fn grow(&mut self, room: usize) {
        let (oldest, end) = (self.oldest(), self.end);
        let small = std::mem::replace(&mut self.bytes, vec![0; room].into_boxed_slice());
        let at = (oldest % small.len() as u64) as usize; // below its length
        let length = (end - oldest) as usize; // at most its length
        let first = length.min(small.len() - at);
        (self.from, self.end) = (oldest, oldest);
        self.write(&small[at..at + first]);
        self.write(&small[..length - first]);
    }

    /// Somebody listens from here on.
    pub fn note(&mut self, at: u64) {
        self.heard = self.heard.min(at);
    }

    pub fn place(&self, at: u64) -> usize {
        (at % self.bytes.len().max(1) as u64) as usize
    }

    /// What is before this is gone.
    pub fn oldest(&self) -> u64 {
        self.end.saturating_sub(self.bytes.len() as u64).max(self.from)
    }

    /// Where one begins who wants at most so much of the past, and of this stream.
    pub fn join(&self, burst: usize) -> u64 {
        let began = self.streams.back().map_or(0, |stream| stream.began);
        let from = self.end.saturating_sub(burst as u64).max(began);
        let first = self.starts.partition_point(|start| *start < from);
        self.starts.get(first).copied().unwrap_or(self.end)
    }

    pub fn newest(&self) -> u64 {
        self.starts.back().copied().unwrap_or(self.end)
    }

    pub fn is_start(&self, at: u64) -> bool {
        at == self.end || self.starts.binary_search(&at).is_ok()
    }

    /// The end of the unit that holds `at`.
    pub fn unit_end(&self, at: u64) -> u64 {
        self.starts.get(self.starts.partition_point(|start| *start <= at)).copied().unwrap_or(self.end)
    }
}
