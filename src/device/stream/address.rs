//! Where to connect, and with which password; only the first is ever shown.

use std::fmt;

use crate::format::base64::base64;
use crate::format::uri::{decoded, resolve};

/// User and password of basic authentication (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    username: String,
    password: String,
}

impl Auth {
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Auth {
        Auth { username: username.into(), password: password.into() }
    }

    pub fn header(&self) -> String {
        format!("Basic {}", base64(format!("{}:{}", self.username, self.password).as_bytes()))
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth(***)")
    }
}

/// An address as it is sent: no user information, no fragment, nothing that must be percent-encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub url: String,
    pub auth: Option<Auth>,
}

impl Address {
    /// `auth` counts for more than what the address brings.
    pub fn new(url: &str, auth: Option<&Auth>) -> Address {
        let url = resolve("", url);
        let url = url.split('#').next().unwrap_or_default();
        let (start, end) = authority(url);
        let (user_information, host) = url[start..end].rsplit_once('@').map_or((None, &url[start..end]), |(u, h)| (Some(u), h));
        let own = user_information.map(|text| {
            let (username, password) = text.split_once(':').unwrap_or((text, ""));
            Auth::new(decoded(username), decoded(password))
        });
        Address { url: format!("{}{host}{}", &url[..start], &url[end..]), auth: auth.cloned().or(own) }
    }

    pub fn host(&self) -> &str {
        let (start, end) = authority(&self.url);
        let host_and_port = &self.url[start..end];
        let port = host_and_port.rfind(':').filter(|colon| !host_and_port[*colon..].contains(']'));
        &host_and_port[..port.unwrap_or(host_and_port.len())]
    }

    pub fn is_https(&self) -> bool {
        self.url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"))
    }

    pub fn is_http(&self) -> bool {
        self.is_https() || self.url.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("http:"))
    }

    /// Where a redirect leads. The password goes along to the same host only, and never from TLS to plain text.
    pub fn followed(&self, location: &str) -> Address {
        let mut next = Address::new(&resolve(&self.url, location), None);
        let same_host = next.host().eq_ignore_ascii_case(self.host());
        if next.auth.is_none() && same_host && (next.is_https() || !self.is_https()) {
            next.auth = self.auth.clone();
        }
        next
    }
}

/// Without what may be a secret: user information, and all of the query.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url.split_once('?') {
            None => f.write_str(&self.url),
            Some((shown, _)) => write!(f, "{shown}?***"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Between `//` and the next `/` or `?`.
fn authority(url: &str) -> (usize, usize) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, sent: &str, shown: &str, auth: Option<(&str, &str)>) {
        let address = Address::new(url, None);
        assert_eq!((address.url.as_str(), address.to_string().as_str()), (sent, shown));
        assert_eq!(address.auth, auth.map(|(u, p)| Auth::new(u, p)));
    }

    #[test]
    fn secrets_are_taken_out() {
        check("http://h:8000/live", "http://h:8000/live", "http://h:8000/live", None);
        check("http://u:p%40%zz@h/x?key=1#f", "http://h/x?key=1", "http://h/x?***", Some(("u", "p@%zz")));
        check("https://u@[::1]:1?a@b", "https://[::1]:1?a@b", "https://[::1]:1?***", Some(("u", "")));
        assert_eq!(Address::new("https://[::1]:1?a", None).host(), "[::1]");
        assert_eq!(Address::new("http://h:1/", None).host(), "h");
        assert_eq!(format!("{:?}", Auth::new("u", "p")), "Auth(***)");
    }

    #[test]
    fn passwords_stay_with_their_host() {
        let followed = |from: &str, to: &str| Address::new(from, None).followed(to);
        assert_eq!(followed("http://u:p@h/a/b", "../c").auth, Some(Auth::new("u", "p")));
        assert_eq!(followed("http://u:p@h/", "https://H:9/").auth, Some(Auth::new("u", "p")));
        assert_eq!(followed("https://u:p@h/", "http://h/").auth, None);
        assert_eq!(followed("http://u:p@h/", "http://other/").auth, None);
        assert_eq!(followed("http://u:p@h/", "http://x:y@other/").auth, Some(Auth::new("x", "y")));
    }

    /// RFC 7617, section 2.
    #[test]
    fn a_published_password() {
        assert_eq!(Auth::new("Aladdin", "open sesame").header(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
