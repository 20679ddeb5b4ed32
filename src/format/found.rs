//! What an analysis adds to the sidecar of its recording: how was listened, what stood out, how good the recording is, and the
//! indices of its minutes. Numbers for people: seconds, decibels and hertz, rounded to what they are good for.

use serde::{Deserialize, Serialize};

use crate::message::analysis::{
    ACI_STEP_S, ADI_BAND_HZ, ADI_MAX_HZ, ADI_THRESHOLD_DB, ANTHROPHONY_HZ, Analysis, BI_HZ, BIOPHONY_HZ, Centibel, Detection,
    Indices, Quality, Section, WINDOWS_PER_SECOND,
};
use crate::message::window::spectrum_frames;

/// Lowest that is told where nothing at all is: below one step of 24 bits.
const SILENCE_DB: f64 = -150.0;

/// Keys of the sidecar.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub detection: FoundDetection,
    /// In order.
    pub sections: Vec<FoundSection>,
    pub quality: FoundQuality,
    /// Where there are any.
    pub indices: Option<FoundIndices>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundDetection {
    pub detector: String,
    pub margin_db: f64,
    pub min_gap_s: f64,
    pub min_length_s: f64,
}

/// Seconds from the first frame, without gaps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundSection {
    pub from_s: f64,
    pub to_s: f64,
    pub score_db: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f_lo_hz: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f_hi_hz: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundQuality {
    pub peak_dbfs: f64,
    pub level_dbfs: f64,
    pub floor_dbfs: f64,
    pub dc: f64,
    pub clipped_samples: u64,
    pub silent_s: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundIndices {
    pub parameters: Parameters,
    pub minutes: Vec<Minute>,
}

/// What the indices depend on besides the sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    pub window: String,
    /// Of a spectrum; the next begins where it ends.
    pub fft_frames: u64,
    /// Of the envelope of H.
    pub envelope_ms: u32,
    pub aci_step_s: u32,
    pub adi_band_hz: u32,
    pub adi_max_hz: u32,
    pub adi_threshold_db: f64,
    pub bi_hz: [u32; 2],
    pub anthrophony_hz: [u32; 2],
    pub biophony_hz: [u32; 2],
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    pub minute: u32,
    pub aci: f64,
    pub adi: f64,
    pub aei: f64,
    pub bi: f64,
    pub h: f64,
    pub ndsi: f64,
}

impl Found {
    /// `sections` are those that `detection` marks in the analysis' profile.
    pub fn new(analysis: &Analysis, detection: &Detection, sections: Vec<Section>) -> Found {
        Found {
            detection: detection.into(),
            sections: sections.iter().map(FoundSection::from).collect(),
            quality: (&analysis.quality).into(),
            indices: (!analysis.indices.is_empty()).then(|| FoundIndices {
                parameters: Parameters::of(analysis.profile.rate_hz),
                minutes: analysis.indices.iter().zip(0..).map(|(indices, minute)| Minute::new(minute, indices)).collect(),
            }),
        }
    }
}

impl From<&Detection> for FoundDetection {
    fn from(detection: &Detection) -> FoundDetection {
        FoundDetection {
            detector: detection.detector.name().to_owned(),
            margin_db: detection.margin.db(),
            min_gap_s: f64::from(detection.min_gap_ms) / 1_000.0,
            min_length_s: f64::from(detection.min_length_ms) / 1_000.0,
        }
    }
}

impl From<&Section> for FoundSection {
    fn from(section: &Section) -> FoundSection {
        let hz = |edge: f32| (f64::from(edge) * 10.0).round() / 10.0;
        FoundSection {
            from_s: seconds(section.first_window.into()),
            to_s: seconds(section.end_window.into()),
            score_db: (f64::from(section.score.0) / 10.0).round() / 10.0,
            f_lo_hz: section.band_hz.map(|(low, _)| hz(low)),
            f_hi_hz: section.band_hz.map(|(_, high)| hz(high)),
        }
    }
}

impl From<&Quality> for FoundQuality {
    fn from(quality: &Quality) -> FoundQuality {
        let db = |db: f64| (db.max(SILENCE_DB) * 100.0).round() / 100.0;
        FoundQuality {
            peak_dbfs: db(20.0 * quality.peak.log10()),
            level_dbfs: db(quality.level),
            floor_dbfs: db(quality.floor),
            dc: (quality.dc * 1e9).round() / 1e9,
            clipped_samples: quality.clipped_samples,
            silent_s: seconds(quality.silent_windows),
        }
    }
}

impl Parameters {
    fn of(rate_hz: u32) -> Parameters {
        Parameters {
            window: "hann".to_owned(),
            fft_frames: spectrum_frames(rate_hz).unwrap_or(0) as u64,
            envelope_ms: (1_000 / WINDOWS_PER_SECOND) as u32,
            aci_step_s: ACI_STEP_S,
            adi_band_hz: ADI_BAND_HZ,
            adi_max_hz: ADI_MAX_HZ,
            adi_threshold_db: ADI_THRESHOLD_DB,
            bi_hz: [BI_HZ.start, BI_HZ.end],
            anthrophony_hz: [ANTHROPHONY_HZ.start, ANTHROPHONY_HZ.end],
            biophony_hz: [BIOPHONY_HZ.start, BIOPHONY_HZ.end],
        }
    }
}

