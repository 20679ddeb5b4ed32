//! The librarian: keeps the catalogue true to the folder, and does to finished recordings what people and analyses ask for.
//!
//! The folder is the truth. At the start, every now and then, and whenever somebody says that something happened, it is compared with the
//! catalogue. What people set is in the sidecar, and on the disk, before it is answered. A JSON file that another program wrote
//! is never changed. It decodes nothing: headers are read by a [`Prober`], analyses come from elsewhere.
//!
//! Thread: [`run`]. It may be slow, absent or fall; recording does not need it.

mod bookmarks;
mod change;
mod entry;
mod heard;
mod keep;
pub mod labels;
mod orphans;
pub mod reduce;
pub mod retention;
mod scan;
pub mod shelf;
mod uploads;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_channel::Receiver;

use crate::device::catalogue::{Failure, Writer};
use crate::device::folder;
use crate::device::turns::Turns;
use crate::format::sidecar::Sidecar;
use crate::message::Identity;
use crate::message::analysis::Analysis;
use crate::message::library::{Answer, Ask, Event, Trouble, Wish};
use crate::message::news::News;
use crate::message::page::Retention;
use crate::policy::split::Zone;
use crate::status::Alarm;
use crate::time::Wall;
use bookmarks::Waiting;
pub use entry::FOREIGN;
use retention::How;
use shelf::Shelf;

/// Reads the headers of files that nobody told about.
pub trait Prober: Send {
    /// (rate in Hz, channels, frames); `None` if this is no sound that can be read, or its length is told nowhere.
    fn probe(&self, path: &Path, extension: &str) -> Option<(u32, u8, u64)>;

    /// Who a recording of ours is that has no sidecar yet, by its own header.
    fn identity(&self, path: &Path, extension: &str) -> Option<Identity>;
}

/// Start, end, source, frames and reason of a line of gaps.csv.
pub type ParseGap = fn(&[u8]) -> Option<(Wall, Wall, String, u64, String)>;

#[derive(Clone)]
pub struct Settings {
    pub root: PathBuf,
    /// Mirrors the root; may lie elsewhere.
    pub analyses: PathBuf,
    pub catalogue: PathBuf,
    /// Nothing below the root is changed: neither recordings nor, if they lie there, analyses.
    pub read_only: bool,
    /// From the end of one look through the folder to the next; more if a look takes long.
    pub scan_every: Duration,
    pub zone: Zone,
    pub software: String,
    pub parse_gap: ParseGap,
    /// With whoever writes sidecars besides.
    pub turns: Arc<Turns>,
    /// `None`: nothing is ever deleted by itself.
    pub retention: Option<retention::Keeping>,
    /// Where recordings are uploaded to; they are uploaded when all of these have them.
    pub targets: Vec<String>,
}

/// What others may see of it at any time.
#[derive(Debug, Default)]
pub struct Shared {
    pub news: News,
    /// Of the scan that runs; both 0 if none does.
    pub done: AtomicU64,
    pub total: AtomicU64,
    /// Set by a reader that found the catalogue damaged.
    pub doubt: Arc<AtomicBool>,
    /// Where recordings are deleted by themselves.
    pub retention: Mutex<Option<Retention>>,
    /// There is not enough room, and nothing may go.
    pub stuck: Arc<Alarm>,
}

pub struct Librarian {
    settings: Settings,
    shelf: Shelf,
    prober: Box<dyn Prober>,
    shared: Arc<Shared>,
    writer: Option<Writer>,
    /// It was made anew, and not all files are in it yet: nothing in it is news.
    is_new: bool,
    gaps_seen: Vec<(PathBuf, i64)>,
    orphans_at: Option<Wall>,
    /// A file was met that may still be growing, or was just copied here: it is looked at again soon.
    is_restless: Cell<bool>,
    bookmarks: Waiting,
    care: retention::Care,
    tables: RefCell<labels::Tables>,
}

/// When a file that was written to just now is known to be finished.
const SOON: Duration = Duration::from_secs(11);

