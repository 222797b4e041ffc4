//! How a model is learnt.

use detector::{Params, schema};

use super::threshold::BudgetArgs;
use super::values::within;

const LEAST_TREES: usize = schema::GROUPS.len();

/// A number of trees.
fn trees(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 0..LEAST_TREES) => {
            Err(format!("{number} are too few: each of the {LEAST_TREES} groups of features needs a tree"))
        }
        _ => within(LEAST_TREES..=10_000)(text),
    }
}

/// How connections are drawn.
#[derive(Clone, Debug, clap::Args)]
pub struct SamplingArgs {
    /// Rows kept as a uniform sample of all traffic to grow and calibrate on, 2 to 10000000
    #[arg(
        long, value_name = "N", default_value_t = Params::default().reservoir,
        value_parser = within(2..=10_000_000),
        help_heading = "Learning"
    )]
    reservoir: usize,

    /// Decides every random draw: the same logs and seed give the same scores; 0 to 2^64 - 1
    #[arg(long, value_name = "N", default_value_t = Params::default().seed, help_heading = "Learning")]
    seed: u64,
}

/// How a model is learnt.
#[derive(Clone, Debug, clap::Args)]
pub struct LearningArgs {
    /// Trees in the forest, from one for each group of features to 10000
    #[arg(
        long, value_name = "N", default_value_t = Params::default().forest.n_trees,
        value_parser = trees,
        help_heading = "Learning"
    )]
    trees: usize,

    /// Rows each tree is grown from, 2 to 1048576; more rarely helps and often hides anomalies
    #[arg(
        long, value_name = "N", default_value_t = Params::default().forest.sample_size,
        value_parser = within(2..=1 << 20),
        help_heading = "Learning"
    )]
    sample_size: usize,

    #[command(flatten)]
    sampling: SamplingArgs,

    #[command(flatten)]
    budget: BudgetArgs,
}

impl SamplingArgs {
    /// The parameters that matter for drawing.
    pub fn params(&self) -> Params {
        let mut params = Params::default();
        params.reservoir = self.reservoir;
        params.seed = self.seed;
        params
    }
}

impl LearningArgs {
    /// The parameters of a training.
    pub fn params(&self) -> Params {
        let mut params = self.sampling.params();
        params.forest.n_trees = self.trees;
        params.forest.sample_size = self.sample_size;
        self.budget.set(&mut params);
        params
    }
}
