//! `[upload]` and `[upload.NAME]`: where recordings are sent. A section with a `type` is a target; what it does not say of the
//! others' keys, `[upload]` says for all.

use std::path::PathBuf;

use super::keys;
use super::reader::Reader;
use super::url::StreamUrl;
use super::value::Secret;
use crate::policy::outbox::{Convert, Layout, Order};
use crate::policy::schedule::{Rules, Window};

/// Each has a thread.
pub const MAX_TARGETS: usize = 8;

#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Of its section.
    pub name: String,
    pub line: u32,
    pub place: Place,
    pub layout: Layout,
    /// None: always.
    pub windows: Vec<Window>,
    /// 0: as fast as it goes.
    pub kilobits_per_second: u32,
    pub order: Order,
    pub only_sections: bool,
    pub convert: Convert,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    S3 {
        endpoint: String,
        bucket: String,
        region: String,
        access_key: String,
        secret_key: Secret,
        is_path_style: bool,
        part_mb: u32,
    },
    WebDav {
        server: Server,
        part_mb: u32,
    },
    Put(Server),
    /// `mounted`: a folder on the disk of the recordings is not the one that is meant.
    Folder {
        path: PathBuf,
        mounted: bool,
    },
}

/// An address, and who asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    pub url: StreamUrl,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub verify: Verify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetType {
    S3,
    WebDav,
    Put,
    Folder,
}

impl TargetType {
    pub const WANTS: &'static str = "s3, webdav, put or folder";
    pub const WORDS: [(&'static str, TargetType); 4] =
        [("s3", TargetType::S3), ("webdav", TargetType::WebDav), ("put", TargetType::Put), ("folder", TargetType::Folder)];

    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, it)| *it == self).map_or("", |(word, _)| word)
    }
}

/// How a bucket stands in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// In the host at Amazon, in the path elsewhere.
    Auto,
    Path,
    Host,
}

