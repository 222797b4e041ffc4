//! Training: fits a model to a sample of records.

use std::collections::{BTreeSet, HashMap};

use iforest::{Forest, Matrix};

use crate::context::pair_mean::{PairMean, PairPrior};
use crate::error::{Error, ErrorKind};
use crate::extractor::Extractor;
use crate::model::calibration::{Calibration, MAX_BURST};
use crate::model::encoder::Encoder;
use crate::model::feature_stats::FeatureStats;
use crate::model::peer_group::{MIN_ROWS, PeerGroup};
use crate::model::scoring::{RowScore, RowScorer, ScoreCache};
use crate::model::{Model, Provenance};
use crate::record::LogRecord;
use crate::reservoir::Reservoir;
use crate::reservoir::entry::{Entry, QuotaGroup};
use crate::reservoir::sample::{ReservoirSnapshot, Sample};
use crate::reservoir::sampling::Sampling;
use crate::schema::{FeatureRow, LogKind, MAX_COLUMNS, Schema};
use crate::units::HOUR;

/// Parameters of training.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Params {
    /// Kind of the log.
    pub log: LogKind,
    /// Parameters of the forest.
    pub forest: iforest::Params,
    /// Capacity of the reservoir in rows.
    pub reservoir: usize,
    /// Alert budget of the threshold, in connections a day.
    pub alerts_per_day: f64,
    /// Share of the connections that alert; overrides the budget.
    pub contamination: Option<f64>,
    /// Seed of all random draws.
    pub seed: u64,
}

impl Default for Params {
    /// Parameters for conn.log.
    fn default() -> Self {
        Self::of(LogKind::Conn)
    }
}

impl Params {
    /// Default parameters for a log kind.
    pub fn of(log: LogKind) -> Self {
        let groups = log.schema().groups;
        let mut forest = iforest::Params::default();
        forest.groups = groups.iter().map(|group| group.to_vec()).collect();
        forest.n_trees = log.schema().trees_per_group * groups.len();
        forest.mean_exponent = log.schema().mean_exponent;
        forest.extrapolate = true;
        Self { log, forest, reservoir: 1 << 17, alerts_per_day: 20.0, contamination: None, seed: 1 }
    }
}

/// Trainer: samples records one at a time, in bounded memory.
#[derive(Debug)]
pub struct Trainer {
    params: Params,
    extractor: Extractor,
    reservoir: Reservoir,
}

impl Trainer {
    /// Creates a trainer without records.
    pub fn new(params: Params) -> Self {
        let reservoir = Reservoir::new(Sampling::uniform(params.reservoir), params.seed).for_log(params.log);
        Self { extractor: Extractor::of(params.log), params, reservoir }
    }

    /// Learns from a record.
    pub fn learn<'a>(&mut self, record: impl Into<LogRecord<'a>>) {
        let record = record.into();
        let row = self.extractor.extract(record);
        self.reservoir.offer(&row, record.end(), QuotaGroup::default());
    }

    /// Adds a record to the context of later ones without learning from it.
    pub fn observe<'a>(&mut self, record: impl Into<LogRecord<'a>>) {
        self.extractor.extract(record);
    }

    /// Number of records learnt from.
    pub fn learnt(&self) -> u64 {
        self.reservoir.seen()
    }

    /// Sample of the records so far, to be merged with others.
    pub fn into_reservoir(self) -> Reservoir {
        self.reservoir
    }

    /// Builds the forest, calibrates it, and sets the threshold.
    ///
    /// # Errors
    /// [`Error`] when there are too few records or a parameter is out of range.
    pub fn fit(self) -> Result<Model, Error> {
        build(&self.reservoir.snapshot().unordered(), &self.params)
    }

    /// Calibrates an imported forest, built on rows like those of [`Model::encode`], on the sample, and sets the
    /// threshold. Rarities come from `categories`, or else from the sample.
    ///
    /// # Errors
    /// [`Error`] when there are too few records, or rows of another length than the forest's.
    pub fn import_forest(self, forest: Forest, categories: Option<&Model>) -> Result<Model, Error> {
        if forest.n_features() != MAX_COLUMNS {
            return Err(ErrorKind::OtherRows { found: forest.n_features(), expected: MAX_COLUMNS }.into());
        }
        let schema = self.params.log.schema();
        let sample = self.reservoir.snapshot().unordered();
        let provenance = provenance(&sample, self.params.seed, self.params.alerts_per_day)?;
        let (rows, times) = sample.rows_and_times();
        let encoder = categories.map_or_else(|| Encoder::new(schema, &rows, &times), |model| model.encoder().clone());
        let encoded: Vec<FeatureRow> = rows.iter().map(|row| encoder.encode(row, false)).collect();
        let stats = FeatureStats::new(schema, &encoded);
        let scorer = RowScorer { encoder, stats, forest, peers: None, median: 0.0 };
        let scores = scorer.score_rows(schema, &rows, &vec![false; rows.len()], &mut ScoreCache::new());
        let calibration = calibrate(schema, None, &provenance, &sample.entries, &scores);
        Ok(Model::new(schema, scorer, calibration, provenance, self.params.contamination))
    }
}

