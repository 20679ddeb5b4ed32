//! A month in minutes, again and again: a small disk in memory, a clock that is told, the real catalogue, and the code that decides
//! and deletes. Recordings of a day come each day, uploads come and go, people lock and look, the power fails in the middle of anything.
//! Each history is one seed; a failure names it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};
use soundpost::actor::librarian::Refused;
use soundpost::actor::librarian::reduce::{Placing, place};
use soundpost::actor::librarian::retention::{Hands, round};
use soundpost::actor::librarian::shelf::{SIDECAR, Shelf, remove};
use soundpost::device::catalogue::{Beside, Entry, Failure, Writer};
use soundpost::device::disk::{Crash, Disk, DiskFile, MemoryDisk, read_small};
use soundpost::message::analysis::{Centibel, Section};
use soundpost::message::library::{FileRow, FileState, Marks};
use soundpost::message::reduce::Left;
use soundpost::policy::name::with_suffix;
use soundpost::policy::retention::{Age, Candidate, Evidence, Rank, Reason, Rules, Source};
use soundpost::policy::tier::{self, Form, Tier, Tiers};
use soundpost::time::{SECOND_NS, Wall};

const HISTORIES: u64 = 1_000;
const THREADS: u64 = 4;
const DAYS: i64 = 30;
const DAY_NS: i64 = 86_400 * SECOND_NS;
/// 2026-05-01
const MAY: Wall = Wall(1_777_593_600 * SECOND_NS);
const HIGH: Centibel = Centibel(2_400);

/// Written at once.
const PIECE: usize = 400;

/// xorshift
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }
}

/// Everything that outlives a power cut, and what the machine knows.
struct World {
    disk: MemoryDisk,
    shelf: Shelf,
    folder: PathBuf,
    writer: Option<Writer>,
    capacity: u64,
    rules: Rules,
    now: Wall,
    is_clock_right: bool,
    number: u64,
    /// Of a hundred, that somebody locks or unlocks a recording.
    locks: u64,
    tiers: Tiers,
    /// Since this morning: what was kept in less, and what went.
    reduced: Vec<Shrunk>,
    gone: Vec<u64>,
    tally: Tally,
}

/// A recording that is kept in less: its number, its name, and all that takes its place.
struct Shrunk {
    number: u64,
    full: String,
    left: Vec<String>,
}

/// That what should happen does.
#[derive(Default)]
struct Tally {
    by_age: u64,
    to_opus: u64,
    to_sections: u64,
    spent: u64,
    for_room: [u64; Rank::COUNT as usize],
    refused_writes: u64,
    stuck: u64,
    crashes: u64,
    recorded: u64,
}

/// A recording as its sidecar on the disk tells of it.
#[derive(Debug)]
struct Told {
    name: String,
    side: Value,
}

impl Told {
    fn is(&self, key: &str) -> bool {
        self.side[key].as_bool().unwrap_or(false)
    }

    fn is_uploaded(&self) -> bool {
        self.side["uploaded"].is_i64()
    }

    fn source(&self) -> &str {
        self.side["source"].as_str().expect("a source")
    }

    fn start(&self) -> Wall {
        Wall(self.side["start"].as_i64().expect("a start"))
    }

    fn best(&self) -> Option<Centibel> {
        self.side["best"].as_i64().map(|best| Centibel(best as i16))
    }

    fn rank(&self) -> Rank {
        let sections = self.is("analysed").then(|| u64::from(self.best().is_some()));
        Evidence { is_uploaded: self.is_uploaded(), sections, best: self.best(), is_reviewed: self.is("reviewed") }.rank(HIGH)
    }
}

