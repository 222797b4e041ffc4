//! Scores of rows from the path lengths of the trees.

mod cache;
mod groups;
mod step_function;

pub use cache::ScoreCache;
pub(crate) use groups::Scorer;
