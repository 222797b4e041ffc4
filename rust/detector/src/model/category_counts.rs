//! How often each category occurred in training: what turns the identity of a port or a service into its rarity.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::conn::features::FeatureRow;
use crate::conn::schema::{Column, FEATURES, Kind};
use crate::quantize::{log2, on_grid};

/// The commonest categories of a column that are kept; what is rarer than these counts as never seen.
const KEPT: usize = 4096;

/// For every column that holds a category, how often each was seen in how many rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CategoryCounts {
    rows: u32,
    columns: Vec<Counts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    column: u16,
    /// Identity and count, in ascending order of the identity.
    counts: Vec<(u32, u32)>,
}

impl CategoryCounts {
    /// Counts the categories of rows.
    pub(crate) fn count(rows: &[FeatureRow]) -> Self {
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

    /// Returns whether it speaks of this schema's categories, in an order that can be searched.
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
    pub(crate) fn encode(&self, row: &mut FeatureRow) {
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

#[cfg(test)]
mod tests {
    use super::*;

    use crate::conn::schema::N_FEATURES;

    const PORT: usize = Column::Port as usize;

    fn with_ports(ports: impl IntoIterator<Item = u32>) -> CategoryCounts {
        let row = |port: u32| std::array::from_fn(|at| if at == PORT { port as f32 } else { 1.0 });
        CategoryCounts::count(&ports.into_iter().map(row).collect::<Vec<FeatureRow>>())
    }

    fn encoded(categories: &CategoryCounts, port: f32) -> FeatureRow {
        let mut row = [1.0; N_FEATURES];
        row[PORT] = port;
        categories.encode(&mut row);
        row
    }

    #[test]
    fn a_category_is_as_rare_as_it_was_seen() {
        let categories = with_ports([80, 443, 80, 80]);
        assert!(categories.is_sound());
        for (port, seen, encoding) in [(80.0, 3, 6.0 / 4.0), (443.0, 1, 6.0 / 2.0), (22.0, 0, 6.0), (90.0, 0, 6.0)] {
            assert_eq!(categories.seen(Column::Port, port), (seen, 4), "{port}");
            assert_eq!(encoded(&categories, port)[PORT], on_grid(log2(encoding - 1.0)), "{port}");
        }
        assert_eq!(categories.seen(Column::Duration, 80.0), (0, 4), "no category");
        let row = encoded(&categories, 80.0);
        let (service, duration) = (row[Column::Service as usize], row[Column::Duration as usize]);
        assert_eq!((service, duration), (on_grid(log2(6.0 / 5.0 - 1.0)), 1.0), "numbers stay as they are");
    }

    #[test]
    fn the_commonest_categories_are_kept() {
        let most = KEPT as u32;
        let categories = with_ports((0..=most).chain([most]));
        assert_eq!(categories.seen(Column::Port, most as f32).0, 2);
        assert_eq!([most - 2, most - 1].map(|port| categories.seen(Column::Port, port as f32).0), [1, 0]);
        assert!(categories.is_sound());
    }

    #[test]
    fn counts_that_cannot_be_searched_are_unsound() {
        let changed = |change: fn(&mut Vec<Counts>)| {
            let mut categories = with_ports([80, 443]);
            change(&mut categories.columns);
            categories.is_sound()
        };
        assert!(changed(|_| ()));
        assert!(changed(|columns| columns[1].counts.clear()));
        let unsound: [fn(&mut Vec<Counts>); 5] = [
            |columns| columns[1].counts.reverse(),
            |columns| columns[1].counts[1].0 = 80,
            |columns| columns[1].column += 1,
            |columns| columns.swap(0, 1),
            |columns| columns.truncate(2),
        ];
        for (i, change) in unsound.into_iter().enumerate() {
            assert!(!changed(change), "change {i}");
        }
    }
}
