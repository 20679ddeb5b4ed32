//! What the actors show of themselves while they run: counters a lane's actors share, and the pulse the supervisor watches.
//!
//! Everything here is an atomic that anybody may read at any time and that costs its writer a few nanoseconds.
//! Nothing waits here and nothing decides here: the store asks for a cut by [`LaneStatus::ask_cut`], the splitter answers;
//! an actor shows what it is doing by [`ActorStatus::enter`], the supervisor judges how long that may take.

mod alarm;
mod latency;
mod machine;
pub mod upload;

use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

pub use self::alarm::{Alarm, Alarms, Raised};
pub use self::latency::{BOUNDS_US, Latency, Spread};
pub use self::machine::Machine;
use crate::message::Cause;
use crate::time::Wall;

/// Channels of a source that are looked at one by one.
pub const CHANNELS: usize = 8;

/// Milliseconds since the first look at this clock; it never steps.
pub fn uptime_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Shared by all actors of one lane: the first block is written by capture and encoder, the second by the store.
#[derive(Debug, Default)]
pub struct LaneStatus {
    /// Its source is to be left alone; the rest of the program goes on.
    pub stop: Arc<AtomicBool>,
    /// A run is on.
    pub recording: AtomicBool,
    /// The source has failed so often that somebody should look.
    pub alarm: Arc<Alarm>,
    /// Frames that the device delivered, whether or not there was a block for them.
    pub frames_captured: AtomicU64,
    /// Frames that capture counted as lost, delivered or not.
    pub capture_lost: AtomicU64,
    pub runs: AtomicU32,
    pub xruns: AtomicU32,
    /// Most blocks of the pool that were in use at once.
    pub blocks_used_max: AtomicU32,
    /// The same since somebody asked last.
    blocks_used_lately: AtomicU32,
    /// Of the pool.
    pub blocks: AtomicU32,
    pub notices_dropped: AtomicU32,
    /// When its schedule opens it next, in nanoseconds of UTC, while it is closed; 0 while it is open.
    held: AtomicI64,
    /// It is heard, and nothing of it is recorded until its trigger finds something.
    pub waits_for_trigger: AtomicBool,
    /// Files of which the analyser did not hear every frame; they are analysed from the disk.
    pub taps_torn: AtomicU32,
    /// Somebody looks or listens: the sound is handed over as it is read, and read every 20 ms.
    pub wanted: AtomicBool,
    /// Frames that whoever looks or listens did not get.
    pub unheard: AtomicU64,
    /// Of the newest tenth of a second in hundredths of dBFS, plus 2^31; 0 while unknown.
    level: AtomicU32,
    /// Largest of the last second, in the same way.
    peak: AtomicU32,
    /// Samples that the analyser looked at, and those of them at the highest or the lowest value that the depth holds.
    pub samples_heard: AtomicU64,
    pub samples_clipped: AtomicU64,
    /// Of each channel: for how many seconds it has delivered one value, twice, and one if that is zero.
    still: [AtomicU32; CHANNELS],
    /// Milliseconds since samples came last; for whoever watches over that.
    pub still_for_ms: AtomicU64,
    /// Drift of the device's clock in thousandths of ppm plus 2^31; 0 while unknown.
    drift: AtomicU32,

    /// 0, or one more than the place of a cause in [`CAUSES`].
    cut: AtomicU8,
    pub files_closed: AtomicU64,
    pub bytes_written: AtomicU64,
    pub sync: Latency,
    pub write: Latency,
    /// Lines in gaps.csv since the start.
    pub gaps: AtomicU64,
    pub frames_lost: AtomicU64,
    /// Times that recording was in trouble, not lines in the log.
    pub alarms: AtomicU64,
    /// The disk does not take what is recorded.
    pub disk: Arc<Alarm>,
    /// It took something and did not keep it, or a file cannot be finished.
    pub finish: Arc<Alarm>,
    /// Its sound on its way to an Icecast elsewhere.
    pub push: PushStatus,
    /// Path below its folder of the file that is being recorded.
    file: Mutex<Option<String>>,
}

