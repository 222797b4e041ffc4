//! Model of one log kind: forest, schema, calibration and provenance.

pub(crate) mod calibration;
pub(crate) mod encoder;
pub(crate) mod feature_stats;
pub(crate) mod file;
mod pareto_tail;
pub(crate) mod peer_group;
pub(crate) mod scoring;
pub(crate) mod train;

use iforest::Forest;
use serde::{Deserialize, Serialize};

use crate::context::pair_mean::PairPrior;
use crate::model::calibration::{Calibration, SCORE_UNITS, ScoreSurprisal};
use crate::model::encoder::Encoder;
use crate::model::feature_stats::{FeatureStats, MaximumRange};
use crate::model::peer_group::PeerGroup;
use crate::model::scoring::{RowScore, RowScorer, ScoreCache};
use crate::quantize::nearest;
use crate::schema::{FeatureRow, LogKind, Schema};
use crate::storage::envelope;

/// Trained model of one log kind: schema, forest, calibration and provenance. Immutable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    id: SchemaId,
    scorer: RowScorer,
    calibration: Calibration,
    provenance: Provenance,
    threshold: f64,
    #[serde(skip, default = "conn")]
    schema: &'static Schema,
    /// Surprisal of scores, computed when the model is loaded.
    #[serde(skip)]
    surprisal: ScoreSurprisal,
}

/// Log kind, version and fingerprint of the schema, in front of a model's payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SchemaId {
    log: String,
    version: u32,
    fingerprint: u64,
}

fn conn() -> &'static Schema {
    LogKind::Conn.schema()
}

impl SchemaId {
    fn of(schema: &Schema) -> Self {
        Self { log: schema.name.to_owned(), version: schema.version, fingerprint: schema.fingerprint() }
    }
}

/// Origin of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the software that trained it.
    pub software: String,
    /// Time of training, in microseconds since 1970; 0 if not recorded.
    pub trained_at: i64,
    /// Names of the training logs.
    pub sources: Vec<String>,
    /// End of the first training record, in microseconds since 1970.
    pub first_ts: i64,
    /// End of the last one.
    pub last_ts: i64,
    /// Observed time in microseconds, without silences of more than a day.
    pub time_seen: i64,
    /// Number of training connections.
    pub connections: u64,
    /// Rate of connections that alert budgets refer to; infinite if all have the same time. A sensor's rate decays like
    /// its sample.
    pub connections_per_day: f64,
    /// Number of sampled rows that the trees were built from and calibrated on.
    pub rows: u64,
    /// Seed of all random draws.
    pub seed: u64,
    /// Alert budget of the threshold.
    pub alerts_per_day: f64,
}

impl Provenance {
    /// Share of the connections that an alert budget allows.
    pub(crate) fn share_of_alerts(&self, alerts_per_day: f64) -> f64 {
        if self.connections_per_day > 0.0 { alerts_per_day / self.connections_per_day } else { 0.0 }
    }
}

impl Model {
    pub(crate) fn new(
        schema: &'static Schema,
        scorer: RowScorer,
        calibration: Calibration,
        provenance: Provenance,
        contamination: Option<f64>,
    ) -> Self {
        let surprisal = ScoreSurprisal::new(&calibration);
        let id = SchemaId::of(schema);
        let mut model = Self { id, scorer, calibration, provenance, threshold: 0.0, schema, surprisal };
        model.threshold = match contamination {
            Some(share) => model.threshold_for_share(share),
            None => model.threshold_for_alerts(model.provenance.alerts_per_day),
        };
        model
    }

    /// Copy with the same trees and another calibration.
    pub(crate) fn with_calibration(&self, calibration: Calibration, provenance: Provenance) -> Self {
        Self::new(self.schema, self.scorer.clone(), calibration, provenance, None)
    }

