//! The seat that looks after the health of sources and board.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::beside::Roster;
use super::notify::Then;
use super::{LaneRow, Table, library, sources, start};
use crate::actor::health::Health;
use crate::config::Config;
use crate::config::storage::WhenFull;
use crate::device::clock::RealClock;
use crate::device::disk::real_path;
use crate::status::{ActorStatus, Alarms, LaneStatus, Machine};
use crate::supervisor::{Body, Seat};

pub const STACK: usize = 128 << 10;
/// A source that brought no sample for so long does not advance.
pub const STILL_MS: u64 = 30_000;
/// A sensor behind a slow bus, or a disk that is asked for its room.
const LIMIT_MS: u64 = 120_000;

/// Of the pool whose use is looked at.
pub fn blocks(lane: &LaneRow) -> u32 {
    u32::try_from(lane.pool_blocks()).unwrap_or(u32::MAX)
}

/// To be made before the seats run, so that its alarms are listed. `then`: after each look.
pub fn seat(
    config: &Config,
    table: &Table,
    statuses: &[Arc<LaneStatus>],
    roster: &Arc<Roster>,
    (alarms, machine): (&Arc<Alarms>, &Arc<Machine>),
    stop: &Arc<AtomicBool>,
    then: Option<Then>,
) -> Seat {
    for (lane, status) in table.lanes.iter().zip(statuses) {
        status.blocks.store(blocks(lane), Relaxed);
    }
    let roster = roster.clone();
    let folder = real_path(&config.general.lane.output_directory);
    let samples = |format: &crate::message::PcmFormat| f64::from(format.rate.hz()) * f64::from(format.channels);
    let formats = start::recorded(config).filter_map(sources::expected_format);
    let per_second: f64 = formats.map(|format| samples(&format)).sum();
    // Where old recordings give way to new ones, the disk is never full.
    let is_filled = config.storage.when_full == WhenFull::Stop;
    let room = Box::new(move || if is_filled { library::room(&folder, per_second).hours_left } else { None });
    let health = Health::new(
        Box::new(move || roster.charges()),
        alarms.clone(),
        machine.clone(),
        PathBuf::from("/"),
        room,
        Arc::new(RealClock),
    );
    // What it knows outlives a fall.
    let health = Arc::new(Mutex::new((health, then.unwrap_or_else(|| Box::new(|_| ())))));
    let (actor, stop) = (Arc::new(ActorStatus::default()), stop.clone());
    let row = actor.clone();
    let make = move || -> Body {
        let (health, row, stop) = (health.clone(), row.clone(), stop.clone());
        Box::new(move || {
            let (health, then) = &mut *health.lock().unwrap_or_else(PoisonError::into_inner);
            health.run(&row, &stop, then)
        })
    };
    Seat::side("health", actor, (STACK, LIMIT_MS), make)
}
