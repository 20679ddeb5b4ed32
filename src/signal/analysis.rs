//! All that is known of a recording's sound, computed while it comes.
//!
//! [`Analyzer`] composes what each file beside it does: [`level`](super::level) over all channels, and over the mean of the
//! channels the spectra of [`fft`](super::fft), of which [`cells`](super::cells) makes detection cells and display columns and
//! [`indices`](super::indices) the indices of each minute. What stands out is decided afterwards, from the profile alone
//! ([`section`](super::section)).

use super::cells::Cells;
use super::floor;
use super::lanes::pack_s16;
use super::level::Levels;
use super::spectra::Spectra;
use crate::message::analysis::{Analysis, COLUMN_BANDS, DETECTION_BANDS, Profile};
use crate::message::window;

/// What is pushed: interleaved frames, full scale = 2^(bits-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Nominal.
    pub rate_hz: u32,
    pub channels: u8,
    /// 1 to 32.
    pub bits: u8,
}

impl Shape {
    /// What a shape may be, whatever was said.
    fn sound(self) -> Shape {
        Shape { rate_hz: self.rate_hz.max(1), channels: self.channels.max(1), bits: self.bits.clamp(1, 32) }
    }

    pub(super) fn full_scale(self) -> f64 {
        2_f64.powi(i32::from(self.bits) - 1)
    }

    /// The least and the greatest value of a sample.
    pub(super) fn extremes(self) -> (i32, i32) {
        let spare = 32 - u32::from(self.bits);
        (i32::MIN >> spare, i32::MAX >> spare)
    }

    /// Bytes of a frame as blocks hold it.
    fn frame_bytes(self) -> usize {
        usize::from(self.channels) * usize::from(self.bits).div_ceil(8)
    }
}

/// What is wanted besides levels and quality, which cost little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Detection bands and display columns; without them their lists stay empty.
    pub bands: bool,
    pub indices: bool,
}

impl Scope {
    pub const ALL: Scope = Scope { bands: true, indices: true };
    pub const BANDS: Scope = Scope { bands: true, indices: false };
    pub const LEVELS: Scope = Scope { bands: false, indices: false };
}

/// Samples that are unpacked at once.
const PIECE: usize = 1_024;

/// Takes a recording from its first frame to its last, in pieces of any size; the result is the same.
pub struct Analyzer {
    shape: Shape,
    levels: Levels,
    spectra: Option<Spectra>,
}

impl Analyzer {
    pub fn new(format: Shape, scope: Scope) -> Analyzer {
        Analyzer::with_capacity(format, scope, 0)
    }

    /// Nothing is allocated before [`Analyzer::finish`] while no more than so many frames come.
    pub fn with_capacity(format: Shape, scope: Scope, frames: u64) -> Analyzer {
        let shape = format.sound();
        let windows = usize::try_from(window::windows(frames, shape.rate_hz)).unwrap_or(0);
        let spectra = (scope != Scope::LEVELS).then(|| Spectra::new(shape, scope.bands, scope.indices, windows)).flatten();
        Analyzer { shape, levels: Levels::new(shape, windows), spectra }
    }

    /// That were pushed.
    pub fn frames(&self) -> u64 {
        self.levels.frames()
    }

    /// Of the newest whole window, hundredths of dBFS.
    pub fn last_level(&self) -> Option<i16> {
        self.levels.last()
    }

    /// Largest sample of the newest second, hundredths of dBFS.
    pub fn last_peak(&self) -> Option<i16> {
        self.levels.last_peak()
    }

    /// The levels of the windows that are whole, and their detection cells, which come a little later; none before
    /// [`forget`](Self::forget).
    pub fn windows(&self) -> (&[i16], &[u8]) {
        (self.levels.all(), self.cells().map_or(&[], Cells::detection))
    }

    /// Forgets the windows that are whole, for one who looks at each as it comes and makes no profile.
    pub fn forget(&mut self) {
        self.levels.forget();
        if let Some(cells) = self.spectra.as_mut().and_then(|spectra| spectra.cells.as_mut()) {
            cells.forget();
        }
    }

    /// Hz; `None` where there are no bands.
    pub fn detection_edges(&self) -> Option<[f32; DETECTION_BANDS + 1]> {
        self.cells().map(Cells::detection_edges)
    }

