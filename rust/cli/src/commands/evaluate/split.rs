//! Training on one part of a labelled log, and scoring of another.

use anyhow::{Context, Result};
use detector::{AlertPolicy, Extractor, LogRecord, Params, ScoreCache, ScoreHistory, Trainer, Verdict};
use rayon::prelude::*;

use super::attack_labels::Class;
use super::labelled_log::LabelledLog;
use super::labelled_score::LabelledScore;

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
        let learnt = trainer.learnt();
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
        let (mut history, policy) = (ScoreHistory::new(), AlertPolicy::of(&model));
        let ends: Vec<i64> = wanted.iter().map(|(record, _)| record.end()).collect();
        let scores = model.score_rows(&rows, &ends, &mut ScoreCache::new());
        let verdicts: Vec<Verdict> = wanted
            .iter()
            .zip(&all_keys)
            .zip(scores)
            .map(|(((connection, _), keys), score)| history.verdict(&model, &policy, connection, keys, score))
            .collect();
        let scored = wanted.par_iter().zip(&rows).zip(&verdicts);
        Ok(scored
            .map(|(((connection, class), row), verdict)| LabelledScore::new(connection, *class, row, verdict, &model))
            .collect())
    }
}
