//! `make bench`: the figures, each beside a peer in the same run, on this machine, now. Both sides and the ratio are printed.
//!
//! Machines are noisy: sides alternate and the median of the rounds counts. Nothing here passes or fails; it measures.

#[path = "figures/archive.rs"]
mod archive;
#[path = "../tests/browser_rig/mod.rs"]
mod browser_rig;
#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/crowd.rs"]
mod crowd;
#[path = "../tests/common/icecast.rs"]
mod icecast;
#[path = "figures/live.rs"]
mod live;
#[path = "figures/loudspeaker.rs"]
mod loudspeaker;
#[path = "figures/memory.rs"]
mod memory;
#[path = "figures/opus.rs"]
mod opus;
#[path = "figures/process.rs"]
mod process;
#[path = "figures/relay.rs"]
mod relay;
#[path = "figures/restart.rs"]
mod restart;
#[path = "figures/retention.rs"]
mod retention;
#[path = "figures/review.rs"]
mod review;
#[path = "figures/sound.rs"]
mod sound;
#[path = "figures/speed.rs"]
mod speed;
#[path = "figures/stations.rs"]
mod stations;
#[path = "figures/trigger.rs"]
mod trigger;
#[path = "figures/upload.rs"]
mod upload;
#[path = "../tests/upload_rig/mod.rs"]
mod upload_rig;
#[path = "../tests/common/web.rs"]
mod web;
#[path = "figures/whole.rs"]
mod whole;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let figures: [(&str, fn()); 22] = [
        ("lane", speed::lane_against_flac),
        ("start", speed::cold_start),
        ("size", speed::binary_size),
        ("memory", memory::against_arecord_and_ffmpeg),
        ("growth", memory::growth_over_a_day),
        ("cards", memory::two_cards_and_sixteen_lanes),
        ("whole", whole::in_a_small_board),
        ("trigger", trigger::triggered_beside_untriggered),
        ("stations", stations::stations),
        ("analysis", review::analysis_beside_encoding),
        ("close", review::close_to_analysis),
        ("analyse", review::analyse_beside_numpy),
        ("clip", archive::clip_beside_ffmpeg),
        ("margin", archive::margin_of_a_day),
        ("archive", archive::hundred_thousand),
        ("restart", restart::beside_a_hundred_thousand),
        ("retention", retention::decision),
        ("live", live::looking_and_listening),
        ("loudspeaker", loudspeaker::microphone_to_loudspeaker),
        ("relay", relay::listeners_beside_icecast),
        ("opus", opus::broadcast_beside_opusenc),
        ("upload", upload::a_gibibyte_to_s3),
    ];
    for (name, figure) in figures {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            println!("\n== {name}");
            figure();
        }
    }
}
