//! Reader: converts skl2onnx's graph of scikit-learn's `IsolationForest` to a [`Forest`] with the same scores.
//!
//! The graph has one `TreeEnsembleRegressor` per tree, which returns a row's leaf; operators that compute a path length
//! from the leaf (see [`evaluate`](crate::evaluate)); and common final operators: `score_samples = -(2 ^ -(Sum(path
//! lengths) / (n_trees · c(ψ))))`, `scores = score_samples - offset_`.

use iforest::{EULER_GAMMA, Forest, MAX_FEATURES, MAX_SAMPLE_SIZE, MAX_TREES, RawForest, average_path_length};
use prost::Message;

use crate::evaluate::{Index, Reason, TREES};
use crate::messages::{Graph, Model, Node};
use crate::read_tree::read_tree;

/// Largest file that is read, in bytes: a third more than skl2onnx writes for 10,000 trees of 256 rows.
pub const MAX_FILE_BYTES: usize = 256 << 20;

/// Forest built by scikit-learn.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The trees. Its scores are scikit-learn's negated `score_samples`.
    pub forest: Forest,
    /// `offset_`: scikit-learn calls a row an outlier if its score is above the negated offset.
    pub offset: f64,
}

/// Error of reading a file that is not the ONNX file of a forest. `Display` is one sentence without the file's name.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] ErrorKind);

impl Error {
    /// The kind of error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }
}

/// Kind of an [`Error`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not an ONNX model.
    #[error("is not an ONNX file; make one of a fitted IsolationForest with skl2onnx.to_onnx")]
    NotOnnx,
    /// Too large.
    #[error("has more than {MAX_FILE_BYTES} bytes, the most that can be read; export a forest of fewer trees")]
    TooLarge,
    /// Another kind of graph, or one of another converter.
    #[error("is not a scikit-learn IsolationForest as skl2onnx writes it: {0}")]
    NotAForest(String),
    /// Invalid trees, or too many.
    #[error("contains a forest that cannot be used: {0}")]
    Forest(iforest::Error),
}

/// Reads a forest from the bytes of an ONNX file.
///
/// # Errors
/// [`Error`] for everything but the graph of an `IsolationForest` on one matrix of numbers.
pub fn read(bytes: &[u8]) -> Result<Imported, Error> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(ErrorKind::TooLarge.into());
    }
    let model = Model::decode(bytes).map_err(|_| ErrorKind::NotOnnx)?;
    let graph = model.graph.filter(|_| !model.opset_import.is_empty()).ok_or(ErrorKind::NotOnnx)?;
    let (raw, offset) = forest_in(&graph, bytes.len()).map_err(ErrorKind::NotAForest)?;
    Ok(Imported { forest: Forest::from_raw(&raw).map_err(ErrorKind::Forest)?, offset })
}

fn forest_in(graph: &Graph, file_size: usize) -> Result<(RawForest, f64), Reason> {
    let trees = graph.node.iter().filter(|node| node.op_type == TREES).count();
    if trees == 0 {
        return Err(format!("it has no {TREES}"));
    }
    if trees > MAX_TREES {
        return Err(format!("it has {trees} trees, more than {MAX_TREES}"));
    }
    let index = Index::new(graph, file_size);
    let n_features = width(graph, &index)?;
    let end = End::find(graph, &index)?;
    if end.path_lengths.len() != trees {
        return Err(format!("it sums {} path lengths of {trees} trees", end.path_lengths.len()));
    }
    let sample_size = sample_size(end.divisor / trees as f64)?;
    // Our forests are normalised by the exact c(ψ), scikit-learn's by its approximation.
    let scale = average_path_length(sample_size) / approximate_average_path_length(sample_size);
    let trees =
        end.path_lengths.iter().map(|name| read_tree(&index, name, n_features, scale)).collect::<Result<_, _>>()?;
    let raw = RawForest { n_features, sample_size, n_groups: 1, mean_exponent: 1, feature_ranges: Vec::new(), trees };
    Ok((raw, end.offset))
}

