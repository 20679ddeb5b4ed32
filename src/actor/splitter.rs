//! One long run to many files: turns the tape of a lane into pieces of files, frame by frame.
//!
//! A machine without I/O: push one [`Tape`], pop until `None`. It composes the clock fit, the UTC offset, the boundaries and
//! the names of `policy`; the bytes of a block are neither read nor copied nor divided here. Hosted by the encoder thread.
//! Whether a name is free, and what a file's bytes are, is not known here. Of a triggered lane the tape is held back (`hold`)
//! and only clips of it are given out; the stretch from split to split that they are in is opened and closed like a file.

mod hold;
mod open;
mod piece;
mod timeline;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::message::{Cause, ClockState, Container, GapAt, GapEntry, Identity, Lost, Reason, Run, Tape, Triggered};
use crate::policy::Invalid;
use crate::policy::name::Pattern;
use crate::policy::offset::{Offset, Step};
use crate::policy::split::{Boundaries, Zone, max_frames};
use crate::pool::Block;
use crate::time::{Look, Mono, Rate, Wall};

pub use hold::TriggerSettings;
use hold::{Hold, Verdict};
use open::OpenFile;
pub use piece::{Piece, Plan, Settings};
use timeline::Timeline;

/// Room for the headers of a WAV file; ours are far smaller.
const HEADER_BYTES: u64 = 64 * 1024;
/// What one push and one pop put out at most, so that the queue need not grow.
const PIECES: usize = 16;

pub struct Splitter {
    source: Arc<str>,
    container: Container,
    prepare_ahead_ns: i64,
    boundaries: Boundaries,
    pattern: Pattern,
    name_zone: Zone,
    offset: Offset,
    run: Option<Timeline>,
    /// The run that ended last, for a clock that is set only after it.
    session: Option<Arc<str>>,
    silence: Option<Silence>,
    file: Option<OpenFile>,
    hold: Option<Hold>,
    /// When its tape was pushed.
    look: Look,
    /// Why the clip is recorded that the lane is in.
    clip: Option<Triggered>,
    /// The stretch that is heard.
    watch: Option<OpenFile>,
    /// The block being given out; `given` of its frames already were.
    block: Option<Block>,
    given: u32,
    out: VecDeque<Piece>,
}

/// Between two runs: since when nothing is recorded that should be.
#[derive(Clone, Copy)]
struct Silence {
    since: Mono,
    reason: Reason,
    rate: Rate,
}

impl Splitter {
    pub fn new(settings: Settings) -> Result<Splitter, Invalid> {
        Ok(Splitter {
            name_zone: if settings.name_in_utc { Zone::UTC } else { settings.zone.clone() },
            boundaries: Boundaries::new(settings.split_minutes, settings.zone)?,
            pattern: Pattern::new(&settings.filename_pattern)?,
            source: settings.source,
            container: settings.container,
            prepare_ahead_ns: i64::from(settings.prepare_ahead_ms) * 1_000_000,
            offset: Offset::new(),
            run: None,
            session: None,
            silence: None,
            file: None,
            hold: settings.trigger.map(Hold::new),
            look: Look { mono: Mono(0), wall: Wall(0), synced: false },
            clip: None,
            watch: None,
            block: None,
            given: 0,
            out: VecDeque::with_capacity(PIECES),
        })
    }

    /// `look`: both clocks about now. What was pushed before must have been popped.
    pub fn push(&mut self, tape: Tape, look: Look) {
        let step = self.offset.push(look);
        let Some(hold) = &mut self.hold else { return self.take_tape(tape, step, look) };
        hold.push(tape);
        self.look = look;
        if step.is_some() {
            self.end(Cause::Clock);
        }
        self.correct(step);
    }

    fn take_tape(&mut self, tape: Tape, step: Option<Step>, look: Look) {
        match tape {
            Tape::Start(run) => {
                self.stop(Cause::Fault);
                self.correct(step);
                self.session = Some(run.session.clone());
                self.hold.iter_mut().for_each(|hold| hold.begin(&run, false));
                self.run = Some(Timeline::start(run));
            }
            Tape::Stop(cause) => {
                self.stop(cause);
                if reason_of(cause).is_none() {
                    self.break_silence(look.mono);
                }
                self.correct(step);
            }
            Tape::Gap(lost) => {
                self.cut_at_step(step);
                self.gap(lost);
            }
            Tape::Block(block) => {
                self.cut_at_step(step);
                self.take(block);
            }
        }
    }

