//! Ear: stations to sound, for whoever looks at one or listens to it just now.
//!
//! What a station sends is kept as it comes and never decoded on its way to the disk. So this listens to its own bytes as any player
//! does ([`OnAir`](crate::message::live::OnAir)), decodes them, and gives live what a capture would. It hears [`MOST_STATIONS`] at a
//! time, whichever there are just now, and no recording waits for it: who is late here jumps ahead.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::device::clock::{Clock, RealClock};
use crate::format::decode::{Endless, Info, framing};
use crate::format::stream::Framing;
use crate::message::live::{MOST_STATIONS, Seen, Sound, Stage, Stages};
use crate::message::mount::{Client, Listener, Outlook};
use crate::message::{Depth, Lane, PcmFormat};
use crate::status::ActorStatus;
use crate::time::Rate;

/// Between two looks for new bytes.
pub const TICK: Duration = Duration::from_millis(20);
/// Sound that may go out at once; a page of a second, or what a server had stored, goes out by the clock, a little faster.
const AHEAD: Duration = Duration::from_millis(200);
const HURRY: f64 = 0.9;
/// Bytes taken of a mount at once.
const PIECE: usize = 4 << 10;

/// What says that nobody is there: no sound.
const FAREWELL: Sound =
    Sound { format: PcmFormat { rate: Rate::MIN, channels: 1, depth: Depth::Sixteen }, pcm: &[], first_frame: 0, frames: 0 };

#[derive(Default)]
pub struct Ear {
    decks: Vec<Deck>,
    /// What is given away.
    pcm: Vec<u8>,
}

/// A station that is heard.
struct Deck {
    lane: Lane,
    stage: Arc<Stage>,
    listener: Listener,
    /// Of the stream that is being decoded.
    decoder: Option<(u64, Framing, Endless)>,
    /// When the next sound is.
    due: Instant,
    frames: u64,
}

impl Ear {
    /// Begins with whoever is wanted now, ends with whoever is not, and gives `hear` what is due of the others. Whether it has to be
    /// asked again after a [`TICK`]: else when somebody comes.
    pub fn turn(&mut self, stages: &Stages, actor: &ActorStatus, hear: &mut dyn FnMut(Lane, Sound)) -> bool {
        self.decks.retain(|deck| {
            let is_there = stages.of_lane(deck.lane).stage.is_some_and(|stage| Arc::ptr_eq(&stage, &deck.stage));
            let stays = is_there && deck.stage.is_listened();
            if !stays {
                hear(deck.lane, FAREWELL);
            }
            stays
        });
        for lane in 0..stages.lanes() {
            let Seen { stage: Some(stage), on_air: Some(on) } = stages.of_lane(lane) else { continue };
            let is_heard = self.decks.iter().any(|deck| deck.lane == lane);
            if stage.is_listened() && !is_heard && self.decks.len() < MOST_STATIONS {
                let listener = on.mount.listen(client());
                self.decks.push(Deck { lane, stage, listener, decoder: None, due: Instant::now(), frames: 0 });
            }
        }
        for deck in &mut self.decks {
            deck.play(stages, actor, &mut self.pcm, hear);
        }
        !self.decks.is_empty()
    }
}

impl Deck {
    /// What is due of a station.
    fn play(&mut self, stages: &Stages, actor: &ActorStatus, bytes: &mut Vec<u8>, hear: &mut dyn FnMut(Lane, Sound)) {
        self.due = self.due.max(Instant::now());
        while self.due < Instant::now() + AHEAD {
            actor.beat();
            let decoder = self.decoder.as_mut().map(|(_, _, decoder)| decoder);
            if let Some((info, samples)) = decoder.and_then(Endless::sound) {
                let Some(format) = pcm_format(info) else { continue };
                let frames = samples.len() / usize::from(format.channels);
                self.due += Duration::from_secs_f64(HURRY * frames as f64 / f64::from(info.rate_hz));
                pack(samples, info.bits, format.depth, bytes);
                let (first_frame, frames) = (self.frames, frames as u32); // of one unit
                hear(self.lane, Sound { format, pcm: bytes, first_frame, frames });
                self.frames += u64::from(frames);
            } else if !self.take(stages) {
                return;
            }
        }
    }

    /// Gives the next bytes to the decoder; whether there were some.
    fn take(&mut self, stages: &Stages) -> bool {
        let Some(on) = stages.of_lane(self.lane).on_air else { return false };
        match self.listener.look() {
            Outlook::Bytes => {}
            Outlook::Nothing => return false,
            Outlook::Over => {
                self.listener = on.mount.listen(client()); // it was too slow
                return false;
            }
        }
        let Some(framing) = on.container().and_then(framing) else { return false };
        let stream = self.listener.stream();
        let (_, _, decoder) = match self.decoder.take() {
            Some(decoder) if (decoder.0, decoder.1) == (stream, framing) => self.decoder.insert(decoder),
            _ => self.decoder.insert((stream, framing, Endless::new(framing))),
        };
        let taken = self.listener.take(|shown| {
            let now = &shown[..shown.len().min(PIECE)];
            decoder.push(now);
            Ok::<_, Infallible>(now.len())
        });
        if let Some(flaw) = decoder.flaw() {
            log::warn!("[{}] cannot be looked at: {flaw}", self.stage.source);
        }
        let Ok(taken) = taken;
        taken > 0
    }
}

/// `None`: no sound that is known here.
fn pcm_format(info: Info) -> Option<PcmFormat> {
    let depth = if info.bits <= 16 { Depth::Sixteen } else { Depth::TwentyFour };
    let rate = Rate::new(info.rate_hz)?;
    (info.channels > 0).then_some(PcmFormat { rate, channels: info.channels, depth })
}

/// As captures have them: full scale of `bits` is full scale of `depth`.
fn pack(samples: &[i32], bits: u8, depth: Depth, bytes: &mut Vec<u8>) {
    bytes.clear();
    let up = depth.bits().saturating_sub(bits);
    let packed = samples.iter().map(|sample| (sample << up).to_le_bytes());
    match depth {
        Depth::Sixteen => bytes.extend(packed.flat_map(|b| [b[0], b[1]])),
        Depth::TwentyFour => bytes.extend(packed.flat_map(|b| [b[0], b[1], b[2]])),
    }
}

/// As those see it who look after the recorder.
fn client() -> Client {
    Client { peer: "here".into(), agent: "ear".into(), since: RealClock.mono() }
}
