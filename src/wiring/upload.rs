//! The seats of uploads: one for each target, beside the librarian whose catalogue they ask.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::retention::Keepers;
use crate::actor::uploader::{Memory, Settings, Uploader};
use crate::config::Config;
use crate::config::upload::{Place, Server, Target, Verify};
use crate::device::clock::{Clock, RealClock};
use crate::device::disk::real_path;
use crate::device::remote::{Access, Folder, Put, Remote, S3, WebDav};
use crate::device::stream::{Agent, Auth, Client, Limits, Options};
use crate::device::{Fault, FaultKind};
use crate::message::folders::Folders;
use crate::policy::schedule::{Hours, Schedule};
use crate::policy::split::Zone;
use crate::status::upload::TargetStatus;
use crate::status::{ActorStatus, Alarms};
use crate::supervisor::{Body, Seat};

const STACK: usize = 256 << 10;
/// Pieces that are read, checked and sent, a connection with TLS, and a connection to the catalogue.
pub const BYTES: usize = STACK + (256 << 10) + (512 << 10);
/// What one that converts takes besides.
pub const CONVERTER_BYTES: usize = crate::format::repack::BYTES;
/// A disk or a server may stand still for so long: putting the chunks of a long file together takes minutes.
const LIMIT_MS: u64 = 25 * 60_000;
/// What is sent travels in pieces of this length, a little less than what TLS buffers.
const PIECE_BYTES: usize = 32 << 10;
/// A Nextcloud that puts chunks together, an S3 server that does so with parts.
const FIRST_BYTE: Duration = Duration::from_secs(300);
const READ: Duration = Duration::from_secs(60);

/// What is to be seated once there is a catalogue.
pub struct Plan {
    rows: Vec<Row>,
    site: String,
    agent: Option<Agent>,
    place: Option<crate::policy::sun::Place>,
    folders: Arc<Folders>,
}

struct Row {
    target: Target,
    status: Arc<TargetStatus>,
}

impl Plan {
    pub fn new(config: &Config, keepers: &Keepers, alarms: &Alarms) -> Plan {
        let row = |target: &Target| {
            let status = Arc::new(TargetStatus::new(&target.name, target.kind().word()));
            alarms.watch(&target.name, &status.alarm);
            Row { target: target.clone(), status }
        };
        let rows: Vec<Row> = config.uploads.iter().map(row).collect();
        let is_remote = config.uploads.iter().any(|target| !matches!(target.place, Place::Folder { .. }));
        Plan {
            rows,
            site: config.site.name.clone().unwrap_or_else(host_name),
            agent: if is_remote { agent(config.general.ca_file.as_deref()) } else { None },
            place: config.site.position.map(Into::into),
            folders: keepers.folders.clone(),
        }
    }

    /// Those that are to have a copy of everything.
    pub fn names(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.target.name.clone()).collect()
    }

    pub fn statuses(&self) -> Vec<Arc<TargetStatus>> {
        self.rows.iter().map(|row| row.status.clone()).collect()
    }

    /// `root`: of the page.
    pub fn seats(&self, root: &Path, zone: &Zone, stop: &Arc<AtomicBool>) -> Vec<Seat> {
        self.rows.iter().map(|row| self.seat(row, root, zone, stop)).collect()
    }

    fn seat(&self, row: &Row, root: &Path, zone: &Zone, stop: &Arc<AtomicBool>) -> Seat {
        let actor = Arc::new(ActorStatus::default());
        let (target, status, site, agent, sun) =
            (row.target.clone(), row.status.clone(), self.site.clone(), self.agent.clone(), self.place);
        let (zone, stop, own, root) = (zone.clone(), stop.clone(), actor.clone(), root.to_owned());
        let folders = self.folders.clone();
        // One at a time, whatever becomes of its predecessor.
        let busy = Arc::new(Mutex::new(()));
        let make = move || -> Body {
            let settings = settings(&target, &site, &zone, sun);
            let remote = remote(&target, agent.as_ref(), &root, &stop);
            let (folders, shelves) = (folders.clone(), Vec::new());
            let (actor, status, stop, busy) = (own.clone(), status.clone(), stop.clone(), busy.clone());
            let life = own.life();
            Box::new(move || {
                let (settings, remote) = (settings?, remote?);
                let _busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
                let clock = Arc::new(RealClock);
                let state = Memory::default();
                let mut uploader = Uploader { settings, remote, folders, shelves, clock, actor, status, stop, state };
                uploader.run(life);
                Ok(())
            })
        };
        Seat::side(format!("{}/uploader", row.target.name), actor, (STACK, LIMIT_MS), make)
    }
}

