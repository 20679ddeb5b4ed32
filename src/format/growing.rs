//! What a file that is being recorded looks like to somebody who reads it now: a header that knows the length so far, and
//! bytes up to the last whole unit. The file itself is not touched.

use super::decode::{Kind, kind};
use super::flac::{Final, last_coded_frame, parse};
use super::stream::Framing;
use super::stream::ogg::last_page_end;
use super::wav::{data_bytes_at, parse as parse_wav, size_patches};
use super::{Flaw, ReadAt, fill_at};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growing {
    /// Stands in the place of that many bytes at the start of the file.
    pub head: Vec<u8>,
    /// Bytes to serve, head included.
    pub len: u64,
    /// Where the format says it cheaply.
    pub frames: Option<u64>,
}

/// A header that is longer is served as it is.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// `extension` as in [`decode::open`](super::decode::open()).
pub fn growing(file: &dyn ReadAt, extension: &str) -> Result<Growing, Flaw> {
    match kind(file, extension)? {
        Kind::Wav => wav(file),
        Kind::Framed(Framing::Flac) => flac(file),
        Kind::Framed(Framing::Ogg) => Ok(Growing { head: Vec::new(), len: last_page_end(file)?, frames: None }),
        // Frames without numbers: players pass over one that is torn.
        Kind::Framed(Framing::Mp3 | Framing::Adts) => Ok(Growing { head: Vec::new(), len: file.len()?, frames: None }),
    }
}

fn wav(file: &dyn ReadAt) -> Result<Growing, Flaw> {
    let parsed = parse_wav(file)?;
    let Some(header_bytes) = u32::try_from(parsed.data_at).ok().filter(|&n| u64::from(n) <= MAX_HEADER_BYTES && !parsed.rf64)
    else {
        return Ok(Growing { head: Vec::new(), len: parsed.file_bytes, frames: Some(parsed.frames()) });
    };
    let frame_bytes = parsed.frame_bytes() as usize; // at most 255 * 8, or a few more
    let data = data_bytes_at(header_bytes, parsed.file_bytes, frame_bytes);
    let mut head = vec![0; header_bytes as usize];
    let have = fill_at(file, 0, &mut head)?;
    head.truncate(have);
    let len = parsed.data_at + u64::from(data);
    for (at, size) in size_patches(header_bytes, len, frame_bytes) {
        if let Some(place) = head.get_mut(at as usize..at as usize + 4) {
            place.copy_from_slice(&size);
        }
    }
    Ok(Growing { head, len, frames: Some(u64::from(data) / frame_bytes.max(1) as u64) })
}

fn flac(file: &dyn ReadAt) -> Result<Growing, Flaw> {
    let parsed = parse(file)?;
    let last = last_coded_frame(file, &parsed)?;
    let (frames, len) = last.map_or((0, parsed.audio_at), |place| (place.end(), place.next_at()));
    let mut head = vec![0; parsed.streaminfo_at as usize];
    fill_at(file, 0, &mut head)?;
    let info = parsed.info;
    let end = Final { frames, min_frame_bytes: info.min_frame_bytes, max_frame_bytes: info.max_frame_bytes, md5: [0; 16] };
    head.extend_from_slice(&info.finished(&end).bytes());
    Ok(Growing { head, len, frames: Some(frames) })
}
