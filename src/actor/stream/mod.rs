//! The lane of a station: one thread that connects, frames the bytes, cuts between them and hands them to the store.
//!
//! ```text
//! Station (device) ─► window ─► Framer (format) ─► Cutter ─► Writer (format) ─► blocks ─► store
//! ```
//! Nothing is decoded and nothing is ever dropped here: when the store is behind and the pool is empty the thread waits, the
//! network's buffers fill, and the server holds the sound. A connection never shares a file with another one; one that is lost
//! is tried again for ever. What a file's bytes are and when it ends is decided in pure code.

mod air;
mod cutter;
mod listen;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

pub use air::Air;
pub use cutter::{Before, Cutter, Settings};

use crate::actor::encoder::{Output, StoreGone};
use crate::device::clock::Clock;
use crate::device::stream::Station;
use crate::device::{Fault, FaultKind};
use crate::format::stream::{Framing, Writer};
use crate::message::{Cause, Notice, ToStore};
use crate::policy::limit::Limit;
use crate::policy::reconnect::{Reconnect, Why};
use crate::policy::retry::Again;
use crate::policy::schedule::Hours;
use crate::status::{ActorStatus, LaneStatus, State};

/// How often a thread that waits looks whether it should stop.
const STOP_POLL: Duration = Duration::from_millis(250);
/// A station that is away is spoken of as often as this.
const ALARM_LINES: Duration = Duration::from_secs(3_600);

/// What the lane owns; the pool and the queue outlive it when it is started anew.
pub struct StreamLane {
    pub name: Arc<str>,
    pub station: Box<dyn Station>,
    /// What the configuration says that it is; the bytes know better.
    pub framing: Option<Framing>,
    pub cutter: Cutter,
    pub output: Output,
    pub notices: async_channel::Sender<Notice>,
    pub actor: Arc<ActorStatus>,
    pub status: Arc<LaneStatus>,
    pub stop: Arc<AtomicBool>,
    pub reconnect: Reconnect,
    pub new_session: fn() -> Arc<str>,
    pub clock: Arc<dyn Clock>,
    /// When it is to be recorded; without, always.
    pub hours: Option<Hours>,
    pub lines: Lines,
    /// For whoever listens here.
    pub air: Option<Air>,
}

/// What has been said, so that it is not said again and again.
#[derive(Default)]
pub struct Lines {
    alarm_at: Option<Instant>,
    /// Of the failure that was told last: another one is news.
    kind: Option<FaultKind>,
    garbage: Limit,
}

impl StreamLane {
    /// Runs until a stop is asked for; failures are retried for ever.
    pub fn run(mut self) -> Result<(), Fault> {
        let gone = |name: &str| Fault::new(FaultKind::Retry, format!("{name}: the store has ended"));
        while !self.stop.load(Relaxed) {
            if !self.is_open() {
                self.tell_end().map_err(|StoreGone| gone(&self.name))?;
                self.hold();
                continue;
            }
            self.actor.begin();
            self.actor.enter(State::Device);
            let connected = self.station.connect();
            self.actor.enter(State::Busy);
            let fault = match connected {
                Ok(connected) => {
                    let (sounded, fault) = self.listen(&connected).map_err(|StoreGone| gone(&self.name))?;
                    self.status.recording.store(false, Relaxed);
                    self.station.hang_up();
                    self.station.was_mute(!sounded);
                    match fault {
                        None if self.stop.load(Relaxed) => break,
                        None => continue, // the end of a window
                        Some(fault) => fault,
                    }
                }
                Err(fault) => fault,
            };
            if self.stop.load(Relaxed) {
                break;
            }
            self.announce(&fault);
        }
        self.tell_end().map_err(|StoreGone| gone(&self.name))
    }

    /// What has been missing is missing until now.
    fn tell_end(&mut self) -> Result<(), StoreGone> {
        match self.cutter.end(self.clock.look()) {
            Some(gap) => self.output.send(ToStore::Gap(self.output.lane, gap)),
            None => Ok(()),
        }
    }

    /// By its schedule.
    fn is_open(&mut self) -> bool {
        let clock = &self.clock;
        self.hours.as_mut().is_none_or(|hours| hours.is_on(clock.look().wall))
    }

    /// Waits for the next window, without a connection. The clock is looked at all the while: it may be set.
    fn hold(&mut self) {
        let Some((until, text)) = self.hours.as_ref().map(|hours| hours.held(self.clock.look().wall)) else { return };
        self.status.hold(until);
        self.say(log::Level::Info, text);
        while !self.stop.load(Relaxed) && !self.is_open() {
            self.actor.enter(State::Idle);
            thread::sleep(STOP_POLL);
        }
        self.status.release();
    }

    /// One line for each attempt until it is an alarm, then one an hour; then waits until the next attempt.
    fn announce(&mut self, fault: &Fault) {
        let now = self.clock.mono();
        let why = match fault.kind {
            FaultKind::Refused => Why::Refused,
            FaultKind::Config => Why::Wrong,
            FaultKind::Retry | FaultKind::Gone | FaultKind::Stalled | FaultKind::Full => Why::Gone,
        };
        let Again { at, failure, alarm } = self.reconnect.failed(why, now);
        let wait = Duration::from_nanos(u64::try_from(at.since(now)).unwrap_or(0));
        let is_other = self.lines.kind.replace(fault.kind) != Some(fault.kind);
        let is_new = alarm && self.status.alarm.raise(fault) || is_other;
        if is_new || !alarm || self.lines.alarm_at.is_none_or(|told| told.elapsed() >= ALARM_LINES) {
            self.lines.alarm_at = alarm.then(Instant::now);
            let (level, word) = if alarm { (log::Level::Error, "alarm: ") } else { (log::Level::Warn, "") };
            self.say(level, format!("{word}{fault}; failure {failure}, next attempt in {:.1} s", wait.as_secs_f64()));
        }
        self.pause(wait);
    }

    /// Sound has come for a while.
    fn calm(&mut self) {
        if self.status.alarm.clear() {
            self.lines.alarm_at = None;
            self.say(log::Level::Info, "alarm over: sound comes again".to_owned());
        }
    }

    /// Carries out what comes before a unit.
    fn carry_out(&mut self, before: Before, writer: &mut Option<Writer>) -> Result<(), StoreGone> {
        let lane = self.output.lane;
        if let Some(closing) = before.close {
            if let Some(writer) = writer.take() {
                for (at, bytes) in writer.end(&closing) {
                    self.output.patch(at, &bytes)?;
                }
            }
            self.output.flush()?;
            self.output.send(ToStore::Close(lane, closing))?;
        }
        for gap in before.lost {
            self.output.send(ToStore::Gap(lane, gap))?;
        }
        if let Some((session, by_ns)) = before.correct {
            self.output.send(ToStore::Correct(lane, session, by_ns))?;
        }
        if let Some(new) = before.prepare {
            self.output.send(ToStore::Prepare(lane, new))?;
        }
        match before.open {
            Some(new) => self.output.send(ToStore::Open(lane, new)),
            None => Ok(()),
        }
    }

    fn say(&self, level: log::Level, text: String) {
        if self.notices.try_send(Notice { level, source: self.name.clone(), text }).is_err() {
            self.status.notices_dropped.fetch_add(1, Relaxed);
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

/// Why a connection that failed so ends its file.
fn cause_of(fault: &Fault) -> Cause {
    match fault.kind {
        FaultKind::Stalled => Cause::Stalled,
        FaultKind::Retry | FaultKind::Gone | FaultKind::Refused | FaultKind::Full | FaultKind::Config => Cause::Unplugged,
    }
}

#[cfg(test)]
mod tests;
