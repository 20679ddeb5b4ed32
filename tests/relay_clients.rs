//! Sources and players that people have, at the relay: ezstream, libshout's own tool and ices2 feed it a file of a tone in a loop,
//! ogg123, mpg123 and mpv hear that tone. (ffmpeg, curl and opusenc: relay.rs.)

mod common;
#[path = "common/icecast.rs"]
mod icecast;
#[path = "common/relay.rs"]
mod relay;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::tool;
use icecast::Process;
use relay::{LIVE, PATIENCE, Relay, is_tone};

/// What each of the files is encoded with.
const VORBIS: &[&str] = &["-c:a", "libvorbis", "-b:a", "96k"];
const OPUS: &[&str] = &["-c:a", "libopus", "-b:a", "64k"];
const MP3: &[&str] = &["-c:a", "libmp3lame", "-b:a", "128k"];

/// A file of 440 Hz, a whole number of periods long, so that its end goes on with its beginning.
fn file(relay: &Relay, name: &str, coding: &[&str]) -> PathBuf {
    let path = relay.place.path(name);
    let tone = ["-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "8"];
    tool("ffmpeg", &[&tone, coding, &["-metadata", "title=A wren", path.to_str().expect("plain")]].concat());
    path
}

/// A player that writes what it hears to [`wav`], and ends by itself.
fn hears(relay: &Relay, player: &str, arguments: &[&str]) -> Vec<i16> {
    let mut command = Command::new(player);
    let said = File::create(relay.place.path("player.log")).expect("made");
    command.args(arguments).stdin(Stdio::null()).stdout(said.try_clone().expect("twice")).stderr(said);
    let mut child = Process(command.spawn().unwrap_or_else(|e| panic!("{player} is not installed ({e}): make setup")));
    let end = ends(&mut child.0, player);
    let said = fs::read_to_string(relay.place.path("player.log")).expect("a log");
    assert!(end, "{player}: {said}");
    let heard = hound::WavReader::open(relay.place.path("player.wav"));
    let reader = heard.unwrap_or_else(|e| panic!("{player}: {e}: {said}"));
    let (channels, rate) = (usize::from(reader.spec().channels), reader.spec().sample_rate);
    assert_eq!(rate, 48_000, "{player}");
    reader.into_samples().step_by(channels).map(|s| s.expect("a sample")).collect()
}

/// Whether it ended well.
fn ends(child: &mut Child, player: &str) -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(end) = child.try_wait().expect("a child") {
            return end.success();
        }
        assert!(Instant::now() < until, "{player} does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn mpv(relay: &Relay, mount: &str, seconds: u32) -> Vec<i16> {
    let (to, url) = (format!("--ao-pcm-file={}", wav(relay).display()), relay.url(mount));
    let length = format!("--length={seconds}");
    let how = ["--no-config", "--no-video", "--no-ytdl", "--ao=pcm", "--audio-format=s16"];
    hears(relay, "mpv", &[&how[..], &[&length, &to, &url]].concat())
}

fn ogg123(relay: &Relay, mount: &str) -> Vec<i16> {
    let (to, url) = (wav(relay), relay.url(mount));
    hears(relay, "ogg123", &["-d", "wav", "-f", to.to_str().expect("plain"), "-K", "2", &url])
}

fn mpg123(relay: &Relay, mount: &str) -> Vec<i16> {
    let (to, url) = (wav(relay), relay.url(mount));
    // 1,152 samples each.
    hears(relay, "mpg123", &["-w", to.to_str().expect("plain"), "-n", "84", &url])
}

/// What a player hears; there is one after the other.
fn wav(relay: &Relay) -> PathBuf {
    let path = relay.place.path("player.wav");
    let _ = fs::remove_file(&path); // there may be none yet
    path
}

/// What a mount's source is said to be.
fn about(relay: &Relay, mount: &str) -> serde_json::Value {
    let (_, json) = relay.ask("/status-json.xsl", None);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let sources = json["icestats"]["source"].as_array().expect("several");
    let is_it = |source: &&serde_json::Value| source["listenurl"].as_str().is_some_and(|url| url.ends_with(mount));
    sources.iter().find(is_it).expect("the mount").clone()
}

fn spawned(relay: &Relay, command: &mut Command) -> Process {
    let said = File::create(relay.place.path("source.log")).expect("made");
    command.stdout(said.try_clone().expect("twice")).stderr(said);
    Process(command.spawn().unwrap_or_else(|e| panic!("{command:?} is not installed ({e}): make setup")))
}

/// It sends a file again and again.
fn ezstream(relay: &Relay, mount: &str, format: &str, file: &Path) -> Process {
    let config = relay.place.path("ezstream.xml");
    let text = format!(
        "<ezstream><servers><server><hostname>127.0.0.1</hostname><port>{}</port><password>feed</password></server></servers>
         <streams><stream><mountpoint>{mount}</mountpoint><format>{format}</format><stream_name>Wood</stream_name>
         <stream_genre>birds</stream_genre></stream></streams>
         <intakes><intake><filename>{}</filename></intake></intakes></ezstream>\n",
        relay.port,
        file.display()
    );
    fs::write(&config, text).expect("written");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("it holds a password");
    spawned(relay, Command::new("ezstream").arg("-v").arg("-c").arg(config).stdin(Stdio::null()))
}

#[test]
fn ezstream_feeds_vorbis_in_a_loop() {
    let relay = Relay::start(LIVE);
    let _feed = ezstream(&relay, "/loop.ogg", "Ogg", &file(&relay, "tone.ogg", VORBIS));
    relay.wait_for("/loop.ogg");
    let source = about(&relay, "/loop.ogg");
    assert_eq!((&source["server_name"], &source["genre"]), (&"Wood".into(), &"birds".into()));
    assert!(is_tone(&ogg123(&relay, "/loop.ogg"), 440.0));
    // Longer than the file: each turn is a stream of its own.
    let heard = mpv(&relay, "/loop.ogg", 12);
    assert!(heard.len() > 11 * 48_000 && is_tone(&heard, 440.0), "{} samples", heard.len());
}

#[test]
fn ezstream_feeds_mp3_with_its_titles() {
    let relay = Relay::start(LIVE);
    let _feed = ezstream(&relay, "/loop.mp3", "MP3", &file(&relay, "tone.mp3", MP3));
    relay.wait_for("/loop.mp3");
    relay.wait_until("its title", || about(&relay, "/loop.mp3")["title"].as_str().is_some_and(|title| title.contains("A wren")));
    assert_eq!(about(&relay, "/loop.mp3")["server_type"], "audio/mpeg");
    assert!(is_tone(&mpg123(&relay, "/loop.mp3"), 440.0));
    let heard = mpv(&relay, "/loop.mp3", 12);
    assert!(heard.len() > 11 * 48_000 && is_tone(&heard, 440.0), "{} samples", heard.len());
}

#[test]
fn libshout_feeds_what_it_is_given() {
    let relay = Relay::start(LIVE);
    // Debian's tool says of MP3 that its library does not support it.
    for (mount, name, coding) in [("/shout.opus", "tone.opus", OPUS), ("/shout.ogg", "tone.ogg", VORBIS)] {
        let port = relay.port.to_string();
        let input = File::open(file(&relay, name, coding)).expect("made");
        let to = ["--format", "ogg", "--host", "127.0.0.1", "--port", &port, "--mount", mount, "--user", "source"];
        let mut shout = Command::new("shout");
        let mut feed = spawned(&relay, shout.args(to).args(["--pass", "feed", "--proto", "http"]).stdin(input));
        relay.wait_for(mount);
        assert!(is_tone(&relay.heard(mount), 440.0), "{mount}");
        let said = || fs::read_to_string(relay.place.path("source.log")).expect("a log");
        assert!(ends(&mut feed.0, "shout"), "{mount}: {}", said());
        relay.wait_until("no source", || relay.ask(mount, None).0 == 404);
    }
}

#[test]
fn ices_feeds_a_playlist() {
    let relay = Relay::start(LIVE);
    let (list, config) = (relay.place.path("list.txt"), relay.place.path("ices.xml"));
    // It does not play the same file twice in a row.
    let files = ["one.ogg", "two.ogg"].map(|name| format!("{}\n", file(&relay, name, VORBIS).display()));
    fs::write(&list, files.concat()).expect("written");
    let text = format!(
        "<ices><background>0</background><logpath>{}</logpath><logfile>ices.log</logfile><consolelog>0</consolelog>
         <stream><metadata><name>Wood</name><genre>birds</genre><description>-</description></metadata>
         <input><module>playlist</module><param name=\"type\">basic</param><param name=\"file\">{}</param></input>
         <instance><hostname>127.0.0.1</hostname><port>{}</port><password>feed</password><mount>/ices.ogg</mount></instance>
         </stream></ices>\n",
        relay.place.folder.path().display(),
        list.display(),
        relay.port
    );
    fs::write(&config, text).expect("written");
    let _feed = spawned(&relay, Command::new("ices2").arg(config).stdin(Stdio::null()));
    relay.wait_for("/ices.ogg");
    for _ in 0..2 {
        assert!(is_tone(&ogg123(&relay, "/ices.ogg"), 440.0));
        assert!(is_tone(&relay.heard("/ices.ogg"), 440.0));
    }
}

#[test]
fn mpv_hears_what_is_recorded() {
    let relay = Relay::start("");
    assert!(is_tone(&mpv(&relay, "/live/tone.opus", 2), 1_000.0));
}
