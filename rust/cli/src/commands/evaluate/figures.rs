//! The figures of a setting: a model that was given, or a way of learning tried with several seeds.

use serde::Serialize;

use super::alerts::{Reach, notices, reach};
use super::trial::Scored;
use crate::ranking::{AtAlerts, Ranking};

/// One setting with its scores, one list for each seed (a model that was given has one); each in the order in which the
/// connections ended.
#[derive(Debug)]
pub struct Trials {
    /// What tells it from other settings.
    pub name: String,
    /// The threshold of a model that was given; a way of learning has another in each run.
    pub threshold: Option<f64>,
    /// The scored connections of each run.
    pub runs: Vec<Vec<Scored>>,
}

/// The figures of a setting, means over its runs, as `--json` prints them.
#[derive(Debug, Serialize)]
pub struct Figures {
    pub setting: String,
    pub roc_auc: f64,
    pub average_precision: f64,
    /// How far the runs lie apart; none where there is one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_deviation: Option<Separation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Separation>,
    pub connections: u64,
    pub malicious: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    pub at_threshold: AtThreshold,
    pub at_alerts: Vec<AtAlerts>,
    pub attacks: Vec<Attack>,
}

/// How well the scores of one run separate the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Separation {
    pub roc_auc: f64,
    pub average_precision: f64,
}

/// What the model's own threshold makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtThreshold {
    /// Connections at or above it.
    pub alerts: f64,
    /// What is left of them when repetitions are suppressed.
    pub notices: f64,
    /// The share of the connections that is malicious; none where there is no alert.
    pub precision: Option<f64>,
    /// The share of all malicious connections that is among them.
    pub recall: f64,
}

/// What it takes to reach an attack: medians over the runs it occurs in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attack {
    pub label: String,
    #[serde(flatten)]
    pub reach: Reach,
}

/// Mean and sample standard deviation; the latter is `NaN` of fewer than two.
pub fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// The ranking of a run.
pub fn ranking(run: &[Scored]) -> Ranking {
    Ranking::new(run.iter().map(|scored| (scored.score, scored.kind.is_malicious())))
}

impl Separation {
    /// Of a run.
    pub fn of(ranking: &Ranking) -> Self {
        Self { roc_auc: ranking.roc_auc(), average_precision: ranking.average_precision() }
    }

    /// Means and standard deviations over runs.
    pub fn over(runs: &[Self]) -> (Self, Self) {
        let of = |figure: fn(&Self) -> f64| mean_and_deviation(&runs.iter().map(figure).collect::<Vec<_>>());
        let (auc, precision) = (of(|run| run.roc_auc), of(|run| run.average_precision));
        (
            Self { roc_auc: auc.0, average_precision: precision.0 },
            Self { roc_auc: auc.1, average_precision: precision.1 },
        )
    }
}

impl Figures {
    /// The figures of a setting; `attacks` are the labels of the log. There must be a run.
    pub fn of(trials: &Trials, attacks: &[String]) -> Self {
        let rankings: Vec<_> = trials.runs.iter().map(|run| ranking(run)).collect();
        let runs: Vec<_> = rankings.iter().map(Separation::of).collect();
        let (mean, deviation) = Separation::over(&runs);
        let several = runs.len() > 1;
        let first = rankings.first();
        Self {
            setting: trials.name.clone(),
            roc_auc: mean.roc_auc,
            average_precision: mean.average_precision,
            standard_deviation: several.then_some(deviation),
            runs: if several { runs } else { Vec::new() },
            connections: first.map_or(0, |ranking| ranking.malicious() + ranking.benign()),
            malicious: first.map_or(0, Ranking::malicious),
            threshold: trials.threshold,
            at_threshold: at_threshold(&trials.runs),
            at_alerts: at_alerts(&rankings),
            attacks: reaches(&trials.runs, attacks),
        }
    }
}

fn at_threshold(runs: &[Vec<Scored>]) -> AtThreshold {
    let over = |figure: &dyn Fn(&[Scored]) -> f64| runs.iter().map(|run| figure(run)).sum::<f64>() / runs.len() as f64;
    let alerts = over(&|run| run.iter().filter(|scored| scored.anomalous).count() as f64);
    let hit = |scored: &&Scored| scored.anomalous && scored.kind.is_malicious();
    let hits = over(&|run| run.iter().filter(hit).count() as f64);
    let malicious = over(&|run| run.iter().filter(|scored| scored.kind.is_malicious()).count() as f64);
    AtThreshold {
        alerts,
        notices: over(&|run| notices(run.iter().filter(|scored| scored.anomalous)) as f64),
        precision: (alerts > 0.0).then(|| hits / alerts),
        recall: hits / malicious,
    }
}

/// Precision and recall at rising numbers of alerts, until they find everything in every run.
fn at_alerts(rankings: &[Ranking]) -> Vec<AtAlerts> {
    let numbers = rankings.iter().map(Ranking::rising_alerts).max_by_key(Vec::len).unwrap_or_default();
    let mean = |alerts| {
        let all: Vec<_> = rankings.iter().map(|ranking| ranking.at(alerts)).collect();
        let over = |figure: fn(&AtAlerts) -> f64| all.iter().map(figure).sum::<f64>() / all.len() as f64;
        AtAlerts {
            alerts,
            precision: over(|at| at.precision),
            recall: over(|at| at.recall),
            score: over(|at| at.score),
        }
    };
    numbers.into_iter().map(mean).collect()
}

fn reaches(runs: &[Vec<Scored>], attacks: &[String]) -> Vec<Attack> {
    let found: Vec<_> = runs.iter().map(|run| reach(run, attacks.len())).collect();
    let attack = |(index, label): (usize, &String)| {
        let of_runs: Vec<Reach> = found.iter().filter_map(|found| found[index]).collect();
        let median = |figure: fn(&Reach) -> u64| {
            let mut values: Vec<_> = of_runs.iter().map(figure).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        };
        let reach = Reach {
            connections: median(|reach| reach.connections)?,
            rank: median(|reach| reach.rank)?,
            alerts: median(|reach| reach.alerts)?,
        };
        Some(Attack { label: label.clone(), reach })
    };
    attacks.iter().enumerate().filter_map(attack).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_a_sample() {
        assert_eq!(mean_and_deviation(&[1.0, 2.0, 3.0]), (2.0, 1.0));
        assert!(mean_and_deviation(&[1.0]).1.is_nan());
    }
}
