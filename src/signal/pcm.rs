//! Device samples to block samples: which bytes of each are kept.
//!
//! Everything here is little endian, signed and interleaved, so a conversion is a choice of bytes and never arithmetic:
//! widths are only reduced, by truncation, and what is kept is kept exactly. Called by devices.

use crate::message::Depth;

/// How a device lays out one sample, named as ALSA names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    S16,
    /// 24 bits in three bytes.
    S24Packed,
    /// 24 bits in the low three of four bytes; the fourth means nothing.
    S24,
    S32,
}

impl Sample {
    pub const ALL: [Sample; 4] = [Sample::S16, Sample::S24Packed, Sample::S24, Sample::S32];

    pub const fn name(self) -> &'static str {
        match self {
            Sample::S16 => "S16_LE",
            Sample::S24Packed => "S24_3LE",
            Sample::S24 => "S24_LE",
            Sample::S32 => "S32_LE",
        }
    }

    pub const fn bits(self) -> u8 {
        match self {
            Sample::S16 => 16,
            Sample::S24Packed | Sample::S24 => 24,
            Sample::S32 => 32,
        }
    }

    /// Bytes a sample occupies.
    pub const fn bytes(self) -> usize {
        match self {
            Sample::S16 => 2,
            Sample::S24Packed => 3,
            Sample::S24 | Sample::S32 => 4,
        }
    }

    /// The device's bytes are the block's bytes.
    pub const fn is_plain(self, depth: Depth) -> bool {
        matches!((self, depth), (Sample::S16, Depth::Sixteen) | (Sample::S24Packed, Depth::TwentyFour))
    }

    /// First byte of a sample that is kept: the topmost `depth.bytes()` of its `bits`.
    const fn offset(self, depth: Depth) -> usize {
        (self.bits() as usize / 8).saturating_sub(depth.bytes())
    }
}

/// Writes as many samples of `source` as both slices hold into the front of `target` and returns how many those were.
/// Sixteen bits widen to 24 by a zero below.
pub fn convert(sample: Sample, source: &[u8], depth: Depth, target: &mut [u8]) -> usize {
    if sample.is_plain(depth) {
        let samples = source.len().min(target.len()) / depth.bytes();
        let bytes = samples * depth.bytes();
        target[..bytes].copy_from_slice(&source[..bytes]);
        return samples;
    }
    let pairs = source.chunks_exact(sample.bytes()).zip(target.chunks_exact_mut(depth.bytes()));
    let samples = pairs.len();
    let from = sample.offset(depth);
    for (wide, narrow) in pairs {
        match (sample, depth) {
            (Sample::S16, _) => narrow.copy_from_slice(&[0, wide[0], wide[1]]),
            _ => narrow.copy_from_slice(&wide[from..from + depth.bytes()]),
        }
    }
    samples
}

/// The samples of blocks.
pub fn values(depth: Depth, pcm: &[u8]) -> impl Iterator<Item = i32> + '_ {
    pcm.chunks_exact(depth.bytes()).map(|bytes| match *bytes {
        [low, high] => i32::from(i16::from_le_bytes([low, high])),
        [low, middle, high] => i32::from_le_bytes([0, low, middle, high]) >> 8,
        _ => 0, // no depth has so many bytes
    })
}

/// Whether 32-bit samples carry anything below their top 24 bits.
pub fn low_byte_used(sample: Sample, source: &[u8]) -> bool {
    sample == Sample::S32 && source.chunks_exact(4).any(|bytes| bytes[0] != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sample: Sample, source: &[u8], depth: Depth, expected: &[u8]) {
        let mut target = [0xEE; 16];
        let samples = convert(sample, source, depth, &mut target);
        assert_eq!(&target[..samples * depth.bytes()], expected, "{} to {} bits", sample.name(), depth.bits());
        assert!(target[samples * depth.bytes()..].iter().all(|b| *b == 0xEE), "nothing is written past the end");
    }

    #[test]
    fn the_top_bytes_are_kept() {
        use Depth::*;
        use Sample::*;
        check(S16, &[1, 2, 3, 4], Sixteen, &[1, 2, 3, 4]);
        check(S24Packed, &[1, 2, 3, 4, 5, 6], Sixteen, &[2, 3, 5, 6]);
        check(S24, &[1, 2, 3, 0xFF, 4, 5, 6, 0], Sixteen, &[2, 3, 5, 6]);
        check(S32, &[1, 2, 3, 4, 5, 6, 7, 8], Sixteen, &[3, 4, 7, 8]);
        check(S16, &[1, 2, 3, 4], TwentyFour, &[0, 1, 2, 0, 3, 4]);
        check(S24Packed, &[1, 2, 3, 4, 5, 6], TwentyFour, &[1, 2, 3, 4, 5, 6]);
        check(S24, &[1, 2, 3, 0xFF, 4, 5, 6, 0], TwentyFour, &[1, 2, 3, 4, 5, 6]);
        check(S32, &[1, 2, 3, 4, 5, 6, 7, 8], TwentyFour, &[2, 3, 4, 6, 7, 8]);
    }

    #[test]
    fn values_survive() {
        for value in [-8_388_608_i32, -8_388_607, -1, 0, 1, 255, 256, 8_388_607] {
            let bytes = value.to_le_bytes();
            check(Sample::S24, &bytes, Depth::TwentyFour, &bytes[..3]);
            check(Sample::S32, &(value << 8).to_le_bytes(), Depth::TwentyFour, &bytes[..3]);
            // Truncation rounds down, as an arithmetic shift does.
            check(Sample::S24, &bytes, Depth::Sixteen, &((value >> 8) as i16).to_le_bytes());
        }
    }

    #[test]
    fn values_of_blocks() {
        let of = |depth, bytes: &[u8]| values(depth, bytes).collect::<Vec<_>>();
        assert_eq!(of(Depth::Sixteen, &[0, 0x80, 0xFF, 0x7F, 0xFF, 0xFF, 9]), [-32_768, 32_767, -1]);
        assert_eq!(of(Depth::TwentyFour, &[0, 0, 0x80, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 9]), [-8_388_608, 8_388_607, -1]);
    }

    #[test]
    fn odd_lengths_end_at_whole_samples() {
        for sample in Sample::ALL {
            for depth in [Depth::Sixteen, Depth::TwentyFour] {
                for (source, target) in [(0, 9), (1, 9), (7, 9), (13, 5), (13, 1), (13, 0)] {
                    let mut space = vec![0; target];
                    let expected = (source / sample.bytes()).min(target / depth.bytes());
                    assert_eq!(
                        convert(sample, &vec![1; source], depth, &mut space),
                        expected,
                        "{sample:?} {depth:?} {source} {target}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_low_byte_counts_only_where_it_is_dropped() {
        assert!(low_byte_used(Sample::S32, &[0, 9, 9, 9, 1, 9, 9, 9]));
        assert!(!low_byte_used(Sample::S32, &[0, 9, 9, 9, 0, 9, 9, 9]));
        assert!(!low_byte_used(Sample::S24, &[1, 9, 9, 9]));
    }
}
