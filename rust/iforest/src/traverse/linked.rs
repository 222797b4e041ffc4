//! Linked layout, for any forest: nodes with the index of their children.

use crate::tree::{Node, Tree};

/// Number of trees traversed together, to hide the latency of each step.
const LANES: usize = 8;

/// A node. The children of a split are adjacent. A leaf is its own left child, and its threshold is `NaN`, so a row
/// that has arrived stays there.
#[derive(Clone, Copy, Debug)]
struct Step {
    threshold: f32,
    feature: u32,
    left: u32,
}

/// Trees prepared for traversal.
#[derive(Clone, Debug)]
pub(crate) struct Linked {
    steps: Vec<Step>,
    /// Path length of a row that ends at the step of the same index, in fixed point; 0 for splits.
    path_lengths: Vec<u32>,
    roots: Vec<u32>,
    height: usize,
}

impl Linked {
    pub(crate) fn new(trees: &[&Tree]) -> Self {
        let n = trees.iter().map(|tree| tree.0.len()).sum();
        let mut traversal = Self {
            steps: Vec::with_capacity(n),
            path_lengths: Vec::with_capacity(n),
            roots: Vec::with_capacity(trees.len()),
            height: 0,
        };
        for tree in trees {
            let root = traversal.push();
            traversal.roots.push(root);
            // Preorder: the next node fills the slot that was reserved last.
            let mut places = vec![(root, 0)];
            for node in &tree.0 {
                let Some((place, depth)) = places.pop() else { break };
                match *node {
                    Node::Split { feature, threshold } => {
                        let left = traversal.push();
                        let right = traversal.push();
                        traversal.steps[place as usize] = Step { threshold, feature: u32::from(feature), left };
                        places.extend([(right, depth + 1), (left, depth + 1)]);
                    }
                    leaf => {
                        traversal.steps[place as usize] = Step { threshold: f32::NAN, feature: 0, left: place };
                        traversal.path_lengths[place as usize] = leaf.path_length(depth);
                        traversal.height = traversal.height.max(depth);
                    }
                }
            }
        }
        traversal
    }

    fn push(&mut self) -> u32 {
        self.steps.push(Step { threshold: f32::NAN, feature: 0, left: 0 });
        self.path_lengths.push(0);
        self.steps.len() as u32 - 1
    }

    pub(crate) fn path_length(&self, row: &[f32]) -> u64 {
        let mut sum = 0;
        for roots in self.roots.chunks(LANES) {
            let mut at = [0; LANES];
            at[..roots.len()].copy_from_slice(roots);
            for _ in 0..self.height {
                for at in &mut at {
                    *at = self.step(*at, row);
                }
            }
            sum += at[..roots.len()].iter().map(|&at| u64::from(self.path_lengths[at as usize])).sum::<u64>();
        }
        sum
    }

    fn step(&self, at: u32, row: &[f32]) -> u32 {
        let step = self.steps[at as usize];
        step.left + u32::from(row[step.feature as usize] >= step.threshold)
    }
}
