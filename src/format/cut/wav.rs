//! WAV: the header of the first file with other sizes, then whole frames.

use super::super::wav::{Parsed, parse};
use super::super::{Flaw, ReadAt, fill_at};
use super::{DIFFERENT, Found, NOTHING, Plan, Wanted};

/// A header that is longer holds more than a header.
const MAX_HEADER_BYTES: u64 = 1 << 20;

pub fn plan(wanted: &[Wanted]) -> Result<Found, Flaw> {
    let (mut first, mut ranges) = (None::<(Parsed, u64)>, Vec::new());
    let (mut frames, mut end) = (0, 0);
    for &(file, range) in wanted {
        let parsed = parse(file)?;
        let (from, to) = range.frames(parsed.rate_hz);
        let (from, to) = (from, to.min(parsed.frames()));
        if from >= to {
            return Err(NOTHING);
        }
        if first.as_ref().is_some_and(|(first, _)| shape(first) != shape(&parsed)) {
            return Err(DIFFERENT);
        }
        let at = |frame: u64| parsed.data_at + frame * parsed.frame_bytes();
        ranges.push((at(from), at(to)));
        (frames, end) = (frames + to - from, to);
        first.get_or_insert((parsed, from));
    }
    let ((parsed, from), &(file, _)) = first.zip(wanted.first()).ok_or(NOTHING)?;
    let data = frames * parsed.frame_bytes();
    let pad = data % 2 == 1;
    let head = head(file, &parsed, data)?;
    let bytes = head.len() as u64 + data + u64::from(pad);
    let plan = Plan::Ranges { head, ranges, pad };
    Ok(Found { from, to: end, frames, rate_hz: parsed.rate_hz, bytes, plan })
}

/// What must be the same in files that are joined.
fn shape(parsed: &Parsed) -> impl PartialEq {
    (parsed.kind, parsed.channels, parsed.rate_hz, parsed.bits, parsed.container_bytes, parsed.extensible)
}

fn head(file: &dyn ReadAt, parsed: &Parsed, data: u64) -> Result<Vec<u8>, Flaw> {
    if parsed.data_at > MAX_HEADER_BYTES {
        return Err(Flaw::Unsupported("a WAV with more than a megabyte before its samples"));
    }
    let mut head = vec![0; parsed.data_at as usize];
    let have = fill_at(file, 0, &mut head)?;
    head.truncate(have);
    let (Ok(riff), Ok(data)) = (u32::try_from(head.len() as u64 + data + data % 2 - 8), u32::try_from(data)) else {
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
    Ok(head)
}
