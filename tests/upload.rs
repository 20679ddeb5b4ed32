//! Uploads beside a recorder, as a user has them: a configuration, servers of others' making, and a card from which the power is
//! taken in the middle of a file.

mod common;
mod upload_rig;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use common::{Place, Recorder, free_port, noise, recordings, soundpost};
use serde_json::Value;
use upload_rig::line::{Fault, Line};
use upload_rig::{S3Server, files, nginx, rclone};

const PATIENCE: Duration = Duration::from_secs(90);

fn get(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
}

/// The row of a target in the status.
fn target(port: u16, name: &str) -> Option<Value> {
    get(port, "/api/status")?["uploads"].as_array()?.iter().find(|row| row["name"] == name).cloned()
}

/// A recording of so many seconds that comes at once, and a tone that goes on.
fn sources(place: &Place, seconds: usize, format: &str) -> String {
    let raw = place.raw("sound", &noise(7, seconds * 48_000));
    format!(
        "[mic]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\nformat = {format}\nfilename_pattern = mic/%Y%m%d_%H%M%S\n\
         [tone]\ntype = tone\nfilename_pattern = tone/%Y%m%d_%H%M%S\n[site]\nname = Wood 3\n",
        raw.display()
    )
}

fn s3_section(server: &S3Server, port: u16, more: &str) -> String {
    format!(
        "[upload.s3]\ntype = s3\nendpoint = http://127.0.0.1:{port}\nbucket = field\nregion = {}\naccess_key = {}\nsecret_key = ${{S3_SECRET}}\npart_mb = 5\n{more}\n",
        server.region, server.access_key
    )
}

/// Finished recordings of `mic`: SHA-256 by name.
fn recorded(root: &Path) -> BTreeMap<String, String> {
    let all = files(&root.join("mic"));
    all.into_iter().filter(|(name, _)| !name.ends_with(".part")).collect()
}

/// What a target holds of `mic`'s recordings, by their names; every key must be where the layout says.
fn arrived(listing: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of_mic = listing.iter().filter(|(key, _)| key.starts_with("site=Wood 3/source=mic/date="));
    let name = |key: &String| key.rsplit('/').next().expect("a name").to_owned();
    of_mic
        .map(|(key, sum)| (name(key), sum.clone()))
        .filter(|(name, _)| name.ends_with(".wav") || name.ends_with(".flac"))
        .collect()
}

fn ledger(root: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root.join("uploads.csv")).expect("a ledger");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("uploaded,target,file,key,bytes,checksum"));
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// How many recordings the catalogue counts as uploaded.
fn uploaded(root: &Path) -> i64 {
    let db = rusqlite::Connection::open(root.join("catalogue.db")).expect("a catalogue");
    db.query_row("SELECT count(*) FROM files WHERE uploaded_at IS NOT NULL", [], |row| row.get(0)).expect("a number")
}

fn record(config: &Path, server: &S3Server) -> Recorder {
    let mut command = soundpost();
    Recorder::spawn(command.arg("record").arg("-c").arg(config).env("S3_SECRET", &server.secret_key))
}

