//! Lanes that come, go and are begun anew while the others record on.
//!
//! The keeper of the configuration says what changed ([`Change`]); the supervisor has this yard tell the lanes concerned to end, and
//! asks again and again which of the next ones can begin: a lane begins when the seats of its predecessor are over, so that a sound
//! card is closed before it is opened. A source that goes on in its lane keeps its counters, its listeners and its place in the store;
//! one that moves, or is new, gets a lane of its own behind all others. Lanes are never taken away: a lane of the past weighs some
//! hundred bytes, and there is an end to them.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use async_channel::Sender;

use super::beside::Roster;
use super::hooks::Post;
use super::retention::Keepers;
use super::settings::Change;
use super::start::{self, Shared};
use super::{LaneRow, health, live, probe, push, storage};
use crate::actor::store::LaneSettings;
use crate::config::difference::Fate;
use crate::config::{Config, SourceConfig};
use crate::device::stream::Agent;
use crate::message::Lane;
use crate::message::live::{Ring, Seen, Stages};
use crate::status::{Alarms, LaneStatus, Lanes};
use crate::supervisor::{Hire, Seat, Yard};

/// More than a person ever makes by hand.
pub const MOST_LATER: usize = 200;

/// Every lane there was, for the last words of the program.
pub type Crew = Arc<Mutex<Vec<(LaneRow, Arc<LaneStatus>)>>>;

/// What of the machine a lane of later needs.
pub struct Ground {
    pub shared: Shared,
    pub keepers: Arc<Keepers>,
    /// Who runs programs.
    pub hooks: Post,
    pub stages: Arc<Stages>,
    /// When somebody comes to look at a station.
    pub ring: Ring,
    pub lanes: Arc<Lanes>,
    pub roster: Arc<Roster>,
    pub alarms: Arc<Alarms>,
    /// To the store.
    pub newcomers: Sender<LaneSettings>,
    pub crew: Crew,
    pub agent: Option<Option<Agent>>,
    /// There is an analyser.
    pub is_analysed: bool,
    /// There is somebody who makes sound for whoever looks and listens.
    pub is_heard: bool,
}

pub struct Works {
    config: Config,
    ground: Ground,
    /// Those that record, or wait for it.
    held: Vec<Held>,
    pending: Vec<Pending>,
    /// What came with a lane and serves others too: hired whatever becomes of the lane.
    besides: Vec<Seat>,
    next: Lane,
}

struct Held {
    source: String,
    lane: Lane,
    status: Arc<LaneStatus>,
}

struct Pending {
    source: String,
    next: Next,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    InItsLane,
    InAnother,
    Nothing,
}

impl Works {
    pub fn new(config: &Config, statuses: &[Arc<LaneStatus>], ground: Ground) -> Works {
        let held = (0..).zip(start::recorded(config).zip(statuses));
        let held: Vec<Held> =
            held.map(|(lane, (source, status))| Held { source: source.name.clone(), lane, status: status.clone() }).collect();
        let next = Lane::try_from(held.len()).unwrap_or(Lane::MAX);
        Works { config: config.clone(), ground, held, pending: Vec::new(), besides: Vec::new(), next }
    }

    fn plan(&mut self, source: &str, next: Next) {
        let held = self.held.iter().find(|held| held.source == source);
        if let Some(held) = held {
            held.status.stop.store(true, Relaxed);
            if next != Next::InItsLane {
                held.status.push.stop.store(true, Relaxed);
            }
        }
        let waits = self.pending.iter().position(|pending| pending.source == source).map(|at| self.pending.swap_remove(at));
        let moves = waits.is_some_and(|waits| waits.next != Next::InItsLane) || held.is_none();
        let next = if moves && next == Next::InItsLane { Next::InAnother } else { next };
        self.pending.push(Pending { source: source.to_owned(), next });
    }

    /// The lane is over for good.
    fn retire(&mut self, source: &str) {
        let Some(at) = self.held.iter().position(|held| held.source == source) else { return };
        let Held { lane, status, .. } = self.held.swap_remove(at);
        self.ground.stages.set(lane, Seen::default());
        self.ground.roster.remove(source);
        status.recording.store(false, Relaxed); // whatever its last thread left: nobody waits for samples of it
        for alarm in [&status.alarm, &status.push.trouble] {
            alarm.clear();
        }
    }

    /// Its row in a table of all that is wanted now.
    fn row(&self, source: &SourceConfig) -> Option<LaneRow> {
        let budget = (self.config.general.memory_budget_mb as usize) << 20;
        let table = start::table(&self.config).within(budget);
        let mut row = probe::sized_one(&self.config, source, table)?;
        row.tap = row.tap.filter(|_| self.ground.is_analysed);
        row.ear = row.ear.filter(|_| self.ground.is_heard);
        Some(row)
    }

