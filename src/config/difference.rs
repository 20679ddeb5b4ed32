//! What a new configuration changes, and which of it can hold at once.
//!
//! Two effective configurations are compared key by key, so that a value that moved from `[general]` into a source is no change, and
//! one that many sources take over changes each of them. Pure; the supervisor and the page act on it.
//!
//! A source that changed is begun anew in its lane. Some keys say where its files go or what is made of them beside the lane: then it
//! gets another lane, as a new source does. What else is decided once, at the start, is told.

use std::collections::BTreeMap;

use super::Parsed;
use super::keys;
use super::reader::Effective;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In the order of the new file; those that are gone come last.
    pub sources: Vec<(String, Fate)>,
    /// Settings that hold at once: `general.log_level`.
    pub at_once: Vec<String>,
    /// What holds from the next start on: `web.port`.
    pub restart_needed: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Unchanged,
    /// Its lane ends, and is begun anew with these.
    Changed(Vec<&'static str>),
    /// Its lane ends, and another one begins.
    Moved(Vec<&'static str>),
    New,
    Gone,
}

/// Keys that a lane alone does not know: its folder and how it is written belong to the store, how it is heard to its listeners.
const ANOTHER_LANE: [&str; 6] = ["type", "output_directory", "sync_seconds", "cue_sheet", "rename_corrected", "icecast_"];
/// Keys of a source that its lane knows nothing of: who keeps its recordings and who runs programs for them learn them at the start.
const NO_LANE: [&str; 8] = [
    "min_free_hours",
    "min_free_bytes",
    "retention_days",
    "expire_only_uploaded",
    "full_days",
    "opus_days",
    "on_close",
    "on_close_timeout_seconds",
];
/// Settings that nobody has to be begun anew for.
const AT_ONCE: [(&str, &str); 4] =
    [("general", "log_level"), ("general", "memory_budget_mb"), ("web", "password_hash"), ("web", "session_hours")];
/// Keys that are the sources' and that the page has taken over, too.
const OF_THE_PAGE: [&str; 2] = ["output_directory", "time_zone"];
/// Where the sun of schedules stands; what is written into files of it comes with the next start.
const PLACE: [&str; 2] = ["latitude", "longitude"];

impl Difference {
    pub fn is_nothing(&self) -> bool {
        let same = self.sources.iter().all(|(_, fate)| *fate == Fate::Unchanged);
        same && self.at_once.is_empty() && self.restart_needed.is_empty()
    }

    /// Names of the sources of this fate.
    pub fn sources(&self, is_meant: impl Fn(&Fate) -> bool) -> Vec<String> {
        self.sources.iter().filter(|(_, fate)| is_meant(fate)).map(|(name, _)| name.clone()).collect()
    }
}

pub fn between(old: &Parsed, new: &Parsed) -> Difference {
    let (was, is) = (marks(&old.effective), marks(&new.effective));
    let is_source = |parsed: &Parsed, name: &str| parsed.config.sources.iter().any(|source| source.name == name);
    let changed = |section: &str| -> Vec<&'static str> {
        let (none, was, is) = (BTreeMap::new(), was.get(section), is.get(section));
        let (was, is) = (was.unwrap_or(&none), is.unwrap_or(&none));
        let keys = was.keys().chain(is.keys().filter(|key| !was.contains_key(*key)));
        keys.filter(|key| was.get(*key) != is.get(*key)).copied().collect()
    };
    let mut found = Difference { sources: Vec::new(), at_once: Vec::new(), restart_needed: Vec::new() };
    let place_moved = changed("site").iter().any(|key| PLACE.contains(key));
    for source in &new.config.sources {
        let name = source.name.as_str();
        let fate = if !is_source(old, name) {
            Fate::New
        } else {
            let mut now = changed(name);
            if place_moved && source.lane.schedule.needs_place() {
                now.push("schedule");
            }
            let later = now.iter().filter(|key| NO_LANE.contains(key)).map(|key| format!("{name}.{key}"));
            found.restart_needed.extend(later);
            now.retain(|key| !NO_LANE.contains(key));
            match now {
                now if now.is_empty() => Fate::Unchanged,
                now if now.iter().any(|key| ANOTHER_LANE.iter().any(|other| key.starts_with(other))) => Fate::Moved(now),
                now => Fate::Changed(now),
            }
        };
        // Who listens on the local output has the lane of the start.
        if matches!(fate, Fate::New | Fate::Moved(_)) && new.config.general.monitor.as_deref() == Some(name) {
            found.restart_needed.push("general.monitor".to_owned());
        }
        found.sources.push((name.to_owned(), fate));
    }
    let gone = old.config.sources.iter().filter(|source| !is_source(new, &source.name));
    found.sources.extend(gone.map(|source| (source.name.clone(), Fate::Gone)));
    for (section, _) in keys::SETTINGS {
        for key in changed(section) {
            let of_sources = section == "general" && keys::LANE.iter().any(|about| about.name == key);
            let list = if AT_ONCE.contains(&(section, key)) {
                &mut found.at_once
            } else if !of_sources || OF_THE_PAGE.contains(&key) {
                &mut found.restart_needed
            } else {
                continue;
            };
            let word = format!("{section}.{key}");
            if !list.contains(&word) {
                list.push(word);
            }
        }
    }
    // Who uploads learns where to at the start.
    let targets = was.keys().chain(is.keys().filter(|section| !was.contains_key(*section)));
    for section in targets.filter(|section| section.to_ascii_lowercase().starts_with("upload.")) {
        found.restart_needed.extend(changed(section).iter().map(|key| format!("{section}.{key}")));
    }
    found
}

