//! The seat of the notifier, and what feeds it: each look at the health of the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::stations;
use crate::actor::notifier::{INBOX, Item, Life, Notifier, Settings};
use crate::config::Config;
use crate::device::clock::{Clock, RealClock};
use crate::device::{Fault, FaultKind};
use crate::policy::tell::{Outbox, Telling};
use crate::status::{ActorStatus, Alarm, Alarms, Machine};
use crate::supervisor::{Body, Seat};
use crate::time::Mono;

const STACK: usize = 192 << 10;
/// With the buffers of a connection, and what waits.
pub const BYTES: usize = STACK + (56 << 10) + 2 * INBOX * 512;
/// Every wait in a request ends when the program is to stop.
const LIMIT_MS: u64 = 5 * 60_000;

/// What is done after each look at the health of the machine. Never waits.
pub type Then = Box<dyn FnMut(Mono) + Send>;

pub fn is_wanted(config: &Config) -> bool {
    config.notify.url.is_some() || config.notify.heartbeat.is_some()
}

/// The seat ends when what feeds it is gone.
pub fn seat(config: &Config, alarms: &Arc<Alarms>, machine: &Arc<Machine>, stop: &Arc<AtomicBool>) -> Option<(Seat, Then)> {
    if !is_wanted(config) {
        return None;
    }
    let (items, inbox) = async_channel::bounded(INBOX);
    let (actor, trouble) = (Arc::new(ActorStatus::default()), Arc::new(Alarm::default()));
    alarms.note(&trouble);
    let (row, agent, config) = (actor.clone(), stations::agent(config), config.clone());
    let (stop, counted) = (stop.clone(), machine.clone());
    let make = move || -> Body {
        let Some(agent) = &agent else { return Box::new(|| Err(Fault::new(FaultKind::Config, "no network"))) };
        let notifier = Notifier {
            settings: settings(&config),
            inbox: inbox.clone(),
            client: agent.client(stop.clone()),
            clock: Arc::new(RealClock),
            actor: row.clone(),
            machine: counted.clone(),
            trouble: trouble.clone(),
            stop: stop.clone(),
            outbox: Outbox::default(),
            is_well: true,
        };
        Box::new(move || notifier.run())
    };
    let seat = Seat::side("notifier", actor, (STACK, LIMIT_MS), make);
    let (alarms, machine) = (alarms.clone(), machine.clone());
    let (mut telling, mut was_well) = (Telling::default(), true);
    let then = move |now: Mono| {
        let raised = alarms.raised();
        let is_well = raised.iter().all(|raised| raised.is_note);
        if is_well != was_well && items.try_send(Item::Well(is_well)).is_ok() {
            was_well = is_well;
        }
        for told in telling.look(now, RealClock.look().wall, &raised) {
            if items.try_send(Item::Told(told)).is_err() {
                machine.messages_lost.fetch_add(1, Relaxed);
            }
        }
    };
    Some((seat, Box::new(then)))
}

/// How the recorder is called: its site, else its machine.
pub fn recorder(config: &Config) -> String {
    let machine = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    config.site.name.clone().unwrap_or_else(machine)
}

fn settings(config: &Config) -> Settings {
    let notify = &config.notify;
    Settings {
        recorder: recorder(config),
        messages: notify.url.as_ref().map(|url| (notify.kind, url.expose().to_owned())),
        life: notify.heartbeat.as_ref().map(|heartbeat| Life {
            url: heartbeat.url.expose().to_owned(),
            fail_url: heartbeat.fail_url.as_ref().map(|url| url.expose().to_owned()),
            every_minutes: heartbeat.every_minutes,
        }),
    }
}
