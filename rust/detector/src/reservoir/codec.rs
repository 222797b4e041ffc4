//! Encoding of a reservoir in a file or message, validated before use.
//!
//! The payload, little endian, every number of a fixed size:
//!
//! | bytes | contents |
//! |---|---|
//! | 0..4   | version of the features |
//! | 4..12  | fingerprint of the features |
//! | 12..20 | half-life in microseconds; 0 for none |
//! | 20..24 | quota of a group; 0 for none |
//! | 24..28 | capacity in rows |
//! | 28..36 | number of rows offered |
//! | 36..44 | bound: the key (f64) from which rows were left out although there was room; infinite for none |
//! | 44..48 | number of intervals of observed time |
//! | 48..   | for each interval: first and last time in microseconds since 1970, and observed time (i64 each) |
//! | ...    | with a half-life: the number of slots of the [rate](crate::reservoir::rate) (u32); for each its number (i64) and count (u64) |
//! | ...    | for each row, ordered by key: key (f64), group (u64), time (i64), values (f32 each) |

use std::io::{self, Write};
use std::path::Path;

use crate::error::{Contents, Error, ErrorKind};
use crate::reservoir::Reservoir;
use crate::reservoir::entry::{Entry, Key, QuotaGroup};
use crate::reservoir::observed_time::{self as span, Interval, ObservedTime};
use crate::reservoir::rate::{MAX_SLOTS, RowCounts};
use crate::reservoir::sample::{ReservoirSnapshot, Sample};
use crate::reservoir::sampling::Sampling;
use crate::schema::{FeatureRow, LogKind, MAX_COLUMNS, Schema};
use crate::storage::envelope::Envelope;
use crate::storage::trust::Trust;

/// Sizes in bytes: the fixed fields, an interval of observed time, a slot of the rate, and the largest row.
const HEAD: usize = 48;
const INTERVAL: usize = 24;
const SLOT: usize = 16;
const MAX_ENTRY: usize = 24 + 4 * MAX_COLUMNS;
/// Largest capacity of a reservoir.
const MAX_ROWS: usize = 10_000_000;
const MAX_PAYLOAD: usize = HEAD + span::MAX_INTERVALS * INTERVAL + 4 + MAX_SLOTS * SLOT + MAX_ROWS * MAX_ENTRY;
const FORMAT: Envelope =
    Envelope { contents: Contents::Sample, magic: b"ZIFSAMPL", version: 3, max_payload: MAX_PAYLOAD };

impl Reservoir {
    /// Returns true if bytes start like a sample, valid or not.
    pub fn is_sample(bytes: &[u8]) -> bool {
        bytes.starts_with(FORMAT.magic)
    }

