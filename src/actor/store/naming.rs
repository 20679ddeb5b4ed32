//! Where files of an output folder stand, and which names are free there.
//!
//! The names themselves (pattern, local time) come ready made; here they only get their suffix and lose what would lead
//! them out of the folder.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::device::disk::Disk;
use crate::message::Container;

/// All that a recording may end in: one stem is one recording, whatever its format.
pub const EXTENSIONS: [&str; 6] = ["wav", "flac", "mp3", "ogg", "opus", "aac"];

/// Ending of a file that is being recorded.
pub const PART: &str = "part";
/// What was cut off from a damaged FLAC.
pub const REST: &str = "rest";
/// Of a file that is to take the place of another.
pub const DRAFT: &str = "tmp";
/// Of a recording's titles: it belongs to its stem.
pub const CUE: &str = "cue";
pub const SIDECAR: &str = "analysis.json";
/// Levels, bands and columns of a recording, beside its sidecar.
pub const PROFILE: &str = "profile";

/// A component longer than this would not fit a file system's 255 bytes with suffix, extension and endings.
const COMPONENT_BYTES: usize = 200;

/// Tries to find a free name. A thousand files of one name is somebody's mistake in the pattern, and yet no reason to stop.
const SUFFIXES: u32 = 100_000;

/// An output folder and the folder of its sidecars, which mirrors it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    pub root: PathBuf,
    pub analyses: PathBuf,
}

impl Places {
    pub fn new(root: PathBuf, analyses: Option<PathBuf>) -> Places {
        let analyses = analyses.unwrap_or_else(|| root.join("analyses"));
        Places { root, analyses }
    }

    /// Several output folders have their sidecars in one: each gets a sub-folder there, for their recordings may have one name.
    /// Its name depends on the path of the output folder alone, so that it stays while others come and go.
    pub fn shared(root: PathBuf, analyses: &Path) -> Places {
        let hash = root.as_os_str().as_encoded_bytes().iter();
        // FNV-1a, 32 bits.
        let hash = hash.fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        let name = root.file_name().map_or_else(|| OsString::from("root"), OsString::from);
        let mut folder = tame(&name.to_string_lossy()).into_os_string();
        folder.push(format!("-{hash:08x}"));
        let analyses = analyses.join(folder);
        Places { root, analyses }
    }

    /// Of the recording with this path below the root.
    pub fn sidecar(&self, name: &Path) -> PathBuf {
        self.beside(name, SIDECAR)
    }

    /// What else is known of the recording with this path below the root.
    pub fn beside(&self, name: &Path, ending: &str) -> PathBuf {
        dotted(&self.analyses.join(name), ending)
    }

