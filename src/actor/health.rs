//! Looks at every source and at the board every few seconds, and raises and clears the alarms that nobody else has the facts for.
//!
//! A side consumer: it reads what others show and touches nothing that they wait for. What is wrong is decided in
//! [`crate::policy::health`]; what the board tells is read by [`crate::device::health`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::device::clock::Clock;
use crate::device::health;
use crate::policy::health::{LANE_MATTERS, LaneFacts, LaneHealth, MACHINE_MATTERS, MachineFacts, MachineHealth};
use crate::status::{Alarm, Alarms, LaneStatus, Machine};
use crate::time::{Mono, SECOND_NS};

/// One that comes and goes is logged so seldom.
const LOG_EVERY_NS: i64 = 3_600 * SECOND_NS;

/// Hours until the disk is full, if that can be known.
pub type Room = Box<dyn Fn() -> Option<f64> + Send>;

/// A source that is recorded now.
pub struct Charge {
    pub name: Arc<str>,
    pub channels: u8,
    pub status: Arc<LaneStatus>,
}

/// Those that are recorded now: sources come and go with the configuration.
pub type Charges = Box<dyn Fn() -> Vec<Charge> + Send>;

pub struct Health {
    charges: Charges,
    alarms: Arc<Alarms>,
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
    /// The alarms of the sources that there are, and those of the board, are among `alarms` when this returns.
    pub fn new(
        charges: Charges,
        alarms: Arc<Alarms>,
        machine: Arc<Machine>,
        root: PathBuf,
        room: Room,
        clock: Arc<dyn Clock>,
    ) -> Health {
        let board: [Matter; MACHINE_MATTERS] = Default::default();
        let (lanes, health) = (Vec::new(), MachineHealth::default());
        let mut health = Health { charges, alarms, lanes, board, health, machine, root, room, clock };
        health.follow();
        for (matter, is_note) in health.board.iter().zip(MachineHealth::NOTES) {
            if is_note { health.alarms.note(&matter.alarm) } else { health.alarms.watch("", &matter.alarm) }
        }
        health
    }

    /// Whoever is new is looked after from now on; nobody is told of what is not recorded any more.
    fn follow(&mut self) {
        let charges = (self.charges)();
        self.lanes.retain(|lane| {
            let is_there = charges.iter().any(|charge| Arc::ptr_eq(&charge.status, &lane.status));
            if !is_there {
                lane.matters.iter().for_each(|matter| _ = matter.alarm.clear());
            }
            is_there
        });
        for Charge { name, channels, status } in charges {
            if let Some(lane) = self.lanes.iter_mut().find(|lane| Arc::ptr_eq(&lane.status, &status)) {
                lane.channels = channels;
                continue;
            }
            let matters: [Matter; LANE_MATTERS] = Default::default();
            matters.iter().for_each(|matter| self.alarms.watch(&name, &matter.alarm));
            self.lanes.push(Lane { name, channels, status, health: LaneHealth::default(), matters });
        }
    }

    pub fn look(&mut self) -> Mono {
        let (now, seen) = (self.clock.look(), health::look(&self.root));
        self.machine.set_temperature_c(seen.temperature_c);
        self.machine.set_under_voltage(seen.under_voltage);
        self.machine.set_wifi_dbm(seen.wifi_dbm);
        self.follow();
        for lane in &mut self.lanes {
            lane.look(now.mono);
        }
        let facts = MachineFacts {
            temperature_c: seen.temperature_c,
            under_voltage: seen.under_voltage,
            wifi_dbm: seen.wifi_dbm,
            wall_s: now.wall.0.div_euclid(SECOND_NS),
            is_synced: now.synced,
            has_clock: seen.has_clock,
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

    fn one(name: &'static str, status: &Arc<LaneStatus>) -> Charges {
        let status = status.clone();
        Box::new(move || vec![Charge { name: name.into(), channels: 1, status: status.clone() }])
    }

    #[test]
    fn sources_come_and_go() {
        let root = tempfile::tempdir().expect("a folder");
        let (alarms, clock) = (Arc::<Alarms>::default(), Arc::new(SimulatedClock::new(Mono(0), Wall(0), true)));
        type Recorded = Vec<(&'static str, Arc<LaneStatus>)>;
        let there: Arc<std::sync::Mutex<Recorded>> = Arc::default();
        let who = there.clone();
        let charges = move || {
            let each = who.lock().expect("no panic").clone();
            each.into_iter().map(|(name, status)| Charge { name: name.into(), channels: 1, status }).collect()
        };
        let room = Box::new(|| None);
        let mut health = Health::new(Box::new(charges), alarms.clone(), Arc::default(), root.path().into(), room, clock.clone());
        let mut look = || {
            for _ in 0..80 {
                health.look();
                clock.advance(5 * SECOND_NS);
            }
            let mut raised: Vec<String> = alarms.raised().into_iter().map(|raised| raised.text).collect();
            raised.retain_mut(|text| text.split_once(':').map(|(name, _)| name.to_owned()).map(|name| *text = name).is_some());
            raised
        };
        // They record and nothing comes.
        let recorded = || {
            let status = Arc::new(LaneStatus::default());
            status.recording.store(true, Relaxed);
            status
        };
        assert_eq!(look(), [""; 0]);
        let (first, later) = (recorded(), recorded());
        there.lock().expect("no panic").push(("first", first));
        assert_eq!(look(), ["first"]);
        there.lock().expect("no panic").push(("later", later));
        assert_eq!(look(), ["first", "later"]);
        there.lock().expect("no panic").remove(0);
        assert_eq!(look(), ["later"]);
    }

    #[test]
    fn what_is_wrong_is_an_alarm_until_it_is_over() {
        let root = tempfile::tempdir().expect("a folder");
        let zone = root.path().join("sys/class/thermal/thermal_zone0");
        std::fs::create_dir_all(&zone).expect("made");
        let heat = |degrees: i32| std::fs::write(zone.join("temp"), format!("{degrees}000\n")).expect("written");
        let (status, alarms, machine) = (Arc::new(LaneStatus::default()), Arc::<Alarms>::default(), Arc::new(Machine::default()));
        let clock = Arc::new(SimulatedClock::new(Mono(0), Wall(1_800_000_000 * SECOND_NS), true));
        let (lanes, room) = (one("mic", &status), Box::new(|| Some(99.0)));
        let mut health = Health::new(lanes, alarms.clone(), machine.clone(), root.path().into(), room, clock.clone());
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
