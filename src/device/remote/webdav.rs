//! WebDAV: sent under a hidden name beside, looked after, then moved to its place. Nextcloud gets long files in chunks (its chunked
//! upload, version 2), so that a connection that breaks costs one of them.

use sha2::{Digest, Sha256};

use super::http::{self, Ask, Load, Reply};
use super::{Flow, MOST_OF_A_NAME, Manner, Parcel, Receipt, Remote, Trouble, Way, differs, sha256_of, too_many};
use crate::device::stream::address::Address;
use crate::device::stream::{Auth, Client};
use crate::format::base64::hex;
use crate::format::dav::{self, Entry};
use crate::format::s3::sign;
use crate::policy::outbox::{State, numbered, parts};

/// Where Nextcloud and ownCloud keep a user's files; what is sent in chunks goes to a place beside it.
const CLOUD_FILES: &str = "/remote.php/dav/files/";
const CLOUD_UPLOADS: &str = "/remote.php/dav/uploads/";

pub struct WebDav {
    /// Without a slash at its end, and without user information.
    base: String,
    auth: Option<Auth>,
    client: Client,
    /// What is longer goes to a Nextcloud in chunks of this length.
    chunk_bytes: u64,
    /// It is read back and compared; otherwise its length is.
    is_read_back: bool,
    /// The folder that was last seen to be there.
    folder: String,
}

impl WebDav {
    /// `auth` counts for more than what the address brings.
    pub fn new(url: &str, auth: Option<Auth>, client: Client, chunk_bytes: u64, is_read_back: bool) -> WebDav {
        let Address { url, auth } = Address::new(url, auth.as_ref());
        let base = url.trim_end_matches('/').to_owned();
        WebDav { base, auth, client, chunk_bytes: chunk_bytes.max(1), is_read_back, folder: String::new() }
    }

    fn url(&self, key: &str) -> String {
        format!("{}/{}", self.base, sign::path(key))
    }

    fn ask(&self, method: &'static str, url: &str, headers: &[(&str, String)], load: Load) -> Result<Reply, Trouble> {
        http::call(&self.client, &Ask { method, url, auth: self.auth.as_ref(), headers }, load)
    }

    fn refused(&self, method: &'static str, url: &str, reply: &Reply) -> Trouble {
        http::refused(&Ask { method, url, auth: self.auth.as_ref(), headers: &[] }, reply.status, "")
    }

    /// What stands there, and what is in it with `depth` 1; nothing if it is not there.
    fn find(&self, url: &str, depth: &str) -> Result<Option<Vec<Entry>>, Trouble> {
        let headers = [("depth", depth.to_owned()), ("content-type", "application/xml".to_owned())];
        let reply = self.ask("PROPFIND", url, &headers, Load::Bytes(dav::QUESTION.as_bytes()))?;
        match reply.status {
            207 => Ok(dav::read(&reply.body).ok()),
            404 => Ok(None),
            _ => Err(self.refused("PROPFIND", url, &reply)),
        }
    }

    fn length(&self, key: &str) -> Result<Option<u64>, Trouble> {
        Ok(self.find(&self.url(key), "0")?.and_then(|entries| entries.first().map(|entry| entry.bytes.unwrap_or(u64::MAX))))
    }

    /// Makes the folder of a key, and those above it.
    fn make_folder(&mut self, key: &str) -> Result<(), Trouble> {
        let folder = key.rfind('/').map_or("", |slash| &key[..slash]);
        if folder.is_empty() || self.folder == folder {
            return Ok(());
        }
        for end in folder.match_indices('/').map(|(at, _)| at).chain([folder.len()]) {
            let url = self.url(&folder[..end]);
            let mut reply = self.ask("MKCOL", &url, &[], Load::Nothing)?;
            if reply.status == 409 {
                // The folder of the address itself may be missing, too.
                self.ask("MKCOL", &self.base, &[], Load::Nothing)?;
                reply = self.ask("MKCOL", &url, &[], Load::Nothing)?;
            }
            // 405: it is there. Some say so by another number.
            let is_there = reply.is_good() || reply.status == 405;
            if !is_there && (!matches!(reply.status, 301 | 403 | 409) || self.find(&url, "0")?.is_none()) {
                return Err(self.refused("MKCOL", &url, &reply));
            }
        }
        folder.clone_into(&mut self.folder);
        Ok(())
    }

    /// The whole file to a hidden name; its SHA-256.
    fn put(&self, to: &str, parcel: &Parcel, way: &mut dyn Way) -> Result<[u8; 32], Trouble> {
        let url = self.url(to);
        way.stage(State::Sending(1, 1));
        let mut flow = Flow::new(parcel.body, 0, parcel.bytes, way);
        flow.sum = Some(Sha256::new());
        let reply = self.ask("PUT", &url, &[("content-type", parcel.media.to_owned())], Load::Flow(&mut flow))?;
        let sum = flow.sum.take().unwrap_or_default().finalize().into();
        if reply.is_good() { Ok(sum) } else { Err(self.refused("PUT", &url, &reply)) }
    }

