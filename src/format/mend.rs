//! What repair must do with an unfinished recording: decided here from its bytes alone, done by the store.
//!
//! Mending what was mended changes nothing, no whole frame is given up before the first damaged one, and a file whose header
//! was destroyed is left alone. Memory is a fixed window; the file is read once from its start to its end.

use std::io;

use super::{ReadAt, fill_at, flac, stream, wav};
use crate::message::{Container, Identity};

#[derive(Clone, Debug, PartialEq)]
pub enum Mend {
    /// There is no whole frame of audio in it: it may be removed.
    Empty,
    /// Not ours, or its header is destroyed: leave it alone. One clause that says why.
    Foreign(&'static str),
    Keep(Kept),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Truncate to this.
    pub keep_bytes: u64,
    /// Write these after truncating: (offset, bytes). A pad byte is one of them.
    pub patches: Vec<(u64, Vec<u8>)>,
    pub frames: u64,
    /// sure_frames <= frames. WAV: what the header of the last sync vouches for. FLAC: all, by their checksums.
    pub sure_frames: u64,
    /// `None` when the header is ours but its facts cannot be read.
    pub identity: Option<Identity>,
    /// It was finished already, header and all: only the new name is missing. A WAV that was cut off exactly
    /// after a sync looks the same.
    pub complete: bool,
    /// FLAC: later coded frames of this recording lie behind the damage at `keep_bytes`, more than a torn end: whoever
    /// truncates should keep a copy of the rest first.
    pub sound_behind: bool,
}

pub fn mend(container: Container, file: &dyn ReadAt) -> io::Result<Mend> {
    match container {
        Container::Wav => wav::mend(file),
        Container::Flac => flac::mend(file),
        Container::Mp3 | Container::Aac | Container::Ogg | Container::Opus => stream::mend::mend(container, file),
    }
}

pub(super) const NOT_OURS: &str = "it was not written by soundpost";
pub(super) const SPOILT: &str = "its header is destroyed";

/// A file that was given its length but none of its bytes before the power went.
pub(super) fn only_zeros(file: &dyn ReadAt) -> io::Result<bool> {
    let mut at = 0;
    let mut buf = vec![0; 64 << 10];
    loop {
        let have = fill_at(file, at, &mut buf)?;
        if buf[..have].iter().any(|&b| b != 0) {
            return Ok(false);
        }
        if have < buf.len() {
            return Ok(true);
        }
        at += have as u64;
    }
}
