//! `import-onnx` and `export-onnx` without Python, on a forest of tests/onnx/make-data.

use crate::lab::data;
use crate::logs::{column, rows, tsv};
use crate::run::Dir;

fn import(dir: &Dir) {
    let (forest, log) = (data("lab-day1.forest.onnx"), data("lab-day1.conn.log"));
    dir.ok(&format!("import-onnx {} {} -o m", forest.display(), log.display()));
}

#[test]
fn imported_forest_has_scores_of_scikit_learn() {
    let dir = Dir::new();
    import(&dir);
    let scored = dir.ok(&format!("score -m m {}", data("lab-day1.conn.log").display()));
    let found = column(&scored, "anomaly_score");
    let expected = std::fs::read_to_string(data("lab-day1.forest.scores")).unwrap();
    assert_eq!(found.len(), expected.lines().count());
    for ((uid, found), expected) in found.iter().zip(expected.lines()) {
        let difference = found.parse::<f64>().unwrap() - expected.parse::<f64>().unwrap();
        assert!(difference.abs() < 1e-6, "{uid}: {found}, expected {expected}");
    }
    assert!(dir.ok("inspect m").contains("10 trees of 64 rows each, built by another program"));
}

#[test]
fn import_takes_rarity_from_the_model() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(300)));
    dir.ok("train conn.log -o other");
    let forest = data("lab-day1.forest.onnx");
    dir.ok(&format!("import-onnx {} -m other {} -o m", forest.display(), data("lab-day1.conn.log").display()));
    assert_eq!(dir.ok("features -m m conn.log"), dir.ok("features -m other conn.log"));
    dir.ok(&format!("train {} -o dns", data("lab-dns-day1.dns.log").display()));
    dir.run(&format!("import-onnx {} -m dns conn.log -o n", forest.display()))
        .fails(1, &["dns: is a model of dns.log, but the logs are conn.log"]);
    assert!(!dir.path("n").exists());
    import(&dir);
    assert_ne!(dir.ok("features -m m conn.log"), dir.ok("features -m other conn.log"));
}

#[test]
fn rejects_files_other_than_forests() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(300)));
    let whole = std::fs::read(data("lab-day1.forest.onnx")).unwrap();
    let refused = |contents: &[u8], sentence: &str| {
        dir.write("forest", contents);
        dir.run("import-onnx forest conn.log -o m").fails(1, &["error: forest: ", sentence]);
        assert!(!dir.path("m").exists());
    };
    for contents in [&b""[..], b"hello", tsv(&rows(3)).as_bytes(), &whole[..whole.len() / 2]] {
        refused(contents, "is not an ONNX file; make one of a fitted IsolationForest with skl2onnx.to_onnx");
    }
    // Its own export is a graph of another kind.
    dir.ok("train conn.log -o model");
    dir.ok("export-onnx model -o ours");
    refused(dir.read_bytes("ours").as_slice(), "is not a scikit-learn IsolationForest as skl2onnx writes it: ");
    dir.run("import-onnx nowhere conn.log -o m").fails(1, &["error: nowhere: not found"]);
}

/// Arbitrary bytes give a model or an error message.
#[test]
fn damaged_graph_does_not_panic() {
    let whole = std::fs::read(data("lab-day1.forest.onnx")).unwrap();
    for at in (0..whole.len()).step_by(37) {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            let _ = iforest_onnx::read(&damaged);
        }
    }
}

#[test]
fn exported_graph_names_columns_and_threshold() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(300)));
    dir.ok("train conn.log -o model");
    dir.ok("export-onnx model -o ours");
    assert_eq!(dir.read_bytes("ours"), dir.run_bytes("export-onnx model"));
    let graph = String::from_utf8_lossy(&dir.read_bytes("ours")).into_owned();
    for text in ["TreeEnsembleRegressor", "anomaly_score", "orig_bytes,resp_bytes,", "threshold", "maximum_end"] {
        assert!(graph.contains(text), "{text}");
    }
}
