//! Ogg streams made by real encoders, cut by framer and writer in many ways: real decoders and checkers have nothing to say
//! against any part, and lossless sound comes out as it went in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use soundpost::format::Md5;
use soundpost::format::mend::Mend;
use soundpost::format::stream::{Framer, Framing, Skipped, Step, Unit, Writer, ogg};
use soundpost::message::{Cause, ClockState, Closing, Codec, Format, Identity};
use soundpost::time::{Rate, Wall};

/// One codec as an encoder makes it: with these arguments of ffmpeg, or by another program.
struct Kind {
    codec: Codec,
    extension: &'static str,
    arguments: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind { codec: Codec::Vorbis, extension: "ogg", arguments: &["-c:a", "libvorbis", "-q:a", "4"] },
    Kind { codec: Codec::Opus, extension: "opus", arguments: &["-c:a", "libopus", "-b:a", "96k"] },
    Kind { codec: Codec::Opus, extension: "opus", arguments: &["-c:a", "libopus", "-b:a", "32k", "-page_duration", "60000"] },
    Kind { codec: Codec::OggFlac, extension: "ogg", arguments: &["-c:a", "flac", "-f", "ogg"] },
    Kind { codec: Codec::Vorbis, extension: "ogg", arguments: &["-c:a", "libvorbis", "-q:a", "9", "-page_duration", "20000"] },
    // Other programs let packets go on from page to page.
    Kind { codec: Codec::Vorbis, extension: "ogg", arguments: &["oggenc", "-Q", "-q", "8", "-t", "all", "-o"] },
    Kind { codec: Codec::Opus, extension: "opus", arguments: &["opusenc", "--quiet", "--bitrate", "400", "--framesize", "60"] },
    Kind { codec: Codec::OggFlac, extension: "ogg", arguments: &["flac", "-s", "-f", "--ogg", "-o"] },
];

fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

fn made(program: &str, arguments: &[&str]) {
    let (fine, text) = run(program, arguments);
    assert!(fine, "{program} {arguments:?}: {text}");
}

