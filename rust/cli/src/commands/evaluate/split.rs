//! Scoring of labelled connections, by given models or by a model trained on a split.

use std::collections::HashMap;

use anyhow::{Context, Result};
use detector::{
    Address, AlertPolicy, Extractor, FeatureRow, KnownList, LogRecord, Model, Params, ScoreHistory, Trainer, Verdict,
};
use rayon::prelude::*;

use super::attack_labels::{AttackLabels, Class};
use super::labelled_log::LabelledLog;
use crate::grouping::Grouping;
use crate::pipeline::{Batch, Judged, Pipeline, Summary};
use crate::score_text::millionths;

/// Identifier of a notice: a notice with the same key is a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoticeKey {
    /// Originator of the connection.
    pub originator: Address,
    /// Feature of the main reason.
    pub feature: &'static str,
}

impl NoticeKey {
    /// The key of a notice for this connection.
    pub fn of(record: &LogRecord<'_>, row: &FeatureRow, model: &Model) -> Self {
        let reasons = model.reasons(record, row, None);
        Self { originator: record.originator(), feature: reasons.first().map_or("", |reason| reason.feature()) }
    }
}

/// Scored connection with its class.
#[derive(Clone, Copy, Debug)]
pub struct LabelledScore {
    /// Score in millionths.
    pub score: u32,
    /// True if the model raises an alert.
    pub anomalous: bool,
    /// True class.
    pub class: Class,
    /// End time, in microseconds since 1970.
    pub ended: i64,
    /// Key of the notice.
    pub notice: NoticeKey,
}

impl LabelledScore {
    fn new(record: &LogRecord<'_>, class: Class, row: &FeatureRow, verdict: &Verdict, model: &Model) -> Self {
        Self {
            score: millionths(verdict.score),
            anomalous: verdict.anomalous,
            class,
            ended: record.end(),
            notice: NoticeKey::of(record, row, model),
        }
    }

    /// Index of its attack among the labels of the log.
    pub fn attack(&self) -> Option<usize> {
        match self.class {
            Class::Benign => None,
            Class::Attack(attack) => Some(attack as usize),
        }
    }
}

/// Ordered connections of a log, each for use (training or scoring) or as context only.
#[derive(Debug)]
pub struct Pass<'a> {
    pub log: &'a LabelledLog,
    /// Indices of connections, and whether to use each.
    pub connections: Vec<(usize, bool)>,
}

impl<'a> Pass<'a> {
    fn iter(&self) -> impl Iterator<Item = (LogRecord<'a>, Class, bool)> {
        let log = self.log;
        self.connections.iter().map(move |&(index, wanted)| (log.records.get(index), log.classes[index], wanted))
    }
}

/// Training and test connections of one model.
#[derive(Debug)]
pub struct Split<'a> {
    /// Training connections.
    pub learn: Pass<'a>,
    /// Test connections, scored by a detector without earlier context.
    pub score: Pass<'a>,
}

impl Split<'_> {
    /// Trains and scores.
    pub fn run(&self, params: &Params) -> Result<Vec<LabelledScore>> {
        let mut trainer = Trainer::new(params.clone());
        for (connection, _, wanted) in self.learn.iter() {
            if wanted { trainer.learn(connection) } else { trainer.observe(connection) }
        }
        let learnt = trainer.observed();
        let model = trainer.fit().with_context(|| format!("cannot train on {learnt} connections of the logs"))?;
        let (mut extractor, mut rows, mut wanted) = (Extractor::of(self.score.log.log), Vec::new(), Vec::new());
        let mut all_keys = Vec::new();
        for (connection, class, is_wanted) in self.score.iter() {
            let (row, keys) = extractor.context_row(connection);
            if is_wanted {
                rows.push(row);
                all_keys.push(keys);
                wanted.push((connection, class));
            }
        }
        let (mut cusum, policy) = (ScoreHistory::new(), AlertPolicy::of(&model));
        let times: Vec<i64> = wanted.iter().map(|(record, _)| record.ts()).collect();
        let scores = model.score_rows(&rows, &times);
        let verdicts: Vec<Verdict> = wanted
            .iter()
            .zip(&all_keys)
            .zip(scores)
            .map(|(((connection, _), keys), score)| cusum.verdict(&model, &policy, connection.end(), keys, score))
            .collect();
        let scored = wanted.par_iter().zip(&rows).zip(&verdicts);
        Ok(scored
            .map(|(((connection, class), row), verdict)| LabelledScore::new(connection, *class, row, verdict, &model))
            .collect())
    }
}

