//! `soundpost check`.

use std::path::Path;

use super::{Exit, calendar, put, say, triggers};
use crate::config::{self, Config, Environment};
use crate::device::clock::{Clock, RealClock};
use crate::wiring::start;

/// Prints every problem with its line, the effective configuration, the next two weeks of its schedules, its triggers and the memory budget.
pub fn run(path: &Path) -> Exit {
    let parsed = match Config::load(path, &Environment::of_process()) {
        Ok(parsed) => parsed,
        Err(unreadable) => {
            say(unreadable);
            return Exit::Usage;
        }
    };
    for problem in &parsed.problems {
        say(problem);
    }
    put(config::check::text(&parsed).trim_end());
    let calendar = calendar::text(&parsed.config, RealClock.look().wall);
    if !calendar.is_empty() {
        put(calendar.trim_end());
    }
    let triggers = triggers::text(&parsed.config);
    if !triggers.is_empty() {
        put(triggers.trim_end());
    }
    let table = start::table(&parsed.config).within((parsed.config.general.memory_budget_mb as usize) << 20);
    put(format_args!("\nmemory, decided at start:\n{table}"));
    let budget_mb = parsed.config.general.memory_budget_mb;
    let fits = table.bytes() as u64 <= u64::from(budget_mb) << 20;
    if !fits {
        say(over_budget(table.bytes(), budget_mb));
    }
    if parsed.has_errors() || !fits { Exit::Usage } else { Exit::Done }
}

/// The line for a configuration whose buffers are larger than allowed.
pub fn over_budget(bytes: usize, budget_mb: u32) -> String {
    let mb = bytes.div_ceil(1 << 20);
    format!("the sources need {mb} MiB of buffers, memory_budget_mb allows {budget_mb}: raise it, or lower pool_seconds")
}
