//! Texts of servers: titles between the sound, playlists, HLS lists, addresses.

use soundpost::format::clock_reference;
use soundpost::format::hls as lists;
use soundpost::format::icy::{self, Deinterleaver, Step};
use soundpost::format::playlist::{self, Kind, Playlist};
use soundpost::format::uri::resolve;
use soundpost::policy::hls::{Follower, List, Next, Segment};
use soundpost::time::{Mono, SECOND_NS};

use super::{Left, piece};

/// The first two bytes say how many bytes of sound stand between titles; the rest is what the server sends. Every byte is passed
/// once, in pieces of any size, and titles are short lines.
pub fn icy(bytes: &[u8]) -> Left {
    let Some((&[high, low], wire)) = bytes.split_first_chunk::<2>() else { return Left::Nothing };
    let every = u32::from(u16::from_be_bytes([high, low])) % 1_000;
    let whole = taken_apart(every, wire, usize::MAX);
    assert_eq!(taken_apart(every, wire, piece(bytes)), whole, "in pieces of {}", piece(bytes));
    let (sound, titles) = &whole;
    assert!(sound.len() <= wire.len() && titles.iter().all(|(at, title)| *at <= sound.len() && is_a_title(title)), "{titles:?}");
    assert!(titles.windows(2).all(|two| two[0].1 != two[1].1), "a title is said once");
    assert!(icy::title(wire).is_none_or(|title| is_a_title(&title)));
    let _ = icy::interval(&String::from_utf8_lossy(wire));
    assert!(icy::readable(wire, 40).len() <= 40);
    Left::of(!titles.is_empty())
}

/// The sound, and the titles with the number of its bytes before them.
fn taken_apart(every: u32, wire: &[u8], piece: usize) -> (Vec<u8>, Vec<(usize, String)>) {
    let (mut icy, mut sound, mut titles) = (Deinterleaver::new(every), Vec::new(), Vec::new());
    for mut piece in wire.chunks(piece.min(wire.len()).max(1)) {
        while !piece.is_empty() {
            let room = icy.room();
            let taken = match icy.step(piece) {
                Step::Audio(n) => {
                    sound.extend_from_slice(&piece[..n]);
                    n
                }
                Step::Meta { bytes, title } => {
                    titles.extend(title.map(|title| (sound.len(), title.to_string())));
                    bytes
                }
            };
            assert!(taken > 0 && taken <= piece.len() && taken <= room, "{taken} of {} with room for {room}", piece.len());
            piece = &piece[taken..];
        }
    }
    (sound, titles)
}

fn is_a_title(title: &str) -> bool {
    !title.is_empty() && title.len() <= 512 && !title.contains(char::is_control)
}

/// As every kind of list: what comes out can be connected to, is no long list, and means the same wherever it is read.
pub fn playlist(bytes: &[u8]) -> Left {
    const BASE: &str = "http://host:8000/a/b?c#d";
    let mut left = Left::Nothing;
    for kind in [Kind::M3u, Kind::Pls, Kind::Xspf] {
        let Playlist::Entries(entries) = playlist::read(kind, bytes, BASE) else { continue };
        assert!(entries.len() <= 32, "{} entries", entries.len());
        for (n, url) in entries.iter().enumerate() {
            assert!(url.chars().all(|c| c.is_ascii_graphic()), "{url:?}");
            assert!(!entries[..n].contains(url), "{url} twice");
            assert_eq!(&resolve("https://other/x/y", url), url, "an absolute address");
            left = Left::Whole;
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let (base, reference) = text.split_once('\n').unwrap_or((BASE, &text));
    let _ = resolve(base, reference);
    let first = &bytes[..bytes.len().min(playlist::SNIFF_BYTES)];
    for told in [None, Some("audio/x-scpls"), Some(base)] {
        let _ = playlist::recognise(told, reference, first);
        let _ = playlist::is_doubtful(told, reference);
    }
    left
}

/// As what chronyd and gpsd tell: names are short and plain, numbers are numbers, and nothing good is told of nobody.
pub fn clock_reference(bytes: &[u8]) -> Left {
    let text = String::from_utf8_lossy(bytes);
    let told = [clock_reference::chrony(&text), clock_reference::gpsd(&text)];
    for it in told.iter().flatten() {
        assert!(it.id.len() <= 64 && it.id.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{it:?}");
        assert!(it.offset_s.is_none_or(f64::is_finite) && it.stratum.is_none_or(|stratum| (1..=16).contains(&stratum)), "{it:?}");
    }
    Left::of(told.iter().flatten().any(|it| it.is_good))
}

/// Lists with a zero byte between them, as a server would show them one after the other: each reads, and whoever follows them
/// takes every segment once.
pub fn hls(bytes: &[u8]) -> Left {
    let (mut follower, mut now, mut taken, mut left) = (Follower::default(), Mono(0), None, Left::Nothing);
    for text in bytes.split(|&b| b == 0).take(6).map(String::from_utf8_lossy) {
        let _ = lists::is_hls(&text);
        now = now.plus_ns(3 * SECOND_NS);
        let media = match lists::parse(&text) {
            Ok(lists::Playlist::Media(media)) => media,
            Ok(lists::Playlist::Master(master)) => {
                let _ = master.choose();
                continue;
            }
            Err(_) => continue,
        };
        assert!(media.segments.len() <= lists::media::MAX_SEGMENTS && (100..=600_000).contains(&media.target_ms));
        assert!(media.segments.iter().all(|s| !s.uri.is_empty() && s.duration_ms <= 600_000));
        let name = |s: &lists::Segment| s.uri.bytes().fold(7, |n: u64, b| n.wrapping_mul(31).wrapping_add(b.into()));
        let segments: Vec<_> = media.segments.iter().map(|s| Segment { duration_ms: s.duration_ms, name: name(s) }).collect();
        let whole = media.kind != lists::Kind::Live;
        follow(
            &mut follower,
            List { sequence: media.sequence, segments: &segments, target_ms: media.target_ms, ended: media.ended, whole },
            now,
            &mut taken,
        );
        if !segments.is_empty() {
            left = Left::Whole;
        }
    }
    left
}

/// Until the list has nothing more; `taken` is the number of the last segment.
fn follow(follower: &mut Follower, list: List, now: Mono, taken: &mut Option<u64>) {
    follower.loaded(&list, now);
    // Every segment, and what may be said once beside them.
    for _ in 0..list.segments.len() + 8 {
        match follower.next(&list, now) {
            Next::Fetch(index) => {
                let number = list.sequence.saturating_add(index as u64);
                assert!(index < list.segments.len() && taken.is_none_or(|last| number > last), "{number} after {taken:?}");
                *taken = Some(number);
                follower.taken(&list, index, now);
            }
            Next::Lost(n) => assert!(n > 0),
            Next::Anew => *taken = None,
            Next::Reload(_) | Next::Ended => return,
        }
    }
    panic!("the list has no end");
}
