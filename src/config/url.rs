//! The address of a stream, checked when the file is read; connecting belongs elsewhere.

use std::fmt;

use super::value::{Wrong, because};

/// `http://` or `https://`, a host, perhaps a port and user information. Shown without the latter.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamUrl(String);

impl StreamUrl {
    /// The reasons of a refusal hold no piece of the text: it may have a password in it.
    pub fn parse(text: &str) -> Result<StreamUrl, Wrong> {
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return because("has a blank or a control character (write a blank as %20)");
        }
        let Some(authority) = authority(text) else { return because("does not begin with http:// or https://") };
        let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match host_and_port.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, port))) => (host, port.strip_prefix(':').unwrap_or(port)),
            Some(None) => return because("has [ without ] in its host"),
            None => host_and_port.split_once(':').unwrap_or((host_and_port, "")),
        };
        if host.is_empty() {
            return because("has no host");
        }
        if !port.is_empty() && !port.parse::<u16>().is_ok_and(|n| n > 0) {
            return because(
                "has no valid port after its host (if that is a password with / or @: write it into the key password)",
            );
        }
        Ok(StreamUrl(text.to_owned()))
    }

    /// The address as it was written, user information included.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What stands between the scheme and the first `/`, `?` or `#`.
fn authority(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    if !known {
        return None;
    }
    rest.split(['/', '?', '#']).next()
}

/// Without user information, whether the text is an address or not.
pub fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(_, rest)| (&url[..url.len() - rest.len()], rest));
    // The last @ of all, not of the authority: an unescaped / in a password must not bring it to light.
    match rest.rsplit_once('@') {
        None => url.to_owned(),
        Some((_, host)) => format!("{scheme}***@{host}"),
    }
}

/// Scheme and host alone: what stands behind them may be as good as a password.
pub fn host_of(url: &str) -> String {
    let masked = masked(url);
    let start = masked.find("://").map_or(0, |at| at + 3);
    match masked[start..].find(['/', '?', '#']) {
        Some(end) if masked.len() > start + end + 1 => format!("{}/***", &masked[..start + end]),
        _ => masked,
    }
}

/// One address or several, blanks between them: the first is wanted, the others stand in for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamUrls(Vec<StreamUrl>);

impl StreamUrls {
    pub fn parse(text: &str) -> Result<StreamUrls, Wrong> {
        text.split_whitespace().map(StreamUrl::parse).collect::<Result<Vec<_>, _>>().map(StreamUrls)
    }

    /// As they were written, user information included.
    pub fn expose(&self) -> Vec<String> {
        self.0.iter().map(|url| url.expose().to_owned()).collect()
    }
}

impl fmt::Display for StreamUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, url) in self.0.iter().enumerate() {
            write!(f, "{}{url}", if n == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamUrl({self})")
    }
}

/// Where a source pushes its sound: `icecast://` (which is http), `http://` or `https://`, a mount behind the host. `{source}` in
/// it stands for the source's name. Shown without user information.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushUrl(StreamUrl);

impl PushUrl {
    pub fn parse(text: &str) -> Result<PushUrl, Wrong> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", ""));
        let url = match scheme.to_ascii_lowercase().as_str() {
            "icecast" | "http" => format!("http://{rest}"),
            "icecasts" | "https" => format!("https://{rest}"),
            _ => return because("does not begin with icecast://, http:// or https://"),
        };
        let url = StreamUrl::parse(&url)?;
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        if path.len() < 2 || path.contains(['?', '#']) {
            return because("has no mount behind its host, such as /mic.opus");
        }
        Ok(PushUrl(url))
    }

    /// Of this source, user information included.
    pub fn of(&self, source: &str) -> String {
        let name: String = source.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
        self.0.expose().replace("{source}", &name)
    }
}

impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An MQTT broker: `mqtt://`, perhaps name and password, a host, perhaps a port. Shown without the former.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MqttUrl(StreamUrl);

