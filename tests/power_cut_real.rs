//! Power cuts over the bytes that the recorder really writes: PCM through libFLAC and the WAV writer, the encoder's blocks, the
//! store and its repair; what is left is read by claxon, hound and `flac`, and compared with what was recorded.

mod store_rig;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use soundpost::message::Container;
use store_rig::*;

/// See [`play`]: the lanes are 16-bit mono, 16-bit stereo and 24-bit mono.
const SESSIONS: &[(&[&str], &str)] = &[
    (&["/r"], "O0:a d d d d d d d P0:b d S0:b d d d c0 w"),
    (&["/r"], "o0:a d d d d d d b0:7 d s0:b d d b0:1 c0 w"),
    (&["/r", "/s"], "O0:a O1:x/a d d d d d d d P0:b S0:b S1:x/b d d g0:40 d d c0 c1 w"),
    (&["/r", "/r"], "o0:a o1:b d d d g1:9 d d d p1:c b0:3 s1:c d d d c0 c1 w"),
    (&["/r", "/r", "/r"], "O0:a o1:b O2:c d d d d d b2:5 b2:123 d S2:d d d c0 c1 c2 w"),
    (&["/r", "/r", "/r"], "o0:a O1:a o2:a b2:7 d d d d R1:a d d r2:a d b2:1 d c0 c1 c2 w"),
    (&["/r"], "O0:a d d d d d d d d d d d d d b0:333 c0 w"),
    // The size of the data passes a multiple of 65 536 shortly before a sync: half of the old and half of the new one would be too much.
    (&["/r"], "w o0:a b0:2048 d d d d d d d d d d d d d d"),
];

#[test]
fn real_files_survive_power_cuts() {
    let trial = Trial { family: REAL, ordered: 12, scattered: 11, recut_every: 3, sample_every: 40 };
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Figures::default()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((roots, script)) = SESSIONS.get(next.fetch_add(1, Relaxed)) {
                    let here = cut_session(&trial, roots, script);
                    println!("{:6} power cuts in {} operations: {script}", here.points, here.operations);
                    all.lock().expect("no session failed").add(here);
                }
            });
        }
    });
    let all = all.into_inner().expect("no session failed");
    println!(
        "{} power cuts leave {} different disks with {} recordings to recover, {} of them with sound behind the damage; \
         {} repairs were cut too; at most {:.2} s of sound lost",
        all.points,
        all.images.len(),
        all.recovered,
        all.rests,
        all.recuts,
        all.most_lost_s
    );
    assert!(all.images.len() >= 5_000, "only {} different disks", all.images.len());
    assert!(all.recovered > 5_000 && all.rests > 100, "{} recovered, {} with a rest", all.recovered, all.rests);
    check_with_flac(&all);
}

/// The reference decoder has no complaint, not even a warning.
fn check_with_flac(all: &Figures) {
    let dir = tempfile::tempdir().expect("a folder");
    let flacs = all.samples.iter().filter(|(container, _)| *container == Container::Flac);
    let paths = flacs.enumerate().map(|(n, (_, bytes))| {
        let path = dir.path().join(format!("{n}.flac"));
        std::fs::write(&path, bytes).expect("written");
        path
    });
    let paths: Vec<_> = paths.collect();
    let told = std::process::Command::new("flac").arg("-ts").args(&paths).output().expect("flac must be installed");
    let said = String::from_utf8_lossy(&told.stderr);
    // Of a recovered file there is no MD5, which it says.
    let complaints: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty() && !l.contains("MD5 signature")).collect();
    assert!(told.status.success() && complaints.is_empty(), "{said}");
    println!("flac -t passes {} of them", paths.len());
    assert!(paths.len() >= 50);
}
