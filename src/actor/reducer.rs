//! Makes ready what stays of old recordings: cuts out their sections, bit for bit, and encodes the whole as Opus. Everything is a
//! draft in a hidden folder beside the recordings until the librarian gives it a name; a fall leaves drafts, which the next start sweeps
//! away.
//!
//! One recording at a time, at the lowest priority, in bounded memory: a window of the file, and an encoder. It ends within one
//! read when the recorder does, and leaves off as soon as the disk has less room than it should: making room comes first.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use async_channel::Sender;
use sha2::{Digest, Sha256};

use crate::device::disk::{Disk, DiskFile, RealDisk, RealFile};
use crate::format::clip::frame_at;
use crate::format::stream::mend;
use crate::format::{Flaw, ReadAt, cut, decode, fill_at, opus_copy};
use crate::message::Container;
use crate::message::library::{Answer, Ask, Trouble, Wish};
use crate::message::reduce::{Copied, Left, Piece, Reduced, Task};
use crate::status::{ActorStatus, State};

/// Hidden, so that nobody takes what is in it for recordings.
const DRAFTS: &str = ".reduced";
/// After the start everything else comes first.
pub const FIRST: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(30);
const NAP: Duration = Duration::from_millis(250);
/// Written and synced in such portions, so that no sync of a recording waits behind a whole draft.
const PORTION_BYTES: u64 = 1 << 20;
const COPY_BYTES: usize = 64 << 10;
/// Pieces that the librarian is given at a time: others want to be answered too.
const TOGETHER: usize = 4;

/// Of recordings, and who keeps it.
pub struct Folder {
    pub root: PathBuf,
    pub asks: Sender<Ask>,
}

pub struct Reducer {
    pub folders: Vec<Folder>,
    pub actor: Arc<ActorStatus>,
    pub stop: Arc<AtomicBool>,
    /// Until the first look.
    pub patience: Duration,
}

/// Why nothing was made.
#[derive(Debug)]
pub enum Failed {
    /// It was to end, or there is not enough room: another time.
    Stopped,
    /// It will not be otherwise next time.
    Unfit(String),
    /// The disk, or the librarian, did not do as asked.
    Refused(String),
}

/// What a start that was long ago, or another one, has left. By whoever records there, before anything is reduced.
pub fn sweep(root: &Path) {
    match std::fs::remove_dir_all(root.join(DRAFTS)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => log::warn!(target: "reducer", "{DRAFTS}: not swept: {e}"),
        _ => {}
    }
}

impl Reducer {
    /// Until it is to stop, or nobody answers any more. `life` is the one that the thread was started for.
    pub fn run(&self, life: u32) {
        // What is recorded comes first.
        let _ = rustix::process::setpriority_process(None, 19);
        self.folders.iter().for_each(|folder| sweep(&folder.root));
        self.rest(self.patience, life);
        while self.goes_on(life) {
            self.actor.begin();
            let done: usize = self.folders.iter().map(|folder| usize::from(self.attend(folder))).sum();
            if done == 0 {
                self.rest(REST, life);
            }
        }
    }

    fn goes_on(&self, life: u32) -> bool {
        !self.stop.load(Relaxed) && self.actor.lives(life) && self.folders.iter().any(|folder| !folder.asks.is_closed())
    }

    fn rest(&self, long: Duration, life: u32) {
        self.actor.enter(State::Idle);
        for _ in 0..long.as_millis() / NAP.as_millis() {
            if !self.goes_on(life) {
                return;
            }
            thread::sleep(NAP);
        }
    }

    /// True if one was reduced: there may be more.
    fn attend(&self, folder: &Folder) -> bool {
        self.actor.enter(State::Device);
        let mut ask = |wish| self.ask(folder, wish);
        let Ok(Answer::Reduce(Some(task))) = ask(Wish::Reduce) else { return false };
        let name = task.name.clone();
        match reduce(&folder.root, *task, (&self.stop, &self.actor), &mut ask) {
            Ok(()) => true,
            Err(Failed::Stopped) => false,
            Err(Failed::Unfit(why)) => {
                log::warn!(target: "reducer", "{name}: stays as it is: {why}");
                ask(Wish::Unfit { name, why: format!("It cannot be reduced: {why}") }).is_ok()
            }
            Err(Failed::Refused(why)) => {
                log::info!(target: "reducer", "{name}: not reduced now: {why}");
                false
            }
        }
    }

