//! HLS as one more source of bytes: lists and segments over HTTP become one stream of ADTS or MPEG audio (RFC 8216).
//!
//! ```text
//! list ─► policy::hls: which segment ─► fetch ─► Sound: TS or MP4 taken apart, packed audio as it is ─► read
//! ```
//! What was fetched is remembered across reconnects: after a fault the next segment is the next one, and one that broke off is
//! taken up where it broke off. Where sound is missing or is coded otherwise from here on, the connection ends, so that a new
//! file begins.

mod fetch;
mod list;
mod sound;
mod station;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use self::fetch::{Open, PIECE_BYTES, map_bytes, open, patience};
use self::list::List;
use self::sound::{Coding, Sound};
pub use self::station::HlsStation;
use super::address::{Address, Auth};
use super::agent::Client;
use super::gate::SLICE;
use super::{Connected, Heard};
use crate::device::{Fault, FaultKind};
use crate::policy::hls::{Follower, Next};
use crate::time::Mono;

/// A list or a segment is asked for so often before the connection ends.
const TRIES: u32 = 3;
/// For one list, one header, or the shortest segment.
const PATIENCE: Duration = Duration::from_secs(15);

/// One playlist that is followed, from connection to connection.
pub struct Hls {
    url: Address,
    /// The list as it was loaded last.
    list: Option<List>,
    follower: Follower,
    began: Instant,
    connected: bool,
    open: Option<Open>,
    /// Of the segment with this number so many bytes were taken; it is not whole yet.
    broken_off: Option<(u64, u64)>,
    sound: Sound,
    /// What this connection's sound is made of.
    coding: Option<Coding>,
    /// Sound that was not read yet.
    ready: VecDeque<u8>,
    title: Option<Arc<str>>,
    said: Option<Arc<str>>,
    /// When there was sound last, or the connection began.
    heard_at: Instant,
}

/// However long the segments are: a list that stands still must be noticed before it looks as if the recorder hung.
const STALL_MAX: Duration = Duration::from_secs(600);

/// A list may stand still for so long.
fn stall(target_ms: u32) -> Duration {
    (Duration::from_millis(u64::from(target_ms) * 3) + Duration::from_secs(10)).min(STALL_MAX)
}

impl Hls {
    pub fn new(url: &str, auth: Option<&Auth>) -> Hls {
        Hls {
            url: Address::new(url, auth),
            list: None,
            follower: Follower::default(),
            began: Instant::now(),
            connected: false,
            open: None,
            broken_off: None,
            sound: Sound::default(),
            coding: None,
            ready: VecDeque::new(),
            title: None,
            said: None,
            heard_at: Instant::now(),
        }
    }

    /// Loads the list anew; what was fetched before is not fetched again if it is still the same list.
    pub fn connect(&mut self, client: &Client) -> Result<Connected, Fault> {
        self.hang_up();
        let asked = self.now();
        let list = List::find(client, &self.url)?;
        if self.list.as_ref().is_some_and(|old| !old.has_path_of(&list)) {
            // Another variant or another session: its segments are numbered alike if at all, but not made of the same bytes.
            (self.broken_off, self.sound) = (None, Sound::default());
            self.ready.clear();
        }
        list.with(|media, segments| self.follower.loaded(&list::listed(media, segments), asked))?;
        let (target_ms, what) = list.with(|media, _| (media.target_ms, format!("{:?}", media.kind).to_lowercase()))?;
        let stall = stall(target_ms);
        let text = format!("{}: HLS, {what} list, segments of {} s", list.address, f64::from(target_ms) / 1_000.0);
        (self.list, self.connected, self.said) = (Some(list), true, None);
        self.heard_at = Instant::now();
        Ok(Connected { content_type: None, text, stall })
    }

    pub fn hang_up(&mut self) {
        if let Some(open) = self.open.take() {
            self.broken_off = Some((open.number, open.taken));
        }
        (self.connected, self.coding) = (false, None);
    }