    /// Schema of the rows it scores.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// Returns true if a record that ended at this time (microseconds since 1970) was probably part of the training: it
    /// lies in the observed time, and the sample holds most of that time's rows. Such a record is scored as if it had
    /// not been learnt; otherwise the most unusual row of a log would look usual.
    pub(crate) fn has_learnt(&self, end: i64) -> bool {
        let Provenance { first_ts, last_ts, rows, connections, .. } = self.provenance;
        let is_whole = rows.saturating_mul(2) >= connections;
        // An imported forest cannot leave out a row.
        is_whole && (first_ts..=last_ts).contains(&end) && !self.forest().is_imported()
    }

    /// Score of a record's row; `end` is the record's end. `cache` saves work for rows that repeat parts of earlier
    /// rows.
    pub fn score_row(&self, row: &FeatureRow, end: i64, cache: &mut ScoreCache) -> RowScore {
        self.scorer.score(self.schema, row, self.has_learnt(end), cache)
    }

    /// Scores of many rows with the ends of their records, in order; faster than one at a time. `cache`: see
    /// [`Model::score_row`].
    pub fn score_rows(&self, rows: &[FeatureRow], ends: &[i64], cache: &mut ScoreCache) -> Vec<RowScore> {
        let learnt: Vec<bool> = ends.iter().map(|&end| self.has_learnt(end)).collect();
        self.scorer.score_rows(self.schema, rows, &learnt, cache)
    }

    /// Score of an encoded row by an exported graph: the forest for unicast traffic, and new maxima, but not
    /// routine.
    pub fn graph_score(&self, encoded: &FeatureRow) -> f64 {
        let mut unknown = *encoded;
        if let Some(routine) = self.schema.routine {
            unknown[usize::from(routine)] = 0.0;
        }
        self.final_score(self.row_score(&unknown, self.forest().score(encoded), false))
    }

    /// Score of an encoded row from that of the forest: lower for routine, with its new maxima.
    pub(crate) fn row_score(&self, encoded: &FeatureRow, forest: f64, learnt: bool) -> RowScore {
        self.scorer.row_score(self.schema, encoded, forest, learnt)
    }

    /// Final score in whole millionths, between 0 and 1: the forest's score, raised by new maxima.
    pub fn final_score(&self, score: RowScore) -> f64 {
        nearest((score.forest + (1.0 - score.forest) * score.new_maxima) * SCORE_UNITS) / SCORE_UNITS
    }

    /// Prior of a pair of hosts, with the median score; `None` for an imported forest, whose scores are final.
    pub(crate) fn pair_prior(&self) -> Option<PairPrior> {
        let prior = PairPrior { score: self.scorer.median, gain: self.schema.pair_gain };
        (!self.forest().is_imported()).then_some(prior)
    }

    /// Ranges of the amounts whose new maxima raise the score; empty for an imported forest.
    pub fn maxima(&self) -> Vec<MaximumRange> {
        if self.forest().is_imported() { Vec::new() } else { self.scorer.stats.maxima(self.schema).collect() }
    }

    /// Encoded row, as the forest sees it.
    pub fn encode(&self, row: &FeatureRow) -> FeatureRow {
        self.scorer.encoder.encode(row, false)
    }

    /// Alert threshold: scores at or above it are anomalous.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Threshold that about this many connections a day reach, at the connection rate of the training. A tenth of the
    /// budget, at most 10, is reserved for accumulated evidence. If bursts count once (see
    /// [`Schema::counts_bursts`](crate::Schema::counts_bursts)), it is the number of bursts a day, and nothing is reserved.
    pub fn threshold_for_alerts(&self, alerts_per_day: f64) -> f64 {
        if self.calibration.has_bursts() {
            return self.calibration.threshold_for_bursts(self.provenance.share_of_alerts(alerts_per_day));
        }
        self.calibration.threshold(self.share_of_single_alerts(alerts_per_day))
    }

    /// Share of the connections that alert by themselves, without what is reserved for evidence.
    fn share_of_single_alerts(&self, alerts_per_day: f64) -> f64 {
        let is_imported = self.forest().is_imported();
        let reserved = if is_imported { 0.0 } else { calibration::evidence_per_day(alerts_per_day) };
        self.provenance.share_of_alerts(alerts_per_day - reserved)
    }

