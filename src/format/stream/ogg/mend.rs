//! What repair must do with an Ogg file that was not closed: keep it up to its last whole page of sound whose number goes on
//! from the start, and mark that page as the last.

use std::io::{self, Read};

use super::super::super::mend::{Kept, Mend, SPOILT, only_zeros};
use super::super::super::{ReadAt, fill_at};
use super::super::{Skipped, Step};
use super::WINDOW_BYTES;
use super::page::{HEADER_BYTES, Page, Parse, bytes_to_next, with_eos};
use super::scan::{Found, Scan};

/// The last good page of sound.
struct Last {
    at: u64,
    bytes: usize,
    header: [u8; HEADER_BYTES],
    eos: bool,
}

pub fn mend(file: &dyn ReadAt) -> io::Result<Mend> {
    let mut scan = Scan::new(Reader { file, at: 0 });
    let (mut frames, mut last) = (0_u64, None::<Last>);
    while let Some(Found { at, bytes, step, header }) = scan.next()? {
        match step {
            Step::Skip { what: Skipped::Garbage, .. } => break,
            Step::Skip { what: Skipped::Tag, .. } | Step::More => {}
            Step::Headers { .. } if last.as_ref().is_some_and(|last| !last.eos) => break, // no file of ours goes on so
            Step::Headers { .. } => {}
            Step::Unit(unit) => {
                let sound = scan.framer.sound().unwrap_or_default();
                if sound.hole {
                    break;
                }
                frames += u64::from(unit.frames);
                last = Some(Last { at, bytes, header, eos: sound.eos });
            }
        }
    }
    drop(scan);
    match last {
        Some(last) => keep(file, frames, &last).map(Mend::Keep),
        None => nothing(file),
    }
}

fn keep(file: &dyn ReadAt, frames: u64, last: &Last) -> io::Result<Kept> {
    let keep_bytes = last.at + last.bytes as u64;
    let patches = if last.eos { Vec::new() } else { vec![(last.at, with_eos(last.header, last.bytes).to_vec())] };
    Ok(Kept {
        keep_bytes,
        complete: patches.is_empty() && file.len()? == keep_bytes,
        patches,
        frames,
        sure_frames: frames,
        identity: None,
        sound_behind: has_sound(file, keep_bytes)?,
    })
}

/// No page of sound at its start: torn headers are worth nothing, but sound behind spoilt ones is.
fn nothing(file: &dyn ReadAt) -> io::Result<Mend> {
    let mut start = [0; 4];
    let have = fill_at(file, 0, &mut start)?;
    if have == 0 || only_zeros(file)? {
        return Ok(Mend::Empty);
    }
    let ogg = b"OggS".starts_with(&start[..have]);
    Ok(if !ogg || has_sound(file, 0)? { Mend::Foreign(SPOILT) } else { Mend::Empty })
}

/// Whether a whole page with a position stands anywhere from `at` on; header pages have none, or 0.
fn has_sound(file: &dyn ReadAt, mut at: u64) -> io::Result<bool> {
    let mut buf = vec![0; 2 * WINDOW_BYTES];
    loop {
        let have = fill_at(file, at, &mut buf)?;
        let at_end = have < buf.len();
        let mut rest = &buf[..have];
        // As long as a whole page would be seen.
        while rest.len() > if at_end { 0 } else { WINDOW_BYTES } {
            let passed = match Page::parse(rest) {
                Parse::Yes(page) if page.granule.is_some_and(|granule| granule > 0) => return Ok(true),
                Parse::Yes(page) => page.bytes(),
                Parse::No | Parse::More => bytes_to_next(rest, at_end).min(rest.len()),
            };
            rest = &rest[passed..];
        }
        if at_end {
            return Ok(false);
        }
        at += (have - rest.len()) as u64;
    }
}

struct Reader<'a> {
    file: &'a dyn ReadAt,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let have = self.file.read_at(self.at, buf)?;
        self.at += have as u64;
        Ok(have)
    }
}
