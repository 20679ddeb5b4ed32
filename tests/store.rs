//! What the store does when lanes, encoders, disks and clocks misbehave; told as short scenes on a disk in memory, and some on a real one.

mod store_rig;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use soundpost::actor::store::{End, LaneSettings, Machine, Settings, repair, run};
use soundpost::device::disk::{Crash, Disk, DiskFile, Failure, MemoryDisk, RealDisk, Trouble};
use soundpost::edge::edge;
use soundpost::format::sidecar::Sidecar;
use soundpost::message::*;
use soundpost::pool::Pool;
use soundpost::status::{ActorStatus, State};
use soundpost::time::{Mono, Wall};
use store_rig::*;

fn names(disk: &MemoryDisk, root: &str) -> Vec<String> {
    let files = disk.files(root).into_iter().map(|(path, _)| path.strip_prefix(root).expect("below").display().to_string());
    files.filter(|name| name != ".soundpost" && !name.starts_with("analyses")).collect()
}

fn sidecar(disk: &MemoryDisk, root: &str, name: &str) -> Sidecar {
    let path = Path::new(root).join("analyses").join(format!("{name}.analysis.json"));
    let bytes = disk.files(root).into_iter().find(|(at, _)| *at == path).map(|(_, bytes)| bytes).expect("the sidecar is there");
    Sidecar::read(&bytes).expect("it is whole")
}

fn seconds(rig: &mut Rig, n: usize) {
    for _ in 0..n {
        (0..rig.lanes.len()).for_each(|lane| rig.data(lane, u64::from(HZ)));
        rig.pass(SECOND);
    }
}

/// (frames lost, reason, start and end in milliseconds since the run began)
fn losses(disk: &MemoryDisk, root: &str) -> Vec<(u64, String, i64, i64)> {
    let ms = |at: Wall| (at.0 - EPOCH) / 1_000_000;
    gaps(disk, root).into_iter().map(|(start, end, _, frames, reason)| (frames, reason, ms(start), ms(end))).collect()
}

#[test]
fn a_recording_and_its_sidecar() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "2025/06/a");
    seconds(&mut rig, 2);
    rig.gap(0, 40);
    seconds(&mut rig, 1);
    assert_eq!(names(&disk, "/r"), ["2025/06/a.flac.part", "gaps.csv"]);
    rig.close(0, Cause::Split);
    rig.pass(SECOND);
    assert_eq!(names(&disk, "/r"), ["2025/06/a.flac", "gaps.csv"]);
    let s = sidecar(&disk, "/r", "2025/06/a.flac");
    assert_eq!((s.file.as_str(), s.source.as_str(), s.session.as_str()), ("2025/06/a.flac", "mic0", "run1"));
    assert_eq!((s.frames, s.lost_frames, s.end.since(s.start)), (1_200, 40, 3_100_000_000));
    assert_eq!((s.gaps[0].at_frame, s.gaps[0].lost_frames, s.gaps[0].reason.as_str()), (800, 40, "xrun"));
    assert_eq!((s.end_reason.as_str(), s.recovered, s.suspect, s.sure_frames), ("split", false, false, None));
    assert_eq!(losses(&disk, "/r"), [(40, "xrun".into(), 2_000, 2_100)]);
    assert!(rig.finish(SECOND));
    assert_eq!(disk.unsynced(), 0, "something would not survive");
}

#[test]
fn a_file_is_synced_every_five_seconds_and_its_header_vouches_for_no_more() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Wav, "a");
    for second in 1..30 {
        seconds(&mut rig, 1);
        let durable = disk.durable_files("/r").into_iter().find(|(path, _)| path.ends_with("a.wav.part"));
        let bytes = durable.map(|(_, bytes)| bytes).unwrap_or_default();
        let frames = bytes.len().saturating_sub(256) / FRAME_BYTES;
        assert!(frames + 6 * HZ as usize >= second * HZ as usize, "second {second}: {frames} frames are safe");
        let told = bytes.get(252..256).map_or(0, |b| u32::from_le_bytes(b.try_into().expect("four")));
        assert!(told as usize <= frames * FRAME_BYTES, "second {second}");
    }
    let syncs = rig.lanes[0].status.sync.look().count();
    assert!((5..=6).contains(&syncs), "{syncs} syncs in 29 s");
}

#[test]
fn each_lane_has_its_own_period() {
    let disk = MemoryDisk::new(&["/r", "/s"]);
    let mut rig = Rig::with_syncs(&disk, TOYS, &[("/r", SECOND / 10), ("/r", 5 * SECOND), ("/s", 600 * SECOND)]);
    (0..3).for_each(|lane| rig.open(lane, Container::Flac, &format!("{lane}")));
    for _ in 0..300 {
        (0..3).for_each(|lane| rig.data(lane, u64::from(HZ) / 10));
        rig.pass(SECOND / 10);
    }
    let syncs: Vec<u64> = rig.lanes.iter().map(|lane| lane.status.sync.look().count()).collect();
    assert!((299..=301).contains(&syncs[0]) && (5..=6).contains(&syncs[1]) && syncs[2] == 0, "{syncs:?} in 30 s");
}

#[test]
fn names_that_are_taken_get_a_suffix() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r", "/r"]);
    for (lane, container) in [(0, Container::Wav), (1, Container::Flac), (0, Container::Flac)] {
        rig.close(lane, Cause::Split);
        rig.open(lane, container, "same");
        rig.data(lane, 10);
    }
    rig.close(0, Cause::End);
    rig.close(1, Cause::End);
    rig.pass(SECOND);
    assert_eq!(names(&disk, "/r"), ["same-2.flac", "same-3.flac", "same.wav"]);
}

#[test]
fn the_next_file_is_made_ready_and_a_wrong_guess_leaves_nothing() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Wav, "a");
    rig.data(0, 10);
    rig.prepare(0, Container::Wav, "b");
    assert_eq!(names(&disk, "/r"), ["a.wav.part", "b.wav.part"]);
    let before = disk.operations();
    rig.prepare(0, Container::Wav, "b");
    assert_eq!(disk.operations(), before, "made ready once");
    rig.close(0, Cause::Clock);
    rig.open(0, Container::Wav, "c");
    rig.data(0, 10);
    rig.prepare(0, Container::Wav, "d");
    rig.close(0, Cause::Split);
    rig.open(0, Container::Wav, "d");
    rig.data(0, 10);
    rig.prepare(0, Container::Wav, "e");
    rig.close(0, Cause::Shutdown);
    assert!(rig.finish(SECOND));
    assert_eq!(names(&disk, "/r"), ["a.wav", "c.wav", "d.wav"]);
}

