//! Analysis and its review: what analysis costs a lane, how soon it is there, and how a foreign archive is analysed beside numpy.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use soundpost::signal::{Analyzer, Scope, Shape};

use crate::common::{Place, Recorder, recordings, soundpost, tool, walk};
use crate::process::{cpu_seconds, median, thread_seconds};
use crate::sound;

const HOUR: u32 = 3_600;

/// What the analyser's and the encoder's threads took for an hour of stereo, and what levels and spectra take alone.
pub fn analysis_beside_encoding() {
    let place = Place::new();
    let (wav, what) = sound::stereo(place.folder.path(), HOUR);
    println!("1 h of 48 kHz stereo: {what}");
    let section = format!("[hour]\ntype = file\npath = {}\npace = fast\nloop = yes\nformat = flac\n", wav.display());
    let mut recorder = Recorder::start(&place.config("split_minutes = 60\nlog_level = INFO\n", &section), &[]);
    // From the first cut on the clock to the next: an hour, whatever the clock says now.
    recorder.wait_for("recorded", Duration::from_secs(600));
    let before = thread_seconds(recorder.child.id());
    recorder.log.clear();
    recorder.wait_for("recorded", Duration::from_secs(600));
    let after = thread_seconds(recorder.child.id());
    recorder.kill();
    let of = |name: &str| after.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
    let (encoder, analyser) = (of("hour/encoder"), of("analyser"));
    println!("encoder {encoder:.2} s of CPU, analyser {analyser:.2} s: {:.1} % (bar: 20)", 100.0 * analyser / encoder);
    let pcm = fs::read(&wav).expect("there")[44..].to_vec();
    for (what, scope) in [("levels", Scope::LEVELS), ("levels, cells, columns", Scope { bands: true, indices: false })] {
        let seconds = median((0..3).map(|_| analysed(&pcm, scope)).collect());
        println!("{what}: {seconds:.2} s, {:.1} % (bar with columns: 10)", 100.0 * seconds / encoder);
    }
}

/// Seconds of CPU.
fn analysed(pcm: &[u8], scope: Scope) -> f64 {
    let cpu_seconds = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let begun = cpu_seconds();
    let shape = Shape { rate_hz: sound::RATE, channels: 2, bits: 16 };
    let mut analyzer = Analyzer::with_capacity(shape, scope, u64::from(HOUR * sound::RATE));
    pcm.chunks(16_384).for_each(|block| analyzer.push_bytes(block));
    assert!(!analyzer.finish().profile.levels.is_empty());
    cpu_seconds() - begun
}

/// Four lanes, a file of an hour each, in memory so that syncs cost nothing: from the recording's last name to its analysis.
pub fn close_to_analysis() {
    let shm = tempfile::tempdir_in("/dev/shm").expect("memory");
    let place = Place { folder: shm };
    let disk = tempfile::tempdir().expect("a folder");
    let (wav, _) = sound::stereo(disk.path(), HOUR);
    let lane = |n: usize| {
        format!(
            "[lane{n}]\ntype = file\npath = {}\npace = fast\nformat = flac\nfilename_pattern = lane{n}/%H%M%S\n",
            wav.display()
        )
    };
    let config = place.config("split_minutes = 60\nlog_level = ERROR", &(0..4).map(lane).collect::<String>());
    let mut recorder = Recorder::start(&config, &[]);
    assert!(recorder.wait(Duration::from_secs(600)).success(), "{}", recorder.log.join("\n"));
    let mut all = Vec::new();
    walk(&place.recordings(), &mut all);
    let made = |path: &Path| {
        let meta = path.metadata().expect("there");
        meta.ctime() as f64 * 1_000.0 + meta.ctime_nsec() as f64 / 1e6
    };
    let mut times: Vec<f64> = recordings(&place.recordings())
        .iter()
        .map(|file| {
            let stem = file.file_name().expect("a name").to_string_lossy().into_owned();
            let lane = file.parent().and_then(Path::file_name).expect("a lane").to_string_lossy().into_owned();
            let mine = |p: &&PathBuf| {
                p.extension().is_some_and(|e| e == "json") && p.to_string_lossy().contains(&format!("{lane}/{stem}"))
            };
            made(all.iter().find(mine).expect("its sidecar")) - made(file)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let p95 = times[(times.len() * 95).div_ceil(100) - 1];
    println!("{} files of four lanes at once: p95 {p95:.1} ms from close to analysis (bar: 50), all {times:.1?}", times.len());
    let flac = recordings(&place.recordings())[0].clone();
    println!("decoding one again, soundfile and numpy: {:.1} s of CPU", cpu_seconds("/usr/bin/python3", &peer("level", &flac)));
}

fn peer<'a>(what: &'a str, file: &'a Path) -> [&'a str; 3] {
    ["benches/figures/analyse.py", what, file.to_str().expect("a path")]
}

/// An hour of FLAC that somebody else made, on one core.
pub fn analyse_beside_numpy() {
    let place = Place::new();
    let (wav, what) = sound::stereo(place.folder.path(), HOUR);
    println!("1 h of 48 kHz stereo FLAC: {what}");
    let folder = place.path("archive");
    fs::create_dir_all(&folder).expect("made");
    let flac = folder.join("hour.flac");
    tool("flac", &["-5", "-s", "-o", flac.to_str().expect("a path"), wav.to_str().expect("a path")]);
    let program = soundpost().get_program().to_string_lossy().into_owned();
    let ours = |more: &[&str]| {
        let words = [&program[..], "analyse", "--again", "--jobs", "1", folder.to_str().expect("a path")];
        words.iter().chain(more).map(|s| s.to_string()).collect::<Vec<_>>()
    };
    let theirs = |what: &'static str| -> Vec<String> {
        [&["/usr/bin/python3"][..], &peer(what, &flac)].concat().iter().map(|s| s.to_string()).collect()
    };
    for (what, bar, ours, theirs) in [
        ("levels and their sections", 3, ours(&["--levels"]), theirs("level")),
        ("with bands and columns (soundpost: and indices)", 2, ours(&[]), theirs("bands")),
    ] {
        // By turns, so that both feel the same neighbours.
        let rounds: Vec<[(f64, f64); 2]> = (0..5).map(|_| [cost(&ours), cost(&theirs)]).collect();
        let middle = |of: fn(&[(f64, f64); 2]) -> f64| median(rounds.iter().map(of).collect());
        let (ours, theirs) =
            ((middle(|r| r[0].0), middle(|r| r[0].1) / 1_024.0), (middle(|r| r[1].0), middle(|r| r[1].1) / 1_024.0));
        println!("{what}: soundpost {:.2} s of CPU on one core, {:.1} MiB at most", ours.0, ours.1);
        println!("{what}: soundfile + numpy {:.2} s, {:.1} MiB", theirs.0, theirs.1);
        println!("{:.1} times as fast (bar: {bar}), memory 1/{:.0} (bar: 1/3)", middle(|r| r[1].0 / r[0].0), theirs.1 / ours.1);
    }
}

/// Seconds of CPU and the most memory in KiB of a command on the first core.
fn cost(words: &[String]) -> (f64, f64) {
    let out = Command::new("/usr/bin/time")
        .args(["-f", "%U %S %M", "taskset", "-c", "0"])
        .args(words)
        .env("OPENBLAS_NUM_THREADS", "1")
        .output();
    let said = String::from_utf8_lossy(&out.expect("/usr/bin/time (package time)").stderr).into_owned();
    let last: Vec<f64> = said.lines().last().unwrap_or("").split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [user, system, kib] = last[..] else { panic!("{words:?}: {said}") };
    (user + system, kib)
}
