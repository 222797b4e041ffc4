//! Which JSON keys lead to which wanted columns, and the memory of the order in which keys usually come.
//!
//! The rows of a log have their keys in the same order, some left out. So each key is first compared with those that
//! came next before, and only a surprise is looked up.

use std::collections::HashMap;

/// A member of an object by its place in [`Keys`].
pub(crate) type MemberId = u32;

/// A key that nothing is wanted of.
pub(crate) const UNWANTED: MemberId = MemberId::MAX;

/// The object that is the row itself; any other object is told by the member it is the value of.
pub(crate) const ROOT: MemberId = MemberId::MAX;

/// What is wanted of a member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// The columns it fills, and the rank of this spelling among the spellings of the column.
    pub(crate) columns: Vec<(u16, u8)>,
    /// Whether members of its value are wanted, where that is an object.
    pub(crate) nested: bool,
    /// Whether it names the stream of the row.
    pub(crate) stream: bool,
}

/// All wanted keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    members: Vec<Member>,
    /// By the object they are in, and their key.
    ids: HashMap<MemberId, HashMap<Box<[u8]>, MemberId>>,
}

impl Keys {
    /// Adds a spelling of a column. Each dot may stand for itself or for nesting.
    pub(crate) fn add(&mut self, spelling: &str, column: u16, rank: u8) {
        // Names with more dots than any log has are taken as they are and fully nested only.
        const MAX_DOTS: usize = 6;
        let dots = spelling.matches('.').count();
        let all = (1u32 << dots.min(MAX_DOTS)) - 1;
        for nested in 0..=all {
            let nested_at = |dot: usize| if dots > MAX_DOTS { nested == all } else { nested >> dot & 1 == 1 };
            if dots > MAX_DOTS && nested != 0 && nested != all {
                continue;
            }
            let mut object = ROOT;
            let mut key = String::new();
            for (index, part) in spelling.split('.').enumerate() {
                if index > 0 && nested_at(index - 1) {
                    object = self.member(object, &key);
                    self.members[object as usize].nested = true;
                    key.clear();
                } else if index > 0 {
                    key.push('.');
                }
                key.push_str(part);
            }
            let id = self.member(object, &key);
            self.members[id as usize].columns.push((column, rank));
        }
    }

    /// Adds a key at the top that names the stream.
    pub(crate) fn add_stream(&mut self, key: &str) {
        let id = self.member(ROOT, key);
        self.members[id as usize].stream = true;
    }

    /// The member of this key in this object.
    pub(crate) fn find(&self, object: MemberId, key: &[u8]) -> MemberId {
        self.ids.get(&object).and_then(|ids| ids.get(key)).copied().unwrap_or(UNWANTED)
    }

    #[inline]
    pub(crate) fn get(&self, id: MemberId) -> Option<&Member> {
        self.members.get(id as usize)
    }

    fn member(&mut self, object: MemberId, key: &str) -> MemberId {
        let next = self.members.len() as MemberId;
        let id = *self.ids.entry(object).or_default().entry(key.as_bytes().into()).or_insert(next);
        if id == next {
            self.members.push(Member::default());
        }
        id
    }
}

/// What is to be done with a value, told so that the common cases are short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Nothing is wanted of it.
    Skip,
    /// It fills one column, under a spelling of this rank.
    Column(u16, u8),
    /// Anything else.
    Member(MemberId),
}

impl Keys {
    pub(crate) fn target(&self, id: MemberId) -> Target {
        match self.get(id) {
            None => Target::Skip,
            Some(Member { columns, nested: false, stream: false }) => match columns[..] {
                [(column, rank)] => Target::Column(column, rank),
                _ => Target::Member(id),
            },
            Some(_) => Target::Member(id),
        }
    }
}

/// What came before each value in the rows before, in its order.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    known: Vec<Hint>,
    next: usize,
}

/// All that stands between one value and the next: comma, key and colon, with whatever space there is.
#[derive(Debug)]
struct Hint {
    text: Box<[u8]>,
    /// The beginning of the text, and ones where it has bytes.
    words: [u64; WORDS],
    masks: [u64; WORDS],
    object: MemberId,
    /// Whether it stands at the beginning of its object, where there is no comma.
    first: bool,
    target: Target,
}

/// How much of a text is compared at once: as much as the longest of the keys in conn.log needs.
const WORDS: usize = 4;

/// How many are remembered: more than any of Zeek's logs has columns.
const MAX_HINTS: usize = 256;

/// The longest text that is remembered: keys are some tens of bytes.
const LONGEST: usize = 256;

/// How many members in a row may be missing before the next is looked up.
const MAX_MISSING: usize = 8;

