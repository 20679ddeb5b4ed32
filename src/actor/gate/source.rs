//! A source that feeds a mount: its password, its place, and then its stream, which goes through as it comes.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use smol::io::AsyncReadExt;
use smol::{Async, Timer};

use super::{Gate, carry, within};
use crate::format::stream::pass::{Pass, Passed};
use crate::message::relay::{Feed, Refused, matches};
use crate::time::Mono;
use crate::web::admission::{Host, Phase};
use crate::web::answer::{Head, Refusal, Status};
use crate::web::auth::{Checked, basic};
use crate::web::chunked::Chunked;
use crate::web::head::{Length, RequestHead};
use crate::web::icecast::{self, CHALLENGE};
use crate::web::route;

/// What is read at once.
const PIECE: usize = 8 << 10;
/// A source that sends faster than anything sounds rests between two of these, so that others are served in between: 4 MB/s are
/// twice what the widest sound needs (stereo, 24 bits, 384 kHz).
const GULP: usize = 64 << 10;
const GULP_EVERY: Duration = Duration::from_millis(16);
const LEAST_REST: Duration = Duration::from_millis(1);
/// A stream that comes in small pieces is read so often only: its listeners are then served less often, each with more, and have
/// five seconds of sound in hand anyway. What comes less often is not kept waiting.
const GATHER: Duration = Duration::from_millis(250);
/// What brings more in that time is no slow stream: nothing is to be gathered, and the network's buffers are not to fill.
const SLOW: usize = 32 << 10;
/// Before a source is told that its password is wrong.
const THOUGHT: Duration = Duration::from_secs(1);

/// Until the source ends, is silent for too long, or is sent away. `begun`: what came with its head.
pub async fn feed(
    gate: &Gate,
    number: u64,
    stream: &mut Async<TcpStream>,
    peer: IpAddr,
    head: &RequestHead,
    begun: Vec<u8>,
) -> io::Result<()> {
    gate.enters(number, Phase::Served);
    let feed = match admitted(gate, head, peer) {
        Ok(feed) => feed,
        Err(refusal) => {
            if refusal.status == Status::Unauthorized {
                Timer::after(THOUGHT).await;
            }
            return carry::all(stream, &refusal.bytes(false)).await;
        }
    };
    gate.enters(number, Phase::Feeding);
    carry::all(stream, icecast::welcome(head)).await?;
    let path = feed.relayed.path.clone();
    log::info!("{path}: fed by {peer}");
    let end = passed(gate, stream, head, &feed, begun).await;
    match &end {
        Ok(()) => log::info!("{path}: its source has ended"),
        Err(e) if e.kind() == io::ErrorKind::TimedOut => log::warn!("{path}: its source says nothing more"),
        Err(e) => log::warn!("{path}: its source has gone: {e}"),
    }
    drop(feed);
    if icecast::has_end(head) && !matches!(&end, Err(e) if e.kind() != io::ErrorKind::InvalidData) {
        let answer = match end {
            Ok(()) => Head::new(Status::Ok).length(0).finish(),
            Err(e) => Refusal::new(Status::UnprocessableContent, format!("It cannot be passed on: {e}.")).bytes(false),
        };
        carry::all(stream, &answer).await?;
    }
    Ok(())
}

/// Its place, or why it has none.
fn admitted(gate: &Gate, head: &RequestHead, peer: IpAddr) -> Result<Feed, Refusal> {
    let (settings, now) = (&gate.mounts.settings, gate.clock.look());
    let Some(wanted) = settings.source_password.as_deref() else {
        return Err(Refusal::new(Status::Forbidden, "Nothing is relayed here: source_password is not set in [live]."));
    };
    let given = head.line("authorization").and_then(basic);
    let mut words = gate.words.lock().unwrap_or_else(PoisonError::into_inner);
    match words.look(&[Some(wanted)], given.as_deref(), Host::of(peer), now.mono) {
        Checked::Right => {}
        Checked::Wait(seconds) => {
            let wait = Refusal::new(Status::TooManyRequests, "Too many wrong passwords: wait a little.");
            return Err(wait.with("Retry-After", seconds.to_string()));
        }
        Checked::Wrong | Checked::Unknown => {
            let why = "The source password is needed.";
            return Err(Refusal::new(Status::Unauthorized, why).with("WWW-Authenticate", CHALLENGE));
        }
    }
    drop(words);
    let path = route::mount(&head.target)?;
    if !settings.patterns.iter().any(|pattern| matches(pattern, &path)) {
        return Err(Refusal::new(Status::Forbidden, "This mount is not one of those in [live] mounts."));
    }
    let about = icecast::about(head, &peer.to_canonical().to_string(), now.wall, now.mono);
    gate.mounts.feed(&path, about).map_err(|refused| match refused {
        Refused::InUse => Refusal::new(Status::Forbidden, "Mountpoint in use"), // as sources know it
        Refused::Full => Refusal::new(Status::Unavailable, "Too many sources feed mounts already."),
    })
}

/// The body, without its framing, into the mount.
async fn passed(gate: &Gate, stream: &mut Async<TcpStream>, head: &RequestHead, feed: &Feed, begun: Vec<u8>) -> io::Result<()> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let (relayed, mount) = (&feed.relayed, &feed.relayed.mount);
    let media = head.line("content-type").map(|value| value.split(';').next().unwrap_or_default().trim().to_owned());
    let mut pass = Pass::new(media);
    let mut push = |bytes: &[u8]| {
        relayed.bytes_read.fetch_add(bytes.len() as u64, Relaxed);
        pass.push(bytes, &mut |passed| match passed {
            Passed::Headers(header) => mount.begin(header),
            Passed::Unit(unit) => mount.push(unit),
            Passed::More(more) => mount.append(more),
        })
    };
    let mut chunked = (head.body == Length::Chunked).then(Chunked::default);
    let mut left = if let Length::Bytes(bytes) = head.body { bytes } else { u64::MAX };
    let mut piece = begun;
    let (mut gulp, mut gathered, mut rested) = (0, 0, gate.clock.mono());
    loop {
        let bytes = &piece[..usize::try_from(left).unwrap_or(usize::MAX).min(piece.len())];
        match &mut chunked {
            Some(chunked) => {
                let mut done = Ok(());
                chunked.push(bytes, |bytes| done = done.and_then(|()| push(bytes))).and(done).map_err(invalid)?;
            }
            None => push(bytes).map_err(invalid)?,
        }
        left -= bytes.len() as u64;
        if left == 0 || chunked.as_ref().is_some_and(Chunked::is_over) || relayed.is_cut() {
            return Ok(());
        }
        gulp += bytes.len();
        gathered += bytes.len();
        if gulp >= GULP {
            Timer::after(rest(rested, gate.clock.mono())).await;
            (gulp, rested) = (0, gate.clock.mono());
        } else if piece.len() < PIECE {
            if gathered < SLOW {
                Timer::after(GATHER).await;
            }
            gathered = 0;
        }
        piece.resize(PIECE, 0);
        // A source that is faster than the network is read: others have their turn.
        smol::future::yield_now().await;
        match within(gate.mounts.settings.patience, stream.read(&mut piece)).await? {
            0 if !icecast::has_end(head) => return Ok(()),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => piece.truncate(read),
        }
    }
}

/// What is left of the time that a gulp takes at least.
fn rest(since: Mono, now: Mono) -> Duration {
    let gone = Duration::from_nanos(u64::try_from(now.0 - since.0).unwrap_or(0));
    GULP_EVERY.saturating_sub(gone).max(LEAST_REST)
}
