//! Building one tree from a sample of rows.

use crate::matrix::Matrix;
use crate::params::height_limit;
use crate::rng::ForestRng;
use crate::traverse::quantize_threshold;
use crate::tree::{Node, Tree};

/// Number of rows copied at a time: as many values of a column as fit a cache line.
const BLOCK: usize = 16;

/// Builds a tree from the rows in `sample`, splitting the columns in `features`. The root splits the first of them,
/// or another one if that is constant.
pub(crate) fn build(rows: Matrix<'_>, sample: &[usize], mut features: Vec<u16>, rng: &mut ForestRng) -> Tree {
    let n = sample.len();
    // The sample is copied column by column, so that a node scans contiguous values of the column it draws.
    let mut columns = vec![0.0; n * rows.n_features()];
    for (from, sample) in (0..n).step_by(BLOCK).zip(sample.chunks(BLOCK)) {
        let rows: Vec<&[f32]> = sample.iter().map(|&row| rows.row(row)).collect();
        for feature in features.iter().map(|&feature| usize::from(feature)) {
            let column = &mut columns[feature * n + from..][..rows.len()];
            for (value, row) in column.iter_mut().zip(&rows) {
                *value = row[feature];
            }
        }
    }
    let mut builder = TreeBuilder { columns, n, height_limit: height_limit(n), nodes: Vec::with_capacity(2 * n), rng };
    let mut members: Vec<u32> = (0..n as u32).collect();
    builder.node(&mut members, &mut features, 0);
    Tree(builder.nodes)
}

struct TreeBuilder<'r> {
    columns: Vec<f32>,
    n: usize,
    height_limit: usize,
    nodes: Vec<Node>,
    rng: &'r mut ForestRng,
}

impl TreeBuilder<'_> {
    /// Appends the subtree of `members`. `features` are the columns that can vary among them: a column that is constant
    /// here is constant in every node below.
    fn node(&mut self, members: &mut [u32], features: &mut [u16], depth: usize) {
        if depth == self.height_limit || members.len() == 1 {
            return self.leaf(members.len());
        }
        let mut candidates = features.len();
        let (feature, threshold) = loop {
            if candidates == 0 {
                return self.leaf(members.len());
            }
            let drawn = if depth == 0 { 0 } else { self.rng.below(candidates) };
            let feature = features[drawn];
            if let Some(threshold) = self.split(members, feature) {
                break (feature, threshold);
            }
            candidates -= 1;
            features.swap(drawn, candidates);
        };
        let features = &mut features[..candidates];
        self.nodes.push(Node::Split { feature, threshold });
        // A missing value goes left.
        let goes_right = |&member: &u32| self.column(feature)[member as usize] >= threshold;
        let split = partition(members, |member| !goes_right(member));
        let (left, right) = members.split_at_mut(split);
        self.node(left, features, depth + 1);
        self.node(right, features, depth + 1);
    }

    fn leaf(&mut self, size: usize) {
        self.nodes.push(Node::Leaf { size: size as u32 });
    }

    fn column(&self, feature: u16) -> &[f32] {
        &self.columns[usize::from(feature) * self.n..][..self.n]
    }

    /// Threshold drawn uniformly from (min, max] of the column, so that both sides get a row. If all present values are
    /// equal and others are missing, it is the present value. `None` for a constant column.
    fn split(&mut self, members: &[u32], feature: u16) -> Option<f32> {
        let column = self.column(feature);
        let (mut min, mut max, mut missing) = (f32::INFINITY, f32::NEG_INFINITY, false);
        for &member in members {
            let value = column[member as usize];
            missing |= value.is_nan();
            // Plain comparisons, which are false for a missing value, cost a third of `min` and `max`.
            min = if value < min { value } else { min };
            max = if value > max { value } else { max };
        }
        if min < max {
            // In f64 the difference of two f32 cannot overflow or lose the split.
            let (low, high) = (f64::from(min), f64::from(max));
            let drawn = (low + (high - low) * self.rng.unit()) as f32;
            Some(quantize_threshold(if drawn > min { drawn } else { next_up(min) }, min, max))
        } else {
            // Any threshold up to the only present value separates the missing ones.
            (missing && min.is_finite()).then(|| quantize_threshold(min, f32::NEG_INFINITY, min))
        }
    }
}

/// Moves the members that satisfy `is_left` to the front and returns their number.
fn partition(members: &mut [u32], is_left: impl Fn(&u32) -> bool) -> usize {
    let mut split = 0;
    for i in 0..members.len() {
        if is_left(&members[i]) {
            members.swap(i, split);
            split += 1;
        }
    }
    split
}

/// The smallest number greater than `value`; NaN and infinity map to themselves. `f32::next_up` needs Rust 1.86.
pub fn next_up(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits(match value {
        0.0 => 1,
        _ if value.is_nan() || value == f32::INFINITY => bits,
        _ if value > 0.0 => bits + 1,
        _ => bits - 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build_all(values: &[f32], n_features: usize, seed: u64) -> Tree {
        let rows = Matrix::new(values, n_features).unwrap();
        let sample: Vec<usize> = (0..rows.len()).collect();
        let tree = build(rows, &sample, (0..n_features as u16).collect(), &mut ForestRng::new(seed));
        tree.check(0, n_features, rows.len()).unwrap();
        tree
    }

    #[test]
    fn never_splits_a_constant_column() {
        // Column 0 is constant: although it comes first, the only split goes through column 1.
        for seed in 0..50 {
            let tree = build_all(&[7.0, 1.0, 7.0, 2.0], 2, seed);
            let Node::Split { feature, threshold } = tree.0[0] else { panic!("no split with seed {seed}") };
            assert_eq!(feature, 1);
            assert!(threshold > 1.0 && threshold <= 2.0);
        }
    }

    #[test]
    fn identical_rows_end_in_one_leaf() {
        assert_eq!(build_all(&[3.0; 8], 2, 0).0, [Node::Leaf { size: 4 }]);
        assert_eq!(build_all(&[f32::NAN; 4], 1, 0).0, [Node::Leaf { size: 4 }]);
    }

    #[test]
    fn splits_missing_values_from_equal_ones() {
        let tree = build_all(&[f32::NAN, 5.0, 5.0, 5.0], 1, 0);
        let expected = [Node::Split { feature: 0, threshold: 5.0 }, Node::Leaf { size: 1 }, Node::Leaf { size: 3 }];
        assert_eq!(tree.0, expected);
    }

    #[test]
    fn separates_neighbouring_and_extreme_values() {
        for (a, b) in [(1.0, next_up(1.0)), (f32::MIN, f32::MAX), (0.0, f32::from_bits(1)), (-1.0, -0.0)] {
            for seed in 0..20 {
                let tree = build_all(&[a, b], 1, seed);
                assert_eq!(tree.0.len(), 3, "{a} and {b}, seed {seed}");
                assert_eq!(tree.0[1..], [Node::Leaf { size: 1 }; 2]);
            }
        }
    }
}
