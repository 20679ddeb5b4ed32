//! The seats with which recordings are looked through: the page, the librarian, the backlog, and the herald between them. The
//! same whether something is recorded beside them or not.
//!
//! | seat | thread | reads | writes | when its output is full |
//! |---|---|---|---|---|
//! | gate | own, tasks | the port | workers' socket, browsers | the browser is waited for, and cut off |
//! | http | own, and one more | the gate's socket | the desk, wishes | answers 503 |
//! | librarian | own | wishes | catalogue, sidecars, events | slow listeners lose |
//! | backlog | own, low priority | unanalysed recordings | wishes | waits |
//! | uploader (beside a recorder only, one a target) | own, low priority | finished files, catalogue | a target elsewhere, wishes | waits |
//! | live (beside a recorder only) | own | captures, while somebody looks or listens | mounts | old sound gives way |
//! | herald | own | events, finished files, levels | browsers' events, wishes | drops |

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

use super::backlog::{Backlog, Progress};
use super::health::Rounds;
use super::library::{self, Shelves, Sources};
use super::live;
use super::page::Page;
use super::retention;
use super::upload;
use crate::actor::http;
use crate::actor::http::clerk::Clerk;
use crate::actor::http::library::Library;
use crate::actor::librarian;
use crate::actor::librarian::retention::Keeping;
use crate::actor::store::parse_gap_line;
use crate::config::settings::{Live, Web};
use crate::device::Fault;
use crate::device::clock::{Clock, RealClock};
use crate::device::service::RuntimeFolder;
use crate::device::turns::Turns;
use crate::message::analysis::Detection;
use crate::message::folders::Folders;
use crate::message::handover::Hub;
use crate::message::library::{Ask, Event, Meter};
use crate::message::live::Stages;
use crate::message::news::Listener;
use crate::message::page::{Alarm, SourceStatus, Status};
use crate::message::relay;
use crate::policy::split::Zone;
use crate::status::{ActorStatus, Alarms};
use crate::supervisor::{Body, Role, Seat};
use crate::web::{json, report};

pub const STACK: usize = 512 << 10;
/// Wishes that may wait for the librarian.
pub const ASKS: usize = 64;
/// Finished files that may wait to be looked at; a scan finds what does not fit.
pub const RECORDED: usize = 64;
/// Between two looks through the folder.
pub const SCAN_EVERY: Duration = Duration::from_secs(60);
/// A disk may stand still for so long.
pub const LIMIT_MS: u64 = 120_000;
/// How often levels are told, and how soon an end is noticed.
const BEAT: Duration = Duration::from_millis(500);
/// How often the state is written down as text.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Of the catalogue: the librarian's connection and the workers', each with its cache and what SQLite needs besides.
const CATALOGUE_BYTES: usize = 2 * CONNECTION;
/// To the catalogue.
pub const CONNECTION: usize = 512 << 10;
/// A connection while it is read from, answered and carried: head, pieces, and the rest of its task.
const CONNECTION_BYTES: usize = 48 << 10;

/// One who hears a mount: a task that holds a cursor.
const LISTENER_BYTES: usize = 4 << 10;
/// One who feeds a mount: what has been read, headers, and framing.
const SOURCE_BYTES: usize = 128 << 10;

/// What the page weighs when all its connections are busy.
#[derive(Clone, Copy, Debug)]
pub struct PageRow {
    pub connections: usize,
    /// Of mounts, at a time.
    pub listeners: usize,
    /// Mounts that others may feed, at a time.
    pub mounts: usize,
}

impl PageRow {
    /// Gate, librarian, backlog, herald, the workers and the server that they work for.
    pub const THREADS: usize = 4 + http::WORKERS + http::SERVER_THREADS;

    pub fn bytes(self) -> usize {
        let carried = self.connections * CONNECTION_BYTES + self.listeners * LISTENER_BYTES;
        PageRow::THREADS * STACK + CATALOGUE_BYTES + carried + self.mounts * (relay::MANNER.ring + SOURCE_BYTES)
    }
}

impl fmt::Display for PageRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PageRow { connections, listeners, mounts } = self;
        write!(f, "{} threads, catalogue, {connections} connections, {listeners} listeners, {mounts} mounts", PageRow::THREADS)
    }
}

