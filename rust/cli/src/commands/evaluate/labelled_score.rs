//! Score of a labelled record, and the notice it would raise.

use detector::{Address, FeatureRow, LogRecord, Model, Verdict};

use super::attack_labels::Class;
use crate::score_text::millionths;

/// Identifier of a notice: a notice with the same key is a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoticeKey {
    pub originator: Address,
    /// Feature of the main reason.
    pub feature: &'static str,
}

impl NoticeKey {
    /// The key of a notice for this record.
    pub fn of(record: &LogRecord<'_>, row: &FeatureRow, model: &Model) -> Self {
        let reasons = model.reasons(record, row, None);
        Self { originator: record.originator(), feature: reasons.first().map_or("", |reason| reason.feature()) }
    }
}

/// Scored record with its class.
#[derive(Clone, Copy, Debug)]
pub struct LabelledScore {
    /// Score in millionths.
    pub score: u32,
    /// True if the model raises an alert.
    pub alert: bool,
    pub class: Class,
    /// End time, in microseconds since 1970.
    pub ended: i64,
    pub notice: NoticeKey,
}

impl LabelledScore {
    /// The score of this record.
    pub fn new(record: &LogRecord<'_>, class: Class, row: &FeatureRow, verdict: &Verdict, model: &Model) -> Self {
        Self {
            score: millionths(verdict.score),
            alert: verdict.alert,
            class,
            ended: record.end(),
            notice: NoticeKey::of(record, row, model),
        }
    }

    /// Index of its attack among the labels of the log.
    pub fn attack(&self) -> Option<usize> {
        match self.class {
            Class::Benign => None,
            Class::Attack(attack) => Some(attack as usize),
        }
    }
}
