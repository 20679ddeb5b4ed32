//! FLAC: coded frames numbered anew, below the metadata of the first file.

use super::super::crc::crc16;
use super::super::flac::{
    Final, FrameHeader, Head, SeekTable, StreamInfo, Walk, first_frame, locate, parse, points_for, seek_block,
};
use super::super::stream::flac::renumbered;
use super::super::{Flaw, ReadAt, fill_at};
use super::{DIFFERENT, Found, NOTHING, Plan as AnyPlan, Range, Sink, Wanted};
use crate::time::Rate;

/// Metadata beyond it (pictures, mostly) is left out.
const MAX_METADATA_BYTES: usize = 1 << 20;

/// Kinds of metadata blocks (RFC 9639 section 8.1) that hold for a part as well: APPLICATION, VORBIS_COMMENT, PICTURE.
const KEPT: [u8; 3] = [2, 4, 6];
const LAST: u8 = 0x80;

#[derive(Debug)]
pub struct Plan {
    pub(super) header: Vec<u8>,
    /// One a file.
    stretches: Vec<Stretch>,
}

/// Coded frames of a file that follow each other.
#[derive(Debug)]
struct Stretch {
    head: Head,
    /// The first coded frame, and where the last one ends.
    from: u64,
    to: u64,
    /// Position of the first frame.
    first: u64,
}

pub fn plan(wanted: &[Wanted]) -> Result<Found, Flaw> {
    let files: Vec<&dyn ReadAt> = wanted.iter().map(|(file, _)| *file).collect();
    let stretches = wanted.iter().map(|(file, range)| stretch(*file, *range)).collect::<Result<Vec<_>, _>>()?;
    let (Some(first), Some(&file)) = (stretches.first(), files.first()) else { return Err(NOTHING) };
    let (info, from) = (first.head.info, first.first);
    let rate_hz = info.rate_hz;
    let shape = |stretch: &Stretch| (stretch.head.info.rate_hz, stretch.head.info.channels, stretch.head.info.bits);
    if stretches.iter().any(|stretch| shape(stretch) != shape(first)) {
        return Err(DIFFERENT);
    }
    let seconds: u64 = wanted.iter().map(|(_, range)| range.frames(1)).map(|(from, to)| (to - from).min(1 << 20) + 1).sum();
    let rate = Rate::new(rate_hz).ok_or(Flaw::Unsupported("a rate above 768 000 Hz"))?;
    let mut table = SeekTable::new(rate, points_for(seconds));
    let mut plan = Plan { header: Vec::new(), stretches };
    let (mut frames, mut bytes, mut sizes) = (0, 0, (u32::MAX, 0));
    // Of the last file, for the end of the range.
    let mut ended = (usize::MAX, 0);
    plan.each(&files, &mut |number, coded, samples| {
        table.push(frames, bytes, samples);
        frames += u64::from(samples);
        ended = (number, if ended.0 == number { ended.1 } else { 0 } + u64::from(samples));
        let size = coded.iter().map(|part| <[u8]>::len(part)).sum::<usize>();
        bytes += size as u64;
        sizes = (sizes.0.min(size as u32), sizes.1.max(size as u32)); // about 2 MB at most
        Ok(())
    })?;
    if frames == 0 {
        return Err(NOTHING);
    }
    let end = Final { frames, min_frame_bytes: sizes.0, max_frame_bytes: sizes.1, md5: [0; 16] };
    plan.header = header(file, &plan, &end, &table)?;
    let to = plan.stretches.get(ended.0).map_or(from, |stretch| stretch.first) + ended.1;
    let bytes = plan.header.len() as u64 + bytes;
    Ok(Found { from, to, frames, rate_hz, bytes, plan: AnyPlan::Flac(Box::new(plan)) })
}

