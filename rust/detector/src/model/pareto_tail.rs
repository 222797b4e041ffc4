//! Generalised Pareto distribution of the highest scores.

/// Generalised Pareto distribution of excesses over a high threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GeneralisedPareto {
    scale: f64,
    shape: f64,
}

impl GeneralisedPareto {
    /// Fits excesses in ascending order.
    pub(super) fn fit(excesses: impl ExactSizeIterator<Item = f64>) -> Self {
        let n = excesses.len() as f64;
        let (mut mean, mut weighted) = (0.0, 0.0);
        for (i, excess) in excesses.enumerate() {
            mean += excess / n;
            weighted += excess / n * (1.0 - (i as f64 + 0.65) / n);
        }
        let denominator = mean - 2.0 * weighted;
        if denominator <= 0.0 {
            return Self { scale: mean, shape: 0.0 };
        }
        Self { scale: 2.0 * mean * weighted / denominator, shape: 2.0 - mean / denominator }
    }

    /// Excess that this share of the excesses reaches.
    pub(super) fn quantile(self, share: f64) -> f64 {
        let log = libm::log(share.max(1e-12));
        if self.shape.abs() < 1e-9 {
            return -self.scale * log;
        }
        self.scale / self.shape * (libm::exp(-self.shape * log) - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{found} for {expected}");
    }

    #[test]
    fn the_tail_is_fitted_by_its_probability_weighted_moments() {
        // By hand: mean 7/3, weighted mean 43/60, so that mean - 2 weighted = 9/10.
        let fitted = GeneralisedPareto::fit([1.0, 2.0, 4.0].into_iter());
        close(fitted.scale, 301.0 / 81.0, 1e-12);
        close(fitted.shape, -16.0 / 27.0, 1e-12);
        // Equal values have no tail.
        let alike = GeneralisedPareto::fit([0.0; 9].into_iter());
        assert_eq!(alike, GeneralisedPareto { scale: 0.0, shape: 0.0 });
    }

    #[test]
    fn fit_recovers_the_tail_from_its_quantiles() {
        for (scale, shape) in [(0.03, -0.4), (0.002, -0.1), (0.05, 0.1), (0.01, 0.2)] {
            let n = 20_000;
            let quantile = |share: f64| scale / shape * (share.powf(-shape) - 1.0);
            let excesses: Vec<f64> = (0..n).map(|i| quantile(1.0 - (f64::from(i) + 0.5) / f64::from(n))).collect();
            let fitted = GeneralisedPareto::fit(excesses.into_iter());
            close(fitted.scale, scale, 0.01);
            assert!((fitted.shape - shape).abs() < 0.01, "{} for {shape}", fitted.shape);
            for share in [0.5, 1e-2, 1e-4] {
                close(fitted.quantile(share), quantile(share), 0.05);
            }
        }
    }

    #[test]
    fn quantiles_of_the_tail_are_those_of_the_closed_form() {
        let of = |scale, shape, share| GeneralisedPareto { scale, shape }.quantile(share);
        close(of(2.0, 0.5, 1.0 / 16.0), 12.0, 1e-12);
        close(of(2.0, -0.5, 1.0 / 16.0), 3.0, 1e-12);
        // Exponential where the shape is 0, and next to it.
        for shape in [0.0, 1e-10, 1e-7, -1e-7] {
            close(of(2.0, shape, libm::exp(-3.0)), 6.0, 1e-6);
        }
        assert_eq!((of(2.0, 0.5, 1.0), of(2.0, 0.0, 1.0)), (0.0, 0.0));
    }
}
