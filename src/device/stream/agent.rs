//! HTTP for all stations: what is shared, what each lane has of its own, and one request with its redirects.
//!
//! Redirects are followed here and not by ureq, which reads a redirect's body to its end however long it is, and whose errors
//! do not say which of the addresses failed.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use ureq::config::Config;
use ureq::http::{HeaderMap, Response, Uri, header};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};
use ureq::{BodyReader, Error};

use super::address::{Address, Auth};
use super::gate::{Gate, Halt, Waiting};
use super::names::{Names, NotFound};
use super::refusal;
use super::wire::{BUFFER_BYTES, Line, REQUEST_BYTES, Socket, raised};
use crate::device::clock::Clock;
use crate::device::{Fault, FaultKind};
use crate::format::icy::readable;

const CONNECTS: usize = 16;
const MAX_REDIRECTS: usize = 5;
/// One below the buffer: a full buffer then is an error and not an end.
const MAX_HEADER_BYTES: usize = BUFFER_BYTES - 1;
const MAX_HEADER_TEXT: usize = 256;

/// What every wait may take at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub resolve: Duration,
    /// For a turn among those that connect.
    pub turn: Duration,
    /// To all addresses of a host together; TLS's handshake may take as long again.
    pub connect: Duration,
    pub first_byte: Duration,
    /// With the stall limit of the lane this finds a dead stream within 15 s.
    pub read: Duration,
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            resolve: Duration::from_secs(10),
            turn: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(15),
            read: Duration::from_millis(6_500),
            write: Duration::from_secs(10),
        }
    }
}

pub struct Options {
    /// Authorities in PEM that count besides those in the binary.
    pub ca_file: Option<PathBuf>,
    /// Says whether a certificate that is not valid now is a reason to give up.
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
}

/// Shared by all stations; cheap to clone.
#[derive(Clone)]
pub struct Agent(Arc<Shared>);

struct Shared {
    names: Names,
    connects: Arc<Gate>,
    tls: Arc<ClientConfig>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    request_bytes: usize,
}

impl Agent {
    pub fn new(options: Options) -> Result<Agent, Fault> {
        Agent::sending(options, REQUEST_BYTES)
    }

    /// As [`Agent::new`], for who sends more than questions: in pieces of this length.
    pub fn sending(options: Options, request_bytes: usize) -> Result<Agent, Fault> {
        Ok(Agent(Arc::new(Shared {
            names: Names::new(),
            connects: Gate::new(CONNECTS),
            tls: Arc::new(tls_config(options.ca_file.as_deref())?),
            clock: options.clock,
            limits: options.limits,
            request_bytes,
        })))
    }

    /// For one lane, which uses it from one thread; `stop` ends whatever it waits for within 250 ms.
    #[inline(never)] // large, and wanted in two places
    pub fn client(&self, stop: Arc<AtomicBool>) -> Client {
        let waiting = Arc::new(Waiting::new(stop));
        let dials = Arc::new(AtomicU32::new(0));
        let dial = Dial { shared: Arc::clone(&self.0), waiting: Arc::clone(&waiting), dials: Arc::clone(&dials) };
        let limits = self.0.limits;
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("soundpost/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("")
            .allow_non_standard_methods(true) // WebDAV has its own
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(self.0.request_bytes)
            .max_response_header_size(MAX_HEADER_BYTES)
            .max_idle_connections(1)
            .timeout_resolve(Some(limits.resolve))
            .timeout_recv_response(Some(limits.first_byte))
            .timeout_per_read(Some(limits.read))
            .timeout_per_write(Some(limits.write))
            .build();
        let http = ureq::Agent::with_parts(config, dial.clone(), dial);
        Client { http, shared: Arc::clone(&self.0), waiting, dials }
    }
}

/// The roots are in the binary, so that an image without ca-certificates works and a read-only one needs no update of /etc.
fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let problem = |why: String| Fault::new(FaultKind::Config, format!("ca_file {}: {why}", path.display()));
        let bytes = std::fs::read(path).map_err(|e| problem(format!("cannot be read ({e})")))?;
        let found: Vec<CertificateDer> = CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok).collect();
        if roots.add_parsable_certificates(found).0 == 0 {
            return Err(problem("has no certificate in PEM".to_owned()));
        }
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| Fault::new(FaultKind::Config, format!("TLS: {e}")))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled(); // kept tickets cost more memory than a handshake an hour costs time
    Ok(config)
}