type Marks<'a> = BTreeMap<&'a str, BTreeMap<&'static str, u64>>;

fn marks(effective: &[Effective]) -> Marks<'_> {
    let mut all = Marks::new();
    for line in effective {
        all.entry(&line.section).or_default().insert(line.key, line.mark);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    const OLD: &str = "[general]\nsplit_minutes = 60\noutput_directory = rec\n[mic]\ntype = tone\nfilename_pattern = a\n\
                       [bat]\ntype = tone\nfilename_pattern = b\nsplit_minutes = 5\n[radio]\ntype = stream\nurl = http://u:one@h/\n\
                       filename_pattern = c\n[web]\npassword_hash =\n";

    fn parse(text: &str) -> Parsed {
        Config::parse(text.as_bytes(), "t", &Environment::default())
    }

    /// `mic changed split_minutes; …| at once | at the next start` of all that is not as it was.
    #[track_caller]
    fn check(edits: &[(&str, &str)], want: &str) {
        let new = edits.iter().fold(OLD.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let found = between(&parse(OLD), &parse(&new));
        let told = |(name, fate): &(String, Fate)| match fate {
            Fate::Unchanged => None,
            Fate::Changed(keys) => Some(format!("{name} changed {}", keys.join(","))),
            Fate::Moved(keys) => Some(format!("{name} moved {}", keys.join(","))),
            Fate::New => Some(format!("{name} new")),
            Fate::Gone => Some(format!("{name} gone")),
        };
        let sources: Vec<String> = found.sources.iter().filter_map(told).collect();
        let lists = [sources.join("; "), found.at_once.join(" "), found.restart_needed.join(" ")];
        assert_eq!(lists.join(" | "), want, "{new}");
        assert_eq!(found.is_nothing(), want == " |  | ");
    }

    #[test]
    fn what_means_the_same_is_no_change() {
        check(&[], " |  | ");
        check(&[("[mic]", "# a comment\n\n[mic]"), ("split_minutes = 60", "split_minutes=60 ; so")], " |  | ");
        check(&[("[mic]\n", "[mic]\nsplit_minutes = 60\n")], " |  | ");
        check(&[("[mic]\n", "[mic]\nchannels = 2\n")], " |  | ");
    }

    #[test]
    fn a_source_that_changed_leaves_the_others_alone() {
        check(&[("split_minutes = 5", "split_minutes = 6")], "bat changed split_minutes |  | ");
        check(&[("split_minutes = 60", "split_minutes = 30")], "mic changed split_minutes; radio changed split_minutes |  | ");
        check(&[("[bat]\n", "[bat]\nformat = flac\nhz = 440\n")], "bat changed format,hz |  | ");
        check(&[("u:one@", "u:two@")], "radio changed url |  | ");
    }

    #[test]
    fn sources_come_and_go() {
        check(&[("[bat]", "[bats]")], "bats new; bat gone |  | ");
        check(&[("[web]", "[wood]\ntype = demo\nicecast_url = icecast://s:p@h:80/x.opus\n[web]")], "wood new |  | ");
        check(&[("[mic]\ntype = tone", "[mic]\ntype = demo")], "mic moved dbfs,format,hz,pace,type,seed |  | ");
        check(&[("[mic]\n", "[mic]\nsync_seconds = 1\n")], "mic moved sync_seconds |  | ");
    }

    #[test]
    fn what_was_decided_at_the_start_is_told() {
        check(
            &[("[web]\n", "[web]\nport = 81\n"), ("[general]", "[general]\nlog_level = DEBUG")],
            " | general.log_level | web.port",
        );
        check(
            &[("password_hash =", "password_hash = $argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")],
            " | web.password_hash | ",
        );
        let all = "mic moved output_directory; bat moved output_directory; radio moved output_directory";
        check(&[("= rec", "= elsewhere")], &format!("{all} |  | general.output_directory"));
        check(&[("[mic]\n", "[mic]\nicecast_bitrate = 96\n")], "mic moved icecast_bitrate |  | ");
        check(&[("[general]", "[general]\nmonitor = bat")], " |  | general.monitor");
        let both = [("[general]", "[general]\nmonitor = bat"), ("[bat]\n", "[bat]\nsync_seconds = 1\n")];
        check(&both, "bat moved sync_seconds |  | general.monitor");
    }

    #[test]
    fn the_sun_moves_with_the_place() {
        let site =
            |latitude| format!("[site]\nlatitude = {latitude}\nlongitude = 8\n[mic]\ntype = tone\nschedule = sunset..sunrise\n");
        let found = between(&parse(&site(50)), &parse(&site(60)));
        assert_eq!(found.sources, [("mic".to_owned(), Fate::Changed(vec!["schedule"]))]);
        assert_eq!(found.restart_needed, ["site.latitude"]);
    }
}
