//! HLS from ffmpeg's own segments to plain ADTS and MP3, over demuxers alone and over a server on this machine.

#[path = "common/web.rs"]
mod web;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use soundpost::device::clock::SimulatedClock;
use soundpost::device::stream::hls::HlsStation;
use soundpost::device::stream::{Agent, Heard, Limits, Options, Settings, Station};
use soundpost::device::{Fault, FaultKind};
use soundpost::format::hls::{self, Playlist};
use soundpost::format::{fmp4, id3, mpegts};
use soundpost::time::{Mono, Wall};
use web::{Visit, Web};

fn ffmpeg(folder: &Path, args: &str) {
    let mut command = Command::new("ffmpeg");
    command.current_dir(folder).args(["-v", "error", "-nostdin", "-y"]).args(args.split_whitespace());
    let out = command.output().expect("ffmpeg is installed");
    assert!(out.status.success(), "ffmpeg {args}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Eleven seconds of sound in AAC and MP3, and the same in segments of every kind.
fn made(kinds: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let sound = "-f lavfi -i sine=f=440:r=44100:d=11,aformat=channel_layouts=stereo,tremolo=5";
    ffmpeg(folder.path(), &format!("{sound} -c:a aac -b:a 96k -f adts sound.aac"));
    ffmpeg(folder.path(), &format!("{sound} -c:a libmp3lame -b:a 96k -id3v2_version 0 -write_xing 0 -f mp3 sound.mp3"));
    let hls = "-f hls -hls_time 2 -hls_list_size 0";
    for kind in kinds {
        let args = match *kind {
            "ts" => format!("-i sound.aac -c copy {hls} -hls_segment_filename ts%d.ts ts.m3u8"),
            "mp3ts" => format!("-i sound.mp3 -c copy {hls} -hls_segment_filename mp3ts%d.ts mp3ts.m3u8"),
            "fmp4" => format!(
                "-i sound.aac -c copy -bsf:a aac_adtstoasc {hls} -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4 -hls_segment_filename fmp4%d.m4s fmp4.m3u8"
            ),
            "range" => format!(
                "-i sound.aac -c copy -bsf:a aac_adtstoasc {hls} -hls_segment_type fmp4 -hls_flags single_file range.m3u8"
            ),
            "packed" => {
                "-i sound.aac -c copy -f segment -segment_time 2 -segment_list packed.m3u8 -segment_format adts packed%d.aac"
                    .to_owned()
            }
            "video" => format!(
                "-f lavfi -i testsrc=s=64x48:r=10:d=11 -i sound.aac -c:v mpeg2video -c:a copy {hls} -hls_segment_filename video%d.ts video.m3u8"
            ),
            "both" => format!(
                "-f lavfi -i testsrc=s=64x48:r=10:d=11 -i sound.aac -c:v mpeg4 -c:a copy -bsf:a aac_adtstoasc {hls} -hls_segment_type fmp4 -hls_fmp4_init_filename both.mp4 -hls_segment_filename both%d.m4s both.m3u8"
            ),
            other => panic!("{other}"),
        };
        ffmpeg(folder.path(), &args);
    }
    folder
}

/// ffmpeg's own way from the list to a bare stream.
fn reference(folder: &Path, kind: &str) -> Vec<u8> {
    if kind == "mp3ts" {
        ffmpeg(folder, &format!("-i {kind}.m3u8 -map 0:a -c copy -id3v2_version 0 -write_xing 0 -f mp3 {kind}.ref"));
    } else {
        ffmpeg(folder, &format!("-i {kind}.m3u8 -map 0:a -c copy -f adts {kind}.ref"));
    }
    fs::read(folder.join(format!("{kind}.ref"))).expect("the reference")
}

/// ADTS frames by their own lengths; anything else as one.
fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let &[0xFF, 0xF1, _, b3, b4, b5, ..] = bytes {
        let length = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
        let (frame, rest) = bytes.split_at(length.clamp(7, bytes.len()));
        found.push(frame);
        bytes = rest;
    }
    found.push(bytes);
    found
}

#[track_caller]
fn same(what: &str, found: &[u8], want: &[u8]) {
    let (found_frames, want_frames) = (frames(found), frames(want));
    let first = found_frames.iter().zip(&want_frames).position(|(a, b)| a != b);
    assert_eq!(first, None, "{what}: the first frame that differs, of {} and {}", found_frames.len(), want_frames.len());
    assert_eq!(found.len(), want.len(), "{what}: {} and {} frames", found_frames.len(), want_frames.len());
}

/// The files that the list names, with its EXT-X-MAP in front.
fn segments(folder: &Path, kind: &str) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
    let text = fs::read_to_string(folder.join(format!("{kind}.m3u8"))).expect("the list");
    let Ok(Playlist::Media(media)) = hls::parse(&text) else { panic!("no media playlist: {text}") };
    let read = |uri: &str| fs::read(folder.join(uri)).expect("a segment");
    let map = media.segments.first().and_then(|s| s.map).map(|map| read(map.uri));
    (map, media.segments.iter().map(|s| read(s.uri)).collect())
}

