//! Plain HTTP: PUT, and asked afterwards what stands there.

use sha2::{Digest, Sha256};

use super::http::{self, Ask, Load, Reply};
use super::webdav::told;
use super::{Flow, MOST_OF_A_NAME, Manner, Parcel, Receipt, Remote, Trouble, Way, differs, sha256_of, too_many};
use crate::device::stream::address::Address;
use crate::device::stream::{Auth, Client};
use crate::device::{Fault, FaultKind};
use crate::format::s3::sign;
use crate::policy::outbox::{State, numbered};

pub struct Put {
    /// Without a slash at its end, and without user information.
    base: String,
    auth: Option<Auth>,
    client: Client,
    /// It is read back and compared; otherwise its length is.
    is_read_back: bool,
}

impl Put {
    /// `auth` counts for more than what the address brings.
    pub fn new(url: &str, auth: Option<Auth>, client: Client, is_read_back: bool) -> Put {
        let Address { url, auth } = Address::new(url, auth.as_ref());
        Put { base: url.trim_end_matches('/').to_owned(), auth, client, is_read_back }
    }

    fn ask(&self, method: &'static str, url: &str, load: Load, media: &str) -> Result<Reply, Trouble> {
        let headers = [("content-type", media.to_owned())];
        let headers = if method == "PUT" { &headers[..] } else { &[] };
        http::call(&self.client, &Ask { method, url, auth: self.auth.as_ref(), headers }, load)
    }

    /// Of what stands there; `u64::MAX` where the server does not say.
    fn length(&self, url: &str) -> Result<Option<u64>, Trouble> {
        let reply = self.ask("HEAD", url, Load::Nothing, "")?;
        match reply.status {
            200 => Ok(Some(reply.length().unwrap_or(u64::MAX))),
            404 => Ok(None),
            405 | 501 => {
                let what = format!("{}: does not say what stands there (HEAD): what is sent cannot be looked after", self.base);
                Err(Fault::new(FaultKind::Refused, what).into())
            }
            status => Err(http::refused(&Ask { method: "HEAD", url, auth: self.auth.as_ref(), headers: &[] }, status, "")),
        }
    }

    fn is_there(&self, url: &str, parcel: &Parcel, sum: Option<[u8; 32]>, way: &mut dyn Way) -> Result<bool, Trouble> {
        way.stage(State::Verifying);
        match self.length(url)? {
            Some(u64::MAX) if self.is_read_back => {}
            Some(bytes) if bytes == parcel.bytes => {}
            _ => return Ok(false),
        }
        if !self.is_read_back {
            return Ok(true);
        }
        let sum = sum.map_or_else(|| sha256_of(parcel, way), Ok)?;
        let ask = Ask { method: "GET", url, auth: self.auth.as_ref(), headers: &[] };
        match http::read_back(&self.client, &ask, way)? {
            Ok(found) => Ok(found == (sum, parcel.bytes)),
            Err(404) => Ok(false),
            Err(status) => Err(http::refused(&ask, status, "reading back what was sent")),
        }
    }
}

impl Remote for Put {
    fn send(&mut self, parcel: &Parcel, way: &mut dyn Way) -> Result<Receipt, Trouble> {
        for n in 1..=MOST_OF_A_NAME {
            let key = numbered(parcel.key, n);
            let url = format!("{}/{}", self.base, sign::path(&key));
            // What was begun here and not finished is ours to replace; what another wrote is not.
            let is_ours = way.token().as_deref() == Some(&key);
            if parcel.manner == Manner::Beside && self.length(&url)?.is_some() {
                if self.is_there(&url, parcel, None, way)? {
                    return Ok(Receipt { key, checksum: told(self.is_read_back, &sha256_of(parcel, way)?) });
                }
                if !is_ours {
                    continue;
                }
            }
            if parcel.manner == Manner::Beside && !is_ours {
                way.keep(&key);
            }
            way.stage(State::Sending(1, 1));
            let mut flow = Flow::new(parcel.body, 0, parcel.bytes, way);
            flow.sum = Some(Sha256::new());
            let reply = self.ask("PUT", &url, Load::Flow(&mut flow), parcel.media)?;
            let sum: [u8; 32] = flow.sum.take().unwrap_or_default().finalize().into();
            if !reply.is_good() {
                let ask = Ask { method: "PUT", url: &url, auth: self.auth.as_ref(), headers: &[] };
                return Err(http::refused(&ask, reply.status, ""));
            }
            if !self.is_there(&url, parcel, Some(sum), way)? {
                return Err(differs(key));
            }
            return Ok(Receipt { key, checksum: told(self.is_read_back, &sum) });
        }
        Err(too_many(parcel.key))
    }
}