#[test]
fn a_file_without_a_frame_leaves_nothing() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    rig.close(0, Cause::Unplugged);
    assert!(rig.finish(SECOND));
    assert_eq!((names(&disk, "/r"), disk.files("/r/analyses").len()), (vec![], 0));
}

#[test]
fn sixteen_files_that_end_together_on_a_slow_disk_keep_nobody_waiting() {
    let disk = MemoryDisk::new(&["/r"]);
    let roots = ["/r"; 16];
    let mut rig = Rig::new(&disk, TOYS, &roots);
    (0..16).for_each(|lane| rig.open(lane, Container::Flac, &format!("{lane}/a")));
    seconds(&mut rig, 6);
    for lane in 0..16 {
        rig.close(lane, Cause::Split);
        rig.open(lane, Container::Flac, &format!("{lane}/b"));
    }
    seconds(&mut rig, 6);
    disk.slow_sync(SECOND / 5);
    let (began, operations) = (rig.now, disk.operations());
    for lane in 0..16 {
        rig.close(lane, Cause::Split);
        rig.open(lane, Container::Flac, &format!("{lane}/c"));
        rig.data(lane, u64::from(HZ));
    }
    assert_eq!(rig.now, began, "a message waited for the disk");
    let mut longest = 0;
    while rig.lanes[15].status.files_closed.load(Relaxed) == 1 {
        let before = rig.now;
        if !rig.machine.work(rig.now, 0) {
            rig.now = rig.machine.next_due().expect("files wait for each other, and not for ever");
            continue;
        }
        rig.now.0 += disk.take_elapsed_ns();
        longest = longest.max(rig.now.since(before));
    }
    println!("sixteen files closed in {} ms, {} operations", rig.now.since(began) / 1_000_000, disk.operations() - operations);
    assert!((0..16).all(|lane| rig.lanes[lane].status.files_closed.load(Relaxed) == 2), "all in one commit");
    assert!(longest <= SECOND, "one step took {longest} ns");
}

#[test]
fn a_full_inbox_is_served_before_files_are_finished() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    rig.data(0, 10);
    rig.close(0, Cause::Split);
    assert!(!rig.machine.work(rig.now, 17), "17 of 64 messages wait, and it does something else");
    assert!(rig.machine.work(rig.now.plus_ns(6 * SECOND), 64), "a finished file waits no longer than a few seconds");
    assert_eq!(names(&disk, "/r"), ["a.flac"]);
}

#[test]
fn an_encoder_that_is_started_anew_gets_a_new_file_and_the_loss_is_exact() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    seconds(&mut rig, 2);
    rig.gap(0, 100);
    seconds(&mut rig, 1);
    rig.lanes[0].frame += 123;
    rig.open(0, Container::Flac, "b");
    seconds(&mut rig, 1);
    rig.close(0, Cause::Shutdown);
    assert!(rig.finish(SECOND));
    assert_eq!(names(&disk, "/r"), ["a.flac", "b.flac", "gaps.csv"]);
    // 3 s + 100 frames lost in between, then 123 frames that nobody reported.
    assert_eq!(losses(&disk, "/r"), [(100, "xrun".into(), 2_000, 2_250), (123, "fault".into(), 3_250, 3_557)]);
    let s = sidecar(&disk, "/r", "a.flac");
    assert_eq!(
        (s.end_reason.as_str(), s.recovered, s.frames, s.lost_frames, s.gaps[0].at_frame),
        ("fault", false, 1_200, 100, 800)
    );
}

#[test]
fn sound_without_a_file_is_counted_and_a_file_asked_for() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    let pool = Pool::new(1, 64);
    let mut block = pool.try_take().expect("free");
    block.append(&[1; 40]);
    block.frames = 10;
    rig.send(ToStore::Data(0, block));
    assert_eq!((rig.lanes[0].status.take_cut(), pool.free()), (Some(Cause::Fault), 1));
    rig.lanes[0].frame = 10;
    rig.open(0, Container::Wav, "a");
    rig.pass(SECOND);
    assert_eq!(losses(&disk, "/r"), [(10, "fault".into(), 0, 25)]);
}

#[test]
fn a_failed_sync_is_not_believed_later() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    seconds(&mut rig, 7);
    let now = disk.operations();
    disk.trouble(Trouble { from: now, until: now + 8, below: "/r".into(), what: Failure::SyncIo });
    while rig.lanes[0].status.take_cut().is_none() {
        seconds(&mut rig, 1);
    }
    disk.no_trouble();
    let sent = rig.lanes[0].frames;
    rig.close(0, Cause::Disk);
    rig.open(0, Container::Flac, "b");
    seconds(&mut rig, 6);
    rig.close(0, Cause::Shutdown);
    assert!(rig.finish(SECOND));
    let s = sidecar(&disk, "/r", "a.flac");
    assert!(s.suspect && s.sure_frames.is_some_and(|sure| sure < sent && sure + 6 * u64::from(HZ) >= sent), "{s:?}");
    assert!(!sidecar(&disk, "/r", "b.flac").suspect);
    assert_eq!(rig.lanes[0].status.alarms.load(Relaxed), 1, "said once");
}

