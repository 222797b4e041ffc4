//! Parsers of option values: numbers with a range, shares, keys and log kinds.

use std::ops::RangeInclusive;

use detector::LogKind;

/// A whole number in a range.
pub fn within(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| {
        let number = text.parse::<usize>().map_err(|_| "not a whole number".to_owned())?;
        let (low, high) = (range.start(), range.end());
        if range.contains(&number) { Ok(number) } else { Err(format!("not between {low} and {high}")) }
    }
}

/// A number of trees: at least one for each group of features.
pub fn trees(text: &str) -> Result<usize, String> {
    let fewest = LogKind::Conn.schema().groups.len();
    match text.parse::<usize>() {
        Ok(number) if number < fewest => {
            Err(format!("{number} is too few: each of the {fewest} groups of features needs a tree"))
        }
        _ => within(fewest..=10_000)(text),
    }
}

/// A finite number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number.is_finite() { Ok(number) } else { Err("not above 0".to_owned()) }
}

/// A number of alerts a day; no network has more connections than the maximum.
pub fn alerts(text: &str) -> Result<f64, String> {
    const MAX: f64 = 1e9;
    positive(text).ok().filter(|&number| number <= MAX).ok_or_else(|| format!("not above 0 and at most {MAX}"))
}

/// A share of all connections.
pub fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number < 1.0 { Ok(number) } else { Err("not above 0 and below 1".to_owned()) }
}

/// A public key. The shell substitutes an empty text for a missing file, which would disable the check.
pub fn key(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("not a minisign public key".to_owned()) } else { Ok(text.to_owned()) }
}

/// Parses the name of a log kind.
pub fn log_kind(text: &str) -> Result<LogKind, String> {
    LogKind::parse(text).ok_or_else(|| "give conn or dns".to_owned())
}
