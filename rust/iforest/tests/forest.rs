//! Properties of forests on random rows.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use iforest::{ErrorKind, FeatureRange, Forest, Matrix, Params, RawForest, RawNode, ScoreCache};
use proptest::prelude::*;

fn config() -> bincode::config::Configuration {
    bincode::config::standard()
}

fn stored(forest: &Forest) -> Vec<u8> {
    bincode::serde::encode_to_vec(forest, config()).unwrap()
}

fn params(n_trees: usize, sample_size: usize) -> Params {
    let mut params = Params::default();
    (params.n_trees, params.sample_size) = (n_trees, sample_size);
    params
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -1e3f32..1e3,
        2 => (0..4i8).prop_map(f32::from),
        1 => Just(f32::NAN),
        1 => Just(f32::MAX),
        1 => Just(f32::MIN),
        1 => Just(0.0),
    ]
}

proptest! {
    #[test]
    fn raw_round_trip_preserves_scores(
        values in prop::collection::vec(value(), 3 * 2..3 * 200),
        n_trees in 2..20usize,
        grouped: bool,
        seed: u64,
    ) {
        let rows = Matrix::new(&values[..values.len() / 3 * 3], 3).unwrap();
        let mut params = params(n_trees, 64);
        if grouped {
            params.groups = vec![vec![0], vec![1, 2]];
            (params.mean_exponent, params.extrapolate) = (3, true);
        }
        let forest = Forest::fit(rows, &params, seed).unwrap();
        let again = Forest::from_raw(&forest.to_raw()).unwrap();
        prop_assert_eq!(again.to_raw(), forest.to_raw());
        prop_assert!(again.is_imported() && !forest.is_imported());
        prop_assert_eq!(forest.to_raw().average_path_length(), iforest::average_path_length(forest.sample_size()));
        let (again, _): (Forest, _) = bincode::serde::decode_from_slice(&stored(&again), config()).unwrap();
        for row in rows.iter().chain([&[f32::INFINITY, 1e9, f32::NAN][..]]) {
            prop_assert_eq!(forest.score(row).to_bits(), again.score(row).to_bits());
        }
    }

    #[test]
    fn a_score_without_a_column_is_that_of_the_row_with_another_value_there(
        values in prop::collection::vec(value(), 3 * 2..3 * 200),
        row in prop::collection::vec(value(), 3),
        usual in prop::collection::vec(value(), 3),
        extrapolate: bool,
        seed: u64,
    ) {
        let rows = Matrix::new(&values[..values.len() / 3 * 3], 3).unwrap();
        let mut params = params(9, 64);
        params.groups = vec![vec![0], vec![1, 2], vec![2]];
        (params.mean_exponent, params.extrapolate) = (2, extrapolate);
        let forest = Forest::fit(rows, &params, seed).unwrap();
        let scores = forest.scores_without(&row, &usual);
        prop_assert_eq!(scores.len(), 3);
        for (column, score) in scores.into_iter().enumerate() {
            let mut other = row.clone();
            other[column] = usual[column];
            prop_assert_eq!(score.to_bits(), forest.score(&other).to_bits());
        }
    }

    #[test]
    fn scores_lie_between_0_and_1_and_a_stored_forest_gives_the_same(
        values in prop::collection::vec(value(), 3 * 2..3 * 200),
        probe in prop::collection::vec(prop_oneof![value(), Just(f32::INFINITY), Just(f32::NEG_INFINITY)], 3),
        n_trees in 1..20usize,
        sample_size in 2..300usize,
        seed: u64,
    ) {
        let rows = Matrix::new(&values[..values.len() / 3 * 3], 3).unwrap();
        let forest = Forest::fit(rows, &params(n_trees, sample_size), seed).unwrap();
        let (again, _): (Forest, _) = bincode::serde::decode_from_slice(&stored(&forest), config()).unwrap();
        for row in rows.iter().chain([&probe[..]]) {
            let score = forest.score(row);
            prop_assert!(score > 0.0 && score <= 1.0, "{score}");
            prop_assert_eq!(score.to_bits(), again.score(row).to_bits());
        }
    }

    #[test]
    fn missing_values_score_like_values_below_all_others(
        values in prop::collection::vec(prop_oneof![4 => 0f32..9.0, 1 => Just(f32::NAN)], 2 * 2..2 * 100),
        seed: u64,
    ) {
        let values = &values[..values.len() / 2 * 2];
        let forest = Forest::fit(Matrix::new(values, 2).unwrap(), &params(10, 64), seed).unwrap();
        for x in [0.0, 4.5, 9.0] {
            prop_assert_eq!(forest.score(&[f32::NAN, x]), forest.score(&[f32::NEG_INFINITY, x]));
        }
    }

    #[test]
    fn damaged_bytes_never_make_a_forest_that_panics(
        at in any::<prop::sample::Index>(), flip in 1..=255u8, probe in prop::collection::vec(value(), 4),
    ) {
        let values: Vec<f32> = (0..400).map(|i| (i * 37 % 101) as f32).collect();
        let mut bytes = stored(&Forest::fit(Matrix::new(&values, 4).unwrap(), &params(5, 32), 1).unwrap());
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let limited = config().with_limit::<1_000_000>();
        if let Ok((forest, _)) = bincode::serde::decode_from_slice::<Forest, _>(&bytes, limited) {
            let mut row = probe;
            row.resize(forest.n_features(), 0.0);
            let score = forest.score(&row);
            prop_assert!(score > 0.0 && score <= 1.0);
        }
    }
}

