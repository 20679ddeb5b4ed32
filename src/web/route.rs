//! What is asked: method and target to one of a closed set of routes, with every parameter a value of its type. What is asked
//! wrongly is refused here, with a sentence, before anybody is bothered.

use jiff::civil;

use super::answer::{Refusal, Status};
use super::head::Method;
use super::icecast::Task;
use super::target::{self, pairs, segments, split};
use crate::message::Container;
use crate::message::analysis::{Centibel, Detection, Detector};
use crate::message::library::{Date, FilesQuery};
use crate::message::live::View;
use crate::message::page::{ClipRate, Excerpt, SpectrogramWish};
use crate::policy::split::Zone;
use crate::time::{SECOND_NS, Wall};

/// Everything that can be asked. HEAD is GET here: whoever writes the answer leaves its body out.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// A file of the page; `index.html` for the page itself.
    Asset(String),
    Status,
    Events,
    /// What can be looked at and listened to.
    Lookable,
    /// What a source sounds like just now.
    Live {
        source: String,
        view: View,
    },
    Days {
        from: Option<Date>,
        to: Option<Date>,
    },
    Day {
        date: Date,
        tuning: Tuning,
    },
    Picture {
        date: Date,
    },
    Files(FilesQuery),
    File(String),
    Analysis {
        name: String,
        tuning: Tuning,
    },
    Profile(String),
    Spectrogram(SpectrogramWish),
    Export {
        name: String,
        table: Table,
    },
    Zip(Vec<String>),
    Clip {
        what: Excerpt,
        rate: ClipRate,
    },
    Cut(Excerpt),
    Stream(String),
    Download(String),
    Delete(String),
    /// Body: `{"locked":true}`.
    Lock(String),
    /// Body: `{"reviewed":true}`.
    Reviewed(String),
    /// Body: `{"note":"…"}`.
    Note(String),
    /// The last seconds of this source. Body: `{"seconds":30,"note":"…"}`, both optional.
    Keep(String),
    /// Body: `{"password":"…"}`.
    Login,
    Logout,
    /// The configuration, with what there is to set.
    Settings,
    /// Body: `{"text":"…"}`, with If-Match.
    ChangeSettings,
    /// Body: `{"text":"…"}`.
    CheckSettings,
    /// Without a body, with If-Match.
    UndoSettings,
    /// The next days of sources that have a schedule.
    Schedule,
    /// Body: `{"time":"2026-05-22T04:12:31.250Z"}`, the browser's.
    SetClock,
    /// When how much of which file had been written.
    SyncTable {
        from: Option<Date>,
        to: Option<Date>,
        source: Option<String>,
    },
    Healthz,
    Metrics,
    OpenApi,
    /// A source and the extension of its own bytes, or of the Opus that is made of it.
    Station(String),
    /// A path that a source may feed.
    Mount(String),
    /// `/status-json.xsl`
    Mounts,
    Admin(Task),
}

/// A list of sections for another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Raven,
    Labels,
    Csv,
}

/// What a request says of detection; the rest is as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    pub detector: Option<Detector>,
    pub margin: Option<Centibel>,
    pub min_gap_ms: Option<u32>,
    pub min_length_ms: Option<u32>,
}

impl Tuning {
    /// `None` when the request says nothing: then what is stored will do.
    pub fn over(self, usual: Detection) -> Option<Detection> {
        let detector = self.detector.unwrap_or(usual.detector);
        // A margin that was set for one detector means nothing to the other.
        let margin = if detector == usual.detector { usual.margin } else { detector.usual_margin() };
        (self != Tuning::default()).then(|| Detection {
            detector,
            margin: self.margin.unwrap_or(margin),
            min_gap_ms: self.min_gap_ms.unwrap_or(usual.min_gap_ms),
            min_length_ms: self.min_length_ms.unwrap_or(usual.min_length_ms),
        })
    }
}

