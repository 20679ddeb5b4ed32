//! Where the files of a stream begin and end: on the unit that was on air at the boundary.
//!
//! A machine without I/O. Before each unit of sound it is asked what happens first ([`Before`]); after the unit was written it
//! is told so. It composes the station's lead, the UTC offset, the boundaries and the names of `policy`, as the splitter does
//! for sound cards; here no unit is ever divided, and a connection never shares a file with another.

use std::sync::Arc;

use crate::format::stream::{Unit, container};
use crate::message::{
    Cause, ClockState, Closing, Codec, Container, Format, GapEntry, Identity, NewFile, Reason, TITLES_PER_FILE, Title,
};
use crate::policy::Invalid;
use crate::policy::lead::Lead;
use crate::policy::name::Pattern;
use crate::policy::offset::Offset;
use crate::policy::split::{Boundaries, Zone};
use crate::time::{Look, Mono, Rate, SECOND_NS, Wall};

/// An MP3 frame that needs what came before it begins a file only if none that does not comes for so long.
const ENTRY_WAIT_NS: i64 = SECOND_NS;
/// A file that begins this soon after its boundary is named after the boundary.
const NAME_NS: i64 = 2 * SECOND_NS;
/// What a server had stored is delivered by then, so that the start of the connection is known.
const SETTLED_NS: i64 = 3 * SECOND_NS;
/// A stream that is on air so much later than its own time stamps say has skipped that much.
const SKIPPED_NS: i64 = SECOND_NS;

pub struct Settings {
    pub source: Arc<str>,
    pub split_minutes: f64,
    pub zone: Zone,
    pub name_in_utc: bool,
    pub filename_pattern: String,
    /// How long before a cut the next file is made ready.
    pub prepare_ahead_ns: i64,
}

/// What happens before a unit, in this order.
#[derive(Debug, Default)]
pub struct Before {
    pub close: Option<Box<Closing>>,
    pub lost: heapless::Vec<GapEntry, 2>,
    /// The unsynced files of this run began that much later than they say.
    pub correct: Option<(Arc<str>, i64)>,
    pub open: Option<Box<NewFile>>,
    /// The next file will probably be this one.
    pub prepare: Option<Box<NewFile>>,
}

pub struct Cutter {
    source: Arc<str>,
    boundaries: Boundaries,
    pattern: Pattern,
    name_zone: Zone,
    prepare_ahead_ns: i64,
    offset: Offset,
    run: Option<Run>,
    /// Of the run that is or was last, for a clock that is set only after it.
    session: Option<Arc<str>>,
    /// Of the run that was last.
    rate: Option<Rate>,
    silence: Option<(Mono, Reason)>,
    file: Option<File>,
    /// When the last frame of the run's last file was on air, by the file's own start and length.
    ended: Option<Mono>,
    /// What is on, for the file that begins next.
    title: Option<Arc<str>>,
}

/// A connection that has brought sound.
struct Run {
    session: Arc<str>,
    format: Format,
    lead: Lead,
    began: Mono,
    /// Frames so far.
    frames: u64,
    /// The silence before it is told once its start is known.
    settled: bool,
}

struct File {
    first_frame: u64,
    /// When its first frame was on air, as was thought when it began.
    start: Mono,
    /// The same by the wall clock of that moment, which its identity says.
    stamped: Wall,
    boundary: Option<Wall>,
    format: Format,
    clock: ClockState,
    frames: u64,
    titles: Vec<Title>,
    garbage_bytes: u64,
    prepared: bool,
}

impl Cutter {
    pub fn new(settings: Settings) -> Result<Cutter, Invalid> {
        Ok(Cutter {
            name_zone: if settings.name_in_utc { Zone::UTC } else { settings.zone.clone() },
            boundaries: Boundaries::new(settings.split_minutes, settings.zone)?,
            pattern: Pattern::new(&settings.filename_pattern)?,
            source: settings.source,
            prepare_ahead_ns: settings.prepare_ahead_ns,
            offset: Offset::new(),
            run: None,
            session: None,
            rate: None,
            silence: None,
            file: None,
            ended: None,
            title: None,
        })
    }

