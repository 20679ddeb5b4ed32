//! Our WAV and FLAC files before the programs that people open them with, and before power cuts.

mod format_files;

use std::io::Cursor;
use std::path::Path;

use format_files::{Dice, FlacFile, flac, identity, run, shape, sound, text, wav};
use soundpost::format::mend::{Kept, Mend, mend};
use soundpost::format::pcm_reader::PcmReader;
use soundpost::format::{Md5, ReadAt, Verified, flac as ours, wav as our_wav};
use soundpost::message::{Container, Depth, Identity};

const SHAPES: [(u32, u8, Depth, usize, &[&str]); 11] = [
    (8_000, 1, Depth::Sixteen, 25_000, &["-0"]),
    (8_000, 1, Depth::Sixteen, 1, &["-5"]),
    (44_100, 2, Depth::Sixteen, 30_001, &["-5"]),
    (48_000, 2, Depth::Sixteen, 20_000, &["-8", "-b", "256"]),
    (48_000, 2, Depth::TwentyFour, 8_192, &["-3", "-b", "4096"]),
    (96_000, 3, Depth::TwentyFour, 9_999, &["-1", "-b", "1152"]),
    (192_000, 2, Depth::TwentyFour, 40_000, &["-8", "-b", "16384"]),
    (48_000, 8, Depth::Sixteen, 10_007, &["-5", "-b", "1000"]),
    (48_000, 8, Depth::TwentyFour, 10_007, &["-5", "-b", "4608"]),
    (384_000, 1, Depth::Sixteen, 30_000, &["-5", "-b", "65535"]),
    (11_025, 5, Depth::Sixteen, 7_000, &["-6", "-b", "192"]),
];

fn in_file(name: &str, bytes: &[u8], check: impl Fn(&str)) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    check(text(&path));
}

