//! What is left beside recordings that are gone. It is put aside for a week and then deleted, and only if this surely is the
//! folder that it belongs to: an empty mount point must not cost what people wrote.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Librarian;
use super::shelf::{EXPORTS, PROFILE, SECOND, SIDECAR, folder, put, small};
use crate::device::disk::{Disk, Kind, RealDisk};
use crate::device::folder::EXTENSIONS;
use crate::format::labels;
use crate::format::sidecar::{LIMIT_BYTES, Sidecar};
use crate::time::{SECOND_NS, Wall};

/// The mark of a recorder in its folder, with a line `id …`.
const MARK: &str = ".soundpost";
/// In the folder of the analyses: the id of the folder that they belong to.
const VOLUME: &str = ".volume";
/// A folder for each second in which something was put aside.
const ORPHANS: &str = ".orphans";

const KEEP_NS: i64 = 7 * 86_400 * SECOND_NS;
const EVERY_NS: i64 = 3_600 * SECOND_NS;

impl Librarian {
    /// At most once an hour.
    pub(super) fn sweep_orphans(&mut self, now: Wall) {
        let is_due = self.orphans_at.is_none_or(|at| now.since(at) >= EVERY_NS || now.since(at) < 0);
        if !is_due || !self.is_our_volume() {
            return;
        }
        self.orphans_at = Some(now);
        if let Err(e) = self.put_aside(now).and_then(|()| self.drop_old(now)) {
            log::warn!(target: "librarian", "{}: not swept: {e}", self.shelf.analyses.display());
        }
    }

    /// The first folder that is seen with these analyses is theirs.
    fn is_our_volume(&self) -> bool {
        let mark = small(&self.shelf.root.join(MARK));
        let Some(id) = volume_id(&mark) else { return false };
        let path = self.shelf.analyses.join(VOLUME);
        let known = small(&path);
        if known.is_empty() {
            return self.shelf.analyses.is_dir() && put(&path, format!("{id}\n").as_bytes()).is_ok();
        }
        String::from_utf8_lossy(&known).trim() == id
    }

    fn put_aside(&self, now: Wall) -> io::Result<()> {
        let analyses = &self.shelf.analyses;
        let mut orphans: Vec<PathBuf> = Vec::new();
        RealDisk.list(analyses, &mut |path, kind| {
            let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if kind == Kind::File && !is_hidden && self.is_orphan(path) {
                orphans.push(path.to_path_buf());
            }
            !is_hidden
        })?;
        let aside = analyses.join(ORPHANS).join(now.0.div_euclid(SECOND_NS).to_string());
        for path in orphans {
            let Ok(below) = path.strip_prefix(analyses) else { continue };
            let to = aside.join(below);
            RealDisk.create_dirs(folder(&to))?;
            RealDisk.rename(&path, &to)?;
            log::info!(target: "librarian", "{}: its recording is gone; kept for 7 days in {ORPHANS}", below.display());
        }
        Ok(())
    }

    /// Ours, and without a recording.
    fn is_orphan(&self, path: &Path) -> bool {
        let Some(below) = path.strip_prefix(&self.shelf.analyses).ok().and_then(Path::to_str) else { return false };
        if let Some((name, _)) = below.strip_suffix(".csv").and_then(|front| front.rsplit_once('.')) {
            let is_table =
                labels::tool(below, name).is_some() && EXTENSIONS.iter().any(|known| name.ends_with(&format!(".{known}")));
            if is_table {
                return matches!(self.shelf.is_there(name), Ok(false));
            }
        }
        let endings = [SIDECAR, SECOND, PROFILE].into_iter().chain(EXPORTS);
        let Some((name, ending)) = endings.into_iter().find_map(|ending| Some((below.strip_suffix(ending)?, ending))) else {
            return false;
        };
        if !matches!(self.shelf.is_there(name), Ok(false)) {
            return false;
        }
        let is_sidecar = ending == SIDECAR || ending == SECOND;
        !is_sidecar
            || fs::metadata(path).is_ok_and(|meta| meta.len() <= LIMIT_BYTES as u64) && {
                fs::read(path).is_ok_and(|bytes| Sidecar::read(&bytes).is_ok())
            }
    }

    fn drop_old(&self, now: Wall) -> io::Result<()> {
        let entries = match fs::read_dir(self.shelf.analyses.join(ORPHANS)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let seconds: Option<i64> = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(seconds) = seconds else { continue };
            if now.since(Wall(seconds.saturating_mul(SECOND_NS))) >= KEEP_NS {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

fn volume_id(mark: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(mark);
    let id = text.lines().find_map(|line| line.strip_prefix("id "))?.trim();
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_owned())
}
