//! Bookmarks of recordings that are not finished. The store, or repair after a fall, puts them into the sidecar that it writes; here
//! they are kept until then, and given to those that were finished meanwhile without them. Twice does no harm.

use std::path::PathBuf;

use serde_json::Value;

use super::shelf::{SIDECAR, Shelf, put, small};
use super::{Librarian, Refused, change::failed};
use crate::device::folder::{self, Found};
use crate::format::bookmark::{LIST, Lists, add, of, push, read};
use crate::format::sidecar::{Sidecar, parse_rfc3339};
use crate::time::{SECOND_NS, Wall};

/// Of a recording that is gone; it may have been taken away for a while.
const KEEP_NS: i64 = 7 * 86_400 * SECOND_NS;

pub struct Waiting {
    path: PathBuf,
    /// As it is on the disk.
    lists: Lists,
}

impl Waiting {
    pub fn open(shelf: &Shelf) -> Waiting {
        let path = shelf.analyses.join(LIST);
        Waiting { lists: read(&small(&path)), path }
    }

    /// On the disk when it returns.
    pub fn put(&mut self, name: &str, bookmark: Value) -> std::io::Result<()> {
        let mut lists = self.lists.clone();
        push(&mut lists, name, bookmark);
        self.write(lists)
    }

    pub fn add_to(&self, sidecar: &mut Sidecar, name: &str) {
        add(sidecar, &self.lists, name);
    }

    fn drop(&mut self, name: &str) -> std::io::Result<()> {
        let mut lists = self.lists.clone();
        lists.remove(name);
        self.write(lists)
    }

    fn write(&mut self, lists: Lists) -> std::io::Result<()> {
        put(&self.path, Value::Object(lists.clone()).to_string().as_bytes())?;
        self.lists = lists;
        Ok(())
    }

    fn is_old(&self, name: &str, now: Wall) -> bool {
        let at = |bookmark: &Value| bookmark.get("at").and_then(Value::as_str).and_then(parse_rfc3339);
        of(&self.lists, name).iter().filter_map(at).max().is_none_or(|at| now.since(at) > KEEP_NS)
    }
}

impl Librarian {
    /// Into the sidecar of a recording that has its name.
    pub(super) fn settle_bookmarks(&mut self, found: &Found<'_>, now: Wall) -> Result<(), Refused> {
        if found.is_part || of(&self.bookmarks.lists, found.name).is_empty() {
            return Ok(());
        }
        let row = self.read(*found, None, now).row;
        let turn = self.settings.turns.wait(&self.shelf.beside(found.name, SIDECAR));
        let mut sidecar = self.sidecar_for(&row);
        self.bookmarks.add_to(&mut sidecar, found.name);
        self.shelf.put_sidecar(found.name, &sidecar).map_err(failed)?;
        drop(turn);
        Ok(self.bookmarks.drop(found.name).map_err(failed)?)
    }

    /// What was finished without a word of it, after a fall for one.
    pub(super) fn settle_all_bookmarks(&mut self, now: Wall) -> Result<(), Refused> {
        let names: Vec<String> = self.bookmarks.lists.keys().cloned().collect();
        for name in names {
            match folder::look(&self.shelf.root, &name) {
                Some(_) => self.look(&name, now)?,
                None if self.bookmarks.is_old(&name, now) => self.bookmarks.drop(&name).map_err(failed)?,
                None => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_the_same_after_a_fall() {
        let folder = tempfile::tempdir().expect("a folder");
        let shelf = Shelf { root: folder.path().into(), analyses: folder.path().join("analyses") };
        let mark = |n: u32| json!({"at": "2024-12-25T14:00:00.000000Z", "seconds": n});
        let mut waiting = Waiting::open(&shelf);
        for (name, n) in [("a.wav", 1), ("b.wav", 2), ("a.wav", 3), ("a.wav", 1)] {
            waiting.put(name, mark(n)).expect("written");
        }
        let mut again = Waiting::open(&shelf);
        let lists = [of(&again.lists, "a.wav"), of(&again.lists, "b.wav"), of(&again.lists, "c")];
        assert_eq!(lists, [&[mark(1), mark(3)][..], &[mark(2)][..], &[][..]]);
        again.drop("a.wav").expect("written");
        assert_eq!(Waiting::open(&shelf).lists.len(), 1);
        let christmas = parse_rfc3339("2024-12-25T14:00:00Z").expect("a time");
        assert!(!again.is_old("b.wav", christmas) && again.is_old("b.wav", christmas.plus_ns(KEEP_NS + 1)));
        std::fs::write(&again.path, "{torn").expect("written");
        assert!(Waiting::open(&shelf).lists.is_empty());
    }
}