/// All frames, read in pieces of an odd size.
fn replay(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut reader = PcmReader::open(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let (mut out, mut piece) = (Vec::new(), vec![0; 7_919]);
    loop {
        match reader.read_frames(&mut piece).map_err(|e| e.to_string())? {
            0 => return Ok(out),
            frames => out.extend_from_slice(&piece[..frames * reader.format().frame_bytes()]),
        }
    }
}

#[test]
fn flac_files_pass_the_reference_decoder_and_claxon() {
    for (hz, channels, depth, frames, options) in SHAPES {
        let who = identity(hz, channels, depth);
        let pcm = sound(shape(&who), frames);
        let file = flac(&who, &pcm, options, 4);
        let whole = Ok(Verified { frames: frames as u64, md5: Md5::Match });
        assert_eq!(ours::verify(file.closed.as_slice()).map_err(|e| e.to_string()), whole, "{options:?}");
        assert_eq!(replay(&file.closed).as_ref(), Ok(&pcm), "{options:?}");
        assert_eq!(replay(&file.growing).as_ref(), Ok(&pcm), "{options:?}");
        in_file("a.flac", &file.closed, |path| drop(run("flac", &["--silent", "--warnings-as-errors", "-t", path])));
        in_file("a.flac", &file.growing, |path| drop(run("flac", &["--silent", "-t", path])));
        assert_eq!(ours::parse(&file.closed).map(|head| head.identity).ok(), Some(Some(who)));
    }
}

#[test]
fn metaflac_shows_table_and_comments() {
    let who = identity(8_000, 1, Depth::Sixteen);
    let file = flac(&who, &sound(shape(&who), 250_000), &["-0", "-b", "4096"], 5);
    in_file("a.flac", &file.closed, |path| {
        let list = run("metaflac", &["--list", path]);
        for line in [
            "type: 3 (SEEKTABLE)",
            "seek points: 5",
            "point 0: sample_number=0, stream_offset=0, frame_samples=4096",
            "point 1: sample_number=77824,",
            "point 3: sample_number=237568,",
            "point 4: PLACEHOLDER",
            "total samples: 250000",
            "comment[0]: ENCODER=soundpost ",
            "SOURCE=wood north",
            "SESSION=20241225T130000Z-1a2b",
            "FIRST_FRAME=172800123",
            "START=2024-12-25T14:00:00.250000Z",
            "DATE=2024-12-25T15:00:00.250000+01:00",
            "CLOCK=synced",
            "SITE=Hut 4",
            "LOC_POSITION=47.500000 -122.250000",
            "vendor string: soundpost ",
        ] {
            assert!(list.contains(line), "{line} is not in {list}");
        }
        // Seeking lands on the sample: what the table points at is true.
        let cut = run(
            "flac",
            &["--silent", "-d", "-c", "--force-raw-format", "--endian=little", "--sign=signed", "--skip=240000", path],
        );
        assert!(!cut.is_empty());
    });
    in_file("a.flac", &file.growing, |path| assert!(run("metaflac", &["--list", path]).contains("type: 1 (PADDING)")));
}

#[test]
fn other_programs_take_our_wavs() {
    for channels in 1..=8 {
        for depth in [Depth::Sixteen, Depth::TwentyFour] {
            let who = identity(48_000, channels, depth);
            let pcm = sound(shape(&who), 2_001);
            let file = wav(&who, &pcm);
            assert_eq!(our_wav::verify(&file).map(|v| v.frames).map_err(|e| e.to_string()), Ok(2_001));
            assert_eq!(replay(&file).as_ref(), Ok(&pcm));
            in_file("a.wav", &file, |path| others_agree(path, &who, &pcm));
        }
    }
}

fn others_agree(path: &str, who: &Identity, pcm: &[u8]) {
    let (channels, bits) = (shape(who).channels, shape(who).depth.bits());
    let info = run("sndfile-info", &[path]);
    for line in ["Frames      : 2001", &format!("Channels    : {channels}\n"), "Sample Rate : 48000"] {
        assert!(info.contains(line), "{line} is not in {info}");
    }
    assert!(!info.contains("Error"), "{info}");
    let probe = run("ffprobe", &["-v", "warning", "-show_streams", "-show_format", path]);
    // 15:00:00.25 at 48 kHz, counted from local midnight.
    for line in [
        &format!("codec_name=pcm_s{bits}le"),
        &format!("channels={channels}\n"),
        "duration_ts=2001",
        "TAG:time_reference=2592012000",
        "TAG:date=2024-12-25",
        "TAG:creation_time=15:00:00",
        "TAG:encoded_by=soundpost ",
        "TAG:originator_reference=20241225T130000Z-1a2b",
    ] {
        assert!(probe.contains(line), "{line} is not in {probe}");
    }
    for (option, want) in [("-c", channels.to_string()), ("-b", bits.to_string()), ("-s", "2001".into()), ("-r", "48000".into())]
    {
        assert_eq!(run("soxi", &[option, path]).trim(), want, "soxi {option}");
    }
    run("aplay", &["-q", "-D", "null", path]); // ALSA's own walk over the chunks; no sound card is asked
    let mut reader = hound::WavReader::open(Path::new(path)).expect("hound takes it");
    let samples: Vec<u8> = reader
        .samples::<i32>()
        .flat_map(|s| s.expect("a sample").to_le_bytes().into_iter().take(shape(who).depth.bytes()))
        .collect();
    assert!(samples == pcm, "hound reads other samples");
}

/// What the store would do.
fn apply(file: &[u8], kept: &Kept) -> Vec<u8> {
    let mut out = file[..(kept.keep_bytes as usize).min(file.len())].to_vec();
    for (at, bytes) in &kept.patches {
        let end = *at as usize + bytes.len();
        out.resize(out.len().max(end), 0);
        out[*at as usize..end].copy_from_slice(bytes);
    }
    out
}

/// Mends, checks what every mended file must be, and gives it back with what was kept.
fn mended(container: Container, file: &[u8]) -> Option<(Vec<u8>, Kept)> {
    let kept = match mend(container, &file).expect("a slice can be read") {
        Mend::Keep(kept) => kept,
        Mend::Empty => return None,
        Mend::Foreign(why) => panic!("{why}"),
    };
    let out = apply(file, &kept);
    let verified = match container {
        Container::Wav => our_wav::verify(&out),
        Container::Flac => ours::verify(out.as_slice()),
        other => panic!("{other:?} is not captured"),
    };
    let verified = verified.unwrap_or_else(|e| panic!("a mended file is {e}"));
    assert_eq!(verified.frames, kept.frames);
    assert_ne!(verified.md5, Md5::Mismatch);
    match mend(container, &out).expect("a slice can be read") {
        Mend::Keep(again) => assert_eq!((again.patches, again.keep_bytes, again.frames), (vec![], out.len() as u64, kept.frames)),
        other => panic!("mending again: {other:?}"),
    }
    Some((out, kept))
}

fn check_flac_cut(file: &FlacFile, pcm: &[u8], who: &Identity, cut: usize) -> Option<Vec<u8>> {
    let want = file.ends.iter().rev().find(|&&(end, _)| end <= cut).copied();
    let got = mended(Container::Flac, &file.growing[..cut]);
    assert_eq!(got.as_ref().map(|(_, kept)| (kept.keep_bytes as usize, kept.frames)), want, "cut at {cut}");
    let (out, kept) = got?;
    assert_eq!((kept.identity.as_ref(), kept.complete, kept.sure_frames), (Some(who), false, kept.frames));
    assert_eq!(out[file.header_bytes..], file.growing[file.header_bytes..out.len()], "no good byte is touched");
    assert!(replay(&out).expect("readable") == pcm[..kept.frames as usize * shape(who).frame_bytes()]);
    Some(out)
}

#[test]
fn a_small_flac_cut_at_every_byte_keeps_every_whole_coded_frame() {
    for (channels, depth, options) in [(2, Depth::Sixteen, &["-5", "-b", "64"]), (1, Depth::TwentyFour, &["-0", "-b", "192"])] {
        let who = identity(8_000, channels, depth);
        let pcm = sound(shape(&who), 1_111);
        let file = flac(&who, &pcm, options, 2);
        for cut in 0..=file.growing.len() {
            check_flac_cut(&file, &pcm, &who, cut);
        }
    }
}

#[test]
fn larger_flacs_cut_anywhere_pass_the_reference_decoder() {
    let mut dice = Dice(1);
    for (hz, channels, depth, frames, options) in SHAPES {
        let who = identity(hz, channels, depth);
        let pcm = sound(shape(&who), frames);
        let file = flac(&who, &pcm, options, 4);
        for round in 0..12 {
            let cut = file.header_bytes + dice.below(file.growing.len() - file.header_bytes);
            let Some(out) = check_flac_cut(&file, &pcm, &who, cut) else { continue };
            if round < 2 {
                in_file("a.flac", &out, |path| drop(run("flac", &["--silent", "-t", path])));
            }
        }
    }
}

/// Counts what is asked for.
struct Watched<'a> {
    bytes: &'a [u8],
    read: std::cell::Cell<u64>,
    largest: std::cell::Cell<usize>,
}