#[test]
fn the_power_goes_in_the_middle_of_a_long_file() {
    let (server, place, port) = (S3Server::start(), Place::new(), free_port());
    let web = format!("[web]\nport = {port}\nbind = 127.0.0.1\n");
    let slow = s3_section(&server, server.port(), "upload_rate = 24000");
    let config = place.config("split_minutes = 1440\n", &(web.clone() + &sources(&place, 250, "wav") + &slow));
    let mut recorder = record(&config, &server);
    // 24 MB in parts of 5 MiB, at 3 MB/s.
    recorder.wait_until("the third part", PATIENCE, || {
        target(port, "upload.s3").is_some_and(|row| row["part"] == 3 && row["sent_bytes"].as_u64() > Some(11 << 20))
    });
    recorder.kill();
    assert_eq!((server.unfinished(), arrived(&server.listing()).len()), (1, 0));

    let fast = s3_section(&server, server.port(), "");
    let config =
        place.config("split_minutes = 1440\n", &(web + &sources(&place, 1, "wav").replace("sound.raw", "none.raw") + &fast));
    let mut recorder = record(&config, &server);
    let root = place.recordings();
    let events = follow(port);
    recorder
        .wait_until("all is there", PATIENCE, || arrived(&server.listing()) == recorded(&root) && !recorded(&root).is_empty());
    recorder.wait_until("the list of the day", PATIENCE, || server.listing().keys().any(|key| key.ends_with("events.jsonl")));
    let row = target(port, "upload.s3").expect("a row");
    // What the tone had recorded until the kill goes as well.
    let bytes = |path: &PathBuf| fs::metadata(path).map_or(0, |of| of.len());
    let all: u64 = recordings(&root).iter().map(bytes).sum();
    assert!(row["sent_bytes"].as_u64() < Some(all - (8 << 20)), "two parts of five were there: {row}, {all} bytes");
    assert_eq!((&row["trouble"], server.unfinished()), (&Value::Null, 0));

    let name = recorded(&root).into_keys().next().expect("one");
    let sidecar = common::sidecar(&root, &root.join("mic").join(&name));
    let copy = &sidecar["uploads"]["upload.s3"];
    let key = copy["key"].as_str().expect("a key");
    assert!(
        server.listing().contains_key(key) && copy["checksum"].as_str().is_some_and(|sum| sum.starts_with("sha256:")),
        "{copy}"
    );
    let listing = server.listing();
    for ending in [".analysis.json", ".profile"] {
        assert!(listing.contains_key(&format!("{key}{ending}")), "{ending} goes along: {listing:?}");
    }
    let lines: Vec<_> = ledger(&root).into_iter().filter(|line| line[2] == format!("mic/{name}")).collect();
    assert_eq!((lines.len(), lines[0][1].as_str(), lines[0][3].as_str()), (1, "upload.s3", key));
    assert!(uploaded(&root) >= 1);
    let heard = events.join().expect("no panic");
    assert_eq!((&heard["target"], &heard["name"]), (&"upload.s3".into(), &format!("mic/{name}").into()));
    recorder.signal("TERM");
    assert!(recorder.wait(PATIENCE).success());
    assert!(!recorder.log.join("\n").contains(&server.secret_key), "no secret in the log");
}

/// The first event of a recording of `mic` that is uploaded, as a browser hears it.
fn follow(port: u16) -> thread::JoinHandle<Value> {
    thread::spawn(move || {
        let until = Instant::now() + PATIENCE;
        loop {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
                assert!(Instant::now() < until, "no page");
                thread::sleep(Duration::from_millis(50));
                continue;
            };
            stream.set_read_timeout(Some(PATIENCE)).expect("set");
            write!(stream, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
            let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
            while let Some(line) = lines.next() {
                if line == "event: uploaded" {
                    let data = lines.next().unwrap_or_default();
                    let value: Value = serde_json::from_str(data.trim_start_matches("data: ")).expect("JSON");
                    if value["name"].as_str().is_some_and(|name| name.starts_with("mic/")) {
                        return value;
                    }
                }
            }
        }
    })
}

