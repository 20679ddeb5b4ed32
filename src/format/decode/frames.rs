//! MP3 and ADTS to samples: their frames are found by the framers of `stream` and decoded by symphonia.
//!
//! Frames have no numbers, so a place in the file is found by counting from a place that is known: a sparse table of them grows
//! while frames pass by.

use super::super::mp3;
use super::super::stream::{Framer, Framing, Skipped, Step, Unit};
use super::super::{Flaw, adts};
use super::gapless::Gapless;
use super::input::Input;
use super::symphonia::Packets;
use super::{Block, File, Info, Source};
use crate::message::{Container, Format};

/// Decoded before a place that is looked for, so that bit reservoir, overlap and filters are as they would be.
const PRE_ROLL_S: u64 = 1;
/// Frames are dropped and counted from points that lie so far apart, or twice as far each time the table is full.
const POINT_EVERY_S: u64 = 2;
const MAX_POINTS: usize = 4_096;

pub struct Frames {
    input: Input,
    framing: Framing,
    framer: Framer,
    packets: Packets,
    format: Format,
    info: Info,
    gapless: Gapless,
    /// Frames of all units before the input's place, those that are dropped at the start included.
    counted: u64,
    /// (counted, byte) of units that were passed, rising.
    points: Vec<(u64, u64)>,
    every: u64,
    /// Units that end before it are passed without decoding them.
    wanted: u64,
    /// No unit was met.
    fresh: bool,
    ended: bool,
}

impl Frames {
    pub fn open(file: File, framing: Framing) -> Result<Frames, Flaw> {
        let framer = Framer::new(framing);
        let input = Input::new(file, framer.window_bytes());
        let (input, format, gapless) = first(input, framing)?;
        let (rate_hz, channels) = (format.rate.hz(), format.channels);
        let (packets, container) = match framing {
            Framing::Mp3 => (Packets::mp3(channels)?, Container::Mp3),
            _ => (Packets::aac(rate_hz, channels)?, Container::Aac),
        };
        let coded = gapless.coded_frames.map(|n| n.saturating_mul(if rate_hz >= 32_000 { 1_152 } else { 576 }));
        let frames = coded.map(|coded| gapless.length(coded));
        let info = Info { rate_hz, channels, bits: 24, frames, container };
        let mut this = Frames {
            input,
            framing,
            framer,
            packets,
            format,
            info,
            gapless,
            counted: 0,
            points: Vec::new(),
            every: POINT_EVERY_S * u64::from(rate_hz),
            wanted: 0,
            fresh: true,
            ended: false,
        };
        this.place(None)?;
        Ok(this)
    }

    /// The next unit of sound, which the input then stands at; `None` at the end and where another format begins.
    fn unit(&mut self) -> Result<Option<Unit>, Flaw> {
        while !self.ended {
            match self.framer.step(self.input.bytes(), self.input.at_end()) {
                Step::More if self.input.at_end() => self.ended = true,
                Step::More => self.input.more()?,
                Step::Skip { bytes, .. } | Step::Headers { bytes } => self.input.pass(bytes),
                Step::Unit(_) if self.framer.format() != Some(self.format) => self.ended = true,
                Step::Unit(unit) => return Ok(Some(unit)),
            }
        }
        Ok(None)
    }

    /// Counts a unit that the input stands at, and steps over it.
    fn pass(&mut self, unit: &Unit) {
        let due = self.points.last().is_none_or(|&(counted, _)| self.counted >= counted.saturating_add(self.every));
        if due {
            if self.points.len() == MAX_POINTS {
                let mut even = false;
                self.points.retain(|_| {
                    even = !even;
                    even
                });
                self.every = self.every.saturating_mul(2);
            }
            self.points.push((self.counted, self.input.at()));
        }
        self.counted = self.counted.saturating_add(u64::from(unit.frames));
        self.fresh = false;
        self.input.pass(unit.bytes);
    }

    /// Whether the first unit is one that we put in front when the file was cut: it carries bytes for the next, and no sound.
    fn is_primer(&self, unit: &Unit) -> bool {
        let bytes = self.input.bytes();
        let (Some(frame), Some(rest)) = (bytes.get(..unit.bytes), bytes.get(unit.bytes..)) else { return false };
        let reaches_back = || mp3::Header::parse(rest).is_some_and(|next| next.main_data_begin(rest) > 0);
        let made_up = || mp3::Header::parse(frame).is_some_and(|header| header.is_made_up(frame));
        self.fresh && self.framing == Framing::Mp3 && made_up() && reaches_back()
    }

