//! Memory, threads, descriptors and wake-ups beside arecord and ffmpeg on the same device; growth over a day; many cuts at once.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::rig::Rig;
use crate::common::{Place, Recorder, gaps, recordings};
use crate::process::{anonymous_kib, descriptors, sleeps, status_kib, threads};
use crate::sound;

const SETTLE: Duration = Duration::from_secs(20);

/// One 48 kHz stereo card to FLAC, all three at the same time on the same device.
pub fn against_arecord_and_ffmpeg() {
    let rig = Rig::new(&["mic:48000:2"]);
    let place = Place::new();
    let config = place.config("", "[mic]\ntype = soundcard\ndevice = mic\nsample_rate = 48000\nformat = flac\n");
    let recorder = record(&rig, &config);
    let mut arecord = peer(&rig, "arecord", &["-q", "-D", "mic", "-f", "S16_LE", "-r", "48000", "-c", "2", "/dev/null"]);
    let pattern = place.path("ffmpeg-%03d.flac");
    let segment = ["-f", "segment", "-segment_time", "60", pattern.to_str().expect("a path")];
    let input = ["-v", "error", "-f", "alsa", "-ac", "2", "-ar", "48000", "-i", "mic", "-c:a", "flac"];
    let mut ffmpeg = peer(&rig, "ffmpeg", &[&input[..], &segment[..]].concat());
    std::thread::sleep(SETTLE);
    let row = |name: &str, pid: u32| {
        let (anon, all) = (status_kib(pid, "RssAnon:"), status_kib(pid, "VmRSS:"));
        println!("{name:<10} RssAnon {anon:>7} KiB, RSS {all:>7} KiB, {} threads", threads(pid));
        (anon as f64, all as f64)
    };
    let (anon, ours) = row("soundpost", recorder.child.id());
    let (_, theirs) = row("arecord", arecord.id());
    let (_, big) = row("ffmpeg", ffmpeg.id());
    println!("RssAnon {:.2} MiB (bar: at most 7)", anon / 1024.0);
    println!("RSS - arecord's: {:.2} MiB (bar: at most 7)", (ours - theirs) / 1024.0);
    println!("RSS / ffmpeg's: {:.2} (bar: at most 0.25)", ours / big);
    end(&mut arecord);
    end(&mut ffmpeg);
}

/// A day of sound as fast as it can be read: anonymous memory at the end of hour 1 and of hour 24.
pub fn growth_over_a_day() {
    // In memory, so that syncs take no time: while the profile of an hour waits for its own, that of the next grows, at this speed
    // by a minute's worth.
    let place = Place { folder: tempfile::tempdir_in("/dev/shm").expect("memory") };
    let disk = tempfile::tempdir().expect("a folder");
    let (wav, what) = sound::stereo(disk.path(), 600);
    println!("24 h of 48 kHz stereo in one go: {what}");
    let section = format!("[day]\ntype = file\npath = {}\npace = fast\nloop = yes\nformat = flac\n", wav.display());
    let config = place.config("split_minutes = 60", &section);
    let mut recorder = Recorder::start(&config, &[]);
    // Between two looks a file may be opening or closing, so the least of an hour is what it holds on to.
    let (mut hours, mut least) = (Vec::new(), u64::MAX);
    while hours.len() < 25 {
        least = least.min(anonymous_kib(recorder.child.id()));
        for path in recordings(&place.recordings()) {
            std::fs::remove_file(path).expect("removed");
            hours.push(std::mem::replace(&mut least, u64::MAX));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    recorder.kill();
    // The first file is short: it ends at the next full hour.
    let (first, last) = (hours[1], hours[24]);
    println!(
        "Anonymous memory after hour 1: {first} KiB, after hour 24: {last} KiB, highest of all hours {:?} KiB",
        hours.iter().max()
    );
    println!("every hour: {hours:?}");
    println!("growth: {} KiB (bar: at most 16)", last as i64 - first as i64);
}

/// Two cards against two arecords: threads, descriptors, wake-ups. Then sixteen lanes that cut in the same second.
pub fn two_cards_and_sixteen_lanes() {
    let rig = Rig::new(&["one:48000:2", "two:96000:2"]);
    let place = Place::new();
    let card =
        |name: &str, rate: u32| format!("[{name}]\ntype = soundcard\ndevice = {name}\nsample_rate = {rate}\nformat = flac\n");
    let config = place.config("", &(card("one", 48_000) + &card("two", 96_000)));
    let recorder = record(&rig, &config);
    let peers = [("one", "48000"), ("two", "96000")]
        .map(|(name, rate)| peer(&rig, "arecord", &["-q", "-D", name, "-f", "S16_LE", "-r", rate, "-c", "2", "/dev/null"]));
    std::thread::sleep(Duration::from_secs(5));
    let pids = [recorder.child.id(), peers[0].id(), peers[1].id()];
    let (before, begun) = (pids.map(sleeps), Instant::now());
    std::thread::sleep(SETTLE);
    let seconds = begun.elapsed().as_secs_f64();
    let rates: Vec<f64> = pids.iter().zip(before).map(|(pid, before)| (sleeps(*pid) - before) as f64 / seconds).collect();
    let (ours, theirs) = (rates[0], rates[1] + rates[2]);
    println!("soundpost, two cards: {} threads (bar 16), {} descriptors (bar 64)", threads(pids[0]), descriptors(pids[0]));
    println!("wake-ups/s: soundpost {ours:.0}, two arecords {theirs:.0}, difference {:.0} (bar: at most 60)", ours - theirs);
    peers.into_iter().for_each(|mut p| end(&mut p));
    drop(recorder);
    sixteen_lanes();
}

fn sixteen_lanes() {
    let place = Place::new();
    let (wav, _) = sound::stereo(place.folder.path(), 20);
    let lanes: String = (0..16)
        .map(|n| {
            let path = wav.display();
            format!("[lane{n}]\ntype = file\npath = {path}\npace = real\nloop = yes\nformat = flac\nfilename_pattern = lane{n}/%H%M%S\n")
        })
        .collect();
    let config = place.config("split_minutes = 0.1\nmemory_budget_mb = 256", &lanes);
    let mut recorder = Recorder::start(&config, &[]);
    std::thread::sleep(Duration::from_secs(32));
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(8)).success(), "{}", recorder.log.join("\n"));
    let files = recordings(&place.recordings()).len();
    println!(
        "16 lanes cutting in the same second, every 6 s, for 32 s: {files} files, {} gaps (bar: 0)",
        gaps(&place.recordings()).len()
    );
}

fn record(rig: &Rig, config: &std::path::Path) -> Recorder {
    let mut command = crate::common::soundpost();
    command.arg("record").arg("-c").arg(config).envs(rig.environment());
    let mut recorder = Recorder::spawn(&mut command);
    recorder.wait_for("recording", Duration::from_secs(20));
    recorder
}

fn peer(rig: &Rig, program: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).envs(rig.environment()).stdin(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|e| panic!("{program}: {e} (make setup)"))
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
