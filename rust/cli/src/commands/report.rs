//! `report`: writes an HTML report on the anomalies in logs.

use std::path::Path;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use zeek_log::Output;

use super::model_for;
use crate::cli::options::{ContextArgs, FilterArgs, LogArgs, ModelArgs, ThresholdArgs};
use crate::console::Console;
use crate::context_file::RunContext;
use crate::format;
use crate::grouping::{Grouping, KnownArgs};
use crate::input::LogInputs;
use crate::pipeline::Pipeline;
use crate::report::aggregates::Aggregates;
use crate::report::html::{self, Origin};
use crate::report::incidents::IncidentCollector;
use std::path::PathBuf;

/// Write an HTML report on the anomalies in logs
///
/// A single self-contained file to read, print or attach to a ticket, below 3 MB for logs of any size. It opens
/// with the incidents and the hosts at risk, and shows traffic and scores over time, the most anomalous connections with reasons, their originators, ports and services, and the
/// command that reproduces it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest report conn.log -o report.html
  zeek-iforest report -m iforest.model logs/2024-04-19/ -o report.html")]
pub struct ReportArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// Output file; - for standard output
    #[arg(long, short, value_name = "HTML")]
    pub output: PathBuf,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub known: KnownArgs,

    #[command(flatten)]
    pub context: ContextArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

pub fn run(args: ReportArgs, threads: usize, console: &Console) -> Result<()> {
    let inputs = LogInputs::new(&args.logs)?;
    let model = model_for(&args.model, &inputs, threads, console)?;
    let policy = args.threshold.policy(&model)?;
    let threshold = policy.threshold();
    let mut output = Output::create(&args.output)?;
    let mut context = RunContext::load(args.context.context.as_deref(), inputs.log, &args.model.trust.trust())?;
    let filter = args.filter.filter();
    let mut collector = IncidentCollector::new(Grouping::new(args.known.list()?, false));
    let mut aggregates = Aggregates::new(threshold, filter.clone());
    let summary = Pipeline::new(&inputs, threads, console).score(&model, &policy, &mut context.state, |batch| {
        batch.judged().for_each(|judged| collector.add(&judged, &model, &filter));
        aggregates.add(batch);
        Ok(())
    })?;
    summary.require_some()?;
    ensure!(aggregates.connections() > 0, "no connections in {}", inputs.names.join(", "));
    let (connections, anomalous) = (aggregates.connections(), aggregates.anomalous);
    let found = collector.finish(&filter);
    let origin = Origin {
        model: args.model.path().map(|path| path.display().to_string()),
        made_at: Timestamp::now().as_microsecond(),
        command: command(),
        logs: &inputs.names,
        bytes: inputs.bytes(),
        skipped: summary.skipped,
        failures: summary.failures,
    };
    let page = html::render(aggregates, &found, &model, &origin)?;
    output.write(page.as_bytes())?;
    output.finish()?;
    if args.output != Path::new("-") {
        console.note(&format!(
            "{}, {}, {} anomalous at the threshold {:.6}; wrote {} ({})",
            format::counted(connections, "connection"),
            format::counted(found.incidents.len() as u64, "incident"),
            format::count(anomalous),
            threshold,
            args.output.display(),
            format::bytes(page.len() as u64),
        ));
    }
    summary.require_all(&format!("{} was written", args.output.display()))?;
    context.save()
}

/// Command line of this process, quoted for a shell.
fn command() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| format::shell_word(&argument.to_string_lossy()));
    std::iter::once("zeek-iforest".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
