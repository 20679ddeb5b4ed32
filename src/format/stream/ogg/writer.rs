//! One file of Ogg pages: numbers from 0, positions from 0, the headers of the link first.
//!
//! Pages keep their packets, and only their headers are made anew. A packet whose start or end is missing is left out: the
//! bytes of a start that is not there are dropped, and after an end that is not there a new link begins, because a decoder would
//! join its two sides otherwise.
//!
//! Several links in one file are right, and the tools of Xiph play them without a word; FFmpeg up to 5.1 complains about any
//! such file. Whoever wants files without complaint ends them at a new link.

use super::super::{Patches, Sink, Unit};
use super::Framer;
use super::link::{FLAC_STREAMINFO_AT, Link};
use super::packets::Lead;
use super::page::{BOS, CONTINUED, EOS, HEADER_BYTES, Page, Parse, with_eos};
use crate::format::opus::Head;
use crate::message::Codec;

/// 2.5 ms: opusinfo takes less for a mistake.
pub const LEAST_PRE_SKIP: u16 = 120;

pub struct Writer {
    serial: u32,
    /// Of the next page.
    sequence: u32,
    /// Position at the end of the last page.
    granule: u64,
    /// Bytes of the file so far.
    at: u64,
    /// No sound of this link is in the file.
    fresh: bool,
    last: Option<Last>,
    /// Last pages of links before this one that did not end themselves; one place is left for the last of all.
    patches: Patches,
}

/// The last page of sound.
struct Last {
    at: u64,
    header: [u8; HEADER_BYTES],
    bytes: usize,
    eos: bool,
}

impl Last {
    fn patch(&self) -> (u64, Vec<u8>) {
        (self.at, with_eos(self.header, self.bytes).to_vec())
    }
}

impl Writer {
    pub fn begin(framer: &Framer, sink: &mut Sink) -> Writer {
        let mut writer = Writer { serial: 0, sequence: 0, granule: 0, at: 0, fresh: true, last: None, patches: Patches::new() };
        if let Some(link) = &framer.link {
            writer.serial = link.serial;
            writer.headers(link, sink);
        }
        writer
    }

    pub fn unit(&mut self, framer: &Framer, unit: &Unit, bytes: &[u8], sink: &mut Sink) {
        // Always there: the framer has just found this unit.
        let (Some(link), Parse::Yes(page)) = (&framer.link, Page::parse(bytes)) else { return };
        let sound = &link.sound;
        if !self.fresh && (unit.new_link || sound.packets.torn) {
            self.next_link(link, sink);
        }
        let (lead, ended) = (sound.packets.lead, sound.packets.ended);
        let strip = lead == Lead::Lost || self.fresh && lead == Lead::Joined;
        let left_out = strip && lead == Lead::Joined;
        let mut advance = sound.advance;
        if self.fresh && !sound.first {
            let silent = usize::from(left_out) + link.silent_packets();
            let silent: u32 = sound.packets.first.iter().take(silent).sum();
            // A position of 0 means a header, and a page of one packet would come to it: such a file begins one frame later.
            advance = advance.saturating_sub(silent).max(u32::from(link.silent_packets() > 0));
        }
        self.granule = self.granule.saturating_add(u64::from(advance));
        let (segments, body) = if strip { (sound.packets.lead_segments, sound.packets.lead_bytes) } else { (0, 0) };
        let (Some(lacing), Some(body)) = (page.lacing.get(segments..), page.body.get(body..)) else { return };
        let lacing = without_empty_packets(lacing, page.is(CONTINUED) && !strip);
        if lacing.is_empty() && !sound.eos {
            return;
        }
        let ends_packets = if strip { ended > u32::from(left_out) } else { true };
        let continued = if strip { 0 } else { page.flags & CONTINUED };
        let granule = page.granule.filter(|_| ends_packets || sound.eos).map(|_| self.granule);
        self.page(&Page { flags: continued | page.flags & EOS, granule, lacing, body, ..page }, sink);
        self.fresh = false;
    }

