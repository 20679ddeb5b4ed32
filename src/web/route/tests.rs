use super::*;

fn ask(method: &str, target: &str) -> Result<Route, Refusal> {
    route(Method::of_name(method), target, &Zone::get("Europe/Berlin").expect("known"))
}

#[track_caller]
fn is(target: &str, want: Route) {
    assert_eq!(ask("GET", target), Ok(want.clone()), "{target}");
    assert_eq!(ask("HEAD", target), Ok(want), "{target}");
}

#[track_caller]
fn refused(method: &str, target: &str, want: u16) -> Refusal {
    let refusal = ask(method, target).expect_err(target);
    assert_eq!(refusal.status.code(), want, "{method} {target}: {}", refusal.why);
    assert!(refusal.why.ends_with('.'), "a sentence: {}", refusal.why);
    refusal
}

#[test]
fn pages_and_small_things() {
    is("/", Route::Asset("index.html".into()));
    is("/index.html?x=1", Route::Asset("index.html".into()));
    is("http://box/healthz", Route::Healthz);
    is("/metrics", Route::Metrics);
    is("/api/status", Route::Status);
    is("/api/events", Route::Events);
    is("/api/openapi.json", Route::OpenApi);
}

#[test]
fn a_source_is_marked() {
    assert_eq!(ask("POST", "/api/sources/a%20b/mark"), Ok(Route::Keep("a b".into())));
    assert_eq!(refused("GET", "/api/sources/a/mark", 405).why, "This address takes POST only.");
    refused("POST", "/api/sources/a", 404);
    refused("POST", "/api/sources/mark", 404);
}

#[test]
fn clocks() {
    assert_eq!(ask("POST", "/api/clock"), Ok(Route::SetClock));
    refused("GET", "/api/clock", 405);
    is("/api/exports/sync.csv", Route::SyncTable { from: None, to: None, source: None });
    let date = || Some("2026-05-22".to_owned());
    is(
        "/api/exports/sync.csv?from=2026-05-22&to=2026-05-22&source=mic",
        Route::SyncTable { from: date(), to: date(), source: Some("mic".into()) },
    );
    refused("GET", "/api/exports/sync.csv?from=yesterday", 400);
}

#[test]
fn names_keep_their_folders() {
    is("/stream/2026/05/a%20b.flac", Route::Stream("2026/05/a b.flac".into()));
    is("/download/a.wav", Route::Download("a.wav".into()));
    is("/api/files/a.wav", Route::File("a.wav".into()));
    is("/api/files/x/a.wav", Route::File("x/a.wav".into()));
    is("/api/files/x/a.wav/profile", Route::Profile("x/a.wav".into()));
    is("/api/files/profile", Route::File("profile".into()));
    is("/api/files/a.wav/raven.txt", Route::Export { name: "a.wav".into(), table: Table::Raven });
    is("/api/files/a.wav/labels.txt", Route::Export { name: "a.wav".into(), table: Table::Labels });
    is("/api/files/a.wav/events.csv", Route::Export { name: "a.wav".into(), table: Table::Csv });
}

