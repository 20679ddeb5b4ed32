//! One who listens to a mount.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use event_listener::EventListener;

use super::ring::Stream;
use super::{Manner, Mount, Seat, lock};

/// Who has jumped so often, without having kept up for four times the lag in between, is cut off.
const MOST_JUMPS: u32 = 16;

/// One who listens. Dropped, it does so no more.
#[derive(Debug)]
pub struct Listener {
    mount: Arc<Mount>,
    seat: Arc<Seat>,
    /// Where it goes back to from an heir.
    home: Option<Arc<Mount>>,
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
    /// Jumps that count against it, and bytes heard since the last of them.
    late: (u32, u64),
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
    pub(super) fn new(mount: Arc<Mount>, seat: Arc<Seat>) -> Listener {
        mount.enter(&seat);
        let mut listener = Listener {
            mount,
            seat,
            home: None,
            stream: 0,
            header: Arc::default(),
            said: 0,
            at: 0,
            is_fresh: true,
            is_whole: true,
            jumps: 0,
            late: (0, 0),
        };
        listener.join();
        listener
    }

    fn join(&mut self) {
        let mut ring = self.mount.ring();
        self.at = ring.join(self.mount.manner.burst);
        ring.note(self.at);
        self.seat.at.store(self.at, Relaxed);
        let (stream, header) = ring.streams.back().map_or((0, Arc::default()), |stream| (stream.number, stream.header.clone()));
        (self.stream, self.header, self.said, self.is_fresh, self.is_whole) = (stream, header, 0, true, true);
    }

    fn move_to(&mut self, mount: Arc<Mount>) {
        self.mount.leave(&self.seat);
        self.seat.at.store(u64::MAX, Relaxed);
        mount.enter(&self.seat);
        self.mount = mount;
        self.join();
    }

    /// Comes when something is pushed after this call: to be asked for before [`look`](Listener::look).
    pub fn news(&self) -> EventListener {
        self.mount.bell().listen()
    }

    /// The mount that it hears just now: its own, or an heir.
    pub fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    /// Which of the mount's streams it hears: another one has another number.
    pub fn stream(&self) -> u64 {
        self.stream
    }

    /// How often it was too slow and jumped ahead.
    pub fn jumps(&self) -> u32 {
        self.jumps
    }

    /// What is heard just now, in words.
    pub fn title(&self) -> Arc<str> {
        self.mount.title()
    }

    /// Steps from stream to stream, jumps ahead where that must be, and goes to the mount's heir and back.
    pub fn look(&mut self) -> Outlook {
        if self.seat.is_cut.load(Relaxed) || self.late.0 >= MOST_JUMPS {
            return Outlook::Over;
        }
        if self.is_whole && self.home.as_ref().is_some_and(|home| home.is_running()) {
            self.home.take().into_iter().for_each(|home| self.move_to(home));
        }
        let outlook = self.look_here();
        let heir = (outlook == Outlook::Over && self.is_whole).then(|| lock(&self.mount.heir).clone()).flatten();
        match heir {
            Some(heir) if heir.is_running() && !Arc::ptr_eq(&heir, &self.mount) => {
                let left = self.mount.clone();
                self.move_to(heir);
                self.home.get_or_insert(left);
                self.look_here()
            }
            _ => outlook,
        }
    }

    fn look_here(&mut self) -> Outlook {
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
                // Of events only the newest is wanted: to jump is the rule there.
                self.late = (self.late.0 + u32::from(lag > 0), 0);
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
        let lag = ring.end - self.at;
        self.seat.lag.store(lag, Relaxed);
        let is_late = lag > mount.manner.lag as u64;
        let limit = if is_late { limit.min(ring.unit_end(self.at)) } else { limit };
        let from = ring.place(self.at);
        let until = (from + (limit - self.at) as usize).min(ring.bytes.len());
        let taken = take(&ring.bytes[from..until])?.min(until - from);
        self.is_fresh &= taken == 0;
        self.at += taken as u64;
        self.seat.at.store(self.at, Relaxed);
        self.is_whole = ring.is_start(self.at);
        self.late.1 += taken as u64;
        if self.late.1 > 4 * mount.manner.lag as u64 {
            self.late = (0, 0);
        }
        Ok(taken)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.mount.leave(&self.seat);
    }
}
