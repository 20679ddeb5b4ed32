//! A signal's spectra, handed to all that is made of them: cells and columns, and the indices.

use super::Shape;
use super::cells::Cells;
use super::fft::Transform;
use super::indices::Minutes;
use super::lanes::add_up_s16;
use crate::message::window;

/// The mean of the channels, transformed piece by piece.
pub struct Spectra {
    shape: Shape,
    transform: Transform,
    /// Centre of the next spectrum, in frames of the file.
    centre: u64,
    window: u64,
    /// First frame behind `window`.
    end: u64,
    pub cells: Option<Cells>,
    pub indices: Option<Minutes>,
}

impl Spectra {
    /// `None` at rates that are too low for spectra.
    pub fn new(shape: Shape, cells: bool, indices: bool, windows: usize) -> Option<Spectra> {
        let (rate_hz, length) = (shape.rate_hz, window::spectrum_frames(shape.rate_hz)?);
        let mean_unit = shape.full_scale() * f64::from(shape.channels);
        Some(Spectra {
            shape,
            transform: Transform::new(length, mean_unit),
            centre: length as u64 / 2,
            window: 0,
            end: window::first_frame(1, rate_hz),
            cells: cells.then(|| Cells::new(rate_hz, length, windows)).flatten(),
            indices: indices.then(|| Minutes::new(rate_hz, length, windows / 600 + 1)),
        })
    }

    /// Whole frames.
    pub fn push(&mut self, samples: &[i32]) {
        match usize::from(self.shape.channels) {
            1 => self.spectra(samples, 1, each(1, |frame: &[i32]| f64::from(frame[0]))),
            2 => self.spectra(samples, 2, each(2, |frame: &[i32]| f64::from(frame[0]) + f64::from(frame[1]))),
            channels => {
                let sum = each(channels, |frame: &[i32]| frame.iter().map(|&x| f64::from(x)).sum());
                self.spectra(samples, channels, sum);
            }
        }
    }

    /// Whole frames of 16 bits, little endian.
    pub fn push_s16(&mut self, pcm: &[u8]) {
        let at = |frame: &[u8], i: usize| i32::from(i16::from_le_bytes([frame[i], frame[i + 1]]));
        match 2 * usize::from(self.shape.channels) {
            2 => self.spectra(pcm, 2, each(2, |frame: &[u8]| at(frame, 0).into())),
            4 => self.spectra(pcm, 4, add_up_s16),
            width => {
                let sum = each(width, |frame: &[u8]| (0..width).step_by(2).map(|i| at(frame, i)).sum::<i32>().into());
                self.spectra(pcm, width, sum);
            }
        }
    }

    /// `sums` adds up the channels of frames, each of which is `width` items, and multiplies by the third.
    fn spectra<T>(&mut self, mut items: &[T], width: usize, sums: impl Fn(&[T], &mut [f64], &[f64])) {
        while items.len() >= width {
            let (frames, window) = self.transform.next(items.len() / width);
            let take = frames.len();
            let (now, rest) = items.split_at(take * width);
            sums(now, frames, window);
            let length = self.transform.length() as u64;
            if let Some(powers) = self.transform.push(take) {
                while self.centre >= self.end {
                    self.window += 1;
                    self.end = window::first_frame(self.window + 1, self.shape.rate_hz);
                }
                if let Some(cells) = &mut self.cells {
                    cells.push(self.window, powers);
                }
                if let Some(indices) = &mut self.indices {
                    indices.push(self.window, powers);
                }
                self.centre += length;
            }
            items = rest;
        }
    }
}

/// One frame after the other.
fn each<T>(width: usize, sum: impl Fn(&[T]) -> f64) -> impl Fn(&[T], &mut [f64], &[f64]) {
    move |items, sums, by| {
        let places = sums.iter_mut().zip(by);
        items.chunks_exact(width).zip(places).for_each(|(frame, (place, by))| *place = sum(frame) * by);
    }
}
