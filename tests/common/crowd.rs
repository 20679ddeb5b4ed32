//! Many who listen to one mount at the same time: one thread reads for all of them, now and then and without waiting, so that what
//! they cost a server is the same whoever it is.
#![allow(dead_code)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

const PATIENCE: Duration = Duration::from_secs(30);
/// More than is made between two rounds.
const MOST: usize = 256 << 10;

pub struct Ear {
    socket: TcpStream,
    /// Sound, after the head.
    pub bytes: u64,
    pub is_over: bool,
    /// `None`: what it hears is not looked at.
    pub pages: Option<Pages>,
}

/// What the pages of an Ogg stream say of their order.
#[derive(Default)]
pub struct Pages {
    rest: Vec<u8>,
    /// Serial number and sequence of the last one.
    last: Option<(u32, u32)>,
    pub heard: u64,
    /// Places where some are missing.
    pub jumps: u64,
    /// Bytes that are no page, and pages that come twice or too early.
    pub wrong: u64,
}

impl Pages {
    fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((serial, sequence, bytes)) = page(&self.rest[at..]) {
            self.heard += 1;
            self.wrong += u64::from(!self.rest[at..].starts_with(b"OggS"));
            self.note(serial, sequence);
            at += bytes;
        }
        self.rest.drain(..at);
    }

    /// Behind the two header pages one begins anywhere.
    fn note(&mut self, serial: u32, sequence: u32) {
        match self.last.replace((serial, sequence)) {
            Some((other, last)) if other == serial => {
                self.jumps += u64::from(last > 1 && sequence > last + 1);
                self.wrong += u64::from(sequence <= last);
            }
            Some(_) | None => self.wrong += u64::from(sequence != 0),
        }
    }
}

/// Serial number, sequence number and length of a whole page (RFC 3533 section 6).
fn page(bytes: &[u8]) -> Option<(u32, u32, usize)> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let segments = usize::from(*bytes.get(26)?);
    let body: usize = bytes.get(27..27 + segments)?.iter().map(|lace| usize::from(*lace)).sum();
    let length = 27 + segments + body;
    Some((number(14)?, number(18)?, length)).filter(|_| bytes.len() >= length)
}

/// From one of the many addresses of this machine. `window`: of what it does not read, the kernel keeps so much.
pub fn connected(port: u16, from: Ipv4Addr, window: Option<usize>) -> io::Result<TcpStream> {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    if let Some(bytes) = window {
        sockopt::set_socket_recv_buffer_size(&fd, bytes)?;
    }
    bind(&fd, &SocketAddrV4::new(from, 0))?;
    connect(&fd, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(TcpStream::from(fd))
}

impl Ear {
    /// Asks for a mount.
    pub fn ask(port: u16, path: &str, window: Option<usize>) -> io::Result<Ear> {
        let mut socket = connected(port, Ipv4Addr::LOCALHOST, window)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        write!(socket, "GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: crowd\r\n\r\n")?;
        Ok(Ear { socket, bytes: 0, is_over: false, pages: None })
    }

    /// Waits for the head of the answer; from then on it never waits.
    pub fn begin(mut self) -> io::Result<Ear> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.socket.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        if !head.lines().next().is_some_and(|line| line.contains(" 200")) {
            return Err(io::Error::other(head));
        }
        self.socket.set_nonblocking(true)?;
        Ok(self)
    }

    pub fn join(port: u16, path: &str, window: Option<usize>) -> Ear {
        Ear::ask(port, path, window).and_then(Ear::begin).expect("an answer")
    }

    /// Looks at the order of what it hears.
    pub fn attentive(mut self) -> Ear {
        self.pages = Some(Pages::default());
        self
    }

    /// What there is, `most` bytes of it.
    pub fn read(&mut self, space: &mut [u8], most: usize) {
        let mut left = most;
        while left > 0 && !self.is_over {
            let room = left.min(space.len());
            match self.socket.read(&mut space[..room]) {
                Ok(0) => self.is_over = true,
                Ok(read) => {
                    left -= read;
                    self.bytes += read as u64;
                    self.pages.iter_mut().for_each(|pages| pages.push(&space[..read]));
                    if read < room {
                        return;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.is_over = true,
            }
        }
    }
}

/// Reads for all of them once at least, and then every `beat`, for so long.
pub fn listen(ears: &mut [Ear], beat: Duration, long: Duration) {
    let mut space = vec![0; MOST];
    let began = Instant::now();
    let mut rounds = 0;
    loop {
        ears.iter_mut().for_each(|ear| ear.read(&mut space, MOST));
        rounds += 1;
        if began.elapsed() + beat > long {
            return;
        }
        std::thread::sleep((beat * rounds).saturating_sub(began.elapsed()));
    }
}
