//! `evaluate`: metrics, compared with their definitions.

use serde_json::Value;

use crate::lab::data;
use crate::logs::{self, ODD, column, rows, tsv};
use crate::run::Dir;

/// A directory with a model and a log in which every seventh row and the odd one are malicious, so that the figures
/// are not trivial.
fn labelled() -> Dir {
    labelled_of(400)
}

fn labelled_of(n: usize) -> Dir {
    let dir = Dir::new();
    let rows = rows(n);
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
fn metrics_match_their_definitions() {
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
fn table_and_json_have_equal_metrics() {
    let dir = labelled();
    let table = dir.ok("evaluate -m m labelled.log");
    let figures: Value = serde_json::from_str(&dir.ok("evaluate -m m labelled.log --json")).unwrap();
    assert!(table.starts_with("400 connections, 58 malicious (14.5 %)"), "{table}");
    assert!(table.contains(&format!("ROC AUC            {:.4}\n", figures["roc_auc"].as_f64().unwrap())), "{table}");
    assert!(table.lines().all(|line| line.len() <= 100), "{table}");
}

#[test]
fn tables_fit_any_terminal() {
    let dir = labelled();
    dir.ok("train conn.log -o another");
    for columns in [100, 60, 40] {
        for more in ["-m m", "-m m -m another", "--protocol unlabelled --seeds 2"] {
            let table = dir.on_terminal(columns, &format!("evaluate labelled.log {more}"));
            assert!(table.lines().all(|line| line.chars().count() <= columns), "{columns}: {table}");
            assert!(table.contains("average precision"), "{table}");
        }
    }
}

#[test]
fn selects_other_labels() {
    let dir = labelled();
    let by_detail = json(&dir, "evaluate -m m labelled.log --json --label detailed-label --malicious c&c");
    let by_label = json(&dir, "evaluate -m m labelled.log --json");
    for figure in ["roc_auc", "average_precision", "malicious", "at_alerts", "at_threshold"] {
        assert_eq!(by_detail[figure], by_label[figure], "{figure}");
    }
    assert_eq!(
        (&by_label["attacks"][0]["label"], &by_detail["attacks"][0]["label"]),
        (&"malicious".into(), &"C&C".into())
    );
    dir.run("evaluate -m m labelled.log --malicious Ben --label verdict").fails(1, &["column \"verdict\" is missing"]);
    dir.run("evaluate -m m labelled.log --malicious evil")
        .fails(1, &["none of 400 connections", "\"evil\"", "--malicious"]);
    dir.run("evaluate -m m conn.log").fails(1, &["column \"label\" is missing", "--label"]);
    dir.pipe("evaluate -m m", logs::json(&rows(5)).as_bytes()).fails(1, &["no row has a \"label\""]);
}

/// The lab's ordinary day and its labelled day.
const LAB: [&str; 2] = ["lab-day1.conn.log", "lab-day2.labelled.conn.log"];

fn lab() -> Dir {
    let dir = Dir::new();
    for name in LAB {
        dir.write(name, std::fs::read(data(name)).unwrap());
    }
    dir
}

fn json(dir: &Dir, arguments: &str) -> Value {
    serde_json::from_str(&dir.ok(arguments)).unwrap()
}

#[test]
fn compares_several_models() {
    let dir = lab();
    dir.ok("train lab-day1.conn.log -o a");
    dir.ok("train lab-day1.conn.log -o b --seed 2");
    let [a, b] = ["a", "b"].map(|model| json(&dir, &format!("evaluate -m {model} {} --json", LAB[1])));
    assert_ne!(a["roc_auc"], b["roc_auc"]);
    let both = json(&dir, &format!("evaluate -m a -m b {} --json", LAB[1]));
    assert_eq!(both["settings"].as_array().unwrap(), &[a, b]);
    let table = dir.ok(&format!("evaluate -m a -m b {}", LAB[1]));
    assert!(table.contains("\nsetting  ROC AUC  average precision\na        0."), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
}

#[test]
fn ranks_each_attack_of_the_lab() {
    let dir = lab();
    dir.ok("train lab-day1.conn.log -o m");
    let figures = json(&dir, &format!("evaluate -m m {} --json", LAB[1]));
    let attacks = figures["attacks"].as_array().unwrap();
    let scored = dir.ok(&format!("score -m m {}", LAB[1]));
    let labels = column(&scored, "label");
    let scores = column(&scored, "anomaly_score");
    assert_eq!(attacks.len(), 6);
    for attack in attacks {
        let label = attack["label"].as_str().unwrap();
        let score = |(score, _): &(&(String, String), &(String, String))| score.1.parse::<f64>().unwrap();
        let rows = || scores.iter().zip(&labels);
        let own = || rows().filter(|(_, of)| of.1 == label);
        let best = own().map(|row| score(&row)).fold(0.0, f64::max);
        let above = rows().filter(|row| row.1.1 != label && score(row) >= best).count() as u64;
        assert_eq!(attack["connections"].as_u64().unwrap(), own().count() as u64, "{label}");
        assert_eq!(attack["rank"].as_u64().unwrap(), above + 1, "{label}");
        let passing = rows().filter(|row| score(row) >= best).count() as u64;
        assert!((1..=passing).contains(&attack["alerts"].as_u64().unwrap()), "{label}");
    }
}

#[test]
fn counts_the_incidents_of_each_attack() {
    let dir = lab();
    dir.ok("train lab-day1.conn.log -o m");
    let figures = json(&dir, &format!("evaluate -m m {} --json", LAB[1]));
    let total = figures["incidents"].as_u64().unwrap();
    let lines = dir.ok(&format!("incidents -q -m m {} --json -n 1000", LAB[1]));
    assert_eq!(total, lines.lines().count() as u64);
    for attack in figures["attacks"].as_array().unwrap() {
        let (holding, above) = (attack["incidents"].as_u64().unwrap(), attack["incidents_above"].as_u64());
        assert!((1..=3).contains(&holding) && above.unwrap() + holding <= total, "{attack}");
    }
    // Only the best attack has none above it.
    let attacks = figures["attacks"].as_array().unwrap().iter();
    assert_eq!(attacks.filter(|attack| attack["incidents_above"] == 0).count(), 1);
    let text = dir.ok(&format!("evaluate -m m {}", LAB[1]));
    assert!(text.contains("incidents above") && text.contains(&format!("{total} incidents")), "{text}");
}

#[test]
fn limits_the_number_of_attack_labels() {
    let dir = labelled();
    let rows = rows(20_000);
    let lines = rows.iter().enumerate().map(|(i, row)| match i {
        0 => row.join("\t") + "\tbenign\n",
        i => format!("{}\tmalicious-{i}\n", row.join("\t")),
    });
    dir.write("many.log", logs::header(&["label"]) + &lines.collect::<String>());
    let outcome = dir.run("evaluate -m m many.log --json");
    assert!(
        outcome.stderr.contains(
            "more than 256 distinct malicious labels: 19,743 connections with further labels are counted as one attack, \
             (others)"
        ),
        "{}",
        outcome.stderr
    );
    let figures: Value = serde_json::from_str(&outcome.success()).unwrap();
    assert_eq!((&figures["connections"], &figures["malicious"]), (&20_000.into(), &19_999.into()));
    let attacks = figures["attacks"].as_array().unwrap();
    assert_eq!((attacks.len(), &attacks[0]["label"]), (257, &"malicious-1".into()));
    assert_eq!((&attacks[256]["label"], &attacks[256]["connections"]), (&"(others)".into(), &19_743.into()));
    assert!(attacks[..256].iter().all(|attack| attack["connections"] == 1));
}

#[test]
fn novelty_equals_training_then_evaluating() {
    let dir = lab();
    // Sorted by time, because a protocol processes connections in that order.
    for name in LAB {
        let text = dir.read(name);
        let (mut rows, rest): (Vec<_>, Vec<_>) = text.lines().partition(|line| !line.starts_with('#'));
        rows.sort_by_key(|row| row.split('\t').next().unwrap().replace('.', "").parse::<u64>().unwrap());
        dir.write(
            &format!("sorted-{name}"),
            rest.iter().chain(&rows).map(|line| format!("{line}\n")).collect::<String>(),
        );
    }
    let runs: Vec<f64> = (1..=3)
        .map(|seed| {
            dir.ok(&format!("train sorted-{} --only-benign -o m --seed {seed}", LAB[1]));
            json(&dir, &format!("evaluate -m m sorted-{} --json", LAB[1]))["roc_auc"].as_f64().unwrap()
        })
        .collect();
    let figures = json(&dir, &format!("evaluate --protocol novelty --train {} {} --json", LAB[1], LAB[1]));
    let found: Vec<f64> =
        figures["runs"].as_array().unwrap().iter().map(|run| run["roc_auc"].as_f64().unwrap()).collect();
    assert_eq!(found, runs);
    let mean = runs.iter().sum::<f64>() / 3.0;
    assert!((figures["roc_auc"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!(figures["standard_deviation"]["roc_auc"].as_f64().unwrap() > 0.0);
    // A log without labels is one without attacks.
    let unlabelled = json(&dir, &format!("evaluate --protocol novelty --train {} {} --json", LAB[0], LAB[1]));
    assert!(unlabelled["roc_auc"].as_f64().unwrap() > 0.8);
}

#[test]
fn protocols_score_their_test_connections() {
    let dir = lab();
    let thinned = json(&dir, &format!("evaluate --protocol unlabelled --share 0.05 --seeds 2 {} --json", LAB[1]));
    assert_eq!((&thinned["connections"], &thinned["malicious"]), (&(2631 + 131).into(), &131.into()));
    assert_eq!(thinned["runs"].as_array().unwrap().len(), 2);
    let folds = json(&dir, &format!("evaluate --protocol folds --folds 3 --seeds 1 {} --json", LAB[1]));
    assert_eq!((&folds["connections"], &folds["malicious"]), (&3069.into(), &438.into()));
    assert!(folds.get("standard_deviation").is_none() && folds.get("runs").is_none());
    // The second day is another day of the same network.
    let days = json(&dir, &format!("evaluate --protocol days --seeds 1 {} {} --json", LAB[0], LAB[1]));
    assert_eq!((&days["connections"], &days["malicious"]), (&3069.into(), &438.into()));
    dir.run(&format!("evaluate --protocol days {}", LAB[1])).fails(1, &["no day with benign connections", "1 day"]);
}

#[test]
fn tuning_lists_the_best_combination_first() {
    let dir = labelled_of(80);
    let tried = json(&dir, "evaluate --protocol unlabelled --seeds 1 --tune labelled.log --json");
    let tried = tried["settings"].as_array().unwrap();
    let precision: Vec<_> = tried.iter().map(|one| one["average_precision"].as_f64().unwrap()).collect();
    assert!(precision.is_sorted_by(|a, b| a >= b));
    let default: Vec<_> = tried.iter().filter(|one| one["default"] == true).collect();
    assert_eq!(default.len(), 1);
    let plain = json(&dir, "evaluate --protocol unlabelled --seeds 1 labelled.log --json");
    assert_eq!(default[0]["average_precision"], plain["average_precision"]);
}

#[test]
fn draws_curves() {
    let dir = lab();
    dir.ok("train lab-day1.conn.log -o a");
    dir.ok(&format!("evaluate -m a -m a {} --roc roc.svg --pr pr.svg", LAB[1]));
    for (file, title) in [("roc.svg", "ROC curve"), ("pr.svg", "Precision-recall curve")] {
        let svg = dir.read(file);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert!(svg.contains(title));
        let curves: Vec<_> = svg.lines().filter(|line| line.contains("<polyline")).collect();
        assert!(curves.len() >= 4, "{svg}");
    }
    dir.run(&format!("evaluate -m a {} --roc nowhere/roc.svg", LAB[1])).fails(1, &["nowhere/roc.svg"]);
    // A file name can contain markup and control characters.
    let name = "<b>\u{1b}[2J\u{202e}";
    std::fs::copy(dir.path("a"), dir.path(name)).unwrap();
    dir.ok(&format!("evaluate -m {name} {} --roc roc.svg", LAB[1]));
    let svg = dir.read("roc.svg");
    assert!(svg.contains("&lt;b&gt;\\x1b[2J\\xe2\\x80\\xae"), "{svg}");
    assert!(!svg.contains(|c: char| c == '\u{202e}' || (c.is_control() && c != '\n')), "{svg}");
}

#[test]
fn requires_either_model_or_protocol() {
    let dir = Dir::new();
    for (arguments, text) in [
        ("evaluate x", "--model"),
        ("evaluate x -m m --protocol days", "--protocol"),
        ("evaluate x -m m --trees 200", "--trees"),
        ("evaluate x -m m --seed 2", "--seed"),
        ("evaluate x -m m --contamination 0.2", "--contamination"),
        ("evaluate x -m m --tune", "--tune"),
        ("evaluate x --protocol days --tune --trees 22", "--trees"),
        ("evaluate x --protocol days --tune --sample-size 32", "--sample-size"),
        ("evaluate x --protocol days --tune --alerts-per-day 5", "--alerts-per-day"),
        ("evaluate x --protocol days --trusted-key k", "--trusted-key"),
        ("evaluate x --protocol novelty", "--train"),
        ("evaluate x --protocol other", "unlabelled"),
    ] {
        dir.run(arguments).fails(2, &[text]);
    }
}

#[test]
fn rejects_options_of_other_protocols() {
    let dir = Dir::new();
    for (arguments, message) in [
        ("--protocol folds --train x", "--train: only for --protocol novelty; omit it"),
        ("--protocol days --share 0.9", "--share: only for --protocol unlabelled; omit it"),
        ("--protocol unlabelled --folds 3", "--folds: only for --protocol folds; omit it"),
    ] {
        dir.run(&format!("evaluate x {arguments}")).fails(1, &[message]);
    }
}

#[test]
fn novelty_requires_one_kind_of_log() {
    let dir = lab();
    let dns = data("lab-dns-day1.dns.log");
    std::fs::create_dir(dir.path("train")).unwrap();
    std::fs::copy(&dns, dir.path("train/dns.log")).unwrap();
    let run = |train: &str, log: &str| dir.run(&format!("evaluate --protocol novelty --seeds 1 --train {train} {log}"));
    run("train/dns.log", LAB[1]).fails(1, &["the inputs are of two kinds", "train/dns.log of dns.log"]);
    // A directory holds logs of both kinds; those of the scored kind count.
    let labelled = data("lab-dns-day2.labelled.dns.log");
    run("train", labelled.to_str().unwrap()).success();
    run("train", LAB[1]).fails(1, &["train: none of the 1 files", "conn.log"]);
}
