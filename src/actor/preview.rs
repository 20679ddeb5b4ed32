//! Preview: a capture device that nobody records, opened for whoever looks at it, and closed when the last one has left.
//!
//! Before a source is written into the configuration one wants to see which microphone is which, and how loud. So this hands live
//! what a capture would; nothing of it is recorded. One thread, which is there only while somebody is;
//! a device that hangs holds up nobody but its viewers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::device::{Fault, Read, Source};
use crate::edge::Sender;
use crate::message::live::{self, Heard, PREVIEW, Stage};
use crate::message::{Depth, PcmFormat};
use crate::pool::Pool;
use crate::status::{ActorStatus, State};
use crate::time::{Mono, Rate};

/// Live may be behind by so much.
const BEAT: Duration = Duration::from_millis(500);
/// Before a device that fell is opened anew.
const AGAIN: Duration = Duration::from_secs(1);

pub struct Preview {
    pub subject: Arc<live::Preview>,
    /// A device by its name, not opened yet.
    pub device: fn(&str) -> Box<dyn Source>,
    pub pool: Pool,
    /// Live's.
    pub inbox: Sender<Heard>,
    pub actor: Arc<ActorStatus>,
    pub stop: Arc<AtomicBool>,
}

impl Preview {
    /// While somebody looks, until the program stops, or until the thread has been left behind. `life` is the one that it was
    /// started for.
    pub fn run(&self, life: u32) -> Result<(), Fault> {
        while self.goes_on(life) {
            let Some(stage) = self.subject.wanted() else { return Ok(()) };
            self.show(&stage, life);
        }
        Ok(())
    }

    fn goes_on(&self, life: u32) -> bool {
        !self.stop.load(Relaxed) && self.actor.lives(life)
    }

    /// One device, until nobody looks at it any more or it falls.
    fn show(&self, stage: &Stage, life: u32) {
        let mut source = (self.device)(&stage.source);
        self.actor.begin();
        self.actor.enter(State::Device);
        let outcome = source.open().and_then(|opened| {
            log::info!("[preview] {}, for those who look at it", opened.text);
            self.hand_on(&mut *source, opened.format, stage, life)
        });
        source.close();
        self.actor.enter(State::Idle);
        let Err(fault) = outcome else { return };
        log::warn!("[preview] {}: {fault}", stage.source);
        self.subject.fail(fault.to_string());
        std::thread::sleep(AGAIN);
    }

    fn hand_on(&self, source: &mut dyn Source, format: PcmFormat, stage: &Stage, life: u32) -> Result<(), Fault> {
        let mut space = vec![0; self.pool.block_bytes() / format.frame_bytes() * format.frame_bytes()];
        let mut first_frame = 0;
        while stage.is_listened() && self.goes_on(life) {
            source.hurry(true);
            self.actor.enter(State::Device);
            let read = source.read(&mut space)?;
            self.actor.begin();
            match read {
                Read::Frames { frames, at } => {
                    self.hand(format, &space[..frames as usize * format.frame_bytes()], first_frame, at);
                    first_frame += u64::from(frames);
                }
                Read::Lost { frames, .. } => first_frame += frames,
                Read::Idle => {}
                Read::End => break,
            }
        }
        // Nothing, so that live sees that nobody is there.
        self.hand(FAREWELL, &[], 0, Mono(0));
        Ok(())
    }

    /// What finds no block is lost to those who look, and to nobody else.
    fn hand(&self, format: PcmFormat, pcm: &[u8], first_frame: u64, at: Mono) {
        let Ok(mut sound) = self.pool.take_until(Some(Instant::now() + BEAT)) else { return };
        sound.append(pcm);
        sound.first_frame = first_frame;
        sound.frames = (pcm.len() / format.frame_bytes()) as u32; // of a block
        sound.stamp = (first_frame + u64::from(sound.frames), at);
        let _ = self.inbox.try_send(Heard { lane: PREVIEW, format, sound });
    }
}

/// Of a block with nothing in it.
const FAREWELL: PcmFormat = PcmFormat { rate: Rate::MIN, channels: 1, depth: Depth::Sixteen };
