//! Columns of a scrolling spectrogram: what the newest moment holds at each frequency, 25 times a second.
//!
//! A column is the power spectrum of the frames that end with its moment (periodic Hann, a full-scale sine is 0 dBFS) in rows of
//! equal width from 0 Hz to half of the rate: the loudest bin of each, as a value v for -127.5 + v/2 dBFS. Nothing is allocated
//! after `new`.

use super::fft::Transform;
use super::lanes;

pub const COLUMNS_PER_SECOND: u32 = 25;
/// At most; low rates have as many as they have bins.
pub const ROWS: usize = 512;
/// Of a spectrum, a power of two.
const LONGEST: usize = 16_384;

pub struct Waterfall {
    rate_hz: u32,
    transform: Transform,
    column: Vec<u8>,
    /// Frames before the next column, in units of 1 / (rate · columns a second).
    credit: u64,
}

impl Waterfall {
    pub fn new(rate_hz: u32) -> Waterfall {
        // At least as long as two columns are apart.
        let length = (2 * rate_hz / COLUMNS_PER_SECOND).next_power_of_two().clamp(64, LONGEST as u32) as usize / 2;
        let rows = (length / 2).min(ROWS);
        Waterfall { rate_hz, transform: Transform::new(length, 1.0), column: vec![0; rows], credit: 0 }
    }

    pub fn rows(&self) -> usize {
        self.column.len()
    }

    /// Samples that a column is made of.
    pub fn length(&self) -> usize {
        self.transform.length()
    }

    /// So many more frames have come. How many of the newest frames are younger than each column that is due, oldest column first.
    pub fn due(&mut self, frames: usize) -> impl Iterator<Item = usize> + use<> {
        let rate = u64::from(self.rate_hz.max(1));
        self.credit += frames as u64 * u64::from(COLUMNS_PER_SECOND);
        let columns = self.credit / rate;
        self.credit %= rate;
        let rest = self.credit;
        (0..columns).rev().map(move |later| ((later * rate + rest) / u64::from(COLUMNS_PER_SECOND)) as usize)
    }

    /// Of exactly [`length`](Waterfall::length) samples, the mean of the channels, from -1 to 1.
    pub fn column(&mut self, mono: &[f64]) -> &[u8] {
        let (place, window) = self.transform.next(mono.len());
        lanes::multiply(mono, window, place);
        let count = place.len();
        if let Some(powers) = self.transform.push(count) {
            let bins = (powers.len() - 1) / self.column.len();
            // Without the bin at half of the rate.
            for (row, bins) in self.column.iter_mut().zip(powers.chunks_exact(bins)) {
                *row = value(bins.iter().copied().fold(0.0, f64::max));
            }
        }
        &self.column
    }
}

/// v for -127.5 + v/2 dBFS.
fn value(power: f64) -> u8 {
    (20.0 * power.log10() + 255.0).round() as u8 // saturates
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[test]
    fn the_bright_row_is_at_the_tone() {
        for (rate, hz) in [(8_000, 1_000.0), (48_000, 1_000.0), (48_000, 20_000.0), (384_000, 45_000.0)] {
            let mut waterfall = Waterfall::new(rate);
            let sine = |i: usize| 0.1 * (TAU * hz * i as f64 / f64::from(rate)).sin();
            let mono: Vec<f64> = (0..waterfall.length()).map(sine).collect();
            let rows = waterfall.rows();
            let column = waterfall.column(&mono);
            let (brightest, value) = column.iter().enumerate().max_by_key(|(_, value)| **value).expect("rows");
            let at = hz / (f64::from(rate) / 2.0) * rows as f64;
            assert!((brightest as f64..=brightest as f64 + 1.0).contains(&at), "{rate} Hz: row {brightest}, the tone is at {at}");
            // -20 dBFS, less what falls between two bins.
            assert!((212..=215).contains(value), "{value}");
            let far = column.iter().enumerate().filter(|(row, _)| row.abs_diff(brightest) > 20);
            assert!(far.map(|(_, value)| *value).max().expect("rows") < 120, "{column:?}");
        }
    }

    #[test]
    fn there_are_25_columns_a_second_however_the_frames_come() {
        for (rate, piece) in [(48_000, 960), (44_100, 441), (44_100, 5_000), (8_001, 1), (384_000, 7_680)] {
            let mut waterfall = Waterfall::new(rate);
            let (mut columns, mut last) = (0, 0);
            let mut frames = 0;
            while frames + piece <= rate as usize * 3 {
                frames += piece;
                for younger in waterfall.due(piece) {
                    let at = frames - younger;
                    assert!(at > last && at - last <= rate as usize / 25 + 1 || columns == 0, "{rate} Hz: {last}, {at}");
                    (columns, last) = (columns + 1, at);
                }
            }
            assert_eq!(columns, frames * 25 / rate as usize, "{rate} Hz in pieces of {piece}");
        }
    }

    #[test]
    fn silence_is_0_and_nothing_more_than_everything() {
        let mut waterfall = Waterfall::new(48_000);
        let silence = vec![0.0; waterfall.length()];
        assert!(waterfall.column(&silence).iter().all(|value| *value == 0));
        let loud = vec![1e18; waterfall.length()];
        assert_eq!(waterfall.column(&loud)[0], 255);
    }
}
