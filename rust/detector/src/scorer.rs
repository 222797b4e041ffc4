//! The detector: a model, and the context it keeps, put to work on connections.

use std::sync::Arc;

use crate::{Connection, Extractor, Model, Row};

/// What a detector says of one connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Between 0 and 1, in whole millionths: about 0.5 for a connection like most, higher the more unusual.
    pub score: f64,
    /// Whether the score is not below the model's threshold.
    pub anomalous: bool,
}

/// Scores connections in the order in which they end.
#[derive(Clone, Debug)]
pub struct Detector {
    model: Arc<Model>,
    extractor: Extractor,
    last: Row,
}

impl Detector {
    /// A detector that has seen no traffic yet.
    pub fn new(model: Model) -> Self {
        Self { model: Arc::new(model), extractor: Extractor::new(), last: [0.0; _] }
    }

    /// A detector that goes on with what an extractor has learnt of hosts.
    pub fn resume(model: Model, extractor: Extractor) -> Self {
        Self { model: Arc::new(model), extractor, last: [0.0; _] }
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
        self.last = self.extractor.extract(connection);
        let score = self.model.score(&self.last);
        Verdict { score, anomalous: score >= self.model.threshold() }
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
