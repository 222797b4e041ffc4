//! `incidents`: anomalous connections and queries grouped by host, as text or as JSON.

use std::fmt::Write;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use detector::{Address, HostRisk, Incident, format_port};
use serde::Serialize;

use crate::cli::options::{ContextArgs, FilterArgs, KnownArgs, LogArgs, ModelsArgs, ThresholdArgs};
use crate::cli::values::within;
use crate::console::{self, Console};
use crate::escape;
use crate::format;
use crate::grouping::{Grouping, risks};
use crate::known_list;
use crate::scored_logs;

/// Show incidents: anomalous connections and queries grouped by host
///
/// An incident groups the alerts of one host, and its long series of slightly unusual connections, until the host is
/// quiet for an hour. If many hosts attack one target, the incident is about the target. With a model for each of
/// conn.log and dns.log, records of both logs join the incidents of their host. The most severe comes first. A single
/// refused or unanswered connection or query is listed only with --all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest incidents -m iforest.model logs/today/
  zeek-iforest incidents -m iforest.model logs/today/ --known known.tsv
  zeek-iforest incidents -m iforest.model logs/today/ --json | jq -r .summary
  zeek-iforest incidents -m iforest.model logs/today/ --hosts
  zeek-iforest incidents -m conn.model -m dns.model logs/today/")]
pub struct IncidentsArgs {
    #[command(flatten)]
    pub models: ModelsArgs,

    /// Number of incidents or hosts, 1 to 1000000
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = within(1..=1_000_000))]
    pub number: usize,

    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,

    /// Show single failed connections and queries, and known activity, as well
    #[arg(long)]
    pub all: bool,

    /// Rank hosts by risk: the sum of their incidents' contributions, each halved every day
    #[arg(long)]
    pub hosts: bool,

    #[command(flatten)]
    pub known: KnownArgs,

    /// Show only the incidents that this list would hide
    #[arg(long, value_name = "FILE", conflicts_with_all = ["known", "all", "hosts", "context"], help_heading = "Selection")]
    pub try_known: Option<PathBuf>,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub context: ContextArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

/// Indentation of the lines below an incident's first.
const INDENT: usize = 6;
/// Maximum number of targets, ports or incidents in a line; the JSON has all stored ones.
const NAMED: usize = 4;
/// Maximum number of uids in a line, so that it fits into 100 columns.
const NAMED_UIDS: usize = 3;
const SCORE: Style = AnsiColor::Red.on_default().bold();

pub fn run(args: IncidentsArgs, threads: usize, console: &Console) -> Result<()> {
    let is_trial = args.try_known.is_some();
    let path = args.try_known.as_deref().or(args.known.known.as_deref());
    let known = known_list::read(path, console)?;
    let mut logs = scored_logs::load(&args.models, &args.threshold, &args.context, &args.logs, threads, console)?;
    let filter = args.filter.filter();
    let mut selected = vec![0; logs.len()];
    let mut grouping = Grouping::new(known.clone(), args.all, filter.clone());
    logs.iter_mut().try_for_each(|log| grouping.resume(&mut log.context))?;
    scored_logs::for_each(&mut logs, threads, console, |scored| {
        selected[scored.index] += u64::from(filter.matches(&scored.scored.connection));
        grouping.prefetch(scored.later);
        grouping.add(&scored.scored, scored.model);
        grouping.take_changes();
    })?;
    logs.iter_mut().for_each(|log| grouping.save(&mut log.context));
    grouping.finish();
    known_list::warn_if_expired(path, &known, grouping.first(), console);
    let (alerts, hidden, minor, now) = (grouping.alerts, grouping.known, grouping.minor, grouping.now());
    let mut incidents = grouping.into_incidents();
    let all = incidents.iter().filter(|it| !it.known && !it.is_minor()).count() as u64;
    incidents.retain(|it| if is_trial { it.known } else { args.all || !it.known });
    let text = if args.hosts {
        let mut risks = risks(&incidents, now);
        risks.retain(|risk| filter.hosts.is_empty() || filter.hosts.contains(&risk.host));
        hosts_text(&risks, args.number, args.json)?
    } else {
        incidents.truncate(args.number);
        if args.json { json_lines(&incidents)? } else { list(&incidents, console::width()) }
    };
    super::print(&text)?;
    console.note(&if selected.iter().all(|n| *n == 0) {
        scored_logs::none_selected(&logs, &filter)
    } else {
        let records: Vec<_> =
            logs.iter().zip(selected).map(|(log, n)| format::counted(n, log.inputs.log.noun())).collect();
        let (alerts, all) = (format::counted(alerts, "alert"), format::counted(all, "incident"));
        format!("{}, {alerts} at the {}, {all}", records.join(" and "), scored_logs::thresholds(&logs))
    });
    if minor > 0 && !args.all && !is_trial {
        let rows = format::counted(minor, "single failed record");
        console.note(&format!("{rows} not listed; --all shows them"));
    }
    if hidden > 0 {
        let hidden = format::counted(hidden, "incident");
        console.note(&match (is_trial, args.all) {
            (true, _) => format!("the list would hide {hidden}"),
            (false, true) => format!("{hidden} of known activity"),
            (false, false) => format!("{hidden} of known activity not listed; --all shows them"),
        });
    }
    for log in &logs {
        log.summary.require_all("listed the incidents")?;
        log.context.save()?;
    }
    Ok(())
}

