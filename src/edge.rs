//! A bounded queue between two actors whose waiting side allocates nothing.
//!
//! The queue itself is an [`async_channel`]; its own way of waiting boxes a listener on every wait, which would be an
//! allocation for each block of sound. So both ends only ever use the `try_` forms, and a doorbell ([`AtomicWaker`])
//! wakes the one consumer. One consumer waits at a time; producers may be many. Others may ring it, too, without a message ([`Bell`]).
//!
//! An edge is made as deep as the pool that feeds it plus its markers, so it cannot fill in ordinary life:
//! [`Sender::send`] falls back to short sleeps then, [`Sender::try_send`] gives the message back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use async_channel::{TryRecvError, TrySendError};
use atomic_waker::AtomicWaker;

/// How long a sender sleeps before it looks again whether a full edge has room.
const FULL_POLL: Duration = Duration::from_millis(1);

/// A queue of at most `depth` messages, allocated here and never again.
pub fn edge<T>(depth: usize) -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = async_channel::bounded(depth.max(1));
    let bell = Bell::default();
    (Sender { tx: Some(tx), bell: bell.clone() }, Receiver { rx, bell })
}

/// Of a consumer: wakes it.
#[derive(Clone, Default)]
pub struct Bell {
    waker: Arc<AtomicWaker>,
    rung: Arc<AtomicBool>,
}

impl Bell {
    /// A consumer that waits now, or is about to, comes back without a message, as if its deadline had passed. For threads.
    pub fn ring(&self) {
        self.rung.store(true, Relaxed);
        self.waker.wake(); // which publishes it
    }
}

pub struct Sender<T> {
    /// `Some` until the drop, which must close the queue before it rings.
    tx: Option<async_channel::Sender<T>>,
    bell: Bell,
}

/// Why a message was not taken; it comes back.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    Full(T),
    Closed(T),
}

impl<T> Sender<T> {
    /// Never waits.
    pub fn try_send(&self, message: T) -> Result<(), Refused<T>> {
        let Some(tx) = &self.tx else { return Err(Refused::Closed(message)) };
        match tx.try_send(message) {
            Ok(()) => {
                self.bell.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(m)) => Err(Refused::Full(m)),
            Err(TrySendError::Closed(m)) => Err(Refused::Closed(m)),
        }
    }

    /// Waits for room; gives the message back when nobody will ever read it.
    pub fn send(&self, mut message: T) -> Result<(), T> {
        loop {
            match self.try_send(message) {
                Ok(()) => return Ok(()),
                Err(Refused::Closed(m)) => return Err(m),
                Err(Refused::Full(m)) => message = m,
            }
            thread::sleep(FULL_POLL);
        }
    }

