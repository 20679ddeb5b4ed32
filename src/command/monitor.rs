//! `soundpost monitor`: what a running recorder hears just now, on the local output. It asks the recorder's page for it, and so needs
//! nothing of the sound card and disturbs nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::Exit;
use super::console::{Asked, Line};
use super::hash_password::typed;
use super::piece::Failure;
use crate::actor::monitor::headphones::{Headphones, Heard};
use crate::config::settings::Web;
use crate::config::{Config, Environment, SourceConfig, SourceKind};
use crate::device::stream::{Auth, Client};
use crate::device::{Fault, FaultKind};
use crate::web::target::encode;
use crate::wiring::stations;

/// How soon an end is noticed.
const BEAT: Duration = Duration::from_millis(50);
/// After a recorder that has gone.
const AGAIN: Duration = Duration::from_secs(2);
/// Read at a time; less is what there is.
const PIECE: usize = 16 << 10;

pub struct Options {
    pub source: String,
    /// The recorder's.
    pub config: PathBuf,
}

pub fn run(options: &Options) -> Exit {
    let mut line = Line::new();
    match monitor(options, &mut line) {
        Ok(()) => {
            line.tell(format_args!("{}: heard until now", options.source));
            Exit::Done
        }
        Err((exit, text)) => {
            line.tell(text);
            exit
        }
    }
}

fn monitor(options: &Options, line: &mut Line) -> Result<(), Failure> {
    let config = Config::load(&options.config, &Environment::of_process()).map_err(|e| (Exit::Usage, e.to_string()))?.config;
    has_sound(&config.sources, &options.source).map_err(|text| (Exit::Usage, text))?;
    let auth = password(&config.web)?;
    let failed = |text: String| (Exit::Failed, text);
    let mut asked = Asked::new().map_err(|e| failed(format!("signals cannot be caught: {e}")))?;
    let stop: Arc<AtomicBool> = Arc::default();
    let agent = stations::agent(&config).ok_or_else(|| failed("there is no way to ask the recorder".into()))?;
    let ear = Ear {
        client: agent.client(stop.clone()),
        url: url(&config.web, &options.source)?,
        auth,
        shared: Arc::default(),
        stop: stop.clone(),
    };
    let shared = ear.shared.clone();
    let listening = thread::Builder::new().name("ear".into()).spawn(move || ear.listen());
    listening.map_err(|e| failed(format!("no thread to listen: {e}")))?;
    let outcome = watch(options, &shared, &mut asked, line);
    stop.store(true, Relaxed);
    outcome
}

/// Shows how it goes, until somebody asks for the end.
fn watch(options: &Options, shared: &Shared, asked: &mut Asked, line: &mut Line) -> Result<(), Failure> {
    let source = &options.source;
    loop {
        match shared.told.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(News::Lost(fault)) => line.tell(format_args!("{source}: {fault}; trying again")),
            Some(News::Over(fault)) => return Err((Exit::Failed, text_of(&fault, &options.config))),
            None => {}
        }
        // It may be busy opening the output.
        let heard = shared.headphones.try_lock().map_or(Ok(None), |headphones| headphones.look());
        if let Some(heard) = heard.map_err(|fault| (Exit::Failed, fault.what))? {
            line.show(|| progress(source, &heard));
        }
        if asked.within(BEAT) {
            return Ok(());
        }
    }
}

fn text_of(fault: &Fault, config: &Path) -> String {
    match fault.kind {
        FaultKind::Retry => format!("{fault}; start `soundpost record -c {}`, or name its configuration by -c", config.display()),
        _ => fault.what.clone(),
    }
}

/// For the eye.
fn progress(source: &str, heard: &Heard) -> String {
    let Heard { format, level_db, delay, counts } = heard;
    let channels = if format.channels == 1 { "mono".into() } else { format!("{} channels", format.channels) };
    let mut text = format!("{source}: {} Hz, {channels}  {level_db:6.1} dBFS  {} ms late", format.rate.hz(), delay.as_millis());
    let holes = counts.dry + counts.skipped;
    if holes > 0 {
        text.push_str(&format!("  {holes} holes"));
    }
    text
}

/// Whether there can be something to hear; else what there is.
fn has_sound(sources: &[SourceConfig], wanted: &str) -> Result<(), String> {
    let is_live = |source: &SourceConfig| !matches!(source.kind, SourceKind::Stream { .. });
    match sources.iter().find(|source| source.name == wanted) {
        Some(source) if is_live(source) => Ok(()),
        Some(_) => Err(format!("{wanted}: a station is heard at its own address, not from the recorder")),
        None => {
            let names: Vec<&str> = sources.iter().filter(|source| is_live(source)).map(|source| source.name.as_str()).collect();
            Err(format!("{wanted}: no source of the configuration; those that can be heard: {}", names.join(", ")))
        }
    }
}

