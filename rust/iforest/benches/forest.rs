//! Fit and scoring: `cargo bench -p iforest`. 100 trees of 256 rows over 24 columns, unless noted otherwise.

#![allow(clippy::expect_used, reason = "a bench may panic")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use iforest::{Forest, Matrix, Params, ScoreCache};

const COLUMNS: usize = 24;
const ROWS: usize = 4096;

fn main() {
    divan::main();
}

/// Approximately normal numbers, each the sum of twelve draws of a linear congruential generator.
fn values(rows: usize, columns: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..rows * columns).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect()
}

fn params(change: impl FnOnce(&mut Params)) -> Params {
    let mut params = Params::default();
    change(&mut params);
    params
}

fn forest(columns: usize, params: &Params) -> Forest {
    let values = values(25_600, columns);
    Matrix::new(&values, columns).and_then(|rows| Forest::fit(rows, params, 1)).expect("a forest")
}

fn one_at_a_time(bencher: Bencher, columns: usize, params: &Params) {
    let (forest, values) = (forest(columns, params), values(ROWS, columns));
    let mut next = values.chunks_exact(columns).cycle();
    bencher.bench_local(|| next.next().map(|row| forest.score(black_box(row))));
}

fn in_batch(bencher: Bencher, columns: usize, params: &Params) {
    let (forest, values) = (forest(columns, params), values(ROWS, columns));
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        let mut scores = Vec::with_capacity(ROWS);
        forest.score_rows(Matrix::new(black_box(&values), columns).expect("rows"), &mut ScoreCache::new(), &mut scores);
        scores
    });
}

/// One group of trees per column: no tree is traversed.
fn a_group_to_each_column(params: &mut Params) {
    params.groups = (0..COLUMNS as u16).map(|column| vec![column]).collect();
}

#[divan::bench(sample_size = 1000)]
fn one_row(bencher: Bencher) {
    one_at_a_time(bencher, COLUMNS, &Params::default());
}

#[divan::bench(sample_size = 1000)]
fn one_row_of_single_columns(bencher: Bencher) {
    one_at_a_time(bencher, COLUMNS, &params(a_group_to_each_column));
}

#[divan::bench]
fn rows_in_batch(bencher: Bencher) {
    in_batch(bencher, COLUMNS, &Params::default());
}

#[divan::bench]
fn rows_in_batch_of_single_columns(bencher: Bencher) {
    in_batch(bencher, COLUMNS, &params(a_group_to_each_column));
}

/// Trees of more than 256 rows, which are too high for the complete-tree layout.
#[divan::bench(sample_size = 1000)]
fn one_row_by_sample_size_512(bencher: Bencher) {
    one_at_a_time(bencher, COLUMNS, &params(|params| params.sample_size = 512));
}

#[divan::bench(args = [16, 64, 100, 256, 1024], sample_size = 1000)]
fn one_row_by_trees(bencher: Bencher, trees: usize) {
    one_at_a_time(bencher, COLUMNS, &params(|params| params.n_trees = trees));
}

#[divan::bench(args = [2, 4, 8, 16, 24, 32], sample_size = 1000)]
fn one_row_by_features(bencher: Bencher, columns: usize) {
    one_at_a_time(bencher, columns, &Params::default());
}

#[divan::bench(args = [1000, 25_600, 100_000])]
fn fit_by_rows(bencher: Bencher, rows: usize) {
    let values = values(rows, COLUMNS);
    bencher.bench_local(|| Matrix::new(&values, COLUMNS).and_then(|rows| Forest::fit(rows, &Params::default(), 1)));
}
