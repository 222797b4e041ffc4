//! Errors in parameters, training rows and stored forests.

/// Error in parameters, training rows or a stored forest. `Display` is one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] ErrorKind);

impl Error {
    /// The kind of error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }
}

/// Kind of an [`Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Fit: a parameter lies outside its range.
    #[error("{name} is {value}; it must lie between {min} and {max}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// The given value.
        value: usize,
        /// The smallest value allowed.
        min: usize,
        /// The largest value allowed.
        max: usize,
    },
    /// Fit: a group names a column more than once.
    #[error("group {group} names column {column} more than once; name each column of a group once")]
    RepeatedColumn {
        /// Index of the group, from 0.
        group: usize,
        /// The column.
        column: usize,
    },
    /// Matrix: the values do not divide into rows of that many columns.
    #[error("{values} values do not divide into rows of {n_features} columns")]
    Shape {
        /// Number of values given.
        values: usize,
        /// Number of columns per row.
        n_features: usize,
    },
    /// Fit: there are fewer rows than a tree needs.
    #[error("{rows} rows are too few to build a forest; at least {min} are needed")]
    TooFewRows {
        /// Number of rows given.
        rows: usize,
        /// Number of rows needed.
        min: usize,
    },
    /// Fit: a value is infinite, so no split can be drawn from its column's range.
    #[error("row {row}, column {column} is infinite; give a finite number, or NaN where the value is missing")]
    Infinite {
        /// Index of the row, from 0.
        row: usize,
        /// Index of the column, from 0.
        column: usize,
    },
    /// Stored forest: a number that bounds the forest lies outside its range.
    #[error("the forest's {name} is {value}; it must lie between {min} and {max}")]
    Bound {
        /// Name of the number.
        name: &'static str,
        /// Its value.
        value: usize,
        /// The smallest value allowed.
        min: usize,
        /// The largest value allowed.
        max: usize,
    },
    /// Stored forest: a split names a column that rows do not have.
    #[error("tree {tree}, node {node} splits column {feature}, but rows have {n_features}")]
    Feature {
        /// Index of the tree.
        tree: usize,
        /// Index of the node in the tree's preorder.
        node: usize,
        /// The column the node names.
        feature: usize,
        /// Number of columns of a row.
        n_features: usize,
    },
    /// Stored forest: the range of a column is not finite, or its ends are reversed.
    #[error("the range of column {column} is not a range of finite numbers")]
    Range {
        /// The column.
        column: usize,
    },
    /// Stored forest: a group has several ranges of one column.
    #[error("group {group} has more than one range of column {column}")]
    RepeatedRange {
        /// Index of the group.
        group: usize,
        /// The column.
        column: usize,
    },
    /// Stored forest: a split's threshold is not a finite number.
    #[error("tree {tree}, node {node} splits at a threshold that is not finite")]
    Threshold {
        /// Index of the tree.
        tree: usize,
        /// Index of the node in the tree's preorder.
        node: usize,
    },
    /// Stored forest: the nodes do not form one binary tree, or one deeper than its height limit.
    #[error("the {nodes} nodes of tree {tree} do not form one binary tree of height {height_limit} or less")]
    Structure {
        /// Index of the tree.
        tree: usize,
        /// Number of its nodes.
        nodes: usize,
        /// The height limit the sample size implies.
        height_limit: usize,
    },
    /// Stored forest: a path length is outside 0 to 255 edges.
    #[error("tree {tree}, node {node}: the path length is not between 0 and 255 edges")]
    PathLength {
        /// Index of the tree.
        tree: usize,
        /// Index of the node in the tree's preorder.
        node: usize,
    },
    /// Stored forest: a leaf has no row, or the leaves have more or fewer rows than the sample.
    #[error("the leaves of tree {tree} must hold at least one row each and exactly {sample_size} rows together")]
    LeafSizes {
        /// Index of the tree.
        tree: usize,
        /// Number of rows that the tree was built from.
        sample_size: usize,
    },
}
