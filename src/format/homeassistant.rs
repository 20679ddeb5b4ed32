//! The recorder as a device of Home Assistant: what is published over MQTT so that it appears there by itself
//! (<https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>). Everything is retained, so who comes later has it too.

use serde_json::{Value, json};

/// What is told, as it is now; what nobody knows is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Samples come from every source that should bring some.
    pub is_advancing: bool,
    pub alarms: usize,
    /// The oldest.
    pub alarm: Option<String>,
    pub hours_left: Option<f64>,
    pub temperature_c: Option<f64>,
    pub wifi_dbm: Option<i32>,
    pub sources: Vec<Source>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    pub name: String,
    pub is_recording: bool,
    pub level_dbfs: Option<f64>,
}

/// A topic and what stands there.
pub type Message = (String, String);

pub const ONLINE: &str = "online";
pub const OFFLINE: &str = "offline";
/// Longer texts are no state of Home Assistant.
const TEXT_CHARS: usize = 255;

/// Of the recorder of this name, for topics.
pub fn id(recorder: &str) -> String {
    let word: String = recorder.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    format!("soundpost_{word}")
}

/// Where the recorder says that it is there; [`OFFLINE`] is its last will.
pub fn availability(id: &str) -> String {
    format!("soundpost/{id}/availability")
}

fn state_topic(id: &str) -> String {
    format!("soundpost/{id}/state")
}

/// All that Home Assistant is to make of it.
pub fn discovery(id: &str, recorder: &str, sources: &[Source]) -> Vec<Message> {
    let device = json!({
        "identifiers": [id], "name": recorder, "manufacturer": "soundpost", "model": "field audio recorder",
        "sw_version": env!("CARGO_PKG_VERSION"),
    });
    let one = |kind: &str, key: &str, name: &str, value: &str, more: Value| {
        let mut config = json!({
            "name": name, "unique_id": format!("{id}_{key}"), "object_id": format!("{id}_{key}"), "device": device,
            "state_topic": state_topic(id), "availability_topic": availability(id), "value_template": format!("{{{{ {value} }}}}"),
        });
        if let (Some(config), Value::Object(more)) = (config.as_object_mut(), more) {
            config.extend(more);
        }
        (format!("homeassistant/{kind}/{id}/{key}/config"), config.to_string())
    };
    let number = |unit: &str| json!({"unit_of_measurement": unit, "state_class": "measurement"});
    let celsius = json!({"unit_of_measurement": "°C", "state_class": "measurement", "device_class": "temperature"});
    let decibel = json!({"unit_of_measurement": "dBm", "state_class": "measurement", "device_class": "signal_strength"});
    let mut all = vec![
        one("binary_sensor", "recording", "Recording", "value_json.recording", json!({"device_class": "running"})),
        one("binary_sensor", "problem", "Problem", "value_json.problem", json!({"device_class": "problem"})),
        one("sensor", "alarm", "Alarm", "value_json.alarm", json!({})),
        one("sensor", "hours_left", "Room", "value_json.hours_left", number("h")),
        one("sensor", "temperature", "Temperature", "value_json.temperature", celsius),
        one("sensor", "wifi", "Wi-Fi", "value_json.wifi", decibel),
    ];
    for (n, source) in sources.iter().enumerate() {
        let value = |key: &str| format!("value_json.sources[{n}].{key}");
        let name = &source.name;
        let running = json!({"device_class": "running"});
        all.push(one(
            "binary_sensor",
            &format!("source_{n}_recording"),
            &format!("{name} recording"),
            &value("recording"),
            running,
        ));
        all.push(one("sensor", &format!("source_{n}_level"), &format!("{name} level"), &value("level"), number("dBFS")));
    }
    all
}

/// As it is now.
pub fn state(id: &str, seen: &Seen) -> Message {
    let word = |is: bool| if is { "ON" } else { "OFF" };
    // To the tenth: what is finer is news to nobody.
    let tenth = |value: Option<f64>| value.map(|value| (value * 10.0).round() / 10.0);
    let alarm: String = seen.alarm.as_deref().unwrap_or("none").chars().take(TEXT_CHARS).collect();
    let source = |source: &Source| json!({"recording": word(source.is_recording), "level": tenth(source.level_dbfs)});
    let body = json!({
        "recording": word(seen.is_advancing), "problem": word(seen.alarms > 0), "alarm": alarm,
        "hours_left": tenth(seen.hours_left), "temperature": tenth(seen.temperature_c), "wifi": seen.wifi_dbm,
        "sources": seen.sources.iter().map(source).collect::<Vec<_>>(),
    });
    (state_topic(id), body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entity_finds_its_value_in_the_state() {
        let sources = vec![Source { name: "mic".into(), is_recording: true, level_dbfs: Some(-43.26) }];
        let seen = Seen { is_advancing: true, hours_left: Some(99.96), sources: sources.clone(), ..Seen::default() };
        let id = id("Wood 7 ä");
        assert_eq!(id, "soundpost_wood_7__");
        let (topic, state) = state(&id, &seen);
        let state: Value = serde_json::from_str(&state).expect("JSON");
        assert_eq!((&state["recording"], &state["problem"], &state["hours_left"]), (&json!("ON"), &json!("OFF"), &json!(100.0)));
        assert_eq!((&state["temperature"], &state["sources"][0]["level"]), (&Value::Null, &json!(-43.3)));
        let all = discovery(&id, "Wood 7 ä", &sources);
        assert_eq!(all.len(), 8);
        for (path, config) in all {
            let config: Value = serde_json::from_str(&config).expect("JSON");
            assert!(path.starts_with("homeassistant/") && path.ends_with("/config"), "{path}");
            assert_eq!((&config["state_topic"], &config["availability_topic"]), (&json!(topic), &json!(availability(&id))));
            let template = config["value_template"].as_str().expect("a text");
            let place = template.trim_start_matches("{{ value_json").trim_end_matches(" }}");
            let pointer = place.replace(['.', '['], "/").replace(']', "");
            assert!(state.pointer(&pointer).is_some(), "{template} in {state}");
        }
    }
}
