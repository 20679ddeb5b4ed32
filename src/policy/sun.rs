//! When the sun rises and sets, and when twilight begins and ends, at a place on a day.
//!
//! Position of the sun by Meeus, "Astronomical Algorithms" (2nd edition, chapters 25 and 28), in the form of the calculator of
//! NOAA's Global Monitoring Laboratory (gml.noaa.gov/grad/solcalc): 0.01° from 1950 to 2050. From it an event is sought where
//! the height of the sun passes a threshold, by halving the time between the lowest and the highest point of its way: near a
//! polar circle, where the closed formula fails, too. Almanacs count sunrise from the upper limb with the mean refraction at
//! the horizon (0.833°), whatever the hills and the weather are.
//!
//! # Where the sun does not rise, or not set
//! A solar day goes from one lowest point of the sun to the next. As days become shorter, sunrise and sunset come closer to
//! noon, and there they stay while the sun does not rise: the day is empty and the night whole. Where it does not set, sunrise
//! is at the lowest point before noon, sunset at the one after: the day is whole and the night empty. So is it with each
//! twilight. There is no day without its eight events.

use crate::time::{SECOND_NS, Wall};

/// Degrees north and east.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub latitude: f64,
    pub longitude: f64,
}

/// In the order of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    AstronomicalDawn,
    NauticalDawn,
    CivilDawn,
    Sunrise,
    Sunset,
    CivilDusk,
    NauticalDusk,
    AstronomicalDusk,
}

impl Event {
    /// `dawn` and `dusk` alone are the civil ones.
    pub const WORDS: [(&str, Event); 10] = [
        ("sunrise", Event::Sunrise),
        ("sunset", Event::Sunset),
        ("dawn", Event::CivilDawn),
        ("dusk", Event::CivilDusk),
        ("civil-dawn", Event::CivilDawn),
        ("civil-dusk", Event::CivilDusk),
        ("nautical-dawn", Event::NauticalDawn),
        ("nautical-dusk", Event::NauticalDusk),
        ("astronomical-dawn", Event::AstronomicalDawn),
        ("astronomical-dusk", Event::AstronomicalDusk),
    ];

    /// Before noon.
    pub fn is_morning(self) -> bool {
        self <= Event::Sunrise
    }

    /// Height of the sun's centre in degrees.
    fn height(self) -> f64 {
        match self {
            Event::Sunrise | Event::Sunset => -0.833,
            Event::CivilDawn | Event::CivilDusk => -6.0,
            Event::NauticalDawn | Event::NauticalDusk => -12.0,
            Event::AstronomicalDawn | Event::AstronomicalDusk => -18.0,
        }
    }
}

const DAY_S: f64 = 86_400.0;
/// Halving a half day so often leaves less than a tenth of a second.
const HALVINGS: u32 = 19;
/// The noon moves by half a minute a day: once more is exact.
const APPROACHES: u32 = 3;

/// The event of the solar day whose noon is nearest to `about`: at high latitudes a sunset after midnight is still that of the
/// day before. Nearest by a clock that keeps the place's mean time, so that successive days have successive noons.
pub fn event(event: Event, place: Place, about: Wall) -> Wall {
    let about = about.0 as f64 / SECOND_NS as f64;
    let noon = noon_near(place, about);
    let towards = if event.is_morning() { -DAY_S / 2.0 } else { DAY_S / 2.0 };
    let lowest = extreme_near(place, noon + towards, 180.0);
    // below: the sun is lower than the threshold there, unless it is nowhere
    let (mut below, mut above) = (lowest, noon);
    let (first, last) = (Sun::at(lowest), Sun::at(noon));
    // Between the two the sun moves evenly, to a thousandth of a degree.
    let height = |at: f64| {
        let part = (at - lowest) / (noon - lowest);
        let between = |first: f64, last: f64| first + (last - first) * part;
        let declination = between(first.declination, last.declination);
        let equation_of_time = between(first.equation_of_time, last.equation_of_time);
        Sun { declination, equation_of_time }.height(place, at)
    };
    if height(lowest) >= event.height() {
        return wall(lowest);
    }
    for _ in 0..HALVINGS {
        let middle = (below + above) / 2.0;
        if height(middle) < event.height() {
            below = middle;
        } else {
            above = middle;
        }
    }
    wall(above)
}

