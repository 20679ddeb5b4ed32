//! The store without its thread: messages in, one step of work at a time, `now` as an argument.
//!
//! Trouble with one lane's disk stays with that lane: its messages wait in a queue of their own, in order, and are tried again
//! twice a second; nothing is dropped while the lane's pool can hold it. Should the store fall over a message, the message is
//! tried once more and then counted as lost.

use std::collections::VecDeque;

use async_channel::Receiver;

use super::core::Core;
use super::lane::Refusal;
use super::steps::{REPAIR_TRIES, RETRY_NS, Step};
use super::{LaneSettings, Settings};
use crate::device::Fault;
use crate::device::disk::Disk;
use crate::message::{Cause, Lane, Reason, ToStore};
use crate::time::Mono;

/// Messages of one try, so that other lanes are not kept waiting by what one has piled up.
const AT_ONCE: usize = 16;

/// An attempt that took this long was slow …
const SLOW_NS: i64 = 50_000_000;
/// … and the next one comes after so many times as long …
const SLOW_FACTOR: i64 = 10;
/// … but not later than this.
const SLOWEST_RETRY_NS: i64 = 10_000_000_000;

/// Of one call to finish.
const STEPS_AT_END: usize = 10_000;

/// A file that cannot be written to, though there is room, is given up after so long if the next one is already in the queue …
const NEXT_FILE_NS: i64 = 4_000_000_000;
/// … and after so long in any case, for the encoder may be waiting for a block that waits here.
const PATIENCE_NS: i64 = 10_000_000_000;

pub struct Machine<D: Disk> {
    core: Core<D>,
    queues: Vec<Queue>,
    /// The message being carried out; still here, before the next one, if the store fell over it.
    hand: VecDeque<ToStore>,
    falls: u32,
    doing: Doing,
    inbox_depth: usize,
    ended: Vec<bool>,
    /// Lanes that are added later: each is here before its first message.
    newcomers: Option<Receiver<LaneSettings>>,
}

/// What the disk did not take yet. Its room is taken in one piece when the disk is first in trouble.
struct Queue {
    waiting: VecDeque<ToStore>,
    depth: usize,
    trouble: Option<Trouble>,
}

struct Trouble {
    since: Mono,
    next_try: Mono,
    /// Making room helps; otherwise a new file may.
    is_full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    Message,
    Queue(usize),
    Step(Step),
}

impl<D: Disk> Machine<D> {
    /// Takes the folders and finds what is to be repaired. A folder that cannot be opened is a line in the answer; it is tried again.
    pub fn new(disk: D, settings: Settings) -> (Machine<D>, Vec<Fault>) {
        let queue = |depth: usize| Queue { waiting: VecDeque::new(), depth, trouble: None };
        let queues = settings.lanes.iter().map(|lane| queue(lane.depth)).collect();
        let lanes = settings.lanes.len();
        let inbox_depth = settings.inbox_depth;
        let (core, faults) = Core::new(disk, settings);
        (
            Machine {
                core,
                queues,
                hand: VecDeque::with_capacity(4),
                falls: 0,
                doing: Doing::Nothing,
                inbox_depth,
                ended: vec![false; lanes],
                newcomers: None,
            },
            faults,
        )
    }

    pub fn set_newcomers(&mut self, newcomers: Receiver<LaneSettings>) {
        self.newcomers = Some(newcomers);
    }

    /// Takes the lanes that have come since.
    fn admit(&mut self) {
        while let Some(lane) = self.newcomers.as_ref().and_then(|newcomers| newcomers.try_recv().ok()) {
            self.queues.push(Queue { waiting: VecDeque::new(), depth: lane.depth, trouble: None });
            self.ended.push(false);
            self.core.add(lane);
        }
    }

    /// Carries out a message, or keeps it until the disk takes it.
    pub fn push(&mut self, message: ToStore, now: Mono) {
        self.hand.push_back(message);
        self.carry(now);
    }

    /// One step of whatever is most urgent; `waiting` messages are in the inbox. False when there was nothing to do.
    pub fn work(&mut self, now: Mono, waiting: usize) -> bool {
        self.carry(now);
        if let Some(lane) = self.queues.iter().position(|q| q.trouble.as_ref().is_some_and(|t| t.next_try <= now)) {
            self.retry(lane, now);
        }
        let calm = waiting.saturating_mul(4) <= self.inbox_depth;
        let Some(step) = self.core.choose(now, calm) else { return false };
        self.doing = Doing::Step(step);
        self.core.execute(step, now);
        self.doing = Doing::Nothing;
        true
    }

