//! Ogg: pages through the writer of kept streams, once to count them and once to write them. What that would change in the end
//! is known from the first time, so nothing needs to be held back the second time.

use super::super::opus::Head;
use super::super::stream::Step;
use super::super::stream::ogg::page::{Page, Parse};
use super::super::stream::ogg::{Framer, LEAST_PRE_SKIP, WINDOW_BYTES, Writer};
use super::super::vorbis::Ident;
use super::super::{Flaw, ReadAt, fill_at};
use super::{Found, NOTHING, Plan as AnyPlan, Range, Sink};

const READ_BYTES: usize = 256 << 10;
/// RFC 7845 section 4.6: an Opus decoder is right after 80 ms.
const OPUS_PRE_ROLL: u64 = 3_840;

#[derive(Debug)]
pub struct Plan {
    /// The first page, and where the last one ends.
    from: u64,
    to: u64,
    /// Bytes that stand in the place of what the writer wrote first.
    patches: Vec<(u64, Vec<u8>)>,
}

pub fn plan(file: &dyn ReadAt, range: Range) -> Result<Found, Flaw> {
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
        if begin.is_none() || entry && heard.saturating_add(roll) <= wanted.0 {
            begin = Some((walk.at, heard));
        }
        heard = heard.saturating_add(u64::from(frames));
        end = (walk.at + bytes as u64, heard);
        walk.pass(bytes);
    }
    let begin = begin.filter(|_| end.1 > wanted.0).ok_or(NOTHING)?;
    let mut plan = Plan { from: begin.0, to: end.0, patches: Vec::new() };
    let mut bytes = 0;
    let done = plan.run(file, &mut |piece| {
        bytes += piece.len() as u64;
        Ok(())
    })?;
    plan.patches = done.patches;
    // What a decoder cannot make without the page before is missing at the start.
    let from = done.frames.map_or(begin.1, |frames| end.1.saturating_sub(frames).max(begin.1));
    Ok(Found { from, to: end.1, frames: end.1 - from, rate_hz, bytes, plan: AnyPlan::Ogg(Box::new(plan)) })
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
    pub fn write(&self, file: &dyn ReadAt, out: &mut Sink) -> Result<(), Flaw> {
        let (mut at, mut piece) = (0_u64, Vec::new());
        self.run(file, &mut |bytes| {
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

    fn run(&self, file: &dyn ReadAt, out: &mut Sink) -> Result<Done, Flaw> {
        let (mut walk, mut writer) = (Walk::new(file), None::<(Writer, u64)>);
        let (mut failed, mut links) = (None, 0);
        while let Some((bytes, _, _)) = walk.next()? {
            if walk.at >= self.to {
                break;
            }
            let unit = walk.buf.get(walk.start..walk.start + bytes).unwrap_or(&[]);
            let mut sink = |piece: &[u8]| {
                if failed.is_none() {
                    failed = out(piece).err();
                }
            };
            if walk.at >= self.from {
                let framer = &walk.framer;
                let (writer, _) = writer.get_or_insert_with(|| (Writer::begin(framer, &mut sink), pre_skip(framer)));
                links += u32::from(walk.new_link);
                let whole = super::super::stream::Unit { bytes, frames: 0, entry: false, new_link: walk.new_link };
                writer.unit(framer, &whole, unit, &mut sink);
            }
            if let Some(e) = failed {
                return Err(Flaw::Io(e));
            }
            walk.pass(bytes);
        }
        let Some((writer, pre_skip)) = writer else { return Err(NOTHING) };
        let frames = Some(writer.position().saturating_sub(pre_skip)).filter(|_| links <= 1);
        Ok(Done { patches: writer.end().into_iter().collect(), frames })
    }
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
}

impl<'a> Walk<'a> {
    fn new(file: &'a dyn ReadAt) -> Walk<'a> {
        let buf = vec![0; READ_BYTES + WINDOW_BYTES];
        Walk { file, framer: Framer::default(), buf, start: 0, end: 0, at: 0, at_end: false, new_link: false }
    }

    /// Bytes and frames of the next page, which then stands at `at`, and whether a file may begin with it.
    fn next(&mut self) -> Result<Option<(usize, u32, bool)>, Flaw> {
        loop {
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