    /// A unit of this format has arrived whole. The answer must be carried out before the unit is written.
    pub fn before(&mut self, unit: &Unit, format: Format, session: impl FnOnce() -> Arc<str>, look: Look) -> Before {
        let mut before = Before::default();
        let step = self.offset.push(look);
        if self.run.as_ref().is_some_and(|run| run.format.rate != format.rate) {
            // Frames are counted in another unit from here on: a run of its own, though the connection is the same.
            before.close = self.close(Cause::Changed);
            self.break_silence(&mut before);
            (self.run, self.ended) = (None, None); // the new one does not know yet when it began
        }
        let run = self.run.get_or_insert_with(|| Run {
            session: session(),
            format,
            lead: Lead::new(format.rate, look.mono),
            began: look.mono,
            frames: 0,
            settled: false,
        });
        run.format = format;
        self.session = Some(run.session.clone());
        self.rate = Some(format.rate);
        run.lead.push(run.frames.saturating_add(u64::from(unit.frames)), look.mono);
        let on_air = run.lead.mono_of(run.frames);
        let settled = !run.settled && look.mono.since(run.began) >= SETTLED_NS;
        run.settled |= settled;
        let boundary = self.file.as_ref().and_then(|file| file.boundary);
        let cause = match &self.file {
            None => None,
            Some(file) if file.format != format || unit.new_link => Some(Cause::Changed),
            Some(_) if step.is_some() => Some(Cause::Clock),
            Some(file) => self.is_due(file, unit, on_air).then_some(Cause::Split),
        };
        if let Some(cause) = cause {
            before.close = self.close(cause);
        }
        if settled || before.close.is_some() {
            self.break_silence(&mut before);
        }
        if let (Some(step), Some(session)) = (step.filter(|step| step.before == ClockState::Unsynced), self.session.clone()) {
            before.correct = Some((session, step.by_ns));
        }
        if self.file.is_none() {
            before.open = self.open(on_air, boundary.filter(|_| cause == Some(Cause::Split)));
            if let Some(gap) = self.skipped(on_air) {
                let _ = before.lost.push(gap); // the second of two
            }
        } else {
            before.prepare = self.prepare(on_air);
        }
        before
    }

    /// The unit is in the file.
    pub fn wrote(&mut self, unit: &Unit) {
        if let Some(run) = &mut self.run {
            run.frames = run.frames.saturating_add(u64::from(unit.frames));
        }
        if let Some(file) = &mut self.file {
            file.frames = file.frames.saturating_add(u64::from(unit.frames));
        }
    }

    pub fn title(&mut self, text: Arc<str>, look: Look) {
        self.offset.push(look);
        let at = self.offset.wall_of(look.mono);
        if let Some(file) = self.file.as_mut().filter(|file| file.titles.len() < TITLES_PER_FILE) {
            file.titles.push(Title { at_frame: file.frames, at, text: text.clone() });
        }
        self.title = Some(text);
    }

    pub fn garbage(&mut self, bytes: usize) {
        if let Some(file) = &mut self.file {
            file.garbage_bytes = file.garbage_bytes.saturating_add(bytes as u64);
        }
    }

    /// The connection is over. What is missing from here on is told when the next one brings sound, or at the end.
    pub fn stop(&mut self, cause: Cause, look: Look) -> Before {
        self.offset.push(look);
        let mut before = Before { close: self.close(cause), ..Before::default() };
        self.break_silence(&mut before);
        (self.title, self.ended) = (None, None);
        let reason = match cause {
            Cause::Shutdown | Cause::End | Cause::Schedule => None,
            Cause::Stalled => Some(Reason::Stalled),
            Cause::Unplugged => Some(Reason::Unplugged),
            _ => Some(Reason::Fault),
        };
        if let (Some(run), Some(reason)) = (self.run.take(), reason) {
            self.silence = self.silence.or(Some((run.lead.mono_of(run.frames), reason)));
        }
        before
    }

    /// At the end of all: what has been missing until now.
    pub fn end(&mut self, look: Look) -> Option<GapEntry> {
        self.offset.push(look);
        let (since, reason) = self.silence.take()?;
        self.gap(since, look.mono, reason)
    }

