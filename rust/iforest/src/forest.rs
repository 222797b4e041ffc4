//! The forest: trees, their parameters, and the scores of rows.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::build::build;
use crate::error::{Error, ErrorKind};
use crate::feature_range::{FeatureRange, feature_ranges};
use crate::matrix::Matrix;
use crate::params::{MAX_FEATURES, MAX_GROUPS, MAX_MEAN_EXPONENT, MAX_SAMPLE_SIZE, MAX_TREES, Params, repeated};
use crate::path_length::MAX_PATH;
use crate::raw_forest::{RawForest, RawNode, raw_nodes, tree_from_raw};
use crate::rng::ForestRng;
use crate::score::{ScoreCache, Scorer};
use crate::traverse::Traversal;
use crate::tree::{Node, Tree};

/// Number of rows per task, large enough to hide the cost of scheduling.
const ROWS_PER_TASK: usize = 1024;

/// Isolation trees built from one set of rows. Immutable; scoring needs no lock.
///
/// Serialises to its trees; deserialising fails if they could not be traversed safely.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Forest {
    stored: Stored,
    scorer: Scorer,
    imported: bool,
}

/// A forest and the out-of-bag scores of its training rows.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The forest.
    pub forest: Forest,
    /// One score per training row, from the trees whose sample did not contain the row. A group in which every tree saw
    /// the row, for example with fewer rows than [`Params::sample_size`], uses all its trees.
    pub out_of_bag_scores: Vec<f64>,
}

/// A row in the sample of a tree of this group, and its path length there in fixed point.
struct Seen {
    row: usize,
    group: usize,
    path_length: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    n_features: u32,
    sample_size: u32,
    n_groups: u32,
    mean_exponent: u8,
    /// Ranges of each group's columns; empty without extrapolation.
    feature_ranges: Vec<Vec<FeatureRange>>,
    trees: Vec<Tree>,
}

impl Forest {
    /// Builds a forest from `rows`. The result depends only on `rows`, `params` and `seed`, not on the number of
    /// threads. `NaN` is a missing value.
    ///
    /// # Errors
    /// [`Error`] when a parameter is out of range, there are fewer than two rows, or a value is infinite.
    pub fn fit(rows: Matrix<'_>, params: &Params, seed: u64) -> Result<Self, Error> {
        Ok(Self::build_all(rows, params, seed)?.0)
    }

    /// Like [`Forest::fit`], and also scores each row by the trees that have not seen it, to calibrate a threshold.
    ///
    /// # Errors
    /// Same as [`Forest::fit`].
    pub fn fit_out_of_bag(rows: Matrix<'_>, params: &Params, seed: u64) -> Result<Fit, Error> {
        let (forest, samples) = Self::build_all(rows, params, seed)?;
        let n_groups = forest.n_groups();
        let mut seen: Vec<Seen> = (samples.par_iter().zip(&forest.stored.trees).enumerate())
            .flat_map_iter(|(i, (sample, tree))| {
                let mut path_lengths = vec![0; sample.len()];
                Traversal::new(&[tree]).path_lengths(sample.iter().map(|&row| rows.row(row)), &mut path_lengths);
                let seen = move |(&row, path_length)| Seen { row, group: i % n_groups, path_length };
                sample.iter().zip(path_lengths).map(seen).collect::<Vec<_>>()
            })
            .collect();
        seen.sort_unstable_by_key(|seen| seen.row);
        let mut out_of_bag_scores = vec![0.0; rows.len()];
        let tasks = out_of_bag_scores.par_chunks_mut(ROWS_PER_TASK).enumerate();
        tasks.for_each(|(task, scores)| {
            let first = task * ROWS_PER_TASK;
            let from = seen.partition_point(|seen| seen.row < first);
            let to = seen.partition_point(|seen| seen.row < first + scores.len());
            forest.score_unseen(rows, first, &seen[from..to], scores);
        });
        Ok(Fit { forest, out_of_bag_scores })
    }

