//! Triggered sources end to end: what is recorded is what was played, to the sample, at the places where it was loud; the rest is
//! seen in the day and is no gap.

mod browser_rig;
mod common;
mod reference;
#[path = "common/web.rs"]
mod web;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use browser_rig::Served;
use common::cards::{card, find, record};
use common::lanes::{no_boundary, stop};
use common::rig::Rig;
use common::{Place, Recorder, assert_sound, bytes_of, decode, gaps, noise, recordings, sidecar, soundpost, walk};

const RATE: usize = 8_000;
/// Frames of a window.
const WINDOW: usize = RATE / 10;

/// Noise of about -78 dBFS, of about -37 in these windows.
fn sound(seed: u64, seconds: usize, loud: &[(usize, usize)]) -> Vec<i16> {
    let mut samples = noise(seed, seconds * RATE);
    for (n, sample) in samples.iter_mut().enumerate() {
        *sample /= if loud.iter().any(|(first, end)| (*first..*end).contains(&(n / WINDOW))) { 10 } else { 1_000 };
    }
    samples
}

fn section(raw: &Path, keys: &str) -> String {
    let path = raw.display();
    format!("[mic]\ntype = file\npath = {path}\nraw_bits = 16\nsample_rate = {RATE}\nchannels = 1\n{keys}\n")
}

