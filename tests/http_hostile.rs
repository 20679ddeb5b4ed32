//! Whatever is sent to the page's port: it goes on answering everybody else, and its memory stays as it is.
//!
//! Each attack runs alone against a `soundpost serve` of its own; after it (and during those that last) the page must answer a visitor.

mod page_rig;

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use page_rig::{RATE, Reply, Target, memory_kb, samples, threads, wav};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket::reset;

/// A connection that is closed by a reset.
mod socket {
    use std::net::TcpStream;
    use std::time::Duration;

    pub fn reset(stream: TcpStream) {
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("set");
    }
}

/// Growth of the page's process over one attack …
const MEMORY_KB: u64 = 6 << 10;
/// … and all that it ever has.
const THREADS: usize = 24;

/// Attacks take turns: each has the machine for itself.
static TURN: Mutex<()> = Mutex::new(());

/// What its log says when the port is open.
const PORT: &str = "http://127.0.0.1:";

struct Siege {
    site: Target,
    child: Child,
    name: &'static str,
    before_kb: u64,
    /// What the process says is not read, but it may go on saying it.
    _output: Lines<BufReader<ChildStderr>>,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Siege {
    fn of(name: &'static str) -> Siege {
        Siege::with(name, 64)
    }

    /// With a recording of 42 MB besides.
    fn long(name: &'static str, max_per_host: u32) -> Siege {
        Siege::over(name, max_per_host, &[("long.wav", &wav(&samples(20 << 20)))])
    }

    fn with(name: &'static str, max_per_host: u32) -> Siege {
        Siege::over(name, max_per_host, &[])
    }

    fn over(name: &'static str, max_per_host: u32, more: &[(&str, &[u8])]) -> Siege {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        page_rig::recording(&folder.path().join("a.wav"), &wav(&samples(10 * RATE)));
        more.iter().for_each(|(name, bytes)| page_rig::recording(&folder.path().join(name), bytes));
        let mut child = Command::new(env!("CARGO_BIN_EXE_soundpost"))
            .arg("serve")
            .arg(folder.path())
            .args(["--port", "0", "--bind", "127.0.0.1"])
            .env("SOUNDPOST_WEB_MAX_PER_HOST", max_per_host.to_string())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let line = lines.by_ref().map(|line| line.expect("a line")).find(|line| line.contains(PORT)).expect("a port");
        let port = line.split(PORT).nth(1).and_then(|rest| rest.trim_end_matches('/').parse().ok()).expect("a port");
        let site = Target { port, folder: folder.path().into() };
        // Nothing goes on behind the attacks.
        let is_done = |site: &Target, name: &str| site.get(&format!("/api/files/{name}")).text().contains("\"analysed\"");
        site.wait_for(|site| is_done(site, "a.wav") && more.iter().all(|(name, _)| is_done(site, name)));
        // What the first answers cost is not the attack's.
        for _ in 0..50 {
            assert_eq!(site.get("/stream/a.wav").status, 200);
        }
        let before_kb = memory_kb(&child);
        Siege { before_kb, site, child, name, _output: lines, _folder: folder, _turn: turn }
    }

    /// The page answers, soon.
    #[track_caller]
    fn stands(&self) {
        let began = Instant::now();
        let page = self.site.get("/");
        assert_eq!(page.status, 200, "{}: {}", self.name, page.head);
        let file = self.site.ask("GET", "/stream/a.wav", "Range: bytes=44-53\r\n", "");
        assert_eq!((file.status, file.body.as_slice()), (206, &samples(5)[..]), "{}", self.name);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(2), "{}: {took:?}", self.name);
    }

    #[track_caller]
    fn ends(self) {
        self.stands();
        let (kb, threads) = (memory_kb(&self.child), threads(&self.child));
        println!("{}: memory {} kB to {kb} kB, {threads} threads", self.name, self.before_kb);
        assert!(kb.saturating_sub(self.before_kb) < MEMORY_KB, "{}: {} kB to {kb} kB", self.name, self.before_kb);
        assert!(threads < THREADS, "{}: {threads} threads", self.name);
    }

