//! Stations over real sockets: what a server may send, and what is made of it.

#[path = "common/web.rs"]
mod web;

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use soundpost::device::clock::SimulatedClock;
use soundpost::device::stream::{Agent, Auth, BUFFER_BYTES, Heard, Limits, Options, Radio, Settings, Station};
use soundpost::device::{Fault, FaultKind};
use soundpost::format::icy::{self, Deinterleaver, Step};
use soundpost::format::playlist::{self, Kind};
use soundpost::time::{Mono, Wall};
use web::{Cert, Web};

/// Short, so that tests are; the relations are those of the defaults.
fn quick() -> Limits {
    let ms = Duration::from_millis;
    Limits { resolve: ms(5_000), turn: ms(2_000), connect: ms(1_500), first_byte: ms(1_500), read: ms(700), write: ms(1_000) }
}

fn agent_with(ca_file: Option<&std::path::Path>, synced: bool, limits: Limits) -> Agent {
    let clock = Arc::new(SimulatedClock::new(Mono(0), Wall(0), synced));
    Agent::new(Options { ca_file: ca_file.map(Into::into), clock, limits }).expect("an agent")
}

fn agent() -> Agent {
    agent_with(None, true, quick())
}

fn radio_of(agent: &Agent, urls: &[&str]) -> Radio {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    Radio::new(agent, Settings { urls, username: None, password: None }, Arc::default())
}

fn radio(url: &str) -> Radio {
    radio_of(&agent(), &[url])
}

/// Each with the number of bytes before it.
type Titles = Vec<(usize, String)>;

/// All that comes: sound, titles with the number of bytes before them, and how it ended.
fn all(radio: &mut Radio) -> (Vec<u8>, Titles, Result<(), Fault>) {
    let (mut sound, mut titles, mut space) = (Vec::new(), Vec::new(), [0; 1000]);
    loop {
        match radio.read(&mut space) {
            Ok(Heard::Bytes(n)) => sound.extend(&space[..n]),
            Ok(Heard::Title(title)) => titles.push((sound.len(), title.to_string())),
            Ok(Heard::End) => return (sound, titles, Ok(())),
            Err(fault) => return (sound, titles, Err(fault)),
        }
    }
}

fn sound_of(url: &str) -> Vec<u8> {
    let mut radio = radio(url);
    radio.connect().unwrap_or_else(|fault| panic!("{fault}"));
    let (sound, _, end) = all(&mut radio);
    assert_eq!(end, Ok(()), "{url}");
    sound
}

fn refused(url: &str, kind: FaultKind, part: &str) {
    refused_by(&agent(), url, kind, part);
}

fn refused_by(agent: &Agent, url: &str, kind: FaultKind, part: &str) {
    let fault = radio_of(agent, &[url]).connect().expect_err(url);
    assert!(fault.kind == kind && fault.what.contains(part), "{fault:?}, not {kind:?} {part}");
    assert!(!fault.what.contains('\n') && fault.what.len() < 400, "one line: {fault:?}");
    println!("{kind:?}: {fault}");
}

const NOISE: &[u8] = b"\xff\xfb\x90\x00 what an MP3 frame might be, and a few bytes more";

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n{headers}\r\n").as_bytes(), body].concat()
}

#[test]
fn icy_200_ok_whole_and_byte_by_byte() {
    let answer = [b"ICY 200 OK\r\nicy-name: Caf\xe9\r\nicy-br:128\r\ncontent-type:audio/mpeg\r\n\r\n".as_slice(), NOISE].concat();
    let slow = answer.clone();
    let servers = [Web::answer(answer), Web::serve(move |mut v| v.send_slowly(&slow, Duration::from_millis(1)))];
    for server in servers {
        let mut radio = radio(&server.url("/x?key=secret"));
        let connected = radio.connect().expect("understood");
        let port = server.port;
        assert_eq!(connected.text, format!("http://127.0.0.1:{port}/x?***: Caf\u{e9}, audio/mpeg, 128 kbit/s"));
        assert_eq!(all(&mut radio).0, NOISE);
        let request = server.requests.lock().expect("whole")[0].to_lowercase();
        let version = env!("CARGO_PKG_VERSION");
        assert!(
            request.contains("icy-metadata: 1\r\n") && request.contains(&format!("user-agent: soundpost/{version}\r\n")),
            "{request}"
        );
        assert!(request.starts_with("get /x?key=secret http/1.1") && !request.contains("accept-encoding"), "{request}");
    }
}

