//! Logarithmic bands of a spectrum, and the byte that holds a band's power.
//!
//! A band holds the bins whose centre is in [lower edge, upper edge); a band without one, where bands are narrower than bins,
//! takes the bin nearest to its geometric centre.

use std::ops::Range;

use crate::message::analysis::{COLUMN_BANDS, DETECTION_BANDS};

/// `N` bands, over bins of one rate and length.
pub struct Bands<const N: usize> {
    /// Hz, N + 1 of them.
    edges: Vec<f64>,
    bins: [Range<usize>; N],
}

impl Bands<DETECTION_BANDS> {
    /// From max(100 Hz, two bins) to 0.45 r: without hum and rumble, and without what an anti-alias filter cuts off.
    pub fn detection(rate_hz: u32, length: usize) -> Option<Bands<DETECTION_BANDS>> {
        let rate = f64::from(rate_hz);
        Bands::new(100_f64.max(2.0 * rate / length as f64), 0.45 * rate, rate / length as f64)
    }
}

impl Bands<COLUMN_BANDS> {
    /// From 20 Hz to r/2: all that can be heard, and above.
    pub fn columns(rate_hz: u32, length: usize) -> Option<Bands<COLUMN_BANDS>> {
        let rate = f64::from(rate_hz);
        Bands::new(20.0, rate / 2.0, rate / length as f64)
    }
}

impl<const N: usize> Bands<N> {
    /// Between `low` and `high`, over bins that are `spacing` apart, all in Hz; `None` where nothing is between them.
    fn new(low: f64, high: f64, spacing: f64) -> Option<Bands<N>> {
        if low >= high {
            return None;
        }
        // The outer edges are exact: a bin may lie on one.
        let mut edges: Vec<f64> = (0..=N).map(|i| low * (high / low).powf(i as f64 / N as f64)).collect();
        (edges[0], edges[N]) = (low, high);
        let first_from = |hz: f64| (hz / spacing).ceil() as usize;
        let bins = std::array::from_fn(|i| {
            let inside = first_from(edges[i])..first_from(edges[i + 1]);
            let nearest = ((edges[i] * edges[i + 1]).sqrt() / spacing).round() as usize;
            if inside.is_empty() { nearest..nearest + 1 } else { inside }
        });
        Some(Bands { edges, bins })
    }

    /// As a profile keeps them.
    pub fn edges<const EDGES: usize>(&self) -> [f32; EDGES] {
        std::array::from_fn(|i| self.edges.get(i).map_or(0.0, |&hz| hz as f32))
    }

    /// Mean of the powers of each band's bins.
    pub fn means<'a>(&'a self, powers: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.bins.iter().map(|bins| {
            let inside = powers.get(bins.clone()).unwrap_or_default();
            inside.iter().sum::<f64>() / bins.len() as f64
        })
    }
}

/// A power as v, meaning -127.5 + v/2 dBFS; rounded half away from zero, and what is quieter or louder is at the end of it.
pub fn cell(power: f64) -> u8 {
    // A float becomes the nearest byte that there is, and no power at all the lowest.
    ((10.0 * power.log10() + 127.5) * 2.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_as_bytes() {
        let check = |db: f64, expected| assert_eq!(cell(10_f64.powf(db / 10.0)), expected, "{db} dBFS");
        check(0.0, 255);
        check(7.0, 255);
        check(-127.5, 0);
        check(-200.0, 0);
        check(-90.0, 75);
        check(-90.24, 75);
        check(-90.26, 74);
        assert_eq!((cell(0.0), cell(f64::NAN), cell(f64::INFINITY)), (0, 0, 255));
    }

    #[test]
    fn detection_at_48_khz() {
        let bands = Bands::detection(48_000, 1_024).expect("bands");
        let edges: [f32; 25] = bands.edges();
        assert_eq!((edges[0], edges[24]), (100.0, 21_600.0));
        assert!(edges.windows(2).all(|two| (two[1] / two[0] - 1.251_0).abs() < 1e-3), "{edges:?}");
        // 46.875 Hz a bin: 100 to 125 Hz has none, and 93.75 is the nearest to 111.8 Hz; 125 to 156 has 140.6.
        assert_eq!(bands.bins[..3], [2..3, 3..4, 4..5]);
        assert_eq!(bands.bins[23].end, 461);
    }

    #[test]
    fn every_bin_between_the_outer_edges_is_in_one_band() {
        for rate in [8_000, 22_050, 44_100, 48_000, 96_000, 192_000, 384_000, 768_000] {
            let length = crate::message::window::spectrum_frames(rate).expect("long enough");
            let check = |edges: &[f64], bins: &[Range<usize>], what: &str| {
                let spacing = f64::from(rate) / length as f64;
                for bin in 0..=length / 2 {
                    let hz = bin as f64 * spacing;
                    let holds = bins.iter().zip(edges.windows(2));
                    let holds = holds.filter(|(bins, edges)| bins.contains(&bin) && edges[0] <= hz && hz < edges[1]).count();
                    let inside = edges[0] <= hz && hz < edges[edges.len() - 1];
                    assert_eq!(holds, usize::from(inside), "{what}: bin {bin} at {rate} Hz");
                }
                assert!(bins.iter().all(|bins| !bins.is_empty() && bins.end <= length / 2 + 1), "{what} at {rate} Hz");
            };
            let (detection, columns) = (Bands::detection(rate, length), Bands::columns(rate, length));
            let (detection, columns) = (detection.expect("bands"), columns.expect("bands"));
            check(&detection.edges, &detection.bins, "detection");
            check(&columns.edges, &columns.bins, "columns");
        }
    }

    #[test]
    fn where_nothing_is_to_be_seen_there_are_no_bands() {
        assert!(Bands::detection(200, 4).is_none());
        assert!(Bands::detection(320, 8).is_some());
    }
}