    fn cells(&self) -> Option<&Cells> {
        self.spectra.as_ref()?.cells.as_ref()
    }

    /// Samples so far at the highest or the lowest value that the depth holds.
    pub fn clipped(&self) -> u64 {
        self.levels.clipped()
    }

    /// Interleaved samples; those behind the last whole frame are nobody's.
    pub fn push(&mut self, samples: &[i32]) {
        if self.shape.bits == 16 {
            return self.push_packed(samples);
        }
        self.levels.push(samples);
        if let Some(spectra) = &mut self.spectra {
            spectra.push(samples);
        }
    }

    /// Sixteen bits are added up faster as what they are.
    fn push_packed(&mut self, samples: &[i32]) {
        let channels = usize::from(self.shape.channels);
        let mut packed = [0; 2 * PIECE];
        for piece in samples.chunks(PIECE / channels * channels) {
            pack_s16(piece, &mut packed);
            self.push_bytes(&packed[..2 * piece.len()]);
        }
    }

    /// Interleaved samples as blocks hold them: little endian, signed, packed in as few bytes as they need.
    pub fn push_bytes(&mut self, pcm: &[u8]) {
        if self.shape.bits == 16 {
            self.levels.push_s16(pcm);
            if let Some(spectra) = &mut self.spectra {
                spectra.push_s16(pcm);
            }
            return;
        }
        let (frame, channels) = (self.shape.frame_bytes(), usize::from(self.shape.channels));
        let mut samples = [0; PIECE];
        for piece in pcm.chunks(PIECE / channels * frame) {
            let whole = piece.len() / frame * channels;
            unpack(piece, frame / channels, &mut samples[..whole]);
            self.push(&samples[..whole]);
        }
    }

    pub fn finish(self) -> Analysis {
        let frames = self.frames();
        let (levels, mut quality) = self.levels.finish();
        quality.floor = f64::from(floor::median(&floor::floors(&levels))) / 100.0;
        let mut profile = Profile {
            rate_hz: self.shape.rate_hz,
            frames,
            detection_edges: [0.0; DETECTION_BANDS + 1],
            column_edges: [0.0; COLUMN_BANDS + 1],
            levels,
            detection: Vec::new(),
            columns: Vec::new(),
        };
        let (cells, indices) = self.spectra.map_or((None, None), |spectra| (spectra.cells, spectra.indices));
        if let Some(cells) = cells {
            let found = cells.finish(profile.levels.len());
            (profile.detection_edges, profile.column_edges) = (found.detection_edges, found.column_edges);
            (profile.detection, profile.columns) = (found.detection, found.columns);
        }
        let indices = indices.map_or(Vec::new(), |minutes| minutes.finish(&profile.levels));
        Analysis { profile, quality, indices }
    }
}

/// Little-endian signed samples of 1 to 4 bytes.
fn unpack(bytes: &[u8], width: usize, samples: &mut [i32]) {
    match width {
        3 => fill(bytes, samples, |b: [u8; 3]| i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8),
        1 => fill(bytes, samples, |b: [u8; 1]| i32::from(b[0] as i8)),
        2 => fill(bytes, samples, |b: [u8; 2]| i32::from(i16::from_le_bytes(b))),
        _ => fill(bytes, samples, i32::from_le_bytes),
    }
}

