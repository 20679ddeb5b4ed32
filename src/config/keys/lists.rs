//! Which keys each section knows, in the order in which they are shown.

use super::*;

pub type List = &'static [&'static About];

pub static GENERAL: List = &[&LOG_LEVEL.about, &LOG_FILE.about, &MEMORY_BUDGET_MB.about, &CA_FILE.about, &MONITOR.about];
/// What a source takes over from `[general]` unless it says otherwise.
pub static LANE: List = &[
    &OUTPUT_DIRECTORY.about,
    &SPLIT_MINUTES.about,
    &FILENAME_PATTERN.about,
    &FILENAME_TIME.about,
    &RENAME_CORRECTED.about,
    &TIME_ZONE.about,
    &BIT_DEPTH.about,
    &FLAC_LEVEL.about,
    &FLAC_BLOCK_SIZE.about,
    &SYNC_SECONDS.about,
    &POOL_SECONDS.about,
    &PERIOD_MS.about,
    &BUFFER_MS.about,
    &MAX_RETRIES.about,
    &RETRY_DELAY_SECONDS.about,
    &SCHEDULE.about,
    &SCHEDULE_DAYS.about,
    &SCHEDULE_DATES.about,
    &SCHEDULE_EVERY.about,
    &DUTY.about,
    &TRIGGER.about,
    &TRIGGER_MARGIN.about,
    &TRIGGER_BAND.about,
    &PRE_ROLL.about,
    &POST_ROLL.about,
    &TRIGGER_MIN_SECONDS.about,
    &TRIGGER_MAX_SECONDS.about,
    &ICECAST_URL.about,
    &ICECAST_BITRATE.about,
    &ICECAST_NAME.about,
    &ICECAST_DESCRIPTION.about,
    &ICECAST_GENRE.about,
    &ICECAST_PUBLIC.about,
    &ON_CLOSE.about,
    &ON_CLOSE_TIMEOUT.about,
];
pub static SOUNDCARD: List = &[&TYPE.about, &DEVICE.about, &SAMPLE_RATE.about, &CHANNELS.about, &FORMAT_WAV.about];
pub static STREAM: List = &[&TYPE.about, &URL.about, &USERNAME.about, &PASSWORD.about, &STREAM_FORMAT.about, &CUE_SHEET.about];
pub static FILE: List = &[
    &TYPE.about,
    &PATH.about,
    &PACE.about,
    &LOOP.about,
    &FAULTS.about,
    &FORMAT_WAV.about,
    &RAW_BITS.about,
    &SAMPLE_RATE.about,
    &CHANNELS.about,
];
pub static DEMO: List = &[&TYPE.about, &SEED.about, &SAMPLE_RATE_48.about, &CHANNELS.about, &FORMAT_FLAC.about];
pub static TONE: List =
    &[&TYPE.about, &HZ.about, &DBFS.about, &SAMPLE_RATE_48.about, &CHANNELS.about, &FORMAT_WAV.about, &PACE.about];
pub static WEB: List = &[
    &WEB_ENABLED.about,
    &WEB_BIND.about,
    &WEB_PORT.about,
    &WEB_PASSWORD_HASH.about,
    &WEB_SESSION_HOURS.about,
    &WEB_MAX_CONNECTIONS.about,
    &WEB_MAX_PER_HOST.about,
    &WEB_HOSTS.about,
];
pub static ANALYSIS: List = &[
    &DETECTOR.about,
    &MARGIN.about,
    &MIN_GAP.about,
    &MIN_LENGTH.about,
    &PRE_ROLL_S.about,
    &POST_ROLL_S.about,
    &ANALYSES_DIR.about,
];
pub static LIVE: List = &[
    &MAX_LISTENERS.about,
    &MAX_LISTENERS_PER_MOUNT.about,
    &MAX_SOURCES.about,
    &SOURCE_PASSWORD.about,
    &ADMIN_PASSWORD.about,
    &LISTEN_PASSWORD.about,
    &MOUNTS.about,
    &FALLBACK_MOUNT.about,
    &SOURCE_TIMEOUT.about,
    &SPECTRUM_BANDS.about,
    &SPECTRUM_LENGTH.about,
    &SPECTRUM_LOW_HZ.about,
    &SPECTRUM_HIGH_HZ.about,
];
pub static NOTIFY: List = &[
    &NOTIFY_URL.about,
    &NOTIFY_KIND.about,
    &HEARTBEAT_URL.about,
    &HEARTBEAT_MINUTES.about,
    &HEARTBEAT_FAIL_URL.about,
    &MQTT_URL.about,
];

pub static STORAGE: List = &[&WHEN_FULL.about, &HIGH_SCORE.about];
/// What a source takes over from `[storage]` unless it says otherwise.
pub static STORED: List = &[
    &MIN_FREE_HOURS.about,
    &MIN_FREE_BYTES.about,
    &RETENTION_DAYS.about,
    &EXPIRE_ONLY_UPLOADED.about,
    &FULL_DAYS.about,
    &OPUS_DAYS.about,
];
pub static UPLOAD: List = &[
    &UPLOAD_TYPE.about,
    &UPLOAD_URL.about,
    &USERNAME.about,
    &PASSWORD.about,
    &ENDPOINT.about,
    &BUCKET.about,
    &REGION.about,
    &ACCESS_KEY.about,
    &SECRET_KEY.about,
    &ADDRESSING.about,
    &PART_MB.about,
    &VERIFY.about,
    &UPLOAD_FOLDER.about,
    &MOUNTED.about,
    &LAYOUT.about,
    &UPLOAD_WINDOW.about,
    &UPLOAD_RATE.about,
    &ORDER.about,
    &ONLY_SECTIONS.about,
    &CONVERT.about,
];
pub static SITE: List = &[&SITE_NAME.about, &LATITUDE.about, &LONGITUDE.about];

/// The settings sections. `[upload]` stands for every `[upload.NAME]`, too.
pub static SETTINGS: [(&str, List); 8] = [
    ("general", GENERAL),
    ("web", WEB),
    ("analysis", ANALYSIS),
    ("storage", STORAGE),
    ("upload", UPLOAD),
    ("live", LIVE),
    ("notify", NOTIFY),
    ("site", SITE),
];

/// Every key of every section, some of them more than once.
pub fn all() -> impl Iterator<Item = &'static About> {
    let settings = SETTINGS.iter().flat_map(|(_, list)| list.iter());
    let sources = SourceType::WORDS.iter().flat_map(|(_, kind)| kind.keys().iter());
    settings.chain(LANE).chain(sources).copied()
}