    /// Encodes a sample.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.snapshot().to_bytes()
    }

    /// Decodes and validates a sample. `seed` and the next row decide further random draws.
    ///
    /// # Errors
    /// If they are not a valid sample.
    pub fn from_bytes(bytes: &[u8], seed: u64) -> Result<Self, Error> {
        let payload = FORMAT.open(bytes)?;
        let invalid = |problem: &str| Error::from(Contents::Sample.invalid(problem));
        let cut_short = || invalid("its header is truncated");
        let (head, rest) = payload.split_at_checked(HEAD).ok_or_else(cut_short)?;
        let mut head = Numbers(head);
        let (version, fingerprint) = (u32::from_le_bytes(head.next()), u64::from_le_bytes(head.next()));
        let of_file = |log: &LogKind| (log.schema().version, log.schema().fingerprint()) == (version, fingerprint);
        let Some(log) = LogKind::ALL.into_iter().find(of_file) else {
            return Err(ErrorKind::OtherSchema { contents: Contents::Sample, versions: None }.into());
        };
        let schema = log.schema();
        let half_life = i64::from_le_bytes(head.next());
        let (quota, capacity) = (u32::from_le_bytes(head.next()) as usize, u32::from_le_bytes(head.next()) as usize);
        let seen = u64::from_le_bytes(head.next());
        let bound = f64::from_le_bytes(head.next());
        let n_intervals = u32::from_le_bytes(head.next()) as usize;
        let intervals = n_intervals.checked_mul(INTERVAL).and_then(|size| rest.split_at_checked(size));
        let (intervals, rows) = intervals.ok_or_else(cut_short)?;
        let (mut slots, rows) = match half_life > 0 {
            true => rows.split_first_chunk().and_then(|(n_slots, rest)| {
                let size = (u32::from_le_bytes(*n_slots) as usize).checked_mul(SLOT)?;
                rest.split_at_checked(size)
            }),
            false => Some((&[][..], rows)),
        }
        .map(|(slots, rows)| (Numbers(slots), rows))
        .ok_or_else(cut_short)?;
        let (mut intervals, mut rows) = (Numbers(intervals), Numbers(rows));
        let intervals = (0..n_intervals).map(|_| {
            let [first, last, seen] = std::array::from_fn(|_| i64::from_le_bytes(intervals.next()));
            Interval { first, last, seen }
        });
        let span = ObservedTime::from_intervals(intervals.collect());
        let (stored, entry) = (schema.stored(), entry_size(schema));
        let n = rows.0.len() / entry;
        if rows.0.len() % entry != 0 || n > capacity || capacity > MAX_ROWS {
            return Err(invalid("its size does not match its number of rows"));
        }
        let Some(span) = span.filter(|span| half_life >= 0 && seen >= n as u64 && span.ends().is_some() == (seen > 0))
        else {
            return Err(invalid("it has more rows than it was drawn from, or its times are out of order"));
        };
        let slots =
            (0..slots.0.len() / SLOT).map(|_| (i64::from_le_bytes(slots.next()), u64::from_le_bytes(slots.next())));
        let counts = match half_life > 0 {
            true => Some(RowCounts::from_slots(half_life, slots.collect())),
            false => None,
        };
        if counts == Some(None) {
            return Err(invalid("its counts are out of order"));
        }
        let sampling = Sampling {
            capacity,
            half_life: Some(half_life).filter(|&half_life| half_life > 0),
            quota: Some(quota).filter(|&quota| quota > 0),
        };
        if bound != f64::INFINITY && !sampling.is_bound(bound) {
            return Err(invalid("its bound is outside the range of keys"));
        }
        let mut reservoir = Self::new(sampling, seed).for_log(log);
        reservoir.set_bound(Some(bound));
        let mut before = f64::NEG_INFINITY;
        for _ in 0..n {
            let key = f64::from_le_bytes(rows.next());
            let group = QuotaGroup(u64::from_le_bytes(rows.next()));
            let ts = i64::from_le_bytes(rows.next());
            let mut row: FeatureRow = [0.0; MAX_COLUMNS];
            row[..stored].iter_mut().for_each(|value| *value = f32::from_le_bytes(rows.next()));
            if !sampling.is_key(key) || !span.holds(ts) || !is_sound(schema, &row) {
                return Err(invalid("it contains a row that no record can have"));
            }
            if key < std::mem::replace(&mut before, key) {
                return Err(invalid("its rows are not in the order of their keys"));
            }
            reservoir.insert(Entry { key: Key(key), group, ts, row });
        }
        if reservoir.len() != n {
            return Err(invalid("it has more rows of one group than the quota, or rows beyond its bound"));
        }
        reservoir.set_seen(seen, span, counts.flatten());
        Ok(reservoir)
    }

    /// Loads a sample file.
    ///
    /// # Errors
    /// If it is not trusted or cannot be used; the error names the file.
    pub fn load(path: &Path, seed: u64, trust: &Trust) -> Result<Self, Error> {
        let bytes = trust.read(path, FORMAT.max_size())?;
        Self::from_bytes(&bytes, seed).map_err(|error| error.of(path.display()))
    }

    /// Replaces a sample file atomically.
    ///
    /// # Errors
    /// [`ErrorKind::Write`], naming the file.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        self.snapshot().save(path)
    }
}

impl ReservoirSnapshot {
    /// Encodes a sample.
    pub fn to_bytes(self) -> Vec<u8> {
        let sample = self.by_key();
        let mut payload = Vec::with_capacity(HEAD + sample.entries.len() * MAX_ENTRY);
        // Writing to a vector does not fail.
        let _ = sample.write(&mut payload);
        FORMAT.seal(&payload)
    }

    /// Replaces a sample file like [`Reservoir::save`].
    ///
    /// # Errors
    /// [`ErrorKind::Write`], naming the file.
    pub fn save(self, path: &Path) -> Result<(), Error> {
        let sample = self.by_key();
        // Streamed, because a large sample should not be in memory twice.
        let written = FORMAT.write(path, |payload| sample.write(payload));
        written.map_err(|cause| Error::from(ErrorKind::Write(cause)).of(path.display()))
    }
}

