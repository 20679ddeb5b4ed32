//! `soundpost retention`: what would be deleted now, and why; or does it, where no recorder is at work.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Exit, put, say};
use crate::actor::librarian::retention::{How, Round};
use crate::actor::librarian::{self, Librarian};
use crate::actor::reducer::{self, Failed};
use crate::actor::store::MARK;
use crate::config::{Config, Environment};
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::{Disk, RealDisk};
use crate::device::scratch::Scratch;
use crate::message::library::Wish;
use crate::policy::retention::Reason;
use crate::time::Wall;
use crate::wiring::retention::{Keeper, Keepers, opened, settings};
use crate::wiring::start;

const MB: f64 = 1e6;

pub fn run(path: &Path, is_dry: bool) -> Exit {
    let parsed = match Config::load(path, &Environment::of_process()) {
        Ok(parsed) => parsed,
        Err(unreadable) => {
            say(unreadable);
            return Exit::Usage;
        }
    };
    // What is not understood would be kept, or deleted, otherwise than was meant.
    if parsed.has_errors() {
        parsed.problems.iter().for_each(say);
        return Exit::Usage;
    }
    let config = &parsed.config;
    let keepers = Keepers::new(config, &start::table(config));
    let mut exit = Exit::Done;
    for keeper in keepers.iter() {
        let done = if is_dry { try_dry(keeper, config) } else { delete(keeper, config) };
        match done {
            Ok(true) => {}
            Ok(false) => exit = Exit::Failed,
            Err(why) => {
                say(format_args!("{}: {why}", keeper.root.display()));
                exit = Exit::Failed;
            }
        }
    }
    exit
}

/// By a catalogue of its own: that in the folder may be a recorder's.
fn try_dry(keeper: &Keeper, config: &Config) -> Result<bool, String> {
    if !is_ours(keeper) {
        return Ok(true);
    }
    let scratch = Scratch::new().map_err(|e| format!("no room for a catalogue: {e}"))?;
    let settings = settings(keeper.root.clone(), config, Arc::default(), keeper.keeping.clone());
    let settings = librarian::Settings { catalogue: scratch.path().join("catalogue.db"), read_only: true, ..settings };
    let librarian = Librarian::open(settings, Box::new(super::rebuild::Headers), Arc::default());
    go(keeper, librarian.map_err(|e| e.to_string())?, How::DryRun)
}

fn delete(keeper: &Keeper, config: &Config) -> Result<bool, String> {
    if !is_ours(keeper) {
        return Ok(true);
    }
    let _held = RealDisk.lock(&keeper.root.join(MARK)).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => "a recorder is at work here and deletes by itself; --dry-run tells what".to_owned(),
        _ => e.to_string(),
    })?;
    let settings = settings(keeper.root.clone(), config, Arc::default(), keeper.keeping.clone());
    let (_, nobody) = async_channel::bounded(1);
    let librarian = opened(&settings, &Arc::default(), &nobody);
    go(keeper, librarian.ok_or("its catalogue cannot be opened: make room, or check the rights of the folder")?, How::Delete)
}

/// Nothing was ever recorded where there is no mark of a recorder.
fn is_ours(keeper: &Keeper) -> bool {
    let is_ours = keeper.root.join(MARK).is_file();
    if !is_ours {
        say(format_args!("{}: nothing was recorded here", keeper.root.display()));
    }
    is_ours
}

/// False if there is not enough room all the same.
fn go(keeper: &Keeper, mut librarian: Librarian, how: How) -> Result<bool, String> {
    let (_nobody, inbox) = async_channel::bounded(1);
    let now = || RealClock.look().wall;
    librarian.answer(Wish::Scan, &inbox, &now).map_err(|trouble| format!("it cannot be looked through: {trouble:?}"))?;
    let (verb, mut count, mut bytes) = (if how == How::DryRun { "would delete" } else { "deleted" }, 0_u64, 0_u64);
    loop {
        let given_back = if how == How::DryRun { bytes } else { 0 };
        let round = librarian.retain(now(), how, given_back).map_err(|refused| format!("{refused:?}"))?;
        for (candidate, reason) in &round.gone {
            count += 1;
            bytes += candidate.bytes;
            let mb = candidate.bytes as f64 / MB;
            put(format_args!("{verb} {}  {}  {mb:.1} MB  {reason}", candidate.name, start_of(candidate.start)));
        }
        if !round.is_more {
            tell(keeper, &round, count, bytes);
            reduce(keeper, &mut librarian, how, bytes)?;
            return Ok(!round.is_stuck);
        }
    }
}