/// A clip has at most so much; a longer one ends there.
pub const CLIP_MAX_NS: u64 = 600 * SECOND_NS as u64;
const SPECTROGRAM_MAX_NS: u64 = 60 * SECOND_NS as u64;
/// Files of one zip.
const ZIP_MAX: usize = 1_000;
const PAGE_OF_FILES: u64 = 100;
/// Characters of what is heard on a mount.
const MAX_TITLE: usize = 500;

/// `zone` is the recorder's: times without one are its own.
pub fn route(method: Method, target: &str, zone: &Zone) -> Result<Route, Refusal> {
    let (path, query) = split(target)?;
    let segments = segments(path)?;
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let query = Query { pairs: pairs(query)?, zone };
    match words.as_slice() {
        ["api", "files", rest @ ..] if !rest.is_empty() => file(method, rest, &query),
        ["api", "live", source, "spectrum"] => live(method, source, View::Spectrum),
        ["api", "live", source, "waterfall"] => live(method, source, View::Waterfall),
        ["live", name] if name.ends_with(".wav") => live(method, name.trim_end_matches(".wav"), View::Wav),
        ["live", name] if is_station(name) => get(method, || Ok(Route::Station((*name).to_owned()))),
        ["api", "sources", source, "mark"] => only(method, &[Method::Post], Route::Keep((*source).to_owned())),
        ["api", "settings"] => {
            let route = if method == Method::Put { Route::ChangeSettings } else { Route::Settings };
            only(method, &[Method::Get, Method::Head, Method::Put], route)
        }
        ["api", "settings", "check"] => only(method, &[Method::Post], Route::CheckSettings),
        ["api", "settings", "undo"] => only(method, &[Method::Post], Route::UndoSettings),
        ["api", "clock"] => only(method, &[Method::Post], Route::SetClock),
        ["api", "login"] => only(method, &[Method::Post], Route::Login),
        ["api", "logout"] => only(method, &[Method::Post], Route::Logout),
        ["stream", rest @ ..] if !rest.is_empty() => get(method, || Ok(Route::Stream(rest.join("/")))),
        ["download", rest @ ..] if !rest.is_empty() => get(method, || Ok(Route::Download(rest.join("/")))),
        ["api", rest @ ..] => match api(rest, &query) {
            Some(route) => get(method, || route),
            None => Err(absent()),
        },
        ["healthz"] => get(method, || Ok(Route::Healthz)),
        ["metrics"] => get(method, || Ok(Route::Metrics)),
        ["status-json.xsl"] => get(method, || Ok(Route::Mounts)),
        ["admin", what] => get(method, || query.task(what).map(Route::Admin)),
        [] => get(method, || Ok(Route::Asset("index.html".into()))),
        asset if super::asset::is_there(&asset.join("/")) => get(method, || Ok(Route::Asset(asset.join("/")))),
        _ if is_mount(&words) => get(method, || Ok(Route::Mount(format!("/{}", words.join("/"))))),
        _ => Err(absent()),
    }
}

/// Whether a path may be that of a mount: what the recorder has at its own addresses is not.
pub fn is_mount(words: &[&str]) -> bool {
    const OWN: [&str; 8] = ["admin", "api", "download", "healthz", "live", "metrics", "status-json.xsl", "stream"];
    words.first().is_some_and(|first| !OWN.contains(first)) && words.len() <= 4 && !super::asset::is_there(&words.join("/"))
}

/// The path of a mount that a request feeds.
pub fn mount(target: &str) -> Result<String, Refusal> {
    let (path, _) = split(target)?;
    let segments = segments(path)?;
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    match is_mount(&words) {
        true => Ok(format!("/{}", words.join("/"))),
        false => Err(Refusal::new(Status::Forbidden, "Nothing can be fed at this address.")),
    }
}

/// Whether it may be a station's; one that sends Opus has the name that other sources have.
fn is_station(name: &str) -> bool {
    let container = name.rsplit_once('.').and_then(|(_, extension)| Container::of_extension(extension));
    container.is_some_and(|container| container != Container::Wav)
}

