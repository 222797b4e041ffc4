//! Isolation forest on rows of `f32`: random splits isolate anomalies early, because they are few and different.
//!
//! The algorithm is by Liu, Ting and Zhou, *Isolation Forest*, ICDM 2008, <https://doi.org/10.1109/ICDM.2008.17>.
//!
//! ```
//! use iforest::{Forest, Params, Matrix};
//!
//! // Two columns: 500 ordinary rows on a small grid.
//! let values: Vec<f32> = (0..500).flat_map(|i| [(i % 20) as f32, (i % 7) as f32]).collect();
//! let forest = Forest::fit(Matrix::new(&values, 2)?, &Params::default(), 42)?;
//!
//! let ordinary = forest.score(&[10.0, 3.0]);
//! let unusual = forest.score(&[90.0, -4.0]);
//! assert!(unusual > ordinary);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//! * **One seed, one forest, one score**, bit for bit, on every machine and with any number of threads. Each tree has
//!   its own seed, drawn before any tree is built. Path lengths are summed as integers, so the order of summation
//!   cannot change a score. Transcendental functions are computed in software.
//! * **A missing value** (`NaN`) is smaller than every number, both when a tree is built and when a row is scored.
//! * **A column that is constant in a node is resampled.** Otherwise, data with many constant columns, such as network
//!   logs, would yield trees without splits.
//! * **A [`Forest`] is always valid.** Deserialising one checks everything that traversal relies on.

#![deny(unsafe_code)]

mod build;
mod error;
mod feature_range;
mod float_key;
mod forest;
mod matrix;
mod params;
mod path_length;
mod prefetch;
mod raw_forest;
mod rng;
mod score;
mod traverse;
mod tree;

// `next_up` and `prefetch` serve the ONNX reader and the tables of the detector.
pub use build::next_up;
pub use error::{Error, ErrorKind};
pub use feature_range::FeatureRange;
pub use forest::{Fit, Forest};
pub use matrix::Matrix;
pub use params::{MAX_FEATURES, MAX_SAMPLE_SIZE, MAX_TREES, Params};
pub use path_length::{EULER_GAMMA, average_path_length};
pub use prefetch::prefetch;
pub use raw_forest::{RawForest, RawNode};
pub use score::ScoreCache;
