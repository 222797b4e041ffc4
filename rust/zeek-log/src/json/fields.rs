//! JSON fields: maps keys, nested or dotted, to the wanted columns.

use std::collections::HashMap;

/// Index of a member in [`JsonFields`].
pub(crate) type MemberId = u32;

/// An unwanted key.
pub(crate) const UNWANTED: MemberId = MemberId::MAX;

/// The row itself as an object; any other object is identified by its member.
pub(crate) const ROOT: MemberId = MemberId::MAX;

/// Use of a member's value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// The columns it fills, each with the rank of this name among the names of the column.
    pub(crate) columns: Vec<(u16, u8)>,
    /// True if its own members are wanted.
    pub(crate) nested: bool,
    /// True if it names the stream of the row.
    pub(crate) stream: bool,
}

/// Destination of a value, with short paths for the common cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// None.
    Skip,
    /// One column, by the name of this rank.
    Column(u16, u8),
    /// Several columns, nested members or the stream.
    Member(MemberId),
}

/// All wanted keys of an object and its nested objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct JsonFields {
    members: Vec<Member>,
    /// Members by object and key.
    ids: HashMap<MemberId, HashMap<Box<[u8]>, MemberId>>,
}

impl JsonFields {
    /// Adds a name of a column. Each dot is literal or nesting.
    pub(crate) fn add(&mut self, name: &str, column: u16, rank: u8) {
        // More dots would make too many combinations: then all of them are literal or all nesting.
        const MAX_DOTS: usize = 6;
        let dots = name.matches('.').count();
        let all = (1u32 << dots.min(MAX_DOTS)) - 1;
        for nested in 0..=all {
            let nested_at = |dot: usize| if dots > MAX_DOTS { nested == all } else { nested >> dot & 1 == 1 };
            if dots > MAX_DOTS && nested != 0 && nested != all {
                continue;
            }
            let mut object = ROOT;
            let mut key = String::new();
            for (index, part) in name.split('.').enumerate() {
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

    /// Adds a top-level key that names the stream.
    pub(crate) fn add_stream(&mut self, key: &str) {
        let id = self.member(ROOT, key);
        self.members[id as usize].stream = true;
    }

    /// The member with this key in this object, or `UNWANTED`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_is_literal_or_nesting() {
        let mut keys = JsonFields::default();
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
    fn limits_combinations_of_many_dots() {
        let mut keys = JsonFields::default();
        keys.add(&"a.".repeat(40), 0, 0);
        assert!(keys.members.len() < 100);
        assert_ne!(keys.find(ROOT, "a.".repeat(40).as_bytes()), UNWANTED);
    }
}
