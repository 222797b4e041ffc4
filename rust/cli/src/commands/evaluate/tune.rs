//! Parameter tuning: evaluates a grid of parameters with a protocol.

use anyhow::Result;
use detector::Params;
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

use super::labelled_log::LabelledLog;
use super::metrics::{Separation, ranking};
use super::protocol::Protocol;
use super::table::{lines, with_deviation};
use crate::format;
use crate::text_table::Align::{Left, Right};

const SAMPLE_SIZES: [usize; 5] = [64, 128, 256, 512, 1024];
/// Trees per group of features.
const TREES_PER_GROUP: [usize; 3] = [6, 12, 24];

/// Variants of the forest apart from the number and size of trees.
const VARIANTS: [Variant; 4] = [
    Variant { name: "one group", grouped: false, mean_exponent: 1 },
    Variant { name: "groups, exponent 1", grouped: true, mean_exponent: 1 },
    Variant { name: "groups, exponent 2", grouped: true, mean_exponent: 2 },
    Variant { name: "groups, exponent 4", grouped: true, mean_exponent: 4 },
];

#[derive(Clone, Copy, Debug)]
struct Variant {
    name: &'static str,
    grouped: bool,
    mean_exponent: u8,
}

/// Results of one combination, means over the seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    pub trees: usize,
    pub sample_size: usize,
    pub variant: &'static str,
    /// True if these are the default parameters.
    pub default: bool,
    #[serde(flatten)]
    pub mean: Separation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_deviation: Option<Separation>,
}

pub const fn combinations() -> usize {
    SAMPLE_SIZES.len() * TREES_PER_GROUP.len() * VARIANTS.len()
}

/// Evaluates each combination with each seed, sorted by descending average precision.
pub fn tune(
    protocol: &Protocol,
    log: &LabelledLog,
    params: &Params,
    seeds: &[u64],
    bar: &ProgressBar,
) -> Result<Vec<Tried>> {
    let groups = Params::default().forest.groups;
    let mut settings = Vec::new();
    for variant in VARIANTS {
        for trees in TREES_PER_GROUP.map(|each| each * groups.len()) {
            for sample_size in SAMPLE_SIZES {
                let mut setting = params.clone();
                setting.forest.n_trees = trees;
                setting.forest.sample_size = sample_size;
                setting.forest.groups = if variant.grouped { groups.clone() } else { Vec::new() };
                setting.forest.mean_exponent = variant.mean_exponent;
                settings.push((variant, setting));
            }
        }
    }
    let tried: Result<Vec<_>> = settings
        .par_iter()
        .map(|(variant, setting)| {
            let runs: Result<Vec<_>> = seeds
                .iter()
                .map(|&seed| {
                    let scored = protocol.run(log, setting, seed)?;
                    bar.inc(1);
                    Ok(Separation::of(&ranking(&scored)))
                })
                .collect();
            let (mean, deviation) = Separation::over(&runs?);
            Ok(Tried {
                trees: setting.forest.n_trees,
                sample_size: setting.forest.sample_size,
                variant: variant.name,
                default: setting.forest == Params::default().forest,
                mean,
                standard_deviation: (seeds.len() > 1).then_some(deviation),
            })
        })
        .collect();
    bar.finish_and_clear();
    let mut tried = tried?;
    tried.sort_by(|a, b| b.mean.average_precision.total_cmp(&a.mean.average_precision));
    Ok(tried)
}

/// Formats the combinations as a table.
pub fn table(tried: &[Tried], terminal_width: usize) -> String {
    let mut rows = vec![["average precision", "ROC AUC", "trees", "sample", "variant"].map(str::to_owned).to_vec()];
    rows.extend(tried.iter().map(|Tried { trees, sample_size, variant, default, mean, standard_deviation }| {
        let figure = |of: fn(&Separation) -> f64| with_deviation(of(mean), standard_deviation.as_ref().map(of));
        vec![
            figure(|run| run.average_precision),
            figure(|run| run.roc_auc),
            format::count(*trees as u64),
            format::count(*sample_size as u64),
            format!("{variant}{}", if *default { " (default)" } else { "" }),
        ]
    }));
    lines(&[Left, Left, Right, Right, Left], &rows, terminal_width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_fits_80_columns() {
        let tried: Vec<_> = VARIANTS
            .iter()
            .map(|variant| Tried {
                trees: 1_024,
                sample_size: 1_024,
                variant: variant.name,
                default: variant.mean_exponent == 4,
                mean: Separation { roc_auc: 0.5, average_precision: 0.25 },
                standard_deviation: Some(Separation { roc_auc: 0.125, average_precision: 0.125 }),
            })
            .collect();
        let table = table(&tried, 80);
        assert_eq!(table.lines().count(), 1 + VARIANTS.len(), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        assert!(
            table.ends_with("0.2500 ± 0.1250    0.5000 ± 0.1250  1,024   1,024  groups, exponent 4 (default)\n"),
            "{table}"
        );
    }
}