#[test]
fn titles_stand_between_two_bytes() {
    let text = |s: &str| [&[s.len().div_ceil(16) as u8], s.as_bytes(), &vec![0; s.len().div_ceil(16) * 16 - s.len()]].concat();
    let sound: Vec<u8> = (0..2_500).map(|n| (n % 251) as u8).collect();
    let mut body = Vec::new();
    for (n, piece) in sound.chunks(1_000).enumerate() {
        body.extend(piece);
        body.extend(["StreamTitle='one; it's';StreamUrl='';", ""].get(n).into_iter().flat_map(|title| text(title)));
    }
    let whole = ok("icy-metaint: 1000\r\n", &body);
    for pause in [None, Some(Duration::from_micros(100))] {
        let answer = whole.clone();
        let server = Web::serve(move |mut v| match pause {
            None => v.send(&answer),
            Some(pause) => v.send_slowly(&answer, pause),
        });
        let mut radio = radio(&server.url("/"));
        radio.connect().expect("connects");
        assert_eq!(all(&mut radio), (sound.clone(), vec![(1_000, "one; it's".to_owned())], Ok(())));
    }
    let absurd = Web::answer(ok("icy-metaint: 0\r\n", NOISE));
    let mut radio = radio(&absurd.url("/"));
    assert!(radio.connect().expect("connects").text.contains("icy-metaint is 0"));
    assert_eq!(all(&mut radio).0, NOISE);
}

#[test]
fn bodies_of_every_kind() {
    assert_eq!(sound_of(&Web::answer(ok("", NOISE)).url("/")), NOISE);
    let length = format!("Content-Length: {}\r\n", NOISE.len());
    assert_eq!(sound_of(&Web::answer(ok(&length, NOISE)).url("/")), NOISE);
    let chunked = [format!("{:x};x=y\r\n", NOISE.len()).as_bytes(), NOISE, b"\r\n0\r\n\r\n"].concat();
    assert_eq!(sound_of(&Web::answer(ok("Transfer-Encoding: chunked\r\n", &chunked)).url("/")), NOISE);
    assert_eq!(
        sound_of(&Web::answer("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>no</html>").url("/")),
        b"<html>no</html>"
    );
    assert_eq!(sound_of(&Web::answer("HTTP/1.1 200 OK\r\n\r\nab").url("/")), b"ab");
    assert_eq!(sound_of(&Web::answer("HTTP/1.1 204 None\r\n\r\n").url("/")), b"");
}

#[test]
fn bodies_that_end_badly() {
    let ends = |answer: Vec<u8>, part: &str| {
        let mut radio = radio(&Web::answer(answer).url("/"));
        radio.connect().expect("connects");
        let fault = all(&mut radio).2.expect_err(part);
        assert!(fault.kind == FaultKind::Retry && fault.what.contains(part), "{fault:?}");
        assert_eq!(radio.read(&mut [0; 9]), Ok(Heard::End));
    };
    ends(ok("Content-Length: 9999\r\n", NOISE), "ended early");
    ends(ok("Transfer-Encoding: chunked\r\n", b"5\r\nab"), "ended early");
    ends(ok("Transfer-Encoding: chunked\r\n", b"zz\r\nab\r\n"), "damaged");
    ends(ok("Transfer-Encoding: chunked\r\n", b"2\r\nabcd\r\n"), "damaged");
    ends(ok("Transfer-Encoding: chunked\r\n", &[b'1'; 40_000]), "no sense");
    let reset = Web::serve(|mut v| {
        v.send(ok("", NOISE))?;
        thread::sleep(Duration::from_millis(100));
        v.reset()
    });
    let mut radio = radio(&reset.url("/"));
    radio.connect().expect("connects");
    let (sound, _, end) = all(&mut radio);
    assert!(sound == NOISE && end.as_ref().is_err_and(|f| f.what.contains("reset")), "{end:?}");
}