impl World {
    fn new(dice: &mut Dice, folder: PathBuf) -> World {
        let disk = MemoryDisk::new(&["/r", "/r/analyses"]);
        let capacity = 8_000 + dice.below(24_000);
        disk.limit("/r", capacity);
        let (writer, _) = Writer::open(&folder.join("catalogue.db")).expect("made");
        let age = |dice: &mut Dice| Age {
            days: dice.percent(50).then(|| 2.0 + dice.below(20) as f64),
            only_uploaded: dice.percent(50),
        };
        let source = |name: &str, age| Source { name: name.into(), age, expected_bytes_per_hour: 25.0 };
        let rules = Rules {
            min_free_hours: dice.below(80) as f64,
            min_free_bytes: 300 + dice.below(2_000),
            makes_room: true,
            high_score: HIGH,
            sources: vec![source("a", age(dice)), source("b", age(dice))],
            others: age(dice),
        };
        writer.rank_by(HIGH).expect("ready");
        writer.rank_by_tier().expect("ready");
        let shelf = Shelf { root: "/r".into(), analyses: "/r/analyses".into() };
        // In every third of them, by dice of its own, so that the others are as they are without.
        let mut other = Dice(dice.0 ^ 0x5DEE_CE66);
        let is_tiered = other.below(3) == 0;
        let mut tier = || Tier {
            full_days: (is_tiered && other.percent(70)).then(|| 2.0 + other.below(8) as f64),
            opus_days: other.percent(70).then(|| 1.0 + other.below(8) as f64),
            only_uploaded: other.percent(30),
        };
        let sources = ["a", "b"].map(|name| (name.to_owned(), tier())).into();
        let tiers = Tiers { sources, others: Tier::default() };
        let (writer, tally) = (Some(writer), Tally::default());
        World {
            disk,
            shelf,
            folder,
            writer,
            capacity,
            rules,
            now: MAY,
            is_clock_right: true,
            number: 0,
            locks: if dice.percent(20) { 30 } else { 2 },
            tiers,
            reduced: Vec::new(),
            gone: Vec::new(),
            tally,
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut visit = |path: &Path, _| {
            let name = path.strip_prefix("/r").expect("below").display().to_string();
            if name.ends_with(".wav") || name.ends_with(".opus") {
                names.push(name.clone());
            }
            name != "analyses" && !name.starts_with('.')
        };
        self.disk.list(Path::new("/r"), &mut visit).expect("listed");
        names
    }

    fn is_there(&self, name: &str) -> bool {
        matches!(self.disk.kind(&self.shelf.root.join(name)), Ok(Some(_)))
    }

    fn told(&self, name: &str) -> Told {
        let path = self.shelf.beside(name, SIDECAR);
        let bytes = read_small(&self.disk, &path, 4_096).unwrap_or_else(|e| panic!("{name} has no sidecar: {e}"));
        Told { name: name.to_owned(), side: serde_json::from_slice(&bytes).expect("whole") }
    }

    fn all(&self) -> Vec<Told> {
        self.names().iter().map(|name| self.told(name)).collect()
    }

    /// Unlocked, by rank and age.
    fn may_go(&self) -> Vec<Told> {
        let mut all = self.all();
        all.retain(|one| !one.is("locked"));
        all.sort_by_key(|one| (one.rank(), one.start(), one.name.clone()));
        all
    }

    fn free(&self) -> u64 {
        self.disk.free_bytes(Path::new("/r")).expect("known")
    }

    fn floor(&self) -> u64 {
        let writer = self.writer.as_ref().expect("open");
        let known =
            |source: &Source| writer.bytes_per_hour(&source.name).expect("answered").unwrap_or(source.expected_bytes_per_hour);
        self.rules.floor_bytes(self.rules.sources.iter().map(known).sum(), self.capacity)
    }

    /// As the librarian does it.
    fn make_room(&mut self) {
        loop {
            let (free, floor, rules) = (self.free(), self.floor(), self.rules.clone());
            let now = self.is_clock_right.then_some(self.now);
            let round = round(self, &rules, now, free, floor).expect("the catalogue answers");
            if !round.is_more {
                self.tally.stuck += u64::from(round.is_stuck);
                let is_kept = self.free() >= floor || self.may_go().is_empty();
                assert!(is_kept, "{} free, {floor} wanted: {:?}", self.free(), self.may_go());
                return;
            }
        }
    }

    /// Whole and synced, or not at all; makes room until it fits or nothing is left to make it of.
    fn put(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.disk.create(path)?;
        for (n, piece) in bytes.chunks(PIECE).enumerate() {
            while let Err(e) = file.write_at((n * PIECE) as u64, piece) {
                assert_eq!(e.kind(), io::ErrorKind::StorageFull);
                self.tally.refused_writes += 1;
                self.make_room();
                if self.may_go().is_empty() && self.free() < piece.len() as u64 {
                    self.disk.remove(path).expect("removed");
                    return Err(e);
                }
            }
        }
        file.sync()
    }

    fn put_sidecar(&mut self, name: &str, side: &Value) -> io::Result<()> {
        let path = self.shelf.beside(name, SIDECAR);
        let draft = path.with_extension("tmp");
        self.put(&draft, side.to_string().as_bytes())?;
        // Room may have been made of the very recording that it is about.
        if !self.is_there(name) && side["state"] != "new" {
            return self.disk.remove(&draft);
        }
        self.disk.replace(&draft, &path)?;
        self.disk.sync_dir(Path::new("/r/analyses"))
    }

    fn record(&mut self, source: &str, bytes: usize) {
        self.make_room();
        self.number += 1;
        let stem = format!("{source}{:09}", self.now.0 / SECOND_NS % 1_000_000_000);
        let names = self.names();
        let name = (1..).map(|n| with_suffix(&stem, n) + ".wav").find(|name| !names.contains(name)).expect("a free name");
        let part = PathBuf::from(format!("/r/{name}.part"));
        let mut sound = self.number.to_le_bytes().to_vec();
        sound.resize(bytes, 0x5A);
        let mut side = json!({"state": "new", "source": source, "start": self.now.0, "number": self.number});
        let written = self.put(&part, &sound).and_then(|()| self.put_sidecar(&name, &side));
        side["state"] = json!("");
        match written.and_then(|()| self.disk.rename(&part, &Path::new("/r").join(&name))) {
            Ok(()) => {
                self.disk.sync_dir(Path::new("/r")).expect("synced");
                self.tally.recorded += 1;
                self.learn(&name);
            }
            // Everything that may go is gone.
            Err(e) => {
                assert!(e.kind() == io::ErrorKind::StorageFull && self.may_go().is_empty(), "{name}: {e}");
                let _ = self.disk.remove(&part);
            }
        }
    }

    /// The catalogue hears of it.
    fn learn(&mut self, name: &str) {
        let told = self.told(name);
        let bytes =
            self.disk.open(&self.shelf.root.join(name)).and_then(|file| soundpost::format::ReadAt::len(&file)).expect("there");
        let found = told.best().map(|score| Section { first_window: 1, end_window: 9, score, band_hz: None });
        let row = FileRow {
            name: name.into(),
            source: told.source().into(),
            start: told.start(),
            utc_offset_s: 0,
            frames: 86_400,
            rate_hz: 1,
            channels: 1,
            bytes,
            modified: told.start(),
            state: if told.is("analysed") { FileState::Analysed } else { FileState::Closed },
            sections: found.into_iter().collect(),
            gaps: Arc::default(),
            marks: Marks { reviewed: told.is("reviewed"), locked: told.is("locked"), note: String::new() },
            uploaded_at: told.side["uploaded"].as_i64().map(Wall),
            trouble: None,
            details: told.side["details"].as_str().unwrap_or("{}").into(),
            version: 0,
        };
        let mut batch = self.writer.as_mut().expect("open").batch().expect("a batch");
        batch.put(&Entry { row, beside: Beside::default(), copies: None }).expect("put");
        batch.commit().expect("committed");
    }

    fn change(&mut self, name: &str, changes: &[(&str, Value)]) {
        let mut side = self.told(name).side;
        side["state"] = json!("");
        changes.iter().for_each(|(key, value)| side[*key] = value.clone());
        if self.put_sidecar(name, &side).is_ok() && self.is_there(name) {
            self.learn(name);
        }
    }

    /// A day of everything.
    fn day(&mut self, dice: &mut Dice, is_online: bool) {
        for (source, size) in [("a", 250), ("b", 700)] {
            let bytes = size + dice.below(size);
            self.record(source, bytes.min(1_200) as usize);
        }
        let names = self.names();
        for name in &names {
            // It may have gone for the room of a sidecar.
            if !self.is_there(name) {
                continue;
            }
            let told = self.told(name);
            if !told.is("analysed") && dice.percent(70) {
                let best = if dice.percent(50) { Value::Null } else { json!(1_200 + dice.below(2_000)) };
                self.change(name, &[("best", best), ("analysed", json!(true))]);
            } else if is_online && !told.is_uploaded() && dice.percent(40) {
                self.change(name, &[("uploaded", json!(self.now.0))]);
            } else if dice.percent(self.locks) {
                self.change(name, &[("locked", json!(!told.is("locked")))]);
            } else if dice.percent(5) {
                self.change(name, &[("reviewed", json!(true))]);
            }
        }
    }

    /// As the librarian and the reducer do it: what is too old for its Opus first, then one after the other while there is room.
    fn reduce(&mut self) {
        let tiers = self.tiers.clone();
        if !self.is_clock_right || !tiers.is_on() {
            return;
        }
        let now = self.now;
        while let Some((candidate, reason)) = tiers.spent(now, &mut self.order()).expect("the catalogue answers") {
            self.discard(&candidate, &reason).expect("deleted");
        }
        while let Some((candidate, left, days)) = tiers.next(now, &mut self.order()).expect("the catalogue answers") {
            let told = self.told(&candidate.name);
            assert!(self.now.since(told.start()) as f64 > days * DAY_NS as f64, "{candidate:?} is young");
            assert!(told.is("analysed") && !told.is("locked") && told.side["details"].is_null(), "{told:?}");
            let mut others = self.may_go().into_iter().filter(|one| one.side["details"].is_null() && one.is("analysed"));
            let is_waited_for = others.any(|one| one.source() == told.source() && one.is_uploaded());
            assert!(told.is_uploaded() || !is_waited_for, "others of its source are elsewhere");
            let only_uploaded = tiers.sources.iter().any(|(name, tier)| name == told.source() && tier.only_uploaded);
            assert!(told.is_uploaded() || !only_uploaded, "it is only here");
            if self.free() < self.floor() + candidate.bytes || !self.shrink(&told, left) {
                return;
            }
        }
    }

    fn order(&self) -> Order<'_> {
        Order(self.writer.as_ref().expect("open"))
    }

