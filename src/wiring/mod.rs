//! The table: every actor, its thread, its queues and pools, and what they weigh.
//!
//! | actor | thread | reads | writes | when its output is full |
//! |---|---|---|---|---|
//! | capture (one a lane) | own, real-time | its source | tape | reads on into a spare buffer, counts, sends one gap |
//! | capture of a stream (the cutter inside) | own | its station | the store's inbox | waits for a free block; the server holds the sound |
//! | encoder (one a lane, the splitter inside) | own | tape | the store's inbox | waits for a free block; the tape takes up the sound |
//! | analyser | own | the taps of all encoders | the store's inbox | waits; what is tapped meanwhile is lost to it and analysed from the disk |
//! | live | own | the ears of all captures, mounts of stations, while somebody looks or listens | mounts | the oldest sound gives way; who is late jumps ahead |
//! | icecast (one a source that is pushed) | own | its source's mount | a server elsewhere | jumps ahead, or begins anew |
//! | monitor (where a source is heard here) | own, and the output's | a mount of live | the local output | silence, or less sound |
//! | preview (on call) | own | a device that nobody records, while somebody looks at it | live's inbox | loses |
//! | health | the herald's; own without a page | what sources show, sensors | alarms | |
//! | notifier (where somebody is told) | own | health's messages | servers elsewhere | the oldest message gives way, and is counted |
//! | hooks (where a program is run for recordings) | own, and one program at a time | finished files | sidecars | what does not fit is found in the folder |
//! | uploader (one a target) | own, low priority | finished files, catalogue | a target elsewhere, wishes | waits |
//! | mqtt (where a broker is told) | own | what sources show, alarms | an MQTT broker | tells later |
//! | store | own | its inbox | the disk | keeps the blocks and tries again |
//! | librarian (one a folder that the page is not of: [`retention`]) | own | wishes | catalogue; deletes for room | nobody waits for it |
//! | mend (only while a long unfinished file is read) | own | a `.part` | what of it is whole | the store asks again |
//! | page (gate, http and its workers, librarian, backlog, herald: [`review`]) | 11 | browsers, recordings | browsers, catalogue, sidecars | browsers wait or get 503 |
//! | log | own | lines | stderr, log_file | drops lines, counts them |
//! | supervisor | main | endings, notices, signals | nothing | |
//!
//! `soundpost check` prints it with its bytes; a configuration that needs more than `memory_budget_mb` is refused.

pub mod analysis;
pub mod backlog;
pub mod beside;
pub mod calendar;
pub mod change;
pub mod health;
pub mod hooks;
pub mod library;
pub mod live;
pub mod monitor;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod notify;
pub mod page;
pub mod probe;
#[cfg(test)]
mod proofs;
pub mod push;
pub mod reducer;
pub mod reference;
pub mod retention;
pub mod review;
pub mod settings;
pub mod sources;
pub mod start;
pub mod stations;
pub mod storage;
pub mod upload;

use std::fmt;
use std::sync::Arc;

use self::analysis::TapRow;
use self::live::EarRow;
use self::review::PageRow;
use crate::format::encode::max_frame_bytes;
use crate::message::live::MOST_STATIONS;
use crate::message::{Container, PcmFormat};

/// Capture hands over at least this often: about 85 ms of sound.
const BLOCK_MS: usize = 85;
/// Encoded sound travels in blocks of half a second, 64 KiB at least: one write each.
const OUT_BLOCK_MS: usize = 500;
/// Encoded blocks of a lane: those that the store holds, and one to fill.
const OUT_BLOCKS: usize = 6;
/// A stream's bytes: four blocks a second at 128 kbit/s.
const STREAM_BLOCK_BYTES: usize = 4 << 10;
/// Markers (Start, Gap, Stop) that may stand between the blocks of a tape.
const MARKERS: usize = 64;
/// Messages of a lane in the store's inbox besides its blocks.
const STORE_MARKERS: usize = 32;
/// A station ends few files within what its pool holds.
const STREAM_MARKERS: usize = 12;

pub const CAPTURE_STACK: usize = 256 << 10;
pub const ENCODER_STACK: usize = 256 << 10;
pub const STORE_STACK: usize = 512 << 10;
pub const STREAM_STACK: usize = 192 << 10;
/// Of a connection without TLS, and the bytes that are being framed.
const STREAM_BUFFERS: usize = 56 << 10;
const LOG_STACK: usize = 64 << 10;
/// The thread, and messages on their way.
const MQTT_BYTES: usize = 144 << 10;
const MAIN_STACK: usize = 256 << 10; // what is used of it

