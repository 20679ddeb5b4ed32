//! Live: what is heard of the sources just now, for whoever looks or listens.
//!
//! Captures hand it their sound as they read it, the ear that of stations, and only while somebody is there; it makes of it what is asked for (meters,
//! spectra, columns, sound) and pushes that into mounts, whose listeners the gate serves. A side consumer: it may be slow, fall or
//! hang, and costs no lane anything. When the last listener has left, captures are told to keep their sound to themselves, and this
//! thread sleeps.

mod hearing;

use std::sync::Arc;

use self::hearing::Hearing;
use crate::device::Fault;
use crate::edge::Receiver;
use crate::message::Lane;
use crate::message::handover::Hub;
use crate::message::library::{Event, Meter};
use crate::message::live::{Heard, PREVIEW, Preview, Stage, Stages};
use crate::signal::spectrum::Tuning;
use crate::status::{ActorStatus, State};
use crate::web::json;

/// What is made of a lane's sound, while somebody looks or listens.
type Slot = Option<(Arc<Stage>, Hearing)>;

pub struct Live {
    pub inbox: Receiver<Heard>,
    /// A lane that hands over no sound has none.
    pub stages: Arc<Stages>,
    /// Devices that nobody records, in the lane [`PREVIEW`].
    pub preview: Option<Arc<Preview>>,
    /// Whose listeners see the meters.
    pub hub: Arc<Hub>,
    pub tuning: Tuning,
    pub actor: Arc<ActorStatus>,
}

impl Live {
    /// Until every capture is gone, or until the thread has been left behind. `life` is the one that it was started for.
    pub fn run(self, life: u32) -> Result<(), Fault> {
        let mut lanes: Vec<Slot> = Vec::new();
        let mut preview: Slot = None;
        // A predecessor may have fallen in the middle of something.
        self.stages.all().iter().for_each(|stage| stage.rest());
        loop {
            self.actor.enter(State::Idle);
            let Ok(heard) = self.inbox.recv_until(None) else { return Ok(()) };
            if !self.actor.lives(life) {
                return Ok(());
            }
            self.actor.begin();
            let lane = usize::from(heard.lane);
            let slot = if heard.lane == PREVIEW {
                &mut preview
            } else {
                if lanes.len() <= lane {
                    lanes.resize_with(lane + 1, || None); // the first of this lane
                }
                &mut lanes[lane] // it is there now
            };
            match self.stage(heard.lane) {
                Some(stage) => self.hear(&stage, slot, &heard),
                None => *slot = None,
            }
        }
    }

    fn stage(&self, lane: Lane) -> Option<Arc<Stage>> {
        if lane == PREVIEW { self.preview.as_ref()?.stage() } else { self.stages.of_lane(lane).stage }
    }

    fn hear(&self, stage: &Arc<Stage>, slot: &mut Slot, heard: &Heard) {
        let is_looked_at = self.hub.is_heard();
        if !stage.is_listened() && (!is_looked_at || stage.is_station()) {
            *slot = None;
            return stage.unwant();
        }
        if heard.sound.is_empty() {
            return; // only said that nobody was there
        }
        let (_, hearing) = match slot.take() {
            Some((of, hearing)) if hearing.fits(heard) && Arc::ptr_eq(&of, stage) => slot.insert((of, hearing)),
            _ => slot.insert((stage.clone(), Hearing::new(heard.format, self.tuning))),
        };
        if let Some(reading) = hearing.hear(heard, stage, is_looked_at) {
            let meter = Meter {
                source: stage.source.to_string(),
                level: Some(reading.level),
                peak: Some(reading.peak),
                is_clipped: reading.is_clipped,
            };
            self.hub.tell(&json::event(&Event::Level(vec![meter])));
        }
    }
}
