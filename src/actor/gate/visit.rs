//! One connection: a request is read whole, looked at, and answered.

use std::io;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::time::Duration;

use smol::Async;
use smol::io::AsyncReadExt;

use super::audience::Hearer;
use super::{Gate, carry, relay, source, within};
use crate::message::handover::Body;
use crate::message::mount::Listener;
use crate::web::admission::{Host, Phase};
use crate::web::answer::{Refusal, Status};
use crate::web::head::{MAX_HEAD_BYTES, Method, RequestHead, parse};
use crate::web::{host, route};

const HEAD_WITHIN: Duration = Duration::from_secs(3);
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// How long and how much is read after the answer: a socket that is closed over unread bytes takes the answer back.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 << 10;

/// Enough for 25 MB/s over 5 ms; the kernel doubles it.
const SEND_BUFFER: usize = 128 << 10;

/// A request, or why there is none.
enum Asked {
    Request(RequestHead, Vec<u8>),
    /// A stream follows, of which this is the beginning.
    Source(RequestHead, Vec<u8>),
    Refused(Refusal),
    /// Nothing was asked.
    Silence,
}

/// What becomes of a connection.
pub enum End {
    Leaves,
    /// Its answer is a mount's, for as long as it listens.
    Hears(Hearer),
}

pub async fn visit(gate: &Gate, number: u64, mut stream: Async<TcpStream>, peer: IpAddr) -> io::Result<End> {
    let _ = stream.get_ref().set_nodelay(true);
    // Left alone, the kernel would keep 4 MiB for each that does not read, and take that for progress.
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(stream.get_ref(), SEND_BUFFER);
    match asked(gate, &mut stream).await? {
        Asked::Silence => return Ok(End::Leaves),
        Asked::Refused(refusal) => {
            gate.enters(number, Phase::Served);
            carry::all(&mut stream, &refusal.bytes(false)).await?;
        }
        Asked::Request(head, body) => {
            gate.enters(number, Phase::Served);
            if let Some((listener, titles)) = answer(gate, number, &mut stream, peer, &head, &body).await? {
                return Ok(End::Hears(Hearer::new(number, stream.into_inner()?, listener, titles)));
            }
        }
        Asked::Source(head, begun) => source::feed(gate, number, &mut stream, peer, &head, begun).await?,
    }
    linger(stream).await?;
    Ok(End::Leaves)
}

async fn asked(gate: &Gate, stream: &mut Async<TcpStream>) -> io::Result<Asked> {
    let mut bytes = Vec::new();
    let head = match within(HEAD_WITHIN, head(stream, &mut bytes)).await {
        Ok(Ok(Some(head))) => head,
        Ok(Ok(None)) => return Ok(Asked::Silence),
        Ok(Err(refusal)) => return Ok(Asked::Refused(refusal)),
        Err(e) if e.kind() == io::ErrorKind::TimedOut && !bytes.is_empty() => return Ok(too_slow()),
        Err(e) => return Err(e),
    };
    if let Err(refusal) = host::check(&head, &gate.settings.names) {
        return Ok(Asked::Refused(refusal));
    }
    let mut body = bytes.split_off(head.bytes);
    // What is put to an address of the recorder's own is a request like any other, and refused as that.
    if head.is_source() && (head.method == Method::Source || route::mount(&head.target).is_ok()) {
        return Ok(Asked::Source(head, body));
    }
    // What comes beyond the body is another request, which is not taken on this connection.
    let whole = match head.body_bytes() {
        Ok(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        Err(refusal) => return Ok(Asked::Refused(refusal)),
    };
    match within(BODY_WITHIN, fill(stream, &mut body, whole)).await {
        Ok(true) => Ok(Asked::Request(head, body)),
        Ok(false) => Ok(Asked::Silence),
        Err(e) if e.kind() == io::ErrorKind::TimedOut => Ok(too_slow()),
        Err(e) => Err(e),
    }
}

fn too_slow() -> Asked {
    Asked::Refused(Refusal::new(Status::RequestTimeout, "The request did not come in time."))
}

/// `None` when the other side closes before its request is whole.
async fn head(stream: &mut Async<TcpStream>, bytes: &mut Vec<u8>) -> io::Result<Result<Option<RequestHead>, Refusal>> {
    let mut piece = [0; 1_024];
    loop {
        let room = (MAX_HEAD_BYTES - bytes.len()).min(piece.len());
        match stream.read(&mut piece[..room]).await? {
            0 => return Ok(Ok(None)),
            n => bytes.extend_from_slice(&piece[..n]),
        }
        match parse(bytes) {
            Ok(None) => {}
            Ok(Some(head)) => return Ok(Ok(Some(head))),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
}

/// `false` when the other side closes before.
async fn fill(stream: &mut Async<TcpStream>, body: &mut Vec<u8>, whole: usize) -> io::Result<bool> {
    let mut piece = [0; 1_024];
    while body.len() < whole {
        match stream.read(&mut piece).await? {
            0 => return Ok(false),
            n => body.extend_from_slice(&piece[..n]),
        }
    }
    body.truncate(whole);
    Ok(true)
}

/// What is left to be heard, and how often titles stand in it.
async fn answer(
    gate: &Gate,
    number: u64,
    stream: &mut Async<TcpStream>,
    peer: IpAddr,
    head: &RequestHead,
    body: &[u8],
) -> io::Result<Option<(Listener, Option<u32>)>> {
    let head_only = head.method == Method::Head;
    let answer = match relay::ask(&gate.relays, &gate.address, &head.relayed(&peer.to_string()), body).await {
        Ok(answer) => answer,
        Err(e) => {
            log::debug!("no answer to {} {}: {e}", head.method.name(), head.target);
            let refusal = Refusal::new(Status::Unavailable, "The recorder does not answer just now.").with("Retry-After", "2");
            carry::all(stream, &refusal.bytes(head_only)).await?;
            return Ok(None);
        }
    };
    let later = if answer.number == 0 { None } else { gate.desk.fetch(answer.number) };
    let has_room = match later {
        Some(Body::Live(..)) => gate.may_hear(number),
        Some(Body::Events) => gate.may_listen(number, Host::of(peer)),
        Some(Body::Bytes(_) | Body::Read(_)) | None => true,
    };
    if !has_room {
        let refusal = Refusal::new(Status::Unavailable, "Too many listen already: try again later.").with("Retry-After", "60");
        carry::all(stream, &refusal.bytes(head_only)).await?;
        return Ok(None);
    }
    if let Some(Body::Events) = later {
        carry::events(&gate.hub, stream, &answer.here).await?;
        return Ok(None);
    }
    carry::all(stream, &answer.here).await?;
    match later {
        None | Some(Body::Events) => {}
        Some(Body::Live(listener, titles)) => return Ok(Some((listener, titles))),
        Some(Body::Bytes(bytes)) => carry::all(stream, &bytes).await?,
        Some(Body::Read(reader)) => carry::read(&gate.readers, stream, reader).await?,
    }
    Ok(None)
}

async fn linger(mut stream: Async<TcpStream>) -> io::Result<()> {
    stream.get_ref().shutdown(Shutdown::Write)?;
    let mut piece = [0; 1_024];
    let rest = async {
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut piece).await? {
                0 => break,
                n => left = left.saturating_sub(n),
            }
        }
        Ok(())
    };
    match within(LINGER, rest).await {
        Err(e) if e.kind() == io::ErrorKind::TimedOut => Ok(()),
        done => done,
    }
}
