//! The password of the page: its hash, sessions of browsers, programs that send it along, and how often it may be guessed.
//! Time and randomness are arguments; nothing here is ever logged.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use super::admission::Host;
use crate::time::{Mono, SECOND_NS};

/// 7 MiB five times over: OWASP's setting for little memory, about a fifth of a second on a small board.
const MEMORY_KIB: u32 = 7 << 10;
const PASSES: u32 = 5;
/// A hash from elsewhere may want more, but not more than the recorder has.
const MAX_MEMORY_KIB: u32 = 64 << 10;
/// A longer password is no password.
pub const MAX_PASSWORD_BYTES: usize = 1_024;
/// Browsers that are logged in; the one that was opened first gives way.
const SESSIONS: usize = 64;
pub const TOKEN_BYTES: usize = 32;
pub const COOKIE: &str = "soundpost";

/// The line for `[web] password_hash`, in the PHC format: `$argon2id$v=19$m=7168,t=5,p=1$…`.
pub fn hash(password: &[u8], salt: [u8; 16]) -> Option<String> {
    if password.is_empty() || password.len() > MAX_PASSWORD_BYTES {
        return None;
    }
    let salt = SaltString::encode_b64(&salt).ok()?;
    let hash = hasher(MEMORY_KIB, PASSES)?.hash_password(password, &salt).ok()?;
    Some(hash.to_string())
}

fn hasher(memory_kib: u32, passes: u32) -> Option<Argon2<'static>> {
    let params = Params::new(memory_kib, passes, 1, Some(TOKEN_BYTES)).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Whether a text can be checked against: an Argon2 hash in the PHC format that needs no more memory than there is.
pub fn is_hash(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else { return false };
    let fits = Params::try_from(&hash).is_ok_and(|params| params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= 100);
    hash.hash.is_some() && hash.salt.is_some() && Algorithm::try_from(hash.algorithm).is_ok() && fits
}

/// Slow on purpose.
pub fn verify(hash: &str, password: &[u8]) -> bool {
    if !is_hash(hash) || password.len() > MAX_PASSWORD_BYTES {
        return false;
    }
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

/// In a time that does not depend on where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y))) == 0
}

/// Who may do what, as long as the program runs.
pub struct Doorman {
    hash: Option<String>,
    session_ns: i64,
    /// Token and end of each, in order of opening.
    sessions: Vec<([u8; TOKEN_BYTES], Mono)>,
    /// A quick hash under a key of this run, of the password that was right last: programs send it with every request.
    accepted: Option<[u8; TOKEN_BYTES]>,
    key: [u8; 16],
    guesses: Guesses,
}

/// What a password is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    Right,
    Wrong,
    /// Not looked at: too many guesses. In so many seconds.
    Wait(u32),
    /// Must be hashed; ask [`verify`], then [`Doorman::judge`].
    Unknown,
}

impl Doorman {
    /// `hash`: none lets everybody in. `key`: random.
    pub fn new(hash: Option<String>, session_hours: f64, key: [u8; 16]) -> Doorman {
        let session_ns = (session_hours * 3_600.0 * SECOND_NS as f64) as i64; // a float beyond i64 becomes its end
        Doorman { hash, session_ns, sessions: Vec::new(), accepted: None, key, guesses: Guesses::default() }
    }

    pub fn is_open(&self) -> bool {
        self.hash.is_none()
    }

    pub fn hash(&self) -> Option<&str> {
        self.hash.as_deref()
    }

    pub fn session_seconds(&self) -> i64 {
        self.session_ns / SECOND_NS
    }

    /// `cookie`: the value of the line Cookie.
    pub fn knows(&self, cookie: Option<&str>, now: Mono) -> bool {
        let Some(token) = cookie.and_then(token) else { return false };
        self.sessions.iter().any(|(known, end)| same(known, &token) && now < *end)
    }