#[test]
fn days_and_lists() {
    is("/api/days", Route::Days { from: None, to: None });
    is("/api/days?from=2026-05-22&to=", Route::Days { from: Some("2026-05-22".into()), to: None });
    is("/api/days/2026-05-22", Route::Day { date: "2026-05-22".into(), tuning: Tuning::default() });
    is("/api/days/2026-05-22/picture", Route::Picture { date: "2026-05-22".into() });
    let tuning =
        Tuning { detector: Some(Detector::Bands), margin: Some(Centibel(950)), min_gap_ms: Some(1_500), min_length_ms: Some(0) };
    is(
        "/api/days/2026-05-22?margin=9.5&min_gap=1.5&min_length=1e-9&detector=bands",
        Route::Day { date: "2026-05-22".into(), tuning },
    );
    let all = FilesQuery { limit: 100, ..FilesQuery::default() };
    is("/api/files", Route::Files(all.clone()));
    let some = FilesQuery { q: "ä b".into(), source: Some("mic".into()), cursor: Some("c+".into()), limit: 7, ..all };
    is("/api/files?q=%C3%A4+b&source=mic&cursor=c%2B&limit=7", Route::Files(some));
    for target in [
        "/api/days?from=22.05.2026",
        "/api/days/2026-13-01",
        "/api/days/2026-02-30",
        "/api/days/20260522",
        "/api/days/2026-05-22?margin=-1",
        "/api/days/2026-05-22?margin=inf",
        "/api/days/2026-05-22?margin=NaN",
        "/api/days/2026-05-22?detector=x",
        "/api/files?limit=0",
        "/api/files?limit=1001",
        "/api/files?limit=1&limit=2",
        "/api/files?q=%zz",
    ] {
        refused("GET", target, 400);
    }
}

#[test]
fn excerpts() {
    let s = SECOND_NS as u64;
    let of_file = |from_ns, to_ns| Excerpt::File { name: "x/a.wav".into(), from_ns, to_ns };
    is("/api/clip?file=x/a.wav&from=1.5&to=3", Route::Clip { what: of_file(s * 3 / 2, 3 * s), rate: ClipRate::Common });
    is("/api/clip?file=x%2Fa.wav&from=0&to=9999&rate=source", Route::Clip { what: of_file(0, 600 * s), rate: ClipRate::Source });
    is("/api/cut?file=x/a.wav&from=0&to=9999", Route::Cut(of_file(0, 9_999 * s)));
    // 12:00 in Berlin in summer is 10:00 UTC.
    let noon = Wall(1_779_444_000 * SECOND_NS);
    let of_source = Excerpt::Source { source: "mic".into(), from: noon, to: noon.plus_ns(10 * SECOND_NS) };
    for (from, to) in [
        ("2026-05-22T10:00:00Z", "2026-05-22T10:00:10Z"),
        ("2026-05-22T12:00:00%2B02:00", "2026-05-22T12:00:10+02:00"),
        ("2026-05-22T12:00:00", "2026-05-22T12:00:10"),
    ] {
        is(&format!("/api/cut?source=mic&from={from}&to={to}"), Route::Cut(of_source.clone()));
    }
    for (target, want) in [
        ("/api/clip", 400),
        ("/api/clip?file=a.wav&source=mic&from=0&to=1", 400),
        ("/api/clip?file=a.wav&from=0", 400),
        ("/api/clip?file=a.wav&from=-1&to=1", 400),
        ("/api/clip?file=../a.wav&from=0&to=1", 400),
        ("/api/clip?file=/a.wav&from=0&to=1", 400),
        ("/api/clip?file=a.wav&from=2&to=1", 416),
        ("/api/clip?file=a.wav&from=1&to=1", 416),
        ("/api/clip?file=a.wav&from=0&to=1&rate=8000", 400),
        ("/api/cut?source=mic&from=yesterday&to=2026-05-22T10:00:10Z", 400),
        ("/api/cut?source=mic&from=9999-05-22T10:00:00Z&to=9999-05-22T10:00:10Z", 400),
    ] {
        refused("GET", target, want);
    }
}

#[test]
fn spectrograms() {
    let wish = SpectrogramWish { name: "a.wav".into(), from_ns: 0, to_ns: 60 * SECOND_NS as u64, columns: 800, bands: 256 };
    is("/api/files/a.wav/spectrogram?from=0&to=60&columns=800", Route::Spectrogram(wish));
    for (query, want) in
        [("from=0&to=60.1", 416), ("from=0", 400), ("from=0&to=1&columns=5000", 400), ("from=0&to=1&bands=0", 400)]
    {
        refused("GET", &format!("/api/files/a.wav/spectrogram?{query}"), want);
    }
}

