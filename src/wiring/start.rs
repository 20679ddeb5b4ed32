//! The table come alive: pools, queues, and for each seat the closure that makes its body.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::review::PageRow;
use super::{CAPTURE_STACK, ENCODER_STACK, Feed, LaneRow, Table, push, sources, stations};
use crate::actor::capture::{Capture, Ear, Lines};
use crate::actor::encoder::{Coding, Encoder, Output, TapEnds, TapOut};
use crate::actor::splitter::{self, Splitter, TriggerSettings};
use crate::config::trigger::pool_seconds;
use crate::config::{self, Config, FilenameTime, SourceConfig, SourceKind};
use crate::device::clock::{Clock, RealClock};
use crate::device::stream::Agent;
use crate::device::{Fault, FaultKind, sched};
use crate::edge::{Receiver, Sender, edge};
use crate::format::civil;
use crate::format::metadata::Station;
use crate::message::live::{Heard, OnAir, Stages};
use crate::message::{Container, Lane, Notice, PcmFormat, Run, Tape, Tapped, ToStore};
use crate::policy::outbox::Convert;
use crate::policy::retry::Retry;
use crate::policy::schedule::{Hours, Schedule};
use crate::policy::split::{Zone, zone_named};
use crate::pool::Pool;
use crate::status::{ActorStatus, LaneStatus};
use crate::supervisor::{Body, Role, Seat};

/// How long before a cut the next file is made ready.
const PREPARE_AHEAD_MS: u32 = 3_000;
/// Above ordinary threads and below the kernel's own.
const CAPTURE_PRIORITY: i32 = 60;
/// Opening a sound card may take this long.
const CAPTURE_LIMIT_MS: u64 = 30_000;
/// The encoder has no device.
const ENCODER_LIMIT_MS: u64 = 10_000;

/// What the actors of one lane share; it outlives each of them.
struct Parts {
    lane: Lane,
    source: Arc<SourceConfig>,
    name: Arc<str>,
    zone: Zone,
    hours: Option<Hours>,
    trigger: Option<TriggerSettings>,
    container: Container,
    coding: Coding,
    pcm: Pool,
    /// What it was to hold.
    pool_seconds: f64,
    encoded: Pool,
    /// Blocks for the analyser.
    tap: Option<Pool>,
    ear: Option<Ear>,
    run: Arc<Mutex<Option<Arc<Run>>>>,
    status: Arc<LaneStatus>,
}

/// What all lanes share.
#[derive(Clone)]
pub struct Shared {
    pub store: Sender<ToStore>,
    /// The analyser's inbox.
    pub taps: Sender<Tapped>,
    /// Live's inbox.
    pub ears: Sender<Heard>,
    pub notices: async_channel::Sender<Notice>,
    pub stop: Arc<AtomicBool>,
}

/// The row of each source that can be recorded, sized by what was asked for.
pub fn table(config: &Config) -> Table {
    let live = &config.live;
    let page = config.web.enabled.then(|| PageRow {
        connections: config.web.max_connections as usize,
        listeners: live.max_listeners as usize,
        mounts: if live.source_password.is_some() { live.max_sources as usize } else { 0 },
    });
    let monitored = config.general.monitor.as_deref();
    let pushes = recorded(config).filter(|source| push::is_wanted(source)).count();
    let is_heard = |lane: &LaneRow| page.is_some() || pushes > 0 || monitored == Some(&*lane.name);
    let heard = |lane: LaneRow| if is_heard(&lane) { lane.heard() } else { lane };
    let lanes = recorded(config).filter_map(|source| row(source, &config.analysis)).map(heard).collect();
    let keepers = super::retention::folders(config).len() - usize::from(page.is_some() || !config.uploads.is_empty());
    Table {
        lanes,
        page,
        is_monitored: monitored.is_some(),
        pushes,
        keepers,
        uploads: config.uploads.len(),
        converters: config.uploads.iter().filter(|target| target.convert != Convert::No).count(),
        is_told: super::notify::is_wanted(config),
        has_hooks: super::hooks::is_wanted(config),
        has_reducer: super::reducer::is_wanted(config),
        has_mqtt: cfg!(feature = "mqtt") && config.notify.mqtt.is_some(),
    }
}

fn row(source: &SourceConfig, analysis: &config::Analysis) -> Option<LaneRow> {
    let (name, lane) = (source.name.as_str().into(), &source.lane);
    if let SourceKind::Stream { format, .. } = source.kind {
        return Some(LaneRow::stream(name, stations::bytes_per_second(format), lane.pool_seconds));
    }
    let (format, container) = (sources::expected_format(source)?, source.container()?);
    Some(sound(source, analysis, format, container))
}

