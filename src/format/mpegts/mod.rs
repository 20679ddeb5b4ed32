//! MPEG-2 transport streams (ISO/IEC 13818-1): the elementary stream of the sound, without anything around it.
//!
//! Fed in pieces of any size, in fixed memory. The first audio stream of the first programme is taken: AAC in ADTS frames or
//! MPEG audio, whose own framing is left to [`stream`](super::stream). Sound is handed on packet by packet; a gap in the
//! continuity counters is counted and what follows is handed on, since the framer finds its way again.
//!
//! ```text
//! bytes ──► 188-byte packets ──► PAT ─► PMT ─► which PID has the sound
//!                           └──► PES of that PID ──► its payload
//! ```

mod pes;
mod section;

use super::Flaw;
use super::id3::{self, Title};
use pes::Pes;
use section::{Program, Section};

const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// An ID3 tag is collected up to here; titles stand in front of pictures.
const TAG_BYTES: usize = 1_024;

/// What the elementary stream is made of, as the PMT says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Adts,
    MpegAudio,
}

/// What was met that should not be there; all of it counts up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes without packet sync.
    pub skipped_bytes: u64,
    /// Breaks in the continuity counter of the sound.
    pub gaps: u64,
    /// Packets that were marked as damaged, or sections with a wrong checksum.
    pub damaged: u64,
}

pub struct Demuxer {
    packet: [u8; PACKET],
    filled: usize,
    /// The last packet began where this one would have it.
    synced: bool,
    pat: Section,
    pmt: Section,
    pmt_pid: Option<u16>,
    /// Where the sound is and what it is made of.
    audio: Option<(u16, Coding)>,
    metadata_pid: Option<u16>,
    pes: Pes,
    metadata: Pes,
    tag: heapless::Vec<u8, TAG_BYTES>,
    title: Option<Title>,
    /// Continuity counter of the last packet with sound.
    counter: Option<u8>,
    counts: Counts,
}

impl Default for Demuxer {
    fn default() -> Demuxer {
        Demuxer {
            packet: [0; PACKET],
            filled: 0,
            synced: false,
            pat: Section::default(),
            pmt: Section::default(),
            pmt_pid: None,
            audio: None,
            metadata_pid: None,
            pes: Pes::default(),
            metadata: Pes::default(),
            tag: heapless::Vec::new(),
            title: None,
            counter: None,
            counts: Counts::default(),
        }
    }
}

/// A packet's header, and its payload.
struct Packet<'a> {
    pid: u16,
    /// A PES packet or a section begins in it.
    start: bool,
    counter: u8,
    /// The counter may jump here (adaptation field).
    jump: bool,
    payload: &'a [u8],
}

/// Why a packet cannot be used.
enum Refused {
    Damaged,
    Encrypted(u16),
}

