//! What an Icecast says, in the forms that players, sources and statistics know (Icecast 2.4): the heads of both sides, its
//! status as JSON, its administration as XML. Which mounts there are is known to [`Relay`](crate::message::relay).

use std::fmt::Write;

use super::head::{Length, RequestHead};
use super::json::Json;
use crate::format::civil::{Civil, utc_text};
use crate::message::mount::Seat;
use crate::message::relay::About;
use crate::time::{Mono, SECOND_NS, Wall};

/// Bytes of sound between two titles.
pub const TITLES_EVERY: u32 = 16_000;
/// Of a text that a source says.
const MAX_TEXT: usize = 512;
/// As Icecast calls its realm, and some sources expect it.
pub const CHALLENGE: &str = "Basic realm=\"Icecast2 Server\"";
const SERVER: &str = concat!("soundpost ", env!("CARGO_PKG_VERSION"));

/// A mount as it is told of.
#[derive(Clone, Debug)]
pub struct Row {
    pub path: String,
    pub about: About,
    pub title: String,
    pub listeners: usize,
    pub peak: usize,
    pub bytes_read: u64,
}

/// What is asked of the administration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    Stats,
    ListMounts,
    ListClients { mount: String },
    KillClient { mount: String, id: u64 },
    KillSource { mount: String },
    Metadata { mount: String, title: String },
}

/// What a source says of its stream in the head of its request.
pub fn about(head: &RequestHead, peer: &str, began: Wall, since: Mono) -> About {
    let text = |names: &[&str]| {
        let value = names.iter().find_map(|name| head.line(name)).unwrap_or_default();
        value.chars().take(MAX_TEXT).collect::<String>()
    };
    About {
        media: text(&["content-type"]).split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
        name: text(&["ice-name", "icy-name"]),
        description: text(&["ice-description"]),
        genre: text(&["ice-genre", "icy-genre"]),
        url: text(&["ice-url", "icy-url"]),
        bitrate: text(&["ice-bitrate", "icy-br"]),
        audio_info: text(&["ice-audio-info"]),
        is_public: matches!(text(&["ice-public", "icy-pub"]).as_str(), "1"),
        peer: peer.to_owned(),
        agent: text(&["user-agent"]),
        began,
        since,
    }
}

/// A source means by such a length that it will never end.
const ENDLESS: u64 = 1 << 40;

/// Whether a source's request has an end, where its answer is due, as that of every request.
pub fn has_end(head: &RequestHead) -> bool {
    match head.body {
        Length::Chunked => true,
        Length::Bytes(bytes) => bytes < ENDLESS,
        Length::Unsaid => false,
    }
}

/// What a source hears before it sends: some wait for it, and the rest pass it over.
pub fn welcome(head: &RequestHead) -> &'static [u8] {
    if head.line("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        b"HTTP/1.1 100 Continue\r\n\r\n"
    } else if head.is_modern && has_end(head) {
        b""
    } else {
        b"HTTP/1.0 200 OK\r\n\r\n"
    }
}

/// Sound in frames without headers, between which titles may stand.
pub fn has_titles(media: &str) -> bool {
    matches!(media, "audio/mpeg" | "audio/mp3" | "audio/aac" | "audio/aacp" | "audio/x-aac")
}

