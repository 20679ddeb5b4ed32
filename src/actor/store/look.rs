//! Reading an unfinished file through to see what of it is whole, beside the store's work.
//!
//! An hour of sound takes a slow card the better part of a minute to read, a day many minutes. Until it is known what to
//! keep nothing else about the file is decided, and recording goes on; only short files are read on the spot.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use super::MendFn;
use crate::device::disk::DiskFile;
use crate::format::mend::Mend;
use crate::message::Container;

/// A file up to this size is read on the spot.
const SHORT_BYTES: u64 = 4 << 20;
const STACK_BYTES: usize = 256 << 10;

/// Filled by the reading thread when it is through.
#[derive(Clone, Debug, Default)]
pub struct Look(Arc<Mutex<Option<io::Result<Mend>>>>);

/// What is known of a file.
pub enum Seen {
    /// All of it.
    Through(Mend),
    /// It is being read; asked again later.
    Reading,
}

/// Reads the file now if it is short, else begins to, or asks how far that has come. `open` gives the reader a handle of its own.
pub fn look<F: DiskFile>(
    running: &mut Option<Look>,
    file: &F,
    open: impl FnOnce() -> io::Result<F>,
    container: Container,
    mend: MendFn,
) -> io::Result<Seen> {
    if let Some(look) = running {
        let found = look.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let Some(result) = found else { return Ok(Seen::Reading) };
        *running = None;
        return result.map(Seen::Through);
    }
    if file.len()? <= SHORT_BYTES {
        return mend(container, file).map(Seen::Through);
    }
    let (look, file) = (Look::default(), open()?);
    let slot = look.clone();
    thread::Builder::new().name("mend".into()).stack_size(STACK_BYTES).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| mend(container, &file)));
        let result = result.unwrap_or_else(|_| Err(io::Error::other("reading it failed unexpectedly")));
        *slot.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
    })?;
    *running = Some(look);
    Ok(Seen::Reading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::disk::{Disk, MemoryDisk};
    use crate::format::ReadAt;
    use std::path::Path;

    fn by_length(_: Container, file: &dyn ReadAt) -> io::Result<Mend> {
        match file.len()? {
            n if n % 2 == 1 => panic!("odd"),
            _ => Ok(Mend::Foreign("even")),
        }
    }

    /// Asks until there is an answer: it, and whether it came at once.
    fn ask(bytes: u64) -> (io::Result<Mend>, bool) {
        let disk = MemoryDisk::new(&["/"]);
        let path = Path::new("/a.flac.part");
        let file = disk.create(path).expect("created");
        file.truncate(bytes).expect("grown");
        let (mut running, mut at_once) = (None, true);
        loop {
            match look(&mut running, &file, || disk.open(path), Container::Flac, by_length) {
                Ok(Seen::Through(mend)) => return (Ok(mend), at_once),
                Ok(Seen::Reading) => at_once = false,
                Err(e) => return (Err(e), at_once),
            }
            thread::yield_now();
        }
    }

    #[test]
    fn short_files_are_read_on_the_spot_and_long_ones_beside() {
        assert!(matches!(ask(SHORT_BYTES), (Ok(Mend::Foreign("even")), true)));
        assert!(matches!(ask(SHORT_BYTES + 2), (Ok(Mend::Foreign("even")), false)));
    }

    #[test]
    fn a_reader_that_falls_is_an_error_and_not_a_silence() {
        assert!(matches!(ask(SHORT_BYTES + 1), (Err(_), false)));
    }
}