    /// Scores rows from row `first` on, each without the trees that have `seen` it.
    fn score_unseen(&self, rows: Matrix<'_>, first: usize, seen: &[Seen], scores: &mut [f64]) {
        let n_features = rows.n_features();
        let values = &rows.values()[first * n_features..][..scores.len() * n_features];
        if let Ok(rows) = Matrix::new(values, n_features) {
            let mut by_all = Vec::with_capacity(scores.len());
            self.scorer.score_rows(rows, &mut ScoreCache::new(), &mut by_all);
            scores.copy_from_slice(&by_all);
        }
        let trees_by_group = self.scorer.trees_by_group();
        let (mut sums, mut trees) = (vec![0; trees_by_group.len()], trees_by_group.clone());
        for seen in seen.chunk_by(|a, b| a.row == b.row) {
            let row = rows.row(seen[0].row);
            trees.copy_from_slice(&trees_by_group);
            self.scorer.path_lengths(row, &mut sums);
            for seen in seen {
                sums[seen.group] -= seen.path_length;
                trees[seen.group] -= 1;
            }
            if !trees.contains(&0) {
                scores[seen[0].row - first] = self.scorer.score_of(row, &sums, &trees);
            }
        }
    }

    fn build_all(rows: Matrix<'_>, params: &Params, seed: u64) -> Result<(Self, Vec<Vec<usize>>), Error> {
        params.check(rows.n_features())?;
        if rows.len() < 2 {
            return Err(ErrorKind::TooFewRows { rows: rows.len(), min: 2 }.into());
        }
        // A whole block is checked first, because an early return prevents vectorization.
        let any = |values: &[f32]| values.iter().fold(false, |any, value| any | value.is_infinite());
        if rows.values().chunks(1024).any(any) {
            if let Some(at) = rows.values().iter().position(|value| value.is_infinite()) {
                return Err(ErrorKind::Infinite { row: at / rows.n_features(), column: at % rows.n_features() }.into());
            }
        }
        let sample_size = params.sample_size.min(rows.len());
        let mut rng = ForestRng::new(seed);
        let samples = rng.deal(rows.len(), sample_size, params.n_trees);
        let seeds: Vec<u64> = samples.iter().map(|_| rng.seed()).collect();
        let trees = (samples.par_iter().zip(seeds).enumerate())
            .map(|(tree, (sample, seed))| {
                build(rows, sample, params.columns(tree, rows.n_features()), &mut ForestRng::new(seed))
            })
            .collect();
        let n_features = rows.n_features() as u32;
        let n_groups = params.groups.len().max(1) as u32;
        let groups = (0..n_groups as usize).map(|group| params.columns(group, rows.n_features()));
        let feature_ranges =
            if params.extrapolate { groups.map(|group| feature_ranges(rows, &group)).collect() } else { Vec::new() };
        let (sample_size, mean_exponent) = (sample_size as u32, params.mean_exponent);
        Ok((Self::ready(Stored { n_features, sample_size, n_groups, mean_exponent, feature_ranges, trees }), samples))
    }

    fn ready(stored: Stored) -> Self {
        let Stored { sample_size, n_groups, mean_exponent, ref feature_ranges, ref trees, .. } = stored;
        let (n_groups, sample_size) = (n_groups as usize, sample_size as usize);
        let scorer = Scorer::new(trees, n_groups, feature_ranges, sample_size, mean_exponent);
        let imported = trees.iter().flat_map(|tree| &tree.0).any(|node| matches!(node, Node::End { .. }));
        Self { stored, scorer, imported }
    }

    /// Extends the ranges of the columns to the values of `rows`, which then count as seen in training although no tree
    /// was built from them. Changes nothing without [`Params::extrapolate`].
    #[must_use]
    pub fn with_extended_ranges(mut self, rows: Matrix<'_>) -> Self {
        for range in self.stored.feature_ranges.iter_mut().flatten() {
            *range = range.extended(rows);
        }
        Self::ready(self.stored)
    }

    /// Anomaly score of a row, between 0 and 1: s = 2^(-E\[h\] / c(ψ)). About 0.5 for a typical row; the fewer splits
    /// isolate the row, the closer to 1. With groups, the generalised mean of their scores (see
    /// [`Params::mean_exponent`]).
    ///
    /// # Panics
    /// If `row` is shorter than [`Forest::n_features`].
    pub fn score(&self, row: &[f32]) -> f64 {
        self.scorer.score(&row[..self.n_features()])
    }