impl Minute {
    fn new(minute: u32, indices: &Indices) -> Minute {
        let short = |value: f32| (f64::from(value) * 1e4).round() / 1e4;
        Minute {
            minute,
            aci: short(indices.aci),
            adi: short(indices.adi),
            aei: short(indices.aei),
            bi: short(indices.bi),
            h: short(indices.h),
            ndsi: short(indices.ndsi),
        }
    }
}

fn seconds(windows: u64) -> f64 {
    windows as f64 / WINDOWS_PER_SECOND as f64
}

impl FoundSection {
    /// As detection marked it, to a tenth of a decibel.
    pub fn section(&self) -> Section {
        let window = |seconds: f64| (seconds * WINDOWS_PER_SECOND as f64).round() as u32; // saturates
        Section {
            first_window: window(self.from_s),
            end_window: window(self.to_s),
            score: Centibel::of_db(self.score_db),
            band_hz: self.f_lo_hz.zip(self.f_hi_hz).map(|(low, high)| (low as f32, high as f32)),
        }
    }
}

impl FoundQuality {
    pub fn quality(&self) -> Quality {
        Quality {
            peak: 10_f64.powf(self.peak_dbfs / 20.0),
            dc: self.dc,
            clipped_samples: self.clipped_samples,
            silent_windows: (self.silent_s * WINDOWS_PER_SECOND as f64).round() as u64, // saturates
            level: self.level_dbfs,
            floor: self.floor_dbfs,
        }
    }
}

impl Minute {
    pub fn indices(&self) -> Indices {
        let [aci, adi, aei, bi, h, ndsi] = [self.aci, self.adi, self.aei, self.bi, self.h, self.ndsi].map(|x| x as f32);
        Indices { aci, adi, aei, bi, h, ndsi }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::analysis::{COLUMN_BANDS, Centibel, DETECTION_BANDS, Detector, Profile};

    fn analysis() -> Analysis {
        Analysis {
            profile: Profile {
                rate_hz: 48_000,
                frames: 0,
                detection_edges: [0.0; DETECTION_BANDS + 1],
                column_edges: [0.0; COLUMN_BANDS + 1],
                levels: vec![],
                detection: vec![],
                columns: vec![],
            },
            quality: Quality {
                peak: 0.5,
                dc: -1.234_567_890_1e-3,
                clipped_samples: 3,
                silent_windows: 25,
                level: -31.005_1,
                floor: -60.5,
            },
            indices: vec![Indices { aci: 1_234.567_9, adi: 2.0, aei: 0.123_456, bi: 33.3, h: 0.9, ndsi: -0.25 }],
        }
    }

    #[test]
    fn numbers_for_people() {
        let section = |score, band_hz| Section { first_window: 123, end_window: 141, score: Centibel(score), band_hz };
        let detection = Detection { detector: Detector::Bands, margin: Centibel(950), ..Detection::default() };
        let found = Found::new(&analysis(), &detection, vec![section(2_845, None), section(2_844, Some((3_000.04, 8_000.0)))]);
        let json = |value: serde_json::Result<String>| value.expect("numbers and strings");
        assert_eq!(
            json(serde_json::to_string(&found.detection)),
            r#"{"detector":"bands","margin_db":9.5,"min_gap_s":2.0,"min_length_s":0.2}"#
        );
        assert_eq!(
            json(serde_json::to_string(&found.sections)),
            r#"[{"from_s":12.3,"to_s":14.1,"score_db":28.5},{"from_s":12.3,"to_s":14.1,"score_db":28.4,"f_lo_hz":3000.0,"f_hi_hz":8000.0}]"#
        );
        assert_eq!(
            json(serde_json::to_string(&found.quality)),
            r#"{"peak_dbfs":-6.02,"level_dbfs":-31.01,"floor_dbfs":-60.5,"dc":-0.001234568,"clipped_samples":3,"silent_s":2.5}"#
        );
        let indices = found.indices.expect("a minute");
        assert_eq!(
            json(serde_json::to_string(&indices.minutes)),
            r#"[{"minute":0,"aci":1234.5679,"adi":2.0,"aei":0.1235,"bi":33.3,"h":0.9,"ndsi":-0.25}]"#
        );
        assert_eq!((indices.parameters.fft_frames, indices.parameters.bi_hz), (1_024, [2_000, 8_000]));
    }

    #[test]
    fn silence_is_told_in_numbers() {
        let silent = Analysis { quality: Quality::default(), indices: vec![], ..analysis() };
        let found = Found::new(&silent, &Detection::default(), vec![]);
        assert_eq!((found.quality.peak_dbfs, found.indices), (-150.0, None));
    }
}
