//! A stream recording read from its start to its end through a window of fixed size: for repair and for verification.

use std::io::{self, Read};

use super::{Framer, Framing, Skipped, Step, Unit};
use crate::message::Container;

/// Bytes read at a time, beside the framer's window.
const READ_BYTES: usize = 256 << 10;

pub(super) struct Walk<R> {
    reader: R,
    framer: Framer,
    buf: Vec<u8>,
    /// start <= end <= buf.len()
    start: usize,
    end: usize,
    at_end: bool,
}

/// What comes next in the file.
pub(super) enum Piece {
    /// `made_up`: we put it in front, and it is no frame of the stream.
    Unit {
        unit: Unit,
        made_up: bool,
    },
    Skip(Skipped),
}

impl<R: Read> Walk<R> {
    /// Only MP3 and ADTS are walked: both are frames and nothing else.
    pub fn new(container: Container, reader: R) -> Walk<R> {
        let framer = Framer::new(if container == Container::Mp3 { Framing::Mp3 } else { Framing::Adts });
        let buf = vec![0; READ_BYTES + framer.window_bytes()];
        Walk { reader, framer, buf, start: 0, end: 0, at_end: false }
    }

    /// The next piece and its length; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<(Piece, usize)>> {
        loop {
            let bytes = &self.buf[self.start..self.end];
            let (piece, length) = match self.framer.step(bytes, self.at_end) {
                Step::More if self.at_end => return Ok(None),
                Step::More => {
                    self.refill()?;
                    continue;
                }
                Step::Skip { bytes, what } => (Piece::Skip(what), bytes),
                // Neither has any.
                Step::Headers { bytes } => (Piece::Skip(Skipped::Tag), bytes),
                Step::Unit(unit) => {
                    let frame = bytes.get(..unit.bytes).unwrap_or(&[]);
                    let made_up = matches!(self.framer, Framer::Mp3(_))
                        && super::super::mp3::Header::parse(frame).is_some_and(|header| header.is_made_up(frame));
                    (Piece::Unit { unit, made_up }, unit.bytes)
                }
            };
            self.start = (self.start + length).min(self.end);
            return Ok(Some((piece, length)));
        }
    }

    /// Moves what is left to the front and fills the rest.
    fn refill(&mut self) -> io::Result<()> {
        self.buf.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < self.buf.len() {
            match self.reader.read(&mut self.buf[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(n) => self.end += n.min(self.buf.len() - self.end),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
