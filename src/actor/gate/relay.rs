//! A request to the workers and their answer, over their Unix socket.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::lock::Semaphore;
use smol::{Async, Timer};

use super::within;
use crate::message::handover::{Address, parse_first_line};

/// Workers answer in milliseconds; making a password's hash or looking through a large folder may take longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long workers that are not there are waited for, and how often they are looked for.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// More than a worker ever sends over the socket.
const MAX_HERE: usize = 64 << 10;

/// The answer of a worker.
pub struct Answer {
    /// Of the body on the desk; 0 for none.
    pub number: u64,
    /// The head, and a short body.
    pub here: Vec<u8>,
}

/// Waits for a turn, then for the answer.
pub async fn ask(relays: &Semaphore, address: &Address, head: &[u8], body: &[u8]) -> io::Result<Answer> {
    within(ANSWER_WITHIN, async {
        let _turn = relays.acquire().await;
        let mut stream = connect(address).await?;
        stream.write_all(head).await?;
        stream.write_all(body).await?;
        answer(&mut stream).await
    })
    .await
}

/// The port is open a moment before the workers are there, and they may just be built anew.
async fn connect(address: &Address) -> io::Result<Async<UnixStream>> {
    let mut tries = CONNECT_WITHIN.as_millis() / LOOK_AGAIN.as_millis();
    loop {
        match Async::<UnixStream>::connect(address.get()).await {
            Err(_) if tries > 0 => Timer::after(LOOK_AGAIN).await,
            result => return result,
        };
        tries -= 1;
    }
}

async fn answer(stream: &mut Async<UnixStream>) -> io::Result<Answer> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    let (number, whole, begin) = loop {
        let n = stream.read(&mut piece).await?;
        bytes.extend_from_slice(&piece[..n]);
        // Only what our workers write begins with our own line; what tiny_http says by itself does not.
        if let Some(end) = bytes.iter().position(|&b| b == b'\n') {
            let line = std::str::from_utf8(&bytes[..=end]).unwrap_or_default();
            let (number, whole) = parse_first_line(line).ok_or_else(|| bad("tiny_http refuses the request"))?;
            break (number, whole, end + 1);
        }
        if n == 0 || bytes.len() > 64 {
            return Err(bad("no answer"));
        }
    };
    if whole > MAX_HERE {
        return Err(bad("too much"));
    }
    let mut here = bytes.split_off(begin);
    while here.len() < whole {
        match stream.read(&mut piece).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => here.extend_from_slice(&piece[..n]),
        }
    }
    here.truncate(whole);
    Ok(Answer { number, here })
}
