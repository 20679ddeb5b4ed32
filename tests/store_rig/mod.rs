//! A store on a disk in memory, lanes that send it seeded sound, and a reader that checks what came of it.
//!
//! What bytes make a file is behind [`Family`]: two toy formats, small enough that tens of thousands of power cuts take seconds,
//! and the real encoders, whose files are read back by other people's decoders.
#![allow(dead_code, unused_imports)] // each test file uses its own part of it

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod cuts;
mod real;
mod toy;

pub use cuts::{Figures, Trial, boot_and_compare, crashes, cut_session, play, without_mark};
pub use real::{REAL, is_sound};
pub use toy::{STREAMS, TOYS, Toy};

use soundpost::actor::store::{Formats, LaneSettings, Machine, Settings, parse_gap_line};
use soundpost::device::Fault;
use soundpost::device::disk::MemoryDisk;
use soundpost::format::sidecar::Sidecar;
use soundpost::message::analysis::*;
use soundpost::message::window::windows;
use soundpost::message::*;
use soundpost::pool::Pool;
use soundpost::status::LaneStatus;
use soundpost::time::{Mono, Rate, Wall};

pub const HZ: u32 = 400;
pub const FRAME_BYTES: usize = 4;
pub const SECOND: i64 = 1_000_000_000;
pub const SYNC_SECONDS: u32 = 5;
/// 2025-06-01T00:00:00Z
pub const EPOCH: i64 = 1_748_736_000 * SECOND;

pub fn format() -> PcmFormat {
    PcmFormat { rate: Rate::new(HZ).expect("valid"), channels: 2, depth: Depth::Sixteen }
}

pub type Patches = Vec<(u64, Vec<u8>)>;

/// The lane's end of the store's inbox.
pub type Outbox<'a> = &'a mut dyn FnMut(ToStore);

/// What the encoder of a lane sends for one file.
pub trait Codec {
    fn header_bytes(&self) -> usize;
    fn begin(&mut self, now: Mono, send: Outbox);
    fn sound(&mut self, pcm: &[u8], now: Mono, send: Outbox);
    fn end(self: Box<Self>, now: Mono, send: Outbox);
}

/// Who a recording is, in what format, and its sound.
pub type ReadBack = (Key, PcmFormat, Vec<u8>);

/// How files of a kind are made, mended and read.
#[derive(Clone, Copy)]
pub struct Family {
    pub new: fn(Lane, &Pool, Container, &Identity) -> Box<dyn Codec>,
    pub formats: fn() -> Formats,
    /// What a finished file says it is, and its sound; `None` if it is not whole.
    pub read: fn(Container, &[u8]) -> Option<ReadBack>,
    pub format: fn(lane: usize) -> PcmFormat,
    /// Of a source, so many frames from one on.
    pub pcm: fn(&str, PcmFormat, u64, u64) -> Vec<u8>,
    /// What small and capital letters of a script mean.
    pub containers: [Container; 2],
    /// A second of sound comes in so many pieces.
    pub pieces: u64,
}

/// The toys' sound: each frame has its own value, so that a shift by one shows.
pub fn pcm(source: &str, first: u64, frames: u64) -> Vec<u8> {
    let salt = toy::fnv(source.as_bytes());
    let frame = |n: u64| (n as u32).wrapping_mul(0x9E37_79B9) ^ salt.rotate_left(n as u32 % 31) | 1;
    (first..first + frames).flat_map(|n| frame(n).to_le_bytes()).collect()
}

/// A file as it was sent: which frames of the run it holds, and at which mark of the disk they came.
#[derive(Clone)]
pub struct Sent {
    pub container: Container,
    pub format: PcmFormat,
    pub pieces: Vec<(u64, u64, u64)>,
    pub closed: Option<u64>,
    /// Frames that never left an encoder that was started anew.
    pub held: u64,
    family: Family,
}

impl Sent {
    pub fn frames(&self) -> u64 {
        self.pieces.iter().map(|(_, n, _)| n).sum()
    }

    pub fn frames_at(&self, mark: u64) -> u64 {
        let there: u64 = self.pieces.iter().filter(|(_, _, at)| *at <= mark).map(|(_, n, _)| n).sum();
        there.min(self.frames() - self.held)
    }

