//! Clips: 16-bit WAVs of known length that hold the samples of their range.

mod sounds;

use std::path::Path;

use soundpost::format::clip::{Clip, frame_at};
use soundpost::format::decode::open;
use sounds::{Bench, ffmpeg_pcm, rms_db};

/// The clip's bytes, which must be as many as planned, and the plan.
fn clip(path: &Path, from: u64, to: u64, source_rate: bool) -> (Clip, Vec<u8>) {
    let extension = path.extension().and_then(|e| e.to_str()).expect("an extension");
    let mut decoder = open(Box::new(std::fs::read(path).expect("read")), extension).expect("a recording");
    let plan = Clip::plan(&mut decoder, from, to, source_rate).expect("a range");
    let mut bytes = Vec::new();
    let mut sink = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    plan.write(&mut decoder, &mut sink).expect("written");
    assert_eq!(bytes.len() as u64, plan.bytes());
    (plan, bytes)
}

/// As hound reads it.
fn read(bytes: &[u8]) -> (hound::WavSpec, Vec<i32>) {
    let reader = hound::WavReader::new(bytes).expect("a WAV");
    (reader.spec(), reader.into_samples::<i32>().map(|s| s.expect("a sample")).collect())
}

#[test]
fn sixteen_bits_are_kept_to_the_bit() {
    for (channels, bits) in [(1, 16), (2, 16), (2, 8)] {
        let bench = Bench::new(44_100, channels, bits, 30_000);
        for path in [bench.source.clone(), bench.flac("a.flac", &["-5"])] {
            for (from, to) in [(0, 30_000), (0, 1), (29_999, 99_999), (4_095, 4_097), (12_345, 23_456)] {
                let (plan, bytes) = clip(&path, from, to, false);
                assert_eq!((plan.from, plan.to, plan.frames), (from, to.min(30_000), to.min(30_000) - from));
                let (spec, samples) = read(&bytes);
                assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (channels.into(), 44_100, 16));
                let n = usize::from(channels);
                let want = &bench.samples[from as usize * n..to.min(30_000) as usize * n];
                assert!(samples.iter().zip(want).all(|(&s, &w)| s == w << (16 - bits)), "{from} to {to}");
                assert_eq!(samples.len(), want.len());
            }
        }
    }
}

/// The mean of the error is none and its spread is that of TPDF dither and rounding: three twelfths of a step.
#[test]
fn more_bits_are_dithered_and_always_alike() {
    let bench = Bench::new(48_000, 2, 24, 100_000);
    let (_, bytes) = clip(&bench.source, 0, 100_000, false);
    assert_eq!(bytes, clip(&bench.source, 0, 100_000, false).1);
    let (_, samples) = read(&bytes);
    let errors: Vec<f64> = samples.iter().zip(&bench.samples).map(|(&s, &w)| f64::from(s) - f64::from(w) / 256.0).collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / errors.len() as f64;
    assert!(mean.abs() < 0.005 && (variance - 0.25).abs() < 0.01, "mean {mean:.4}, variance {variance:.4}");
}

/// Against SoX's resampler, and against the clip of the whole file: a clip has no edges of its own.
#[test]
fn high_rates_come_down_to_48_khz() {
    for (rate, want) in [(96_000, 48_000), (88_200, 44_100), (192_000, 48_000), (250_000, 48_000)] {
        let bench = Bench::new(rate, 2, 24, rate as usize);
        let (plan, bytes) = clip(&bench.source, 0, rate.into(), false);
        let (spec, whole) = read(&bytes);
        assert_eq!((spec.sample_rate, plan.frames, whole.len()), (want, want.into(), 2 * want as usize));
        let reference = bench.tool_to("sox.wav", "sox", &["-D", "-V1"]);
        std::fs::remove_file(&reference).expect("removed");
        let reference = bench.path("sox.wav");
        let rate_text = want.to_string();
        sounds::run("sox", &["-D", sounds::text(&bench.source), "-b", "16", sounds::text(&reference), "rate", "-v", &rate_text]);
        let reference = ffmpeg_pcm(&reference, 16).samples;
        // Both hold the tones; the noise above the new half rate is gone from both.
        let inner = 2 * 2_000..2 * (want as usize - 2_000);
        let db = rms_db(&whole[inner.clone()], &reference[inner], 16);
        assert!(db < -55.0, "{rate}: {db:.1} dB from SoX's");
        let (from, to) = (u64::from(rate) / 5, u64::from(rate) / 2);
        let (_, piece) = read(&clip(&bench.source, from, to, false).1);
        let start = 2 * want as usize / 5;
        let db = rms_db(&piece, &whole[start..start + piece.len()], 16);
        assert!(db < -88.0, "{rate}: a piece differs from the whole by {db:.1} dB");
    }
    let bench = Bench::new(96_000, 1, 16, 20_000);
    let (plan, bytes) = clip(&bench.source, 100, 20_000, true);
    assert_eq!((plan.rate_hz, read(&bytes).1), (96_000, bench.samples[100..].to_vec()));
}

#[test]
fn many_channels_become_two() {
    let bench = Bench::new(48_000, 5, 16, 5_000);
    let (_, samples) = read(&clip(&bench.source, 1_000, 2_000, false).1);
    for (frame, got) in bench.samples[5_000..10_000].chunks_exact(5).zip(samples.chunks_exact(2)) {
        let (left, right) = ((frame[0] + frame[2] + frame[4]) as f64 / 3.0, (frame[1] + frame[3]) as f64 / 2.0);
        assert!((f64::from(got[0]) - left).abs() <= 1.5 && (f64::from(got[1]) - right).abs() <= 1.5);
    }
    assert_eq!(samples.len(), 2_000);
}

/// What a header promised and the file has not is silence: the length stays as it was told.
#[test]
fn a_damaged_end_keeps_the_length() {
    let bench = Bench::new(48_000, 2, 16, 50_000);
    let file = std::fs::read(bench.flac("a.flac", &["-5"])).expect("read");
    let path = bench.write("torn.flac", &file[..file.len() * 2 / 3]);
    let (plan, bytes) = clip(&path, 10_000, 50_000, false);
    let (_, samples) = read(&bytes);
    assert_eq!((plan.frames, samples.len()), (40_000, 80_000));
    assert!(samples[..2 * 15_000] == bench.samples[2 * 10_000..2 * 25_000] && samples[2 * 35_000..].iter().all(|&s| s == 0));
}

#[test]
fn a_range_without_sound_is_refused() {
    let bench = Bench::new(48_000, 1, 16, 1_000);
    let mut decoder = open(Box::new(std::fs::read(&bench.source).expect("read")), "wav").expect("a recording");
    for (from, to) in [(0, 0), (1_000, 2_000), (500, 400)] {
        assert!(Clip::plan(&mut decoder, from, to, false).is_err(), "{from} to {to}");
    }
    assert_eq!([frame_at(0.5, 48_000), frame_at(-1.0, 48_000), frame_at(f64::NAN, 8_000)], [24_000, 0, 0]);
}
