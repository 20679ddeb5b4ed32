//! A WAV that is sent as FLAC: what arrives is read by the `flac` program, also after the power went in the middle of it, and what
//! FLAC cannot hold arrives as it is.

mod common;
mod upload_rig;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{Place, Recorder, free_port, noise, soundpost};
use serde_json::Value;
use upload_rig::{S3Server, files, sha256};

const PATIENCE: Duration = Duration::from_secs(90);

fn target(port: u16) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET /api/status HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
    status["uploads"].as_array()?.first().cloned()
}

fn config(place: &Place, server: &S3Server, port: u16, input: &str, more: &str) -> PathBuf {
    let sections = format!(
        "[web]\nport = {port}\nbind = 127.0.0.1\n[site]\nname = Wood 3\nlatitude = 51.0\nlongitude = 10.5\n\
         [mic]\ntype = file\npath = {input}\npace = fast\nraw_bits = 24\nsample_rate = 48000\nchannels = 1\nformat = wav\nfilename_pattern = mic/%Y%m%d_%H%M%S\n\
         [tone]\ntype = tone\nfilename_pattern = tone/%Y%m%d_%H%M%S\n\
         [upload]\nconvert = flac\n[upload.s3]\ntype = s3\nendpoint = http://127.0.0.1:{}\nbucket = field\nregion = {}\naccess_key = {}\nsecret_key = ${{S3_SECRET}}\npart_mb = 5\n{more}\n",
        server.port(),
        server.region,
        server.access_key
    );
    place.config("split_minutes = 1440\n", &sections)
}

fn record(config: &Path, server: &S3Server) -> Recorder {
    let mut command = soundpost();
    Recorder::spawn(command.arg("record").arg("-c").arg(config).env("S3_SECRET", &server.secret_key))
}

/// What arrived of one key.
fn fetch(server: &S3Server, key: &str, path: &Path) -> Vec<u8> {
    server.boto(&format!("s3.download_file('field', '{key}', '{}')", path.display()));
    fs::read(path).expect("fetched")
}

fn key_of(server: &S3Server, ending: &str) -> String {
    let listing = server.listing();
    let mut keys = listing.keys().filter(|key| key.ends_with(ending) && key.contains("source=mic"));
    let (key, more) = (keys.next().cloned(), keys.next());
    key.filter(|_| more.is_none()).unwrap_or_else(|| panic!("one {ending}: {listing:?}"))
}

