//! Power cuts: a session is played, the power goes before each operation of the disk in every way, and what the next start makes
//! of it is checked against what was sent.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use soundpost::device::disk::{Crash, Failure, MemoryDisk, Trouble};
use soundpost::message::{Cause, Container};

use super::{Family, Found, Key, Rig, SECOND, SYNC_SECONDS, boot, dotted, is_sound, recordings};

/// A session of lanes, in words. One word a step: `o0:name` open a WAV on lane 0, `O1:name` a FLAC, `d` a second of
/// sound on every lane, `b1:7` seven frames on lane 1, `p0:name` / `P0:name` prepare, `s0:name` / `S0:name` split into a new file,
/// `g0:9` nine frames lost, `c0` close, `a0:5:9` the file of nine frames that began with frame 5 is analysed, `r0:name` the lane is started anew without a close, `n0:run2` a new run, `w` a second of quiet.
pub fn play(
    family: Family,
    disk: &MemoryDisk,
    roots: &[&str],
    script: &str,
    each_second: &mut dyn FnMut(&mut Rig, usize),
) -> Rig {
    let mut rig = Rig::new(disk, family, roots);
    let mut seconds = 0;
    for word in script.split_whitespace() {
        let lane = || usize::from(word.as_bytes()[1] - b'0');
        let name = word.split_once(':').map_or("", |(_, name)| name);
        let container = family.containers[usize::from(word.as_bytes()[0].is_ascii_uppercase())];
        match word.as_bytes()[0].to_ascii_lowercase() {
            b'o' => rig.open(lane(), container, name),
            // An encoder that was started anew: it has lost half a second, and knows of no old file.
            b'r' => {
                rig.lanes[lane()].frame += u64::from(rig.lanes[lane()].format.rate.hz() / 2);
                rig.open(lane(), container, name);
            }
            b'p' => rig.prepare(lane(), container, name),
            b's' => {
                rig.close(lane(), Cause::Split);
                rig.open(lane(), container, name);
            }
            b'g' => rig.gap(lane(), name.parse().expect("frames")),
            b'b' => rig.data(lane(), name.parse().expect("frames")),
            b'c' => rig.close(lane(), Cause::Shutdown),
            b'a' => {
                let (first, frames) = name.split_once(':').expect("two numbers");
                rig.analysed(lane(), first.parse().expect("a frame"), frames.parse().expect("frames"));
            }
            b'n' => rig.run(lane(), name),
            b'f' => {
                let from = disk.operations() + 20;
                disk.trouble(Trouble { from, until: from + 12, below: name.into(), what: Failure::SyncIo });
            }
            b'd' => {
                for _ in 0..family.pieces {
                    for lane in 0..rig.lanes.len() {
                        let hz = u64::from(rig.lanes[lane].format.rate.hz());
                        rig.data(lane, hz / family.pieces);
                    }
                    rig.pass(SECOND / family.pieces as i64);
                }
                seconds += 1;
                each_second(&mut rig, seconds);
            }
            _ => rig.pass(SECOND),
        }
        rig.pass(SECOND / 100);
    }
    rig
}

/// What the kernel said it could not keep may be lost, and is then not held against the store.
fn may_lose_more(script: &str, path: &std::path::Path) -> bool {
    script.starts_with("f:") && path.starts_with("/r")
}

/// A session that was played, with what every start after it is measured against.
struct Played<'a> {
    family: Family,
    rig: Rig,
    want: BTreeMap<Key, Vec<u8>>,
    roots: &'a [&'a str],
    /// Folders whose disk kept what it said it kept. Of others anything may be lost; what was said is in the log.
    honest: Vec<&'a str>,
}

/// What one start made of a disk, whenever the power went.
#[derive(Default)]
struct Outcome {
    /// Frames of each recording that are as they were sent.
    kept: BTreeMap<Key, u64>,
    /// Recordings of which nothing told whose they are.
    guessed: Vec<PathBuf>,
    files: Hashes,
    recovered: u64,
    rests: u64,
}

type Hashes = BTreeMap<PathBuf, u64>;

