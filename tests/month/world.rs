//! A recorder without threads of its own: the store, the librarian and the uploader of the real one, a disk that is really small, a
//! server in memory, and one clock. Whatever is deleted is looked at from outside, by the files alone.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use async_channel::Receiver;
use soundpost::actor::librarian::retention::{How, Keeping};
use soundpost::actor::librarian::{self, Librarian};
use soundpost::actor::store::{LaneSettings, Machine, Settings, parse_gap_line};
use soundpost::actor::uploader::{self, Memory, Step, Uploader};
use soundpost::command::rebuild::Headers;
use soundpost::device::catalogue::Reader;
use soundpost::device::clock::{Clock, SimulatedClock};
use soundpost::device::folder::room;
use soundpost::device::remote::{FakeRemote, Stock, Trouble};
use soundpost::format::sidecar::Sidecar;
use soundpost::message::analysis::Centibel;
use soundpost::message::folders::{Folder, Folders};
use soundpost::message::library::{Ask, FileState, Mark, Wish};
use soundpost::message::{Cause, ClockState, Closing, Container, Identity, Lane, NewFile, ToStore};
use soundpost::policy::outbox::{Convert, Layout, Order};
use soundpost::policy::retention::{Evidence, Rank, Rules};
use soundpost::policy::split::Zone;
use soundpost::pool::Pool;
use soundpost::status::upload::TargetStatus;
use soundpost::status::{ActorStatus, LaneStatus};
use soundpost::time::{Mono, SECOND_NS, Wall};

use super::dice::Dice;
use super::store_rig::{HZ, SYNC_SECONDS, TOYS, analysed, format, recordings_below};
use super::torn::Torn;

pub const TARGET: &str = "server";
pub const HIGH: Centibel = Centibel(2_400);
pub const SOURCES: [(&str, Container); 2] = [("a", Container::Wav), ("b", Container::Flac)];
/// Frames that reach the store in one block.
const PIECE_FRAMES: u64 = 1_200;

thread_local! {
    /// Whether the clock of the history that runs on this thread is to be relied upon.
    pub static IS_CLOCK_RIGHT: Cell<bool> = const { Cell::new(true) };
}

/// The power is gone.
pub struct Cut;

/// One start of the recorder, until its power goes.
struct Run {
    machine: Machine<Torn>,
    recorded: Receiver<PathBuf>,
    short: Receiver<Ask>,
    session: Arc<str>,
    frames: [u64; SOURCES.len()],
    librarian: Arc<Mutex<Librarian>>,
    uploader: Option<Uploader>,
    /// Answers what the uploader asks.
    desk: Option<JoinHandle<()>>,
}

/// A recording as its sidecar tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub name: String,
    pub source: String,
    pub start: Wall,
    pub rank: Rank,
    pub is_locked: bool,
    pub is_uploaded: bool,
}

/// (source, session, first frame)
pub type Key = (String, String, u64);

/// Of a file that was begun: frames, and the last of them that the disk had surely kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    pub frames: u64,
    pub sure_frames: u64,
    pub is_whole: bool,
}

#[derive(Default)]
pub struct Tally {
    pub recorded: u64,
    pub by_age: u64,
    pub for_room: [u64; Rank::COUNT as usize],
    pub cuts: u64,
    pub stuck: u64,
}

pub struct World {
    pub root: PathBuf,
    catalogue: PathBuf,
    pub rules: Rules,
    pub clock: Arc<SimulatedClock>,
    disk: Torn,
    run: Option<Run>,
    runs: u64,
    pub stock: Stock,
    pub faults: Arc<Mutex<VecDeque<Trouble>>>,
    pub sent: BTreeMap<Key, Sent>,
    /// Steps until the power goes.
    pub cut_in: Option<u64>,
    /// The disk has refused something since the start that all is well.
    pub was_full: bool,
    pub tally: Tally,
    /// Inode, time and length of sidecars, and what they said.
    read: BTreeMap<String, ((u64, i64, u64), Told)>,
}