#[test]
fn redirects() {
    let target = Web::answer(ok("", NOISE));
    let to = target.url("/there");
    let server = Web::serve(move |mut v| match v.path().to_owned().as_str() {
        "/a/relative" => v.send("HTTP/1.1 302 x\r\nLocation: ../b?c\r\nContent-Length: 0\r\n\r\n"),
        "/b?c" => v.send(ok("", NOISE)),
        "/loop" => v.send("HTTP/1.1 302 x\r\nLocation: /loop2\r\n\r\n"),
        "/loop2" => v.send("HTTP/1.1 302 x\r\nLocation: /loop\r\n\r\n"),
        "/nowhere" => v.send("HTTP/1.1 302 x\r\n\r\n"),
        "/ftp" => v.send("HTTP/1.1 302 x\r\nLocation: ftp://h/\r\n\r\n"),
        path if path.starts_with("/more") => v.send(format!("HTTP/1.1 302 x\r\nLocation: {path}e\r\n\r\n")),
        "/endless" => {
            v.send(format!("HTTP/1.1 302 x\r\nLocation: {to}\r\n\r\n"))?;
            v.stall()
        }
        code => v.send(format!("HTTP/1.1 {} x\r\nLocation: {to}\r\nContent-Length: 3\r\n\r\nabc", &code[1..])),
    });
    for path in ["/301", "/302", "/303", "/307", "/308", "/a/relative", "/endless"] {
        assert_eq!(sound_of(&server.url(path)), NOISE, "{path}");
    }
    refused(&server.url("/loop"), FaultKind::Refused, "in a circle");
    refused(&server.url("/more"), FaultKind::Refused, "more than five");
    refused(&server.url("/nowhere"), FaultKind::Refused, "to nowhere");
    refused(&server.url("/ftp"), FaultKind::Config, "ftp://h/: is not http://");
}

struct Collector(Mutex<String>);

impl log::Log for Collector {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push_str(&format!("{} {}\n", record.target(), record.args()));
    }

    fn flush(&self) {}
}

fn logged() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    let collector = COLLECTOR.get_or_init(|| Collector(Mutex::default()));
    if log::set_logger(collector).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
    collector
}

