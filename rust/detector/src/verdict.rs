//! Verdict on one connection.

/// How far towards 1 a connection with accumulated evidence ranks among alerts.
const WEIGHT: f64 = 0.5;

/// Score of one connection, and whether it is an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Between 0 and 1, in whole millionths: about 0.5 for a connection like most, higher the more unusual.
    pub score: f64,
    /// True if the score is at or above the model's threshold, or `sustained` is set.
    pub anomalous: bool,
    /// Number of connections, if this one takes the evidence against its service over the limit.
    pub sustained: Option<u32>,
}

impl Verdict {
    /// Returns whether it is an alert under another threshold than the model's own.
    pub fn passes(&self, threshold: f64) -> bool {
        self.score >= threshold || self.sustained.is_some()
    }

    /// Rank among alerts, from 0 to 1: the score, or halfway from there to 1 for accumulated evidence.
    pub fn rank(&self) -> f64 {
        self.sustained.map_or(self.score, |_| self.score + (1.0 - self.score) * WEIGHT)
    }
}