/// The rows of all lanes; lanes are added while the program runs, and none is taken away.
#[derive(Debug, Default)]
pub struct Lanes {
    rows: Mutex<Vec<Arc<LaneStatus>>>,
}

impl Lanes {
    pub fn new(rows: &[Arc<LaneStatus>]) -> Lanes {
        Lanes { rows: Mutex::new(rows.to_vec()) }
    }

    pub fn get(&self, lane: usize) -> Option<Arc<LaneStatus>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).get(lane).cloned()
    }

    /// The next lane's.
    pub fn add(&self, status: Arc<LaneStatus>) {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).push(status);
    }
}

/// Shown while a source is pushed to an Icecast elsewhere.
#[derive(Debug, Default)]
pub struct PushStatus {
    /// Nothing is pushed any more; the rest of the program goes on.
    pub stop: Arc<AtomicBool>,
    /// It is to be pushed.
    pub is_wanted: AtomicBool,
    pub is_connected: AtomicBool,
    pub connections: AtomicU32,
    /// Why it is not connected.
    pub trouble: Arc<Alarm>,
}

const CAUSES: [Cause; 13] = [
    Cause::Split,
    Cause::Clock,
    Cause::Gap,
    Cause::Size,
    Cause::Unplugged,
    Cause::Stalled,
    Cause::End,
    Cause::Schedule,
    Cause::Trigger,
    Cause::Fault,
    Cause::Disk,
    Cause::Shutdown,
    Cause::Recovered,
];

impl LaneStatus {
    /// Asks the splitter to end the file as soon as it can. The first cause stays until it is answered.
    pub fn ask_cut(&self, cause: Cause) {
        let place = CAUSES.iter().position(|c| *c == cause).and_then(|n| u8::try_from(n + 1).ok()).unwrap_or(0);
        let _ = self.cut.compare_exchange(0, place, Relaxed, Relaxed);
    }

    /// The cut that somebody asked for, once. For the splitter, at every block.
    pub fn take_cut(&self) -> Option<Cause> {
        if self.cut.load(Relaxed) == 0 {
            return None;
        }
        let place = self.cut.swap(0, Relaxed);
        CAUSES.get(usize::from(place.wrapping_sub(1))).copied()
    }

    /// Both in hundredths of dBFS.
    pub fn set_level(&self, level: Option<i16>, peak: Option<i16>) {
        let value = |centibel: Option<i16>| centibel.map_or(0, |level| (i64::from(level) + (1 << 31)) as u32);
        self.level.store(value(level), Relaxed);
        self.peak.store(value(peak), Relaxed);
    }

    /// Hundredths of dBFS.
    pub fn level(&self) -> Option<i16> {
        centibel(self.level.load(Relaxed))
    }

    /// Hundredths of dBFS.
    pub fn peak(&self) -> Option<i16> {
        centibel(self.peak.load(Relaxed))
    }

    /// Its schedule keeps it closed until then; [`Wall`]'s last instant for ever.
    pub fn hold(&self, until: Wall) {
        self.held.store(until.0.max(1), Relaxed);
    }

    pub fn release(&self) {
        self.held.store(0, Relaxed);
    }

    pub fn held_until(&self) -> Option<Wall> {
        Some(self.held.load(Relaxed)).filter(|at| *at != 0).map(Wall)
    }

    /// So many blocks of the pool are in use.
    pub fn used(&self, blocks: u32) {
        self.blocks_used_max.fetch_max(blocks, Relaxed);
        self.blocks_used_lately.fetch_max(blocks, Relaxed);
    }

    /// Most blocks that were in use at once since this was asked last.
    pub fn take_used(&self) -> u32 {
        self.blocks_used_lately.swap(0, Relaxed)
    }

    /// Of each channel: for how many seconds it has delivered one value, and whether that is zero.
    pub fn set_still(&self, channels: impl Iterator<Item = (u32, bool)>) {
        let values = channels.map(|(seconds, is_zero)| seconds.min(u32::MAX / 2) * 2 + u32::from(is_zero));
        self.still.iter().zip(values.chain(std::iter::repeat(0))).for_each(|(slot, value)| slot.store(value, Relaxed));
    }