#[test]
fn passwords_are_sent_and_never_shown() {
    let log = logged();
    let other = Web::answer(ok("", NOISE));
    let away = format!("http://localhost:{}/", other.port);
    let server = Web::serve(move |mut v| {
        let right = v.request.to_lowercase().contains("authorization: basic ") && v.request.contains("dXNlcjpodW50ZXIy");
        match v.path() {
            "/away" => v.send(format!("HTTP/1.1 302 x\r\nLocation: {away}\r\n\r\n")),
            _ if right => v.send(ok("", NOISE)),
            _ => v.send("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"),
        }
    });
    let with = |url: &str, password: &str| {
        let (username, password) = (Some("user".to_owned()), Some(password.to_owned()));
        Radio::new(&agent(), Settings { urls: vec![url.to_owned()], username, password }, Arc::default())
    };
    let url = server.url("/?token=t0ken");
    let mut shown = String::new();
    refused(&url, FaultKind::Refused, "wants username and password");
    let fault = with(&url, "xhunter2").connect().expect_err("wrong");
    assert!(fault.kind == FaultKind::Refused && fault.what.contains("refuses username and password"), "{fault}");
    shown.push_str(&format!("{fault:?}"));
    shown.push_str(&format!("{:?}", with(&url, "hunter2").connect()));
    shown.push_str(&format!("{:?}", radio(&format!("http://user:hunter2@127.0.0.1:{}/", server.port)).connect()));
    shown.push_str(&format!("{:?}", with(&server.url("/away"), "hunter2").connect()));
    shown.push_str(&format!("{:?}", radio("http://user:hunter2@127.0.0.1:1/").connect()));
    shown.push_str(&format!("{:?}", radio("http://user:hunter2@[::1/").connect()));
    shown.push_str(&format!("{:?}", radio("user:hunter2@h").connect()));
    assert_eq!(shown.matches("Ok(").count(), 3, "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("t0ken"), "{shown}");
    let elsewhere = other.requests.lock().expect("whole").concat().to_lowercase();
    assert!(elsewhere.contains("get / ") && !elsewhere.contains("authorization"), "{elsewhere}");
    let log = log.0.lock().expect("whole").clone();
    let secret = |line: &&str| {
        // ureq tells whole addresses at its debug level, which the program's logger keeps to itself.
        let token = line.contains("t0ken") && !line.starts_with("ureq");
        line.contains("hunter2") || line.contains("dXNlcjpodW50ZXIy") || token
    };
    assert_eq!(log.lines().find(secret), None);
}

#[test]
fn answers_that_are_no_stream() {
    for (code, kind, part) in [
        (403, FaultKind::Refused, "403"),
        (404, FaultKind::Gone, "404"),
        (429, FaultKind::Retry, "later"),
        (500, FaultKind::Retry, "fault of its own"),
        (503, FaultKind::Retry, "503"),
        (418, FaultKind::Refused, "418"),
    ] {
        refused(&Web::answer(format!("HTTP/1.1 {code} x\r\nContent-Length: 2\r\n\r\nno")).url("/"), kind, part);
    }
    refused(&Web::answer("SSH-2.0-OpenSSH_9.2\r\n").url("/"), FaultKind::Retry, "not HTTP");
    refused(&Web::answer("ICY").url("/"), FaultKind::Retry, "127.0.0.1");
    refused(&Web::answer("").url("/"), FaultKind::Retry, "ended early");
    refused(
        &Web::answer([b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &vec![b'x'; 100_000]].concat()).url("/"),
        FaultKind::Retry,
        "no sense",
    );
    refused(&Web::answer(format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(2_500))).url("/"), FaultKind::Retry, "127.0.0.1");
    let begun = Instant::now();
    let endless = Web::serve(|mut v| {
        v.send("HTTP/1.1 200 OK\r\n")?;
        v.send_slowly("X: y\r\n".repeat(1_000), Duration::from_millis(20))
    });
    refused(&endless.url("/"), FaultKind::Retry, "no answer");
    let silent = Web::serve(|mut v| v.stall());
    refused(&silent.url("/"), FaultKind::Retry, "no answer");
    refused("http://127.0.0.1:1/", FaultKind::Retry, "nothing listens");
    refused("http://does-not-exist.invalid/", FaultKind::Retry, "does-not-exist.invalid is not known");
    refused("http://[::1/", FaultKind::Config, "not a valid address");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn stalls_are_seen_and_slow_drips_are_not_stalls() {
    let server = Web::serve(|mut v| {
        v.send(ok("", b""))?;
        v.send_slowly(&NOISE[..8], Duration::from_millis(400))?;
        v.stall()
    });
    let mut radio = radio(&server.url("/"));
    radio.connect().expect("connects");
    let mut space = [0; 100];
    for _ in 0..8 {
        assert_eq!(radio.read(&mut space), Ok(Heard::Bytes(1)));
    }
    let begun = Instant::now();
    let fault = radio.read(&mut space).expect_err("stalled");
    let took = begun.elapsed();
    assert!(fault.kind == FaultKind::Stalled && fault.what.contains("no answer for 0.7 s"), "{fault:?}");
    assert!(took >= Duration::from_millis(250) && took < Duration::from_millis(1_300), "{took:?}");
    let limits = Limits::default();
    let worst = limits.read.as_secs_f64() + 8.0;
    assert!(worst < 15.0, "a stall is seen within 15 s: {worst}");
}

#[test]
fn playlists_are_followed() {
    let sound = Web::answer(ok("", NOISE));
    let good = sound.url("/live");
    let list = move |mime: &str, text: String| format!("HTTP/1.1 200 OK\r\nContent-Type: {mime}\r\n\r\n{text}");
    let server = Web::serve(move |mut v| match v.path() {
        "/a.m3u" => v.send(list("audio/x-mpegurl", format!("#EXTM3U\nhttp://127.0.0.1:1/\n{good}\n"))),
        "/b.pls" => v.send(list("text/plain", "[playlist]\nFile1=a.m3u\n".to_owned())),
        "/c" => v.send(list("application/xspf+xml", "<?xml?><location>/b.pls</location>".to_owned())),
        "/d.m3u" => v.send(list("text/plain", "c\n".to_owned())),
        "/hls.m3u8" => v.send(list("application/vnd.apple.mpegurl", "#EXTM3U\n#EXT-X-VERSION:3\n".to_owned())),
        "/empty.m3u" => v.send(list("text/plain", "# nothing\n".to_owned())),
        "/big.m3u" => v.send(list("text/plain", "#EXTM3U\n".repeat(40_000))),
        _ => v.send("HTTP/1.1 404 x\r\n\r\n"),
    });
    for path in ["/a.m3u", "/b.pls", "/c"] {
        assert_eq!(sound_of(&server.url(path)), NOISE, "{path}");
    }
    refused(&server.url("/d.m3u"), FaultKind::Refused, "three deep");
    let connected = radio(&server.url("/hls.m3u8")).connect().expect("a list without segments yet");
    assert!(connected.text.contains("HLS"), "{}", connected.text);
    refused(&server.url("/empty.m3u"), FaultKind::Refused, "without an address");
    refused(&server.url("/big.m3u"), FaultKind::Refused, "longer than");
    let mut radio = radio_of(&agent(), &["http://127.0.0.1:1/", &server.url("/404"), &server.url("/a.m3u")]);
    radio.connect().expect("the third");
    assert_eq!(all(&mut radio).0, NOISE);
    let fault = radio_of(&agent(), &["http://127.0.0.1:1/", &server.url("/404")]).connect().expect_err("both");
    assert!(fault.kind == FaultKind::Retry && fault.what.ends_with("(and 1 more failed)"), "{fault:?}");
}

#[test]
fn certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = Cert::new(folder.path(), "good", "DNS:localhost,IP:127.0.0.1", 1);
    let old = Cert::new(folder.path(), "old", "DNS:localhost", -1);
    let trusting = agent_with(Some(&good.ca_file), true, quick());
    let server = Web::serve_tls(&good, |mut v| v.send(ok("", NOISE)));
    for host in ["localhost", "127.0.0.1"] {
        let mut radio = radio_of(&trusting, &[&server.https(host, "/")]);
        radio.connect().unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!((all(&mut radio).0, host), (NOISE.to_vec(), host));
    }
    refused(&server.https("localhost", "/"), FaultKind::Refused, "unknown issuer");
    let other = Cert::new(folder.path(), "other", "DNS:else.example", 1);
    let trusts_other = agent_with(Some(&other.ca_file), true, quick());
    let elsewhere = Web::serve_tls(&other, |mut v| v.send(ok("", NOISE)));
    refused_by(&trusts_other, &elsewhere.https("localhost", "/"), FaultKind::Refused, "is not for localhost");
    let trusts_old = |synced| agent_with(Some(&old.ca_file), synced, quick());
    let expired = Web::serve_tls(&old, |mut v| v.send(ok("", NOISE)));
    refused_by(&trusts_old(true), &expired.https("localhost", "/"), FaultKind::Refused, "has expired");
    refused_by(&trusts_old(false), &expired.https("localhost", "/"), FaultKind::Retry, "clock");
    let plain = Web::answer(ok("", NOISE));
    let lured = Web::answer(format!("HTTP/1.1 302 x\r\nLocation: {}\r\n\r\n", server.https("localhost", "/")));
    refused(&lured.url("/"), FaultKind::Refused, "https://localhost");
    // A server that waits for a request's end takes our hello for one that never ends; one that speaks first is known at once.
    let greeting = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = greeting.local_addr().expect("bound").port();
    thread::spawn(move || {
        let (mut socket, _) = greeting.accept()?;
        std::io::Write::write_all(&mut socket, b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
        thread::sleep(Duration::from_secs(1));
        std::io::Result::Ok(())
    });
    refused(&format!("https://127.0.0.1:{port}/"), FaultKind::Refused, "does not speak TLS");
    refused(&plain.https("127.0.0.1", "/"), FaultKind::Retry, "no answer");
    refused(&server.url("/"), FaultKind::Retry, "127.0.0.1");
    let missing = Options {
        ca_file: Some(folder.path().join("none")),
        clock: Arc::new(SimulatedClock::new(Mono(0), Wall(0), true)),
        limits: quick(),
    };
    assert!(Agent::new(missing).err().is_some_and(|fault| fault.kind == FaultKind::Config && fault.what.contains("ca_file")));
}

/// Sets the flag after 300 ms and says how long it took from then.
fn stopped(work: impl FnOnce(Arc<AtomicBool>) -> Result<(), Fault>) -> Duration {
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, at) = (Arc::clone(&stop), Arc::new(Mutex::new(Instant::now())));
    let when = Arc::clone(&at);
    let timer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        *when.lock().expect("whole") = Instant::now();
        flag.store(true, Ordering::Relaxed);
    });
    let fault = work(Arc::clone(&stop)).expect_err("stopped");
    let ended = Instant::now();
    assert!(stop.load(Ordering::Relaxed), "too early: {fault}");
    assert!(fault.what.contains("stopped"), "{fault}");
    timer.join().expect("no panic");
    ended - *at.lock().expect("whole")
}

