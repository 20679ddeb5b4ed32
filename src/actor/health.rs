//! Looks at every source and at the board every few seconds, and raises and clears the alarms that nobody else has the facts for.
//!
//! A side consumer: it reads what others show and touches nothing that they wait for. What is wrong is decided in
//! [`crate::policy::health`]; what the board tells is read by [`crate::device::health`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::device::Fault;
use crate::device::clock::Clock;
use crate::device::health;
use crate::policy::health::{LANE_MATTERS, LaneFacts, LaneHealth, MACHINE_MATTERS, MachineFacts, MachineHealth};
use crate::status::{ActorStatus, Alarm, Alarms, LaneStatus, Machine, State};
use crate::time::{Mono, SECOND_NS};

/// Between two looks.
const LOOK_EVERY_S: u32 = 5;
/// How soon a stop is noticed.
const SLICE: Duration = Duration::from_secs(1);
/// One that comes and goes is logged so seldom.
const LOG_EVERY_NS: i64 = 3_600 * SECOND_NS;

/// Hours until the disk is full, if that can be known.
pub type Room = Box<dyn Fn() -> Option<f64> + Send>;

pub struct Health {
    lanes: Vec<Lane>,
    board: [Matter; MACHINE_MATTERS],
    health: MachineHealth,
    machine: Arc<Machine>,
    /// Of the board's files.
    root: PathBuf,
    room: Room,
    clock: Arc<dyn Clock>,
}

struct Lane {
    name: Arc<str>,
    channels: u8,
    status: Arc<LaneStatus>,
    health: LaneHealth,
    matters: [Matter; LANE_MATTERS],
}

#[derive(Default)]
struct Matter {
    alarm: Arc<Alarm>,
    logged: Option<Mono>,
}

impl Matter {
    /// `text`: what is wrong, if it is.
    fn tell(&mut self, now: Mono, about: &str, text: Option<&dyn std::fmt::Display>) {
        let colon = if about.is_empty() { "" } else { ": " };
        match text {
            Some(text) if self.alarm.raise(text) && self.logged.is_none_or(|at| now.since(at) >= LOG_EVERY_NS) => {
                self.logged = Some(now);
                log::warn!("{about}{colon}{text}");
            }
            Some(_) => {}
            None => {
                let said = self.alarm.look();
                // Its end is told when its beginning was.
                if let (true, Some((for_ms, text))) = (self.alarm.clear(), said) {
                    if self
                        .logged
                        .is_some_and(|at| now.since(at) / 1_000_000 <= i64::try_from(for_ms).unwrap_or(i64::MAX) + 1_000)
                    {
                        log::info!("{about}{colon}over after {} s: {text}", for_ms / 1_000);
                    }
                }
            }
        }
    }
}

impl Health {
    /// One name, number of channels and status a source. Its alarms are among `alarms` when this returns.
    pub fn new(
        lanes: Vec<(Arc<str>, u8, Arc<LaneStatus>)>,
        alarms: &Alarms,
        machine: Arc<Machine>,
        root: PathBuf,
        room: Room,
        clock: Arc<dyn Clock>,
    ) -> Health {
        let lane = |(name, channels, status): (Arc<str>, u8, Arc<LaneStatus>)| {
            let matters: [Matter; LANE_MATTERS] = Default::default();
            matters.iter().for_each(|matter| alarms.watch(&name, &matter.alarm));
            Lane { name, channels, status, health: LaneHealth::default(), matters }
        };
        let board: [Matter; MACHINE_MATTERS] = Default::default();
        for (matter, is_note) in board.iter().zip(MachineHealth::NOTES) {
            if is_note { alarms.note(&matter.alarm) } else { alarms.watch("", &matter.alarm) }
        }
        let lanes = lanes.into_iter().map(lane).collect();
        Health { lanes, board, health: MachineHealth::default(), machine, root, room, clock }
    }

    /// Until a stop.
    pub fn run(&mut self, actor: &ActorStatus, stop: &AtomicBool, then: &mut dyn FnMut(Mono)) -> Result<(), Fault> {
        loop {
            actor.begin();
            actor.enter(State::Device); // a sensor may answer slowly
            let now = self.look();
            then(now);
            actor.enter(State::Idle);
            for _ in 0..LOOK_EVERY_S {
                if stop.load(Relaxed) {
                    return Ok(());
                }
                std::thread::sleep(SLICE);
            }
        }
    }

