//! The scale of a row's numbers: compressed by a logarithm, rounded to a grid.

/// Values are rounded to multiples of 1/1024: finer differences tell nothing, and coarse ones let the forest keep short
/// thresholds.
const GRID: f32 = 1024.0;

/// The nearest multiple of 1/1024.
pub(crate) fn on_grid(value: f32) -> f32 {
    (value * GRID).round_ties_even() / GRID
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
