//! The folders that are uploaded, each with its catalogue and its librarian, and what comes next of all of them.

use std::path::PathBuf;

use async_channel::Sender;

use super::Settings;
use crate::device::catalogue::{Backlog, Reader};
use crate::format::repack;
use crate::message::folders::Folder;
use crate::message::library::{Ask, Date, FileRow, GapRow};
use crate::policy::outbox::{Convert, Order};
use crate::time::{SECOND_NS, Wall};

/// One folder.
pub struct Shelf {
    /// Of the recordings, and of what is known of them, which mirrors it.
    pub root: PathBuf,
    pub analyses: PathBuf,
    pub reader: Reader,
    pub asks: Sender<Ask>,
    /// Its days whose lists of events may have been cut off by an end were looked for.
    is_begun: bool,
}

/// A recording and the number of its shelf.
pub type Next = (usize, FileRow);

impl Shelf {
    pub fn new(Folder { root, analyses, catalogue, asks }: Folder) -> Shelf {
        Shelf { root, analyses, reader: Reader::new(&catalogue, Default::default()), asks, is_begun: false }
    }
}

/// The first of all that wait, in the order that is wanted. A folder that cannot be asked holds up no other; `Err`: such a one may have
/// something, and nobody else has.
pub fn next(shelves: &mut [Shelf], settings: &Settings, now: Wall) -> Result<Option<Next>, ()> {
    let waiting = settings.waiting(now);
    let (mut best, mut is_known) = (None::<Next>, true);
    for (n, shelf) in shelves.iter_mut().enumerate() {
        let Ok(found) = shelf.reader.next_upload(&waiting) else {
            is_known = false; // the catalogue is being made
            continue;
        };
        let is_first = |row: &FileRow| {
            best.as_ref().is_none_or(|(_, best)| match settings.order {
                Order::Oldest => row.start < best.start,
                Order::Newest => row.start > best.start,
            })
        };
        best = found.filter(is_first).map(|row| (n, row)).or(best);
    }
    if best.is_none() && !is_known { Err(()) } else { Ok(best) }
}

/// Of all that can be asked; `None` where none can.
pub fn backlog(shelves: &mut [Shelf], settings: &Settings, now: Wall) -> Option<Backlog> {
    let waiting = settings.waiting(now);
    let each = shelves.iter_mut().filter_map(|shelf| shelf.reader.upload_backlog(&waiting).ok());
    each.reduce(|sum, one| Backlog { files: sum.files + one.files, bytes: sum.bytes + one.bytes })
}

/// Days whose lists of events may have been cut off by an end: of each folder once.
pub fn last_days(shelves: &mut [Shelf], target: &str, within_ns: i64) -> Vec<(String, Date)> {
    let mut days = Vec::new();
    for shelf in shelves.iter_mut().filter(|shelf| !shelf.is_begun) {
        if let Ok(more) = shelf.reader.last_uploads(target, within_ns / SECOND_NS) {
            days.extend(more);
            shelf.is_begun = true;
        }
    }
    days
}

/// Everything of a source on a day, the oldest first; recordings are called as they are at the target.
pub fn day_of(shelves: &mut [Shelf], settings: &Settings, source: &str, date: &str) -> Option<(Vec<FileRow>, Vec<GapRow>)> {
    let (mut files, mut gaps, mut is_known) = (Vec::new(), Vec::new(), false);
    for shelf in shelves {
        let Ok((mut more, missing)) = shelf.reader.day_of(source, date) else { continue };
        if settings.convert == Convert::Flac {
            more.iter_mut().for_each(|file| rename(file, shelf, &settings.name));
        }
        files.extend(more);
        gaps.extend(missing);
        is_known = true;
    }
    files.sort_by_key(|file| file.start);
    gaps.sort_by_key(|gap| gap.start);
    is_known.then_some((files, gaps))
}

fn rename(file: &mut FileRow, shelf: &mut Shelf, target: &str) {
    let Some(flac) = repack::flac_name(&file.name) else { return };
    let key = shelf.reader.upload_key(file, target).ok().flatten();
    if key.is_some_and(|key| key.ends_with(".flac")) {
        file.name = flac;
    }
}
