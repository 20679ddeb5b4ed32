//! Interleaved samples as decoders come by them: numbers, or 16 bits packed.
//!
//! Most recordings have 16 bits, and so are half as large and need no second look by whoever takes them as they are.

use std::ops::Range;

use wide::i32x4;

/// One of the two lists is filled.
#[derive(Default)]
pub struct Samples {
    /// Full scale is 2^(bits - 1) of the recording.
    pub ints: Vec<i32>,
    /// 16 bits, little endian.
    pub packed: Vec<u8>,
}

/// Some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Ints(&'a [i32]),
    Packed(&'a [u8]),
}

impl Samples {
    /// Of samples of 16 bits.
    const BYTES: usize = 2;

    pub fn clear(&mut self) {
        self.ints.clear();
        self.packed.clear();
    }

    pub fn len(&self) -> usize {
        self.ints.len() + self.packed.len() / Samples::BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of these numbers.
    pub fn piece(&self, range: Range<usize>) -> Piece<'_> {
        if self.packed.is_empty() {
            Piece::Ints(&self.ints[range])
        } else {
            Piece::Packed(&self.packed[range.start * Samples::BYTES..range.end * Samples::BYTES])
        }
    }

    /// Fills itself from channels that are apart, all as long as the first; the lowest bits are cut off.
    pub fn interleave(&mut self, planes: &[&[i32]], cut_bits: u8) {
        self.packed.clear();
        let frames = planes.first().map_or(0, |plane| plane.len());
        // What was there keeps its length: it is written over.
        self.ints.resize(frames * planes.len(), 0);
        for (channel, plane) in planes.iter().enumerate() {
            let places = self.ints.iter_mut().skip(channel).step_by(planes.len().max(1));
            places.zip(*plane).for_each(|(place, &sample)| *place = sample >> cut_bits);
        }
    }

    /// The same of samples that have 16 bits.
    pub fn pack(&mut self, planes: &[&[i32]]) {
        self.ints.clear();
        let frames = planes.first().map_or(0, |plane| plane.len());
        self.packed.resize(frames * planes.len() * Samples::BYTES, 0);
        if let [left, right] = *planes {
            return pack_two(left, right, &mut self.packed);
        }
        for (channel, plane) in planes.iter().enumerate() {
            let places = self.packed.chunks_exact_mut(Samples::BYTES).skip(channel).step_by(planes.len().max(1));
            places.zip(*plane).for_each(|(place, &sample)| place.copy_from_slice(&(sample as i16).to_le_bytes()));
        }
    }
}

impl Piece<'_> {
    pub fn is_empty(&self) -> bool {
        matches!(self, Piece::Ints([]) | Piece::Packed([]))
    }

    /// As many as there is room for; how many those were.
    pub fn copy_to(&self, out: &mut [i32]) -> usize {
        match self {
            Piece::Ints(samples) => out.iter_mut().zip(*samples).map(|(place, &sample)| *place = sample).count(),
            Piece::Packed(bytes) => {
                let pairs = out.iter_mut().zip(bytes.chunks_exact(Samples::BYTES));
                pairs.map(|(place, b)| *place = i32::from(i16::from_le_bytes([b[0], b[1]]))).count()
            }
        }
    }
}

/// Four frames at a time: the left sample is the lower half of a number whose upper half is the right one.
fn pack_two(left: &[i32], right: &[i32], out: &mut [u8]) {
    const LOWER: i32x4 = i32x4::new([0xFFFF; 4]);
    let whole = left.len().min(right.len()) / 4 * 4;
    let ((left, last_left), (right, last_right)) = (left.split_at(whole), right.split_at(whole));
    let (fours, last) = out.split_at_mut(4 * whole);
    for ((out, l), r) in fours.chunks_exact_mut(16).zip(left.chunks_exact(4)).zip(right.chunks_exact(4)) {
        let frames: i32x4 = (four(l) & LOWER) | (four(r) << 16);
        let frames = frames.to_array();
        let frames = if cfg!(target_endian = "big") { frames.map(i32::swap_bytes) } else { frames };
        out.copy_from_slice(bytemuck::bytes_of(&frames));
    }
    for ((out, l), r) in last.chunks_exact_mut(4).zip(last_left).zip(last_right) {
        let ([a, b], [c, d]) = ((*l as i16).to_le_bytes(), (*r as i16).to_le_bytes());
        out.copy_from_slice(&[a, b, c, d]);
    }
}

fn four(plane: &[i32]) -> i32x4 {
    i32x4::new(bytemuck::pod_read_unaligned(bytemuck::cast_slice(plane))) // chunks of four, at every caller
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As one reads them.
    fn ints(samples: &Samples) -> Vec<i32> {
        let mut out = vec![0; samples.len()];
        assert_eq!(samples.piece(0..samples.len()).copy_to(&mut out), samples.len());
        out
    }

    #[test]
    fn packed_or_not_they_are_the_same() {
        let planes: Vec<Vec<i32>> =
            (0..3).map(|c| (0..11).map(|i| (i * 7_919 + c * 104_729) % 65_536 - 32_768).collect()).collect();
        for channels in 0..=planes.len() {
            for frames in 0..=11 {
                let planes: Vec<&[i32]> = planes[..channels].iter().map(|plane| &plane[..frames]).collect();
                let (mut packed, mut wide) = (Samples::default(), Samples::default());
                // Over what was there before.
                packed.interleave(&planes, 0);
                wide.pack(&planes);
                packed.pack(&planes);
                wide.interleave(&planes, 0);
                let expected: Vec<i32> = (0..frames).flat_map(|i| planes.iter().map(move |plane| plane[i])).collect();
                assert_eq!((ints(&packed), ints(&wide)), (expected.clone(), expected), "{channels} channels of {frames} frames");
            }
        }
    }

    #[test]
    fn bits_are_cut_and_pieces_are_parts() {
        let mut samples = Samples::default();
        samples.interleave(&[&[0x100, -1], &[0x2FF, 0]], 8);
        assert_eq!(samples.piece(1..3), Piece::Ints(&[2, -1]));
        samples.pack(&[&[1, -2], &[i32::from(i16::MAX), i32::from(i16::MIN)]]);
        assert_eq!(samples.piece(1..3), Piece::Packed(&[0xFF, 0x7F, 0xFE, 0xFF]));
        assert!(!samples.piece(0..1).is_empty() && samples.piece(2..2).is_empty());
        let mut few = [7; 2];
        assert_eq!((samples.piece(0..4).copy_to(&mut few), few), (2, [1, 32_767]));
        samples.clear();
        assert!(samples.is_empty() && samples.piece(0..0).is_empty());
    }
}