fn settings(target: &Target, site: &str, zone: &Zone, sun: Option<crate::policy::sun::Place>) -> Result<Settings, Fault> {
    let rules = target.rules();
    let hours = if rules.is_always() {
        None
    } else {
        let schedule = Schedule::new(rules, zone.clone(), sun);
        Some(Hours::new(schedule.map_err(|e| Fault::new(FaultKind::Config, format!("upload_window: {e}")))?))
    };
    Ok(Settings {
        name: target.name.as_str().into(),
        site: site.to_owned(),
        layout: target.layout.clone(),
        order: target.order,
        only_sections: target.only_sections,
        convert: target.convert,
        bytes_per_second: u64::from(target.kilobits_per_second) * 125,
        hours,
    })
}

fn remote(target: &Target, agent: Option<&Agent>, root: &Path, stop: &Arc<AtomicBool>) -> Result<Box<dyn Remote>, Fault> {
    let client = || -> Result<Client, Fault> {
        Ok(agent.ok_or_else(|| Fault::new(FaultKind::Config, "no network"))?.client(stop.clone()))
    };
    Ok(match &target.place {
        Place::Folder { path, mounted } => Box::new(Folder::new(real_path(path), mounted.then(|| root.to_owned()))),
        Place::Put(server) => Box::new(Put::new(server.url.expose(), auth(server), client()?, server.verify == Verify::Read)),
        Place::WebDav { server, part_mb } => {
            let (is_read_back, chunk) = (server.verify == Verify::Read, u64::from(*part_mb) << 20);
            Box::new(WebDav::new(server.url.expose(), auth(server), client()?, chunk, is_read_back))
        }
        Place::S3 { endpoint, bucket, region, access_key, secret_key, is_path_style, part_mb } => {
            let access = Access {
                endpoint: endpoint.clone(),
                bucket: bucket.clone(),
                region: region.clone(),
                access_key: access_key.clone(),
                secret_key: secret_key.expose().to_owned(),
                is_path_style: *is_path_style,
                part_bytes: u64::from(*part_mb) << 20,
            };
            Box::new(S3::new(access, client()?, || RealClock.look().wall))
        }
    })
}

fn auth(server: &Server) -> Option<Auth> {
    let password = server.password.as_ref().map(|secret| secret.expose().to_owned());
    (server.username.is_some() || password.is_some())
        .then(|| Auth::new(server.username.clone().unwrap_or_default(), password.unwrap_or_default()))
}

/// Certificates of one's own that cannot be read are no reason to trust nobody.
fn agent(ca_file: Option<&Path>) -> Option<Agent> {
    let limits = Limits { first_byte: FIRST_BYTE, read: READ, write: READ, ..Limits::default() };
    let with = |ca_file| Agent::sending(Options { ca_file, clock: Arc::new(RealClock), limits }, PIECE_BYTES);
    let agent = with(ca_file.map(Into::into)).or_else(|fault| {
        log::error!("{fault}: only the well-known authorities are trusted");
        with(None)
    });
    agent.inspect_err(|fault| log::error!("nothing can be uploaded: {fault}")).ok()
}

/// A recorder without a site is told apart by its machine's name.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "recorder".to_owned() } else { name.trim().to_owned() }
}
