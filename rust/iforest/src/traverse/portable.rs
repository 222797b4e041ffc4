//! Portable kernel for complete trees, one step after the other.
//!
//! Arrays have 256 entries and are indexed by the low byte, so no step can leave them; the leaves start again at 0.

use super::complete_tree::{COLUMN_MASK, Columns, CompleteForest, CompleteTree, Keys, twice_and};

/// Number of traversals side by side, to hide the latency of each step: one row through `TREES` trees, or `ROWS` rows
/// through one tree. More would not fit the registers.
const TREES: usize = 8;
const ROWS: usize = 8;

/// Multiple of [`ROWS`] that traverses a tree while it is in the first-level cache.
const ROUNDS: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Portable {
    /// Padded with empty trees to a multiple of [`TREES`].
    trees: Vec<CompleteTree>,
    n_trees: usize,
    columns: Columns,
    /// Number of steps to the leaves of every tree. As a compile-time constant it would unroll the loop, whose lanes
    /// then no longer fit the registers: half as slow again.
    height: usize,
}

impl Portable {
    pub(super) fn new(complete: CompleteForest) -> Self {
        let CompleteForest { mut trees, columns, height } = complete;
        let n_trees = trees.len();
        // Every path in these padding trees has length 0.
        trees.resize_with(n_trees.next_multiple_of(TREES), CompleteTree::empty);
        Self { trees, n_trees, columns, height }
    }

    pub(crate) fn path_length(&self, row: &[f32]) -> u64 {
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

    pub(crate) fn path_lengths<'r>(&self, mut rows: impl Iterator<Item = &'r [f32]>, sums: &mut [u64]) {
        let mut keys_of = [[Keys::NONE; ROWS]; ROUNDS];
        for sums in sums.chunks_mut(ROUNDS * ROWS) {
            for (keys, row) in keys_of.as_flattened_mut().iter_mut().zip(&mut rows) {
                self.columns.set_keys(row, keys);
            }
            sums.fill(0);
            for tree in &self.trees[..self.n_trees] {
                for (keys_of, sums) in keys_of.iter().zip(sums.chunks_mut(ROWS)) {
                    let mut at = [1; ROWS];
                    for _ in 0..self.height {
                        for (at, keys) in at.iter_mut().zip(keys_of) {
                            *at = tree.step(*at, keys);
                        }
                    }
                    for (sum, at) in sums.iter_mut().zip(at) {
                        *sum += tree.leaf(at);
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
