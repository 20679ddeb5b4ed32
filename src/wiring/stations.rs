//! The lanes of stations: one seat each, and the agent that they share.

use std::sync::Arc;

use super::start::{Shared, new_session};
use super::{LaneRow, STREAM_STACK};
use crate::actor::encoder::Output;
use crate::actor::stream::{Air, Cutter, Lines, Settings, StreamLane};
use crate::config::{Config, FilenameTime, SourceConfig, SourceKind, StreamFormat};
use crate::device::clock::RealClock;
use crate::device::stream::{self, Agent, Limits, Options, Radio};
use crate::device::{Fault, FaultKind};
use crate::format::stream::Framing;
use crate::message::Lane;
use crate::message::live::OnAir;
use crate::policy::reconnect::Reconnect;
use crate::policy::schedule::Hours;
use crate::policy::split::Zone;
use crate::pool::Pool;
use crate::status::{ActorStatus, LaneStatus};
use crate::supervisor::{Body, Role, Seat};
use crate::time::SECOND_NS;

/// A call to connect tries one address after another, each for a minute or so; every wait in it ends when the lane is to stop.
const STATION_LIMIT_MS: u64 = 25 * 60_000;
/// Before a cut the next files are made ready, not those of all lanes in one moment: 3 to 6 s ahead.
const PREPARE_AHEAD_NS: i64 = 3 * SECOND_NS;
const PREPARE_APART_NS: i64 = SECOND_NS / 5;

/// What a stream of this format brings at most in ordinary life; what comes faster makes the pool hold fewer seconds, and the
/// network holds the rest.
pub fn bytes_per_second(format: StreamFormat) -> usize {
    match format {
        StreamFormat::Flac => 1_000_000 / 8,
        StreamFormat::Auto | StreamFormat::Mp3 | StreamFormat::Ogg | StreamFormat::Aac | StreamFormat::Opus => 128_000 / 8,
    }
}

/// What all stations share. Certificates of one's own that cannot be read are no reason to record nothing.
pub fn agent(config: &Config) -> Option<Agent> {
    let with = |ca_file| Agent::new(Options { ca_file, clock: Arc::new(RealClock), limits: Limits::default() });
    let agent = with(config.general.ca_file.clone()).or_else(|fault| {
        log::error!("{fault}: only the well-known authorities are trusted");
        with(None)
    });
    agent.inspect_err(|fault| log::error!("no stream can be recorded: {fault}")).ok()
}

/// What a lane does not share.
pub struct Own {
    pub zone: Zone,
    pub hours: Option<Hours>,
    pub on_air: Option<Arc<OnAir>>,
}

pub fn seat(
    (lane, row): (Lane, &LaneRow),
    source: &SourceConfig,
    status: &Arc<LaneStatus>,
    shared: &Shared,
    agent: &Option<Agent>,
    own: Own,
) -> Seat {
    let Own { zone, hours, on_air } = own;
    let actor = Arc::new(ActorStatus::default());
    let pool = Pool::new(row.out_blocks, row.out_block_bytes);
    let (source, agent, row, status) = (Arc::new(source.clone()), agent.clone(), actor.clone(), status.clone());
    let (store, notices, all) = (shared.store.clone(), shared.notices.clone(), shared.stop.clone());
    let stop = status.stop.clone();
    let name: Arc<str> = format!("{}/capture", source.name).into();
    let make = move || -> Body {
        let output = Output::new(lane, pool.clone(), store.clone(), row.clone(), all.clone());
        let (source, agent, zone, row, status) = (source.clone(), agent.clone(), zone.clone(), row.clone(), status.clone());
        let (notices, stop, hours, on_air) = (notices.clone(), stop.clone(), hours.clone(), on_air.clone());
        Box::new(move || {
            let agent = agent.ok_or_else(|| Fault::new(FaultKind::Config, "no network"))?;
            let cutter = Cutter::new(settings(lane, &source, zone)).map_err(|e| Fault::new(FaultKind::Config, e.to_string()))?;
            let (radio, framing) = radio(&source, &agent, &stop);
            let lane = StreamLane {
                name: source.name.as_str().into(),
                station: Box::new(radio),
                framing,
                cutter,
                output,
                notices,
                actor: row,
                status,
                stop,
                reconnect: Reconnect::new(source.lane.max_retries, source.lane.retry_delay_seconds),
                new_session,
                clock: Arc::new(RealClock),
                hours,
                lines: Lines::default(),
                air: on_air.map(Air::new),
            };
            lane.run()
        })
    };
    Seat::new(name, actor, (STREAM_STACK, STATION_LIMIT_MS), Role::Source, make)
}

fn settings(lane: Lane, source: &SourceConfig, zone: Zone) -> Settings {
    Settings {
        source: source.name.as_str().into(),
        split_minutes: source.lane.split_minutes,
        zone,
        name_in_utc: source.lane.filename_time == FilenameTime::Utc,
        filename_pattern: source.lane.filename_pattern.clone(),
        prepare_ahead_ns: PREPARE_AHEAD_NS + i64::from(lane % 16) * PREPARE_APART_NS,
    }
}

fn radio(source: &SourceConfig, agent: &Agent, stop: &Arc<std::sync::atomic::AtomicBool>) -> (Radio, Option<Framing>) {
    let mut settings = stream::Settings { urls: Vec::new(), username: None, password: None };
    let mut framing = None;
    if let SourceKind::Stream { urls, username, password, format, .. } = &source.kind {
        settings.urls = urls.expose();
        (settings.username, settings.password) = (username.clone(), password.as_ref().map(|secret| secret.expose().to_owned()));
        framing = match format {
            StreamFormat::Auto => None,
            StreamFormat::Mp3 => Some(Framing::Mp3),
            StreamFormat::Ogg | StreamFormat::Opus => Some(Framing::Ogg),
            StreamFormat::Aac => Some(Framing::Adts),
            StreamFormat::Flac => Some(Framing::Flac),
        };
    }
    (Radio::new(agent, settings, stop.clone()), framing)
}
