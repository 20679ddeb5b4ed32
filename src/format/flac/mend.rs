//! What repair must do with a FLAC that was not closed, or whose closing was cut short.
//!
//! The file is kept up to the end of its last coded frame whose number continues from 0 and whose checksum holds; then the
//! header is made what closing would have made it. Power may have gone while the header was being rewritten: any mix of its
//! old and its new sectors leads to the same header, since all but the MD5 is computed anew from the coded frames.

use std::io;

use super::super::mend::{Kept, Mend, NOT_OURS, SPOILT, only_zeros};
use super::super::{Flaw, ReadAt, fill_at};
use super::header::{Final, LAST, SEEKTABLE};
use super::parse::{ENDS_IN_HEADER, Head, StreamInfo, parse};
use super::scan::{Step, Stream, find_header, next_frame};
use super::table::{POINT_BYTES, SeekTable};
use crate::message::Depth;

/// Bytes read at a time, beside the longest coded frame.
const READ_BYTES: usize = 1 << 20;

pub fn mend(file: &dyn ReadAt) -> io::Result<Mend> {
    let head = match parse(file) {
        Ok(head) => head,
        Err(Flaw::Io(e)) => return Err(e),
        Err(Flaw::IllFormed(ENDS_IN_HEADER)) => return torn_header(file),
        Err(_) if only_zeros(file)? => return Ok(Mend::Empty),
        Err(_) => return Ok(Mend::Foreign(SPOILT)),
    };
    // What was encoded here has one of two widths; a stream has what it has.
    let depth = head.kept || [Depth::Sixteen, Depth::TwentyFour].into_iter().any(|d| d.bits() == head.info.bits);
    let Some(format) = head.info.pcm_format().filter(|_| head.ours && depth) else { return Ok(Mend::Foreign(NOT_OURS)) };
    let stream = Stream::new(head.info);
    let mut table = SeekTable::new(format.rate, head.room.map_or(0, |(_, points)| points));
    let scan = Scan::run(file, &head, &stream, &mut table)?;
    if scan.frames == 0 {
        let sound_behind = has_header(file, head.audio_at + 1, &stream, 0)?;
        return Ok(if sound_behind { Mend::Foreign("its first coded frame is damaged") } else { Mend::Empty });
    }
    let sound_behind = has_header(file, scan.end + 1, &stream, scan.number)?;
    keep(file, head, &scan, &table).map(|kept| Mend::Keep(Kept { sound_behind, ..kept }))
}

/// A header that was torn while it was first written has nothing behind it. One whose lengths are spoilt has.
fn torn_header(file: &dyn ReadAt) -> io::Result<Mend> {
    let mut info = [0; StreamInfo::BYTES];
    if fill_at(file, 8, &mut info)? < info.len() {
        return Ok(Mend::Empty);
    }
    let Ok(info) = super::parse_stream_info(&info) else { return Ok(Mend::Foreign(SPOILT)) };
    let sound = has_header(file, 8 + StreamInfo::BYTES as u64, &Stream::new(info), 0)?;
    Ok(if sound { Mend::Foreign(SPOILT) } else { Mend::Empty })
}

/// The run of good coded frames from the first one on.
#[derive(Default)]
struct Scan {
    frames: u64,
    /// Of the coded frame that should come next.
    number: u64,
    end: u64,
    min_frame_bytes: u32,
    max_frame_bytes: u32,
}

