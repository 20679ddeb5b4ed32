//! How a recording is divided for whoever looks at its sound: which frames a window holds, and how long a spectrum is.

use super::analysis::WINDOWS_PER_SECOND;
use crate::time::Rate;

/// First frame of window `k`: ⌊k·r/10⌋.
pub fn first_frame(k: u64, rate_hz: u32) -> u64 {
    let frame = u128::from(k) * u128::from(rate_hz) / u128::from(WINDOWS_PER_SECOND);
    u64::try_from(frame).unwrap_or(u64::MAX)
}

/// Windows of a file of so many frames: a last one counts if it is at least half full.
pub fn windows(frames: u64, rate_hz: u32) -> u64 {
    let rate = u128::from(rate_hz.max(1));
    // Window k is whole when ⌊(k+1)·r/10⌋ <= frames, that is when (k+1)·r < 10·(frames + 1).
    let ten = u128::from(WINDOWS_PER_SECOND);
    let whole = u64::try_from(((u128::from(frames) + 1) * ten - 1) / rate).unwrap_or(u64::MAX);
    let (begin, end) = (first_frame(whole, rate_hz), first_frame(whole.saturating_add(1), rate_hz));
    whole.saturating_add(u64::from(frames > begin && (frames - begin).saturating_mul(2) >= end - begin))
}

/// Frames of a spectrum: the largest power of two ≤ r/40, so that at least four spectra fall in a window. `None` where that is
/// less than four frames, and for what is no rate.
pub fn spectrum_frames(rate_hz: u32) -> Option<usize> {
    let longest = rate_hz / 40;
    (longest >= 4 && rate_hz <= Rate::MAX_HZ).then(|| 1 << longest.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_window_counts_if_it_is_at_least_half_full() {
        let check = |frames, rate, expected| assert_eq!(windows(frames, rate), expected, "{frames} frames at {rate} Hz");
        check(0, 48_000, 0);
        check(2_399, 48_000, 0);
        check(2_400, 48_000, 1);
        check(4_800, 48_000, 1);
        check(7_199, 48_000, 1);
        check(7_200, 48_000, 2);
        check(48_000 * 3_600, 48_000, 36_000);
        // 22,055 Hz: windows of 2205 and 2206 frames by turns.
        check(1_102, 22_055, 0);
        check(1_103, 22_055, 1);
        check(2_205 + 1_102, 22_055, 1);
        check(2_205 + 1_103, 22_055, 2);
        check(22_055, 22_055, 10);
    }

    #[test]
    fn windows_abut_and_ten_are_a_second() {
        for rate in [8_000, 11_025, 22_055, 44_100, 96_001, 384_000] {
            assert_eq!((first_frame(0, rate), first_frame(10, rate)), (0, u64::from(rate)));
            for k in 0..1_000 {
                let (begin, end) = (first_frame(k, rate), first_frame(k + 1, rate));
                assert!(end - begin == u64::from(rate / 10) || end - begin == u64::from(rate / 10) + 1);
                assert_eq!((windows(end, rate), windows(begin, rate)), (k + 1, k), "{k} at {rate} Hz");
            }
        }
    }

    #[test]
    fn any_numbers_are_survived() {
        for (frames, rate) in [(u64::MAX, 1), (u64::MAX, 768_000), (9, 0), (3, 1), (100, 7)] {
            let _ = windows(frames, rate);
        }
        assert_eq!(first_frame(u64::MAX, u32::MAX), u64::MAX);
    }

    #[test]
    fn spectra_of_common_rates() {
        for (rate, expected) in [
            (0, None),
            (159, None),
            (160, Some(4)),
            (8_000, Some(128)),
            (16_000, Some(256)),
            (22_050, Some(512)),
            (44_100, Some(1_024)),
            (48_000, Some(1_024)),
            (96_000, Some(2_048)),
            (384_000, Some(8_192)),
            (768_000, Some(16_384)),
            (768_001, None),
        ] {
            assert_eq!(spectrum_frames(rate), expected, "{rate} Hz");
        }
    }
}