/// The lines about a stream that listeners are sent.
pub fn lines(about: &About, titles_every: Option<u32>) -> Vec<(&'static str, String)> {
    let lines = [
        ("icy-name", &about.name),
        ("icy-description", &about.description),
        ("icy-genre", &about.genre),
        ("icy-url", &about.url),
        ("icy-br", &about.bitrate),
        ("ice-audio-info", &about.audio_info),
    ];
    // A head is ASCII: other letters are in the statistics.
    let said =
        lines.into_iter().filter(|(_, value)| !value.is_empty() && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
    let mut lines: Vec<_> = said.map(|(name, value)| (name, value.clone())).collect();
    lines.push(("icy-pub", u8::from(about.is_public).to_string()));
    lines.extend(titles_every.map(|every| ("icy-metaint", every.to_string())));
    lines
}

/// `/status-json.xsl`. One mount is an object, several are a list: so it is there.
pub fn status_json(rows: &[Row], host: &str, began: Wall) -> String {
    let source = |row: &Row| {
        let About { media, name, description, genre, url, bitrate, audio_info, began, .. } = &row.about;
        let mut json = Json::object();
        for (key, value) in [("audio_info", audio_info), ("genre", genre), ("server_url", url)] {
            if !value.is_empty() {
                json = json.text(key, value);
            }
        }
        if let Ok(kilobits) = bitrate.parse::<u32>() {
            json = json.raw("bitrate", kilobits);
        }
        json.raw("listener_peak", row.peak)
            .raw("listeners", row.listeners)
            .text("listenurl", &format!("http://{host}{}", row.path))
            .text("server_description", description)
            .text("server_name", name)
            .text("server_type", media)
            .text("stream_start", &stamp(*began))
            .text("stream_start_iso8601", &iso(*began))
            .text("title", &row.title)
            .raw("dummy", "null")
            .end()
    };
    let each: Vec<String> = rows.iter().map(source).collect();
    let mut stats = Json::object()
        .text("admin", "icemaster@localhost")
        .text("host", host.split(':').next().unwrap_or_default())
        .text("location", "Earth")
        .text("server_id", SERVER)
        .text("server_start", &stamp(began))
        .text("server_start_iso8601", &iso(began));
    stats = match each.as_slice() {
        [] => stats,
        [one] => stats.raw("source", one),
        _ => stats.raw("source", format!("[{}]", each.join(","))),
    };
    Json::object().raw("icestats", stats.raw("dummy", "null").end()).end()
}

/// `/admin/stats`.
pub fn stats_xml(rows: &[Row], host: &str, began: Wall, sources: u64, listeners: u64) -> String {
    let mut xml = Xml::new("icestats");
    xml.leaf("admin", "icemaster@localhost").leaf("host", host.split(':').next().unwrap_or_default());
    xml.leaf("listener_connections", listeners).leaf("listeners", rows.iter().map(|row| row.listeners).sum::<usize>());
    xml.leaf("server_id", SERVER).leaf("server_start", stamp(began)).leaf("server_start_iso8601", iso(began));
    xml.leaf("source_total_connections", sources).leaf("sources", rows.len());
    for row in rows {
        let about = &row.about;
        xml.open("source", &[("mount", &row.path)]);
        xml.leaf("audio_info", &about.audio_info).leaf("bitrate", &about.bitrate).leaf("genre", &about.genre);
        xml.leaf("listener_peak", row.peak).leaf("listeners", row.listeners);
        xml.leaf("listenurl", format!("http://{host}{}", row.path)).leaf("public", u8::from(about.is_public));
        xml.leaf("server_description", &about.description).leaf("server_name", &about.name).leaf("server_type", &about.media);
        xml.leaf("source_ip", &about.peer).leaf("stream_start", stamp(about.began)).leaf("title", &row.title);
        xml.leaf("stream_start_iso8601", iso(about.began)).leaf("total_bytes_read", row.bytes_read);
        xml.leaf("user_agent", &about.agent);
        xml.close("source");
    }
    xml.end()
}

/// `/admin/listmounts`.
pub fn mounts_xml(rows: &[Row], now: Mono) -> String {
    let mut xml = Xml::new("icestats");
    for row in rows {
        xml.open("source", &[("mount", &row.path)]);
        xml.leaf("listeners", row.listeners)
            .leaf("Connected", seconds(row.about.since, now))
            .leaf("content-type", &row.about.media);
        xml.close("source");
    }
    xml.end()
}

/// `/admin/listclients`.
pub fn clients_xml(path: &str, seats: &[std::sync::Arc<Seat>], now: Mono) -> String {
    let mut xml = Xml::new("icestats");
    xml.open("source", &[("mount", path)]).leaf("listeners", seats.len());
    for seat in seats {
        let client = &seat.client;
        xml.open("listener", &[("id", &seat.id.to_string())]);
        xml.leaf("ID", seat.id).leaf("IP", &client.peer).leaf("UserAgent", &client.agent);
        xml.leaf("lag", seat.lag.load(std::sync::atomic::Ordering::Relaxed)).leaf("Connected", seconds(client.since, now));
        xml.close("listener");
    }
    xml.close("source").end()
}

/// Whether what was asked for has been done, and a sentence.
pub fn response_xml(is_done: bool, message: &str) -> String {
    let mut xml = Xml::new("iceresponse");
    xml.leaf("message", message).leaf("return", u8::from(is_done));
    xml.end()
}

fn seconds(since: Mono, now: Mono) -> i64 {
    now.0.saturating_sub(since.0) / SECOND_NS
}

/// As in a mail.
fn stamp(at: Wall) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let civil = Civil::at(at, 0);
    let (h, m, s) = civil.hour_minute_second();
    let day = DAYS[at.0.div_euclid(86_400 * SECOND_NS).rem_euclid(7) as usize]; // 1970 began on a Thursday
    let month = MONTHS.get(civil.month as usize - 1).unwrap_or(&"Jan");
    format!("{day}, {:02} {month} {:04} {h:02}:{m:02}:{s:02} +0000", civil.day, civil.year)
}

