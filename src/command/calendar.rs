//! The next two weeks of each source that has a schedule, as text for `soundpost check`.

use std::fmt::Write;

use jiff::ToSpan;

use crate::config::Config;
use crate::policy::schedule::{Rules, Schedule, Span};
use crate::time::{SECOND_NS, Wall};
use crate::wiring::start;

const DAYS: i64 = 14;

/// Empty where everything is always recorded.
pub fn text(config: &Config, now: Wall) -> String {
    let mut out = String::new();
    for source in config.sources.iter().filter(|source| !source.lane.schedule.is_always()) {
        match start::schedule(source, config) {
            Ok(schedule) => push(&mut out, format_args!("\n{}", one(&source.name, &schedule, now))),
            Err(why) => push(&mut out, format_args!("\n{why}\n")),
        }
    }
    out
}

fn one(name: &str, schedule: &Schedule, now: Wall) -> String {
    let zone = schedule.zone().iana_name().unwrap_or("local time");
    let mut out = format!("[{name}] the next {DAYS} days ({zone}{}):\n", part(schedule.rules()));
    let today = schedule.date_of(now);
    for date in (0..DAYS).map(|n| today.saturating_add(n.days())) {
        let windows: Vec<String> = schedule.windows_of(date).iter().map(|window| shown(schedule, *window)).collect();
        let windows = if windows.is_empty() { "-".to_owned() } else { windows.join("  ") };
        push(&mut out, format_args!("{}  {windows}\n", date.strftime("%a %Y-%m-%d")));
    }
    let next = if schedule.is_on(now) { "it is on".to_owned() } else { next(schedule, now) };
    push(&mut out, format_args!("now {}: {next}\n", schedule.shown(now)));
    out
}

fn next(schedule: &Schedule, now: Wall) -> String {
    schedule.next_begin(now).map_or_else(|| "it is never on".into(), |at| format!("it is on next at {}", schedule.shown(at)))
}

fn part(rules: &Rules) -> String {
    rules.duty.map_or_else(String::new, |duty| format!("; of each window {} s of every {} s", duty.on_s, duty.of_s))
}

/// `22:00..06:00`, and how long that is where the clock is changed meanwhile.
fn shown(schedule: &Schedule, Span { begin, end }: Span) -> String {
    let clock = |at| schedule.shown(at).get(15..20).unwrap_or_default().to_owned(); // HH:MM
    let hours = end.since(begin) as f64 / (3_600 * SECOND_NS) as f64;
    format!("{}..{} ({hours:.1} h)", clock(begin), clock(end))
}

fn push(out: &mut String, text: std::fmt::Arguments) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
