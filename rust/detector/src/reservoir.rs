//! A bounded sample of rows: all that training needs of the traffic, however much there was.
//!
//! Every row draws a key; the rows with the smallest keys stay. Reservoirs of parts of the traffic therefore merge into
//! the one a single pass over all of it would have drawn, each part counting by how much traffic it saw. What a
//! reservoir looks like in a file or a message is in [`sample`](crate::sample).

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use thiserror::Error;
use twox_hash::XxHash3_64;

use crate::Row;
use crate::span::Span;

/// How a reservoir draws. Only reservoirs that draw alike can be merged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// How many rows it holds at most.
    pub capacity: usize,
    /// A row counts half as much as one that is this many microseconds younger; with `None` all count alike.
    pub half_life: Option<i64>,
    /// How many rows of one group stay at most: what keeps a flood from filling the reservoir. With `None`, any number.
    pub quota: Option<usize>,
}

impl Sampling {
    /// Each row equally likely to stay.
    pub fn uniform(capacity: usize) -> Self {
        Self { capacity, half_life: None, quota: None }
    }

    /// The key of a row of time `ts`, from the logarithm of what it drew of the exponential distribution.
    fn key(&self, drawn: f64, ts: i64) -> Key {
        Key(match self.half_life {
            None => -libm::expm1(-libm::exp(drawn)),
            // Efraimidis and Spirakis (Information Processing Letters 97, 2006): exponential in the weight. The weight is
            // 2^(ts / half-life), a forward decay (Cormode et al., ICDE 2009), far too large a number for any type: hence
            // the logarithm of the key.
            Some(half_life) => drawn - log_weight(ts, half_life),
        })
    }

    /// What a row drew, from its key.
    fn drawn(&self, Key(key): Key, ts: i64) -> f64 {
        match self.half_life {
            None => libm::log(-libm::log1p(-key)),
            Some(half_life) => key + log_weight(ts, half_life),
        }
    }

    /// Whether a row can have it.
    pub(crate) fn is_key(&self, key: f64) -> bool {
        key.is_finite() && (self.half_life.is_some() || (key > 0.0 && key < 1.0))
    }
}

/// At most so many of the rows offered, drawn at random; see [`Sampling`] for how.
#[derive(Debug)]
pub struct Reservoir {
    sampling: Sampling,
    seed: u64,
    /// Seeded by the first row as well, so that reservoirs of different parts draw differently.
    random: Option<ChaCha8Rng>,
    entries: Vec<Entry>,
    by_key: BTreeSet<(Key, u32)>,
    /// Empty without a quota, like the two that follow.
    by_group: BTreeSet<(Group, Key, u32)>,
    group_sizes: HashMap<Group, usize>,
    /// Rows whose keys are not below this are not kept.
    bound: Option<Key>,
    seen: u64,
    span: Span,
}

/// A row that stayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) group: Group,
    /// When the connection ended, in microseconds since 1970.
    pub(crate) ts: i64,
    pub(crate) row: Row,
}

/// Which rows share a quota, and whether they were found anomalous when they were offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub(crate) u64);

impl Group {
    /// A group by a hash of what its rows have in common; the lowest bit is not part of it.
    pub fn new(hash: u64, flagged: bool) -> Self {
        Self(hash & !1 | u64::from(flagged))
    }

    /// Whether its rows were found anomalous.
    pub fn is_flagged(self) -> bool {
        self.0 & 1 == 1
    }
}

/// What a row drew. Never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Key(pub(crate) f64);

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Why two reservoirs cannot be merged.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("was drawn in another way: both have to have the same half-life and the same quota")]
pub struct Mismatch;

/// A copy of what a reservoir holds, which takes no longer than copying the rows: what another thread works on while the
/// reservoir goes on drawing.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) sampling: Sampling,
    /// In no particular order until [`Snapshot::by_key`].
    pub(crate) entries: Vec<Entry>,
    pub(crate) bound: Option<Key>,
    pub(crate) seen: u64,
    pub(crate) span: Span,
}

