//! A route to its answer: the one table of what the recorder tells and does.

use std::sync::Arc;

use super::ask::{Answer, Ask};
use super::library::Library;
use super::{Office, clerk, clock, files, login, relay};
use crate::device::alsa;
use crate::message::handover::Body;
use crate::message::library::{Mark, Trouble};
use crate::message::live::{Lookable, MOST_STATIONS, Stage, View};
use crate::policy::mark;
use crate::web::answer::{Head, Refusal, Status, attachment};
use crate::web::asset::{self, Asset};
use crate::web::conditional::{etag, is_fresh};
use crate::web::route::{Route, Table, route};
use crate::web::{exports, gzip, health, json, metrics};

pub fn answer(office: &Office, ask: &Ask) -> Answer {
    try_answer(office, ask).unwrap_or_else(Answer::from)
}

fn try_answer(office: &Office, ask: &Ask) -> Result<Answer, Refusal> {
    let library = &*office.library;
    let route = route(ask.method, &ask.target, &library.zone())?;
    match &route {
        // Players know one password, the page another: whoever knows the page's hears everything.
        Route::Live { view: View::Wav, .. } | Route::Station(_) if office.relay.settings.listen_password.is_some() => {
            if !login::is_in(office, ask) {
                relay::may_listen(office, ask)?;
            }
        }
        route if is_public(route) => {}
        _ => login::needed(office, ask)?,
    }
    match route {
        Route::Asset(name) => asset::find(&name)
            .map(|asset| page(ask, asset))
            .ok_or(Refusal::new(Status::NotFound, "There is nothing at this address.")),
        Route::Healthz => match health::verdict(&library.status()) {
            Ok(()) => Ok(Answer::bytes(plain("text/plain", "no-store"), b"ok".to_vec())),
            Err(why) => Err(Refusal::new(Status::Unavailable, why)),
        },
        Route::OpenApi => Ok(page(ask, &asset::OPENAPI)),
        Route::Metrics => Ok(text(ask, metrics::MEDIA, metrics::text(&library.status()))),
        Route::Settings => clerk::look(office, ask),
        Route::ChangeSettings => clerk::change(office, ask),
        Route::CheckSettings => clerk::check(office, ask),
        Route::UndoSettings => clerk::undo(office, ask),
        Route::Schedule => Ok(clerk::calendar(office, ask)),
        Route::Login => login::login(office, ask),
        Route::Logout => Ok(login::logout(office, ask)),
        Route::Events => Ok(events()),
        Route::Lookable => Ok(text(ask, JSON, lookable(office))),
        Route::Live { source, view } => live(office, ask, &source, view),
        Route::Station(name) => match name.strip_suffix(".opus") {
            Some(source) if relay::is_encoded(office, source) => live(office, ask, source, View::Opus),
            _ => relay::station(office, ask, &name),
        },
        Route::Mount(path) => relay::mount(office, ask, &path),
        Route::Mounts => Ok(relay::status(office, ask)),
        Route::Admin(task) => relay::admin(office, ask, task),
        Route::Status => Ok(text(ask, JSON, json::status(&library.status(), login::is_open(office)))),
        Route::Days { from, to } => {
            library.days(from.as_deref(), to.as_deref()).map(|days| text(ask, JSON, json::days(&days))).map_err(refusal)
        }
        Route::Day { date, tuning } => {
            let day = library.day(&date, tuning.over(library.detection()));
            day.map(|day| text(ask, JSON, json::day(&day))).map_err(refusal)
        }
        Route::Picture { date } => library.picture(&date).map(|picture| binary(ask, picture)).map_err(refusal),
        Route::Files(query) => library.files(&query).map(|page| text(ask, JSON, json::files(&page))).map_err(refusal),
        Route::File(name) => library.file(&name).map(|row| text(ask, JSON, json::file(&row))).map_err(refusal),
        Route::Analysis { name, tuning } => {
            let view = library.analysis(&name, tuning.over(library.detection())).map_err(refusal)?;
            Ok(text(ask, JSON, json::analysis(&view)))
        }
        Route::Profile(name) => files::profile(library, ask, &name),
        Route::Spectrogram(wish) => match library.spectrogram(&wish).map_err(refusal)? {
            Some(picture) => Ok(binary(ask, picture)),
            None => Err(files::no_such_time()),
        },
        Route::Export { name, table } => export(library, ask, &name, table),
        Route::Zip(names) => files::zip(office, &names),
        Route::Clip { what, rate } => files::piece(ask, library.clip(&what, rate)),
        Route::Cut(what) => files::piece(ask, library.cut(&what)),
        Route::Stream(name) => files::file(library, ask, &name, false),
        Route::Download(name) => files::file(library, ask, &name, true),
        Route::Delete(name) => {
            library.delete(&name).map_err(refusal)?;
            Ok(Answer { head: Head::new(Status::NoContent).finish(), body: None })
        }
        Route::Lock(name) => change(library, ask, &name, |body| body.get("locked")?.as_bool().map(Mark::Locked)),
        Route::Reviewed(name) => change(library, ask, &name, |body| body.get("reviewed")?.as_bool().map(Mark::Reviewed)),
        Route::Note(name) => change(library, ask, &name, |body| body.get("note")?.as_str().and_then(note).map(Mark::Note)),
        Route::Keep(source) => keep(library, ask, &source),
        Route::SetClock => clock::set(office, ask),
        Route::SyncTable { from, to, source } => clock::sync_table(library, ask, from, to, source),
    }
}