impl ReadAt for Watched<'_> {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.largest.set(self.largest.get().max(buf.len()));
        // A disk may give less than was asked for.
        let n = buf.len().min(100_003);
        let done = ReadAt::read_at(self.bytes, at, &mut buf[..n])?;
        self.read.set(self.read.get() + done as u64);
        Ok(done)
    }
}

#[test]
fn a_long_file_is_read_once_through_a_small_window() {
    let who = identity(48_000, 2, Depth::Sixteen);
    let pcm = sound(shape(&who), 48_000 * 45);
    let file = flac(&who, &pcm, &["-2"], 10);
    let cut = file.growing.len() - 5;
    let watched = Watched { bytes: &file.growing[..cut], read: 0.into(), largest: 0.into() };
    let Mend::Keep(kept) = mend(Container::Flac, &watched).expect("a slice") else { panic!("there is sound") };
    assert_eq!(kept.frames, file.ends[file.ends.len() - 2].1);
    assert!(cut > 4 << 20 && watched.largest.get() < 2 << 20, "{cut} bytes, {} at a time", watched.largest.get());
    assert!(watched.read.get() < cut as u64 + 100_000, "{} of {cut} bytes", watched.read.get());
}

/// Behind the cut the disk may hold zeros, old data, or a piece of the file itself.
#[test]
fn rubbish_behind_the_last_whole_coded_frame_is_cut_off() {
    let who = identity(8_000, 2, Depth::Sixteen);
    let pcm = sound(shape(&who), 4_000);
    let file = flac(&who, &pcm, &["-5", "-b", "256"], 2);
    let mut dice = Dice(2);
    for _ in 0..200 {
        let cut = file.ends[0].0 + dice.below(file.growing.len() - file.ends[0].0);
        let mut spoilt = file.growing[..cut].to_vec();
        let length = dice.below(5_000);
        match dice.below(3) {
            0 => spoilt.resize(cut + length, 0),
            1 => spoilt.extend((0..length).map(|_| dice.roll() as u8)),
            _ => spoilt.extend_from_slice(&file.growing[file.header_bytes..][..length.min(2_000)]),
        }
        let (_, kept) = mended(Container::Flac, &spoilt).expect("at least one coded frame");
        let want = file.ends.iter().rev().find(|&&(end, _)| end <= cut).map(|&(_, frames)| frames);
        // By chance the rubbish may be the very bytes that were cut off.
        assert!(Some(kept.frames) >= want && kept.frames <= 4_000, "cut at {cut}");
    }
}

