//! The forest: trees, what they were grown from, and the score of a row.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::grow::grow;
use crate::params::{MAX_FEATURES, MAX_SAMPLE_SIZE, MAX_TREES};
use crate::path_length::UNITS_PER_EDGE;
use crate::random::Random;
use crate::tree::Tree;
use crate::walk::Walk;
use crate::{FitError, InvalidForest, Params, Rows, average_path_length};

/// Enough rows to a task that handing them out costs nothing.
const ROWS_PER_TASK: usize = 1024;

/// Isolation trees grown from one set of rows. Immutable; scoring needs no lock.
///
/// Serialises to its trees; deserialising checks them and fails on anything that could not be walked safely.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Forest {
    stored: Stored,
    walk: Walk,
    /// -1 / (units per edge · number of trees · c(ψ)): the factor that turns summed units into the score's exponent.
    exponent_per_unit: f64,
}

/// A forest, and how unusual each of the rows it was grown from looks to the trees that have not seen it.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The forest.
    pub forest: Forest,
    /// One score per row given to the fit, over the trees whose sample did not hold that row (all trees where every
    /// sample held it, as with fewer rows than [`Params::sample_size`]).
    pub out_of_bag_scores: Vec<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    n_features: u32,
    sample_size: u32,
    trees: Vec<Tree>,
}

impl Forest {
    /// Grows a forest from `rows`. The result depends on `rows`, `params` and `seed` alone, not on the number of
    /// threads; `NaN` stands for a missing value.
    ///
    /// # Errors
    /// [`FitError`] when a parameter is out of range, there are fewer than two rows, or a value is infinite.
    pub fn fit(rows: Rows<'_>, params: &Params, seed: u64) -> Result<Self, FitError> {
        Ok(Self::grow_all(rows, params, seed)?.0)
    }

    /// Like [`Forest::fit`], with a score for each row from the trees that have not seen it: the honest sample of
    /// scores to calibrate a threshold on.
    ///
    /// # Errors
    /// Those of [`Forest::fit`].
    pub fn fit_out_of_bag(rows: Rows<'_>, params: &Params, seed: u64) -> Result<Fit, FitError> {
        let (forest, samples) = Self::grow_all(rows, params, seed)?;
        let mut sums = forest.path_units(rows);
        let mut unseen_by = vec![forest.n_trees(); rows.len()];
        for (tree, sample) in samples.iter().enumerate() {
            for &row in sample {
                sums[row] -= forest.walk.path_units_in(tree, rows.row(row));
                unseen_by[row] -= 1;
            }
        }
        let out_of_bag_scores = (rows.iter().zip(sums).zip(unseen_by))
            .map(|((row, units), trees)| if trees == 0 { forest.score(row) } else { forest.score_of(units, trees) })
            .collect();
        Ok(Fit { forest, out_of_bag_scores })
    }

    fn grow_all(rows: Rows<'_>, params: &Params, seed: u64) -> Result<(Self, Vec<Vec<usize>>), FitError> {
        params.check(rows.n_features())?;
        if rows.len() < 2 {
            return Err(FitError::TooFewRows { rows: rows.len(), min: 2 });
        }
        if let Some(at) = rows.values().iter().position(|value| value.is_infinite()) {
            return Err(FitError::Infinite { row: at / rows.n_features(), column: at % rows.n_features() });
        }
        let sample_size = params.sample_size.min(rows.len());
        let mut random = Random::new(seed);
        let samples = random.deal(rows.len(), sample_size, params.n_trees);
        let seeds: Vec<u64> = samples.iter().map(|_| random.seed()).collect();
        let trees = (samples.par_iter().zip(seeds).enumerate())
            .map(|(tree, (sample, seed))| {
                grow(rows, sample, params.columns(tree, rows.n_features()), &mut Random::new(seed))
            })
            .collect();
        let n_features = rows.n_features() as u32;
        Ok((Self::ready(Stored { n_features, sample_size: sample_size as u32, trees }), samples))
    }

    fn ready(stored: Stored) -> Self {
        let walk = Walk::new(&stored.trees, stored.n_features as usize);
        let normal = UNITS_PER_EDGE * average_path_length(stored.sample_size as usize);
        Self { walk, exponent_per_unit: -1.0 / normal, stored }
    }

    /// The anomaly score of a row: s = 2^(-E\[h\] / c(ψ)), between 0 and 1. About 0.5 for a row like most; the nearer to
    /// 1, the fewer cuts set it apart.
    ///
    /// # Panics
    /// If `row` is shorter than [`Forest::n_features`].
    pub fn score(&self, row: &[f32]) -> f64 {
        self.score_of(self.walk.path_units(&row[..self.n_features()]), self.n_trees())
    }

    /// Scores many rows, in order, faster than one at a time; `scores` is appended to.
    ///
    /// # Panics
    /// If the rows are shorter than [`Forest::n_features`].
    pub fn score_rows(&self, rows: Rows<'_>, scores: &mut Vec<f64>) {
        assert!(rows.n_features() >= self.n_features());
        self.walk.path_units_of_rows(rows, |units| scores.push(self.score_of(units, self.n_trees())));
    }

    /// The path lengths of all rows, in units, on all cores.
    fn path_units(&self, rows: Rows<'_>) -> Vec<u64> {
        let blocks = rows.values().par_chunks(ROWS_PER_TASK * rows.n_features());
        let sums = blocks.flat_map_iter(|values| {
            let mut sums = Vec::with_capacity(ROWS_PER_TASK);
            if let Ok(rows) = Rows::new(values, rows.n_features()) {
                self.walk.path_units_of_rows(rows, |units| sums.push(units));
            }
            sums
        });
        sums.collect()
    }

    fn score_of(&self, units: u64, trees: usize) -> f64 {
        libm::exp2(units as f64 * self.exponent_per_unit / trees as f64)
    }

    /// How many values a row has.
    pub fn n_features(&self) -> usize {
        self.stored.n_features as usize
    }

    /// How many trees there are.
    pub fn n_trees(&self) -> usize {
        self.stored.trees.len()
    }

    /// ψ: how many rows each tree was grown from.
    pub fn sample_size(&self) -> usize {
        self.stored.sample_size as usize
    }
}

impl TryFrom<Stored> for Forest {
    type Error = InvalidForest;

    fn try_from(stored: Stored) -> Result<Self, InvalidForest> {
        let within = |name, value: usize, min, max| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(InvalidForest::Bound { name, value, min, max }) }
        };
        let (n_features, sample_size) = (stored.n_features as usize, stored.sample_size as usize);
        within("number of columns", n_features, 1, MAX_FEATURES)?;
        within("sample size", sample_size, 2, MAX_SAMPLE_SIZE)?;
        within("number of trees", stored.trees.len(), 1, MAX_TREES)?;
        for (i, tree) in stored.trees.iter().enumerate() {
            tree.check(i, n_features, sample_size)?;
        }
        Ok(Self::ready(stored))
    }
}

impl From<Forest> for Stored {
    fn from(forest: Forest) -> Self {
        forest.stored
    }
}