    /// False if it did not fit: then it is all there still.
    fn shrink(&mut self, told: &Told, left: Left) -> bool {
        let number = told.side["number"].as_u64().expect("a number");
        let pieces = if told.best().is_some() { 2 } else { 0 };
        let mut parts: Vec<(String, &str, &str)> =
            (0..pieces).map(|n| (tier::stem(&told.name, (0, 0, n)), ".wav", "{\"piece_of\":1}")).collect();
        if left == Left::Opus {
            parts.push((tier::whole_stem(&told.name).to_owned(), ".opus", "{\"reduced\":1,\"left\":\"opus\"}"));
        }
        let drafts = Path::new("/r/.reduced");
        self.disk.create_dirs(drafts).expect("made");
        let (mut all, mut names) = (Vec::new(), Vec::new());
        let mut is_full = false;
        for (n, (stem, ending, details)) in parts.iter().enumerate() {
            let draft = drafts.join(format!("{n}.part"));
            let file = self.disk.create(&draft).expect("made");
            let mut sound = number.to_le_bytes().to_vec();
            sound.resize(40 + n, 0x5A);
            is_full |= file.write_at(0, &sound).is_err() || file.sync().is_err();
            let is_mine = |name: &String| !self.is_there(name) || self.told(name).side["number"] == number;
            let name = (1..).map(|n| with_suffix(stem, n) + ending).find(is_mine).expect("a free name");
            let mut side = told.side.clone();
            (side["state"], side["details"]) = (json!(""), json!(details));
            let beside = vec![(self.shelf.beside(&name, SIDECAR), side.to_string().into_bytes())];
            names.push(name.clone());
            all.push(Placing { draft, name, beside });
        }
        // In two steps, the whole with the last.
        let (first, last) = all.split_at(all.len().min(1));
        let placed =
            !is_full && place(&self.disk, &self.shelf, first).and_then(|()| place(&self.disk, &self.shelf, last)).is_ok();
        if placed {
            let name = &told.name;
            self.reduced.push(Shrunk { number, full: name.clone(), left: names.clone() });
            remove(&self.disk, &self.shelf, name, &|path| matches!(self.disk.kind(path), Ok(Some(_)))).expect("removed");
            self.forget(name);
            *(if left == Left::Opus { &mut self.tally.to_opus } else { &mut self.tally.to_sections }) += 1;
        }
        for one in &all {
            let _ = self.disk.remove(&one.draft);
        }
        for name in names {
            if self.is_there(&name) {
                self.learn(&name);
            }
        }
        placed
    }

