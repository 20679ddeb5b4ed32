//! `soundpost cut` and `soundpost clip` by the clock: over all recordings of a source in a folder.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::piece::{Failure, Piece, write};
use super::rebuild::Headers;
use super::{Exit, say};
use crate::actor::librarian::{Librarian, Settings, Shared};
use crate::actor::store::{MARK, parse_gap_line, places_of};
use crate::device::catalogue::Reader;
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::real_path;
use crate::device::scratch::Scratch;
use crate::format::Flaw;
use crate::format::civil::utc_text;
use crate::message::library::{FileRow, GapRow, Trouble, Wish};
use crate::policy::split::Zone;
use crate::time::{SECOND_NS, Wall};
use crate::web::route::{CLIP_MAX_NS, instant};
use crate::wiring::library::folder::Folder;
use crate::wiring::library::stretch;

/// What was found of a range.
struct Range {
    folder: Folder,
    rows: Vec<FileRow>,
    source: String,
    from: Wall,
    to: Wall,
}

/// A file for each stretch without a hole: the second one gets `-2` to its name, and so on.
pub fn cut(piece: &Piece) -> Result<String, Failure> {
    let Range { folder, rows, source, from, to } = range(piece)?;
    let wrong = |trouble| failed(&piece.file, trouble);
    let stretches = folder.stretches(rows, from, to).map_err(wrong)?;
    if stretches.is_empty() {
        return Err(nothing(&piece.file));
    }
    let mut done = Vec::new();
    for (n, stretch) in stretches.iter().enumerate() {
        let path = numbered(&piece.output, n + 1);
        write(&path, |out| stretch.write(&mut |bytes| out.write_all(bytes)))?;
        let (from, to) = (utc_text(stretch.from), utc_text(stretch.to));
        done.push(format!("{}: {from} to {to}, {} bytes", path.display(), stretch.bytes()));
    }
    tell(&stretch::gaps(&stretches, &source));
    Ok(done.join("\n"))
}

/// One WAV as long as the range; what is missing is silence.
pub fn clip(piece: &Piece, source_rate: bool) -> Result<String, Failure> {
    let Range { folder, rows, source, from, to } = range(piece)?;
    if to.since(from) > CLIP_MAX_NS as i64 {
        let most = CLIP_MAX_NS / (60 * SECOND_NS as u64);
        return Err((Exit::Usage, format!("a clip has {most} minutes at most; cut has no such limit")));
    }
    let clip = folder.clip(rows, &source, (from, to), source_rate).map_err(|trouble| failed(&piece.file, trouble))?;
    let mut clip = clip.ok_or_else(|| nothing(&piece.file))?;
    write(&piece.output, |out| io::copy(&mut clip.body, out).map(|_| ()).map_err(Flaw::from))?;
    tell(&clip.gaps);
    Ok(format!("{}: {} to {}, {} bytes", piece.output.display(), utc_text(from), utc_text(to), clip.len))
}

fn tell(gaps: &[GapRow]) {
    for gap in gaps {
        say(format_args!("not in it: {} to {}, {}", utc_text(gap.start), utc_text(gap.end), gap.reason));
    }
}

fn nothing(folder: &Path) -> Failure {
    (Exit::Failed, format!("{}: nothing was recorded in this range", folder.display()))
}

fn failed(folder: &Path, trouble: Trouble) -> Failure {
    let why = match trouble {
        Trouble::Unclear(why) | Trouble::Failed(why) => why,
        Trouble::Absent => "a recording has just gone".to_owned(),
        other => format!("{other:?}"),
    };
    (Exit::Failed, format!("{}: {why}", folder.display()))
}

/// `a.flac`, `a-2.flac`, `a-3.flac` …
fn numbered(path: &Path, n: usize) -> PathBuf {
    if n == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{n}{extension}"))
}

fn range(piece: &Piece) -> Result<Range, Failure> {
    let zone = Zone::system();
    let time = |text: &Option<String>, key: &str| {
        let text = text.as_deref().ok_or_else(|| (Exit::Usage, format!("a folder needs --{key}")))?;
        let no_time = || (Exit::Usage, format!("'{text}' is no time of a day: want 2026-05-22T04:12:31 or …Z"));
        instant(text, &zone).ok_or_else(no_time)
    };
    let (from, to) = (time(&piece.from, "from")?, time(&piece.to, "to")?);
    if to <= from {
        return Err((Exit::Usage, "--to must be later than --from".into()));
    }
    let root = real_path(&piece.file);
    let mark = fs::read(root.join(MARK)).unwrap_or_default();
    let analyses = piece.analyses_dir.as_deref().map_or_else(|| places_of(root.clone(), &mark).analyses, real_path);
    let folder = Folder { root, analyses };
    let wrong = |why: String| (Exit::Failed, format!("{}: {why}", piece.file.display()));
    let rows = rows(&folder, zone, piece.source.as_deref(), from, to).map_err(wrong)?;
    let mut sources: Vec<&str> = rows.iter().map(|row| row.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    if let [_, _, ..] = sources[..] {
        let names: Vec<_> = sources.into_iter().filter(|name| !name.is_empty()).collect();
        return Err((Exit::Usage, format!("several sources recorded then: choose one by --source ({})", names.join(", "))));
    }
    let source = sources.first().map_or_else(String::new, |source| (*source).to_owned());
    Ok(Range { folder, rows, source, from, to })
}

/// By a catalogue of its own: one that lies in the folder may be old, and is not ours to renew.
fn rows(folder: &Folder, zone: Zone, source: Option<&str>, from: Wall, to: Wall) -> Result<Vec<FileRow>, String> {
    let scratch = Scratch::new().map_err(|e| format!("no room for a catalogue: {e}"))?;
    let catalogue = scratch.path().join("catalogue.db");
    let settings = Settings {
        root: folder.root.clone(),
        analyses: folder.analyses.clone(),
        catalogue: catalogue.clone(),
        read_only: true,
        scan_every: std::time::Duration::MAX,
        zone,
        software: String::new(),
        parse_gap: parse_gap_line,
        turns: Arc::default(),
        retention: None,
        targets: Vec::new(),
    };
    let shared = Arc::new(Shared::default());
    let mut librarian = Librarian::open(settings, Box::new(Headers), shared.clone()).map_err(|e| e.to_string())?;
    let (_nobody, inbox) = async_channel::bounded(1);
    let unread = |trouble| format!("it cannot be looked through: {trouble:?}");
    librarian.answer(Wish::Scan, &inbox, &|| RealClock.look().wall).map_err(unread)?;
    Reader::new(&catalogue, shared.doubt.clone()).between(source, from, to).map_err(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_numbered_before_the_extension() {
        let names = |path: &str| [1, 2, 11].map(|n| numbered(Path::new(path), n).display().to_string());
        assert_eq!(names("x/a.flac"), ["x/a.flac", "x/a-2.flac", "x/a-11.flac"]);
        assert_eq!(names("a"), ["a", "a-2", "a-11"]);
    }
}
