//! Made-up sources: a sine, and a soundscape for `--demo`. Both are the same for the same settings, frame by frame.

use super::pacer::Pacer;
use super::{Fault, Opened, Pace, Read, Source};
use crate::message::{Depth, PcmFormat};

/// What is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Voice {
    /// `level_dbfs` is the peak.
    Sine { hz: f64, level_dbfs: f64 },
    /// Wind-like noise with calls in it.
    Soundscape { seed: u64 },
}

pub struct ToneSource {
    voice: Voice,
    format: PcmFormat,
    pace: Pace,
    pacer: Pacer,
    frame: u64,
    scape: Soundscape,
}

impl ToneSource {
    pub fn new(voice: Voice, format: PcmFormat, pace: Pace) -> ToneSource {
        let seed = if let Voice::Soundscape { seed } = voice { seed } else { 0 };
        let scape = Soundscape::new(seed, f64::from(format.rate.hz()));
        ToneSource { voice, format, pace, pacer: Pacer::start(pace, format.rate), frame: 0, scape }
    }

    /// Sample of each channel at the next frame, -1 to 1.
    fn next_sample(&mut self) -> f64 {
        match self.voice {
            Voice::Sine { hz, level_dbfs } => {
                let turns = hz * self.frame as f64 / f64::from(self.format.rate.hz());
                10_f64.powf(level_dbfs / 20.0) * (std::f64::consts::TAU * turns.fract()).sin()
            }
            Voice::Soundscape { .. } => self.scape.next(),
        }
    }
}

impl Source for ToneSource {
    fn open(&mut self) -> Result<Opened, Fault> {
        self.pacer = Pacer::start(self.pace, self.format.rate);
        let what = match self.voice {
            Voice::Sine { hz, level_dbfs } => format!("tone of {hz} Hz at {level_dbfs} dBFS"),
            Voice::Soundscape { seed } => format!("built-in soundscape, seed {seed}"),
        };
        let PcmFormat { rate, channels, depth } = self.format;
        let text = format!("{what}, {} bit, {rate}, {channels} channels", depth.bits());
        Ok(Opened { format: self.format, pace: self.pace, at: self.pacer.started_at(), text })
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Read, Fault> {
        let frame_bytes = self.format.frame_bytes();
        let (frames, at) = self.pacer.next((space.len() / frame_bytes) as u64);
        for frame in space.chunks_exact_mut(frame_bytes).take(frames as usize) {
            let sample = self.next_sample();
            self.frame += 1;
            for cell in frame.chunks_exact_mut(self.format.depth.bytes()) {
                write_sample(sample, self.format.depth, cell);
            }
        }
        Ok(if frames == 0 { Read::Idle } else { Read::Frames { frames: frames as u32, at } })
    }

    fn hurry(&mut self, is_wanted: bool) {
        self.pacer.hurry(is_wanted);
    }
}

fn write_sample(sample: f64, depth: Depth, cell: &mut [u8]) {
    let full = f64::from((1_i32 << (depth.bits() - 1)) - 1);
    let value = (sample.clamp(-1.0, 1.0) * full).round() as i32;
    cell.copy_from_slice(&value.to_le_bytes()[..depth.bytes()]);
}

/// Wind: white noise through two one-pole low-passes with a gust envelope; a bird's descending whistle every few seconds.
struct Soundscape {
    rate: f64,
    random: u64,
    low: [f64; 2],
    gust: f64,
    /// Frames until the next call, then its place.
    wait: u64,
    call: Option<Call>,
}

struct Call {
    frame: u64,
    frames: u64,
    from_hz: f64,
    to_hz: f64,
    level: f64,
    turns: f64,
}

impl Soundscape {
    fn new(seed: u64, rate: f64) -> Soundscape {
        let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Soundscape { rate, random, low: [0.0; 2], gust: 0.3, wait: rate as u64, call: None }
    }

    /// Uniform in [0, 1): xorshift64*.
    fn uniform(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> f64 {
        let white = 2.0 * self.uniform() - 1.0;
        // A slow random walk between a breeze and a gust.
        self.gust = (self.gust + white * 2.0 / self.rate.sqrt() * 0.02).clamp(0.1, 1.0);
        let cutoff = 1.0 - (-std::f64::consts::TAU * (200.0 + 600.0 * self.gust) / self.rate).exp();
        self.low[0] += cutoff * (white - self.low[0]);
        self.low[1] += cutoff * (self.low[0] - self.low[1]);
        0.4 * self.gust * self.low[1] + 0.002 * white + self.whistle()
    }

    fn whistle(&mut self) -> f64 {
        if self.call.is_none() {
            if self.wait > 0 {
                self.wait -= 1;
                return 0.0;
            }
            let (a, b, c, d) = (self.uniform(), self.uniform(), self.uniform(), self.uniform());
            self.wait = ((2.0 + 8.0 * a) * self.rate) as u64;
            let top = (0.4 * self.rate).min(7_000.0);
            self.call = Some(Call {
                frame: 0,
                frames: ((0.15 + 0.6 * b) * self.rate) as u64,
                from_hz: top * (0.6 + 0.4 * c),
                to_hz: top * (0.3 + 0.3 * d),
                level: 0.05 + 0.2 * c,
                turns: 0.0,
            });
        }
        let Some(call) = &mut self.call else { return 0.0 };
        let along = call.frame as f64 / call.frames.max(1) as f64;
        call.turns = (call.turns + (call.from_hz + (call.to_hz - call.from_hz) * along) / self.rate).fract();
        let sound = call.level * (std::f64::consts::PI * along).sin() * (std::f64::consts::TAU * call.turns).sin();
        call.frame += 1;
        if call.frame >= call.frames {
            self.call = None;
        }
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;

    fn samples(voice: Voice, frames: usize, piece: usize) -> Vec<i16> {
        let format = PcmFormat { rate: Rate::new(48_000).expect("a rate"), channels: 1, depth: Depth::Sixteen };
        let mut source = ToneSource::new(voice, format, Pace::OnDemand);
        source.open().expect("opens");
        let mut bytes = vec![0; frames * 2];
        for space in bytes.chunks_mut(piece * 2) {
            let want = (space.len() / 2) as u32;
            assert!(matches!(source.read(space), Ok(Read::Frames { frames, .. }) if frames == want));
        }
        bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    }

    #[test]
    fn a_sine_has_its_level_and_its_crossings() {
        let tone = samples(Voice::Sine { hz: 1_000.0, level_dbfs: -6.0 }, 48_000, 777);
        assert_eq!(tone.iter().max(), Some(&16_422)); // 32767 × 10^(-6/20)
        let rises = tone.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!((999..=1_000).contains(&rises), "{rises} rises in a second of 1 kHz");
    }

    #[test]
    fn the_soundscape_is_the_same_for_a_seed_and_has_calls_in_wind() {
        let second = 48_000;
        let scape = samples(Voice::Soundscape { seed: 7 }, 30 * second, 4_096);
        assert_eq!(scape, samples(Voice::Soundscape { seed: 7 }, 30 * second, 999));
        assert_ne!(scape, samples(Voice::Soundscape { seed: 8 }, 30 * second, 4_096));
        let peaks: Vec<u16> = scape.chunks(second / 10).map(|w| w.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0)).collect();
        assert!(peaks.iter().all(|&p| p > 20 && p < 32_000), "never silent, never clipped");
        let loud = peaks.iter().filter(|&&p| p > 1_500).count();
        assert!((5..200).contains(&loud), "{loud} of 300 windows with a call");
    }
}
