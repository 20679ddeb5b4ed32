//! The state of the recorder for Prometheus: text exposition format 0.0.4.

use std::fmt::Write;

use crate::message::page::{SourceStatus, Status};

pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn text(status: &Status) -> String {
    let mut text = String::new();
    let mut one = |name: &str, help: &str, value: f64| {
        let _ = writeln!(text, "# HELP soundpost_{name} {help}\n# TYPE soundpost_{name} gauge\nsoundpost_{name} {value}");
    };
    one("clock_synced", "1 while the clock is synchronised", f64::from(u8::from(status.clock_synced)));
    one("disk_free_bytes", "Free bytes where recordings go", status.disk.free_bytes as f64);
    one("disk_total_bytes", "Bytes of the disk where recordings go", status.disk.total_bytes as f64);
    if let Some(hours) = status.disk.hours_left {
        one("disk_hours_left", "Hours until the disk is full", hours);
    }
    one("alarms", "Alarms that hold now", status.alarms.len() as f64);
    let sources = &status.sources;
    let recording = |s: &SourceStatus| Some(f64::from(u8::from(s.state.is_heard())));
    family(&mut text, sources, "recording", "gauge", "1 while the source records, or waits for its trigger", recording);
    family(&mut text, sources, "level_dbfs", "gauge", "Level of the last second", |s| s.level.map(|level| level.db()));
    family(&mut text, sources, "peak_dbfs", "gauge", "Peak of the last second", |s| s.peak.map(|peak| peak.db()));
    family(&mut text, sources, "frames_total", "counter", "Frames recorded", |s| Some(s.frames as f64));
    family(&mut text, sources, "xruns_total", "counter", "Overruns of the device", |s| Some(s.xruns as f64));
    family(&mut text, sources, "gaps_total", "counter", "Gaps entered", |s| Some(s.gaps as f64));
    let unheard = |s: &SourceStatus| Some(s.frames_unheard as f64);
    family(&mut text, sources, "frames_unheard_total", "counter", "Frames that listeners did not get", unheard);
    family(&mut text, sources, "drift_ppm", "gauge", "Drift of the device's clock", |s| s.drift_ppm);
    text
}

fn family(
    text: &mut String,
    sources: &[SourceStatus],
    name: &str,
    kind: &str,
    help: &str,
    value: impl Fn(&SourceStatus) -> Option<f64>,
) {
    let _ = writeln!(text, "# HELP soundpost_source_{name} {help}\n# TYPE soundpost_source_{name} {kind}");
    for source in sources {
        if let Some(value) = value(source) {
            let _ = writeln!(text, "soundpost_source_{name}{{source=\"{}\"}} {value}", label(&source.name));
        }
    }
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::analysis::Centibel;

    #[test]
    fn every_line_is_of_the_format() {
        let source = SourceStatus { name: "a\"\\\nb".into(), level: Some(Centibel(-4_320)), xruns: 3, ..SourceStatus::default() };
        let text = text(&Status { sources: vec![source], ..Status::default() });
        assert!(text.contains("soundpost_source_level_dbfs{source=\"a\\\"\\\\\\nb\"} -43.2\n"), "{text}");
        assert!(text.contains("soundpost_source_xruns_total{source=\"a\\\"\\\\\\nb\"} 3\n"), "{text}");
        assert!(!text.contains("drift_ppm{"), "what nobody knows is left out: {text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            assert!(name.starts_with("soundpost_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