/// What needs no password: the page itself is no secret, and must be there to ask for it.
fn is_public(route: &Route) -> bool {
    let own = matches!(route, Route::Asset(_) | Route::Healthz | Route::Login | Route::Logout);
    own || matches!(route, Route::Mount(_) | Route::Mounts | Route::Admin(_)) // which have passwords of their own
}

pub const JSON: &str = "application/json";
/// Characters of a note.
const MAX_NOTE: usize = 10_000;

fn note(text: &str) -> Option<String> {
    (text.chars().count() <= MAX_NOTE).then(|| text.to_owned())
}

pub fn refusal(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::Unclear(why) => Refusal::new(Status::BadRequest, why),
        Trouble::Absent => Refusal::new(Status::NotFound, "There is no such recording."),
        Trouble::Open => Refusal::new(Status::Conflict, "It is still being recorded."),
        Trouble::Nothing => Refusal::new(Status::Conflict, "Nothing of this source is recorded yet, or not lately."),
        Trouble::Synced => Refusal::new(Status::Conflict, "The clock is synchronised: it knows better than a browser."),
        Trouble::NoRecorder => Refusal::new(Status::Conflict, "Nothing is recorded here: this machine's clock is left alone."),
        Trouble::Locked => Refusal::new(Status::Locked, "It is locked: unlock it first."),
        Trouble::ReadOnly => Refusal::new(Status::Forbidden, "Nothing may be written in this folder."),
        Trouble::Busy(seconds) => {
            let wait = Refusal::new(Status::Unavailable, "The recorder is busy: try again in a moment.");
            wait.with("Retry-After", seconds.max(1).to_string())
        }
        Trouble::Failed(why) => Refusal::new(Status::Failed, why),
    }
}

pub fn plain(media: &str, cache: &str) -> Head {
    Head::new(Status::Ok).line("Content-Type", media).line("Cache-Control", cache)
}

/// A text that is asked for again and again: with a tag, and shorter for those who take it so.
pub fn text(ask: &Ask, media: &str, body: String) -> Answer {
    tagged(ask, media, body.into_bytes(), true)
}

fn binary(ask: &Ask, body: Vec<u8>) -> Answer {
    tagged(ask, "application/octet-stream", body, true)
}

