//! A mount: the newest bytes of a stream, in one ring for all who listen, each with a cursor of its own.
//!
//! One writer pushes whole *units* (a page, a packet, an event); whoever joins hears the stream's header and then units from a
//! start on. Nothing is copied for a listener and nobody is waited for: who is too far behind jumps ahead from the end of a unit
//! to the start of another, and is cut off when what it was in the middle of is gone.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::{Event, EventListener};

/// How a mount treats its listeners. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// What the ring holds.
    pub ring: usize,
    /// Of the past, for whoever joins or jumps; at most that, from the start of a unit on.
    pub burst: usize,
    /// Who is farther behind jumps ahead. 0: only the newest unit is of interest.
    pub lag: usize,
    /// Whoever hears a stream may go on with the next one, which has a header of its own; else it is over for them.
    pub chains: bool,
}

/// Streams that may follow each other before a listener has heard the first of them.
const MOST_STREAMS: usize = 8;

#[derive(Debug)]
pub struct Mount {
    manner: Manner,
    ring: Mutex<Ring>,
    news: Event,
    listeners: AtomicUsize,
}

/// Positions are counts of all bytes that ever were pushed.
#[derive(Debug, Default)]
struct Ring {
    /// Empty while nobody listens.
    bytes: Box<[u8]>,
    end: u64,
    /// Of the units that are whole in the ring, oldest first.
    starts: VecDeque<u64>,
    /// The newest one, and those before it of which there may be something in the ring.
    streams: VecDeque<Stream>,
    is_over: bool,
}

#[derive(Clone, Debug)]
struct Stream {
    number: u64,
    began: u64,
    header: Arc<[u8]>,
}

impl Mount {
    pub fn new(manner: Manner) -> Mount {
        Mount { manner, ring: Mutex::default(), news: Event::new(), listeners: AtomicUsize::new(0) }
    }

    pub fn listeners(&self) -> usize {
        self.listeners.load(SeqCst)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on it is another stream, that begins with `header`. Who listens hears the one before to its end.
    pub fn begin(&self, header: &[u8]) {
        let mut ring = self.ring();
        let number = ring.streams.back().map_or(1, |stream| stream.number + 1);
        let began = ring.end;
        ring.streams.push_back(Stream { number, began, header: header.into() });
        ring.forget();
        ring.is_over = false;
        drop(ring);
        self.news.notify(usize::MAX);
    }

    /// The stream is over. Who comes now has no header until another one begins; for nobody nothing is kept.
    pub fn rest(&self) {
        let mut ring = self.ring();
        if self.listeners() == 0 {
            ring.clear();
        }
        let is_begun = ring.streams.back().is_some_and(|stream| !stream.header.is_empty());
        drop(ring);
        if is_begun {
            self.begin(b"");
        }
    }

    /// A whole unit. One that is larger than the ring is heard by nobody, and without listeners there is none.
    pub fn push(&self, unit: &[u8]) {
        let mut ring = self.ring();
        if self.listeners() == 0 {
            return ring.clear();
        }
        ring.push(unit, self.manner.ring);
        drop(ring);
        self.news.notify(usize::MAX);
    }

    /// Who listens hears what there is, and then that it is over.
    pub fn end(&self) {
        self.ring().is_over = true;
        self.news.notify(usize::MAX);
    }

    /// One more who listens, from the next header on, or in the middle of what there is.
    pub fn listen(self: &Arc<Mount>) -> Listener {
        self.listeners.fetch_add(1, SeqCst);
        let ring = self.ring();
        let at = ring.join(self.manner.burst);
        let (stream, header) = ring.streams.back().map_or((0, Arc::default()), |stream| (stream.number, stream.header.clone()));
        Listener { mount: self.clone(), stream, header, said: 0, at, is_fresh: true, is_whole: true, jumps: 0 }
    }
}

impl Ring {
    fn clear(&mut self) {
        self.bytes = Box::default();
        self.starts.clear();
        self.forget();
    }

    /// Streams of which nothing is left.
    fn forget(&mut self) {
        let oldest = self.oldest();
        while self.streams.get(1).is_some_and(|next| next.began <= oldest && next.began < self.end) {
            self.streams.pop_front();
        }
        if self.streams.len() > MOST_STREAMS {
            self.streams.pop_front();
        }
    }

