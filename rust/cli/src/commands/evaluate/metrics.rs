//! Metrics of a setting: a given model, or a protocol run with several seeds.

use serde::Serialize;

use super::given_models::LabelledIncident;
use super::labelled_score::LabelledScore;
use super::notices::{Detection, detections, notices};
use super::ranking::{AtAlerts, Ranking};

/// Scores of one setting, with a run for each seed (one for a given model); each run is in order of end time.
#[derive(Debug)]
pub struct Setting {
    /// Name in tables and charts.
    pub name: String,
    /// Threshold of a given model; with a protocol it differs between runs.
    pub threshold: Option<f64>,
    /// Scored connections of each run.
    pub runs: Vec<Vec<LabelledScore>>,
    /// Incidents of a given model, the most severe first.
    pub incidents: Option<Vec<LabelledIncident>>,
}

/// Metrics of a setting as printed by `--json`, means over its runs.
#[derive(Debug, Serialize)]
pub struct Metrics {
    pub setting: String,
    pub roc_auc: f64,
    pub average_precision: f64,
    /// Standard deviation over several runs.
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
    /// Incidents of a given model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents: Option<u64>,
    pub attacks: Vec<Attack>,
}

/// Separation of the classes by the scores of one run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Separation {
    pub roc_auc: f64,
    pub average_precision: f64,
}

/// Metrics at the threshold of the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtThreshold {
    /// Anomalous connections.
    pub alerts: f64,
    /// Notices for them, without repetitions.
    pub notices: f64,
    /// Share of the alerts that is malicious; `None` without alerts.
    pub precision: Option<f64>,
    /// Share of all malicious connections that is among them.
    pub recall: f64,
}

/// Effort to find an attack: medians over the runs it occurs in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attack {
    pub label: String,
    #[serde(flatten)]
    pub detection: Detection,
    /// Incidents that hold its connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents: Option<u64>,
    /// Other incidents that are more severe than the first of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents_above: Option<u64>,
}

/// Mean and sample standard deviation; the latter is `NaN` for fewer than two values.
pub fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// Ranking of a run.
pub fn ranking(run: &[LabelledScore]) -> Ranking {
    Ranking::new(run.iter().map(|scored| (scored.score, scored.class.is_malicious())))
}

impl Separation {
    /// Separation of a run.
    pub fn of(ranking: &Ranking) -> Self {
        Self { roc_auc: ranking.roc_auc(), average_precision: ranking.average_precision() }
    }

    /// Means and standard deviations over runs.
    pub fn over(runs: &[Self]) -> (Self, Self) {
        let of = |metric: fn(&Self) -> f64| mean_and_deviation(&runs.iter().map(metric).collect::<Vec<_>>());
        let (auc, precision) = (of(|run| run.roc_auc), of(|run| run.average_precision));
        (
            Self { roc_auc: auc.0, average_precision: precision.0 },
            Self { roc_auc: auc.1, average_precision: precision.1 },
        )
    }
}

impl Metrics {
    /// Computes the metrics of a setting with at least one run; `attacks` are the labels of the log.
    pub fn of(setting: &Setting, attacks: &[String]) -> Self {
        let rankings: Vec<_> = setting.runs.iter().map(|run| ranking(run)).collect();
        let runs: Vec<_> = rankings.iter().map(Separation::of).collect();
        let (mean, deviation) = Separation::over(&runs);
        let several = runs.len() > 1;
        let first = rankings.first();
        Self {
            setting: setting.name.clone(),
            roc_auc: mean.roc_auc,
            average_precision: mean.average_precision,
            standard_deviation: several.then_some(deviation),
            runs: if several { runs } else { Vec::new() },
            connections: first.map_or(0, |ranking| ranking.malicious + ranking.benign),
            malicious: first.map_or(0, |ranking| ranking.malicious),
            threshold: setting.threshold,
            at_threshold: at_threshold(&setting.runs),
            at_alerts: at_alerts(&rankings),
            incidents: setting.incidents.as_ref().map(|incidents| incidents.len() as u64),
            attacks: attack_detections(setting, attacks),
        }
    }
}

fn at_threshold(runs: &[Vec<LabelledScore>]) -> AtThreshold {
    let over =
        |metric: &dyn Fn(&[LabelledScore]) -> f64| runs.iter().map(|run| metric(run)).sum::<f64>() / runs.len() as f64;
    let alerts = over(&|run| run.iter().filter(|scored| scored.alert).count() as f64);
    let hit = |scored: &&LabelledScore| scored.alert && scored.class.is_malicious();
    let hits = over(&|run| run.iter().filter(hit).count() as f64);
    let malicious = over(&|run| run.iter().filter(|scored| scored.class.is_malicious()).count() as f64);
    AtThreshold {
        alerts,
        notices: over(&|run| notices(run.iter().filter(|scored| scored.alert)) as f64),
        precision: (alerts > 0.0).then(|| hits / alerts),
        recall: hits / malicious,
    }
}

/// Precision and recall at rising numbers of alerts, until every run finds all attacks.
fn at_alerts(rankings: &[Ranking]) -> Vec<AtAlerts> {
    let numbers = rankings.iter().map(Ranking::rising_alerts).max_by_key(Vec::len).unwrap_or_default();
    let mean = |alerts| {
        let all: Vec<_> = rankings.iter().map(|ranking| ranking.at(alerts)).collect();
        let over = |metric: fn(&AtAlerts) -> f64| all.iter().map(metric).sum::<f64>() / all.len() as f64;
        AtAlerts {
            alerts,
            precision: over(|at| at.precision),
            recall: over(|at| at.recall),
            score: over(|at| at.score),
        }
    };
    numbers.into_iter().map(mean).collect()
}

fn attack_detections(setting: &Setting, attacks: &[String]) -> Vec<Attack> {
    let found: Vec<_> = setting.runs.iter().map(|run| detections(run, attacks.len())).collect();
    let attack = |(index, label): (usize, &String)| {
        let of_runs: Vec<Detection> = found.iter().filter_map(|found| found[index]).collect();
        let median = |metric: fn(&Detection) -> u64| {
            let mut values: Vec<_> = of_runs.iter().map(metric).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        };
        let detection = Detection {
            connections: median(|detection| detection.connections)?,
            rank: median(|detection| detection.rank)?,
            alerts: median(|detection| detection.alerts)?,
        };
        let holds = |incident: &LabelledIncident| incident.contains(&(index as u32));
        let incidents = setting.incidents.as_ref();
        let count = incidents.map(|incidents| incidents.iter().filter(|it| holds(it)).count() as u64);
        let above = incidents.and_then(|incidents| incidents.iter().position(holds)).map(|place| place as u64);
        Some(Attack { label: label.clone(), detection, incidents: count, incidents_above: above })
    };
    attacks.iter().enumerate().filter_map(attack).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviation_is_that_of_a_sample() {
        assert_eq!(mean_and_deviation(&[1.0, 2.0, 3.0]), (2.0, 1.0));
        assert!(mean_and_deviation(&[1.0]).1.is_nan());
    }
}
