//! What S3 and WebDAV servers answer, as names and texts. Prefixes are left away, attributes are not looked at, entities beyond the
//! five of XML itself are never expanded, and depth is bounded: whatever a server sends costs no more than its length.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Deeper than any answer of these protocols.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    Open(&'a str),
    /// All of the text of an element that holds nothing else, without blanks at its ends; then the element ends.
    Text(&'a str, &'a str),
    Close(&'a str),
}

/// It is not XML, or of a kind that no server of these protocols sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Tells of every element in order.
pub fn walk(xml: &[u8], mut visit: impl FnMut(Mark<'_>)) -> Result<(), Malformed> {
    let mut reader = Reader::from_reader(xml);
    reader.config_mut().expand_empty_elements = true;
    let (mut open, mut text): (Vec<String>, String) = (Vec::new(), String::new());
    let mut has_children = false;
    loop {
        match reader.read_event().map_err(|_| Malformed)? {
            Event::Start(start) => {
                let name = start.local_name();
                let name = std::str::from_utf8(name.as_ref()).map_err(|_| Malformed)?.to_owned();
                if open.len() == MAX_DEPTH {
                    return Err(Malformed);
                }
                visit(Mark::Open(&name));
                open.push(name);
                text.clear();
                has_children = false;
            }
            Event::Text(part) => text.push_str(&part.unescape().map_err(|_| Malformed)?),
            Event::CData(part) => text.push_str(std::str::from_utf8(&part).map_err(|_| Malformed)?),
            Event::End(_) => {
                let name = open.pop().ok_or(Malformed)?;
                if !has_children {
                    visit(Mark::Text(&name, text.trim()));
                }
                visit(Mark::Close(&name));
                has_children = true;
            }
            Event::Eof => return if open.is_empty() { Ok(()) } else { Err(Malformed) },
            Event::DocType(_) => return Err(Malformed),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(xml: &str) -> Result<String, Malformed> {
        let mut out = String::new();
        walk(xml.as_bytes(), |mark| match mark {
            Mark::Open(name) => out.push_str(&format!("<{name}")),
            Mark::Text(_, text) => out.push_str(&format!("={text}")),
            Mark::Close(_) => out.push('>'),
        })?;
        Ok(out)
    }

    #[test]
    fn elements() {
        for (xml, want) in [
            ("<a> <d:b x='1'>1 &amp; 2</d:b><c/></a>", Ok("<a<b=1 & 2><c=>>")),
            ("<?xml version='1.0'?><a><![CDATA[<&>]]></a>\n", Ok("<a=<&>>")),
            ("<a>&quot;x&quot; &#252;</a>", Ok("<a=\"x\" ü>")),
            ("", Ok("")),
            ("<a><b></a>", Err(Malformed)),
            ("<a>", Err(Malformed)),
            ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", Err(Malformed)),
            ("<a>&x;</a>", Err(Malformed)),
        ] {
            assert_eq!(told(xml), want.map(str::to_owned), "{xml}");
        }
        assert_eq!(told(&"<a>".repeat(17)), Err(Malformed));
    }
}
