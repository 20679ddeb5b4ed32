//! One mount with very many listeners, half of them slow or rude, and a sound card that is recorded beside it: not a frame is lost,
//! whoever listens well hears every page, and memory has a bound. 200 listeners for twenty seconds; 1,000 for ten minutes with
//! SOUNDPOST_SOAK=1.

mod common;
#[path = "common/crowd.rs"]
mod crowd;
#[path = "common/icecast.rs"]
mod icecast;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use common::rig::Rig;
use common::{Place, Recorder, gaps, recordings, tool};
use crowd::{Ear, connected};
use icecast::{Process, free_port};
use rustix::net::sockopt::set_socket_linger;

const MOUNT: &str = "/wood.opus";
const BEAT: Duration = Duration::from_millis(100);
/// What a slow listener takes every beat, and the kernel keeps for it.
const SIPS: usize = 512;
const WINDOW: usize = 4 << 10;
/// Anonymous memory that the mount and its guests may cost, and that one listener may.
const MEMORY_KIB: u64 = 4 << 10;
const LISTENER_KIB: u64 = 4;
/// A newcomer is served within.
const SERVED: Duration = Duration::from_secs(5);

struct Size {
    listeners: usize,
    long: Duration,
    /// Of the source: where it is short, a socket that nobody reads must be full soon.
    bits: &'static str,
}

fn size() -> Size {
    match std::env::var_os("SOUNDPOST_SOAK") {
        Some(_) => Size { listeners: 1_000, long: Duration::from_secs(600), bits: "96k" },
        None => Size { listeners: 200, long: Duration::from_secs(20), bits: "500k" },
    }
}

/// A recorder of a card, which relays, and may have no more files open at first than a tenth of what it needs.
fn recorder(rig: &Rig, place: &Place, port: u16, listeners: usize) -> Recorder {
    let most = listeners + listeners / 2;
    let sections = format!(
        "[web]\nbind = 127.0.0.1\nport = {port}\n\
         [live]\nsource_password = feed\nmax_listeners = {most}\nmax_listeners_per_mount = {most}\n\
         [mic]\ntype = soundcard\ndevice = mic\nsample_rate = 48000\nformat = flac\n"
    );
    let config = place.config("split_minutes = 0.2\nmin_free_mb = 0", &sections);
    let mut command = Command::new("sh");
    let script = format!("ulimit -Sn {}; exec \"$0\" record -c \"$1\"", listeners / 2);
    command.args(["-c", &script, env!("CARGO_BIN_EXE_soundpost")]).arg(config).envs(rig.environment());
    let mut recorder = Recorder::spawn(&mut command);
    recorder.wait_for("recording", Duration::from_secs(20));
    recorder
}

/// Noise, five pages a second.
fn feed(port: u16, bits: &str) -> Process {
    let input = ["-v", "error", "-re", "-f", "lavfi", "-i", "anoisesrc=r=48000:a=0.3:seed=7", "-ac", "2"];
    let coding = ["-c:a", "libopus", "-b:a", bits, "-vbr", "off", "-page_duration", "200000", "-f", "ogg"];
    let mut command = Command::new("ffmpeg");
    command.args(input).args(coding).args(["-content_type", "audio/ogg"]);
    command.arg(format!("icecast://source:feed@127.0.0.1:{port}{MOUNT}")).stdin(Stdio::null());
    Process(command.spawn().expect("ffmpeg (make setup)"))
}

fn anonymous_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find(|line| line.starts_with("RssAnon:")).expect("Linux");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Ways to be rude, and how long each takes.
#[derive(Clone, Copy)]
enum Rude {
    SaysNothing,
    SaysHalf,
    LeavesAtOnce,
    /// Asks, and takes everything back.
    Resets,
    /// Listens without reading, and then takes everything back.
    ResetsLater,
    /// Says that it has said everything, and talks on.
    Talks,
}

const WAYS: [Rude; 6] = [Rude::SaysNothing, Rude::SaysHalf, Rude::LeavesAtOnce, Rude::Resets, Rude::ResetsLater, Rude::Talks];

/// Comes, and tells how long it stays.
fn rude(port: u16, n: usize) -> Option<(TcpStream, Rude, Duration)> {
    let way = WAYS[n % WAYS.len()];
    let mut socket = connected(port, Ipv4Addr::new(127, 0, 1, (n % 250) as u8 + 1), Some(WINDOW)).ok()?;
    let request = format!("GET {MOUNT} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let stays = match way {
        Rude::SaysNothing => 2_000,
        Rude::SaysHalf => {
            socket.write_all(&request.as_bytes()[..20]).ok()?;
            1_000
        }
        Rude::LeavesAtOnce => 0,
        Rude::Resets | Rude::ResetsLater | Rude::Talks => {
            socket.write_all(request.as_bytes()).ok()?;
            if let Rude::Resets = way { 0 } else { 1_500 }
        }
    };
    Some((socket, way, Duration::from_millis(stays)))
}

/// So many at a time, one after the other; how many there were.
fn rude_ones(port: u16, count: usize, over: &AtomicBool) -> usize {
    let (mut there, mut n) = (Vec::new(), 0);
    while !over.load(Relaxed) {
        while there.len() < count {
            n += 1;
            there.extend(rude(port, n).map(|(socket, way, stays)| (socket, way, Instant::now() + stays)));
        }
        sleep(BEAT);
        there.retain(|(socket, way, until)| {
            if let Rude::Talks = way {
                let _ = socket.set_nonblocking(true);
                let _ = (&*socket).write(&[b'x'; 4_096]);
            }
            let stays = Instant::now() < *until;
            if !stays && matches!(way, Rude::Resets | Rude::ResetsLater) {
                let _ = set_socket_linger(socket, Some(Duration::ZERO));
            }
            stays
        });
    }
    n
}

