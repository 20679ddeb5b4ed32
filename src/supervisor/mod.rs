//! Starts the actors, hears how they end, starts them anew, ends the program.
//!
//! A [`Seat`] is one thread with the closure that makes its body. Every way in which a body can end lands in one match:
//! it is done, it failed, it panicked, it hangs. A seat whose body panicked is started anew at once, with the same queues
//! and pools, so the blocks in them are kept; more than five restarts of it in a minute end the process, and the service manager
//! begins from a clean state. A seat of the recording path that hangs ends the process for the same reason: a thread
//! cannot be killed safely. A seat beside the path ([`Role::Side`]) never ends the process: one that hangs is left behind, where
//! it may do nothing more ([`lives`](crate::status::ActorStatus::lives)), and gets a successor; one that falls too often is given
//! up. Some are on call ([`Call`]): there is a thread only while somebody wants what it does.
//!
//! Why the encoder of a lane is not taken down together with its capture, or the other way round: the tape between them says
//! what happened anyway (a Start without a Stop closes the file as `fault`, a block without a Start opens one), and closing
//! a healthy device would cost samples.
//!
//! Lanes may come, go and be begun anew while the others record on: a [`Yard`] makes them, here they are started.
//!
//! Shutdown travels with the data: captures stop, each closes its queue by leaving, what follows drains and leaves.

mod seat;

use std::any::Any;
use std::future::poll_fn;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_signal::{Signal, Signals};
use smol::future::{Future, FutureExt, or};
use smol::stream::StreamExt;

use crate::device::clock::{Clock, RealClock};
use crate::device::memory;
use crate::device::service::ServiceManager;
use crate::device::{Fault, FaultKind};
use crate::message::Notice;
use crate::policy::retry::Verdict;
use crate::policy::vital::{Sign, Vital};
use crate::status::{LaneStatus, Pulse, State};
use crate::wiring::settings::Change;
pub use seat::{Body, Call, Changes, Hire, Role, Seat, Yard};

/// A busy actor that shows no sign of life for this long hangs.
const HANG_MS: u64 = 10_000;
/// Files must be closed this soon after a signal; the unit's stop timeout is longer.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What is beside the recording may take so long to end when it is over.
const SIDE_WITHIN: Duration = Duration::from_millis(1_500);

/// Signals this close together are one request: some senders signal the process and its group.
const SAME_REQUEST: Duration = Duration::from_millis(300);

/// Before a source is started anew.
const SOURCE_PAUSE: Duration = Duration::from_millis(500);

/// How a body ended.
enum Ending {
    Done,
    Failed(Fault),
    Panicked(String),
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// The service manager should start it again.
    Failed,
}

/// From then on everything has run once.
const SETTLED: Duration = Duration::from_secs(10);

enum Event {
    /// Seat, and which of its lives.
    Ended(usize, u32, Ending),
    Noticed(Notice),
    Changed(Box<Change>),
    /// Somebody who is on call is wanted.
    Called,
    Reload,
    Asked,
    Tick,
}

pub struct Supervisor {
    seats: Vec<Seat>,
    stop: Arc<AtomicBool>,
    endings_in: Sender<(usize, u32, Ending)>,
    endings: Receiver<(usize, u32, Ending)>,
    notices: Receiver<Notice>,
    /// When stopping began.
    stopping: Option<Instant>,
    failed: usize,
    /// Since when nothing is recorded any more.
    alone: Option<Instant>,
    /// When what was needed to start is given back.
    settles_at: Option<Instant>,
    manager: ServiceManager,
    /// Of the sources.
    lanes: Vec<Arc<LaneStatus>>,
    vital: Vital,
    /// The manager is left without a sign of life.
    is_silent: bool,
    /// `None` where nothing changes, and from when nothing may change any more: its yard holds ends of queues.
    changes: Option<Changes>,
}

impl Supervisor {
    pub fn new(seats: Vec<Seat>, lanes: &[Arc<LaneStatus>], stop: Arc<AtomicBool>, notices: Receiver<Notice>) -> Supervisor {
        let (endings_in, endings) = async_channel::bounded(seats.len().max(1) * 2);
        Supervisor {
            seats,
            stop,
            endings_in,
            endings,
            notices,
            stopping: None,
            failed: 0,
            alone: None,
            settles_at: Some(Instant::now() + SETTLED),
            manager: ServiceManager::of_environment(),
            lanes: lanes.to_vec(),
            vital: Vital::default(),
            is_silent: false,
            changes: None,
        }
    }

