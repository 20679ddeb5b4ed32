//! The keys of a triggered source, and what they come to together with `[analysis]` and the pool.

use super::keys;
use super::reader::{Reader, Report};
use super::settings::Analysis;
use super::source::SourceConfig;
use super::value::{Wrong, because, choice, real, unless_empty};
use crate::message::analysis::{Centibel, Detector};

/// What the pool holds besides the pre-roll: as long as a card may stand still.
const POOL_SECONDS: f64 = 12.0;

/// As written; what is nothing is as in `[analysis]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// `None`: everything is recorded.
    pub detector: Option<Detector>,
    pub margin_db: Option<f64>,
    /// Low < high; [`Detector::Bands`] only.
    pub band_hz: Option<(f64, f64)>,
    pub pre_roll_seconds: Option<f64>,
    pub post_roll_seconds: Option<f64>,
    pub min_seconds: f64,
    /// At least `min_seconds`.
    pub max_seconds: Option<f64>,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resolved {
    pub detector: Detector,
    pub margin: Centibel,
    pub band_hz: Option<(f64, f64)>,
    pub pre_roll_seconds: f64,
    pub post_roll_seconds: f64,
    pub min_seconds: f64,
    pub max_seconds: Option<f64>,
}

impl Trigger {
    pub fn read(reader: &mut Reader) -> Trigger {
        Trigger {
            detector: reader.get(&keys::TRIGGER),
            margin_db: reader.get(&keys::TRIGGER_MARGIN),
            band_hz: reader.get(&keys::TRIGGER_BAND),
            pre_roll_seconds: reader.get(&keys::PRE_ROLL),
            post_roll_seconds: reader.get(&keys::POST_ROLL),
            min_seconds: reader.get(&keys::TRIGGER_MIN_SECONDS),
            max_seconds: reader.get(&keys::TRIGGER_MAX_SECONDS),
        }
    }

    /// A station is kept as it comes. One that only takes over what `[general]` says is recorded like any other.
    pub fn refuse_of_stream(&mut self, reader: &mut Reader) {
        if self.detector.take().is_some() && reader.is_own(&keys::TRIGGER.about) {
            let line = reader.line_of(&keys::TRIGGER.about);
            reader.error(line, "trigger: a station is kept as it comes and cannot be triggered: take the key out, or write off");
        }
    }

    pub fn resolved(&self, analysis: &Analysis) -> Option<Resolved> {
        let detector = self.detector?;
        let usual = || if detector == analysis.detector { analysis.margin_db } else { None };
        Some(Resolved {
            detector,
            margin: self.margin_db.or_else(usual).map_or(detector.usual_margin(), Centibel::of_db),
            band_hz: self.band_hz,
            pre_roll_seconds: self.pre_roll_seconds.unwrap_or(analysis.pre_roll_seconds),
            post_roll_seconds: self.post_roll_seconds.unwrap_or(analysis.post_roll_seconds),
            min_seconds: self.min_seconds,
            max_seconds: self.max_seconds,
        })
    }
}

/// Seconds of the pool of a triggered source: what was asked for, and with the usual 12 s room for the pre-roll.
pub fn pool_seconds(asked: f64, trigger: Option<&Resolved>) -> f64 {
    trigger.map_or(asked, |it| asked.max(it.pre_roll_seconds + POOL_SECONDS))
}

/// Why a source cannot be triggered as it is written, and the key to change.
pub fn misfit(source: &SourceConfig, analysis: &Analysis, report: &Report) -> Option<(&'static str, String)> {
    let trigger = source.lane.trigger.resolved(analysis)?;
    let rate_hz = source.sample_rate().map(|rate| f64::from(rate.hz()));
    if trigger.band_hz.is_some() && trigger.detector != Detector::Bands {
        let reason = "trigger_band needs trigger = bands: the level is that of everything";
        return Some(("trigger_band", reason.to_owned()));
    }
    // The highest of the detection bands ends there.
    if let Some(((low, _), rate_hz)) = trigger.band_hz.zip(rate_hz).filter(|((low, _), rate)| *low >= 0.45 * rate) {
        let reason =
            format!("trigger_band begins at {low} Hz: at {rate_hz} Hz a second nothing is heard above {} Hz", 0.45 * rate_hz);
        return Some(("trigger_band", reason));
    }
    if let Some(max) = trigger.max_seconds.filter(|max| *max < trigger.min_seconds) {
        let reason = format!("trigger_max_seconds = {max}: less than trigger_min_seconds ({})", trigger.min_seconds);
        return Some(("trigger_max_seconds", reason));
    }
    let (pool, needed) = (source.lane.pool_seconds, trigger.pre_roll_seconds + POOL_SECONDS);
    if pool < needed && report.line_of(&source.name, keys::POOL_SECONDS.about.name) > 0 {
        let pre_roll = trigger.pre_roll_seconds;
        let reason = format!(
            "pool_seconds = {pool}: want at least {needed}, for the pre-roll of {pre_roll} s and {POOL_SECONDS} s besides"
        );
        return Some(("pool_seconds", reason));
    }
    None
}