/// The row of a source that brings sound of this format.
pub fn sound(source: &SourceConfig, analysis: &config::Analysis, format: PcmFormat, container: Container) -> LaneRow {
    let (name, lane) = (source.name.as_str().into(), &source.lane);
    let trigger = lane.trigger.resolved(analysis);
    let pool_seconds = pool_seconds(lane.pool_seconds, trigger.as_ref());
    let row = LaneRow::new(name, format, container, pool_seconds, lane.flac_block_size).tapped(lane.split_minutes);
    match trigger {
        Some(trigger) => row.triggered(trigger.pre_roll_seconds),
        None => row,
    }
}

/// The sources that can be recorded, in the order of the configuration.
pub fn recorded(config: &Config) -> impl Iterator<Item = &SourceConfig> {
    config.sources.iter().filter(|source| row(source, &config.analysis).is_some())
}

/// Capture and encoder of every lane, or the one thread of a station.
pub fn lanes(
    config: &Config,
    table: &Table,
    statuses: &[Arc<LaneStatus>],
    shared: &Shared,
    stages: &Stages,
    agent: &mut Option<Option<Agent>>,
) -> Result<Vec<Seat>, String> {
    let mut seats = Vec::new();
    for (lane, ((source, row), status)) in recorded(config).zip(&table.lanes).zip(statuses).enumerate() {
        let lane = Lane::try_from(lane).map_err(|_| "too many sources".to_owned())?;
        let on_air = stages.of_lane(lane).on_air;
        seats.extend(self::lane(config, (lane, row), source, status, shared, on_air, agent)?);
    }
    Ok(seats)
}

/// The seats of one lane. `agent`: what all stations share, from the first of them on.
pub fn lane(
    config: &Config,
    (lane, row): (Lane, &LaneRow),
    source: &SourceConfig,
    status: &Arc<LaneStatus>,
    shared: &Shared,
    on_air: Option<Arc<OnAir>>,
    agent: &mut Option<Option<Agent>>,
) -> Result<Vec<Seat>, String> {
    let Feed::Sound(_, container) = row.feed else {
        let agent = agent.get_or_insert_with(|| stations::agent(config));
        let own = stations::Own { zone: zone(source)?, hours: hours(source, config)?, on_air };
        return Ok(vec![stations::seat((lane, row), source, status, shared, agent, own)]);
    };
    let parts = Arc::new(Parts {
        lane,
        name: source.name.as_str().into(),
        zone: zone(source)?,
        container,
        coding: Coding {
            station: Station {
                name: config.site.name.clone(),
                latitude: config.site.position.map(|p| p.latitude),
                longitude: config.site.position.map(|p| p.longitude),
            },
            flac_level: u8::try_from(source.lane.flac_level).unwrap_or(8),
            flac_block_size: source.lane.flac_block_size,
        },
        hours: hours(source, config)?,
        trigger: trigger(source, config, row),
        source: Arc::new(source.clone()),
        pool_seconds: pool_seconds(source.lane.pool_seconds, source.lane.trigger.resolved(&config.analysis).as_ref()),
        pcm: Pool::new(row.pcm_blocks, row.pcm_block_bytes),
        encoded: Pool::new(row.out_blocks, row.out_block_bytes),
        tap: row.tap.map(|tap| Pool::new(tap.blocks, tap.block_bytes)),
        ear: row.ear.map(|ear| Ear { lane, pool: Pool::new(ear.blocks, ear.block_bytes), inbox: shared.ears.clone() }),
        run: Arc::default(),
        status: status.clone(),
    });
    let (tape_in, tape_out) = edge(row.tape_depth);
    Ok(vec![capture_seat(&parts, tape_in, shared), encoder_seat(&parts, tape_out, shared)])
}

/// The closure holds the only sender of the tape: when the seat is over, the tape closes and the encoder ends.
fn capture_seat(parts: &Arc<Parts>, tape: Sender<Tape>, shared: &Shared) -> Seat {
    let actor = Arc::new(ActorStatus::default());
    let name = format!("{}/capture", parts.name);
    let (parts, row) = (parts.clone(), actor.clone());
    // Its own: it may end while others go on. What follows it ends with its tape.
    let (notices, stop) = (shared.notices.clone(), parts.status.stop.clone());
    let make = move || -> Body {
        let Some(source) = sources::open(&parts.source) else { return Box::new(|| Ok(())) };
        let capture = Capture {
            name: parts.name.clone(),
            source,
            pool: parts.pcm.clone(),
            tape: tape.clone(),
            ear: parts.ear.clone(),
            notices: notices.clone(),
            actor: row.clone(),
            lane: parts.status.clone(),
            stop: stop.clone(),
            retry: Retry::new(parts.source.lane.max_retries, parts.source.lane.retry_delay_seconds),
            new_session,
            now: || RealClock.mono(),
            hours: parts.hours.clone(),
            wall: || RealClock.look().wall,
            lines: Lines::default(),
            pool_seconds: parts.pool_seconds,
        };
        let real_time = sources::is_real_time(&parts.source);
        Box::new(move || {
            if real_time {
                ask_for_priority(&capture);
            }
            capture.run()
        })
    };
    Seat::new(name, actor, (CAPTURE_STACK, CAPTURE_LIMIT_MS), Role::Source, make)
}

