//! Training on logs, shared by the commands that train.

use anyhow::{Context, Result};
use detector::{KnownList, Model, Trainer};
use jiff::Timestamp;

use crate::format;
use crate::labels::Labels;
use crate::pipeline::{Pipeline, Summary, idle};

/// With fewer records, the model cannot tell rare from typical.
pub const MIN_RECORDS: u64 = 1_000;

/// Feeds all records to a trainer; with labels, malicious ones only as context unless they are known activity.
pub fn sample(pipeline: &Pipeline<'_>, params: &detector::Params, known: &KnownList) -> Result<(Trainer, Summary)> {
    let mut trainer = Trainer::new(params.clone());
    let mut has_malicious = false;
    let summary = pipeline.run(
        |batch| {
            has_malicious |= batch.malicious.contains(&Some(true));
            let mut malicious = batch.malicious.iter();
            for record in batch.records.iter() {
                match malicious.next() {
                    Some(Some(true)) if !known.covers(&record.connection()) => trainer.observe(record),
                    _ => trainer.learn(record),
                }
            }
        },
        idle,
        |_| Ok(()),
    )?;
    summary.require_some()?;
    if let Some(Labels { field, prefix, .. }) = pipeline.labels.filter(|_| !has_malicious) {
        let prefix = String::from_utf8_lossy(prefix);
        pipeline.console.warning(&format!(
            "no row has a {field:?} that starts with {prefix:?}, so none was left out; see --label and --malicious"
        ));
    }
    Ok((trainer, summary))
}

/// Trains a model on all records; with labels, on those that are not malicious.
pub fn train(
    pipeline: &Pipeline<'_>,
    params: &detector::Params,
    labels: Option<&Labels>,
    known: &KnownList,
) -> Result<(Model, Summary)> {
    let (trainer, summary) = sample(pipeline, params, known)?;
    let observed = trainer.learnt();
    let mut model = trainer.fit().with_context(|| match labels {
        Some(labels) => format!(
            "{observed} of {} have a {} that does not start with {:?}",
            format::counted(summary.records, pipeline.inputs.log.noun()),
            labels.field,
            String::from_utf8_lossy(&labels.prefix)
        ),
        None => format!("cannot train on {}", pipeline.inputs.names.join(", ")),
    })?;
    if observed < MIN_RECORDS {
        pipeline.console.warning(&format!(
            "trained on only {}, too few to tell rare from typical; train on at least a day of logs",
            format::counted(observed, pipeline.inputs.log.noun())
        ));
    }
    set_origin(&mut model, pipeline.inputs.names.clone());
    Ok((model, summary))
}

/// Records the time, this version and the sources in a model.
pub fn set_origin(model: &mut Model, sources: Vec<String>) {
    model.set_origin(env!("CARGO_PKG_VERSION"), Timestamp::now().as_microsecond(), sources);
}
