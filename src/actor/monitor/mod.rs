//! Monitor: one source of the recorder on its own output, for whoever stands beside it with headphones.
//!
//! A listener like any other of the source's sound ([`View::Wav`]): it may be late and lose some, and costs the recording nothing. An
//! output that is missing or stops is told of once, and tried again every `AGAIN`; meanwhile nobody listens, and the source
//! hands over nothing.

pub mod headphones;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use smol::Timer;
use smol::future::or;

use self::headphones::Headphones;
use crate::device::clock::{Clock, RealClock};
use crate::device::{Fault, FaultKind, speaker};
use crate::message::live::{Stage, View};
use crate::message::mount::{Client, Listener, Outlook};
use crate::status::{ActorStatus, State};

/// After an output that failed.
const AGAIN: Duration = Duration::from_secs(600);
/// Threads that an output may keep for ever; each was given up after half a minute.
const MOST_LIVES: u32 = 3;
/// How soon an end is noticed.
const BEAT: Duration = Duration::from_millis(250);
/// What an output is asked for at first, to see whether there is one.
const USUAL_RATE_HZ: u32 = 48_000;

pub struct Monitor {
    /// Of the source that is heard.
    pub stage: Arc<Stage>,
    pub actor: Arc<ActorStatus>,
    pub stop: Arc<AtomicBool>,
}

impl Monitor {
    /// Until the program stops, or until the thread has been left behind. `life` is the one that it was started for. A fault is the
    /// last one: there will be no sound any more.
    pub fn run(&self, life: u32) -> Result<(), Fault> {
        let source = &self.stage.source;
        let mut has_failed = false;
        if life > MOST_LIVES {
            return Err(Fault::new(FaultKind::Config, "the local output hangs: start the recorder anew to hear something"));
        }
        while self.goes_on(life) {
            let Err(fault) = self.play(life, &mut has_failed) else { continue };
            if fault.kind == FaultKind::Config {
                return Err(fault);
            }
            if !std::mem::replace(&mut has_failed, true) {
                log::warn!("[{source}] is not heard here: {fault} (tried again every {} minutes)", AGAIN.as_secs() / 60);
            }
            self.actor.enter(State::Idle);
            let until = Instant::now() + AGAIN;
            while self.goes_on(life) && Instant::now() < until {
                std::thread::sleep(BEAT);
            }
        }
        Ok(())
    }

    fn goes_on(&self, life: u32) -> bool {
        !self.stop.load(Relaxed) && self.actor.lives(life)
    }

    /// Until the end, or until the output fails.
    fn play(&self, life: u32, has_failed: &mut bool) -> Result<(), Fault> {
        self.actor.enter(State::Device);
        speaker::probe(USUAL_RATE_HZ)?;
        let (mut headphones, mut bytes, mut is_heard) = (Headphones::default(), Vec::new(), false);
        let mut listener = self.stage.listen(View::Wav, client());
        while self.goes_on(life) {
            let news = listener.news();
            match listener.look() {
                Outlook::Bytes => {
                    self.actor.begin();
                    bytes.clear();
                    // Copied, for as long as they are shown nothing new gets into the mount.
                    let taken = listener.take(|shown| {
                        bytes.extend_from_slice(shown);
                        Ok::<_, Infallible>(shown.len())
                    });
                    let Ok(_) = taken;
                    self.actor.enter(State::Device); // it may have to be opened
                    headphones.push(&bytes)?;
                }
                Outlook::Nothing => {
                    self.actor.enter(State::Idle);
                    wait(news);
                }
                Outlook::Over => self.follow(&mut listener, &mut headphones),
            }
            if let (Some(heard), false) = (headphones.look()?, is_heard) {
                is_heard = true;
                *has_failed = false;
                log::info!(
                    "[{}] is heard here: {} Hz, {} ms late",
                    self.stage.source,
                    heard.format.rate.hz(),
                    heard.delay.as_millis()
                );
            }
        }
        Ok(())
    }

    /// The source began anew, or this thread was too slow.
    fn follow(&self, listener: &mut Listener, headphones: &mut Headphones) {
        *listener = self.stage.listen(View::Wav, client());
        headphones.begin();
    }
}

fn wait(news: impl Future<Output = ()>) {
    let beat = async {
        Timer::after(BEAT).await;
    };
    smol::future::block_on(or(news, beat));
}

/// As those see it who look after the recorder.
fn client() -> Client {
    Client { peer: "here".into(), agent: "monitor".into(), since: RealClock.mono() }
}
