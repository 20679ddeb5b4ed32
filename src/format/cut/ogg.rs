//! Ogg: pages through the writer of kept streams, once to count them and once to write them. What that would change in the end
//! is known from the first time, so nothing needs to be held back the second time.
//!
//! Of files with the same headers the pages of all but the first are taken for the next ones of the first: packets that overlap
//! from one file to the next (Vorbis) do so again. Other headers begin another link of the chain.

use super::super::opus::Head;
use super::super::stream::ogg::page::{EOS, Page, Parse};
use super::super::stream::ogg::{FLAC_STREAMINFO_AT, Framer, LEAST_PRE_SKIP, WINDOW_BYTES, Writer};
use super::super::stream::{Step, Unit};
use super::super::vorbis::Ident;
use super::super::{Flaw, ReadAt, fill_at};
use super::{DIFFERENT, Found, NOTHING, Plan as AnyPlan, Range, Sink, Wanted};

const READ_BYTES: usize = 256 << 10;
/// RFC 7845 section 4.6: an Opus decoder is right after 80 ms.
const OPUS_PRE_ROLL: u64 = 3_840;

#[derive(Debug)]
pub struct Plan {
    /// One a file.
    stretches: Vec<Stretch>,
    /// Bytes that stand in the place of what the writer wrote first.
    patches: Vec<(u64, Vec<u8>)>,
}

/// Pages of a file that follow each other.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The first page, and where the last one ends.
    from: u64,
    to: u64,
    /// Frames of the file before both.
    before: (u64, u64),
    rate_hz: u32,
}

pub fn plan(wanted: &[Wanted]) -> Result<Found, Flaw> {
    let files: Vec<&dyn ReadAt> = wanted.iter().map(|(file, _)| *file).collect();
    let each = wanted.iter().enumerate().map(|(n, (file, range))| stretch(*file, *range, n > 0));
    let stretches = each.collect::<Result<Vec<_>, _>>()?;
    let (Some(&first), Some(&last)) = (stretches.first(), stretches.last()) else { return Err(NOTHING) };
    if stretches.iter().any(|stretch| stretch.rate_hz != first.rate_hz) {
        return Err(DIFFERENT);
    }
    let heard = stretches.iter().map(|stretch| stretch.before.1 - stretch.before.0).sum::<u64>();
    let is_one = stretches.len() == 1;
    let mut plan = Plan { stretches, patches: Vec::new() };
    let mut bytes = 0;
    let done = plan.run(&files, &mut |piece| {
        bytes += piece.len() as u64;
        Ok(())
    })?;
    plan.patches = done.patches;
    let (begun, to, rate_hz) = (first.before.0, last.before.1, first.rate_hz);
    // What a decoder cannot make without the page before is missing at the start; between two files nothing is.
    let from = done.frames.map_or(begun, |frames| begun + heard.saturating_sub(frames));
    let frames = if is_one { to.saturating_sub(from) } else { done.frames.unwrap_or(heard) };
    if frames == 0 {
        return Err(NOTHING); // pages, and all of them are skipped by a decoder
    }
    Ok(Found { from, to, frames, rate_hz, bytes, plan: AnyPlan::Ogg(Box::new(plan)) })
}

fn stretch(file: &dyn ReadAt, range: Range, goes_on: bool) -> Result<Stretch, Flaw> {
    let (mut walk, mut heard) = (Walk::new(file), 0_u64);
    let (mut rate_hz, mut wanted, mut roll) = (0, (0, u64::MAX), 0);
    // Where the cut begins and ends: (byte, frames before it).
    let (mut begin, mut end) = (None::<(u64, u64)>, (0, 0));
    while let Some((bytes, frames, entry)) = walk.next()? {
        let Some(format) = walk.framer.format() else { break };
        if rate_hz == 0 {
            rate_hz = format.rate.hz();
            wanted = range.frames(rate_hz);
            roll = pre_roll(&walk.framer);
        }
        if heard >= wanted.1 || format.rate.hz() != rate_hz {
            break;
        }
        if begin.is_none() || !goes_on && entry && heard.saturating_add(roll) <= wanted.0 {
            begin = Some((walk.at, heard));
        }
        heard = heard.saturating_add(u64::from(frames));
        end = (walk.at + bytes as u64, heard);
        walk.pass(bytes);
    }
    let begin = begin.filter(|_| end.1 > wanted.0).ok_or(NOTHING)?;
    Ok(Stretch { from: begin.0, to: end.0, before: (begin.1, end.1), rate_hz })
}

