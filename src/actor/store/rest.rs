//! What stands behind the damage of a FLAC that repair has to cut: kept byte for byte beside the recording, as NAME.flac.rest.
//!
//! Nothing here understands it; whoever needs the sound in it finds whole coded frames there. Repair calls this before it cuts.
//! A repair that is killed and begun anew finds the copy that it has made already, and makes no second one.

use std::io;
use std::path::{Path, PathBuf};

use super::naming::{REST, dotted};
use super::repair::{create_draft, folder};
use crate::device::disk::{Disk, DiskFile};
use crate::format::{ReadAt, fill_at};

/// Read and written at a time.
const COPY_BYTES: usize = 64 << 10;

/// Other files that may stand where the rest should; more is somebody's mistake.
const NAMES: u32 = 1_000;

/// Everything of `file` from `from` on, on disk under a name of its own when this returns. `name` is the recording's path.
pub fn save<D: Disk>(disk: &D, file: &D::File, from: u64, name: &Path) -> io::Result<PathBuf> {
    for n in 1..=NAMES {
        let ending = if n < 2 { REST.to_owned() } else { format!("{n}.{REST}") };
        let rest = dotted(name, &ending);
        let there = match disk.kind(&rest)? {
            None => copy_to(disk, file, from, &rest)?,
            Some(_) => is_copy(disk, file, from, &rest)?,
        };
        if there {
            disk.sync_dir(folder(&rest))?;
            return Ok(rest);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// False if the name was taken meanwhile.
fn copy_to<D: Disk>(disk: &D, file: &D::File, from: u64, rest: &Path) -> io::Result<bool> {
    let (draft, to) = create_draft(disk, rest)?;
    let done = copy(file, from, &to).and_then(|()| to.sync()).and_then(|()| disk.rename(&draft, rest));
    drop(to);
    if done.is_err() {
        // On a full disk the half of it would only be in the way.
        let _ = disk.remove(&draft);
    }
    match done {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        other => other.map(|()| true),
    }
}

fn copy<F: DiskFile>(file: &F, from: u64, to: &F) -> io::Result<()> {
    let mut buf = vec![0; COPY_BYTES];
    let mut at = 0;
    loop {
        let have = fill_at(file, from.saturating_add(at), &mut buf)?;
        to.write_at(at, &buf[..have])?;
        at = at.saturating_add(have as u64);
        if have < buf.len() {
            return Ok(());
        }
    }
}

fn is_copy<D: Disk>(disk: &D, file: &D::File, from: u64, rest: &Path) -> io::Result<bool> {
    let Ok(there) = disk.open(rest) else { return Ok(false) };
    if there.len()? != file.len()?.saturating_sub(from) {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; COPY_BYTES], vec![0; COPY_BYTES]);
    let mut at = 0_u64;
    loop {
        let have = fill_at(file, from.saturating_add(at), &mut left)?;
        if fill_at(&there, at, &mut right)? != have || left[..have] != right[..have] {
            return Ok(false);
        }
        at = at.saturating_add(have as u64);
        if have < left.len() {
            // It may have been written by somebody who was killed before it was synced.
            return there.sync().map(|()| true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::disk::{Crash, Failure, MemoryDisk, Trouble};

    const PART: &str = "/r/a.flac.part";

    /// A file of so many bytes, whatever stands beside it.
    fn disk(bytes: usize, beside: &[(&str, &[u8])]) -> MemoryDisk {
        let disk = MemoryDisk::new(&["/r"]);
        let content: Vec<u8> = (0..bytes).map(|n| (n * n / 7) as u8).collect();
        for (path, bytes) in [(PART, content.as_slice())].iter().chain(beside) {
            let file = disk.create(Path::new(path)).expect("made");
            file.write_at(0, bytes).and_then(|()| file.sync()).expect("written");
        }
        disk.sync_dir(Path::new("/r")).expect("synced");
        disk
    }

    fn names(disk: &MemoryDisk) -> Vec<String> {
        disk.files("/r").iter().map(|(path, _)| path.strip_prefix("/r").expect("below").display().to_string()).collect()
    }

    fn content(disk: &MemoryDisk, path: &Path) -> Vec<u8> {
        disk.files("/r").into_iter().find(|(p, _)| p == path).map(|(_, bytes)| bytes).expect("there")
    }

    fn save_in(disk: &MemoryDisk, from: u64) -> io::Result<PathBuf> {
        save(disk, &disk.open(Path::new(PART)).expect("there"), from, Path::new("/r/a.flac"))
    }

    fn check(bytes: usize, from: u64, beside: &[(&str, &[u8])], want: &str) {
        let disk = disk(bytes, beside);
        let rest = save_in(&disk, from).expect("saved");
        assert_eq!(rest, Path::new(want));
        assert!(content(&disk, &rest) == content(&disk, Path::new(PART))[from as usize..], "{bytes} from {from}");
        assert_eq!(disk.unsynced(), 0, "something would not survive");
        for (path, bytes) in beside.iter().filter(|(path, _)| !path.ends_with(".tmp")) {
            assert_eq!(content(&disk, Path::new(path)), *bytes, "{path} was there before");
        }
        let before = disk.files("/r");
        assert_eq!(save_in(&disk, from).expect("again"), rest);
        assert_eq!(disk.files("/r"), before, "a second copy was made");
    }

    #[test]
    fn the_rest_is_kept_byte_for_byte_and_once() {
        for bytes in [1_001, COPY_BYTES + 1_000, 2 * COPY_BYTES + 1_000, 200_000] {
            check(bytes, 1_000, &[], "/r/a.flac.rest");
        }
        check(5_000, 1_000, &[("/r/a.flac.rest", b"other")], "/r/a.flac.2.rest");
        check(5_000, 1_000, &[("/r/a.flac.rest", &[7; 4_000]), ("/r/a.flac.2.rest", b"")], "/r/a.flac.3.rest");
        check(5_000, 1_000, &[("/r/a.flac.rest.tmp", &[7; 9_000])], "/r/a.flac.rest");
    }

    #[test]
    fn a_power_cut_leaves_all_of_it_or_none() {
        let disk = disk(200_000, &[]);
        let want = disk.files("/r")[0].1[1_000..].to_vec();
        disk.remember();
        save_in(&disk, 1_000).expect("saved");
        for (_, moment) in disk.remembered() {
            let crashes = [Crash::Lost, Crash::Applied].into_iter().chain((0..40).map(Crash::Scattered));
            for crash in crashes.chain((0..moment.unsynced()).map(Crash::Torn)) {
                let after = moment.crash(crash);
                assert_eq!(save_in(&after, 1_000).expect("saved"), Path::new("/r/a.flac.rest"), "{crash:?}");
                assert!(content(&after, Path::new("/r/a.flac.rest")) == want, "{crash:?}");
                assert_eq!(names(&after), ["a.flac.part", "a.flac.rest"], "{crash:?}");
            }
        }
    }

    #[test]
    fn a_full_disk_is_not_made_fuller() {
        let disk = disk(200_000, &[]);
        disk.limit("/r", 300_000);
        assert_eq!(save_in(&disk, 1_000).map_err(|e| e.kind()), Err(io::ErrorKind::StorageFull));
        assert_eq!(names(&disk), ["a.flac.part"]);
        disk.limit("/r", u64::MAX);
        let last = disk.operations();
        disk.trouble(Trouble { from: last + 2, until: last + 3, below: "/r".into(), what: Failure::Io });
        assert!(save_in(&disk, 1_000).is_err());
        assert_eq!(names(&disk), ["a.flac.part"]);
        save_in(&disk, 1_000).expect("room again");
    }
}
