//! Writer: converts a [`Forest`] to a graph for an ONNX runtime.
//!
//! One `TreeEnsembleRegressor` holds all trees, each with its own output column, so that nothing is summed in 32 bits.
//! The rest is computed in 64 bits: the mean of each group, the probability that a split separates a value beyond the
//! ranges, and the generalised mean of the groups' scores, as described at [`RawForest`]. The graph uses operators of
//! opset 13 and `ai.onnx.ml` 3, which runtimes have supported since 2021.

use iforest::{Forest, RawForest, RawNode};
use prost::Message;

use crate::evaluate::TREES;
use crate::messages::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Property, Shape, Tensor, TensorType, Type, ValueInfo,
    attribute_type, data_type,
};

const IR_VERSION: i64 = 7;
const OPSET: i64 = 13;
const ML_DOMAIN: &str = "ai.onnx.ml";
const ML_OPSET: i64 = 3;

/// Name and metadata of a graph.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// Producer: name and version of the software.
    pub producer: (&'a str, &'a str),
    /// Human-readable description.
    pub doc: &'a str,
    /// Name of the input: a matrix of floats, one row per row to score.
    pub input: &'a str,
    /// Name of the output: one float per row, in a column.
    pub output: &'a str,
    /// Further metadata, by name.
    pub metadata: &'a [(&'a str, String)],
}

/// Column in which a value above the training range raises a score.
#[derive(Clone, Copy, Debug)]
pub struct MaximumRange {
    /// Its index in a row.
    pub column: usize,
    /// Weight, above 0 and up to 1.
    pub weight: f64,
    /// End of the training range.
    pub end: f32,
    /// Width of the range, above 0.
    pub width: f64,
}

/// Encodes an ONNX file that scores rows like `forest`, to the accuracy of an `f32`. Each of `maxima` multiplies the
/// distance of the score from 1 by 1 - weight · beyond / (beyond + width).
pub fn write(forest: &Forest, maxima: &[MaximumRange], description: &Description<'_>) -> Vec<u8> {
    let raw = forest.to_raw();
    let mut graph = Builder { x: description.input, graph: Graph::default() };
    graph.graph.name = Some("isolation_forest".into());
    graph.graph.input.push(matrix(description.input, raw.n_features as i64));
    graph.graph.output.push(matrix(description.output, 1));
    graph.scores(&raw, maxima, description.output);

    let text = |text: &str| Some(text.to_owned());
    let opset = |domain, version| OperatorSet { domain: text(domain), version: Some(version) };
    let property = |(key, value): &(&str, String)| Property { key: text(key), value: Some(value.clone()) };
    let model = Model {
        ir_version: Some(IR_VERSION),
        producer_name: text(description.producer.0),
        producer_version: text(description.producer.1),
        doc_string: text(description.doc),
        graph: Some(graph.graph),
        opset_import: vec![opset("", OPSET), opset(ML_DOMAIN, ML_OPSET)],
        metadata_props: description.metadata.iter().map(property).collect(),
    };
    model.encode_to_vec()
}

/// Matrix of floats with any number of rows.
fn matrix(name: &str, columns: i64) -> ValueInfo {
    let rows = Dimension { value: None, parameter: Some("rows".into()) };
    let columns = Dimension { value: Some(columns), parameter: None };
    let shape = Shape { dim: vec![rows, columns] };
    let tensor = TensorType { elem_type: Some(data_type::FLOAT), shape: Some(shape) };
    ValueInfo { name: Some(name.to_owned()), kind: Some(Type { tensor: Some(tensor) }) }
}

struct Builder<'a> {
    /// Name of the matrix.
    x: &'a str,
    graph: Graph,
}

