//! SIGKILL at random moments while six kinds of stations are recorded: everything is playable afterwards, nothing old is
//! harmed, little of the newest is missing.
//!
//! 20 kills in an ordinary run; SOUNDPOST_SOAK=1 makes it 200.

mod common;
#[path = "common/web.rs"]
mod web;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::{Place, Recorder, tool};
use web::Web;

/// Lane, extension, content type, and how ffmpeg makes it. Pages of Ogg are short, since a page is the smallest piece.
const KINDS: [(&str, &str, &str, &[&str]); 6] = [
    ("mp3", "mp3", "audio/mpeg", &["-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3"]),
    ("aac", "aac", "audio/aac", &["-c:a", "aac", "-b:a", "96k", "-f", "adts"]),
    ("vorbis", "ogg", "application/ogg", &["-c:a", "libvorbis", "-page_duration", "100000", "-f", "ogg"]),
    ("opus", "opus", "audio/ogg", &["-c:a", "libopus", "-b:a", "96k", "-vbr", "off", "-page_duration", "100000", "-f", "ogg"]),
    ("oggflac", "ogg", "application/ogg", &["-c:a", "flac", "-page_duration", "100000", "-f", "ogg"]),
    ("flac", "flac", "audio/flac", &["-c:a", "flac", "-f", "flac"]),
];
const SOUND_S: f64 = 40.0;
const SYNC_SECONDS: f64 = 1.0;
const TICK: Duration = Duration::from_millis(40);

#[test]
fn a_kill_costs_the_newest_seconds_only() {
    let kills = if std::env::var_os("SOUNDPOST_SOAK").is_some() { 200 } else { 20 };
    let workers = 4;
    let folder = Place::new();
    let sounds: Arc<Vec<Vec<u8>>> =
        Arc::new(KINDS.iter().map(|(name, _, _, options)| sound(&folder.path(name), options)).collect());
    let threads: Vec<_> = (0..workers)
        .map(|n| (n, Arc::clone(&sounds)))
        .map(|(n, s)| thread::spawn(move || kill_again_and_again(n, kills / workers, s)))
        .collect();
    let tolls: Vec<Toll> = threads.into_iter().flat_map(|t| t.join().expect("a worker")).collect();
    let worst = tolls.iter().map(|t| t.missing_s).fold(0.0, f64::max);
    let recovered: usize = tolls.iter().map(|t| t.recovered).sum();
    println!("{kills} kills, {recovered} files recovered, newest audio missing: at most {worst:.2} s");
    assert!(recovered >= kills as usize * 3, "the kills hit recordings: {recovered} files recovered");
}

/// Steady noise: equal times are about equal numbers of bytes.
fn sound(path: &Path, options: &[&str]) -> Vec<u8> {
    let source = format!("anoisesrc=d={SOUND_S}:c=pink:r=48000:a=0.3:seed=7");
    let head = ["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-ac", "2", "-bitexact"];
    tool("ffmpeg", &[&head[..], options, &[path.to_str().expect("a plain path")]].concat());
    fs::read(path).expect("made by ffmpeg")
}

/// What was sent on each lane's newest connection: (when, seconds of sound so far).
type Sent = Arc<Mutex<HashMap<String, Vec<(Instant, f64)>>>>;

/// Each station plays in real time from the start of its sound, again and again.
fn stations(sounds: Arc<Vec<Vec<u8>>>) -> (Web, Sent) {
    let sent: Sent = Arc::default();
    let log = Arc::clone(&sent);
    let web = Web::serve(move |mut visit| {
        let lane = visit.path().trim_start_matches('/').to_owned();
        let (kind, sound) = KINDS.iter().zip(sounds.iter()).find(|((name, ..), _)| *name == lane).expect("a lane");
        visit.send(format!("HTTP/1.0 200 OK\r\nContent-Type: {}\r\n\r\n", kind.2))?;
        log.lock().expect("no panic").insert(lane.clone(), Vec::new());
        let (began, mut at) = (Instant::now(), 0);
        loop {
            let due = (began.elapsed().as_secs_f64() / SOUND_S * sound.len() as f64) as usize;
            while at < due {
                let from = at % sound.len();
                let piece = &sound[from..(from + due - at).min(sound.len())];
                visit.send(piece)?;
                at += piece.len();
            }
            let now = (Instant::now(), at as f64 / sound.len() as f64 * SOUND_S);
            log.lock().expect("no panic").get_mut(&lane).expect("inserted").push(now);
            thread::sleep(TICK);
        }
    });
    (web, sent)
}

/// What one kill cost.
struct Toll {
    /// Of the lane that lost most.
    missing_s: f64,
    recovered: usize,
}

/// What is known of a file: its bytes' sum and its session.
type Known = HashMap<PathBuf, (u32, String)>;

