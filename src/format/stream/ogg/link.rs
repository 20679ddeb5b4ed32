//! One logical stream from its first page on: its headers, then its sound (a *link* when streams follow each other in a chain).

use super::super::Unit;
use super::packets::{Clock, Lead, Packets, Walk};
use super::page::{CONTINUED, EOS, HEADER_BYTES, Page};
use crate::format::flac::{StreamInfo, parse_stream_info};
use crate::format::{opus, vorbis};
use crate::message::{Codec, Format};
use crate::time::Rate;

/// Of all header pages; comments may hold pictures.
const MAX_HEADER_PAGES_BYTES: usize = 1 << 20;
/// A position may run so far ahead of what the packets say; beyond, it is taken for an error.
const MAX_JUMP_S: u64 = 10;

/// RFC 9639 section 10.1: 0x7F "FLAC", version, number of header packets, "fLaC", header of the STREAMINFO block.
pub const FLAC_STREAMINFO_AT: usize = 17;

pub struct Link {
    pub format: Format,
    pub serial: u32,
    /// Its header pages as they came.
    pub headers: Vec<u8>,
    stage: Stage,
    /// Of the page that should come next.
    sequence: u32,
    /// Position of the last page that had one.
    granule: Option<u64>,
    /// Frames of packets on pages without a position since then.
    pending: u32,
    /// Frames that a decoder still drops; 0 for all but the start of Opus.
    pre_skip_left: u32,
    /// A unit was found in it.
    pub sounded: bool,
    /// The last unit.
    pub sound: Sound,
}

enum Stage {
    Headers(Headers),
    Sound(Walk),
    Ended,
}

/// Header packets on their way.
struct Headers {
    packet: Vec<u8>,
    /// The packet goes on on the next page.
    open: bool,
    what: Wanted,
}

/// The header packet that comes next.
enum Wanted {
    VorbisComment(vorbis::Ident),
    VorbisSetup(vorbis::Ident),
    OpusTags,
    /// A metadata block.
    FlacBlock,
    /// All are there.
    Nothing(Clock),
}

/// What the writer must know of a page of sound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sound {
    pub packets: Packets,
    /// What it adds to the position: frames and pre-skip.
    pub advance: u32,
    /// The first page of sound, right behind its headers.
    pub first: bool,
    /// Pages are missing before it.
    pub hole: bool,
    pub eos: bool,
}

/// What a page of the link is.
pub enum Taken {
    Header,
    Unit(Unit),
    /// Its headers make no sense, or it has ended: nothing can be made of it.
    Nothing,
}

impl Link {
    /// `None`: it is not a first page of sound that is known here.
    pub fn begin(page: &Page) -> Option<Link> {
        let whole = page.lacing.split_last().is_some_and(|(&last, before)| last < 255 && before.iter().all(|&b| b == 255));
        if !whole || page.is(CONTINUED) {
            return None;
        }
        let (codec, rate_hz, channels, pre_skip, what) = identify(page.body)?;
        let format = Format::coded(codec, Rate::new(rate_hz)?, channels);
        Some(Link {
            format,
            serial: page.serial,
            headers: raw(page),
            stage: Stage::Headers(Headers { packet: Vec::new(), open: false, what }),
            sequence: page.sequence.wrapping_add(1),
            granule: None,
            pending: 0,
            pre_skip_left: u32::from(pre_skip),
            sounded: false,
            sound: Sound::default(),
        })
    }

    /// Nothing but its first page was seen, so that other streams may still begin beside it.
    pub fn is_only_begun(&self) -> bool {
        match &self.stage {
            Stage::Headers(headers) => !headers.open && self.headers.len() == first_page_bytes(&self.headers),
            Stage::Sound(_) | Stage::Ended => false,
        }
    }

    pub fn silent_packets(&self) -> usize {
        match &self.stage {
            Stage::Sound(walk) => walk.clock.silent_packets(),
            Stage::Headers(_) | Stage::Ended => usize::from(self.format.codec() == Some(Codec::Vorbis)),
        }
    }