    /// Some bytes; the answer is one of `want` (0 for none).
    #[track_caller]
    fn gets(&self, bytes: &[u8], want: &[u16]) -> Reply {
        let reply = self.site.raw(bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]);
        assert!(want.contains(&reply.status), "{}: {} for {shown:?}", self.name, reply.status);
        if reply.status >= 400 {
            reply.is_refusal(reply.status);
        }
        reply
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM); // it may be gone already
        let end = self.child.wait().expect("waited");
        assert!(end.success() || std::thread::panicking(), "{}: the page's process ended with {end}", self.name);
    }
}

#[test]
fn requests_that_are_none() {
    let siege = Siege::of("requests that are none");
    let host = "HTTP/1.1\r\nHost: box\r\n";
    for (text, want) in [
        (String::new(), 0),
        ("\r\n\r\n\r\n".into(), 0),
        ("GET /\r\n\r\n".into(), 400),
        ("GET / HTTP/0.9\r\n\r\n".into(), 505),
        ("GET / HTTP/2.0\r\nHost: box\r\n\r\n".into(), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        (format!("GET /..%2f..%2fetc/passwd {host}\r\n"), 400),
        (format!("GET /stream/..%2f..%2fetc%2fpasswd {host}\r\n"), 400),
        (format!("GET /stream/../../etc/passwd {host}\r\n"), 400),
        (format!("GET /stream/%2e%2e/%2e%2e/etc/passwd {host}\r\n"), 400),
        (format!("GET /stream/..%5c..%5cx {host}\r\n"), 400),
        (format!("GET /stream/a.wav%00.txt {host}\r\n"), 400),
        (format!("GET /stream/%c0%ae%c0%ae/x {host}\r\n"), 400),
        (format!("GET //stream/a.wav {host}\r\n"), 400),
        (format!("GET /stream/etc/passwd {host}\r\n"), 404),
        (format!("GET http://evil.example/ {host}\r\n"), 421),
        (format!("GET http://box/healthz {host}\r\n"), 200),
        (format!("CONNECT evil.example:443 {host}\r\n"), 400),
        (format!("OPTIONS * {host}\r\n"), 400),
        (format!("TRACE / {host}\r\n"), 405),
        (format!("BREW / {host}\r\n"), 405),
        (format!("GET / {host}Expect: 100-continue\r\n\r\n"), 200),
        (format!("GET / {host}Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n"), 200),
        (format!("POST /api/login {host}Content-Length: 9223372036854775807\r\n\r\n"), 413),
        (format!("POST /api/login {host}Content-Length: 4294967295\r\n\r\n"), 413),
        (format!("POST /api/login {host}Content-Length: -1\r\n\r\n"), 400),
        (format!("POST /api/login {host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400),
        (format!("POST /api/login {host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 411),
        (format!("POST /api/login {host}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"), 400),
        (format!("GET /x\r\nX: y {host}\r\n"), 400),
    ] {
        siege.gets(text.as_bytes(), &[want]);
    }
    siege.gets(b"GET /\0 HTTP/1.1\r\nHost: box\r\n\r\n", &[400]);
    siege.gets(b"GET / HTTP/1.1\r\nHost: box\r\nX: \0\r\n\r\n", &[400]);
    siege.gets(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[400]);
    siege.ends();
}

#[test]
fn ranges_that_are_none() {
    let siege = Siege::of("ranges that are none");
    let many = format!("bytes={}", "0-0,".repeat(1_500));
    for (range, want) in [
        ("bytes=-", 200),
        ("bytes=9-5", 200),
        ("bytes=a-b", 200),
        ("bytes=18446744073709551615-", 416),
        ("bytes=99999999999999999999999999-", 416),
        ("bytes=-0", 416),
        ("bytes=0-,0-,0-,0-,0-,0-,0-,0-", 206),
        (many.as_str(), 200),
    ] {
        let text = format!("GET /stream/a.wav HTTP/1.1\r\nHost: box\r\nRange: {range}\r\n\r\n");
        let reply = siege.gets(text.as_bytes(), &[want]);
        assert!(reply.body.len() <= wav(&samples(10 * RATE)).len(), "no range multiplies a file: {}", reply.body.len());
    }
    siege.ends();
}

#[test]
fn heads_without_end() {
    let siege = Siege::of("a head of 10 MB");
    for line in ["X: ".to_owned() + &"x".repeat(10 << 20), "X: y\r\n".repeat(2 << 20), "x".repeat(10 << 20)] {
        siege.gets(format!("GET / HTTP/1.1\r\nHost: box\r\n{line}").as_bytes(), &[0, 400, 431]);
    }
    siege.gets(&vec![b'x'; 10 << 20], &[0, 400, 431]);
    siege.ends();
}

#[test]
fn slow_heads_and_bodies() {
    let siege = Siege::of("slowloris");
    let mut slow: Vec<TcpStream> = (0..200).map(|_| siege.site.connect()).collect();
    let began = Instant::now();
    let mut at = 0;
    while began.elapsed() < Duration::from_secs(5) {
        let text = b"GET / HTTP/1.1\r\nHost: box\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy";
        for stream in &mut slow {
            let _ = stream.write_all(&text[at..at + 1]);
        }
        at = (at + 1).min(text.len() - 1);
        siege.stands();
    }
    // All were sent away: within three seconds, or for those who came later.
    for mut stream in slow {
        let reply = Reply::read(&mut stream);
        assert!(matches!(reply.status, 0 | 408 | 503), "{}", reply.status);
    }
    let mut body = siege.site.connect();
    body.write_all(b"POST /api/login HTTP/1.1\r\nHost: box\r\nContent-Length: 1000\r\n\r\n{").expect("sent");
    let began = Instant::now();
    Reply::read(&mut body).is_refusal(408);
    assert!((4..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    siege.ends();
}

#[test]
fn idle_connections() {
    let siege = Siege::of("2,000 idle connections");
    // All are held open at the same time: this process needs a descriptor for each.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("raised");
    let mut idle = Vec::new();
    for n in 0..2_000 {
        idle.push(TcpStream::connect(("127.0.0.1", siege.site.port)).unwrap_or_else(|e| panic!("the {n}th connection: {e}")));
        if n % 100 == 0 {
            siege.stands();
        }
    }
    assert_eq!(idle.len(), 2_000);
    siege.stands();
    drop(idle);
    siege.ends();
}

#[test]
fn pipelines() {
    let siege = Siege::of("200,000 requests at once");
    let mut stream = siege.site.connect();
    let many = "GET /healthz HTTP/1.1\r\nHost: box\r\n\r\n".repeat(200_000);
    let _ = stream.write_all(many.as_bytes());
    let reply = Reply::read(&mut stream);
    // One answer, if the reset left it; never two.
    assert!(matches!(reply.status, 0 | 200) && reply.body.len() <= 2, "{} bytes", reply.body.len());
    drop((stream, many));
    siege.gets(&b"GET /healthz HTTP/1.1\r\nHost: box\r\n\r\n".repeat(3), &[200]);
    siege.ends();
}

#[test]
fn bodies_that_nobody_reads() {
    let siege = Siege::of("bodies that nobody wants");
    for n in 0..50 {
        let mut stream = siege.site.connect();
        let text = format!("GET /?{n} HTTP/1.1\r\nHost: box\r\nContent-Length: 60000\r\n\r\n");
        stream.write_all(text.as_bytes()).expect("sent");
        if n % 2 == 0 {
            let _ = stream.write_all(&[b'x'; 60_000]);
            assert_eq!(Reply::read(&mut stream).status, 200);
        }
    }
    siege.gets(&[b"GET / HTTP/1.1\r\nHost: box\r\nContent-Length: 100000\r\n\r\n".as_slice(), &[b'x'; 100_000]].concat(), &[413]);
    siege.ends();
}

#[test]
fn half_closed_and_reset() {
    let siege = Siege::of("resets");
    for n in 0..2_000 {
        let mut stream = siege.site.connect();
        let text = b"GET /stream/a.wav HTTP/1.1\r\nHost: box\r\n\r\n";
        let _ = stream.write_all(&text[..n % (text.len() + 1)]);
        match n % 4 {
            0 => drop(stream),
            1 => {
                let _ = stream.shutdown(Shutdown::Write);
            }
            _ => reset(stream),
        }
    }
    siege.ends();
}

#[test]
fn old_readers_get_a_length_all_the_same() {
    let siege = Siege::long("TE: identity", 64);

    for version in ["1.0", "1.1"] {
        let text = format!("GET /stream/long.wav HTTP/{version}\r\nHost: box\r\nTE: identity\r\n\r\n");
        let mut stream = siege.site.connect();
        stream.write_all(text.as_bytes()).expect("sent");
        let mut bytes = 0;
        let mut buf = vec![0; 64 << 10];
        while let Ok(n) = stream.read(&mut buf) {
            if n == 0 {
                break;
            }
            bytes += n;
        }
        assert!(bytes > 20 << 20, "HTTP/{version}: {bytes} bytes");
    }
    siege.ends();
}

#[test]
fn those_who_do_not_read() {
    let siege = Siege::long("16 who do not read", 64);
    let mut deaf: Vec<TcpStream> = (0..16).map(|_| siege.site.connect()).collect();
    for stream in &mut deaf {
        stream.write_all(b"GET /stream/long.wav HTTP/1.1\r\nHost: box\r\n\r\n").expect("sent");
    }
    let began = Instant::now();
    // The patience is ten seconds, and once, after seconds, the kernel finds a little more room in its buffers.
    while began.elapsed() < Duration::from_secs(23) {
        siege.stands();
        std::thread::sleep(Duration::from_millis(250)); // the pace of a visitor
    }
    // Each got what fits into buffers, and then its connection was closed.
    for mut stream in deaf {
        let mut bytes = 0;
        let mut buf = vec![0; 256 << 10];
        while let Ok(n) = stream.read(&mut buf) {
            if n == 0 {
                break;
            }
            bytes += n;
        }
        assert!(bytes < 1 << 20, "{bytes} bytes");
    }
    siege.ends();
}

#[test]
fn one_host_leaves_room_for_others() {
    let siege = Siege::long("one host with all its places", 8);
    let site = &siege.site;
    // Eight are served and read nothing: a ninth of this host is sent away, at once.
    let mut served: Vec<TcpStream> = (0..8).map(|_| site.connect()).collect();
    for stream in &mut served {
        stream.write_all(b"GET /stream/long.wav HTTP/1.1\r\nHost: box\r\n\r\n").expect("sent");
        let mut first = [0; 15];
        stream.read_exact(&mut first).expect("an answer begins");
    }
    let mut ninth = site.connect();
    let reply = Reply::read(&mut ninth);
    reply.is_refusal(503);
    assert!(reply.line("retry-after").is_some());
    drop(served);
    let began = Instant::now();
    while site.ask("GET", "/", "", "").status != 200 {
        assert!(began.elapsed() < Duration::from_secs(3), "room again when they are gone");
    }
    siege.ends();
}

#[test]
fn many_at_once() {
    let siege = Siege::long("8 who play at once", 64);
    let began = Instant::now();
    let total: usize = std::thread::scope(|scope| {
        let players: Vec<_> = (0..8).map(|_| scope.spawn(|| siege.site.get("/stream/long.wav").body.len())).collect();
        let mut waits: Vec<Duration> = Vec::new();
        while players.iter().any(|player| !player.is_finished()) {
            let asked = Instant::now();
            assert_eq!(siege.site.get("/api/files/a.wav").status, 200);
            waits.push(asked.elapsed());
        }
        waits.sort();
        println!("a ninth waits {:?} (median), {:?} at most, of {}", waits[waits.len() / 2], waits[waits.len() - 1], waits.len());
        players.into_iter().map(|player| player.join().expect("played")).sum()
    });
    let mb_s = total as f64 / 1e6 / began.elapsed().as_secs_f64();
    println!("8 files of 42 MB at once: {mb_s:.0} MB/s in all");
    assert_eq!(total, 8 * (44 + (40 << 20)));
    siege.ends();
}
