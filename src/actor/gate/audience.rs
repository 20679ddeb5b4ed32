//! All who hear one mount, and the one task that serves them.
//!
//! It wakes when the mount has something, writes to each what its socket takes, and sleeps again: a listener is a socket and a
//! cursor, without a task, a timer or a place in the poller of its own. Whose socket is full is tried again with the next news, or
//! soon when there are none; the kernel keeps more than comes meanwhile. That a listener has left is noticed when it is written to.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use event_listener::listener;
use smol::Timer;
use smol::future::or;

use super::Gate;
use crate::format::icy::Interleaver;
use crate::message::mount::{Listener, Mount, Outlook};
use crate::time::Mono;

/// One that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// When a full socket is tried again without news.
const AGAIN: Duration = Duration::from_millis(100);
/// How often those who hear silence are looked at: whether they are still there.
const BEAT: Duration = Duration::from_secs(10);

/// One who hears a mount.
pub struct Hearer {
    /// Of its connection.
    number: u64,
    socket: TcpStream,
    listener: Listener,
    titles: Option<Box<Titles>>,
    /// Since when its socket takes nothing.
    full_since: Option<Mono>,
}

struct Titles {
    interleaver: Interleaver,
    /// A text that has not gone yet.
    text: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    /// It has all there is.
    Whole,
    /// Its socket takes no more just now.
    Full,
    Over,
}

impl Hearer {
    /// `socket` does not block. `titles`: one after so many bytes of sound.
    pub fn new(number: u64, socket: TcpStream, listener: Listener, titles: Option<u32>) -> Hearer {
        let titles = titles.map(|every| Box::new(Titles { interleaver: Interleaver::new(every), text: Vec::new() }));
        Hearer { number, socket, listener, titles, full_since: None }
    }

    fn serve(&mut self, now: Mono) -> Served {
        match self.write() {
            Ok(Served::Full) => {
                let since = *self.full_since.get_or_insert(now);
                if now.since(since) > PATIENCE.as_nanos() as i64 { Served::Over } else { Served::Full }
            }
            Ok(served) => {
                self.full_since = None;
                served
            }
            Err(_) => Served::Over,
        }
    }

    fn write(&mut self) -> io::Result<Served> {
        loop {
            if let Some(titles) = self.titles.as_mut().filter(|titles| !titles.text.is_empty()) {
                match written(&self.socket, &titles.text)? {
                    0 => return Ok(Served::Full),
                    taken => drop(titles.text.drain(..taken)),
                }
                self.full_since = None;
                continue;
            }
            match self.listener.look() {
                Outlook::Over => return Ok(Served::Over),
                Outlook::Nothing => return Ok(Served::Whole),
                Outlook::Bytes => {}
            }
            let mut room = usize::MAX;
            if let Some(Titles { interleaver, text }) = self.titles.as_deref_mut() {
                if interleaver.room() == 0 {
                    *text = interleaver.text(&self.listener.title());
                    continue;
                }
                room = interleaver.room();
            }
            let mut is_full = false;
            let taken = self.listener.take(|bytes| {
                let offered = &bytes[..bytes.len().min(room)];
                let taken = written(&self.socket, offered)?;
                is_full = taken < offered.len();
                Ok::<_, io::Error>(taken)
            })?;
            self.titles.iter_mut().for_each(|titles| titles.interleaver.pass(taken));
            if taken > 0 {
                self.full_since = None;
            }
            if is_full {
                return Ok(Served::Full);
            }
        }
    }

    /// What it says is not heard; whether it has closed.
    fn is_gone(&self) -> bool {
        let mut ignored = [0; 256];
        // Whoever says more than that is heard out the next time.
        for _ in 0..16 {
            match (&self.socket).read(&mut ignored) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() != ErrorKind::WouldBlock,
            }
        }
        false
    }

    fn leave(self, gate: &Gate) {
        // What it has said must be read: a socket that is closed over it takes the last bytes back.
        let _ = self.socket.shutdown(Shutdown::Write);
        self.is_gone();
        gate.leaves(self.number);
    }
}

/// 0: the socket is full.
fn written(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

pub struct Audience {
    mount: Arc<Mount>,
    hearers: RefCell<Vec<Hearer>>,
    has_begun: Cell<bool>,
}

impl Audience {
    pub fn of(mount: Arc<Mount>) -> Audience {
        Audience { mount, hearers: RefCell::default(), has_begun: Cell::new(false) }
    }

    /// True the first time: it is to have a task.
    pub fn begin(&self) -> bool {
        !self.has_begun.replace(true)
    }

    pub fn hears(&self, mount: &Arc<Mount>) -> bool {
        Arc::ptr_eq(&self.mount, mount)
    }

    /// One more; what there is goes to it at once. Its mount is the one that it is served from then on.
    pub fn enter(gate: &Gate, mut hearer: Hearer) {
        match hearer.serve(gate.clock.mono()) {
            Served::Over => hearer.leave(gate),
            Served::Whole | Served::Full => {
                let audience = gate.audience(hearer.listener.mount());
                audience.hearers.borrow_mut().push(hearer);
            }
        }
    }

    /// Until nobody hears the mount any more.
    pub async fn attend(&self, gate: &Gate) {
        let mut beat = Timer::interval(BEAT);
        loop {
            // In its place on the stack, so that nothing is allocated between one piece of news and the next.
            listener!(self.mount.bell() => news);
            let is_full = self.serve(gate);
            if self.hearers.borrow().is_empty() {
                return;
            }
            let news = async {
                news.await;
                false
            };
            let timer = async {
                if is_full {
                    Timer::after(AGAIN).await;
                } else {
                    (&mut beat).await;
                }
                !is_full
            };
            if or(news, timer).await {
                self.look_after(gate);
            }
        }
    }

    /// Whether the socket of one at least is full.
    fn serve(&self, gate: &Gate) -> bool {
        let now = gate.clock.mono();
        let (mut is_full, mut elsewhere) = (false, Vec::new());
        let mut hearers = self.hearers.take();
        let mut at = 0;
        while let Some(hearer) = hearers.get_mut(at) {
            let served = hearer.serve(now);
            if served == Served::Over {
                hearers.swap_remove(at).leave(gate);
            } else if !self.hears(hearer.listener.mount()) {
                elsewhere.push(hearers.swap_remove(at));
            } else {
                is_full |= served == Served::Full;
                at += 1;
            }
        }
        self.hearers.replace(hearers);
        // Their mount's heir, or back from it.
        elsewhere.into_iter().for_each(|hearer| Audience::enter(gate, hearer));
        is_full
    }

    fn look_after(&self, gate: &Gate) {
        let mut hearers = self.hearers.take();
        let mut at = 0;
        while let Some(hearer) = hearers.get(at) {
            if hearer.is_gone() {
                hearers.swap_remove(at).leave(gate);
            } else {
                at += 1;
            }
        }
        self.hearers.replace(hearers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_is_little_more_than_a_socket_and_a_cursor() {
        assert!(size_of::<Hearer>() <= 128, "{} bytes", size_of::<Hearer>());
    }
}
