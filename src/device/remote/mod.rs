//! Where recordings are uploaded to: one small trait, and a file for each kind of target.
//!
//! A target is asked for one thing: that a file stands there under a key, whole, and that this was looked after at the far end. What
//! was sent before a cable was pulled is gone on with where the target's protocol allows it; nothing of it is remembered here but a
//! token that the caller keeps. Who asks decides what comes next, how fast and when; see [`Way`].
//!
//! | kind | sent as | gone on with | looked after |
//! |---|---|---|---|
//! | s3 | PUT, or parts | at the first part that is missing | the server's SHA-256 or ETag, and the size |
//! | webdav | PUT beside, or Nextcloud's chunks; then MOVE | at the first chunk that is missing | by reading back, or the size |
//! | put | PUT | from the start | by reading back, or the size |
//! | folder | copied beside, synced, renamed | from the start | by reading back from the medium |

mod fake;
mod folder;
mod http;
mod put;
mod s3;
mod webdav;

use std::io::{self, Read};

use sha2::{Digest, Sha256};

pub use self::fake::{FakeRemote, Stock};
pub use self::folder::Folder;
pub use self::put::Put;
pub use self::s3::{Access, S3};
pub use self::webdav::WebDav;
use super::{Fault, FaultKind};
use crate::format::ReadAt;
use crate::policy::outbox::State;

/// A target. One thread owns it.
pub trait Remote: Send {
    /// Whether it is there at all, without sending anything. Asked before every file.
    fn look(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    /// When this returns well, all of the parcel stands there, looked after.
    fn send(&mut self, parcel: &Parcel, way: &mut dyn Way) -> Result<Receipt, Trouble>;

    /// Everything that waited was sent. What it says is for the operator.
    fn rest(&mut self) -> Result<Option<&'static str>, Fault> {
        Ok(None)
    }
}

/// One file to be sent.
pub struct Parcel<'a> {
    /// Relative, with `/`.
    pub key: &'a str,
    pub bytes: u64,
    pub media: &'static str,
    pub body: &'a dyn ReadAt,
    pub manner: Manner,
}

/// What becomes of another file that stands under the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It stays: it may be the only copy of what another recorder heard. The parcel gets a number.
    Beside,
    /// It gives way.
    Instead,
}

/// What stands there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub key: String,
    /// `sha256:…` or what else was compared.
    pub checksum: String,
}

/// Why a parcel is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The target is at fault, for any file.
    Target(Fault),
    /// This one file is not wanted there, in one line.
    File(String),
    /// The caller wanted an end.
    Halted,
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Target(fault)
    }
}

/// The caller's side of a sending.
pub trait Way {
    /// So many bytes are about to leave: waits for as long as the rate wants it; false if there is to be an end.
    fn pass(&mut self, bytes: u64) -> bool;
    /// Whether to go on, for what is read and not sent.
    fn goes_on(&mut self) -> bool;
    fn stage(&mut self, state: State);
    /// What an earlier sending of the same file left with [`Way::keep`].
    fn token(&self) -> Option<String>;
    /// To be remembered for as long as the file is not there, over restarts if possible.
    fn keep(&mut self, token: &str);
}

/// What is read of a file at once.
const PIECE_BYTES: usize = 32 << 10;

/// A part of a file on its way out.
struct Flow<'a> {
    body: &'a dyn ReadAt,
    at: u64,
    end: u64,
    way: &'a mut dyn Way,
    /// Of what has passed, where somebody wants to know.
    sum: Option<Sha256>,
    /// Why it ended early.
    ended: Option<Trouble>,
}

impl<'a> Flow<'a> {
    fn new(body: &'a dyn ReadAt, from: u64, end: u64, way: &'a mut dyn Way) -> Flow<'a> {
        Flow { body, at: from, end, way, sum: None, ended: None }
    }

    fn end(&mut self, why: Trouble) -> io::Error {
        self.ended = Some(why);
        io::Error::other("ended here")
    }
}

impl Read for Flow<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(space.len());
        let Some(space) = space.get_mut(..left).filter(|space| !space.is_empty()) else { return Ok(0) };
        let count = match self.body.read_at(self.at, space) {
            Ok(0) => return Err(self.end(Trouble::File("became shorter while it was sent".into()))),
            Ok(count) => count,
            Err(e) => return Err(self.end(Trouble::File(format!("cannot be read: {e}")))),
        };
        if !self.way.pass(count as u64) {
            return Err(self.end(Trouble::Halted));
        }
        self.at += count as u64;
        if let Some(sum) = &mut self.sum {
            sum.update(space.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}

/// Tells all of `from..to` to whoever makes a sum of it.
fn read_through(
    body: &dyn ReadAt,
    (from, to): (u64, u64),
    way: &mut dyn Way,
    mut each: impl FnMut(&[u8]),
) -> Result<(), Trouble> {
    let mut space = vec![0; PIECE_BYTES];
    let mut at = from;
    while at < to {
        if !way.goes_on() {
            return Err(Trouble::Halted);
        }
        let most = usize::try_from(to - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let piece = space.get_mut(..most).unwrap_or_default();
        match body.read_at(at, piece) {
            Ok(0) => return Err(Trouble::File("became shorter while it was read".into())),
            Ok(count) => {
                each(piece.get(..count).unwrap_or_default());
                at += count as u64;
            }
            Err(e) => return Err(Trouble::File(format!("cannot be read: {e}"))),
        }
    }
    Ok(())
}

fn sha256_of(parcel: &Parcel, way: &mut dyn Way) -> Result<[u8; 32], Trouble> {
    let mut sum = Sha256::new();
    read_through(parcel.body, (0, parcel.bytes), way, |bytes| sum.update(bytes))?;
    Ok(sum.finalize().into())
}

/// How many files of one name are looked at before that is taken for a mistake.
const MOST_OF_A_NAME: u32 = 50;

fn too_many(key: &str) -> Trouble {
    Trouble::File(format!("{MOST_OF_A_NAME} other files are called {key} there: do two recorders have one site name?"))
}

/// What came is not what was sent.
fn differs(what: impl std::fmt::Display) -> Trouble {
    Trouble::Target(Fault::new(FaultKind::Retry, format!("{what}: what stands there is not what was sent; it is sent again")))
}