    /// The last push or work took from `before` until `after`: who failed slowly waits long, so that a bad disk leaves most of
    /// the time to the others.
    pub fn took(&mut self, before: Mono, after: Mono) {
        let took_ns = after.since(before);
        if took_ns < SLOW_NS {
            return;
        }
        let next = after.plus_ns(took_ns.saturating_mul(SLOW_FACTOR).clamp(RETRY_NS, SLOWEST_RETRY_NS));
        let failed_now = before.plus_ns(RETRY_NS);
        for trouble in self.queues.iter_mut().filter_map(|q| q.trouble.as_mut()).filter(|t| t.next_try == failed_now) {
            trouble.next_try = next;
        }
        for root in &mut self.core.roots {
            let jobs = root.jobs.iter_mut().map(|job| &mut job.retry_at);
            for at in jobs.chain([&mut root.retry_at, &mut root.ledger_retry_at]).filter(|at| **at == failed_now) {
                *at = next;
            }
        }
    }

    /// When there will be work without a message.
    pub fn next_due(&self) -> Option<Mono> {
        let retries = self.queues.iter().filter_map(|q| q.trouble.as_ref().map(|t| t.next_try));
        retries.chain(self.core.next_due()).min()
    }

    /// Messages of the lane that its disk did not take yet.
    pub fn waiting(&self, lane: Lane) -> usize {
        self.queues.get(usize::from(lane)).map_or(0, |q| q.waiting.len())
    }

    /// After the last message: ends every file and does all that is left. True when nothing is; call it until then, or for as
    /// long as there is time. Folders that were left in good order say so.
    pub fn finish(&mut self, now: Mono) -> bool {
        self.carry(now);
        for lane in 0..self.queues.len() {
            while self.queues.get(lane).is_some_and(|q| q.trouble.is_some()) {
                let before = self.queues.get(lane).map_or(0, |q| q.waiting.len());
                self.retry(lane, now);
                if self.queues.get(lane).map_or(0, |q| q.waiting.len()) == before {
                    break;
                }
            }
        }
        // What was left by an earlier process can wait for the next start.
        for root in &mut self.core.roots {
            root.jobs.retain(|job| job.after.is_some() || job.look.is_none());
            // What could not be repaired so far is tried once more, and then left to that.
            root.jobs.iter_mut().filter(|job| job.tries > 0).for_each(|job| job.tries = job.tries.max(REPAIR_TRIES - 1));
        }
        // A lane whose disk is in trouble does not keep the others from ending in good order.
        for lane in 0..self.queues.len() {
            let stuck = self.queues.get(lane).is_some_and(|q| q.trouble.is_some());
            if !stuck && !self.ended.get_mut(lane).is_none_or(|ended| std::mem::replace(ended, true)) {
                self.core.end_lane(lane);
            }
        }
        let stuck = self.queues.iter().any(|q| q.trouble.is_some());
        loop {
            // Bounded: what fails again and again must not keep the program from its end.
            for _ in 0..STEPS_AT_END {
                let Some(step) = self.core.choose(now, true) else { break };
                self.doing = Doing::Step(step);
                self.core.execute(step, now);
                self.doing = Doing::Nothing;
            }
            if stuck || !self.core.is_idle() || !self.core.tell_orphans() {
                break;
            }
        }
        for root in 0..self.core.roots.len() {
            let is_stuck =
                |(lane, q): (usize, &Queue)| q.trouble.is_some() && self.core.lanes.get(lane).is_some_and(|of| of.root == root);
            if !self.queues.iter().enumerate().any(is_stuck) {
                self.core.close_root(root);
            }
        }
        !stuck && self.core.is_idle()
    }

    /// After a panic: whatever was being done is done once more, or given up if this was the second time. Every file is to end,
    /// for what the store knows of it may be half true.
    pub fn recover(&mut self, now: Mono) {
        for of in self.core.lanes.iter().filter(|of| of.open.is_some()) {
            of.status.ask_cut(Cause::Fault);
        }
        let doing = std::mem::replace(&mut self.doing, Doing::Nothing);
        self.falls += 1;
        match doing {
            Doing::Step(step) => self.core.fell(step, now),
            Doing::Message | Doing::Queue(_) if self.falls < 2 => return,
            Doing::Message => {
                if let Some(message) = self.hand.pop_front() {
                    self.core.drop_message(lane_of(&message), &message);
                }
            }
            Doing::Queue(lane) => {
                if let Some(message) = self.queues.get_mut(lane).and_then(|q| q.waiting.pop_front()) {
                    self.core.drop_message(lane, &message);
                }
            }
            Doing::Nothing => {}
        }
        self.falls = 0;
    }

