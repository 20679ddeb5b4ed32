//! A hundred stations beside a hundred curls, over http and https; and all of them cutting at once on a slow disk.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::common::{Place, Recorder, recordings};
use crate::process::{cpu_ticks, status_kib};
use crate::web::{Cert, Visit, Web};

const STATIONS: usize = 100;
/// What is sent at once: a tenth of a second of 128 kbit/s.
const PIECE_BYTES: usize = 1_600;
const PIECE: Duration = Duration::from_millis(100);
/// As Icecast does for who connects.
const BURST_BYTES: usize = 64 << 10;

pub fn stations() {
    let seconds = std::env::var("SOUNDPOST_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(300);
    let place = Place::new();
    let mp3 = Arc::new(radio(place.folder.path()));
    println!("{STATIONS} MP3 stations at 128 kbit/s from a server of this benchmark, for {seconds} s");
    if seconds > 0 {
        against_curl(&place, &mp3, Duration::from_secs(seconds));
        over_tls(&place, &mp3);
    }
    cutting_on_a_slow_disk(&mp3);
}

/// A minute of MP3 whose frames need none before them, so that the files joined are the stream.
fn radio(folder: &Path) -> Vec<u8> {
    let path = folder.join("radio.mp3");
    let source = ["-v", "error", "-f", "lavfi", "-i", "anoisesrc=r=44100:a=0.3:d=60:seed=7", "-ac", "2", "-c:a", "libmp3lame"];
    let coding = ["-b:a", "128k", "-reservoir", "0", "-write_xing", "0", "-id3v2_version", "0"];
    let status = Command::new("ffmpeg").args(source).args(coding).arg(&path).status().expect("ffmpeg (make setup)");
    assert!(status.success(), "ffmpeg");
    std::fs::read(path).expect("made by ffmpeg")
}

/// Sends it again and again at its own pace until the other side hangs up.
fn play(mut visit: Visit, mp3: &[u8], sent: &AtomicU64) -> io::Result<()> {
    visit.send("HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n")?;
    let began = Instant::now();
    let mut at = 0;
    let mut pieces = 0;
    loop {
        let due = if at == 0 { BURST_BYTES } else { PIECE_BYTES };
        let mut left = due;
        while left > 0 {
            let from = at % mp3.len();
            let n = left.min(mp3.len() - from);
            visit.send(&mp3[from..from + n])?;
            (at, left) = (at + n, left - n);
            sent.fetch_add(n as u64, Relaxed);
        }
        pieces += 1;
        std::thread::sleep((PIECE * pieces).saturating_sub(began.elapsed()));
    }
}

fn sections(url: impl Fn(usize) -> String, count: usize) -> String {
    let section = |n| format!("[s{n:03}]\ntype = stream\nurl = {}\nfilename_pattern = s{n:03}/%H%M%S\n", url(n));
    (0..count).map(section).collect()
}

/// Recording all of them: what it holds for each beyond the first, in KiB.
fn start(place: &Place, general: &str, url: impl Fn(usize) -> String) -> (Recorder, f64) {
    let one = {
        let config = place.config(general, &sections(&url, 1));
        let mut recorder = Recorder::start(&config, &[]);
        recorder.wait_for("recording mp3", Duration::from_secs(20));
        std::thread::sleep(Duration::from_secs(5));
        let one = status_kib(recorder.child.id(), "RssAnon:");
        recorder.signal("TERM");
        recorder.wait(Duration::from_secs(10));
        one
    };
    let config = place.config(general, &sections(&url, STATIONS));
    let mut recorder = Recorder::start(&config, &[]);
    for _ in 0..STATIONS {
        recorder.wait_for("recording mp3", Duration::from_secs(60));
    }
    std::thread::sleep(Duration::from_secs(10));
    let all = status_kib(recorder.child.id(), "RssAnon:");
    println!("RssAnon with one station {one} KiB, with {STATIONS} stations {all} KiB");
    (recorder, (all - one) as f64 / (STATIONS - 1) as f64)
}

fn against_curl(place: &Place, mp3: &Arc<Vec<u8>>, seconds: Duration) {
    let (mp3, sent) = (mp3.clone(), Arc::new(AtomicU64::new(0)));
    let web = Web::serve(move |visit| play(visit, &mp3, &sent));
    let (mut recorder, each) = start(place, "", |n| web.url(&format!("/{n}")));
    println!("http: {each:.0} KiB a station (bar: at most 300)");
    let curl = |n: usize| -> Child {
        let mut command = Command::new("curl");
        command.args(["-s", "-o"]).arg(place.path(&format!("curl-{n}.mp3"))).arg(web.url("/curl"));
        command.stdin(Stdio::null()).spawn().expect("curl (make setup)")
    };
    let mut curls: Vec<Child> = (0..STATIONS).map(curl).collect();
    std::thread::sleep(Duration::from_secs(10));
    let pids: Vec<u32> = curls.iter().map(Child::id).collect();
    let cost = || (cpu_ticks(recorder.child.id()), pids.iter().map(|pid| cpu_ticks(*pid)).sum::<u64>());
    let before = cost();
    std::thread::sleep(seconds);
    let after = cost();
    let (ours, theirs) = (after.0 - before.0, after.1 - before.1);
    println!(
        "CPU in {} s: soundpost {:.2} s, {STATIONS} curls {:.2} s",
        seconds.as_secs(),
        ours as f64 / 100.0,
        theirs as f64 / 100.0
    );
    println!("ratio: {:.2} (bar: at most 1)", ours as f64 / theirs as f64);
    for curl in &mut curls {
        let _ = curl.kill();
        let _ = curl.wait();
    }
    recorder.signal("TERM");
    recorder.wait(Duration::from_secs(10));
}

fn over_tls(place: &Place, mp3: &Arc<Vec<u8>>) {
    let cert = Cert::new(place.folder.path(), "bench", "DNS:localhost", 2);
    let (mp3, sent) = (mp3.clone(), Arc::new(AtomicU64::new(0)));
    let web = Web::serve_tls(&cert, move |visit| play(visit, &mp3, &sent));
    let general = format!("ca_file = {}", cert.ca_file.display());
    let (mut recorder, each) = start(place, &general, |n| web.https("localhost", &format!("/{n}")));
    println!("https: {each:.0} KiB a station (bar: at most 450)");
    recorder.signal("TERM");
    recorder.wait(Duration::from_secs(10));
}

/// Every sync takes 200 ms longer than the disk needs, by strace.
fn cutting_on_a_slow_disk(mp3: &Arc<Vec<u8>>) {
    let place = Place::new();
    let sent = Arc::new(AtomicU64::new(0));
    let (played, counted) = (mp3.clone(), sent.clone());
    let web = Web::serve(move |visit| play(visit, &played, &counted));
    let config = place.config("split_minutes = 0.25", &sections(|n| web.url(&format!("/{n}")), STATIONS));
    let slow = [
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync,syncfs",
        "-e",
        "inject=fsync,fdatasync,syncfs:delay_exit=200000",
    ];
    let mut command = Command::new("strace");
    command.args(slow).arg(env!("CARGO_BIN_EXE_soundpost")).arg("record").arg("-c").arg(&config);
    let mut recorder = Recorder::spawn(&mut command);
    for _ in 0..STATIONS {
        recorder.wait_for("recording mp3", Duration::from_secs(120));
    }
    std::thread::sleep(Duration::from_secs(50));
    let sent = sent.load(Relaxed);
    // strace hands the signal of its own end on to nobody: the recorder is its child.
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", recorder.child.id())).expect("strace runs");
    let pid = children.split_whitespace().next().expect("the recorder").to_owned();
    Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
    recorder.wait(Duration::from_secs(60));
    let (mut files, mut kept, mut broken) = (0, 0, 0);
    for n in 0..STATIONS {
        let mut paths = recordings(&place.recordings().join(format!("s{n:03}")));
        paths.sort();
        files += paths.len();
        let joined: Vec<u8> = paths.iter().flat_map(|path| std::fs::read(path).expect("a recording")).collect();
        kept += joined.len() as u64;
        let is_the_stream = joined.chunks(mp3.len()).all(|lap| lap == &mp3[..lap.len()]);
        broken += usize::from(!is_the_stream);
    }
    let connections = web.requests.lock().expect("no panic holds it").len();
    println!("{STATIONS} stations cutting every 15 s for a minute, each sync 200 ms slower: {files} files");
    println!("connections beyond the first of each: {} (bar: 0)", connections - STATIONS);
    println!("stations whose files are not the stream, byte for byte: {broken} (bar: 0)");
    println!("sent {sent} bytes until just before the end, kept {kept}");
}
