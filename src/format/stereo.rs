//! Any sound to what a local output takes: left and right at its rate.
//!
//! Channels are mixed as in a clip (`clip`): one is heard on both sides; of more than two, the odd ones on the left and the even
//! ones on the right. What has 16 bits, one or two channels and the rate of the output is handed on to the bit.

use super::clip::mix;
use super::resample::Resampler;

/// Channels of an output.
const SIDES: usize = 2;

pub struct Stereo {
    channels: usize,
    bits: u8,
    /// `None` where the rates are the same.
    resampler: Option<Resampler>,
    mixed: Vec<f32>,
    made: Vec<f32>,
}

impl Stereo {
    /// `bits`: full scale of the sound is 2^(bits - 1).
    pub fn new(rate_hz: u32, channels: u8, bits: u8, output_hz: u32) -> Stereo {
        let channels = usize::from(channels.max(1));
        let resampler = (rate_hz != output_hz).then(|| Resampler::new(rate_hz, output_hz, channels.min(SIDES)));
        Stereo { channels, bits, resampler, mixed: Vec::new(), made: Vec::new() }
    }

    /// Whole frames of the sound, interleaved. Appends left and right in turn, in steps of 16 bits: full scale is 2^15.
    pub fn push(&mut self, sound: &[i32], out: &mut Vec<f32>) {
        self.mixed.clear();
        mix(sound, self.channels, self.bits, &mut self.mixed);
        self.hand_on(out);
    }

    /// The sound is over: appends what still depended on samples to come.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if let Some(resampler) = &self.resampler {
            self.mixed.clear();
            self.mixed.resize(resampler.reach() as usize * self.channels.min(SIDES), 0.0);
            self.hand_on(out);
        }
    }

    fn hand_on(&mut self, out: &mut Vec<f32>) {
        let frames = match &mut self.resampler {
            None => &self.mixed,
            Some(resampler) => {
                self.made.clear();
                resampler.push(&self.mixed, &mut self.made);
                &self.made
            }
        };
        if self.channels == 1 {
            out.extend(frames.iter().flat_map(|&sample| [sample; SIDES]));
        } else {
            out.extend_from_slice(frames);
        }
    }
}

/// The rate at which an output is opened for a sound: its own where outputs have it, else one that it divides, else 48 kHz.
pub fn output_rate(rate_hz: u32) -> u32 {
    if rate_hz % 48_000 != 0 && rate_hz % 11_025 == 0 { 44_100 } else { 48_000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(rate_hz: u32, channels: u8, bits: u8, sound: &[i32]) -> Vec<f32> {
        let (mut stereo, mut out) = (Stereo::new(rate_hz, channels, bits, 48_000), Vec::new());
        sound.chunks(3 * usize::from(channels)).for_each(|piece| stereo.push(piece, &mut out));
        stereo.finish(&mut out);
        out
    }

    #[test]
    fn channels_become_two() {
        for (channels, bits, sound, want) in [
            (1, 16, &[1, -32_768, 32_767][..], &[1.0, 1.0, -32_768.0, -32_768.0, 32_767.0, 32_767.0][..]),
            (2, 16, &[1, 2, -3, 4], &[1.0, 2.0, -3.0, 4.0]),
            (2, 24, &[256, -128], &[1.0, -0.5]),
            (2, 8, &[1, -1], &[256.0, -256.0]),
            (3, 16, &[10, 20, 30], &[20.0, 20.0]),
            (4, 16, &[10, 20, 30, 40], &[20.0, 30.0]),
        ] {
            assert_eq!(all(48_000, channels, bits, sound), want, "{channels} channels of {bits} bits");
        }
    }

    /// A tone has the same level and length at another rate, on both sides.
    #[test]
    fn rates_become_one() {
        for (rate_hz, channels) in [(8_000, 1), (44_100, 2), (96_000, 1), (250_000, 2)] {
            let frames = rate_hz as usize;
            let tone =
                |n: usize| ((n as f64 * 1_000.0 / f64::from(rate_hz) * std::f64::consts::TAU).sin() * 8_192.0).round() as i32;
            let sound: Vec<i32> = (0..frames).flat_map(|n| std::iter::repeat_n(tone(n), usize::from(channels))).collect();
            let out = all(rate_hz, channels, 16, &sound);
            assert!(out.len().abs_diff(2 * 48_000) <= 2, "{rate_hz} Hz: {} samples", out.len());
            let power = out.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / out.len() as f64;
            assert!((power.sqrt() - 8_192.0 / 2_f64.sqrt()).abs() < 15.0, "{rate_hz} Hz: {}", power.sqrt());
            assert!(out.chunks_exact(2).all(|sides| sides[0] == sides[1]));
        }
    }

    #[test]
    fn rates_of_outputs() {
        for (rate_hz, want) in [
            (44_100, 44_100),
            (48_000, 48_000),
            (88_200, 44_100),
            (11_025, 44_100),
            (96_000, 48_000),
            (8_000, 48_000),
            (250_000, 48_000),
        ] {
            assert_eq!(output_rate(rate_hz), want, "{rate_hz}");
        }
    }
}
