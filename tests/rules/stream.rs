//! Streams that are kept as they come: framers, writers, mending, verifying, and the first bytes of a connection.

use std::sync::Arc;

use soundpost::format::crc::crc32;
use soundpost::format::mend::{Mend, mend};
use soundpost::format::mp3;
use soundpost::format::stream::mend::verify;
use soundpost::format::stream::pass::{Pass, Passed};
use soundpost::format::stream::sniff::{ENOUGH_BYTES, Sniffed, sniff as sniffed};
use soundpost::format::stream::{Framer, Framing, Skipped, Step, Unit, Writer, container};
use soundpost::message::{Cause, ClockState, Closing, Codec, Container, Format, Identity};
use soundpost::time::Wall;

use super::{Left, piece};

/// Framed whole and in pieces, cut into files, and taken as a file that a power cut left.
pub fn stream(framing: Framing, bytes: &[u8]) -> Left {
    let piece = piece(bytes);
    let whole = feed(framing, bytes, usize::MAX, |_, _, _| {});
    let mut files = Files { every: 2 + piece % 31, ..Files::default() };
    let pieces = feed(framing, bytes, piece, |framer, unit, bytes| files.unit(framer, unit, bytes));
    assert_eq!(pieces, whole, "in pieces of {piece}");
    passed(bytes, piece);
    files.close();
    for container in containers(framing) {
        as_file(*container, bytes);
    }
    let frames = files.done.iter().any(|file| file.frames > 0);
    let mut left = Left::of(frames);
    // Checking takes long: the first and the last will do.
    for file in files.done.iter().take(2).chain(files.done.iter().skip(2).last()) {
        if file.check(framing) == Left::Chance {
            left = Left::Chance;
        }
    }
    left
}

/// On its way through a mount: what goes on is a part of what came, and does not depend on how it came.
fn passed(bytes: &[u8], piece: usize) {
    let through = |most: usize| {
        let (mut pass, mut out, mut begun) = (Pass::new(None), Vec::new(), false);
        let done = bytes.chunks(most).try_for_each(|piece| {
            pass.push(piece, &mut |passed| match passed {
                Passed::Headers(header) => {
                    begun = true;
                    out.push((0, header.to_vec()));
                }
                Passed::Unit(unit) | Passed::More(unit) => {
                    assert!(begun && !unit.is_empty(), "nothing sounds before its stream begins");
                    out.push((1, unit.to_vec()));
                }
            })
        });
        let length: usize = out.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(length <= bytes.len(), "{length} bytes out of {}", bytes.len());
        (done, out)
    };
    // Sniffing may judge by what is there: only what it takes for sound in any case must be the same.
    if let ((Ok(()), small), (Ok(()), large)) = (through(piece), through(usize::MAX)) {
        if bytes.len() > ENOUGH_BYTES && piece > ENOUGH_BYTES {
            assert_eq!(small, large, "in pieces of {piece}");
        }
    }
}

/// What the bytes turned out to be, piece sizes apart.
#[derive(Debug, Default, PartialEq)]
struct Listing {
    units: Vec<(usize, Unit)>,
    garbage_bytes: usize,
    other_bytes: usize,
    format: Option<Format>,
}

/// Shows them `piece` by `piece`; `each` hears of every unit.
fn feed(framing: Framing, bytes: &[u8], piece: usize, mut each: impl FnMut(&Framer, &Unit, &[u8])) -> Listing {
    let mut framer = Framer::new(framing);
    let (mut at, mut end, mut found) = (0, 0, Listing::default());
    while at < bytes.len() {
        let at_end = end == bytes.len();
        let passed = match framer.step(&bytes[at..end], at_end) {
            Step::More => {
                assert!(!at_end, "more was wanted at the end");
                assert!(end - at < framer.window_bytes(), "more was wanted than the window holds");
                end = end.saturating_add(piece).min(bytes.len());
                continue;
            }
            Step::Skip { bytes, what: Skipped::Garbage } => {
                found.garbage_bytes += bytes;
                bytes
            }
            Step::Skip { bytes, what: Skipped::Tag } | Step::Headers { bytes } => {
                found.other_bytes += bytes;
                bytes
            }
            Step::Unit(unit) => {
                assert!(unit.bytes <= framer.window_bytes(), "a unit is larger than the window");
                assert!(framer.format().is_some(), "a unit without a format");
                found.units.push((at, unit));
                each(&framer, &unit, &bytes[at..at + unit.bytes]);
                unit.bytes
            }
        };
        assert!(passed > 0 && passed <= end - at, "{passed} bytes passed of {}", end - at);
        at += passed;
    }
    found.format = framer.format();
    found
}

