//! Encoder: replaces identities in a row (hashes of categories) by the rarities that the forest sees.

mod counts;
mod identity_map;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use self::counts::Counts;
use self::identity_map::IdentityMap;
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
    /// Encoded values, computed by [`Encoder::prepare`]: for rows outside the training, and for rows of it.
    #[serde(skip)]
    lookups: [Lookups; 2],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    column: u16,
    counts: Counts,
    /// Divisor of the encoding: identities that could share, rows with a category, or days of training; otherwise 0.
    total: u32,
    /// Bins of each key in `counts`, for [`Encoding::Conditional`].
    bins: Vec<u32>,
}

/// Encoded values by identity, computed once: a hash table replaces a search and a logarithm per value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lookups {
    /// Columns that the forest does not see.
    identities: Vec<u16>,
    columns: Vec<Lookup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Lookup {
    /// Bits of the value of `column`, by the identity in column `of`.
    Identity { column: u16, of: u16, bits: IdentityMap },
    /// Bits of the value of `column`, by the bin of column `of` in the histogram of the key.
    Conditional { column: u16, given: [u16; 2], of: u16, width: u32, histograms: Histograms, bits: Vec<u32> },
}

/// Histogram of each key; shared with the previous lookup if both have the same keys.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Histograms {
    Own(IdentityMap),
    Previous,
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
        let mut encoder = Self { rows: rows.len() as u32, tables: tables.collect(), lookups: Default::default() };
        encoder.prepare(schema);
        encoder
    }

    /// Computes the lookups from valid tables. Call it before encoding rows.
    pub(crate) fn prepare(&mut self, schema: &Schema) {
        self.lookups = [0, 1].map(|own| self.lookups(schema, own));
    }

    /// Lookups with `own` subtracted from each count.
    fn lookups(&self, schema: &Schema, own: u32) -> Lookups {
        let identities = (0..).zip(schema.features).filter(|(_, feature)| feature.encoding == Encoding::Identity);
        let identities = identities.map(|(column, _)| column).collect();
        let mut columns = Vec::with_capacity(self.tables.len());
        let mut previous: Option<(&Table, [u16; 2])> = None;
        for table in &self.tables {
            let (column, counts) = (table.column, &table.counts.0);
            let encoding = schema.features[usize::from(column)].encoding;
            let by_identity = |of| {
                let bits = |identity, count| self.value(encoding, table, identity, count, own).to_bits();
                let mut values: Vec<_> =
                    counts.iter().map(|&(identity, count)| (identity, bits(identity, count))).collect();
                if counts.first().is_none_or(|&(identity, _)| identity != 0) {
                    values.push((0, bits(0, 0)));
                }
                Lookup::Identity { column, of, bits: IdentityMap::new(values.into_iter(), bits(u32::MAX, 0)) }
            };
            columns.push(match encoding {
                Encoding::Number | Encoding::Identity => continue,
                Encoding::Category | Encoding::OptionalCategory | Encoding::DayShare | Encoding::Partners { .. } => {
                    by_identity(column)
                }
                Encoding::Share { of, .. } => by_identity(of),
                Encoding::Conditional { given, of, width } => {
                    let is_same = |(other, by): (&Table, _)| by == given && other.counts == table.counts;
                    let histograms = match previous.replace((table, given)).is_some_and(is_same) {
                        true => Histograms::Previous,
                        false => {
                            let places = (0..).zip(counts).map(|(at, &(key, _))| (key, at));
                            Histograms::Own(IdentityMap::new(places.collect::<Vec<_>>().into_iter(), u32::MAX))
                        }
                    };
                    let value = |all: u32, seen: u32| rarity(all.saturating_sub(own), seen.saturating_sub(own));
                    let of_key = |(bins, &(_, all)): (&[u32], _)| {
                        bins.iter().map(|&seen| on_grid(value(all, seen)).to_bits()).collect::<Vec<_>>()
                    };
                    let bits = table.bins.chunks_exact(BINS).zip(counts).flat_map(of_key).collect();
                    Lookup::Conditional { column, given, of, width: width.to_bits(), histograms, bits }
                }
            });
        }
        Lookups { identities, columns }
    }

    /// Value of an identity with `count` occurrences, of which `left_out` do not count.
    fn value(&self, encoding: Encoding, table: &Table, identity: u32, count: u32, left_out: u32) -> f32 {
        on_grid(match encoding {
            Encoding::Category => {
                rarity(self.rows.saturating_sub(left_out).saturating_add(1), count.saturating_sub(left_out))
            }
            Encoding::OptionalCategory if identity == 0 => 0.0,
            Encoding::OptionalCategory => rarity(table.total.saturating_sub(left_out), count.saturating_sub(left_out)),
            Encoding::DayShare if count > left_out => count as f32 / table.total.saturating_add(1) as f32,
            Encoding::DayShare => 0.0,
            Encoding::Share { .. } => rarity(table.total.saturating_sub(1), count.saturating_sub(1)),
            _ => log2(count as f32),
        })
    }

    /// Returns true if its tables match the schema and are sorted.
    pub(crate) fn is_sound(&self, schema: &Schema) -> bool {
        let encoded = |encoding| !matches!(encoding, Encoding::Number | Encoding::Identity);
        let columns = (0..).zip(schema.features).filter(|(_, feature)| encoded(feature.encoding));
        columns.map(|(column, _): (u16, _)| column).eq(self.tables.iter().map(|table| table.column))
            && self.tables.iter().zip(self.tables.iter().map(|table| usize::from(table.column))).all(
                |(table, column)| {
                    let conditional = matches!(schema.features[column].encoding, Encoding::Conditional { .. });
                    let bins = if conditional { table.counts.0.len() * BINS } else { 0 };
                    let days = matches!(schema.features[column].encoding, Encoding::DayShare);
                    (!days || table.counts.0.iter().all(|(_, count)| *count <= table.total))
                        && table.counts.0.is_sorted_by(|a, b| a.0 < b.0)
                        && table.bins.len() == bins
                },
            )
    }

    /// Number of training rows with this identity in a column, and of all training rows.
    pub(crate) fn seen(&self, column: usize, identity: f32) -> (u32, u32) {
        let table = self.tables.iter().find(|table| usize::from(table.column) == column);
        let of = table.map_or(0, |table| table.total);
        (table.map_or(0, |table| table.counts.get(identity as u32)), if of > 0 { of } else { self.rows })
    }

    /// Replaces identities by rarities and fills the derived columns. A training row does not count itself, which would
    /// make it less rare.
    pub(crate) fn encode(&self, row: &FeatureRow, learnt: bool) -> FeatureRow {
        self.lookups[usize::from(learnt)].encode(row)
    }
}

