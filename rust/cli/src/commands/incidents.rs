//! `incidents`: anomalous connections grouped by host, as text or as JSON.

use std::cmp::Reverse;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use detector::{
    Address, Event, Grouper, HostRisk, INCIDENT_TIMEOUT, Incident, KnownList, Observation, format_port, host_risks,
};
use serde::Serialize;

use super::model_for;
use crate::cli::options::{ContextArgs, FilterArgs, LogArgs, ModelArgs, ThresholdArgs};
use crate::cli::values::within;
use crate::console::{self, Console};
use crate::context_file::RunContext;
use crate::format;
use crate::host_filter::HostFilter;
use crate::input::LogInputs;
use crate::pipeline::Pipeline;

/// Show incidents: anomalous connections grouped by host, with a story each
///
/// An incident holds the alerts and the accumulated evidence of one host until it is quiet for an hour; if many hosts
/// attack one target, it is about the target. The most severe comes first. A single connection that was refused or
/// unanswered is no incident; --all lists those too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest incidents -m iforest.model logs/today/
  zeek-iforest incidents -m iforest.model logs/today/ --known known.tsv
  zeek-iforest incidents -m iforest.model logs/today/ --json | jq -r .summary
  zeek-iforest incidents -m iforest.model logs/today/ --hosts")]
pub struct IncidentsArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// How many incidents or hosts to show, 1 to 1000000
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = within(1..=1_000_000))]
    pub number: usize,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,

    /// Show single failed connections and known activity as well
    #[arg(long)]
    pub all: bool,

    /// Rank hosts by risk, a sum of their incidents that halves every day
    #[arg(long)]
    pub hosts: bool,

    /// List of known activity, in the format of Zeek's Input framework; it opens no incident
    #[arg(long, value_name = "FILE", help_heading = "Selection")]
    pub known: Option<PathBuf>,

    /// Show only the incidents that this list would hide
    #[arg(long, value_name = "FILE", conflicts_with_all = ["known", "all", "hosts"], help_heading = "Selection")]
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
/// Targets, ports and incidents that a line names; all that are stored are in the JSON.
const NAMED: usize = 4;
const SCORE: Style = AnsiColor::Red.on_default().bold();

pub fn run(args: IncidentsArgs, threads: usize, console: &Console) -> Result<()> {
    let known = known_list(args.known.as_deref())?;
    let hypothetical = args.try_known.as_deref().map(|path| known_list(Some(path))).transpose()?;
    let inputs = LogInputs::new(&args.logs)?;
    let model = model_for(&args.model, &inputs, threads, console)?;
    let policy = args.threshold.policy(&model)?;
    let threshold = policy.threshold();
    let mut context = RunContext::load(args.context.context.as_deref(), &args.model.trust.trust())?;
    let HostFilter { hosts, excluded } = args.filter.filter();
    let filter = HostFilter { hosts: Vec::new(), excluded };
    let mut grouper = Grouper::new(hypothetical.clone().unwrap_or(known), INCIDENT_TIMEOUT);
    let mut incidents = Vec::new();
    let (mut alerts, mut now) = (0u64, i64::MIN);
    let summary = Pipeline::new(&inputs, threads, console).score(&model, &policy, &mut context.state, |batch| {
        for judged in batch.judged() {
            let (connection, verdict) = (&judged.connection, judged.verdict);
            let is_excluded = !filter.matches(connection);
            let alert = verdict.anomalous && !is_excluded;
            let evidence = verdict.sustained.filter(|_| !is_excluded);
            let reasons = match alert || evidence.is_some() {
                true => model.reasons(connection, judged.row, evidence),
                false => Vec::new(),
            };
            let (uid, score) = (judged.uid, verdict.score);
            grouper.observe(&Observation { connection, uid, score, alert, evidence, reasons: &reasons });
            alerts += u64::from(alert);
            now = now.max(connection.end());
        }
        incidents.extend(closed(&mut grouper));
        Ok(())
    })?;
    summary.require_some()?;
    grouper.close_all();
    incidents.extend(closed(&mut grouper));

    let all = incidents.len();
    let hidden = incidents.iter().filter(|it| it.known).count();
    let minor = incidents.iter().filter(|it| !it.known && it.is_minor()).count();
    incidents.retain(|it| match &hypothetical {
        Some(_) => it.known,
        None => args.all || !it.known && !it.is_minor(),
    });
    incidents.retain(|it| hosts.is_empty() || hosts.iter().any(|host| it.involves(*host)));
    incidents.sort_by_cached_key(|it| (Reverse((it.score() * 1e6) as u64), it.start, it.id()));
    let text = if args.hosts {
        let mut risks = host_risks(incidents.iter().filter(|it| !it.known), now);
        risks.retain(|risk| hosts.is_empty() || hosts.contains(&risk.host));
        hosts_text(&risks, args.number, args.json)?
    } else {
        incidents.truncate(args.number);
        if args.json { json_lines(&incidents)? } else { list(&incidents, console::width()) }
    };
    super::print(&text)?;
    console.note(&format!(
        "{}, {} at the threshold {threshold:.6}, {}",
        format::counted(summary.connections, "connection"),
        format::counted(alerts, "alert"),
        format::counted((all - hidden - minor) as u64, "incident"),
    ));
    if minor > 0 && !args.all && hypothetical.is_none() {
        let rows = format::counted(minor as u64, "single failed connection");
        console.note(&format!("{rows} not listed; --all shows them"));
    }
    if hidden > 0 {
        let would = if hypothetical.is_some() { "the list would hide" } else { "known" };
        console.note(&format!("{would}: {}", format::counted(hidden as u64, "incident")));
    }
    summary.require_all("listed the incidents")?;
    context.save()
}