    /// A power cut leaves a recording whole, or all that takes its place.
    fn check_reduced(&self) {
        for one in self.reduced.iter().filter(|one| !self.gone.contains(&one.number)) {
            let is_mine = |name: &String| self.is_there(name) && self.told(name).side["number"] == one.number;
            assert!(is_mine(&one.full) || one.left.iter().all(is_mine), "{} of {:?}: {:?}", one.full, one.left, self.names());
        }
    }

    /// What the next start does, on the disk that the power cut left.
    fn boot(&mut self, disk: MemoryDisk, is_catalogue_gone: bool) {
        self.disk = disk;
        self.disk.limit("/r", self.capacity);
        self.tally.crashes += 1;
        let files: Vec<PathBuf> = self.disk.files("/r").into_iter().map(|(path, _)| path).collect();
        for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "part" || e == "tmp")) {
            self.disk.remove(path).expect("removed");
        }
        let names = self.names();
        for path in files.iter().filter(|path| path.starts_with("/r/analyses") && path.extension().is_some_and(|e| e == "json")) {
            let of = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(SIDECAR)).expect("ours");
            if !names.iter().any(|name| name == of) {
                self.disk.remove(path).expect("removed");
            }
        }
        self.disk.sync_all(Path::new("/r")).expect("synced");
        if is_catalogue_gone {
            self.writer = self.writer.take().map(|writer| writer.renew().expect("made anew"));
            self.writer.as_ref().expect("open").rank_by(HIGH).expect("ready");
            self.writer.as_ref().expect("open").rank_by_tier().expect("ready");
        }
        let known = self.known();
        for name in known.keys().filter(|name| !names.contains(name)) {
            self.forget(name);
        }
        names.iter().for_each(|name| self.learn(name));
    }

    fn forget(&mut self, name: &str) {
        let mut batch = self.writer.as_mut().expect("open").batch().expect("a batch");
        assert!(batch.remove(name).expect("removed"), "{name} was not known");
        batch.commit().expect("committed");
    }

    fn known(&self) -> BTreeMap<String, u64> {
        let rows = self.writer.as_ref().expect("open").known("", 10_000).expect("answered");
        rows.into_iter().map(|row| (row.name, row.bytes)).collect()
    }

    /// The catalogue is the disk, and each name is the recording that was given it.
    fn check(&self, is_thorough: bool) {
        let known = self.known();
        assert_eq!(known.keys().cloned().collect::<Vec<_>>(), self.names(), "the catalogue is the disk");
        if !is_thorough {
            return;
        }
        for told in self.all() {
            let sound = read_small(&self.disk, &self.shelf.root.join(&told.name), 4_096).expect("read");
            assert_eq!(sound[..8], told.side["number"].as_u64().expect("a number").to_le_bytes(), "{} is another", told.name);
            assert_eq!(known[&told.name], sound.len() as u64);
            let row = self.writer.as_ref().expect("open").find(&told.name).expect("answered").expect("there").row;
            let (marks, at) = (row.marks, row.uploaded_at.is_some());
            assert_eq!(
                (marks.locked, marks.reviewed, at),
                (told.is("locked"), told.is("reviewed"), told.is_uploaded()),
                "{}",
                told.name
            );
        }
    }
}

