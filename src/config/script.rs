//! Faults that a replayed file plays on purpose: `stall@10s:3s, xrun@20s:4800, unplug@30s:5s, end@60s`.

use super::problem::quoted;
use super::value::{Wrong, because};

/// A fault and when it comes, counted from the start of the source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScriptedFault {
    /// 0 <= at_seconds <= [`MAX_SECONDS`]
    pub at_seconds: f64,
    pub kind: ScriptedKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScriptedKind {
    /// Nothing comes for so long; what was captured meanwhile comes afterwards.
    Stall { seconds: f64 },
    /// So many frames are lost.
    Xrun { frames: u64 },
    /// The device is gone for so long.
    Unplug { seconds: f64 },
    /// The source ends.
    End,
}

pub const MAX_FAULTS: usize = 1_000;
/// A year.
pub const MAX_SECONDS: f64 = 31_536_000.0;

/// Reads a list separated by commas or blanks; gives it in the order of time.
pub fn parse(text: &str) -> Result<Vec<ScriptedFault>, Wrong> {
    let items = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|item| !item.is_empty());
    let mut faults = Vec::new();
    for item in items {
        match fault(item) {
            Some(_) if faults.len() == MAX_FAULTS => return because(format!("has more than {MAX_FAULTS} faults")),
            Some(fault) => faults.push(fault),
            None => {
                return because(format!(
                    "'{}' is no fault; want stall@10s:3s, xrun@20s:4800, unplug@30s:5s or end@60s",
                    quoted(item)
                ));
            }
        }
    }
    faults.sort_by(|a, b| a.at_seconds.total_cmp(&b.at_seconds));
    Ok(faults)
}

fn fault(item: &str) -> Option<ScriptedFault> {
    let (name, when) = item.split_once('@')?;
    let (at, what) = match when.split_once(':') {
        Some((at, what)) => (at, Some(what)),
        None => (when, None),
    };
    let kind = match (name.to_ascii_lowercase().as_str(), what) {
        ("stall", Some(what)) => ScriptedKind::Stall { seconds: seconds(what)? },
        ("xrun", Some(what)) => {
            ScriptedKind::Xrun { frames: what.parse().ok().filter(|n| (1..=u64::from(u32::MAX)).contains(n))? }
        }
        ("unplug", Some(what)) => ScriptedKind::Unplug { seconds: seconds(what)? },
        ("end", None) => ScriptedKind::End,
        _ => return None,
    };
    Some(ScriptedFault { at_seconds: seconds(at)?, kind })
}

/// `10`, `10s`, `500ms`, `2m`, `1h`.
fn seconds(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    Some(seconds).filter(|s| (0.0..=MAX_SECONDS).contains(s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let got = match parse(text) {
            Ok(faults) => {
                let one = |f: &ScriptedFault| match f.kind {
                    ScriptedKind::Stall { seconds } => format!("stall {} {seconds}", f.at_seconds),
                    ScriptedKind::Xrun { frames } => format!("xrun {} {frames}", f.at_seconds),
                    ScriptedKind::Unplug { seconds } => format!("unplug {} {seconds}", f.at_seconds),
                    ScriptedKind::End => format!("end {}", f.at_seconds),
                };
                faults.iter().map(one).collect::<Vec<_>>().join(", ")
            }
            Err(Wrong::Because(why)) => why.split(';').next().unwrap_or_default().to_owned(),
            Err(Wrong::Unwanted) => "unwanted".to_owned(),
        };
        assert_eq!(got, want, "for {text:?}");
    }

    #[test]
    fn scripts() {
        check("", "");
        check("stall@10s:3s, xrun@20s:4800, end@60s", "stall 10 3, xrun 20 4800, end 60");
        check("end@1h\nunplug@500ms:2m,,STALL@1:1", "unplug 0.5 120, stall 1 1, end 3600");
        for bad in [
            "stall@10s",
            "xrun@1s:0",
            "xrun@1s:1s",
            "end@5:1",
            "end",
            "boom@1",
            "end@-1",
            "end@nan",
            "end@1e99",
            "end@1d",
            "stall@:1",
        ] {
            check(bad, &format!("'{bad}' is no fault"));
        }
        check(&"end@1,".repeat(1_001), "has more than 1000 faults");
    }
}
