//! Icecast's side of the door: mounts for listeners, statistics, and administration.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

use super::ask::{Answer, Ask};
use super::{Office, login};
use crate::message::Container;
use crate::message::handover::Body;
use crate::message::live::View;
use crate::message::mount::{Client, Mount};
use crate::message::relay::{About, Relayed};
use crate::web::answer::{Head, Refusal, Status};
use crate::web::auth::{Checked, basic};
use crate::web::icecast::{self, CHALLENGE, Row, TITLES_EVERY, Task};
use crate::web::media;

/// Who asks, for those who look after the recorder.
pub fn client(office: &Office, ask: &Ask) -> Client {
    let agent = ask.line("user-agent").unwrap_or_default().chars().take(200).collect();
    Client { peer: ask.peer.to_canonical().to_string(), agent, since: office.clock.mono() }
}

/// Whether one more may listen to this mount.
pub fn room(office: &Office, mount: &Mount) -> Result<(), Refusal> {
    if mount.listeners() < office.relay.settings.listeners_per_mount {
        return Ok(());
    }
    Err(Refusal::new(Status::Unavailable, "Too many listen to this already: try again later.").with("Retry-After", "60"))
}

/// Listeners from elsewhere need `listen_password`, if there is one.
pub fn may_listen(office: &Office, ask: &Ask) -> Result<(), Refusal> {
    match office.relay.settings.listen_password.as_deref() {
        None => Ok(()),
        Some(wanted) => word(office, ask, &[Some(wanted)], "Basic realm=\"soundpost\", charset=\"UTF-8\""),
    }
}

fn word(office: &Office, ask: &Ask, wanted: &[Option<&str>], challenge: &'static str) -> Result<(), Refusal> {
    let given = ask.line("authorization").and_then(basic);
    let mut words = office.words.lock().unwrap_or_else(PoisonError::into_inner);
    match words.look(wanted, given.as_deref(), ask.from, office.clock.mono()) {
        Checked::Right => Ok(()),
        Checked::Wait(seconds) => {
            let wait = Refusal::new(Status::TooManyRequests, "Too many wrong passwords: wait a little.");
            Err(wait.with("Retry-After", seconds.to_string()))
        }
        Checked::Wrong | Checked::Unknown => {
            let why = if given.is_some() { "The password is wrong." } else { "The password is needed." };
            Err(Refusal::new(Status::Unauthorized, why).with("WWW-Authenticate", challenge))
        }
    }
}

/// A mount that a source feeds.
pub fn mount(office: &Office, ask: &Ask, path: &str) -> Result<Answer, Refusal> {
    let absent = || Refusal::new(Status::NotFound, "There is nothing at this address.");
    let relayed = office.relay.find(path).ok_or_else(absent)?;
    may_listen(office, ask)?;
    room(office, &relayed.mount)?;
    let about = relayed.about().unwrap_or_default();
    let titles = (icecast::has_titles(&about.media) && ask.line("icy-metadata") == Some("1")).then_some(TITLES_EVERY);
    let media = if about.media.is_empty() { "application/ogg" } else { &about.media };
    let mut head = Head::new(Status::Ok).line("Content-Type", media).line("Cache-Control", "no-cache, no-store");
    // Another page may play it, as it may play every radio.
    head = head.line("Access-Control-Allow-Origin", "*");
    for (name, value) in icecast::lines(&about, titles) {
        head = head.line(name, &value);
    }
    if ask.head_only() {
        return Ok(Answer { head: head.finish(), body: None });
    }
    office.relay.listeners.fetch_add(1, Relaxed);
    Ok(Answer { head: head.finish(), body: Some(Body::Live(relayed.mount.listen(client(office, ask)), titles)) })
}

/// Whether it is encoded here for those who want Opus: a station that sends something else, or a card.
pub fn is_encoded(office: &Office, source: &str) -> bool {
    let on = office.stages.station(source);
    let is_other = on.is_none_or(|on| on.container().is_some_and(|container| container != Container::Opus));
    is_other && office.stages.named(source).is_some()
}

