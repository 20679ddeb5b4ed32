//! One long run to many files: turns the tape of a lane into pieces of files, frame by frame.
//!
//! A machine without I/O: push one [`Tape`], pop until `None`. It composes the clock fit, the UTC offset, the boundaries and
//! the names of `policy`; the bytes of a block are neither read nor copied nor divided here. Hosted by the encoder thread.
//! Whether a name is free, and what a file's bytes are, is not known here.

mod open;
mod piece;
mod timeline;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::message::{Cause, ClockState, Container, GapAt, GapEntry, Identity, Lost, Reason, Run, Tape};
use crate::policy::Invalid;
use crate::policy::name::Pattern;
use crate::policy::offset::{Offset, Step};
use crate::policy::split::{Boundaries, Zone, max_frames};
use crate::pool::Block;
use crate::time::{Look, Mono, Rate, Wall};

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
            block: None,
            given: 0,
            out: VecDeque::with_capacity(PIECES),
        })
    }

    /// `look`: both clocks about now. What was pushed before must have been popped.
    pub fn push(&mut self, tape: Tape, look: Look) {
        let step = self.offset.push(look);
        match tape {
            Tape::Start(run) => {
                self.stop(Cause::Fault);
                self.correct(step);
                self.session = Some(run.session.clone());
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
            self.give();
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
        self.run = Some(Timeline::resume(run, known.map(|old| old.told())));
    }

    /// How much faster than its name the device runs.
    pub fn drift_ppm(&self) -> Option<f64> {
        self.run.as_ref().and_then(|timeline| timeline.fit.ppm())
    }

    fn stop(&mut self, cause: Cause) {
        self.close(cause);
        self.block = None;
        let Some(timeline) = self.run.take() else { return };
        let Some(reason) = reason_of(cause) else { return };
        // A run that brought nothing leaves the silence before it as it was.
        self.silence =
            self.silence.or(Some(Silence { since: timeline.mono_of(timeline.told()), reason, rate: timeline.run.format.rate }));
    }

    fn cut_at_step(&mut self, step: Option<Step>) {
        if step.is_some() {
            self.close(Cause::Clock);
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
            self.close(Cause::Gap);
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
            self.close(Cause::Fault);
        }
        self.break_silence(began);
        self.lose_until(block.first_frame);
        if long {
            self.close(Cause::Gap);
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
        let Some(file) = &mut self.file else { return };
        if file.cut(timeline, &self.offset, first_frame).0 > first_frame {
            let gap = GapAt { at_frame: file.frames, lost_frames, reason };
            if file.note(gap) {
                self.out.push_back(Piece::Gap(gap));
            } else {
                self.close(Cause::Gap);
            }
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

    /// Puts out the next frames of the block, and what must happen before them.
    fn give(&mut self) {
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
        let n = cut.saturating_sub(position).clamp(1, u64::from(left)) as u32; // at most `left`
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
        let Some(plan) = self.plan(first_frame) else { return };
        // A clock beyond the last year that can be counted has no boundaries.
        let boundary = Some(self.boundaries.next_after(plan.identity.start)).filter(|&b| b > plan.identity.start);
        let Some(most) = self.run.as_ref().map(|timeline| max_frames(self.container, timeline.run.format, HEADER_BYTES)) else {
            return;
        };
        self.file = Some(OpenFile::new(boundary, most, plan.identity.clock));
        self.out.push_back(Piece::Open(Box::new(plan)));
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
        Cause::End | Cause::Schedule | Cause::Shutdown => None,
        Cause::Unplugged => Some(Reason::Unplugged),
        Cause::Stalled => Some(Reason::Stalled),
        Cause::Disk => Some(Reason::Disk),
        Cause::Recovered => Some(Reason::Restart),
        // Reasons for a file to end, not for a run.
        Cause::Fault | Cause::Split | Cause::Clock | Cause::Gap | Cause::Size | Cause::Changed => Some(Reason::Fault),
    }
}
