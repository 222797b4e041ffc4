//! The model and its file.
//!
//! A file is a [sealed](crate::storage::envelope) payload in bincode (standard configuration, via serde), with the
//! magic `ZIFOREST`.
//!
//! bincode stays behind this file: nothing else depends on how the payload is written.

pub(crate) mod calibration;
pub(crate) mod category_counts;
pub(crate) mod feature_stats;
pub(crate) mod train;

use std::io;
use std::path::Path;

use bincode::enc::write::SizeWriter;
use iforest::{Forest, Matrix};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alert::cusum;
use crate::conn::features::FeatureRow;
use crate::conn::schema;
use crate::model::calibration::{Calibration, SCORE_UNITS, Surprisal};
use crate::model::category_counts::CategoryCounts;
use crate::model::feature_stats::{FeatureStats, RecordRange};
use crate::quantize::nearest;
use crate::storage::atomic_file;
use crate::storage::envelope::{self, Broken, Envelope};
use crate::storage::error::Fault;
use crate::storage::error::FileError;
use crate::storage::trust::Trust;

/// Ten times a forest of 1,000 trees; anything larger is no model of this software.
const MAX_PAYLOAD: usize = 64 << 20;
const SEAL: Envelope = Envelope { magic: b"ZIFOREST", version: 3, max_payload: MAX_PAYLOAD };
/// Largest payload with each number at its full size, as bincode counts it. A split and a leaf take at least 8 bytes of
/// a payload, and 18 at full size.
const MAX_UNPACKED: usize = 3 * MAX_PAYLOAD;
/// Latest time of training, in the year 2255: until then Zeek's times, which are doubles, resolve microseconds, which
/// identify models.
const LATEST: i64 = 1 << 53;

/// Trained model: schema, trees, calibration and origin. Immutable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    schema_version: u32,
    schema_fingerprint: u64,
    categories: CategoryCounts,
    stats: FeatureStats,
    forest: Forest,
    calibration: Calibration,
    provenance: Provenance,
    threshold: f64,
    /// Surprisal of scores, computed when a model is loaded.
    #[serde(skip)]
    surprisal: Surprisal,
}

/// Origin of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the software that trained it.
    pub software: String,
    /// When it was trained, in microseconds since 1970; 0 if not recorded.
    pub trained_at: i64,
    /// Names of the logs it was trained on.
    pub sources: Vec<String>,
    /// The earliest `ts` learnt from, in microseconds since 1970.
    pub first_ts: i64,
    /// The latest.
    pub last_ts: i64,
    /// How long that is in microseconds, without silences of more than a day.
    pub time_seen: i64,
    /// How many connections were learnt from.
    pub connections: u64,
    /// See [`Provenance::connections_per_day`].
    pub(crate) connections_per_day: f64,
    /// How many of their rows the trees were grown from and calibrated on.
    pub rows: u64,
    /// The seed of every random draw.
    pub seed: u64,
    /// The alert budget that set the threshold.
    pub alerts_per_day: f64,
}

impl Provenance {
    /// Share of the connections that an alert budget allows.
    pub(crate) fn share_of_alerts(&self, alerts_per_day: f64) -> f64 {
        if self.connections_per_day > 0.0 { alerts_per_day / self.connections_per_day } else { 0.0 }
    }

    /// Rate of connections that alert budgets refer to; infinite if they all have the same time. A sensor's rate is
    /// recent: it fades like the sample.
    pub fn connections_per_day(&self) -> f64 {
        self.connections_per_day
    }
}

/// Reason to refuse the contents of a model file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Another kind of file.
    #[error("is not a zeek-iforest model; make one with `zeek-iforest train`")]
    NotAModel,
    /// Trained on other features.
    #[error(
        "was trained on version {found} of the features, this version computes {}; train it again",
        schema::VERSION
    )]
    OtherSchema {
        /// The schema version found.
        found: u32,
    },
    /// Cut short, changed, or from a later version of the software.
    #[error("{0}")]
    Broken(Broken),
    /// The payload cannot be decoded or breaks a rule of the forest.
    #[error("is damaged: {0}; train it again")]
    Invalid(String),
}

impl Model {
    pub(crate) fn new(
        categories: CategoryCounts,
        stats: FeatureStats,
        forest: Forest,
        calibration: Calibration,
        provenance: Provenance,
        contamination: Option<f64>,
    ) -> Self {
        let surprisal = Surprisal::new(&calibration);
        let mut model = Self {
            schema_version: schema::VERSION,
            schema_fingerprint: schema::fingerprint(),
            categories,
            stats,
            forest,
            calibration,
            provenance,
            threshold: 0.0,
            surprisal,
        };
        model.threshold = match contamination {
            Some(share) => model.threshold_for_share(share),
            None => model.threshold_for_alerts(model.provenance.alerts_per_day),
        };
        model
    }

