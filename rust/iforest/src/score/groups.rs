//! Score of a row: path lengths per group of trees, and the generalised mean over the groups.
//!
//! Path lengths come from [`Traversal`] and [`StepFunction`].

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cache::{self, ScoreCache};
use super::step_function::StepFunction;
use crate::feature_range::{FeatureRange, separation_probability};
use crate::matrix::Matrix;
use crate::path_length::{FIXED_POINT_PER_EDGE, average_path_length};
use crate::traverse::Traversal;
use crate::tree::Tree;

/// Number of rows scored together: enough to reuse each group's trees in the cache, and few enough to stay there.
const ROWS_PER_BLOCK: usize = 128;

/// Trees of a forest by group, prepared for scoring.
#[derive(Clone, Debug)]
pub(crate) struct Scorer {
    /// Identity, which copies share.
    id: u64,
    groups: Vec<Group>,
    mean: Mean,
}

#[derive(Clone, Debug)]
struct Group {
    n_trees: u32,
    /// Columns that its score depends on.
    columns: Vec<u16>,
    /// The same for the cache; `None` if there are none, or too many.
    key_columns: Option<cache::Columns>,
    feature_ranges: Vec<FeatureRange>,
    paths: Paths,
}

/// Source of a group's path lengths.
#[derive(Clone, Debug)]
enum Paths {
    /// All trees split one column. The group has one power per step; `NaN` beyond the column's range, where the power
    /// depends on the value.
    Stepped {
        steps: StepFunction,
        powers: Vec<f64>,
    },
    Traversed(Traversal),
}

/// Generalised mean of the groups' scores 2^(-E\[h\] / c(ψ)): the root of the mean of their powers.
#[derive(Clone, Copy, Debug)]
struct Mean {
    /// Exponent of the power and of the root.
    mean_exponent: f64,
    /// -1 / c(ψ).
    exponent_per_edge: f64,
}

