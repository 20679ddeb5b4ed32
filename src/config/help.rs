//! What a form says of each key: one line of help, and what its `wants` tells about choices, range and unit.
//!
//! The tables of [`keys`] say what a key takes; here is only what a person should know besides. A key without a line
//! here is shown with what it wants; the test below asks for a line.

use super::keys::{self, About, List, Shown};
use super::source::SourceType;
use crate::message::settings::{Group, KeyInfo};

/// Keys of sections, sources by their type. `lane` is what every source has.
const HELP: &[(&str, &[(&str, &str)])] = &[
    (
        "general",
        &[
            ("log_level", "How much is told in the log."),
            ("log_file", "Beside the terminal, the log goes here; at 8 MiB it is begun anew."),
            ("memory_budget_mb", "A configuration whose buffers need more is refused."),
            ("ca_file", "For stations and servers with a certificate of your own."),
            ("monitor", "This source is heard on the local output."),
        ],
    ),
    (
        "lane",
        &[
            ("output_directory", "Where recordings go. The page shows those of [general]."),
            ("split_minutes", "A new file begins whenever so much of the day is over, by the clock."),
            ("filename_pattern", "The name of a file by its time; / makes folders."),
            ("filename_time", "By which clock files are named."),
            ("time_zone", "For names, boundaries and schedules."),
            ("bit_depth", "Bits of a sample."),
            ("flac_level", "How hard FLAC tries to be small."),
            ("flac_block_size", "Of a FLAC frame."),
            ("sync_seconds", "A power cut costs this much at most."),
            ("pool_seconds", "The disk may stand still for so long before a sample is lost."),
            ("period_ms", "How often the sound card wakes the recorder."),
            ("buffer_ms", "What the sound card holds meanwhile."),
            ("max_retries", "Quick attempts after a failure; slow ones never end."),
            ("retry_delay_seconds", "Between quick attempts."),
            ("schedule", "When it records; several windows with blanks between."),
            ("schedule_days", "On which days of the week windows begin."),
            ("schedule_dates", "In which parts of the year."),
            ("schedule_every", "Every n-th day only."),
            ("duty", "So much of each so much, within a window."),
            ("rename_corrected", "Files that were named while the clock was wrong are named anew when it is right."),
            ("on_close", "A program for each finished recording; what it prints is in the log."),
            ("on_close_timeout_seconds", "A program that takes longer is ended."),
            ("trigger", "Only what is loud is recorded: by the level of all, or in a band."),
            ("trigger_margin", "So far above the noise recording begins."),
            ("trigger_band", "Only what is heard between these counts."),
            ("pre_roll", "Recorded from before it became loud."),
            ("post_roll", "Recorded after it became quiet."),
            ("trigger_min_seconds", "What is loud for less is none."),
            ("trigger_max_seconds", "What is loud for longer is cut off."),
            ("min_free_hours", "So much room is kept free, in hours of sound."),
            ("min_free_bytes", "So much room is kept free, at least."),
            ("retention_days", "Older recordings go."),
            ("expire_only_uploaded", "Only what has been uploaded goes by its age."),
            ("full_days", "Older recordings are kept as their sections, and all of it as Opus."),
            ("opus_days", "After so many days more, only the sections are kept."),
            ("icecast_url", "Its sound is sent there as Opus, too."),
            ("icecast_bitrate", "Of the Opus that is sent and heard."),
            ("icecast_name", "What listeners see as its name."),
            ("icecast_description", "What listeners see below its name."),
            ("icecast_genre", "What listeners see as its kind."),
            ("icecast_public", "Whether the server may list it."),
        ],
    ),
    (
        "soundcard",
        &[
            ("type", "What kind of source this is."),
            ("device", "Which sound card; see soundpost devices."),
            ("sample_rate", "Samples a second; the card's own, if it has no such rate."),
            ("channels", "How many microphones."),
            ("format", "FLAC has every sample in half the bytes."),
        ],
    ),
    (
        "stream",
        &[
            ("type", "What kind of source this is."),
            ("url", "The station; it is kept as it comes."),
            ("username", "If the station asks for one."),
            ("password", "If the station asks for one."),
            ("format", "What it sends, if it does not say so itself."),
            ("cue_sheet", "Titles are written beside each recording, too."),
        ],
    ),
    (
        "file",
        &[
            ("type", "What kind of source this is."),
            ("path", "The recording that is played as if it were a microphone."),
            ("pace", "As time goes by, or as fast as can be."),
            ("loop", "Whether it begins anew at its end."),
            ("faults", "What goes wrong on purpose, for tests."),
            ("format", "FLAC has every sample in half the bytes."),
            ("raw_bits", "For samples without a header."),
            ("sample_rate", "For samples without a header."),
            ("channels", "For samples without a header."),
        ],
    ),
    (
        "demo",
        &[
            ("type", "What kind of source this is."),
            ("seed", "Another number is another dawn."),
            ("sample_rate", "Samples a second."),
            ("channels", "How many."),
            ("format", "FLAC has every sample in half the bytes."),
        ],
    ),
    (
        "tone",
        &[
            ("type", "What kind of source this is."),
            ("hz", "How high it sounds."),
            ("dbfs", "How loud it is."),
            ("sample_rate", "Samples a second."),
            ("channels", "How many."),
            ("format", "FLAC has every sample in half the bytes."),
            ("pace", "As time goes by, or as fast as can be."),
        ],
    ),
    (
        "web",
        &[
            ("enabled", "Without it there is no page."),
            ("bind", "127.0.0.1 for this machine alone."),
            ("port", "Where the page is."),
            ("password_hash", "Whoever opens the page is asked for the password."),
            ("session_hours", "For so long a browser stays logged in."),
            ("max_connections", "Of all visitors at a time."),
            ("max_per_host", "Of one visitor at a time."),
            ("hosts", "Names of this machine that it does not know itself."),
        ],
    ),
    (
        "analysis",
        &[
            ("detector", "By the level of all, or in each of many bands."),
            ("margin", "So far above the noise a section begins."),
            ("min_gap", "Sections that are nearer are one."),
            ("min_length", "Shorter ones are none."),
            ("pre_roll_s", "Heard before a section."),
            ("post_roll_s", "Heard after a section."),
            ("analyses_dir", "What belongs to recordings is kept there."),
        ],
    ),
    (
        "storage",
        &[
            ("when_full", "Old recordings give way to new ones, or recording ends."),
            ("high_score", "What is louder and was not reviewed goes last."),
            ("min_free_hours", "So much room is kept free, in hours of sound."),
            ("min_free_bytes", "So much room is kept free, at least."),
            ("retention_days", "Older recordings go."),
            ("expire_only_uploaded", "Only what has been uploaded goes by its age."),
            ("full_days", "Older recordings are kept as their sections, and all of it as Opus."),
            ("opus_days", "After so many days more, only the sections are kept."),
        ],
    ),
    (
        "upload",
        &[
            ("type", "What kind of place recordings are sent to."),
            ("url", "Of WebDAV, or of a server that takes PUT."),
            ("username", "If the server asks for one."),
            ("password", "If the server asks for one."),
            ("endpoint", "Of S3; nothing is Amazon's own."),
            ("bucket", "Of S3."),
            ("region", "Of S3."),
            ("access_key", "Of S3."),
            ("secret_key", "Of S3."),
            ("addressing", "Whether the bucket stands in the path or in the host."),
            ("part_mb", "Long files travel in such parts."),
            ("verify", "How it is seen that a file is there."),
            ("folder", "A disk or stick that is copied to."),
            ("mounted", "Whether the folder must be on a disk of its own."),
            ("layout", "Where a recording stands there."),
            ("upload_window", "When it is sent."),
            ("upload_rate", "How fast it is sent."),
            ("order", "What comes first."),
            ("only_sections", "Recordings without a section stay here."),
            ("convert", "What a WAV becomes on its way."),
        ],
    ),
    (
        "notify",
        &[
            ("notify_url", "Alarms are told there."),
            ("notify_kind", "What is there."),
            ("heartbeat_url", "Visited while all is well."),
            ("heartbeat_minutes", "How often it is visited."),
            ("heartbeat_fail_url", "Visited when an alarm begins."),
            ("mqtt_url", "A broker, and Home Assistant behind it, sees the recorder."),
        ],
    ),
    (
        "live",
        &[
            ("max_listeners", "In all."),
            ("max_listeners_per_mount", "Of one mount."),
            ("max_sources", "That others may feed at a time."),
            ("source_password", "Whoever feeds a mount needs it."),
            ("admin_password", "Whoever administers the relay needs it."),
            ("listen_password", "Whoever listens needs it."),
            ("mounts", "Where others may send their sound."),
            ("fallback_mount", "What is heard while a mount is silent."),
            ("source_timeout_seconds", "One that is silent for so long is gone."),
            ("spectrum_bands", "Bars of the spectrum."),
            ("spectrum_length", "Of a transform."),
            ("spectrum_low_hz", "Where the bars begin."),
            ("spectrum_high_hz", "Where the bars end."),
        ],
    ),
    (
        "site",
        &[
            ("name", "Written into recordings and told to listeners."),
            ("latitude", "The sun of schedules is asked for here."),
            ("longitude", "The sun of schedules is asked for here."),
        ],
    ),
];

