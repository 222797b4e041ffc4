//! Scores and incidents of labelled records, by given models.

use std::collections::HashMap;

use anyhow::Result;
use detector::{AlertPolicy, Extractor, KnownList, Model, ScoreCache, ScoreHistory};

use super::attack_labels::{AttackLabels, Class};
use super::labelled_score::LabelledScore;
use crate::grouping::{Grouping, move_merged};
use crate::host_filter::HostFilter;
use crate::pipeline::{Batch, Pipeline, ScoredRecord, Summary};

/// The attacks that an incident holds records of.
pub type LabelledIncident = Vec<u32>;

/// Scored records of a model, and its incidents, the most severe first.
pub type ModelResult = (Vec<LabelledScore>, Vec<LabelledIncident>);

/// Groups the records of a model, and notes the attacks of each incident.
struct LabelledGrouping {
    grouping: Grouping,
    attacks: HashMap<String, LabelledIncident>,
}

impl LabelledGrouping {
    fn new() -> Self {
        Self { grouping: Grouping::new(KnownList::default(), false, HostFilter::default()), attacks: HashMap::new() }
    }

    fn add(&mut self, scored: &ScoredRecord<'_>, class: Class, model: &Model) {
        let id = self.grouping.add(scored, model);
        move_merged(self.grouping.take_changes(), &mut self.attacks, |attacks, merged| attacks.extend(merged));
        if let (Some(id), Class::Attack(attack)) = (id, class) {
            let attacks = self.attacks.entry(id).or_default();
            if !attacks.contains(&attack) {
                attacks.push(attack);
            }
        }
    }

    fn finish(mut self) -> Vec<LabelledIncident> {
        self.grouping.finish();
        let incidents = self.grouping.into_incidents();
        incidents.iter().map(|incident| self.attacks.remove(&incident.id()).unwrap_or_default()).collect()
    }
}

/// Scores the records of a run by each of the models.
pub fn score_by(
    models: &[Model],
    pipeline: &Pipeline<'_>,
    classes: &mut AttackLabels,
) -> Result<(Vec<ModelResult>, Summary)> {
    let mut extractor = Extractor::of(pipeline.inputs.log);
    let mut histories = vec![ScoreHistory::default(); models.len()];
    let mut scored = vec![Vec::new(); models.len()];
    let mut groupings: Vec<_> = models.iter().map(|_| LabelledGrouping::new()).collect();
    let summary = pipeline.run(
        |batch| batch.extract(&mut extractor),
        // Scores of the first model for all records, then of the second, and so on.
        || {
            let mut caches = vec![ScoreCache::new(); models.len()];
            move |batch: &mut Batch| {
                let (rows, ends) = (&batch.rows, batch.ends());
                let scores =
                    models.iter().zip(&mut caches).flat_map(|(model, cache)| model.score_rows(rows, &ends, cache));
                batch.scores = scores.collect();
            }
        },
        |batch| {
            let classes = classes.of(batch);
            let n = batch.records.len();
            for (i, ((model, history), scored)) in models.iter().zip(&mut histories).zip(&mut scored).enumerate() {
                let verdicts =
                    batch.verdicts_by(model, &AlertPolicy::of(model), history, &batch.scores[i * n..(i + 1) * n]);
                for (j, record) in batch.records.iter().enumerate() {
                    let (row, verdict) = (&batch.rows[j], &verdicts[j]);
                    scored.push(LabelledScore::new(&record, classes[j], row, verdict, model));
                    groupings[i].add(&ScoredRecord::new(record, None, row, &batch.keys[j], verdict), classes[j], model);
                }
            }
            Ok(())
        },
    )?;
    let incidents = groupings.into_iter().map(LabelledGrouping::finish);
    Ok((scored.into_iter().zip(incidents).collect(), summary))
}
