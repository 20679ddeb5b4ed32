//! What is known of the sound of a recording: its profile, what stands out in it, how good it is. Plain data, computed by
//! [`signal`](crate::signal), kept by the store, drawn by the page.

use std::ops::Range;

/// Windows of a profile a second: window k holds frames [⌊k·r/10⌋, ⌊(k+1)·r/10⌋).
pub const WINDOWS_PER_SECOND: u64 = 10;

/// Logarithmic bands that detection looks at.
pub const DETECTION_BANDS: usize = 24;

/// Logarithmic bands of a display column.
pub const COLUMN_BANDS: usize = 128;

/// Frames are cut into steps of this for ACI.
pub const ACI_STEP_S: u32 = 5;
/// Width of the bands of ADI and AEI, and how far they go.
pub const ADI_BAND_HZ: u32 = 1_000;
pub const ADI_MAX_HZ: u32 = 10_000;
/// Of ADI and AEI, from the loudest cell of the minute.
pub const ADI_THRESHOLD_DB: f64 = -50.0;
pub const BI_HZ: Range<u32> = 2_000..8_000;
/// What machines fill, in NDSI, …
pub const ANTHROPHONY_HZ: Range<u32> = 1_000..2_000;
/// … and what animals do, by bands of this width.
pub const BIOPHONY_HZ: Range<u32> = 2_000..8_000;
pub const NDSI_BAND_HZ: u32 = 1_000;

/// Hundredths of a decibel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Centibel(pub i16);

impl Centibel {
    pub fn db(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Rounded half away from zero; what no i16 holds becomes the nearest that it does.
    pub fn of_db(db: f64) -> Centibel {
        Centibel((db * 100.0).round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16)
    }
}

/// Which rule marks sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detector {
    /// The level of the whole signal over its floor.
    Level,
    /// Any of the detection bands over its own floor.
    Bands,
}

impl Detector {
    pub const fn name(self) -> &'static str {
        match self {
            Detector::Level => "level",
            Detector::Bands => "bands",
        }
    }

    /// Over the floor, where nothing else is wished. Bands want more: twenty drops of rain fall in a window, and now and then
    /// one is so much larger than most that it lifts a band by 12 dB; by 15 dB none does.
    pub fn usual_margin(self) -> Centibel {
        match self {
            Detector::Level => Centibel(1_200),
            Detector::Bands => Centibel(1_500),
        }
    }

    pub fn of_name(name: &str) -> Option<Detector> {
        [Detector::Level, Detector::Bands].into_iter().find(|detector| detector.name() == name)
    }
}

/// What a section is, for a listener: everything that its marks depend on besides the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Detection {
    pub detector: Detector,
    /// Over the floor.
    pub margin: Centibel,
    /// Sections nearer to each other than this are one.
    pub min_gap_ms: u32,
    /// Shorter ones are dropped; [`Detector::Bands`] only.
    pub min_length_ms: u32,
}

impl Detection {
    /// The defaults.
    pub fn by(detector: Detector) -> Detection {
        Detection { detector, margin: detector.usual_margin(), min_gap_ms: 2_000, min_length_ms: 200 }
    }
}

impl Default for Detection {
    fn default() -> Detection {
        Detection::by(Detector::Level)
    }
}

/// All that detection and drawing need of a recording, about 1.4 MB an hour.
///
/// `detection` and `columns` hold a value v for -127.5 + v/2 dBFS, where a full-scale sine is 0 dBFS.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Nominal.
    pub rate_hz: u32,
    /// That were analysed: the file's.
    pub frames: u64,
    /// Hz.
    pub detection_edges: [f32; DETECTION_BANDS + 1],
    /// Hz.
    pub column_edges: [f32; COLUMN_BANDS + 1],
    /// dBFS in hundredths, one a window.
    pub levels: Vec<i16>,
    /// Windows × [`DETECTION_BANDS`].
    pub detection: Vec<u8>,
    /// Seconds × [`COLUMN_BANDS`]; a last second may be short.
    pub columns: Vec<u8>,
}

/// A loud part, in windows of its file: [first, end).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Section {
    pub first_window: u32,
    pub end_window: u32,
    /// Highest over the floor.
    pub score: Centibel,
    /// Outer edges in Hz of the bands that were loud; [`Detector::Bands`] only.
    pub band_hz: Option<(f32, f32)>,
}

/// How good a recording is, over all channels.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Quality {
    /// Highest absolute sample as a fraction of full scale, 2^(bits-1).
    pub peak: f64,
    /// Mean of all samples as a fraction of full scale.
    pub dc: f64,
    /// Samples at the highest or the lowest value that the depth holds.
    pub clipped_samples: u64,
    /// Windows in which every sample is zero.
    pub silent_windows: u64,
    /// Of the whole file: 10·log10 of the mean of x², in dBFS, at least -120.
    pub level: f64,
    /// In dBFS: the middle one of the floors of its half minutes.
    pub floor: f64,
}

/// The acoustic indices of one minute of a recording, by their published definitions ([`signal::indices`](crate::signal)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Indices {
    pub aci: f32,
    pub adi: f32,
    pub aei: f32,
    pub bi: f32,
    pub h: f32,
    pub ndsi: f32,
}

/// Everything that is known of a recording's sound when its last frame is.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    pub profile: Profile,
    pub quality: Quality,
    /// One a whole minute, and one for a last part of at least half a minute.
    pub indices: Vec<Indices>,
}

/// What a program that was run over a recording says of a part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Label {
    /// Seconds from the start of the recording; `from_s <= to_s`.
    pub from_s: f64,
    pub to_s: f64,
    pub name: String,
    pub scientific_name: Option<String>,
    /// 0 to 1.
    pub confidence: Option<f64>,
    /// Lowest and highest frequency.
    pub band_hz: Option<(f64, f64)>,
}
