//! A station that fails: in every way that servers and networks fail, one after another, as its seed says.

pub mod frames;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use frames::{Codec, Mark};

/// How sound ends, or what stands in its place until the station is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    // Sound that ends.
    Fin,
    Rst,
    CutInFrame,
    BadChunk,
    Silence,
    /// A byte now and then that is no frame.
    Trickle,
    GarbageForEver,
    /// The one that the recorder must bear: sound goes on in the same connection.
    GarbageBurst,
    OtherCodec,
    // Away for a while.
    PortRefused,
    DnsFailure,
    RedirectToNowhere,
    RedirectLoop,
    Status5xx,
    Status404,
    Html,
    HalfHeader,
    NotHttp,
    TlsRubbish,
    Empty,
    HangsUp,
}

const KINDS: [Kind; 21] = [
    Kind::Fin,
    Kind::Rst,
    Kind::CutInFrame,
    Kind::BadChunk,
    Kind::Silence,
    Kind::Trickle,
    Kind::GarbageForEver,
    Kind::GarbageBurst,
    Kind::OtherCodec,
    Kind::PortRefused,
    Kind::DnsFailure,
    Kind::RedirectToNowhere,
    Kind::RedirectLoop,
    Kind::Status5xx,
    Kind::Status404,
    Kind::Html,
    Kind::HalfHeader,
    Kind::NotHttp,
    Kind::TlsRubbish,
    Kind::Empty,
    Kind::HangsUp,
];

/// What a station has to tell when it is over.
#[derive(Default)]
pub struct Told {
    /// How long after the station was there again the recorder was, in s, by kind of fault.
    pub backs: Vec<(&'static str, f64)>,
    /// How long the recorder held a connection without sound.
    pub stalls: Vec<f64>,
    pub sent: Vec<Sent>,
    /// What should not have happened.
    pub troubles: Vec<String>,
}

#[derive(Debug)]
pub struct Sent {
    pub connection: usize,
    /// Whole ones.
    pub frames: usize,
    /// So many of them must be in files: all, unless the end was such that some may not have arrived.
    pub certain: usize,
    #[allow(dead_code)] // for whoever reads a message
    pub end: Kind,
}

/// Names that are known as long as a file says so (tests/data/fake_dns.c).
pub struct Names(PathBuf);

impl Names {
    pub fn new(folder: &Path) -> Names {
        fs::create_dir_all(folder).expect("a folder");
        Names(folder.to_owned())
    }

    fn set(&self, name: &str, known: bool) {
        let path = self.0.join(name);
        let done = if known { fs::write(path, "") } else { fs::remove_file(path) };
        done.expect("the folder of names");
    }
}

/// The port, and the play to be run in a thread: `faults` of them, one after another.
pub fn station(number: usize, faults: usize, names: Arc<Names>) -> (u16, impl FnOnce() -> Told + Send) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let name = format!("s{number:03}.test");
    names.set(&name, true);
    let dice = Dice(number as u64 * 0x9E37_79B9 + 12_345);
    let station = Station {
        number,
        name,
        port,
        listener: Some(listener),
        names,
        dice,
        connection: 0,
        codec: if number % 3 == 0 { Codec::Adts } else { Codec::Mp3 },
        told: Told::default(),
    };
    (port, move || station.play(faults))
}

/// xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % n
    }

    /// What is no frame in any codec.
    fn garbage(&mut self, bytes: u64) -> Vec<u8> {
        (0..bytes).map(|_| self.below(0xFF) as u8).collect()
    }
}

struct Station {
    number: usize,
    name: String,
    port: u16,
    listener: Option<TcpListener>,
    names: Arc<Names>,
    dice: Dice,
    /// Number of the next one that brings sound.
    connection: usize,
    codec: Codec,
    told: Told,
}

/// How the body of an answer is wrapped.
enum Wrap {
    Plain,
    Chunked,
    /// `ICY 200 OK`, with titles: bytes until the next one.
    Icy(usize),
}

