//! Logs in, a trainer or a model out: what every command that learns does.

use anyhow::{Context, Result};
use detector::{Model, Trainer};
use jiff::Timestamp;

use crate::conn_log::Labels;
use crate::human;
use crate::pipeline::{Run, Summary, idle};

/// Below this many connections, rare and usual can hardly be told apart.
const FEW: u64 = 1_000;

/// Shows every connection of a run to a trainer, or with labels, those that are not malicious.
pub fn observe(run: &Run<'_>, params: &detector::Params) -> Result<(Trainer, Summary)> {
    let mut trainer = Trainer::new(params.clone());
    let summary = run.stages(
        |batch| {
            let mut malicious = batch.malicious.iter();
            for connection in batch.connections.iter() {
                match malicious.next() {
                    Some(Some(true)) => trainer.observe(&connection),
                    _ => trainer.learn(&connection),
                }
            }
        },
        idle,
        |_| Ok(()),
    )?;
    summary.require_some()?;
    Ok((trainer, summary))
}

/// Learns from every connection of a run, or with labels, from those that are not malicious.
pub fn learn(run: &Run<'_>, params: &detector::Params, labels: Option<&Labels>) -> Result<(Model, Summary)> {
    let (trainer, summary) = observe(run, params)?;
    let observed = trainer.observed();
    let mut model = trainer.fit().with_context(|| match labels {
        Some(labels) => format!(
            "of {}, {observed} {} a {} that does not start with {:?}",
            human::counted(summary.connections, "connection"),
            if observed == 1 { "has" } else { "have" },
            labels.field,
            String::from_utf8_lossy(&labels.prefix)
        ),
        None => format!("no model from {}", run.source.names.join(", ")),
    })?;
    if observed < FEW {
        run.console.warning(&format!(
            "{} to learn from: too few to tell what is rare from what is usual; give a day of logs at least",
            human::counted(observed, "connection")
        ));
    }
    set_origin(&mut model, run.source.names.clone());
    Ok((model, summary))
}

/// Records that a model was made now, by this version, from these sources.
pub fn set_origin(model: &mut Model, sources: Vec<String>) {
    model.set_origin(env!("CARGO_PKG_VERSION"), Timestamp::now().as_microsecond(), sources);
}
