//! What one pass over the logs keeps for a report: counts over time, by score, by host and by port, and the most
//! anomalous connections. The memory it takes is bounded, however long the logs are and whatever they hold.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use detector::{Address, Connection, FeatureRow, Proto, Verdict};

use crate::highest::{Entry, Highest};
use crate::human;
use crate::pipeline::Batch;
use crate::report::timeline::{Figures, Series, Times};
use crate::score_text::millionths;

/// Steps of the charts over time, and of the small history of a host.
pub const STEPS: usize = 300;
pub const HISTORY_STEPS: usize = 60;
/// Hosts and ports that are told apart.
const HOSTS: usize = 1 << 15;
const PORTS: usize = 1 << 15;
/// Services of a port that are told apart.
const SERVICES: usize = 6;
/// Connections that are kept as a whole.
const ENTRIES: usize = 500;
/// Scores are counted in bars of a hundredth.
pub const BARS: usize = 100;

/// What was seen.
pub struct Survey {
    threshold: f64,
    /// Each log with connections, and how many.
    pub logs: Vec<(Arc<str>, u64)>,
    /// Connections that are anomalous.
    pub anomalous: u64,
    /// For each hundredth of a score, how many connections.
    pub bars: Vec<Bar>,
    /// When they began, in as many steps as a chart has at most.
    pub times: Times,
    /// The traffic over time.
    pub traffic: Series<Traffic>,
    /// The same in the fewer steps that there are of each host.
    pub history_times: Times,
    /// The originators.
    pub hosts: Tally<Address, Host>,
    /// The responders' ports.
    pub ports: Tally<(&'static str, u16), Port>,
    highest: Highest,
}

/// Connections whose scores lie in one hundredth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bar {
    /// All of them.
    pub connections: u64,
    /// Those that are anomalous.
    pub anomalous: u64,
}

/// The connections that began in one step of time.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// How many.
    pub connections: u64,
    /// The highest score in millionths.
    pub highest: u32,
    /// The highest score of those that are anomalous, which are not all at the threshold.
    pub highest_anomalous: Option<u32>,
    /// For each hundredth of a score, how many.
    bars: Vec<u32>,
}

impl Traffic {
    fn add(&mut self, units: u32, anomalous: bool) {
        self.connections += 1;
        self.highest = self.highest.max(units);
        self.highest_anomalous = self.highest_anomalous.max(anomalous.then_some(units));
        self.bars.resize(BARS, 0);
        self.bars[bar(units)] += 1;
    }

    /// The middle of the hundredth that the median lies in; `None` without connections.
    pub fn median(&self) -> Option<f64> {
        let mut seen = 0;
        let at = self.bars.iter().position(|&n| {
            seen += u64::from(n);
            2 * seen >= self.connections && seen > 0
        })?;
        Some((at as f64 + 0.5) / BARS as f64)
    }
}

impl Figures for Traffic {
    fn absorb(&mut self, other: &Self) {
        self.connections += other.connections;
        self.highest = self.highest.max(other.highest);
        self.highest_anomalous = self.highest_anomalous.max(other.highest_anomalous);
        self.bars.resize(BARS, 0);
        self.bars.iter_mut().zip(&other.bars).for_each(|(sum, n)| *sum += n);
    }
}

/// The connections a host opened in one step of time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Activity {
    /// How many.
    pub connections: u32,
    /// How many of them are anomalous.
    pub anomalous: u32,
}

impl Figures for Activity {
    fn absorb(&mut self, other: &Self) {
        self.connections += other.connections;
        self.anomalous += other.anomalous;
    }
}

/// What is counted by key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counts {
    /// Those that are anomalous.
    pub anomalous: u64,
    /// The highest score in millionths.
    pub highest: u32,
    /// All connections.
    pub connections: u64,
}

impl Counts {
    fn add(&mut self, units: u32, anomalous: bool) {
        self.anomalous += u64::from(anomalous);
        self.highest = self.highest.max(units);
        self.connections += 1;
    }
}

/// An originator.
#[derive(Debug, Default)]
pub struct Host {
    /// Its connections.
    pub counts: Counts,
    /// Its connections over time.
    pub history: Series<Activity>,
    /// Its most anomalous connection, if that is anomalous.
    pub example: Option<Box<Entry>>,
}

/// A responder's port.
#[derive(Debug, Default)]
pub struct Port {
    /// Its connections.
    pub counts: Counts,
    /// The services recognised on it, and how often; the first few that occurred.
    pub services: Vec<(Box<[u8]>, u64)>,
}

impl AsRef<Counts> for Host {
    fn as_ref(&self) -> &Counts {
        &self.counts
    }
}

impl AsRef<Counts> for Port {
    fn as_ref(&self) -> &Counts {
        &self.counts
    }
}

/// Figures by key, for a bounded number of keys: when there are too many, those with fewer anomalous connections and
/// lower scores are given up.
pub struct Tally<K, V> {
    capacity: usize,
    kept: HashMap<K, V>,
    /// Whether keys have been given up.
    pub is_partial: bool,
}

impl<K: Copy + Eq + Hash + Ord, V: Default + AsRef<Counts>> Tally<K, V> {
    fn new(capacity: usize) -> Self {
        Self { capacity, kept: HashMap::new(), is_partial: false }
    }

