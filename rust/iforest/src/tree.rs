//! Stored form of a tree: nodes in preorder, without indexes that could be invalid.

use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::params::height_limit;
use crate::path_length::leaf_path_length;

/// A node. The left child of a split follows it, the right child follows the left subtree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Node {
    /// Rows with `value < threshold`, and rows where the value is missing, go left; the others right.
    Split { feature: u16, threshold: f32 },
    /// Leaf with `size` rows of the sample.
    Leaf { size: u32 },
    /// Leaf of an imported forest with its path length, in fixed point of 2^-24 edge.
    End { path_length: u32 },
}

impl Node {
    /// Path length of a row that ends here at `depth`, in fixed point; 0 for a split.
    pub(crate) fn path_length(self, depth: usize) -> u32 {
        match self {
            Self::Split { .. } => 0,
            Self::Leaf { size } => leaf_path_length(depth, size as usize),
            Self::End { path_length } => path_length,
        }
    }
}

/// Nodes of one tree in preorder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tree(pub(crate) Vec<Node>);

impl Tree {
    /// Depth of the deepest leaf.
    pub(crate) fn height(&self) -> usize {
        let (mut depths, mut height) = (vec![0], 0);
        for node in &self.0 {
            let Some(depth) = depths.pop() else { break };
            height = height.max(depth);
            if let Node::Split { .. } = node {
                depths.extend([depth + 1, depth + 1]);
            }
        }
        height
    }

    /// Columns of all splits, in preorder.
    pub(crate) fn columns(&self) -> impl Iterator<Item = u16> {
        self.0.iter().filter_map(|node| match *node {
            Node::Split { feature, .. } => Some(feature),
            _ => None,
        })
    }

    /// Checks that the nodes form exactly one binary tree within the height limit, that splits have finite thresholds
    /// and existing columns, and that the row counts of leaves add up to the sample size.
    pub(crate) fn check(&self, tree: usize, n_features: usize, sample_size: usize) -> Result<(), ErrorKind> {
        let height_limit = height_limit(sample_size);
        let structure = || ErrorKind::Structure { tree, nodes: self.0.len(), height_limit };
        // Depths of the right children not reached yet; the tree is complete when it runs empty.
        let mut pending = vec![0];
        let mut rows = None;
        for (node, kind) in self.0.iter().enumerate() {
            let depth = pending.pop().ok_or_else(structure)?;
            match *kind {
                Node::Split { feature, threshold } => {
                    let feature = usize::from(feature);
                    if depth == height_limit {
                        return Err(structure());
                    }
                    if feature >= n_features {
                        return Err(ErrorKind::Feature { tree, node, feature, n_features });
                    }
                    if !threshold.is_finite() {
                        return Err(ErrorKind::Threshold { tree, node });
                    }
                    pending.extend([depth + 1, depth + 1]);
                }
                Node::Leaf { size } => {
                    if size == 0 {
                        return Err(ErrorKind::LeafSizes { tree, sample_size });
                    }
                    rows = Some(rows.unwrap_or(0usize).saturating_add(size as usize));
                }
                Node::End { .. } => {}
            }
        }
        if !pending.is_empty() {
            return Err(structure());
        }
        if rows.is_some_and(|rows| rows != sample_size) {
            return Err(ErrorKind::LeafSizes { tree, sample_size });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPLIT: Node = Node::Split { feature: 0, threshold: 0.5 };
    const LEAF: Node = Node::Leaf { size: 1 };

    fn check(nodes: &[Node], sample_size: usize) -> Result<(), ErrorKind> {
        Tree(nodes.to_vec()).check(0, 1, sample_size)
    }

    #[test]
    fn accepts_complete_trees() {
        assert_eq!(check(&[SPLIT, LEAF, LEAF], 2), Ok(()));
        assert_eq!(check(&[Node::Leaf { size: 4 }], 4), Ok(()));
        assert_eq!(check(&[SPLIT, SPLIT, LEAF, LEAF, SPLIT, LEAF, LEAF], 4), Ok(()));
    }

    #[test]
    fn height_is_the_depth_of_the_deepest_leaf() {
        for nodes in [[SPLIT, SPLIT, LEAF, LEAF, LEAF], [SPLIT, LEAF, SPLIT, LEAF, LEAF]] {
            assert_eq!(Tree(nodes.to_vec()).height(), 2);
        }
        assert_eq!(Tree(vec![LEAF]).height(), 0);
    }

    #[test]
    fn rejects_invalid_trees() {
        for nodes in [&[][..], &[SPLIT], &[SPLIT, LEAF], &[LEAF, LEAF], &[SPLIT, LEAF, LEAF, LEAF]] {
            assert!(matches!(check(nodes, 4), Err(ErrorKind::Structure { .. })), "{nodes:?}");
        }
        for too_deep in [[SPLIT, SPLIT, LEAF, LEAF, LEAF], [SPLIT, LEAF, SPLIT, LEAF, LEAF]] {
            assert!(matches!(check(&too_deep, 2), Err(ErrorKind::Structure { .. })));
        }
        let strange_column = [Node::Split { feature: 1, threshold: 0.0 }, LEAF, LEAF];
        assert!(matches!(check(&strange_column, 2), Err(ErrorKind::Feature { .. })));
        let endless = [Node::Split { feature: 0, threshold: f32::NAN }, LEAF, LEAF];
        assert!(matches!(check(&endless, 2), Err(ErrorKind::Threshold { .. })));
        assert!(matches!(check(&[Node::Leaf { size: 0 }], 2), Err(ErrorKind::LeafSizes { .. })));
        assert!(matches!(check(&[SPLIT, LEAF, LEAF], 3), Err(ErrorKind::LeafSizes { .. })));
    }
}