    /// Whose lanes come and go.
    pub fn changing(self, changes: Changes) -> Supervisor {
        Supervisor { changes: Some(changes), ..self }
    }

    /// Runs until every seat is over.
    pub fn run(mut self) -> Outcome {
        hook_panics();
        // Before the first thread: a signal that comes early must close files too.
        // Of a terminal that is closed it means that the program should end.
        let hup = self.changes.as_ref().filter(|_| !std::io::stdin().is_terminal()).map(|_| Signal::Hup);
        let signals = match Signals::new([Signal::Term, Signal::Int].into_iter().chain(hup)) {
            Ok(signals) => Some(signals),
            Err(e) => {
                log::warn!("signals cannot be caught ({e}): unfinished files are repaired at the next start");
                None
            }
        };
        for index in 0..self.seats.len() {
            if self.seats[index].call.is_some() {
                self.seats[index].is_asleep = true;
            } else if let Err(text) = self.start(index, Duration::ZERO) {
                log::error!("{text}");
                return Outcome::Failed;
            }
        }
        self.manager.ready();
        let sources = self.seats.iter().filter(|s| s.role == Role::Source).count();
        let outcome = smol::future::block_on(self.watch(signals));
        while let Ok(notice) = self.notices.try_recv() {
            log(&notice);
        }
        if outcome == Outcome::Done && self.failed >= sources.max(1) { Outcome::Failed } else { outcome }
    }

    fn start(&mut self, index: usize, pause: Duration) -> Result<(), String> {
        let seat = &mut self.seats[index];
        let Some(make) = &mut seat.make else { return Ok(()) };
        let life = seat.actor.begin_life();
        let (body, endings) = (make(), self.endings_in.clone());
        seat.actor.enter(State::Idle);
        let name: String = seat.name.chars().rev().take(15).collect::<Vec<_>>().into_iter().rev().collect();
        thread::Builder::new()
            .name(name)
            .stack_size(seat.stack_bytes)
            .spawn(move || {
                thread::sleep(pause);
                let ending = match catch_unwind(AssertUnwindSafe(body)) {
                    Ok(Ok(())) => Ending::Done,
                    Ok(Err(fault)) => Ending::Failed(fault),
                    Err(panic) => Ending::Panicked(text_of(&*panic)),
                };
                let _ = endings.send_blocking((index, life, ending));
            })
            .map(|_| ())
            .map_err(|e| format!("{}: no thread for it: {e}", seat.name))
    }