/// One after the other, as a recorder does it when it has time.
fn reduce(keeper: &Keeper, librarian: &mut Librarian, how: How, given_back: u64) -> Result<(), String> {
    let (stop, actor) = Default::default();
    let (_nobody, inbox) = async_channel::bounded(1);
    let now = || RealClock.look().wall;
    let mut count = 0_u64;
    loop {
        let given_back = if how == How::DryRun { given_back } else { 0 };
        let next = librarian.next_to_reduce(now(), how, given_back).map_err(|refused| format!("{refused:?}"))?;
        let Some(task) = next else { break };
        count += 1;
        let (name, mb) = (task.name.clone(), task.bytes as f64 / MB);
        let seconds: u64 = task.parts.iter().map(|(from, to)| to - from).sum();
        let what = format!("{mb:.1} MB to {} pieces of {seconds} s", task.parts.len());
        let reason = Reason::Reduced { days: task.days, left: task.left };
        let done = match how {
            How::DryRun => librarian.pass_over(&name).map_err(|refused| format!("{refused:?}")),
            How::Delete => {
                let ask = &mut |wish| librarian.answer(wish, &inbox, &now);
                match reducer::reduce(&keeper.root, task, (&stop, &actor), ask) {
                    Ok(()) => Ok(()),
                    Err(Failed::Unfit(why)) => {
                        say(format_args!("{name}: stays as it is: {why}"));
                        let wish = Wish::Unfit { name, why: format!("It cannot be reduced: {why}") };
                        librarian.answer(wish, &inbox, &now).map_err(|trouble| format!("{trouble:?}"))?;
                        continue;
                    }
                    Err(Failed::Refused(why)) => Err(format!("{name}: not reduced: {why}")),
                    Err(Failed::Stopped) => Err(format!("{name}: not reduced: there is not enough room")),
                }
            }
        };
        done?;
        let verb = if how == How::DryRun { "would reduce" } else { "reduced" };
        put(format_args!("{verb} {name}  {what}  {reason}"));
    }
    if keeper.keeping.tiers.is_on() {
        put(format_args!(
            "{}: {count} recordings {}",
            keeper.root.display(),
            if how == How::DryRun { "to reduce" } else { "reduced" }
        ));
    }
    Ok(())
}

fn start_of(at: Wall) -> String {
    crate::format::civil::utc_text(at).chars().take(19).chain("Z".chars()).collect()
}

/// What there is and how long it lasts.
fn tell(keeper: &Keeper, round: &Round, count: u64, bytes: u64) {
    let (root, rules) = (keeper.root.display(), &keeper.keeping.rules);
    let gb = |bytes: u64| bytes as f64 / 1e9;
    put(format_args!(
        "{root}: {count} recordings, {:.3} GB; then {:.3} GB are free, {:.3} GB are to stay free",
        gb(bytes),
        gb(round.free_bytes),
        gb(round.floor_bytes)
    ));
    let per_hour = round.bytes_per_hour;
    if per_hour > 0.0 {
        let (left, what) = match rules.makes_room {
            true => (round.free_bytes.saturating_sub(round.floor_bytes), "until the next recordings go for room"),
            false => (round.free_bytes, "until the disk is full, and then nothing is recorded (when_full = stop)"),
        };
        put(format_args!("{root}: {:.1} MB an hour: {} {what}", per_hour / MB, lasts(left as f64 / per_hour)));
    }
    let has_days = keeper.keeping.tiers.is_on()
        || rules.others.days.is_some()
        || rules.sources.iter().any(|source| source.age.days.is_some());
    if has_days && !(keeper.keeping.is_clock_right)() {
        put(format_args!("{root}: the clock is not known to be right (no NTP): nothing goes by its age"));
    }
    if round.is_stuck && rules.makes_room {
        say(format_args!("{root}: that is not enough, and nothing more may be deleted: unlock recordings, or make room"));
    }
}

fn lasts(hours: f64) -> String {
    if hours < 72.0 { format!("{hours:.1} hours") } else { format!("{:.1} days", hours / 24.0) }
}
