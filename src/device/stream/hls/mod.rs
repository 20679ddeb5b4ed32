//! HLS as one more source of bytes: lists and segments over HTTP become one stream of ADTS or MPEG audio (RFC 8216).
//!
//! ```text
//! list ─► policy::hls: which segment ─► fetch ─► Sound: TS or MP4 taken apart, packed audio as it is ─► read
//! ```
//! What was fetched is remembered across reconnects: after a fault the next segment is the next one, and one that broke off is
//! taken up where it broke off. Where sound is missing or is coded otherwise from here on, the connection ends, so that a new
//! file begins.

mod list;
mod sound;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use self::list::List;
use self::sound::{Coding, Sound};
use super::address::{Address, Auth};
use super::agent::{Agent, Body, Client};
use super::gate::SLICE;
use super::{Connected, Heard, Settings, Station};
use crate::device::{Fault, FaultKind};
use crate::format::hls::{ByteRange, Media};
use crate::policy::hls::{Follower, Next};
use crate::time::Mono;

/// Read from a segment at once. Of MP4 it may become eight times as much.
const PIECE_BYTES: usize = 2 << 10;
/// An EXT-X-MAP is a few hundred bytes.
const MAP_BYTES: usize = 256 << 10;
/// A list or a segment is asked for so often before the connection ends.
const TRIES: u32 = 3;
/// For one list, one header, or the shortest segment.
const PATIENCE: Duration = Duration::from_secs(15);

/// A station whose addresses are HLS playlists.
pub struct HlsStation {
    client: Client,
    auth: Option<Auth>,
    urls: Vec<String>,
    /// The address that was connected last, and what is known of it.
    on: Option<(usize, Hls)>,
}

impl HlsStation {
    /// `stop`: as for [`Radio`](super::Radio).
    pub fn new(agent: &Agent, settings: Settings, stop: Arc<AtomicBool>) -> HlsStation {
        let Settings { urls, username, password } = settings;
        let given = username.is_some() || password.is_some();
        let auth = given.then(|| Auth::new(username.unwrap_or_default(), password.unwrap_or_default()));
        HlsStation { client: agent.client(stop), urls, auth, on: None }
    }
}

impl Station for HlsStation {
    fn connect(&mut self) -> Result<Connected, Fault> {
        let mut failure = None;
        for (n, url) in self.urls.iter().enumerate() {
            // What is known of the last one holds until another one has brought sound.
            let mut other = None;
            let hls = match &mut self.on {
                Some((on, hls)) if *on == n => hls,
                _ => other.insert(Hls::new(url, self.auth.as_ref())),
            };
            match hls.connect(&self.client) {
                Ok(connected) => {
                    self.on = other.map(|hls| (n, hls)).or_else(|| self.on.take());
                    return Ok(connected);
                }
                Err(fault) => failure = failure.or(Some(fault)),
            }
        }
        Err(failure.unwrap_or_else(|| Fault::new(FaultKind::Config, "no url to connect to")))
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Heard, Fault> {
        let Some((_, hls)) = &mut self.on else { return Ok(Heard::End) };
        let heard = hls.read(&self.client, space);
        if !matches!(heard, Ok(Heard::Bytes(_) | Heard::Title(_))) {
            self.hang_up();
        }
        heard
    }

    fn hang_up(&mut self) {
        if let Some((_, hls)) = &mut self.on {
            hls.hang_up();
        }
    }
}

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
}

/// A segment that is being fetched.
struct Open {
    body: Body,
    number: u64,
    /// Bytes of the answer that stand before what is wanted.
    skip: u64,
    /// Bytes of the byte range that are still to come.
    left: Option<u64>,
    taken: u64,
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
        let stall = Duration::from_millis(u64::from(target_ms) * 3) + Duration::from_secs(10);
        let text = format!("{}: HLS, {what} list, segments of {} s", list.address, f64::from(target_ms) / 1_000.0);
        (self.list, self.connected, self.said) = (Some(list), true, None);
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
                self.ready.drain(..n).zip(space.iter_mut()).for_each(|(byte, to)| *to = byte);
                return Ok(Heard::Bytes(n));
            }
            let step = if self.open.is_some() { self.piece(client) } else { self.advance(client) };
            match step {
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

impl Open {
    /// Fewer bytes than there is space for: the segment is whole.
    fn fill(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        let mut have = 0;
        let mut dust = [0; 1_024];
        while self.skip > 0 {
            let most = usize::try_from(self.skip).map_or(dust.len(), |skip| skip.min(dust.len()));
            match self.body.read(&mut dust[..most])? {
                0 => return Ok(0),
                n => self.skip -= n as u64, // no more than was asked for
            }
        }
        while have < space.len() {
            let room = space.len() - have;
            let most = self.left.map_or(room, |left| usize::try_from(left).map_or(room, |left| left.min(room)));
            let n = if most == 0 { 0 } else { self.body.read(&mut space[have..have + most])? };
            if n == 0 {
                break;
            }
            have += n;
            self.left = self.left.map(|left| left.saturating_sub(n as u64));
        }
        Ok(have)
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

/// A segment that takes longer than this never comes in time.
fn patience(media: &Media) -> Duration {
    PATIENCE.max(Duration::from_millis(u64::from(media.target_ms) * 3))
}

/// The answer, and how many bytes of it stand before the range: servers may give all.
fn open(client: &Client, address: &Address, range: Option<ByteRange>) -> Result<(Body, u64), Fault> {
    let asked = range.map(|range| (range.from, range.from.saturating_add(range.bytes.max(1) - 1)));
    let body = client.open(&address.url, address.auth.as_ref(), asked)?;
    let is_part = body.header("content-range").is_some();
    Ok((body, range.filter(|_| !is_part).map_or(0, |range| range.from)))
}

fn map_bytes(client: &Client, address: &Address, range: Option<ByteRange>) -> Result<Vec<u8>, Fault> {
    let (body, skip) = open(client, address, range)?;
    let left = Some(range.map_or(MAP_BYTES as u64, |range| range.bytes.min(MAP_BYTES as u64)));
    let mut open = Open { body, number: 0, skip, left, taken: 0 };
    let mut bytes = Vec::new();
    loop {
        let mut space = [0; PIECE_BYTES];
        let n = open.fill(&mut space)?;
        bytes.extend_from_slice(space.get(..n).unwrap_or_default());
        if n < PIECE_BYTES {
            return Ok(bytes);
        }
    }
}
