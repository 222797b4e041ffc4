//! Detector: a model, and the context and score history that scoring needs.

use std::sync::Arc;

use crate::alert::score_history::ScoreHistory;
use crate::context::keys::ContextKeys;
use crate::extractor::Extractor;
use crate::model::Model;
use crate::model::scoring::ScoreCache;
use crate::record::LogRecord;
use crate::schema::{FeatureRow, MAX_COLUMNS};
use crate::verdict::{AlertPolicy, Verdict};

/// Scores records of one log kind, in the order in which they end.
#[derive(Clone, Debug)]
pub struct Detector {
    model: Arc<Model>,
    policy: AlertPolicy,
    extractor: Extractor,
    history: ScoreHistory,
    cache: ScoreCache,
    /// Feature row and keys of the last record.
    row: FeatureRow,
    keys: ContextKeys,
}

impl Detector {
    /// A detector that has seen no traffic yet.
    pub fn new(model: Model) -> Self {
        let extractor = Extractor::of(model.schema().log);
        let (policy, history) = (AlertPolicy::of(&model), ScoreHistory::default());
        let (cache, row, keys) = (ScoreCache::new(), [0.0; MAX_COLUMNS], ContextKeys::default());
        Self { model: Arc::new(model), policy, extractor, history, cache, row, keys }
    }

    /// Context of hosts, and the history of scores.
    pub fn state(&self) -> (&Extractor, &ScoreHistory) {
        (&self.extractor, &self.history)
    }

    /// Replaces the context and the history of scores.
    pub fn set_state(&mut self, extractor: Extractor, history: ScoreHistory) {
        (self.extractor, self.history) = (extractor, history);
    }

    /// Returns the context and the history of scores.
    pub fn into_state(self) -> (Extractor, ScoreHistory) {
        (self.extractor, self.history)
    }

    /// Replaces the model, takes over its policy, and keeps the context.
    pub fn replace_model(&mut self, model: Model) {
        self.policy = AlertPolicy::of(&model);
        self.model = Arc::new(model);
    }

    /// Replaces the policy.
    pub fn set_policy(&mut self, policy: AlertPolicy) {
        self.policy = policy;
    }

    /// The policy in force.
    pub fn policy(&self) -> &AlertPolicy {
        &self.policy
    }

    /// The loaded model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Scores a record and adds it to the context.
    pub fn score<'a>(&mut self, record: impl Into<LogRecord<'a>>) -> Verdict {
        let record = record.into();
        (self.row, self.keys) = self.extractor.context_row(record);
        self.history.prefetch(&self.keys);
        let score = self.model.score_row(&self.row, record.end(), &mut self.cache);
        self.history.verdict(&self.model, &self.policy, &record, &self.keys, score)
    }

    /// Adds a record to the context without scoring it.
    pub fn observe<'a>(&mut self, record: impl Into<LogRecord<'a>>) {
        (self.row, self.keys) = self.extractor.context_row(record);
    }

    /// Feature row of the last record.
    pub fn row(&self) -> &FeatureRow {
        &self.row
    }

    /// Keys of the last record.
    pub fn keys(&self) -> &ContextKeys {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnState, Connection, Params, Trainer};

    /// Connections from one host to one service, each with more bytes.
    fn connection(i: i64) -> Connection<'static> {
        let mut c = Connection { ts: i * 1_000_000, conn_state: Some(ConnState::SF), ..Connection::default() };
        (c.duration, c.orig.bytes) = (Some(1000 + i % 7 * 1000), Some(i as u64));
        c
    }

    fn model(alerts_per_day: f64) -> Model {
        let mut params = Params { alerts_per_day, ..Params::default() };
        params.forest.n_trees = 17;
        let mut trainer = Trainer::new(params);
        (0..500).for_each(|i| trainer.learn(&connection(i)));
        trainer.fit().unwrap()
    }

    #[test]
    fn restored_detector_scores_like_the_one_it_was_saved_from() {
        let mut first = Detector::new(model(20.0));
        (0..50).for_each(|i| _ = first.score(&connection(i)));
        let (extractor, evidence) = first.state();
        let mut second = Detector::new(model(20.0));
        second.set_state(extractor.clone(), evidence.clone());
        let mut third = Detector::new(model(20.0));
        third.set_state(first.clone().into_state().0, ScoreHistory::default());
        let expected = extractor.clone().extract(&connection(50));
        let mut scores = Vec::new();
        for detector in [&mut first, &mut second, &mut third] {
            let verdict = detector.score(&connection(50));
            assert_eq!(detector.row(), &expected);
            scores.push(verdict.score);
        }
        assert_eq!(scores[0], scores[1]);
        assert_ne!(Extractor::default().extract(&connection(50)), expected);
    }

    #[test]
    fn observed_connections_are_context_without_a_score() {
        let (mut scoring, mut passing) = (Detector::new(model(20.0)), Detector::new(model(20.0)));
        for i in 0..50 {
            _ = scoring.score(&connection(i));
            passing.observe(&connection(i));
            assert_eq!(passing.row(), scoring.row());
        }
        assert_ne!(passing.row(), Detector::new(model(20.0)).row());
    }

    #[test]
    fn replacing_the_model_keeps_the_context() {
        let mut detector = Detector::new(model(20.0));
        (0..50).for_each(|i| _ = detector.score(&connection(i)));
        let expected = detector.state().0.clone().extract(&connection(50));
        let other = model(20_000.0);
        let threshold = other.threshold();
        assert_ne!(detector.model().threshold(), threshold);
        detector.replace_model(other);
        _ = detector.score(&connection(50));
        assert_eq!((detector.model().threshold(), detector.row()), (threshold, &expected));
    }

    #[test]
    fn the_last_row_explains_the_last_score() {
        let mut detector = Detector::new(model(20.0));
        let unusual = Connection { missed_bytes: 1 << 40, ..connection(500) };
        _ = detector.score(&unusual);
        let reasons = detector.model().reasons(&unusual, detector.row(), None);
        assert!(reasons[0].to_string().contains("missing from the capture"), "{reasons:?}");
    }
}
