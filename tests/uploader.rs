//! What an uploader does next, step by step: a real folder and its librarian, a target in memory, and a clock that tests turn.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use soundpost::actor::librarian::{self, Librarian, Prober};
use soundpost::actor::store::parse_gap_line;
use soundpost::actor::uploader::{Memory, Settings, Step, Uploader};
use soundpost::device::clock::SimulatedClock;
use soundpost::device::remote::{FakeRemote, Stock, Trouble};
use soundpost::device::{Fault, FaultKind};
use soundpost::message::Identity;
use soundpost::message::folders::{Folder, Folders};
use soundpost::message::library::{Ask, Mark, Wish};
use soundpost::policy::outbox::{Convert, Layout, Order};
use soundpost::policy::schedule::{Hours, Rules, Schedule, parse_windows};
use soundpost::policy::split::Zone;
use soundpost::status::ActorStatus;
use soundpost::status::upload::TargetStatus;
use soundpost::time::{Mono, SECOND_NS, Wall};

/// 2026-05-22T12:00:00Z
const NOON: Wall = Wall(1_779_451_200 * SECOND_NS);

struct Headers;

impl Prober for Headers {
    fn probe(&self, path: &Path, _: &str) -> Option<(u32, u8, u64)> {
        Some((10, 1, fs::metadata(path).ok()?.len()))
    }

    fn identity(&self, _: &Path, _: &str) -> Option<Identity> {
        None
    }
}

struct Bench {
    folder: tempfile::TempDir,
    asks: async_channel::Sender<Ask>,
    keeper: Option<JoinHandle<()>>,
    stock: Stock,
    script: Arc<Mutex<VecDeque<Trouble>>>,
    clock: Arc<SimulatedClock>,
    uploader: Uploader,
}

fn root(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("rec")
}

/// A day of recordings, one an hour from midnight on.
fn bench(files: usize, order: Order, window: &str) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root(&folder).join("analyses")).expect("made");
    for hour in 0..files {
        let path = root(&folder).join(format!("20260522_{hour:02}0000.wav"));
        fs::write(&path, format!("sound {hour}")).expect("written");
        // So old that nobody will analyse it.
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_779_400_000 + hour as u64);
        File::options().write(true).open(&path).and_then(|file| file.set_modified(at)).expect("dated");
    }
    open(folder, order, window, Stock::default())
}

fn open(folder: tempfile::TempDir, order: Order, window: &str, stock: Stock) -> Bench {
    let (place, clock) = (root(&folder), Arc::new(SimulatedClock::new(Mono(0), NOON, true)));
    let (asks, keeper) = keep(&place);
    let script = Arc::default();
    let rules = Rules { windows: parse_windows(window).expect("a window"), ..Rules::ALWAYS };
    let hours = (!window.is_empty()).then(|| Hours::new(Schedule::new(rules, Zone::UTC, None).expect("hours")));
    let uploader = Uploader {
        settings: Settings {
            name: "t".into(),
            site: "wood".into(),
            layout: Layout::parse("{date}/{name}").expect("a layout"),
            order,
            only_sections: false,
            convert: Convert::No,
            bytes_per_second: 0,
            hours,
        },
        remote: Box::new(FakeRemote { stock: stock.clone(), script: Arc::clone(&script) }),
        folders: Arc::new(Folders::of(folder_of(&place, &asks))),
        shelves: Vec::new(),
        clock: clock.clone(),
        actor: Arc::new(ActorStatus::default()),
        status: Arc::new(TargetStatus::new("t", "folder")),
        stop: Arc::new(AtomicBool::new(false)),
        state: Memory::default(),
    };
    Bench { folder, asks, keeper: Some(keeper), stock, script, clock, uploader }
}

fn folder_of(place: &Path, asks: &async_channel::Sender<Ask>) -> Folder {
    let (root, asks) = (place.to_owned(), asks.clone());
    Folder { analyses: root.join("analyses"), catalogue: root.join("catalogue.db"), root, asks }
}

