//! Spoilt configurations, WAVs, FLACs, sidecars, and whatever servers send: never a panic, never much memory, whatever repair
//! keeps can be decoded, and what must hold for any bytes does (`rules`).
//!
//! Each loop has a core of rounds that are the same on every machine, and goes on with new ones until its time is over. Each
//! round has a seed of its own, which a failure shows; `SOUNDPOST_SEED=… cargo test --test mutation` runs that round alone.

mod format_files;
mod rules;

use std::io::Cursor;
use std::time::{Duration, Instant, SystemTime};

use format_files::{Dice, flac, identity, shape, sound, wav};
use rules::Left;
use soundpost::config::{self, Config, Environment};
use soundpost::format::crc::crc16;
use soundpost::format::mend::{Mend, mend};
use soundpost::format::pcm_reader::PcmReader;
use soundpost::format::sidecar::{SCHEMA, Sidecar};
use soundpost::format::stream::Framing;
use soundpost::format::{Md5, flac as ours, wav as our_wav};
use soundpost::message::{Container, Depth};

/// Rounds that every run has, with the same seeds …
const ROUNDS: u64 = 60_000;
/// … (each of a configuration takes most of a millisecond) …
const INI_ROUNDS: u64 = 10_000;
/// … (one of a stream, which is cut and mended several times, still longer) …
const STREAM_ROUNDS: u64 = 3_000;
/// … (and one of a recording, which is decoded, cut and clipped, longest) …
const RECORDING_ROUNDS: u64 = 1_000;
/// … and how long new ones follow, for each of the loops.
const LOOP_TIME: Duration = Duration::from_secs(20);
/// Growth of the whole process over all rounds; the threads of all tests run at the same time.
const MEMORY_KB: u64 = 64 << 10;

/// Runs the core and then more until the time is over; each round gets dice of its own, and says what was left.
fn rounds(name: &str, core: u64, round: impl Fn(&mut Dice) -> Left + std::panic::RefUnwindSafe) {
    let one = |seed: u64| {
        // The first numbers of neighbouring seeds are alike otherwise.
        let dice = || Dice(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed >> 7);
        std::panic::catch_unwind(|| round(&mut dice())).unwrap_or_else(|_| panic!("{name}: SOUNDPOST_SEED={seed} shows it again"))
    };
    if let Some(seed) = std::env::var_os("SOUNDPOST_SEED") {
        let seed = seed.to_str().and_then(|s| s.parse().ok()).expect("SOUNDPOST_SEED is a number");
        one(seed);
        return;
    }
    let (began, before) = (Instant::now(), peak_kb());
    let new = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos() as u64 | 1 << 40;
    let (mut count, mut hits, mut chances) = (0, 0, 0);
    while count < core || began.elapsed() < LOOP_TIME {
        let seed = if count < core { count } else { new.wrapping_add(count) };
        match one(seed) {
            Left::Nothing => {}
            Left::Whole => hits += 1,
            Left::Chance => chances += 1,
        }
        count += 1;
    }
    println!(
        "{name}: {count} rounds in {:.1} s, {hits} of them with something whole in it, {chances} right by chance",
        began.elapsed().as_secs_f64()
    );
    // The kernel's count is not exact: it may even have fallen a little.
    assert!(peak_kb().saturating_sub(before) < MEMORY_KB, "{name}: {before} kB grew to {} kB", peak_kb());
    assert!(chances <= 3 + 4 * count / 65_536, "{name}: {chances} of {count} had a right checksum and could not be decoded");
    assert!(hits > count / 40, "{name}: only {hits} of {count} were whole: the mutations are too wild to show anything");
}

/// Recordings of ours and of others.
fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let mut seeds = files_in(folder);
    for (channels, depth) in [(1, Depth::Sixteen), (3, Depth::TwentyFour)] {
        let who = identity(8_000, channels, depth);
        let pcm = sound(shape(&who), 700);
        if folder.ends_with("wav") {
            seeds.push(wav(&who, &pcm));
        } else {
            let file = flac(&who, &pcm, &["-5", "-b", "128"], 3);
            seeds.extend([file.growing, file.closed]);
        }
    }
    seeds
}

fn mutate(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut file = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(4) {
        // Most structure stands at the start.
        let range = if dice.below(2) == 0 { file.len().min(64) } else { file.len() };
        if file.is_empty() {
            break;
        }
        let at = dice.below(range);
        match dice.below(7) {
            0 => file[at] ^= 1 << dice.below(8),
            1 => file[at] = dice.roll() as u8,
            2 => file[at] = [0, 0x7F, 0x80, 0xFF][dice.below(4)],
            3 => file.truncate(at),
            4 => drop(file.drain(at..(at + dice.below(40)).min(file.len()))),
            5 => {
                let end = (at + 4).min(file.len());
                file[at..end].fill([0, 0xFF][dice.below(2)]);
            }
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len());
                let piece = other[from..(from + dice.below(300)).min(other.len())].to_vec();
                file.splice(at..at, piece);
            }
        }
    }
    file
}

