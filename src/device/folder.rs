//! A folder of recordings, as it is on the disk now: every file that may be one, in the order of the bytes of their names.
//!
//! The order is that of the catalogue, so that both can be compared row by row. Only the names of one folder and of those
//! above it are in memory, packed; sizes and times are asked for when a file's turn comes. What a file is worth is decided elsewhere.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::time::{SECOND_NS, Wall};

/// Endings of what can be a recording, in any case.
pub const EXTENSIONS: [&str; 10] = ["wav", "flac", "mp3", "ogg", "opus", "aac", "oga", "m4a", "mp4", "wave"];

/// Folders below each other; more is somebody's loop.
const DEPTH: usize = 32;

/// Ending of a file that is being recorded.
pub const PART: &str = ".part";

/// A file that may be a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Path below the folder, with `/`, without `.part`: a recording has one name from its first second on.
    pub name: &'a str,
    pub bytes: u64,
    pub modified: Wall,
    /// In lower case, of the finished file: `flac` for `x.FLAC.part`.
    pub extension: &'static str,
    /// It ends in `.part`.
    pub is_part: bool,
}

/// Tells of every file below `root`, except what is hidden and what is below `except`. Links are not followed. A folder below that cannot be read
/// hides nothing but itself, and `unread` hears of it: nobody knows then what is in it.
pub fn walk(
    root: &Path,
    except: &Path,
    visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    unread: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let mut walk = Walk { except, visit, unread, path: root.to_path_buf(), name: String::new() };
    let names = Names::of(root, root == except)?;
    let _ = walk.folder(&names, 0);
    Ok(())
}

/// The recording of this name below `root` as a walk would tell it; `None` if a walk would not.
pub fn look<'a>(root: &Path, name: &'a str) -> Option<Found<'a>> {
    let hidden = |part: &str| part.is_empty() || part.starts_with('.');
    if name.split('/').any(hidden) {
        return None;
    }
    let extension = extension(name)?;
    found(&root.join(name), name, extension, false).or_else(|| found(&root.join(format!("{name}{PART}")), name, extension, true))
}

fn found<'a>(path: &Path, name: &'a str, extension: &'static str, is_part: bool) -> Option<Found<'a>> {
    let meta = fs::symlink_metadata(path).ok().filter(|meta| meta.is_file())?;
    // Made ready for a recording that has not begun.
    let is_blank = is_part && meta.len() == 0;
    (!is_blank).then(|| Found { name, bytes: meta.len(), modified: modified(&meta), extension, is_part })
}

/// Of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// That an ordinary user may still write.
    pub free_bytes: u64,
    pub total_bytes: u64,
}

/// Of the one that holds this folder.
pub fn room(folder: &Path) -> io::Result<Room> {
    let room = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
    Ok(Room { free_bytes: bytes(room.f_bavail), total_bytes: bytes(room.f_blocks) })
}

/// When a file was written to for the last time in nanoseconds since 1970; 0 if there is none.
pub fn modified_ns(path: &Path) -> i64 {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map_or(0, |meta| modified(&meta).0)
}

fn modified(meta: &fs::Metadata) -> Wall {
    Wall(meta.mtime().saturating_mul(SECOND_NS).saturating_add(meta.mtime_nsec()))
}

/// Of a name without `.part`.
fn extension(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit('/').next()?.rsplit_once('.')?;
    EXTENSIONS.into_iter().find(|known| ending.eq_ignore_ascii_case(known))
}

fn finished(name: &str) -> &str {
    name.strip_suffix(PART).unwrap_or(name)
}

struct Walk<'a> {
    except: &'a Path,
    visit: &'a mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    unread: &'a mut dyn FnMut(&str),
    /// Where it is.
    path: PathBuf,
    /// The same below the root.
    name: String,
}

impl Walk<'_> {
    fn folder(&mut self, names: &Names, depth: usize) -> ControlFlow<()> {
        let length = self.name.len();
        let mut last = "";
        for entry in names.iter() {
            let name = finished(entry);
            // Finished and unfinished under one name: the first is the recording.
            if std::mem::replace(&mut last, name) == name {
                continue;
            }
            self.name.push_str(name);
            let flow = match entry.strip_suffix('/') {
                Some(folder) => {
                    self.path.push(folder);
                    self.below(depth)
                }
                None => {
                    self.path.push(entry);
                    let found = extension(name).and_then(|it| found(&self.path, &self.name, it, name.len() < entry.len()));
                    found.map_or(ControlFlow::Continue(()), |found| (self.visit)(found))
                }
            };
            self.path.pop();
            self.name.truncate(length);
            flow?;
        }
        ControlFlow::Continue(())
    }

    fn below(&mut self, depth: usize) -> ControlFlow<()> {
        if self.path == self.except || depth >= DEPTH {
            return ControlFlow::Continue(());
        }
        match Names::of(&self.path, false) {
            Ok(names) => self.folder(&names, depth + 1),
            Err(e) => {
                // One that went away meanwhile has nothing in it.
                if e.kind() != io::ErrorKind::NotFound {
                    (self.unread)(&self.name);
                }
                ControlFlow::Continue(())
            }
        }
    }
}