    /// Begins a session with a random token; the cookie's value.
    pub fn open(&mut self, token: [u8; TOKEN_BYTES], now: Mono) -> String {
        self.sessions.retain(|(_, end)| now < *end);
        if self.sessions.len() == SESSIONS {
            self.sessions.remove(0);
        }
        self.sessions.push((token, now.plus_ns(self.session_ns)));
        token.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn close(&mut self, cookie: Option<&str>) {
        if let Some(token) = cookie.and_then(token) {
            self.sessions.retain(|(known, _)| !same(known, &token));
        }
    }

    /// The quick part of checking a password that `host` sent.
    pub fn look(&mut self, password: &[u8], host: Host, now: Mono) -> Checked {
        match self.guesses.wait_s(host, now) {
            _ if password.is_empty() || password.len() > MAX_PASSWORD_BYTES => Checked::Wrong,
            _ if self.accepted.is_some_and(|known| self.quick(password).is_some_and(|hash| same(&hash, &known))) => {
                Checked::Right
            }
            0 => {
                self.guesses.take(host, now);
                Checked::Unknown
            }
            seconds => Checked::Wait(seconds),
        }
    }

    /// The slow part is done elsewhere, without a lock; here is what it said.
    pub fn judge(&mut self, password: &[u8], host: Host, is_right: bool) -> Checked {
        if !is_right {
            return Checked::Wrong;
        }
        self.guesses.forgive(host);
        self.accepted = self.quick(password);
        Checked::Right
    }

    fn quick(&self, password: &[u8]) -> Option<[u8; TOKEN_BYTES]> {
        let mut out = [0; TOKEN_BYTES];
        hasher(8, 1)?.hash_password_into(password, &self.key, &mut out).ok()?;
        Some(out)
    }
}

/// The token in a line Cookie.
fn token(cookie: &str) -> Option<[u8; TOKEN_BYTES]> {
    let pairs = cookie.split(';').filter_map(|pair| pair.trim().split_once('='));
    let hex = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value).next()?;
    let mut bytes = [0; TOKEN_BYTES];
    if hex.len() != 2 * TOKEN_BYTES || !hex.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// The password in a line `Authorization: Basic …`; the user's name is nobody's.
pub fn basic(authorization: &str) -> Option<Vec<u8>> {
    let (scheme, text) = authorization.split_once(' ')?;
    let both = scheme.eq_ignore_ascii_case("basic").then(|| base64(text.trim()))??;
    let colon = both.iter().position(|&b| b == b':')?;
    Some(both[colon + 1..].to_vec())
}

/// RFC 4648, 4.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|&l| l == letter)? as u32; // below 64
        (bits, count) = (((bits << 6) | value) & 0xFFFF, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// Passwords that stand in the configuration as they are, for programs that cannot do better.
#[derive(Default)]
pub struct Words {
    guesses: Guesses,
}

impl Words {
    /// `wanted`: those that will do. `given`: what `host` says, if it says anything.
    pub fn look(&mut self, wanted: &[Option<&str>], given: Option<&[u8]>, host: Host, now: Mono) -> Checked {
        let Some(given) = given else { return Checked::Wrong };
        match self.guesses.wait_s(host, now) {
            0 if wanted.iter().flatten().any(|wanted| same(wanted.as_bytes(), given)) => Checked::Right,
            0 => {
                self.guesses.take(host, now);
                Checked::Wrong
            }
            seconds => Checked::Wait(seconds),
        }
    }
}

/// A bucket of guesses: [`BURST`](Guesses::BURST) at once, then one each few seconds; for each host, and for all together, so
/// that hashing never takes the processor from the recorder.
#[derive(Default)]
struct Guesses {
    /// The moment at which each bucket is full again.
    hosts: Vec<(Host, Mono)>,
    all: Option<Mono>,
}

impl Guesses {
    const BURST: i64 = 5;
    const EVERY_NS: i64 = 10 * SECOND_NS;
    const ALL_BURST: i64 = 20;
    const ALL_EVERY_NS: i64 = 2 * SECOND_NS;
    const HOSTS: usize = 256;

    /// Seconds until `host` may guess again.
    fn wait_s(&self, host: Host, now: Mono) -> u32 {
        let wait = |full: Option<Mono>, every_ns: i64, burst: i64| {
            full.map_or(0, |full| full.since(now) - every_ns * (burst - 1)).max(0).saturating_add(SECOND_NS - 1) / SECOND_NS
        };
        let own = self.hosts.iter().find(|(other, _)| *other == host).map(|(_, full)| *full);
        let seconds = wait(own, Self::EVERY_NS, Self::BURST).max(wait(self.all, Self::ALL_EVERY_NS, Self::ALL_BURST));
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    fn take(&mut self, host: Host, now: Mono) {
        self.all = Some(self.all.unwrap_or(now).max(now).plus_ns(Self::ALL_EVERY_NS));
        self.hosts.retain(|(_, full)| *full > now);
        match self.hosts.iter_mut().find(|(other, _)| *other == host) {
            Some((_, full)) => *full = full.plus_ns(Self::EVERY_NS),
            None => {
                if self.hosts.len() == Self::HOSTS {
                    self.hosts.remove(0);
                }
                self.hosts.push((host, now.plus_ns(Self::EVERY_NS)));
            }
        }
    }

    fn forgive(&mut self, host: Host) {
        self.hosts.retain(|(other, _)| *other != host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: [u8; 4] = [10, 0, 0, 1];

    fn host(address: [u8; 4]) -> Host {
        Host::of(address.into())
    }

    fn doorman() -> Doorman {
        // A hash that is quick to make: of "secret".
        let params = Params::new(8, 1, 1, None).expect("valid");
        let salt = SaltString::encode_b64(&[7; 16]).expect("a salt");
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = argon.hash_password(b"secret", &salt).expect("hashed").to_string();
        Doorman::new(Some(hash), 1.0, [3; 16])
    }

    fn check(doorman: &mut Doorman, password: &[u8], from: [u8; 4], now: Mono) -> Checked {
        match doorman.look(password, host(from), now) {
            Checked::Unknown => {
                let is_right = verify(doorman.hash().expect("one"), password);
                doorman.judge(password, host(from), is_right)
            }
            known => known,
        }
    }

    #[test]
    fn a_hash_is_of_its_password() {
        let line = hash("grün".as_bytes(), [1; 16]).expect("a hash");
        assert!(line.starts_with("$argon2id$v=19$m=7168,t=5,p=1$") && is_hash(&line), "{line}");
        assert!(verify(&line, "grün".as_bytes()) && !verify(&line, b"gruen") && !verify(&line, b""));
        assert_eq!(hash(b"", [1; 16]), None);
        assert_eq!(hash(&[b'x'; 1_025], [1; 16]), None);
    }

    /// The one that the reference program's own documentation shows.
    #[test]
    fn a_hash_from_elsewhere() {
        let line = "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG";
        assert!(is_hash(line) && verify(line, b"password") && !verify(line, b"Password"));
    }

    #[test]
    fn what_is_no_hash() {
        for text in [
            "",
            "secret",
            "$argon2id$v=19$m=7168,t=5,p=1$",
            "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ",
            "$2b$12$abcdefghijklmnopqrstuv",
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        ] {
            assert!(!is_hash(text) && !verify(text, b"secret"), "{text}");
        }
    }

    #[test]
    fn sessions_end() {
        let mut doorman = doorman();
        let at = |s: i64| Mono(s * SECOND_NS);
        let token = doorman.open([0xAB; TOKEN_BYTES], at(0));
        let cookie = format!("other=1; soundpost={token}; x=y");
        assert!(doorman.knows(Some(&cookie), at(3_599)) && !doorman.knows(Some(&cookie), at(3_600)));
        for cookie in ["", "soundpost=", "soundpost=00", &cookie.replace("ab", "ac"), &cookie.replace("soundpost", "Soundpost")] {
            assert!(!doorman.knows(Some(cookie), at(1)), "{cookie}");
        }
        assert!(!doorman.knows(None, at(1)));
        doorman.close(Some(&cookie));
        assert!(!doorman.knows(Some(&cookie), at(1)));
    }

    #[test]
    fn sessions_are_few() {
        let mut doorman = doorman();
        for n in 0..=SESSIONS as u8 {
            doorman.open([n; TOKEN_BYTES], Mono(0));
        }
        let cookie = |n: u8| format!("soundpost={}", format!("{n:02x}").repeat(TOKEN_BYTES));
        assert_eq!(doorman.sessions.len(), SESSIONS);
        assert!(!doorman.knows(Some(&cookie(0)), Mono(1)) && doorman.knows(Some(&cookie(1)), Mono(1)));
    }

    #[test]
    fn guessing_is_slow() {
        let (mut doorman, at) = (doorman(), |s: i64| Mono(s * SECOND_NS));
        for _ in 0..5 {
            assert_eq!(check(&mut doorman, b"guess", HERE, at(0)), Checked::Wrong);
        }
        assert_eq!(check(&mut doorman, b"secret", HERE, at(0)), Checked::Wait(10));
        assert_eq!(check(&mut doorman, b"guess", [10, 0, 0, 2], at(0)), Checked::Wrong, "another host may");
        assert_eq!(check(&mut doorman, b"guess", HERE, at(10)), Checked::Wrong, "one each ten seconds");
        assert_eq!(check(&mut doorman, b"guess", HERE, at(11)), Checked::Wait(9));
        assert_eq!(check(&mut doorman, b"secret", HERE, at(20)), Checked::Right);
        for _ in 0..100 {
            assert_eq!(check(&mut doorman, b"secret", HERE, at(20)), Checked::Right, "what is right costs nothing");
        }
    }

    #[test]
    fn many_hosts_together_are_slow_too() {
        let mut doorman = doorman();
        let wrong = (0..200).filter(|&n| check(&mut doorman, b"x", [10, 0, 1, n], Mono(0)) == Checked::Wrong).count();
        assert_eq!(wrong, 20);
    }

    #[test]
    fn words_are_guessed_slowly_too() {
        let (mut words, here, now) = (Words::default(), host(HERE), Mono(0));
        assert_eq!(words.look(&[Some("a"), None], Some(b"a"), here, now), Checked::Right);
        assert_eq!(words.look(&[Some("a"), Some("b")], Some(b"b"), here, now), Checked::Right);
        assert_eq!(words.look(&[None], Some(b""), here, now), Checked::Wrong);
        assert_eq!(words.look(&[Some("a")], None, here, now), Checked::Wrong);
        for _ in 0..4 {
            assert_eq!(words.look(&[Some("a")], Some(b"c"), here, now), Checked::Wrong);
        }
        assert!(matches!(words.look(&[Some("a")], Some(b"a"), here, now), Checked::Wait(1..)));
    }

    #[test]
    fn basic_credentials() {
        for (line, want) in [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Some("open sesame")), // RFC 7617, 2
            ("basic OnNlY3JldA", Some("secret")),
            ("Basic YTpiOmM=", Some("b:c")),
            ("Basic", None),
            ("Basic !!!", None),
            ("Basic QWxh", None),
            ("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", None),
        ] {
            assert_eq!(basic(line).as_deref(), want.map(str::as_bytes), "{line}");
        }
    }
}
