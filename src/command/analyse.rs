//! `soundpost analyse PATH…`: recordings of any kind, with every core there is. Profiles and sidecars are written as the recorder
//! writes them, so a second run does only what is missing.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Exit, put, say};
use crate::actor::analyser::Reading;
use crate::actor::librarian::shelf::Shelf;
use crate::actor::store::{MARK, places_of};
use crate::device::disk::{RealDisk, real_path};
use crate::device::folder;
use crate::format::found::Found;
use crate::format::profile::{self, View};
use crate::format::reduced;
use crate::format::sidecar::Sidecar;
use crate::message::analysis::{Analysis, Detection};
use crate::message::window::spectrum_frames;
use crate::signal::{Scope, sections};
use crate::wiring::library::extension;

pub struct Options {
    pub paths: Vec<PathBuf>,
    pub json: bool,
    /// Those too that have an analysis already.
    pub again: bool,
    pub scope: Scope,
    pub jobs: Option<usize>,
    pub detection: Detection,
    pub analyses_dir: Option<PathBuf>,
}

/// A recording to analyse.
struct Job {
    shelf: Shelf,
    name: String,
    bytes: u64,
}

/// What became of it.
enum Outcome {
    Done(Box<Sidecar>),
    /// It was analysed before.
    Known,
    Failed(String),
}

pub fn run(options: &Options) -> Exit {
    let mut jobs = Vec::new();
    for path in &options.paths {
        if let Err(why) = gather(path, options.analyses_dir.as_deref(), &mut jobs) {
            say(format_args!("{}: {why}", path.display()));
            return Exit::Usage;
        }
    }
    let bar = bar(jobs.iter().map(|job| job.bytes).sum());
    let failed = AtomicU64::new(0);
    let queue = Mutex::new(jobs.iter());
    let workers = options.jobs.or_else(|| thread::available_parallelism().ok().map(usize::from)).unwrap_or(1).max(1);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(job) = queue.lock().unwrap_or_else(|e| e.into_inner()).next() else { return };
                    let outcome = one(job, options, &bar);
                    failed.fetch_add(u64::from(matches!(outcome, Outcome::Failed(_))), Relaxed);
                    bar.suspend(|| tell(job, &outcome, options.json));
                }
            });
        }
    });
    bar.finish_and_clear();
    if failed.load(Relaxed) > 0 { Exit::Failed } else { Exit::Done }
}

/// By bytes, for recordings differ in length. Only where somebody can see it.
fn bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let bar = ProgressBar::new(bytes);
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// A folder with all that is in it, or one recording; it belongs to the nearest folder above that is a recorder's.
fn gather(path: &Path, analyses: Option<&Path>, jobs: &mut Vec<Job>) -> Result<(), String> {
    let path = real_path(path);
    let meta = std::fs::metadata(&path).map_err(|e| e.to_string())?;
    let start = if meta.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new("/")) };
    let root = start.ancestors().find(|above| above.join(MARK).is_file()).unwrap_or(start).to_path_buf();
    let mark = std::fs::read(root.join(MARK)).unwrap_or_default();
    let analyses = analyses.map_or_else(|| places_of(root.clone(), &mark).analyses, real_path);
    let shelf = Shelf { root: root.clone(), analyses: analyses.clone() };
    if !meta.is_dir() {
        let name = path.strip_prefix(&root).ok().and_then(Path::to_str).ok_or("its name is not UTF-8")?;
        jobs.push(Job { shelf, name: name.to_owned(), bytes: meta.len() });
        return Ok(());
    }
    let below = path.strip_prefix(&root).ok().and_then(Path::to_str).ok_or("its name is not UTF-8")?;
    let mut visit = |found: folder::Found<'_>| {
        if !found.is_part && Path::new(found.name).starts_with(below) {
            jobs.push(Job { shelf: shelf.clone(), name: found.name.to_owned(), bytes: found.bytes });
        }
        ControlFlow::Continue(())
    };
    let mut unread = |folder: &str| say(format_args!("{folder}: cannot be read, and is left out"));
    folder::walk(&root, &analyses, &mut visit, &mut unread).map_err(|e| e.to_string())
}

