//! Every key of soundpost.ini: name, default, what it wants. The one table that reading, `soundpost check`, the messages and
//! the test of the example file share. A new key is a line here, a line in its list (in `lists`), and a field where it is used.

mod lists;

pub use lists::*;

use std::path::PathBuf;

use log::LevelFilter;

use super::script::{self, ScriptedFault};
use super::source::{BitDepth, FilenameTime, Pace, RawBits, Repeat, SourceType, StreamFormat};
use super::storage::WhenFull;
use super::trigger;
use super::upload::{Addressing, TargetType, Verify};
use super::url::{MqttUrl, PushUrl, StreamUrl, StreamUrls};
use super::value::{
    Secret, Wrong, bytes, choice, filename_pattern, flag, optional, path, real, time_zone, unless_empty, whole, word,
};
use crate::format::notice;
use crate::message::analysis::Detector;
use crate::message::{Container, Depth};
use crate::policy::Invalid;
use crate::policy::hook::Program;
use crate::policy::outbox::{Convert, Layout, Order, layout};
use crate::policy::schedule::{self, Dates, Days, Duty, Every, Window};
use crate::time::Rate;

/// What a message or a listing needs to know of a key.
#[derive(Debug)]
pub struct About {
    pub name: &'static str,
    /// As it would stand in the file; empty for nothing.
    pub default: &'static str,
    /// Completes "want …".
    pub wants: &'static str,
    pub shown: Shown,
}

/// How much of a value may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Plain,
    /// An address: without its user information.
    Masked,
    /// An address that is as good as a password: its host alone.
    Host,
    Never,
}

pub struct Key<T> {
    pub about: About,
    pub parse: fn(&str) -> Result<T, Wrong>,
}

impl<T> Key<T> {
    const fn shown(mut self, shown: Shown) -> Key<T> {
        self.about.shown = shown;
        self
    }
}

const fn key<T>(name: &'static str, default: &'static str, wants: &'static str, parse: fn(&str) -> Result<T, Wrong>) -> Key<T> {
    Key { about: About { name, default, wants, shown: Shown::Plain }, parse }
}

const fn secret(name: &'static str, wants: &'static str) -> Key<Option<Secret>> {
    key(name, "", wants, |t| unless_empty(t, Secret::parse)).shown(Shown::Never)
}

// [general] alone.
pub static LOG_LEVEL: Key<LevelFilter> =
    key("log_level", "INFO", "DEBUG, INFO, WARNING, ERROR or CRITICAL", |t| choice(t, &LOG_LEVELS));
pub static LOG_FILE: Key<Option<PathBuf>> = key("log_file", "recorder.log", "a path, or none", |t| optional(t, path));
pub static MEMORY_BUDGET_MB: Key<u32> = key("memory_budget_mb", "64", "MiB, 8 to 65536", |t| whole(t, 8, 65_536));

pub static CA_FILE: Key<Option<PathBuf>> =
    key("ca_file", "", "a file with certificates in PEM that are trusted too, or nothing", |t| unless_empty(t, path));

pub static MONITOR: Key<Option<String>> = key("monitor", "", "the name of a source, or nothing", |t| unless_empty(t, word));

// [general], or any source.
pub static OUTPUT_DIRECTORY: Key<PathBuf> = key("output_directory", "recordings", "a path", path);
pub static SPLIT_MINUTES: Key<f64> = key("split_minutes", "60", "minutes, more than 0 and at most 1440", split_minutes);
pub static FILENAME_PATTERN: Key<String> =
    key("filename_pattern", "%Y%m%d_%H%M%S", "a strftime pattern below output_directory", filename_pattern);
pub static FILENAME_TIME: Key<FilenameTime> =
    key("filename_time", "local", "local or utc", |t| choice(t, &[("local", FilenameTime::Local), ("utc", FilenameTime::Utc)]));
