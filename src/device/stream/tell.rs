//! One short request and the status that comes back: messages and signs of life to servers that others run.
//!
//! What stands behind the host of such an address is as good as a password, so nothing of it is ever shown.

use std::time::{Duration, Instant};

use ureq::http::header;

use super::address::{Address, Auth};
use super::agent::Client;
use super::refusal;
use crate::device::Fault;

/// From the first look-up to the answer.
const PATIENCE: Duration = Duration::from_secs(45);

impl Client {
    /// Posts JSON. Redirects are refused: a message goes where it was told to go.
    pub fn tell(&self, url: &str, json: &str) -> Result<(), Fault> {
        self.within(url, |address| {
            let mut request = self.http().post(&address.url).header(header::CONTENT_TYPE, "application/json");
            if let Some(auth) = address.auth.as_ref().map(Auth::header) {
                request = request.header(header::AUTHORIZATION, auth);
            }
            request.send(json)
        })
    }

    /// Asks for an address, whatever it answers.
    pub fn visit(&self, url: &str) -> Result<(), Fault> {
        self.within(url, |address| {
            let mut request = self.http().get(&address.url);
            if let Some(auth) = address.auth.as_ref().map(Auth::header) {
                request = request.header(header::AUTHORIZATION, auth);
            }
            request.call()
        })
    }

    fn within(
        &self,
        url: &str,
        ask: impl Fn(&Address) -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<(), Fault> {
        let address = Address::new(url, None);
        let shown = Address { url: host_only(&address.url), auth: address.auth.clone() };
        self.set_until(Some(Instant::now() + PATIENCE));
        // A connection that was kept may have been closed long ago, which nobody can see before.
        let before = self.dials();
        let answer = ask(&address).or_else(|e| if self.dials() == before { ask(&address) } else { Err(e) });
        self.set_until(None);
        match answer.map(|response| response.status().as_u16()) {
            Ok(200..=299) => Ok(()),
            Ok(code) => Err(refusal::status(&shown, code)),
            Err(error) => Err(refusal::fault(&shown, error, self.is_synced())),
        }
    }
}

/// `https://host/…`
fn host_only(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    format!("{}/…", &url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown_but_the_host() {
        for (url, expected) in [
            ("https://hc-ping.com/secret-uuid/fail", "https://hc-ping.com/…"),
            ("http://h:8000/notify/key?token=x", "http://h:8000/…"),
            ("http://h?token=x", "http://h/…"),
            ("http://h", "http://h/…"),
        ] {
            assert_eq!(host_only(&Address::new(url, None).url), expected);
        }
        assert_eq!(host_only(&Address::new("https://:tk_secret@ntfy.sh/topic", None).url), "https://ntfy.sh/…");
    }
}
