//! Scoring: thresholds, verdicts, and the context of records.

use std::time::Instant;

use detector::units::DAY;
use detector::{AlertPolicy, FeatureRow, LogRecord, Model, Observation, Reservoir, format_reasons};

use super::{Scoring, Sensor};
use crate::convert::{connection, query};
use crate::learning::PendingExample;
use crate::types::{ConnectionView, DnsView, Outcome, Verdict};

/// One scoring call in this many is timed.
const TIMED: u64 = 16;

impl Sensor {
    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.threshold = (threshold > 0.0).then_some(threshold);
        self.update_policy();
    }

    pub(crate) fn set_alerts_per_day(&mut self, alerts_per_day: f64) {
        self.alerts_per_day = (alerts_per_day > 0.0 && alerts_per_day.is_finite()).then_some(alerts_per_day);
        self.update_policy();
    }

    /// Returns the policy from the options (threshold before budget), or else the model's.
    pub(super) fn policy(&self, model: &Model) -> AlertPolicy {
        match (self.threshold, self.alerts_per_day) {
            (Some(threshold), _) => AlertPolicy::for_threshold(model, threshold),
            (None, Some(alerts)) => AlertPolicy::for_alerts(model, alerts),
            (None, None) => AlertPolicy::of(model),
        }
    }

    fn update_policy(&mut self) {
        let policy = self.model().map(|model| self.policy(model));
        if let (Scoring::On(active), Some(policy)) = (&mut self.scoring, policy) {
            active.detector.set_policy(policy);
        }
    }

    /// Returns a warning if the loaded model's sample is too small for the alert budget in force, or an empty string.
    /// The warning contains no number that changes with every fit.
    pub(crate) fn budget_problem(&self) -> String {
        let Some(model) = self.model().filter(|_| self.threshold.is_none()) else { return String::new() };
        let alerts = self.alerts_per_day.unwrap_or(model.provenance().alerts_per_day);
        if !model.is_extrapolated(alerts) {
            return String::new();
        }
        let is_full = |reservoir: &Reservoir| reservoir.len() >= reservoir.sampling().capacity;
        let full = self.learning.reservoir.as_ref().map(is_full);
        // The first models of a sensor are provisional: the next fits use more records.
        if full == Some(false) && self.alerts_per_day.is_none() && model.provenance().time_seen < DAY {
            return String::new();
        }
        let records = self.learning.log.nouns();
        let advice = match full {
            None => format!("train the model on more {records}"),
            Some(true) => format!("raise IForest::reservoir_rows or {}", self.budget_option()),
            Some(false) => format!("the next fits use more {records}"),
        };
        let log = self.learning.log.name();
        format!(
            "the sample of {log}.log is too small for {alerts} alerts a day; the threshold is extrapolated; {advice}"
        )
    }

    pub(crate) fn score(&mut self, view: &ConnectionView<'_>, learn: bool, learn_after: u64) -> Verdict {
        self.score_record(LogRecord::Conn(connection(view)), view.uid, learn, learn_after)
    }

    pub(crate) fn score_dns(&mut self, view: &DnsView<'_>, learn: bool, learn_after: u64) -> Verdict {
        self.score_record(LogRecord::Dns(query(view)), view.uid, learn, learn_after)
    }

    fn score_record(&mut self, record: LogRecord<'_>, uid: &[u8], learn: bool, learn_after: u64) -> Verdict {
        // After a panic the previous record must not be learnt in place of this one.
        self.pending = None;
        self.offered += 1;
        let mut verdict = Verdict { outcome: Outcome::NoModel, ..Verdict::default() };
        let Scoring::On(active) = &mut self.scoring else {
            self.extract(&record);
            self.statistics.without_model += 1;
            verdict.outcome = self.learnt(verdict.outcome, learn, learn_after);
            return verdict;
        };
        let began = (self.statistics.scored % TIMED == 0).then(Instant::now);
        #[cfg(any(test, feature = "injected-panic"))]
        crate::panic::injected(self.offered - 1);
        let detector = &mut active.detector;
        let scored = detector.score(record);
        let alert = scored.alert;
        active.drift.observe(scored.score);
        let reasons = match alert || scored.evidence.is_some() && self.incidents.are_on() {
            true => detector.model().reasons(record, detector.row(), scored.evidence),
            false => Vec::new(),
        };
        if alert {
            verdict.reasons = format_reasons(&reasons);
            verdict.main_reason = reasons.first().map(|main| main.feature().to_owned()).unwrap_or_default();
        }
        let observation = Observation {
            record,
            uid: (!uid.is_empty()).then_some(uid),
            verdict: scored,
            reasons: &reasons,
            keys: detector.keys(),
        };
        let grouped = self.incidents.with(|incidents| incidents.observe(&observation));
        let incidents_changed;
        (verdict.incident, incidents_changed) = grouped.unwrap_or_default();
        verdict.score = scored.score;
        verdict.threshold = detector.policy().threshold();
        verdict.seconds = began.map_or(-1.0, |began| began.elapsed().as_secs_f64());
        self.statistics.scored += 1;
        self.statistics.alerted += u64::from(alert);
        if self.learning.is_on() {
            // By the model's own threshold: the configured one selects alerts, not the usual traffic.
            let alerts = scored.score >= detector.model().threshold();
            self.pending = Some(PendingExample::new(&record, *detector.row(), alerts));
        }
        let outcome = match (alert, incidents_changed) {
            (true, _) => Outcome::Alert,
            (false, true) => Outcome::Incident,
            (false, false) => Outcome::Normal,
        };
        verdict.outcome = self.learnt(outcome, learn, learn_after);
        verdict
    }

    pub(crate) fn observe(&mut self, view: &ConnectionView<'_>, learn: bool, learn_after: u64) -> Outcome {
        self.observe_record(LogRecord::Conn(connection(view)), learn, learn_after)
    }

    pub(crate) fn observe_dns(&mut self, view: &DnsView<'_>, learn: bool, learn_after: u64) -> Outcome {
        self.observe_record(LogRecord::Dns(query(view)), learn, learn_after)
    }

    fn observe_record(&mut self, record: LogRecord<'_>, learn: bool, learn_after: u64) -> Outcome {
        self.pending = None;
        self.offered += 1;
        #[cfg(test)]
        crate::panic::injected(self.offered - 1);
        self.extract(&record);
        self.statistics.exempt += 1;
        let outcome = if self.model().is_some() { Outcome::Normal } else { Outcome::NoModel };
        self.learnt(outcome, learn, learn_after)
    }

    /// Adds a record to the context without a score.
    fn extract(&mut self, record: &LogRecord<'_>) {
        let row: FeatureRow = match &mut self.scoring {
            Scoring::Off => return,
            Scoring::Extracting(state) => state.0.extract(record),
            Scoring::On(active) => {
                active.detector.observe(record);
                *active.detector.row()
            }
        };
        self.pending = self.learning.is_on().then(|| PendingExample::new(record, row, false));
    }

    /// Learns the last record if `learn` is set. Returns [`Outcome::FitDue`] if a fit is due, otherwise `outcome`.
    fn learnt(&mut self, outcome: Outcome, learn: bool, learn_after: u64) -> Outcome {
        if learn && self.learn(learn_after) { Outcome::FitDue } else { outcome }
    }
}
