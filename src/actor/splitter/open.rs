//! The file that is open: what it holds so far and where it must end.

use crate::message::{Cause, ClockState, Closing, GAPS_PER_FILE, GapAt, Triggered};
use crate::policy::offset::Offset;
use crate::time::Wall;

use super::timeline::Timeline;

pub struct OpenFile {
    /// Fixed when the file opens: while the clock is slewed only the frame moves that it falls on.
    boundary: Option<Wall>,
    max_frames: u64,
    /// Of the moment its start was stamped.
    clock: ClockState,
    pub frames: u64,
    pub prepared: bool,
    gaps: heapless::Vec<GapAt, GAPS_PER_FILE>,
    trigger: Option<Triggered>,
}

impl OpenFile {
    pub fn new(boundary: Option<Wall>, max_frames: u64, clock: ClockState, trigger: Option<Triggered>) -> OpenFile {
        OpenFile { boundary, max_frames, clock, frames: 0, prepared: false, gaps: heapless::Vec::new(), trigger }
    }

    /// The frame of the run that no longer belongs to the file if nothing else happens, `position` being the next one.
    pub fn cut(&self, timeline: &Timeline, offset: &Offset, position: u64) -> (u64, Cause) {
        let by_time = self.boundary.map_or(u64::MAX, |at| timeline.frame_from(at, offset));
        let by_size = position.saturating_add(self.max_frames.saturating_sub(self.frames));
        if by_size < by_time { (by_size, Cause::Size) } else { (by_time, Cause::Split) }
    }

    /// False when the file has as many gaps as it can tell apart: it must end, or its frames would have the wrong times.
    pub fn note(&mut self, gap: GapAt) -> bool {
        self.gaps.push(gap).is_ok()
    }

    pub fn closing(self, cause: Cause, measured_rate: Option<f64>) -> Closing {
        Closing { gaps: self.gaps, measured_rate, trigger: self.trigger, ..Closing::new(cause, self.frames, self.clock) }
    }
}