pub static RENAME_CORRECTED: Key<bool> = key("rename_corrected", "no", "yes or no", flag);
pub static TIME_ZONE: Key<Option<String>> = key("time_zone", "system", "a name such as Europe/Berlin, or system", time_zone);
pub static BIT_DEPTH: Key<BitDepth> = key("bit_depth", "16", "16, 24 or auto", |t| choice(t, &BIT_DEPTHS));
pub static FLAC_LEVEL: Key<u32> = key("flac_level", "5", "0 (fast) to 8 (small)", |t| whole(t, 0, 8));
pub static FLAC_BLOCK_SIZE: Key<u32> = key("flac_block_size", "4096", "frames, 256 to 16384", |t| whole(t, 256, 16_384));
pub static SYNC_SECONDS: Key<f64> = key("sync_seconds", "5", "seconds, 0.1 to 600", |t| real(t, 0.1, 600.0));
pub static POOL_SECONDS: Key<f64> = key("pool_seconds", "12", "seconds, 1 to 600", |t| real(t, 1.0, 600.0));
pub static PERIOD_MS: Key<u32> = key("period_ms", "100", "milliseconds, 5 to 1000", |t| whole(t, 5, 1_000));
pub static BUFFER_MS: Key<u32> = key("buffer_ms", "2000", "milliseconds, 20 to 60000", |t| whole(t, 20, 60_000));
pub static MAX_RETRIES: Key<u32> = key("max_retries", "10", "a count, 0 to 1000000", |t| whole(t, 0, 1_000_000));
pub static RETRY_DELAY_SECONDS: Key<f64> = key("retry_delay_seconds", "5", "seconds, 0 to 86400", |t| real(t, 0.0, 86_400.0));
pub static SCHEDULE: Key<Vec<Window>> =
    key("schedule", "", "windows such as 22:00..06:00 or sunrise-30m..sunrise+2h, or nothing: always", |t| {
        schedule::parse_windows(t).map_err(said)
    });
pub static SCHEDULE_DAYS: Key<Days> =
    key("schedule_days", "", "days such as mon,wed or fri-sun, or nothing: all", |t| schedule::parse_days(t).map_err(said));
pub static SCHEDULE_DATES: Key<Vec<Dates>> =
    key("schedule_dates", "", "dates such as 03-01..06-30, or nothing: all", |t| schedule::parse_dates(t).map_err(said));
pub static SCHEDULE_EVERY: Key<Every> = key("schedule_every", "1", "a number of days, 1 to 366: 3, or 3 since 2026-05-01", |t| {
    schedule::parse_every(t).map_err(said)
});
pub static DUTY: Key<Option<Duty>> =
    key("duty", "", "what is recorded of what, such as 60s/5m, or nothing: all", |t| schedule::parse_duty(t).map_err(said));

pub static TRIGGER: Key<Option<Detector>> =
    key("trigger", "off", "level, bands or off: everything is recorded", trigger::detector);
pub static TRIGGER_MARGIN: Key<Option<f64>> =
    key("trigger_margin", "", "dB above the floor, 0 to 120, or nothing: as in [analysis]", |t| {
        unless_empty(t, |t| real(t, 0.0, 120.0))
    });
pub static TRIGGER_BAND: Key<Option<(f64, f64)>> =
    key("trigger_band", "", "a range of Hz such as 18k-120k, or nothing: all", |t| unless_empty(t, trigger::band));
pub static PRE_ROLL: Key<Option<f64>> = key("pre_roll", "", "seconds, 0 to 60, or nothing: as in [analysis]", trigger::roll);
pub static POST_ROLL: Key<Option<f64>> = key("post_roll", "", "seconds, 0 to 60, or nothing: as in [analysis]", trigger::roll);
pub static TRIGGER_MIN_SECONDS: Key<f64> = key("trigger_min_seconds", "0", "seconds, 0 to 3600", |t| real(t, 0.0, 3_600.0));
pub static TRIGGER_MAX_SECONDS: Key<Option<f64>> =
    key("trigger_max_seconds", "", "seconds, 1 to 86400, or nothing: as long as it is loud", |t| {
        unless_empty(t, |t| real(t, 1.0, 86_400.0))
    });
pub static ON_CLOSE: Key<Option<Program>> =
    key("on_close", "", "a program by its whole path, with {file}, {sidecar}, {result} or {source}, or nothing", |t| {
        unless_empty(t, |t| word(t).and_then(|t| Program::parse(&t).map_err(said)))
    });
pub static ON_CLOSE_TIMEOUT: Key<f64> =
    key("on_close_timeout_seconds", "3600", "seconds, 1 to 86400", |t| real(t, 1.0, 86_400.0));

// Sources. A default may differ from one type to another; the name of a key means the same in all.
pub static TYPE: Key<Option<SourceType>> =
    key("type", "", SourceType::WANTS, |t| unless_empty(t, |t| choice(t, &SourceType::WORDS)));
