//! Ogg to samples: pages by the framer of `stream`, packets by `packets`, and the timeline by the pages' positions.
//!
//! A page's position is that of the last sample of the last packet that ends on it; what its packets last is known without
//! decoding, so every page tells where its first sample stands, after a jump as well. Streams that follow each other in a
//! chain are one recording as long as their shape stays the same, and end it where it changes.

mod pages;
pub(super) mod queue;

use super::super::Flaw;
use super::super::stream::Step;
use super::super::stream::ogg::page::{EOS, Page, Parse};
use super::super::stream::ogg::{Framer, WINDOW_BYTES};
use super::input::Input;
use super::packets::{Shape, Sound};
use super::{Block, File, Info, Source};
use pages::{Stands, page_from, serial, signed, told_from};
use queue::Queue;

/// Below this many bytes stepping is cheaper than halving.
const STEP_BYTES: u64 = 64 << 10;
/// Links of a chain that can be jumped to; all behind them are reached through the last.
const MAX_LINKS: usize = 1_024;
const MAX_HEADERS_BYTES: usize = 2 << 20;

/// One stream of a chain.
struct Link {
    headers: Vec<u8>,
    serial: u32,
    /// Its first page of sound.
    sound_at: u64,
    /// Frames of the streams before it.
    offset: u64,
    /// Position of its first sample that is heard.
    base: i64,
}

pub struct Ogg {
    input: Input,
    framer: Framer,
    sound: Sound,
    shape: Shape,
    info: Info,
    links: Vec<Link>,
    /// The link that is read.
    link: usize,
    /// Headers were passed since the last page of sound.
    headers: bool,
    /// Position after the last packet; `None` after a jump.
    at: Option<i64>,
    /// Nothing of the link was read yet.
    fresh: bool,
    queue: Queue,
    ended: bool,
}

impl Ogg {
    pub fn open(file: File) -> Result<Ogg, Flaw> {
        let (mut input, mut framer) = (Input::new(file, WINDOW_BYTES), Framer::default());
        loop {
            match framer.step(input.bytes(), input.at_end()) {
                Step::More if input.at_end() => return Err(Flaw::IllFormed("there is no sound in it that is known here")),
                Step::More => input.more()?,
                Step::Skip { bytes, .. } | Step::Headers { bytes } => input.pass(bytes),
                Step::Unit(_) => break,
            }
        }
        let headers = framer.headers().unwrap_or(&[]).to_vec();
        let sound = Sound::new(&headers)?;
        let shape = sound.shape();
        let Shape { rate_hz, channels, bits, container, .. } = shape;
        let info = Info { rate_hz, channels, bits, frames: None, container };
        let serial = serial(input.bytes());
        let link = Link { headers, serial, sound_at: input.at(), offset: 0, base: 0 };
        let (links, queue) = (vec![link], Queue::default());
        let mut this =
            Ogg { input, framer, sound, shape, info, links, link: 0, headers: false, at: None, fresh: true, queue, ended: false };
        this.info.frames = this.length()?;
        this.enter(0, None)?;
        Ok(this)
    }

    /// Frames, if the last page belongs to the first link.
    fn length(&mut self) -> Result<Option<u64>, Flaw> {
        self.enter(0, None)?;
        if !self.page()? {
            return Ok(Some(0));
        }
        let (file, link) = (self.input.file(), &self.links[0]);
        let length = file.len()?;
        let mut back = 2 * STEP_BYTES;
        loop {
            let from = length.saturating_sub(back).max(link.sound_at);
            let (mut at, mut last, mut foreign) = (from, None, false);
            while let Some(page) = page_from(&**file, at, length)? {
                foreign |= page.serial != link.serial;
                last = page.granule.filter(|_| page.serial == link.serial).or(last);
                at = page.at + page.bytes;
            }
            match last {
                // Streams side by side look the same as a chain from here: then the walk decides.
                _ if foreign => return Ok(None),
                Some(granule) => return Ok(Some(u64::try_from(signed(granule) - link.base).unwrap_or(0))),
                None if from == link.sound_at || back > 64 << 20 => return Ok(None),
                None => back *= 4,
            }
        }
    }