impl Snapshot {
    /// With the rows in the order of their keys: a random order that depends on which rows they are alone.
    pub fn by_key(mut self) -> Self {
        self.entries.sort_by_key(|entry| entry.key);
        self
    }
}

impl Reservoir {
    /// An empty reservoir; `seed` decides which rows will stay.
    pub fn new(sampling: Sampling, seed: u64) -> Self {
        Self {
            sampling,
            seed,
            random: None,
            entries: Vec::new(),
            by_key: BTreeSet::new(),
            by_group: BTreeSet::new(),
            group_sizes: HashMap::new(),
            bound: None,
            seen: 0,
            span: Span::default(),
        }
    }

    /// Offers a row of a connection of time `ts` (microseconds since 1970), as one of a `group`. A flagged row counts as
    /// seen only if it is kept: what there is too much of says nothing about how much traffic there is.
    pub fn offer(&mut self, row: &Row, ts: i64, group: Group) {
        self.span.include(ts);
        let seed = self.seed;
        let random = self.random.get_or_insert_with(|| ChaCha8Rng::seed_from_u64(seed ^ identity(row, ts)));
        // In (0, 1), never at either end.
        let u = ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let key = match self.sampling.half_life {
            None => Key(u),
            Some(_) => self.sampling.key(libm::log(-libm::log1p(-u)), ts),
        };
        let kept = self.insert(Entry { key, group, ts, row: *row });
        self.seen = self.seen.saturating_add(u64::from(kept || !group.is_flagged()));
    }

    /// Dates what is later than `now` back to it, as if it had been offered so: a clock that ran ahead, or a damaged
    /// capture, must not weigh more than all that follows.
    pub fn not_after(&mut self, now: i64) {
        if self.span.ends().is_none_or(|(_, last)| last <= now) {
            return;
        }
        self.span.not_after(now);
        for place in 0..self.entries.len() as u32 {
            let Entry { key, ts, .. } = self.entries[place as usize];
            if ts <= now {
                continue;
            }
            self.unindex(place);
            let lighter =
                self.sampling.half_life.map_or(0.0, |half_life| log_weight(ts, half_life) - log_weight(now, half_life));
            let entry = &mut self.entries[place as usize];
            (entry.key, entry.ts) = (Key(key.0 + lighter), now);
            self.index(place);
        }
        self.keep_to_bound();
    }

