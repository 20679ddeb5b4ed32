//! Compares the folder with the catalogue. Both come in the order of names, so that neither need be held in memory.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use async_channel::Receiver;

use super::{Librarian, Refused, answer, entry};
use crate::device::catalogue::{Entry, Known, local_date};
use crate::device::folder::{self, Found, modified_ns};
use crate::message::library::{Ask, Event, GapRow, Trouble};
use crate::time::Wall;

/// Rows that are read or changed together, and files between two looks into the queue.
const TOGETHER: usize = 512;

/// Of a gap that stands in a sidecar and in gaps.csv: both times are of the same moment, by two ways of counting.
const SAME_GAP_NS: i64 = 1_000_000_000;

/// A longer gaps.csv is of somebody else.
const MAX_GAPS: usize = 200_000;

enum Change {
    Put { fresh: Box<Entry>, old: Option<Box<Entry>> },
    Remove(String),
}

/// What is known, read ahead.
#[derive(Default)]
struct Ahead {
    rows: VecDeque<Known>,
    after: String,
    is_end: bool,
}

impl Librarian {
    /// The catalogue is true to the folder when this returns. Wishes that come meanwhile are answered, except for another scan.
    pub(super) fn scan(&mut self, inbox: &Receiver<Ask>, now: &dyn Fn() -> Wall) -> Result<(), Refused> {
        self.renew_if_damaged()?;
        self.tables.borrow_mut().forget();
        let known = self.writer()?.count()?;
        let total = if self.is_new { self.count_files()? } else { known };
        self.shared.done.store(0, Relaxed);
        self.shared.total.store(total.max(1), Relaxed);
        if self.is_new {
            self.writer()?.hurry()?;
        }
        let done = self.compare(inbox, now).and_then(|unread| {
            self.settle_all_bookmarks(now())?;
            self.read_gaps()?;
            // What is in a folder that cannot be read may be there.
            if unread.is_empty() && !self.settings.read_only {
                self.sweep_orphans(now());
            }
            Ok(())
        });
        self.shared.done.store(0, Relaxed);
        self.shared.total.store(0, Relaxed);
        done?;
        if std::mem::take(&mut self.is_new) {
            self.writer()?.rest()?;
        }
        Ok(())
    }

