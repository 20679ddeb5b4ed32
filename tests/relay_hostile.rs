//! Sources and listeners of the relay that mean it no good, or are mad: the recording beside them has no gap, everybody else is
//! answered, and the memory stays as it is. Each attack has a recorder of its own.

mod common;
#[path = "common/icecast.rs"]
mod icecast;
mod page_rig;
#[path = "common/relay.rs"]
mod relay;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{gaps, noise, tool};
use page_rig::{Reply, Target, memory_kb};
use relay::{LIVE, PATIENCE, Relay};

/// Growth of the recorder over one attack, when it is over.
const MEMORY_KB: u64 = 8 << 10;
/// source:feed
const WORD: &str = "Authorization: Basic c291cmNlOmZlZWQ=\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const MOUNT: &str = "/x.mp3";

/// Attacks take turns: each has the machine for itself.
static TURN: Mutex<()> = Mutex::new(());

struct Siege {
    relay: Relay,
    site: Target,
    before_kb: u64,
    _turn: MutexGuard<'static, ()>,
}

impl Siege {
    fn start(live: &str) -> Siege {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let relay = Relay::start(&format!("{LIVE}source_timeout_seconds = 1\n{live}"));
        let site = Target { port: relay.port, folder: relay.place.recordings() };
        // What the first answers and the first source cost is not the attack's.
        for _ in 0..50 {
            assert_eq!(site.get("/").status, 200);
        }
        let siege = Siege { before_kb: memory_kb(&relay.recorder.child), relay, site, _turn: turn };
        assert_eq!(siege.put("Content-Length: 41700\r\n", &frames(100)).status, 200);
        siege
    }

    /// A source's connection, its head sent.
    fn source(&self, first: &str, lines: &str) -> TcpStream {
        let mut stream = self.site.connect();
        let head = format!("{first}\r\nHost: localhost\r\n{WORD}{lines}\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        stream
    }

    /// What the recorder says to a source of such a head and body, which then waits.
    fn put(&self, lines: &str, body: &[u8]) -> Reply {
        let mut stream = self.source(&format!("PUT {MOUNT} HTTP/1.1"), lines);
        let _ = stream.write_all(body); // it may have been sent away in the middle
        Reply::read(&mut stream)
    }

    /// The answer is one of these, 0 for none, and then its mount is free.
    #[track_caller]
    fn gets(&self, lines: &str, body: &[u8], want: &[u16]) {
        let began = Instant::now();
        let reply = self.put(lines, body);
        let shown = format!("{lines:?} {:?}", String::from_utf8_lossy(&body[..body.len().min(40)]));
        assert!(want.contains(&reply.status), "{shown}: {} {}", reply.status, reply.text());
        assert!(began.elapsed() < Duration::from_secs(8), "{shown}: {:?}", began.elapsed());
        self.site.wait_for(|site| site.get(MOUNT).status == 404);
    }

    /// The page answers, soon: after how long.
    #[track_caller]
    fn stands(&self) -> Duration {
        let began = Instant::now();
        let page = self.site.get("/");
        assert!(page.status == 200 && page.text().contains("<title>"), "{}", page.head);
        assert_eq!(self.site.get("/status-json.xsl").status, 200);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        began.elapsed()
    }

    #[track_caller]
    fn ends(mut self) {
        self.stands();
        let kb = memory_kb(&self.relay.recorder.child);
        println!("memory {} kB to {kb} kB", self.before_kb);
        assert!(kb.saturating_sub(self.before_kb) < MEMORY_KB, "{} kB to {kb} kB", self.before_kb);
        self.relay.recorder.signal("TERM");
        assert!(self.relay.recorder.wait(PATIENCE).success(), "{}", self.relay.recorder.log.join("\n"));
        let folder = self.relay.place.recordings();
        assert!(gaps(&folder).is_empty(), "{:?}", gaps(&folder));
        tool(env!("CARGO_BIN_EXE_soundpost"), &["verify", folder.to_str().expect("plain")]);
    }
}

/// So many MP3 frames of silence: 128 kbit/s, 44.1 kHz, 417 bytes each.
fn frames(count: usize) -> Vec<u8> {
    let mut frame = vec![0; 417];
    frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0xc4]);
    frame.repeat(count)
}

