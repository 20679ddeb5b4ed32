//! What the machine is like beside its sources: written by whoever knows, read by the page and Prometheus.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU64};

use crate::message::page::Health;

/// In place of a number that nobody knows.
const UNKNOWN: i32 = i32::MIN;
const NONE: u64 = u64::MAX;

#[derive(Debug)]
pub struct Machine {
    /// Thousandths of a degree Celsius.
    temperature: AtomicI32,
    /// 1 while the supply is too weak.
    under_voltage: AtomicI32,
    wifi_dbm: AtomicI32,
    /// Files that are to be uploaded and are not yet; [`NONE`] where nothing is uploaded.
    uploads_waiting: AtomicU64,
    pub messages_sent: AtomicU64,
    /// Of alarms, that reached nobody.
    pub messages_lost: AtomicU64,
    pub hooks_run: AtomicU64,
    /// Of those, the ones that failed or were ended.
    pub hooks_failed: AtomicU64,
    /// Recordings for which there was no room in the queue; they are looked for later.
    pub hooks_missed: AtomicU64,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            temperature: UNKNOWN.into(),
            under_voltage: UNKNOWN.into(),
            wifi_dbm: UNKNOWN.into(),
            uploads_waiting: NONE.into(),
            messages_sent: 0.into(),
            messages_lost: 0.into(),
            hooks_run: 0.into(),
            hooks_failed: 0.into(),
            hooks_missed: 0.into(),
        }
    }
}

impl Machine {
    pub fn set_temperature_c(&self, celsius: Option<f64>) {
        self.temperature.store(celsius.map_or(UNKNOWN, |it| (it.clamp(-1e6, 1e6) * 1_000.0) as i32), Relaxed);
    }

    pub fn set_under_voltage(&self, is_weak: Option<bool>) {
        self.under_voltage.store(is_weak.map_or(UNKNOWN, i32::from), Relaxed);
    }

    pub fn set_wifi_dbm(&self, dbm: Option<i32>) {
        self.wifi_dbm.store(dbm.unwrap_or(UNKNOWN), Relaxed);
    }

    /// `None`: nothing is uploaded.
    pub fn set_uploads_waiting(&self, files: Option<u64>) {
        self.uploads_waiting.store(files.unwrap_or(NONE), Relaxed);
    }

    pub fn look(&self) -> Health {
        let known = |value: &AtomicI32| Some(value.load(Relaxed)).filter(|value| *value != UNKNOWN);
        Health {
            temperature_c: known(&self.temperature).map(|it| f64::from(it) / 1_000.0),
            under_voltage: known(&self.under_voltage).map(|it| it != 0),
            wifi_dbm: known(&self.wifi_dbm),
            uploads_waiting: Some(self.uploads_waiting.load(Relaxed)).filter(|files| *files != NONE),
            messages_sent: self.messages_sent.load(Relaxed),
            messages_lost: self.messages_lost.load(Relaxed),
            hooks_run: self.hooks_run.load(Relaxed),
            hooks_failed: self.hooks_failed.load(Relaxed),
            hooks_missed: self.hooks_missed.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_is_none_and_what_is_known_comes_back() {
        let machine = Machine::default();
        assert_eq!(machine.look(), Health::default());
        machine.set_temperature_c(Some(-12.5));
        machine.set_under_voltage(Some(false));
        machine.set_wifi_dbm(Some(-67));
        machine.set_uploads_waiting(Some(0));
        let health = machine.look();
        assert_eq!((health.temperature_c, health.under_voltage), (Some(-12.5), Some(false)));
        assert_eq!((health.wifi_dbm, health.uploads_waiting), (Some(-67), Some(0)));
        machine.set_temperature_c(None);
        assert_eq!(machine.look().temperature_c, None);
    }
}
