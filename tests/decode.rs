//! Recordings of every kind to samples, against what the codecs' own programs and FFmpeg make of them: to the bit where the
//! codec is lossless, within a bound of loudness where it is not. Wherever one jumps, the samples are those of reading on.

mod sounds;

use std::path::Path;

use soundpost::format::decode::{Decoder, Info, open};
use soundpost::message::Container;
use sounds::{Bench, Reference, ffmpeg_pcm, rms_db};

fn decoder(path: &Path) -> Decoder {
    let bytes = std::fs::read(path).expect("read");
    let extension = path.extension().and_then(|e| e.to_str()).expect("an extension");
    open(Box::new(bytes), extension).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All samples, read in pieces of odd sizes.
fn all(decoder: &mut Decoder) -> Vec<i32> {
    let channels = usize::from(decoder.info().channels);
    let (mut samples, mut piece) = (Vec::new(), vec![0; 777 * channels]);
    loop {
        let frames = decoder.read(&mut piece).expect("readable");
        if frames == 0 {
            return samples;
        }
        samples.extend_from_slice(&piece[..frames * channels]);
    }
}

/// Jumps to many places, forwards and backwards, and compares with what was read straight on. `exact`: to the bit; else the
/// difference must lie so many dB below full scale.
fn check_seeks(path: &Path, samples: &[i32], exact: Option<f64>) {
    let mut decoder = decoder(path);
    let info = decoder.info();
    let channels = usize::from(info.channels);
    let frames = samples.len() / channels;
    let mut piece = vec![0; 2_000 * channels];
    for step in 0..23 {
        let at = (frames * ((step * 7) % 23) / 22).min(frames);
        let at = if step % 3 == 0 { at.saturating_sub(step) } else { at };
        decoder.seek(at as u64).expect("a place");
        assert_eq!(decoder.position(), at as u64);
        let mut got = 0;
        while got < 2_000 {
            match decoder.read(&mut piece[got * channels..]).expect("readable") {
                0 => break,
                n => got += n,
            }
        }
        let want = &samples[at * channels..(at + got) * channels];
        assert_eq!(got, 2_000.min(frames - at), "{}: frames from {at} of {frames}", path.display());
        match exact {
            None => assert!(piece[..got * channels] == *want, "{}: other samples from {at}", path.display()),
            Some(bound) if got > 0 => {
                let db = rms_db(&piece[..got * channels], want, info.bits);
                assert!(db < bound, "{}: {db:.1} dB from {at}", path.display());
            }
            Some(_) => {}
        }
    }
}

/// Decodes all of it: the shape, and how it compares with FFmpeg's decoding. Returns the samples.
fn check(path: &Path, want: (u32, u8, u8, Container), bound: Option<f64>) -> Vec<i32> {
    check_against(path, want, bound, &ffmpeg_pcm(path, want.2))
}

fn check_against(path: &Path, want: (u32, u8, u8, Container), bound: Option<f64>, reference: &Reference) -> Vec<i32> {
    let mut decoder = decoder(path);
    let info = decoder.info();
    let shape = Info { rate_hz: want.0, channels: want.1, bits: want.2, frames: info.frames, container: want.3 };
    assert_eq!(info, shape, "{}", path.display());
    let samples = all(&mut decoder);
    let frames = (samples.len() / usize::from(info.channels)) as u64;
    assert_eq!((decoder.skipped(), decoder.position()), (0, frames), "{}", path.display());
    assert!(info.frames.is_none_or(|told| told == frames), "{}: {:?} told, {frames} read", path.display(), info.frames);
    assert_eq!(decoder.measure().expect("measured"), frames, "{}", path.display());
    let reference = &reference.samples;
    assert_eq!(samples.len(), reference.len(), "{}: length", path.display());
    match bound {
        None => assert!(samples == *reference, "{}: not to the bit", path.display()),
        Some(bound) => {
            let db = rms_db(&samples, reference, info.bits);
            println!("{}: {db:.1} dB", path.display());
            assert!(db < bound, "{}: {db:.1} dB from FFmpeg's", path.display());
        }
    }
    samples
}

#[test]
fn wav_of_every_width() {
    let bench = Bench::new(48_000, 2, 24, 30_011);
    for (codec, bits) in
        [("pcm_u8", 8), ("pcm_s16le", 16), ("pcm_s24le", 24), ("pcm_s32le", 24), ("pcm_f32le", 24), ("pcm_f64le", 24)]
    {
        let path = bench.ffmpeg(&format!("{codec}.wav"), &["-c:a", codec]);
        // FFmpeg rounds 32 bits and floats to 24 as it likes: one step of difference.
        let exact = if codec == "pcm_f32le" || codec == "pcm_f64le" { Some(-130.0) } else { None };
        let samples = check(&path, (48_000, 2, bits, Container::Wav), exact);
        check_seeks(&path, &samples, None);
    }
    for channels in [1, 3, 6, 8] {
        let bench = Bench::new(96_000, channels, 16, 5_000);
        check(&bench.source, (96_000, channels, 16, Container::Wav), None);
    }
}

#[test]
fn wav_whose_header_was_never_finished() {
    let bench = Bench::new(44_100, 2, 16, 9_000);
    let file = std::fs::read(&bench.source).expect("read");
    let data = file.windows(4).position(|w| w == b"data").expect("data");
    for size in [0, u32::MAX] {
        let mut growing = file.clone();
        growing[4..8].copy_from_slice(&size.to_le_bytes());
        growing[data + 4..data + 8].copy_from_slice(&size.to_le_bytes());
        let path = bench.write("growing.wav", &growing);
        assert_eq!(all(&mut decoder(&path)), bench.samples);
        let path = bench.write("torn.wav", &growing[..growing.len() - 3]);
        assert_eq!(all(&mut decoder(&path)), bench.samples[..bench.samples.len() - 2]);
    }
}

#[test]
fn flac_of_every_shape() {
    for (rate, channels, bits) in [(44_100, 2, 16), (96_000, 1, 24), (48_000, 6, 16), (192_000, 2, 24), (8_000, 8, 8)] {
        let bench = Bench::new(rate, channels, bits, 100_003);
        for options in [&["-5"][..], &["-0", "-b", "1000"], &["-8", "--no-seektable"], &["-5", "-S", "1s"]] {
            let path = bench.flac("a.flac", options);
            assert_eq!(check(&path, (rate, channels, bits, Container::Flac), None), bench.samples);
            check_seeks(&path, &bench.samples, None);
        }
    }
}

#[test]
fn flac_behind_a_tag_and_without_a_length() {
    let bench = Bench::new(48_000, 2, 16, 60_000);
    let file = std::fs::read(bench.flac("a.flac", &["-5"])).expect("read");
    let tagged = [&b"ID3\x04\0\0\0\0\x01\0"[..], &[0; 128], &file].concat();
    let path = bench.write("tagged.flac", &tagged);
    assert_eq!(all(&mut decoder(&path)), bench.samples);
    check_seeks(&path, &bench.samples, None);
    let mut growing = file.clone();
    growing[21] &= 0xF0;
    growing[22..42].fill(0);
    let path = bench.write("growing.flac", &growing[..growing.len() - 100]);
    let mut decoder = decoder(&path);
    // All but the last coded frame, which is torn.
    let whole = 60_000 / 4_096 * 4_096;
    assert_eq!(decoder.info().frames, Some(whole as u64));
    assert_eq!(all(&mut decoder), bench.samples[..whole * 2]);
}

/// What is destroyed sounds as silence in its place, and everything behind it stands where it stood.
#[test]
fn damage_moves_nothing() {
    let bench = Bench::new(48_000, 2, 16, 96_000);
    let flac = bench.flac("a.flac", &["-5"]);
    let mut file = std::fs::read(&flac).expect("read");
    let middle = file.len() / 2;
    file[middle..middle + 9_000].fill(0x55);
    let path = bench.write("spoilt.flac", &file);
    let mut decoder = decoder(&path);
    let samples = all(&mut decoder);
    assert_eq!(samples.len(), bench.samples.len());
    let wrong: Vec<usize> = (0..96_000).filter(|&f| samples[2 * f..2 * f + 2] != bench.samples[2 * f..2 * f + 2]).collect();
    let (first, last) = (wrong[0], wrong[wrong.len() - 1]);
    assert!(decoder.skipped() % 4_096 == 0 && (4_096..=5 * 4_096).contains(&decoder.skipped()), "{}", decoder.skipped());
    assert!(last - first < decoder.skipped() as usize && samples[2 * first..2 * last].iter().all(|&s| s == 0));
    check_seeks(&path, &samples, None);
}

#[test]
fn mp3_of_many_kinds() {
    let bench = Bench::new(44_100, 2, 16, 100_000);
    for (name, options) in [
        ("cbr.mp3", &["-b:a", "128k"][..]),
        ("vbr.mp3", &["-q:a", "4"]),
        ("plain.mp3", &["-b:a", "96k", "-write_xing", "0", "-id3v2_version", "0"]),
        ("mono.mp3", &["-b:a", "64k", "-ac", "1"]),
        ("low.mp3", &["-b:a", "24k", "-ar", "16000"]),
        ("lowest.mp3", &["-b:a", "8k", "-ar", "8000", "-ac", "1"]),
    ] {
        let path = bench.ffmpeg(name, &[&["-c:a", "libmp3lame"], options].concat());
        let channels = if options.contains(&"-ac") { 1 } else { 2 };
        let rate = [("16000", 16_000), ("8000", 8_000)].iter().find(|(text, _)| options.contains(text)).map_or(44_100, |r| r.1);
        let samples = check(&path, (rate, channels, 24, Container::Mp3), Some(-90.0));
        check_seeks(&path, &samples, None);
    }
}

#[test]
fn aac() {
    for (rate, channels) in [(44_100, 2), (48_000, 1), (22_050, 2)] {
        let bench = Bench::new(rate, channels, 16, 100_000);
        let path = bench.ffmpeg("a.aac", &["-c:a", "aac", "-b:a", "96k", "-aac_pns", "0"]);
        let samples = check(&path, (rate, channels, 24, Container::Aac), Some(-90.0));
        check_seeks(&path, &samples, None);
    }
}

#[test]
fn vorbis() {
    for (rate, channels, quality) in [(44_100, 2, "3"), (48_000, 1, "-1"), (96_000, 2, "8")] {
        let bench = Bench::new(rate, channels, 16, 100_001);
        let path = bench.tool("a.ogg", "oggenc", &["-Q", "-q", quality, "-o"]);
        let samples = check(&path, (rate, channels, 24, Container::Ogg), Some(-90.0));
        check_seeks(&path, &samples, None);
    }
}

#[test]
fn opus() {
    for (channels, options) in
        [(2, &["--bitrate", "96"][..]), (1, &["--bitrate", "16", "--framesize", "60"]), (2, &["--framesize", "2.5"])]
    {
        let bench = Bench::new(48_000, channels, 16, 100_001);
        let path = bench.tool_to("a.opus", "opusenc", &[&["--quiet", "--padding", "0"], options].concat());
        // FFmpeg's own decoder makes something else of speech at low rates: libopus is the standard.
        let decoded = bench.path("decoded.wav");
        sounds::run("opusdec", &["--quiet", "--float", sounds::text(&path), sounds::text(&decoded)]);
        let reference = ffmpeg_pcm(&decoded, 24);
        let samples = check_against(&path, (48_000, channels, 24, Container::Opus), Some(-100.0), &reference);
        assert_eq!(samples.len(), 100_001 * usize::from(channels));
        check_seeks(&path, &samples, Some(-60.0));
    }
}

#[test]
fn ogg_flac() {
    for (rate, channels, bits) in [(44_100, 2, 16), (48_000, 1, 24)] {
        let bench = Bench::new(rate, channels, bits, 100_003);
        let path = bench.flac("a.oga", &["--ogg", "-5"]);
        assert_eq!(check(&path, (rate, channels, bits, Container::Ogg), None), bench.samples);
        check_seeks(&path, &bench.samples, None);
    }
}

/// Streams one after the other are one recording.
#[test]
fn chains() {
    let bench = Bench::new(48_000, 2, 16, 100_003);
    for (name, tool, options) in [("a.oga", "flac", &["--ogg", "-5", "--serial-number"][..]), ("a.ogg", "oggenc", &["-Q", "-s"])]
    {
        let part = |serial: &str| {
            let out = bench.path(serial).with_extension(name.rsplit('.').next().expect("an extension"));
            let (out, source) = (out.to_str().expect("plain"), bench.source.to_str().expect("plain"));
            let arguments = [options, &[serial, "-o", out, source]].concat();
            let arguments = if tool == "flac" { [&["-s", "-f"][..], &arguments].concat() } else { arguments };
            sounds::run(tool, &arguments);
            std::fs::read(out).expect("read")
        };
        let (one, two) = (part("11"), part("22"));
        let single = all(&mut decoder(&bench.write(name, &one)));
        let path = bench.write(name, &[one, two].concat());
        let mut chained = decoder(&path);
        assert_eq!(chained.info().frames, None);
        let samples = all(&mut chained);
        assert_eq!(samples, [&single[..], &single].concat(), "{name}");
        assert_eq!(chained.measure().expect("measured"), samples.len() as u64 / 2);
        check_seeks(&path, &samples, None);
    }
}

#[test]
fn what_is_no_recording_says_so_in_one_line() {
    for (bytes, extension, want) in [
        (&b""[..], "wav", "damaged: it is empty"),
        (b"<!DOCTYPE html><html>", "mp3", "not supported: it is a web page"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "wav", "damaged: it ends before its samples begin"),
        (&[0x81; 5_000], "ogg", "not supported: it is no format that is known here"),
        (b"fLaC", "flac", "damaged: it ends before its samples begin"),
    ] {
        let got = open(Box::new(bytes.to_vec()), extension).err().map(|e| e.to_string());
        assert_eq!(got.as_deref(), Some(want));
    }
}
