//! Encoder: converts identities in a row to the rarities that the forest sees.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::quantize::{log2, on_grid};
use crate::schema::{Encoding, FeatureRow, Schema};
use crate::units::DAY;

/// Largest number of identities stored per column, the commonest ones; others count as never seen.
const MAX_IDENTITIES: usize = 4096;
/// Largest number of services with a histogram, and its number of bins.
const MAX_HISTOGRAMS: usize = 256;
const BINS: usize = 64;
/// Flag in the identity of a port that stands for a service, so that it differs from every service.
const PORT: u32 = 1 << 31;

/// Counts of identities in training, with one table for each column that is not a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encoder {
    rows: u32,
    tables: Vec<Table>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    column: u16,
    counts: Counts,
    /// Identities that could share, rows that have a category, or days of training, by the encoding; otherwise 0.
    total: u32,
    /// Bins of each key in `counts`, for [`Encoding::Conditional`].
    bins: Vec<u32>,
}

/// Identities with their counts, ordered by identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts(Vec<(u32, u32)>);

impl Counts {
    /// Selects those with the highest counts, at most `most`.
    fn new(counts: HashMap<u32, u32>, most: usize) -> Self {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|&(identity, count)| (std::cmp::Reverse(count), identity));
        counts.truncate(most);
        counts.sort_unstable();
        Self(counts)
    }

    fn position(&self, identity: u32) -> Option<usize> {
        self.0.binary_search_by_key(&identity, |&(identity, _)| identity).ok()
    }

    fn get(&self, identity: u32) -> u32 {
        self.position(identity).map_or(0, |at| self.0[at].1)
    }
}

impl Encoder {
    /// Counts the identities in rows.
    pub(crate) fn new(schema: &Schema, rows: &[FeatureRow], times: &[i64]) -> Self {
        let tables = (0..).zip(schema.features).filter_map(|(column, feature)| {
            let (counts, total, bins) = match feature.encoding {
                Encoding::Number | Encoding::Identity => return None,
                Encoding::Category => (count(rows.iter().map(|row| id(row, column))), 0, Vec::new()),
                Encoding::OptionalCategory => {
                    let identities = || rows.iter().map(|row| id(row, column)).filter(|&identity| identity != 0);
                    (count(identities()), identities().count() as u32, Vec::new())
                }
                Encoding::DayShare => {
                    let day = |ts: &i64| ts.div_euclid(DAY);
                    let days: HashSet<i64> = times.iter().map(day).collect();
                    let used: HashSet<(u32, i64)> =
                        rows.iter().zip(times).map(|(row, ts)| (id(row, column), day(ts))).collect();
                    (count(used.into_iter().map(|(identity, _)| identity)), days.len() as u32, Vec::new())
                }
                Encoding::Partners { with } => (partners(rows, column, with), 0, Vec::new()),
                Encoding::Share { of, with } => {
                    let sharers: HashSet<u32> = rows.iter().map(|row| id(row, with)).collect();
                    (partners(rows, of, with), sharers.len() as u32, Vec::new())
                }
                Encoding::Conditional { given, of, width } => {
                    let keys = Counts::new(tally(rows.iter().map(|row| key(row, given))), MAX_HISTOGRAMS);
                    let mut bins = vec![0; keys.0.len() * BINS];
                    for row in rows {
                        if let Some(at) = keys.position(key(row, given)) {
                            bins[at * BINS + bin(row[usize::from(of)], width)] += 1;
                        }
                    }
                    (keys, 0, bins)
                }
            };
            Some(Table { column, counts, total, bins })
        });
        Self { rows: rows.len() as u32, tables: tables.collect() }
    }

    /// Returns whether its tables match the schema and are sorted.
    pub(crate) fn is_sound(&self, schema: &Schema) -> bool {
        let encoded = |encoding| !matches!(encoding, Encoding::Number | Encoding::Identity);
        let columns = (0..).zip(schema.features).filter(|(_, feature)| encoded(feature.encoding));
        columns.map(|(column, _): (u16, _)| column).eq(self.tables.iter().map(|table| table.column))
            && self.tables.iter().zip(self.tables.iter().map(|table| usize::from(table.column))).all(
                |(table, column)| {
                    let conditional = matches!(schema.features[column].encoding, Encoding::Conditional { .. });
                    let bins = if conditional { table.counts.0.len() * BINS } else { 0 };
                    table.counts.0.is_sorted_by(|a, b| a.0 < b.0) && table.bins.len() == bins
                },
            )
    }

    /// Number of training rows with this identity in a column, and of all training rows.
    pub(crate) fn seen(&self, column: usize, identity: f32) -> (u32, u32) {
        let table = self.tables.iter().find(|table| usize::from(table.column) == column);
        let of = table.map_or(0, |table| table.total);
        (table.map_or(0, |table| table.counts.get(identity as u32)), if of > 0 { of } else { self.rows })
    }

