//! What stands out in a recording: its sections, for one listener's [`Detection`]. From a profile's integers alone, and in
//! milliseconds for hours, so that a margin can be tried out.
//!
//! A window is loud when it reaches its block's [`floor`] plus the margin. A section is a maximal run of loud windows;
//! then sections that are nearer to each other than the least gap are one. Its score is the highest that a loud window in it is
//! above its floor.
//!
//! [`Detector::Level`] asks this of the levels. [`Detector::Bands`] asks it of each detection band, and loud in any band is loud:
//! so a bird is heard in wind, where the level stays flat. Its sections tell which bands were loud, and short ones are dropped
//! at last.

use std::slice::ChunksExact;

use super::floor;
use crate::message::analysis::{Centibel, DETECTION_BANDS, Detection, Detector, Profile, Section, WINDOWS_PER_SECOND};

const WINDOW_MS: u64 = 1_000 / WINDOWS_PER_SECOND;
/// Of a cell, in hundredths of a decibel: v means -127.5 + v/2.
const CELL_STEP: i32 = 50;
const CELL_ZERO: i32 = -12_750;

/// Of a whole profile.
pub fn sections(profile: &Profile, detection: &Detection) -> Vec<Section> {
    find(&profile.levels, &profile.detection, &profile.detection_edges, detection)
}

/// The same of its parts, as they stand in a file: `cells` are windows × [`DETECTION_BANDS`], and are looked at by
/// [`Detector::Bands`] only.
pub fn find(levels: &[i16], cells: &[u8], edges: &[f32; DETECTION_BANDS + 1], detection: &Detection) -> Vec<Section> {
    match detection.detector {
        Detector::Level => in_levels(levels, detection),
        Detector::Bands => in_bands(cells, edges, detection),
    }
}

fn in_levels(levels: &[i16], detection: &Detection) -> Vec<Section> {
    let floors = floor::floors(levels);
    let mut runs = Runs::new(detection.min_gap_ms);
    for (block, floor) in floor::blocks(levels.len()).zip(&floors) {
        let threshold = i32::from(*floor) + i32::from(detection.margin.0);
        for (window, level) in block.clone().zip(&levels[block]) {
            if i32::from(*level) >= threshold {
                runs.loud(window, i32::from(*level) - i32::from(*floor), 0);
            }
        }
    }
    runs.done.iter().map(|run| run.section(None)).collect()
}

fn in_bands(cells: &[u8], edges: &[f32; DETECTION_BANDS + 1], detection: &Detection) -> Vec<Section> {
    let mut runs = Runs::new(detection.min_gap_ms);
    for block in floor::blocks(cells.len() / DETECTION_BANDS) {
        let windows = cells[block.start * DETECTION_BANDS..block.end * DETECTION_BANDS].chunks_exact(DETECTION_BANDS);
        let floors = band_floors(windows.clone());
        let least = floors.map(|floor| least_loud(floor, detection.margin));
        for (window, cells) in block.zip(windows) {
            // Most windows have nothing loud: all bands at once, without a branch.
            if !cells.iter().zip(&least).fold(false, |any, (cell, least)| any | (u16::from(*cell) >= *least)) {
                continue;
            }
            for (band, cell) in cells.iter().enumerate() {
                if u16::from(*cell) >= least[band] {
                    runs.loud(window, (i32::from(*cell) - i32::from(floors[band])) * CELL_STEP, 1 << band);
                }
            }
        }
    }
    let lengths = |run: &&Run| (run.end - run.first) as u64 * WINDOW_MS >= u64::from(detection.min_length_ms);
    let hz = |run: &Run| {
        let (lowest, highest) = (run.bands.trailing_zeros() as usize, run.bands.ilog2() as usize);
        (edges[lowest], edges[highest + 1])
    };
    runs.done.iter().filter(lengths).map(|run| run.section(Some(hz(run)))).collect()
}

/// The floor of each band in one block, as a cell's value. Counted, not sorted: a cell has 256 values.
fn band_floors(windows: ChunksExact<u8>) -> [u8; DETECTION_BANDS] {
    let mut counts = [[0_u16; 256]; DETECTION_BANDS];
    let rank = floor::rank(windows.len());
    for cells in windows {
        for (counts, cell) in counts.iter_mut().zip(cells) {
            counts[usize::from(*cell)] += 1;
        }
    }
    let lowest = ((i32::from(floor::LOWEST) - CELL_ZERO) / CELL_STEP) as u8;
    counts.map(|counts| {
        let mut below = 0;
        let at = counts.iter().position(|count| {
            below += usize::from(*count);
            below > rank
        });
        (at.unwrap_or(0) as u8).max(lowest)
    })
}

