//! What the page answers: files with ranges, the API, the password, events.

mod page_rig;

use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use page_rig::{RATE, Site, read, samples, wav};
use serde_json::json;
use soundpost::message::library::Event;
use soundpost::web::{auth, json};

/// Of "secret", and quick to check.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$BwcHBwcHBwcHBwcHBwcHBw$4R1PEQPItpvkTH5juMUak3oEb8rtWEdaRzGIjigkYIU";

#[test]
fn the_page_and_what_it_may_do() {
    let site = Site::new();
    let page = site.get("/");
    assert_eq!((page.status, page.line("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.starts_with(b"<!doctype html>"));
    assert!(
        page.line("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'; script-src 'self'"))
    );
    let tag = page.line("etag").expect("a tag");
    let again = site.ask("GET", "/", &format!("If-None-Match: {tag}\r\n"), "");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = site.ask("HEAD", "/", "", "");
    assert_eq!((head.status, head.body.len(), head.line("content-length")), (200, 0, page.line("content-length")));
    assert_eq!(site.get("/healthz").body, b"ok");
}

#[test]
fn files_in_ranges() {
    let site = Site::new();
    let file = read(&site.file("a.wav"));
    let ask = |lines: &str| site.ask("GET", "/stream/a.wav", lines, "");
    let whole = ask("");
    assert_eq!((whole.status, whole.line("accept-ranges"), whole.line("content-type")), (200, Some("bytes"), Some("audio/wav")));
    assert_eq!(whole.body, file);
    let part = ask("Range: bytes=1000-1999\r\n");
    assert_eq!((part.status, part.line("content-range")), (206, Some(format!("bytes 1000-1999/{}", file.len()).as_str())));
    assert_eq!(part.body, &file[1_000..2_000]);
    assert_eq!(ask("Range: bytes=-5\r\n").body, &file[file.len() - 5..]);
    ask(&format!("Range: bytes={}-\r\n", file.len())).is_refusal(416);

    let several = ask("Range: bytes=0-43,100-199,-10\r\n");
    let kind = several.line("content-type").expect("a type");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("parts");
    let marker = format!("\r\n--{boundary}");
    let heads = several.body.windows(marker.len()).filter(|w| *w == marker.as_bytes()).count();
    assert_eq!((several.status, heads), (206, 4));
    assert!(several.body.windows(100).any(|w| w == &file[100..200]));
    assert_eq!(several.line("content-length"), Some(several.body.len().to_string().as_str()));

    let tag = whole.line("etag").expect("a tag");
    assert_eq!(ask(&format!("If-Range: {tag}\r\nRange: bytes=0-9\r\n")).status, 206);
    assert_eq!(ask("If-Range: \"other\"\r\nRange: bytes=0-9\r\n").status, 200);
    assert_eq!(ask(&format!("If-None-Match: {tag}\r\n")).status, 304);
    let head = site.ask("HEAD", "/stream/a.wav", "", "");
    assert_eq!((head.status, head.body.len(), head.line("content-length")), (200, 0, whole.line("content-length")));
    let download = site.get("/download/a.wav");
    assert_eq!(download.line("content-disposition"), Some("attachment; filename=\"a.wav\""));
    assert_eq!(download.body, file);
    let pinned = site.get("/stream/a.wav?v=1");
    assert!(pinned.line("cache-control").is_some_and(|cache| cache.contains("immutable")), "{}", pinned.head);
}

#[test]
fn a_growing_file_is_as_long_as_its_head_says() {
    let site = Site::new();
    let first = site.get("/stream/open.wav");
    assert_eq!((first.status, first.line("cache-control"), first.line("etag")), (200, Some("no-store"), None));
    let mut file = std::fs::OpenOptions::new().append(true).open(site.file("open.wav")).expect("open");
    file.write_all(&samples(RATE)).expect("written");
    let second = site.get("/stream/open.wav");
    assert_eq!(second.line("content-length"), Some(second.body.len().to_string().as_str()));
    assert_eq!(second.body.len(), first.body.len() + 2 * RATE as usize);
}

#[test]
fn the_api() {
    let site = Site::new();
    assert_eq!(site.get("/api/status").json()["mode"], "serve");
    assert_eq!(site.get("/api/status").json()["open"], true);
    assert_eq!(site.get("/api/days").json()["days"][0]["date"], "2026-05-22");
    assert_eq!(site.get("/api/days/2026-05-22").json()["files_count"], 2);
    assert_eq!(site.get("/api/days/2026-05-22/picture").body.len(), 1_440 * 128);
    assert_eq!(site.get("/api/files?limit=1").json()["files"][0]["name"], "open.wav");
    assert_eq!(site.get("/api/files/a.wav").json()["duration_s"], 10);
    assert_eq!(site.get("/api/files/a.wav/analysis?margin=9").json()["margin_db"], 9);
    assert_eq!(site.get("/api/files/a.wav/profile").body, b"SPPF");
    assert_eq!(site.get("/api/files/a.wav/spectrogram?from=0&to=1&columns=100&bands=64").body.len(), 6_400);
    site.get("/api/files/a.wav/spectrogram?from=5&to=6").is_refusal(416);
    assert!(site.get("/api/files/a.wav/raven.txt").body.starts_with(b"Selection\tView"));
    assert!(site.get("/metrics").body.starts_with(b"# HELP soundpost_"));
    assert!(site.get("/api/openapi.json").json()["openapi"].is_string());
    site.get("/api/files/b.wav").is_refusal(404);
    site.get("/stream/..%2fa.wav").is_refusal(400);
    site.get("/nothing").is_refusal(404);
    let wrong = site.ask("POST", "/", "", "");
    wrong.is_refusal(405);
    assert_eq!(wrong.line("allow"), Some("GET, HEAD"));
    site.get("/api/files/panic.wav").is_refusal(500);
    assert_eq!(site.get("/healthz").status, 200);
}

#[test]
fn clips_and_cuts() {
    let site = Site::new();
    let clip = site.get("/api/clip?file=a.wav&from=1&to=2.5");
    let all = samples(10 * RATE);
    assert_eq!(clip.body, wav(&all[2 * RATE as usize..5 * RATE as usize]));
    assert_eq!((clip.line("x-soundpost-from"), clip.line("x-soundpost-to")), (Some("1.000000"), Some("2.500000")));
    assert_eq!(site.get("/api/cut?file=a.wav&from=1&to=2.5").body, clip.body);
    site.get("/api/clip?file=a.wav&from=100&to=101").is_refusal(416);
    site.get("/api/clip?file=open.wav&from=0&to=1").is_refusal(409);
    site.get("/api/clip?file=b.wav&from=0&to=1").is_refusal(404);
}

#[test]
fn changes() {
    let site = Site::new();
    let put = |path: &str, body: &str| site.ask("PUT", path, "Content-Type: application/json\r\n", body);
    assert_eq!(put("/api/files/a.wav/reviewed", "{\"reviewed\":true}").json()["reviewed"], true);
    assert_eq!(put("/api/files/a.wav/note", "{\"note\":\"ä\\n\"}").json()["note"], "ä\n");
    assert_eq!(put("/api/files/a.wav/lock", "{\"locked\":true}").json()["locked"], true);
    put("/api/files/a.wav/lock", "{\"locked\":1}").is_refusal(422);
    put("/api/files/a.wav/lock", "not json").is_refusal(422);
    site.ask("DELETE", "/api/files/a.wav", "", "").is_refusal(423);
    put("/api/files/a.wav/lock", "{\"locked\":false}");
    site.ask("DELETE", "/api/files/a.wav", "Origin: http://evil.example\r\n", "").is_refusal(403);
    site.ask("POST", "/api/sources/mic/mark", "Origin: http://evil.example\r\n", "{}").is_refusal(403);
    // Nothing is recorded here.
    site.ask("POST", "/api/sources/mic/mark", "", "").is_refusal(404);
    site.ask("POST", "/api/sources/mic/mark", "", "{\"seconds\":0}").is_refusal(422);
    assert!(site.file("a.wav").exists());
    let gone = site.ask("DELETE", "/api/files/a.wav", "", "");
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    assert!(!site.file("a.wav").exists());
    site.ask("DELETE", "/api/files/a.wav", "", "").is_refusal(404);
}

#[test]
fn only_names_of_ours_are_answered() {
    let site = Site::new();
    let with = |host: &str| site.raw(format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    assert_eq!(with("box.local").status, 200);
    with("evil.example").is_refusal(421);
    assert_eq!(site.raw(b"GET http://box/healthz HTTP/1.1\r\nHost: box\r\n\r\n").status, 200);
    site.raw(b"GET http://evil.example/healthz HTTP/1.1\r\nHost: box\r\n\r\n").is_refusal(421);
}

#[test]
fn the_password_is_asked_for() {
    let hash = auth::hash(b"secret", [1; 16]).expect("a hash");
    let site = Site::locked(&hash);
    assert_eq!((site.get("/").status, site.get("/healthz").status), (200, 200));
    for target in ["/api/status", "/api/events", "/stream/a.wav", "/metrics", "/api/openapi.json", "/stream/b.wav"] {
        let refused = site.get(target);
        refused.is_refusal(401);
        assert!(refused.line("www-authenticate").is_some_and(|way| way.starts_with("Basic ")), "{}", refused.head);
    }
    site.ask("POST", "/api/sources/mic/mark", "", "{}").is_refusal(401);
    // A browser must not ask by itself.
    let browser = site.ask("GET", "/api/status", "User-Agent: Mozilla/5.0\r\n", "");
    assert!(browser.line("www-authenticate").is_some_and(|way| way.starts_with("Cookie ")), "{}", browser.head);

    site.ask("POST", "/api/login", "", "{\"password\":\"wrong\"}").is_refusal(401);
    let login = site.ask("POST", "/api/login", "", "{\"password\":\"secret\"}");
    let cookie = login.line("set-cookie").expect("a cookie");
    assert!(login.status == 204 && cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: other=1; {}\r\n", cookie.split(';').next().expect("a pair"));
    assert_eq!(site.ask("GET", "/api/status", &cookie, "").json()["open"], false);
    site.ask("POST", "/api/logout", &cookie, "");
    site.ask("GET", "/api/status", &cookie, "").is_refusal(401);

    // "any:secret"; the second one costs no hash.
    let basic = "Authorization: Basic YW55OnNlY3JldA==\r\n";
    assert_eq!(site.ask("GET", "/api/status", basic, "").status, 200);
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(site.ask("GET", "/api/status", basic, "").status, 200);
    }
    println!("20 requests of a program with the password: {} ms", began.elapsed().as_millis());
}

#[test]
fn guessing_is_limited() {
    let site = Site::locked(HASH);
    let guess = || site.ask("POST", "/api/login", "", "{\"password\":\"wrong\"}");
    for _ in 0..5 {
        guess().is_refusal(401);
    }
    let refused = guess();
    refused.is_refusal(429);
    assert!(refused.line("retry-after").is_some(), "{}", refused.head);
    site.ask("POST", "/api/login", "", "{\"password\":\"secret\"}").is_refusal(429);
}

#[test]
fn a_hash_that_is_none_opens_nothing() {
    let site = Site::locked("secret");
    site.get("/api/status").is_refusal(401);
    site.ask("POST", "/api/login", "", "{\"password\":\"secret\"}").is_refusal(401);
}

#[test]
fn what_happens_is_told() {
    let site = Site::new();
    let mut stream = site.connect();
    stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: box\r\n\r\n").expect("sent");
    let mut lines = BufReader::new(stream).lines();
    let mut until = |want: &str| {
        for line in lines.by_ref() {
            if line.expect("a line") == want {
                return;
            }
        }
        panic!("no {want}");
    };
    until("Content-Type: text/event-stream");
    until("retry: 3000");
    let began = Instant::now();
    site.hub.tell(&json::event(&Event::Deleted { name: "a.wav".into(), reason: Some("older than 30 days".into()) }));
    until("event: deleted");
    until("data: {\"name\":\"a.wav\",\"reason\":\"older than 30 days\"}");
    let event_ms = began.elapsed().as_millis();
    assert!(event_ms < 1_000, "{event_ms} ms");
    until(": beat");
    assert!(began.elapsed() < Duration::from_secs(15));
    println!("an event took {event_ms} ms");
}

#[test]
fn who_leaves_is_not_told_any_more() {
    let site = Site::new();
    let mut stream = site.connect();
    stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: box\r\n\r\n").expect("sent");
    let wait = |is_heard: bool| {
        let began = Instant::now();
        while site.hub.is_heard() != is_heard {
            assert!(began.elapsed() < Duration::from_secs(5), "heard: {}", !is_heard);
            std::thread::yield_now();
        }
    };
    wait(true);
    drop(stream);
    wait(false);
}

#[test]
fn answers_are_shorter_for_those_who_take_them_so() {
    let site = Site::new();
    for n in 0..50 {
        std::fs::write(site.file(&format!("x{n}.wav")), wav(&[])).expect("written");
    }
    let plain = site.get("/api/files");
    let small = site.ask("GET", "/api/files", "Accept-Encoding: gzip\r\n", "");
    assert_eq!((small.line("content-encoding"), small.line("vary")), (Some("gzip"), Some("Accept-Encoding")));
    assert!(small.body.len() < plain.body.len() / 5, "{} of {}", small.body.len(), plain.body.len());
    assert_eq!(plain.json()["total"], json!(52));
}