/// Number of columns of the graph's only input.
fn width(graph: &Graph, index: &Index<'_>) -> Result<usize, Reason> {
    let inputs: Vec<_> = graph.input.iter().filter(|input| !index.is_constant(input.name.as_deref())).collect();
    let [input] = inputs[..] else {
        return Err(format!("it has {} inputs; convert it with one matrix as input", inputs.len()));
    };
    let dims = input.kind.as_ref().and_then(|kind| kind.tensor.as_ref()?.shape.as_ref());
    let columns = dims.and_then(|shape| shape.dim.get(1)?.value).and_then(|columns| usize::try_from(columns).ok());
    let columns = columns.filter(|&columns| columns > 0).ok_or("the number of columns of its matrix is missing")?;
    if columns > MAX_FEATURES {
        return Err(format!("its matrix has {columns} columns, more than {MAX_FEATURES}"));
    }
    Ok(columns)
}

/// Final operators of the graph, common to all trees.
struct End<'g> {
    path_lengths: &'g [String],
    divisor: f64,
    offset: f64,
}

impl<'g> End<'g> {
    fn find(graph: &'g Graph, index: &Index<'g>) -> Result<Self, Reason> {
        let end = graph.output.iter().find_map(|output| Self::behind(index, output.name.as_deref()?));
        end.ok_or_else(|| "none of its outputs is the score of an isolation forest".into())
    }

    fn behind(index: &Index<'g>, scores: &str) -> Option<Self> {
        let of = |name: &str, op: &str| index.producer(name).filter(|node| node.op_type == op);
        let scalar = |name: &str| index.constant(name).filter(|values| values.len() == 1).map(|values| values[0]);
        let input = |node: &'g Node, i: usize| node.input.get(i).map(String::as_str);
        let add = of(scores, "Add")?;
        let offset = -scalar(input(add, 1)?)?;
        let power = of(input(of(input(add, 0)?, "Neg")?, 0)?, "Pow")?;
        if scalar(input(power, 0)?)? != 2.0 {
            return None;
        }
        let ratio = of(input(of(input(power, 1)?, "Neg")?, 0)?, "Div")?;
        let divisor = scalar(input(ratio, 1)?)?;
        Some(Self { path_lengths: &of(input(ratio, 0)?, "Sum")?.input, divisor, offset })
    }
}

/// scikit-learn's c(n), with ln(n - 1) + γ for the harmonic number.
fn approximate_average_path_length(n: usize) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let (n, before) = (n as f64, n as f64 - 1.0);
            2.0 * (before.ln() + EULER_GAMMA) - 2.0 * before / n
        }
    }
}

