//! A message about an alarm in the words of those who carry it on: ntfy (<https://docs.ntfy.sh/publish/#publish-as-json>), the
//! Apprise API (<https://github.com/caronc/apprise-api>, `POST /notify/{KEY}`), or anybody who takes JSON.

use serde_json::json;

use super::civil::utc_text;
use crate::message::told::{Told, Word};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ntfy,
    Webhook,
    Apprise,
}

impl Kind {
    pub const WORDS: [(&'static str, Kind); 3] = [("webhook", Kind::Webhook), ("ntfy", Kind::Ntfy), ("apprise", Kind::Apprise)];
}

/// What is to be posted where, as `application/json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub url: String,
    pub body: String,
}

/// `recorder`: what it is called. `None`: the address does not name what this kind needs.
pub fn post(kind: Kind, url: &str, recorder: &str, told: &Told) -> Option<Post> {
    let title = match told.word {
        Word::Begun => format!("{recorder}: alarm"),
        Word::Holds => format!("{recorder}: still an alarm"),
        Word::Over => format!("{recorder}: alarm over"),
    };
    let text = format!("{} (since {})", told.text, utc_text(told.since));
    let is_over = told.word == Word::Over;
    let (url, body) = match kind {
        Kind::Ntfy => {
            let (server, topic) = topic(url)?;
            let (priority, tag) = if is_over { (3, "white_check_mark") } else { (4, "warning") };
            let body = json!({"topic": topic, "title": title, "message": text, "priority": priority, "tags": [tag]});
            (server.to_owned(), body)
        }
        Kind::Apprise => {
            let kind = if is_over { "success" } else { "warning" };
            (url.to_owned(), json!({"title": title, "body": text, "type": kind, "format": "text"}))
        }
        Kind::Webhook => {
            let software = concat!("soundpost ", env!("CARGO_PKG_VERSION"));
            let body = json!({
                "software": software,
                "recorder": recorder,
                "event": told.word.name(),
                "title": title,
                "text": told.text,
                "since": utc_text(told.since),
            });
            (url.to_owned(), body)
        }
    };
    Some(Post { url, body: body.to_string() })
}

/// `https://host/` and the one word behind it.
pub fn topic(url: &str) -> Option<(&str, &str)> {
    let start = url.find("://")? + 3;
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let slash = start + url.get(start..end)?.find('/')?;
    let topic = url.get(slash + 1..end)?.trim_end_matches('/');
    let is_topic = (1..=64).contains(&topic.len()) && topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    is_topic.then(|| (&url[..=slash], topic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Mono, Wall};
    use serde_json::Value;

    fn of(kind: Kind, url: &str, word: Word) -> (String, Value) {
        let told = Told { word, text: "mic: \"gone\"\u{fc}".into(), since: Wall(1_779_422_400_000_000_000), at: Mono(0) };
        let post = post(kind, url, "wood 7", &told).expect("a message");
        (post.url, serde_json::from_str(&post.body).expect("JSON"))
    }

    #[test]
    fn each_kind_has_its_own_words() {
        let text = "mic: \"gone\"ü (since 2026-05-22T04:00:00.000000Z)";
        let (url, body) = of(Kind::Ntfy, "https://u:p@ntfy.sh/my-wood?x=1", Word::Begun);
        assert_eq!(url, "https://u:p@ntfy.sh/");
        let expected = json!({"topic": "my-wood", "title": "wood 7: alarm", "message": text, "priority": 4, "tags": ["warning"]});
        assert_eq!(body, expected);
        let (url, body) = of(Kind::Apprise, "http://h:8000/notify/key", Word::Over);
        let expected = json!({"title": "wood 7: alarm over", "body": text, "type": "success", "format": "text"});
        assert_eq!((url.as_str(), body), ("http://h:8000/notify/key", expected));
        let (_, body) = of(Kind::Webhook, "http://h/x", Word::Holds);
        assert_eq!(body["event"], "reminder");
        assert_eq!((&body["text"], &body["since"]), (&json!("mic: \"gone\"ü"), &json!("2026-05-22T04:00:00.000000Z")));
    }

    #[test]
    fn an_address_names_its_topic() {
        let cases = [
            ("https://ntfy.sh/a", Some(("https://ntfy.sh/", "a"))),
            ("http://h:80/a_b-1/", Some(("http://h:80/", "a_b-1"))),
            ("https://ntfy.sh/a?auth=/x", Some(("https://ntfy.sh/", "a"))),
            ("https://ntfy.sh", None),
            ("https://ntfy.sh/", None),
            ("https://ntfy.sh/a/b", None),
            ("https://ntfy.sh/a b", None),
            ("ntfy.sh/a", None),
            ("https://h?/a", None),
        ];
        for (url, expected) in cases {
            assert_eq!(topic(url), expected, "{url}");
        }
    }
}
