//! The parameters of a fit and their ranges.

use std::collections::BTreeSet;

use crate::ErrorKind;

/// Beyond this a tree's depth no longer pays: the paper finds 256 enough on data of any size.
pub(crate) const MAX_SAMPLE_SIZE: usize = 1 << 20;
/// The most trees a forest has.
pub const MAX_TREES: usize = 10_000;
pub(crate) const MAX_GROUPS: usize = 64;
pub(crate) const MAX_MEAN_EXPONENT: usize = 64;
/// The most columns a row has.
pub const MAX_FEATURES: usize = 1 << 10;

/// How a forest is built. The defaults are the paper's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Params {
    /// How many trees are built: 1 to 10,000, and one to a group at least. Scores settle well before 100.
    pub n_trees: usize,
    /// ψ: how many rows, drawn without replacement, each tree is built from: 2 to 2^20. With fewer rows than that,
    /// all are used.
    pub sample_size: usize,
    /// Groups of columns: tree `i` splits only the columns of group `i` modulo the number of groups. No group: every
    /// tree splits all columns, as in the paper. Where columns speak of different things, groups keep those that say
    /// nothing about an anomaly from diluting those that do, and keep a large family of columns from outvoting a single
    /// one.
    pub groups: Vec<Vec<u16>>,
    /// How far the score follows the groups that find a row most anomalous: 1 to 64. Each group scores the row by its
    /// own trees; the score is their generalised mean of this exponent. 1 is the plain mean, in which a row that only
    /// one group finds unusual drowns; with a high one it stands out.
    pub mean_exponent: u8,
    /// Shortens the path of a row with a value outside the range of the training rows. A tree is blind beyond the
    /// values it was built from: far outside looks to it like barely outside. With this, a group's path length is 1
    /// with the probability that a split drawn over the range stretched to the value would part it from everything
    /// seen, and the trees' own otherwise. Rows within the range score the same either way.
    pub extrapolate: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { n_trees: 100, sample_size: 256, groups: Vec::new(), mean_exponent: 1, extrapolate: false }
    }
}

impl Params {
    pub(crate) fn check(&self, n_features: usize) -> Result<(), ErrorKind> {
        let within = |name, value, min, max| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(ErrorKind::Parameter { name, value, min, max }) }
        };
        within("number of columns", n_features, 1, MAX_FEATURES)?;
        within("n_trees", self.n_trees, self.groups.len().max(1), MAX_TREES)?;
        within("sample_size", self.sample_size, 2, MAX_SAMPLE_SIZE)?;
        within("mean_exponent", usize::from(self.mean_exponent), 1, MAX_MEAN_EXPONENT)?;
        within("number of groups", self.groups.len(), 0, MAX_GROUPS)?;
        for (i, group) in self.groups.iter().enumerate() {
            within("number of columns in a group", group.len(), 1, n_features)?;
            for &column in group {
                within("column in a group", usize::from(column), 0, n_features - 1)?;
            }
            if let Some(column) = repeated(group.iter().copied()) {
                return Err(ErrorKind::RepeatedColumn { group: i, column });
            }
        }
        Ok(())
    }

    /// The columns tree `tree` may split, the one to split first in front. Trees take turns at that, so that each
    /// column heads as many as any other: a draw in which chance has no say is one that cannot make two forests differ.
    pub(crate) fn columns(&self, tree: usize, n_features: usize) -> Vec<u16> {
        let (mut columns, turn) = match self.groups.len() {
            0 => ((0..n_features as u16).collect(), tree),
            n => (self.groups[tree % n].clone(), tree / n),
        };
        let first = turn % columns.len();
        columns.rotate_left(first);
        columns
    }
}

/// A column that is among these more than once.
pub(crate) fn repeated(columns: impl Iterator<Item = u16>) -> Option<usize> {
    let mut before = BTreeSet::new();
    columns.map(usize::from).find(|&column| !before.insert(column))
}

/// ⌈log2 ψ⌉: the average height of a tree of `sample_size` rows, below which a row is no anomaly any more.
pub(crate) fn height_limit(sample_size: usize) -> usize {
    sample_size.next_power_of_two().trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn height_limits() {
        for (sample_size, height) in [(2, 1), (3, 2), (4, 2), (255, 8), (256, 8), (257, 9)] {
            assert_eq!(height_limit(sample_size), height, "{sample_size}");
        }
    }

    #[test]
    fn parameters_are_checked() {
        let bad = Params { n_trees: 0, ..Params::default() };
        assert_eq!(bad.check(1).unwrap_err().to_string(), "n_trees is 0; it must lie between 1 and 10000");
        assert!(Params { sample_size: 1, ..Params::default() }.check(1).is_err());
        assert!(Params::default().check(1).is_ok());
        let groups = |groups: &[&[u16]]| Params {
            groups: groups.iter().map(|group| group.to_vec()).collect(),
            ..Params::default()
        };
        assert!(groups(&[&[0, 1], &[2]]).check(3).is_ok());
        assert!(groups(&[&[0, 1], &[]]).check(3).is_err());
        assert!(groups(&[&[0, 3]]).check(3).is_err());
        assert!(groups(&[&[0, 1], &[1]]).check(3).is_ok());
        let repeated = groups(&[&[0], &[1, 2, 1]]).check(3).unwrap_err().to_string();
        assert_eq!(repeated, "group 1 names column 1 more than once; name each column of a group once");
    }

    #[test]
    fn parameters_reach_as_far_as_they_are_said_to() {
        let groups = |n: usize| vec![vec![0]; n];
        let farthest =
            Params { n_trees: 10_000, sample_size: 1 << 20, groups: groups(64), mean_exponent: 64, extrapolate: true };
        assert_eq!(farthest.check(1024), Ok(()));
        assert!(farthest.check(1025).is_err() && farthest.check(0).is_err());
        for beyond in [
            Params { n_trees: 10_001, ..farthest.clone() },
            Params { n_trees: 63, ..farthest.clone() },
            Params { sample_size: (1 << 20) + 1, ..farthest.clone() },
            Params { groups: groups(65), ..farthest.clone() },
            Params { mean_exponent: 65, ..farthest.clone() },
            Params { mean_exponent: 0, ..farthest.clone() },
        ] {
            assert!(beyond.check(1024).is_err(), "{beyond:?}");
        }
        let nearest = Params { n_trees: 1, sample_size: 2, groups: groups(1), mean_exponent: 1, extrapolate: false };
        assert_eq!(nearest.check(1), Ok(()));
    }

    #[test]
    fn columns_take_turns_at_the_head() {
        let columns = |groups: &[&[u16]], tree| {
            let groups = groups.iter().map(|group| group.to_vec()).collect();
            Params { groups, ..Params::default() }.columns(tree, 3)
        };
        let all: Vec<_> = (0..4).map(|tree| columns(&[], tree)).collect();
        assert_eq!(all, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
        let grouped: Vec<_> = (0..6).map(|tree| columns(&[&[2, 0], &[1]], tree)).collect();
        assert_eq!(grouped, [&[2, 0][..], &[1], &[0, 2], &[1], &[2, 0], &[1]]);
    }
}
