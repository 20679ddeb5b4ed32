//! What repair must do with a stream recording that was not closed, and how a finished one is checked.
//!
//! Such a file has no header of ours: who it is stands in the sidecar that was written when it was opened. It is kept up to
//! its last whole frame. Damage before that stays, since every player finds its way past it and cutting there would cost the
//! sound behind.

use std::io::{self, Read};

use super::super::mend::{Kept, Mend};
use super::super::{Broken, Flaw, Md5, ReadAt, Verified, flac};
use super::Skipped;
use super::walk::{Piece, Walk};
use crate::message::Container;

pub fn mend(container: Container, file: &dyn ReadAt) -> io::Result<Mend> {
    match container {
        Container::Mp3 | Container::Aac => frames(container, file),
        Container::Ogg | Container::Opus => super::ogg::mend(file),
        Container::Wav | Container::Flac => super::super::mend::mend(container, file),
    }
}

/// What a frame is depends a little on what stands behind it: what is kept is looked at again as it will be.
const PASSES: usize = 16;

fn frames(container: Container, file: &dyn ReadAt) -> io::Result<Mend> {
    let mut kept = pass(container, file, u64::MAX)?;
    let complete = kept.complete;
    for _ in 0..PASSES {
        let again = pass(container, file, kept.keep_bytes)?;
        let settled = again.keep_bytes == kept.keep_bytes;
        kept = Kept { complete, ..again };
        if settled {
            break;
        }
    }
    Ok(if kept.frames == 0 { Mend::Empty } else { Mend::Keep(kept) })
}

/// As if the file ended at `end`.
fn pass(container: Container, file: &dyn ReadAt, end: u64) -> io::Result<Kept> {
    let mut walk = Walk::new(container, Reader { file, at: 0 }.take(end));
    let (mut at, mut keep_bytes, mut count, mut garbage) = (0, 0, Count::default(), false);
    while let Some((piece, bytes)) = walk.next()? {
        // What stands behind the last frame and is no damage was evidence for it.
        let tag_behind = keep_bytes == at && matches!(piece, Piece::Skip(Skipped::Tag));
        at += bytes as u64;
        if count.push(&piece) || tag_behind {
            keep_bytes = at;
        }
        garbage |= matches!(piece, Piece::Skip(Skipped::Garbage));
    }
    Ok(Kept {
        keep_bytes,
        patches: Vec::new(),
        frames: count.frames,
        sure_frames: count.frames,
        identity: None,
        complete: keep_bytes == at && !garbage,
        sound_behind: false,
    })
}

/// Frames of the stream; one that we made up may stand in front of the first and is none.
#[derive(Default)]
struct Count {
    frames: u64,
    /// Of what looks made up at the start, until what follows reaches back into it.
    in_doubt: u64,
    begun: bool,
}

impl Count {
    /// Whether it was sound.
    fn push(&mut self, piece: &Piece) -> bool {
        let Piece::Unit { unit, made_up } = *piece else { return false };
        let frames = u64::from(unit.frames);
        if !self.begun && made_up {
            self.in_doubt = frames;
        } else {
            if unit.entry {
                self.frames += self.in_doubt;
            }
            self.in_doubt = 0;
            self.frames += frames;
        }
        self.begun = true;
        true
    }
}

/// Memory is one window. MP3 and AAC carry no checksum of their samples: frame must follow frame to the end, and tags may
/// stand between them.
pub fn verify(container: Container, reader: impl Read) -> Result<Verified, Broken> {
    match container {
        Container::Mp3 | Container::Aac => verify_frames(container, reader),
        Container::Flac => flac::verify(reader),
        Container::Ogg | Container::Opus => super::ogg::verify(reader),
        Container::Wav => Err(Broken::at(0, Flaw::Unsupported("a WAV is no stream"))),
    }
}

fn verify_frames(container: Container, reader: impl Read) -> Result<Verified, Broken> {
    let mut walk = Walk::new(container, reader);
    let mut count = Count::default();
    while let Some((piece, _)) = walk.next().map_err(|e| Broken::at(count.frames, e))? {
        if let Piece::Skip(Skipped::Garbage) = piece {
            return Err(Broken::at(count.frames, Flaw::IllFormed("bytes that are no whole frame")));
        }
        count.push(&piece);
    }
    match count.frames {
        0 => Err(Broken::at(0, Flaw::IllFormed("there is no frame in it"))),
        frames => Ok(Verified { frames, md5: Md5::Absent }),
    }
}

/// A file read from its start.
struct Reader<'a> {
    file: &'a dyn ReadAt,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(self.at, buf)?;
        self.at = self.at.saturating_add(n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MPEG-1 at 44.1 kHz and 128 kbit/s, stereo: 417 bytes, reaching back so far.
    fn frame(reach: u8, private: bool) -> Vec<u8> {
        let mut frame = vec![0; 417];
        frame[..6].copy_from_slice(&[0xFF, 0xFB, 0x90 | u8::from(private), 0, reach / 2, (reach & 1) << 7 | 1]);
        if private {
            frame[5] = 0;
        }
        frame
    }

    fn check(pieces: &[&[u8]], want: Option<(usize, u64, bool)>) {
        let file = pieces.concat();
        let got = match mend(Container::Mp3, &file).expect("readable") {
            Mend::Keep(kept) => Some((kept.keep_bytes as usize, kept.frames, kept.complete)),
            Mend::Empty => None,
            Mend::Foreign(why) => panic!("{why}"),
        };
        assert_eq!(got, want);
        let verified = verify(Container::Mp3, file.as_slice()).ok().map(|v| v.frames);
        assert_eq!(verified, want.filter(|w| w.2).map(|w| w.1));
        if let Some((keep, frames, _)) = want {
            let Ok(Mend::Keep(again)) = mend(Container::Mp3, &&file[..keep]) else { panic!("kept") };
            assert_eq!((again.keep_bytes as usize, again.frames), (keep, frames), "mended twice");
        }
    }

    #[test]
    fn mp3_files() {
        let (plain, back, made) = (&frame(0, false)[..], &frame(100, false)[..], &frame(0, true)[..]);
        check(&[], None);
        check(&[&[0; 5_000]], None);
        check(&[plain], Some((417, 1_152, true)));
        check(&[plain, back, plain], Some((1_251, 3_456, true)));
        check(&[plain, back, &plain[..400]], Some((834, 2_304, false)));
        check(&[plain, back, &[0; 4_096]], Some((834, 2_304, false)));
        check(&[plain, back, &[0; 4_096], plain, plain], Some((5_764, 4_608, false)));
        check(&[made, back, plain], Some((1_251, 2_304, true)));
        check(&[made, plain, plain], Some((1_251, 3_456, true)));
        check(&[&plain[..400]], None);
        // A single frame of another kind before a tag, which is cut off: it would not be kept without it either.
        let mut other = vec![0; 192];
        other[..4].copy_from_slice(&[0xFF, 0xFB, 0x54, 0]);
        check(&[plain, back, &other, b"TAG", &[0; 125]], Some((834, 2_304, false)));
        check(&[made], None);
    }
}