/// Where everything is.
#[derive(Clone)]
pub struct Place {
    pub root: PathBuf,
    pub analyses: PathBuf,
    pub catalogue: PathBuf,
    pub read_only: bool,
}

pub struct Plan {
    pub place: Place,
    pub settings: library::Settings,
    pub sources: Sources,
    pub alarms: Arc<Alarms>,
    /// Of the librarian: others may have wishes too.
    pub asks: (Sender<Ask>, Receiver<Ask>),
    /// That of the place, and all that are recorded to.
    pub folders: Arc<Folders>,
    /// `None`: nothing is ever deleted by itself.
    pub retention: Option<Keeping>,
    /// Paths of files that the store began, finished or analysed.
    pub recorded: Receiver<PathBuf>,
    /// Who runs programs for recordings, which wait for their analysis.
    pub told: Option<Sender<PathBuf>>,
    pub stop: Arc<AtomicBool>,
    /// With whoever writes sidecars besides.
    pub turns: Arc<Turns>,
    /// Of the seats: side ones beside a recorder.
    pub role: Role,
    /// What is recorded beside it.
    pub live: Option<live::Plan>,
    /// Where recordings are sent.
    pub uploads: Option<upload::Plan>,
    /// Who keeps the configuration.
    pub clerk: Option<Arc<dyn Clerk>>,
    /// To look after sources and board, beside a recorder.
    pub rounds: Option<Rounds>,
}

struct Shared {
    place: Place,
    folders: Arc<Folders>,
    told: Option<Sender<PathBuf>>,
    zone: Zone,
    librarian: Arc<librarian::Shared>,
    turns: Arc<Turns>,
    role: Role,
    retention: Option<Keeping>,
    targets: Vec<String>,
}

/// The seats, and the port that the page has. The page is open when this returns; where it cannot be opened, the seats are those
/// that there are without one.
pub fn seats(web: &Web, relay: &Live, plan: Plan) -> (Vec<Seat>, Result<u16, Fault>) {
    let Plan {
        place,
        settings,
        sources,
        alarms,
        asks: (asks, inbox),
        folders,
        retention,
        recorded,
        told,
        stop,
        turns,
        role,
        live,
        uploads,
        clerk,
        rounds,
    } = plan;
    let targets = uploads.as_ref().map(upload::Plan::names).unwrap_or_default();
    let (zone, librarian) = (settings.zone.clone(), Arc::default());
    let shared = Shared { place, folders, told, zone, librarian, turns, role, targets, retention };
    alarms.watch("", &shared.librarian.stuck);
    let (progress, hub) = (Arc::new(Progress::default()), Arc::new(Hub::default()));
    let detection = settings.detection;
    let shelves = Shelves::new(settings, asks.clone(), shared.librarian.clone(), progress.clone(), sources, alarms).with(clerk);
    let shelves: Arc<dyn Library> = Arc::new(shelves);
    let stages = live.as_ref().map(|plan| plan.stages.clone()).unwrap_or_default();
    let preview = live.as_ref().and_then(|plan| plan.preview.clone());
    let page = match Page::open(web, relay, shelves.clone(), hub.clone(), stages.clone(), preview) {
        Ok(page) => Arc::new(page),
        Err(fault) => return (alone(&shared, detection, inbox, &stop, &progress, uploads), Err(fault)),
    };
    let port = page.port();
    let events = shared.librarian.news.listen();
    let mut seats = vec![librarian_seat(&shared, inbox), page_seat(&shared, "gate", &page), page_seat(&shared, "http", &page)];
    seats.extend(backlog_seat(&shared, detection, &stop, &progress));
    let uploads = uploads.map(|plan| plan.seats(&shared.place.root, &shared.zone, &stop));
    seats.extend(uploads.into_iter().flatten());
    seats.extend(live.map(|plan| live::seat(plan, &hub)));
    let folders = shared.folders.clone();
    let herald = Arc::new(Herald { events, recorded, folders, hub, shelves, stages, page, rounds, stop });
    seats.push(seat(&shared, "herald", move |actor, life| {
        let herald = herald.clone();
        Box::new(move || {
            herald.run(&actor, life);
            Ok(())
        })
    }));
    (seats, Ok(port))
}

