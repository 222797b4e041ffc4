//! The logs of the lab captures: real traffic, real attacks.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::logs::column;
use crate::run::Dir;

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name)
}

#[test]
fn every_connection_of_a_day_is_scored_by_what_the_day_before_taught() {
    let dir = Dir::new();
    let (day1, day2) = (data("lab-day1.conn.log"), data("lab-day2.conn.log"));
    dir.ok(&format!("train {} -o m", day1.display()));
    let scored = dir.ok(&format!("score -m m {}", day2.display()));
    let before = std::fs::read_to_string(&day2).unwrap();
    assert_eq!(scored.lines().count(), before.lines().count());
    assert!(column(&scored, "anomaly_score").iter().all(|(_, score)| score.parse::<f64>().is_ok()));
}

#[test]
fn attacks_stand_out() {
    let dir = Dir::new();
    dir.ok(&format!("train {} -o m", data("lab-day1.conn.log").display()));
    let labelled = data("lab-day2.labelled.conn.log");
    let figures = dir.ok(&format!("evaluate -m m {} --json", labelled.display()));
    let figures: Value = serde_json::from_str(&figures).unwrap();
    assert!(figures["roc_auc"].as_f64().unwrap() > 0.8, "{figures}");
}