#[test]
fn demuxers_give_what_ffmpeg_gives_whatever_the_pieces() {
    let folder = made(&["ts", "mp3ts", "fmp4", "video", "both"]);
    for kind in ["ts", "mp3ts", "video", "fmp4", "both"] {
        let want = reference(folder.path(), kind);
        assert!(want.len() > 60_000, "{kind}: {} bytes", want.len());
        let (map, segments) = segments(folder.path(), kind);
        assert!(segments.len() >= 4, "{kind}: {} segments", segments.len());
        for piece in [1, 7, 188, 4096] {
            let (mut ts, mut mp4, mut out) = (mpegts::Demuxer::default(), fmp4::Demuxer::default(), Vec::new());
            let mut sink = |bytes: &[u8]| out.extend_from_slice(bytes);
            if let Some(map) = &map {
                map.chunks(piece).for_each(|bytes| mp4.push(bytes, &mut sink).expect("a header"));
            }
            for segment in &segments {
                mp4.begin(0);
                for bytes in segment.chunks(piece) {
                    if map.is_some() { mp4.push(bytes, &mut sink) } else { ts.push(bytes, &mut sink) }.expect("a segment");
                }
            }
            same(&format!("{kind} in pieces of {piece}"), &out, &want);
            assert_eq!(ts.counts(), mpegts::Counts::default(), "{kind}");
        }
    }
}

/// Short, so that tests are.
fn agent() -> Agent {
    let ms = Duration::from_millis;
    let limits = Limits {
        resolve: ms(5_000),
        turn: ms(2_000),
        connect: ms(1_500),
        first_byte: ms(1_500),
        read: ms(700),
        write: ms(1_000),
    };
    let clock = Arc::new(SimulatedClock::new(Mono(0), Wall(0), true));
    Agent::new(Options { ca_file: None, clock, limits }).expect("an agent")
}

fn station(url: String, stop: &Arc<AtomicBool>) -> HlsStation {
    HlsStation::new(&agent(), Settings { urls: vec![url], username: None, password: None }, Arc::clone(stop))
}

