//! Cache of group scores for rows that repeat the values of a group's columns.
//!
//! Most groups have two to four columns with few different values, which most records repeat. A group's score depends
//! only on its columns, so a stored score equals that of a traversal to the last bit.

/// Largest number of columns of a cached group.
pub(super) const MAX_COLUMNS: usize = 4;
/// Entries of a group, as a power of 2.
const BITS: u32 = 9;

/// Scores of groups by the values of their columns, of bounded size: about 12 kilobytes a group.
///
/// Belongs to one forest at a time; used with another, it starts empty.
#[derive(Clone, Debug, Default)]
pub struct ScoreCache {
    /// Identity of the forest; 0 for none.
    owner: u64,
    groups: Vec<Box<[Entry]>>,
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
        if self.owner != owner {
            self.reset(owner, cached);
        }
        &mut self.groups
    }

    #[cold]
    fn reset(&mut self, owner: u64, cached: impl Iterator<Item = bool>) {
        let empty = Entry { key: [0; MAX_COLUMNS], power: f64::NAN };
        let entries = |cached| vec![empty; if cached { 1 << BITS } else { 0 }].into_boxed_slice();
        (self.owner, self.groups) = (owner, cached.map(entries).collect());
    }
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

/// Entry for a key, and the stored score if it is that of the key.
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
