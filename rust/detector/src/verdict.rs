//! Verdict on one connection.

/// How far towards 1 a connection with accumulated evidence ranks among alerts.
const WEIGHT: f64 = 0.5;

/// What a detector says of one connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Between 0 and 1, in whole millionths: about 0.5 for a connection like most, higher the more unusual.
    pub score: f64,
    /// Whether it is worth an alert: its score is not below the model's threshold, or it is `sustained`.
    pub anomalous: bool,
    /// Where the evidence against this service has added up: over how many connections.
    pub sustained: Option<u32>,
}

impl Verdict {
    /// Whether it is worth an alert under another threshold than the model's own.
    pub fn passes(&self, threshold: f64) -> bool {
        self.score >= threshold || self.sustained.is_some()
    }

    /// Where it ranks among alerts, between 0 and 1: by its score, or halfway from there to 1 where it stands for many
    /// connections.
    pub fn rank(&self) -> f64 {
        self.sustained.map_or(self.score, |_| self.score + (1.0 - self.score) * WEIGHT)
    }
}
