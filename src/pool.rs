//! Fixed buffers that circulate: the only bulk memory of a lane.
//!
//! A [`Pool`] allocates and touches all its buffers at start. Who fills blocks takes them from the pool; whoever drops a
//! [`Block`], wherever that is, sends its buffer home. Nothing is allocated or freed in between. Only beside recording, where
//! often nobody looks for weeks, buffers are made when they are first taken ([`Pool::when_taken`]).

use std::time::Instant;

use crate::edge::{Nothing, Receiver, Sender, edge};
use crate::time::Mono;

/// A buffer with what is known of its content.
pub struct Block {
    data: Box<[u8]>,
    len: usize,
    home: Sender<Box<[u8]>>,
    /// Number of the first frame in the run, lost frames counted.
    pub first_frame: u64,
    /// Frames that the bytes stand for.
    pub frames: u32,
    /// The newest device read that put frames here: (frame number after it, when it was).
    pub stamp: (u64, Mono),
}

impl Block {
    pub fn bytes(&self) -> &[u8] {
        &self.data[..self.len]
    }

    pub fn capacity(&self) -> usize {
        self.data.len()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The unused rest of the buffer; what was written there counts after [`Block::advance`].
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.data[self.len..]
    }

    /// The next `bytes` of the space now belong to the content; never past the end.
    pub fn advance(&mut self, bytes: usize) {
        self.len = (self.len + bytes).min(self.data.len());
    }

    /// Copies as much of `bytes` as fits and says how much that was.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.data.len() - self.len);
        self.data[self.len..self.len + n].copy_from_slice(&bytes[..n]);
        self.len += n;
        n
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // The home queue holds as many buffers as exist, so it has room; without a pool the buffer is freed.
        let _ = self.home.try_send(std::mem::take(&mut self.data));
    }
}

/// The free buffers of one size. Cloned only so that a restarted actor finds them again: one taker at a time.
#[derive(Clone)]
pub struct Pool {
    free: Receiver<Box<[u8]>>,
    home: Sender<Box<[u8]>>,
    blocks: usize,
    block_bytes: usize,
}

impl Pool {
    /// `blocks` buffers of `block_bytes` each, every page touched so that the memory is really there.
    pub fn new(blocks: usize, block_bytes: usize) -> Pool {
        let (home, free) = edge(blocks);
        for _ in 0..blocks {
            // Not zero: zeroed pages would be mapped only when first written to.
            let _ = home.try_send(vec![0xA5_u8; block_bytes].into_boxed_slice());
        }
        Pool { free, home, blocks, block_bytes }
    }

    /// As many and as large at most; each is made when it is taken for the first time, and stays from then on.
    pub fn when_taken(blocks: usize, block_bytes: usize) -> Pool {
        let (home, free) = edge(blocks);
        for _ in 0..blocks {
            let _ = home.try_send(Box::default());
        }
        Pool { free, home, blocks, block_bytes }
    }

    /// An empty block if one is free.
    pub fn try_take(&self) -> Option<Block> {
        self.free.try_recv().ok().map(|data| self.wrap(data))
    }

    /// Waits for a block until `deadline`, or for ever.
    pub fn take_until(&self, deadline: Option<Instant>) -> Result<Block, Nothing> {
        self.free.recv_until(deadline).map(|data| self.wrap(data))
    }

    fn wrap(&self, mut data: Box<[u8]>) -> Block {
        if data.len() != self.block_bytes {
            data = vec![0; self.block_bytes].into_boxed_slice();
        }
        Block { data, len: 0, home: self.home.clone(), first_frame: 0, frames: 0, stamp: (0, Mono(0)) }
    }

    pub fn free(&self) -> usize {
        self.free.len()
    }

    pub fn blocks(&self) -> usize {
        self.blocks
    }

    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Bytes held for ever, or at most.
    pub fn bytes(&self) -> usize {
        self.blocks * self.block_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_blocks_come_home_from_any_thread() {
        let pool = Pool::new(3, 64);
        let taken: Vec<Block> = std::iter::from_fn(|| pool.try_take()).collect();
        assert_eq!((taken.len(), pool.free()), (3, 0));
        let done = std::thread::spawn(move || drop(taken));
        assert!(pool.take_until(None).is_ok());
        done.join().expect("joined");
        assert_eq!(pool.free(), 3);
    }

    #[test]
    fn what_nobody_takes_is_not_made() {
        let pool = Pool::when_taken(2, 64);
        let first = pool.try_take().expect("one is free");
        assert_eq!((first.capacity(), pool.free()), (64, 1));
        drop(first);
        let made = || std::iter::from_fn(|| pool.free.try_recv().ok()).map(|data| data.len()).collect::<Vec<_>>();
        assert_eq!(made(), [0, 64]);
    }

    #[test]
    fn content_never_passes_the_end() {
        let pool = Pool::new(1, 8);
        let mut block = pool.try_take().expect("one is free");
        assert_eq!(block.append(b"abcde"), 5);
        block.space()[..1].copy_from_slice(b"f");
        block.advance(1);
        assert_eq!(block.append(b"ghij"), 2);
        block.advance(100);
        assert_eq!(block.bytes(), b"abcdefgh");
        drop(block);
        assert!(pool.try_take().is_some_and(|b| b.is_empty()));
    }
}