fn flac(args: &[&str], input: &Path, output: &Path) {
    let done = Command::new("flac").args(["-s", "-d", "-f"]).args(args).arg("-o").arg(output).arg(input).output();
    let done = done.expect("flac (apt install flac)");
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_wav_arrives_as_flac_and_the_very_wav_can_be_made_of_it() {
    let (server, place, port) = (S3Server::start(), Place::new(), free_port());
    let raw = place.path("sound.raw");
    // 24 bits, and an odd number of bytes in all.
    let sound: Vec<u8> =
        noise(7, 160 * 48_000 + 1).iter().flat_map(|sample| [0x55].into_iter().chain(sample.to_le_bytes())).collect();
    fs::write(&raw, &sound).expect("written");
    let slow = config(&place, &server, port, &raw.display().to_string(), "upload_rate = 24000");
    let mut recorder = record(&slow, &server);
    recorder.wait_until("the third part", PATIENCE, || {
        target(port).is_some_and(|row| row["part"] == 3 && row["sent_bytes"].as_u64() > Some(11 << 20))
    });
    recorder.kill();
    assert_eq!((server.unfinished(), server.listing().len()), (1, 0));
    let strange = files(&place.recordings()).into_keys().filter(|name| name.contains("flac"));
    assert_eq!(strange.collect::<Vec<_>>(), [""; 0], "nothing of it lies on the disk");

    let fast = config(&place, &server, port, &place.path("none.raw").display().to_string(), "");
    let mut recorder = record(&fast, &server);
    recorder.wait_until("all is there", PATIENCE, || {
        server.listing().keys().any(|key| key.contains("mic") && key.ends_with(".flac.analysis.json"))
    });
    recorder.wait_until("the list of the day", PATIENCE, || {
        server.listing().keys().any(|key| key.contains("mic") && key.ends_with("events.jsonl"))
    });
    let row = target(port).expect("a row");
    assert!(row["sent_bytes"].as_u64() < Some(16 << 20), "two parts of five were there: {row}");
    recorder.signal("TERM");
    assert!(recorder.wait(PATIENCE).success());

    let root = place.recordings();
    let name = files(&root.join("mic")).into_keys().next().expect("one");
    let wav = fs::read(root.join("mic").join(&name)).expect("it stays");
    let key = key_of(&server, ".flac");
    assert!(name.ends_with(".wav") && key.ends_with(&name.replace(".wav", ".flac")), "{name} {key}");
    let (there, back) = (place.path("there.flac"), place.path("back"));
    let sent = fetch(&server, &key, &there);
    flac(&["--keep-foreign-metadata"], &there, &back);
    assert_eq!(sha256(&fs::read(&back).expect("decoded")), sha256(&wav), "every chunk comes back");
    flac(&["--force-raw-format", "--endian=little", "--sign=signed"], &there, &back);
    assert_eq!(sha256(&fs::read(&back).expect("decoded")), sha256(&sound), "every sample");
    let tags = Command::new("metaflac").arg("--export-tags-to=-").arg(&there).output().expect("metaflac (apt install flac)");
    let tags = String::from_utf8_lossy(&tags.stdout).into_owned();
    assert!(
        ["SOURCE=mic", "SITE=Wood 3", "LOC_POSITION=51.000000 10.500000", "START="].iter().all(|tag| tags.contains(tag)),
        "{tags}"
    );

    let beside: Value =
        serde_json::from_slice(&fetch(&server, &format!("{key}.analysis.json"), &place.path("beside"))).expect("JSON");
    assert_eq!(beside["file"], format!("mic/{}", name.replace(".wav", ".flac")));
    assert_eq!(beside["converted"], serde_json::json!({"from": format!("mic/{name}"), "bytes": wav.len()}));
    let here = common::sidecar(&root, &root.join("mic").join(&name));
    let copy = &here["uploads"]["upload.s3"];
    assert_eq!((&here["file"], here.get("converted")), (&format!("mic/{name}").into(), None));
    assert_eq!((&copy["key"], &copy["bytes"], &copy["sent_bytes"]), (&key.clone().into(), &wav.len().into(), &sent.len().into()));
    let events = String::from_utf8(fetch(&server, &key_of(&server, "events.jsonl"), &place.path("events"))).expect("text");
    assert!(events.contains(&format!("\"{}\"", name.replace(".wav", ".flac"))) && !events.contains(".wav"), "{events}");
}

#[test]
fn floats_arrive_as_they_are() {
    let (server, place, port) = (S3Server::start(), Place::new(), free_port());
    let root = place.recordings();
    fs::create_dir_all(root.join("mic")).expect("a folder");
    // What a program of another kind has recorded: 32-bit floats.
    let path = root.join("mic/20260522_050000.wav");
    let made = Command::new("sox")
        .args(["-n", "-r", "48000", "-c", "2", "-b", "32", "-e", "floating-point"])
        .arg(&path)
        .args(["synth", "3", "pinknoise"])
        .status();
    assert!(made.expect("sox (apt install sox)").success());
    let config = config(&place, &server, port, &place.path("none.raw").display().to_string(), "");
    let mut recorder = record(&config, &server);
    recorder.wait_until("it is there", PATIENCE, || server.listing().keys().any(|key| key.ends_with("20260522_050000.wav")));
    let want = sha256(&fs::read(&path).expect("it stays"));
    let listing = server.listing();
    let (key, sum) = listing.iter().find(|(key, _)| key.ends_with("20260522_050000.wav")).expect("there");
    assert_eq!((sum, listing.keys().any(|key| key.contains("20260522_050000.flac"))), (&want, false), "{key}");
    recorder.signal("TERM");
    assert!(recorder.wait(PATIENCE).success());
    assert!(recorder.log.join("\n").contains("sent as it is, not as FLAC"), "{}", recorder.log.join("\n"));
}