impl Scorer {
    /// Groups the trees: tree `i` belongs to group `i` modulo `n_groups`. `feature_ranges` has an entry per group, or
    /// none.
    pub(crate) fn new(
        trees: &[Tree],
        n_groups: usize,
        feature_ranges: &[Vec<FeatureRange>],
        sample_size: usize,
        mean_exponent: u8,
    ) -> Self {
        // The mean over one group is its score for every exponent.
        let mean_exponent = if n_groups == 1 { 1.0 } else { f64::from(mean_exponent) };
        let mean = Mean { mean_exponent, exponent_per_edge: -1.0 / average_path_length(sample_size) };
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let groups = (0..n_groups).map(|group| {
            let trees = trees.iter().skip(group).step_by(n_groups);
            let feature_ranges = feature_ranges.get(group).cloned().unwrap_or_default();
            let split = trees.clone().flat_map(Tree::columns);
            let columns: BTreeSet<u16> = split.chain(feature_ranges.iter().map(|range| range.column)).collect();
            let n_trees = trees.len() as u32;
            let paths = match StepFunction::of(trees.clone(), &feature_ranges) {
                Some(steps) => {
                    let powers = steps.iter().map(|(value, path_length)| {
                        let beyond = feature_ranges.iter().any(|range| range.is_beyond(value));
                        if beyond { f64::NAN } else { mean.power(mean.exponent(path_length, n_trees, 0.0)) }
                    });
                    Paths::Stepped { powers: powers.collect(), steps }
                }
                None => Paths::Traversed(Traversal::new(&trees.collect::<Vec<_>>())),
            };
            let columns: Vec<u16> = columns.into_iter().collect();
            let key_columns = cache::Columns::of(&columns);
            Group { n_trees, columns, key_columns, feature_ranges, paths }
        });
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), groups: groups.collect(), mean }
    }

    /// Returns for each group whether its scores are cached: a step function is as fast as the cache.
    fn are_cached(&self) -> impl Iterator<Item = bool> {
        self.groups.iter().map(|group| group.key_columns.is_some() && matches!(group.paths, Paths::Traversed(_)))
    }

    /// Score of one row, from the cache if it repeats a recent one, otherwise with cached scores of its groups.
    pub(crate) fn score_cached(&self, row: &[f32], cache: &mut ScoreCache) -> f64 {
        cache.prepare(self.id, self.are_cached());
        self.score_with(row, cache, |_, group| self.power(group, row))
    }

    /// Score of one row with `map` applied to each group's score; it must be the same function in every call with this
    /// `cache`. A mapped score costs more than a step function, so groups of one column are cached as well.
    pub(crate) fn score_mapped(&self, row: &[f32], cache: &mut ScoreCache, map: impl Fn(usize, f64) -> f64) -> f64 {
        // Another identity, because the powers of mapped scores are not those of `score_cached`.
        cache.prepare(!self.id, self.groups.iter().map(|group| group.key_columns.is_some()));
        self.score_with(row, cache, |i, group| libm::pow(map(i, self.group_score(group, row)), self.mean.mean_exponent))
    }

    /// Score of one row from the cache, or from the powers of its groups.
    #[inline(always)]
    fn score_with(&self, row: &[f32], cache: &mut ScoreCache, power: impl Fn(usize, &Group) -> f64) -> f64 {
        let hash = cache::hash(row);
        if let Some(score) = cache.row(row, hash) {
            return score;
        }
        let mut sum = 0.0;
        for (i, (group, entries)) in self.groups.iter().zip(cache.groups()).enumerate() {
            let key = group.key_columns.as_ref().filter(|_| !entries.is_empty()).map(|columns| columns.key(row));
            // One call of `power`, so that it is inlined.
            sum += match key.and_then(|key| cache::find(entries, key).0) {
                Some(power) => power,
                None => {
                    let power = power(i, group);
                    if let Some(key) = key {
                        cache::find(entries, key).1.put(key, power);
                    }
                    power
                }
            };
        }
        let score = self.mean.of_sum(sum, self.groups.len());
        cache.put_row(row, hash, score);
        score
    }

    /// The score of one row.
    pub(crate) fn score(&self, row: &[f32]) -> f64 {
        // A loop, because the compiler inlines it better than an iterator.
        let mut sum = 0.0;
        for group in &self.groups {
            sum += self.power(group, row);
        }
        self.mean.of_sum(sum, self.groups.len())
    }

    /// Appends the scores of many rows, in order.
    pub(crate) fn score_rows(&self, rows: Matrix<'_>, cache: &mut ScoreCache, scores: &mut Vec<f64>) {
        let (mut path_lengths, mut walked) = ([0; ROWS_PER_BLOCK], [0; ROWS_PER_BLOCK]);
        cache.prepare(self.id, self.are_cached());
        let cache = cache.groups();
        scores.reserve(rows.len());
        for rows in rows.blocks(ROWS_PER_BLOCK) {
            // Powers are summed in the order of the groups, as those of a single row are.
            let mut sums = [0.0; ROWS_PER_BLOCK];
            for (group, entries) in self.groups.iter().zip(&mut *cache) {
                let Paths::Traversed(traversal) = &group.paths else {
                    sums.iter_mut().zip(rows.iter()).for_each(|(sum, row)| *sum += self.power(group, row));
                    continue;
                };
                let mut n_walked = 0;
                for (i, (row, sum)) in rows.iter().zip(&mut sums).enumerate() {
                    let key = group.key_columns.as_ref().map(|columns| columns.key(row));
                    match key.and_then(|key| cache::find(entries, key).0) {
                        Some(power) => *sum += power,
                        None => {
                            walked[n_walked] = i;
                            n_walked += 1;
                        }
                    }
                }
                let (walked, path_lengths) = (&walked[..n_walked], &mut path_lengths[..n_walked]);
                traversal.path_lengths(walked.iter().map(|&i| rows.row(i)), path_lengths);
                for (&i, &mut path_length) in walked.iter().zip(path_lengths) {
                    let row = rows.row(i);
                    let power = self.mean.power(self.exponent(group, row, path_length, group.n_trees));
                    sums[i] += power;
                    if let Some(columns) = &group.key_columns {
                        let key = columns.key(row);
                        cache::find(entries, key).1.put(key, power);
                    }
                }
            }
            scores.extend(sums[..rows.len()].iter().map(|&sum| self.mean.of_sum(sum, self.groups.len())));
        }
    }

    /// Scores of a row with one column at a time replaced by the value of another row. Only groups with that column are
    /// scored again, and none for an equal value.
    pub(crate) fn scores_without(&self, row: &[f32], usual: &[f32]) -> Vec<f64> {
        let powers: Vec<f64> = self.groups.iter().map(|group| self.power(group, row)).collect();
        let unchanged = self.mean.of(powers.iter().copied());
        let mut row = row.to_vec();
        let without = (0..row.len()).map(|column| {
            if row[column].to_bits() == usual[column].to_bits() {
                return unchanged;
            }
            let value = std::mem::replace(&mut row[column], usual[column]);
            let powers = self.groups.iter().zip(&powers).map(|(group, &power)| {
                if group.columns.contains(&(column as u16)) { self.power(group, &row) } else { power }
            });
            let score = self.mean.of(powers);
            row[column] = value;
            score
        });
        without.collect()
    }

    /// Score of a row by each group.
    pub(crate) fn group_scores(&self, row: &[f32]) -> Vec<f64> {
        self.groups.iter().map(|group| self.group_score(group, row)).collect()
    }

    fn group_score(&self, group: &Group, row: &[f32]) -> f64 {
        let path_length = group.paths.path_length(row);
        libm::exp2(self.exponent(group, row, path_length, group.n_trees))
    }

    /// Score of a row from the number of trees of each group and the sums of their path lengths.
    pub(crate) fn score_of(&self, row: &[f32], sums: &[u64], trees: &[u32]) -> f64 {
        let powers = self.groups.iter().zip(sums).zip(trees);
        self.mean.of(powers
            .map(|((group, &path_length), &trees)| self.mean.power(self.exponent(group, row, path_length, trees))))
    }

    /// Summed path lengths of a row by group, in fixed point.
    pub(crate) fn path_lengths(&self, row: &[f32], sums: &mut [u64]) {
        for (sum, group) in sums.iter_mut().zip(&self.groups) {
            *sum = group.paths.path_length(row);
        }
    }

    /// Number of trees of each group.
    pub(crate) fn trees_by_group(&self) -> Vec<u32> {
        self.groups.iter().map(|group| group.n_trees).collect()
    }

    /// Contribution of a group to the mean of powers.
    #[inline(always)]
    fn power(&self, group: &Group, row: &[f32]) -> f64 {
        let path_length = match &group.paths {
            Paths::Stepped { steps, powers } => {
                let step = steps.step(row);
                if !powers[step].is_nan() {
                    return powers[step];
                }
                steps.path_length_on(step)
            }
            Paths::Traversed(traversal) => traversal.path_length(row),
        };
        self.computed_power(group, row, path_length)
    }

    #[inline(never)]
    fn computed_power(&self, group: &Group, row: &[f32], path_length: u64) -> f64 {
        self.mean.power(self.exponent(group, row, path_length, group.n_trees))
    }

    fn exponent(&self, group: &Group, row: &[f32], path_length: u64, trees: u32) -> f64 {
        self.mean.exponent(path_length, trees, separation_probability(&group.feature_ranges, row))
    }
}

