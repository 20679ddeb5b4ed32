//! Scripts of what happens to a lane, and the transcript of files that the splitter makes of it.
//! A device of 1000 Hz keeps the numbers readable: a frame is a millisecond.

mod rig;

use rig::{Dice, MS, Rig, settings};
use soundpost::message::{Cause, Container, Reason};
use soundpost::time::SECOND_NS;

/// Lines of a script:
/// `clock RFC3339 [unsynced]` · `start` · `play S` · `blocks MS` (length of a block) · `lose S` · `vanish S` (unsaid) ·
/// `wait S` · `stop CAUSE` · `cut` (asked for by the store) · `resume` (a new splitter in mid-run)
fn perform(rig: &mut Rig, minutes: f64, zone: &str, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| words.get(i).and_then(|w| w.parse::<f64>().ok()).unwrap_or_else(|| panic!("{line}"));
        match words[0] {
            "clock" => rig.clock(words[1], words.get(2) != Some(&"unsynced")),
            "blocks" => rig.block_frames = number(1) as u32,
            "start" => rig.start(),
            "play" => rig.play(number(1)),
            "lose" => rig.lose(number(1), Reason::Xrun),
            "vanish" => rig.pass(rig.frames_in(number(1))),
            "wait" => rig.mono += (number(1) * 1e9) as i64,
            "stop" => rig.stop(match words[1] {
                "unplugged" => Cause::Unplugged,
                "stalled" => Cause::Stalled,
                "end" => Cause::End,
                "shutdown" => Cause::Shutdown,
                other => panic!("no cause {other}"),
            }),
            "cut" => {
                rig.splitter.cut(Cause::Disk);
                rig.drain();
            }
            "resume" => {
                rig.splitter.cut(Cause::Fault);
                rig.drain();
                rig.splitter = soundpost::actor::splitter::Splitter::new(settings(minutes, zone)).expect("valid");
                rig.splitter.resume(rig.run());
            }
            other => panic!("no command {other}"),
        }
    }
}

/// The transcript without `prepare` lines.
#[track_caller]
fn check(minutes: f64, zone: &str, script: &str, expected: &str) {
    let mut rig = Rig::new(settings(minutes, zone), 1_000);
    perform(&mut rig, minutes, zone, script);
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let found: Vec<&String> = rig.log.iter().filter(|line| !line.starts_with("prepare")).collect();
    assert_eq!(found, expected, "\n{}\n", rig.log.join("\n"));
}

#[test]
fn every_hour_and_the_first_file_is_short() {
    check(
        60.0,
        "UTC",
        "clock 2024-12-25T14:58:00.250Z
         start
         play 3730
         stop shutdown",
        "open 20241225_145800 0
         close split 119750
         open 20241225_150000 119750
         close split 3600000
         open 20241225_160000 3719750
         close shutdown 10250",
    );
}

#[test]
fn seven_and_ninety_minutes_begin_anew_at_midnight() {
    check(
        7.0,
        "UTC",
        "clock 2024-12-25T23:54:59Z
         start
         play 722
         stop end",
        "open 20241225_235459 0
         close split 1000
         open 20241225_235500 1000
         close split 300000
         open 20241226_000000 301000
         close split 420000
         open 20241226_000700 721000
         close end 1000",
    );
    check(
        90.0,
        "Asia/Kolkata",
        "clock 2024-12-25T16:59:59Z
         start
         play 10802
         stop end",
        "open 20241225_222959 0
         close split 1000
         open 20241225_223000 1000
         close split 5400000
         open 20241226_000000 5401000
         close split 5400000
         open 20241226_013000 10801000
         close end 1000",
    );
}

#[test]
fn six_seconds_and_many_cuts_in_one_block() {
    check(
        0.1,
        "UTC",
        "clock 2024-12-25T14:00:01.5Z
         blocks 20000
         start
         play 20
         stop end",
        "open 20241225_140001 0
         close split 4500
         open 20241225_140006 4500
         close split 6000
         open 20241225_140012 10500
         close split 6000
         open 20241225_140018 16500
         close end 3500",
    );
}

