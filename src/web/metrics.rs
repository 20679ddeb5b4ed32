//! The state of the recorder for Prometheus: text exposition format 0.0.4. Names hold their units; what counts ends in `_total`;
//! what nobody knows is left out.

use std::fmt::Write;

use crate::message::page::{SourceStatus, Status};
use crate::status::{BOUNDS_US, Spread};

pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn text(status: &Status) -> String {
    let mut text = String::new();
    machine(&mut text, status);
    sources(&mut text, &status.sources);
    text
}

fn machine(text: &mut String, status: &Status) {
    let mut one = |name: &str, help: &str, value: Option<f64>| {
        let Some(value) = value else { return };
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let _ = writeln!(text, "# HELP soundpost_{name} {help}\n# TYPE soundpost_{name} {kind}\nsoundpost_{name} {value}");
    };
    let (disk, health) = (&status.disk, &status.health);
    let flag = |is: bool| f64::from(u8::from(is));
    one("clock_synced", "1 while the clock is synchronised", Some(flag(status.clock_synced)));
    one("disk_free_bytes", "Free bytes where recordings go", Some(disk.free_bytes as f64));
    one("disk_total_bytes", "Bytes of the disk where recordings go", Some(disk.total_bytes as f64));
    one("disk_hours_left", "Hours until the disk is full", disk.hours_left);
    one("alarms", "Alarms that hold now", Some(status.alarms.len() as f64));
    one("temperature_celsius", "Of the hottest sensor of the board", health.temperature_c);
    one("under_voltage", "1 while the supply is too weak", health.under_voltage.map(flag));
    one("wifi_signal_dbm", "Signal of the wireless network", health.wifi_dbm.map(f64::from));
    one("uploads_waiting", "Files that are to be uploaded", health.uploads_waiting.map(|files| files as f64));
    one("messages_sent_total", "Messages about alarms that arrived", Some(health.messages_sent as f64));
    one("messages_lost_total", "Messages about alarms that did not arrive", Some(health.messages_lost as f64));
    one("hooks_run_total", "Programs run for finished recordings", Some(health.hooks_run as f64));
    one("hooks_failed_total", "Of those, the ones that failed", Some(health.hooks_failed as f64));
    one("hooks_missed_total", "Recordings that have to wait for their program", Some(health.hooks_missed as f64));
    let _ = writeln!(text, "# HELP soundpost_info Version of the recorder\n# TYPE soundpost_info gauge");
    let _ = writeln!(text, "soundpost_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
}

fn sources(text: &mut String, sources: &[SourceStatus]) {
    let mut family = |name: &str, help: &str, value: &dyn Fn(&SourceStatus) -> Option<f64>| {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        head(text, name, kind, help);
        for source in sources {
            if let Some(value) = value(source) {
                let _ = writeln!(text, "soundpost_source_{name}{{source=\"{}\"}} {value}", label(&source.name));
            }
        }
    };
    let flag = |is: bool| Some(f64::from(u8::from(is)));
    family("recording", "1 while the source records, or waits for its trigger", &|s| flag(s.state.is_heard()));
    family("advancing", "1 while samples come as they should", &|s| flag(s.is_advancing));
    family("level_dbfs", "Level of the last second", &|s| s.level.map(|level| level.db()));
    family("peak_dbfs", "Peak of the last second", &|s| s.peak.map(|peak| peak.db()));
    family("frames_total", "Frames recorded", &|s| Some(s.frames as f64));
    family("frames_lost_total", "Frames lost before they were recorded", &|s| Some(s.frames_lost as f64));
    family("xruns_total", "Overruns of the device", &|s| Some(s.xruns as f64));
    family("gaps_total", "Gaps entered", &|s| Some(s.gaps as f64));
    family("samples_clipped_total", "Samples at the limit", &|s| Some(s.samples_clipped as f64));
    family("frames_unheard_total", "Frames that listeners did not get", &|s| Some(s.frames_unheard as f64));
    family("pool_blocks", "Blocks of the pool for sound", &|s| Some(f64::from(s.blocks)));
    family("pool_used_max_blocks", "Most of them that were in use at once", &|s| Some(f64::from(s.blocks_used_max)));
    family("drift_ppm", "Drift of the device's clock", &|s| s.drift_ppm);
    let connected = |s: &SourceStatus| s.push.as_ref().and_then(|push| flag(push.is_connected));
    family("icecast_connected", "1 while the source is pushed to an Icecast elsewhere", &connected);
    histogram(text, sources, "write_seconds", "Time of a write to the disk", |source| &source.write);
    histogram(text, sources, "sync_seconds", "Time of a sync of the disk", |source| &source.sync);
}

fn histogram(text: &mut String, sources: &[SourceStatus], name: &str, help: &str, of: impl Fn(&SourceStatus) -> &Spread) {
    head(text, name, "histogram", help);
    for source in sources {
        let (spread, label, mut seen) = (of(source), label(&source.name), 0);
        for (bound_us, step) in BOUNDS_US.iter().zip(spread.steps) {
            seen += step;
            let bound = *bound_us as f64 / 1e6;
            let _ = writeln!(text, "soundpost_source_{name}_bucket{{source=\"{label}\",le=\"{bound}\"}} {seen}");
        }
        let (count, sum) = (spread.count(), spread.sum_us as f64 / 1e6);
        let _ = writeln!(text, "soundpost_source_{name}_bucket{{source=\"{label}\",le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "soundpost_source_{name}_sum{{source=\"{label}\"}} {sum}");
        let _ = writeln!(text, "soundpost_source_{name}_count{{source=\"{label}\"}} {count}");
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP soundpost_source_{name} {help}\n# TYPE soundpost_source_{name} {kind}");
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::analysis::Centibel;
    use crate::message::page::Health;
    use crate::status::Latency;

    #[test]
    fn every_line_is_of_the_format() {
        let write = Latency::default();
        [90, 150, 700, 12_000_000].into_iter().for_each(|us| write.took(us));
        let source = SourceStatus {
            name: "a\"\\\nb".into(),
            level: Some(Centibel(-4_320)),
            xruns: 3,
            write: write.look(),
            ..SourceStatus::default()
        };
        let health = Health { temperature_c: Some(48.5), ..Health::default() };
        let text = text(&Status { sources: vec![source], health, ..Status::default() });
        let name = "source=\"a\\\"\\\\\\nb\"";
        for line in [
            format!("soundpost_source_level_dbfs{{{name}}} -43.2\n"),
            format!("soundpost_source_xruns_total{{{name}}} 3\n"),
            format!("soundpost_source_write_seconds_bucket{{{name},le=\"0.0002\"}} 2\n"),
            format!("soundpost_source_write_seconds_bucket{{{name},le=\"10\"}} 3\n"),
            format!("soundpost_source_write_seconds_bucket{{{name},le=\"+Inf\"}} 4\n"),
            format!("soundpost_source_write_seconds_sum{{{name}}} 12.00094\n"),
            "soundpost_temperature_celsius 48.5\n".into(),
        ] {
            assert!(text.contains(&line), "{line} in {text}");
        }
        assert!(!text.contains("drift_ppm{") && !text.contains("wifi"), "what nobody knows is left out: {text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            assert!(name.starts_with("soundpost_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