fn live(method: Method, source: &str, view: View) -> Result<Route, Refusal> {
    get(method, || Ok(Route::Live { source: source.to_owned(), view }))
}

fn absent() -> Refusal {
    Refusal::new(Status::NotFound, "There is nothing at this address.")
}

/// What is only read.
fn api(rest: &[&str], query: &Query) -> Option<Result<Route, Refusal>> {
    Some(match rest {
        ["status"] => Ok(Route::Status),
        ["events"] => Ok(Route::Events),
        ["live"] => Ok(Route::Lookable),
        ["schedule"] => Ok(Route::Schedule),
        ["openapi.json"] => Ok(Route::OpenApi),
        ["days"] => query.days(),
        ["days", text] => date(text).and_then(|date| Ok(Route::Day { date, tuning: query.tuning()? })),
        ["days", text, "picture"] => date(text).map(|date| Route::Picture { date }),
        ["files"] => query.files(),
        ["clip"] => query.clip(),
        ["cut"] => query.excerpt(None).map(Route::Cut),
        ["export.zip"] => query.zip(),
        ["exports", "sync.csv"] => query.sync_table(),
        _ => return None,
    })
}

/// Below one file: its name ends with an extension, so the last word tells what is wanted of it.
fn file(method: Method, rest: &[&str], query: &Query) -> Result<Route, Refusal> {
    let (last, front) = rest.split_last().unwrap_or((&"", &[]));
    let name = || front.join("/");
    let export = |table| get(method, || Ok(Route::Export { name: name(), table }));
    match *last {
        "analysis" if !front.is_empty() => get(method, || Ok(Route::Analysis { name: name(), tuning: query.tuning()? })),
        "profile" if !front.is_empty() => get(method, || Ok(Route::Profile(name()))),
        "spectrogram" if !front.is_empty() => get(method, || query.spectrogram(name()).map(Route::Spectrogram)),
        "raven.txt" if !front.is_empty() => export(Table::Raven),
        "labels.txt" if !front.is_empty() => export(Table::Labels),
        "events.csv" if !front.is_empty() => export(Table::Csv),
        "lock" if !front.is_empty() => only(method, &[Method::Put], Route::Lock(name())),
        "reviewed" if !front.is_empty() => only(method, &[Method::Put], Route::Reviewed(name())),
        "note" if !front.is_empty() => only(method, &[Method::Put], Route::Note(name())),
        _ => {
            let allowed = [Method::Get, Method::Head, Method::Delete];
            let name = rest.join("/");
            only(method, &allowed, if method == Method::Delete { Route::Delete(name) } else { Route::File(name) })
        }
    }
}

fn get(method: Method, route: impl FnOnce() -> Result<Route, Refusal>) -> Result<Route, Refusal> {
    only(method, &[Method::Get, Method::Head], ())?;
    route()
}

fn only<T>(method: Method, allowed: &[Method], then: T) -> Result<T, Refusal> {
    if allowed.contains(&method) {
        return Ok(then);
    }
    let list = allowed.iter().map(|method| method.name()).collect::<Vec<_>>().join(", ");
    Err(Refusal::new(Status::MethodNotAllowed, format!("This address takes {list} only.")).with("Allow", list))
}

struct Query<'a> {
    pairs: Vec<(String, String)>,
    zone: &'a Zone,
}

fn bad<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(Status::BadRequest, why))
}