impl Sample {
    /// Writes the payload, with the rows ordered by key.
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let Sampling { capacity, half_life, quota } = self.sampling;
        let schema = self.log.schema();
        to.write_all(&schema.version.to_le_bytes())?;
        to.write_all(&schema.fingerprint().to_le_bytes())?;
        to.write_all(&half_life.unwrap_or(0).to_le_bytes())?;
        to.write_all(&(quota.unwrap_or(0) as u32).to_le_bytes())?;
        to.write_all(&(capacity.min(MAX_ROWS) as u32).to_le_bytes())?;
        to.write_all(&self.seen.to_le_bytes())?;
        to.write_all(&self.bound.map_or(f64::INFINITY, |Key(bound)| bound).to_le_bytes())?;
        let intervals = self.span.intervals();
        to.write_all(&(intervals.len() as u32).to_le_bytes())?;
        for Interval { first, last, seen } in intervals {
            [first, last, seen].into_iter().try_for_each(|number| to.write_all(&number.to_le_bytes()))?;
        }
        if let Some(counts) = &self.counts {
            to.write_all(&(counts.slots().len() as u32).to_le_bytes())?;
            for (slot, count) in counts.slots() {
                to.write_all(&slot.to_le_bytes())?;
                to.write_all(&count.to_le_bytes())?;
            }
        }
        for Entry { key, group, ts, row } in &self.entries {
            to.write_all(&key.0.to_le_bytes())?;
            to.write_all(&group.0.to_le_bytes())?;
            to.write_all(&ts.to_le_bytes())?;
            row[..schema.stored()].iter().try_for_each(|value| to.write_all(&value.to_le_bytes()))?;
        }
        Ok(())
    }
}

/// Bytes of a row with its key, group and time.
fn entry_size(schema: &Schema) -> usize {
    24 + 4 * schema.stored()
}

/// Returns true if a row is possible: finite numbers, and identities in category columns.
fn is_sound(schema: &Schema, row: &FeatureRow) -> bool {
    schema.features.iter().zip(row).all(|(feature, &value)| match feature.encoding.is_identity() {
        true => (0.0..=(1 << 24) as f32).contains(&value) && value.fract() == 0.0,
        false => value.is_finite(),
    })
}

