//! `soundpost verify`: is everything in a folder of recordings as it was written, and does it hang together?
//!
//! Every file is checked by its own means (FLAC: CRC of each frame, MD5 of all samples; WAV: its lengths; streams: that their units follow each other), then against its
//! sidecar, then against its neighbours of the same run; what is missing must stand in gaps.csv. Nothing is changed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::account::{self, Neighbour, hole};
use super::{Exit, put, say};
use crate::actor::store::{MARK, Places, places_of};
use crate::device::disk::{RealDisk, RealFile, real_path};
use crate::format::reduced;
use crate::format::sidecar::{self, Sidecar};
use crate::format::{Broken, Flaw, Md5, Verified, flac, stream, wav};
use crate::message::{Cause, Container, Identity};

/// What was found, counted.
#[derive(Default)]
struct Findings {
    sound: u32,
    broken: u32,
    unfinished: u32,
    /// Frames that the sidecars say are missing, inside files and between them.
    lost_frames: u64,
    /// Of them, those that no gaps.csv tells of.
    unaccounted: u64,
    overlaps: u32,
    runs: Runs,
}

/// By output folder, source and session.
type Runs = BTreeMap<(PathBuf, String, String), Vec<Neighbour>>;

pub fn run(folder: &Path) -> Exit {
    if !folder.is_dir() {
        say(format_args!("{}: not a folder of recordings", folder.display()));
        return Exit::Usage;
    }
    let folder = real_path(folder);
    // It may be a part of an output folder, as the day of a pattern is.
    let above = folder.ancestors().find_map(marked).unwrap_or_else(|| Places::new(folder.clone(), None));
    let mut files = Vec::new();
    let mut roots = vec![above];
    if let Err(e) = walk(&folder, 0, &mut roots, &mut files) {
        say(format_args!("{}: cannot be listed: {e}", folder.display()));
        return Exit::Failed;
    }
    files.sort();
    let mut findings = Findings::default();
    for (path, root) in &files {
        let Some(places) = roots.get(*root) else { continue };
        let name = path.strip_prefix(&folder).unwrap_or(path).display().to_string();
        let line = if path.extension().is_some_and(|e| e == "part") {
            findings.unfinished += 1;
            if let Some(identity) = identity(places, path) {
                findings.note(places, neighbour(&identity, None, name.clone()), &identity.source, &identity.session);
            }
            format!("unfinished  {name}: being recorded, or to be repaired")
        } else {
            check(places, path, &name, &mut findings)
        };
        if !put(line) {
            return Exit::Failed;
        }
    }
    let runs = std::mem::take(&mut findings.runs);
    for places in &roots {
        note_begun(places, &places.analyses);
        let lines = account::read(&places.root);
        for ((_, source, session), neighbours) in runs.iter().filter(|((root, ..), _)| *root == places.root) {
            compare(source, session, neighbours, lines.get(source).map_or(&[], Vec::as_slice), &mut findings);
        }
    }
    let Findings { sound, broken, unfinished, lost_frames, unaccounted, overlaps, .. } = findings;
    put(format_args!("{sound} sound, {broken} broken, {unfinished} unfinished; {lost_frames} frames lost, {overlaps} overlaps"));
    if broken == 0 && overlaps == 0 && unaccounted == 0 { Exit::Done } else { Exit::Failed }
}

impl Findings {
    fn note(&mut self, places: &Places, neighbour: Neighbour, source: &str, session: &str) {
        let run = self.runs.entry((places.root.clone(), source.to_owned(), session.to_owned())).or_default();
        let at = run.partition_point(|other| other.first_frame <= neighbour.first_frame);
        run.insert(at, neighbour);
    }
}

