//! The page beside a recorder: what its sources do, and the recordings of `[general]`'s folder.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use async_channel::Receiver;

use super::health::STILL_MS;
use super::library;
use super::library::Sources;
use super::live;
use super::review::{self, Place, Plan};
use crate::config::Config;
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::real_path;
use crate::device::turns::Turns;
use crate::device::{Fault, FaultKind};
use crate::message::PcmFormat;
use crate::message::analysis::Centibel;
use crate::message::page::{PushState, SourceState, SourceStatus};
use crate::policy::split::{Zone, zone_named};
use crate::status::{self, Alarms, LaneStatus, Machine};
use crate::supervisor::{Role, Seat};
use crate::time::Wall;

/// Beside a recorder, over the folder of `[general]`. Sources that record elsewhere are heard of in the status only.
pub fn seats(
    config: &Config,
    statuses: &[Arc<LaneStatus>],
    live: live::Plan,
    recorded: Receiver<PathBuf>,
    stop: Arc<AtomicBool>,
    turns: Arc<Turns>,
    (alarms, machine): (Arc<Alarms>, Arc<Machine>),
) -> Result<(Vec<Seat>, u16), Fault> {
    let general = &config.general.lane;
    let root = real_path(&general.output_directory);
    let analyses = config.analysis.analyses_dir.as_deref().map_or_else(|| root.join("analyses"), real_path);
    let zone = match &general.time_zone {
        None => Zone::system(),
        Some(name) => zone_named(name).unwrap_or_else(|_| Zone::system()), // it has been complained of
    };
    // The store makes the folder too, whoever comes first.
    let no_folder = |e| Fault::new(FaultKind::Retry, format!("{}: {e}", root.display()));
    std::fs::create_dir_all(&root).map_err(no_folder)?;
    library::keep::sweep(&root);
    let place = Place { root: root.clone(), analyses: analyses.clone(), catalogue: root.join("catalogue.db"), read_only: false };
    let ms = |seconds: f64| (seconds * 1_000.0).round() as u32; // saturates
    let settings = library::Settings {
        mode: "record",
        root,
        analyses,
        catalogue: place.catalogue.clone(),
        read_only: false,
        detection: super::analysis::detection(&config.analysis),
        pre_roll_ms: ms(config.analysis.pre_roll_seconds),
        post_roll_ms: ms(config.analysis.post_roll_seconds),
        zone,
        machine,
    };
    if config.web.password_hash.is_none() && !config.web.bind.is_loopback() {
        let open: Arc<status::Alarm> = Arc::default();
        open.raise("The page asks for no password: whoever reaches it may delete recordings. Set password_hash in [web].");
        alarms.note(&open);
    }
    let rows: Vec<(String, Option<PcmFormat>, Arc<LaneStatus>)> = super::start::recorded(config)
        .zip(statuses)
        .map(|(source, status)| (source.name.clone(), super::sources::expected_format(source), status.clone()))
        .collect();
    let changes = Mutex::new(vec![None; rows.len()]);
    let sources: Sources = Box::new(move || {
        let mut changes = changes.lock().unwrap_or_else(PoisonError::into_inner);
        let each = rows.iter().zip(changes.iter_mut());
        each.map(|((name, format, status), change)| source(name, *format, status, change)).collect()
    });
    review::seats(
        &config.web,
        &config.live,
        Plan { place, settings, sources, alarms, recorded, stop, turns, role: Role::Side, live: Some(live) },
    )
}

/// `change`: the state that was seen last, and when it was seen first.
fn source(name: &str, format: Option<PcmFormat>, status: &LaneStatus, change: &mut Option<(SourceState, Wall)>) -> SourceStatus {
    let held_until = status.held_until();
    let state = match (status.alarm.is_raised(), status.recording.load(Relaxed)) {
        (true, _) => SourceState::Alarm,
        (false, true) => SourceState::Recording,
        (false, false) if held_until.is_some() => SourceState::Held,
        (false, false) => SourceState::Waiting,
    };
    let alarm = [&status.alarm, &status.disk, &status.finish].into_iter().find_map(|alarm| alarm.look());
    let since = change.filter(|(last, _)| *last == state).map_or_else(|| RealClock.look().wall, |(_, since)| since);
    *change = Some((state, since));
    SourceStatus {
        name: name.to_owned(),
        state,
        file: status.file(),
        level: status.level().filter(|_| state == SourceState::Recording).map(Centibel),
        peak: status.peak().filter(|_| state == SourceState::Recording).map(Centibel),
        rate_hz: format.map_or(0, |format| format.rate.hz()),
        channels: format.map_or(0, |format| format.channels),
        frames: status.frames_captured.load(Relaxed),
        xruns: status.xruns.load(Relaxed).into(),
        gaps: status.gaps.load(Relaxed),
        frames_unheard: status.unheard.load(Relaxed),
        push: status.push.is_wanted.load(Relaxed).then(|| PushState {
            is_connected: status.push.is_connected.load(Relaxed),
            connections: status.push.connections.load(Relaxed),
            trouble: status.push.trouble.look().map(|(_, text)| text),
        }),
        drift_ppm: status.drift_ppm(),
        since: Some(since),
        opens: held_until.filter(|at| *at != Wall(i64::MAX)),
        trouble: alarm.map(|(_, text)| text),
        is_advancing: match state {
            SourceState::Recording | SourceState::Alarm => {
                status.recording.load(Relaxed) && status.still_for_ms.load(Relaxed) < STILL_MS
            }
            SourceState::Held => true,
            SourceState::Waiting => false,
        },
        frames_lost: status.capture_lost.load(Relaxed),
        blocks_used_max: status.blocks_used_max.load(Relaxed),
        blocks: status.blocks.load(Relaxed),
        samples_clipped: status.samples_clipped.load(Relaxed),
        write: status.write.look(),
        sync: status.sync.look(),
    }
}
