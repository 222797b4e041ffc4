//! Cumulative sums: evidence from many slightly unusual connections to one service, such as those of a beacon, a tunnel
//! or slow password guessing; or to many new hosts on one port, such as those of a scan.
//!
//! For every originator, responder, protocol and port the surprisal of its connections (-ln of the share of training
//! that scored as high) is summed minus an allowance, never below zero: the cumulative sum test of Page, *Continuous
//! inspection schemes*, Biometrika 1954. The first connections of an originator with each responder are also summed
//! for every protocol and port, whatever the responder. When a sum exceeds the limit, it is reported, and opens or
//! extends an incident; it can be reported again after it returned to zero, or after an hour without a connection. Sums
//! decay with a time constant of a day.
//!
//! Every network has services that are always slightly unusual, so a token bucket limits these reports (see
//! [`evidence_per_day`](crate::model::calibration::evidence_per_day)). Without a token, a report waits. Half of a full
//! bucket is reserved for local originators, so that a flood from outside does not delay their reports.

use serde::{Deserialize, Serialize};

use crate::alert::incident::INCIDENT_TIMEOUT;
use crate::alert::token_bucket::TokenBucket;
use crate::context::keys::ContextKeys;
use crate::context::table::{Table, TableSnapshot};
use crate::model::Model;
use crate::units;
use crate::verdict::{AlertPolicy, Evidence, Verdict};

/// Surprisal above the average that adds nothing to the sum. The average is 1 for traffic like the training data; a
/// higher one means that the model fits this network badly, so its surprisals count for less. Only answered connections
/// of hosts that return count in the average: a flood must not raise it.
const ALLOWANCE: f32 = 1.5;
/// Number of connections that the moving average covers.
const AVERAGE_WINDOW: f32 = 4096.0;
/// Weight of the prior, in connections with the average surprisal of training.
const PRIOR_WEIGHT: f32 = 64.0;
/// Sum at which evidence is reported.
const LIMIT: f32 = 25.0;
/// Largest sum. A series that alerts is not reported; a bound lets its sum fall below the limit within a day.
const MAX_SUM: f32 = 2.0 * LIMIT;
/// Time in which sums decay to 1/e: a day, in microseconds.
const DAY_MICROS: f64 = units::DAY as f64;
/// Size of the table of sums, as a power of 2.
const SUMS: u32 = 17;
/// Pause after which evidence can be reported again. By default its incident has closed by then.
const REPORT_AGAIN_AFTER: i64 = INCIDENT_TIMEOUT;

/// Sums of all services and originators, in bounded memory: about 4 megabytes.
#[derive(Clone, Debug)]
pub struct Cusum {
    sums: Table<Sum>,
    /// Moving average of the surprisal, and the number of connections in it, up to [`AVERAGE_WINDOW`].
    average: f32,
    averaged: f32,
    bucket: TokenBucket,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Sum {
    sum: f32,
    connections: u32,
    reported: bool,
}

/// Sums in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CusumSnapshot {
    sums: TableSnapshot<Sum>,
    pub(crate) average: f32,
    averaged: f32,
    bucket: TokenBucket,
}

impl Default for Cusum {
    fn default() -> Self {
        Self { sums: Table::new(SUMS), average: 1.0, averaged: 0.0, bucket: TokenBucket::default() }
    }
}

/// Fields of a record that evidence depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EvidenceInput {
    /// Its end, in microseconds since 1970.
    pub(crate) end: i64,
    /// Hash of its hosts and service.
    pub(crate) service: u64,
    /// Hash of its originator, protocol and port; `None` unless it is the first connection of the two hosts.
    pub(crate) fan_out: Option<u64>,
    /// True for an answered connection of two hosts whose last connection was some time ago.
    pub(crate) returns: bool,
    /// True if its originator is in the local network.
    pub(crate) is_local: bool,
}

