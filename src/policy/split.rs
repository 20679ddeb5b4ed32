//! Where one file ends and the next begins: boundaries of the local clock, and the most frames a file can hold.
//!
//! Called by the splitter. The arithmetic of zones is here and nowhere else; which frame a boundary falls on is not known here.

use jiff::Timestamp;
pub use jiff::tz::TimeZone as Zone;

use super::Invalid;
use crate::message::{Container, PcmFormat};
use crate::time::{SECOND_NS, Wall};

/// The zone of this name; UTC also where there is no database of zones.
pub fn zone_named(name: &str) -> Result<Zone, jiff::Error> {
    if name.eq_ignore_ascii_case("UTC") { Ok(Zone::UTC) } else { Zone::get(name) }
}

const MINUTE_NS: f64 = 60.0 * SECOND_NS as f64;
const DAY_NS: i128 = 86_400 * SECOND_NS as i128;
/// Files shorter than this (60 ms) serve nobody.
const MIN_MINUTES: f64 = 0.001;
const MAX_MINUTES: f64 = 1_440.0;
/// A day has at most a handful of changes of the clock; more are not looked at.
const MAX_CHANGES: usize = 16;

/// A WAV counts its bytes in 32 bits; the last MiB is left for what is written after the samples.
const WAV_BYTES: u64 = u32::MAX as u64 - (1 << 20);
/// RFC 9639, 8.2: the number of samples has 36 bits.
const FLAC_FRAMES: u64 = (1 << 36) - 1;

/// Local midnight + k · split_minutes, begun anew each local midnight.
#[derive(Clone, Debug)]
pub struct Boundaries {
    split_ns: i128,
    zone: Zone,
}

impl Boundaries {
    pub fn new(split_minutes: f64, zone: Zone) -> Result<Boundaries, Invalid> {
        if !(MIN_MINUTES..=MAX_MINUTES).contains(&split_minutes) {
            return Err(Invalid(format!(
                "split_minutes = {split_minutes} is not possible: choose {MIN_MINUTES} to {MAX_MINUTES} (one day)"
            )));
        }
        Ok(Boundaries { split_ns: (split_minutes * MINUTE_NS).round() as i128, zone })
    }

    /// The first boundary after `at`.
    ///
    /// A boundary is an instant at which the local clock shows k · split since 00:00, so the repeated hour of autumn has its
    /// boundaries twice and the skipped one of spring has none. A day whose 00:00 is skipped begins with a boundary all the same.
    pub fn next_after(&self, at: Wall) -> Wall {
        let mut offset_ns = self.offset_ns(at);
        let mut next = self.in_one_offset(i128::from(at.0), offset_ns, false);
        for change in self.zone.following(timestamp(at)).take(MAX_CHANGES) {
            let change_ns = change.timestamp().as_nanosecond();
            if change_ns > next {
                break;
            }
            let (day_before, before_ns) = ((change_ns - 1 + offset_ns).div_euclid(DAY_NS), offset_ns);
            offset_ns = i128::from(change.offset().seconds()) * i128::from(SECOND_NS);
            if (change_ns + offset_ns).div_euclid(DAY_NS) > day_before {
                next = change_ns; // 00:00 itself, or skipped
                break;
            }
            if offset_ns != before_ns || change_ns == next {
                next = self.in_one_offset(change_ns, offset_ns, true);
            }
        }
        Wall(i64::try_from(next).unwrap_or(i64::MAX))
    }

    /// Local time minus UTC at `at`, in seconds.
    pub fn utc_offset_s(&self, at: Wall) -> i32 {
        self.zone.to_offset(timestamp(at)).seconds()
    }

    fn offset_ns(&self, at: Wall) -> i128 {
        i128::from(self.utc_offset_s(at)) * i128::from(SECOND_NS)
    }