    /// Replaces identities by rarities and fills the derived columns. A row of the training is not counted, or it would
    /// make itself less rare.
    pub(crate) fn encode(&self, schema: &Schema, row: &FeatureRow, learnt: bool) -> FeatureRow {
        let own = u32::from(learnt);
        let mut encoded = *row;
        for (value, feature) in encoded.iter_mut().zip(schema.features) {
            if feature.encoding == Encoding::Identity {
                *value = 0.0;
            }
        }
        for table in &self.tables {
            let column = usize::from(table.column);
            let value = match schema.features[column].encoding {
                Encoding::Number | Encoding::Identity => continue,
                Encoding::Category => {
                    let seen = table.counts.get(id(row, table.column)).saturating_sub(own);
                    rarity(self.rows.saturating_sub(own) + 1, seen)
                }
                Encoding::OptionalCategory if id(row, table.column) == 0 => 0.0,
                Encoding::OptionalCategory => {
                    let seen = table.counts.get(id(row, table.column)).saturating_sub(own);
                    rarity(table.total.saturating_sub(own), seen)
                }
                Encoding::DayShare => {
                    let days = table.counts.get(id(row, table.column));
                    if days > own { days as f32 / (table.total + 1) as f32 } else { 0.0 }
                }
                Encoding::Partners { .. } => log2(table.counts.get(id(row, table.column)) as f32),
                Encoding::Share { of, .. } => {
                    rarity(table.total.saturating_sub(1), table.counts.get(id(row, of)).saturating_sub(1))
                }
                Encoding::Conditional { given, of, width } => {
                    table.counts.position(key(row, given)).map_or(0.0, |at| {
                        let seen = table.bins[at * BINS + bin(row[usize::from(of)], width)].saturating_sub(own);
                        rarity(table.counts.0[at].1.saturating_sub(own), seen)
                    })
                }
            };
            encoded[column] = on_grid(value);
        }
        encoded
    }
}

/// log2 of (`all` + 1) / (`seen` + 1).
fn rarity(all: u32, seen: u32) -> f32 {
    log2((all as f32 + 1.0) / (seen as f32 + 1.0) - 1.0)
}

fn id(row: &FeatureRow, column: u16) -> u32 {
    row[usize::from(column)] as u32
}

fn key(row: &FeatureRow, [service, port]: [u16; 2]) -> u32 {
    match id(row, service) {
        0 => id(row, port) | PORT,
        service => service,
    }
}

fn bin(value: f32, width: f32) -> usize {
    ((value / width) as usize).min(BINS - 1)
}

fn tally(identities: impl Iterator<Item = u32>) -> HashMap<u32, u32> {
    let mut counts = HashMap::new();
    identities.for_each(|identity| *counts.entry(identity).or_default() += 1);
    counts
}

fn count(identities: impl Iterator<Item = u32>) -> Counts {
    Counts::new(tally(identities), MAX_IDENTITIES)
}

