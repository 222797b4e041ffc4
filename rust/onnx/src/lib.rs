//! Isolation forests from and to ONNX graphs.
//!
//! [`read`] takes the graph that skl2onnx makes of scikit-learn's `IsolationForest`; [`write`] makes of any
//! [`iforest::Forest`] a graph that an ONNX runtime scores rows with. This crate knows nothing of networks, nor of how
//! rows come about, and it runs no graph: of one that is read, it works out what each leaf of each tree stands for.
//!
//! The format is Protocol Buffers, <https://onnx.ai/onnx/repo-docs/IR.html>; the operators are described at
//! <https://onnx.ai/onnx/operators/>.

#![forbid(unsafe_code)]

mod evaluate;
mod messages;
mod read;
mod write;

pub use read::{Error, ErrorKind, Imported, MAX, read};
pub use write::{Description, Raise, write};
