//! Scores of rows from the path lengths of the trees.

mod groups;
mod step_function;

pub(crate) use groups::Scorer;
