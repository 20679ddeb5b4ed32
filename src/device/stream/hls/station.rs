//! HLS playlists as a [`Station`]: first choice, then fall-backs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::super::address::Auth;
use super::super::agent::{Agent, Client};
use super::super::{Connected, Heard, Settings, Station};
use super::Hls;
use crate::device::{Fault, FaultKind};

/// A station whose addresses are HLS playlists.
pub struct HlsStation {
    client: Client,
    auth: Option<Auth>,
    urls: Vec<String>,
    /// The address that was connected last, and what is known of it.
    on: Option<(usize, Hls)>,
}

impl HlsStation {
    /// `stop`: as for [`Radio`](super::super::Radio).
    pub fn new(agent: &Agent, settings: Settings, stop: Arc<AtomicBool>) -> HlsStation {
        let Settings { urls, username, password } = settings;
        let given = username.is_some() || password.is_some();
        let auth = given.then(|| Auth::new(username.unwrap_or_default(), password.unwrap_or_default()));
        HlsStation { client: agent.client(stop), urls, auth, on: None }
    }
}

impl Station for HlsStation {
    fn connect(&mut self) -> Result<Connected, Fault> {
        let mut failure = None;
        for (n, url) in self.urls.iter().enumerate() {
            // What is known of the last one holds until another one has brought sound.
            let mut other = None;
            let hls = match &mut self.on {
                Some((on, hls)) if *on == n => hls,
                _ => other.insert(Hls::new(url, self.auth.as_ref())),
            };
            match hls.connect(&self.client) {
                Ok(connected) => {
                    self.on = other.map(|hls| (n, hls)).or_else(|| self.on.take());
                    return Ok(connected);
                }
                Err(fault) => failure = failure.or(Some(fault)),
            }
        }
        Err(failure.unwrap_or_else(|| Fault::new(FaultKind::Config, "no url to connect to")))
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Heard, Fault> {
        let Some((_, hls)) = &mut self.on else { return Ok(Heard::End) };
        let heard = hls.read(&self.client, space);
        if !matches!(heard, Ok(Heard::Bytes(_) | Heard::Title(_))) {
            self.hang_up();
        }
        heard
    }

    fn hang_up(&mut self) {
        if let Some((_, hls)) = &mut self.on {
            hls.hang_up();
        }
    }
}
