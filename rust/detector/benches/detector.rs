//! Features, training, loading and scoring of connections and queries: `cargo bench -p detector`. "Items" are records.
//!
//! The traffic is generated: hosts of a site that resolve names and fetch pages, and an occasional unanswered SYN.

#![allow(clippy::expect_used, reason = "a bench may panic")]

use detector::{
    Address, ConnState, Connection, ContextKeys, Detector, DnsQuery, Endpoint, Extractor, Grouper, INCIDENT_TIMEOUT,
    KnownList, LogKind, LogRecord, Model, Observation, Params, Proto, ScoreCache, Trainer, Verdict,
};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

const CONNECTIONS: usize = 20_000;

fn main() {
    divan::main();
}

fn host(network: u8, number: usize) -> Address {
    let number = (number as u32).to_be_bytes();
    Address::from(std::net::IpAddr::V4(std::net::Ipv4Addr::new(network, number[1], number[2], number[3])))
}

/// Connections of `hosts` originators, ten a second.
fn traffic(hosts: usize) -> Vec<Connection<'static>> {
    let side = |addr, port, amount: usize| Endpoint {
        addr,
        port,
        bytes: Some(amount as u64),
        pkts: Some(1 + amount as u64 / 1000),
        ip_bytes: Some(40 + amount as u64),
        local: None,
    };
    let connection = |i: usize| {
        // Knuth's multiplicative hash: a different order of hosts each round.
        let scattered = i.wrapping_mul(2_654_435_761) >> 7;
        let (from, to) = (host(10, scattered % hosts), host(93, scattered % 501));
        let ts = 1_700_000_000_000_000 + i as i64 * 100_000;
        let (port, proto, conn_state, service, history, sent, got) = match i % 8 {
            0..4 => (53, Proto::Udp, ConnState::SF, Some(&b"dns"[..]), &b"Dd"[..], 40, 120),
            4..7 => (443, Proto::Tcp, ConnState::SF, Some(&b"ssl"[..]), &b"ShADadfF"[..], 900, 30_000 + i % 7919),
            _ => (22, Proto::Tcp, ConnState::S0, None, &b"S"[..], 0, 0),
        };
        Connection {
            ts,
            duration: (got > 0).then_some(20_000 + got as i64),
            orig: side(from, 40_000, sent),
            resp: side(to, port, got),
            proto,
            conn_state: Some(conn_state),
            service,
            history: Some(history),
            missed_bytes: 0,
        }
    };
    (0..CONNECTIONS).map(connection).collect()
}

fn model(traffic: &[Connection<'_>]) -> Model {
    let mut trainer = Trainer::new(Params::default());
    traffic.iter().for_each(|connection| trainer.learn(connection));
    trainer.fit().expect("a model")
}

/// Work of a sensor on a stream of connections.
#[divan::bench]
fn features_and_score(bencher: Bencher) {
    let traffic = traffic(1000);
    let mut detector = Detector::new(model(&traffic));
    bencher
        .counter(ItemsCount::new(CONNECTIONS))
        .bench_local(|| traffic.iter().map(|connection| detector.score(black_box(connection)).score).sum::<f64>());
}

#[divan::bench(args = [100, 1000, 10_000, 100_000])]
fn features_by_hosts(bencher: Bencher, hosts: usize) {
    let traffic = traffic(hosts);
    let mut extractor = Extractor::default();
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| {
        traffic.iter().for_each(|connection| _ = black_box(extractor.extract(black_box(connection))));
    });
}

#[divan::bench]
fn score_rows_in_batch(bencher: Bencher) {
    let (traffic, mut extractor) = (traffic(1000), Extractor::default());
    let rows: Vec<_> = traffic.iter().map(|connection| extractor.extract(connection)).collect();
    let model = model(&traffic);
    bencher
        .counter(ItemsCount::new(CONNECTIONS))
        .bench_local(|| model.score_rows(black_box(&rows), &vec![0; rows.len()], &mut ScoreCache::new()));
}

#[divan::bench]
fn load(bencher: Bencher) {
    let bytes = model(&traffic(1000)).to_bytes().expect("the model's bytes");
    bencher.bench_local(|| Model::from_bytes(black_box(&bytes)));
}

#[divan::bench(sample_count = 20)]
fn train(bencher: Bencher) {
    let traffic = traffic(1000);
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| model(&traffic));
}

/// Names that hosts ask for, most of them often.
fn names() -> Vec<String> {
    (0..2000).map(|i| format!("host{}.service{}.example{}.com", i % 50, i % 7, i % 300)).collect()
}

/// Queries of 1000 clients, ten a second.
fn queries(names: &[String]) -> Vec<DnsQuery<'_>> {
    let query = |i: usize| {
        let scattered = i.wrapping_mul(2_654_435_761) >> 7;
        DnsQuery {
            ts: 1_700_000_000_000_000 + i as i64 * 100_000,
            client: host(10, scattered % 1000),
            client_port: 40_000,
            server: host(10, 5000 + scattered % 2),
            server_port: 53,
            proto: Proto::Udp,
            rtt: Some(10_000 + (i % 7) as i64 * 1000),
            query: names.get(scattered % names.len()).map(|name| name.as_bytes()),
            qtype: Some(if i % 3 == 0 { 28 } else { 1 }),
            rcode: Some(0),
            answers: 2,
            answer_bytes: 24,
            min_ttl: Some(300_000_000),
        }
    };
    (0..CONNECTIONS).map(query).collect()
}

#[divan::bench]
fn query_features(bencher: Bencher) {
    let names = names();
    let queries = queries(&names);
    let mut extractor = Extractor::of(LogKind::Dns);
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| {
        queries.iter().for_each(|query| _ = black_box(extractor.extract(black_box(query))));
    });
}

#[divan::bench]
fn query_features_and_score(bencher: Bencher) {
    let names = names();
    let queries = queries(&names);
    let mut trainer = Trainer::new(Params::of(LogKind::Dns));
    queries.iter().for_each(|query| trainer.learn(query));
    let mut detector = Detector::new(trainer.fit().expect("a model"));
    bencher
        .counter(ItemsCount::new(CONNECTIONS))
        .bench_local(|| queries.iter().map(|query| detector.score(black_box(query)).score).sum::<f64>());
}

/// Incidents of records that do not alert.
fn group<'a>(bencher: Bencher, records: &[LogRecord<'a>]) {
    let mut grouper = Grouper::new(KnownList::default(), INCIDENT_TIMEOUT);
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        for record in records {
            let (uid, reasons): (Option<&[u8]>, _) = (Some(b"CHhAvVGS1DHFjwGM9"), &[][..]);
            let verdict = Verdict { score: 0.4, alert: false, evidence: None, adds_to_fan_out: false };
            let (record, keys) = (*black_box(record), &ContextKeys::of(&record.connection()));
            _ = black_box(grouper.observe(&Observation { record, uid, verdict, reasons, keys }));
        }
    });
}

#[divan::bench]
fn grouping_of_connections(bencher: Bencher) {
    group(bencher, &traffic(1000).iter().map(LogRecord::from).collect::<Vec<_>>());
}

#[divan::bench]
fn grouping_of_queries(bencher: Bencher) {
    let names = names();
    group(bencher, &queries(&names).iter().map(LogRecord::from).collect::<Vec<_>>());
}