    /// Takes in what another reservoir holds. What both hold counts once, so that merging again changes nothing but
    /// [`Reservoir::seen`].
    ///
    /// # Errors
    /// [`Mismatch`] when the other one draws differently; its capacity may differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), Mismatch> {
        let rules = |sampling: Sampling| (sampling.half_life, sampling.quota);
        if rules(self.sampling) != rules(other.sampling) {
            return Err(Mismatch);
        }
        self.seen = self.seen.saturating_add(other.seen);
        self.span.merge(&other.span);
        self.bound = self.bound.into_iter().chain(other.bound).min();
        self.keep_to_bound();
        for &(key, place) in &other.by_key {
            let entry = other.entries[place as usize];
            let same = self.by_key.range((key, 0)..=(key, u32::MAX));
            if !same.into_iter().any(|&(_, place)| self.entries[place as usize] == entry) {
                self.insert(entry);
            }
        }
        Ok(())
    }

    /// Goes on drawing by other rules, with what would have been kept by them. A smaller reservoir holds what it would have
    /// held from the start. What was left out does not come back: a larger one takes new rows as seldom as the latest
    /// were taken, and is full when as much has been seen again, so that old and new count as they should all along; under
    /// another half-life the same goes for what would have lasted longer. Only where that would leave less than a quarter
    /// of the places filled is the rest filled with what comes.
    pub fn redrawn(mut self, sampling: Sampling) -> Self {
        if sampling == self.sampling {
            return self;
        }
        let latest = self.span.ends().map_or(0, |(_, last)| last);
        let again = |key: Key, ts: i64| sampling.key(self.sampling.drawn(key, ts), ts);
        // The largest key itself is kept.
        let bound = self.bound().map(|bound| Key(again(Key(bound), latest).0.next_up()));
        let entries: Vec<Entry> =
            self.entries.iter().map(|entry| Entry { key: again(entry.key, entry.ts), ..*entry }).collect();
        let below = |bound: Key| entries.iter().filter(|entry| entry.key < bound).count();
        let bound = bound.filter(|&bound| below(bound) >= sampling.capacity / 4);
        let mut redrawn = Self { random: self.random.take(), bound, ..Self::new(sampling, self.seed) };
        entries.into_iter().for_each(|entry| _ = redrawn.insert(entry));
        (redrawn.seen, redrawn.span) = (self.seen, self.span);
        redrawn
    }

    /// Takes the rows with the smallest keys out, `most` of them, and with them the credit for what was seen but for the
    /// rows that stay.
    pub fn take(&mut self, most: usize) -> Self {
        let mut taken = Self::new(self.sampling, self.seed);
        taken.span = self.span.clone();
        while taken.len() < most
            && let Some(&(_, place)) = self.by_key.first()
        {
            taken.insert(self.remove(place));
        }
        let left = (self.len() as u64).min(self.seen);
        taken.seen = self.seen - left;
        self.seen = left;
        if left == 0 {
            self.span = Span::default();
        }
        taken
    }

    /// Keeps one entry if its key is small enough: the rule that makes the reservoir what it is. The result of any
    /// number of calls depends on the entries alone, not on their order.
    pub(crate) fn insert(&mut self, entry: Entry) -> bool {
        if self.bound.is_some_and(|bound| entry.key >= bound) {
            return false;
        }
        let of_group = self.sampling.quota.filter(|&quota| self.group_sizes.get(&entry.group) >= Some(&quota));
        let worst = match of_group {
            Some(_) => {
                let group = (entry.group, Key(f64::NEG_INFINITY), 0)..=(entry.group, Key(f64::INFINITY), u32::MAX);
                self.by_group.range(group).next_back().map(|&(_, key, place)| (key, place))
            }
            None if self.entries.len() >= self.sampling.capacity => self.by_key.last().copied(),
            None => {
                let place = self.entries.len() as u32;
                self.entries.push(entry);
                self.index(place);
                return true;
            }
        };
        let Some((_, place)) = worst.filter(|&(key, _)| entry.key < key) else { return false };
        self.unindex(place);
        self.entries[place as usize] = entry;
        self.index(place);
        true
    }

    /// A copy of what is held.
    pub fn snapshot(&self) -> Snapshot {
        let Self { sampling, bound, seen, .. } = *self;
        Snapshot { sampling, entries: self.entries.clone(), bound, seen, span: self.span.clone() }
    }

    fn index(&mut self, place: u32) {
        let Entry { key, group, .. } = self.entries[place as usize];
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
        let Entry { key, group, .. } = self.entries[place as usize];
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
        while let (Some(bound), Some(&(key, place))) = (self.bound, self.by_key.last())
            && key >= bound
        {
            self.remove(place);
        }
    }

    /// The rows kept, in no particular but a reproducible order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.entries.iter().map(|entry| &entry.row)
    }

    /// The rows kept, in the order of their keys: a random order that depends on which rows they are alone.
    pub fn rows_by_key(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.by_key.iter().map(|&(_, place)| &self.entries[place as usize].row)
    }

    /// How many rows are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many rows were offered.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The earliest and the latest time of a row offered, in microseconds since 1970.
    pub fn span(&self) -> Option<(i64, i64)> {
        self.span.ends()
    }

    /// How long that is in microseconds, without silences of more than a day.
    pub fn time_seen(&self) -> i64 {
        self.span.seen()
    }

    /// How it draws.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// The key from which on a row would not be kept; none while any would be.
    pub fn bound(&self) -> Option<f64> {
        let full = self.entries.len() >= self.sampling.capacity;
        let largest = self.by_key.last().filter(|_| full).map(|&(key, _)| key);
        largest.into_iter().chain(self.bound).min().map(|Key(key)| key)
    }

    /// Keeps only rows with keys below `bound`: that of the reservoir this one will be merged into.
    pub fn set_bound(&mut self, bound: Option<f64>) {
        self.bound = bound.filter(|&bound| bound < f64::INFINITY).map(Key);
        self.keep_to_bound();
    }

    pub(crate) fn set_seen(&mut self, seen: u64, span: Span) {
        (self.seen, self.span) = (seen, span);
    }
}

