//! A day as a recorder in a wood brings it home: 24 recordings, one an hour, and the song of a spinetail. Served, reviewed, cut, and
//! its sections held against those of an independent program (`tests/reference/profile.py`).
//!
//! The recordings lie in `../shared/field`, or where SOUNDPOST_FIELD says; each is ten seconds of its hour, which is filled by playing
//! it again and again with noise between. Without them the sounds are made up. An hour has 60 seconds here, and all its 3,600 with
//! SOUNDPOST_FULL_DAY=1.

mod browser_rig;
mod common;
mod reference;
#[path = "common/web.rs"]
mod web;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use browser_rig::{Served, browse, date};
use common::Place;
use serde_json::{Value, json};
use soundpost::format::profile;

const DATE: &str = "2019-05-22";
/// 2019-05-22 00:00 UTC.
const MIDNIGHT: Duration = Duration::from_secs(1_558_483_200);
const SPINETAIL: &str = "spinetail.wav";

fn seconds_an_hour() -> u32 {
    if std::env::var_os("SOUNDPOST_FULL_DAY").is_some() { 3_600 } else { 60 }
}

struct Sound {
    spec: hound::WavSpec,
    samples: Vec<i16>,
}

impl Sound {
    fn read(path: &Path) -> Sound {
        let reader = hound::WavReader::open(path).expect("a WAV");
        Sound { spec: reader.spec(), samples: reader.into_samples().collect::<Result<_, _>>().expect("16 bits") }
    }

    /// A whistle over noise, for want of a wood.
    fn made_up(seed: u64) -> Sound {
        let spec =
            hound::WavSpec { channels: 1, sample_rate: 22_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
        let hz = 2_000.0 + 150.0 * seed as f64;
        let whistle = |frame: usize| {
            let is_heard = (frame / 11_000) % 9 == 4;
            if is_heard { 6_000.0 * (frame as f64 / 22_000.0 * hz * std::f64::consts::TAU).sin() } else { 0.0 }
        };
        let noise = common::noise(seed + 1, 220_000);
        let samples = noise.iter().enumerate().map(|(frame, &noise)| noise / 32 + whistle(frame) as i16).collect();
        Sound { spec, samples }
    }

    /// Again and again, with two seconds of noise between, as loud as its quietest second, until an hour is full.
    fn fill(&self, seed: u64) -> Vec<i16> {
        let rate = self.spec.sample_rate as usize;
        let power = |second: &[i16]| second.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / second.len() as f64;
        let quietest = self.samples.chunks_exact(rate).map(power).fold(f64::MAX, f64::min).sqrt();
        // That of even numbers up to `most` is `most` divided by the root of three.
        let most = (quietest * 3_f64.sqrt()).max(1.0);
        let between = common::noise(seed + 100, 2 * rate).into_iter().map(|s| (f64::from(s) / 8_192.0 * most) as i16);
        let round: Vec<i16> = self.samples.iter().copied().chain(between).collect();
        round.into_iter().cycle().take(rate * seconds_an_hour() as usize).collect()
    }
}

/// The recordings from the field, and the spinetail; made-up ones if they are not here.
fn sounds() -> (Vec<Sound>, Option<PathBuf>) {
    match reference::field() {
        Some(files) => {
            let (songs, hours): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| path.ends_with(SPINETAIL));
            (hours.iter().map(|path| Sound::read(path)).collect(), songs.into_iter().next())
        }
        None => {
            println!("no recordings in ../shared/field, and SOUNDPOST_FIELD names none: a day of made-up sounds");
            ((0..24).map(Sound::made_up).collect(), None)
        }
    }
}

