//! Reasons: which features made a connection anomalous, in words and values.
//!
//! A feature is a reason as far as the score would fall if the feature had its typical value; what training never held
//! (a larger amount, another port) counts for more than what it held. Features that speak of the same thing (bytes sent
//! by this connection, bytes sent to this service lately) are one topic and make one reason.

use std::fmt;

use crate::conn::reasons as conn;
use crate::dns::reasons as dns;
use crate::model::Model;
use crate::model::feature_stats::Quantiles;
use crate::record::LogRecord;
use crate::schema::{Encoding, FeatureRow, LogKind, MAX_COLUMNS};
use crate::units::count;

/// More would be read by nobody.
const MOST: usize = 3;
/// A reason that moves the score less than this share of what the first one does is none.
const LEAST_SHARE: f64 = 0.2;
/// A topic is named by the first of its columns that moves the score at least this share of what its strongest does.
const NAMING_SHARE: f64 = 0.1;
/// Weight added to a feature with a value never seen in training. Scores of most connections lie around 0.5 and
/// those of anomalies some tenths higher, so that the unseen is named unless something else explains nearly all of it.
const UNSEEN: f64 = 0.2;
/// A category seen in more than one of so many rows of training is usual.
const RARE: u64 = 20;

/// A feature that made a connection anomalous.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    feature: &'static str,
    text: String,
}

impl Reason {
    /// The feature's name in the schema; `sustained` for evidence that has added up.
    pub fn feature(&self) -> &'static str {
        self.feature
    }
}

impl fmt::Display for Reason {
    /// Such as `4.1 GB out, usually under 2.0 MB` or `port 4444/tcp, seen 0 times in 48,213`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reasons as one text, the strongest first: the value of `anomaly_reasons`.
pub fn format_reasons(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ")
}

impl Model {
    /// The two or three features that made the score of a connection and its row, the strongest first; fewer, or none,
    /// where nothing but their combination is unusual. `sustained` is that of the [`Verdict`](crate::Verdict).
    pub fn reasons<'a>(
        &self,
        record: impl Into<LogRecord<'a>>,
        row: &FeatureRow,
        sustained: Option<u32>,
    ) -> Vec<Reason> {
        let record = record.into();
        let sustained = sustained.map(|connections| {
            let connections = count(connections.into());
            let text = match record {
                LogRecord::Conn(_) => format!("{connections} connections to this service, each a little unusual"),
                LogRecord::Dns(_) => format!("{connections} slightly unusual queries for this domain"),
            };
            Reason { feature: "sustained", text }
        });
        sustained.into_iter().chain(self.reasons_of_features(&record, row)).take(MOST).collect()
    }

    fn reasons_of_features(&self, record: &LogRecord<'_>, row: &FeatureRow) -> Vec<Reason> {
        let mut weights = self.weights(record, row);
        for (column, weight) in weights.iter_mut().enumerate() {
            *weight = if self.is_usual(column, row) { 0.0 } else { *weight };
        }
        let mut topics: Vec<(f64, u16)> = Vec::new();
        for topic in self.topics() {
            let weight = |column: &u16| weights[usize::from(*column)];
            let strongest = topic.iter().map(weight).fold(0.0, f64::max);
            let naming = topic.iter().find(|column| weight(column) >= NAMING_SHARE * strongest);
            let total = topic.iter().map(|column| weight(column).max(0.0)).sum();
            topics.extend(naming.filter(|_| strongest > 0.0).map(|&column| (total, column)));
        }
        topics.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = topics.first().map_or(0.0, |(weight, _)| weight * LEAST_SHARE);
        let topics = topics.into_iter().take(MOST).take_while(|(weight, _)| *weight >= least);
        topics
            .map(|(_, column)| {
                let text = self.describe(usize::from(column), record, row);
                Reason { feature: self.schema().features[usize::from(column)].name, text }
            })
            .collect()
    }

