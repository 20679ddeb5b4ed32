//! The recorder as an Icecast: real sources feed its mounts, real players listen, and the tools of each codec judge what they hear.

mod common;
#[path = "common/icecast.rs"]
mod icecast;
#[path = "common/relay.rs"]
mod relay;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use common::{Place, Recorder, soundpost, tool};
use icecast::{Process, free_port};
use relay::{LIVE, PATIENCE, Relay, is_tone};

#[test]
fn a_source_is_heard_live_as_opus() {
    let relay = Relay::start("");
    assert!(is_tone(&relay.heard("/live/tone.opus"), 1_000.0));
    let file = relay.place.path("live.opus");
    let curl = ["-s", "-m", "3", "-o", file.to_str().expect("plain"), &relay.url("/live/tone.opus")];
    let _ = Command::new("curl").args(curl).status().expect("curl"); // it ends in the middle
    // The last page is cut off, which opusinfo tells by its status.
    let info = Command::new("opusinfo").arg(&file).output().expect("opusinfo");
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    // Three seconds, and as much from before as whoever joins is given while another one still listens.
    let is_long = (2..=5).any(|seconds| info.contains(&format!("Playback length: 0m:0{seconds}")));
    assert!(info.contains("TITLE=tone") && is_long, "{info}");
}

#[test]
fn everything_that_can_be_fed_is_heard() {
    let relay = Relay::start(LIVE);
    let codings: [(&str, &[&str]); 5] = [
        ("/a.opus", &["-c:a", "libopus", "-b:a", "64k", "-f", "ogg", "-content_type", "audio/ogg"]),
        ("/a.ogg", &["-c:a", "libvorbis", "-f", "ogg", "-content_type", "application/ogg"]),
        ("/a.flac", &["-c:a", "flac", "-f", "ogg", "-content_type", "application/ogg"]),
        ("/a.mp3", &["-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3", "-content_type", "audio/mpeg"]),
        ("/a.aac", &["-c:a", "aac", "-f", "adts", "-content_type", "audio/aac"]),
    ];
    let _feeds: Vec<Process> = codings
        .iter()
        .map(|(mount, coding)| {
            // Both of its ways: PUT with Expect, and the old SOURCE.
            let old: &[&str] = if *mount == "/a.mp3" { &["-legacy_icecast", "1"] } else { &[] };
            relay.feed(mount, &[&["-ice_name", "Wood", "-ice_genre", "birds"], old].concat(), coding)
        })
        .collect();
    for (mount, _) in codings {
        relay.wait_for(mount);
        assert!(is_tone(&relay.heard(mount), 440.0), "{mount}");
    }
    let (_, json) = relay.ask("/status-json.xsl", None);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let sources = json["icestats"]["source"].as_array().expect("several");
    let mp3 = sources.iter().find(|source| source["listenurl"].as_str().is_some_and(|url| url.ends_with("/a.mp3")));
    assert_eq!(
        mp3.map(|mp3| (&mp3["server_name"], &mp3["genre"], &mp3["server_type"])),
        Some((&"Wood".into(), &"birds".into(), &"audio/mpeg".into()))
    );
}

#[test]
fn curl_feeds_what_opusenc_makes() {
    let relay = Relay::start(LIVE);
    let pipe = format!(
        "ffmpeg -v error -re -f lavfi -i sine=frequency=440:sample_rate=48000 -f wav - | opusenc --quiet --max-delay 100 - - | \
         curl -s -u source:feed -T - -H 'Content-Type: audio/ogg' {}",
        relay.url("/pipe.opus")
    );
    let mut shell = Command::new("setsid");
    let _feed = Group(shell.args(["sh", "-c", &pipe]).stdin(Stdio::null()).spawn().expect("a shell"));
    relay.wait_for("/pipe.opus");
    assert!(is_tone(&relay.heard("/pipe.opus"), 440.0));
}

/// A shell with its children, of a session of their own.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn titles_reach_those_who_ask_for_them() {
    let relay = Relay::start(LIVE);
    let _feed = relay.feed("/a.mp3", &[], &["-c:a", "libmp3lame", "-b:a", "256k", "-f", "mp3", "-content_type", "audio/mpeg"]);
    relay.wait_for("/a.mp3");
    let path = "/admin/metadata?mount=/a.mp3&mode=updinfo&song=A%20wren";
    assert_eq!(relay.ask(path, Some("source:wrong")).0, 401);
    let (status, said) = relay.ask(path, Some("source:feed"));
    assert!(status == 200 && said.contains("<return>1</return>"), "{status} {said}");
    let mut socket = TcpStream::connect(("127.0.0.1", relay.port)).expect("the relay");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    write!(socket, "GET /a.mp3 HTTP/1.0\r\nIcy-MetaData: 1\r\n\r\n").expect("asked");
    let mut heard = Vec::new();
    let mut piece = [0; 4_096];
    while !String::from_utf8_lossy(&heard).contains("StreamTitle='A wren';") {
        let read = socket.read(&mut piece).expect("sound");
        assert!(read > 0 && heard.len() < 200_000, "{}", String::from_utf8_lossy(&heard[..500]));
        heard.extend_from_slice(&piece[..read]);
    }
    let head = String::from_utf8_lossy(&heard).split("\r\n\r\n").next().expect("a head").to_lowercase();
    assert!(head.contains("icy-metaint: 16000") && head.contains("content-type: audio/mpeg"), "{head}");
    assert!(relay.ask("/status-json.xsl", None).1.contains("\"title\":\"A wren\""));
    // ffmpeg takes the titles out again.
    assert!(is_tone(&relay.heard("/a.mp3"), 440.0));
}