#[test]
fn stop_is_seen_in_every_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let cert = Cert::new(folder.path(), "stop", "DNS:localhost", 1);
    let agent = agent_with(Some(&cert.ca_file), true, Limits::default());
    let listen = |url: String, reading: bool| {
        stopped(|stop| {
            let mut radio = Radio::new(&agent, Settings { urls: vec![url], username: None, password: None }, stop);
            radio.connect()?;
            assert!(reading, "connected");
            loop {
                radio.read(&mut [0; 100])?;
            }
        })
    };
    let silent = Web::serve(|mut v| v.stall());
    let playing = |mut v: web::Visit| {
        v.send(ok("", NOISE))?;
        v.stall()
    };
    let (plain, tls) = (Web::serve(playing), Web::serve_tls(&cert, playing));
    // A queue of nobody's: what comes after the first two is not answered at all.
    let full = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&full, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).expect("bound");
    rustix::net::listen(&full, 0).expect("listens");
    let address = std::net::TcpListener::from(full);
    let to = address.local_addr().expect("bound");
    let waiting: Vec<_> = (0..3).map(|_| TcpStream::connect_timeout(&to, Duration::from_millis(100))).collect();
    let cases = [
        ("connect", listen(format!("http://{to}/"), false)),
        ("first byte", listen(silent.url("/"), false)),
        ("TLS handshake", listen(silent.https("localhost", "/"), false)),
        ("read", listen(plain.url("/"), true)),
        ("TLS read", listen(tls.https("localhost", "/"), true)),
    ];
    drop(waiting);
    for (what, took) in cases {
        println!("stopped in {what} after {} ms", took.as_millis());
        assert!(took < Duration::from_millis(500), "{what}: {took:?}");
    }
}

