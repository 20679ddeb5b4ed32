//! A source's sound to an Icecast elsewhere: one request whose body has no end.
//!
//! Icecast 2.4 takes the frames of a chunked body for sound, so the body has a length that is never reached; and it says what is
//! wrong only before the body begins, while it closes the connection afterwards. So who is cut off at once asks once more, with
//! `Expect: 100-continue`, and hears why.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::SendBody;
use ureq::http::header;

use super::address::{Address, Auth};
use super::agent::Client;
use super::refusal;
use crate::device::{Fault, FaultKind};

/// Longer than anybody will ever send, and short enough for every server's numbers.
const ENDLESS: &str = "9000000000000000000";
/// For a title, or to hear why.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a server is told of a stream.
pub type Lines = Vec<(&'static str, String)>;

impl Client {
    /// Sends what `sound` brings, until that ends or the server does. Always a fault: a push has no good end.
    pub fn push(&self, url: &str, lines: &Lines, sound: &mut dyn Read) -> Fault {
        let address = Address::new(url, None);
        let began = Instant::now();
        match self.put(&address, lines, &[("Content-Length", ENDLESS)], SendBody::from_reader(sound)) {
            Ok(code) if (200..300).contains(&code) => Fault::new(FaultKind::Retry, format!("{address}: ended by the server")),
            Ok(code) => refusal::status(&address, code),
            Err(fault) if self.is_stopped() || began.elapsed() > PATIENCE => fault,
            Err(fault) => self.reason(&address, lines).unwrap_or(fault),
        }
    }

    /// Why a server does not take it, if it says so.
    fn reason(&self, address: &Address, lines: &Lines) -> Option<Fault> {
        self.set_until(Some(Instant::now() + PATIENCE));
        // Should it be welcome now, nothing comes: the server gives it up.
        let expect = [("Content-Length", "1"), ("Expect", "100-continue")];
        let said = self.put(address, lines, &expect, SendBody::from_reader(&mut std::io::repeat(0).take(1)));
        self.set_until(None);
        said.ok().filter(|code| !(200..300).contains(code)).map(|code| refusal::status(address, code))
    }

    /// Tells what is heard now. Servers that take no titles for this kind of stream say no, which does no harm.
    pub fn title(&self, url: &str, title: &str) -> Result<(), Fault> {
        let address = Address::new(url, None);
        let (base, path) = split(&address.url);
        let song: String =
            title.bytes().map(|b| if b.is_ascii_alphanumeric() { (b as char).into() } else { format!("%{b:02X}") }).collect();
        let url = format!("{base}/admin/metadata?mode=updinfo&charset=UTF-8&mount={path}&song={song}");
        self.fetch(&url, address.auth.as_ref(), 64 << 10, PATIENCE).map(|_| ())
    }

    fn put(&self, address: &Address, lines: &Lines, more: &[(&str, &str)], body: SendBody) -> Result<u16, Fault> {
        let mut request = self.http().put(&address.url);
        for (name, value) in lines.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied()) {
            request = request.header(name, value);
        }
        if let Some(auth) = address.auth.as_ref().map(Auth::header) {
            request = request.header(header::AUTHORIZATION, auth);
        }
        let answer = request.send(body);
        answer.map(|response| response.status().as_u16()).map_err(|e| refusal::fault(address, e, self.is_synced()))
    }
}

/// Scheme and host of an address, and its path.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..].find('/').map_or(url.len(), |at| host + at);
    url.split_at(path)
}
