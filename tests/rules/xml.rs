//! Answers of servers that recordings are uploaded to.

use soundpost::format::s3::answer::{Answer, complete};
use soundpost::format::{dav, xml};

use super::Left;

/// As an answer of S3 and of WebDAV: what comes out is no more than went in, and a list that is made of it is XML again.
pub fn xml(bytes: &[u8]) -> Left {
    let (mut open, mut texts) = (0_usize, 0_usize);
    let walked = xml::walk(bytes, |mark| match mark {
        xml::Mark::Open(_) => open += 1,
        xml::Mark::Text(_, text) => texts += text.len(),
        xml::Mark::Close(_) => open = open.checked_sub(1).expect("it was open"),
    });
    assert!(texts <= bytes.len(), "nothing is expanded");
    assert!(walked.is_err() || open == 0, "all is closed");
    let (answer, entries) = (Answer::read(bytes), dav::read(bytes));
    assert_eq!((answer.is_ok(), entries.is_ok()), (walked.is_ok(), walked.is_ok()));
    let Ok(answer) = answer else { return Left::Nothing };
    assert!(answer.parts.len() <= 1_000);
    let sent: Vec<_> = answer.parts.iter().map(|part| (part.number, part.etag.clone(), vec![0; 32])).collect();
    let again = Answer::read(complete(&sent, true).as_bytes()).expect("XML");
    assert_eq!(again.parts.len(), sent.len());
    Left::of(!answer.code.is_empty() || !answer.parts.is_empty() || entries.is_ok_and(|entries| !entries.is_empty()))
}
