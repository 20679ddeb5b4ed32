//! Lossless cuts: what comes out is sound to the codec's own checker, holds the samples of its true range, and that range is the
//! one that was asked for, to the unit.

mod sounds;

use std::path::{Path, PathBuf};
use std::process::Command;

use soundpost::format::cut::{Cut, plan};
use soundpost::format::decode::open;
use soundpost::format::growing::growing;
use sounds::{Bench, rms_db, text};

/// Ranges in seconds of a recording of four seconds: inside, at both ends, across the end, tiny, on and beside a unit's edge.
const RANGES: [(f64, f64); 10] = [
    (0.0, 4.0),
    (0.0, 0.000_1),
    (1.0, 2.0),
    (1.234_567, 1.234_568),
    (0.096, 0.192),
    (2.5, 2.75),
    (3.9, 9.0),
    (3.999_9, 4.0),
    (0.0, 1e9),
    (1.999_979, 3.000_021),
];

fn cut(bench: &Bench, path: &Path, from: f64, to: f64) -> (Cut, PathBuf) {
    let (file, extension) = (std::fs::read(path).expect("read"), path.extension().and_then(|e| e.to_str()).expect("one"));
    let cut = plan(&file, extension, from, to).unwrap_or_else(|e| panic!("{}, {from} to {to}: {e}", path.display()));
    let mut bytes = Vec::new();
    let mut sink = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    cut.write(&file, &mut sink).expect("written");
    assert_eq!(bytes.len() as u64, cut.bytes, "{}, {from} to {to}: length as planned", path.display());
    (cut, bench.write(&format!("cut.{extension}"), &bytes))
}

/// The tool has nothing to say about it.
fn assert_quiet(tool: &str, arguments: &[&str]) {
    let done = Command::new(tool).args(arguments).output().unwrap_or_else(|e| panic!("{tool} is not installed ({e})"));
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    // A part has no MD5 of the whole.
    let complaints = said.lines().filter(|line| !line.trim().is_empty() && !line.contains("cannot check MD5 signature"));
    assert!(done.status.success() && complaints.count() == 0, "{tool} {arguments:?}: {said}");
}

fn decoded(path: &Path) -> Vec<i32> {
    let extension = path.extension().and_then(|e| e.to_str()).expect("an extension");
    let mut decoder = open(Box::new(std::fs::read(path).expect("read")), extension).expect("a recording");
    let frames = decoder.measure().expect("measured") as usize;
    let mut samples = vec![0; frames * usize::from(decoder.info().channels)];
    assert_eq!(decoder.read(&mut samples).expect("read"), frames, "{}", path.display());
    samples
}

/// Where the range begins in the source, checked against what was asked: no more than a unit before and behind it.
fn true_start(cut: &Cut, from: f64, to: f64, slack_s: f64) -> usize {
    let to = to.min(4.0);
    let names = format!("asked {from} to {to}, got {} to {}", cut.from_s, cut.to_s);
    assert!(cut.from_s <= from + 1e-5 && cut.from_s >= from - slack_s, "{names}");
    assert!(cut.to_s >= to - 1e-5 && cut.to_s <= to + slack_s, "{names}");
    (cut.from_s * f64::from(cut.rate_hz)).round() as usize
}

#[test]
fn wav() {
    for (channels, bits) in [(2, 16), (1, 24), (1, 8)] {
        let bench = Bench::new(48_000, channels, bits, 192_000);
        for (from, to) in RANGES {
            let (cut, path) = cut(&bench, &bench.source, from, to);
            let start = true_start(&cut, from, to, 1.0 / 48_000.0);
            let n = usize::from(channels);
            assert!(decoded(&path) == bench.samples[start * n..(start + cut.frames as usize) * n], "{from} to {to}");
            if bits > 8 {
                let read: Vec<i32> =
                    hound::WavReader::open(&path).expect("a WAV").into_samples().map(|s| s.expect("read")).collect();
                assert_eq!(read.len(), cut.frames as usize * n);
            }
            sounds::run("sndfile-info", &[text(&path)]);
        }
    }
}

#[test]
fn flac() {
    for (bits, options) in [(16, &["-5"][..]), (24, &["-8", "-b", "1000", "--no-seektable"]), (16, &["-0", "-S", "1s"])] {
        let bench = Bench::new(48_000, 2, bits, 192_000);
        let source = bench.flac("a.flac", options);
        for (from, to) in RANGES {
            let (cut, path) = cut(&bench, &source, from, to);
            let start = true_start(&cut, from, to, 4_608.0 / 48_000.0);
            assert_quiet("flac", &["-s", "-t", text(&path)]);
            assert_quiet("ffmpeg", &["-v", "error", "-i", text(&path), "-f", "null", "-"]);
            let want = &bench.samples[start * 2..(start + cut.frames as usize) * 2];
            let claxon: Vec<i32> = claxon::FlacReader::open(&path).expect("FLAC").samples().map(|s| s.expect("read")).collect();
            assert!(claxon == want && decoded(&path) == want, "{from} to {to}");
            let info = claxon::FlacReader::open(&path).expect("FLAC").streaminfo();
            assert_eq!(info.samples, Some(cut.frames));
            // Its own seek table leads somewhere, too.
            sounds::run("flac", &["-s", "-d", "-f", "--skip=100", "-o", text(&bench.path("skipped.wav")), text(&path)]);
        }
    }
}