    /// The file must end now, because the store has lost it.
    pub fn cut(&mut self, cause: Cause) -> Option<Box<Closing>> {
        self.close(cause)
    }

    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    fn is_due(&self, file: &File, unit: &Unit, on_air: Mono) -> bool {
        let Some(boundary) = file.boundary else { return false };
        let late_ns = self.offset.wall_of(on_air).since(boundary);
        let forced = codec(file.format) == Some(Codec::Mp3) && late_ns >= ENTRY_WAIT_NS;
        file.frames > 0 && late_ns >= 0 && (unit.entry || forced)
    }

    fn open(&mut self, on_air: Mono, due: Option<Wall>) -> Option<Box<NewFile>> {
        let run = self.run.as_ref()?;
        let start = self.offset.wall_of(on_air);
        // A clock beyond the last year that can be counted has no boundaries.
        let boundary = Some(self.boundaries.next_after(start)).filter(|&b| b > start);
        let title = self.title.clone().map(|text| Title { at_frame: 0, at: start, text });
        self.file = Some(File {
            first_frame: run.frames,
            start: on_air,
            stamped: start,
            boundary,
            format: run.format,
            clock: self.offset.state(),
            frames: 0,
            titles: title.into_iter().collect(),
            garbage_bytes: 0,
            prepared: false,
        });
        self.plan(start, run.frames, due.filter(|&due| start.since(due) < NAME_NS))
    }

    fn prepare(&mut self, on_air: Mono) -> Option<Box<NewFile>> {
        let boundary = self.file.as_ref().filter(|file| !file.prepared)?.boundary?;
        if boundary.since(self.offset.wall_of(on_air)) > self.prepare_ahead_ns {
            return None;
        }
        self.file.as_mut()?.prepared = true;
        self.plan(boundary, 0, None)
    }

    /// `due`: the boundary that it stands for.
    fn plan(&self, start: Wall, first_frame: u64, due: Option<Wall>) -> Option<Box<NewFile>> {
        let run = self.run.as_ref()?;
        let named = due.unwrap_or(start);
        let identity = Identity {
            source: self.source.clone(),
            session: run.session.clone(),
            first_frame,
            start,
            utc_offset_s: self.boundaries.utc_offset_s(start),
            clock: self.offset.state(),
            format: run.format,
        };
        let container = codec(run.format).map_or(Container::Mp3, container); // every format here has a codec
        Some(Box::new(NewFile { identity, container, stem: self.pattern.stem(named, &self.name_zone), header_bytes: 0 }))
    }

    /// The first file of a connection learns only now when its first frame was on air.
    fn close(&mut self, cause: Cause) -> Option<Box<Closing>> {
        let file = self.file.take()?;
        let start = self.run.as_ref().map_or(file.start, |run| run.lead.mono_of(file.first_frame).min(file.start));
        self.ended = Some(start.plus_ns(file.format.rate.ns_of(file.frames)));
        Some(Box::new(Closing {
            cause,
            frames: file.frames,
            gaps: heapless::Vec::new(),
            measured_rate: None,
            clock: file.clock,
            titles: file.titles,
            garbage_bytes: file.garbage_bytes,
            // By the clock it was stamped with: if that was set since, a correction of all its run follows.
            start: (start != file.start).then(|| file.stamped.plus_ns(start.since(file.start))),
            trigger: None,
        }))
    }

    fn break_silence(&mut self, before: &mut Before) {
        let Some(run) = &mut self.run else { return };
        run.settled = true;
        let until = run.lead.mono_of(0);
        let Some((since, reason)) = self.silence.take() else { return };
        if let Some(gap) = self.gap(since, until, reason) {
            let _ = before.lost.push(gap); // the first of two
        }
    }

    fn gap(&self, since: Mono, until: Mono, reason: Reason) -> Option<GapEntry> {
        let rate = self.run.as_ref().map(|run| run.format.rate).or(self.rate);
        let lasted_ns = until.since(since);
        (lasted_ns > 0).then(|| GapEntry {
            start: self.offset.wall_of(since),
            end: self.offset.wall_of(until),
            frames_lost: rate.map_or(0, |rate| rate.frames_in(lasted_ns)),
            reason,
        })
    }

    /// The file before ended when its frames say; the next begins later than that if the server left something out.
    fn skipped(&mut self, next: Mono) -> Option<GapEntry> {
        let end = self.ended.take()?;
        if next.since(end) < SKIPPED_NS { None } else { self.gap(end, next, Reason::Stalled) }
    }
}

fn codec(format: Format) -> Option<Codec> {
    format.codec()
}