impl Lookups {
    fn encode(&self, row: &FeatureRow) -> FeatureRow {
        let (mut encoded, mut histogram) = (*row, u32::MAX);
        for &column in &self.identities {
            encoded[usize::from(column)] = 0.0;
        }
        for lookup in &self.columns {
            match lookup {
                Lookup::Identity { column, of, bits } => {
                    encoded[usize::from(*column)] = f32::from_bits(bits.get(id(row, *of)));
                }
                Lookup::Conditional { column, given, of, width, histograms, bits } => {
                    if let Histograms::Own(places) = histograms {
                        histogram = places.get(key(row, *given));
                    }
                    let bin = bin(row[usize::from(*of)], f32::from_bits(*width));
                    let value = bits.get((histogram as usize).saturating_mul(BINS).saturating_add(bin));
                    encoded[usize::from(*column)] = value.map_or(0.0, |&bits| f32::from_bits(bits));
                }
            }
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
        encoder.encode(&row(values), learnt)[column as usize]
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
            row(&[(Column::OrigServices, orig), (Column::RespNet, net), (Column::RespPort, port)])
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
        assert_eq!(encoded(&encoder, Column::OrigServices, &[(Column::OrigServices, 1.0)], false), on_grid(log2(2.0)));
        assert_eq!(encoded(&encoder, Column::OrigServices, &[(Column::OrigServices, 9.0)], false), 0.0);
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
    fn lookups_give_the_values_of_the_tables() {
        let column = |i: u32, modulo: u32| (i.wrapping_mul(2_654_435_761) >> 7) % modulo;
        let width = MAX_COLUMNS as u32;
        let rows: Vec<FeatureRow> = (0..3000)
            .map(|i| std::array::from_fn(|at| column(i * width + at as u32, [3, 40, 900, 100_000][at % 4]) as f32))
            .collect();
        let times: Vec<i64> = (0..2000).map(|i| i * DAY / 100).collect();
        let encoder = Encoder::new(&SCHEMA, &rows[..2000], &times);
        let (mut found, mut missing) = (0, 0);
        for (row, learnt) in rows.iter().flat_map(|row| [(row, false), (row, true)]) {
            let (encoded, own) = (encoder.encode(row, learnt), u32::from(learnt));
            for table in &encoder.tables {
                let encoding = SCHEMA.features[usize::from(table.column)].encoding;
                let count = |of| encoder.value(encoding, table, id(row, of), table.counts.get(id(row, of)), own);
                let expected = match encoding {
                    Encoding::Share { of, .. } => count(of),
                    Encoding::Conditional { given, of, width } => {
                        let at = table.counts.position(key(row, given));
                        *(if at.is_some() { &mut found } else { &mut missing }) += 1;
                        let seen =
                            |at: usize| table.bins[at * BINS + bin(row[usize::from(of)], width)].saturating_sub(own);
                        let all = |at: usize| table.counts.0[at].1.saturating_sub(own);
                        at.map_or(0.0, |at| on_grid(rarity(all(at), seen(at))))
                    }
                    _ => count(table.column),
                };
                assert_eq!(encoded[usize::from(table.column)], expected, "column {}", table.column);
            }
        }
        assert!(found > 0 && missing > 0, "{found} {missing}");
        let shared = |lookup: &&Lookup| matches!(lookup, Lookup::Conditional { histograms: Histograms::Previous, .. });
        assert_eq!(encoder.lookups[0].columns.iter().filter(shared).count(), 2);
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
    fn rejects_impossible_tables() {
        let changed = |change: fn(&mut Vec<Table>)| {
            let mut encoder = with_ports([80, 443]);
            change(&mut encoder.tables);
            encoder.is_sound(&SCHEMA)
        };
        assert!(changed(|_| ()));
        assert!(changed(|tables| tables[1].counts.0.clear()));
        let unsound: [fn(&mut Vec<Table>); 7] = [
            |tables| tables[1].counts.0.reverse(),
            |tables| tables[1].counts.0[1].0 = 80,
            |tables| tables[1].column += 1,
            |tables| tables.swap(0, 1),
            |tables| tables.truncate(2),
            |tables| tables.iter_mut().for_each(|table| table.bins.truncate(1)),
            |tables| tables.iter_mut().for_each(|table| table.total = 0),
        ];
        for (i, change) in unsound.into_iter().enumerate() {
            assert!(!changed(change), "change {i}");
        }
    }
}
