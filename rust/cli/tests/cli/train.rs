//! `train`: training data and messages.

use crate::logs::{ODD, column, labelled, rows, tsv};
use crate::run::Dir;

#[test]
fn reports_the_training() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(500)[..250]));
    let outcome = dir.run("train conn.log -o m");
    assert!(outcome.stderr.contains("trained on 250 of 250 connections in 12.9 minutes"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("wrote m ("), "{}", outcome.stderr);
    assert_eq!(outcome.success(), "");
    assert!(dir.run("train conn.log -o m --quiet").stderr.is_empty());
}

#[test]
fn seed_determines_scores() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(500)));
    let scores = |options: &str| {
        dir.ok(&format!("train conn.log -o m {options}"));
        dir.ok("score -m m conn.log")
    };
    let first = scores("--seed 7");
    assert_eq!(first, scores("--seed 7"));
    assert_ne!(first, scores("--seed 8"));
    assert_ne!(first, scores("--seed 7 --trees 99"));
    assert_ne!(first, scores("--seed 7 --sample-size 64"));
    assert_ne!(first, scores("--seed 7 --reservoir 300"));
}

#[test]
fn known_rows_are_learnt_whatever_their_label() {
    let dir = Dir::new();
    dir.write("labelled.log", labelled(&rows(500)));
    let list = "#fields\toriginator\tresponder\tport\tkind\tuntil\towner\tnote\n\
                *\t203.0.113.66\t4444/tcp\t*\t2030-01-01\tme\tbackup\n";
    dir.write("known.tsv", list);
    let outcome = dir.run("train labelled.log -o m --only-benign --known known.tsv");
    assert!(outcome.stderr.contains("trained on 500 of 500 connections"), "{}", outcome.stderr);
    dir.write("known.tsv", list.replace("4444/tcp", "4445/tcp"));
    let outcome = dir.run("train labelled.log -o m --only-benign --known known.tsv");
    assert!(outcome.stderr.contains("trained on 499 of 500 connections"), "{}", outcome.stderr);
    dir.write("known.tsv", "nonsense");
    dir.run("train labelled.log -o m --known known.tsv").fails(1, &["known.tsv: cannot be used"]);
}

#[test]
fn only_benign_excludes_malicious_rows() {
    let dir = Dir::new();
    dir.write("labelled.log", labelled(&rows(500)));
    let outcome = dir.run("train labelled.log -o m --only-benign");
    assert!(outcome.stderr.contains("trained on 499 of 500 connections"), "{}", outcome.stderr);
    dir.run("train labelled.log -o m --only-benign --malicious BENIGN").fails(
        1,
        &["1 of 500 connections have a label that does not start with \"BENIGN\"", "only 1 connection to learn from"],
    );
    let outcome = dir.run("train labelled.log -o m --only-benign --malicious WRONG");
    let warning = "no row has a \"label\" that starts with \"WRONG\", so none was left out";
    assert!(outcome.stderr.contains(warning), "{}", outcome.stderr);
    dir.run("train labelled.log -o m --only-benign --label verdict")
        .fails(1, &["column \"verdict\" is missing", "--label"]);
    dir.write("conn.log", tsv(&rows(500)));
    dir.run("train conn.log -o n --only-benign").fails(1, &["column \"label\" is missing"]);
    assert!(!dir.path("n").exists());
}

#[test]
fn a_larger_budget_gives_a_lower_threshold() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(3_000)));
    let threshold = |budget: u32| -> f64 {
        dir.ok(&format!("train conn.log -o m --alerts-per-day {budget}"));
        let json: serde_json::Value = serde_json::from_str(&dir.ok("inspect m --json")).unwrap();
        assert_eq!(json["alerts_per_day"], f64::from(budget));
        json["threshold"].as_f64().unwrap()
    };
    assert!(threshold(5) > threshold(500));
}

#[test]
fn rejects_training_without_connections() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&[]));
    dir.run("train conn.log -o m").fails(1, &["conn.log", "only 0 connections to learn from"]);
    assert!(!dir.path("m").exists());
}

#[test]
fn skips_unusable_rows() {
    let dir = Dir::new();
    let mut rows = rows(500);
    rows[7][11] = "SX".into();
    dir.write("conn.log", tsv(&rows));
    let outcome = dir.run("train conn.log -o m");
    let expected = "conn.log:16: field conn_state: \"SX\" is not a connection state such as SF; the row is skipped";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("trained on 499 of 499"), "{}", outcome.stderr);
    outcome.success();
    dir.run("train conn.log -o n --strict").fails(1, &["conn.log:16"]);
    assert!(!dir.path("n").exists());
}

#[test]
fn reads_standard_input_like_a_file() {
    let dir = Dir::new();
    let log = tsv(&rows(500));
    dir.write("conn.log", &log);
    dir.ok("train conn.log -o a");
    dir.pipe("train - -o b", log.as_bytes()).success();
    let scored = dir.ok("score -m a conn.log");
    assert_eq!(scored, dir.ok("score -m b conn.log"));
    assert_eq!(column(&scored, "uid")[250].0, ODD);
}

#[test]
fn long_connection_does_not_lengthen_the_observed_time() {
    let dir = Dir::new();
    // Two hours; one connection started five hours before.
    let mut rows = rows(2_400);
    rows.retain(|row| row[1] != ODD);
    let start: f64 = rows[0][0].parse().unwrap();
    (rows[1_000][0], rows[1_000][8]) = (format!("{:.6}", start - 18_000.0), "21000.0".into());
    dir.write("conn.log", tsv(&rows));
    let outcome = dir.run("train conn.log -o m");
    assert!(outcome.stderr.contains("trained on 2,399 of 2,399 connections in 2.0 hours;"), "{}", outcome.stderr);
    let text = dir.ok("inspect m");
    assert!(text.contains("2024-04-19 04:13:2") && text.contains("(2.0 hours with"), "{text}");
}

#[test]
fn prints_a_budget_with_three_digits() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(1_000)));
    let stderr = dir.run("train conn.log -o m --contamination 0.001").stderr;
    let budget = |text: &str| text.split(" for ").nth(1).unwrap().split(" alert").next().unwrap().to_owned();
    assert!(budget(&stderr).len() <= 5, "{stderr}");
    let text = dir.ok("inspect m");
    assert_eq!(budget(text.split("\nthreshold").nth(1).unwrap()), budget(&stderr), "{text}");
}

#[test]
fn warns_of_small_training_data() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(999)));
    let outcome = dir.run("train conn.log -o m");
    assert!(outcome.stderr.contains("trained on only 999 connections, too few"), "{}", outcome.stderr);
    dir.write("conn.log", tsv(&rows(1_000)));
    let outcome = dir.run("train conn.log -o m");
    assert!(!outcome.stderr.contains("trained on only"), "{}", outcome.stderr);
}

#[test]
fn json_equals_that_of_inspect() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(1_000)));
    let learnt = dir.ok("train conn.log -o m --json");
    assert_eq!(learnt, dir.ok("inspect m --json"));
}
