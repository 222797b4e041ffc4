//! Forest as plain data, for exchange with other software. Nothing is built or traversed here.

use crate::feature_range::FeatureRange;
use crate::path_length::{FIXED_POINT_PER_EDGE, average_path_length, fixed_point};
use crate::tree::{Node, Tree};

/// Trees and parameters that determine a forest's scores.
///
/// The path length of a row in a group is the mean over the group's trees, and the group's score is 2^(-path length /
/// c(ψ)), with c as in [`average_path_length`]. A value outside the range in [`feature_ranges`](Self::feature_ranges)
/// shortens the path first, as described at [`Params::extrapolate`](crate::Params::extrapolate). The score of the row
/// is the generalised mean of the groups' scores with the exponent [`mean_exponent`](Self::mean_exponent).
#[derive(Clone, Debug, PartialEq)]
pub struct RawForest {
    /// Number of columns of a row.
    pub n_features: usize,
    /// ψ: number of rows each tree was built from.
    pub sample_size: usize,
    /// Number of groups. Tree `i` belongs to group `i` modulo this.
    pub n_groups: usize,
    /// Exponent of the generalised mean over the groups; 1 is the plain mean.
    pub mean_exponent: u8,
    /// Ranges of the columns of each group; empty without extrapolation.
    pub feature_ranges: Vec<Vec<FeatureRange>>,
    /// Nodes of each tree in preorder: the left subtree of a split follows it, then the right one.
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
        /// Path length in edges, 0 to 255, including the expected depth of the training rows in this leaf.
        path_length: f64,
    },
}

impl RawForest {
    /// c(ψ), which normalises path lengths.
    pub fn average_path_length(&self) -> f64 {
        average_path_length(self.sample_size)
    }
}

/// Converts a tree to raw nodes.
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
            leaf => RawNode::Leaf { path_length: f64::from(leaf.path_length(depth)) / FIXED_POINT_PER_EDGE },
        });
    }
    raw
}

/// Converts raw nodes to a tree, without checking it.
pub(crate) fn tree_from_raw(raw: &[RawNode]) -> Tree {
    let node = |raw_node: &RawNode| match *raw_node {
        RawNode::Split { feature, threshold } => Node::Split { feature, threshold },
        RawNode::Leaf { path_length } => Node::End { path_length: fixed_point(path_length) },
    };
    Tree(raw.iter().map(node).collect())
}
