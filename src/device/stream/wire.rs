//! One connection below ureq: a socket whose every wait can be stopped, TLS on it, and the first word put right.
//!
//! ureq's own transport waits in one piece and offers its TLS no further authorities, hence this one; the interface is not
//! stable (`unversioned`), so the manifest names one exact version.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use rustls::ClientConnection;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};
use ureq::{Error, Timeout};

use super::gate::{Halt, SLICE, Waiting};

/// ureq's default is eight times as much in each direction.
/// A little below 16 KiB, so that it fits four pages with what the heap adds.
pub const BUFFER_BYTES: usize = (16 << 10) - 64;
/// Requests are short.
pub const REQUEST_BYTES: usize = (4 << 10) - 64;
/// A wait without a limit of its own; `Waiting` ends it.
const NO_LIMIT: Duration = Duration::from_secs(86_400);

/// Waits in slices; the deadline is that of the operation under way.
pub struct Socket {
    stream: TcpStream,
    waiting: Arc<Waiting>,
    deadline: Instant,
    limit: Duration,
}

impl Socket {
    /// Connects without blocking, since `connect_timeout` can be neither stopped nor continued.
    pub fn connect(address: SocketAddr, patience: Duration, waiting: Arc<Waiting>) -> io::Result<Socket> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let fd = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        let deadline = Instant::now() + patience;
        match connect(&fd, &address) {
            Ok(()) => {}
            Err(Errno::INPROGRESS | Errno::INTR) => loop {
                let now = Instant::now();
                waiting.check(now).map_err(io::Error::other)?;
                if now >= deadline {
                    return Err(io::Error::other(Halt::Quiet(patience)));
                }
                let slice = SLICE.min(deadline - now);
                let slice = Timespec { tv_sec: 0, tv_nsec: slice.subsec_nanos().into() }; // a slice is below a second
                match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], Some(&slice)) {
                    Ok(0) | Err(Errno::INTR) => {}
                    Ok(_) => {
                        sockopt::socket_error(&fd)??;
                        break;
                    }
                    Err(e) => return Err(e.into()),
                }
            },
            Err(e) => return Err(e.into()),
        }
        let stream = TcpStream::from(fd);
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(SLICE))?;
        stream.set_write_timeout(Some(SLICE))?;
        stream.set_nodelay(true)?;
        Ok(Socket { stream, waiting, deadline, limit: patience })
    }

    /// The next reads or writes together may take so long.
    pub fn allow(&mut self, limit: Duration) {
        self.limit = limit;
        self.deadline = Instant::now() + limit;
    }

    fn patiently(&mut self, mut once: impl FnMut(&mut TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            let now = Instant::now();
            self.waiting.check(now).map_err(io::Error::other)?;
            if now >= self.deadline {
                return Err(io::Error::other(Halt::Quiet(self.limit)));
            }
            match once(&mut self.stream) {
                Err(e)
                    if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {}
                // ureq would take it for the end of the body.
                Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted) => {
                    return Err(io::Error::other(Halt::Reset));
                }
                done => return done,
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.read(space))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket, perhaps with TLS on it, with the buffers that ureq works in.
pub struct Line {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    buffers: LazyBuffers,
    opening: Opening,
}

/// Old Shoutcast servers answer `ICY 200 OK`, which no HTTP parser takes; it is HTTP/1.0 in all else.
enum Opening {
    /// The first bytes of a response are held back as long as they may become `ICY `.
    Unsure {
        held: [u8; 4],
        count: usize,
    },
    Known,
}

const ICY: &[u8; 4] = b"ICY ";
const HTTP: &[u8] = b"HTTP/1.0 ";

impl Line {
    pub fn plain(socket: Socket, request_bytes: usize) -> Line {
        let opening = Opening::Unsure { held: [0; 4], count: 0 };
        Line { socket, tls: None, buffers: LazyBuffers::new(BUFFER_BYTES, request_bytes), opening }
    }

    /// Shakes hands within the socket's present limit.
    pub fn secured(mut socket: Socket, mut tls: ClientConnection, request_bytes: usize) -> Result<Line, Error> {
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).map_err(raised)?;
        }
        Ok(Line { tls: Some(Box::new(tls)), ..Line::plain(socket, request_bytes) })
    }

    /// Receives until the first word is known, and passes it on as it should be.
    fn open(&mut self, mut held: [u8; 4], mut count: usize) -> Result<bool, Error> {
        while count < ICY.len() && ICY.starts_with(&held[..count]) {
            match receive(&mut self.socket, &mut self.tls, &mut held[count..])? {
                0 => break,
                n => count += n,
            }
            self.opening = Opening::Unsure { held, count };
        }
        self.opening = Opening::Known;
        let word = if held == *ICY && count == ICY.len() { HTTP } else { &held[..count] };
        let space = self.buffers.input_append_buf().get_mut(..word.len()).ok_or_else(|| Error::Other(Box::new(Halt::Endless)))?;
        space.copy_from_slice(word);
        self.buffers.input_appended(word.len());
        Ok(count > 0)
    }

    fn receive_more(&mut self) -> Result<bool, Error> {
        if let Opening::Unsure { held, count } = self.opening {
            if !self.open(held, count)? {
                return Ok(false);
            }
            // Something follows the first word. With that alone, who waits for leave to send a body would look at it over and over.
        }
        let space = self.buffers.input_append_buf();
        if space.is_empty() {
            return Err(Error::Other(Box::new(Halt::Endless))); // else it would look like the end
        }
        let count = receive(&mut self.socket, &mut self.tls, space)?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_quiet(&self) -> io::Result<bool> {
        let stream = &self.socket.stream;
        stream.set_nonblocking(true)?;
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false)?;
        Ok(peeked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock))
    }
}