fn fill<const N: usize>(bytes: &[u8], samples: &mut [i32], value: impl Fn([u8; N]) -> i32) {
    for (sample, bytes) in samples.iter_mut().zip(bytes.chunks_exact(N)) {
        let mut packed = [0; N];
        packed.copy_from_slice(bytes);
        *sample = value(packed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::analysis::Quality;

    /// Noise with a tone in it, of any number of bits.
    fn sound(shape: Shape, frames: usize) -> Vec<i32> {
        let mut seed = 1_u64;
        let (_, highest) = shape.extremes();
        let samples = (0..frames * usize::from(shape.channels)).map(|i| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = (seed >> 33) as f64 / 2_f64.powi(31) - 0.5;
            ((noise * 0.3 + (i as f64 * 0.2).sin() * 0.4) * f64::from(highest)) as i32
        });
        samples.collect()
    }

    fn packed(shape: Shape, samples: &[i32]) -> Vec<u8> {
        let width = usize::from(shape.bits).div_ceil(8);
        samples.iter().flat_map(|x| x.to_le_bytes().into_iter().take(width)).collect()
    }

    const SHAPES: [Shape; 5] = [
        Shape { rate_hz: 8_000, channels: 1, bits: 16 },
        Shape { rate_hz: 11_035, channels: 2, bits: 16 },
        Shape { rate_hz: 4_001, channels: 3, bits: 24 },
        Shape { rate_hz: 2_000, channels: 8, bits: 8 },
        Shape { rate_hz: 8_000, channels: 2, bits: 32 },
    ];

    #[test]
    fn pieces_of_any_size_are_the_same_as_one() {
        for shape in SHAPES {
            let frames = shape.rate_hz as usize * 33 + 1_234;
            let samples = sound(shape, frames);
            let mut whole = Analyzer::new(shape, Scope::ALL);
            whole.push(&samples);
            let expected = whole.finish();
            assert_eq!((expected.profile.frames, expected.indices.len()), (frames as u64, 1), "{shape:?}");
            for piece in [1, 7, 4_096] {
                let mut analyzer = Analyzer::with_capacity(shape, Scope::ALL, frames as u64);
                for some in samples.chunks(piece * usize::from(shape.channels)) {
                    analyzer.push(some);
                }
                assert_eq!(analyzer.finish(), expected, "{shape:?} in pieces of {piece}");
                let mut analyzer = Analyzer::new(shape, Scope::ALL);
                for some in packed(shape, &samples).chunks(piece * shape.frame_bytes()) {
                    analyzer.push_bytes(some);
                }
                assert_eq!(analyzer.finish(), expected, "{shape:?} in bytes, {piece} frames each");
            }
        }
    }

    #[test]
    fn a_scope_leaves_out_and_changes_nothing_else() {
        let shape = SHAPES[0];
        let of = |bands, indices| {
            let mut analyzer = Analyzer::new(shape, Scope { bands, indices });
            analyzer.push(&sound(shape, 40 * 8_000));
            analyzer.finish()
        };
        let all = of(true, true);
        assert_eq!((all.profile.levels.len(), all.profile.detection.len(), all.profile.columns.len()), (400, 9_600, 5_120));
        let levels = of(false, false);
        assert_eq!((&levels.profile.levels, levels.quality), (&all.profile.levels, all.quality));
        assert!(levels.profile.detection.is_empty() && levels.profile.columns.is_empty() && levels.indices.is_empty());
        assert_eq!((of(true, false).profile, of(false, true).indices), (all.profile, all.indices));
    }

    #[test]
    fn what_is_pushed_within_the_capacity_moves_nothing() {
        let shape = SHAPES[0];
        let frames = 8_000 * 90;
        let mut analyzer = Analyzer::with_capacity(shape, Scope::ALL, frames);
        analyzer.push(&sound(shape, frames as usize));
        let found = analyzer.finish();
        assert!(found.profile.levels.capacity() == 900 && found.profile.detection.capacity() == 900 * 24);
        assert!(found.profile.columns.capacity() == 90 * 128 && found.indices.capacity() == 2);
    }

    #[test]
    fn any_shape_is_survived() {
        for (rate_hz, channels, bits) in [(0, 0, 0), (1, 1, 1), (159, 2, 40), (160, 255, 255), (222, 1, 12), (u32::MAX, 1, 16)] {
            let mut analyzer = Analyzer::new(Shape { rate_hz, channels, bits }, Scope { bands: rate_hz < 1_000, indices: false });
            analyzer.push(&[7; 1_001]);
            analyzer.push_bytes(&[7; 5_003]);
            let found = analyzer.finish();
            assert_eq!(found.profile.levels.len() as u64, window::windows(found.profile.frames, rate_hz.max(1)));
        }
        let nothing = Analyzer::new(SHAPES[1], Scope::ALL).finish();
        assert_eq!(nothing.profile.levels.len() + nothing.profile.detection.len() + nothing.profile.columns.len(), 0);
        assert_eq!(nothing.quality, Quality { level: -120.0, floor: -90.0, ..Quality::default() });
    }
}
