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
    object: MemberId,
    /// True if it is the first in its object and has no comma.
    first: bool,
    target: Target,
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

    /// The target of the next key in `rest` and the length of the text before its value, if the key is in the cache.
    #[inline]
    pub(crate) fn predict(&mut self, object: MemberId, first: bool, rest: &[u8]) -> Option<(Target, usize)> {
        let end = self.entries.len().min(self.next + MAX_SKIPPED);
        let candidates = self.entries.get(self.next..end)?;
        let found = match rest.first_chunk::<{ 8 * WORDS }>() {
            Some(bytes) => {
                let here = words(bytes);
                candidates.iter().position(|entry| {
                    let differ = (0..WORDS).fold(0, |differ, i| differ | (here[i] ^ entry.words[i]) & entry.masks[i]);
                    let equal = differ == 0 && (entry.text.len() <= bytes.len() || rest.starts_with(&entry.text));
                    equal && entry.object == object && entry.first == first
                })
            }
            None => candidates
                .iter()
                .position(|entry| rest.starts_with(&entry.text) && entry.object == object && entry.first == first),
        }?;
        self.next += found + 1;
        let entry = &candidates[found];
        Some((entry.target, entry.text.len()))
    }

    /// Inserts a key that was not predicted.
    pub(crate) fn insert(&mut self, object: MemberId, first: bool, text: &[u8], target: Target) {
        let is_cached = |entry: &CachedKey| (entry.object, entry.first) == (object, first) && *entry.text == *text;
        if let Some(index) = self.entries.iter().position(is_cached) {
            self.next = index + 1;
        } else if self.entries.len() < MAX_KEYS && text.len() <= MAX_LENGTH {
            let (mut bytes, mut ones) = ([0; 8 * WORDS], [0; 8 * WORDS]);
            for (i, byte) in text.iter().take(bytes.len()).enumerate() {
                (bytes[i], ones[i]) = (*byte, 0xff);
            }
            let (words, masks) = (words(&bytes), words(&ones));
            self.entries.insert(self.next, CachedKey { text: text.into(), words, masks, object, first, target });
            self.next += 1;
        }
    }
}

#[inline]
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
        cache.insert(ROOT, false, long.as_bytes(), Target::Skip);
        cache.insert(ROOT, false, &long.as_bytes()[..MAX_LENGTH], Target::Skip);
        let lengths: Vec<_> = cache.entries.iter().map(|entry| entry.text.len()).collect();
        assert_eq!(lengths, [MAX_LENGTH]);
    }

    #[test]
    fn predicts_keys_in_order_with_some_left_out() {
        let mut cache = KeyCache::default();
        let long = format!(",\"{}\":", "x".repeat(100));
        let texts = ["\"ts\":", ",\"uid\":", ", \"service\" : ", ",\"resp_bytes\":", &long];
        for (id, text) in texts.iter().enumerate() {
            cache.insert(ROOT, id == 0, text.as_bytes(), Target::Column(id as u16, 0));
        }
        for tail in ["1.5}", "1.5,\"and\":\"much more after it\"}"] {
            cache.rewind();
            let mut guess = |first, text: &str| match cache.predict(ROOT, first, format!("{text}{tail}").as_bytes()) {
                Some((Target::Column(id, 0), length)) if length == texts[usize::from(id)].len() => Some(id),
                Some(other) => panic!("{other:?}"),
                None => None,
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
