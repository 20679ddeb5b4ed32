//! Bodies that are read while they are sent: the parts of a plan, a zip.

use std::collections::VecDeque;
use std::io::{self, Read};

use crate::format::ReadAt;
use crate::web::range::Part;
use crate::web::zip::{Step, Zip};

/// The parts of an answer of a file, one after the other.
pub struct Parts {
    bytes: Box<dyn ReadAt + Send>,
    left: VecDeque<Part>,
}

impl Parts {
    pub fn new(bytes: Box<dyn ReadAt + Send>, parts: Vec<Part>) -> Parts {
        Parts { bytes, left: parts.into() }
    }
}

impl Read for Parts {
    /// A file that has become shorter ends the answer early: that it is not whole is seen by its length.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match self.left.front_mut() {
            None => return Ok(0),
            Some(Part::Text(text)) => {
                let n = text.len().min(buf.len());
                buf[..n].copy_from_slice(&text[..n]);
                text.drain(..n);
                n
            }
            Some(Part::Bytes(span)) => {
                let room = usize::try_from(span.bytes()).unwrap_or(usize::MAX).min(buf.len());
                let n = self.bytes.read_at(span.start, &mut buf[..room])?;
                span.start += n as u64;
                n
            }
        };
        if self.left.front().is_some_and(|part| part.bytes() == 0) {
            self.left.pop_front();
        }
        Ok(n)
    }
}

/// A zip of opened files, which are opened one after the other.
pub struct Zipped {
    zip: Zip,
    open: Box<dyn FnMut(usize) -> io::Result<Box<dyn ReadAt + Send>> + Send>,
    /// What the zip itself wants to say, and how far that was read.
    text: (Vec<u8>, usize),
    file: Option<(usize, Box<dyn ReadAt + Send>, u64)>,
}

impl Zipped {
    /// `open` opens the entry with a number, when its turn comes.
    pub fn new(zip: Zip, open: Box<dyn FnMut(usize) -> io::Result<Box<dyn ReadAt + Send>> + Send>) -> Zipped {
        Zipped { zip, open, text: (Vec::new(), 0), file: None }
    }
}

impl Read for Zipped {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let (text, at) = &mut self.text;
            if *at < text.len() {
                let n = (text.len() - *at).min(buf.len());
                buf[..n].copy_from_slice(&text[*at..*at + n]);
                *at += n;
                return Ok(n);
            }
            match self.zip.step() {
                Step::Text(text) => self.text = (text, 0),
                Step::End => return Ok(0),
                Step::File(number, left) => {
                    let (_, bytes, at) = match self.file.take() {
                        Some(file) if file.0 == number => self.file.insert(file),
                        _ => self.file.insert((number, (self.open)(number)?, 0)),
                    };
                    let room = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                    let n = bytes.read_at(*at, &mut buf[..room])?;
                    *at += n as u64;
                    self.zip.took(&buf[..n]);
                    return Ok(n);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Wall;
    use crate::web::range::{plan, wanted};
    use crate::web::zip::Entry;

    #[test]
    fn parts_are_read_in_any_pieces() {
        let file: Vec<u8> = (0..=255).collect();
        let plan = plan(wanted(Some("bytes=250-,0-9"), 256), 256, "audio/wav", "b");
        let whole = |piece: usize| {
            let mut parts = Parts::new(Box::new(file.clone()), plan.parts.clone());
            let (mut all, mut buf) = (Vec::new(), vec![0; piece]);
            loop {
                match parts.read(&mut buf).expect("memory") {
                    0 => return all,
                    n => all.extend_from_slice(&buf[..n]),
                }
            }
        };
        let text = whole(10_000);
        assert_eq!(text.len() as u64, plan.bytes());
        assert!(text.windows(6).any(|w| w == [250, 251, 252, 253, 254, 255]));
        for piece in [1, 2, 7, 64] {
            assert_eq!(whole(piece), text, "{piece}");
        }
    }

    #[test]
    fn a_file_that_became_shorter_ends_early() {
        let plan = plan(wanted(None, 100), 100, "audio/wav", "b");
        let mut all = Vec::new();
        Parts::new(Box::new(vec![1_u8; 60]), plan.parts).read_to_end(&mut all).expect("memory");
        assert_eq!(all.len(), 60);
    }

    #[test]
    fn a_zip_is_as_long_as_it_says() {
        let entry = |name: &str, bytes| Entry { name: name.into(), bytes, modified: Wall(0), utc_offset_s: 0 };
        let zip = Zip::new(vec![entry("a", 1_000), entry("b", 0), entry("c", 5)]);
        let said = zip.bytes();
        let mut zipped = Zipped::new(zip, Box::new(|n| Ok(Box::new(vec![n as u8; [1_000, 0, 5][n]]))));
        let mut all = Vec::new();
        zipped.read_to_end(&mut all).expect("memory");
        assert_eq!(all.len() as u64, said);
        assert_eq!(all.windows(4).filter(|w| w == b"PK\x03\x04").count(), 3);
    }
}
