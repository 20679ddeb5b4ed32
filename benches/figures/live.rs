//! What it costs to look at a source: the spectrum's listener beside the encoder of the same sound.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{Place, Recorder};
use crate::process::thread_seconds;

/// How long one looks.
const LOOK: Duration = Duration::from_secs(60);

pub fn spectrum_beside_encoding() {
    let place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let page = format!("[web]\nbind = 127.0.0.1\nport = {port}\n");
    let config = place.config("", &format!("{page}[demo]\ntype = demo\nsample_rate = 48000\nchannels = 2\nformat = flac\n"));
    let mut recorder = Recorder::start(&config, &[]);
    recorder.wait_for("recording built-in", Duration::from_secs(20));
    for (what, path) in
        [("spectrum", "api/live/demo/spectrum"), ("waterfall", "api/live/demo/waterfall"), ("WAV", "live/demo.wav")]
    {
        let url = format!("http://127.0.0.1:{port}/{path}");
        let mut listener = Command::new("curl").args(["-sN", &url]).stdout(Stdio::null()).spawn().expect("curl");
        std::thread::sleep(Duration::from_secs(2));
        let before = thread_seconds(recorder.child.id());
        std::thread::sleep(LOOK);
        let after = thread_seconds(recorder.child.id());
        listener.kill().and_then(|()| listener.wait()).expect("ended");
        let of = |name: &str| after.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
        let (encoder, live, gate) = (of("demo/encoder"), of("live"), of("gate"));
        let share = 100.0 * live / encoder;
        println!(
            "{what}: live {live:.2} s, gate {gate:.2} s, encoder {encoder:.2} s of CPU in {} s: {share:.1} % (bar of the spectrum: 5)",
            LOOK.as_secs()
        );
    }
    recorder.kill();
}
