//! Path lengths: the expected one of an unsuccessful search, and the integers in which they are summed.

/// Path lengths are summed in units of 2^-24 of an edge, as integers, so that every order of summation gives the same
/// bits. A length of up to 255 edges fits a `u32`; rounding moves a score by less than 1e-8.
pub(crate) const UNITS_PER_EDGE: f64 = (1u64 << 24) as f64;

/// The longest path, in edges.
pub(crate) const LONGEST_PATH: f64 = 255.0;

/// c(n): the average path length of an unsuccessful search in a binary search tree of `n` rows, in edges.
///
/// c(n) = 2 H(n-1) - 2 (n-1) / n with the exact harmonic number H (equation 1 of the paper uses ln + γ instead, which
/// is off by several percent for small n); c(2) = 1, c(1) = c(0) = 0.
pub fn average_path_length(n: usize) -> f64 {
    if n < 2 {
        return 0.0;
    }
    // Smallest terms first keeps the rounding error of the sum below one unit in the last place.
    let harmonic: f64 = (1..n).rev().map(|i| 1.0 / i as f64).sum();
    2.0 * harmonic - 2.0 * (n - 1) as f64 / n as f64
}

/// The path length of a row that ends at `depth` in a leaf of `size` training rows, in units of 2^-24 edge.
pub(crate) fn leaf_units(depth: usize, size: usize) -> u32 {
    units(depth as f64 + average_path_length(size))
}

/// A path length in units of 2^-24 edge.
pub(crate) fn units(path_length: f64) -> u32 {
    (path_length * UNITS_PER_EDGE) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(average_path_length(0), 0.0);
        assert_eq!(average_path_length(1), 0.0);
        assert_eq!(average_path_length(2), 1.0);
        // 2 (1 + 1/2) - 2 · 2/3
        assert!((average_path_length(3) - 5.0 / 3.0).abs() < 1e-15);
        assert!((average_path_length(256) - 10.248_689_925_634_562).abs() < 1e-12);
    }

    #[test]
    fn the_longest_path_fits() {
        let longest = 32.0 + average_path_length(crate::params::MAX_SAMPLE_SIZE);
        assert!(longest * UNITS_PER_EDGE < f64::from(u32::MAX));
    }
}