    fn carry(&mut self, now: Mono) {
        while let Some(lane) = self.hand.front().map(lane_of) {
            if lane >= self.queues.len() {
                self.admit();
            }
            let Some(message) = self.hand.front() else { return };
            let Some(queue) = self.queues.get_mut(lane) else {
                log::error!(target: "store", "a message of lane {lane}, which is not in the table, is thrown away");
                self.hand.pop_front();
                continue;
            };
            if queue.trouble.is_none() {
                self.doing = Doing::Message;
                let result = self.core.take(lane, message, now);
                (self.doing, self.falls) = (Doing::Nothing, 0);
                match result {
                    Ok(()) => {
                        self.hand.pop_front();
                        continue;
                    }
                    Err(refusal) => begin_trouble(&self.core, queue, lane, &refusal, now),
                }
            }
            // What only makes a later message faster is not worth keeping.
            match self.hand.pop_front() {
                Some(ToStore::Prepare(..) | ToStore::Analysed(..)) | None => {}
                Some(message) => {
                    if queue.waiting.capacity() == 0 {
                        queue.waiting.reserve_exact(queue.depth);
                    }
                    queue.waiting.push_back(message);
                }
            }
        }
    }

    /// Tries what waits, in order.
    fn retry(&mut self, lane: usize, now: Mono) {
        let Some(queue) = self.queues.get_mut(lane) else { return };
        for _ in 0..AT_ONCE {
            let Some(message) = queue.waiting.front() else { break };
            self.doing = Doing::Queue(lane);
            let result = self.core.take(lane, message, now);
            (self.doing, self.falls) = (Doing::Nothing, 0);
            if let Err(refusal) = result {
                if refusal.is_full() {
                    self.core.ask_for_room(lane);
                }
                if let Some(trouble) = &mut queue.trouble {
                    (trouble.next_try, trouble.is_full) = (now.plus_ns(RETRY_NS), refusal.is_full());
                }
                return self.lose_patience(lane, now);
            }
            queue.waiting.pop_front();
        }
        if queue.waiting.is_empty() {
            if let Some(trouble) = queue.trouble.take() {
                let lasted_s = now.since(trouble.since) / 1_000_000_000;
                let of = self.core.lanes.get(lane);
                of.iter().for_each(|of| _ = of.status.disk.clear());
                let source = of.map_or("", |of| &of.source);
                log::info!(target: "store", "{source}: recording again after {lasted_s} s");
            }
        }
    }

    /// A file on a disk that came back as another one (unplugged and plugged in again) is never written to again; its successor is.
    fn lose_patience(&mut self, lane: usize, now: Mono) {
        let Some(queue) = self.queues.get(lane) else { return };
        let Some(trouble) = queue.trouble.as_ref().filter(|t| !t.is_full) else { return };
        let age = now.since(trouble.since);
        let next_is_here = queue.waiting.iter().any(|m| matches!(m, ToStore::Open(..)));
        if age >= PATIENCE_NS || (age >= NEXT_FILE_NS && next_is_here) {
            self.core.give_up(lane, Cause::Disk, Reason::Disk);
        }
    }
}

/// The one line of an episode; a new file is asked for where one may help.
fn begin_trouble<D: Disk>(core: &Core<D>, queue: &mut Queue, lane: usize, refusal: &Refusal, now: Mono) {
    let is_full = refusal.is_full();
    if is_full {
        core.ask_for_room(lane);
    }
    queue.trouble = Some(Trouble { since: now, next_try: now.plus_ns(RETRY_NS), is_full });
    let advice = if is_full { "make room there" } else { "check the disk and its mount" };
    let text = format!("cannot write {}: {}; the sound waits in memory: {advice}", refusal.path.display(), refusal.error);
    core.alarm(lane, |status| &status.disk, &text);
    if let Some(of) = core.lanes.get(lane).filter(|of| !is_full && of.open.is_some()) {
        of.status.ask_cut(Cause::Disk);
    }
}

fn lane_of(message: &ToStore) -> usize {
    let (ToStore::Prepare(lane, _)
    | ToStore::Open(lane, _)
    | ToStore::Data(lane, _)
    | ToStore::Watching(lane, _)
    | ToStore::Watched(lane, _)
    | ToStore::Patch(lane, ..)
    | ToStore::Close(lane, _)
    | ToStore::Gap(lane, _)
    | ToStore::Correct(lane, ..)
    | ToStore::Analysed(lane, _)) = message;
    usize::from(*lane)
}
