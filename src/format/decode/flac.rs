//! FLAC to samples by libFLAC, with our own way of finding a place: see `flac::locate`.

use super::super::flac::{Head, first_frame, locate, parse, total_frames};
use super::super::flac_door::FlacDecoder;
use super::super::stream::tag_bytes;
use super::super::{Flaw, ReadAt};
use super::{Block, File, Info, Source};
use crate::message::Container;

pub struct Flac {
    decoder: FlacDecoder,
    head: Head,
    info: Info,
    /// Position that the file's own numbers give its first frame: 0, but for a stream that was joined in its middle.
    base: u64,
}

impl Flac {
    pub fn open(file: File) -> Result<Flac, Flaw> {
        let file = without_tag(file)?;
        let head = parse(&*file)?;
        let base = first_frame(&*file, &head)?;
        let frames = match head.info.frames {
            0 => total_frames(&*file, &head)?.map(|end| end.saturating_sub(base)),
            told => Some(told),
        };
        let info = Info {
            rate_hz: head.info.rate_hz,
            channels: head.info.channels,
            bits: head.info.bits.min(24),
            frames,
            container: Container::Flac,
        };
        let decoder = FlacDecoder::new(file, &head.info, head.audio_at).map_err(Flaw::Unsupported)?;
        Ok(Flac { decoder, head, info, base })
    }
}

impl Source for Flac {
    fn info(&self) -> Info {
        self.info
    }

    fn next(&mut self, block: &mut Block) -> Result<bool, Flaw> {
        let Some(first) = self.decoder.next(&mut block.samples)? else { return Ok(false) };
        block.fill(first.saturating_sub(self.base), self.info.channels);
        Ok(true)
    }

    fn seek(&mut self, frame: u64) -> Result<(), Flaw> {
        let place = locate(self.decoder.file(), &self.head, frame.saturating_add(self.base))?;
        self.decoder.jump(match place {
            Some(place) => place.at,
            None => self.decoder.file().len()?,
        });
        Ok(())
    }

    fn measure(&mut self) -> Result<u64, Flaw> {
        let end = total_frames(self.decoder.file(), &self.head)?;
        Ok(end.unwrap_or(self.base).saturating_sub(self.base))
    }
}

/// Some programs put an ID3 tag before a FLAC file.
fn without_tag(file: File) -> Result<File, Flaw> {
    let by = tag_bytes(&*file, 0)?;
    Ok(if by == 0 { file } else { Box::new(Behind { file, by }) })
}

/// A file without its first bytes.
struct Behind {
    file: File,
    by: u64,
}

impl ReadAt for Behind {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.file.len()?.saturating_sub(self.by))
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.file.read_at(at.saturating_add(self.by), buf)
    }
}
