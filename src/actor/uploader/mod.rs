//! The uploader of one target: sends what waits, looks after it at the far end, and has it entered.
//!
//! What waits is asked of the catalogue of each folder that is recorded to (`shelf`), one recording at a time, so that a restart
//! begins where it ended and hints may be lost. A recording counts once the target has it and the librarian has written that into
//! its sidecar; should one of the two be cut off, the same file is offered again and found to be there. Recording knows nothing of
//! this: it has low priority, a thread of its own for each target, and reads finished files only.
//!
//! A WAV may be sent as FLAC (`convert`); whatever is said of it here is still said of the WAV. With a recording go its profile and
//! its sidecar; the list of events of its day ([`events`]) follows when the day is through, and every quarter of an hour while it
//! is not.

mod convert;
mod road;
mod shelf;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use self::convert::Sent;
use self::road::Road;
pub use self::shelf::Shelf;
use self::shelf::{Next, backlog, day_of, last_days, next};
use crate::actor::side;
use crate::device::catalogue::{Waiting, local_date};
use crate::device::clock::Clock;
use crate::device::disk::{RealDisk, RealFile};
use crate::device::remote::{Manner, Parcel, Receipt, Remote, Trouble};
use crate::device::{Fault, FaultKind};
use crate::format::{ReadAt, events, repack};
use crate::message::folders::Folders;
use crate::message::library::{self, Answer, Ask, Date, FileRow, Upload, Wish};
use crate::policy::outbox::layout::EVENTS;
use crate::policy::outbox::{Backoff, Convert, Layout, Names, Order, Rate, State as Stage, Why};
use crate::policy::schedule::Hours;
use crate::status::upload::TargetStatus;
use crate::status::{ActorStatus, State};
use crate::time::{Mono, SECOND_NS, Wall};

/// Of the sidecar; of ours where another program's file has that name; of the profile.
const SIDECAR: &str = ".analysis.json";
const SECOND: &str = ".soundpost.json";
const PROFILE: &str = ".profile";
/// A day that goes on has its list of events sent so often.
const EVENTS_EVERY_NS: i64 = 15 * 60 * SECOND_NS;
/// How much waits is counted so often.
const COUNT_EVERY_NS: i64 = 30 * SECOND_NS;
/// What is not there is looked for so often.
const ABSENT_NS: i64 = 3 * SECOND_NS;

/// What the configuration says of a target.
pub struct Settings {
    pub name: Arc<str>,
    pub site: String,
    pub layout: Layout,
    pub order: Order,
    pub only_sections: bool,
    pub convert: Convert,
    pub bytes_per_second: u64,
    /// When it may send; `None`: always.
    pub hours: Option<Hours>,
}

impl Settings {
    fn waiting(&self, now: Wall) -> Waiting<'_> {
        Waiting { target: &self.name, order: self.order, only_sections: self.only_sections, now }
    }
}

pub struct Uploader {
    pub settings: Settings,
    pub remote: Box<dyn Remote>,
    /// All that are recorded to.
    pub folders: Arc<Folders>,
    /// Those of them that it knows: it begins with none, and looks for more with each step.
    pub shelves: Vec<Shelf>,
    pub clock: Arc<dyn Clock>,
    pub actor: Arc<ActorStatus>,
    pub status: Arc<TargetStatus>,
    pub stop: Arc<AtomicBool>,
    pub state: Memory,
}

/// What it remembers while it runs.
#[derive(Default)]
pub struct Memory {
    backoff: Backoff,
    rate: Option<Rate>,
    /// (source, date) whose lists of events are not there as they are now, and since when.
    days: BTreeMap<(String, Date), Mono>,
    is_told: bool,
    absent_until: Option<Mono>,
    counted_at: Option<Mono>,
}

/// What came of a look for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was sent: there may be more.
    Sent,
    Rest,
}

impl Uploader {
    /// Until it is to stop, or nobody answers any more. `life` is the one that the thread was started for.
    pub fn run(&mut self, life: u32) {
        // What is recorded comes first.
        let _ = rustix::process::setpriority_process(None, 12);
        while self.goes_on(life) {
            self.actor.begin();
            if self.step(life) == Step::Rest {
                side::rest(&self.actor, || self.goes_on(life));
            }
        }
    }

    fn goes_on(&self, life: u32) -> bool {
        side::goes_on(&self.actor, &self.stop, life) && self.folders.are_kept()
    }

