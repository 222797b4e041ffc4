//! Tests on the lab's logs: real traffic and attacks.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::logs::column;
use crate::run::Dir;

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name)
}

#[test]
fn scores_every_connection_of_the_next_day() {
    let dir = Dir::new();
    let (day1, day2) = (data("lab-day1.conn.log"), data("lab-day2.conn.log"));
    dir.ok(&format!("train {} -o m", day1.display()));
    let scored = dir.ok(&format!("score -m m {}", day2.display()));
    let before = std::fs::read_to_string(&day2).unwrap();
    assert_eq!(scored.lines().count(), before.lines().count());
    assert!(column(&scored, "anomaly_score").iter().all(|(_, score)| score.parse::<f64>().is_ok()));
}

/// Metrics of a labelled day by a model of another day.
fn evaluation(day1: &str, labelled: &str) -> Value {
    let dir = Dir::new();
    dir.ok(&format!("train -q {} -o m", data(day1).display()));
    serde_json::from_str(&dir.ok(&format!("evaluate -q -m m {} --json", data(labelled).display()))).unwrap()
}

#[test]
fn separates_attacks() {
    let metrics = evaluation("lab-day1.conn.log", "lab-day2.labelled.conn.log");
    assert!(metrics["roc_auc"].as_f64().unwrap() > 0.8, "{metrics}");
}

#[test]
fn many_more_alerts_than_the_budget_are_explained() {
    let dir = Dir::new();
    dir.ok(&format!("train {} -o m", data("lab-day1.conn.log").display()));
    let top = |log: &str| dir.run(&format!("top -m m {}", data(log).display())).stderr;
    let explanation = "the threshold targets 20 alerts a day, but this traffic differs from the training data";
    assert!(top("lab-day2.conn.log").contains(explanation));
    assert!(!top("lab-day1.conn.log").contains(explanation));
}

#[test]
fn top_orders_by_score_alone() {
    let dir = Dir::new();
    dir.ok(&format!("train {} -o m", data("lab-day1.conn.log").display()));
    let lines = dir.ok(&format!("top -m m {} -n 500 --json", data("lab-day2.conn.log").display()));
    let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let scores: Vec<f64> = entries.iter().map(|entry| entry["anomaly_score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b));
    let anomalous = entries.iter().filter(|entry| entry["anomalous"] == true).count();
    assert!(entries[..anomalous].iter().all(|entry| entry["anomalous"] == true));
    assert!(entries[anomalous..].iter().all(|entry| entry["anomalous"] == false));
    assert!(!lines.contains("\"sustained\""), "evidence is no reason of a record");
}

#[test]
fn chart_marks_anomalous_connections_above_the_threshold() {
    let dir = Dir::new();
    dir.ok(&format!("train {} -o m", data("lab-day1.conn.log").display()));
    let page = dir.ok(&format!("report -m m {} -o -", data("lab-day2.conn.log").display()));
    // The first line in the anomaly colour is the threshold; the dots of its chart follow.
    let lines = page.match_indices("<polyline").map(|(at, _)| &page[at..]);
    let mut lines = lines.filter(|rest| rest.split('>').next().unwrap().contains("#C2410C"));
    let chart = lines.next().unwrap().split("</svg>").next().unwrap();
    let of = |text: &str, name: &str| -> f64 {
        let value = text.split_once(&format!("{name}=\"")).unwrap().1;
        value.split(['"', ' ']).next().unwrap().split(',').next_back().unwrap().parse().unwrap()
    };
    let threshold = of(chart, "points");
    let mut dots = chart.split("<circle").skip(1).filter(|dot| of(dot, "r") == 4.0).map(|dot| of(dot, "cy")).peekable();
    assert!(dots.peek().is_some() && dots.all(|y| y <= threshold));
}

/// The attacks of the second day of DNS: the kind, the client, and the domain if there is one.
const DNS_ATTACKS: [(&str, &str, &str); 4] = [
    ("tunnel", "10.10.1.13", "pine-harbor.example"),
    ("tunnel", "10.10.1.17", "grey-otter.example"),
    ("tunnel", "10.10.1.15", "quiet-meadow.example"),
    ("generated domains", "10.10.1.19", "domains such as"),
];

#[test]
fn each_dns_attack_is_an_incident_of_its_kind_among_the_first_six() {
    let dir = Dir::new();
    dir.ok(&format!("train -q {} -o m", data("lab-dns-day1.dns.log").display()));
    let lines = dir.ok(&format!("incidents -q -m m {} --json -n 6", data("lab-dns-day2.dns.log").display()));
    let found: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (kind, client, domain) in DNS_ATTACKS {
        let is_attack = |it: &&Value| {
            it["kind"] == kind && it["actor"] == client && it["summary"].as_str().unwrap().contains(domain)
        };
        assert_eq!(found.iter().filter(is_attack).count(), 1, "{kind} of {client}: {lines}");
    }
}

#[test]
fn separates_dns_attacks() {
    let metrics = evaluation("lab-dns-day1.dns.log", "lab-dns-day2.labelled.dns.log");
    assert!(metrics["average_precision"].as_f64().unwrap() > 0.95, "{metrics}");
}
