//! One run of capture: reads, frames into blocks, counts what is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

use super::{CALM_NS, Capture, REFILL, REMARKS, STALL};
use crate::device::{Fault, FaultKind, Opened, Pace, Read};
use crate::message::{Cause, Lost, PcmFormat, Reason, Run, Tape};
use crate::pool::Block;
use crate::status::State;
use crate::time::{Mono, SECOND_NS};

/// One run: from a successful open to its end.
pub struct Reel<'a> {
    capture: &'a mut Capture,
    format: PcmFormat,
    frame_bytes: usize,
    pace: Pace,
    /// Number of the next frame, lost ones counted.
    frame: u64,
    block: Option<Block>,
    /// Known to be missing, not yet said.
    lost: Option<Lost>,
    /// An alarm is over when this has come.
    calm_at: Mono,
}

impl<'a> Reel<'a> {
    pub fn new(capture: &'a mut Capture, opened: Opened) -> Reel<'a> {
        let run = Run { session: (capture.new_session)(), format: opened.format, at: opened.at };
        capture.say(log::Level::Info, format!("recording {}, run {}", opened.text, run.session));
        capture.remark();
        capture.measure_pool(opened.format);
        capture.lane.runs.fetch_add(1, Relaxed);
        capture.lane.recording.store(true, Relaxed);
        capture.mark(Tape::Start(Arc::new(run)));
        Reel {
            format: opened.format,
            frame_bytes: opened.format.frame_bytes(),
            pace: opened.pace,
            calm_at: opened.at.plus_ns(CALM_NS),
            capture,
            frame: 0,
            block: None,
            lost: None,
        }
    }

    /// Reads until something ends the run: why, and the fault unless it was meant to end.
    pub fn record(mut self, spare: &mut [u8]) -> (Cause, Option<Fault>) {
        let ended = self.read_on(spare);
        self.flush();
        if let Some(lost) = self.lost.take() {
            self.capture.mark(Tape::Gap(lost));
        }
        ended
    }

    fn read_on(&mut self, spare: &mut [u8]) -> (Cause, Option<Fault>) {
        let mut heard = Instant::now();
        let mut remarked = heard;
        while !self.capture.stop.load(Relaxed) {
            if !self.capture.is_open() {
                return (Cause::Schedule, None);
            }
            self.capture.actor.begin();
            if self.block.is_none() {
                self.block = self.next_block();
            }
            if self.block.is_none() && self.pace == Pace::OnDemand {
                heard = Instant::now();
                continue; // waited for a block; looks again
            }
            if remarked.elapsed() >= REMARKS {
                remarked = Instant::now();
                self.capture.remark();
                self.capture.tell_losses();
            }
            match self.read(spare) {
                Ok(Read::End) => return (Cause::End, None),
                Ok(Read::Idle) if heard.elapsed() >= STALL => {
                    let what = format!("no samples for {} s: the device is opened anew", STALL.as_secs());
                    return (Cause::Stalled, Some(Fault::new(FaultKind::Stalled, what)));
                }
                Ok(Read::Idle) => {}
                Ok(Read::Frames { .. } | Read::Lost { .. }) => heard = Instant::now(),
                Err(fault) => {
                    let cause = if fault.kind == FaultKind::Gone { Cause::Unplugged } else { Cause::Stalled };
                    return (cause, Some(fault));
                }
            }
        }
        (Cause::Shutdown, None)
    }

    /// One read, into the block if there is one, else into the spare buffer.
    fn read(&mut self, spare: &mut [u8]) -> Result<Read, Fault> {
        let is_wanted = self.capture.ear.is_some() && self.capture.lane.wanted.load(Relaxed);
        self.capture.source.hurry(is_wanted);
        self.capture.actor.enter(State::Device);
        let read = match &mut self.block {
            Some(block) => self.capture.source.read(block.space()),
            None => self.capture.source.read(spare),
        };
        self.capture.actor.enter(State::Busy);
        let read = read?;
        match read {
            Read::Frames { frames, at } => {
                if self.frame == 0 {
                    self.capture.say(log::Level::Debug, format!("first samples: {frames} frames"));
                }
                self.took(frames, at);
            }
            Read::Lost { frames, reason } => {
                self.flush();
                self.miss(self.frame, frames, reason);
                self.frame += frames;
                if reason == Reason::Xrun {
                    self.capture.lane.xruns.fetch_add(1, Relaxed);
                }
            }
            Read::Idle => self.flush(),
            Read::End => {}
        }
        Ok(read)
    }

    fn next_block(&mut self) -> Option<Block> {
        let pool = &self.capture.pool;
        if self.lost.is_some_and(|lost| lost.reason == Reason::Overload) && pool.free() < pool.blocks() / 4 {
            return None; // one gap until there is room to go on for a while, not one for each block that comes home
        }
        let mut block = match self.pace {
            Pace::RealTime => pool.try_take()?,
            Pace::OnDemand => pool.try_take().or_else(|| {
                self.capture.actor.enter(State::Idle);
                thread::sleep(REFILL);
                pool.try_take()
            })?,
        };
        let used = u32::try_from(pool.blocks().saturating_sub(pool.free())).unwrap_or(u32::MAX);
        self.capture.lane.used(used);
        if self.lost.is_some() && !self.confess() {
            return None; // the tape is full: the sound after the gap is missing too
        }
        block.first_frame = self.frame;
        Some(block)
    }

    fn took(&mut self, frames: u32, at: Mono) {
        self.capture.lane.frames_captured.fetch_add(u64::from(frames), Relaxed);
        let first = self.frame;
        self.frame += u64::from(frames);
        if at >= self.calm_at && self.capture.lane.alarm.clear() {
            self.capture.say(log::Level::Info, format!("alarm over: samples have come for {} s", CALM_NS / SECOND_NS));
        }
        let Some(block) = &mut self.block else {
            return self.miss(first, u64::from(frames), Reason::Overload);
        };
        let old = block.len();
        block.advance(frames as usize * self.frame_bytes);
        block.frames += frames;
        block.stamp = (self.frame, at);
        if let Some(ear) = self.capture.ear.as_ref().filter(|_| self.capture.lane.wanted.load(Relaxed)) {
            ear.hear(self.format, &block.bytes()[old..], block.stamp, &self.capture.lane); // `old` was its length
        }
        if block.space().len() < self.frame_bytes {
            self.flush();
        }
    }

    /// Sends the block begun, if it holds anything.
    fn flush(&mut self) {
        let Some(block) = self.block.take().filter(|block| block.frames > 0) else { return };
        let (first, frames) = (block.first_frame, u64::from(block.frames));
        if !self.put(Tape::Block(block)) {
            self.miss(first, frames, Reason::Overload);
        }
    }

    /// False when there is no room and the source does not wait for any.
    fn put(&self, tape: Tape) -> bool {
        match self.pace {
            Pace::RealTime => self.capture.tape.try_send(tape).is_ok(),
            Pace::OnDemand => {
                self.capture.mark(tape);
                true
            }
        }
    }

    /// `frames` from `at_frame` on are missing; what was missing before joins them.
    fn miss(&mut self, at_frame: u64, frames: u64, reason: Reason) {
        if frames == 0 {
            return;
        }
        self.capture.lane.capture_lost.fetch_add(frames, Relaxed);
        if let Some(lost) = &mut self.lost {
            lost.frames += frames;
            return;
        }
        self.lost = Some(Lost { at_frame, frames, reason });
        if reason != Reason::Overload {
            return;
        }
        self.capture.lines.overload.add(frames);
        if self.capture.lines.overload.due((self.capture.now)()).is_some() {
            let text = "the disk or the processor is behind: the pool is empty, samples are being lost and counted";
            self.capture.say(log::Level::Error, text.to_owned());
        }
    }

    /// Puts the gap on the tape; false when even that does not fit.
    fn confess(&mut self) -> bool {
        let Some(lost) = self.lost else { return true };
        let said = self.put(Tape::Gap(lost));
        if said {
            self.lost = None;
            self.capture.lines.lost.add(lost.frames);
            self.capture.lines.reason = Some(lost.reason);
            self.capture.tell_losses();
        }
        said
    }
}
