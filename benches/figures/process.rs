//! What a process costs, read from /proc and from `time`.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// User and system seconds of a finished command, by the shell's own `time`.
pub fn cpu_seconds(program: &str, arguments: &[&str]) -> f64 {
    let mut words = vec![program];
    words.extend(arguments);
    let quoted: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
    let script = format!("TIMEFORMAT='%U %S'; time {} >/dev/null 2>/dev/null || echo failed >&2", quoted.join(" "));
    let out = Command::new("bash").args(["-c", &script]).output().expect("bash runs");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let mut numbers = said.split_whitespace().map(|n| n.parse::<f64>());
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(user)), Some(Ok(system)), None) => user + system,
        _ => panic!("{program} {arguments:?}: {said}"),
    }
}

/// A line of /proc/PID/status in KiB.
pub fn status_kib(pid: u32, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = text.lines().find(|l| l.starts_with(key)).unwrap_or_else(|| panic!("{key} in status"));
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

/// Anonymous memory of a process in KiB, page by page: what status says is only about right, by some dozens of pages.
pub fn anonymous_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    let line = text.lines().find(|l| l.starts_with("Anonymous:")).expect("Linux 4.14 or newer");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

/// User and system time of a process so far, in hundredths of a second.
pub fn cpu_ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let behind_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum()
}

pub fn threads(pid: u32) -> usize {
    tasks(pid).count()
}

/// Threads of its own: those of the rig's sound server, which a board does not have, are left out.
fn tasks(pid: u32) -> impl Iterator<Item = PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs").flatten().map(|task| task.path());
    tasks.filter(|task| !fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == "threaded-ml"))
}

pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs").count()
}

/// How often all threads of a process, but for the rig's, went to sleep so far.
pub fn sleeps(pid: u32) -> u64 {
    let statuses = tasks(pid).filter_map(|task| fs::read_to_string(task.join("status")).ok());
    statuses
        .filter_map(|s| s.lines().find(|l| l.starts_with("voluntary_ctxt_switches")).map(str::to_owned))
        .filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum()
}

/// Seconds of CPU of each thread so far, by its name.
pub fn thread_seconds(pid: u32) -> HashMap<String, f64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut all = HashMap::new();
    for task in tasks {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let nanoseconds = read("schedstat").split_whitespace().next().and_then(|n| n.parse::<f64>().ok());
        *all.entry(read("comm").trim().to_owned()).or_default() += nanoseconds.unwrap_or(0.0) / 1e9;
    }
    all
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