    /// The same trees under another calibration.
    pub(crate) fn with_calibration(&self, calibration: Calibration, provenance: Provenance) -> Self {
        let (categories, stats, forest) = (self.categories.clone(), self.stats.clone(), self.forest.clone());
        Self::new(categories, stats, forest, calibration, provenance, None)
    }

    /// The score of a row, between 0 and 1, in whole millionths: the forest's, raised by the records the row breaks.
    pub fn score(&self, row: &FeatureRow) -> f64 {
        let row = self.encode(row);
        self.in_millionths(self.raise(self.forest.score(&row), &row))
    }

    /// The forest's score of an encoded row, raised by the records it breaks; a forest grown elsewhere has the last
    /// word.
    pub(crate) fn raise(&self, score: f64, encoded: &FeatureRow) -> f64 {
        if self.forest.is_imported() { score } else { self.stats.raise(score, encoded) }
    }

    /// The amounts in which a record raises the forest's score, each by its weight times how far the value lies beyond
    /// the range, as the share of the stretch in the range stretched to it; none where the forest has the last word.
    pub fn records(&self) -> Vec<RecordRange> {
        if self.forest.is_imported() { Vec::new() } else { self.stats.records().collect() }
    }

    /// The scores of many rows, in order, faster than one at a time.
    pub fn score_rows(&self, rows: &[FeatureRow]) -> Vec<f64> {
        let encoded: Vec<FeatureRow> = rows.iter().map(|row| self.encode(row)).collect();
        let mut scores = Vec::with_capacity(rows.len());
        if let Ok(rows) = Matrix::new(encoded.as_flattened(), schema::N_FEATURES) {
            self.forest.score_rows(rows, &mut scores);
        }
        for (score, row) in scores.iter_mut().zip(&encoded) {
            *score = self.in_millionths(self.raise(*score, row));
        }
        scores
    }

    /// A score as it is kept and compared.
    pub(crate) fn in_millionths(&self, score: f64) -> f64 {
        nearest(score * SCORE_UNITS) / SCORE_UNITS
    }

    /// The row as the forest sees it: categories by how rare they were in training.
    pub fn encode(&self, row: &FeatureRow) -> FeatureRow {
        let mut row = *row;
        self.categories.encode(&mut row);
        row
    }

    /// A score is anomalous when it is not below this.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The threshold that lets about so many connections a day pass, at the rate of connections seen in training. A
    /// tenth of them, 10 at most, is set aside for evidence that adds up over many connections.
    pub fn threshold_for_alerts(&self, alerts_per_day: f64) -> f64 {
        let single = match self.forest.is_imported() {
            true => alerts_per_day,
            false => alerts_per_day - cusum::sustained_per_day(alerts_per_day),
        };
        self.calibration.threshold(self.provenance.share_of_alerts(single))
    }

    /// Returns whether the sample is too small for this budget, so that its threshold rests on an extrapolated tail.
    pub fn is_extrapolated(&self, alerts_per_day: f64) -> bool {
        self.calibration.is_extrapolated(self.provenance.share_of_alerts(alerts_per_day))
    }

    /// The threshold that this share of the traffic passes.
    pub fn threshold_for_share(&self, share: f64) -> f64 {
        self.calibration.threshold(share)
    }

    /// How surprising a score is: -ln of the share of training that scored as high.
    pub(crate) fn surprisal(&self, score: f64) -> f32 {
        self.surprisal.of(score)
    }

    pub(crate) fn stats(&self) -> &FeatureStats {
        &self.stats
    }

    /// The trees.
    pub fn forest(&self) -> &Forest {
        &self.forest
    }

    /// How often each category occurred in training.
    pub(crate) fn categories(&self) -> &CategoryCounts {
        &self.categories
    }

    /// How scores were distributed on rows the trees had not seen.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Origin of the model.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The checksum of the model's payload, as its file has it; 0 if it cannot be encoded.
    pub fn checksum(&self) -> u64 {
        envelope::checksum(&self.to_bytes().unwrap_or_default())
    }

    /// Records when and from what the model was trained.
    pub fn set_origin(&mut self, software: &str, trained_at: i64, sources: Vec<String>) {
        self.provenance.software = software.to_owned();
        self.provenance.trained_at = trained_at;
        self.provenance.sources = sources;
    }

