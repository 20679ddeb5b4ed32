//! A file seen through a window that moves forward, and can be put anywhere.

use std::io;

use super::super::fill_at;
use super::File;

pub struct Input {
    file: File,
    buf: Vec<u8>,
    /// start <= end <= buf.len()
    start: usize,
    end: usize,
    /// Where in the file `start` is.
    at: u64,
    at_end: bool,
}

impl Input {
    /// A window that always can hold `window_bytes`, and reads as much ahead.
    pub fn new(file: File, window_bytes: usize) -> Input {
        Input { file, buf: vec![0; 2 * window_bytes.max(32 << 10)], start: 0, end: 0, at: 0, at_end: false }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Nothing follows these bytes.
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    pub fn at(&self) -> u64 {
        self.at
    }

    /// Steps over bytes that were shown.
    pub fn pass(&mut self, bytes: usize) {
        let bytes = bytes.min(self.end - self.start);
        self.start += bytes;
        self.at += bytes as u64;
    }

    /// Shows more bytes, or says from then on that there are none.
    pub fn more(&mut self) -> io::Result<()> {
        self.buf.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let have = fill_at(&*self.file, self.at.saturating_add(self.end as u64), &mut self.buf[self.end..])?;
        self.end += have;
        self.at_end = self.end < self.buf.len();
        Ok(())
    }

    pub fn jump(&mut self, at: u64) {
        (self.start, self.end, self.at, self.at_end) = (0, 0, at, false);
    }
}
