//! Validation of incidents from files and messages.

use super::incident::{Incident, MAX_REASONS, MAX_SERVICES, MAX_UIDS};

/// Longest text of a reason, in bytes.
const MAX_TEXT: usize = 1024;
/// Problem of unsound incidents, for messages.
pub(super) const IMPOSSIBLE: &str = "it contains values no incident can have";

impl Incident {
    /// Returns true if its values are possible.
    pub(super) fn is_sound(&self) -> bool {
        self.services.len() <= MAX_SERVICES
            && self.uids.len() <= MAX_UIDS
            && self.uids.iter().all(|uid| uid.len() <= 64)
            && self.reasons.len() <= MAX_REASONS
            && self.reasons.iter().all(|it| it.text.len() <= MAX_TEXT && it.feature.len() <= 64 && it.score <= 1.0)
            && self.targets.is_sound()
            && self.ports.is_sound()
            && self.fan_out_ports.len() <= MAX_SERVICES
            && self.fan_out_failures <= self.failed
            && self.victims.is_sound()
            && self.queries.as_ref().is_none_or(|queries| queries.is_sound(self.records))
            && (1..1 << 48).contains(&self.records)
            && self.alerts.max(self.failed) <= self.records
            && (0.0..=1.0).contains(&self.highest)
            && [self.start, self.last, self.active].into_iter().all(is_time)
            && self.services.iter().all(|totals| {
                let finite = totals.pauses.mean.is_finite() && totals.pauses.squares.is_finite();
                let domain = totals.domain.as_ref().is_none_or(|domain| domain.is_sound(totals.records));
                finite
                    && domain
                    && totals.failed.max(totals.alerts).max(totals.evidence) <= totals.records
                    && totals.records <= self.records
                    && [totals.first, totals.last, totals.last_start].into_iter().all(is_time)
                    && totals.longest.min(totals.duration) >= 0
            })
    }
}

pub(super) fn is_time(time: i64) -> bool {
    time.checked_abs().is_some_and(|time| time < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn impossible_values_are_unsound() {
        let mut grouper = grouper();
        observe(&mut grouper, &tcp(host(16), host(100), 20, 0, ConnState::REJ), true, None);
        let sound = grouper.open_incidents().next().unwrap();
        assert!(sound.is_sound());
        let changes: [fn(&mut Incident); 4] = [
            |it| it.highest = f64::NAN,
            |it| (it.records, it.services[0].records) = (u64::MAX, u64::MAX),
            |it| it.services[0].duration = i64::MIN,
            |it| it.services[0].alerts = 9,
        ];
        for change in changes {
            let mut changed = sound.clone();
            change(&mut changed);
            assert!(!changed.is_sound());
        }
    }
}