    /// Its number and that of the page that comes next; `None` once it has ended. `anew`: positions begin anew with that page.
    pub fn go_on(&mut self, anew: bool) -> Option<(u32, u32)> {
        self.granule = self.granule.filter(|_| !anew);
        matches!(self.stage, Stage::Sound(_)).then_some((self.serial, self.sequence))
    }

    /// A page of it that is not its first.
    pub fn page(&mut self, page: &Page) -> Taken {
        if let Stage::Headers(headers) = &mut self.stage {
            if !headers.are_over(page) {
                return self.header(page);
            }
            if let Some(clock) = headers.clock() {
                self.stage = Stage::Sound(Walk::new(clock));
            }
        }
        match &mut self.stage {
            Stage::Sound(_) => Taken::Unit(self.sound(page)),
            Stage::Headers(_) | Stage::Ended => Taken::Nothing,
        }
    }

    fn header(&mut self, page: &Page) -> Taken {
        let Stage::Headers(headers) = &mut self.stage else { return Taken::Nothing };
        let fits = self.headers.len() + page.bytes() <= MAX_HEADER_PAGES_BYTES;
        if page.sequence != self.sequence || !fits || headers.page(page).is_none() {
            self.stage = Stage::Ended;
            return Taken::Nothing;
        }
        self.headers.extend_from_slice(&raw(page));
        self.sequence = page.sequence.wrapping_add(1);
        Taken::Header
    }

    fn sound(&mut self, page: &Page) -> Unit {
        let Stage::Sound(walk) = &mut self.stage else {
            return Unit { bytes: page.bytes(), frames: 0, entry: false, new_link: false };
        };
        let hole = page.sequence != self.sequence;
        let packets = walk.page(page, hole);
        let exact = walk.clock.is_exact() && !packets.unreadable;
        let first = !self.sounded && !hole;
        self.pending = self.pending.saturating_add(packets.frames);
        let advance = match page.granule {
            None => 0,
            Some(granule) => {
                let told = std::mem::take(&mut self.pending);
                let before = self.granule.replace(granule);
                if exact { told } else { self.advance(granule, before.filter(|_| !hole), told, first) }
            }
        };
        if !self.sounded && hole {
            self.pre_skip_left = 0; // joined in its middle, it has no start to be skipped
        }
        let skipped = advance.min(self.pre_skip_left);
        self.pre_skip_left -= skipped;
        let eos = page.is(EOS);
        self.sound = Sound { packets, advance, first, hole, eos };
        let entry = packets.ended > 0 && packets.lead == Lead::Fresh;
        // After a torn packet as well: no decoder may join what is before with what is behind.
        let new_link = !self.sounded || packets.torn;
        let unit = Unit { bytes: page.bytes(), frames: advance - skipped, entry, new_link };
        self.sounded = true;
        self.sequence = page.sequence.wrapping_add(1);
        if eos {
            self.stage = Stage::Ended;
        }
        unit
    }

    /// The page's position decides where it is credible: only it knows of samples that are cut off at the end or start.
    fn advance(&self, granule: u64, before: Option<u64>, told: u32, first: bool) -> u32 {
        let most = u64::from(told) + MAX_JUMP_S * u64::from(self.format.rate.hz());
        match before.map(|before| granule.checked_sub(before)) {
            Some(Some(passed)) if passed <= most => u32::try_from(passed).unwrap_or(told),
            None if first => u32::try_from(granule).map_or(told, |granule| granule.min(told)),
            _ => told,
        }
    }
}

impl Headers {
    /// A page of sound though no header said that it was the last: FLAC's header need not tell how many there are.
    fn are_over(&self, page: &Page) -> bool {
        match self.what {
            Wanted::Nothing(_) => true,
            Wanted::FlacBlock => !self.open && !page.is(CONTINUED) && page.body.first() == Some(&0xFF),
            Wanted::VorbisComment(_) | Wanted::VorbisSetup(_) | Wanted::OpusTags => false,
        }
    }