fn one(job: &Job, options: &Options, bar: &ProgressBar) -> Outcome {
    let sidecar = job.shelf.sidecar(&job.name);
    // Of an Opus that was left of a recording, what is known is of the recording: more than can be heard in it.
    let is_left = sidecar.as_ref().and_then(reduced::fact).is_some_and(|fact| fact.left == reduced::OPUS);
    let is_kept = !options.again || is_left;
    if is_kept && sidecar.as_ref().is_some_and(|sidecar| is_known(job, sidecar, options.scope)) {
        bar.inc(job.bytes);
        return Outcome::Known;
    }
    match analyse(job, options.scope, bar).and_then(|(channels, analysis)| keep(job, options, sidecar, channels, &analysis)) {
        Ok(sidecar) => Outcome::Done(Box::new(sidecar)),
        Err(why) => Outcome::Failed(why),
    }
}

/// Its sidecar tells of an analysis, and the profile is whole and has what is wanted.
fn is_known(job: &Job, sidecar: &Sidecar, scope: Scope) -> bool {
    let profile = std::fs::read(job.shelf.beside(&job.name, ".profile")).unwrap_or_default();
    sidecar.sections.is_some()
        && View::parse(&profile).is_ok_and(|view| {
            let has_all = view.has_bands() || scope == Scope::LEVELS || spectrum_frames(view.rate_hz).is_none();
            let frames = reduced::fact(sidecar).map_or(sidecar.frames, |fact| fact.of.frames);
            has_all && view.is_intact() && view.frames == frames
        })
}

fn analyse(job: &Job, scope: Scope, bar: &ProgressBar) -> Result<(u8, Analysis), String> {
    let file = RealDisk.open_to_read(&job.shelf.root.join(&job.name)).map_err(|e| e.to_string())?;
    let mut reading = Reading::open(Box::new(file), extension(&job.name), scope).map_err(|e| e.to_string())?;
    let frames = reading.info().frames.unwrap_or(0);
    let mut shown = 0;
    while reading.step().map_err(|e| e.to_string())? {
        let here = (u128::from(job.bytes) * u128::from(reading.frames())).checked_div(u128::from(frames)).unwrap_or(0);
        let here = u64::try_from(here).unwrap_or(u64::MAX).min(job.bytes);
        bar.inc(here.saturating_sub(shown));
        shown = shown.max(here);
    }
    bar.inc(job.bytes - shown);
    if reading.frames() == 0 { Err("there is no sound in it".into()) } else { Ok((reading.info().channels, reading.finish())) }
}

fn keep(job: &Job, options: &Options, sidecar: Option<Sidecar>, channels: u8, analysis: &Analysis) -> Result<Sidecar, String> {
    let failed = |e: std::io::Error| format!("its analysis cannot be written: {e}; give --analyses-dir");
    let marked = sections(&analysis.profile, &options.detection);
    // Read anew: somebody may have said something of it meanwhile.
    let sidecar = job.shelf.sidecar(&job.name).or(sidecar);
    let mut sidecar = match sidecar {
        Some(sidecar) => sidecar,
        None => crate::actor::librarian::foreign(&job.shelf, &job.name, channels, analysis).map_err(|e| e.to_string())?,
    };
    sidecar.tell(Found::new(analysis, &options.detection, marked));
    job.shelf.put_profile(&job.name, &profile::write(&analysis.profile)).map_err(failed)?;
    job.shelf.put_sidecar(&job.name, &sidecar).map_err(failed)?;
    Ok(sidecar)
}

fn tell(job: &Job, outcome: &Outcome, json: bool) {
    let path = job.shelf.root.join(&job.name);
    match outcome {
        Outcome::Failed(why) => say(format_args!("{}: {why}", path.display())),
        Outcome::Known if !json => _ = put(format_args!("{}: analysed before", path.display())),
        Outcome::Known => {
            let line = job.shelf.sidecar(&job.name).and_then(|sidecar| serde_json::to_string(&sidecar).ok());
            line.into_iter().for_each(|line| _ = put(line));
        }
        Outcome::Done(sidecar) if json => _ = serde_json::to_string(&**sidecar).map(put),
        Outcome::Done(sidecar) => {
            let sections = sidecar.sections.as_ref().map_or(0, Vec::len);
            let best = sidecar.sections.iter().flatten().map(|section| section.score_db).fold(0.0, f64::max);
            put(format_args!("{}: {sections} sections, the loudest {best:.1} dB over its floor", path.display()));
        }
    }
}