/// Comes to listen, and asks for the state, again and again, more than once where it is pushed out by the rude; how long it waited at
/// most, and how often it had to come again.
fn newcomers(port: u16, over: &AtomicBool) -> (Duration, usize) {
    let status = || -> io::Result<String> {
        let mut socket = connected(port, Ipv4Addr::LOCALHOST, None)?;
        write!(socket, "GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let (mut longest, mut again) = (Duration::ZERO, 0);
    while !over.load(Relaxed) {
        let asked = Instant::now();
        while Ear::ask(port, MOUNT, None).and_then(Ear::begin).is_err() || !status().is_ok_and(|text| text.contains(" 200 ")) {
            assert!(asked.elapsed() < SERVED, "nobody answers");
            again += 1;
        }
        longest = longest.max(asked.elapsed());
        sleep(5 * BEAT);
    }
    (longest, again)
}

/// Those who read what there is, those who take sips, and those who take nothing.
struct Crowd {
    good: Vec<Ear>,
    sipping: Vec<Ear>,
    stuck: Vec<Ear>,
}

impl Crowd {
    fn of(port: u16, listeners: usize) -> Crowd {
        let join = |count: usize, window| (0..count).map(|_| Ear::join(port, MOUNT, window).attentive()).collect::<Vec<_>>();
        Crowd {
            good: join(listeners / 2, None),
            sipping: join(listeners / 8, Some(WINDOW)),
            stuck: join(listeners / 8, Some(WINDOW)),
        }
    }

    fn listen(&mut self, long: Duration) {
        let (began, mut space, mut beats) = (Instant::now(), vec![0; 256 << 10], 0);
        while began.elapsed() < long {
            self.good.iter_mut().for_each(|ear| ear.read(&mut space, usize::MAX));
            self.sipping.iter_mut().for_each(|ear| ear.read(&mut space, SIPS));
            beats += 1;
            sleep((BEAT * beats).saturating_sub(began.elapsed()));
        }
    }

    /// The slow read what is still on its way to them.
    fn hear_out(&mut self) {
        let (began, mut space) = (Instant::now(), vec![0; 256 << 10]);
        // Little at a time comes through their small windows.
        while began.elapsed() < Duration::from_secs(8) {
            for ear in [&mut self.good, &mut self.sipping, &mut self.stuck].into_iter().flatten() {
                ear.read(&mut space, usize::MAX);
            }
            sleep(Duration::from_millis(1));
        }
    }

    fn judge(&self, long: Duration) {
        let least = long.as_secs() * 5 * 9 / 10;
        for ear in &self.good {
            let pages = ear.pages.as_ref().expect("attentive");
            assert!(!ear.is_over && pages.heard >= least, "{} pages of {least}, over: {}", pages.heard, ear.is_over);
            assert_eq!((pages.jumps, pages.wrong), (0, 0), "whoever reads misses nothing");
        }
        let (mut jumped, mut cut) = (0, 0);
        for ear in self.sipping.iter().chain(&self.stuck) {
            let pages = ear.pages.as_ref().expect("attentive");
            assert!(ear.is_over || pages.jumps > 0, "{} bytes, {} pages without a jump", ear.bytes, pages.heard);
            assert_eq!(pages.wrong, 0, "what the slow hear is whole pages");
            jumped += usize::from(pages.jumps > 0);
            cut += usize::from(ear.is_over);
        }
        let pages: u64 = self.good.iter().filter_map(|ear| ear.pages.as_ref()).map(|pages| pages.heard).sum();
        println!("{} good listeners heard {pages} pages, each of them in order", self.good.len());
        println!("{} slow ones: {jumped} jumped ahead, {cut} were cut off", self.sipping.len() + self.stuck.len());
    }
}

#[test]
fn the_many_are_served_and_nothing_is_lost() {
    let Size { listeners, long, bits } = size();
    let (rig, place, port) = (Rig::new(&["mic:48000:2"]), Place::new(), free_port());
    let mut recorder = recorder(&rig, &place, port, listeners);
    let pid = recorder.child.id();
    let feed = feed(port, bits);
    recorder.wait_for("/wood.opus: fed", Duration::from_secs(20));
    sleep(Duration::from_secs(2));
    let before = anonymous_kib(pid);
    let mut crowd = Crowd::of(port, listeners);
    let over = AtomicBool::new(false);
    let during = thread::scope(|scope| {
        let rude = scope.spawn(|| rude_ones(port, listeners / 4, &over));
        let newcomers = scope.spawn(|| newcomers(port, &over));
        crowd.listen(long);
        let during = anonymous_kib(pid);
        over.store(true, Relaxed);
        println!("{} were rude", rude.join().expect("no panic"));
        let (longest, again) = newcomers.join().expect("served");
        println!("newcomers waited {longest:?} at most, and were pushed out {again} times");
        during
    });
    crowd.hear_out();
    crowd.judge(long);
    drop((crowd, feed));
    sleep(Duration::from_secs(3));
    let after = anonymous_kib(pid);
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(10)).success(), "{}", recorder.log.join("\n"));
    println!("RssAnon: {before} KiB before, {during} KiB with {listeners}, {after} KiB when all had left");
    assert!(during < before + MEMORY_KIB + listeners as u64 * LISTENER_KIB, "{before} KiB to {during} KiB");
    assert!(after < before + MEMORY_KIB, "{before} KiB to {after} KiB");
    assert_eq!(gaps(&place.recordings()), Vec::<Vec<String>>::new());
    assert!(recordings(&place.recordings()).len() > 1);
    tool(env!("CARGO_BIN_EXE_soundpost"), &["verify", place.recordings().to_str().expect("a path")]);
}
