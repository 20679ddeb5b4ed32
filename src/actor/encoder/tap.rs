//! The encoder's side of a tap: copies the sound of each file for the analyser, and never costs the recording anything.
//!
//! A real-time lane never waits here. When no block is free or the analyser's inbox is full, the rest of the file is not
//! tapped: the analyser sees that frames are missing and the file is analysed from the disk. A source that comes as fast as it
//! is read waits for the analyser instead, as it waits for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::edge::{Nothing, Sender};
use crate::message::{Identity, Lane, PcmFormat, Tap, TapOpen, Tapped};
use crate::pool::{Block, Pool};
use crate::status::{ActorStatus, LaneStatus, State};

/// How long a patient tap waits before it takes the analyser for lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often such a wait shows that it is only waiting.
const WAIT: Duration = Duration::from_millis(200);

/// What outlives an encoder.
#[derive(Clone)]
pub struct TapEnds {
    pub lane: Lane,
    pub pool: Pool,
    pub inbox: Sender<Tapped>,
    /// The source comes as fast as it is read.
    pub is_patient: bool,
    pub actor: Arc<ActorStatus>,
    pub status: Arc<LaneStatus>,
    pub stop: Arc<AtomicBool>,
}

/// The tap of one encoder.
pub struct TapOut {
    ends: TapEnds,
    is_watch: bool,
    file: Option<File>,
    block: Option<Block>,
}

struct File {
    frame_bytes: usize,
    /// Something of it did not get through: no more of it is sent.
    is_torn: bool,
}

impl TapOut {
    pub fn new(ends: TapEnds) -> TapOut {
        TapOut { ends, is_watch: false, file: None, block: None }
    }

    /// Of the stretches of a triggered lane.
    pub fn of_watches(ends: TapEnds) -> TapOut {
        TapOut { is_watch: true, ..TapOut::new(ends) }
    }

    pub fn open(&mut self, identity: &Identity, format: PcmFormat, expected_frames: u64) {
        self.block = None;
        let open = TapOpen { session: identity.session.clone(), first_frame: identity.first_frame, format, expected_frames };
        let is_torn = !self.send(Tap::Open(Box::new(open)));
        self.file = Some(File { frame_bytes: format.frame_bytes(), is_torn });
    }

    /// Whole frames of the open file.
    pub fn sound(&mut self, mut pcm: &[u8]) {
        let Some(frame_bytes) = self.file.as_ref().filter(|file| !file.is_torn).map(|file| file.frame_bytes) else { return };
        while !pcm.is_empty() {
            let Some(mut block) = self.block.take().or_else(|| self.take()) else { return self.tear() };
            let room = (block.capacity() - block.len()) / frame_bytes * frame_bytes;
            let (now, rest) = pcm.split_at(room.min(pcm.len()));
            block.append(now);
            pcm = rest;
            if block.capacity() - block.len() >= frame_bytes {
                self.block = Some(block);
            } else if !self.send(Tap::Sound(block)) {
                return self.tear();
            }
        }
    }

    /// The file ended with so many frames.
    pub fn close(&mut self, frames: u64) {
        let last = self.block.take().filter(|block| !block.is_empty());
        let Some(file) = self.file.take().filter(|file| !file.is_torn) else { return };
        if last.is_none_or(|block| self.send(Tap::Sound(block))) && self.send(Tap::Close { frames }) {
            return;
        }
        self.file = Some(file);
        self.tear();
        self.file = None;
    }

    fn tear(&mut self) {
        self.block = None;
        if let Some(file) = &mut self.file {
            file.is_torn = true;
            self.ends.status.taps_torn.fetch_add(1, Relaxed);
        }
    }

    fn take(&self) -> Option<Block> {
        let TapEnds { pool, actor, stop, is_patient, .. } = &self.ends;
        let block = pool.try_take();
        if block.is_some() || !is_patient {
            return block;
        }
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && !stop.load(Relaxed) {
            actor.enter(State::Idle);
            let found = pool.take_until(Some(Instant::now() + WAIT));
            actor.enter(State::Busy);
            match found {
                Ok(block) => return Some(block),
                Err(Nothing::Closed) => return None,
                Err(Nothing::Timeout) => {}
            }
        }
        None
    }