/// Files of a stream: one begins at every new link, and at every few units that may begin one.
#[derive(Default)]
struct Files {
    every: usize,
    count: usize,
    open: Option<(Writer, File)>,
    done: Vec<File>,
}

#[derive(Debug)]
struct File {
    container: Container,
    codec: Option<Codec>,
    growing: Vec<u8>,
    closed: Vec<u8>,
    units: usize,
    frames: u64,
    /// Something stands before its first unit.
    before: bool,
    last_unit: Vec<u8>,
}

impl Files {
    fn unit(&mut self, framer: &Framer, unit: &Unit, bytes: &[u8]) {
        let format = framer.format().expect("a unit has one");
        let due = self.count % self.every == 0 && (unit.entry || matches!(framer, Framer::Mp3(_)));
        let other = self.open.as_ref().is_some_and(|(_, file)| Some(file.container) != format.codec().map(container));
        if due || unit.new_link || other {
            self.close();
        }
        self.count += 1;
        let (writer, file) = self.open.get_or_insert_with(|| {
            let mut growing = Vec::new();
            let writer = Writer::begin(framer, unit, &identity(format), &mut |bytes| growing.extend_from_slice(bytes));
            let container = container(format.codec().expect("a stream has one"));
            let before = !growing.is_empty();
            (
                writer,
                File {
                    container,
                    codec: format.codec(),
                    growing,
                    closed: Vec::new(),
                    units: 0,
                    frames: 0,
                    before,
                    last_unit: Vec::new(),
                },
            )
        });
        writer.unit(framer, unit, bytes, &mut |bytes| file.growing.extend_from_slice(bytes));
        file.last_unit = bytes.to_vec();
        file.units += 1;
        file.frames += u64::from(unit.frames);
    }

    fn close(&mut self) {
        let Some((writer, mut file)) = self.open.take() else { return };
        file.closed = file.growing.clone();
        for (at, patch) in writer.end(&closing(file.frames)) {
            let end = at as usize + patch.len();
            file.closed.get_mut(at as usize..end).expect("inside the file").copy_from_slice(&patch);
        }
        self.done.push(file);
    }
}

impl File {
    /// What was written is read again: the same units, nothing else between them, and repair has nothing to do.
    fn check(&self, framing: Framing) -> Left {
        let again = feed(framing, &self.closed, usize::MAX, |_, _, _| {});
        // In the stream the header behind it told where it ends, and a checksum by chance that it is one; as the last of a file
        // it has to be decoded.
        let last = std::io::Cursor::new(&*self.last_unit);
        if framing == Framing::Flac && claxon::frame::FrameReader::new(last).read_next_or_eof(Vec::new()).is_err() {
            assert!(again.units.len() + 1 == self.units || self.units == again.units.len(), "other units before the last");
            return Left::Chance;
        }
        if framing != Framing::Ogg {
            let made_up = usize::from(framing == Framing::Mp3 && self.before);
            assert_eq!(again.units.len(), self.units + made_up, "other units in the file");
        }
        // FLAC in Ogg need not say how many headers it has: packets that are no coded frames are taken for some.
        if again.garbage_bytes > 0 && self.codec == Some(Codec::OggFlac) {
            return Left::Nothing;
        }
        assert_eq!(again.garbage_bytes, 0, "garbage in the file");
        let mended = mended(self.container, &self.growing);
        if self.frames == 0 {
            return Left::Nothing;
        }
        let Some((mended, frames)) = mended else {
            // Ogg pages may have claimed frames with nothing in them but parts of packets, or empty ones; and a silent frame
            // with the private bit, alone in its MP3, is taken for one that was put in front.
            let is_nothing = match framing {
                Framing::Ogg => again.units.is_empty(),
                Framing::Mp3 => {
                    self.units == 1 && mp3::Header::parse(&self.last_unit).is_some_and(|it| it.is_made_up(&self.last_unit))
                }
                Framing::Adts | Framing::Flac => false,
            };
            assert!(is_nothing, "sound is kept");
            return Left::Nothing;
        };
        assert_eq!(mended.len(), self.closed.len(), "mended is as long as closed");
        if framing == Framing::Flac {
            assert!(mended == self.closed, "mended is closed");
        }
        match verify(self.container, self.closed.as_slice()) {
            Ok(verified) => {
                assert_eq!(verified.frames, frames, "mending and verifying count alike");
                Left::Whole
            }
            Err(_) if framing == Framing::Flac => Left::Chance,
            Err(e) => panic!("a file of its own units: {e}"),
        }
    }
}