impl Demuxer {
    /// Takes the next bytes; `sink` gets no more bytes than came in since the last packet began.
    pub fn push(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), Flaw> {
        while !bytes.is_empty() {
            let (now, after) = bytes.split_at(bytes.len().min(PACKET - self.filled));
            self.packet[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = after;
            if self.packet[0] != SYNC {
                self.resync();
            } else if self.filled == PACKET {
                self.filled = 0;
                let packet = self.packet;
                self.packet(&packet, sink)?;
                self.synced = true;
            }
        }
        Ok(())
    }

    /// The stream goes on elsewhere, as after EXT-X-DISCONTINUITY: counters, tables and half packets mean nothing any more.
    pub fn restart(&mut self) {
        *self = Demuxer { counts: self.counts, title: self.title.take(), ..Demuxer::default() };
    }

    /// What the sound is made of; `None` before the tables were seen.
    pub fn coding(&self) -> Option<Coding> {
        self.audio.map(|(_, coding)| coding)
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A title that timed metadata brought since the last call.
    pub fn take_title(&mut self) -> Option<Title> {
        self.title.take()
    }

    /// The packet in hand does not begin with a sync byte: goes on with the next one in it.
    fn resync(&mut self) {
        self.synced = false;
        let skip = self.packet[..self.filled].iter().position(|&b| b == SYNC).unwrap_or(self.filled);
        self.packet.copy_within(skip..self.filled, 0);
        self.filled -= skip;
        self.counts.skipped_bytes += skip as u64;
    }

    fn packet(&mut self, packet: &[u8; PACKET], sink: &mut dyn FnMut(&[u8])) -> Result<(), Flaw> {
        let packet = match Packet::parse(packet) {
            Ok(packet) => packet,
            Err(Refused::Damaged) => {
                self.counts.damaged += 1;
                return Ok(());
            }
            // Pictures may be; and what looks like a packet in garbage says nothing.
            Err(Refused::Encrypted(pid)) if self.synced && self.audio.is_some_and(|(audio, _)| audio == pid) => {
                return Err(Flaw::Unsupported("the transport stream is encrypted"));
            }
            Err(Refused::Encrypted(_)) => return Ok(()),
        };
        if packet.pid == section::PAT_PID {
            self.counts.damaged += u64::from(!self.pat.push(packet.start, packet.payload));
            self.follow_pat();
        } else if Some(packet.pid) == self.pmt_pid {
            self.counts.damaged += u64::from(!self.pmt.push(packet.start, packet.payload));
            return self.follow_pmt();
        } else if self.audio.is_some_and(|(pid, _)| pid == packet.pid) {
            self.sound(&packet, sink);
        } else if Some(packet.pid) == self.metadata_pid {
            self.metadata(&packet);
        }
        Ok(())
    }

    fn sound(&mut self, packet: &Packet, sink: &mut dyn FnMut(&[u8])) {
        // 2.4.3.3: a packet may be sent twice; the counter moves only with a payload.
        if packet.payload.is_empty() {
            return;
        }
        match self.counter.replace(packet.counter) {
            Some(last) if last == packet.counter && !packet.jump => return,
            Some(last) if (last + 1) & 0x0F != packet.counter && !packet.jump => self.counts.gaps += 1,
            _ => {}
        }
        self.pes.push(packet.start, packet.payload, sink);
    }

    /// One PES packet is one ID3 tag; it is read as soon as its title can be.
    fn metadata(&mut self, packet: &Packet) {
        if packet.start {
            self.tag.clear();
        }
        let tag = &mut self.tag;
        self.metadata.push(packet.start, packet.payload, &mut |bytes| {
            let room = tag.capacity() - tag.len();
            let _ = tag.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        });
        let whole = id3::tag_bytes(tag).is_some_and(|bytes| tag.len() >= bytes.min(TAG_BYTES));
        if let Some(title) = whole.then(|| id3::title(tag)).flatten() {
            self.tag.clear();
            self.title = Some(title);
        }
    }

    fn follow_pat(&mut self) {
        let Some(pid) = self.pat.take().and_then(section::pmt_pid) else { return };
        if self.pmt_pid != Some(pid) {
            self.pmt = Section::default();
            self.pmt_pid = Some(pid);
        }
    }

    fn follow_pmt(&mut self) -> Result<(), Flaw> {
        let Some(program) = self.pmt.take().and_then(Program::parse) else { return Ok(()) };
        self.metadata_pid = program.metadata_pid;
        let Some(found) = program.audio(self.audio) else {
            let refused = Flaw::Unsupported(program.other.unwrap_or("the transport stream has no sound in AAC or MPEG audio"));
            return if self.audio.is_some() { Ok(()) } else { Err(refused) };
        };
        if self.audio != Some(found) {
            self.audio = Some(found);
            self.pes = Pes::default();
            self.counter = None;
        }
        Ok(())
    }
}

impl Packet<'_> {
    /// 2.4.3.2 and, for the adaptation field, 2.4.3.4.
    fn parse(bytes: &[u8; PACKET]) -> Result<Packet<'_>, Refused> {
        let &[_, high, low, control, ref rest @ ..] = bytes;
        if high & 0x80 != 0 {
            return Err(Refused::Damaged);
        }
        let pid = u16::from(high & 0x1F) << 8 | u16::from(low);
        if control & 0xC0 != 0 && pid != 0x1FFF {
            return Err(Refused::Encrypted(pid));
        }
        let (mut payload, mut jump) = (rest.as_slice(), false);
        if control & 0x20 != 0 {
            let (&bytes, field) = payload.split_first().ok_or(Refused::Damaged)?;
            jump = bytes > 0 && field.first().is_some_and(|flags| flags & 0x80 != 0);
            payload = field.get(usize::from(bytes)..).ok_or(Refused::Damaged)?;
        }
        if control & 0x10 == 0 {
            payload = &[];
        }
        Ok(Packet { pid, start: high & 0x40 != 0, counter: control & 0x0F, jump, payload })
    }
}

#[cfg(test)]
mod tests;
