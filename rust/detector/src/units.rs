//! Units of time in microseconds, and formats of counts, bytes and durations for people.

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Microseconds in an hour.
pub const HOUR: i64 = 3_600 * SECOND;
/// Microseconds in a day.
pub const DAY: i64 = 24 * HOUR;

/// Count with thousands separators: `105,918`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Count with its noun: `1 query`, `2 queries`.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {}", count(n), if n == 1 { noun.to_owned() } else { plural(noun) })
}

/// Plural of a noun: `queries`.
pub fn plural(noun: &str) -> String {
    noun.strip_suffix('y').map_or_else(|| format!("{noun}s"), |stem| format!("{stem}ies"))
}

/// Bytes in decimal units with two or three digits: `512 B`, `4.1 GB`, `312 kB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1e3;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // A value that rounds to 1000 becomes 1.0 of the next unit.
    while value >= 999.5 {
        let Some(next) = units.next() else { break };
        value /= 1e3;
        unit = Some(next);
    }
    let decimals = usize::from(value < 9.95);
    format!("{value:.decimals$} {}", unit.unwrap_or(&"B"))
}

/// Duration in microseconds, in its two largest units: `70ms`, `12s`, `3m20s`, `2h03m`, `3d01h`.
pub fn duration(micros: i64) -> String {
    let seconds = micros.max(0) as f64 / 1e6;
    let whole = seconds.round() as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match () {
        () if micros <= 0 => "0s".to_owned(),
        () if micros < 1_000 => "<1ms".to_owned(),
        () if seconds < 0.9995 => format!("{:.0}ms", seconds * 1e3),
        () if seconds < 9.95 => format!("{seconds:.1}s"),
        () if minutes == 0 => format!("{whole}s"),
        () if hours == 0 => format!("{minutes}m{:02}s", whole % 60),
        () if days == 0 => format!("{hours}h{:02}m", minutes % 60),
        () => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_counts() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (105_918, "105,918"), (12_345_678, "12,345,678")] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn formats_bytes() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (312_499, "312 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (4_100_000_000, "4.1 GB"),
            (u64::MAX, "18 EB"),
        ];
        for (n, text) in cases {
            assert_eq!(bytes(n), text);
        }
    }

    #[test]
    fn formats_durations() {
        let cases = [
            (0, "0s"),
            (999, "<1ms"),
            (70_000, "70ms"),
            (999_499, "999ms"),
            (999_500, "1.0s"),
            (9_940_000, "9.9s"),
            (9_960_000, "10s"),
            (59_700_000, "1m00s"),
            (200_000_000, "3m20s"),
            (7_380_000_000, "2h03m"),
            (263_000_000_000, "3d01h"),
        ];
        for (micros, text) in cases {
            assert_eq!(duration(micros), text);
        }
    }
}