    fn of(&mut self, key: K) -> &mut V {
        if self.kept.len() >= self.capacity && !self.kept.contains_key(&key) {
            self.is_partial = true;
            let mut ranked: Vec<_> = self.kept.iter().map(|(key, value)| (*value.as_ref(), *key)).collect();
            ranked.sort_unstable();
            for (_, key) in &ranked[..ranked.len().div_ceil(2)] {
                self.kept.remove(key);
            }
        }
        self.kept.entry(key).or_default()
    }

    /// The figures of a key.
    pub fn get(&self, key: K) -> Option<&V> {
        self.kept.get(&key)
    }

    /// How many keys there are; if some have been given up, how many there are at least.
    pub fn len(&self) -> usize {
        if self.is_partial { self.capacity } else { self.kept.len() }
    }

    /// All of them, the one with the most anomalous connections first; of as many, the one with the higher score.
    pub fn ranked(&self) -> Vec<(K, &V)> {
        let mut found: Vec<_> = self.kept.iter().map(|(key, value)| (*key, value)).collect();
        found.sort_unstable_by(|a, b| b.1.as_ref().cmp(a.1.as_ref()).then(a.0.cmp(&b.0)));
        found
    }
}

impl Survey {
    /// Nothing seen yet.
    pub fn new(threshold: f64) -> Self {
        Self {
            threshold,
            logs: Vec::new(),
            anomalous: 0,
            bars: vec![Bar::default(); BARS],
            times: Times::new(STEPS),
            traffic: Series::default(),
            history_times: Times::new(HISTORY_STEPS),
            hosts: Tally::new(HOSTS),
            ports: Tally::new(PORTS),
            highest: Highest::new(ENTRIES, threshold),
        }
    }

    /// Adds the connections of a batch, which has been scored.
    pub fn add(&mut self, batch: &Batch) {
        let n = batch.connections.len() as u64;
        match self.logs.last_mut() {
            Some((name, count)) if name == batch.block.name() => *count += n,
            _ => self.logs.push((batch.block.name().clone(), n)),
        }
        for (connection, uid, row, verdict) in batch.weighed() {
            self.add_one(&connection, uid, row, verdict);
        }
    }

    fn add_one(&mut self, connection: &Connection<'_>, uid: Option<&[u8]>, row: &FeatureRow, verdict: &Verdict) {
        let score = verdict.score;
        let (ts, units, anomalous) = (connection.ts, millionths(score), verdict.passes(self.threshold));
        self.anomalous += u64::from(anomalous);
        let bar = &mut self.bars[bar(units)];
        bar.connections += 1;
        bar.anomalous += u64::from(anomalous);
        self.times.include(ts);
        self.traffic.at(&self.times, ts).add(units, anomalous);

        self.history_times.include(ts);
        let host = self.hosts.of(connection.orig.addr);
        if anomalous && host.example.as_ref().is_none_or(|example| example.verdict.rank() < verdict.rank()) {
            host.example = Some(Box::new(Entry::alone(connection, uid, row, verdict)));
        }
        host.counts.add(units, anomalous);
        let activity = host.history.at(&self.history_times, ts);
        activity.connections = activity.connections.saturating_add(1);
        activity.anomalous = activity.anomalous.saturating_add(u32::from(anomalous));

        // What Zeek keeps as the ports of ICMP are a type and a code.
        let number = if connection.proto == Proto::Icmp { 0 } else { connection.resp.port };
        let port = self.ports.of((connection.proto.name(), number));
        port.counts.add(units, anomalous);
        if let Some(service) = connection.service.map(human::cut) {
            match port.services.iter().position(|(name, _)| **name == *service) {
                Some(known) => port.services[known].1 += 1,
                None if port.services.len() < SERVICES => port.services.push((service.into(), 1)),
                None => {}
            }
        }
        self.highest.offer(connection, uid, row, verdict);
    }

    /// All connections.
    pub fn connections(&self) -> u64 {
        self.logs.iter().map(|(_, count)| count).sum()
    }

    /// The most anomalous connections, the highest score first: takes them out.
    pub fn take_highest(&mut self) -> Vec<Entry> {
        std::mem::replace(&mut self.highest, Highest::new(1, self.threshold)).into_sorted()
    }
}

fn bar(units: u32) -> usize {
    (units as usize * BARS / 1_000_000).min(BARS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_tally_keeps_what_is_anomalous() {
        let mut hosts: Tally<u32, Host> = Tally::new(100);
        for key in 0..10_000 {
            hosts.of(key).counts.add(key % 1000, key % 1000 == 7);
        }
        assert!(hosts.is_partial && hosts.kept.len() <= 100);
        let found: Vec<_> = hosts.ranked().iter().take(10).map(|(key, _)| *key).collect();
        assert_eq!(found, (0..10).map(|i| i * 1000 + 7).collect::<Vec<_>>());
    }

    #[test]
    fn the_median_is_that_of_the_step() {
        let mut step = Traffic::default();
        assert_eq!(step.median(), None);
        [100_000, 400_000, 400_001, 409_999, 999_999].into_iter().for_each(|units| step.add(units, false));
        assert_eq!(step.median(), Some(0.405));
        let mut other = Traffic::default();
        (0..6).for_each(|_| other.add(700_000, true));
        step.absorb(&other);
        assert_eq!((step.connections, step.highest, step.median()), (11, 999_999, Some(0.705)));
        assert_eq!(step.highest_anomalous, Some(700_000));
    }
}