impl Addressing {
    pub const WORDS: [(&'static str, Addressing); 3] =
        [("auto", Addressing::Auto), ("path", Addressing::Path), ("host", Addressing::Host)];
}

/// How it is seen that what was sent is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// It is read back and compared.
    Read,
    /// Its length is.
    Size,
}

impl Verify {
    pub const WORDS: [(&'static str, Verify); 2] = [("read", Verify::Read), ("size", Verify::Size)];
}

impl Target {
    pub fn rules(&self) -> Rules {
        Rules { windows: self.windows.clone(), ..Rules::ALWAYS }
    }

    pub fn needs_place(&self) -> bool {
        self.rules().needs_place()
    }

    pub fn kind(&self) -> TargetType {
        match self.place {
            Place::S3 { .. } => TargetType::S3,
            Place::WebDav { .. } => TargetType::WebDav,
            Place::Put(_) => TargetType::Put,
            Place::Folder { .. } => TargetType::Folder,
        }
    }
}

/// Every key is read, so that each is checked and shown. A section that `is_named` must have a type.
pub fn read(name: &str, line: u32, is_named: bool, reader: &mut Reader) -> Option<Target> {
    let before = reader.errors();
    let kind = reader.get(&keys::UPLOAD_TYPE);
    let server =
        (reader.get(&keys::UPLOAD_URL), reader.get(&keys::USERNAME), reader.get(&keys::PASSWORD), reader.get(&keys::VERIFY));
    let part_mb = reader.get(&keys::PART_MB);
    let place = match kind {
        Some(TargetType::S3) => s3(part_mb, reader),
        Some(TargetType::WebDav) => web(server, reader).map(|server| Place::WebDav { server, part_mb }),
        Some(TargetType::Put) => web(server, reader).map(Place::Put),
        Some(TargetType::Folder) => folder(reader),
        None => None,
    };
    // Whatever the type: what [upload] says for others is a value, too.
    if !matches!(kind, Some(TargetType::S3)) {
        _ = s3_keys(reader);
    }
    let folder =
        (!matches!(kind, Some(TargetType::Folder))).then(|| (reader.get(&keys::UPLOAD_FOLDER), reader.get(&keys::MOUNTED)));
    let layout = reader.get(&keys::LAYOUT);
    let windows = reader.get(&keys::UPLOAD_WINDOW);
    let kilobits_per_second = reader.get(&keys::UPLOAD_RATE);
    let (order, only_sections) = (reader.get(&keys::ORDER), reader.get(&keys::ONLY_SECTIONS));
    let convert = reader.get(&keys::CONVERT);
    if kind.is_none() {
        if is_named && reader.errors() == before {
            reader.error(line, format!("has no type: add type = {}", TargetType::WANTS));
        } else if folder.is_some_and(|(path, _)| path.is_some()) {
            reader.warn(line, format!("folder without a type: nothing is uploaded; add type = {}", TargetType::WANTS));
        }
    }
    let (name, place) = (name.to_owned(), place?);
    let target = Target { name, line, place, layout, windows, kilobits_per_second, order, only_sections, convert };
    (reader.errors() == before).then_some(target)
}

type S3Keys = (Option<StreamUrl>, Option<String>, String, Option<String>, Option<Secret>, Addressing);

fn s3_keys(reader: &mut Reader) -> S3Keys {
    (
        reader.get(&keys::ENDPOINT),
        reader.get(&keys::BUCKET),
        reader.get(&keys::REGION),
        reader.get(&keys::ACCESS_KEY),
        reader.get(&keys::SECRET_KEY),
        reader.get(&keys::ADDRESSING),
    )
}

fn s3(part_mb: u32, reader: &mut Reader) -> Option<Place> {
    let (endpoint, bucket, region, access_key, secret_key, addressing) = s3_keys(reader);
    let (is_amazon, endpoint) = match &endpoint {
        None => (true, format!("https://s3.{region}.amazonaws.com")),
        Some(url) => (url.expose().contains(".amazonaws.com"), url.expose().to_owned()),
    };
    if endpoint.contains(['?', '#', '@']) {
        let line = reader.line_of(&keys::ENDPOINT.about);
        reader.error(line, "endpoint: want an address alone; keys belong into access_key and secret_key");
    }
    let missing = [
        (bucket.is_none(), &keys::BUCKET.about),
        (access_key.is_none(), &keys::ACCESS_KEY.about),
        (secret_key.is_none(), &keys::SECRET_KEY.about),
    ];
    for (_, about) in missing.into_iter().filter(|(is_missing, _)| *is_missing) {
        let line = reader.line_of(about);
        reader.error(line, format!("type = s3 needs {}", about.name));
    }
    let is_path_style = match addressing {
        Addressing::Auto => !is_amazon,
        Addressing::Path => true,
        Addressing::Host => false,
    };
    Some(Place::S3 {
        endpoint,
        bucket: bucket?,
        region,
        access_key: access_key?,
        secret_key: secret_key?,
        is_path_style,
        part_mb,
    })
}

fn web(keys: (Option<StreamUrl>, Option<String>, Option<Secret>, Verify), reader: &mut Reader) -> Option<Server> {
    let (url, username, password, verify) = keys;
    let line = reader.line_of(&keys::UPLOAD_URL.about);
    let Some(url) = url else {
        reader.error(line, "needs url");
        return None;
    };
    let text = url.expose();
    if text.contains(['?', '#']) {
        reader.error(line, "url: has a ? or #; want the address of a folder");
    }
    let is_secret = password.is_some() || text.contains('@');
    let is_open = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("http:"));
    let is_here = ["//127.", "//localhost", "@127.", "@localhost", "//[::1]", "@[::1]"].iter().any(|host| text.contains(host));
    if is_secret && is_open && !is_here {
        reader.warn(line, "url: the password goes over the network in the clear; want https://");
    }
    Some(Server { url, username, password, verify })
}

fn folder(reader: &mut Reader) -> Option<Place> {
    let (path, mounted) = (reader.get(&keys::UPLOAD_FOLDER), reader.get(&keys::MOUNTED));
    if path.is_none() {
        let line = reader.line_of(&keys::UPLOAD_FOLDER.about);
        reader.error(line, "type = folder needs folder");
    }
    Some(Place::Folder { path: path?, mounted })
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Environment, Severity};
    use super::*;

