//! A run and how far it has come: frame numbers heard, told to be lost, and their times.

use std::sync::Arc;

use crate::message::{GapEntry, Reason, Run};
use crate::policy::drift::Fit;
use crate::policy::offset::Offset;
use crate::pool::Block;
use crate::time::{Mono, Wall};

pub struct Timeline {
    pub run: Arc<Run>,
    pub fit: Fit,
    /// heard <= told: the number of the next frame as far as audio goes, and with the losses told since.
    heard: u64,
    told: u64,
    /// Why frames between `heard` and `told` are missing.
    why: Option<Reason>,
    /// The start of the fit must be taken from the next stamp.
    refit: bool,
    /// Frame numbers begin with whatever comes next.
    unknown: bool,
}

impl Timeline {
    pub fn start(run: Arc<Run>) -> Timeline {
        let fit = Fit::new(run.format.rate, run.at);
        Timeline { run, fit, heard: 0, told: 0, why: None, refit: false, unknown: false }
    }

    /// In the middle of a run; `told`: where it was left, if that is known.
    pub fn resume(run: Arc<Run>, told: Option<u64>) -> Timeline {
        let mut timeline = Timeline::start(run);
        timeline.refit = true;
        timeline.unknown = told.is_none();
        timeline.heard = told.unwrap_or(0);
        timeline.told = timeline.heard;
        timeline
    }

    pub fn heard(&self) -> u64 {
        self.heard
    }

    pub fn told(&self) -> u64 {
        self.told
    }

    /// Whether a block's number contradicts the audio that is already in files. Then everything begins anew with it.
    pub fn goes_back(&mut self, first_frame: u64) -> bool {
        let back = !self.unknown && first_frame < self.heard;
        self.refit |= back;
        self.unknown |= back;
        back
    }

    /// Where the numbers were not known, they begin here.
    pub fn begin(&mut self, frame: u64) {
        if std::mem::take(&mut self.unknown) {
            (self.heard, self.told) = (frame, frame);
            self.why = None;
        }
    }

    /// Hands the newest device read to the fit. Must come before times of the block's frames are asked for.
    pub fn stamp(&mut self, block: &Block) {
        let rate = self.run.format.rate;
        let (frames, at) = block.stamp;
        // A read ends within its block or not far behind it; anything else is not a stamp.
        let after = frames.saturating_sub(block.first_frame);
        let plausible = after > 0 && after <= u64::from(block.frames) + u64::from(rate.hz());
        if !plausible {
            return;
        }
        if std::mem::take(&mut self.refit) {
            self.fit = Fit::new(rate, at.plus_ns(-rate.ns_of(frames)));
        }
        self.fit.push(frames, at);
    }

    /// `frames` more are missing.
    pub fn lose(&mut self, frames: u64, reason: Reason, offset: &Offset) -> GapEntry {
        let from = self.told;
        self.told = from.saturating_add(frames);
        self.why = self.why.or(Some(reason));
        GapEntry { start: self.wall_of(from, offset), end: self.wall_of(self.told, offset), frames_lost: frames, reason }
    }

    /// More than a second is missing before `frame`.
    pub fn gap_is_long(&self, frame: u64) -> bool {
        frame.saturating_sub(self.heard) > u64::from(self.run.format.rate.hz())
    }

    /// Audio goes on at `first_frame`: what is missing before it, if anything is.
    pub fn arrive(&mut self, first_frame: u64) -> Option<(u64, Reason)> {
        let missing = first_frame.saturating_sub(self.heard);
        (self.heard, self.told) = (first_frame, first_frame);
        let why = self.why.take().unwrap_or(Reason::Fault);
        (missing > 0).then_some((missing, why))
    }

    /// `frames` went into a file.
    pub fn give(&mut self, frames: u32) {
        self.heard = self.heard.saturating_add(u64::from(frames));
        self.told = self.heard;
    }

    pub fn mono_of(&self, frame: u64) -> Mono {
        self.fit.mono_of(frame)
    }

    pub fn wall_of(&self, frame: u64, offset: &Offset) -> Wall {
        offset.wall_of(self.mono_of(frame))
    }

    /// The first frame that does not begin before `at`: a file that starts there is never named after the second before.
    pub fn frame_from(&self, at: Wall, offset: &Offset) -> u64 {
        let nearest = self.fit.frame_at(offset.mono_of(at));
        if self.wall_of(nearest, offset) < at { nearest.saturating_add(1) } else { nearest }
    }
}