impl World {
    pub fn new(root: PathBuf, catalogue: PathBuf, rules: Rules, start: Wall) -> World {
        World {
            root,
            catalogue,
            rules,
            clock: Arc::new(SimulatedClock::new(Mono(SECOND_NS), start, true)),
            disk: Torn::default(),
            run: None,
            runs: 0,
            stock: Stock::default(),
            faults: Arc::default(),
            sent: BTreeMap::new(),
            cut_in: None,
            was_full: false,
            tally: Tally::default(),
            read: BTreeMap::new(),
        }
    }

    pub fn analyses(&self) -> PathBuf {
        self.root.join("analyses")
    }

    fn running(&mut self) -> &mut Run {
        self.run.as_mut().expect("it is started")
    }

    fn now(&self) -> Wall {
        self.clock.look().wall
    }

    /// As after the power came back.
    pub fn start(&mut self) {
        self.runs += 1;
        let session: Arc<str> = format!("run{}", self.runs).into();
        let (recorded_in, recorded) = async_channel::bounded(64);
        let (short_in, short) = async_channel::bounded(1);
        let row = |(source, _): &(&str, Container)| LaneSettings {
            source: (*source).into(),
            root: self.root.clone(),
            analyses: None,
            depth: 64,
            sync_ns: i64::from(SYNC_SECONDS) * SECOND_NS,
            cue: false,
            schedule: None,
            rename: None,
            status: Arc::new(LaneStatus::default()),
            short: Some(short_in.clone()),
        };
        let settings = Settings {
            lanes: SOURCES.iter().map(row).collect(),
            inbox_depth: 64,
            formats: (TOYS.formats)(),
            recorded: vec![recorded_in],
            turns: Arc::default(),
        };
        let (machine, faults) = Machine::new(self.disk.clone(), settings);
        assert!(faults.is_empty(), "{faults:?}");
        let keeping = Keeping { rules: self.rules.clone(), is_clock_right: || IS_CLOCK_RIGHT.get(), tiers: Default::default() };
        let settings = librarian::Settings {
            root: self.root.clone(),
            analyses: self.analyses(),
            catalogue: self.catalogue.clone(),
            read_only: false,
            scan_every: std::time::Duration::from_secs(3_600),
            zone: Zone::UTC,
            software: "soundpost test".into(),
            parse_gap: parse_gap_line,
            turns: Arc::default(),
            retention: Some(keeping),
            targets: vec![TARGET.into()],
        };
        let librarian = Librarian::open(settings, Box::new(Headers), Arc::default()).expect("opened");
        let librarian = Arc::new(Mutex::new(librarian));
        let (uploader, desk) = self.uploader(&librarian);
        let (uploader, desk) = (Some(uploader), Some(desk));
        self.run = Some(Run { machine, recorded, short, session, frames: [0; SOURCES.len()], librarian, uploader, desk });
        // What was left unfinished is finished first.
        self.work(60);
        self.ask(Wish::Scan);
    }

    fn uploader(&self, librarian: &Arc<Mutex<Librarian>>) -> (Uploader, JoinHandle<()>) {
        let (asks, inbox) = async_channel::bounded::<Ask>(8);
        let (librarian, clock) = (librarian.clone(), self.clock.clone());
        let desk = std::thread::spawn(move || {
            while let Ok(Ask { wish, reply }) = inbox.recv_blocking() {
                let answer = librarian.lock().expect("no panic").answer(wish, &inbox, &|| clock.look().wall);
                reply.into_iter().for_each(|reply| _ = reply.try_send(answer.clone()));
            }
        });
        let settings = uploader::Settings {
            name: TARGET.into(),
            site: "wood".into(),
            layout: Layout::parse("{source}/{date}/{name}").expect("a layout"),
            order: Order::Oldest,
            only_sections: false,
            convert: Convert::No,
            bytes_per_second: 0,
            hours: None,
        };
        let folder = Folder { root: self.root.clone(), analyses: self.analyses(), catalogue: self.catalogue.clone(), asks };
        let uploader = Uploader {
            settings,
            remote: Box::new(FakeRemote { stock: self.stock.clone(), script: self.faults.clone() }),
            folders: Arc::new(Folders::of(folder)),
            shelves: Vec::new(),
            clock: self.clock.clone(),
            actor: Arc::new(ActorStatus::default()),
            status: Arc::new(TargetStatus::new(TARGET, "put")),
            stop: Arc::new(AtomicBool::new(false)),
            state: Memory::default(),
        };
        (uploader, desk)
    }

