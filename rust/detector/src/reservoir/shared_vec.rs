//! Copy-on-write vector: a copy shares its chunks until one side changes them.

use std::sync::Arc;

/// Elements per chunk, copied by the first write after a copy.
const CHUNK: usize = 256;

/// Copy-on-write vector of chunks.
#[derive(Clone, Debug)]
pub(crate) struct SharedVec<T> {
    /// All full except the last one; none is empty.
    chunks: Vec<Arc<Vec<T>>>,
}

impl<T: Copy> SharedVec<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Element at an existing index.
    pub(crate) fn get(&self, place: usize) -> &T {
        &self.chunks[place / CHUNK][place % CHUNK]
    }

    /// Replaces the element at an existing index.
    pub(crate) fn set(&mut self, place: usize, value: T) {
        Arc::make_mut(&mut self.chunks[place / CHUNK])[place % CHUNK] = value;
    }

    pub(crate) fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(value),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.chunks.push(Arc::new(chunk));
            }
        }
    }

    /// Removes the element at an existing index; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, place: usize) -> T {
        let removed = *self.get(place);
        if let Some(last) = self.chunks.last_mut() {
            let moved = Arc::make_mut(last).pop();
            if last.is_empty() {
                self.chunks.pop();
            }
            if let Some(moved) = moved.filter(|_| place < self.len()) {
                self.set(place, moved);
            }
        }
        removed
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_copy_shares_all_chunks_but_those_changed_later() {
        let mut numbers = SharedVec::new();
        (0..10 * CHUNK).for_each(|i| numbers.push(i));
        let copy = numbers.clone();
        numbers.set(3 * CHUNK + 7, 0);
        assert!(copy.iter().copied().eq(0..10 * CHUNK));
        let shared = numbers.chunks.iter().zip(&copy.chunks).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!((shared, *numbers.get(3 * CHUNK + 7)), (9, 0));
    }

    proptest! {
        #[test]
        fn behaves_like_a_vector(steps in prop::collection::vec((0u8..4, any::<usize>()), 0..2000)) {
            let (mut shared, mut plain) = (SharedVec::new(), Vec::new());
            let mut copies = Vec::new();
            for (i, (step, at)) in steps.into_iter().enumerate() {
                match (step, plain.len()) {
                    (0, n @ 1..) => {
                        prop_assert_eq!(shared.swap_remove(at % n), plain.swap_remove(at % n));
                    }
                    (1, n @ 1..) => {
                        shared.set(at % n, i);
                        plain[at % n] = i;
                    }
                    _ => {
                        shared.push(i);
                        plain.push(i);
                    }
                }
                if i % 500 == 0 {
                    copies.push((shared.clone(), plain.clone()));
                }
            }
            copies.push((shared, plain));
            for (shared, plain) in copies {
                prop_assert!(shared.iter().eq(&plain));
                prop_assert_eq!((shared.len(), shared.is_empty()), (plain.len(), plain.is_empty()));
            }
        }
    }
}