    pub fn pop(&mut self) -> Option<Piece> {
        if self.out.is_empty() {
            match self.hold {
                None => self.give(u64::MAX),
                Some(_) => self.release(),
            }
        }
        self.out.pop_front()
    }

    /// The block that the last [`Piece::Audio`] speaks of; it goes home with the next `pop` that finds it used up.
    pub fn block(&self) -> Option<&Block> {
        self.block.as_ref()
    }

    /// Closes the file now; the next frame opens another. Asked for by the store or the supervisor.
    pub fn cut(&mut self, cause: Cause) {
        self.close(cause);
    }

    /// Goes on in the middle of a run, after whoever hosted the machine fell: no file is open, the next block opens one at its
    /// own frame number, and the fit begins anew there. On a machine that knew the run, the frames between are a gap.
    pub fn resume(&mut self, run: Arc<Run>) {
        let known = self.run.take().filter(|old| old.run.session == run.session);
        self.file = None;
        self.block = None;
        self.out.clear();
        self.session = Some(run.session.clone());
        (self.watch, self.clip) = (None, None);
        self.hold.iter_mut().for_each(|hold| hold.begin(&run, true));
        self.run = Some(Timeline::resume(run, known.map(|old| old.told())));
    }

    /// How much faster than its name the device runs.
    pub fn drift_ppm(&self) -> Option<f64> {
        self.run.as_ref().and_then(|timeline| timeline.fit.ppm())
    }

    /// A triggered source is heard, and nothing of it is recorded now.
    pub fn is_waiting(&self) -> bool {
        self.run.is_some() && self.hold.as_ref().is_some_and(Hold::is_waiting)
    }

    /// The file ends, and the stretch that it is in.
    fn end(&mut self, cause: Cause) {
        self.close(cause);
        let Some(watch) = self.watch.take() else { return };
        let measured_rate = self.run.as_ref().and_then(|timeline| timeline.fit.measured_rate());
        self.out.push_back(Piece::Watched(Box::new(watch.closing(cause, measured_rate))));
    }

    fn stop(&mut self, cause: Cause) {
        self.end(cause);
        (self.block, self.clip) = (None, None);
        let Some(timeline) = self.run.take() else { return };
        let Some(reason) = reason_of(cause) else { return };
        // A run that brought nothing leaves the silence before it as it was.
        self.silence =
            self.silence.or(Some(Silence { since: timeline.mono_of(timeline.told()), reason, rate: timeline.run.format.rate }));
    }

    fn cut_at_step(&mut self, step: Option<Step>) {
        if step.is_some() {
            self.end(Cause::Clock);
        }
        self.correct(step);
    }

    /// After the Close, so that the file just closed is corrected like the others.
    fn correct(&mut self, step: Option<Step>) {
        let Some(step) = step.filter(|step| step.before == ClockState::Unsynced) else { return };
        if let Some(session) = self.session.clone() {
            self.out.push_back(Piece::Correct { session, by_ns: step.by_ns });
        }
    }

    /// Frames that capture knows to be missing before the next block.
    fn gap(&mut self, lost: Lost) {
        let Some(timeline) = &mut self.run else { return };
        let began = timeline.run.at;
        timeline.begin(lost.at_frame);
        self.break_silence(began);
        self.lose_until(lost.at_frame);
        let Some(timeline) = &mut self.run else { return };
        let entry = timeline.lose(lost.frames, lost.reason, &self.offset);
        self.out.push_back(Piece::Lost(entry));
        if timeline.gap_is_long(timeline.told()) {
            self.end(Cause::Gap);
        }
    }

    fn take(&mut self, block: Block) {
        self.block = None;
        let Some(timeline) = &mut self.run else { return };
        if block.frames == 0 {
            return;
        }
        let began = timeline.run.at;
        let back = timeline.goes_back(block.first_frame);
        timeline.stamp(&block);
        timeline.begin(block.first_frame);
        let long = timeline.gap_is_long(block.first_frame);
        if back {
            // The numbers contradict what was written: nothing more can be said about this run's earlier frames.
            self.end(Cause::Fault);
        }
        self.break_silence(began);
        self.lose_until(block.first_frame);
        if long {
            self.end(Cause::Gap);
        }
        self.note_gap(block.first_frame);
        self.given = 0;
        self.block = Some(block);
    }

