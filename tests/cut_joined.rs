//! Cuts over several recordings: files that follow each other become one, and it is what one long file would have been.

mod sounds;

use std::path::{Path, PathBuf};

use soundpost::format::cut::{Cut, Part, plan_joined};
use soundpost::format::decode::open;
use soundpost::format::stream::{Framer, Framing, Step, Unit, Writer};
use soundpost::message::{Cause, ClockState, Closing, Format, Identity};
use soundpost::time::Wall;
use sounds::{Bench, run, text};

/// Frames of the whole: three files of it are no multiple of anything.
const FRAMES: usize = 192_000;

fn join(bench: &Bench, files: &[Vec<u8>], extension: &str, from_s: f64, to_s: f64) -> Result<(Cut, PathBuf), String> {
    let last = files.len() - 1;
    let part = |(n, file)| Part {
        file,
        extension,
        from_s: if n == 0 { from_s } else { 0.0 },
        to_s: if n == last { to_s } else { f64::INFINITY },
    };
    let parts: Vec<Part> = files.iter().map(|file| file as &dyn soundpost::format::ReadAt).enumerate().map(part).collect();
    let cut = plan_joined(&parts).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let sources: Vec<_> = parts.iter().map(|part| part.file).collect();
    let mut sink = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    cut.write_joined(&sources, &mut sink).expect("written");
    assert_eq!(bytes.len() as u64, cut.bytes, "length as planned");
    Ok((cut, bench.write(&format!("joined.{extension}"), &bytes)))
}

fn decoded(path: &Path) -> Vec<i32> {
    let extension = path.extension().and_then(|e| e.to_str()).expect("an extension");
    let mut decoder = open(Box::new(std::fs::read(path).expect("read")), extension).expect("a recording");
    let frames = decoder.measure().expect("measured") as usize;
    let mut samples = vec![0; frames * usize::from(decoder.info().channels)];
    assert_eq!(decoder.read(&mut samples).expect("read"), frames);
    assert_eq!(decoder.skipped(), 0);
    samples
}

/// The sound of a bench in three files, each made by `make`.
fn thirds(bench: &Bench, make: impl Fn(&Bench) -> PathBuf) -> Vec<Vec<u8>> {
    let n = usize::from(bench.channels);
    let cuts = [0, 70_001, 70_001 + 4_096 * 12 + 5, FRAMES];
    let third = |pair: &[usize]| {
        let mut part = Bench::new(bench.rate_hz, bench.channels, bench.bits, 1);
        part.samples = bench.samples[pair[0] * n..pair[1] * n].to_vec();
        let spec = hound::WavReader::open(&bench.source).expect("a WAV").spec();
        let mut writer = hound::WavWriter::create(&part.source, spec).expect("created");
        part.samples.iter().for_each(|&s| writer.write_sample(s).expect("written"));
        writer.finalize().expect("closed");
        std::fs::read(make(&part)).expect("read")
    };
    cuts.windows(2).map(third).collect()
}

#[test]
fn wav() {
    for bits in [16, 24] {
        let bench = Bench::new(48_000, if bits == 16 { 2 } else { 1 }, bits, FRAMES);
        let files = thirds(&bench, |part| part.source.clone());
        let n = usize::from(bench.channels);
        for (from, to, want) in [(0.0, f64::INFINITY, 0..FRAMES), (1.0, 0.5, 48_000..70_001 + 49_157 + 24_000)] {
            let (cut, path) = join(&bench, &files, "wav", from, to).expect("joined");
            assert_eq!(cut.frames, want.len() as u64);
            assert!(decoded(&path) == bench.samples[want.start * n..want.end * n], "{bits} bits, {from} to {to}");
            run("sndfile-info", &[text(&path)]);
        }
    }
}

