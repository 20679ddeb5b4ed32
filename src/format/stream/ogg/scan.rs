//! A finished or torn file, unit by unit, through a buffer of fixed size.

use std::io::{self, Read};

use super::super::Step;
use super::page::{HEADER_BYTES, MAX_BYTES};
use super::{Framer, WINDOW_BYTES};

pub struct Scan<R> {
    reader: R,
    pub framer: Framer,
    buf: Vec<u8>,
    /// start <= end <= buf.len()
    start: usize,
    end: usize,
    at_end: bool,
    /// Where in the file `start` is.
    at: u64,
}

/// What stands where.
pub struct Found {
    pub at: u64,
    pub bytes: usize,
    pub step: Step,
    /// Its first bytes, if it has so many.
    pub header: [u8; HEADER_BYTES],
}

impl<R: Read> Scan<R> {
    pub fn new(reader: R) -> Scan<R> {
        const { assert!(WINDOW_BYTES > MAX_BYTES) }
        let buf = vec![0; 2 * WINDOW_BYTES];
        Scan { reader, framer: Framer::default(), buf, start: 0, end: 0, at_end: false, at: 0 }
    }

    /// `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Found>> {
        while !self.at_end || self.start < self.end {
            let there = &self.buf[self.start..self.end];
            let step = self.framer.step(there, self.at_end);
            let bytes = match step {
                Step::More => {
                    self.refill()?;
                    continue;
                }
                Step::Skip { bytes, .. } | Step::Headers { bytes } => bytes,
                Step::Unit(unit) => unit.bytes,
            };
            let mut header = [0; HEADER_BYTES];
            let known = there.len().min(HEADER_BYTES);
            header[..known].copy_from_slice(&there[..known]);
            let found = Found { at: self.at, bytes, step, header };
            self.start += bytes; // <= end: a step passes no more than it was shown
            self.at += bytes as u64;
            return Ok(Some(found));
        }
        Ok(None)
    }

    /// Moves what is left to the front and fills the rest as far as one read goes.
    fn refill(&mut self) -> io::Result<()> {
        self.buf.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let have = loop {
            match self.reader.read(&mut self.buf[self.end..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                have => break have?,
            }
        };
        self.at_end = have == 0;
        self.end += have;
        Ok(())
    }
}
