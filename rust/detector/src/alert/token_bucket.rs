//! Token bucket that limits the reports of accumulated evidence.

use serde::{Deserialize, Serialize};

use crate::model::calibration::MAX_EVIDENCE_PER_DAY;
use crate::units;

/// Size of the bucket, in days. A network that is new to the detector has several noisy services at once.
const BUCKET_DAYS: f64 = 2.5;
/// A day, in microseconds.
const DAY_MICROS: f64 = units::DAY as f64;

/// Token bucket, refilled by the time of records. Half of a full one is reserved for local originators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TokenBucket {
    pub(super) tokens: f64,
    /// Time of the last refill, in microseconds since 1970.
    until: Option<i64>,
}

impl TokenBucket {
    /// Adds the tokens for the time since the last refill; the first one fills it. Its size is limited, so that the
    /// tokens of a quiet month are not spent in an hour.
    pub(super) fn refill(&mut self, per_day: f64, now: i64) {
        let most = size(per_day);
        let passed = self.until.map(|until| now.saturating_sub(until).max(0) as f64 / DAY_MICROS);
        self.tokens = passed.map_or(most, |days| (self.tokens + days * per_day).min(most));
        // A jump back of more than a day is a corrected clock.
        let ran_ahead = |until: i64| until.saturating_sub(now) as f64 > DAY_MICROS;
        self.until = Some(self.until.filter(|&until| !ran_ahead(until)).map_or(now, |until| until.max(now)));
    }

    /// Returns true if there is a token for an originator, local or not.
    pub(super) fn has_token(&self, per_day: f64, is_local: bool) -> bool {
        let reserved = if is_local { 0.0 } else { size(per_day) - (size(per_day) / 2.0).max(1.0) };
        self.tokens >= 1.0 + reserved
    }

    /// Takes a token.
    pub(super) fn take(&mut self) {
        self.tokens -= 1.0;
    }

    /// Returns true if its values are possible.
    pub(super) fn is_sound(&self) -> bool {
        (0.0..=MAX_EVIDENCE_PER_DAY).contains(&self.tokens)
    }
}

/// Size of the bucket, in tokens.
fn size(per_day: f64) -> f64 {
    (per_day * BUCKET_DAYS).clamp(1.0, MAX_EVIDENCE_PER_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::DAY;

    #[test]
    fn refills_with_time_up_to_its_size() {
        for (per_day, most) in [(0.1, 1.0), (2.0, 5.0), (9.0, 10.0)] {
            let mut bucket = TokenBucket::default();
            bucket.refill(per_day, 0);
            assert_eq!(bucket.tokens, most);
            bucket.tokens = 0.0;
            bucket.refill(per_day, 1000 * DAY);
            assert_eq!(bucket.tokens, most);
        }
        let mut bucket = TokenBucket { tokens: 0.0, until: Some(0) };
        let mut after = |now, tokens, until| {
            bucket.refill(2.0, now);
            assert_eq!(bucket, TokenBucket { tokens, until: Some(until) });
        };
        after(DAY, 2.0, DAY);
        after(DAY + DAY / 2, 3.0, DAY + DAY / 2);
        // Earlier times, by at most a day; a larger step is a corrected clock.
        after(DAY, 3.0, DAY + DAY / 2);
        after(DAY / 2, 3.0, DAY + DAY / 2);
        after(DAY / 2 - 1, 3.0, DAY / 2 - 1);
    }

    #[test]
    fn half_of_it_is_for_local_originators() {
        let has_token = |per_day, tokens| {
            let bucket = TokenBucket { tokens, until: None };
            [true, false].map(|is_local| bucket.has_token(per_day, is_local))
        };
        assert_eq!(
            [0.99, 1.0, 3.4, 3.5].map(|tokens| has_token(2.0, tokens)),
            [[false, false], [true, false], [true, false], [true, true]]
        );
        // A bucket of one token serves both.
        assert_eq!(has_token(0.1, 1.0), [true, true]);
    }

    #[test]
    fn impossible_numbers_of_tokens_are_not_sound() {
        let is_sound = |tokens| TokenBucket { tokens, until: None }.is_sound();
        let found = [f64::NAN, -0.5, 0.0, MAX_EVIDENCE_PER_DAY, MAX_EVIDENCE_PER_DAY + 0.5].map(is_sound);
        assert_eq!(found, [false, false, true, true, false]);
    }
}
