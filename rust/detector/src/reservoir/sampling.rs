//! Sampling parameters, and the random keys that rows draw.

use crate::reservoir::entry::Key;

/// Sampling parameters. Only reservoirs with equal sampling can be merged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Capacity in rows.
    pub capacity: usize,
    /// Half-life in microseconds: the weight of a row halves with this age. `None` weighs all rows equally.
    pub half_life: Option<i64>,
    /// Largest number of rows of one group, which keeps a flood from filling the reservoir. `None` for no limit.
    pub quota: Option<usize>,
}

impl Sampling {
    /// Uniform sampling.
    pub fn uniform(capacity: usize) -> Self {
        Self { capacity, half_life: None, quota: None }
    }

    /// Key of a row of time `ts`, from the logarithm of its draw from the exponential distribution.
    pub(super) fn key(&self, drawn: f64, ts: i64) -> Key {
        Key(match self.half_life {
            None => -libm::expm1(-libm::exp(drawn)),
            // Efraimidis and Spirakis (Information Processing Letters 97, 2006): exponential in the weight. The weight
            // is 2^(ts / half-life), a forward decay (Cormode et al., ICDE 2009), which overflows every type; hence the
            // logarithm of the key.
            Some(half_life) => drawn - log_weight(ts, half_life),
        })
    }

    /// Random number of a row, from its key.
    pub(super) fn drawn(&self, Key(key): Key, ts: i64) -> f64 {
        match self.half_life {
            None => libm::log(-libm::log1p(-key)),
            Some(half_life) => key + log_weight(ts, half_life),
        }
    }

    /// Returns true if it is a possible key.
    pub(crate) fn is_key(&self, key: f64) -> bool {
        key.is_finite() && (self.half_life.is_some() || (key > 0.0 && key < 1.0))
    }

    /// Returns true if it is a possible bound: a key, or the end of the keys between 0 and 1.
    pub(crate) fn is_bound(&self, bound: f64) -> bool {
        self.is_key(bound) || (self.half_life.is_none() && bound == 1.0)
    }
}

/// Logarithm of the weight of a row of time `ts`, relative to one of 1970.
pub(super) fn log_weight(ts: i64, half_life: i64) -> f64 {
    ts as f64 / half_life.max(1) as f64 * std::f64::consts::LN_2
}