    /// Columns that speak of the same thing, the plainest first.
    fn topics(&self) -> &'static [&'static [u16]] {
        match self.schema().log {
            LogKind::Conn => conn::TOPICS,
            LogKind::Dns => dns::TOPICS,
        }
    }

    /// Returns whether a value is one that most rows of training come near, so that it explains nothing.
    fn is_usual(&self, column: usize, row: &FeatureRow) -> bool {
        let Some(feature) = self.schema().features.get(column) else { return true };
        let (value, quantiles) = (row[column], self.stats().of(column));
        match feature.encoding {
            Encoding::Category => {
                let (seen, of) = self.encoder().seen(column, value);
                u64::from(seen) * RARE > u64::from(of)
            }
            Encoding::Number => match self.schema().log {
                LogKind::Conn => conn::is_usual(column, value, quantiles),
                LogKind::Dns => dns::is_usual(column, value, quantiles),
            },
            _ => false,
        }
    }

    /// Returns whether a column holds a category of traffic, of which a new one is worth naming.
    fn is_kind(&self, column: usize) -> bool {
        match self.schema().log {
            LogKind::Conn => conn::is_kind(column),
            LogKind::Dns => dns::is_kind(column),
        }
    }

    /// Decrease of the score of a row if each feature had its typical value, and more for the unseen.
    fn weights(&self, record: &LogRecord<'_>, row: &FeatureRow) -> [f64; MAX_COLUMNS] {
        let learnt = self.has_learnt(record.ts());
        let (schema, typical) = (self.schema(), self.stats().typical(self.schema()));
        let encoded = self.encoder().encode(schema, row, learnt);
        let forest = self.forest_of(row);
        let raised = |score: f64, row: &FeatureRow| self.raise(self.with_records(row, score, learnt));
        let score = raised(forest.score(&encoded), &encoded);
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
                Encoding::Category if self.is_kind(column) => {
                    let seen = self.encoder().seen(column, row[column]).0.saturating_sub(u32::from(learnt));
                    f64::from(u8::from(seen == 0))
                }
                _ => 0.0,
            };
            *weight += UNSEEN * unseen;
        }
        weights
    }

    fn describe(&self, column: usize, record: &LogRecord<'_>, row: &FeatureRow) -> String {
        let value = row[column];
        let subject = match record {
            LogRecord::Conn(connection) => conn::subject(column, row, connection),
            LogRecord::Dns(query) => dns::subject(column, value, query),
        };
        if self.schema().features[column].encoding == Encoding::Category {
            let (seen, of) = self.encoder().seen(column, value);
            let learnt = u32::from(self.has_learnt(record.ts()));
            let (seen, of) = (seen.saturating_sub(learnt), of.saturating_sub(learnt));
            let times = if seen == 1 { "time" } else { "times" };
            return format!("{subject}, seen {} {times} in {}", count(seen.into()), count(of.into()));
        }
        let amount = match self.schema().log {
            LogKind::Conn => conn::amount(column),
            LogKind::Dns => dns::amount(column),
        };
        let Some(amount) = amount else { return subject };
        let Quantiles { low, median, high, .. } = self.stats().of(column);
        let (how, usual) = match () {
            () if value > high => ("under", high),
            () if value < low => ("over", low),
            () => ("about", median),
        };
        let is_pause = self.schema().log == LogKind::Conn && conn::is_pause(column);
        if is_pause && conn::is_long_ago(value) {
            return subject;
        }
        if is_pause && conn::is_long_ago(usual) {
            return format!("{subject}, usually a day or more");
        }
        let usual = amount(usual);
        match () {
            () if how == "about" && usual == amount(value) => subject,
            () if how != "over" && usual == amount(0.0) => format!("{subject}, usually none"),
            // Too little to be told by how much.
            () if usual.starts_with('<') => format!("{subject}, usually {usual}"),
            () => format!("{subject}, usually {how} {usual}"),
        }
    }
}

/// The number that was compressed to log2 of 1 + it, by the inverse of the interpolation.
pub(crate) fn plain(log: f32) -> f64 {
    let whole = f64::from(log.clamp(0.0, 127.0).floor());
    libm::exp2(whole) * (1.0 + f64::from(log.clamp(0.0, 127.0)) - whole) - 1.0
}

pub(crate) fn whole(value: f32) -> u64 {
    plain(value).round() as u64
}