impl Query<'_> {
    /// The one value of a key; an empty one is none.
    fn value(&self, key: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.pairs.iter().filter(|(other, _)| other == key).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
            _ => bad(format!("{key} is given twice.")),
        }
    }

    fn needed(&self, key: &str) -> Result<&str, Refusal> {
        match self.value(key)? {
            Some(value) => Ok(value),
            None => bad(format!("{key} is missing.")),
        }
    }

    /// Of the relay's administration.
    fn task(&self, what: &str) -> Result<Task, Refusal> {
        let mount = || self.needed("mount").map(str::to_owned);
        Ok(match what {
            "stats" | "stats.xml" => Task::Stats,
            "listmounts" | "listmounts.xsl" => Task::ListMounts,
            "listclients" | "listclients.xsl" => Task::ListClients { mount: mount()? },
            "killclient" | "killclient.xsl" => {
                let id = self.needed("id")?.parse().or_else(|_| bad("id is the number of a listener.".to_owned()))?;
                Task::KillClient { mount: mount()?, id }
            }
            "killsource" | "killsource.xsl" => Task::KillSource { mount: mount()? },
            "metadata" | "metadata.xsl" => {
                let song = match self.value("song")? {
                    Some(song) => song.to_owned(),
                    None => [self.value("artist")?, self.value("title")?].into_iter().flatten().collect::<Vec<_>>().join(" - "),
                };
                let title = song.chars().filter(|c| !c.is_control()).take(MAX_TITLE).collect();
                Task::Metadata { mount: mount()?, title }
            }
            _ => return Err(absent()),
        })
    }

    fn real(&self, key: &str, max: f64) -> Result<Option<f64>, Refusal> {
        let Some(text) = self.value(key)? else { return Ok(None) };
        // Not what a float is besides: inf, nan, a sign.
        let is_decimal = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        match text.parse() {
            Ok(number) if is_decimal && (0.0..=max).contains(&number) => Ok(Some(number)),
            _ => bad(format!("{key} is a number from 0 to {max}.")),
        }
    }

    fn whole(&self, key: &str, usual: u64, min: u64, max: u64) -> Result<u64, Refusal> {
        let Some(text) = self.value(key)? else { return Ok(usual) };
        match text.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => bad(format!("{key} is a whole number from {min} to {max}.")),
        }
    }

    fn date(&self, key: &str) -> Result<Option<Date>, Refusal> {
        self.value(key)?.map(date).transpose()
    }

    /// A safe name below the folder.
    fn name(&self, text: &str) -> Result<String, Refusal> {
        // The rules of a path's segments, for a name that was decoded with the query.
        match segments(&format!("/{}", target::encode(text)))? {
            segments if segments.is_empty() => bad("A name is empty."),
            segments => Ok(segments.join("/")),
        }
    }

    /// RFC 3339; without an offset it is the recorder's own time. In a query `+` may have become a blank.
    fn wall(&self, key: &str) -> Result<Wall, Refusal> {
        let text = self.needed(key)?.replace(' ', "+");
        match instant(&text, self.zone) {
            Some(at) => Ok(at),
            None => bad(format!("{key} is a time such as 2026-05-22T04:12:31Z.")),
        }
    }

    /// Decimal seconds.
    fn offset_ns(&self, key: &str) -> Result<u64, Refusal> {
        self.needed(key)?;
        // A year at most: no file is longer, and nothing overflows.
        let seconds = self.real(key, 31_622_400.0)?.unwrap_or_default();
        Ok((seconds * SECOND_NS as f64).round() as u64)
    }

    fn tuning(&self) -> Result<Tuning, Refusal> {
        let detector = match self.value("detector")? {
            None => None,
            Some(name) => match Detector::of_name(name) {
                Some(detector) => Some(detector),
                None => return bad("detector is level or bands."),
            },
        };
        let ms = |seconds: f64| (seconds * 1_000.0).round() as u32; // at most 3 600 s
        Ok(Tuning {
            detector,
            margin: self.real("margin", 120.0)?.map(Centibel::of_db),
            min_gap_ms: self.real("min_gap", 3_600.0)?.map(ms),
            min_length_ms: self.real("min_length", 3_600.0)?.map(ms),
        })
    }

    fn days(&self) -> Result<Route, Refusal> {
        Ok(Route::Days { from: self.date("from")?, to: self.date("to")? })
    }

    fn sync_table(&self) -> Result<Route, Refusal> {
        let source = self.value("source")?.map(str::to_owned);
        Ok(Route::SyncTable { from: self.date("from")?, to: self.date("to")?, source })
    }

    fn files(&self) -> Result<Route, Refusal> {
        Ok(Route::Files(FilesQuery {
            from: self.date("from")?,
            to: self.date("to")?,
            q: self.value("q")?.unwrap_or_default().to_owned(),
            source: self.value("source")?.map(str::to_owned),
            cursor: self.value("cursor")?.map(str::to_owned),
            limit: self.whole("limit", PAGE_OF_FILES, 1, 1_000)? as usize,
        }))
    }

    /// `max_ns` shortens what is longer.
    fn excerpt(&self, max_ns: Option<u64>) -> Result<Excerpt, Refusal> {
        let max_ns = max_ns.unwrap_or(i64::MAX as u64);
        let backwards = || Refusal::new(Status::RangeNotSatisfiable, "The range ends before it begins.");
        match (self.value("file")?, self.value("source")?) {
            (Some(name), None) => {
                let (from_ns, to_ns) = (self.offset_ns("from")?, self.offset_ns("to")?);
                if to_ns <= from_ns {
                    return Err(backwards());
                }
                Ok(Excerpt::File { name: self.name(name)?, from_ns, to_ns: to_ns.min(from_ns + max_ns) })
            }
            (None, Some(source)) => {
                let (from, to) = (self.wall("from")?, self.wall("to")?);
                if to <= from {
                    return Err(backwards());
                }
                let longest = from.plus_ns(i64::try_from(max_ns).unwrap_or(i64::MAX));
                Ok(Excerpt::Source { source: source.to_owned(), from, to: to.min(longest) })
            }
            _ => bad("Want either file or source."),
        }
    }

    fn clip(&self) -> Result<Route, Refusal> {
        let rate = match self.value("rate")? {
            None => ClipRate::Common,
            Some("source") => ClipRate::Source,
            Some(_) => return bad("rate is source, or left out."),
        };
        Ok(Route::Clip { what: self.excerpt(Some(CLIP_MAX_NS))?, rate })
    }

    fn spectrogram(&self, name: String) -> Result<SpectrogramWish, Refusal> {
        let (from_ns, to_ns) = (self.offset_ns("from")?, self.offset_ns("to")?);
        if to_ns <= from_ns || to_ns - from_ns > SPECTROGRAM_MAX_NS {
            return Err(Refusal::new(Status::RangeNotSatisfiable, "A spectrogram has more than 0 and at most 60 seconds."));
        }
        let columns = self.whole("columns", 1_000, 1, 4_096)? as u32;
        let bands = self.whole("bands", 256, 1, 2_048)? as u16;
        Ok(SpectrogramWish { name, from_ns, to_ns, columns, bands })
    }

    fn zip(&self) -> Result<Route, Refusal> {
        let names = self.pairs.iter().filter(|(key, _)| key == "name").map(|(_, value)| self.name(value));
        let mut names = names.collect::<Result<Vec<_>, _>>()?;
        names.sort_unstable();
        names.dedup();
        match names.len() {
            0 => bad("name is missing."),
            n if n > ZIP_MAX => bad(format!("A zip has {ZIP_MAX} recordings at most.")),
            _ => Ok(Route::Zip(names)),
        }
    }
}

/// RFC 3339; without an offset it is a time of `zone`.
pub fn instant(text: &str, zone: &Zone) -> Option<Wall> {
    let zoned = text.parse::<jiff::Timestamp>().ok();
    let local = || text.parse::<civil::DateTime>().ok().and_then(|t| zone.to_timestamp(t).ok());
    zoned.or_else(local).and_then(|at| i64::try_from(at.as_nanosecond()).ok()).map(Wall)
}

fn date(text: &str) -> Result<Date, Refusal> {
    let is_shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    match text.parse::<civil::Date>() {
        Ok(_) if is_shaped => Ok(text.to_owned()),
        _ => bad("A date is written as 2026-05-22."),
    }
}

#[cfg(test)]
mod tests;