#[test]
fn documents_and_ranges() {
    let server = Web::serve(|mut v| {
        let range = v.request.lines().find_map(|line| line.to_lowercase().strip_prefix("range: ").map(str::to_owned));
        let body = range.unwrap_or_else(|| "all".to_owned());
        match v.path() {
            "/moved" => v.send("HTTP/1.1 302 x\r\nLocation: /sub/doc\r\nContent-Length: 0\r\n\r\n"),
            "/drip" => {
                v.send(ok("", b""))?;
                v.send_slowly([b'x'; 100], Duration::from_millis(100))
            }
            _ => v.send(format!("HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: {}\r\n\r\n{body}", body.len())),
        }
    });
    let client = agent().client(Arc::default());
    let fetch = |path: &str, limit| client.fetch(&server.url(path), None, limit, Duration::from_secs(1));
    let fetched = fetch("/moved", 3).expect("fetched");
    assert_eq!((fetched.bytes.as_slice(), fetched.content_type.as_deref()), (b"all".as_slice(), Some("text/x")));
    assert_eq!(fetched.final_url, server.url("/sub/doc"));
    assert!(fetch("/x", 2).is_err_and(|fault| fault.what.contains("longer than 2")));
    assert!(fetch("/drip", 1000).is_err_and(|fault| fault.what.contains("took too long")));
    let mut body = client.open(&server.url("/r"), Some(&Auth::new("u", "p")), Some((5, 9))).expect("opened");
    let mut space = [0; 100];
    let n = body.read(&mut space).expect("read");
    assert_eq!((&space[..n], body.content_length()), (b"bytes=5-9".as_slice(), Some(9)));
}

