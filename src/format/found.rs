//! What the analyser found, as keys of the sidecar: how it listened, the sections, how good the recording is, and the indices
//! that ecologists use.
//!
//! Times are seconds from the file's first frame, levels dBFS. Sections are those of the settings in `detection`; for others they
//! are computed anew from the profile, not from here.

use serde::{Deserialize, Serialize};

use crate::message::analysis::{self, Analysis, Centibel, Detection, Detector, WINDOWS_PER_SECOND};

/// All four keys, or none: an analysis is never partial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub detection: FoundDetection,
    pub sections: Vec<FoundSection>,
    pub quality: FoundQuality,
    /// One a whole minute, and one for a last part of at least half a minute.
    pub indices: Vec<FoundIndices>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundDetection {
    /// `level` or `bands`.
    pub detector: String,
    pub margin_db: f64,
    pub min_gap_s: f64,
    pub min_length_s: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundSection {
    pub from_s: f64,
    pub to_s: f64,
    /// To a tenth.
    pub score_db: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f_lo_hz: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f_hi_hz: Option<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundQuality {
    /// Highest sample.
    pub peak_dbfs: f64,
    /// Of all frames and channels.
    pub level_dbfs: f64,
    /// The middle one of the floors of its half minutes.
    pub floor_dbfs: f64,
    /// Mean of all samples, as a fraction of full scale.
    pub dc: f64,
    pub clipped_samples: u64,
    /// Digital silence.
    pub silent_s: f64,
}

/// Of one minute; the parameters are those of [`crate::signal::indices`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundIndices {
    pub aci: f32,
    pub adi: f32,
    pub aei: f32,
    pub bi: f32,
    pub h: f32,
    pub ndsi: f32,
}

impl Found {
    pub fn new(analysis: &Analysis, detection: &Detection, sections: &[analysis::Section]) -> Found {
        Found {
            detection: FoundDetection::from(detection),
            sections: sections.iter().map(FoundSection::from).collect(),
            quality: FoundQuality::from(&analysis.quality),
            indices: analysis.indices.iter().map(FoundIndices::from).collect(),
        }
    }
}

impl From<&Detection> for FoundDetection {
    fn from(d: &Detection) -> FoundDetection {
        FoundDetection {
            detector: d.detector.name().to_owned(),
            margin_db: d.margin.db(),
            min_gap_s: f64::from(d.min_gap_ms) / 1e3,
            min_length_s: f64::from(d.min_length_ms) / 1e3,
        }
    }
}

impl FoundDetection {
    /// `None` for a detector that is not known here.
    pub fn detection(&self) -> Option<Detection> {
        let ms = |seconds: f64| (seconds * 1e3).round() as u32; // saturates
        Some(Detection {
            detector: Detector::of_name(&self.detector)?,
            margin: Centibel::of_db(self.margin_db),
            min_gap_ms: ms(self.min_gap_s),
            min_length_ms: ms(self.min_length_s),
        })
    }
}

impl From<&analysis::Section> for FoundSection {
    fn from(section: &analysis::Section) -> FoundSection {
        let seconds = |window: u32| f64::from(window) / WINDOWS_PER_SECOND as f64;
        FoundSection {
            from_s: seconds(section.first_window),
            to_s: seconds(section.end_window),
            score_db: (section.score.db() * 10.0).round() / 10.0,
            f_lo_hz: section.band_hz.map(|(lo, _)| lo),
            f_hi_hz: section.band_hz.map(|(_, hi)| hi),
        }
    }
}

impl FoundSection {
    pub fn section(&self) -> analysis::Section {
        let window = |seconds: f64| (seconds * WINDOWS_PER_SECOND as f64).round() as u32; // saturates
        analysis::Section {
            first_window: window(self.from_s),
            end_window: window(self.to_s),
            score: Centibel::of_db(self.score_db),
            band_hz: self.f_lo_hz.zip(self.f_hi_hz),
        }
    }
}

impl From<&analysis::Quality> for FoundQuality {
    fn from(quality: &analysis::Quality) -> FoundQuality {
        let hundredths = |db: f64| (db * 100.0).round() / 100.0;
        FoundQuality {
            // A file of silence has no peak: the lowest level that is ever told.
            peak_dbfs: hundredths((20.0 * quality.peak.log10()).max(-120.0)),
            level_dbfs: hundredths(quality.level),
            floor_dbfs: hundredths(quality.floor),
            dc: (quality.dc * 1e6).round() / 1e6,
            clipped_samples: quality.clipped_samples,
            silent_s: quality.silent_windows as f64 / WINDOWS_PER_SECOND as f64,
        }
    }
}

impl FoundQuality {
    pub fn quality(&self) -> analysis::Quality {
        analysis::Quality {
            peak: 10_f64.powf(self.peak_dbfs / 20.0),
            dc: self.dc,
            clipped_samples: self.clipped_samples,
            silent_windows: (self.silent_s * WINDOWS_PER_SECOND as f64).round() as u64, // saturates
            level: self.level_dbfs,
            floor: self.floor_dbfs,
        }
    }
}

impl FoundIndices {
    pub fn indices(&self) -> analysis::Indices {
        let FoundIndices { aci, adi, aei, bi, h, ndsi } = *self;
        analysis::Indices { aci, adi, aei, bi, h, ndsi }
    }
}

impl From<&analysis::Indices> for FoundIndices {
    fn from(indices: &analysis::Indices) -> FoundIndices {
        let analysis::Indices { aci, adi, aei, bi, h, ndsi } = *indices;
        let short = |x: f32| (x * 1e4).round() / 1e4;
        FoundIndices { aci: short(aci), adi: short(adi), aei: short(aei), bi: short(bi), h: short(h), ndsi: short(ndsi) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_settings_survive_the_way_through_the_sidecar() {
        let detection = Detection { detector: Detector::Bands, margin: Centibel(950), min_gap_ms: 1_500, min_length_ms: 200 };
        assert_eq!(FoundDetection::from(&detection).detection(), Some(detection));
        let section =
            analysis::Section { first_window: 123, end_window: 141, score: Centibel(2_840), band_hz: Some((3_000.5, 8_000.0)) };
        assert_eq!(FoundSection::from(&section).section(), section);
        let text = serde_json::to_string(&FoundSection::from(&section)).expect("written");
        assert_eq!(text, r#"{"from_s":12.3,"to_s":14.1,"score_db":28.4,"f_lo_hz":3000.5,"f_hi_hz":8000.0}"#);
    }

    #[test]
    fn silence_has_numbers_too() {
        let quality = analysis::Quality { level: -120.0, floor: -90.0, silent_windows: 15, ..analysis::Quality::default() };
        let found = FoundQuality::from(&quality);
        assert_eq!((found.peak_dbfs, found.level_dbfs, found.floor_dbfs, found.silent_s), (-120.0, -120.0, -90.0, 1.5));
    }

    #[test]
    fn another_detector_is_not_guessed_at() {
        let mut told = FoundDetection::from(&Detection::default());
        told.detector = "ears".into();
        assert_eq!(told.detection(), None);
    }
}