#[test]
fn a_full_disk_is_said_once_and_costs_nothing_while_memory_lasts() {
    let disk = MemoryDisk::new(&["/r", "/s"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r", "/s"]);
    (0..2).for_each(|lane| rig.open(lane, Container::Wav, "a"));
    seconds(&mut rig, 3);
    disk.limit("/r", 6_000);
    seconds(&mut rig, 6);
    assert!(rig.machine.waiting(0) > 0 && rig.machine.waiting(1) == 0);
    assert_eq!(rig.lanes[0].status.take_cut(), None, "a new file would need room too");
    disk.limit("/r", u64::MAX);
    rig.pass(SECOND);
    assert_eq!((rig.machine.waiting(0), rig.lanes[0].status.alarms.load(Relaxed)), (0, 1));
    (0..2).for_each(|lane| rig.close(lane, Cause::Shutdown));
    assert!(rig.finish(SECOND));
    let found = recordings(&disk, TOYS, &["/r", "/s"]).expect("all whole");
    assert!(found.iter().all(|f| f.pcm == pcm(&f.key.0, 0, 9 * u64::from(HZ))), "both have every frame");
}

#[test]
fn a_disk_that_went_away_for_good_loses_its_open_file_only() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    seconds(&mut rig, 6);
    // Only what is below this name fails: the handle is dead, the folder is not.
    disk.trouble(Trouble { from: 0, until: u64::MAX, below: "/r/a.flac.part".into(), what: Failure::Io });
    seconds(&mut rig, 1);
    assert_eq!(rig.lanes[0].status.take_cut(), Some(Cause::Disk));
    rig.close(0, Cause::Disk);
    rig.open(0, Container::Flac, "b");
    seconds(&mut rig, 6);
    assert_eq!(rig.machine.waiting(0), 0, "the new file records");
    disk.no_trouble();
    seconds(&mut rig, 8);
    rig.close(0, Cause::Shutdown);
    assert!(rig.finish(10 * SECOND));
    assert_eq!(names(&disk, "/r"), ["a.flac", "b.flac", "gaps.csv"]);
    let kept = sidecar(&disk, "/r", "a.flac").frames;
    let gap = &losses(&disk, "/r")[0];
    assert_eq!((gap.0 + kept, gap.1.as_str()), (7 * u64::from(HZ), "disk"), "kept and lost are what was captured");
}

#[test]
fn a_file_that_stays_broken_keeps_nothing_from_ending() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    seconds(&mut rig, 6);
    disk.trouble(Trouble { from: 0, until: u64::MAX, below: "/r/a.flac.part".into(), what: Failure::Io });
    seconds(&mut rig, 1);
    rig.close(0, Cause::Disk);
    rig.open(0, Container::Flac, "b");
    seconds(&mut rig, 3);
    rig.close(0, Cause::Shutdown);
    assert!(rig.finish(SECOND), "it was tried often enough");
    assert_eq!(names(&disk, "/r"), ["a.flac.part", "b.flac", "gaps.csv"]);
}

#[test]
fn a_panic_costs_one_retry_and_a_second_one_the_message() {
    for (times, lost) in [(1, 0), (2, u64::from(HZ))] {
        let disk = MemoryDisk::new(&["/r"]);
        let mut rig = Rig::new(&disk, TOYS, &["/r"]);
        rig.open(0, Container::Flac, "a");
        seconds(&mut rig, 2);
        let now = disk.operations();
        disk.trouble(Trouble { from: now, until: now + times, below: "/r".into(), what: Failure::Panic });
        rig.data(0, u64::from(HZ));
        rig.pass(SECOND);
        assert_eq!((rig.falls, rig.lanes[0].status.take_cut()), (times, Some(Cause::Fault)));
        rig.close(0, Cause::Fault);
        rig.open(0, Container::Flac, "b");
        seconds(&mut rig, 1);
        rig.close(0, Cause::Shutdown);
        assert!(rig.finish(10 * SECOND));
        let kept: u64 = recordings(&disk, TOYS, &["/r"]).expect("whole").iter().map(|f| f.sidecar.frames).sum();
        assert_eq!(kept, 4 * u64::from(HZ) - lost);
        let told: Vec<_> = losses(&disk, "/r").into_iter().map(|(frames, reason, ..)| (frames, reason)).collect();
        assert_eq!(told, if lost > 0 { vec![(lost, "fault".to_owned())] } else { vec![] });
    }
}

#[test]
fn a_panic_at_any_operation_loses_nothing_unsaid() {
    let script = |rig: &mut Rig| {
        for stem in ["a", "b"] {
            rig.open(0, Container::Wav, stem);
            seconds(rig, 7);
            rig.close(0, Cause::Split);
        }
        assert!(rig.finish(30 * SECOND));
    };
    let plain = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&plain, TOYS, &["/r"]);
    let first = plain.operations();
    script(&mut rig);
    for n in first..plain.operations() {
        let disk = MemoryDisk::new(&["/r"]);
        let mut rig = Rig::new(&disk, TOYS, &["/r"]);
        disk.trouble(Trouble { from: n, until: n + 1, below: "/r".into(), what: Failure::Panic });
        script(&mut rig);
        assert_eq!(rig.falls, 1, "operation {n}");
        let left: Vec<String> = names(&disk, "/r").into_iter().filter(|name| name.ends_with(".part")).collect();
        assert!(left.is_empty(), "operation {n}: {left:?}");
        // What was being done is done once more: no frame is there twice, and what is missing is told.
        let found = recordings(&disk, TOYS, &["/r"]).expect("whole");
        for f in &found {
            assert!(rig.sent[&f.key].pcm("mic0").starts_with(&f.pcm), "operation {n}: {}", f.path.display());
        }
        let kept: u64 = found.iter().map(|f| f.sidecar.frames).sum();
        let told: u64 = losses(&disk, "/r").iter().map(|(frames, ..)| frames).sum();
        assert_eq!(kept + told, 14 * u64::from(HZ), "operation {n}");
    }
}

/// A first process records and loses power; a second one starts `later` on the same disk.
fn after_a_power_cut(disk: &MemoryDisk, later_ms: i64, clock: ClockState) -> Rig {
    let mut rig = Rig::new(disk, TOYS, &["/r"]);
    rig.run(0, "second");
    rig.lanes[0].began = Wall(EPOCH + later_ms * 1_000_000);
    rig.lanes[0].clock = clock;
    rig.open(0, Container::Flac, "later");
    seconds(&mut rig, 1);
    rig
}

fn cut_off() -> MemoryDisk {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    seconds(&mut rig, 3);
    disk.crash(Crash::Applied)
}

#[test]
fn the_time_without_power_is_a_gap() {
    let disk = cut_off();
    after_a_power_cut(&disk, 60_000, ClockState::Synced);
    assert_eq!(losses(&disk, "/r"), [(22_800, "restart".into(), 3_000, 60_000)]);
    let s = sidecar(&disk, "/r", "a.flac");
    assert_eq!((s.end_reason.as_str(), s.recovered, s.sure_frames, s.frames), ("recovered", true, Some(1_200), 1_200));
}

#[test]
fn the_gap_is_found_even_if_the_cut_fell_between_two_files() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    seconds(&mut rig, 3);
    rig.close(0, Cause::Split);
    rig.pass(SECOND);
    let disk = disk.crash(Crash::Lost);
    after_a_power_cut(&disk, 60_000, ClockState::Synced);
    assert_eq!(losses(&disk, "/r"), [(22_800, "restart".into(), 3_000, 60_000)]);
}

