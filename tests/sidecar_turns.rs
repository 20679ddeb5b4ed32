//! The store and the librarian change the same sidecar at the same time, again and again: no change is lost.

mod store_rig;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use soundpost::actor::librarian::{Librarian, Prober, Settings as LibrarianSettings, Shared};
use soundpost::actor::store::{LaneSettings, Machine, Settings, parse_gap_line, run};
use soundpost::device::disk::{RealDisk, real_path};
use soundpost::device::turns::Turns;
use soundpost::edge::{Sender, edge};
use soundpost::format::sidecar::Sidecar;
use soundpost::message::library::{Mark, Wish};
use soundpost::message::*;
use soundpost::policy::split::Zone;
use soundpost::pool::Pool;
use soundpost::status::ActorStatus;
use soundpost::time::{Mono, Wall};
use store_rig::*;

const TIMES: i64 = 150;
const MS: i64 = 1_000_000;

struct Headless;

impl Prober for Headless {
    fn probe(&self, _: &Path, _: &str) -> Option<(u32, u8, u64)> {
        None
    }

    fn identity(&self, _: &Path, _: &str) -> Option<soundpost::message::Identity> {
        None
    }
}

/// A finished file whose clock was not set.
fn record(store: &Sender<ToStore>) {
    let pool = Pool::new(4, 4_096);
    let block = |bytes: &[u8], frames: u32| {
        let mut block = pool.take_until(None).expect("a block");
        block.append(bytes);
        block.frames = frames;
        block
    };
    let send = |message| assert!(store.send(message).is_ok(), "the store is there");
    let (source, session, format) = ("mic0".into(), "run".into(), format().into());
    let clock = ClockState::Unsynced;
    let identity = Identity { source, session, first_frame: 0, start: Wall(EPOCH), utc_offset_s: 0, clock, format };
    let mut codec = Toy::new(Container::Wav);
    let header = codec.begin(&identity);
    send(ToStore::Open(0, Box::new(NewFile { identity, container: Container::Wav, stem: "a".into(), header_bytes: 256 })));
    send(ToStore::Data(0, block(&header, 0)));
    let (bytes, frames) = codec.data(&pcm("mic0", 0, 100));
    send(ToStore::Data(0, block(&bytes, frames)));
    for (at, bytes) in codec.end() {
        send(ToStore::Patch(0, at, block(&bytes, 0)));
    }
    send(ToStore::Close(0, Box::new(Closing::new(Cause::Split, 100, clock))));
}

#[test]
fn no_change_is_lost() {
    let temp = tempfile::tempdir().expect("a folder");
    let root = real_path(temp.path()).join("rec");
    let turns: Arc<Turns> = Arc::default();
    let (tx, rx) = edge(64);
    let (recorded, hints) = async_channel::bounded(4);
    let lane = LaneSettings {
        short: None,
        source: "mic0".into(),
        root: root.clone(),
        analyses: None,
        depth: 16,
        sync_ns: SECOND,
        cue: false,
        schedule: None,
        rename: None,
        status: Arc::default(),
    };
    let settings = Settings {
        lanes: vec![lane],
        inbox_depth: 64,
        formats: (TOYS.formats)(),
        recorded: vec![recorded],
        turns: turns.clone(),
    };
    let (mut machine, faults) = Machine::new(RealDisk, settings);
    assert_eq!(faults, []);
    let store = std::thread::spawn(move || {
        let began = std::time::Instant::now();
        run(&rx, &mut machine, &ActorStatus::default(), &|| Mono(began.elapsed().as_nanos() as i64))
    });
    record(&tx);
    let file = hints.recv_blocking().expect("finished");
    assert!(file.ends_with("a.wav"), "{}", file.display());

    let settings = LibrarianSettings {
        root: root.clone(),
        analyses: root.join("analyses"),
        catalogue: root.join("catalogue.db"),
        read_only: false,
        scan_every: Duration::MAX,
        zone: Zone::UTC,
        software: "soundpost test".into(),
        parse_gap: parse_gap_line,
        turns,
        retention: None,
        targets: Vec::new(),
    };
    let mut librarian = Librarian::open(settings, Box::new(Headless), Arc::new(Shared::default())).expect("opened");
    let (_asks, inbox) = async_channel::bounded(1);
    let now = || Wall(EPOCH + 86_400 * SECOND);
    librarian.answer(Wish::Scan, &inbox, &now).expect("looked");
    let read = || Sidecar::read(&std::fs::read(root.join("analyses/a.wav.analysis.json")).expect("there")).expect("ours");
    let corrections = std::thread::spawn(move || {
        for _ in 0..TIMES {
            assert!(tx.send(ToStore::Correct(0, "run".into(), MS)).is_ok());
            std::thread::yield_now();
        }
    });
    for n in 0..TIMES {
        let mark = Mark::Note(n.to_string());
        let Ok(_) = librarian.answer(Wish::Set { name: "a.wav".into(), mark }, &inbox, &now) else { panic!("note {n}") };
        assert_eq!(read().other["note"], n.to_string(), "what was answered is there");
    }
    corrections.join().expect("all asked for");
    // With its last sender gone the store does what waits, and ends.
    store.join().expect("ended");
    let last = read();
    assert_eq!((last.start, last.corrected_by), (Wall(EPOCH + TIMES * MS), Some(TIMES as f64 / 1e3)));
    assert_eq!((last.recorded_as, &last.other["note"]), (Some(Wall(EPOCH)), &(TIMES - 1).to_string().into()));
}