/// The day's recordings, the spinetail last.
fn make_day(folder: &Path) -> Vec<PathBuf> {
    let (sounds, spinetail) = sounds();
    assert_eq!(sounds.len(), 24);
    let length = Duration::from_secs(seconds_an_hour().into());
    let mut day = Vec::new();
    for (hour, sound) in sounds.iter().enumerate() {
        let path = folder.join(format!("S4A03895_20190522_{hour:02}0000.wav"));
        let mut writer = hound::WavWriter::create(&path, sound.spec).expect("created");
        sound.fill(hour as u64).into_iter().for_each(|sample| writer.write_sample(sample).expect("written"));
        writer.finalize().expect("closed");
        date(&path, SystemTime::UNIX_EPOCH + MIDNIGHT + Duration::from_secs(3_600 * hour as u64) + length);
        day.push(path);
    }
    if let Some(spinetail) = spinetail {
        let path = folder.join(SPINETAIL);
        std::fs::copy(spinetail, &path).expect("copied");
        date(&path, SystemTime::UNIX_EPOCH + MIDNIGHT + Duration::from_secs(24 * 3_600 - 60));
        day.push(path);
    }
    day
}

#[test]
fn served_reviewed_and_cut() {
    let place = Place::new();
    let day = make_day(place.folder.path());
    let served = Served::serve(place.folder.path(), "Etc/GMT");
    served.analysed(day.len());
    its_sections_are_the_reference(&served, &day);
    if day.len() == 25 {
        four_songs_are_four_sections(&served);
    }
    its_picture_has_every_hour(&served);
    what_is_cut_is_what_was_recorded(&served, &day[5]);
    let review = [("BASE_URL", served.base.as_str()), ("DAY", DATE), ("REVIEW", "S4A03895_20190522_050000.wav")];
    browse("field", Some("^An evening's review"), "Etc/GMT", &review);
    its_review_is_kept(&served, place.folder.path());
}