/// A coded frame that is damaged is left out; everything else stays.
#[test]
fn flac_with_damage() {
    let bench = Bench::new(48_000, 2, 16, 192_000);
    let mut file = std::fs::read(bench.flac("a.flac", &["-5"])).expect("read");
    let middle = file.len() / 2;
    file[middle..middle + 2_000].fill(0x55);
    let source = bench.write("spoilt.flac", &file);
    let (cut, path) = cut(&bench, &source, 0.5, 3.5);
    assert_quiet("flac", &["-s", "-t", text(&path)]);
    assert!((1..=2).contains(&((37 * 4_096 - cut.frames) / 4_096)) && cut.frames % 4_096 == 0, "{}", cut.frames);
}

/// The cut sounds as the same range of the whole does, from what was asked for on.
fn check_lossy(bench: &Bench, source: &Path, slack_s: f64, bound: f64, settled_s: f64, judge: impl Fn(&Path)) {
    let whole = decoded(source);
    let n = usize::from(bench.channels);
    for (from, to) in RANGES {
        let (cut, path) = cut(bench, source, from, to);
        true_start(&cut, from, to, slack_s);
        // Before the start of the whole, if the encoder's delay is part of the cut.
        let start = (cut.to_s * f64::from(cut.rate_hz)).round() as i64 - cut.frames as i64;
        judge(&path);
        let piece = decoded(&path);
        let frames = piece.len() / n;
        assert_eq!(frames as u64, cut.frames, "{}, {from} to {to}", source.display());
        let settled = ((from + settled_s) * f64::from(cut.rate_hz)).round() as i64;
        let skip = ((settled - start).max(0) as usize).min(frames);
        let (got, want) = (&piece[skip * n..], &whole[(((start + skip as i64) as usize) * n).min(whole.len())..]);
        let length = got.len().min(want.len());
        if length > 0 && skip < frames {
            let db = rms_db(&got[..length], &want[..length], 24);
            assert!(db < bound, "{}, {from} to {to}: {db:.1} dB", source.display());
        }
    }
}

/// FFmpeg wants to see some frames before it believes what they are; then it must have nothing to say.
fn believed(path: &Path) {
    if std::fs::metadata(path).expect("there").len() > 2_000 {
        assert_quiet("ffmpeg", &["-v", "error", "-i", text(path), "-f", "null", "-"]);
    }
}

#[test]
fn mp3() {
    let bench = Bench::new(48_000, 2, 16, 192_000);
    for (name, options) in
        [("cbr.mp3", &["-b:a", "128k"][..]), ("vbr.mp3", &["-q:a", "6"]), ("plain.mp3", &["-b:a", "64k", "-write_xing", "0"])]
    {
        let source = bench.ffmpeg(name, &[&["-c:a", "libmp3lame"], options].concat());
        // Overlap and filters settle within two frames.
        check_lossy(&bench, &source, 1.1, -90.0, 0.06, believed);
    }
}

#[test]
fn adts() {
    let bench = Bench::new(48_000, 2, 16, 192_000);
    let source = bench.ffmpeg("a.aac", &["-c:a", "aac", "-b:a", "96k", "-aac_pns", "0"]);
    check_lossy(&bench, &source, 0.045, -90.0, 0.03, believed);
}

#[test]
fn vorbis() {
    let bench = Bench::new(48_000, 2, 16, 192_000);
    let source = bench.tool("a.ogg", "oggenc", &["-Q", "-q", "3", "-o"]);
    check_lossy(&bench, &source, 2.1, -90.0, 0.0, |path| {
        let said = sounds::run("ogginfo", &[text(path)]);
        assert!(!said.contains("WARNING") && !said.contains("ERROR"), "{said}");
    });
}

#[test]
fn opus() {
    let bench = Bench::new(48_000, 2, 16, 192_000);
    let source = bench.tool_to("a.opus", "opusenc", &["--quiet", "--padding", "0", "--max-delay", "200"]);
    // Its decoder comes near to what it would be, never quite there.
    check_lossy(&bench, &source, 1.0, -40.0, 0.0, |path| {
        let said = sounds::run("opusinfo", &[text(path)]);
        assert!(!said.contains("WARNING") && !said.contains("ERROR"), "{said}");
    });
}

#[test]
fn ogg_flac() {
    let bench = Bench::new(48_000, 2, 16, 192_000);
    let source = bench.flac("a.oga", &["--ogg", "-5"]);
    for (from, to) in RANGES {
        let (cut, path) = cut(&bench, &source, from, to);
        let start = true_start(&cut, from, to, 0.5);
        assert_quiet("flac", &["-s", "-t", "--ogg", text(&path)]);
        assert!(decoded(&path) == bench.samples[start * 2..(start + cut.frames as usize) * 2], "{from} to {to}");
    }
}

