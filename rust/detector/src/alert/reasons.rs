//! Reasons: the features that made a record anomalous, with their values and the usual ones.
//!
//! A feature's weight is the decrease of the score if the feature had its typical value, plus a bonus for values never
//! seen in training. Related features (bytes sent by this connection, bytes sent to this service recently) form a topic
//! and give one reason.

use std::fmt;

use crate::model::Model;
use crate::quantiles::Quantiles;
use crate::reason_texts::Texts;
use crate::record::LogRecord;
use crate::schema::{Encoding, FeatureRow, LogKind, MAX_COLUMNS};
use crate::units::count;
use crate::verdict::Evidence;
use crate::{conn, dns};

/// Largest number of reasons.
const MAX_REASONS: usize = 3;
/// Smallest weight of a reason, as a share of that of the first.
const MIN_SHARE: f64 = 0.2;
/// A topic is described by its first column whose weight is at least this share of the strongest.
const NAMING_SHARE: f64 = 0.1;
/// Weight added to a feature with a value never seen in training. Anomalies score some tenths above the typical 0.5, so
/// an unseen value is named unless another feature explains nearly all of that.
const UNSEEN: f64 = 0.2;
/// A category seen in more than one of this many training rows is usual.
const RARE: u64 = 20;

/// A feature that made a connection anomalous.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    feature: &'static str,
    text: String,
}

impl Reason {
    pub(super) fn new(feature: &'static str, text: String) -> Self {
        Self { feature, text }
    }

    /// Name of the feature in the schema; `sustained` for accumulated evidence, `regular` for a regular exchange.
    pub fn feature(&self) -> &'static str {
        self.feature
    }
}

impl fmt::Display for Reason {
    /// For example `sent 4.1 GB (usually below 2.0 MB)` or `port 4444/tcp (seen in 0 of 48,213 connections)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Joins reasons to one text, the value of `anomaly_reasons`.
pub fn format_reasons(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ")
}

impl Model {
    /// Up to three reasons for the score of a record and its row, strongest first; none if only the combination of its
    /// values is unusual. `evidence` comes from the [`Verdict`](crate::Verdict).
    pub fn reasons<'a>(
        &self,
        record: impl Into<LogRecord<'a>>,
        row: &FeatureRow,
        evidence: Option<Evidence>,
    ) -> Vec<Reason> {
        let record = record.into();
        let evidence = evidence.map(|evidence| {
            let (records, which) = match evidence {
                Evidence::Service(records) => (records, self.texts().of_service),
                Evidence::FanOut(records) => (records, self.texts().of_fan_out),
            };
            Reason::new("sustained", format!("{} slightly unusual {which}", count(records.into())))
        });
        evidence.into_iter().chain(self.reasons_of_features(&record, row)).take(MAX_REASONS).collect()
    }

    fn reasons_of_features(&self, record: &LogRecord<'_>, row: &FeatureRow) -> Vec<Reason> {
        let weights = self.weights(record, row);
        let mut topics: Vec<(f64, u16)> = Vec::new();
        for topic in self.texts().topics {
            let weight = |column: &u16| weights[usize::from(*column)];
            let strongest = topic.iter().map(weight).fold(0.0, f64::max);
            let naming = topic.iter().find(|column| weight(column) >= NAMING_SHARE * strongest);
            let total = topic.iter().map(|column| weight(column).max(0.0)).sum();
            topics.extend(naming.filter(|_| strongest > 0.0).map(|&column| (total, column)));
        }
        topics.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = topics.first().map_or(0.0, |(weight, _)| weight * MIN_SHARE);
        let topics = topics.into_iter().take(MAX_REASONS).take_while(|(weight, _)| *weight >= least);
        topics
            .map(|(_, column)| {
                let text = self.describe(usize::from(column), record, row);
                Reason { feature: self.schema().features[usize::from(column)].name, text }
            })
            .collect()
    }