/// Fits a model to a sample. The model depends on the rows of the sample, not on the order of merging.
///
/// # Errors
/// [`Error`] when the sample has too few rows or a parameter is out of range.
pub fn fit(sample: ReservoirSnapshot, params: &Params) -> Result<Model, Error> {
    build(&sample.by_key(), params)
}

/// Recalibrates the same trees on another sample, after a moderate change of the traffic.
///
/// # Errors
/// [`Error`] when the sample has too few rows.
pub fn recalibrate(model: &Model, sample: ReservoirSnapshot, alerts_per_day: f64) -> Result<Model, Error> {
    let sample = sample.by_key();
    let (rows, times) = sample.rows_and_times();
    let provenance = provenance(&sample, model.provenance().seed, alerts_per_day)?;
    let scores = model.score_rows(&rows, &times, &mut ScoreCache::new());
    let calibration = calibrate(model.schema(), model.pair_prior(), &provenance, &sample.entries, &scores);
    Ok(model.with_calibration(calibration, provenance))
}

fn provenance(sample: &Sample, seed: u64, alerts_per_day: f64) -> Result<Provenance, Error> {
    let (Some((first_ts, last_ts)), true) = (sample.span.ends(), sample.entries.len() >= 2) else {
        return Err(ErrorKind::TooFewRecords { found: sample.seen, log: sample.log }.into());
    };
    let (connections, rows, time_seen) = (sample.seen, sample.entries.len() as u64, sample.span.seen());
    Ok(Provenance {
        first_ts,
        last_ts,
        time_seen,
        connections,
        connections_per_day: sample.connections_per_day(),
        rows,
        seed,
        alerts_per_day,
        ..Provenance::default()
    })
}

/// Distribution of the scores that determine the threshold.
///
/// Of the rows that alerted when seen, only as many count as the budget allows. If more counted, a flood of alerts
/// would raise the threshold above its own scores; if none did, each fit would lower the threshold further.
fn calibrate(
    schema: &Schema,
    prior: Option<PairPrior>,
    provenance: &Provenance,
    entries: &[Entry],
    scores: &[RowScore],
) -> Calibration {
    let scores = final_scores(schema, prior, provenance, entries, scores);
    let usual = entries.iter().filter(|entry| !entry.group.is_alert()).count();
    let burst = if schema.counts_bursts { MAX_BURST } else { 1.0 };
    let mut budget = (provenance.share_of_alerts(provenance.alerts_per_day) * burst * usual as f64).ceil();
    let mut counts = |entry: &Entry| {
        budget -= f64::from(u8::from(entry.group.is_alert()));
        !entry.group.is_alert() || budget >= 0.0
    };
    let counted: Vec<_> = entries.iter().zip(scores).filter(|(entry, _)| counts(entry)).collect();
    let calibration = Calibration::new(&counted.iter().map(|(_, score)| *score).collect::<Vec<_>>());
    if !schema.counts_bursts {
        return calibration;
    }
    let mut bursts: HashMap<(u32, i64), f64> = HashMap::new();
    for (entry, score) in counted {
        let burst = (entry.row[usize::from(schema.pair)].to_bits(), entry.ts.div_euclid(HOUR));
        let highest = bursts.entry(burst).or_default();
        *highest = highest.max(score);
    }
    calibration.with_bursts(&bursts.into_values().collect::<Vec<_>>())
}

