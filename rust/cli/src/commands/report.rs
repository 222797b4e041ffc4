//! `report`: writes an HTML report on the anomalies in logs.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use jiff::Timestamp;
use zeek_log::Output;

use crate::cli::options::{ContextArgs, FilterArgs, KnownArgs, LogArgs, ModelsArgs, ThresholdArgs};
use crate::console::Console;
use crate::grouping::Grouping;
use crate::report::aggregates::Aggregates;
use crate::report::incidents::IncidentCollector;
use crate::report::{Section, html};
use crate::{format, known_list, scored_logs};

/// Write an HTML report on the anomalies in logs
///
/// A single self-contained file to read, print or attach to a ticket, below 3 MB for logs of any size. It opens
/// with the incidents and the hosts at risk, and shows traffic and scores over time, the most anomalous connections and
/// queries with reasons, their originators, ports and services, and the command that reproduces it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest report conn.log -o report.html
  zeek-iforest report -m iforest.model logs/2024-04-19/ -o report.html
  zeek-iforest report -m conn.model -m dns.model logs/2024-04-19/ -o report.html")]
pub struct ReportArgs {
    #[command(flatten)]
    pub models: ModelsArgs,

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
    let mut logs = scored_logs::load(&args.models, &args.threshold, &args.context, &args.logs, threads, console)?;
    let mut output = Output::create(&args.output)?;
    let filter = args.filter.filter();
    let known = known_list::read(args.known.known.as_deref(), console)?;
    let mut collector = IncidentCollector::new(Grouping::new(known.clone(), false, filter.clone()));
    logs.iter_mut().try_for_each(|log| collector.grouping.resume(&mut log.context))?;
    let mut aggregates: Vec<_> =
        logs.iter().map(|log| Aggregates::new(log.policy.threshold(), filter.clone())).collect();
    scored_logs::for_each(&mut logs, threads, console, |scored| {
        collector.grouping.prefetch(scored.later);
        collector.add(&scored.scored, scored.model);
        aggregates[scored.index].add(&scored.scored, scored.name);
    })?;
    logs.iter_mut().for_each(|log| collector.grouping.save(&mut log.context));
    let mut sections = Vec::new();
    for (log, aggregates) in logs.iter().zip(aggregates) {
        if aggregates.connections() == 0 {
            continue;
        }
        sections.push(Section {
            log: log.inputs.log,
            aggregates,
            model: &log.model,
            path: log.path.as_ref().map(|path| path.display().to_string()),
            names: &log.inputs.names,
            bytes: log.inputs.bytes(),
            skipped: log.summary.skipped,
            failures: log.summary.failures,
        });
    }
    ensure!(!sections.is_empty(), "{}", scored_logs::none_selected(&logs, &filter));
    let anomalous = sections.iter().map(|section| section.aggregates.anomalous).sum();
    let records: Vec<_> =
        sections.iter().map(|section| format::counted(section.aggregates.connections(), section.log.noun())).collect();
    let found = collector.finish(&filter.hosts);
    known_list::warn_if_expired(args.known.known.as_deref(), &known, found.first, console);
    let page = html::render(sections, &found, Timestamp::now().as_microsecond(), &command())?;
    output.write(page.as_bytes())?;
    output.finish()?;
    if args.output != Path::new("-") {
        console.note(&format!(
            "{}, {}, {} at the {}; wrote {} ({})",
            records.join(" and "),
            format::counted(found.incidents.len() as u64, "incident"),
            format::counted(anomalous, "alert"),
            scored_logs::thresholds(&logs),
            args.output.display(),
            format::bytes(page.len() as u64),
        ));
    }
    for log in &logs {
        log.summary.require_all(&format!("{} was written", args.output.display()))?;
        log.context.save()?;
    }
    Ok(())
}

/// Command line of this process, quoted for a shell.
fn command() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| format::shell_word(&argument.to_string_lossy()));
    std::iter::once("zeek-iforest".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