/// Where there is no page: who keeps the catalogue and analyses, and whoever uploads by it. What is recorded is found by the librarian's own
/// looks.
pub fn without_page(plan: Plan) -> Vec<Seat> {
    let Plan { place, settings, alarms, asks: (_, inbox), folders, retention, told, stop, turns, role, uploads, .. } = plan;
    let targets = uploads.as_ref().map(upload::Plan::names).unwrap_or_default();
    let (zone, librarian) = (settings.zone.clone(), Arc::default());
    let shared = Shared { place, folders, told, zone, librarian, turns, role, targets, retention };
    alarms.watch("", &shared.librarian.stuck);
    alone(&shared, settings.detection, inbox, &stop, &Arc::default(), uploads)
}

fn alone(
    shared: &Shared,
    detection: Detection,
    inbox: Receiver<Ask>,
    stop: &Arc<AtomicBool>,
    progress: &Arc<Progress>,
    uploads: Option<upload::Plan>,
) -> Vec<Seat> {
    let mut seats = vec![librarian_seat(shared, inbox)];
    seats.extend(backlog_seat(shared, detection, stop, progress));
    seats.extend(uploads.into_iter().flat_map(|plan| plan.seats(&shared.place.root, &shared.zone, stop)));
    seats
}

/// None where nothing may be written.
fn backlog_seat(shared: &Shared, detection: Detection, stop: &Arc<AtomicBool>, progress: &Arc<Progress>) -> Option<Seat> {
    if shared.place.read_only && shared.place.analyses.starts_with(&shared.place.root) {
        return None;
    }
    let (folders, told, stop, progress) = (shared.folders.clone(), shared.told.clone(), stop.clone(), progress.clone());
    let is_patient = shared.role == Role::Side;
    Some(seat(shared, "backlog", move |actor, life| {
        let (folders, told, stop, progress) = (folders.clone(), told.clone(), stop.clone(), progress.clone());
        let backlog = Backlog { folders, detection, is_patient, progress, told, actor, stop };
        Box::new(move || {
            backlog.run(life);
            Ok(())
        })
    }))
}

fn seat(shared: &Shared, name: &str, mut body: impl FnMut(Arc<ActorStatus>, u32) -> Body + 'static) -> Seat {
    let actor = Arc::new(ActorStatus::default());
    let row = actor.clone();
    Seat::new(name, actor, (STACK, LIMIT_MS), shared.role, move || body(row.clone(), row.life()))
}

fn librarian_seat(shared: &Shared, inbox: Receiver<Ask>) -> Seat {
    let news = shared.librarian.clone();
    let Shared { place: Place { root, analyses, catalogue, read_only }, zone, turns, retention, targets, .. } = shared;
    let settings = librarian::Settings {
        root: root.clone(),
        analyses: analyses.clone(),
        catalogue: catalogue.clone(),
        read_only: *read_only,
        scan_every: SCAN_EVERY,
        zone: zone.clone(),
        software: concat!("soundpost ", env!("CARGO_PKG_VERSION")).to_owned(),
        parse_gap: parse_gap_line,
        turns: turns.clone(),
        retention: retention.clone(),
        targets: targets.clone(),
    };
    let make = librarian(settings, news, inbox);
    seat(shared, "librarian", move |_, _| make())
}

/// Makes one after another.
pub fn librarian(settings: librarian::Settings, shared: Arc<librarian::Shared>, inbox: Receiver<Ask>) -> impl Fn() -> Body {
    // One at a time, whatever becomes of its predecessor.
    let busy = Arc::new(Mutex::new(()));
    move || {
        let (settings, shared, inbox, busy) = (settings.clone(), shared.clone(), inbox.clone(), busy.clone());
        Box::new(move || {
            let _busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(mut librarian) = retention::opened(&settings, &shared, &inbox) else { return Ok(()) };
            librarian::run(&inbox, &mut librarian, &|| RealClock.look().wall);
            Ok(())
        })
    }
}

fn page_seat(shared: &Shared, name: &str, page: &Arc<Page>) -> Seat {
    let (page, is_gate) = (page.clone(), name == "gate");
    seat(shared, name, move |_, _| if is_gate { Box::new(page.gate()) } else { Box::new(page.workers()) })
}