#[test]
fn flac() {
    for (bits, options) in [(16, &["-5"][..]), (24, &["-8", "-b", "1000"])] {
        let bench = Bench::new(48_000, 2, bits, FRAMES);
        let files = thirds(&bench, |part| part.flac("a.flac", options));
        for (from, to) in [(0.0, f64::INFINITY), (1.0, 0.5), (1.4, 0.000_1)] {
            let (cut, path) = join(&bench, &files, "flac", from, to).expect("joined");
            let start = (cut.from_s * 48_000.0).round() as usize;
            assert!(start <= (from * 48_000.0) as usize && start + 4_608 > (from * 48_000.0) as usize);
            let want = &bench.samples[start * 2..(start + cut.frames as usize) * 2];
            assert!(from > 0.0 || want.len() == bench.samples.len());
            let claxon: Vec<i32> = claxon::FlacReader::open(&path).expect("FLAC").samples().map(|s| s.expect("read")).collect();
            assert!(claxon == want && decoded(&path) == want, "{from} to {to}");
            assert_eq!(claxon::FlacReader::open(&path).expect("FLAC").streaminfo().samples, Some(cut.frames));
            run("flac", &["-s", "-t", text(&path)]);
            run("flac", &["-s", "-d", "-f", "--skip=50000", "-o", text(&bench.path("skipped.wav")), text(&path)]);
            let said = run("ffmpeg", &["-v", "error", "-i", text(&path), "-f", "null", "-"]);
            assert!(said.is_empty(), "{said}");
            // A cut of what was joined is one of any other FLAC.
            let (again, path) = join(&bench, &[std::fs::read(&path).expect("read")], "flac", 0.3, 0.4).expect("cut");
            run("flac", &["-s", "-t", text(&path)]);
            let start = start + (again.from_s * 48_000.0).round() as usize;
            assert!(decoded(&path) == bench.samples[start * 2..(start + again.frames as usize) * 2]);
        }
    }
}

fn identity(format: Format) -> Identity {
    let (source, session, clock) = ("station".into(), "s".into(), ClockState::Synced);
    Identity { source, session, first_frame: 0, start: Wall(0), utc_offset_s: 0, clock, format }
}

/// A stream as the recorder keeps it: a file ends at the first place that may begin another, after so many frames.
fn recorded(framing: Framing, stream: &[u8], every: u64) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(framing);
    let (mut at, mut files) = (0, Vec::new());
    let mut open: Option<(Writer, Vec<u8>, u64)> = None;
    let close = |(writer, mut file, frames): (Writer, Vec<u8>, u64)| {
        for (at, bytes) in writer.end(&Closing::new(Cause::Split, frames, ClockState::Synced)) {
            file[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
        }
        file
    };
    while at < stream.len() {
        let unit: Unit = match framer.step(&stream[at..], true) {
            Step::More => break,
            Step::Skip { bytes, .. } | Step::Headers { bytes } => {
                at += bytes;
                continue;
            }
            Step::Unit(unit) => unit,
        };
        if open.as_ref().is_some_and(|(_, _, frames)| *frames >= every) && (unit.entry || framing == Framing::Mp3) {
            files.extend(open.take().map(close));
        }
        let (writer, file, frames) = open.get_or_insert_with(|| {
            let mut file = Vec::new();
            let identity = identity(framer.format().expect("a unit has one"));
            let writer = Writer::begin(&framer, &unit, &identity, &mut |bytes| file.extend_from_slice(bytes));
            (writer, file, 0)
        });
        writer.unit(&framer, &unit, &stream[at..at + unit.bytes], &mut |bytes| file.extend_from_slice(bytes));
        *frames += u64::from(unit.frames);
        at += unit.bytes;
    }
    files.extend(open.take().map(close));
    files
}

#[test]
fn frames_of_a_station_are_as_it_sent_them() {
    let bench = Bench::new(48_000, 2, 16, FRAMES);
    let mp3 = &["-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0"];
    for (framing, path) in [
        (Framing::Mp3, bench.ffmpeg("a.mp3", mp3)),
        (Framing::Adts, bench.ffmpeg("a.aac", &["-c:a", "aac", "-b:a", "96k", "-aac_pns", "0"])),
    ] {
        let (stream, extension) = (std::fs::read(&path).expect("read"), path.extension().and_then(|e| e.to_str()).expect("one"));
        let files = recorded(framing, &stream, 40_000);
        assert!(files.len() > 3, "{} files", files.len());
        let (_, joined) = join(&bench, &files, extension, 0.0, f64::INFINITY).expect("joined");
        assert!(std::fs::read(joined).expect("read") == stream, "{extension}");
        // From the middle of the first: it sounds as the whole does there.
        let (cut, joined) = join(&bench, &files, extension, 0.5, 0.2).expect("joined");
        let (whole, part) = (decoded(&path), decoded(&joined));
        let start = (cut.from_s * 48_000.0).round() as usize;
        let settled = 4 * 1_152 * 2;
        assert!(part[settled..] == whole[start * 2..][settled..part.len()], "{extension}");
    }
}