/// One line for one recording.
fn check(places: &Places, path: &Path, name: &str, findings: &mut Findings) -> String {
    let sidecar = path.strip_prefix(&places.root).ok().and_then(|below| read_sidecar(&places.sidecar(below)));
    if let Some(sidecar) = sidecar.as_ref().filter(|sidecar| !sidecar.is_begun()) {
        // What was reduced stands in its run as it was.
        let (frames, lost) =
            reduced::fact(sidecar).map_or((sidecar.frames, sidecar.lost_frames), |fact| (fact.of.frames, fact.of.lost_frames));
        let corrected = sidecar.recorded_as.map_or(0, |first| sidecar.start.since(first));
        let neighbour = Neighbour {
            first_frame: sidecar.first_frame,
            length: Some(frames.saturating_add(lost)),
            lost,
            start: sidecar.start,
            end: sidecar.end,
            corrected_ns: corrected,
            name: name.to_owned(),
            pauses: sidecar.end_reason == Cause::Trigger.name(),
        };
        if sidecar.end_reason != reduced::SECTION {
            findings.lost_frames = findings.lost_frames.saturating_add(lost);
        }
        findings.note(places, neighbour, &sidecar.source, &sidecar.session);
    }
    let verified = match verify(path) {
        Ok(verified) => verified,
        Err(broken) => {
            findings.broken += 1;
            return format!("broken      {name}: {} after {} frames", broken.what, broken.frames);
        }
    };
    let sum = match verified.md5 {
        Md5::Match => "MD5 right",
        Md5::Absent => "no MD5",
        Md5::Mismatch => {
            findings.broken += 1;
            return format!("broken      {name}: its samples are not those of its MD5");
        }
    };
    let frames = verified.frames;
    let Some(sidecar) = sidecar else {
        findings.sound += 1;
        if let Some(identity) = identity(places, path) {
            findings.note(places, neighbour(&identity, Some(frames), name.to_owned()), &identity.source, &identity.session);
        }
        return format!("sound       {name}: {frames} frames, {sum}, no sidecar");
    };
    if sidecar.is_begun() {
        findings.sound += 1;
        return format!("sound       {name}: {frames} frames, {sum}, its sidecar was never finished");
    }
    // Without the sound before it the first packet of a Vorbis or Opus file yields less than it lasts.
    let overlap = match sidecar.codec.as_deref() {
        Some("vorbis") => 4_096,
        Some("opus") => 120,
        _ => 0,
    };
    if frames > sidecar.frames || frames < sidecar.frames.saturating_sub(overlap) {
        findings.broken += 1;
        return format!("broken      {name}: {frames} frames, its sidecar says {}", sidecar.frames);
    }
    findings.sound += 1;
    let lost = if sidecar.lost_frames > 0 { format!(", {} lost", sidecar.lost_frames) } else { String::new() };
    let recovered = if sidecar.recovered { ", recovered" } else { "" };
    format!("sound       {name}: {frames} frames, {sum}{lost}{recovered}")
}

/// By its own header, when there is no sidecar.
fn neighbour(identity: &Identity, frames: Option<u64>, name: String) -> Neighbour {
    let end = sidecar::end(identity, frames.unwrap_or(0), 0);
    let (first_frame, start) = (identity.first_frame, identity.start);
    Neighbour { first_frame, length: frames, lost: 0, start, end, corrected_ns: 0, name, pauses: false }
}

/// The files of one run must abut; what is missing between them is said, and must stand in gaps.csv.
fn compare(source: &str, session: &str, neighbours: &[Neighbour], lines: &[(crate::time::Wall, u64)], findings: &mut Findings) {
    for pair in neighbours.windows(2) {
        let [file, next] = pair else { continue };
        let (name, following) = (&file.name, &next.name);
        let missing = hole(file, next);
        let end = file.first_frame.saturating_add(file.length.unwrap_or(0));
        if missing > 0 {
            findings.lost_frames = findings.lost_frames.saturating_add(missing);
            put(format_args!("gap         {source}, run {session}: {missing} frames between {name} and {following}"));
        } else if next.first_frame < end {
            findings.overlaps += 1;
            let both = end - next.first_frame;
            put(format_args!("overlap     {source}, run {session}: {both} frames are in {name} and in {following}"));
        }
    }
    let unaccounted = account::unaccounted(neighbours, lines);
    if unaccounted > 0 {
        findings.unaccounted = findings.unaccounted.saturating_add(unaccounted);
        put(format_args!(
            "unaccounted {source}, run {session}: {unaccounted} frames are missing, and gaps.csv does not tell of them"
        ));
    }
}