/// Finds and connects, for one lane.
#[derive(Clone)]
struct Dial {
    shared: Arc<Shared>,
    waiting: Arc<Waiting>,
    /// Connections begun so far: a request that adds none used one that was kept.
    dials: Arc<AtomicU32>,
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial")
    }
}

fn halted(halt: Halt) -> Error {
    Error::Other(Box::new(halt))
}

fn host_of(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

impl Resolver for Dial {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let patience = if timeout.after.is_not_happening() { self.shared.limits.resolve } else { *timeout.after };
        let found = self.shared.names.resolve(host_of(uri), uri.port_u16().unwrap_or(usual), patience, &self.waiting);
        if found.is_err() {
            self.dials.fetch_add(1, Ordering::Relaxed); // nothing that was kept is to blame
        }
        match found {
            Ok(found) => {
                let mut addresses = self.empty();
                found.into_iter().for_each(|address| addresses.push(address)); // four at most, of sixteen
                Ok(addresses)
            }
            Err(NotFound::Halt(Halt::Quiet(_))) => Err(Error::Other("the name server does not answer".into())),
            Err(NotFound::Halt(halt)) => Err(halted(halt)),
            Err(NotFound::Unknown(why)) => {
                log::debug!("{}: {why}", host_of(uri));
                Err(Error::HostNotFound)
            }
        }
    }
}

impl Connector<()> for Dial {
    type Out = Line;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Line>, Error> {
        self.dials.fetch_add(1, Ordering::Relaxed);
        let (shared, host, limits) = (&self.shared, host_of(details.uri), self.shared.limits);
        let ticket = shared.connects.enter(shared.names.is_doubtful(host), limits.turn, &self.waiting).map_err(halted)?;
        let until = Instant::now() + limits.connect;
        let mut failure = Error::HostNotFound;
        let mut left = details.addrs.len() as u32;
        for address in details.addrs.iter() {
            let patience = until.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            match Socket::connect(*address, patience, Arc::clone(&self.waiting)).map_err(raised) {
                Ok(mut socket) => {
                    shared.names.reached(host, address.ip());
                    if !details.needs_tls() {
                        return Ok(Some(Line::plain(socket, shared.request_bytes)));
                    }
                    let name =
                        ServerName::try_from(host.to_owned()).map_err(|_| Error::Tls("its host is not a name that TLS knows"))?;
                    socket.allow(limits.connect);
                    let tls = ClientConnection::new(Arc::clone(&shared.tls), name)?;
                    let line = Line::secured(socket, tls, shared.request_bytes)?;
                    drop(ticket);
                    return Ok(Some(line));
                }
                Err(e) => failure = e,
            }
            self.waiting.check(Instant::now()).map_err(halted)?;
        }
        shared.names.not_reached(host);
        Err(failure)
    }
}

/// One lane's door to HTTP.
pub struct Client {
    http: ureq::Agent,
    shared: Arc<Shared>,
    waiting: Arc<Waiting>,
    dials: Arc<AtomicU32>,
}

/// A small document, whole.
#[derive(Debug)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// Without user information: what references in it are resolved against.
    pub final_url: String,
    pub content_type: Option<String>,
}

impl Client {
    /// Asks for `url`, follows redirects, and returns when the header of a good answer is there. `range`: first and last byte.
    pub fn open(&self, url: &str, auth: Option<&Auth>, range: Option<(u64, u64)>) -> Result<Body, Fault> {
        let range = range.map(|(first, last)| ("Range", format!("bytes={first}-{last}")));
        self.request(Address::new(url, auth), range.as_ref().map(|(name, value)| (*name, value.as_str())))
    }

    /// A stream, with titles in it if the server can.
    pub fn listen(&self, url: &str, auth: Option<&Auth>) -> Result<Body, Fault> {
        self.request(Address::new(url, auth), Some(("Icy-MetaData", "1")))
    }

    /// All of a document of at most `limit` bytes, within `patience` from the first look-up to the last byte.
    pub fn fetch(&self, url: &str, auth: Option<&Auth>, limit: usize, patience: Duration) -> Result<Fetched, Fault> {
        self.waiting.set_until(Some(Instant::now() + patience));
        let fetched = self.open(url, auth, None).and_then(|body| body.whole(Vec::new(), limit));
        self.waiting.set_until(None);
        fetched
    }

    /// Whatever is done with this client from now on ends then.
    pub(super) fn set_until(&self, until: Option<Instant>) {
        self.waiting.set_until(until);
    }

    /// Connections begun so far.
    pub(super) fn dials(&self) -> u32 {
        self.dials.load(Ordering::Relaxed)
    }