pub static DEVICE: Key<String> = key("device", "default", "default, a part of a card's name, hw:X,Y or a PCM name", word);
pub static SAMPLE_RATE: Key<Rate> = key("sample_rate", "44100", RATES, rate);
pub static SAMPLE_RATE_48: Key<Rate> = key("sample_rate", "48000", RATES, rate);
pub static CHANNELS: Key<u8> = key("channels", "2", "1 to 8", |t| whole(t, 1, 8));
pub static FORMAT_WAV: Key<Container> = key("format", "wav", "wav or flac", container);
pub static FORMAT_FLAC: Key<Container> = key("format", "flac", "wav or flac", container);
pub static URL: Key<Option<StreamUrls>> =
    key("url", "", "http://host:port/path or https://, others after a blank stand in", |t| unless_empty(t, StreamUrls::parse))
        .shown(Shown::Masked);
pub static CUE_SHEET: Key<bool> = key("cue_sheet", "no", "yes or no", flag);
pub static USERNAME: Key<Option<String>> = key("username", "", "a name, or nothing", |t| unless_empty(t, word));
pub static PASSWORD: Key<Option<Secret>> = secret("password", "a password, or nothing");
pub static STREAM_FORMAT: Key<StreamFormat> =
    key("format", "auto", "auto, mp3, ogg, aac, flac or opus", |t| choice(t, &StreamFormat::WORDS));
pub static PATH: Key<Option<PathBuf>> = key("path", "", "the path of a recording", |t| unless_empty(t, path));
pub static PACE: Key<Pace> = key("pace", "real", "real or fast", |t| choice(t, &[("real", Pace::Real), ("fast", Pace::Fast)]));
pub static LOOP: Key<Repeat> = key("loop", "no", "yes, no, or how often it is played (1 to 1000000)", Repeat::parse);
pub static FAULTS: Key<Vec<ScriptedFault>> = key("faults", "", "a list such as stall@10s:3s, end@60s", script::parse);
pub static RAW_BITS: Key<Option<RawBits>> =
    key("raw_bits", "none", "16 or 24 for a file without a header, or none", |t| optional(t, |t| choice(t, &RawBits::WORDS)));
pub static SEED: Key<u64> = key("seed", "1", "a whole number", |t| whole(t, 0, u64::MAX));
pub static HZ: Key<f64> = key("hz", "1000", "Hz, 1 to 384000", |t| real(t, 1.0, 384_000.0));
pub static DBFS: Key<f64> = key("dbfs", "-20", "dBFS, -120 to 0", |t| real(t, -120.0, 0.0));

// Settings sections.
pub static WEB_ENABLED: Key<bool> = key("enabled", "yes", "yes or no", flag);
pub static WEB_BIND: Key<std::net::IpAddr> =
    key("bind", "0.0.0.0", "an IP address, 0.0.0.0 for all", |t| t.parse().map_err(|_| Wrong::Unwanted));
pub static WEB_PORT: Key<u16> = key("port", "8080", "a port, 1 to 65535", |t| whole(t, 1, 65_535));
pub static WEB_PASSWORD_HASH: Key<Option<Secret>> = secret("password_hash", "what `soundpost hash-password` prints, or nothing");
pub static WEB_SESSION_HOURS: Key<f64> = key("session_hours", "720", "hours, 0.1 to 87600", |t| real(t, 0.1, 87_600.0));
pub static WEB_MAX_CONNECTIONS: Key<u32> = key("max_connections", "64", "a count, 1 to 1024", |t| whole(t, 1, 1_024));
pub static WEB_MAX_PER_HOST: Key<u32> = key("max_per_host", "32", "a count, 1 to 1024", |t| whole(t, 1, 1_024));
pub static WEB_HOSTS: Key<Vec<String>> =
    key("hosts", "", "names that the page is reached by, with blanks between, or nothing", names);
pub static DETECTOR: Key<Detector> =
    key("detector", "level", "level or bands", |t| choice(t, &[("level", Detector::Level), ("bands", Detector::Bands)]));
pub static MARGIN: Key<Option<f64>> =
    key("margin", "", "dB above the floor, 0 to 120, or nothing: 12 for level, 15 for bands", |t| {
        unless_empty(t, |t| real(t, 0.0, 120.0))
    });
