//! How many files and sockets may be open.
//!
//! A system gives a process 1,024 of them at first, for the sake of old programs, and more to one that asks.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So many may be open from now on; where that is more than the system ever allows this process, so many as it allows.
pub fn allow(wanted: u64) -> Result<(), u64> {
    if let Some(limit) = raised(getrlimit(Resource::Nofile), wanted) {
        // It may lower its own limit, and raise it up to the one that it cannot raise.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < wanted => Err(allowed),
        Some(_) | None => Ok(()),
    }
}

/// `None`: it is enough.
fn raised(limit: Rlimit, wanted: u64) -> Option<Rlimit> {
    let most = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let is_enough = limit.current.is_none_or(|current| current >= most);
    (!is_enough).then_some(Rlimit { current: Some(most), maximum: limit.maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_is_wanted_and_allowed() {
        for (current, maximum, wanted, expected) in [
            (Some(1_024), Some(4_096), 2_000, Some(2_000)),
            (Some(1_024), Some(4_096), 9_000, Some(4_096)),
            (Some(1_024), None, 9_000, Some(9_000)),
            (Some(1_024), Some(4_096), 1_024, None),
            (Some(4_096), Some(4_096), 9_000, None),
            (None, None, 9_000, None),
        ] {
            let found = raised(Rlimit { current, maximum }, wanted).map(|limit| (limit.current, limit.maximum));
            assert_eq!(found, expected.map(|expected| (Some(expected), maximum)), "{wanted} of {current:?}, {maximum:?}");
        }
    }

    #[test]
    fn what_is_allowed_is_allowed() {
        let before = getrlimit(Resource::Nofile).current;
        assert_eq!(allow(before.unwrap_or(1)), Ok(()));
        assert_eq!(getrlimit(Resource::Nofile).current, before);
    }
}
