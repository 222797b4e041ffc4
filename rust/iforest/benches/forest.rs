//! Fit and scoring: `cargo bench -p iforest`. 100 trees of 256 rows over 24 columns, as the peers are measured.

#![allow(clippy::expect_used, reason = "a bench may panic")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use iforest::{Forest, Params, Rows};

const COLUMNS: usize = 24;

fn main() {
    divan::main();
}

/// Normal deviates in 12-fold sums of a linear congruential generator.
fn rows(n: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..n * COLUMNS).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect()
}

fn forest(params: &Params) -> Forest {
    let values = rows(25_600);
    Rows::new(&values, COLUMNS).and_then(|rows| Forest::fit(rows, params, 1)).expect("a forest")
}

#[divan::bench]
fn one_row(bencher: Bencher) {
    let (forest, values) = (forest(&Params::default()), rows(4096));
    let mut next = values.chunks_exact(COLUMNS).cycle();
    bencher.bench_local(|| next.next().map(|row| forest.score(black_box(row))));
}

#[divan::bench]
fn rows_in_batch(bencher: Bencher) {
    let (forest, values) = (forest(&Params::default()), rows(4096));
    bencher.counter(ItemsCount::new(4096usize)).bench_local(|| {
        let mut scores = Vec::with_capacity(4096);
        forest.score_rows(Rows::new(black_box(&values), COLUMNS).expect("rows"), &mut scores);
        scores
    });
}

#[divan::bench(args = [16, 64, 100, 256, 1024])]
fn one_row_by_trees(bencher: Bencher, trees: usize) {
    let mut params = Params::default();
    params.n_trees = trees;
    let (forest, values) = (forest(&params), rows(4096));
    let mut next = values.chunks_exact(COLUMNS).cycle();
    bencher.bench_local(|| next.next().map(|row| forest.score(black_box(row))));
}

#[divan::bench(args = [1000, 25_600, 100_000])]
fn fit_by_rows(bencher: Bencher, n: usize) {
    let values = rows(n);
    bencher.bench_local(|| Rows::new(&values, COLUMNS).and_then(|rows| Forest::fit(rows, &Params::default(), 1)));
}