/// Clustered rows: most around a few centres, two constant columns, some missing values.
fn sample_rows() -> Vec<f32> {
    (0..2000u32)
        .flat_map(|i| {
            let noise = (i.wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0;
            [(i % 5) as f32 + noise, 1.0, if i % 7 == 0 { f32::NAN } else { noise }, 0.0, (i % 64) as f32]
        })
        .collect()
}

#[test]
fn number_of_threads_does_not_change_scores() {
    let values = sample_rows();
    let fit = || Forest::fit_out_of_bag(Matrix::new(&values, 5).unwrap(), &Params::default(), 9).unwrap();
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(fit);
    let (one, three) = (with(1), with(3));
    assert_eq!(stored(&one.forest), stored(&three.forest));
    assert_eq!(one.out_of_bag_scores, three.out_of_bag_scores);
}

#[test]
fn trees_split_only_columns_of_their_group() {
    // Column 0 is unusual, but in no group.
    let values = sample_rows();
    let mut params = params(20, 64);
    params.groups = vec![vec![4], vec![2, 3]];
    let forest = Forest::fit(Matrix::new(&values, 5).unwrap(), &params, 1).unwrap();
    let score = |row: [f32; 5]| forest.score(&row);
    let ordinary = score([2.5, 1.0, 0.5, 0.0, 32.0]);
    assert_eq!(score([1e6, -1e6, 0.5, 0.0, 32.0]), ordinary);
    assert!(score([2.5, 1.0, 50.0, 0.0, 32.0]) > ordinary);
    assert!(score([2.5, 1.0, 0.5, 0.0, 3200.0]) > ordinary);
}

#[test]
fn mean_exponent_favours_the_most_anomalous_group() {
    let values = sample_rows();
    let score = |mean_exponent, row: [f32; 5]| {
        let mut params = params(60, 64);
        params.groups = vec![vec![0], vec![2], vec![4]];
        params.mean_exponent = mean_exponent;
        let forest = Forest::fit(Matrix::new(&values, 5).unwrap(), &params, 1).unwrap();
        let mut batch = Vec::new();
        forest.score_rows(Matrix::new(&row, 5).unwrap(), &mut ScoreCache::new(), &mut batch);
        assert_eq!(batch, [forest.score(&row)]);
        let groups = forest.group_scores(&row);
        let mean = groups.iter().map(|score| score.powi(mean_exponent.into())).sum::<f64>() / 3.0;
        assert!((forest.score(&row) - mean.powf(1.0 / f64::from(mean_exponent))).abs() < 1e-12);
        forest.score(&row)
    };
    let (ordinary, odd) = ([2.5, 1.0, 0.5, 0.0, 32.0], [2.5, 1.0, 0.5, 0.0, 3200.0]);
    let gap = |mean_exponent| score(mean_exponent, odd) - score(mean_exponent, ordinary);
    assert!(gap(1) > 0.0 && gap(16) > 1.5 * gap(1), "{} {}", gap(1), gap(16));
}

#[test]
fn extrapolation_separates_far_outside_from_barely_outside() {
    let values = sample_rows();
    let fit = |extrapolate| {
        let mut params = params(60, 64);
        (params.groups, params.extrapolate) = (vec![vec![0], vec![2, 3], vec![4]], extrapolate);
        Forest::fit(Matrix::new(&values, 5).unwrap(), &params, 1).unwrap()
    };
    let (blind, seeing) = (fit(false), fit(true));
    for row in values.chunks_exact(5) {
        assert_eq!(blind.score(row), seeing.score(row));
    }
    let row = |x| [2.5, 1.0, 0.5, 0.0, x];
    assert_eq!(blind.score(&row(80.0)), blind.score(&row(8000.0)));
    assert!(seeing.score(&row(80.0)) < seeing.score(&row(8000.0)));
    assert!(seeing.score(&row(f32::INFINITY)) <= 1.0);
    let again: Forest = bincode::serde::decode_from_slice(&stored(&seeing), config()).unwrap().0;
    assert_eq!(again.score(&row(8000.0)), seeing.score(&row(8000.0)));
}

#[test]
fn different_seeds_give_different_forests() {
    let values = sample_rows();
    let fit = |seed| stored(&Forest::fit(Matrix::new(&values, 5).unwrap(), &Params::default(), seed).unwrap());
    assert_eq!(fit(1), fit(1));
    assert_ne!(fit(1), fit(2));
}

/// Pins scores to the bit: a change would change every existing model.
#[test]
fn scores_are_pinned_to_the_bit() {
    let values = sample_rows();
    let forest = Forest::fit(Matrix::new(&values, 5).unwrap(), &Params::default(), 42).unwrap();
    let score = |row: [f32; 5]| forest.score(&row).to_bits();
    assert_eq!(score([2.5, 1.0, 0.5, 0.0, 32.0]), 4602122249218431297);
    assert_eq!(score([90.0, 1.0, f32::NAN, 3.0, -1.0]), 4603849235247687372);
}

#[test]
fn out_of_bag_scores_of_unseen_rows_are_like_those_of_new_ones() {
    // With far more rows than any tree sees, leaving out the trees that saw a row hardly matters.
    let values = sample_rows();
    let rows = Matrix::new(&values, 5).unwrap();
    let fit = Forest::fit_out_of_bag(rows, &params(200, 16), 3).unwrap();
    assert_eq!(fit.out_of_bag_scores.len(), rows.len());
    for (row, out_of_bag) in rows.iter().zip(fit.out_of_bag_scores) {
        assert!((fit.forest.score(row) - out_of_bag).abs() < 0.02);
    }
}

#[test]
fn rejects_invalid_input_with_its_position() {
    let fit = |values: &[f32], n| Matrix::new(values, n).and_then(|rows| Forest::fit(rows, &Params::default(), 0));
    assert_eq!(*fit(&[1.0; 5], 2).unwrap_err().kind(), ErrorKind::Shape { values: 5, n_features: 2 });
    assert_eq!(*fit(&[1.0; 4], 0).unwrap_err().kind(), ErrorKind::Shape { values: 4, n_features: 0 });
    assert_eq!(*fit(&[1.0, 2.0], 2).unwrap_err().kind(), ErrorKind::TooFewRows { rows: 1, min: 2 });
    let infinite = fit(&[1.0, 2.0, 3.0, f32::NEG_INFINITY], 2).unwrap_err();
    assert_eq!(
        infinite.to_string(),
        "row 1, column 1 is infinite; give a finite number, or NaN where the value is missing"
    );
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, f32::NAN, 7.0, f32::INFINITY, f32::INFINITY];
    assert_eq!(*fit(&values, 3).unwrap_err().kind(), ErrorKind::Infinite { row: 2, column: 1 });
    let wide = vec![0.0; 2 * 1025];
    assert!(matches!(fit(&wide, 1025).unwrap_err().kind(), ErrorKind::Parameter { name: "number of columns", .. }));
}

