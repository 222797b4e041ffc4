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

/// What came before each value in the rows before, in its order.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    known: Vec<Hint>,
    next: usize,
}

/// All that stands between one value and the next: comma, key and colon, with whatever space there is.
#[derive(Debug)]
struct Hint {
    object: MemberId,
    /// Whether it stands at the beginning of its object, where there is no comma.
    first: bool,
    text: Box<[u8]>,
    /// The first eight bytes, or all where they are fewer, and ones where they are.
    head: u64,
    mask: u64,
    id: MemberId,
}

/// How many are remembered: more than any of Zeek's logs has columns.
const MAX_HINTS: usize = 256;

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
    pub(crate) fn guess(&mut self, object: MemberId, first: bool, rest: &[u8]) -> Option<(MemberId, usize)> {
        let head = u64::from_le_bytes(*rest.first_chunk()?);
        let end = self.known.len().min(self.next + MAX_MISSING);
        let candidates = self.known.get(self.next..end)?;
        let matches = |hint: &Hint| {
            (head ^ hint.head) & hint.mask == 0
                && hint.object == object
                && hint.first == first
                && rest.starts_with(&hint.text)
        };
        let found = candidates.iter().position(matches)?;
        self.next += found + 1;
        let hint = &candidates[found];
        Some((hint.id, hint.text.len()))
    }

    /// Remembers a member that was not expected.
    pub(crate) fn learn(&mut self, object: MemberId, first: bool, text: &[u8], id: MemberId) {
        let is_known = |hint: &Hint| (hint.object, hint.first) == (object, first) && *hint.text == *text;
        if let Some(index) = self.known.iter().position(is_known) {
            self.next = index + 1;
        } else if self.known.len() < MAX_HINTS {
            let mut head = [0; 8];
            let length = text.len().min(head.len());
            head[..length].copy_from_slice(&text[..length]);
            let mask = u64::MAX.checked_shr(64 - 8 * length as u32).unwrap_or(0);
            let head = u64::from_le_bytes(head);
            self.known.insert(self.next, Hint { object, first, text: text.into(), head, mask, id });
            self.next += 1;
        }
    }
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
    fn hints_follow_the_order_with_some_left_out() {
        let mut hints = Hints::default();
        for (id, text) in ["\"ts\":", ",\"uid\":", ", \"service\" : ", ",\"d\":"].iter().enumerate() {
            hints.learn(ROOT, id == 0, text.as_bytes(), id as MemberId);
        }
        hints.rewind();
        let mut guess = |first, rest: &str| hints.guess(ROOT, first, rest.as_bytes());
        assert_eq!(guess(false, "\"ts\":1.5}"), None, "only the first member has no comma before it");
        assert_eq!(guess(true, "\"ts\":1.5}"), Some((0, 5)));
        assert_eq!(guess(false, ",\"d\":1.5}"), Some((3, 5)));
        assert_eq!(guess(false, ",\"uid\":1.5}"), None);
    }
}