    /// One recording, or one list of events, or nothing.
    pub fn step(&mut self, life: u32) -> Step {
        self.shelves.extend(self.folders.after(self.shelves.len()).into_iter().map(Shelf::new));
        let now = self.clock.look();
        if self.settings.hours.as_mut().is_some_and(|hours| !hours.is_on(now.wall)) {
            self.show("held");
            return Step::Rest;
        }
        let mono = self.clock.mono();
        self.count(mono, now.wall);
        if self.state.backoff.again(mono).is_some() || self.state.absent_until.is_some_and(|until| until > mono) {
            return Step::Rest;
        }
        let days = last_days(&mut self.shelves, &self.settings.name, 2 * EVENTS_EVERY_NS);
        self.state.days.extend(days.into_iter().map(|day| (day, mono)));
        let Ok(next) = next(&mut self.shelves, &self.settings, now.wall) else { return Step::Rest };
        if next.is_some() && self.status.look().backlog_files == 0 {
            self.state.counted_at = None;
            self.count(mono, now.wall);
        }
        let due = self.due(mono, next.is_none());
        self.actor.enter(State::Device);
        if let (None, None) = (&next, &due) {
            return self.pause();
        }
        if let Err(fault) = self.remote.look() {
            return self.settle(Err(fault.into()), None);
        }
        match (due, &next) {
            (Some(day), _) => {
                let sent = self.send_events(&day, life);
                self.settle(sent, None)
            }
            (None, Some(next)) => {
                let sent = self.send(next, life);
                self.settle(sent, Some(next))
            }
            (None, None) => Step::Rest,
        }
    }

    /// A day whose list of events is to be sent now.
    fn due(&self, now: Mono, is_idle: bool) -> Option<(String, Date)> {
        let due = |since: &Mono| is_idle || now.since(*since) >= EVENTS_EVERY_NS;
        self.state.days.iter().find(|(_, since)| due(since)).map(|(day, _)| day.clone())
    }

    /// Nothing waits.
    fn pause(&mut self) -> Step {
        if self.state.is_told {
            // A stick that was pulled and comes back holds what it held, or is another.
            let is_there = self.remote.look().is_ok();
            self.show(if is_there { "waiting" } else { "absent" });
            if !is_there {
                self.status.change(|row| row.note = None);
            }
            self.state.is_told = is_there;
            return Step::Rest;
        }
        match self.remote.rest() {
            Ok(note) => {
                self.state.is_told = true;
                self.status.change(|row| row.note = note);
                self.show("waiting");
                Step::Rest
            }
            Err(fault) => self.settle(Err(fault.into()), None),
        }
    }

    fn settle(&mut self, sent: Result<(), Trouble>, next: Option<&Next>) -> Step {
        let (mono, wall) = (self.clock.mono(), self.clock.look().wall);
        match sent {
            Ok(()) => {
                self.state.backoff.worked();
                self.status.alarm.clear();
                self.status.change(|row| (row.trouble, row.again_at) = (None, None));
                Step::Sent
            }
            Err(Trouble::Halted) => Step::Rest,
            Err(Trouble::File(why)) => {
                if let Some((shelf, row)) = next {
                    log::warn!(target: "uploader", "{}: {}: {why}", self.settings.name, row.name);
                    let (name, target) = (row.name.clone(), self.settings.name.to_string());
                    self.status.change(|shown| shown.trouble = Some(format!("{}: {why}", row.name)));
                    if self.ask(*shelf, Wish::Unwanted { name, target, why }).is_ok() {
                        return Step::Sent;
                    }
                }
                Step::Rest
            }
            Err(Trouble::Target(fault)) => {
                self.failed(&fault, mono, wall);
                Step::Rest
            }
        }
    }

