//! The kernel that runs anywhere: complete trees, walked one step after the other.
//!
//! The arrays have 256 entries and are indexed by the low byte: no step can leave them, and the leaves begin again at
//! 0.

use super::complete_tree::{COLUMN_MASK, Columns, CompleteForest, CompleteTree, Keys, twice_and};
use crate::Matrix;

/// How many walks go on side by side, to hide the latency of each step behind the others: one row down so many trees,
/// and so many rows down one tree, as many as registers hold.
const TREES: usize = 8;
const ROWS: usize = 8;

/// Rows walk a tree while it is in the first-level cache, so many times [`ROWS`] of them.
const ROUNDS: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Portable {
    /// Followed by as many empty ones as [`TREES`] divides.
    trees: Vec<CompleteTree>,
    n_trees: usize,
    columns: Columns,
    /// How many steps reach the leaves of every tree. That it is not known when this is compiled keeps the steps a
    /// loop: unrolled, the lanes no longer fit the registers, and a walk takes half as long again.
    height: usize,
}

impl Portable {
    pub(super) fn new(complete: CompleteForest) -> Self {
        let CompleteForest { mut trees, columns, height } = complete;
        let n_trees = trees.len();
        // Every path in these has length 0.
        trees.resize_with(n_trees.next_multiple_of(TREES), CompleteTree::empty);
        Self { trees, n_trees, columns, height }
    }

    pub(crate) fn fixed_point(&self, row: &[f32]) -> u64 {
        let mut keys = Keys::NONE;
        self.columns.set_keys(row, &mut keys);
        let mut sum = 0;
        let mut rest = self.trees.as_slice();
        while let Some((trees, tail)) = rest.split_first_chunk::<TREES>() {
            rest = tail;
            let mut at = [1; TREES];
            for _ in 0..self.height {
                for (at, tree) in at.iter_mut().zip(trees) {
                    *at = tree.step(*at, &keys);
                }
            }
            sum += trees.iter().zip(at).map(|(tree, at)| tree.leaf(at)).sum::<u64>();
        }
        sum
    }

    pub(crate) fn fixed_point_of_rows(&self, rows: Matrix<'_>, fixed_point: &mut [u64]) {
        let mut keys_of = [[Keys::NONE; ROWS]; ROUNDS];
        let blocks = rows.blocks(ROUNDS * ROWS);
        for (block, fixed_point) in blocks.zip(fixed_point.chunks_mut(ROUNDS * ROWS)) {
            for (keys, row) in keys_of.as_flattened_mut().iter_mut().zip(block.iter()) {
                self.columns.set_keys(row, keys);
            }
            fixed_point.fill(0);
            for tree in &self.trees[..self.n_trees] {
                for (keys_of, fixed_point) in keys_of.iter().zip(fixed_point.chunks_mut(ROWS)) {
                    let mut at = [1; ROWS];
                    for _ in 0..self.height {
                        for (at, keys) in at.iter_mut().zip(keys_of) {
                            *at = tree.step(*at, keys);
                        }
                    }
                    for (fixed_point, at) in fixed_point.iter_mut().zip(at) {
                        *fixed_point += tree.leaf(at);
                    }
                }
            }
        }
    }
}

impl CompleteTree {
    fn step(&self, at: u32, keys: &Keys) -> u32 {
        let node = self.nodes[usize::from(at as u8)];
        twice_and(at, node < keys.0[(node & COLUMN_MASK) as usize])
    }

    fn leaf(&self, at: u32) -> u64 {
        u64::from(self.leaves[usize::from(at as u8)])
    }
}