const TITLE_EVERY: usize = 3_000;

struct Stream {
    socket: TcpStream,
    wrap: Wrap,
    connection: usize,
    codec: Codec,
    frames: usize,
    last: Instant,
}

impl Station {
    fn play(mut self, faults: usize) -> Told {
        let mut back_since: Option<(&'static str, Instant)> = None;
        for n in 0..=faults {
            let Some(socket) = self.await_request(None) else { return self.told };
            if let Some((kind, since)) = back_since.take() {
                self.told.backs.push((kind, since.elapsed().as_secs_f64()));
            }
            // Each kind comes as often as the others over all stations, and after any other.
            let kind = if n == faults { Kind::Fin } else { KINDS[(self.number * faults + n) * 8 % KINDS.len()] };
            if let Err(e) = self.sound(socket, kind) {
                self.told.troubles.push(format!("connection {}, before {kind:?}: {e}", self.connection - 1));
            }
            if n < faults {
                back_since = Some((name_of(kind), self.be_away(kind)));
            }
        }
        self.told
    }

    /// A request for sound; one for TLS is none. With a time: only until then.
    fn await_request(&mut self, until: Option<Instant>) -> Option<TcpStream> {
        loop {
            let listener = self.listener.as_ref()?;
            let socket = match until {
                None => listener.accept().ok()?.0,
                Some(until) => {
                    listener.set_nonblocking(true).ok()?;
                    let accepted = loop {
                        match listener.accept() {
                            Ok((socket, _)) => break Some(socket),
                            Err(_) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
                            Err(_) => break None,
                        }
                    };
                    listener.set_nonblocking(false).ok()?;
                    let socket = accepted?;
                    socket.set_nonblocking(false).ok()?;
                    socket
                }
            };
            socket.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
            match self.header(&socket) {
                Ok(true) => return Some(socket),
                Ok(false) => drop((&socket).write_all(b"\x01\x02 this is no TLS \xFF\xFE")),
                Err(_) => {}
            }
        }
    }

    /// Reads a request; false when TLS is asked for.
    fn header(&self, mut socket: &TcpStream) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let mut space = [0; 1024];
        while !bytes.ends_with(b"\r\n\r\n") {
            let n = socket.read(&mut space)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend(&space[..n]);
            if bytes[0] == 0x16 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Some seconds of sound, and an end of this kind.
    fn sound(&mut self, socket: TcpStream, kind: Kind) -> io::Result<()> {
        let connection = self.connection;
        self.connection += 1;
        let wrap = match kind {
            Kind::BadChunk => Wrap::Chunked,
            _ => [Wrap::Plain, Wrap::Chunked, Wrap::Icy(TITLE_EVERY)]
                .into_iter()
                .nth(self.dice.below(3) as usize)
                .expect("one of three"),
        };
        let mut stream = Stream { socket, wrap, connection, codec: self.codec, frames: 0, last: Instant::now() };
        let result = self.sound_on(&mut stream, kind);
        // RST discards what is under way; what comes in one piece with a bad chunk is bad as well.
        let is_certain = result.is_ok() && ![Kind::Rst, Kind::BadChunk].contains(&kind);
        let certain = if is_certain { stream.frames } else { 0 };
        self.told.sent.push(Sent { connection, frames: stream.frames, certain, end: kind });
        if kind == Kind::Rst && result.is_ok() {
            rustix::net::sockopt::set_socket_linger(&stream.socket, Some(Duration::ZERO))?;
        }
        result
    }

    fn sound_on(&mut self, stream: &mut Stream, kind: Kind) -> io::Result<()> {
        stream.head()?;
        // What a server has stored, then in its own time.
        let (stored, seconds) = (self.dice.below(80), 12 + self.dice.below(30));
        self.frames(stream, stored)?;
        for _ in 0..seconds {
            thread::sleep(Duration::from_millis(96));
            self.frames(stream, 4)?;
        }
        let odd = self.dice.below(94) as usize + 1;
        match kind {
            Kind::CutInFrame => {
                let frame = self.mark(stream).frame();
                stream.send(&frame[..odd])?;
                stream.finish(false)
            }
            Kind::BadChunk => {
                stream.socket.write_all(b"this is no length\r\n")?;
                self.await_end(stream, &[])
            }
            Kind::Silence => self.await_end(stream, &[]),
            Kind::Trickle => self.await_end(stream, b"x"),
            Kind::GarbageForEver => {
                let garbage = self.dice.garbage(500);
                self.await_end(stream, &garbage)
            }
            Kind::GarbageBurst => {
                let garbage = self.dice.below(5_000);
                let garbage = self.dice.garbage(garbage);
                stream.send(&garbage)?;
                for _ in 0..10 {
                    thread::sleep(Duration::from_millis(96));
                    self.frames(stream, 4)?;
                }
                stream.finish(true)
            }
            Kind::Rst => Ok(()),
            _ => {
                let in_good_order = self.dice.below(2) == 0;
                stream.finish(in_good_order)
            }
        }
    }

    fn mark(&self, stream: &Stream) -> Mark {
        Mark { codec: stream.codec, station: self.number, connection: stream.connection, frame: stream.frames }
    }

    fn frames(&mut self, stream: &mut Stream, count: u64) -> io::Result<()> {
        for _ in 0..count {
            let frame = self.mark(stream).frame();
            stream.send(&frame)?;
            stream.frames += 1;
        }
        stream.last = Instant::now();
        Ok(())
    }

    /// Sends this again and again until the recorder has had enough.
    fn await_end(&mut self, stream: &mut Stream, again: &[u8]) -> io::Result<()> {
        let mut space = [0; 64];
        stream.socket.set_read_timeout(Some(Duration::from_millis(400)))?;
        let gone = |e: &io::Error| !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        loop {
            match stream.socket.read(&mut space) {
                Ok(0) => break,
                Err(e) if gone(&e) => break,
                _ if stream.last.elapsed() > Duration::from_secs(60) => {
                    return Err(io::Error::other("a stall that nobody minds"));
                }
                _ => {}
            }
            if !again.is_empty() && stream.send(again).is_err_and(|e| gone(&e)) {
                break;
            }
        }
        self.told.stalls.push(stream.last.elapsed().as_secs_f64());
        Ok(())
    }

    /// Until the station is back: when that was.
    fn be_away(&mut self, kind: Kind) -> Instant {
        let away_ms = match self.dice.below(30) {
            0 => 8_000 + self.dice.below(8_000),
            1..4 => 3_000 + self.dice.below(3_000),
            _ => 200 + self.dice.below(1_800),
        };
        let until = Instant::now() + Duration::from_millis(away_ms);
        let number = self.dice.below(1_000);
        let here = format!("{}:{}", self.name, self.port);
        let redirect =
            |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let page = "<!DOCTYPE html><html><head><title>Sorry</title></head><body>We are back soon</body></html>";
        let answer: Vec<u8> = match kind {
            Kind::OtherCodec => {
                self.codec = if self.codec == Codec::Mp3 { Codec::Adts } else { Codec::Mp3 };
                return Instant::now();
            }
            Kind::PortRefused => return self.close_port(until, false),
            Kind::DnsFailure => return self.close_port(until, true),
            Kind::RedirectToNowhere => redirect("http://nowhere.test:8000/sound").into(),
            Kind::RedirectLoop => redirect("/again").into(),
            Kind::TlsRubbish => redirect(&format!("https://{here}/")).into(),
            Kind::Status5xx => format!("HTTP/1.1 {} Sorry\r\nConnection: close\r\n\r\nsorry", 500 + number % 5).into(),
            Kind::Status404 => b"HTTP/1.0 404 File Not Found\r\nContent-Type: text/html\r\n\r\n<b>no such mount</b>".into(),
            Kind::Html => format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n{page}").into(),
            Kind::HalfHeader => b"HTTP/1.1 200 OK\r\nContent-Ty".into(),
            Kind::NotHttp => self.dice.garbage(number + 1),
            Kind::Empty => b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n".into(),
            Kind::HangsUp => Vec::new(),
            _ => return Instant::now(),
        };
        while let Some(mut socket) = self.await_request(Some(until)) {
            let _ = socket.write_all(&answer); // whoever has gone need not hear it
            let _ = socket.shutdown(Shutdown::Write);
        }
        until
    }

    fn close_port(&mut self, until: Instant, and_name: bool) -> Instant {
        if and_name {
            self.names.set(&self.name, false);
        }
        self.listener = None;
        thread::sleep(until.saturating_duration_since(Instant::now()));
        // An outgoing connection may have been given the number meanwhile.
        while self.listener.is_none() {
            self.listener = TcpListener::bind(("127.0.0.1", self.port)).ok();
            if self.listener.is_none() {
                thread::sleep(Duration::from_millis(20));
            }
        }
        if and_name {
            self.names.set(&self.name, true);
        }
        Instant::now()
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Fin => "FIN",
        Kind::Rst => "RST",
        Kind::CutInFrame => "cut in frame",
        Kind::BadChunk => "bad chunk",
        Kind::Silence => "silence",
        Kind::Trickle => "trickle",
        Kind::GarbageForEver => "garbage",
        Kind::GarbageBurst => "garbage burst",
        Kind::OtherCodec => "other codec",
        Kind::PortRefused => "port refused",
        Kind::DnsFailure => "DNS failure",
        Kind::RedirectToNowhere => "nowhere",
        Kind::RedirectLoop => "redirect loop",
        Kind::Status5xx => "5xx",
        Kind::Status404 => "404",
        Kind::Html => "HTML",
        Kind::HalfHeader => "half a header",
        Kind::NotHttp => "not HTTP",
        Kind::TlsRubbish => "TLS rubbish",
        Kind::Empty => "empty",
        Kind::HangsUp => "hangs up",
    }
}

impl Stream {
    fn head(&mut self) -> io::Result<()> {
        let kind = self.codec.content_type();
        let head = match self.wrap {
            Wrap::Plain => format!("HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n"),
            Wrap::Chunked => {
                format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            }
            Wrap::Icy(_) => format!("ICY 200 OK\r\ncontent-type: {kind}\r\nicy-name: test\r\nicy-metaint: {TITLE_EVERY}\r\n\r\n"),
        };
        self.socket.set_nodelay(true)?;
        self.socket.write_all(head.as_bytes())
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut wrapped = Vec::new();
        match &mut self.wrap {
            Wrap::Plain => wrapped.extend(bytes),
            Wrap::Chunked => {
                wrapped.extend(format!("{:x}\r\n", bytes.len()).bytes());
                wrapped.extend(bytes);
                wrapped.extend(b"\r\n");
            }
            Wrap::Icy(left) => {
                while bytes.len() >= *left {
                    wrapped.extend(&bytes[..*left]);
                    bytes = &bytes[*left..];
                    let title = format!("StreamTitle='no. {}';", self.frames);
                    let blocks = title.len().div_ceil(16);
                    wrapped.push(blocks as u8); // far below 255
                    wrapped.extend(title.bytes());
                    wrapped.resize(wrapped.len() + blocks * 16 - title.len(), 0);
                    *left = TITLE_EVERY;
                }
                wrapped.extend(bytes);
                *left -= bytes.len();
            }
        }
        self.socket.write_all(&wrapped)
    }

    /// All has been said; the recorder has heard it when it hangs up, too.
    fn finish(&mut self, in_good_order: bool) -> io::Result<()> {
        if in_good_order && matches!(self.wrap, Wrap::Chunked) {
            self.socket.write_all(b"0\r\n\r\n")?;
        }
        self.socket.shutdown(Shutdown::Write)?;
        self.socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut space = [0; 64];
        while self.socket.read(&mut space).is_ok_and(|n| n > 0) {}
        Ok(())
    }
}