    /// As [`WebDav::put`], in chunks of which those that are there already are not sent again.
    fn put_chunks(&self, place: &str, to: &str, parcel: &Parcel, way: &mut dyn Way) -> Result<[u8; 32], Trouble> {
        let (count, size) = parts(parcel.bytes, self.chunk_bytes);
        let sum = sha256_of(parcel, way)?;
        // Another number for every other file, so that no chunk of another is taken for one of this.
        let folder = format!("{place}/soundpost-{}", hex(sum.get(..12).unwrap_or_default()));
        let common = [("destination", self.url(to)), ("oc-total-length", parcel.bytes.to_string())];
        let there = self.find(&folder, "1")?;
        if there.is_none() {
            let reply = self.ask("MKCOL", &folder, &common, Load::Nothing)?;
            if !reply.is_good() && reply.status != 405 {
                return Err(self.refused("MKCOL", &folder, &reply));
            }
        }
        for number in 1..=count {
            let from = u64::from(number - 1) * size;
            let to = (from + size).min(parcel.bytes);
            let name = format!("{number:05}");
            way.stage(State::Sending(number, count));
            if there.iter().flatten().any(|entry| entry.name == name && entry.bytes == Some(to - from)) {
                continue;
            }
            let url = format!("{folder}/{name}");
            let reply = self.ask("PUT", &url, &common, Load::Flow(&mut Flow::new(parcel.body, from, to, way)))?;
            if !reply.is_good() {
                return Err(self.refused("PUT", &url, &reply));
            }
        }
        let url = format!("{folder}/.file");
        let reply = self.ask("MOVE", &url, &common, Load::Nothing)?;
        if !reply.is_good() {
            // Something is wrong with what is there: it is begun anew next time.
            self.ask("DELETE", &folder, &[], Load::Nothing)?;
            return Err(self.refused("MOVE", &url, &reply));
        }
        Ok(sum)
    }

    /// What stands under `key` is of this sum.
    fn is_there(&self, key: &str, parcel: &Parcel, sum: Option<[u8; 32]>, way: &mut dyn Way) -> Result<bool, Trouble> {
        way.stage(State::Verifying);
        if self.length(key)? != Some(parcel.bytes) {
            return Ok(false);
        }
        if !self.is_read_back {
            return Ok(true);
        }
        let sum = sum.map_or_else(|| sha256_of(parcel, way), Ok)?;
        let url = self.url(key);
        let ask = Ask { method: "GET", url: &url, auth: self.auth.as_ref(), headers: &[] };
        match http::read_back(&self.client, &ask, way)? {
            Ok(found) => Ok(found == (sum, parcel.bytes)),
            Err(404) => Ok(false),
            Err(status) => Err(http::refused(&ask, status, "reading back what was sent")),
        }
    }

    /// False if another file has taken the name meanwhile.
    fn place(&self, hidden: &str, key: &str, manner: Manner) -> Result<bool, Trouble> {
        let overwrite = if manner == Manner::Beside { "F" } else { "T" };
        let url = self.url(hidden);
        let headers = [("destination", self.url(key)), ("overwrite", overwrite.to_owned())];
        let reply = self.ask("MOVE", &url, &headers, Load::Nothing)?;
        match reply.status {
            412 => Ok(false),
            _ if reply.is_good() => Ok(true),
            _ => Err(self.refused("MOVE", &url, &reply)),
        }
    }

    fn remove(&self, key: &str) -> Result<(), Trouble> {
        self.ask("DELETE", &self.url(key), &[], Load::Nothing).map(|_| ())
    }
}

/// `a/b.flac` while it is not whole.
fn hidden(key: &str) -> String {
    let name = key.rfind('/').map_or(0, |slash| slash + 1);
    format!("{}.{}.soundpost", &key[..name], &key[name..])
}

impl Remote for WebDav {
    fn send(&mut self, parcel: &Parcel, way: &mut dyn Way) -> Result<Receipt, Trouble> {
        for n in 1..=MOST_OF_A_NAME {
            let key = numbered(parcel.key, n);
            if parcel.manner == Manner::Beside && self.length(&key)?.is_some() {
                if !self.is_there(&key, parcel, None, way)? {
                    continue;
                }
                return Ok(Receipt { key, checksum: told(self.is_read_back, &sha256_of(parcel, way)?) });
            }
            self.folder.clear(); // somebody may have tidied up
            self.make_folder(&key)?;
            let (draft, place) = (hidden(&key), self.base.replacen(CLOUD_FILES, CLOUD_UPLOADS, 1));
            let is_cloud = place != self.base && parcel.bytes > self.chunk_bytes;
            // The place is the user's, whatever folder of his the address names.
            let user = place.find(CLOUD_UPLOADS).map_or(0, |at| at + CLOUD_UPLOADS.len());
            let place = place[user..].find('/').map_or(place.as_str(), |end| &place[..user + end]);
            let sum = if is_cloud { self.put_chunks(place, &draft, parcel, way)? } else { self.put(&draft, parcel, way)? };
            if !self.is_there(&draft, parcel, Some(sum), way)? {
                self.remove(&draft)?;
                return Err(differs(key));
            }
            if !self.place(&draft, &key, parcel.manner)? {
                self.remove(&draft)?;
                continue;
            }
            if self.length(&key)? != Some(parcel.bytes) {
                return Err(differs(key));
            }
            return Ok(Receipt { key, checksum: told(self.is_read_back, &sum) });
        }
        Err(too_many(parcel.key))
    }
}

/// As it stands in the ledger: only what was compared.
pub(super) fn told(is_read_back: bool, sum: &[u8; 32]) -> String {
    if is_read_back { format!("sha256:{}", hex(sum)) } else { "size".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_stands_beside_and_is_hidden() {
        assert_eq!(hidden("a/b.flac"), "a/.b.flac.soundpost");
        assert_eq!(hidden("b"), ".b.soundpost");
    }
}