/// Units that a `wants` begins with.
const UNITS: [&str; 14] = [
    "minutes",
    "seconds",
    "milliseconds",
    "hours",
    "days",
    "Hz",
    "MiB",
    "GiB",
    "frames",
    "samples",
    "dBFS",
    "dB",
    "kbit/s",
    "degrees",
];

/// Every kind of section with its keys, settings first; `lane` is what each source has besides its own, and `[general]` for all.
pub fn groups() -> Vec<Group> {
    // How long recordings are kept is said for all in one place, and by each source.
    let group = |name, is_source, list: List| {
        let kept = if matches!(name, "storage" | "lane") { keys::STORED } else { &[] };
        Group { name, is_source, keys: list.iter().chain(kept).map(|about| info(name, about)).collect() }
    };
    let settings = keys::SETTINGS.iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| group(name, false, list));
    let sources = SourceType::WORDS.iter().map(|(name, kind)| group(name, true, kind.keys()));
    settings.chain([group("lane", false, keys::LANE)]).chain(sources).collect()
}

fn info(group: &'static str, about: &'static About) -> KeyInfo {
    KeyInfo {
        name: about.name,
        default: about.default,
        wants: about.wants,
        help: line(group, about.name).unwrap_or_default(),
        unit: unit(about.wants),
        range: range(about.wants),
        choices: choices(about.wants),
        is_secret: about.shown == Shown::Never,
    }
}

