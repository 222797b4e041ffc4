//! Walking rows down the trees: the hot loop, in the layout that suits the forest.

mod compact;
mod complete;
mod general;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the instructions have no other way in")]
#[allow(unused_unsafe, reason = "their functions are unsafe before Rust 1.87 only")]
mod x86;

use crate::Rows;
use crate::tree::Tree;
use complete::Complete;
#[cfg(target_arch = "x86_64")]
use complete::MAX_HEIGHT;
pub(crate) use complete::shorten;

/// All trees, ready to be walked. Every way gives the same path lengths to the last bit.
#[derive(Clone, Debug)]
pub(crate) enum Walk {
    /// Complete trees of few columns, which is every forest of the default sample size, where the processor has wide
    /// registers.
    #[cfg(target_arch = "x86_64")]
    Blocks(x86::Blocks),
    /// The same anywhere.
    Compact(compact::Compact),
    /// Any forest.
    General(general::General),
}

impl Walk {
    pub(crate) fn new(trees: &[&Tree], n_features: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(blocks) = Complete::new(trees, n_features, MAX_HEIGHT).and_then(|it| x86::Blocks::new(&it)) {
            return Self::Blocks(blocks);
        }
        let height = trees.iter().map(|tree| tree.height()).max().unwrap_or(0);
        match Complete::new(trees, n_features, height) {
            Some(complete) => Self::Compact(compact::Compact::new(complete)),
            None => Self::General(general::General::new(trees)),
        }
    }

    /// The sum of the row's path lengths in all trees, in units of 2^-24 edge.
    pub(crate) fn units(&self, row: &[f32]) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Blocks(walk) => walk.units(row),
            Self::Compact(walk) => walk.units(row),
            Self::General(walk) => walk.units(row),
        }
    }

    /// The same of many rows, in order, into as many `units`.
    pub(crate) fn units_of_rows(&self, rows: Rows<'_>, units: &mut [u64]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Blocks(walk) => walk.units_of_rows(rows, units),
            Self::Compact(walk) => walk.units_of_rows(rows, units),
            Self::General(walk) => rows.iter().zip(units).for_each(|(row, units)| *units = walk.units(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grow::grow;
    use crate::random::Random;
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
    fn complete_trees_are_walked_by_the_instructions_there_are() {
        let leaf = Node::Leaf { size: 1 };
        let cut = |feature| Tree(vec![Node::Split { feature, threshold: 1.0 }, leaf, leaf]);
        let trees: Vec<Tree> = (0..32).map(cut).collect();
        let walk = |width| Walk::new(&trees[..width].iter().collect::<Vec<_>>(), width);
        let (avx2, avx512) = (is_x86_feature_detected!("avx2"), cfg!(avx512) && is_x86_feature_detected!("avx512f"));
        for (width, blocks) in [(1, avx2 || avx512), (8, avx2 || avx512), (9, avx512), (32, avx512)] {
            assert_eq!(matches!(walk(width), Walk::Blocks(_)), blocks, "{width}");
            assert_eq!(matches!(walk(width), Walk::Compact(_)), !blocks, "{width}");
        }
    }

    #[test]
    fn trees_too_high_or_too_wide_for_a_complete_layout_are_walked_as_any() {
        let cut = Node::Split { feature: 0, threshold: 1.0 };
        for (height, width, general) in [(8, 32, false), (9, 1, true), (8, 33, true)] {
            let tree = Tree([vec![cut; height], vec![Node::Leaf { size: 1 }; height + 1]].concat());
            assert_eq!(matches!(Walk::new(&[&tree], width), Walk::General(_)), general, "{height}, {width}");
        }
    }

    /// So many values and trees at most: what takes a second takes Miri half an hour.
    const MOST: (usize, usize) = if cfg!(miri) { (4 * 40, 12) } else { (4 * 300, 40) };

    proptest! {
        #[test]
        fn every_walk_agrees_to_the_last_bit(
            width in prop_oneof![2 => Just(4), 1 => Just(12), 1 => Just(32)],
            values in prop::collection::vec(value(), 32 * 2..MOST.0),
            probes in prop::collection::vec(prop_oneof![value(), any::<u32>().prop_map(f32::from_bits)], 160),
            n_trees in 1..MOST.1,
            seed: u64,
        ) {
            let rows = Rows::new(&values[..values.len() / width * width], width).unwrap();
            let mut random = Random::new(seed);
            let trees: Vec<Tree> = (0..n_trees)
                .map(|_| grow(rows, &random.subset(rows.len(), 256), (0..width as u16).collect(), &mut random))
                .collect();
            let trees: Vec<&Tree> = trees.iter().collect();
            let general = general::General::new(&trees);
            let height = trees.iter().map(|tree| tree.height()).max().unwrap_or(0);
            let Some(complete) = Complete::new(&trees, width, height) else { return Ok(()) };
            let mut walks = vec![Walk::Compact(compact::Compact::new(complete))];
            #[cfg(target_arch = "x86_64")]
            walks.extend(x86::Blocks::all(&Complete::new(&trees, width, MAX_HEIGHT).unwrap()).map(Walk::Blocks));
            let probes = Rows::new(&probes[..160 / width * width], width).unwrap();
            for rows in [rows, probes] {
                for walk in &walks {
                    let mut batch = vec![0; rows.len()];
                    walk.units_of_rows(rows, &mut batch);
                    for (row, batch) in rows.iter().zip(batch) {
                        let expected = general.units(row);
                        prop_assert_eq!(walk.units(row), expected);
                        prop_assert_eq!(batch, expected);
                    }
                }
            }
        }
    }
}
