//! The peak of the last second, for whoever looks at a meter.

use crate::message::{Depth, PcmFormat};

/// The largest sample of the half second that is heard and of the one before.
pub struct Peak {
    format: PcmFormat,
    now: u32,
    before: u32,
    /// Bytes until the next half second.
    left: usize,
}

impl Peak {
    pub fn new(format: PcmFormat) -> Peak {
        Peak { format, now: 0, before: 0, left: half_second(format) }
    }

    /// Whole frames, as blocks hold them.
    pub fn push(&mut self, mut pcm: &[u8]) {
        while !pcm.is_empty() {
            let (heard, rest) = pcm.split_at(self.left.min(pcm.len()));
            self.now = self.now.max(largest(heard, self.format.depth));
            self.left -= heard.len();
            pcm = rest;
            if self.left == 0 {
                (self.before, self.now, self.left) = (self.now, 0, half_second(self.format));
            }
        }
    }

    /// Hundredths of dBFS, not below -120.
    pub fn centibel(&self) -> i16 {
        let full = f64::from(1_u32 << (self.format.depth.bits() - 1));
        let peak = f64::from(self.now.max(self.before)) / full;
        (2_000.0 * peak.max(1e-6).log10()).round() as i16 // -12 000 to 0
    }
}

fn half_second(format: PcmFormat) -> usize {
    (format.rate.hz() as usize / 2).max(1) * format.frame_bytes()
}

fn largest(pcm: &[u8], depth: Depth) -> u32 {
    match depth {
        Depth::Sixteen => {
            let samples = pcm.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]).unsigned_abs());
            samples.max().unwrap_or(0).into()
        }
        Depth::TwentyFour => {
            let samples = pcm.chunks_exact(3).map(|b| (i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8).unsigned_abs());
            samples.max().unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;

    fn pcm(depth: Depth, samples: &[i32]) -> Vec<u8> {
        samples.iter().flat_map(|s| s.to_le_bytes().into_iter().take(depth.bytes())).collect()
    }

    #[test]
    fn it_holds_for_a_second_and_no_longer() {
        let rate = Rate::new(1_000).expect("a rate");
        for (depth, half) in [(Depth::Sixteen, -16_384), (Depth::TwentyFour, 4_194_304)] {
            let mut peak = Peak::new(PcmFormat { rate, channels: 2, depth });
            assert_eq!(peak.centibel(), -12_000);
            peak.push(&pcm(depth, &[0, half]));
            assert_eq!(peak.centibel(), -602);
            peak.push(&pcm(depth, &[0; 2 * 900]));
            assert_eq!(peak.centibel(), -602, "{depth:?}");
            peak.push(&pcm(depth, &[0; 2 * 200]));
            assert_eq!(peak.centibel(), -12_000, "{depth:?}");
            let full = -(1 << (depth.bits() - 1));
            peak.push(&pcm(depth, &[full, 1]));
            assert_eq!(peak.centibel(), 0);
        }
    }
}
