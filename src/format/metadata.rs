//! Who and when a recording is, as facts with a name in each standard: GUANO lines in a WAV, Vorbis comments in a FLAC.
//! Both say the same, and repair reads them back. The bytes around them belong to `wav` and `flac`.

use std::sync::Arc;

use super::civil::{local_text, parse_utc, utc_text};
use crate::message::{ClockState, Identity, PcmFormat};

/// What wrote the file: vendor string, originator, encoder.
pub const SOFTWARE: &str = concat!("soundpost ", env!("CARGO_PKG_VERSION"));
/// With these letters every vendor string of ours begins.
pub const MAKE: &str = "soundpost";

/// Bytes of one value; far above any real name, and it bounds the header.
const VALUE_BYTES: usize = 1_024;

/// Where the recorder stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Station {
    pub name: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

/// One fact under both of its names.
pub struct Fact {
    pub guano: &'static str,
    pub vorbis: &'static str,
    pub value: String,
}

/// Everything but the sound format, which both headers carry in fields of their own.
pub fn facts(identity: &Identity, station: &Station) -> Vec<Fact> {
    let fact = |(guano, vorbis), value: String| Fact { guano, vorbis, value: one_line(&value) };
    let mut facts = vec![
        fact(TIMESTAMP, local_text(identity.start, identity.utc_offset_s)),
        fact(SOURCE, identity.source.to_string()),
        fact(SESSION, identity.session.to_string()),
        fact(FIRST_FRAME, identity.first_frame.to_string()),
        fact(START, utc_text(identity.start)),
        fact(UTC_OFFSET, identity.utc_offset_s.to_string()),
        fact(CLOCK, identity.clock.name().to_string()),
    ];
    if let (Some(latitude), Some(longitude)) = (station.latitude, station.longitude) {
        facts.push(fact(POSITION, format!("{latitude:.6} {longitude:.6}")));
    }
    if let Some(name) = &station.name {
        facts.push(fact(SITE, name.clone()));
    }
    facts
}

/// The way back: `get` looks a fact up by its (GUANO, Vorbis) names. `None` when any is missing or unreadable.
/// The start comes back to the microsecond.
pub fn identity<'a>(format: PcmFormat, get: impl Fn((&str, &str)) -> Option<&'a str>) -> Option<Identity> {
    let clock = match get(CLOCK)? {
        name if name == ClockState::Synced.name() => ClockState::Synced,
        name if name == ClockState::Unsynced.name() => ClockState::Unsynced,
        _ => return None,
    };
    Some(Identity {
        source: Arc::from(get(SOURCE)?),
        session: Arc::from(get(SESSION)?),
        first_frame: get(FIRST_FRAME)?.parse().ok()?,
        start: parse_utc(get(START)?)?,
        utc_offset_s: get(UTC_OFFSET)?.parse().ok()?,
        clock,
        format: format.into(),
    })
}

const TIMESTAMP: (&str, &str) = ("Timestamp", "DATE");
const SOURCE: (&str, &str) = ("Soundpost|Source", "SOURCE");
const SESSION: (&str, &str) = ("Soundpost|Session", "SESSION");
const FIRST_FRAME: (&str, &str) = ("Soundpost|First Frame", "FIRST_FRAME");
const START: (&str, &str) = ("Soundpost|Start", "START");
const UTC_OFFSET: (&str, &str) = ("Soundpost|UTC Offset", "UTC_OFFSET");
const CLOCK: (&str, &str) = ("Soundpost|Clock", "CLOCK");
const POSITION: (&str, &str) = ("Loc Position", "LOC_POSITION");
const SITE: (&str, &str) = ("Soundpost|Site", "SITE");

/// A value may not break the line it stands on, nor grow without end, nor lose blanks at its ends on the way back.
fn one_line(value: &str) -> String {
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut end = line.len().min(VALUE_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line[..end].trim().to_string()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::message::Depth;
    use crate::time::{Rate, Wall};

    /// An identity that header tests share: 2024-12-25T14:00:00.25Z, one hour east.
    pub fn sample_identity(hz: u32, channels: u8, depth: Depth) -> Identity {
        Identity {
            source: Arc::from("wood, north = Süd"),
            session: Arc::from("20241225T130000Z-1a2b"),
            first_frame: 172_800_123,
            start: Wall::from_micros(1_735_135_200_250_000),
            utc_offset_s: 3_600,
            clock: ClockState::Synced,
            format: PcmFormat { rate: Rate::new(hz).expect("a rate"), channels, depth }.into(),
        }
    }

    fn check(identity: &Identity, want: Option<&Identity>, spoil: (&str, Option<&str>)) {
        let facts = facts(identity, &Station::default());
        let get = |names: (&str, &str)| {
            let told = facts.iter().find(|f| (f.guano, f.vorbis) == names).map(|f| f.value.as_str());
            if names.1 == spoil.0 { spoil.1 } else { told }
        };
        assert_eq!(super::identity(identity.format.pcm().expect("captured"), get).as_ref(), want, "{spoil:?}");
    }

    #[test]
    fn what_went_in_comes_back() {
        let mut identity = sample_identity(48_000, 2, Depth::Sixteen);
        check(&identity, Some(&identity), ("", None));
        identity.utc_offset_s = -12_345;
        identity.first_frame = u64::MAX;
        identity.clock = ClockState::Unsynced;
        check(&identity, Some(&identity), ("", None));
    }

    #[test]
    fn a_missing_or_spoilt_fact_is_no_identity() {
        let identity = sample_identity(48_000, 2, Depth::Sixteen);
        for (name, value) in
            [("SOURCE", None), ("START", Some("yesterday")), ("FIRST_FRAME", Some("-1")), ("CLOCK", Some("late"))]
        {
            check(&identity, None, (name, value));
        }
        check(&identity, Some(&identity), ("DATE", None)); // a convenience, not a source of truth
    }

    #[test]
    fn values_stay_on_their_line() {
        assert_eq!(one_line(" a\r\nb\0 "), "a  b");
        assert_eq!(one_line(&"é".repeat(4_000)).len(), VALUE_BYTES);
        let station = Station { name: Some("hut".into()), latitude: Some(47.5), longitude: Some(-122.25) };
        let facts = facts(&sample_identity(48_000, 1, Depth::Sixteen), &station);
        assert!(facts.iter().any(|f| f.guano == "Loc Position" && f.value == "47.500000 -122.250000"));
        assert!(facts.iter().any(|f| f.vorbis == "SITE" && f.value == "hut"));
        assert!(facts.iter().any(|f| f.vorbis == "DATE" && f.value == "2024-12-25T15:00:00.250000+01:00"));
    }
}