/// Looks that are wanted because the disk is full.
const LOOKS_APART: Duration = Duration::from_secs(3);

/// A scan takes at most this part of the time.
const REST_FACTOR: u32 = 20;

impl Librarian {
    /// The folder of the catalogue must exist. A catalogue that is no good is made anew.
    pub fn open(settings: Settings, prober: Box<dyn Prober>, shared: Arc<Shared>) -> Result<Librarian, Failure> {
        let (mut writer, is_new) = Writer::open(&settings.catalogue)?;
        writer.set_targets(&settings.targets)?;
        let shelf = Shelf { root: settings.root.clone(), analyses: settings.analyses.clone() };
        let writer = Some(writer);
        let bookmarks = Waiting::open(&shelf);
        Ok(Librarian {
            settings,
            shelf,
            prober,
            shared,
            writer,
            is_new,
            gaps_seen: Vec::new(),
            orphans_at: None,
            is_restless: Cell::new(false),
            bookmarks,
            care: retention::Care::default(),
            tables: RefCell::default(),
        })
    }

    /// One wish. The queue is looked into while a scan that was wished for runs.
    pub fn answer(&mut self, wish: Wish, inbox: &Receiver<Ask>, now: &dyn Fn() -> Wall) -> Result<Answer, Trouble> {
        let done = match wish {
            Wish::Set { name, mark } => self.set(&name, &mark, now()),
            Wish::Delete { name } => self.delete(&name, now(), None),
            Wish::Keep(kept) => self.keep(&kept, now()),
            Wish::Analysed { name, found } => self.analysed(&name, &found, now()),
            Wish::Unfit { name, why } => self.unfit(&name, &why),
            Wish::Look { name } => {
                self.look_soon();
                self.look(&name, now()).map(|()| Answer::Done)
            }
            Wish::Reduce => self.next_to_reduce(now(), How::Delete, 0).map(|task| Answer::Reduce(task.map(Box::new))),
            Wish::Reduced(reduced) => self.reduced(&reduced, now()),
            Wish::Room => {
                self.make_room(now(), true);
                Ok(Answer::Done)
            }
            Wish::Next { count } => self.next_unanalysed(count),
            Wish::Uploaded { name, copy } => self.uploaded(&name, *copy, now()),
            Wish::Sending { name, target, token } => self.sending(&name, &target, &token, now()),
            Wish::Unwanted { name, target, why } => self.unwanted(&name, &target, &why, now()),
            Wish::Scan => self.scan(inbox, now).map(|()| Answer::Done),
        };
        done.map_err(|refused| self.refuse(refused))
    }

    /// The newest recording that needs an analysis. Those in trouble do not count before they change.
    fn next_unanalysed(&self, count: bool) -> Result<Answer, Refused> {
        let writer = self.writer()?;
        let waiting = if count { Some(writer.count_to_analyse()?) } else { None };
        Ok(Answer::Next { name: writer.to_analyse()?, waiting })
    }

    /// Recordings in the catalogue.
    pub fn count(&self) -> Result<u64, Failure> {
        self.writer()?.count()
    }

    fn writer(&self) -> Result<&Writer, Failure> {
        self.writer.as_ref().ok_or_else(not_there)
    }

    fn writer_mut(&mut self) -> Result<&mut Writer, Failure> {
        self.writer.as_mut().ok_or_else(not_there)
    }

    /// After damage the catalogue is begun anew; the next scan fills it.
    fn refuse(&mut self, refused: Refused) -> Trouble {
        match refused {
            Refused::Trouble(trouble) => trouble,
            Refused::Catalogue(failure) => {
                if let Failure::Damaged(_) = failure {
                    self.shared.doubt.store(true, Relaxed);
                }
                log::warn!(target: "librarian", "{failure}");
                Trouble::Busy(5)
            }
        }
    }