    /// Stands at a page of a link, or at its first, knowing nothing of what was before.
    fn enter(&mut self, index: usize, at: Option<u64>) -> Result<(), Flaw> {
        let Some(link) = self.links.get(index) else { return Ok(()) };
        self.framer = Framer::default();
        let mut headers = link.headers.as_slice();
        while !headers.is_empty() {
            match self.framer.step(headers, true) {
                Step::Headers { bytes } | Step::Skip { bytes, .. } => headers = headers.get(bytes..).unwrap_or(&[]),
                Step::More | Step::Unit(_) => break,
            }
        }
        if self.link != index {
            self.sound = Sound::new(&link.headers)?;
            self.shape = self.sound.shape();
            self.link = index;
        }
        self.sound.reset();
        self.input.jump(at.unwrap_or(link.sound_at));
        self.fresh = at.is_none();
        (self.at, self.headers, self.ended) = (None, false, false);
        self.queue.clear();
        Ok(())
    }

    /// Puts the packets of the next page of sound into the queue; `false` at the end.
    fn page(&mut self) -> Result<bool, Flaw> {
        while !self.ended {
            match self.framer.step(self.input.bytes(), self.input.at_end()) {
                Step::More if self.input.at_end() => self.ended = true,
                Step::More => self.input.more()?,
                Step::Skip { bytes, .. } => self.input.pass(bytes),
                Step::Headers { bytes } => {
                    self.headers = true;
                    self.input.pass(bytes);
                }
                Step::Unit(unit) => {
                    if std::mem::take(&mut self.headers) && !self.next_link()? {
                        self.ended = true;
                        break;
                    }
                    self.take();
                    self.input.pass(unit.bytes);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Another link begins with the page that the input stands at; `false` when its sound is of another kind.
    fn next_link(&mut self) -> Result<bool, Flaw> {
        let headers = self.framer.headers().unwrap_or(&[]).to_vec();
        let sound = Sound::new(&headers)?;
        let shape = sound.shape();
        let alike =
            |a: &Shape, b: &Shape| (a.rate_hz, a.channels, a.bits, a.container) == (b.rate_hz, b.channels, b.bits, b.container);
        if !alike(&shape, &self.shape) {
            return Ok(false);
        }
        let heard = self.links.get(self.link).map_or(0, |link| link.offset.saturating_add(self.heard(link)));
        self.link += 1;
        if self.link == self.links.len() {
            let (serial, sound_at) = (serial(self.input.bytes()), self.input.at());
            let held = self.links.iter().map(|link| link.headers.len()).sum::<usize>();
            if self.links.len() == MAX_LINKS || held > MAX_HEADERS_BYTES {
                self.links.pop();
            }
            self.link = self.links.len();
            self.links.push(Link { headers, serial, sound_at, offset: heard, base: 0 });
        }
        (self.sound, self.shape, self.at, self.fresh) = (sound, shape, None, true);
        self.queue.clear();
        Ok(true)
    }

    /// Frames of the link up to here.
    fn heard(&self, link: &Link) -> u64 {
        self.at.map_or(0, |at| u64::try_from(at - link.base).unwrap_or(0))
    }

    /// The packets of the page that the input stands at and the framer has just taken.
    fn take(&mut self) {
        let (Some(found), Parse::Yes(page)) = (self.framer.sound(), Page::parse(self.input.bytes())) else { return };
        self.queue.fill(&page, found.packets.lead);
        let packets = self.queue.packets();
        self.queue.frames = self.sound.frames(packets);
        let told = self.queue.frames.iter().map(|&n| i64::from(n)).sum::<i64>();
        let granule = page.granule.map(signed);
        let is_last = page.is(EOS);
        let start = match (self.at, granule) {
            (Some(at), Some(granule)) if granule - told > at => granule - told,
            (Some(at), _) => at,
            // The last page may be cut short, so that it does not tell where it begins; the first of all begins with 0 then.
            (None, Some(granule)) if self.fresh && is_last => (granule - told).max(0),
            (None, Some(granule)) => granule - told,
            (None, None) => 0,
        };
        if self.at.is_none() && self.fresh && granule.is_some() {
            let pre_skip = self.shape.pre_skip as i64; // 16 bits
            if let Some(link) = self.links.get_mut(self.link) {
                link.base = start.max(0) + pre_skip;
            }
        }
        (self.queue.at, self.queue.end) = (start, i64::MAX);
        if let Some(granule) = granule.filter(|&granule| is_last && granule < start + told) {
            self.queue.end = granule;
        }
        let known = granule.is_some() && (!self.queue.ends.is_empty() || !self.sound.needs_two());
        if self.at.is_some() || known {
            self.at = Some((start + told).min(self.queue.end));
        }
        self.fresh &= granule.is_none();
    }
}

impl Source for Ogg {
    fn info(&self) -> Info {
        self.info
    }

    fn next(&mut self, block: &mut Block) -> Result<bool, Flaw> {
        loop {
            let (start, end) = (self.queue.at, self.queue.end);
            let Some((packet, frames)) = self.queue.next() else {
                if self.page()? {
                    continue;
                }
                return Ok(false);
            };
            let channels = self.shape.channels;
            block.samples.ints.clear();
            let fine = self.sound.decode(packet, &mut block.samples.ints);
            self.queue.at += i64::from(frames);
            let (frames, width) = (frames as usize, usize::from(channels));
            if frames == 0 {
                continue;
            }
            // The first of two Vorbis packets yields nothing here that counts.
            let more = block.samples.ints.len().saturating_sub(frames * width);
            block.samples.ints.drain(..more);
            let lost = !fine || block.samples.ints.len() < frames * width;
            let Some(link) = self.links.get(self.link) else { return Ok(false) };
            let ahead = (link.base - start).clamp(0, frames as i64) as usize;
            let left = end.saturating_sub(start).clamp(0, frames as i64) as usize;
            if left <= ahead {
                continue;
            }
            let first = link.offset.saturating_add(u64::try_from(start + ahead as i64 - link.base).unwrap_or(0));
            if lost {
                block.silence(first, left - ahead, channels);
            } else {
                block.samples.ints.truncate(left * width);
                block.samples.ints.drain(..ahead * width);
                block.fill(first, channels);
            }
            return Ok(true);
        }
    }

    fn seek(&mut self, frame: u64) -> Result<(), Flaw> {
        let index = self.links.partition_point(|link| link.offset <= frame).saturating_sub(1);
        let Some(link) = self.links.get(index) else { return Ok(()) };
        let inside = i64::try_from(frame.saturating_sub(link.offset)).unwrap_or(1 << 60);
        let wanted = link.base.saturating_add(inside).saturating_sub(self.shape.pre_roll as i64);
        let file = self.input.file();
        let (mut low, mut high) = (
            link.sound_at,
            match self.links.get(index + 1) {
                Some(next) => next.sound_at,
                None => file.len()?,
            },
        );
        let (mut found, ours) = (None, |page: &Stands| page.serial == link.serial);
        while high.saturating_sub(low) > STEP_BYTES {
            let middle = low + (high - low) / 2;
            match told_from(&**file, middle, high, ours)? {
                Some((page, granule)) if signed(granule) <= wanted => {
                    low = page.at + page.bytes;
                    found = Some(page.at);
                }
                _ => high = middle,
            }
        }
        while let Some((page, granule)) = told_from(&**file, low, high, ours)? {
            if signed(granule) > wanted {
                break;
            }
            low = page.at + page.bytes;
            found = Some(page.at);
        }
        self.enter(index, found)
    }

    fn measure(&mut self) -> Result<u64, Flaw> {
        let last = self.links.len() - 1; // there is always one
        self.enter(last, None)?;
        while self.page()? {}
        Ok(self.links.get(self.link).map_or(0, |link| link.offset.saturating_add(self.heard(link))))
    }
}
