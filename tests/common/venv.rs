//! Programs of PyPI that the tests compare with, or talk to.

use std::path::PathBuf;
use std::process::Command;

/// The bin folder of a virtual environment with this package, `NAME==VERSION`; one for all tests, kept in `target/tmp`.
pub fn venv(name: &str, package: &str) -> PathBuf {
    let mut sh = Command::new("sh");
    let sh = sh.args(["tests/reference/venv.sh", name, package]).env("CARGO_TARGET_TMPDIR", env!("CARGO_TARGET_TMPDIR"));
    let made = sh.output().expect("sh");
    assert!(made.status.success(), "{package} from PyPI: {}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8_lossy(&made.stdout).trim())
}
