//! From a row to its score: the path lengths of each group of trees, what a group makes of them, and the mean of all.
//!
//! How path lengths are found is for [`Walk`] and [`Steps`] to say.

use std::collections::BTreeSet;

use crate::extent::{Extent, chance_of_parting};
use crate::path_length::UNITS_PER_EDGE;
use crate::steps::Steps;
use crate::tree::Tree;
use crate::walk::Walk;
use crate::{Rows, average_path_length};

/// Rows scored together: enough to share what each group's trees bring into the cache, few enough to stay there.
const ROWS_PER_BLOCK: usize = 128;

/// The trees of a forest by groups, ready to score.
#[derive(Clone, Debug)]
pub(crate) struct Scorer {
    groups: Vec<Group>,
    mean: Mean,
}

#[derive(Clone, Debug)]
struct Group {
    n_trees: u32,
    /// The columns its score depends on.
    columns: Vec<u16>,
    extents: Vec<Extent>,
    paths: Paths,
}

/// Where the path lengths of a group come from.
#[derive(Clone, Debug)]
enum Paths {
    /// The trees cut one column. On each step the group has one power; `NaN` beyond the column's range, where the power
    /// depends on more than the step.
    Stepped {
        steps: Steps,
        powers: Vec<f64>,
    },
    Walked(Walk),
}

/// The generalised mean of the groups' scores 2^(-E\[h\] / c(ψ)): the root of the mean of their powers.
#[derive(Clone, Copy, Debug)]
struct Mean {
    /// The power and the root.
    emphasis: f64,
    /// -1 / c(ψ).
    exponent_per_edge: f64,
}

impl Scorer {
    /// Tree `i` belongs to group `i` modulo `n_groups`; `extents` are those of every group, or none.
    pub(crate) fn new(
        trees: &[Tree],
        n_features: usize,
        n_groups: usize,
        extents: &[Vec<Extent>],
        sample_size: usize,
        emphasis: u8,
    ) -> Self {
        // The mean over one group is its score, whatever the emphasis.
        let emphasis = if n_groups == 1 { 1.0 } else { f64::from(emphasis) };
        let mean = Mean { emphasis, exponent_per_edge: -1.0 / average_path_length(sample_size) };
        let groups = (0..n_groups).map(|group| {
            let trees = trees.iter().skip(group).step_by(n_groups);
            let extents = extents.get(group).cloned().unwrap_or_default();
            let cut = trees.clone().flat_map(Tree::columns);
            let columns: BTreeSet<u16> = cut.chain(extents.iter().map(|extent| extent.column)).collect();
            let n_trees = trees.len() as u32;
            let paths = match Steps::of(trees.clone(), &extents) {
                Some(steps) => {
                    let powers = steps.iter().map(|(value, units)| {
                        let beyond = extents.iter().any(|extent| extent.is_beyond(value));
                        if beyond { f64::NAN } else { mean.power(mean.exponent(units, n_trees, 0.0)) }
                    });
                    Paths::Stepped { powers: powers.collect(), steps }
                }
                None => Paths::Walked(Walk::new(&trees.collect::<Vec<_>>(), n_features)),
            };
            Group { n_trees, columns: columns.into_iter().collect(), extents, paths }
        });
        Self { groups: groups.collect(), mean }
    }

    /// The score of one row.
    pub(crate) fn score(&self, row: &[f32]) -> f64 {
        // A loop, because compilers put this one, and no closure, in one piece.
        let mut sum = 0.0;
        for group in &self.groups {
            sum += self.power(group, row);
        }
        self.mean.of_sum(sum, self.groups.len())
    }