/// Where the page is for who is on the same machine.
fn url(web: &Web, source: &str) -> Result<String, Failure> {
    if !web.enabled {
        return Err((Exit::Usage, "the recorder has no page to ask: set enabled = yes in [web]".into()));
    }
    let host: IpAddr = match web.bind {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    Ok(format!("http://{}/live/{}.wav", SocketAddr::new(host, web.port), encode(source).replace('/', "%2F")))
}

/// One line of standard input, if the page asks for it.
fn password(web: &Web) -> Result<Option<Auth>, Failure> {
    if web.password_hash.is_none() {
        return Ok(None);
    }
    let password = typed("password of the page").map_err(|e| (Exit::Failed, format!("the password cannot be read: {e}")))?;
    Ok(Some(Auth::new("soundpost", password)))
}

/// What there is to tell of listening.
enum News {
    /// It goes on as soon as it can.
    Lost(Fault),
    /// It does not.
    Over(Fault),
}

/// Between who listens and who shows how it goes.
#[derive(Default)]
struct Shared {
    headphones: Mutex<Headphones>,
    told: Mutex<Option<News>>,
}

/// Listens to the recorder.
struct Ear {
    client: Client,
    url: String,
    auth: Option<Auth>,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

impl Ear {
    /// Until it is stopped. A recorder that was heard once may go and come again.
    fn listen(&self) {
        let tell = |news| *self.shared.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(news);
        let (mut was_heard, mut is_lost) = (false, false);
        while !self.stop.load(Relaxed) {
            let fault = match self.hear(&mut was_heard, &mut is_lost) {
                Ok(()) => Fault::new(FaultKind::Retry, "the recorder has ended"),
                Err(fault) => fault,
            };
            if !was_heard || fault.kind == FaultKind::Config {
                return tell(News::Over(fault));
            }
            if !std::mem::replace(&mut is_lost, true) {
                tell(News::Lost(fault));
            }
            thread::sleep(AGAIN);
        }
    }

    /// One connection, to its end.
    fn hear(&self, was_heard: &mut bool, is_lost: &mut bool) -> Result<(), Fault> {
        let mut body = self.client.open(&self.url, self.auth.as_ref(), None)?;
        let headphones = || self.shared.headphones.lock().unwrap_or_else(PoisonError::into_inner);
        headphones().begin();
        let mut space = vec![0; PIECE];
        while !self.stop.load(Relaxed) {
            let bytes = body.read(&mut space)?;
            if bytes == 0 {
                return Ok(());
            }
            headphones().push(&space[..bytes]).map_err(|fault| Fault { kind: FaultKind::Config, ..fault })?;
            (*was_heard, *is_lost) = (true, false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Depth, PcmFormat};
    use crate::signal::jitter::Counts;
    use crate::time::Rate;

    fn config(text: &str) -> Config {
        Config::parse(text.as_bytes(), "test", &Environment::default()).config
    }

    #[test]
    fn where_the_page_is() {
        for (text, source, want) in [
            ("", "mic", Some("http://127.0.0.1:8080/live/mic.wav")),
            ("[web]\nbind = ::\nport = 9000", "mic", Some("http://[::1]:9000/live/mic.wav")),
            ("[web]\nbind = 192.168.1.7", "my mic/2", Some("http://192.168.1.7:8080/live/my%20mic%2F2.wav")),
            ("[web]\nenabled = no", "mic", None),
        ] {
            assert_eq!(url(&config(text).web, source).ok().as_deref(), want, "{text}");
        }
    }

    #[test]
    fn which_sources_can_be_heard() {
        let config = config("[mic]\ntype = demo\n[two]\ntype = tone\n[radio]\ntype = stream\nurl = http://x/y\n");
        for (wanted, what) in [("mic", None), ("radio", Some("station")), ("micro", Some("mic, two"))] {
            let found = has_sound(&config.sources, wanted).err();
            assert!(
                found.as_deref().is_some_and(|text| what.is_some_and(|what| text.contains(what))) == what.is_some(),
                "{found:?}"
            );
        }
    }

    #[test]
    fn the_line_of_progress() {
        let format = |channels| PcmFormat { rate: Rate::new(48_000).expect("a rate"), channels, depth: Depth::Sixteen };
        let heard = |channels, dry, skipped| Heard {
            format: format(channels),
            level_db: -15.04,
            delay: Duration::from_millis(231),
            counts: Counts { dry, skipped, ..Counts::default() },
        };
        assert_eq!(progress("mic", &heard(1, 0, 0)), "mic: 48000 Hz, mono   -15.0 dBFS  231 ms late");
        assert_eq!(progress("mic", &heard(2, 1, 2)), "mic: 48000 Hz, 2 channels   -15.0 dBFS  231 ms late  3 holes");
    }
}