    async fn watch(&mut self, mut signals: Option<Signals>) -> Outcome {
        let mut ticks = smol::Timer::interval(Duration::from_secs(1));
        while !self.is_over() {
            // Asked for before they are looked at: who rings in between is heard.
            let mut bells: Vec<_> = self.seats.iter().filter(|seat| seat.is_asleep).filter_map(Seat::bell).collect();
            self.wake();
            let called = poll_fn(|cx| {
                let is_rung = bells.iter_mut().any(|bell| Pin::new(bell).poll(cx).is_ready());
                if is_rung { Poll::Ready(Event::Called) } else { Poll::Pending }
            });
            let asked = async {
                let signal = match &mut signals {
                    Some(signals) => signals.next().await,
                    None => std::future::pending().await,
                };
                if let Some(Ok(Signal::Hup)) = signal { Event::Reload } else { Event::Asked }
            };
            let inbox = self.changes.as_ref().map(|changes| changes.inbox.clone());
            let changed = async {
                match &inbox {
                    Some(inbox) => inbox.recv().await.map_or(Event::Tick, |change| Event::Changed(Box::new(change))),
                    None => std::future::pending().await,
                }
            };
            let ended = async {
                match self.endings.recv().await {
                    Ok((index, life, ending)) => Event::Ended(index, life, ending),
                    Err(_) => std::future::pending().await, // never: a sender is held here
                }
            };
            let noticed = async {
                match self.notices.recv().await {
                    Ok(notice) => Event::Noticed(notice),
                    Err(_) => std::future::pending().await, // every capture is over
                }
            };
            let tick = async {
                ticks.next().await;
                Event::Tick
            };
            // Notices first: what an actor said comes before its end.
            let event = or(asked.boxed_local(), or(noticed, or(ended, or(changed, or(called, tick)))).boxed_local()).await;
            let outcome = self.handle(event);
            self.advance();
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        Outcome::Done
    }

    /// Side seats are given a moment, for what they do is never half done on the disk.
    fn is_over(&mut self) -> bool {
        let alive = |seat: &&Seat| seat.make.is_some() && !seat.is_asleep;
        if !self.seats.iter().any(|seat| alive(&seat)) {
            return true;
        }
        if self.seats.iter().filter(alive).any(|seat| seat.role != Role::Side) {
            return false;
        }
        self.stop_all();
        self.alone.get_or_insert_with(Instant::now).elapsed() > SIDE_WITHIN
    }

    fn handle(&mut self, event: Event) -> Option<Outcome> {
        match event {
            Event::Noticed(notice) => log(&notice),
            Event::Changed(change) => {
                if let Some(changes) = &mut self.changes {
                    changes.yard.change(*change);
                }
            }
            Event::Called => {} // seen to at the next turn
            Event::Reload => self.changes.iter().for_each(|changes| (changes.reload)()),
            // The end of one that was left behind is no news.
            Event::Ended(index, life, _) if !self.seats[index].actor.lives(life) => {}
            Event::Ended(index, _, ending) => return self.ended(index, ending),
            Event::Asked if self.stopping.is_some_and(|since| since.elapsed() < SAME_REQUEST) => {}
            Event::Asked if self.stopping.is_some() => {
                log::warn!("asked a second time: ending at once; unfinished files are repaired at the next start");
                return Some(Outcome::Failed);
            }
            Event::Asked => {
                log::info!("asked to stop: closing every file");
                self.manager.stopping();
                self.stopping = Some(Instant::now());
                self.changes = None;
                self.stop_all();
            }
            Event::Tick => {
                if self.settles_at.take_if(|at| Instant::now() >= *at).is_some() {
                    memory::forget_start();
                }
                let outcome = self.look_for_hangs();
                if outcome.is_none() && self.samples_come() {
                    self.manager.alive(Instant::now());
                }
                return outcome;
            }
        }
        None
    }

    /// Everybody looks at one of these; who sleeps holds ends of queues.
    fn stop_all(&mut self) {
        let own = self.lanes.iter().flat_map(|lane| [&lane.stop, &lane.push.stop]);
        own.chain([&self.stop]).for_each(|stop| stop.store(true, Relaxed));
        self.seats.iter_mut().filter(|seat| seat.is_asleep).for_each(|seat| seat.make = None);
    }

    /// Starts whoever is on call and wanted.
    fn wake(&mut self) {
        for index in 0..self.seats.len() {
            let seat = &mut self.seats[index];
            if seat.make.is_none() || !seat.is_called() {
                continue;
            }
            seat.is_asleep = false;
            if let Err(text) = self.start(index, Duration::ZERO) {
                log::error!("{text}: it is tried again");
                self.seats[index].is_asleep = true;
            }
        }
    }

    /// Begins the lanes that can begin.
    fn advance(&mut self) {
        let Some(changes) = &mut self.changes else { return };
        let seats = &self.seats;
        let is_over = |name: &str| seats.iter().filter(|seat| *seat.name == *name).all(|seat| seat.make.is_none());
        let hired = if changes.yard.is_busy() { changes.yard.ready(&is_over) } else { Vec::new() };
        hired.into_iter().for_each(|hire| self.hire(hire));
        let is_recording = self.seats.iter().any(|seat| seat.role == Role::Source && seat.make.is_some());
        // Nothing is recorded any more, and nothing will be: the store waits for the last of its senders.
        if !is_recording && self.changes.as_ref().is_some_and(|changes| !changes.yard.is_busy() && changes.inbox.is_empty()) {
            self.changes = None;
        }
    }

    fn hire(&mut self, hire: Hire) {
        self.lanes.extend(hire.status);
        for seat in hire.seats {
            let old = self.seats.iter().position(|old| old.name == seat.name && old.make.is_none());
            let index = old.unwrap_or(self.seats.len());
            match self.seats.get_mut(index) {
                Some(old) => *old = seat,
                None => self.seats.push(seat),
            }
            if let Err(text) = self.start(index, Duration::ZERO) {
                log::error!("{text}: recording goes on without it");
                self.seats[index].make = None; // it was put there
            }
        }
    }

    /// From every source that should deliver some.
    fn samples_come(&mut self) -> bool {
        let sign = |lane: &Arc<LaneStatus>| Sign {
            should_deliver: lane.recording.load(Relaxed)
                && ![&lane.alarm, &lane.disk, &lane.finish].iter().any(|alarm| alarm.is_raised()),
            // Not every stream tells how many frames it has.
            progress: lane.frames_captured.load(Relaxed).wrapping_add(lane.bytes_written.load(Relaxed)),
        };
        let still = self.vital.look(RealClock.mono(), self.lanes.iter().map(sign));
        let was_silent = std::mem::replace(&mut self.is_silent, still.is_some());
        if let (Some(place), false) = (still, was_silent) {
            let name =
                self.seats.iter().filter(|seat| seat.role == Role::Source).nth(place).map_or("a source", |seat| &*seat.name);
            log::error!("{name}: records, yet no samples come: the service manager hears no more signs of life");
        }
        still.is_none()
    }

    fn ended(&mut self, index: usize, ending: Ending) -> Option<Outcome> {
        let stopping = self.stopping.is_some();
        let seat = &mut self.seats[index];
        match ending {
            Ending::Done if seat.call.is_some() && !self.stop.load(Relaxed) => seat.is_asleep = true,
            Ending::Done => seat.make = None,
            Ending::Failed(fault) if fault.kind == FaultKind::Config || (stopping && seat.role != Role::Path) => {
                log::error!("{}: {fault}", seat.name);
                self.failed += usize::from(seat.role == Role::Source);
                seat.make = None;
            }
            Ending::Panicked(_) if stopping && seat.role != Role::Path => seat.make = None,
            Ending::Failed(_) | Ending::Panicked(_) => {
                let what = match ending {
                    Ending::Failed(fault) => fault.what,
                    Ending::Panicked(text) => text,
                    Ending::Done => String::new(),
                };
                return self.again(index, &what);
            }
        }
        None
    }

    /// Starts a fallen seat anew, unless it falls all the time.
    fn again(&mut self, index: usize, what: &str) -> Option<Outcome> {
        let seat = &mut self.seats[index];
        seat.actor.restarted();
        if seat.budget.fell(RealClock.mono()) == Verdict::GiveUp {
            if seat.role == Role::Side {
                log::error!("{}: failed again: {what}; too many restarts in a minute: recording goes on without it", seat.name);
                seat.actor.given_up.raise(format_args!("given up after too many failures: {what}"));
                seat.make = None;
                return None;
            }
            log::error!("{}: failed again: {what}; too many restarts in a minute, ending", seat.name);
            return Some(Outcome::Failed);
        }
        log::error!("{}: failed: {what}; it is started anew", seat.name);
        // A device that just failed is given a moment; what reads its blocks must go on at once.
        let pause = if seat.role == Role::Source { SOURCE_PAUSE } else { Duration::ZERO };
        match (self.start(index, pause), self.seats[index].role) {
            (Ok(()), _) => None,
            (Err(text), Role::Side) => {
                log::error!("{text}: recording goes on without it");
                self.seats[index].actor.given_up.raise(&text);
                self.seats[index].make = None;
                None
            }
            (Err(text), Role::Source | Role::Path) => {
                log::error!("{text}");
                Some(Outcome::Failed)
            }
        }
    }

    fn look_for_hangs(&mut self) -> Option<Outcome> {
        for index in 0..self.seats.len() {
            let seat = &mut self.seats[index];
            let Pulse { state, for_ms: ms, .. } = seat.actor.look();
            let hangs = match state {
                State::Idle => false,
                State::Busy => ms > HANG_MS,
                State::Device => ms > seat.device_limit_ms,
            };
            if !hangs || seat.make.is_none() {
                continue;
            }
            match seat.role {
                Role::Side if self.stopping.is_some() => seat.make = None,
                Role::Side => {
                    if let Some(outcome) = self.again(index, &format!("no sign of life for {} s", ms / 1000)) {
                        return Some(outcome);
                    }
                }
                Role::Source | Role::Path => {
                    let name = &seat.name;
                    log::error!("{name}: no sign of life for {} s, ending so that the service manager starts anew", ms / 1000);
                    return Some(Outcome::Failed);
                }
            }
        }
        match self.stopping {
            Some(since) if since.elapsed() > STOP_WITHIN => {
                log::error!("not every file could be closed in {} s; they are repaired at the next start", STOP_WITHIN.as_secs());
                Some(Outcome::Failed)
            }
            _ => None,
        }
    }
}

fn log(notice: &Notice) {
    log::log!(target: &notice.source, notice.level, "{}", notice.text);
}

/// A panic becomes one log line instead of a dump on the terminal; the thread's end is reported in any case.
fn hook_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "unknown place".to_owned(), |l| format!("{}:{}", l.file(), l.line()));
        let thread = thread::current();
        log::error!("{} panicked at {place}: {}", thread.name().unwrap_or("a thread"), text_of(info.payload()));
    }));
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "panic without a text".to_owned(),
    }
}
