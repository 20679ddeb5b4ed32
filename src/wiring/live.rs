//! Live's seat, and what its taps weigh.

use std::fmt;
use std::sync::Arc;

use super::{LaneRow, Table};
use crate::actor::live::Live;
use crate::edge::Receiver;
use crate::message::handover::Hub;
use crate::message::live::{Heard, Stage, View};
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
}

impl Plan {
    pub fn new(table: &Table, statuses: &[Arc<LaneStatus>], inbox: Receiver<Heard>) -> Plan {
        let stage = |(lane, status): (&LaneRow, &Arc<LaneStatus>)| {
            lane.ear.map(|_| Arc::new(Stage::new(lane.name.clone(), status.clone())))
        };
        Plan { inbox, stages: table.lanes.iter().zip(statuses).map(stage).collect() }
    }
}

pub fn seat(plan: Plan, hub: &Arc<Hub>) -> Seat {
    let (actor, hub) = (Arc::new(ActorStatus::default()), hub.clone());
    let row = actor.clone();
    let make = move || -> Body {
        let (inbox, stages, hub, actor) = (plan.inbox.clone(), plan.stages.clone(), hub.clone(), row.clone());
        let life = row.life();
        let live = Live { inbox, stages, hub, tuning: Tuning::default(), actor };
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