    fn send(&self, tap: Tap) -> bool {
        self.ends.inbox.try_send(Tapped { lane: self.ends.lane, is_watch: self.is_watch, tap }).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::{Receiver, edge};
    use crate::message::{ClockState, Depth};
    use crate::time::{Rate, Wall};

    const FORMAT: PcmFormat = PcmFormat { rate: Rate::MIN, channels: 1, depth: Depth::TwentyFour };

    /// A tap of so many blocks of 8 bytes: two frames of three bytes fit.
    fn tap(blocks: usize, inbox: usize) -> (TapOut, Receiver<Tapped>) {
        let (tx, rx) = edge(inbox);
        let ends = TapEnds {
            lane: 4,
            pool: Pool::new(blocks, 8),
            inbox: tx,
            is_patient: false,
            actor: Arc::default(),
            status: Arc::default(),
            stop: Arc::default(),
        };
        (TapOut::new(ends), rx)
    }

    fn open(tap: &mut TapOut, first_frame: u64) {
        let (session, format) = ("s".into(), FORMAT.into());
        let clock = ClockState::Synced;
        let identity = Identity { source: "mic".into(), session, first_frame, start: Wall(0), utc_offset_s: 0, clock, format };
        tap.open(&identity, FORMAT, 0);
    }

    fn heard(rx: &Receiver<Tapped>) -> String {
        let mut all = String::new();
        while let Ok(Tapped { lane: 4, is_watch: false, tap }) = rx.try_recv() {
            all += &match tap {
                Tap::Open(open) => format!("open {}, ", open.first_frame),
                Tap::Sound(block) => format!("{}, ", String::from_utf8_lossy(block.bytes())),
                Tap::Close { frames } => format!("close {frames}."),
            };
        }
        all
    }

    #[test]
    fn blocks_hold_whole_frames_and_the_last_one_goes_with_the_close() {
        let (mut tap, rx) = tap(8, 16);
        open(&mut tap, 7);
        tap.sound(b"aaabbb");
        tap.sound(b"ccc");
        tap.sound(b"dddeeefff");
        tap.sound(b"ggg");
        tap.close(7);
        assert_eq!(heard(&rx), "open 7, aaabbb, cccddd, eeefff, ggg, close 7.");
    }

    #[test]
    fn without_a_block_the_rest_of_the_file_is_not_sent_and_the_next_file_is() {
        let (mut tap, rx) = tap(1, 16);
        open(&mut tap, 0);
        tap.sound(b"aaabbbccc");
        tap.sound(b"ddd");
        tap.close(4);
        assert_eq!(tap.ends.status.taps_torn.load(Relaxed), 1);
        assert_eq!(heard(&rx), "open 0, aaabbb, ");
        open(&mut tap, 4);
        tap.sound(b"eee");
        tap.close(1);
        assert_eq!(heard(&rx), "open 4, eee, close 1.");
    }

    #[test]
    fn a_full_inbox_costs_the_file_its_tap_and_nothing_else() {
        let (mut tap, rx) = tap(8, 2);
        open(&mut tap, 0);
        tap.sound(b"aaabbbcccddd");
        tap.close(4);
        assert_eq!((heard(&rx).as_str(), tap.ends.pool.free()), ("open 0, aaabbb, ", 8));
        open(&mut tap, 4);
        tap.sound(b"e__");
        tap.close(1);
        assert_eq!(heard(&rx), "open 4, e__, ", "the close did not fit: the analyser never takes it for whole");
        assert_eq!(tap.ends.status.taps_torn.load(Relaxed), 2);
    }

    #[test]
    fn a_patient_tap_waits_for_a_block() {
        let (mut tap, rx) = tap(1, 16);
        tap.ends.is_patient = true;
        open(&mut tap, 0);
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            while let Ok(Tapped { tap, .. }) = rx.recv_until(None) {
                if let Tap::Sound(block) = tap {
                    all.extend_from_slice(block.bytes());
                }
            }
            all
        });
        tap.sound(b"aaabbbcccdddeeefff");
        tap.close(6);
        drop(tap);
        assert_eq!(reader.join().expect("joined"), b"aaabbbcccdddeeefff");
    }
}