#[test]
fn a_range_without_sound_is_refused() {
    let bench = Bench::new(48_000, 2, 16, 48_000);
    for path in [bench.source.clone(), bench.flac("a.flac", &["-5"]), bench.tool("a.ogg", "oggenc", &["-Q", "-o"])] {
        let (file, extension) = (std::fs::read(&path).expect("read"), path.extension().and_then(|e| e.to_str()).expect("one"));
        for (from, to) in [(2.0, 3.0), (0.5, 0.5), (0.5, 0.4), (f64::NAN, 1.0), (0.0, f64::NAN)] {
            let got = plan(&file, extension, from, to).map(|cut| (cut.from_s, cut.to_s)).map_err(|e| e.to_string());
            assert_eq!(got, Err("not supported: there is no sound in this range".into()), "{}", path.display());
        }
    }
}

/// Cut anywhere while it grows, it is served as a whole file of the length so far.
#[test]
fn growing_files_look_whole() {
    let bench = Bench::new(48_000, 2, 16, 100_000);
    let mut wav = std::fs::read(&bench.source).expect("read");
    let data = wav.windows(4).position(|w| w == b"data").expect("data") + 8;
    wav[4..8].fill(0);
    wav[data - 4..data].fill(0);
    let mut flac = std::fs::read(bench.flac("a.flac", &["-5"])).expect("read");
    flac[21] &= 0xF0;
    flac[22..42].fill(0);
    let ogg = std::fs::read(bench.tool("a.ogg", "oggenc", &["-Q", "-o"])).expect("read");
    for (extension, file) in [("wav", wav), ("flac", flac), ("ogg", ogg)] {
        for cut in [file.len() / 3, file.len() / 2 + 1, file.len() - 1, file.len()] {
            let growing = growing(&&file[..cut], extension).expect("a recording");
            let mut served = file[..growing.len as usize].to_vec();
            served[..growing.head.len()].copy_from_slice(&growing.head);
            let path = bench.write(&format!("served.{extension}"), &served);
            match extension {
                "flac" => assert_quiet("flac", &["-s", "-t", text(&path)]),
                "wav" => drop(sounds::run("sndfile-info", &[text(&path)])),
                _ => drop(sounds::run("oggdec", &["-Q", "-o", text(&bench.path("decoded.wav")), text(&path)])),
            }
            if let Some(frames) = growing.frames {
                assert!(decoded(&path) == bench.samples[..2 * frames as usize], "{extension} at {cut}");
                assert!(frames > 0 && (frames == 100_000) == (cut == file.len()), "{frames} frames at {cut}");
            }
        }
    }
}

/// The commands: a file that is there stays as it is, and every failure is one line.
#[test]
fn command_line() {
    let bench = Bench::new(48_000, 2, 16, 192_000);
    let source = bench.flac("a.flac", &["-5"]);
    let (piece, clip) = (bench.path("piece.flac"), bench.path("clip.wav"));
    let soundpost = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_soundpost")).args(arguments).output().expect("it starts");
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stdout).into_owned(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    };
    let (source, piece, clip) = (text(&source), text(&piece), text(&clip));
    let (code, said, _) = soundpost(&["cut", source, "--from", "1", "--to", "0:02.5", "-o", piece]);
    assert!(code == Some(0) && said.starts_with(&format!("{piece}: 0:00.939 to 0:02.560, ")), "{said}");
    assert_quiet("flac", &["-s", "-t", piece]);
    let (code, said, _) = soundpost(&["clip", source, "--from", "1.5", "-o", clip]);
    assert_eq!((code, said), (Some(0), format!("{clip}: 0:01.500 to 0:04.000, 48000 Hz, 480044 bytes\n")));
    let read: Vec<i32> = hound::WavReader::open(clip).expect("a WAV").into_samples().map(|s| s.expect("read")).collect();
    assert!(read == bench.samples[2 * 72_000..]);
    let nothing = text(&bench.path("nothing.mp3")).to_owned();
    let there = std::fs::read(piece).expect("read");
    for (arguments, code, want) in [
        (&["cut", source, "-o", piece][..], 1, format!("{piece}: is there already, and is not overwritten\n")),
        (
            &["cut", source, "--from", "9", "-o", &nothing],
            1,
            format!("{source}: not supported: there is no sound in this range\n"),
        ),
        (&["clip", &nothing, "-o", "x.wav"], 1, format!("{nothing}: cannot be read: No such file or directory (os error 2)\n")),
        (&["cut", source, "--from", "2", "--to", "1", "-o", &nothing], 2, "--to must be later than --from\n".into()),
        (
            &["cut", source, "--from", "1:77", "-o", &nothing],
            2,
            "'1:77' is no time: seconds, m:ss or h:mm:ss, with fractions\n".into(),
        ),
    ] {
        assert_eq!(soundpost(arguments), (Some(code), String::new(), want));
    }
    assert_eq!(std::fs::read(piece).expect("read"), there);
    assert!(!Path::new(&nothing).exists());
}