#[test]
fn a_stop_in_good_order_is_no_gap() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    seconds(&mut rig, 3);
    rig.close(0, Cause::Shutdown);
    assert!(rig.finish(SECOND));
    drop(rig);
    after_a_power_cut(&disk, 60_000, ClockState::Synced);
    assert_eq!(losses(&disk, "/r"), []);
}

#[test]
fn a_clock_that_is_set_late_corrects_sidecars_and_the_gap() {
    let disk = cut_off();
    // No battery: the clock stands at ten seconds before the cut, and is right only a minute later.
    let mut rig = after_a_power_cut(&disk, -10_000, ClockState::Unsynced);
    rig.close(0, Cause::Split);
    rig.open(0, Container::Flac, "later2");
    seconds(&mut rig, 1);
    assert_eq!(losses(&disk, "/r"), []);
    let others = b"{\"sections\": []}";
    disk.create(Path::new("/r/analyses/x.analysis.json")).expect("made").write_at(0, others).expect("written");
    rig.send(ToStore::Correct(0, "second".into(), 70 * SECOND));
    rig.send(ToStore::Correct(0, "other run".into(), 70 * SECOND));
    rig.close(0, Cause::Clock);
    rig.pass(SECOND);
    assert_eq!(losses(&disk, "/r"), [(22_800, "restart".into(), 3_000, 60_000)]);
    for (name, ms) in [("later.flac", 60_000), ("later2.flac", 61_000)] {
        let s = sidecar(&disk, "/r", name);
        assert_eq!((s.start, s.corrected_by), (Wall(EPOCH + ms * 1_000_000), Some(70.0)), "{name}");
        assert_eq!(s.recorded_as, Some(Wall(EPOCH + (ms - 70_000) * 1_000_000)), "{name}");
    }
    assert_eq!(sidecar(&disk, "/r", "a.flac").corrected_by, None);
    rig.send(ToStore::Correct(0, "second".into(), -SECOND));
    rig.pass(SECOND);
    assert_eq!(sidecar(&disk, "/r", "later.flac").corrected_by, Some(69.0));
}

/// The clock is set while a file is in each state that it can be in; every sidecar on the disk then has the right start, once.
#[test]
fn a_late_clock_finds_a_file_in_every_state() {
    let check = |state: &str, prepare: &dyn Fn(&mut Rig), after: &dyn Fn(&mut Rig), name: &str| {
        let disk = MemoryDisk::new(&["/r"]);
        let mut rig = Rig::new(&disk, TOYS, &["/r"]);
        rig.lanes[0].clock = ClockState::Unsynced;
        rig.open(0, Container::Flac, "a");
        seconds(&mut rig, 2);
        prepare(&mut rig);
        rig.send(ToStore::Correct(0, "run1".into(), 70 * SECOND));
        rig.send(ToStore::Correct(0, "run1".into(), -SECOND));
        disk.no_trouble();
        after(&mut rig);
        rig.pass(2 * SECOND);
        let s = sidecar(&disk, "/r", name);
        assert_eq!((s.start, s.corrected_by), (Wall(EPOCH + 69 * SECOND), Some(69.0)), "{state}");
        assert_eq!((s.recorded_as, s.end), (Some(Wall(EPOCH)), Wall(EPOCH + 71 * SECOND)), "{state}");
        assert!(rig.finish(SECOND), "{state}");
        assert_eq!(sidecar(&disk, "/r", name).corrected_by, Some(69.0), "{state}: at the end");
    };
    let nothing = |_: &mut Rig| {};
    let close = |rig: &mut Rig| rig.close(0, Cause::Split);
    // Everything below this name fails from now on.
    let refuse = |rig: &Rig, below: &str, what: Failure| {
        rig.disk.trouble(Trouble { from: 0, until: u64::MAX, below: below.into(), what });
    };
    check("open", &nothing, &close, "a.flac");
    check("closed, nothing done yet", &close, &nothing, "a.flac");
    let described = |rig: &mut Rig| {
        rig.close(0, Cause::Split);
        refuse(rig, "/r/a.flac.part", Failure::Io);
        rig.pass(SECOND / 10);
    };
    check("its header is refused", &described, &nothing, "a.flac");
    let without_sidecar = |rig: &mut Rig| {
        rig.close(0, Cause::Split);
        refuse(rig, "/r/analyses", Failure::NoSpace);
        rig.pass(SECOND / 10);
    };
    check("its sidecar is refused", &without_sidecar, &nothing, "a.flac");
    // The sidecar is on the disk, the name is not: each operation of the close fails in its turn.
    for n in 0..12 {
        let stopped = |rig: &mut Rig| {
            rig.close(0, Cause::Split);
            let now = rig.disk.operations() + n;
            rig.disk.trouble(Trouble { from: now, until: u64::MAX, below: "/r".into(), what: Failure::Io });
            rig.pass(SECOND / 10);
        };
        check(&format!("stopped at operation {n}"), &stopped, &nothing, "a.flac");
        let fallen = |rig: &mut Rig| {
            rig.close(0, Cause::Split);
            let now = rig.disk.operations() + n;
            rig.disk.trouble(Trouble { from: now, until: now + 1, below: "/r".into(), what: Failure::Panic });
            rig.guarded_work();
        };
        check(&format!("the store fell at operation {n}"), &fallen, &nothing, "a.flac");
    }
    let finished = |rig: &mut Rig| {
        rig.close(0, Cause::Split);
        rig.pass(SECOND);
    };
    check("finished", &finished, &nothing, "a.flac");
    let refused = |rig: &mut Rig| {
        rig.close(0, Cause::Split);
        rig.pass(SECOND);
        refuse(rig, "/r/analyses", Failure::Io);
    };
    check("finished, and the disk refuses for a while", &refused, &nothing, "a.flac");
    let given_up = |rig: &mut Rig| rig.open(0, Container::Flac, "b");
    check("given up", &given_up, &close, "a.flac");
}

#[test]
fn other_peoples_files_are_left_as_they_are() {
    let disk = MemoryDisk::new(&["/r/analyses", "/r/mine"]);
    let put = |name: &str, bytes: &[u8]| disk.create(Path::new(name)).expect("made").write_at(0, bytes).expect("written");
    put("/r/film.mkv.part", b"film");
    put("/r/mine/download.wav.part", &[7; 5_000]);
    put("/r/a.txt", b"text");
    put("/r/analyses/b.flac.analysis.json", br#"{"segments": []}"#);
    let before = disk.files("/r");
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "b");
    seconds(&mut rig, 1);
    rig.close(0, Cause::Shutdown);
    assert!(rig.finish(SECOND));
    let after = disk.files("/r");
    assert!(before.iter().all(|file| after.contains(file)));
    assert!(after.iter().any(|(path, _)| path.ends_with("b-2.flac")), "its name avoids the other program's sidecar");
}

