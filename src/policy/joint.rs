//! Which recordings follow each other without a hole, so that they can be cut as if they were one.

use crate::time::{SECOND_NS, Wall};

/// What is known of where a recording stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// In lower case: what kind of file it is.
    pub extension: String,
    pub rate_hz: u32,
    pub channels: u8,
    pub start: Wall,
    /// When its last frame ended; `None` while it grows.
    pub end: Option<Wall>,
    /// `None` for a recording that was not made here.
    pub run: Option<InRun>,
}

/// Frames of a run, lost ones counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InRun {
    pub session: String,
    pub first: u64,
    /// Behind the last one.
    pub end: u64,
}

/// What others call by the second may begin this much off.
const NAMED_BY_NS: u64 = SECOND_NS as u64;

/// Frames of one run are counted, so that nothing needs to be guessed. Of files that others made only names are known: those
/// with plain samples follow each other if their times do; of coded ones nobody knows whether a decoder can go on.
pub fn follows(before: &Stand, after: &Stand) -> bool {
    let shape = |stand: &Stand| (stand.rate_hz, stand.channels);
    let Some(end) = before.end.filter(|_| before.extension == after.extension && shape(before) == shape(after)) else {
        return false;
    };
    match (&before.run, &after.run) {
        (Some(before), Some(after)) => before.session == after.session && before.end == after.first,
        (None, None) => {
            let is_plain = matches!(before.extension.as_str(), "wav" | "wave" | "flac");
            is_plain && after.start.since(end).unsigned_abs() < NAMED_BY_NS
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `session first-end` of a run, or `-`; then start and end in milliseconds.
    fn stand(extension: &str, run: &str, start_ms: i64, end_ms: i64) -> Stand {
        let run = run.split_once(' ').and_then(|(session, frames)| {
            let (first, end) = frames.split_once('-')?;
            Some(InRun { session: session.into(), first: first.parse().ok()?, end: end.parse().ok()? })
        });
        let wall = |ms: i64| Wall(ms * 1_000_000);
        let (rate_hz, channels) = (48_000, 2);
        Stand { extension: extension.into(), rate_hz, channels, start: wall(start_ms), end: Some(wall(end_ms)), run }
    }

    #[test]
    fn frames_of_a_run_decide() {
        let check = |a: &str, b: &str, want| {
            // Its clock drifts: times say little.
            let (a, b) = (stand("mp3", a, 0, 10_000), stand("mp3", b, 9_700, 20_000));
            assert_eq!(follows(&a, &b), want, "{a:?} {b:?}");
        };
        check("s 0-480", "s 480-960", true);
        check("s 0-480", "s 481-960", false);
        check("s 0-480", "s 470-960", false);
        check("s 0-480", "t 480-960", false);
        check("s 0-480", "-", false);
        check("-", "s 480-960", false);
    }

    #[test]
    fn times_decide_for_what_others_made() {
        let check = |extension: &str, start_ms: i64, want| {
            let (a, b) = (stand(extension, "-", 0, 10_000), stand(extension, "-", start_ms, 20_000));
            assert_eq!(follows(&a, &b), want, "{extension} from {start_ms} on");
        };
        check("wav", 10_000, true);
        check("flac", 9_001, true);
        check("wav", 10_999, true);
        check("wav", 11_000, false);
        check("wav", 9_000, false);
        check("mp3", 10_000, false);
        check("ogg", 10_000, false);
    }

    #[test]
    fn what_differs_or_grows_is_followed_by_nothing() {
        let (a, b) = (stand("wav", "s 0-480", 0, 10), stand("wav", "s 480-960", 10, 20));
        assert!(follows(&a, &b));
        assert!(!follows(&Stand { end: None, ..a.clone() }, &b));
        assert!(!follows(&a, &Stand { extension: "flac".into(), ..b.clone() }));
        assert!(!follows(&a, &Stand { rate_hz: 44_100, ..b.clone() }));
        assert!(!follows(&a, &Stand { channels: 1, ..b }));
    }
}