#[test]
fn zips() {
    is("/api/export.zip?name=b.wav&name=x/a.wav&name=b.wav", Route::Zip(vec!["b.wav".into(), "x/a.wav".into()]));
    refused("GET", "/api/export.zip", 400);
    refused("GET", "/api/export.zip?name=", 400);
    refused("GET", "/api/export.zip?name=a/../b", 400);
    refused("GET", &format!("/api/export.zip?{}", (0..1_001).map(|n| format!("name={n}&")).collect::<String>()), 400);
}

#[test]
fn changes() {
    let a = || "a.wav".to_owned();
    for (method, target, want) in [
        ("DELETE", "/api/files/a.wav", Route::Delete(a())),
        ("PUT", "/api/files/a.wav/lock", Route::Lock(a())),
        ("PUT", "/api/files/a.wav/reviewed", Route::Reviewed(a())),
        ("PUT", "/api/files/a.wav/note", Route::Note(a())),
        ("POST", "/api/login", Route::Login),
        ("POST", "/api/logout", Route::Logout),
    ] {
        assert_eq!(ask(method, target), Ok(want), "{method} {target}");
    }
}

#[test]
fn wrong_methods_are_told_the_right_ones() {
    for (method, target, allow) in [
        ("POST", "/", "GET, HEAD"),
        ("OPTIONS", "/api/files/a.wav", "GET, HEAD, DELETE"),
        ("GET", "/api/files/a.wav/lock", "PUT"),
        ("DELETE", "/stream/a.wav", "GET, HEAD"),
        ("GET", "/api/login", "POST"),
        // The method is looked at before the parameters.
        ("POST", "/api/files/a.wav/spectrogram", "GET, HEAD"),
    ] {
        let refusal = refused(method, target, 405);
        assert_eq!(refusal.lines, [("Allow", allow.to_owned())], "{method} {target}");
    }
}

#[test]
fn what_is_not_there() {
    for target in ["/api", "/api/nothing", "/stream", "/download", "/api/days/2026-05-22/x", "/admin/x", "/a/b/c/d/e"] {
        refused("GET", target, 404);
    }
    for target in ["/stream/../x", "/stream/%2e%2e/x", "/stream/..%2fx", "/stream/a%00", "/stream//a", "host:80", "/stream/a/"] {
        refused("GET", target, 400);
    }
}

#[test]
fn mounts_and_their_administration() {
    assert_eq!(ask("GET", "/mic-1.opus"), Ok(Route::Mount("/mic-1.opus".into())));
    assert_eq!(ask("HEAD", "/radio/one.mp3?x=y"), Ok(Route::Mount("/radio/one.mp3".into())));
    assert_eq!(ask("GET", "/status-json.xsl"), Ok(Route::Mounts));
    assert_eq!(ask("GET", "/admin/stats"), Ok(Route::Admin(Task::Stats)));
    assert_eq!(ask("GET", "/admin/listclients?mount=/a"), Ok(Route::Admin(Task::ListClients { mount: "/a".into() })));
    assert_eq!(ask("GET", "/admin/killclient?mount=/a&id=7"), Ok(Route::Admin(Task::KillClient { mount: "/a".into(), id: 7 })));
    let title = Task::Metadata { mount: "/a".into(), title: "A wren & 1".into() };
    assert_eq!(ask("GET", "/admin/metadata?mount=/a&mode=updinfo&song=A+wren%20%26+1"), Ok(Route::Admin(title)));
    refused("GET", "/admin/killclient?mount=/a&id=x", 400);
    refused("GET", "/admin/listclients", 400);
    refused("POST", "/mic-1.opus", 405);
    assert_eq!(mount("/mic-1.opus?a=b"), Ok("/mic-1.opus".to_owned()));
    for (target, status) in [("/", 403), ("/live/a.opus", 403), ("/index.html", 403), ("/a/../b", 400), ("*", 400)] {
        assert_eq!(mount(target).map_err(|refusal| refusal.status.code()), Err(status), "{target}");
    }
}
