//! The last seconds of a source, kept while it records: to the bit, across files, for cards and stations, through a kill.

mod common;
#[path = "common/web.rs"]
mod web;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::lanes::{RATE, counted, lane, no_boundary, stop};
use common::{Place, Recorder, assert_sound, decode, free_port, gaps, noise, recordings, sidecar, soundpost, tool};
use serde_json::{Value, json};
use soundpost::format::sidecar::parse_rfc3339;
use soundpost::format::{flac, wav};
use soundpost::time::Wall;
use web::Web;

const PATIENCE: Duration = Duration::from_secs(30);

/// A recorder with its page.
struct Page {
    recorder: Recorder,
    http: Http,
}

/// Where it is.
struct Http(String);

impl Page {
    fn start(place: &Place, general: &str, sections: &str) -> Page {
        let port = free_port();
        let config = place.config(general, &format!("[web]\nbind = 127.0.0.1\nport = {port}\n{sections}"));
        let mut recorder = Recorder::start(&config, &[]);
        recorder.wait_for("the page: ", PATIENCE);
        Page { recorder, http: Http(format!("http://127.0.0.1:{port}/")) }
    }
}

impl Http {
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.0)).body(body.to_owned());
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut answer = agent.run(request.expect("a request")).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let text = answer.body_mut().read_to_string().expect("text");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn mark(&self, source: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", &format!("api/sources/{source}/mark"), &body.to_string())
    }

    /// The only clip, as soon as there is something to keep.
    #[track_caller]
    fn clip(&self, source: &str, body: &Value) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let (status, answer) = self.mark(source, body);
            if status == 200 {
                let clips = answer["clips"].as_array().expect("clips").clone();
                assert_eq!(clips.len(), 1, "{answer}");
                return clips[0].clone();
            }
            assert!([409, 503].contains(&status) && answer["error"].as_str().is_some_and(|why| why.ends_with('.')), "{answer}");
            assert!(Instant::now() < until, "nothing is kept: {answer}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn whole(value: &Value) -> usize {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number")) as usize
}

fn start_of(side: &Value) -> Wall {
    parse_rfc3339(side["start"].as_str().expect("a time")).expect("RFC 3339")
}

/// A clip is what it says: those frames of those files, locked, and as far as was asked; each of those files tells of it.
#[track_caller]
fn is_of(root: &Path, name: &str, seconds: usize) -> usize {
    let path = root.join(name);
    assert_sound(&path);
    let (samples, side) = (decode(&path), sidecar(root, &path));
    let mut want = Vec::new();
    let parts = side["mark"]["of"].as_array().expect("parts");
    for part in parts {
        let of = root.join(part["file"].as_str().expect("a name"));
        let (from, to) = (whole(&part["from_frame"]), whole(&part["to_frame"]));
        want.extend_from_slice(&decode(&of)[from..to]);
        let bookmarks = sidecar(root, &of)["bookmarks"].as_array().cloned().unwrap_or_default();
        let told = bookmarks.iter().find(|bookmark| bookmark["clip"] == name).unwrap_or_else(|| panic!("{of:?}: {bookmarks:?}"));
        assert_eq!(
            (&told["from_frame"], &told["to_frame"], &told["at"]),
            (&part["from_frame"], &part["to_frame"], &side["mark"]["at"])
        );
        assert_eq!((&told["note"], whole(&told["seconds"])), (&side["note"], seconds));
    }
    assert!(samples == want, "{name}: {} samples are not the {} that it is from", samples.len(), want.len());
    assert_eq!((whole(&side["frames"]), &side["locked"], &side["end_reason"]), (samples.len(), &json!(true), &json!("mark")));
    // Its header says the same for those who know no sidecars.
    let bytes = fs::read(&path).expect("read");
    let header = if name.ends_with("flac") {
        flac::parse(&bytes).map(|head| head.identity)
    } else {
        wav::parse(&bytes).map(|head| head.identity)
    };
    let header = header.expect("a header").expect("an identity");
    assert_eq!(
        (&*header.session, header.first_frame, header.start.micros()),
        (side["session"].as_str().expect("text"), 0, start_of(&side).micros())
    );
    assert!(header.session.starts_with("mark-"));
    let at = |text: &Value| parse_rfc3339(text.as_str().expect("a time")).expect("RFC 3339").0 as f64 / 1e9;
    let (asked, start, end) = (at(&side["mark"]["at"]), at(&side["start"]), at(&side["end"]));
    println!(
        "{name}: {} samples of {} files, {:.3} s before to {:.3} s after",
        samples.len(),
        parts.len(),
        asked - start,
        end - asked
    );
    assert!((0.0..3.0).contains(&(end - asked)), "{name} ends {} s after the asking", end - asked);
    // The first sound of all may be less old.
    assert!(asked - start < seconds as f64 + 0.2, "{name} begins {} s before the asking", asked - start);
    samples.len()
}

