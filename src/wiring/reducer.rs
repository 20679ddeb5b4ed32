//! The seat of who keeps old recordings in less: one thread for all folders, so that one recording is worked at at a time.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::retention::Keepers;
use crate::actor::reducer::{FIRST, Folder, Reducer, sweep};
use crate::config::storage::Kept;
use crate::config::{Config, SourceConfig};
use crate::policy::tier::{Tier, Tiers};
use crate::status::ActorStatus;
use crate::supervisor::{Body, Seat};

const STACK: usize = 512 << 10;
/// The thread, a window of a file, its decoder, resampler and encoder, and a draft's last bytes.
pub const BYTES: usize = STACK + (1 << 20);
/// A disk may stand still for so long.
const LIMIT_MS: u64 = 120_000;

pub fn is_wanted(config: &Config) -> bool {
    super::start::recorded(config).map(|source| &source.kept).chain([&config.storage.kept]).any(|kept| tier(kept).is_on())
}

/// Of the sources of one folder.
pub fn tiers(config: &Config, here: &[(&SourceConfig, f64)]) -> Tiers {
    let sources = here.iter().map(|(source, _)| (source.name.clone(), tier(&source.kept)));
    Tiers { sources: sources.collect(), others: tier(&config.storage.kept) }
}

fn tier(kept: &Kept) -> Tier {
    Tier { full_days: kept.full_days, opus_days: kept.opus_days, only_uploaded: kept.expire_only_uploaded }
}

/// `None` where everything is kept as it is. What an earlier start had begun is swept away all the same.
pub fn seat(keepers: &Keepers, stop: &Arc<AtomicBool>) -> Option<Seat> {
    keepers.iter().for_each(|keeper| sweep(&keeper.root));
    let wanted = keepers.iter().filter(|keeper| keeper.keeping.tiers.is_on());
    let folders: Vec<Folder> = wanted.map(|keeper| Folder { root: keeper.root.clone(), asks: keeper.asks().0 }).collect();
    if folders.is_empty() {
        return None;
    }
    let actor = Arc::new(ActorStatus::default());
    // One at a time, whatever becomes of its predecessor.
    let reducer = Arc::new(Mutex::new(Reducer { folders, actor: actor.clone(), stop: stop.clone(), patience: FIRST }));
    let row = actor.clone();
    let make = move || -> Body {
        let (reducer, life) = (reducer.clone(), row.life());
        Box::new(move || {
            reducer.lock().unwrap_or_else(PoisonError::into_inner).run(life);
            Ok(())
        })
    };
    Some(Seat::side("reducer", actor, (STACK, LIMIT_MS), make))
}