    /// The first free name for this stem: path below the root, with extension.
    pub fn free_name<D: Disk>(&self, disk: &D, stem: &Path, extension: &str) -> io::Result<PathBuf> {
        for n in 1..=SUFFIXES {
            let stem = suffixed(stem, n);
            if !self.is_taken(disk, &stem)? {
                return Ok(dotted(&stem, extension));
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Taken is a stem that is a name itself or with any known extension, finished or not, or whose sidecar or rest exists.
    fn is_taken<D: Disk>(&self, disk: &D, stem: &Path) -> io::Result<bool> {
        let bare = self.root.join(stem);
        let taken = |path: &Path| Ok::<bool, io::Error>(disk.kind(path)?.is_some());
        let flac = dotted(&bare, Container::Flac.extension());
        if taken(&bare)? || taken(&dotted(&bare, PART))? || taken(&dotted(&flac, REST))? || taken(&dotted(&bare, CUE))? {
            return Ok(true);
        }
        for extension in EXTENSIONS {
            let file = dotted(&bare, extension);
            if taken(&file)? || taken(&dotted(&file, PART))? || taken(&self.sidecar(&dotted(stem, extension)))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `a/b` and `flac` make `a/b.flac`, whatever dots `b` has.
pub fn dotted(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// The recording that `x.flac.part` is on its way to, with its extension.
pub fn finished_name(part: &Path) -> Option<(PathBuf, &'static str)> {
    if part.extension()? != PART {
        return None;
    }
    let name = part.with_extension("");
    let extension = known_extension(&name)?;
    Some((name, extension))
}

/// The extension of a recording that has its final name.
pub fn known_extension(name: &Path) -> Option<&'static str> {
    EXTENSIONS.into_iter().find(|known| name.extension().is_some_and(|e| e == *known))
}

/// The second of a name is `name-2`.
fn suffixed(stem: &Path, n: u32) -> PathBuf {
    if n < 2 {
        return stem.to_path_buf();
    }
    let mut name = OsString::from(stem);
    name.push(format!("-{n}"));
    PathBuf::from(name)
}

/// What may safely be joined to the root: no way up, no empty name, nothing hidden, and not among the sidecars.
pub fn tame(stem: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for component in Path::new(stem).components() {
        let Component::Normal(name) = component else { continue };
        let mut name: String = name.to_string_lossy().chars().map(|c| if c.is_control() { '_' } else { c }).collect();
        if name.starts_with('.') || (path.as_os_str().is_empty() && name == "analyses") {
            name.insert(0, '_');
        }
        while name.len() > COMPONENT_BYTES {
            name.pop();
        }
        path.push(name);
    }
    if path.as_os_str().is_empty() { PathBuf::from("recording") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::disk::MemoryDisk;

    fn check(existing: &[&str], stem: &str, want: &str) {
        let disk = MemoryDisk::new(&["/r/sub", "/r/analyses/sub"]);
        existing.iter().for_each(|name| drop(disk.create(&Path::new("/r").join(name)).expect("created")));
        let places = Places::new("/r".into(), None);
        assert_eq!(places.free_name(&disk, &tame(stem), "flac").expect("a name"), Path::new(want), "{existing:?}");
    }

    #[test]
    fn a_stem_is_taken_whatever_stands_there() {
        check(&[], "a", "a.flac");
        check(&["a.flac"], "a", "a-2.flac");
        check(&["a"], "a", "a-2.flac");
        check(&["a.part"], "a", "a-2.flac");
        check(&["a.wav"], "a", "a-2.flac");
        check(&["a.opus.part"], "a", "a-2.flac");
        check(&["a.flac", "a-2.mp3", "a-3.ogg.part"], "a", "a-4.flac");
        check(&["analyses/a.aac.analysis.json"], "a", "a-2.flac");
        check(&["a.flac.rest"], "a", "a-2.flac");
        check(&["a.cue"], "a", "a-2.flac");
        check(&["sub/a.flac"], "a", "a.flac");
        check(&["sub/a.flac"], "sub/a", "sub/a-2.flac");
        check(&["a.txt", "ab.flac"], "a", "a.flac");
        check(&["a.1.flac"], "a.1", "a.1-2.flac");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let check = |stem: &str, want: &str| assert_eq!(tame(stem), Path::new(want));
        check("2024/12/25", "2024/12/25");
        check("../../etc/passwd", "etc/passwd");
        check("/etc/./passwd", "etc/passwd");
        check("analyses/x", "_analyses/x");
        check("x/analyses", "x/analyses");
        check(".soundpost", "_.soundpost");
        check("a\0b\n", "a_b_");
        check("", "recording");
        check("..", "recording");
        assert_eq!(tame(&"ä".repeat(300)).as_os_str().len(), 200);
    }

    #[test]
    fn folders_that_share_their_sidecars_have_a_lasting_place_there() {
        let check = |root: &str, want: &str| assert_eq!(Places::shared(root.into(), Path::new("/a")).analyses, Path::new(want));
        check("/srv/one/rec", "/a/rec-2bb00901");
        check("/srv/two/rec", "/a/rec-a4d7051b");
        check("/", "/a/root-2a0c975e");
    }

    #[test]
    fn parts_and_what_they_become() {
        let check = |part: &str, want: Option<&str>| {
            assert_eq!(finished_name(Path::new(part)).map(|(name, _)| name), want.map(PathBuf::from), "{part}");
        };
        check("/r/a.b.flac.part", Some("/r/a.b.flac"));
        check("/r/a.wav.part", Some("/r/a.wav"));
        check("/r/film.mkv.part", None);
        check("/r/a.part", None);
        check("/r/a.flac", None);
    }
}
