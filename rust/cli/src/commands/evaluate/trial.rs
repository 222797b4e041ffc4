//! Scored connections: those of a log by models given, and those of a split by models learnt for it.

use anyhow::{Context, Result};
use detector::{Address, Connection, Cusum, Extractor, FeatureRow, Model, Params, Trainer, Verdict};

use rayon::prelude::*;

use super::kinds::{Kind, Kinds};
use super::log::Log;
use crate::pipeline::{Batch, Run, Summary};
use crate::score_text::millionths;

/// What a notice is about: connections with the same are repetitions of one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Who opened the connection.
    pub originator: Address,
    /// The feature that is the main reason.
    pub feature: &'static str,
}

impl Subject {
    /// What a notice of this connection would be about.
    pub fn of(connection: &Connection<'_>, row: &FeatureRow, verdict: &Verdict, model: &Model) -> Self {
        let reasons = model.reasons(connection, row, verdict.sustained);
        Self { originator: connection.orig.addr, feature: reasons.first().map_or("", |reason| reason.feature()) }
    }
}

/// What the figures need of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    /// In millionths.
    pub score: u32,
    /// Where it stands among alerts, in millionths: as its score, or higher where it stands for many connections.
    pub rank: u32,
    /// Whether the model raises an alert for it.
    pub anomalous: bool,
    /// The truth.
    pub kind: Kind,
    /// When it ended, which is when an alert is raised, in microseconds since 1970.
    pub ended: i64,
    /// What that alert is about.
    pub subject: Subject,
}

impl Scored {
    fn new(connection: &Connection<'_>, kind: Kind, row: &FeatureRow, verdict: &Verdict, model: &Model) -> Self {
        Self {
            score: millionths(verdict.score),
            rank: millionths(verdict.rank()),
            anomalous: verdict.anomalous,
            kind,
            ended: connection.ts.saturating_add(connection.duration.unwrap_or(0)),
            subject: Subject::of(connection, row, verdict, model),
        }
    }

    /// The attack it belongs to, as its index among the labels of the log.
    pub fn attack(&self) -> Option<usize> {
        match self.kind {
            Kind::Benign => None,
            Kind::Attack(attack) => Some(attack as usize),
        }
    }
}

/// Connections of a log in order, and which of them are wanted: to learn from, or to score. The others are context.
#[derive(Debug)]
pub struct Pass<'a> {
    /// The log.
    pub log: &'a Log,
    /// The indices of its connections, and whether each is wanted.
    pub connections: Vec<(usize, bool)>,
}

impl<'a> Pass<'a> {
    fn iter(&self) -> impl Iterator<Item = (Connection<'a>, Kind, bool)> {
        let log = self.log;
        self.connections.iter().map(move |&(index, wanted)| (log.connections.get(index), log.kinds[index], wanted))
    }
}

/// One training, and what its model is tried on.
#[derive(Debug)]
pub struct Split<'a> {
    /// What is learnt from.
    pub learn: Pass<'a>,
    /// What is scored, by a detector that knows nothing of the network before this pass.
    pub score: Pass<'a>,
}

impl Split<'_> {
    /// Learns and scores.
    pub fn run(&self, params: &Params) -> Result<Vec<Scored>> {
        let mut trainer = Trainer::new(params.clone());
        for (connection, _, wanted) in self.learn.iter() {
            if wanted { trainer.learn(&connection) } else { trainer.observe(&connection) }
        }
        let learnt = trainer.observed();
        let model = trainer.fit().with_context(|| format!("learning from {learnt} connections of the logs"))?;
        let (mut extractor, mut rows, mut wanted) = (Extractor::new(), Vec::new(), Vec::new());
        for (connection, kind, is_wanted) in self.score.iter() {
            let row = extractor.extract(&connection);
            if is_wanted {
                rows.push(row);
                wanted.push((connection, kind));
            }
        }
        let mut evidence = Cusum::new();
        let verdicts: Vec<Verdict> = wanted
            .iter()
            .zip(model.score_rows(&rows))
            .map(|((connection, _), score)| evidence.add(&model, connection, score))
            .collect();
        let scored = wanted.par_iter().zip(&rows).zip(&verdicts);
        Ok(scored
            .map(|(((connection, kind), row), verdict)| Scored::new(connection, *kind, row, verdict, &model))
            .collect())
    }
}

/// The connections of a run, scored by each of the models.
pub fn score_by(models: &[Model], run: &Run<'_>, kinds: &mut Kinds) -> Result<(Vec<Vec<Scored>>, Summary)> {
    let mut extractor = Extractor::new();
    let mut evidence = vec![Cusum::new(); models.len()];
    let mut scored = vec![Vec::new(); models.len()];
    let summary = run.stages(
        |batch| batch.extract(&mut extractor),
        // The scores of the first model for the whole batch, then those of the second, and so on.
        || {
            |batch: &mut Batch| {
                batch.scores = models.iter().flat_map(|model| model.score_rows(&batch.features)).collect()
            }
        },
        |batch| {
            let kinds = kinds.of(batch);
            let mut scores = batch.scores.iter();
            for ((model, evidence), scored) in models.iter().zip(&mut evidence).zip(&mut scored) {
                let connections = batch.connections.iter().zip(&batch.features).zip(&kinds).zip(&mut scores);
                scored.extend(connections.map(|(((connection, row), kind), &score)| {
                    let verdict = evidence.add(model, &connection, score);
                    Scored::new(&connection, *kind, row, &verdict, model)
                }));
            }
            Ok(())
        },
    )?;
    Ok((scored, summary))
}