    /// The scores of many rows, in order; `scores` is appended to.
    pub(crate) fn score_rows(&self, rows: Rows<'_>, scores: &mut Vec<f64>) {
        let n_groups = self.groups.len();
        let mut units = [0; ROWS_PER_BLOCK];
        let mut powers = vec![0.0; ROWS_PER_BLOCK * n_groups];
        scores.reserve(rows.len());
        for rows in rows.blocks(ROWS_PER_BLOCK) {
            let powers = &mut powers[..rows.len() * n_groups];
            for (at, group) in self.groups.iter().enumerate() {
                let powers = powers.iter_mut().skip(at).step_by(n_groups);
                match &group.paths {
                    Paths::Stepped { .. } => {
                        powers.zip(rows.iter()).for_each(|(power, row)| *power = self.power(group, row));
                    }
                    Paths::Walked(walk) => {
                        walk.units_of_rows(rows, &mut units[..rows.len()]);
                        for ((power, row), &units) in powers.zip(rows.iter()).zip(&units) {
                            *power = self.mean.power(self.exponent(group, row, units, group.n_trees));
                        }
                    }
                }
            }
            scores.extend(powers.chunks_exact(n_groups).map(|powers| self.mean.of(powers.iter().copied())));
        }
    }

    /// The score of a row with, in one column after the other, the value of another row. Only the groups that the
    /// column is in are scored again.
    pub(crate) fn scores_without(&self, row: &[f32], usual: &[f32]) -> Vec<f64> {
        let powers: Vec<f64> = self.groups.iter().map(|group| self.power(group, row)).collect();
        let mut row = row.to_vec();
        let without = (0..row.len()).map(|column| {
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

    /// The score each group gives a row.
    pub(crate) fn group_scores(&self, row: &[f32]) -> Vec<f64> {
        let score = |group: &Group| {
            let units = group.paths.units(row);
            libm::exp2(self.exponent(group, row, units, group.n_trees))
        };
        self.groups.iter().map(score).collect()
    }

    /// The score of a row over as many trees of each group, with path lengths that sum up to this many units.
    pub(crate) fn score_of(&self, row: &[f32], sums: &[u64], trees: &[u32]) -> f64 {
        let powers = self.groups.iter().zip(sums).zip(trees);
        self.mean.of(powers.map(|((group, &units), &trees)| self.mean.power(self.exponent(group, row, units, trees))))
    }

    /// The path lengths of a row, in units, by group.
    pub(crate) fn sum_path_units(&self, row: &[f32], sums: &mut [u64]) {
        for (sum, group) in sums.iter_mut().zip(&self.groups) {
            *sum = group.paths.units(row);
        }
    }

    /// How many trees each group has.
    pub(crate) fn trees_by_group(&self) -> Vec<u32> {
        self.groups.iter().map(|group| group.n_trees).collect()
    }

    /// What a group adds to the mean of powers.
    #[inline(always)]
    fn power(&self, group: &Group, row: &[f32]) -> f64 {
        let units = match &group.paths {
            Paths::Stepped { steps, powers } => {
                let step = steps.step(row);
                if !powers[step].is_nan() {
                    return powers[step];
                }
                steps.units_of(step)
            }
            Paths::Walked(walk) => walk.units(row),
        };
        self.power_worked_out(group, row, units)
    }

    #[inline(never)]
    fn power_worked_out(&self, group: &Group, row: &[f32], units: u64) -> f64 {
        self.mean.power(self.exponent(group, row, units, group.n_trees))
    }

    fn exponent(&self, group: &Group, row: &[f32], units: u64, trees: u32) -> f64 {
        self.mean.exponent(units, trees, chance_of_parting(&group.extents, row))
    }
}

impl Paths {
    /// The summed path lengths of a row, in units.
    fn units(&self, row: &[f32]) -> u64 {
        match self {
            Self::Stepped { steps, .. } => steps.units(row),
            Self::Walked(walk) => walk.units(row),
        }
    }
}

impl Mean {
    /// -E\[h\] / c(ψ) of a group: h is 1 with the probability that the row is parted from everything seen, and the
    /// trees' path length otherwise.
    fn exponent(self, units: u64, trees: u32, parted: f64) -> f64 {
        let path_length = units as f64 / (UNITS_PER_EDGE * f64::from(trees));
        (parted + (1.0 - parted) * path_length) * self.exponent_per_edge
    }

    fn power(self, exponent: f64) -> f64 {
        libm::exp2(self.emphasis * exponent)
    }

    fn of(self, powers: impl ExactSizeIterator<Item = f64>) -> f64 {
        let n = powers.len();
        self.of_sum(powers.sum(), n)
    }

    fn of_sum(self, sum: f64, n: usize) -> f64 {
        match self.emphasis {
            _ if n == 1 => sum,
            // As exact on every machine, and a tenth of the work.
            2.0 => (sum / n as f64).sqrt(),
            emphasis => libm::exp2(libm::log2(sum / n as f64) / emphasis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extent::extents;
    use crate::grow::grow;
    use crate::random::Random;
    use crate::tree::Node;
    use proptest::prelude::*;

    /// The same forest with no group stepped.
    fn walked(scorer: &Scorer, trees: &[Tree], n_features: usize) -> Scorer {
        let n_groups = scorer.groups.len();
        let groups = scorer.groups.iter().cloned().enumerate().map(|(i, group)| {
            let trees: Vec<&Tree> = trees.iter().skip(i).step_by(n_groups).collect();
            Group { paths: Paths::Walked(Walk::new(&trees, n_features)), ..group }
        });
        Scorer { groups: groups.collect(), ..*scorer }
    }

    #[test]
    fn a_row_that_is_parted_with_some_probability_has_a_path_of_one_edge_with_it() {
        let mean = Mean { emphasis: 1.0, exponent_per_edge: -0.5 };
        let four_edges = 2 * 4 * UNITS_PER_EDGE as u64;
        let exponents = [0.0, 0.25, 1.0].map(|parted| mean.exponent(four_edges, 2, parted));
        assert_eq!(exponents, [-2.0, -1.625, -0.5]);
    }

    #[test]
    fn an_emphasis_of_2_is_the_root_mean_square() {
        let mean = Mean { emphasis: 2.0, exponent_per_edge: -1.0 };
        for i in 1..100 {
            let powers = [f64::from(i) / 100.0, 0.3, 0.7];
            let root = (powers.iter().sum::<f64>() / 3.0).sqrt();
            assert_eq!(mean.of(powers.into_iter()).to_bits(), root.to_bits());
        }
    }

    #[test]
    fn the_mean_of_one_power_is_itself_to_the_last_bit() {
        let mean = Mean { emphasis: 1.0, exponent_per_edge: -1.0 };
        for power in (1..1000).map(|i| f64::from(i) / 1000.0) {
            assert_eq!(mean.of(std::iter::once(power)).to_bits(), power.to_bits());
        }
    }

    #[test]
    fn the_score_of_one_group_is_its_own_to_the_last_bit_whatever_the_emphasis() {
        for i in 1..100 {
            let units = i * 40_000_001;
            let tree = Tree(vec![Node::End { units }]);
            let score = libm::exp2(f64::from(units) / UNITS_PER_EDGE / -average_path_length(256));
            for emphasis in [1, 2, 7] {
                let scorer = Scorer::new(std::slice::from_ref(&tree), 1, 1, &[], 256, emphasis);
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
            emphasis in 1..5u8,
            seed: u64,
        ) {
            let rows = Rows::new(&values[..values.len() / 4 * 4], 4).unwrap();
            let mut random = Random::new(seed);
            let trees: Vec<Tree> = (0..groups.len() + trees_over)
                .map(|i| grow(rows, &random.subset(rows.len(), 64), groups[i % groups.len()].clone(), &mut random))
                .collect();
            let extents: Vec<Vec<Extent>> = groups.iter().map(|columns| extents(rows, columns)).collect();
            for extents in [&extents[..], &[]] {
                let scorer = Scorer::new(&trees, 4, groups.len(), extents, 64, emphasis);
                let walked = walked(&scorer, &trees, 4);
                let probes = Rows::new(&probes, 4).unwrap();
                let mut batch = Vec::new();
                scorer.score_rows(probes, &mut batch);
                for (row, batch) in probes.iter().zip(batch) {
                    let score = scorer.score(row);
                    prop_assert_eq!(score.to_bits(), walked.score(row).to_bits());
                    prop_assert_eq!(score.to_bits(), batch.to_bits());
                    prop_assert_eq!(scorer.group_scores(row), walked.group_scores(row));
                    let mut sums = vec![0; groups.len()];
                    scorer.sum_path_units(row, &mut sums);
                    prop_assert_eq!(score, scorer.score_of(row, &sums, &scorer.trees_by_group()));
                }
            }
        }
    }
}
