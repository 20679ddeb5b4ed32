//! Who a stream's recording is while it grows: MP3, AAC and Ogg are kept as they come, and their bytes name nobody.
//!
//! So the sidecar stands beside such a file from its start, with what is known then and the end reason `recording`. It costs no
//! sync of its own when the file is opened, and is on disk before the first sound of the file is. The close puts the
//! real one in its place; repair finds in it what a FLAC says in its header.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::closing::others;
use super::fresh::Fresh;
use super::lane::OpenFile;
use super::naming::{PART, Places, SIDECAR, dotted, known_extension};
use super::repair::{create_draft, folder};
use crate::device::disk::{Disk, DiskFile, Kind, read_small};
use crate::format::sidecar::{LIMIT_BYTES, Sidecar, Unread};
use crate::format::stream::{self, Framer, Framing, Step};
use crate::format::{ReadAt, fill_at};
use crate::message::{ClockState, Codec, Container, Format, Identity, NewFile};
use crate::time::{Rate, Wall};

/// Where the begun sidecar of an open file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The file's own header says who it is.
    Needless,
    /// Not there, or not to be relied on: it is written (again) before the file is synced.
    Missing,
    /// Written, and synced with the file.
    Written,
    Durable,
    /// Another program's or another recording's stands in its place.
    Barred,
}

impl Begun {
    pub fn of(new: &NewFile) -> Begun {
        let nameless = new.identity.format.codec().is_some() && is_nameless(new.container);
        if nameless { Begun::Missing } else { Begun::Needless }
    }
}

/// Files of this kind have no place for who they are.
pub const fn is_nameless(container: Container) -> bool {
    match container {
        Container::Wav | Container::Flac => false,
        Container::Mp3 | Container::Aac | Container::Ogg | Container::Opus => true,
    }
}

/// Writes the begun sidecar of a file that was just opened, without a sync. What the disk refuses is tried again at the first sync: a
/// recording does not wait for its sidecar.
pub fn begin<D: Disk>(disk: &D, places: &Places, fresh: &mut Fresh, open: &mut OpenFile<D::File>, software: &str) {
    if open.begun != Begun::Missing {
        return;
    }
    match write(disk, places, fresh, open, software) {
        Ok(begun) => open.begun = begun,
        Err(e) => log::debug!(target: "store", "{}: its sidecar is not begun yet: {e}", open.part.display()),
    }
}

fn write<D: Disk>(disk: &D, places: &Places, fresh: &mut Fresh, open: &OpenFile<D::File>, software: &str) -> io::Result<Begun> {
    let path = places.sidecar(&open.name);
    fresh.make(disk, folder(&path))?;
    if disk.kind(&path)?.is_some() {
        if let Some(whose) = others(disk, &path, &open.new.identity)? {
            log::warn!(target: "store", "{}: {whose}; it is kept, and {} has no sidecar", path.display(), open.name.display());
            return Ok(Begun::Barred);
        }
    }
    let (draft, file) = create_draft(disk, &path)?;
    let name = open.name.to_string_lossy().into_owned();
    file.write_at(0, &Sidecar::begun(name, &open.new.identity, software).write())?;
    disk.replace(&draft, &path)?;
    Ok(Begun::Written)
}

/// Before the first sync of the file: whatever is kept of its sound, it is known whose it is.
pub fn sync<D: Disk>(disk: &D, places: &Places, fresh: &mut Fresh, open: &mut OpenFile<D::File>, software: &str) {
    begin(disk, places, fresh, open, software);
    if open.begun != Begun::Written {
        return;
    }
    let path = places.sidecar(&open.name);
    let synced = disk.open(&path).and_then(|file| file.sync()).and_then(|()| fresh.sync_name(disk, &path));
    open.begun = match synced {
        Ok(()) => Begun::Durable,
        Err(e) => {
            log::warn!(target: "store", "{}: not kept by the disk: {e}; it is written again", path.display());
            Begun::Missing
        }
    };
}

/// Who a recording without a name of its own is, by the sidecar beside it.
pub fn identity<D: Disk>(disk: &D, places: &Places, name: &Path, container: Container) -> io::Result<Option<Identity>> {
    let read = read_beside(disk, places, name)?.and_then(Result::ok);
    let ours = read.filter(|sidecar| sidecar.file == name.to_string_lossy());
    let fits = |identity: &Identity| identity.format.codec().is_some_and(|codec| stream::container(codec) == container);
    Ok(ours.and_then(|sidecar| sidecar.stream_identity()).filter(fits))
}

