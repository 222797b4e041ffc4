//! Scores of the rows of a table by the plain forest: one line for each of ten seeds.
//!
//! `cargo run --release -p iforest --example scores -- TABLE.csv` reads a comma-separated file (plain or gzip) with a
//! header line, whose last column is no feature.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};

use iforest::{Forest, Matrix, Params, ScoreCache};

const SEEDS: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("no table")?;
    let (values, n_features) = read(&path)?;
    let rows = Matrix::new(&values, n_features)?;
    for seed in 0..SEEDS {
        let mut scores = Vec::new();
        Forest::fit(rows, &Params::default(), seed)?.score_rows(rows, &mut ScoreCache::new(), &mut scores);
        println!("{}", scores.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
    }
    Ok(())
}

/// Values of the features, row by row, and their number.
fn read(path: &str) -> Result<(Vec<f32>, usize), Box<dyn Error>> {
    let file = std::fs::File::open(path)?;
    let reader: Box<dyn Read> =
        if path.ends_with(".gz") { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let (mut values, mut n_features) = (Vec::new(), 0);
    for line in BufReader::new(reader).lines().skip(1) {
        let mut row = line?.split(',').map(str::parse).collect::<Result<Vec<f32>, _>>()?;
        row.pop();
        n_features = row.len();
        values.extend(row);
    }
    Ok((values, n_features))
}