/// Any bytes as a file that was being written.
fn as_file(container: Container, bytes: &[u8]) {
    let verified = verify(container, bytes);
    let Some((mended, frames)) = mended(container, bytes) else { return };
    let again = verify(container, mended.as_slice());
    match (container, verified, again) {
        (Container::Ogg | Container::Opus, _, again) => {
            assert_eq!(again.map(|v| v.frames).map_err(|e| e.to_string()), Ok(frames), "mended");
        }
        (Container::Mp3 | Container::Aac, Ok(verified), Ok(_)) => assert_eq!(verified.frames, frames, "nothing to mend"),
        (Container::Mp3 | Container::Aac, Ok(_), Err(e)) => panic!("mending broke it: {e}"),
        // Damage in the middle of MP3 and AAC stays; checksums of FLAC may be right by chance.
        _ => {}
    }
}

/// The file after repair, and its frames; repairing it again changes nothing.
fn mended(container: Container, file: &[u8]) -> Option<(Vec<u8>, u64)> {
    let Mend::Keep(kept) = mend(container, &file).expect("a slice can be read") else { return None };
    assert!(kept.keep_bytes <= file.len() as u64 && kept.sure_frames <= kept.frames);
    let mut out = file[..kept.keep_bytes as usize].to_vec();
    for (at, patch) in &kept.patches {
        let end = *at as usize + patch.len();
        out.get_mut(*at as usize..end).expect("inside the file").copy_from_slice(patch);
    }
    match mend(container, &out).expect("a slice can be read") {
        Mend::Keep(again) => {
            assert_eq!((again.patches, again.keep_bytes, again.frames), (vec![], out.len() as u64, kept.frames), "mended twice");
        }
        other => panic!("mended twice: {other:?}"),
    }
    Some((out, kept.frames))
}

fn containers(framing: Framing) -> &'static [Container] {
    match framing {
        Framing::Mp3 => &[Container::Mp3],
        Framing::Adts => &[Container::Aac],
        Framing::Ogg => &[Container::Ogg],
        Framing::Flac => &[Container::Flac],
    }
}

/// The first bytes of a connection: they are never asked for without end, and what they are is said in one clause.
pub fn sniff(bytes: &[u8]) -> Left {
    const TOLD: [Option<&str>; 5] = [None, Some("audio/mpeg"), Some("audio/aac"), Some("application/ogg"), Some("text/html")];
    let mut left = Left::Nothing;
    for told in TOLD {
        for configured in [None, Some(Framing::Flac)] {
            if let Sniffed::Is(_) = sniffed(bytes, told, configured) {
                left = Left::Whole;
            }
        }
        sniffed(&bytes[..bytes.len().min(piece(bytes))], told, None);
        let mut enough = bytes.to_vec();
        enough.resize(ENOUGH_BYTES.max(bytes.len()), 0);
        match sniffed(&enough, told, None) {
            Sniffed::More => panic!("{told:?}: more was wanted than is enough"),
            Sniffed::NoAudio(what) => assert!(what.starts_with("it is "), "{what}"),
            Sniffed::Is(_) => {}
        }
    }
    left
}

/// The same bytes with the checksum of every Ogg page made right: what else stands in front of everything behind it.
pub fn ogg_with_right_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = out.get(at..).and_then(|rest| rest.windows(4).position(|four| four == b"OggS")) {
        at += found;
        let Some(page_bytes) = ogg_page_bytes(&out[at..]) else {
            at += 4;
            continue;
        };
        let page = &mut out[at..at + page_bytes];
        page[22..26].fill(0);
        let crc = crc32(0, page);
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        at += page_bytes;
    }
    out
}

/// `None` when it is cut off.
fn ogg_page_bytes(bytes: &[u8]) -> Option<usize> {
    let segments = usize::from(*bytes.get(26)?);
    let lacing = bytes.get(27..27 + segments)?;
    let whole = 27 + segments + lacing.iter().map(|&b| usize::from(b)).sum::<usize>();
    (whole <= bytes.len()).then_some(whole)
}

fn identity(format: Format) -> Identity {
    Identity {
        source: Arc::from("radio"),
        session: Arc::from("20241225T130000Z-1a2b"),
        first_frame: 0,
        start: Wall::from_micros(1_735_135_200_250_000),
        utc_offset_s: 3_600,
        clock: ClockState::Synced,
        format,
    }
}

fn closing(frames: u64) -> Closing {
    Closing::new(Cause::Split, frames, ClockState::Synced)
}
