//! What an S3 server says in XML: why it refuses, the number of an upload, which parts of it are there.

use crate::format::base64::base64;
use crate::format::xml::{Malformed, Mark, walk};

/// One of an upload that is not complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub number: u32,
    pub bytes: u64,
    /// Without quotation marks.
    pub etag: String,
    /// In base64; empty where the server keeps none.
    pub sha256: String,
}

/// Whatever of this an answer holds; the rest is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Of an error, such as `NoSuchUpload`.
    pub code: String,
    pub message: String,
    pub upload_id: String,
    pub etag: String,
    pub sha256: String,
    pub parts: Vec<Part>,
    /// Where the next page of parts begins, if there is one.
    pub next: Option<u32>,
}

/// Parts of one answer, at most: what a server may list at once.
const MAX_PARTS: usize = 1_000;

impl Answer {
    pub fn read(xml: &[u8]) -> Result<Answer, Malformed> {
        let (mut answer, mut part, mut next, mut is_truncated) = (Answer::default(), None, None, false);
        walk(xml, |mark| match mark {
            Mark::Open("Part") => part = Some(Part::default()),
            Mark::Close("Part") => answer.parts.extend(part.take().filter(|_| answer.parts.len() < MAX_PARTS)),
            Mark::Text(name, text) => match (name, &mut part) {
                ("PartNumber", Some(part)) => part.number = text.parse().unwrap_or(0),
                ("Size", Some(part)) => part.bytes = text.parse().unwrap_or(0),
                ("ETag", Some(part)) => part.etag = plain(text),
                ("ChecksumSHA256", Some(part)) => part.sha256 = text.to_owned(),
                ("Code", None) => answer.code = text.to_owned(),
                ("Message", None) => answer.message = text.to_owned(),
                ("UploadId", None) => answer.upload_id = text.to_owned(),
                ("ETag", None) => answer.etag = plain(text),
                ("ChecksumSHA256", None) => answer.sha256 = text.to_owned(),
                ("IsTruncated", None) => is_truncated = text == "true",
                ("NextPartNumberMarker", None) => next = text.parse().ok(),
                _ => {}
            },
            Mark::Open(_) | Mark::Close(_) => {}
        })?;
        answer.next = next.filter(|_| is_truncated);
        Ok(answer)
    }
}

/// Without quotation marks.
pub fn plain(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

/// An ETag that is an MD5, and not a number of the server's own making.
pub fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The body that makes one object of parts, which come in the order of their numbers. ETags are those that the server gave.
pub fn complete(parts: &[(u32, String, Vec<u8>)], has_sums: bool) -> String {
    let mut xml = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (number, etag, sha256) in parts {
        let sum = if has_sums { format!("<ChecksumSHA256>{}</ChecksumSHA256>", base64(sha256)) } else { String::new() };
        let etag: String = etag.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.=+/".contains(*c)).collect();
        xml.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag>{sum}</Part>"));
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let error = "<?xml version=\"1.0\"?><Error><Code>NoSuchUpload</Code><Message>No &lt;such&gt;</Message></Error>";
        let found = Answer::read(error.as_bytes()).expect("XML");
        assert_eq!((found.code.as_str(), found.message.as_str()), ("NoSuchUpload", "No <such>"));
        let begun = "<InitiateMultipartUploadResult xmlns=\"x\"><Bucket>b</Bucket><UploadId>a/+=</UploadId></InitiateMultipartUploadResult>";
        assert_eq!(Answer::read(begun.as_bytes()).map(|a| a.upload_id), Ok("a/+=".to_owned()));
        let list = "<ListPartsResult><UploadId>u</UploadId><NextPartNumberMarker>2</NextPartNumberMarker><IsTruncated>true</IsTruncated>\
            <Part><PartNumber>1</PartNumber><ETag>\"aa\"</ETag><Size>5</Size><ChecksumSHA256>x=</ChecksumSHA256></Part>\
            <Part><PartNumber>2</PartNumber><ETag>&quot;bb-1&quot;</ETag><Size>6</Size></Part></ListPartsResult>";
        let found = Answer::read(list.as_bytes()).expect("XML");
        let part = |number, bytes, etag: &str, sha256: &str| Part { number, bytes, etag: etag.into(), sha256: sha256.into() };
        assert_eq!(found.parts, [part(1, 5, "aa", "x="), part(2, 6, "bb-1", "")]);
        assert_eq!((found.next, found.etag.as_str()), (Some(2), ""));
        assert_eq!(Answer::read(b"<html><body>Bad gateway<br></body></html>"), Err(Malformed));
    }

    #[test]
    fn a_list_of_parts() {
        let xml = complete(&[(1, "ab<\"".into(), vec![0; 32])], true);
        let want = "<Part><PartNumber>1</PartNumber><ETag>\"ab\"</ETag><ChecksumSHA256>AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=</ChecksumSHA256></Part>";
        assert!(xml.contains(want), "{xml}");
        assert_eq!((is_md5("d41d8cd98f00b204e9800998ecf8427e"), is_md5("d41d8cd98f00b204e9800998ecf8427e-3")), (true, false));
    }
}
