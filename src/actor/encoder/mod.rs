//! Encoder: the thread that turns a lane's tape into the bytes of files.
//!
//! It drives the [`Splitter`], which says when a file begins and ends, and gives each file a [`Body`], which says what bytes
//! it has. Where they go is the store's business. It waits for the store when that is behind; the tape takes up the sound.

mod body;
mod output;
mod tap;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub use body::{Body, BodyError, Coding};
pub use output::{Output, StoreGone};
pub use tap::{TapEnds, TapOut};

use crate::actor::splitter::{Piece, Plan, Splitter};
use crate::device::clock::Clock;
use crate::device::{Fault, FaultKind};
use crate::edge::Receiver;
use crate::format::encode::FlacEncoder;
use crate::message::{Cause, Container, Identity, NewFile, PcmFormat, Run, Tape, ToStore, Watched};
use crate::status::{ActorStatus, LaneStatus, State};

/// What an encoder owns; the queues and the pool outlive it when it is started anew.
pub struct Encoder {
    pub name: Arc<str>,
    pub tape: Receiver<Tape>,
    pub splitter: Splitter,
    pub coding: Coding,
    pub output: Output,
    /// To the analyser, if there is one.
    pub tap: Option<TapOut>,
    /// The same of a triggered lane, of all that is heard.
    pub watch: Option<TapOut>,
    pub actor: Arc<ActorStatus>,
    pub status: Arc<LaneStatus>,
    pub clock: Arc<dyn Clock>,
    /// The run that the tape is in, kept outside so that a successor knows it.
    pub run: Arc<std::sync::Mutex<Option<Arc<Run>>>>,
}

impl Encoder {
    /// Runs until the tape ends.
    pub fn run(mut self) -> Result<(), Fault> {
        if let Some(run) = self.run.lock().unwrap_or_else(|e| e.into_inner()).clone() {
            self.splitter.resume(run);
        }
        let mut files = Files::default();
        loop {
            self.actor.enter(State::Idle);
            match self.tape.recv_until(None) {
                Ok(tape) => self.take(tape, &mut files)?,
                Err(_) => break,
            }
        }
        // A tape that closes in the middle of a run: its capture fell and could not begin again. What is missing since is told.
        self.take(Tape::Stop(Cause::Fault), &mut files)?;
        self.take(Tape::Stop(Cause::Shutdown), &mut files)
    }

    fn take(&mut self, tape: Tape, files: &mut Files) -> Result<(), Fault> {
        // Before anything can go wrong: a successor must know the run it is in.
        match &tape {
            Tape::Start(run) => *self.run.lock().unwrap_or_else(|e| e.into_inner()) = Some(run.clone()),
            Tape::Stop(_) => *self.run.lock().unwrap_or_else(|e| e.into_inner()) = None,
            Tape::Block(_) | Tape::Gap(_) => {}
        }
        self.actor.begin();
        if let Some(cause) = self.status.take_cut() {
            self.splitter.cut(cause);
        }
        self.splitter.push(tape, self.clock.look());
        while let Some(piece) = self.splitter.pop() {
            files.take(piece, self).map_err(|e| fault(&self.name, &e))?;
        }
        self.status.waits_for_trigger.store(self.splitter.is_waiting(), Relaxed);
        self.status.set_drift_ppm(self.splitter.drift_ppm());
        Ok(())
    }
}

fn fault(name: &str, error: &BodyError) -> Fault {
    match error {
        BodyError::StoreGone => Fault::new(FaultKind::Retry, format!("{name}: the store has ended")),
        BodyError::Encoder(what) => Fault::new(FaultKind::Retry, format!("{name}: {what}")),
    }
}

/// The file being written, and what was made ready for the next.
#[derive(Default)]
struct Files {
    open: Option<(Body, usize)>,
    ready: Option<FlacEncoder>,
    /// Of a triggered lane: the stretch that is heard, and the bytes of its frames.
    watch: Option<(Identity, usize)>,
}

