//! The parameters of a fit and their ranges.

use std::collections::BTreeSet;

use crate::error::ErrorKind;

/// Largest sample size. The paper finds 256 sufficient for data of any size.
pub const MAX_SAMPLE_SIZE: usize = 1 << 20;
/// Largest number of trees.
pub const MAX_TREES: usize = 10_000;
pub(crate) const MAX_GROUPS: usize = 64;
pub(crate) const MAX_MEAN_EXPONENT: usize = 64;
/// Largest number of columns.
pub const MAX_FEATURES: usize = 1 << 10;

/// Parameters of a fit. The defaults are the paper's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Params {
    /// Number of trees: 1 to 10,000, at least one per group. Scores are stable well below 100.
    pub n_trees: usize,
    /// ψ: number of rows, drawn without replacement, that each tree is built from: 2 to 2^20. If there are fewer, all
    /// are used.
    pub sample_size: usize,
    /// Groups of columns: tree `i` splits only the columns of group `i` modulo the number of groups. Without groups
    /// every tree splits all columns, as in the paper. Groups keep irrelevant columns from diluting relevant ones, and
    /// a large family of columns from outvoting a single one.
    pub groups: Vec<Vec<u16>>,
    /// Exponent of the generalised mean over the groups' scores: 1 to 64. 1 is the plain mean, which hides a row that
    /// only one group finds unusual; a high exponent lets it stand out.
    pub mean_exponent: u8,
    /// Shortens the path of a row with a value outside the range of the training rows. A tree cannot distinguish far
    /// outside from barely outside. If set, a group's path length is 1 with the probability that a split drawn over the
    /// extended range separates the value from all training rows, and the trees' own otherwise. Rows within the range
    /// are not affected.
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

    /// The columns that tree `tree` may split, starting with the one for its root. The root columns rotate, so that
    /// each column is split first equally often; drawing them would add variance between forests.
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

/// A column that occurs more than once.
pub(crate) fn repeated(columns: impl Iterator<Item = u16>) -> Option<usize> {
    let mut before = BTreeSet::new();
    columns.map(usize::from).find(|&column| !before.insert(column))
}

/// ⌈log2 ψ⌉: the average height of a tree of `sample_size` rows. Rows that are not isolated at this depth are typical.
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
    fn accepts_parameters_at_their_documented_limits() {
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
    fn root_columns_rotate() {
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
