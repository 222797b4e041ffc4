//! The layout for trees of height 8 or less over at most 32 columns: a node is one 32-bit word, a tree two kilobytes.
//!
//! Values are compared as integers. [`key`] maps a float to a `u32` that sorts alike, with a missing value below all
//! others. The fit draws thresholds whose keys end in five zero bits ([`shorten`]); there the node keeps its column.
//! Where a row's key gets its column in the same place, comparing whole words compares value with threshold: above the
//! low bits they differ as the values do, and if they do not differ there, the low bits are equal. The comparison is
//! exact because a threshold whose low bits are zero is passed by a key if and only if it is passed by the key rounded
//! down.
//!
//! A tree is complete, children of node `i` at `2i` and `2i + 1` from the root at 1, so there is no link to follow. The
//! arrays have 256 entries and are indexed by the low byte: no step can leave them, and the leaves begin again at 0.

use std::collections::BTreeSet;

use crate::Rows;
use crate::key::{from_key, key};
use crate::tree::{Node, Tree};

const MAX_HEIGHT: usize = 8;
const SIZE: usize = 1 << MAX_HEIGHT;
const COLUMN_BITS: u32 = 5;
const MAX_COLUMNS: usize = 1 << COLUMN_BITS;
const COLUMN_MASK: u32 = MAX_COLUMNS as u32 - 1;

/// How many walks go on side by side, to hide the latency of each step behind the others: one row down so many trees, and
/// so many rows down one tree, as many as registers hold.
const TREES: usize = 8;
const ROWS: usize = 8;

/// Rows walk a tree while it is in the first-level cache, so many times [`ROWS`] of them.
const ROUNDS: usize = 4;

/// A row's key of each column that is cut, plus one: to ask whether the key is not below the threshold is then to ask
/// whether the threshold is below it, to which a processor leaves the answer in its carry.
type Keys = [u32; MAX_COLUMNS];

/// Below a leaf the words are 0, of column 0: the right way, whether or not that column is cut.
const NO_KEYS: Keys = [1; MAX_COLUMNS];

#[derive(Clone, Debug)]
pub(crate) struct Compact {
    /// Followed by as many empty ones as [`TREES`] divides.
    trees: Vec<CompleteTree>,
    n_trees: usize,
    /// The columns that the trees cut.
    columns: Vec<u16>,
    /// How many steps reach the leaves of every tree. That it is not known when this is compiled keeps the steps a loop:
    /// unrolled, the lanes no longer fit the registers, and a walk takes half as long again.
    height: usize,
}

#[derive(Clone, Debug)]
struct CompleteTree {
    /// Threshold and column. Below a leaf that lies higher than the last level the words are 0, which every key passes.
    nodes: [u32; SIZE],
    /// Path lengths in units.
    leaves: [u32; SIZE],
}

/// The threshold next to `threshold` that this layout can hold and that lies above `min` and not above `max`; the
/// threshold itself where there is none.
pub(crate) fn shorten(threshold: f32, min: f32, max: f32) -> f32 {
    let up = key(threshold).saturating_add(COLUMN_MASK) & !COLUMN_MASK;
    let down = key(threshold) & !COLUMN_MASK;
    [up, down].map(from_key).into_iter().find(|&short| short > min && short <= max).unwrap_or(threshold)
}

impl Compact {
    /// None where a tree is too high, a row too wide, or a threshold too long.
    pub(crate) fn new(trees: &[&Tree], n_features: usize) -> Option<Self> {
        if n_features > MAX_COLUMNS {
            return None;
        }
        let height = trees.iter().map(|tree| tree.height()).max().unwrap_or(0);
        let columns: BTreeSet<u16> = trees.iter().flat_map(|tree| tree.columns()).collect();
        let mut trees = trees.iter().map(|tree| CompleteTree::new(tree, height)).collect::<Option<Vec<_>>>()?;
        let (n_trees, columns) = (trees.len(), columns.into_iter().collect());
        // Every path in these has length 0.
        trees.resize_with(n_trees.next_multiple_of(TREES), CompleteTree::empty);
        Some(Self { trees, n_trees, columns, height })
    }

