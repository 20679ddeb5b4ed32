//! Whether a request is meant for this recorder, and comes from its own page.
//!
//! A page on the internet can let its own name point at an address of this network (DNS rebinding), and then its scripts would
//! be the recorder's own. They cannot choose `Host`: it is the name in the browser's address line. So only names that nobody on
//! the internet can own are answered, and those that the configuration lists.

use core::net::IpAddr;

use super::answer::{Refusal, Status};
use super::head::RequestHead;
use super::target::authority;

/// Ends of names that are given out inside a network only.
const INSIDE: [&str; 6] = [".local", ".lan", ".home", ".internal", ".home.arpa", ".localhost"];

/// Names that are ours although they could be somebody's.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Of this machine, and those of `[web] hosts`.
    pub listed: Vec<String>,
}

/// Refuses what is for somebody else, and changes that another page asks for.
pub fn check(head: &RequestHead, names: &Names) -> Result<(), Refusal> {
    let hosts = head.line("host").into_iter().chain(authority(&head.target).map(|(host, _)| host));
    for host in hosts {
        if !names.is_ours(host) {
            let why = "This name is not one of the recorder's: use its address, or list the name in [web] hosts.";
            return Err(Refusal::new(Status::MisdirectedRequest, why));
        }
    }
    if (head.method.changes() || head.target.starts_with("/admin/")) && !is_own_page(head) {
        return Err(Refusal::new(Status::Forbidden, "Another page may not change anything here."));
    }
    Ok(())
}

/// Programs other than browsers send neither line, and have no cookie to be abused.
fn is_own_page(head: &RequestHead) -> bool {
    let site = head.line("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = head.line("origin").is_none_or(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some_and(|origin| head.line("host").is_some_and(|host| host.eq_ignore_ascii_case(origin)))
    });
    site && origin
}

impl Names {
    fn is_ours(&self, host: &str) -> bool {
        let Some(name) = name_of(host) else { return false };
        if name.parse::<IpAddr>().is_ok() {
            return true;
        }
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let is_single = !name.contains('.') && name.bytes().any(|b| b.is_ascii_alphabetic());
        let is_listed = || self.listed.iter().any(|listed| listed.eq_ignore_ascii_case(name));
        is_name && (is_single || INSIDE.iter().any(|end| name.len() > end.len() && name.ends_with(end)) || is_listed())
    }
}

/// Without port and brackets.
fn name_of(host: &str) -> Option<&str> {
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        let (name, port) = rest.split_once(']')?;
        let port = if port.is_empty() { port } else { port.strip_prefix(':')? };
        return (name.contains(':') && is_port(port)).then_some(name);
    }
    match host.split_once(':') {
        Some((name, port)) => is_port(port).then_some(name),
        None => Some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::parse;
    use super::*;

    /// The status that a request with these lines gets; 200 for none.
    fn status(method: &str, target: &str, lines: &str) -> u16 {
        let text = format!("{method} {target} HTTP/1.1\r\n{}\r\n\r\n", lines.replace(", ", "\r\n"));
        let head = parse(text.as_bytes()).expect("good").expect("whole");
        let names = Names { listed: vec!["Recorder.example.org".into()] };
        check(&head, &names).err().map_or(200, |refusal| refusal.status.code())
    }

    #[test]
    fn names_that_nobody_can_own() {
        for host in [
            "10.0.0.7",
            "10.0.0.7:8080",
            "[fe80::1]",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:8080",
            "box",
            "box.local",
            "Box.Local.:8080",
            "a.b.lan",
            "x.home",
            "x.internal",
            "x.home.arpa",
            "recorder.example.org:80",
        ] {
            assert_eq!(status("GET", "/", &format!("Host: {host}")), 200, "{host}");
        }
        for host in [
            "",
            "example.org",
            "10.0.0.7.example.org",
            ".local",
            "local.evil.com",
            "box.local.evil.com",
            "box.local:80:80",
            "box.local:x",
            "[::1",
            "[10.0.0.7]",
            "a@10.0.0.7",
            "sub.recorder.example.org",
            "10.0.0",
            "1",
        ] {
            assert_eq!(status("GET", "/", &format!("Host: {host}")), 421, "{host}");
        }
    }

    #[test]
    fn an_absolute_address_must_be_ours_too() {
        assert_eq!(status("GET", "http://box.local/", "Host: box.local"), 200);
        assert_eq!(status("GET", "http://example.com/", "Host: box.local"), 421);
    }

    #[test]
    fn changes_come_from_the_own_page() {
        for (lines, want) in [
            ("Host: box:80", 200),
            ("Host: box:80, Origin: http://box:80", 200),
            ("Host: box:80, Origin: http://BOX:80, Sec-Fetch-Site: same-origin", 200),
            ("Host: box:80, Origin: http://box", 403),
            ("Host: box:80, Origin: http://evil.example", 403),
            ("Host: box:80, Origin: null", 403),
            ("Host: box:80, Sec-Fetch-Site: cross-site", 403),
            ("Host: box:80, Sec-Fetch-Site: same-site", 403),
            ("Host: box:80, Sec-Fetch-Site: none", 200),
        ] {
            assert_eq!(status("DELETE", "/", lines), want, "{lines}");
            assert_eq!(status("GET", "/", lines), 200, "{lines}");
        }
    }
}
