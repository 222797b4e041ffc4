//! Cache of the scores of rows, and of groups whose columns repeat their values.
//!
//! In a flood most rows repeat an earlier one. In other traffic, most groups have two to four columns with few different
//! values, which most records repeat. A score depends only on the values, so a stored one equals that of a traversal to
//! the last bit.

/// Largest number of columns of a cached group.
pub(super) const MAX_COLUMNS: usize = 4;
/// Entries of a group, as a power of 2.
const BITS: u32 = 9;
/// Number of stored rows, as a power of 2.
const ROW_BITS: u32 = 5;

/// Scores of recent rows, and of groups by the values of their columns. Of bounded size: about 12 kilobytes a group.
///
/// Belongs to one forest at a time; used with another, it starts empty.
#[derive(Clone, Debug, Default)]
pub struct ScoreCache {
    /// Identity of the forest; 0 for none.
    owner: u64,
    groups: Vec<Box<[Entry]>>,
    rows: Vec<ScoredRow>,
}

/// Score of a row, by the bits of its values; empty for none.
#[derive(Clone, Debug, Default)]
struct ScoredRow {
    row: Vec<u32>,
    score: f64,
}

/// Bits of a row's values in a group's columns.
pub(super) type Key = [u32; MAX_COLUMNS];

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    key: Key,
    /// `NaN` for an empty entry.
    power: f64,
}

impl ScoreCache {
    /// Creates an empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Entries of all groups of the forest `owner`; empty for groups that are not `cached`.
    #[inline]
    pub(super) fn of(&mut self, owner: u64, cached: impl Iterator<Item = bool>) -> &mut [Box<[Entry]>] {
        self.prepare(owner, cached);
        &mut self.groups
    }

    /// Empties the cache if it belongs to another forest than `owner`.
    #[inline]
    pub(super) fn prepare(&mut self, owner: u64, cached: impl Iterator<Item = bool>) {
        if self.owner != owner {
            self.reset(owner, cached);
        }
    }

    /// Stored score of a row.
    #[inline]
    pub(super) fn row(&self, row: &[f32]) -> Option<f64> {
        let entry = &self.rows[place(row)];
        let differs = entry.row.iter().zip(row).fold(0, |bits, (known, value)| bits | (known ^ value.to_bits()));
        (differs == 0 && entry.row.len() == row.len()).then_some(entry.score)
    }

    /// Stores the score of a row.
    #[inline]
    pub(super) fn put_row(&mut self, row: &[f32], score: f64) {
        let entry = &mut self.rows[place(row)];
        entry.row.clear();
        entry.row.extend(row.iter().map(|value| value.to_bits()));
        entry.score = score;
    }

    #[cold]
    fn reset(&mut self, owner: u64, cached: impl Iterator<Item = bool>) {
        let empty = Entry { key: [0; MAX_COLUMNS], power: f64::NAN };
        let entries = |cached| vec![empty; if cached { 1 << BITS } else { 0 }].into_boxed_slice();
        (self.owner, self.groups) = (owner, cached.map(entries).collect());
        self.rows = vec![ScoredRow::default(); 1 << ROW_BITS];
    }
}

/// Index of the entry for a row. Four sums run side by side, because a multiplication waits for the one before.
fn place(row: &[f32]) -> usize {
    let mut sums = [0u32; 4];
    for values in row.chunks(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = (*sum ^ value.to_bits()).wrapping_mul(0x9E37_79B1);
        }
    }
    let sum = sums.iter().fold(0, |all: u32, sum| all.rotate_left(7) ^ sum);
    (sum >> (u32::BITS - ROW_BITS)) as usize
}

/// Bits of the values in a group's columns.
#[inline]
pub(super) fn key(columns: &[u16], row: &[f32]) -> Key {
    let mut key = [0; MAX_COLUMNS];
    for (key, &column) in key.iter_mut().zip(columns) {
        *key = row[usize::from(column)].to_bits();
    }
    key
}

/// Entry for a key, and its score if that is stored.
#[inline]
pub(super) fn find(entries: &mut [Entry], key: Key) -> (Option<f64>, &mut Entry) {
    let mix = |hash: u64, &word: &u32| (hash ^ u64::from(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    let hash = key.iter().fold(0, mix);
    let entry = &mut entries[(hash as usize) & ((1 << BITS) - 1)];
    let power = (entry.key == key && !entry.power.is_nan()).then_some(entry.power);
    (power, entry)
}

impl Entry {
    /// Replaces the entry.
    #[inline]
    pub(super) fn put(&mut self, key: Key, power: f64) {
        *self = Self { key, power };
    }
}
