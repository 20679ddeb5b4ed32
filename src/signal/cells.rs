//! Spectra to what a profile keeps of them: cells of the detection bands, one set a window, and display columns, one a second.
//!
//! A spectrum belongs to the window of its centre. A cell is the mean power over its window's spectra and its band's bins; a
//! column is the maximum of such means over the windows of its second.

use super::bands::{Bands, cell};
use super::lanes::add_to;
use crate::message::analysis::{COLUMN_BANDS, DETECTION_BANDS, WINDOWS_PER_SECOND};

/// Adds up spectra to windows and windows to seconds; allocates only when there are more than it was made for.
pub struct Cells {
    detection_bands: Bands<DETECTION_BANDS>,
    column_bands: Bands<COLUMN_BANDS>,
    window: u64,
    /// Sums of the powers of each bin over the window's spectra …
    powers: Vec<f64>,
    /// … which are so many.
    spectra: u32,
    /// Maxima of the second.
    loudest: [f64; COLUMN_BANDS],
    detection: Vec<u8>,
    columns: Vec<u8>,
}

impl Cells {
    /// `None` at rates that are too low for any band.
    pub fn new(rate_hz: u32, length: usize, windows: usize) -> Option<Cells> {
        let seconds = windows.div_ceil(WINDOWS_PER_SECOND as usize);
        Some(Cells {
            detection_bands: Bands::detection(rate_hz, length)?,
            column_bands: Bands::columns(rate_hz, length)?,
            window: 0,
            powers: vec![0.0; length / 2 + 1],
            spectra: 0,
            loudest: [0.0; COLUMN_BANDS],
            detection: Vec::with_capacity(windows * DETECTION_BANDS),
            columns: Vec::with_capacity(seconds * COLUMN_BANDS),
        })
    }

    /// Powers of bins 0 to n/2 of the next spectrum, whose centre is in this window.
    pub fn push(&mut self, window: u64, powers: &[f64]) {
        if window != self.window {
            self.end_window();
            self.window = window;
        }
        add_to(&mut self.powers, powers);
        self.spectra += 1;
    }

    fn end_window(&mut self) {
        let spectra = f64::from(self.spectra.max(1));
        self.detection.extend(self.detection_bands.means(&self.powers).map(|sum| cell(sum / spectra)));
        for (loudest, sum) in self.loudest.iter_mut().zip(self.column_bands.means(&self.powers)) {
            *loudest = loudest.max(sum / spectra);
        }
        if (self.window + 1) % WINDOWS_PER_SECOND == 0 {
            self.end_second();
        }
        self.powers.fill(0.0);
        self.spectra = 0;
    }

    fn end_second(&mut self) {
        self.columns.extend(self.loudest.map(cell));
        self.loudest = [0.0; COLUMN_BANDS];
    }

    /// Windows that are whole, × [`DETECTION_BANDS`].
    pub fn detection(&self) -> &[u8] {
        &self.detection
    }

    /// For one who has looked at them and keeps no profile.
    pub fn forget(&mut self) {
        self.detection.clear();
        self.columns.clear();
    }

    pub fn detection_edges(&self) -> [f32; DETECTION_BANDS + 1] {
        self.detection_bands.edges()
    }

    /// Of so many windows: each has a spectrum, since half a window holds two.
    pub fn finish(mut self, windows: usize) -> Found {
        if self.window < windows as u64 {
            self.end_window();
        }
        if windows as u64 % WINDOWS_PER_SECOND != 0 {
            self.end_second();
        }
        debug_assert_eq!(self.detection.len(), windows * DETECTION_BANDS);
        Found {
            detection_edges: self.detection_bands.edges(),
            column_edges: self.column_bands.edges(),
            detection: self.detection,
            columns: self.columns,
        }
    }
}

/// As in a [`Profile`](crate::message::analysis::Profile).
pub struct Found {
    pub detection_edges: [f32; DETECTION_BANDS + 1],
    pub column_edges: [f32; COLUMN_BANDS + 1],
    pub detection: Vec<u8>,
    pub columns: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 8 kHz, 128 frames a spectrum: `power` of (bin, window), so many spectra in each window.
    fn cells(windows: u64, spectra: u64, power: impl Fn(usize, u64) -> f64) -> Found {
        let mut cells = Cells::new(8_000, 128, 0).expect("bands");
        for (window, _) in (0..windows).flat_map(|window| (0..spectra).map(move |n| (window, n))) {
            let powers: Vec<f64> = (0..=64).map(|bin| power(bin, window)).collect();
            cells.push(window, &powers);
        }
        cells.finish(windows as usize)
    }

    #[test]
    fn a_cell_is_a_mean_and_a_column_a_maximum() {
        // One loud window in the second second.
        let found = cells(25, 6, |_, window| if window == 14 { 1e-4 } else { 1e-8 });
        let (loud, quiet) = (175, 95);
        let expected: Vec<u8> = (0..25).flat_map(|window| [if window == 14 { loud } else { quiet }; DETECTION_BANDS]).collect();
        assert_eq!(found.detection, expected);
        let expected: Vec<u8> = [quiet, loud, quiet].into_iter().flat_map(|v| [v; COLUMN_BANDS]).collect();
        assert_eq!(found.columns, expected);
    }

    #[test]
    fn the_windows_that_count_decide() {
        for (windows, seconds) in [(0, 0), (1, 1), (9, 1), (10, 1), (11, 2), (20, 2)] {
            let found = cells(windows, 6, |_, _| 1.0);
            assert_eq!((found.detection.len(), found.columns.len()), (windows as usize * 24, seconds * 128), "{windows}");
        }
        // A spectrum behind the last window that counts belongs to nothing.
        let mut cells = Cells::new(8_000, 128, 0).expect("bands");
        cells.push(0, &[1e-8; 65]);
        cells.push(1, &[1.0; 65]);
        let found = cells.finish(1);
        assert_eq!((found.detection, found.columns), (vec![95; 24], vec![95; 128]));
    }
}
