//! A bounded uniform sample of rows: all that training needs of the traffic, however much there was.

use std::collections::BinaryHeap;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::Row;

/// At most `capacity` of the rows offered, each equally likely to be among them.
///
/// Every row draws a key; the rows with the smallest keys stay. Two reservoirs therefore merge into the one a single
/// pass over everything would have drawn.
#[derive(Debug)]
pub struct Reservoir {
    capacity: usize,
    random: ChaCha8Rng,
    rows: Vec<Row>,
    /// The key of each row kept and its place in `rows`; the largest key on top.
    keys: BinaryHeap<(u64, usize)>,
    seen: u64,
}

impl Reservoir {
    /// An empty reservoir of `capacity` rows; `seed` decides which rows will stay.
    pub fn new(capacity: usize, seed: u64) -> Self {
        Self { capacity, random: ChaCha8Rng::seed_from_u64(seed), rows: Vec::new(), keys: BinaryHeap::new(), seen: 0 }
    }

    /// Offers a row.
    pub fn offer(&mut self, row: &Row) {
        self.seen += 1;
        let key = self.random.next_u64();
        if self.rows.len() < self.capacity {
            self.keys.push((key, self.rows.len()));
            self.rows.push(*row);
        } else if let Some(mut largest) = self.keys.peek_mut()
            && key < largest.0
        {
            let place = largest.1;
            *largest = (key, place);
            self.rows[place] = *row;
        }
    }

    /// The rows kept, in no particular but a reproducible order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How many rows were offered.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    fn row(i: usize) -> Row {
        [i as f32; schema::N_FEATURES]
    }

    #[test]
    fn everything_stays_while_there_is_room() {
        let mut reservoir = Reservoir::new(10, 1);
        (0..10).for_each(|i| reservoir.offer(&row(i)));
        assert_eq!(reservoir.rows(), (0..10).map(row).collect::<Vec<_>>());
    }

    #[test]
    fn every_row_is_equally_likely_to_stay() {
        let mut stayed = [0u32; 100];
        for seed in 0..2000 {
            let mut reservoir = Reservoir::new(10, seed);
            (0..100).for_each(|i| reservoir.offer(&row(i)));
            assert_eq!((reservoir.rows().len(), reservoir.seen()), (10, 100));
            reservoir.rows().iter().for_each(|row| stayed[row[0] as usize] += 1);
        }
        // 200 expected each with a standard deviation of 13.4; a fair draw stays within five of them.
        assert!(stayed.iter().all(|&n| (133..=267).contains(&n)), "{stayed:?}");
    }
}