    /// The bytes of the model's file.
    ///
    /// # Errors
    /// When it is too large to be read again.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let payload = bincode::serde::encode_to_vec(self, bincode::config::standard()).map_err(io::Error::other)?;
        let mut unpacked = SizeWriter::default();
        let full_size = bincode::config::standard().with_fixed_int_encoding();
        bincode::serde::encode_into_writer(self, &mut unpacked, full_size).map_err(io::Error::other)?;
        if payload.len() > MAX_PAYLOAD || unpacked.bytes_written > MAX_UNPACKED {
            return Err(io::Error::other(format!(
                "the model takes {} megabytes, of which {} at most can be read again; train fewer trees, or on fewer rows each",
                payload.len().max(unpacked.bytes_written / 3).div_ceil(1 << 20),
                MAX_PAYLOAD >> 20,
            )));
        }
        Ok(SEAL.close(&payload))
    }

    /// A model from the bytes of its file. Everything that scoring relies on is checked here, once.
    ///
    /// # Errors
    /// The [`Refusal`] that says what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        let payload = SEAL.open(bytes)?;
        // The schema comes first in the payload, so that a model of other features is told apart from a damaged one.
        let config = bincode::config::standard().with_limit::<MAX_UNPACKED>();
        let invalid = |cause: bincode::error::DecodeError| Refusal::Invalid(cause.to_string());
        let ((schema_version, fingerprint), _) =
            bincode::serde::decode_from_slice::<(u32, u64), _>(payload, config).map_err(invalid)?;
        if (schema_version, fingerprint) != (schema::VERSION, schema::fingerprint()) {
            return Err(Refusal::OtherSchema { found: schema_version });
        }
        let (mut model, read) = bincode::serde::decode_from_slice::<Self, _>(payload, config).map_err(invalid)?;
        if read != payload.len() {
            return Err(Refusal::Invalid("bytes are left over behind the model".into()));
        }
        if model.forest.n_features() != schema::N_FEATURES {
            return Err(Refusal::OtherSchema { found: schema_version });
        }
        if !model.categories.is_sound() {
            return Err(Refusal::Invalid("its counts of categories are out of order".into()));
        }
        if !model.stats.is_sound() {
            return Err(Refusal::Invalid("its stats is not of these features".into()));
        }
        if !model.calibration.is_sound() {
            return Err(Refusal::Invalid("its calibration has scores above 1".into()));
        }
        if !(0.0..=2.0).contains(&model.threshold) {
            return Err(Refusal::Invalid("its threshold is not a score".into()));
        }
        if !(0..=LATEST).contains(&model.provenance.trained_at) {
            return Err(Refusal::Invalid("the time of its training is none".into()));
        }
        if !(0.0..=f64::MAX).contains(&model.provenance.alerts_per_day) {
            return Err(Refusal::Invalid("its alerts a day are no number of alerts".into()));
        }
        if !(0.0..=f64::INFINITY).contains(&model.provenance.connections_per_day) {
            return Err(Refusal::Invalid("its connections a day are no number of connections".into()));
        }
        model.surprisal = Surprisal::new(&model.calibration);
        Ok(model)
    }

    /// Loads a model file.
    ///
    /// # Errors
    /// Why there is none, naming the file.
    pub fn load(path: &Path, trust: &Trust) -> Result<Self, FileError<Refusal>> {
        let bytes = trust.read(path, SEAL.longest()).map_err(|cause| Fault::from(cause).of(path))?;
        Self::from_bytes(&bytes).map_err(|cause| Fault::Refused(cause).of(path))
    }

    /// Saves the model: written under a temporary name beside `path`, then renamed, so that a reader sees the old file
    /// or the new one and never a part.
    ///
    /// # Errors
    /// [`Fault::Write`], naming the file.
    pub fn save(&self, path: &Path) -> Result<(), FileError<Refusal>> {
        let saved = self.to_bytes().and_then(|bytes| atomic_file::write(path, &bytes));
        saved.map_err(|cause| Fault::Write(cause).of(path))
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::OtherKind => Self::NotAModel,
            other => Self::Broken(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::schema::Column;
    use crate::{AlertPolicy, Connection, Extractor, Params, Trainer};

    const DAY: i64 = 86_400_000_000;

    /// A day of 2000 connections that all differ.
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
        let mut extractor = Extractor::new();
        let mut rows: Vec<FeatureRow> = day().map(|c| extractor.extract(&c)).collect();
        // One that breaks records, too.
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
    fn a_tenth_of_the_alerts_is_set_aside_for_evidence_that_adds_up() {
        let model = trainer().fit().unwrap();
        let at = |alerts: f64| model.threshold_for_share(model.provenance().share_of_alerts(alerts));
        assert_eq!((model.threshold(), model.threshold_for_alerts(20.0)), (at(18.0), at(18.0)));
        assert_eq!(model.threshold_for_alerts(200.0), at(190.0));
        assert_eq!(AlertPolicy::of(&model).evidence_per_day(), 2.0);
        assert!(at(22.0) < at(18.0) && at(18.0) < at(10.0) && (0.0..1.0).contains(&at(10.0)));
    }

    #[test]
    fn many_scores_are_those_of_each_in_whole_millionths() {
        let model = trainer().fit().unwrap();
        let rows = rows();
        let scores = model.score_rows(&rows);
        assert_eq!(scores, rows.iter().map(|row| model.score(row)).collect::<Vec<_>>());
        for (row, &score) in rows.iter().zip(&scores) {
            let exact = model.raise(model.forest().score(&model.encode(row)), &model.encode(row));
            assert!((score - exact).abs() <= 0.5e-6 && (score * 1e6).fract().min(1.0 - (score * 1e6).fract()) < 1e-6);
        }
        assert!(scores[1000] > 0.9, "a record without compare: {}", scores[1000]);
        let columns: Vec<_> = model.records().iter().map(|range| range.column).collect();
        assert!(columns.contains(&(Column::Duration as usize)), "{columns:?}");
    }

    #[test]
    fn a_forest_grown_elsewhere_has_the_last_word() {
        let forest = Forest::from_raw(&trainer().fit().unwrap().forest().to_raw()).unwrap();
        let model = trainer().adopt(forest, None).unwrap();
        assert_eq!((model.records().len(), AlertPolicy::of(&model).evidence_per_day()), (0, 0.0));
        let record = model.encode(&rows()[1000]);
        assert_eq!(model.raise(0.25, &record), 0.25);
        let share = model.provenance().share_of_alerts(20.0);
        assert_eq!(model.threshold_for_alerts(20.0), model.threshold_for_share(share));
    }

    #[test]
    fn what_surprises_is_told_by_the_calibration() {
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
    fn what_could_not_be_read_again_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        let mut model = trainer().fit().unwrap();
        model.save(&path).unwrap();
        // A byte each in a file, and four decoded.
        model.calibration = Calibration::of_differences(vec![0; 17_000_000]);
        let bytes = model.to_bytes().unwrap();
        assert_eq!(Model::from_bytes(&bytes).unwrap().calibration.len(), 17_000_000);
        let before = std::fs::read(&path).unwrap();
        // Too large decoded, and too large in a file: five bytes each.
        for differences in [vec![0; 51_000_000], vec![u32::MAX; 14_000_000]] {
            model.calibration = Calibration::of_differences(differences);
            let refusal = model.save(&path).unwrap_err().to_string();
            assert!(refusal.contains("64 at most can be read again; train fewer trees"), "{refusal}");
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }
    }

    /// Changes to a model that only validation detects, each with its message.
    #[test]
    fn a_model_that_is_not_sound_is_refused() {
        let model = trainer().fit().unwrap();
        let refused = |change: fn(&mut Model)| {
            let mut changed = model.clone();
            change(&mut changed);
            Model::from_bytes(&changed.to_bytes().unwrap()).err().map(|refusal| refusal.to_string())
        };
        assert_eq!([refused(|it| it.threshold = 0.0), refused(|it| it.threshold = 2.0)], [None, None]);
        let of_other_features = |found| Some(Refusal::OtherSchema { found }.to_string());
        assert_eq!(refused(|it| it.schema_version += 1), of_other_features(schema::VERSION + 1));
        assert_eq!(refused(|it| it.schema_fingerprint ^= 1), of_other_features(schema::VERSION));
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
            assert!(refused(change).is_some_and(|text| text.contains("time of its training")));
        }
        assert_eq!(refused(|it| it.provenance.alerts_per_day = 0.0), None);
        let no_budgets: [fn(&mut Model); 3] = [
            |it| it.provenance.alerts_per_day = -1.0,
            |it| it.provenance.alerts_per_day = f64::INFINITY,
            |it| it.provenance.alerts_per_day = f64::NAN,
        ];
        for change in no_budgets {
            assert!(refused(change).is_some_and(|text| text.contains("alerts a day")));
        }
        let rates: [fn(&mut Model); 2] =
            [|it| it.provenance.connections_per_day = -1.0, |it| it.provenance.connections_per_day = f64::NAN];
        for change in rates {
            assert!(refused(change).is_some_and(|text| text.contains("connections a day")));
        }
        assert_eq!(refused(|it| it.provenance.connections_per_day = f64::INFINITY), None);
        assert_eq!(refused(|it| it.calibration = Calibration::new(&[0.25, 1.0])), None);
        let above = refused(|it| it.calibration = Calibration::new(&[0.25, 4.0]));
        assert!(above.is_some_and(|text| text.contains("scores above 1")));
        let mut bytes = bincode::serde::encode_to_vec(&model, bincode::config::standard()).unwrap();
        bytes.push(0);
        let longer = Model::from_bytes(&SEAL.close(&bytes)).unwrap_err();
        assert!(longer.to_string().contains("left over"), "{longer}");
    }
}
