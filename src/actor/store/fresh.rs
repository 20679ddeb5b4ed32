//! Folders that were made and whose names no sync has covered yet.
//!
//! A hundred lanes may each want a new folder in the same second. None of them waits for the disk to keep it: that is due when
//! the first file in it is synced, and one sync of everything does it for all.

use std::io;
use std::path::{Path, PathBuf};

use super::repair::folder;
use crate::device::disk::Disk;

#[derive(Debug, Default)]
pub struct Fresh(Vec<PathBuf>);

impl Fresh {
    /// Makes this folder and those above it that are missing.
    pub fn make<D: Disk>(&mut self, disk: &D, dir: &Path) -> io::Result<()> {
        disk.make_dirs(dir, &mut |made| self.0.push(made.to_path_buf()))
    }

    /// The name of this file stays after a power cut, and the names of the folders above it.
    pub fn sync_name<D: Disk>(&mut self, disk: &D, file: &Path) -> io::Result<()> {
        disk.sync_dir(folder(file))?;
        while let Some(at) = self.0.iter().position(|dir| file.starts_with(dir)) {
            let above = self.0.get(at).map_or(Path::new("/"), |dir| folder(dir));
            disk.sync_dir(above)?;
            self.0.remove(at);
        }
        Ok(())
    }

    /// Everything below this folder was synced.
    pub fn synced(&mut self, below: &Path) {
        self.0.retain(|dir| !dir.starts_with(below));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::disk::{Crash, MemoryDisk};

    #[test]
    fn a_file_is_found_again_through_all_new_folders() {
        let disk = MemoryDisk::new(&["/r"]);
        let mut fresh = Fresh::default();
        for file in ["/r/a/b/c/1", "/r/a/b/2"] {
            fresh.make(&disk, folder(Path::new(file))).expect("made");
            drop(disk.create(Path::new(file)).expect("created"));
        }
        assert_eq!(disk.crash(Crash::Lost).files("/r"), []);
        fresh.sync_name(&disk, Path::new("/r/a/b/2")).expect("synced");
        assert_eq!(disk.crash(Crash::Lost).files("/r").len(), 1);
        fresh.sync_name(&disk, Path::new("/r/a/b/c/1")).expect("synced");
        assert_eq!(disk.crash(Crash::Lost).files("/r").len(), 2);
        let before = disk.operations();
        fresh.sync_name(&disk, Path::new("/r/a/b/2")).expect("synced");
        assert_eq!(disk.operations() - before, 1, "nothing is fresh any more");
        fresh.make(&disk, Path::new("/r/x/y")).expect("made");
        fresh.synced(Path::new("/r"));
        assert!(fresh.0.is_empty());
    }
}
