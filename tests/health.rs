//! What a recorder tells of its health: `/healthz` follows its sources, `/metrics` is read by Prometheus' own client library,
//! `/api/status` has what its document says.

mod common;
mod page_rig;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::lanes::no_boundary;
use common::{Place, Recorder, free_port, noise, venv};
use page_rig::Target;
use serde_json::Value;

const RATE: usize = 48_000;

fn recorder(place: &Place, source: &str) -> (Recorder, Target) {
    let raw = place.raw("noise", &noise(7, 60 * RATE));
    let port = free_port();
    let general = format!("retry_delay_seconds = 0.4\nsync_seconds = 0.2\n{}\nmemory_budget_mb = 512", no_boundary());
    let section = format!(
        "[web]\nport = {port}\nbind = 127.0.0.1\n[s \"1\"]\ntype = file\npath = {}\npace = real\nloop = yes\nraw_bits = 16\n\
         sample_rate = {RATE}\nchannels = 1\nformat = flac\n{source}\n",
        raw.display()
    );
    let mut recorder = Recorder::start(&place.config(&general, &section), &[]);
    recorder.wait_for(&format!("the page: http://localhost:{port}/"), Duration::from_secs(10));
    (recorder, Target { port, folder: place.recordings() })
}

#[track_caller]
fn healthz(page: &Target, within: Duration, status: u16) -> String {
    let end = Instant::now() + within;
    loop {
        let reply = page.get("/healthz");
        if reply.status == status {
            return reply.text();
        }
        assert!(Instant::now() < end, "still {}: {}", reply.status, reply.text());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Every family that Prometheus' library finds, as JSON: name, type, help and samples.
fn families(text: &[u8]) -> Vec<Value> {
    let python = venv("prometheus", "prometheus-client==0.23.1").join("python");
    let script = "import json, sys\nfrom prometheus_client.parser import text_string_to_metric_families as parse\n\
                  families = [[f.name, f.type, f.documentation, [[s.name, s.labels, s.value] for s in f.samples]]\n\
                  \x20           for f in parse(sys.stdin.read())]\nprint(json.dumps(families))";
    let mut child =
        Command::new(python).args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), text).expect("sent");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_recorder_that_records_is_well_and_one_that_stands_still_is_not() {
    let place = Place::new();
    let (mut recorder, page) = recorder(&place, "faults = stall@6s:60s");
    assert_eq!(healthz(&page, Duration::from_secs(5), 200), "ok");

    // What Prometheus makes of it, once there was a sync.
    let end = Instant::now() + Duration::from_secs(5);
    let status: Value = loop {
        let status: Value = page.get("/api/status").json();
        if status["sources"][0]["sync"]["count"].as_u64().is_some_and(|count| count > 2) {
            break status;
        }
        assert!(Instant::now() < end, "{status}");
    };
    let source = &status["sources"][0];
    assert!(source["advancing"] == true && source["write"]["count"].as_u64() > Some(0), "{source}");
    assert!(source["blocks"].as_u64() > source["blocks_used_max"].as_u64() && source["frames_lost"] == 0, "{source}");
    let ms = |what: &str| source["sync"][what].as_f64().expect("a number");
    assert!(ms("p50_ms") <= ms("p99_ms") && ms("p99_ms") <= ms("max_ms"), "{source}");
    let text = page.get("/metrics").body;
    let families = families(&text);
    assert!(families.len() > 25, "{} families", families.len());
    let mut counts = (0, 0);
    for family in &families {
        let (name, kind) = (family[0].as_str().expect("a name"), family[1].as_str().expect("a type"));
        assert!(name.starts_with("soundpost_") && !family[2].as_str().expect("help").is_empty(), "{family}");
        let samples = family[3].as_array().expect("samples");
        match kind {
            // The library cuts `_total` off the name of a counter.
            "counter" => samples.iter().for_each(|sample| assert_eq!(sample[0], format!("{name}_total"), "{family}")),
            "histogram" => {
                counts.0 += 1;
                let buckets = samples.iter().filter(|sample| sample[0] == format!("{name}_bucket"));
                let bounds: Vec<(f64, f64)> = buckets
                    .map(|bucket| {
                        let bound = bucket[1]["le"].as_str().expect("a bound").parse().expect("a number");
                        (bound, bucket[2].as_f64().expect("a count"))
                    })
                    .collect();
                assert!(bounds.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{bounds:?}");
                let last = bounds.last().expect("buckets");
                let count = samples.iter().find(|sample| sample[0] == format!("{name}_count")).expect("a count");
                assert!(last.0.is_infinite() && count[2].as_f64() == Some(last.1) && last.1 > 0.0, "{family}");
            }
            "gauge" => counts.1 += 1,
            other => panic!("{other}: {family}"),
        }
        for sample in samples.iter().filter(|_| name.starts_with("soundpost_source_")) {
            assert_eq!(sample[1]["source"], "s \"1\"", "{family}");
        }
    }
    assert!(counts.0 == 2 && counts.1 > 10, "{counts:?}");

    // It stands still: the source is closed and tried again, in vain.
    assert_eq!(page.get("/healthz").status, 200);
    let said = healthz(&page, Duration::from_secs(30), 503);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let sentence = said["error"].as_str().expect("a sentence");
    assert!(sentence.contains("source s \"1\"") && sentence.ends_with('.'), "{sentence}");
    recorder.signal("TERM");
    let ended = recorder.wait(Duration::from_secs(6));
    assert!(ended.success(), "{}", recorder.log.join("\n"));
}
