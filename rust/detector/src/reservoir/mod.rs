//! Bounded random sample of rows, sufficient for training on traffic of any amount.
//!
//! Every row draws a key, and the rows with the smallest keys stay. Reservoirs of parts of the traffic therefore merge
//! into the one that a single pass would have drawn, each part weighted by its traffic. [`codec`] encodes reservoirs in
//! files and messages.

pub(crate) mod codec;
pub(crate) mod entry;
pub(crate) mod observed_time;
mod quotas;
pub(crate) mod rate;
pub(crate) mod sample;
pub(crate) mod sampling;
mod sent;
mod shared_vec;

use std::collections::{BTreeSet, HashMap, HashSet};

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use twox_hash::XxHash3_64;

use crate::error::{Error, ErrorKind};
use crate::reservoir::entry::{Entry, Key, QuotaGroup};
use crate::reservoir::observed_time::ObservedTime;
use crate::reservoir::rate::RowCounts;
use crate::reservoir::sample::ReservoirSnapshot;
use crate::reservoir::sampling::{Sampling, log_weight};
use crate::reservoir::sent::SentKeys;
use crate::reservoir::shared_vec::SharedVec;
use crate::schema::{FeatureRow, LogKind};

/// Reservoir of rows, drawn at random from those offered; see [`Sampling`].
#[derive(Debug)]
pub struct Reservoir {
    log: LogKind,
    sampling: Sampling,
    seed: u64,
    /// Seeded by the first row as well, so that reservoirs of different traffic draw differently.
    random: Option<ChaCha8Rng>,
    entries: SharedVec<Entry>,
    by_key: BTreeSet<(Key, u32)>,
    /// Empty without a quota, like the three that follow.
    by_group: BTreeSet<(QuotaGroup, Key, u32)>,
    group_sizes: HashMap<QuotaGroup, usize>,
    /// Taken rows, which still count for the quotas.
    sent: SentKeys,
    /// Bound: rows with keys at or above it are rejected.
    bound: Option<Key>,
    seen: u64,
    span: ObservedTime,
    /// Rows that the sample represents; only with a half-life.
    counts: Option<RowCounts>,
}

/// Result of offering an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placement {
    Stored,
    /// Its group has reached its quota, with smaller keys.
    BeyondQuota,
    /// Smaller keys fill the reservoir, or the bound excludes it.
    BeyondBound,
}

impl Reservoir {
    /// Takes rows of one log kind (conn.log by default).
    pub fn for_log(self, log: LogKind) -> Self {
        Self { log, ..self }
    }

    /// Kind of the log whose rows it holds.
    pub fn log(&self) -> LogKind {
        self.log
    }

    /// Creates an empty reservoir; `seed` decides the random draws.
    pub fn new(sampling: Sampling, seed: u64) -> Self {
        Self {
            log: LogKind::Conn,
            sampling,
            seed,
            random: None,
            entries: SharedVec::new(),
            by_key: BTreeSet::new(),
            by_group: BTreeSet::new(),
            group_sizes: HashMap::new(),
            sent: SentKeys::default(),
            bound: None,
            seen: 0,
            span: ObservedTime::default(),
            counts: sampling.half_life.map(RowCounts::new),
        }
    }

    /// Offers a row of a connection of time `ts` (microseconds since 1970), as one of a `group`. Rows that alerted
    /// count as seen only if they stay. The connection rate also leaves out rows beyond the quota of their group, so that
    /// a flood does not raise it.
    pub fn offer(&mut self, row: &FeatureRow, ts: i64, group: QuotaGroup) {
        self.span.include(ts);
        let seed = self.seed;
        let random = self.random.get_or_insert_with(|| ChaCha8Rng::seed_from_u64(seed ^ identity(row, ts)));
        // In the open interval (0, 1).
        let u = ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let key = match self.sampling.half_life {
            None => Key(u),
            Some(_) => self.sampling.key(libm::log(-libm::log1p(-u)), ts),
        };
        let placement = self.place(Entry { key, group, ts, row: *row });
        let kept = placement == Placement::Stored;
        self.seen = self.seen.saturating_add(u64::from(kept || !group.is_alert()));
        if let Some(counts) = &mut self.counts {
            counts.add(ts, u64::from(kept || !group.is_alert() && placement != Placement::BeyondQuota));
        }
    }

    /// Moves times after `now` to `now`, because rows of a fast clock or a damaged capture must not outweigh all that
    /// follow.
    pub fn not_after(&mut self, now: i64) {
        if self.span.ends().is_none_or(|(_, last)| last <= now) {
            return;
        }
        self.span.not_after(now);
        if let Some(counts) = &mut self.counts {
            counts.not_after(now);
        }
        for place in 0..self.entries.len() as u32 {
            let entry = *self.entries.get(place as usize);
            let Entry { key, ts, .. } = entry;
            if ts <= now {
                continue;
            }
            self.unindex(place);
            let lighter =
                self.sampling.half_life.map_or(0.0, |half_life| log_weight(ts, half_life) - log_weight(now, half_life));
            self.entries.set(place as usize, Entry { key: Key(key.0 + lighter), ts: now, ..entry });
            self.index(place);
        }
        self.keep_to_bound();
    }