    /// The first boundary after `from_ns` (or at it) were the offset to hold for ever.
    fn in_one_offset(&self, from_ns: i128, offset_ns: i128, inclusive: bool) -> i128 {
        let local_ns = from_ns + offset_ns;
        let (midnight_ns, since_ns) = (local_ns - local_ns.rem_euclid(DAY_NS), local_ns.rem_euclid(DAY_NS));
        let k = if inclusive { (since_ns + self.split_ns - 1) / self.split_ns } else { since_ns / self.split_ns + 1 };
        midnight_ns + (k * self.split_ns).min(DAY_NS) - offset_ns
    }
}

/// Every [`Wall`] (the years 1677 to 2262) is a timestamp; the epoch stands in should that ever change.
pub(super) fn timestamp(at: Wall) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The most frames a file of this kind can hold after a header of `header_bytes`; at least 1.
pub fn max_frames(container: Container, format: PcmFormat, header_bytes: u64) -> u64 {
    match container {
        Container::Wav => (WAV_BYTES.saturating_sub(header_bytes) / format.frame_bytes().max(1) as u64).max(1),
        Container::Flac => FLAC_FRAMES,
        Container::Mp3 | Container::Aac | Container::Ogg | Container::Opus => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Depth;
    use crate::time::Rate;

    fn wall(text: &str) -> Wall {
        let at: Timestamp = text.parse().expect("RFC 3339");
        Wall(i64::try_from(at.as_nanosecond()).expect("in range"))
    }

    /// The boundaries after `from`, as UTC `HH:MM:SS` joined by spaces, as many as `expected` names.
    #[track_caller]
    fn check(minutes: f64, zone: &str, from: &str, expected: &str) {
        let boundaries = Boundaries::new(minutes, Zone::get(zone).expect("known zone")).expect("valid");
        let mut at = wall(from);
        let mut found = Vec::new();
        for _ in expected.split(' ') {
            at = boundaries.next_after(at);
            found.push(timestamp(at).strftime("%H:%M:%S").to_string());
        }
        assert_eq!(found.join(" "), expected, "{minutes} min in {zone} after {from}");
    }

    #[test]
    fn ordinary_days() {
        check(60.0, "UTC", "2024-12-25T14:07:12Z", "15:00:00 16:00:00");
        check(60.0, "UTC", "2024-12-25T14:00:00Z", "15:00:00");
        check(60.0, "UTC", "2024-12-25T13:59:59.999999999Z", "14:00:00");
        check(60.0, "Asia/Kolkata", "2024-12-25T14:07:12Z", "14:30:00 15:30:00");
        check(0.1, "UTC", "2024-12-25T14:07:12Z", "14:07:18 14:07:24");
        check(1_440.0, "Europe/Berlin", "2024-12-25T14:00:00Z", "23:00:00 23:00:00");
    }

    #[test]
    fn what_does_not_divide_the_day_begins_anew_at_midnight() {
        check(7.0, "UTC", "2024-12-25T23:50:00Z", "23:55:00 00:00:00 00:07:00");
        check(90.0, "Europe/Berlin", "2024-12-25T21:40:00Z", "23:00:00 00:30:00");
        check(1_000.0, "UTC", "2024-12-25T00:00:00Z", "16:40:00 00:00:00 16:40:00");
    }

    #[test]
    fn berlin_in_autumn_has_its_hour_twice() {
        // 03:00 CEST becomes 02:00 CET at 01:00 UTC.
        check(30.0, "Europe/Berlin", "2024-10-26T23:45:00Z", "00:00:00 00:30:00 01:00:00 01:30:00 02:00:00");
        check(7.0, "Europe/Berlin", "2024-10-27T00:50:00Z", "00:55:00 01:06:00 01:13:00");
        check(90.0, "Europe/Berlin", "2024-10-26T22:00:00Z", "23:30:00 02:00:00 03:30:00");
    }

    #[test]
    fn berlin_in_spring_skips_an_hour() {
        // 02:00 CET becomes 03:00 CEST at 01:00 UTC on 31 March 2024.
        check(30.0, "Europe/Berlin", "2024-03-31T00:00:00Z", "00:30:00 01:00:00 01:30:00");
        check(7.0, "Europe/Berlin", "2024-03-31T00:50:00Z", "00:52:00 00:59:00 01:02:00 01:09:00");
        check(150.0, "Europe/Berlin", "2024-03-30T23:00:00Z", "03:00:00 05:30:00");
    }

    #[test]
    fn half_an_hour_on_lord_howe() {
        // +11 becomes +10:30 at 15:00 UTC on 6 April 2024, and back at 15:30 UTC on 5 October.
        check(30.0, "Australia/Lord_Howe", "2024-04-06T14:10:00Z", "14:30:00 15:00:00 15:30:00");
        check(60.0, "Australia/Lord_Howe", "2024-04-06T13:30:00Z", "14:00:00 15:30:00 16:30:00");
        check(60.0, "Australia/Lord_Howe", "2024-10-05T14:00:00Z", "14:30:00 16:00:00");
    }

    #[test]
    fn days_without_a_midnight_still_begin_with_a_file() {
        // 00:00 becomes 01:00: in Cairo at 22:00 UTC on 25 April 2024, in São Paulo at 03:00 UTC on 4 November 2018.
        check(60.0, "Africa/Cairo", "2024-04-25T20:30:00Z", "21:00:00 22:00:00 23:00:00");
        check(90.0, "Africa/Cairo", "2024-04-25T20:00:00Z", "20:30:00 22:00:00 22:30:00");
        check(1_440.0, "Africa/Cairo", "2024-04-25T10:00:00Z", "22:00:00 21:00:00");
        check(1_440.0, "America/Sao_Paulo", "2018-11-03T12:00:00Z", "03:00:00 02:00:00");
        check(60.0, "Asia/Beirut", "2022-03-26T21:30:00Z", "22:00:00 23:00:00");
        // 24:00 becomes 23:00 again: one midnight, an hour later.
        check(1_440.0, "America/Sao_Paulo", "2018-02-17T12:00:00Z", "03:00:00 03:00:00");
        check(60.0, "America/Sao_Paulo", "2018-02-18T00:30:00Z", "01:00:00 02:00:00 03:00:00");
    }

    #[test]
    fn always_later_and_never_further_than_a_long_day() {
        for zone in
            ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "America/St_Johns", "Africa/Monrovia"]
        {
            let boundaries = Boundaries::new(1_440.0, Zone::get(zone).expect("known zone")).expect("valid");
            let mut at = wall("1900-01-01T00:00:00Z");
            let end = wall("2040-01-01T00:00:00Z");
            while at < end {
                let next = boundaries.next_after(at);
                assert!(next > at && next.since(at) <= 26 * 3_600 * SECOND_NS, "{zone}: {} ns", next.since(at));
                at = next;
            }
        }
    }

    #[test]
    fn the_ends_of_time() {
        let boundaries = Boundaries::new(60.0, Zone::get("Europe/Berlin").expect("known zone")).expect("valid");
        assert!(boundaries.next_after(Wall(i64::MIN)) > Wall(i64::MIN));
        assert_eq!(boundaries.next_after(Wall(i64::MAX)), Wall(i64::MAX));
        assert_eq!(boundaries.utc_offset_s(wall("2024-07-01T00:00:00Z")), 7_200);
    }

    #[test]
    fn impossible_splits_are_refused() {
        for minutes in [0.0, -1.0, 0.000_9, 1_440.1, f64::NAN, f64::INFINITY] {
            assert!(Boundaries::new(minutes, Zone::UTC).is_err(), "{minutes}");
        }
        assert!(Boundaries::new(0.001, Zone::UTC).is_ok());
    }

    #[test]
    fn a_file_never_outgrows_its_format() {
        let format = PcmFormat { rate: Rate::new(384_000).expect("valid"), channels: 8, depth: Depth::TwentyFour };
        let frames = max_frames(Container::Wav, format, 4_096);
        assert!(frames * 24 + 4_096 <= WAV_BYTES && (frames + 1) * 24 + 4_096 > WAV_BYTES);
        assert_eq!(max_frames(Container::Wav, format, u64::MAX), 1);
        assert_eq!(max_frames(Container::Flac, format, 0), 68_719_476_735);
    }
}