impl Builder<'_> {
    fn scores(&mut self, raw: &RawForest, maxima: &[MaximumRange], output: &str) {
        let trees_in = |group: usize| (raw.trees.len() - group).div_ceil(raw.n_groups) as f64;
        let share = |tree: usize, group| if tree % raw.n_groups == group { 1.0 / trees_in(group) } else { 0.0 };
        let shares = self.matrix_of("tree_shares", raw.trees.len(), raw.n_groups, share);
        self.trees(&raw.trees, "path_lengths_by_tree");
        self.cast("path_lengths_by_tree", data_type::DOUBLE, "path_lengths_of_trees");
        self.node("MatMul", &["path_lengths_of_trees", &shares], "path_lengths");
        let path_lengths =
            if raw.feature_ranges.iter().all(Vec::is_empty) { "path_lengths" } else { self.separate(raw) };

        // Generalised mean: the root of the mean of the groups' scores to the power of the exponent.
        let mean_exponent = f64::from(raw.mean_exponent);
        let factor = self.number("minus_exponent_per_edge", -mean_exponent / raw.average_path_length());
        let (two, root) = (self.number("two", 2.0), self.number("root", 1.0 / mean_exponent));
        self.node("Mul", &[path_lengths, &factor], "exponents");
        self.node("Pow", &[&two, "exponents"], "powers");
        let attributes = [ints("axes", vec![1]), int("keepdims", 1)];
        self.node_with("ReduceMean", "", &["powers"], "mean_power", attributes.into());
        self.node("Pow", &["mean_power", &root], "score");
        let score = if maxima.is_empty() { "score" } else { self.raised(maxima) };
        self.cast(score, data_type::FLOAT, output);
    }

    /// Score raised by values above the training range.
    fn raised(&mut self, maxima: &[MaximumRange]) -> &'static str {
        let n = maxima.len() as i64;
        let column = |value: fn(&MaximumRange) -> f64| maxima.iter().map(value).collect::<Vec<_>>();
        let columns: Vec<i64> = maxima.iter().map(|maximum| maximum.column as i64).collect();
        let columns = self.constant("maximum_columns", &[n], columns);
        let end = self.constant("maximum_end", &[n], column(|maximum| f64::from(maximum.end)));
        let width = self.constant("maximum_width", &[n], column(|maximum| maximum.width));
        let weight = self.constant("maximum_weight", &[n], column(|maximum| maximum.weight));
        let (none, all) = (self.number("maximum_zero", 0.0), self.number("maximum_one", 1.0));
        let farthest = self.number("maximum_limit", f64::from(f32::MAX));

        self.node_with("Gather", "", &[self.x, &columns], "maximum_inputs", vec![int("axis", 1)]);
        self.cast("maximum_inputs", data_type::DOUBLE, "maximum_values");
        self.node("Sub", &["maximum_values", &end], "maximum_differences");
        self.node("Max", &["maximum_differences", &none], "maximum_above");
        self.node("Min", &["maximum_above", &farthest], "maximum_beyond");
        self.node("Add", &["maximum_beyond", &width], "maximum_extended_range");
        self.node("Div", &["maximum_beyond", "maximum_extended_range"], "maximum_shares");
        self.node("Mul", &["maximum_shares", &weight], "maximum_weighted_shares");
        self.node("Sub", &[&all, "maximum_weighted_shares"], "maximum_within");
        let attributes = [ints("axes", vec![1]), int("keepdims", 1)];
        self.node_with("ReduceProd", "", &["maximum_within"], "within", attributes.into());
        self.node("Sub", &[&all, "score"], "distance_from_one");
        self.node("Mul", &["distance_from_one", "within"], "raised_distance_from_one");
        self.node("Sub", &[&all, "raised_distance_from_one"], "raised_score");
        "raised_score"
    }

    /// Path lengths of groups with values outside the ranges of their columns.
    fn separate(&mut self, raw: &RawForest) -> &'static str {
        let feature_ranges: Vec<_> =
            (0..).zip(&raw.feature_ranges).flat_map(|(group, of)| of.iter().map(move |x| (group, x))).collect();
        let column = |value: fn(f64, f64) -> f64| {
            feature_ranges.iter().map(|(_, x)| value(f64::from(x.min), f64::from(x.max))).collect::<Vec<_>>()
        };
        let n = feature_ranges.len() as i64;
        let columns: Vec<i64> = feature_ranges.iter().map(|(_, x)| i64::from(x.column)).collect();
        let columns = self.constant("range_columns", &[n], columns);
        let min = self.constant("range_min", &[n], column(|min, _| min));
        let max = self.constant("range_max", &[n], column(|_, max| max));
        let width = self.constant("range_width", &[n], column(|min, max| max - min));
        let (zero, one) = (self.number("zero", 0.0), self.number("one", 1.0));
        let share = |i: usize, group: usize| {
            let (of, _): (usize, _) = feature_ranges[i];
            if of == group { 1.0 / raw.feature_ranges[group].len() as f64 } else { 0.0 }
        };
        let shares = self.matrix_of("range_shares", feature_ranges.len(), raw.n_groups, share);

        self.node_with("Gather", "", &[self.x, &columns], "ranged", vec![int("axis", 1)]);
        self.cast("ranged", data_type::DOUBLE, "values");
        self.node("Sub", &[&min, "values"], "below");
        self.node("Sub", &["values", &max], "above");
        self.node("Max", &["below", "above"], "beyond");
        self.node("Add", &["beyond", &width], "extended_range");
        self.node("Div", &["beyond", "extended_range"], "probability");
        // A missing value is within the range; an infinite one is separated with certainty.
        self.node("Greater", &["beyond", &zero], "is_beyond");
        self.node("Where", &["is_beyond", "probability", &zero], "finite_probabilities");
        self.node("IsInf", &["beyond"], "is_infinite");
        self.node("And", &["is_infinite", "is_beyond"], "is_infinitely_beyond");
        self.node("Where", &["is_infinitely_beyond", &one, "finite_probabilities"], "probabilities");
        self.node("MatMul", &["probabilities", &shares], "separated");
        // separated · 1 + (1 - separated) · path length
        self.node("Sub", &[&one, "separated"], "not_separated");
        self.node("Mul", &["not_separated", "path_lengths"], "path_lengths_if_not_separated");
        self.node("Add", &["separated", "path_lengths_if_not_separated"], "path_lengths_of_groups");
        "path_lengths_of_groups"
    }

    /// One column of path lengths per tree.
    fn trees(&mut self, trees: &[Vec<RawNode>], output: &str) {
        let mut columns = TreeColumns::default();
        trees.iter().enumerate().for_each(|(tree, nodes)| columns.push(tree as i64, nodes));
        let n = columns.tree.len();
        let attributes = vec![
            int("n_targets", trees.len() as i64),
            string("aggregate_function", "SUM"),
            string("post_transform", "NONE"),
            ints("nodes_treeids", columns.tree),
            ints("nodes_nodeids", columns.node),
            strings("nodes_modes", columns.mode),
            ints("nodes_featureids", columns.feature),
            floats("nodes_values", columns.threshold),
            ints("nodes_truenodeids", columns.left),
            ints("nodes_falsenodeids", columns.right),
            ints("nodes_missing_value_tracks_true", vec![1; n]),
            floats("nodes_hitrates", vec![1.0; n]),
            ints("target_treeids", columns.leaf_tree.clone()),
            ints("target_nodeids", columns.leaf),
            ints("target_ids", columns.leaf_tree),
            floats("target_weights", columns.path_length),
        ];
        self.node_with(TREES, ML_DOMAIN, &[self.x], output, attributes);
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: &str) {
        self.node_with(op, "", inputs, output, Vec::new());
    }

    fn cast(&mut self, input: &str, to: i32, output: &str) {
        self.node_with("Cast", "", &[input], output, vec![int("to", to.into())]);
    }

    fn node_with(&mut self, op: &str, domain: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) {
        self.graph.node.push(Node {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: Some(format!("{op}_{output}")),
            op_type: op.to_owned(),
            attribute,
            domain: Some(domain.to_owned()),
        });
    }

    fn number(&mut self, name: &str, value: f64) -> String {
        self.constant(name, &[1], vec![value])
    }

    fn matrix_of(&mut self, name: &str, rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> String {
        let values = (0..rows * columns).map(|i| value(i / columns, i % columns)).collect::<Vec<_>>();
        self.constant(name, &[rows as i64, columns as i64], values)
    }

    fn constant(&mut self, name: &str, dims: &[i64], values: impl Into<Numbers>) -> String {
        let mut tensor = Tensor { dims: dims.to_vec(), name: Some(name.to_owned()), ..Tensor::default() };
        match values.into() {
            Numbers::I64(values) => (tensor.data_type, tensor.int64_data) = (Some(data_type::INT64), values),
            Numbers::F64(values) => (tensor.data_type, tensor.double_data) = (Some(data_type::DOUBLE), values),
        }
        self.graph.initializer.push(tensor);
        name.to_owned()
    }
}