/// Final scores of a sample's rows, including pair means. Each row stands for all rows it was drawn from.
fn final_scores(
    schema: &Schema,
    prior: Option<PairPrior>,
    provenance: &Provenance,
    entries: &[Entry],
    scores: &[RowScore],
) -> Vec<f64> {
    let share = (provenance.connections as f64 / provenance.rows.max(1) as f64).max(1.0) as f32;
    let mut forest: Vec<f64> = scores.iter().map(|score| score.forest).collect();
    if let Some(prior) = prior {
        let mut pairs: HashMap<u32, (i64, PairMean)> = HashMap::new();
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|&i| entries[i].ts);
        for i in order {
            let (ts, pair) = (entries[i].ts, entries[i].row[usize::from(schema.pair)] as u32);
            let (last, mean) = pairs.entry(pair).or_insert((ts, PairMean::default()));
            forest[i] = mean.add(Some(ts.saturating_sub(*last)), scores[i].forest, scores[i].regularity, share, prior);
            *last = ts;
        }
    }
    forest.iter().zip(scores).map(|(forest, score)| forest + (1.0 - forest) * score.new_maxima).collect()
}

fn build(sample: &Sample, params: &Params) -> Result<Model, Error> {
    let schema = params.log.schema();
    let mut provenance = provenance(sample, params.seed, params.alerts_per_day)?;
    let (rows, times) = sample.rows_and_times();
    let encoder = Encoder::new(schema, &rows, &times);
    let encoded: Vec<FeatureRow> = rows.iter().map(|row| encoder.encode(row, true)).collect();
    let stats = FeatureStats::new(schema, &encoded);
    let mut forest_params = params.forest.clone();
    if forest_params.n_trees < forest_params.groups.len() {
        // Too few trees for one per group: every tree splits the columns of all groups.
        let columns: BTreeSet<u16> = forest_params.groups.concat().into_iter().collect();
        forest_params.groups = vec![columns.into_iter().collect()];
    }
    let (mut peers, mut others): (Vec<usize>, Vec<usize>) =
        (0..encoded.len()).partition(|&i| schema.is_peer(&encoded[i]));
    if others.len() < MIN_ROWS {
        (others, peers) = ((0..encoded.len()).collect(), Vec::new());
    }
    let (other_rows, peer_rows) = (pick(&encoded, &others), pick(&encoded, &peers));
    let mut fit =
        Forest::fit_out_of_bag(Matrix::new(other_rows.as_flattened(), MAX_COLUMNS)?, &forest_params, params.seed)?;
    // A training row is encoded without counting itself, so a later copy has slightly different rarities. In a column
    // that is otherwise constant, these would be beyond the range.
    let repeated: Vec<FeatureRow> = rows.iter().map(|row| encoder.encode(row, false)).collect();
    let extended = |forest: Forest, indices: &[usize]| {
        Matrix::new(pick(&repeated, indices).as_flattened(), MAX_COLUMNS).map(|rows| forest.with_extended_ranges(rows))
    };
    fit.forest = extended(fit.forest, &others)?;
    // Too few rows of chatter get no separate forest, and are left out, because they would dilute that of all others.
    let peer_group = match peers.len() < MIN_ROWS {
        true => None,
        false => {
            let rows = Matrix::new(peer_rows.as_flattened(), MAX_COLUMNS)?;
            let forest = extended(Forest::fit(rows, &forest_params, params.seed.wrapping_add(1))?, &peers)?;
            Some(PeerGroup::new(forest, &peer_rows, &fit.forest, &other_rows))
        }
    };
    let median = median(&fit.out_of_bag_scores);
    let mut scores = vec![RowScore::default(); encoded.len()];
    let scorer = RowScorer { encoder, stats, forest: fit.forest, peers: peer_group, median };
    let mut cache = ScoreCache::new();
    for (&i, score) in others.iter().zip(fit.out_of_bag_scores) {
        let is_peer = schema.is_peer(&encoded[i]);
        let score = if is_peer { scorer.peer_score(&encoded[i], &mut cache) } else { score };
        scores[i] = scorer.row_score(schema, &encoded[i], score, true);
    }
    for &i in &peers {
        scores[i] = scorer.row_score(schema, &encoded[i], scorer.peer_score(&encoded[i], &mut cache), true);
    }
    if let Some(share) = params.contamination {
        let one_alert = provenance.share_of_alerts(1.0);
        provenance.alerts_per_day = if one_alert > 0.0 { share / one_alert } else { 0.0 };
    }
    let prior = PairPrior { score: median, gain: schema.pair_gain };
    let calibration = calibrate(schema, Some(prior), &provenance, &sample.entries, &scores);
    Ok(Model::new(schema, scorer, calibration, provenance, params.contamination))
}