/// Of the catalogue.
struct Order<'a>(&'a Writer);

impl tier::Shelf for Order<'_> {
    type Error = Failure;

    fn sources(&mut self) -> Result<Vec<String>, Failure> {
        self.0.sources()
    }

    fn oldest(&mut self, source: &str, form: Form, is_uploaded: bool, from: Wall) -> Result<Option<Candidate>, Failure> {
        self.0.oldest_in(source, form, is_uploaded, from, 0)
    }
}

impl Hands for World {
    fn writer(&self) -> Result<&Writer, Failure> {
        Ok(self.writer.as_ref().expect("open"))
    }

    /// Deletes, and sees from the disk alone whether that was right.
    fn discard(&mut self, candidate: &Candidate, reason: &Reason) -> Result<u64, Refused> {
        let left = self.may_go();
        let told =
            left.iter().find(|one| one.name == candidate.name).unwrap_or_else(|| panic!("{candidate:?} may not go: {left:?}"));
        match reason {
            Reason::Room(rank) => {
                assert_eq!((*rank, &candidate.name), (left[0].rank(), &left[0].name), "the first of {left:?}");
                assert!(told.is_uploaded() || left.iter().all(|one| !one.is_uploaded()), "others are elsewhere: {left:?}");
                self.tally.for_room[usize::from(rank.0)] += 1;
            }
            Reason::Reduced { days, .. } => {
                assert!(
                    self.is_clock_right && self.now.since(told.start()) as f64 > days * DAY_NS as f64,
                    "{candidate:?} is young"
                );
                assert!(told.name.ends_with(".opus"), "{told:?} is no Opus");
                self.tally.spent += 1;
            }
            Reason::Age { days } => {
                let age_ns = self.now.since(told.start()) as f64;
                assert!(self.is_clock_right && age_ns > days * 86_400.0 * SECOND_NS as f64, "{candidate:?} is young");
                let mut others = left.iter().filter(|one| one.source() == told.source() && one.is_uploaded());
                assert!(told.is_uploaded() || others.next().is_none(), "others of its source are elsewhere: {left:?}");
                self.tally.by_age += 1;
            }
        }
        self.gone.push(told.side["number"].as_u64().expect("a number"));
        remove(&self.disk, &self.shelf, &candidate.name, &|path| matches!(self.disk.kind(path), Ok(Some(_)))).expect("removed");
        self.forget(&candidate.name);
        Ok(candidate.bytes)
    }
}

