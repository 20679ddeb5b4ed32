//! Whatever happens on the way, what was sent stands there once, bit for bit, in servers of others' making: S3 that checks signatures
//! and checksums, WebDAV by rclone, PUT to nginx, and a folder.

mod upload_rig;

use std::collections::BTreeMap;

use soundpost::device::remote::{Folder, Manner, Put, Remote, Trouble, WebDav};
use soundpost::device::stream::Auth;
use soundpost::policy::outbox::State;
use upload_rig::line::{Fault, Line};
use upload_rig::{S3Server, Sender, client, cloud, files, insist, nginx, rclone, send, sha256};

const PART: u64 = 64 << 10;

/// As random as a compressed recording.
fn sound(seed: u64, bytes: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 24) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Of every length that matters: none, one byte, one part less a byte, parts exactly, several and a rest.
fn parcels() -> Vec<(String, Vec<u8>)> {
    [0, 1, PART as usize - 1, PART as usize, 3 * PART as usize, 700_001]
        .into_iter()
        .enumerate()
        .map(|(n, bytes)| (format!("site=A b/source=mic+ü/date=2026-05-2{n}/r_{n}.flac"), sound(n as u64 + 1, bytes)))
        .collect()
}

fn more() -> Vec<(String, Vec<u8>)> {
    (0..30).map(|n| (format!("more/{n}.flac"), sound(100 + n, 450_000))).collect()
}

fn all() -> Vec<(String, Vec<u8>)> {
    parcels().into_iter().chain(more()).collect()
}

fn expected(parcels: &[(String, Vec<u8>)]) -> BTreeMap<String, String> {
    parcels.iter().map(|(key, bytes)| (key.clone(), sha256(bytes))).collect()
}

/// Faults of every kind, so far behind the beginning of a connection.
fn trials(places: [usize; 5]) -> Vec<Fault> {
    let mut trials = Vec::new();
    for at in places {
        trials.extend([
            Fault::CutAfter(at),
            Fault::Flip(at),
            Fault::Answer(503, at),
            Fault::CutAnswer(at),
            Fault::None,
            Fault::Answer(507, at),
            Fault::Slow(12_000),
            Fault::CutAfter(at + 2_000),
        ]);
    }
    trials.push(Fault::Stall(50_000));
    trials
}

/// Sends everything over a line that fails until the script is through; how often something went wrong.
fn through_trials(line: &Line, mut open: impl FnMut() -> Box<dyn Remote>) -> usize {
    let mut count = 0;
    let mut remote = open();
    for (n, (key, bytes)) in parcels().iter().enumerate() {
        if n % 2 == 1 {
            remote = open(); // as after a restart
        }
        let (receipt, troubles) = insist(&mut *remote, key, bytes);
        assert_eq!(receipt.key, *key);
        count += troubles.len();
    }
    // Whatever is left of the script: others, each over a new connection.
    for (key, bytes) in more() {
        let (receipt, troubles) = insist(&mut *open(), &key, &bytes);
        assert_eq!(receipt.key, key);
        count += troubles.len();
    }
    assert_eq!(line.left(), 0, "every fault has happened");
    count
}

#[test]
fn s3_through_all_trials() {
    let server = S3Server::start();
    let line = Line::to(server.port(), trials([0, 700, 20_000, 40_000, 60_000]));
    let failed = through_trials(&line, || Box::new(server.remote(line.port, PART)));
    assert!(failed > 15, "{failed} attempts failed");
    assert_eq!(server.listing(), expected(&all()));
}

#[test]
fn webdav_through_all_trials() {
    let place = tempfile::tempdir().expect("a folder");
    let server = rclone(place.path());
    let line = Line::to(server.port, trials([0, 700, 30_000, 100_000, 400_000]));
    let url = format!("http://u:p@127.0.0.1:{}/up load", line.port);
    let failed = through_trials(&line, || Box::new(WebDav::new(&url, None, client(), PART, true)));
    assert!(failed > 15, "{failed} attempts failed");
    let found = files(&place.path().join("up load"));
    assert_eq!(found, expected(&all()));
}

#[test]
fn nextcloud_through_all_trials() {
    let place = tempfile::tempdir().expect("a folder");
    let server = cloud(place.path());
    let line = Line::to(server.port, trials([0, 700, 20_000, 40_000, 60_000]));
    let url = format!("http://ann:pw@127.0.0.1:{}/remote.php/dav/files/ann/field", line.port);
    let failed = through_trials(&line, || Box::new(WebDav::new(&url, None, client(), PART, true)));
    assert!(failed > 15, "{failed} attempts failed");
    assert_eq!(files(&place.path().join("files/ann/field")), expected(&all()));
    assert_eq!(files(&place.path().join("uploads")), BTreeMap::new(), "no chunk is left");
}