pub fn detector(text: &str) -> Result<Option<Detector>, Wrong> {
    let words = [("off", None), ("no", None), ("none", None), ("level", Some(Detector::Level)), ("bands", Some(Detector::Bands))];
    choice(text, &words)
}

/// `18k-120k`, `200-4000`.
pub fn band(text: &str) -> Result<(f64, f64), Wrong> {
    let hz = |text: &str| {
        let text = text.trim();
        let (number, times) = text.strip_suffix(['k', 'K']).map_or((text, 1.0), |number| (number, 1_000.0));
        real(number.trim(), 0.0, 1e6).map(|number| number * times)
    };
    let (low, high) = text.split_once('-').ok_or(Wrong::Unwanted)?;
    match (hz(low)?, hz(high)?) {
        (low, high) if low < high => Ok((low, high)),
        _ => because("is empty: the first frequency must be below the second"),
    }
}

pub fn roll(text: &str) -> Result<Option<f64>, Wrong> {
    unless_empty(text, |text| real(text, 0.0, 60.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    /// The problems of a tone at 48 kHz with these keys, and what it is triggered by.
    fn read(general: &str, keys: &str) -> (String, Option<Resolved>) {
        let text = format!("[general]\n{general}\n[analysis]\nmargin = 9\npre_roll_s = 3\n[mic]\ntype = tone\n{keys}\n");
        let parsed = Config::parse(text.as_bytes(), "ini", &Environment::default());
        let problems: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
        let source = parsed.config.sources.first();
        (problems.join("; "), source.and_then(|source| source.lane.trigger.resolved(&parsed.config.analysis)))
    }

    #[test]
    fn what_is_not_said_is_as_in_the_analysis() {
        let usual = Resolved {
            detector: Detector::Level,
            margin: Centibel(900),
            band_hz: None,
            pre_roll_seconds: 3.0,
            post_roll_seconds: 1.0,
            min_seconds: 0.0,
            max_seconds: None,
        };
        assert_eq!(read("", ""), (String::new(), None));
        assert_eq!(read("", "trigger = off"), (String::new(), None));
        assert_eq!(read("", "trigger = level"), (String::new(), Some(usual)));
        assert_eq!(read("trigger = level\npost_roll = 2", "").1, Some(Resolved { post_roll_seconds: 2.0, ..usual }));
        // The margin of one detector says nothing about that of the other.
        let bands = "trigger = bands\ntrigger_band = 2k-8000\npre_roll = 0\ntrigger_min_seconds = 1\ntrigger_max_seconds = 9";
        let want = Resolved {
            detector: Detector::Bands,
            margin: Centibel(1_500),
            band_hz: Some((2_000.0, 8_000.0)),
            pre_roll_seconds: 0.0,
            min_seconds: 1.0,
            max_seconds: Some(9.0),
            ..usual
        };
        assert_eq!(read("", bands), (String::new(), Some(want)));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_line() {
        let check = |keys: &str, want: &str| {
            let (problems, trigger) = read("", &format!("trigger = bands\n{keys}"));
            assert!(problems.contains(want) && trigger.is_none(), "{keys}: {problems}");
            let last = 9 + keys.matches('\n').count();
            assert!(problems.contains(&format!("ini:{last}:")), "{keys}: {problems}");
        };
        check("pool_seconds = 14", "pool_seconds = 14: want at least 15, for the pre-roll of 3 s and 12 s besides");
        check("trigger_band = 8k-2k", "the first frequency must be below the second");
        check("trigger_band = 8k", "want a range of Hz such as 18k-120k");
        check("trigger_band = 30k-40k", "nothing is heard above 21600 Hz");
        check("trigger_min_seconds = 5\ntrigger_max_seconds = 4", "less than trigger_min_seconds (5)");
        assert!(read("", "trigger = level\ntrigger_band = 1k-2k").0.contains("trigger_band needs trigger = bands"));
        assert_eq!(read("", "trigger = bands\npool_seconds = 15").0, "");
    }

    #[test]
    fn a_station_is_not_triggered() {
        let check = |general: &str, own: &str, want: &str| {
            let text = format!("[general]\n{general}\n[fm]\ntype = stream\nurl = http://127.0.0.1/x\n{own}\n");
            let parsed = Config::parse(text.as_bytes(), "ini", &Environment::default());
            let problems: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
            assert!(problems.iter().all(|p| p.contains("no source is left")) == want.is_empty(), "{problems:?}");
            assert!(problems.join(" ").contains(want), "{problems:?}");
            assert!(parsed.config.sources.iter().all(|source| source.lane.trigger.detector.is_none()));
        };
        check("", "trigger = level", "ini:6: trigger: a station is kept as it comes");
        check("trigger = level", "", "");
    }
}