#[test]
fn matrix_has_a_length() {
    let (none, two) = (Matrix::new(&[], 3).unwrap(), Matrix::new(&[1.0; 6], 3).unwrap());
    assert_eq!((none.len(), none.is_empty(), two.len(), two.is_empty()), (0, true, 2, false));
    assert_eq!(*Matrix::new(&[], 0).unwrap_err().kind(), ErrorKind::Shape { values: 0, n_features: 0 });
}

#[test]
fn rejects_invalid_raw_forests() {
    let values: Vec<f32> = (0..40).map(|i| (i * i % 17) as f32).collect();
    let good = Forest::fit(Matrix::new(&values, 2).unwrap(), &params(3, 16), 7).unwrap().to_raw();
    let broken = |change: fn(&mut RawForest)| {
        let mut raw = good.clone();
        change(&mut raw);
        Forest::from_raw(&raw).unwrap_err()
    };
    let length = broken(|raw| *raw.trees[1].last_mut().unwrap() = RawNode::Leaf { path_length: f64::NAN });
    assert!(matches!(length.kind(), ErrorKind::PathLength { tree: 1, .. }), "{length}");
    let structure = broken(|raw| raw.trees[2].truncate(2));
    assert!(matches!(structure.kind(), ErrorKind::Structure { tree: 2, .. }), "{structure}");
    let bound = broken(|raw| raw.n_features = usize::MAX);
    assert!(matches!(bound.kind(), ErrorKind::Bound { .. }), "{bound}");
}