fn its_sections_are_the_reference(served: &Served, day: &[PathBuf]) {
    let (mut sections, mut all) = (0, 0);
    for (path, expected) in day.iter().zip(reference::of(day)) {
        let name = path.file_name().expect("a name").to_str().expect("UTF-8");
        let file = served.get(&format!("api/files/{name}"));
        assert_eq!(file["date"], DATE, "{name}");
        assert_eq!(file["frames"], expected["frames"], "{name}");
        let (_, _, bytes) = served.ask(&format!("api/files/{name}/profile"));
        let profile = profile::read(&bytes).expect("whole");
        let levels: Vec<f64> = profile.levels.iter().map(|&level| level.into()).collect();
        assert_eq!(levels, reference::numbers(&expected["levels"]), "{name}");
        let cells = |cells: &[u8]| cells.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        assert_eq!(cells(&profile.detection), reference::numbers(&expected["detection"]), "{name}");
        assert_eq!(cells(&profile.columns), reference::numbers(&expected["columns"]), "{name}");
        for (what, tuning) in [
            ("level_sections", "detector=level&margin=12&min_gap=2"),
            ("band_sections", "detector=bands&margin=12&min_gap=2&min_length=0.2"),
            ("sensitive", "detector=bands&margin=6.25&min_gap=0.5&min_length=0.3"),
        ] {
            let found = served.get(&format!("api/files/{name}/analysis?{tuning}"));
            let found: Vec<Vec<f64>> = list(&found["sections"]).iter().map(told).collect();
            let wanted: Vec<Vec<f64>> =
                list(&expected[what]).iter().map(|section| rounded(&reference::numbers(section))).collect();
            assert_eq!(found, wanted, "{name}: {what}");
            all += found.len();
        }
        sections += list(&expected["level_sections"]).len();
    }
    let told = served.get(&format!("api/days/{DATE}"));
    assert_eq!((&told["files_count"], &told["sections"]), (&day.len().into(), &sections.into()));
    println!("{} recordings, {sections} sections by level, {all} in all ways", day.len());
    assert!(all > 100, "{all} sections are too few to show anything");
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

/// A section of the API in the reference's numbers: windows, score to the tenth, whole hertz.
fn told(section: &Value) -> Vec<f64> {
    let number = |key: &str| section[key].as_f64();
    let windows = ["from_s", "to_s"].map(|key| (number(key).expect("a time") * 10.0).round());
    let score = (number("score_db").expect("a score") * 10.0).round();
    let band = ["f_lo_hz", "f_hi_hz"].into_iter().filter_map(|key| number(key).map(f64::round));
    windows.into_iter().chain([score]).chain(band).collect()
}

/// As the API tells it.
fn rounded(section: &[f64]) -> Vec<f64> {
    let [first, end, score, band @ ..] = section else { panic!("{section:?}") };
    [*first, *end, (score / 10.0).round()].into_iter().chain(band.iter().map(|hz| hz.round())).collect()
}

fn four_songs_are_four_sections(served: &Served) {
    let asked = "analysis?detector=bands&margin=16&min_gap=0.3&min_length=1";
    let found = served.get(&format!("api/files/{SPINETAIL}/{asked}"));
    let sections: Vec<Vec<f64>> = list(&found["sections"]).iter().map(told).collect();
    println!("the spinetail's songs: {sections:?}");
    assert_eq!(sections.len(), 4, "{sections:?}");
}

/// Minutes with sound in them, by the day's picture: 1440 columns of 128 bands, 255 where nothing was recorded.
fn its_picture_has_every_hour(served: &Served) {
    let (status, _, picture) = served.ask(&format!("api/days/{DATE}/picture"));
    assert_eq!((status, &picture[..4]), (200, &b"SPDP"[..]));
    let minutes = picture[12..12 + 1_440 * 128].chunks(128).map(|column| column.iter().any(|&v| v != 255));
    let heard: Vec<usize> = minutes.enumerate().filter(|(_, is_heard)| *is_heard).map(|(minute, _)| minute).collect();
    let full = seconds_an_hour() as usize / 60;
    for hour in 0..24 {
        let its = heard.iter().filter(|&&minute| minute / 60 == hour && minute % 60 < full).count();
        assert_eq!(its, full, "hour {hour}: {heard:?}");
    }
}

/// No sample is touched, and it is the very stretch that the answer says.
fn what_is_cut_is_what_was_recorded(served: &Served, source: &Path) {
    let name = source.file_name().expect("a name").to_str().expect("UTF-8");
    let (status, headers, cut) = served.ask(&format!("api/cut?file={name}&from=12.34&to=45.6"));
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&cut));
    let second = |wanted: &str| {
        let (_, value) = headers.iter().find(|(name, _)| name == wanted).unwrap_or_else(|| panic!("{wanted}: {headers:?}"));
        value.parse::<f64>().expect("a number")
    };
    let whole = Sound::read(source);
    let frame = |name: &str| (second(name) * f64::from(whole.spec.sample_rate)).round() as usize;
    let reader = hound::WavReader::new(&cut[..]).expect("a WAV");
    assert_eq!(reader.spec(), whole.spec);
    let samples: Vec<i16> = reader.into_samples().collect::<Result<_, _>>().expect("samples");
    assert_eq!(samples.len(), (33.26 * f64::from(whole.spec.sample_rate)).round() as usize);
    assert!(samples == whole.samples[frame("x-soundpost-from")..frame("x-soundpost-to")], "other samples than were recorded");
}

/// What was said in the browser is in the sidecar, and the day has that much less to review; what is said over the API is, too.
fn its_review_is_kept(served: &Served, folder: &Path) {
    let (before, name) = (served.get(&format!("api/days/{DATE}")), "S4A03895_20190522_050000.wav");
    let file = served.get(&format!("api/files/{name}"));
    assert_eq!((&file["reviewed"], &file["note"]), (&true.into(), &"Dawn chorus, good".into()));
    let side = common::sidecar(folder, &folder.join(name));
    assert_eq!((&side["reviewed"], &side["note"]), (&true.into(), &"Dawn chorus, good".into()));
    let other = "S4A03895_20190522_060000.wav";
    let answer = served.put(&format!("api/files/{other}/reviewed"), &json!({"reviewed": true}));
    let to_review = |day: &Value| day["to_review"].as_u64().expect("a number");
    let after = served.get(&format!("api/days/{DATE}"));
    assert_eq!(to_review(&before) - to_review(&after), list(&answer["sections"]).len() as u64);
}