/// The librarian of a folder, which has looked through it.
fn keep(place: &Path) -> (async_channel::Sender<Ask>, JoinHandle<()>) {
    let settings = librarian::Settings {
        root: place.to_owned(),
        analyses: place.join("analyses"),
        catalogue: place.join("catalogue.db"),
        read_only: false,
        scan_every: Duration::from_secs(3_600),
        zone: Zone::UTC,
        software: "soundpost test".into(),
        parse_gap: parse_gap_line,
        turns: Arc::default(),
        retention: None,
        targets: vec!["t".into()],
    };
    let shared = Arc::new(librarian::Shared::default());
    let mut keeper = Librarian::open(settings, Box::new(Headers), shared).expect("opened");
    let (asks, inbox) = async_channel::bounded::<Ask>(8);
    keeper.answer(Wish::Scan, &inbox, &|| NOON).expect("scanned");
    (asks, thread::spawn(move || librarian::run(&inbox, &mut keeper, &|| NOON)))
}
impl Bench {
    fn step(&mut self) -> Step {
        let life = self.uploader.actor.life();
        self.uploader.step(life)
    }

    /// Until there is nothing more to do; what came, in order.
    fn all(&mut self) -> Vec<String> {
        let mut came = Vec::new();
        for _ in 0..100 {
            let before = self.keys();
            let step = self.step();
            came.extend(self.keys().into_iter().filter(|key| !before.contains(key) && key.ends_with(".wav")));
            if step == Step::Rest {
                return came;
            }
        }
        panic!("it never rests: {came:?}");
    }

    fn keys(&self) -> Vec<String> {
        self.stock.lock().expect("no panic").keys().cloned().collect()
    }

    fn say(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.script.lock().expect("no panic").extend(troubles);
    }

    fn ask(&self, wish: Wish) {
        let (reply, answer) = async_channel::bounded(1);
        self.asks.send_blocking(Ask { wish, reply: Some(reply) }).expect("a librarian");
        answer.recv_blocking().expect("an answer").expect("done");
    }

    /// As after a power cut: what was in memory is gone.
    fn restarted(mut self) -> Bench {
        let (order, stock) = (self.uploader.settings.order, self.stock.clone());
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        let keeper = self.keeper.take();
        drop(self);
        keeper.expect("one").join().expect("no panic");
        open(folder, order, "", stock)
    }
}

fn fault(kind: FaultKind) -> Trouble {
    Trouble::Target(Fault::new(kind, "out of order"))
}

#[test]
fn in_order_each_once_and_again_after_a_restart() {
    for (order, want) in [(Order::Oldest, ["00", "01", "02"]), (Order::Newest, ["02", "01", "00"])] {
        let mut bench = bench(3, order, "");
        let first = bench.step();
        assert_eq!((first, bench.keys().len()), (Step::Sent, 1), "a recording that nobody analysed has nothing beside it");
        let mut bench = bench.restarted();
        let rest = bench.all();
        assert_eq!(rest, want[1..].iter().map(|hour| format!("2026-05-22/20260522_{hour}0000.wav")).collect::<Vec<_>>());
        assert!(bench.keys().contains(&"2026-05-22/events.jsonl".to_owned()), "{:?}", bench.keys());
        let lines = fs::read_to_string(root(&bench.folder).join("uploads.csv")).expect("a ledger");
        assert_eq!(lines.lines().count(), 4, "{lines}");
        assert_eq!(bench.uploader.status.look().backlog_files, 0);
        assert_eq!(bench.restarted().all(), [""; 0], "all of it is known to be there");
    }
}

/// The same file is offered again when it is there and could not be entered: it is found, not sent twice.
#[test]
fn what_was_not_entered_is_found_to_be_there() {
    let mut bench = bench(1, Order::Oldest, "");
    bench.stock.lock().expect("no panic").insert("2026-05-22/20260522_000000.wav".into(), b"sound 0".to_vec());
    bench.all();
    assert_eq!(bench.keys(), ["2026-05-22/20260522_000000.wav", "2026-05-22/events.jsonl"]);
}