#[test]
fn rejects_numbers_out_of_range() {
    let checked = |n_features, sample_size, n_trees, n_groups, mean_exponent| {
        let trees = vec![vec![RawNode::Leaf { path_length: 255.0 }]; n_trees];
        let raw = RawForest { n_features, sample_size, n_groups, mean_exponent, feature_ranges: Vec::new(), trees };
        Forest::from_raw(&raw)
    };
    for (n_features, sample_size, n_trees, n_groups, mean_exponent) in
        [(1, 2, 1, 1, 1), (1024, 1 << 20, 10_000, 64, 64), (3, 5, 7, 7, 9)]
    {
        let forest = checked(n_features, sample_size, n_trees, n_groups, mean_exponent).unwrap();
        assert_eq!((forest.n_features(), forest.sample_size(), forest.n_trees()), (n_features, sample_size, n_trees));
    }
    let refused = |n_features, sample_size, n_trees, n_groups, mean_exponent, what: &str| {
        let error = checked(n_features, sample_size, n_trees, n_groups, mean_exponent).unwrap_err();
        assert!(error.to_string().starts_with(&format!("the forest's {what} is ")), "{error}");
    };
    refused(0, 2, 1, 1, 1, "number of columns");
    refused(1025, 2, 1, 1, 1, "number of columns");
    refused(1, 1, 1, 1, 1, "sample size");
    refused(1, (1 << 20) + 1, 1, 1, 1, "sample size");
    refused(1, 2, 0, 1, 1, "number of trees");
    refused(1, 2, 10_001, 1, 1, "number of trees");
    refused(1, 2, 1, 0, 1, "number of groups");
    refused(1, 2, 2, 3, 1, "number of groups");
    refused(1, 2, 65, 65, 1, "number of groups");
    refused(1, 2, 1, 1, 0, "mean_exponent");
    refused(1, 2, 1, 1, 65, "mean_exponent");
}

#[test]
fn rejects_ranges_of_unknown_columns() {
    let checked = |feature_ranges: Vec<Vec<(u16, f32, f32)>>| {
        let range = |(column, min, max)| FeatureRange { column, min, max };
        let feature_ranges = feature_ranges.into_iter().map(|group| group.into_iter().map(range).collect()).collect();
        let trees = vec![vec![RawNode::Leaf { path_length: 0.0 }]; 2];
        Forest::from_raw(&RawForest {
            n_features: 3,
            sample_size: 2,
            n_groups: 2,
            mean_exponent: 1,
            feature_ranges,
            trees,
        })
    };
    let good = (2, -1.0, -1.0);
    assert!(checked(vec![]).is_ok() && checked(vec![vec![good], vec![]]).is_ok());
    for groups in [1, 3] {
        let error = checked(vec![vec![good]; groups]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Bound { value, min: 2, max: 2, .. } if *value == groups), "{error}");
    }
    let error = checked(vec![vec![good], vec![(3, -1.0, 1.0)]]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Bound { value: 3, min: 0, max: 2, .. }), "{error}");
    for (min, max) in [(1.0, 0.5), (f32::NEG_INFINITY, 1.0), (1.0, f32::INFINITY), (f32::NAN, 1.0), (1.0, f32::NAN)] {
        assert_eq!(*checked(vec![vec![], vec![(1, min, max)]]).unwrap_err().kind(), ErrorKind::Range { column: 1 });
    }
}

/// Checks that a group cannot have several ranges of a column: reading would take time quadratic in the file.
#[test]
fn rejects_several_ranges_of_a_column() {
    let range = |column| FeatureRange { column, min: -1.0, max: 1.0 };
    let checked = |feature_ranges: Vec<FeatureRange>| {
        let trees = vec![vec![RawNode::Leaf { path_length: 0.0 }]];
        let feature_ranges = vec![feature_ranges];
        Forest::from_raw(&RawForest {
            n_features: 3,
            sample_size: 2,
            n_groups: 1,
            mean_exponent: 1,
            feature_ranges,
            trees,
        })
    };
    assert!(checked(vec![range(2), range(0), range(1)]).is_ok());
    for repeats in [1, 10_000, 20_000] {
        let feature_ranges = (0..=repeats).map(|_| range(2)).collect();
        assert_eq!(*checked(feature_ranges).unwrap_err().kind(), ErrorKind::RepeatedRange { group: 0, column: 2 });
    }
}

#[test]
fn error_names_the_invalid_path_length() {
    let split = RawNode::Split { feature: 0, threshold: 1.0 };
    for path_length in [-1.0, 255.000_001, f64::NAN, f64::INFINITY] {
        let trees = vec![vec![split, RawNode::Leaf { path_length: 1.0 }, RawNode::Leaf { path_length }]];
        let raw =
            RawForest { n_features: 1, sample_size: 2, n_groups: 1, mean_exponent: 1, feature_ranges: vec![], trees };
        assert_eq!(*Forest::from_raw(&raw).unwrap_err().kind(), ErrorKind::PathLength { tree: 0, node: 2 });
    }
}
