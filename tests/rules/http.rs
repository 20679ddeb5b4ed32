//! What comes in at the port of the page.

use soundpost::message::page::Excerpt;
use soundpost::policy::split::Zone;
use soundpost::time::{Mono, Wall};
use soundpost::web::auth::{self, Doorman};
use soundpost::web::chunked::Chunked;
use soundpost::web::head::{MAX_BODY_BYTES, MAX_HEAD_BYTES, RequestHead, parse};
use soundpost::web::host::{Names, check};
use soundpost::web::range::{MAX_SPANS, Wanted, plan, wanted};
use soundpost::web::route::{self, CLIP_MAX_NS, Route, route};
use soundpost::web::{conditional, gzip, icecast, target};

use super::Left;

/// A head is the same however much follows it, what is passed on is a head that means the same, every name that comes of it stays
/// in its folder, and every range in its file.
pub fn http(bytes: &[u8]) -> Left {
    let head = match parse(bytes) {
        Ok(Some(head)) => head,
        Ok(None) => {
            assert!(bytes.len() < MAX_HEAD_BYTES, "{} bytes are enough", bytes.len());
            return Left::Nothing;
        }
        Err(refusal) => {
            assert!(refusal.status.code() >= 400 && refusal.why.ends_with('.'), "{refusal:?}");
            let text = String::from_utf8(refusal.bytes(false)).expect("text");
            assert!(text.split("\r\n").all(|line| !line.contains(char::is_control)), "{text}");
            return Left::Nothing;
        }
    };
    assert!(head.bytes <= bytes.len() && head.bytes <= MAX_HEAD_BYTES && head.body_bytes().unwrap_or(0) <= MAX_BODY_BYTES);
    assert_eq!(parse(&bytes[..head.bytes]), Ok(Some(head.clone())), "without what follows");
    assert!(matches!(parse(&bytes[..head.bytes - 1]), Ok(None)), "not before its end");
    passed_on(&head);
    let _ = check(&head, &Names::default());
    asked(&head);
    if head.is_source() {
        fed(&head, &bytes[head.bytes..]);
    }
    ranged(&head);
    let cookie = head.line("cookie");
    assert!(!Doorman::new(Some(String::new()), 1.0, [0; 16]).knows(cookie, Mono(0)), "nobody has a session");
    let _ = (head.line("authorization").and_then(auth::basic), gzip::is_taken(head.line("accept-encoding")));
    let _ = (conditional::is_fresh(head.line("if-none-match"), "\"a\""), conditional::range_counts(head.line("if-range"), None));
    Left::Whole
}

fn passed_on(head: &RequestHead) {
    let text = String::from_utf8(head.relayed("10.0.0.1")).expect("text");
    assert!(text.bytes().all(|b| b == b'\r' || b == b'\n' || b == b'\t' || b == b' ' || b.is_ascii_graphic()), "{text:?}");
    // Lines of our own take a little room, of which a head at the limit has none left.
    if text.len() <= MAX_HEAD_BYTES {
        let again = parse(text.as_bytes()).expect("a head").expect("a whole one");
        assert_eq!((again.bytes, again.method, &again.target), (text.len(), head.method, &head.target));
        assert_eq!(again.body_bytes(), Ok(head.body_bytes().unwrap_or(0)));
        for name in ["range", "cookie", "authorization", "if-none-match"] {
            assert_eq!(again.line(name), head.line(name), "{name}");
        }
    }
}

fn asked(head: &RequestHead) {
    let Ok(route) = route(head.method, &head.target, &Zone::UTC) else { return };
    let names: Vec<&String> = match &route {
        Route::File(name) | Route::Profile(name) | Route::Stream(name) | Route::Download(name) | Route::Delete(name) => {
            vec![name]
        }
        Route::Lock(name) | Route::Reviewed(name) | Route::Note(name) | Route::Asset(name) => vec![name],
        Route::Analysis { name, .. } | Route::Export { name, .. } => vec![name],
        Route::Spectrogram(wish) => {
            assert!(wish.from_ns < wish.to_ns && wish.columns > 0 && wish.bands > 0);
            vec![&wish.name]
        }
        Route::Zip(names) => names.iter().collect(),
        Route::Clip { what, .. } | Route::Cut(what) => match what {
            Excerpt::File { name, from_ns, to_ns } => {
                assert!(from_ns < to_ns && (matches!(route, Route::Cut(_)) || to_ns - from_ns <= CLIP_MAX_NS));
                vec![name]
            }
            Excerpt::Source { from, to, .. } => {
                assert!(from < to);
                vec![]
            }
        },
        Route::Days { .. }
        | Route::Day { .. }
        | Route::Picture { .. }
        | Route::Files(_)
        | Route::Status
        | Route::Lookable
        | Route::Settings
        | Route::ChangeSettings
        | Route::CheckSettings
        | Route::UndoSettings
        | Route::Schedule
        | Route::SetClock
        | Route::SyncTable { .. }
        | Route::Events => {
            vec![]
        }
        Route::Live { source, .. } | Route::Station(source) | Route::Keep(source) => vec![source],
        Route::Mount(path) => {
            assert!(path.starts_with('/') && route::is_mount(&path[1..].split('/').collect::<Vec<_>>()), "{path}");
            vec![]
        }
        Route::Mounts | Route::Admin(_) => vec![],
        Route::Login | Route::Logout | Route::Healthz | Route::Metrics | Route::OpenApi => vec![],
    };
    for name in names {
        let is_safe = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\') && !part.contains(char::is_control);
        assert!(name.split('/').all(is_safe), "{name:?}");
        // A browser may write a sign in one byte that we write in three.
        let path = format!("/{}", target::encode(name));
        if path.len() <= target::MAX_PATH {
            assert_eq!(target::segments(&path).map(|s| s.join("/")).as_ref(), Ok(name));
        }
    }
}

/// A stream that feeds a mount: what goes on does not depend on how it comes.
fn fed(head: &RequestHead, body: &[u8]) {
    let _ = (icecast::welcome(head), icecast::about(head, "10.0.0.1", Wall(0), Mono(0)), route::mount(&head.target));
    let through = |most: usize| {
        let (mut chunked, mut out) = (Chunked::default(), Vec::new());
        let framed = body.chunks(most).try_for_each(|piece| chunked.push(piece, |bytes| out.extend_from_slice(bytes)));
        (framed.is_ok(), chunked.is_over(), out)
    };
    assert_eq!(through(1), through(usize::MAX));
}

fn ranged(head: &RequestHead) {
    for len in [0, 1, 1_000, u64::MAX] {
        let wanted = wanted(head.line("range"), len);
        let spans = match &wanted {
            Wanted::Whole | Wanted::Nothing => vec![],
            Wanted::One(span) => vec![*span],
            Wanted::Many(spans) => spans.clone(),
        };
        assert!(spans.len() <= MAX_SPANS && spans.iter().all(|s| s.start < s.end && s.end <= len), "{spans:?} of {len}");
        let bytes: u128 = spans.iter().map(|s| u128::from(s.bytes())).sum();
        assert!(bytes <= u128::from(len), "no range multiplies a file: {spans:?}");
        if len <= 1_000 {
            let _ = plan(wanted, len, "audio/wav", "b").head().finish();
        }
    }
}