    /// The numbers go on at `frame`, and nobody said why some are missing before it.
    fn lose_until(&mut self, frame: u64) {
        let Some(timeline) = &mut self.run else { return };
        let missing = frame.saturating_sub(timeline.told());
        if missing > 0 {
            let entry = timeline.lose(missing, Reason::Fault, &self.offset);
            self.out.push_back(Piece::Lost(entry));
        }
    }

    /// The missing frames before `first_frame` become part of the open file, unless a cut falls among them.
    fn note_gap(&mut self, first_frame: u64) {
        let Some(timeline) = &mut self.run else { return };
        let Some((lost_frames, reason)) = timeline.arrive(first_frame) else { return };
        let noted = |file: &mut OpenFile| {
            let gap = GapAt { at_frame: file.frames, lost_frames, reason };
            let is_inside = file.cut(timeline, &self.offset, first_frame).0 > first_frame;
            is_inside.then(|| file.note(gap).then_some(gap))
        };
        if self.watch.as_mut().and_then(noted).is_some_and(|gap| gap.is_none()) {
            return self.end(Cause::Gap);
        }
        match self.file.as_mut().and_then(noted) {
            Some(Some(gap)) => self.out.push_back(Piece::Gap(gap)),
            Some(None) => self.close(Cause::Gap),
            None => {}
        }
    }

    /// Something is heard again from `until` on, or nobody listens any more.
    fn break_silence(&mut self, until: Mono) {
        let Some(Silence { since, reason, rate }) = self.silence.take() else { return };
        let lasted_ns = until.since(since);
        if lasted_ns > 0 {
            let (start, end) = (self.offset.wall_of(since), self.offset.wall_of(until));
            self.out.push_back(Piece::Lost(GapEntry { start, end, frames_lost: rate.frames_in(lasted_ns), reason }));
        }
    }

    /// Goes on with the tape that is held back, as far as it is decided.
    fn release(&mut self) {
        while self.out.is_empty() {
            let left = self.block.as_ref().is_some_and(|block| self.given < block.frames);
            let Some(hold) = &mut self.hold else { return };
            if !left {
                self.block = None;
                let Some(tape) = hold.next() else { return };
                self.take_tape(tape, None, self.look);
                continue;
            }
            let Some(position) = self.run.as_ref().map(Timeline::heard) else { return };
            match hold.look(position) {
                Verdict::Wait => return,
                Verdict::Open(why) => {
                    self.close(Cause::Trigger);
                    self.clip = Some(why);
                }
                Verdict::Close => {
                    self.close(Cause::Trigger);
                    self.clip = None;
                }
                Verdict::Record { until } => self.watched(position, until, Splitter::give),
                Verdict::Skip { until } => self.watched(position, until, Splitter::skip),
            }
        }
    }

    /// Frames of the stretch that is heard: it ends where files end, and another begins.
    fn watched(&mut self, position: u64, until: u64, pass: fn(&mut Splitter, u64)) {
        let Some(timeline) = &mut self.run else { return };
        if let Some(watch) = &self.watch {
            let (cut, cause) = watch.cut(timeline, &self.offset, position);
            if cut <= position && watch.frames > 0 {
                self.end(cause);
            }
        }
        if self.watch.is_none() {
            let Some(plan) = self.plan(position) else { return };
            self.watch = Some(self.opened(&plan, None));
            self.out.push_back(Piece::Watch(Box::new(plan)));
        }
        let (Some(watch), Some(timeline)) = (&self.watch, &mut self.run) else { return };
        let (cut, _) = watch.cut(timeline, &self.offset, position);
        pass(self, until.min(cut).max(position.saturating_add(1)));
        let heard = self.run.as_ref().map_or(position, Timeline::heard);
        self.watch.iter_mut().for_each(|watch| watch.frames += heard.saturating_sub(position));
    }

    /// The frames of the block before `until` are not recorded.
    fn skip(&mut self, until: u64) {
        let (Some(block), Some(timeline)) = (&self.block, &mut self.run) else { return };
        let left = block.frames.saturating_sub(self.given);
        let n = until.saturating_sub(timeline.heard()).min(u64::from(left)) as u32; // at most `left`
        timeline.give(n);
        let frames = self.given as usize..(self.given + n) as usize;
        self.given += n;
        self.out.push_back(Piece::Quiet { frames });
    }