/// Nextcloud forgets nothing that it was sent: whoever was cut off in a long file goes on where he was.
#[test]
fn nextcloud_goes_on_at_the_chunk_that_is_missing() {
    let place = tempfile::tempdir().expect("a folder");
    let server = cloud(place.path());
    let open = || {
        let url = format!("http://127.0.0.1:{}/remote.php/dav/files/ann", server.port);
        WebDav::new(&url, Some(Auth::new("ann", "pw")), client(), PART, true)
    };
    let body = sound(9, 10 * PART as usize + 5);
    let mut way = Sender { halt_after: Some(7 * PART + PART / 2), ..Sender::default() };
    assert_eq!(send(&mut open(), "a/long", &body, Manner::Beside, &mut way), Err(Trouble::Halted));
    let mut again = Sender::default();
    send(&mut open(), "a/long", &body, Manner::Beside, &mut again).expect("sent");
    assert_eq!(again.passed, 3 * PART + 5, "seven chunks were there");
    assert_eq!(files(&place.path().join("files/ann")), [("a/long".to_owned(), sha256(&body))].into());
}

#[test]
fn put_through_all_trials() {
    let place = tempfile::tempdir().expect("a folder");
    let root = place.path().join("www");
    let server = nginx(&root);
    let line = Line::to(server.port, trials([0, 700, 30_000, 100_000, 400_000]));
    let url = format!("http://127.0.0.1:{}/", line.port);
    let failed = through_trials(&line, || Box::new(Put::new(&url, None, client(), true)));
    assert!(failed > 15, "{failed} attempts failed");
    assert_eq!(files(&root), expected(&all()));
}

#[test]
fn a_folder_gets_the_same() {
    let place = tempfile::tempdir().expect("a folder");
    let mut folder = Folder::new(place.path().to_owned(), None);
    for (key, bytes) in parcels() {
        // Halted in the middle, then again.
        let mut way = Sender { halt_after: Some(bytes.len() as u64 / 2), ..Sender::default() };
        if bytes.len() > 1 {
            assert_eq!(send(&mut folder, &key, &bytes, Manner::Beside, &mut way), Err(Trouble::Halted), "{key}");
        }
        assert_eq!(insist(&mut folder, &key, &bytes).1, [""; 0]);
    }
    assert_eq!(files(place.path()), expected(&parcels()));
}

#[test]
fn s3_that_knows_md5_only_through_all_trials() {
    let server = S3Server::without_sums();
    let line = Line::to(server.port(), trials([0, 700, 20_000, 40_000, 60_000]));
    let failed = through_trials(&line, || Box::new(server.remote(line.port, PART)));
    assert!(failed > 15, "{failed} attempts failed");
    assert_eq!(server.listing(), expected(&all()));
    let (key, body) = parcels().pop().expect("some");
    let (receipt, troubles) = insist(&mut server.remote(server.port(), PART), &key, &body);
    assert_eq!((receipt.key, troubles.len(), server.listing().len()), (key, 0, all().len()), "it is found to be there");
    assert!(receipt.checksum.starts_with("md5:"), "{}", receipt.checksum);
}

/// A box without a clock of its own, which has been told no time yet, is told by the server.
#[test]
fn a_clock_that_is_wrong_is_no_hindrance() {
    use soundpost::device::clock::{Clock, RealClock};
    let server = S3Server::start();
    let body = sound(4, 3 * PART as usize);
    for wrong in [|| RealClock.look().wall.plus_ns(-86_400_000_000_000), || soundpost::time::Wall(0)] {
        let mut remote = soundpost::device::remote::S3::new(server.access(server.port(), PART), client(), wrong);
        send(&mut remote, "a", &body, Manner::Beside, &mut Sender::default()).expect("sent");
    }
    assert_eq!(server.listing(), [("a".to_owned(), sha256(&body))].into());
}

