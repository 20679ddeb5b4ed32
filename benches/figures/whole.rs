//! The whole machine as it stands in a wood with a Pi's memory: two cards, two stations, uploads to a folder, the page with eight people
//! before it, in 64 MiB.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::common::cards::card;
use crate::common::rig::Rig;
use crate::common::{Place, Recorder, gaps, soundpost};
use crate::icecast::{Icecast, free_port};
use crate::process::{descriptors, median, sleeps, status_kib, threads};

const MIB: u64 = 64;
const TIME: Duration = Duration::from_secs(60);

pub fn in_a_small_board() {
    let rig = Rig::new(&["one:48000:2", "two:96000:1"]);
    let (place, port, mut icecast) = (Place::new(), free_port(), Icecast::start());
    let noise = ["-f", "lavfi", "-i", "anoisesrc=color=pink:amplitude=0.2:sample_rate=44100"];
    icecast.feed("a.mp3", &noise, &["-c:a", "libmp3lame", "-b:a", "128k", "-content_type", "audio/mpeg", "-f", "mp3"]);
    icecast.feed("b.ogg", &noise, &["-c:a", "libvorbis", "-b:a", "96k", "-content_type", "application/ogg", "-f", "ogg"]);
    icecast.wait_for(&["a.mp3", "b.ogg"]);
    let stations = ["a.mp3", "b.ogg"].map(|mount| {
        let name = &mount[..1];
        format!("[station-{name}]\ntype = stream\nurl = {}\nfilename_pattern = {name}/%H%M%S\n", icecast.url(mount))
    });
    fs::create_dir_all(place.path("stick")).expect("made");
    let upload = format!("[upload]\ntype = folder\nfolder = {}\nmounted = no\n", place.path("stick").display());
    let web = format!("[web]\nbind = 127.0.0.1\nport = {port}\n");
    let sections = web + &upload + &card("one", 48_000, 2, "flac") + &card("two", 96_000, 1, "flac") + &stations.concat();
    let config = place.config("split_minutes = 0.25", &sections);
    let group = Group::new();
    let mut recorder = Recorder::spawn(group.command().arg("record").arg("-c").arg(config).envs(rig.environment()));
    for name in ["one", "two", "station-a", "station-b"] {
        recorder.wait_for(&format!("[{name}] recording"), Duration::from_secs(30));
    }
    let pid = recorder.child.id();
    std::thread::sleep(Duration::from_secs(10));
    let (before, begun) = (sleeps(pid), Instant::now());
    std::thread::sleep(Duration::from_secs(20));
    let idle = (sleeps(pid) - before) as f64 / begun.elapsed().as_secs_f64();
    let (asked, ms) = people(port);
    println!("{}: RSS {:.1} MiB, at most {:.1} (bar: 48)", group.what(), mib(pid, "VmRSS:"), mib(pid, "VmHWM:"));
    println!("{} threads (bar: 24), {} descriptors (bar: 128)", threads(pid), descriptors(pid));
    println!("wake-ups/s while nobody looks: {idle:.0} (bar: 150)");
    println!("eight people for {} s: {asked} answers, median {ms:.1} ms", TIME.as_secs());
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(20)).success(), "{}", recorder.log.join("\n"));
    println!("gaps: {} (bar: 0)", gaps(&place.recordings()).len());
}

fn mib(pid: u32, what: &str) -> f64 {
    status_kib(pid, what) as f64 / 1_024.0
}

/// Two of them look at the live view and listen, all ask for what a page asks for. How many answers, and how long each took.
fn people(port: u16) -> (u64, f64) {
    let base = format!("http://127.0.0.1:{port}");
    let (over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    let live = ["/api/events", "/api/live/one/spectrum", "/api/live/two/waterfall", "/live/one.opus"];
    let times = std::thread::scope(|scope| {
        for path in live {
            let (url, over) = (format!("{base}{path}"), &over);
            scope.spawn(move || follow(&url, over));
        }
        let each = (0..8).map(|_| scope.spawn(|| ask(&base, &asked)));
        let each: Vec<_> = each.collect();
        let times = each.into_iter().flat_map(|person| person.join().expect("no panic")).collect();
        over.store(true, Relaxed);
        times
    });
    (asked.into_inner(), median(times))
}

fn ask(base: &str, asked: &AtomicU64) -> Vec<f64> {
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < TIME {
        for path in ["/", "/api/status", "/api/files", "/api/days"] {
            let at = Instant::now();
            let mut answer = ureq::get(format!("{base}{path}")).call().expect("answered");
            answer.body_mut().read_to_vec().expect("whole");
            times.push(at.elapsed().as_secs_f64() * 1_000.0);
            asked.fetch_add(1, Relaxed);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    times
}

fn follow(url: &str, over: &AtomicBool) {
    let mut answer = ureq::get(url).call().expect("answered");
    let (mut body, mut space) = (answer.body_mut().as_reader(), [0; 4_096]);
    while !over.load(Relaxed) && body.read(&mut space).is_ok_and(|count| count > 0) {}
}

/// A control group with that much memory, where this machine lets us make one.
struct Group(Option<PathBuf>);

impl Group {
    fn new() -> Group {
        let path = Path::new("/sys/fs/cgroup/memory").join(format!("soundpost-bench-{}", std::process::id()));
        let made = fs::create_dir(&path).and_then(|()| fs::write(path.join("memory.limit_in_bytes"), (MIB << 20).to_string()));
        Group(made.is_ok().then_some(path))
    }

    fn what(&self) -> String {
        self.0.as_ref().map_or_else(|| "no control group here".into(), |_| format!("in {MIB} MiB, page cache included"))
    }

    fn command(&self) -> Command {
        let Some(group) = &self.0 else { return soundpost() };
        let mut command = Command::new("sh");
        let program = soundpost().get_program().to_owned();
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.display());
        command.args(["-c", &enter, "sh"]).arg(program);
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_dir(path);
        }
    }
}
