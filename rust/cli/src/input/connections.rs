//! Parsed connections of many rows, with their texts in one buffer.

use std::ops::Range;

use detector::Connection;

/// Connections in the order of their rows. Texts share one buffer, so a batch needs few allocations.
#[derive(Debug, Default)]
pub struct Connections {
    stored: Vec<StoredConnection>,
    texts: Vec<u8>,
}

/// A connection without texts, and the ranges of its texts in the buffer.
#[derive(Debug)]
struct StoredConnection {
    connection: Connection<'static>,
    uid: Option<Range<usize>>,
    label: Option<Range<usize>>,
    service: Option<Range<usize>>,
    history: Option<Range<usize>>,
}

impl Connections {
    /// Removes all connections; the buffers stay allocated.
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

    /// Adds a connection with its `uid` and label.
    pub fn push(&mut self, connection: Connection<'_>, uid: Option<&[u8]>, label: Option<&[u8]>) {
        let mut store = |text: Option<&[u8]>| {
            text.map(|text| {
                let start = self.texts.len();
                self.texts.extend_from_slice(text);
                start..self.texts.len()
            })
        };
        let (uid, label) = (store(uid), store(label));
        let (service, history) = (store(connection.service), store(connection.history));
        self.stored.push(StoredConnection { connection: connection.without_texts(), uid, label, service, history });
    }

    /// All connections in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Connection<'_>> {
        (0..self.stored.len()).map(|index| self.get(index))
    }

    /// The connection at this index.
    ///
    /// # Panics
    /// If the index is out of bounds.
    pub fn get(&self, index: usize) -> Connection<'_> {
        let stored = &self.stored[index];
        let (service, history) = (self.text(&stored.service), self.text(&stored.history));
        Connection { service, history, ..stored.connection }
    }

    /// The `uid` of each connection.
    pub fn uids(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.stored.iter().map(|stored| self.text(&stored.uid))
    }

    /// The label of each connection, if labels were read.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.stored.iter().map(|stored| self.text(&stored.label))
    }

    fn text(&self, range: &Option<Range<usize>>) -> Option<&[u8]> {
        range.clone().map(|range| &self.texts[range])
    }

    /// Number of connections.
    pub fn len(&self) -> usize {
        self.stored.len()
    }
}