    /// The one after it, which begins where it ends.
    fn next(&self, number: u64) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.number > number)
    }

    fn push(&mut self, unit: &[u8], room: usize) {
        if unit.is_empty() || unit.len() > room {
            return;
        }
        if self.bytes.is_empty() {
            self.bytes = vec![0; room].into_boxed_slice();
        }
        let at = self.place(self.end);
        let first = unit.len().min(self.bytes.len() - at);
        self.bytes[at..at + first].copy_from_slice(&unit[..first]);
        self.bytes[..unit.len() - first].copy_from_slice(&unit[first..]);
        self.starts.push_back(self.end);
        self.end += unit.len() as u64;
        let oldest = self.oldest();
        while self.starts.front().is_some_and(|start| *start < oldest) {
            self.starts.pop_front();
        }
        self.forget();
    }

    fn place(&self, at: u64) -> usize {
        (at % self.bytes.len().max(1) as u64) as usize
    }

    /// What is before this is gone.
    fn oldest(&self) -> u64 {
        self.end.saturating_sub(self.bytes.len() as u64)
    }

    /// Where one begins who wants at most so much of the past, and of this stream.
    fn join(&self, burst: usize) -> u64 {
        let began = self.streams.back().map_or(0, |stream| stream.began);
        let from = self.end.saturating_sub(burst as u64).max(began);
        let first = self.starts.partition_point(|start| *start < from);
        self.starts.get(first).copied().unwrap_or(self.end)
    }

    fn newest(&self) -> u64 {
        self.starts.back().copied().unwrap_or(self.end)
    }

    fn is_start(&self, at: u64) -> bool {
        at == self.end || self.starts.binary_search(&at).is_ok()
    }

    /// The end of the unit that holds `at`.
    fn unit_end(&self, at: u64) -> u64 {
        self.starts.get(self.starts.partition_point(|start| *start <= at)).copied().unwrap_or(self.end)
    }
}

/// One who listens. Dropped, it does so no more.
#[derive(Debug)]
pub struct Listener {
    mount: Arc<Mount>,
    stream: u64,
    header: Arc<[u8]>,
    /// Bytes of the header that were taken.
    said: usize,
    at: u64,
    /// It has not heard anything yet.
    is_fresh: bool,
    /// It stands between two units.
    is_whole: bool,
    jumps: u32,
}

/// What there is for a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    Bytes,
    /// Wait for [`Listener::news`].
    Nothing,
    /// The stream is over, or the listener was too slow for it.
    Over,
}

impl Listener {
    /// Comes when something is pushed after this call: to be asked for before [`look`](Listener::look).
    pub fn news(&self) -> EventListener {
        self.mount.news.listen()
    }

    /// How often it was too slow and jumped ahead.
    pub fn jumps(&self) -> u32 {
        self.jumps
    }

    /// Steps from stream to stream and jumps ahead where that must be.
    pub fn look(&mut self) -> Outlook {
        let mount = self.mount.clone();
        let ring = mount.ring();
        if self.said < self.header.len() {
            return Outlook::Bytes;
        }
        let Manner { lag, burst, chains, .. } = mount.manner;
        let newest = ring.streams.back().map_or(0, |stream| stream.number);
        if self.is_fresh && self.stream != newest {
            self.at = ring.streams.back().map_or(ring.end, |stream| stream.began); // it was there before
            self.enter(ring.streams.back());
        } else if let Some(next) = ring.next(self.stream).filter(|next| self.at >= next.began) {
            if !chains {
                return Outlook::Over;
            }
            self.at = next.began;
            self.enter(Some(next));
        } else if self.is_whole {
            let is_late = ring.end - self.at > lag as u64 && self.at != ring.newest();
            let ahead = if lag == 0 { ring.newest() } else { ring.join(burst) };
            if is_late && ahead > self.at {
                if self.stream != newest && !chains {
                    return Outlook::Over;
                }
                (self.at, self.jumps) = (ahead, self.jumps.saturating_add(1));
                self.enter(ring.streams.back().filter(|stream| stream.number != self.stream));
            }
        } else if self.at < ring.oldest() || ring.bytes.is_empty() {
            return Outlook::Over;
        }
        match self.said < self.header.len() || self.at < ring.end {
            true => Outlook::Bytes,
            false if ring.is_over => Outlook::Over,
            false => Outlook::Nothing,
        }
    }

    fn enter(&mut self, stream: Option<&Stream>) {
        if let Some(stream) = stream {
            (self.stream, self.header, self.said) = (stream.number, stream.header.clone(), 0);
        }
    }

    /// Shows the next bytes, at least one after [`Outlook::Bytes`] unless they are gone by now, and takes as many as `take` says.
    pub fn take<E>(&mut self, take: impl FnOnce(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        if let Some(rest) = self.header.get(self.said..).filter(|rest| !rest.is_empty()) {
            let taken = take(rest)?;
            self.is_fresh &= taken == 0;
            self.said += taken;
            return Ok(taken);
        }
        let mount = self.mount.clone();
        let ring = mount.ring();
        if self.at < ring.oldest() || ring.bytes.is_empty() {
            return Ok(0);
        }
        // To the end of its stream; of the unit only, if it should jump behind that.
        let limit = ring.next(self.stream).map_or(ring.end, |next| next.began.max(self.at));
        let is_late = ring.end - self.at > mount.manner.lag as u64;
        let limit = if is_late { limit.min(ring.unit_end(self.at)) } else { limit };
        let from = ring.place(self.at);
        let until = (from + (limit - self.at) as usize).min(ring.bytes.len());
        let taken = take(&ring.bytes[from..until])?;
        self.is_fresh &= taken == 0;
        self.at += taken.min(until - from) as u64;
        self.is_whole = ring.is_start(self.at);
        Ok(taken)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.mount.listeners.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests;