fn line(group: &str, key: &str) -> Option<&'static str> {
    let (_, lines) = HELP.iter().find(|(name, _)| *name == group)?;
    lines.iter().find(|(name, _)| *name == key).map(|(_, help)| *help)
}

fn unit(wants: &'static str) -> Option<&'static str> {
    let first = wants.split([',', ' ']).next()?;
    UNITS.into_iter().find(|unit| *unit == first)
}

/// `8 to 65536` somewhere in it.
fn range(wants: &str) -> Option<(f64, f64)> {
    let words: Vec<&str> = wants.split([' ', ',', '(', ')', ':']).filter(|word| !word.is_empty()).collect();
    let number = |word: &&str| word.parse::<f64>().ok();
    words.windows(3).find_map(|three| {
        let [low, "to", high] = three else { return None };
        number(low).zip(number(high))
    })
}

/// `a, b or c` and nothing else, each a word.
fn choices(wants: &'static str) -> Vec<&'static str> {
    let Some((front, last)) = wants.rsplit_once(" or ") else { return Vec::new() };
    let words: Vec<&str> = front.split(", ").chain([last]).collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric());
    if words.iter().all(is_word) { words } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_line_and_every_line_a_key() {
        for group in groups() {
            let lines = HELP.iter().find(|(name, _)| *name == group.name).map_or(&[][..], |(_, lines)| lines);
            for key in &group.keys {
                assert!(key.help.ends_with('.'), "[{}] {} has no line of help in src/config/help.rs", group.name, key.name);
            }
            for (name, _) in lines {
                assert!(group.keys.iter().any(|key| key.name == *name), "[{}] has no key {name}", group.name);
            }
        }
    }

    #[test]
    fn what_a_key_wants_is_read_as_it_is_meant() {
        let all = groups();
        let key = |group: &str, name: &str| {
            let keys = all.iter().find(|g| g.name == group).expect("a group").keys.iter();
            keys.clone().find(|key| key.name == name).cloned().expect("a key")
        };
        let choices = |group, name| key(group, name).choices.join(" ");
        assert_eq!(choices("general", "log_level"), "DEBUG INFO WARNING ERROR CRITICAL");
        assert_eq!(choices("lane", "bit_depth"), "16 24 auto");
        assert_eq!(choices("web", "enabled"), "yes no");
        assert_eq!(choices("tone", "type"), "soundcard stream file demo tone");
        for (group, name) in
            [("lane", "time_zone"), ("file", "loop"), ("stream", "url"), ("soundcard", "device"), ("general", "log_file")]
        {
            assert_eq!(choices(group, name), "", "{name}");
        }
        let measure = |group, name| (key(group, name).unit, key(group, name).range);
        assert_eq!(measure("general", "memory_budget_mb"), (Some("MiB"), Some((8.0, 65_536.0))));
        assert_eq!(measure("tone", "dbfs"), (Some("dBFS"), Some((-120.0, 0.0))));
        assert_eq!(measure("web", "port"), (None, Some((1.0, 65_535.0))));
        assert_eq!(measure("lane", "flac_level"), (None, None));
        assert!(key("web", "password_hash").is_secret && !key("web", "port").is_secret);
    }
}
