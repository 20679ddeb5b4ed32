//! The page beside a recorder: what its sources do, and the recordings of `[general]`'s folder.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};

use super::health::{Rounds, STILL_MS};
use super::library;
use super::library::Sources;
use super::live;
use super::retention::{self, Keepers};
use super::review::{self, Place, Plan};
use super::sources;
use super::upload;
use super::{LaneRow, Table};
use crate::actor::health::Charge;
use crate::actor::http::clerk::Clerk;
use crate::config::{Config, SourceConfig};
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::real_path;
use crate::device::{Fault, FaultKind};
use crate::message::PcmFormat;
use crate::message::analysis::Centibel;
use crate::message::page::{PushState, SourceState, SourceStatus};
use crate::policy::split::{Zone, zone_named};
use crate::status::{self, Alarms, LaneStatus, Machine};
use crate::supervisor::{Role, Seat};
use crate::time::Wall;

/// What the page has in common with the recorder that it is beside.
pub struct Around<'a> {
    pub roster: Arc<Roster>,
    pub clerk: Arc<dyn Clerk>,
    pub keepers: &'a Keepers,
    pub stop: Arc<AtomicBool>,
    pub alarms: Arc<Alarms>,
    pub machine: Arc<Machine>,
    pub rounds: Rounds,
    /// Who runs programs for recordings.
    pub told: Sender<PathBuf>,
}

/// Beside a recorder, over the folder of `[general]`; the page's port if there is to be a page. Sources that record elsewhere are heard of in the status only.
pub fn seats(
    config: &Config,
    live: live::Plan,
    recorded: Receiver<PathBuf>,
    around: Around,
) -> Result<(Vec<Seat>, Option<u16>), Fault> {
    let Around { roster, clerk, keepers, stop, alarms, machine, rounds, told } = around;
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
    let keeper = keepers.of(&root).ok_or_else(|| Fault::new(FaultKind::Config, "nobody keeps the folder of the page"))?;
    let (asks, retention, turns) = (keeper.asks(), Some(keeper.keeping.clone()), keepers.turns.clone());
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
        uploads: Vec::new(),
    };
    let uploads = upload::Plan::new(config, keepers, &alarms);
    let settings = library::Settings { uploads: uploads.statuses(), ..settings };
    if config.web.enabled && config.web.password_hash.is_none() && !config.web.bind.is_loopback() {
        let open: Arc<status::Alarm> = Arc::default();
        open.raise("The page asks for no password: whoever reaches it may delete recordings. Set password_hash in [web].");
        alarms.note(&open);
    }
    let sources: Sources = Box::new(move || roster.look());
    let plan = Plan {
        place,
        settings,
        sources,
        alarms,
        asks,
        folders: keepers.folders.clone(),
        retention,
        recorded,
        told: Some(told),
        stop,
        turns,
        role: Role::Side,
        live: Some(live),
        uploads: Some(uploads),
        clerk: Some(clerk),
        rounds: Some(rounds),
    };
    if config.web.enabled {
        let (seats, port) = review::seats(&config.web, &config.live, plan);
        // Whoever has no page uploads all the same.
        Ok((seats, port.inspect_err(|fault| log::error!("no page: {fault}")).ok()))
    } else {
        Ok((review::without_page(plan), None))
    }
}

/// The sources of the page, in the order of the configuration.
#[derive(Default)]
pub struct Roster(Mutex<Vec<Row>>);

struct Row {
    name: String,
    format: Option<PcmFormat>,
    bytes_per_hour: f64,
    status: Arc<LaneStatus>,
    change: Option<(SourceState, Wall)>,
}

impl Roster {
    pub fn new(config: &Config, table: &Table, statuses: &[Arc<LaneStatus>]) -> Roster {
        let roster = Roster::default();
        for ((source, lane), status) in super::start::recorded(config).zip(&table.lanes).zip(statuses) {
            roster.set(source, lane, status);
        }
        roster
    }

    /// A new one comes last.
    pub fn set(&self, source: &SourceConfig, lane: &LaneRow, status: &Arc<LaneStatus>) {
        let (format, bytes_per_hour) = (sources::expected_format(source), retention::expected(lane.feed));
        let row = Row { name: source.name.clone(), format, bytes_per_hour, status: status.clone(), change: None };
        let mut rows = self.rows();
        match rows.iter_mut().find(|row| row.name == source.name) {
            Some(old) => *old = row,
            None => rows.push(row),
        }
    }

    pub fn remove(&self, name: &str) {
        self.rows().retain(|row| row.name != name);
    }

    pub fn order(&self, names: &[&str]) {
        self.rows().sort_by_key(|row| names.iter().position(|name| *name == row.name));
    }

    /// Whose health is looked after.
    pub fn charges(&self) -> Vec<Charge> {
        let charge = |row: &Row| Charge {
            name: row.name.as_str().into(),
            channels: row.format.map_or(0, |format| format.channels),
            status: row.status.clone(),
        };
        self.rows().iter().map(charge).collect()
    }

    /// What all of them take of the disk.
    pub fn bytes_per_hour(&self) -> f64 {
        self.rows().iter().map(|row| row.bytes_per_hour).sum()
    }

    fn look(&self) -> Vec<SourceStatus> {
        let look = |row: &mut Row| SourceStatus {
            bytes_per_hour: row.bytes_per_hour,
            ..source(&row.name, row.format, &row.status, &mut row.change)
        };
        self.rows().iter_mut().map(look).collect()
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `change`: the state that was seen last, and when it was seen first.
fn source(name: &str, format: Option<PcmFormat>, status: &LaneStatus, change: &mut Option<(SourceState, Wall)>) -> SourceStatus {
    let held_until = status.held_until();
    let state = match (status.alarm.is_raised(), status.recording.load(Relaxed)) {
        (true, _) => SourceState::Alarm,
        (false, true) if status.waits_for_trigger.load(Relaxed) => SourceState::Listening,
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
        level: status.level().filter(|_| state.is_heard()).map(Centibel),
        peak: status.peak().filter(|_| state.is_heard()).map(Centibel),
        rate_hz: format.map_or(0, |format| format.rate.hz()),
        channels: format.map_or(0, |format| format.channels),
        bytes_per_hour: 0.0,
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
            SourceState::Recording | SourceState::Listening | SourceState::Alarm => {
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
