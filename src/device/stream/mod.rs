//! Radio stations: bytes over HTTP as they come, with the titles between them taken out.
//!
//! ```text
//! Agent (all lanes: names, turns, TLS) ─► Client (one lane) ─► Body ─► Radio: ICY out, playlists followed
//! ```
//! Whoever owns a [`Station`] reconnects; here nothing is tried twice but the next address of a list.

pub mod address;
pub mod agent;
pub mod fake;
mod gate;
pub mod hls;
mod names;
pub mod push;
pub(super) mod refusal;
mod tell;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use self::address::Address;
pub use self::address::Auth;
pub use self::agent::{Agent, Body, Client, Fetched, Limits, Options};
pub use self::fake::{Act, FakeStation};
use self::hls::Hls;
pub use self::wire::BUFFER_BYTES;
use crate::device::{Fault, FaultKind};
use crate::format::icy::{self, Deinterleaver, Step};
use crate::format::playlist::{self, Playlist, SNIFF_BYTES};
pub use crate::format::uri::resolve;

/// A plain stream that brings no whole unit for so long is dead, however many bytes trickle in.
const STALL: Duration = Duration::from_secs(8);
/// For one address, from its turn to its first bytes or the whole list: nobody holds a lane with a trickle.
const ATTEMPT: Duration = Duration::from_secs(75);
/// For all addresses together: the recorder must not look as if it hung.
const ALL_ATTEMPTS: Duration = Duration::from_secs(600);
/// Playlists in a row before there is sound.
const MAX_DEPTH: u32 = 3;
/// Addresses tried in one attempt, lists included.
const MAX_TRIES: usize = 16;

#[derive(Clone, Debug)]
pub struct Settings {
    /// First choice, then fall-backs.
    pub urls: Vec<String>,
    pub username: Option<String>,
    pub password: Option<String>,
}

/// What a read brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// So many bytes of sound at the front of the space; at least one.
    Bytes(usize),
    /// What is on from the next byte on.
    Title(Arc<str>),
    /// Closed by the server.
    End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    pub content_type: Option<String>,
    /// For the log: address without secrets, the station's name, content type, bit rate.
    pub text: String,
    /// How long this source may bring no whole unit of sound.
    pub stall: Duration,
}

/// Anything that yields the bytes of a stream. One thread owns it.
pub trait Station: Send {
    /// Connects, or connects anew: what was open is closed first.
    fn connect(&mut self) -> Result<Connected, Fault>;

    /// Waits for something; allocates nothing but a title. After an error or the end it must be connected anew.
    fn read(&mut self, space: &mut [u8]) -> Result<Heard, Fault>;

    /// Closes the connection at once.
    fn hang_up(&mut self);

    /// Whether the last connection brought any sound: after one that did not, the next address is tried first, once.
    fn was_mute(&mut self, _mute: bool) {}
}

/// A station on the network.
pub struct Radio {
    client: Client,
    urls: Vec<String>,
    auth: Option<Auth>,
    on: Option<On>,
    /// The address to begin with.
    from: usize,
    /// An address that led to HLS, and how far it has been followed: kept from connection to connection.
    hls: Option<(String, Box<Hls>)>,
}

/// A connection that brings sound.
struct On {
    body: Body,
    icy: Option<Deinterleaver>,
    /// First bytes that were read to see that they are no playlist.
    first: First,
}

type First = heapless::Vec<u8, SNIFF_BYTES>;

/// What an address led to.
enum Found {
    Sound(Box<On>, Connected),
    Hls(Connected),
    /// Addresses, each with the password that may go there.
    List(Vec<Address>),
}

impl Radio {
    /// `stop`: set by whoever wants the lane to end; seen within 250 ms in whatever is waited for.
    pub fn new(agent: &Agent, settings: Settings, stop: Arc<AtomicBool>) -> Radio {
        let Settings { urls, username, password } = settings;
        let given = username.is_some() || password.is_some();
        let auth = given.then(|| Auth::new(username.unwrap_or_default(), password.unwrap_or_default()));
        Radio { client: agent.client(stop), urls, auth, on: None, from: 0, hls: None }
    }

    fn try_one(&mut self, url: &str, auth: Option<&Auth>) -> Result<Found, Fault> {
        if let Some((_, hls)) = self.hls.as_mut().filter(|(known, _)| known == url) {
            match hls.connect(&self.client) {
                // What was HLS once may be something else by now.
                Err(fault) if fault.kind == FaultKind::Refused => self.hls = None,
                other => return other.map(Found::Hls),
            }
        }
        let mut body = self.client.listen(url, auth)?;
        let content_type = body.content_type();
        let mut first = First::new();
        if playlist::is_doubtful(content_type.as_deref(), body.final_url()) {
            first = first_bytes(&mut body)?;
            if let Some(kind) = playlist::recognise(content_type.as_deref(), body.final_url(), &first) {
                let shown = body.shown();
                let list = body.whole(first.to_vec(), playlist::MAX_BYTES)?;
                return match playlist::read(kind, &list.bytes, &list.final_url) {
                    Playlist::Hls => {
                        let mut hls = Box::new(Hls::new(url, auth));
                        let connected = hls.connect(&self.client)?;
                        self.hls = Some((url.to_owned(), hls));
                        Ok(Found::Hls(connected))
                    }
                    Playlist::Entries(urls) if urls.is_empty() => {
                        Err(Fault::new(FaultKind::Refused, format!("{shown}: is a playlist without an address in it")))
                    }
                    Playlist::Entries(urls) => {
                        let list = Address::new(&list.final_url, auth);
                        Ok(Found::List(urls.iter().map(|url| list.followed(url)).collect()))
                    }
                };
            }
        }
        let (icy, note) = match body.header("icy-metaint").map(|value| icy::interval(&value)) {
            None => (None, None),
            Some(Ok(every)) => (Some(Deinterleaver::new(every)), None),
            Some(Err(why)) => (None, Some(why)),
        };
        let text = described(&body, note);
        Ok(Found::Sound(Box::new(On { body, icy, first }), Connected { content_type, text, stall: STALL }))
    }
}

