//! Tests of verdicts on injected anomalies: first reason, alerts and accumulated evidence.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use detector::{
    Address, AlertPolicy, ConnState, Connection, ContextKeys, Detector, Evidence, Extractor, Model, Params, Proto,
    RowScore, ScoreHistory, Trainer,
};

const MINUTE: i64 = 60_000_000;

/// Pseudorandom numbers that are the same in every run.
fn scatter(i: i64, salt: u64, range: u64) -> u64 {
    let mixed = (i as u64 ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 33 & (range - 1)
}

fn host(network: u8, host: u64) -> Address {
    Address::from(std::net::IpAddr::from([10, 0, network, host as u8]))
}

/// Connection `i` of an office with 32 desks, four servers, web traffic and DNS.
fn ordinary(i: i64) -> Connection<'static> {
    let kind = scatter(i, 1, 8);
    let mut c = Connection { ts: i * 2_000_000, proto: Proto::Tcp, ..Connection::default() };
    c.orig.addr = host(1, scatter(i, 2, 32));
    c.orig.port = 40_000 + scatter(i, 3, 16_384) as u16;
    (c.conn_state, c.history) = (Some(ConnState::SF), Some(&b"ShADadFf"[..]));
    let (duration, out, into) = match kind {
        0..=3 => {
            (c.proto, c.resp.port, c.service, c.history) = (Proto::Udp, 53, Some(&b"dns"[..]), Some(&b"Dd"[..]));
            c.resp.addr = host(2, 1);
            (1_000 + scatter(i, 4, 8_192), 30 + scatter(i, 5, 32), 60 + scatter(i, 6, 256))
        }
        4..=6 => {
            (c.resp.port, c.service) = (443, Some(&b"ssl"[..]));
            c.resp.addr = Address::from(std::net::IpAddr::from([203, 0, 113, scatter(i, 7, 16) as u8]));
            (50_000 + scatter(i, 4, 2_097_152), 500 + scatter(i, 5, 2_048), 2_000 + scatter(i, 6, 65_536))
        }
        _ => {
            (c.resp.port, c.service) = (445, Some(&b"smb"[..]));
            c.resp.addr = host(2, 2 + scatter(i, 7, 2));
            (20_000 + scatter(i, 4, 524_288), 900 + scatter(i, 5, 8_192), 1_000 + scatter(i, 6, 16_384))
        }
    };
    c.duration = Some(duration as i64);
    (c.orig.bytes, c.resp.bytes) = (Some(out), Some(into));
    (c.orig.pkts, c.resp.pkts) = (Some(2 + out / 700), Some(2 + into / 1_200));
    (c.orig.ip_bytes, c.resp.ip_bytes) = (Some(out + 80), Some(into + 80));
    c
}

fn model() -> Model {
    let mut trainer = Trainer::new(Params::default());
    (0..20_000).for_each(|i| trainer.learn(&ordinary(i)));
    trainer.fit().unwrap()
}

