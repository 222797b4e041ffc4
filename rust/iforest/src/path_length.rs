//! Path lengths: average of an unsuccessful search, and fixed-point representation.

use std::sync::LazyLock;

/// Path lengths are integers in units of 2^-24 edge, so that every order of summation gives the same bits. A length of
/// up to 255 edges fits a `u32`; rounding changes a score by less than 1e-8.
pub(crate) const FIXED_POINT_PER_EDGE: f64 = (1u64 << 24) as f64;

/// Euler's constant, the limit of H(n) - ln n.
pub const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
/// The longest path, in edges.
pub(crate) const MAX_PATH: f64 = 255.0;

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

/// c(n) for small n.
static OF_FEW: LazyLock<[f64; 1 << 10]> = LazyLock::new(|| std::array::from_fn(average_path_length));

/// c(n) without a sum of n terms per leaf: a small file can declare many leaves with many rows.
fn average_path_length_in_constant_time(n: usize) -> f64 {
    if let Some(&known) = OF_FEW.get(n) {
        return known;
    }
    // Asymptotic series of the harmonic number. The first omitted term is below a millionth of a fixed-point unit. Of all
    // n up to 2^20, only 797,695 gets another fixed-point value than by the sum.
    let last = (n - 1) as f64;
    let harmonic = libm::log(last) + EULER_GAMMA + 0.5 / last - 1.0 / (12.0 * last * last);
    2.0 * harmonic - 2.0 * last / n as f64
}

/// Path length of a row that ends at `depth` in a leaf of `size` training rows, in fixed point.
pub(crate) fn leaf_path_length(depth: usize, size: usize) -> u32 {
    fixed_point(depth as f64 + average_path_length_in_constant_time(size))
}

/// A path length in fixed point.
pub(crate) fn fixed_point(path_length: f64) -> u32 {
    (path_length * FIXED_POINT_PER_EDGE) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_known_values() {
        assert_eq!(average_path_length(0), 0.0);
        assert_eq!(average_path_length(1), 0.0);
        assert_eq!(average_path_length(2), 1.0);
        // 2 (1 + 1/2) - 2 · 2/3
        assert!((average_path_length(3) - 5.0 / 3.0).abs() < 1e-15);
        assert!((average_path_length(256) - 10.248_689_925_634_562).abs() < 1e-12);
    }

    /// Fixed-point value of a leaf, at every depth a leaf can have.
    fn assert_alike(n: usize, summed: f64) {
        for depth in 0..=20 {
            assert_eq!(leaf_path_length(depth, n), fixed_point(depth as f64 + summed), "{n} rows at depth {depth}");
        }
    }

    #[test]
    fn some_leaves_have_the_exact_path_length() {
        let most = crate::params::MAX_SAMPLE_SIZE;
        for n in (0..3000).chain((3000..most).step_by(4999)).chain([most - 1, most]) {
            assert_alike(n, average_path_length(n));
        }
    }

    /// As many leaves as a file can hold; summing each would take minutes.
    #[test]
    fn many_large_leaves_take_little_time() {
        let most = crate::params::MAX_SAMPLE_SIZE;
        let longest = (0..10_000_000).map(|i| leaf_path_length(20, most - i % 10_000)).max();
        assert_eq!(longest, Some(leaf_path_length(20, most)));
    }

    #[test]
    fn the_longest_path_fits() {
        let longest = 32.0 + average_path_length(crate::params::MAX_SAMPLE_SIZE);
        assert!(longest * FIXED_POINT_PER_EDGE < f64::from(u32::MAX));
    }
}