    pub fn pcm(&self, source: &str) -> Vec<u8> {
        self.pieces.iter().flat_map(|(first, n, _)| (self.family.pcm)(source, self.format, *first, *n)).collect()
    }
}

/// (source, session, first frame)
pub type Key = (String, String, u64);

pub struct RigLane {
    pub source: Arc<str>,
    pub session: Arc<str>,
    pub status: Arc<LaneStatus>,
    pub sync_ns: i64,
    pub codec: Option<Box<dyn Codec>>,
    /// Number in the run, lost frames counted.
    pub frame: u64,
    pub began: Wall,
    pub key: Option<Key>,
    pub gaps: heapless::Vec<GapAt, GAPS_PER_FILE>,
    pub frames: u64,
    /// Of them those that the store was given.
    pub delivered: u64,
    pub format: PcmFormat,
    pub clock: ClockState,
}

pub struct Rig {
    pub disk: MemoryDisk,
    pub machine: Machine<MemoryDisk>,
    pub faults: Vec<Fault>,
    pub family: Family,
    pub now: Mono,
    pub mark: u64,
    pub lanes: Vec<RigLane>,
    pub sent: BTreeMap<Key, Sent>,
    /// Panics of the machine, each followed by its recovery as its thread's loop does it.
    pub falls: u64,
    pool: Pool,
}

impl Rig {
    /// One lane for each of these output folders.
    pub fn new(disk: &MemoryDisk, family: Family, roots: &[&str]) -> Rig {
        Rig::with_analyses(disk, family, roots, None)
    }

    pub fn with_analyses(disk: &MemoryDisk, family: Family, roots: &[&str], analyses: Option<&str>) -> Rig {
        Rig::with_lanes(disk, family, roots, analyses, (0..roots.len()).map(|n| lane(family, n)).collect())
    }

    /// One lane for each folder, synced so often.
    pub fn with_syncs(disk: &MemoryDisk, family: Family, lanes: &[(&str, i64)]) -> Rig {
        let roots: Vec<&str> = lanes.iter().map(|(root, _)| *root).collect();
        let lanes = lanes.iter().enumerate().map(|(n, (_, sync_ns))| RigLane { sync_ns: *sync_ns, ..lane(family, n) }).collect();
        Rig::with_lanes(disk, family, &roots, None, lanes)
    }

    fn with_lanes(disk: &MemoryDisk, family: Family, roots: &[&str], analyses: Option<&str>, lanes: Vec<RigLane>) -> Rig {
        let (machine, faults) = machine(disk, family, roots, analyses, &lanes);
        Rig {
            disk: disk.clone(),
            machine,
            faults,
            family,
            now: Mono(SECOND / 3),
            mark: 0,
            lanes,
            sent: BTreeMap::new(),
            falls: 0,
            pool: Pool::new(512, 8 << 10),
        }
    }

    pub fn send(&mut self, message: ToStore) {
        if let ToStore::Data(lane, block) = &message {
            if let Some(of) = self.lanes.get_mut(usize::from(*lane)) {
                of.delivered += u64::from(block.frames);
            }
        }
        self.mark += 1;
        self.disk.mark(self.mark);
        self.guarded(move |machine, now| {
            machine.push(message, now);
            true
        });
        self.now.0 += self.disk.take_elapsed_ns();
    }

    fn guarded(&mut self, what: impl FnOnce(&mut Machine<MemoryDisk>, Mono) -> bool) -> bool {
        let now = self.now;
        match catch_unwind(AssertUnwindSafe(|| what(&mut self.machine, now))) {
            Ok(done) => done,
            Err(_) => {
                self.falls += 1;
                self.machine.recover(now);
                true
            }
        }
    }

    pub fn new_file(&self, lane: usize, container: Container, stem: &str) -> Box<NewFile> {
        let l = &self.lanes[lane];
        let identity = Identity {
            source: l.source.clone(),
            session: l.session.clone(),
            first_frame: l.frame,
            start: l.began.plus_ns(l.format.rate.ns_of(l.frame)),
            utc_offset_s: 3_600,
            clock: l.clock,
            format: toy::file_format(container, l.format),
        };
        Box::new(NewFile { identity, container, stem: stem.to_owned(), header_bytes: 0 })
    }

