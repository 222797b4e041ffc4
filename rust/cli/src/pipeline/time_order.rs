//! Rows that are not in order of time.

use detector::LogRecord;
use detector::units::HOUR;

use crate::format;

/// Largest delay in microseconds. Zeek writes a session that was idle for its timeout, up to an hour, after later ones.
const MAX_DELAY: i64 = 2 * HOUR;

/// Counts jumps back in time, as in a search result with the newest rows first.
#[derive(Debug, Default)]
pub struct TimeOrder {
    /// Latest start and end since the last jump, in microseconds since 1970.
    latest: Option<(i64, i64)>,
    jumps: u64,
}

impl TimeOrder {
    /// Adds the next row. Zeek orders rows by their end, other programs by their start, so a jump needs both.
    pub fn add(&mut self, record: &LogRecord<'_>) {
        let (ts, end) = (record.ts(), record.end());
        let (latest_ts, latest_end) = self.latest.unwrap_or((ts, end));
        let is_late = |time: i64, latest: i64| latest.saturating_sub(time) > MAX_DELAY;
        if is_late(ts, latest_ts) && is_late(end, latest_end) {
            self.jumps += 1;
            self.latest = Some((ts, end));
        } else {
            self.latest = Some((latest_ts.max(ts), latest_end.max(end)));
        }
    }

    /// Warning about rows out of order; `None` if there are none.
    pub fn warning(&self) -> Option<String> {
        let places = format::counted(self.jumps, "place");
        let text = format!(
            "the logs are not in order of time, which scores and incidents need: time goes back by more than two hours \
             in {places}; sort them by ts"
        );
        (self.jumps > 0).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use detector::Connection;

    use super::*;

    /// Number of jumps of rows with these starts and durations in hours.
    fn jumps(rows: &[(i64, i64)]) -> u64 {
        let mut order = TimeOrder::default();
        for (start, duration) in rows {
            let connection = Connection { ts: start * HOUR, duration: Some(duration * HOUR), ..Connection::default() };
            order.add(&LogRecord::Conn(connection));
        }
        order.jumps
    }

    #[test]
    fn counts_jumps_back_in_time() {
        assert_eq!(jumps(&[(12, 0), (9, 0), (6, 0)]), 2);
        // One row with a date ahead is one jump.
        assert_eq!(jumps(&[(1, 0), (1000, 0), (2, 0), (3, 0)]), 1);
    }

    #[test]
    fn accepts_logs_ordered_by_start_or_by_end() {
        assert_eq!(jumps(&[(0, 9), (1, 0), (5, 1), (6, 0), (10, 0)]), 0);
        assert_eq!(jumps(&[(5, 1), (7, 0), (0, 9), (9, 0), (10, 0), (9, 0)]), 0);
    }
}