/// One extreme value, and the features that may be the first reason.
type Injection = (fn(&mut Connection<'_>), &'static [&'static str]);

const INJECTIONS: &[Injection] = &[
    (|c| c.orig.bytes = Some(4_100_000_000), &["orig_bytes"]),
    (|c| c.resp.bytes = Some(9_000_000_000), &["resp_bytes"]),
    (|c| c.duration = Some(3 * 86_400_000_000), &["duration"]),
    (|c| c.orig.pkts = Some(3_000_000), &["orig_pkts"]),
    (|c| c.resp.pkts = Some(5_000_000), &["resp_pkts"]),
    (|c| c.missed_bytes = 80_000_000, &["missed_bytes"]),
    (|c| c.resp.port = 4444, &["port"]),
    (|c| c.service = Some(&b"irc"[..]), &["service"]),
    (|c| c.history = Some(&b"^hCadTcTrA"[..]), &["history"]),
    (|c| c.conn_state = Some(ConnState::RSTOS0), &["progress"]),
];

#[test]
fn first_reason_names_the_injected_value() {
    let model = model();
    let mut extractor = Extractor::default();
    (0..5_000).for_each(|i| _ = extractor.extract(&ordinary(i)));
    let mut missed = Vec::new();
    for (inject, names) in INJECTIONS {
        let mut named = 0;
        let mut others = Vec::new();
        for i in 5_000..5_100 {
            let mut c = ordinary(i);
            inject(&mut c);
            let row = extractor.clone().extract(&c);
            let reasons = model.reasons(&c, &row, None);
            let first = reasons.first().map_or("none", |reason| reason.feature());
            named += usize::from(names.contains(&first));
            others.extend(Some(first).filter(|first| !names.contains(first)));
        }
        if named < 95 {
            missed.push((names, named, others));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn reasons_contain_values() {
    let model = model();
    let mut extractor = Extractor::default();
    (0..5_000).for_each(|i| _ = extractor.extract(&ordinary(i)));
    let mut c = ordinary(5_004);
    (c.orig.bytes, c.resp.port, c.service) = (Some(4_100_000_000), 4444, Some(&b"a\x1b[31m"[..]));
    let row = extractor.extract(&c);
    let reasons = model.reasons(&c, &row, None);
    assert!((2..=3).contains(&reasons.len()), "{reasons:?}");
    let text = detector::format_reasons(&reasons);
    assert!(text.contains("sent 4.1 GB (usually below "), "{text}");
    assert!(text.contains("port 4444/tcp (seen in 0 of 19,999 connections)"), "{text}");
    assert!(!text.contains('\x1b'), "what the log holds is not repeated");
    let evidence = model.reasons(&c, &row, Some(Evidence::FanOut(41)));
    assert_eq!(evidence[0].to_string(), "41 slightly unusual connections to new hosts on this port");
    let evidence = model.reasons(&c, &row, Some(Evidence::Service(41)));
    assert_eq!(evidence[0].to_string(), "41 slightly unusual connections to this service");
    assert_eq!((evidence[0].feature(), evidence.len()), ("sustained", 3));
}

#[test]
fn reasons_fit_the_protocol_and_have_usual_values() {
    let model = model();
    let mut extractor = Extractor::default();
    (0..5_000).for_each(|i| _ = extractor.extract(&ordinary(i)));
    let mut texts = String::new();
    for i in 5_000..5_400 {
        let c = ordinary(i);
        let row = extractor.extract(&c);
        texts.extend(model.reasons(&c, &row, None).iter().map(|reason| format!("{reason}\n")));
        for proto in [Proto::Tcp, Proto::Udp, Proto::Icmp] {
            let mut c = ordinary(i);
            (c.proto, c.conn_state) = (proto, Some(if proto == Proto::Icmp { ConnState::OTH } else { ConnState::S0 }));
            let row = extractor.extract(&c);
            texts.extend(model.reasons(&c, &row, None).iter().map(|reason| format!("{reason}\n")));
        }
    }
    let lines = |part: &str| texts.lines().filter(|line| line.contains(part)).count();
    assert!(lines("state S0 (no answer)") > 0 && lines("protocol icmp") > 0, "{texts}");
    assert_eq!(lines("OTH"), 0, "{texts}");
    assert!(lines(" (usually about ") > 0, "{texts}");
    assert_eq!(lines("usually about 0") + lines("usually below 0 ") + lines("usually about <"), 0, "{texts}");
}

/// Beacon: a few bytes every five minutes to a host that no other host contacts.
fn beat(i: i64) -> Connection<'static> {
    let mut c = Connection { ts: i * 5 * MINUTE, duration: Some(90_000), proto: Proto::Tcp, ..Connection::default() };
    (c.orig.addr, c.resp.addr) = (host(1, 9), Address::from(std::net::IpAddr::from([198, 51, 100, 7])));
    (c.orig.port, c.resp.port, c.service) = (41_000, 443, Some(&b"ssl"[..]));
    (c.conn_state, c.history) = (Some(ConnState::SF), Some(&b"ShADadFf"[..]));
    (c.orig.bytes, c.resp.bytes, c.orig.pkts, c.resp.pkts) = (Some(700), Some(2_100), Some(3), Some(3));
    (c.orig.ip_bytes, c.resp.ip_bytes) = (Some(780), Some(2_180));
    c
}

#[test]
fn beacon_is_found_and_ordinary_traffic_gives_little_evidence() {
    let mut detector = Detector::new(model());
    let (mut seen, mut found, mut false_evidence) = (0, None, 0);
    let mut beats = (0..).map(beat).peekable();
    for i in 0..20_000 {
        let c = ordinary(i);
        while let Some(beat) = beats.next_if(|beat| beat.ts <= c.ts) {
            let verdict = detector.score(&beat);
            assert!(verdict.evidence.is_none() || !verdict.alert);
            seen += 1;
            let is_found = verdict.alert || verdict.evidence.is_some();
            found = found.or(is_found.then_some(seen));
        }
        false_evidence += u32::from(detector.score(&c).evidence.is_some());
    }
    // The initial tokens.
    assert!(false_evidence <= 5, "{false_evidence}");
    assert!(found.is_some_and(|seen| seen <= 15), "after {found:?} connections");
}

#[test]
fn reports_of_evidence_are_limited() {
    // A budget of two alerts a day gives one report at once, and another in five days.
    let mut params = Params::default();
    params.alerts_per_day = 2.0;
    let mut trainer = Trainer::new(params);
    (0..20_000).for_each(|i| trainer.learn(&ordinary(i)));
    let model = trainer.fit().unwrap();
    let mut evidence = ScoreHistory::default();
    let policy = AlertPolicy::of(&model);
    let scored = |forest| RowScore { forest, ..RowScore::default() };
    (0..4_000).for_each(|i| {
        let connection = ordinary(i);
        _ = evidence.verdict(&model, &policy, &(&connection).into(), &ContextKeys::of(&connection), scored(0.3));
    });
    // Low enough that repeated contacts do not raise it to the threshold.
    let unusual = model.threshold() - 0.02;
    let mut alerted = 0;
    for i in 0..100 {
        for service in 0..10 {
            let mut c = beat(0);
            (c.ts, c.resp.port) = (8_000_000_000 + i * MINUTE, 1000 + service);
            let verdict = evidence.verdict(&model, &policy, &(&c).into(), &ContextKeys::of(&c), scored(unusual));
            alerted += usize::from(verdict.evidence.is_some());
        }
    }
    assert_eq!(alerted, 1);
}