/// What a lane brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// As asked for, or as the device was found at start; should it settle for another later, the pool stays as it is.
    Sound(PcmFormat, Container),
    /// Bytes that are kept as they come, so many a second as far as can be known before they come.
    Stream { bytes_per_second: usize },
}

impl Feed {
    pub fn bytes_per_second(self) -> usize {
        match self {
            Feed::Sound(format, _) => format.bytes_per_second(),
            Feed::Stream { bytes_per_second } => bytes_per_second,
        }
    }
}

/// The fixed sizes of one lane.
#[derive(Clone, Debug)]
pub struct LaneRow {
    pub name: Arc<str>,
    pub feed: Feed,
    pub pcm_block_bytes: usize,
    pub pcm_blocks: usize,
    pub out_block_bytes: usize,
    pub out_blocks: usize,
    pub tape_depth: usize,
    /// Messages of this lane that the store's inbox can hold.
    pub store_depth: usize,
    /// The encoder's own buffers, and libFLAC's while two files are open at a cut.
    pub encoder_bytes: usize,
    /// Its sound is analysed while it is recorded.
    pub tap: Option<TapRow>,
    /// It can be looked at and listened to.
    pub ear: Option<EarRow>,
    /// It is triggered: so much of its pool is held back.
    pub pre_roll_seconds: Option<f64>,
}

impl LaneRow {
    pub fn new(name: Arc<str>, format: PcmFormat, container: Container, pool_seconds: f64, flac_block_size: u32) -> LaneRow {
        let per_second = format.bytes_per_second();
        let pcm_block_bytes = (per_second / 1000 * BLOCK_MS).next_power_of_two().clamp(4 << 10, 1 << 20);
        // Whole frames only: what a block cannot use does not count towards the seconds that the pool holds.
        let usable = pcm_block_bytes - pcm_block_bytes % format.frame_bytes();
        let pool_bytes = (per_second as f64 * pool_seconds.max(0.0)).ceil() as usize;
        let pcm_blocks = pool_bytes.div_ceil(usable).max(4);
        let out_block_bytes = (per_second / 1000 * OUT_BLOCK_MS).next_power_of_two().clamp(64 << 10, 1 << 20);
        LaneRow {
            name,
            feed: Feed::Sound(format, container),
            pcm_block_bytes,
            pcm_blocks,
            out_block_bytes,
            out_blocks: OUT_BLOCKS,
            tape_depth: pcm_blocks + MARKERS,
            store_depth: OUT_BLOCKS + STORE_MARKERS,
            encoder_bytes: encoder_bytes(format, container, flac_block_size),
            tap: None,
            ear: None,
            pre_roll_seconds: None,
        }
    }

    /// The same lane, of which only what is loud is recorded, with so much before it. Comes last.
    pub fn triggered(self, pre_roll_seconds: f64) -> LaneRow {
        let encoder_bytes = self.encoder_bytes + self.hold_bytes();
        LaneRow { pre_roll_seconds: Some(pre_roll_seconds), tap: self.tap.map(TapRow::twice), encoder_bytes, ..self }
    }

    /// What is held back has a place each, and is listened to.
    fn hold_bytes(&self) -> usize {
        (2 * self.pcm_blocks + MARKERS) * QUEUE_SLOT + HEARING_BYTES
    }

    /// The same lane, whose files of this length are analysed while they are recorded.
    pub fn tapped(self, split_minutes: f64) -> LaneRow {
        let Feed::Sound(..) = self.feed else { return self };
        LaneRow { tap: Some(TapRow::new(self.pcm_block_bytes, split_minutes)), ..self }
    }

    /// The same lane, whose sound can be looked at and listened to.
    pub fn heard(self) -> LaneRow {
        let Feed::Sound(..) = self.feed else { return self };
        LaneRow { ear: Some(EarRow::new(self.pcm_block_bytes)), ..self }
    }