    /// Returns true if the sample is too small for this budget, so that its threshold is extrapolated.
    pub fn is_extrapolated(&self, alerts_per_day: f64) -> bool {
        self.calibration.is_extrapolated(self.share_of_single_alerts(alerts_per_day))
    }

    /// Threshold that this share of the traffic reaches.
    pub fn threshold_for_share(&self, share: f64) -> f64 {
        self.calibration.threshold(share)
    }

    /// Surprisal of a score: -ln of the share of training with a score as high.
    pub(crate) fn surprisal(&self, score: f64) -> f32 {
        self.surprisal.of(score)
    }

    pub(crate) fn stats(&self) -> &FeatureStats {
        &self.scorer.stats
    }

    /// Forest for unicast traffic.
    pub fn forest(&self) -> &Forest {
        &self.scorer.forest
    }

    /// Forest that scores a row: the peer group's for its rows.
    pub(crate) fn forest_of(&self, row: &FeatureRow) -> &Forest {
        let peers = self.scorer.peers.as_ref().filter(|_| self.scorer.is_peer(self.schema, row));
        peers.map_or(&self.scorer.forest, PeerGroup::forest)
    }

    /// Counts of identities in training.
    pub(crate) fn encoder(&self) -> &Encoder {
        &self.scorer.encoder
    }

    /// Distribution of out-of-bag scores.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Origin of the model: software, logs, time, seed.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Checksum of the payload, as in the file; 0 if it cannot be encoded.
    pub fn checksum(&self) -> u64 {
        envelope::checksum(&self.to_bytes().unwrap_or_default())
    }

    /// Records the origin of the model.
    pub fn set_origin(&mut self, software: &str, trained_at: i64, sources: Vec<String>) {
        self.provenance.software = software.to_owned();
        self.provenance.trained_at = trained_at;
        self.provenance.sources = sources;
    }
}

#[cfg(test)]
mod tests {
    use super::file::{FORMAT, LATEST};
    use super::*;
    use crate::conn::schema::Column;
    use crate::error::{Contents, ErrorKind};
    use crate::{AlertPolicy, Connection, Extractor, Params, Trainer};

    use crate::units::DAY;

