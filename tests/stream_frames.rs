//! MP3, ADTS and native FLAC streams of real encoders: framed in pieces of any size, cut anywhere, and every part before the
//! programs that people open it with.

mod format_files;

use std::process::{Command, Stdio};
use std::sync::Arc;

use format_files::{Dice, identity, run, text};
use soundpost::format::mend::{Mend, mend};
use soundpost::format::stream::mend::verify;
use soundpost::format::stream::sniff::{Sniffed, sniff};
use soundpost::format::stream::{Framer, Framing, Skipped, Step, Unit, Writer};
use soundpost::message::{Cause, ClockState, Closing, Codec, Container, Depth, Format, Identity};
use soundpost::time::Rate;

/// What a stream turned out to be: its units with their places, and how many bytes were something else.
#[derive(Debug, Default, PartialEq)]
struct Listing {
    units: Vec<(usize, Unit)>,
    garbage: usize,
    other: usize,
    format: Option<Format>,
}

/// Shows the stream as it comes in, `piece` bytes at a time; `each` hears of every unit.
fn feed(framing: Framing, stream: &[u8], piece: usize, mut each: impl FnMut(&Framer, &Unit, &[u8])) -> Listing {
    let mut framer = Framer::new(framing);
    let (mut at, mut end, mut listing) = (0, 0, Listing::default());
    while at < stream.len() {
        let at_end = end == stream.len();
        let bytes = match framer.step(&stream[at..end], at_end) {
            Step::More => {
                assert!(!at_end && end - at < framer.window_bytes(), "an answer at {at}");
                end = (end + piece).min(stream.len());
                continue;
            }
            Step::Skip { bytes, what: Skipped::Garbage } => {
                listing.garbage += bytes;
                bytes
            }
            Step::Skip { bytes, .. } | Step::Headers { bytes } => {
                listing.other += bytes;
                bytes
            }
            Step::Unit(unit) => {
                listing.units.push((at, unit));
                each(&framer, &unit, &stream[at..at + unit.bytes]);
                unit.bytes
            }
        };
        assert!(bytes > 0 && at + bytes <= end, "{bytes} bytes at {at}");
        at += bytes;
    }
    let units: usize = listing.units.iter().map(|(_, unit)| unit.bytes).sum();
    assert_eq!(units + listing.garbage + listing.other, stream.len(), "every byte once");
    listing.format = framer.format();
    listing
}

fn list(framing: Framing, stream: &[u8], piece: usize) -> Listing {
    feed(framing, stream, piece, |_, _, _| {})
}

/// One file of a stream.
struct Part {
    growing: Vec<u8>,
    closed: Vec<u8>,
    frames: u64,
    /// Bytes before its first unit.
    before: usize,
}

/// Files that begin at these units.
fn parts(framing: Framing, stream: &[u8], cuts: &[usize]) -> Vec<Part> {
    let (mut done, mut open, mut number): (Vec<Part>, Option<(Writer, Part)>, usize) = (Vec::new(), None, 0);
    let close = |(writer, mut part): (Writer, Part)| {
        part.closed = part.growing.clone();
        for (at, bytes) in writer.end(&closing(part.frames)) {
            part.closed[at as usize..][..bytes.len()].copy_from_slice(&bytes);
        }
        part
    };
    feed(framing, stream, 4_096, |framer, unit, bytes| {
        if number == 0 || cuts.contains(&number) {
            done.extend(open.take().map(close));
            let mut growing = Vec::new();
            let who = who(framer.format().expect("a unit has a format"));
            let writer = Writer::begin(framer, unit, &who, &mut |bytes| growing.extend_from_slice(bytes));
            open = Some((writer, Part { before: growing.len(), growing, closed: Vec::new(), frames: 0 }));
        }
        let (writer, part) = open.as_mut().expect("begun");
        writer.unit(framer, unit, bytes, &mut |bytes| part.growing.extend_from_slice(bytes));
        part.frames += u64::from(unit.frames);
        number += 1;
    });
    done.extend(open.take().map(close));
    done
}

fn who(format: Format) -> Identity {
    Identity { source: Arc::from("radio"), format, ..identity(48_000, 2, Depth::Sixteen) }
}

fn closing(frames: u64) -> Closing {
    Closing::new(Cause::Split, frames, ClockState::Synced)
}

/// What ffmpeg's encoder makes of four seconds of chirp and noise.
fn encoded(name: &str, options: &[&str], hz: u32, channels: u32) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    let (hz, channels) = (hz.to_string(), channels.to_string());
    let sound = "aevalsrc='0.4*sin(300*t*t*(1+random(0)/50))+0.3*random(1)*gt(sin(9*t),0.5)|0.3*sin(700*t)+0.2*random(2)*gt(sin(5*t),0.7)':d=4:s=48000";
    let head = ["-v", "error", "-f", "lavfi", "-i", sound, "-ar", &hz, "-ac", &channels, "-bitexact"];
    run("ffmpeg", &[&head[..], options, &[text(&path)]].concat());
    std::fs::read(&path).expect("read")
}