#[test]
fn what_stands_in_the_way_is_one_clear_line_and_stops_no_other_folder() {
    let check = |prepare: &dyn Fn(&MemoryDisk), want: &str| {
        let disk = MemoryDisk::new(&["/", "/s"]);
        prepare(&disk);
        let mut rig = Rig::new(&disk, TOYS, &["/r/rec", "/s"]);
        let lines: Vec<&str> = rig.faults.iter().map(|fault| fault.what.as_str()).collect();
        assert!(lines.len() == 1 && lines[0].contains(want) && !lines[0].contains('\n'), "{lines:?} does not say {want:?}");
        (0..2).for_each(|lane| rig.open(lane, Container::Wav, "a"));
        seconds(&mut rig, 3);
        rig.close(1, Cause::Shutdown);
        rig.pass(SECOND);
        assert_eq!(names(&disk, "/s"), ["a.wav"]);
        assert!(rig.machine.waiting(0) > 3);
        rig
    };
    let io = |what| Trouble { from: 0, until: u64::MAX, below: "/r".into(), what };
    check(&|disk| drop(disk.create(Path::new("/r")).expect("made")), "/r/rec: cannot create the folder");
    check(&|disk| disk.trouble(io(Failure::Io)), "check the disk");
    check(&|disk| disk.trouble(io(Failure::NoSpace)), "make room");
    // As soon as the folder can be opened, what waited is recorded.
    let mut rig = check(&|disk| disk.trouble(io(Failure::Io)), "check the disk");
    rig.disk.no_trouble();
    rig.pass(2 * SECOND);
    assert_eq!(rig.machine.waiting(0), 0);
}

#[test]
fn a_second_recorder_on_the_folder_gets_one_line() {
    let disk = MemoryDisk::new(&["/r"]);
    let first = Rig::new(&disk, TOYS, &["/r"]);
    let second = Rig::new(&disk, TOYS, &["/r"]);
    assert_eq!(first.faults, []);
    assert!(second.faults.len() == 1 && second.faults[0].what.contains("another recorder"), "{:?}", second.faults);
    let report = repair(&disk, &["/r".into()], &(TOYS.formats)());
    assert!(report.failed.len() == 1 && report.failed[0].contains("another recorder"), "{report:?}");
}

#[test]
fn a_recorder_on_a_folder_above_or_below_leaves_a_growing_file_alone() {
    let check = |first: &str, stem: &str, second: &str| {
        let disk = MemoryDisk::new(&["/out/mic1"]);
        let mut rig = Rig::new(&disk, TOYS, &[first]);
        rig.open(0, Container::Flac, stem);
        seconds(&mut rig, 6);
        let report = repair(&disk, &[second.into()], &(TOYS.formats)());
        assert_eq!((report.kept.len(), report.removed.len(), report.failed.len()), (0, 0, 0), "{second}: {report:?}");
        assert_eq!(report.left.len(), 1, "{second}: one line: {report:?}");
        boot(&disk, TOYS, &[second]);
        assert!(disk.files("/out").iter().any(|(path, _)| path.ends_with("mic1/a.flac.part")), "{second}: it was taken over");
        seconds(&mut rig, 1);
        rig.close(0, Cause::Shutdown);
        assert!(rig.finish(SECOND));
        let found = recordings(&disk, TOYS, &[first]).expect("whole");
        assert_eq!(found.iter().map(|f| f.sidecar.frames).collect::<Vec<_>>(), [7 * u64::from(HZ)], "{second}");
    };
    check("/out/mic1", "a", "/out");
    // A file has its own lock: its recorder's mark stands higher up.
    let disk = MemoryDisk::new(&["/out/mic1"]);
    let mut rig = Rig::new(&disk, TOYS, &["/out"]);
    rig.open(0, Container::Flac, "mic1/a");
    seconds(&mut rig, 1);
    boot(&disk, TOYS, &["/out/mic1"]);
    assert!(names(&disk, "/out/mic1").contains(&"a.flac.part".to_owned()), "{:?}", names(&disk, "/out/mic1"));
}

#[test]
fn repair_of_a_folder_repairs_the_output_folders_in_it() {
    let disk = MemoryDisk::new(&["/out/mic1", "/out/mic2"]);
    let mut rig = Rig::new(&disk, TOYS, &["/out/mic1", "/out/mic2"]);
    (0..2).for_each(|lane| rig.open(lane, Container::Flac, "a"));
    seconds(&mut rig, 1);
    let disk = disk.crash(Crash::Applied);
    let report = repair(&disk, &["/out".into()], &(TOYS.formats)());
    assert_eq!((report.kept.len(), report.failed.len()), (2, 0), "{report:?}");
    assert!(recordings(&disk, TOYS, &["/out/mic1", "/out/mic2"]).expect("described where they stand").len() == 2);
}

#[test]
fn repair_by_hand_finds_the_folder_of_the_sidecars() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::with_analyses(&disk, TOYS, &["/r"], Some("/meta"));
    rig.open(0, Container::Flac, "a");
    seconds(&mut rig, 1);
    let disk = disk.crash(Crash::Applied);
    let report = repair(&disk, &["/r".into()], &(TOYS.formats)());
    assert_eq!((report.kept.len(), report.failed.len()), (1, 0), "{report:?}");
    let sidecars: Vec<PathBuf> =
        disk.files("/").into_iter().map(|(path, _)| path).filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    assert_eq!(sidecars, [PathBuf::from("/meta/a.flac.analysis.json")]);
}

#[test]
fn folders_that_share_analyses_dir_keep_their_sidecars_apart() {
    let disk = MemoryDisk::new(&["/one/rec", "/two/rec"]);
    let mut rig = Rig::with_analyses(&disk, TOYS, &["/one/rec", "/two/rec", "/one/rec"], Some("/meta"));
    (0..3).for_each(|lane| rig.open(lane, Container::Flac, "a"));
    seconds(&mut rig, 2);
    (0..3).for_each(|lane| rig.close(lane, Cause::Shutdown));
    assert!(rig.finish(SECOND));
    let mut told: Vec<(String, String)> = Vec::new();
    for (path, bytes) in disk.files("/meta") {
        let s = Sidecar::read(&bytes).expect("whole");
        told.push((path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned(), s.source));
    }
    let (one, two) = ("rec-b876a44b", "rec-4e69796d");
    let want = [(two, "mic1"), (one, "mic2"), (one, "mic0")].map(|(folder, source)| (folder.to_owned(), source.to_owned()));
    assert_eq!(told, want);
}

