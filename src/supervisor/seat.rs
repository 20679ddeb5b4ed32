//! What the supervisor runs: seats, and who makes more of them.

use std::sync::Arc;

use async_channel::Receiver;
use event_listener::{Event, EventListener};

use crate::device::Fault;
use crate::policy::retry::RestartBudget;
use crate::status::{ActorStatus, LaneStatus};
use crate::wiring::settings::Change;

/// What a seat's thread runs.
pub type Body = Box<dyn FnOnce() -> Result<(), Fault> + Send>;

/// One row of the running machine.
pub struct Seat {
    /// "mic/encoder", "store".
    pub name: Arc<str>,
    pub actor: Arc<ActorStatus>,
    pub stack_bytes: usize,
    /// How long one call to its device may take before that counts as a hang.
    pub device_limit_ms: u64,
    pub role: Role,
    /// Makes the body; holds the seat's ends of its queues until the seat is over.
    pub make: Option<Box<dyn FnMut() -> Body>>,
    pub budget: RestartBudget,
    /// `None`: from the start to the end.
    pub call: Option<Call>,
    /// There is no thread just now: nobody wants it.
    pub is_asleep: bool,
}

impl Seat {
    /// `sizes`: of its stack in bytes, and of the longest call to its device in milliseconds.
    pub fn new(
        name: impl Into<Arc<str>>,
        actor: Arc<ActorStatus>,
        sizes: (usize, u64),
        role: Role,
        make: impl FnMut() -> Body + 'static,
    ) -> Seat {
        let (stack_bytes, device_limit_ms) = sizes;
        let (make, budget) = (Some(Box::new(make) as Box<dyn FnMut() -> Body>), RestartBudget::new());
        Seat { name: name.into(), actor, stack_bytes, device_limit_ms, role, make, budget, call: None, is_asleep: false }
    }

    /// Beside the way from a source to the disk.
    pub fn side(
        name: impl Into<Arc<str>>,
        actor: Arc<ActorStatus>,
        sizes: (usize, u64),
        make: impl FnMut() -> Body + 'static,
    ) -> Seat {
        Seat::new(name, actor, sizes, Role::Side, make)
    }

    /// Its thread begins when it is called, and ends by itself when it is not wanted any more.
    pub fn on_call(self, call: Call) -> Seat {
        Seat { call: Some(call), ..self }
    }

    pub(super) fn bell(&self) -> Option<EventListener> {
        self.call.as_ref().map(|call| call.bell.listen())
    }

    /// Sleeps, and should not.
    pub(super) fn is_called(&self) -> bool {
        self.is_asleep && self.call.as_ref().is_some_and(|call| (call.is_wanted)())
    }
}

/// When a seat is wanted.
pub struct Call {
    /// Rung when it may be.
    pub bell: Arc<Event>,
    pub is_wanted: Box<dyn Fn() -> bool>,
}

/// What a seat is to the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads a source: it is not started anew while the program stops.
    Source,
    /// On the way from a source to the disk: nothing is recorded without it.
    Path,
    /// Beside that way: recording goes on without it.
    Side,
}

/// Who makes lanes while the program runs.
pub trait Yard {
    /// From now on it is to be so: lanes that end with it are told to.
    fn change(&mut self, change: Change);
    /// Something waits for lanes to end.
    fn is_busy(&self) -> bool;
    /// The lanes that can begin; `is_over` tells of a seat by its name whether it has ended, or never was.
    fn ready(&mut self, is_over: &dyn Fn(&str) -> bool) -> Vec<Hire>;
}

/// The seats of a lane that begins; one takes the place of a seat of the same name that is over.
pub struct Hire {
    pub seats: Vec<Seat>,
    /// Of a new lane.
    pub status: Option<Arc<LaneStatus>>,
}

/// The configuration may change while the program runs.
pub struct Changes {
    pub inbox: Receiver<Change>,
    pub yard: Box<dyn Yard>,
    /// Looks at the file, on SIGHUP.
    pub reload: Box<dyn Fn()>,
}
