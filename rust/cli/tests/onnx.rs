//! Tests `import-onnx` and `export-onnx` with scikit-learn, skl2onnx and onnxruntime, driven by tests/onnx/forest. If
//! `python3` cannot import them, they are listed as ignored, with the reason; tests/cli/onnx.rs has the tests that need
//! no Python.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use detector::{FeatureRow, MAX_COLUMNS, Model, Trust};

use libtest_mimic::{Arguments, Trial};

const MODULES: &str = "sklearn, skl2onnx, onnxruntime";
/// Scores in a log are rounded to a millionth, so they can be off by half of that.
const TOLERANCE: f64 = 1e-6;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let modules = Command::new("python3").args(["-c", &format!("import {MODULES}")]).output();
    let missing = !modules.is_ok_and(|output| output.status.success());
    let trials = [
        ("scikit_learn_s_forest_scores_here_as_there", imported as fn()),
        ("our_forest_scores_in_onnxruntime_as_here", exported),
        ("an_imported_forest_can_be_exported", imported_and_exported),
        ("another_graph_is_refused", refused),
    ];
    let trial = |(name, test): (&str, fn())| {
        let trial = Trial::test(name, move || {
            test();
            Ok(())
        });
        if missing {
            return trial.with_kind(format!("python3 cannot import {MODULES}")).with_ignored_flag(true);
        }
        trial
    };
    libtest_mimic::run(&arguments, trials.into_iter().map(trial).collect()).exit_code()
}

fn imported() {
    // The second day has ports and services that the first lacks.
    for (parameters, day) in [("", DAY1), ("n_estimators=20 max_samples=700 bootstrap=True contamination=0.02", DAY2)] {
        let dir = tempfile::tempdir().unwrap();
        let run = Run(dir.path());
        run.iforest(&format!("features {} -o matrix.csv", data(day)));
        run.python(&format!("fit matrix.csv forest.onnx expected {parameters}"));
        run.iforest(&format!("import-onnx forest.onnx {} -o model", data(day)));
        run.iforest(&format!("score -m model {} -o scored.log", data(day)));
        assert_close(&run.logged("scored.log"), &run.scores("expected"));
    }
}

fn exported() {
    // Much of the second day lies outside the ranges of the first.
    for learning in ["", "--trees 50 --sample-size 1000"] {
        let dir = tempfile::tempdir().unwrap();
        let run = Run(dir.path());
        run.iforest(&format!("train {} -o model {learning}", data(DAY1)));
        run.iforest("export-onnx model -o forest.onnx");
        run.iforest(&format!("features -m model {} -o matrix.csv", data(DAY2)));
        run.python("run forest.onnx matrix.csv found");
        let model = Model::load(&dir.path().join("model"), &Trust::default()).unwrap();
        let matrix = std::fs::read_to_string(dir.path().join("matrix.csv")).unwrap();
        let expected: Vec<f64> = matrix.lines().skip(1).map(|line| model.graph_score(&row(line))).collect();
        assert_close(&run.scores("found"), &expected);
    }
}

fn row(line: &str) -> FeatureRow {
    let mut row: FeatureRow = [0.0; MAX_COLUMNS];
    line.split(',').zip(&mut row).for_each(|(text, value)| *value = text.parse().unwrap());
    row
}

fn imported_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run(dir.path());
    run.iforest(&format!("features {} -o matrix.csv", data(DAY1)));
    run.python("fit matrix.csv forest.onnx expected n_estimators=10");
    run.iforest(&format!("import-onnx forest.onnx {} -o model", data(DAY1)));
    run.iforest("export-onnx model -o again.onnx");
    run.python("run again.onnx matrix.csv found");
    assert_close(&run.scores("found"), &run.scores("expected"));
}

fn refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run(dir.path());
    run.iforest(&format!("features {} -o matrix.csv", data(DAY1)));
    for (kind, sentence) in [
        ("scaled", "its trees read the output of Scaler; fit the forest on the matrix itself"),
        ("regressor", "none of its outputs is the score of an isolation forest"),
        ("linear", "there is no TreeEnsembleRegressor in it"),
        ("narrow", "the forest takes 3 columns, a row of this version has "),
    ] {
        run.python(&format!("other {kind} matrix.csv other.onnx"));
        let output =
            run.start(env!("CARGO_BIN_EXE_zeek-iforest"), &format!("import-onnx other.onnx {} -o m", data(DAY1)));
        assert_eq!(output.status.code(), Some(1), "{kind}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("error: other.onnx: ") && stderr.contains(sentence), "{kind}: {stderr}");
        assert!(!dir.path().join("m").exists());
    }
}

const DAY1: &str = "lab-day1.conn.log";
const DAY2: &str = "lab-day2.conn.log";

fn data(name: &str) -> String {
    root().join("tests/data").join(name).display().to_string()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Programs in a scratch directory.
struct Run<'a>(&'a Path);

impl Run<'_> {
    fn start(&self, program: &str, arguments: &str) -> std::process::Output {
        Command::new(program).args(arguments.split_whitespace()).current_dir(self.0).output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, program: &str, arguments: &str) {
        let output = self.start(program, arguments);
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[track_caller]
    fn iforest(&self, arguments: &str) {
        self.succeeds(env!("CARGO_BIN_EXE_zeek-iforest"), arguments);
    }

    #[track_caller]
    fn python(&self, arguments: &str) {
        self.succeeds("python3", &format!("{} {arguments}", root().join("tests/onnx/forest").display()));
    }

    /// One score per line.
    fn scores(&self, name: &str) -> Vec<f64> {
        let text = std::fs::read_to_string(self.0.join(name)).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Scores in a log.
    fn logged(&self, name: &str) -> Vec<f64> {
        let text = std::fs::read_to_string(self.0.join(name)).unwrap();
        let names = text.lines().find_map(|line| line.strip_prefix("#fields\t")).unwrap();
        let column = names.split('\t').position(|name| name == "anomaly_score").unwrap();
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| row.split('\t').nth(column).unwrap().parse().unwrap()).collect()
    }
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    assert!(found.len() > 1000);
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < TOLERANCE, "row {row}: {found}, expected {expected}");
    }
}