fn known_list(path: Option<&Path>) -> Result<KnownList> {
    let Some(path) = path else { return Ok(KnownList::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    KnownList::parse(&text).with_context(|| format!("{}: cannot be used", path.display()))
}

fn closed(grouper: &mut Grouper) -> Vec<Incident> {
    let changes = grouper.take_changes().into_iter();
    changes.filter(|change| change.event == Event::Closed).map(|change| change.incident).collect()
}

/// Incidents, each with its story, reasons and the line that would make it known.
fn list(incidents: &[Incident], width: usize) -> String {
    let mut text = String::new();
    for (i, incident) in incidents.iter().enumerate() {
        let gap = if i > 0 { "\n" } else { "" };
        let span = format!("{} to {}", format::date_time(incident.start), until(incident));
        let known = if incident.known { "  known" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{gap}{:>4}. {SCORE}{:.3}{SCORE:#}  {}  {span} UTC  {}{known}",
            i + 1,
            incident.score(),
            incident.kind.name(),
            incident.id()
        );
        let mut line = |label: &str, content: &str| {
            let line = format!("{label}{}", format::printable(content));
            let _ = writeln!(text, "{:INDENT$}{}", "", format::wrapped(&line, INDENT, width - 1));
        };
        line("", &incident.summary());
        if !incident.reasons().is_empty() {
            line("why: ", &incident.reasons().join("; "));
        }
        let targets: Vec<_> = incident.targets.sample().iter().map(Address::to_string).collect();
        let ports: Vec<_> = incident.ports.sample().iter().map(|&port| format_port(port)).collect();
        if targets.len() > 1 {
            line("targets: ", &names(&targets, incident.targets.count()));
        }
        if ports.len() > 1 {
            line("ports: ", &names(&ports, incident.ports.count()));
        }
        let uids: Vec<_> = incident.uids().take(NAMED).map(format::name).collect();
        if !uids.is_empty() {
            line("uids: ", &names(&uids, incident.records));
        }
        if !incident.kind.attack().is_empty() {
            line("ATT&CK: ", &incident.kind.attack().join(", "));
        }
        let _ = writeln!(text, "{:INDENT$}known.tsv: {}", "", incident.known_line());
    }
    text
}

/// The end of an incident: the time alone on the day of its start.
fn until(incident: &Incident) -> String {
    let day = |micros| format::time(micros, "%Y-%m-%d");
    let is_same_day = day(incident.start) == day(incident.last);
    format::time(incident.last, if is_same_day { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" })
}

fn names(some: &[String], total: u64) -> String {
    let shown = &some[..some.len().min(NAMED)];
    let more = total.saturating_sub(shown.len() as u64);
    let rest = if more > 0 { format!(" and {} more", format::count(more)) } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

fn json_lines(incidents: &[Incident]) -> Result<String> {
    incidents.iter().try_fold(String::new(), |text, it| Ok(text + &format::json(&Object::of(it))? + "\n"))
}

/// An incident as JSON.
#[derive(Serialize)]
struct Object<'a> {
    id: String,
    start: f64,
    last: f64,
    actor: String,
    kind: &'static str,
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
            score: (incident.score() * 1e6).round() / 1e6,
            records: incident.records,
            targets: incident.targets.sample().iter().map(Address::to_string).collect(),
            targets_total: incident.targets.count(),
            ports: incident.ports.sample().iter().map(|&port| format_port(port)).collect(),
            ports_total: incident.ports.count(),
            uids: incident.uids().map(String::from_utf8_lossy).collect(),
            reasons: incident.reasons(),
            summary: incident.summary(),
            attack: incident.kind.attack(),
        }
    }
}

/// A host and its risk as JSON.
#[derive(Serialize)]
struct HostObject {
    host: String,
    risk: f64,
    incidents: Vec<PartObject>,
}

/// An incident's contribution to the risk of a host as JSON.
#[derive(Serialize)]
struct PartObject {
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
            let part = |part: &detector::RiskPart| PartObject {
                id: part.id.clone(),
                kind: part.kind.name(),
                last: part.last as f64 / 1e6,
                risk: rounded(part.risk),
            };
            let incidents = risk.parts.iter().map(part).collect();
            let host = HostObject { host: risk.host.to_string(), risk: rounded(risk.risk), incidents };
            text += &(format::json(&host)? + "\n");
            continue;
        }
        let parts = risk.parts.iter().map(|part| format!("{} {:.2} ({})", part.kind.name(), part.risk, part.id));
        let parts = names(&parts.collect::<Vec<_>>(), risk.parts.len() as u64);
        let line = format!("{:>7.2}  {:<15}  ", risk.risk, risk.host.to_string());
        let indent = line.len();
        text += &format!("{line}{}\n", format::wrapped(&parts, indent, console::width() - 1));
    }
    Ok(text)
}
