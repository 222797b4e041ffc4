//! Parsed records of many rows, with their texts in one buffer.

use std::ops::Range;

use detector::{Connection, DnsQuery, LogRecord};

/// Records in the order of their rows. Texts share one buffer, so a batch needs few allocations.
#[derive(Debug, Default)]
pub struct Records {
    stored: Vec<SplitRecord>,
    texts: Vec<u8>,
}

/// A record without texts, and the ranges of its texts in the buffer.
#[derive(Debug)]
struct SplitRecord {
    record: LogRecord<'static>,
    uid: Option<Range<usize>>,
    label: Option<Range<usize>>,
    texts: [Option<Range<usize>>; 2],
}

/// Splits a record into its fixed-size fields and its texts.
pub fn split<'a>(record: &LogRecord<'a>) -> (LogRecord<'static>, [Option<&'a [u8]>; 2]) {
    match record {
        LogRecord::Conn(connection) => {
            (LogRecord::Conn(connection.without_texts()), [connection.service, connection.history])
        }
        LogRecord::Dns(query) => (LogRecord::Dns(query.without_texts()), [query.query, None]),
    }
}

/// Joins a record with its texts, the inverse of [`split`].
pub fn join<'a>(record: &LogRecord<'static>, texts: [Option<&'a [u8]>; 2]) -> LogRecord<'a> {
    let [first, second] = texts;
    match *record {
        LogRecord::Conn(connection) => LogRecord::Conn(Connection { service: first, history: second, ..connection }),
        LogRecord::Dns(query) => LogRecord::Dns(DnsQuery { query: first, ..query }),
    }
}

impl Records {
    /// Removes all records; the buffers stay allocated.
    pub fn clear(&mut self) {
        self.stored.clear();
        self.texts.clear();
    }

    /// Length of all texts in bytes.
    pub fn text_bytes(&self) -> usize {
        self.texts.len()
    }

    /// Shrinks the text buffer to at most this capacity.
    pub fn shrink_texts(&mut self, capacity: usize) {
        self.texts.shrink_to(capacity);
    }

    /// Capacity of the text buffer.
    #[cfg(test)]
    pub fn text_capacity(&self) -> usize {
        self.texts.capacity()
    }

    /// Adds a record with its `uid` and label.
    pub fn push(&mut self, record: &LogRecord<'_>, uid: Option<&[u8]>, label: Option<&[u8]>) {
        let mut store = |text: Option<&[u8]>| {
            text.map(|text| {
                let start = self.texts.len();
                self.texts.extend_from_slice(text);
                start..self.texts.len()
            })
        };
        let (uid, label) = (store(uid), store(label));
        let (record, texts) = split(record);
        let texts = texts.map(store);
        self.stored.push(SplitRecord { record, uid, label, texts });
    }

    /// All records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = LogRecord<'_>> {
        (0..self.stored.len()).map(|index| self.get(index))
    }

    /// The record at this index.
    ///
    /// # Panics
    /// If the index is out of bounds.
    pub fn get(&self, index: usize) -> LogRecord<'_> {
        let SplitRecord { record, texts: [first, second], .. } = &self.stored[index];
        join(record, [self.text(first), self.text(second)])
    }

    /// The `uid` of the record at this index.
    ///
    /// # Panics
    /// If the index is out of bounds.
    pub fn uid(&self, index: usize) -> Option<&[u8]> {
        self.text(&self.stored[index].uid)
    }

    /// All records in order, without their texts, so that reading a time copies no record.
    pub fn without_texts(&self) -> impl ExactSizeIterator<Item = &LogRecord<'static>> {
        self.stored.iter().map(|stored| &stored.record)
    }

    /// The `uid` of each record.
    pub fn uids(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.stored.iter().map(|stored| self.text(&stored.uid))
    }

    /// The label of each record, if labels were read.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.stored.iter().map(|stored| self.text(&stored.label))
    }

    fn text(&self, range: &Option<Range<usize>>) -> Option<&[u8]> {
        range.clone().map(|range| &self.texts[range])
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.stored.len()
    }
}
