//! Pauses between the records of a service.

use serde::{Deserialize, Serialize};

/// Mean and deviation of pauses, in seconds (Welford's algorithm).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pauses {
    pub(super) n: u32,
    pub(super) mean: f64,
    pub(super) squares: f64,
}

impl Pauses {
    pub(super) fn add(&mut self, seconds: f64) {
        self.n = self.n.saturating_add(1);
        let before = seconds - self.mean;
        self.mean += before / f64::from(self.n);
        self.squares += before * (seconds - self.mean);
    }

    /// Adds other pauses (Chan, Golub and LeVeque, 1979).
    pub(super) fn merge(&mut self, other: &Self) {
        let (own, theirs) = (f64::from(self.n), f64::from(other.n));
        if theirs > 0.0 {
            let apart = other.mean - self.mean;
            self.squares += other.squares + apart * apart * own * theirs / (own + theirs);
            self.mean += apart * theirs / (own + theirs);
            self.n = self.n.saturating_add(other.n);
        }
    }

    /// Returns true if the pauses deviate by at most this share of their mean.
    pub(super) fn are_regular(&self, share: f64) -> bool {
        self.deviation() <= share * self.mean
    }

    fn deviation(&self) -> f64 {
        if self.n < 2 { 0.0 } else { (self.squares / f64::from(self.n - 1)).sqrt() }
    }
}
