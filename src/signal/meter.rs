//! A level meter: root mean square, peak, and whether it clipped, ten times a second.

use super::Shape;
use crate::message::analysis::{Centibel, WINDOWS_PER_SECOND};

/// Windows that a clipped sample is shown for: two seconds.
const HELD: u32 = 2 * WINDOWS_PER_SECOND as u32;
/// The least that is told, in dBFS.
const LOWEST_DB: f64 = -120.0;

/// What a meter shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Of the newest tenth of a second: 10·log10 of the mean of x² over all frames and channels.
    pub level: Centibel,
    /// Its largest sample.
    pub peak: Centibel,
    /// A sample of the last two seconds was the highest or the lowest that there is.
    pub is_clipped: bool,
}

pub struct Meter {
    shape: Shape,
    frames: u32,
    /// Of the window that is being filled, in units of a sample.
    squares: f64,
    peak: u32,
    /// Windows for which it is still shown that it clipped.
    held: u32,
    last: Option<Reading>,
}

impl Meter {
    pub fn new(shape: Shape) -> Meter {
        Meter { shape, frames: 0, squares: 0.0, peak: 0, held: 0, last: None }
    }

    /// Whole frames; true when there is a new reading.
    pub fn push(&mut self, samples: &[i32]) -> bool {
        let (lowest, highest) = self.shape.extremes();
        let whole = (self.shape.rate_hz / WINDOWS_PER_SECOND as u32).max(1);
        let mut is_new = false;
        for frame in samples.chunks_exact(usize::from(self.shape.channels).max(1)) {
            for &sample in frame {
                self.squares += f64::from(sample) * f64::from(sample);
                self.peak = self.peak.max(sample.unsigned_abs());
                if sample <= lowest || sample >= highest {
                    self.held = HELD + 1;
                }
            }
            self.frames += 1;
            if self.frames >= whole {
                self.show();
                is_new = true;
            }
        }
        is_new
    }

    pub fn last(&self) -> Option<Reading> {
        self.last
    }

    fn show(&mut self) {
        let full = self.shape.full_scale();
        let mean = self.squares / (f64::from(self.frames) * f64::from(self.shape.channels) * full * full);
        let peak = f64::from(self.peak) / full;
        self.held = self.held.saturating_sub(1);
        self.last = Some(Reading { level: centibel(mean), peak: centibel(peak * peak), is_clipped: self.held > 0 });
        (self.frames, self.squares, self.peak) = (0, 0.0, 0);
    }
}

fn centibel(power: f64) -> Centibel {
    Centibel::of_db((10.0 * power.log10()).clamp(LOWEST_DB, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { rate_hz: 1_000, channels: 2, bits: 16 };

    fn reading(meter: &mut Meter, sample: i32) -> (f64, f64, bool) {
        assert!(meter.push(&[sample; 200]), "a tenth of a second");
        let Reading { level, peak, is_clipped } = meter.last().expect("a reading");
        (level.db(), peak.db(), is_clipped)
    }

    #[test]
    fn levels_of_a_tenth_of_a_second() {
        let mut meter = Meter::new(SHAPE);
        assert!(!meter.push(&[1; 100]) && meter.last().is_none());
        meter.push(&[1; 100]);
        assert_eq!(reading(&mut meter, 0), (-120.0, -120.0, false));
        assert_eq!(reading(&mut meter, 16_384), (-6.02, -6.02, false));
        let one = [0; 199].into_iter().chain([-16_384]).collect::<Vec<_>>();
        assert!(meter.push(&one));
        let Reading { level, peak, .. } = meter.last().expect("a reading");
        assert_eq!((level.db(), peak.db()), (-29.03, -6.02));
    }

    #[test]
    fn clipping_is_shown_for_two_seconds() {
        for sample in [32_767, -32_768] {
            let mut meter = Meter::new(SHAPE);
            assert_eq!(reading(&mut meter, sample), (0.0, 0.0, true));
            let shown = (0..40).map(|_| reading(&mut meter, 5).2).filter(|shown| *shown).count();
            assert_eq!(shown, 19, "the window itself and 19 more");
        }
    }
}