fn tagged(ask: &Ask, media: &str, body: Vec<u8>, may_shrink: bool) -> Answer {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let tag = etag(&format!("{hash:016x}-{:x}", body.len()));
    if is_fresh(ask.line("if-none-match"), &tag) {
        return fresh(&tag);
    }
    let head = plain(media, "no-cache").line("ETag", &tag).line("Vary", "Accept-Encoding");
    match may_shrink.then(|| if ask.takes_gzip() { gzip::gzip(&body) } else { None }).flatten() {
        Some(small) => Answer::bytes(head.line("Content-Encoding", "gzip"), small),
        None => Answer::bytes(head, body),
    }
}

/// What the browser has is still good.
pub fn fresh(tag: &str) -> Answer {
    let head = Head::new(Status::NotModified).line("ETag", tag).line("Cache-Control", "no-cache");
    Answer { head: head.line("Vary", "Accept-Encoding").finish(), body: None }
}

fn page(ask: &Ask, asset: &Asset) -> Answer {
    let tag = asset.etag();
    if is_fresh(ask.line("if-none-match"), &tag) {
        return fresh(&tag);
    }
    let head = plain(asset.media, "no-cache").line("ETag", &tag).line("Vary", "Accept-Encoding");
    if ask.takes_gzip() {
        Answer::bytes(head.line("Content-Encoding", "gzip"), asset.gzip.to_vec())
    } else {
        Answer::bytes(head, asset.plain())
    }
}

fn events() -> Answer {
    let head = plain("text/event-stream", "no-store").line("X-Accel-Buffering", "no");
    Answer { head: head.finish(), body: Some(Body::Events) }
}

/// Sources in the order of the configuration, and the machine's other devices where something is recorded.
fn lookable(office: &Office) -> String {
    let status = office.library.status();
    let row = |stage: &'_ Arc<Stage>| {
        let own = office.stages.station(&stage.source).and_then(|on| on.sound());
        let card = status.sources.iter().find(|source| *source.name == *stage.source);
        let told = card.map_or((0, 0), |card| (card.rate_hz, card.channels));
        let (rate_hz, channels) = own.map_or(told, |(_, format)| (format.rate.hz(), format.channels));
        let more = own.map(|(container, _)| container.extension()).filter(|extension| *extension != "opus");
        let heard = ["wav", "opus"].into_iter().chain(more).map(|end| format!("/live/{}.{end}", stage.source)).collect();
        json::lookable(&Lookable { name: &stage.source, kind: stage.kind, rate_hz, channels, heard })
    };
    let stages = office.stages.all();
    let devices = if stages.is_empty() { Vec::new() } else { alsa::captures_of_all() };
    json::live(stages.iter().map(row), &devices)
}

/// A device of the machine that nobody records and nobody looks at yet.
fn unrecorded(office: &Office, device: &str) -> Result<Option<Arc<Stage>>, Refusal> {
    let Some(preview) = &office.preview else { return Ok(None) };
    let is_seen = preview.stage().is_some_and(|stage| *stage.source == *device && stage.is_listened());
    let found = || alsa::captures_of_all().into_iter().find(|known| known.device == device);
    if !is_seen {
        match found() {
            None => return Ok(None),
            Some(known) if known.is_used => {
                return Err(Refusal::new(Status::Conflict, "This device is in use: by another source, or by another program."));
            }
            Some(_) => {}
        }
    }
    let later = |why: String| Err(Refusal::new(Status::Unavailable, why).with("Retry-After", "5"));
    if let Some(trouble) = preview.take_trouble() {
        return later(trouble);
    }
    match preview.aim(device) {
        Ok(stage) => Ok(Some(stage)),
        Err(other) => later(format!("Another device is looked at just now: {other}.")),
    }
}

