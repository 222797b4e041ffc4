//! Hash table from identities to encoded values.

/// Hash table with linear probing, at most half full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IdentityMap {
    shift: u32,
    slots: Vec<(u32, u32)>,
}

impl IdentityMap {
    /// Identity of an empty slot, which holds the value for identities without one.
    const EMPTY: u32 = u32::MAX;

    pub(super) fn new(values: impl ExactSizeIterator<Item = (u32, u32)>, otherwise: u32) -> Self {
        let bits = (2 * values.len()).next_power_of_two().ilog2().max(4);
        let mut map = Self { shift: 32 - bits, slots: vec![(Self::EMPTY, otherwise); 1 << bits] };
        for (identity, value) in values {
            let at = map.slot(identity);
            map.slots[at] = (identity, value);
        }
        map
    }

    /// The slot of an identity, or the empty one where it would be.
    fn slot(&self, identity: u32) -> usize {
        let last = self.slots.len() - 1;
        let mut at = (identity.wrapping_mul(0x9E37_79B1) >> self.shift) as usize & last;
        while self.slots[at].0 != identity && self.slots[at].0 != Self::EMPTY {
            at = (at + 1) & last;
        }
        at
    }

    pub(super) fn get(&self, identity: u32) -> u32 {
        self.slots[self.slot(identity)].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_find_their_values_in_crowded_maps() {
        // Identities with the same home slot, and the one that marks empty slots.
        let identities = (0..200u32).map(|i| i << 24).chain([IdentityMap::EMPTY, 5]);
        let map = IdentityMap::new(identities.clone().zip(100..).collect::<Vec<_>>().into_iter(), 7);
        for (identity, value) in identities.zip(100..) {
            assert_eq!(map.get(identity), value, "{identity}");
        }
        assert_eq!([1, 6, 77 << 8].map(|identity| map.get(identity)), [7; 3]);
        assert_eq!(IdentityMap::new(std::iter::empty(), 9).get(3), 9);
    }
}
