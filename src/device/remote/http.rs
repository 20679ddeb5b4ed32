//! One request of an upload and its answer.

use std::io::Read;

use sha2::{Digest, Sha256};
use ureq::SendBody;
use ureq::http::{HeaderMap, Method, Request, Response};

use super::{Flow, PIECE_BYTES, Trouble, Way};
use crate::device::stream::address::Address;
use crate::device::stream::{Auth, Client, refusal};
use crate::device::{Fault, FaultKind};

/// Of an answer that is read whole: a thousand parts fit.
const ANSWER_BYTES: u64 = 512 << 10;
/// Who sends more asks first whether it is welcome.
const ASK_BYTES: u64 = 32 << 10;

pub struct Ask<'a> {
    pub method: &'static str,
    /// Encoded; without user information.
    pub url: &'a str,
    pub auth: Option<&'a Auth>,
    pub headers: &'a [(&'a str, String)],
}

pub enum Load<'a, 'b> {
    Nothing,
    Bytes(&'a [u8]),
    Flow(&'a mut Flow<'b>),
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

fn address(ask: &Ask) -> Address {
    Address { url: ask.url.to_owned(), auth: ask.auth.cloned() }
}

fn open(client: &Client, ask: &Ask, load: Load) -> Result<Response<ureq::Body>, Trouble> {
    let bad = |e: &dyn std::fmt::Display| Fault::new(FaultKind::Config, format!("{}: {e}", address(ask)));
    let method = Method::from_bytes(ask.method.as_bytes()).map_err(|e| bad(&e))?;
    let is_sent = matches!(ask.method, "PUT" | "POST") || !matches!(load, Load::Nothing);
    let length = match &load {
        Load::Nothing => 0,
        Load::Bytes(bytes) => bytes.len() as u64,
        Load::Flow(flow) => flow.end - flow.at,
    };
    let request = |method: &Method| {
        let mut request = Request::builder().method(method.clone()).uri(ask.url);
        for (name, value) in ask.headers {
            request = request.header(*name, value);
        }
        if let Some(auth) = ask.auth {
            request = request.header("authorization", auth.header());
        }
        if is_sent {
            request = request.header("content-length", length);
        }
        if length >= ASK_BYTES {
            request = request.header("expect", "100-continue");
        }
        request
    };
    let done = match load {
        Load::Flow(flow) => {
            let sent = client.http().run(request(&method).body(SendBody::from_reader(flow)).map_err(|e| bad(&e))?);
            match (sent, flow.ended.take()) {
                (Err(_), Some(why)) => return Err(why),
                (sent, _) => sent,
            }
        }
        Load::Bytes(bytes) => client.http().run(request(&method).body(bytes).map_err(|e| bad(&e))?),
        Load::Nothing => client.http().run(request(&method).body(()).map_err(|e| bad(&e))?),
    };
    Ok(done.map_err(|e| refusal::fault(&address(ask), e, client.is_synced()))?)
}

/// Asks and reads the answer, whatever its status.
pub fn call(client: &Client, ask: &Ask, load: Load) -> Result<Reply, Trouble> {
    let response = open(client, ask, load)?;
    let (parts, body) = response.into_parts();
    let mut bytes = Vec::new();
    let read = body.into_reader().take(ANSWER_BYTES).read_to_end(&mut bytes);
    read.map_err(|e| refusal::fault(&address(ask), e.into(), client.is_synced()))?;
    Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body: bytes })
}

/// The SHA-256 and the length of what stands there; `Err(status)` inside for an answer that is not it.
pub fn read_back(client: &Client, ask: &Ask, way: &mut dyn Way) -> Result<Result<([u8; 32], u64), u16>, Trouble> {
    let response = open(client, ask, Load::Nothing)?;
    let status = response.status().as_u16();
    if status != 200 {
        return Ok(Err(status));
    }
    let (mut reader, mut space) = (response.into_body().into_reader(), vec![0; PIECE_BYTES]);
    let (mut sum, mut length) = (Sha256::new(), 0);
    loop {
        if !way.goes_on() {
            return Err(Trouble::Halted);
        }
        match reader.read(&mut space) {
            Ok(0) => return Ok(Ok((sum.finalize().into(), length))),
            Ok(count) => {
                sum.update(space.get(..count).unwrap_or_default());
                length += count as u64;
            }
            Err(e) => return Err(refusal::fault(&address(ask), e.into(), client.is_synced()).into()),
        }
    }
}

/// What to make of an answer that is not the wanted one. `why`: what the server said of it, if anything.
pub fn refused(ask: &Ask, status: u16, why: &str) -> Trouble {
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {}", why.chars().filter(|c| !c.is_control()).take(160).collect::<String>())
    };
    let place = address(ask);
    let fault = |kind, what: &str| Trouble::Target(Fault::new(kind, format!("{place}: {what} (status {status}{why})")));
    match status {
        401 | 403 | 407 => fault(FaultKind::Refused, "refuses the keys or the password: correct them in the configuration"),
        413 => Trouble::File(format!("is too long for {place} (status 413{why})")),
        400 | 408 | 409 | 412 | 423 | 425 | 429 => fault(FaultKind::Retry, "does not take it now"),
        507 => fault(FaultKind::Full, "has no room left: make some there"),
        500..=599 => fault(FaultKind::Retry, "has a fault of its own"),
        300..=399 => fault(FaultKind::Refused, "redirects: write the address that it leads to into the configuration"),
        404 | 405 | 410 => fault(FaultKind::Refused, "nothing can be put there: is the address right?"),
        _ => Trouble::File(format!("is not taken by {place} (status {status}{why})")),
    }
}