/// The samples as ffmpeg decodes them, which must not complain.
fn decoded(name: &str, bytes: &[u8]) -> (Vec<f32>, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i", text(&path), "-f", "f32le", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is installed");
    let samples = out.stdout.chunks_exact(4).map(|s| f32::from_le_bytes([s[0], s[1], s[2], s[3]])).collect();
    (samples, String::from_utf8_lossy(&out.stderr).into_owned())
}

/// `(options, hz, channels)` of one kind of stream.
fn check_lossy(framing: Framing, container: Container, options: &[&str], hz: u32, channels: u32) {
    let name = format!("a.{}", container.extension());
    let stream = encoded(&name, options, hz, channels);
    let whole = list(framing, &stream, 4_096);
    assert_eq!(whole.garbage, 0, "{options:?}");
    assert!(matches!(sniff(&stream[..stream.len().min(16 << 10)], None, None), Sniffed::Is(found) if found == framing));
    for piece in [1, 7, stream.len()] {
        assert_eq!(list(framing, &stream, piece), whole, "{options:?} in pieces of {piece}");
    }
    let format = whole.format.expect("frames");
    assert_eq!((format.rate.hz(), u32::from(format.channels)), (hz, channels), "{options:?}");
    let bare: Vec<u8> = whole.units.iter().flat_map(|&(at, unit)| &stream[at..at + unit.bytes]).copied().collect();
    let (all, complaints) = decoded(&name, &bare);
    assert_eq!(complaints, "", "{options:?}");
    let count = whole.units.len();
    // ffmpeg wants a handful of frames before it believes in a file.
    let cuts: Vec<usize> = (1..).map(|i| 17 * i).take_while(|cut| cut + 12 < count).collect();
    let files = parts(framing, &stream, &cuts);
    let (mut unit, mut primed) = (0, 0);
    for file in &files {
        let (samples, complaints) = decoded(&name, &file.closed);
        assert_eq!(complaints, "", "{options:?} from unit {unit}");
        let frames = whole.units[unit].1.frames as usize;
        let channels = channels as usize;
        let made_up = if file.before > 0 { frames } else { 0 };
        primed += usize::from(file.before > 0);
        let begin = unit * frames;
        // The first frame lacks the overlap, and the filter bank's history, of the one before it.
        let settled = if unit == 0 { 0 } else { (2 * frames).min(file.frames as usize) };
        let own = &samples[(made_up + settled) * channels..];
        let there = &all[(begin + settled) * channels..];
        let compared = own.len().min(there.len());
        assert!(own[..compared] == there[..compared], "{options:?} from unit {unit}: other samples");
        let length = (file.frames as usize).min(all.len() / channels - begin);
        assert!(samples.len() / channels + frames >= made_up + length, "{options:?} from unit {unit}: too short");
        let verified = verify(container, file.closed.as_slice()).map(|v| v.frames).map_err(|e| e.to_string());
        assert_eq!(verified, Ok(file.frames), "{options:?} from unit {unit}");
        let Ok(Mend::Keep(kept)) = mend(container, &file.closed) else { panic!("{options:?}: it is kept") };
        assert_eq!((kept.keep_bytes, kept.frames, kept.complete), (file.closed.len() as u64, file.frames, true));
        unit += file.frames as usize / frames;
    }
    assert_eq!(files.iter().map(|f| f.frames).sum::<u64>(), whole.units.iter().map(|(_, u)| u64::from(u.frames)).sum::<u64>());
    println!("{options:?} {hz} Hz: {count} units, {} files, {primed} of them with a made-up frame", files.len());
}

#[test]
fn mp3_cut_anywhere_sounds_the_same() {
    let of = |options: &[&str], hz, channels| {
        check_lossy(Framing::Mp3, Container::Mp3, &[&["-c:a", "libmp3lame"], options].concat(), hz, channels);
    };
    of(&["-b:a", "128k"], 44_100, 2);
    of(&["-b:a", "320k"], 48_000, 2);
    of(&["-q:a", "4"], 44_100, 2);
    of(&["-b:a", "96k", "-joint_stereo", "0"], 32_000, 2);
    of(&["-b:a", "32k"], 22_050, 1);
    of(&["-b:a", "16k"], 11_025, 1);
}

