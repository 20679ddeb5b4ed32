//! Monitor's seat, and what it weighs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::live::Plan;
use crate::actor::monitor::Monitor;
use crate::status::ActorStatus;
use crate::supervisor::{Body, Seat};

const STACK: usize = 256 << 10;
/// Of the output's thread, which others start: what the standard library gives.
const OUTPUT_STACK: usize = 2 << 20;
/// A sound of 384 kHz on its way to 48, and what waits to be heard.
const BUFFERS_BYTES: usize = 2 << 20;
pub const BYTES: usize = STACK + OUTPUT_STACK + BUFFERS_BYTES;
/// A sound server may take its time.
const LIMIT_MS: u64 = 30_000;

/// `None` if the source of this name hands over no sound.
pub fn seat(plan: &Plan, source: &str, stop: &Arc<AtomicBool>) -> Option<Seat> {
    let stage = plan.stages.named(source)?;
    let (actor, stop) = (Arc::new(ActorStatus::default()), stop.clone());
    let row = actor.clone();
    let make = move || -> Body {
        let monitor = Monitor { stage: stage.clone(), actor: row.clone(), stop: stop.clone() };
        let life = row.life();
        Box::new(move || monitor.run(life))
    };
    Some(Seat::side("monitor", actor, (STACK, LIMIT_MS), make))
}
