//! Rounds to look after the health of sources and board. Where there is a page its herald makes them, else a seat of their own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

use super::beside::Roster;
use super::notify::Then;
use super::{LaneRow, Table, library};
use crate::actor::health::Health;
use crate::config::Config;
use crate::config::storage::WhenFull;
use crate::device::clock::RealClock;
use crate::device::disk::real_path;
use crate::status::{ActorStatus, Alarms, LaneStatus, Machine, State};
use crate::supervisor::{Body, Seat};

pub const STACK: usize = 128 << 10;
/// A source that brought no sample for so long does not advance.
pub const STILL_MS: u64 = 30_000;
/// Between two rounds.
const EVERY: Duration = Duration::from_secs(5);
/// How soon a stop is noticed.
const SLICE: Duration = Duration::from_secs(1);
/// A sensor behind a slow bus, or a disk that is asked for its room.
const LIMIT_MS: u64 = 120_000;

/// Of the pool whose use is looked at.
pub fn blocks(lane: &LaneRow) -> u32 {
    u32::try_from(lane.pool_blocks()).unwrap_or(u32::MAX)
}

/// What they know outlives who makes them.
#[derive(Clone)]
pub struct Rounds(Arc<Mutex<Round>>);

struct Round {
    health: Health,
    /// After each.
    then: Option<Then>,
    last: Option<Instant>,
}

impl Rounds {
    /// Makes one, if it is time. One who hangs in it keeps it to himself: others go on without.
    pub fn walk(&self, actor: &ActorStatus) {
        let mut round = match self.0.try_lock() {
            Ok(round) => round,
            Err(TryLockError::Poisoned(fallen)) => fallen.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if round.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        round.last = Some(Instant::now());
        actor.begin();
        actor.enter(State::Device); // a sensor may answer slowly
        let now = round.health.look();
        round.then.iter_mut().for_each(|then| then(now));
        actor.enter(State::Idle);
    }
}

/// To be made before the seats run, so that its alarms are listed. `then`: after each look.
pub fn rounds(
    config: &Config,
    table: &Table,
    statuses: &[Arc<LaneStatus>],
    roster: &Arc<Roster>,
    (alarms, machine): (&Arc<Alarms>, &Arc<Machine>),
    then: Option<Then>,
) -> Rounds {
    for (lane, status) in table.lanes.iter().zip(statuses) {
        status.blocks.store(blocks(lane), Relaxed);
    }
    let (roster, all) = (roster.clone(), roster.clone());
    let folder = real_path(&config.general.lane.output_directory);
    // Where old recordings give way to new ones, the disk is never full.
    let is_filled = config.storage.when_full == WhenFull::Stop;
    let room = Box::new(move || if is_filled { library::room(&folder, all.bytes_per_hour()).hours_left } else { None });
    let health = Health::new(
        Box::new(move || roster.charges()),
        alarms.clone(),
        machine.clone(),
        PathBuf::from("/"),
        room,
        Arc::new(RealClock),
    );
    Rounds(Arc::new(Mutex::new(Round { health, then, last: None })))
}

/// Where nobody else makes them.
pub fn seat(rounds: &Rounds, stop: &Arc<AtomicBool>) -> Seat {
    let (actor, rounds, stop) = (Arc::new(ActorStatus::default()), rounds.clone(), stop.clone());
    let row = actor.clone();
    let make = move || -> Body {
        let (rounds, row, stop) = (rounds.clone(), row.clone(), stop.clone());
        Box::new(move || {
            while !stop.load(Relaxed) {
                rounds.walk(&row);
                std::thread::sleep(SLICE);
            }
            Ok(())
        })
    };
    Seat::side("health", actor, (STACK, LIMIT_MS), make)
}
