//! The lane before a station from a script, on a clock that moves only when it is told to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use super::{Cutter, Hours, Lines, Settings, StreamLane};
use crate::actor::encoder::Output;
use crate::device::clock::{Clock, SimulatedClock};
use crate::device::stream::{Act, Connected, FakeStation, Heard, Station};
use crate::device::{Fault, FaultKind};
use crate::edge::edge;
use crate::message::ToStore;
use crate::policy::reconnect::Reconnect;
use crate::policy::split::Zone;
use crate::pool::Pool;
use crate::time::{Mono, SECOND_NS, Wall};

const S: i64 = SECOND_NS;
/// 2026-01-01 00:00:00 UTC.
const MIDNIGHT: i64 = 1_767_225_600;

/// What happens before the next act: the clocks go on, or somebody sets the wall clock to so many seconds.
#[derive(Clone, Copy)]
enum Time {
    On(f64),
    Set(f64),
}

enum Step {
    Act(Act),
    Time(Time),
}

use Step::{Act as A, Time as T};

fn on(seconds: f64) -> Step {
    T(Time::On(seconds))
}

fn set(unix_s: f64) -> Step {
    T(Time::Set(unix_s))
}

fn connect() -> Step {
    A(Act::Connect("audio/mpeg"))
}

/// `count` frames of MPEG-2.5, 8 kHz mono, 8 kbit/s: 72 ms and 72 bytes each. `reach`: what each needs of those before it.
fn frames(count: usize, reach: u8) -> Vec<u8> {
    let mut frame = [b'.'; 72];
    frame[..4].copy_from_slice(&[0xFF, 0xE3, 0x18, 0xC4]);
    frame[4..13].fill(0);
    frame[4] = reach;
    frame.repeat(count)
}

/// So many seconds of sound at once.
fn sound(seconds: f64) -> Step {
    A(Act::Bytes(frames((seconds / 0.072).round() as usize, 0)))
}

/// So many seconds of sound, each after it was on air.
fn live(seconds: usize) -> Vec<Step> {
    // 125 frames are 9 s; 14 are 1.008 s.
    (0..seconds).flat_map(|_| [on(1.008), A(Act::Bytes(frames(14, 0)))]).collect()
}

/// A station whose script moves the clock; at its end the lane is to stop.
struct Scripted {
    station: FakeStation,
    /// Before each act: what the clock does.
    times: VecDeque<Vec<Time>>,
    clock: Arc<SimulatedClock>,
    stop: Arc<AtomicBool>,
    /// What the clock does when it is hung up.
    pause_ns: i64,
}

impl Scripted {
    fn pass(&mut self) -> bool {
        for time in self.times.pop_front().into_iter().flatten() {
            match time {
                Time::On(seconds) => self.clock.advance((seconds * 1e9) as i64),
                Time::Set(unix_s) => self.clock.step(Wall((unix_s * 1e9) as i64), true),
            }
        }
        if self.times.is_empty() {
            self.stop.store(true, Relaxed);
        }
        self.times.is_empty()
    }
}

impl Station for Scripted {
    fn connect(&mut self) -> Result<Connected, Fault> {
        self.pass();
        self.station.connect()
    }

    fn read(&mut self, space: &mut [u8]) -> Result<Heard, Fault> {
        if self.pass() {
            return Err(Fault::new(FaultKind::Retry, "stopped"));
        }
        self.station.read(space)
    }

    fn hang_up(&mut self) {
        self.clock.advance(self.pause_ns);
        self.station.hang_up();
    }
}

fn new_session() -> Arc<str> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("run {}", NEXT.fetch_add(1, Relaxed)).into()
}

/// What the store is told, a line each; times are seconds after midnight of 2026 UTC.
fn told(message: ToStore) -> Option<String> {
    let at = |wall: Wall| format!("{:.2}", wall.0 as f64 / 1e9 - MIDNIGHT as f64);
    Some(match message {
        ToStore::Open(_, new) => {
            format!(
                "open {} at {} frame {} {}",
                new.stem,
                at(new.identity.start),
                new.identity.first_frame,
                new.identity.clock.name()
            )
        }
        ToStore::Close(_, closing) => {
            let titles: Vec<String> = closing.titles.iter().map(|t| format!(" {}@{}", t.text, t.at_frame)).collect();
            let start = closing.start.map_or(String::new(), |start| format!(" began {}", at(start)));
            let garbage = if closing.garbage_bytes > 0 { format!(" garbage {}", closing.garbage_bytes) } else { String::new() };
            format!("close {} {}{start}{garbage}{}", closing.cause.name(), closing.frames, titles.concat())
        }
        ToStore::Gap(_, gap) => format!("gap {} {} {}", at(gap.start), at(gap.end), gap.reason.name()),
        ToStore::Correct(_, _, by_ns) => format!("correct {:.2}", by_ns as f64 / 1e9),
        ToStore::Prepare(_, new) => format!("prepare {}", new.stem),
        ToStore::Watching(..) | ToStore::Watched(..) => return None, // of triggered sources
        ToStore::Data(..) | ToStore::Patch(..) | ToStore::Analysed(..) => return None,
    })
}