fn name(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Sound that never repeats, stereo, 16 bits.
fn encode(folder: &Path, kind: &Kind, seconds: u32, rate: u32, seed: u32) -> PathBuf {
    let path = folder.join(format!("whole-{seed}-{rate}.{}", kind.extension));
    let source = format!("anoisesrc=r={rate}:d={seconds}:c=pink:a=0.3:seed={seed}");
    let chirp = format!("aevalsrc=0.3*sin(200*t*t)|0.3*sin(300*t*t):d={seconds}:s={rate}");
    let mix = ["-filter_complex", "[0][1]amix=2,aformat=s16:channel_layouts=stereo"];
    let serial = (1_000 + seed).to_string();
    let input = ["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-f", "lavfi", "-i", &chirp];
    let end = ["-metadata", "title=all of it", "-serial_offset", &serial, name(&path)];
    if kind.arguments[0].starts_with('-') {
        made("ffmpeg", &[&input[..], &mix, kind.arguments, &end].concat());
        return path;
    }
    let wav = folder.join("whole.wav");
    made("ffmpeg", &[&input[..], &mix, &["-bitexact", name(&wav)]].concat());
    let files = if kind.codec == Codec::Opus { [name(&wav), name(&path)] } else { [name(&path), name(&wav)] };
    made(kind.arguments[0], &[&kind.arguments[1..], &files].concat());
    path
}

/// One file that a cut made.
struct Part {
    bytes: Vec<u8>,
    frames: u64,
    format: Format,
    entry: bool,
}

struct Cut {
    parts: Vec<Part>,
    garbage: usize,
    tags: usize,
    headers: usize,
}

fn identity(format: Format) -> Identity {
    Identity {
        source: "station".into(),
        session: "s".into(),
        first_frame: 0,
        start: Wall(0),
        utc_offset_s: 0,
        clock: ClockState::Synced,
        format,
    }
}

fn closing(frames: u64) -> Closing {
    Closing::new(Cause::Split, frames, ClockState::Synced)
}

/// Cuts at the first entry after every `frames` and at every link; feeds pieces of `piece` bytes.
fn cut(stream: &[u8], frames: u64, piece: usize) -> Cut {
    cut_or_chain(stream, frames, piece, false)
}

/// `chain`: only where the format changes, not at every link.
fn cut_or_chain(stream: &[u8], frames: u64, piece: usize, chain: bool) -> Cut {
    let mut framer = Framer::new(Framing::Ogg);
    let mut result = Cut { parts: Vec::new(), garbage: 0, tags: 0, headers: 0 };
    let mut open: Option<(Writer, Part)> = None;
    let (mut from, mut to) = (0, 0);
    while from < stream.len() {
        let shown = &stream[from..to];
        match framer.step(shown, to == stream.len()) {
            Step::More => {
                assert!(shown.len() < framer.window_bytes() && to < stream.len(), "more of {}", shown.len());
                to = (to + piece).min(stream.len());
            }
            Step::Skip { bytes, what } => {
                assert!((1..=shown.len()).contains(&bytes));
                *(if what == Skipped::Tag { &mut result.tags } else { &mut result.garbage }) += bytes;
                from += bytes;
            }
            Step::Headers { bytes } => {
                result.headers += 1;
                from += bytes;
            }
            Step::Unit(unit) => {
                let limit = if unit.new_link && !chain { 0 } else { frames };
                take(&framer, &unit, &shown[..unit.bytes], limit, &mut open, &mut result.parts);
                from += unit.bytes;
            }
        }
    }
    if let Some((writer, part)) = open {
        result.parts.push(finish(writer, part));
    }
    result
}

fn take(framer: &Framer, unit: &Unit, bytes: &[u8], frames: u64, open: &mut Option<(Writer, Part)>, parts: &mut Vec<Part>) {
    let format = framer.format().expect("known with the first unit");
    let ends = |part: &Part| part.format != format || part.frames >= frames && (unit.entry || frames == 0);
    if open.as_ref().is_some_and(|(_, part)| ends(part)) {
        let (writer, part) = open.take().expect("there");
        parts.push(finish(writer, part));
    }
    let (writer, part) = open.get_or_insert_with(|| {
        let mut bytes = Vec::new();
        let writer = Writer::begin(framer, unit, &identity(format), &mut |b| bytes.extend_from_slice(b));
        (writer, Part { bytes, frames: 0, format, entry: unit.entry })
    });
    writer.unit(framer, unit, bytes, &mut |b| part.bytes.extend_from_slice(b));
    part.frames += u64::from(unit.frames);
}

fn finish(writer: Writer, mut part: Part) -> Part {
    for (at, patch) in writer.end(&closing(part.frames)) {
        let at = at as usize;
        part.bytes[at..at + patch.len()].copy_from_slice(&patch);
    }
    part
}

/// What every checker says to a part; the seconds that ffprobe finds in it.
fn check_part(part: &Part, folder: &Path) -> f64 {
    check_links(part, folder, 1)
}

fn check_links(part: &Part, folder: &Path, links: usize) -> f64 {
    let codec = part.format.codec().expect("coded");
    let path = folder.join(if codec == Codec::Opus { "part.opus" } else { "part.ogg" });
    fs::write(&path, &part.bytes).expect("written");
    let path = name(&path);
    let (fine, text) = run("ffmpeg", &["-v", "error", "-i", path, "-f", "null", "-"]);
    // It complains about every file with two links, those of the encoders themselves included.
    assert!(fine && (text.is_empty() || links > 1), "ffmpeg: {text}");
    let (fine, text) = run("ogginfo", &[path]);
    let troubled = |text: &str| ["warning", "error", "hole", "corrupt"].iter().any(|w| text.to_lowercase().contains(w));
    assert!(fine && !troubled(&text), "ogginfo: {text}");
    match codec {
        Codec::Opus => {
            let (fine, text) = run("opusinfo", &[path]);
            assert!(fine && !troubled(&text), "opusinfo: {text}");
            let (fine, text) = run("opusdec", &["--quiet", path, name(&folder.join("part.wav"))]);
            assert!(fine && text.is_empty(), "opusdec: {text}");
        }
        Codec::OggFlac => {
            let (fine, text) = run("flac", &["-s", "-t", "--ogg", path]);
            assert!(fine && text.lines().all(|l| l.is_empty() || l.contains("MD5")), "flac: {text}");
        }
        _ => {
            let (fine, text) = run("oggdec", &["-Q", "-o", name(&folder.join("part.wav")), path]);
            assert!(fine && text.is_empty(), "oggdec: {text}");
        }
    }
    let checked = ogg::verify(&part.bytes[..]).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(checked.md5, Md5::Absent);
    let short = part.frames - checked.frames;
    let priming = match codec {
        Codec::Vorbis => 4_096,
        Codec::Opus => 120,
        _ => 0,
    };
    assert!(short <= priming, "{short} frames fewer in the file than in the stream");
    if links > 1 {
        return f64::NAN; // ffprobe finds no duration
    }
    let entries = ["-v", "error", "-show_entries", "stream=start_time:format=duration", "-of", "csv=p=0", path];
    let (_, text) = run("ffprobe", &entries);
    let mut numbers = text.lines().filter_map(|l| l.trim_end_matches(',').parse::<f64>().ok());
    let (start, duration) = (numbers.next().expect("start"), numbers.next().expect("duration"));
    assert!(start.abs() < 0.1, "starts at {start}");
    duration
}

fn seconds(part: &Part) -> f64 {
    part.frames as f64 / f64::from(part.format.rate.hz())
}

fn decoded(path: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg").args(["-v", "error", "-i", name(path), "-f", "s16le", "-"]).output().expect("ffmpeg");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn decoded_bytes(bytes: &[u8], folder: &Path) -> Vec<u8> {
    let path = folder.join("decode.ogg");
    fs::write(&path, bytes).expect("written");
    decoded(&path)
}

/// Offsets of the pages.
fn pages(stream: &[u8]) -> Vec<usize> {
    let mut at = 0;
    let mut found = Vec::new();
    while at < stream.len() {
        assert!(stream[at..].starts_with(b"OggS"));
        found.push(at);
        let segments = usize::from(stream[at + 26]);
        at += 27 + segments + stream[at + 27..at + 27 + segments].iter().map(|&b| usize::from(b)).sum::<usize>();
    }
    found
}

/// Header pages: those before the first with a position.
fn first_sound(stream: &[u8]) -> usize {
    let starts = pages(stream);
    *starts.iter().skip(1).find(|&&at| stream[at + 6..at + 14] != [0; 8] && stream[at + 6..at + 14] != [255; 8]).expect("sound")
}

#[test]
fn every_part_is_a_file_of_its_own_and_together_they_are_the_whole() {
    let place = tempfile::tempdir().expect("a folder");
    for kind in KINDS {
        let path = encode(place.path(), kind, 7, 48_000, 1);
        let stream = fs::read(&path).expect("made");
        for frames in [48_000_u64, 2 * 48_000] {
            let cut = cut(&stream, frames, 4_096);
            assert_eq!((cut.garbage, cut.tags), (0, 0));
            assert!(cut.parts.len() >= 3 && cut.parts.iter().all(|part| part.entry));
            let told: f64 = cut.parts.iter().map(seconds).sum();
            assert!((told - 7.0).abs() < 0.001, "{:?}: {told} s", kind.codec);
            for part in &cut.parts {
                let played = check_part(part, place.path());
                assert!((played - seconds(part)).abs() < 0.05, "{:?}: told {}, plays {played}", kind.codec, seconds(part));
            }
            if kind.codec == Codec::OggFlac {
                let parts: Vec<u8> = cut.parts.iter().flat_map(|part| decoded_bytes(&part.bytes, place.path())).collect();
                assert!(parts == decoded(&path), "other samples");
            }
        }
    }
}

/// As Icecast serves it: header pages, then pages from anywhere.
#[test]
fn a_stream_joined_in_its_middle_begins_at_its_first_whole_packet() {
    let place = tempfile::tempdir().expect("a folder");
    for kind in KINDS {
        let stream = fs::read(encode(place.path(), kind, 5, 44_100, 2)).expect("made");
        let (head, starts) = (first_sound(&stream), pages(&stream));
        let sound = starts.iter().position(|&at| at == head).expect("a page");
        for skipped in [1, 2, (starts.len() - sound) / 2] {
            let joined = [&stream[..head], &stream[starts[sound + skipped]..]].concat();
            let cut = cut(&joined, 2 * 48_000, 1_000);
            assert_eq!((cut.garbage, cut.tags), (0, 0));
            for part in &cut.parts {
                let played = check_part(part, place.path());
                assert!((played - seconds(part)).abs() < 0.2, "{:?}: told {}, plays {played}", kind.codec, seconds(part));
            }
        }
    }
}

/// Two links in one file, and a link that ends without its last page.
#[test]
fn chains_are_followed_in_one_file_while_the_format_stays() {
    let place = tempfile::tempdir().expect("a folder");
    for kind in KINDS.iter().filter(|kind| kind.codec != Codec::OggFlac) {
        let one = fs::read(encode(place.path(), kind, 5, 48_000, 3)).expect("made");
        let two = fs::read(encode(place.path(), kind, 4, 48_000, 4)).expect("made");
        // opusdec remarks on other rates before encoding, which are no matter of the stream.
        let other_rate = if kind.codec == Codec::Opus { 48_000 } else { 24_000 };
        let three = fs::read(encode(place.path(), kind, 3, other_rate, 5)).expect("made");
        let last = *pages(&one).last().expect("pages");
        let rates = if kind.codec == Codec::Opus { 1 } else { 2 };
        for (first, second) in [(&one[..], &two), (&one[..last], &two), (&one[..last], &one)] {
            let chain = [first, second, &three].concat();
            let cut = cut_or_chain(&chain, u64::MAX, 4_096, true);
            assert_eq!((cut.garbage, cut.tags, cut.parts.len()), (0, 0, rates));
            for part in &cut.parts {
                let links = part.bytes.windows(6).filter(|b| *b == b"OggS\0\x02").count();
                let ends = part.bytes.windows(6).filter(|b| b.starts_with(b"OggS\0") && b[5] & 4 != 0).count();
                assert_eq!(links, ends);
                check_links(part, place.path(), links);
            }
            // And with a file for every link, nobody has anything to say.
            let cut = self::cut(&chain, u64::MAX, 4_096);
            assert_eq!(cut.parts.len(), 3);
            for part in &cut.parts {
                let played = check_part(part, place.path());
                assert!((played - seconds(part)).abs() < 0.05, "{:?}: told {}, plays {played}", kind.codec, seconds(part));
            }
        }
    }
}

/// More links that do not end themselves than there are patches.
#[test]
fn a_long_chain_has_an_end_for_every_link() {
    let place = tempfile::tempdir().expect("a folder");
    for kind in &KINDS[..2] {
        let one = fs::read(encode(place.path(), kind, 3, 48_000, 10)).expect("made");
        let unended = &one[..*pages(&one).last().expect("pages")];
        let cut = cut_or_chain(&[unended; 7].concat(), u64::MAX, 4_096, true);
        assert_eq!(cut.parts.len(), 1);
        let verified = ogg::verify(&cut.parts[0].bytes[..]).expect("whole");
        assert_eq!(verified.frames, cut.parts[0].frames);
        let path = place.path().join("chain");
        fs::write(&path, &cut.parts[0].bytes).expect("written");
        let wav = place.path().join("chain.wav");
        match kind.codec {
            Codec::Opus => made("opusdec", &["--quiet", name(&path), name(&wav)]),
            _ => made("oggdec", &["-Q", "-o", name(&wav), name(&path)]),
        }
    }
}

/// FLAC in a chain: flac(1) reads its first link only, so the exactness is shown link by link.
#[test]
fn a_chain_of_flac_decodes_exactly() {
    let place = tempfile::tempdir().expect("a folder");
    let kind = &KINDS[3];
    let (one, two) = (encode(place.path(), kind, 5, 48_000, 3), encode(place.path(), kind, 4, 48_000, 4));
    let chain = [fs::read(&one).expect("made"), fs::read(&two).expect("made")].concat();
    let parts = cut(&chain, 2 * 48_000, 4_096).parts;
    let got: u64 = parts.iter().map(|part| part.frames).sum();
    assert_eq!(got, 9 * 48_000);
    for part in &parts {
        check_part(part, place.path());
    }
    let sound: Vec<u8> = parts.iter().flat_map(|part| decoded_bytes(&part.bytes, place.path())).collect();
    assert!(sound == [decoded(&one), decoded(&two)].concat(), "other samples");
}

#[test]
fn garbage_costs_no_good_page_and_a_lost_page_harms_no_other() {
    let place = tempfile::tempdir().expect("a folder");
    for kind in KINDS {
        let stream = fs::read(encode(place.path(), kind, 8, 48_000, 6)).expect("made");
        let starts = pages(&stream);
        let (early, late) = (starts[starts.len() / 2], starts[starts.len() / 2 + 1]);
        let junk = [&b"<html>OggS\0\0\0\0OggS OggOggS\0\x04"[..], &[0xFF; 3_000], b"Ogg"].concat();
        let with_junk = [&junk, &stream[..early], &junk, &stream[early..], &junk].concat();
        let whole = cut(&with_junk, u64::MAX, 777);
        let clean = cut(&stream, u64::MAX, 777);
        assert_eq!((whole.garbage, whole.parts.len()), (3 * junk.len(), 1));
        assert!(whole.parts[0].bytes == clean.parts[0].bytes, "{:?}: another file", kind.codec);
        for lost in [[&stream[..early], &stream[late..]].concat(), [&stream[..early + 50], &stream[late..]].concat()] {
            let cut = cut(&lost, u64::MAX, 4_096);
            assert!(cut.garbage <= 50);
            for part in &cut.parts {
                check_part(part, place.path());
            }
        }
    }
}

#[test]
fn a_second_stream_beside_the_first_is_passed_over() {
    let place = tempfile::tempdir().expect("a folder");
    let (one, two) = (place.path().join("one.ogg"), place.path().join("two.ogg"));
    let sine = |hz: u32| format!("sine=frequency={hz}:duration=5:sample_rate=48000");
    let (a, b) = (sine(300), sine(500));
    let inputs = ["-v", "error", "-y", "-f", "lavfi", "-i", &a, "-f", "lavfi", "-i", &b];
    made("ffmpeg", &[&inputs[..], &["-map", "0", "-map", "1", "-c:a:0", "libopus", "-c:a:1", "libvorbis", name(&one)]].concat());
    made("ffmpeg", &["-v", "error", "-y", "-i", name(&one), "-map", "0:0", "-c", "copy", name(&two)]);
    let cut = cut(&fs::read(&one).expect("made"), 48_000, 4_096);
    assert_eq!(cut.garbage, 0);
    assert!(cut.tags > 1_000);
    let told: f64 = cut.parts.iter().map(seconds).sum();
    assert!((told - 5.0).abs() < 0.01, "{told}");
    for part in &cut.parts {
        assert_eq!(part.format, Format::coded(Codec::Opus, Rate::new(48_000).expect("a rate"), 1));
        check_part(part, place.path());
    }
}

#[test]
fn pieces_of_any_size_give_the_same_files() {
    let place = tempfile::tempdir().expect("a folder");
    for kind in KINDS {
        let stream = fs::read(encode(place.path(), kind, 2, 48_000, 7)).expect("made");
        let middle = pages(&stream)[3];
        let stream = [b"OggOgg", &stream[..middle], b"OggS\0\0garbage", &stream[middle..], b"OggS"].concat();
        let want = cut(&stream, 24_000, stream.len());
        for piece in [1, 7, 4_096] {
            let got = cut(&stream, 24_000, piece);
            assert_eq!((got.garbage, got.tags, got.headers), (want.garbage, want.tags, want.headers));
            assert_eq!(got.parts.len(), want.parts.len());
            assert!(got.parts.iter().zip(&want.parts).all(|(a, b)| a.bytes == b.bytes && a.frames == b.frames));
        }
    }
}

/// Cut off anywhere, mended, mended again, played.
#[test]
fn a_torn_file_is_mended_to_its_last_whole_page() {
    let place = tempfile::tempdir().expect("a folder");
    for kind in KINDS {
        let stream = fs::read(encode(place.path(), kind, 4, 48_000, 8)).expect("made");
        let whole = cut(&stream, u64::MAX, 4_096).parts.remove(0).bytes;
        assert!(matches!(ogg::mend(&whole).expect("read"), Mend::Keep(kept) if kept.complete && !kept.sound_behind));
        assert_eq!(ogg::mend(&whole[..first_sound(&whole) + 90].to_vec()).expect("read"), Mend::Empty);
        assert_eq!(ogg::mend(&vec![0; 300_000]).expect("read"), Mend::Empty);
        assert!(matches!(ogg::mend(&b"RIFF".to_vec()).expect("read"), Mend::Foreign(_)));
        let starts = pages(&whole);
        for end in [whole.len() - 1, whole.len() * 2 / 3, starts[starts.len() - 2], starts[starts.len() / 2] + 20] {
            for behind in [&b""[..], &[0; 5_000]] {
                let mut torn = [&whole[..end], behind].concat();
                let Mend::Keep(kept) = ogg::mend(&torn).expect("read") else { panic!("{:?} cut at {end}", kind.codec) };
                assert_eq!(kept.keep_bytes as usize, *starts.iter().rfind(|&&at| at <= end).expect("a page"));
                assert!(!kept.complete && !kept.sound_behind && kept.patches.len() == 1);
                torn.truncate(kept.keep_bytes as usize);
                for (at, patch) in &kept.patches {
                    torn[*at as usize..*at as usize + patch.len()].copy_from_slice(patch);
                }
                let Mend::Keep(again) = ogg::mend(&torn).expect("read") else { panic!("mended, but not kept") };
                assert!(again.complete && again.patches.is_empty());
                assert_eq!((again.keep_bytes, again.frames), (kept.keep_bytes, kept.frames));
                assert_eq!(ogg::verify(&torn[..]).expect("whole").frames, kept.frames);
                let format = Format::coded(kind.codec, Rate::new(48_000).expect("a rate"), 2);
                check_part(&Part { bytes: torn, frames: kept.frames, format, entry: true }, place.path());
            }
        }
        // Damage in the middle, with good pages behind it.
        let mut spoilt = whole.clone();
        spoilt[starts[starts.len() / 2] + 100] ^= 1;
        assert!(ogg::verify(&spoilt[..]).is_err());
        assert!(matches!(ogg::mend(&spoilt).expect("read"), Mend::Keep(kept) if kept.sound_behind));
        spoilt[40] ^= 1;
        assert!(matches!(ogg::mend(&spoilt).expect("read"), Mend::Foreign(_)));
    }
}

/// Bits turned over, pieces cut out, doubled or moved, checksums sometimes made right again: no panic, every byte passed once,
/// and what comes out is Ogg that can be mended.
#[test]
fn spoilt_streams_never_panic() {
    let place = tempfile::tempdir().expect("a folder");
    let seeds: Vec<Vec<u8>> =
        KINDS.iter().map(|kind| fs::read(encode(place.path(), kind, 1, 48_000, 9)).expect("made")).collect();
    for round in 0..20_000_u64 {
        let mut x = (round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut dice = |n: usize| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 11) as usize % n.max(1)
        };
        let seed = &seeds[dice(seeds.len())];
        let starts = pages(seed);
        let mut stream: Vec<u8> = Vec::new();
        for n in 0..starts.len().min(8) {
            let end = starts.get(n + 1).copied().unwrap_or(seed.len());
            let mut page = seed[starts[n]..end].to_vec();
            match dice(12) {
                0 => drop(page.drain(..)),
                1 => page.truncate(dice(page.len())),
                2..=4 => {
                    // A field that matters, or any byte, with a right checksum.
                    let at = if dice(2) == 0 { 4 + dice(60) } else { dice(page.len()) }.min(page.len() - 1);
                    page[at] = dice(256) as u8;
                    reseal(&mut page);
                }
                5 => page = [&page[..], &page].concat(),
                6 => {
                    let at = dice(page.len());
                    page[at] ^= 1 << dice(8);
                }
                _ => {}
            }
            stream.extend_from_slice(&page);
        }
        let cut = cut(&stream, 4_800 * dice(10) as u64, 1 + dice(9_000));
        for part in &cut.parts {
            let _verified = ogg::verify(&part.bytes[..]);
            let _mended = ogg::mend(&part.bytes).expect("read");
        }
    }
}

fn reseal(page: &mut [u8]) {
    if page.len() >= 27 {
        page[22..26].fill(0);
        let crc = soundpost::format::crc::crc32(0, page);
        page[22..26].copy_from_slice(&crc.to_le_bytes());
    }
}