/// The least cell that is the margin above a floor; more than any when there is none.
fn least_loud(floor: u8, margin: Centibel) -> u16 {
    let steps = (i32::from(margin.0) + CELL_STEP - 1).div_euclid(CELL_STEP);
    (i32::from(floor) + steps).clamp(0, 256) as u16
}

/// Windows [first, end) and what was loud in them.
struct Run {
    first: usize,
    end: usize,
    /// Hundredths of a decibel above the floor.
    score: i32,
    /// One bit a band.
    bands: u32,
}

impl Run {
    fn section(&self, band_hz: Option<(f32, f32)>) -> Section {
        Section {
            first_window: u32::try_from(self.first).unwrap_or(u32::MAX),
            end_window: u32::try_from(self.end).unwrap_or(u32::MAX),
            score: Centibel(self.score.clamp(i16::MIN.into(), i16::MAX.into()) as i16),
            band_hz,
        }
    }
}

/// Loud windows as they come, in order; several times the same is allowed.
struct Runs {
    min_gap_ms: u64,
    done: Vec<Run>,
}

impl Runs {
    fn new(min_gap_ms: u32) -> Runs {
        Runs { min_gap_ms: min_gap_ms.into(), done: Vec::new() }
    }

    fn loud(&mut self, window: usize, score: i32, bands: u32) {
        match self.done.last_mut() {
            Some(run) if window <= run.end || ((window - run.end) as u64 * WINDOW_MS) < self.min_gap_ms => {
                run.end = window + 1;
                run.score = run.score.max(score);
                run.bands |= bands;
            }
            _ => self.done.push(Run { first: window, end: window + 1, score, bands }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: [f32; 25] = {
        let mut edges = [0.0; 25];
        let mut i = 0;
        while i < 25 {
            edges[i] = 100.0 * (i as f32 + 1.0);
            i += 1;
        }
        edges
    };

    fn told(section: &Section) -> String {
        let band = section.band_hz.map(|(low, high)| format!(" {low}-{high}")).unwrap_or_default();
        format!("{}-{} {:.1}{band}", section.first_window, section.end_window, section.score.db())
    }

    /// A hundred windows of -60.00, with these levels in between.
    #[track_caller]
    fn levels(loud: &[(usize, i16)], detection: Detection, expected: &[&str]) {
        let mut levels = [-6_000; 100];
        loud.iter().for_each(|&(window, level)| levels[window] = level);
        let found: Vec<_> = find(&levels, &[], &EDGES, &detection).iter().map(told).collect();
        assert_eq!(found, expected, "{loud:?}");
    }

    /// A hundred windows of v = 100 in every band, with these (window, band, v) in between.
    #[track_caller]
    fn cells(loud: &[(usize, usize, u8)], detection: Detection, expected: &[&str]) {
        let mut cells = [100; 100 * DETECTION_BANDS];
        loud.iter().for_each(|&(window, band, v)| cells[window * DETECTION_BANDS + band] = v);
        let found: Vec<_> = find(&[], &cells, &EDGES, &detection).iter().map(told).collect();
        assert_eq!(found, expected, "{loud:?}");
    }

    fn bands() -> Detection {
        Detection { detector: Detector::Bands, ..Detection::default() }
    }

    #[test]
    fn the_margin_is_reached_or_not() {
        levels(&[], Detection::default(), &[]);
        levels(&[(7, -4_801)], Detection::default(), &[]);
        levels(&[(7, -4_800)], Detection::default(), &["7-8 12.0"]);
        levels(&[(0, -4_800), (99, 0)], Detection::default(), &["0-1 12.0", "99-100 60.0"]);
        levels(&[(7, -5_700)], Detection { margin: Centibel(300), ..Detection::default() }, &["7-8 3.0"]);
        levels(&[], Detection { margin: Centibel(0), ..Detection::default() }, &["0-100 0.0"]);
    }

    #[test]
    fn sections_nearer_than_the_gap_are_one() {
        // 7 ends at 8: window 27 is 1.9 s away, 28 is 2.0 s.
        levels(&[(7, -3_000), (27, -2_000)], Detection::default(), &["7-28 40.0"]);
        levels(&[(7, -3_000), (28, -2_000)], Detection::default(), &["7-8 30.0", "28-29 40.0"]);
        levels(&[(7, -3_000), (8, -2_000)], Detection { min_gap_ms: 0, ..Detection::default() }, &["7-9 40.0"]);
        levels(&[(7, -3_000), (9, -2_000)], Detection { min_gap_ms: 0, ..Detection::default() }, &["7-8 30.0", "9-10 40.0"]);
        levels(&[(7, -3_000), (9, -2_000)], Detection { min_gap_ms: 100, ..Detection::default() }, &["7-8 30.0", "9-10 40.0"]);
        levels(&[(7, -3_000), (9, -2_000)], Detection { min_gap_ms: 101, ..Detection::default() }, &["7-10 40.0"]);
        levels(&[(7, 0), (26, 0), (45, 0)], Detection::default(), &["7-46 60.0"]);
    }

    #[test]
    fn levels_may_be_short_and_bands_not() {
        let long = Detection { min_length_ms: 1_000, ..Detection::default() };
        levels(&[(7, -3_000)], long, &["7-8 30.0"]);
        cells(&[(7, 3, 200)], bands(), &[]);
        cells(&[(7, 3, 200), (8, 3, 200)], bands(), &["7-9 50.0 400-500"]);
        cells(&[(7, 3, 200)], Detection { min_length_ms: 100, ..bands() }, &["7-8 50.0 400-500"]);
        // Two short ones that are one in the end are long enough.
        cells(&[(7, 3, 200), (16, 3, 190)], Detection { min_length_ms: 1_000, ..bands() }, &["7-17 50.0 400-500"]);
        cells(&[(7, 3, 200), (16, 3, 190)], Detection { min_length_ms: 1_001, ..bands() }, &[]);
    }

    #[test]
    fn loud_in_any_band_is_loud_and_the_outer_edges_are_told() {
        cells(&[(7, 3, 123), (8, 3, 123)], bands(), &[]);
        cells(&[(7, 3, 124), (8, 3, 124)], bands(), &["7-9 12.0 400-500"]);
        cells(&[(7, 3, 130), (8, 9, 140)], bands(), &["7-9 20.0 400-1100"]);
        cells(&[(7, 0, 130), (8, 23, 124)], bands(), &["7-9 15.0 100-2500"]);
        cells(&[(7, 3, 130), (8, 3, 130), (20, 9, 140), (21, 9, 140)], bands(), &["7-22 20.0 400-1100"]);
        let near = Detection { min_gap_ms: 1_000, ..bands() };
        cells(&[(7, 3, 130), (8, 3, 130), (20, 9, 140), (21, 9, 140)], near, &["7-9 15.0 400-500", "20-22 20.0 1000-1100"]);
    }

    #[test]
    fn margins_between_two_cells_and_beyond_all() {
        cells(&[(7, 3, 101), (8, 3, 101)], Detection { margin: Centibel(1), ..bands() }, &["7-9 0.5 400-500"]);
        cells(&[(7, 3, 101), (8, 3, 101)], Detection { margin: Centibel(51), ..bands() }, &[]);
        cells(&[(7, 3, 255), (8, 3, 255)], Detection { margin: Centibel(i16::MAX), ..bands() }, &[]);
        cells(&[], Detection { margin: Centibel(i16::MIN), ..bands() }, &["0-100 0.0 100-2500"]);
    }

    #[test]
    fn no_floor_is_below_90_db() {
        // v = 10 is -122.5 dBFS; 12 dB above -90 is -78: v = 99.
        let of = |v: u8| {
            let mut cells = vec![10; 100 * DETECTION_BANDS];
            cells[7 * DETECTION_BANDS..9 * DETECTION_BANDS].fill(v);
            find(&[], &cells, &EDGES, &bands()).iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!((of(98), of(99)), (vec![], vec!["7-9 12.0 100-2500".to_owned()]));
    }

    #[test]
    fn a_section_may_cross_blocks_and_its_score_is_of_each_block() {
        // A floor of -60 and then of -50: the same level is 30 and then 20 above it.
        let mut levels: Vec<i16> = (0..600).map(|k| if k < 300 { -6_000 } else { -5_000 }).collect();
        levels[299..310].fill(-3_000);
        let found = find(&levels, &[], &EDGES, &Detection::default());
        assert_eq!(found.iter().map(told).collect::<Vec<_>>(), ["299-310 30.0"]);
    }

    #[test]
    fn whatever_does_not_fit_together_is_survived() {
        for detector in [Detector::Level, Detector::Bands] {
            let detection = Detection { detector, margin: Centibel(-5), min_gap_ms: u32::MAX, min_length_ms: 0 };
            for (levels, cells) in [(0, 0), (1, 23), (0, 24), (1_000, 25), (1, 24 * 451)] {
                let found = find(&vec![0; levels], &vec![9; cells], &EDGES, &detection);
                assert!(found.len() <= 1);
            }
        }
    }
}
