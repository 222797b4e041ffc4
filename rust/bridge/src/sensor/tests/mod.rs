//! Tests of the sensor, which call it in the order in which Zeek does.

mod dns;
mod incidents;
mod learning;
mod models;
mod scoring;
mod state;

use std::fs;
use std::path::PathBuf;

use detector::{Connection, FeatureRow, Params, Trainer};
use tempfile::TempDir;

use super::*;
use crate::convert::{connection, query};
use crate::types::{self, ConnectionView, DnsView, Outcome, Verdict};

/// Seconds; longer than any job.
const LONG: f64 = 600.0;

fn view(duration: f64, resp_port: u16) -> ConnectionView<'static> {
    let count = |value| types::Count { set: true, value };
    let side = |port| types::Endpoint {
        addr: [0; 16],
        port,
        local: types::Tristate::Unset,
        bytes: count(100),
        pkts: count(3),
        ip_bytes: count(220),
    };
    ConnectionView {
        ts: 1_700_000_000.25,
        duration,
        orig: side(50_000),
        resp: side(resp_port),
        proto: types::Proto::Tcp,
        missed_bytes: 0,
        conn_state: b"SF",
        service: b"http",
        history: b"ShADadFf",
        uid: b"CHhAvVGS1DHFjwGM9",
    }
}

fn model() -> Model {
    let mut trainer = Trainer::new(Params::default());
    for i in 0..400 {
        let view = ConnectionView { ts: 1_700_000_000.0 + f64::from(i), ..view(f64::from(i % 50) / 10.0, 80) };
        trainer.learn(&connection(&view));
    }
    trainer.fit().unwrap()
}

/// Saves a model in a temporary directory.
fn saved_model() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    model().save(&path).unwrap();
    (directory, path)
}

/// Returns a sensor with a model.
fn with_model() -> Sensor {
    let (_directory, path) = saved_model();
    let mut sensor = Sensor::default();
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    sensor
}

/// Scores without learning.
fn score(sensor: &mut Sensor, view: &ConnectionView<'_>) -> Verdict {
    sensor.score(view, false, u64::MAX)
}

/// Returns the threshold in effect.
fn threshold(sensor: &mut Sensor) -> f64 {
    score(sensor, &view(0.5, 80)).threshold
}

/// Checks the model file and waits for the result.
fn check(sensor: &mut Sensor) -> FinishedJob {
    sensor.check_model_file().unwrap();
    sensor.finished_job(LONG)
}

/// Returns a million connections, each from another originator.
fn from_everywhere() -> impl Iterator<Item = ConnectionView<'static>> {
    (0..1_000_000u32).map(|i| {
        let mut view = view(f64::from(i % 50) / 10.0, 80);
        view.ts += f64::from(i) / 1e3;
        view.orig.addr[12..].copy_from_slice(&i.to_be_bytes());
        view
    })
}

/// A query for a name that a client asks for often.
fn dns_view(i: u32) -> DnsView<'static> {
    const NAMES: [&[u8]; 4] = [b"www.example.com", b"mail.example.org", b"cdn7.images.example.net", b"example.edu"];
    let count = |value| types::Count { set: true, value };
    let mut client = [10; 16];
    client[15] = (i % 40) as u8;
    DnsView {
        ts: 1_700_000_000.0 + f64::from(i),
        rtt: 0.01 + f64::from(i % 7) / 1e3,
        client,
        client_port: 40_000 + (i % 1000) as u16,
        server: [10; 16],
        server_port: 53,
        proto: types::Proto::Udp,
        has_query: true,
        query: NAMES[i as usize % 4],
        qtype: count(if i % 3 == 0 { 28 } else { 1 }),
        rcode: count(0),
        answers: 1 + i % 3,
        answer_bytes: u64::from(12 * (1 + i % 3)),
        min_ttl: 300.0,
        uid: b"CUM0KZ3MLUfNB0cl11",
    }
}

/// Returns a sensor for dns.log with its own model, which shares the incidents of another sensor.
fn dns_with_model(conn: &Sensor) -> Sensor {
    let mut trainer = Trainer::new(Params::of(LogKind::Dns));
    (0..1000).for_each(|i| trainer.learn(&query(&dns_view(i))));
    let mut sensor = conn.for_log(LogKind::Dns);
    let bytes = trainer.fit().unwrap().to_bytes().unwrap();
    let (_directory, path) = saved_model();
    fs::write(&path, bytes).unwrap();
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    sensor
}

/// Blocks the background thread until the returned sender is dropped.
fn hang(sensor: &mut Sensor) -> std::sync::mpsc::Sender<()> {
    let (ends, end) = std::sync::mpsc::channel();
    let waiting = move || {
        let _ = end.recv();
        JobResult::Released
    };
    sensor.background.start(waiting, |_| JobResult::Released).unwrap();
    ends
}

/// Waits for jobs that have no effect.
fn until_idle(sensor: &mut Sensor) {
    while sensor.busy() {
        assert!(sensor.finished_job(LONG).kind == JobKind::NoChange);
    }
}

/// Connection `i` from one of 300 clients to a server, one every 20 seconds.
fn peer(i: u32) -> ConnectionView<'static> {
    let mut view = view(f64::from(i % 50) / 10.0, 443);
    view.ts += 20.0 * f64::from(i);
    view.orig.addr[15] = (i % 300 % 250) as u8;
    view.orig.addr[14] = (i % 300 / 250) as u8;
    view.resp.addr[0] = 10;
    view.orig.bytes.value += u64::from(i * 31 % 500);
    view
}

/// Connection of another client to the server that lasts `seconds` and ends just before connection `i`.
fn ending_before(i: u32, seconds: f64) -> ConnectionView<'static> {
    let mut view = peer(i);
    view.orig.addr[13] = 1;
    ConnectionView { ts: view.ts - 1.0 - seconds, duration: seconds, ..view }
}

/// Scores of the connections of the 300 clients, and whether they alert.
fn verdicts(sensor: &mut Sensor, from: u32) -> Vec<(f64, bool)> {
    let verdicts = (from..from + 300).map(|i| score(sensor, &peer(i)));
    verdicts.map(|verdict| (verdict.score, verdict.outcome == Outcome::Alert)).collect()
}
