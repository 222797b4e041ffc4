//! The connections with the highest scores of a run, in memory for as many as are asked for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use detector::{Connection, FeatureRow, Model, Reason, Verdict};

use crate::human;
use crate::score_text::millionths;

/// The connections with the highest scores so far, those that are anomalous before all others; of equal scores the earlier
/// in the logs.
pub struct Highest {
    capacity: usize,
    threshold: f64,
    seen: u64,
    /// The one to go next on top.
    heap: BinaryHeap<Reverse<Entry>>,
}

/// Whether it is anomalous, its rank in millionths, and how many were seen before it.
type Rank = (bool, u32, Reverse<u64>);

/// A connection with its score, its features and its rank.
#[derive(Clone, Debug)]
pub struct Entry {
    rank: Rank,
    /// What is to be said of it.
    pub verdict: Verdict,
    /// The features, to tell the reasons from.
    row: FeatureRow,
    connection: Connection<'static>,
    uid: Option<Box<[u8]>>,
    service: Option<Box<[u8]>>,
    history: Option<Box<[u8]>>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl Highest {
    /// Room for so many, for one at least; anomalous is what passes the threshold.
    pub fn new(capacity: usize, threshold: f64) -> Self {
        Self { capacity: capacity.max(1), threshold, seen: 0, heap: BinaryHeap::new() }
    }

    /// Keeps the connection if its score is among the highest.
    pub fn offer(&mut self, connection: &Connection<'_>, uid: Option<&[u8]>, row: &FeatureRow, verdict: &Verdict) {
        let rank = (verdict.passes(self.threshold), millionths(verdict.rank()), Reverse(self.seen));
        self.seen += 1;
        if self.heap.len() == self.capacity {
            if self.heap.peek().is_some_and(|Reverse(last)| last.rank > rank) {
                return;
            }
            self.heap.pop();
        }
        self.heap.push(Reverse(Entry::new(connection, uid, row, verdict, rank)));
    }

    /// The highest score first.
    pub fn into_sorted(self) -> Vec<Entry> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(entry)| entry).collect()
    }
}

impl Entry {
    /// A connection outside any ranking.
    pub fn alone(connection: &Connection<'_>, uid: Option<&[u8]>, row: &FeatureRow, verdict: &Verdict) -> Self {
        Self::new(connection, uid, row, verdict, (verdict.anomalous, millionths(verdict.rank()), Reverse(0)))
    }

    fn new(connection: &Connection<'_>, uid: Option<&[u8]>, row: &FeatureRow, verdict: &Verdict, rank: Rank) -> Self {
        let kept = |text: &[u8]| human::cut(text).into();
        Self {
            rank,
            verdict: *verdict,
            row: *row,
            uid: uid.map(kept),
            service: connection.service.map(kept),
            history: connection.history.map(kept),
            connection: Connection {
                ts: connection.ts,
                duration: connection.duration,
                orig: connection.orig,
                resp: connection.resp,
                proto: connection.proto,
                conn_state: connection.conn_state,
                missed_bytes: connection.missed_bytes,
                service: None,
                history: None,
            },
        }
    }

    /// The connection as it was read.
    pub fn connection(&self) -> Connection<'_> {
        Connection { service: self.service.as_deref(), history: self.history.as_deref(), ..self.connection }
    }

    /// What made its score, the strongest reason first.
    pub fn reasons(&self, model: &Model) -> Vec<Reason> {
        model.reasons(&self.connection(), &self.row, self.verdict.sustained)
    }

    /// Its `uid`.
    pub fn uid(&self) -> Option<&[u8]> {
        self.uid.as_deref()
    }
}
