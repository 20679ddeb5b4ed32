//! The seats of live and of the preview, and what they weigh.

use std::fmt;
use std::sync::Arc;

use super::start::Shared;
use super::{Feed, LaneRow, Table, sources, start};
use crate::actor::live::Live;
use crate::actor::preview::Preview;
use crate::config::{Config, SourceConfig, SourceKind};
use crate::edge::Receiver;
use crate::message::handover::Hub;
use crate::message::live::{self, Heard, ON_AIR_BYTES, OnAir, Quality, Ring, Seen, Stage, Stages, View};
use crate::pool::Pool;
use crate::signal::spectrum::Tuning;
use crate::status::{ActorStatus, LaneStatus};
use crate::supervisor::{Body, Call, Seat};

pub const STACK: usize = 256 << 10;
/// Blocks of a tap, each of which holds a read: a tenth and a half of a second that live may be behind by.
const BLOCKS: usize = 8;
/// Transforms and the newest samples, for a lane.
const BUFFERS_BYTES: usize = 512 << 10;
/// It has no device, and a read takes it less than a millisecond.
const LIMIT_MS: u64 = 10_000;
/// Of Opus: what more work than this adds is not heard at these bit rates, and a small board has other things to do.
const COMPLEXITY: u8 = 5;

/// A station that is looked at and listened to: its own bytes, a decoder with its window, and what live makes of its sound.
pub const STATION_BYTES: usize = ON_AIR_BYTES + (512 << 10) + BUFFERS_BYTES + ALL_RINGS;
const ALL_RINGS: usize = 848 << 10;

/// Sound of a device that nobody records on its way to live: a tenth of a second of 384 kHz, and most of a second of 48.
pub const PREVIEW_BLOCKS: usize = 8;
const PREVIEW_BLOCK_BYTES: usize = 32 << 10;
pub const PREVIEW_BYTES: usize = STACK + PREVIEW_BLOCKS * PREVIEW_BLOCK_BYTES + BUFFERS_BYTES + ALL_RINGS;
/// Opening a sound card may take this long.
const PREVIEW_LIMIT_MS: u64 = 30_000;

/// What listening to a lane takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarRow {
    pub blocks: usize,
    pub block_bytes: usize,
}

impl EarRow {
    pub fn new(lane_block_bytes: usize) -> EarRow {
        EarRow { blocks: BLOCKS, block_bytes: lane_block_bytes }
    }

    /// While there are listeners to everything.
    pub fn bytes(self) -> usize {
        self.blocks * self.block_bytes + BUFFERS_BYTES + View::bytes()
    }
}

impl fmt::Display for EarRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rings = (BUFFERS_BYTES + View::bytes()) >> 10;
        write!(f, "{} blocks of {} B, {rings} KiB while somebody looks and listens", self.blocks, self.block_bytes)
    }
}

#[derive(Clone)]
pub struct Plan {
    pub inbox: Receiver<Heard>,
    pub stages: Arc<Stages>,
    /// Where there is a page.
    pub preview: Option<Arc<live::Preview>>,
    pub tuning: Tuning,
    /// When somebody comes to look at a station.
    pub ring: Ring,
}

impl Plan {
    pub fn new(config: &Config, table: &Table, statuses: &[Arc<LaneStatus>], inbox: Receiver<Heard>) -> Plan {
        let (stages, bell) = (Arc::new(Stages::default()), inbox.bell());
        let ring: Ring = Arc::new(move || bell.ring());
        let has_page = table.page.is_some();
        for (lane, ((row, source), status)) in (0..).zip(table.lanes.iter().zip(start::recorded(config)).zip(statuses)) {
            stages.set(lane, seen(config, row, source, status, has_page.then_some(&ring)));
        }
        let quality = start::recorded(config)
            .next()
            .map(|source| Quality { bits_per_second: source.lane.icecast.kilobits_per_second * 1_000, complexity: COMPLEXITY });
        let preview = quality.filter(|_| table.has_preview()).map(|quality| Arc::new(live::Preview::new(quality)));
        Plan { inbox, stages, preview, tuning: config.live.spectrum, ring }
    }
}

/// `ring`: where there is a page; wakes who decodes stations.
pub fn seen(config: &Config, lane: &LaneRow, source: &SourceConfig, status: &Arc<LaneStatus>, ring: Option<&Ring>) -> Seen {
    let ring = ring.filter(|_| matches!(lane.feed, Feed::Stream { .. }));
    if lane.ear.is_none() && ring.is_none() {
        return Seen::default();
    }
    let site = config.site.name.as_deref();
    let title = site.map_or_else(|| source.name.clone(), |site| format!("{site} · {}", source.name));
    let bits_per_second = source.lane.icecast.kilobits_per_second * 1_000;
    let quality = Quality { bits_per_second, complexity: COMPLEXITY };
    let stage = Stage::new(lane.name.clone(), kind(&source.kind), title.into(), quality, status.clone());
    let stage = Some(Arc::new(if let Some(ring) = ring { stage.of_station(ring.clone()) } else { stage }));
    Seen { stage, on_air: ring.map(|_| Arc::new(OnAir::new(lane.name.clone()))) }
}

const fn kind(kind: &SourceKind) -> &'static str {
    match kind {
        SourceKind::Soundcard { .. } => "card",
        SourceKind::File { .. } => "file",
        SourceKind::Demo { .. } => "demo",
        SourceKind::Tone { .. } => "tone",
        SourceKind::Stream { .. } => "station",
    }
}

pub fn seat(plan: Plan, hub: &Arc<Hub>) -> Seat {
    let hub = hub.clone();
    side("live", LIMIT_MS, move |actor| {
        let (inbox, stages, hub, life) = (plan.inbox.clone(), plan.stages.clone(), hub.clone(), actor.life());
        let live = Live { inbox, stages, preview: plan.preview.clone(), hub, tuning: plan.tuning, actor };
        Box::new(move || live.run(life))
    })
}

/// `None` without a page.
pub fn preview(plan: &Plan, shared: &Shared) -> Option<Seat> {
    let subject = plan.preview.clone()?;
    let (inbox, stop) = (shared.ears.clone(), shared.stop.clone());
    let wanted = subject.clone();
    let call = Call { bell: subject.bell.clone(), is_wanted: Box::new(move || wanted.wanted().is_some()) };
    let seat = side("preview", PREVIEW_LIMIT_MS, move |actor| {
        let (subject, inbox, stop) = (subject.clone(), inbox.clone(), stop.clone());
        let life = actor.life();
        Box::new(move || {
            // There while somebody looks.
            let pool = Pool::new(PREVIEW_BLOCKS, PREVIEW_BLOCK_BYTES);
            Preview { subject, device: sources::unrecorded, pool, inbox, actor, stop }.run(life)
        })
    });
    Some(seat.on_call(call))
}

fn side(name: &str, device_limit_ms: u64, mut body: impl FnMut(Arc<ActorStatus>) -> Body + 'static) -> Seat {
    let actor = Arc::new(ActorStatus::default());
    let row = actor.clone();
    Seat::side(name, actor, (STACK, device_limit_ms), move || body(row.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rings_are_counted() {
        assert_eq!(ALL_RINGS, View::bytes());
    }
}
