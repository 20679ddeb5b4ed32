//! The whole-day picture: a column of 128 bands for every local minute, the loudest second of each, of what was recorded and of
//! what was only heard.
//!
//! "SPDP", u16 version 1, u16 bands, u32 columns, the columns, then the f32 edges of the bands. 255 where nothing was recorded,
//! else v for −127.5 + v/2 dBFS.

use crate::format::civil::Civil;
use crate::format::profile::View;
use crate::message::analysis::COLUMN_BANDS;
use crate::time::Wall;

const MINUTES: usize = 1_440;
const NOTHING: u8 = 255;
/// Lower edge of the lowest band.
const LOWEST_HZ: f64 = 20.0;

pub struct Picture {
    edges: [f32; COLUMN_BANDS + 1],
    columns: Vec<u8>,
}

impl Picture {
    /// Its bands reach as high as the highest of these rates.
    pub fn new(rates_hz: impl Iterator<Item = u32>) -> Picture {
        let rate_hz = rates_hz.max().unwrap_or(0).max(48);
        let (top, bands) = (f64::from(rate_hz) / 2.0, COLUMN_BANDS as f64);
        let edge = |n: usize| (LOWEST_HZ * (top / LOWEST_HZ).powf(n as f64 / bands)) as f32;
        Picture { edges: std::array::from_fn(edge), columns: vec![NOTHING; MINUTES * COLUMN_BANDS] }
    }

    /// What began then.
    pub fn add(&mut self, start: Wall, utc_offset_s: i32, view: &View<'_>) {
        let (hour, minute, second) = Civil::at(start, utc_offset_s).hour_minute_second();
        let begins = (usize::from(hour as u8) * 60 + usize::from(minute as u8)) * 60 + usize::from(second as u8);
        let from = self.bands_of(&view.column_edges);
        for (n, column) in view.columns().chunks_exact(COLUMN_BANDS).enumerate() {
            let at = (begins + n) / 60 * COLUMN_BANDS;
            let Some(minute) = self.columns.get_mut(at..at + COLUMN_BANDS) else { return };
            for (cell, from) in minute.iter_mut().zip(&from) {
                let value = from.map_or(0, |band| column[band]).min(NOTHING - 1);
                *cell = if *cell == NOTHING { value } else { value.max(*cell) };
            }
        }
    }

    /// For each band of the picture the one of another scale that holds its middle.
    fn bands_of(&self, edges: &[f32; COLUMN_BANDS + 1]) -> [Option<usize>; COLUMN_BANDS] {
        std::array::from_fn(|n| {
            let middle = (self.edges[n] * self.edges[n + 1]).sqrt();
            edges.windows(2).position(|pair| pair[0] <= middle && middle < pair[1])
        })
    }

    pub fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + self.columns.len() + self.edges.len() * 4);
        bytes.extend_from_slice(b"SPDP");
        bytes.extend_from_slice(&1_u16.to_le_bytes());
        bytes.extend_from_slice(&(COLUMN_BANDS as u16).to_le_bytes());
        bytes.extend_from_slice(&(MINUTES as u32).to_le_bytes());
        bytes.extend_from_slice(&self.columns);
        self.edges.iter().for_each(|edge| bytes.extend_from_slice(&edge.to_le_bytes()));
        bytes
    }
}
