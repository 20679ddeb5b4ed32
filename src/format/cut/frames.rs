//! MP3 and ADTS: a range of the file's own bytes. An MP3 frame that reaches back into frames before it begins a cut only with
//! what it needs in front of it: from a frame that needs nothing if one lies within a second before, else in a silent frame.

use super::super::decode::gapless::Gapless;
use super::super::mp3;
use super::super::stream::{Framer, Framing, Skipped, Step, Unit};
use super::super::{Flaw, ReadAt, fill_at};
use super::{DIFFERENT, Found, NOTHING, Plan, Range, Wanted};
use crate::message::Format;

/// A frame that needs no earlier one is looked for so far back.
const ENTRY_S: u64 = 1;
const READ_BYTES: usize = 256 << 10;

/// A place between two units.
#[derive(Clone, Copy)]
struct Place {
    at: u64,
    /// Frames of the units before it.
    counted: u64,
}

/// Units of a file that follow each other.
struct Stretch {
    format: Format,
    /// Stands before them.
    head: Vec<u8>,
    begun: Place,
    end: Place,
    /// What an encoder put in front.
    start: u64,
}

/// Where a file goes on where another ended, nothing is put in front of it: what its frames reach back to is there.
pub fn plan(wanted: &[Wanted], framing: Framing) -> Result<Found, Flaw> {
    let each = wanted.iter().enumerate().map(|(n, (file, range))| stretch(*file, framing, *range, n > 0));
    let stretches = each.collect::<Result<Vec<_>, _>>()?;
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return Err(NOTHING) };
    if stretches.iter().any(|stretch| stretch.format != first.format) {
        return Err(DIFFERENT);
    }
    let at = |stretch: &Stretch, place: Place| place.counted.saturating_sub(stretch.start);
    let (from, to) = (at(first, first.begun), at(last, last.end));
    let frames = stretches.iter().map(|stretch| stretch.end.counted.saturating_sub(stretch.begun.counted)).sum();
    let ranges: Vec<_> = stretches.iter().map(|stretch| (stretch.begun.at, stretch.end.at)).collect();
    let bytes = first.head.len() as u64 + ranges.iter().map(|(from, to)| to - from).sum::<u64>();
    let (rate_hz, is_one) = (first.format.rate.hz(), stretches.len() == 1);
    let plan = Plan::Ranges { head: first.head.clone(), ranges, pad: false };
    Ok(Found { from, to: if is_one { to.max(from) } else { to }, frames, rate_hz, bytes, plan })
}

fn stretch(file: &dyn ReadAt, framing: Framing, range: Range, goes_on: bool) -> Result<Stretch, Flaw> {
    let mut walk = Walk::new(file, framing);
    let (mut shape, mut start, mut skipped) = (None::<Format>, 0, 0);
    let (mut entry, mut begun, mut head) = (None::<Place>, None::<Place>, Vec::new());
    let (mut wanted, mut end) = ((0, u64::MAX), Place { at: 0, counted: 0 });
    while let Some(unit) = walk.next()? {
        let Some(format) = walk.framer.format() else { break };
        let rate_hz = format.rate.hz();
        match shape {
            None => {
                shape = Some(format);
                start = walk.gapless.start;
                let (from, to) = range.frames(rate_hz);
                wanted = (from.saturating_add(start), to.saturating_add(start));
                skipped = u64::from(walk.is_primer(&unit)) * u64::from(unit.frames);
            }
            Some(before) if before.rate.hz() != rate_hz => break,
            Some(_) => {}
        }
        let here = Place { at: walk.at, counted: walk.counted.saturating_sub(skipped) };
        let after = walk.counted.saturating_add(u64::from(unit.frames)).saturating_sub(skipped);
        if unit.entry {
            entry = Some(here);
        }
        if begun.is_none() && after > wanted.0 {
            let near = entry.filter(|entry| entry.counted.saturating_add(ENTRY_S * u64::from(rate_hz)) >= here.counted);
            begun = Some(if goes_on { here } else { near.unwrap_or(here) });
            if let (false, None, Framer::Mp3(framer)) = (goes_on, near, &walk.framer) {
                framer.prime(&unit, &mut |bytes| head.extend_from_slice(bytes));
            }
        }
        if begun.is_some() {
            if here.counted >= wanted.1 {
                break;
            }
            end = Place { at: here.at + unit.bytes as u64, counted: after };
        }
        walk.pass(&unit);
    }
    let begun = begun.filter(|begun| end.at > begun.at).ok_or(NOTHING)?;
    Ok(Stretch { format: shape.ok_or(NOTHING)?, head, begun, end, start })
}

/// The units of a file, one after the other.
struct Walk<'a> {
    file: &'a dyn ReadAt,
    framing: Framing,
    framer: Framer,
    gapless: Gapless,
    buf: Vec<u8>,
    /// start <= end <= buf.len()
    start: usize,
    end: usize,
    at: u64,
    at_end: bool,
    counted: u64,
}

impl<'a> Walk<'a> {
    fn new(file: &'a dyn ReadAt, framing: Framing) -> Walk<'a> {
        let framer = Framer::new(framing);
        let buf = vec![0; READ_BYTES + framer.window_bytes()];
        let gapless = Gapless::default();
        Walk { file, framing, framer, gapless, buf, start: 0, end: 0, at: 0, at_end: false, counted: 0 }
    }

    /// The next unit, which then stands at `at`.
    fn next(&mut self) -> Result<Option<Unit>, Flaw> {
        loop {
            let bytes = &self.buf[self.start..self.end];
            let passed = match self.framer.step(bytes, self.at_end) {
                Step::More if self.at_end => return Ok(None),
                Step::More => {
                    self.more()?;
                    continue;
                }
                Step::Unit(unit) => return Ok(Some(unit)),
                Step::Skip { bytes: passed, what } => {
                    let frame = bytes.get(..passed).unwrap_or(&[]);
                    let header = mp3::Header::parse(frame).filter(|_| what == Skipped::Tag && self.counted == 0);
                    if let (Framing::Mp3, Some(header)) = (self.framing, header) {
                        self.gapless = Gapless::parse(&header, frame).unwrap_or_default();
                    }
                    passed
                }
                Step::Headers { bytes } => bytes,
            };
            self.start += passed;
            self.at += passed as u64;
        }
    }

    fn pass(&mut self, unit: &Unit) {
        self.start += unit.bytes;
        self.at += unit.bytes as u64;
        self.counted = self.counted.saturating_add(u64::from(unit.frames));
    }

    /// As in `decode`: a frame that we put in front when this file was cut itself.
    fn is_primer(&self, unit: &Unit) -> bool {
        let bytes = &self.buf[self.start..self.end];
        let (Some(frame), Some(rest)) = (bytes.get(..unit.bytes), bytes.get(unit.bytes..)) else { return false };
        let reaches_back = || mp3::Header::parse(rest).is_some_and(|next| next.main_data_begin(rest) > 0);
        let made_up = || mp3::Header::parse(frame).is_some_and(|header| header.is_made_up(frame));
        self.framing == Framing::Mp3 && made_up() && reaches_back()
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
