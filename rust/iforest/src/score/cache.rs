//! Cache of the scores of rows, and of groups whose columns repeat their values.
//!
//! In a flood most rows repeat an earlier one. In other traffic, most groups have two to four columns with few different
//! values, which most records repeat. A score depends only on the values, so a stored one equals that of a traversal to
//! the last bit.

/// Largest number of columns of a cached group.
const MAX_COLUMNS: usize = 4;
/// Entries of a group, as a power of 2.
const BITS: u32 = 9;
/// Number of stored rows, as a power of 2.
const ROW_BITS: u32 = 5;

/// Scores of recent rows, and of groups by the values of their columns. Of bounded size: about 12 kilobytes a group.
///
/// Belongs to one forest at a time, and to mapped scores or others; used for another, it starts empty.
#[derive(Clone, Debug, Default)]
pub struct ScoreCache {
    /// Identity of the forest, inverted for mapped scores; 0 for none.
    owner: u64,
    groups: Vec<Box<[Entry]>>,
    rows: Vec<ScoredRow>,
}

/// Score of a row, by the bits of its values; empty for none.
#[derive(Clone, Debug, Default)]
struct ScoredRow {
    hash: u32,
    row: Vec<u32>,
    score: f64,
}

/// Columns of a group, repeated up to [`MAX_COLUMNS`], so that its keys are built without a loop.
#[derive(Clone, Debug)]
pub(super) struct Columns([u16; MAX_COLUMNS]);

/// Bits of a row's values in a group's columns.
pub(super) type Key = [u64; 2];

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

    /// Entries of all groups; empty for those that are not cached.
    #[inline]
    pub(super) fn groups(&mut self) -> &mut [Box<[Entry]>] {
        &mut self.groups
    }

    /// Empties the cache if it belongs to another forest than `owner`. `cached` selects its groups.
    #[inline]
    pub(super) fn prepare(&mut self, owner: u64, cached: impl Iterator<Item = bool>) {
        if self.owner != owner {
            self.reset(owner, cached);
        }
    }

    /// Stored score of a row with this hash.
    #[inline]
    pub(super) fn row(&self, row: &[f32], hash: u32) -> Option<f64> {
        let entry = &self.rows[place(hash)];
        let is_same = entry.hash == hash && entry.row.iter().copied().eq(row.iter().map(|value| value.to_bits()));
        is_same.then_some(entry.score)
    }

    /// Stores the score of a row with this hash.
    #[inline]
    pub(super) fn put_row(&mut self, row: &[f32], hash: u32, score: f64) {
        let entry = &mut self.rows[place(hash)];
        entry.hash = hash;
        entry.row.clear();
        entry.row.extend(row.iter().map(|value| value.to_bits()));
        entry.score = score;
    }

    #[cold]
    fn reset(&mut self, owner: u64, cached: impl Iterator<Item = bool>) {
        let empty = Entry { key: [0; 2], power: f64::NAN };
        let entries = |cached| vec![empty; if cached { 1 << BITS } else { 0 }].into_boxed_slice();
        (self.owner, self.groups) = (owner, cached.map(entries).collect());
        self.rows = vec![ScoredRow::default(); 1 << ROW_BITS];
    }
}

/// Hash of a row.
#[inline]
pub(super) fn hash(row: &[f32]) -> u32 {
    row.iter().fold(0u32, |hash, value| hash.rotate_left(5) ^ value.to_bits()).wrapping_mul(0x9E37_79B1)
}

/// Index of the entry for a row with this hash.
fn place(hash: u32) -> usize {
    (hash >> (u32::BITS - ROW_BITS)) as usize
}

impl Columns {
    /// `None` for no columns, or too many.
    pub(super) fn of(columns: &[u16]) -> Option<Self> {
        let fits = (1..=MAX_COLUMNS).contains(&columns.len());
        fits.then(|| Self(std::array::from_fn(|at| columns[at % columns.len()])))
    }

    /// Key of a row.
    #[inline]
    pub(super) fn key(&self, row: &[f32]) -> Key {
        let [a, b, c, d] = self.0.map(|column| u64::from(row[usize::from(column)].to_bits()));
        [a | b << 32, c | d << 32]
    }
}

/// Entry for a key, and the power stored for that key, if any.
#[inline]
pub(super) fn find(entries: &mut [Entry], key: Key) -> (Option<f64>, &mut Entry) {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let hash = (key[0].wrapping_mul(FACTOR).rotate_left(32) ^ key[1]).wrapping_mul(FACTOR);
    let entry = &mut entries[(hash >> (u64::BITS - BITS)) as usize];
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
