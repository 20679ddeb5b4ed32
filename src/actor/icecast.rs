//! Pushes one source's Opus to an Icecast elsewhere, for ever: a side consumer, which hears the source's mount as any listener does.
//!
//! Unreachable, slow, refused, restarted: the source and those who listen here notice nothing. It is tried again after 1.5 s, later
//! every 4 s (one that refuses: once a minute); a server that is too slow loses sound, whole pages at a time.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use event_listener::Listener as _;

use crate::device::clock::Clock;
use crate::device::stream::Client;
use crate::device::stream::push::Lines;
use crate::device::{Fault, FaultKind};
use crate::format::civil::utc_text;
use crate::message::live::{Stage, View};
use crate::message::mount::{self, Listener, Outlook};
use crate::policy::reconnect::{Reconnect, Why};
use crate::status::{ActorStatus, LaneStatus, State};
use crate::time::Mono;

/// How soon a stop is noticed.
const SLICE: Duration = Duration::from_millis(250);
/// A source that brings nothing for so long does not record: the connection is given up until it does.
const SILENCE: Duration = Duration::from_secs(20);
/// A connection that has taken sound for so long is one.
const TRUST: Duration = Duration::from_secs(2);
/// How often what is heard is told anew, with the time.
const TITLE_EVERY: Duration = Duration::from_secs(600);

pub struct Push {
    pub name: Arc<str>,
    pub stage: Arc<Stage>,
    /// With user information.
    pub url: String,
    pub lines: Lines,
    pub client: Client,
    /// For titles, beside the stream.
    pub second: Client,
    pub clock: Arc<dyn Clock>,
    pub actor: Arc<ActorStatus>,
    pub status: Arc<LaneStatus>,
    pub stop: Arc<AtomicBool>,
    pub reconnect: Reconnect,
}

impl Push {
    /// Until a stop.
    pub fn run(mut self) -> Result<(), Fault> {
        while !self.stop.load(Relaxed) {
            self.actor.begin();
            self.actor.enter(State::Device);
            let mut sound = Sound {
                push: &self,
                listener: None,
                heard_at: Instant::now(),
                opened_at: None,
                titled_at: None,
                takes_titles: true,
            };
            let fault = self.client.push(&self.url, &self.lines, &mut sound);
            let opened_at = sound.opened_at.map(|(_, mono)| mono);
            drop(sound);
            opened_at.into_iter().for_each(|at| self.reconnect.opened(at));
            let was_connected = self.status.push.is_connected.swap(false, Relaxed);
            self.actor.enter(State::Idle);
            if !self.stop.load(Relaxed) {
                self.wait(&fault, was_connected);
            }
        }
        Ok(())
    }

    fn wait(&mut self, fault: &Fault, was_connected: bool) {
        let now = self.clock.mono();
        let why = match fault.kind {
            FaultKind::Refused => Why::Refused,
            FaultKind::Config => Why::Wrong,
            FaultKind::Retry | FaultKind::Gone | FaultKind::Stalled | FaultKind::Full => Why::Gone,
        };
        let again = self.reconnect.failed(why, now);
        if self.status.push.trouble.raise(fault) || was_connected {
            log::warn!("[{}] not pushed: {fault}", self.name);
        }
        let until = Instant::now() + Duration::from_nanos(u64::try_from(again.at.since(now)).unwrap_or(0));
        while !self.stop.load(Relaxed) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(SLICE));
            self.actor.enter(State::Idle);
        }
    }

    fn client(&self) -> mount::Client {
        mount::Client {
            peer: "push".into(),
            agent: concat!("soundpost ", env!("CARGO_PKG_VERSION")).into(),
            since: self.clock.mono(),
        }
    }
}

/// The body of the request: a listener of the mount. It begins to listen when it is read first, which is when the server is there.
struct Sound<'a> {
    push: &'a Push,
    listener: Option<Listener>,
    heard_at: Instant,
    /// When the first sound was taken.
    opened_at: Option<(Instant, Mono)>,
    titled_at: Option<Instant>,
    takes_titles: bool,
}

impl Read for Sound<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let push = self.push;
        loop {
            push.actor.enter(State::Device);
            if push.stop.load(Relaxed) {
                return Err(io::Error::other("stopped"));
            }
            let listener = self.listener.get_or_insert_with(|| push.stage.listen(View::Opus, push.client()));
            let news = listener.news();
            match listener.look() {
                Outlook::Over => return Err(io::Error::other("the server is too slow")),
                Outlook::Bytes => {
                    let taken = listener.take(|bytes| {
                        let taken = bytes.len().min(space.len());
                        space[..taken].copy_from_slice(&bytes[..taken]);
                        Ok::<_, io::Error>(taken)
                    })?;
                    if taken > 0 {
                        self.told();
                        return Ok(taken);
                    }
                }
                Outlook::Nothing if self.heard_at.elapsed() > SILENCE => return Err(io::Error::other("the source is silent")),
                Outlook::Nothing => drop(news.wait_timeout(SLICE)),
            }
        }
    }
}

impl Sound<'_> {
    /// Some sound is on its way.
    fn told(&mut self) {
        let (push, status, now) = (self.push, &self.push.status.push, Instant::now());
        self.heard_at = now;
        let (opened_at, _) = *self.opened_at.get_or_insert_with(|| (now, push.clock.mono()));
        // A connection that is refused has taken some by then.
        if now.duration_since(opened_at) > TRUST && !status.is_connected.swap(true, Relaxed) {
            status.connections.fetch_add(1, Relaxed);
            status.trouble.clear();
            log::info!("[{}] pushed", push.name);
        }
        let titled_at = *self.titled_at.get_or_insert(now);
        if self.takes_titles && now.duration_since(titled_at) > TITLE_EVERY {
            self.titled_at = Some(now);
            let title = format!("{} · {}", push.stage.title, utc_text(push.clock.look().wall));
            // Tried once: an Icecast takes none for Ogg.
            self.takes_titles = push.second.title(&push.url, &title).is_ok();
        }
    }
}
