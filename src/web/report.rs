//! The state of the recorder for people: a few lines that a visitor reads with the box in hand, and that a script can ask with
//! `grep`. One fact a line, its name first.

use std::fmt::Write;

use crate::format::civil;
use crate::message::page::{Disk, Health, SourceStatus, Status, UploadStatus};
use crate::time::Wall;

/// `recording:` says `yes` when every source records, `no` when none does, `in part` otherwise.
pub fn text(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| _ = writeln!(text, "{name}: {}", value.replace(['\n', '\r'], " "));
    let local = |at: Wall| minute(at, status.utc_offset_s);
    line("software", concat!("soundpost ", env!("CARGO_PKG_VERSION")));
    line("time", &format!("{} (UTC{})", local(status.now), civil::offset_text(status.utc_offset_s)));
    line("clock", if status.clock_synced { "synchronised" } else { "not synchronised" });
    line("recording", overall(&status.sources));
    line("folder", &status.folder);
    line("room", &room(&status.disk));
    if let Some((kept, last)) = status.retention.as_ref().and_then(|kept| Some((kept, kept.last.as_ref()?))) {
        let (count, gigabytes, at) = (kept.deleted, kept.deleted_bytes as f64 / 1e9, local(last.at));
        line(
            "deleted",
            &format!("{count} recordings by themselves, {gigabytes:.1} GB; last {} at {at}, {}", last.name, last.reason),
        );
    }
    if let Some((kept, last)) = status.retention.as_ref().and_then(|kept| Some((kept, kept.last_reduced.as_ref()?))) {
        let (count, gigabytes, at) = (kept.reduced, kept.reduced_bytes as f64 / 1e9, local(last.at));
        line("reduced", &format!("{count} recordings, {gigabytes:.1} GB less; last {} at {at}, {}", last.name, last.reason));
    }
    machine(&status.health, &mut line);
    for source in &status.sources {
        line(&format!("source {}", source.name), &one(source, &local));
    }
    for target in &status.uploads {
        line(&format!("upload {}", target.name), &upload(target));
    }
    for alarm in &status.alarms {
        line("alarm", &format!("since {}: {}", local(alarm.since), alarm.text));
    }
    text
}

/// What is not known is not told.
fn machine(health: &Health, line: &mut dyn FnMut(&str, &str)) {
    if let Some(degrees) = health.temperature_c {
        line("temperature", &format!("{degrees:.0} degrees Celsius"));
    }
    if let Some(is_weak) = health.under_voltage {
        line("voltage", if is_weak { "TOO LOW: a stronger supply or a shorter cable" } else { "enough" });
    }
    if let Some(dbm) = health.wifi_dbm {
        line("wireless network", &format!("{dbm} dBm"));
    }
    if let Some(files) = health.uploads_waiting {
        line("uploads", &format!("{files} files wait"));
    }
    if health.messages_sent + health.messages_lost > 0 {
        line("messages", &format!("{} arrived, {} lost", health.messages_sent, health.messages_lost));
    }
    if health.hooks_run + health.hooks_missed > 0 {
        let (run, failed, missed) = (health.hooks_run, health.hooks_failed, health.hooks_missed);
        line("programs", &format!("{run} run, {failed} failed, {missed} had to wait"));
    }
}

fn overall(sources: &[SourceStatus]) -> &'static str {
    match sources.iter().filter(|source| source.state.is_heard()).count() {
        0 => "no",
        n if n == sources.len() => "yes",
        _ => "in part",
    }
}

fn room(disk: &Disk) -> String {
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let mut text = format!("{:.1} of {:.1} GB free", gigabytes(disk.free_bytes), gigabytes(disk.total_bytes));
    if let Some(hours) = disk.hours_left {
        let _ = write!(text, ", enough for about {hours:.0} hours");
    }
    text
}

fn upload(target: &UploadStatus) -> String {
    let gigabytes = target.backlog_bytes as f64 / 1e9;
    let mut text = format!("{}, {} recordings wait ({gigabytes:.1} GB)", target.state, target.backlog_files);
    for part in [target.note, target.trouble.as_deref()].into_iter().flatten() {
        let _ = write!(text, ", {part}");
    }
    text
}

fn one(source: &SourceStatus, local: &impl Fn(Wall) -> String) -> String {
    let mut text = source.state.name().to_owned();
    let mut add = |part: std::fmt::Arguments<'_>| _ = text.write_fmt(part);
    if let Some(since) = source.since {
        add(format_args!(" since {}", local(since)));
    }
    if let Some(opens) = source.opens {
        add(format_args!(" until {}", local(opens)));
    }
    if source.rate_hz > 0 {
        let hours = source.frames as f64 / f64::from(source.rate_hz) / 3_600.0;
        add(format_args!(", {} Hz, {} channels, {hours:.1} hours captured", source.rate_hz, source.channels));
    }
    if let (Some(level), Some(peak)) = (source.level, source.peak) {
        add(format_args!(", level {:.1} dBFS, peak {:.1} dBFS", level.db(), peak.db()));
    }
    add(format_args!(", {} gaps, {} overruns", source.gaps, source.xruns));
    if source.frames_lost > 0 {
        add(format_args!(", {} frames lost", source.frames_lost));
    }
    if source.blocks > 0 {
        let percent = u64::from(source.blocks_used_max) * 100 / u64::from(source.blocks);
        add(format_args!(", memory for sound at most {percent} % full"));
    }
    if let Some(us) = source.sync.percentile_us(99) {
        add(format_args!(
            ", 99 of 100 syncs within {} ms, the slowest {} ms",
            us.div_ceil(1_000),
            source.sync.max_us.div_ceil(1_000)
        ));
    }
    if let Some(ppm) = source.drift_ppm {
        add(format_args!(", drift {ppm:.1} ppm"));
    }
    if let Some(file) = &source.file {
        add(format_args!(", file {file}"));
    }
    if let Some(trouble) = &source.trouble {
        add(format_args!(", {trouble}"));
    }
    text
}