    /// As [`LaneStatus::set_still`] was told.
    pub fn still(&self) -> [(u32, bool); CHANNELS] {
        std::array::from_fn(|channel| self.still[channel].load(Relaxed)).map(|value| (value / 2, value % 2 == 1))
    }

    /// `None`: none is open. Allocates.
    pub fn set_file(&self, name: Option<&Path>) {
        let name = name.map(|name| name.display().to_string());
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    pub fn file(&self) -> Option<String> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_drift_ppm(&self, ppm: Option<f64>) {
        let value = ppm.map_or(0, |ppm| ((ppm.clamp(-1e6, 1e6) * 1000.0) as i64 + (1 << 31)) as u32);
        self.drift.store(value, Relaxed);
    }

    pub fn drift_ppm(&self) -> Option<f64> {
        let value = self.drift.load(Relaxed);
        (value != 0).then(|| (i64::from(value) - (1 << 31)) as f64 / 1000.0)
    }

    /// What stood asked for is void, because a new file begins anyway.
    pub fn cut_done(&self) {
        self.cut.store(0, Relaxed);
    }
}

fn centibel(value: u32) -> Option<i16> {
    (value != 0).then(|| (i64::from(value) - (1 << 31)) as i16)
}

/// What an actor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting for a message: may last for ever.
    Idle,
    /// Working on one: over in a moment, or it hangs.
    Busy,
    /// Inside a call to a device or a disk, which may stall for seconds in ordinary life.
    Device,
}

/// The pulse of one actor.
#[derive(Debug, Default)]
pub struct ActorStatus {
    state: AtomicU8,
    since_ms: AtomicU64,
    beats: AtomicU32,
    restarts: AtomicU32,
    life: AtomicU32,
    /// It fell so often that it was given up.
    pub given_up: Arc<Alarm>,
    pub drill: Drill,
}

/// One look at a pulse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    pub state: State,
    /// In this state without a beat for so long.
    pub for_ms: u64,
    pub beats: u32,
    pub restarts: u32,
}

impl ActorStatus {
    /// From now on the actor does this.
    pub fn enter(&self, state: State) {
        // The time first: whoever sees the new state must not see the time of the old one.
        self.beat();
        self.state.store(state as u8, Release);
    }

    /// Takes up one message or one read.
    pub fn begin(&self) {
        self.enter(State::Busy);
        if self.drill.is_due() {
            self.strike();
        }
    }

    #[cold]
    fn strike(&self) {
        match self.drill.take() {
            None => {}
            Some(DrillKind::Panic) => panic!("a drill"),
            Some(DrillKind::Hang) => loop {
                std::thread::park();
            },
            Some(DrillKind::Stall { ms }) => {
                // As a device does that takes its time.
                self.enter(State::Device);
                std::thread::sleep(std::time::Duration::from_millis(ms));
                self.enter(State::Busy);
            }
        }
    }

    /// Still the same state, but it moves.
    pub fn beat(&self) {
        self.since_ms.store(uptime_ms(), Relaxed);
        self.beats.fetch_add(1, Relaxed);
    }

    /// A thread is about to be started for this actor, and any that still is there has been left behind. Names the new life.
    pub fn begin_life(&self) -> u32 {
        self.life.fetch_add(1, Relaxed).wrapping_add(1)
    }

    pub fn life(&self) -> u32 {
        self.life.load(Relaxed)
    }

    /// Whether the thread of that life is the actor's. One that is not any more must leave everything alone.
    pub fn lives(&self, life: u32) -> bool {
        self.life() == life
    }

    /// The supervisor started it anew.
    pub fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
        self.enter(State::Idle);
    }

    pub fn look(&self) -> Pulse {
        let state = match self.state.load(Acquire) {
            1 => State::Busy,
            2 => State::Device,
            _ => State::Idle,
        };
        let for_ms = uptime_ms().saturating_sub(self.since_ms.load(Relaxed));
        Pulse { state, for_ms, beats: self.beats.load(Relaxed), restarts: self.restarts.load(Relaxed) }
    }
}

