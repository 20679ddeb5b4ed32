//! The page: the gate on its port, the workers behind it, and the private socket between them.

use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::actor::gate::{self, Gate};
use crate::actor::http::library::Library;
use crate::actor::http::{self, Office};
use crate::config::settings::{Live, Web};
use crate::config::value::Secret;
use crate::device::clock::{Clock, RealClock};
use crate::device::service::RuntimeFolder;
use crate::device::{Fault, FaultKind, descriptors};
use crate::message::handover::{Address, Desk, Hub};
use crate::message::live::{Preview, Stages};
use crate::message::relay::{self, Relay};
use crate::web::admission::Caps;
use crate::web::auth::Doorman;
use crate::web::host::Names;

/// Browsers that listen to events.
const LISTENERS: usize = 64;
/// Files, devices, and sockets of others that may be open beside those of visitors.
const OTHERS: u64 = 512;
/// The gate's tasks live on the heap; its stack holds one of them at a time.
const GATE_STACK_BYTES: usize = 256 << 10;

/// A page that is ready to run: its port is open.
pub struct Page {
    listener: TcpListener,
    caps: Caps,
    names: Names,
    office: Arc<Office>,
    hub: Arc<Hub>,
    address: Arc<Address>,
    folder: Arc<Private>,
    stop: (async_channel::Sender<()>, async_channel::Receiver<()>),
    over: Arc<AtomicBool>,
}

impl Page {
    /// Opens the port. `hub` is where others tell what happens, `stages` what can be listened to.
    pub fn open(
        web: &Web,
        live: &Live,
        library: Arc<dyn Library>,
        hub: Arc<Hub>,
        stages: Arc<Stages>,
        preview: Option<Arc<Preview>>,
    ) -> Result<Page, Fault> {
        let retry = |what: String| Fault::new(FaultKind::Retry, what);
        let at = SocketAddr::new(web.bind, web.port);
        let listener = TcpListener::bind(at).map_err(|e| retry(format!("the page cannot have {at}: {e}")))?;
        let folder = Private::new().map_err(|e| retry(format!("no folder for a socket: {e}")))?;
        let key = random().map_err(|e| retry(format!("no randomness: {e}")))?;
        let hash = web.password_hash.as_ref().map(|hash| hash.expose().to_owned());
        let office = Office {
            library,
            desk: Arc::new(Desk::default()),
            stages,
            preview,
            relay: Arc::new(Relay::new(relay_settings(live), RealClock.look().wall)),
            words: Arc::default(),
            doorman: Mutex::new(Doorman::new(hash, web.session_hours, key)),
            door: AtomicU32::default(),
            clock: Arc::new(RealClock),
        };
        allow_descriptors(web, live);
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Page {
            listener,
            caps: Caps {
                requests: web.max_connections as usize,
                per_host: web.max_per_host as usize,
                listeners: LISTENERS,
                hearers: live.max_listeners as usize,
            },
            names: Names { listed: web.hosts.iter().cloned().chain([machine]).collect() },
            office: Arc::new(office),
            hub,
            address: Arc::new(Address::default()),
            folder: Arc::new(folder),
            stop: async_channel::bounded(1),
            over: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Where it really listens.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().map_or(0, |at| at.port())
    }

    /// What the gate's thread runs; may be asked for again after a panic.
    pub fn gate(&self) -> impl FnOnce() -> Result<(), Fault> + Send + use<> {
        let listener = self.listener.try_clone();
        let (caps, names, stop) = (self.caps, self.names.clone(), self.stop.1.clone());
        let shared = gate::Shared {
            desk: self.office.desk.clone(),
            hub: self.hub.clone(),
            address: self.address.clone(),
            clock: self.office.clock.clone(),
            mounts: self.office.relay.clone(),
            words: self.office.words.clone(),
        };
        move || {
            let listener = listener.map_err(|e| Fault::new(FaultKind::Retry, format!("the page's port: {e}")))?;
            let gate = Gate::new(gate::Settings { caps, names }, shared);
            gate::run(&gate, listener, &stop)
        }
    }

    /// What the thread above the workers runs; may be asked for again after a panic.
    pub fn workers(&self) -> impl FnOnce() -> Result<(), Fault> + Send + use<> {
        let (office, address, folder, over) = (self.office.clone(), self.address.clone(), self.folder.clone(), self.over.clone());
        move || http::run(&office, &address, folder.path(), &over)
    }

    /// Both return soon after.
    pub fn stop(&self) {
        self.over.store(true, Relaxed);
        self.stop.1.close();
    }

    /// Without a supervisor: two threads, to be joined after [`stop`](Page::stop).
    pub fn spawn(&self) -> io::Result<[JoinHandle<Result<(), Fault>>; 2]> {
        let workers = thread::Builder::new().name("http".into()).spawn(self.workers())?;
        let gate = thread::Builder::new().name("gate".into()).stack_size(GATE_STACK_BYTES).spawn(self.gate())?;
        Ok([workers, gate])
    }
}

/// A socket for each who may come.
fn allow_descriptors(web: &Web, live: &Live) {
    let guests = [web.max_connections, live.max_listeners, live.max_sources].map(u64::from).iter().sum::<u64>();
    if let Err(allowed) = descriptors::allow(guests + LISTENERS as u64 + OTHERS) {
        log::warn!("{allowed} files and sockets may be open here: {guests} visitors at once, as configured, are too many");
    }
}

fn relay_settings(live: &Live) -> relay::Settings {
    let word = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    relay::Settings {
        source_password: word(&live.source_password),
        admin_password: word(&live.admin_password),
        listen_password: word(&live.listen_password),
        most_sources: live.max_sources as usize,
        listeners_per_mount: live.max_listeners_per_mount as usize,
        patterns: live.mounts.clone(),
        fallback: live.fallback_mount.clone(),
        patience: Duration::from_secs_f64(live.source_timeout_seconds),
    }
}

/// A folder that only this user can enter; removed with all that is in it.
struct Private(PathBuf);

/// Of the path of a Unix socket, the name of the socket left out.
const MAX_FOLDER: usize = 80;

impl Private {
    fn new() -> io::Result<Private> {
        let below = RuntimeFolder::of_environment().map_or_else(std::env::temp_dir, |folder| folder.path().to_owned());
        let below = if below.as_os_str().len() > MAX_FOLDER - 40 { PathBuf::from("/tmp") } else { below };
        let name = random::<8>()?.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let path = below.join(format!("soundpost-{name}"));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Private(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// From the operating system.
fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
