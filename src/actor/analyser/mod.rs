//! Analyser: what the sound of every file is, by the time the file closes.
//!
//! It listens to the taps of all lanes. When a file ends of which it heard every frame, its analysis goes to the store within
//! milliseconds; of any other it says nothing, and the file is analysed from the disk. A side consumer: it may be slow, fall or
//! hang, and costs no lane anything.
//!
//! [`Analyser`] is the machine; [`run`] is the thread's body.

mod reading;

use std::sync::Arc;

pub use reading::Reading;

use crate::device::Fault;
use crate::edge::{Receiver, Sender};
use crate::message::analysis::Detection;
use crate::message::{Analysed, Lane, Tap, TapOpen, Tapped, ToStore};
use crate::signal::{Analyzer, Scope, Shape, sections};
use crate::status::{ActorStatus, Lanes, State};

/// What is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    pub detection: Detection,
    pub scope: Scope,
}

/// One row a lane: the file that it hears.
pub struct Analyser {
    settings: Settings,
    lanes: Vec<Option<Hearing>>,
    /// Where the levels of lanes are shown.
    statuses: Arc<Lanes>,
}

struct Hearing {
    open: Box<TapOpen>,
    analyzer: Analyzer,
}

impl Analyser {
    pub fn new(settings: Settings, statuses: Arc<Lanes>) -> Analyser {
        Analyser { settings, lanes: Vec::new(), statuses }
    }

    /// Takes what a tap said; the analysis of a file of which nothing is missing.
    pub fn push(&mut self, Tapped { lane, tap }: Tapped) -> Option<(Lane, Analysed)> {
        let place = usize::from(lane);
        if self.lanes.len() <= place {
            self.statuses.get(place)?; // a lane that nobody knows
            self.lanes.resize_with(place + 1, || None);
        }
        let slot = self.lanes.get_mut(place)?;
        match tap {
            Tap::Open(open) => {
                // What was heard of another file goes first: its memory serves this one.
                *slot = None;
                let shape =
                    Shape { rate_hz: open.format.rate.hz(), channels: open.format.channels, bits: open.format.depth.bits() };
                let analyzer = Analyzer::with_capacity(shape, self.settings.scope, open.expected_frames);
                *slot = Some(Hearing { open, analyzer });
                None
            }
            Tap::Sound(block) => {
                if let Some(hearing) = slot {
                    hearing.analyzer.push_bytes(block.bytes());
                    if let (Some(level), Some(status)) = (hearing.analyzer.last_level(), self.statuses.get(place)) {
                        status.set_level(Some(level), hearing.analyzer.last_peak());
                    }
                }
                None
            }
            Tap::Close { frames } => {
                let Hearing { open, analyzer } = slot.take()?;
                if frames == 0 || analyzer.frames() != frames {
                    return None;
                }
                let analysis = analyzer.finish();
                let sections = sections(&analysis.profile, &self.settings.detection);
                let TapOpen { session, first_frame, .. } = *open;
                Some((lane, Analysed { session, first_frame, analysis, detection: self.settings.detection, sections }))
            }
        }
    }
}

/// Until every encoder is gone, or until the thread has been left behind. `life` is the one that it was started for.
pub fn run(
    inbox: &Receiver<Tapped>,
    store: &Sender<ToStore>,
    analyser: &mut Analyser,
    status: &ActorStatus,
    life: u32,
) -> Result<(), Fault> {
    loop {
        status.enter(State::Idle);
        let Ok(tapped) = inbox.recv_until(None) else { return Ok(()) };
        if !status.lives(life) {
            return Ok(());
        }
        status.begin();
        if let Some((lane, analysed)) = analyser.push(tapped) {
            status.enter(State::Idle); // a store that stands still is no hang of ours
            if store.send(ToStore::Analysed(lane, Arc::new(analysed))).is_err() {
                return Ok(());
            }
        }
    }
}
