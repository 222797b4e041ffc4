//! Dates in the list of known activity. A calendar crate for these two functions would be the largest dependency of the
//! sensor.

use crate::conn::connection::Connection;
use crate::units::DAY;

/// Microseconds since 1970 of a date (`2027-01-31`) or of seconds since 1970, as Zeek writes a time.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let numbers = (parts.next(), parts.next(), parts.next());
    if let (Some(year), Some(month), Some(day)) = numbers {
        let (year, month, day) = (year.parse::<i64>().ok()?, month.parse::<i64>().ok()?, day.parse::<i64>().ok()?);
        let is_possible = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        let micros = is_possible.then(|| days_from_civil(year, month, day) * DAY)?;
        // February 30 would be a day in March.
        return Some(micros).filter(|micros| format_date(*micros)[8..] == format!("{day:02}"));
    }
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?;
    Some(Connection::micros(seconds))
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let before = |year: i64| 365 * year + year / 4 - year / 100 + year / 400;
    const CUMULATIVE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let leap_day = i64::from(is_leap && month > 2);
    before(year - 1) - before(1969) + CUMULATIVE[(month - 1) as usize] + leap_day + day - 1
}

/// Date of a time, in UTC: `2027-01-31`.
pub(super) fn format_date(micros: i64) -> String {
    let days = micros.div_euclid(DAY).max(0);
    let mut year = 1970 + days / 366;
    while days_from_civil(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12).rev().find(|&month| days_from_civil(year, month, 1) <= days).unwrap_or(1);
    format!("{year:04}-{month:02}-{:02}", days - days_from_civil(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (date, days) in [("1970-01-01", 0), ("2000-03-01", 11_017), ("2024-02-29", 19_782), ("2026-12-31", 20_818)]
        {
            assert_eq!(parse_date(date), Some(days * DAY), "{date}");
            assert_eq!(format_date(days * DAY), date);
        }
        assert_eq!(parse_date("1700000000.5"), Some(1_700_000_000_500_000));
        for impossible in ["2027-13-01", "2027-02-29", "2027-04-31", "2027-01-00"] {
            assert_eq!(parse_date(impossible), None, "{impossible}");
        }
    }
}
