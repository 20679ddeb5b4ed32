//! One connection: from its first byte to its end.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use heapless::Deque;

use super::{StreamLane, cause_of};
use crate::actor::encoder::StoreGone;
use crate::device::stream::{Connected, Heard};
use crate::device::{Fault, FaultKind};
use crate::format::stream::sniff::{ENOUGH_BYTES, Sniffed, sniff};
use crate::format::stream::{Framer, Skipped, Step, Unit, Writer};
use crate::message::{Cause, Format};
use crate::status::State;
use crate::time::Look;

/// Bytes of one read at most.
const READ_BYTES: usize = 4 << 10;
/// Sound for so long ends an alarm.
const CALM: Duration = Duration::from_secs(10);

/// Reads within so long count as one arrival.
const ARRIVAL: Duration = Duration::from_secs(1);
/// Longer than anything waits in a window: after that it is no sound.
const ARRIVALS: usize = 16;

/// What has been read and not passed yet. start <= end <= bytes.len()
struct Window {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes before `start` since the connection began.
    passed: u64,
    /// A unit may wait here until what follows shows that it is one; it came when its last byte came.
    arrivals: Deque<Arrival, ARRIVALS>,
}

#[derive(Clone, Copy)]
struct Arrival {
    began: Instant,
    last: Instant,
    /// Bytes since the connection began.
    end: u64,
}

impl Window {
    /// Room for what must be seen at once, and for a read behind it.
    fn new(seen_bytes: usize) -> Window {
        Window { bytes: vec![0; seen_bytes + READ_BYTES], start: 0, end: 0, passed: 0, arrivals: Deque::new() }
    }

