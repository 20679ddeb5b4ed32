//! What repair must do with a WAV that was not closed. Its header's data size is the part that the last sync made safe;
//! what follows was written after it, and is kept as far as it goes in whole frames.

use std::io;

use super::super::mend::{Kept, Mend, NOT_OURS, SPOILT, only_zeros};
use super::super::{Flaw, ReadAt, fill_at};
use super::parse::{ENDS_IN_HEADER, Parsed, parse};
use super::{data_bytes_at, pad_bytes, size_patches};

pub fn mend(file: &dyn ReadAt) -> io::Result<Mend> {
    match parse(file) {
        Ok(parsed) if !parsed.ours || !parsed.is_plain() || parsed.rf64 => Ok(Mend::Foreign(NOT_OURS)),
        Ok(parsed) => keep(file, parsed),
        Err(Flaw::Io(e)) => Err(e),
        Err(Flaw::IllFormed(ENDS_IN_HEADER)) if !has_samples_somewhere(file)? => Ok(Mend::Empty),
        Err(_) if only_zeros(file)? => Ok(Mend::Empty),
        Err(_) => Ok(Mend::Foreign(SPOILT)),
    }
}

fn keep(file: &dyn ReadAt, parsed: Parsed) -> io::Result<Mend> {
    let Ok(header_bytes) = u32::try_from(parsed.data_at) else { return Ok(Mend::Foreign(SPOILT)) };
    let (frame_bytes, file_bytes) = (parsed.frame_bytes(), parsed.file_bytes);
    let there = file_bytes.saturating_sub(parsed.data_at);
    let sure_frames = there.min(parsed.claim.unwrap_or(0)) / frame_bytes;
    if is_closed(file, &parsed)? {
        let frames = parsed.frames();
        let kept = Kept {
            keep_bytes: file_bytes,
            patches: Vec::new(),
            frames,
            sure_frames,
            identity: parsed.identity,
            complete: true,
            sound_behind: false,
        };
        return Ok(Mend::Keep(kept));
    }
    let data = data_bytes_at(header_bytes, file_bytes, frame_bytes as usize); // at most 24
    if data == 0 {
        return Ok(Mend::Empty);
    }
    let keep_bytes = parsed.data_at + u64::from(data);
    let mut patches: Vec<_> =
        size_patches(header_bytes, keep_bytes, frame_bytes as usize).into_iter().map(|(at, size)| (at, size.to_vec())).collect();
    if pad_bytes(data) == 1 {
        patches.push((keep_bytes, vec![0]));
    }
    let frames = u64::from(data) / frame_bytes;
    let sure_frames = sure_frames.min(frames);
    Ok(Mend::Keep(Kept {
        keep_bytes,
        patches,
        frames,
        sure_frames,
        identity: parsed.identity,
        complete: false,
        sound_behind: false,
    }))
}

/// Both sizes are right for this length, the pad byte is there and is one: nothing is left to do.
fn is_closed(file: &dyn ReadAt, parsed: &Parsed) -> io::Result<bool> {
    let (data, pad) = (u64::from(parsed.data_says), pad_bytes(parsed.data_says));
    let end = parsed.data_at + data;
    if data == 0 || data % parsed.frame_bytes() != 0 || end + u64::from(pad) != parsed.file_bytes {
        return Ok(false);
    }
    let mut byte = [0];
    fill_at(file, end, &mut byte)?;
    Ok(u64::from(parsed.riff_says) + 8 == parsed.file_bytes && byte == [0])
}

/// A file that ends in its header holds no sound, unless a size in the header is spoilt and leads past it: then format and
/// data stand somewhere behind, side by side as we write them.
fn has_samples_somewhere(file: &dyn ReadAt) -> io::Result<bool> {
    let mut head = vec![0; 128 << 10];
    let have = fill_at(file, 0, &mut head)?;
    let follows = |rest: &[u8], bytes: usize| rest.len() > 16 + bytes && rest[8 + bytes..].starts_with(b"data");
    Ok((0..have).map(|at| &head[at..have]).any(|rest| rest.starts_with(b"fmt ") && (follows(rest, 16) || follows(rest, 40))))
}
