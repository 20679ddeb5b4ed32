//! Five hundred who listen to one mount: here, and on an icecast2 that is fed the same bytes at the same time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Place, Recorder, tool};
use crate::crowd::{Ear, listen};
use crate::icecast::{Icecast, PASSWORD, Process, free_port};
use crate::process::{sleeps, status_kib, thread_seconds, threads};

const LISTENERS: usize = 500;
/// How often they read: what comes between is theirs in one piece, whoever sends it.
const BEAT: Duration = Duration::from_millis(100);
/// After the last has come.
const SETTLE: Duration = Duration::from_secs(5);

/// How often a source sends decides what its listeners cost: MP3 comes frame by frame, Ogg page by page, which ffmpeg makes as long
/// as it is told to, and a second if it is not.
struct Coding {
    mount: &'static str,
    coding: &'static [&'static str],
    muxing: &'static [&'static str],
    media: &'static str,
}

const OPUS: &[&str] = &["-c:a", "libopus", "-b:a", "96k", "-vbr", "off"];

const CODINGS: [Coding; 3] = [
    Coding { mount: "a.mp3", coding: &["-c:a", "libmp3lame", "-b:a", "96k"], muxing: &["-f", "mp3"], media: "audio/mpeg" },
    Coding {
        mount: "pages-of-100-ms.opus",
        coding: OPUS,
        muxing: &["-f", "ogg", "-page_duration", "100000"],
        media: "audio/ogg",
    },
    Coding { mount: "pages-of-1-s.opus", coding: OPUS, muxing: &["-f", "ogg"], media: "audio/ogg" },
];

pub fn listeners_beside_icecast() {
    let seconds = std::env::var("SOUNDPOST_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60);
    for coding in &CODINGS {
        beside(coding, Duration::from_secs(seconds));
    }
}

/// A relay that records nothing: its one source is a station that is not there.
fn relay(place: &Place) -> (Recorder, u16) {
    let port = free_port();
    let web = format!("[web]\nbind = 127.0.0.1\nport = {port}\n");
    let live = format!("[live]\nsource_password = {PASSWORD}\nmax_listeners = 1000\nmax_listeners_per_mount = 1000\n");
    let station = "[nobody]\ntype = stream\nurl = http://127.0.0.1:9/\n";
    let mut recorder = Recorder::start(&place.config("", &format!("{web}{live}{station}")), &[]);
    recorder.wait_for("the page: ", Duration::from_secs(20));
    (recorder, port)
}

/// A sound of some minutes, encoded once.
fn encoded(folder: &Path, coding: &Coding) -> PathBuf {
    let path = folder.join(coding.mount);
    let sound = ["-v", "error", "-f", "lavfi", "-i", "anoisesrc=r=48000:a=0.3:d=300:seed=7", "-ac", "2"];
    tool("ffmpeg", &[&sound[..], coding.coding, coding.muxing, &[path.to_str().expect("a plain path")]].concat());
    path
}

fn feed(path: &Path, coding: &Coding, port: u16) -> Process {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-re", "-i"]).arg(path).args(["-c", "copy", "-content_type", coding.media]).args(coding.muxing);
    command.arg(format!("icecast://source:{PASSWORD}@127.0.0.1:{port}/{}", coding.mount)).stdin(Stdio::null());
    Process(command.spawn().expect("ffmpeg (make setup)"))
}

/// All of them ask at once where one after the other would take minutes: icecast2 lets some in whenever its source has sent.
fn crowd([port, peer]: [u16; 2], mount: &str) -> Vec<Ear> {
    let path = format!("/{mount}");
    let theirs: Vec<Ear> = (0..LISTENERS).map(|_| Ear::ask(peer, &path, None).expect("icecast2")).collect();
    let theirs: Vec<Ear> = theirs.into_iter().map(|ear| ear.begin().expect("an answer")).collect();
    // Ours last: who has not read for ten seconds is cut off, and theirs may take as long.
    (0..LISTENERS).map(|_| Ear::join(port, &path, None)).chain(theirs).collect()
}

fn beside(coding: &Coding, long: Duration) {
    let place = Place::new();
    let path = encoded(place.folder.path(), coding);
    let (recorder, port) = relay(&place);
    let mut icecast = Icecast::start();
    let _feeds = [feed(&path, coding, port), feed(&path, coding, icecast.port)];
    icecast.wait_for(&[coding.mount]);
    thread::sleep(Duration::from_secs(2));
    let pids = [recorder.child.id(), icecast.pid()];
    let empty = pids.map(|pid| status_kib(pid, "RssAnon:"));
    let mut ears = crowd([port, icecast.port], coding.mount);
    listen(&mut ears, BEAT, SETTLE);
    let look = || pids.map(|pid| (thread_seconds(pid).values().sum::<f64>(), sleeps(pid)));
    let heard = |ears: &[Ear]| ears.chunks(LISTENERS).map(|half| half.iter().map(|ear| ear.bytes).sum()).collect::<Vec<u64>>();
    let (began, before, bytes) = (Instant::now(), look(), heard(&ears));
    listen(&mut ears, BEAT, long);
    let (took, after, more) = (began.elapsed().as_secs_f64(), look(), heard(&ears));
    let mut sides = Vec::new();
    for (n, name) in ["soundpost", "icecast2"].into_iter().enumerate() {
        let cpu = after[n].0 - before[n].0;
        let kib = status_kib(pids[n], "RssAnon:");
        let there = ears[n * LISTENERS..][..LISTENERS].iter().filter(|ear| !ear.is_over).count();
        println!(
            "{}: {name:<9} {there} listeners of {:.1} kbit/s in {took:.0} s: {cpu:.2} s of CPU, {} wake-ups, {} threads, RssAnon {kib} KiB ({} without listeners)",
            coding.mount,
            (more[n] - bytes[n]) as f64 * 8.0 / 1_000.0 / took / LISTENERS as f64,
            after[n].1 - before[n].1,
            threads(pids[n]),
            empty[n],
        );
        sides.push((cpu, kib as f64));
    }
    let [(cpu, kib), (their_cpu, their_kib)] = sides[..] else { return };
    println!(
        "{}: CPU {:.2} (bar: at most 0.8), RssAnon {:.2} (bar: at most 0.7)",
        coding.mount,
        cpu / their_cpu,
        kib / their_kib
    );
}
