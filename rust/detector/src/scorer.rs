//! The detector: a model, and the context it keeps, put to work on connections.

use std::sync::Arc;

use crate::context::Keys;
use crate::{Connection, Evidence, Extractor, Model, Reason, Row, Verdict};

/// Scores connections in the order in which they end.
#[derive(Clone, Debug)]
pub struct Detector {
    model: Arc<Model>,
    extractor: Extractor,
    evidence: Evidence,
    last: Row,
}

impl Detector {
    /// A detector that has seen no traffic yet.
    pub fn new(model: Model) -> Self {
        Self::resume(model, Extractor::new())
    }

    /// A detector that goes on with what an extractor has learnt of hosts.
    pub fn resume(model: Model, extractor: Extractor) -> Self {
        Self { model: Arc::new(model), extractor, evidence: Evidence::new(), last: [0.0; _] }
    }

    /// What is remembered of hosts and of evidence against services.
    pub fn memory(&self) -> (&Extractor, &Evidence) {
        (&self.extractor, &self.evidence)
    }

    /// Goes on with what was remembered.
    pub fn remember(&mut self, extractor: Extractor, evidence: Evidence) {
        (self.extractor, self.evidence) = (extractor, evidence);
    }

    /// What was learnt of hosts.
    pub fn into_extractor(self) -> Extractor {
        self.extractor
    }

    /// Puts another model to work; what was learnt about hosts stays.
    pub fn replace_model(&mut self, model: Model) {
        self.model = Arc::new(model);
    }

    /// The model at work.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Scores a connection and remembers it as context for those that follow.
    pub fn score(&mut self, connection: &Connection<'_>) -> Verdict {
        let keys = Keys::of(connection);
        self.last = self.extractor.extract_by(connection, &keys);
        let score = self.model.score(&self.last);
        self.evidence.add_by(&self.model, connection.ts, &keys, score)
    }

    /// What made the verdict of the connection scored last, the strongest reason first.
    pub fn reasons(&self, connection: &Connection<'_>, verdict: &Verdict) -> Vec<Reason> {
        self.model.reasons(connection, &self.last, verdict.sustained)
    }

    /// Lets a connection pass by unscored: it is context for those that follow.
    pub fn pass_by(&mut self, connection: &Connection<'_>) {
        self.last = self.extractor.extract(connection);
    }

    /// The row of the connection seen last.
    pub fn row(&self) -> &Row {
        &self.last
    }
}