fn iso(at: Wall) -> String {
    let text = utc_text(at);
    format!("{}+0000", text.split(['.', 'Z']).next().unwrap_or_default())
}

struct Xml {
    text: String,
    root: &'static str,
}

impl Xml {
    fn new(root: &'static str) -> Xml {
        Xml { text: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}>"), root }
    }

    fn leaf(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Xml {
        let value = escaped(&value.to_string());
        let _ = write!(self.text, "<{name}>{value}</{name}>"); // writing to a string does not fail
        self
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Xml {
        let _ = write!(self.text, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"{}\"", escaped(value));
        }
        self.text.push('>');
        self
    }

    fn close(&mut self, name: &str) -> &mut Xml {
        let _ = write!(self.text, "</{name}>");
        self
    }

    fn end(&mut self) -> String {
        let _ = writeln!(self.text, "</{}>", self.root);
        std::mem::take(&mut self.text)
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::head::parse;

    fn head(text: &str) -> RequestHead {
        parse(text.as_bytes()).expect("good").expect("whole")
    }

    fn row(path: &str) -> Row {
        let text = "SOURCE /a ICE/1.0\r\nContent-Type: Audio/MPEG; q=1\r\nice-name: Wood & \u{e4}\r\nice-bitrate: 96\r\n\r\n";
        let about = about(&head(text), "10.0.0.7", Wall(1_700_000_000 * SECOND_NS), Mono(0));
        Row { path: path.into(), about, title: "a \"wren\"".into(), listeners: 2, peak: 3, bytes_read: 7 }
    }

    #[test]
    fn sources_are_welcomed_as_they_expect_it() {
        for (text, want) in [
            ("PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 100"),
            ("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
            ("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000000000000000\r\n\r\n", "HTTP/1.0 200"),
            ("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", ""),
            ("PUT /a HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.0 200"),
            ("SOURCE /a HTTP/1.0\r\n\r\n", "HTTP/1.0 200"),
            ("SOURCE /a ICE/1.0\r\n\r\n", "HTTP/1.0 200"),
        ] {
            let said = String::from_utf8(welcome(&head(text)).to_vec()).expect("text");
            assert!(said.starts_with(want) && said.is_empty() == want.is_empty(), "{text}: {said}");
        }
    }

    #[test]
    fn status_has_icecasts_form() {
        let json =
            |rows: &[Row]| -> serde_json::Value { serde_json::from_str(&status_json(rows, "box:8000", Wall(0))).expect("JSON") };
        let none = json(&[]);
        assert!(none["icestats"]["source"].is_null() && none["icestats"]["host"] == "box");
        let one = &json(&[row("/a")])["icestats"]["source"];
        assert_eq!((&one["server_name"], &one["bitrate"], &one["listeners"]), (&"Wood & \u{e4}".into(), &96.into(), &2.into()));
        assert_eq!((&one["listenurl"], &one["server_type"]), (&"http://box:8000/a".into(), &"audio/mpeg".into()));
        assert_eq!(one["stream_start"], "Tue, 14 Nov 2023 22:13:20 +0000");
        assert_eq!(one["stream_start_iso8601"], "2023-11-14T22:13:20+0000");
        assert_eq!(json(&[row("/a"), row("/b")])["icestats"]["source"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn what_is_said_is_escaped() {
        let xml = stats_xml(&[row("/<a>")], "box", Wall(0), 1, 2);
        assert!(xml.contains("<source mount=\"/&lt;a&gt;\">") && xml.contains("<server_name>Wood &amp; \u{e4}</server_name>"));
        assert!(xml.contains("<title>a &quot;wren&quot;</title>") && xml.ends_with("</icestats>\n"));
        let lines = lines(&row("/a").about, Some(TITLES_EVERY));
        assert!(!lines.iter().any(|(name, _)| *name == "icy-name"), "a head is ASCII");
        assert!(lines.contains(&("icy-br", "96".into())) && lines.contains(&("icy-metaint", "16000".into())));
    }
}