    /// A station: one thread, and one pool whose blocks go to the store as they are.
    pub fn stream(name: Arc<str>, bytes_per_second: usize, pool_seconds: f64) -> LaneRow {
        let pool_bytes = (bytes_per_second as f64 * pool_seconds.max(0.0)).ceil() as usize;
        let out_blocks = pool_bytes.div_ceil(STREAM_BLOCK_BYTES).max(8);
        LaneRow {
            name,
            feed: Feed::Stream { bytes_per_second },
            pcm_block_bytes: 0,
            pcm_blocks: 0,
            out_block_bytes: STREAM_BLOCK_BYTES,
            out_blocks,
            tape_depth: 0,
            store_depth: out_blocks + STREAM_MARKERS,
            encoder_bytes: 0,
            tap: None,
            ear: None,
            pre_roll_seconds: None,
        }
    }

    /// Blocks that take up what the store is behind by.
    pub fn pool_blocks(&self) -> usize {
        if let Feed::Stream { .. } = self.feed { self.out_blocks } else { self.pcm_blocks }
    }

    /// How long the pool can take up sound while everything behind it stands still.
    pub fn pool_seconds(&self) -> f64 {
        let (pcm, out) = (self.pcm_blocks * self.pcm_block_bytes, self.out_blocks * self.out_block_bytes);
        let pool = if let Feed::Stream { .. } = self.feed { out } else { pcm };
        pool as f64 / self.feed.bytes_per_second().max(1) as f64
    }

    fn parts(&self) -> Vec<(&'static str, String, usize)> {
        if let Feed::Stream { .. } = self.feed {
            return self.stream_parts();
        }
        let (pcm, out) = (self.pcm_blocks * self.pcm_block_bytes, self.out_blocks * self.out_block_bytes);
        let tape = self.tape_depth * QUEUE_SLOT;
        let held = self.pre_roll_seconds.map_or_else(String::new, |held| format!(", of which {held} s are held back"));
        let mut parts = vec![
            ("capture", "thread and spare block".into(), CAPTURE_STACK + self.pcm_block_bytes),
            (
                "pool",
                format!("{} blocks of {} B, {:.1} s{held}", self.pcm_blocks, self.pcm_block_bytes, self.pool_seconds()),
                pcm,
            ),
            ("tape", format!("{} messages", self.tape_depth), tape),
            ("encoder", "thread, splitter, libFLAC".into(), ENCODER_STACK + self.encoder_bytes),
            ("encoded", format!("{} blocks of {} B", self.out_blocks, self.out_block_bytes), out),
        ];
        parts.extend(self.tap.map(|tap| ("tap", tap.to_string(), tap.bytes())));
        parts.extend(self.ear.map(|ear| ("ear", ear.to_string(), ear.bytes())));
        parts
    }

    fn stream_parts(&self) -> Vec<(&'static str, String, usize)> {
        let pool = format!("{} blocks of {} B, {:.1} s", self.out_blocks, self.out_block_bytes, self.pool_seconds());
        vec![
            ("capture", "thread, framing, network buffers".into(), STREAM_STACK + STREAM_BUFFERS),
            ("pool", pool, self.out_blocks * self.out_block_bytes),
        ]
    }

    pub fn bytes(&self) -> usize {
        self.parts().iter().map(|p| p.2).sum()
    }
}

/// Bytes of a message in a queue, its slot's bookkeeping included.
const QUEUE_SLOT: usize = 96;

/// Floors, transforms and their tables, and the newest windows.
const HEARING_BYTES: usize = 256 << 10;

/// libFLAC 1.5 holds, a channel: signal and windowed signal, two residuals, mid and side, 4 bytes a sample each, twice at a cut.
fn encoder_bytes(format: PcmFormat, container: Container, block_size: u32) -> usize {
    match container {
        Container::Wav | Container::Mp3 | Container::Aac | Container::Ogg | Container::Opus => 4 << 10,
        Container::Flac => {
            let planes = (usize::from(format.channels) + 2) * 8 * 4 * block_size as usize;
            2 * (planes + 3 * max_frame_bytes(format, block_size))
        }
    }
}

/// The whole machine.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub lanes: Vec<LaneRow>,
    pub page: Option<PageRow>,
    /// A source is heard on the local output.
    pub is_monitored: bool,
    /// Sources that are pushed to an Icecast elsewhere.
    pub pushes: usize,
    /// Folders that are recorded to and that the page is not of.
    pub keepers: usize,
    /// Somebody elsewhere is told of alarms.
    pub is_told: bool,
    /// Programs are run for finished recordings.
    pub has_hooks: bool,
    /// Old recordings are kept in less than they were.
    pub has_reducer: bool,
    /// Targets that recordings are sent to.
    pub uploads: usize,
    /// Of these, that code what they send.
    pub converters: usize,
    /// An MQTT broker is told how the recorder is.
    pub has_mqtt: bool,
}

