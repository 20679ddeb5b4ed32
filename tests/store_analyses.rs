//! What the store does with the analysis of a file: it stands beside it when the file has its name, or not at all.

mod store_rig;

use std::path::{Path, PathBuf};

use soundpost::device::disk::{Failure, MemoryDisk, Trouble};
use soundpost::format::profile;
use soundpost::format::sidecar::Sidecar;
use soundpost::message::*;
use store_rig::*;

const FRAMES: u64 = HZ as u64;

/// A second of sound on the first lane, as a file that has ended.
fn recorded(rig: &mut Rig, name: &str) -> u64 {
    let first = rig.lanes[0].frame;
    rig.open(0, Container::Flac, name);
    rig.data(0, FRAMES);
    rig.close(0, Cause::Split);
    first
}

/// Whether there is a profile that can be read, and how many sections the sidecar tells of.
fn kept(disk: &MemoryDisk, name: &str) -> (bool, Option<usize>) {
    let at = |ending: &str| -> PathBuf { Path::new("/r/analyses").join(format!("{name}.{ending}")) };
    let read = |path: PathBuf| disk.files("/r").into_iter().find(|(there, _)| *there == path).map(|(_, bytes)| bytes);
    let profile = read(at("profile")).is_some_and(|bytes| profile::read(&bytes).is_ok_and(|profile| profile.frames == FRAMES));
    let sidecar = read(at("analysis.json")).and_then(|bytes| Sidecar::read(&bytes).ok());
    (profile, sidecar.and_then(|sidecar| sidecar.sections.map(|sections| sections.len())))
}

#[test]
fn it_may_come_before_or_after_the_file_has_its_name() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    let first = recorded(&mut rig, "early");
    rig.analysed(0, first, FRAMES);
    rig.pass(SECOND);
    assert_eq!(kept(&disk, "early.flac"), (true, Some(1)));
    let first = recorded(&mut rig, "late");
    rig.pass(SECOND);
    assert_eq!(kept(&disk, "late.flac"), (false, None));
    rig.analysed(0, first, FRAMES);
    rig.pass(SECOND);
    assert_eq!(kept(&disk, "late.flac"), (true, Some(1)));
    assert!(rig.finish(SECOND));
    // Of all that, a power cut may cost the profile alone, which has a checksum.
    let durable = disk.durable_files("/r").into_iter().find(|(path, _)| path.ends_with("late.flac.analysis.json"));
    assert!(durable.is_some_and(|(_, bytes)| Sidecar::read(&bytes).is_ok_and(|sidecar| sidecar.sections.is_some())));
}

#[test]
fn those_of_many_short_files_wait_until_a_slow_disk_has_named_them() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        let first = recorded(&mut rig, name);
        rig.analysed(0, first, FRAMES);
    }
    rig.pass(SECOND);
    for name in names {
        assert_eq!(kept(&disk, &format!("{name}.flac")), (true, Some(1)), "{name}");
    }
    assert!(rig.finish(SECOND));
}

#[test]
fn one_that_comes_while_the_recorder_ends_is_kept_too() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    let first = recorded(&mut rig, "a");
    rig.analysed(0, first, FRAMES);
    assert!(rig.finish(SECOND));
    assert_eq!(kept(&disk, "a.flac"), (true, Some(1)));
}

#[test]
fn one_of_other_frames_is_thrown_away() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    let first = recorded(&mut rig, "a");
    rig.analysed(0, first, FRAMES - 1);
    rig.analysed(0, first + 7, FRAMES);
    rig.pass(SECOND);
    assert_eq!(kept(&disk, "a.flac"), (false, None));
    assert!(rig.finish(SECOND));
}

#[test]
fn what_the_disk_refuses_is_not_tried_again_and_harms_nothing() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    let first = recorded(&mut rig, "a");
    rig.pass(SECOND);
    disk.trouble(Trouble { from: disk.operations(), until: u64::MAX, below: "/r/analyses".into(), what: Failure::NoSpace });
    rig.analysed(0, first, FRAMES);
    rig.pass(SECOND);
    assert_eq!(kept(&disk, "a.flac"), (false, None));
    recorded(&mut rig, "b");
    rig.pass(SECOND);
    assert!(disk.files("/r").iter().any(|(path, _)| path.ends_with("a.flac")), "the file before is as it was");
}

#[test]
fn many_that_wait_for_their_files_do_not_pile_up() {
    let disk = MemoryDisk::new(&["/r"]);
    let mut rig = Rig::new(&disk, TOYS, &["/r"]);
    let first = recorded(&mut rig, "a");
    // Of files that never end.
    (1..50).for_each(|n| rig.analysed(0, n * 1_000_000, FRAMES));
    rig.analysed(0, first, FRAMES);
    rig.pass(SECOND);
    assert_eq!(kept(&disk, "a.flac"), (true, Some(1)));
    assert!(rig.finish(SECOND), "what waits for ever keeps nobody from ending");
}
