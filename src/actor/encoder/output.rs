//! The bytes on their way from encoder to store: gathered into large blocks, sent when full or a second old.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::edge::{Nothing, Sender};
use crate::message::{Lane, ToStore};
use crate::pool::{Block, Pool};
use crate::status::{ActorStatus, State};
use crate::time::{Mono, SECOND_NS};

/// How long encoded sound may lie in a block that is not full.
const FLUSH_NS: i64 = SECOND_NS;
/// How often a wait for a free block shows that it is only waiting.
const WAIT: Duration = Duration::from_millis(500);

/// How long an encoder waits for its disk once the program is to end.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The store is gone for good: the lane cannot go on.
#[derive(Debug)]
pub struct StoreGone;

pub struct Output {
    pub lane: Lane,
    pub pool: Pool,
    pub store: Sender<ToStore>,
    pub actor: Arc<ActorStatus>,
    pub stop: Arc<AtomicBool>,
    block: Option<Block>,
    /// When the oldest byte of `block` came.
    since: Mono,
}

impl Output {
    pub fn new(lane: Lane, pool: Pool, store: Sender<ToStore>, actor: Arc<ActorStatus>, stop: Arc<AtomicBool>) -> Output {
        Output { lane, pool, store, actor, stop, block: None, since: Mono(0) }
    }

    /// Appends bytes that complete `frames` frames of sound; waits for a free block while the store is behind.
    pub fn append(&mut self, bytes: &[u8], frames: u32, now: Mono) -> Result<(), StoreGone> {
        self.part(bytes, now)?;
        self.complete(frames, now)
    }

    /// Appends bytes that complete no frame yet.
    pub fn part(&mut self, mut bytes: &[u8], now: Mono) -> Result<(), StoreGone> {
        while !bytes.is_empty() {
            if self.is_full() {
                self.flush()?;
            }
            let mut block = match self.block.take() {
                Some(block) => block,
                None => {
                    self.since = now;
                    self.take()?
                }
            };
            bytes = &bytes[block.append(bytes)..];
            self.block = Some(block);
        }
        Ok(())
    }

    /// The bytes appended last complete so many frames.
    pub fn complete(&mut self, frames: u32, now: Mono) -> Result<(), StoreGone> {
        if let Some(block) = &mut self.block {
            block.frames += frames;
        }
        if self.is_full() || now.since(self.since) >= FLUSH_NS { self.flush() } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.len() == block.capacity())
    }

    /// Sends what is there.
    pub fn flush(&mut self) -> Result<(), StoreGone> {
        match self.block.take() {
            Some(block) if !block.is_empty() => self.send(ToStore::Data(self.lane, block)),
            _ => Ok(()),
        }
    }

    /// Bytes that replace what stands at `at`, in as many blocks as they need.
    pub fn patch(&mut self, mut at: u64, mut bytes: &[u8]) -> Result<(), StoreGone> {
        self.flush()?;
        while !bytes.is_empty() {
            let mut block = self.take()?;
            let taken = block.append(bytes);
            self.send(ToStore::Patch(self.lane, at, block))?;
            at += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// The store's inbox is as deep as all pools and their markers, so this waits only while the store stands still.
    pub fn send(&mut self, message: ToStore) -> Result<(), StoreGone> {
        self.actor.enter(State::Idle);
        let sent = self.store.send(message).map_err(|_| StoreGone);
        self.actor.enter(State::Busy);
        sent
    }

    fn take(&mut self) -> Result<Block, StoreGone> {
        let begun = Instant::now();
        loop {
            self.actor.enter(State::Idle);
            match self.pool.take_until(Some(Instant::now() + WAIT)) {
                Ok(block) => {
                    self.actor.enter(State::Busy);
                    return Ok(block);
                }
                Err(Nothing::Closed) => return Err(StoreGone),
                // At the end of the program a disk that takes nothing is waited for a little while: the others end in good order.
                Err(Nothing::Timeout) if self.stop.load(Relaxed) && begun.elapsed() > LAST_WAIT => return Err(StoreGone),
                Err(Nothing::Timeout) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::edge;

    fn output(blocks: usize, bytes: usize) -> (Output, crate::edge::Receiver<ToStore>) {
        let (tx, rx) = edge(16);
        (Output::new(3, Pool::new(blocks, bytes), tx, Arc::default(), Arc::default()), rx)
    }

    /// What the store got: data as "bytes/frames", patches as "@at bytes".
    fn got(rx: &crate::edge::Receiver<ToStore>) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(message) = rx.try_recv() {
            lines.push(match message {
                ToStore::Data(3, b) => format!("{}/{}", String::from_utf8_lossy(b.bytes()), b.frames),
                ToStore::Patch(3, at, b) => format!("@{at} {}", String::from_utf8_lossy(b.bytes())),
                _ => "something else".to_owned(),
            });
        }
        lines
    }

    #[test]
    fn full_blocks_go_at_once_and_frames_belong_to_their_last_byte() {
        let (mut out, rx) = output(4, 4);
        out.append(b"abc", 1, Mono(0)).expect("open");
        out.append(b"defghi", 2, Mono(1)).expect("open");
        assert_eq!(got(&rx), ["abcd/1", "efgh/0"]);
        out.flush().expect("open");
        assert_eq!(got(&rx), ["i/2"]);
    }

    #[test]
    fn a_second_is_the_longest_wait() {
        let (mut out, rx) = output(4, 100);
        out.append(b"a", 1, Mono(0)).expect("open");
        out.append(b"b", 1, Mono(SECOND_NS - 1)).expect("open");
        assert!(got(&rx).is_empty());
        out.append(b"c", 1, Mono(SECOND_NS)).expect("open");
        assert_eq!(got(&rx), ["abc/3"]);
    }

    #[test]
    fn patches_come_after_the_data_and_span_blocks() {
        let (mut out, rx) = output(4, 4);
        out.append(b"x", 1, Mono(0)).expect("open");
        out.patch(8, b"012345").expect("open");
        assert_eq!(got(&rx), ["x/1", "@8 0123", "@12 45"]);
    }

    #[test]
    fn without_a_store_it_says_so() {
        let (mut out, rx) = output(1, 2);
        drop(rx);
        assert!(out.append(b"abcdef", 1, Mono(0)).is_err());
    }
}