    /// Messages waiting now.
    pub fn len(&self) -> usize {
        self.tx.as_ref().map_or(0, |tx| tx.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn depth(&self) -> usize {
        self.tx.as_ref().and_then(|tx| tx.capacity()).unwrap_or(0)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { tx: self.tx.clone(), bell: self.bell.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // First gone, then the bell: the last one closes the queue, and the consumer must find it closed.
        self.tx = None;
        self.bell.waker.wake();
    }
}

pub struct Receiver<T> {
    rx: async_channel::Receiver<T>,
    bell: Bell,
}

/// What waiting for a message came to when it brought none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// The deadline passed, or somebody rang.
    Timeout,
    /// Every sender is gone and the queue is empty.
    Closed,
}

impl<T> Receiver<T> {
    /// A message if one is there.
    pub fn try_recv(&self) -> Result<T, Nothing> {
        self.rx.try_recv().map_err(|e| match e {
            TryRecvError::Empty => Nothing::Timeout,
            TryRecvError::Closed => Nothing::Closed,
        })
    }

    /// Waits for a message, for the end, or for `deadline` (for ever without one). For threads.
    pub fn recv_until(&self, deadline: Option<Instant>) -> Result<T, Nothing> {
        loop {
            if let found @ (Ok(_) | Err(Nothing::Closed)) = self.try_recv() {
                return found;
            }
            WAKER.with(|waker| self.bell.waker.register(waker));
            // Looked at again after registering: a message sent in between has rung no bell of ours.
            if let found @ (Ok(_) | Err(Nothing::Closed)) = self.try_recv() {
                return found;
            }
            if self.bell.rung.swap(false, Relaxed) {
                return Err(Nothing::Timeout);
            }
            match deadline {
                None => thread::park(),
                Some(at) => match at.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => thread::park_timeout(left),
                    _ => return Err(Nothing::Timeout),
                },
            }
        }
    }

    /// Waits for a message or for the end. For tasks.
    pub async fn recv(&self) -> Result<T, Nothing> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Result<T, Nothing>> {
        for registered in [false, true] {
            if let found @ (Ok(_) | Err(Nothing::Closed)) = self.try_recv() {
                return Poll::Ready(found);
            }
            if !registered {
                self.bell.waker.register(cx.waker());
            }
        }
        Poll::Pending
    }

    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    pub fn len(&self) -> usize {
        self.rx.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rx.is_empty()
    }
}

/// A second handle on the same queue, for the supervisor: it starts an actor anew with it. Only one handle may wait at a time.
impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver { rx: self.rx.clone(), bell: self.bell.clone() }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// One waker a thread, made at its first wait.
    static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_not_missed_and_is_no_message() {
        let (tx, rx) = edge::<u32>(2);
        rx.bell().ring();
        tx.send(7).expect("there is room");
        assert_eq!(rx.recv_until(None), Ok(7), "messages first");
        assert_eq!(rx.recv_until(None), Err(Nothing::Timeout), "rung before it waited");
        let (bell, waits) = (rx.bell(), Arc::new(AtomicBool::new(true)));
        let rings = waits.clone();
        let ringing = thread::spawn(move || {
            while rings.load(Relaxed) {
                bell.ring();
                thread::yield_now();
            }
        });
        assert_eq!(rx.recv_until(None), Err(Nothing::Timeout), "rung while it waited");
        waits.store(false, Relaxed);
        ringing.join().expect("it rang");
    }

    #[test]
    fn everything_arrives_in_order_and_then_the_end() {
        let (tx, rx) = edge(4);
        let sender = thread::spawn(move || (0..1_000).for_each(|n| tx.send(n).expect("read")));
        let mut next = 0;
        while let Ok(n) = rx.recv_until(None) {
            assert_eq!(n, next);
            next += 1;
        }
        sender.join().expect("sender");
        assert_eq!(next, 1_000);
    }

    #[test]
    fn a_full_edge_gives_the_message_back() {
        let (tx, rx) = edge(2);
        assert_eq!(tx.try_send('a'), Ok(()));
        assert_eq!(tx.try_send('b'), Ok(()));
        assert_eq!(tx.try_send('c'), Err(Refused::Full('c')));
        drop(rx);
        assert_eq!(tx.try_send('d'), Err(Refused::Closed('d')));
        assert_eq!(tx.send('e'), Err('e'));
    }

    #[test]
    fn a_deadline_passes_and_a_late_sender_still_wakes() {
        let (tx, rx) = edge::<u8>(1);
        assert_eq!(rx.recv_until(Some(Instant::now())), Err(Nothing::Timeout));
        let waiting = thread::spawn(move || rx.recv_until(None));
        drop(tx);
        assert_eq!(waiting.join().expect("joined"), Err(Nothing::Closed));
    }

    #[test]
    fn a_task_is_woken_too() {
        let (tx, rx) = edge(1);
        let sender = thread::spawn(move || tx.send(7));
        assert_eq!(smol::block_on(rx.recv()), Ok(7));
        assert_eq!(smol::block_on(rx.recv()), Err(Nothing::Closed));
        sender.join().expect("joined").expect("read");
    }
}