    fn check(text: &str, targets: &[(&str, TargetType)], problems: &[(u32, Severity, &str)]) {
        let text = format!("[mic]\ntype = tone\n{text}");
        let parsed = Config::parse(text.as_bytes(), "f", &Environment::default());
        let found: Vec<_> = parsed.config.uploads.iter().map(|target| (target.name.as_str(), target.kind())).collect();
        assert_eq!(found, targets, "{text}: {:?}", parsed.problems);
        assert_eq!(parsed.problems.len(), problems.len(), "{text}: {:?}", parsed.problems);
        for (problem, (line, severity, part)) in parsed.problems.iter().zip(problems) {
            let is_it = problem.line == *line && problem.severity == *severity && problem.text.contains(part);
            assert!(is_it, "{text}: {problem:?} and {part}");
        }
    }

    const KEYS: &str = "bucket = b\naccess_key = a\nsecret_key = s\n";

    #[test]
    fn sections() {
        use Severity::{Error, Warning};
        use TargetType::{Folder, Put, S3, WebDav};
        check("[upload]\norder = newest", &[], &[]);
        check(&format!("[upload]\ntype = s3\n{KEYS}"), &[("upload", S3)], &[]);
        let many = format!(
            "[upload.a]\ntype = S3\n[upload]\n{KEYS}[upload.b]\ntype = put\nurl = https://h/x\n[Upload.c]\ntype = folder\nfolder = /mnt\n"
        );
        check(&many, &[("upload.a", S3), ("upload.b", Put), ("Upload.c", Folder)], &[]);
        check("[upload.x]\ntype = s3\nbucket = b", &[], &[(3, Error, "needs access_key"), (3, Error, "needs secret_key")]);
        check("[upload.x]\n", &[], &[(3, Error, "has no type")]);
        check("[upload.x]\ntype = ftp\n", &[], &[(4, Error, "want s3, webdav")]);
        check("[upload.x]\ntype = webdav\n", &[], &[(3, Error, "needs url")]);
        check(
            "[upload.x]\ntype = webdav\nurl = http://u:hunter2@h/x\n",
            &[("upload.x", WebDav)],
            &[(5, Warning, "in the clear")],
        );
        check("[upload.x]\ntype = put\nurl = http://u:p@127.0.0.1:8/\n", &[("upload.x", Put)], &[]);
        check("[upload.x]\ntype = put\nurl = http://h/\nlayout = {date}\n", &[], &[(6, Error, "does not end with {name}")]);
        check("[upload.x]\ntype = folder\nfolder = /m\nupload_window = sunset..sunrise\n", &[], &[(3, Error, "names the sun")]);
        check(
            "[upload.x]\ntype = folder\nfolder = /m\nbukcet = b\n",
            &[("upload.x", Folder)],
            &[(6, Warning, "did you mean 'bucket'")],
        );
        check("[upload]\ntype = ftp\n", &[], &[(4, Error, "want s3, webdav")]);
        check("[upload]\ntype = tone\nfilename_pattern = u%H", &[], &[]);
    }

    #[test]
    fn where_the_bucket_stands() {
        for (more, want) in [
            ("", ("https://s3.us-east-1.amazonaws.com", false)),
            ("region = eu-west-3\naddressing = path\n", ("https://s3.eu-west-3.amazonaws.com", true)),
            ("endpoint = http://nas:9000\n", ("http://nas:9000", true)),
            ("endpoint = http://nas:9000\naddressing = host\n", ("http://nas:9000", false)),
        ] {
            let text = format!("[mic]\ntype = tone\n[upload]\ntype = s3\n{KEYS}{more}");
            let config = Config::parse(text.as_bytes(), "f", &Environment::default()).config;
            let found = config.uploads.first().map(|target| &target.place);
            assert!(
                matches!(found, Some(Place::S3 { endpoint, is_path_style, .. }) if (endpoint.as_str(), *is_path_style) == want)
            );
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let text = format!("[mic]\ntype = tone\n[upload]\ntype = s3\n{}", KEYS.replace("= s\n", "= hunter2\n"));
        let parsed = Config::parse(text.as_bytes(), "f", &Environment::default());
        let shown = format!("{parsed:?}{}", super::super::check::text(&parsed));
        assert!(shown.contains("secret_key") && !shown.contains("hunter2"), "{shown}");
    }
}