impl Scan {
    fn run(file: &dyn ReadAt, head: &Head, stream: &Stream, table: &mut SeekTable) -> io::Result<Scan> {
        let mut window = Window::new(file, head.audio_at, stream.window_bytes());
        let mut scan = Scan { end: head.audio_at, ..Scan::default() };
        let mut strategy = None;
        loop {
            let coded = match next_frame(window.bytes(), window.at_end, stream, scan.number) {
                Step::Frame(coded) => coded,
                Step::More if !window.at_end => {
                    window.refill()?;
                    continue;
                }
                Step::More | Step::Broken => return Ok(scan),
            };
            if *strategy.get_or_insert(coded.header.variable) != coded.header.variable {
                return Ok(scan);
            }
            table.push(scan.frames, scan.end - head.audio_at, coded.header.block_size);
            let bytes = coded.bytes as u32; // below Stream::window_bytes
            scan.min_frame_bytes = if scan.frames == 0 { bytes } else { scan.min_frame_bytes.min(bytes) };
            scan.max_frame_bytes = scan.max_frame_bytes.max(bytes);
            scan.frames += u64::from(coded.header.block_size);
            scan.end += coded.bytes as u64;
            window.advance(coded.bytes);
            scan.number = Stream::number_after(&coded.header);
            // In a stream of equal blocks a shorter one is the last: numbers after it would mean other samples.
            if !coded.header.variable && coded.header.block_size < u32::from(head.info.min_block) {
                return Ok(scan);
            }
        }
    }
}

fn keep(file: &dyn ReadAt, head: Head, scan: &Scan, table: &SeekTable) -> io::Result<Kept> {
    // The total stands in the header only once the file was closed, in the same sector as the MD5 of just these samples.
    let finished = head.info.frames == scan.frames;
    let end = Final {
        frames: scan.frames,
        min_frame_bytes: scan.min_frame_bytes,
        max_frame_bytes: scan.max_frame_bytes,
        md5: if finished { head.info.md5 } else { [0; 16] },
    };
    let mut patches = Vec::new();
    patch_if_other(file, head.streaminfo_at, &head.info.finished(&end).bytes(), &mut patches)?;
    if let Some((at, points)) = head.room {
        let mut block = vec![0; 4 + points * POINT_BYTES];
        fill_at(file, at, &mut block[..4])?;
        block[0] = (block[0] & LAST) | SEEKTABLE;
        table.write(&mut block[4..]);
        patch_if_other(file, at, &block, &mut patches)?;
    }
    Ok(Kept {
        keep_bytes: scan.end,
        complete: finished && (head.kept || head.info.md5 != [0; 16]) && patches.is_empty() && file.len()? == scan.end,
        patches,
        frames: scan.frames,
        sure_frames: scan.frames,
        identity: head.identity,
        sound_behind: false,
    })
}

fn patch_if_other(file: &dyn ReadAt, at: u64, want: &[u8], patches: &mut Vec<(u64, Vec<u8>)>) -> io::Result<()> {
    let mut there = vec![0; want.len()];
    let have = fill_at(file, at, &mut there)?;
    if there[..have] != *want {
        patches.push((at, want.to_vec()));
    }
    Ok(())
}

/// Whether a frame header of this stream stands anywhere from `at` on, with this number or a higher one.
fn has_header(file: &dyn ReadAt, at: u64, stream: &Stream, number: u64) -> io::Result<bool> {
    let mut window = Window::new(file, at, 64);
    loop {
        window.refill()?;
        if find_header(window.bytes(), stream, number).is_some() {
            return Ok(true);
        }
        if window.at_end {
            return Ok(false);
        }
        // A header may lie across the end of the window.
        window.advance(window.bytes().len().saturating_sub(super::FrameHeader::MAX_BYTES));
    }
}

/// A file seen through a buffer of fixed size that only moves forward.
struct Window<'a> {
    file: &'a dyn ReadAt,
    buf: Vec<u8>,
    /// start <= end <= buf.len()
    start: usize,
    end: usize,
    /// Where in the file the byte after `end` stands.
    next: u64,
    at_end: bool,
}

impl Window<'_> {
    fn new(file: &dyn ReadAt, at: u64, unit_bytes: usize) -> Window<'_> {
        Window { file, buf: vec![0; READ_BYTES + unit_bytes], start: 0, end: 0, next: at, at_end: false }
    }

    fn bytes(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    fn advance(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// Moves what is left to the front and fills the rest.
    fn refill(&mut self) -> io::Result<()> {
        self.buf.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let have = fill_at(self.file, self.next, &mut self.buf[self.end..])?;
        self.at_end = self.end + have < self.buf.len();
        self.end += have;
        self.next += have as u64;
        Ok(())
    }
}