/// The names in a folder in order, folders with `/` at their end: then the order is that of whole paths.
struct Names {
    text: String,
    /// Where each begins and ends.
    places: Vec<(u32, u32)>,
}

impl Names {
    fn of(folder: &Path, only_files: bool) -> io::Result<Names> {
        let mut names = Names { text: String::new(), places: Vec::new() };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = wanted(&name) else { continue };
            let Ok(kind) = entry.file_type() else { continue };
            let is_dir = kind.is_dir() && !only_files;
            if !(is_dir || kind.is_file() && extension(finished(name)).is_some()) {
                continue;
            }
            let from = names.text.len();
            names.text.push_str(name);
            if is_dir {
                names.text.push('/');
            }
            // Names of four gigabytes in one folder do not exist.
            let place = |at: usize| u32::try_from(at).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
            names.places.push((place(from)?, place(names.text.len())?));
        }
        let Names { text, places } = &mut names;
        let key = |(from, to): &(u32, u32)| {
            let name = &text[*from as usize..*to as usize];
            (finished(name), name.len())
        };
        places.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        Ok(names)
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|(from, to)| &self.text[*from as usize..*to as usize])
    }
}

/// Not hidden, and text: what is not cannot be named in an address.
fn wanted(name: &OsStr) -> Option<&str> {
    std::str::from_utf8(name.as_bytes()).ok().filter(|name| !name.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path, except: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut visit = |found: Found<'_>| {
            assert_eq!(look(root, found.name), Some(found));
            names.push(found.name.to_owned());
            ControlFlow::Continue(())
        };
        walk(root, &root.join(except), &mut visit, &mut |folder| panic!("{folder} is readable")).expect("walked");
        names
    }

    #[test]
    fn files_come_in_the_order_of_their_paths() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path();
        let files = [
            "a.wav",
            "a/b.FLAC",
            "a/c/x.mp3.part",
            "a-1/z.ogg",
            "a0.wav",
            "ä.opus",
            "b.txt",
            "noext",
            ".hidden/x.wav",
            ".x.wav",
            "analyses/y.wav",
            "sub/analyses/y.wav",
            "wav",
            "c.part",
            "p.wav-2.wav",
            "p.wav.part",
            "q.wav",
            "q.wav.part",
        ];
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| fs::write(path, file)).expect("written");
        }
        std::os::unix::fs::symlink(root, root.join("loop")).expect("linked");
        std::os::unix::fs::symlink(root.join("a.wav"), root.join("link.wav")).expect("linked");
        let found = names(root, "analyses");
        let want = [
            "a-1/z.ogg",
            "a.wav",
            "a/b.FLAC",
            "a/c/x.mp3",
            "a0.wav",
            "p.wav",
            "p.wav-2.wav",
            "q.wav",
            "sub/analyses/y.wav",
            "ä.opus",
        ];
        assert_eq!(found, want);
        assert!(found.is_sorted());
        let part = look(root, "a/c/x.mp3").expect("found");
        assert_eq!((part.extension, part.is_part, part.bytes), ("mp3", true, 14));
        assert!(!look(root, "q.wav").expect("found").is_part);
        for name in ["b.txt", "../a.wav", "/a.wav", ".x.wav", "link.wav", "a", "", "a//b.FLAC", "gone.wav", "p.wav.part"] {
            assert_eq!(look(root, name), None, "{name}");
        }
    }

    #[test]
    fn a_visit_may_end_it() {
        let dir = tempfile::tempdir().expect("a folder");
        ["1.wav", "2.wav", "3.wav"].iter().for_each(|name| fs::write(dir.path().join(name), "").expect("written"));
        let mut seen = 0;
        let mut visit = |_: Found<'_>| {
            seen += 1;
            if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        walk(dir.path(), Path::new("/none"), &mut visit, &mut |_| {}).expect("walked");
        assert_eq!(seen, 2);
        assert!(walk(&dir.path().join("gone"), Path::new("/none"), &mut |_| ControlFlow::Continue(()), &mut |_| {}).is_err());
    }
}