#[test]
fn pages_of_a_station_are_one_stream() {
    let bench = Bench::new(48_000, 2, 16, FRAMES);
    for path in [
        bench.tool("a.ogg", "oggenc", &["-Q", "-q", "3", "-o"]),
        bench.ffmpeg("b.ogg", &["-c:a", "libvorbis", "-q:a", "4", "-page_duration", "100000"]),
        bench.ffmpeg("c.opus", &["-c:a", "libopus", "-b:a", "96k", "-page_duration", "100000"]),
        bench.flac("d.oga", &["--ogg", "-5"]),
    ] {
        let (stream, extension) = (std::fs::read(&path).expect("read"), path.extension().and_then(|e| e.to_str()).expect("one"));
        let files = recorded(Framing::Ogg, &stream, 40_000);
        assert!(files.len() > 1, "{}: {} files", path.display(), files.len());
        let (cut, joined) = join(&bench, &files, extension, 0.0, f64::INFINITY).expect("joined");
        let bytes = std::fs::read(&joined).expect("read");
        let firsts = bytes.windows(6).filter(|w| *w == [b'O', b'g', b'g', b'S', 0, 2]).count();
        assert_eq!(firsts, 1, "{}: one logical stream", path.display());
        let (whole, got) = (decoded(&path), decoded(&joined));
        assert_eq!((got.len(), cut.frames * 2), (whole.len(), whole.len() as u64), "{}", path.display());
        assert!(got == whole, "{}", path.display());
        let said = match extension {
            "opus" => run("opusinfo", &[text(&joined)]),
            "oga" => run("flac", &["-s", "-t", "--ogg", text(&joined)]).replace("WARNING, cannot check MD5", ""),
            _ => run("ogginfo", &[text(&joined)]),
        };
        assert!(!said.contains("WARNING") && !said.contains("ERROR"), "{said}");
    }
}

#[test]
fn streams_with_other_headers_follow_each_other_in_a_chain() {
    let bench = Bench::new(48_000, 2, 16, 60_000);
    let a = std::fs::read(bench.tool("a.ogg", "oggenc", &["-Q", "-q", "3", "-o"])).expect("read");
    let b = std::fs::read(bench.tool("b.ogg", "oggenc", &["-Q", "-q", "7", "-o"])).expect("read");
    let c = std::fs::read(bench.tool("c.ogg", "oggenc", &["-Q", "-q", "5", "-o"])).expect("read");
    let (_, joined) = join(&bench, &[a, b, c], "ogg", 0.0, f64::INFINITY).expect("joined");
    let bytes = std::fs::read(&joined).expect("read");
    assert_eq!(bytes.windows(6).filter(|w| *w == [b'O', b'g', b'g', b'S', 0, 2]).count(), 3);
    assert_eq!(decoded(&joined).len(), 3 * 120_000);
    let said = run("ogginfo", &[text(&joined)]);
    assert!(!said.contains("WARNING") && !said.contains("ERROR"), "{said}");
}

#[test]
fn what_differs_is_not_joined() {
    let (mono, stereo) = (Bench::new(48_000, 1, 16, 9_000), Bench::new(48_000, 2, 16, 9_000));
    let (deep, quick) = (Bench::new(48_000, 2, 24, 9_000), Bench::new(44_100, 2, 16, 9_000));
    let files = |make: &dyn Fn(&Bench) -> PathBuf| [&stereo, &mono, &deep, &quick].map(|b| std::fs::read(make(b)).expect("read"));
    let (wavs, flacs) = (files(&|b| b.source.clone()), files(&|b| b.flac("a.flac", &[])));
    for (extension, [first, others @ ..]) in [("wav", wavs), ("flac", flacs)] {
        for other in others {
            let got = join(&stereo, &[first.clone(), other], extension, 0.0, 1.0).map(|_| ());
            assert_eq!(got, Err("not supported: recordings of different formats are not joined".into()));
        }
    }
}
