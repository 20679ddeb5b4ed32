//! What chronyd and gpsd tell of the clock: `chronyc -c tracking` (chronyc(1)), and the JSON of gpsd (gpsd_json(5)).

use crate::message::clock::ClockReference;

/// Letters of a name, at most.
const MAX_ID: usize = 64;

/// One line of comma-separated values: reference id in hex, its name, stratum, reference time, offset of the system's clock in
/// seconds (positive: it is slow), last offset, …, leap status. `None` if it is not that.
pub fn chrony(text: &str) -> Option<ClockReference> {
    let fields: Vec<&str> = text.lines().next()?.split(',').collect();
    let &[hex, name, stratum, _, offset, ..] = fields.as_slice() else { return None };
    let leap = *fields.get(13)?;
    let is_hex = hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let stratum: u32 = stratum.parse().ok().filter(|stratum| *stratum <= 16)?;
    let offset: f64 = offset.parse().ok().filter(|offset: &f64| offset.is_finite())?;
    let is_good = is_hex && stratum > 0 && hex != "00000000" && leap != "Not synchronised";
    let id = if name.is_empty() { hex } else { name };
    is_hex.then(|| ClockReference {
        keeper: "chrony",
        id: tame(id),
        stratum: is_good.then_some(stratum),
        offset_s: is_good.then_some(-offset),
        is_good,
    })
}

/// Reports as they come, one JSON object a line: of the newest PPS, and of whether a receiver has a fix.
pub fn gpsd(text: &str) -> Option<ClockReference> {
    let mut found: Option<ClockReference> = None;
    for line in text.lines() {
        let Ok(report) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let number = |key: &str| report.get(key).and_then(serde_json::Value::as_i64);
        let now = found.get_or_insert_with(|| ClockReference { keeper: "gpsd", ..ClockReference::default() });
        match report.get("class").and_then(serde_json::Value::as_str) {
            Some("DEVICE") => now.id = receiver(&report).unwrap_or_default(),
            // Those that it heard before anybody asked; whose bytes it has not understood yet have a path alone.
            Some("DEVICES") => {
                let all = report.get("devices").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
                let known = all.iter().find(|device| device.get("driver").is_some()).or(all.first());
                now.id = known.and_then(receiver).unwrap_or_default();
            }
            Some("TPV") => now.is_good = number("mode").is_some_and(|mode| mode >= 2),
            Some("PPS") => {
                let second = |kind: &str| {
                    let (sec, nsec) = (number(&format!("{kind}_sec"))?, number(&format!("{kind}_nsec"))?);
                    Some((i128::from(sec)) * 1_000_000_000 + i128::from(nsec))
                };
                if let Some((real, clock)) = second("real").zip(second("clock")) {
                    (now.offset_s, now.is_good) = (Some((clock - real) as f64 / 1e9), true);
                    now.id = "PPS".to_owned();
                }
            }
            _ => {}
        }
    }
    found.filter(|found| !found.id.is_empty() || found.is_good)
}

fn receiver(device: &serde_json::Value) -> Option<String> {
    let of = |key: &str| device.get(key).and_then(serde_json::Value::as_str);
    of("driver").or(of("path")).map(tame)
}

fn tame(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(MAX_ID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chrony_tells_what_it_follows() {
        let line = |id: &str, stratum: &str, offset: &str, leap: &str| {
            format!(
                "{id},{stratum},1779415200.123456789,{offset},-0.000000012,0.000000345,-12.345,0.001,0.05,0.000001,0.000012,16.0,{leap}\n"
            )
        };
        let good = |id: &str, stratum, offset_s| {
            Some(ClockReference {
                keeper: "chrony",
                id: id.into(),
                stratum: Some(stratum),
                offset_s: Some(offset_s),
                is_good: true,
            })
        };
        assert_eq!(chrony(&line("50505300,PPS", "1", "-0.000001500", "Normal")), good("PPS", 1, 0.000_001_5));
        assert_eq!(chrony(&line("C0A80101,192.168.1.1", "3", "0.25", "Normal")), good("192.168.1.1", 3, -0.25));
        // As a chronyd says that follows itself.
        assert_eq!(chrony(include_str!("../../tests/data/clock_reference/chrony-local")), good("7F7F0101", 5, 0.0));
        let none = chrony(&line("00000000,", "0", "0.000000000", "Not synchronised"));
        assert_eq!(none.map(|it| (it.is_good, it.offset_s, it.stratum)), Some((false, None, None)));
        for text in ["", "506 Cannot talk to daemon", "50505300,PPS,1,1779415200.1", "zz,PPS,1,2,3,4,5,6,7,8,9,10,11,Normal"] {
            assert_eq!(chrony(text), None, "{text}");
        }
    }

    #[test]
    fn gpsd_tells_of_its_receiver() {
        let version = r#"{"class":"VERSION","release":"3.22"}"#;
        let device = r#"{"class":"DEVICE","path":"/dev/ttyAMA0","driver":"u-blox"}"#;
        let told = |lines: &[&str]| gpsd(&lines.join("\r\n"));
        assert_eq!(told(&[version]), None);
        let found = told(&[version, device, r#"{"class":"TPV","mode":3,"time":"2026-05-22T04:00:00.000Z"}"#]).expect("found");
        assert_eq!((found.id.as_str(), found.is_good, found.offset_s), ("u-blox", true, None));
        let found = told(&[device, r#"{"class":"TPV","mode":1}"#]).expect("found");
        assert!(!found.is_good);
        // A receiver that others listen to already is told of in a list alone.
        let listed = r#"{"class":"DEVICES","devices":[{"path":"/dev/x"},{"path":"/dev/pts/1","driver":"NMEA0183","native":0}]}"#;
        let found = told(&[version, listed, r#"{"class":"TPV","mode":2}"#]).expect("found");
        assert_eq!((found.id.as_str(), found.is_good), ("NMEA0183", true));
        assert_eq!(told(&[version, r#"{"class":"DEVICES","devices":[]}"#]), None);
        let pps = r#"{"class":"PPS","device":"/dev/pps0","real_sec":10,"real_nsec":0,"clock_sec":9,"clock_nsec":999998500}"#;
        let found = told(&[device, pps, "{torn"]).expect("found");
        assert_eq!((found.id.as_str(), found.offset_s), ("PPS", Some(-0.000_001_5)));
        assert_eq!((told(&[]), told(&["{}"]), told(&["[1]"])), (None, None, None));
    }
}
