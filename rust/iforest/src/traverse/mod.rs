//! Tree traversal, the hot loop, with one kernel per memory layout.

mod complete_tree;
mod linked;
mod portable;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "intrinsics need unsafe code")]
#[allow(unused_unsafe, reason = "their functions are unsafe before Rust 1.87 only")]
mod x86_64;

use crate::tree::Tree;
use complete_tree::CompleteForest;
#[cfg(target_arch = "x86_64")]
use complete_tree::MAX_HEIGHT;
pub(crate) use complete_tree::quantize_threshold;

/// Trees in the layout of one kernel. All kernels return bit-identical path lengths.
#[derive(Clone, Debug)]
pub(crate) enum Traversal {
    /// Complete trees of few columns on a processor with wide registers.
    #[cfg(target_arch = "x86_64")]
    Blocks(x86_64::Blocks),
    /// Complete trees on any processor.
    Portable(portable::Portable),
    /// Any forest.
    Linked(linked::Linked),
}

impl Traversal {
    pub(crate) fn new(trees: &[&Tree]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(blocks) = CompleteForest::new(trees, MAX_HEIGHT).and_then(|it| x86_64::Blocks::new(&it)) {
            return Self::Blocks(blocks);
        }
        let height = trees.iter().map(|tree| tree.height()).max().unwrap_or(0);
        match CompleteForest::new(trees, height) {
            Some(complete) => Self::Portable(portable::Portable::new(complete)),
            None => Self::Linked(linked::Linked::new(trees)),
        }
    }

    /// Sum of a row's path lengths in all trees, in fixed point.
    pub(crate) fn path_length(&self, row: &[f32]) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Blocks(traversal) => traversal.path_length(row),
            Self::Portable(traversal) => traversal.path_length(row),
            Self::Linked(traversal) => traversal.path_length(row),
        }
    }

    /// Sums of many rows' path lengths, in order, into as many entries of `sums`.
    pub(crate) fn path_lengths<'r>(&self, rows: impl Iterator<Item = &'r [f32]>, sums: &mut [u64]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Blocks(traversal) => traversal.path_lengths(rows, sums),
            Self::Portable(traversal) => traversal.path_lengths(rows, sums),
            Self::Linked(traversal) => rows.zip(sums).for_each(|(row, sum)| *sum = traversal.path_length(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::build;
    use crate::matrix::Matrix;
    use crate::rng::ForestRng;
    use crate::tree::Node;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => (-20..20i8).prop_map(f32::from),
            4 => any::<f32>().prop_filter("finite", |x| x.is_finite()),
            1 => prop_oneof![Just(f32::NAN), Just(0.0), Just(-0.0), Just(f32::MIN_POSITIVE / 2.0)],
        ]
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn chooses_the_kernel_the_processor_supports() {
        let leaf = Node::Leaf { size: 1 };
        let split = |feature| Tree(vec![Node::Split { feature, threshold: 1.0 }, leaf, leaf]);
        let trees: Vec<Tree> = (0..32).map(split).collect();
        let traversal = |width| Traversal::new(&trees[..width].iter().collect::<Vec<_>>());
        let (avx2, avx512) = (is_x86_feature_detected!("avx2"), cfg!(avx512) && is_x86_feature_detected!("avx512f"));
        for (width, blocks) in
            [(1, avx2 || avx512), (8, avx2 || avx512), (16, avx2 || avx512), (17, avx512), (32, avx512)]
        {
            assert_eq!(matches!(traversal(width), Traversal::Blocks(_)), blocks, "{width}");
            assert_eq!(matches!(traversal(width), Traversal::Portable(_)), !blocks, "{width}");
        }
    }

    #[test]
    fn uses_linked_nodes_for_high_or_wide_trees() {
        for (height, width, linked) in [(8, 32u16, false), (9, 1, true), (8, 33, true)] {
            // As many columns as trees; the number of columns of a row is without limit.
            let tree = |feature| {
                let split = Node::Split { feature: 10 * feature, threshold: 1.0 };
                Tree([vec![split; height], vec![Node::Leaf { size: 1 }; height + 1]].concat())
            };
            let trees: Vec<Tree> = (0..width).map(tree).collect();
            let traversal = Traversal::new(&trees.iter().collect::<Vec<_>>());
            assert_eq!(matches!(traversal, Traversal::Linked(_)), linked, "{height}, {width}");
        }
    }

    /// Upper bounds on values and trees; Miri is about 2,000 times slower.
    const MAX_CASES: (usize, usize) = if cfg!(miri) { (4 * 40, 12) } else { (4 * 300, 40) };

    proptest! {
        #[test]
        fn kernels_return_identical_path_lengths(
            width in prop_oneof![2 => Just(4), 1 => Just(12), 1 => Just(32)],
            values in prop::collection::vec(value(), 32 * 2..MAX_CASES.0),
            probes in prop::collection::vec(prop_oneof![value(), any::<u32>().prop_map(f32::from_bits)], 160),
            n_trees in 1..MAX_CASES.1,
            seed: u64,
        ) {
            let rows = Matrix::new(&values[..values.len() / width * width], width).unwrap();
            let mut rng = ForestRng::new(seed);
            let trees: Vec<Tree> = (0..n_trees)
                .map(|_| build(rows, &rng.subset(rows.len(), 256), (0..width as u16).collect(), &mut rng))
                .collect();
            let trees: Vec<&Tree> = trees.iter().collect();
            let linked = linked::Linked::new(&trees);
            let height = trees.iter().map(|tree| tree.height()).max().unwrap_or(0);
            let Some(complete) = CompleteForest::new(&trees, height) else { return Ok(()) };
            let mut traversals = vec![Traversal::Portable(portable::Portable::new(complete))];
            #[cfg(target_arch = "x86_64")]
            traversals.extend(x86_64::Blocks::all(&CompleteForest::new(&trees, MAX_HEIGHT).unwrap()).map(Traversal::Blocks));
            let probes = Matrix::new(&probes[..160 / width * width], width).unwrap();
            for rows in [rows, probes] {
                for traversal in &traversals {
                    let mut batch = vec![0; rows.len()];
                    traversal.path_lengths(rows.iter(), &mut batch);
                    for (row, batch) in rows.iter().zip(batch) {
                        let expected = linked.path_length(row);
                        prop_assert_eq!(traversal.path_length(row), expected);
                        prop_assert_eq!(batch, expected);
                    }
                }
            }
        }
    }
}