#[test]
fn sixty_milliseconds_a_file() {
    let mut rig = Rig::new(settings(0.001, "UTC"), 48_000);
    rig.clock("2024-12-25T14:00:00Z", true);
    rig.start();
    rig.play(60.0);
    rig.stop(Cause::End);
    assert_eq!(rig.files.len(), 1_000);
    assert!(rig.files.iter().all(|file| file.frames == 2_880 && file.plan.expected_frames == 2_880));
}

#[test]
fn autumn_in_berlin_has_two_o_clock_twice() {
    check(
        60.0,
        "Europe/Berlin",
        "clock 2024-10-26T23:59:00Z
         start
         play 7320
         stop end",
        "open 20241027_015900 0
         close split 60000
         open 20241027_020000 60000
         close split 3600000
         open 20241027_020000-2 3660000
         close split 3600000
         open 20241027_030000 7260000
         close end 60000",
    );
}

#[test]
fn spring_in_berlin_has_no_two_o_clock() {
    check(
        60.0,
        "Europe/Berlin",
        "clock 2024-03-31T00:59:00Z
         start
         play 3720
         stop end",
        "open 20240331_015900 0
         close split 60000
         open 20240331_030000 60000
         close split 3600000
         open 20240331_040000 3660000
         close end 60000",
    );
}

#[test]
fn lord_howe_changes_by_half_an_hour() {
    check(
        60.0,
        "Australia/Lord_Howe",
        "clock 2024-04-06T14:59:00Z
         start
         play 1920
         stop end",
        // 02:00 becomes 01:30 at 15:00 UTC; 02:00 comes again half an hour later.
        "open 20240407_015900 0
         close split 1860000
         open 20240407_020000 1860000
         close end 60000",
    );
    check(
        30.0,
        "Australia/Lord_Howe",
        "clock 2024-10-05T15:29:00Z
         start
         play 1920
         stop end",
        // 02:00 becomes 02:30.
        "open 20241006_015900 0
         close split 60000
         open 20241006_023000 60000
         close split 1800000
         open 20241006_030000 1860000
         close end 60000",
    );
}

#[test]
fn a_clock_set_by_ntp_cuts_and_corrects() {
    check(
        60.0,
        "UTC",
        "clock 1970-01-01T00:00:10Z unsynced
         start
         play 20
         clock 2024-12-25T14:10:00Z
         play 3060
         stop shutdown",
        "open 19700101_000010 0 unsynced
         close clock 20000
         correct run1 by 1735135770 s
         open 20241225_141000 20000
         close split 3000000
         open 20241225_150000 3020000
         close shutdown 60000",
    );
}

#[test]
fn a_synced_clock_that_is_set_cuts_without_correction() {
    check(
        60.0,
        "UTC",
        "clock 2024-12-25T14:59:50Z
         start
         play 20
         clock 2024-12-25T14:00:00Z
         play 3601
         clock 2024-12-25T18:00:00.9Z
         play 2
         stop shutdown",
        "open 20241225_145950 0
         close split 10000
         open 20241225_150000 10000
         close clock 10000
         open 20241225_140000 20000
         close split 3600000
         open 20241225_150000-2 3620000
         close clock 1000
         open 20241225_180000 3621000
         close shutdown 2000",
    );
}

#[test]
fn a_slew_moves_the_next_boundary_only() {
    // 400 ms back just after a cut, 400 ms forward just before one.
    check(
        1.0,
        "UTC",
        "blocks 100
         clock 2024-12-25T14:00:50Z
         start
         play 10.1
         clock 2024-12-25T14:00:59.700Z
         play 59.9
         clock 2024-12-25T14:02:00Z
         play 1
         stop end",
        "open 20241225_140050 0
         close split 10000
         open 20241225_140100 10000
         close split 60000
         open 20241225_140200 70000
         close end 1000",
    );
}