impl Cusum {
    /// Verdict on a connection with this score. Call it once per connection, in order.
    pub(crate) fn verdict(
        &mut self,
        model: &Model,
        policy: &AlertPolicy,
        scored: &EvidenceInput,
        score: f64,
    ) -> Verdict {
        let &EvidenceInput { end, service, fan_out, returns, is_local } = scored;
        let own = Verdict { score, alert: policy.is_alert(score), evidence: None, adds_to_fan_out: false };
        let per_day = policy.evidence_per_day();
        if per_day <= 0.0 {
            return own;
        }
        self.bucket.refill(per_day, end);
        let surplus = self.surplus(model.surprisal(score), returns);
        // An ordinary record is no part of the evidence, and one that alerts opens an incident itself.
        let may_report = surplus > 0.0 && !own.alert && self.bucket.has_token(per_day, is_local);
        let of_service = self.add(service, end, surplus, may_report).map(Evidence::Service);
        let fan_out = fan_out.filter(|_| !own.alert);
        let may_report = may_report && of_service.is_none();
        let of_fan_out = fan_out.and_then(|key| self.add(key, end, surplus, may_report)).map(Evidence::FanOut);
        let evidence = of_service.or(of_fan_out);
        if evidence.is_some() {
            self.bucket.take();
        }
        Verdict { evidence, adds_to_fan_out: fan_out.is_some() && surplus > 0.0, ..own }
    }

    /// Adds a connection to a sum. Returns the number of connections in the sum if it is to be reported.
    fn add(&mut self, key: u64, end: i64, surplus: f32, may_report: bool) -> Option<u32> {
        let visit = match surplus > 0.0 {
            true => self.sums.visit(key, end),
            false => self.sums.revisit(key, end)?,
        };
        let (since, sum) = (visit.since.unwrap_or(0), visit.value);
        if sum.reported && since >= REPORT_AGAIN_AFTER {
            *sum = Sum::default();
        }
        let decay = libm::expf(-(since as f64 / DAY_MICROS) as f32);
        sum.sum = (sum.sum * decay + surplus).min(MAX_SUM);
        sum.connections = sum.connections.saturating_add(1);
        if sum.sum <= 0.0 {
            *sum = Sum::default();
        }
        let is_due = may_report && sum.sum >= LIMIT && !sum.reported;
        sum.reported |= is_due;
        is_due.then_some(sum.connections)
    }

    /// Starts fetching the entry of a service, see [`Table::prefetch`].
    pub(crate) fn prefetch(&self, keys: &ContextKeys) {
        self.sums.prefetch(keys.service);
    }

    /// Copy to write to a file.
    pub(crate) fn snapshot(&self) -> CusumSnapshot {
        let Self { average, averaged, bucket, .. } = *self;
        CusumSnapshot { sums: self.sums.snapshot(), average, averaged, bucket }
    }

    /// Sums from a file; `None` if it contains impossible values.
    pub(crate) fn from_snapshot(snapshot: CusumSnapshot) -> Option<Self> {
        let CusumSnapshot { sums, average, averaged, bucket } = snapshot;
        let sums = Table::from_snapshot(sums, SUMS, |sum| (0.0..=f32::MAX).contains(&sum.sum))?;
        let sound =
            (0.0..=f32::MAX).contains(&average) && (0.0..=AVERAGE_WINDOW).contains(&averaged) && bucket.is_sound();
        sound.then_some(Self { sums, average, averaged, bucket })
    }

