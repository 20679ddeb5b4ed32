//! The document of the API says what the API is: every operation is a route, every route an operation, and answers have the
//! fields that it names.

mod page_rig;
#[path = "common/venv.rs"]
mod venv;

use std::process::Command;

use page_rig::Site;
use serde_json::Value;
use soundpost::policy::split::Zone;
use soundpost::web::head::Method;
use soundpost::web::route::route;
use venv::venv;

fn document() -> Value {
    serde_json::from_str(include_str!("../webui/openapi.json")).expect("JSON")
}

/// Every path and method with an address that is an example of it.
fn operations(document: &Value) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let query: Vec<String> = operation["parameters"].as_array().into_iter().flatten().filter_map(example).collect();
            let mut address = path.replace("{name}", "a.wav").replace("{date}", "2026-05-22");
            if path == "/api/clip" || path == "/api/cut" {
                address.push_str("?file=a.wav&");
            } else {
                address.push('?');
            }
            all.push((method.to_uppercase(), path.clone(), address + &query.join("&")));
        }
    }
    all
}

/// Of a parameter that must be given.
fn example(parameter: &Value) -> Option<String> {
    let is_wanted = parameter["in"] == "query" && parameter["required"] == true;
    let name = parameter["name"].as_str().expect("a name");
    is_wanted.then(|| {
        format!(
            "{name}={}",
            if name == "name" {
                "a.wav"
            } else if name == "to" {
                "1"
            } else {
                "0"
            }
        )
    })
}

#[test]
fn every_operation_is_a_route() {
    let all = operations(&document());
    assert!(all.len() > 25, "{} operations", all.len());
    for (method, path, address) in all {
        let asked = route(Method::of_name(&method), &address, &Zone::UTC);
        assert!(asked.is_ok(), "{method} {path} as {address}: {asked:?}");
    }
}

#[test]
fn every_address_is_in_the_document() {
    let document = document();
    let source = include_str!("../src/web/route.rs");
    let words = source.split("[\"").skip(1).filter_map(|rest| rest.split('"').next()).filter(|word| word.len() > 3);
    for word in words.chain(["lock", "note", "raven.txt", "labels.txt", "profile"]) {
        let is_there = document["paths"].as_object().expect("paths").keys().any(|path| path.split('/').any(|part| part == word));
        assert!(is_there, "{word}");
    }
}

/// Thousands of requests that fit the document, and that do not. What it cannot say (a name that is in the folder, `to` after
/// `from`) is not asked of it.
#[test]
fn schemathesis() {
    let (site, notes) = (Site::new(), tempfile::tempdir().expect("a folder"));
    let output = Command::new(venv("schemathesis", "schemathesis==4.32.0").join("schemathesis"))
        .args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/webui/openapi.json"), "--url", &site.url("")])
        .args(["--exclude-path", "/api/events", "--exclude-checks", "positive_data_acceptance,negative_data_rejection"])
        .args(["--max-examples", "40", "--seed", "1", "--workers", "2", "--no-color"])
        .current_dir(notes.path())
        .output()
        .expect("schemathesis runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", text.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
}

/// The fields of an answer are those of its schema, no more and no fewer, and of its types.
fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).expect("a schema");
        return conforms(document, schema, value, at);
    }
    if value.is_null() {
        assert_eq!(schema["nullable"], true, "{at} is null");
        return;
    }
    match schema["type"].as_str() {
        Some("object") => {
            let Some(properties) = schema["properties"].as_object() else { return assert!(value.is_object(), "{at}") };
            let fields: Vec<&String> = value.as_object().unwrap_or_else(|| panic!("{at}: {value}")).keys().collect();
            let (mut have, mut want): (Vec<_>, Vec<_>) = (fields, properties.keys().collect());
            have.sort();
            want.sort();
            assert_eq!(have, want, "{at}");
            properties.iter().for_each(|(name, schema)| conforms(document, schema, &value[name], &format!("{at}.{name}")));
        }
        Some("array") => {
            let items = value.as_array().unwrap_or_else(|| panic!("{at}: {value}"));
            items.iter().for_each(|item| conforms(document, &schema["items"], item, &format!("{at}[]")));
        }
        Some("string") => assert!(value.is_string(), "{at}: {value}"),
        Some("number") => assert!(value.is_number(), "{at}: {value}"),
        Some("integer") => assert!(value.is_i64() || value.is_u64(), "{at}: {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{at}: {value}"),
        other => panic!("{at}: {other:?}"),
    }
}

#[test]
fn answers_are_as_the_document_says() {
    let (document, site) = (document(), Site::new());
    let mut checked = 0;
    for (method, path, address) in operations(&document) {
        // What is heard has no end.
        if method != "GET"
            || path == "/api/events"
            || path.contains("/live/")
            || path == "/{mount}"
            || path.starts_with("/admin/")
        {
            continue;
        }
        let reply = site.get(&address);
        let content = &document["paths"][&path]["get"]["responses"][reply.status.to_string()];
        assert!(reply.status < 400 && content.is_object(), "{address}: {} is not in the document", reply.status);
        let schema = &content["content"]["application/json"]["schema"];
        if schema.is_object() {
            conforms(&document, schema, &reply.json(), &path);
            checked += 1;
        }
    }
    let error = site.get("/api/files/none.wav");
    error.is_refusal(404);
    conforms(&document, &document["components"]["schemas"]["Error"], &error.json(), "an error");
    assert!(checked >= 7, "{checked} answers");
}
