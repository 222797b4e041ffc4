//! `evaluate`: figures against labels, checked against the definitions worked out from the scores themselves.

use serde_json::Value;

use crate::logs::{self, ODD, column, rows, tsv};
use crate::run::Dir;

/// A directory with a model and a log in which every seventh row and the odd one are malicious, so that the figures
/// are not trivial.
fn labelled() -> Dir {
    let dir = Dir::new();
    let rows = rows(400);
    let lines: String = rows
        .iter()
        .enumerate()
        .map(|(i, row)| {
            let label = if i % 7 == 3 || row[1] == ODD { "malicious   C&C" } else { "Benign   -" };
            // Packed into the last column, as in IoT-23.
            format!("{}   {label}\n", row.join("\t"))
        })
        .collect();
    let header = logs::header(&[])
        .replace("\ttunnel_parents\n", "\ttunnel_parents   label   detailed-label\n")
        .replace("\tset[string]\n", "\tset[string]   string   string\n");
    dir.write("labelled.log", header + &lines);
    dir.write("conn.log", tsv(&rows));
    dir.ok("train conn.log -o m --trees 25");
    dir
}

#[test]
fn figures_follow_their_definitions() {
    let dir = labelled();
    let figures: Value = serde_json::from_str(&dir.ok("evaluate -m m labelled.log --json")).unwrap();
    let scores: Vec<(f64, bool)> = column(&dir.ok("score -m m conn.log"), "anomaly_score")
        .iter()
        .enumerate()
        .map(|(i, (uid, score))| (score.parse().unwrap(), i % 7 == 3 || uid == ODD))
        .collect();
    let malicious = scores.iter().filter(|(_, malicious)| *malicious);
    let n = malicious.clone().count() as f64;
    assert_eq!(figures["malicious"].as_f64().unwrap(), n);

    // The chance that a malicious row scores higher than another, pair by pair.
    let wins: f64 = malicious
        .clone()
        .flat_map(|(m, _)| scores.iter().filter(|(_, malicious)| !malicious).map(move |(b, _)| (m, b)))
        .map(|(m, b)| {
            if m > b {
                1.0
            } else if m == b {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    let auc = wins / n / (scores.len() as f64 - n);
    assert!((figures["roc_auc"].as_f64().unwrap() - auc).abs() < 1e-12);

    // Precision where each malicious row is found, with everything that scores no lower.
    let precision = |score: f64| {
        let alerts = scores.iter().filter(|(other, _)| *other >= score);
        alerts.clone().filter(|(_, malicious)| *malicious).count() as f64 / alerts.count() as f64
    };
    let average = malicious.clone().map(|(score, _)| precision(*score)).sum::<f64>() / n;
    assert!((figures["average_precision"].as_f64().unwrap() - average).abs() < 1e-12);

    let alerts: Vec<_> =
        figures["at_alerts"].as_array().unwrap().iter().map(|at| at["alerts"].as_u64().unwrap()).collect();
    assert_eq!(alerts, [10, 20, 50, 100, 200]);
    let first = &figures["at_alerts"][0];
    let hits = first["precision"].as_f64().unwrap() * 10.0;
    assert!((first["recall"].as_f64().unwrap() - hits / n).abs() < 1e-12);
}

#[test]
fn the_table_has_the_same_figures() {
    let dir = labelled();
    let table = dir.ok("evaluate -m m labelled.log");
    let figures: Value = serde_json::from_str(&dir.ok("evaluate -m m labelled.log --json")).unwrap();
    assert!(table.starts_with("400 connections, 58 malicious (14.5 %)"), "{table}");
    assert!(table.contains(&format!("ROC AUC            {:.4}\n", figures["roc_auc"].as_f64().unwrap())), "{table}");
    assert!(table.lines().all(|line| line.len() <= 100), "{table}");
}

#[test]
fn other_labels_can_be_chosen() {
    let dir = labelled();
    let by_detail = dir.ok("evaluate -m m labelled.log --json --label detailed-label --malicious c&c");
    assert_eq!(by_detail, dir.ok("evaluate -m m labelled.log --json"));
    dir.run("evaluate -m m labelled.log --malicious Ben --label verdict").fails(1, &["has no column \"verdict\""]);
    dir.run("evaluate -m m labelled.log --malicious evil")
        .fails(1, &["none of 400 connections", "\"evil\"", "--malicious"]);
    dir.run("evaluate -m m conn.log").fails(1, &["has no column \"label\"", "--label"]);
    dir.pipe("evaluate -m m", logs::json(&rows(5)).as_bytes()).fails(1, &["no row has a \"label\""]);
}