/// All of one connection, and how it ended.
fn hear(station: &mut HlsStation, space: usize) -> (Vec<u8>, Vec<String>, Result<(), Fault>) {
    let (mut sound, mut titles, mut space) = (Vec::new(), Vec::new(), vec![0; space]);
    loop {
        match station.read(&mut space) {
            Ok(Heard::Bytes(n)) => sound.extend(&space[..n]),
            Ok(Heard::Title(title)) => titles.push(title.to_string()),
            Ok(Heard::End) => return (sound, titles, Ok(())),
            Err(fault) => return (sound, titles, Err(fault)),
        }
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn missing() -> Vec<u8> {
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
}

/// What the request's Range asks for, if `obey`.
fn file(visit: &Visit, body: &[u8], obey: bool) -> Vec<u8> {
    let range = visit.request.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let Some((first, last)) = range.as_deref().filter(|_| obey).and_then(|range| range.split_once('-')) else { return ok(body) };
    let (first, last): (usize, usize) = (first.parse().expect("a number"), last.parse().expect("a number"));
    let (part, whole) = (&body[first..=last.min(body.len() - 1)], body.len());
    let head = format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{whole}\r\n");
    [format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", part.len()).as_bytes(), part].concat()
}

#[test]
fn whole_lists_over_http() {
    let kinds = ["ts", "mp3ts", "fmp4", "range", "packed", "video"];
    let folder = made(&kinds);
    let path = folder.path().to_owned();
    for obey in [true, false] {
        let path = path.clone();
        let server = Web::serve(move |mut visit| {
            let answer = match fs::read(path.join(visit.path().trim_start_matches('/'))) {
                Ok(body) => file(&visit, &body, obey),
                Err(_) => missing(),
            };
            visit.send(answer)
        });
        for kind in kinds {
            let mut station = station(server.url(&format!("/{kind}.m3u8")), &Arc::default());
            let connected = station.connect().unwrap_or_else(|fault| panic!("{kind}: {fault}"));
            assert!(connected.stall > Duration::from_secs(10), "{connected:?}");
            let (sound, _, end) = hear(&mut station, 1_000);
            assert_eq!(end, Ok(()), "{kind}");
            same(kind, &sound, &reference(folder.path(), kind));
        }
    }
}

/// A list that changes with time, of segments of plain ADTS: what it serves is told by how long it runs.
struct Live {
    segments: Vec<Vec<u8>>,
    step: Duration,
    window: usize,
    began: Mutex<Option<Instant>>,
}

impl Live {
    fn new(count: usize, step: Duration, window: usize) -> Arc<Live> {
        let folder = made(&[]);
        let sound = fs::read(folder.path().join("sound.aac")).expect("sound");
        let frames = frames(&sound);
        let segments = frames.chunks((frames.len() / count).max(1)).take(count).map(<[_]>::concat).collect();
        Arc::new(Live { segments, step, window, began: Mutex::default() })
    }

    /// How many segments there are by now; the clock starts with the first request.
    fn now(&self) -> usize {
        let began = *self.began.lock().expect("no panic").get_or_insert_with(Instant::now);
        let steps = began.elapsed().as_nanos() / self.step.as_nanos();
        (self.window + steps as usize).min(self.segments.len())
    }

    /// The list that ends with segment `end`, as if its first number were `offset`.
    fn list(&self, end: usize, offset: usize) -> String {
        let first = end.saturating_sub(self.window);
        let seconds = self.step.as_secs_f64();
        let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{seconds}\n#EXT-X-MEDIA-SEQUENCE:{}\n", first + offset);
        let lines = (first..end).map(|n| format!("#EXTINF:{seconds},Song {}\nsegment{n}.aac?ticket={end}\n", n / 10));
        let end_list = if end == self.segments.len() { "#EXT-X-ENDLIST\n" } else { "" };
        head + &lines.collect::<String>() + end_list
    }

    fn segment(&self, path: &str) -> Option<(usize, &[u8])> {
        let n: usize = path.strip_prefix("/segment")?.split('.').next()?.parse().ok()?;
        Some((n, self.segments.get(n)?))
    }
}

#[test]
fn a_window_that_slides_loses_and_doubles_nothing() {
    const STEP: Duration = Duration::from_millis(200);
    let live = Live::new(60, STEP, 14);
    let shared = Arc::clone(&live);
    let tries = Arc::new(Mutex::new(vec![0; 60]));
    let counted = Arc::clone(&tries);
    let server = Web::serve(move |mut visit| {
        if visit.path() == "/live.m3u8" {
            // Now and then a cache hands out what it had before, or nothing.
            let end = shared.now();
            return match visit.number % 11 {
                5 => visit.send(ok(shared.list(end.saturating_sub(1).max(14), 0).as_bytes())),
                8 => visit.send(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
                _ => visit.send(ok(shared.list(end, 0).as_bytes())),
            };
        }
        let Some((n, body)) = shared.segment(visit.path()) else { return visit.send(missing()) };
        let before = {
            let mut tries = counted.lock().expect("no panic");
            tries[n] += 1;
            tries[n] - 1
        };
        // The first try of some breaks off in the middle, or is refused.
        let whole = ok(body);
        match (n % 7, before) {
            (3, 0) => visit.send(&whole[..whole.len() - body.len() / 2]),
            (5, 0) => visit.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            _ => visit.send(whole),
        }
    });
    let mut station = station(server.url("/live.m3u8"), &Arc::default());
    station.connect().unwrap_or_else(|fault| panic!("{fault}"));
    let (sound, titles, end) = hear(&mut station, 777);
    assert_eq!(end, Ok(()));
    let tries = tries.lock().expect("no panic").clone();
    let joined = tries.iter().position(|&n| n > 0).expect("something was fetched");
    assert_eq!(joined, 11, "three target durations before the end");
    same("the live window", &sound, &live.segments[joined..].concat());
    for (n, tries) in tries.iter().enumerate().skip(joined) {
        assert_eq!(*tries, if [3, 5].contains(&(n % 7)) { 2 } else { 1 }, "segment {n}");
    }
    assert_eq!(titles, ["Song 1", "Song 2", "Song 3", "Song 4", "Song 5"]);
}

#[test]
fn a_connection_that_is_hung_up_goes_on_where_it_was() {
    let live = Live::new(40, Duration::from_millis(200), 16);
    let shared = Arc::clone(&live);
    let server = Web::serve(move |mut visit| match shared.segment(visit.path()) {
        Some((_, body)) => visit.send(ok(body)),
        None => visit.send(ok(shared.list(shared.now(), 0).as_bytes())),
    });
    let mut station = station(server.url("/live.m3u8"), &Arc::default());
    let (mut sound, mut space) = (Vec::new(), [0; 1_500]);
    for round in 0.. {
        station.connect().unwrap_or_else(|fault| panic!("{fault}"));
        let ended = (0..5 + round % 3).any(|_| match station.read(&mut space).expect("no fault") {
            Heard::Bytes(n) => {
                sound.extend(&space[..n]);
                false
            }
            Heard::Title(_) => false,
            Heard::End => true,
        });
        if ended {
            break;
        }
        station.hang_up();
    }
    same("over many connections", &sound, &live.segments[13..].concat());
}

#[test]
fn what_ends_a_connection() {
    // The server is started again while it is heard: the numbers begin at 0 and the names are others.
    let live = Live::new(40, Duration::from_millis(200), 12);
    let shared = Arc::clone(&live);
    let server = Web::serve(move |mut visit| {
        if let Some((_, body)) = shared.segment(visit.path()) {
            return visit.send(ok(body));
        }
        let end = shared.now();
        visit.send(ok(if end < 24 { shared.list(end, 500) } else { shared.list(end, 0) }.as_bytes()))
    });
    let mut station = station(server.url("/live.m3u8"), &Arc::default());
    station.connect().unwrap_or_else(|fault| panic!("{fault}"));
    let (sound, _, end) = hear(&mut station, 4_096);
    let fault = end.expect_err("it counts anew");
    assert!(fault.kind == FaultKind::Retry && fault.what.contains("counts its segments anew"), "{fault:?}");
    assert!(live.segments[9..].concat().starts_with(&sound), "whole segments up to there");
    station.connect().unwrap_or_else(|fault| panic!("{fault}"));
    let (rest, _, end) = hear(&mut station, 4_096);
    assert_eq!(end, Ok(()));
    assert!(live.segments.concat().ends_with(&rest) && rest.len() > 10_000);
}

#[test]
fn another_codec_is_another_connection() {
    let folder = made(&["ts", "mp3ts"]);
    let (aac, mp3) = (reference(folder.path(), "ts"), reference(folder.path(), "mp3ts"));
    let list = |kind: &str| fs::read_to_string(folder.path().join(format!("{kind}.m3u8"))).expect("a list");
    let both = list("ts").replace("#EXT-X-ENDLIST", "#EXT-X-DISCONTINUITY");
    let tail: String =
        list("mp3ts").lines().filter(|l| !l.starts_with("#EXT-X-") && *l != "#EXTM3U").map(|l| format!("{l}\n")).collect();
    fs::write(folder.path().join("both.m3u8"), both + &tail + "#EXT-X-ENDLIST\n").expect("written");
    let path = folder.path().to_owned();
    let server = Web::serve(move |mut visit| {
        let body = fs::read(path.join(visit.path().trim_start_matches('/')));
        visit.send(body.map_or_else(|_| missing(), |body| ok(&body)))
    });
    let mut station = station(server.url("/both.m3u8"), &Arc::default());
    station.connect().unwrap_or_else(|fault| panic!("{fault}"));
    let (sound, _, end) = hear(&mut station, 4_096);
    same("the first connection", &sound, &aac);
    let fault = end.expect_err("MP3 follows");
    assert!(fault.what.contains("goes on in MPEG audio instead of AAC"), "{fault}");
    station.connect().unwrap_or_else(|fault| panic!("{fault}"));
    let (sound, _, end) = hear(&mut station, 4_096);
    assert_eq!((sound == mp3, end), (true, Ok(())), "the second connection");
}

#[test]
fn whoever_waits_can_be_stopped() {
    let server = Web::answer(ok(b"#EXTM3U\n#EXT-X-TARGETDURATION:60\n#EXT-X-MEDIA-SEQUENCE:0\n"));
    let stop = Arc::new(AtomicBool::new(false));
    let mut station = station(server.url("/live.m3u8"), &stop);
    station.connect().unwrap_or_else(|fault| panic!("{fault}"));
    let asked = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let (sound, _, end) = hear(&mut station, 100);
    let after = asked.join().expect("no panic").elapsed();
    assert!(sound.is_empty() && end.is_err() && after < Duration::from_millis(500), "{end:?} after {after:?}");
}

#[test]
fn what_cannot_be_recorded_is_said_in_one_line() {
    let list = |lines: &str| ok(format!("#EXTM3U\n{lines}\n#EXT-X-ENDLIST\n").as_bytes());
    let check = |list: Vec<u8>, segment: Vec<u8>, kind: FaultKind, part: &str| {
        let server = Web::serve(move |mut visit| {
            let is_list = visit.path() == "/live.m3u8";
            visit.send(if is_list { &list } else { &segment })
        });
        let mut station = station(server.url("/live.m3u8"), &Arc::default());
        let fault = station.connect().and_then(|_| hear(&mut station, 100).2).expect_err(part);
        assert!(fault.kind == kind && fault.what.contains(part), "{fault:?}, not {kind:?} {part}");
        assert!(!fault.what.contains('\n'), "one line: {fault:?}");
    };
    let plain = "#EXT-X-TARGETDURATION:0.4\n#EXTINF:1,\na.ts";
    check(missing(), missing(), FaultKind::Gone, "404");
    check(ok(b"<html>"), missing(), FaultKind::Refused, "does not begin with #EXTM3U");
    check(list("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\na.ts"), missing(), FaultKind::Refused, "the stream is encrypted");
    check(list("#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"ec-3\"\na.m3u8"), missing(), FaultKind::Refused, "no variant");
    check(list(plain), missing(), FaultKind::Gone, "404");
    check(list(plain), ok(b"<html>there is nothing here</html>"), FaultKind::Refused, "neither a transport stream");
    check(list("#EXT-X-MAP:URI=\"m.mp4\"\n#EXTINF:1,\na.ts"), ok(b"<html>nothing</html>"), FaultKind::Refused, "MP4");
}

/// Numbers that are the same for a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }

    /// A few bytes changed, removed, doubled or inserted.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(6) {
            let at = self.below(bytes.len());
            let end = (at + 1 + self.below(40)).min(bytes.len());
            match self.below(6) {
                0 => drop(bytes.drain(at..end)),
                1 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                2 => bytes[at..end].fill(0xFF),
                3 => bytes.truncate(end),
                4 if end - at >= 4 => bytes[at..at + 4].fill([0, 0x7F, 0x80, 0xFF][self.below(4)]),
                _ => bytes[at] = self.below(256) as u8,
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
    }
}

fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// 20,000 spoilt lists, transport streams and MP4s each: never a panic, never more bytes than can be, never much memory.
#[test]
fn spoilt_bytes_do_no_harm() {
    const ROUNDS: u64 = 20_000;
    let folder = made(&["ts", "fmp4", "range"]);
    let text = fs::read(folder.path().join("range.m3u8")).expect("a list");
    let master = b"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"x.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"mp4a.40.2\",AUDIO=\"a\"\ny\n";
    let head = |bytes: &[u8]| bytes[..bytes.len().min(6_000)].to_vec();
    let ts = head(&segments(folder.path(), "ts").1[0]);
    let (map, fragments) = segments(folder.path(), "fmp4");
    let mp4 = [map.expect("a header"), head(&fragments[0])].concat();
    let tag = b"ID3\x04\0\0\0\0\0\x1fTIT2\0\0\0\x05\0\0\x03SongTPE1\0\0\0\x05\0\0\x03Band".to_vec();
    let before = peak_kb();
    let (mut parsed, mut ts_bytes, mut mp4_bytes) = (0, 0, 0);
    for seed in 0..ROUNDS {
        let mut dice = Dice((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut spoilt = if seed % 8 == 0 { master.to_vec() } else { text.clone() };
        dice.spoil(&mut spoilt);
        match hls::parse(&String::from_utf8_lossy(&spoilt)) {
            Ok(Playlist::Media(media)) => parsed += usize::from(!media.segments.is_empty()),
            Ok(Playlist::Master(master)) => drop(master.choose()),
            Err(_) => {}
        }
        let (mut spoilt, piece) = (ts.clone(), 1 + dice.below(400));
        dice.spoil(&mut spoilt);
        let (mut demuxer, mut out) = (mpegts::Demuxer::default(), 0);
        let _ = spoilt.chunks(piece).try_for_each(|bytes| demuxer.push(bytes, &mut |b| out += b.len()));
        assert!(out <= spoilt.len(), "seed {seed}");
        ts_bytes += out;
        let mut spoilt = mp4.clone();
        dice.spoil(&mut spoilt);
        let (mut demuxer, mut out) = (fmp4::Demuxer::default(), 0);
        let _ = spoilt.chunks(piece).try_for_each(|bytes| demuxer.push(bytes, &mut |b| out += b.len()));
        assert!(out <= 8 * spoilt.len(), "seed {seed}");
        mp4_bytes += out;
        let mut spoilt = tag.clone();
        dice.spoil(&mut spoilt);
        let _ = (id3::tag_bytes(&spoilt), id3::title(&spoilt));
    }
    let grown = peak_kb().saturating_sub(before);
    println!("{parsed} lists with segments, {ts_bytes} bytes out of TS, {mp4_bytes} out of MP4, {grown} kB more memory");
    assert!(grown < 8 << 10, "{grown} kB");
    assert!(parsed > 2_000 && ts_bytes > 20_000_000 && mp4_bytes > 10_000_000, "the mutations are too wild to show anything");
}