    fn count_files(&self) -> Result<u64, Refused> {
        let mut count = 0;
        let mut visit = |_: Found<'_>| {
            count += 1;
            ControlFlow::Continue(())
        };
        folder::walk(&self.shelf.root, &self.shelf.analyses, &mut visit, &mut |_| {}).map_err(unlisted)?;
        Ok(count)
    }

    /// Gives the folders that could not be read.
    fn compare(&mut self, inbox: &Receiver<Ask>, now: &dyn Fn() -> Wall) -> Result<Vec<String>, Refused> {
        let (root, except) = (self.shelf.root.clone(), self.shelf.analyses.clone());
        let (mut ahead, mut changes) = (Ahead::default(), Vec::new());
        let unread = std::cell::RefCell::new(Vec::<String>::new());
        let mut trouble = None;
        let mut seen = 0_usize;
        let mut visit = |found: Found<'_>| {
            seen += 1;
            let step = self.step(found, &mut ahead, &mut changes, &unread.borrow(), now());
            // What others wish for meanwhile is not to be overwritten by what was read before.
            let is_between = seen % TOGETHER == 0;
            let is_due = is_between || changes.len() >= TOGETHER;
            let step = step.and_then(|()| if is_due { self.flush(&mut changes) } else { Ok(()) });
            if is_between {
                self.between(seen, inbox, now);
            }
            trouble = step.err();
            if trouble.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let walked = folder::walk(&root, &except, &mut visit, &mut |folder| unread.borrow_mut().push(format!("{folder}/")));
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        walked.map_err(unlisted)?;
        let unread = unread.into_inner();
        while let Some(known) = self.front(&mut ahead)? {
            gone(known, &unread, &mut changes);
            ahead.rows.pop_front();
            if changes.len() >= TOGETHER {
                self.flush(&mut changes)?;
            }
        }
        self.flush(&mut changes)?;
        Ok(unread)
    }

    /// One file of the folder.
    fn step(
        &self,
        found: Found<'_>,
        ahead: &mut Ahead,
        changes: &mut Vec<Change>,
        unread: &[String],
        now: Wall,
    ) -> Result<(), Refused> {
        while let Some(known) = self.front(ahead)? {
            if known.name.as_str() > found.name {
                break;
            }
            if known.name != found.name {
                gone(known, unread, changes);
                ahead.rows.pop_front();
                continue;
            }
            let is_same = is_same(known, &found, self.stamps(found.name), now);
            ahead.rows.pop_front();
            if !is_same {
                let old = self.writer()?.find(found.name)?;
                let fresh = Box::new(self.read(found, old.as_ref(), now));
                changes.push(Change::Put { fresh, old: old.map(Box::new) });
            }
            return Ok(());
        }
        changes.push(Change::Put { fresh: Box::new(self.read(found, None, now)), old: None });
        Ok(())
    }

    fn front<'a>(&self, ahead: &'a mut Ahead) -> Result<Option<&'a Known>, Refused> {
        if ahead.rows.is_empty() && !ahead.is_end {
            ahead.rows = self.writer()?.known(&ahead.after, TOGETHER)?.into();
            ahead.is_end = ahead.rows.len() < TOGETHER;
            if let Some(last) = ahead.rows.back() {
                ahead.after.clone_from(&last.name);
            }
        }
        Ok(ahead.rows.front())
    }

    fn flush(&mut self, changes: &mut Vec<Change>) -> Result<(), Refused> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = self.writer_mut()?.batch()?;
        for change in changes.iter() {
            match change {
                Change::Put { fresh, .. } => batch.put(fresh)?,
                Change::Remove(name) => _ = batch.remove(name)?,
            }
        }
        batch.commit()?;
        for change in changes.drain(..).filter(|_| !self.is_new) {
            match change {
                Change::Put { fresh, old } => self.tell_change(old.as_deref(), &Arc::new(fresh.row)),
                Change::Remove(name) => self.tell(&Event::Deleted { name, reason: None }),
            }
        }
        Ok(())
    }

    /// Progress, and whoever waits.
    fn between(&mut self, seen: usize, inbox: &Receiver<Ask>, now: &dyn Fn() -> Wall) {
        let done = seen as u64;
        let total = self.shared.total.fetch_max(done, Relaxed).max(done);
        self.shared.done.store(done, Relaxed);
        self.tell(&Event::Work { what: "scan", done, total });
        self.make_room(now(), false);
        // As many as are there now: others that come after them find their turn at the next look.
        for _ in 0..inbox.len() {
            let Ok(ask) = inbox.try_recv() else { break };
            if matches!(ask.wish, crate::message::library::Wish::Scan) {
                if let Some(reply) = ask.reply {
                    let _ = reply.try_send(Err(Trouble::Busy(5)));
                }
                continue;
            }
            answer(ask, inbox, self, now);
        }
    }

    /// Gaps between files, if gaps.csv or one of earlier years has changed.
    fn read_gaps(&mut self) -> Result<(), Refused> {
        let files = self.gap_files();
        if files == self.gaps_seen {
            return Ok(());
        }
        let mut gaps = Vec::new();
        for (path, _) in &files {
            let Ok(file) = File::open(path) else { continue };
            let lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
            let rows = lines.filter_map(|line| (self.settings.parse_gap)(&line));
            gaps.extend(rows.take(MAX_GAPS).map(|(start, end, source, frames_lost, reason)| GapRow {
                source,
                start: Wall::from_micros(start.micros()),
                end: Wall::from_micros(end.micros()),
                frames_lost,
                reason,
            }));
        }
        self.put_gaps(gaps)?;
        self.gaps_seen = files;
        Ok(())
    }

    fn gap_files(&self) -> Vec<(PathBuf, i64)> {
        let entries = fs::read_dir(&self.shelf.root).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.starts_with("gaps") && name.ends_with(".csv")
        });
        let mut files: Vec<(PathBuf, i64)> = paths.map(|path| (path.clone(), modified_ns(&path))).collect();
        files.sort();
        files
    }

    fn put_gaps(&mut self, gaps: Vec<GapRow>) -> Result<(), Refused> {
        let zone = self.settings.zone.clone();
        let mut loose = Vec::new();
        for gap in gaps {
            let date = local_date(gap.start, entry::offset_at(gap.start, &zone));
            if !self.writer()?.has_gap(&gap, SAME_GAP_NS)? {
                loose.push((date, gap));
            }
        }
        let before = self.writer()?.loose_gaps()?;
        let news: Vec<GapRow> = match usize::try_from(before) {
            Ok(before) if !self.is_new => loose.iter().skip(before).map(|(_, gap)| gap.clone()).collect(),
            _ => Vec::new(),
        };
        let mut batch = self.writer_mut()?.batch()?;
        batch.put_loose_gaps(loose.into_iter())?;
        batch.commit()?;
        news.into_iter().for_each(|gap| self.tell(&Event::Gap(gap)));
        Ok(())
    }
}

fn gone(known: &Known, unread: &[String], changes: &mut Vec<Change>) {
    if !unread.iter().any(|folder| known.name.starts_with(folder.as_str())) {
        changes.push(Change::Remove(known.name.clone()));
    }
}

fn is_same(known: &Known, found: &Found<'_>, beside: crate::device::catalogue::Beside, now: Wall) -> bool {
    let is_as_known = known.bytes == found.bytes && known.modified == found.modified && known.beside == beside;
    // One that was open and is as it was may have been finished by the passing of time.
    is_as_known && (!known.is_open || (found.is_part || entry::is_open(found, None, now)))
}

fn unlisted(e: std::io::Error) -> Trouble {
    Trouble::Failed(format!("The folder of recordings cannot be listed: {e}."))
}
