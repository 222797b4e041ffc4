//! Alerts as an analyst meets them: notices, of which repetitions are suppressed.

use std::collections::HashMap;

use serde::Serialize;

use super::trial::{Scored, Subject};

/// How long a repetition is suppressed, in microseconds: an hour, as the sensor does by default.
const SUPPRESSED_FOR: i64 = 3_600_000_000;

/// How many notices these connections raise, given in the order in which they ended.
pub fn notices<'a>(connections: impl IntoIterator<Item = &'a Scored>) -> u64 {
    let mut raised: HashMap<Subject, i64> = HashMap::new();
    let mut notices = 0;
    for connection in connections {
        let last = raised.get(&connection.subject);
        if last.is_none_or(|last| connection.ended.saturating_sub(*last) >= SUPPRESSED_FOR) {
            raised.insert(connection.subject, connection.ended);
            notices += 1;
        }
    }
    notices
}

/// What it takes to reach one attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// How many connections belong to the attack.
    pub connections: u64,
    /// The place of its most anomalous connection, from 1, among those of other kinds; in a tie, the last.
    pub rank: u64,
    /// How many notices there are at the highest threshold that one of its connections passes.
    pub alerts: u64,
}

/// The connections of one attack.
#[derive(Clone, Copy, Default)]
struct Own {
    connections: u64,
    /// The highest rank.
    best: u32,
    /// How many have that.
    at_best: u64,
}

impl Own {
    fn add(&mut self, rank: u32) {
        self.connections += 1;
        if rank > self.best {
            (self.best, self.at_best) = (rank, 0);
        }
        self.at_best += u64::from(rank == self.best);
    }
}

/// What it takes to reach each of so many attacks; none for one that does not occur. The connections are in the order
/// in which they ended.
pub fn reach(connections: &[Scored], attacks: usize) -> Vec<Option<Reach>> {
    let mut all = vec![Own::default(); attacks];
    for scored in connections {
        if let Some(own) = scored.attack().and_then(|attack| all.get_mut(attack)) {
            own.add(scored.rank);
        }
    }
    let mut ranks: Vec<u32> = connections.iter().map(|scored| scored.rank).collect();
    ranks.sort_unstable();
    let reach = |Own { connections: n, best, at_best }: Own| {
        let passing = ranks.len() - ranks.partition_point(|&rank| rank < best);
        (n > 0).then(|| Reach {
            connections: n,
            rank: 1 + passing as u64 - at_best,
            alerts: notices(connections.iter().filter(|scored| scored.rank >= best)),
        })
    };
    all.into_iter().map(reach).collect()
}

#[cfg(test)]
mod tests {
    use detector::Address;

    use super::super::kinds::Kind;
    use super::*;

    fn scored(minute: i64, reason: usize, score: u32, kind: Kind) -> Scored {
        let subject = Subject { originator: Address::default(), feature: ["a", "b", "c", "d"][reason] };
        Scored { score, rank: score, anomalous: false, kind, ended: minute * 60_000_000, subject }
    }

    #[test]
    fn repetitions_within_an_hour_are_one_notice() {
        let at = |minute, subject| scored(minute, subject, 0, Kind::Benign);
        assert_eq!(notices(&[at(0, 1), at(1, 1), at(1, 2), at(59, 1)]), 2);
        // The hour runs from the notice that was raised, not from the repetition.
        assert_eq!(notices(&[at(0, 1), at(59, 1), at(60, 1), at(119, 1), at(120, 1)]), 3);
    }

    #[test]
    fn reaching_an_attack() {
        let (benign, scan, tunnel) = (Kind::Benign, Kind::Attack(0), Kind::Attack(1));
        let log = [
            scored(0, 1, 900, benign),
            scored(1, 1, 800, benign),
            scored(2, 2, 700, scan),
            scored(3, 3, 700, benign),
            scored(4, 2, 600, scan),
            scored(90, 1, 500, tunnel),
        ];
        let found = reach(&log, 3);
        // Two of others score higher and one as high; they and the attack's best raise three notices.
        assert_eq!(found[0], Some(Reach { connections: 2, rank: 4, alerts: 3 }));
        assert_eq!(found[1], Some(Reach { connections: 1, rank: 6, alerts: 4 }));
        assert_eq!(found[2], None);
    }
}
