//! ROC AUC of the forest on labelled tables: its mean and standard deviation over ten seeds, and each seed's.
//!
//! `cargo run --release -p iforest --example auc -- TABLE.csv...` reads comma-separated files (plain or gzip) with a
//! header line, whose last column is 1 for an anomaly and 0 otherwise.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};

use iforest::{Forest, Matrix, Params, ScoreCache};

const SEEDS: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:20}{:>9}{:>10}{:>9}{:>9}  of each seed", "table", "rows", "columns", "AUC", "s.d.");
    for path in std::env::args().skip(1) {
        let Table { values, n_features, anomalous } = read(&path).map_err(|cause| format!("{path}: {cause}"))?;
        let rows = Matrix::new(&values, n_features)?;
        let (mut aucs, mut scores) = (Vec::new(), Vec::new());
        for seed in 0..SEEDS {
            scores.clear();
            Forest::fit(rows, &Params::default(), seed)?.score_rows(rows, &mut ScoreCache::new(), &mut scores);
            aucs.push(roc_auc(&scores, &anomalous));
        }
        let mean = aucs.iter().sum::<f64>() / aucs.len() as f64;
        let deviation = (aucs.iter().map(|auc| (auc - mean).powi(2)).sum::<f64>() / (aucs.len() - 1) as f64).sqrt();
        let name = path.rsplit('/').next().unwrap_or(&path);
        let each: Vec<_> = aucs.iter().map(|auc| format!("{auc:.6}")).collect();
        let each = each.join(" ");
        println!("{name:20}{:>9}{n_features:>10}{mean:>9.4}{deviation:>9.4}  {each}", rows.len());
    }
    Ok(())
}

struct Table {
    values: Vec<f32>,
    n_features: usize,
    anomalous: Vec<bool>,
}

fn read(path: &str) -> Result<Table, Box<dyn Error>> {
    let file = std::fs::File::open(path)?;
    let reader: Box<dyn Read> =
        if path.ends_with(".gz") { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let (mut values, mut anomalous, mut n_features) = (Vec::new(), Vec::new(), 0);
    for line in BufReader::new(reader).lines().skip(1) {
        let mut row = line?.split(',').map(str::parse).collect::<Result<Vec<f32>, _>>()?;
        anomalous.push(row.pop().ok_or("an empty line")? > 0.5);
        n_features = row.len();
        values.extend(row);
    }
    Ok(Table { values, n_features, anomalous })
}

/// Probability that an anomaly scores above an ordinary row; ties count half.
fn roc_auc(scores: &[f64], anomalous: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut wins, mut ordinary, mut anomalies) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let positive = tied.iter().filter(|&&i| anomalous[i]).count() as f64;
        let negative = tied.len() as f64 - positive;
        wins += positive * (ordinary + negative / 2.0);
        ordinary += negative;
        anomalies += positive;
    }
    wins / (ordinary * anomalies)
}
