//! Live: what is heard of the sources just now, for whoever looks or listens.
//!
//! Captures hand it their sound as they read it, and only while somebody is there; that of stations it decodes itself
//! (`ear`). It makes of it what is asked for (meters, spectra, columns, sound) and pushes that into mounts, whose listeners the gate
//! serves. A side consumer: it may be slow, fall or hang, and costs no lane anything. When the last listener has left, captures are
//! told to keep their sound to themselves, and this thread sleeps.

mod ear;
mod hearing;

use std::sync::Arc;
use std::time::Instant;

use self::ear::Ear;
use self::hearing::Hearing;
use crate::device::Fault;
use crate::edge::{Nothing, Receiver};
use crate::message::Lane;
use crate::message::handover::Hub;
use crate::message::library::{Event, Meter};
use crate::message::live::{Heard, PREVIEW, Preview, Sound, Stage, Stages};
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
        let (mut slots, mut ear) = (Slots::default(), Ear::default());
        // A predecessor may have fallen in the middle of something, with somebody there.
        self.stages.all().iter().for_each(|stage| stage.rest());
        let mut due = Some(Instant::now());
        loop {
            self.actor.enter(State::Idle);
            let heard = self.inbox.recv_until(due);
            if heard.as_ref().is_err_and(|nothing| *nothing == Nothing::Closed) || !self.actor.lives(life) {
                return Ok(());
            }
            self.actor.begin();
            if let Ok(heard) = &heard {
                self.hear(&mut slots, heard.lane, heard.sound());
            }
            if heard.is_err() || due.is_some_and(|due| Instant::now() >= due) {
                let goes_on = ear.turn(&self.stages, &self.actor, &mut |lane, sound| self.hear(&mut slots, lane, sound));
                due = goes_on.then(|| Instant::now() + ear::TICK);
            }
        }
    }

    fn hear(&self, slots: &mut Slots, lane: Lane, sound: Sound) {
        let slot = slots.of(lane);
        match self.stage(lane) {
            Some(stage) => self.make(&stage, slot, sound),
            None => *slot = None,
        }
    }

    fn stage(&self, lane: Lane) -> Option<Arc<Stage>> {
        if lane == PREVIEW { self.preview.as_ref()?.stage() } else { self.stages.of_lane(lane).stage }
    }

    fn make(&self, stage: &Arc<Stage>, slot: &mut Slot, sound: Sound) {
        let is_looked_at = self.hub.is_heard();
        if !stage.is_listened() && (!is_looked_at || stage.is_station()) {
            *slot = None;
            return stage.unwant();
        }
        if sound.pcm.is_empty() {
            return; // only said that nobody was there
        }
        let (_, hearing) = match slot.take() {
            Some((of, hearing)) if hearing.fits(sound) && Arc::ptr_eq(&of, stage) => slot.insert((of, hearing)),
            _ => slot.insert((stage.clone(), Hearing::new(sound.format, self.tuning))),
        };
        if let Some(reading) = hearing.hear(sound, stage, is_looked_at) {
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

/// By lane.
#[derive(Default)]
struct Slots {
    lanes: Vec<Slot>,
    preview: Slot,
}

impl Slots {
    fn of(&mut self, lane: Lane) -> &mut Slot {
        if lane == PREVIEW {
            return &mut self.preview;
        }
        let lane = usize::from(lane);
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, || None); // the first of this lane
        }
        &mut self.lanes[lane] // it is there now
    }
}
