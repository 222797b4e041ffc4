//! Key cache: predicts the next key of a JSON row from the rows before.
//!
//! The rows of a log have their keys in the same order, some left out. Comparing with the expected keys is cheaper than
//! parsing and looking up each.

use super::fields::{MemberId, Target};

/// Keys of the rows before, in their order.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    entries: Vec<CachedKey>,
    next: usize,
}

/// Text between two values: comma, key and colon, with any space.
#[derive(Debug)]
struct CachedKey {
    text: Box<[u8]>,
    /// The beginning of the text, and a mask of its bytes.
    words: [u64; WORDS],
    masks: [u64; WORDS],
    place: KeyPlace,
    target: Target,
}

/// Object of a key, and whether the key is its first, which has no comma before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyPlace(u64);

impl KeyPlace {
    #[inline]
    pub(crate) fn new(object: MemberId, first: bool) -> Self {
        Self(u64::from(object) << 1 | u64::from(first))
    }
}

/// Words compared at once: enough for the longest key in conn.log.
const WORDS: usize = 4;

/// Capacity: more than any of Zeek's logs has columns.
const MAX_KEYS: usize = 256;

/// Maximum length of a text: keys have some tens of bytes.
const MAX_LENGTH: usize = 256;

/// Maximum number of missing keys skipped by a prediction.
const MAX_SKIPPED: usize = 8;

impl KeyCache {
    /// Empties the cache for another set of wanted keys.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.next = 0;
    }

    /// Begins a row.
    #[inline]
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
    }

    /// The index of the next key in `rest` and the length of the text before its value, if the key is in the cache.
    #[inline(always)]
    pub(crate) fn predict(&mut self, place: KeyPlace, rest: &[u8]) -> Option<(usize, usize)> {
        let mut index = self.next;
        let mut entry = self.entries.get(index)?;
        if !entry.is_next(place, rest) {
            index = self.find_later(place, rest)?;
            entry = self.entries.get(index)?;
        }
        self.next = index + 1;
        Some((index, entry.text.len()))
    }

    /// The index of the next key in `rest` if some are missing before it.
    #[inline(never)]
    fn find_later(&self, place: KeyPlace, rest: &[u8]) -> Option<usize> {
        let end = self.entries.len().min(self.next + MAX_SKIPPED);
        (self.next + 1..end).find(|&index| self.entries[index].is_next(place, rest))
    }

    /// The target of a predicted key.
    #[inline(always)]
    pub(crate) fn target(&self, index: usize) -> Target {
        self.entries.get(index).map_or(Target::Skip, |entry| entry.target)
    }

    /// Inserts a key that was not predicted.
    pub(crate) fn insert(&mut self, place: KeyPlace, text: &[u8], target: Target) {
        if let Some(index) = self.entries.iter().position(|entry| entry.place == place && *entry.text == *text) {
            self.next = index + 1;
        } else if self.entries.len() < MAX_KEYS && text.len() <= MAX_LENGTH {
            let (mut bytes, mut ones) = ([0; 8 * WORDS], [0; 8 * WORDS]);
            for (i, byte) in text.iter().take(bytes.len()).enumerate() {
                (bytes[i], ones[i]) = (*byte, 0xff);
            }
            let (words, masks) = (words(&bytes), words(&ones));
            self.entries.insert(self.next, CachedKey { text: text.into(), words, masks, place, target });
            self.next += 1;
        }
    }
}

impl CachedKey {
    /// Returns true if the key has this place and `rest` starts with its text.
    #[inline(always)]
    fn is_next(&self, place: KeyPlace, rest: &[u8]) -> bool {
        let starts_with_text = match rest.first_chunk() {
            Some(bytes) => {
                let here = words(bytes);
                let differ = (0..WORDS).fold(0, |differ, i| differ | (here[i] ^ self.words[i]) & self.masks[i]);
                differ == 0 && (self.text.len() <= bytes.len() || rest.starts_with(&self.text))
            }
            None => rest.starts_with(&self.text),
        };
        starts_with_text && self.place == place
    }
}

#[inline(always)]
fn words(bytes: &[u8; 8 * WORDS]) -> [u64; WORDS] {
    std::array::from_fn(|i| u64::from_le_bytes(std::array::from_fn(|j| bytes[8 * i + j])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::fields::ROOT;

    #[test]
    fn does_not_cache_long_keys() {
        let mut cache = KeyCache::default();
        let long = format!(",\"{}\":", "x".repeat(MAX_LENGTH));
        cache.insert(KeyPlace::new(ROOT, false), long.as_bytes(), Target::Skip);
        cache.insert(KeyPlace::new(ROOT, false), &long.as_bytes()[..MAX_LENGTH], Target::Skip);
        let lengths: Vec<_> = cache.entries.iter().map(|entry| entry.text.len()).collect();
        assert_eq!(lengths, [MAX_LENGTH]);
    }

    #[test]
    fn predicts_keys_in_order_with_some_left_out() {
        let mut cache = KeyCache::default();
        let long = format!(",\"{}\":", "x".repeat(100));
        let texts = ["\"ts\":", ",\"uid\":", ", \"service\" : ", ",\"resp_bytes\":", &long];
        for (id, text) in texts.iter().enumerate() {
            cache.insert(KeyPlace::new(ROOT, id == 0), text.as_bytes(), Target::Column(id as u16, 0));
        }
        for tail in ["1.5}", "1.5,\"and\":\"much more after it\"}"] {
            cache.rewind();
            let mut guess = |first, text: &str| {
                let (index, length) = cache.predict(KeyPlace::new(ROOT, first), format!("{text}{tail}").as_bytes())?;
                match cache.target(index) {
                    Target::Column(id, 0) if length == texts[usize::from(id)].len() => Some(id),
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(guess(false, "\"ts\":"), None, "only the first member has no comma before it");
            assert_eq!(guess(true, "\"ts\":"), Some(0));
            assert_eq!(guess(false, ",\"resp_pkts\":"), None);
            assert_eq!(guess(false, ",\"resp_bytes\":"), Some(3));
            assert_eq!(guess(false, ",\"uid\":"), None);
            assert_eq!(guess(false, &long.replace("xx\"", "xy\"")), None);
            assert_eq!(guess(false, &long), Some(4));
        }
    }
}
