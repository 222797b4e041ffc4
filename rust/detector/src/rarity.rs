//! How often each category occurred in training: what turns the identity of a port or a service into its rarity.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::Row;
use crate::scale::{log2, on_grid};
use crate::schema::{Column, FEATURES, Kind};

/// The commonest categories of a column that are kept; what is rarer than these counts as never seen.
const KEPT: usize = 4096;

/// For every column that holds a category, how often each was seen in how many rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rarity {
    rows: u32,
    columns: Vec<Counts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    column: u16,
    /// Identity and count, in ascending order of the identity.
    counts: Vec<(u32, u32)>,
}

impl Rarity {
    /// Counts the categories of rows.
    pub(crate) fn count(rows: &[Row]) -> Self {
        let categories = FEATURES.iter().filter(|feature| feature.kind == Kind::Category);
        let columns = categories
            .map(|feature| {
                let mut seen: HashMap<u32, u32> = HashMap::new();
                for row in rows {
                    *seen.entry(row[feature.column as usize] as u32).or_default() += 1;
                }
                let mut counts: Vec<_> = seen.into_iter().collect();
                counts.sort_unstable_by_key(|&(identity, count)| (std::cmp::Reverse(count), identity));
                counts.truncate(KEPT);
                counts.sort_unstable();
                Counts { column: feature.column as u16, counts }
            })
            .collect();
        Self { rows: rows.len() as u32, columns }
    }

    /// Whether it speaks of this schema's categories, in an order that can be searched.
    pub(crate) fn is_sound(&self) -> bool {
        let categories = FEATURES.iter().filter(|feature| feature.kind == Kind::Category);
        let columns = categories.map(|feature| feature.column as u16);
        columns.eq(self.columns.iter().map(|counts| counts.column))
            && self.columns.iter().all(|column| column.counts.is_sorted_by(|a, b| a.0 < b.0))
    }

    /// How often a category of a column was seen in how many rows; never, where the column holds no category.
    pub(crate) fn seen(&self, column: Column, identity: f32) -> (u32, u32) {
        let counts = self.columns.iter().find(|counts| counts.column == column as u16);
        (counts.map_or(0, |counts| counts.count(identity)), self.rows)
    }

    /// Replaces the identities in a row by their rarities: log2 of (rows + 2) / (times seen + 1).
    pub(crate) fn encode(&self, row: &mut Row) {
        for column in &self.columns {
            let value = &mut row[usize::from(column.column)];
            let count = column.count(*value);
            *value = on_grid(log2((self.rows as f32 + 2.0) / (count as f32 + 1.0) - 1.0));
        }
    }
}

impl Counts {
    fn count(&self, identity: f32) -> u32 {
        let seen = self.counts.binary_search_by_key(&(identity as u32), |&(identity, _)| identity);
        seen.map_or(0, |at| self.counts[at].1)
    }
}
