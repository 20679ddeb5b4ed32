//! `soundpost hash-password`.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};

use super::{Exit, put, say};
use crate::web::auth::{MAX_PASSWORD_BYTES, hash};

/// Reads a password, one line, and prints the line for the configuration.
pub fn run() -> Exit {
    let password = match typed("password") {
        Ok(password) => password,
        Err(e) => {
            say(format_args!("the password cannot be read: {e}"));
            return Exit::Failed;
        }
    };
    let mut salt = [0; 16];
    if let Err(e) = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut salt)) {
        say(format_args!("no randomness: {e}"));
        return Exit::Failed;
    }
    match hash(password.as_bytes(), salt) {
        Some(hash) => {
            put(format_args!("password_hash = {hash}"));
            Exit::Done
        }
        None => {
            say(format_args!("a password has 1 to {MAX_PASSWORD_BYTES} bytes"));
            Exit::Usage
        }
    }
}

/// A line of standard input; who sits at a terminal is told what is wanted.
pub fn typed(what: &str) -> io::Result<String> {
    if io::stdin().is_terminal() {
        say(format_args!("{what} (it is shown while you type):"));
    }
    let mut line = String::new();
    let limit = MAX_PASSWORD_BYTES as u64 + 2;
    io::stdin().lock().take(limit).read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}
