//! S3 and all that speaks like it: one PUT, or an upload in parts for what is long.
//!
//! The SHA-256 of every part is known before it leaves: it is signed, so that the server refuses what came otherwise, and it is the
//! checksum that the server keeps. A file is read twice for it, the second time from the page cache. Servers that keep no SHA-256
//! answer with an MD5 as ETag, which is compared instead.

use md5::Md5;
use sha2::{Digest, Sha256};

use super::http::{self, Ask, Load, Reply};
use super::{Flow, MOST_OF_A_NAME, Manner, Parcel, Receipt, Remote, Trouble, Way, differs, read_through, too_many};
use crate::device::stream::Client;
use crate::device::{Fault, FaultKind};
use crate::format::base64::{base64, hex};
use crate::format::s3::answer::{Answer, Part, complete, is_md5, plain};
use crate::format::s3::sign::{self, EMPTY, Keys, Request};
use crate::policy::outbox::{State, numbered, parts};
use crate::time::{SECOND_NS, Wall};

/// Where, and by which right.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// `https://host:port`, perhaps with a path.
    pub endpoint: String,
    pub bucket: String,
    pub region: String,
    pub access_key: String,
    pub secret_key: String,
    /// `host/bucket/key` and not `bucket.host/key`.
    pub is_path_style: bool,
    /// What is longer travels in parts of this length.
    pub part_bytes: u64,
}

pub struct S3 {
    access: Access,
    client: Client,
    now: fn() -> Wall,
    /// The server's clock minus ours, where the server refused ours.
    skew_ns: i64,
}

/// One part that stands there.
type Sent = (u32, String, Vec<u8>);

/// What the server knows of an object.
struct Head {
    bytes: u64,
    etag: String,
    sha256: Option<String>,
}

struct Question<'a> {
    method: &'static str,
    key: &'a str,
    query: &'a [(&'a str, &'a str)],
    headers: &'a [(&'a str, String)],
    /// Of the body, in hex.
    payload: &'a str,
}

impl S3 {
    pub fn new(access: Access, client: Client, now: fn() -> Wall) -> S3 {
        S3 { access, client, now, skew_ns: 0 }
    }