fn read_beside<D: Disk>(disk: &D, places: &Places, name: &Path) -> io::Result<Option<Result<Sidecar, Unread>>> {
    match read_small(disk, &places.sidecar(name), LIMIT_BYTES) {
        Ok(bytes) => Ok(Some(Sidecar::read(&bytes))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        // Too large to be one of ours.
        Err(e) if e.kind() == io::ErrorKind::FileTooLarge => Ok(None),
        Err(e) => Err(e),
    }
}

/// The recording of this name came to nothing, or has another name now: what was begun beside it goes, and so does what a power
/// cut left of that.
pub fn forget<D: Disk>(disk: &D, places: &Places, name: &Path) -> io::Result<()> {
    let is_nameless = known_extension(name).and_then(Container::of_extension).is_some_and(is_nameless);
    let is_stub = match read_beside(disk, places, name)? {
        _ if !is_nameless => false,
        Some(Ok(sidecar)) => sidecar.is_begun() && sidecar.file == name.to_string_lossy(),
        Some(Err(Unread::Broken)) => true,
        Some(Err(Unread::Foreign)) | None => false,
    };
    if !is_stub {
        return Ok(());
    }
    let path = places.sidecar(name);
    disk.remove(&path)?;
    // Or it could come back when the folder was left in good order, and nobody looks any more.
    disk.sync_dir(folder(&path))
}

/// Of each pattern of names so many of the last ones are looked at when a recorder starts: what was open was the last.
pub const LAST: usize = 8;

/// Begun sidecars whose recording is not there, finished or not, go: the power went before the name of the recording was kept.
/// `last` of each pattern of names, or all.
pub fn sweep<D: Disk>(disk: &D, places: &Places, last: usize) -> io::Result<()> {
    if disk.kind(&places.analyses)?.is_none() {
        return Ok(());
    }
    let mut found: BTreeMap<Vec<u8>, Vec<PathBuf>> = BTreeMap::new();
    disk.list(&places.analyses, &mut |path, kind| {
        if let Some(name) = recording_of(places, path).filter(|_| kind == Kind::File) {
            let pattern = name.as_os_str().as_encoded_bytes().iter().copied().filter(|b| !b.is_ascii_digit()).collect();
            let names = found.entry(pattern).or_default();
            let at = names.partition_point(|other| *other < name);
            names.insert(at, name);
            if names.len() > last {
                names.remove(0);
            }
        }
        true
    })?;
    for name in found.into_values().flatten() {
        let file = places.root.join(&name);
        if disk.kind(&file)?.is_none() && disk.kind(&dotted(&file, PART))?.is_none() {
            forget(disk, places, &name)?;
        }
    }
    Ok(())
}

/// Below the root, the recording without a name of its own that this sidecar belongs to.
fn recording_of(places: &Places, sidecar: &Path) -> Option<PathBuf> {
    let text = sidecar.strip_prefix(&places.analyses).ok()?.to_str()?;
    let name = PathBuf::from(text.strip_suffix(SIDECAR)?.strip_suffix('.')?);
    known_extension(&name).and_then(Container::of_extension).filter(|container| is_nameless(*container))?;
    Some(name)
}

/// How much of a file is read to learn what it holds.
const LOOK_BYTES: usize = 512 << 10;

/// The begun sidecar is lost too: what can be told of the recording by its bytes, its name and its folder.
pub fn estimate(
    file: &dyn ReadAt,
    container: Container,
    name: &Path,
    frames: u64,
    source: Option<&str>,
    modified: Wall,
) -> Identity {
    let format = format_of(file, container);
    let start = modified.plus_ns(format.rate.ns_of(frames).saturating_neg());
    let digits = |c: char| c.is_ascii_digit() || "_- .T".contains(c);
    let pattern = name.file_stem().map(|stem| stem.to_string_lossy().trim_matches(digits).to_owned());
    let source = source.map(str::to_owned).or(pattern.filter(|text| !text.is_empty()));
    let session = format!("recovered-{}", start.0.div_euclid(1_000_000_000));
    Identity {
        source: source.as_deref().unwrap_or("unknown").into(),
        session: session.into(),
        first_frame: 0,
        start: Wall::from_micros(start.micros()),
        utc_offset_s: 0,
        clock: ClockState::Unsynced,
        format,
    }
}

fn format_of(file: &dyn ReadAt, container: Container) -> Format {
    let (framing, codec) = match container {
        Container::Aac => (Framing::Adts, Codec::Aac),
        Container::Ogg => (Framing::Ogg, Codec::Vorbis),
        Container::Opus => (Framing::Ogg, Codec::Opus),
        Container::Mp3 | Container::Wav | Container::Flac => (Framing::Mp3, Codec::Mp3),
    };
    let mut bytes = vec![0; LOOK_BYTES];
    let have = fill_at(file, 0, &mut bytes).unwrap_or(0);
    let mut rest = bytes.get(..have).unwrap_or_default();
    let mut framer = Framer::new(framing);
    while !rest.is_empty() {
        let passed = match framer.step(rest, true) {
            Step::More => break,
            Step::Skip { bytes, .. } | Step::Headers { bytes } => bytes,
            Step::Unit(unit) => {
                let known = framer.format().filter(|f| f.codec().is_some_and(|codec| stream::container(codec) == container));
                if let Some(format) = known {
                    return format;
                }
                unit.bytes
            }
        };
        rest = rest.get(passed.max(1)..).unwrap_or_default();
    }
    // Most streams have this rate; Opus has the other one always.
    let hz = if codec == Codec::Opus { 48_000 } else { 44_100 };
    Format::coded(codec, Rate::new(hz).unwrap_or(Rate::MIN), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::disk::MemoryDisk;

    fn put(disk: &MemoryDisk, path: &str, bytes: &[u8]) {
        let path = Path::new(path);
        disk.create_dirs(folder(path)).expect("made");
        disk.create(path).and_then(|file| file.write_at(0, bytes)).expect("written");
    }

    #[test]
    fn only_stubs_without_a_recording_are_swept() {
        let disk = MemoryDisk::new(&["/r"]);
        let places = Places::new("/r".into(), None);
        let identity = estimate(&Vec::new(), Container::Mp3, Path::new("a.mp3"), 0, Some("radio"), Wall(0));
        let begun = |name: &str| Sidecar::begun(name.into(), &identity, "x").write();
        let beside = |name: &str| format!("/r/analyses/{name}.analysis.json");
        for name in ["gone.mp3", "d/gone.opus", "grows.mp3", "there.aac", "wav.wav"] {
            put(&disk, &beside(name), &begun(name));
        }
        put(&disk, &beside("torn.ogg"), b"{");
        put(&disk, &beside("moved.ogg"), &begun("elsewhere.ogg"));
        put(&disk, &beside("isr.mp3"), b"{\"segments\": []}");
        let finished = Sidecar { end_reason: "split".into(), ..Sidecar::begun("done.mp3".into(), &identity, "x") };
        put(&disk, &beside("done.mp3"), &finished.write());
        put(&disk, "/r/grows.mp3.part", b"");
        put(&disk, "/r/there.aac", b"");
        sweep(&disk, &places, usize::MAX).expect("swept");
        let left = disk.files("/r/analyses").into_iter().map(|(path, _)| recording_name(&path));
        assert_eq!(left.collect::<Vec<_>>(), ["done.mp3", "grows.mp3", "isr.mp3", "moved.ogg", "there.aac", "wav.wav"]);
    }

    fn recording_name(path: &Path) -> String {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.trim_end_matches(".analysis.json").to_owned()
    }

    #[test]
    fn what_can_be_told_without_a_stub() {
        let check = |name: &str, source: Option<&str>, want: &str| {
            let identity = estimate(&vec![0; 9], Container::Opus, Path::new(name), 96_000, source, Wall(12_000_000_000));
            assert_eq!((&*identity.source, identity.start), (want, Wall(10_000_000_000)), "{name}");
            assert_eq!(&*identity.session, "recovered-10");
        };
        check("2025/fm4_20250601_120000.opus", Some("fm"), "fm");
        check("2025/fm4_20250601_120000.opus", None, "fm");
        check("20250601_120000.opus", None, "unknown");
        check("120000-radio-2.opus", None, "radio");
    }
}
