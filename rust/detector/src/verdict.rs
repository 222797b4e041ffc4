//! Verdict on one record, and the policy that decides it.

use crate::model::Model;
use crate::model::calibration::evidence_per_day;

/// Score of one record, with its alert decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Between 0 and 1, in whole millionths: about 0.5 for a typical record, higher for an unusual one.
    pub score: f64,
    /// True if and only if the score is at or above the threshold in force.
    pub alert: bool,
    /// Accumulated evidence, if it is reported with this record. It opens or extends an incident, but does not make the
    /// record an alert.
    pub evidence: Option<Evidence>,
    /// True if it adds to a sum of [`Evidence::FanOut`].
    pub adds_to_fan_out: bool,
}

/// Accumulated evidence, with the number of slightly unusual records that it consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Records of one service: of an originator with a responder on a port; in dns.log, of a client for a domain.
    Service(u32),
    /// First records of an originator with different responders on one port; in dns.log, of a client for different
    /// domains.
    FanOut(u32),
}

/// Alert threshold, and the budget for reports of accumulated evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertPolicy {
    threshold: f64,
    evidence_per_day: f64,
}

impl AlertPolicy {
    /// Threshold and budget of the model.
    pub fn of(model: &Model) -> Self {
        Self::new(model, model.threshold(), model.provenance().alerts_per_day)
    }

    /// Budget in alerts a day. A tenth, at most 10, is reserved for evidence.
    pub fn for_alerts(model: &Model, alerts_per_day: f64) -> Self {
        Self::new(model, model.threshold_for_alerts(alerts_per_day), alerts_per_day)
    }

    /// Budget as a share of the connections.
    pub fn for_share(model: &Model, share: f64) -> Self {
        Self::new(model, model.threshold_for_share(share), share * model.provenance().connections_per_day)
    }

    /// Fixed threshold. Evidence gets its share of the alerts a day that the threshold amounts to, at most that of the
    /// model's budget, and none if no score reaches the threshold.
    pub fn for_threshold(model: &Model, threshold: f64) -> Self {
        let provenance = model.provenance();
        let alerts_per_day = match threshold > 1.0 {
            true => 0.0,
            false => {
                let share = f64::from(libm::expf(-model.surprisal(threshold.max(0.0))));
                (share * provenance.connections_per_day).min(provenance.alerts_per_day)
            }
        };
        Self::new(model, threshold, alerts_per_day)
    }

    fn new(model: &Model, threshold: f64, alerts_per_day: f64) -> Self {
        let evidence_per_day = if model.forest().is_imported() { 0.0 } else { evidence_per_day(alerts_per_day) };
        Self { threshold, evidence_per_day }
    }

    /// Alert threshold: a record is an alert if and only if its score is at or above it.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Budget for reports of accumulated evidence, per day.
    pub fn evidence_per_day(&self) -> f64 {
        self.evidence_per_day
    }

    /// Returns true if a record with this score is an alert.
    pub fn is_alert(&self, score: f64) -> bool {
        score >= self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::model;

    #[test]
    fn one_budget_sets_threshold_and_evidence() {
        let model = model(20.0);
        assert_eq!(AlertPolicy::of(&model), AlertPolicy::for_alerts(&model, 20.0));
        let small = AlertPolicy::for_alerts(&model, 5.0);
        assert_eq!((small.threshold(), small.evidence_per_day()), (model.threshold_for_alerts(5.0), 0.5));
        assert_eq!(AlertPolicy::for_share(&model, 0.025).evidence_per_day().round(), 5.0);
    }

    #[test]
    fn fixed_threshold_limits_evidence_to_its_share() {
        let model = model(20.0);
        let at = |threshold| AlertPolicy::for_threshold(&model, threshold).evidence_per_day();
        assert!(at(model.threshold()) <= 2.0 && at(model.threshold()) > 1.0, "{}", at(model.threshold()));
        assert_eq!((at(0.0), at(1.5), at(7.0)), (2.0, 0.0, 0.0));
        assert!(at(1.0) < 0.2 && at(1.0) > 0.0, "{}", at(1.0));
    }
}
