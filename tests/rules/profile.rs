//! The profile beside a recording.

use soundpost::format::crc::crc32_ieee;
use soundpost::format::profile::{View, len, read, write};
use soundpost::message::analysis::{COLUMN_BANDS, DETECTION_BANDS, Detection, Detector};
use soundpost::signal::section::find;

use super::Left;

/// Whatever is taken for a profile has lists of the lengths that belong together, is searched without harm, and is written as it
/// was read.
pub fn profile(bytes: &[u8]) -> Left {
    let Ok(view) = View::parse(bytes) else {
        assert!(read(bytes).is_err());
        return Left::Nothing;
    };
    let (levels, windows) = (view.levels(), view.levels().len());
    let bands = !view.detection().is_empty();
    assert_eq!(view.detection().len(), if bands { windows * DETECTION_BANDS } else { 0 });
    assert_eq!(view.columns().len(), if bands { windows.div_ceil(10) * COLUMN_BANDS } else { 0 });
    for detector in [Detector::Level, Detector::Bands] {
        let detection = Detection { detector, ..Detection::default() };
        let found = find(&levels, view.detection(), &view.detection_edges, &detection);
        assert!(found.iter().all(|section| section.first_window < section.end_window && section.end_window as usize <= windows));
        assert!(found.windows(2).all(|two| two[0].end_window + 20 <= two[1].first_window), "sections are two seconds apart");
    }
    let Ok(profile) = read(bytes) else {
        assert!(!view.is_intact());
        return Left::Nothing;
    };
    assert!(view.is_intact() && len(&profile) == bytes.len() && write(&profile) == bytes);
    Left::Whole
}

/// With the checksum that these bytes should have: a damaged one hides everything before it.
pub fn profile_with_right_checksum(bytes: &[u8]) -> Vec<u8> {
    let body = &bytes[..bytes.len().saturating_sub(4)];
    [body, &crc32_ieee(0, body).to_le_bytes()].concat()
}
