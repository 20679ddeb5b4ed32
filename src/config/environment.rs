//! The environment as the configuration sees it: overrides named SOUNDPOST_SECTION_KEY, and `${VAR}` inside values.
//! It is an argument everywhere, so that a test needs no real one.

use std::collections::BTreeMap;

/// Variables by name. Their values may be secrets: there is no `Debug`.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process; those that are not UTF-8 do not count.
    pub fn of_process() -> Environment {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The names that are meant for this program.
    pub fn overrides(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()).map(|(name, _)| name.as_str())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Environment {
        Environment { variables: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

const PREFIX: &str = "SOUNDPOST_";

/// `mic in` and `sample_rate` to SOUNDPOST_MIC_IN_SAMPLE_RATE: ASCII letters in upper case, everything that is neither letter
/// nor digit is `_`, so that a shell can name it.
pub fn override_name(section: &str, key: &str) -> String {
    let word = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    };
    format!("{PREFIX}{}_{}", word(section), word(key))
}

/// Longer results are refused: a line full of `${VAR}` must not fill the memory.
const MAX_EXPANDED_BYTES: usize = 64 << 10;

/// Replaces every `${VAR}` once; `$${` stands for a plain `${`. Reports each variable that it used.
/// An error is text for the user and holds no value.
pub fn expand(text: &str, environment: &Environment, mut used: impl FnMut(&str)) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_name(name)) else {
            return Err("has ${ without a variable's name and } (write $${ for a plain ${)".to_owned());
        };
        let Some(value) = environment.get(name) else {
            return Err(format!("the environment variable {name} is not set"));
        };
        used(name);
        out.push_str(value);
        if out.len() > MAX_EXPANDED_BYTES {
            return Err(format!("is longer than {MAX_EXPANDED_BYTES} bytes with its variables"));
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(text: &str) -> bool {
    text.len() <= 100
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: Result<&str, &str>) {
        let environment: Environment = [("PW", "a${b}#c"), ("EMPTY", ""), ("BIG", &"x".repeat(40_000))].into_iter().collect();
        let got = expand(text, &environment, |_| ());
        assert_eq!(got.as_deref().map_err(String::as_str), want, "for {text:?}");
    }

    #[test]
    fn variables_are_replaced_once() {
        check("plain $ $x %Y {z}", Ok("plain $ $x %Y {z}"));
        check("<${PW}>${EMPTY}<${PW}>", Ok("<a${b}#c><a${b}#c>"));
        check("$${PW}", Ok("${PW}"));
    }

    #[test]
    fn errors_name_the_variable_and_no_value() {
        check("x${NOPE}", Err("the environment variable NOPE is not set"));
        for text in ["${", "${}", "${a b}", "${1x}", "pass${word"] {
            check(text, Err("has ${ without a variable's name and } (write $${ for a plain ${)"));
        }
        check("${BIG}${BIG}", Err("is longer than 65536 bytes with its variables"));
    }

    #[test]
    fn names() {
        assert_eq!(override_name("mic in-2", "sample_rate"), "SOUNDPOST_MIC_IN_2_SAMPLE_RATE");
        assert_eq!(override_name("küche", "type"), "SOUNDPOST_K_CHE_TYPE");
    }
}
