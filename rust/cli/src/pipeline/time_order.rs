//! Rows that are not in order of time.

use detector::units::{HOUR, MINUTE};
use detector::{LogKind, LogRecord};

use crate::format;

/// Largest delay in microseconds. Zeek writes a session that was idle for its timeout, up to an hour, after later ones.
const MAX_DELAY: i64 = 2 * HOUR;

/// A row that ended so much earlier than one before it, in microseconds, shows that a log is sorted by start.
const EARLIER_END: i64 = 10 * MINUTE;
/// With fewer rows, the order of their starts can be chance.
const MIN_ROWS: u64 = 100;

/// Detects rows that are not in order of their ends, as in a search result with the newest rows first.
#[derive(Debug, Default)]
pub struct TimeOrder {
    rows: u64,
    /// Latest start and end since the last jump, in microseconds since 1970.
    latest: Option<(i64, i64)>,
    /// Number of jumps back in time.
    jumps: u64,
    /// True if a row starts before the previous one, as usual in Zeek's logs.
    has_earlier_start: bool,
    /// True if a row ended long before an earlier one.
    has_earlier_end: bool,
}

impl TimeOrder {
    /// Adds the next row. Zeek orders rows by their end, other programs by their start, so a jump needs both.
    pub fn add(&mut self, record: &LogRecord<'_>) {
        let (ts, end) = (record.ts(), record.end());
        let (latest_ts, latest_end) = self.latest.unwrap_or((ts, end));
        let delays = [latest_ts.saturating_sub(ts), latest_end.saturating_sub(end)];
        self.rows += 1;
        self.has_earlier_start |= delays[0] > 0;
        self.has_earlier_end |= delays[1] > EARLIER_END;
        if delays.iter().all(|delay| *delay > MAX_DELAY) {
            self.jumps += 1;
            self.latest = Some((ts, end));
        } else {
            self.latest = Some((latest_ts.max(ts), latest_end.max(end)));
        }
    }

    /// Warning about rows out of order; `None` if there are none.
    pub fn warning(&self, log: LogKind) -> Option<String> {
        let end = match log {
            LogKind::Conn => "ts + duration",
            LogKind::Dns => "ts + rtt",
        };
        let action = format!("sort the rows by {end}, as Zeek does: scores and incidents depend on the order");
        if self.jumps > 0 {
            let places = format::counted(self.jumps, "place");
            return Some(format!(
                "the logs are not in order of time, which goes back by more than two hours in {places}; {action}"
            ));
        }
        let is_sorted_by_start = self.rows >= MIN_ROWS && !self.has_earlier_start && self.has_earlier_end;
        is_sorted_by_start.then(|| format!("the logs are sorted by ts; {action}"))
    }
}

#[cfg(test)]
mod tests {
    use detector::Connection;

    use super::*;

    /// Number of jumps of rows with these starts and durations in hours.
    fn jumps(rows: &[(i64, i64)]) -> u64 {
        order(rows).jumps
    }

    fn order(rows: &[(i64, i64)]) -> TimeOrder {
        let mut order = TimeOrder::default();
        for (start, duration) in rows {
            let connection = Connection { ts: start * HOUR, duration: Some(duration * HOUR), ..Connection::default() };
            order.add(&LogRecord::Conn(connection));
        }
        order
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

    #[test]
    fn recognizes_logs_sorted_by_start() {
        let warns =
            |rows: &[(i64, i64)]| order(rows).warning(LogKind::Conn).is_some_and(|text| text.contains("sorted by ts"));
        let mut rows: Vec<_> = (0..200).map(|start| (start, if start == 50 { 9 } else { 0 })).collect();
        assert!(warns(&rows));
        rows.sort_by_key(|(start, duration)| start + duration);
        assert!(!warns(&rows));
        rows.iter_mut().for_each(|row| row.1 = 0);
        assert!(!warns(&rows));
    }
}