/// Plays all of it; the recorder ends when it is over.
fn play(config: &Path) {
    let out = soundpost().args(["record", "-c"]).arg(config).output().expect("runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

struct Clip {
    path: PathBuf,
    first: usize,
    frames: usize,
    why: String,
    trigger: serde_json::Value,
}

/// In the order of their frames, each checked by its codec's own means and against what was played.
fn clips(root: &Path, played: &[i16]) -> Vec<Clip> {
    let mut clips: Vec<Clip> = recordings(root)
        .into_iter()
        .map(|path| {
            assert_sound(&path);
            let side = sidecar(root, &path);
            let first = side["first_frame"].as_u64().expect("a number") as usize;
            let samples = decode(&path);
            let want: Vec<i32> = played[first..first + samples.len()].iter().map(|x| i32::from(*x)).collect();
            assert!(samples == want, "{}: not what was played from frame {first} on", path.display());
            let why = side["end_reason"].as_str().expect("a word").to_owned();
            Clip { first, frames: samples.len(), why, trigger: side["trigger"].clone(), path }
        })
        .collect();
    clips.sort_by_key(|clip| clip.first);
    clips
}

/// Frames from the first to the one behind the last, and why it ended.
fn told(clips: &[Clip]) -> Vec<(usize, usize, &str)> {
    clips.iter().map(|clip| (clip.first, clip.first + clip.frames, clip.why.as_str())).collect()
}

fn verify(place: &Place) {
    let out = soundpost().arg("verify").arg(place.recordings()).output().expect("runs");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && said.contains(" 0 frames lost"), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(gaps(&place.recordings()), [[""; 0]; 0]);
}

/// Sidecars of the stretches that were heard.
fn watches(root: &Path) -> Vec<(PathBuf, serde_json::Value)> {
    let mut found = Vec::new();
    walk(&root.join("analyses/.watch"), &mut found);
    found.retain(|path| path.to_string_lossy().ends_with(".watch.analysis.json"));
    found.sort();
    let read = |path: PathBuf| {
        let json = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
        (path, json)
    };
    found.into_iter().map(read).collect()
}

#[test]
fn clips_are_what_was_played_with_what_was_before_and_after() {
    for format in ["wav", "flac"] {
        let place = Place::new();
        // Loud at 10.0 s, at 13.5 s (whose pre-roll touches what is behind the first), at 30 s for 4 s, and at the very end.
        let played = sound(3, 60, &[(100, 103), (135, 136), (300, 340), (598, 600)]);
        let raw = place.raw("wood", &played);
        let keys = format!("pace = fast\nformat = {format}\ntrigger = level\npre_roll = 2\npost_roll = 1.5");
        play(&place.config(&no_boundary(), &section(&raw, &keys)));
        let clips = clips(&place.recordings(), &played);
        let second = |s: f64| (s * RATE as f64) as usize;
        let want = [
            (second(8.0), second(15.1), "trigger"),
            (second(28.0), second(35.5), "trigger"),
            (second(57.8), second(60.0), "end"),
        ];
        assert_eq!(told(&clips), want);
        for clip in &clips {
            let number = |key: &str| clip.trigger[key].as_f64().expect("a number");
            assert_eq!((clip.trigger["detector"].as_str(), number("margin")), (Some("level"), 12.0));
            assert!((number("level") + 37.0).abs() < 1.0 && (number("floor") + 77.6).abs() < 1.0, "{}", clip.trigger);
        }
        verify(&place);
    }
}

#[test]
fn a_clip_goes_on_in_the_next_file_at_a_boundary_and_at_its_longest() {
    let place = Place::new();
    let played = sound(4, 60, &[(300, 520)]);
    let raw = place.raw("wood", &played);
    let keys = "pace = fast\nformat = flac\ntrigger = level\npre_roll = 1\npost_roll = 1\ntrigger_max_seconds = 15";
    play(&place.config("split_minutes = 0.2", &section(&raw, keys)));
    let clips = clips(&place.recordings(), &played);
    let (first, last) = (clips.first().expect("a clip"), clips.last().expect("a clip"));
    assert_eq!((first.first, last.first + last.frames, last.why.as_str()), (29 * RATE, 53 * RATE, "trigger"));
    assert!(clips.iter().any(|clip| clip.why == "trigger" && clip.first + clip.frames == 44 * RATE), "{:?}", told(&clips));
    for pair in clips.windows(2) {
        assert_eq!(pair[0].first + pair[0].frames, pair[1].first, "they abut");
        assert!(pair[0].frames <= 15 * RATE && ["split", "trigger"].contains(&pair[0].why.as_str()));
    }
    assert!(clips.iter().any(|clip| clip.why == "split"));
    verify(&place);
}

#[test]
fn bands_find_what_the_level_does_not() {
    // A tone of 3 kHz for half a second: everything is 10 dB louder by it, and its band 18 dB.
    let place = Place::new();
    let mut played = noise(5, 40 * RATE);
    for (n, sample) in played.iter_mut().enumerate() {
        *sample /= 40;
        if (20 * RATE..20 * RATE + RATE / 2).contains(&n) {
            *sample += ((n as f64 * 3_000.0 / RATE as f64 * std::f64::consts::TAU).sin() * 500.0) as i16;
        }
    }
    let raw = place.raw("wood", &played);
    let record = |trigger: &str| {
        let _ = fs::remove_dir_all(place.recordings());
        let keys = format!("pace = fast\nformat = wav\npre_roll = 1\npost_roll = 0.5\n{trigger}");
        play(&place.config(&no_boundary(), &section(&raw, &keys)));
        clips(&place.recordings(), &played)
    };
    assert_eq!(record("trigger = level").len(), 0);
    let found = record("trigger = bands");
    assert_eq!(told(&found), [(19 * RATE, 21 * RATE, "trigger")]);
    let band: Vec<f64> = found[0].trigger["band_hz"].as_array().expect("a band").iter().filter_map(|hz| hz.as_f64()).collect();
    assert!(band[0] <= 3_000.0 && 3_000.0 < band[1], "{band:?}");
    assert_eq!(record("trigger = bands\ntrigger_band = 100-1k").len(), 0);
    assert_eq!(record("trigger = bands\ntrigger_band = 2.5k-3.5k").len(), 1);
    verify(&place);
}

#[test]
fn what_was_heard_and_not_recorded_stays_visible() {
    let place = Place::new();
    let played = sound(6, 90, &[(100, 103), (700, 702)]);
    let raw = place.raw("wood", &played);
    play(&place.config("split_minutes = 0.5", &section(&raw, "pace = fast\nformat = wav\ntrigger = level")));
    let root = place.recordings();
    let watches = watches(&root);
    assert!((3..=4).contains(&watches.len()), "{watches:?}");
    let mut next = 0;
    let mut levels = Vec::new();
    for (path, side) in &watches {
        assert_eq!((side["source"].as_str(), side["first_frame"].as_u64()), (Some("mic"), Some(next)));
        next += side["frames"].as_u64().expect("a number");
        assert!(side["sections"].is_array() && side["quality"].is_object(), "{side}");
        let profile = path.to_string_lossy().replace(".analysis.json", ".profile");
        let profile = soundpost::format::profile::read(&fs::read(profile).expect("a profile")).expect("whole");
        assert_eq!(Some(profile.frames), side["frames"].as_u64());
        levels.extend(profile.levels);
    }
    assert_eq!(next as usize, played.len());
    // By a model of what a level is.
    assert!(levels.len() >= 890, "{}", levels.len());
    let is_loud = |range: Range<usize>| levels[range].iter().all(|level| *level > -5_000);
    let loud = levels.iter().filter(|level| **level > -5_000).count();
    assert!((5..=8).contains(&loud) && is_loud(101..102), "{loud}");
    assert_eq!(watches.last().map(|(_, side)| side["end_reason"].as_str()), Some(Some("end")));
    verify(&place);
}

#[test]
fn a_kill_in_mid_clip_costs_no_more_than_it_does_elsewhere() {
    let place = Place::new();
    // Loud from the third second on, for so long that it is killed there.
    let played = sound(7, 20, &[(30, 200)]);
    let raw = place.raw("wood", &played);
    let config = place.config(&no_boundary(), &section(&raw, "pace = real\nformat = wav\nsync_seconds = 0.5\ntrigger = level"));
    let mut recorder = Recorder::start(&config, &[]);
    let root = place.recordings();
    let until = Instant::now() + Duration::from_secs(20);
    let grown = |root: &Path| {
        let mut found = Vec::new();
        walk(root, &mut found);
        found
            .iter()
            .any(|path| path.extension().is_some_and(|e| e == "part") && fs::metadata(path).is_ok_and(|m| m.len() > 60_000))
    };
    while !grown(&root) {
        assert!(Instant::now() < until, "no clip has grown");
        std::thread::sleep(Duration::from_millis(50));
    }
    recorder.kill();
    let mut again = Recorder::start(&config, &[]);
    again.wait_for("repaired", Duration::from_secs(10));
    // It plays the same again, until what is loud is the floor, and ends of itself.
    let status = again.wait(Duration::from_secs(40));
    assert!(status.success(), "{}", again.log.join("\n"));
    let clips = clips(&root, &played);
    let side = |clip: &Clip| sidecar(&root, &clip.path);
    let (killed, other) = (side(&clips[0]), side(&clips[1]));
    let (killed, other) = if killed["recovered"] == true { (killed, other) } else { (other, killed) };
    assert_eq!((clips.len(), killed["recovered"].clone(), other["end_reason"].clone()), (2, true.into(), "trigger".into()));
    // What is missing begins where the killed clip ends, and ends where somebody listened again: before the next clip.
    let lines = gaps(&root);
    assert_eq!(
        (lines.len(), lines[0][4].as_str(), lines[0][0].as_str()),
        (1, "restart", killed["end"].as_str().expect("a time"))
    );
    let second = &watches(&root)[0].1;
    assert_eq!((lines[0][1].as_str(), second["first_frame"].as_u64()), (second["start"].as_str().expect("a time"), Some(0)));
    assert!(second["start"].as_str() < other["start"].as_str());
    let out = soundpost().arg("verify").arg(&root).output().expect("runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn a_kill_while_it_waits_is_told_from_where_it_was_last_heard() {
    let place = Place::new();
    let played = sound(8, 20, &[(20, 22)]);
    let raw = place.raw("wood", &played);
    let config =
        place.config("split_minutes = 0.1", &section(&raw, "pace = real\nformat = wav\ntrigger = level\npost_roll = 0.5"));
    let mut recorder = Recorder::start(&config, &[]);
    let root = place.recordings();
    let until = Instant::now() + Duration::from_secs(20);
    while watches(&root).len() < 2 {
        assert!(Instant::now() < until, "no stretch was entered");
        std::thread::sleep(Duration::from_millis(50));
    }
    recorder.kill();
    let heard = watches(&root);
    let mut again = Recorder::start(&config, &[]);
    assert!(again.wait(Duration::from_secs(40)).success(), "{}", again.log.join("\n"));
    let lines = gaps(&root);
    assert_eq!((lines.len(), lines[0][4].as_str()), (1, "restart"));
    assert_eq!(lines[0][0], heard.last().expect("one").1["end"].as_str().expect("a time"));
}

/// The rule once more, by other means: levels of whole windows, floors sorted out of the last 300, stretches joined.
fn model(samples: &[i16], channels: usize, rate: usize) -> Vec<(usize, usize)> {
    let first = |k: usize| k * rate / 10;
    let (pre, post) = (2 * rate, rate);
    let frames = samples.len() / channels;
    let mut levels: Vec<i64> = Vec::new();
    let mut clips: Vec<(usize, usize)> = Vec::new();
    for k in (0..).take_while(|k| first(k + 1) <= frames) {
        let window = &samples[first(k) * channels..first(k + 1) * channels];
        let mean = window.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / window.len() as f64 / 32_768_f64.powi(2);
        levels.push(((10.0 * mean.log10()).clamp(-120.0, 0.0) * 100.0).round() as i64);
        let mut last = levels[levels.len().saturating_sub(300)..].to_vec();
        last.sort_unstable();
        let floor = last[last.len().div_ceil(5) - 1].max(-9_000);
        if last.len() < 10 || levels[k] < floor + 1_200 {
            continue;
        }
        let (from, to) = (first(k).saturating_sub(pre), (first(k + 1) + post).min(frames));
        match clips.last_mut() {
            Some(clip) if from <= clip.1 => clip.1 = clip.1.max(to),
            _ => clips.push((from, to)),
        }
    }
    clips
}

#[test]
fn recordings_of_a_wood_are_triggered_as_the_rule_says() {
    let Some(files) = reference::field() else {
        println!("no recordings in ../shared/field, and SOUNDPOST_FIELD names none: not compared");
        return;
    };
    let (mut all, mut recorded, mut count) = (0, 0, 0);
    for path in &files {
        let place = Place::new();
        let reader = hound::WavReader::open(path).expect("a WAV");
        let spec = reader.spec();
        let samples: Vec<i16> = reader.into_samples().map(|s| s.expect("16 bits")).collect();
        let source = format!("[mic]\ntype = file\npath = {}\npace = fast\nformat = flac\ntrigger = level\n", path.display());
        play(&place.config(&no_boundary(), &source));
        let root = place.recordings();
        let channels = usize::from(spec.channels);
        let found: Vec<(usize, usize)> = {
            let mut found: Vec<(usize, usize)> = recordings(&root)
                .iter()
                .map(|file| {
                    let first = sidecar(&root, file)["first_frame"].as_u64().expect("a number") as usize;
                    let clip = decode(file);
                    let want = samples[first * channels..first * channels + clip.len()].iter().map(|x| i32::from(*x));
                    assert!(want.eq(clip.iter().copied()), "{}: not what was played", file.display());
                    (first, first + clip.len() / channels)
                })
                .collect();
            found.sort_unstable();
            found
        };
        assert_eq!(found, model(&samples, channels, spec.sample_rate as usize), "{}", path.display());
        verify(&place);
        all += samples.len() / channels;
        recorded += found.iter().map(|(from, to)| to - from).sum::<usize>();
        count += found.len();
    }
    println!("{} recordings: {count} clips, {:.0} % of the sound", files.len(), 100.0 * recorded as f64 / all as f64);
    assert!(count > 0 && recorded < all, "{count} clips are too few to show anything");
}

#[test]
fn a_day_of_which_little_was_recorded_is_seen_whole() {
    let place = Place::new();
    let played = sound(9, 300, &[(100, 103)]);
    let raw = place.raw("wood", &played);
    let keys = "pace = fast\nformat = wav\ntrigger = level";
    play(&place.config(&format!("{}\nsplit_minutes = 1", no_boundary()), &section(&raw, keys)));
    let root = place.recordings();
    let zone = no_boundary().rsplit_once("= ").expect("a zone").1.to_owned();
    let first = &watches(&root)[0];
    let date = first.0.parent().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a date").to_owned();
    let served = Served::serve(&root, &zone);
    served.analysed(1);
    let days = served.get("api/days");
    let day = &days["days"][0];
    let is_all = |seconds: f64| (seconds - 300.0).abs() < 0.01;
    assert_eq!((day["date"].as_str(), day["files"].as_u64()), (Some(&*date), Some(1)));
    assert!(is_all(day["watched_s"].as_f64().expect("seconds")), "{day}");
    let told = served.get(&format!("api/days/{date}"));
    let watched = told["watched"].as_array().expect("a list");
    assert!(is_all(watched.iter().map(|it| it["duration_s"].as_f64().expect("seconds")).sum()), "{watched:?}");
    let minutes = || {
        let (status, _, picture) = served.ask(&format!("api/days/{date}/picture"));
        assert_eq!(status, 200);
        picture[12..12 + 1_440 * 128].chunks_exact(128).filter(|column| column.iter().any(|cell| *cell != 255)).count()
    };
    assert!((5..=6).contains(&minutes()), "five minutes were heard: {}", minutes());
    // Without the only recording it is still a day, until somebody takes its folder away.
    let name = day_file(&told);
    let deleted = ureq::delete(format!("{}api/files/{name}", served.base)).call().expect("deleted");
    assert!(deleted.status().is_success());
    assert_eq!(served.get("api/days")["days"][0]["files"], 0);
    assert!((5..=6).contains(&minutes()));
    fs::remove_dir_all(root.join("analyses/.watch").join(&date)).expect("removed");
    assert_eq!(served.get("api/days")["days"], serde_json::json!([]));
    assert_eq!(served.ask(&format!("api/days/{date}/picture")).0, 404);
}

fn day_file(day: &serde_json::Value) -> String {
    day["files"][0]["name"].as_str().expect("a name").to_owned()
}

#[test]
fn a_sound_card_is_recorded_when_something_is_played() {
    let rig = Rig::new(&["mono:48000:1"]);
    let place = Place::new();
    let keys = "trigger = level\npre_roll = 1\npost_roll = 1\nsplit_minutes = 1440\n";
    let config = place.config("", &(card("mono", 48_000, 1, "flac") + keys));
    let mut recorder = record(&rig, &config);
    recorder.wait_for("[mono] recording", Duration::from_secs(10));
    // Nothing is played for some time, then two seconds of noise.
    let silence = vec![0; 4 * 48_000];
    let burst = noise(13, 2 * 48_000);
    let played: Vec<i16> = [&silence[..], &burst, &silence].concat();
    let mut player = rig.play("mono", "S16_LE", 48_000, 1, &bytes_of(&played));
    assert!(player.wait().expect("aplay").success());
    let root = place.recordings();
    let until = Instant::now() + Duration::from_secs(15);
    while recordings(&root.join("mono")).is_empty() {
        assert!(Instant::now() < until, "no clip: {}", recorder.log.join("\n"));
        std::thread::sleep(Duration::from_millis(100));
    }
    stop(&mut recorder);
    let files = recordings(&root.join("mono"));
    assert_eq!(files.len(), 1);
    assert_sound(&files[0]);
    let clip = decode(&files[0]);
    let at = find(&clip, &burst).expect("all of it");
    // The first and the last window may be filled by it in part.
    let before = at as f64 / 48_000.0;
    let after = (clip.len() - at - burst.len()) as f64 / 48_000.0;
    assert!((0.99..1.2).contains(&before) && (0.99..1.2).contains(&after), "{before} s before, {after} s after");
    assert_eq!(sidecar(&root, &files[0])["end_reason"], "trigger");
    assert!(gaps(&root).is_empty(), "{:?}", gaps(&root));
}