fn described(body: &Body, note: Option<&str>) -> String {
    let rate = body.header("icy-br").map(|rate| format!("{rate} kbit/s"));
    let parts = [body.header("icy-name"), body.content_type(), rate, note.map(|note| format!("no titles: {note}"))];
    let mut text = body.shown();
    for (part, before) in parts.into_iter().flatten().zip([": ", ", ", ", ", ", "]) {
        text.push_str(before);
        text.push_str(&part);
    }
    text
}

/// Enough to tell a list from sound; fewer at the end.
fn first_bytes(body: &mut Body) -> Result<First, Fault> {
    let mut first = First::new();
    let mut space = [0; SNIFF_BYTES];
    while first.len() < SNIFF_BYTES {
        let n = body.read(&mut space[..SNIFF_BYTES - first.len()])?;
        if n == 0 {
            break;
        }
        let _ = first.extend_from_slice(&space[..n]); // n is no more than the room
    }
    Ok(first)
}

impl Station for Radio {
    fn connect(&mut self) -> Result<Connected, Fault> {
        self.hang_up();
        let mut urls = self.urls.clone();
        urls.rotate_left(self.from.min(self.urls.len()));
        let mut ahead: Vec<(String, Option<Auth>, u32)> = urls.into_iter().rev().map(|url| (url, self.auth.clone(), 0)).collect();
        let mut failures: Vec<Fault> = Vec::new();
        let began = Instant::now();
        for _ in 0..MAX_TRIES {
            let Some((url, auth, depth)) = ahead.pop().filter(|_| began.elapsed() < ALL_ATTEMPTS) else { break };
            self.client.set_until(Some(Instant::now() + ATTEMPT));
            let tried = self.try_one(&url, auth.as_ref());
            self.client.set_until(None);
            match tried {
                Ok(Found::Sound(on, connected)) => {
                    self.on = Some(*on);
                    return Ok(connected);
                }
                Ok(Found::Hls(connected)) => return Ok(connected),
                Ok(Found::List(_)) if depth >= MAX_DEPTH => {
                    failures.push(Fault::new(FaultKind::Refused, "a playlist leads to playlists only, more than three deep"));
                }
                Ok(Found::List(list)) => ahead.extend(list.into_iter().rev().map(|next| (next.url, next.auth, depth + 1))),
                Err(fault) => failures.push(fault),
            }
            if self.client.is_stopped() {
                return Err(Fault::new(FaultKind::Retry, "stopped"));
            }
        }
        Err(all_of(failures))
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Heard, Fault> {
        let heard = match (&mut self.on, &mut self.hls) {
            (Some(on), _) => {
                // Bytes may trickle in that are no sound, such as a title's or a chunk's length.
                self.client.set_until(Some(Instant::now() + STALL));
                let heard = on.read(space);
                self.client.set_until(None);
                heard
            }
            (None, Some((_, hls))) => hls.read(&self.client, space),
            (None, None) => Ok(Heard::End),
        };
        if !matches!(heard, Ok(Heard::Bytes(_) | Heard::Title(_))) {
            self.hang_up();
        }
        heard
    }

    fn was_mute(&mut self, mute: bool) {
        self.from = if mute { (self.from + 1) % self.urls.len().max(1) } else { 0 };
    }

    fn hang_up(&mut self) {
        self.on = None;
        if let Some((_, hls)) = &mut self.hls {
            hls.hang_up();
        }
    }
}

impl On {
    fn read(&mut self, space: &mut [u8]) -> Result<Heard, Fault> {
        if space.is_empty() {
            return Err(Fault::new(FaultKind::Retry, "no space to read into"));
        }
        loop {
            let room = self.icy.as_ref().map_or(usize::MAX, Deinterleaver::room).min(space.len());
            let space = &mut space[..room];
            let n = if self.first.is_empty() { self.body.read(space)? } else { self.take_first(space) };
            if n == 0 {
                return Ok(Heard::End);
            }
            match self.icy.as_mut().map_or(Step::Audio(n), |icy| icy.step(&space[..n])) {
                Step::Audio(n) => return Ok(Heard::Bytes(n)), // all of them: no more than the room was read
                Step::Meta { title: Some(title), .. } => return Ok(Heard::Title(title)),
                Step::Meta { title: None, .. } => {}
            }
        }
    }

    fn take_first(&mut self, space: &mut [u8]) -> usize {
        let n = self.first.len().min(space.len());
        space[..n].copy_from_slice(&self.first[..n]);
        self.first = First::from_slice(&self.first[n..]).unwrap_or_default(); // fewer than before
        n
    }
}

/// One line about all addresses, the first in full. Only what no address could do otherwise needs the configuration changed.
fn all_of(failures: Vec<Fault>) -> Fault {
    let kinds = [FaultKind::Retry, FaultKind::Stalled, FaultKind::Gone, FaultKind::Refused];
    let kind = kinds.into_iter().find(|kind| failures.iter().any(|fault| fault.kind == *kind)).unwrap_or(FaultKind::Config);
    let others = failures.len().saturating_sub(1);
    match failures.into_iter().next() {
        None => Fault::new(FaultKind::Config, "no url to connect to"),
        Some(first) if others == 0 => Fault::new(kind, first.what),
        Some(first) => Fault::new(kind, format!("{} (and {others} more failed)", first.what)),
    }
}
