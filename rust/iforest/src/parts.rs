//! A forest in the open: what another program that can walk trees has to know to give the same scores, and what a forest
//! grown by another program comes as.
//!
//! Nothing is grown or walked here.

use crate::average_path_length;
use crate::extent::Extent;
use crate::path_length::{UNITS_PER_EDGE, units};
use crate::tree::{Node, Tree};

/// All that decides a forest's scores.
///
/// The path length of a row in a group is the mean over the group's trees, and the group's score
/// 2^(-path length / c(ψ)), with c as in [`average_path_length`]; a value outside the range of
/// [`extents`](Self::extents) shortens the path first, as [`Params::cut_beyond`](crate::Params::cut_beyond) says. The
/// score of the row is the generalised mean of the groups' scores with the exponent [`emphasis`](Self::emphasis).
#[derive(Clone, Debug, PartialEq)]
pub struct ForestParts {
    /// How many values a row has.
    pub n_features: usize,
    /// ψ: how many rows each tree was grown from.
    pub sample_size: usize,
    /// How many groups the trees belong to: tree `i` to group `i` modulo this.
    pub n_groups: usize,
    /// How far the score follows the groups that find a row most anomalous; 1 is the plain mean.
    pub emphasis: u8,
    /// For each group the ranges of its columns; none at all where values beyond make no difference.
    pub extents: Vec<Vec<Extent>>,
    /// The trees, each as its nodes in preorder: the left subtree of a split follows it, then the right one.
    pub trees: Vec<Vec<Part>>,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// Rows with `value < threshold`, and rows where the value is missing (`NaN`), go left; the others right.
    Split {
        /// The column.
        feature: u16,
        /// Finite.
        threshold: f32,
    },
    /// Where a row's path ends.
    Leaf {
        /// Its length in edges, 0 to 255, with what the training rows that ended here add to it.
        path_length: f64,
    },
}

impl ForestParts {
    /// c(ψ), by which path lengths are normalised.
    pub fn average_path_length(&self) -> f64 {
        average_path_length(self.sample_size)
    }
}

/// The nodes of a tree as parts.
pub(crate) fn parts_of(tree: &Tree) -> Vec<Part> {
    let mut depths = vec![0];
    let mut parts = Vec::with_capacity(tree.0.len());
    for node in &tree.0 {
        let Some(depth) = depths.pop() else { break };
        parts.push(match *node {
            Node::Split { feature, threshold } => {
                depths.extend([depth + 1, depth + 1]);
                Part::Split { feature, threshold }
            }
            leaf => Part::Leaf { path_length: f64::from(leaf.units(depth)) / UNITS_PER_EDGE },
        });
    }
    parts
}

/// A tree of parts; what is wrong with it, checking it will find.
pub(crate) fn tree_of(parts: &[Part]) -> Tree {
    let node = |part: &Part| match *part {
        Part::Split { feature, threshold } => Node::Split { feature, threshold },
        Part::Leaf { path_length } => Node::End { units: units(path_length) },
    };
    Tree(parts.iter().map(node).collect())
}
