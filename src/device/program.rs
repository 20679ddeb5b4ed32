//! Another program, run to its end: at low priority, in a process group of its own, with a limit of time, and with nothing of this
//! program's environment but what every program needs.
//!
//! It is waited for, and never for longer than told: not for a child of its own that holds its output open, and not for output
//! that never ends. Whatever it leaves behind in its process group is ended with it.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group, setpriority_process};

/// Variables that are passed on.
const PASSED: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ"];
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The lowest there is.
const NICE: i32 = 19;
/// Where it is there: the program reads and writes only while nobody else does.
const IONICE: [&str; 4] = ["/usr/bin/ionice", "-t", "-c", "3"];
/// Between two looks at a program that says nothing.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// From the request to end to the end by force: after the limit, and when this program ends.
const GRACE: Duration = Duration::from_secs(5);
const GRACE_AT_STOP: Duration = Duration::from_millis(400);
/// Read in one go, and at most after its end.
const PIECE_BYTES: usize = 16 << 10;
const LAST_PIECES: u32 = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Exit(i32),
    /// By a signal that somebody else sent.
    Signal(i32),
    /// It took too long, and was ended.
    Overdue,
    /// It was ended because this program ends.
    Stopped,
    NotStarted(String),
}

/// For good, the calling thread gets the lowest priority: its children have that from their first step. `words`: path and arguments of
/// the program; never empty. `tell`: pieces of its output, and an empty one at every look.
pub fn run(words: &[String], folder: &Path, limit: Duration, stop: &AtomicBool, tell: &mut dyn FnMut(&[u8])) -> Ended {
    let _ = setpriority_process(None, NICE); // of a thread, whatever it is called
    let mut group = match start(words, folder) {
        Ok(child) => Group { child, is_over: false },
        Err(e) => return Ended::NotStarted(e.to_string()),
    };
    // Where memory is short it goes before the recorder does, and so does what it starts from now on.
    let _ = fs::write(format!("/proc/{}/oom_score_adj", group.child.id()), "1000");
    let (mut out, mut err) = (group.child.stdout.take(), group.child.stderr.take());
    for pipe in [out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd)].into_iter().flatten() {
        let _ = rustix::io::ioctl_fionbio(pipe, true);
    }
    let (until, mut asked) = (Instant::now() + limit, None::<(Instant, Ended)>);
    loop {
        let is_quiet = [out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd)];
        wait(&is_quiet);
        drain(&mut out, 1, tell);
        drain(&mut err, 1, tell);
        tell(&[]);
        if let Some(status) = group.look() {
            drain(&mut out, LAST_PIECES, tell);
            drain(&mut err, LAST_PIECES, tell);
            return asked.map_or_else(|| ended(status), |(_, why)| why);
        }
        match &asked {
            Some((by, _)) if Instant::now() >= *by => group.end(),
            Some(_) => {}
            None if stop.load(Relaxed) => asked = Some(group.ask(GRACE_AT_STOP, Ended::Stopped)),
            None if Instant::now() >= until => asked = Some(group.ask(GRACE, Ended::Overdue)),
            None => {}
        }
        // One that is being ended must not delay the end of this program.
        if let (Some((by, why)), true) = (&mut asked, stop.load(Relaxed)) {
            *by = (*by).min(Instant::now() + GRACE_AT_STOP);
            if *why != Ended::Stopped && Instant::now() >= *by + GRACE_AT_STOP {
                return Ended::Stopped;
            }
        }
    }
}

