//! What the recorder does now, its sources, targets and clock, and what can be looked at.

use super::*;

/// `is_open`: no password is asked for.
pub fn status(status: &Status, is_open: bool) -> String {
    let disk = Json::object()
        .raw("free_bytes", status.disk.free_bytes)
        .raw("total_bytes", status.disk.total_bytes)
        .raw("hours_left", or_null(status.disk.hours_left, number))
        .end();
    let rolls = detection(Json::object(), status.detection)
        .real("pre_roll_s", f64::from(status.pre_roll_ms) / 1_000.0)
        .real("post_roll_s", f64::from(status.post_roll_ms) / 1_000.0)
        .end();
    let alarm = |a: &crate::message::page::Alarm| Json::object().raw("since", time(a.since)).text("text", &a.text).end();
    Json::object()
        .text("software", concat!("soundpost ", env!("CARGO_PKG_VERSION")))
        .text("mode", status.mode)
        .text("folder", &status.folder)
        .raw("read_only", status.read_only)
        .raw("open", is_open)
        .raw("now", time(status.now))
        .text("time_zone", &status.time_zone)
        .raw("utc_offset_s", status.utc_offset_s)
        .raw("clock", clock(status))
        .raw("disk", disk)
        .raw("retention", or_null(status.retention.as_ref(), retention))
        .raw("detection", rolls)
        .raw("sources", list(&status.sources, source))
        .raw("work", or_null(status.work.as_ref(), work))
        .raw("uploads", list(&status.uploads, upload))
        .raw("alarms", list(&status.alarms, alarm))
        .raw("health", health(&status.health))
        .end()
}

fn health(health: &Health) -> String {
    Json::object()
        .raw("temperature_c", or_null(health.temperature_c, number))
        .raw("under_voltage", or_null(health.under_voltage, |is_weak| is_weak.to_string()))
        .raw("wifi_dbm", or_null(health.wifi_dbm, |dbm| dbm.to_string()))
        .raw("uploads_waiting", or_null(health.uploads_waiting, |files| files.to_string()))
        .raw("messages_sent", health.messages_sent)
        .raw("messages_lost", health.messages_lost)
        .raw("hooks_run", health.hooks_run)
        .raw("hooks_failed", health.hooks_failed)
        .raw("hooks_missed", health.hooks_missed)
        .end()
}

/// In milliseconds: of a hundred, so many took at most so long.
fn spread(spread: &Spread) -> String {
    let ms = |us: u64| number(us as f64 / 1_000.0);
    Json::object()
        .raw("count", spread.count())
        .raw("p50_ms", or_null(spread.percentile_us(50), ms))
        .raw("p99_ms", or_null(spread.percentile_us(99), ms))
        .raw("max_ms", ms(spread.max_us))
        .end()
}

fn retention(kept: &Retention) -> String {
    let last = |Deleted { name, at, reason }: &Deleted| {
        Json::object().text("name", name).raw("at", time(*at)).text("reason", reason).end()
    };
    Json::object()
        .raw("floor_bytes", kept.floor_bytes)
        .raw("deleted", kept.deleted)
        .raw("deleted_bytes", kept.deleted_bytes)
        .raw("reduced", kept.reduced)
        .raw("reduced_bytes", kept.reduced_bytes)
        .raw("last_reduced", or_null(kept.last_reduced.as_ref(), last))
        .raw("last", or_null(kept.last.as_ref(), last))
        .raw("recent", list(&kept.recent, last))
        .end()
}

fn clock(status: &Status) -> String {
    let reference = |it: &ClockReference| {
        let of = Json::object().text("keeper", it.keeper).text("id", &it.id).raw("good", it.is_good);
        of.raw("stratum", or_null(it.stratum, |n| n.to_string())).raw("offset_s", or_null(it.offset_s, number)).end()
    };
    let source = if status.clock_synced { "system" } else { status.clock_source.unwrap_or("none") };
    Json::object()
        .raw("synced", status.clock_synced)
        .text("source", source)
        .raw("reference", or_null(status.clock_reference.as_ref(), reference))
        .end()
}

pub fn clock_set(set: &ClockSet) -> String {
    Json::object().text("by", set.by).real("moved_s", set.moved_s).end()
}

/// What can be looked at, each as [`lookable`] tells it, and capture devices of the machine.
pub fn live(sources: impl Iterator<Item = String>, devices: &[Device]) -> String {
    let device = |device: &Device| {
        Json::object().text("device", &device.device).text("name", &device.name).raw("in_use", device.is_used).end()
    };
    Json::object().raw("sources", list(sources, |source| source)).raw("devices", list(devices, device)).end()
}

pub fn lookable(source: &Lookable) -> String {
    Json::object()
        .text("name", source.name)
        .text("kind", source.kind)
        .raw("rate_hz", source.rate_hz)
        .raw("channels", source.channels)
        .raw("heard", list(&source.heard, |address| quoted(address)))
        .end()
}

fn push(push: &PushState) -> String {
    Json::object()
        .raw("connected", push.is_connected)
        .raw("connections", push.connections)
        .raw("trouble", or_null(push.trouble.as_deref(), quoted))
        .end()
}

fn source(source: &SourceStatus) -> String {
    Json::object()
        .text("name", &source.name)
        .text("state", source.state.name())
        .raw("file", or_null(source.file.as_deref(), quoted))
        .raw("level_db", or_null(source.level, db))
        .raw("peak_db", or_null(source.peak, db))
        .raw("rate_hz", source.rate_hz)
        .raw("channels", source.channels)
        .raw("frames", source.frames)
        .raw("xruns", source.xruns)
        .raw("gaps", source.gaps)
        .raw("frames_unheard", source.frames_unheard)
        .raw("icecast", or_null(source.push.as_ref(), push))
        .raw("drift_ppm", or_null(source.drift_ppm, number))
        .raw("since", or_null(source.since, time))
        .raw("opens", or_null(source.opens, time))
        .raw("trouble", or_null(source.trouble.as_deref(), quoted))
        .raw("advancing", source.is_advancing)
        .raw("frames_lost", source.frames_lost)
        .raw("blocks_used_max", source.blocks_used_max)
        .raw("blocks", source.blocks)
        .raw("samples_clipped", source.samples_clipped)
        .raw("write", spread(&source.write))
        .raw("sync", spread(&source.sync))
        .end()
}

fn upload(target: &UploadStatus) -> String {
    Json::object()
        .text("name", &target.name)
        .text("kind", target.kind)
        .text("state", target.state)
        .raw("file", or_null(target.file.as_deref(), quoted))
        .raw("part", target.part)
        .raw("parts", target.parts)
        .raw("backlog_files", target.backlog_files)
        .raw("backlog_bytes", target.backlog_bytes)
        .raw("uploaded_files", target.uploaded_files)
        .raw("sent_bytes", target.sent_bytes)
        .raw("uploaded_at", or_null(target.uploaded_at, time))
        .raw("trouble", or_null(target.trouble.as_deref(), quoted))
        .raw("again_at", or_null(target.again_at, time))
        .raw("note", or_null(target.note, quoted))
        .end()
}

pub(super) fn work(work: &Work) -> String {
    Json::object().text("what", work.what).raw("done", work.done).raw("total", work.total).end()
}