    /// At the end of what was written of the last link.
    pub(crate) fn position(&self) -> u64 {
        self.granule
    }

    pub fn end(mut self) -> Patches {
        if let Some(last) = self.last.filter(|last| !last.eos) {
            let _has_room = self.patches.push(last.patch());
        }
        self.patches
    }

    /// Headers may allocate.
    fn headers(&mut self, link: &Link, sink: &mut Sink) {
        let mut rest = link.headers.as_slice();
        while let Parse::Yes(page) = Page::parse(rest) {
            let first = self.sequence == 0;
            let body = if first { first_body(link, page.body) } else { page.body.to_vec() };
            let flags = page.flags & CONTINUED | if first { BOS } else { 0 };
            self.emit(&Page { flags, body: &body, ..page }, sink);
            rest = &rest[page.bytes()..];
        }
    }

    /// Begins the next link, and ends the one before where it did not end itself: with a patch while there is room for one,
    /// then with a page without packets, about which opusinfo alone complains. Numbers of neighbours differ, as those of all
    /// streams in a file should.
    fn next_link(&mut self, link: &Link, sink: &mut Sink) {
        if let Some(last) = self.last.take().filter(|last| !last.eos) {
            if self.patches.len() + 1 < self.patches.capacity() {
                let _has_room = self.patches.push(last.patch());
            } else {
                let granule = Some(self.granule);
                self.page(&Page { flags: EOS, granule, serial: 0, sequence: 0, lacing: &[], body: &[] }, sink);
            }
        }
        self.serial = if self.serial == link.serial { link.serial.wrapping_add(1) } else { link.serial };
        (self.sequence, self.granule, self.fresh) = (0, 0, true);
        self.headers(link, sink);
    }

    /// A page of sound, which may turn out to be the last.
    fn page(&mut self, page: &Page, sink: &mut Sink) {
        let at = self.at;
        let header = self.emit(page, sink);
        self.last = Some(Last { at, header, bytes: page.bytes(), eos: page.is(EOS) });
    }

    fn emit(&mut self, page: &Page, sink: &mut Sink) -> [u8; HEADER_BYTES] {
        let page = Page { serial: self.serial, sequence: self.sequence, ..*page };
        let header = page.seal();
        sink(&header);
        if !page.body.is_empty() {
            sink(page.body);
        }
        self.at = self.at.saturating_add(page.bytes() as u64);
        self.sequence = self.sequence.wrapping_add(1);
        let mut fixed = [0; HEADER_BYTES];
        fixed.copy_from_slice(&header[..HEADER_BYTES]); // a header has no fewer
        fixed
    }
}

/// FFmpeg ends a stream of FLAC with a packet of no bytes, which is no packet of any codec here; checkers complain.
fn without_empty_packets(mut lacing: &[u8], continued: bool) -> &[u8] {
    while let Some((0, before)) = lacing.split_last() {
        if before.last().map_or(continued, |&b| b == 255) {
            break; // it ends a packet
        }
        lacing = before;
    }
    lacing
}

/// The first packet as it is right for a part of the stream: what it says of the whole is taken back.
fn first_body(link: &Link, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    match link.format.codec() {
        // Next to nothing is to be skipped where the stream is joined in its middle.
        Some(Codec::Opus) if !link.sound.first => {
            if let Some(pre_skip) = body.get_mut(Head::PRE_SKIP_AT..Head::PRE_SKIP_AT + 2) {
                pre_skip.copy_from_slice(&LEAST_PRE_SKIP.to_le_bytes());
            }
        }
        // The number of samples, in 36 bits, and their MD5 become unknown.
        Some(Codec::OggFlac) => {
            if let Some(info) = body.get_mut(FLAC_STREAMINFO_AT..FLAC_STREAMINFO_AT + 34) {
                info[13] &= 0xF0;
                info[14..].fill(0);
            }
        }
        _ => {}
    }
    body
}