#[test]
fn a_target_that_fails_is_left_alone_for_a_while() {
    let mut bench = bench(1, Order::Oldest, "");
    bench.say([fault(FaultKind::Retry), fault(FaultKind::Refused)]);
    let row = |bench: &Bench| bench.uploader.status.look();
    assert_eq!((bench.step(), row(&bench).state, row(&bench).trouble.as_deref()), (Step::Rest, "failing", Some("out of order")));
    assert!(!bench.uploader.status.alarm.is_raised(), "once is no alarm");
    bench.clock.advance(3 * SECOND_NS);
    assert_eq!((bench.step(), bench.keys().len()), (Step::Rest, 0), "not yet");
    bench.clock.advance(3 * SECOND_NS);
    assert_eq!((bench.step(), bench.uploader.status.alarm.is_raised()), (Step::Rest, true), "refused: somebody must act");
    bench.clock.advance(300 * SECOND_NS);
    assert_eq!((bench.step(), bench.keys().len()), (Step::Rest, 0), "not yet");
    bench.clock.advance(601 * SECOND_NS);
    assert_eq!((bench.step(), bench.keys().len()), (Step::Sent, 1));
    assert_eq!((bench.uploader.status.alarm.is_raised(), row(&bench).trouble), (false, None));
}

#[test]
fn one_that_is_not_wanted_holds_nobody_up() {
    let mut bench = bench(3, Order::Oldest, "");
    bench.say([Trouble::File("is too long".into())]);
    let came = bench.all();
    assert_eq!(came.len(), 2, "{came:?}");
    assert!(!came.iter().any(|key| key.contains("_000000")), "{came:?}");
    bench.clock.step(NOON.plus_ns(7 * 3_600 * SECOND_NS), true);
    bench.clock.advance(60 * SECOND_NS);
    assert_eq!(bench.all(), ["2026-05-22/20260522_000000.wav"], "it is offered again after some hours");
}

#[test]
fn outside_of_its_window_nothing_is_sent() {
    let mut bench = bench(2, Order::Oldest, "01:00..05:00");
    assert_eq!((bench.all(), bench.uploader.status.look().state), (vec![], "held"));
    bench.clock.step(NOON.plus_ns(14 * 3_600 * SECOND_NS), true);
    assert_eq!(bench.all().len(), 2);
}

/// Each folder has its own catalogue; what is sent next is the first of all of them, and what has the same name stands beside the other.
#[test]
fn several_folders_are_one_queue() {
    for (order, want) in [
        (Order::Oldest, ["20260522_000000", "20260522_003000", "20260522_010000", "20260522_010000-2"]),
        (Order::Newest, ["20260522_010000", "20260522_010000-2", "20260522_003000", "20260522_000000"]),
    ] {
        let mut bench = bench(2, order, "");
        let second = bench.folder.path().join("second");
        fs::create_dir_all(second.join("analyses")).expect("made");
        for (name, sound) in [("20260522_003000", "half past"), ("20260522_010000", "another")] {
            let path = second.join(format!("{name}.wav"));
            fs::write(&path, sound).expect("written");
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_779_400_000);
            File::options().write(true).open(&path).and_then(|file| file.set_modified(at)).expect("dated");
        }
        let (asks, _keeper) = keep(&second);
        bench.uploader.folders.add(folder_of(&second, &asks)); // as when it comes while this runs
        bench.step();
        assert_eq!(bench.uploader.status.look().backlog_files, 4, "of both");
        let first: Vec<_> = bench.keys();
        let came = [first, bench.all()].concat();
        assert_eq!(came, want.map(|name| format!("2026-05-22/{name}.wav")), "{order:?}");
        let events = bench.stock.lock().expect("no panic")["2026-05-22/events.jsonl"].clone();
        assert_eq!(String::from_utf8_lossy(&events).lines().count(), 4, "the day is one list");
        for (folder, count) in [(root(&bench.folder), 3), (second, 3)] {
            assert_eq!(fs::read_to_string(folder.join("uploads.csv")).expect("a ledger").lines().count(), count);
        }
    }
}

/// What people and the target's ledger say of a recording live side by side.
#[test]
fn marks_and_copies_are_in_one_sidecar() {
    let mut bench = bench(1, Order::Oldest, "");
    let name = "20260522_000000.wav".to_owned();
    bench.ask(Wish::Set { name: name.clone(), mark: Mark::Note("owl".into()) });
    bench.all();
    bench.ask(Wish::Set { name, mark: Mark::Reviewed(true) });
    let text = fs::read(root(&bench.folder).join("analyses/20260522_000000.wav.analysis.json")).expect("a sidecar");
    let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let copy = &value["uploads"]["t"];
    assert_eq!((&value["note"], &value["reviewed"], &copy["bytes"]), (&"owl".into(), &true.into(), &7.into()), "{value}");
    assert_eq!(copy["key"], "2026-05-22/20260522_000000.wav");
}