/// Reads numbers from a slice whose length was checked.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next<const N: usize>(&mut self) -> [u8; N] {
        let Some((number, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *number
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storage::envelope::HEADER;

    /// Offset of the rows of [`reservoir`], after one interval and two slots.
    const ROWS: usize = HEAD + INTERVAL + 4 + 2 * SLOT;

    fn reservoir() -> Reservoir {
        let sampling = Sampling { capacity: 60, half_life: Some(320_000), quota: Some(20) };
        let mut reservoir = Reservoir::new(sampling, 1);
        for i in 0..500u64 {
            let mut row = [0.0; MAX_COLUMNS];
            row[..LogKind::Conn.schema().stored()].fill(i as f32);
            reservoir.offer(&row, i as i64 - 3, QuotaGroup(i % 5 * 2));
        }
        reservoir
    }

    fn with_header(change: impl FnOnce(&mut Vec<u8>)) -> Result<Reservoir, Error> {
        let mut payload = FORMAT.open(&reservoir().to_bytes()).unwrap().to_vec();
        change(&mut payload);
        Reservoir::from_bytes(&FORMAT.seal(&payload), 1)
    }

    #[test]
    fn file_restores_the_reservoir() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sample");
        let reservoir = reservoir();
        reservoir.save(&path).unwrap();
        let again = Reservoir::load(&path, 9, &Trust::default()).unwrap();
        assert!(again.rows_by_key().eq(reservoir.rows_by_key()));
        assert_eq!((again.seen(), again.span()), (500, Some((-3, 496))));
        assert_eq!(again.snapshot().unordered().counts, reservoir.snapshot().unordered().counts);
        assert_eq!((again.sampling(), again.bound()), (reservoir.sampling(), reservoir.bound()));
        assert_eq!(again.to_bytes(), reservoir.to_bytes());

        // A bound may be 1 or less.
        let mut uniform = Reservoir::new(Sampling::uniform(3), 1).to_bytes();
        for (bound, is_one) in [(1.0, true), (1e-9, true), (0.0, false), (-1.0, false), (1.5, false)] {
            uniform[HEADER + 36..HEADER + 44].copy_from_slice(&f64::to_le_bytes(bound));
            let read = Reservoir::from_bytes(&FORMAT.seal(&uniform[HEADER..]), 1);
            assert_eq!(read.is_ok(), is_one, "{bound}");
        }

        let none = Reservoir::new(Sampling::uniform(3), 1).to_bytes();
        assert_eq!(Reservoir::from_bytes(&none, 1).unwrap().span(), None);
    }

    #[test]
    fn errors_name_the_problem() {
        let mut bytes = reservoir().to_bytes();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let refusal = |bytes: &[u8]| Reservoir::from_bytes(bytes, 1).unwrap_err().to_string();
        assert_eq!(refusal(&bytes), "is damaged: its checksum does not match; copy it again or create it again");
        assert!(refusal(b"#separator").starts_with("is not a zeek-iforest sample"));
        assert!(matches!(with_header(|payload| payload[4] ^= 1).unwrap_err().kind(), ErrorKind::OtherSchema { .. }));
        for (what, change) in [
            ("cut in a row", (|payload| payload.truncate(150)) as fn(&mut Vec<u8>)),
            ("no head", |payload| payload.truncate(20)),
            ("capacity below rows", |payload| payload[24..28].copy_from_slice(&7u32.to_le_bytes())),
            ("fewer seen than kept", |payload| payload[28..36].copy_from_slice(&7u64.to_le_bytes())),
            ("a bound that is none", |payload| payload[36..44].copy_from_slice(&f64::NAN.to_le_bytes())),
            ("an infinite bound that is none", |payload| {
                payload[36..44].copy_from_slice(&f64::NEG_INFINITY.to_le_bytes());
            }),
            ("keys out of order", |payload| {
                let entry = entry_size(LogKind::Conn.schema());
                payload[ROWS..ROWS + 2 * entry].rotate_left(entry);
            }),
            ("rows beyond the bound", |payload| payload[36..44].copy_from_slice(&(-1e9f64).to_le_bytes())),
            ("no times", |payload| {
                payload[44..48].copy_from_slice(&0u32.to_le_bytes());
                payload.drain(48..72);
            }),
            ("more times than there are bytes", |payload| payload[44..48].copy_from_slice(&u32::MAX.to_le_bytes())),
            ("times reversed", |payload| payload[48..56].copy_from_slice(&i64::MAX.to_le_bytes())),
            ("more seen than there was", |payload| payload[64..72].copy_from_slice(&9999i64.to_le_bytes())),
            ("more slots than there are bytes", |payload| payload[72..76].copy_from_slice(&u32::MAX.to_le_bytes())),
            ("no slots", |payload| payload.truncate(74)),
            ("slots out of order", |payload| payload[76..84].copy_from_slice(&5i64.to_le_bytes())),
            ("an empty slot", |payload| payload[84..92].copy_from_slice(&0u64.to_le_bytes())),
            ("a slot of long ago", |payload| payload[76..84].copy_from_slice(&(-512i64).to_le_bytes())),
            ("a slot beyond all times", |payload| payload[92..100].copy_from_slice(&i64::MAX.to_le_bytes())),
            ("a key that is none", |payload| payload[ROWS..ROWS + 8].copy_from_slice(&f64::NAN.to_le_bytes())),
            ("a time out of the span", |payload| payload[ROWS + 16..ROWS + 24].copy_from_slice(&9999i64.to_le_bytes())),
            ("an infinite value", |payload| {
                payload[ROWS + 24..ROWS + 28].copy_from_slice(&f32::INFINITY.to_le_bytes())
            }),
            ("a broken quota", |payload| payload[20..24].copy_from_slice(&3u32.to_le_bytes())),
        ] {
            assert!(matches!(with_header(change).unwrap_err().kind(), ErrorKind::Invalid { .. }), "{what}");
        }
        let missing = Reservoir::load(Path::new("/nonexistent/sample"), 1, &Trust::default()).unwrap_err().to_string();
        assert!(missing.starts_with("/nonexistent/sample: cannot be read"), "{missing}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = Reservoir::from_bytes(&bytes, 1);
            // With a correct checksum.
            let _ = Reservoir::from_bytes(&FORMAT.seal(&bytes), 1);
            let mut payload = FORMAT.open(&reservoir().to_bytes()).unwrap()[..HEAD].to_vec();
            payload.extend(&bytes);
            let _ = Reservoir::from_bytes(&FORMAT.seal(&payload), 1);
        }
    }
}