/// Where the source is gone, a spectrum is that of the first one, and says so: who looks at bars wants to see some.
fn live(office: &Office, ask: &Ask, source: &str, view: View) -> Result<Answer, Refusal> {
    let stages = office.stages.all();
    let recorded = stages.iter().find(|stage| *stage.source == *source);
    let other = if recorded.is_none() { unrecorded(office, source)? } else { None };
    let named = recorded.or(other.as_ref());
    let stage = named.or_else(|| stages.first().filter(|_| view == View::Spectrum)).ok_or_else(|| no_source(office))?;
    relay::room(office, stage.mount(view))?;
    let is_decoded = |stage: &&Arc<Stage>| stage.is_station() && stage.is_listened();
    if other.is_none() && stage.is_station() && !stage.is_listened() && stages.iter().filter(is_decoded).count() >= MOST_STATIONS
    {
        let busy = Refusal::new(Status::Unavailable, "Several stations are looked at already: try again later.");
        return Err(busy.with("Retry-After", "60"));
    }
    let mut head = plain(view.media(), "no-store").line("X-Accel-Buffering", "no").finish();
    if view == View::Spectrum {
        let note = named.is_none().then(|| format!("There is no source {source}: this is {}.", stage.source));
        head.extend_from_slice(json::spectrum_begins(&stage.source, note.as_deref()).as_bytes());
    }
    Ok(Answer { head, body: Some(Body::Live(stage.listen(view, relay::client(office, ask)), None)) })
}

fn no_source(office: &Office) -> Refusal {
    let stages = office.stages.all();
    let names: Vec<&str> = stages.iter().map(|stage| &*stage.source).collect();
    let why = if names.is_empty() {
        "Nothing is recorded here that could be listened to.".to_owned()
    } else {
        format!("There is no such source; there are: {}.", names.join(", "))
    };
    Refusal::new(Status::NotFound, why)
}

fn export(library: &dyn Library, ask: &Ask, name: &str, table: Table) -> Result<Answer, Refusal> {
    let row = library.file(name).map_err(refusal)?;
    let file = format!("{}{}", name.rsplit('/').next().unwrap_or_default(), table.suffix());
    let body = exports::table(table, &row).into_bytes();
    let head = plain(table.media(), "no-cache").line("Content-Disposition", &attachment(&file));
    let small = if ask.takes_gzip() { gzip::gzip(&body) } else { None };
    Ok(match small {
        Some(small) => Answer::bytes(head.line("Content-Encoding", "gzip"), small),
        None => Answer::bytes(head, body),
    })
}

fn change(
    library: &dyn Library,
    ask: &Ask,
    name: &str,
    read: impl FnOnce(&serde_json::Value) -> Option<Mark>,
) -> Result<Answer, Refusal> {
    let body: serde_json::Value = serde_json::from_slice(&ask.body).map_err(|_| unreadable())?;
    let mark = read(&body).ok_or_else(unreadable)?;
    library.mark(name, mark).map(|row| Answer::bytes(plain(JSON, "no-store"), json::file(&row).into_bytes())).map_err(refusal)
}

/// A body that says nothing asks for the usual.
fn keep(library: &dyn Library, ask: &Ask, source: &str) -> Result<Answer, Refusal> {
    let body = if ask.body.is_empty() { &b"{}"[..] } else { &ask.body };
    let body: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let seconds = match body.get("seconds") {
        None => mark::USUAL_SECONDS,
        Some(told) => whole(told).filter(|seconds| mark::SECONDS.contains(seconds)).ok_or_else(unreadable)?,
    };
    let text = body.get("note").map_or(Some(""), serde_json::Value::as_str);
    let note = text.and_then(note).ok_or_else(unreadable)?;
    if !library.status().sources.iter().any(|known| known.name == source) {
        return Err(Refusal::new(Status::NotFound, "There is no such source."));
    }
    let clips = library.keep(source, seconds, &note).map_err(refusal)?;
    Ok(Answer::bytes(plain(JSON, "no-store"), json::clips(&clips).into_bytes()))
}

/// `30` and `30.0` are one number.
fn whole(told: &serde_json::Value) -> Option<u32> {
    let seconds = told.as_f64().filter(|seconds| seconds.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(seconds))?;
    Some(seconds as u32)
}

pub fn unreadable() -> Refusal {
    Refusal::new(Status::UnprocessableContent, "The body is not what this address takes: see /api/openapi.json.")
}
