//! A month in minutes, of the whole machine: the real store writes, the real librarian learns, marks and deletes, the real uploader sends,
//! on a file system that is really small, by a clock that is told. Uploads come and go, people lock and look, the power fails at
//! random. Each history is one seed; a failure names it, and SOUNDPOST_SEED runs it
//! alone.
//!
//! A thousand more of what is decided and deleted, on a disk that loses names too: `retention_histories`.

mod common;
#[path = "month/dice.rs"]
mod dice;
mod store_rig;
#[path = "month/torn.rs"]
mod torn;
#[path = "month/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::path::Path;

use common::volume::Volume;
use dice::Dice;
use soundpost::device::remote::Trouble;
use soundpost::device::{Fault, FaultKind};
use soundpost::message::analysis::Centibel;
use soundpost::message::library::{Mark, Wish};
use soundpost::policy::retention::{Age, Rank, Rules, Source};
use soundpost::time::{SECOND_NS, Wall};
use store_rig::{TOYS, format, recordings_below};
use world::{Cut, HIGH, IS_CLOCK_RIGHT, SOURCES, Tally, World};

const HISTORIES: u64 = 1_000;
const THREADS: u64 = 4;
const DAYS: i64 = 30;
const HOUR_NS: i64 = 3_600 * SECOND_NS;
/// Of the file system: some twenty recordings.
const KIB: u32 = 1_024;

fn rules(dice: &mut Dice) -> Rules {
    let mut age = || Age { days: dice.percent(40).then(|| 3.0 + dice.below(20) as f64), only_uploaded: dice.percent(50) };
    let sources = SOURCES.map(|(name, _)| Source { name: name.into(), age: age(), expected_bytes_per_hour: 0.0 });
    Rules {
        min_free_hours: 0.0,
        min_free_bytes: 64_000 + 1_000 * dice.below(200),
        makes_room: true,
        high_score: HIGH,
        sources: sources.into(),
        others: Age::default(),
    }
}

/// Recordings, people, uploads.
fn day(world: &mut World, dice: &mut Dice, is_online: bool, locks: u64) -> Result<(), Cut> {
    for lane in 0..SOURCES.len() {
        let found = dice.percent(75).then(|| (0..dice.below(3)).map(|_| Centibel(1_200 + dice.below(2_000) as i16)).collect());
        world.record(lane, 4 + dice.below(12), found)?;
    }
    for told in world.told() {
        if dice.percent(locks) {
            world.mark(&told.name, Mark::Locked(!told.is_locked));
        } else if dice.percent(4) {
            world.mark(&told.name, Mark::Reviewed(true));
        }
    }
    let fault = |kind| Trouble::Target(Fault::new(kind, "out of order"));
    if is_online {
        let faults: Vec<Trouble> = (0..dice.below(3))
            .map(|_| match dice.below(3) {
                0 => fault(FaultKind::Retry),
                1 => fault(FaultKind::Gone),
                _ => Trouble::File("not wanted".into()),
            })
            .collect();
        world.faults.lock().expect("no panic").extend(faults);
        world.upload(dice.below(16))?;
    }
    Ok(())
}

/// Each recording is what was recorded under its name, whole but for what a power cut may cost; the catalogue is the disk; what is told to
/// be uploaded is there, once.
fn check(world: &mut World) {
    let mut keys = BTreeSet::new();
    let mut names = Vec::new();
    for path in recordings_below(&world.root) {
        let bytes = std::fs::read(&path).expect("read");
        let container = SOURCES.iter().find(|(_, c)| path.extension().is_some_and(|e| e == c.extension())).expect("ours").1;
        let (key, _, pcm) = (TOYS.read)(container, &bytes).unwrap_or_else(|| panic!("{} is not whole", path.display()));
        let frames = pcm.len() as u64 / format().frame_bytes() as u64;
        assert!(pcm == (TOYS.pcm)(&key.0, format(), key.2, frames), "{} has other sound", path.display());
        let sent = world.sent[&key];
        let is_enough = frames >= if world.was_full { 1 } else { sent.sure_frames };
        assert!(frames <= sent.frames + 2_000 && is_enough, "{}: {frames} frames of {sent:?}", path.display());
        assert!(keys.insert(key), "{} is there twice", path.display());
        names.push(path.strip_prefix(&world.root).expect("below").display().to_string());
    }
    world.ask(Wish::Scan);
    names.sort();
    assert_eq!(world.known(), names, "the catalogue is the disk");
    let all = world.told();
    let stock = world.stock.lock().expect("no panic");
    for told in all.iter().filter(|told| told.is_uploaded) {
        let bytes = std::fs::read(world.root.join(&told.name)).expect("read");
        assert_eq!(stock.values().filter(|there| **there == bytes).count(), 1, "{told:?} at the far end");
    }
}

