//! Signature version 4 of Amazon Web Services, as S3 wants it: paths are encoded once, the body's SHA-256 is a header.
//!
//! Source: "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference; its examples are the tests.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::format::base64::hex;
use crate::format::civil::Civil;
use crate::time::Wall;

/// SHA-256 of nothing.
pub const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub struct Keys<'a> {
    pub access: &'a str,
    pub secret: &'a str,
    pub region: &'a str,
}

/// What is signed of a request.
pub struct Request<'a> {
    pub method: &'a str,
    /// As it goes over the wire, by [`path`].
    pub path: &'a str,
    /// Not encoded.
    pub query: &'a [(&'a str, &'a str)],
    /// Names in lower case, `host` among them; x-amz-date and x-amz-content-sha256 are not.
    pub headers: &'a [(&'a str, &'a str)],
    /// Of the body, in hex.
    pub payload: &'a str,
}

/// The headers that a request gets: x-amz-date, x-amz-content-sha256, authorization.
pub fn sign(request: &Request, keys: &Keys, at: Wall) -> [(&'static str, String); 3] {
    let time = stamp(at);
    let mut headers = request.headers.to_vec();
    headers.extend([("x-amz-content-sha256", request.payload), ("x-amz-date", time.as_str())]);
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let query = query(request.query);
    let canonical = format!("{}\n{}\n{query}\n{lines}\n{names}\n{}", request.method, request.path, request.payload);
    let date = time.split('T').next().unwrap_or_default();
    let scope = format!("{date}/{}/s3/aws4_request", keys.region);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = [date, keys.region, "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{}", keys.secret).into_bytes(), |key, part| mac(&key, part.as_bytes()));
    let signature = hex(&mac(&key, text.as_bytes()));
    let credential = format!("{}/{scope}", keys.access);
    let authorization = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}");
    [("x-amz-date", time), ("x-amz-content-sha256", request.payload.to_owned()), ("authorization", authorization)]
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// `20130524T000000Z`.
fn stamp(at: Wall) -> String {
    let civil = Civil::at(at, 0);
    let (hour, minute, second) = civil.hour_minute_second();
    format!("{:04}{:02}{:02}T{hour:02}{minute:02}{second:02}Z", civil.year, civil.month, civil.day)
}

/// `a=1&b=`, sorted and encoded, as it is signed and sent.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name, ""), encoded(value, ""))).collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// `/bucket/a%20b/c`, of parts that are not encoded.
pub fn path(text: &str) -> String {
    encoded(text, "/")
}

/// All but letters, digits, `-._~` and `also` as %XX.
fn encoded(text: &str, also: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys, time and bucket of all published examples.
    const KEYS: Keys<'_> =
        Keys { access: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region: "us-east-1" };
    const AT: Wall = Wall(1_369_353_600_000_000_000);
    const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");

    #[track_caller]
    fn check(request: &Request, signature: &str) {
        let [(_, date), _, (_, authorization)] = sign(request, &KEYS, AT);
        assert_eq!(date, "20130524T000000Z");
        assert!(authorization.ends_with(&format!("Signature={signature}")), "{authorization}");
    }

    #[test]
    fn published_examples() {
        check(
            &Request { method: "GET", path: "/test.txt", query: &[], headers: &[HOST, ("range", "bytes=0-9")], payload: EMPTY },
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
        check(
            &Request {
                method: "PUT",
                path: &path("/test$file.text"),
                query: &[],
                headers: &[HOST, ("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
                payload: &hex(&Sha256::digest(b"Welcome to Amazon S3.")),
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        );
        check(
            &Request { method: "GET", path: "/", query: &[("lifecycle", "")], headers: &[HOST], payload: EMPTY },
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        );
        check(
            &Request { method: "GET", path: "/", query: &[("prefix", "J"), ("max-keys", "2")], headers: &[HOST], payload: EMPTY },
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        );
    }

    #[test]
    fn what_is_encoded() {
        assert_eq!(path("/b/site=A b/ü~+x.flac"), "/b/site%3DA%20b/%C3%BC~%2Bx.flac");
        assert_eq!(query(&[("uploadId", "a/b+c="), ("partNumber", "7")]), "partNumber=7&uploadId=a%2Fb%2Bc%3D");
        assert_eq!(hex(&Sha256::digest(b"")), EMPTY);
    }
}
