//! Finds the coded frame that holds a given frame of a file, without decoding: by the seek table where it is true, then by
//! halving, then by stepping from coded frame to coded frame. Every coded frame on the way is checked by both its checksums,
//! so a table that lies or bytes that look like a header cost time and nothing else.

use std::io;

use super::super::{Flaw, ReadAt, fill_at};
use super::frame::FrameHeader;
use super::header::{LAST, SEEKTABLE};
use super::parse::Head;
use super::scan::{CodedFrame, Step, Stream, find_header, next_frame};
use super::table::POINT_BYTES;

/// A coded frame in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its first byte.
    pub at: u64,
    pub coded: CodedFrame,
    /// Position of its first sample.
    pub first: u64,
}

impl Place {
    /// Position after its last sample.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.coded.header.block_size))
    }

    pub fn next_at(&self) -> u64 {
        self.at + self.coded.bytes as u64
    }
}

/// Below this many bytes stepping is cheaper than halving.
const STEP_BYTES: u64 = 64 << 10;
/// Read at a time.
const READ_BYTES: usize = 64 << 10;

/// Steps through the coded frames of a file from any byte on.
pub struct Walk<'a> {
    file: &'a dyn ReadAt,
    stream: Stream,
    /// Samples in every coded frame but the last, where headers count coded frames.
    block_size: u64,
    buf: Vec<u8>,
    /// start <= end <= buf.len()
    start: usize,
    end: usize,
    at: u64,
    at_end: bool,
}

impl<'a> Walk<'a> {
    pub fn new(file: &'a dyn ReadAt, head: &Head) -> Result<Walk<'a>, Flaw> {
        let stream = Stream::new(head.info);
        let buf = vec![0; READ_BYTES.max(32 << 10)];
        let mut walk = Walk { file, stream, block_size: head.info.max_block.into(), buf, start: 0, end: 0, at: 0, at_end: false };
        if head.info.min_block != head.info.max_block {
            // Then the first coded frame tells.
            walk.jump(head.audio_at);
            if let Some(place) = walk.next_place()? {
                walk.block_size = place.coded.header.block_size.into();
            }
        }
        walk.jump(head.audio_at);
        Ok(walk)
    }

    pub fn jump(&mut self, at: u64) {
        (self.start, self.end, self.at, self.at_end) = (0, 0, at, false);
    }

    /// The next coded frame that is whole and right, here or further on; `None` when there is none.
    pub fn next_place(&mut self) -> io::Result<Option<Place>> {
        self.find(u64::MAX)
    }

    /// The same if it begins before `limit`.
    fn find(&mut self, limit: u64) -> io::Result<Option<Place>> {
        while self.at < limit {
            let bytes = &self.buf[self.start..self.end];
            let Some(skip) = find_header(bytes, &self.stream, 0) else {
                // A header may be cut by the end of what is here.
                let passed = bytes.len().saturating_sub(if self.at_end { 0 } else { FrameHeader::MAX_BYTES - 1 });
                self.pass(passed);
                if self.at_end {
                    return Ok(None);
                }
                self.more()?;
                continue;
            };
            self.pass(skip);
            let bytes = &self.buf[self.start..self.end];
            let super::frame::Parse::Yes(header) = FrameHeader::parse(bytes) else {
                self.pass(1);
                continue;
            };
            match next_frame(bytes, self.at_end, &self.stream, header.number) {
                Step::Frame(coded) if self.at < limit => {
                    let first = if header.variable { header.number } else { header.number.saturating_mul(self.block_size) };
                    let place = Place { at: self.at, coded, first };
                    self.pass(coded.bytes);
                    return Ok(Some(place));
                }
                Step::Frame(_) => return Ok(None),
                Step::More => self.more()?,
                Step::Broken => self.pass(1),
            }
        }
        Ok(None)
    }

    /// The coded frame just found, as it stands in the file.
    pub fn bytes_of(&self, place: &Place) -> &[u8] {
        // It was passed just now, and nothing was read since.
        self.buf.get(self.start.saturating_sub(place.coded.bytes)..self.start).unwrap_or(&[])
    }

    fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        self.at += bytes as u64;
    }