    /// With so much to be seen at once; keeps what is there.
    fn widened(self, seen_bytes: usize) -> Window {
        let mut wider = Window::new(seen_bytes.max(self.unread().len()));
        wider.bytes[..self.unread().len()].copy_from_slice(self.unread());
        wider.end = self.unread().len();
        (wider.passed, wider.arrivals) = (self.passed, self.arrivals);
        wider
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn pass(&mut self, bytes: usize) {
        let bytes = bytes.min(self.unread().len());
        self.start += bytes;
        self.passed += bytes as u64;
    }

    /// So many bytes have been read into the space.
    fn filled(&mut self, bytes: usize, now: Instant) {
        self.end = (self.end + bytes).min(self.bytes.len());
        let end = self.passed + self.unread().len() as u64;
        match self.arrivals.back_mut().filter(|arrival| now.duration_since(arrival.began) < ARRIVAL) {
            Some(arrival) => (arrival.last, arrival.end) = (now, end),
            None => {
                if self.arrivals.is_full() {
                    self.arrivals.pop_front();
                }
                let _ = self.arrivals.push_back(Arrival { began: now, last: now, end }); // there is room now
            }
        }
    }

    /// When the last of the next so many bytes came.
    fn arrived(&self, bytes: usize) -> Option<Instant> {
        let end = self.passed + bytes as u64;
        self.arrivals.iter().find(|arrival| arrival.end >= end).map(|arrival| arrival.last)
    }

    /// Where the next read goes: never empty once what can be framed has been passed.
    fn space(&mut self) -> &mut [u8] {
        if self.bytes.len() - self.end < READ_BYTES {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }
}

/// What is known of the connection.
struct Ear {
    window: Window,
    framer: Option<Framer>,
    writer: Option<Writer>,
    /// Of the sound so far, for a line when it changes.
    format: Option<Format>,
    began: Instant,
    last_unit: Instant,
    /// Bytes that fitted nowhere since the last unit.
    garbage: usize,
    /// Files that ended because the stream changed, and since when they are counted.
    changes: (u32, Instant),
}

/// What brings so much without one whole unit is no stream, and costs time to search.
const GARBAGE_BYTES: usize = 512 << 10;
/// At the end of a connection it is not worth searching as long.
const GARBAGE_AT_END: usize = 32 << 10;
/// A stream that changes more often within a minute would fill the disk with files of nothing.
const CHANGES: u32 = 20;
const CHANGES_WITHIN: Duration = Duration::from_secs(60);

impl StreamLane {
    /// Listens until something ends the connection: whether there was sound, and the fault unless it was a stop. Every file is
    /// closed then.
    pub(super) fn listen(&mut self, connected: &Connected) -> Result<(bool, Option<Fault>), StoreGone> {
        self.say(log::Level::Info, format!("connected: {}", connected.text));
        let now = Instant::now();
        let window = Window::new(ENOUGH_BYTES);
        let mut ear =
            Ear { window, framer: None, writer: None, format: None, began: now, last_unit: now, garbage: 0, changes: (0, now) };
        let heard = self.hear_on(connected, &mut ear);
        self.air.iter_mut().for_each(|air| air.lost());
        let (cause, fault) = heard?;
        let look = self.clock.look();
        // What came last waits for a header behind it, which will never come now.
        if ear.framer.is_some() {
            self.frame(&mut ear, true, look)?;
        }
        let before = self.cutter.stop(cause, look);
        self.carry_out(before, &mut ear.writer)?;
        Ok((ear.format.is_some(), fault))
    }

    fn hear_on(&mut self, connected: &Connected, ear: &mut Ear) -> Result<(Cause, Option<Fault>), StoreGone> {
        while !self.stop.load(Relaxed) {
            if !self.is_open() {
                return Ok((Cause::Schedule, None));
            }
            self.actor.begin();
            self.actor.enter(State::Device);
            let heard = self.station.read(ear.window.space());
            self.actor.enter(State::Busy);
            let look = self.clock.look();
            match heard {
                Ok(Heard::Bytes(n)) => ear.window.filled(n, Instant::now()),
                Ok(Heard::Title(title)) => {
                    self.say(log::Level::Info, format!("now: {title}"));
                    self.air.iter().for_each(|air| air.title(&title));
                    self.cutter.title(title, look);
                }
                Ok(Heard::End) => {
                    let what = match ear.format {
                        Some(_) => "the server closed the connection",
                        None => "the server closed the connection before any sound came",
                    };
                    return Ok((Cause::Unplugged, Some(Fault::new(FaultKind::Gone, format!("{}: {what}", connected.text)))));
                }
                Err(_) if self.stop.load(Relaxed) => break,
                Err(fault) => return Ok((cause_of(&fault), Some(fault))),
            }
            if let Some(fault) = self.take_in(connected, ear, look)? {
                return Ok((cause_of(&fault), Some(fault)));
            }
        }
        Ok((Cause::Shutdown, None))
    }

    /// Frames what is there; a fault when it is no sound, or when none has come for too long.
    fn take_in(&mut self, connected: &Connected, ear: &mut Ear, look: Look) -> Result<Option<Fault>, StoreGone> {
        if let Some(cause) = self.status.take_cut() {
            let before = super::Before { close: self.cutter.cut(cause), ..super::Before::default() };
            self.carry_out(before, &mut ear.writer)?;
        }
        if ear.framer.is_none() {
            match sniff(ear.window.unread(), connected.content_type.as_deref(), self.framing) {
                Sniffed::More => {}
                Sniffed::NoAudio(why) => {
                    let what = format!("{}: {why}, not sound: check the url", connected.text);
                    return Ok(Some(Fault::new(FaultKind::Refused, what)));
                }
                Sniffed::Is(framing) => {
                    let framer = Framer::new(framing);
                    let window = std::mem::replace(&mut ear.window, Window::new(0));
                    ear.window = window.widened(framer.window_bytes());
                    ear.framer = Some(framer);
                }
            }
        }
        if ear.framer.is_some() {
            self.frame(ear, false, look)?;
        }
        if ear.garbage > GARBAGE_BYTES {
            let what = format!("{}: {} KiB without one whole frame: not sound, or damaged", connected.text, ear.garbage >> 10);
            return Ok(Some(Fault::new(FaultKind::Refused, what)));
        }
        if ear.changes.0 > CHANGES {
            let what = format!("{}: changes what it sends more than {CHANGES} times a minute", connected.text);
            return Ok(Some(Fault::new(FaultKind::Refused, what)));
        }
        if ear.last_unit.elapsed() >= connected.stall {
            let what = format!("{}: no sound for {} s", connected.text, connected.stall.as_secs());
            return Ok(Some(Fault::new(FaultKind::Stalled, what)));
        }
        Ok(None)
    }

    fn frame(&mut self, ear: &mut Ear, at_end: bool, look: Look) -> Result<(), StoreGone> {
        let Some(mut framer) = ear.framer.take() else { return Ok(()) };
        let mut result = Ok(());
        while result.is_ok() && !ear.window.unread().is_empty() {
            self.actor.beat();
            if (at_end && ear.garbage > GARBAGE_AT_END) || ear.changes.0 > CHANGES {
                break;
            }
            match framer.step(ear.window.unread(), at_end) {
                Step::More => break,
                Step::Skip { bytes, what } => {
                    if what == Skipped::Garbage {
                        ear.garbage = ear.garbage.saturating_add(bytes);
                    }
                    // Before the first unit that is only the rest of one whose start was missed, and at the end one that was cut.
                    if what == Skipped::Garbage && ear.format.is_some() && !at_end {
                        self.skip(bytes);
                    }
                    ear.window.pass(bytes);
                }
                Step::Headers { bytes } => ear.window.pass(bytes),
                Step::Unit(unit) => {
                    result = self.keep(&framer, &unit, ear, look);
                    ear.window.pass(unit.bytes);
                }
            }
        }
        ear.framer = Some(framer);
        result
    }

    fn keep(&mut self, framer: &Framer, unit: &Unit, ear: &mut Ear, look: Look) -> Result<(), StoreGone> {
        let Some(format) = framer.format() else { return Ok(()) };
        if ear.format != Some(format) {
            self.met(format, ear);
        }
        let before = self.cutter.before(unit, format, self.new_session, look);
        let opens = before.open.clone();
        if before.close.as_ref().is_some_and(|closing| closing.cause == Cause::Changed) {
            let since = if ear.changes.1.elapsed() < CHANGES_WITHIN { ear.changes } else { (0, Instant::now()) };
            ear.changes = (since.0 + 1, since.1);
        }
        self.carry_out(before, &mut ear.writer)?;
        let now = look.mono;
        let bytes = ear.window.unread().get(..unit.bytes).unwrap_or_default();
        let (output, mut sent) = (&mut self.output, Ok(()));
        let mut sink = |bytes: &[u8]| {
            if sent.is_ok() {
                sent = output.part(bytes, now);
            }
        };
        if let (Some(air), Some(new)) = (&mut self.air, &opens) {
            air.opened(&new.identity);
        }
        if let Some(new) = opens {
            ear.writer = Some(Writer::begin(framer, unit, &new.identity, &mut sink));
        }
        if let Some(writer) = &mut ear.writer {
            writer.unit(framer, unit, bytes, &mut sink);
        }
        sent?;
        if let Some(air) = &mut self.air {
            air.unit(framer, unit, bytes, format);
        }
        self.output.complete(unit.frames, now)?;
        self.cutter.wrote(unit);
        let pool = &self.output.pool;
        let used = u32::try_from(pool.blocks().saturating_sub(pool.free())).unwrap_or(u32::MAX);
        self.status.used(used);
        self.status.frames_captured.fetch_add(u64::from(unit.frames), Relaxed);
        ear.garbage = 0;
        if unit.frames > 0 {
            ear.last_unit = ear.window.arrived(unit.bytes).unwrap_or_else(Instant::now);
        }
        if self.status.alarm.is_raised() && ear.began.elapsed() >= CALM {
            self.calm();
        }
        Ok(())
    }

    /// The first sound of the connection, or sound of another kind.
    fn met(&mut self, format: Format, ear: &mut Ear) {
        let codec = format.codec().map_or("", |codec| codec.name());
        let text = format!("{codec}, {}, {} channels", format.rate, format.channels);
        match ear.format.replace(format) {
            None => {
                self.reconnect.opened(self.clock.mono());
                self.status.runs.fetch_add(1, Relaxed);
                self.status.recording.store(true, Relaxed);
                self.say(log::Level::Info, format!("recording {text}"));
            }
            Some(_) => self.say(log::Level::Warn, format!("the stream goes on as {text}: a new file begins")),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.cutter.garbage(bytes);
        self.lines.garbage.add(bytes as u64);
        if let Some(tally) = self.lines.garbage.due(self.clock.mono()) {
            self.say(log::Level::Warn, format!("{} bytes of the stream fit nowhere and are left out", tally.frames));
        }
    }
}
