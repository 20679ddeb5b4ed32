//! Told to the real mosquitto, heard by its own client: the recorder appears in Home Assistant's form, survives a restart of the
//! broker, and is told to be gone when it is.
#![cfg(feature = "mqtt")]

mod common;

use std::collections::HashMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Place, Recorder, free_port, noise};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
const RATE: usize = 48_000;

/// A broker that forgets everything when it ends, and knows one account.
struct Broker<'a> {
    place: &'a Place,
    port: u16,
    child: Child,
}

impl<'a> Broker<'a> {
    fn new(place: &'a Place) -> Broker<'a> {
        let port = free_port();
        let accounts = place.path("accounts");
        let made = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&accounts).args(["box", "s3cret"]).status();
        assert!(made.expect("mosquitto_passwd (Debian package mosquitto)").success());
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous false\nallow_zero_length_clientid true\nuser root\n");
        fs::write(place.path("broker.conf"), format!("{text}password_file {}\n", accounts.display())).expect("written");
        Broker { place, port, child: Broker::start(place) }
    }

    fn start(place: &Place) -> Child {
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(place.path("broker.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("mosquitto (Debian package mosquitto)")
    }

    fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = Broker::start(self.place);
    }

    /// What stands at every topic now, as mosquitto's own client hears it.
    fn retained(&self) -> HashMap<String, String> {
        let port = self.port.to_string();
        let account = ["-h", "127.0.0.1", "-p", &port, "-u", "box", "-P", "s3cret"];
        let output = Command::new("mosquitto_sub")
            .args(account)
            .args(["-t", "#", "-W", "1", "-F", "%t %p", "--retained-only"])
            .output()
            .expect("mosquitto_sub (Debian package mosquitto-clients)");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(|line| line.split_once(' ')).map(|(topic, text)| (topic.to_owned(), text.to_owned())).collect()
    }

    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&HashMap<String, String>) -> bool) -> HashMap<String, String> {
        let end = Instant::now() + SOON;
        loop {
            let now = self.retained();
            if is_so(&now) {
                return now;
            }
            assert!(Instant::now() < end, "{what}: {now:?}");
        }
    }
}

impl Drop for Broker<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const AVAILABILITY: &str = "soundpost/soundpost_wood_7/availability";
const STATE: &str = "soundpost/soundpost_wood_7/state";

#[test]
fn home_assistant_finds_the_recorder_and_hears_that_it_is_gone() {
    let place = Place::new();
    let mut broker = Broker::new(&place);
    let raw = place.raw("noise", &noise(7, 60 * RATE));
    let section = format!(
        "[site]\nname = Wood 7\n[notify]\nmqtt_url = mqtt://box:s3cret@127.0.0.1:{}\n[mic]\ntype = file\npath = {}\npace = real\n\
         loop = yes\nraw_bits = 16\nsample_rate = {RATE}\nchannels = 1\nformat = flac\n",
        broker.port,
        raw.display()
    );
    let config = place.config("memory_budget_mb = 512\nlog_level = DEBUG", &section);
    let mut recorder = Recorder::start(&config, &[]);
    let on = |now: &HashMap<String, String>| {
        now.get(AVAILABILITY).is_some_and(|text| text == "online")
            && now.get(STATE).is_some_and(|text| text.contains("\"recording\":\"ON\"") && !text.contains("\"hours_left\":null"))
    };
    let is_complete = |now: &HashMap<String, String>| {
        let state: Value = serde_json::from_str(&now[STATE]).expect("JSON");
        assert_eq!((&state["problem"], &state["alarm"]), (&"OFF".into(), &"none".into()));
        assert!(state["hours_left"].as_f64() > Some(0.0), "{state}");
        let configs: Vec<_> = now.iter().filter(|(topic, _)| topic.starts_with("homeassistant/")).collect();
        assert_eq!(configs.len(), 8, "{configs:?}");
        for (topic, config) in configs {
            let config: Value = serde_json::from_str(config).expect("JSON");
            assert_eq!((&config["state_topic"], &config["availability_topic"]), (&STATE.into(), &AVAILABILITY.into()), "{topic}");
            assert!(
                topic.contains("/soundpost_wood_7/") && config["unique_id"].is_string() && config["device"]["name"] == "Wood 7"
            );
        }
        assert!(now.contains_key("homeassistant/binary_sensor/soundpost_wood_7/recording/config"));
    };
    is_complete(&broker.until("it is there", on));

    // The broker knows nothing any more: it is told everything anew.
    broker.restart();
    is_complete(&broker.until("it is there again", on));

    // Gone without a word: the broker says so.
    recorder.signal("KILL");
    let _ = recorder.wait(SOON);
    broker.until("its last will", |now| now.get(AVAILABILITY).is_some_and(|text| text == "offline"));

    // And with a word.
    let mut recorder = Recorder::start(&config, &[]);
    broker.until("it is back", on);
    let began = Instant::now();
    recorder.signal("TERM");
    let ended = recorder.wait(Duration::from_secs(6));
    assert!(ended.success() && began.elapsed() < Duration::from_secs(4), "{}", recorder.log.join("\n"));
    broker.until("it has left", |now| now.get(AVAILABILITY).is_some_and(|text| text == "offline"));
    let log = fs::read_to_string(place.path("recorder.log")).expect("the log");
    assert!(!log.contains("s3cret") && log.contains("the MQTT broker is there again"), "{log}");
}
