//! A made-up wood for the browser: three days of short recordings, today's with more sections than there are chips.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan, tz::Offset, tz::TimeZone};

use super::date;

const RATE: u32 = 8_000;

/// A zone in which it is about noon now: no test sees midnight pass, and the morning's recordings lie in the past.
pub struct Noon {
    /// As the environment's TZ.
    pub name: String,
    zone: TimeZone,
    pub now: DateTime,
}

impl Noon {
    pub fn find() -> Noon {
        let now = Timestamp::now();
        let hour = Offset::UTC.to_datetime(now).hour();
        let east = 12 - hour; // -11 to 12
        let zone = TimeZone::fixed(Offset::constant(east));
        let sign = if east > 0 { '-' } else { '+' }; // POSIX counts to the west
        let name = if east == 0 { "Etc/GMT".to_owned() } else { format!("Etc/GMT{sign}{}", east.abs()) };
        Noon { name, now: zone.to_datetime(now), zone }
    }

    fn time(&self, local: DateTime) -> SystemTime {
        let at = local.to_zoned(self.zone.clone()).expect("a real time").timestamp();
        SystemTime::UNIX_EPOCH + Duration::from_micros(at.as_microsecond() as u64)
    }

    fn utc(&self, local: DateTime) -> String {
        format!("{:.6}", local.to_zoned(self.zone.clone()).expect("a real time").timestamp())
    }
}

/// Fills a folder; gives the number of recordings in it.
pub fn plant(folder: &Path, noon: &Noon) -> usize {
    let midnight = noon.now.date().at(0, 0, 0, 0);
    let mut count = 0;
    let days: [(i64, &[i8], u32); 3] = [(0, &[4, 5, 6, 8, 9, 10], 180), (1, &[5, 6, 20, 21], 60), (2, &[5, 20, 21], 30)];
    for (back, hours, seconds) in days {
        for &hour in hours {
            let start = midnight - back.days() + i64::from(hour).hours();
            let path = folder.join(format!("{}.wav", start.strftime("%Y%m%d_%H%M%S")));
            count += 1;
            fs::write(&path, wav(&sound(count as u64, seconds, f64::from(hour)))).expect("written");
            date(&path, noon.time(start + i64::from(seconds).seconds()));
        }
    }
    // The microphone was unplugged between six and eight.
    let (from, to) = (midnight + 6.hours() + 180.seconds(), midnight + 8.hours());
    let line = format!("{},{},mic,{},unplugged\n", noon.utc(from), noon.utc(to), u64::from(RATE) * 7_020);
    fs::write(folder.join("gaps.csv"), format!("start,end,source,frames_lost,reason\n{line}")).expect("written");
    count
}

/// A short recording of the morning so many days ago; gives its name.
pub fn one_of_days_ago(folder: &Path, noon: &Noon, days: i64) -> String {
    let start = noon.now.date().at(5, 0, 0, 0) - days.days();
    let name = format!("{}.wav", start.strftime("%Y%m%d_%H%M%S"));
    fs::write(folder.join(&name), wav(&sound(7, 10, 5.0))).expect("written");
    date(&folder.join(&name), noon.time(start + 10.seconds()));
    name
}

/// Every few seconds somebody sings, each in its own voice: a sweep, a trill or a row of notes.
fn sound(seed: u64, seconds: u32, hour: f64) -> Vec<i16> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut out = Vec::with_capacity((seconds * RATE) as usize);
    let (mut low, mut insects, mut phase) = (0.0, 0.0, 0.0);
    let mut song = Song::new(&mut dice, 2.0);
    for frame in 0..seconds * RATE {
        let t = f64::from(frame) / f64::from(RATE);
        if t > song.at + song.length {
            let pause = 3.0 + 5.0 * (dice.roll() + 1.0);
            song = Song::new(&mut dice, t + pause);
        }
        let noise = dice.roll();
        low = 0.96 * low + 0.04 * noise; // wind
        insects = noise - 0.8 * insects;
        let mut value = 0.004 * low + 0.0006 * insects * (1.0 + 0.4 * (hour / 3.0).sin()) + 0.0006 * noise;
        if t >= song.at {
            let into = (t - song.at) / song.length;
            phase += song.hz(into) / f64::from(RATE);
            value += song.loudness * (into * TAU / 2.0).sin().max(0.0).sqrt() * song.pulse(t) * (phase * TAU).sin();
        }
        out.push((value.clamp(-1.0, 1.0) * 32_767.0) as i16);
    }
    out
}

struct Song {
    at: f64,
    length: f64,
    loudness: f64,
    centre_hz: f64,
    swing: f64,
    rate_hz: f64,
}

impl Song {
    fn new(dice: &mut Dice, at: f64) -> Song {
        let mut between = |low: f64, high: f64| low + (high - low) * (dice.roll() + 1.0) / 2.0;
        let loudness = 0.008 * 10_f64.powf(between(0.0, 1.1));
        let centre_hz = if between(0.0, 1.0) < 0.2 { between(350.0, 600.0) } else { between(1_200.0, 3_000.0) };
        Song { at, length: between(0.6, 2.4), loudness, centre_hz, swing: between(0.02, 0.18), rate_hz: between(3.0, 11.0) }
    }

    fn hz(&self, into: f64) -> f64 {
        self.centre_hz * (1.0 + self.swing * (into * self.length * self.rate_hz * TAU / 2.0).sin() + 0.1 * (0.5 - into))
    }

    fn pulse(&self, t: f64) -> f64 {
        0.55 + 0.45 * ((t - self.at) * self.rate_hz * TAU).cos()
    }
}

struct Dice(u64);

impl Dice {
    /// From -1 to 1.
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

fn wav(samples: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a header");
    samples.iter().for_each(|&sample| writer.write_sample(sample).expect("in memory"));
    writer.finalize().expect("in memory");
    bytes.into_inner()
}