pub static MIN_GAP: Key<f64> = key("min_gap", "2", "seconds, 0 to 3600", |t| real(t, 0.0, 3_600.0));
pub static MIN_LENGTH: Key<f64> = key("min_length", "0.2", "seconds, 0 to 3600", |t| real(t, 0.0, 3_600.0));
pub static PRE_ROLL_S: Key<f64> = key("pre_roll_s", "2", "seconds, 0 to 60", |t| real(t, 0.0, 60.0));
pub static POST_ROLL_S: Key<f64> = key("post_roll_s", "1", "seconds, 0 to 60", |t| real(t, 0.0, 60.0));
pub static ANALYSES_DIR: Key<Option<PathBuf>> =
    key("analyses_dir", "", "a path, or nothing for analyses below output_directory", |t| unless_empty(t, path));
pub static MAX_LISTENERS: Key<u32> = key("max_listeners", "100", "a count, 0 to 10000", |t| whole(t, 0, 10_000));
pub static MAX_SOURCES: Key<u32> = key("max_sources", "10", "a count, 0 to 1000", |t| whole(t, 0, 1_000));
pub static SOURCE_PASSWORD: Key<Option<Secret>> = secret("source_password", "a password, or nothing: no relay");
pub static ADMIN_PASSWORD: Key<Option<Secret>> = secret("admin_password", "a password, or nothing: no administration");
pub static LISTEN_PASSWORD: Key<Option<Secret>> = secret("listen_password", "a password, or nothing: anybody may listen");
pub static MAX_LISTENERS_PER_MOUNT: Key<u32> =
    key("max_listeners_per_mount", "100", "a count, 0 to 10000", |t| whole(t, 0, 10_000));
pub static MOUNTS: Key<Vec<String>> =
    key("mounts", "/*", "paths that sources may feed, * for any letters, with blanks between: /mic-*.opus", mounts);
pub static FALLBACK_MOUNT: Key<Option<String>> =
    key("fallback_mount", "", "a path that listeners go on with while a mount has no source, or nothing", |t| {
        unless_empty(t, |t| mounts(t).and_then(|paths| paths.into_iter().next().ok_or(Wrong::Unwanted)))
    });
pub static SOURCE_TIMEOUT: Key<f64> = key("source_timeout_seconds", "10", "seconds, 1 to 600", |t| real(t, 1.0, 600.0));
pub static SPECTRUM_BANDS: Key<u32> = key("spectrum_bands", "32", "a count, 4 to 256", |t| whole(t, 4, 256));
pub static SPECTRUM_LENGTH: Key<u32> =
    key("spectrum_length", "1024", "samples, a power of two from 64 to 16384", |t| match whole::<u32>(t, 64, 16_384)? {
        length if length.is_power_of_two() => Ok(length),
        _ => Err(Wrong::Unwanted),
    });
pub static SPECTRUM_LOW_HZ: Key<f64> = key("spectrum_low_hz", "20", "Hz, 1 to 100000", |t| real(t, 1.0, 100_000.0));
pub static SPECTRUM_HIGH_HZ: Key<f64> = key("spectrum_high_hz", "16000", "Hz, 2 to 384000", |t| real(t, 2.0, 384_000.0));
pub static ICECAST_URL: Key<Option<PushUrl>> =
    key("icecast_url", "", "icecast://source:password@host:port/{source}.opus, or nothing: nothing is pushed", |t| {
        unless_empty(t, PushUrl::parse)
    })
    .shown(Shown::Masked);
pub static ICECAST_BITRATE: Key<u32> = key("icecast_bitrate", "64", "kbit/s, 6 to 256", |t| whole(t, 6, 256));
pub static ICECAST_NAME: Key<Option<String>> =
    key("icecast_name", "", "a name for listeners, or nothing", |t| unless_empty(t, word));
pub static ICECAST_DESCRIPTION: Key<Option<String>> =
    key("icecast_description", "", "a sentence for listeners, or nothing", |t| unless_empty(t, word));
pub static ICECAST_GENRE: Key<Option<String>> =
    key("icecast_genre", "", "a word for listeners, or nothing", |t| unless_empty(t, word));
pub static ICECAST_PUBLIC: Key<bool> = key("icecast_public", "no", "yes or no", flag);
pub static WHEN_FULL: Key<WhenFull> =
    key("when_full", "delete", "delete or stop", |t| choice(t, &[("delete", WhenFull::Delete), ("stop", WhenFull::Stop)]));
