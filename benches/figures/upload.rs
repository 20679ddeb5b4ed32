//! A long recording on its way to an S3 server on the same machine: what it costs here, and what it costs rclone and boto3 (which is
//! what `aws s3 cp` is made of).

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Place, Recorder, noise};
use crate::icecast::free_port;
use crate::process::{anonymous_kib, cpu_seconds, thread_seconds};
use crate::upload_rig::{S3Server, moto};

const PATIENCE: Duration = Duration::from_secs(1_200);

/// So long that it is sent in many parts. What is in it makes no difference, so it need be no sound.
fn long_file(path: &Path, mib: usize) {
    let bytes: Vec<u8> = noise(3, 512 << 10).iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut file = File::create(path).expect("created");
    for n in 0..mib {
        file.write_all(&n.to_le_bytes()).and_then(|()| file.write_all(&bytes[8..])).expect("written");
    }
    file.sync_all().expect("synced");
}

pub fn a_gibibyte_to_s3() {
    let mib = std::env::var("SOUNDPOST_BENCH_MIB").ok().and_then(|mib| mib.parse().ok()).unwrap_or(1_024);
    let (server, place, port) = (S3Server::start(), Place::new(), free_port());
    let long = place.path("long.flac");
    long_file(&long, mib);
    let (ours, memory_kib) = soundpost(&server, &place, port, &long, "");
    println!("{mib} MiB to a loopback S3: soundpost {ours:.2} s of CPU");
    let file = long.to_str().expect("a plain path");
    let endpoint = format!("http://127.0.0.1:{}", server.port());
    let s3 = [
        "--s3-provider",
        "Other",
        "--s3-endpoint",
        &endpoint,
        "--s3-access-key-id",
        &server.access_key,
        "--s3-region",
        &server.region,
    ];
    let keys = ["--s3-secret-access-key", &server.secret_key, "--config", "/dev/null"];
    // Its transport takes no authorities of the environment's.
    let rclone = ["-u", "AWS_CA_BUNDLE", "rclone", "copyto", file, ":s3:field/rclone.flac"];
    let rclone = cpu_seconds("env", &[&rclone[..], &s3, &keys].concat());
    let program = format!(
        "import boto3; boto3.client(\"s3\", endpoint_url=\"{endpoint}\", aws_access_key_id=\"{}\", aws_secret_access_key=\"{}\", region_name=\"{}\").upload_file(\"{file}\", \"field\", \"boto.flac\")",
        server.access_key, server.secret_key, server.region
    );
    let python = moto().join("python");
    let boto = cpu_seconds(python.to_str().expect("a plain path"), &["-c", &program]);
    println!("rclone {rclone:.2} s, boto3 {boto:.2} s");
    println!("soundpost / rclone: {:.2}, soundpost / boto3: {:.2} (bar: at most 1)", ours / rclone, ours / boto);
    println!("memory above idle while sending: {:.2} MiB (bar: at most 2)", memory_kib as f64 / 1024.0);
    as_flac(&server);
}

/// The same with a WAV of an hour, which is coded three times on its way.
fn as_flac(server: &S3Server) {
    let (place, port) = (Place::new(), free_port());
    let long = place.path("hour.wav");
    let (rate, seconds) = (48_000_u32, 3_600_u32);
    let data = rate * seconds * 2;
    let mut file = File::create(&long).expect("created");
    let head = [
        &b"RIFF"[..],
        &(36 + data).to_le_bytes(),
        b"WAVEfmt \x10\0\0\0\x01\0\x01\0",
        &rate.to_le_bytes(),
        &(2 * rate).to_le_bytes(),
        b"\x02\0\x10\0data",
        &data.to_le_bytes(),
    ];
    file.write_all(&head.concat()).expect("written");
    // About as loud as a wood.
    let second: Vec<u8> = noise(5, rate as usize).iter().flat_map(|sample| (sample >> 8).to_le_bytes()).collect();
    (0..seconds).for_each(|_| file.write_all(&second).expect("written"));
    file.sync_all().expect("synced");
    let (cpu, memory_kib) = soundpost(server, &place, port, &long, "convert = flac");
    println!(
        "an hour of WAV as FLAC: {cpu:.2} s of CPU, memory above idle {:.2} MiB (bar: at most 2)",
        memory_kib as f64 / 1024.0
    );
}

/// Seconds of CPU of the uploader, and the most memory above idle in KiB.
fn soundpost(server: &S3Server, place: &Place, port: u16, long: &Path, more: &str) -> (f64, u64) {
    let sections = format!(
        "[tone]\ntype = tone\nfilename_pattern = tone/%Y%m%d_%H%M%S\n[web]\nbind = 127.0.0.1\nport = {port}\n[upload]\ntype = s3\nendpoint = http://127.0.0.1:{}\nbucket = field\nregion = {}\naccess_key = {}\nsecret_key = {}\nlayout = ours/{{name}}\n{more}\n",
        server.port(),
        server.region,
        server.access_key,
        server.secret_key
    );
    let mut recorder = Recorder::start(&place.config("split_minutes = 1440\n", &sections), &[]);
    let pid = recorder.child.id();
    let own = |pid| thread_seconds(pid).iter().filter(|(name, _)| name.starts_with("upload/")).map(|(_, s)| s).sum::<f64>();
    recorder.wait_for("the page: ", Duration::from_secs(20));
    thread::sleep(Duration::from_secs(8)); // whatever is made at the start has been made
    // The librarian and the analyser meet the file first; then all is idle again but what sends it.
    let (idle, before) = (anonymous_kib(pid), own(pid));
    let here = place.recordings().join(long.file_name().expect("a name"));
    std::fs::rename(long, &here).expect("moved");
    let (since, mut most) = (Instant::now(), 0);
    while !place.recordings().join("uploads.csv").exists() {
        assert!(since.elapsed() < PATIENCE, "not uploaded");
        if own(pid) - before > 0.1 {
            most = most.max(anonymous_kib(pid));
        }
        thread::sleep(Duration::from_millis(50));
    }
    let seconds = own(pid) - before;
    std::fs::rename(&here, long).expect("moved back");
    std::fs::remove_file(place.recordings().join("uploads.csv")).expect("there");
    recorder.signal("TERM");
    recorder.wait(Duration::from_secs(60));
    (seconds, most.saturating_sub(idle))
}