    /// Score of a row like [`Forest::score`], faster for values that were scored recently with the same `cache`. Another
    /// forest, or [`Forest::score_mapped`], empties the cache.
    ///
    /// # Panics
    /// If `row` is shorter than [`Forest::n_features`].
    pub fn score_cached(&self, row: &[f32], cache: &mut ScoreCache) -> f64 {
        self.scorer.score_cached(&row[..self.n_features()], cache)
    }

    /// Appends the scores of many rows, in order; faster than one row at a time. `cache`: see
    /// [`Forest::score_cached`].
    ///
    /// # Panics
    /// If the rows are shorter than [`Forest::n_features`].
    pub fn score_rows(&self, rows: Matrix<'_>, cache: &mut ScoreCache, scores: &mut Vec<f64>) {
        assert!(rows.n_features() >= self.n_features());
        self.scorer.score_rows(rows, cache, scores);
    }

    /// Score of a row by each group, in the order of [`Params::groups`].
    ///
    /// # Panics
    /// If `row` is shorter than [`Forest::n_features`].
    pub fn group_scores(&self, row: &[f32]) -> Vec<f64> {
        self.scorer.group_scores(&row[..self.n_features()])
    }

    /// Generalised mean of the [`Forest::group_scores`] of a row, each replaced by `map` of group and score. `map` must
    /// be the same function in every call with this `cache`, see [`Forest::score_cached`].
    ///
    /// # Panics
    /// If `row` is shorter than [`Forest::n_features`].
    pub fn score_mapped(&self, row: &[f32], cache: &mut ScoreCache, map: impl Fn(usize, f64) -> f64) -> f64 {
        self.scorer.score_mapped(&row[..self.n_features()], cache, map)
    }

    /// Number of groups of trees.
    pub fn n_groups(&self) -> usize {
        self.stored.n_groups as usize
    }

    /// Scores of the row with one column at a time replaced by its value in `usual`. The columns whose replacement
    /// lowers the score make the row anomalous.
    ///
    /// # Panics
    /// If `row` or `usual` is shorter than [`Forest::n_features`].
    pub fn scores_without(&self, row: &[f32], usual: &[f32]) -> Vec<f64> {
        self.scorer.scores_without(&row[..self.n_features()], &usual[..self.n_features()])
    }

    /// Returns the trees and parameters as plain data.
    pub fn to_raw(&self) -> RawForest {
        RawForest {
            n_features: self.n_features(),
            sample_size: self.sample_size(),
            n_groups: self.n_groups(),
            mean_exponent: self.stored.mean_exponent,
            feature_ranges: self.stored.feature_ranges.clone(),
            trees: self.stored.trees.iter().map(raw_nodes).collect(),
        }
    }

    /// Builds a forest from plain data, with the checks made when a file is loaded.
    ///
    /// # Errors
    /// [`Error`] when the data do not form a forest that can be traversed.
    pub fn from_raw(raw: &RawForest) -> Result<Self, Error> {
        for (tree, nodes) in raw.trees.iter().enumerate() {
            for (node, raw_node) in nodes.iter().enumerate() {
                match raw_node {
                    RawNode::Leaf { path_length } if !(0.0..=MAX_PATH).contains(path_length) => {
                        return Err(ErrorKind::PathLength { tree, node }.into());
                    }
                    _ => {}
                }
            }
        }
        let stored = Stored {
            n_features: u32::try_from(raw.n_features).unwrap_or(u32::MAX),
            sample_size: u32::try_from(raw.sample_size).unwrap_or(u32::MAX),
            n_groups: u32::try_from(raw.n_groups).unwrap_or(u32::MAX),
            mean_exponent: raw.mean_exponent,
            feature_ranges: raw.feature_ranges.clone(),
            trees: raw.trees.iter().map(|tree| tree_from_raw(tree)).collect(),
        };
        Self::try_from(stored)
    }

    /// Returns true for a forest built by other software and imported.
    pub fn is_imported(&self) -> bool {
        self.imported
    }

    /// Number of columns of a row.
    pub fn n_features(&self) -> usize {
        self.stored.n_features as usize
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        self.stored.trees.len()
    }

    /// ψ: number of rows each tree was built from.
    pub fn sample_size(&self) -> usize {
        self.stored.sample_size as usize
    }
}

