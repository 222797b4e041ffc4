//! Isolation forest on rows of `f32`: anomalies are few and different, so random splits set them apart early.
//!
//! The algorithm is that of Liu, Ting and Zhou, *Isolation Forest*, ICDM 2008, <https://doi.org/10.1109/ICDM.2008.17>.
//! This crate knows nothing of networks: a row is a slice of numbers, a score is a number between 0 and 1.
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
//! # Promises
//! * **One seed, one forest, one score**, bit for bit, on every machine and with any number of threads. Each tree has a
//!   seed of its own, drawn before any tree is built; path lengths are summed as integers, so no order of summation
//!   can change a score; transcendental functions are computed in software.
//! * **A missing value** (`NaN`) is smaller than every number. It is so while a tree is built, where it can be split off
//!   from the numbers, and while a row is scored.
//! * **A column that is constant in a node is not drawn there**; another one is. Without this, data with many constant
//!   columns (network logs are such) yields trees that split nothing.
//! * A [`Forest`] that exists is sound. Deserialising one checks everything that walking it relies on.

#![deny(unsafe_code)]

mod build;
mod error;
mod feature_range;
mod float_key;
mod forest;
mod matrix;
mod params;
mod path_length;
mod raw;
mod rng;
mod score;
mod traverse;
mod tree;

pub use build::next_up;
pub use error::{Error, ErrorKind};
pub use feature_range::FeatureRange;
pub use forest::{Fit, Forest};
pub use matrix::Matrix;
pub use params::{MAX_FEATURES, MAX_TREES, Params};
pub use path_length::average_path_length;
pub use raw::{RawForest, RawNode};
