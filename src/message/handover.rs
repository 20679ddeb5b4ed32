//! What a worker answers, on its way to the gate.
//!
//! Workers decide and the gate carries: a short answer goes back over the socket that the request came on; the body of a long one
//! (a file, a zip, events) is laid on the [`Desk`] and its number is all that goes over the socket. So a worker is free again in
//! milliseconds, however slow the browser.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use async_channel::{Receiver, Sender, TrySendError};

use super::mount::Listener;
use crate::time::{Mono, SECOND_NS};

/// The body of a long answer. How long it is stands in its head.
pub enum Body {
    Bytes(Vec<u8>),
    /// Read by a pool of few threads, in pieces.
    Read(Box<dyn io::Read + Send>),
    /// What happens from now on.
    Events,
    /// What a mount has from now on, with a title after so many bytes of sound.
    Live(Listener, Option<u32>),
}

/// Bodies that wait for the gate. As many as connections at most; one that nobody fetches, since its browser has gone meanwhile, is
/// thrown away.
#[derive(Default)]
pub struct Desk {
    next: AtomicU64,
    waiting: Mutex<Vec<(u64, Mono, Body)>>,
}

const DESK_PLACES: usize = 128;
/// The gate fetches at once.
const DESK_NS: i64 = 10 * SECOND_NS;

impl Desk {
    /// Its number; never 0.
    pub fn lay(&self, body: Body, now: Mono) -> u64 {
        let number = self.next.fetch_add(1, Relaxed) + 1;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == DESK_PLACES {
            waiting.remove(0);
        }
        waiting.push((number, now, body));
        number
    }

    /// Throws away what has waited too long: who listens to a mount would count as a listener for ever.
    pub fn tidy(&self, now: Mono) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(_, laid, _)| now.since(*laid) < DESK_NS);
    }

    pub fn fetch(&self, number: u64) -> Option<Body> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let at = waiting.iter().position(|(other, _, _)| *other == number)?;
        Some(waiting.remove(at).2)
    }
}

/// The first line of what goes back to the gate: the body's number on the desk or 0, and how many bytes of answer follow it here.
pub fn first_line(number: u64, bytes: usize) -> String {
    format!("answer {number} {bytes}\n")
}

/// The way back of [`first_line`].
pub fn parse_first_line(line: &str) -> Option<(u64, usize)> {
    let (number, bytes) = line.strip_prefix("answer ")?.strip_suffix('\n')?.split_once(' ')?;
    Some((number.parse().ok()?, bytes.parse().ok()?))
}

/// Where the gate finds the workers: they move when their server is built anew.
#[derive(Default)]
pub struct Address(Mutex<PathBuf>);

impl Address {
    pub fn get(&self) -> PathBuf {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, path: PathBuf) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }
}

/// Tells what happens to all who listen. Sending never waits; a listener that is `QUEUE` events behind is cut off.
#[derive(Default)]
pub struct Hub {
    listeners: Mutex<Vec<Sender<Arc<str>>>>,
}

const QUEUE: usize = 64;

impl Hub {
    /// `text` is an event as it goes over the wire, its empty line included.
    pub fn tell(&self, text: &str) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.is_empty() {
            return;
        }
        let text: Arc<str> = text.into();
        listeners.retain(|listener| match listener.try_send(text.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => false,
        });
    }

    pub fn listen(&self) -> Receiver<Arc<str>> {
        let (tx, rx) = async_channel::bounded(QUEUE);
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(tx);
        rx
    }

    /// Whether anybody listens: levels need not be made for nobody.
    pub fn is_heard(&self) -> bool {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| !listener.is_closed());
        !listeners.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::mount::{Client, Manner, Mount};
    use super::*;

    #[test]
    fn a_body_is_fetched_once() {
        let desk = Desk::default();
        let (a, b) = (desk.lay(Body::Events, Mono(0)), desk.lay(Body::Bytes(vec![1]), Mono(0)));
        assert!(a != b && a > 0);
        assert!(matches!(desk.fetch(b), Some(Body::Bytes(bytes)) if bytes == [1]));
        assert!(desk.fetch(b).is_none() && desk.fetch(a).is_some() && desk.fetch(0).is_none());
    }

    #[test]
    fn what_nobody_fetches_gives_way() {
        let desk = Desk::default();
        let numbers: Vec<u64> = (0..200).map(|_| desk.lay(Body::Events, Mono(0))).collect();
        let there = numbers.iter().filter(|number| desk.fetch(**number).is_some()).count();
        assert_eq!(there, DESK_PLACES);
    }

    #[test]
    fn who_is_gone_before_the_answer_listens_no_more() {
        let manner = Manner { ring: 64, burst: 0, lag: 0, chains: true, is_warm: false };
        let (desk, mount) = (Desk::default(), Arc::new(Mount::new(manner)));
        let body = |at: i64| desk.lay(Body::Live(mount.listen(Client::default()), None), Mono(at * SECOND_NS));
        let (old, young) = (body(0), body(9));
        desk.tidy(Mono(9 * SECOND_NS));
        assert_eq!(mount.listeners(), 2);
        desk.tidy(Mono(10 * SECOND_NS));
        assert_eq!(mount.listeners(), 1);
        assert!(desk.fetch(old).is_none() && desk.fetch(young).is_some());
    }

    #[test]
    fn who_falls_behind_is_cut_off_and_nobody_else() {
        let hub = Hub::default();
        let (slow, quick) = (hub.listen(), hub.listen());
        for n in 0..QUEUE + 1 {
            hub.tell(&n.to_string());
            assert_eq!(quick.try_recv().as_deref(), Ok(n.to_string().as_str()));
        }
        assert_eq!(slow.len(), QUEUE);
        while slow.try_recv().is_ok() {}
        assert!(slow.is_closed() && !quick.is_closed() && hub.is_heard());
        drop(quick);
        assert!(!hub.is_heard());
    }

    #[test]
    fn first_lines_there_and_back() {
        assert_eq!(parse_first_line(&first_line(u64::MAX, 123)), Some((u64::MAX, 123)));
        for text in ["", "answer 1 2", "answer 1\n", "answer -1 2\n", "HTTP/1.1 400 Bad Request\n", "answer 1 2 3\n"] {
            assert_eq!(parse_first_line(text), None, "{text}");
        }
    }
}
