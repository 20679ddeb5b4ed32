//! The name that a recording would have had, had its clock been right: where that is wished for, files are named anew when their
//! sidecars are corrected.
//!
//! The sidecar of the new name comes first, then the recording gets it, then what else stands beside it; the old sidecar goes
//! last. So a power cut leaves the recording under one of its names with a sidecar that fits; what is left of the other is
//! what belongs to a recording that is gone, and is swept like it. No name that is taken is ever used.

use std::io;
use std::path::{Path, PathBuf};

use super::naming::{CUE, PROFILE, Places, known_extension, tame};
use super::repair::{folder, replace};
use super::watched;
use crate::device::disk::{Disk, Kind, read_small};
use crate::format::sidecar::{LIMIT_BYTES, Sidecar};
use crate::policy::name::Pattern;
use crate::policy::split::Zone;

/// How the files of a lane are named.
#[derive(Clone, Debug)]
pub struct Naming {
    pub pattern: Pattern,
    pub zone: Zone,
}

/// Paths below the root.
pub struct Renamed {
    pub from: PathBuf,
    pub to: PathBuf,
    pub is_watch: bool,
}

/// After the sidecar was corrected. `None` where the name is right, or is to stay, or the recording is not there.
pub fn rename<D: Disk>(disk: &D, places: &Places, sidecar: &Path, naming: Option<&Naming>) -> io::Result<Option<Renamed>> {
    let bytes = match read_small(disk, sidecar, LIMIT_BYTES) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let Ok(mut told) = Sidecar::read(&bytes) else { return Ok(None) };
    let from = PathBuf::from(&told.file);
    let is_watch = from.starts_with(watched::WATCHES);
    if places.sidecar(&from) != sidecar {
        return Ok(None); // it was moved by hand
    }
    let to = match (is_watch, naming, known_extension(&from)) {
        (true, ..) => watched::renamed(disk, places, &told)?,
        (false, Some(naming), Some(extension)) => {
            let stem = tame(&naming.pattern.stem(told.start, &naming.zone));
            if is_named(&from.with_extension(""), &stem) || !matches!(disk.kind(&places.root.join(&from))?, Some(Kind::File)) {
                return Ok(None);
            }
            Some(places.free_name(disk, &stem, extension)?)
        }
        _ => None,
    };
    let Some(to) = to else { return Ok(None) };
    told.file = to.to_string_lossy().into_owned();
    replace(disk, &places.sidecar(&to), &told.write())?;
    if !is_watch {
        let (old, new) = (places.root.join(&from), places.root.join(&to));
        disk.create_dirs(folder(&new))?;
        if let Err(e) = disk.rename(&old, &new) {
            // Somebody took the name just now, or the recording away: it stays what it was.
            let _ = disk.remove(&places.sidecar(&to));
            return Err(e);
        }
        disk.sync_dir(folder(&new))?;
        disk.sync_dir(folder(&old))?;
        let cue = |path: &Path| path.with_extension(CUE);
        follow(disk, &cue(&old), &cue(&new))?;
    }
    follow(disk, &places.beside(&from, PROFILE), &places.beside(&to, PROFILE))?;
    disk.remove(sidecar)?;
    disk.sync_dir(folder(sidecar))?;
    Ok(Some(Renamed { from, to, is_watch }))
}