    /// Merges another reservoir. Rows in both count once, so merging again changes only [`Reservoir::seen`].
    ///
    /// # Errors
    /// [`ErrorKind::OtherSampling`] if the sampling differs in more than the capacity.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        let rules = |it: &Self| (it.log, it.sampling.half_life, it.sampling.quota);
        if rules(self) != rules(other) {
            return Err(ErrorKind::OtherSampling.into());
        }
        self.seen = self.seen.saturating_add(other.seen);
        self.span.merge(&other.span);
        if let (Some(counts), Some(other)) = (&mut self.counts, &other.counts) {
            counts.merge(other);
        }
        self.bound = self.bound.into_iter().chain(other.bound).min();
        self.keep_to_bound();
        let others: Vec<(Key, u32)> = other.by_key.iter().copied().collect();
        for with_key in others.chunk_by(|a, b| a.0 == b.0) {
            let key = with_key[0].0;
            let ours = self.by_key.range((key, 0)..=(key, u32::MAX));
            // A set, because another node can give all of its rows one key.
            let mut held: HashSet<_> = ours.map(|&(_, place)| self.entries.get(place as usize).in_bits()).collect();
            for &(_, place) in with_key {
                let entry = *other.entries.get(place as usize);
                if held.insert(entry.in_bits()) {
                    self.insert(entry);
                }
            }
        }
        Ok(())
    }

    /// Changes the sampling and reduces the rows to those that it would have kept. A smaller reservoir holds what it
    /// would have held from the start. Rows left out do not come back: a larger reservoir accepts new rows at the
    /// latest rate until as much traffic has been seen again, so that old and new rows weigh correctly; a longer
    /// half-life works likewise. Only if less than a quarter would be filled do new rows fill the rest.
    pub fn resampled(mut self, sampling: Sampling) -> Self {
        if sampling == self.sampling {
            return self;
        }
        let latest = self.span.ends().map_or(0, |(_, last)| last);
        let again = |key: Key, ts: i64| sampling.key(self.sampling.drawn(key, ts), ts);
        // The row with the largest key stays.
        let bound = self.bound().map(|bound| Key(next_up(again(Key(bound), latest).0)));
        let entries: Vec<Entry> =
            self.entries.iter().map(|entry| Entry { key: again(entry.key, entry.ts), ..*entry }).collect();
        let below = |bound: Key| entries.iter().filter(|entry| entry.key < bound).count();
        let bound = bound.filter(|&bound| sampling.is_bound(bound.0) && below(bound) >= sampling.capacity / 4);
        let mut resampled =
            Self { random: self.random.take(), bound, ..Self::new(sampling, self.seed).for_log(self.log) };
        entries.into_iter().for_each(|entry| _ = resampled.insert(entry));
        resampled.counts = sampling.half_life.map(|half_life| match &self.counts {
            Some(counts) if self.sampling.half_life == sampling.half_life => counts.clone(),
            Some(counts) => counts.with_half_life(half_life),
            None => RowCounts::steady(half_life, self.seen, &self.span),
        });
        (resampled.seen, resampled.span) = (self.seen, self.span);
        resampled
    }

    /// Removes and returns the `most` rows with the smallest keys, with the counts of seen rows except for the
    /// remaining ones.
    pub fn take(&mut self, most: usize) -> Self {
        let mut taken = Self::new(self.sampling, self.seed).for_log(self.log);
        taken.span = self.span.clone();
        while taken.len() < most {
            let Some(&(_, place)) = self.by_key.first() else { break };
            let entry = self.remove(place);
            if self.sampling.quota.is_some() {
                self.sent.add(&entry);
            }
            taken.insert(entry);
        }
        let left = (self.len() as u64).min(self.seen);
        taken.seen = self.seen - left;
        self.seen = left;
        if let Some(counts) = &mut self.counts {
            let mut remaining = RowCounts::new(self.sampling.half_life.unwrap_or_default());
            self.entries.iter().for_each(|entry| remaining.add(entry.ts, 1));
            taken.counts = Some(std::mem::replace(counts, remaining.clone()));
            taken.counts.iter_mut().for_each(|counts| counts.subtract(&remaining));
        }
        if left == 0 {
            self.span = ObservedTime::default();
        }
        taken
    }

    /// Inserts an entry if its key is small enough, the central rule of the reservoir. The result of any number of
    /// calls depends only on the entries, not on their order.
    pub(crate) fn insert(&mut self, entry: Entry) -> bool {
        self.place(entry) == Placement::Stored
    }

    fn place(&mut self, entry: Entry) -> Placement {
        let group = entry.group;
        let at_quota = self.sampling.quota.is_some_and(|quota| {
            self.group_sizes.get(&group).copied().unwrap_or_default() + self.sent.count(group) >= quota
        });
        let largest = at_quota.then(|| self.largest_of(group)).flatten();
        if largest.is_some_and(|(key, _)| entry.key >= key) {
            return Placement::BeyondQuota;
        }
        // Stored rows of the group are below the bound.
        if let Some((_, Some(place))) = largest {
            return self.replace(place, entry);
        }
        if self.bound.is_some_and(|bound| entry.key >= bound) {
            return Placement::BeyondBound;
        }
        if largest.is_some() {
            self.sent.remove_largest(group);
        }
        if self.entries.len() >= self.sampling.capacity {
            return match self.by_key.last() {
                Some(&(key, place)) if entry.key < key => self.replace(place, entry),
                _ => Placement::BeyondBound,
            };
        }
        let place = self.entries.len() as u32;
        self.entries.push(entry);
        self.index(place);
        Placement::Stored
    }

    /// Largest key of the rows of a group, and the place of the row if it was not sent.
    fn largest_of(&self, group: QuotaGroup) -> Option<(Key, Option<u32>)> {
        let rows = (group, Key(f64::NEG_INFINITY), 0)..=(group, Key(f64::INFINITY), u32::MAX);
        let stored = self.by_group.range(rows).next_back().map(|&(_, key, place)| (key, Some(place)));
        let sent = self.sent.largest(group).map(|key| (key, None));
        stored.into_iter().chain(sent).max()
    }

    fn replace(&mut self, place: u32, entry: Entry) -> Placement {
        self.unindex(place);
        self.entries.set(place as usize, entry);
        self.index(place);
        Placement::Stored
    }

    /// Current contents, without copying rows.
    pub fn snapshot(&self) -> ReservoirSnapshot {
        let Self { sampling, bound, seen, .. } = *self;
        let (entries, span, counts) = (self.entries.clone(), self.span.clone(), self.counts.clone());
        ReservoirSnapshot { log: self.log, sampling, entries, bound, seen, span, counts }
    }

    fn index(&mut self, place: u32) {
        let Entry { key, group, .. } = *self.entries.get(place as usize);
        self.by_key.insert((key, place));
        if self.sampling.quota.is_some() {
            self.by_group.insert((group, key, place));
            *self.group_sizes.entry(group).or_default() += 1;
        }
    }

    fn remove(&mut self, place: u32) -> Entry {
        self.unindex(place);
        let last = self.entries.len() as u32 - 1;
        if place != last {
            self.unindex(last);
        }
        let entry = self.entries.swap_remove(place as usize);
        if place != last {
            self.index(place);
        }
        entry
    }

    fn unindex(&mut self, place: u32) {
        let Entry { key, group, .. } = *self.entries.get(place as usize);
        self.by_key.remove(&(key, place));
        if self.sampling.quota.is_some() {
            self.by_group.remove(&(group, key, place));
            if let Some(size) = self.group_sizes.get_mut(&group) {
                *size -= 1;
                if *size == 0 {
                    self.group_sizes.remove(&group);
                }
            }
        }
    }

    fn keep_to_bound(&mut self) {
        while let (Some(bound), Some(&(key, place))) = (self.bound, self.by_key.last()) {
            if key < bound {
                break;
            }
            self.remove(place);
        }
    }

    /// Rows in arbitrary but reproducible order.
    pub fn rows(&self) -> impl Iterator<Item = &FeatureRow> {
        self.entries.iter().map(|entry| &entry.row)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns true if it is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of rows offered, without those that alerted and did not stay.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Earliest and latest time of the rows offered, in microseconds since 1970.
    pub fn span(&self) -> Option<(i64, i64)> {
        self.span.ends()
    }

    /// Observed time in microseconds, without silences of more than a day.
    pub fn time_seen(&self) -> i64 {
        self.span.seen()
    }

    /// Sampling parameters.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Key from which rows are rejected; `None` while all are accepted.
    pub fn bound(&self) -> Option<f64> {
        let full = self.entries.len() >= self.sampling.capacity;
        let largest = self.by_key.last().filter(|_| full).map(|&(key, _)| key);
        largest.into_iter().chain(self.bound).min().map(|Key(key)| key)
    }

    /// Keeps only rows with keys below `bound`, that of the reservoir this one will be merged into. An invalid bound
    /// clears the limit.
    pub fn set_bound(&mut self, bound: Option<f64>) {
        self.bound = bound.filter(|&bound| self.sampling.is_bound(bound)).map(Key);
        self.keep_to_bound();
    }

    pub(crate) fn set_seen(&mut self, seen: u64, span: ObservedTime, counts: Option<RowCounts>) {
        (self.seen, self.span, self.counts) = (seen, span, counts);
    }
}

fn identity(row: &FeatureRow, ts: i64) -> u64 {
    let mut bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
    bytes.extend(ts.to_le_bytes());
    XxHash3_64::oneshot(&bytes)
}

/// The smallest number greater than `value`; NaN and infinity map to themselves. `f64::next_up` needs Rust 1.86.
fn next_up(value: f64) -> f64 {
    let bits = value.to_bits();
    f64::from_bits(match value {
        0.0 => 1,
        _ if value.is_nan() || value == f64::INFINITY => bits,
        _ if value > 0.0 => bits + 1,
        _ => bits - 1,
    })
}

#[cfg(test)]
mod tests;