#[test]
fn who_looks_after_it_sees_and_ends_what_there_is() {
    let relay = Relay::start(&format!("{LIVE}mounts = /mic-*.opus\nmax_sources = 1\n"));
    let coding = ["-c:a", "libopus", "-f", "ogg", "-content_type", "audio/ogg"];
    let mut feed = relay.feed("/mic-1.opus", &[], &coding);
    relay.wait_for("/mic-1.opus");
    // A path that is none of its mounts, one source too many, and the mount of another.
    for (mount, status) in
        [("/other.opus", "403"), ("/mic-2.opus", "503"), ("/mic-1.opus", "403"), ("/api/x", "401"), ("/live/x.opus", "405")]
    {
        let put = [
            "-s",
            "-m",
            "20",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-u",
            "source:feed",
            "-X",
            "PUT",
            "-d",
            "x",
            &relay.url(mount),
        ];
        let said = tool("curl", &put);
        assert!(said == status || mount == "/api/x", "{mount}: {said}");
    }
    let mut listener = TcpStream::connect(("127.0.0.1", relay.port)).expect("the relay");
    listener.set_read_timeout(Some(PATIENCE)).expect("set");
    write!(listener, "GET /mic-1.opus HTTP/1.1\r\nHost: localhost\r\nUser-Agent: wren\r\n\r\n").expect("asked");
    assert_eq!(relay.ask("/admin/stats", Some("admin:wrong")).0, 401);
    let (mut heard, mut piece) = (Vec::new(), [0; 4_096]);
    while !heard.windows(8).any(|w| w == b"OpusHead") {
        let read = listener.read(&mut piece).expect("sound");
        assert!(read > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&piece[..read]);
    }
    relay.wait_until("one listener", || {
        let (_, xml) = relay.ask("/admin/listclients?mount=/mic-1.opus", Some("admin:boss"));
        xml.contains("<UserAgent>wren</UserAgent>") && xml.contains("<IP>127.0.0.1</IP>")
    });
    let (_, xml) = relay.ask("/admin/listclients?mount=/mic-1.opus", Some("admin:boss"));
    let id = xml.split("<ID>").nth(1).and_then(|rest| rest.split('<').next()).expect("a number");
    let (_, said) = relay.ask(&format!("/admin/killclient?mount=/mic-1.opus&id={id}"), Some("admin:boss"));
    assert!(said.contains("<return>1</return>"), "{said}");
    listener.read_to_end(&mut heard).expect("its end");
    assert!(relay.ask("/admin/stats", Some("admin:boss")).1.contains("<source mount=\"/mic-1.opus\">"));
    assert_eq!(relay.ask("/admin/killsource?mount=/mic-1.opus", Some("admin:boss")).0, 200);
    relay.wait_until("no source", || relay.ask("/mic-1.opus", None).0 == 404);
    let _ = feed.0.wait();
}

#[test]
fn the_fallback_sounds_until_the_source_comes_back() {
    let relay = Relay::start(&format!("{LIVE}fallback_mount = /fill.opus\n"));
    let coding = ["-c:a", "libopus", "-page_duration", "100000", "-f", "ogg", "-content_type", "audio/ogg"];
    let _fill = relay.feed("/fill.opus", &[], &coding);
    relay.wait_for("/fill.opus");
    let feed = relay.feed("/mic.opus", &[], &coding);
    relay.wait_for("/mic.opus");
    let file = relay.place.path("chain.opus");
    let mut curl = Command::new("curl");
    let mut listener = Process(curl.args(["-s", "-N", "-o"]).arg(&file).arg(relay.url("/mic.opus")).spawn().expect("curl"));
    let streams = || fs::read(&file).unwrap_or_default().windows(8).filter(|w| w == b"OpusHead").count();
    relay.wait_until("its own stream", || streams() == 1);
    drop(feed);
    relay.wait_until("the fallback", || streams() == 2);
    let _feed = relay.feed("/mic.opus", &[], &coding);
    relay.wait_until("its own stream again", || streams() == 3);
    assert!(listener.0.try_wait().expect("a child").is_none(), "it hears on");
}