    /// Signs and asks. A clock that is wrong is put right by the server's own, once.
    fn ask(&mut self, question: &Question, mut load: Load) -> Result<(Reply, String), Trouble> {
        let (scheme, rest) = self.access.endpoint.trim_end_matches('/').split_once("://").unwrap_or(("https", ""));
        let (host, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let bucket = &self.access.bucket;
        let (host, base) = if self.access.is_path_style {
            (host.to_owned(), format!("{base}/{bucket}"))
        } else {
            (format!("{bucket}.{host}"), base.to_owned())
        };
        let path = sign::path(&format!("{base}/{}", question.key));
        let query = sign::query(question.query);
        let url = format!("{scheme}://{host}{path}{}{query}", if query.is_empty() { "" } else { "?" });
        loop {
            let mut headers: Vec<(&str, String)> = question.headers.to_vec();
            headers.push(("host", host.clone()));
            let signed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let Access { access_key, secret_key, region, .. } = &self.access;
            let keys = Keys { access: access_key, secret: secret_key, region };
            let request = Request {
                method: question.method,
                path: &path,
                query: question.query,
                headers: &signed,
                payload: question.payload,
            };
            let at = (self.now)().plus_ns(self.skew_ns);
            headers.extend(sign::sign(&request, &keys, at));
            let again = match &mut load {
                Load::Nothing => Load::Nothing,
                Load::Bytes(bytes) => Load::Bytes(bytes),
                Load::Flow(flow) => Load::Flow(flow),
            };
            let ask = Ask { method: question.method, url: &url, auth: None, headers: &headers };
            let reply = http::call(&self.client, &ask, again)?;
            let is_untouched = !matches!(&load, Load::Flow(flow) if flow.at > 0 && flow.at == flow.end);
            match self.skew(&reply) {
                Some(skew_ns) if self.skew_ns == 0 && is_untouched => self.skew_ns = skew_ns,
                _ => return Ok((reply, url)),
            }
        }
    }

    /// By how much the server's clock is ahead, where it finds ours too wrong to be believed.
    fn skew(&self, reply: &Reply) -> Option<i64> {
        let date = jiff::fmt::rfc2822::parse(reply.header("date")?).ok()?;
        let skew_ns = Wall::from_micros(date.timestamp().as_microsecond()).since((self.now)());
        (reply.status == 403 && skew_ns.abs() > 300 * SECOND_NS).then_some(skew_ns)
    }

    fn refused(&self, question: &Question, url: &str, reply: &Reply) -> Trouble {
        let said = Answer::read(&reply.body).unwrap_or_default();
        let ask = Ask { method: question.method, url, auth: None, headers: &[] };
        let why = if said.code.is_empty() { String::new() } else { format!("{}: {}", said.code, said.message) };
        match said.code.as_str() {
            "NoSuchBucket" => {
                let text =
                    format!("{}: there is no bucket {} (make it, or correct bucket)", self.access.endpoint, self.access.bucket);
                Trouble::Target(Fault::new(FaultKind::Refused, text))
            }
            "NoSuchUpload" => {
                Trouble::Target(Fault::new(FaultKind::Retry, "the server forgot what was sent of it: it is begun anew"))
            }
            "QuotaExceeded" | "XMinioStorageFull" => http::refused(&ask, 507, &why),
            "SlowDown" | "InternalError" | "RequestTimeout" | "ServiceUnavailable" => http::refused(&ask, 503, &why),
            _ => http::refused(&ask, reply.status, &why),
        }
    }

    /// An answer that is good.
    fn good(&mut self, question: &Question, load: Load) -> Result<Reply, Trouble> {
        let (reply, url) = self.ask(question, load)?;
        // Some servers begin with 200 and find out later.
        let is_error = !question.query.is_empty() && Answer::read(&reply.body).is_ok_and(|answer| !answer.code.is_empty());
        if reply.is_good() && !is_error {
            return Ok(reply);
        }
        let status = if reply.is_good() { 500 } else { reply.status };
        Err(self.refused(question, &url, &Reply { status, ..reply }))
    }

    fn head(&mut self, key: &str) -> Result<Option<Head>, Trouble> {
        let headers = [("x-amz-checksum-mode", "ENABLED".to_owned())];
        let question = Question { method: "HEAD", key, query: &[], headers: &headers, payload: EMPTY };
        let (reply, url) = self.ask(&question, Load::Nothing)?;
        match reply.status {
            200 => {
                let etag = reply.header("etag").map(plain).unwrap_or_default();
                let sha256 = reply.header("x-amz-checksum-sha256").map(str::to_owned);
                Ok(Some(Head { bytes: reply.length().unwrap_or(u64::MAX), etag, sha256 }))
            }
            404 => Ok(None),
            _ => Err(self.refused(&question, &url, &reply)),
        }
    }

    fn part_bytes(&self, parcel: &Parcel) -> (u32, u64) {
        if parcel.bytes <= self.access.part_bytes {
            (1, parcel.bytes.max(1))
        } else {
            parts(parcel.bytes, self.access.part_bytes)
        }
    }

    /// How the object's sums are written, if it is the parcel; `None` if it is another.
    fn same(&self, parcel: &Parcel, head: &Head, way: &mut dyn Way) -> Result<Option<String>, Trouble> {
        if head.bytes != parcel.bytes {
            return Ok(None);
        }
        way.stage(State::Verifying);
        let (count, size) = self.part_bytes(parcel);
        // A sum of sums is written with the number of parts behind it, or without.
        let written =
            |whole: String, all: String| [if count == 1 { whole } else { String::new() }, format!("{all}-{count}"), all];
        if let Some(theirs) = &head.sha256 {
            let (whole, all) = sums::<Sha256>(parcel, (count, size), way)?;
            return Ok(written(base64(&whole), base64(&all)).contains(theirs).then(|| format!("sha256:{theirs}")));
        }
        if !head.etag.split('-').next().is_some_and(is_md5) {
            return Ok(Some(format!("size:{}", parcel.bytes))); // it keeps no sum, and each part was signed with its own
        }
        let (whole, all) = sums::<Md5>(parcel, (count, size), way)?;
        Ok(written(hex(&whole), hex(&all)).contains(&head.etag.to_lowercase()).then(|| format!("md5:{}", head.etag)))
    }

    fn put(&mut self, key: &str, parcel: &Parcel, way: &mut dyn Way) -> Result<String, Trouble> {
        let (all, sha) = ((0, parcel.bytes), sum::<Sha256>(parcel, (0, parcel.bytes), way)?);
        way.stage(State::Sending(1, 1));
        let headers = [("content-type", parcel.media.to_owned()), ("x-amz-checksum-sha256", base64(&sha))];
        let payload = hex(&sha);
        let question = Question { method: "PUT", key, query: &[], headers: &headers, payload: &payload };
        let reply = self.good(&question, Load::Flow(&mut Flow::new(parcel.body, 0, parcel.bytes, way)))?;
        check(&reply, &sha, (parcel, all), way)?.then_some(()).ok_or_else(|| differs(key))?;
        way.stage(State::Verifying);
        let head = self.head(key)?.filter(|head| head.bytes == parcel.bytes).ok_or_else(|| differs(key))?;
        let is_same = head.sha256.as_deref().is_none_or(|theirs| theirs == base64(&sha));
        if is_same { Ok(format!("sha256:{}", base64(&sha))) } else { Err(differs(key)) }
    }

    fn put_in_parts(&mut self, key: &str, parcel: &Parcel, way: &mut dyn Way) -> Result<String, Trouble> {
        let (count, size) = self.part_bytes(parcel);
        let (id, there) = match way.token().as_deref().and_then(|token| token.split_once('\n')) {
            Some((old, id)) if old == key => match self.list(key, id) {
                Ok(there) => (id.to_owned(), there),
                Err(Trouble::Target(Fault { kind: FaultKind::Retry, what })) if what.starts_with("the server forgot") => {
                    (self.begin(key, parcel, way)?, Vec::new())
                }
                Err(other) => return Err(other),
            },
            _ => (self.begin(key, parcel, way)?, Vec::new()),
        };
        let (mut sent, mut has_sums): (Vec<Sent>, bool) = (Vec::with_capacity(count as usize), true);
        for number in 1..=count {
            let from = u64::from(number - 1) * size;
            let range = (from, (from + size).min(parcel.bytes));
            let sha = sum::<Sha256>(parcel, range, way)?;
            way.stage(State::Sending(number, count));
            let known = there.iter().find(|part| part.number == number && part.bytes == range.1 - range.0);
            let is_there = known.map_or(Ok(false), |part| is_same(part, &sha, (parcel, range), way))?;
            let etag = match known.filter(|_| is_there) {
                Some(part) => {
                    has_sums &= !part.sha256.is_empty();
                    part.etag.clone()
                }
                None => {
                    let reply = self.put_part(key, &id, number, (parcel, range), &sha, way)?;
                    let is_same = check(&reply, &sha, (parcel, range), way)?;
                    is_same.then_some(()).ok_or_else(|| differs(format_args!("{key}, part {number}")))?;
                    has_sums &= reply.header("x-amz-checksum-sha256").is_some();
                    reply.header("etag").map(plain).unwrap_or_default()
                }
            };
            sent.push((number, etag, sha));
        }
        way.stage(State::Verifying);
        self.finish(key, &id, &sent, has_sums)?;
        let head = self.head(key)?.filter(|head| head.bytes == parcel.bytes).ok_or_else(|| differs(key))?;
        let all = sent.iter().fold(Sha256::new(), |sum, (_, _, sha)| sum.chain_update(sha)).finalize();
        let sum = format!("{}-{count}", base64(&all));
        // Some write the number of parts behind it, some do not.
        let is_same = head.sha256.as_deref().is_none_or(|theirs| theirs == sum || theirs == base64(&all));
        if is_same { Ok(format!("sha256:{sum}")) } else { Err(differs(key)) }
    }

    fn begin(&mut self, key: &str, parcel: &Parcel, way: &mut dyn Way) -> Result<String, Trouble> {
        let headers = [("content-type", parcel.media.to_owned()), ("x-amz-checksum-algorithm", "SHA256".to_owned())];
        let question = Question { method: "POST", key, query: &[("uploads", "")], headers: &headers, payload: EMPTY };
        let reply = self.good(&question, Load::Nothing)?;
        let id = Answer::read(&reply.body).map(|answer| answer.upload_id).unwrap_or_default();
        if id.is_empty() {
            let text = format!("{}: begins no upload in parts: is it S3?", self.access.endpoint);
            return Err(Fault::new(FaultKind::Refused, text).into());
        }
        way.keep(&format!("{key}\n{id}"));
        Ok(id)
    }

    fn list(&mut self, key: &str, id: &str) -> Result<Vec<Part>, Trouble> {
        let (mut parts, mut after) = (Vec::new(), 0);
        loop {
            let marker = after.to_string();
            let query = [("uploadId", id), ("part-number-marker", marker.as_str())];
            let question = Question { method: "GET", key, query: &query, headers: &[], payload: EMPTY };
            let reply = self.good(&question, Load::Nothing)?;
            let answer = Answer::read(&reply.body).unwrap_or_default();
            parts.extend(answer.parts);
            match answer.next {
                Some(next) if next > after && parts.len() < 10_000 => after = next,
                _ => return Ok(parts),
            }
        }
    }

    fn put_part(
        &mut self,
        key: &str,
        id: &str,
        number: u32,
        (parcel, (from, to)): (&Parcel, (u64, u64)),
        sha: &[u8],
        way: &mut dyn Way,
    ) -> Result<Reply, Trouble> {
        let (number, payload) = (number.to_string(), hex(sha));
        let query = [("partNumber", number.as_str()), ("uploadId", id)];
        let headers = [("x-amz-checksum-sha256", base64(sha))];
        let question = Question { method: "PUT", key, query: &query, headers: &headers, payload: &payload };
        self.good(&question, Load::Flow(&mut Flow::new(parcel.body, from, to, way)))
    }

    fn finish(&mut self, key: &str, id: &str, sent: &[Sent], has_sums: bool) -> Result<(), Trouble> {
        let body = complete(sent, has_sums);
        let payload = hex(&Sha256::digest(body.as_bytes()));
        let query = [("uploadId", id)];
        let headers = [("content-type", "application/xml".to_owned())];
        let question = Question { method: "POST", key, query: &query, headers: &headers, payload: &payload };
        self.good(&question, Load::Bytes(body.as_bytes())).map(|_| ())
    }
}

type Range = (u64, u64);

/// What the server says that it got. An MD5 is made only where it keeps nothing else.
fn check(reply: &Reply, sha: &[u8], (parcel, range): (&Parcel, Range), way: &mut dyn Way) -> Result<bool, Trouble> {
    let etag = reply.header("etag").map(plain).unwrap_or_default();
    match reply.header("x-amz-checksum-sha256") {
        Some(theirs) => Ok(theirs == base64(sha)),
        None if is_md5(&etag) => Ok(etag.eq_ignore_ascii_case(&hex(&sum::<Md5>(parcel, range, way)?))),
        None => Ok(true),
    }
}

fn is_same(part: &Part, sha: &[u8], (parcel, range): (&Parcel, Range), way: &mut dyn Way) -> Result<bool, Trouble> {
    if part.sha256.is_empty() {
        Ok(part.etag.eq_ignore_ascii_case(&hex(&sum::<Md5>(parcel, range, way)?)))
    } else {
        Ok(part.sha256 == base64(sha))
    }
}

fn sum<D: Digest>(parcel: &Parcel, range: Range, way: &mut dyn Way) -> Result<Vec<u8>, Trouble> {
    let mut sum = D::new();
    read_through(parcel.body, range, way, |bytes| sum.update(bytes))?;
    Ok(sum.finalize().to_vec())
}

/// Of the last part, and of the sums of all.
fn sums<D: Digest>(parcel: &Parcel, (count, size): (u32, u64), way: &mut dyn Way) -> Result<(Vec<u8>, Vec<u8>), Trouble> {
    let (mut all, mut last) = (D::new(), Vec::new());
    for n in 0..count {
        let from = u64::from(n) * size;
        last = sum::<D>(parcel, (from, (from + size).min(parcel.bytes)), way)?;
        all.update(&last);
    }
    Ok((last, all.finalize().to_vec()))
}

impl Remote for S3 {
    fn send(&mut self, parcel: &Parcel, way: &mut dyn Way) -> Result<Receipt, Trouble> {
        for n in 1..=MOST_OF_A_NAME {
            let key = numbered(parcel.key, n);
            let head = if parcel.manner == Manner::Beside { self.head(&key)? } else { None };
            let checksum = match head {
                Some(head) => match self.same(parcel, &head, way)? {
                    Some(checksum) => checksum,
                    None => continue,
                },
                None if self.part_bytes(parcel).0 == 1 => self.put(&key, parcel, way)?,
                None => self.put_in_parts(&key, parcel, way)?,
            };
            return Ok(Receipt { key, checksum });
        }
        Err(too_many(parcel.key))
    }
}
