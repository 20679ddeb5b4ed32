//! The folders that are recorded to, each with whoever keeps it: for those who work through recordings and are told of them (uploads,
//! analyses of later, the herald). The list is one for all and only grows, so a folder that comes with a change of the configuration
//! is there for everybody at once, and one whose source has gone is worked through to its end.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_channel::Sender;

use super::library::{Ask, Wish};

/// One of them.
#[derive(Clone)]
pub struct Folder {
    pub root: PathBuf,
    /// What is known of its recordings, which mirrors the root.
    pub analyses: PathBuf,
    pub catalogue: PathBuf,
    /// Of its librarian.
    pub asks: Sender<Ask>,
}

/// In the order in which they came; that of the page is the first.
#[derive(Default)]
pub struct Folders(Mutex<Vec<Folder>>);

impl Folders {
    pub fn of(folder: Folder) -> Folders {
        Folders(Mutex::new(vec![folder]))
    }

    pub fn add(&self, folder: Folder) {
        self.list().push(folder);
    }

    /// Those that came after the first `known`.
    pub fn after(&self, known: usize) -> Vec<Folder> {
        self.list().get(known..).unwrap_or_default().to_vec()
    }

    /// Somebody keeps one of them still.
    pub fn are_kept(&self) -> bool {
        self.list().iter().any(|folder| !folder.asks.is_closed())
    }

    /// Where wishes for this folder go.
    pub fn wishes(&self, root: &Path) -> Option<Sender<Ask>> {
        self.list().iter().find(|folder| folder.root == root).map(|folder| folder.asks.clone())
    }

    /// Has a file looked at by whoever keeps a folder that it lies in. Where the queue is full, the next scan finds it.
    pub fn look_at(&self, path: &Path) {
        for folder in self.list().iter() {
            let Some(name) = path.strip_prefix(&folder.root).ok().and_then(Path::to_str) else { continue };
            let _ = folder.asks.try_send(Ask { wish: Wish::Look { name: name.to_owned() }, reply: None });
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Folder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_some_hears_of_the_others_and_files_are_told_where_they_lie() {
        let folders = Folders::default();
        let keepers = ["/a", "/a/b", "/c"].map(|root| {
            let (asks, inbox) = async_channel::bounded(1);
            folders.add(Folder { root: root.into(), analyses: root.into(), catalogue: root.into(), asks });
            inbox
        });
        let after = |known| folders.after(known).iter().map(|folder| folder.root.display().to_string()).collect::<Vec<_>>();
        assert_eq!((after(0).len(), after(2), after(3), after(9)), (3, vec!["/c".to_owned()], vec![], vec![]));
        assert!(folders.wishes(Path::new("/c")).is_some() && folders.wishes(Path::new("/d")).is_none());
        // The second does not fit, and holds nobody up.
        ["/a/b/x.wav", "/a/b/y.wav", "/d/z.wav"].iter().for_each(|path| folders.look_at(Path::new(path)));
        let heard = keepers.each_ref().map(|inbox| match inbox.try_recv().map(|ask| ask.wish) {
            Ok(Wish::Look { name }) => name,
            _ => String::new(),
        });
        assert_eq!(heard, ["b/x.wav", "x.wav", ""]);
        assert!(folders.are_kept());
        drop(keepers);
        assert!(!folders.are_kept());
    }
}