    /// The writer is of the file that stands there now, and nothing is known against it.
    fn renew_if_damaged(&mut self) -> Result<(), Failure> {
        let is_damaged = self.shared.doubt.swap(false, Relaxed);
        let path = self.settings.catalogue.display();
        let (writer, is_new) = match self.writer.take() {
            // Somebody else has put another in its place, or none.
            Some(writer) if !writer.is_current() => {
                drop(writer);
                Writer::open(&self.settings.catalogue)?
            }
            Some(writer) if is_damaged => {
                log::warn!(target: "librarian", "{path}: the catalogue was damaged and is made anew");
                (writer.renew()?, true)
            }
            Some(writer) => {
                self.writer = Some(writer);
                return Ok(());
            }
            None => Writer::open(&self.settings.catalogue)?,
        };
        self.is_new |= is_new;
        self.gaps_seen.clear();
        self.writer.insert(writer).set_targets(&self.settings.targets)?;
        Ok(())
    }

    fn tell(&self, event: &Event) {
        self.shared.news.tell(event);
    }
}

/// The sidecar of a recording that nobody has told of, once it was analysed.
pub fn foreign(shelf: &Shelf, name: &str, channels: u8, analysis: &Analysis) -> std::io::Result<Sidecar> {
    let found = folder::look(&shelf.root, name).ok_or(std::io::ErrorKind::NotFound)?;
    let (profile, zone) = (&analysis.profile, Zone::system());
    let seen = entry::Seen {
        found,
        beside: Default::default(),
        sidecar: None,
        targets: &[],
        sound: Some((profile.rate_hz, channels, profile.frames)),
        now: found.modified.plus_ns(i64::MAX / 4),
    };
    let row = entry::entry(seen, None, &zone).row;
    let mut sidecar = entry::foreign_sidecar(&row, concat!("soundpost ", env!("CARGO_PKG_VERSION")));
    sidecar.other.insert(entry::ANALYSED_BYTES.into(), row.bytes.into());
    Ok(sidecar)
}

fn not_there() -> Failure {
    Failure::Failed("it is being made anew".into())
}

/// Why a wish is not fulfilled.
#[derive(Debug)]
pub enum Refused {
    Trouble(Trouble),
    Catalogue(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused::Catalogue(failure)
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Refused {
        Refused::Trouble(trouble)
    }
}

/// Ends when nobody can ask any more.
pub fn run(inbox: &Receiver<Ask>, librarian: &mut Librarian, now: &dyn Fn() -> Wall) {
    let (mut scan_at, mut looked) = (Instant::now(), None);
    loop {
        let began = Instant::now();
        let is_wanted = librarian.wants_look() && looked.is_none_or(|at: Instant| at.elapsed() >= LOOKS_APART);
        if began >= scan_at || is_wanted || librarian.shared.doubt.load(Relaxed) {
            if let Err(refused) = librarian.scan(inbox, now) {
                let trouble = librarian.refuse(refused);
                log::warn!(target: "librarian", "{}: not looked through: {trouble:?}", librarian.settings.root.display());
            }
            let pause = if librarian.is_restless.take() { SOON } else { librarian.settings.scan_every };
            scan_at = Instant::now() + pause.max(began.elapsed() * REST_FACTOR);
            looked = Some(Instant::now());
            librarian.look_soon();
        }
        librarian.make_room(now(), false);
        let until = librarian.room_due().map_or(scan_at, |due| due.min(scan_at));
        match receive(inbox, until) {
            Got::Ask(ask) => answer(ask, inbox, librarian, now),
            Got::Nothing => {}
            Got::End => return,
        }
    }
}

enum Got {
    Ask(Ask),
    Nothing,
    End,
}

fn receive(inbox: &Receiver<Ask>, until: Instant) -> Got {
    smol::future::block_on(smol::future::or(async { inbox.recv().await.map_or(Got::End, Got::Ask) }, async {
        smol::Timer::at(until).await;
        Got::Nothing
    }))
}

fn answer(ask: Ask, inbox: &Receiver<Ask>, librarian: &mut Librarian, now: &dyn Fn() -> Wall) {
    let answer = librarian.answer(ask.wish, inbox, now);
    if let Some(reply) = ask.reply {
        // Who does not wait any more need not know.
        let _ = reply.try_send(answer);
    }
}