fn history(seed: u64) -> Tally {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new(&mut dice, folder.path().to_owned());
    let mut is_online = dice.percent(70);
    for day in 0..DAYS {
        world.now = world.now.plus_ns(DAY_NS);
        if dice.percent(3) {
            // A clock that is put back: names and ages may come again.
            world.now = world.now.plus_ns(-DAY_NS * (1 + dice.below(3) as i64));
        }
        if dice.percent(10) {
            is_online = !is_online;
        }
        if dice.percent(5) {
            world.is_clock_right = !world.is_clock_right;
        }
        let is_last = dice.percent(8);
        if is_last {
            world.disk.remember();
        }
        (world.reduced, world.gone) = (Vec::new(), Vec::new());
        world.day(&mut dice, is_online);
        world.reduce();
        if is_last {
            let moments = world.disk.remembered();
            let (_, moment) = &moments[dice.below(moments.len() as u64) as usize];
            let unsynced = moment.unsynced() as u64 + 1;
            let crash = match dice.below(5) {
                0 => Crash::Lost,
                1 => Crash::Applied,
                2 => Crash::Prefix(dice.below(unsynced) as usize),
                3 => Crash::Torn(dice.below(unsynced) as usize),
                _ => Crash::Scattered(dice.below(u64::MAX)),
            };
            world.boot(moment.crash(crash), dice.percent(30));
            world.check_reduced();
        }
        world.make_room();
        world.check(is_last || day % 10 == 9);
    }
    world.check(true);
    drop(world.folder);
    world.tally
}

#[test]
fn a_month_in_minutes_a_thousand_times() {
    println!("seeds 1 to {HISTORIES}");
    let tallies = thread::scope(|scope| {
        let some = |first: u64| {
            move || {
                (first..=HISTORIES)
                    .step_by(THREADS as usize)
                    .map(|seed| {
                        let done = std::panic::catch_unwind(|| history(seed));
                        done.unwrap_or_else(|_| panic!("seed {seed} failed: what failed stands above"))
                    })
                    .collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (1..=THREADS).map(|first| scope.spawn(some(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("every history holds")).collect::<Vec<_>>()
    });
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let (recorded, by_age, crashes) = (sum(|t| t.recorded), sum(|t| t.by_age), sum(|t| t.crashes));
    let (to_opus, to_sections, spent) = (sum(|t| t.to_opus), sum(|t| t.to_sections), sum(|t| t.spent));
    println!("{to_opus} to their sections and an Opus, {to_sections} to their sections at once, {spent} lost their Opus");
    assert!(to_opus > HISTORIES && to_sections > 100 && spent > 100);
    let (refused, stuck) = (sum(|t| t.refused_writes), sum(|t| t.stuck));
    let for_room: Vec<u64> = (0..usize::from(Rank::COUNT)).map(|rank| tallies.iter().map(|t| t.for_room[rank]).sum()).collect();
    println!(
        "{recorded} recorded, {by_age} deleted by age, for room by rank {for_room:?}, {crashes} power cuts, {refused} refused writes, {stuck} times stuck"
    );
    // Each of them was met, and often.
    assert!(recorded > 50 * HISTORIES && by_age > HISTORIES && crashes > HISTORIES && refused > 100 && stuck > 10);
    assert!(for_room.iter().all(|count| *count > 10), "{for_room:?}");
}
