//! Quotas of a sensor's reservoir, and the group of each record that it learns.
//!
//! The sample is recency-weighted. Two quotas keep a flood or a scan from becoming usual by sheer number:
//!
//! * the connections of one originator: at most 1/256 of the reservoir an hour;
//! * the connections that the loaded model alerts on: at most 1/256 of the reservoir a day, enough for many days' alerts
//!   but not for a scan.
//!
//! The scripts decide when to fit and what happens to the model.

use twox_hash::XxHash3_64;

use crate::record::LogRecord;
use crate::reservoir::Reservoir;
use crate::reservoir::entry::QuotaGroup;
use crate::reservoir::sampling::Sampling;
use crate::schema::FeatureRow;
use crate::units::{DAY, HOUR};

/// Number of groups that fill a reservoir.
const GROUPS_TO_FILL: usize = 256;
/// Smallest quota of a group.
const MIN_QUOTA: usize = 16;

impl Sampling {
    /// Sampling of a sensor: `capacity` rows, each counting half as much after `half_life` microseconds.
    pub fn for_sensor(capacity: usize, half_life: i64) -> Self {
        Self { capacity, half_life: Some(half_life), quota: Some((capacity / GROUPS_TO_FILL).max(MIN_QUOTA)) }
    }
}

impl Reservoir {
    /// Offers the row of a connection to a reservoir that samples by [`Sampling::for_sensor`]. `alert` is true if the
    /// active model alerts on it. The end of a connection is limited to `now`.
    pub fn learn<'a>(&mut self, record: impl Into<LogRecord<'a>>, row: &FeatureRow, alert: bool, now: i64) {
        let record = record.into();
        // The end counts, so that a connection that was open for days is recent.
        let end = record.end().min(now);
        let group = match alert {
            true => hash(&[], end.div_euclid(DAY)),
            false => hash(&record.originator().0, end.div_euclid(HOUR)),
        };
        self.offer(row, end, QuotaGroup::new(group, alert));
    }
}

fn hash(whose: &[u8], when: i64) -> u64 {
    XxHash3_64::oneshot_with_seed(when as u64, whose)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::MAX_COLUMNS;
    use crate::{Address, ConnState, Connection, Detector, Extractor, Model, Params, Proto, fit};

    /// Connection `i` of `n` in a day of a small network: twenty desks, five servers, web and DNS.
    fn ordinary(i: i64, n: i64, day: i64) -> Connection<'static> {
        let mut c = Connection { ts: day * DAY + i * (DAY / n), proto: Proto::Tcp, ..Connection::default() };
        c.orig.addr = Address::from(std::net::IpAddr::from([10, 1, 1, (i * 7 % 20) as u8]));
        c.resp.addr = Address::from(std::net::IpAddr::from([10, 1, 2, (i * i % 5) as u8]));
        (c.orig.port, c.resp.port) = (40_000 + (i % 20_000) as u16, if i % 3 == 0 { 53 } else { 443 });
        (c.conn_state, c.duration) = (Some(ConnState::SF), Some(100_000 + i * 7919 % 900_000));
        (c.service, c.history) = (Some(if i % 3 == 0 { &b"dns"[..] } else { b"ssl" }), Some(&b"ShADadFf"[..]));
        (c.orig.bytes, c.resp.bytes) = (Some(300 + (i * 31 % 500) as u64), Some(2000 + (i * 37 % 9000) as u64));
        (c.orig.pkts, c.resp.pkts) = (Some(8), Some(9));
        c
    }

    /// Connection `i` of a scan by one desk of all ports of all hosts.
    fn scan(i: i64, n: i64, day: i64) -> Connection<'static> {
        let mut c = Connection { ts: day * DAY + i * (DAY / n), proto: Proto::Tcp, ..Connection::default() };
        c.orig.addr = Address::from(std::net::IpAddr::from([10, 1, 1, 3]));
        c.resp.addr = Address::from(std::net::IpAddr::from([10, 1, 3 + (i / 60_000) as u8, (i % 250) as u8]));
        (c.orig.port, c.resp.port) = (50_000, (i * 101 % 60_000) as u16);
        (c.conn_state, c.history, c.orig.pkts) = (Some(ConnState::S0), Some(&b"S"[..]), Some(1));
        c
    }

    fn fitted(reservoir: &Reservoir) -> Model {
        fit(reservoir.snapshot(), &Params::default()).unwrap()
    }

    #[test]
    fn scan_stays_unusual_after_a_day_with_a_million_connection_scan() {
        const A_DAY: i64 = 20_000;
        const SCAN: i64 = 1_000_000;
        let mut reservoir = Reservoir::new(Sampling::for_sensor(8192, 7 * DAY), 1);
        let mut extractor = Extractor::default();
        for i in 0..A_DAY {
            let c = ordinary(i, A_DAY, 1);
            reservoir.learn(&c, &extractor.extract(&c), false, i64::MAX);
        }
        let mut detector = Detector::new(fitted(&reservoir));
        detector.set_state(extractor, crate::ScoreHistory::default());
        let scores_of = |detector: &mut Detector, day: i64, every: i64, learning: Option<&mut Reservoir>| {
            let mut learning = learning;
            let (mut scanned, mut usual) = (Vec::new(), Vec::new());
            for i in (0..SCAN).step_by(every as usize) {
                let mut one = |c: Connection<'_>, scores: &mut Vec<f64>| {
                    let verdict = detector.score(&c);
                    scores.push(verdict.score);
                    if let Some(reservoir) = &mut learning {
                        reservoir.learn(&c, detector.row(), verdict.alert, i64::MAX);
                    }
                };
                if i % (SCAN / A_DAY) == 0 {
                    one(ordinary(i * A_DAY / SCAN, A_DAY, day), &mut usual);
                }
                one(scan(i, SCAN, day), &mut scanned);
            }
            let median = |scores: &mut Vec<f64>| {
                scores.sort_by(f64::total_cmp);
                scores[scores.len() / 2]
            };
            (median(&mut scanned), median(&mut usual))
        };
        let (before, _) = scores_of(&mut detector, 2, 1, Some(&mut reservoir));
        detector.replace_model(fitted(&reservoir));
        let (after, usual) = scores_of(&mut detector, 3, 10, None);
        let threshold = detector.model().threshold();
        assert!(after > threshold, "{after} after, {before} before, threshold {threshold}, ordinary {usual}");
        assert!(after > usual + 0.1 && usual < threshold, "{after} after, {before} before, ordinary {usual}");
    }

    #[test]
    fn limits_one_originator_per_hour() {
        let mut reservoir = Reservoir::new(Sampling::for_sensor(8192, DAY), 1);
        for i in 0..10_000 {
            let mut c = ordinary(i, 10_000, 1);
            c.orig.addr = Address::default();
            reservoir.learn(&c, &[0.0; MAX_COLUMNS], false, i64::MAX);
        }
        // A day has 24 hours; the last connections end in the next.
        assert!((24 * 32..=25 * 32).contains(&reservoir.len()), "{}", reservoir.len());
        for i in 0..10_000 {
            reservoir.learn(&ordinary(i, 10_000, 2), &[1.0; MAX_COLUMNS], true, i64::MAX);
        }
        assert_eq!(reservoir.rows().filter(|row| row[0] == 1.0).count(), 32);
    }
}