    pub fn read(&mut self, client: &Client, space: &mut [u8]) -> Result<Heard, Fault> {
        if !self.connected {
            return Ok(Heard::End);
        }
        if space.is_empty() {
            return Err(Fault::new(FaultKind::Retry, "no space to read into"));
        }
        let mut failures = 0;
        loop {
            if let Some(title) = self.title.take() {
                return Ok(Heard::Title(title));
            }
            if !self.ready.is_empty() {
                let n = self.ready.len().min(space.len());
                self.heard_at = Instant::now();
                self.ready.drain(..n).zip(space.iter_mut()).for_each(|(byte, to)| *to = byte);
                return Ok(Heard::Bytes(n));
            }
            let step = if self.open.is_some() { self.piece(client) } else { self.advance(client) };
            match step {
                Ok(Step::On) if self.heard_at.elapsed() >= stall(self.target_ms()) => {
                    client.set_until(None);
                    let what = format!("{}: no new segment for {} s", self.url, self.heard_at.elapsed().as_secs());
                    return Err(Fault::new(FaultKind::Stalled, what));
                }
                Ok(Step::On) => {}
                Ok(Step::Ended) => return Ok(Heard::End),
                Err(Failed::Fetch(fault)) => {
                    client.set_until(None);
                    failures += 1;
                    if let Some(open) = self.open.take() {
                        self.broken_off = Some((open.number, open.taken));
                    }
                    if failures >= TRIES || client.is_stopped() {
                        self.give_up(&fault);
                        return Err(fault);
                    }
                    self.wait(client, self.now().plus_ns(i64::from(self.target_ms()) * 1_000_000 / 4))?;
                }
                Err(Failed::Final(fault)) => {
                    client.set_until(None);
                    return Err(fault);
                }
            }
        }
    }

    /// Decides what comes next, and begins it.
    fn advance(&mut self, client: &Client) -> Result<Step, Failed> {
        let now = self.now();
        let Some(list) = self.list.take() else { return Err(retry("no list").into()) };
        let follower = &mut self.follower;
        let next = list.with(|media, segments| follower.next(&list::listed(media, segments), now));
        let result = match next {
            Ok(Next::Fetch(index)) => self.begin(client, &list, index),
            Ok(Next::Reload(at)) => self.reload(client, &list, at).map(|list| {
                self.list = Some(list);
                Step::On
            }),
            Ok(Next::Ended) => Ok(Step::Ended),
            Ok(Next::Lost(n)) => self.missing(&list.address, &format!("{n} segments left the list before they came")),
            Ok(Next::Anew) => {
                (self.broken_off, self.sound) = (None, Sound::default());
                self.missing(&list.address, "the server counts its segments anew")
            }
            Err(fault) => Err(fault.into()),
        };
        self.list.get_or_insert(list);
        result
    }

    /// Sound is missing here, which ends the connection if it has brought any.
    fn missing(&self, address: &Address, what: &str) -> Result<Step, Failed> {
        if self.coding.is_some() { Err(retry(format!("{address}: {what}")).into()) } else { Ok(Step::On) }
    }

    fn reload(&mut self, client: &Client, list: &List, at: Mono) -> Result<List, Failed> {
        self.wait(client, at)?;
        let asked = self.now();
        let list = List::load(client, &list.address).map_err(Failed::Fetch)?;
        list.with(|media, segments| self.follower.loaded(&list::listed(media, segments), asked))?;
        Ok(list)
    }

    /// Opens the segment, and fetches the header that it needs.
    fn begin(&mut self, client: &Client, list: &List, index: usize) -> Result<Step, Failed> {
        list.with(|media, segments| {
            let Some(segment) = media.segments.get(index) else { return Ok(Step::On) };
            let number = media.sequence.saturating_add(index as u64);
            let resumed = self.broken_off.take().filter(|(broken, _)| *broken == number).map_or(0, |(_, taken)| taken);
            if segment.gap {
                self.follower.taken(&list::listed(media, segments), index, self.now());
                return self.missing(&list.address, "the server has no sound for a segment");
            }
            client.set_until(Some(Instant::now() + patience(media)));
            if resumed == 0 {
                let map = segment.map.map(|map| (list.address.followed(map.uri), map.range));
                self.sound.begin(segment.discontinuity, segment.range.map_or(0, |range| range.from));
                if let Some(map) = map.filter(|map| !self.sound.has_map(map)) {
                    let bytes = map_bytes(client, &map.0, map.1).map_err(Failed::Fetch)?;
                    self.sound.set_map(map, &bytes).map_err(|what| refused(&list.address, what))?;
                }
                self.say(list::title(segment.title));
            }
            let address = list.address.followed(segment.uri);
            // Taken up again from the start of its range: not every server can give a part of a part.
            let (body, skip) = open(client, &address, segment.range).map_err(Failed::Fetch)?;
            let left = segment.range.map(|range| range.bytes.saturating_sub(resumed));
            self.open = Some(Open { body, number, skip: skip.saturating_add(resumed), left, taken: resumed });
            Ok(Step::On)
        })?
    }