#[test]
fn gaps_up_to_a_second_stay_in_the_file() {
    check(
        60.0,
        "UTC",
        "clock 2024-12-25T14:00:00Z
         start
         play 10
         lose 0.5
         play 10
         lose 1
         play 10
         lose 1.001
         play 10
         stop end",
        "open 20241225_140000 0
         lost 500 xrun from 14:00:10.000 to 14:00:10.500
         lost 1000 xrun from 14:00:20.500 to 14:00:21.500
         lost 1001 xrun from 14:00:31.500 to 14:00:32.501
         close gap 30000 gap 10000+500 xrun gap 20000+1000 xrun
         open 20241225_140032 32501
         close end 10000",
    );
}

#[test]
fn several_losses_in_a_row_are_one_gap_of_the_file() {
    check(
        60.0,
        "UTC",
        "clock 2024-12-25T14:00:00Z
         start
         play 10
         lose 0.3
         lose 0.4
         play 1
         lose 0.6
         lose 0.6
         play 1
         stop end",
        "open 20241225_140000 0
         lost 300 xrun from 14:00:10.000 to 14:00:10.300
         lost 400 xrun from 14:00:10.300 to 14:00:10.700
         lost 600 xrun from 14:00:11.700 to 14:00:12.300
         lost 600 xrun from 14:00:12.300 to 14:00:12.900
         close gap 11000 gap 10000+700 xrun
         open 20241225_140012 12900
         close end 1000",
    );
}

#[test]
fn a_boundary_among_lost_frames() {
    check(
        60.0,
        "UTC",
        "clock 2024-12-25T14:59:50Z
         start
         play 9.8
         lose 0.5
         play 10
         stop end",
        "open 20241225_145950 0
         lost 500 xrun from 14:59:59.800 to 15:00:00.300
         close split 9800
         open 20241225_150000 10300
         close end 10000",
    );
}

#[test]
fn frames_that_vanish_unsaid_are_a_fault() {
    check(
        60.0,
        "UTC",
        "clock 2024-12-25T14:00:00Z
         start
         play 10
         vanish 0.25
         play 10
         vanish 5
         play 10
         stop end",
        "open 20241225_140000 0
         lost 250 fault from 14:00:10.000 to 14:00:10.250
         lost 5000 fault from 14:00:20.250 to 14:00:25.250
         close gap 20000 gap 10000+250 fault
         open 20241225_140025 25250
         close end 10000",
    );
}

#[test]
fn between_two_runs() {
    check(
        60.0,
        "UTC",
        "clock 2024-12-25T14:00:00Z
         start
         play 10
         stop unplugged
         wait 30
         start
         stop unplugged
         wait 30
         start
         play 10
         start
         play 10
         stop end
         wait 60
         start
         lose 0.2
         play 1
         stop stalled
         wait 9
         stop shutdown",
        "open 20241225_140000 0
         close unplugged 10000
         lost 60000 unplugged from 14:00:10.000 to 14:01:10.000
         open 20241225_140110 0
         close fault 10000
         open 20241225_140120 0
         close end 10000
         lost 200 xrun from 14:02:30.000 to 14:02:30.200
         open 20241225_140230 200
         close stalled 1000
         lost 9000 stalled from 14:02:31.200 to 14:02:40.200",
    );
}

#[test]
fn the_store_may_ask_for_a_cut_and_the_encoder_may_fall() {
    check(
        60.0,
        "UTC",
        "clock 2024-12-25T14:00:00Z
         start
         play 10
         cut
         cut
         play 10
         resume
         play 10
         stop end",
        "open 20241225_140000 0
         close disk 10000
         open 20241225_140010 10000
         close fault 10000
         open 20241225_140020 20000
         close end 10000",
    );
}

#[test]
fn a_wav_is_cut_before_it_is_full() {
    let mut rig =
        Rig::new(soundpost::actor::splitter::Settings { container: Container::Wav, ..settings(1_440.0, "UTC") }, 192_000);
    rig.block_frames = 192_000 * 10;
    rig.clock("2024-12-25T00:00:00Z", true);
    rig.start();
    rig.play(86_400.0);
    rig.stop(Cause::End);
    let causes: Vec<Cause> = rig.files.iter().filter_map(|f| f.closing.as_ref().map(|c| c.cause)).collect();
    assert_eq!((&causes[..7], causes.len()), (&[Cause::Size; 7][..], 8));
    assert!(rig.files.iter().all(|f| f.frames * 2 < u64::from(u32::MAX) - (1 << 20)));
    assert!(rig.files.iter().all(|f| f.plan.expected_frames >= f.frames));
}

