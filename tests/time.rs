//! Reliability of time: clocks that start in 1970 and are set, summer time, drift, delays and losses, over simulated days.
//! Each test prints its figure.

mod rig;

use rig::{Dice, MS, Rig, settings};
use soundpost::message::{Cause, Reason};
use soundpost::time::SECOND_NS;

/// Files since `from` frames of the run, and by how much the worst of their starts differs from the truth.
fn worst_start_ns(rig: &Rig, from: u64) -> (usize, i64) {
    let errors = rig.files.iter().filter(|f| f.plan.identity.first_frame >= from);
    let errors: Vec<i64> = errors.map(|f| f.plan.identity.start.since(f.true_start).abs()).collect();
    (errors.len(), errors.into_iter().max().unwrap_or(0))
}

/// No frame is in two files, and in one run no file begins before the one before has ended (unless the clock was set).
fn no_overlap(rig: &Rig) {
    for pair in rig.files.windows(2) {
        let [a, b] = pair else { continue };
        if a.plan.identity.session != b.plan.identity.session {
            continue;
        }
        assert!(b.plan.identity.first_frame >= a.end(), "{} and {} share frames", a.name, b.name);
        let Some(closing) = &a.closing else { continue };
        if closing.cause != Cause::Clock {
            let rate = closing.measured_rate.unwrap_or(f64::from(rig.hz));
            let lasted_ns = ((a.frames + a.lost()) as f64 / rate * 1e9) as i64;
            let apart_ns = b.plan.identity.start.since(a.plan.identity.start) - lasted_ns;
            // Equal but for the slew of the clock (at most 0.4 s a time here) and what the fit has learnt meanwhile.
            assert!(closing.cause == Cause::Gap || apart_ns.abs() < 500 * MS, "{}: {apart_ns} ns to {}", a.name, b.name);
        }
    }
}

fn names_are_unique(rig: &Rig) {
    let mut names: Vec<&str> = rig.files.iter().map(|f| f.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rig.files.len());
}

#[test]
fn boot_in_1970_then_the_true_time() {
    for seed in 0..10 {
        let mut rig = Rig::new(settings(60.0, "Europe/Berlin"), 48_000);
        rig.block_frames = 4_800;
        rig.jitter = Some(Dice(seed));
        rig.ppm = 87.0;
        rig.clock("1970-01-01T00:00:20Z", false);
        rig.start();
        rig.play(200.0);
        let set = rig.frame;
        rig.clock("2024-12-25T13:14:15.678Z", true);
        rig.play(3.0 * 3_600.0);
        rig.stop(Cause::Shutdown);
        let (files, worst_ns) = worst_start_ns(&rig, set);
        println!("seed {seed}: {files} files after the step, the worst start {} us off, {:?}", worst_ns / 1_000, rig.log[2]);
        assert_eq!(files, 4);
        assert!(worst_ns <= 50 * MS);
        let corrected = rig.log.iter().filter(|line| line.starts_with("correct run1 by 173513")).count();
        assert_eq!(corrected, 1, "{:#?}", rig.log);
        no_overlap(&rig);
    }
}

#[test]
fn years_forth_and_back() {
    let mut rig = Rig::new(settings(60.0, "Europe/Berlin"), 1_000);
    rig.clock("2024-12-25T13:14:15Z", true);
    rig.start();
    let mut dice = Dice(11);
    for _ in 0..200 {
        rig.play(10.0 + dice.below(5_000) as f64);
        let step_s = [365 * 86_400, 3_600, 1_800, 1, 0][dice.below(5) as usize];
        rig.offset += step_s * SECOND_NS * if dice.below(2) == 0 { 1 } else { -1 };
        rig.synced = dice.below(2) == 0;
    }
    rig.play(10.0);
    rig.stop(Cause::Shutdown);
    println!(
        "{} files, {} of them closed by a set clock",
        rig.files.len(),
        rig.log.iter().filter(|l| l.starts_with("close clock")).count()
    );
    assert_eq!(rig.files.iter().map(|f| f.frames).sum::<u64>(), rig.frame);
    // Two hundred steps and an hour between them at most: no step may bring a shower of files.
    assert!(rig.files.len() <= 200 * 4);
    names_are_unique(&rig);
    no_overlap(&rig);
    assert!(worst_start_ns(&rig, 0).1 <= MS);
}