fn start(words: &[String], folder: &Path) -> std::io::Result<Child> {
    let program = words.first().ok_or(ErrorKind::InvalidInput)?;
    fs::metadata(program)?;
    let before = if Path::new(IONICE[0]).exists() { &IONICE[..] } else { &[] };
    let mut all = before.iter().copied().chain(words.iter().map(String::as_str));
    let mut command = Command::new(all.next().unwrap_or(program));
    command.args(all).current_dir(folder).env_clear().env("PATH", USUAL_PATH);
    command.envs(PASSED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command.spawn()
}

fn ended(status: ExitStatus) -> Ended {
    status.code().map_or_else(|| Ended::Signal(status.signal().unwrap_or(0)), Ended::Exit)
}

/// Until one of these has something, or for a moment.
fn wait(pipes: &[Option<BorrowedFd<'_>>; 2]) {
    let mut open: Vec<PollFd<'_>> = pipes.iter().flatten().map(|pipe| PollFd::from_borrowed_fd(*pipe, PollFlags::IN)).collect();
    if open.is_empty() {
        return std::thread::sleep(LOOK_EVERY / 4);
    }
    let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.as_nanos() as _ };
    let _ = poll(&mut open, Some(&timeout));
}

/// So many pieces at most; one that is at its end is closed.
fn drain<R: Read>(pipe: &mut Option<R>, pieces: u32, tell: &mut dyn FnMut(&[u8])) {
    let mut piece = [0; PIECE_BYTES];
    for _ in 0..pieces {
        let Some(open) = pipe else { return };
        match open.read(&mut piece) {
            Ok(0) => *pipe = None,
            Ok(length) => tell(&piece[..length]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            Err(_) => *pipe = None,
        }
    }
}

/// A child and all that it has started, gone with this.
struct Group {
    child: Child,
    is_over: bool,
}

impl Group {
    fn look(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        self.is_over |= status.is_some();
        status
    }

    fn ask(&self, grace: Duration, why: Ended) -> (Instant, Ended) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::TERM);
        (Instant::now() + grace, why)
    }

    fn end(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
        // One that hangs in the kernel is left to it.
        let until = Instant::now() + Duration::from_millis(200);
        while !self.is_over && self.look().is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a line of a shell says, how it ended, and how long that took.
    fn sh(script: &str, limit_ms: u64) -> (String, Ended, Duration) {
        let words = ["/bin/sh", "-c", script].map(str::to_owned);
        let (mut said, began) = (Vec::new(), Instant::now());
        let never = AtomicBool::new(false);
        let limit = Duration::from_millis(limit_ms);
        let ended = run(&words, Path::new("/"), limit, &never, &mut |bytes| said.extend_from_slice(bytes));
        (String::from_utf8_lossy(&said).into_owned(), ended, began.elapsed())
    }

    const LONG: u64 = 30_000;

    #[test]
    fn it_says_how_it_ended() {
        let (said, ended, _) = sh("echo a; echo b >&2; pwd", LONG);
        assert_eq!(ended, Ended::Exit(0));
        assert!(["a\n", "b\n", "/\n"].iter().all(|line| said.contains(line)), "{said}");
        assert_eq!(sh("exit 3", LONG).1, Ended::Exit(3));
        assert_eq!(sh("kill -SEGV $$", LONG).1, Ended::Signal(11));
        let nowhere = run(&["/no/such".to_owned()], Path::new("/"), Duration::MAX / 4, &AtomicBool::new(false), &mut |_| ());
        assert!(matches!(nowhere, Ended::NotStarted(_)));
    }

    #[test]
    fn it_is_ended_with_all_its_children() {
        let (_, ended, took) = sh("trap '' TERM; sleep 60 & sleep 60", 200);
        assert!(ended == Ended::Overdue && took > GRACE && took < Duration::from_secs(12), "{ended:?} {took:?}");
        // One that listens ends at once.
        let (_, ended, took) = sh("sleep 60", 200);
        assert!(ended == Ended::Overdue && took < Duration::from_secs(4), "{ended:?} {took:?}");
    }

    #[test]
    fn a_child_that_holds_the_output_is_not_waited_for() {
        let (said, ended, took) = sh("sleep 60 & echo $!", LONG);
        assert!(ended == Ended::Exit(0) && took < Duration::from_secs(5), "{ended:?} {took:?}");
        let child = Path::new("/proc").join(said.trim());
        let until = Instant::now() + Duration::from_secs(5);
        let is_gone = || fs::read_to_string(child.join("stat")).map_or(true, |stat| stat.contains(") Z"));
        while !is_gone() {
            assert!(Instant::now() < until, "{said} lives on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn it_has_a_low_priority_and_no_secrets() {
        let (said, ..) = sh(
            "sleep 0.5; cut -d ' ' -f 19 /proc/self/stat; cat /proc/self/oom_score_adj; ionice; env | cut -d = -f 1 | sort",
            LONG,
        );
        let mut lines = said.lines();
        assert_eq!([lines.next(), lines.next(), lines.next()], [Some("19"), Some("1000"), Some("idle")], "{said}");
        let names: Vec<&str> = lines.collect();
        assert!(
            names.contains(&"PATH") && names.iter().all(|name| PASSED.contains(name) || ["PWD", "_"].contains(name)),
            "{said}"
        );
        assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")), "this one has more");
    }

    #[test]
    fn a_stop_ends_it() {
        let (stop, began) = (AtomicBool::new(false), Instant::now());
        let words = ["/bin/sh", "-c", "trap '' TERM; echo on; sleep 60"].map(str::to_owned);
        let ended = run(&words, Path::new("/"), Duration::from_secs(60), &stop, &mut |bytes| {
            if !bytes.is_empty() {
                stop.store(true, Relaxed);
            }
        });
        assert!(ended == Ended::Stopped && began.elapsed() < Duration::from_secs(3), "{ended:?} {:?}", began.elapsed());
    }
}
