//! A reservoir in a file or a message: sealed, and checked like a model before any of it is used.
//!
//! The payload, little endian, every number of a fixed size:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4   | version of the features |
//! | 4..12  | fingerprint of the features |
//! | 12..20 | half-life in microseconds; 0 for none |
//! | 20..24 | quota of a group; 0 for none |
//! | 24..28 | how many rows a row was drawn to be among: the capacity |
//! | 28..36 | how many rows were offered |
//! | 36..52 | the earliest and the latest time of a row offered, in microseconds since 1970 |
//! | 52..   | for each row in the order of the keys: key (f64), group (u64), time (i64), values (f32 each) |

use std::path::Path;

use thiserror::Error;

use crate::file::Fault;
use crate::reservoir::{Entry, Key, Snapshot};
use crate::schema::{self, FEATURES, Kind, N_FEATURES};
use crate::sealed::{self, Broken, Seal};
use crate::{FileError, Group, Reservoir, Row, Sampling, Trust};

const HEAD: usize = 52;
const ENTRY: usize = 24 + 4 * N_FEATURES;
/// A reservoir holds no more than this.
const MAX_ROWS: usize = 10_000_000;
const SEAL: Seal = Seal { magic: b"ZIFSAMPL", version: 1, max_payload: HEAD + MAX_ROWS * ENTRY };

/// What is wrong with a sample.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SampleRefusal {
    /// Another kind of file.
    #[error("is not a zeek-iforest sample; make one with `zeek-iforest sample`")]
    NotASample,
    /// The envelope is damaged or too new.
    #[error(transparent)]
    Broken(Broken),
    /// Rows of other features.
    #[error("has rows of version {found} of the features, this version computes {}; draw it again", schema::VERSION)]
    OtherSchema {
        /// The schema version found.
        found: u32,
    },
    /// The payload says something that cannot be.
    #[error("is damaged: {0}")]
    Invalid(&'static str),
}

impl Reservoir {
    /// Whether bytes are meant to be a sample, be they sound or not.
    pub fn is_sample(bytes: &[u8]) -> bool {
        bytes.starts_with(SEAL.magic)
    }

    /// The bytes of a sample.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.snapshot().to_bytes()
    }

    /// A reservoir from the bytes of a sample, everything in it checked. What it draws from here on is decided by
    /// `seed` and the next row.
    ///
    /// # Errors
    /// The [`SampleRefusal`] that says what is wrong.
    pub fn from_bytes(bytes: &[u8], seed: u64) -> Result<Self, SampleRefusal> {
        let payload = SEAL.open(bytes).map_err(|broken| match broken {
            Broken::OtherKind => SampleRefusal::NotASample,
            broken => SampleRefusal::Broken(broken),
        })?;
        let invalid = SampleRefusal::Invalid;
        let Some((head, rows)) = payload.split_at_checked(HEAD) else { return Err(invalid("its head is cut short")) };
        let (mut head, mut rows) = (Numbers(head), Numbers(rows));
        let version = u32::from_le_bytes(head.next());
        if (version, u64::from_le_bytes(head.next())) != (schema::VERSION, schema::fingerprint()) {
            return Err(SampleRefusal::OtherSchema { found: version });
        }
        let half_life = i64::from_le_bytes(head.next());
        let (quota, capacity) = (u32::from_le_bytes(head.next()) as usize, u32::from_le_bytes(head.next()) as usize);
        let seen = u64::from_le_bytes(head.next());
        let (first, last) = (i64::from_le_bytes(head.next()), i64::from_le_bytes(head.next()));
        let n = rows.0.len() / ENTRY;
        if rows.0.len() % ENTRY != 0 || n > capacity || capacity > MAX_ROWS {
            return Err(invalid("its number of rows is not that of its size"));
        }
        if half_life < 0 || first > last || seen < n as u64 {
            return Err(invalid("it has more rows than it was drawn from, or its times are out of order"));
        }
        let sampling = Sampling {
            capacity,
            half_life: Some(half_life).filter(|&half_life| half_life > 0),
            quota: Some(quota).filter(|&quota| quota > 0),
        };
        let mut reservoir = Self::new(sampling, seed);
        for _ in 0..n {
            let key = f64::from_le_bytes(rows.next());
            let group = Group(u64::from_le_bytes(rows.next()));
            let ts = i64::from_le_bytes(rows.next());
            let row: Row = std::array::from_fn(|_| f32::from_le_bytes(rows.next()));
            if !key.is_finite() || !(first..=last).contains(&ts) || !is_sound(&row) {
                return Err(invalid("it holds a row that no connection gives"));
            }
            reservoir.insert(Entry { key: Key(key), group, ts, row });
        }
        if reservoir.len() != n {
            return Err(invalid("more rows of one group than its quota"));
        }
        reservoir.set_seen(seen, (seen > 0).then_some((first, last)));
        Ok(reservoir)
    }

    /// Reads the file of a sample.
    ///
    /// # Errors
    /// Why there is none, naming the file.
    pub fn load(path: &Path, seed: u64, trust: &Trust) -> Result<Self, FileError<SampleRefusal>> {
        let bytes = trust.read(path, SEAL.longest()).map_err(|cause| Fault::from(cause).of(path))?;
        Self::from_bytes(&bytes, seed).map_err(|cause| Fault::Refused(cause).of(path))
    }

    /// Writes the file of a sample: the old file or the new one is there at any time, never a part.
    ///
    /// # Errors
    /// [`Fault::Write`], naming the file.
    pub fn save(&self, path: &Path) -> Result<(), FileError<SampleRefusal>> {
        sealed::write(path, &self.to_bytes()).map_err(|cause| Fault::Write(cause).of(path))
    }
}

