//! The manager of a cluster of simulated workers: `cargo bench -p detector --bench cluster [WORKERS] [HOURS]`. Prints
//! its processor time, the bytes that it receives, and its memory. The messages of Zeek's Broker are not included.
//!
//! Each worker sees ten connections a second, sends a sample each minute, as `IForest::learning_interval` says, and has
//! an alert each minute, always of another host: thousands of times the default budget.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench may panic")]

use std::time::Instant;

use detector::{
    Address, ConnState, Connection, ContextKeys, Extractor, FeatureRow, Grouper, INCIDENT_TIMEOUT, KnownList, LogKind,
    Observation, Params, Proto, Reservoir, Sampling, Verdict, fit,
};

const START: i64 = 1_700_000_000_000_000;
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
/// Connections of a worker in a minute.
const RATE: usize = 600;
// Defaults of the scripts.
const ROWS: usize = 32_768;
const ROWS_PER_MESSAGE: usize = 4096;
const HALF_LIFE: i64 = 7 * 24 * 3600 * SECOND;
const INCIDENTS_PER_MESSAGE: usize = 64;

struct Worker {
    reservoir: Reservoir,
    incidents: Grouper,
}

/// Cost of one kind of the manager's work.
#[derive(Default)]
struct Work {
    seconds: f64,
    bytes: usize,
    messages: usize,
}

impl Work {
    fn add<T>(&mut self, message: &[u8], work: impl FnOnce(&[u8]) -> T) -> T {
        let began = processor_time();
        let result = work(message);
        self.seconds += processor_time() - began;
        self.bytes += message.len();
        self.messages += 1;
        result
    }

    fn print(&self, name: &str, hours: f64) {
        let (share, each) = (self.seconds / hours / 36.0, 1e6 * self.seconds / self.messages as f64);
        let bytes = self.bytes as f64 / hours / 1e6;
        println!("{name:10}{share:9.4} % of a processor, {each:6.0} µs a message, {bytes:6.2} MB an hour");
    }
}

/// Processor time of this thread, in seconds.
fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e3
}

fn sampling() -> Sampling {
    Sampling::for_sensor(ROWS, HALF_LIFE)
}

fn host(number: usize) -> Address {
    std::net::IpAddr::from([10, (number >> 16) as u8, (number >> 8) as u8, number as u8]).into()
}

/// Connection `i` of a worker that serves 250 hosts.
fn connection(worker: usize, i: usize, ts: i64) -> Connection<'static> {
    // Knuth's multiplicative hash: a different order of hosts each round.
    let scattered = i.wrapping_mul(2_654_435_761) >> 7;
    let mut c = Connection { ts, proto: Proto::Tcp, conn_state: Some(ConnState::SF), ..Connection::default() };
    (c.orig.addr, c.resp.addr) = (host((worker << 8) + scattered % 250), host(0xff_0000 + scattered % 500));
    (c.orig.port, c.resp.port, c.service) = (40_000, 443, Some(&b"ssl"[..]));
    (c.duration, c.history) = (Some(20_000 + scattered as i64 % 900_000), Some(&b"ShADadfF"[..]));
    (c.orig.bytes, c.resp.bytes) = (Some(900), Some(30_000 + scattered as u64 % 7919));
    c
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (n_workers, hours) = (numbers.first().copied().unwrap_or(40), numbers.get(1).copied().unwrap_or(6));
    let mut manager = Reservoir::new(sampling(), 1);
    let mut incidents = Grouper::new(KnownList::default(), INCIDENT_TIMEOUT);
    let worker = |i| {
        let mut incidents = Grouper::new(KnownList::default(), INCIDENT_TIMEOUT);
        incidents.forward();
        Worker { reservoir: Reservoir::new(sampling(), 2 + i), incidents }
    };
    let mut workers: Vec<Worker> = (0..n_workers as u64).map(worker).collect();
    let mut extractor = Extractor::of(LogKind::Conn);
    let rows: Vec<FeatureRow> = (0..20_000).map(|i| extractor.extract(&connection(i % 40, i, START))).collect();
    let (mut samples, mut alerts, mut last_hour) = (Work::default(), Work::default(), Work::default());
    for minute in 0..60 * hours {
        let end = START + (minute as i64 + 1) * MINUTE;
        for (number, worker) in workers.iter_mut().enumerate() {
            for i in 0..RATE {
                let ts = end - MINUTE + i as i64 * MINUTE / RATE as i64;
                let c = connection(number, minute * RATE + i, ts);
                worker.reservoir.learn(&c, &rows[(minute * RATE + i * 7 + number) % rows.len()], false, ts);
            }
            let sample = worker.reservoir.take(ROWS_PER_MESSAGE).to_bytes();
            let work = if minute + 60 >= 60 * hours { &mut last_hour } else { &mut samples };
            work.add(&sample, |bytes| {
                let mut sample = Reservoir::from_bytes(bytes, 1).expect("a sample");
                sample.set_bound(None);
                manager.merge(&sample.resampled(sampling())).expect("a sample of the same log");
            });
            worker.reservoir.set_bound(manager.bound());

            let c = connection(number, minute * 7919, end);
            let (uid, reasons): (Option<&[u8]>, _) = (Some(b"CHhAvVGS1DHFjwGM9"), &[][..]);
            let verdict = Verdict { score: 0.8, alert: true, evidence: None, adds_to_fan_out: false };
            let keys = &ContextKeys::of(&c);
            let alert = Observation { record: (&c).into(), uid, verdict, reasons, keys };
            worker.incidents.observe(&alert);
            worker.incidents.take_changes();
            let additions = worker.incidents.take_additions(INCIDENTS_PER_MESSAGE, end);
            alerts.add(&additions, |bytes| {
                incidents.merge_additions(bytes).expect("additions");
                incidents.take_changes().iter().for_each(|change| _ = change.incident.summary());
                incidents.take_opened()
            });
        }
    }
    println!("{n_workers} workers, {hours} hours, {} connections", n_workers * RATE * 60 * hours);
    samples.print("samples", hours as f64 - 1.0);
    last_hour.print("last hour", 1.0);
    alerts.print("alerts", hours as f64);
    let began = Instant::now();
    let model = fit(manager.snapshot(), &Params::default()).expect("a model").to_bytes().expect("its bytes");
    println!("fit       {:.2} s, a model of {} kB for each worker", began.elapsed().as_secs_f64(), model.len() / 1000);
    // Several copies, because the first ones reuse memory that the fit released.
    const COPIES: usize = 16;
    let before = megabytes();
    let copy = |_| {
        let mut copy = Reservoir::new(sampling(), 1);
        copy.merge(&manager).expect("a reservoir of the same log");
        copy
    };
    let copies: Vec<Reservoir> = (0..COPIES).map(copy).collect();
    let each = (megabytes() - before) / copies.len() as f64;
    println!("memory    {each:.1} MB for a reservoir of {} rows", manager.len());
}