/// A station's own bytes.
pub fn station(office: &Office, ask: &Ask, name: &str) -> Result<Answer, Refusal> {
    let (source, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let absent = || Refusal::new(Status::NotFound, format!("There is no source {source} that could be listened to."));
    let on = office.stages.station(source).ok_or_else(absent)?;
    let Some(container) = on.container() else {
        let silent = Refusal::new(Status::Unavailable, format!("{source} is not on the air just now."));
        return Err(silent.with("Retry-After", "10"));
    };
    if container.extension() != extension {
        let why = format!("{source} is to be heard at /live/{source}.{}.", container.extension());
        return Err(Refusal::new(Status::NotFound, why));
    }
    room(office, &on.mount)?;
    let media = media::of_name(name).unwrap_or("application/octet-stream");
    let titles = (icecast::has_titles(media) && ask.line("icy-metadata") == Some("1")).then_some(TITLES_EVERY);
    let mut head = Head::new(Status::Ok).line("Content-Type", media).line("Cache-Control", "no-cache, no-store");
    if let Some(every) = titles {
        head = head.line("icy-metaint", &every.to_string());
    }
    if ask.head_only() {
        return Ok(Answer { head: head.finish(), body: None });
    }
    Ok(Answer { head: head.finish(), body: Some(Body::Live(on.mount.listen(client(office, ask)), titles)) })
}

/// Every mount, those of the recorder's own sources for those only who may hear them.
fn rows(office: &Office, with_own: bool) -> Vec<Row> {
    let fed = office.relay.fed();
    let mut rows: Vec<Row> = fed.iter().map(|relayed| row(relayed)).collect();
    for stage in office.stages.all().iter().filter(|stage| with_own && !stage.is_station()) {
        let mount = stage.mount(View::Opus);
        let about = About {
            media: "audio/ogg".into(),
            name: stage.title.to_string(),
            bitrate: (stage.quality.bits_per_second / 1_000).to_string(),
            began: office.relay.began,
            ..About::default()
        };
        let path = format!("/live/{}.opus", stage.source);
        let (listeners, peak) = (mount.listeners(), mount.peak());
        rows.push(Row { path, about, title: stage.title.to_string(), listeners, peak, bytes_read: 0 });
    }
    for (on, container) in office.stages.on_air().iter().filter(|_| with_own).filter_map(|on| Some((on, on.container()?))) {
        let path = format!("/live/{}.{}", on.source, container.extension());
        let media = media::of_name(&path).unwrap_or_default().to_owned();
        let about = About { media, name: on.source.to_string(), began: office.relay.began, ..About::default() };
        let (listeners, peak, title) = (on.mount.listeners(), on.mount.peak(), on.mount.title().to_string());
        rows.push(Row { path, about, title, listeners, peak, bytes_read: 0 });
    }
    rows
}

fn row(relayed: &Relayed) -> Row {
    Row {
        path: relayed.path.to_string(),
        about: relayed.about().map(|about| (*about).clone()).unwrap_or_default(),
        title: relayed.mount.title().to_string(),
        listeners: relayed.mount.listeners(),
        peak: relayed.mount.peak(),
        bytes_read: relayed.bytes_read.load(Relaxed),
    }
}

fn host(ask: &Ask) -> &str {
    ask.line("host").unwrap_or("localhost")
}

/// `/status-json.xsl`.
pub fn status(office: &Office, ask: &Ask) -> Answer {
    let rows = rows(office, login::needed(office, ask).is_ok());
    let json = icecast::status_json(&rows, host(ask), office.relay.began);
    let head = Head::new(Status::Ok).line("Content-Type", "application/json").line("Cache-Control", "no-cache, no-store");
    Answer::bytes(head, json.into_bytes())
}

/// What only those do who know `admin_password`; titles those, too, who feed mounts.
pub fn admin(office: &Office, ask: &Ask, task: Task) -> Result<Answer, Refusal> {
    let settings = &office.relay.settings;
    let source = settings.source_password.as_deref().filter(|_| matches!(task, Task::Metadata { .. }));
    let wanted = [settings.admin_password.as_deref(), source];
    if wanted.iter().all(Option::is_none) {
        let why = "There is no administration here: admin_password is not set in [live].";
        return Err(Refusal::new(Status::Forbidden, why));
    }
    word(office, ask, &wanted, CHALLENGE)?;
    let relay = &office.relay;
    let of = |path: &str| relay.fed().into_iter().find(|relayed| *relayed.path == *path);
    let xml = match task {
        Task::Stats => {
            let (sources, listeners) = (relay.sources.load(Relaxed), relay.listeners.load(Relaxed));
            icecast::stats_xml(&rows(office, true), host(ask), relay.began, sources, listeners)
        }
        Task::ListMounts => icecast::mounts_xml(&rows(office, true), office.clock.mono()),
        Task::ListClients { mount } => {
            let seats = any(office, &mount).ok_or_else(no_mount)?.seats();
            icecast::clients_xml(&mount, &seats, office.clock.mono())
        }
        Task::KillClient { mount, id } => {
            let is_done = any(office, &mount).ok_or_else(no_mount)?.cut(id);
            let said = if is_done { format!("Client {id} removed") } else { format!("Client {id} not found") };
            icecast::response_xml(is_done, &said)
        }
        Task::KillSource { mount } => {
            of(&mount).ok_or_else(no_mount)?.cut();
            icecast::response_xml(true, "Source Removed")
        }
        Task::Metadata { mount, title } => {
            of(&mount).ok_or_else(no_mount)?.mount.set_title(&title);
            icecast::response_xml(true, "Metadata update successful")
        }
    };
    let head = Head::new(Status::Ok).line("Content-Type", "text/xml; charset=utf-8").line("Cache-Control", "no-store");
    Ok(Answer::bytes(head, xml.into_bytes()))
}

fn no_mount() -> Refusal {
    Refusal::new(Status::NotFound, "There is no such mount.")
}

/// A mount of the relay, or of a source of the recorder's own.
fn any(office: &Office, path: &str) -> Option<Arc<Mount>> {
    let relayed = office.relay.fed().into_iter().find(|relayed| *relayed.path == *path).map(|relayed| relayed.mount.clone());
    relayed.or_else(|| {
        let (name, end) = path.strip_prefix("/live/")?.rsplit_once('.')?;
        let is_own = |container: Container| container.extension() == end;
        if let Some(on) = office.stages.station(name).filter(|on| on.container().is_some_and(is_own)) {
            return Some(on.mount.clone());
        }
        let view = [(View::Opus, "opus"), (View::Wav, "wav")].into_iter().find(|(_, known)| *known == end)?.0;
        Some(office.stages.named(name)?.mount(view).clone())
    })
}