fn ask_for_priority(capture: &Capture) {
    if let Err(e) = sched::set_realtime(CAPTURE_PRIORITY) {
        let text = format!("no real-time priority ({e}): capture runs at the ordinary one");
        let _ = capture.notices.try_send(Notice { level: log::Level::Info, source: capture.name.clone(), text });
    }
}

fn encoder_seat(parts: &Arc<Parts>, tape: Receiver<Tape>, shared: &Shared) -> Seat {
    let actor = Arc::new(ActorStatus::default());
    let name = format!("{}/encoder", parts.name);
    let (parts, row) = (parts.clone(), actor.clone());
    let (store, stop) = (shared.store.clone(), shared.stop.clone());
    let tap = tap_ends(&parts, &actor, shared);
    let make = move || -> Body {
        let (parts, row, tape) = (parts.clone(), row.clone(), tape.clone());
        let watch = tap.clone().filter(|_| parts.trigger.is_some()).map(TapOut::of_watches);
        let tap = tap.clone().map(TapOut::new);
        let output = Output::new(parts.lane, parts.encoded.clone(), store.clone(), row.clone(), stop.clone());
        Box::new(move || {
            let splitter = Splitter::new(settings(&parts)).map_err(|e| Fault::new(FaultKind::Config, e.to_string()))?;
            let encoder = Encoder {
                name: parts.name.clone(),
                tape,
                splitter,
                coding: parts.coding.clone(),
                output,
                tap,
                watch,
                actor: row,
                status: parts.status.clone(),
                clock: Arc::new(RealClock),
                run: parts.run.clone(),
            };
            encoder.run()
        })
    };
    Seat::new(name, actor, (ENCODER_STACK, ENCODER_LIMIT_MS), Role::Path, make)
}

fn tap_ends(parts: &Parts, actor: &Arc<ActorStatus>, shared: &Shared) -> Option<TapEnds> {
    Some(TapEnds {
        lane: parts.lane,
        pool: parts.tap.clone()?,
        inbox: shared.taps.clone(),
        is_patient: sources::is_patient(&parts.source),
        actor: actor.clone(),
        status: parts.status.clone(),
        stop: shared.stop.clone(),
    })
}

fn settings(parts: &Parts) -> splitter::Settings {
    let lane = &parts.source.lane;
    splitter::Settings {
        source: parts.name.clone(),
        container: parts.container,
        split_minutes: lane.split_minutes,
        zone: parts.zone.clone(),
        name_in_utc: lane.filename_time == FilenameTime::Utc,
        filename_pattern: lane.filename_pattern.clone(),
        prepare_ahead_ms: PREPARE_AHEAD_MS,
        trigger: parts.trigger,
    }
}

/// The configured zone, else the system's; a machine without one records in UTC.
pub fn zone(source: &SourceConfig) -> Result<Zone, String> {
    match &source.lane.time_zone {
        None => {
            let zone = Zone::system();
            if zone.is_unknown() {
                log::warn!("[{}]: this machine has no time zone: boundaries and names are in UTC (key time_zone)", source.name);
            }
            Ok(zone)
        }
        Some(name) => zone_named(name).map_err(|e| format!("[{}]: time_zone {name}: {e}", source.name)),
    }
}

/// When a source is to be recorded, in its zone.
pub fn schedule(source: &SourceConfig, config: &Config) -> Result<Schedule, String> {
    let (rules, place) = (source.lane.schedule.clone(), config.site.position.map(Into::into));
    Schedule::new(rules, zone(source)?, place).map_err(|e| format!("[{}]: {e}", source.name))
}

fn trigger(source: &SourceConfig, config: &Config, row: &LaneRow) -> Option<TriggerSettings> {
    let trigger = source.lane.trigger.resolved(&config.analysis)?;
    Some(TriggerSettings {
        detector: trigger.detector,
        margin: trigger.margin,
        band_hz: trigger.band_hz,
        pre_roll_s: trigger.pre_roll_seconds,
        post_roll_s: trigger.post_roll_seconds,
        shortest_s: trigger.min_seconds,
        longest_s: trigger.max_seconds,
        blocks: row.pcm_blocks,
    })
}

fn hours(source: &SourceConfig, config: &Config) -> Result<Option<Hours>, String> {
    if source.lane.schedule.is_always() { Ok(None) } else { schedule(source, config).map(|it| Some(Hours::new(it))) }
}

/// Names a run: its second for people, a random number for programs.
pub fn new_session() -> Arc<str> {
    let now = RealClock.look().wall;
    let random = RandomState::new().build_hasher().finish() as u32;
    let civil = civil::Civil::at(now, 0);
    let (hour, minute, second) = civil.hour_minute_second();
    let (year, month, day) = (civil.year, civil.month, civil.day);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z-{random:08x}").into()
}