#[test]
fn a_sidecar_of_another_recording_is_not_written_over() {
    for is_cut_off in [false, true] {
        let disk = MemoryDisk::new(&["/r/analyses"]);
        let mut rig = Rig::new(&disk, TOYS, &["/r"]);
        rig.lanes[0].clock = ClockState::Unsynced;
        rig.open(0, Container::Flac, "a");
        seconds(&mut rig, 6);
        let closing = Closing::new(Cause::Split, 9, ClockState::Synced);
        let mut identity = rig.new_file(0, Container::Flac, "a").identity;
        identity.session = "another".into();
        let text = Sidecar::new("a.flac".into(), &identity, &closing, "test").write();
        let path = Path::new("/r/analyses/a.flac.analysis.json");
        disk.create(path).expect("made").write_at(0, &text).expect("written");
        let disk = if is_cut_off {
            let disk = disk.crash(Crash::Applied);
            boot(&disk, TOYS, &["/r"]);
            disk
        } else {
            rig.close(0, Cause::Split);
            rig.pass(SECOND);
            rig.send(ToStore::Correct(0, "run1".into(), 70 * SECOND));
            assert!(rig.finish(SECOND));
            disk
        };
        assert_eq!(names(&disk, "/r"), ["a.flac"]);
        let there = disk.files("/r/analyses");
        assert_eq!(there, [(path.to_path_buf(), text)], "cut off: {is_cut_off}");
    }
}

#[test]
fn repair_by_hand() {
    let disk = cut_off();
    disk.create(Path::new("/r/empty.wav.part")).expect("made");
    disk.create(Path::new("/r/strange.wav.part")).expect("made").write_at(0, &[7; 999]).expect("written");
    let report = repair(&disk, &["/r".into(), "/nowhere".into()], &(TOYS.formats)());
    assert_eq!(report.kept, [PathBuf::from("/r/a.flac")]);
    assert_eq!(report.removed, [PathBuf::from("/r/empty.wav.part")]);
    assert_eq!((report.left.len(), report.failed.len()), (1, 1), "{report:?}");
    assert_eq!(names(&disk, "/r"), ["a.flac", "strange.wav.part"]);
}

#[test]
fn sound_behind_the_damage_of_a_flac_is_kept_beside_it() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, REAL, &["/r"]);
    rig.open(0, Container::Flac, "a");
    for _ in 0..40 {
        rig.data(0, 800);
        rig.pass(SECOND / 10);
    }
    let sent = rig.sent.values().next().expect("one file").pcm("mic0");
    let disk = disk.crash(Crash::Applied);
    let part = Path::new("/r/a.flac.part");
    let before = disk.files("/r").into_iter().find(|(path, _)| path == part).expect("the part").1;
    // A sector that went bad in the middle.
    disk.open(part).and_then(|file| file.write_at(before.len() as u64 / 2, &[0; 512])).expect("written");
    let damaged = disk.files("/r").into_iter().find(|(path, _)| path == part).expect("the part").1;
    let report = repair(&disk, &["/r".into()], &(REAL.formats)());
    assert_eq!((report.kept, report.rests), (vec!["/r/a.flac".into()], vec!["/r/a.flac.rest".into()]));
    assert_eq!(names(&disk, "/r"), ["a.flac", "a.flac.rest"]);
    let (flac, rest) = (&disk.files("/r/a.flac")[0].1, &disk.files("/r/a.flac.rest")[0].1);
    assert!(flac.len() + rest.len() == damaged.len() && damaged.ends_with(rest), "not one byte is missing");
    assert_eq!(sidecar(&disk, "/r", "a.flac").rest.as_deref(), Some("a.flac.rest"));
    let found = &recordings(&disk, REAL, &["/r"]).expect("whole")[0];
    assert!(sent.starts_with(&found.pcm) && found.pcm.len() > sent.len() / 4 && found.pcm.len() < sent.len() * 3 / 4);
    assert_eq!(disk.unsynced(), 0, "something would not survive");
    // Even when the recording is gone, its name is not given to another.
    disk.remove(Path::new("/r/a.flac")).and_then(|()| disk.remove(Path::new("/r/analyses/a.flac.analysis.json"))).expect("gone");
    let mut rig = Rig::new(&disk, REAL, &["/r"]);
    rig.open(0, Container::Wav, "a");
    assert_eq!(names(&disk, "/r"), ["a-2.wav.part", "a.flac.rest"]);
}

#[test]
fn the_thread_records_on_a_real_disk_and_its_end_leaves_nothing_open() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().join("recordings");
    let (tx, rx) = edge(16);
    let (recorded, hints) = async_channel::bounded(16);
    let settings = |recorded| Settings {
        lanes: vec![LaneSettings {
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
        }],
        inbox_depth: 16,
        formats: (TOYS.formats)(),
        recorded,
        turns: Default::default(),
    };
    let (mut machine, faults) = Machine::new(RealDisk, settings(vec![recorded]));
    assert_eq!(faults, []);
    let (_second, faults) = Machine::new(RealDisk, settings(Vec::new()));
    assert!(faults.len() == 1 && faults[0].what.contains("another recorder"), "{faults:?}");
    let status = Arc::new(ActorStatus::default());
    let store = std::thread::spawn({
        let status = status.clone();
        move || {
            let began = std::time::Instant::now();
            run(&rx, &mut machine, &status, &|| Mono(began.elapsed().as_nanos() as i64))
        }
    });
    let pool = Pool::new(4, 4_096);
    let block = |bytes: &[u8], frames: u32| {
        let mut block = pool.take_until(None).expect("a block");
        block.append(bytes);
        block.frames = frames;
        block
    };
    let send = |message| assert!(tx.send(message).is_ok(), "the store is there");
    let mut codec = Toy::new(Container::Wav);
    for stem in ["sub/a", "sub/a", "b"] {
        let identity = Identity {
            source: "mic0".into(),
            session: "run".into(),
            first_frame: 0,
            start: Wall(EPOCH),
            utc_offset_s: 0,
            clock: ClockState::Synced,
            format: format().into(),
        };
        let header = codec.begin(&identity);
        send(ToStore::Open(0, Box::new(NewFile { identity, container: Container::Wav, stem: stem.into(), header_bytes: 256 })));
        send(ToStore::Data(0, block(&header, 0)));
        for n in 0..20 {
            let (bytes, frames) = codec.data(&pcm("mic0", n * 100, 100));
            send(ToStore::Data(0, block(&bytes, frames)));
        }
        for (at, bytes) in codec.end() {
            send(ToStore::Patch(0, at, block(&bytes, 0)));
        }
        let closing = Closing::new(Cause::Split, 2_000, ClockState::Synced);
        send(ToStore::Close(0, Box::new(closing)));
    }
    drop(tx);
    assert_eq!(store.join().expect("joined"), End::Done);
    assert_eq!((status.look().state, pool.free()), (State::Idle, 4));
    for name in ["sub/a.wav", "sub/a-2.wav", "b.wav"] {
        let bytes = std::fs::read(root.join(name)).expect("the recording");
        let (_, _, sound) = (TOYS.read)(Container::Wav, &bytes).expect("whole");
        assert_eq!(sound, pcm("mic0", 0, 2_000), "{name}");
        assert!(root.join("analyses").join(format!("{name}.analysis.json")).is_file(), "{name}");
    }
    assert_eq!(hints.len(), 6, "each was told when it was begun and when it was finished");
    let mark = std::fs::read_to_string(root.join(".soundpost")).expect("the mark");
    assert!(mark.contains("\nstate closed   \n"), "{mark}");
}