pub static HIGH_SCORE: Key<f64> = key("high_score", "24", "dB above the floor, 0 to 120", |t| real(t, 0.0, 120.0));
// [storage], or any source.
pub static MIN_FREE_HOURS: Key<f64> = key("min_free_hours", "0.1", "hours, 0 to 87600", |t| real(t, 0.0, 87_600.0));
pub static MIN_FREE_BYTES: Key<u64> = key("min_free_bytes", "64M", "bytes, such as 500M or 2G", bytes);
pub static RETENTION_DAYS: Key<Option<f64>> =
    key("retention_days", "", "days, 0.01 to 36500, or nothing: until the room is needed", |t| {
        unless_empty(t, |t| real(t, 0.01, 36_500.0))
    });
pub static FULL_DAYS: Key<Option<f64>> = key("full_days", "", "days, 0.01 to 36500, or nothing: as long as it stays", |t| {
    unless_empty(t, |t| real(t, 0.01, 36_500.0))
});
pub static OPUS_DAYS: Key<Option<f64>> = key("opus_days", "", "days, 0.01 to 36500, or nothing: as long as it stays", |t| {
    unless_empty(t, |t| real(t, 0.01, 36_500.0))
});
pub static EXPIRE_ONLY_UPLOADED: Key<bool> = key("expire_only_uploaded", "no", "yes or no", flag);
pub static NOTIFY_URL: Key<Option<StreamUrl>> =
    key("notify_url", "", "http://host/path or https://, or nothing: nobody is told of alarms", |t| {
        unless_empty(t, StreamUrl::parse)
    })
    .shown(Shown::Host);
pub static NOTIFY_KIND: Key<notice::Kind> =
    key("notify_kind", "webhook", "webhook, ntfy or apprise", |t| choice(t, &notice::Kind::WORDS));
pub static HEARTBEAT_URL: Key<Option<StreamUrl>> =
    key("heartbeat_url", "", "http://host/path or https://, or nothing: no sign of life", |t| unless_empty(t, StreamUrl::parse))
        .shown(Shown::Host);
pub static HEARTBEAT_MINUTES: Key<f64> = key("heartbeat_minutes", "5", "minutes, 0.1 to 1440", |t| real(t, 0.1, 1_440.0));
pub static HEARTBEAT_FAIL_URL: Key<Option<StreamUrl>> =
    key("heartbeat_fail_url", "", "http://host/path or https://, or nothing", |t| unless_empty(t, StreamUrl::parse))
        .shown(Shown::Host);
pub static MQTT_URL: Key<Option<MqttUrl>> =
    key("mqtt_url", "", "mqtt://user:password@host:1883, or nothing", |t| unless_empty(t, MqttUrl::parse)).shown(Shown::Masked);
pub static UPLOAD_TYPE: Key<Option<TargetType>> =
    key("type", "", TargetType::WANTS, |t| unless_empty(t, |t| choice(t, &TargetType::WORDS)));
pub static UPLOAD_URL: Key<Option<StreamUrl>> =
    key("url", "", "http://host:port/path or https://", |t| unless_empty(t, StreamUrl::parse)).shown(Shown::Masked);
pub static ENDPOINT: Key<Option<StreamUrl>> =
    key("endpoint", "", "https://host:port of the S3 server, or nothing: Amazon's", |t| unless_empty(t, StreamUrl::parse))
        .shown(Shown::Masked);
pub static BUCKET: Key<Option<String>> = key("bucket", "", "the name of a bucket", |t| unless_empty(t, bucket));
pub static REGION: Key<String> = key("region", "us-east-1", "the name of a region", bucket);
pub static ACCESS_KEY: Key<Option<String>> = key("access_key", "", "the name of a key", |t| unless_empty(t, word));
pub static SECRET_KEY: Key<Option<Secret>> = secret("secret_key", "a secret");
pub static ADDRESSING: Key<Addressing> = key("addressing", "auto", "auto, path or host", |t| choice(t, &Addressing::WORDS));
pub static PART_MB: Key<u32> = key("part_mb", "8", "MiB, 5 to 1024", |t| whole(t, 5, 1_024));
pub static VERIFY: Key<Verify> = key("verify", "read", "read or size", |t| choice(t, &Verify::WORDS));
pub static UPLOAD_FOLDER: Key<Option<PathBuf>> = key("folder", "", "the path of a folder", |t| unless_empty(t, path));
pub static MOUNTED: Key<bool> = key("mounted", "yes", "yes or no", flag);
pub static LAYOUT: Key<Layout> =
    key("layout", layout::USUAL, "a path such as {site}/{source}/{date}/{name}", |t| Layout::parse(t).map_err(said));