    pub fn prepare(&mut self, lane: usize, container: Container, stem: &str) {
        let new = self.new_file(lane, container, stem);
        self.send(ToStore::Prepare(lane as Lane, new));
    }

    /// Without a close before it, the encoder was started anew and knows of no old file.
    pub fn open(&mut self, lane: usize, container: Container, stem: &str) {
        let mut new = self.new_file(lane, container, stem);
        let mut codec = (self.family.new)(lane as Lane, &self.pool, container, &new.identity);
        new.header_bytes = codec.header_bytes() as u32;
        let l = &mut self.lanes[lane];
        if let Some(left) = l.key.take().and_then(|key| self.sent.get_mut(&key)) {
            left.held = l.frames.saturating_sub(l.delivered);
        }
        let key = (l.source.to_string(), l.session.to_string(), l.frame);
        (l.codec, l.key, l.frames, l.delivered) = (None, Some(key.clone()), 0, 0);
        l.gaps.clear();
        let sent = Sent { container, format: l.format, pieces: Vec::new(), closed: None, held: 0, family: self.family };
        self.sent.insert(key, sent);
        self.send(ToStore::Open(lane as Lane, new));
        let now = self.now;
        self.send_all(|send| codec.begin(now, send));
        self.lanes[lane].codec = Some(codec);
    }

    fn send_all(&mut self, make: impl FnOnce(Outbox)) {
        let mut messages = Vec::new();
        make(&mut |message| messages.push(message));
        messages.into_iter().for_each(|message| self.send(message));
    }

    /// A piece of sound.
    pub fn data(&mut self, lane: usize, frames: u64) {
        let now = self.now;
        let l = &mut self.lanes[lane];
        let first = l.frame;
        l.frame += frames;
        let Some(mut codec) = l.codec.take() else { return };
        let pcm = (self.family.pcm)(&l.source, l.format, first, frames);
        l.frames += frames;
        // From here on it counts, wherever it is.
        self.mark += 1;
        self.disk.mark(self.mark);
        if let Some(sent) = l.key.as_ref().and_then(|key| self.sent.get_mut(key)) {
            sent.pieces.push((first, frames, self.mark));
        }
        self.send_all(|send| codec.sound(&pcm, now, send));
        self.lanes[lane].codec = Some(codec);
    }

    pub fn gap(&mut self, lane: usize, frames: u64) {
        let l = &mut self.lanes[lane];
        let (start, rate) = (l.began.plus_ns(l.format.rate.ns_of(l.frame)), l.format.rate);
        let _ = l.gaps.push(GapAt { at_frame: l.frames, lost_frames: frames, reason: Reason::Xrun });
        l.frame += frames;
        let entry = GapEntry { start, end: start.plus_ns(rate.ns_of(frames)), frames_lost: frames, reason: Reason::Xrun };
        self.send(ToStore::Gap(lane as Lane, entry));
    }

    pub fn close(&mut self, lane: usize, cause: Cause) {
        let Some(codec) = self.lanes[lane].codec.take() else { return };
        let now = self.now;
        self.send_all(|send| codec.end(now, send));
        let l = &mut self.lanes[lane];
        if let Some(sent) = l.key.take().and_then(|key| self.sent.get_mut(&key)) {
            sent.closed = Some(self.mark + 1);
        }
        let closing = Closing { gaps: l.gaps.clone(), ..Closing::new(cause, l.frames, l.clock) };
        self.send(ToStore::Close(lane as Lane, Box::new(closing)));
    }

    /// What the analyser says of a file of the lane's run that began with this frame and has so many.
    pub fn analysed(&mut self, lane: usize, first_frame: u64, frames: u64) {
        let l = &self.lanes[lane];
        let section = Section { first_window: 3, end_window: 9, score: Centibel(1_230), band_hz: None };
        let analysed = analysed(&l.session, first_frame, frames, l.format.rate.hz(), vec![section]);
        self.send(ToStore::Analysed(lane as Lane, analysed));
    }

    /// One step, which may fall.
    pub fn guarded_work(&mut self) -> bool {
        self.guarded(|machine, now| machine.work(now, 0))
    }

