//! Attacks on the page of a recorder that is recording a sound card: not a frame is lost, its memory stays, and other visitors
//! are answered. Twenty seconds; ten minutes with SOUNDPOST_SOAK=1.

mod common;
mod page_rig;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use common::rig::Rig;
use common::{Place, Recorder, free_port, gaps, recordings, soundpost, tool};
use page_rig::{Target, memory_kb};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// Anonymous memory that the attacks may cost.
const MEMORY_KB: u64 = 4 << 10;
const VISITORS: usize = 8;
/// What a visitor does between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// How long an attacker stays with one answer: what is told as it happens never ends by itself.
const PATIENCE: Duration = Duration::from_secs(5);

fn duration() -> Duration {
    Duration::from_secs(if std::env::var_os("SOUNDPOST_SOAK").is_some() { 600 } else { 20 })
}

/// A connection from another host than the visitors', or nothing while that host has no place.
fn from_elsewhere(port: u16) -> Option<TcpStream> {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).ok()?;
    bind(&fd, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 66), 0)).ok()?;
    connect(&fd, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).ok()?;
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

/// What one attack sends, and how it leaves.
struct Attack {
    bytes: Vec<u8>,
    leaves: Leaves,
}

enum Leaves {
    Reads,
    HalfClosed,
    AtOnce,
}

fn attacks() -> Vec<Attack> {
    let host = "HTTP/1.1\r\nHost: localhost\r\n";
    let of = |text: String, leaves| Attack { bytes: text.into_bytes(), leaves };
    vec![
        of(String::new(), Leaves::Reads),
        of(format!("GET / {host}"), Leaves::Reads),
        of(format!("GET / {host}X: {}\r\n\r\n", "y".repeat(10 << 20)), Leaves::Reads),
        of(format!("GET /healthz {host}\r\n").repeat(20_000), Leaves::Reads),
        of(format!("POST /api/login {host}Content-Length: 9223372036854775807\r\n\r\n"), Leaves::Reads),
        of(format!("POST /api/login {host}Content-Length: 60000\r\n\r\n"), Leaves::Reads),
        of(format!("GET / {host}Content-Length: 60000\r\n\r\n"), Leaves::AtOnce),
        of(format!("GET /stream/..%2f..%2fetc%2fpasswd {host}\r\n"), Leaves::HalfClosed),
        of(format!("GET /api/files {host}TE: identity\r\n\r\n"), Leaves::AtOnce),
        of("GET /api/files HTTP/1.0\r\nHost: localhost\r\n\r\n".into(), Leaves::HalfClosed),
        of(format!("GET /api/events {host}\r\n"), Leaves::Reads),
        of("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".into(), Leaves::Reads),
    ]
}

/// Reads until the other side has had enough, or nothing came for long, or this one has had enough.
fn read(stream: &mut TcpStream) {
    let (begun, mut block) = (Instant::now(), [0; 16 << 10]);
    while begun.elapsed() < PATIENCE && stream.read(&mut block).is_ok_and(|count| count > 0) {}
}

fn attack(port: u16, attack: &Attack) {
    let Some(mut stream) = from_elsewhere(port) else { return sleep(Duration::from_millis(1)) };
    let _ = stream.write_all(&attack.bytes);
    match attack.leaves {
        Leaves::Reads => read(&mut stream),
        Leaves::HalfClosed => {
            let _ = stream.shutdown(Shutdown::Write);
            read(&mut stream);
        }
        Leaves::AtOnce => {}
    }
}

/// How long each answer took.
fn visit(site: &Target, over: &AtomicBool) -> Vec<Duration> {
    let mut waits = Vec::new();
    while !over.load(Relaxed) {
        for target in ["/", "/api/status", "/api/files"] {
            let asked = Instant::now();
            let reply = site.get(target);
            assert_eq!(reply.status, 200, "{target}: {}", reply.head);
            waits.push(asked.elapsed());
        }
        sleep(PAUSE);
    }
    waits
}

#[test]
fn a_recorder_under_attack_loses_nothing() {
    let (rig, place) = (Rig::new(&["mic:48000:2"]), Place::new());
    let port = free_port();
    let sections = format!(
        "[web]\nbind = 127.0.0.1\nport = {port}\n[mic]\ntype = soundcard\ndevice = mic\nsample_rate = 48000\nformat = flac\n"
    );
    let mut command = soundpost();
    command.arg("record").arg("-c").arg(place.config("split_minutes = 0.2\nmin_free_mb = 0", &sections)).envs(rig.environment());
    let mut recorder = Recorder::spawn(&mut command);
    recorder.wait_for("recording", Duration::from_secs(20));
    let site = Target { port, folder: place.recordings() };
    site.wait_for(|site| site.get("/").status == 200);
    (0..50).for_each(|_| drop(site.get("/api/status"))); // what the first answers cost is not the attacks'
    let before_kb = memory_kb(&recorder.child);
    let over = AtomicBool::new(false);
    let mut waits = thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(|| visit(&site, &over))).collect();
        for one in attacks().into_iter().flat_map(|one| [std::sync::Arc::new(one)].into_iter().cycle().take(4)) {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Relaxed) {
                    attack(port, &one)
                }
            });
        }
        sleep(duration());
        over.store(true, Relaxed);
        visitors.into_iter().flat_map(|visitor| visitor.join().expect("answered")).collect::<Vec<_>>()
    });
    site.wait_for(|site| site.get("/healthz").status == 200);
    let kb = memory_kb(&recorder.child);
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(10)).success(), "{}", recorder.log.join("\n"));
    waits.sort();
    let at = |share: usize| waits[(waits.len() - 1) * share / 100];
    println!("{} visits: median {:?}, p99 {:?}; memory {before_kb} kB to {kb} kB", waits.len(), at(50), at(99));
    assert!(kb.saturating_sub(before_kb) < MEMORY_KB, "{before_kb} kB to {kb} kB");
    assert_eq!(gaps(&place.recordings()), Vec::<Vec<String>>::new());
    assert!(recordings(&place.recordings()).len() > 1);
    tool(env!("CARGO_BIN_EXE_soundpost"), &["verify", place.recordings().to_str().expect("a path")]);
}
