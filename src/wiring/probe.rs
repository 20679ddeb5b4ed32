//! What the sound cards will really deliver, asked once before the pools are made.
//!
//! A card may settle for another rate or more channels than asked for, and a pool sized by the wish would then hold fewer seconds
//! than promised. So each card that is there is opened for a moment, without recording. Memory stays decided at start: a card that
//! comes later, or needs more than the budget has left, records with the pool there is, and capture says how much that holds.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Feed, LaneRow, Table, sources};
use crate::config::{Config, SourceConfig};
use crate::message::PcmFormat;

/// All cards together. What has not answered by then is sized by the wish.
const PATIENCE: Duration = Duration::from_millis(500);

/// `table` with the rows of those cards enlarged that need more than they were asked for.
pub fn sized(config: &Config, table: Table) -> Table {
    let sources: Vec<&SourceConfig> = super::start::recorded(config).collect();
    let found = ask(&sources);
    let rows = sources.into_iter().zip(found).zip(&table.lanes).map(|((source, found), row)| {
        let lane = &source.lane;
        let Feed::Sound(_, container) = row.feed else { return None };
        let larger = |format| LaneRow::new(row.name.clone(), format, container, lane.pool_seconds, lane.flac_block_size);
        let tapped = |lane_row: LaneRow| if row.tap.is_some() { lane_row.tapped(lane.split_minutes) } else { lane_row };
        let heard = |lane_row: LaneRow| if row.ear.is_some() { lane_row.heard() } else { lane_row };
        found.map(|format| heard(tapped(larger(format))))
    });
    let larger = rows.collect();
    enlarge(table, larger, config.general.memory_budget_mb as usize * 1_000_000)
}

/// The row that fits what was found takes the place of the wish where it needs more and the budget allows it.
fn enlarge(mut table: Table, found: Vec<Option<LaneRow>>, budget_bytes: usize) -> Table {
    for (index, row) in found.into_iter().enumerate() {
        let (Some(row), Some(place)) = (row, table.lanes.get(index)) else { continue };
        if row.bytes() <= place.bytes() {
            continue;
        }
        let mut larger = table.clone();
        larger.lanes[index] = row; // `index` was found above
        if larger.bytes() <= budget_bytes {
            table = larger;
        }
    }
    table
}

/// Asks all cards at once, each on a thread of its own: a sound server that hangs must not keep the others from recording.
fn ask(sources: &[&SourceConfig]) -> Vec<Option<PcmFormat>> {
    let (answers, heard) = mpsc::channel();
    let mut found = vec![None; sources.len()];
    let mut asked = 0;
    for (index, source) in sources.iter().enumerate() {
        let Some(mut card) = sources::card(source) else { continue };
        let answers = answers.clone();
        let body = move || {
            let _ = answers.send((index, card.settle().ok()));
        };
        asked += usize::from(thread::Builder::new().name("probe".into()).spawn(body).is_ok());
    }
    let until = Instant::now() + PATIENCE;
    for _ in 0..asked {
        let Ok((index, format)) = heard.recv_timeout(until.saturating_duration_since(Instant::now())) else { break };
        if let Some(place) = found.get_mut(index) {
            *place = format;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Container, Depth};
    use crate::time::Rate;

    fn row(hz: u32, channels: u8) -> LaneRow {
        let format = PcmFormat { rate: Rate::new(hz).expect("a rate"), channels, depth: Depth::Sixteen };
        LaneRow::new("mic".into(), format, Container::Flac, 12.0, 4096)
    }

    #[track_caller]
    fn check(wished: &[(u32, u8)], found: &[Option<(u32, u8)>], budget_mb: usize, expected: &[(u32, u8)]) {
        let table = Table {
            lanes: wished.iter().map(|&(hz, channels)| row(hz, channels)).collect(),
            page: None,
            is_monitored: false,
            pushes: 0,
            is_told: false,
            has_hooks: false,
            has_mqtt: false,
        };
        let found = found.iter().map(|found| found.map(|(hz, channels)| row(hz, channels))).collect();
        let table = enlarge(table, found, budget_mb * 1_000_000);
        let shape = |lane: &LaneRow| match lane.feed {
            Feed::Sound(format, _) => (format.rate.hz(), format.channels),
            Feed::Stream { .. } => (0, 0),
        };
        let rows: Vec<_> = table.lanes.iter().map(shape).collect();
        assert_eq!(rows, expected);
        assert!(table.bytes() <= budget_mb * 1_000_000);
        assert!(table.lanes.iter().all(|lane| lane.pool_seconds() >= 12.0));
    }

    #[test]
    fn a_card_that_needs_more_gets_it_within_the_budget() {
        check(&[(48_000, 1)], &[Some((96_000, 2))], 48, &[(96_000, 2)]);
        check(&[(48_000, 1)], &[None], 48, &[(48_000, 1)]);
        check(&[(48_000, 2)], &[Some((44_100, 1))], 48, &[(48_000, 2)]);
        check(&[(48_000, 1)], &[Some((384_000, 8))], 48, &[(48_000, 1)]);
        check(&[(48_000, 1), (48_000, 1)], &[Some((384_000, 8)), Some((96_000, 2))], 48, &[(48_000, 1), (96_000, 2)]);
    }
}