fn receive(socket: &mut Socket, tls: &mut Option<Box<ClientConnection>>, space: &mut [u8]) -> Result<usize, Error> {
    let Some(tls) = tls else { return socket.read(space).map_err(raised) };
    loop {
        match tls.reader().read(space) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            // Ended without TLS's own goodbye, as Icecast does.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            done => return done.map_err(raised),
        }
        while tls.wants_write() {
            tls.write_tls(socket).map_err(raised)?;
        }
        tls.read_tls(socket).map_err(raised)?;
        tls.process_new_packets()?;
    }
}

/// What was wrapped on its way through `io::Error` is itself again.
pub fn raised(e: io::Error) -> Error {
    let halt = e.get_ref().and_then(|inner| inner.downcast_ref::<Halt>()).copied();
    let tls = e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    match (halt, tls) {
        (Some(halt), _) => Error::Other(Box::new(halt)),
        (_, Some(tls)) => Error::Rustls(tls),
        _ => e.into(),
    }
}

fn limit_of(timeout: NextTimeout) -> Duration {
    if timeout.after.is_not_happening() { NO_LIMIT } else { (*timeout.after).min(NO_LIMIT) }
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.socket.allow(limit_of(timeout.for_write()));
        if matches!(self.opening, Opening::Known) {
            self.opening = Opening::Unsure { held: [0; 4], count: 0 }; // another request on this connection
        }
        let bytes = self.buffers.output().get(..amount).unwrap_or_default();
        match &mut self.tls {
            None => self.socket.write_all(bytes).map_err(raised),
            Some(tls) => {
                tls.writer().write_all(bytes).map_err(raised)?;
                while tls.wants_write() {
                    tls.write_tls(&mut self.socket).map_err(raised)?;
                }
                Ok(())
            }
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.socket.allow(limit_of(timeout.for_read()));
        let received = self.receive_more();
        match received {
            // Who asked whether a body is welcome and hears nothing sends it.
            Err(Error::Other(e)) if timeout.reason == Timeout::Await100 && matches!(e.downcast_ref(), Some(Halt::Quiet(_))) => {
                Err(Error::Timeout(Timeout::Await100))
            }
            received => received,
        }
    }

    fn is_open(&mut self) -> bool {
        self.is_quiet().unwrap_or(false)
    }

    fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({:?})", self.socket.stream.peer_addr().ok())
    }
}