/// Reads it in every way there is. How each ends does not matter; that they end does.
fn read_all(file: &[u8]) {
    let _ = ours::parse(&file);
    let _ = our_wav::parse(&file);
    let _ = our_wav::verify(&file);
    let _ = ours::verify(file);
    let Ok(mut reader) = PcmReader::open(Cursor::new(file)) else { return };
    let mut piece = vec![0; 4_096];
    let mut frames = 0;
    while let Ok(n @ 1..) = reader.read_frames(&mut piece) {
        frames += n;
        assert!(n * reader.format().frame_bytes() <= piece.len());
    }
    assert!(frames <= file.len() * 70_000, "more frames than a file of {} bytes can hold", file.len());
}

/// What repair keeps is whole, and repairing it again changes nothing.
fn mend_and_decode(container: Container, file: &[u8]) -> Left {
    let Mend::Keep(kept) = mend(container, &file).expect("a slice can be read") else { return Left::Nothing };
    assert!(kept.keep_bytes <= file.len() as u64 && kept.sure_frames <= kept.frames && kept.frames > 0);
    let mut out = file[..kept.keep_bytes as usize].to_vec();
    for (at, bytes) in &kept.patches {
        let end = *at as usize + bytes.len();
        assert!(end <= out.len() + 1, "only a pad byte may lie behind the end");
        out.resize(out.len().max(end), 0);
        out[*at as usize..end].copy_from_slice(bytes);
    }
    let verified = match container {
        Container::Wav => our_wav::verify(&out),
        Container::Flac => ours::verify(out.as_slice()),
        other => panic!("{other:?} is not captured"),
    };
    let verified = match verified {
        Ok(verified) => verified,
        Err(_) if container == Container::Flac => return Left::Chance,
        Err(e) => panic!("mended, but {e}"),
    };
    assert_eq!(verified.frames, kept.frames);
    // Where the header had to be changed the MD5 is gone, unless its very bytes were spoilt.
    assert!(verified.md5 != Md5::Mismatch || file[26..42] == out[26..42]);
    match mend(container, &out).expect("a slice can be read") {
        Mend::Keep(again) => assert_eq!((again.patches, again.keep_bytes), (vec![], out.len() as u64)),
        other => panic!("mending again: {other:?}"),
    }
    Left::Whole
}

fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

fn check(container: Container, folder: &str) {
    let seeds = seeds(folder);
    rounds(folder, ROUNDS, |dice| {
        let file = mutate(dice, &seeds);
        read_all(&file);
        mend_and_decode(container, &file)
    });
}

fn files_in(folder: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("the corpus").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("read")).collect()
}

#[test]
fn spoilt_wavs() {
    check(Container::Wav, "tests/data/wav");
}

#[test]
fn spoilt_flacs() {
    check(Container::Flac, "tests/data/flac");
}

#[test]
fn spoilt_configurations() {
    let mut seeds = files_in("tests/data/ini");
    seeds.push(std::fs::read("board/root/boot/firmware/soundpost.ini").expect("the example"));
    let environment: Environment = [("USER", "u"), ("SOUNDPOST_MIC_IN_DEVICE", "x")].into_iter().collect();
    rounds("ini", INI_ROUNDS, |dice| {
        let text = if dice.below(2) == 0 { mutate(dice, &seeds) } else { shuffle_lines(dice, &seeds) };
        let parsed = Config::parse(&text, "m.ini", &environment);
        let listing = config::check::text(&parsed);
        let sources = parsed.config.sources.len();
        assert!(sources > 0 || parsed.has_errors(), "no source and no error");
        assert!(parsed.problems.iter().all(|p| !p.to_string().contains(char::is_control)), "a problem is one line");
        assert!(listing.len() < 4 << 20);
        if let Ok(text) = std::str::from_utf8(&text).map(|text| text.replace(config::mask::MASK, "")) {
            assert_eq!(config::mask::unmasked(&config::mask::masked(&text), &text).as_ref(), Ok(&text));
        }
        if sources > 0 { Left::Whole } else { Left::Nothing }
    });
}

/// A few lines repeated, removed, moved or taken from elsewhere.
fn shuffle_lines(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = seeds[dice.below(seeds.len())].split_inclusive(|&b| b == b'\n').collect();
    let other: Vec<&[u8]> = seeds[dice.below(seeds.len())].split_inclusive(|&b| b == b'\n').collect();
    for _ in 0..=dice.below(6) {
        let (from, to) = (dice.below(lines.len()), dice.below(lines.len()));
        match dice.below(4) {
            0 if !lines.is_empty() => lines.insert(to, lines[from]),
            1 if !lines.is_empty() => drop(lines.remove(from)),
            2 if !lines.is_empty() => lines.swap(from, to),
            _ => lines.insert(to, other[dice.below(other.len())]),
        }
    }
    lines.concat()
}

