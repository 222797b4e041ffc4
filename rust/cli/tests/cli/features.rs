//! `features`: the matrix.

use crate::logs::{labelled, rows, tsv};
use crate::run::Dir;

#[test]
fn one_line_per_row_under_the_features_names() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(300)));
    dir.ok("features conn.log -o m.csv");
    let csv = dir.read("m.csv");
    let names: Vec<_> = csv.lines().next().unwrap().split(',').collect();
    let schema: Vec<_> = detector::schema::FEATURES.iter().map(|feature| feature.name).collect();
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
fn the_label_comes_last() {
    let dir = Dir::new();
    let rows = rows(300);
    dir.write("labelled.log", labelled(&rows));
    let csv = dir.ok("features labelled.log");
    assert!(csv.lines().next().unwrap().ends_with(",label"));
    let labels: Vec<_> = csv.lines().skip(1).map(|line| line.rsplit_once(',').unwrap().1).collect();
    assert_eq!(labels.iter().filter(|label| **label == "1").count(), 1);
    assert_eq!(labels[150], "1");

    dir.write("conn.log", tsv(&rows));
    dir.run("features labelled.log conn.log").fails(1, &["conn.log: has no column \"label\""]);
    dir.run("features conn.log --label label").fails(1, &["conn.log: has no column \"label\""]);
}

#[test]
fn no_connection_no_matrix() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&[]));
    dir.run("features conn.log -o m.csv").fails(1, &["there is no connection in conn.log"]);
    assert!(!dir.path("m.csv").exists());
}