    /// Model of one day with 2000 different connections.
    fn day() -> impl Iterator<Item = Connection<'static>> {
        (0..2000).map(|i| {
            let mut c = Connection { ts: i * (DAY / 2000), duration: Some(i * 7919 % 90_001), ..Connection::default() };
            (c.orig.bytes, c.resp.bytes) = (Some((i * 31 % 701) as u64), Some((i * 131 % 7001) as u64));
            c
        })
    }

    fn trainer() -> Trainer {
        let mut params = Params::default();
        params.forest.n_trees = 17;
        let mut trainer = Trainer::new(params);
        day().for_each(|c| trainer.learn(&c));
        trainer
    }

    fn rows() -> Vec<FeatureRow> {
        let mut extractor = Extractor::default();
        let mut rows: Vec<FeatureRow> = day().map(|c| extractor.extract(&c)).collect();
        // A row with new maxima.
        rows[1000][Column::Duration as usize] = 127.0;
        rows
    }

    #[test]
    fn alerts_a_day_are_a_share_of_the_connections_a_day() {
        let of = |connections_per_day| Provenance { connections_per_day, ..Provenance::default() };
        assert_eq!(of(500.0).share_of_alerts(20.0), 0.04);
        assert_eq!(of(f64::INFINITY).share_of_alerts(20.0), 0.0);
        assert_eq!(of(0.0).share_of_alerts(20.0), 0.0);
    }

    #[test]
    fn a_tenth_of_the_budget_is_reserved_for_evidence() {
        let model = trainer().fit().unwrap();
        let at = |alerts: f64| model.threshold_for_share(model.provenance().share_of_alerts(alerts));
        assert_eq!((model.threshold(), model.threshold_for_alerts(20.0)), (at(18.0), at(18.0)));
        assert_eq!(model.threshold_for_alerts(200.0), at(190.0));
        assert_eq!(AlertPolicy::of(&model).evidence_per_day(), 2.0);
        assert!(at(22.0) < at(18.0) && at(18.0) < at(10.0) && (0.0..1.0).contains(&at(10.0)));
    }

    #[test]
    fn batch_scores_equal_single_scores() {
        let model = trainer().fit().unwrap();
        let rows = rows();
        let times: Vec<i64> = (0..rows.len() as i64).collect();
        let mut cache = ScoreCache::new();
        let scores = model.score_rows(&rows, &times, &mut cache);
        for ((row, &ts), &score) in rows.iter().zip(&times).zip(&scores) {
            assert_eq!(score, model.score_row(row, ts, &mut cache));
            let (exact, raised) = (score.forest + (1.0 - score.forest) * score.new_maxima, model.final_score(score));
            assert!((raised - exact).abs() <= 0.5e-6);
            assert!((raised * 1e6).fract().min(1.0 - (raised * 1e6).fract()) < 1e-6);
        }
        let record = model.final_score(scores[1000]);
        assert!(record > 0.9, "a record without compare: {record}");
        let columns: Vec<_> = model.maxima().iter().map(|range| range.column).collect();
        assert!(columns.contains(&(Column::Duration as usize)), "{columns:?}");
    }

    #[test]
    fn scores_of_an_imported_forest_are_final() {
        let forest = Forest::from_raw(&trainer().fit().unwrap().forest().to_raw()).unwrap();
        let model = trainer().import_forest(forest, None).unwrap();
        assert_eq!((model.maxima().len(), AlertPolicy::of(&model).evidence_per_day()), (0, 0.0));
        assert_eq!(model.score_row(&rows()[1000], 0, &mut ScoreCache::new()).new_maxima, 0.0);
        assert!(model.pair_prior().is_none());
        let share = model.provenance().share_of_alerts(20.0);
        assert_eq!(model.threshold_for_alerts(20.0), model.threshold_for_share(share));
    }

    #[test]
    fn surprisal_follows_the_calibration() {
        let model = trainer().fit().unwrap();
        assert_eq!(model.calibration().len(), 2000);
        let bytes = model.to_bytes().unwrap();
        let (low, high) = (model.surprisal(0.3), model.surprisal(0.999));
        assert!(low < 1.0 && (high - libm::logf(2001.0)).abs() < 1e-3, "{low} and {high}");
        let again = Model::from_bytes(&bytes).unwrap();
        assert_eq!((again.surprisal(0.3), again.surprisal(0.999)), (low, high), "made anew");
    }

    #[test]
    fn the_checksum_is_that_of_the_file_and_the_origin_is_recorded() {
        let mut model = trainer().fit().unwrap();
        let before = model.checksum();
        model.set_origin("1.2", 34, vec!["conn.log".into()]);
        let origin =
            (model.provenance().software.as_str(), model.provenance().trained_at, &model.provenance().sources[..]);
        assert_eq!(origin, ("1.2", 34, &["conn.log".to_owned()][..]));
        let bytes = model.to_bytes().unwrap();
        assert_eq!(model.checksum().to_le_bytes(), bytes[24..32]);
        assert_ne!(model.checksum(), before);
    }

    #[test]
    fn too_large_models_are_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        let mut model = trainer().fit().unwrap();
        model.save(&path).unwrap();
        // Each zero takes one byte in a file and four when decoded.
        model.calibration = Calibration::of_differences(vec![0; 17_000_000]);
        let bytes = model.to_bytes().unwrap();
        assert_eq!(Model::from_bytes(&bytes).unwrap().calibration.len(), 17_000_000);
        let before = std::fs::read(&path).unwrap();
        // The first is too large when decoded, the second in a file, where each value takes five bytes.
        for differences in [vec![0; 51_000_000], vec![u32::MAX; 14_000_000]] {
            model.calibration = Calibration::of_differences(differences);
            let refusal = model.save(&path).unwrap_err().to_string();
            assert!(refusal.contains("more than the limit of 64 MB; train fewer trees"), "{refusal}");
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }
    }

    #[test]
    fn a_budget_is_extrapolated_if_less_than_one_connection_of_the_sample_alerts_by_itself() {
        let model = trainer().fit().unwrap();
        let scores = model.calibration.len() as f64;
        let budget = |expected: f64| expected / scores / model.provenance.share_of_alerts(1.0);
        // A tenth is reserved for evidence.
        assert!(model.is_extrapolated(budget(1.05)) && !model.is_extrapolated(budget(1.15)));
    }

    /// Changes to a model that only validation detects, each with its message.
    #[test]
    fn rejects_models_with_invalid_values() {
        let model = trainer().fit().unwrap();
        let refused = |change: fn(&mut Model)| {
            let mut changed = model.clone();
            change(&mut changed);
            Model::from_bytes(&changed.to_bytes().unwrap()).err().map(|refusal| refusal.to_string())
        };
        assert_eq!([refused(|it| it.threshold = 0.0), refused(|it| it.threshold = 2.0)], [None, None]);
        let expected = model.schema().version;
        let of_other_features = |found| {
            Some(ErrorKind::OtherSchema { contents: Contents::Model, versions: Some([found, expected]) }.to_string())
        };
        assert_eq!(refused(|it| it.id.version += 1), of_other_features(expected + 1));
        assert_eq!(refused(|it| it.id.fingerprint ^= 1), of_other_features(expected));
        assert!(refused(|it| it.id.log = "ssl".into()).is_some_and(|text| text.contains("a model of ssl.log")));
        assert!(refused(|it| it.scorer.median = 1.5).is_some_and(|text| text.contains("median")));
        let not_scores: [fn(&mut Model); 3] =
            [|it| it.threshold = -1e-6, |it| it.threshold = 2.1, |it| it.threshold = f64::NAN];
        for change in not_scores {
            assert!(refused(change).is_some_and(|text| text.contains("threshold")));
        }
        assert_eq!(
            [refused(|it| it.provenance.trained_at = 0), refused(|it| it.provenance.trained_at = LATEST)],
            [None, None]
        );
        assert_eq!(refused(|it| it.provenance.trained_at = 1_800_000_000_000_000), None, "a day in 2027");
        let no_times: [fn(&mut Model); 2] =
            [|it| it.provenance.trained_at = -1, |it| it.provenance.trained_at = LATEST + 1];
        for change in no_times {
            assert!(refused(change).is_some_and(|text| text.contains("time of training")));
        }
        assert_eq!(refused(|it| it.provenance.alerts_per_day = 0.0), None);
        let no_budgets: [fn(&mut Model); 3] = [
            |it| it.provenance.alerts_per_day = -1.0,
            |it| it.provenance.alerts_per_day = f64::INFINITY,
            |it| it.provenance.alerts_per_day = f64::NAN,
        ];
        for change in no_budgets {
            assert!(refused(change).is_some_and(|text| text.contains("alert budget")));
        }
        let rates: [fn(&mut Model); 2] =
            [|it| it.provenance.connections_per_day = -1.0, |it| it.provenance.connections_per_day = f64::NAN];
        for change in rates {
            assert!(refused(change).is_some_and(|text| text.contains("connection rate")));
        }
        assert_eq!(refused(|it| it.provenance.connections_per_day = f64::INFINITY), None);
        assert_eq!(refused(|it| it.calibration = Calibration::new(&[0.25, 1.0])), None);
        let above = refused(|it| it.calibration = Calibration::new(&[0.25, 4.0]));
        assert!(above.is_some_and(|text| text.contains("scores above 1")));
        let mut bytes = bincode::serde::encode_to_vec(&model, bincode::config::standard()).unwrap();
        bytes.push(0);
        let longer = Model::from_bytes(&FORMAT.seal(&bytes)).unwrap_err();
        assert!(longer.to_string().contains("extra bytes"), "{longer}");
    }
}