/// Number of different identities in column `with` beside each identity of column `of`.
fn partners(rows: &[FeatureRow], of: u16, with: u16) -> Counts {
    let pairs: HashSet<(u32, u32)> = rows.iter().map(|row| (id(row, of), id(row, with))).collect();
    count(pairs.into_iter().map(|(of, _)| of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::schema::{Column, SCHEMA};
    use crate::schema::MAX_COLUMNS;

    const PORT: usize = Column::Port as usize;

    fn row(values: &[(Column, f32)]) -> FeatureRow {
        let mut row = [0.0; MAX_COLUMNS];
        values.iter().for_each(|&(column, value)| row[column as usize] = value);
        row
    }

    fn with_ports(ports: impl IntoIterator<Item = u32>) -> Encoder {
        let rows: Vec<_> = ports.into_iter().map(|port| row(&[(Column::Port, port as f32)])).collect();
        Encoder::new(&SCHEMA, &rows, &vec![0; rows.len()])
    }

    fn encoded(encoder: &Encoder, column: Column, values: &[(Column, f32)], learnt: bool) -> f32 {
        encoder.encode(&SCHEMA, &row(values), learnt)[column as usize]
    }

    #[test]
    fn rarity_of_a_category_follows_its_count() {
        let encoder = with_ports([80, 443, 80, 80]);
        assert!(encoder.is_sound(&SCHEMA));
        for (port, seen, one_in) in [(80.0, 3, 6.0 / 4.0), (443.0, 1, 6.0 / 2.0), (22.0, 0, 6.0)] {
            assert_eq!(encoder.seen(PORT, port), (seen, 4), "{port}");
            let rarity = encoded(&encoder, Column::Port, &[(Column::Port, port)], false);
            assert_eq!(rarity, on_grid(log2(one_in - 1.0)), "{port}");
        }
        assert_eq!(encoder.seen(Column::Duration as usize, 80.0), (0, 4), "no category");
    }

    #[test]
    fn row_of_the_training_is_not_counted() {
        let encoder = with_ports([80, 443, 80, 80]);
        for (port, one_in) in [(443.0, 5.0), (80.0, 5.0 / 3.0)] {
            let rarity = encoded(&encoder, Column::Port, &[(Column::Port, port)], true);
            assert_eq!(rarity, on_grid(log2(one_in - 1.0)), "{port}");
        }
    }

    #[test]
    fn partners_and_shares_count_different_hosts() {
        let used = |orig: f32, net: f32, port: f32| {
            row(&[(Column::Orig, orig), (Column::RespNet, net), (Column::RespPort, port)])
        };
        let encoder = Encoder::new(
            &SCHEMA,
            &[
                used(1.0, 7.0, 70.0),
                used(1.0, 7.0, 71.0),
                used(1.0, 7.0, 71.0),
                used(2.0, 7.0, 70.0),
                used(3.0, 8.0, 80.0),
            ],
            &[0; 5],
        );
        assert_eq!(encoded(&encoder, Column::Orig, &[(Column::Orig, 1.0)], false), on_grid(log2(2.0)));
        assert_eq!(encoded(&encoder, Column::Orig, &[(Column::Orig, 9.0)], false), 0.0);
        // Two of three originators use network 7, one uses 8, and none 9.
        for (net, one_in) in [(7.0, 3.0 / 2.0), (8.0, 3.0), (9.0, 3.0)] {
            let share = encoded(&encoder, Column::NetShare, &[(Column::RespNet, net)], false);
            assert_eq!(share, on_grid(log2(one_in - 1.0)), "{net}");
        }
    }

    #[test]
    fn optional_category_is_as_rare_as_among_rows_that_have_one() {
        let rows = [0.0, 0.0, 0.0, 445.0, 445.0, 22.0].map(|port| row(&[(Column::InternalPort, port)]));
        let encoder = Encoder::new(&SCHEMA, &rows, &[0; 6]);
        assert_eq!(encoder.seen(Column::InternalPort as usize, 445.0), (2, 3));
        for (port, learnt, one_in) in
            [(445.0, false, 4.0 / 3.0), (22.0, true, 3.0), (80.0, false, 4.0), (0.0, false, 1.0)]
        {
            let rarity = encoded(&encoder, Column::InternalPort, &[(Column::InternalPort, port)], learnt);
            assert_eq!(rarity, on_grid(log2(one_in - 1.0)), "{port}");
        }
    }

    #[test]
    fn routine_is_the_share_of_days_with_the_service() {
        let rows = [1.0, 1.0, 1.0, 2.0].map(|service| row(&[(Column::Routine, service)]));
        let encoder = Encoder::new(&SCHEMA, &rows, &[0, 1, DAY, 2 * DAY]);
        for (service, learnt, share) in [
            (1.0, false, 2.0 / 4.0),
            (1.0, true, 2.0 / 4.0),
            (2.0, false, 1.0 / 4.0),
            (2.0, true, 0.0),
            (3.0, false, 0.0),
        ] {
            let found = encoded(&encoder, Column::Routine, &[(Column::Routine, service)], learnt);
            assert_eq!(found, on_grid(share), "{service}, learnt: {learnt}");
        }
    }

    #[test]
    fn conditional_rarity_is_relative_to_the_service_or_port() {
        let sized = |service: f32, size: f32| row(&[(Column::Service, service), (Column::OrigPktSize, size)]);
        let mut rows = vec![sized(5.0, 6.0); 7];
        rows.push(sized(5.0, 9.0));
        rows.extend([sized(0.0, 9.0); 3]);
        let encoder = Encoder::new(&SCHEMA, &rows, &vec![0; rows.len()]);
        let rarity = |service: f32, size: f32| {
            let values = [(Column::Service, service), (Column::OrigPktSize, size)];
            encoded(&encoder, Column::UnusualOrigSize, &values, false)
        };
        for (service, size, one_in) in [(5.0, 6.1, 9.0 / 8.0), (5.0, 9.0, 9.0 / 2.0), (5.0, 3.0, 9.0), (0.0, 9.0, 1.0)]
        {
            assert_eq!(rarity(service, size), on_grid(log2(one_in - 1.0)), "{service} and {size}");
        }
        assert_eq!(rarity(6.0, 9.0), 0.0, "nothing is known of a service never seen");
    }

    #[test]
    fn stores_the_commonest_identities() {
        let most = MAX_IDENTITIES as u32;
        let encoder = with_ports((0..=most).chain([most]));
        assert_eq!(encoder.seen(PORT, most as f32).0, 2);
        assert_eq!([most - 2, most - 1].map(|port| encoder.seen(PORT, port as f32).0), [1, 0]);
        assert!(encoder.is_sound(&SCHEMA));
    }

    #[test]
    fn rejects_unsorted_tables() {
        let changed = |change: fn(&mut Vec<Table>)| {
            let mut encoder = with_ports([80, 443]);
            change(&mut encoder.tables);
            encoder.is_sound(&SCHEMA)
        };
        assert!(changed(|_| ()));
        assert!(changed(|tables| tables[1].counts.0.clear()));
        let unsound: [fn(&mut Vec<Table>); 6] = [
            |tables| tables[1].counts.0.reverse(),
            |tables| tables[1].counts.0[1].0 = 80,
            |tables| tables[1].column += 1,
            |tables| tables.swap(0, 1),
            |tables| tables.truncate(2),
            |tables| tables.iter_mut().for_each(|table| table.bins.truncate(1)),
        ];
        for (i, change) in unsound.into_iter().enumerate() {
            assert!(!changed(change), "change {i}");
        }
    }
}
