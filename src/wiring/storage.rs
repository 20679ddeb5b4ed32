//! The store's seat.

use std::sync::{Arc, Mutex};

use super::retention::Keepers;
use super::{LaneRow, STORE_STACK, Table, start};
use crate::actor::store::{self, End, Formats, LaneSettings, Machine, Naming, Settings};
use crate::config::{Config, FilenameTime, SourceConfig, SourceKind};
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::{RealDisk, real_path};
use crate::device::{Fault, FaultKind};
use crate::edge::Receiver;
use crate::message::ToStore;
use crate::policy::name::Pattern;
use crate::policy::split::Zone;
use crate::status::{ActorStatus, LaneStatus, State};
use crate::supervisor::{Body, Role, Seat};

/// One call to a disk may take this long: cards have been seen to stall for the better part of a minute, and ending the
/// process makes no card faster.
const STORE_LIMIT_MS: u64 = 120_000;

/// Of the queues to and from the store.
pub struct Ends {
    pub inbox: Receiver<ToStore>,
    /// Who hears of finished files.
    pub recorded: Vec<async_channel::Sender<std::path::PathBuf>>,
    pub newcomers: async_channel::Receiver<LaneSettings>,
}

/// The machine is made when the thread first runs, so that captures need not wait for the folders, and outlives the thread.
pub fn seat(
    config: &Config,
    table: &Table,
    statuses: &[Arc<LaneStatus>],
    Ends { inbox, recorded, newcomers }: Ends,
    keepers: &Keepers,
) -> Seat {
    let actor = Arc::new(ActorStatus::default());
    let (row, settings) = (
        actor.clone(),
        Arc::new(Settings { recorded, turns: keepers.turns.clone(), ..settings(config, table, statuses, keepers) }),
    );
    let machine: Arc<Mutex<Option<Machine<RealDisk>>>> = Arc::default();
    let make = move || -> Body {
        let (inbox, row, machine, settings) = (inbox.clone(), row.clone(), machine.clone(), settings.clone());
        let newcomers = newcomers.clone();
        Box::new(move || {
            let mut machine = machine.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // Locks and lists the folders, which on a dead mount takes for ever.
            row.enter(State::Device);
            let machine = machine.get_or_insert_with(|| {
                let mut machine = Machine::new(RealDisk, (*settings).clone()).0;
                machine.set_newcomers(newcomers);
                machine
            });
            match store::run(&inbox, machine, &row, &|| RealClock.mono()) {
                End::Done => Ok(()),
                End::Fell(text) => Err(Fault::new(FaultKind::Retry, text)),
            }
        })
    };
    Seat::new("store", actor, (STORE_STACK, STORE_LIMIT_MS), Role::Path, make)
}

/// A little earlier than promised: sound is up to a second and a few blocks old before the store sees it, and a power cut must
/// not cost more than the promise and that second.
fn sync_ns(sync_seconds: f64) -> i64 {
    let seconds = sync_seconds.clamp(0.1, 600.0);
    ((seconds - (seconds / 2.0).min(0.5)) * 1e9).round() as i64
}

/// What the store knows of a lane.
pub fn lane(config: &Config, source: &SourceConfig, row: &LaneRow, status: &Arc<LaneStatus>, keepers: &Keepers) -> LaneSettings {
    LaneSettings {
        short: keepers.wishes(&real_path(&source.lane.output_directory)),
        source: source.name.as_str().into(),
        // However it is written, one folder has one lock, one gaps.csv and one list of names.
        root: real_path(&source.lane.output_directory),
        analyses: config.analysis.analyses_dir.as_deref().map(real_path),
        depth: row.store_depth,
        sync_ns: sync_ns(source.lane.sync_seconds),
        // One that cannot be is told when its lane is seated.
        schedule: (!source.lane.schedule.is_always()).then(|| start::schedule(source, config).ok()).flatten(),
        rename: naming(source),
        cue: matches!(source.kind, SourceKind::Stream { cue_sheet: true, .. }),
        status: status.clone(),
    }
}

fn settings(config: &Config, table: &Table, statuses: &[Arc<LaneStatus>], keepers: &Keepers) -> Settings {
    let lanes = start::recorded(config).zip(&table.lanes).zip(statuses);
    let lanes = lanes.map(|((source, row), status)| lane(config, source, row, status, keepers));
    // Of blocks: markers say nothing about how far the disk is behind.
    let inbox_depth = table.lanes.iter().map(|row| row.out_blocks).sum();
    Settings {
        lanes: lanes.collect(),
        inbox_depth,
        formats: Formats { beside: true, ..Formats::default() },
        recorded: Vec::new(),
        turns: Arc::default(),
    }
}

/// As the splitter names its files.
fn naming(source: &SourceConfig) -> Option<Naming> {
    let lane = &source.lane;
    let zone = match lane.filename_time {
        FilenameTime::Utc => Zone::UTC,
        FilenameTime::Local => start::zone(source).ok()?,
    };
    Pattern::new(&lane.filename_pattern).ok().filter(|_| lane.rename_corrected).map(|pattern| Naming { pattern, zone })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    /// The lanes of three tones with these keys of their own.
    fn lanes(keys: [&str; 3]) -> Vec<LaneSettings> {
        let source = |(n, keys): (usize, &&str)| format!("[s{n}]\ntype = tone\nfilename_pattern = s{n}/%Y\n{keys}\n");
        let text: String = keys.iter().enumerate().map(source).collect();
        let parsed = Config::parse(text.as_bytes(), "test", &Environment::default());
        assert_eq!(parsed.problems.len(), 0, "{:?}", parsed.problems);
        let table = start::table(&parsed.config);
        let statuses: Vec<Arc<LaneStatus>> = table.lanes.iter().map(|_| Arc::default()).collect();
        settings(&parsed.config, &table, &statuses, &Keepers::new(&parsed.config, &table)).lanes
    }

    #[test]
    fn each_source_is_synced_as_often_as_it_says() {
        let periods = |keys| lanes(keys).iter().map(|lane| lane.sync_ns).collect::<Vec<_>>();
        let want = [50_000_000, 2_000_000_000, 599_500_000_000];
        assert_eq!(periods(["sync_seconds = 0.1", "sync_seconds = 2.5", "sync_seconds = 600"]), want);
    }

    #[test]
    fn one_folder_is_one_however_it_is_spelled() {
        let here = std::env::current_dir().expect("there");
        let absolute = format!("output_directory = {}/rec/", here.display());
        let lanes = lanes(["output_directory = rec", "output_directory = ./rec", &absolute]);
        assert!(lanes.len() == 3 && lanes.iter().all(|lane| lane.root == lanes[0].root && lane.root.is_absolute()));
    }
}