#[test]
fn nobody_feeds_or_listens_without_the_password() {
    let closed = Relay::start("");
    let put = |relay: &Relay, user: &str| {
        tool(
            "curl",
            &["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "-u", user, "-T", "Cargo.toml", &relay.url("/a.opus")],
        )
    };
    assert_eq!(put(&closed, "source:feed"), "403", "no password, no relay");
    assert_eq!(closed.ask("/admin/stats", Some("admin:")).0, 403);
    drop(closed);
    let relay = Relay::start(&format!("{LIVE}listen_password = hear\nmax_listeners_per_mount = 1\n"));
    assert_eq!(put(&relay, "source:wrong"), "401");
    // Text is no sound.
    assert_eq!(put(&relay, "source:feed"), "422");
    assert_eq!(relay.ask("/live/tone.opus", None).0, 401);
    assert_eq!(relay.ask("/live/tone.opus", Some("me:wrong")).0, 401);
    let url = format!("http://me:hear@127.0.0.1:{}/live/tone.opus", relay.port);
    let mut curl = Command::new("curl");
    let _first = Process(curl.args(["-s", "-o", "/dev/null", &url]).spawn().expect("curl"));
    relay.wait_until("the first listener", || {
        relay.ask("/admin/stats", Some("admin:boss")).1.contains("<listeners>1</listeners>")
    });
    assert_eq!(relay.ask("/live/tone.opus", Some("me:hear")).0, 503, "there is room for one");
    assert!(!relay.recorder.log.join("\n").contains("hear@"), "no password in a log");
}

/// What a source sends that says nothing more.
#[test]
fn a_silent_source_is_gone_after_a_while() {
    let mut relay = Relay::start(&format!("{LIVE}source_timeout_seconds = 1\n"));
    let mut socket = TcpStream::connect(("127.0.0.1", relay.port)).expect("the relay");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    // source:feed
    write!(socket, "SOURCE /old.mp3 ICE/1.0\r\nAuthorization: Basic c291cmNlOmZlZWQ=\r\nContent-Type: audio/mpeg\r\n\r\n")
        .expect("asked");
    let mut said = String::new();
    socket.read_to_string(&mut said).expect("its end");
    assert!(said.starts_with("HTTP/1.0 200 OK\r\n"), "{said}");
    relay.recorder.wait_for("/old.mp3: its source says nothing more", PATIENCE);
    assert_eq!(relay.ask("/old.mp3", None).0, 404);
}

#[test]
fn a_recorder_records_the_mount_of_another() {
    let relay = Relay::start(LIVE);
    let other = Place::new();
    let url = relay.url("/live/tone.opus");
    let config = other.config("split_minutes = 60\n", &format!("[web]\nenabled = no\n[radio]\ntype = stream\nurl = {url}\n"));
    let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(config));
    recorder.wait_for("recording opus, 48000 Hz, 1 channels", PATIENCE);
    thread::sleep(Duration::from_secs(3)); // of sound
    recorder.signal("TERM");
    assert!(recorder.wait(PATIENCE).success(), "{}", recorder.log.join("\n"));
    let files: Vec<PathBuf> = common::recordings(&other.recordings());
    assert_eq!(files.len(), 1, "{files:?}");
    let out: Output =
        Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&files[0]).args(["-f", "null", "-"]).output().expect("ffmpeg");
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    tool("opusinfo", &[files[0].to_str().expect("plain")]);
}

#[test]
fn a_station_is_heard_while_it_is_recorded() {
    let relay = Relay::start(LIVE);
    let codings: [(&str, &str, &[&str]); 3] = [
        ("/a.mp3", "mp3", &["-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3", "-content_type", "audio/mpeg"]),
        ("/a.ogg", "ogg", &["-c:a", "libvorbis", "-page_duration", "200000", "-f", "ogg", "-content_type", "application/ogg"]),
        ("/a.opus", "opus", &["-c:a", "libopus", "-page_duration", "200000", "-f", "ogg", "-content_type", "audio/ogg"]),
    ];
    let _feeds: Vec<Process> = codings.iter().map(|(mount, _, coding)| relay.feed(mount, &[], coding)).collect();
    codings.iter().for_each(|(mount, ..)| relay.wait_for(mount));
    let (place, port) = (Place::new(), free_port());
    let sections: String =
        codings.iter().map(|(mount, name, _)| format!("[{name}]\ntype = stream\nurl = {}\n", relay.url(mount))).collect();
    let config = place.config("", &format!("[web]\nbind = 127.0.0.1\nport = {port}\n{sections}"));
    let mut recorder = Recorder::spawn(soundpost().args(["record", "-c"]).arg(config));
    for (_, name, _) in codings {
        recorder.wait_for(&format!("[{name}] recording"), PATIENCE);
    }
    let mut other = Relay { place, recorder, port };
    for (_, name, _) in codings {
        assert!(is_tone(&other.heard(&format!("/live/{name}.{name}")), 440.0), "{name}");
    }
    assert_eq!(other.ask("/live/mp3.ogg", None).0, 404);
    assert!(other.ask("/status-json.xsl", None).1.contains("/live/mp3.mp3"));
    other.recorder.signal("TERM");
    assert!(other.recorder.wait(PATIENCE).success(), "{}", other.recorder.log.join("\n"));
    tool(env!("CARGO_BIN_EXE_soundpost"), &["verify", other.place.recordings().to_str().expect("plain")]);
}