fn pick(rows: &[FeatureRow], indices: &[usize]) -> Vec<FeatureRow> {
    indices.iter().map(|&i| rows[i]).collect()
}

fn median(scores: &[f64]) -> f64 {
    let mut scores = scores.to_vec();
    scores.sort_unstable_by(f64::total_cmp);
    scores.get(scores.len() / 2).copied().unwrap_or(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::context::ConnContext;
    use crate::units::DAY;
    use crate::{Connection, Endpoint};

    /// Model of ten days with these dates.
    fn learnt(dated: impl Fn(i64) -> i64) -> Model {
        let mut trainer = Trainer::new(Params::default());
        for i in 0..5000 {
            let duration = Some(1000 + i * i % 77_777);
            let mut connection = Connection { ts: dated(i), duration, ..Connection::default() };
            // Another network every day: the same one would be routine.
            (connection.orig.addr.0[15], connection.resp.addr.0[7]) = (1, (i / 500) as u8);
            trainer.learn(&connection);
        }
        trainer.fit().unwrap()
    }

    #[test]
    fn repeated_chatter_scores_no_higher_than_in_training() {
        let from = |octets: [u8; 4]| Endpoint { addr: std::net::IpAddr::from(octets).into(), ..Endpoint::default() };
        let chatter = Connection { orig: from([10, 0, 0, 1]), resp: from([224, 0, 0, 251]), ..Connection::default() };
        let (mut trainer, mut extractor) = (Trainer::new(Params::default()), ConnContext::default());
        let mut row = [0.0; MAX_COLUMNS];
        for i in 0..2000 {
            let other = Connection { duration: Some(i * i % 77_777), resp: from([10, 0, 0, 2]), ..chatter };
            let is_chatter = i % 10 == 0;
            let c = Connection { ts: i * (DAY / 2000), ..if is_chatter { chatter } else { other } };
            trainer.learn(&c);
            let extracted = extractor.extract(&c);
            if is_chatter {
                row = extracted;
            }
        }
        let model = trainer.fit().unwrap();
        let score = |end| model.score_row(&row, end, &mut ScoreCache::new()).forest;
        let (learnt, repeated) = (score(DAY / 2), score(2 * DAY));
        assert!(repeated <= learnt, "{learnt} in training, {repeated} later");
    }

    #[test]
    fn wrong_dates_and_gaps_do_not_change_the_alert_rate() {
        let day = |i: i64| 20_000 * DAY + i * DAY / 500;
        let meant = learnt(day);
        let within = |model: Model| {
            let (found, expected) = (model.provenance().time_seen, meant.provenance().time_seen);
            assert!((found - expected).abs() < DAY / 100, "{found} for {expected}");
            let (found, expected) = (model.threshold_for_alerts(20.0), meant.threshold_for_alerts(20.0));
            assert!((found - expected).abs() < 0.03, "{found} for {expected}");
        };
        within(learnt(|i| if i % 1000 == 7 { i } else { day(i) }));
        within(learnt(|i| day(i) + if i > 2000 { 97 * DAY } else { 0 }));
        // A time span that is too long has an effect.
        let forgotten = meant.provenance().connections_per_day / 10.0;
        let wrong = meant.with_calibration(
            meant.calibration().clone(),
            Provenance { connections_per_day: forgotten, ..meant.provenance().clone() },
        );
        assert!(meant.threshold_for_alerts(20.0) - wrong.threshold_for_alerts(20.0) > 0.03);
    }
}
