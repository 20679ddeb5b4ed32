//! The seat that looks after the health of sources and board.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::notify::Then;
use super::{Table, library, sources, start};
use crate::actor::health::Health;
use crate::config::Config;
use crate::config::storage::WhenFull;
use crate::device::clock::RealClock;
use crate::device::disk::real_path;
use crate::policy::retry::RestartBudget;
use crate::status::{ActorStatus, Alarms, LaneStatus, Machine};
use crate::supervisor::{Body, Role, Seat};

pub const STACK: usize = 128 << 10;
/// A source that brought no sample for so long does not advance.
pub const STILL_MS: u64 = 30_000;
/// A sensor behind a slow bus, or a disk that is asked for its room.
const LIMIT_MS: u64 = 120_000;

/// To be made before the seats run, so that its alarms are listed. `then`: after each look.
pub fn seat(
    config: &Config,
    table: &Table,
    statuses: &[Arc<LaneStatus>],
    (alarms, machine): (&Alarms, &Arc<Machine>),
    stop: &Arc<AtomicBool>,
    then: Option<Then>,
) -> Seat {
    let formats: Vec<_> = start::recorded(config).map(sources::expected_format).collect();
    let channels = formats.iter().map(|format| format.map_or(0, |format| format.channels));
    let rows = table.lanes.iter().zip(statuses).zip(channels);
    let lanes = rows.map(|((lane, status), channels)| {
        status.blocks.store(u32::try_from(lane.pool_blocks()).unwrap_or(u32::MAX), Relaxed);
        (lane.name.clone(), channels, status.clone())
    });
    let folder = real_path(&config.general.lane.output_directory);
    let samples = |format: &crate::message::PcmFormat| f64::from(format.rate.hz()) * f64::from(format.channels);
    let per_second: f64 = formats.iter().flatten().map(samples).sum();
    // Where old recordings give way to new ones, the disk is never full.
    let is_filled = config.storage.when_full == WhenFull::Stop;
    let room = Box::new(move || if is_filled { library::room(&folder, per_second).hours_left } else { None });
    let health = Health::new(lanes.collect(), alarms, machine.clone(), PathBuf::from("/"), room, Arc::new(RealClock));
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
    Seat {
        name: "health".into(),
        actor,
        stack_bytes: STACK,
        device_limit_ms: LIMIT_MS,
        role: Role::Side,
        make: Some(Box::new(make)),
        budget: RestartBudget::new(),
    }
}