    pub(crate) fn units(&self, row: &[f32]) -> u64 {
        let mut keys = NO_KEYS;
        self.set_keys(row, &mut keys);
        let mut sum = 0;
        for trees in self.trees.as_chunks::<TREES>().0 {
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

    pub(crate) fn units_of_rows(&self, rows: Rows<'_>, units: &mut [u64]) {
        let mut keys_of = [[NO_KEYS; ROWS]; ROUNDS];
        let blocks = rows.blocks(ROUNDS * ROWS);
        for (block, units) in blocks.zip(units.chunks_mut(ROUNDS * ROWS)) {
            for (keys, row) in keys_of.as_flattened_mut().iter_mut().zip(block.iter()) {
                self.set_keys(row, keys);
            }
            units.fill(0);
            for tree in &self.trees[..self.n_trees] {
                for (keys_of, units) in keys_of.iter().zip(units.chunks_mut(ROWS)) {
                    let mut at = [1; ROWS];
                    for _ in 0..self.height {
                        for (at, keys) in at.iter_mut().zip(keys_of) {
                            *at = tree.step(*at, keys);
                        }
                    }
                    for (units, at) in units.iter_mut().zip(at) {
                        *units += tree.leaf(at);
                    }
                }
            }
        }
    }

    fn set_keys(&self, row: &[f32], keys: &mut Keys) {
        for &column in &self.columns {
            let column = usize::from(column) % MAX_COLUMNS;
            keys[column] = ((key(row[column]) & !COLUMN_MASK) | column as u32) + 1;
        }
    }
}

impl CompleteTree {
    fn empty() -> Self {
        Self { nodes: [0; SIZE], leaves: [0; SIZE] }
    }

    fn new(tree: &Tree, height: usize) -> Option<Self> {
        if height > MAX_HEIGHT {
            return None;
        }
        let mut complete = Self::empty();
        // Preorder: the next node belongs to the place that was reserved last. A place is its depth and its index.
        let mut places = vec![(0, 1usize)];
        for node in &tree.0 {
            let (depth, place) = places.pop()?;
            match *node {
                Node::Split { feature, threshold } => {
                    let threshold = key(threshold);
                    if threshold & COLUMN_MASK != 0 {
                        return None;
                    }
                    complete.nodes[place] = threshold | u32::from(feature);
                    places.extend([(depth + 1, 2 * place + 1), (depth + 1, 2 * place)]);
                }
                leaf => {
                    // A row that passes every word 0 on the way down arrives at the rightmost leaf below.
                    let rightmost = ((place + 1) << (height - depth)) - 1;
                    complete.leaves[rightmost % SIZE] = leaf.units(depth);
                }
            }
        }
        Some(complete)
    }

    fn step(&self, at: u32, keys: &Keys) -> u32 {
        let node = self.nodes[usize::from(at as u8)];
        twice_and(at, node < keys[(node & COLUMN_MASK) as usize])
    }

    fn leaf(&self, at: u32) -> u64 {
        u64::from(self.leaves[usize::from(at as u8)])
    }
}

/// `2 at`, and one more to the right. This is one instruction, in place of the three that a compiler makes of the sum: of
/// eight to a step, two less, which is a fifth of the time.
#[cfg(target_arch = "x86_64")]
fn twice_and(at: u32, right: bool) -> u32 {
    let mut sum = 0;
    core::arch::x86_64::_addcarry_u32(right.into(), at, at, &mut sum);
    sum
}

#[cfg(not(target_arch = "x86_64"))]
fn twice_and(at: u32, right: bool) -> u32 {
    2 * at + u32::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shortened_threshold_still_cuts(a in any::<f32>(), b in any::<f32>(), at in 0f64..1.0) {
            prop_assume!(a.is_finite() && b.is_finite() && a < b);
            let drawn = ((f64::from(a) + (f64::from(b) - f64::from(a)) * at) as f32).max(a.next_up());
            let short = shorten(drawn, a, b);
            prop_assert!(a < short && short <= b);
            prop_assert!(short == drawn || key(short) & COLUMN_MASK == 0);
            prop_assert!(key(short).abs_diff(key(drawn)) <= COLUMN_MASK);
        }
    }
}