/// While a file is closed its header is written anew, and each of its sectors may be the old or the new one.
#[test]
fn closing_cut_short_between_any_sectors_is_completed() {
    let who = identity(8_000, 1, Depth::Sixteen);
    let file = flac(&who, &sound(shape(&who), 250_000), &["-0"], 120);
    let sectors = file.header_bytes.div_ceil(512);
    assert!(sectors >= 5);
    for mix in 0..1_usize << sectors {
        let mut torn = file.growing.clone();
        for sector in (0..sectors).filter(|s| mix >> s & 1 == 1) {
            let bytes = sector * 512..((sector + 1) * 512).min(file.header_bytes);
            torn[bytes.clone()].copy_from_slice(&file.closed[bytes]);
        }
        let (out, kept) = mended(Container::Flac, &torn).expect("there is sound");
        let mut want = file.closed.clone();
        if mix & 1 == 0 {
            want[26..42].fill(0); // the MD5 was in the first sector and is not known any more
        }
        assert!(out == want, "sectors {mix:b}");
        assert_eq!(kept.complete, torn == file.closed);
    }
}

#[test]
fn a_wav_cut_at_every_byte_keeps_every_whole_frame() {
    for (channels, depth, synced) in [(1, Depth::Sixteen, 0), (3, Depth::TwentyFour, 7), (1, Depth::TwentyFour, 9)] {
        let who = identity(8_000, channels, depth);
        let (pcm, frame_bytes) = (sound(shape(&who), 50), shape(&who).frame_bytes());
        let mut growing = our_wav::header(&who, &format_files::station());
        let header_bytes = growing.len();
        growing.extend_from_slice(&pcm);
        for (at, size) in our_wav::size_patches(header_bytes as u32, (header_bytes + synced * frame_bytes) as u64, frame_bytes) {
            growing[at as usize..][..4].copy_from_slice(&size);
        }
        for cut in 0..=growing.len() {
            let want = cut.saturating_sub(header_bytes) / frame_bytes;
            let got = mended(Container::Wav, &growing[..cut]);
            assert_eq!(got.as_ref().map_or(0, |(_, kept)| kept.frames), want as u64, "cut at {cut}");
            let Some((out, kept)) = got else { continue };
            assert_eq!((kept.identity.as_ref(), kept.sure_frames), (Some(&who), synced.min(want) as u64));
            assert!(out[header_bytes..].starts_with(&pcm[..want * frame_bytes]));
            assert!(out == wav(&who, &pcm[..want * frame_bytes]), "as if it had been closed there");
        }
    }
}

