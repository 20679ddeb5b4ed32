//! `soundpost play`, `soundpost monitor` and `monitor = SOURCE`, heard: what reaches a real-time output of ALSA is written into a file
//! as well, and compared with what should be heard.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::cards::find;
use common::lanes::{counted, stop};
use common::rig::Rig;
use common::{Place, Recorder, bytes_of, free_port, gaps, noise, recordings, soundpost, tool};
use rustix::process::Signal;

const RATE: usize = 48_000;

/// What reached the output so far: left and right in turn.
fn played(path: &Path) -> Vec<i16> {
    fs::read(path).unwrap_or_default().chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// Of a tone in it: seconds from its first sample to its last, its frequency and its level in the middle (a full-scale sine has -3 dB).
fn tone_in(played: &[i16], rate: usize) -> (f64, f64, f64) {
    let left: Vec<f64> = played.chunks_exact(2).map(|frame| f64::from(frame[0])).collect();
    let is_loud = |x: &f64| x.abs() > 500.0;
    let (first, last) = (left.iter().position(is_loud).expect("a tone"), left.iter().rposition(is_loud).expect("a tone"));
    let length = last + 1 - first;
    let middle = &left[first + length / 4..last - length / 4];
    let rises: Vec<usize> = (1..middle.len()).filter(|n| middle[n - 1] < 0.0 && middle[*n] >= 0.0).collect();
    let (from, to) = (rises[0], rises[rises.len() - 1]);
    let power = middle.iter().map(|x| x * x).sum::<f64>() / middle.len() as f64 / 32_768_f64.powi(2);
    (length as f64 / rate as f64, (rises.len() - 1) as f64 * rate as f64 / (to - from) as f64, 10.0 * power.log10())
}

fn play(rig: &Rig, device: &str, out: &Path, words: &[&str]) -> Recorder {
    Recorder::spawn(soundpost().arg("play").args(words).envs(rig.output(device, out)))
}

/// One line, the exit code, and how long it took.
fn ending(command: &mut Command) -> (String, Option<i32>, Duration) {
    let began = Instant::now();
    let out = command.stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8(out.stderr).expect("text");
    (said, out.status.code(), began.elapsed())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A file of 16 bits with two channels.
fn wav(place: &Place, name: &str, samples: &[i16]) -> PathBuf {
    let (raw, path) = (place.path("sound.raw"), place.path(name));
    fs::write(&raw, bytes_of(samples)).expect("written");
    tool("sox", &["-t", "raw", "-r", "48000", "-e", "signed", "-b", "16", "-c", "2", text(&raw), text(&path)]);
    path
}

#[test]
fn a_recording_of_16_bits_is_heard_to_the_bit_and_in_time() {
    let (rig, place) = (Rig::new(&["out:48000:2"]), Place::new());
    let sound = noise(7, 2 * 3 * RATE);
    let (file, out) = (wav(&place, "noise.wav", &sound), place.path("played.raw"));
    let began = Instant::now();
    let mut player = play(&rig, "out", &out, &[text(&file)]);
    assert!(player.wait(Duration::from_secs(20)).success(), "{:?}", player.log);
    assert!((3.0..8.0).contains(&began.elapsed().as_secs_f64()), "{:?} for three seconds", began.elapsed());
    let heard: Vec<i32> = played(&out).into_iter().map(i32::from).collect();
    assert!(find(&heard, &sound).is_some(), "what was heard is not the recording");
    let last = player.log.last().expect("a last word");
    assert!(last.contains("noise.wav: played from 0:00.000 to 0:03.000"), "{:?}", player.log);
    assert!(player.log[0].contains("of 0:03") && player.log[0].contains("dBFS"), "{:?}", player.log);

    let mut player = play(&rig, "out", &out, &[text(&file), "--from", "0:01.5", "--to", "2.25"]);
    assert!(player.wait(Duration::from_secs(20)).success(), "{:?}", player.log);
    let heard: Vec<i32> = played(&out).into_iter().map(i32::from).collect();
    let piece = &sound[3 * RATE..2 * RATE * 9 / 4];
    let at = find(&heard, piece).expect("the piece");
    assert!(heard[..at].iter().chain(&heard[at + piece.len()..]).all(|sample| *sample == 0), "and silence around it");
}

/// Every kind, at the rate, the depth and with the channels that it has: the same tone. One after the other, so that a slow machine
/// keeps up with each.
#[test]
fn every_kind_is_heard_at_its_pitch_and_level() {
    let (rig, place) = (Rig::new(&["out:48000:2"]), Place::new());
    for (kind, rate, how) in [
        ("flac", 44_100, &["-ar", "44100"][..]),
        ("wav", RATE, &["-ar", "64000", "-c:a", "pcm_s24le"]),
        // LAME makes everything 0.45 dB softer.
        ("mp3", 44_100, &["-af", "volume=0.4455dB", "-ar", "44100", "-c:a", "libmp3lame"]),
        ("aac", RATE, &["-ar", "32000", "-c:a", "aac", "-b:a", "128k"]),
        ("ogg", RATE, &["-af", "pan=stereo|c0=c0|c1=c0", "-c:a", "libvorbis"]),
        ("opus", RATE, &["-c:a", "libopus", "-b:a", "96k"]),
        ("oga", RATE, &["-c:a", "flac"]),
    ] {
        let (file, out) = (place.path(&format!("tone.{kind}")), place.path(&format!("{kind}.raw")));
        // A sine of ffmpeg's has an eighth of full scale.
        let tone = ["-v", "error", "-f", "lavfi", "-i", "sine=frequency=1000:duration=3:sample_rate=48000"];
        tool("ffmpeg", &[&tone, how, &[text(&file)]].concat());
        let mut player = play(&rig, "out", &out, &[text(&file)]);
        assert!(player.wait(Duration::from_secs(30)).success(), "{kind}: {:?}", player.log);
        let (seconds, hz, db) = tone_in(&played(&out), rate);
        assert!((seconds - 3.0).abs() < 0.03, "{kind}: {seconds} s");
        assert!((hz - 1_000.0).abs() < 0.5, "{kind}: {hz} Hz");
        assert!((db + 21.07).abs() < 0.3, "{kind}: {db} dB");
    }
}

#[test]
fn a_recording_that_grows_is_followed_to_its_end() {
    let (rig, place) = (Rig::new(&["out:48000:2"]), Place::new());
    let source = "[tone]\ntype = tone\nhz = 1000\ndbfs = -12\nsample_rate = 48000\nformat = wav\n";
    let config = place.config("split_minutes = 1440\nsync_seconds = 0.5", source);
    let mut recorder = Recorder::start(&config, &[]);
    recorder.wait_for("recording tone", Duration::from_secs(20));
    let part = || {
        let found = fs::read_dir(place.recordings()).into_iter().flatten().flatten().map(|entry| entry.path());
        found
            .into_iter()
            .find(|path| path.extension().is_some_and(|e| e == "part") && path.metadata().is_ok_and(|m| m.len() > 4 * 192_000))
    };
    let until = Instant::now() + Duration::from_secs(20);
    let growing = loop {
        if let Some(path) = part() {
            break path;
        }
        assert!(Instant::now() < until, "nothing grows");
        std::thread::sleep(Duration::from_millis(50));
    };
    let out = place.path("played.raw");
    let mut player = play(&rig, "out", &out, &[text(&growing)]);
    player.wait_for("dBFS", Duration::from_secs(10));
    recorder.signal("TERM");
    assert!(recorder.wait(Duration::from_secs(10)).success());
    assert!(player.wait(Duration::from_secs(60)).success(), "{:?}", player.log);
    let files = recordings(&place.recordings());
    let frames = common::decode(&files[0]).len() / 2;
    let (seconds, hz, _) = tone_in(&played(&out), RATE);
    assert!((seconds * RATE as f64 / frames as f64 - 1.0).abs() < 0.01, "{seconds} s of {frames} frames");
    assert!((hz - 1_000.0).abs() < 0.5, "{hz} Hz");
}

#[test]
fn ctrl_c_ends_it() {
    let (rig, place) = (Rig::new(&["out:48000:2"]), Place::new());
    let file = wav(&place, "long.wav", &noise(3, 2 * 60 * RATE));
    for signal in ["INT", "TERM"] {
        let mut player = play(&rig, "out", &place.path("played.raw"), &[text(&file)]);
        player.wait_for("of 1:00", Duration::from_secs(10));
        player.signal(signal);
        assert!(player.wait(Duration::from_secs(3)).success(), "{signal}: {:?}", player.log);
        assert!(player.log.last().is_some_and(|line| line.contains("played from 0:00.000 to 0:0")), "{:?}", player.log);
    }
}

#[test]
fn what_cannot_be_heard_is_one_line() {
    let place = Place::new();
    let file = wav(&place, "short.wav", &noise(3, 2 * RATE));
    let alsa = |name: &str, default: &str| {
        let path = place.path(name);
        fs::write(&path, format!("</usr/share/alsa/alsa.conf>\npcm.!default {default}\n")).expect("written");
        path
    };
    let (nowhere, absent) = (alsa("null.conf", "{ type null }"), alsa("absent.conf", "{ type hw card 7 }"));
    for (conf, words, code, says) in [
        (&absent, &[text(&file)][..], 1, "no local output: ALSA's default leads to no device: plug one in"),
        (&nowhere, &[text(&file)], 1, "faster than it can be heard"),
        (&nowhere, &["nothing.wav"], 1, "nothing.wav: cannot be read"),
        (&nowhere, &[text(&nowhere)], 1, "not supported"),
        (&nowhere, &[text(&file), "--from", "7"], 1, "no sound in this range"),
        (&nowhere, &[text(&file), "--from", "half"], 2, "'half' is no time"),
    ] {
        let (said, ended, took) = ending(soundpost().arg("play").args(words).env("ALSA_CONFIG_PATH", conf));
        assert!(ended == Some(code) && said.contains(says), "{words:?}: {ended:?} {said}");
        // Before it stops, the output that nothing paces has been asked for its level.
        assert!(said.lines().filter(|line| !line.ends_with("dBFS")).count() == 1, "{words:?}: {said}");
        assert!(took < Duration::from_secs(5), "{words:?}: {took:?}");
    }
    let sources = "[mic]\ntype = demo\n[radio]\ntype = stream\nurl = http://127.0.0.1:9/x\nfilename_pattern = radio/%H\n";
    let config = place.config("", &format!("[web]\nbind = 127.0.0.1\nport = {}\n{sources}", free_port()));
    for (words, code, says) in [
        (&["mic"][..], 1, "start `soundpost record -c "),
        (&["micro"], 2, "no source of the configuration; those that can be heard: mic"),
        (&["radio"], 2, "a station"),
    ] {
        let (said, ended, _) = ending(soundpost().arg("monitor").args(words).arg("-c").arg(&config));
        assert!(ended == Some(code) && said.contains(says) && said.lines().count() == 1, "{words:?}: {ended:?} {said}");
    }
}

/// A tone of 3 kHz at -12 dBFS is recorded; `web` stands in its section, after bind and port.
fn tone(place: &Place, general: &str, web: &str) -> PathBuf {
    let source = "[tone]\ntype = tone\nhz = 3000\ndbfs = -12\nsample_rate = 48000\nchannels = 2\nformat = flac\n";
    place.config(general, &format!("[web]\nbind = 127.0.0.1\nport = {}\n{web}\n{source}", free_port()))
}

/// Waits until the output got so many seconds of sound.
fn wait_for_sound(out: &Path, seconds: usize) {
    let until = Instant::now() + Duration::from_secs(30);
    while played(out).iter().filter(|sample| **sample != 0).count() < seconds * RATE * 2 * 9 / 10 {
        assert!(Instant::now() < until, "nothing is heard");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The tone is heard whole: its pitch, its level, and no step in it but where it is faded in.
fn assert_is_the_tone(heard: &[i16]) {
    let (seconds, hz, db) = tone_in(heard, RATE);
    assert!(seconds >= 2.5 && (hz - 3_000.0).abs() < 0.5 && (db + 15.01).abs() < 0.05, "{seconds} s of {hz} Hz at {db} dB");
    let left: Vec<i32> = heard.chunks_exact(2).map(|frame| i32::from(frame[0])).collect();
    let first = left.iter().position(|x| x.abs() > 8_000).expect("a tone");
    let middle = &left[first..left.len() - RATE / 2];
    // A period has 16 frames. A piece of 10 ms that is left out or said twice is one of 30 periods.
    let steps = middle.windows(17).filter(|w| (w[0] - w[16]).abs() > 1).count();
    assert!(steps < RATE / 20, "{steps} steps");
}

/// Nothing of it was lost to whoever listened.
fn assert_is_recorded(recorder: &mut Recorder, place: &Place) {
    stop(recorder);
    assert!(counted(recorder, "tone").1 == 0 && gaps(&place.recordings()).is_empty(), "{}", recorder.log.join("\n"));
}

#[test]
fn a_running_recorder_is_heard_and_loses_nothing() {
    let (rig, place) = (Rig::new(&["out:48000:2"]), Place::new());
    let config = tone(&place, "", "");
    let mut recorder = Recorder::start(&config, &[]);
    recorder.wait_for("the page: ", Duration::from_secs(20));
    recorder.wait_for("recording tone", Duration::from_secs(20));
    let out = place.path("played.raw");
    let mut monitor = Recorder::spawn(soundpost().args(["monitor", "tone", "-c"]).arg(&config).envs(rig.output("out", &out)));
    let line = monitor.wait_for("tone: 48000 Hz, 2 channels", Duration::from_secs(10));
    let late: u32 = line.split_whitespace().rev().nth(2).and_then(|word| word.parse().ok()).expect("milliseconds");
    assert!((100..600).contains(&late), "{line}");
    wait_for_sound(&out, 3);
    monitor.signal("INT");
    assert!(monitor.wait(Duration::from_secs(3)).success(), "{:?}", monitor.log);
    assert!(monitor.log.last().is_some_and(|line| line.contains("tone: heard until now")), "{:?}", monitor.log);
    assert_is_the_tone(&played(&out));
    assert_is_recorded(&mut recorder, &place);
}

#[test]
fn a_password_is_read_from_standard_input() {
    let (rig, place) = (Rig::new(&["out:48000:2"]), Place::new());
    let with_password = |command: &mut Command, password: &str| {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        writeln!(child.stdin.take().expect("a pipe"), "{password}").expect("taken");
        child
    };
    let hash = with_password(soundpost().arg("hash-password"), "wren").wait_with_output().expect("it ends");
    let config = tone(&place, "", String::from_utf8(hash.stdout).expect("text").trim());
    let mut recorder = Recorder::start(&config, &[]);
    recorder.wait_for("recording tone", Duration::from_secs(20));
    let out = place.path("played.raw");
    let monitor = |password: &str| {
        with_password(soundpost().args(["monitor", "tone", "-c"]).arg(&config).envs(rig.output("out", &out)), password)
    };
    let refused = monitor("robin").wait_with_output().expect("it ends");
    let said = String::from_utf8(refused.stderr).expect("text");
    assert!(refused.status.code() == Some(1) && said.contains("password") && said.lines().count() == 1, "{said}");
    let mut heard = monitor("wren");
    wait_for_sound(&out, 1);
    heard.kill().expect("it goes on");
    heard.wait().expect("it is gone");
    assert_is_recorded(&mut recorder, &place);
}

#[test]
fn a_recorder_plays_a_source_itself_with_and_without_its_page() {
    for web in ["", "enabled = no"] {
        let (rig, place) = (Rig::new(&["out:48000:2"]), Place::new());
        let (config, out) = (tone(&place, "monitor = tone", web), place.path("played.raw"));
        let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(&config).envs(rig.output("out", &out)));
        recorder.wait_for_all(&["[tone] is heard here", "ms late"], Duration::from_secs(20));
        wait_for_sound(&out, 3);
        assert_is_recorded(&mut recorder, &place);
        assert_is_the_tone(&played(&out));
    }
}

#[test]
fn a_recorder_without_an_output_says_so_once_and_records() {
    for (default, says) in [("{ type null }", "faster than it can be heard"), ("{ type hw card 7 }", "no local output")] {
        let place = Place::new();
        let (config, conf) = (tone(&place, "monitor = tone", ""), place.path("asound.conf"));
        fs::write(&conf, format!("</usr/share/alsa/alsa.conf>\npcm.!default {default}\n")).expect("written");
        let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(&config).env("ALSA_CONFIG_PATH", &conf));
        recorder.wait_for_all(&["[tone] is not heard here", says, "tried again every 10 minutes"], Duration::from_secs(20));
        std::thread::sleep(Duration::from_secs(2)); // in which nothing is tried again
        assert_is_recorded(&mut recorder, &place);
        assert_eq!(recorder.log.iter().filter(|line| line.contains("is not heard here")).count(), 1, "{:?}", recorder.log);
    }
}

/// A sound server that is gone takes everything at once; one that is frozen takes nothing.
#[test]
fn an_output_that_stops_is_said_once_and_the_recording_goes_on() {
    for (freezes, says) in [(false, "faster than it can be heard"), (true, "has taken no sound for 3 s")] {
        let (mut rig, place) = (Rig::new(&["out:48000:2"]), Place::new());
        let (config, out) = (tone(&place, "monitor = tone", ""), place.path("played.raw"));
        let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(&config).envs(rig.output("out", &out)));
        recorder.wait_for("[tone] is heard here", Duration::from_secs(20));
        if freezes {
            rig.signal(Signal::STOP)
        } else {
            rig.kill()
        }
        recorder.wait_for_all(&["[tone] is not heard here", says], Duration::from_secs(20));
        std::thread::sleep(Duration::from_secs(1)); // in which nothing is tried again
        assert_is_recorded(&mut recorder, &place);
        let said = recorder.log.iter().filter(|line| line.contains("heard here")).count();
        assert_eq!(said, 2, "{:?}", recorder.log);
    }
}