impl Played<'_> {
    /// Every recording is whole and holds nothing but what was sent.
    fn check(&self, after: &MemoryDisk, left: &MemoryDisk) -> Result<Outcome, String> {
        let now: Files = self.roots.iter().flat_map(|root| after.files(root)).collect();
        let before: Files = self.roots.iter().flat_map(|root| left.files(root)).collect();
        let files = now.iter().map(|(path, bytes)| (path.clone(), hash(bytes))).collect();
        let mut outcome = Outcome { files, ..Outcome::default() };
        let mut found = recordings(after, self.family, &self.honest)?;
        // Two runs of a source begin with the same sound: those whose names are known come first.
        found.sort_by_key(|file| file.key.1.starts_with("recovered-"));
        for mut file in found {
            if file.key.1.starts_with("recovered-") {
                outcome.guessed.push(file.path.clone());
                // Its sound tells what is asked here.
                let is_it = |(key, want): &(&Key, &Vec<u8>)| want.starts_with(&file.pcm) && !outcome.kept.contains_key(*key);
                let key = self.want.iter().find(is_it).map(|(key, _)| key.clone());
                file.key = key.ok_or_else(|| format!("{}: never sent", file.path.display()))?;
            }
            outcome.recovered += u64::from(file.sidecar.recovered);
            outcome.rests += u64::from(check_rest(&file.path, &now, &before)?);
            let want = self.want.get(&file.key).ok_or_else(|| format!("{:?} was never recorded", file.key))?;
            let right = self.check_file(&file, want)?;
            if outcome.kept.insert(file.key.clone(), right).is_some() {
                return Err(format!("{:?} is there twice", file.key));
            }
        }
        Ok(outcome)
    }

    /// What was finished at the moment of the cut is as it was, and little of the rest is gone: the longest loss in seconds.
    fn judge(&self, outcome: &Outcome, finished: &Hashes, safe: &HashSet<PathBuf>, mark: u64) -> Result<f64, String> {
        if let Some((path, _)) = finished.iter().find(|(path, hash)| outcome.files.get(*path) != Some(*hash)) {
            return Err(format!("{} was finished and has changed", path.display()));
        }
        if let Some(path) = outcome.guessed.iter().find(|path| safe.contains(*path)) {
            return Err(format!("{}: its sound was synced, and nobody knows whose it is", path.display()));
        }
        let mut most_lost_s = 0_f64;
        for (key, sent) in &self.rig.sent {
            let root = self.roots[usize::from(key.0.as_bytes()[3] - b'0')];
            if !self.honest.contains(&root) {
                continue;
            }
            let (kept, there) = (outcome.kept.get(key).copied().unwrap_or(0), sent.frames_at(mark));
            let lost_s = there.saturating_sub(kept) as f64 / f64::from(sent.format.rate.hz());
            most_lost_s = most_lost_s.max(lost_s);
            if lost_s > f64::from(SYNC_SECONDS + 1) {
                return Err(format!("{key:?}: {kept} of {there} frames are left"));
            }
        }
        Ok(most_lost_s)
    }

    /// The recordings that a power cut may not touch any more.
    fn finished(&self, moment: &MemoryDisk) -> Hashes {
        let files = self.honest.iter().flat_map(|root| moment.durable_files(root));
        let files = files.filter(|(path, _)| path.extension().and_then(|e| Container::of_extension(e.to_str()?)).is_some());
        files.map(|(path, bytes)| (path, hash(&bytes))).collect()
    }

    /// Growing recordings of which sound is on disk already, by their final path.
    fn safe(&self, moment: &MemoryDisk) -> HashSet<PathBuf> {
        let files = self.honest.iter().flat_map(|root| moment.durable_files(root));
        let parts = files.filter(|(path, bytes)| path.extension().is_some_and(|e| e == "part") && bytes.len() > 12);
        parts.map(|(path, _)| path.with_extension("")).collect()
    }

    /// Frames from its start that are as they were sent.
    fn check_file(&self, file: &Found, want: &[u8]) -> Result<u64, String> {
        let (path, frame_bytes) = (file.path.display(), file.format.frame_bytes());
        let sent = &self.rig.sent[&file.key];
        if file.format != sent.format {
            return Err(format!("{path}: {:?}", file.format));
        }
        let right = file.pcm.iter().zip(want).take_while(|(is, want)| is == want).count() / frame_bytes;
        let frames = file.pcm.len() / frame_bytes;
        let sure = file.sidecar.sure_frames.map_or(frames, |sure| sure as usize);
        if right < sure {
            return Err(format!("{path}: {sure} of {frames} frames are vouched for, {right} are right"));
        }
        let is_closed = sent.closed.is_some() && !file.sidecar.recovered;
        if is_closed && file.pcm.len() != want.len() {
            return Err(format!("{path} was closed and has {frames} frames"));
        }
        // Past what is sure a WAV may have holes; nothing else may ever stand there.
        let hole = file.pcm[right * frame_bytes..].iter().zip(&want[(right * frame_bytes).min(want.len())..]);
        if file.pcm.len() > want.len() || hole.into_iter().any(|(is, want)| is != want && *is != 0) {
            return Err(format!("{path}: holds what was never sent"));
        }
        if sent.container != Container::Wav && right < frames {
            return Err(format!("{path}: a frame is wrong"));
        }
        Ok(right as u64)
    }
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What was cut off stands beside the recording, if sound was in it; true if so.
fn check_rest(path: &Path, now: &Files, before: &Files) -> Result<bool, String> {
    let rest = now.get(&dotted(path, "rest"));
    // Another one's part may have had this name before it got a suffix; then it is not there now, and has no rest.
    let Some(part) = before.get(&dotted(path, "part")).filter(|_| !before.contains_key(path)) else {
        return if rest.is_none() { Ok(false) } else { Err(format!("{}: a rest of nothing", path.display())) };
    };
    let cut = part.get(now[path].len()..).unwrap_or_default();
    if rest.is_some_and(|rest| rest != cut) {
        return Err(format!("{}: its rest is not what was cut off", path.display()));
    }
    let is_flac = path.extension().is_some_and(|e| e == "flac");
    if is_flac && rest.is_none() && (0..cut.len()).any(|at| is_sound(&cut[at..])) {
        return Err(format!("{}: sound was thrown away", path.display()));
    }
    Ok(rest.is_some())
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// At most `ordered` of those that keep the order of writes, and so many that do not.
pub fn crashes(moment: &MemoryDisk, seed: u64, ordered: usize, scattered: u64) -> Vec<Crash> {
    let n = moment.unsynced();
    let step = (2 * n).div_ceil(ordered.max(1)).max(1);
    let in_order = (1..n).map(Crash::Prefix).chain((0..n).map(Crash::Torn));
    let mut all = vec![Crash::Lost, Crash::Applied];
    all.extend(in_order.skip(seed as usize % step).step_by(step));
    all.extend((0..scattered).map(|k| Crash::Scattered(seed.wrapping_mul(scattered) + k)));
    all
}

pub fn without_mark(disk: &MemoryDisk, roots: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let files = roots.iter().flat_map(|root| disk.files(root));
    files.filter(|(path, _)| !path.ends_with(".soundpost") && !path.to_string_lossy().ends_with(".tmp")).collect()
}

/// Another start on this disk makes the same of it.
pub fn boot_and_compare(disk: &MemoryDisk, family: Family, roots: &[&str], want: &MemoryDisk) -> Result<(), String> {
    boot(disk, family, roots);
    let (is, want) = (without_mark(disk, roots), without_mark(want, roots));
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>();
    match is.iter().zip(&want).find(|(is, want)| is != want) {
        _ if names(&is) != names(&want) => Err(format!("{:?} and not {:?}", names(&is), names(&want))),
        Some((file, _)) => Err(format!("{} has other bytes", file.0.display())),
        None => Ok(()),
    }
}

/// How thoroughly the power is cut.
pub struct Trial {
    pub family: Family,
    /// Per operation.
    pub ordered: usize,
    pub scattered: u64,
    /// Of so many repairs one is cut too and begun anew.
    pub recut_every: u64,
    /// Of so many disks one of its recordings is handed out.
    pub sample_every: u64,
}

#[derive(Default)]
pub struct Figures {
    pub points: u64,
    pub operations: u64,
    /// Different disks that were left.
    pub images: HashSet<u64>,
    pub recovered: u64,
    pub rests: u64,
    pub recuts: u64,
    pub most_lost_s: f64,
    pub samples: Vec<(Container, Vec<u8>)>,
}

impl Figures {
    pub fn add(&mut self, other: Figures) {
        self.points += other.points;
        self.operations += other.operations;
        self.images.extend(other.images);
        self.recovered += other.recovered;
        self.rests += other.rests;
        self.recuts += other.recuts;
        self.most_lost_s = self.most_lost_s.max(other.most_lost_s);
        self.samples.extend(other.samples);
    }
}

/// Plays the session and cuts the power at every operation of it.
pub fn cut_session(trial: &Trial, roots: &[&str], script: &str) -> Figures {
    let family = trial.family;
    let disk = MemoryDisk::new(roots);
    disk.remember();
    let rig = play(family, &disk, roots, script, &mut |_, _| {});
    let want = rig.sent.iter().map(|(key, sent)| (key.clone(), sent.pcm(&key.0))).collect();
    let honest = roots.iter().copied().filter(|root| !may_lose_more(script, root.as_ref())).collect();
    let played = Played { family, rig, want, roots, honest };
    let mut figures = Figures { operations: disk.operations(), ..Figures::default() };
    // The same disk may be left at different moments; what must have survived differs, the repair does not.
    let mut outcomes: HashMap<u64, Outcome> = HashMap::new();
    for (mark, moment) in disk.remembered() {
        let (finished, safe) = (played.finished(&moment), played.safe(&moment));
        for crash in crashes(&moment, figures.points, trial.ordered, trial.scattered) {
            figures.points += 1;
            let told = |e: String| -> ! { panic!("{script}\nmark {mark}, operation {}, {crash:?}: {e}", moment.operations()) };
            let left = moment.crash(crash);
            let image = hash(&left.files("/"));
            let outcome = outcomes
                .entry(image)
                .or_insert_with(|| cut_once(trial, &played, &moment, crash, &mut figures).unwrap_or_else(|e| told(e)));
            let lost_s = played.judge(outcome, &finished, &safe, mark).unwrap_or_else(|e| told(e));
            figures.most_lost_s = figures.most_lost_s.max(lost_s);
        }
    }
    figures.images = outcomes.into_keys().collect();
    figures
}

/// A start on a disk that none was made on yet.
fn cut_once(trial: &Trial, played: &Played, moment: &MemoryDisk, crash: Crash, figures: &mut Figures) -> Result<Outcome, String> {
    let (left, after) = (moment.crash(crash), moment.crash(crash));
    boot(&after, trial.family, played.roots);
    let outcome = played.check(&after, &left)?;
    figures.recovered += outcome.recovered;
    figures.rests += outcome.rests;
    if figures.points % trial.sample_every == 0 {
        figures.samples.extend(sample(&after, played.roots, figures.points));
    }
    if figures.points % trial.recut_every == 0 {
        figures.recuts += 1;
        recut(trial, &left, &after, played.roots, figures.points)?;
    }
    Ok(outcome)
}

/// The repair is cut at one place of many and begun anew, and then once more without need.
fn recut(trial: &Trial, left: &MemoryDisk, want: &MemoryDisk, roots: &[&str], seed: u64) -> Result<(), String> {
    left.remember();
    boot(left, trial.family, roots);
    let moments = left.remembered();
    let place = (seed as usize * 7) % moments.len();
    let half = &moments[place].1;
    let kinds = crashes(half, seed, usize::MAX, 4);
    let crash = kinds[(seed as usize * 13) % kinds.len()];
    let half = half.crash(crash);
    for again in ["begun anew", "done twice"] {
        boot_and_compare(&half, trial.family, roots, want)
            .map_err(|e| format!("repair cut at {place}, {crash:?}, {again}: {e}"))?;
    }
    Ok(())
}

fn sample(disk: &MemoryDisk, roots: &[&str], seed: u64) -> Option<(Container, Vec<u8>)> {
    let container = |path: &Path| match path.extension()?.to_str()? {
        "wav" => Some(Container::Wav),
        "flac" => Some(Container::Flac),
        _ => None,
    };
    let files = roots.iter().flat_map(|root| disk.files(root));
    let files: Vec<_> = files.filter_map(|(path, bytes)| Some((container(&path)?, bytes))).collect();
    files.get(seed as usize % files.len().max(1)).cloned()
}