pub static UPLOAD_WINDOW: Key<Vec<Window>> =
    key("upload_window", "", "windows such as 01:00..05:00 or sunset..sunrise, or nothing: always", |t| {
        schedule::parse_windows(t).map_err(said)
    });
pub static UPLOAD_RATE: Key<u32> = key("upload_rate", "0", "kbit/s, or 0: as fast as it goes", |t| whole(t, 0, 10_000_000));
pub static ORDER: Key<Order> =
    key("order", "oldest", "oldest or newest", |t| choice(t, &[("oldest", Order::Oldest), ("newest", Order::Newest)]));
pub static ONLY_SECTIONS: Key<bool> = key("only_sections", "no", "yes or no", flag);
pub static CONVERT: Key<Convert> =
    key("convert", "no", "no or flac", |t| choice(t, &[("no", Convert::No), ("flac", Convert::Flac)]));
pub static SITE_NAME: Key<Option<String>> = key("name", "", "a name, or nothing", |t| unless_empty(t, word));
pub static LATITUDE: Key<Option<f64>> =
    key("latitude", "", "degrees north, -90 to 90", |t| unless_empty(t, |t| real(t, -90.0, 90.0)));
pub static LONGITUDE: Key<Option<f64>> =
    key("longitude", "", "degrees east, -180 to 180", |t| unless_empty(t, |t| real(t, -180.0, 180.0)));

const LOG_LEVELS: [(&str, LevelFilter); 7] = [
    ("DEBUG", LevelFilter::Debug),
    ("INFO", LevelFilter::Info),
    ("WARNING", LevelFilter::Warn),
    ("WARN", LevelFilter::Warn),
    ("ERROR", LevelFilter::Error),
    // Python's two names of a level that the log facade does not have.
    ("CRITICAL", LevelFilter::Error),
    ("FATAL", LevelFilter::Error),
];
const BIT_DEPTHS: [(&str, BitDepth); 3] =
    [("16", BitDepth::Fixed(Depth::Sixteen)), ("24", BitDepth::Fixed(Depth::TwentyFour)), ("auto", BitDepth::Auto)];
const RATES: &str = "Hz, 1000 to 768000";

fn said(why: Invalid) -> Wrong {
    Wrong::Because(why.0)
}

fn rate(text: &str) -> Result<Rate, Wrong> {
    Rate::new(whole(text, 1_000, u64::from(Rate::MAX_HZ))?).ok_or(Wrong::Unwanted)
}

fn container(text: &str) -> Result<Container, Wrong> {
    choice(text, &[("wav", Container::Wav), ("flac", Container::Flac)])
}

/// Host names, without port, with blanks or commas between.
fn names(text: &str) -> Result<Vec<String>, Wrong> {
    let names: Vec<String> = text.split([' ', ',']).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
    let is_name = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if names.iter().all(is_name) { Ok(names) } else { Err(Wrong::Unwanted) }
}

/// A word that stands in addresses as it is.
fn bucket(text: &str) -> Result<String, Wrong> {
    let is_good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if is_good { Ok(text.to_owned()) } else { Err(Wrong::Unwanted) }
}

/// Paths with blanks or commas between.
fn mounts(text: &str) -> Result<Vec<String>, Wrong> {
    let paths: Vec<String> = text.split([' ', ',']).filter(|path| !path.is_empty()).map(str::to_owned).collect();
    let is_path = |path: &String| path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && !b"?#%\\".contains(&b));
    if paths.iter().all(is_path) { Ok(paths) } else { Err(Wrong::Unwanted) }
}

