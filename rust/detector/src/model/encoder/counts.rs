//! Counts of the commonest identities.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Identities with their counts, ordered by identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts(pub(super) Vec<(u32, u32)>);

impl Counts {
    /// Selects those with the highest counts, at most `most`.
    pub(super) fn new(counts: HashMap<u32, u32>, most: usize) -> Self {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|&(identity, count)| (std::cmp::Reverse(count), identity));
        counts.truncate(most);
        counts.sort_unstable();
        Self(counts)
    }

    pub(super) fn position(&self, identity: u32) -> Option<usize> {
        self.0.binary_search_by_key(&identity, |&(identity, _)| identity).ok()
    }

    pub(super) fn get(&self, identity: u32) -> u32 {
        self.position(identity).map_or(0, |at| self.0[at].1)
    }
}
