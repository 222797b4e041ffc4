//! The scale of a row's numbers: compressed by a logarithm, rounded to a grid.

/// Values are rounded to multiples of 1/1024: finer differences tell nothing, and coarse ones let the forest keep short
/// thresholds.
const GRID: f32 = 1024.0;

/// The nearest multiple of 1/1024.
pub(crate) fn on_grid(value: f32) -> f32 {
    let scaled = value * GRID;
    // Adding and taking away a number whose last bit is worth 1 rounds to integers, ties to even, without a call. From
    // 2^22 on it would not, but categories, the only values so large, are integers.
    const ROUNDER: f32 = 12_582_912.0;
    let rounded = if scaled.abs() < 4_194_304.0 { scaled + ROUNDER - ROUNDER } else { scaled.round_ties_even() };
    rounded / GRID
}

/// log2(1 + x) of a number not below 0, linear between the powers of two. It is read off the number's own bits, so it
/// costs next to nothing and is the same on every machine; trees only need it to be monotone.
pub(crate) fn log2(x: f32) -> f32 {
    let one = 1f32.to_bits();
    ((x + 1.0).to_bits().saturating_sub(one)) as f32 / (1u32 << 23) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_grid_is_that_of_rounding_ties_to_even(value in prop_oneof![-1e5f32..1e5, any::<f32>().prop_filter("a number", |x| !x.is_nan())], ties in -100_000..100_000i32) {
            for value in [value, ties as f32 / (2.0 * GRID)] {
                prop_assert_eq!(on_grid(value), (value * GRID).round_ties_even() / GRID);
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
