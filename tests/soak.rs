//! A thousand million samples of every shape through the whole lane, compared one by one. With SOUNDPOST_SOAK=1; an ordinary
//! run takes a hundredth of it.

mod common;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Duration;

use common::{Place, Recorder, recordings, sidecar};

/// (channels, bits, container): every channel count and both widths.
fn shapes() -> impl Iterator<Item = (usize, usize, &'static str)> {
    (1..=8).flat_map(|channels| [(channels, 16, "flac"), (channels, 24, "flac"), (channels, 16, "wav"), (channels, 24, "wav")])
}

/// Random bytes as a file of `bytes` bytes: silence, tones and noise by turns, so that every kind of FLAC frame comes.
fn write_sound(path: &Path, bytes: usize, sample_bytes: usize, seed: u64) {
    use std::io::Write;
    let mut out = std::io::BufWriter::new(File::create(path).expect("created"));
    let mut x = seed | 1;
    for n in 0..bytes / sample_bytes {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        let loudness = [0, 3, 9, 16][(n >> 15) % 4];
        let value = if loudness == 0 { 0 } else { (x as i32) >> (32 - loudness) };
        let value = value + ((n % 200) as i32 - 100) * 50;
        out.write_all(&value.to_le_bytes()[..sample_bytes]).expect("written");
    }
}

/// Compares the joined files with what was played, without holding either in memory; returns the samples compared.
fn compare(root: &Path, raw: &Path, sample_bytes: usize) -> u64 {
    let mut played = BufReader::with_capacity(1 << 20, File::open(raw).expect("opens"));
    let mut files: Vec<_> = recordings(root).into_iter().map(|p| (sidecar(root, &p)["first_frame"].as_u64(), p)).collect();
    files.sort();
    let mut samples = 0;
    let mut next = |sample: i32, path: &Path| {
        let mut cell = [0; 4];
        played.read_exact(&mut cell[4 - sample_bytes..]).expect("no more samples than were played");
        let want = i32::from_le_bytes(cell) >> (32 - 8 * sample_bytes);
        assert_eq!(sample, want, "{}: sample {samples}", path.display());
        samples += 1;
    };
    for (_, path) in &files {
        if path.extension().is_some_and(|e| e == "flac") {
            let mut reader = claxon::FlacReader::open(path).expect("a FLAC");
            reader.samples().for_each(|s| next(s.expect("a sample"), path));
        } else {
            let reader = hound::WavReader::open(path).expect("a WAV");
            reader.into_samples::<i32>().for_each(|s| next(s.expect("a sample"), path));
        }
    }
    assert_eq!(played.read(&mut [0]).expect("read"), 0, "fewer samples than were played");
    samples
}

#[test]
fn every_shape_is_exact_to_the_last_bit() {
    let total: usize = if std::env::var_os("SOUNDPOST_SOAK").is_some() { 1_000_000_000 } else { 10_000_000 };
    let each = total / shapes().count() + 1;
    let mut compared = 0;
    for (channels, bits, container) in shapes() {
        let place = Place::new();
        let raw = place.path("sound.raw");
        let sample_bytes = bits / 8;
        write_sound(&raw, each.next_multiple_of(channels) * sample_bytes, sample_bytes, (channels * bits) as u64);
        let section = format!(
            "[s]\ntype = file\npath = {}\npace = fast\nsample_rate = 48000\nchannels = {channels}\nraw_bits = {bits}\nbit_depth = {bits}\nformat = {container}\n",
            raw.display()
        );
        let config = place.config("split_minutes = 1\nmemory_budget_mb = 256", &section);
        let mut recorder = Recorder::start(&config, &[]);
        assert!(recorder.wait(Duration::from_secs(600)).success(), "{}", recorder.log.join("\n"));
        compared += compare(&place.recordings(), &raw, sample_bytes);
    }
    println!("{compared} samples of 32 shapes equal");
    assert!(compared >= total as u64);
}