#[test]
fn a_year_of_summer_times() {
    for zone in ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut"] {
        for (minutes, longest_s) in [(60.0, 7_200), (1_440.0, 25 * 3_600), (90.0, 9_000)] {
            let mut rig = Rig::new(settings(minutes, zone), 1);
            rig.block_frames = 600;
            rig.clock("2017-10-01T00:00:00Z", true);
            rig.start();
            rig.play(400.0 * 86_400.0);
            rig.stop(Cause::Shutdown);
            let longest = rig.files.iter().map(|f| f.frames).max();
            println!("{zone}, {minutes} min: {} files, the longest {longest:?} s", rig.files.len());
            assert!(longest.is_some_and(|s| s <= longest_s), "{longest:?}");
            assert_eq!(rig.files.iter().map(|f| f.frames).sum::<u64>(), rig.frame);
            names_are_unique(&rig);
            no_overlap(&rig);
        }
    }
}

/// 24 h in 100 ms reads with delays, sleeping readers, overruns, unplugging and a slewed clock.
#[test]
fn a_day_of_trouble() {
    for seed in 0..5 {
        let mut rig = Rig::new(settings(60.0, "UTC"), 48_000);
        let mut dice = Dice(1_000 + seed);
        rig.jitter = Some(Dice(seed));
        rig.block_frames = 4_800;
        rig.ppm = dice.below(200) as f64 - 100.0;
        rig.clock("2024-12-25T00:00:10Z", true);
        let mut frames = 0;
        let (mut worst_ppm, mut worst_ns) = (0.0_f64, 0);
        let began = rig.mono;
        rig.start();
        let mut started = rig.mono;
        while rig.mono - began < 86_400 * SECOND_NS {
            rig.block(4_800);
            match dice.below(20_000) {
                0..40 => rig.asleep_until = rig.mono + 2 * SECOND_NS,
                40..45 => rig.lose(dice.below(3_000) as f64 / 1e3, Reason::Xrun),
                45..47 => rig.offset += (dice.below(10) as i64 - 5) * MS,
                47 => {
                    rig.stop(Cause::Unplugged);
                    frames += rig.frame;
                    rig.mono += dice.below(120) as i64 * SECOND_NS;
                    rig.start();
                    started = rig.mono;
                }
                _ => {}
            }
            if let (true, Some(ppm)) = (rig.mono - started > 300 * SECOND_NS, rig.splitter.drift_ppm()) {
                worst_ppm = worst_ppm.max((ppm - rig.ppm).abs());
            }
        }
        rig.stop(Cause::Shutdown);
        frames += rig.frame;
        for file in &rig.files {
            worst_ns = worst_ns.max(file.plan.identity.start.since(file.true_start).abs());
        }
        // Frames in files and lost in runs are all there were; time between runs is entered too.
        let recorded: u64 = rig.files.iter().map(|f| f.frames).sum();
        let lost =
            |xrun: bool| -> u64 { rig.lost.iter().filter(|e| (e.reason == Reason::Xrun) == xrun).map(|e| e.frames_lost).sum() };
        assert_eq!(recorded + lost(true), frames, "seed {seed}");
        let elapsed = rig.frames_in((rig.mono - began) as f64 / 1e9 * (1.0 + rig.ppm / 1e6));
        let accounted = frames + lost(false);
        println!(
            "seed {seed}: {} files, {} gaps, {} frames of {elapsed} unaccounted for, worst start {} us, drift within {worst_ppm:.2} ppm",
            rig.files.len(),
            rig.lost.len(),
            elapsed.abs_diff(accounted),
            worst_ns / 1_000
        );
        // One period of 100 ms for each end of a run, whose instant is only known so well.
        assert!(elapsed.abs_diff(accounted) <= 4_800 * rig.lost.len() as u64);
        assert!(worst_ppm <= 5.0);
        assert!(worst_ns <= 50 * MS);
        for entry in rig.lost.iter().filter(|e| e.reason == Reason::Xrun) {
            let lasted_ns = entry.end.since(entry.start);
            let said_ns = entry.frames_lost as f64 / 48_000.0 * 1e9;
            assert!((lasted_ns as f64 - said_ns).abs() < 100e6, "a gap within one period");
        }
        names_are_unique(&rig);
        no_overlap(&rig);
    }
}

/// A run opened while the reader was late: its start is wrong by that, and is led to the truth without a jump.
#[test]
fn a_late_start_is_mended() {
    let mut rig = Rig::new(settings(1.0, "UTC"), 48_000);
    rig.block_frames = 4_800;
    rig.clock("2024-12-25T00:00:30Z", true);
    rig.start();
    rig.began -= 300 * MS;
    rig.play(1_800.0);
    let errors: Vec<i64> = rig.files.iter().map(|f| f.plan.identity.start.since(f.true_start) / MS).collect();
    println!("errors of successive starts in ms: {errors:?}");
    assert_eq!(errors[0], 300);
    assert!(errors[4..].iter().all(|e| e.abs() <= 2));
    assert!(errors.windows(2).all(|pair| pair[1] <= pair[0]));
}
