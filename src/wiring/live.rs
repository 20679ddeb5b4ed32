//! Live's seat, and what its taps weigh.

use std::fmt;
use std::sync::Arc;

use super::{Feed, LaneRow, Table, start};
use crate::actor::live::Live;
use crate::config::{Config, SourceConfig};
use crate::edge::Receiver;
use crate::message::handover::Hub;
use crate::message::live::{Heard, OnAir, Quality, Stage, View};
use crate::policy::retry::RestartBudget;
use crate::signal::spectrum::Tuning;
use crate::status::{ActorStatus, LaneStatus};
use crate::supervisor::{Body, Role, Seat};

pub const STACK: usize = 256 << 10;
/// Blocks of a tap, each of which holds a read: a tenth and a half of a second that live may be behind by.
const BLOCKS: usize = 8;
/// Transforms and the newest samples, for a lane.
const BUFFERS_BYTES: usize = 512 << 10;
/// It has no device, and a read takes it less than a millisecond.
const LIMIT_MS: u64 = 10_000;
/// Of Opus: what more work than this adds is not heard at these bit rates, and a small board has other things to do.
const COMPLEXITY: u8 = 5;

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
    /// One a lane; none for those that hand over no sound.
    pub stages: Vec<Option<Arc<Stage>>>,
    /// One a lane; of stations only, and only where there is a page.
    pub on_air: Vec<Option<Arc<OnAir>>>,
    pub tuning: Tuning,
}

impl Plan {
    pub fn new(config: &Config, table: &Table, statuses: &[Arc<LaneStatus>], inbox: Receiver<Heard>) -> Plan {
        let site = config.site.name.as_deref();
        let stage = |((lane, source), status): ((&LaneRow, &SourceConfig), &Arc<LaneStatus>)| {
            lane.ear?;
            let title = site.map_or_else(|| source.name.clone(), |site| format!("{site} · {}", source.name));
            let bits_per_second = source.lane.icecast.kilobits_per_second * 1_000;
            let quality = Quality { bits_per_second, complexity: COMPLEXITY };
            Some(Arc::new(Stage::new(lane.name.clone(), title.into(), quality, status.clone())))
        };
        let stages = table.lanes.iter().zip(start::recorded(config)).zip(statuses).map(stage).collect();
        let on_air = |lane: &LaneRow| {
            let is_station = matches!(lane.feed, Feed::Stream { .. });
            (is_station && table.page.is_some()).then(|| Arc::new(OnAir::new(lane.name.clone())))
        };
        Plan { inbox, stages, on_air: table.lanes.iter().map(on_air).collect(), tuning: config.live.spectrum }
    }
}

pub fn seat(plan: Plan, hub: &Arc<Hub>) -> Seat {
    let (actor, hub) = (Arc::new(ActorStatus::default()), hub.clone());
    let row = actor.clone();
    let make = move || -> Body {
        let (inbox, stages, hub, actor) = (plan.inbox.clone(), plan.stages.clone(), hub.clone(), row.clone());
        let life = row.life();
        let live = Live { inbox, stages, hub, tuning: plan.tuning, actor };
        Box::new(move || live.run(life))
    };
    let make: Box<dyn FnMut() -> Body> = Box::new(make);
    Seat {
        name: "live".into(),
        actor,
        stack_bytes: STACK,
        device_limit_ms: LIMIT_MS,
        role: Role::Side,
        make: Some(make),
        budget: RestartBudget::new(),
    }
}
