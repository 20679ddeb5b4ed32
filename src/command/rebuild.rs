//! `soundpost rebuild`: the catalogue of a folder, made again from its files and sidecars.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use super::{Exit, put, say};
use crate::actor::librarian::{Librarian, Prober, Settings, Shared};
use crate::actor::store::{MARK, parse_gap_line, places_of};
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::{RealDisk, real_path};
use crate::format::{flac, wav};
use crate::message::Identity;
use crate::message::library::Wish;
use crate::policy::split::Zone;

const SHOW_EVERY: Duration = Duration::from_millis(500);

/// WAV and FLAC say in their headers how long they are. Of others nothing is known before they are analysed.
pub struct Headers;

impl Prober for Headers {
    fn probe(&self, path: &Path, extension: &str) -> Option<(u32, u8, u64)> {
        let file = RealDisk.open_to_read(path).ok()?;
        match extension {
            "wav" | "wave" => {
                let parsed = wav::parse(&file).ok()?;
                Some((parsed.rate_hz, u8::try_from(parsed.channels).ok()?, parsed.frames()))
            }
            "flac" => flac::parse(&file).ok().map(|head| (head.info.rate_hz, head.info.channels, head.info.frames)),
            _ => None,
        }
    }

    fn identity(&self, path: &Path, extension: &str) -> Option<Identity> {
        let file = RealDisk.open_to_read(path).ok()?;
        match extension {
            "wav" => wav::parse(&file).ok()?.identity,
            "flac" => flac::parse(&file).ok()?.identity,
            _ => None,
        }
    }
}

pub fn run(folder: &Path) -> Exit {
    if !folder.is_dir() {
        say(format_args!("{}: not a folder of recordings", folder.display()));
        return Exit::Usage;
    }
    let root = real_path(folder);
    match rebuild(root.clone()) {
        Ok(count) => {
            put(format_args!("{count} recordings in {}", root.join(NAME).display()));
            Exit::Done
        }
        Err(why) => {
            say(format_args!("{}: {why}", folder.display()));
            Exit::Failed
        }
    }
}

/// Of the catalogue, in the folder that it is of.
const NAME: &str = "catalogue.db";

fn rebuild(root: PathBuf) -> Result<u64, String> {
    let catalogue = root.join(NAME);
    match fs::remove_file(&catalogue) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(format!("{NAME} cannot be replaced: {e}")),
        _ => {}
    }
    let mark = fs::read(root.join(MARK)).unwrap_or_default();
    let settings = Settings {
        analyses: places_of(root.clone(), &mark).analyses,
        root,
        catalogue,
        read_only: false,
        scan_every: Duration::MAX,
        zone: Zone::system(),
        software: concat!("soundpost ", env!("CARGO_PKG_VERSION")).to_owned(),
        parse_gap: parse_gap_line,
        turns: Arc::default(),
        retention: None,
        targets: Vec::new(),
    };
    let shared = Arc::new(Shared::default());
    let mut librarian = Librarian::open(settings, Box::new(Headers), shared.clone()).map_err(|e| e.to_string())?;
    let (_nobody, inbox) = async_channel::bounded(1);
    let work = thread::spawn(move || {
        let scanned = librarian.answer(Wish::Scan, &inbox, &|| RealClock.look().wall);
        scanned.map_err(|trouble| format!("{trouble:?}")).and_then(|_| librarian.count().map_err(|e| e.to_string()))
    });
    let mut shown = false;
    while !work.is_finished() {
        thread::park_timeout(SHOW_EVERY);
        let (done, total) = (shared.done.load(Relaxed), shared.total.load(Relaxed));
        if total > 1 && !work.is_finished() {
            super::progress(format_args!("{done} of {total} recordings, {} %", done.saturating_mul(100) / total));
            shown = true;
        }
    }
    if shown {
        say("");
    }
    work.join().unwrap_or_else(|_| Err("it failed in a way that was not thought of".into()))
}
