//! Quantization of a row's numbers: a logarithm, rounded to a grid.

/// Nearest multiple of 1/1024, ties to even. Finer differences carry no information, and coarse values let the forest
/// store short thresholds.
pub(crate) fn on_grid(value: f32) -> f32 {
    // From 2^13 on the last bit of a number is 1/1024 or more, so the sum is already on the grid.
    const COARSE: f32 = 8192.0;
    let coarse = COARSE.copysign(value);
    if value.abs() < COARSE { value + coarse - coarse } else { value }
}

/// Nearest integer, ties to even, of a number below 2^51. `f64::round_ties_even` is a function call on old processors.
pub(crate) fn nearest(value: f64) -> f64 {
    const COARSE: f64 = 1.5 * (1u64 << 52) as f64;
    value + COARSE - COARSE
}

/// log2(1 + x) of a non-negative number, linear between powers of two. It uses the number's own bits, so it is cheap
/// and the same on every machine; trees only need it to be monotone.
pub(crate) fn log2(x: f32) -> f32 {
    let one = 1f32.to_bits();
    ((x + 1.0).to_bits().saturating_sub(one)) as f32 / (1u32 << 23) as f32
}

/// Inverse of [`log2`].
pub(crate) fn expand(log: f32) -> f64 {
    let whole = f64::from(log.clamp(0.0, 127.0).floor());
    libm::exp2(whole) * (1.0 + f64::from(log.clamp(0.0, 127.0)) - whole) - 1.0
}

/// Inverse of [`log2`], rounded to an integer.
pub(crate) fn expand_whole(log: f32) -> u64 {
    expand(log).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_grid_rounds_ties_to_even(value in prop_oneof![-1e5f32..1e5, any::<f32>().prop_filter("a number", |x| !x.is_nan())], ties in -100_000..100_000i32) {
            for value in [value, ties as f32 / 2048.0] {
                prop_assert_eq!(on_grid(value), ((f64::from(value) * 1024.0).round_ties_even() / 1024.0) as f32);
            }
        }

        #[test]
        fn nearest_rounds_ties_to_even(value in -1e15..1e15, ties in -100_000..100_000i32) {
            for value in [value, f64::from(ties) / 2.0] {
                prop_assert_eq!(nearest(value), value.round_ties_even());
            }
        }

        #[test]
        fn log2_rises_with_its_number(a in 0f32..f32::MAX, b in 0f32..f32::MAX) {
            prop_assert_eq!(log2(a) < log2(b), a + 1.0 < b + 1.0);
        }
    }

    #[test]
    fn log2_is_exact_at_powers_of_two() {
        for (x, log) in [(0.0, 0.0), (1.0, 1.0), (3.0, 2.0), (1023.0, 10.0), (5.0, 2.5), (-0.5, 0.0)] {
            assert_eq!(log2(x), log, "{x}");
        }
    }
}
