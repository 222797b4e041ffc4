//! Walking rows down the trees: the hot loop, in the layout that suits the forest.

mod compact;
mod general;

use crate::Rows;
use crate::tree::Tree;
pub(crate) use compact::shorten;

/// All trees, ready to be walked. Both layouts give the same path lengths to the last bit.
#[derive(Clone, Debug)]
pub(crate) enum Walk {
    /// Trees of height 8 or less over 32 columns or fewer: every forest of the default sample size.
    Compact(compact::Compact),
    /// Any forest.
    General(general::General),
}

impl Walk {
    pub(crate) fn new(trees: &[&Tree], n_features: usize) -> Self {
        match compact::Compact::new(trees, n_features) {
            Some(compact) => Self::Compact(compact),
            None => Self::General(general::General::new(trees)),
        }
    }

    /// The sum of the row's path lengths in all trees, in units of 2^-24 edge.
    pub(crate) fn units(&self, row: &[f32]) -> u64 {
        match self {
            Self::Compact(walk) => walk.units(row),
            Self::General(walk) => walk.units(row),
        }
    }

    /// The same of many rows, in order, into as many `units`.
    pub(crate) fn units_of_rows(&self, rows: Rows<'_>, units: &mut [u64]) {
        match self {
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
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => (-20..20i8).prop_map(f32::from),
            4 => any::<f32>().prop_filter("finite", |x| x.is_finite()),
            1 => prop_oneof![Just(f32::NAN), Just(0.0), Just(-0.0), Just(f32::MIN_POSITIVE / 2.0)],
        ]
    }

    proptest! {
        #[test]
        fn both_layouts_agree_to_the_last_bit(
            values in prop::collection::vec(value(), 4 * 2..4 * 300),
            probes in prop::collection::vec(prop_oneof![value(), any::<u32>().prop_map(f32::from_bits)], 4 * 40),
            n_trees in 1..40usize,
            seed: u64,
        ) {
            let rows = Rows::new(&values[..values.len() / 4 * 4], 4).unwrap();
            let mut random = Random::new(seed);
            let trees: Vec<Tree> = (0..n_trees)
                .map(|_| grow(rows, &random.subset(rows.len(), 256), (0..4).collect(), &mut random))
                .collect();
            let trees: Vec<&Tree> = trees.iter().collect();
            let general = general::General::new(&trees);
            let Some(compact) = compact::Compact::new(&trees, 4) else { return Ok(()) };
            let probes = Rows::new(&probes, 4).unwrap();
            for rows in [rows, probes] {
                let mut batch = vec![0; rows.len()];
                compact.units_of_rows(rows, &mut batch);
                for (row, batch) in rows.iter().zip(batch) {
                    let expected = general.units(row);
                    prop_assert_eq!(compact.units(row), expected);
                    prop_assert_eq!(batch, expected);
                }
            }
        }
    }
}
