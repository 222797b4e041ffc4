//! Trees of height 8 or less over at most 32 columns as complete trees: a node is one 32-bit word, a tree two
//! kilobytes.
//!
//! Values are compared as integers. [`float_key`] maps a float to a `u32` that sorts alike, with a missing value below
//! all others. The fit draws thresholds whose keys end in five zero bits ([`quantize_threshold`]); there the node keeps
//! its column, by its place among the columns that are split. Where a row's key gets its column in the same place,
//! comparing whole words compares value with threshold: above the low bits they differ as the values do, and if they do
//! not differ there, the low bits are equal. The comparison is exact because a threshold whose low bits are zero is
//! passed by a key if and only if it is passed by the key rounded down.
//!
//! Children of node `i` are `2i` and `2i + 1` from the root at 1, so there is no link to follow.

use std::collections::BTreeSet;

use crate::float_key::{float_key, from_float_key};
use crate::tree::{Node, Tree};

pub(super) const MAX_HEIGHT: usize = 8;
pub(super) const SIZE: usize = 1 << MAX_HEIGHT;
const COLUMN_BITS: u32 = 5;
pub(super) const MAX_COLUMNS: usize = 1 << COLUMN_BITS;
pub(super) const COLUMN_MASK: u32 = MAX_COLUMNS as u32 - 1;

/// A row's key of each column that is split, plus one: to ask whether the key is not below the threshold is then to ask
/// whether the threshold is below it, to which a processor leaves the answer in its carry.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Keys<const N: usize = MAX_COLUMNS>(pub(super) [u32; N]);

impl<const N: usize> Keys<N> {
    /// Below a leaf the words are 0, of the first column: the right way, whether or not a column is split.
    pub(super) const NONE: Self = Self([1; N]);
}

/// All trees of a forest, to lay out for a kernel.
pub(super) struct CompleteForest {
    pub(super) trees: Vec<CompleteTree>,
    pub(super) columns: Columns,
    /// How many steps reach the leaves of every tree.
    pub(super) height: usize,
}

#[derive(Clone, Debug)]
pub(super) struct CompleteTree {
    /// Threshold and column. Below a leaf that lies higher than the last level the words are 0, which every key passes.
    pub(super) nodes: [u32; SIZE],
    /// Path lengths in fixed point: where the last step leads, counted from the first place of its level.
    pub(super) leaves: [u32; SIZE],
}

/// The columns that the trees split.
#[derive(Clone, Debug)]
pub(super) struct Columns(pub(super) Vec<u16>);

/// The threshold next to `threshold` that this layout can hold and that lies above `min` and not above `max`; the
/// threshold itself where there is none.
pub(crate) fn quantize_threshold(threshold: f32, min: f32, max: f32) -> f32 {
    let up = float_key(threshold).saturating_add(COLUMN_MASK) & !COLUMN_MASK;
    let down = float_key(threshold) & !COLUMN_MASK;
    [up, down].map(from_float_key).into_iter().find(|&short| short > min && short <= max).unwrap_or(threshold)
}

impl CompleteForest {
    /// Leaves come after `height` steps. None where a tree is higher or too high, a row too wide, or a threshold too
    /// long.
    pub(super) fn new(trees: &[&Tree], n_features: usize, height: usize) -> Option<Self> {
        if n_features > MAX_COLUMNS || height > MAX_HEIGHT || trees.iter().any(|tree| tree.height() > height) {
            return None;
        }
        let columns: BTreeSet<u16> = trees.iter().flat_map(|tree| tree.columns()).collect();
        let columns = Columns(columns.into_iter().collect());
        let trees = trees.iter().map(|tree| CompleteTree::new(tree, height, &columns)).collect::<Option<_>>()?;
        Some(Self { trees, columns, height })
    }
}

impl Columns {
    /// The keys of a row; those of columns that are not split stay as they are.
    pub(super) fn set_keys<const N: usize>(&self, row: &[f32], keys: &mut Keys<N>) {
        for (at, (&column, place)) in self.0.iter().zip(&mut keys.0).enumerate() {
            *place = (float_key(row[usize::from(column)]) & !COLUMN_MASK) + at as u32 + 1;
        }
    }
}

impl CompleteTree {
    pub(super) fn empty() -> Self {
        Self { nodes: [0; SIZE], leaves: [0; SIZE] }
    }

    fn new(tree: &Tree, height: usize, columns: &Columns) -> Option<Self> {
        let mut complete = Self::empty();
        // Preorder: the next node belongs to the place that was reserved last. A place is its depth and its index.
        let mut places = vec![(0, 1usize)];
        for node in &tree.0 {
            let (depth, place) = places.pop()?;
            match *node {
                Node::Split { feature, threshold } => {
                    let threshold = float_key(threshold);
                    if threshold & COLUMN_MASK != 0 {
                        return None;
                    }
                    complete.nodes[place] = threshold | columns.0.binary_search(&feature).ok()? as u32;
                    places.extend([(depth + 1, 2 * place + 1), (depth + 1, 2 * place)]);
                }
                leaf => {
                    // A row that passes every word 0 on the way down arrives at the rightmost leaf below.
                    let rightmost = ((place + 1) << (height - depth)) - 1;
                    complete.leaves[rightmost % SIZE] = leaf.fixed_point(depth);
                }
            }
        }
        Some(complete)
    }
}

/// `2 at`, and one more to the right. This is one instruction, in place of the three that a compiler makes of the sum:
/// of eight to a step, two less, which is a fifth of the time.
pub(super) fn twice_and(at: u32, right: bool) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        let mut sum = 0;
        // SAFETY: every x86-64 processor has it.
        #[expect(unsafe_code, reason = "the instruction is unsafe before Rust 1.87")]
        #[allow(unused_unsafe, reason = "and safe since")]
        unsafe {
            core::arch::x86_64::_addcarry_u32(right.into(), at, at, &mut sum);
        }
        sum
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        2 * at + u32::from(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shortened_threshold_still_cuts(a in any::<f32>(), b in any::<f32>(), at in 0f64..1.0) {
            prop_assume!(a.is_finite() && b.is_finite() && a < b);
            let drawn = ((f64::from(a) + (f64::from(b) - f64::from(a)) * at) as f32).max(crate::build::next_up(a));
            let short = quantize_threshold(drawn, a, b);
            prop_assert!(a < short && short <= b);
            prop_assert!(short == drawn || float_key(short) & COLUMN_MASK == 0);
            prop_assert!(float_key(short).abs_diff(float_key(drawn)) <= COLUMN_MASK);
        }
    }

    #[test]
    fn a_threshold_is_shortened_upwards_where_there_is_room_and_else_downwards() {
        for word in [float_key(-3.0), float_key(0.0), float_key(5.0)].map(|key| key & !COLUMN_MASK) {
            let shortened = |drawn, min, max| {
                let [drawn, min, max] =
                    [drawn, min, max].map(|offset: i32| from_float_key(word.wrapping_add_signed(offset)));
                i64::from(float_key(quantize_threshold(drawn, min, max))) - i64::from(word)
            };
            assert_eq!(shortened(3, -9, 40), 32);
            assert_eq!(shortened(3, 1, 32), 32);
            assert_eq!(shortened(3, -9, 31), 0);
            assert_eq!(shortened(3, -2, 9), 0);
            assert_eq!(shortened(3, 0, 31), 3);
            assert_eq!(shortened(0, -9, 40), 0);
        }
    }
}