    fn decode(&mut self, unit: &Unit, out: &mut Vec<i32>) -> bool {
        let frame = self.input.bytes().get(..unit.bytes).unwrap_or(&[]);
        let packet = match self.framing {
            Framing::Mp3 => frame,
            _ => frame.get(adts::payload_at(frame)..).unwrap_or(&[]),
        };
        self.packets.decode(packet, out)
    }

    /// To a point, or to the start.
    fn place(&mut self, point: Option<(u64, u64)>) -> Result<(), Flaw> {
        let (counted, at) = point.unwrap_or((0, 0));
        (self.counted, self.fresh, self.ended) = (counted, point.is_none(), false);
        self.framer = Framer::new(self.framing);
        self.packets.reset();
        self.input.jump(at);
        Ok(())
    }

    /// Where the sound of the file ends, if it says so.
    fn end(&self) -> u64 {
        self.info.frames.unwrap_or(u64::MAX)
    }
}

/// The first unit's format, and what stands before it.
fn first(mut input: Input, framing: Framing) -> Result<(Input, Format, Gapless), Flaw> {
    let (mut framer, mut gapless) = (Framer::new(framing), Gapless::default());
    loop {
        match framer.step(input.bytes(), input.at_end()) {
            Step::More if input.at_end() => return Err(Flaw::IllFormed("there is no frame in it")),
            Step::More => input.more()?,
            Step::Skip { bytes, what } => {
                let frame = input.bytes().get(..bytes).unwrap_or(&[]);
                if let (Framing::Mp3, Skipped::Tag, Some(header)) = (framing, what, mp3::Header::parse(frame)) {
                    gapless = Gapless::parse(&header, frame).unwrap_or_default();
                }
                input.pass(bytes);
            }
            Step::Headers { bytes } => input.pass(bytes),
            Step::Unit(_) => {
                let format = framer.format().ok_or(Flaw::IllFormed("there is no frame in it"))?;
                return Ok((input, format, gapless));
            }
        }
    }
}

impl Source for Frames {
    fn info(&self) -> Info {
        self.info
    }

    fn next(&mut self, block: &mut Block) -> Result<bool, Flaw> {
        while let Some(unit) = self.unit()? {
            let first = self.counted;
            if first.saturating_add(u64::from(unit.frames)) <= self.wanted {
                self.pass(&unit);
                continue;
            }
            block.samples.ints.clear();
            let primer = self.is_primer(&unit);
            let fine = self.decode(&unit, &mut block.samples.ints);
            if primer {
                self.input.pass(unit.bytes);
                self.fresh = false;
                continue;
            }
            self.pass(&unit);
            let whole = block.samples.ints.len() == unit.frames as usize * usize::from(self.info.channels);
            if fine && whole {
                block.fill(first, self.info.channels);
            } else {
                block.silence(first, unit.frames as usize, self.info.channels);
            }
            if trim(block, self.gapless.start, self.end(), self.info.channels) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn seek(&mut self, frame: u64) -> Result<(), Flaw> {
        let rate = u64::from(self.info.rate_hz);
        self.wanted = frame.saturating_add(self.gapless.start).saturating_sub(PRE_ROLL_S * rate);
        let after = self.points.partition_point(|&(counted, _)| counted <= self.wanted);
        let point = after.checked_sub(1).and_then(|index| self.points.get(index)).copied();
        // The first point may stand behind a primer, which belongs to it.
        self.place(point.filter(|&(counted, _)| counted > 0))
    }

    fn measure(&mut self) -> Result<u64, Flaw> {
        self.seek(u64::MAX)?;
        while let Some(unit) = self.unit()? {
            if self.is_primer(&unit) {
                self.input.pass(unit.bytes);
                self.fresh = false;
            } else {
                self.pass(&unit);
            }
        }
        Ok(self.gapless.length(self.counted))
    }
}

/// Takes `start` frames of the recording away, and what lies behind `end` of the rest; `false` when nothing is left.
fn trim(block: &mut Block, start: u64, end: u64, channels: u8) -> bool {
    let (first, channels) = (block.first, usize::from(channels));
    let dropped = start.saturating_sub(first).min(block.frames as u64);
    block.first = (first + dropped).saturating_sub(start);
    block.frames -= dropped as usize;
    block.samples.ints.drain(..dropped as usize * channels);
    let left = end.saturating_sub(block.first).min(block.frames as u64);
    block.frames = left as usize;
    block.samples.ints.truncate(left as usize * channels);
    block.frames > 0
}