/// The logarithm of what a row of time `ts` weighs, against one of 1970.
fn log_weight(ts: i64, half_life: i64) -> f64 {
    ts as f64 / half_life.max(1) as f64 * std::f64::consts::LN_2
}

fn identity(row: &Row, ts: i64) -> u64 {
    let mut bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
    bytes.extend(ts.to_le_bytes());
    XxHash3_64::oneshot(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    const DAY: i64 = 86_400_000_000;

    fn row(i: usize) -> Row {
        [i as f32; schema::N_FEATURES]
    }

    fn numbers(reservoir: &Reservoir) -> Vec<usize> {
        let mut numbers: Vec<_> = reservoir.rows().map(|row| row[0] as usize).collect();
        numbers.sort_unstable();
        numbers
    }

    /// How often each of the numbers 0..n stayed over many seeds.
    fn stayed(n: usize, seeds: u64, mut draw: impl FnMut(u64) -> Reservoir) -> Vec<f64> {
        let mut stayed = vec![0.0; n];
        for seed in 0..seeds {
            draw(seed).rows().for_each(|row| stayed[row[0] as usize] += 1.0);
        }
        stayed
    }

    /// Pearson's statistic of counts against what is expected of each.
    fn chi_squared(counts: &[f64], expected: &[f64]) -> f64 {
        counts.iter().zip(expected).map(|(n, e)| (n - e) * (n - e) / e).sum()
    }

    #[test]
    fn everything_stays_while_there_is_room() {
        let mut reservoir = Reservoir::new(Sampling::uniform(10), 1);
        (0..10).for_each(|i| reservoir.offer(&row(i), 0, Group::default()));
        assert!(reservoir.rows().copied().eq((0..10).map(row)));
        assert_eq!(reservoir.bound().map(|bound| bound < 1.0), Some(true));
    }

    #[test]
    fn every_row_is_equally_likely_to_stay() {
        let stayed = stayed(100, 2000, |seed| {
            let mut reservoir = Reservoir::new(Sampling::uniform(10), seed);
            (0..100).for_each(|i| reservoir.offer(&row(i), i as i64, Group::default()));
            assert_eq!((reservoir.len(), reservoir.seen(), reservoir.span()), (10, 100, Some((0, 99))));
            reservoir
        });
        // 99 degrees of freedom: 160 is passed once in 10,000 tries.
        assert!(chi_squared(&stayed, &[200.0; 100]) < 160.0, "{stayed:?}");
    }

    #[test]
    fn a_merged_sample_is_that_of_a_single_pass() {
        // Three workers that see 60, 30 and 10 of a hundred connections.
        let worker = |i: usize| [0, 60, 90, 100].iter().filter(|&&from| i >= from).count() - 1;
        let merged = stayed(100, 4000, |seed| {
            let mut workers = [0; 3].map(|_| Reservoir::new(Sampling::uniform(10), seed));
            (0..100).for_each(|i| workers[worker(i)].offer(&row(i), i as i64, Group::default()));
            let mut merged = Reservoir::new(Sampling::uniform(10), 0);
            workers.iter().for_each(|worker| merged.merge(worker).unwrap());
            assert_eq!((merged.len(), merged.seen(), merged.span()), (10, 100, Some((0, 99))));
            merged
        });
        assert!(chi_squared(&merged, &[400.0; 100]) < 160.0, "{merged:?}");

        // And each pair of rows as often together as chance has it, also across workers: 4000 · 10/100 · 9/99.
        let mut together = 0;
        for seed in 0..4000 {
            let mut workers = [0; 3].map(|_| Reservoir::new(Sampling::uniform(10), seed));
            (0..100).for_each(|i| workers[worker(i)].offer(&row(i), i as i64, Group::default()));
            let mut merged = Reservoir::new(Sampling::uniform(10), 0);
            workers.iter().for_each(|worker| merged.merge(worker).unwrap());
            // The first row of each worker: where equal streams would show.
            let kept = numbers(&merged);
            together +=
                [(0, 60), (0, 90), (60, 90)].iter().filter(|(a, b)| kept.contains(a) && kept.contains(b)).count();
        }
        // 109 expected; five standard deviations are 52.
        assert!((57..=161).contains(&together), "{together}");
    }

    #[test]
    fn merging_is_exact_in_any_order_and_counts_nothing_twice() {
        let sampling = Sampling { capacity: 50, half_life: Some(DAY), quota: Some(8) };
        for seed in 0..50 {
            let mut whole = Reservoir::new(sampling, seed);
            let mut parts: Vec<_> = (0..4).map(|_| Reservoir::new(sampling, 0)).collect();
            for i in 0..1000 {
                whole.sampling.capacity = 1000;
                whole.sampling.quota = None;
                whole.offer(&row(i), i as i64 * DAY / 100, Group(i as u64 % 7 * 2));
            }
            // The same keys, dealt to parts.
            for (i, entry) in whole.entries.iter().enumerate() {
                parts[(i * i) % 4].insert(*entry);
            }
            let mut single = Reservoir::new(sampling, seed);
            whole.entries.iter().for_each(|&entry| _ = single.insert(entry));
            let mut forth = Reservoir::new(sampling, seed);
            parts.iter().for_each(|part| forth.merge(part).unwrap());
            let mut back = Reservoir::new(sampling, seed);
            parts.iter().rev().for_each(|part| back.merge(part).unwrap());
            parts.iter().for_each(|part| back.merge(part).unwrap());
            assert!(single.rows_by_key().eq(forth.rows_by_key()) && single.rows_by_key().eq(back.rows_by_key()));
            assert!(forth.group_sizes.values().all(|&size| size <= 8));
        }
    }

    #[test]
    fn a_row_counts_half_after_the_half_life() {
        let sampling = Sampling { capacity: 20, half_life: Some(DAY), quota: None };
        let ages = stayed(2, 3000, |seed| {
            let mut reservoir = Reservoir::new(sampling, seed);
            // A present-day clock, at which the weight itself would be 2^19000.
            (0..2000).for_each(|i| reservoir.offer(&row(i / 1000), (19_000 + i as i64 / 1000) * DAY, Group::default()));
            reservoir
        });
        let share = ages[0] / (ages[0] + ages[1]);
        // A third, give or take five standard deviations of 60,000 draws.
        assert!((share - 1.0 / 3.0).abs() < 0.01, "{share}");
    }

    #[test]
    fn a_clock_that_ran_ahead_is_made_good() {
        let sampling = Sampling { capacity: 200, half_life: Some(DAY), quota: Some(500) };
        let (today, ahead) = (19_000 * DAY, 40_000 * DAY);
        let mut kept = [0, 0];
        for seed in 0..30 {
            let mut reservoir = Reservoir::new(sampling, seed);
            let mut offer = |i, ts| reservoir.offer(&row(i), ts, Group(i as u64 / 100 * 2));
            // An hour in which the clock was decades ahead, then a day like that before it.
            (0..2000).for_each(|i| offer(i, today));
            (2000..4000).for_each(|i| offer(i, ahead + i as i64));
            reservoir.not_after(today);
            // It ran ahead for as long as before.
            assert_eq!(reservoir.span(), Some((today - 1999, today)));
            (4000..6000).for_each(|i| reservoir.offer(&row(i), today, Group(i as u64 / 100 * 2)));
            assert_eq!(reservoir.len(), 200);
            kept[0] += numbers(&reservoir).into_iter().filter(|i| (2000..4000).contains(i)).count();
            kept[1] += numbers(&reservoir).into_iter().filter(|i| *i >= 4000).count();
            // What holds of keys and groups still holds.
            let again = Reservoir::from_bytes(&reservoir.to_bytes(), 1).unwrap();
            assert!(again.rows_by_key().eq(reservoir.rows_by_key()));
        }
        // As likely to stay as any other, when all of them had been kept; here they had the 200 places to themselves.
        assert!(kept[1] > 30 * 90, "{kept:?}");
    }

    #[test]
    fn a_flood_gets_its_quota_and_no_more() {
        let sampling = Sampling { capacity: 1000, half_life: Some(7 * DAY), quota: Some(10) };
        let mut reservoir = Reservoir::new(sampling, 3);
        for i in 0..200_000usize {
            let flood = i % 100 != 0;
            reservoir.offer(&row(i), i as i64, Group(if flood { 0 } else { 2 * i as u64 }));
        }
        let flood = numbers(&reservoir).into_iter().filter(|i| i % 100 != 0).count();
        assert_eq!((flood, reservoir.len()), (10, 1000));
    }

    #[test]
    fn what_is_taken_and_what_stays_is_everything() {
        let sampling = Sampling { capacity: 100, half_life: None, quota: Some(30) };
        let mut reservoir = Reservoir::new(sampling, 5);
        (0..500).for_each(|i| reservoir.offer(&row(i), i as i64, Group(i as u64 % 5 * 2)));
        let whole = reservoir.snapshot().by_key();
        let first = reservoir.take(40);
        assert_eq!((first.len(), first.seen(), reservoir.len(), reservoir.seen()), (40, 440, 60, 60));
        let mut again = Reservoir::new(sampling, 5);
        again.merge(&reservoir.take(usize::MAX)).unwrap();
        again.merge(&first).unwrap();
        assert!(again.rows_by_key().eq(whole.entries.iter().map(|entry| &entry.row)));
        assert_eq!((again.seen(), again.span()), (500, Some((0, 499))));
        assert!(reservoir.is_empty());
    }

    #[test]
    fn a_bound_keeps_out_what_the_larger_reservoir_would_not_take() {
        let mut large = Reservoir::new(Sampling::uniform(100), 1);
        (0..10_000).for_each(|i| large.offer(&row(i), i as i64, Group::default()));
        let mut small = Reservoir::new(Sampling::uniform(100), 2);
        small.set_bound(large.bound());
        (0..10_000).for_each(|i| small.offer(&row(i), -(i as i64), Group::default()));
        assert!(small.bound() <= large.bound() && small.len() > 50);
        assert!(small.entries.iter().all(|entry| Some(entry.key.0) < large.bound()));
        // What is there already is as little needed.
        let tighter = small.rows_by_key().nth(20).copied();
        small.set_bound(Some(small.by_key.iter().nth(20).unwrap().0.0));
        assert!(small.len() == 20 && !small.rows().any(|row| Some(*row) == tighter));
        assert!(Reservoir::from_bytes(&small.to_bytes(), 1).is_ok());
    }

    /// Twenty days of rows of eight groups, the first of which is a flood.
    fn twenty_days(sampling: Sampling) -> Reservoir {
        let mut reservoir = Reservoir::new(sampling, 4);
        for i in 0..20_000i64 {
            let group = if i % 2 == 0 { 0 } else { i as u64 % 16 / 2 };
            reservoir.offer(&row(i as usize), i * DAY / 1000, Group(group * 2));
        }
        reservoir
    }

    #[test]
    fn a_smaller_reservoir_is_what_it_would_have_been() {
        let sampling = |capacity: usize| Sampling { capacity, half_life: Some(7 * DAY), quota: Some(capacity / 4) };
        let (small, large) = (twenty_days(sampling(200)), twenty_days(sampling(800)).redrawn(sampling(200)));
        assert!(large.rows_by_key().eq(small.rows_by_key()));
        assert_eq!((large.seen(), large.span(), large.bound()), (small.seen(), small.span(), small.bound()));
        assert!(large.group_sizes.values().all(|&size| size <= 50));
    }

    #[test]
    fn another_half_life_weighs_what_is_kept_as_if_it_had_been_the_first() {
        let sampling = |half_life| Sampling { capacity: 30_000, half_life, quota: None };
        for (from, to) in [(Some(DAY), Some(9 * DAY)), (Some(9 * DAY), Some(DAY)), (None, Some(DAY)), (Some(DAY), None)]
        {
            let (before, meant) = (twenty_days(sampling(from)), twenty_days(sampling(to)));
            let after = before.redrawn(sampling(to));
            for (a, b) in after.entries.iter().zip(&meant.entries) {
                assert!(a.row == b.row && (a.key.0 - b.key.0).abs() < 1e-9, "{a:?} {b:?}");
            }
        }
        // What a shorter one leaves of a reservoir that was full is what it would have left of everything.
        let full = |days| Sampling { capacity: 400, half_life: Some(days * DAY), quota: None };
        let after = twenty_days(full(10)).redrawn(full(5));
        let meant = twenty_days(full(5));
        assert!((150..350).contains(&after.len()), "{}", after.len());
        assert!(after.rows_by_key().eq(meant.rows_by_key().take(after.len())));
        // Of one that is far shorter nearly nothing would be left: all stay, and make room for what comes.
        let mut after = twenty_days(full(10)).redrawn(full(1));
        assert_eq!((after.len(), after.bound), (400, None));
        (0..1000).for_each(|i| after.offer(&row(30_000 + i), 21 * DAY, Group::default()));
        assert_eq!(after.len(), 400);
        assert!(numbers(&after).into_iter().filter(|&i| i >= 30_000).count() > 150);
    }

    #[test]
    fn a_larger_reservoir_counts_old_and_new_alike() {
        let mut new = 0;
        for seed in 0..200 {
            let mut reservoir = Reservoir::new(Sampling::uniform(100), seed);
            (0..10_000).for_each(|i| reservoir.offer(&row(i), i as i64, Group::default()));
            let mut reservoir = reservoir.redrawn(Sampling::uniform(200));
            assert_eq!(reservoir.len(), 100);
            (10_000..11_000).for_each(|i| reservoir.offer(&row(i), i as i64, Group::default()));
            // Through a file and back it goes on so.
            let mut reservoir = Reservoir::from_bytes(&reservoir.to_bytes(), seed + 1000).unwrap();
            (11_000..12_000).for_each(|i| reservoir.offer(&row(i), i as i64, Group::default()));
            new += numbers(&reservoir).into_iter().filter(|&i| i >= 10_000).count();
        }
        // 2,000 of 12,000: twenty to the hundred. Filled with what comes, it would be a hundred.
        assert!((3600..4400).contains(&new), "{new}");
        // Of a tiny one too little would be left for long.
        let mut tiny = Reservoir::new(Sampling::uniform(10), 1);
        (0..10_000).for_each(|i| tiny.offer(&row(i), i as i64, Group::default()));
        let mut grown = tiny.redrawn(Sampling::uniform(100));
        (0..90).for_each(|i| grown.offer(&row(i), i as i64, Group::default()));
        assert_eq!(grown.len(), 100);
    }

    #[test]
    fn reservoirs_that_draw_differently_do_not_mix() {
        let mut uniform = Reservoir::new(Sampling::uniform(10), 1);
        let decaying = Reservoir::new(Sampling { half_life: Some(DAY), ..Sampling::uniform(10) }, 1);
        assert_eq!(uniform.merge(&decaying), Err(Mismatch));
        assert_eq!(uniform.merge(&Reservoir::new(Sampling::uniform(20), 1)), Ok(()));
    }
}
