//! A folder for what need not outlive a command or a moment, where the system keeps such things.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

/// Removed with all that is in it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> io::Result<Scratch> {
        let (base, id) = (env::temp_dir(), process::id());
        for n in 0..100 {
            let path = base.join(format!("soundpost-{id}-{n}"));
            match fs::create_dir(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other.map(|()| Scratch(path)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
