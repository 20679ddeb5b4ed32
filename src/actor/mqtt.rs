//! Tells an MQTT broker how the recorder is, for ever, in the form that Home Assistant finds by itself. A side consumer.
//!
//! A broker that restarts gets everything anew; while it is gone it is tried less and less often, up to once a minute. When the
//! recorder is gone without a word the broker says so: its last will.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::device::Fault;
use crate::device::mqtt::{Broker, Session};
use crate::format::homeassistant::{self, OFFLINE, ONLINE, Seen};
use crate::status::{ActorStatus, Alarm, State};

/// Between two looks; a change is told then.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Told and asked for an answer, also when nothing has changed.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// The broker waits half as long again before it executes the will.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const SLICE: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

pub struct Mqtt {
    pub broker: Broker,
    /// How the recorder is called.
    pub recorder: String,
    pub look: Arc<dyn Fn() -> Seen + Send + Sync>,
    pub actor: Arc<ActorStatus>,
    /// It is not connected.
    pub trouble: Arc<Alarm>,
    pub stop: Arc<AtomicBool>,
}

impl Mqtt {
    /// Until a stop.
    pub fn run(self) -> Result<(), Fault> {
        let mut pause = Duration::from_secs(1);
        while !self.stop.load(Relaxed) {
            self.actor.begin();
            let began = Instant::now();
            let Err(fault) = self.tell() else { break };
            if self.stop.load(Relaxed) {
                break;
            }
            if self.trouble.raise(&fault) {
                log::warn!("{fault}");
            }
            // One that held for a while is looked for soon.
            pause = if began.elapsed() > LONGEST { Duration::from_secs(1) } else { (pause * 2).min(LONGEST) };
            self.rest(pause);
        }
        Ok(())
    }

    fn tell(&self) -> Result<(), Fault> {
        let id = homeassistant::id(&self.recorder);
        let place = homeassistant::availability(&id);
        self.actor.enter(State::Device);
        let mut session = Session::connect(&self.broker, &id, KEEP_ALIVE, (&place, OFFLINE), &self.stop)?;
        let mut seen = (self.look)();
        for (topic, config) in homeassistant::discovery(&id, &self.recorder, &seen.sources) {
            session.publish(&topic, &config)?;
        }
        session.publish(&place, ONLINE)?;
        let (mut told, mut told_at) = (None, Instant::now());
        loop {
            self.actor.enter(State::Device);
            let is_due = told_at.elapsed() >= TELL_EVERY;
            let message = homeassistant::state(&id, &seen);
            // A level is always another one: it comes along. Room is not known before the folder is made.
            let mark = (seen.is_advancing, seen.alarms, seen.alarm.clone(), seen.hours_left.is_some());
            if is_due || told.as_ref() != Some(&mark) {
                session.publish(&message.0, &message.1)?;
                session.ping(&self.stop)?;
                (told, told_at) = (Some(mark), Instant::now());
                if self.trouble.clear() {
                    log::info!("the MQTT broker is there again");
                }
            }
            self.rest(LOOK_EVERY);
            if self.stop.load(Relaxed) {
                let _ = session.publish(&place, OFFLINE);
                session.leave();
                return Ok(());
            }
            seen = (self.look)();
        }
    }

    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.stop.load(Relaxed) && Instant::now() < until {
            self.actor.enter(State::Idle);
            std::thread::sleep(SLICE);
        }
    }
}