/// The attacks that an incident holds connections of.
pub type LabelledIncident = Vec<u32>;

/// Scored connections of a model, and its incidents, the most severe first.
pub type ModelResult = (Vec<LabelledScore>, Vec<LabelledIncident>);

/// Groups the connections of a model, and notes the attacks of each incident.
struct LabelledGrouping {
    grouping: Grouping,
    attacks: HashMap<String, LabelledIncident>,
}

impl LabelledGrouping {
    fn new() -> Self {
        Self { grouping: Grouping::new(KnownList::default(), false), attacks: HashMap::new() }
    }

    fn add(&mut self, judged: &Judged<'_>, class: Class, model: &Model) {
        let id = self.grouping.add(judged, model, false);
        self.take_changes();
        if let (Some(id), Class::Attack(attack)) = (id, class) {
            let attacks = self.attacks.entry(id).or_default();
            if !attacks.contains(&attack) {
                attacks.push(attack);
            }
        }
    }

    fn take_changes(&mut self) {
        for change in self.grouping.take_changes() {
            if let Some(into) = change.merged_into {
                let merged = self.attacks.remove(&change.incident.id()).unwrap_or_default();
                let attacks = self.attacks.entry(into).or_default();
                attacks.extend(merged);
            }
        }
    }

    fn finish(mut self) -> Vec<LabelledIncident> {
        self.grouping.finish();
        let incidents = self.grouping.into_incidents();
        incidents.iter().map(|incident| self.attacks.remove(&incident.id()).unwrap_or_default()).collect()
    }
}

/// Scores the connections of a run by each of the models.
pub fn score_by(
    models: &[Model],
    pipeline: &Pipeline<'_>,
    classes: &mut AttackLabels,
) -> Result<(Vec<ModelResult>, Summary)> {
    let mut extractor = Extractor::of(pipeline.inputs.log);
    let mut cusums = vec![ScoreHistory::new(); models.len()];
    let mut scored = vec![Vec::new(); models.len()];
    let mut groupings: Vec<_> = models.iter().map(|_| LabelledGrouping::new()).collect();
    let summary = pipeline.run(
        |batch| batch.extract(&mut extractor),
        // Scores of the first model for all connections, then of the second, and so on.
        || {
            |batch: &mut Batch| {
                batch.scores = models.iter().flat_map(|model| model.score_rows(&batch.rows, &batch.times())).collect()
            }
        },
        |batch| {
            let classes = classes.of(batch);
            let n = batch.records.len();
            for (i, ((model, cusum), scored)) in models.iter().zip(&mut cusums).zip(&mut scored).enumerate() {
                let verdicts =
                    batch.verdicts_by(model, &AlertPolicy::of(model), cusum, &batch.scores[i * n..(i + 1) * n]);
                for (j, record) in batch.records.iter().enumerate() {
                    let judged = Judged::new(record, None, &batch.rows[j], &verdicts[j]);
                    groupings[i].add(&judged, classes[j], model);
                }
                let connections = batch.records.iter().zip(&batch.rows).zip(&classes).zip(&verdicts);
                scored.extend(connections.map(|(((connection, row), class), verdict)| {
                    LabelledScore::new(&connection, *class, row, verdict, model)
                }));
            }
            Ok(())
        },
    )?;
    let incidents = groupings.into_iter().map(LabelledGrouping::finish);
    Ok((scored.into_iter().zip(incidents).collect(), summary))
}
