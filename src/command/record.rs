//! `soundpost record`: the firmware.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::check::over_budget;
use super::{Exit, say};
use crate::config::{Config, Environment, Parsed, Severity};
use crate::device::memory;
use crate::edge::edge;
use crate::logging;
use crate::status::{Alarms, DrillKind, LaneStatus, Lanes, Machine};
use crate::supervisor::{Changes, Outcome, Role, Seat, Supervisor};
use crate::wiring::beside::{self, Roster};
use crate::wiring::change::{Crew, Ground, MOST_LATER, Works};
use crate::wiring::retention::Keepers;
use crate::wiring::settings::{self, Keeper};
use crate::wiring::start::{self, Shared};
use crate::wiring::{LaneRow, Table, analysis, health, hooks, live, monitor, notify, probe, push, reducer, review, storage};

pub struct Options {
    /// `None` records the built-in soundscape into ./recordings.
    pub config: Option<PathBuf>,
    /// `ACTOR=panic|hang|stall:SECONDS@BEATS[xTIMES]`
    pub drills: Vec<String>,
}

/// Notices that may wait for the supervisor.
const NOTICES: usize = 256;

pub fn run(options: &Options) -> Exit {
    memory::one_heap();
    let parsed = match &options.config {
        None => demo(),
        Some(path) => match Config::load(path, &Environment::of_process()) {
            Ok(parsed) => parsed,
            Err(unreadable) => {
                say(unreadable);
                return Exit::Usage;
            }
        },
    };
    let Parsed { config, problems, .. } = &parsed;
    let (_logging, complaint) = logging::start(config.general.log_level, config.general.log_file.as_deref());
    for problem in problems {
        match problem.severity {
            Severity::Error => log::error!("{problem}"),
            Severity::Warning => log::warn!("{problem}"),
        }
    }
    if let Some(complaint) = complaint {
        log::warn!("{complaint}");
    }
    match record(&parsed, options) {
        Ok(exit) => exit,
        Err(text) => {
            log::error!("{text}");
            Exit::Usage
        }
    }
}

fn demo() -> Parsed {
    Parsed { config: Config::demo(Path::new("recordings")), problems: Vec::new(), effective: Vec::new() }
}

