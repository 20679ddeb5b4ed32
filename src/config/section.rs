//! Which section is what, and what to say of those that are nothing.

use super::ini::{Ini, Section};
use super::keys;
use super::nearest::nearest;
use super::problem::{Problems, quoted};
use super::reader::{Inherited, Reader, Report, did_you_mean};
use super::source::{SourceConfig, SourceType};
use super::upload::{self, Target};

/// The settings that a section holds; a section with a `type` is a source whatever its name, `[general]` never is.
pub fn settings_name(section: &Section) -> Option<&'static str> {
    let (name, _) = keys::SETTINGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&section.name))?;
    let is_source = section.get("type").is_some_and(|entry| *name != "upload" || SourceType::is(&entry.value));
    if *name != "general" && is_source { None } else { Some(name) }
}

pub fn settings_section<T>(
    name: &'static str,
    ini: &Ini,
    report: &mut Report,
    read: impl FnOnce(&mut Reader) -> T,
) -> (T, Inherited) {
    let own = ini.sections.iter().filter(|s| settings_name(s) == Some(name)).collect();
    let mut reader = Reader::new(name, own, None, report);
    let value = read(&mut reader);
    let known = keys::SETTINGS.iter().find(|(n, _)| *n == name).map_or(&[][..], |(_, list)| list);
    match name {
        "general" => reader.unknown_keys(&[known, keys::LANE], |key| {
            match [keys::STORAGE, keys::STORED].concat().iter().any(|k| k.name == key) {
                true => Some("belongs into [storage]".to_owned()),
                false => types_with(key).map(|t| format!("belongs into a source ({t})")),
            }
        }),
        "storage" => reader.unknown_keys(&[known, keys::STORED], |_| None),
        _ => reader.unknown_keys(&[known], |_| None),
    }
    let (good, _) = reader.finish();
    (value, good)
}

/// `[upload.NAME]`: what it does not say, `[upload]` does.
pub fn is_target(section: &Section) -> bool {
    section.name.get(..TARGET.len()).is_some_and(|start| start.eq_ignore_ascii_case(TARGET))
}

const TARGET: &str = "upload.";

pub fn read_target(section: &Section, inherited: &Inherited, report: &mut Report) -> Option<Target> {
    let mut reader = Reader::new(&section.name, vec![section], Some(inherited), report);
    let target = upload::read(&section.name, section.line, true, &mut reader);
    reader.unknown_keys(&[keys::UPLOAD], |_| None);
    target
}

/// `None` for a section that is no source; an error is why a source is broken, and is on the list.
pub fn read_source(section: &Section, inherited: &Inherited, report: &mut Report) -> Result<Option<SourceConfig>, String> {
    let name = section.name.as_str();
    let mut reader = Reader::new(name, vec![section], Some(inherited), report);
    let source_type = match reader.get(&keys::TYPE) {
        Some(source_type) => source_type,
        None => {
            let (_, errors) = reader.finish();
            report.skip(name);
            return errors.into_iter().next().map_or_else(|| without_type(section, &mut report.problems), Err);
        }
    };
    let source = SourceConfig::read(name, section.line, source_type, &mut reader);
    reader.unknown_keys(&[source_type.keys(), keys::LANE, keys::STORED], |key| {
        if keys::GENERAL.iter().any(|about| about.name == key) {
            Some("belongs into [general]".to_owned())
        } else if keys::STORAGE.iter().any(|about| about.name == key) {
            Some("belongs into [storage]".to_owned())
        } else {
            types_with(key).map(|types| format!("belongs to {types}"))
        }
    });
    let (_, errors) = reader.finish();
    match (source, errors.into_iter().next()) {
        (Some(source), None) => Ok(Some(source)),
        (_, reason) => Err(reason.unwrap_or_else(|| "incomplete".to_owned())),
    }
}

/// `type = file or tone`, of a key that some sources have.
fn types_with(key: &str) -> Option<String> {
    let has = |t: SourceType| key != "type" && t.keys().iter().any(|about| about.name == key);
    let words: Vec<&str> = SourceType::WORDS.iter().filter(|(_, t)| has(*t)).map(|(word, _)| *word).collect();
    if words.is_empty() { None } else { Some(format!("type = {}", words.join(" or "))) }
}

fn without_type(section: &Section, problems: &mut Problems) -> Result<Option<SourceConfig>, String> {
    let name = quoted(&section.name);
    let is_lane_key = |key: &str| keys::LANE.iter().any(|about| about.name == key);
    let like_source = section.entries.iter().any(|e| e.key == "type" || is_lane_key(&e.key) || types_with(&e.key).is_some());
    let settings = keys::SETTINGS.map(|(name, _)| name).into_iter().filter(|_| !problems.is_full());
    let near = nearest(&section.name.to_lowercase(), settings);
    let hint = near.map_or_else(String::new, |near| format!(" (or is it meant to be [{near}]?)"));
    if like_source {
        let text = format!("[{name}] has no type: add type = {}{hint}", SourceType::WANTS);
        problems.error(section.line, &section.name, text.clone());
        Err(text)
    } else {
        let text = format!("unknown section [{name}]{}: left out; a source needs a type", did_you_mean(near));
        problems.warn(section.line, &section.name, text);
        Ok(None)
    }
}
