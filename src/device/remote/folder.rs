//! A folder: a USB stick that somebody puts in, or a share that is mounted. It is copied to under another name, synced, read back
//! from the medium itself, and renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise, syncfs};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::webdav::told;
use super::{Flow, MOST_OF_A_NAME, Manner, PIECE_BYTES, Parcel, Receipt, Remote, Trouble, Way, differs, sha256_of, too_many};
use crate::device::{Fault, FaultKind};
use crate::policy::outbox::{State, numbered};

pub struct Folder {
    path: PathBuf,
    /// A folder on the disk of the recordings, which is here, is not the medium that is waited for.
    not_on: Option<PathBuf>,
}

impl Folder {
    pub fn new(path: PathBuf, not_on: Option<PathBuf>) -> Folder {
        Folder { path, not_on }
    }

    fn fault(&self, e: &io::Error) -> Trouble {
        let shown = self.path.display();
        if Errno::from_io_error(e).is_some_and(|errno| matches!(errno, Errno::NAMETOOLONG | Errno::INVAL)) {
            return Trouble::File(format!("has a name that {shown} does not take ({e})"));
        }
        let (kind, what) = match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (FaultKind::Full, "is full: make room on it".to_owned()),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                (FaultKind::Refused, format!("cannot be written to ({e})"))
            }
            io::ErrorKind::NotFound => (FaultKind::Gone, "is gone".to_owned()),
            _ => (FaultKind::Retry, format!("does not do as asked ({e})")),
        };
        Fault::new(kind, format!("{shown}: {what}")).into()
    }

    fn copy(&self, draft: &Path, parcel: &Parcel, way: &mut dyn Way) -> Result<[u8; 32], Trouble> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(draft);
        let mut file = file.map_err(|e| self.fault(&e))?;
        way.stage(State::Sending(1, 1));
        let mut flow = Flow::new(parcel.body, 0, parcel.bytes, way);
        flow.sum = Some(Sha256::new());
        let mut space = vec![0; PIECE_BYTES];
        loop {
            let count = match flow.read(&mut space) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) => return Err(flow.ended.take().unwrap_or_else(|| Trouble::File(e.to_string()))),
            };
            file.write_all(space.get(..count).unwrap_or_default()).map_err(|e| self.fault(&e))?;
        }
        let sum = flow.sum.take().unwrap_or_default().finalize().into();
        file.sync_all().map_err(|e| self.fault(&e))?;
        // What is read back then comes from the medium, and not from memory.
        let _ = fadvise(&file, 0, None, Advice::DontNeed);
        Ok(sum)
    }

    fn is_there(&self, path: &Path, parcel: &Parcel, sum: &[u8; 32], way: &mut dyn Way) -> Result<bool, Trouble> {
        way.stage(State::Verifying);
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) => return Err(self.fault(&e)),
        };
        let (mut found, mut length, mut space) = (Sha256::new(), 0_u64, vec![0; PIECE_BYTES]);
        loop {
            if !way.goes_on() {
                return Err(Trouble::Halted);
            }
            match file.read(&mut space).map_err(|e| self.fault(&e))? {
                0 => break,
                count => {
                    found.update(space.get(..count).unwrap_or_default());
                    length += count as u64;
                }
            }
        }
        Ok(length == parcel.bytes && <[u8; 32]>::from(found.finalize()) == *sum)
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl Remote for Folder {
    fn look(&mut self) -> Result<(), Fault> {
        let gone = |what: &str| Err(Fault::new(FaultKind::Gone, format!("{}: {what}", self.path.display())));
        let Ok(found) = fs::metadata(&self.path) else { return gone("is not there (yet): put the medium in") };
        if !found.is_dir() {
            return gone("is no folder");
        }
        let own = self.not_on.as_deref().and_then(|path| fs::metadata(path).ok());
        if own.is_some_and(|own| own.dev() == found.dev()) {
            return gone("nothing is mounted there: put the medium in (or set mounted = no)");
        }
        Ok(())
    }

    fn send(&mut self, parcel: &Parcel, way: &mut dyn Way) -> Result<Receipt, Trouble> {
        let mut known = None;
        for n in 1..=MOST_OF_A_NAME {
            let key = numbered(parcel.key, n);
            let path = self.path.join(&key);
            if parcel.manner == Manner::Beside && path.exists() {
                let sum = known.map_or_else(|| sha256_of(parcel, way), Ok)?;
                known = Some(sum);
                if !self.is_there(&path, parcel, &sum, way)? {
                    continue;
                }
                return Ok(Receipt { key, checksum: told(true, &sum) });
            }
            let folder = path.parent().unwrap_or(&self.path).to_owned();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let draft = folder.join(format!(".{name}.part"));
            fs::create_dir_all(&folder).map_err(|e| self.fault(&e))?;
            let sent = self.copy(&draft, parcel, way);
            let sum = sent.inspect_err(|_| {
                let _ = fs::remove_file(&draft); // room for others
            })?;
            if !self.is_there(&draft, parcel, &sum, way)? {
                let _ = fs::remove_file(&draft);
                return Err(differs(path.display()));
            }
            let placed = fs::rename(&draft, &path).and_then(|()| sync(&folder));
            placed.map_err(|e| self.fault(&e))?;
            return Ok(Receipt { key, checksum: told(true, &sum) });
        }
        Err(too_many(parcel.key))
    }

    fn rest(&mut self) -> Result<Option<&'static str>, Fault> {
        self.look()?;
        let synced = File::open(&self.path).and_then(|folder| Ok(syncfs(&folder)?));
        synced.map_err(|e| Fault::new(FaultKind::Retry, format!("{}: cannot be synced ({e})", self.path.display())))?;
        Ok(Some("all is copied and verified: safe to pull"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Calm;
    use super::*;

    fn parcel<'a>(key: &'a str, body: &'a &[u8], manner: Manner) -> Parcel<'a> {
        Parcel { key, bytes: body.len() as u64, media: "audio/flac", body, manner }
    }

    #[test]
    fn a_file_is_there_once_whoever_was_there_before() {
        let place = tempfile::tempdir().expect("a folder");
        let mut folder = Folder::new(place.path().to_owned(), None);
        let mut send = |key: &str, body: &[u8], manner| {
            folder.send(&parcel(key, &body, manner), &mut Calm::default()).map(|receipt| receipt.key)
        };
        assert_eq!(send("d/a.flac", b"one", Manner::Beside).as_deref(), Ok("d/a.flac"));
        assert_eq!(send("d/a.flac", b"one", Manner::Beside).as_deref(), Ok("d/a.flac"));
        assert_eq!(send("d/a.flac", b"two", Manner::Beside).as_deref(), Ok("d/a-2.flac"));
        assert_eq!(send("d/a.json", b"old", Manner::Instead).as_deref(), Ok("d/a.json"));
        assert_eq!(send("d/a.json", b"new", Manner::Instead).as_deref(), Ok("d/a.json"));
        let mut found: Vec<_> = fs::read_dir(place.path().join("d")).expect("there").map(|e| e.expect("one").path()).collect();
        found.sort();
        let read: Vec<_> = found.iter().map(|path| fs::read(path).expect("readable")).collect();
        assert_eq!(read, [b"two".to_vec(), b"one".to_vec(), b"new".to_vec()]);
    }

    #[test]
    fn a_medium_is_waited_for() {
        let place = tempfile::tempdir().expect("a folder");
        let there = |path: PathBuf, not_on| Folder::new(path, not_on).look().map_err(|fault| fault.kind);
        assert_eq!(there(place.path().to_owned(), None), Ok(()));
        assert_eq!(there(place.path().join("usb"), None), Err(FaultKind::Gone));
        assert_eq!(there(place.path().to_owned(), Some(place.path().to_owned())), Err(FaultKind::Gone));
    }
}