/// ψ from c(ψ), by binary search, since c(n) ascends.
fn sample_size(c: f64) -> Result<usize, Reason> {
    let c_of = approximate_average_path_length;
    let (mut low, mut high) = (2, MAX_SAMPLE_SIZE);
    while low < high {
        let middle = low + (high - low) / 2;
        if c_of(middle) < c { low = middle + 1 } else { high = middle }
    }
    let nearest = if low > 2 && c - c_of(low - 1) < c_of(low) - c { low - 1 } else { low };
    // The graph stores 32 bits of it.
    if c.is_finite() && (c_of(nearest) - c).abs() <= c * 2e-7 {
        Ok(nearest)
    } else {
        Err(format!("it divides path lengths by {c}, which is not c(n) of any number of rows"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{
        Attribute, Dimension, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo, data_type,
    };
    use crate::read_tree::LEAF;

    fn node(op: &str, inputs: &[&str], output: &str) -> Node {
        let input = inputs.iter().map(|&name| name.to_owned()).collect();
        Node { input, output: vec![output.to_owned()], op_type: op.to_owned(), ..Node::default() }
    }

    /// Complete tree whose leaves return 1.
    fn tree(input: &str, output: &str, height: u32) -> Node {
        let (leaves, inner) = (1 << height, (1 << height) - 1);
        let n = leaves + inner;
        let child = |side: i64| (0..inner).map(|i| 2 * i + side).chain((0..leaves).map(|_| 0)).collect::<Vec<i64>>();
        let attribute = |name: &str| Attribute { name: name.to_owned(), ..Attribute::default() };
        let ints = |name: &str, ints: Vec<i64>| Attribute { ints, ..attribute(name) };
        let modes = (0..n).map(|i| if i < inner { &b"BRANCH_LEQ"[..] } else { LEAF }.to_vec());
        Node {
            attribute: vec![
                ints("nodes_nodeids", (0..n).collect()),
                ints("nodes_treeids", vec![0; n as usize]),
                ints("nodes_featureids", vec![0; n as usize]),
                ints("nodes_truenodeids", child(1)),
                ints("nodes_falsenodeids", child(2)),
                ints("target_nodeids", (inner..n).collect()),
                Attribute { strings: modes.collect(), ..attribute("nodes_modes") },
                Attribute { floats: vec![0.5; n as usize], ..attribute("nodes_values") },
                Attribute { floats: vec![1.0; leaves as usize], ..attribute("target_weights") },
            ],
            ..node(TREES, &[input], output)
        }
    }

    fn numbers(name: &str, double_data: Vec<f64>) -> Tensor {
        let data_type = Some(data_type::DOUBLE);
        Tensor { name: Some(name.to_owned()), data_type, double_data, ..Tensor::default() }
    }

    fn value(name: &str, columns: i64) -> ValueInfo {
        let dim = |value| Dimension { value, parameter: None };
        let shape = Some(Shape { dim: vec![dim(None), dim(Some(columns))] });
        let tensor = Some(TensorType { elem_type: None, shape });
        ValueInfo { name: Some(name.to_owned()), kind: Some(Type { tensor }) }
    }

    /// Score of trees of 256 rows with path lengths of these names, of a matrix with two columns.
    fn graph(mut node_before: Vec<Node>, path_lengths: &[&str]) -> Graph {
        let divisor = approximate_average_path_length(256) * path_lengths.len() as f64;
        node_before.extend([
            node("Sum", path_lengths, "sum"),
            node("Div", &["sum", "divisor"], "ratio"),
            node("Neg", &["ratio"], "exponent"),
            node("Pow", &["two", "exponent"], "power"),
            node("Neg", &["power"], "opposite"),
            node("Add", &["opposite", "offset"], "scores"),
        ]);
        let initializer =
            vec![numbers("divisor", vec![divisor]), numbers("two", vec![2.0]), numbers("offset", vec![0.5])];
        let (input, output) = (vec![value("x", 2)], vec![value("scores", 1)]);
        Graph { node: node_before, name: None, initializer, input, output }
    }

    fn read_graph(graph: Graph) -> Result<Imported, Error> {
        let opset_import = vec![OperatorSet::default()];
        read(&Model { graph: Some(graph), opset_import, ..Model::default() }.encode_to_vec())
    }

    fn refusal(graph: Graph) -> String {
        read_graph(graph).unwrap_err().to_string()
    }

    fn names(letter: char, n: usize) -> Vec<String> {
        (0..n).map(|i| format!("{letter}{i}")).collect()
    }

    fn borrowed(names: &[String]) -> Vec<&str> {
        names.iter().map(String::as_str).collect()
    }

    const TOO_MUCH_WORK: &str = "more steps than those of a forest of its size";

    #[test]
    fn reads_complete_trees() {
        let (trees, lengths) = (names('t', 100), names('p', 100));
        let nodes = trees.iter().zip(&lengths);
        let nodes = nodes.flat_map(|(t, p)| [tree("x", t, 3), node("Identity", &[t], p)]).collect();
        let imported = read_graph(graph(nodes, &borrowed(&lengths))).unwrap();
        assert_eq!((imported.forest.n_trees(), imported.forest.sample_size(), imported.offset), (100, 256, -0.5));
        assert!(
            (imported.forest.score(&[0.0, 0.0]) - 0.5f64.powf(1.0 / approximate_average_path_length(256))).abs() < 1e-6
        );
    }

    #[test]
    fn rejects_too_many_trees_columns_and_bytes() {
        let trees = names('t', 10_001);
        let nodes = trees.iter().map(|name| tree("x", name, 0)).collect();
        assert!(refusal(graph(nodes, &borrowed(&trees))).contains("it has 10001 trees, more than 10000"));
        let mut wide = graph(vec![tree("x", "t", 1)], &["t"]);
        wide.input = vec![value("x", 1024)];
        assert!(read_graph(wide.clone()).is_ok());
        wide.input = vec![value("x", 1025)];
        assert!(refusal(wide).contains("its matrix has 1025 columns, more than 1024"));
        assert_eq!(*read(&vec![0; MAX_FILE_BYTES]).unwrap_err().kind(), ErrorKind::NotOnnx);
        assert_eq!(*read(&vec![0; MAX_FILE_BYTES + 1]).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn rejects_a_divisor_that_is_not_a_number() {
        for divisor in [f64::INFINITY, f64::NAN, f64::NEG_INFINITY] {
            let mut graph = graph(vec![tree("x", "t", 1)], &["t"]);
            graph.initializer[0] = numbers("divisor", vec![divisor]);
            assert!(refusal(graph).contains("not c(n) of any number of rows"), "{divisor}");
        }
    }

    /// Graphs in which each of many trees, inputs or operators refers to all others. Without a limit, reading would
    /// take time quadratic in the file: hours.
    #[test]
    fn reading_time_is_linear_in_the_size() {
        for n in [1 << 12, 1 << 13, 1 << 14] {
            // Constant inputs, all with one name.
            let mut inputs = graph(vec![tree("x", "t", 1)], &["t"]);
            let constants = (0..8 * n).map(|_| ValueInfo { name: Some("a".into()), kind: None });
            inputs.input.extend(constants);
            assert!(refusal(inputs.clone()).contains(&format!("it has {} inputs", 8 * n + 1)));
            inputs.initializer.extend((0..8 * n).map(|_| numbers("a", vec![])));
            assert_eq!(read_graph(inputs).unwrap().forest.n_trees(), 1);

            // All leaves of a tree, through many operators.
            let all = names('i', n);
            let each = all.iter().map(|name| node("Identity", &["t"], name));
            let nodes = [tree("x", "t", n.ilog2()), node("Max", &borrowed(&all), "p")].into_iter().chain(each);
            assert!(refusal(graph(nodes.collect(), &["p"])).contains(TOO_MUCH_WORK));

            // All operators after each tree.
            let (trees, lengths, all) = (names('t', 5000), names('p', 5000), names('s', n));
            let nodes = trees.iter().zip(&lengths);
            let nodes = nodes.flat_map(|(t, p)| [tree("x", t, 1), node("Reshape", &[t, "shape"], p)]);
            let shape = node("Concat", &borrowed(&all), "shape");
            let nodes = nodes.chain([shape]).chain(all.iter().map(|name| node("Shape", &["x"], name)));
            assert!(refusal(graph(nodes.collect(), &borrowed(&lengths))).contains(TOO_MUCH_WORK));

            // One large tree as all trees.
            let mut nodes = vec![tree("x", "t", n.ilog2())];
            nodes.extend(names('u', 4999).iter().map(|name| tree("x", name, 0)));
            assert!(refusal(graph(nodes, &["t"; 5000])).contains(TOO_MUCH_WORK));

            // Long lists of columns, and long chains of them.
            let axis = Attribute { name: "axis".into(), i: Some(1), ..Attribute::default() };
            let gather =
                |from: &str, to: &str| Node { attribute: vec![axis.clone()], ..node("Gather", &[from, "list"], to) };
            let nodes = trees.iter().map(|name| tree("g", name, 1)).chain([gather("x", "g")]);
            let mut columns = graph(nodes.collect(), &borrowed(&trees));
            columns.initializer.push(numbers("list", vec![1.0; n]));
            assert!(refusal(columns).contains(TOO_MUCH_WORK));
            let chain = names('g', n);
            let nodes = chain.windows(2).map(|pair| gather(&pair[0], &pair[1])).chain([tree(&chain[n - 1], "t", 1)]);
            let mut columns = graph(nodes.collect(), &["t"]);
            columns.initializer.push(numbers("list", vec![1.0]));
            assert!(refusal(columns).contains("too long a chain"));
        }
    }
}
