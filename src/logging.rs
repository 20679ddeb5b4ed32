//! Log lines to stderr and to `log_file`, written by a thread of their own.
//!
//! No actor ever waits for a terminal, a pipe that nobody reads or a slow card: a line goes into a bounded queue, and when
//! that is full it is dropped and counted; the count is said with the next line that fits.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::{Level, LevelFilter};

/// Lines that may wait.
const DEPTH: usize = 512;
/// A log file larger than this is renamed to NAME.1 and begun anew: a year in a wood must not fill the card.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Ends the log thread when dropped, after it has written what can be written at once.
pub struct Logging {
    lines: Option<async_channel::Sender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the log thread and routes the `log` macros to it. The problem with the log file, if there is one, comes back as
/// a line for the user; logging to stderr works in any case.
pub fn start(level: LevelFilter, file: Option<&Path>) -> (Logging, Option<String>) {
    let (tx, rx) = async_channel::bounded::<Vec<u8>>(DEPTH);
    let dropped = Arc::new(AtomicU64::new(0));
    let (log_file, problem) = match file.map(LogFile::open) {
        None => (None, None),
        Some(Ok(file)) => (Some(file), None),
        Some(Err(e)) => {
            let path = file.unwrap_or(Path::new("")).display();
            (None, Some(format!("log_file {path} cannot be written: {e}; the log goes to stderr only")))
        }
    };
    let thread = {
        let dropped = dropped.clone();
        thread::Builder::new().name("log".into()).stack_size(64 << 10).spawn(move || write_lines(&rx, log_file, &dropped)).ok()
    };
    let queue = Queue { lines: tx.downgrade(), dropped };
    env_logger::Builder::new()
        // The level is kept where it can be changed: see `set_level`.
        .filter_level(LevelFilter::Trace)
        .filter_module("polling", LevelFilter::Warn)
        .filter_module("async_io", LevelFilter::Warn)
        // They tell whole addresses, secrets in them included.
        .filter_module("ureq", LevelFilter::Warn)
        .filter_module("ureq_proto", LevelFilter::Warn)
        .filter_module("rustls", LevelFilter::Warn)
        .target(env_logger::Target::Pipe(Box::new(queue)))
        .write_style(env_logger::WriteStyle::Never)
        .format(|out, record| {
            let target = record.target().strip_prefix("soundpost::actor::").unwrap_or(record.target());
            let target = target.strip_prefix("soundpost::").unwrap_or(target);
            writeln!(out, "{} {} [{target}] {}", stamp(), name(record.level()), record.args())
        })
        .init();
    set_level(level);
    (Logging { lines: Some(tx), thread }, problem)
}

/// From now on so much is told.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// How long the end of the program waits for lines that nobody takes.
const LAST_LINES: Duration = Duration::from_millis(500);

impl Drop for Logging {
    /// Lets the thread write what is queued. A pipe that nobody reads or a card that hangs must not keep the program alive.
    fn drop(&mut self) {
        log::logger().flush();
        if let Some(lines) = self.lines.take() {
            lines.close();
        }
        let until = Instant::now() + LAST_LINES;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The names that ISR's users know.
fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warn => "WARNING",
        Level::Info => "INFO",
        Level::Debug | Level::Trace => "DEBUG",
    }
}

/// Local time with milliseconds.
fn stamp() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// env_logger's pipe: each write is one finished line.
struct Queue {
    lines: async_channel::WeakSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let sent = self.lines.upgrade().is_some_and(|lines| lines.try_send(line.to_vec()).is_ok());
        if !sent {
            self.dropped.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_lines(lines: &async_channel::Receiver<Vec<u8>>, mut file: Option<LogFile>, dropped: &AtomicU64) {
    while let Ok(line) = lines.recv_blocking() {
        let lost = dropped.swap(0, Relaxed);
        if lost > 0 {
            put(format!("{} WARNING [log] {lost} lines were dropped\n", stamp()).as_bytes(), &mut file);
        }
        put(&line, &mut file);
    }
}

/// A closed stderr or a full card must not end anything: the line is lost there and may live on in the other place.
fn put(line: &[u8], file: &mut Option<LogFile>) {
    let _ = io::stderr().write_all(line);
    if let Some(file) = file {
        let _ = file.write(line);
    }
}

struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(LogFile { path: path.to_owned(), file, bytes })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes + line.len() as u64 > MAX_FILE_BYTES {
            // When it cannot be turned over now, the log goes on where it is.
            let _ = self.turn_over();
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn turn_over(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        match std::fs::rename(&self.path, old) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        *self = LogFile::open(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_is_turned_over_before_it_fills_the_card() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sub/recorder.log");
        let mut file = LogFile::open(&path).expect("opens, with its folder");
        let line = vec![b'x'; 1 << 20];
        for _ in 0..10 {
            file.write(&line).expect("written");
        }
        let sizes = [path.clone(), folder.path().join("sub/recorder.log.1")].map(|p| p.metadata().map(|m| m.len()).unwrap_or(0));
        assert_eq!(sizes, [2 << 20, 8 << 20]);
        assert_eq!(LogFile::open(&path).expect("opens again").bytes, 2 << 20);
    }
}
