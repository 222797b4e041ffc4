//! Evaluation of a graph on all leaves of one of its trees.
//!
//! In skl2onnx's graphs each tree returns the number of a row's leaf, and a dozen elementwise operators compute the
//! path length from it. Evaluating these operators for all leaves of the tree at once, in 64 bits, gives all path
//! lengths without assumptions about the operators.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::messages::{Graph, Node, data_type};

/// Reason why a graph is unsupported, as the end of a sentence.
pub(crate) type Reason = String;

/// One value per leaf of a tree, or one for all.
pub(crate) type Values = Rc<Vec<f64>>;

/// Largest number of chained operators between a tree and its path length; skl2onnx needs ten.
const MAX_DEPTH: usize = 64;

/// Largest number of values, names and nodes visited per byte of a file. A forest needs at most one: its trees share
/// only the last operators. A malicious file could make every tree visit all of it.
const STEPS_PER_BYTE: usize = 4;

/// Graph with an index from outputs to nodes.
pub(crate) struct Index<'g> {
    producers: HashMap<&'g str, &'g Node>,
    constants: HashMap<&'g str, Values>,
    /// Names of all constants, and of all inputs.
    initializers: HashSet<Option<&'g str>>,
    inputs: HashSet<Option<&'g str>>,
    steps_left: Cell<usize>,
}

impl<'g> Index<'g> {
    /// Indexes a graph from a file of this many bytes.
    pub(crate) fn new(graph: &'g Graph, file_size: usize) -> Self {
        let producers = graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)));
        let constants = graph.initializer.iter().filter_map(|tensor| {
            let values = tensor.numbers().filter(|values| !values.is_empty())?;
            Some((tensor.name.as_deref()?, Rc::new(values)))
        });
        Self {
            producers: producers.collect(),
            constants: constants.collect(),
            initializers: graph.initializer.iter().map(|tensor| tensor.name.as_deref()).collect(),
            inputs: graph.input.iter().map(|input| input.name.as_deref()).collect(),
            steps_left: Cell::new(STEPS_PER_BYTE.saturating_mul(file_size)),
        }
    }

    /// Counts steps, values or names visited, and fails beyond the limit.
    pub(crate) fn take_steps(&self, steps: usize) -> Result<(), Reason> {
        let left = self.steps_left.get().checked_sub(steps);
        self.steps_left.set(left.ok_or("its operators take more steps than those of a forest of its size")?);
        Ok(())
    }

    /// Returns true for the name of a constant.
    pub(crate) fn is_constant(&self, name: Option<&str>) -> bool {
        self.initializers.contains(&name)
    }

    /// Returns true for the name of a graph input.
    pub(crate) fn is_input(&self, name: &str) -> bool {
        self.inputs.contains(&Some(name))
    }

    /// Node with this output; `None` for an input of the graph or a constant.
    pub(crate) fn producer(&self, name: &str) -> Option<&'g Node> {
        self.producers.get(name).copied()
    }

    /// Values of a constant.
    pub(crate) fn constant(&self, name: &str) -> Option<&Values> {
        self.constants.get(name)
    }

    /// The only tree that a value is computed from.
    pub(crate) fn tree_behind(&self, name: &'g str) -> Result<&'g Node, Reason> {
        let (mut pending, mut seen) = (vec![name], HashSet::new());
        let mut tree: Option<&'g Node> = None;
        while let Some(name) = pending.pop() {
            let Some(node) = self.producer(name).filter(|_| seen.insert(name)) else { continue };
            self.take_steps(1 + node.input.len())?;
            if node.op_type != TREES {
                pending.extend(node.input.iter().map(String::as_str));
            } else if tree.is_some_and(|other| !std::ptr::eq(other, node)) {
                return Err(format!("{name:?} depends on several {TREES}"));
            } else {
                tree = Some(node);
            }
        }
        tree.ok_or_else(|| format!("{name:?} depends on no {TREES}"))
    }

    /// Computes a value for the given `leaves` of `tree`.
    pub(crate) fn evaluate(&self, name: &'g str, tree: &'g Node, leaves: &Values) -> Result<Values, Reason> {
        let known = tree.output.first().map(|output| (output.as_str(), leaves.clone()));
        Evaluation { index: self, known: known.into_iter().collect(), n_leaves: leaves.len() }.value(name, 0)
    }
}

/// Operator that evaluates trees.
pub(crate) const TREES: &str = "TreeEnsembleRegressor";

struct Evaluation<'i, 'g> {
    index: &'i Index<'g>,
    known: HashMap<&'g str, Values>,
    n_leaves: usize,
}