#[test]
fn several_targets_each_have_everything_once() {
    let (server, place, port) = (S3Server::start(), Place::new(), free_port());
    let (dav, www, stick) = (place.path("dav"), place.path("www"), place.path("stick"));
    fs::create_dir_all(&dav).expect("a folder");
    let (rclone, nginx) = (rclone(&dav), nginx(&www));
    // The way to one of them is bad at first.
    let line = Line::to(rclone.port, [Fault::CutAfter(9_000), Fault::Answer(503, 0), Fault::Flip(20_000)]);
    let sections = format!(
        "[web]\nport = {port}\nbind = 127.0.0.1\n{}{}[upload]\norder = newest\n[upload.dav]\ntype = webdav\nurl = http://127.0.0.1:{}/x\nusername = u\npassword = p\n\
         [upload.www]\ntype = put\nurl = http://127.0.0.1:{}\n[upload.stick]\ntype = folder\nfolder = {}\nmounted = no\n",
        sources(&place, 60, "flac"),
        s3_section(&server, server.port(), ""),
        line.port,
        nginx.port,
        stick.display(),
    );
    // Ten files of six seconds.
    let config = place.config("split_minutes = 0.1\n", &sections);
    let mut recorder = record(&config, &server);
    let root = place.recordings();
    recorder.wait_until("three of four have all", PATIENCE, || {
        let want = recorded(&root);
        want.len() >= 10
            && arrived(&server.listing()) == want
            && arrived(&files(&dav.join("x"))) == want
            && arrived(&files(&www)) == want
    });
    let absent = target(port, "upload.stick").expect("a row");
    assert_eq!((&absent["state"], uploaded(&root)), (&"absent".into(), 0), "one of all has none: {absent}");
    assert_eq!(
        get(port, "/api/status").expect("a status")["alarms"].as_array().map(|alarms| alarms
            .iter()
            .filter(|alarm| alarm["text"].as_str().is_some_and(|text| text.contains("stick")))
            .count()),
        Some(0)
    );

    fs::create_dir(&stick).expect("put in");
    recorder.wait_until("the stick may be pulled", PATIENCE, || {
        arrived(&files(&stick)) == recorded(&root)
            && target(port, "upload.stick")
                .is_some_and(|row| row["note"].as_str().is_some_and(|note| note.contains("safe to pull")))
    });
    recorder.wait_until("all count as uploaded", PATIENCE, || uploaded(&root) >= 10);
    recorder.signal("TERM");
    assert!(recorder.wait(PATIENCE).success());
    let mut lines = ledger(&root);
    lines.retain(|line| line[2].starts_with("mic/"));
    let count = lines.len();
    lines.sort();
    lines.dedup_by(|a, b| a[1..3] == b[1..3]);
    let want = 4 * recorded(&root).len();
    assert_eq!((count, lines.len()), (want, want), "each file once for each target");
    for (key, _) in files(&stick).iter().filter(|(key, _)| key.ends_with("events.jsonl")) {
        let text = fs::read_to_string(stick.join(key)).expect("a list");
        assert!(
            text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|value| value["site"] == "Wood 3")),
            "{text}"
        );
    }
    let drafts = files(&stick).into_keys().chain(files(&dav).into_keys()).filter(|key| key.contains("/."));
    assert_eq!(drafts.collect::<Vec<_>>(), [""; 0], "nothing is left half");
}

#[test]
fn without_a_page_recordings_are_uploaded_all_the_same() {
    let place = Place::new();
    let stick = place.path("stick");
    fs::create_dir(&stick).expect("put in");
    let target = format!("[upload]\ntype = folder\nfolder = {}\nmounted = no\n", stick.display());
    let config = place.config("split_minutes = 0.1\n", &(sources(&place, 20, "flac") + &target));
    let mut recorder = Recorder::start(&config, &[]);
    let root = place.recordings();
    recorder.wait_until("all is there", PATIENCE, || recorded(&root).len() >= 3 && arrived(&files(&stick)) == recorded(&root));
    recorder.signal("TERM");
    assert!(recorder.wait(PATIENCE).success());
}

#[test]
fn a_page_whose_port_is_taken_keeps_nobody_from_uploading() {
    let place = Place::new();
    let stick = place.path("stick");
    fs::create_dir(&stick).expect("put in");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("one").port();
    let sections = format!(
        "{}[web]\nport = {port}\nbind = 127.0.0.1\n[upload]\ntype = folder\nfolder = {}\nmounted = no\n",
        sources(&place, 20, "flac"),
        stick.display()
    );
    let mut recorder = Recorder::start(&place.config("split_minutes = 0.1\n", &sections), &[]);
    recorder.wait_for("no page: ", PATIENCE);
    let root = place.recordings();
    recorder.wait_until("all is there", PATIENCE, || recorded(&root).len() >= 3 && arrived(&files(&stick)) == recorded(&root));
    recorder.signal("TERM");
    assert!(recorder.wait(PATIENCE).success());
}