/// Runs the lane over a script that begins `start_s` after midnight, with cuts each minute.
#[track_caller]
fn check(start_s: f64, synced: bool, script: Vec<Step>, want: &[&str]) {
    check_within(None, 0, start_s, synced, script, want);
}

/// As [`check`], with a schedule, and a pause after each connection.
#[track_caller]
fn check_within(hours: Option<Hours>, pause_ns: i64, start_s: f64, synced: bool, script: Vec<Step>, want: &[&str]) {
    let wall = Wall(MIDNIGHT * S + (start_s * 1e9) as i64);
    let clock = Arc::new(SimulatedClock::new(Mono(500 * S), wall, synced));
    let stop: Arc<AtomicBool> = Arc::default();
    let (mut acts, mut times, mut before) = (Vec::new(), VecDeque::new(), Vec::new());
    for step in script {
        match step {
            T(time) => before.push(time),
            A(act) => {
                acts.push(act);
                times.push_back(std::mem::take(&mut before));
            }
        }
    }
    times.push_back(before);
    let station =
        Scripted { station: FakeStation::new(acts), times, clock: Arc::clone(&clock), stop: Arc::clone(&stop), pause_ns };
    let settings = Settings {
        source: "s".into(),
        split_minutes: 1.0,
        zone: Zone::UTC,
        name_in_utc: true,
        filename_pattern: "%H%M%S".into(),
        prepare_ahead_ns: 0,
    };
    let (tx, rx) = edge(4_096);
    let (notices, _said) = async_channel::unbounded();
    let lane = StreamLane {
        name: "s".into(),
        station: Box::new(station),
        framing: None,
        cutter: Cutter::new(settings).expect("settings"),
        output: Output::new(0, Pool::new(1_024, 4_096), tx, Arc::default(), Arc::clone(&stop)),
        notices,
        actor: Arc::default(),
        status: Arc::default(),
        stop,
        reconnect: Reconnect::new(10, 0.0),
        new_session,
        clock: clock as Arc<dyn Clock>,
        hours,
        lines: Lines::default(),
        air: None,
    };
    lane.run().expect("a stop in good order");
    let mut found = Vec::new();
    while let Ok(message) = rx.try_recv() {
        found.extend(told(message));
    }
    found.retain(|line| !line.starts_with("prepare"));
    assert_eq!(found, want);
}

fn all(parts: impl IntoIterator<Item = Vec<Step>>) -> Vec<Step> {
    parts.into_iter().flatten().collect()
}

#[test]
fn a_cut_falls_on_the_first_frame_that_was_on_air_at_the_boundary() {
    // Frames last 72 ms: 59.968, 60.040. The last of each read waits for the next, so all looks 72 ms late until the end.
    check(
        55.0,
        true,
        all([vec![connect()], live(10)]),
        &[
            "open 000055 at 55.94 frame 0 synced",
            "close split 39744 began 55.07",
            "open 000100 at 60.04 frame 39744 synced",
            "close shutdown 40896 began 59.97",
        ],
    );
}

#[test]
fn between_its_windows_a_station_is_hung_up_and_misses_nothing() {
    use crate::policy::schedule::{Rules, Schedule, parse_windows};
    let windows = parse_windows("00:00..00:00:20 00:01:10..00:02").expect("windows");
    let schedule = Schedule::new(Rules { windows, ..Rules::ALWAYS }, Zone::UTC, None).expect("no sun");
    check_within(
        Some(Hours::new(schedule)),
        60 * S,
        10.0,
        true,
        all([vec![connect()], live(10), vec![connect()], live(3)]),
        &[
            "open 000010 at 10.94 frame 0 synced",
            "close schedule 80640 began 10.00",
            "open 000121 at 81.02 frame 0 synced",
            "close shutdown 24192 began 80.08",
        ],
    );
}

#[test]
fn what_the_server_had_stored_was_on_air_before_the_connection() {
    check(
        20.0,
        true,
        all([vec![connect(), sound(3.024)], live(3)]),
        &["open 000019 at 19.93 frame 0 synced", "close shutdown 48384 began 16.98"],
    );
}

#[test]
fn an_outage_that_the_server_had_stored_is_no_gap() {
    let end = || vec![A(Act::End), on(2.0), connect()];
    check(
        10.0,
        true,
        all([vec![connect()], live(4), end(), vec![sound(3.024)], live(4)]),
        &[
            "open 000010 at 10.94 frame 0 synced",
            "close unplugged 32256 began 10.00",
            "open 000015 at 15.96 frame 0 synced",
            "close shutdown 56448 began 13.01",
        ],
    );
    check(
        10.0,
        true,
        all([vec![connect()], live(4), end(), live(4)]),
        &[
            "open 000010 at 10.94 frame 0 synced",
            "close unplugged 32256 began 10.00",
            "open 000016 at 16.97 frame 0 synced",
            "gap 14.03 16.10 unplugged",
            "close shutdown 32256 began 16.03",
        ],
    );
}

