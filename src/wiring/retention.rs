//! Who deletes what, where: each folder that is recorded to has a librarian that makes room in it. That of the page does it beside
//! its other work; any other folder has one for this alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};

use super::review::{self, ASKS};
use super::{Feed, Table, start};
use crate::actor::librarian::retention::{How, Keeping};
use crate::actor::librarian::{self, Librarian};
use crate::actor::store::parse_gap_line;
use crate::command::rebuild::Headers;
use crate::config::storage::{Kept, WhenFull};
use crate::config::{Config, SourceConfig};
use crate::device::catalogue::Failure;
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::real_path;
use crate::device::folder::room;
use crate::device::scratch::Scratch;
use crate::device::turns::Turns;
use crate::message::Container;
use crate::message::analysis::Centibel;
use crate::message::folders::{Folder, Folders};
use crate::message::library::{Ask, Trouble, Wish};
use crate::policy::retention::{Age, Rules, Source};
use crate::policy::split::Zone;
use crate::status::Alarms;
use crate::supervisor::Seat;

/// One librarian without a page: thread and connection.
pub const BYTES: usize = review::STACK + review::CONNECTION;

/// What FLAC leaves of samples, at most, in nature.
const FLAC_SHARE: f64 = 0.7;
/// A disk on which a catalogue can be begun.
const ROOM_BYTES: u64 = 1 << 20;
/// Room that is made whatever the configuration says.
const LEAST_BYTES: u64 = 1 << 20;
/// Until a folder that cannot be kept is tried again: at first, and then.
const SOON: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(10);

/// One folder.
pub struct Keeper {
    pub root: PathBuf,
    pub keeping: Keeping,
    asks: (Sender<Ask>, Receiver<Ask>),
}

/// All of them; that of the page, if there is one, first.
pub struct Keepers {
    each: Vec<Keeper>,
    /// And of folders that are recorded to since the configuration was changed: all who work through recordings look here.
    pub folders: Arc<Folders>,
    /// Of all who write sidecars.
    pub turns: Arc<Turns>,
}

impl Keeper {
    /// `here`: the sources that record to it, each with its bytes an hour.
    fn new(root: PathBuf, config: &Config, here: &[(&SourceConfig, f64)]) -> Keeper {
        let tiers = super::reducer::tiers(config, here);
        let keeping = Keeping { rules: rules(config, here), tiers, is_clock_right: || RealClock.look().synced };
        Keeper { root, keeping, asks: async_channel::bounded(ASKS) }
    }

    /// Both ends of its wishes.
    pub fn asks(&self) -> (Sender<Ask>, Receiver<Ask>) {
        self.asks.clone()
    }

    fn folder(&self, config: &Config) -> Folder {
        let root = self.root.clone();
        Folder { analyses: analyses(config, &root), catalogue: root.join("catalogue.db"), root, asks: self.asks.0.clone() }
    }
}

impl Keepers {
    pub fn new(config: &Config, table: &Table) -> Keepers {
        let keeper = |root: PathBuf| {
            let here = start::recorded(config).zip(&table.lanes).filter(|(source, _)| folder(source) == root);
            let here: Vec<(&SourceConfig, f64)> = here.map(|(source, row)| (source, expected(row.feed))).collect();
            Keeper::new(root, config, &here)
        };
        let each: Vec<Keeper> = folders(config).into_iter().map(keeper).collect();
        let folders: Arc<Folders> = Arc::default();
        each.iter().for_each(|keeper| folders.add(keeper.folder(config)));
        Keepers { each, folders, turns: Arc::default() }
    }

    /// Who makes room in the folder of a source that is recorded from now on; nobody new if it is kept already.
    pub fn more(&self, config: &Config, source: &SourceConfig, feed: Feed, alarms: &Alarms) -> Option<Seat> {
        let root = folder(source);
        if self.wishes(&root).is_some() {
            return None;
        }
        let keeper = Keeper::new(root, config, &[(source, expected(feed))]);
        let seat = seat(&keeper, config, &self.turns, alarms);
        alarms.watch(&seat.name, &seat.actor.given_up);
        self.folders.add(keeper.folder(config));
        Some(seat)
    }

    /// Where wishes for this folder go.
    pub fn wishes(&self, root: &Path) -> Option<Sender<Ask>> {
        self.folders.wishes(root)
    }

    pub fn of(&self, root: &Path) -> Option<&Keeper> {
        self.each.iter().find(|keeper| keeper.root == root)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Keeper> {
        self.each.iter()
    }

    /// A seat for each folder, but for that of the page where there is one. They end with the store.
    pub fn seats(&self, config: &Config, has_page: bool, alarms: &Alarms) -> Vec<Seat> {
        let alone = self.each.iter().filter(|keeper| !(has_page && keeper.root == page_folder(config)));
        alone.map(|keeper| seat(keeper, config, &self.turns, alarms)).collect()
    }
}

/// Each folder that is recorded to, and that of the page.
pub fn folders(config: &Config) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        (config.web.enabled || !config.uploads.is_empty()).then(|| page_folder(config)).into_iter().collect();
    for root in start::recorded(config).map(folder) {
        if !folders.contains(&root) {
            folders.push(root);
        }
    }
    folders
}

fn page_folder(config: &Config) -> PathBuf {
    real_path(&config.general.lane.output_directory)
}

fn folder(source: &SourceConfig) -> PathBuf {
    real_path(&source.lane.output_directory)
}

/// Where what is known of the recordings of a folder lies.
pub fn analyses(config: &Config, root: &Path) -> PathBuf {
    config.analysis.analyses_dir.as_deref().map_or_else(|| root.join("analyses"), real_path)
}

