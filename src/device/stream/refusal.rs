//! What went wrong between us and a server: one line each, and what the caller should do.

use std::io;

use rustls::{CertificateError, Error as Tls, InvalidMessage};
use ureq::{Error, Timeout};

use super::address::Address;
use super::gate::Halt;
use crate::device::{Fault, FaultKind};

/// `synced`: the wall clock is right, so that a certificate that is not valid now is not valid.
pub fn fault(address: &Address, error: Error, synced: bool) -> Fault {
    let error = match error {
        Error::Io(e) => super::wire::raised(e),
        other => other,
    };
    let (kind, what) = match error {
        Error::Other(inner) => match inner.downcast_ref::<Halt>() {
            Some(Halt::Stopped) => return Fault::new(FaultKind::Retry, "stopped"),
            Some(halt) => (FaultKind::Retry, halt.to_string()),
            None => (FaultKind::Retry, inner.to_string()),
        },
        Error::Rustls(e) => tls(address, &e, synced),
        Error::Io(e) => (FaultKind::Retry, io_text(&e)),
        Error::Timeout(Timeout::RecvResponse) => (FaultKind::Retry, "connected, but no answer came in time".to_owned()),
        Error::Timeout(_) => (FaultKind::Retry, "no answer in time".to_owned()),
        Error::HostNotFound => {
            (FaultKind::Retry, format!("the name {} is not known (is it spelt right? is there DNS?)", address.host()))
        }
        Error::LargeResponseHeader(..) => (FaultKind::Retry, Halt::Endless.to_string()),
        Error::Protocol(e) => (FaultKind::Retry, format!("what answers is not HTTP, or is damaged ({})", short(&e.to_string()))),
        Error::Http(_) | Error::BadUri(_) => (FaultKind::Config, "is not a valid address: correct it".to_owned()),
        Error::Tls(what) => (FaultKind::Config, what.to_owned()),
        Error::BodyStalled => (FaultKind::Retry, "the connection ended early".to_owned()),
        other => (FaultKind::Retry, short(&other.to_string())),
    };
    Fault::new(kind, format!("{address}: {what}"))
}

/// Nothing came for as long as one read may take.
pub fn is_quiet(error: &Error) -> bool {
    matches!(error, Error::Other(inner) if matches!(inner.downcast_ref(), Some(Halt::Quiet(_) | Halt::Overdue)))
}

/// A response that is no stream.
pub fn status(address: &Address, code: u16) -> Fault {
    let given = if address.auth.is_some() { "refuses username and password" } else { "wants username and password" };
    let (kind, what) = match code {
        401 | 407 => (FaultKind::Refused, format!("{given} (status {code}): correct them in the configuration")),
        403 if address.auth.is_some() => {
            (FaultKind::Refused, "refuses access (status 403): are username and password right?".to_owned())
        }
        403 => (FaultKind::Refused, "refuses access (status 403): does it want username and password?".to_owned()),
        404 | 410 => (FaultKind::Gone, format!("nothing is there now (status {code}): off the air, or is the path right?")),
        408 | 425 | 429 => (FaultKind::Retry, format!("asks to come back later (status {code})")),
        500..=599 => (FaultKind::Retry, format!("the server has a fault of its own (status {code})")),
        _ => (FaultKind::Refused, format!("answers with status {code} instead of a stream: is the address right?")),
    };
    Fault::new(kind, format!("{address}: {what}"))
}

fn tls(address: &Address, error: &Tls, synced: bool) -> (FaultKind, String) {
    let host = address.host();
    match error {
        Tls::InvalidCertificate(why) => {
            let what = match why {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "has expired: its owner must renew it".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet".to_owned(),
                CertificateError::UnknownIssuer => "is from an unknown issuer: name its authority in ca_file".to_owned(),
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    format!("is not for {host}: use the name it is for")
                }
                CertificateError::Revoked => "was revoked".to_owned(),
                other => format!("does not hold ({})", short(&format!("{other:?}"))),
            };
            let of_time = matches!(
                why,
                CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. }
            );
            if synced || !of_time {
                (FaultKind::Refused, format!("the server's certificate {what}"))
            } else {
                (FaultKind::Retry, format!("the server's certificate {what} (or the clock is wrong, which is not set yet)"))
            }
        }
        Tls::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            (FaultKind::Refused, "does not speak TLS there: write http:// or another port".to_owned())
        }
        Tls::AlertReceived(alert) => (FaultKind::Retry, format!("the server refuses TLS ({alert:?})")),
        Tls::PeerIncompatible(_) => (FaultKind::Refused, "the server's TLS is too old (1.2 or newer is needed)".to_owned()),
        other => (FaultKind::Retry, format!("TLS failed ({})", short(&other.to_string()))),
    }
}

fn io_text(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::ConnectionRefused => "the connection is refused: nothing listens on that port".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "the host cannot be reached: is the network up?".to_owned()
        }
        io::ErrorKind::UnexpectedEof => "the connection ended early".to_owned(),
        io::ErrorKind::BrokenPipe => "the connection was closed".to_owned(),
        _ => short(&e.to_string()),
    }
}

/// What a server sent may be quoted in an error; a line stays a line.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
