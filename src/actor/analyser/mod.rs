//! Analyser: what the sound of every file is, by the time the file closes.
//!
//! It listens to the taps of all lanes. When a file ends of which it heard every frame, its analysis goes to the store within
//! milliseconds; of any other it says nothing, and the file is analysed from the disk. A side consumer: it may be slow, fall or
//! hang, and costs no lane anything.
//!
//! [`Analyser`] is the machine; [`run`] is the thread's body.

mod reading;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub use reading::Reading;

use crate::device::Fault;
use crate::edge::{Receiver, Sender};
use crate::message::analysis::Detection;
use crate::message::{Analysed, Lane, Tap, TapOpen, Tapped, ToStore};
use crate::signal::still::Still;
use crate::signal::{Analyzer, Scope, Shape, sections};
use crate::status::{ActorStatus, LaneStatus, Lanes, State};

/// What is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    pub detection: Detection,
    pub scope: Scope,
}

/// One row a lane.
pub struct Analyser {
    settings: Settings,
    lanes: Vec<Row>,
    /// Where the levels of lanes are shown.
    statuses: Arc<Lanes>,
}

struct Row {
    /// Of the file that it hears, and of the stretch of a triggered lane.
    hearings: [Option<Hearing>; 2],
    /// What its channels have been since the start.
    still: Still,
}

impl Row {
    fn new() -> Row {
        Row { hearings: [None, None], still: Still::new() }
    }
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
    pub fn push(&mut self, Tapped { lane, is_watch, tap }: Tapped) -> Option<(Lane, Analysed)> {
        let place = usize::from(lane);
        if self.lanes.len() <= place {
            self.statuses.get(place)?; // a lane that nobody knows
            self.lanes.resize_with(place + 1, Row::new);
        }
        let Row { hearings, still } = self.lanes.get_mut(place)?;
        let slot = hearings.get_mut(usize::from(is_watch))?;
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
                    let clipped = hearing.analyzer.clipped();
                    hearing.analyzer.push_bytes(block.bytes());
                    if let Some(status) = self.statuses.get(place) {
                        show(hearing, hearing.analyzer.clipped() - clipped, block.bytes(), &status, still);
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
                Some((lane, Analysed { is_watch, session, first_frame, analysis, detection: self.settings.detection, sections }))
            }
        }
    }
}

/// What just came, for those who look at the source: how loud it is, how much of it is at the limit, what does not move.
fn show(hearing: &Hearing, clipped: u64, pcm: &[u8], status: &LaneStatus, still: &mut Still) {
    if let Some(level) = hearing.analyzer.last_level() {
        status.set_level(Some(level), hearing.analyzer.last_peak());
    }
    let format = hearing.open.format;
    let (frame, channels) = (format.frame_bytes().max(1), usize::from(format.channels).max(1));
    status.samples_heard.fetch_add((pcm.len() / frame * channels) as u64, Relaxed);
    status.samples_clipped.fetch_add(clipped, Relaxed);
    still.push(pcm, frame / channels, channels);
    let rate = u64::from(format.rate.hz());
    status.set_still(still.look().map(|(frames, is_zero)| (u32::try_from(frames / rate).unwrap_or(u32::MAX), is_zero)));
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