#[test]
fn adts_cut_anywhere_sounds_the_same() {
    for (hz, channels) in [(44_100, 2), (48_000, 1), (48_000, 2)] {
        check_lossy(Framing::Adts, Container::Aac, &["-c:a", "aac", "-aac_pns", "0", "-f", "adts"], hz, channels);
    }
}

/// Raw samples and what the reference encoder makes of them.
fn flac_stream(hz: u32, channels: u8, depth: Depth, options: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let who = identity(hz, channels, depth);
    let pcm = format_files::sound(format_files::shape(&who), 50_001);
    let dir = tempfile::tempdir().expect("a folder");
    let (input, output) = (dir.path().join("in.wav"), dir.path().join("out.flac"));
    std::fs::write(&input, format_files::wav(&who, &pcm)).expect("written");
    run("flac", &[&["--silent", "--lax", "-o", text(&output), text(&input)], options].concat());
    (pcm, std::fs::read(&output).expect("read"))
}

#[test]
fn flac_cut_anywhere_is_exact() {
    for (hz, depth, options) in [
        (44_100, Depth::Sixteen, &["-0"][..]),
        (48_000, Depth::Sixteen, &["-5"]),
        (48_000, Depth::Sixteen, &["-8", "-b", "512"]),
        (96_000, Depth::TwentyFour, &["-8"]),
        (48_000, Depth::TwentyFour, &["-3", "-b", "1152"]),
    ] {
        let (pcm, stream) = flac_stream(hz, 2, depth, options);
        let whole = list(Framing::Flac, &stream, 4_096);
        assert_eq!((whole.garbage, whole.units[0].1.new_link), (0, true), "{options:?}");
        assert_eq!(list(Framing::Flac, &stream, 997), whole, "{options:?}");
        assert_eq!(whole.format, Rate::new(hz).map(|rate| Format::coded(Codec::Flac, rate, 2)));
        // Joined on the way, without any header.
        let joined = list(Framing::Flac, &stream[whole.units[1].0 - 5..], 4_096);
        assert_eq!((joined.units.len(), joined.garbage, joined.format), (whole.units.len() - 1, 5, whole.format));
        let count = whole.units.len();
        let (mut all, frame_bytes) = (Vec::new(), 2 * depth.bytes());
        for file in parts(Framing::Flac, &stream, &[1, 3, count / 2, count - 1]) {
            let dir = tempfile::tempdir().expect("a folder");
            let path = dir.path().join("a.flac");
            let raw = |skip: u64| {
                let out = dir.path().join("out.raw");
                let skip = format!("--skip={skip}");
                let layout = ["--force-raw-format", "--endian=little", "--sign=signed", "-s", "-f", "-d"];
                run("flac", &[&layout[..], &[&skip, "-o", text(&out), text(&path)]].concat());
                std::fs::read(out).expect("read")
            };
            for bytes in [&file.growing, &file.closed] {
                std::fs::write(&path, bytes).expect("written");
                run("flac", &["-s", "-t", text(&path)]);
            }
            let sound = raw(0);
            assert_eq!(sound.len() as u64, file.frames * frame_bytes as u64, "{options:?}");
            for skip in [1, file.frames / 2, file.frames - 1] {
                assert!(raw(skip) == sound[skip as usize * frame_bytes..], "{options:?} from {skip}");
            }
            all.extend_from_slice(&sound);
            assert_eq!(decoded("a.flac", &file.closed).1, "", "{options:?}");
            check_flac_mend(&file, whole.format.expect("a format"));
        }
        assert!(all == pcm, "{options:?}: every sample");
    }
}

/// A checksum stays right over zeros behind it: they are no part of the sound.
#[test]
fn zeros_between_coded_frames_are_garbage() {
    let (pcm, stream) = flac_stream(8_000, 1, Depth::Sixteen, &["-5", "-b", "256"]);
    let whole = list(Framing::Flac, &stream, 4_096);
    for zeros in [1, 2, 4, 100] {
        let (mut padded, mut from) = (Vec::new(), 0);
        for &(at, unit) in &whole.units {
            padded.extend_from_slice(&stream[from..at + unit.bytes]);
            padded.resize(padded.len() + zeros, 0);
            from = at + unit.bytes;
        }
        let found = list(Framing::Flac, &padded, 997);
        assert_eq!((found.units.len(), found.garbage), (whole.units.len(), zeros * whole.units.len()), "{zeros} zeros");
        let [file] = &parts(Framing::Flac, &padded, &[])[..] else { panic!("one file") };
        let dir = tempfile::tempdir().expect("a folder");
        let (path, out) = (dir.path().join("a.flac"), dir.path().join("out.raw"));
        std::fs::write(&path, &file.closed).expect("written");
        run("flac", &["-s", "-d", "--force-raw-format", "--endian=little", "--sign=signed", "-o", text(&out), text(&path)]);
        assert!(std::fs::read(out).expect("read") == pcm, "{zeros} zeros: every sample");
    }
}

