//! A small file that people edit, replaced whole: it is the old one or the new one after a power cut, never a piece of either.
//!
//! The old one stays beside it as `NAME.bak`. Owner and mode are kept; a link stays a link, and what it points to is replaced.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// What is done, in this order; a power cut may come before each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    WriteBackup,
    RenameBackup,
    Write,
    Rename,
    SyncFolder,
}

/// The file with its old bytes, as they were before the last [`replace`].
pub fn backup(path: &Path) -> PathBuf {
    with_ending(&real(path), ".bak")
}

/// Whether [`replace`] may succeed; if not, why: one sentence.
pub fn trouble(path: &Path) -> Option<String> {
    use rustix::fs::{Access, access};
    let (path, name) = (real(path), path.display());
    let advice = "change it by hand, and send the recorder a SIGHUP";
    if let Err(e) = access(&path, Access::WRITE_OK) {
        return Some(format!("{name} may not be written by the recorder ({e}): {advice}."));
    }
    let is_closed = access(folder(&path), Access::WRITE_OK).err();
    is_closed.map(|e| format!("The folder of {name} may not be written by the recorder ({e}): {advice}."))
}

/// `bytes` take the place of `old`, which is kept as a backup. On the disk when it returns.
pub fn replace(path: &Path, old: &[u8], bytes: &[u8]) -> io::Result<()> {
    steps(path, old, bytes, &mut |_| Ok(()))
}

fn steps(path: &Path, old: &[u8], bytes: &[u8], before: &mut dyn FnMut(Step) -> io::Result<()>) -> io::Result<()> {
    let path = real(path);
    let meta = fs::metadata(&path)?;
    before(Step::WriteBackup)?;
    let draft = draft(&path, old, &meta)?;
    before(Step::RenameBackup)?;
    fs::rename(draft, with_ending(&path, ".bak"))?;
    before(Step::Write)?;
    let draft = self::draft(&path, bytes, &meta)?;
    before(Step::Rename)?;
    fs::rename(draft, &path)?;
    before(Step::SyncFolder)?;
    match File::open(folder(&path))?.sync_all() {
        // FUSE drivers without fsyncdir: nothing more can be asked of them.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

/// The bytes beside the file, synced. What a power cut left of another one gives way.
fn draft(path: &Path, bytes: &[u8], like: &Metadata) -> io::Result<PathBuf> {
    let draft = with_ending(path, ".new");
    match fs::remove_file(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // Nobody else reads it before it has the mode that it should have.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let mut write = || -> io::Result<()> {
        let meta = file.metadata()?;
        // A file system without owners and modes has those that it has.
        if (meta.uid(), meta.gid()) != (like.uid(), like.gid()) {
            fchown(&file, Some(like.uid()), Some(like.gid()))?;
        }
        if meta.mode() != like.mode() {
            file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
        }
        file.write_all(bytes)?;
        file.sync_all()
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.map(|()| draft)
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("soundpost.ini");
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("its mode");
        (folder, path)
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn the_old_one_stays_beside_it_and_its_mode_is_kept() {
        let (folder, path) = file();
        let link = folder.path().join("link.ini");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        assert_eq!(trouble(&link), None);
        replace(&link, b"old", b"new").expect("replaced");
        assert_eq!((text(&path), text(&backup(&link))), ("new".into(), "old".into()));
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        for path in [&path, &backup(&path)] {
            assert_eq!(fs::metadata(path).expect("there").mode() & 0o777, 0o640, "{}", path.display());
        }
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 3, "no draft is left");
    }

    /// Wherever it is cut off, the file is whole, and the next time it is replaced.
    #[test]
    fn a_cut_leaves_one_of_both() {
        for (cut, want) in [
            (Step::WriteBackup, "old"),
            (Step::RenameBackup, "old"),
            (Step::Write, "old"),
            (Step::Rename, "old"),
            (Step::SyncFolder, "new"),
        ] {
            let (_folder, path) = file();
            let mut fall = |step| if step == cut { Err(io::Error::other("the power is gone")) } else { Ok(()) };
            assert!(steps(&path, b"old", b"new", &mut fall).is_err());
            assert_eq!(text(&path), want, "{cut:?}");
            let now = text(&path);
            replace(&path, now.as_bytes(), b"newer").expect("replaced");
            assert_eq!((text(&path), text(&backup(&path))), ("newer".into(), now), "{cut:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let (folder, path) = file();
        assert!(trouble(&folder.path().join("absent.ini")).is_some_and(|why| why.contains("absent.ini")));
        assert!(replace(&folder.path().join("absent.ini"), b"", b"x").is_err());
        fs::create_dir(folder.path().join("soundpost.ini.new")).expect("in the way");
        assert!(replace(&path, b"old", b"new").is_err());
        assert_eq!(text(&path), "old");
    }
}