    pub(in crate::device) fn http(&self) -> &ureq::Agent {
        &self.http
    }

    /// The wall clock is right.
    pub(in crate::device) fn is_synced(&self) -> bool {
        self.shared.clock.look().synced
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.waiting.check(Instant::now()) == Err(Halt::Stopped)
    }

    /// Once more if a connection that was kept turns out to be closed, which no look at it can rule out.
    fn ask(&self, address: &Address, header: Option<(&str, &str)>) -> Result<Response<ureq::Body>, Fault> {
        let once = || {
            let mut request = self.http.get(&address.url);
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            if let Some(auth) = &address.auth {
                request = request.header(header::AUTHORIZATION, auth.header());
            }
            request.call()
        };
        let before = self.dials.load(Ordering::Relaxed);
        let first = once();
        let was_kept = self.dials.load(Ordering::Relaxed) == before;
        let response = if first.is_err() && was_kept && self.waiting.check(Instant::now()).is_ok() { once() } else { first };
        response.map_err(|e| refusal::fault(address, e, self.shared.clock.look().synced))
    }

    fn request(&self, mut address: Address, header: Option<(&str, &str)>) -> Result<Body, Fault> {
        let mut seen: Vec<String> = Vec::new();
        loop {
            if !address.is_http() {
                return Err(Fault::new(FaultKind::Config, format!("{address}: is not http:// or https://")));
            }
            let response = self.ask(&address, header)?;
            match response.status().as_u16() {
                200..=299 => return Ok(Body::new(response, address, Arc::clone(&self.shared.clock))),
                code @ (301 | 302 | 303 | 307 | 308) => {
                    let location = text(response.headers(), "location");
                    let refused = |what: &str| Fault::new(FaultKind::Refused, format!("{address}: {what}"));
                    let Some(location) = location else { return Err(refused(&format!("redirects (status {code}) to nowhere"))) };
                    seen.push(address.url.clone());
                    let next = address.followed(&location);
                    if seen.contains(&next.url) {
                        return Err(refused("redirects in a circle"));
                    }
                    if seen.len() > MAX_REDIRECTS {
                        return Err(refused("redirects more than five times"));
                    }
                    address = next;
                }
                code => return Err(refusal::status(&address, code)),
            }
        }
    }
}

/// A header's value as readable text.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let limit = if name == "location" { MAX_HEADER_BYTES } else { MAX_HEADER_TEXT };
    headers.get(name).map(|value| readable(value.as_bytes(), limit)).filter(|text| !text.is_empty())
}

/// What follows a good header; closed when dropped.
pub struct Body {
    reader: BodyReader<'static>,
    headers: HeaderMap,
    address: Address,
    clock: Arc<dyn Clock>,
}

impl Body {
    fn new(response: Response<ureq::Body>, address: Address, clock: Arc<dyn Clock>) -> Body {
        let (parts, body) = response.into_parts();
        Body { reader: body.into_reader(), headers: parts.headers, address, clock }
    }

    /// 0 is the end, of whatever kind a server can tell; an end that comes too early is a fault.
    pub fn read(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        self.reader.read(space).map_err(|e| {
            let error = raised(e);
            let is_stall = refusal::is_quiet(&error);
            let fault = refusal::fault(&self.address, error, self.clock.look().synced);
            if is_stall { Fault { kind: FaultKind::Stalled, ..fault } } else { fault }
        })
    }

    pub fn header(&self, name: &str) -> Option<String> {
        text(&self.headers, name)
    }

    pub fn content_type(&self) -> Option<String> {
        self.header("content-type")
    }

    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// After redirects; without user information, but with the query: not to be shown.
    pub fn final_url(&self) -> &str {
        &self.address.url
    }

    /// For the user.
    pub fn shown(&self) -> String {
        self.address.to_string()
    }

    /// `bytes` and all that follow them.
    pub(super) fn whole(mut self, mut bytes: Vec<u8>, limit: usize) -> Result<Fetched, Fault> {
        let mut space = [0; 4096];
        loop {
            match self.read(&mut space)? {
                0 => break,
                n if bytes.len() + n > limit => {
                    return Err(Fault::new(FaultKind::Refused, format!("{}: is longer than {limit} bytes", self.shown())));
                }
                n => bytes.extend_from_slice(space.get(..n).unwrap_or_default()),
            }
        }
        Ok(Fetched { bytes, content_type: self.content_type(), final_url: self.address.url })
    }
}