/// Carries what happened to those who look, and what the store finished to the librarian; looks after sources and board meanwhile,
/// and ends the page with the program.
struct Herald {
    events: Listener,
    recorded: Receiver<PathBuf>,
    folders: Arc<Folders>,
    hub: Arc<Hub>,
    shelves: Arc<dyn Library>,
    /// Sources whose levels are told by live, ten times a second.
    stages: Arc<Stages>,
    page: Arc<Page>,
    rounds: Option<Rounds>,
    stop: Arc<AtomicBool>,
}

enum Heard {
    Event(Event),
    Recorded(PathBuf),
    Nothing,
}

impl Herald {
    /// Until a stop, or until the thread has been left behind; `life` is the one that it was started for.
    fn run(&self, actor: &ActorStatus, life: u32) {
        let (mut told, mut report) = (Vec::new(), Report::new());
        while !self.stop.load(Relaxed) {
            match self.listen() {
                Heard::Event(event) => self.hub.tell(&json::event(&event)),
                Heard::Recorded(path) => self.folders.look_at(&path),
                Heard::Nothing => self.tell_state(&mut told),
            }
            report.write(&*self.shelves);
            self.rounds.iter().for_each(|rounds| rounds.walk(actor));
            if !actor.lives(life) {
                return;
            }
        }
        self.page.stop();
    }

    fn listen(&self) -> Heard {
        let event = async {
            match self.events.events.recv().await {
                Ok(event) => Heard::Event(event),
                Err(_) => std::future::pending().await, // the librarian's end is heard of otherwise
            }
        };
        let recorded = async {
            match self.recorded.recv().await {
                Ok(path) => Heard::Recorded(path),
                Err(_) => std::future::pending().await, // nothing is recorded here
            }
        };
        let beat = async {
            smol::Timer::after(BEAT).await;
            Heard::Nothing
        };
        smol::future::block_on(smol::future::or(event, smol::future::or(recorded, beat)))
    }

    /// Levels, and alarms that were not `told` or have ended.
    fn tell_state(&self, told: &mut Vec<Alarm>) {
        if !self.hub.is_heard() {
            return;
        }
        let Status { sources, alarms, .. } = self.shelves.status();
        let is_in = |list: &[Alarm], alarm: &Alarm| list.iter().any(|other| other.text == alarm.text);
        let over = told.iter().filter(|alarm| !is_in(&alarms, alarm)).map(|alarm| (alarm, true));
        let new = alarms.iter().filter(|alarm| !is_in(told, alarm)).map(|alarm| (alarm, false));
        for (Alarm { since, text }, over) in over.chain(new) {
            self.hub.tell(&json::event(&Event::Alarm { since: *since, text: text.clone(), over }));
        }
        *told = alarms;
        let stages = self.stages.all();
        stages.iter().for_each(|stage| stage.want());
        let is_live = |name: &str| stages.iter().any(|stage| *stage.source == *name);
        let recording = sources.into_iter().filter(|source| source.state.is_heard() && !is_live(&source.name));
        let meter =
            |source: SourceStatus| Meter { source: source.name, level: source.level, peak: source.peak, is_clipped: false };
        let levels: Vec<_> = recording.map(meter).collect();
        if !levels.is_empty() {
            self.hub.tell(&json::event(&Event::Level(levels)));
        }
    }
}

/// Writes the state down, where a service manager has made room for it.
struct Report {
    folder: Option<RuntimeFolder>,
    last: Option<Instant>,
}

impl Report {
    fn new() -> Report {
        Report { folder: RuntimeFolder::of_environment(), last: None }
    }

    /// Soon after the start, then every [`REPORT_EVERY`]; a folder that does not take it is told of once.
    fn write(&mut self, shelves: &dyn Library) {
        let Some(folder) = &self.folder else { return };
        if self.last.is_some_and(|last| last.elapsed() < REPORT_EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        if let Err(e) = folder.publish(&report::text(&shelves.status())) {
            log::warn!("the state cannot be written into RUNTIME_DIRECTORY: {e}");
            self.folder = None;
        }
    }
}
