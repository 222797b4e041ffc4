//! Exponential decay of counts, to 1/e in an hour.

use crate::units;

/// Time in which counts decay to 1/e, in seconds.
pub(crate) const HOUR_SECONDS: f32 = (units::HOUR / units::SECOND) as f32;

/// Converts microseconds to seconds.
pub(crate) fn seconds(micros: i64) -> f32 {
    micros as f32 / 1e6
}

/// Factor by which counts decay in a pause, in microseconds.
pub(crate) fn decay(since: i64) -> f32 {
    libm::exp2f(seconds(since) * (-std::f32::consts::LOG2_E / HOUR_SECONDS))
}