/// Repair makes of a growing file what closing made of it.
fn check_flac_mend(file: &Part, format: Format) {
    let Ok(Mend::Keep(kept)) = mend(Container::Flac, &file.growing) else { panic!("it is kept") };
    let mut mended = file.growing[..kept.keep_bytes as usize].to_vec();
    for (at, bytes) in kept.patches {
        mended[at as usize..][..bytes.len()].copy_from_slice(&bytes);
    }
    assert!(mended == file.closed, "mended is closed");
    assert_eq!((kept.frames, kept.identity), (file.frames, Some(who(format))));
    let Ok(Mend::Keep(kept)) = mend(Container::Flac, &file.closed) else { panic!("it is kept") };
    assert!(kept.complete && kept.patches.is_empty());
    assert_eq!(verify(Container::Flac, file.closed.as_slice()).map(|v| v.frames).map_err(|e| e.to_string()), Ok(file.frames));
}

fn streams() -> Vec<(Framing, Container, Vec<u8>)> {
    let mp3 = encoded("a.mp3", &["-c:a", "libmp3lame", "-b:a", "32k"], 22_050, 1);
    let adts = encoded("a.aac", &["-c:a", "aac", "-b:a", "32k"], 22_050, 1);
    let (_, flac) = flac_stream(8_000, 1, Depth::Sixteen, &["-5", "-b", "256"]);
    vec![(Framing::Mp3, Container::Mp3, mp3), (Framing::Adts, Container::Aac, adts), (Framing::Flac, Container::Flac, flac)]
}

#[test]
fn garbage_costs_at_most_the_damaged_units() {
    let mut dice = Dice(3);
    for (framing, _, stream) in streams() {
        let whole = list(framing, &stream, 4_096);
        for round in 0..300 {
            let at = whole.units[2].0 + dice.below(stream.len() - whole.units[2].0);
            let garbage: Vec<u8> = (0..1 + dice.below(900)).map(|_| dice.roll() as u8).collect();
            // Every other time it replaces as many bytes.
            let behind = if round % 2 == 0 { at } else { (at + garbage.len()).min(stream.len()) };
            let spoilt = [&stream[..at], &garbage, &stream[behind..]].concat();
            let found = list(framing, &spoilt, 4_096);
            let found: std::collections::HashSet<&[u8]> =
                found.units.iter().map(|&(at, unit)| &spoilt[at..at + unit.bytes]).collect();
            let whole_still = whole.units.iter().filter(|&&(from, unit)| from + unit.bytes <= at || from >= behind);
            let lost = whole_still.filter(|&&(from, unit)| !found.contains(&stream[from..from + unit.bytes])).count();
            assert_eq!(lost, 0, "{framing:?} round {round}: {} bytes at {at}", garbage.len());
        }
    }
}

#[test]
fn spoilt_streams_never_panic() {
    for (framing, container, stream) in streams() {
        let stream = &stream[..stream.len().min(6_000)];
        for seed in 0..20_000_u64 {
            let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut spoilt = stream[dice.below(stream.len() / 2)..].to_vec();
            for _ in 0..1 + dice.below(12) {
                let at = dice.below(spoilt.len());
                match dice.below(4) {
                    0 => spoilt[at] = dice.roll() as u8,
                    1 => spoilt[at] ^= 1 << dice.below(8),
                    2 => drop(spoilt.drain(at..(at + dice.below(700)).min(spoilt.len()))),
                    _ => spoilt.truncate(at.max(1_000)),
                }
                if spoilt.is_empty() {
                    spoilt.push(0);
                }
            }
            let piece = 1 + dice.below(3_000);
            let cut = dice.below(9);
            parts_in(framing, &spoilt, cut, piece);
            sniff(&spoilt, Some("audio/mpeg"), None);
            if seed % 16 == 0 {
                mend(container, &spoilt).expect("readable");
                drop(verify(container, spoilt.as_slice()));
            }
        }
    }
}

fn parts_in(framing: Framing, stream: &[u8], cut: usize, piece: usize) -> usize {
    let mut written = 0;
    let mut number = 0;
    feed(framing, stream, piece, |framer, unit, bytes| {
        if number % (cut + 1) == 0 {
            let who = who(framer.format().expect("a unit has a format"));
            let mut writer = Writer::begin(framer, unit, &who, &mut |bytes| written += bytes.len());
            writer.unit(framer, unit, bytes, &mut |bytes| written += bytes.len());
            drop(writer.end(&closing(u64::from(unit.frames))));
        }
        number += 1;
    });
    written
}