    /// The next bytes of the segment that is open.
    fn piece(&mut self, client: &Client) -> Result<Step, Failed> {
        let Some(open) = &mut self.open else { return Ok(Step::On) };
        let mut space = [0; PIECE_BYTES];
        let n = open.fill(&mut space).map_err(Failed::Fetch)?;
        let piece = space.get(..n).unwrap_or_default();
        let (ready, at_start) = (&mut self.ready, open.taken == 0);
        let address = &self.url;
        self.sound.push(piece, at_start, &mut |bytes| ready.extend(bytes)).map_err(|what| refused(address, what))?;
        if let (Some(was), Some(is)) = (self.coding, self.sound.coding()) {
            if was != is {
                // Nothing of it is heard yet: the next connection begins with it.
                let what = format!("{address}: goes on in {} instead of {}", is.name(), was.name());
                (self.open, self.broken_off) = (None, None);
                self.ready.clear();
                self.sound = Sound::default();
                return Err(retry(what).into());
            }
        }
        self.coding = self.sound.coding();
        open.taken = open.taken.saturating_add(n as u64);
        let whole = n < PIECE_BYTES;
        let number = open.number;
        if whole {
            client.set_until(None);
            self.open = None;
            self.finish(number)?;
        }
        let title = self.sound.take_title();
        self.say(title.as_deref().map(Arc::from));
        Ok(Step::On)
    }

    /// The segment with this number is dealt with.
    fn finish(&mut self, number: u64) -> Result<(), Fault> {
        let now = self.now();
        let Some(list) = &self.list else { return Ok(()) };
        let follower = &mut self.follower;
        list.with(|media, segments| {
            let index = number.checked_sub(media.sequence).and_then(|index| usize::try_from(index).ok());
            if let Some(index) = index {
                follower.taken(&list::listed(media, segments), index, now);
            }
        })
    }

    /// A segment that the server does not have is passed over; one that cannot be had now stands in the list a while longer.
    fn give_up(&mut self, fault: &Fault) {
        if !matches!(fault.kind, FaultKind::Gone | FaultKind::Refused | FaultKind::Config) {
            return;
        }
        let now = self.now();
        if let Some(list) = &self.list {
            let follower = &mut self.follower;
            let _ = list.with(|media, segments| {
                let listed = list::listed(media, segments);
                if let Next::Fetch(index) = follower.next(&listed, now) {
                    follower.taken(&listed, index, now);
                }
            });
        }
        self.broken_off = None;
    }

    fn say(&mut self, title: Option<Arc<str>>) {
        if title.is_some() && title != self.said {
            self.said.clone_from(&title);
            self.title = title;
        }
    }

    fn target_ms(&self) -> u32 {
        self.list.as_ref().and_then(|list| list.with(|media, _| media.target_ms).ok()).unwrap_or(10_000)
    }

    /// In slices, so that the end of the lane is noticed.
    fn wait(&self, client: &Client, until: Mono) -> Result<(), Fault> {
        loop {
            if client.is_stopped() {
                return Err(retry("stopped"));
            }
            match u64::try_from(until.since(self.now())) {
                Ok(ns) if ns > 0 => thread::sleep(SLICE.min(Duration::from_nanos(ns))),
                _ => return Ok(()),
            }
        }
    }

    fn now(&self) -> Mono {
        Mono(i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }
}

enum Step {
    On,
    Ended,
}

/// What may be tried again at once, and what ends the connection.
enum Failed {
    Fetch(Fault),
    Final(Fault),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        Failed::Final(fault)
    }
}

fn retry(what: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Retry, what)
}

fn refused(address: &Address, what: impl std::fmt::Display) -> Failed {
    Failed::Final(Fault::new(FaultKind::Refused, format!("{address}: {what}")))
}
