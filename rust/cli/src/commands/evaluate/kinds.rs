//! What connections are by their labels: benign, or which of the attacks.

use std::collections::HashMap;

use anyhow::{Result, ensure};

use crate::conn_log::Labels;
use crate::human;
use crate::pipeline::Batch;

/// Labels that are told apart. A capture has a handful; where each row has its own, nobody reads what each takes.
const MOST: usize = 256;
/// What the attacks of all further labels are called together.
const OTHERS: &str = "(others)";

/// A connection by its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not malicious, or without a label.
    Benign,
    /// Malicious: the index of its label among [`Kinds::attacks`].
    Attack(u32),
}

impl Kind {
    /// Whether it is an attack.
    pub fn is_malicious(self) -> bool {
        self != Self::Benign
    }
}

/// The labels seen so far.
#[derive(Debug)]
pub struct Kinds {
    labels: Labels,
    /// The distinct labels of malicious connections, numbered in the order in which they occurred.
    attacks: HashMap<Box<[u8]>, u32>,
    /// Malicious connections with further labels.
    others: u64,
    connections: u64,
    labelled: u64,
    malicious: u64,
}

impl Kinds {
    /// None seen yet.
    pub fn new(labels: Labels) -> Self {
        Self { labels, attacks: HashMap::new(), others: 0, connections: 0, labelled: 0, malicious: 0 }
    }

    /// The kinds of a batch's connections.
    pub fn of(&mut self, batch: &Batch) -> Vec<Kind> {
        let labels = batch.malicious.iter().zip(batch.connections.labels());
        labels
            .map(|(malicious, label)| {
                self.connections += 1;
                self.labelled += u64::from(malicious.is_some());
                match label {
                    Some(label) if *malicious == Some(true) => {
                        self.malicious += 1;
                        Kind::Attack(self.attack(label))
                    }
                    _ => Kind::Benign,
                }
            })
            .collect()
    }

    fn attack(&mut self, label: &[u8]) -> u32 {
        let label = human::cut(label);
        if let Some(known) = self.attacks.get(label) {
            return *known;
        }
        let next = self.attacks.len() as u32;
        if self.attacks.len() < MOST {
            self.attacks.insert(label.into(), next);
        } else {
            self.others += 1;
        }
        next
    }

    /// The labels of the attacks, as text.
    pub fn attacks(&self) -> Vec<String> {
        let mut labels: Vec<_> = self.attacks.iter().collect();
        labels.sort_unstable_by_key(|(_, index)| **index);
        let others = (self.others > 0).then(|| OTHERS.to_owned());
        labels.into_iter().map(|(label, _)| String::from_utf8_lossy(label).into_owned()).chain(others).collect()
    }

    /// That attacks are not told apart, in words; none where all are.
    pub fn untold(&self) -> Option<String> {
        (self.others > 0).then(|| {
            format!(
                "more than {MOST} different labels are malicious: {} with others than the first {MOST} count as one \
                 attack, {OTHERS}",
                human::counted(self.others, "connection")
            )
        })
    }

    /// An error unless there are connections of both kinds, for there is nothing to compare without.
    pub fn require_both(&self, names: &[String]) -> Result<()> {
        let (field, prefix) = (&self.labels.field, String::from_utf8_lossy(&self.labels.prefix));
        ensure!(self.connections > 0, "there is no connection in {}", names.join(", "));
        ensure!(self.labelled > 0, "no row has a {field:?}; name the column with the label by --label");
        ensure!(
            self.malicious > 0 && self.malicious < self.connections,
            "{} of {} have a {field:?} that starts with {prefix:?}; there must be some of both kinds to compare \
             (choose by --label and --malicious)",
            if self.malicious == 0 { "none" } else { "all" },
            human::counted(self.connections, "connection"),
        );
        Ok(())
    }
}
