//! Events for any number of listeners. Who tells never waits: a listener that is slow loses, and knows how much, so that it can ask anew.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use async_channel::{Receiver, Sender, TrySendError};

use super::library::Event;

/// Events that may wait for one listener.
const DEPTH: usize = 64;

#[derive(Debug, Default)]
pub struct News {
    listeners: Mutex<Vec<(Sender<Event>, Arc<AtomicU64>)>>,
}

/// Dropping it ends it.
#[derive(Debug)]
pub struct Listener {
    pub events: Receiver<Event>,
    /// Events that it was too slow for.
    pub lost: Arc<AtomicU64>,
}

impl News {
    pub fn listen(&self) -> Listener {
        let (tx, events) = async_channel::bounded(DEPTH);
        let lost = Arc::new(AtomicU64::new(0));
        self.listeners().push((tx, lost.clone()));
        Listener { events, lost }
    }

    pub fn tell(&self, event: &Event) {
        self.listeners().retain(|(listener, lost)| match listener.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                lost.fetch_add(1, Relaxed);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        });
    }

    fn listeners(&self) -> std::sync::MutexGuard<'_, Vec<(Sender<Event>, Arc<AtomicU64>)>> {
        self.listeners.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deleted(n: usize) -> Event {
        Event::Deleted { name: n.to_string(), reason: None }
    }

    #[test]
    fn a_slow_listener_loses_and_holds_nobody_up() {
        let news = News::default();
        let (quick, slow) = (news.listen(), news.listen());
        for n in 0..DEPTH + 5 {
            news.tell(&deleted(n));
            assert_eq!(quick.events.try_recv(), Ok(deleted(n)));
        }
        assert_eq!((slow.events.len(), slow.lost.load(Relaxed), quick.lost.load(Relaxed)), (DEPTH, 5, 0));
        drop(slow);
        news.tell(&deleted(99));
        assert_eq!(news.listeners().len(), 1);
    }
}