fn is_mark(path: &Path) -> bool {
    path.to_str().expect("UTF-8").contains("_mark_")
}

/// Every sample of a lane's own files is where it belongs; the answer is how many there are.
fn unharmed(root: &Path, lane: &str, sound: &[i16]) -> usize {
    let mut frames = 0;
    for path in recordings(&root.join(lane)).iter().filter(|path| !is_mark(path)) {
        let (samples, side) = (decode(path), sidecar(root, path));
        let first = whole(&side["first_frame"]);
        assert_eq!(first, frames, "{}: no hole before it", path.display());
        for (n, sample) in samples.iter().enumerate() {
            assert_eq!(*sample, i32::from(sound[(first + n) % sound.len()]), "{}: frame {n}", path.display());
        }
        frames += samples.len();
    }
    frames
}

fn clips(root: &Path) -> Vec<String> {
    let found = recordings(root).into_iter().filter(|path| is_mark(path));
    found.map(|path| path.strip_prefix(root).expect("below").to_str().expect("UTF-8").to_owned()).collect()
}

#[test]
fn across_a_boundary_while_it_records() {
    let (place, sound) = (Place::new(), noise(7, 60 * RATE));
    let raw = place.raw("noise", &sound);
    let lanes = lane("a", &raw, "flac") + &lane("b", &raw, "wav");
    let mut page = Page::start(&place, "split_minutes = 0.2", &lanes);
    page.recorder.wait_for_all(&["recorded ", "/a/"], PATIENCE);
    // The first one may be short.
    page.recorder.log.clear();
    page.recorder.wait_for_all(&["recorded ", "/a/"], PATIENCE);
    // Two of one source and one of another at once; the one that is too much is told to come again.
    let body = json!({"seconds": 8, "note": "owl, \"süd\""});
    let names: Vec<String> = thread::scope(|scope| {
        let (http, body) = (&page.http, &body);
        let asked = ["a", "a", "b"]
            .map(|source| scope.spawn(move || http.clip(source, body)["name"].as_str().expect("a name").to_owned()));
        asked.map(|asked| asked.join().expect("kept")).into()
    });
    assert!(names.iter().all(|name| clips(&place.recordings()).contains(name)) && names[0] != names[1], "{names:?}");
    // What is marked twice is marked twice, and what was cut out of others is not cut out of.
    let later = page.http.clip("b", &json!({"seconds": 20}));
    assert_eq!((&later["locked"], &later["source"], &later["note"]), (&json!(true), &json!("b"), &json!("")));
    assert_eq!(page.http.ask("DELETE", &format!("api/files/{}", names[0]), "").0, 423);
    stop(&mut page.recorder);

    let root = place.recordings();
    for name in &names {
        let file = root.join(name);
        assert_eq!(sidecar(&root, &file)["note"], "owl, \"süd\"");
        assert!(is_of(&root, name, 8) >= 8 * RATE);
    }
    assert!(is_of(&root, later["name"].as_str().expect("a name"), 20) > 12 * RATE);
    let parts = |name: &str| sidecar(&root, &root.join(name))["mark"]["of"].as_array().map_or(0, Vec::len);
    assert!(names.iter().map(|name| parts(name)).min() == Some(2), "each crosses the boundary");
    for name in ["a", "b"] {
        let (captured, lost) = counted(&page.recorder, name);
        assert_eq!((unharmed(&root, name, &sound), lost, gaps(&root).len()), (captured, 0, 0));
    }
    assert!(!root.join(".marks").read_dir().is_ok_and(|mut left| left.next().is_some()), "no draft is left");
    let verified = soundpost().arg("verify").arg(&root).output().expect("it runs");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_mark_outlives_a_kill() {
    let (place, sound) = (Place::new(), noise(8, 60 * RATE));
    let raw = place.raw("noise", &sound);
    let lanes = lane("a", &raw, "flac") + &lane("b", &raw, "wav");
    let mut page = Page::start(&place, &no_boundary(), &lanes);
    let names = ["a", "b"].map(|source| page.http.clip(source, &json!({"seconds": 2, "note": "just now"}))["name"].clone());
    let open = recordings(&place.recordings()).into_iter().filter(|path| !is_mark(path)).count();
    assert_eq!(open, 0, "what they are from is still being recorded");
    page.recorder.kill();
    let root = place.recordings();
    // A draft that somebody was killed over.
    fs::write(root.join(".marks/1-0.part"), "half").expect("written");

    let mut page = Page::start(&place, &no_boundary(), &lanes);
    let until = Instant::now() + PATIENCE;
    for name in &names {
        let name = name.as_str().expect("a name");
        let side = sidecar(&root, &root.join(name));
        let of = root.join(side["mark"]["of"][0]["file"].as_str().expect("a name"));
        let is_told = || of.exists() && sidecar(&root, &of)["bookmarks"][0]["clip"] == name;
        while !is_told() {
            assert!(Instant::now() < until, "{}: its sidecar tells of no bookmark", of.display());
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(sidecar(&root, &of)["recovered"], true);
        is_of(&root, name, 2);
    }
    assert!(!root.join(".marks/1-0.part").exists());
    stop(&mut page.recorder);
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let (place, sound) = (Place::new(), noise(9, 20 * RATE));
    let raw = place.raw("noise", &sound);
    // Nothing listens there: a source that has recorded nothing.
    let radio = "[radio]\ntype = stream\nurl = http://127.0.0.1:9/live\nfilename_pattern = radio/%H%M%S\n";
    let mut page = Page::start(&place, &no_boundary(), &(lane("mic", &raw, "flac") + radio));
    page.http.clip("mic", &json!({}));
    let check = |source: &str, body: &str, want: u16| {
        let (status, answer) = page.http.ask("POST", &format!("api/sources/{source}/mark"), body);
        assert!(
            status == want && answer["error"].as_str().is_some_and(|why| why.ends_with('.')),
            "{source} {body}: {status} {answer}"
        );
    };
    check("gone", "", 404);
    check("mic_mark", "{}", 404);
    for body in
        ["{", "[]", r#"{"seconds":0}"#, r#"{"seconds":3601}"#, r#"{"seconds":1.5}"#, r#"{"seconds":"1"}"#, r#"{"note":1}"#]
    {
        check("mic", body, 422);
    }
    check("radio", r#"{"seconds":5}"#, 409);
    assert_eq!(page.http.ask("GET", "api/sources/mic/mark", "").0, 405);
    assert_eq!(clips(&place.recordings()).len(), 1);
    stop(&mut page.recorder);
}

#[test]
fn a_station_is_kept_byte_for_byte() {
    let place = Place::new();
    let path = place.path("station.mp3");
    let name = path.to_str().expect("a plain path");
    let pink = "anoisesrc=color=pink:amplitude=0.1:sample_rate=44100:duration=60:seed=1";
    tool("ffmpeg", &["-v", "error", "-f", "lavfi", "-i", pink, "-ac", "1", "-b:a", "64k", "-write_xing", "0", name]);
    let sound = fs::read(&path).expect("made by ffmpeg");
    let station = Web::serve(move |mut visit| {
        visit.send("HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nConnection: close\r\n\r\n")?;
        let (began, mut sent) = (Instant::now(), 0);
        for piece in sound.chunks(800).cycle() {
            // As fast as it sounds: 8 000 bytes a second.
            while sent > began.elapsed().as_millis() as usize * 8 {
                thread::sleep(Duration::from_millis(10));
            }
            visit.send(piece)?;
            sent += piece.len();
        }
        Ok(())
    });
    let radio = format!("[radio]\ntype = stream\nurl = {}\nfilename_pattern = radio/%Y%m%d_%H%M%S\n", station.url("/live"));
    let mut page = Page::start(&place, &no_boundary(), &radio);
    let until = Instant::now() + PATIENCE;
    // When there is more than it is to keep.
    let long = loop {
        let clip = page.http.clip("radio", &json!({"seconds": 3}));
        if clip["duration_s"].as_f64().is_some_and(|seconds| seconds >= 3.0) {
            break clip;
        }
        assert!(Instant::now() < until, "{clip}");
        assert_eq!(
            page.http.ask("PUT", &format!("api/files/{}/lock", clip["name"].as_str().expect("a name")), r#"{"locked":false}"#).0,
            200
        );
    };
    stop(&mut page.recorder);
    let root = place.recordings();
    let name = long["name"].as_str().expect("a name");
    let side = sidecar(&root, &root.join(name));
    let of = side["mark"]["of"][0]["file"].as_str().expect("a name");
    let (clip, file) = (fs::read(root.join(name)).expect("kept"), fs::read(root.join(of)).expect("recorded"));
    // A first frame may be made up, for what the next ones reach back to.
    let tail = &clip[clip.len().min(500)..];
    assert!(tail.len() > 20_000 && file.windows(tail.len()).any(|part| part == tail), "{} of {} bytes", tail.len(), file.len());
    assert_eq!((&side["locked"], &side["codec"]), (&json!(true), &json!("mp3")));
    assert_eq!(
        sidecar(&root, &root.join(of))["bookmarks"].as_array().and_then(|all| all.last()).map(|last| &last["clip"]),
        Some(&json!(name))
    );
    assert_eq!(tool("ffmpeg", &["-v", "error", "-i", root.join(name).to_str().expect("a plain path"), "-f", "null", "-"]), "");
}
