//! Sound cards of a rig as sources, and what was played found again in their files.

use std::path::Path;
use std::process::Command;

use super::rig::Rig;
use super::{Recorder, assert_sound, decode, recordings, sidecar, soundpost};

pub fn card(name: &str, rate: u32, channels: u8, format: &str) -> String {
    format!(
        "[{name}]\ntype = soundcard\ndevice = {name}\nsample_rate = {rate}\nchannels = {channels}\nformat = {format}\nfilename_pattern = {name}/%H%M%S\n"
    )
}

pub fn record_command(rig: &Rig, config: &Path) -> Command {
    let mut command = soundpost();
    command.arg("record").arg("-c").arg(config).envs(rig.environment());
    command
}

pub fn record(rig: &Rig, config: &Path) -> Recorder {
    Recorder::spawn(&mut record_command(rig, config))
}

/// The files of a lane in order, each sound and abutting; joined.
pub fn joined(root: &Path, lane: &str, channels: u64) -> (Vec<i32>, usize) {
    let files = recordings(&root.join(lane));
    let mut all = Vec::new();
    for path in &files {
        assert_sound(path);
        let side = sidecar(root, path);
        assert_eq!(side["first_frame"].as_u64(), Some(all.len() as u64 / channels), "{} abuts", path.display());
        all.extend(decode(path));
    }
    (all, files.len())
}

/// Where the whole of `played` stands in `recorded`, without a missing or doubled sample.
pub fn find(recorded: &[i32], played: &[i16]) -> Option<usize> {
    let played: Vec<i32> = played.iter().map(|&s| i32::from(s)).collect();
    let head = &played[..256];
    let at = recorded.windows(head.len()).position(|w| w == head)?;
    let same = recorded[at..].iter().zip(&played).take_while(|(a, b)| a == b).count();
    assert_eq!(same, played.len(), "the recording leaves what was played after {same} of {} samples", played.len());
    Some(at)
}
