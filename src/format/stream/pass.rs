//! A stream on its way through: its bytes as they came, with the places at which one may begin.

use super::sniff::{ENOUGH_BYTES, Sniffed, sniff};
use super::{Framer, Step};

/// Before this a stream of a mount has begun to sound.
const MOST_HEADERS: usize = 256 << 10;

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed<'a> {
    /// A stream begins, or another one behind it: who joins later hears these bytes first.
    Headers(&'a [u8]),
    /// A unit; who joins may begin with it.
    Unit(&'a [u8]),
    /// More of what came before it.
    More(&'a [u8]),
}

pub struct Pass {
    content_type: Option<String>,
    framer: Option<Framer>,
    window: Vec<u8>,
    headers: Vec<u8>,
    is_begun: bool,
}

impl Pass {
    /// `content_type` decides only where the bytes leave a doubt.
    pub fn new(content_type: Option<String>) -> Pass {
        Pass { content_type, framer: None, window: Vec::new(), headers: Vec::new(), is_begun: false }
    }

    /// Bytes in pieces of any size. The reason why it is nothing that can be passed on is one clause.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Passed)) -> Result<(), &'static str> {
        self.window.extend_from_slice(bytes);
        if self.framer.is_none() {
            match sniff(&self.window, self.content_type.as_deref(), None) {
                Sniffed::More if self.window.len() < ENOUGH_BYTES => return Ok(()),
                Sniffed::More => return Err("it is no format that is known here"),
                Sniffed::NoAudio(what) => return Err(what),
                Sniffed::Is(framing) => self.framer = Some(Framer::new(framing)),
            }
        }
        let Some(framer) = &mut self.framer else { return Ok(()) };
        let mut at = 0;
        loop {
            let rest = &self.window[at..];
            match framer.step(rest, false) {
                Step::More => break,
                // A framer passes something with each step; one that does not would be asked for ever.
                Step::Skip { bytes, .. } => at += bytes.max(1).min(rest.len()),
                Step::Headers { bytes } => {
                    self.headers.extend_from_slice(&rest[..bytes]);
                    at += bytes;
                    if self.headers.len() > MOST_HEADERS {
                        return Err("its headers have no end");
                    }
                }
                Step::Unit(unit) => {
                    if !self.headers.is_empty() || !self.is_begun {
                        out(Passed::Headers(&self.headers));
                        self.headers.clear();
                        self.is_begun = true;
                    }
                    let bytes = &rest[..unit.bytes];
                    // MP3 leans on frames before it nearly always, and decoders know how to begin with that.
                    let is_entry = unit.entry || matches!(framer, Framer::Mp3(_));
                    out(if is_entry { Passed::Unit(bytes) } else { Passed::More(bytes) });
                    at += unit.bytes;
                }
            }
            if at == self.window.len() {
                break;
            }
        }
        self.window.drain(..at);
        Ok(())
    }
}