impl Table {
    pub fn inbox_depth(&self) -> usize {
        self.lanes.iter().map(|lane| lane.store_depth).sum::<usize>() + STORE_MARKERS
    }

    /// Messages of all taps.
    pub fn taps_depth(&self) -> usize {
        self.lanes.iter().filter_map(|lane| lane.tap).map(|tap| tap.depth()).sum()
    }

    /// What captures and the preview may hand over to live.
    pub fn ears_depth(&self) -> usize {
        let of_preview = if self.has_preview() { live::PREVIEW_BLOCKS } else { 0 };
        self.lanes.iter().filter_map(|lane| lane.ear).map(|ear| ear.blocks).sum::<usize>() + of_preview
    }

    /// Devices that nobody records can be looked at.
    pub fn has_preview(&self) -> bool {
        self.page.is_some()
    }

    /// Stations that can be looked at: where there is a page.
    pub fn stations(&self) -> usize {
        let is_station = |lane: &&LaneRow| matches!(lane.feed, Feed::Stream { .. });
        self.page.map_or(0, |_| self.lanes.iter().filter(is_station).count())
    }

    /// Analysing while recording is given up, lane by lane from the last one, until the rest fits: files can be analysed later.
    pub fn within(mut self, budget_bytes: usize) -> Table {
        for lane in (0..self.lanes.len()).rev() {
            if self.bytes() <= budget_bytes {
                break;
            }
            self.lanes[lane].tap = None; // `lane` is below the number of lanes
        }
        self
    }

    fn shared(&self) -> Vec<(&'static str, String, usize)> {
        let inbox = self.inbox_depth() * QUEUE_SLOT;
        let mut shared = vec![
            ("store", format!("thread, inbox of {} messages", self.inbox_depth()), STORE_STACK + inbox),
            ("log", "thread and 512 lines".into(), LOG_STACK + 512 * 160),
            ("supervisor", "main thread".into(), MAIN_STACK),
        ];
        if self.page.is_none() {
            shared.push(("health", "thread".into(), health::STACK));
        }
        let depth = self.taps_depth();
        if depth > 0 {
            let bytes = analysis::STACK + depth * QUEUE_SLOT;
            shared.push(("analyser", format!("thread, inbox of {depth} messages"), bytes));
        }
        let (depth, stations) = (self.ears_depth(), self.stations().min(MOST_STATIONS));
        if depth > 0 {
            let what =
                format!("thread, inbox of {depth} messages, decoders and rings of {stations} stations while somebody looks");
            shared.push(("live", what, live::STACK + depth * QUEUE_SLOT + stations * live::STATION_BYTES));
        }
        if self.has_preview() {
            let what = "thread, sound and rings of a device that is not recorded while somebody looks and listens";
            shared.push(("preview", what.into(), live::PREVIEW_BYTES));
        }
        if self.pushes > 0 {
            shared.push(("icecast", format!("{} threads, network buffers", self.pushes), self.pushes * push::BYTES));
        }
        if self.keepers > 0 {
            let what = format!("{} threads, catalogues", self.keepers);
            shared.push(("librarian", what, self.keepers * retention::BYTES));
        }
        if self.is_told {
            shared.push(("notifier", "thread, network buffers, messages that wait".into(), notify::BYTES));
        }
        if self.has_mqtt {
            shared.push(("mqtt", "thread".into(), MQTT_BYTES));
        }
        if self.has_hooks {
            shared.push(("hooks", "thread".into(), hooks::STACK));
        }
        if self.has_reducer {
            shared.push(("reducer", "thread, decoder, encoder".into(), reducer::BYTES));
        }
        if self.uploads > 0 {
            let what = format!("{} threads, pieces, network buffers, catalogue", self.uploads);
            let each = upload::BYTES + self.keepers * review::CONNECTION;
            let bytes = self.uploads * each + self.converters * upload::CONVERTER_BYTES;
            shared.push(("uploader", what, bytes));
        }
        if self.is_monitored {
            shared.push(("monitor", "thread, the output's thread, what waits to be heard".into(), monitor::BYTES));
        }
        shared.extend(self.page.map(|page| ("page", page.to_string(), page.bytes())));
        shared
    }

