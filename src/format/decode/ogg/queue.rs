//! The packets of one page on their way to a decoder.

use crate::format::stream::ogg::packets::Lead;
use crate::format::stream::ogg::page::Page;

/// A packet that is longer is damaged.
const MAX_PACKET_BYTES: usize = 4 << 20;

/// Packets of a page that wait to be decoded.
#[derive(Default)]
pub(in crate::format::decode) struct Queue {
    pub(in crate::format::decode) bytes: Vec<u8>,
    /// End in `bytes` of each.
    pub(in crate::format::decode) ends: Vec<usize>,
    pub(in crate::format::decode) frames: Vec<u32>,
    /// How many were decoded.
    pub(in crate::format::decode) done: usize,
    /// Position of the next one's first sample, and where the page says that sound ends.
    pub(in crate::format::decode) at: i64,
    pub(in crate::format::decode) end: i64,
    /// A packet that goes on on the next page.
    pub(in crate::format::decode) open: Vec<u8>,
}

impl Queue {
    pub(in crate::format::decode) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.frames.clear();
        self.open.clear();
        self.done = 0;
    }

    /// Packets that end on this page and whose start is known.
    pub(in crate::format::decode) fn fill(&mut self, page: &Page, lead: Lead) {
        self.bytes.clear();
        self.ends.clear();
        self.done = 0;
        let mut lost = lead == Lead::Lost;
        if lead != Lead::Joined {
            self.open.clear();
        }
        self.bytes.append(&mut self.open);
        let mut body = page.body;
        let mut from = 0; // of the open packet in `bytes`
        for &lacing in page.lacing {
            let (segment, rest) = body.split_at_checked(usize::from(lacing)).unwrap_or((body, &[]));
            body = rest;
            if !lost {
                self.bytes.extend_from_slice(segment);
            }
            if lacing < 255 {
                if !lost {
                    self.ends.push(self.bytes.len());
                    from = self.bytes.len();
                }
                lost = false;
            }
        }
        let rest = self.bytes.get(from..).unwrap_or(&[]);
        if rest.len() <= MAX_PACKET_BYTES {
            self.open.extend_from_slice(rest);
        }
        self.bytes.truncate(from);
    }

    pub(in crate::format::decode) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, &to)| self.bytes.get(from..to).unwrap_or(&[]))
    }

    /// The next packet and its frames.
    pub(in crate::format::decode) fn next(&mut self) -> Option<(&[u8], u32)> {
        let (&end, &frames) = (self.ends.get(self.done)?, self.frames.get(self.done)?);
        let from = self.done.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.done += 1;
        Some((self.bytes.get(from..end)?, frames))
    }
}