/// Frames to begin early, so that what was asked for sounds as it did.
fn pre_roll(framer: &Framer) -> u64 {
    let Parse::Yes(page) = Page::parse(framer.headers().unwrap_or(&[])) else { return 0 };
    match (Ident::parse(page.body), Head::parse(page.body)) {
        (Some(ident), _) => 2 * u64::from(ident.block_sizes[1]),
        (_, Some(_)) => OPUS_PRE_ROLL,
        _ => 0,
    }
}

/// What a run through the writer found.
struct Done {
    patches: Vec<(u64, Vec<u8>)>,
    /// Frames that are heard of what was written; `None` for several streams in a chain.
    frames: Option<u64>,
}

impl Plan {
    pub fn write(&self, files: &[&dyn ReadAt], out: &mut Sink) -> Result<(), Flaw> {
        let (mut at, mut piece) = (0_u64, Vec::new());
        self.run(files, &mut |bytes| {
            let end = at + bytes.len() as u64;
            piece.clear();
            piece.extend_from_slice(bytes);
            for (place, patch) in &self.patches {
                for (index, &byte) in (*place..).zip(patch).filter(|(index, _)| (at..end).contains(index)) {
                    piece[(index - at) as usize] = byte;
                }
            }
            at = end;
            out(&piece)
        })?;
        Ok(())
    }

    fn run(&self, files: &[&dyn ReadAt], out: &mut Sink) -> Result<Done, Flaw> {
        let mut joined = Joined { writer: None, framer: None, links: 0 };
        let last = self.stretches.len().saturating_sub(1);
        for (n, (stretch, file)) in self.stretches.iter().zip(files).enumerate() {
            joined.file(*file, stretch, n < last, out)?;
        }
        let Some((writer, pre_skip)) = joined.writer else { return Err(NOTHING) };
        let frames = Some(writer.position().saturating_sub(pre_skip)).filter(|_| joined.links <= 1);
        Ok(Done { patches: writer.end().into_iter().collect(), frames })
    }
}

/// What becomes one file.
struct Joined {
    /// And what is skipped at its start.
    writer: Option<(Writer, u64)>,
    /// Of the file before, with the link that may go on.
    framer: Option<Framer>,
    links: u32,
}

impl Joined {
    /// The pages of a stretch. `goes_on`: another file follows, so that its last page is not the last of the stream.
    fn file(&mut self, file: &dyn ReadAt, stretch: &Stretch, goes_on: bool, out: &mut Sink) -> Result<(), Flaw> {
        let (mut walk, mut failed) = (Walk::new(file), None);
        walk.last = goes_on.then_some(stretch.to);
        let mut before = None;
        while let Some((bytes, _, _)) = walk.next()? {
            if walk.at >= stretch.to {
                break;
            }
            let mut sink = |piece: &[u8]| {
                if failed.is_none() {
                    failed = out(piece).err();
                }
            };
            if walk.at >= stretch.from {
                if let Some(framer) = self.framer.take() {
                    before = Some(framer).filter(|framer| same_headers(framer, &walk.framer));
                } else if walk.new_link && walk.at > stretch.from {
                    before = None; // another link: nothing of the file before goes on
                }
                let unit = walk.buf.get(walk.start..walk.start + bytes).unwrap_or(&[]);
                match before.as_mut().and_then(|framer| follow(framer, unit, walk.at == stretch.from)) {
                    Some((page, framer)) => self.page(framer, &page, false, &mut sink),
                    None => self.page(&walk.framer, unit, walk.new_link, &mut sink),
                }
            }
            if let Some(e) = failed {
                return Err(Flaw::Io(e));
            }
            walk.pass(bytes);
        }
        self.framer = Some(before.unwrap_or(walk.framer));
        Ok(())
    }

    fn page(&mut self, framer: &Framer, page: &[u8], new_link: bool, sink: &mut dyn FnMut(&[u8])) {
        let (writer, _) = self.writer.get_or_insert_with(|| (Writer::begin(framer, sink), pre_skip(framer)));
        self.links += u32::from(new_link);
        let unit = Unit { bytes: page.len(), frames: 0, entry: false, new_link };
        writer.unit(framer, &unit, page, sink);
    }
}

