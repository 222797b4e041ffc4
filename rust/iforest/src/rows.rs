//! A borrowed matrix: rows of equal length, one after the other.

use crate::FitError;

/// Rows of `n_features` values each, row after row.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    values: &'a [f32],
    n_features: usize,
}

impl<'a> Rows<'a> {
    /// Views `values` as rows of `n_features` columns.
    ///
    /// # Errors
    /// [`FitError::Shape`] when `n_features` is 0 or does not divide the number of values.
    pub fn new(values: &'a [f32], n_features: usize) -> Result<Self, FitError> {
        if n_features == 0 || values.len() % n_features != 0 {
            return Err(FitError::Shape { values: values.len(), n_features });
        }
        Ok(Self { values, n_features })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.n_features
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many values a row has.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// The rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.n_features)
    }

    /// The rows in order, so many at a time.
    pub(crate) fn blocks(&self, rows: usize) -> impl Iterator<Item = Rows<'a>> {
        let n_features = self.n_features;
        self.values.chunks(rows * n_features).map(move |values| Rows { values, n_features })
    }

    /// All values, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.n_features..][..self.n_features]
    }
}
