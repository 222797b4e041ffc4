//! Numbers in a range, read from the command line.

use std::ops::RangeInclusive;

pub fn within(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| {
        let number = text.parse::<usize>().map_err(|_| "not a whole number".to_owned())?;
        let (low, high) = (range.start(), range.end());
        if range.contains(&number) { Ok(number) } else { Err(format!("not between {low} and {high}")) }
    }
}

pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number.is_finite() { Ok(number) } else { Err("not above 0".to_owned()) }
}

/// Alerts a day; no network has more connections.
pub fn alerts(text: &str) -> Result<f64, String> {
    const MOST: f64 = 1e9;
    positive(text).ok().filter(|&number| number <= MOST).ok_or_else(|| format!("not above 0 and at most {MOST}"))
}

pub fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number < 1.0 { Ok(number) } else { Err("not above 0 and below 1".to_owned()) }
}
