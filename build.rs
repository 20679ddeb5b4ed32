//! Compresses the page, which then lies in the binary as it goes to a browser: smaller, and nothing is compressed on the board.

use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::{Compression, write::GzEncoder};

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=webui");
    println!("cargo::rerun-if-changed=build.rs");
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or(Error::other("cargo gives a folder"))?).join("webui");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir("webui")? {
        compress(&entry?.path(), &folder)?;
    }
    Ok(())
}

fn compress(path: &Path, folder: &Path) -> Result<()> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    // Its head says neither a name nor a time: the same file gives the same bytes.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&fs::read(path)?)?;
    fs::write(folder.join(format!("{name}.gz")), encoder.finish()?)
}
