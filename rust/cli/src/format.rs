//! Numbers, times and texts for people.

pub use detector::units::{bytes, count, counted, duration, plural};
use detector::{Address, Connection, LogRecord, Proto, type_name};
use jiff::Timestamp;

use crate::escape::printable_bytes;

/// Count on a chart axis: `0`, `950`, `1.5k`, `20k`, `3M`.
pub fn short_count(n: f64) -> String {
    let (value, unit) = match n {
        n if n >= 1e9 => (n / 1e9, "G"),
        n if n >= 1e6 => (n / 1e6, "M"),
        n if n >= 1e3 => (n / 1e3, "k"),
        n => (n, ""),
    };
    let text = format!("{value:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// Alert budget with three digits: `20 alerts a day`, `6.55 alerts a day`.
pub fn alerts_a_day(alerts: f64) -> String {
    let digits = if alerts > 0.0 { alerts.log10().floor() as i32 } else { 0 };
    let number = format!("{alerts:.0$}", (2 - digits).clamp(0, 6) as usize);
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
    format!("{number} {} a day", if number == "1" { "alert" } else { "alerts" })
}

/// Length of time from microseconds: `3.0 days`, `40.0 minutes`.
pub fn time_span(micros: i64) -> String {
    let seconds = micros.max(0) as f64 / 1e6;
    const UNITS: [(&str, f64); 3] = [("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)];
    let unit = UNITS.iter().find(|(_, length)| seconds >= *length);
    unit.map_or_else(|| format!("{seconds:.0} seconds"), |(name, length)| format!("{:.1} {name}", seconds / length))
}

/// UTC time from microseconds since 1970, by a strftime pattern; the number itself if out of range.
pub fn time(micros: i64, pattern: &str) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.strftime(pattern).to_string())
}

/// UTC date and time: `2024-04-19 07:12:33`.
pub fn date_time(micros: i64) -> String {
    time(micros, "%Y-%m-%d %H:%M:%S")
}

/// Address and port: `192.0.2.1:443`, `[2001:db8::1]:443`.
fn endpoint(addr: Address, port: u16) -> String {
    let addr = addr.to_string();
    if addr.contains(':') { format!("[{addr}]:{port}") } else { format!("{addr}:{port}") }
}

/// Maximum length of a name. Real labels and service lists are shorter.
const MAX_NAME: usize = 100;

/// Name from a log, escaped, and truncated if implausibly long.
pub fn name(name: &[u8]) -> String {
    let (name, cut) = match name.get(..MAX_NAME) {
        Some(head) if head.len() < name.len() => (head, "…"),
        _ => (name, ""),
    };
    printable_bytes(name).into_owned() + cut
}

/// Start of a text from a log, for texts that outlive their row: more than [`name`] shows, so it still adds `…`.
pub fn truncate(text: &[u8]) -> &[u8] {
    const MAX_LENGTH: usize = 128;
    &text[..text.len().min(MAX_LENGTH)]
}

/// Responder, port, protocol and service: `192.0.2.1:443/tcp ssl`, `192.0.2.1 icmp`.
pub fn responder(connection: &Connection<'_>) -> String {
    let (addr, port) = (connection.resp.addr, connection.resp.port);
    let mut out = match connection.proto {
        // Zeek logs the ICMP type and code as ports.
        Proto::Icmp => format!("{addr} icmp"),
        Proto::Unknown => format!("{}/unknown", endpoint(addr, port)),
        proto => format!("{}/{}", endpoint(addr, port), proto.name()),
    };
    if let Some(service) = connection.service {
        out.push(' ');
        out.push_str(&name(service));
    }
    out
}

/// Subject of a record: the responder of a connection, or the name of a query and its server.
pub fn target(record: &LogRecord<'_>) -> String {
    match record {
        LogRecord::Conn(connection) => responder(connection),
        LogRecord::Dns(query) => {
            format!(
                "{} at {}",
                query.query.map_or_else(|| "-".to_owned(), name),
                endpoint(query.server, query.server_port)
            )
        }
    }
}

/// State of a connection, or type of a query.
pub fn state(record: &LogRecord<'_>) -> String {
    match record {
        LogRecord::Conn(connection) => connection.conn_state.map_or("-", |state| state.name()).to_owned(),
        LogRecord::Dns(query) => query.qtype.map_or_else(|| "-".to_owned(), type_name),
    }
}

/// First few names, and the number of the others.
pub fn names(all: &[String]) -> String {
    first_names(all, 8, all.len() as u64)
}

/// The first `most` names of a sample, and the number of the others of `total`.
pub fn first_names(some: &[String], most: usize, total: u64) -> String {
    let shown = &some[..some.len().min(most)];
    let more = total.saturating_sub(shown.len() as u64);
    let rest = if more > 0 { format!(" and {} more", count(more)) } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

/// Wraps text at spaces to lines of at most `width`. The first line starts at column `indent`; the others are indented
/// to it. Longer words are not broken.
pub fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut out = String::with_capacity(text.len() + 2 * indent);
    let mut column = indent;
    for (i, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if i > 0 && column + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// Quotes an argument for a shell, if necessary.
pub fn shell_word(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:,@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// A period in UTC, from two times in microseconds since 1970.
pub fn period(first: i64, last: i64) -> String {
    let (from, to) = (date_time(first), date_time(last));
    // If both times are on one day, the date appears once.
    let to = match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((other, time))) if day == other => time.to_owned(),
        _ => to,
    };
    format!("{from} to {to} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_a_plural() {
        assert_eq!((counted(1, "log"), counted(2, "log")), ("1 log".into(), "2 logs".into()));
    }

    #[test]
    fn alert_budgets_have_three_digits() {
        for (alerts, text) in [
            (20.0, "20 alerts a day"),
            (1.0, "1 alert a day"),
            (2.5, "2.5 alerts a day"),
            (6.549_344_105, "6.55 alerts a day"),
            (0.001_234_5, "0.00123 alerts a day"),
            (99.96, "100 alerts a day"),
            (1234.5, "1234 alerts a day"),
            (0.0, "0 alerts a day"),
        ] {
            assert_eq!(alerts_a_day(alerts), text);
        }
    }

    #[test]
    fn axis_labels_are_short() {
        for (n, text) in [(0.0, "0"), (0.5, "0.5"), (950.0, "950"), (1_500.0, "1.5k"), (2e4, "20k"), (3e6, "3M")] {
            assert_eq!(short_count(n), text);
        }
    }

    #[test]
    fn time_spans_use_the_largest_unit() {
        assert_eq!(time_span(3 * detector::units::DAY), "3.0 days");
    }

    #[test]
    fn formats_times_in_utc() {
        assert_eq!(date_time(1_713_510_753_999_999), "2024-04-19 07:12:33");
        assert_eq!(date_time(11_537_757), "1970-01-01 00:00:11");
        assert_eq!(date_time(i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn wraps_at_spaces() {
        assert_eq!(wrapped("one two three", 2, 9), "one two\n  three");
        assert_eq!(wrapped("one two three", 2, 4), "one\n  two\n  three");
        assert_eq!(wrapped("a", 2, 80), "a");
    }

    #[test]
    fn icmp_has_no_port() {
        let mut connection = Connection { proto: Proto::Icmp, ..Connection::default() };
        (connection.resp.addr, connection.resp.port) = (Address::from(std::net::IpAddr::from([192, 0, 2, 1])), 3);
        assert_eq!(responder(&connection), "192.0.2.1 icmp");
        connection.proto = Proto::Tcp;
        assert_eq!(responder(&connection), "192.0.2.1:3/tcp");
    }

    #[test]
    fn quotes_for_a_shell() {
        assert_eq!(
            shell_word("logs/2024-04-19/conn.07:00:00-08:00:00.log.gz"),
            "logs/2024-04-19/conn.07:00:00-08:00:00.log.gz"
        );
        assert_eq!(shell_word("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn gives_the_date_once() {
        assert_eq!(period(0, 3_600_000_000), "1970-01-01 00:00:00 to 01:00:00 UTC");
        assert_eq!(period(0, 90_000_000_000), "1970-01-01 00:00:00 to 1970-01-02 01:00:00 UTC");
    }
}