impl Snapshot {
    /// The bytes of a sample.
    pub fn to_bytes(self) -> Vec<u8> {
        let Self { sampling: Sampling { capacity, half_life, quota }, entries, seen, span } = self.by_key();
        let (first, last) = span.unwrap_or((0, 0));
        let mut payload = Vec::with_capacity(HEAD + entries.len() * ENTRY);
        payload.extend(schema::VERSION.to_le_bytes());
        payload.extend(schema::fingerprint().to_le_bytes());
        payload.extend(half_life.unwrap_or(0).to_le_bytes());
        payload.extend((quota.unwrap_or(0) as u32).to_le_bytes());
        payload.extend((capacity.min(MAX_ROWS) as u32).to_le_bytes());
        payload.extend(seen.to_le_bytes());
        payload.extend(first.to_le_bytes());
        payload.extend(last.to_le_bytes());
        for Entry { key, group, ts, row } in entries {
            payload.extend(key.0.to_le_bytes());
            payload.extend(group.0.to_le_bytes());
            payload.extend(ts.to_le_bytes());
            row.iter().for_each(|value| payload.extend(value.to_le_bytes()));
        }
        SEAL.close(&payload)
    }
}

/// Whether an extractor could have made the row: finite numbers, and identities where a category is.
fn is_sound(row: &Row) -> bool {
    FEATURES.iter().zip(row).all(|(feature, &value)| match feature.kind {
        Kind::Number => value.is_finite(),
        Kind::Category => (0.0..=(1 << 24) as f32).contains(&value) && value.fract() == 0.0,
    })
}

/// Reads numbers off a slice that was found long enough.
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

    fn reservoir() -> Reservoir {
        let sampling = Sampling { capacity: 60, half_life: Some(7), quota: Some(20) };
        let mut reservoir = Reservoir::new(sampling, 1);
        for i in 0..500u64 {
            reservoir.offer(&[i as f32; N_FEATURES], i as i64 - 3, Group(i % 5 * 2));
        }
        reservoir
    }

    fn resealed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Reservoir, SampleRefusal> {
        let mut payload = SEAL.open(&reservoir().to_bytes()).unwrap().to_vec();
        change(&mut payload);
        Reservoir::from_bytes(&SEAL.close(&payload), 1)
    }

    #[test]
    fn a_reservoir_survives_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sample");
        let reservoir = reservoir();
        reservoir.save(&path).unwrap();
        let again = Reservoir::load(&path, 9, &Trust::default()).unwrap();
        assert!(again.rows_by_key().eq(reservoir.rows_by_key()));
        assert_eq!((again.seen(), again.span()), (500, Some((-3, 496))));
        assert_eq!((again.sampling(), again.bound()), (reservoir.sampling(), reservoir.bound()));
        assert_eq!(again.to_bytes(), reservoir.to_bytes());

        let none = Reservoir::new(Sampling::uniform(3), 1).to_bytes();
        assert_eq!(Reservoir::from_bytes(&none, 1).unwrap().span(), None);
    }

    #[test]
    fn refusals_say_why() {
        let mut bytes = reservoir().to_bytes();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let refusal = |bytes: &[u8]| Reservoir::from_bytes(bytes, 1).unwrap_err().to_string();
        assert_eq!(refusal(&bytes), "is damaged: its checksum does not match; copy it again");
        assert!(refusal(b"#separator").starts_with("is not a zeek-iforest sample"));
        assert!(matches!(resealed(|payload| payload[4] ^= 1), Err(SampleRefusal::OtherSchema { .. })));
        for (what, change) in [
            ("cut in a row", (|payload| payload.truncate(100)) as fn(&mut Vec<u8>)),
            ("no head", |payload| payload.truncate(20)),
            ("capacity below rows", |payload| payload[24..28].copy_from_slice(&7u32.to_le_bytes())),
            ("fewer seen than kept", |payload| payload[28..36].copy_from_slice(&7u64.to_le_bytes())),
            ("times reversed", |payload| payload[36..44].copy_from_slice(&i64::MAX.to_le_bytes())),
            ("a key that is none", |payload| payload[52..60].copy_from_slice(&f64::NAN.to_le_bytes())),
            ("a time out of the span", |payload| payload[68..76].copy_from_slice(&9999i64.to_le_bytes())),
            ("an infinite value", |payload| payload[76..80].copy_from_slice(&f32::INFINITY.to_le_bytes())),
            ("a broken quota", |payload| payload[20..24].copy_from_slice(&3u32.to_le_bytes())),
        ] {
            assert!(matches!(resealed(change), Err(SampleRefusal::Invalid(_))), "{what}");
        }
        let missing = Reservoir::load(Path::new("/nonexistent/sample"), 1, &Trust::default()).unwrap_err().to_string();
        assert!(missing.starts_with("/nonexistent/sample: cannot be read"), "{missing}");
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            let _ = Reservoir::from_bytes(&bytes, 1);
            // Behind a checksum that holds.
            let _ = Reservoir::from_bytes(&SEAL.close(&bytes), 1);
            let mut payload = SEAL.open(&reservoir().to_bytes()).unwrap()[..HEAD].to_vec();
            payload.extend(&bytes);
            let _ = Reservoir::from_bytes(&SEAL.close(&payload), 1);
        }
    }
}
