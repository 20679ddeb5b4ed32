//! What may be left on the disk after a power cut: one of many, chosen by [`Crash`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Edit, Inode, Node, State};

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// What became of the unsynced changes when the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    Lost,
    Applied,
    /// The first so many in the order they were made.
    Prefix(usize),
    /// As `Prefix`, and the next one, if it is a write, tore in its middle at a sector's edge.
    Torn(usize),
    /// Any subset of the written sectors; lengths may have grown without them (holes read as zeros); names a prefix per directory.
    Scattered(u64),
}

impl State {
    pub(super) fn crash(&self, crash: Crash) -> State {
        let mut dice = Dice(match crash {
            Crash::Scattered(seed) => seed,
            _ => 0,
        });
        let limit = self.nth_unsynced(crash);
        let kept = |sequence: u64| sequence < limit;
        let mut after = State { sync_ns: 0, limits: Vec::new(), ..State::default() };
        after.durable_names = self.durable_names.clone();
        let mut cut: BTreeMap<&Path, bool> = BTreeMap::new();
        for (sequence, change) in &self.unsynced_names {
            let lost = cut.entry(change.dir()).or_default();
            *lost = *lost || (matches!(crash, Crash::Scattered(_)) && dice.throw());
            if kept(*sequence) && !*lost {
                change.apply(&mut after.durable_names);
            }
        }
        for inode in &self.inodes {
            let mut bytes = inode.durable.clone();
            for (sequence, edit) in &inode.unsynced {
                match crash {
                    Crash::Scattered(_) => {
                        edit.sectors().iter().filter(|_| dice.throw()).for_each(|piece| piece.apply(&mut bytes))
                    }
                    Crash::Torn(_) if *sequence == limit => {
                        let pieces = edit.sectors();
                        pieces[..pieces.len() / 2].iter().for_each(|piece| piece.apply(&mut bytes));
                    }
                    _ if kept(*sequence) => edit.apply(&mut bytes),
                    _ => {}
                }
            }
            if matches!(crash, Crash::Scattered(_)) && bytes.len() < inode.bytes.len() && dice.throw() {
                bytes.resize(inode.bytes.len(), 0);
            }
            after.inodes.push(Arc::new(Inode { bytes: bytes.clone(), durable: bytes, unsynced: Vec::new() }));
        }
        // A name whose directory did not make it is nowhere.
        let names = after.durable_names.clone();
        after.durable_names.retain(|path, _| path.ancestors().skip(1).all(|above| names.get(above) == Some(&Node::Dir)));
        after.names = after.durable_names.clone();
        after
    }

    /// Changes with a smaller sequence number than this are kept.
    fn nth_unsynced(&self, crash: Crash) -> u64 {
        let n = match crash {
            Crash::Lost => return 0,
            Crash::Applied | Crash::Scattered(_) => return u64::MAX,
            Crash::Prefix(n) | Crash::Torn(n) => n,
        };
        let data = self.inodes.iter().flat_map(|i| i.unsynced.iter().map(|(s, _)| *s));
        let mut all: Vec<u64> = self.unsynced_names.iter().map(|(s, _)| *s).chain(data).collect();
        all.sort_unstable();
        all.get(n).copied().unwrap_or(u64::MAX)
    }
}

impl Edit {
    /// The same write, sector by sector.
    fn sectors(&self) -> Vec<Edit> {
        let Edit::Write(at, bytes) = self else { return vec![self.clone()] };
        let mut pieces = Vec::new();
        let (mut at, mut rest) = (*at, bytes.as_slice());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min((SECTOR - at % SECTOR) as usize));
            pieces.push(Edit::Write(at, piece.to_vec()));
            at += piece.len() as u64;
            rest = after;
        }
        pieces
    }
}

/// Numbers that look like chance and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> bool {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) & 1 == 1
    }
}
