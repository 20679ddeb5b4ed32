//! The seat that tells an MQTT broker how the recorder is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::health::STILL_MS;
use super::{Table, library, notify, sources, start};
use crate::actor::mqtt::Mqtt;
use crate::config::Config;
use crate::device::disk::real_path;
use crate::device::mqtt::Broker;
use crate::format::homeassistant::{Seen, Source};
use crate::status::{ActorStatus, Alarm, Alarms, LaneStatus, Machine};
use crate::supervisor::{Body, Seat};

pub const STACK: usize = 128 << 10;
/// Finding and reaching a broker, several addresses one after the other.
const LIMIT_MS: u64 = 5 * 60_000;

pub fn seat(
    config: &Config,
    table: &Table,
    statuses: &[Arc<LaneStatus>],
    (alarms, machine): (&Arc<Alarms>, &Arc<Machine>),
    stop: &Arc<AtomicBool>,
) -> Option<Seat> {
    let url = config.notify.mqtt.as_ref()?;
    let (host, port, account) = url.parts();
    let broker = Broker { host, port, account };
    let (actor, trouble) = (Arc::new(ActorStatus::default()), Arc::new(Alarm::default()));
    alarms.note(&trouble);
    let lanes: Vec<_> = table.lanes.iter().zip(statuses).map(|(lane, status)| (lane.name.clone(), status.clone())).collect();
    let folder = real_path(&config.general.lane.output_directory);
    let formats = start::recorded(config).filter_map(sources::expected_format);
    let per_second: f64 = formats.map(|format| f64::from(format.rate.hz()) * f64::from(format.channels)).sum();
    let (alarms, machine) = (alarms.clone(), machine.clone());
    let look = move || {
        let raised: Vec<_> = alarms.raised().into_iter().filter(|raised| !raised.is_note).collect();
        let health = machine.look();
        let is_on = |status: &LaneStatus| status.recording.load(Relaxed) && status.still_for_ms.load(Relaxed) < STILL_MS;
        let source = |(name, status): &(Arc<str>, Arc<LaneStatus>)| Source {
            name: name.to_string(),
            is_recording: is_on(status),
            level_dbfs: status.level().filter(|_| is_on(status)).map(|level| f64::from(level) / 100.0),
        };
        Seen {
            is_advancing: lanes.iter().all(|(_, status)| is_on(status) || status.held_until().is_some()),
            alarms: raised.len(),
            alarm: raised.into_iter().next().map(|raised| raised.text),
            hours_left: library::room(&folder, per_second).hours_left,
            temperature_c: health.temperature_c,
            wifi_dbm: health.wifi_dbm,
            sources: lanes.iter().map(source).collect(),
        }
    };
    let look: Arc<dyn Fn() -> Seen + Send + Sync> = Arc::new(look);
    let (recorder, row, stop) = (notify::recorder(config), actor.clone(), stop.clone());
    let make = move || -> Body {
        let mqtt = Mqtt {
            broker: broker.clone(),
            recorder: recorder.clone(),
            look: look.clone(),
            actor: row.clone(),
            trouble: trouble.clone(),
            stop: stop.clone(),
        };
        Box::new(move || mqtt.run())
    };
    Some(Seat::side("mqtt", actor, (STACK, LIMIT_MS), make))
}
