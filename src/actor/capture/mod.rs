//! Capture: the thread that reads a [`Source`] and never waits for anybody.
//!
//! It frames the sound into blocks, stamps them and counts. When the pool is empty a real-time source is read on into a
//! spare buffer and the frames are counted as lost; an on-demand source waits for a block. Everything after capture may
//! stand still for as long as the pool holds. Nothing is decided here about files, and nothing is logged: notices go to
//! the supervisor.

mod ear;
mod reel;
#[cfg(test)]
mod tests;

pub use ear::Ear;
use reel::Reel;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::device::{Fault, FaultKind, Source};
use crate::edge::{Refused, Sender};
use crate::message::{Cause, Notice, PcmFormat, Reason, Tape};
use crate::policy::limit::{Limit, Tally};
use crate::policy::retry::{Again, Retry};
use crate::policy::schedule::Hours;
use crate::pool::Pool;
use crate::status::{ActorStatus, LaneStatus, State};
use crate::time::{Mono, SECOND_NS, Wall};

/// No frame for this long: the device is closed and opened anew.
const STALL: Duration = Duration::from_secs(2);
/// A run that has lasted this long ends an alarm.
const CALM_NS: i64 = 10 * SECOND_NS;
/// How often the source is asked whether there is something to say about it.
const REMARKS: Duration = Duration::from_secs(1);
/// How often a thread that waits looks whether it should stop.
const STOP_POLL: Duration = Duration::from_millis(100);

/// How long an on-demand source lets the pool fill before it reads on. Being woken for each block that comes home would cost
/// a tenth of the lane's processor time.
const REFILL: Duration = Duration::from_millis(2);

/// What capture owns; the queue and the pool outlive it when it is started anew.
pub struct Capture {
    pub name: Arc<str>,
    pub source: Box<dyn Source>,
    pub pool: Pool,
    pub tape: Sender<Tape>,
    /// To live, if there is one.
    pub ear: Option<Ear>,
    pub notices: async_channel::Sender<Notice>,
    pub actor: Arc<ActorStatus>,
    pub lane: Arc<LaneStatus>,
    pub stop: Arc<AtomicBool>,
    pub retry: Retry,
    pub new_session: fn() -> Arc<str>,
    pub now: fn() -> Mono,
    /// When it is to be recorded; without, always.
    pub hours: Option<Hours>,
    pub wall: fn() -> Wall,
    pub lines: Lines,
    /// What the pool was to hold.
    pub pool_seconds: f64,
}

/// Lines about losses, which may come by the thousand: one a minute.
#[derive(Default)]
pub struct Lines {
    lost: Limit,
    overload: Limit,
    reason: Option<Reason>,
}

impl Capture {
    /// Runs until the source ends or a stop is asked for; failures are retried for ever.
    pub fn run(mut self) -> Result<(), Fault> {
        let mut spare = vec![0xA5_u8; self.pool.block_bytes()].into_boxed_slice();
        let mut broken_off = false;
        while !self.stop.load(Relaxed) {
            if !self.is_open() {
                if std::mem::take(&mut broken_off) {
                    self.mark(Tape::Stop(Cause::Schedule)); // what is missing is missing until now
                }
                self.hold();
                continue;
            }
            self.actor.begin();
            self.actor.enter(State::Device);
            let opened = self.source.open();
            self.actor.enter(State::Busy);
            let fault = match opened {
                Ok(opened) => {
                    self.retry.opened((self.now)());
                    let (cause, fault) = Reel::new(&mut self, opened).record(&mut spare);
                    broken_off = fault.is_some();
                    self.lane.recording.store(false, Relaxed);
                    self.mark(Tape::Stop(cause));
                    match fault {
                        None if cause == Cause::Schedule => continue,
                        None => return Ok(()),
                        Some(fault) => fault,
                    }
                }
                Err(fault) => fault,
            };
            if fault.kind == FaultKind::Config {
                self.lane.alarm.raise(&fault);
                return Err(fault);
            }
            let now = (self.now)();
            let again = self.retry.failed(now);
            let wait_ns = again.at.since(now).max(0) as u64;
            self.announce(&fault, again, wait_ns);
            self.pause(Duration::from_nanos(wait_ns));
        }
        if broken_off {
            // The device did not come back: what is missing until now is entered, or nobody would ever know.
            self.mark(Tape::Stop(Cause::Shutdown));
        }
        Ok(())
    }