    fn texts(&self) -> &'static Texts {
        match self.schema().log {
            LogKind::Conn => &conn::reasons::TEXTS,
            LogKind::Dns => &dns::reasons::TEXTS,
        }
    }

    /// Returns true if a value is close to that of most training rows, so that it explains nothing.
    fn is_usual(&self, column: usize, row: &FeatureRow) -> bool {
        let Some(feature) = self.schema().features.get(column) else { return true };
        let (value, quantiles) = (row[column], self.stats().of(column));
        match feature.encoding {
            Encoding::Category | Encoding::OptionalCategory => {
                let (seen, of) = self.encoder().seen(column, value);
                u64::from(seen) * RARE > u64::from(of)
            }
            Encoding::Number => (self.texts().is_usual)(column, value, quantiles),
            _ => false,
        }
    }

    /// Decrease of the score if each feature had its typical value, with a bonus for values never seen in training; 0
    /// for a usual value.
    fn weights(&self, record: &LogRecord<'_>, row: &FeatureRow) -> [f64; MAX_COLUMNS] {
        let learnt = self.has_learnt(record.end());
        let (schema, mut typical) = (self.schema(), self.stats().typical(self.schema()));
        let encoded = self.encoder().encode(row, learnt);
        let forest = self.forest_of(row);
        let raised = |score: f64, row: &FeatureRow| self.final_score(self.row_score(row, score, learnt));
        let score = raised(forest.score(&encoded), &encoded);
        // `scores_without` skips equal values, so a usual column gets the value of the row and costs no time.
        let usual: [bool; MAX_COLUMNS] = std::array::from_fn(|column| self.is_usual(column, row));
        for (column, _) in usual.iter().enumerate().filter(|(_, usual)| **usual) {
            typical[column] = encoded[column];
        }
        let mut weights = [0.0; MAX_COLUMNS];
        for (column, (weight, without)) in weights.iter_mut().zip(forest.scores_without(&encoded, &typical)).enumerate()
        {
            let mut other = encoded;
            other[column] = typical[column];
            *weight = score - raised(without, &other);
        }
        for ((column, feature), weight) in schema.features.iter().enumerate().zip(&mut weights) {
            let unseen = match feature.encoding {
                Encoding::Number => self.stats().beyond(column, encoded[column], learnt),
                Encoding::Category if (self.texts().names_category)(column) => {
                    let seen = self.encoder().seen(column, row[column]).0.saturating_sub(u32::from(learnt));
                    f64::from(u8::from(seen == 0))
                }
                _ => 0.0,
            };
            *weight = if usual[column] { 0.0 } else { *weight + UNSEEN * unseen };
        }
        weights
    }

    fn describe(&self, column: usize, record: &LogRecord<'_>, row: &FeatureRow) -> String {
        let value = row[column];
        let subject = match record {
            LogRecord::Conn(connection) => conn::reasons::subject(column, row, connection),
            LogRecord::Dns(query) => dns::reasons::subject(column, value, query),
        };
        if matches!(self.schema().features[column].encoding, Encoding::Category | Encoding::OptionalCategory) {
            let (seen, of) = self.encoder().seen(column, value);
            let learnt = u32::from(self.has_learnt(record.end()));
            let (seen, of) = (seen.saturating_sub(learnt), of.saturating_sub(learnt));
            let records = self.schema().log.nouns();
            return format!("{subject} (seen in {} of {} {records})", count(seen.into()), count(of.into()));
        }
        let Some(amount) = (self.texts().amount)(column) else { return subject };
        let Quantiles { low, median, high, .. } = self.stats().of(column);
        let (how, usual) = match () {
            () if value > high => ("below", high),
            () if value < low => ("above", low),
            () => ("about", median),
        };
        let is_long_pause = self.texts().is_long_pause;
        if is_long_pause(column, value) {
            return subject;
        }
        if is_long_pause(column, usual) {
            return format!("{subject} (usually a day or more)");
        }
        let usual = amount(usual);
        match () {
            () if how == "about" && usual == amount(value) => subject,
            () if how != "above" && usual == amount(0.0) => format!("{subject} (usually none)"),
            // `<1ms` already contains the comparison.
            () if usual.starts_with('<') => format!("{subject} (usually {usual})"),
            () => format!("{subject} (usually {how} {usual})"),
        }
    }
}
