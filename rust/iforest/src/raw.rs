//! A forest in the open: what another program that can walk trees has to know to give the same scores, and what a
//! forest built by another program comes as.
//!
//! Nothing is built or walked here.

use crate::average_path_length;
use crate::feature_range::FeatureRange;
use crate::path_length::{FIXED_POINT_PER_EDGE, fixed_point};
use crate::tree::{Node, Tree};

/// All that decides a forest's scores.
///
/// The path length of a row in a group is the mean over the group's trees, and the group's score 2^(-path length /
/// c(ψ)), with c as in [`average_path_length`]; a value outside the range of [`feature_ranges`](Self::feature_ranges)
/// shortens the path first, as [`Params::extrapolate`](crate::Params::extrapolate) says. The score of the row is the
/// generalised mean of the groups' scores with the exponent [`mean_exponent`](Self::mean_exponent).
#[derive(Clone, Debug, PartialEq)]
pub struct RawForest {
    /// How many values a row has.
    pub n_features: usize,
    /// ψ: how many rows each tree was built from.
    pub sample_size: usize,
    /// How many groups the trees belong to: tree `i` to group `i` modulo this.
    pub n_groups: usize,
    /// How far the score follows the groups that find a row most anomalous; 1 is the plain mean.
    pub mean_exponent: u8,
    /// For each group the ranges of its columns; none at all where values beyond make no difference.
    pub feature_ranges: Vec<Vec<FeatureRange>>,
    /// The trees, each as its nodes in preorder: the left subtree of a split follows it, then the right one.
    pub trees: Vec<Vec<RawNode>>,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RawNode {
    /// Rows with `value < threshold`, and rows where the value is missing (`NaN`), go left; the others right.
    Split {
        /// The column.
        feature: u16,
        /// Finite.
        threshold: f32,
    },
    /// A leaf.
    Leaf {
        /// Its length in edges, 0 to 255, with what the training rows that ended here add to it.
        path_length: f64,
    },
}

impl RawForest {
    /// c(ψ), by which path lengths are normalised.
    pub fn average_path_length(&self) -> f64 {
        average_path_length(self.sample_size)
    }
}

/// The nodes of a tree as parts.
pub(crate) fn raw_nodes(tree: &Tree) -> Vec<RawNode> {
    let mut depths = vec![0];
    let mut raw = Vec::with_capacity(tree.0.len());
    for node in &tree.0 {
        let Some(depth) = depths.pop() else { break };
        raw.push(match *node {
            Node::Split { feature, threshold } => {
                depths.extend([depth + 1, depth + 1]);
                RawNode::Split { feature, threshold }
            }
            leaf => RawNode::Leaf { path_length: f64::from(leaf.fixed_point(depth)) / FIXED_POINT_PER_EDGE },
        });
    }
    raw
}

/// A tree of parts; what is wrong with it, checking it will find.
pub(crate) fn tree_from_raw(raw: &[RawNode]) -> Tree {
    let node = |raw_node: &RawNode| match *raw_node {
        RawNode::Split { feature, threshold } => Node::Split { feature, threshold },
        RawNode::Leaf { path_length } => Node::End { fixed_point: fixed_point(path_length) },
    };
    Tree(raw.iter().map(node).collect())
}
