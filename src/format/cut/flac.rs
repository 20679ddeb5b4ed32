//! FLAC: coded frames numbered anew, below the metadata of the file.

use super::super::crc::crc16;
use super::super::flac::{Final, Head, SeekTable, Walk, first_frame, locate, parse, points_for, seek_block};
use super::super::stream::flac::renumbered;
use super::super::{Flaw, ReadAt, fill_at};
use super::{Found, NOTHING, Plan as AnyPlan, Range, Sink};
use crate::time::Rate;

/// Metadata beyond it (pictures, mostly) is left out.
const MAX_METADATA_BYTES: usize = 1 << 20;

/// Kinds of metadata blocks (RFC 9639 section 8.1) that hold for a part as well: APPLICATION, VORBIS_COMMENT, PICTURE.
const KEPT: [u8; 3] = [2, 4, 6];
const LAST: u8 = 0x80;

#[derive(Debug)]
pub struct Plan {
    header: Vec<u8>,
    head: Head,
    /// The first coded frame, and where the last one ends.
    from: u64,
    to: u64,
}

pub fn plan(file: &dyn ReadAt, range: Range) -> Result<Found, Flaw> {
    let head = parse(file)?;
    let rate_hz = head.info.rate_hz;
    let base = first_frame(file, &head)?;
    let (from, to) = range.frames(rate_hz);
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
    let mut plan = Plan { header: Vec::new(), head, from: first.at, to: end };
    let seconds = (to - from) / u64::from(rate_hz) + 1;
    let rate = Rate::new(rate_hz).ok_or(Flaw::Unsupported("a rate above 768 000 Hz"))?;
    let mut table = SeekTable::new(rate, points_for(seconds.min(1 << 20)));
    let (mut frames, mut bytes, mut sizes) = (0, 0, (u32::MAX, 0));
    plan.each(file, &mut |coded, samples| {
        table.push(frames, bytes, samples);
        frames += u64::from(samples);
        let size = coded.iter().map(|part| <[u8]>::len(part)).sum::<usize>();
        bytes += size as u64;
        sizes = (sizes.0.min(size as u32), sizes.1.max(size as u32)); // about 2 MB at most
        Ok(())
    })?;
    if frames == 0 {
        return Err(NOTHING);
    }
    let end = Final { frames, min_frame_bytes: sizes.0, max_frame_bytes: sizes.1, md5: [0; 16] };
    plan.header = header(file, &plan.head, &end, &table)?;
    let from = first.first.saturating_sub(base);
    let bytes = plan.header.len() as u64 + bytes;
    Ok(Found { from, to: from + frames, frames, rate_hz, bytes, plan: AnyPlan::Flac(Box::new(plan)) })
}

/// The parts of a coded frame, and its samples.
type Each<'a> = dyn FnMut(&[&[u8]], u32) -> Result<(), Flaw> + 'a;

impl Plan {
    pub fn write(&self, file: &dyn ReadAt, out: &mut Sink) -> Result<(), Flaw> {
        out(&self.header)?;
        self.each(file, &mut |coded, _| Ok(coded.iter().try_for_each(|part| out(part))?))
    }

    /// Every coded frame as it will be. Damaged ones are left out, and the numbers close up.
    fn each(&self, file: &dyn ReadAt, each: &mut Each) -> Result<(), Flaw> {
        let mut walk = Walk::new(file, &self.head)?;
        walk.jump(self.from);
        let (mut count, mut samples) = (0, 0_u64);
        while let Some(place) = walk.next_place()?.filter(|place| place.at < self.to) {
            let header = place.coded.header;
            let number = if header.variable { samples } else { count };
            let Some((head, body)) = renumbered(walk.bytes_of(&place), &header, number) else { continue };
            let crc = crc16(crc16(0, &head), body).to_be_bytes();
            each(&[&head, body, &crc], header.block_size)?;
            count += 1;
            samples += u64::from(header.block_size);
        }
        Ok(())
    }
}

/// STREAMINFO with the new length and without MD5, what of the metadata still holds, the new seek table.
fn header(file: &dyn ReadAt, head: &Head, end: &Final, table: &SeekTable) -> Result<Vec<u8>, Flaw> {
    let mut out = b"fLaC\0\0\0\x22".to_vec();
    out.extend_from_slice(&head.info.finished(end).bytes());
    let mut at = 4_u64;
    while at < head.audio_at {
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