#[test]
fn what_is_prepared_is_what_is_opened() {
    let mut rig = Rig::new(settings(0.1, "UTC"), 1_000);
    rig.block_frames = 100;
    rig.clock("2024-12-25T14:00:03Z", true);
    rig.start();
    rig.play(600.0);
    let steps: Vec<&str> = rig.log.iter().map(String::as_str).filter(|line| !line.starts_with("close")).collect();
    assert_eq!(rig.cuts().count(), 100);
    for pair in steps[1..].chunks_exact(2) {
        assert_eq!(pair[0].strip_prefix("prepare "), pair[1].strip_prefix("open "));
    }
    // Three seconds ahead, not more.
    assert_eq!(rig.files[1].plan.expected_frames, 6_000);
    let mut rig = Rig::new(settings(60.0, "UTC"), 1_000);
    rig.block_frames = 100;
    rig.clock("2024-12-25T14:59:50Z", true);
    rig.start();
    rig.play(6.8);
    assert!(rig.prepared.is_none());
    rig.play(0.3);
    assert!(rig.prepared.is_some_and(|plan| plan.stem == "20241225_150000"));
}

#[test]
fn numbers_that_go_back_close_the_file() {
    let mut rig = Rig::new(settings(60.0, "UTC"), 1_000);
    rig.clock("2024-12-25T14:00:00Z", true);
    rig.start();
    rig.play(10.0);
    let mut block = soundpost::pool::Pool::new(1, 1).try_take().expect("free");
    (block.first_frame, block.frames, block.stamp) = (5_000, 10, (5_010, soundpost::time::Mono(rig.mono)));
    let look = soundpost::time::Look {
        mono: soundpost::time::Mono(rig.mono),
        wall: soundpost::time::Wall(rig.mono + rig.offset),
        synced: true,
    };
    rig.splitter.push(soundpost::message::Tape::Block(block), look);
    let pieces: Vec<String> = std::iter::from_fn(|| rig.splitter.pop()).map(|piece| format!("{piece:?}")).collect();
    assert!(pieces[0].starts_with("Close(Closing { cause: Fault, frames: 10000"), "{pieces:?}");
    assert!(pieces[1].starts_with("Open(") && pieces[1].contains("first_frame: 5000"), "{pieces:?}");
    assert_eq!(&pieces[2..], ["Audio { frames: 0..10 }"]);
}

#[test]
fn a_replay_as_fast_as_it_goes_keeps_to_the_frames() {
    // One hour in six seconds: boundaries follow the frames from the start of the run.
    let mut rig = Rig::new(settings(10.0, "UTC"), 48_000);
    rig.block_frames = 4_096;
    rig.clock("2024-12-25T14:03:00Z", true);
    rig.start();
    rig.ppm = 599.0 * 1e6;
    rig.play(3_600.0);
    rig.stop(Cause::End);
    let starts: Vec<u64> = rig.files.iter().map(|f| f.plan.identity.first_frame / 48_000).collect();
    assert_eq!(starts, [0, 420, 1_020, 1_620, 2_220, 2_820, 3_420]);
    assert_eq!(rig.splitter.drift_ppm(), None);
}

/// 100 ppm fast, read by read with the delays of a busy machine: after 30 days each cut is still where the hour was.
#[test]
fn thirty_days_of_drift() {
    let mut rig = Rig::new(settings(60.0, "Europe/Berlin"), 48_000);
    rig.ppm = 100.0;
    rig.jitter = Some(Dice(30));
    rig.clock("2024-03-20T14:07:12.345Z", true);
    rig.start();
    rig.play(30.0 * 86_400.0);
    let hour = 3_600 * SECOND_NS;
    let off = |file: &rig::File| (file.true_start.0 + hour / 2).rem_euclid(hour) - hour / 2;
    let worst_ns = rig.cuts().map(|(_, file)| off(file).abs()).max();
    println!("worst cut of 30 days: {worst_ns:?} ns off, {:?} ppm", rig.splitter.drift_ppm());
    assert_eq!(rig.cuts().count(), 30 * 24);
    assert!(worst_ns.is_some_and(|ns| ns <= 2 * MS));
    assert!(rig.splitter.drift_ppm().is_some_and(|ppm| (ppm - 100.0).abs() < 1.0));
    // What a file says of its own length leads to the start of the next.
    for (a, b) in rig.cuts().skip(1) {
        let rate = a.closing.as_ref().and_then(|c| c.measured_rate).expect("a fit");
        let end = a.plan.identity.start.0 + (a.frames as f64 / rate * 1e9) as i64;
        assert!((b.plan.identity.start.0 - end).abs() <= 2 * MS);
    }
}