#[test]
fn what_is_not_ours_or_destroyed_is_left_alone() {
    let check = |container, file: &[u8], want: &str| {
        assert_eq!(format!("{:?}", mend(container, &file).expect("a slice")), want);
    };
    let who = identity(8_000, 1, Depth::Sixteen);
    let pcm = sound(shape(&who), 9_000);
    let good = flac(&who, &pcm, &["-0", "-b", "512"], 3);
    let spoil = |file: &[u8], at: usize, byte: u8| {
        let mut spoilt = file.to_vec();
        spoilt[at] = byte;
        spoilt
    };
    check(Container::Flac, b"", "Empty");
    check(Container::Flac, &[0; 9_000], "Empty");
    check(Container::Flac, &good.growing[..good.header_bytes], "Empty");
    check(Container::Flac, &spoil(&good.growing, 0, b'g'), r#"Foreign("its header is destroyed")"#);
    check(Container::Flac, &spoil(&good.growing, 43, 0xFF), r#"Foreign("its header is destroyed")"#); // length of the comments
    check(Container::Flac, &spoil(&good.growing, good.header_bytes + 9, 1), r#"Foreign("its first coded frame is damaged")"#);
    check(Container::Flac, &spoil(&good.growing, 50, b'S'), r#"Foreign("it was not written by soundpost")"#); // vendor
    check(Container::Wav, &good.growing, r#"Foreign("its header is destroyed")"#);
    let closed = wav(&who, &pcm);
    check(Container::Wav, b"", "Empty");
    check(Container::Wav, &[0; 9_000], "Empty");
    check(Container::Wav, &spoil(&closed, 18, 0xFF), r#"Foreign("its header is destroyed")"#); // size of bext
    check(Container::Wav, &spoil(&closed, 17, 0x9F), r#"Foreign("its header is destroyed")"#);
    let plain =
        [b"RIFF\x2C\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1F\0\0\x80\x3E\0\0\x02\0\x10\0data\x08\0\0\0".as_slice(), &[1; 8]]
            .concat();
    check(Container::Wav, &plain, r#"Foreign("it was not written by soundpost")"#);
}

/// One bad coded frame ends what can be kept as it is; that good ones follow is said, a torn end is not mistaken for them.
#[test]
fn sound_behind_damage_is_told() {
    let who = identity(8_000, 2, Depth::Sixteen);
    let file = flac(&who, &sound(shape(&who), 9_000), &["-5", "-b", "512"], 3);
    let check = |spoil: &dyn Fn(&mut Vec<u8>), frames: u64, sound_behind: bool| {
        let mut spoilt = file.growing.clone();
        spoil(&mut spoilt);
        let (_, kept) = mended(Container::Flac, &spoilt).expect("there is sound");
        assert_eq!((kept.frames, kept.sound_behind), (frames, sound_behind));
    };
    let third = file.ends[2].0;
    check(&|f| f[third + 40] ^= 1, 3 * 512, true);
    check(&|f| f[third..third + 900].fill(0), 3 * 512, true);
    check(&|f| f.truncate(third + 40), 3 * 512, false);
    check(&|f| f[third..].fill(0), 3 * 512, false);
    check(&|f| f.copy_within(file.header_bytes..third, third), 3 * 512, true);
    check(&|f| drop(f.splice(third.., file.growing[file.header_bytes..third].to_vec())), 3 * 512, false);
    check(&|_| (), 9_000, false);
}

/// Files of other programs (sines and noise by `sox synth`, written by sox, ffmpeg and flac): every width that PcmReader
/// promises, against what ffmpeg makes of them.
#[test]
fn foreign_files_replay_as_ffmpeg_reads_them() {
    for folder in ["tests/data/wav", "tests/data/flac"] {
        let mut paths: Vec<_> = std::fs::read_dir(folder).expect("the corpus").map(|e| e.expect("an entry").path()).collect();
        paths.sort();
        assert!(paths.len() >= 5, "{folder}");
        for path in paths {
            let bytes = std::fs::read(&path).expect("read");
            let depth = PcmReader::open(Cursor::new(&bytes)).expect("readable").format().depth;
            let codec = format!("s{}le", depth.bits());
            let dir = tempfile::tempdir().expect("a folder");
            let raw = dir.path().join("raw");
            run("ffmpeg", &["-v", "error", "-i", text(&path), "-f", &codec, "-c:a", &format!("pcm_{codec}"), text(&raw)]);
            let want = std::fs::read(&raw).expect("read");
            let got = replay(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert_eq!(got.len(), want.len(), "{}", path.display());
            // Floats are rounded here and cut off there: one step of 24 bits at most.
            let tolerance = i64::from(path.ends_with("f32.wav"));
            let near = got.chunks_exact(depth.bytes()).zip(want.chunks_exact(depth.bytes()));
            let off = near.map(|(a, b)| (number(a) - number(b)).abs()).max();
            assert!(off <= Some(tolerance), "{} reads differently: {off:?}", path.display());
        }
    }
}

/// Two's complement of any width.
fn number(bytes: &[u8]) -> i64 {
    let unsigned = bytes.iter().rev().fold(0, |n, &b| n << 8 | i64::from(b));
    let full = 1 << (8 * bytes.len());
    if unsigned >= full / 2 { unsigned - full } else { unsigned }
}

#[test]
fn damage_is_told_and_not_played() {
    let who = identity(8_000, 2, Depth::Sixteen);
    let pcm = sound(shape(&who), 9_000);
    let file = flac(&who, &pcm, &["-5", "-b", "512"], 3).closed;
    let check = |at: usize, want: &str| {
        let mut spoilt = file.clone();
        spoilt[at] ^= 1;
        let told = ours::verify(spoilt.as_slice()).map(|v| format!("{:?}", v.md5)).unwrap_or_else(|e| e.to_string());
        assert_eq!(told, want);
    };
    check(30, "Mismatch");
    check(25, "damaged: its length is not the one in its header after 9000 good frames");
    check(file.len() - 3, "damaged: frame CRC mismatch after 8704 good frames");
    let short = ours::verify(&file[..file.len() - 9]).map_err(|e| e.to_string());
    assert_eq!(short, Err("damaged: it ends inside a coded frame after 8704 good frames".into()));
    assert_eq!(replay(&file[..file.len() - 9]), Err("damaged: it ends inside a coded frame".into()));
}