/// Bytes an hour of a lane that has recorded nothing yet.
pub fn expected(feed: Feed) -> f64 {
    let share = if let Feed::Sound(_, Container::Flac) = feed { FLAC_SHARE } else { 1.0 };
    feed.bytes_per_second() as f64 * 3_600.0 * share
}

/// Of the sources of one folder, each with its bytes an hour.
pub fn rules(config: &Config, here: &[(&SourceConfig, f64)]) -> Rules {
    let storage = &config.storage;
    let age = |kept: &Kept| Age { days: kept.retention_days, only_uploaded: kept.expire_only_uploaded };
    let kept = || here.iter().map(|(source, _)| source.kept);
    let usual = if here.is_empty() { Some(storage.kept) } else { None };
    let sources = here.iter().map(|(source, bytes)| Source {
        name: source.name.clone(),
        age: age(&source.kept),
        expected_bytes_per_hour: *bytes,
    });
    Rules {
        min_free_hours: kept().chain(usual).map(|kept| kept.min_free_hours).fold(0.0, f64::max),
        // A little, or a full disk would be looked at and nothing freed.
        min_free_bytes: kept().chain(usual).map(|kept| kept.min_free_bytes).max().unwrap_or(0).max(LEAST_BYTES),
        makes_room: storage.when_full == WhenFull::Delete,
        high_score: Centibel::of_db(storage.high_score_db),
        sources: sources.collect(),
        others: age(&storage.kept),
    }
}

pub fn settings(root: PathBuf, config: &Config, turns: Arc<Turns>, keeping: Keeping) -> librarian::Settings {
    librarian::Settings {
        analyses: analyses(config, &root),
        catalogue: root.join("catalogue.db"),
        root,
        read_only: false,
        scan_every: review::SCAN_EVERY,
        zone: Zone::system(),
        software: concat!("soundpost ", env!("CARGO_PKG_VERSION")).to_owned(),
        parse_gap: parse_gap_line,
        turns,
        retention: Some(keeping),
        targets: config.uploads.iter().map(|target| target.name.clone()).collect(),
    }
}

fn seat(keeper: &Keeper, config: &Config, turns: &Arc<Turns>, alarms: &Alarms) -> Seat {
    let settings = settings(keeper.root.clone(), config, turns.clone(), keeper.keeping.clone());
    let shared: Arc<librarian::Shared> = Arc::default();
    alarms.watch(&keeper.root.display().to_string(), &shared.stuck);
    let make = review::librarian(settings, shared, keeper.asks().1);
    Seat::side("librarian", Arc::default(), (review::STACK, review::LIMIT_MS), make)
}

/// A librarian, as soon as its folder lets there be one; `None` when nobody has wishes any more.
pub fn opened(settings: &librarian::Settings, shared: &Arc<librarian::Shared>, inbox: &Receiver<Ask>) -> Option<Librarian> {
    for tries in 0_u32.. {
        let why = match Librarian::open(settings.clone(), Box::new(Headers), shared.clone()) {
            Ok(librarian) => return Some(librarian),
            Err(why) => why,
        };
        if settings.retention.is_some() && !settings.read_only {
            match make_room_first(settings, shared) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(why) => log::warn!(target: "librarian", "{}: no room can be made: {why}", settings.root.display()),
            }
        }
        // The store may be about to make the folder; and what is wrong with that is told by the store.
        if tries == 1 && is_writable(&settings.root) {
            log::warn!(target: "librarian", "{}: {why}; it is tried again", settings.root.display());
        }
        if !wait(inbox, if tries == 0 { SOON } else { AGAIN }) {
            return None;
        }
    }
    None
}

fn is_writable(folder: &Path) -> bool {
    folder.is_dir() && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// On a disk that is so full that no catalogue can be opened there: with one that lies elsewhere. True if there is room now.
fn make_room_first(settings: &librarian::Settings, shared: &Arc<librarian::Shared>) -> Result<bool, String> {
    let is_short = || room(&settings.root).is_ok_and(|room| room.free_bytes < ROOM_BYTES);
    if !is_short() {
        return Ok(false);
    }
    let scratch = Scratch::new().map_err(|e| e.to_string())?;
    let elsewhere = librarian::Settings { catalogue: scratch.path().join("catalogue.db"), ..settings.clone() };
    let failed = |e: Failure| e.to_string();
    let mut librarian = Librarian::open(elsewhere, Box::new(Headers), shared.clone()).map_err(failed)?;
    let (_nobody, inbox) = async_channel::bounded(1);
    let now = || RealClock.look().wall;
    librarian.answer(Wish::Scan, &inbox, &now).map_err(|trouble| format!("{trouble:?}"))?;
    librarian.retain(now(), How::Delete, 0).map_err(|refused| format!("{refused:?}"))?;
    Ok(!is_short())
}

/// False when nobody has wishes any more.
fn wait(inbox: &Receiver<Ask>, pause: Duration) -> bool {
    let over = std::time::Instant::now() + pause;
    loop {
        let ask = smol::future::block_on(smol::future::or(async { inbox.recv().await.ok().map(Some) }, async {
            smol::Timer::at(over).await;
            Some(None)
        }));
        match ask {
            None => return false,
            Some(None) => return true,
            // The disk is full: it is tried at once.
            Some(Some(Ask { wish: Wish::Room, .. })) => return true,
            Some(Some(Ask { reply, .. })) => reply.into_iter().for_each(|reply| _ = reply.try_send(Err(Trouble::Busy(10)))),
        }
    }
}