    pub fn look(&mut self) -> Mono {
        let (now, seen) = (self.clock.look(), health::look(&self.root));
        self.machine.set_temperature_c(seen.temperature_c);
        self.machine.set_under_voltage(seen.under_voltage);
        self.machine.set_wifi_dbm(seen.wifi_dbm);
        for lane in &mut self.lanes {
            lane.look(now.mono);
        }
        let facts = MachineFacts {
            temperature_c: seen.temperature_c,
            under_voltage: seen.under_voltage,
            wifi_dbm: seen.wifi_dbm,
            wall_s: now.wall.0.div_euclid(SECOND_NS),
            is_synced: now.synced,
            hours_left: (self.room)(),
        };
        for (matter, told) in self.board.iter_mut().zip(self.health.look(now.mono, &facts)) {
            matter.tell(now.mono, "", told.as_ref().map(|told| told as _));
        }
        now.mono
    }
}

impl Lane {
    fn look(&mut self, now: Mono) {
        let status = &self.status;
        let facts = LaneFacts {
            is_recording: status.recording.load(Relaxed),
            is_troubled: [&status.alarm, &status.disk, &status.finish].iter().any(|alarm| alarm.is_raised()),
            // Not every stream tells how many frames it has.
            progress: status.frames_captured.load(Relaxed).wrapping_add(status.bytes_written.load(Relaxed)),
            blocks_used: status.take_used(),
            blocks: status.blocks.load(Relaxed),
            xruns: status.xruns.load(Relaxed),
            samples_heard: status.samples_heard.load(Relaxed),
            samples_clipped: status.samples_clipped.load(Relaxed),
            still: status.still(),
            channels: self.channels,
            drift_ppm: status.drift_ppm(),
        };
        let told = self.health.look(now, &facts);
        let still_ms = self.health.still_for_ns(now).unwrap_or(0) / 1_000_000;
        status.still_for_ms.store(u64::try_from(still_ms).unwrap_or(0), Relaxed);
        for (matter, told) in self.matters.iter_mut().zip(told) {
            matter.tell(now, &self.name, told.as_ref().map(|told| told as _));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::clock::SimulatedClock;
    use crate::time::Wall;

    #[test]
    fn what_is_wrong_is_an_alarm_until_it_is_over() {
        let root = tempfile::tempdir().expect("a folder");
        let zone = root.path().join("sys/class/thermal/thermal_zone0");
        std::fs::create_dir_all(&zone).expect("made");
        let heat = |degrees: i32| std::fs::write(zone.join("temp"), format!("{degrees}000\n")).expect("written");
        let (status, alarms, machine) = (Arc::new(LaneStatus::default()), Alarms::default(), Arc::new(Machine::default()));
        let clock = Arc::new(SimulatedClock::new(Mono(0), Wall(1_800_000_000 * SECOND_NS), true));
        let lanes = vec![("mic".into(), 1, status.clone())];
        let room = Box::new(|| Some(99.0));
        let mut health = Health::new(lanes, &alarms, machine.clone(), root.path().into(), room, clock.clone());
        status.recording.store(true, Relaxed);
        let mut look = |degrees: i32, still: (u32, bool)| {
            heat(degrees);
            status.set_still(std::iter::once(still));
            for _ in 0..80 {
                status.frames_captured.fetch_add(1, Relaxed);
                health.look();
                clock.advance(5 * SECOND_NS);
            }
            alarms.raised().into_iter().map(|raised| raised.text).collect::<Vec<_>>()
        };
        let (hot, dead) = ("The board is hotter than 80 °C", "mic: channel 1 delivers for minutes nothing but zeros");
        assert_eq!(look(50, (0, false)), [""; 0]);
        let mut both = look(85, (130, true));
        both.sort();
        assert!(both.len() == 2 && both[0].starts_with(hot) && both[1].starts_with(dead), "{both:?}");
        assert_eq!(machine.look().temperature_c, Some(85.0));
        let one = look(85, (0, false));
        assert!(one.len() == 1 && one[0].starts_with(hot), "{one:?}");
        assert_eq!(look(50, (0, false)), [""; 0]);
    }
}