impl Paths {
    /// Summed path length of a row, in fixed point.
    fn path_length(&self, row: &[f32]) -> u64 {
        match self {
            Self::Stepped { steps, .. } => steps.path_length(row),
            Self::Traversed(traversal) => traversal.path_length(row),
        }
    }
}

impl Mean {
    /// -E\[h\] / c(ψ) of a group: h is 1 with the probability that the row is separated from all training rows, and the
    /// trees' path length otherwise.
    fn exponent(self, path_length: u64, trees: u32, separated: f64) -> f64 {
        let mean = path_length as f64 / (FIXED_POINT_PER_EDGE * f64::from(trees));
        (separated + (1.0 - separated) * mean) * self.exponent_per_edge
    }

    fn power(self, exponent: f64) -> f64 {
        libm::exp2(self.mean_exponent * exponent)
    }

    fn of(self, powers: impl ExactSizeIterator<Item = f64>) -> f64 {
        let n = powers.len();
        self.of_sum(powers.sum(), n)
    }

    fn of_sum(self, sum: f64, n: usize) -> f64 {
        match self.mean_exponent {
            _ if n == 1 => sum,
            // Square roots are exact on every machine and take a tenth of the time.
            2.0 => (sum / n as f64).sqrt(),
            4.0 => (sum / n as f64).sqrt().sqrt(),
            mean_exponent => libm::exp2(libm::log2(sum / n as f64) / mean_exponent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::build;
    use crate::feature_range::feature_ranges;
    use crate::rng::ForestRng;
    use crate::tree::Node;
    use proptest::prelude::*;

    /// The same forest without step functions.
    fn walked(scorer: &Scorer, trees: &[Tree]) -> Scorer {
        let n_groups = scorer.groups.len();
        let groups = scorer.groups.iter().cloned().enumerate().map(|(i, group)| {
            let trees: Vec<&Tree> = trees.iter().skip(i).step_by(n_groups).collect();
            Group { paths: Paths::Traversed(Traversal::new(&trees)), ..group }
        });
        Scorer { id: !scorer.id, groups: groups.collect(), ..*scorer }
    }

    #[test]
    fn separated_rows_have_a_path_of_one_edge() {
        let mean = Mean { mean_exponent: 1.0, exponent_per_edge: -0.5 };
        let four_edges = 2 * 4 * FIXED_POINT_PER_EDGE as u64;
        let exponents = [0.0, 0.25, 1.0].map(|separated| mean.exponent(four_edges, 2, separated));
        assert_eq!(exponents, [-2.0, -1.625, -0.5]);
    }

    #[test]
    fn exponent_2_is_the_root_mean_square() {
        let mean = Mean { mean_exponent: 2.0, exponent_per_edge: -1.0 };
        for i in 1..100 {
            let powers = [f64::from(i) / 100.0, 0.3, 0.7];
            let root = (powers.iter().sum::<f64>() / 3.0).sqrt();
            assert_eq!(mean.of(powers.into_iter()).to_bits(), root.to_bits());
        }
    }

    #[test]
    fn mean_of_one_power_is_bit_identical() {
        let mean = Mean { mean_exponent: 1.0, exponent_per_edge: -1.0 };
        for power in (1..1000).map(|i| f64::from(i) / 1000.0) {
            assert_eq!(mean.of(std::iter::once(power)).to_bits(), power.to_bits());
        }
    }

    #[test]
    fn score_of_one_group_is_bit_identical_for_every_exponent() {
        for i in 1..100 {
            let path_length = i * 40_000_001;
            let tree = Tree(vec![Node::End { path_length }]);
            let score = libm::exp2(f64::from(path_length) / FIXED_POINT_PER_EDGE / -average_path_length(256));
            for mean_exponent in [1, 2, 7] {
                let scorer = Scorer::new(std::slice::from_ref(&tree), 1, &[], 256, mean_exponent);
                assert!((scorer.score(&[0.0]) - score).abs() < 1e-15);
                assert_eq!(scorer.score(&[0.0]).to_bits(), scorer.group_scores(&[0.0])[0].to_bits());
            }
        }
    }

    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![4 => (-20..20i8).prop_map(f32::from), 2 => -1e3f32..1e3, 1 => Just(f32::NAN)]
    }

    proptest! {
        #[test]
        fn steps_score_as_walks_do_to_the_last_bit(
            values in prop::collection::vec(value(), 4 * 2..4 * 200),
            probes in prop::collection::vec(prop_oneof![value(), any::<u32>().prop_map(f32::from_bits)], 4 * 40),
            groups in prop::collection::vec(prop::sample::subsequence(vec![0u16, 1, 2, 3], 1..=2), 1..6),
            trees_over in 0..9usize,
            mean_exponent in 1..5u8,
            seed: u64,
        ) {
            let rows = Matrix::new(&values[..values.len() / 4 * 4], 4).unwrap();
            let mut rng = ForestRng::new(seed);
            let trees: Vec<Tree> = (0..groups.len() + trees_over)
                .map(|i| build(rows, &rng.subset(rows.len(), 64), groups[i % groups.len()].clone(), &mut rng))
                .collect();
            let feature_ranges: Vec<Vec<FeatureRange>> = groups.iter().map(|columns| feature_ranges(rows, columns)).collect();
            let (mut cache, mut mapped_cache) = (ScoreCache::new(), ScoreCache::new());
            let map = |group: usize, score: f64| score / (group + 1) as f64;
            for feature_ranges in [&feature_ranges[..], &[]] {
                let scorer = Scorer::new(&trees, groups.len(), feature_ranges, 64, mean_exponent);
                let walked = walked(&scorer, &trees);
                let probes = Matrix::new(&probes, 4).unwrap();
                let mut batch = Vec::new();
                scorer.score_rows(probes, &mut ScoreCache::new(), &mut batch);
                for (row, batch) in probes.iter().zip(batch) {
                    let score = scorer.score(row);
                    // The cache of another forest, an empty one, and a filled one.
                    for scorer in [&walked, &scorer, &scorer] {
                        prop_assert_eq!(score.to_bits(), scorer.score_cached(row, &mut cache).to_bits());
                        let mapped = scorer.score_mapped(row, &mut mapped_cache, map);
                        let powers = scorer.group_scores(row).into_iter().enumerate();
                        let powers = powers.map(|(i, score)| libm::pow(map(i, score), scorer.mean.mean_exponent));
                        prop_assert_eq!(mapped.to_bits(), scorer.mean.of(powers.collect::<Vec<_>>().into_iter()).to_bits());
                    }
                    prop_assert_eq!(score.to_bits(), walked.score(row).to_bits());
                    prop_assert_eq!(score.to_bits(), batch.to_bits());
                    prop_assert_eq!(scorer.group_scores(row), walked.group_scores(row));
                    let mut sums = vec![0; groups.len()];
                    scorer.path_lengths(row, &mut sums);
                    prop_assert_eq!(score, scorer.score_of(row, &sums, &scorer.trees_by_group()));
                }
                // More rows than the cache has entries.
                let mut shared = ScoreCache::new();
                for row in probes.iter().chain(probes.iter()) {
                    prop_assert_eq!(scorer.score(row).to_bits(), scorer.score_cached(row, &mut shared).to_bits());
                }
            }
        }
    }
}
