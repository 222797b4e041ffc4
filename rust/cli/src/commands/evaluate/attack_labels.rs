//! Classes of records by their labels: benign, or one of the attacks.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use detector::LogKind;

use crate::format;
use crate::labels::Labels;
use crate::pipeline::Batch;

/// Maximum number of distinct attacks. Typical captures have a few; a label for each row is useless in a table.
const MAX_LABELS: usize = 256;
/// Label for the attacks beyond the maximum.
const OTHERS: &str = "(others)";

/// Class of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Not malicious, or not labelled.
    Benign,
    /// Malicious, with the index of its label in [`AttackLabels::attacks`].
    Attack(u32),
}

impl Class {
    /// Returns true if the class is an attack.
    pub fn is_malicious(self) -> bool {
        self != Self::Benign
    }
}

/// Labels seen so far.
#[derive(Debug)]
pub struct AttackLabels {
    labels: Labels,
    log: LogKind,
    /// Indices of distinct malicious labels, in order of occurrence.
    attacks: HashMap<Box<[u8]>, u32>,
    /// Malicious records with labels beyond the maximum.
    others: u64,
    records: u64,
    labelled: u64,
    malicious: u64,
}

impl AttackLabels {
    pub fn new(labels: Labels, log: LogKind) -> Self {
        Self { labels, log, attacks: HashMap::new(), others: 0, records: 0, labelled: 0, malicious: 0 }
    }

    /// Classes of a batch's records.
    pub fn of(&mut self, batch: &Batch) -> Vec<Class> {
        let labels = batch.malicious.iter().zip(batch.records.labels());
        labels
            .map(|(malicious, label)| {
                self.records += 1;
                self.labelled += u64::from(malicious.is_some());
                match label {
                    Some(label) if *malicious == Some(true) => {
                        self.malicious += 1;
                        Class::Attack(self.attack(label))
                    }
                    _ => Class::Benign,
                }
            })
            .collect()
    }

    fn attack(&mut self, label: &[u8]) -> u32 {
        let label = format::truncate(label);
        if let Some(known) = self.attacks.get(label) {
            return *known;
        }
        let next = self.attacks.len() as u32;
        if self.attacks.len() < MAX_LABELS {
            self.attacks.insert(label.into(), next);
        } else {
            self.others += 1;
        }
        next
    }

    /// Labels of the attacks.
    pub fn attacks(&self) -> Vec<String> {
        let mut labels: Vec<_> = self.attacks.iter().collect();
        labels.sort_unstable_by_key(|(_, index)| **index);
        let others = (self.others > 0).then(|| OTHERS.to_owned());
        labels.into_iter().map(|(label, _)| String::from_utf8_lossy(label).into_owned()).chain(others).collect()
    }

    /// Warning that not all attacks are distinguished, if so.
    pub fn warning(&self) -> Option<String> {
        (self.others > 0).then(|| {
            format!(
                "more than {MAX_LABELS} distinct malicious labels: {} with further labels are counted as one attack, \
                 {OTHERS}",
                format::counted(self.others, self.log.noun())
            )
        })
    }

    /// Returns an error unless there are records of both classes.
    pub fn require_both(&self, names: &[String]) -> Result<()> {
        let (field, prefix) = (&self.labels.field, String::from_utf8_lossy(&self.labels.prefix));
        ensure!(self.records > 0, "no {} in {}", self.log.nouns(), names.join(", "));
        ensure!(self.labelled > 0, "no row has a {field:?}; give the label column with --label");
        ensure!(
            self.malicious > 0 && self.malicious < self.records,
            "{} of {} have a {field:?} that starts with {prefix:?}; evaluation needs both classes, see --label and \
             --malicious",
            if self.malicious == 0 { "none" } else { "all" },
            format::counted(self.records, self.log.noun()),
        );
        Ok(())
    }
}
