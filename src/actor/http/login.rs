//! The password at work: who is let in, and the cookie that keeps a browser in. The rules are in [`web::auth`](crate::web::auth).

use std::io::Read;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{MutexGuard, PoisonError};

use super::Office;
use super::ask::{Answer, Ask};
use super::respond::unreadable;
use crate::web::answer::{Head, Refusal, Status};
use crate::web::auth::{COOKIE, Checked, Doorman, TOKEN_BYTES, basic, verify};

/// With the password that holds now: where it has changed, nobody is in any more.
fn doorman(office: &Office) -> MutexGuard<'_, Doorman> {
    let mut doorman = office.doorman.lock().unwrap_or_else(PoisonError::into_inner);
    let changed = office.library.clerk().and_then(|clerk| clerk.door(office.door.load(Relaxed)));
    if let Some((door, key)) = changed.and_then(|door| Some((door, random()?))) {
        *doorman = Doorman::new(door.hash, door.session_hours, key);
        office.door.store(door.version, Relaxed);
    }
    doorman
}

/// Whether nobody needs a password.
pub fn is_open(office: &Office) -> bool {
    doorman(office).is_open()
}

/// Refuses who has neither a session nor the password.
pub fn needed(office: &Office, ask: &Ask) -> Result<(), Refusal> {
    {
        let doorman = doorman(office);
        if doorman.is_open() || doorman.knows(ask.line("cookie"), office.clock.mono()) {
            return Ok(());
        }
    }
    match ask.line("authorization").and_then(basic) {
        Some(password) => check(office, ask, &password),
        None => Err(challenge(ask)),
    }
}

/// Whether it is a browser that has logged in.
pub fn is_in(office: &Office, ask: &Ask) -> bool {
    let doorman = doorman(office);
    !doorman.is_open() && doorman.knows(ask.line("cookie"), office.clock.mono())
}

/// A browser would ask by itself for what `Basic` means, over the page's own form.
fn challenge(ask: &Ask) -> Refusal {
    let is_browser = ask.line("user-agent").is_some_and(|agent| agent.starts_with("Mozilla/"));
    let scheme = if is_browser { "Cookie realm=\"soundpost\"" } else { "Basic realm=\"soundpost\", charset=\"UTF-8\"" };
    Refusal::new(Status::Unauthorized, "The password is needed.").with("WWW-Authenticate", scheme)
}

fn check(office: &Office, ask: &Ask, password: &[u8]) -> Result<(), Refusal> {
    let now = office.clock.mono();
    let (mut checked, hash) = {
        let mut doorman = doorman(office);
        (doorman.look(password, ask.from, now), doorman.hash().map(str::to_owned))
    };
    if checked == Checked::Unknown {
        // Without the lock: it takes long, and those who have a session need not wait.
        let is_right = hash.is_none_or(|hash| verify(&hash, password));
        checked = doorman(office).judge(password, ask.from, is_right);
    }
    match checked {
        Checked::Right => Ok(()),
        Checked::Wrong | Checked::Unknown => Err(Refusal { why: "The password is wrong.".into(), ..challenge(ask) }),
        Checked::Wait(seconds) => {
            let wait = Refusal::new(Status::TooManyRequests, "Too many wrong passwords: wait a little.");
            Err(wait.with("Retry-After", seconds.to_string()))
        }
    }
}

/// `{"password":"…"}` for a cookie.
pub fn login(office: &Office, ask: &Ask) -> Result<Answer, Refusal> {
    let body: serde_json::Value = serde_json::from_slice(&ask.body).map_err(|_| unreadable())?;
    let password = body.get("password").and_then(|p| p.as_str()).ok_or_else(unreadable)?;
    if doorman(office).is_open() {
        return Ok(Answer { head: Head::new(Status::NoContent).finish(), body: None });
    }
    check(office, ask, password.as_bytes())?;
    let token = random::<TOKEN_BYTES>().ok_or(Refusal::new(Status::Failed, "There is no randomness for a session."))?;
    let mut doorman = doorman(office);
    let value = doorman.open(token, office.clock.mono());
    Ok(with_cookie(&value, doorman.session_seconds()))
}

pub fn logout(office: &Office, ask: &Ask) -> Answer {
    doorman(office).close(ask.line("cookie"));
    with_cookie("", 0)
}

fn with_cookie(value: &str, seconds: i64) -> Answer {
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    Answer { head: Head::new(Status::NoContent).line("Set-Cookie", &cookie).finish(), body: None }
}

/// From the operating system.
fn random<const N: usize>() -> Option<[u8; N]> {
    let mut token = [0; N];
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut token)).ok()?;
    Some(token)
}