#[test]
fn lengths_that_lie() {
    let siege = Siege::start("");
    let sound = frames(100);
    // More than it said: the rest is nothing to anybody, no second request either.
    let more = [&sound, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_slice()].concat();
    siege.gets("Content-Length: 1000\r\n", &more, &[200]);
    siege.gets("Content-Length: 0\r\n", &sound, &[200]);
    // Less than it said: silent for too long.
    siege.gets("Content-Length: 1000000\r\n", &sound, &[0]);
    siege.gets("Content-Length: 18446744073709551615\r\n", &sound, &[200]); // as to a source that will not end
    siege.gets("Content-Length: 99999999999999999999999999\r\n", &sound, &[200, 400]);
    for lines in [
        "Content-Length: -1\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ] {
        siege.gets(lines, &sound, &[400]);
    }
    let mut short = siege.source(&format!("PUT {MOUNT} HTTP/1.1"), "Content-Length: 1000000\r\n");
    short.write_all(&sound).expect("sent");
    short.shutdown(Shutdown::Write).expect("closed");
    assert_eq!(Reply::read(&mut short).status, 0);
    siege.ends();
}

#[test]
fn chunks_that_are_none() {
    let siege = Siege::start("");
    let of = |body: &[u8], end: &[u8]| [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n", end].concat();
    let sound = frames(20);
    siege.gets(CHUNKED, &of(&sound, b"0\r\n\r\n"), &[200]);
    for end in
        ["x\r\n", "\r\n", "-1\r\n", "0x5\r\n", "fffffffffffffffff\r\n", "3\r\nabcdef", "\0\0\0\0", "GET / HTTP/1.1\r\n\r\n"]
    {
        siege.gets(CHUNKED, &of(&sound, end.as_bytes()), &[422]);
    }
    // What stands between the sound has an end.
    for (begin, again) in
        [("1;", "x"), ("1\r\na", "\r"), ("0\r\n", "X: y\r\n"), ("0\r\n", "\r"), ("0\r\nX: ", "y"), ("0\r\nX: y", "\r")]
    {
        let end = format!("{begin}{}", again.repeat(40_000));
        siege.gets(CHUNKED, &of(&sound, end.as_bytes()), &[422]);
    }
    // One that never ends, and then nothing more; one for each byte.
    siege.gets(CHUNKED, &[b"fffffffffffffff\r\n".as_slice(), &sound].concat(), &[0]);
    let single: Vec<u8> = sound.iter().flat_map(|byte| [b"1\r\n".as_slice(), &[*byte], b"\r\n"].concat()).collect();
    siege.gets(CHUNKED, &[&single, b"0\r\n\r\n".as_slice()].concat(), &[200]);
    siege.gets("Transfer-Encoding: gzip, chunked\r\n", &of(&sound, b"0\r\n\r\n"), &[400, 501]);
    siege.ends();
}

#[test]
fn heads_without_end() {
    let siege = Siege::start("");
    for first in
        [format!("PUT {MOUNT} HTTP/1.1"), format!("SOURCE {MOUNT} ICE/1.0"), format!("PUT /{} HTTP/1.1", "x".repeat(1 << 20))]
    {
        for line in ["X: ".to_owned() + &"x".repeat(4 << 20), "ice-name: y\r\n".repeat(1 << 18)] {
            let mut stream = siege.site.connect();
            let _ = stream.write_all(format!("{first}\r\nHost: localhost\r\n{WORD}{line}").as_bytes()); // it is sent away before
            let status = Reply::read(&mut stream).status;
            assert!([0, 400, 414, 431].contains(&status), "{status}");
        }
    }
    // As long as a head may be: what it says of itself is cut short.
    let mut long = siege.source(&format!("SOURCE {MOUNT} HTTP/1.0"), &format!("ice-name: {}\r\n", "x".repeat(7_000)));
    long.write_all(&frames(20)).expect("sent");
    siege.site.wait_for(|site| site.get("/status-json.xsl").text().contains(MOUNT));
    let status = siege.site.get("/status-json.xsl").text();
    assert!(status.contains("xxxx") && status.len() < 4_000, "{status}");
    siege.ends();
}

#[test]
fn garbage_behind_good_heads() {
    let siege = Siege::start("");
    let garbage: Vec<u8> = noise(7, 1 << 19).iter().flat_map(|sample| (sample * 3).to_le_bytes()).collect();
    // A page of 255 segments of 255 bytes, with a checksum that is wrong; one of headers, again and again.
    let page = [b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\xff".as_slice(), &[255; 255], &[0; 65_025]].concat();
    let tag = |size: [u8; 4]| [b"ID3\x04\0\0".as_slice(), &size].concat();
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("noise", garbage.clone()),
        ("zeros", vec![0; 1 << 20]),
        ("one bits", vec![0xff; 1 << 20]),
        ("pages", page.repeat(16)),
        ("a tag of 256 MB", [tag([0x7f; 4]), vec![b'x'; 12 << 20]].concat()),
        ("tags", tag([0; 4]).repeat(100_000)),
        ("FLAC with a picture of 16 MB", [b"fLaC\x06\xff\xff\xff".as_slice(), &vec![b'x'; 12 << 20]].concat()),
        ("FLAC of headers", [b"fLaC".as_slice(), &b"\x04\0\0\x04abcd".repeat(1 << 17)].concat()),
        ("frames, then noise", [frames(200), garbage.clone()].concat()),
        ("a web page", b"<html><body>".repeat(10_000)),
    ];
    for (what, body) in bodies {
        for media in ["audio/mpeg", "application/ogg", "audio/aac", "audio/flac"] {
            let mut stream = siege.source(&format!("PUT {MOUNT} HTTP/1.1"), &format!("Content-Type: {media}\r\n{CHUNKED}"));
            let chunks = body.chunks(64 << 10).try_for_each(|chunk| {
                stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
                stream.write_all(chunk)?;
                stream.write_all(b"\r\n")
            });
            let kb = memory_kb(&siege.relay.recorder.child);
            assert!(kb.saturating_sub(siege.before_kb) < MEMORY_KB, "{what} as {media}: {} kB to {kb} kB", siege.before_kb);
            drop((chunks, stream)); // sent away or not, it is gone now
            siege.site.wait_for(|site| site.get(MOUNT).status == 404);
            siege.stands();
        }
    }
    siege.ends();
}

/// Reads for so long, or to the end.
fn read_for(stream: &mut TcpStream, time: Duration) -> u64 {
    let (began, mut buf, mut bytes) = (Instant::now(), vec![0; 64 << 10], 0);
    while began.elapsed() < time {
        match stream.read(&mut buf) {
            Ok(n) if n > 0 => bytes += n as u64,
            _ => break,
        }
    }
    bytes
}

/// Processor time of a process so far.
fn cpu_ms(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its times");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    fields[11..13].iter().map(|field| 10 * field.parse::<u64>().expect("ticks")).sum()
}

#[test]
fn a_source_that_sends_as_fast_as_it_can() {
    let siege = Siege::start("");
    let mut flood = siege.source(&format!("SOURCE {MOUNT} HTTP/1.0"), "Content-Type: audio/mpeg\r\n");
    std::thread::scope(|scope| {
        let (sound, began) = (frames(2_000), Instant::now());
        let source = scope.spawn(move || {
            let mut bytes = 0;
            while began.elapsed() < Duration::from_secs(6) && flood.write_all(&sound).is_ok() {
                bytes += sound.len();
            }
            bytes
        });
        siege.site.wait_for(|site| site.get("/status-json.xsl").text().contains(MOUNT));
        let mut listener = siege.site.connect();
        listener.write_all(format!("GET {MOUNT} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).expect("asked");
        let (mut waits, before) = (Vec::new(), cpu_ms(siege.relay.recorder.child.id()));
        while !source.is_finished() {
            waits.push(siege.stands());
            std::thread::sleep(Duration::from_millis(100)); // the pace of a visitor
        }
        let cpu = cpu_ms(siege.relay.recorder.child.id()) - before;
        waits.sort();
        println!("{cpu} ms of CPU; two answers in {:?} (median), {:?} at most", waits[waits.len() / 2], waits[waits.len() - 1]);
        let heard = read_for(&mut listener, Duration::from_secs(1));
        let sent = source.join().expect("no panic");
        println!("sent {sent} bytes, of which a slow listener heard {heard}");
        assert!(sent < 50_000_000, "{sent} bytes in 6 s: more than any sound is");
    });
    siege.site.wait_for(|site| site.get(MOUNT).status == 404);
    siege.ends();
}

#[test]
fn twenty_sources_where_five_may_be() {
    let siege = Siege::start("max_sources = 5\n");
    let sound = frames(100);
    let mut sources: Vec<TcpStream> =
        (0..20).map(|n| siege.source(&format!("PUT /{n}.mp3 HTTP/1.1"), "Expect: 100-continue\r\n")).collect();
    let mut fed = Vec::new();
    for stream in &mut sources {
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        match &first {
            b"HTTP/1.1 100" => fed.push(stream.try_clone().expect("twice")),
            other => assert_eq!(other, b"HTTP/1.1 503", "{}", String::from_utf8_lossy(other)),
        }
        fed.iter_mut().for_each(|stream| stream.write_all(&sound).expect("it is fed"));
    }
    assert_eq!(fed.len(), 5);
    siege.stands();
    drop((sources, fed));
    siege.site.wait_for(|site| !site.get("/status-json.xsl").text().contains(".mp3"));
    assert_eq!(siege.put("Content-Length: 41700\r\n", &sound).status, 200, "there is room again");
    siege.ends();
}

#[test]
fn listeners_who_never_read() {
    let siege = Siege::start("");
    let mut source = siege.source(&format!("SOURCE {MOUNT} HTTP/1.0"), "Content-Type: audio/mpeg\r\n");
    let sound = frames(200);
    source.write_all(&sound).expect("sent");
    siege.site.wait_for(|site| site.get("/status-json.xsl").text().contains(MOUNT));
    let ask = |path: &str| {
        let mut stream = siege.site.connect();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).expect("asked");
        // It is heard before the next one comes: one host may ask for so much at a time only.
        assert_eq!(stream.peek(&mut [0]).expect("an answer"), 1);
        stream
    };
    let deaf: Vec<TcpStream> = (0..60).map(|n| ask(if n % 3 == 0 { "/live/tone.opus" } else { MOUNT })).collect();
    let mut reader = ask(MOUNT);
    reader.set_read_timeout(Some(Duration::from_millis(50))).expect("set"); // it hears what there is
    let (began, mut heard) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(10) {
        source.write_all(&sound).expect("it is fed");
        heard += read_for(&mut reader, Duration::from_millis(50));
        siege.stands();
    }
    assert!(heard > 5 * sound.len() as u64, "{heard} bytes");
    drop((deaf, reader, source));
    siege.site.wait_for(|site| site.get(MOUNT).status == 404);
    siege.ends();
}

#[test]
fn what_is_put_where_the_page_is() {
    let siege = Siege::start("");
    let script = siege.site.get("/app.js").body;
    let long = format!("/{}.mp3", "x".repeat(5_000));
    for path in [
        "/",
        "/index.html",
        "/app.js",
        "/api/status",
        "/api/files/a.wav",
        "/stream/a.wav",
        "/live/tone.opus",
        "/status-json.xsl",
        "/admin/stats",
        "/healthz",
        "/metrics",
        "/../x.mp3",
        "/a/../x.mp3",
        "/%2e%2e/x.mp3",
        "//x.mp3",
        "/x%00.mp3",
        "/x%0d%0a.mp3",
        "x.mp3",
        "*",
        &long,
    ] {
        for method in ["PUT", "SOURCE"] {
            let mut stream = siege.source(&format!("{method} {path} HTTP/1.1"), "Content-Length: 41700\r\n");
            let _ = stream.write_all(&frames(100)); // it may be sent away before
            let reply = Reply::read(&mut stream);
            assert!((400..500).contains(&reply.status), "{method} {path}: {} {}", reply.status, reply.text());
        }
    }
    assert!(!siege.site.get("/status-json.xsl").text().contains("mp3"));
    assert_eq!(siege.site.get("/app.js").body, script);
    siege.ends();
}
