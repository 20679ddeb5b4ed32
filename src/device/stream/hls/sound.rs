//! What is in the segments: transport stream, MP4, or packed audio (RFC 8216, 3.2 to 3.4). Their first bytes tell.

use super::super::address::Address;
use crate::format::hls::ByteRange;
use crate::format::id3::{self, Title};
use crate::format::{Flaw, fmp4, mpegts};

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Adts,
    MpegAudio,
}

impl Coding {
    pub fn name(self) -> &'static str {
        match self {
            Coding::Adts => "AAC",
            Coding::MpegAudio => "MPEG audio",
        }
    }
}

type MapKey = (Address, Option<ByteRange>);

#[derive(Default)]
pub struct Sound {
    kind: Kind,
    mp4: Option<Box<fmp4::Demuxer>>,
    map: Option<MapKey>,
    /// Offset of the segment in its resource.
    from: u64,
    title: Option<Title>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Unknown,
    Ts(Box<mpegts::Demuxer>),
    Mp4,
    /// Its coding; not known where a long tag hides it.
    Packed(Option<Coding>),
}

impl Sound {
    /// A segment begins at its first byte.
    pub fn begin(&mut self, discontinuity: bool, from: u64) {
        self.from = from;
        if let (true, Kind::Ts(ts)) = (discontinuity, &mut self.kind) {
            ts.restart();
        }
    }

    pub fn has_map(&self, map: &MapKey) -> bool {
        self.map.as_ref() == Some(map)
    }

    pub fn set_map(&mut self, map: MapKey, bytes: &[u8]) -> Result<(), Flaw> {
        let mp4 = self.mp4.get_or_insert_default();
        mp4.begin(0);
        mp4.push(bytes, &mut |_| ())?;
        if mp4.coding().is_none() {
            return Err(Flaw::IllFormed("its EXT-X-MAP is no header of an MP4"));
        }
        self.map = Some(map);
        Ok(())
    }

    /// `at_start`: the piece is the first of its segment, and large enough to tell what it is.
    pub fn push(&mut self, piece: &[u8], at_start: bool, sink: &mut dyn FnMut(&[u8])) -> Result<(), Flaw> {
        if at_start && !piece.is_empty() {
            self.recognise(piece)?;
        }
        match &mut self.kind {
            Kind::Unknown => Ok(()),
            Kind::Ts(ts) => ts.push(piece, sink),
            Kind::Mp4 => self.mp4.get_or_insert_default().push(piece, sink),
            Kind::Packed(_) => {
                sink(piece);
                Ok(())
            }
        }
    }

    pub fn coding(&self) -> Option<Coding> {
        match &self.kind {
            Kind::Unknown => None,
            Kind::Ts(ts) => ts.coding().map(|coding| match coding {
                mpegts::Coding::Adts => Coding::Adts,
                mpegts::Coding::MpegAudio => Coding::MpegAudio,
            }),
            Kind::Mp4 => self.mp4.as_ref().and_then(|mp4| mp4.coding()).map(|coding| match coding {
                fmp4::Coding::Aac(_) => Coding::Adts,
                fmp4::Coding::MpegAudio => Coding::MpegAudio,
            }),
            Kind::Packed(coding) => *coding,
        }
    }

    pub fn take_title(&mut self) -> Option<Title> {
        match &mut self.kind {
            Kind::Ts(ts) => ts.take_title(),
            _ => self.title.take(),
        }
    }

    fn recognise(&mut self, piece: &[u8]) -> Result<(), Flaw> {
        const MP4: [&[u8]; 9] = [b"styp", b"ftyp", b"moov", b"moof", b"sidx", b"emsg", b"prft", b"free", b"mdat"];
        if piece.first() == Some(&0x47) && piece.get(188).is_none_or(|&next| next == 0x47) {
            if !matches!(self.kind, Kind::Ts(_)) {
                self.kind = Kind::Ts(Box::default());
            }
            return Ok(());
        }
        if self.map.is_some() || piece.get(4..8).is_some_and(|name| MP4.contains(&name)) {
            self.mp4.get_or_insert_default().begin(self.from);
            self.kind = Kind::Mp4;
            return Ok(());
        }
        let tag = id3::tag_bytes(piece);
        self.title = tag.and_then(|_| id3::title(piece));
        let coding = match (tag, piece.get(tag.unwrap_or(0)..)) {
            // Syncword, then the layer: 0 is AAC's.
            (_, Some([0xFF, second, ..])) if second & 0xF6 == 0xF0 => Some(Coding::Adts),
            (_, Some([0xFF, second, ..])) if second & 0xE0 == 0xE0 && second & 0x06 != 0 => Some(Coding::MpegAudio),
            (Some(bytes), None | Some([])) if bytes >= piece.len() => self.coding(),
            _ => return Err(Flaw::Unsupported("a segment that is neither a transport stream, nor MP4, nor AAC or MPEG audio")),
        };
        self.kind = Kind::Packed(coding);
        Ok(())
    }
}