    /// Everything decided at start, stacks at their full size.
    pub fn bytes(&self) -> usize {
        self.lanes.iter().map(LaneRow::bytes).sum::<usize>() + self.shared().iter().map(|p| p.2).sum::<usize>()
    }

    pub fn threads(&self) -> usize {
        let of = |lane: &LaneRow| if let Feed::Stream { .. } = lane.feed { 1 } else { 2 };
        let page = self.page.map_or(0, |_| PageRow::THREADS - 1); // the row itself is one of those shared
        self.lanes.iter().map(of).sum::<usize>()
            + self.shared().len()
            + page
            + usize::from(self.is_monitored)
            + self.pushes.saturating_sub(1)
            + self.keepers.saturating_sub(1)
            + self.uploads.saturating_sub(1)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for lane in &self.lanes {
            for (part, what, bytes) in lane.parts() {
                writeln!(f, "{:>9} KiB  {}/{part}: {what}", bytes.div_ceil(1024), lane.name)?;
            }
        }
        for (part, what, bytes) in self.shared() {
            writeln!(f, "{:>9} KiB  {part}: {what}", bytes.div_ceil(1024))?;
        }
        write!(f, "{:>9} KiB  in all, {} threads", self.bytes().div_ceil(1024), self.threads())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Depth;
    use crate::time::Rate;

    fn row(hz: u32, channels: u8, depth: Depth) -> LaneRow {
        let format = PcmFormat { rate: Rate::new(hz).expect("a rate"), channels, depth };
        LaneRow::new("mic".into(), format, Container::Flac, 12.0, 4096)
    }

    #[test]
    fn blocks_are_sized_by_the_lane() {
        let usual = row(48_000, 2, Depth::Sixteen);
        assert_eq!((usual.pcm_block_bytes, usual.out_block_bytes), (16 << 10, 128 << 10));
        assert!((12.0..12.2).contains(&usual.pool_seconds()), "{}", usual.pool_seconds());
        assert_eq!(row(8_000, 1, Depth::Sixteen).pcm_block_bytes, 4 << 10);
        assert_eq!(row(384_000, 1, Depth::Sixteen).pcm_block_bytes, 64 << 10);
        for (hz, channels) in [(8_000, 1), (44_100, 7), (96_000, 2), (384_000, 8)] {
            let lane = row(hz, channels, Depth::TwentyFour);
            assert!(lane.pool_seconds() >= 12.0, "{hz} Hz, {channels} channels: {} s", lane.pool_seconds());
        }
    }

    #[test]
    fn taps_go_before_the_budget_is_broken() {
        let lanes = || (0..3).map(|_| row(48_000, 2, Depth::Sixteen).tapped(60.0)).collect::<Vec<_>>();
        let tapped = |budget: usize| {
            let table = Table { lanes: lanes(), ..Table::default() }.within(budget);
            table.lanes.iter().map(|lane| u8::from(lane.tap.is_some())).collect::<Vec<_>>()
        };
        let all = Table { lanes: lanes(), ..Table::default() }.bytes();
        assert_eq!(tapped(all), [1, 1, 1]);
        assert_eq!(tapped(all - 1), [1, 1, 0]);
        assert_eq!(tapped(0), [0, 0, 0], "the lanes themselves stay: whoever asked for more than there is gets told");
    }

    #[test]
    fn the_sum_is_the_sum_of_its_parts_and_two_cards_fit_the_default_budget() {
        let lanes = vec![row(48_000, 1, Depth::Sixteen), row(96_000, 2, Depth::TwentyFour)];
        let page = Some(PageRow { connections: 64, listeners: 100, mounts: 10 });
        let table = Table {
            lanes,
            page,
            is_monitored: true,
            pushes: 1,
            keepers: 1,
            uploads: 1,
            converters: 0,
            is_told: true,
            has_hooks: true,
            has_reducer: true,
            has_mqtt: true,
        };
        let printed: usize = table
            .to_string()
            .lines()
            .filter(|line| !line.contains("in all"))
            .filter_map(|line| line.split_whitespace().next()?.parse::<usize>().ok())
            .sum();
        assert!(printed.abs_diff(table.bytes() / 1024) < 20, "{printed} KiB printed, {} counted", table.bytes() / 1024);
        assert!(table.bytes() < 64 << 20);
        let without = Table { lanes: table.lanes.clone(), ..Table::default() };
        assert_eq!((table.threads() - without.threads(), without.threads()), (13 + 8, 8));
    }
}
