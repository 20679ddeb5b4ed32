//! `soundpost serve`: the page over a folder of recordings, whoever made them.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Exit, say};
use crate::actor::store::{MARK, places_of};
use crate::config::settings::{Live, Web};
use crate::config::{Config, Environment};
use crate::device::disk::{Disk, RealDisk, real_path};
use crate::device::memory;
use crate::logging;
use crate::message::analysis::Detection;
use crate::message::folders::{Folder, Folders};
use crate::policy::split::Zone;
use crate::supervisor::{Outcome, Role, Supervisor};
use crate::wiring::library::Settings;
use crate::wiring::review::{self, Place, Plan};

pub struct Options {
    pub folder: PathBuf,
    pub port: u16,
    pub bind: IpAddr,
    pub detection: Detection,
    pub analyses_dir: Option<PathBuf>,
}

pub fn run(options: &Options) -> Exit {
    memory::one_heap();
    if !options.folder.is_dir() {
        say(format_args!("{}: not a folder of recordings", options.folder.display()));
        return Exit::Usage;
    }
    let (_logging, _) = logging::start(log::LevelFilter::Info, None);
    match serve(options) {
        Ok(exit) => exit,
        Err(text) => {
            log::error!("{text}");
            Exit::Failed
        }
    }
}

fn serve(options: &Options) -> Result<Exit, String> {
    let place = place(options)?;
    // A password, and whatever else there is, comes from the environment.
    let usual = Config::parse(b"", "serve", &Environment::of_process()).config.web;
    let web = Web { bind: options.bind, port: options.port, ..usual };
    let settings = Settings {
        mode: "serve",
        root: place.root.clone(),
        analyses: place.analyses.clone(),
        catalogue: place.catalogue.clone(),
        read_only: place.read_only,
        detection: options.detection,
        pre_roll_ms: 2_000,
        post_roll_ms: 1_000,
        zone: Zone::system(),
        machine: Arc::default(),
        uploads: Vec::new(),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let (_nobody, recorded) = async_channel::bounded(1);
    let root = place.root.display().to_string();
    let read_only = if place.read_only { ", read only" } else { "" };
    let asks = async_channel::bounded(review::ASKS);
    let Place { root: folder, analyses, catalogue, .. } = place.clone();
    let folder = Folder { root: folder, analyses, catalogue, asks: asks.0.clone() };
    let plan = Plan {
        live: None,
        clerk: None,
        rounds: None,
        told: None,
        place,
        settings,
        sources: Box::new(Vec::new),
        alarms: Arc::default(),
        asks,
        folders: Arc::new(Folders::of(folder)),
        retention: None,
        recorded,
        stop: stop.clone(),
        turns: Arc::default(),
        role: Role::Path,
        uploads: None,
    };
    let (seats, port) = review::seats(&web, &Live::closed(), plan);
    let port = port.map_err(|fault| fault.to_string())?;
    log::info!(
        "{root}{read_only}: http://{}:{port}/",
        if options.bind.is_unspecified() { "localhost".into() } else { options.bind.to_string() }
    );
    let (_silent, notices) = async_channel::bounded(1);
    memory::settle();
    let outcome = Supervisor::new(seats, &[], stop, notices).run();
    Ok(if outcome == Outcome::Done { Exit::Done } else { Exit::Failed })
}

/// Where things are and may be written. A folder that a recorder holds, or that cannot be written to, is left as it is.
fn place(options: &Options) -> Result<Place, String> {
    let root = real_path(&options.folder);
    let mark = fs::read(root.join(MARK)).unwrap_or_default();
    let asked = options.analyses_dir.as_deref().map(real_path);
    let is_held = !mark.is_empty() && RealDisk.lock(&root.join(MARK)).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
    let read_only = is_held || !is_writable(&root);
    let analyses = asked.clone().unwrap_or_else(|| places_of(root.clone(), &mark).analyses);
    if let Some(asked) = &asked {
        fs::create_dir_all(asked).map_err(|e| format!("{}: {e}; choose another --analyses-dir", asked.display()))?;
    }
    let catalogue = match asked {
        _ if !read_only => root.clone(),
        Some(asked) => asked,
        None => temporary(&root)?,
    };
    Ok(Place { root, analyses, catalogue: catalogue.join("catalogue.db"), read_only })
}

fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// A catalogue is a cache: for a folder that takes none it lies with other caches.
fn temporary(root: &Path) -> Result<PathBuf, String> {
    let name: String = root.display().to_string().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let home = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let folder = home.unwrap_or_else(std::env::temp_dir).join("soundpost").join(name);
    fs::create_dir_all(&folder)
        .map_err(|e| format!("{}: no room for a catalogue: {e}; give --analyses-dir", folder.display()))?;
    Ok(folder)
}