/// Sources with folders of their own are uploaded like that of the page, whoever keeps them; and so is what has the same name there.
#[test]
fn recordings_of_every_folder_are_uploaded() {
    let (server, place, port) = (S3Server::start(), Place::new(), free_port());
    let (second, third) = (place.path("second"), place.path("third"));
    let raw = place.raw("other", &noise(9, 20 * 48_000));
    let more = |name: &str, folder: &Path| {
        format!(
            "[{name}]\ntype = file\npath = {}\npace = fast\nraw_bits = 16\nsample_rate = 48000\nchannels = 1\nformat = flac\n\
             filename_pattern = mic/%Y%m%d_%H%M%S\noutput_directory = {}\n",
            raw.display(),
            folder.display()
        )
    };
    let sections = format!(
        "[web]\nport = {port}\nbind = 127.0.0.1\n{}{}{}{}",
        sources(&place, 20, "flac"),
        more("pond", &second),
        more("hill", &third),
        s3_section(&server, server.port(), "")
    );
    let mut recorder = record(&place.config("split_minutes = 0.1\n", &sections), &server);
    let of = |listing: &BTreeMap<String, String>, source: &str| -> BTreeMap<String, String> {
        let prefix = format!("site=Wood 3/source={source}/date=");
        let sound = listing.iter().filter(|(key, _)| key.starts_with(&prefix) && key.ends_with(".flac"));
        sound.map(|(key, sum)| (key.rsplit('/').next().expect("a name").to_owned(), sum.clone())).collect()
    };
    let folders = [("mic", place.recordings()), ("pond", second), ("hill", third)];
    recorder.wait_until("all is there", PATIENCE, || {
        let listing = server.listing();
        folders.iter().all(|(source, root)| recorded(root).len() >= 3 && of(&listing, source) == recorded(root))
    });
    for (source, root) in &folders {
        recorder.wait_until("it is entered", PATIENCE, || {
            uploaded(root) >= 3 && ledger(root).iter().filter(|line| line[2].starts_with("mic/")).count() >= 3
        });
        recorder.wait_until("the list of the day", PATIENCE, || {
            let day = format!("source={source}/date=");
            server.listing().keys().any(|key| key.contains(&day) && key.ends_with("events.jsonl"))
        });
        let name = recorded(root).into_keys().next().expect("one");
        let copy = &common::sidecar(root, &root.join("mic").join(&name))["uploads"]["upload.s3"];
        let key = copy["key"].as_str().expect("a key");
        let listing = server.listing();
        assert!([".analysis.json", ".profile"].iter().all(|ending| listing.contains_key(&format!("{key}{ending}"))), "{key}");
    }
    recorder.wait_until("nothing waits", PATIENCE, || {
        target(port, "upload.s3").is_some_and(|row| row["backlog_files"] == 0 && row["uploaded_files"].as_u64() >= Some(9))
    });
    recorder.signal("TERM");
    assert!(recorder.wait(PATIENCE).success());
}

#[test]
fn check_says_what_is_wrong_and_shows_no_secret() {
    let place = Place::new();
    let sections = "[tone]\ntype = tone\n[upload.a]\ntype = s3\nbucket = b\naccess_key = k\nsecret_key = hunter2\n[upload.b]\ntype = webdav\nurl = http://u:hunter2@cloud/x\n[upload.c]\ntype = put\n";
    let config = place.config("", sections);
    let done = soundpost().args(["check", "-c"]).arg(&config).output().expect("it runs");
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    let line =
        |part: &str| fs::read_to_string(&config).expect("there").lines().position(|line| line.contains(part)).expect("there") + 1;
    assert_eq!(done.status.code(), Some(2), "{text}");
    assert!(text.contains(&format!(":{}: [upload.b]", line("cloud"))) || text.contains("in the clear"), "{text}");
    assert!(text.contains("needs url") && text.contains(&format!(":{}", line("[upload.c]"))), "{text}");
    assert!(text.contains("[upload.a]") && text.contains("uploader") && !text.contains("hunter2"), "{text}");
}
