//! `features`: contents of the matrix.

use crate::logs::{labelled, rows, tsv};
use crate::run::Dir;

#[test]
fn writes_one_line_per_row() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(300)));
    dir.ok("features conn.log -o m.csv");
    let csv = dir.read("m.csv");
    let names: Vec<_> = csv.lines().next().unwrap().split(',').collect();
    let schema: Vec<_> = detector::LogKind::Conn.schema().features.iter().map(|feature| feature.name).collect();
    assert_eq!(names, schema);
    assert_eq!(csv.lines().count(), 301);
    for line in csv.lines().skip(1) {
        let values: Vec<f32> = line.split(',').map(|value| value.parse().unwrap()).collect();
        assert_eq!(values.len(), names.len());
        let again: Vec<_> = values.iter().map(f32::to_string).collect();
        assert_eq!(again.join(","), line);
    }
    assert_eq!(csv, dir.ok("features conn.log --threads 1"));
}

#[test]
fn label_is_the_last_column() {
    let dir = Dir::new();
    let rows = rows(300);
    dir.write("labelled.log", labelled(&rows));
    let csv = dir.ok("features labelled.log");
    assert!(csv.lines().next().unwrap().ends_with(",label"));
    let labels: Vec<_> = csv.lines().skip(1).map(|line| line.rsplit_once(',').unwrap().1).collect();
    assert_eq!(labels.iter().filter(|label| **label == "1").count(), 1);
    assert_eq!(labels[150], "1");

    dir.write("conn.log", tsv(&rows));
    dir.run("features labelled.log conn.log").fails(1, &["conn.log: column \"label\" is missing"]);
    dir.run("features conn.log --label label").fails(1, &["conn.log: column \"label\" is missing"]);
}

#[test]
fn rarity_comes_from_the_model() {
    let dir = Dir::new();
    let rows = rows(300);
    dir.write("conn.log", tsv(&rows));
    dir.ok("train conn.log -o same");
    assert_eq!(dir.ok("features conn.log"), dir.ok("features -m same conn.log"));

    // The odd port is the rarest where it is known, and rarer still where it is not.
    dir.write("without.log", tsv(&rows[..150]));
    dir.ok("train without.log -o other");
    let port = |csv: &str| -> f32 {
        let at = csv.lines().next().unwrap().split(',').position(|name| name == "port").unwrap();
        csv.lines().nth(1 + 150).unwrap().split(',').nth(at).unwrap().parse().unwrap()
    };
    // log2 of (rows + 2) / (times seen + 1).
    assert!((port(&dir.ok("features -m same conn.log")) - (302f32 / 2.0).log2()).abs() < 0.1);
    assert!((port(&dir.ok("features -m other conn.log")) - 152f32.log2()).abs() < 0.1);
    dir.pipe("features", tsv(&rows).as_bytes()).fails(1, &["without --model"]);
}

#[test]
fn rejects_logs_without_connections() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(300)));
    dir.ok("train conn.log -o m");
    dir.write("none.log", tsv(&[]));
    dir.run("features -m m none.log -o m.csv").fails(1, &["no connections in none.log"]);
    assert!(!dir.path("m.csv").exists());
}