enum Numbers {
    I64(Vec<i64>),
    F64(Vec<f64>),
}

impl From<Vec<i64>> for Numbers {
    fn from(values: Vec<i64>) -> Self {
        Self::I64(values)
    }
}

impl From<Vec<f64>> for Numbers {
    fn from(values: Vec<f64>) -> Self {
        Self::F64(values)
    }
}

/// Attributes of a `TreeEnsembleRegressor`: one value per node, then one per leaf.
#[derive(Default)]
struct TreeColumns {
    tree: Vec<i64>,
    node: Vec<i64>,
    mode: Vec<Vec<u8>>,
    feature: Vec<i64>,
    threshold: Vec<f32>,
    left: Vec<i64>,
    right: Vec<i64>,
    leaf_tree: Vec<i64>,
    leaf: Vec<i64>,
    path_length: Vec<f32>,
}

impl TreeColumns {
    fn push(&mut self, tree: i64, nodes: &[RawNode]) {
        let start = self.right.len();
        // Splits without their right child so far; the node after a leaf belongs to the last one.
        let mut pending = Vec::new();
        for (id, node) in (0..).zip(nodes) {
            self.tree.push(tree);
            self.node.push(id);
            let (mode, feature, threshold, left) = match *node {
                RawNode::Split { feature, threshold } => ("BRANCH_LT", feature, threshold, id + 1),
                RawNode::Leaf { .. } => ("LEAF", 0, 0.0, 0),
            };
            self.mode.push(mode.into());
            self.feature.push(feature.into());
            self.threshold.push(threshold);
            self.left.push(left);
            self.right.push(0);
            match *node {
                RawNode::Split { .. } => pending.push(start + id as usize),
                RawNode::Leaf { path_length } => {
                    self.leaf_tree.push(tree);
                    self.leaf.push(id);
                    self.path_length.push(path_length as f32);
                    if let Some(split) = pending.pop() {
                        self.right[split] = id + 1;
                    }
                }
            }
        }
    }
}

fn attribute(name: &str, kind: i32) -> Attribute {
    Attribute { name: name.to_owned(), kind: Some(kind), ..Attribute::default() }
}

fn int(name: &str, i: i64) -> Attribute {
    Attribute { i: Some(i), ..attribute(name, attribute_type::INT) }
}

fn string(name: &str, s: &str) -> Attribute {
    Attribute { s: Some(s.into()), ..attribute(name, attribute_type::STRING) }
}

fn ints(name: &str, ints: Vec<i64>) -> Attribute {
    Attribute { ints, ..attribute(name, attribute_type::INTS) }
}

fn floats(name: &str, floats: Vec<f32>) -> Attribute {
    Attribute { floats, ..attribute(name, attribute_type::FLOATS) }
}

fn strings(name: &str, strings: Vec<Vec<u8>>) -> Attribute {
    Attribute { strings, ..attribute(name, attribute_type::STRINGS) }
}