fn record(parsed: &Parsed, options: &Options) -> Result<Exit, String> {
    let config = &parsed.config;
    let budget_mb = config.general.memory_budget_mb;
    let table = start::table(config).within((budget_mb as usize) << 20);
    if table.lanes.is_empty() {
        return Err("nothing to record: no source of the configuration can be used".into());
    }
    if table.bytes() as u64 > u64::from(budget_mb) << 20 {
        return Err(over_budget(table.bytes(), budget_mb));
    }
    let table = probe::sized(config, table);
    log::info!(
        "soundpost {}: {} sources, {} KiB decided at start",
        env!("CARGO_PKG_VERSION"),
        table.lanes.len(),
        table.bytes() >> 10
    );
    let statuses: Vec<Arc<LaneStatus>> = table.lanes.iter().map(|_| Arc::default()).collect();
    let (store_in, store_out) = edge(table.inbox_depth());
    let (notices_in, notices) = async_channel::bounded(NOTICES);
    let (taps_in, taps_out) = edge(table.taps_depth());
    let (ears_in, ears_out) = edge(table.ears_depth());
    let shared =
        Shared { store: store_in, taps: taps_in, ears: ears_in, notices: notices_in, stop: Arc::new(AtomicBool::new(false)) };
    let lanes = Arc::new(Lanes::new(&statuses));
    let (newcomers, newcomers_out) = async_channel::bounded(MOST_LATER);
    let (recorded_in, recorded_out) = async_channel::bounded(review::RECORDED);
    let keepers = Arc::new(Keepers::new(config, &table));
    let (alarms, machine): (Arc<Alarms>, Arc<Machine>) = Default::default();
    let (mut hooks, finished) =
        hooks::Post::new(config, (&alarms, &machine), (&shared.stop, &keepers.turns), recorded_in.clone());
    let recorded = vec![recorded_in, finished.clone()];
    let ends = storage::Ends { inbox: store_out, recorded, newcomers: newcomers_out };
    let mut seats = vec![storage::seat(config, &table, &statuses, ends, &keepers)];
    seats.extend(hooks.seat());
    let heard = live::Plan::new(config, &table, &statuses, ears_out);
    let mut agent = None;
    seats.extend(start::lanes(config, &table, &statuses, &shared, &heard.stages, &mut agent)?);
    seats.extend(live::preview(&heard, &shared));
    if table.taps_depth() > 0 {
        seats.push(analysis::seat(config, &lanes, taps_out, shared.store.clone()));
    }
    let (teller, then) = notify::seat(config, &alarms, &machine, &shared.stop).unzip();
    seats.extend(teller);
    #[cfg(feature = "mqtt")]
    seats.extend(crate::wiring::mqtt::seat(config, &table, &statuses, (&alarms, &machine), &shared.stop));
    let roster = Arc::new(Roster::new(config, &table, &statuses));
    let rounds = health::rounds(config, &table, &statuses, &roster, (&alarms, &machine), then);
    let (changes_in, changes) = async_channel::bounded(settings::CHANGES);
    let keeper = Arc::new(Keeper::new(options.config.clone(), Environment::of_process(), parsed.clone(), changes_in));
    let (stages, ring) = (heard.stages.clone(), heard.ring.clone());
    // Who is heard without a page needs what makes the sound all the same.
    let mut alone =
        Vec::from_iter(config.general.monitor.as_ref().and_then(|source| monitor::seat(&heard, source, &shared.stop)));
    alone.extend(push::seats(config, &statuses, &heard.stages, &mut agent));
    let mut plan = (!alone.is_empty()).then(|| heard.clone());
    seats.extend(alone);
    let mut has_page = false;
    if config.web.enabled || !config.uploads.is_empty() {
        let around = beside::Around {
            roster: roster.clone(),
            clerk: keeper.clone(),
            rounds: rounds.clone(),
            told: finished,
            keepers: &keepers,
            stop: shared.stop.clone(),
            alarms: alarms.clone(),
            machine: machine.clone(),
        };
        match beside::seats(config, heard, recorded_out, around) {
            Ok((more, port)) => {
                seats.extend(more);
                has_page = true; // or the librarian of its folder, at least
                if let Some(port) = port {
                    log::info!("the page: http://localhost:{port}/");
                    plan = None; // the page has brought it
                }
            }
            // Recording comes first.
            Err(fault) => log::error!("neither page nor uploads: {fault}"),
        }
    }
    seats.extend(keepers.seats(config, has_page, &alarms));
    seats.extend(reducer::seat(&keepers, &shared.stop));
    let is_there = |name: &str| seats.iter().any(|seat| &*seat.name == name);
    let (is_heard, is_looked_after) = (plan.is_some() || is_there("live"), is_there("herald"));
    seats.extend((!is_looked_after).then(|| health::seat(&rounds, &shared.stop)));
    seats.extend(plan.map(|plan| live::seat(plan, &Arc::default())));
    watch(&alarms, &table, &statuses, &seats);
    for drill in &options.drills {
        arm(drill, &seats)?;
    }
    let stop = shared.stop.clone();
    let crew: Crew = Arc::new(Mutex::new(table.lanes.iter().cloned().zip(statuses.iter().cloned()).collect()));
    let is_analysed = table.taps_depth() > 0;
    // From here on the seats hold the only senders, and those who make seats.
    let ground = Ground {
        shared,
        keepers,
        hooks,
        stages,
        ring,
        lanes,
        roster,
        alarms,
        newcomers,
        crew: crew.clone(),
        agent,
        is_analysed,
        is_heard,
    };
    let yard = Box::new(Works::new(config, &statuses, ground));
    let changes = Changes { inbox: changes, yard, reload: Box::new(move || keeper.reload()) };
    memory::settle();
    let outcome = Supervisor::new(seats, &statuses, stop, notices).changing(changes).run();
    summarise(&crew.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(if outcome == Outcome::Done { Exit::Done } else { Exit::Failed })
}

/// All that may go wrong and that a person should know of.
fn watch(alarms: &Alarms, table: &Table, statuses: &[Arc<LaneStatus>], seats: &[Seat]) {
    for (lane, status) in table.lanes.iter().zip(statuses) {
        [&status.alarm, &status.disk, &status.finish, &status.push.trouble]
            .into_iter()
            .for_each(|alarm| alarms.watch(&lane.name, alarm));
    }
    for seat in seats.iter().filter(|seat| seat.role == Role::Side) {
        alarms.watch(&seat.name, &seat.actor.given_up);
    }
}

/// One line a source at the end: what came, what was lost, how near the limits it was.
fn summarise(crew: &[(LaneRow, Arc<LaneStatus>)]) {
    for (lane, status) in crew {
        let drift = status.drift_ppm().map_or_else(|| "unknown".to_owned(), |ppm| format!("{ppm:.1} ppm"));
        log::info!(
            "{}: captured {} frames, lost {}, {} files, {} gaps, {} overruns, pool at most {} of {}, slowest write {} ms, slowest sync {} ms, drift {drift}",
            lane.name,
            status.frames_captured.load(Relaxed),
            status.capture_lost.load(Relaxed),
            status.files_closed.load(Relaxed),
            status.gaps.load(Relaxed),
            status.xruns.load(Relaxed),
            status.blocks_used_max.load(Relaxed),
            lane.pool_blocks(),
            status.write.max_us() / 1_000,
            status.sync.max_us() / 1_000,
        );
    }
}

/// Arms a drill: `ACTOR=panic|hang|stall:SECONDS@BEATS[xTIMES]`.
fn arm(text: &str, seats: &[Seat]) -> Result<(), String> {
    let wrong = || format!("--drill {text}: want ACTOR=panic|hang|stall:SECONDS@BEATS[xTIMES]");
    let (actor, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (kind, when) = rest.split_once('@').ok_or_else(wrong)?;
    let (beats, times) = when.split_once('x').unwrap_or((when, "1"));
    let kind = match kind.split_once(':') {
        None if kind == "panic" => DrillKind::Panic,
        None if kind == "hang" => DrillKind::Hang,
        Some(("stall", seconds)) => DrillKind::Stall { ms: seconds.parse::<u64>().map_err(|_| wrong())? * 1_000 },
        _ => return Err(wrong()),
    };
    let seat = seats.iter().find(|seat| *seat.name == *actor).ok_or_else(|| format!("--drill {text}: no actor {actor}"))?;
    seat.actor.drill.arm(kind, beats.parse().map_err(|_| wrong())?, times.parse().map_err(|_| wrong())?);
    Ok(())
}
