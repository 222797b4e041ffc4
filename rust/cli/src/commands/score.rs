//! `score`: logs in, the same logs with the columns `anomaly_score` and `anomaly_reasons` out.

use std::sync::Arc;

use anyhow::Result;
use detector::{Cusum, Extractor, Model, format_reasons};
use zeek_log::{Appender, Layout, NewField, NewValue, Output};

use super::model_for;
use crate::args::ScoreArgs;
use crate::console::Console;
use crate::human;
use crate::pipeline::{Batch, LineIs, Run};
use crate::score_text::ScoreText;
use crate::source::Source;

/// The columns, as in the log that the sensor writes, with their types.
const COLUMNS: [(&str, &str); 2] = [("anomaly_score", "double"), ("anomaly_reasons", "string")];

pub fn run(args: ScoreArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.logs)?;
    let model = model_for(&args.model, &source, threads, console)?;
    let threshold = args.threshold.threshold(&model);

    let (mut extractor, mut evidence) = (Extractor::new(), Cusum::new());
    let mut rewriting = Appending::default();
    let mut sink = Output::create(args.output.path())?;
    let to_terminal = sink.is_terminal();
    let mut anomalous = 0u64;
    let mut format = None;
    let mut is_mixed = false;
    let run = Run {
        unusable: "the row is kept without a score",
        mute_progress: to_terminal,
        ..Run::new(&source, threads, console)
    };
    let summary = run.stages(
        |batch| batch.extract(&mut extractor),
        || {
            let mut appending = Appending::default();
            let model = &model;
            move |batch: &mut Batch| {
                batch.score(model);
                appending.write(batch, model, threshold);
            }
        },
        |batch| {
            let same = *format.get_or_insert(batch.block.layout().format()) == batch.block.layout().format();
            if !same && !std::mem::replace(&mut is_mixed, true) {
                console.warning(&format!(
                    "{}: TSV and JSON go into one output here, which few programs can read; score them apart",
                    batch.block.name()
                ));
            }
            batch.weigh(&model, &mut evidence);
            anomalous += batch.verdicts.iter().filter(|verdict| verdict.passes(threshold)).count() as u64;
            // Cusum that adds up is rare, and known only now that the lines are written.
            if batch.verdicts.iter().any(|verdict| verdict.sustained.is_some()) {
                rewriting.write(batch, &model, threshold);
            }
            // A file or another program gets every byte as it is in the log.
            match to_terminal {
                true => sink.write(human::printable_lines(&batch.out).as_bytes())?,
                false => sink.write(&batch.out)?,
            }
            Ok(())
        },
    )?;
    summary.require_some()?;
    sink.finish()?;
    console.note(&format!(
        "scored {}, {} anomalous at the threshold {:.6}",
        human::counted(summary.connections, "connection"),
        human::count(anomalous),
        threshold
    ));
    summary.require_all("the rows were written")
}

/// Writes the lines of batches with their scores, and with the reasons for those that pass the threshold.
#[derive(Default)]
struct Appending {
    bound: Option<(Arc<Layout>, Appender)>,
}

impl Appending {
    /// By the verdicts of a batch that was weighed, by the scores alone before that.
    fn write(&mut self, batch: &mut Batch, model: &Model, threshold: f64) {
        let Batch { block, lines, connections, features, scores, verdicts, out, .. } = batch;
        out.clear();
        let bound = self.bound.take().filter(|(layout, _)| Arc::ptr_eq(layout, block.layout()));
        let (layout, appender) = bound.unwrap_or_else(|| {
            let columns = COLUMNS.map(|(name, kind)| NewField { name: name.to_owned(), zeek_type: kind.to_owned() });
            (block.layout().clone(), Appender::new(block.layout(), &columns))
        });
        let mut scored = 0..scores.len();
        for (line, is) in block.lines().zip(lines) {
            let at = match is {
                LineIs::Connection => scored.next(),
                LineIs::Unusable => None,
                LineIs::Malformed => continue,
                // The end of an input is given a line end: another may follow.
                LineIs::OtherStream | LineIs::Meta => {
                    appender.header(&line, out);
                    continue;
                }
            };
            let score = at.map(|at| ScoreText::new(scores[at]));
            let reasons = at.and_then(|at| {
                let sustained = verdicts.get(at).and_then(|verdict| verdict.sustained);
                let passes = scores[at] >= threshold || sustained.is_some();
                passes.then(|| format_reasons(&model.reasons(&connections.get(at), &features[at], sustained)))
            });
            let score = score.as_ref().map_or(NewValue::Unset, |text| NewValue::Text(text.as_bytes()));
            let reasons = reasons.as_deref().filter(|text| !text.is_empty()).into();
            // A row that was parsed is never refused here.
            let _ = appender.append(&line, &[score, reasons], out);
        }
        self.bound = Some((layout, appender));
    }
}
