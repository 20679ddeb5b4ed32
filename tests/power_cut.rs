//! A power cut at every operation of the disk, in every way the unsynced writes may have gone: nothing finished changes, everything
//! is readable after the next start, at most `sync_seconds` + 1 s of sound is gone, and a start that is itself cut comes to the same end.
//! Then the other way to fail: each operation refused once, or all of them for a while.

mod store_rig;

use soundpost::device::disk::{Crash, Disk, Failure, MemoryDisk, Trouble};
use store_rig::*;

/// Lanes in one folder, or each in its own, and what they do: see [`play`].
const SESSIONS: &[(&[&str], &str)] = &[
    (&["/r"], "o0:a d d d d d d d s0:b d d d c0 w"),
    (&["/r"], "O0:a d d d d d d d P0:b d S0:b d d d c0 w"),
    (&["/r"], "O0:a d d S0:b a0:0:800 d d w c0 w a0:800:800 w"),
    (&["/r", "/r"], "o0:x/a O1:y/2025/a d d d g0:9 d d d d p0:x/b s0:x/b S1:y/2025/b d d d g1:30 d d c0 c1 w"),
    (&["/r", "/s"], "O0:a o1:a d d d p0:b p1:b d d d d d S0:b s1:b d d g1:400 d d d d c1 d c0 w w"),
    (&["/r", "/r"], "o0:same o1:same d d d d d d s0:same s1:same d d d s0:same d c0 c1 w"),
    (&["/r"], "O0:a b0:1 b0:99 d b0:250 d d d d d g0:40 g0:2 b0:7 d S0:b b0:3 S0:c d d d d d d d d d d d c0 w"),
    (&["/r", "/r"], "o0:a O1:b d d d R1:b d d d d d r0:a d d c0 n0:run2 o0:a d d c0 c1 w"),
    (&["/r", "/r", "/r", "/r"], "o0:0 O1:1 o2:2 O3:3 d d d d d d s0:0 S1:1 s2:2 S3:3 d d d d d c0 c1 c2 c3 w"),
    (&["/r", "/s"], "f:/r o0:a O1:a d d d d d d d s0:b S1:b d d d d d d c0 c1 w"),
];

#[test]
fn a_power_cut_costs_seconds_and_nothing_finished() {
    let trial = Trial { family: TOYS, ordered: usize::MAX, scattered: 52, recut_every: 1, sample_every: u64::MAX };
    let mut all = Figures::default();
    for (roots, script) in SESSIONS {
        let here = cut_session(&trial, roots, script);
        println!("{:6} power cuts in {} operations: {script}", here.points, here.operations);
        all.add(here);
    }
    println!(
        "{} power cuts leave {} different disks, the repair of each cut once too: at most {:.2} s of sound lost",
        all.points,
        all.images.len(),
        all.most_lost_s
    );
    assert!(all.images.len() >= 20_000, "only {} different disks", all.images.len());
}

/// The bytes of a stream name nobody: whatever was synced is recovered under the name of its source and run.
#[test]
fn a_stream_keeps_its_identity_through_power_cuts() {
    let trial = Trial { family: STREAMS, ordered: usize::MAX, scattered: 24, recut_every: 2, sample_every: u64::MAX };
    let mut all = Figures::default();
    for (roots, script) in SESSIONS.iter().filter(|(_, script)| !script.contains("f:")) {
        let here = cut_session(&trial, roots, script);
        println!("{:6} power cuts in {} operations: {script}", here.points, here.operations);
        all.add(here);
    }
    println!(
        "{} power cuts leave {} different disks with {} recordings to recover: at most {:.2} s of sound lost",
        all.points,
        all.images.len(),
        all.recovered,
        all.most_lost_s
    );
    assert!(all.images.len() >= 10_000 && all.recovered >= 5_000, "{} disks, {} recovered", all.images.len(), all.recovered);
}

