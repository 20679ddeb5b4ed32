//! The packets of one logical stream, page by page: which begin where, how long they last, and which are torn by a hole.

use super::page::{CONTINUED, Page};
use crate::format::flac::{FrameHeader, Parse};
use crate::format::{opus, vorbis};

/// How a packet tells how long it lasts, and what must be remembered for it.
#[derive(Clone, Debug)]
pub enum Clock {
    Opus,
    Vorbis {
        ident: vorbis::Ident,
        modes: vorbis::Modes,
        /// Block of the packet before; `None` at the start.
        before: Option<u16>,
    },
    Flac,
}

impl Clock {
    /// Frames that this packet adds; `None` when it cannot be read.
    fn frames(&mut self, packet: &[u8]) -> Option<u32> {
        match self {
            Clock::Opus => opus::packet_frames(packet),
            Clock::Vorbis { ident, modes, before } => {
                let block = modes.block_size(ident, packet)?;
                Some(before.replace(block).map_or(0, |before| vorbis::frames_between(before, block)))
            }
            Clock::Flac => match FrameHeader::parse(packet) {
                Parse::Yes(header) => Some(header.block_size),
                Parse::No | Parse::More => None,
            },
        }
    }

    /// Packets that yield no sound of their own at the start of a file: the first half of a Vorbis block needs the one before.
    pub fn silent_packets(&self) -> usize {
        usize::from(matches!(self, Clock::Vorbis { .. }))
    }

    /// Its packets say exactly what is in them, so that page positions need not be asked.
    pub fn is_exact(&self) -> bool {
        matches!(self, Clock::Flac)
    }
}

/// What the packet is that a page begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lead {
    /// A new one.
    #[default]
    Fresh,
    /// It goes on from the page before.
    Joined,
    /// Its start is not known: nothing can be made of it.
    Lost,
}

/// The packets of one page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    pub lead: Lead,
    /// Lacing values and bytes of what a continued page begins with.
    pub lead_segments: usize,
    pub lead_bytes: usize,
    /// Packets that end here and whose start is known.
    pub ended: u32,
    /// What they last, and of that the first two.
    pub frames: u32,
    pub first: [u32; 2],
    /// One of them could not be read.
    pub unreadable: bool,
    /// The packet that was open before this page does not go on in it.
    pub torn: bool,
}

/// What stands open at the end of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    No,
    Known,
    Lost,
}

#[derive(Debug)]
pub struct Walk {
    pub clock: Clock,
    open: Open,
    /// Start of the open packet: no clock needs more.
    head: heapless::Vec<u8, { FrameHeader::MAX_BYTES }>,
}

impl Walk {
    pub fn new(clock: Clock) -> Walk {
        Walk { clock, open: Open::No, head: heapless::Vec::new() }
    }

    /// `hole`: pages are missing before this one.
    pub fn page(&mut self, page: &Page, hole: bool) -> Packets {
        let mut found = Packets::default();
        let mut body = page.body;
        if page.lacing.is_empty() && !hole {
            return found; // a page without anything, as may end a stream
        }
        let continued = page.is(CONTINUED);
        found.torn = self.open == Open::Known && (hole || !continued);
        self.open = match (continued, self.open) {
            (true, Open::Known) if !hole => Open::Known,
            (true, _) => Open::Lost,
            (false, _) => Open::No,
        };
        if continued {
            found.lead = if self.open == Open::Known { Lead::Joined } else { Lead::Lost };
            found.lead_segments = page.lacing.iter().position(|&b| b < 255).map_or(page.lacing.len(), |at| at + 1);
            found.lead_bytes = page.lacing[..found.lead_segments].iter().map(|&b| usize::from(b)).sum();
        }
        for &lacing in page.lacing {
            let (segment, rest) = body.split_at_checked(usize::from(lacing)).unwrap_or((body, &[]));
            body = rest;
            self.segment(segment, lacing < 255, &mut found);
        }
        found
    }

    fn segment(&mut self, segment: &[u8], ends: bool, found: &mut Packets) {
        if self.open == Open::No {
            self.head.clear();
            self.open = Open::Known;
        }
        let room = self.head.capacity() - self.head.len();
        // It fits: no more than there is room.
        let _fits = self.head.extend_from_slice(&segment[..room.min(segment.len())]);
        if !ends {
            return;
        }
        if self.open == Open::Known {
            let frames = self.clock.frames(&self.head);
            if let Some(first) = found.first.get_mut(found.ended as usize) {
                *first = frames.unwrap_or(0);
            }
            found.ended += 1;
            found.unreadable |= frames.is_none() && !self.head.is_empty();
            found.frames = found.frames.saturating_add(frames.unwrap_or(0));
        }
        self.open = Open::No;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page<'a>(flags: u8, lacing: &'a [u8], body: &'a [u8]) -> Page<'a> {
        Page { flags, granule: None, serial: 1, sequence: 0, lacing, body }
    }

    /// Pages of Opus with packets of 20 ms: (flags, lacing, hole before) -> (lead, ended, frames, torn).
    fn check(pages: &[(u8, &[u8], bool)], want: &[(Lead, u32, u32, bool)]) {
        let mut walk = Walk::new(Clock::Opus);
        let body = vec![31 << 3; 255 * 255];
        let got = pages.iter().map(|&(flags, lacing, hole)| {
            let bytes = lacing.iter().map(|&b| usize::from(b)).sum();
            let found = walk.page(&page(flags, lacing, &body[..bytes]), hole);
            (found.lead, found.ended, found.frames, found.torn)
        });
        assert_eq!(got.collect::<Vec<_>>(), want, "{pages:?}");
    }

    #[test]
    fn packets_across_pages() {
        use Lead::{Fresh, Joined, Lost};
        check(&[(0, &[10, 20, 30], false)], &[(Fresh, 3, 2_880, false)]);
        check(&[(0, &[255, 0, 255, 255, 3], false)], &[(Fresh, 2, 1_920, false)]);
        check(&[(0, &[10, 255], false), (1, &[3, 7], false)], &[(Fresh, 1, 960, false), (Joined, 2, 1_920, false)]);
        // A packet of more than a page, 255 lacing values each.
        let all = [255; 255];
        check(
            &[(0, &all, false), (1, &all, false), (1, &[0], false)],
            &[(Fresh, 0, 0, false), (Joined, 0, 0, false), (Joined, 1, 960, false)],
        );
        check(&[(0, &[1; 255], false)], &[(Fresh, 255, 255 * 960, false)]);
        // A page of nothing changes nothing, a packet of nothing lasts no time.
        check(
            &[(0, &[255], false), (0, &[], false), (1, &[1], false)],
            &[(Fresh, 0, 0, false), (Fresh, 0, 0, false), (Joined, 1, 960, false)],
        );
        check(&[(0, &[0, 1], false)], &[(Fresh, 2, 960, false)]);
        // Joined in the middle.
        check(&[(1, &[5, 6], true)], &[(Lost, 1, 960, false)]);
        check(&[(1, &[255], true), (1, &[255, 1, 1], false)], &[(Lost, 0, 0, false), (Lost, 1, 960, false)]);
        // A hole, and a packet that is not continued though it should be.
        check(&[(0, &[255], false), (1, &[5, 6], true)], &[(Fresh, 0, 0, false), (Lost, 1, 960, true)]);
        check(&[(0, &[255], false), (0, &[5, 6], false)], &[(Fresh, 0, 0, false), (Fresh, 2, 1_920, true)]);
        check(&[(0, &[5], false), (1, &[5, 6], false)], &[(Fresh, 1, 960, false), (Lost, 1, 960, false)]);
    }
}
