//! Aggregates for a report, from one pass in bounded memory: counts over time, by score, by host and by port, and the
//! most anomalous connections.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use detector::{Address, Proto};
use foldhash::fast::RandomState;

use crate::format;
use crate::host_filter::HostFilter;
use crate::pipeline::ScoredRecord;
use crate::report::timeline::{Accumulate, Series, TimeSteps};
use crate::score_text::millionths;
use crate::top_k::{StoredRecord, TopK};

/// Time steps of the charts, and of the history of a host.
pub const STEPS: usize = 300;
pub const HISTORY_STEPS: usize = 60;
/// Maximum numbers of hosts and ports.
const HOSTS: usize = 1 << 15;
const PORTS: usize = 1 << 15;
/// Maximum number of services of a port.
const SERVICES: usize = 6;
/// Maximum number of listed connections.
const ENTRIES: usize = 500;
/// Number of score bins.
pub const BINS: usize = 100;

/// Aggregates of the connections so far.
pub struct Aggregates {
    pub threshold: f64,
    filter: HostFilter,
    /// Connections in each log.
    pub logs: Vec<(Arc<str>, u64)>,
    pub anomalous: u64,
    /// Connections in each score bin.
    pub bins: Vec<ScoreBin>,
    /// Start times, in steps of the charts.
    pub times: TimeSteps,
    /// Connections over time.
    pub traffic: Series<StepStats>,
    /// Step width of host histories, in microseconds; 0 before the first connection.
    pub history_width: i64,
    /// Originators.
    pub hosts: TopKeys<Address, Host>,
    /// Responder ports.
    pub ports: TopKeys<(Proto, u16), Port>,
    highest: TopK,
}

/// Connections in one score bin.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScoreBin {
    pub connections: u64,
    pub anomalous: u64,
}

/// Connections that started in one time step.
#[derive(Clone, Debug, Default)]
pub struct StepStats {
    pub connections: u64,
    /// Highest score in millionths.
    pub highest: u32,
    /// Highest score of the anomalous ones.
    pub highest_anomalous: Option<u32>,
    /// Connections in each score bin.
    bins: Vec<u32>,
}

impl StepStats {
    fn add(&mut self, units: u32, anomalous: bool) {
        self.connections += 1;
        self.highest = self.highest.max(units);
        self.highest_anomalous = self.highest_anomalous.max(anomalous.then_some(units));
        self.bins.resize(BINS, 0);
        self.bins[bin(units)] += 1;
    }

    /// Centre of the bin with the median score; `None` without connections.
    pub fn median(&self) -> Option<f64> {
        let mut seen = 0;
        let at = self.bins.iter().position(|&n| {
            seen += u64::from(n);
            2 * seen >= self.connections && seen > 0
        })?;
        Some((at as f64 + 0.5) / BINS as f64)
    }
}

impl Accumulate for StepStats {
    fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.highest = self.highest.max(other.highest);
        self.highest_anomalous = self.highest_anomalous.max(other.highest_anomalous);
        self.bins.resize(BINS, 0);
        self.bins.iter_mut().zip(&other.bins).for_each(|(sum, n)| *sum += n);
    }
}

/// Connections of an originator in one time step.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostStep {
    pub connections: u32,
    pub anomalous: u32,
}

impl Accumulate for HostStep {
    fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.anomalous += other.anomalous;
    }
}

/// Counts for one host or port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyStats {
    pub anomalous: u64,
    /// Highest score in millionths.
    pub highest: u32,
    pub connections: u64,
}

impl KeyStats {
    fn add(&mut self, units: u32, anomalous: bool) {
        self.anomalous += u64::from(anomalous);
        self.highest = self.highest.max(units);
        self.connections += 1;
    }
}

/// Originator.
#[derive(Debug, Default)]
pub struct Host {
    pub counts: KeyStats,
    /// Connections over time.
    pub history: Series<HostStep>,
    /// Most anomalous connection.
    pub example: Option<Box<StoredRecord>>,
}

/// Responder port.
#[derive(Debug, Default)]
pub struct Port {
    pub counts: KeyStats,
    /// First few services on it, with counts.
    pub services: Vec<(Box<[u8]>, u64)>,
}

impl AsRef<KeyStats> for Host {
    fn as_ref(&self) -> &KeyStats {
        &self.counts
    }
}

impl AsRef<KeyStats> for Port {
    fn as_ref(&self) -> &KeyStats {
        &self.counts
    }
}

/// Values for a bounded number of keys. If there are too many, the half with the fewest anomalous connections and
/// lowest scores is evicted.
pub struct TopKeys<K, V> {
    capacity: usize,
    values: HashMap<K, V, RandomState>,
    /// True if keys have been evicted.
    pub is_partial: bool,
}

impl<K: Copy + Eq + Hash + Ord, V: Default + AsRef<KeyStats>> TopKeys<K, V> {
    fn new(capacity: usize) -> Self {
        Self { capacity, values: HashMap::default(), is_partial: false }
    }