/// Whoever was cut off in a long file goes on where he was.
#[test]
fn s3_goes_on_at_the_part_that_is_missing() {
    let server = S3Server::start();
    let body = sound(9, 10 * PART as usize + 5);
    let mut way = Sender { halt_after: Some(7 * PART + PART / 2), ..Sender::default() };
    assert_eq!(send(&mut server.remote(server.port(), PART), "long", &body, Manner::Beside, &mut way), Err(Trouble::Halted));
    assert_eq!((server.unfinished(), server.listing().len()), (1, 0));
    let mut again = Sender { token: way.token, ..Sender::default() };
    send(&mut server.remote(server.port(), PART), "long", &body, Manner::Beside, &mut again).expect("sent");
    assert_eq!(again.passed, 3 * PART + 5, "seven parts were there");
    assert_eq!(again.stages.last(), Some(&State::Verifying));
    assert_eq!(server.unfinished(), 0);
    // A number that the server does not know any more costs the whole, and nothing else.
    let mut late = Sender { token: Some("other\nno-such-upload".into()), ..Sender::default() };
    let first = send(&mut server.remote(server.port(), PART), "other", &body, Manner::Beside, &mut late);
    let sent = first.or_else(|_| send(&mut server.remote(server.port(), PART), "other", &body, Manner::Beside, &mut late));
    assert_eq!(sent.expect("sent").key, "other");
    assert_eq!(server.listing(), [("long".to_owned(), sha256(&body)), ("other".to_owned(), sha256(&body))].into());
}

/// Another's file of the same name is not ours to replace; what belongs to a recording is.
#[test]
fn nobody_loses_a_file_to_another_of_its_name() {
    let server = S3Server::start();
    let place = tempfile::tempdir().expect("a folder");
    let (dav, www) = (place.path().join("dav"), place.path().join("www"));
    std::fs::create_dir_all(&dav).expect("a folder");
    let (rclone, nginx) = (rclone(&dav), nginx(&www));
    let auth = || Some(Auth::new("u", "p"));
    let remotes: [Box<dyn Remote>; 3] = [
        Box::new(server.remote(server.port(), PART)),
        Box::new(WebDav::new(&format!("http://127.0.0.1:{}", rclone.port), auth(), client(), PART, true)),
        Box::new(Put::new(&format!("http://127.0.0.1:{}", nginx.port), None, client(), true)),
    ];
    for mut remote in remotes {
        let mut key =
            |bytes: &[u8], manner| send(&mut *remote, "d/a.flac", bytes, manner, &mut Sender::default()).expect("sent").key;
        let long = sound(1, 3 * PART as usize);
        assert_eq!(key(b"one", Manner::Beside), "d/a.flac");
        assert_eq!(key(&long, Manner::Beside), "d/a-2.flac");
        assert_eq!(key(b"two", Manner::Beside), "d/a-3.flac");
        assert_eq!(key(&long, Manner::Beside), "d/a-2.flac", "it is there");
        assert_eq!(key(b"new", Manner::Instead), "d/a.flac");
    }
    let want =
        [("d/a.flac", sha256(b"new")), ("d/a-2.flac", sha256(&sound(1, 3 * PART as usize))), ("d/a-3.flac", sha256(b"two"))];
    let want: BTreeMap<String, String> = want.into_iter().map(|(key, sum)| (key.to_owned(), sum)).collect();
    assert_eq!((server.listing(), files(&dav), files(&www)), (want.clone(), want.clone(), want));
}

/// What is wrong is said in one line, and names no secret.
#[test]
fn refusals_say_what_to_do() {
    let server = S3Server::start();
    let place = tempfile::tempdir().expect("a folder");
    let rclone = rclone(place.path());
    let access = server.access(server.port(), PART);
    let wrong_key = soundpost::device::remote::Access { secret_key: "hunter2".into(), ..access.clone() };
    let wrong_bucket = soundpost::device::remote::Access { bucket: "meadow".into(), ..access };
    let s3 = |access| -> Box<dyn Remote> {
        Box::new(soundpost::device::remote::S3::new(access, client(), || {
            use soundpost::device::clock::Clock;
            soundpost::device::clock::RealClock.look().wall
        }))
    };
    let dav = format!("http://127.0.0.1:{}", rclone.port);
    let cases: [(Box<dyn Remote>, &str); 4] = [
        (s3(wrong_key), "refuses the keys"),
        (s3(wrong_bucket), "no bucket meadow"),
        (Box::new(WebDav::new(&dav, Some(Auth::new("u", "hunter2")), client(), PART, true)), "refuses the keys or the password"),
        (Box::new(Put::new("http://u:hunter2@127.0.0.1:1/", None, client(), true)), "nothing listens"),
    ];
    for (mut remote, part) in cases {
        let Err(Trouble::Target(fault)) = send(&mut *remote, "a", b"x", Manner::Instead, &mut Sender::default()) else {
            panic!("no fault for {part}");
        };
        assert!(fault.what.contains(part) && !fault.what.contains("hunter2"), "{fault}");
    }
}
