//! The seats of pushes: one for each source that has an `icecast_url`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{start, stations};
use crate::actor::icecast::Push;
use crate::config::{Config, SourceConfig};
use crate::device::clock::RealClock;
use crate::device::stream::Agent;
use crate::device::stream::push::Lines;
use crate::device::{Fault, FaultKind};
use crate::message::live::{Stage, Stages};
use crate::policy::reconnect::Reconnect;
use crate::status::{ActorStatus, LaneStatus};
use crate::supervisor::{Body, Seat};

const STACK: usize = 192 << 10;
/// With the buffers of two connections.
pub const BYTES: usize = STACK + (56 << 10);
/// Connecting tries one address after another; every wait in it ends when the program is to stop.
const LIMIT_MS: u64 = 5 * 60_000;
/// Every 1.5 s, and a little less often after a minute: a server that was away for an hour has the sound back within five seconds.
const RETRIES: (u32, f64) = (10, 1.5);
const FOUND_WITHIN_S: u32 = 4;

/// Whether a source is to be pushed.
pub fn is_wanted(source: &SourceConfig) -> bool {
    source.lane.icecast.url.is_some()
}

pub fn seats(config: &Config, statuses: &[Arc<LaneStatus>], stages: &Stages, agent: &mut Option<Option<Agent>>) -> Vec<Seat> {
    let rows = start::recorded(config).zip(statuses);
    rows.filter_map(|(source, status)| one(config, source, status, stages.named(&source.name), agent)).collect()
}

/// `None` where none is wanted, or none can be: it has no stage then, or that of a station.
pub fn one(
    config: &Config,
    source: &SourceConfig,
    status: &Arc<LaneStatus>,
    stage: Option<Arc<Stage>>,
    agent: &mut Option<Option<Agent>>,
) -> Option<Seat> {
    if !is_wanted(source) {
        return None;
    }
    let Some(stage) = stage.filter(|stage| !stage.is_station()) else {
        log::warn!("[{}] icecast_url: what a station sends is not pushed on", source.name);
        return None;
    };
    status.push.is_wanted.store(true, Relaxed);
    let agent = agent.get_or_insert_with(|| stations::agent(config)).clone();
    Some(seat(source, &stage, status, agent))
}

fn seat(source: &SourceConfig, stage: &Arc<Stage>, status: &Arc<LaneStatus>, agent: Option<Agent>) -> Seat {
    let actor = Arc::new(ActorStatus::default());
    let (source, stage, status, row) = (source.clone(), stage.clone(), status.clone(), actor.clone());
    let stop = status.push.stop.clone();
    let name: Arc<str> = format!("{}/icecast", source.name).into();
    let own = name.clone();
    let make = move || -> Body {
        let Some(agent) = &agent else { return Box::new(|| Err(Fault::new(FaultKind::Config, "no network"))) };
        let push = Push {
            name: own.clone(),
            stage: stage.clone(),
            url: source.lane.icecast.url.as_ref().map(|url| url.of(&source.name)).unwrap_or_default(),
            lines: lines(&source, &stage),
            client: agent.client(stop.clone()),
            second: agent.client(stop.clone()),
            clock: Arc::new(RealClock),
            actor: row.clone(),
            status: status.clone(),
            stop: stop.clone(),
            reconnect: Reconnect::new(RETRIES.0, RETRIES.1).found_within(FOUND_WITHIN_S),
        };
        Box::new(move || push.run())
    };
    Seat::side(name, actor, (STACK, LIMIT_MS), make)
}

/// What the server is told of the stream.
fn lines(source: &SourceConfig, stage: &Stage) -> Lines {
    let icecast = &source.lane.icecast;
    let ascii = |text: &str| text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect::<String>();
    let mut lines = vec![
        ("Content-Type", "audio/ogg".to_owned()),
        ("Ice-Name", ascii(icecast.name.as_deref().unwrap_or(&stage.title))),
        ("Ice-Public", u8::from(icecast.is_public).to_string()),
        ("Ice-Bitrate", icecast.kilobits_per_second.to_string()),
        ("Ice-Audio-Info", format!("bitrate={};samplerate=48000", icecast.kilobits_per_second)),
    ];
    lines.extend(icecast.description.as_deref().map(|text| ("Ice-Description", ascii(text))));
    lines.extend(icecast.genre.as_deref().map(|text| ("Ice-Genre", ascii(text))));
    lines
}
