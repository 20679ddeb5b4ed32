//! WAV: the same header with other sizes, then whole frames.

use super::super::wav::parse;
use super::super::{Flaw, ReadAt, fill_at};
use super::{Found, NOTHING, Plan, Range};

/// A header that is longer holds more than a header.
const MAX_HEADER_BYTES: u64 = 1 << 20;

pub fn plan(file: &dyn ReadAt, range: Range) -> Result<Found, Flaw> {
    let parsed = parse(file)?;
    let (from, to) = range.frames(parsed.rate_hz);
    let (from, to) = (from, to.min(parsed.frames()));
    if from >= to {
        return Err(NOTHING);
    }
    if parsed.data_at > MAX_HEADER_BYTES {
        return Err(Flaw::Unsupported("a WAV with more than a megabyte before its samples"));
    }
    let mut head = vec![0; parsed.data_at as usize];
    let have = fill_at(file, 0, &mut head)?;
    head.truncate(have);
    let data = (to - from) * parsed.frame_bytes();
    let pad = data % 2 == 1;
    let bytes = head.len() as u64 + data + u64::from(pad);
    let (Ok(riff), Ok(data)) = (u32::try_from(bytes - 8), u32::try_from(data)) else {
        return Err(Flaw::Unsupported("a cut of more than 4 GiB"));
    };
    let size_at = head.len() - 4; // `parse` walked over 20 bytes at least
    head[4..8].copy_from_slice(&riff.to_le_bytes());
    head[size_at..].copy_from_slice(&data.to_le_bytes());
    if parsed.rf64 {
        // Sizes of 64 bits are not needed any more, and would be wrong.
        head[..4].copy_from_slice(b"RIFF");
        if head.get(12..16) == Some(b"ds64") {
            head[12..16].copy_from_slice(b"JUNK");
        }
    }
    let at = |frame: u64| parsed.data_at + frame * parsed.frame_bytes();
    let plan = Plan::Range { head, from: at(from), to: at(to), pad };
    Ok(Found { from, to, frames: to - from, rate_hz: parsed.rate_hz, bytes, plan })
}
