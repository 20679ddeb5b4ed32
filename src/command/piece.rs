//! `soundpost cut` and `soundpost clip`: a piece of one recording into a file of its own, which must not be there yet. Of a
//! folder see `by_time`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Exit, by_time, put, say};
use crate::device::disk::RealDisk;
use crate::format::clip::{Clip, frame_at};
use crate::format::{Flaw, cut, decode};

/// What the command line says.
pub struct Piece {
    /// A recording, or a folder of them.
    pub file: PathBuf,
    pub from: Option<String>,
    pub to: Option<String>,
    pub output: PathBuf,
    /// Of a folder: whose recordings.
    pub source: Option<String>,
    /// Of a folder.
    pub analyses_dir: Option<PathBuf>,
}

/// The same codec, nothing decoded.
pub fn cut(piece: &Piece) -> Exit {
    ended(if piece.file.is_dir() { by_time::cut(piece) } else { run_cut(piece) })
}

/// A 16-bit WAV; `source_rate`: not resampled.
pub fn clip(piece: &Piece, source_rate: bool) -> Exit {
    ended(if piece.file.is_dir() { by_time::clip(piece, source_rate) } else { run_clip(piece, source_rate) })
}

fn ended(done: Result<String, (Exit, String)>) -> Exit {
    match done {
        Ok(text) => {
            put(text);
            Exit::Done
        }
        Err((exit, text)) => {
            say(text);
            exit
        }
    }
}

/// The exit code, and one line.
pub type Failure = (Exit, String);

fn run_cut(piece: &Piece) -> Result<String, Failure> {
    let (from, to) = range(piece.from.as_deref(), piece.to.as_deref())?;
    let file = RealDisk.open_to_read(&piece.file).map_err(|e| unreadable(&piece.file, e.into()))?;
    let plan = cut::plan(&file, &extension(&piece.file), from, to).map_err(|e| unreadable(&piece.file, e))?;
    write(&piece.output, |out| plan.write(&file, &mut |bytes| out.write_all(bytes)))?;
    Ok(format!("{}: {} to {}, {} bytes", piece.output.display(), clock(plan.from_s), clock(plan.to_s), plan.bytes))
}

fn run_clip(piece: &Piece, source_rate: bool) -> Result<String, Failure> {
    let (from, to) = range(piece.from.as_deref(), piece.to.as_deref())?;
    let wrong = |e| unreadable(&piece.file, e);
    let file = RealDisk.open_to_read(&piece.file).map_err(|e| wrong(e.into()))?;
    let mut decoder = decode::open(Box::new(file), &extension(&piece.file)).map_err(wrong)?;
    let rate_hz = decoder.info().rate_hz;
    let frame = |seconds: f64| if seconds.is_finite() { frame_at(seconds, rate_hz) } else { u64::MAX };
    let plan = Clip::plan(&mut decoder, frame(from), frame(to), source_rate).map_err(wrong)?;
    write(&piece.output, |out| plan.write(&mut decoder, &mut |bytes| out.write_all(bytes)))?;
    let second = |frame: u64| frame as f64 / f64::from(rate_hz);
    let damaged = match decoder.skipped() {
        0 => String::new(),
        frames => format!(", {frames} frames of silence where it is damaged"),
    };
    let (from, to) = (clock(second(plan.from)), clock(second(plan.to)));
    Ok(format!("{}: {from} to {to}, {} Hz, {} bytes{damaged}", piece.output.display(), plan.rate_hz, plan.bytes()))
}

/// In seconds; what is not said is the start, and infinity.
pub fn range(from: Option<&str>, to: Option<&str>) -> Result<(f64, f64), Failure> {
    let time = |text: Option<&str>, absent: f64| match text {
        None => Ok(absent),
        Some(text) => {
            seconds(text).ok_or_else(|| (Exit::Usage, format!("'{text}' is no time: seconds, m:ss or h:mm:ss, with fractions")))
        }
    };
    let (from, to) = (time(from, 0.0)?, time(to, f64::INFINITY)?);
    if from < to { Ok((from, to)) } else { Err((Exit::Usage, "--to must be later than --from".into())) }
}

/// `90`, `90.5`, `1:30.5` or `0:01:30.5`: only the first part may be 60 or more, only the last may have a fraction.
pub fn seconds(text: &str) -> Option<f64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let first = parts.next().filter(|part| digits(part) && part.len() <= 9)?;
    let mut sum = first.parse::<f64>().ok()?;
    let mut count = 1;
    for part in parts {
        let value = part.parse::<f64>().ok().filter(|value| digits(part) && part.len() == 2 && *value < 60.0)?;
        sum = sum * 60.0 + value;
        count += 1;
    }
    let fraction = format!("0.{fraction}").parse::<f64>().ok().filter(|_| digits(fraction))?;
    (count <= 3).then_some(sum + fraction)
}

/// h:mm:ss.mmm, without hours below one.
pub fn clock(seconds: f64) -> String {
    let ms = (seconds * 1_000.0).round() as u64;
    let (s, m, h) = (ms / 1_000 % 60, ms / 60_000 % 60, ms / 3_600_000);
    let hours = if h > 0 { format!("{h}:{m:02}") } else { m.to_string() };
    format!("{hours}:{s:02}.{:03}", ms % 1_000)
}

pub fn extension(path: &Path) -> String {
    let whole = if path.extension().is_some_and(|e| e == "part") { path.with_extension("") } else { path.to_path_buf() };
    whole.extension().and_then(|e| e.to_str()).unwrap_or_default().to_owned()
}

pub fn unreadable(path: &Path, flaw: Flaw) -> Failure {
    (Exit::Failed, format!("{}: {flaw}", path.display()))
}

/// Nothing that is there is overwritten; what could not be finished does not stay.
pub fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), Flaw>) -> Result<(), Failure> {
    let failed = |e: io::Error| (Exit::Failed, format!("{}: cannot be written: {e}", path.display()));
    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => (Exit::Failed, format!("{}: is there already, and is not overwritten", path.display())),
        _ => failed(e),
    })?;
    let mut out = BufWriter::with_capacity(64 << 10, file);
    let done = match fill(&mut out) {
        Ok(()) => out.flush().map_err(failed),
        Err(Flaw::Io(e)) => Err(failed(e)),
        Err(flaw) => Err(unreadable(path, flaw)),
    };
    if done.is_err() {
        let _ = fs::remove_file(path); // it was made here, and is no use
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, want) in [
            ("0", Some(0.0)),
            ("90", Some(90.0)),
            ("90.25", Some(90.25)),
            ("1:30", Some(90.0)),
            ("90:00.5", Some(5_400.5)),
            ("1:02:03.004", Some(3_723.004)),
            ("100:00:00", Some(360_000.0)),
            ("", None),
            (".5", None),
            ("1.", None),
            ("1:2", None),
            ("1:60", None),
            ("1:00:60", None),
            ("1:1:1:1", None),
            ("-1", None),
            ("1e3", None),
            ("1.2.3", None),
            ("nan", None),
            ("1:30.5:00", None),
        ] {
            assert_eq!(seconds(text), want, "{text}");
        }
        assert_eq!([clock(0.0), clock(61.000_4), clock(3_723.999_9)], ["0:00.000", "1:01.000", "1:02:04.000"]);
    }
}
