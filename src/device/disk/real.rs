//! The kernel's file system, through std and rustix.

use std::fs::{self, File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags};
use rustix::io::Errno;

use super::{Disk, DiskFile, Kind};
use crate::format::ReadAt;
use crate::time::{SECOND_NS, Wall};

/// One spelling for one place: absolute, without links, `.` and `..` as far as the path exists. The rest may yet be made.
pub fn real_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let found = absolute.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    let Some((above, real)) = found.filter(|(above, real)| is_same(above, real)) else { return absolute };
    // Of what does not exist, only the spelling can be compared.
    absolute.strip_prefix(above).unwrap_or(Path::new("")).components().fold(real, |mut path, component| {
        match component {
            Component::ParentDir => _ = path.pop(),
            name => path.push(name),
        }
        path
    })
}

/// A link of /proc into another process's mounts reads as a path that means another place here.
fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    identity(one).is_some_and(|it| identity(other) == Some(it))
}

/// Folders below each other that a listing follows; more is somebody's loop.
const DEPTH: usize = 32;

#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

pub struct RealFile(File);

impl ReadAt for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(&self.0, buf, at)
    }
}

impl DiskFile for RealFile {
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        // Interrupted before anything was written: asking again is asking for the first time.
        loop {
            match self.0.sync_data() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
    fn hold(&self) -> io::Result<()> {
        match flock(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(e),
            // Network and FUSE drivers without locks: the folder's own lock has to do.
            _ => Ok(()),
        }
    }
}

/// flock and not fcntl: it belongs to the open file and not to the process, so no close elsewhere gives it up.
fn flock(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// Never through a link in the last place: the store must not be led out of its folder.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    options
}

fn kind_of(t: FileType) -> Kind {
    if t.is_file() {
        Kind::File
    } else if t.is_dir() {
        Kind::Dir
    } else {
        Kind::Other
    }
}

impl RealDisk {
    /// For who only looks, so that a disk which cannot be written to can be looked at.
    pub fn open_to_read(&self, path: &Path) -> io::Result<RealFile> {
        options().write(false).open(path).map(RealFile)
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn create(&self, path: &Path) -> io::Result<RealFile> {
        options().create_new(true).open(path).map(RealFile)
    }

    fn open(&self, path: &Path) -> io::Result<RealFile> {
        let file = options().open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(RealFile(file))
    }

    fn lock(&self, path: &Path) -> io::Result<RealFile> {
        let file = options().create(true).truncate(false).open(path)?;
        flock(&file)?;
        Ok(RealFile(file))
    }

    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        match fs::symlink_metadata(path) {
            Ok(meta) => Ok(Some(kind_of(meta.file_type()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some file systems (FUSE, old exFAT and network drivers) know no NOREPLACE. A look before the rename is as good
            // while the store holds the lock: it is the only one that makes names here.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match self.kind(to)? {
                Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
                None => fs::rename(from, to),
            },
            other => other.map_err(Into::into),
        }
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        for dir in missing(dir) {
            make_dir(dir)?;
            self.sync_dir(parent(dir))?;
        }
        Ok(())
    }

    fn make_dirs(&self, dir: &Path, made: &mut dyn FnMut(&Path)) -> io::Result<()> {
        missing(dir).into_iter().try_for_each(|dir| make_dir(dir).map(|()| made(dir)))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match File::open(here(dir))?.sync_all() {
            // FUSE drivers without fsyncdir: nothing more can be asked of them.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }

    /// Since Linux 5.8 this reports what could not be written; older kernels keep silent.
    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(here(dir))?)?)
    }

    fn list(&self, dir: &Path, visit: &mut dyn FnMut(&Path, Kind) -> bool) -> io::Result<()> {
        let mut folders: Vec<(PathBuf, usize)> = vec![(here(dir).to_path_buf(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                // A folder below that cannot be read, or went away meanwhile, hides nothing but itself.
                Err(_) if depth > 0 => continue,
                other => other?,
            };
            for entry in entries.flatten() {
                let Ok(t) = entry.file_type() else { continue };
                let path = entry.path();
                if visit(&path, kind_of(t)) && t.is_dir() && depth < DEPTH {
                    folders.push((path, depth + 1));
                }
            }
        }
        Ok(())
    }

    fn modified(&self, path: &Path) -> io::Result<Wall> {
        let meta = fs::symlink_metadata(path)?;
        Ok(Wall(meta.mtime().saturating_mul(SECOND_NS).saturating_add(meta.mtime_nsec())))
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(here(dir))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// From the top down.
fn missing(dir: &Path) -> Vec<&Path> {
    let mut missing: Vec<&Path> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.is_dir()).collect();
    missing.reverse();
    missing
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        other => other,
    }
}

/// The directory that holds this name.
fn parent(path: &Path) -> &Path {
    here(path.parent().unwrap_or(Path::new("/")))
}

/// A relative path of one name has the empty parent, which the kernel calls ".".
fn here(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_spelling() {
        let dir = tempfile::tempdir().expect("a folder");
        let real = fs::canonicalize(dir.path()).expect("it is there");
        fs::create_dir(real.join("sub")).expect("made");
        std::os::unix::fs::symlink(real.join("sub"), real.join("link")).expect("linked");
        let check = |text: &str, want: &str| assert_eq!(real_path(&real.join(text)), real.join(want), "{text}");
        check("sub", "sub");
        check("./sub/.", "sub");
        check("link", "sub");
        check("sub/../link/new/day", "sub/new/day");
        check("new/../other", "other");
        check("new/./x", "new/x");
        let here = std::env::current_dir().and_then(fs::canonicalize).expect("there");
        assert_eq!((real_path(Path::new("rec")), real_path(Path::new("./rec"))), (here.join("rec"), here.join("rec")));
        assert_eq!(real_path(&here.join("rec")), here.join("rec"));
    }
}
