//! The one question of `/healthz`: do samples come from every source that should bring some? For load balancers, container engines
//! and whoever watches a recorder from afar, without a password; so it tells names of sources and nothing else.

use crate::message::page::{SourceState, Status};

/// One sentence if they do not.
pub fn verdict(status: &Status) -> Result<(), String> {
    let silent: Vec<&str> =
        status.sources.iter().filter(|source| !source.is_advancing).map(|source| source.name.as_str()).collect();
    let is_waiting = |name: &&str| status.sources.iter().any(|s| s.name == **name && s.state == SourceState::Waiting);
    match silent.as_slice() {
        [] => Ok(()),
        [one] if is_waiting(one) => Err(format!("The source {one} does not record.")),
        [one] => Err(format!("No samples come from the source {one}.")),
        several => Err(format!("No samples come from the sources {}.", several.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::page::SourceStatus;

    #[test]
    fn a_recorder_is_as_well_as_its_worst_source() {
        use SourceState::{Alarm, Held, Recording, Waiting};
        let check = |sources: &[(&str, SourceState, bool)], expected: Result<(), &str>| {
            let source = |(name, state, is_advancing): &(&str, SourceState, bool)| SourceStatus {
                name: (*name).into(),
                state: *state,
                is_advancing: *is_advancing,
                ..SourceStatus::default()
            };
            let status = Status { sources: sources.iter().map(source).collect(), ..Status::default() };
            assert_eq!(verdict(&status), expected.map_err(str::to_owned), "{sources:?}");
        };
        check(&[], Ok(()));
        check(&[("a", Recording, true), ("b", Held, true), ("c", Alarm, true)], Ok(()));
        check(&[("a", Recording, true), ("b", Waiting, false)], Err("The source b does not record."));
        check(&[("a", Recording, false)], Err("No samples come from the source a."));
        check(&[("a", Alarm, false), ("b", Waiting, false)], Err("No samples come from the sources a, b."));
    }
}
