//! Interface of the texts of reasons, which differ between log kinds.

use crate::quantiles::Quantiles;

/// Writes the value of a column as an amount with its unit.
pub(crate) type Format = fn(f32) -> String;

/// Texts of one log kind. Functions take the position of a column.
pub(crate) struct Texts {
    /// Noun phrase for the records of [`Evidence::Service`](crate::Evidence::Service): `connections to this service`.
    pub(crate) of_service: &'static str,
    /// The same for [`Evidence::FanOut`](crate::Evidence::FanOut): `connections to new hosts on this port`.
    pub(crate) of_fan_out: &'static str,
    /// Groups of related columns, which give one reason; the plainest column first.
    pub(crate) topics: &'static [&'static [u16]],
    /// Returns true if a new category in a column is worth naming.
    pub(crate) names_category: fn(usize) -> bool,
    /// Returns true if a number is close to that of most training rows.
    pub(crate) is_usual: fn(usize, f32, Quantiles) -> bool,
    /// Returns true if a value is a pause of a day or more, the longest there is.
    pub(crate) is_long_pause: fn(usize, f32) -> bool,
    /// Format of a column's amounts; `None` for a column without an amount.
    pub(crate) amount: fn(usize) -> Option<Format>,
}