    /// By its schedule.
    fn is_open(&mut self) -> bool {
        let wall = self.wall;
        self.hours.as_mut().is_none_or(|hours| hours.is_on(wall()))
    }

    /// Waits for the next window, the device closed. The clock is looked at all the while: it may be set.
    fn hold(&mut self) {
        self.source.close();
        let Some((until, text)) = self.hours.as_ref().map(|hours| hours.held((self.wall)())) else { return };
        self.lane.hold(until);
        self.say(log::Level::Info, text);
        while !self.stop.load(Relaxed) && !self.is_open() {
            self.actor.enter(State::Idle);
            thread::sleep(STOP_POLL);
        }
        self.lane.release();
    }

    /// Puts something on the tape when no samples come in the meantime: it may wait for room, and waiting is no hang.
    fn mark(&self, mut marker: Tape) {
        loop {
            match self.tape.try_send(marker) {
                Ok(()) | Err(Refused::Closed(_)) => return,
                Err(Refused::Full(back)) => marker = back,
            }
            self.actor.enter(State::Idle);
            thread::sleep(REFILL);
        }
    }

    /// One line for each attempt of the fast phase, one when it becomes an alarm, then one an hour. A device that stands still
    /// is an alarm at once: it looks alive to everybody else.
    fn announce(&self, fault: &Fault, again: Again, wait_ns: u64) {
        let alarm = again.alarm || fault.kind == FaultKind::Stalled;
        let was_alarm = if alarm { !self.lane.alarm.raise(fault) } else { self.lane.alarm.is_raised() };
        if !again.alarm || !was_alarm || again.failure % 60 == 0 {
            let seconds = wait_ns as f64 / 1e9;
            let (level, word) = if alarm { (log::Level::Error, "alarm: ") } else { (log::Level::Warn, "") };
            self.say(level, format!("{word}{fault}; failure {}, next attempt in {seconds} s", again.failure));
        }
    }

    fn remark(&mut self) {
        if let Some(text) = self.source.remark() {
            self.say(log::Level::Warn, text);
        }
    }

    /// The pool was made before the device was there, or for another.
    fn measure_pool(&self, format: PcmFormat) {
        let frames = self.pool.blocks() * (self.pool.block_bytes() / format.frame_bytes());
        let held = frames as f64 / f64::from(format.rate.hz());
        if held < self.pool_seconds {
            let text = format!(
                "the pool holds {held:.1} s of it, not the {} s of pool_seconds: it was made before this was known; \
                 set sample_rate and channels to what the device delivers, and raise memory_budget_mb if that is too little",
                self.pool_seconds
            );
            self.say(log::Level::Warn, text);
        }
    }

    /// Says what was lost, what a line was saved for before included.
    fn tell_losses(&mut self) {
        let Some(reason) = self.lines.reason else { return };
        let Some(Tally { times, frames }) = self.lines.lost.due((self.now)()) else { return };
        let text = if times == 1 {
            format!("{frames} frames lost ({})", reason.name())
        } else {
            format!("{frames} frames lost in {times} gaps within a minute, the last by {}", reason.name())
        };
        self.say(log::Level::Warn, text);
    }

    fn say(&self, level: log::Level, text: String) {
        if self.notices.try_send(Notice { level, source: self.name.clone(), text }).is_err() {
            self.lane.notices_dropped.fetch_add(1, Relaxed);
        }
    }

    fn pause(&mut self, how_long: Duration) {
        let until = Instant::now() + how_long;
        while !self.stop.load(Relaxed) && Instant::now() < until && self.is_open() {
            self.actor.enter(State::Idle);
            thread::sleep(STOP_POLL.min(until.saturating_duration_since(Instant::now())));
        }
    }
}