    /// The machine works as its thread would with an empty inbox.
    pub fn pass(&mut self, ns: i64) {
        let until = self.now.plus_ns(ns);
        loop {
            while self.guarded(|machine, now| machine.work(now, 0)) {
                self.now.0 += self.disk.take_elapsed_ns();
            }
            match self.machine.next_due() {
                Some(due) if due < until => self.now = due.max(self.now),
                _ => break,
            }
        }
        self.now = until.max(self.now);
    }

    /// A new run on the same lane, as after an unplugged device or a restart of the lane.
    pub fn run(&mut self, lane: usize, session: &str) {
        let began = Wall(EPOCH + self.now.0);
        let l = &mut self.lanes[lane];
        (l.session, l.frame, l.began) = (session.into(), 0, began);
    }

    /// The inbox is closed: at most this long to finish.
    pub fn finish(&mut self, ns: i64) -> bool {
        let until = self.now.plus_ns(ns);
        while self.now < until {
            let falls = self.falls;
            if self.guarded(|machine, now| machine.finish(now)) && self.falls == falls {
                return true;
            }
            self.now.0 += SECOND / 10 + self.disk.take_elapsed_ns();
        }
        false
    }
}

fn lane(family: Family, n: usize) -> RigLane {
    RigLane {
        source: format!("mic{n}").into(),
        session: "run1".into(),
        status: Arc::default(),
        sync_ns: i64::from(SYNC_SECONDS) * SECOND,
        codec: None,
        frame: 0,
        began: Wall(EPOCH),
        key: None,
        gaps: heapless::Vec::new(),
        frames: 0,
        delivered: 0,
        format: (family.format)(n),
        clock: ClockState::Synced,
    }
}

pub fn machine(
    disk: &MemoryDisk,
    family: Family,
    roots: &[&str],
    analyses: Option<&str>,
    lanes: &[RigLane],
) -> (Machine<MemoryDisk>, Vec<Fault>) {
    let row = |(root, lane): (&&str, &RigLane)| LaneSettings {
        short: None,
        source: lane.source.clone(),
        root: root.into(),
        analyses: analyses.map(PathBuf::from),
        depth: 64,
        sync_ns: lane.sync_ns,
        cue: false,
        schedule: None,
        rename: None,
        status: lane.status.clone(),
    };
    let settings = Settings {
        lanes: roots.iter().zip(lanes).map(row).collect(),
        inbox_depth: 64,
        formats: (family.formats)(),
        recorded: Vec::new(),
        turns: Default::default(),
    };
    Machine::new(disk.clone(), settings)
}

/// Starts a store on what a power cut left, lets it repair everything, and ends it.
pub fn boot(disk: &MemoryDisk, family: Family, roots: &[&str]) {
    let lanes: Vec<RigLane> = (0..roots.len()).map(|n| lane(family, n)).collect();
    let (mut machine, _) = machine(disk, family, roots, None, &lanes);
    let mut now = Mono(0);
    while machine.work(now, 0) {
        now.0 += 1_000_000;
    }
    assert_eq!(machine.next_due(), None, "something is left to repair");
    machine.finish(now);
}

/// An analysis of a file of that run that began with this frame and has so many, in which these sections stand out.
pub fn analysed(session: &Arc<str>, first_frame: u64, frames: u64, rate_hz: u32, sections: Vec<Section>) -> Arc<Analysed> {
    let windows = windows(frames, rate_hz) as usize;
    let profile = Profile {
        rate_hz,
        frames,
        detection_edges: std::array::from_fn(|n| 100.0 + n as f32),
        column_edges: std::array::from_fn(|n| 20.0 + n as f32),
        levels: vec![-4_321; windows],
        detection: vec![7; windows * DETECTION_BANDS],
        columns: vec![9; windows.div_ceil(10) * COLUMN_BANDS],
    };
    Arc::new(Analysed {
        is_watch: false,
        session: session.clone(),
        first_frame,
        analysis: Analysis { profile, quality: Quality::default(), indices: Vec::new() },
        detection: Detection::default(),
        sections,
    })
}

/// A recording that was found on a disk.
#[derive(Debug)]
pub struct Found {
    pub path: PathBuf,
    pub key: Key,
    pub format: PcmFormat,
    pub pcm: Vec<u8>,
    pub sidecar: Sidecar,
}