    /// Surprisal above the average and the allowance.
    fn surplus(&mut self, surprisal: f32, returns: bool) -> f32 {
        if returns {
            self.averaged = (self.averaged + 1.0).min(AVERAGE_WINDOW);
            self.average += (surprisal - self.average) / (self.averaged + PRIOR_WEIGHT);
        }
        surprisal - self.average.max(1.0) - ALLOWANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::model;
    use crate::units::DAY;

    /// A connection of a local host that returns.
    fn at(end: i64, service: u64) -> EvidenceInput {
        EvidenceInput { end, service, fan_out: None, returns: true, is_local: true }
    }

    fn sum(cusum: &Cusum, service: u64) -> Sum {
        // On a copy, because each visit records its time.
        cusum.clone().sums.revisit(service, 0).map_or_else(Sum::default, |visit| *visit.value)
    }

    /// State after enough traffic that a few connections hardly change the average.
    fn settled() -> Cusum {
        Cusum { averaged: AVERAGE_WINDOW, ..Cusum::default() }
    }

    #[test]
    fn average_surprisal_adds_nothing() {
        let mut cusum = Cusum::default();
        assert_eq!(cusum.surplus(66.0, true), 66.0 - 2.0 - ALLOWANCE);
        assert_eq!((cusum.average, cusum.averaged), (2.0, 1.0));
        assert_eq!(cusum.surplus(2.0, true), -ALLOWANCE);
        // An average below 1 counts as 1.
        let mut cusum = Cusum::default();
        assert_eq!(cusum.surplus(0.0, true), -1.0 - ALLOWANCE);
        let mut cusum = Cusum { averaged: AVERAGE_WINDOW, ..Cusum::default() };
        assert_eq!(
            cusum.surplus(1.0 + AVERAGE_WINDOW + PRIOR_WEIGHT, true),
            AVERAGE_WINDOW + PRIOR_WEIGHT - 1.0 - ALLOWANCE
        );
        assert_eq!(cusum.averaged, AVERAGE_WINDOW);
    }

    #[test]
    fn reports_a_service_again_after_a_quiet_hour() {
        let model = model(20.0);
        let policy = AlertPolicy::of(&model);
        let unusual = model.threshold() - 1e-6;
        let mut cusum = settled();
        let mut reports = |start: i64| {
            let verdicts = (0..40).map(|i| cusum.verdict(&model, &policy, &at(start + i, 7), unusual));
            verdicts.filter(|verdict| verdict.evidence.is_some()).count()
        };
        assert_eq!([0, 1, REPORT_AGAIN_AFTER, 2 * REPORT_AGAIN_AFTER + 100].map(&mut reports), [1, 0, 0, 1]);
    }

    #[test]
    fn slightly_unusual_connections_are_reported_once() {
        let model = model(20.0);
        let unusual = model.threshold() - 1e-6;
        let surprisal = model.surprisal(unusual);
        assert!(surprisal > 4.0, "{surprisal}");
        let (mut cusum, mut twin) = (settled(), settled());
        let (mut expected, mut connections) = (0.0, 0);
        while expected < LIMIT {
            let before = cusum.verdict(&model, &AlertPolicy::of(&model), &at(0, 7), unusual);
            expected += twin.surplus(surprisal, true);
            connections += 1;
            assert_eq!(sum(&cusum, 7).sum, expected);
            let evidence = (expected >= LIMIT).then_some(Evidence::Service(connections));
            assert_eq!(before, Verdict { score: unusual, alert: false, evidence, adds_to_fan_out: false });
        }
        assert!(connections > 4, "{connections}");
        assert_eq!(cusum.bucket.tokens, 4.0);
        let own = Verdict { score: unusual, alert: false, evidence: None, adds_to_fan_out: false };
        assert_eq!(cusum.verdict(&model, &AlertPolicy::of(&model), &at(0, 7), unusual), own);
        assert_eq!(cusum.bucket.tokens, 4.0);
    }

    #[test]
    fn sums_decay_in_a_day_and_fall_with_typical_connections() {
        let model = model(20.0);
        let unusual = model.threshold() - 1e-6;
        let mut cusum = settled();
        for _ in 0..4 {
            cusum.verdict(&model, &AlertPolicy::of(&model), &at(DAY, 7), unusual);
        }
        let (before, mut twin) = (sum(&cusum, 7), cusum.clone());
        cusum.verdict(&model, &AlertPolicy::of(&model), &at(2 * DAY, 7), unusual);
        let after = before.sum * libm::expf(-1.0) + twin.surplus(model.surprisal(unusual), true);
        assert_eq!((sum(&cusum, 7).sum, sum(&cusum, 7).connections), (after, 5));
        // Typical connections lower an existing sum to zero at most, and create none.
        let before = sum(&cusum, 7).sum;
        let mut twin = cusum.clone();
        cusum.verdict(&model, &AlertPolicy::of(&model), &at(2 * DAY, 7), 0.0);
        assert_eq!(sum(&cusum, 7).sum, before + twin.surplus(model.surprisal(0.0), true));
        cusum.verdict(&model, &AlertPolicy::of(&model), &at(2 * DAY, 8), 0.0);
        assert!(cusum.sums.revisit(8, 2 * DAY).is_none());
        for _ in 0..20 {
            cusum.verdict(&model, &AlertPolicy::of(&model), &at(2 * DAY, 7), 0.0);
        }
        let Sum { sum, connections, reported } = sum(&cusum, 7);
        assert_eq!((sum, connections, reported), (0.0, 0, false));
    }

    #[test]
    fn reports_wait_for_alerts_and_tokens() {
        let model = model(20.0);
        let (unusual, anomalous) = (model.threshold() - 1e-6, model.threshold());
        let mut cusum = settled();
        for _ in 0..100 {
            let own = Verdict { score: anomalous, alert: true, evidence: None, adds_to_fan_out: false };
            assert_eq!(cusum.verdict(&model, &AlertPolicy::of(&model), &at(0, 7), anomalous), own);
        }
        assert!(!sum(&cusum, 7).reported && sum(&cusum, 7).sum > LIMIT);
        cusum.bucket.tokens = 0.99;
        assert_eq!(cusum.verdict(&model, &AlertPolicy::of(&model), &at(0, 7), unusual).evidence, None);
        cusum.bucket.tokens = 1.0;
        assert_eq!(
            cusum.verdict(&model, &AlertPolicy::of(&model), &at(0, 7), unusual).evidence,
            Some(Evidence::Service(102))
        );
        assert_eq!(cusum.bucket.tokens, 0.0);
    }

    #[test]
    fn connections_to_many_new_hosts_on_one_port_are_reported_once() {
        let model = model(20.0);
        let (policy, unusual) = (AlertPolicy::of(&model), model.threshold() - 1e-6);
        let reports = |fan_out| {
            let mut cusum = settled();
            let scan = (0..50).map(|i| EvidenceInput { fan_out, returns: false, ..at(0, 100 + i) });
            let verdicts = scan.map(|it| cusum.verdict(&model, &policy, &it, unusual));
            let evidence: Vec<_> = verdicts.filter_map(|verdict| verdict.evidence).collect();
            (evidence, cusum.bucket.tokens)
        };
        assert_eq!(reports(None), (vec![], 5.0));
        let (evidence, tokens) = reports(Some(7));
        assert!(matches!(evidence[..], [Evidence::FanOut(5..20)]), "{evidence:?}");
        assert_eq!(tokens, 4.0);
    }

    #[test]
    fn an_ordinary_connection_is_not_reported_for_a_series_that_alerted() {
        let model = model(20.0);
        let policy = AlertPolicy::of(&model);
        let mut cusum = settled();
        let mut evidence = |end, score| cusum.verdict(&model, &policy, &at(end, 7), score).evidence;
        for _ in 0..1000 {
            assert_eq!(evidence(0, model.threshold()), None);
        }
        assert_eq!(evidence(1, 0.0), None);
        // The sum is bounded, so it is below the limit a day later.
        assert_eq!(evidence(DAY, model.threshold() - 1e-6), None);
    }

    #[test]
    fn alerts_add_nothing_to_the_sum_of_new_hosts() {
        let model = model(20.0);
        let policy = AlertPolicy::of(&model);
        let mut cusum = settled();
        let mut adds = |service, score| {
            let scored = EvidenceInput { fan_out: Some(7), ..at(0, service) };
            cusum.verdict(&model, &policy, &scored, score).adds_to_fan_out
        };
        assert!(!adds(100, 0.0) && !adds(101, model.threshold()) && adds(102, model.threshold() - 1e-6));
        assert_eq!(sum(&cusum, 7).connections, 1);
    }

    #[test]
    fn only_returning_hosts_change_the_average() {
        let mut cusum = Cusum::default();
        for _ in 0..10_000 {
            assert_eq!(cusum.surplus(7.0, false), 7.0 - 1.0 - ALLOWANCE);
        }
        assert_eq!((cusum.average, cusum.averaged), (1.0, 0.0));
        cusum.surplus(7.0, true);
        assert!(cusum.average > 1.0 && cusum.averaged == 1.0);
    }

    #[test]
    fn external_originators_leave_half_of_the_bucket_to_local_ones() {
        let model = model(20.0);
        let (policy, unusual) = (AlertPolicy::of(&model), model.threshold() - 1e-6);
        let mut cusum = settled();
        let mut reports = |is_local, services: std::ops::Range<u64>| {
            let occurrences = services.map(|service| EvidenceInput { is_local, returns: false, ..at(0, service) });
            let repeated = occurrences.flat_map(|scored| std::iter::repeat_n(scored, 100));
            repeated.filter(|it| cusum.verdict(&model, &policy, it, unusual).evidence.is_some()).count()
        };
        assert_eq!((reports(false, 10..100), reports(true, 100..200)), (2, 3));
        // A bucket of one token serves both.
        let policy = AlertPolicy::for_alerts(&model, 2.0);
        let external = EvidenceInput { is_local: false, returns: false, ..at(0, 7) };
        let mut cusum = settled();
        let mut verdicts = (0..100).map(|_| cusum.verdict(&model, &policy, &external, unusual));
        assert!(verdicts.any(|verdict| verdict.evidence.is_some()));
    }

    #[test]
    fn no_budget_means_no_evidence() {
        let mut cusum = Cusum::default();
        let model = model(0.0);
        cusum.verdict(&model, &AlertPolicy::of(&model), &at(DAY, 7), 0.9);
        assert_eq!((cusum.averaged, cusum.bucket, sum(&cusum, 7).connections), (0.0, TokenBucket::default(), 0));
    }

    #[test]
    fn snapshot_restores_valid_evidence() {
        let mut cusum = Cusum { average: 1.5, averaged: 9.0, ..Cusum::default() };
        cusum.bucket.refill(1.0, 5);
        cusum.sums.visit(7, 5).value.sum = 12.0;
        let again = Cusum::from_snapshot(cusum.snapshot()).unwrap();
        assert_eq!((again.average, again.averaged, again.bucket), (1.5, 9.0, cusum.bucket));
        assert_eq!(sum(&again, 7).sum, 12.0);
        let damaged = |damage: fn(&mut Cusum)| {
            let mut cusum = cusum.clone();
            damage(&mut cusum);
            Cusum::from_snapshot(cusum.snapshot()).is_none()
        };
        assert!(damaged(|it| it.average = f32::NAN));
        assert!(damaged(|it| it.average = -1.0));
        // A value that would lead to a division by zero, and one out of range.
        assert!(damaged(|it| it.averaged = -1.0 - PRIOR_WEIGHT) && damaged(|it| it.averaged = AVERAGE_WINDOW + 1.0));
        assert!(damaged(|it| it.averaged = f32::INFINITY));
        assert!(damaged(|it| it.bucket.tokens = f64::NAN));
        assert!(!damaged(|it| (it.averaged, it.average) = (AVERAGE_WINDOW, 0.0)));
        assert!(damaged(|it| it.sums.visit(7, 5).value.sum = f32::NAN));
        assert!(damaged(|it| it.sums.visit(7, 5).value.sum = -1.0));
    }
}