    fn of(&mut self, key: K) -> &mut V {
        if self.values.len() >= self.capacity && !self.values.contains_key(&key) {
            self.is_partial = true;
            let mut ranked: Vec<_> = self.values.iter().map(|(key, value)| (*value.as_ref(), *key)).collect();
            ranked.sort_unstable();
            for (_, key) in &ranked[..ranked.len().div_ceil(2)] {
                self.values.remove(key);
            }
        }
        self.values.entry(key).or_default()
    }

    pub fn get(&self, key: K) -> Option<&V> {
        self.values.get(&key)
    }

    /// Keys and values, in arbitrary order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.values.iter()
    }

    /// Keys in descending order of anomalous connections, then of the highest score.
    pub fn ranked(&self) -> Vec<(K, &V)> {
        let mut found: Vec<_> = self.values.iter().map(|(key, value)| (*key, value)).collect();
        found.sort_unstable_by(|a, b| b.1.as_ref().cmp(a.1.as_ref()).then(a.0.cmp(&b.0)));
        found
    }
}

impl Aggregates {
    /// Creates empty aggregates of the connections that match a filter.
    pub fn new(threshold: f64, filter: HostFilter) -> Self {
        Self {
            threshold,
            filter,
            logs: Vec::new(),
            anomalous: 0,
            bins: vec![ScoreBin::default(); BINS],
            times: TimeSteps::new(STEPS),
            traffic: Series::default(),
            history_width: 0,
            hosts: TopKeys::new(HOSTS),
            ports: TopKeys::new(PORTS),
            highest: TopK::new(ENTRIES),
        }
    }

    /// Adds a record of the log with this name.
    pub fn add(&mut self, scored: &ScoredRecord<'_>, log: &Arc<str>) {
        let is_selected = self.filter.matches(&scored.connection);
        if is_selected {
            self.add_one(scored);
        }
        match self.logs.last_mut() {
            Some((name, count)) if Arc::ptr_eq(name, log) || name == log => *count += u64::from(is_selected),
            _ => self.logs.push((log.clone(), u64::from(is_selected))),
        }
    }

    fn add_one(&mut self, scored: &ScoredRecord<'_>) {
        let ScoredRecord { connection, verdict, .. } = scored;
        let (ts, units, anomalous) = (connection.ts, millionths(verdict.score), verdict.alert);
        self.anomalous += u64::from(anomalous);
        let bin = &mut self.bins[bin(units)];
        bin.connections += 1;
        bin.anomalous += u64::from(anomalous);
        if self.times.include(ts) {
            self.history_width = self.times.width_of(HISTORY_STEPS);
        }
        self.traffic.at(self.times.width(), ts).add(units, anomalous);

        let host = self.hosts.of(connection.orig.addr);
        // The example has this score too, but reading it there usually misses the processor's cache.
        if host.example.is_none() || host.counts.highest < units {
            host.example = Some(Box::new(StoredRecord::new(scored)));
        }
        host.counts.add(units, anomalous);
        let activity = host.history.at(self.history_width, ts);
        activity.connections = activity.connections.saturating_add(1);
        activity.anomalous = activity.anomalous.saturating_add(u32::from(anomalous));

        // Zeek logs the ICMP type and code as ports.
        let number = if connection.proto == Proto::Icmp { 0 } else { connection.resp.port };
        let port = self.ports.of((connection.proto, number));
        port.counts.add(units, anomalous);
        if let Some(service) = connection.service.map(format::truncate) {
            match port.services.iter().position(|(name, _)| **name == *service) {
                Some(known) => port.services[known].1 += 1,
                None if port.services.len() < SERVICES => port.services.push((service.into(), 1)),
                None => {}
            }
        }
        self.highest.push(scored);
    }

    pub fn connections(&self) -> u64 {
        self.logs.iter().map(|(_, count)| count).sum()
    }

    /// Removes and returns the connections with the highest scores, by descending score.
    pub fn take_highest(&mut self) -> Vec<StoredRecord> {
        std::mem::replace(&mut self.highest, TopK::new(1)).into_sorted()
    }
}

fn bin(units: u32) -> usize {
    (units as usize * BINS / 1_000_000).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eviction_spares_anomalous_hosts() {
        let mut hosts: TopKeys<u32, Host> = TopKeys::new(100);
        for key in 0..10_000 {
            hosts.of(key).counts.add(key % 1000, key % 1000 == 7);
        }
        assert!(hosts.is_partial && hosts.values.len() <= 100);
        let found: Vec<_> = hosts.ranked().iter().take(10).map(|(key, _)| *key).collect();
        assert_eq!(found, (0..10).map(|i| i * 1000 + 7).collect::<Vec<_>>());
    }

    #[test]
    fn steps_have_a_median() {
        let mut step = StepStats::default();
        assert_eq!(step.median(), None);
        [100_000, 400_000, 400_001, 409_999, 999_999].into_iter().for_each(|units| step.add(units, false));
        assert_eq!(step.median(), Some(0.405));
        let mut other = StepStats::default();
        (0..6).for_each(|_| other.add(700_000, true));
        step.merge(&other);
        assert_eq!((step.connections, step.highest, step.median()), (11, 999_999, Some(0.705)));
        assert_eq!(step.highest_anomalous, Some(700_000));
    }
}
