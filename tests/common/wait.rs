//! Waiting for what comes about by itself: looked for again and again, with a deadline and no longer.

use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(50);

/// What is found once there is something; fails with `what` when nothing comes in time.
#[track_caller]
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        thread::sleep(PAUSE);
    }
}

/// The same of what is so or not.
#[track_caller]
pub fn until_it_is(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    until(what, within, || is_so().then_some(()));
}