#[test]
fn the_loop_falls_and_goes_on_with_the_same_machine() {
    let disk = MemoryDisk::new(&["/r"]);
    let lanes = vec![LaneSettings {
        short: None,
        source: "mic0".into(),
        root: "/r".into(),
        analyses: None,
        depth: 4,
        sync_ns: 5 * SECOND,
        cue: false,
        schedule: None,
        rename: None,
        status: Arc::default(),
    }];
    let settings = Settings { lanes, inbox_depth: 8, formats: (TOYS.formats)(), recorded: Vec::new(), turns: Default::default() };
    let (mut machine, _) = Machine::new(disk.clone(), settings);
    let (tx, rx) = edge(8);
    let mut rig = Rig::new(&MemoryDisk::new(&["/x"]), TOYS, &["/x"]);
    rig.lanes[0].source = "mic0".into();
    let new = rig.new_file(0, Container::Wav, "a");
    let now = disk.operations();
    disk.trouble(Trouble { from: now, until: now + 1, below: "/r".into(), what: Failure::Panic });
    assert!(tx.send(ToStore::Open(0, new)).is_ok());
    drop(tx);
    let status = ActorStatus::default();
    let clock = || Mono(0);
    assert_eq!(run(&rx, &mut machine, &status, &clock), End::Fell(format!("told to panic at operation {now}")));
    assert_eq!(run(&rx, &mut machine, &status, &clock), End::Done);
    assert_eq!(names(&disk, "/r"), Vec::<String>::new(), "the retried file had no frame and was removed at the end");
}

#[test]
fn a_real_disk_keeps_its_promises() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    let disk = RealDisk;
    disk.create_dirs(&at("a/b/c")).expect("made");
    disk.create_dirs(&at("a/b/c")).expect("there already");
    let file = disk.create(&at("a/x")).expect("made");
    assert!(disk.create(&at("a/x")).is_err_and(|e| e.kind() == std::io::ErrorKind::AlreadyExists));
    file.write_at(3, b"def").expect("written");
    file.write_at(0, b"abc").expect("written");
    file.truncate(5).expect("cut");
    file.sync().expect("synced");
    disk.sync_dir(&at("a")).expect("synced");
    disk.sync_all(&at("a")).expect("synced");
    assert_eq!(std::fs::read(at("a/x")).expect("read"), b"abcde");
    disk.create(&at("a/y")).expect("made");
    assert!(disk.rename(&at("a/x"), &at("a/y")).is_err_and(|e| e.kind() == std::io::ErrorKind::AlreadyExists));
    disk.rename(&at("a/x"), &at("a/z")).expect("renamed");
    disk.replace(&at("a/z"), &at("a/y")).expect("replaced");
    assert_eq!(std::fs::read(at("a/y")).expect("read"), b"abcde");
    std::os::unix::fs::symlink(at("a/y"), at("a/link")).expect("linked");
    std::os::unix::fs::symlink(at("a"), at("a/b/loop")).expect("linked");
    assert!(disk.open(&at("a/link")).is_err(), "links are not followed");
    let mut seen = Vec::new();
    disk.list(dir.path(), &mut |path, kind| {
        seen.push(format!("{} {kind:?}", path.strip_prefix(dir.path()).expect("below").display()));
        true
    })
    .expect("listed");
    seen.sort();
    assert_eq!(seen, ["a Dir", "a/b Dir", "a/b/c Dir", "a/b/loop Other", "a/link Other", "a/y File"]);
    let one = disk.create(&at("a/held")).expect("made");
    one.hold().expect("held");
    one.hold().expect("held by itself already");
    let other = disk.open(&at("a/held")).expect("opened");
    assert!(other.hold().is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock));
    drop(one);
    other.hold().expect("free again");
    disk.remove(&at("a/held")).expect("removed");
    let lock = disk.lock(&at("lock")).expect("locked");
    assert!(disk.lock(&at("lock")).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock));
    drop(lock);
    disk.lock(&at("lock")).expect("free again");
    assert!(disk.free_bytes(dir.path()).expect("free") > 0);
    disk.remove(&at("a/y")).expect("removed");
    assert_eq!(disk.kind(&at("a/y")).expect("looked"), None);
}

#[test]
fn ten_thousand_files_are_no_delay() {
    let dir = tempfile::tempdir().expect("a folder");
    for n in 0..10_000 {
        let day = dir.path().join(format!("{}", n / 240));
        let sidecars = dir.path().join(format!("analyses/{}", n / 240));
        if n % 240 == 0 {
            std::fs::create_dir_all(&day).expect("made");
            std::fs::create_dir_all(&sidecars).expect("made");
        }
        std::fs::write(day.join(format!("{n:06}.flac")), b"fLaC").expect("written");
        std::fs::write(sidecars.join(format!("{n:06}.flac.analysis.json")), b"{}").expect("written");
    }
    std::fs::write(dir.path().join(".soundpost"), format!("soundpost 1\nid {:032x}\nstate recording\n", 7)).expect("written");
    let lanes = vec![LaneSettings {
        short: None,
        source: "mic0".into(),
        root: dir.path().into(),
        analyses: None,
        depth: 4,
        sync_ns: 5 * SECOND,
        cue: false,
        schedule: None,
        rename: None,
        status: Arc::default(),
    }];
    let settings = Settings { lanes, inbox_depth: 8, formats: (TOYS.formats)(), recorded: Vec::new(), turns: Default::default() };
    let began = std::time::Instant::now();
    let (_machine, faults) = Machine::new(RealDisk, settings);
    let took = began.elapsed();
    println!("10 000 files and sidecars: ready after {took:?}");
    assert!(faults.is_empty() && took < std::time::Duration::from_secs(3));
}

