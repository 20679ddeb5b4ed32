//! A request as tiny_http hands it over, to what answering needs of it; and the answer back to the gate.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};

use tiny_http::Request;

use crate::message::handover::{Body, Desk, first_line};
use crate::time::Mono;
use crate::web::admission::Host;
use crate::web::answer::{Head, Refusal};
use crate::web::gzip;
use crate::web::head::{MAX_BODY_BYTES, Method, PEER};

/// What is answered depends on this and on nothing else.
pub struct Ask {
    pub method: Method,
    pub target: String,
    pub from: Host,
    /// The address itself.
    pub peer: IpAddr,
    pub body: Vec<u8>,
    lines: Vec<(String, String)>,
}

impl Ask {
    pub fn read(request: &mut Request) -> io::Result<Ask> {
        let mut body = Vec::new();
        request.as_reader().take(MAX_BODY_BYTES).read_to_end(&mut body)?;
        let lines: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|header| (header.field.as_str().as_str().to_ascii_lowercase(), header.value.as_str().to_owned()))
            .collect();
        let peer = lines.iter().find(|(name, _)| name.eq_ignore_ascii_case(PEER)).and_then(|(_, peer)| peer.parse().ok());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let from = Host::of(peer);
        let method = Method::of_name(request.method().as_str());
        Ok(Ask { method, target: request.url().to_owned(), from, peer, body, lines })
    }

    /// `name` in lower case.
    pub fn line(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn head_only(&self) -> bool {
        self.method == Method::Head
    }

    pub fn takes_gzip(&self) -> bool {
        gzip::is_taken(self.line("accept-encoding"))
    }

    /// Whether the address names a version (`v=…`), so that what it shows never changes.
    pub fn is_pinned(&self) -> bool {
        self.target
            .split_once('?')
            .is_some_and(|(_, query)| query.split('&').any(|pair| pair.starts_with("v=") && pair.len() > 2))
    }
}

/// A whole head, and what follows it.
pub struct Answer {
    pub head: Vec<u8>,
    pub body: Option<Body>,
}

impl Answer {
    /// `head` has no length yet.
    pub fn bytes(head: Head, body: Vec<u8>) -> Answer {
        Answer { head: head.length(body.len() as u64).finish(), body: Some(Body::Bytes(body)) }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        Answer::bytes(refusal.head(), refusal.json().into_bytes())
    }
}

/// As much goes back over the socket, whose buffers hold it; longer bodies go over the desk.
const SHORT: usize = 32 << 10;

pub fn send(request: Request, answer: Answer, head_only: bool, desk: &Desk, now: Mono) -> io::Result<()> {
    let (mut here, body) = (answer.head, answer.body.filter(|_| !head_only));
    let number = match body {
        None => 0,
        Some(Body::Bytes(bytes)) if bytes.len() <= SHORT => {
            here.extend_from_slice(&bytes);
            0
        }
        Some(body) => desk.lay(body, now),
    };
    let mut writer = request.into_writer();
    writer.write_all(first_line(number, here.len()).as_bytes())?;
    writer.write_all(&here)?;
    writer.flush()
}