/// Under a thousandth, every read of the device would make several files.
fn split_minutes(text: &str) -> Result<f64, Wrong> {
    match real(text, f64::MIN_POSITIVE, 1_440.0)? {
        minutes if minutes < 0.001 => super::value::because("is too short: want at least 0.001 minutes"),
        minutes => Ok(minutes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`super::super::reader`] relies on this: a default is always a value.
    #[test]
    fn every_default_is_a_value() {
        macro_rules! check {
            ($($key:ident)*) => {
                let checked = [$((&$key.about, ($key.parse)($key.about.default).is_ok())),*];
                for (about, is_value) in checked {
                    assert!(is_value, "{} = {}", about.name, about.default);
                }
                checked.map(|(about, _)| std::ptr::from_ref(about))
            };
        }
        let checked = {
            check! {
                MQTT_URL ON_CLOSE ON_CLOSE_TIMEOUT NOTIFY_URL NOTIFY_KIND HEARTBEAT_URL HEARTBEAT_MINUTES HEARTBEAT_FAIL_URL LOG_LEVEL LOG_FILE MEMORY_BUDGET_MB OUTPUT_DIRECTORY SPLIT_MINUTES FILENAME_PATTERN FILENAME_TIME RENAME_CORRECTED TIME_ZONE
                BIT_DEPTH FLAC_LEVEL FLAC_BLOCK_SIZE SYNC_SECONDS POOL_SECONDS PERIOD_MS BUFFER_MS MAX_RETRIES
                RETRY_DELAY_SECONDS TYPE DEVICE SAMPLE_RATE SAMPLE_RATE_48 CHANNELS FORMAT_WAV FORMAT_FLAC URL USERNAME PASSWORD
                STREAM_FORMAT CUE_SHEET CA_FILE MONITOR PATH PACE LOOP FAULTS RAW_BITS SEED HZ DBFS WEB_ENABLED WEB_BIND WEB_PORT WEB_PASSWORD_HASH
                WEB_SESSION_HOURS WEB_MAX_CONNECTIONS WEB_MAX_PER_HOST WEB_HOSTS DETECTOR MARGIN MIN_GAP MIN_LENGTH PRE_ROLL_S POST_ROLL_S
                ANALYSES_DIR MAX_LISTENERS MAX_SOURCES SOURCE_PASSWORD ADMIN_PASSWORD LISTEN_PASSWORD MAX_LISTENERS_PER_MOUNT
                MOUNTS FALLBACK_MOUNT SOURCE_TIMEOUT SPECTRUM_BANDS SPECTRUM_LENGTH SPECTRUM_LOW_HZ SPECTRUM_HIGH_HZ ICECAST_URL ICECAST_BITRATE
                ICECAST_NAME ICECAST_DESCRIPTION ICECAST_GENRE ICECAST_PUBLIC SCHEDULE SCHEDULE_DAYS SCHEDULE_DATES SCHEDULE_EVERY DUTY TRIGGER TRIGGER_MARGIN TRIGGER_BAND
                PRE_ROLL POST_ROLL TRIGGER_MIN_SECONDS TRIGGER_MAX_SECONDS WHEN_FULL HIGH_SCORE
                MIN_FREE_HOURS MIN_FREE_BYTES RETENTION_DAYS EXPIRE_ONLY_UPLOADED FULL_DAYS OPUS_DAYS SITE_NAME LATITUDE LONGITUDE
                UPLOAD_TYPE UPLOAD_URL ENDPOINT BUCKET REGION ACCESS_KEY SECRET_KEY ADDRESSING PART_MB VERIFY UPLOAD_FOLDER MOUNTED
                LAYOUT UPLOAD_WINDOW UPLOAD_RATE ORDER ONLY_SECTIONS CONVERT
            }
        };
        let lists = [LANE, STORED, SOUNDCARD, STREAM, FILE, DEMO, TONE].into_iter().chain(SETTINGS.map(|(_, list)| list));
        for about in lists.flatten() {
            assert!(checked.contains(&std::ptr::from_ref(*about)), "{} is not in this test", about.name);
        }
    }

    #[test]
    fn names_of_hosts() {
        assert_eq!(names("Box.example.org,  recorder"), Ok(vec!["box.example.org".to_owned(), "recorder".to_owned()]));
        assert_eq!(names(""), Ok(vec![]));
        for text in ["http://box", "box:80", "b\u{e4}x", "*.example.org"] {
            assert!(names(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_split_has_a_length() {
        for (text, want) in
            [("60", true), ("0.02", true), ("1440", true), ("0", false), ("0.0009", false), ("1440.1", false), ("-5", false)]
        {
            assert_eq!(split_minutes(text).is_ok(), want, "{text}");
        }
    }
}