/// It has this name already, or the n-th of it.
fn is_named(old: &Path, stem: &Path) -> bool {
    let (Some(old), Some(stem)) = (old.to_str(), stem.to_str()) else { return old == stem };
    let rest = old.strip_prefix(stem);
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

fn follow<D: Disk>(disk: &D, from: &Path, to: &Path) -> io::Result<()> {
    match disk.kind(from)? {
        Some(Kind::File) => disk.rename(from, to),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::disk::{Crash, DiskFile, MemoryDisk};
    use crate::message::{Cause, ClockState, Closing, Depth, Identity, PcmFormat};
    use crate::time::{Rate, Wall};

    fn put(disk: &MemoryDisk, path: &str, bytes: &[u8]) {
        let path = Path::new(path);
        disk.create_dirs(folder(path)).expect("made");
        disk.create(path).and_then(|file| file.write_at(0, bytes).and_then(|()| file.sync())).expect("written");
        disk.sync_dir(folder(path)).expect("synced");
    }

    /// Recorded as of 1970, and corrected to 2026-05-22.
    fn corrected(name: &str) -> Vec<u8> {
        let format = PcmFormat { rate: Rate::new(8_000).expect("a rate"), channels: 1, depth: Depth::Sixteen };
        let identity = Identity {
            source: "mic".into(),
            session: "s".into(),
            first_frame: 0,
            start: Wall(7_000_000_000),
            utc_offset_s: 0,
            clock: ClockState::Unsynced,
            format: format.into(),
        };
        let closing = Closing::new(Cause::Clock, 8_000, ClockState::Unsynced);
        let mut sidecar = Sidecar::new(name.into(), &identity, &closing, "x");
        sidecar.correct(1_779_415_200_000_000_000);
        sidecar.write()
    }

    fn naming() -> Naming {
        Naming { pattern: Pattern::new("%Y%m%d_%H%M%S").expect("a pattern"), zone: Zone::UTC }
    }

    fn disk(others: &[&str]) -> (MemoryDisk, Places) {
        let disk = MemoryDisk::new(&["/r"]);
        put(&disk, "/r/19700101_000007.wav", b"sound");
        put(&disk, "/r/analyses/19700101_000007.wav.analysis.json", &corrected("19700101_000007.wav"));
        put(&disk, "/r/analyses/19700101_000007.wav.profile", b"profile");
        others.iter().for_each(|name| put(&disk, &format!("/r/{name}"), b"other"));
        (disk, Places::new("/r".into(), None))
    }

    fn names(disk: &MemoryDisk) -> Vec<String> {
        disk.files("/r").into_iter().map(|(path, _)| path.display().to_string()[3..].to_owned()).collect()
    }

    #[test]
    fn all_that_belongs_to_it_follows_and_nothing_is_overwritten() {
        let sidecar = Path::new("/r/analyses/19700101_000007.wav.analysis.json");
        let (memory, places) = disk(&["20260522_020007.flac"]);
        let renamed = rename(&memory, &places, sidecar, Some(&naming())).expect("done").expect("renamed");
        assert_eq!((renamed.from.to_str(), renamed.to.to_str()), (Some("19700101_000007.wav"), Some("20260522_020007-2.wav")));
        let want = [
            "20260522_020007-2.wav",
            "20260522_020007.flac",
            "analyses/20260522_020007-2.wav.analysis.json",
            "analyses/20260522_020007-2.wav.profile",
        ];
        assert_eq!(names(&memory), want);
        // Once more there is nothing to do, and nothing is done unless it is wished for.
        let sidecar = Path::new("/r/analyses/20260522_020007-2.wav.analysis.json");
        assert!(rename(&memory, &places, sidecar, Some(&naming())).expect("done").is_none());
        let (memory, places) = disk(&[]);
        let before = names(&memory);
        let sidecar = Path::new("/r/analyses/19700101_000007.wav.analysis.json");
        assert!(rename(&memory, &places, sidecar, None).expect("done").is_none());
        assert_eq!(names(&memory), before);
    }

    #[test]
    fn when_the_power_goes_it_has_one_of_its_names_and_a_sidecar() {
        let (memory, places) = disk(&[]);
        memory.remember();
        let sidecar = Path::new("/r/analyses/19700101_000007.wav.analysis.json");
        rename(&memory, &places, sidecar, Some(&naming())).expect("done").expect("renamed");
        let moments = memory.remembered();
        assert!(moments.len() > 5, "{}", moments.len());
        let (mut old, mut new) = (0, 0);
        for (_, moment) in moments.into_iter().chain([(0, memory)]) {
            let prefixes = (0..=moment.unsynced()).flat_map(|n| [Crash::Prefix(n), Crash::Torn(n)]);
            for crash in prefixes.chain([Crash::Lost, Crash::Applied]).chain((0..20).map(Crash::Scattered)) {
                let after = moment.crash(crash);
                let found = names(&after);
                let sounds: Vec<&String> = found.iter().filter(|name| name.ends_with(".wav")).collect();
                assert_eq!(sounds.len(), 1, "{crash:?}: {found:?}");
                let bytes = read_small(&after, &places.sidecar(Path::new(sounds[0])), LIMIT_BYTES).expect("a sidecar");
                assert_eq!(Sidecar::read(&bytes).expect("whole").file, *sounds[0], "{crash:?}");
                if sounds[0].starts_with("1970") { old += 1 } else { new += 1 }
            }
        }
        assert!(old > 0 && new > 0, "{old} {new}");
    }

    #[test]
    fn a_name_that_is_right_stays() {
        let check = |old: &str, stem: &str, want: bool| assert_eq!(is_named(Path::new(old), Path::new(stem)), want, "{old}");
        check("a/b", "a/b", true);
        check("a/b-2", "a/b", true);
        check("a/b-12", "a/b", true);
        check("a/b-", "a/b", false);
        check("a/b-x", "a/b", false);
        check("a/bc", "a/b", false);
        check("b", "a/b", false);
    }
}