fn wall(seconds: f64) -> Wall {
    Wall((seconds.round() as i64).saturating_mul(SECOND_NS)) // saturates
}

fn noon_near(place: Place, about: f64) -> f64 {
    let away = (about + place.longitude * DAY_S / 360.0).rem_euclid(DAY_S) - DAY_S / 2.0;
    extreme_near(place, about - away, 0.0)
}

/// When the hour angle is `angle`, nearest to `about`.
fn extreme_near(place: Place, about: f64, angle: f64) -> f64 {
    let mut at = about;
    for _ in 0..APPROACHES {
        let away = (Sun::at(at).hour_angle(place, at) - angle + 180.0).rem_euclid(360.0) - 180.0;
        at -= away / 360.0 * DAY_S;
    }
    at
}

struct Sun {
    /// Radians.
    declination: f64,
    /// Minutes by which a sundial is before a clock.
    equation_of_time: f64,
}

impl Sun {
    /// Of its centre above the horizon, in degrees, without refraction.
    fn height(&self, place: Place, at: f64) -> f64 {
        let (latitude, angle) = (place.latitude.to_radians(), self.hour_angle(place, at).to_radians());
        let sine = latitude.sin() * self.declination.sin() + latitude.cos() * self.declination.cos() * angle.cos();
        sine.clamp(-1.0, 1.0).asin().to_degrees()
    }

    /// Degrees since noon; any number of whole turns more.
    fn hour_angle(&self, place: Place, at: f64) -> f64 {
        let minutes = at.rem_euclid(DAY_S) / 60.0 + self.equation_of_time + 4.0 * place.longitude;
        minutes / 4.0 - 180.0
    }

    /// `at`: seconds since 1970 in UTC. The names are those of the calculator.
    fn at(at: f64) -> Sun {
        let centuries = (at / DAY_S + 2_440_587.5 - 2_451_545.0) / 36_525.0;
        let t = centuries;
        let mean_longitude = (280.466_46 + t * (36_000.769_83 + t * 0.000_303_2)).rem_euclid(360.0).to_radians();
        let anomaly = (357.529_11 + t * (35_999.050_29 - 0.000_153_7 * t)).to_radians();
        let eccentricity = 0.016_708_634 - t * (0.000_042_037 + 0.000_000_126_7 * t);
        let centre = anomaly.sin() * (1.914_602 - t * (0.004_817 + 0.000_014 * t))
            + (2.0 * anomaly).sin() * (0.019_993 - 0.000_101 * t)
            + (3.0 * anomaly).sin() * 0.000_289;
        let node = (125.04 - 1_934.136 * t).to_radians();
        let apparent = (mean_longitude.to_degrees() + centre - 0.00569 - 0.00478 * node.sin()).to_radians();
        let seconds = 21.448 - t * (46.815 + t * (0.00059 - t * 0.001_813));
        let obliquity = (23.0 + (26.0 + seconds / 60.0) / 60.0 + 0.00256 * node.cos()).to_radians();
        let y = (obliquity / 2.0).tan().powi(2);
        let equation = y * (2.0 * mean_longitude).sin() - 2.0 * eccentricity * anomaly.sin()
            + 4.0 * eccentricity * y * anomaly.sin() * (2.0 * mean_longitude).cos()
            - 0.5 * y * y * (4.0 * mean_longitude).sin()
            - 1.25 * eccentricity * eccentricity * (2.0 * anomaly).sin();
        Sun { declination: (obliquity.sin() * apparent.sin()).asin(), equation_of_time: equation.to_degrees() * 4.0 }
    }
}

#[cfg(test)]
mod tests;
