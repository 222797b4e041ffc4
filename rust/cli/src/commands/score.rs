//! `score`: adds the columns `anomaly_score` and `anomaly_reasons` to logs.

use std::sync::Arc;

use anyhow::Result;
use detector::{Model, format_reasons};
use zeek_log::{Appender, Layout, NewField, Output};

use crate::cli::options::{ContextArgs, LogArgs, ModelArgs, OutputArgs, ThresholdArgs};
use crate::console::Console;
use crate::context_file::RunContext;
use crate::input::LogInputs;
use crate::pipeline::{Batch, LineStatus, Pipeline};
use crate::score_text::ScoreText;
use crate::{escape, format, model_file};

/// Add the columns anomaly_score and anomaly_reasons to logs
///
/// Anomalous rows have reasons. The output has the format, the column order and the rows of the input.
/// A row with an unusable value is written without a score; a malformed row (incomplete, invalid JSON) is left out.
/// Both are reported. On a terminal, control characters and invisible characters are shown as \xHH.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest score -m iforest.model conn.log -o scored.log
  zeek-iforest score -m iforest.model logs/2024-04-19/ -o scored.log.gz
  zcat conn.*.log.gz | zeek-iforest score -m iforest.model | zeek-cut -u ts uid anomaly_score
  zeek-iforest score conn.log > scored.log       trains on conn.log first")]
pub struct ScoreArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub context: ContextArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

/// New columns and their types, as in the sensor's log.
const COLUMNS: [(&str, &str); 2] = [("anomaly_score", "double"), ("anomaly_reasons", "string")];

pub fn run(args: ScoreArgs, threads: usize, console: &Console) -> Result<()> {
    let inputs = LogInputs::new(&args.logs)?;
    let model =
        model_file::load_or_train(args.model.model.as_deref(), &args.model.trust.trust(), &inputs, threads, console)?;
    let policy = args.threshold.policy(&model)?;
    let threshold = policy.threshold();
    let mut context = RunContext::load(args.context.context.as_deref(), inputs.log, &args.model.trust.trust())?;

    let mut appending = Appending::default();
    let mut output = Output::create(args.output.path())?;
    let to_terminal = output.is_terminal();
    let mut anomalous = 0u64;
    let mut format = None;
    let mut is_mixed = false;
    let pipeline = Pipeline {
        unusable_consequence: "the row is written without a score",
        mute_progress: to_terminal,
        ..Pipeline::new(&inputs, threads, console)
    };
    let summary = pipeline.score(&model, &policy, &mut context.state, |batch| {
        let same = *format.get_or_insert(batch.block.layout().format()) == batch.block.layout().format();
        if !same && !std::mem::replace(&mut is_mixed, true) {
            console.warning(&format!(
                "{}: the output mixes TSV and JSON, which few programs can read; score these logs separately",
                batch.block.name()
            ));
        }
        anomalous += batch.verdicts.iter().filter(|verdict| verdict.alert).count() as u64;
        appending.write(batch, &model);
        // Files and pipes get the bytes of the log unescaped.
        match to_terminal {
            true => output.write(escape::printable_lines(&batch.out).as_bytes())?,
            false => output.write(&batch.out)?,
        }
        Ok(())
    })?;
    summary.require_some()?;
    output.finish()?;
    console.note(&format!(
        "scored {}, {} at the threshold {:.6}",
        format::counted(summary.records, inputs.log.noun()),
        format::counted(anomalous, "alert"),
        threshold
    ));
    summary.require_all("wrote the rows")?;
    context.save()
}

/// Appends scores to lines, and reasons to those of anomalous connections.
#[derive(Default)]
struct Appending {
    bound: Option<(Arc<Layout>, Appender)>,
}

impl Appending {
    /// Writes a batch with its verdicts.
    fn write(&mut self, batch: &mut Batch, model: &Model) {
        let Batch { block, lines, records, rows, verdicts, out, .. } = batch;
        out.clear();
        let bound = self.bound.take().filter(|(layout, _)| Arc::ptr_eq(layout, block.layout()));
        let (layout, appender) = bound.unwrap_or_else(|| {
            let columns = COLUMNS.map(|(name, kind)| NewField { name: name.to_owned(), zeek_type: kind.to_owned() });
            (block.layout().clone(), Appender::new(block.layout(), &columns))
        });
        let mut indices = 0..verdicts.len();
        for (line, status) in block.lines().zip(lines) {
            let index = match status {
                LineStatus::Record => indices.next(),
                LineStatus::Unusable => None,
                LineStatus::Malformed => continue,
                // The last line of a log gets a newline: another log can follow.
                LineStatus::OtherStream | LineStatus::Meta => {
                    appender.header(&line, out);
                    continue;
                }
            };
            let score = index.map(|i| ScoreText::new(verdicts[i].score));
            let reasons = index.and_then(|i| {
                let reasons = || format_reasons(&model.reasons(records.get(i), &rows[i], None));
                verdicts[i].alert.then(reasons)
            });
            let score = score.as_ref().map(ScoreText::as_bytes);
            let reasons = reasons.as_deref().filter(|text| !text.is_empty()).map(str::as_bytes);
            // Appending to a row that was parsed cannot fail.
            let _ = appender.append(&line, &[score, reasons], out);
        }
        self.bound = Some((layout, appender));
    }
}