/// Wake-ups of this thread so far, by its own will.
fn wake_ups() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("a count");
    line.trim().parse().expect("a number")
}

fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

#[test]
fn a_stream_that_flows_wakes_nobody_in_vain() {
    let folder = tempfile::tempdir().expect("a folder");
    let cert = Cert::new(folder.path(), "flow", "DNS:localhost", 1);
    const PACKETS: u64 = 46; // of 1,400 bytes every 87.5 ms: 128 kbit/s for four seconds
    let playing = |mut v: web::Visit| {
        v.send(ok("", b""))?;
        for _ in 0..PACKETS {
            v.send([7; 1_400])?;
            thread::sleep(Duration::from_micros(87_500));
        }
        Ok(())
    };
    let (plain, tls) = (Web::serve(playing), Web::serve_tls(&cert, playing));
    let agent = agent_with(Some(&cert.ca_file), true, Limits::default());
    for url in [plain.url("/"), tls.https("localhost", "/")] {
        let mut radio = radio_of(&agent, &[&url]);
        radio.connect().expect("connects");
        let (woken, used) = (wake_ups(), cpu());
        let sound = all(&mut radio).0;
        let (woken, used) = (wake_ups() - woken, cpu() - used);
        println!("{url}: {} bytes in {PACKETS} packets, {woken} wake-ups, {} us of CPU", sound.len(), used.as_micros());
        assert_eq!(sound.len() as u64, PACKETS * 1_400);
        assert!(woken <= PACKETS * 2 + 10, "{woken} wake-ups for {PACKETS} packets");
        assert!(used < Duration::from_millis(100), "{used:?}");
    }
    println!("per connection: {BUFFER_BYTES} bytes in and {BUFFER_BYTES} out, {} of Radio", size_of::<Radio>());
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), self.below(256) as u8),
                2 => bytes.extend_from_within(at.min(bytes.len())..),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = b"\0'<>;&=#%]\xff\n"[self.0 as usize % 12]),
            }
        }
    }
}

#[test]
fn spoilt_titles_and_lists() {
    let titles: [&[u8]; 3] =
        [b"StreamTitle='a 'b'; c';StreamUrl='http://x';\0", b"StreamTitle=x;", b"StreamTitle='\xe9';StreamUrl="];
    let lists: [&[u8]; 4] = [
        b"#EXTM3U\n#EXTINF:1,x\nhttp://a/b\n../c d\n",
        b"[playlist]\nFile1=http://a/\nFile2=../x\n",
        b"<?xml?><location> http://a/?x&amp;y&#x41; </location><location><![CDATA[b]]></location>",
        b"\xef\xbb\xbfhttp://\xe9/?a#b",
    ];
    for seed in 1..=20_000u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut text = titles[dice.below(titles.len())].to_vec();
        dice.spoil(&mut text);
        assert!(icy::title(&text).is_none_or(|t| !t.is_empty() && t.len() <= 512 && !t.contains(char::is_control)), "{seed}");
        let mut icy = Deinterleaver::new(dice.below(20) as u32);
        let (mut rest, mut passed) = (text.as_slice(), 0);
        while !rest.is_empty() {
            let n = match icy.step(&rest[..rest.len().min(1 + dice.below(9))]) {
                Step::Audio(n) | Step::Meta { bytes: n, .. } => n,
            };
            assert!(n > 0, "{seed}: every step passes something");
            (rest, passed) = (&rest[n..], passed + n);
        }
        assert_eq!(passed, text.len(), "{seed}");
        let mut list = lists[dice.below(lists.len())].to_vec();
        dice.spoil(&mut list);
        for kind in [Kind::M3u, Kind::Pls, Kind::Xspf] {
            playlist::recognise(Some("text/plain"), "http://h/x.pls", &list);
            if let playlist::Playlist::Entries(urls) = playlist::read(kind, &list, "http://h/d/l?x") {
                assert!(urls.len() <= 32 && urls.iter().all(|url| url.is_ascii() && url.contains("://")), "{seed}: {urls:?}");
            }
        }
    }
}