    fn failed(&mut self, fault: &Fault, mono: Mono, wall: Wall) {
        self.state.is_told = false;
        let was_told = self.status.look().trouble.as_deref() == Some(&fault.what);
        if !was_told && !self.stop.load(Relaxed) {
            log::warn!(target: "uploader", "{}: {fault}", self.settings.name);
        }
        if fault.kind == FaultKind::Gone {
            // A medium that nobody has put in is nothing to worry about.
            self.state.absent_until = Some(mono.plus_ns(ABSENT_NS));
            self.show("absent");
            self.status.change(|row| (row.trouble, row.note) = (Some(fault.what.clone()), None));
            return;
        }
        let why = match fault.kind {
            FaultKind::Refused | FaultKind::Config => Why::Refused,
            FaultKind::Retry | FaultKind::Gone | FaultKind::Stalled | FaultKind::Full => Why::Failed,
        };
        self.state.backoff.failed(why, mono, RandomState::new().build_hasher().finish() as u32);
        if why == Why::Refused || fault.kind == FaultKind::Full || self.state.backoff.is_alarming(mono) {
            self.status.alarm.raise(format_args!("uploads do not get there: {fault}"));
        }
        let again = self.state.backoff.again(mono).map(|at| wall.plus_ns(at.since(mono)));
        self.show("failing");
        self.status.change(|row| (row.trouble, row.again_at, row.note) = (Some(fault.what.clone()), again, None));
    }

    fn show(&self, state: &'static str) {
        self.status.change(|row| {
            (row.state, row.part, row.parts) = (state, 0, 0);
            row.file = None;
        });
    }

    fn count(&mut self, mono: Mono, now: Wall) {
        if self.state.counted_at.is_some_and(|at| mono.since(at) < COUNT_EVERY_NS) {
            return;
        }
        let Some(backlog) = backlog(&mut self.shelves, &self.settings, now) else { return };
        self.state.counted_at = Some(mono);
        self.status.change(|row| (row.backlog_files, row.backlog_bytes) = (backlog.files, backlog.bytes));
    }

    /// A recording and what belongs to it, looked after and entered.
    fn send(&mut self, next: &Next, life: u32) -> Result<(), Trouble> {
        let (shelf, row) = next;
        let Some(Shelf { root, analyses, .. }) = self.shelves.get(*shelf) else { return Ok(()) };
        let (path, beside) = (root.join(&row.name), |ending: &str| analyses.join(format!("{}{ending}", row.name)));
        let (profile, sidecars) = (beside(PROFILE), [SECOND, SIDECAR].map(beside));
        self.status.change(|shown| (shown.file, shown.note) = (Some(row.name.clone()), None));
        self.state.is_told = false;
        let file = RealDisk.open_to_read(&path);
        let file = file.map_err(|e| self.look_again(next, &format!("cannot be read: {e}")))?;
        if file.len().ok() != Some(row.bytes) {
            return Err(self.look_again(next, "is another than the catalogue says"));
        }
        let sent = self.prepared(row, &file, life)?;
        let (name, body) = (sent.name(&row.name), sent.body());
        let bytes = body.len().map_err(|e| Trouble::File(format!("cannot be read: {e}")))?;
        let date = local_date(row.start, row.utc_offset_s);
        let names = Names { site: &self.settings.site, source: &row.source, date: &date, file: name };
        let key = self.settings.layout.key(&names).ok_or_else(|| Trouble::File("its name is too long for any server".into()))?;
        let parcel = Parcel { key: &key, bytes, media: media(name), body, manner: Manner::Beside };
        let Receipt { key, checksum } = self.post(&parcel, Some(next), life)?;
        let sidecar = sidecars.iter().find(|path| path.exists());
        self.send_beside(&profile, &format!("{key}{PROFILE}"), "application/octet-stream", life)?;
        if let Some(path) = sidecar {
            self.send_sidecar(path, &format!("{key}{SIDECAR}"), sent.is_converted().then_some(row.bytes), life)?;
        }
        let sent_bytes = sent.is_converted().then_some(bytes);
        let target = self.settings.name.to_string();
        let copy = Box::new(Upload { target, at: self.clock.look().wall, key, bytes: row.bytes, sent_bytes, checksum });
        match self.ask(*shelf, Wish::Uploaded { name: row.name.clone(), copy }) {
            Ok(_) => {}
            // Deleted or written to meanwhile: nothing counts.
            Err(library::Trouble::Absent | library::Trouble::Open) => return Ok(()),
            Err(trouble) => {
                let text = format!("{}: it is there, which cannot be entered ({trouble:?})", row.name);
                return Err(Fault::new(FaultKind::Retry, text).into());
            }
        }
        log::info!(target: "uploader", "{}: {} uploaded", self.settings.name, row.name);
        let (mono, wall) = (self.clock.mono(), self.clock.look().wall);
        self.state.days.entry((row.source.clone(), date)).or_insert(mono);
        self.state.counted_at = None;
        self.status.change(|shown| {
            shown.uploaded_files += 1;
            shown.uploaded_at = Some(wall);
        });
        Ok(())
    }