    /// The librarian may be looking through a large folder.
    fn ask(&self, folder: &Folder, wish: Wish) -> Result<Answer, Trouble> {
        let (reply, answer) = async_channel::bounded(1);
        folder.asks.try_send(Ask { wish, reply: Some(reply) }).map_err(|_| Trouble::Busy(2))?;
        loop {
            match answer.try_recv() {
                Ok(answer) => return answer,
                Err(async_channel::TryRecvError::Closed) => return Err(Trouble::Busy(2)),
                Err(async_channel::TryRecvError::Empty) if self.stop.load(Relaxed) => return Err(Trouble::Busy(2)),
                Err(async_channel::TryRecvError::Empty) => {
                    self.actor.beat();
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
}

/// A recording to what stays of it. `ask`: the librarian. Drafts do not outlive this.
pub fn reduce(
    root: &Path,
    task: Task,
    watch: (&Arc<AtomicBool>, &Arc<ActorStatus>),
    ask: &mut dyn FnMut(Wish) -> Result<Answer, Trouble>,
) -> Result<(), Failed> {
    let work = Work { root, task: &task, stop: watch.0, actor: watch.1 };
    let made = work.make().and_then(|made| hand_over(made, ask));
    sweep(root);
    made
}

/// In steps: the whole, and the end of the recording, with the last.
fn hand_over(made: Reduced, ask: &mut dyn FnMut(Wish) -> Result<Answer, Trouble>) -> Result<(), Failed> {
    let mut pieces = made.pieces.as_slice();
    let mut placed = Vec::new();
    loop {
        let (now, then) = pieces.split_at(pieces.len().min(TOGETHER));
        let is_last = then.is_empty();
        let copy = made.copy.clone().filter(|_| is_last);
        let (task, sha256) = (made.task.clone(), made.sha256.clone());
        let step = Reduced { task, sha256, pieces: now.to_vec(), placed: placed.clone(), copy, is_last };
        match ask(Wish::Reduced(Box::new(step))) {
            Ok(Answer::Placed(names)) => placed.extend(names),
            Ok(_) => {}
            Err(why) => return Err(Failed::Refused(format!("{why:?}"))),
        }
        if is_last {
            return Ok(());
        }
        pieces = then;
    }
}

/// Reading ends when everything does.
struct Watched {
    file: RealFile,
    stop: Arc<AtomicBool>,
    actor: Arc<ActorStatus>,
}

impl ReadAt for Watched {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.actor.beat();
        if self.stop.load(Relaxed) {
            return Err(io::Error::other("it was stopped"));
        }
        self.file.read_at(at, buf)
    }
}

struct Work<'a> {
    root: &'a Path,
    task: &'a Task,
    stop: &'a Arc<AtomicBool>,
    actor: &'a Arc<ActorStatus>,
}

impl Work<'_> {
    fn open(&self) -> Result<Watched, Failed> {
        let file = RealDisk.open_to_read(&self.root.join(&self.task.name)).map_err(refused)?;
        Ok(Watched { file, stop: self.stop.clone(), actor: self.actor.clone() })
    }

    fn extension(&self) -> &str {
        self.task.name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// All of it on the disk.
    fn make(&self) -> Result<Reduced, Failed> {
        RealDisk.create_dirs(&self.root.join(DRAFTS)).map_err(refused)?;
        let file = self.open()?;
        let sha256 = self.sum(&file)?;
        let mut pieces = Vec::new();
        for part in &self.task.parts {
            pieces.extend(self.piece(&file, *part, pieces.len())?);
        }
        let copy = if self.task.left == Left::Opus { Some(self.copy()?) } else { None };
        RealDisk.sync_dir(&self.root.join(DRAFTS)).map_err(refused)?;
        Ok(Reduced { task: self.task.clone(), sha256, pieces, placed: Vec::new(), copy, is_last: true })
    }

    fn sum(&self, file: &Watched) -> Result<String, Failed> {
        let (mut sum, mut at, mut space) = (Sha256::new(), 0_u64, vec![0; COPY_BYTES]);
        loop {
            match fill_at(file, at, &mut space).map_err(|e| self.judge(e.into()))? {
                0 => break,
                have => {
                    sum.update(&space[..have]);
                    at += have as u64;
                }
            }
        }
        if at != self.task.bytes {
            return Err(Failed::Refused("it is another by now".into()));
        }
        Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// `None`: there is no sound there.
    fn piece(&self, file: &Watched, (from, to): (u64, u64), number: usize) -> Result<Option<Piece>, Failed> {
        let plan = match cut::plan(file, self.extension(), from as f64, to as f64) {
            Ok(plan) => plan,
            Err(Flaw::Unsupported(cut::NO_SOUND)) => return Ok(None),
            Err(flaw) => return Err(self.judge(flaw)),
        };
        let (draft, bytes, ()) = self.draft(number, |out| plan.write(file, out))?;
        if bytes != plan.bytes || plan.rate_hz != self.task.rate_hz {
            return Err(Failed::Unfit("what is cut out of it is not what was planned".into()));
        }
        let from = frame_at(plan.from_s, plan.rate_hz);
        Ok(Some(Piece { draft, from, frames: plan.frames, bytes }))
    }

    fn copy(&self) -> Result<Copied, Failed> {
        let mut decoder = decode::open(Box::new(self.open()?), self.extension()).map_err(|flaw| self.judge(flaw))?;
        let title = self.task.name.rsplit('/').next().unwrap_or_default();
        let serial = self.task.version as u32; // any
        let (draft, bytes, written) = self.draft(usize::MAX, |out| opus_copy::write(&mut decoder, title, serial, out))?;
        if written.source_frames != self.task.frames || decoder.skipped() > 0 {
            return Err(Failed::Unfit("it is damaged, or not as long as it should be".into()));
        }
        // As it stands on the disk.
        let file = std::fs::File::open(&draft).map_err(refused)?;
        let verified = mend::verify(Container::Opus, io::BufReader::with_capacity(COPY_BYTES, file));
        match verified {
            Ok(verified) if verified.frames == written.frames => {
                Ok(Copied { draft, frames: written.frames, channels: written.channels, bytes })
            }
            _ => Err(Failed::Refused("its Opus is not as it was written".into())),
        }
    }

    /// On the disk when it returns, but for its name.
    fn draft<T>(
        &self,
        number: usize,
        write: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<T, Flaw>,
    ) -> Result<(PathBuf, u64, T), Failed> {
        let path = self.root.join(DRAFTS).join(if number == usize::MAX { "whole.part".into() } else { format!("{number}.part") });
        let file = RealDisk.create(&path).map_err(refused)?;
        let (mut at, mut synced, mut held) = (0, 0, Vec::with_capacity(2 * COPY_BYTES));
        let mut put = |bytes: &[u8]| {
            held.extend_from_slice(bytes);
            if held.len() >= COPY_BYTES {
                self.write(&file, &mut at, &mut synced, &mut held)?;
            }
            Ok(())
        };
        let made = write(&mut put).map_err(|flaw| self.judge(flaw))?;
        self.write(&file, &mut at, &mut synced, &mut held).and_then(|()| file.sync()).map_err(|e| self.judge(e.into()))?;
        Ok((path, at, made))
    }

    fn write(&self, file: &RealFile, at: &mut u64, synced: &mut u64, held: &mut Vec<u8>) -> io::Result<()> {
        self.actor.beat();
        if self.stop.load(Relaxed) {
            return Err(io::Error::other("it was stopped"));
        }
        file.write_at(*at, held)?;
        *at += held.len() as u64;
        held.clear();
        if *at - *synced >= PORTION_BYTES {
            file.sync()?;
            *synced = *at;
            if RealDisk.free_bytes(self.root)? < self.task.floor_bytes {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }

    fn judge(&self, flaw: Flaw) -> Failed {
        match flaw {
            _ if self.stop.load(Relaxed) => Failed::Stopped,
            Flaw::Io(e) if e.kind() == io::ErrorKind::StorageFull => Failed::Stopped,
            Flaw::Io(e) => refused(e),
            flaw => Failed::Unfit(flaw.to_string()),
        }
    }
}

fn refused(e: io::Error) -> Failed {
    Failed::Refused(e.to_string())
}
