//! Tells people who are far away: messages about alarms, and a sign of life that stays away when all is not well.
//!
//! A side consumer with a queue of its own: whoever has something to say never waits, and a network that is gone for two days costs
//! nothing but the messages that are too old by then, which are counted. What is told when is decided in [`crate::policy::tell`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_channel::Receiver;

use crate::device::clock::Clock;
use crate::device::stream::Client;
use crate::device::{Fault, FaultKind};
use crate::format::notice::{self, Kind};
use crate::message::told::Told;
use crate::policy::tell::{Beat, Outbox, Sign};
use crate::status::{ActorStatus, Alarm, Machine, State};

/// Items of the inbox; it is emptied between two requests. What does not fit is lost, and counted.
pub const INBOX: usize = 32;
/// The longest sleep.
const REST: Duration = Duration::from_secs(3_600);

/// To the notifier.
#[derive(Debug)]
pub enum Item {
    Told(Told),
    /// All is well, or is not any more.
    Well(bool),
}

/// Addresses are as good as passwords: none is ever shown.
pub struct Settings {
    /// How the recorder is called.
    pub recorder: String,
    pub messages: Option<(Kind, String)>,
    pub life: Option<Life>,
}

/// Addresses that are visited.
pub struct Life {
    pub url: String,
    /// When all is not well any more.
    pub fail_url: Option<String>,
    pub every_minutes: f64,
}

pub struct Notifier {
    pub settings: Settings,
    pub inbox: Receiver<Item>,
    pub client: Client,
    pub clock: Arc<dyn Clock>,
    pub actor: Arc<ActorStatus>,
    pub machine: Arc<Machine>,
    /// Messages do not arrive.
    pub trouble: Arc<Alarm>,
    pub stop: Arc<AtomicBool>,
    pub outbox: Outbox,
    pub is_well: bool,
}

impl Notifier {
    /// Until nobody has anything to say any more.
    pub fn run(mut self) -> Result<(), Fault> {
        let mut beat = self.settings.life.as_ref().map(|life| Beat::new(life.every_minutes));
        while !self.stop.load(Relaxed) {
            self.actor.begin();
            while let Ok(item) = self.inbox.try_recv() {
                self.take(item);
            }
            self.send_one();
            if let Some(beat) = &mut beat {
                self.show_life(beat);
            }
            let (now, waits) = (self.clock.mono(), beat.as_ref().map(Beat::next).into_iter().chain(self.outbox.next()));
            let wait_ns = waits.min().map_or(i64::MAX, |at| at.since(now));
            self.actor.enter(State::Idle);
            let wait = Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(0)).min(REST);
            match self.wait(wait) {
                Ok(Some(item)) => self.take(item),
                Ok(None) => {}
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn wait(&self, at_most: Duration) -> Result<Option<Item>, async_channel::RecvError> {
        smol::future::block_on(smol::future::or(async { self.inbox.recv().await.map(Some) }, async {
            smol::Timer::after(at_most).await;
            Ok(None)
        }))
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Well(is_well) => self.is_well = is_well,
            Item::Told(told) if self.settings.messages.is_some() => {
                let lost = self.outbox.push(told);
                self.lost(lost);
            }
            Item::Told(_) => {}
        }
    }

    fn send_one(&mut self) {
        let now = self.clock.mono();
        let (Some((kind, url)), Some(told)) = (&self.settings.messages, self.outbox.due(now)) else { return };
        self.actor.enter(State::Device);
        let sent = match notice::post(*kind, url, &self.settings.recorder, told) {
            Some(post) => self.client.tell(&post.url, &post.body),
            None => Err(Fault::new(FaultKind::Config, "notify_url names no topic")),
        };
        match sent {
            Ok(()) => {
                self.outbox.sent();
                self.machine.messages_sent.fetch_add(1, Relaxed);
                if self.trouble.clear() {
                    log::info!("messages arrive again");
                }
            }
            Err(_) if self.stop.load(Relaxed) => {}
            Err(fault) => {
                let is_refused = matches!(fault.kind, FaultKind::Refused | FaultKind::Config | FaultKind::Gone);
                let stale = self.outbox.failed(now, is_refused);
                self.lost(stale);
                if self.trouble.raise(format_args!("messages about alarms do not arrive: {fault}")) {
                    log::warn!("{fault}: the message is kept and sent later");
                }
            }
        }
    }

    fn lost(&self, messages: u64) {
        if messages > 0 {
            self.machine.messages_lost.fetch_add(messages, Relaxed);
            log::warn!("{messages} messages about alarms are lost: nothing arrives, and newer ones take their place");
        }
    }

    fn show_life(&self, beat: &mut Beat) {
        let (now, Some(life)) = (self.clock.mono(), &self.settings.life) else { return };
        let Some(sign) = beat.due(now, self.is_well) else { return };
        let url = match sign {
            Sign::Well => Some(&life.url),
            Sign::Unwell => life.fail_url.as_ref(),
        };
        let visited = url.map(|url| {
            self.actor.enter(State::Device);
            self.client.visit(url)
        });
        if let Some(Err(fault)) = &visited {
            log::debug!("no sign of life: {fault}");
        }
        beat.done(self.clock.mono(), sign, visited.is_none_or(|visited| visited.is_ok()));
    }
}