/// Whatever happens, each file of a run begins where the one before ended, or after a gap that is entered.
#[test]
fn files_of_a_run_abut_for_any_seed() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let minutes = [0.001, 0.1, 1.0, 7.0, 60.0][dice.below(5) as usize];
        let mut rig = Rig::new(settings(minutes, "Europe/Berlin"), [1_000, 44_100, 48_000][dice.below(3) as usize]);
        rig.ppm = dice.below(400) as f64 - 200.0;
        rig.jitter = Some(Dice(seed));
        rig.clock("2024-10-27T00:55:00Z", false);
        rig.start();
        let mut gone = 0;
        for _ in 0..300 {
            let (before, lost) = (rig.frame, 0.001 + dice.below(1_500) as f64 / 1e3);
            match dice.below(40) {
                0 => rig.lose(lost, Reason::Overload),
                1 => rig.pass(rig.frames_in(lost)),
                2 => rig.offset += (dice.below(20_000) as i64 - 10_000) * SECOND_NS,
                3 => rig.offset += (dice.below(800) as i64 - 400) * MS,
                4 => rig.splitter.cut(Cause::Disk),
                5 => rig.synced = !rig.synced,
                _ => {
                    let frames = 1 + dice.below(u64::from(rig.hz)) as u32;
                    rig.block(frames);
                    continue;
                }
            }
            gone += rig.frame - before;
            rig.block(100);
        }
        rig.stop(Cause::End);
        let recorded: u64 = rig.files.iter().map(|f| f.frames).sum();
        let lost: u64 = rig.lost.iter().map(|entry| entry.frames_lost).sum();
        assert_eq!((recorded + lost, lost), (rig.frame, gone), "seed {seed}");
        for pair in rig.files.windows(2) {
            let [a, b] = pair else { continue };
            let between = b.plan.identity.first_frame.checked_sub(a.end());
            assert!(between.is_some_and(|n| n <= lost), "seed {seed}: files overlap");
        }
    }
}

#[test]
fn hostile_numbers_do_no_harm() {
    use soundpost::message::{Lost, Tape};
    use soundpost::time::{Look, Mono, Wall};
    let pool = soundpost::pool::Pool::new(1, 1);
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut rig = Rig::new(settings(0.1, "Europe/Berlin"), 8_000);
        rig.start();
        for _ in 0..50 {
            let mut number = || match dice.below(6) {
                0 => u64::MAX - dice.below(3),
                1 => dice.below(3),
                2 => 1 << dice.below(64),
                _ => dice.below(200_000),
            };
            let look = Look { mono: Mono(number() as i64), wall: Wall(number() as i64), synced: number() % 2 == 0 };
            let tape = match number() % 8 {
                0 => Tape::Gap(Lost { at_frame: number(), frames: number(), reason: Reason::Xrun }),
                1 => Tape::Start(rig.run()),
                2 => Tape::Stop(Cause::Unplugged),
                _ => {
                    let mut block = pool.try_take().expect("it came home");
                    block.first_frame = number();
                    block.frames = (number() % 20) as u32;
                    block.stamp = (number(), Mono(number() as i64));
                    Tape::Block(block)
                }
            };
            rig.splitter.push(tape, look);
            assert!(std::iter::from_fn(|| rig.splitter.pop()).count() < 100, "seed {seed}: no shower of pieces");
        }
    }
}