    /// Puts out the next frames of the block, those before `until`, and what must happen before them.
    fn give(&mut self, until: u64) {
        let (Some(block), Some(timeline)) = (&self.block, &mut self.run) else { return };
        let left = block.frames.saturating_sub(self.given);
        if left == 0 {
            self.block = None;
            return;
        }
        let position = timeline.heard();
        if let Some(file) = &self.file {
            let (cut, cause) = file.cut(timeline, &self.offset, position);
            if cut <= position && file.frames > 0 {
                self.close(cause);
            }
        }
        self.open(position);
        let (Some(file), Some(timeline)) = (&mut self.file, &mut self.run) else { return };
        let (cut, _) = file.cut(timeline, &self.offset, position);
        let n = cut.min(until).saturating_sub(position).clamp(1, u64::from(left)) as u32; // at most `left`
        let after = timeline.mono_of(position.saturating_add(u64::from(n)));
        let prepare = !file.prepared && timeline.mono_of(cut).since(after) <= self.prepare_ahead_ns;
        file.prepared |= prepare;
        file.frames += u64::from(n);
        timeline.give(n);
        let frames = self.given as usize..(self.given + n) as usize;
        self.given += n;
        if prepare {
            if let Some(plan) = self.plan(cut) {
                self.out.push_back(Piece::Prepare(Box::new(plan)));
            }
        }
        self.out.push_back(Piece::Audio { frames });
    }

    fn open(&mut self, first_frame: u64) {
        if self.file.is_some() {
            return;
        }
        let Some(mut plan) = self.plan(first_frame) else { return };
        if let Some(hold) = &self.hold {
            plan.expected_frames = plan.expected_frames.min(hold.expected_frames());
        }
        self.file = Some(self.opened(&plan, self.clip));
        self.out.push_back(Piece::Open(Box::new(plan)));
    }

    fn opened(&self, plan: &Plan, trigger: Option<Triggered>) -> OpenFile {
        // A clock beyond the last year that can be counted has no boundaries.
        let boundary = Some(self.boundaries.next_after(plan.identity.start)).filter(|&b| b > plan.identity.start);
        let most = plan.identity.format.pcm().map_or(u64::MAX, |format| max_frames(self.container, format, HEADER_BYTES));
        OpenFile::new(boundary, most, plan.identity.clock, trigger)
    }

    fn plan(&self, first_frame: u64) -> Option<Plan> {
        let timeline = self.run.as_ref()?;
        let run = &timeline.run;
        let start: Wall = timeline.wall_of(first_frame, &self.offset);
        let end = timeline.frame_from(self.boundaries.next_after(start), &self.offset);
        let most = max_frames(self.container, run.format, HEADER_BYTES);
        Some(Plan {
            stem: self.pattern.stem(start, &self.name_zone),
            container: self.container,
            expected_frames: end.saturating_sub(first_frame).min(most),
            identity: Identity {
                source: self.source.clone(),
                session: run.session.clone(),
                first_frame,
                start,
                utc_offset_s: self.boundaries.utc_offset_s(start),
                clock: self.offset.state(),
                format: run.format.into(),
            },
        })
    }

    fn close(&mut self, cause: Cause) {
        let Some(file) = self.file.take() else { return };
        let measured_rate = self.run.as_ref().and_then(|timeline| timeline.fit.measured_rate());
        self.out.push_back(Piece::Close(Box::new(file.closing(cause, measured_rate))));
    }
}

/// Why nothing is recorded after a run that ended so; `None` when nothing was meant to be.
fn reason_of(cause: Cause) -> Option<Reason> {
    match cause {
        Cause::End | Cause::Schedule | Cause::Trigger | Cause::Shutdown => None,
        Cause::Unplugged => Some(Reason::Unplugged),
        Cause::Stalled => Some(Reason::Stalled),
        Cause::Disk => Some(Reason::Disk),
        Cause::Recovered => Some(Reason::Restart),
        // Reasons for a file to end, not for a run.
        Cause::Fault | Cause::Split | Cause::Clock | Cause::Gap | Cause::Size | Cause::Changed => Some(Reason::Fault),
    }
}
