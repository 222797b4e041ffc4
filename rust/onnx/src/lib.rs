//! Isolation forests from and to ONNX graphs.
//!
//! [`read`] converts the graph that skl2onnx makes of scikit-learn's `IsolationForest`; [`write`] converts any
//! [`iforest::Forest`] to a graph for an ONNX runtime. The crate knows nothing of networks, and it is no runtime:
//! reading computes only the path length of each leaf.
//!
//! The format is Protocol Buffers, <https://onnx.ai/onnx/repo-docs/IR.html>; the operators are described at
//! <https://onnx.ai/onnx/operators/>.

#![forbid(unsafe_code)]

mod evaluate;
mod messages;
mod read;
mod read_tree;
mod write;

pub use read::{Error, ErrorKind, Imported, MAX_FILE_BYTES, read};
pub use write::{Description, MaximumRange, write};