/// What is read as ours is written and read again as the same; nobody else's file is taken for ours.
#[test]
fn spoilt_sidecars() {
    let seeds = files_in("tests/data/sidecar");
    rounds("sidecar", ROUNDS, |dice| {
        let text = if dice.below(2) == 0 { shuffle_lines(dice, &seeds) } else { mutate(dice, &seeds) };
        let Ok(sidecar) = Sidecar::read(&text) else { return Left::Nothing };
        assert_eq!(sidecar.schema, SCHEMA);
        let written = sidecar.write();
        assert_eq!(Sidecar::read(&written).map(|again| again.write()), Ok(written), "read again");
        Left::Whole
    });
}

/// Bytes of one kind, and what must hold for them.
type Rule = (&'static str, fn(&[u8]) -> Left);

/// One of these kinds a round, spoilt.
fn check_rules(name: &str, core: u64, rules: &[Rule]) {
    let seeds: Vec<_> = rules.iter().map(|(folder, rule)| (files_in(&format!("tests/data/{folder}")), rule)).collect();
    // As they are first: some are what was found before.
    seeds.iter().for_each(|(seeds, rule)| seeds.iter().for_each(|seed| _ = rule(seed)));
    rounds(name, core, |dice| {
        let (seeds, rule) = &seeds[dice.below(seeds.len())];
        rule(&mutate(dice, seeds))
    });
}

#[test]
fn spoilt_streams() {
    check_rules(
        "streams",
        STREAM_ROUNDS,
        &[
            ("ogg", |bytes| rules::stream(Framing::Ogg, bytes)),
            ("ogg", |bytes| rules::stream(Framing::Ogg, &rules::ogg_with_right_checksums(bytes))),
            ("mp3", |bytes| rules::stream(Framing::Mp3, bytes)),
            ("adts", |bytes| rules::stream(Framing::Adts, bytes)),
            ("flac_stream", |bytes| rules::stream(Framing::Flac, bytes)),
            ("sniff", rules::sniff),
        ],
    );
}

#[test]
fn spoilt_recordings() {
    check_rules(
        "recordings",
        RECORDING_ROUNDS,
        &[
            ("wav", |bytes| rules::recording(bytes, "wav")),
            ("flac", |bytes| rules::recording(bytes, "flac")),
            ("mp3", |bytes| rules::recording(bytes, "mp3")),
            ("adts", |bytes| rules::recording(bytes, "aac")),
            ("ogg", |bytes| rules::recording(bytes, "ogg")),
            ("ogg", |bytes| rules::recording(&rules::ogg_with_right_checksums(bytes), "ogg")),
        ],
    );
}

#[test]
fn spoilt_containers() {
    check_rules("containers", ROUNDS, &[("mpegts", rules::mpegts), ("fmp4", rules::fmp4), ("id3", rules::id3)]);
}

#[test]
fn spoilt_profiles() {
    check_rules(
        "profiles",
        ROUNDS,
        &[("profile", rules::profile), ("profile", |bytes| rules::profile(&rules::profile_with_right_checksum(bytes)))],
    );
}

#[test]
fn spoilt_texts() {
    check_rules(
        "texts",
        ROUNDS,
        &[
            ("icy", rules::icy),
            ("playlist", rules::playlist),
            ("clock_reference", rules::clock_reference),
            ("hls", rules::hls),
            ("http", rules::http),
            ("xml", rules::xml),
        ],
    );
}

/// Spoilt coded frames with checksums that hold: what reaches the decoder then, nothing else ever sees.
#[test]
fn forged_checksums() {
    let who = identity(8_000, 2, Depth::Sixteen);
    let file = flac(&who, &sound(shape(&who), 5_000), &["-8", "-b", "512"], 1);
    let mut dice = Dice(0xF06);
    for _ in 0..5_000 {
        let at = dice.below(file.ends.len());
        let start = if at == 0 { file.header_bytes } else { file.ends[at - 1].0 };
        let mut coded = file.growing[start..file.ends[at].0 - 2].to_vec();
        for _ in 0..=dice.below(3) {
            let range = if dice.below(2) == 0 { 60.min(coded.len()) } else { coded.len() };
            let place = dice.below(range.saturating_sub(7)) + 7;
            if place >= coded.len() {
                continue;
            }
            coded[place] = dice.roll() as u8;
        }
        coded.extend_from_slice(&crc16(0, &coded).to_be_bytes());
        let forged = [&file.growing[..start], &coded].concat();
        read_all(&forged);
        read_all(&[&forged, &file.growing[file.ends[at].0..]].concat());
        let _ = mend(Container::Flac, &forged).expect("a slice can be read");
    }
}