    /// What is sent of it.
    fn prepared<'a>(&self, row: &FileRow, file: &'a RealFile, life: u32) -> Result<Sent<'a>, Trouble> {
        if self.settings.convert == Convert::No {
            return Ok(Sent::as_it_is(file));
        }
        self.show(Stage::Converting.name());
        self.status.change(|shown| shown.file = Some(row.name.clone()));
        Sent::as_flac(file, &row.name, || {
            self.actor.beat();
            self.goes_on(life)
        })
    }

    /// The catalogue is behind; the librarian is told, and the recording is offered again.
    fn look_again(&self, (shelf, row): &Next, why: &str) -> Trouble {
        let look = Ask { wish: Wish::Look { name: row.name.clone() }, reply: None };
        let _ = self.shelves.get(*shelf).map(|shelf| shelf.asks.try_send(look));
        Trouble::Target(Fault::new(FaultKind::Gone, format!("{}: {why}", row.name)))
    }

    fn send_beside(&mut self, path: &Path, key: &str, media: &'static str, life: u32) -> Result<(), Trouble> {
        // What is not there need not be sent.
        let Ok(file) = RealDisk.open_to_read(path) else { return Ok(()) };
        let Ok(bytes) = file.len() else { return Ok(()) };
        self.post(&Parcel { key, bytes, media, body: &file, manner: Manner::Instead }, None, life).map(|_| ())
    }

    /// Of a recording; of one that was converted, the length of the WAV.
    fn send_sidecar(&mut self, path: &Path, key: &str, converted: Option<u64>, life: u32) -> Result<(), Trouble> {
        const MEDIA: &str = "application/json";
        let told = converted.and_then(|wav_bytes| repack::sidecar(&std::fs::read(path).ok()?, wav_bytes));
        let Some(told) = told else { return self.send_beside(path, key, MEDIA, life) };
        let parcel = Parcel { key, bytes: told.len() as u64, media: MEDIA, body: &told, manner: Manner::Instead };
        self.post(&parcel, None, life).map(|_| ())
    }

    fn send_events(&mut self, day: &(String, Date), life: u32) -> Result<(), Trouble> {
        let (source, date) = day;
        let Settings { site, layout, .. } = &self.settings;
        let names = Names { site, source, date, file: EVENTS };
        let (Some(key), Some((files, gaps))) =
            (layout.events_key(&names), day_of(&mut self.shelves, &self.settings, source, date))
        else {
            self.state.days.remove(day);
            return Ok(());
        };
        let text = events::lines(site, source, date, &files, &gaps);
        drop(files);
        let body = text.as_bytes();
        let parcel =
            Parcel { key: &key, bytes: body.len() as u64, media: "application/x-ndjson", body: &body, manner: Manner::Instead };
        let sent = self.post(&parcel, None, life).map(|_| ());
        if !matches!(sent, Err(Trouble::Target(_) | Trouble::Halted)) {
            self.state.days.remove(day);
        }
        sent
    }

    fn post(&mut self, parcel: &Parcel, next: Option<&Next>, life: u32) -> Result<Receipt, Trouble> {
        let mut recording = None;
        let mut token = None;
        if let Some((shelf, row)) = next.and_then(|(n, row)| Some((self.shelves.get_mut(*n)?, row))) {
            token = shelf.reader.upload_token(row, &self.settings.name).ok().flatten();
            recording = Some((row.name.as_str(), &shelf.asks));
        }
        let rate = self.state.rate.get_or_insert_with(|| Rate::new(self.settings.bytes_per_second));
        let mut road = Road {
            rate,
            hours: self.settings.hours.as_mut(),
            clock: &*self.clock,
            actor: &self.actor,
            life,
            stop: &self.stop,
            status: &self.status,
            target: &self.settings.name,
            recording,
            token,
            looked_at: None,
        };
        self.remote.send(parcel, &mut road)
    }

    fn ask(&self, shelf: usize, wish: Wish) -> Result<Answer, library::Trouble> {
        let asks = self.shelves.get(shelf).map(|shelf| &shelf.asks).ok_or(library::Trouble::Absent)?;
        side::ask(&self.actor, asks, wish, State::Device)
    }
}

fn media(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "aac" => "audio/aac",
        "ogg" | "opus" | "oga" => "audio/ogg",
        _ => "application/octet-stream",
    }
}