#[test]
fn a_step_after_the_clock_was_synced_leaves_earlier_files_as_they_are() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    let file = |rig: &mut Rig, clock, stem: &str| {
        rig.lanes[0].clock = clock;
        rig.open(0, Container::Flac, stem);
        seconds(rig, 1);
        rig.close(0, Cause::Split);
        rig.pass(2 * SECOND);
    };
    file(&mut rig, ClockState::Unsynced, "a");
    rig.send(ToStore::Correct(0, "run1".into(), 70 * SECOND));
    file(&mut rig, ClockState::Synced, "b");
    // Weeks without a network, then the clock is set once more.
    file(&mut rig, ClockState::Unsynced, "c");
    rig.send(ToStore::Correct(0, "run1".into(), 8 * SECOND));
    rig.pass(2 * SECOND);
    let corrected = ["a", "b", "c"].map(|n| sidecar(&disk, "/r", &format!("{n}.flac")).corrected_by);
    assert_eq!(corrected, [Some(70.0), None, Some(8.0)]);
}

#[test]
fn a_growing_file_that_somebody_removes_keeps_nothing_from_ending() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    rig.open(0, Container::Flac, "a");
    seconds(&mut rig, 2);
    soundpost::device::disk::Disk::remove(&disk, Path::new("/r/a.flac.part")).expect("removed");
    rig.close(0, Cause::Split);
    rig.pass(2 * SECOND);
    rig.open(0, Container::Flac, "b");
    seconds(&mut rig, 1);
    rig.close(0, Cause::Shutdown);
    assert!(rig.finish(2 * SECOND), "everything is done");
    let kind = |path: &str| soundpost::device::disk::Disk::kind(&disk, Path::new(path)).expect("listed");
    assert!(kind("/r/a.flac").is_none() && kind("/r/analyses/a.flac.analysis.json").is_none(), "nothing is made up");
    assert!(kind("/r/b.flac").is_some());
}

/// A hundred stations on one folder with a slow disk: what a cut of all of them costs.
#[test]
fn a_hundred_stations_that_cut_together_on_a_slow_disk_keep_nobody_waiting() {
    const LANES: usize = 100;
    let disk = MemoryDisk::new(&["/r"]);
    let roots = ["/r"; LANES];
    let mut rig = Rig::new(&disk, STREAMS, &roots);
    disk.slow_sync(SECOND / 5);
    let hour = |rig: &mut Rig, name: &str| {
        for lane in 0..LANES {
            rig.close(lane, Cause::Split);
            rig.open(lane, [Container::Mp3, Container::Ogg][lane % 2], &format!("s{lane}/{name}/x"));
            rig.data(lane, 10);
        }
    };
    hour(&mut rig, "1");
    rig.pass(10 * SECOND);
    // In steady state: one sync of all a period.
    let before = disk.syncs();
    for _ in 0..40 {
        (0..LANES).for_each(|lane| rig.data(lane, 10));
        rig.pass(SECOND / 4);
    }
    let steady = disk.syncs() - before;
    let (began, before) = (rig.now, disk.syncs());
    hour(&mut rig, "2");
    assert_eq!(rig.now, began, "a message waited for the disk");
    let mut busy = 0;
    while (0..LANES).any(|lane| rig.lanes[lane].status.files_closed.load(Relaxed) == 0) {
        if !rig.machine.work(rig.now, 0) {
            rig.now = rig.machine.next_due().expect("something is due");
            continue;
        }
        let took = disk.take_elapsed_ns();
        (rig.now.0, busy) = (rig.now.0 + took, busy + took);
    }
    let syncs = disk.syncs() - before;
    println!(
        "100 stations: {steady} syncs in 10 s of recording; a cut of all costs {syncs} syncs, {} ms of the store's time, and is done after {} ms",
        busy / 1_000_000,
        rig.now.since(began) / 1_000_000
    );
    assert!(steady <= 4 && syncs <= 6 && busy <= 2 * SECOND, "{steady} {syncs} {busy}");
    assert!(rig.finish(30 * SECOND));
    assert_eq!(recordings(&disk, STREAMS, &["/r"]).expect("all is whole").len(), 2 * LANES);
}

#[test]
fn a_stream_is_known_from_its_first_moment() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, STREAMS, &["/r"]);
    rig.open(0, Container::Mp3, "d/a");
    assert!(sidecar(&disk, "/r", "d/a.mp3").is_begun());
    seconds(&mut rig, 6);
    let lost = disk.crash(Crash::Lost);
    boot(&lost, STREAMS, &["/r"]);
    let s = sidecar(&lost, "/r", "d/a.mp3");
    assert_eq!((s.source.as_str(), s.session.as_str(), s.recovered, s.end_reason.as_str()), ("mic0", "run1", true, "recovered"));
    assert!(s.frames >= u64::from(HZ) && s.codec.as_deref() == Some("mp3"));
    // Nobody knows whose it is: it is finished all the same, as the only source's.
    let bare = disk.crash(Crash::Lost);
    bare.remove(Path::new("/r/analyses/d/a.mp3.analysis.json")).expect("removed");
    boot(&bare, STREAMS, &["/r"]);
    let s = sidecar(&bare, "/r", "d/a.mp3");
    assert!(s.source == "mic0" && s.session.starts_with("recovered-") && s.recovered);
    // Not one frame: nothing stays.
    rig.close(0, Cause::Split);
    rig.open(0, Container::Mp3, "b");
    rig.close(0, Cause::Unplugged);
    assert!(rig.finish(SECOND));
    assert_eq!((names(&disk, "/r"), disk.files("/r/analyses").len()), (vec!["d/a.mp3".to_owned()], 1));
    assert_eq!(sidecar(&disk, "/r", "d/a.mp3").end_reason, "split");
}
