//! A real file system that loses power: what was written and not synced is cut off somewhere.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use soundpost::device::disk::{Disk, DiskFile, Kind, RealDisk, RealFile};
use soundpost::format::ReadAt;
use soundpost::time::Wall;

/// Names are the kernel's; that a name may be lost is shown by the store's own power cuts, on a disk in memory.
#[derive(Clone, Default)]
pub struct Torn(Arc<Mutex<Vec<Arc<Written>>>>);

struct Written {
    path: Mutex<PathBuf>,
    inode: u64,
    synced_bytes: Mutex<u64>,
}

pub struct TornFile {
    file: RealFile,
    written: Arc<Written>,
}

impl Torn {
    /// The power fails; `keep` says how many of so many bytes that were not synced are there all the same.
    pub fn cut(&self, mut keep: impl FnMut(u64) -> u64) {
        for written in self.0.lock().expect("no panic").drain(..) {
            let synced = *written.synced_bytes.lock().expect("no panic");
            let path = written.path.lock().expect("no panic");
            // The librarian may have deleted it, or put another in its place.
            let Ok(file) = RealDisk.open(&path) else { continue };
            if inode(&path).ok() != Some(written.inode) {
                continue;
            }
            let len = file.len().expect("open");
            if len > synced {
                file.truncate(synced + keep(len - synced)).expect("cut off");
            }
        }
    }

    fn watched(&self, path: &Path, file: RealFile) -> io::Result<TornFile> {
        let (inode, mut all) = (inode(path)?, self.0.lock().expect("no panic"));
        if let Some(known) = all.iter().find(|written| written.inode == inode) {
            return Ok(TornFile { file, written: known.clone() });
        }
        let (path, synced_bytes) = (Mutex::new(path.to_owned()), Mutex::new(file.len()?));
        let written = Arc::new(Written { path, inode, synced_bytes });
        all.push(written.clone());
        Ok(TornFile { file, written })
    }

    /// What had this name has another now, or none.
    fn follow(&self, from: &Path, to: Option<&Path>) {
        self.0.lock().expect("no panic").retain(|written| {
            let mut path = written.path.lock().expect("no panic");
            match to {
                Some(to) if *path == from => *path = to.to_owned(),
                _ => return *path != from,
            }
            true
        });
    }
}

fn inode(path: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(path)?.ino())
}

impl ReadAt for TornFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(at, buf)
    }
}

impl DiskFile for TornFile {
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(at, bytes)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut synced = self.written.synced_bytes.lock().expect("no panic");
        *synced = (*synced).min(len);
        self.file.truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()?;
        *self.written.synced_bytes.lock().expect("no panic") = self.file.len()?;
        Ok(())
    }

    fn hold(&self) -> io::Result<()> {
        self.file.hold()
    }
}

impl Disk for Torn {
    type File = TornFile;

    fn create(&self, path: &Path) -> io::Result<TornFile> {
        self.watched(path, RealDisk.create(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<TornFile> {
        self.watched(path, RealDisk.open(path)?)
    }

    fn lock(&self, path: &Path) -> io::Result<TornFile> {
        self.watched(path, RealDisk.lock(path)?)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        RealDisk.kind(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)?;
        self.follow(from, Some(to));
        Ok(())
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.replace(from, to)?;
        self.follow(to, None);
        self.follow(from, Some(to));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)?;
        self.follow(path, None);
        Ok(())
    }

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dirs(dir)
    }

    fn make_dirs(&self, dir: &Path, made: &mut dyn FnMut(&Path)) -> io::Result<()> {
        RealDisk.make_dirs(dir, made)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_all(dir)?;
        for written in self.0.lock().expect("no panic").iter() {
            let len = RealDisk.open(&written.path.lock().expect("no panic")).and_then(|file| file.len());
            *written.synced_bytes.lock().expect("no panic") = len.unwrap_or(u64::MAX);
        }
        Ok(())
    }

    fn list(&self, dir: &Path, visit: &mut dyn FnMut(&Path, Kind) -> bool) -> io::Result<()> {
        RealDisk.list(dir, visit)
    }

    fn modified(&self, path: &Path) -> io::Result<Wall> {
        RealDisk.modified(path)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        RealDisk.free_bytes(dir)
    }
}
