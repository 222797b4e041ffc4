//! Score history: combines the score of a row with earlier scores, and returns the verdict.

use serde::{Deserialize, Serialize};

use crate::alert::cusum::{self, Cusum, Occurrence};
use crate::alert::pair_mean::{PairMean, PairMeans};
use crate::context::keys::ContextKeys;
use crate::context::table;
use crate::model::Model;
use crate::model::scoring::RowScore;
use crate::record::LogRecord;
use crate::verdict::{AlertPolicy, Verdict};

/// Pause from which a connection of two hosts counts in the average surprisal, in microseconds: a minute. The addresses
/// of a flood retry within seconds or never return.
const RETURN: i64 = 60_000_000;

/// Mean scores of pairs, and evidence that accumulates over services.
#[derive(Clone, Debug, Default)]
pub struct ScoreHistory {
    pairs: PairMeans,
    cusum: Cusum,
}

/// Score history in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pairs: table::Snapshot<PairMean>,
    pub(crate) cusum: cusum::Snapshot,
}

impl ScoreHistory {
    /// Empty history.
    pub fn new() -> Self {
        Self::default()
    }

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
        let (pause, forest) = match model.typical_score() {
            Some(typical) => self.pairs.add(keys.pair, end, score.forest, typical),
            None => (None, score.forest),
        };
        let occurrence = Occurrence {
            end,
            service: keys.service,
            returns: pause.is_some_and(|pause| pause >= RETURN) && !record.failed(),
            is_local: record.is_of_local_originator(),
        };
        self.cusum.verdict(model, policy, &occurrence, model.raise(RowScore { forest, ..score }))
    }

    /// Copy to write to a file.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { pairs: self.pairs.snapshot(), cusum: self.cusum.snapshot() }
    }

    /// History from a file; `None` if it contains impossible values.
    pub(crate) fn from_snapshot(snapshot: Snapshot) -> Option<Self> {
        let pairs = PairMeans::from_snapshot(snapshot.pairs)?;
        Some(Self { pairs, cusum: Cusum::from_snapshot(snapshot.cusum)? })
    }
}
