//! soundpost.ini as its users meet it: text in; values, one line for each problem, and the listing of `soundpost check` out.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use log::LevelFilter;
use soundpost::config::problem::Problems;
use soundpost::config::reader::Origin;
use soundpost::config::script::{ScriptedFault, ScriptedKind};
use soundpost::config::source::SourceType;
use soundpost::config::storage::{Kept, WhenFull};
use soundpost::config::{
    BitDepth, Config, Environment, FilenameTime, Pace, Parsed, Position, RawBits, Repeat, Severity, SourceConfig, SourceKind,
    Storage, StreamFormat, check, ini, keys,
};
use soundpost::message::analysis::Detector;
use soundpost::message::{Container, Depth};

const EXAMPLE: &str = "board/root/boot/firmware/soundpost.ini";

fn file(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

fn parse_in(text: &str, environment: &[(&str, &str)]) -> Parsed {
    Config::parse(text.as_bytes(), "s.ini", &environment.iter().copied().collect())
}

fn parse(text: &str) -> Parsed {
    parse_in(text, &[])
}

/// Every problem as the user sees it; `!` before an error.
fn lines(parsed: &Parsed) -> Vec<String> {
    parsed.problems.iter().map(|p| format!("{}{p}", if p.severity == Severity::Error { "!" } else { "" })).collect()
}

#[track_caller]
fn problems_in(text: &str, environment: &[(&str, &str)], want: &[&str]) {
    assert_eq!(lines(&parse_in(text, environment)), want, "for {text}");
}

/// Problems of a section of its own, after a sound source on line 1 and 2.
#[track_caller]
fn problems(text: &str, want: &[&str]) {
    problems_in(&format!("[ok]\ntype=demo\n{text}"), &[], want);
}

/// The only source of a text that has no problems.
#[track_caller]
fn source(text: &str) -> SourceConfig {
    let parsed = parse(&format!("[s]\n{text}"));
    assert_eq!(lines(&parsed), [""; 0], "for {text}");
    parsed.config.sources.into_iter().next().expect("a source")
}

// What comes from ISR.

#[test]
fn an_isr_file_has_no_problems_and_isr_values() {
    let parsed = Config::parse(&file("tests/data/ini/isr.ini"), "config.ini", &Environment::default());
    assert_eq!(lines(&parsed), [""; 0]);
    let config = &parsed.config;
    let names: Vec<&str> = config.sources.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["my_stream", "mic_in", "radio1", "system_audio", "shared"]);
    assert_eq!(config.general.log_file, Some(PathBuf::from("recorder.log")));
    match &config.sources[0].kind {
        SourceKind::Stream { urls, username: None, password: None, format: StreamFormat::Auto, cue_sheet: false } => {
            assert_eq!(urls.expose(), ["http://icecast.example.com:8000/live"]);
        }
        other => panic!("{other:?}"),
    }
    match &config.sources[1].kind {
        SourceKind::Soundcard { device, sample_rate, channels: 2, format: Container::Wav } => {
            assert_eq!((device.as_str(), sample_rate.hz()), ("default", 44_100));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(config.sources[4].lane.split_minutes, 30.0);
    assert_eq!(config.sources[4].container(), Some(Container::Flac));
}

#[test]
fn defaults() {
    let mic = source("type = soundcard");
    let lane = &mic.lane;
    assert_eq!(lane.output_directory, Path::new("recordings"));
    assert_eq!((lane.split_minutes, lane.filename_pattern.as_str()), (60.0, "%Y%m%d_%H%M%S"));
    assert_eq!((lane.filename_time, &lane.time_zone), (FilenameTime::Local, &None));
    assert_eq!((lane.bit_depth, lane.flac_level, lane.flac_block_size), (BitDepth::Fixed(Depth::Sixteen), 5, 4_096));
    assert_eq!((lane.sync_seconds, lane.pool_seconds, lane.period_ms, lane.buffer_ms), (5.0, 12.0, 100, 2_000));
    assert_eq!((lane.max_retries, lane.retry_delay_seconds), (10, 5.0));
    assert_eq!((mic.line, mic.name.as_str()), (1, "s"));

    let config = parse("[s]\ntype=demo\n").config;
    assert_eq!((config.general.log_level, config.general.memory_budget_mb), (LevelFilter::Info, 64));
    assert_eq!((config.web.enabled, config.web.bind.to_string().as_str(), config.web.port), (true, "0.0.0.0", 8_080));
    assert_eq!((config.web.session_hours, config.web.max_connections, config.web.max_per_host), (720.0, 64, 32));
    assert!(config.web.hosts.is_empty());
    let a = &config.analysis;
    assert_eq!((a.detector, a.margin_db, a.min_gap_seconds, a.min_length_seconds), (Detector::Level, None, 2.0, 0.2));
    assert_eq!((a.pre_roll_seconds, a.post_roll_seconds, &a.analyses_dir), (2.0, 1.0, &None));
    assert_eq!((config.live.max_listeners, config.live.max_sources), (100, 10));
    assert!(config.live.source_password.is_none() && config.web.password_hash.is_none() && config.site.position.is_none());
}

#[test]
fn the_demo_needs_no_file() {
    let config = Config::demo(Path::new("/srv/demo"));
    assert_eq!(config.sources.len(), 1);
    let demo = &config.sources[0];
    assert_eq!((demo.name.as_str(), demo.lane.split_minutes), ("demo", 1.0));
    assert_eq!((demo.lane.output_directory.as_path(), config.general.lane.output_directory.as_path()), {
        (Path::new("/srv/demo"), Path::new("/srv/demo"))
    });
    match demo.kind {
        SourceKind::Demo { sample_rate, channels: 2, format: Container::Flac, seed: 1 } => assert_eq!(sample_rate.hz(), 48_000),
        ref other => panic!("{other:?}"),
    }
}

// The example file.

#[test]
fn the_example_is_clean_and_changes_nothing() {
    let parsed = Config::parse(&file(EXAMPLE), "soundpost.ini", &Environment::default());
    assert_eq!(lines(&parsed), [""; 0]);
    let mut plain = parse("[mic]\ntype = soundcard\n").config;
    plain.sources[0].line = parsed.config.sources[0].line;
    assert_eq!(parsed.config, plain);
}

/// The remarks that show a key, with the # removed: still no problem, and every shown value is the default of its key.
#[test]
fn the_example_shows_every_key_with_its_default() {
    let text = String::from_utf8(file(EXAMPLE)).expect("UTF-8");
    let is_shown = |line: &str| line.starts_with('[') || line.split_once('=').is_some_and(|(k, _)| !k.trim_end().contains(' '));
    let uncommented: Vec<&str> =
        text.lines().map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ') && is_shown(l)).unwrap_or(line)).collect();
    let parsed = parse(&uncommented.join("\n"));
    assert_eq!(lines(&parsed), [""; 0]);

    let mut problems = Problems::new("example");
    let example = ini::parse(uncommented.join("\n").as_bytes(), &mut problems);
    let sources = [("mic", "soundcard"), ("radio", "stream"), ("replay", "file"), ("demo", "demo"), ("tone", "tone")];
    let types: BTreeMap<&str, SourceType> = SourceType::WORDS.into_iter().collect();
    let lists = sources.iter().map(|(section, t)| (*section, types[t].keys())).chain(keys::SETTINGS);
    for (section, list) in lists.chain([("general", keys::LANE), ("storage", keys::STORED)]) {
        let section = example.sections.iter().find(|s| s.name == section).expect(section);
        for about in list {
            let entry = section.get(about.name).unwrap_or_else(|| panic!("[{}] does not show {}", section.name, about.name));
            let is_placeholder = matches!(about.name, "type" | "url" | "path");
            assert!(is_placeholder || entry.value == about.default, "[{}] {} = {}", section.name, about.name, entry.value);
        }
    }
}

// Values.

#[test]
fn every_type_with_every_key() {
    let environment = [("USER", "u"), ("PASS", "hunter2")].into_iter().collect();
    let parsed = Config::parse(&file("tests/data/ini/everything.ini"), "e.ini", &environment);
    assert_eq!(
        lines(&parsed),
        [
            "e.ini:44: key 'flac_level' again in [tone]: this line counts, line 43 does not",
            "e.ini:46: section [replay] again (first at line 16): both are one, the last of each key counts",
        ]
    );
    let [stream, replay, demo, tone] = parsed.config.sources.as_slice() else { panic!("four sources") };
    match &stream.kind {
        SourceKind::Stream { urls, password: Some(password), format: StreamFormat::Opus, .. } => {
            assert_eq!(urls.expose(), ["https://u:hunter2@radio.example.com/a#b;c"]);
            assert_eq!(password.expose(), "p#q;r=s:t");
        }
        other => panic!("{other:?}"),
    }
    match &replay.kind {
        SourceKind::File {
            path,
            pace: Pace::Fast,
            repeat: Repeat::Times(3),
            faults,
            format: Container::Flac,
            raw: Some(raw),
        } => {
            assert_eq!(path, Path::new("a file.wav"));
            assert_eq!((raw.bits, raw.sample_rate.hz(), raw.channels), (RawBits::TwentyFour, 96_000, 1));
            let at = |at_seconds, kind| ScriptedFault { at_seconds, kind };
            let want = [
                at(10.0, ScriptedKind::Stall { seconds: 3.0 }),
                at(20.0, ScriptedKind::Xrun { frames: 4_800 }),
                at(60.0, ScriptedKind::End),
            ];
            assert_eq!(faults.as_slice(), want);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(demo.kind, SourceKind::Demo { seed: 42, .. }));
    assert!(matches!(tone.kind, SourceKind::Tone { hz: 440.5, dbfs: -6.0, pace: Pace::Fast, .. }));
    assert_eq!(tone.lane.flac_level, 0);
    for source in &parsed.config.sources {
        let lane = &source.lane;
        assert_eq!(lane.output_directory, Path::new("/srv/recordings"));
        assert_eq!((lane.time_zone.as_deref(), lane.filename_time), (Some("Europe/Berlin"), FilenameTime::Utc));
        assert_eq!(lane.bit_depth, BitDepth::Auto);
    }
    let config = &parsed.config;
    assert_eq!(config.general.log_file, None);
    assert_eq!(config.site.name.as_deref(), Some("Grünau, Süd"));
    assert_eq!(config.site.position, Some(Position { latitude: 52.52, longitude: -13.405 }));
    assert_eq!((config.analysis.detector, config.analysis.margin_db), (Detector::Bands, Some(9.5)));
    assert_eq!((config.web.enabled, config.web.bind.to_string().as_str()), (false, "::1"));
    assert_eq!(config.live.source_password.as_ref().map(|s| s.expose()), Some("hunter2"));
}

#[test]
fn values() {
    let level = |text: &str| parse(&format!("[s]\ntype=demo\n[general]\nlog_level={text}\n")).config.general.log_level;
    assert_eq!(
        [level("debug"), level("Warning"), level("CRITICAL")],
        [LevelFilter::Debug, LevelFilter::Warn, LevelFilter::Error]
    );
    let repeat = |text: &str| match source(&format!("type=file\npath=a\nloop={text}")).kind {
        SourceKind::File { repeat, .. } => repeat,
        other => panic!("{other:?}"),
    };
    assert_eq!([repeat("yes"), repeat("no"), repeat("0"), repeat("1"), repeat("7"), repeat("")], {
        [Repeat::Forever, Repeat::Times(1), Repeat::Times(1), Repeat::Times(1), Repeat::Times(7), Repeat::Times(1)]
    });
    assert_eq!(source("type=demo\nsplit_minutes=0.02").lane.split_minutes, 0.02);
    assert_eq!(source("type=demo\nfilename_pattern=100%%_%H").lane.filename_pattern, "100%%_%H");
    assert_eq!(source("type=demo\nsplit_minutes=").lane.split_minutes, 60.0);
    assert_eq!(source("TYPE = Demo\nBit_Depth = 24").lane.bit_depth, BitDepth::Fixed(Depth::TwentyFour));
}

#[test]
fn sources_take_over_what_is_good_in_general() {
    let text = "[a]\ntype=demo\n[general]\nsplit_minutes=5\nflac_level=9\ntime_zone=UTC\n\
                [b]\ntype=tone\nsplit_minutes=\ntime_zone=system\nfilename_pattern=b_%H\n";
    let parsed = parse(text);
    assert_eq!(lines(&parsed), ["!s.ini:5: flac_level = 9: want 0 (fast) to 8 (small)"]);
    let [a, b] = parsed.config.sources.as_slice() else { panic!("two sources") };
    assert_eq!((a.lane.split_minutes, a.lane.flac_level, a.lane.time_zone.as_deref()), (5.0, 5, Some("UTC")));
    assert_eq!((b.lane.split_minutes, b.lane.flac_level, b.lane.time_zone.as_deref()), (5.0, 5, None));
}

#[test]
fn a_section_named_like_settings_is_a_source_when_it_has_a_type() {
    let parsed = parse("[live]\ntype = stream\nurl = http://h/\n[WEB]\nport = 81\n");
    assert_eq!(lines(&parsed), [""; 0]);
    assert_eq!((parsed.config.sources[0].name.as_str(), parsed.config.web.port), ("live", 81));
}

#[test]
fn schedules() {
    let lane = source("type=demo\nschedule=22:00..06:00,\n  12:00..12:30\nschedule_days=sat-sun\nduty=60s/5m").lane;
    assert_eq!((lane.schedule.windows.len(), lane.schedule.days.0), (2, 0b110_0000));
    assert_eq!(lane.schedule.duty.map(|duty| (duty.on_s, duty.of_s)), Some((60, 300)));
    assert!(source("type=demo").lane.schedule.is_always());
    let sun =
        "[general]\nschedule=sunset..sunrise\n[s]\ntype=demo\n[t]\ntype=demo\nschedule=06:00..07:00\nfilename_pattern=t%H\n";
    let parsed = parse(sun);
    assert_eq!(lines(&parsed), ["!s.ini:2: schedule names the sun: it needs latitude and longitude in [site]"]);
    assert_eq!((parsed.config.sources.len(), parsed.config.broken_sources.len()), (1, 1));
    let parsed = parse(&format!("{sun}[site]\nlatitude=52.5\nlongitude=13.4\n"));
    assert_eq!((lines(&parsed), parsed.config.sources.len()), (vec![], 2));
}

// Problems.

#[test]
fn unknown_keys_are_warnings_that_help() {
    problems("sample_rat = 1", &["s.ini:3: unknown key 'sample_rat' in [ok]: did you mean 'sample_rate'?"]);
    problems("zzz = 1", &["s.ini:3: unknown key 'zzz' in [ok]"]);
    problems("device = x", &["s.ini:3: unknown key 'device' in [ok]: belongs to type = soundcard"]);
    problems("log_level = INFO", &["s.ini:3: unknown key 'log_level' in [ok]: belongs into [general]"]);
    problems("[general]\npace = fast", {
        &["s.ini:4: unknown key 'pace' in [general]: belongs into a source (type = file or tone)"]
    });
    problems("[web]\nprot = 1", &["s.ini:4: unknown key 'prot' in [web]: did you mean 'port'?"]);
    problems(
        "[storage]\nretention_day = 1",
        &["s.ini:4: unknown key 'retention_day' in [storage]: did you mean 'retention_days'?"],
    );
    problems("when_full = stop", &["s.ini:3: unknown key 'when_full' in [ok]: belongs into [storage]"]);
    problems("[general]\nretention_days = 9", &["s.ini:4: unknown key 'retention_days' in [general]: belongs into [storage]"]);
    problems("[upload]\nkeep = 1", &["s.ini:4: unknown key 'keep' in [upload]"]);
}

#[test]
fn a_source_is_kept_as_storage_says_unless_it_says_otherwise() {
    let text = "[bats]\ntype = demo\nretention_days = 9.5\nmin_free_hours =\n[birds]\ntype = tone\nfilename_pattern = %s\n\
                [Storage]\nmin_free_hours = 4\nretention_days = 30\nmin_free_bytes = 2G\nwhen_full = stop\nhigh_score = 18\n";
    let parsed = parse_in(text, &[("SOUNDPOST_BIRDS_EXPIRE_ONLY_UPLOADED", "yes")]);
    assert_eq!(lines(&parsed), [""; 0]);
    let Storage { when_full, high_score_db, kept } = parsed.config.storage;
    assert_eq!((when_full, high_score_db), (WhenFull::Stop, 18.0));
    let all = Kept {
        min_free_hours: 4.0,
        min_free_bytes: 2 << 30,
        retention_days: Some(30.0),
        expire_only_uploaded: false,
        full_days: None,
        opus_days: None,
    };
    let of = |n: usize| parsed.config.sources[n].kept;
    let want = [all, Kept { retention_days: Some(9.5), ..all }, Kept { expire_only_uploaded: true, ..all }];
    assert_eq!([kept, of(0), of(1)], want);
    let usual = parse("[s]\ntype=demo\n").config;
    let few = Kept {
        min_free_hours: 0.1,
        min_free_bytes: 64 << 20,
        retention_days: None,
        expire_only_uploaded: false,
        full_days: None,
        opus_days: None,
    };
    assert_eq!((usual.storage.when_full, usual.storage.kept, usual.sources[0].kept), (WhenFull::Delete, few, few));
}

#[test]
fn wrong_values_say_what_is_wanted() {
    let cases = [
        ("split_minutes = abc", "split_minutes = abc: want minutes, more than 0 and at most 1440"),
        ("split_minutes = 0", "split_minutes = 0: want minutes, more than 0 and at most 1440"),
        ("split_minutes = 1441", "split_minutes = 1441: want minutes, more than 0 and at most 1440"),
        ("split_minutes = 1e-9", "split_minutes = 1e-9: is too short: want at least 0.001 minutes"),
        ("sample_rate = 44.1", "sample_rate = 44.1: want Hz, 1000 to 768000"),
        ("channels = 0", "channels = 0: want 1 to 8"),
        ("format = mp3", "format = mp3: want wav or flac"),
        ("bit_depth = 20", "bit_depth = 20: want 16, 24 or auto"),
        ("min_free_bytes = 2 Gigs", "min_free_bytes = 2 Gigs: want bytes, such as 500M or 2G"),
        ("retention_days = 0", "retention_days = 0: want days, 0.01 to 36500, or nothing: until the room is needed"),
        ("time_zone = Europe/Berlinn", {
            "time_zone = Europe/Berlinn: is no time zone that this machine knows (want a name such as Europe/Berlin, UTC or system)"
        }),
        ("filename_pattern = a%J", "filename_pattern = a%J: %J is not a strftime code (%% stands for a plain %)"),
        ("filename_pattern = ../a%H", {
            "filename_pattern = ../a%H: has an empty folder name, . or ..; want a name below output_directory"
        }),
        ("output_directory = a\0b", "output_directory = a\u{fffd}b: has a control character"),
        ("schedule = 22:00", "schedule = 22:00: 22:00 is no window (want one such as 22:00..06:00 or sunrise-30m..sunrise+2h)"),
        ("schedule_days = mon tues day", {
            "schedule_days = mon tues day: day is no day (want mon, tue, wed, thu, fri, sat, sun or a range such as mon-fri)"
        }),
        ("duty = 5m/60s", "duty = 5m/60s: want what is recorded of what, such as 60s/5m: at least 1s of at most 24h"),
        ("seed = -1", "seed = -1: want a whole number"),
        ("output_directory = a\n  b", "output_directory = a\u{fffd}b: goes on over several lines"),
    ];
    for (text, want) in cases {
        let parsed = parse(&format!("[ok]\ntype=tone\n[s]\ntype=demo\n{text}\n"));
        assert_eq!(lines(&parsed), [format!("!s.ini:5: {want}")]);
        assert_eq!(parsed.config.sources.len(), 1);
        let broken = &parsed.config.broken_sources[0];
        assert_eq!((broken.name.as_str(), broken.line, broken.reason.as_str()), ("s", 3, want));
    }
}

#[test]
fn all_problems_at_once_and_only_that_source_is_left_out() {
    problems(
        "[x]\ntype = soundcard\nsplit_minutes = abc\nchanels = 1\nformat = ogg\n[y]\ntype = stream\nformat = wma\n",
        &[
            "!s.ini:5: split_minutes = abc: want minutes, more than 0 and at most 1440",
            "s.ini:6: unknown key 'chanels' in [x]: did you mean 'channels'?",
            "!s.ini:7: format = ogg: want wav or flac",
            "!s.ini:8: url is missing: want http://host:port/path or https://, others after a blank stand in",
            "!s.ini:10: format = wma: want auto, mp3, ogg, aac, flac or opus",
        ],
    );
    problems("[x]\ntype = file\n", &["!s.ini:3: path is missing: want the path of a recording"]);
    problems("[x]\ntype = file\npath =\n", &["!s.ini:5: path is missing: want the path of a recording"]);
    problems("[x]\ntype = tone\nhz = 30000\nfilename_pattern = x%H\n", {
        &["!s.ini:5: hz = 30000: above half of the sample rate (48000 Hz)"]
    });
    problems("[x]\ntype = soundcard\nperiod_ms = 500\nbuffer_ms = 900\nfilename_pattern = x%H\n", {
        &["s.ini:6: buffer_ms = 900: less than two periods, so it is 1000"]
    });
    problems("[x]\ntype = demo\nfilename_pattern = x\n", {
        &["s.ini:5: filename_pattern has no time in it: all files have one name and differ only by -2, -3 …"]
    });
    problems("[site]\nlatitude = 1\n", &["s.ini:4: latitude without longitude: neither is used"]);
}

#[test]
fn sections_without_a_type() {
    let want = "soundcard, stream, file, demo or tone";
    problems("[mic]\ndevice = hw:0\n", &[&format!("!s.ini:3: [mic] has no type: add type = {want}")]);
    problems("[mic]\ntype =\n", &[&format!("!s.ini:3: [mic] has no type: add type = {want}")]);
    problems("[mic]\ntype = soundcrad\nzzz = 1\n", &[&format!("!s.ini:4: type = soundcrad: want {want}")]);
    let genral = format!("!s.ini:3: [genral] has no type: add type = {want} (or is it meant to be [general]?)");
    problems("[genral]\nsplit_minutes = 5\n", &[&genral]);
    problems("[wbe]\nfoo = 1\n", &["s.ini:3: unknown section [wbe]: did you mean 'web'?: left out; a source needs a type"]);
    problems("[notes]\n", &["s.ini:3: unknown section [notes]: left out; a source needs a type"]);
}

#[test]
fn a_file_without_sources_is_an_error() {
    let want = "!s.ini: no source: add a section such as [mic] with type = soundcard, stream, file, demo or tone";
    problems_in("", &[], &[want]);
    problems_in("[general]\nsplit_minutes = 5\n", &[], &[want]);
    problems_in(
        "[a]\ntype=file\n",
        &[],
        &["!s.ini:1: path is missing: want the path of a recording", "!s.ini: no source is left: each of them has an error"],
    );
}

#[test]
fn sources_that_fight_for_names_are_warned_of() {
    let clash = |a: &str, b: &str| parse(&format!("[a]\ntype=demo\n{a}\n[b]\ntype=demo\n{b}\n")).problems.len();
    assert_eq!(clash("", ""), 1);
    assert_eq!(clash("output_directory=x", "output_directory=x/"), 1);
    assert_eq!(clash("output_directory=x", "output_directory=./x"), 1);
    let here = std::env::current_dir().expect("there").display().to_string();
    assert_eq!(clash("output_directory=x", &format!("output_directory={here}/x")), 1);
    assert_eq!(clash("output_directory=x", "output_directory=y"), 0);
    assert_eq!(clash("filename_pattern=a_%H", ""), 0);
    problems("filename_pattern=a%H\n[OK]\ntype=demo\n", &["s.ini:4: [OK] and [ok] have the same names in the environment"]);
    let name = "x".repeat(101);
    let parsed = parse(&format!("[{name}]\ntype=demo\n[a\u{7}b]\ntype=demo\n[ ]\ntype=demo\n[ü /\"\\]\ntype=demo\n"));
    assert_eq!(lines(&parsed).len(), 3);
    assert_eq!(parsed.config.sources[0].name, "ü /\"\\");
}

#[test]
fn what_is_monitored_is_a_source_that_can_be_heard() {
    for (name, heard, said) in [
        ("mic", Some("mic"), ""),
        ("", None, ""),
        ("mix", None, "s.ini:2: monitor: [mix] is no source: did you mean 'mic'?"),
        ("radio", None, "s.ini:2: monitor: [radio] is a station, which is not heard here"),
    ] {
        let sources = "[mic]\ntype=demo\n[radio]\ntype=stream\nurl=http://h/\nfilename_pattern=r_%H\n";
        let parsed = parse(&format!("[general]\nmonitor = {name}\n{sources}"));
        assert_eq!((parsed.config.general.monitor.as_deref(), lines(&parsed).join("\n")), (heard, said.to_owned()), "{name}");
        assert!(!parsed.has_errors(), "there is something to record");
    }
}

// The environment.

#[test]
fn the_environment_overrides_the_file() {
    let text = "[general]\nsplit_minutes=5\n[mic in]\ntype=soundcard\nchannels=2\n[r]\ntype=stream\nurl=http://h/\n";
    let environment = [
        ("SOUNDPOST_GENERAL_SPLIT_MINUTES", "15"),
        ("SOUNDPOST_MIC_IN_CHANNELS", "1"),
        ("SOUNDPOST_MIC_IN_FILENAME_PATTERN", "mic_%H"),
        ("SOUNDPOST_R_PASSWORD", "a #${b}"),
        ("SOUNDPOST_WEB_PORT", " 81 "),
        ("SOUNDPOST_R_USERNAME", ""),
        ("HOME", "/"),
    ];
    let parsed = parse_in(text, &environment);
    assert_eq!(lines(&parsed), [""; 0]);
    let [mic, radio] = parsed.config.sources.as_slice() else { panic!("two sources") };
    assert!(matches!(mic.kind, SourceKind::Soundcard { channels: 1, .. }));
    assert_eq!((mic.lane.split_minutes, mic.lane.filename_pattern.as_str()), (15.0, "mic_%H"));
    match &radio.kind {
        SourceKind::Stream { password: Some(password), .. } => assert_eq!(password.expose(), "a #${b}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(parsed.config.web.port, 81);
    let split = parsed.effective.iter().find(|e| e.section == "mic in" && e.key == "split_minutes").expect("listed");
    assert_eq!(split.origin, Origin::Environment("SOUNDPOST_GENERAL_SPLIT_MINUTES".to_owned()));
}

#[test]
fn wrong_variables() {
    let text = "[mic]\ntype=${SOUNDPOST_KIND}\n[bad]\nurl=x\n[b2]\ntype=demo\nfilename_pattern=b%H\n";
    let environment = [
        ("SOUNDPOST_KIND", "tone"),
        ("SOUNDPOST_MIC_SAMPLE_RAT", "1"),
        ("SOUNDPOST_NOTHING_AT_ALL", "1"),
        ("SOUNDPOST_BAD_DEVICE", "1"),
        ("SOUNDPOST_B2_SEED", "x"),
    ];
    problems_in(
        text,
        &environment,
        &[
            "!s.ini:3: [bad] has no type: add type = soundcard, stream, file, demo or tone",
            "!environment: SOUNDPOST_B2_SEED = x: want a whole number",
            "environment: SOUNDPOST_MIC_SAMPLE_RAT names no section and key: did you mean 'SOUNDPOST_MIC_SAMPLE_RATE'?",
            "environment: SOUNDPOST_NOTHING_AT_ALL names no section and key",
        ],
    );
}

#[test]
fn variables_inside_values() {
    let text = "[r]\ntype=stream\nurl=http://${HOST}/a\npassword=${PW}\nusername=$${HOST}\n";
    let parsed = parse_in(text, &[("HOST", "h:80"), ("PW", "x ; y")]);
    assert_eq!(lines(&parsed), [""; 0]);
    match &parsed.config.sources[0].kind {
        SourceKind::Stream { urls, password: Some(password), username: Some(username), .. } => {
            assert_eq!(
                (urls.expose(), password.expose(), username.as_str()),
                (vec!["http://h:80/a".to_owned()], "x ; y", "${HOST}")
            );
        }
        other => panic!("{other:?}"),
    }
    problems_in(
        text,
        &[("HOST", "h")],
        &["!s.ini:4: password: the environment variable PW is not set", "!s.ini: no source is left: each of them has an error"],
    );
}

/// Whatever is wrong with them, secrets are in no message, no listing, no debug output.
#[test]
fn secrets_are_never_shown() {
    let texts = [
        "[r]\ntype=stream\nurl=http://u:hunter2@h:x/\npassword=hunter2\n",
        "[r]\ntype=stream\nurl=http://u:hunter2/3@h/\n",
        "[r]\ntype=stream\nurl=u:hunter2@h\n",
        "[r]\ntype=stream\nurl=http://u:hunter2@h/\npassword=hunter2\npassword=hunter2\n",
        "[r]\ntype=stream\nurl=http://h/\npassword=hunter2\u{7}\n",
        "[r]\ntype=stream\nurl=http://h/\npassword=a\n   hunter2=hunter2\n",
        "[r]\ntype=stream\nurl=http://h/\npassword=${hunter2\n",
        "[r]\ntype=stream\nurl=http://h/\npassword hunter2\n",
        "[r]\ntype=stream\nurl=http://${PW}@h/\npassword=${PW}\nsplit_minutes=${PW}\nformat=${PW}\n",
        "[live]\nsource_password=hunter2\nadmin_password=hunter2\nlisten_password=hunter2\n[web]\npassword_hash=hunter2\n[r]\ntype=demo\n",
        "[r]\ntype=demo\noutput_directory=${PW}\n",
    ];
    for text in texts {
        let parsed = parse_in(text, &[("PW", "hunter2"), ("SOUNDPOST_WEB_PASSWORD_HASH", "hunter2")]);
        let mut seen = format!("{}\n{}", lines(&parsed).join("\n"), check::text(&parsed));
        if !text.contains("output_directory") {
            seen += &format!("{:?}", parsed.config);
        }
        assert!(!seen.contains("hunter2"), "{text}\n{seen}");
    }
}

// The listing of `soundpost check`.

#[test]
fn the_listing_names_value_and_origin() {
    let parsed = parse_in(
        "[general]\nsplit_minutes=5\n[r]\ntype=stream\nurl=http://u:p@h/\npassword=p\n[bad]\ntype=demo\nseed=x\n",
        &[("SOUNDPOST_R_MAX_RETRIES", "3")],
    );
    let listing = check::text(&parsed);
    let squeezed: Vec<String> = listing.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for want in [
        "[general]",
        "log_level = INFO # default",
        "[r]",
        "type = stream # line 4",
        "url = http://***@h/ # line 5",
        "password = *** # line 6",
        "username = # default",
        "split_minutes = 5 # line 2",
        "max_retries = 3 # SOUNDPOST_R_MAX_RETRIES",
        "[web]",
        "port = 8080 # default",
        "cue_sheet = no # default",
        "# [bad] is left out (line 7): seed = x: want a whole number",
    ] {
        assert!(squeezed.iter().any(|l| l == want), "{want} in\n{listing}");
    }
    assert!(!squeezed.iter().any(|l| l == "[bad]"));
}

/// What is listed means the same when it is read again. So every key is listed, and none is read without being listed.
#[test]
fn the_listing_is_a_configuration_with_the_same_meaning() {
    let environment: Environment = [("USER", "u"), ("PASS", "w")].into_iter().collect();
    for path in ["tests/data/ini/isr.ini", "tests/data/ini/everything.ini", EXAMPLE] {
        let mut text = String::from_utf8(file(path)).expect("UTF-8");
        text = text.replace("${USER}:${PASS}@", "").replace("password = p#q;r=s:t", "").replace("source_password = hunter2", "");
        let first = Config::parse(text.as_bytes(), path, &environment);
        let listing = check::text(&first);
        let mut second = Config::parse(listing.as_bytes(), "listing", &environment);
        assert_eq!(lines(&second), [""; 0], "{listing}");
        for (new, old) in second.config.sources.iter_mut().zip(&first.config.sources) {
            new.line = old.line;
        }
        assert_eq!(second.config, first.config);
        for source in &first.config.sources {
            let listed: Vec<&str> = first.effective.iter().filter(|e| e.section == source.name).map(|e| e.key).collect();
            let known = source.source_type().keys().iter().chain(keys::LANE).chain(keys::STORED).map(|about| about.name);
            assert!(known.clone().all(|key| listed.contains(&key)) && listed.len() == known.count(), "[{}]", source.name);
        }
    }
}

// The file itself.

#[test]
fn what_cannot_be_read_is_one_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let load = |name: &str| Config::load(&dir.path().join(name), &Environment::default());
    let line = |name: &str| load(name).expect_err(name).to_string().replace(&format!("{}/", dir.path().display()), "");
    assert_eq!(line("none.ini"), "none.ini: no such file; name yours with -c FILE, or try record --demo");
    assert_eq!(line(""), ": a directory; name the file in it");
    fs::write(dir.path().join("big.ini"), vec![b'#'; ini::MAX_BYTES + 1]).expect("written");
    assert_eq!(line("big.ini"), "big.ini: larger than 1048576 bytes: is it the right file?");
    fs::write(dir.path().join("good.ini"), "[s]\ntype=demo\nx=1\n").expect("written");
    let good = load("good.ini").expect("read");
    assert_eq!(good.config.sources.len(), 1);
    assert!(good.problems[0].to_string().ends_with("good.ini:3: unknown key 'x' in [s]"));
}

// Hostile text.

fn corpus() -> Vec<Vec<u8>> {
    let names = ["isr", "windows", "everything", "hostile"];
    names.iter().map(|name| file(&format!("tests/data/ini/{name}.ini"))).chain([file(EXAMPLE)]).collect()
}

/// xorshift64*: the same mutations on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// A few bytes replaced, inserted or removed, a few lines repeated, removed, moved or taken from elsewhere.
fn mutated(random: &mut Random, corpus: &[Vec<u8>], bytes: &[u8]) -> Vec<u8> {
    let mut text = corpus[random.below(corpus.len())].clone();
    for _ in 0..random.below(6) {
        let at = random.below(text.len());
        let byte = bytes[random.below(bytes.len())];
        match random.below(3) {
            0 if !text.is_empty() => text[at] = byte,
            1 if !text.is_empty() => drop(text.remove(at)),
            _ => text.insert(at, byte),
        }
    }
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
    let other: Vec<&[u8]> = corpus[random.below(corpus.len())].split_inclusive(|&b| b == b'\n').collect();
    for _ in 0..random.below(5) {
        let (from, to) = (random.below(lines.len()), random.below(lines.len()));
        match random.below(4) {
            0 if !lines.is_empty() => lines.insert(to, lines[from]),
            1 if !lines.is_empty() => drop(lines.remove(from)),
            2 if !lines.is_empty() => lines.swap(from, to),
            _ => lines.insert(to, other[random.below(other.len())]),
        }
    }
    lines.concat()
}

#[test]
fn a_megabyte_of_anything_is_read_in_time() {
    let repeated = |prefix: &str, line: &dyn Fn(usize) -> String| {
        let mut text = prefix.to_owned();
        let mut n = 0;
        while text.len() < ini::MAX_BYTES - 64 {
            text += &line(n);
            n += 1;
        }
        text
    };
    let cases = [
        ("sections", repeated("", &|n| format!("[{n}]\n"))),
        ("sources", repeated("", &|n| format!("[{n}]\ntype=demo\n"))),
        ("without type", repeated("", &|n| format!("[{n}]\nurl=\n"))),
        ("one section again", repeated("", &|_| "[a]\n".to_owned())),
        ("unknown keys", repeated("[general]\n", &|n| format!("k{n}=\n"))),
        ("one key again", repeated("[general]\n", &|_| "log_level=x\n".to_owned())),
        ("continued", repeated("[general]\nlog_level=\n", &|_| " a=\n".to_owned())),
        ("blank", repeated("[general]\nlog_level=\n", &|_| "\n".to_owned())),
        ("CR", repeated("[general]\nlog_level=\n", &|_| "\r".to_owned())),
        ("variables", repeated("[general]\nlog_level=", &|_| "\n ${A}${A}".to_owned())),
        ("faults", repeated("[a]\ntype=file\npath=x\nfaults=", &|_| "\n end@1,,,,".to_owned())),
        ("junk", repeated("", &|_| "x\n".to_owned())),
        ("one line", repeated("[a]\n", &|_| "[#;=: ".to_owned())),
    ];
    let variable = "x".repeat(1_000);
    let environment: Environment = [("A", variable.as_str()), ("SOUNDPOST_1_TIPE", "x")].into_iter().collect();
    for (name, text) in cases {
        let start = Instant::now();
        let parsed = Config::parse(text.as_bytes(), "h.ini", &environment);
        let listing = check::text(&parsed);
        assert!(parsed.problems.len() <= 501 && listing.len() < 4 << 20, "{name}");
        assert!(start.elapsed() < Duration::from_secs(10), "{name}: {:?}", start.elapsed());
    }
}

/// Python's configparser is the oracle: what it reads, we read alike. What it refuses, we may read as we like.
#[test]
fn pythons_configparser_reads_the_same() {
    const SCRIPT: &str = "
import configparser, io, json, sys
for line in sys.stdin:
    text = io.TextIOWrapper(io.BytesIO(bytes.fromhex(line)), encoding='utf-8-sig', errors='replace')
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, inline_comment_prefixes=('#', ';'), default_section='\\0')
    found = {}
    try:
        parser.read_file(text)
        for name in parser.sections():
            found.setdefault(name.strip(), {}).update(parser[name])
    except configparser.Error:
        found = None
    print(json.dumps(found))
";
    let (corpus, mut random) = (corpus(), Random(0xC0FFEE));
    let bytes = *b"[]=:#;%\n\r\t  abcz019_";
    let texts: Vec<Vec<u8>> = corpus.iter().cloned().chain((0..1_500).map(|_| mutated(&mut random, &corpus, &bytes))).collect();
    let input: String = texts.iter().map(|text| text.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n").collect();
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut stdin = python.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = python.wait_with_output().expect("python3 ran");
    writer.join().expect("joined").expect("python3 read everything");
    let answers = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(answers.lines().count(), texts.len());

    let mut compared = 0;
    for (text, answer) in texts.iter().zip(answers.lines()) {
        let theirs: Option<BTreeMap<String, BTreeMap<String, String>>> = serde_json::from_str(answer).expect("JSON");
        let Some(theirs) = theirs else { continue };
        compared += 1;
        let ini = ini::parse(text, &mut Problems::new("t"));
        let ours: BTreeMap<String, BTreeMap<String, String>> = ini
            .sections
            .iter()
            .map(|s| (s.name.clone(), s.entries.iter().map(|e| (e.key.clone(), e.value.clone())).collect()))
            .collect();
        assert_eq!(ours, theirs, "for {}", String::from_utf8_lossy(text));
    }
    assert!(compared > 300, "only {compared} texts were valid for Python");
}
