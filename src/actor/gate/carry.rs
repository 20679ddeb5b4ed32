//! Bytes to a browser, as fast as it takes them and no faster.

use std::io::{self, Read};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::lock::Semaphore;
use smol::{Async, Timer, unblock};

use super::within;
use crate::message::handover::Hub;

/// A browser that takes less than a [`PIECE`] in this time is gone.
const PATIENCE: Duration = Duration::from_secs(10);
const PIECE: usize = 8 << 10;
/// What is read at once; every connection has one of these.
const BUFFER: usize = 32 << 10;
/// Between two events, so that a browser that is gone is noticed.
const BEAT: Duration = Duration::from_secs(10);
/// The first line of events: when a browser that lost them comes again.
const HELLO: &[u8] = b"retry: 3000\n\n";

pub async fn all(stream: &mut Async<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(PIECE) {
        within(PATIENCE, stream.write_all(piece)).await?;
    }
    Ok(())
}

/// What is read in threads, one bufferful at a time. A body that ends early ends the connection: its length tells.
pub async fn read(readers: &Semaphore, stream: &mut Async<TcpStream>, mut reader: Box<dyn Read + Send>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let turn = readers.acquire().await;
        let read;
        (reader, buffer, read) = unblock(move || {
            let read = catch_unwind(AssertUnwindSafe(|| fill(&mut *reader, &mut buffer)));
            let read = read.unwrap_or_else(|_| Err(io::Error::other("reading it failed: this is a defect of soundpost")));
            (reader, buffer, read)
        })
        .await;
        drop(turn);
        match read? {
            0 => return Ok(()),
            n => all(stream, &buffer[..n]).await?,
        }
    }
}

fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match reader.read(&mut buffer[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(have)
}

/// Until the browser leaves, or falls so far behind that the hub drops it: then it comes again and asks for everything.
pub async fn events(hub: &Hub, stream: &mut Async<TcpStream>, head: &[u8]) -> io::Result<()> {
    enum Next {
        Event(std::sync::Arc<str>),
        Beat,
        Over,
    }
    let events = hub.listen();
    all(stream, head).await?;
    all(stream, HELLO).await?;
    let mut ignored = [0; 256];
    loop {
        let event = async { events.recv().await.map_or(Next::Over, Next::Event) };
        let beat = async {
            Timer::after(BEAT).await;
            Next::Beat
        };
        // Whatever a browser says here, it is not heard; that it closes is.
        let gone = async {
            while matches!(stream.read(&mut ignored).await, Ok(n) if n > 0) {}
            Next::Over
        };
        let next = smol::future::or(event, smol::future::or(gone, beat)).await;
        match next {
            Next::Event(text) => all(stream, text.as_bytes()).await?,
            Next::Beat => all(stream, b": beat\n\n").await?,
            Next::Over => return Ok(()),
        }
    }
}