impl Hints {
    /// Forgets everything, for another set of wanted keys.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.next = 0;
    }

    /// Begins another row.
    #[inline]
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
    }

    /// The member that comes next in `rest` and the length of all up to its value, if it is one of the expected.
    #[inline]
    pub(crate) fn guess(&mut self, object: MemberId, first: bool, rest: &[u8]) -> Option<(Target, usize)> {
        let end = self.known.len().min(self.next + MAX_MISSING);
        let candidates = self.known.get(self.next..end)?;
        let found = match rest.first_chunk::<{ 8 * WORDS }>() {
            Some(bytes) => {
                let here = words(bytes);
                candidates.iter().position(|hint| {
                    let differ = (0..WORDS).fold(0, |differ, i| differ | (here[i] ^ hint.words[i]) & hint.masks[i]);
                    let equal = differ == 0 && (hint.text.len() <= bytes.len() || rest.starts_with(&hint.text));
                    equal && hint.object == object && hint.first == first
                })
            }
            None => candidates
                .iter()
                .position(|hint| rest.starts_with(&hint.text) && hint.object == object && hint.first == first),
        }?;
        self.next += found + 1;
        let hint = &candidates[found];
        Some((hint.target, hint.text.len()))
    }

    /// Remembers a member that was not expected.
    pub(crate) fn learn(&mut self, object: MemberId, first: bool, text: &[u8], target: Target) {
        let is_known = |hint: &Hint| (hint.object, hint.first) == (object, first) && *hint.text == *text;
        if let Some(index) = self.known.iter().position(is_known) {
            self.next = index + 1;
        } else if self.known.len() < MAX_HINTS && text.len() <= LONGEST {
            let (mut bytes, mut ones) = ([0; 8 * WORDS], [0; 8 * WORDS]);
            for (i, byte) in text.iter().take(bytes.len()).enumerate() {
                (bytes[i], ones[i]) = (*byte, 0xff);
            }
            let (words, masks) = (words(&bytes), words(&ones));
            self.known.insert(self.next, Hint { text: text.into(), words, masks, object, first, target });
            self.next += 1;
        }
    }
}

#[inline]
fn words(bytes: &[u8; 8 * WORDS]) -> [u64; WORDS] {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|i| u64::from_le_bytes(words[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_is_itself_or_nesting() {
        let mut keys = Keys::default();
        keys.add("zeek.connection.state", 3, 1);
        let columns = |object, key: &str| keys.get(keys.find(object, key.as_bytes())).map(|m| m.columns.clone());
        let found = Some(vec![(3, 1)]);
        assert_eq!(columns(ROOT, "zeek.connection.state"), found);
        let zeek = keys.find(ROOT, b"zeek");
        assert_eq!(columns(zeek, "connection.state"), found);
        let connection = keys.find(zeek, b"connection");
        assert_eq!(columns(connection, "state"), found);
        assert_eq!(columns(keys.find(ROOT, b"zeek.connection"), "state"), found);
        assert_eq!(columns(ROOT, "state"), None);
        assert_eq!(columns(zeek, "connection"), Some(vec![]));
    }

    #[test]
    fn a_name_of_many_dots_costs_little() {
        let mut keys = Keys::default();
        keys.add(&"a.".repeat(40), 0, 0);
        assert!(keys.members.len() < 100);
        assert_ne!(keys.find(ROOT, "a.".repeat(40).as_bytes()), UNWANTED);
    }

    #[test]
    fn a_key_of_any_length_is_found_and_none_that_is_long_is_kept() {
        let mut hints = Hints::default();
        let long = format!(",\"{}\":", "x".repeat(LONGEST));
        hints.learn(ROOT, false, long.as_bytes(), Target::Skip);
        hints.learn(ROOT, false, &long.as_bytes()[..LONGEST], Target::Skip);
        let kept: Vec<_> = hints.known.iter().map(|hint| hint.text.len()).collect();
        assert_eq!(kept, [LONGEST]);
    }

    #[test]
    fn hints_follow_the_order_with_some_left_out() {
        let mut hints = Hints::default();
        let long = format!(",\"{}\":", "x".repeat(100));
        let texts = ["\"ts\":", ",\"uid\":", ", \"service\" : ", ",\"resp_bytes\":", &long];
        for (id, text) in texts.iter().enumerate() {
            hints.learn(ROOT, id == 0, text.as_bytes(), Target::Column(id as u16, 0));
        }
        for tail in ["1.5}", "1.5,\"and\":\"much more after it\"}"] {
            hints.rewind();
            let mut guess = |first, text: &str| match hints.guess(ROOT, first, format!("{text}{tail}").as_bytes()) {
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