/// One folder, killed `times` times in a row. Half of the kills are repaired by the recorder's own next start.
fn kill_again_and_again(seed: u64, times: u64, sounds: Arc<Vec<Vec<u8>>>) -> Vec<Toll> {
    let place = Place::new();
    let (web, sent) = stations(sounds);
    let section = |(lane, ..): &(&str, &str, &str, &[&str])| {
        format!("[{lane}]\ntype = stream\nurl = {}\nfilename_pattern = {lane}/%Y%m%d_%H%M%S\n", web.url(&format!("/{lane}")))
    };
    let sections: String = KINDS.iter().map(section).collect();
    let config = place.config(&format!("split_minutes = 0.05\nsync_seconds = {SYNC_SECONDS}"), &sections);
    let (mut tolls, mut known) = (Vec::new(), Known::new());
    for kill in 0..times {
        let mut recorder = Recorder::start(&config, &[]);
        for (lane, ..) in KINDS {
            recorder.wait_for(&format!("[{lane}] recording"), Duration::from_secs(30));
        }
        thread::sleep(Duration::from_millis(200 + (seed * 7_919 + kill * 104_729) % 5_000));
        let delivered = delivered(&sent, Instant::now());
        recorder.kill();
        if (kill + seed) % 2 == 0 {
            repair(&place)
        } else {
            repair_by_start(&place, &config)
        }
        tolls.push(check(&place.recordings(), &mut known, &delivered, &recorder.log));
    }
    let out = common::soundpost().arg("verify").arg(place.recordings()).output().expect("runs");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}");
    tolls
}

/// Seconds of sound that each lane had been sent by then.
fn delivered(sent: &Sent, at: Instant) -> BTreeMap<String, f64> {
    let sent = sent.lock().expect("no panic");
    let until = |log: &Vec<(Instant, f64)>| log.iter().take_while(|(t, _)| *t <= at).last().map_or(0.0, |(_, s)| *s);
    sent.iter().map(|(lane, log)| (lane.clone(), until(log))).collect()
}

fn unfinished(root: &Path) -> BTreeSet<PathBuf> {
    let mut all = Vec::new();
    common::walk(root, &mut all);
    all.into_iter().filter(|path| path.extension().is_some_and(|e| e == "part")).collect()
}

fn repair(place: &Place) {
    let out = common::soundpost().arg("repair").arg(place.recordings()).output().expect("runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// As a service manager would: the recorder comes up again, repairs while it records, and is stopped in good order.
fn repair_by_start(place: &Place, config: &Path) {
    let started = SystemTime::now();
    let root = place.recordings();
    let mut recorder = Recorder::start(config, &[]);
    recorder.wait_for("[mp3] recording", Duration::from_secs(30));
    let is_old = |path: &PathBuf| fs::metadata(path).and_then(|m| m.modified()).is_ok_and(|t| t < started);
    let patience = Instant::now() + Duration::from_secs(20);
    while unfinished(&root).iter().any(is_old) {
        assert!(Instant::now() < patience, "older than the process: {:?}\n{}", unfinished(&root), recorder.log.join("\n"));
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(300));
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(20)).success(), "{}", recorder.log.join("\n"));
}

/// Every new file before the program that people open it with; every old one as it was.
fn check(root: &Path, known: &mut Known, delivered: &BTreeMap<String, f64>, log: &[String]) -> Toll {
    assert_eq!(unfinished(root), BTreeSet::new(), "no unfinished file is left");
    let mut toll = Toll { missing_s: 0.0, recovered: 0 };
    for (lane, extension, ..) in KINDS {
        let mut paths = Vec::new();
        common::walk(&root.join(lane), &mut paths);
        paths.sort();
        let before: BTreeSet<String> =
            paths.iter().filter_map(|path| known.get(path)).map(|(_, session)| session.clone()).collect();
        // By session: when it began, and its seconds of sound.
        let mut runs: BTreeMap<String, (String, f64)> = BTreeMap::new();
        for path in paths {
            let bytes = fs::read(&path).expect("read");
            let sum = bytes.iter().fold(0x811C_9DC5_u32, |sum, &b| (sum ^ u32::from(b)).wrapping_mul(0x0100_0193));
            if let Some((old, _)) = known.get(&path) {
                assert_eq!(*old, sum, "{} was changed", path.display());
                continue;
            }
            assert!(path.extension().is_some_and(|e| e == extension), "{}", path.display());
            let side = common::sidecar(root, &path);
            let seconds = decoded_s(&path).unwrap_or_else(|said| panic!("{}: {said}\n{side:#}", path.display()));
            assert_eq!(side["source"], lane, "{}", path.display());
            let text = |key: &str| side[key].as_str().unwrap_or_else(|| panic!("{key} in {side:#}")).to_owned();
            let (session, start) = (text("session"), text("start"));
            assert!(!before.contains(&session), "{}: the session of an earlier run", path.display());
            toll.recovered += usize::from(side["recovered"] == true);
            let run = runs.entry(session.clone()).or_insert((start, 0.0));
            run.1 += seconds;
            known.insert(path, (sum, session));
        }
        assert!(runs.len() <= 2, "{lane}: the run that was killed, and the one that repaired: {runs:?}");
        let newest = runs.values().min_by_key(|(start, _)| start).map_or(0.0, |(_, seconds)| *seconds);
        let missing_s = delivered[lane] - newest;
        assert!(
            missing_s <= SYNC_SECONDS + 1.0,
            "{lane}: {missing_s:.2} s of {:.2} s are missing: {runs:?}\n{}",
            delivered[lane],
            log.join("\n")
        );
        toll.missing_s = toll.missing_s.max(missing_s);
    }
    toll
}

/// How long ffmpeg plays it; what it has to complain about.
fn decoded_s(path: &Path) -> Result<f64, String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error"]);
    if path.extension().is_some_and(|e| e == "aac") {
        command.args(["-f", "aac"]); // two frames, as a stop just behind a boundary leaves them, are too few for it to guess
    }
    command.arg("-i").arg(path).args(["-ar", "8000", "-ac", "1", "-f", "s16le", "-"]);
    let out = command.stdin(Stdio::null()).output().expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    if out.status.success() && said.is_empty() { Ok(out.stdout.len() as f64 / 16_000.0) } else { Err(said) }
}