    fn more(&mut self) -> io::Result<()> {
        self.buf.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buf.len() {
            // A coded frame longer than was thought; `next_frame` never asks for more than this.
            let most = self.stream.window_bytes().max(READ_BYTES) + READ_BYTES;
            self.buf.resize((2 * self.buf.len()).min(most).max(self.end + 1), 0);
        }
        let have = fill_at(self.file, self.at.saturating_add(self.end as u64), &mut self.buf[self.end..])?;
        self.end += have;
        self.at_end = self.end < self.buf.len();
        Ok(())
    }
}

/// The coded frame that holds the sample at `position`, or the first behind it where that one is missing; `None` beyond the
/// end.
pub fn locate(file: &dyn ReadAt, head: &Head, position: u64) -> Result<Option<Place>, Flaw> {
    let mut walk = Walk::new(file, head)?;
    // low: begins a coded frame at or before the position, or is where all begins. The one looked for begins before `high`.
    let (mut low, mut high) = (head.audio_at, file.len()?);
    if let Some((from, to)) = by_table(file, head, position)? {
        walk.jump(from.0);
        if walk.find(from.0 + 1)?.is_some_and(|place| place.first == from.1) {
            (low, high) = (from.0, to.unwrap_or(high).clamp(from.0, high));
        }
    }
    while high.saturating_sub(low) > STEP_BYTES {
        let middle = low + (high - low) / 2;
        walk.jump(middle);
        match walk.find(high)? {
            Some(place) if place.first <= position => low = place.at,
            _ => high = middle,
        }
    }
    walk.jump(low);
    while let Some(place) = walk.next_place()? {
        if place.end() > position {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Position that the file begins with: that of its first coded frame, which is not 0 where a stream was joined in its middle;
/// 0 when that frame is damaged.
pub fn first_frame(file: &dyn ReadAt, head: &Head) -> Result<u64, Flaw> {
    let mut walk = Walk::new(file, head)?;
    Ok(walk.find(head.audio_at + 1)?.map_or(0, |place| place.first))
}

/// The last whole coded frame of the file: where a file that is being recorded has got to.
pub fn last_coded_frame(file: &dyn ReadAt, head: &Head) -> Result<Option<Place>, Flaw> {
    let (mut walk, length) = (Walk::new(file, head)?, file.len()?);
    let mut back = STEP_BYTES;
    loop {
        let from = length.saturating_sub(back).max(head.audio_at);
        walk.jump(from);
        let mut last = None;
        while let Some(place) = walk.next_place()? {
            last = Some(place);
        }
        if last.is_some() || from == head.audio_at || back > MAX_TAIL_BYTES {
            return Ok(last);
        }
        back *= 4;
    }
}

/// Looked at from the end for a coded frame before giving up.
const MAX_TAIL_BYTES: u64 = 64 << 20;

/// Position after the last whole coded frame.
pub fn total_frames(file: &dyn ReadAt, head: &Head) -> Result<Option<u64>, Flaw> {
    Ok(last_coded_frame(file, head)?.map(|place| place.end()))
}

/// (byte, sample) of the last point that is not behind the position, and the byte of the next point.
type Between = ((u64, u64), Option<u64>);

/// The table is halved in the file: it may be long.
fn by_table(file: &dyn ReadAt, head: &Head, position: u64) -> io::Result<Option<Between>> {
    let Some((block_at, points)) = head.room else { return Ok(None) };
    let mut kind = [0];
    if fill_at(file, block_at, &mut kind)? < 1 || kind[0] & !LAST != SEEKTABLE {
        return Ok(None);
    }
    let point = |index: usize| -> io::Result<(u64, u64)> {
        let mut bytes = [0; 16];
        fill_at(file, block_at + 4 + (index * POINT_BYTES) as u64, &mut bytes)?;
        let word = |at: usize| bytes[at..at + 8].iter().fold(0, |n, &b| n << 8 | u64::from(b));
        Ok((head.audio_at.saturating_add(word(8)), word(0)))
    };
    let (mut low, mut high) = (0, points); // point(low - 1) <= position < point(high)
    while low < high {
        let middle = low + (high - low) / 2;
        let (_, sample) = point(middle)?;
        // A placeholder sorts behind all others.
        if sample != u64::MAX && sample <= position { low = middle + 1 } else { high = middle }
    }
    if low == 0 {
        return Ok(None);
    }
    let next = if low < points { Some(point(low)?).filter(|next| next.1 != u64::MAX).map(|next| next.0) } else { None };
    Ok(Some((point(low - 1)?, next)))
}