#[test]
fn a_clock_that_is_set_begins_a_file() {
    check(
        10.0,
        true,
        all([vec![connect()], live(3), vec![set(MIDNIGHT as f64 + 3_600.0)], live(3)]),
        &[
            "open 000010 at 10.94 frame 0 synced",
            "close clock 23616 began 10.07",
            "open 010000 at 3600.00 frame 23616 synced",
            "close shutdown 24768 began 3599.93",
        ],
    );
}

#[test]
fn a_clock_that_was_never_set_is_corrected() {
    check(
        -(MIDNIGHT as f64) + 10.0,
        false,
        all([vec![connect()], live(3), vec![set(MIDNIGHT as f64 + 20.0)], live(3)]),
        &[
            "open 000010 at -1767225589.06 frame 0 unsynced",
            "close clock 23616 began -1767225589.93",
            "correct 1767225606.98",
            "open 000020 at 20.00 frame 23616 synced",
            "close shutdown 24768 began 19.93",
        ],
    );
}

#[test]
fn titles_go_with_their_sound_and_into_the_next_file() {
    let titled = |text| vec![A(Act::Title(text))];
    check(
        56.0,
        true,
        all([vec![connect()], live(1), titled("a"), live(1), titled("b"), live(4)]),
        &[
            "open 000056 at 56.94 frame 0 synced",
            "close split 31680 began 56.07 a@7488 b@15552",
            "open 000100 at 60.03 frame 31680 synced",
            "close shutdown 16704 began 59.96 b@0",
        ],
    );
}

#[test]
fn a_stall_is_told_and_a_connection_begins_anew() {
    let stalled = A(Act::Fail(Fault::new(FaultKind::Stalled, "quiet")));
    check(
        10.0,
        true,
        all([vec![connect()], live(3), vec![on(6.5), stalled, on(1.0), connect()], live(3)]),
        &[
            "open 000010 at 10.94 frame 0 synced",
            "close stalled 24192 began 10.07",
            "open 000021 at 21.46 frame 0 synced",
            "close shutdown 24192 began 20.52",
            "gap 13.10 20.52 stalled",
        ],
    );
}

#[test]
fn an_outage_at_the_end_is_told() {
    check(
        10.0,
        true,
        all([vec![connect()], live(3), vec![A(Act::End), on(30.0), connect(), on(1.0), A(Act::End)]]),
        &["open 000010 at 10.94 frame 0 synced", "close unplugged 24192 began 10.00", "gap 13.02 44.02 unplugged"],
    );
}

#[test]
fn another_format_begins_a_file() {
    let mut other = [0; 24];
    other[..4].copy_from_slice(&[0xFF, 0xF3, 0x14, 0xC4]); // MPEG-2, 24 kHz, 8 kbit/s: 24 bytes, 24 ms
    check(
        10.0,
        true,
        all([
            vec![connect()],
            live(3),
            vec![on(1.0), A(Act::Bytes(other.repeat(42)))],
            vec![on(1.0), A(Act::Bytes(other.repeat(42)))],
        ]),
        &[
            "open 000010 at 10.94 frame 0 synced",
            "close changed 24192 began 10.07",
            "open 000015 at 15.00 frame 0 synced",
            "close shutdown 48384 began 13.01",
        ],
    );
}

#[test]
fn an_mp3_frame_that_reaches_back_is_waited_past_for_a_second() {
    let reaching = |seconds: usize| (0..seconds).flat_map(|_| [on(1.008), A(Act::Bytes(frames(14, 5)))]).collect::<Vec<_>>();
    check(
        57.0,
        true,
        all([vec![connect()], reaching(6)]),
        &[
            "open 000057 at 57.94 frame 0 synced",
            "close split 31680 began 57.07",
            "open 000100 at 61.03 frame 31680 synced",
            "close shutdown 16704 began 60.96",
        ],
    );
    let then_free = all([reaching(3), vec![on(0.504), A(Act::Bytes(frames(7, 5)))], live(2)]);
    check(
        57.0,
        true,
        all([vec![connect()], then_free]),
        &[
            "open 000057 at 57.94 frame 0 synced",
            "close split 28224 began 57.07",
            "open 000100 at 60.60 frame 28224 synced",
            "close shutdown 16128 began 60.53",
        ],
    );
}

#[test]
fn garbage_is_counted_and_breaks_nothing() {
    check(
        10.0,
        true,
        all([vec![connect()], live(2), vec![A(Act::Bytes(vec![b'g'; 2_000]))], live(2)]),
        &["open 000010 at 10.94 frame 0 synced", "close shutdown 32256 began 10.00 garbage 2000"],
    );
}
