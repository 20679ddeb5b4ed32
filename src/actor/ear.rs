//! Ear: stations to sound, for whoever looks at one or listens to it just now.
//!
//! What a station sends is kept as it comes and never decoded on its way to the disk. So this listens to its own bytes as any player
//! does ([`OnAir`]), decodes them, and hands live what a capture would. One thread for all stations, of which it hears
//! [`MOST_STATIONS`] at a time; it sleeps while nobody is there, and no recording waits for it: who is late here jumps ahead.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use event_listener::{Event, Listener as _};

use crate::device::Fault;
use crate::device::clock::{Clock, RealClock};
use crate::edge::Sender;
use crate::format::decode::{Endless, Info, framing};
use crate::format::stream::Framing;
use crate::message::live::{Heard, MOST_STATIONS, OnAir, Stage};
use crate::message::mount::{Client, Listener, Outlook};
use crate::message::{Depth, Lane, PcmFormat};
use crate::pool::Pool;
use crate::status::{ActorStatus, State};
use crate::time::{Mono, Rate};

/// How soon an end is noticed while nobody is there, and how soon new bytes while somebody is.
const BEAT: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(20);
/// Sound that may go out at once; a page of a second, or what a server had stored, goes out by the clock, a little faster.
const AHEAD: Duration = Duration::from_millis(200);
const HURRY: f64 = 0.9;
/// Bytes taken of a mount at once.
const PIECE: usize = 4 << 10;

pub struct Ear {
    pub stations: Vec<Station>,
    /// Rung when somebody comes.
    pub bell: Arc<Event>,
    pub pool: Pool,
    /// Live's.
    pub inbox: Sender<Heard>,
    pub actor: Arc<ActorStatus>,
    pub stop: Arc<AtomicBool>,
}

#[derive(Clone)]
pub struct Station {
    pub lane: Lane,
    pub stage: Arc<Stage>,
    pub on: Arc<OnAir>,
}

/// A station that is heard.
struct Deck {
    listener: Listener,
    /// Of this stream of the mount.
    decoder: Option<(u64, Framing, Endless)>,
    /// When the next sound is to be heard.
    due: Instant,
    /// Frames so far.
    frames: u64,
}

impl Ear {
    /// Until the program stops, or until the thread has been left behind. `life` is the one that it was started for.
    pub fn run(&self, life: u32) -> Result<(), Fault> {
        let mut decks: Vec<Option<Deck>> = self.stations.iter().map(|_| None).collect();
        while !self.stop.load(Relaxed) && self.actor.lives(life) {
            self.actor.enter(State::Idle);
            let rung = self.bell.listen();
            self.come_and_go(&mut decks);
            if decks.iter().all(Option::is_none) {
                rung.wait_timeout(BEAT);
                continue;
            }
            self.actor.begin();
            for (station, deck) in self.stations.iter().zip(&mut decks) {
                deck.iter_mut().for_each(|deck| self.play(station, deck));
            }
            self.actor.enter(State::Idle);
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    /// Hears those that are looked at, as many as may be, and no others.
    fn come_and_go(&self, decks: &mut [Option<Deck>]) {
        let mut heard = decks.iter().flatten().count();
        for (station, deck) in self.stations.iter().zip(decks) {
            let is_wanted = station.stage.is_listened();
            if deck.is_some() && !is_wanted {
                *deck = None;
                heard -= 1;
                // Nothing, so that live sees that nobody is there.
                self.hand(station, FAREWELL, &[], 0);
            } else if deck.is_none() && is_wanted && heard < MOST_STATIONS {
                heard += 1;
                *deck = Some(Deck { listener: station.on.mount.listen(client()), decoder: None, due: Instant::now(), frames: 0 });
            }
        }
    }

    /// What is due of a station.
    fn play(&self, station: &Station, deck: &mut Deck) {
        deck.due = deck.due.max(Instant::now());
        while deck.due < Instant::now() + AHEAD {
            self.actor.beat();
            let decoder = deck.decoder.as_mut().map(|(_, _, decoder)| decoder);
            if let Some((info, samples)) = decoder.and_then(Endless::sound) {
                let Some(format) = pcm_format(info) else { continue };
                let frames = samples.len() / usize::from(format.channels);
                deck.due += Duration::from_secs_f64(HURRY * frames as f64 / f64::from(info.rate_hz));
                let pcm = bytes_of(samples, info.bits, format.depth);
                self.hand(station, format, &pcm, deck.frames);
                deck.frames += frames as u64;
            } else if !deck.take(station) {
                return;
            }
        }
    }

    /// Whole frames to live, in blocks; waits for those, and gives up where live hangs.
    fn hand(&self, station: &Station, format: PcmFormat, pcm: &[u8], mut first_frame: u64) {
        let whole = self.pool.block_bytes() / format.frame_bytes() * format.frame_bytes(); // of 24 bytes at most
        for piece in pcm.chunks(whole).chain(pcm.is_empty().then_some(pcm)) {
            let Ok(mut sound) = self.pool.take_until(Some(Instant::now() + BEAT)) else { return };
            sound.append(piece);
            sound.first_frame = first_frame;
            sound.frames = (piece.len() / format.frame_bytes()) as u32; // of a block
            first_frame += u64::from(sound.frames);
            let now: Mono = RealClock.mono();
            sound.stamp = (first_frame, now);
            let _ = self.inbox.try_send(Heard { lane: station.lane, format, sound });
        }
    }
}

/// Of a block with nothing in it.
const FAREWELL: PcmFormat = PcmFormat { rate: Rate::MIN, channels: 1, depth: Depth::Sixteen };

impl Deck {
    /// Gives the next bytes to the decoder; whether there were some.
    fn take(&mut self, station: &Station) -> bool {
        match self.listener.look() {
            Outlook::Bytes => {}
            Outlook::Nothing => return false,
            Outlook::Over => {
                self.listener = station.on.mount.listen(client()); // it was too slow
                return false;
            }
        }
        let Some(framing) = station.on.container().and_then(framing) else { return false };
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
            log::warn!("[{}] cannot be looked at: {flaw}", station.stage.source);
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
fn bytes_of(samples: &[i32], bits: u8, depth: Depth) -> Vec<u8> {
    let up = depth.bits().saturating_sub(bits);
    let bytes = samples.iter().map(|sample| (sample << up).to_le_bytes());
    match depth {
        Depth::Sixteen => bytes.flat_map(|b| [b[0], b[1]]).collect(),
        Depth::TwentyFour => bytes.flat_map(|b| [b[0], b[1], b[2]]).collect(),
    }
}

/// As those see it who look after the recorder.
fn client() -> Client {
    Client { peer: "here".into(), agent: "ear".into(), since: RealClock.mono() }
}
