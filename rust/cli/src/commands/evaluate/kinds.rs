//! What connections are by their labels: benign, or which of the attacks.

use anyhow::{Result, ensure};

use crate::conn_log::Labels;
use crate::human;
use crate::pipeline::Batch;

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
    /// The distinct labels of malicious connections, in the order in which they occurred.
    attacks: Vec<Box<[u8]>>,
    connections: u64,
    labelled: u64,
    malicious: u64,
}

impl Kinds {
    /// None seen yet.
    pub fn new(labels: Labels) -> Self {
        Self { labels, attacks: Vec::new(), connections: 0, labelled: 0, malicious: 0 }
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

    /// A capture has a handful of different labels, neighbouring rows mostly the same.
    fn attack(&mut self, label: &[u8]) -> u32 {
        let known = self.attacks.iter().rposition(|attack| **attack == *label);
        known.unwrap_or_else(|| {
            self.attacks.push(label.into());
            self.attacks.len() - 1
        }) as u32
    }

    /// The labels of the attacks, as text.
    pub fn attacks(&self) -> Vec<String> {
        self.attacks.iter().map(|label| String::from_utf8_lossy(label).into_owned()).collect()
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