/// `2026-05-22 06:00`.
fn minute(at: Wall, utc_offset_s: i32) -> String {
    let civil = civil::Civil::at(at, utc_offset_s);
    let (hour, minute, _) = civil.hour_minute_second();
    format!("{:04}-{:02}-{:02} {hour:02}:{minute:02}", civil.year, civil.month, civil.day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::analysis::Centibel;
    use crate::message::page::{Alarm, Deleted, Retention, SourceState};
    use crate::status::Latency;

    const SIX: Wall = Wall(1_779_422_400_000_000_000);

    fn mic(state: SourceState) -> SourceStatus {
        SourceStatus { name: "mic".into(), state, rate_hz: 48_000, channels: 2, since: Some(SIX), ..SourceStatus::default() }
    }

    #[test]
    fn a_visitor_reads_what_is_so() {
        let sync = Latency::default();
        [1_700, 4_100, 91_000].into_iter().for_each(|us| sync.took(us));
        let recording = SourceStatus {
            file: Some("20260522_060000.flac".into()),
            level: Some(Centibel(-4_320)),
            peak: Some(Centibel(-2_000)),
            frames: 48_000 * 5_400,
            drift_ppm: Some(-12.34),
            frames_lost: 4_800,
            blocks_used_max: 30,
            blocks: 150,
            sync: sync.look(),
            ..mic(SourceState::Recording)
        };
        let status = Status {
            folder: "/data/recordings".into(),
            now: SIX,
            utc_offset_s: 7_200,
            retention: Some(Retention {
                floor_bytes: 1,
                deleted: 3,
                deleted_bytes: 1_250_000_000,
                last: Some(Deleted { name: "a.flac".into(), at: SIX, reason: "older than 30 days".into() }),
                reduced: 2,
                reduced_bytes: 950_000_000,
                last_reduced: Some(Deleted { name: "b.flac".into(), at: SIX, reason: "older than 3 days".into() }),
                recent: Vec::new(),
            }),
            disk: Disk { free_bytes: 12_340_000_000, total_bytes: 32_000_000_000, hours_left: Some(140.4) },
            sources: vec![recording, SourceStatus { trouble: Some("no such\ncard".into()), ..mic(SourceState::Alarm) }],
            health: Health { temperature_c: Some(48.3), under_voltage: Some(false), wifi_dbm: Some(-61), ..Health::default() },
            uploads: vec![UploadStatus {
                name: "upload.stick".into(),
                state: "waiting",
                note: Some("safe to pull"),
                ..UploadStatus::default()
            }],
            alarms: vec![Alarm { since: SIX, text: "The disk is slow.".into() }],
            ..Status::default()
        };
        let expected = [
            concat!("software: soundpost ", env!("CARGO_PKG_VERSION")),
            "time: 2026-05-22 06:00 (UTC+02:00)",
            "clock: not synchronised",
            "recording: in part",
            "folder: /data/recordings",
            "room: 12.3 of 32.0 GB free, enough for about 140 hours",
            "deleted: 3 recordings by themselves, 1.2 GB; last a.flac at 2026-05-22 06:00, older than 30 days",
            "reduced: 2 recordings, 0.9 GB less; last b.flac at 2026-05-22 06:00, older than 3 days",
            "temperature: 48 degrees Celsius",
            "voltage: enough",
            "wireless network: -61 dBm",
            "source mic: recording since 2026-05-22 06:00, 48000 Hz, 2 channels, 1.5 hours captured, level -43.2 dBFS, peak -20.0 dBFS, \
             0 gaps, 0 overruns, 4800 frames lost, memory for sound at most 20 % full, 99 of 100 syncs within 91 ms, \
             the slowest 91 ms, drift -12.3 ppm, file 20260522_060000.flac",
            "source mic: alarm since 2026-05-22 06:00, 48000 Hz, 2 channels, 0.0 hours captured, 0 gaps, 0 overruns, no such card",
            "upload upload.stick: waiting, 0 recordings wait (0.0 GB), safe to pull",
            "alarm: since 2026-05-22 06:00: The disk is slow.",
        ];
        assert_eq!(text(&status).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn one_word_for_all_sources() {
        use SourceState::{Alarm, Listening, Recording, Waiting};
        let cases: [(&[SourceState], &str); 6] = [
            (&[], "no"),
            (&[Waiting], "no"),
            (&[Recording], "yes"),
            (&[Listening], "yes"),
            (&[Recording, Alarm], "in part"),
            (&[Recording, Recording], "yes"),
        ];
        for (states, expected) in cases {
            assert_eq!(overall(&states.iter().map(|state| mic(*state)).collect::<Vec<_>>()), expected, "{states:?}");
        }
    }
}
