//! `score`: logs in, the same logs with the column `anomaly_score` out.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use detector::Extractor;
use zeek_log::{Appender, Layout, NewField, NewValue, Sink};

use super::model_for;
use crate::args::ScoreArgs;
use crate::console::Console;
use crate::human;
use crate::pipeline::{Batch, LineIs, Run};
use crate::score_text::ScoreText;
use crate::source::Source;

/// The name of the column, as in the log that the sensor writes.
pub const COLUMN: &str = "anomaly_score";

pub fn run(args: ScoreArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.logs, &args.reading)?;
    let model = model_for(args.model.as_deref(), &source, threads, console)?;
    let output = args.output.as_deref().unwrap_or(Path::new("-"));
    let to_terminal = output == Path::new("-") && std::io::stdout().is_terminal();

    let mut extractor = Extractor::new();
    let mut sink = Sink::create(output)?;
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
                appending.write(batch);
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
            anomalous += batch.scores.iter().filter(|&&score| score >= model.threshold()).count() as u64;
            Ok(sink.write(&batch.out)?)
        },
    )?;
    summary.require_some()?;
    sink.finish()?;
    console.note(&format!(
        "scored {}, {} at or above the threshold {:.6}",
        human::counted(summary.connections, "connection"),
        human::count(anomalous),
        model.threshold()
    ));
    summary.require_all("the rows were written")
}

/// Writes the lines of batches with their scores.
#[derive(Default)]
struct Appending {
    bound: Option<(Arc<Layout>, Appender)>,
}

impl Appending {
    fn write(&mut self, batch: &mut Batch) {
        let Batch { block, lines, scores, out, .. } = batch;
        out.clear();
        let bound = self.bound.take().filter(|(layout, _)| Arc::ptr_eq(layout, block.layout()));
        let (layout, appender) = bound.unwrap_or_else(|| {
            let column = NewField { name: COLUMN.to_owned(), zeek_type: "double".to_owned() };
            (block.layout().clone(), Appender::new(block.layout(), &[column]))
        });
        let mut scores = scores.iter();
        for (line, is) in block.lines().zip(lines) {
            let value = match is {
                LineIs::Connection => scores.next().map(|&score| ScoreText::new(score)),
                LineIs::Unusable => None,
                LineIs::Malformed => continue,
                LineIs::OtherStream => {
                    out.extend_from_slice(line.raw());
                    continue;
                }
                LineIs::Meta => {
                    appender.header(&line, out);
                    continue;
                }
            };
            let value = value.as_ref().map_or(NewValue::Unset, |text| NewValue::Text(text.as_bytes()));
            // A row that was parsed is never refused here.
            let _ = appender.append(&line, &[value], out);
        }
        self.bound = Some((layout, appender));
    }
}