fn roots_analyses(roots: &[&str], path: &Path) -> PathBuf {
    roots.iter().map(|root| Path::new(root).join("analyses")).find(|dir| path.starts_with(dir)).unwrap_or_default()
}

/// Every recording below these folders; each is whole, has its sidecar, and nothing strange lies about.
pub fn recordings(disk: &MemoryDisk, family: Family, roots: &[&str]) -> Result<Vec<Found>, String> {
    let files: BTreeMap<PathBuf, Vec<u8>> = roots.iter().flat_map(|root| disk.files(root)).collect();
    let mut found = Vec::new();
    for (path, bytes) in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let container = match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => {
                check_gaps(bytes)?;
                continue;
            }
            Some("json") => {
                Sidecar::read(bytes).map_err(|e| format!("{}: {e:?}", path.display()))?;
                continue;
            }
            // Looked for from its recording.
            Some("rest") if files.contains_key(&path.with_extension("")) => continue,
            // Its header is torn, so nothing can be said of it; what it held is counted as lost below.
            Some("part") | None => continue,
            _ if name == ".soundpost" => continue,
            // The power went before it took its place; it is written over.
            Some("tmp") if name.ends_with(".analysis.json.tmp") || name.ends_with(".profile.tmp") => continue,
            // Never synced: it may be torn, and says so by its checksum.
            Some("profile") if path.starts_with(roots_analyses(roots, path)) => continue,
            Some(e) => Container::of_extension(e).ok_or_else(|| format!("{} is nobody's", path.display()))?,
        };
        let (key, format, pcm) = (family.read)(container, bytes).ok_or_else(|| format!("{} is not whole", path.display()))?;
        let root = roots.iter().map(Path::new).find(|root| path.starts_with(root)).ok_or("no root")?;
        let below = path.strip_prefix(root).map_err(|e| e.to_string())?;
        let sidecar = root.join("analyses").join(format!("{}.analysis.json", below.display()));
        let sidecar = files.get(&sidecar).ok_or_else(|| format!("{} has no sidecar", path.display()))?;
        let sidecar = Sidecar::read(sidecar).map_err(|e| format!("{}: {e:?}", path.display()))?;
        // The bytes of a stream name nobody.
        let key = if key.0.is_empty() { (sidecar.source.clone(), sidecar.session.clone(), sidecar.first_frame) } else { key };
        if sidecar.frames != (pcm.len() / format.frame_bytes()) as u64 || Path::new(&sidecar.file) != below {
            return Err(format!("{}: its sidecar tells of other frames: {sidecar:?}", path.display()));
        }
        let rest = dotted(path, "rest");
        if sidecar.rest.as_ref().map(|rest| root.join(rest)) != files.get(&rest).map(|_| rest) {
            return Err(format!("{}: its sidecar tells of another rest: {:?}", path.display(), sidecar.rest));
        }
        found.push(Found { path: path.clone(), key, format, pcm, sidecar });
    }
    Ok(found)
}

pub fn dotted(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}.{ending}", path.display()))
}

pub fn gaps(disk: &MemoryDisk, root: &str) -> Vec<(Wall, Wall, String, u64, String)> {
    let file = disk.files(root).into_iter().find(|(path, _)| path.ends_with("gaps.csv"));
    file.map_or(Vec::new(), |(_, bytes)| bytes.split(|b| *b == b'\n').filter_map(parse_gap_line).collect())
}

fn check_gaps(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("gaps.csv: {e}"))?;
    // The last line may be torn until the next one is written; nobody else's is.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    match whole.lines().skip(1).find(|line| parse_gap_line(line.as_bytes()).is_none()) {
        Some(line) if !line.contains('\0') => Err(format!("gaps.csv: {line:?}")),
        _ => Ok(()),
    }
}

/// Finished recordings in a real folder and below, sorted; hidden folders and analyses left out.
pub fn recordings_below(root: &Path) -> Vec<PathBuf> {
    let mut found = files_below(root);
    found.retain(|path| path.extension().is_some_and(|e| e == "wav" || e == "flac"));
    found
}

/// All files but those.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            match is_folder && name != "analyses" && !name.starts_with('.') {
                true => folders.push(path),
                false if is_folder => {}
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}