fn verify(path: &Path) -> Result<Verified, Broken> {
    let unreadable = |e| Broken { frames: 0, what: Flaw::Io(e) };
    if path.extension().is_some_and(|e| e == "flac") {
        let file = File::open(path).map_err(unreadable)?;
        return flac::verify(BufReader::with_capacity(1 << 16, file));
    }
    match container(path) {
        Some(container @ (Container::Mp3 | Container::Aac | Container::Ogg | Container::Opus)) => {
            let file = File::open(path).map_err(unreadable)?;
            stream::mend::verify(container, BufReader::with_capacity(1 << 16, file))
        }
        Some(Container::Wav | Container::Flac) | None => wav::verify(&RealDisk.open_to_read(path).map_err(unreadable)?),
    }
}

fn container(path: &Path) -> Option<Container> {
    Container::of_extension(path.extension()?.to_str()?)
}

fn read_sidecar(path: &Path) -> Option<Sidecar> {
    Sidecar::read(&fs::read(path).ok()?).ok()
}

/// Who and when, as the header of an own recording tells, or what was written beside a stream at its start.
fn identity(places: &Places, path: &Path) -> Option<Identity> {
    let name = if path.extension()? == "part" { path.with_extension("") } else { path.to_path_buf() };
    if !matches!(container(&name)?, Container::Wav | Container::Flac) {
        // Its bytes name nobody.
        let below = name.strip_prefix(&places.root).ok()?;
        return read_sidecar(&places.sidecar(below))?.stream_identity();
    }
    let file: RealFile = RealDisk.open_to_read(path).ok()?;
    match path.with_extension("").extension().or(path.extension())?.to_str()? {
        "flac" => flac::parse(&file).ok()?.identity,
        _ => wav::parse(&file).ok()?.identity,
    }
}

/// Sidecars that were begun with a recording which is not there: a power cut took it before it was kept.
fn note_begun(places: &Places, folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            note_begun(places, &path);
            continue;
        }
        let below = path.strip_prefix(&places.analyses).ok().and_then(Path::to_str);
        let Some(name) = below.and_then(|below| below.strip_suffix(".analysis.json")) else { continue };
        let file = places.root.join(name);
        let part = places.root.join(format!("{name}.part"));
        if file.exists() || part.exists() || matches!(container(&file), None | Some(Container::Wav | Container::Flac)) {
            continue;
        }
        if read_sidecar(&path).is_some_and(|sidecar| sidecar.is_begun()) {
            put(format_args!("note        {name}: was begun, and nothing of it was kept"));
        }
    }
}

/// An output folder of ours.
fn marked(folder: &Path) -> Option<Places> {
    let mark = fs::read(folder.join(MARK)).ok()?;
    Some(places_of(folder.to_path_buf(), &mark))
}

/// Recordings, finished or not, links not followed, each with its output folder: the nearest above that has a mark.
fn walk(folder: &Path, root: usize, roots: &mut Vec<Places>, files: &mut Vec<(PathBuf, usize)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            let root = match marked(&path) {
                Some(places) => {
                    roots.push(places);
                    roots.len() - 1
                }
                None => root,
            };
            walk(&path, root, roots, files)?;
        } else if kind.is_file() && is_recording(&path) {
            files.push((path, root));
        }
    }
    Ok(())
}

fn is_recording(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let name = name.strip_suffix(".part").unwrap_or(name);
    container(Path::new(name)).is_some()
}
