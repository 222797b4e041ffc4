//! Notices without repetitions, and the effort to find each attack among them.

use std::collections::HashMap;

use detector::units::HOUR;
use serde::Serialize;

use super::labelled_score::{LabelledScore, NoticeKey};

/// Suppression interval in microseconds, the sensor's default.
const SUPPRESSION: i64 = HOUR;

/// Number of notices for these connections, in order of end time.
pub fn notices<'a>(connections: impl IntoIterator<Item = &'a LabelledScore>) -> u64 {
    let mut raised: HashMap<NoticeKey, i64> = HashMap::new();
    let mut notices = 0;
    for connection in connections {
        let last = raised.get(&connection.notice);
        if last.is_none_or(|last| connection.ended.saturating_sub(*last) >= SUPPRESSION) {
            raised.insert(connection.notice, connection.ended);
            notices += 1;
        }
    }
    notices
}

/// Effort to find one attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Detection {
    pub connections: u64,
    /// Rank of its most anomalous connection among those of other classes, from 1; the last in a tie.
    pub rank: u64,
    /// Notices at the highest threshold that one of its connections passes.
    pub alerts: u64,
}

/// Connections of one attack.
#[derive(Clone, Copy, Default)]
struct AttackScores {
    connections: u64,
    /// Highest score.
    best: u32,
    /// Number of connections with it.
    at_best: u64,
}

impl AttackScores {
    fn add(&mut self, score: u32) {
        self.connections += 1;
        if score > self.best {
            (self.best, self.at_best) = (score, 0);
        }
        self.at_best += u64::from(score == self.best);
    }
}

/// Effort to find each attack; `None` for one that does not occur. Connections are in order of end time.
pub fn detections(connections: &[LabelledScore], attacks: usize) -> Vec<Option<Detection>> {
    let mut all = vec![AttackScores::default(); attacks];
    for scored in connections {
        if let Some(own) = scored.attack().and_then(|attack| all.get_mut(attack)) {
            own.add(scored.score);
        }
    }
    let mut scores: Vec<u32> = connections.iter().map(|scored| scored.score).collect();
    scores.sort_unstable();
    let detection = |AttackScores { connections: n, best, at_best }: AttackScores| {
        let passing = scores.len() - scores.partition_point(|&score| score < best);
        (n > 0).then(|| Detection {
            connections: n,
            rank: 1 + passing as u64 - at_best,
            alerts: notices(connections.iter().filter(|scored| scored.score >= best)),
        })
    };
    all.into_iter().map(detection).collect()
}

#[cfg(test)]
mod tests {
    use detector::Address;

    use super::super::attack_labels::Class;
    use super::*;

    fn scored(minute: i64, reason: usize, score: u32, class: Class) -> LabelledScore {
        let notice = NoticeKey { originator: Address::default(), feature: ["a", "b", "c", "d"][reason] };
        LabelledScore { score, alert: false, class, ended: minute * 60_000_000, notice }
    }

    #[test]
    fn suppresses_repetitions_for_an_hour() {
        let at = |minute, reason| scored(minute, reason, 0, Class::Benign);
        assert_eq!(notices(&[at(0, 1), at(1, 1), at(1, 2), at(59, 1)]), 2);
        // The interval starts at the notice, not at the suppressed repetition.
        assert_eq!(notices(&[at(0, 1), at(59, 1), at(60, 1), at(119, 1), at(120, 1)]), 3);
    }

    #[test]
    fn detection_of_attacks() {
        let (benign, scan, tunnel) = (Class::Benign, Class::Attack(0), Class::Attack(1));
        let log = [
            scored(0, 1, 900, benign),
            scored(1, 1, 800, benign),
            scored(2, 2, 700, scan),
            scored(3, 3, 700, benign),
            scored(4, 2, 600, scan),
            scored(90, 1, 500, tunnel),
        ];
        let found = detections(&log, 3);
        // Two benign connections score higher than the attack and one equal, so its highest score gives three notices.
        assert_eq!(found[0], Some(Detection { connections: 2, rank: 4, alerts: 3 }));
        assert_eq!(found[1], Some(Detection { connections: 1, rank: 6, alerts: 4 }));
        assert_eq!(found[2], None);
    }
}
