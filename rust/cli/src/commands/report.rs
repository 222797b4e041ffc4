//! `report`: logs in, a page about their anomalies out.

use std::path::Path;

use anyhow::{Result, ensure};
use detector::{Cusum, Extractor};
use jiff::Timestamp;
use zeek_log::Output;

use super::model_for;
use crate::args::ReportArgs;
use crate::console::Console;
use crate::human;
use crate::pipeline::{Batch, Run};
use crate::report::page::{self, Origin};
use crate::report::survey::Survey;
use crate::source::Source;

pub fn run(args: ReportArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.logs)?;
    let model = model_for(&args.model, &source, threads, console)?;
    let mut sink = Output::create(&args.output)?;
    let (mut extractor, mut evidence) = (Extractor::new(), Cusum::new());
    let mut survey = Survey::new(model.threshold());
    let summary = Run::new(&source, threads, console).stages(
        |batch| batch.extract(&mut extractor),
        || |batch: &mut Batch| batch.score(&model),
        |batch| {
            batch.weigh(&model, &mut evidence);
            survey.add(batch);
            Ok(())
        },
    )?;
    summary.require_some()?;
    ensure!(summary.connections > 0, "there is no connection in {}", source.names.join(", "));
    let anomalous = survey.anomalous;
    let origin = Origin {
        model: args.model.path().map(|path| path.display().to_string()),
        made_at: Timestamp::now().as_microsecond(),
        command: command(),
        logs: &source.names,
        bytes: source.bytes(),
        skipped: summary.skipped,
        failures: summary.failures,
    };
    let html = page::html(survey, &model, &origin)?;
    sink.write(html.as_bytes())?;
    sink.finish()?;
    if args.output != Path::new("-") {
        console.note(&format!(
            "{}, {} anomalous at the threshold {:.6}; wrote {} ({}): open it in a browser",
            human::counted(summary.connections, "connection"),
            human::count(anomalous),
            model.threshold(),
            args.output.display(),
            human::bytes(html.len() as u64),
        ));
    }
    summary.require_all(&format!("{} was written", args.output.display()))
}

/// The command line of this process, as a shell takes it.
fn command() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| human::shell_word(&argument.to_string_lossy()));
    std::iter::once("zeek-iforest".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
