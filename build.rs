//! Compresses the page, which then lies in the binary as it goes to a browser: smaller, and nothing is compressed on the board.
//! Comments and indentation of scripts and styles are for those who read the sources.

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
    let bytes = fs::read(path)?;
    let bytes = if name.ends_with(".js") || name.ends_with(".css") { bare(&bytes) } else { bytes };
    let bytes = if name.ends_with(".css") { tight(&bytes) } else { bytes };
    // Its head says neither a name nor a time: the same file gives the same bytes.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    fs::write(folder.join(format!("{name}.gz")), encoder.finish()?)
}

/// Without indentation, and without the lines that are comments from their first sign on. They stay as empty lines, so that a browser
/// counts lines as the source does.
fn bare(text: &[u8]) -> Vec<u8> {
    let (mut kept, mut is_within) = (Vec::with_capacity(text.len()), false);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let code = line.trim_ascii();
        is_within |= code.starts_with(b"/*");
        let is_empty = is_within || code.is_empty() || code.starts_with(b"//");
        is_within &= !code.ends_with(b"*/");
        kept.extend_from_slice(if is_empty { b"\n" } else { line.trim_ascii_start() });
    }
    kept
}

/// Styles without the blanks around signs and behind a colon, which mean nothing there. In front of a colon one means something.
fn tight(css: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::with_capacity(css.len());
    for &byte in css {
        let last = kept.last().copied().unwrap_or(b'\n');
        match byte {
            b' ' if b"{};,: ".contains(&last) => {}
            b'{' | b'}' | b';' | b',' => {
                while kept.last() == Some(&b' ') {
                    kept.pop();
                }
                if byte == b'}' && kept.last() == Some(&b';') {
                    kept.pop();
                }
                kept.push(byte);
            }
            _ => kept.push(byte),
        }
    }
    kept
}
