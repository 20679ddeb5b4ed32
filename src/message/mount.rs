//! A mount: the newest bytes of a stream, in one ring for all who listen, each with a cursor of its own.
//!
//! One writer pushes whole *units* (a page, a packet, an event); whoever joins hears the stream's header and then units from a
//! start on. Nothing is copied for a listener and nobody is waited for: who is too far behind jumps ahead from the end of a unit
//! to the start of another, and is cut off when what it was in the middle of is gone, or when it must jump again and again. Whose
//! stream is over goes on with the mount's heir, if it has one, and comes back when there is something again.

mod listener;
mod ring;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;

pub use self::listener::{Listener, Outlook};
use self::ring::{Ring, Stream};
use crate::time::Mono;

/// How a mount treats its listeners. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// What the ring holds at most: as much as the slowest of its listeners needs, and at first less.
    pub ring: usize,
    /// Of the past, for whoever joins or jumps; at most that, from the start of a unit on.
    pub burst: usize,
    /// Who is farther behind jumps ahead. 0: only the newest unit is of interest.
    pub lag: usize,
    /// Whoever hears a stream may go on with the next one, which has a header of its own; else it is over for them.
    pub chains: bool,
    /// There is something for whoever joins, even if nobody listened before: the ring is there as long as the mount.
    pub is_warm: bool,
}

#[derive(Debug)]
pub struct Mount {
    manner: Manner,
    ring: Mutex<Ring>,
    news: Event,
    listeners: AtomicUsize,
    peak: AtomicUsize,
    seats: Mutex<Vec<Arc<Seat>>>,
    heir: Mutex<Option<Arc<Mount>>>,
    title: Mutex<Arc<str>>,
}

/// Who listens, as those may know who look after the recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub peer: String,
    /// What it calls itself.
    pub agent: String,
    pub since: Mono,
}

/// The place of a listener.
#[derive(Debug)]
pub struct Seat {
    /// Of all listeners of this run.
    pub id: u64,
    pub client: Client,
    /// It is to leave.
    is_cut: AtomicBool,
    /// Bytes that it is behind by.
    pub lag: AtomicU64,
    /// It has heard what is before this; not looked for before it has joined.
    at: AtomicU64,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mount {
    pub fn new(manner: Manner) -> Mount {
        Mount {
            manner,
            ring: Mutex::default(),
            news: Event::new(),
            listeners: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            seats: Mutex::default(),
            heir: Mutex::default(),
            title: Mutex::new(Arc::from("")),
        }
    }

    pub fn listeners(&self) -> usize {
        self.listeners.load(SeqCst)
    }

    /// The most there ever were at a time.
    pub fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }

    pub fn seats(&self) -> Vec<Arc<Seat>> {
        lock(&self.seats).clone()
    }

    /// Rings when something is pushed.
    pub fn bell(&self) -> &Event {
        &self.news
    }

    /// Sends a listener away; whether it was there.
    pub fn cut(&self, id: u64) -> bool {
        let found = lock(&self.seats).iter().find(|seat| seat.id == id).map(|seat| seat.is_cut.store(true, Relaxed));
        self.news.notify(usize::MAX);
        found.is_some()
    }

    /// Where listeners go on while this one has nothing.
    pub fn set_heir(&self, heir: Option<Arc<Mount>>) {
        *lock(&self.heir) = heir;
    }

    /// What is heard just now, in words; empty when nobody knows.
    pub fn title(&self) -> Arc<str> {
        lock(&self.title).clone()
    }

    pub fn set_title(&self, title: &str) {
        *lock(&self.title) = title.into();
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        lock(&self.ring)
    }

    /// Something has begun and is not over.
    pub fn is_running(&self) -> bool {
        let ring = self.ring();
        !ring.is_over && !ring.is_awaited && !ring.streams.is_empty()
    }

    /// From here on it is another stream, that begins with `header`. Who listens hears the one before to its end.
    pub fn begin(&self, header: &[u8]) {
        let mut ring = self.ring();
        let number = ring.streams.back().map_or(1, |stream| stream.number + 1);
        let began = ring.end;
        ring.streams.push_back(Stream { number, began, header: header.into() });
        ring.forget();
        (ring.is_over, ring.is_awaited) = (false, false);
        drop(ring);
        self.news.notify(usize::MAX);
    }

    /// A stream will begin soon: whoever comes until then waits for it.
    pub fn open(&self) {
        if !self.ring().streams.is_empty() {
            self.begin(b"");
        }
        let mut ring = self.ring();
        (ring.is_over, ring.is_awaited) = (false, true);
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
        self.pass(unit, true);
    }

    /// More of the last unit: nobody begins with it.
    pub fn append(&self, more: &[u8]) {
        self.pass(more, false);
    }

    fn pass(&self, bytes: &[u8], is_start: bool) {
        let mut ring = self.ring();
        if self.listeners() == 0 && !self.manner.is_warm {
            return ring.clear();
        }
        let slowest = || lock(&self.seats).iter().map(|seat| seat.at.load(Relaxed)).min().unwrap_or(u64::MAX);
        ring.push(bytes, is_start, self.manner, slowest);
        drop(ring);
        self.news.notify(usize::MAX);
    }

    /// Who listens hears what there is, and then that it is over.
    pub fn end(&self) {
        self.ring().is_over = true;
        self.news.notify(usize::MAX);
    }

    /// One more who listens, from the next header on, or in the middle of what there is.
    pub fn listen(self: &Arc<Mount>, client: Client) -> Listener {
        let (id, at) = (NEXT_ID.fetch_add(1, Relaxed), AtomicU64::new(u64::MAX));
        let seat = Seat { id, client, is_cut: AtomicBool::new(false), lag: AtomicU64::new(0), at };
        Listener::new(self.clone(), Arc::new(seat))
    }

    fn enter(&self, seat: &Arc<Seat>) {
        let there = self.listeners.fetch_add(1, SeqCst) + 1;
        self.peak.fetch_max(there, Relaxed);
        lock(&self.seats).push(seat.clone());
    }

    fn leave(&self, seat: &Arc<Seat>) {
        lock(&self.seats).retain(|other| !Arc::ptr_eq(other, seat));
        self.listeners.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests;