/// Formats incidents, each with its summary, reasons and a line for the list of known activity.
fn list(incidents: &[Incident], width: usize) -> String {
    let mut text = String::new();
    for (i, incident) in incidents.iter().enumerate() {
        let gap = if i > 0 { "\n" } else { "" };
        let known = if incident.known { "  known" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{gap}{}{known}", headline(&format!("{:>4}. ", i + 1), incident, width));
        text.push_str(&details(incident, width));
        for line in incident.known_lines().lines() {
            let _ = writeln!(text, "{:INDENT$}known.tsv: {line}", "");
        }
    }
    text
}

/// Score, kind, time and identifier; on a narrow terminal two lines.
pub fn headline(before: &str, incident: &Incident, width: usize) -> String {
    let (score, kind) = (format!("{:.3}", incident.score()), incident.kind.name());
    let rest = format!("{}  {}", format::period(incident.start, incident.last), incident.id());
    let length = before.len() + score.len() + kind.len() + rest.len() + 4;
    let gap = if length > width { format!("\n{:INDENT$}", "") } else { "  ".to_owned() };
    format!("{before}{SCORE}{score}{SCORE:#}  {kind}{gap}{rest}")
}

/// The lines below: summary, reasons, targets, ports, records, and techniques.
pub fn details(incident: &Incident, width: usize) -> String {
    let mut text = String::new();
    let mut line = |label: &str, content: &str| {
        let line = format!("{label}{}", escape::printable(content));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:INDENT$}{}", "", format::wrapped(&line, INDENT, width - 1));
    };
    line("", &incident.summary());
    if !incident.reasons().is_empty() {
        line("why: ", &incident.reasons().join("; "));
    }
    let targets: Vec<_> = incident.targets.sample().iter().map(Address::to_string).collect();
    let ports: Vec<_> = incident.ports.sample().iter().map(|&port| format_port(port)).collect();
    if targets.len() > 1 {
        line("targets: ", &format::first_names(&targets, NAMED, incident.targets_total()));
    }
    if ports.len() > 1 {
        line("ports: ", &format::first_names(&ports, NAMED, incident.ports_total()));
    }
    let uids: Vec<_> = incident.uids().map(format::name).collect();
    if !uids.is_empty() {
        line("uids: ", &format::first_names(&uids, NAMED_UIDS, incident.uids_total()));
    }
    if !incident.attack().is_empty() {
        line("ATT&CK: ", &incident.attack().join(", "));
    }
    text
}

pub fn json_lines(incidents: &[Incident]) -> Result<String> {
    incidents.iter().try_fold(String::new(), |text, it| Ok(text + &escape::json(&Object::of(it))? + "\n"))
}

/// An incident as JSON.
#[derive(Serialize)]
struct Object<'a> {
    id: String,
    start: f64,
    last: f64,
    actor: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    known: bool,
    score: f64,
    records: u64,
    targets: Vec<String>,
    targets_total: u64,
    ports: Vec<String>,
    ports_total: u64,
    uids: Vec<std::borrow::Cow<'a, str>>,
    reasons: Vec<&'a str>,
    summary: String,
    attack: &'static [&'static str],
}

impl<'a> Object<'a> {
    fn of(incident: &'a Incident) -> Self {
        Self {
            id: incident.id(),
            start: incident.start as f64 / 1e6,
            last: incident.last as f64 / 1e6,
            actor: incident.actor.to_string(),
            kind: incident.kind.name(),
            known: incident.known,
            score: (incident.score() * 1e6).round() / 1e6,
            records: incident.records,
            targets: incident.targets.sample().iter().map(Address::to_string).collect(),
            targets_total: incident.targets_total(),
            ports: incident.ports.sample().iter().map(|&port| format_port(port)).collect(),
            ports_total: incident.ports_total(),
            uids: incident.uids().map(String::from_utf8_lossy).collect(),
            reasons: incident.reasons(),
            summary: incident.summary(),
            attack: incident.attack(),
        }
    }
}

/// A host and its risk as JSON.
#[derive(Serialize)]
struct HostObject {
    host: String,
    risk: f64,
    incidents: Vec<ContributionObject>,
}

/// An incident's contribution to the risk of a host as JSON.
#[derive(Serialize)]
struct ContributionObject {
    id: String,
    kind: &'static str,
    last: f64,
    risk: f64,
}

fn hosts_text(risks: &[HostRisk], number: usize, json: bool) -> Result<String> {
    let rounded = |risk: f64| (risk * 1e3).round() / 1e3;
    let mut text = String::new();
    for risk in risks.iter().take(number) {
        if json {
            let contribution = |it: &detector::Contribution| ContributionObject {
                id: it.id.clone(),
                kind: it.kind.name(),
                last: it.last as f64 / 1e6,
                risk: rounded(it.risk),
            };
            let incidents = risk.contributions.iter().map(contribution).collect();
            let host = HostObject { host: risk.host.to_string(), risk: rounded(risk.risk), incidents };
            text += &(escape::json(&host)? + "\n");
            continue;
        }
        let contributions: Vec<_> =
            risk.contributions.iter().map(|it| format!("{} {:.2} ({})", it.kind.name(), it.risk, it.id)).collect();
        let contributions = format::first_names(&contributions, NAMED, contributions.len() as u64);
        let line = format!("{:>7.2}  {:<15}  ", risk.risk, risk.host.to_string());
        let indent = line.len();
        text += &format!("{line}{}\n", format::wrapped(&contributions, indent, console::width() - 1));
    }
    Ok(text)
}
