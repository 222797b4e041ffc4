//! Borrowed row-major matrix of `f32`.

use crate::error::{Error, ErrorKind};

/// Rows of `n_features` values each, row after row.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    n_features: usize,
}

impl<'a> Matrix<'a> {
    /// Views `values` as rows of `n_features` columns.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] when `n_features` is 0 or does not divide the number of values.
    pub fn new(values: &'a [f32], n_features: usize) -> Result<Self, Error> {
        if n_features == 0 || values.len() % n_features != 0 {
            return Err(ErrorKind::Shape { values: values.len(), n_features }.into());
        }
        Ok(Self { values, n_features })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.n_features
    }

    /// Returns true without rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Number of columns.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// The rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.n_features)
    }

    /// The rows in order, in blocks of at most `rows`.
    pub(crate) fn blocks(&self, rows: usize) -> impl Iterator<Item = Matrix<'a>> {
        let n_features = self.n_features;
        self.values.chunks(rows * n_features).map(move |values| Matrix { values, n_features })
    }

    /// All values, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.n_features..][..self.n_features]
    }
}
