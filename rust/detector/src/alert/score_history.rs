//! Score history: combines the score of a row with earlier scores, and returns the verdict.

use serde::{Deserialize, Serialize};

use crate::alert::cusum::{Cusum, CusumSnapshot, EvidenceInput};
use crate::context::keys::ContextKeys;
use crate::context::pair_mean::{PairMean, PairMeans};
use crate::context::table::TableSnapshot;
use crate::model::Model;
use crate::model::scoring::RowScore;
use crate::record::LogRecord;
use crate::units::MINUTE;
use crate::verdict::{AlertPolicy, Verdict};

/// Pause from which a connection of two hosts counts in the average surprisal, in microseconds: a minute. The addresses
/// of a flood retry within seconds or never return.
const RETURN: i64 = MINUTE;

/// Mean scores of pairs, and accumulated evidence.
#[derive(Clone, Debug, Default)]
pub struct ScoreHistory {
    pairs: PairMeans,
    cusum: Cusum,
}

/// Score history in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScoreHistorySnapshot {
    pairs: TableSnapshot<PairMean>,
    pub(crate) cusum: CusumSnapshot,
}

impl ScoreHistory {
    /// Starts fetching the entries of a later record from memory, while other work goes on.
    pub fn prefetch(&self, keys: &ContextKeys) {
        self.pairs.prefetch(keys.pair);
        self.cusum.prefetch(keys);
    }

    /// Verdict on a record. Call it once per record, in order.
    pub fn verdict(
        &mut self,
        model: &Model,
        policy: &AlertPolicy,
        record: &LogRecord<'_>,
        keys: &ContextKeys,
        score: RowScore,
    ) -> Verdict {
        let end = record.end();
        let (pause, forest) = match model.pair_prior() {
            Some(prior) => self.pairs.add(keys.pair, end, score.forest, score.regularity, prior),
            None => (None, score.forest),
        };
        let score = model.final_score(RowScore { forest, ..score });
        // Chatter repeats by design, and nobody answers it. A stray reply says nothing about its sender.
        if record.is_chatter() || record.is_stray_reply() {
            return Verdict { score, alert: policy.is_alert(score), evidence: None, adds_to_fan_out: false };
        }
        let scored = EvidenceInput {
            end,
            service: keys.service,
            fan_out: pause.is_none().then_some(keys.fan_out),
            returns: pause.is_some_and(|pause| pause >= RETURN) && !record.failed(),
            is_local: record.is_of_local_originator(),
        };
        self.cusum.verdict(model, policy, &scored, score)
    }

    /// Copy to write to a file.
    pub(crate) fn snapshot(&self) -> ScoreHistorySnapshot {
        ScoreHistorySnapshot { pairs: self.pairs.snapshot(), cusum: self.cusum.snapshot() }
    }

    /// History from a file; `None` if it contains impossible values.
    pub(crate) fn from_snapshot(snapshot: ScoreHistorySnapshot) -> Option<Self> {
        let pairs = PairMeans::from_snapshot(snapshot.pairs)?;
        Some(Self { pairs, cusum: Cusum::from_snapshot(snapshot.cusum)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Connection;
    use crate::address::Address;
    use crate::fixtures::model;
    use crate::proto::Proto;
    use crate::verdict::Evidence;

    fn address(octets: [u8; 4]) -> Address {
        std::net::IpAddr::from(octets).into()
    }

    #[test]
    fn chatter_and_stray_replies_accumulate_no_evidence() {
        let model = model(20.0);
        let policy = AlertPolicy::of(&model);
        let reports = |responder: [u8; 4], history: &'static [u8]| {
            let mut c = Connection { proto: Proto::Tcp, history: Some(history), ..Connection::default() };
            (c.orig.addr, c.resp.addr) = (address([10, 0, 0, 1]), address(responder));
            let (mut history, keys) = (ScoreHistory::default(), ContextKeys::of(&c));
            let score = RowScore { forest: model.threshold() - 1e-6, ..RowScore::default() };
            (0..200).filter_map(|_| history.verdict(&model, &policy, &(&c).into(), &keys, score).evidence).count()
        };
        assert_eq!([reports([192, 0, 2, 1], b"S"), reports([224, 0, 0, 251], b"S")], [1, 0]);
        assert_eq!([reports([192, 0, 2, 1], b"R"), reports([192, 0, 2, 1], b"^r")], [0, 0]);
    }

    #[test]
    fn only_the_first_connection_of_two_hosts_is_evidence_of_new_hosts() {
        let model = model(20.0);
        let policy = AlertPolicy::of(&model);
        let kinds = |hosts: u8| {
            let mut history = ScoreHistory::default();
            let verdicts = (0..200).map(|i| {
                let mut c = Connection::default();
                (c.orig.addr, c.resp.addr) = (address([10, 0, 0, 1]), address([192, 0, 2, i % hosts]));
                let score = RowScore { forest: model.threshold() - 1e-6, ..RowScore::default() };
                history.verdict(&model, &policy, &(&c).into(), &ContextKeys::of(&c), score).evidence
            });
            verdicts.flatten().map(|it| matches!(it, Evidence::FanOut(_))).collect::<Vec<_>>()
        };
        assert_eq!([kinds(1), kinds(200)], [[false], [true]]);
    }
}