    /// The power goes: nothing is finished, and of what was not synced a part is lost.
    pub fn lose_power(&mut self, dice: &mut Dice, is_catalogue_lost: bool) {
        self.cut_in = None;
        self.tally.cuts += 1;
        self.end();
        self.disk.cut(|bytes| dice.below(bytes + 1));
        if is_catalogue_lost {
            for ending in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{ending}", self.catalogue.display()));
            }
        }
    }

    pub fn end(&mut self) {
        let Some(Run { uploader, desk, .. }) = self.run.take() else { return };
        drop(uploader);
        desk.expect("one").join().expect("no panic");
    }

    /// What a running recorder finishes before it ends.
    pub fn finish(&mut self) {
        for _ in 0..200 {
            let now = self.clock.mono();
            if self.running().machine.finish(now) {
                return;
            }
            self.clock.advance(SECOND_NS / 10);
            self.hear();
        }
    }

    pub fn ask(&mut self, wish: Wish) {
        let (clock, (_, inbox)) = (self.clock.clone(), async_channel::bounded(1));
        let librarian = self.running().librarian.clone();
        // It may be gone, or locked, by now.
        let _ = librarian.lock().expect("no panic").answer(wish, &inbox, &|| clock.look().wall);
    }

    /// The store does what is due within these seconds; whoever is to hear of it does.
    pub fn work(&mut self, seconds: i64) {
        let until = self.clock.mono().plus_ns(seconds * SECOND_NS);
        loop {
            let now = self.clock.mono();
            while self.running().machine.work(now, 0) {}
            self.hear();
            match self.running().machine.next_due() {
                Some(due) if due <= until => self.clock.advance(due.since(now).max(SECOND_NS / 100)),
                _ => break,
            }
        }
        self.clock.advance(until.since(self.clock.mono()).max(0));
    }

    /// The librarian hears what the store has done, and makes room if the store wants it.
    fn hear(&mut self) {
        let names: Vec<PathBuf> = std::iter::from_fn(|| self.running().recorded.try_recv().ok()).collect();
        for path in names {
            let name = path.strip_prefix(&self.root).expect("below").display().to_string();
            self.ask(Wish::Look { name: name.trim_end_matches(".part").to_owned() });
        }
        if self.running().short.try_recv().is_ok() {
            self.was_full = true;
            self.watched(|world| world.ask(Wish::Room));
        }
    }

    fn push(&mut self, message: ToStore) -> Result<(), Cut> {
        if let Some(left) = &mut self.cut_in {
            if *left == 0 {
                return Err(Cut);
            }
            *left -= 1;
        }
        let now = self.clock.mono();
        self.running().machine.push(message, now);
        self.work(0);
        Ok(())
    }

    /// One recording of a source, piece by piece; with sections, unless nobody analyses it.
    pub fn record(&mut self, lane: usize, pieces: u64, found: Option<Vec<Centibel>>) -> Result<(), Cut> {
        let (source, container) = SOURCES[lane];
        let wall = self.now();
        let run = self.running();
        let (session, first_frame) = (run.session.clone(), run.frames[lane]);
        run.frames[lane] += pieces * PIECE_FRAMES;
        let identity = Identity {
            source: source.into(),
            session: session.clone(),
            first_frame,
            start: wall,
            utc_offset_s: 0,
            clock: if IS_CLOCK_RIGHT.get() { ClockState::Synced } else { ClockState::Unsynced },
            format: format().into(),
        };
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(wall.0)).expect("a time").strftime("%Y-%m-%d/").to_string();
        let stem = format!("{stamp}{source}_{}", wall.0 / SECOND_NS % 86_400);
        let key = (source.to_owned(), session.to_string(), first_frame);
        let pool = Pool::new(80, 8 << 10);
        let mut codec = (TOYS.new)(lane as Lane, &pool, container, &identity);
        let header_bytes = codec.header_bytes() as u32;
        self.sent.insert(key.clone(), Sent::default());
        self.push(ToStore::Open(lane as Lane, Box::new(NewFile { identity, container, stem, header_bytes })))?;
        let mut pieces_at = VecDeque::new();
        let mut messages = Vec::new();
        let now = self.clock.mono();
        codec.begin(now, &mut |message| messages.push(message));
        for n in 0..pieces {
            let pcm = (TOYS.pcm)(source, format(), first_frame + n * PIECE_FRAMES, PIECE_FRAMES);
            codec.sound(&pcm, now, &mut |message| messages.push(message));
            for message in messages.drain(..) {
                self.push(message)?;
            }
            let sent = self.sent.get_mut(&key).expect("begun");
            sent.frames += PIECE_FRAMES;
            pieces_at.push_back((self.clock.mono(), sent.frames));
            self.work((PIECE_FRAMES / u64::from(HZ)) as i64);
            // A sync may be late by one step of ours.
            let sure = self.clock.mono().plus_ns(-2 * i64::from(SYNC_SECONDS) * SECOND_NS);
            while let Some((_, frames)) = pieces_at.front().copied().filter(|(at, _)| *at <= sure) {
                pieces_at.pop_front();
                self.sent.get_mut(&key).expect("begun").sure_frames = frames;
            }
        }
        codec.end(now, &mut |message| messages.push(message));
        for message in messages.drain(..) {
            self.push(message)?;
        }
        let frames = pieces * PIECE_FRAMES;
        self.push(ToStore::Close(lane as Lane, Box::new(Closing::new(Cause::Split, frames, ClockState::Synced))))?;
        self.work(1);
        let sent = self.sent.get_mut(&key).expect("begun");
        (sent.is_whole, sent.sure_frames) = (true, sent.frames);
        self.tally.recorded += 1;
        if let Some(scores) = found {
            let sections = scores.into_iter().enumerate().map(|(n, score)| {
                let first_window = 9 * n as u32;
                soundpost::message::analysis::Section { first_window, end_window: first_window + 5, score, band_hz: None }
            });
            self.push(ToStore::Analysed(lane as Lane, analysed(&session, first_frame, frames, HZ, sections.collect())))?;
            self.work(1);
        }
        Ok(())
    }

    /// The uploader has a while.
    pub fn upload(&mut self, steps: u64) -> Result<(), Cut> {
        for _ in 0..steps {
            if self.cut_in == Some(0) {
                return Err(Cut);
            }
            self.cut_in = self.cut_in.map(|left| left - 1);
            let uploader = self.running().uploader.as_mut().expect("one");
            let life = uploader.actor.life();
            if uploader.step(life) == Step::Rest {
                self.clock.advance(60 * SECOND_NS);
            }
        }
        Ok(())
    }

    pub fn mark(&mut self, name: &str, mark: Mark) {
        self.ask(Wish::Set { name: name.to_owned(), mark });
    }

    /// The librarian's look at the room of the disk, until it is through.
    pub fn keep(&mut self) {
        let now = self.now();
        let is_stuck = self.watched(|world| {
            let librarian = world.running().librarian.clone();
            loop {
                let round = librarian.lock().expect("no panic").retain(now, How::Delete, 0).expect("the catalogue answers");
                if !round.is_more {
                    return round.is_stuck;
                }
            }
        });
        self.tally.stuck += u64::from(is_stuck);
        let (free, left) = (room(&self.root).expect("known").free_bytes, self.told());
        let floor = self.floor();
        let may_go: Vec<&Told> = left.iter().filter(|told| !told.is_locked).collect();
        assert!(free >= floor || may_go.is_empty(), "{free} bytes free, {floor} wanted, and there are {may_go:?}");
    }

    fn floor(&mut self) -> u64 {
        // Bytes alone: what comes in an hour is the librarian's to learn.
        let total = room(&self.root).expect("known").total_bytes;
        self.rules.floor_bytes(0.0, total)
    }

    /// Recordings that have their names, each as its sidecar tells.
    pub fn told(&mut self) -> Vec<Told> {
        recordings_below(&self.root).iter().map(|path| self.told_of(path)).collect()
    }

    /// A sidecar that has not changed is not read again.
    fn told_of(&mut self, path: &Path) -> Told {
        let name = path.strip_prefix(&self.root).expect("below").display().to_string();
        let path = self.analyses().join(format!("{name}.analysis.json"));
        let there = std::fs::metadata(&path).unwrap_or_else(|e| panic!("{name} has no sidecar: {e}"));
        let stamp = (there.ino(), there.mtime_nsec(), there.len());
        match self.read.get(&name) {
            Some((then, told)) if *then == stamp => told.clone(),
            _ => {
                let told = told(&name, &std::fs::read(&path).expect("read"));
                self.read.insert(name, (stamp, told.clone()));
                told
            }
        }
    }

    /// Does something, and looks at what is gone then: whether it might go, and in its turn.
    fn watched<T>(&mut self, what: impl FnOnce(&mut World) -> T) -> T {
        let before = self.told();
        let done = what(self);
        let after = self.told();
        let now = self.now();
        let (gone, left): (Vec<Told>, Vec<Told>) =
            before.into_iter().partition(|told| after.iter().all(|there| there.name != told.name));
        let left: Vec<&Told> = left.iter().filter(|told| !told.is_locked).collect();
        for told in gone {
            assert!(!told.is_locked, "{told:?} was locked");
            let days = self.rules.sources.iter().find(|source| source.name == told.source).and_then(|source| source.age.days);
            let age_days = now.since(told.start) as f64 / (86_400.0 * SECOND_NS as f64);
            if IS_CLOCK_RIGHT.get() && days.is_some_and(|days| age_days > days) {
                self.tally.by_age += 1;
                continue;
            }
            let before_it = left.iter().find(|one| (one.rank, one.start) < (told.rank, told.start));
            assert!(before_it.is_none(), "{told:?} went before {before_it:?}");
            let safer = left.iter().find(|one| one.is_uploaded);
            assert!(told.is_uploaded || safer.is_none(), "{told:?} is nowhere else, and {safer:?} is still here");
            self.tally.for_room[usize::from(told.rank.0)] += 1;
        }
        done
    }

    /// Names in the catalogue of what is finished.
    pub fn known(&self) -> Vec<String> {
        let mut reader = Reader::new(&self.catalogue, Arc::default());
        let files = reader.between(None, Wall(0), Wall(i64::MAX)).expect("answered");
        let finished = files.into_iter().filter(|row| row.state != FileState::Open);
        let mut names: Vec<String> = finished.map(|row| row.name).collect();
        names.sort();
        names
    }
}

fn told(name: &str, bytes: &[u8]) -> Told {
    let side = Sidecar::read(bytes).unwrap_or_else(|e| panic!("{name}: {e:?}"));
    let is = |key: &str| side.other.get(key).and_then(serde_json::Value::as_bool).unwrap_or(false);
    let is_uploaded = side.other.get("uploads").is_some_and(|all| all.to_string().contains(TARGET));
    let best = side.sections.as_ref().and_then(|all| all.iter().map(|one| Centibel::of_db(one.score_db)).max());
    let sections = side.sections.as_ref().map(|all| all.len() as u64);
    let evidence = Evidence { is_uploaded, sections, best, is_reviewed: is("reviewed") };
    Told {
        name: name.to_owned(),
        source: side.source,
        start: side.start,
        rank: evidence.rank(HIGH),
        is_locked: is("locked"),
        is_uploaded,
    }
}
