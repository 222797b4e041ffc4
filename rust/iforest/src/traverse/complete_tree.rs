//! Complete-tree layout: trees of height 8 or less over at most 32 columns, with one 32-bit word per node.
//!
//! Values are compared as integers. [`float_key`] maps a float to a `u32` that sorts the same, with a missing value below
//! all others. The fit draws thresholds whose keys end in five zero bits ([`quantize_threshold`]); a node stores its
//! column there, as an index into the split columns. With the same index in the low bits of the row's key, comparing
//! whole words compares value and threshold: if the high bits differ they decide, and if they are equal, so are the low
//! bits. The comparison is exact, because a key passes a threshold with zero low bits if and only if the key rounded
//! down passes it.
//!
//! Children of node `i` are `2i` and `2i + 1`, with the root at 1, so nodes need no links.

use std::collections::BTreeSet;

use crate::float_key::{float_key, from_float_key};
use crate::tree::{Node, Tree};

pub(super) const MAX_HEIGHT: usize = 8;
pub(super) const SIZE: usize = 1 << MAX_HEIGHT;
const COLUMN_BITS: u32 = 5;
pub(super) const MAX_COLUMNS: usize = 1 << COLUMN_BITS;
pub(super) const COLUMN_MASK: u32 = MAX_COLUMNS as u32 - 1;

/// Keys of a row's split columns, plus one: "key ≥ threshold" becomes "threshold < key", which the processor answers in
/// its carry flag.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Keys<const N: usize = MAX_COLUMNS>(pub(super) [u32; N]);

impl<const N: usize> Keys<N> {
    /// Initial keys: 1, which passes the words 0 below a leaf even if no column is split.
    pub(super) const NONE: Self = Self([1; N]);
}

/// Trees of a forest, before they are laid out for a kernel.
pub(super) struct CompleteForest {
    pub(super) trees: Vec<CompleteTree>,
    pub(super) columns: Columns,
    /// Number of steps from the root to the leaves of every tree.
    pub(super) height: usize,
}

#[derive(Clone, Debug)]
pub(super) struct CompleteTree {
    /// Threshold and column of each node. Below a leaf that is above the last level the words are 0, which every key
    /// passes.
    pub(super) nodes: [u32; SIZE],
    /// Path lengths of the last level, in fixed point.
    pub(super) leaves: [u32; SIZE],
}

/// Columns that the trees split.
#[derive(Clone, Debug)]
pub(super) struct Columns(pub(super) Vec<u16>);

/// Nearest threshold to `threshold` that this layout can represent, above `min` and at most `max`; `threshold` itself
/// if there is none.
pub(crate) fn quantize_threshold(threshold: f32, min: f32, max: f32) -> f32 {
    let up = float_key(threshold).saturating_add(COLUMN_MASK) & !COLUMN_MASK;
    let down = float_key(threshold) & !COLUMN_MASK;
    [up, down].map(from_float_key).into_iter().find(|&short| short > min && short <= max).unwrap_or(threshold)
}

impl CompleteForest {
    /// Lays out trees with leaves after `height` steps. `None` if a tree is too high, too many columns are split, or a
    /// threshold is not representable.
    pub(super) fn new(trees: &[&Tree], height: usize) -> Option<Self> {
        if height > MAX_HEIGHT || trees.iter().any(|tree| tree.height() > height) {
            return None;
        }
        let columns: BTreeSet<u16> = trees.iter().flat_map(|tree| tree.columns()).collect();
        if columns.len() > MAX_COLUMNS {
            return None;
        }
        let columns = Columns(columns.into_iter().collect());
        let trees = trees.iter().map(|tree| CompleteTree::new(tree, height, &columns)).collect::<Option<_>>()?;
        Some(Self { trees, columns, height })
    }
}

impl Columns {
    /// Writes the keys of a row's split columns; keys beyond these stay unchanged.
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
        // Preorder: the next node fills the slot that was reserved last. A slot has a depth and an index.
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
                    // A row that passes every word 0 on its way down arrives at the rightmost leaf below.
                    let rightmost = ((place + 1) << (height - depth)) - 1;
                    complete.leaves[rightmost % SIZE] = leaf.path_length(depth);
                }
            }
        }
        Some(complete)
    }
}

/// Index of a child: `2 at`, plus 1 for the right one. One instruction instead of the compiler's three saves a fifth of
/// the time.
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
        fn quantized_thresholds_still_split(a in any::<f32>(), b in any::<f32>(), at in 0f64..1.0) {
            prop_assume!(a.is_finite() && b.is_finite() && a < b);
            let drawn = ((f64::from(a) + (f64::from(b) - f64::from(a)) * at) as f32).max(crate::build::next_up(a));
            let short = quantize_threshold(drawn, a, b);
            prop_assert!(a < short && short <= b);
            prop_assert!(short == drawn || float_key(short) & COLUMN_MASK == 0);
            prop_assert!(float_key(short).abs_diff(float_key(drawn)) <= COLUMN_MASK);
        }
    }

    #[test]
    fn quantizes_thresholds_upwards_if_possible() {
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