/// A fault on order, so that the supervisor can be tried on the real program: `soundpost record --drill encoder=panic@20`.
#[derive(Debug, Default)]
pub struct Drill {
    /// 0 none, 1 panic, 2 hang for ever, 3 stall for a while.
    kind: AtomicU8,
    /// Beats to let pass first.
    after: AtomicU64,
    stall_ms: AtomicU64,
    repeat: AtomicU32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillKind {
    Panic,
    Hang,
    Stall { ms: u64 },
}

impl Drill {
    /// After `after` beats the actor does `kind`; a panic comes `repeat` times, each after as many beats again.
    pub fn arm(&self, kind: DrillKind, after: u64, repeat: u32) {
        if let DrillKind::Stall { ms } = kind {
            self.stall_ms.store(ms, Relaxed);
        }
        self.after.store(after, Relaxed);
        self.repeat.store(repeat, Relaxed);
        let kind = match kind {
            DrillKind::Panic => 1,
            DrillKind::Hang => 2,
            DrillKind::Stall { .. } => 3,
        };
        self.kind.store(kind, Relaxed);
    }

    fn is_due(&self) -> bool {
        self.kind.load(Relaxed) != 0
    }

    /// Counts one beat; the fault when it is time for it.
    fn take(&self) -> Option<DrillKind> {
        let left = self.after.load(Relaxed);
        if left > 0 {
            self.after.store(left - 1, Relaxed);
            return None;
        }
        let kind = self.kind.load(Relaxed);
        let repeat = self.repeat.load(Relaxed).saturating_sub(1);
        self.repeat.store(repeat, Relaxed);
        if repeat == 0 {
            self.kind.store(0, Relaxed);
        }
        match kind {
            1 => Some(DrillKind::Panic),
            2 => Some(DrillKind::Hang),
            3 => Some(DrillKind::Stall { ms: self.stall_ms.load(Relaxed) }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_survives_the_way_through_the_flag() {
        let lane = LaneStatus::default();
        for cause in CAUSES {
            lane.ask_cut(cause);
            assert_eq!(lane.take_cut(), Some(cause));
            assert_eq!(lane.take_cut(), None);
        }
    }

    #[test]
    fn the_first_cause_stays_until_it_is_answered() {
        let lane = LaneStatus::default();
        lane.ask_cut(Cause::Disk);
        lane.ask_cut(Cause::Fault);
        assert_eq!(lane.take_cut(), Some(Cause::Disk));
        lane.ask_cut(Cause::Fault);
        lane.cut_done();
        assert_eq!(lane.take_cut(), None);
    }

    #[test]
    fn a_beat_starts_the_time_anew() {
        let actor = ActorStatus::default();
        assert_eq!(actor.look().state, State::Idle);
        actor.enter(State::Device);
        let first = actor.look();
        actor.beat();
        let second = actor.look();
        assert_eq!((first.state, second.state, second.beats - first.beats), (State::Device, State::Device, 1));
        actor.restarted();
        assert_eq!((actor.look().state, actor.look().restarts), (State::Idle, 1));
    }

    #[test]
    fn drift_survives_its_integer() {
        let lane = LaneStatus::default();
        assert_eq!(lane.drift_ppm(), None);
        for ppm in [0.0, -137.25, 499.999] {
            lane.set_drift_ppm(Some(ppm));
            assert!(lane.drift_ppm().is_some_and(|p| (p - ppm).abs() < 0.0011), "{ppm}");
        }
    }

    #[test]
    fn a_drill_strikes_after_its_beats_and_as_often_as_told() {
        let actor = ActorStatus::default();
        actor.drill.arm(DrillKind::Panic, 2, 2);
        let struck: Vec<bool> =
            (0..8).map(|_| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| actor.begin())).is_err()).collect();
        assert_eq!(struck, [false, false, true, true, false, false, false, false]);
        assert_eq!(actor.look().state, State::Busy);
    }
}