    /// `None`: headers are missing.
    fn clock(&self) -> Option<Clock> {
        match &self.what {
            Wanted::Nothing(clock) => Some(clock.clone()),
            Wanted::FlacBlock => Some(Clock::Flac),
            Wanted::VorbisComment(_) | Wanted::VorbisSetup(_) | Wanted::OpusTags => None,
        }
    }

    /// `None`: it breaks the rules; one is that sound begins on a page of its own.
    fn page(&mut self, page: &Page) -> Option<()> {
        if page.is(CONTINUED) != self.open && !page.lacing.is_empty() {
            return None;
        }
        let mut body = page.body;
        for &lacing in page.lacing {
            let (segment, rest) = body.split_at_checked(usize::from(lacing))?;
            body = rest;
            self.packet.extend_from_slice(segment);
            self.open = lacing == 255;
            if !self.open {
                self.what = self.what.after(&std::mem::take(&mut self.packet))?;
            }
        }
        Some(())
    }
}

impl Wanted {
    fn after(&self, packet: &[u8]) -> Option<Wanted> {
        match self {
            Wanted::VorbisComment(ident) => vorbis::is_comment(packet).then_some(Wanted::VorbisSetup(*ident)),
            Wanted::VorbisSetup(ident) => {
                let modes = vorbis::Modes::parse(packet)?;
                Some(Wanted::Nothing(Clock::Vorbis { ident: *ident, modes, before: None }))
            }
            Wanted::OpusTags => opus::is_tags(packet).then_some(Wanted::Nothing(Clock::Opus)),
            Wanted::FlacBlock => match packet.first()? {
                0xFF => None,
                last if last & 0x80 != 0 => Some(Wanted::Nothing(Clock::Flac)),
                _ => Some(Wanted::FlacBlock),
            },
            Wanted::Nothing(_) => None,
        }
    }
}

/// Codec, rate, channels and pre-skip of a first packet, and which header follows.
fn identify(packet: &[u8]) -> Option<(Codec, u32, u8, u16, Wanted)> {
    if let Some(ident) = vorbis::Ident::parse(packet) {
        return Some((Codec::Vorbis, ident.rate_hz, ident.channels, 0, Wanted::VorbisComment(ident)));
    }
    if let Some(head) = opus::Head::parse(packet) {
        return Some((Codec::Opus, opus::RATE_HZ, head.channels, head.pre_skip, Wanted::OpusTags));
    }
    let info = flac_info(packet)?;
    let last = packet.get(FLAC_STREAMINFO_AT - 4)? & 0x80 != 0;
    let what = if last { Wanted::Nothing(Clock::Flac) } else { Wanted::FlacBlock };
    Some((Codec::OggFlac, info.rate_hz, info.channels, 0, what))
}

fn flac_info(packet: &[u8]) -> Option<StreamInfo> {
    let known = packet.starts_with(b"\x7FFLAC\x01") && packet.get(9..13)? == b"fLaC" && packet.get(13)? & 0x7F == 0;
    let info = packet.get(FLAC_STREAMINFO_AT..FLAC_STREAMINFO_AT + StreamInfo::BYTES)?;
    parse_stream_info(info).ok().filter(|_| known)
}

/// The page again; headers may allocate.
fn raw(page: &Page) -> Vec<u8> {
    [&page.seal()[..], page.body].concat()
}

fn first_page_bytes(headers: &[u8]) -> usize {
    let lacing = headers.get(HEADER_BYTES - 1).map_or(0, |&n| usize::from(n));
    let body = headers.iter().skip(HEADER_BYTES).take(lacing).map(|&b| usize::from(b)).sum::<usize>();
    HEADER_BYTES + lacing + body
}
