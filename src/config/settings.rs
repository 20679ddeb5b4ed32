//! The sections that are no sources: `[general]`, `[web]`, `[analysis]`, `[storage]`, `[upload]`, `[live]`, `[notify]`,
//! `[site]`.

use std::net::IpAddr;
use std::path::PathBuf;

use log::LevelFilter;

use super::keys;
use super::reader::Reader;
use super::source::LaneSettings;
use super::url::{MqttUrl, StreamUrl};
use super::value::Secret;
use crate::format::notice;
use crate::message::analysis::Detector;
use crate::policy::sun::Place;
use crate::signal::spectrum::Tuning;
use crate::web::auth::is_hash;

#[derive(Clone, Debug, PartialEq)]
pub struct General {
    pub log_level: LevelFilter,
    /// `None` for no file.
    pub log_file: Option<PathBuf>,
    /// The program refuses to start when its fixed buffers come to more.
    pub memory_budget_mb: u32,
    /// Certificates that are trusted besides the well-known ones.
    pub ca_file: Option<PathBuf>,
    /// The source that is heard on the local output.
    pub monitor: Option<String>,
    /// What a source has that does not say otherwise.
    pub lane: LaneSettings,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Web {
    pub enabled: bool,
    pub bind: IpAddr,
    pub port: u16,
    pub password_hash: Option<Secret>,
    pub session_hours: f64,
    pub max_connections: u32,
    pub max_per_host: u32,
    /// Names that are this recorder's, besides those that nobody else can have.
    pub hosts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    pub detector: Detector,
    /// Without one, the detector's own.
    pub margin_db: Option<f64>,
    pub min_gap_seconds: f64,
    pub min_length_seconds: f64,
    pub pre_roll_seconds: f64,
    pub post_roll_seconds: f64,
    /// `None`: `analyses` below the output directory.
    pub analyses_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// In all, and of one mount.
    pub max_listeners: u32,
    pub max_listeners_per_mount: u32,
    pub max_sources: u32,
    /// `None`: no relay.
    pub source_password: Option<Secret>,
    /// `None`: no administration.
    pub admin_password: Option<Secret>,
    /// `None`: anybody may listen.
    pub listen_password: Option<Secret>,
    /// Paths that sources may feed; `*` stands for any letters.
    pub mounts: Vec<String>,
    /// Where listeners go on while a mount has no source.
    pub fallback_mount: Option<String>,
    /// A source that is silent for so long is gone.
    pub source_timeout_seconds: f64,
    pub spectrum: Tuning,
}

impl Live {
    /// Where there is no configuration: nothing is relayed, and what is heard is for the page.
    pub fn closed() -> Live {
        Live {
            max_listeners: 100,
            max_listeners_per_mount: 100,
            max_sources: 0,
            source_password: None,
            admin_password: None,
            listen_password: None,
            mounts: Vec::new(),
            fallback_mount: None,
            source_timeout_seconds: 10.0,
            spectrum: Tuning::default(),
        }
    }
}

/// Who is told of alarms, and how somebody far away sees that all is well.
#[derive(Clone, Debug, PartialEq)]
pub struct Notify {
    /// `None`: nobody.
    pub url: Option<StreamUrl>,
    pub kind: notice::Kind,
    /// `None`: no sign of life.
    pub heartbeat: Option<Heartbeat>,
    /// `None`: no broker is told.
    pub mqtt: Option<MqttUrl>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    pub url: StreamUrl,
    pub every_minutes: f64,
    /// Visited when all is not well any more.
    pub fail_url: Option<StreamUrl>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    pub name: Option<String>,
    /// Degrees north and east; given together or not at all.
    pub position: Option<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    pub latitude: f64,
    pub longitude: f64,
}

impl From<Position> for Place {
    fn from(Position { latitude, longitude }: Position) -> Place {
        Place { latitude, longitude }
    }
}

pub fn general(reader: &mut Reader) -> General {
    General {
        log_level: reader.get(&keys::LOG_LEVEL),
        log_file: reader.get(&keys::LOG_FILE),
        memory_budget_mb: reader.get(&keys::MEMORY_BUDGET_MB),
        ca_file: reader.get(&keys::CA_FILE),
        monitor: reader.get(&keys::MONITOR),
        lane: LaneSettings::read(reader),
    }
}

pub fn web(reader: &mut Reader) -> Web {
    let password_hash = reader.get(&keys::WEB_PASSWORD_HASH);
    // It stays set: a page that is locked for everybody is better than one that is open by mistake.
    if password_hash.as_ref().is_some_and(|hash: &Secret| !is_hash(hash.expose())) {
        let line = reader.line_of(&keys::WEB_PASSWORD_HASH.about);
        reader.warn(line, "password_hash is not what `soundpost hash-password` prints: nobody can log in");
    }
    Web {
        enabled: reader.get(&keys::WEB_ENABLED),
        bind: reader.get(&keys::WEB_BIND),
        port: reader.get(&keys::WEB_PORT),
        password_hash,
        session_hours: reader.get(&keys::WEB_SESSION_HOURS),
        max_connections: reader.get(&keys::WEB_MAX_CONNECTIONS),
        max_per_host: reader.get(&keys::WEB_MAX_PER_HOST),
        hosts: reader.get(&keys::WEB_HOSTS),
    }
}

pub fn analysis(reader: &mut Reader) -> Analysis {
    Analysis {
        detector: reader.get(&keys::DETECTOR),
        margin_db: reader.get(&keys::MARGIN),
        min_gap_seconds: reader.get(&keys::MIN_GAP),
        min_length_seconds: reader.get(&keys::MIN_LENGTH),
        pre_roll_seconds: reader.get(&keys::PRE_ROLL_S),
        post_roll_seconds: reader.get(&keys::POST_ROLL_S),
        analyses_dir: reader.get(&keys::ANALYSES_DIR),
    }
}

pub fn live(reader: &mut Reader) -> Live {
    let spectrum = Tuning {
        bands: reader.get(&keys::SPECTRUM_BANDS) as usize,
        length: reader.get(&keys::SPECTRUM_LENGTH) as usize,
        low_hz: reader.get(&keys::SPECTRUM_LOW_HZ),
        high_hz: reader.get(&keys::SPECTRUM_HIGH_HZ),
    };
    if spectrum.high_hz <= spectrum.low_hz {
        let line = reader.line_of(&keys::SPECTRUM_HIGH_HZ.about);
        reader.warn(line, "spectrum_high_hz is not above spectrum_low_hz: both are as usual");
    }
    let usual = Tuning { bands: spectrum.bands, length: spectrum.length, ..Tuning::default() };
    Live {
        max_listeners: reader.get(&keys::MAX_LISTENERS),
        max_listeners_per_mount: reader.get(&keys::MAX_LISTENERS_PER_MOUNT),
        max_sources: reader.get(&keys::MAX_SOURCES),
        source_password: reader.get(&keys::SOURCE_PASSWORD),
        admin_password: reader.get(&keys::ADMIN_PASSWORD),
        listen_password: reader.get(&keys::LISTEN_PASSWORD),
        mounts: reader.get(&keys::MOUNTS),
        fallback_mount: reader.get(&keys::FALLBACK_MOUNT),
        source_timeout_seconds: reader.get(&keys::SOURCE_TIMEOUT),
        spectrum: if spectrum.high_hz > spectrum.low_hz { spectrum } else { usual },
    }
}

pub fn notify(reader: &mut Reader) -> Notify {
    let (url, kind) = (reader.get(&keys::NOTIFY_URL), reader.get(&keys::NOTIFY_KIND));
    let has_topic = |url: &StreamUrl| kind != notice::Kind::Ntfy || notice::topic(url.expose()).is_some();
    let (good, bad): (Option<StreamUrl>, _) = if url.as_ref().is_some_and(has_topic) { (url, None) } else { (None, url) };
    if bad.is_some() {
        let line = reader.line_of(&keys::NOTIFY_URL.about);
        reader.warn(line, "notify_url has no topic of ntfy behind its host, such as https://ntfy.sh/my-topic: nobody is told");
    }
    let (heartbeat, every_minutes) = (reader.get(&keys::HEARTBEAT_URL), reader.get(&keys::HEARTBEAT_MINUTES));
    let fail_url = reader.get(&keys::HEARTBEAT_FAIL_URL);
    if heartbeat.is_none() && fail_url.is_some() {
        let line = reader.line_of(&keys::HEARTBEAT_FAIL_URL.about);
        reader.warn(line, "heartbeat_fail_url without heartbeat_url: neither is used");
    }
    let mqtt = reader.get(&keys::MQTT_URL);
    if mqtt.is_some() && !cfg!(feature = "mqtt") {
        let line = reader.line_of(&keys::MQTT_URL.about);
        reader.warn(line, "mqtt_url: this program was built without MQTT (cargo build --features mqtt)");
    }
    Notify { url: good, kind, mqtt, heartbeat: heartbeat.map(|url| Heartbeat { url, every_minutes, fail_url }) }
}

pub fn site(reader: &mut Reader) -> Site {
    let name = reader.get(&keys::SITE_NAME);
    let position = match (reader.get(&keys::LATITUDE), reader.get(&keys::LONGITUDE)) {
        (Some(latitude), Some(longitude)) => Some(Position { latitude, longitude }),
        (None, None) => None,
        (Some(_), None) => {
            reader.warn(reader.line_of(&keys::LATITUDE.about), "latitude without longitude: neither is used");
            None
        }
        (None, Some(_)) => {
            reader.warn(reader.line_of(&keys::LONGITUDE.about), "longitude without latitude: neither is used");
            None
        }
    };
    Site { name, position }
}
