//! The configuration to the JSON that the API speaks.

use super::json::{self, Json, list, number, quoted};
use crate::message::settings::{Applied, Calendar, CalendarDay, Group, KeyInfo, Problem, Settings, Value};
use crate::time::Wall;

pub fn settings(told: &Settings, groups: &[Group]) -> String {
    Json::object()
        .text("file", &told.file)
        .text("text", &told.text)
        .text("revision", &told.revision)
        .raw("locked", maybe(told.locked.as_deref()))
        .raw("has_backup", told.has_backup)
        .raw("groups", list(groups, group))
        .raw("values", list(&told.values, value))
        .raw("problems", list(&told.problems, problem))
        .raw("restart_needed", words(&told.restart_needed))
        .end()
}

pub fn checked(problems: &[Problem]) -> String {
    Json::object().raw("problems", list(problems, problem)).end()
}

/// As a refusal, with the list.
pub fn refused(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error).count();
    let why = format!("Nothing was changed: the text has {errors} {}.", if errors == 1 { "error" } else { "errors" });
    Json::object().text("error", &why).raw("problems", list(problems, problem)).end()
}

pub fn applied(applied: &Applied) -> String {
    Json::object()
        .text("revision", &applied.revision)
        .raw("changed", words(&applied.changed))
        .raw("new", words(&applied.new))
        .raw("gone", words(&applied.gone))
        .raw("at_once", words(&applied.at_once))
        .raw("restart_needed", words(&applied.restart_needed))
        .raw("problems", list(&applied.problems, problem))
        .end()
}

pub fn calendar(sources: &[Calendar]) -> String {
    Json::object().raw("sources", list(sources, source)).end()
}

fn words(words: &[String]) -> String {
    list(words, |word| quoted(word))
}

fn maybe(text: Option<&str>) -> String {
    text.map_or_else(|| "null".into(), quoted)
}

fn problem(problem: &Problem) -> String {
    let severity = if problem.is_error { "error" } else { "warning" };
    let line = if problem.line == 0 { "null".into() } else { problem.line.to_string() };
    let start = Json::object().raw("line", line).text("severity", severity);
    start.text("section", &problem.section).text("text", &problem.text).end()
}

fn value(value: &Value) -> String {
    let start = Json::object().text("section", &value.section).text("key", value.key);
    start.text("value", &value.value).text("origin", &value.origin).end()
}

fn group(group: &Group) -> String {
    Json::object().text("name", group.name).raw("is_source", group.is_source).raw("keys", list(&group.keys, key)).end()
}

fn key(key: &KeyInfo) -> String {
    let bound = |bound: Option<f64>| bound.map_or_else(|| "null".into(), number);
    Json::object()
        .text("name", key.name)
        .text("default", key.default)
        .text("wants", key.wants)
        .text("help", key.help)
        .raw("unit", maybe(key.unit))
        .raw("min", bound(key.range.map(|range| range.0)))
        .raw("max", bound(key.range.map(|range| range.1)))
        .raw("choices", list(&key.choices, |choice| quoted(choice)))
        .raw("secret", key.is_secret)
        .end()
}

fn source(calendar: &Calendar) -> String {
    let duty = calendar.duty.map_or_else(|| "null".into(), |(on, of)| Json::object().raw("on_s", on).raw("of_s", of).end());
    Json::object()
        .text("source", &calendar.source)
        .text("time_zone", &calendar.time_zone)
        .raw("duty", duty)
        .raw("on", calendar.is_on)
        .raw("until", time(calendar.until))
        .raw("days", list(&calendar.days, day))
        .end()
}

fn day(day: &CalendarDay) -> String {
    let window = |(begin, end): &(Wall, Wall)| Json::object().raw("from", json::time(*begin)).raw("to", json::time(*end)).end();
    Json::object()
        .text("date", &day.date)
        .raw("begin", json::time(day.begin))
        .raw("end", json::time(day.end))
        .raw("windows", list(&day.windows, window))
        .raw("sunrise", time(day.sunrise))
        .raw("sunset", time(day.sunset))
        .end()
}

fn time(at: Option<Wall>) -> String {
    at.map_or_else(|| "null".into(), json::time)
}