fn history(seed: u64, volume: &Path) -> Tally {
    let mut dice = Dice::new(seed);
    let catalogue = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let root = volume.join(format!("{seed}"));
    std::fs::create_dir_all(root.join("analyses")).expect("made");
    IS_CLOCK_RIGHT.set(true);
    // Later than any file of the test, or they would be too young to be trusted.
    let start = Wall(jiff::Timestamp::now().as_second() * SECOND_NS + 24 * HOUR_NS);
    let mut world = World::new(root.clone(), catalogue.path().join("catalogue.db"), rules(&mut dice), start);
    let (mut is_online, locks) = (dice.percent(70), if dice.percent(15) { 25 } else { 2 });
    world.start();
    for day_of_month in 1..=DAYS {
        world.clock.advance(24 * HOUR_NS);
        if dice.percent(2) {
            // A clock that is put back: names and ages may come again.
            let back = HOUR_NS * 24 * (1 + dice.below(3) as i64);
            let now = soundpost::device::clock::Clock::look(&*world.clock).wall;
            world.clock.step(now.plus_ns(-back), true);
        }
        is_online ^= dice.percent(10);
        if dice.percent(5) {
            IS_CLOCK_RIGHT.set(!IS_CLOCK_RIGHT.get());
        }
        world.cut_in = dice.percent(8).then(|| dice.below(50));
        let is_cut = day(&mut world, &mut dice, is_online, locks).is_err();
        if is_cut {
            let is_catalogue_lost = dice.percent(30);
            world.lose_power(&mut dice, is_catalogue_lost);
            world.start();
        }
        world.keep();
        if is_cut || day_of_month % 10 == 0 {
            check(&mut world);
        }
    }
    world.finish();
    world.end();
    // What the disk was too full for is finished at the latest now.
    world.start();
    world.keep();
    world.end();
    world.start();
    check(&mut world);
    let is_left = |path: &Path| path.extension().is_some_and(|e| e == "part");
    let left: Vec<_> = store_rig::files_below(&root).into_iter().filter(|path| is_left(path)).collect();
    assert!(left.is_empty() || world.told().iter().all(|told| told.is_locked), "{left:?} is unfinished");
    world.end();
    std::fs::remove_dir_all(&root).expect("removed");
    world.tally
}

#[test]
fn a_month_of_the_whole_machine_again_and_again() {
    if let Some(seed) = std::env::var("SOUNDPOST_SEED").ok().and_then(|text| text.parse().ok()) {
        let _ = history(seed, &Volume::new(KIB).path);
        return;
    }
    println!("seeds 1 to {HISTORIES}");
    let some = |first: u64| {
        let volume = Volume::new(KIB);
        let seeds = (first..=HISTORIES).step_by(THREADS as usize);
        let each = seeds.map(|seed| {
            let done = std::panic::catch_unwind(|| history(seed, &volume.path));
            done.unwrap_or_else(|_| panic!("seed {seed} failed: what failed stands above"))
        });
        each.collect::<Vec<_>>()
    };
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=THREADS).map(|first| scope.spawn(move || some(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("every history holds")).collect()
    });
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let for_room: Vec<u64> = (0..usize::from(Rank::COUNT)).map(|rank| tallies.iter().map(|t| t.for_room[rank]).sum()).collect();
    let (recorded, by_age, cuts, stuck) = (sum(|t| t.recorded), sum(|t| t.by_age), sum(|t| t.cuts), sum(|t| t.stuck));
    println!(
        "{recorded} recorded, {by_age} deleted by age, for room by rank {for_room:?}, {cuts} power cuts, {stuck} times stuck"
    );
    // Each of them was met, and often.
    assert!(recorded > 50 * HISTORIES && by_age > HISTORIES && cuts > HISTORIES / 2 && stuck > 0);
    assert!(for_room.iter().all(|count| *count > 10), "{for_room:?}");
}
