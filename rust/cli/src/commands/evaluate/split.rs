//! Training on one part of a labelled log, and scoring of another.

use anyhow::{Context, Result};
use detector::{Detector, LogRecord, Params, Trainer};
use rayon::prelude::*;

use super::attack_labels::Class;
use super::labelled_log::LabelledLog;
use super::labelled_score::LabelledScore;
use crate::format;

/// Ordered records of a log, each for use (training or scoring) or as context only.
#[derive(Debug)]
pub struct Pass<'a> {
    pub log: &'a LabelledLog,
    /// Indices of records, and whether to use each.
    pub records: Vec<(usize, bool)>,
}

impl<'a> Pass<'a> {
    fn iter(&self) -> impl Iterator<Item = (LogRecord<'a>, Class, bool)> {
        let log = self.log;
        self.records.iter().map(move |&(index, wanted)| (log.records.get(index), log.classes[index], wanted))
    }
}

/// Training and test records of one model.
#[derive(Debug)]
pub struct Split<'a> {
    pub learn: Pass<'a>,
    /// Test records, scored by a detector without earlier context.
    pub score: Pass<'a>,
}

impl Split<'_> {
    pub fn run(&self, params: &Params) -> Result<Vec<LabelledScore>> {
        let mut trainer = Trainer::new(params.clone());
        for (record, _, wanted) in self.learn.iter() {
            if wanted { trainer.learn(record) } else { trainer.observe(record) }
        }
        let learnt = trainer.learnt();
        let model = trainer.fit().with_context(|| {
            format!("cannot train on {} of the logs", format::counted(learnt, self.learn.log.log.noun()))
        })?;
        let (mut detector, mut scored) = (Detector::new(model), Vec::new());
        for (record, class, wanted) in self.score.iter() {
            if wanted {
                let verdict = detector.score(record);
                scored.push((record, class, *detector.row(), verdict));
            } else {
                detector.observe(record);
            }
        }
        let labelled =
            |(record, class, row, verdict): &_| LabelledScore::new(record, *class, row, verdict, detector.model());
        Ok(scored.par_iter().map(labelled).collect())
    }
}
