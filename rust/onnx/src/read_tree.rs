//! Reader of one tree: the nodes of a `TreeEnsembleRegressor` with the path lengths that the graph computes of its leaves.

use std::collections::HashMap;

use iforest::RawNode;

use crate::evaluate::{Index, Reason, TREES, Values};
use crate::messages::{Attribute, Node};

/// Largest number of chained operators between the matrix and a tree; skl2onnx needs two.
const MAX_DEPTH: usize = 16;

/// Nodes, in preorder, of the tree with path lengths of this name.
pub(crate) fn read_tree<'g>(
    index: &Index<'g>,
    path_length: &'g str,
    n_features: usize,
    scale: f64,
) -> Result<Vec<RawNode>, Reason> {
    let node = index.tree_behind(path_length)?;
    let steps = node.attribute.iter().map(|attribute| 1 + attribute.ints.len() + attribute.floats.len());
    index.take_steps(steps.sum())?;
    let columns = columns(index, node, n_features)?;
    let tree = Tree::of(node)?;
    let order = tree.preorder()?;
    let leaves: Vec<f64> = order.iter().filter_map(|&at| tree.leaf(at)).collect::<Result<_, _>>()?;
    let leaves = Values::new(leaves);
    let lengths = index.evaluate(path_length, node, &leaves)?;
    if lengths.len() != leaves.len() && lengths.len() != 1 {
        return Err(format!("{path_length:?} has {} values for {} leaves", lengths.len(), leaves.len()));
    }
    let mut lengths = lengths.iter().cycle();
    let node_at = |&at: &usize| match tree.modes[at].as_slice() {
        LEAF => Ok(RawNode::Leaf { path_length: lengths.next().map_or(f64::NAN, |length| length * scale) }),
        _ => {
            let column = usize::try_from(tree.features[at]).ok().and_then(|at| columns.get(at).copied());
            let feature = column.ok_or_else(|| format!("a tree splits column {}", tree.features[at]))?;
            // value <= t is equivalent to value < the next number above t.
            Ok(RawNode::Split { feature, threshold: iforest::next_up(tree.thresholds[at]) })
        }
    };
    order.iter().map(node_at).collect()
}

/// Input columns of a tree, in its order.
fn columns(index: &Index<'_>, tree: &Node, n_features: usize) -> Result<Vec<u16>, Reason> {
    let mut name = tree.input.first().ok_or("a tree has no input")?;
    let mut columns: Vec<u16> = (0..n_features).map_while(|column| column.try_into().ok()).collect();
    for _ in 0..MAX_DEPTH {
        let Some(node) = index.producer(name) else {
            return if index.is_input(name) {
                Ok(columns)
            } else {
                Err(format!("a tree reads {name:?}, which is not its matrix"))
            };
        };
        match (node.op_type.as_str(), &node.input[..]) {
            ("Identity" | "Cast", [input]) => name = input,
            ("Gather", [input, indices]) if int(node, "axis") == Some(1) => {
                let indices = index.constant(indices).ok_or("a tree reads columns that are not fixed")?;
                index.take_steps(indices.len())?;
                let known = |column: &f64| (0.0..n_features as f64).contains(column);
                if !indices.iter().all(known) {
                    return Err("a tree reads a column that the matrix does not have".into());
                }
                // The operator next to the tree comes first; an earlier one would select from the columns of the
                // matrix.
                columns = columns.iter().filter_map(|&at| indices.get(usize::from(at))).map(|&x| x as u16).collect();
                name = input;
            }
            (op, _) => {
                return Err(format!("its trees read the output of {op}; fit the forest on the matrix itself"));
            }
        }
    }
    Err("its operators form a cycle or too long a chain".into())
}

fn int(node: &Node, name: &str) -> Option<i64> {
    node.attribute(name).and_then(|attribute| attribute.i)
}

/// Mode of a leaf; all other nodes are splits.
pub(crate) const LEAF: &[u8] = b"LEAF";

/// Attributes of a tree, one value per node.
struct Tree<'g> {
    modes: &'g [Vec<u8>],
    features: &'g [i64],
    thresholds: &'g [f32],
    left: &'g [i64],
    right: &'g [i64],
    /// Index of the node with this id.
    places: HashMap<i64, usize>,
    /// Value returned for the leaf with this id.
    returns: HashMap<i64, f32>,
    ids: &'g [i64],
}

impl<'g> Tree<'g> {
    fn of(node: &'g Node) -> Result<Self, Reason> {
        let all = |name: &str| node.attribute(name).ok_or_else(|| format!("a tree has no {name}"));
        let ints = |name: &str| all(name).map(|attribute: &'g Attribute| &attribute.ints[..]);
        let ids = ints("nodes_nodeids")?;
        let tree = Self {
            modes: &all("nodes_modes")?.strings,
            features: ints("nodes_featureids")?,
            thresholds: &all("nodes_values")?.floats,
            left: ints("nodes_truenodeids")?,
            right: ints("nodes_falsenodeids")?,
            places: ids.iter().enumerate().map(|(place, &id)| (id, place)).collect(),
            returns: {
                let weights = all("target_weights")?.floats.iter().copied();
                ints("target_nodeids")?.iter().copied().zip(weights).collect()
            },
            ids,
        };
        let lengths = [tree.modes.len(), tree.features.len(), tree.thresholds.len(), tree.left.len(), tree.right.len()];
        if ids.is_empty() || lengths.iter().any(|&length| length != ids.len()) || tree.places.len() != ids.len() {
            return Err("the nodes of a tree are incomplete".into());
        }
        if ints("nodes_treeids")?.iter().any(|&id| id != tree_id(node)) {
            return Err(format!("a {TREES} holds several trees"));
        }
        if let Some(mode) = tree.modes.iter().find(|mode| *mode != LEAF && *mode != b"BRANCH_LEQ") {
            return Err(format!("a tree compares by {}", String::from_utf8_lossy(mode)));
        }
        Ok(tree)
    }

    /// Indices of the nodes in preorder.
    fn preorder(&self) -> Result<Vec<usize>, Reason> {
        let mut order = Vec::with_capacity(self.ids.len());
        let mut pending = vec![self.ids[0]];
        while let Some(id) = pending.pop() {
            let &at = self.places.get(&id).ok_or_else(|| format!("a tree has no node {id}"))?;
            order.push(at);
            if order.len() > self.ids.len() {
                return Err("the nodes of a tree form a cycle".into());
            }
            if self.modes[at] != LEAF {
                pending.extend([self.right[at], self.left[at]]);
            }
        }
        Ok(order)
    }

    /// Value of a leaf; `None` for a split.
    fn leaf(&self, at: usize) -> Option<Result<f64, Reason>> {
        let id = self.ids[at];
        let returned = || self.returns.get(&id).map(|&x| f64::from(x)).ok_or_else(|| format!("leaf {id} has no value"));
        (self.modes[at] == LEAF).then(returned)
    }
}

fn tree_id(node: &Node) -> i64 {
    node.attribute("nodes_treeids").and_then(|ids| ids.ints.first()).copied().unwrap_or(0)
}