fn stretch(file: &dyn ReadAt, range: Range) -> Result<Stretch, Flaw> {
    let head = parse(file)?;
    let base = first_frame(file, &head)?;
    let (from, to) = range.frames(head.info.rate_hz);
    let first = locate(file, &head, from.saturating_add(base))?.ok_or(NOTHING)?;
    if first.first.saturating_sub(base) >= to {
        return Err(NOTHING); // it fell into a hole
    }
    let end = match locate(file, &head, to.saturating_add(base) - 1)? {
        // In a hole the next one is found, which is behind the range.
        Some(last) if last.first < to.saturating_add(base) => last.next_at(),
        Some(behind) => behind.at,
        None => file.len()?,
    };
    Ok(Stretch { head, from: first.at, to: end, first: first.first.saturating_sub(base) })
}

/// The number of the file, the parts of a coded frame, and its samples.
type Each<'a> = dyn FnMut(usize, &[&[u8]], u32) -> Result<(), Flaw> + 'a;

impl Plan {
    pub fn write(&self, files: &[&dyn ReadAt], out: &mut Sink) -> Result<(), Flaw> {
        out(&self.header)?;
        self.each(files, &mut |_, coded, _| Ok(coded.iter().try_for_each(|part| out(part))?))
    }

    /// Several files: their last coded frames are shorter, so that numbers count samples.
    fn is_joined(&self) -> bool {
        self.stretches.len() > 1
    }

    /// Every coded frame as it will be. Damaged ones are left out, and the numbers close up.
    fn each(&self, files: &[&dyn ReadAt], each: &mut Each) -> Result<(), Flaw> {
        let (mut count, mut samples) = (0, 0_u64);
        for (n, (stretch, file)) in self.stretches.iter().zip(files).enumerate() {
            let mut walk = Walk::new(*file, &stretch.head)?;
            walk.jump(stretch.from);
            while let Some(place) = walk.next_place()?.filter(|place| place.at < stretch.to) {
                let header = place.coded.header;
                let variable = header.variable || self.is_joined();
                let (header, number) = (FrameHeader { variable, ..header }, if variable { samples } else { count });
                let Some((head, body)) = renumbered(walk.bytes_of(&place), &header, number) else { continue };
                let crc = crc16(crc16(0, &head), body).to_be_bytes();
                each(n, &[&head, body, &crc], header.block_size)?;
                count += 1;
                samples += u64::from(header.block_size);
            }
        }
        Ok(())
    }

    /// What STREAMINFO says of the coded frames.
    fn info(&self, end: &Final) -> Option<StreamInfo> {
        let info = self.stretches.first()?.head.info.finished(end);
        let longest = self.stretches.iter().map(|stretch| stretch.head.info.max_block).max().unwrap_or_default();
        // Equal numbers would say that blocks are equal.
        Some(if self.is_joined() { StreamInfo { min_block: 16, max_block: longest.max(17), ..info } } else { info })
    }
}

/// STREAMINFO with the new length and without MD5, what of the metadata still holds, the new seek table.
fn header(file: &dyn ReadAt, plan: &Plan, end: &Final, table: &SeekTable) -> Result<Vec<u8>, Flaw> {
    let (info, first) = plan.info(end).zip(plan.stretches.first()).ok_or(NOTHING)?;
    let mut out = b"fLaC\0\0\0\x22".to_vec();
    out.extend_from_slice(&info.bytes());
    let mut at = 4_u64;
    while at < first.head.audio_at {
        let mut block = [0; 4];
        if fill_at(file, at, &mut block)? < 4 {
            break;
        }
        let length = u32::from_be_bytes([0, block[1], block[2], block[3]]) as usize;
        let kept = KEPT.contains(&(block[0] & !LAST)) && out.len() + length <= MAX_METADATA_BYTES;
        if kept {
            let start = out.len();
            out.extend_from_slice(&[block[0] & !LAST, block[1], block[2], block[3]]);
            out.resize(start + 4 + length, 0);
            if fill_at(file, at + 4, &mut out[start + 4..])? < length {
                out.truncate(start);
                break;
            }
        }
        at += 4 + length as u64;
    }
    out.extend_from_slice(&seek_block(table.len(), table));
    Ok(out)
}