/// A page as the next one of a stream that goes on; `None` when it cannot be.
fn follow<'a>(framer: &'a mut Framer, bytes: &[u8], is_first: bool) -> Option<(Vec<u8>, &'a Framer)> {
    let Parse::Yes(page) = Page::parse(bytes) else { return None };
    let (serial, sequence) = framer.go_on(is_first)?;
    let page = Page { serial, sequence, ..page };
    let bytes = [&page.seal()[..], page.body].concat();
    matches!(framer.step(&bytes, true), Step::Unit(_)).then_some((bytes, framer))
}

/// Whether sound under the headers of one goes on under those of the other. What is said of a whole stream may differ.
fn same_headers(a: &Framer, b: &Framer) -> bool {
    let (a, b) = (a.headers().map(packets), b.headers().map(packets));
    a.is_some() && a == b
}

/// The bodies of header pages, without what a writer makes anew for each file.
fn packets(mut pages: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    while let Parse::Yes(page) = Page::parse(pages) {
        let mut body = page.body.to_vec();
        if Head::parse(&body).is_some() {
            body[Head::PRE_SKIP_AT..Head::PRE_SKIP_AT + 2].fill(0);
        } else if let Some(info) = body.get_mut(FLAC_STREAMINFO_AT..FLAC_STREAMINFO_AT + 34).filter(|_| page.body[0] == 0x7F) {
            // Lengths of coded frames, number of samples, MD5.
            info[4..10].fill(0);
            info[13] &= 0xF0;
            info[14..].fill(0);
        }
        bodies.push(body);
        pages = pages.get(page.bytes()..).unwrap_or(&[]);
    }
    bodies
}

/// What a decoder drops at the start of a file that begins with this page.
fn pre_skip(framer: &Framer) -> u64 {
    let Parse::Yes(page) = Page::parse(framer.headers().unwrap_or(&[])) else { return 0 };
    let whole = framer.sound().is_some_and(|sound| sound.first);
    Head::parse(page.body).map_or(0, |head| u64::from(if whole { head.pre_skip } else { LEAST_PRE_SKIP }))
}

/// The pages of sound of a file, one after the other.
struct Walk<'a> {
    file: &'a dyn ReadAt,
    framer: Framer,
    buf: Vec<u8>,
    /// start <= end <= buf.len()
    start: usize,
    end: usize,
    at: u64,
    at_end: bool,
    new_link: bool,
    /// A page that ends here does not end its stream, whatever it says.
    last: Option<u64>,
}

impl<'a> Walk<'a> {
    fn new(file: &'a dyn ReadAt) -> Walk<'a> {
        let buf = vec![0; READ_BYTES + WINDOW_BYTES];
        Walk { file, framer: Framer::default(), buf, start: 0, end: 0, at: 0, at_end: false, new_link: false, last: None }
    }

    /// Bytes and frames of the next page, which then stands at `at`, and whether a file may begin with it.
    fn next(&mut self) -> Result<Option<(usize, u32, bool)>, Flaw> {
        loop {
            self.open_end();
            let bytes = &self.buf[self.start..self.end];
            match self.framer.step(bytes, self.at_end) {
                Step::More if self.at_end => return Ok(None),
                Step::More => self.more()?,
                Step::Skip { bytes, .. } | Step::Headers { bytes } => self.pass(bytes),
                Step::Unit(unit) => {
                    self.new_link = unit.new_link;
                    return Ok(Some((unit.bytes, unit.frames, unit.entry)));
                }
            }
        }
    }

    fn open_end(&mut self) {
        let Some(last) = self.last else { return };
        let bytes = &self.buf[self.start..self.end];
        let Parse::Yes(page) = Page::parse(bytes) else { return };
        if page.is(EOS) && self.at + page.bytes() as u64 >= last {
            let header = Page { flags: page.flags & !EOS, ..page }.seal();
            self.buf[self.start..self.start + header.len()].copy_from_slice(&header);
        }
    }

    fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        self.at += bytes as u64;
    }

    fn more(&mut self) -> Result<(), Flaw> {
        self.buf.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let have = fill_at(self.file, self.at.saturating_add(self.end as u64), &mut self.buf[self.end..])?;
        self.end += have;
        self.at_end = self.end < self.buf.len();
        Ok(())
    }
}