impl TryFrom<Stored> for Forest {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self, Error> {
        let within = |name, value: usize, min, max| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(ErrorKind::Bound { name, value, min, max }) }
        };
        let (n_features, sample_size) = (stored.n_features as usize, stored.sample_size as usize);
        within("number of columns", n_features, 1, MAX_FEATURES)?;
        within("sample size", sample_size, 2, MAX_SAMPLE_SIZE)?;
        within("number of trees", stored.trees.len(), 1, MAX_TREES)?;
        within("number of groups", stored.n_groups as usize, 1, stored.trees.len().min(MAX_GROUPS))?;
        within("mean_exponent", usize::from(stored.mean_exponent), 1, MAX_MEAN_EXPONENT)?;
        let groups = stored.feature_ranges.len();
        if groups != 0 {
            within("number of groups with a range", groups, stored.n_groups as usize, stored.n_groups as usize)?;
        }
        for range in stored.feature_ranges.iter().flatten() {
            within("column with a range", usize::from(range.column), 0, n_features - 1)?;
            if !(range.min <= range.max && range.min.is_finite() && range.max.is_finite()) {
                return Err(ErrorKind::Range { column: range.column.into() }.into());
            }
        }
        for (group, feature_ranges) in stored.feature_ranges.iter().enumerate() {
            if let Some(column) = repeated(feature_ranges.iter().map(|range| range.column)) {
                return Err(ErrorKind::RepeatedRange { group, column }.into());
            }
        }
        for (i, tree) in stored.trees.iter().enumerate() {
            tree.check(i, n_features, sample_size)?;
        }
        Ok(Self::ready(stored))
    }
}

impl From<Forest> for Stored {
    fn from(forest: Forest) -> Self {
        forest.stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path_length::FIXED_POINT_PER_EDGE;
    use crate::path_length::average_path_length;

    fn path_length(tree: &Tree, row: &[f32]) -> f64 {
        fn subtree(nodes: &mut std::slice::Iter<'_, Node>, row: &[f32], depth: usize) -> f64 {
            let node = *nodes.next().unwrap();
            let Node::Split { feature, threshold } = node else {
                return f64::from(node.path_length(depth)) / FIXED_POINT_PER_EDGE;
            };
            let (left, right) = (subtree(nodes, row, depth + 1), subtree(nodes, row, depth + 1));
            if row[usize::from(feature)] >= threshold { right } else { left }
        }
        subtree(&mut tree.0.iter(), row, 0)
    }

    #[test]
    fn out_of_bag_scores_leave_out_trees_that_saw_the_row() {
        let (mut partly, mut by_all) = (0, 0);
        // Several tasks of rows, the last one short; in each group some rows are in every tree's sample.
        for (n_rows, n_trees, sample_size) in [(2 * ROWS_PER_TASK + 100, 40, 64), (700, 5, 256), (40, 9, 64)] {
            let values: Vec<f32> = (0..3 * n_rows as u64).map(|i| (i * i % 1009) as f32).collect();
            let rows = Matrix::new(&values, 3).unwrap();
            let groups = vec![vec![0], vec![1, 2]];
            let params = Params { n_trees, sample_size, groups, mean_exponent: 3, ..Params::default() };
            let fit = Forest::fit_out_of_bag(rows, &params, 11).unwrap();
            let (forest, samples) = Forest::build_all(rows, &params, 11).unwrap();
            assert_eq!(fit.out_of_bag_scores.len(), n_rows);
            for (i, score) in fit.out_of_bag_scores.into_iter().enumerate() {
                let powers = (0..2).map(|group| {
                    let trees = forest.stored.trees.iter().zip(&samples).skip(group).step_by(2);
                    let unseen = trees.filter(|(_, sample)| !sample.contains(&i));
                    let lengths: Vec<f64> = unseen.map(|(tree, _)| path_length(tree, rows.row(i))).collect();
                    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
                    (-mean / average_path_length(forest.sample_size())).exp2().powi(3)
                });
                let mean = (powers.sum::<f64>() / 2.0).cbrt();
                let expected = if mean.is_nan() { forest.score(rows.row(i)) } else { mean };
                assert!((score - expected).abs() < 1e-12, "row {i} of {n_rows}: {score}, not {expected}");
                *(if mean.is_nan() { &mut by_all } else { &mut partly }) += 1;
            }
        }
        assert!(partly > 2000 && by_all > 100, "{partly} {by_all}");
    }
}