impl<'g> Evaluation<'_, 'g> {
    fn value(&mut self, name: &'g str, depth: usize) -> Result<Values, Reason> {
        if let Some(values) = self.known.get(name).or_else(|| self.index.constant(name)) {
            return Ok(values.clone());
        }
        let node = self.index.producer(name).ok_or_else(|| format!("{name:?} is not computed from a tree"))?;
        if depth == MAX_DEPTH {
            return Err("its operators form a cycle or too long a chain".into());
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        // The second input of a reshape is the shape, which has no effect here.
        let needed = if SHAPES.contains(&node.op_type.as_str()) { 1 } else { node.input.len() };
        for input in node.input.iter().take(needed) {
            inputs.push(self.value(input, depth + 1)?);
        }
        let longest = inputs.iter().map(|values| values.len()).max().unwrap_or(0);
        let attributes = node.attribute.iter().map(|attribute| 1 + attribute.ints.len() + attribute.floats.len());
        self.index.take_steps(1 + inputs.len().saturating_mul(longest) + attributes.sum::<usize>())?;
        let values = Rc::new(self.apply(node, &inputs)?);
        self.known.insert(name, values.clone());
        Ok(values)
    }

    fn apply(&self, node: &Node, inputs: &[Values]) -> Result<Vec<f64>, Reason> {
        let op = node.op_type.as_str();
        let unknown =
            || format!("it computes path lengths with the unsupported operator {op} ({} inputs)", inputs.len());
        match inputs {
            [x] if SHAPES.contains(&op) => Ok(x.to_vec()),
            [x] if op == "Cast" => Ok(cast(node, x)),
            [x] if op == "LabelEncoder" => relabel(node, x),
            [x] => match UNARY.iter().find(|(name, _)| *name == op) {
                Some((_, f)) => Ok(x.iter().map(|&x| f(x)).collect()),
                None => self.folded(op, inputs).ok_or_else(unknown)?,
            },
            [a, b] => match BINARY.iter().find(|(name, _)| *name == op) {
                Some((_, f)) => self.zip(a, b, f),
                None => self.folded(op, inputs).ok_or_else(unknown)?,
            },
            _ => self.folded(op, inputs).ok_or_else(unknown)?,
        }
    }

    /// Operator with any number of inputs.
    fn folded(&self, op: &str, inputs: &[Values]) -> Option<Result<Vec<f64>, Reason>> {
        let (_, f) = FOLDED.iter().find(|(name, _)| *name == op)?;
        let (first, rest) = inputs.split_first()?;
        Some(rest.iter().try_fold(first.to_vec(), |all, next| self.zip(&all, next, f)))
    }

    fn zip(&self, a: &[f64], b: &[f64], f: &dyn Fn(f64, f64) -> f64) -> Result<Vec<f64>, Reason> {
        let n = a.len().max(b.len());
        if [a.len(), b.len()].iter().any(|&length| length != 1 && length != self.n_leaves) {
            return Err(format!("a path length combines {} values with {}", a.len(), b.len()));
        }
        Ok((0..n).map(|i| f(a[i % a.len()], b[i % b.len()])).collect())
    }
}

/// Operators that change only the shape of a tensor.
const SHAPES: [&str; 5] = ["Reshape", "Identity", "Flatten", "Squeeze", "Unsqueeze"];

type Unary = (&'static str, fn(f64) -> f64);
type Binary = (&'static str, fn(f64, f64) -> f64);

const UNARY: [Unary; 3] = [("Log", f64::ln), ("Neg", |x| -x), ("Not", |x| f64::from(x == 0.0))];

const BINARY: [Binary; 8] = [
    ("Add", |a, b| a + b),
    ("Sub", |a, b| a - b),
    ("Mul", |a, b| a * b),
    ("Div", |a, b| a / b),
    ("Equal", |a, b| f64::from(a == b)),
    ("Greater", |a, b| f64::from(a > b)),
    ("Less", |a, b| f64::from(a < b)),
    ("Pow", f64::powf),
];

const FOLDED: [Binary; 3] = [("Max", f64::max), ("Min", f64::min), ("Sum", |a, b| a + b)];

fn cast(node: &Node, values: &[f64]) -> Vec<f64> {
    let cast: fn(f64) -> f64 = match node.attribute("to").and_then(|attribute| attribute.i) {
        Some(to) if to == i64::from(data_type::INT64) => f64::trunc,
        Some(to) if to == i64::from(data_type::BOOL) => |x| f64::from(x != 0.0),
        _ => |x| x,
    };
    values.iter().map(|&x| cast(x)).collect()
}

/// `LabelEncoder`: a table from numbers to numbers.
fn relabel(node: &Node, values: &[f64]) -> Result<Vec<f64>, Reason> {
    let numbers = |kind: &str| -> Option<Vec<f64>> {
        let ints =
            node.attribute(&format!("{kind}_int64s")).map(|found| found.ints.iter().map(|&x| x as f64).collect());
        let floats = || node.attribute(&format!("{kind}_floats")).map(|found| &found.floats);
        ints.or_else(|| floats().map(|found| found.iter().map(|&x| f64::from(x)).collect()))
    };
    let (Some(keys), Some(labels)) = (numbers("keys"), numbers("values")) else {
        return Err("a LabelEncoder has no numbers".into());
    };
    let table: HashMap<u64, f64> = keys.iter().map(|key| key.to_bits()).zip(labels).collect();
    let label = |value: &f64| table.get(&value.to_bits()).copied();
    values.iter().map(|value| label(value).ok_or_else(|| format!("a LabelEncoder lacks leaf {value}"))).collect()
}