impl MqttUrl {
    pub fn parse(text: &str) -> Result<MqttUrl, Wrong> {
        match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mqtt") => {
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                if rest.contains(['/', '?', '#']) {
                    return because("has something behind its host and port");
                }
                StreamUrl::parse(&format!("http://{rest}")).map(MqttUrl)
            }
            _ => because("does not begin with mqtt://"),
        }
    }

    /// Host, port, name and password.
    pub fn parts(&self) -> (String, u16, Option<(String, String)>) {
        let rest = authority(self.0.expose()).unwrap_or_default();
        let (account, place) = rest.rsplit_once('@').map_or((None, rest), |(account, place)| (Some(account), place));
        let account = account.map(|account| account.split_once(':').unwrap_or((account, "")));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(1_883)),
            _ => (place, 1_883),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (host, port, account.map(|(name, password)| (name.to_owned(), password.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<&str, &str>) {
        match (StreamUrl::parse(text), want) {
            (Ok(url), Ok(shown)) => assert_eq!((url.expose(), url.to_string().as_str()), (text, shown)),
            (Err(Wrong::Because(why)), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn addresses() {
        check("http://icecast.example.com:8000/live", Ok("http://icecast.example.com:8000/live"));
        check("HTTPS://h", Ok("HTTPS://h"));
        check("http://u:p@h:80/x?y#z", Ok("http://***@h:80/x?y#z"));
        check("http://u:p@q@h/", Ok("http://***@h/"));
        check("http://[::1]:8000/a", Ok("http://[::1]:8000/a"));
        check("ftp://h/", Err("http:// or https://"));
        check("u:hunter2@h/", Err("http:// or https://"));
        check("", Err("http:// or https://"));
        check("http://", Err("no host"));
        check("http://u:p@/x", Err("no host"));
        check("http://h:0/", Err("port"));
        check("http://h:99999/", Err("port"));
        check("http://u:hunter2/3@h/", Err("port"));
        check("http://[::1", Err("["));
        check("http://a b/", Err("blank"));
        check("http://h/a\nb", Err("blank"));
    }

    #[test]
    fn where_to_push() {
        let of = |text: &str| PushUrl::parse(text).map(|url| (url.of("mic 1"), url.to_string()));
        let want = ("http://source:pw@h:8000/mic-mic-1.opus".to_owned(), "http://***@h:8000/mic-{source}.opus".to_owned());
        assert_eq!(of("icecast://source:pw@h:8000/mic-{source}.opus"), Ok(want));
        assert!(of("https://h/a").is_ok_and(|(url, _)| url == "https://h/a"));
        for text in ["h:8000/a", "ftp://h/a", "icecast://h", "icecast://h/", "http://h/a?b", "icecast:///a"] {
            assert!(of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn brokers() {
        let parts = |text: &str| MqttUrl::parse(text).map(|url| url.parts());
        let account = Some(("u".to_owned(), "p:q".to_owned()));
        assert_eq!(parts("mqtt://u:p:q@h:1884"), Ok(("h".into(), 1_884, account)));
        assert_eq!(parts("MQTT://h/"), Ok(("h".into(), 1_883, None)));
        assert_eq!(parts("mqtt://[::1]"), Ok(("::1".into(), 1_883, None)));
        for text in ["h", "http://h", "mqtt://", "mqtt://h/a", "mqtt://h:0", "mqtts://h"] {
            assert!(MqttUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn user_information_is_masked_in_anything() {
        assert_eq!(masked("http://u:a/b@h/x"), "http://***@h/x");
        assert_eq!(masked("u:p@h"), "***@h");
        assert_eq!(host_of("https://hc-ping.com/secret"), "https://hc-ping.com/***");
        assert_eq!(host_of("https://u:p@h?token=x"), "https://***@h/***");
        assert_eq!((host_of("https://h/"), host_of("")), ("https://h/".into(), String::new()));
        assert_eq!(masked("http://h/x"), "http://h/x");
        assert_eq!(format!("{:?}", StreamUrl::parse("http://u:p@h/")), "Ok(StreamUrl(http://***@h/))");
    }
}
