//! The uploader's side of one sending: how fast, for how long, and what is shown of it meanwhile.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use async_channel::Sender;

use crate::actor::side::{self, NAP};
use crate::device::clock::Clock;
use crate::device::remote::Way;
use crate::message::library::{Ask, Wish};
use crate::policy::outbox::{Rate, State};
use crate::policy::schedule::Hours;
use crate::status::ActorStatus;
use crate::status::upload::TargetStatus;
use crate::time::{Mono, SECOND_NS};

pub struct Road<'a> {
    pub rate: &'a mut Rate,
    pub hours: Option<&'a mut Hours>,
    pub clock: &'a dyn Clock,
    pub actor: &'a ActorStatus,
    pub life: u32,
    pub stop: &'a AtomicBool,
    pub status: &'a TargetStatus,
    pub target: &'a str,
    /// Its name and its librarian, where it is one.
    pub recording: Option<(&'a str, &'a Sender<Ask>)>,
    pub token: Option<String>,
    /// The window was seen to be open then.
    pub looked_at: Option<Mono>,
}

impl Road<'_> {
    fn is_ending(&self) -> bool {
        !side::goes_on(self.actor, self.stop, self.life)
    }
}

impl Way for Road<'_> {
    fn pass(&mut self, bytes: u64) -> bool {
        let mut left = Duration::from_nanos(self.rate.take(bytes, self.clock.mono()).max(0).unsigned_abs());
        while !left.is_zero() && self.goes_on() {
            let slice = left.min(NAP);
            thread::sleep(slice);
            left -= slice;
        }
        self.status.change(|row| row.sent_bytes += bytes);
        self.goes_on()
    }

    fn goes_on(&mut self) -> bool {
        self.actor.beat();
        if self.is_ending() {
            return false;
        }
        let now = self.clock.mono();
        let Some(hours) = self.hours.as_mut().filter(|_| self.looked_at.is_none_or(|at| now.since(at) >= SECOND_NS)) else {
            return true;
        };
        self.looked_at = Some(now);
        hours.is_on(self.clock.look().wall)
    }

    fn stage(&mut self, state: State) {
        let (part, parts) = if let State::Sending(part, parts) = state { (part, parts) } else { (0, 0) };
        self.status.change(|row| (row.state, row.part, row.parts) = (state.name(), part, parts));
    }

    fn token(&self) -> Option<String> {
        self.token.clone()
    }

    fn keep(&mut self, token: &str) {
        self.token = Some(token.to_owned());
        let Some((name, asks)) = self.recording else { return };
        let wish = Wish::Sending { name: name.to_owned(), target: self.target.to_owned(), token: token.to_owned() };
        // Should it not fit, a kill costs what was sent until then.
        let _ = asks.send_blocking(Ask { wish, reply: None });
    }
}
