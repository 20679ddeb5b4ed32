//! Bytes that something writes, for somebody who reads: a thread of its own and a queue of few pieces between them.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

const PIECE_BYTES: usize = 64 << 10;
/// Pieces that may wait for the reader.
const WAITING: usize = 2;
const STACK_BYTES: usize = 256 << 10;

pub struct Pump {
    pieces: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    left: u64,
}

/// `write` hands its bytes to what it is given and stops when that fails, which means that nobody reads any more. Exactly `len`
/// bytes are read; should it end sooner, the reader hears of it.
pub fn pump<W>(len: u64, write: W) -> io::Result<Pump>
where
    W: FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) + Send + 'static,
{
    let (to, pieces) = sync_channel(WAITING);
    thread::Builder::new().name("clip".into()).stack_size(STACK_BYTES).spawn(move || {
        let mut gathered = Vec::new();
        write(&mut |bytes| {
            gathered.extend_from_slice(bytes);
            if gathered.len() >= PIECE_BYTES { send(&to, &mut gathered) } else { Ok(()) }
        });
        let _ = send(&to, &mut gathered);
    })?;
    Ok(Pump { pieces, piece: Vec::new(), at: 0, left: len })
}

fn send(to: &SyncSender<Vec<u8>>, gathered: &mut Vec<u8>) -> io::Result<()> {
    to.send(std::mem::take(gathered)).map_err(|_| io::ErrorKind::BrokenPipe.into())
}

impl Read for Pump {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        while self.at == self.piece.len() {
            self.piece = self.pieces.recv().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            self.at = 0;
        }
        let rest = &self.piece[self.at..];
        let n = rest.len().min(buf.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buf[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        self.left -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_comes_and_no_more() {
        let mut pump = pump(200_000, |out| {
            for n in 0..250_000_u32 {
                if out(&[n as u8]).is_err() {
                    return;
                }
            }
        })
        .expect("a thread");
        let mut all = Vec::new();
        pump.read_to_end(&mut all).expect("whole");
        assert!(all.len() == 200_000 && all.iter().zip(0_u32..).all(|(byte, n)| *byte == n as u8));
    }

    #[test]
    fn what_ends_too_soon_is_an_error() {
        let mut pump = pump(10, |out| drop(out(b"abc"))).expect("a thread");
        assert!(pump.read_to_end(&mut Vec::new()).is_err());
    }
}