#[test]
fn a_repair_may_be_cut_anywhere() {
    let (roots, script) = (&["/r", "/r"], "o0:x/a O1:a d d d g0:9 d d d d s0:x/b d d");
    let disk = MemoryDisk::new(roots);
    play(TOYS, &disk, roots, script, &mut |_, _| {});
    let mut points = 0;
    for seed in 0..8 {
        let left = disk.crash(Crash::Scattered(seed));
        let whole = disk.crash(Crash::Scattered(seed));
        boot(&whole, TOYS, roots);
        left.remember();
        boot(&left, TOYS, roots);
        for (_, moment) in left.remembered() {
            for crash in crashes(&moment, seed, usize::MAX, 8) {
                let half = moment.crash(crash);
                boot(&half, TOYS, roots);
                assert!(
                    without_mark(&half, roots) == without_mark(&whole, roots),
                    "operation {}, {crash:?}",
                    moment.operations()
                );
                points += 1;
            }
        }
    }
    println!("{points} power cuts during repair");
}

/// Everything that was sent stands in whole files, in order, apart from what gaps.csv tells of.
fn check_complete(rig: &Rig, disk: &MemoryDisk, roots: &[&str], lane: usize) -> Result<(), String> {
    let found = recordings(disk, TOYS, roots)?;
    let source = rig.lanes[lane].source.to_string();
    for (key, sent) in rig.sent.iter().filter(|(key, _)| key.0 == source) {
        let file = found.iter().find(|f| f.key == *key).ok_or_else(|| format!("{key:?} is missing"))?;
        if file.pcm != sent.pcm(&source) {
            return Err(format!("{}: {} bytes, {} sent", file.path.display(), file.pcm.len(), sent.pcm(&source).len()));
        }
    }
    Ok(())
}

#[test]
fn each_operation_may_fail_once() {
    let mut points = 0;
    for (roots, script) in SESSIONS.iter().filter(|(_, script)| !script.contains(['r', 'R', 'f'])) {
        let plain = MemoryDisk::new(roots);
        play(TOYS, &plain, roots, script, &mut |_, _| {}).finish(SECOND);
        for n in 0..plain.operations() {
            for what in [Failure::NoSpace, Failure::Io] {
                let disk = MemoryDisk::new(roots);
                disk.trouble(Trouble { from: n, until: n + 1, below: "/".into(), what });
                let mut rig = play(TOYS, &disk, roots, script, &mut |_, _| {});
                assert!(rig.finish(30 * SECOND), "{script}: {what:?} at {n}: not finished");
                for lane in 0..rig.lanes.len() {
                    check_complete(&rig, &disk, roots, lane).unwrap_or_else(|e| panic!("{script}: {what:?} at {n}: {e}"));
                }
                points += 1;
            }
        }
    }
    println!("{points} operations refused once: nothing lost");
}

#[test]
fn a_disk_that_refuses_everything_for_a_while_stops_no_other_and_recording_goes_on_within_2_s() {
    let script = "O0:a o1:a d d d d d d S0:b s1:b d d g1:40 g0:40 d d d d d d S0:c s1:c d d d c0 c1 w";
    let roots = &["/r", "/s"];
    let plain = MemoryDisk::new(roots);
    play(TOYS, &plain, roots, script, &mut |_, _| {}).finish(SECOND);
    let mut points = 0;
    for n in 0..plain.operations() {
        for what in [Failure::NoSpace, Failure::Io] {
            let disk = MemoryDisk::new(roots);
            disk.trouble(Trouble { from: n, until: u64::MAX, below: "/r".into(), what });
            // After three seconds of trouble the disk is well again; two seconds later everything that waited is written.
            let (mut in_trouble, mut quiet) = (0, 0);
            let mut rig = play(TOYS, &disk, roots, script, &mut |rig, _| {
                assert_eq!(rig.machine.waiting(1), 0, "{what:?} at {n}: the other disk's lane waits");
                let waits = rig.machine.waiting(0) > 0;
                in_trouble += u32::from(waits || in_trouble > 0);
                if in_trouble == 3 {
                    disk.no_trouble();
                }
                if in_trouble >= 5 {
                    assert!(!waits, "{what:?} at {n}: still waiting");
                    quiet += 1;
                }
            });
            disk.no_trouble();
            assert!(rig.finish(30 * SECOND), "{what:?} at {n}: not finished");
            for lane in [0, 1] {
                check_complete(&rig, &disk, roots, lane).unwrap_or_else(|e| panic!("{what:?} at {n}, lane {lane}: {e}"));
            }
            assert!(disk.free_bytes("/r".as_ref()).is_ok());
            points += 1;
        }
    }
    println!("{points} times a disk refused everything for three seconds: nothing lost, the other one never waited");
}
