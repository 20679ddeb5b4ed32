//! Sound cards end to end: real-time ALSA devices (tests/rig) read through the real alsa-lib.
//!
//! alsa-lib reads its environment once, so every check that needs devices of its own runs in a child: this same program, asked for
//! one test, with [`CHILD`] and the rig's variables set. Debian packages: pulseaudio libasound2-plugins alsa-utils.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use common::rig::Rig;
use rustix::process::Signal;
use soundpost::device::alsa::{AlsaSource, BitDepth, Settings, devices, text};
use soundpost::device::{Fault, FaultKind, Read, Source};
use soundpost::time::Rate;

const CHILD: &str = "SOUNDPOST_TEST_CHILD";

/// Runs the test `name` of this program again as a child under the rig.
fn child(rig: &Rig, name: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    command.envs(rig.environment()).env(CHILD, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child")
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// A child that speaks line by line of what it has done, and is told to go on.
struct Talk {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Talk {
    fn new(mut child: Child) -> Talk {
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Talk { child, lines }
    }

    #[track_caller]
    fn expect(&mut self, word: &str) {
        let heard = self.lines.by_ref().map_while(Result::ok).find(|line| line.ends_with(word));
        assert!(heard.is_some(), "the child ended without saying '{word}'");
    }

    fn tell(&mut self) {
        self.child.stdin.as_mut().expect("piped").write_all(b"go on\n").expect("heard");
    }

    #[track_caller]
    fn finish(mut self) {
        drop(self.child.stdin.take());
        for line in self.lines.map_while(Result::ok) {
            println!("{line}");
        }
        assert!(self.child.wait().expect("ended").success());
    }
}

fn say(word: &str) {
    println!("{word}");
}

fn wait_for_parent() {
    std::io::stdin().lock().read_line(&mut String::new()).expect("told");
}

fn source(device: &str, hz: u32, channels: u8, depth: BitDepth) -> AlsaSource {
    let rate = Rate::new(hz).expect("a rate");
    AlsaSource::new(Settings { device: device.to_owned(), rate, channels, depth, period_ms: 100, buffer_ms: 2000 })
}

/// Numbers that repeat after 2^32 and are never zero: a signal whose every sample is known, and silence is not part of it.
fn noise(samples: usize, bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_u32;
    let mut signal = Vec::with_capacity(samples * bytes);
    for _ in 0..samples {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        signal.extend_from_slice(&(state | 0x0100_0000).to_le_bytes()[4 - bytes..]);
    }
    signal
}

/// Reads until `signal` has passed by and compares every byte of it.
fn hear(source: &mut AlsaSource, signal: &[u8], longest: Duration) {
    let begun = Instant::now();
    let mut space = vec![0; 16_384];
    let frame_bytes = source.open().expect("opens").format.frame_bytes();
    say("listening");
    let mut heard: Vec<u8> = Vec::with_capacity(2 * signal.len());
    let mut start = None;
    while begun.elapsed() < longest {
        match source.read(&mut space).expect("reads") {
            Read::Frames { frames, .. } => heard.extend_from_slice(&space[..frames as usize * frame_bytes]),
            Read::Idle => {}
            other => panic!("{other:?} after {} bytes", heard.len()),
        }
        start = start.or_else(|| heard.iter().position(|byte| *byte != 0).map(|at| at / frame_bytes * frame_bytes));
        if start.is_some_and(|start| heard.len() >= start + signal.len()) {
            break;
        }
    }
    let start = start.expect("the signal was heard");
    let heard = &heard[start..];
    assert!(heard.len() >= signal.len(), "only {} of {} bytes were heard", heard.len(), signal.len());
    if let Some(at) = signal.iter().zip(heard).position(|(played, heard)| played != heard) {
        panic!("differs at byte {at} of {}: played {:?}, heard {:?}", signal.len(), &signal[at..][..12], &heard[at..][..12]);
    }
}

/// `seconds` of noise through a device of the rig, played by aplay and read back bit for bit.
fn exact(test: &str, device: &str, aplay: &str, hz: u32, channels: u8, depth: BitDepth) {
    let bytes = if aplay == "S16_LE" { 2 } else { 3 };
    let signal = noise(4 * hz as usize * usize::from(channels), bytes);
    if is_child() {
        hear(&mut source("rigged", hz, channels, depth), &signal, Duration::from_secs(30));
        return;
    }
    let rig = Rig::new(&[device]);
    let mut talk = Talk::new(child(&rig, test));
    talk.expect("listening");
    // A second of silence first: what a player sends before its stream has settled may be skipped by the server.
    let silence = vec![0; hz as usize * usize::from(channels) * bytes];
    let mut player = rig.play("rigged", aplay, hz, channels, &[silence, signal].concat());
    talk.finish();
    assert!(player.wait().expect("aplay ended").success());
}

#[test]
fn exact_16_bit_mono() {
    exact("exact_16_bit_mono", "rigged:48000:1", "S16_LE", 48_000, 1, BitDepth::Sixteen);
}

#[test]
fn exact_24_bit_stereo() {
    exact("exact_24_bit_stereo", "rigged:96000:2:s24le", "S24_3LE", 96_000, 2, BitDepth::TwentyFour);
}

/// `auto` takes the widest, which the rig offers as S32: its top 24 bits are what was played.
#[test]
fn exact_24_bit_in_32() {
    exact("exact_24_bit_in_32", "rigged:48000:2:s32le", "S24_3LE", 48_000, 2, BitDepth::Auto);
}

/// Not reading for longer than everything on the way can hold. The rig's server then drops samples without a word, as some USB
/// hosts do: what was read and what is reported as lost must still add up to the time that passed.
#[test]
fn a_silent_loss_is_reported() {
    const HZ: u32 = 192_000;
    if is_child() {
        let mut source = source("rigged", HZ, 8, BitDepth::Auto);
        let opened = source.open().expect("opens");
        let mut space = vec![0; 1 << 20];
        let (mut read, mut lost) = (0, 0);
        let mut paused = false;
        let mut newest = opened.at;
        while newest.since(opened.at) < 16_000_000_000 {
            match source.read(&mut space).expect("reads") {
                Read::Frames { frames, at } => {
                    read += u64::from(frames);
                    newest = at;
                }
                Read::Lost { frames, .. } => lost += frames,
                other => panic!("{other:?}"),
            }
            if !paused && newest.since(opened.at) > 4_000_000_000 {
                std::thread::sleep(Duration::from_secs(4));
                paused = true;
            }
        }
        let expected = opened.format.rate.frames_in(newest.since(opened.at));
        let silent = source.gauges().silent_losses.load(Relaxed);
        println!("{read} read, {lost} lost in {silent} pieces, {expected} expected");
        assert!(silent >= 1 && lost > u64::from(HZ) / 10);
        assert!((read + lost).abs_diff(expected) < u64::from(HZ) / 5, "{read} + {lost} is not {expected}");
        return;
    }
    let rig = Rig::new(&[&format!("rigged:{HZ}:8:s32le")]);
    Talk::new(child(&rig, "a_silent_loss_is_reported")).finish();
}

/// Reads until a fault comes.
fn fault(source: &mut AlsaSource, longest: Duration) -> Fault {
    let begun = Instant::now();
    let mut space = vec![0; 16_384];
    loop {
        match source.read(&mut space) {
            Err(fault) => return fault,
            Ok(read) => assert!(begun.elapsed() < longest, "still {read:?}"),
        }
    }
}

#[test]
fn a_device_that_vanishes_is_gone_until_it_is_back() {
    if is_child() {
        let mut source = source("rigged", 48_000, 1, BitDepth::Sixteen);
        source.open().expect("opens");
        say("listening");
        wait_for_parent();
        let gone = fault(&mut source, Duration::from_secs(5));
        assert_eq!(
            (gone.kind, gone.what.as_str()),
            (FaultKind::Gone, "rigged: the device is gone; recording goes on when it is back")
        );
        assert_eq!(source.open().map_err(|fault| fault.kind), Err(FaultKind::Gone));
        say("gone");
        wait_for_parent();
        source.open().expect("opens again");
        assert!(matches!(source.read(&mut [0; 4_096]), Ok(Read::Frames { .. })));
        return;
    }
    let mut rig = Rig::new(&["rigged:48000:1"]);
    let mut talk = Talk::new(child(&rig, "a_device_that_vanishes_is_gone_until_it_is_back"));
    talk.expect("listening");
    rig.kill();
    talk.tell();
    talk.expect("gone");
    rig.start();
    talk.tell();
    talk.finish();
}

#[test]
fn a_device_that_stands_still_is_a_fault() {
    if is_child() {
        let mut source = source("rigged", 48_000, 1, BitDepth::Sixteen);
        source.open().expect("opens");
        say("listening");
        wait_for_parent();
        let still = fault(&mut source, Duration::from_secs(5));
        assert_eq!((still.kind, still.what.as_str()), (FaultKind::Stalled, "rigged: no samples for 2.0 s; opening it anew"));
        say("still");
        wait_for_parent();
        source.open().expect("opens again");
        assert!(matches!(source.read(&mut [0; 4_096]), Ok(Read::Frames { .. })));
        return;
    }
    let rig = Rig::new(&["rigged:48000:1"]);
    let mut talk = Talk::new(child(&rig, "a_device_that_stands_still_is_a_fault"));
    talk.expect("listening");
    rig.signal(Signal::STOP);
    talk.tell();
    talk.expect("still");
    rig.signal(Signal::CONT);
    talk.tell();
    talk.finish();
}

#[test]
fn devices_are_listed_found_and_opened_at_once() {
    if is_child() {
        let listing = devices();
        let text = text(&listing);
        assert!(text.contains("\n  rigged  rig rigged\n") && text.contains("\n  other  rig other\n"), "{text}");
        assert!(!text.contains("rigged_out"), "a device that plays is none that captures: {text}");

        let mut found = source("RIGGED", 44_100, 2, BitDepth::TwentyFour);
        let begun = Instant::now();
        let opened = found.open().expect("opens by a part of its name");
        let first = found.read(&mut [0; 4_096]);
        let elapsed = begun.elapsed();
        assert_eq!(opened.text, "rigged S24_3LE 44100 Hz 2 channels, period 100 ms, buffer 2000 ms");
        assert!(matches!(first, Ok(Read::Frames { .. })) && elapsed < Duration::from_millis(500), "{first:?} after {elapsed:?}");

        let away = source("UltraMic", 48_000, 1, BitDepth::Sixteen).open().expect_err("is not there");
        assert_eq!(away.kind, FaultKind::Gone);
        assert!(away.what.starts_with("no capture device matches 'UltraMic': found "), "{}", away.what);
        assert!(away.what.contains("rigged, other") && away.what.ends_with("; run 'soundpost devices'"), "{}", away.what);
        return;
    }
    let rig = Rig::new(&["rigged:48000:1", "other:48000:1"]);
    Talk::new(child(&rig, "devices_are_listed_found_and_opened_at_once")).finish();
}
