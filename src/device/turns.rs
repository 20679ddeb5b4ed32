//! Whose turn it is to change a small file: who reads one, changes it and puts it back has it to itself meanwhile.
//!
//! The store and the librarian both rewrite sidecars, each on a thread of its own: what one has read, the other must not
//! replace before it is written back, or a change is lost. The librarian waits for its turn ([`Turns::wait`]). The store never
//! waits for anybody, and comes again later ([`Turns::take`]). Programs of other processes are not seen here.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// One for all who write below the same folders.
#[derive(Debug, Default)]
pub struct Turns {
    /// One for each thread that is at it.
    taken: Mutex<Vec<PathBuf>>,
    freed: Condvar,
}

/// Dropping it ends the turn, also when its thread falls.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    path: PathBuf,
}

impl Turns {
    /// `path` as everybody spells it: absolute, without links.
    pub fn wait(&self, path: &Path) -> Turn<'_> {
        let mut taken = self.lock();
        while taken.iter().any(|other| other == path) {
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        taken.push(path.to_owned());
        Turn { turns: self, path: path.to_owned() }
    }

    /// `None` while somebody else has it.
    pub fn take(&self, path: &Path) -> Option<Turn<'_>> {
        let mut taken = self.lock();
        if taken.iter().any(|other| other == path) {
            return None;
        }
        taken.push(path.to_owned());
        Some(Turn { turns: self, path: path.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.lock().retain(|path| *path != self.path);
        self.turns.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_ones_at_a_time() {
        let turns = Turns::default();
        let (a, b) = (Path::new("/r/a"), Path::new("/r/b"));
        let first = turns.take(a).expect("free");
        assert!(turns.take(a).is_none() && turns.take(b).is_some());
        drop(first);
        assert!(turns.take(a).is_some());
    }

    #[test]
    fn who_waits_comes_next_also_after_one_that_fell() {
        let turns = Turns::default();
        let path = Path::new("/r/a");
        let count = Mutex::new(0);
        std::thread::scope(|scope| {
            for n in 0..4 {
                let (turns, count) = (&turns, &count);
                scope.spawn(move || {
                    let work = std::panic::AssertUnwindSafe(|| {
                        let _turn = turns.wait(path);
                        let before = *count.lock().unwrap_or_else(PoisonError::into_inner);
                        std::thread::yield_now();
                        *count.lock().unwrap_or_else(PoisonError::into_inner) = before + 1;
                        assert_ne!(n, 2, "one falls");
                    });
                    let _ = std::panic::catch_unwind(work);
                });
            }
        });
        assert_eq!(*count.lock().unwrap_or_else(PoisonError::into_inner), 4);
    }
}
