//! Compresses the page, which then lies in the binary as it goes to a browser: smaller, and nothing is compressed on the board.
//! Comments and blanks of scripts and styles are for those who read the sources.

use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::{Compression, write::GzEncoder};
use minifier::js::ReservedChar::{CloseBracket, CloseCurlyBrace, CloseParenthese, Comma, SemiColon};
use minifier::js::{self, Token, Tokens};

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
    let bytes = if name.ends_with(".css") { tight(&bare(&bytes)) } else { bytes };
    let bytes = if name.ends_with(".js") { script(bytes)? } else { bytes };
    // Its head says neither a name nor a time: the same file gives the same bytes.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    fs::write(folder.join(format!("{name}.gz")), encoder.finish()?)
}

/// The same script, token by token (tests/browser/served.test.mjs compares what a parser makes of both), without what is between them and
/// without the last comma of a list and the last semicolon of a block.
fn script(text: Vec<u8>) -> Result<Vec<u8>> {
    let text = String::from_utf8(text).map_err(Error::other)?;
    let mut kept: Vec<Token<'_>> = Vec::new();
    for token in js::tokenize(&text).apply(js::clean_tokens).0 {
        let is_last = match token.get_char() {
            Some(CloseCurlyBrace) => kept.last().is_some_and(|last| last.eq_char(Comma) || last.eq_char(SemiColon)),
            Some(CloseParenthese | CloseBracket) => kept.last().is_some_and(|last| last.eq_char(Comma)),
            _ => false,
        };
        if is_last {
            kept.pop();
        }
        kept.push(token);
    }
    Ok(Tokens(kept).to_string().into_bytes())
}

/// Styles without indentation, and without the lines that are comments from their first sign on. (Of the minifier they come out
/// changed: a blank in front of `::` means something.)
fn bare(text: &[u8]) -> Vec<u8> {
    let (mut kept, mut is_within) = (Vec::with_capacity(text.len()), false);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let code = line.trim_ascii();
        is_within |= code.starts_with(b"/*");
        if !is_within {
            kept.extend_from_slice(code);
            kept.push(b' ');
        }
        is_within &= !code.ends_with(b"*/");
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
