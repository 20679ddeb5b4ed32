//! Alarms are told to a server elsewhere, once when they begin and once when they are over, in the form that its own clients use;
//! a sign of life comes while all is well; and no address is ever in a log.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::lanes::no_boundary;
use common::{Place, Recorder, noise, venv};
use serde_json::Value;

const RATE: usize = 48_000;

/// A request as it came over the wire.
#[derive(Clone, Debug)]
struct Asked {
    first: String,
    head: String,
    body: Vec<u8>,
    at: Instant,
}

impl Asked {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    fn line(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// A server that remembers what it was asked; the status of each answer by its number.
fn server(status: impl Fn(usize) -> u16 + Send + 'static) -> (u16, Receiver<Asked>) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("its port").port();
    let (sender, asked) = channel();
    thread::spawn(move || {
        for (number, stream) in socket.incoming().enumerate() {
            if let Some(one) = stream.ok().and_then(|stream| answer(stream, status(number))) {
                if sender.send(one).is_err() {
                    return;
                }
            }
        }
    });
    (port, asked)
}

fn answer(stream: TcpStream, status: u16) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut head) = (String::new(), String::new());
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut asked = Asked { first: first.trim().into(), head, body: Vec::new(), at: Instant::now() };
    let length = asked.line("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body).ok()?;
    let mut stream = reader.into_inner();
    stream.write_all(format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}").as_bytes()).ok()?;
    Some(asked)
}

/// A recorder whose source stands still for a while.
fn recorder(place: &Place, notify: &str) -> Recorder {
    let raw = place.raw("noise", &noise(7, 60 * RATE));
    let general = format!("log_level = DEBUG\nretry_delay_seconds = 0.4\n{}\nmemory_budget_mb = 512", no_boundary());
    let section = format!(
        "[site]\nname = wood 7 ä\n[notify]\n{notify}\n[web]\nenabled = no\n[s]\ntype = file\npath = {}\npace = real\nloop = yes\n\
         raw_bits = 16\nsample_rate = {RATE}\nchannels = 1\nformat = flac\nfaults = stall@14s:6s\n",
        raw.display()
    );
    Recorder::start(&place.config(&general, &section), &[])
}

fn stop(recorder: &mut Recorder, place: &Place) {
    recorder.signal("TERM");
    let ended = recorder.wait(Duration::from_secs(6));
    assert!(ended.success(), "{}", recorder.log.join("\n"));
    let file = std::fs::read_to_string(place.path("recorder.log")).expect("the log");
    let all = recorder.log.join("\n") + &file;
    assert!(!all.contains("s3cret"), "{all}");
}

const SOON: Duration = Duration::from_secs(90);

/// What its own clients send for an alarm: method and path, and the body.
fn reference(scheme: &str) -> Asked {
    let python = venv("apprise", "apprise==1.9.5").join("python");
    let (port, asked) = server(|_| 200);
    let script = format!(
        "import apprise\na = apprise.Apprise()\nassert a.add('{scheme}://127.0.0.1:{port}/s3cret?method=json')\n\
         assert a.notify(title='t', body='b', notify_type=apprise.NotifyType.WARNING)"
    );
    let output = Command::new(python).args(["-c", &script]).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    asked.recv_timeout(SOON).expect("asked")
}

#[test]
fn an_alarm_is_told_as_the_clients_of_each_service_tell_it() {
    let kinds = [("ntfy", "/s3cret", "ntfy"), ("apprise", "/notify/s3cret", "apprise"), ("webhook", "/hook?token=s3cret", "")];
    let running = kinds.map(|(kind, path, scheme)| {
        thread::spawn(move || {
            // The webhook's server is out of order at first.
            let (port, asked) = server(move |number| if kind == "webhook" && number == 0 { 503 } else { 200 });
            let place = Place::new();
            let url = format!("notify_url = http://user:s3cret@127.0.0.1:{port}{path}\nnotify_kind = {kind}");
            let mut recorder = recorder(&place, &url);
            let next = || asked.recv_timeout(SOON).unwrap_or_else(|_| panic!("{kind}: nothing came"));
            let mut begun = next();
            if kind == "webhook" {
                let again = next();
                assert_eq!((&begun.body, &begun.first), (&again.body, &again.first));
                assert!(again.at - begun.at > Duration::from_secs(25), "not at once");
                begun = again;
            }
            let over = next();
            stop(&mut recorder, &place);
            assert!(asked.try_recv().is_err(), "{kind}: each is told once");
            for (word, one) in [("alarm", &begun), ("over", &over)] {
                assert!(one.first.starts_with("POST /") && one.first.ends_with(" HTTP/1.1"), "{one:?}");
                assert_eq!(one.line("content-type"), Some("application/json"));
                assert_eq!(one.line("authorization"), Some("Basic dXNlcjpzM2NyZXQ="));
                let text = one.json().to_string();
                assert!(text.contains("wood 7 ä: alarm") && text.contains("s: "), "{text}");
                assert_eq!(text.contains("alarm over"), word == "over", "{text}");
            }
            if scheme.is_empty() {
                let body = begun.json();
                assert_eq!((body["event"].as_str(), over.json()["event"].as_str()), (Some("alarm"), Some("over")));
                assert_eq!(body["since"], over.json()["since"]);
                assert_eq!(begun.first, "POST /hook?token=s3cret HTTP/1.1");
                return;
            }
            // The same method and path, and no field that the service's clients do not know, nor one of another type.
            let reference = reference(scheme);
            assert_eq!(begun.first.trim_end_matches('/'), reference.first.trim_end_matches('/'), "{kind}");
            let (ours, theirs) = (begun.json(), reference.json());
            for (key, value) in ours.as_object().expect("an object") {
                // ntfy's numbers are documented; its client leaves out those that are usual.
                let known = match key.as_str() {
                    "priority" if kind == "ntfy" => Value::from(4),
                    "tags" if kind == "ntfy" => Value::from(vec!["warning"]),
                    key => theirs.get(key).cloned().unwrap_or_else(|| panic!("{kind}: {key} is not in {theirs}")),
                };
                assert_eq!(std::mem::discriminant(value), std::mem::discriminant(&known), "{kind}: {key} of {ours}, {theirs}");
            }
            for key in ["topic", "type"] {
                assert_eq!(ours.get(key), theirs.get(key), "{kind}");
            }
        })
    });
    for one in running {
        one.join().expect("as it should");
    }
}

#[test]
fn a_sign_of_life_comes_while_all_is_well() {
    let (port, asked) = server(|_| 200);
    let place = Place::new();
    let url = |path: &str| format!("http://127.0.0.1:{port}/s3cret{path}");
    let notify = format!("heartbeat_url = {}\nheartbeat_minutes = 0.1\nheartbeat_fail_url = {}", url(""), url("/fail"));
    let mut recorder = recorder(&place, &notify);
    let end = Instant::now() + SOON;
    let mut came: Vec<(bool, Instant)> = Vec::new();
    // Unwell when it stands still, then well again.
    while came.len() < 3 || came.iter().all(|(is_well, _)| *is_well) || came.last().is_some_and(|(is_well, _)| !is_well) {
        let one = asked.recv_timeout(end.saturating_duration_since(Instant::now()));
        let one = one
            .unwrap_or_else(|e| panic!("{e}: {came:?}\n{}", std::fs::read_to_string(place.path("recorder.log")).expect("a log")));
        assert!(one.body.is_empty() && one.first.starts_with("GET /s3cret"), "{one:?}");
        came.push((one.first == "GET /s3cret HTTP/1.1", one.at));
    }
    assert_eq!(came.iter().filter(|(is_well, _)| !is_well).count(), 1, "{came:?}");
    let both_well = came.windows(2).filter(|w| w[0].0 && w[1].0);
    for pair in both_well {
        let apart = pair[1].1 - pair[0].1;
        assert!((5.5..9.0).contains(&apart.as_secs_f64()), "{apart:?}");
    }
    stop(&mut recorder, &place);
}

/// A server that takes the connection and says nothing must not delay the end of a recorder.
#[test]
fn a_server_that_says_nothing_delays_nobody() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("its port").port();
    let place = Place::new();
    let mut recorder = recorder(&place, &format!("heartbeat_url = http://127.0.0.1:{port}/s3cret"));
    let (_held, _) = socket.accept().expect("asked");
    let began = Instant::now();
    stop(&mut recorder, &place);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