impl Files {
    fn take(&mut self, piece: Piece, encoder: &mut Encoder) -> Result<(), BodyError> {
        let lane = encoder.output.lane;
        let now = encoder.clock.mono();
        match piece {
            Piece::Prepare(plan) => {
                if let (Container::Flac, Some(format)) = (plan.container, plan.identity.format.pcm()) {
                    let coding = &encoder.coding;
                    self.ready = Some(FlacEncoder::new(format, coding.flac_level, coding.block_size(format))?);
                }
                encoder.output.send(ToStore::Prepare(lane, new_file(*plan, 0)))?;
            }
            Piece::Open(plan) => {
                let (ready, frame_bytes) = (self.ready.take(), plan.identity.format.pcm().map_or(1, PcmFormat::frame_bytes));
                let body = Body::new(plan.container, &plan.identity, plan.expected_frames, &encoder.coding, ready)?;
                if let (Some(tap), Some(format)) = (&mut encoder.tap, plan.identity.format.pcm()) {
                    tap.open(&plan.identity, format, plan.expected_frames);
                }
                encoder.output.send(ToStore::Open(lane, new_file(*plan, body.header_bytes())))?;
                body.begin(&mut encoder.output, now)?;
                self.open = Some((body, frame_bytes));
            }
            Piece::Audio { frames } => {
                let (Some((body, frame_bytes)), Some(block)) = (&mut self.open, encoder.splitter.block()) else { return Ok(()) };
                let bytes = frames.start * *frame_bytes..frames.end * *frame_bytes;
                let pcm = block.bytes().get(bytes).unwrap_or_default();
                body.sound(pcm, &mut encoder.output, now)?;
                if let Some(tap) = &mut encoder.tap {
                    tap.sound(pcm);
                }
                if let Some(watch) = encoder.watch.as_mut().filter(|_| self.watch.is_some()) {
                    watch.sound(pcm);
                }
            }
            Piece::Quiet { frames } => {
                let (Some((_, frame_bytes)), Some(block)) = (&self.watch, encoder.splitter.block()) else { return Ok(()) };
                let bytes = frames.start * *frame_bytes..frames.end * *frame_bytes;
                if let Some(watch) = &mut encoder.watch {
                    watch.sound(block.bytes().get(bytes).unwrap_or_default());
                }
            }
            Piece::Watch(plan) => {
                let Some(format) = plan.identity.format.pcm() else { return Ok(()) };
                if let Some(watch) = &mut encoder.watch {
                    watch.open(&plan.identity, format, plan.expected_frames);
                }
                encoder.output.send(ToStore::Watching(lane, Box::new(plan.identity.clone())))?;
                self.watch = Some((plan.identity, format.frame_bytes()));
            }
            Piece::Watched(closing) => {
                let Some((identity, _)) = self.watch.take() else { return Ok(()) };
                let frames = closing.frames;
                encoder.output.send(ToStore::Watched(lane, Box::new(Watched { identity, closing: *closing })))?;
                if let Some(watch) = &mut encoder.watch {
                    watch.close(frames);
                }
            }
            // The file's list of gaps comes with its Close.
            Piece::Gap(_) => {}
            Piece::Lost(entry) => encoder.output.send(ToStore::Gap(lane, entry))?,
            Piece::Close(closing) => {
                if let Some((body, _)) = self.open.take() {
                    body.end(&mut encoder.output, now)?;
                }
                encoder.output.flush()?;
                let frames = closing.frames;
                encoder.output.send(ToStore::Close(lane, closing))?;
                if let Some(tap) = &mut encoder.tap {
                    tap.close(frames);
                }
            }
            Piece::Correct { session, by_ns } => encoder.output.send(ToStore::Correct(lane, session, by_ns))?,
        }
        Ok(())
    }
}

fn new_file(plan: Plan, header_bytes: usize) -> Box<NewFile> {
    let Plan { identity, stem, container, .. } = plan;
    // A header is kilobytes.
    Box::new(NewFile { identity, container, stem, header_bytes: u32::try_from(header_bytes).unwrap_or(u32::MAX) })
}
