//! The files behind the rows of a catalogue: recordings, also while they grow, and what stands beside them.

use std::io;
use std::path::PathBuf;

use super::{Patched, SIDECARS, extension, flaw, gone, whole};
use crate::actor::store::recent_gaps;
use crate::device::disk::{RealDisk, RealFile};
use crate::format::growing::growing;
use crate::format::sidecar::{LIMIT_BYTES, Sidecar};
use crate::format::{ReadAt, decode};
use crate::message::library::{FileRow, FileState, GapRow, Trouble};
use crate::time::Wall;

#[derive(Clone)]
pub struct Folder {
    pub root: PathBuf,
    pub analyses: PathBuf,
}

impl Folder {
    pub fn open_file(&self, row: &FileRow) -> Result<RealFile, Trouble> {
        let path = self.root.join(&row.name);
        let mut part = path.clone().into_os_string();
        part.push(".part");
        // It may get its name between two looks.
        let tries = [&path, &PathBuf::from(part), &path];
        let opened = tries.into_iter().map(|path| RealDisk.open_to_read(path)).reduce(|first, next| first.or(next));
        opened.unwrap_or(Err(io::ErrorKind::NotFound.into())).map_err(gone)
    }

    /// As a whole file, also while it grows: then as far as its last whole unit.
    pub fn readable(&self, row: &FileRow) -> Result<Box<dyn ReadAt + Send>, Trouble> {
        let file = self.open_file(row)?;
        if row.state != FileState::Open {
            return Ok(Box::new(file));
        }
        let growing = growing(&file, extension(&row.name)).map_err(flaw)?;
        Ok(Box::new(Patched { head: growing.head, file, len: growing.len }))
    }

    pub fn decoder(&self, row: &FileRow) -> Result<decode::Decoder, Trouble> {
        decode::open(self.readable(row)?, extension(&row.name)).map_err(flaw)
    }

    pub fn beside_path(&self, name: &str, ending: &str) -> PathBuf {
        self.analyses.join(format!("{name}{ending}"))
    }

    pub fn sidecar(&self, name: &str) -> Option<Sidecar> {
        SIDECARS.iter().find_map(|ending| {
            let file = RealDisk.open_to_read(&self.beside_path(name, ending)).ok()?;
            Sidecar::read(&whole(&file, LIMIT_BYTES as u64).ok()?).ok()
        })
    }

    /// With its length, if that can be found: the catalogue knows it neither of a file that grows nor of one that was not yet
    /// analysed and whose header does not tell.
    pub fn measured(&self, row: FileRow) -> FileRow {
        let mut row = self.with_gaps(row);
        if row.frames == 0 || row.rate_hz == 0 {
            let measured = self.decoder(&row).and_then(|mut decoder| {
                let frames = decoder.measure().map_err(flaw)?;
                Ok((decoder.info(), frames))
            });
            if let Ok((info, frames)) = measured {
                (row.rate_hz, row.channels, row.frames) = (info.rate_hz, info.channels, frames);
            }
        }
        row
    }

    /// Of one that grows nobody but the store has heard so far.
    pub fn with_gaps(&self, mut row: FileRow) -> FileRow {
        if row.state == FileState::Open && row.gaps.is_empty() {
            let told = recent_gaps(&RealDisk, &self.root, &row.source, row.start, Wall(i64::MAX));
            let gap = |(start, end, frames_lost, reason)| GapRow { source: row.source.clone(), start, end, frames_lost, reason };
            row.gaps = told.into_iter().map(gap).collect();
        }
        row
    }
}
