//! The seek table (RFC 9639 section 8.5): one point every ten seconds, in room that is decided when the file is opened.

use crate::time::Rate;

/// Bytes of one point.
pub const POINT_BYTES: usize = 18;
/// Ten days' worth: more than any segment has, and far below what a block length of 24 bits allows.
pub const MAX_POINTS: usize = 86_400;

const EVERY_SECONDS: u64 = 10;
/// An unused point: it sorts behind all others.
const PLACEHOLDER: [u8; POINT_BYTES] = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Points that a file of `seconds` needs.
pub fn points_for(seconds: u64) -> usize {
    usize::try_from(seconds / EVERY_SECONDS + 1).map_or(MAX_POINTS, |points| points.min(MAX_POINTS))
}

/// Collects points while coded frames pass by. The capacity is taken at once; nothing is allocated afterwards, and points
/// beyond it are left out: the length of a file that is being recorded is an estimate.
#[derive(Clone, Debug)]
pub struct SeekTable {
    points: Vec<Point>,
    capacity: usize,
    every: u64,
    /// Frame that the next point must contain.
    due: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    first_sample: u64,
    offset: u64,
    samples: u16,
}

impl SeekTable {
    pub fn new(rate: Rate, capacity: usize) -> SeekTable {
        let capacity = capacity.min(MAX_POINTS);
        SeekTable { points: Vec::with_capacity(capacity), capacity, every: EVERY_SECONDS * u64::from(rate.hz()), due: 0 }
    }

    /// A coded frame with `samples` of each channel from `first_sample` on begins `offset` bytes after the first coded frame.
    /// It becomes a point if a multiple of ten seconds falls into it.
    pub fn push(&mut self, first_sample: u64, offset: u64, samples: u32) {
        let end = first_sample.saturating_add(u64::from(samples));
        if end <= self.due {
            return;
        }
        self.due = (end.saturating_sub(1) / self.every + 1).saturating_mul(self.every);
        if self.points.len() < self.capacity {
            // A coded frame has at most 65 535 samples.
            self.points.push(Point { first_sample, offset, samples: samples.min(65_535) as u16 });
        }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Points that are really there.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Fills `room` (a block's body) with points, then placeholders.
    pub fn write(&self, room: &mut [u8]) {
        let mut points = self.points.iter();
        for place in room.chunks_exact_mut(POINT_BYTES) {
            place.copy_from_slice(&points.next().map_or(PLACEHOLDER, |p| p.bytes()));
        }
    }
}

impl Point {
    fn bytes(self) -> [u8; POINT_BYTES] {
        let mut out = [0; POINT_BYTES];
        out[..8].copy_from_slice(&self.first_sample.to_be_bytes());
        out[8..16].copy_from_slice(&self.offset.to_be_bytes());
        out[16..].copy_from_slice(&self.samples.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hz: u32, capacity: usize, block: u32, frames: u64, want: &[u64]) {
        let mut table = SeekTable::new(Rate::new(hz).expect("a rate"), capacity);
        let held = table.points.capacity();
        let (mut at, mut offset) = (0, 0);
        while at < frames {
            let samples = u64::from(block).min(frames - at);
            table.push(at, offset, samples as u32);
            (at, offset) = (at + samples, offset + 100);
        }
        assert_eq!(table.points.iter().map(|p| p.first_sample).collect::<Vec<_>>(), want, "{hz} Hz, blocks of {block}");
        assert_eq!(table.points.capacity(), held, "nothing was allocated on the way");
    }

    #[test]
    fn one_point_in_ten_seconds() {
        check(1_000, 9, 100, 35_000, &[0, 10_000, 20_000, 30_000]);
        check(1_000, 9, 4_096, 35_000, &[0, 8_192, 16_384, 28_672]);
        check(1_000, 9, 4_096, 10_000, &[0]);
        check(1_000, 9, 4_096, 10_001, &[0, 8_192]);
        check(1_000, 2, 4_096, 35_000, &[0, 8_192]);
        check(100, 9, 4_096, 9_000, &[0, 4_096]);
        check(100, 9, 4_096, 9_001, &[0, 4_096, 8_192]);
        check(1_000, 0, 4_096, 35_000, &[]);
        check(1_000, 9, 4_096, 0, &[]);
    }

    #[test]
    fn room_is_filled_to_its_end() {
        let mut table = SeekTable::new(Rate::new(1_000).expect("a rate"), 2);
        table.push(0, 0, 4_096);
        table.push(10_000, 0x1234, 4_096);
        let mut room = [1; 3 * POINT_BYTES];
        table.write(&mut room);
        assert_eq!(room[18..36], [0, 0, 0, 0, 0, 0, 0x27, 0x10, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x10, 0]);
        assert_eq!(room[36..], PLACEHOLDER);
    }

    #[test]
    fn an_estimate_is_never_too_small() {
        assert_eq!((points_for(0), points_for(9), points_for(10), points_for(3_600)), (1, 1, 2, 361));
        assert_eq!(points_for(u64::MAX), MAX_POINTS);
    }
}
