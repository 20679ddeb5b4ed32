//! Programs that people use, against the page: curl, wget, ffmpeg, ffprobe, Python's zipfile, and VLC's way of asking.

mod page_rig;

use std::io::{Read, Write};
use std::process::{Command, Output};

use page_rig::{RATE, Reply, Site, read, samples, wav};
use soundpost::web::auth;

#[track_caller]
fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn curl() {
    let site = Site::new();
    let (url, file) = (site.url("/stream/a.wav"), read(&site.file("a.wav")));
    assert_eq!(run("curl", &["-sSf", &url]).stdout, file);
    assert_eq!(run("curl", &["-sSf", "-r", "100-199", &url]).stdout, &file[100..200]);
    assert_eq!(run("curl", &["-sSf", "-r", "-100", &url]).stdout, &file[file.len() - 100..]);
    let head = String::from_utf8(run("curl", &["-sSfI", &url]).stdout).expect("text");
    assert!(head.contains(&format!("Content-Length: {}\r\n", file.len())), "{head}");
    // The rest of what is there in part.
    let part = site.file("part");
    std::fs::write(&part, &file[..12_345]).expect("written");
    run("curl", &["-sSf", "-C", "-", "-o", part.to_str().expect("text"), &url]);
    assert_eq!(read(&part), file);
    let days = run("curl", &["-sSf", "--compressed", &site.url("/api/days/2026-05-22")]).stdout;
    assert!(serde_json::from_slice::<serde_json::Value>(&days).is_ok());
    // A body that is announced before it is sent.
    let mark =
        ["-sSf", "-X", "PUT", "-H", "Expect: 100-continue", "-d", "{\"reviewed\":true}", &site.url("/api/files/a.wav/reviewed")];
    assert!(String::from_utf8(run("curl", &mark).stdout).expect("text").contains("\"reviewed\":true"));
    for path in ["/stream/../a.wav", "/stream/..%2fa.wav"] {
        let code = run("curl", &["-s", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", &site.url(path)]).stdout;
        assert_eq!(code, b"400", "{path}");
    }
}

#[test]
fn curl_with_a_password() {
    let site = Site::locked(&auth::hash("grün:x".as_bytes(), [1; 16]).expect("a hash"));
    let url = site.url("/stream/a.wav");
    let code = |args: &[&str]| {
        let all = [&["-s", "-o", "/dev/null", "-w", "%{http_code}", &url], args].concat();
        String::from_utf8(run("curl", &all).stdout).expect("text")
    };
    assert_eq!(
        (code(&[]).as_str(), code(&["-u", "me:wrong"]).as_str(), code(&["-u", "me:grün:x"]).as_str()),
        ("401", "401", "200")
    );
}

#[test]
fn wget_goes_on() {
    let site = Site::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (path, file) = (folder.path().join("a.wav"), read(&site.file("a.wav")));
    std::fs::write(&path, &file[..54_321]).expect("written");
    run("wget", &["-q", "-c", "-P", folder.path().to_str().expect("text"), &site.url("/download/a.wav")]);
    assert_eq!(read(&path), file);
}

#[test]
fn ffmpeg_seeks() {
    let site = Site::new();
    let long = samples(120 * RATE);
    std::fs::write(site.file("long.wav"), wav(&long)).expect("written");
    let url = site.url("/stream/long.wav");
    let probe = ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", &url];
    let duration = String::from_utf8(run("ffprobe", &probe).stdout).expect("text");
    assert_eq!(duration.trim(), "120.000000");
    let pcm = run("ffmpeg", &["-v", "error", "-ss", "100", "-i", &url, "-t", "1", "-f", "s16le", "-"]).stdout;
    assert!(pcm == long[100 * 2 * RATE as usize..101 * 2 * RATE as usize], "{} bytes", pcm.len());
    let growing =
        run("ffprobe", &["-v", "error", "-show_entries", "stream=sample_rate", "-of", "csv=p=0", &site.url("/stream/open.wav")]);
    assert_eq!(String::from_utf8(growing.stdout).expect("text").trim(), "48000");
}

/// As VLC reads a file: everything from some place on, left in the middle for another place whenever somebody seeks.
#[test]
fn a_player_that_seeks_as_vlc_does() {
    let site = Site::new();
    let file = read(&site.file("a.wav"));
    let ask = |from: usize| {
        let mut stream = site.connect();
        let lines = "User-Agent: VLC/3.0.18 LibVLC/3.0.18\r\nAccept: */*\r\nAccept-Language: en_US\r\nIcy-MetaData: 1";
        let host = format!("Host: 127.0.0.1:{}", site.port);
        write!(stream, "GET /stream/a.wav HTTP/1.1\r\n{host}\r\n{lines}\r\nRange: bytes={from}-\r\n\r\n").expect("sent");
        stream
    };
    // The beginning, the end for what may stand there, and then wherever the slider goes.
    let places = [0, file.len() - 128, file.len() - 1].into_iter().chain((0..60).map(|n| n * 7_919 * 44 % file.len()));
    for from in places {
        let mut stream = ask(from);
        let mut some = vec![0; 16 << 10];
        let mut filled = 0;
        while filled < some.len() {
            match stream.read(&mut some[filled..]).expect("read") {
                0 => break,
                count => filled += count,
            }
        }
        let reply = Reply::of(&some[..filled]);
        let range = format!("bytes {from}-{}/{}", file.len() - 1, file.len());
        assert_eq!((reply.status, reply.line("content-range")), (206, Some(range.as_str())), "from {from}");
        assert_eq!(reply.body, file[from..from + reply.body.len()], "from {from}");
        assert!(reply.body.len() == file.len() - from || filled == some.len(), "from {from}: {} bytes", reply.body.len());
    }
    let behind = Reply::read(&mut ask(file.len()));
    assert_eq!((behind.status, behind.line("content-range")), (416, Some(format!("bytes */{}", file.len()).as_str())));
    assert_eq!(site.get("/stream/a.wav").body, file);
}

#[test]
fn a_zip_opens() {
    let site = Site::new();
    let path = site.folder.path().join("export.zip");
    let url = site.url("/api/export.zip?name=a.wav&name=open.wav");
    run("curl", &["-sSf", "-o", path.to_str().expect("text"), &url]);
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                  for i in z.infolist(): print(i.filename, i.file_size, '%04d-%02d-%02d %02d:%02d' % i.date_time[:5])";
    let listing = String::from_utf8(run("python3", &["-c", script, path.to_str().expect("text")]).stdout).expect("text");
    let size = |name: &str| read(&site.file(name)).len();
    let lines: Vec<&str> = listing.lines().collect();
    assert_eq!(lines.len(), 6, "{listing}");
    assert_eq!(lines[0], format!("a.wav {} 2026-05-22 04:00", size("a.wav")));
    assert!(lines[1].starts_with("analyses/a.wav.analysis.json 2 ") && lines[2].starts_with("a.wav.events.csv "), "{listing}");
    assert_eq!(lines[3], format!("open.wav {} 2026-05-22 04:00", size("open.wav")));
}

#[test]
fn a_password_hash_from_the_command_line() {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_soundpost"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    child.stdin.take().expect("piped").write_all(b"secret words\n").expect("written");
    let output = child.wait_with_output().expect("ended");
    let line = String::from_utf8(output.stdout).expect("text");
    let hash = line.trim().strip_prefix("password_hash = ").expect("the line for the file");
    assert!(auth::verify(hash, b"secret words") && !auth::verify(hash, b"secret"), "{line}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("secret"));
}