    fn begin(&mut self, source: &SourceConfig, next: Next) -> Result<Hire, String> {
        let row = self.row(source).ok_or("cannot be recorded")?;
        let keeper = self.ground.keepers.more(&self.config, source, row.feed, &self.ground.alarms);
        self.besides.extend(keeper);
        let (lane, status, is_new) = match self.held.iter().find(|held| held.source == source.name) {
            Some(held) if next == Next::InItsLane => (held.lane, held.status.clone(), false),
            _ => {
                let status: Arc<LaneStatus> = Arc::default();
                (self.add(source, &row, &status)?, status, true)
            }
        };
        status.blocks.store(health::blocks(&row), Relaxed);
        status.stop.store(false, Relaxed);
        status.recording.store(false, Relaxed);
        status.alarm.clear(); // what was wrong was wrong with its old settings
        self.ground.roster.set(source, &row, &status);
        let names: Vec<&str> = self.config.sources.iter().map(|source| source.name.as_str()).collect();
        self.ground.roster.order(&names);
        let on_air = self.ground.stages.of_lane(lane).on_air;
        let Ground { shared, agent, .. } = &mut self.ground;
        let mut seats = start::lane(&self.config, (lane, &row), source, &status, shared, on_air, agent)?;
        if is_new {
            let stage = self.ground.stages.of_lane(lane).stage;
            seats.extend(push::one(&self.config, source, &status, stage, &mut self.ground.agent));
        }
        log::info!("[{}]: {}", source.name, if is_new { "records from now on" } else { "is begun anew with its new settings" });
        Ok(Hire { seats, status: is_new.then_some(status) })
    }

    /// Everybody who keeps something of each lane hears of it before its first sample.
    fn add(&mut self, source: &SourceConfig, row: &LaneRow, status: &Arc<LaneStatus>) -> Result<Lane, String> {
        const NO_MORE: &str = "so many lanes have come and gone that it begins with the next start";
        let lane = self.next;
        let place = storage::lane(&self.config, source, row, status, &self.ground.keepers);
        self.ground.newcomers.try_send(place).map_err(|_| NO_MORE)?;
        self.next = lane.checked_add(1).ok_or(NO_MORE)?;
        self.ground.hooks.enter(&self.config, source);
        if let Some(hooks) = self.ground.hooks.seat() {
            self.ground.alarms.watch(&hooks.name, &hooks.actor.given_up);
            self.besides.push(hooks);
        }
        self.ground.lanes.add(status.clone());
        let ring = self.ground.is_heard.then_some(&self.ground.ring);
        self.ground.stages.set(lane, live::seen(&self.config, row, source, status, ring));
        for alarm in [&status.alarm, &status.disk, &status.finish] {
            self.ground.alarms.watch(&source.name, alarm);
        }
        self.ground.crew.lock().unwrap_or_else(PoisonError::into_inner).push((row.clone(), status.clone()));
        self.held.push(Held { source: source.name.clone(), lane, status: status.clone() });
        Ok(lane)
    }
}

impl Yard for Works {
    fn change(&mut self, change: Change) {
        self.config = change.config;
        for (source, fate) in &change.difference.sources {
            match fate {
                Fate::Unchanged => {}
                Fate::Changed(_) => self.plan(source, Next::InItsLane),
                Fate::Moved(_) | Fate::New => self.plan(source, Next::InAnother),
                Fate::Gone => self.plan(source, Next::Nothing),
            }
        }
    }

    fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    fn ready(&mut self, is_over: &dyn Fn(&str) -> bool) -> Vec<Hire> {
        // Who goes on in its lane keeps its push, too.
        let parts = |next| if next == Next::InItsLane { &["capture", "encoder"][..] } else { &["capture", "encoder", "icecast"] };
        let over = |Pending { source, next }: &Pending| parts(*next).iter().all(|part| is_over(&format!("{source}/{part}")));
        let (ready, waiting) = std::mem::take(&mut self.pending).into_iter().partition(over);
        self.pending = waiting;
        let mut hired = Vec::new();
        for Pending { source: name, next } in ready {
            if next != Next::InItsLane {
                self.retire(&name);
            }
            let source = self.config.sources.iter().find(|source| source.name == name).cloned();
            match source.filter(|_| next != Next::Nothing).map(|source| self.begin(&source, next)) {
                None => log::info!("[{name}]: is not recorded any more"),
                Some(Ok(hire)) => hired.push(hire),
                Some(Err(why)) => log::error!("[{name}]: {why}"),
            }
        }
        let seats = std::mem::take(&mut self.besides);
        if !seats.is_empty() {
            hired.push(Hire { seats, status: None });
        }
        hired
    }
}
