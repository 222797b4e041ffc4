//! Time series with steps of equal width in bounded memory, for logs of any length.
//!
//! Steps become wider when there are too many. Each width divides the next, and steps are aligned to the calendar, so
//! values in narrow steps add up exactly to those in wide ones, in any order of connections. Empty steps take no
//! memory: a connection with a wrong date does not widen the steps, and the axis omits it.

use detector::units::SECOND;

/// Step widths in seconds; above a day they double.
const WIDTHS: [i64; 11] = [1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600, 43_200, 86_400];

/// Maximum distance of the axis from the quartiles of the steps, in interquartile ranges. Steady traffic then takes at
/// least a tenth of the axis.
const MAX_DISTANCE: i64 = 10;
/// At most one connection in this many is an outlier; with more, the axis includes them.
const MIN_PER_OUTLIER: u64 = 20;

/// Values that add up over steps.
pub trait Accumulate: Clone + Default {
    fn merge(&mut self, other: &Self);
}

/// Start times of connections.
#[derive(Clone, Debug)]
pub struct TimeSteps {
    most: usize,
    began: Series<Began>,
}

/// Connections that started in one step.
#[derive(Clone, Copy, Debug, Default)]
struct Began {
    connections: u64,
    /// Earliest and latest time, in microseconds since 1970.
    range: Option<(i64, i64)>,
}

impl Accumulate for Began {
    fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.range = match (self.range, other.range) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (range, None) | (None, range) => range,
        };
    }
}

impl TimeSteps {
    /// Creates an empty series of at most `most` steps.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(2), began: Series { width: SECOND, ..Series::default() } }
    }

    /// Counts a connection by its start, in microseconds since 1970. Returns true if it is the first of its step.
    pub fn include(&mut self, ts: i64) -> bool {
        let steps = self.began.len();
        let step = self.began.step(ts.div_euclid(self.began.width));
        step.merge(&Began { connections: 1, range: Some((ts, ts)) });
        let is_first = self.began.len() > steps;
        if is_first {
            self.began = std::mem::take(&mut self.began).in_at_most(self.most);
        }
        is_first
    }

    /// Step width in microseconds.
    pub fn width(&self) -> i64 {
        self.began.width
    }

    /// Width, in microseconds, of at most `most` steps.
    pub fn width_of(&self, most: usize) -> i64 {
        self.began.clone().in_at_most(most).width
    }

    /// The axis to draw, and the few connections far from all others that it omits.
    pub fn axis(&self) -> (Axis, Option<Outliers>) {
        let steps = self.began.clone().into_steps();
        let all = (0..steps.len(), 0);
        let (within, outside) = steps.len().checked_sub(1).map_or(all.clone(), |last| {
            let (low, high) = (steps[last / 4].0, steps[last - last / 4].0);
            let reach = high.saturating_sub(low).saturating_mul(MAX_DISTANCE);
            let from = steps.partition_point(|(step, _)| *step < low.saturating_sub(reach));
            let to = steps.partition_point(|(step, _)| *step <= high.saturating_add(reach));
            let count = |steps: &[(i64, Began)]| steps.iter().map(|(_, began)| began.connections).sum::<u64>();
            let outside = count(&steps[..from]) + count(&steps[to..]);
            if outside <= (count(&steps) / MIN_PER_OUTLIER).max(1) { (from..to, outside) } else { all }
        });
        let range = |steps: &[(i64, Began)]| {
            let mut sum = Began::default();
            steps.iter().for_each(|(_, began)| sum.merge(began));
            sum.range.unwrap_or_default()
        };
        let axis = Axis { width: self.began.width, range: range(&steps[within]) };
        (axis, (outside > 0).then(|| Outliers { connections: outside, range: range(&steps) }))
    }
}

/// Connections that the axis omits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outliers {
    pub connections: u64,
    /// Earliest and latest time of all connections, in microseconds since 1970.
    pub range: (i64, i64),
}

/// Time axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Step width in microseconds.
    pub width: i64,
    /// Earliest and latest time, in microseconds since 1970.
    pub range: (i64, i64),
}

impl Axis {
    /// The same axis with at most `most` steps of at least `width`.
    pub fn in_at_most(&self, most: usize, width: i64) -> Self {
        let mut axis = Self { width: self.width.max(width), ..*self };
        while axis.steps() > most.max(2) {
            axis.width = wider(axis.width);
        }
        axis
    }

    pub fn steps(&self) -> usize {
        let (first, last) = self.range;
        (last.div_euclid(self.width) - first.div_euclid(self.width) + 1) as usize
    }

    /// Start of the first step and end of the last.
    pub fn span(&self) -> (i64, i64) {
        let (first, last) = self.range;
        let edge = |step: i64| step.saturating_mul(self.width);
        (edge(first.div_euclid(self.width)), edge(last.div_euclid(self.width) + 1))
    }
}

fn wider(width: i64) -> i64 {
    WIDTHS.iter().map(|seconds| seconds * SECOND).find(|&next| next > width).unwrap_or(width.saturating_mul(2))
}

/// Formats a step width: `15 minutes`, `1 hour`, `2 days`.
pub fn width_in_words(width: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let seconds = width / SECOND;
    let (length, name) = UNITS.into_iter().find(|(length, _)| seconds % length == 0).unwrap_or((1, "second"));
    crate::format::counted((seconds / length) as u64, name)
}

/// Values of the steps that are not empty.
#[derive(Clone, Debug, Default)]
pub struct Series<T> {
    /// Step width in microseconds at the last access.
    width: i64,
    /// The step of the last access, apart from the others: most accesses are to the same step, and the memory of the
    /// others is seldom in the processor's cache.
    current: Option<(i64, T)>,
    /// Step numbers since 1970 in ascending order, and their values, without the current step.
    others: Vec<(i64, T)>,
}

impl<T: Accumulate> Series<T> {
    /// The value of the step at `ts`, in steps of `width` microseconds.
    pub fn at(&mut self, width: i64, ts: i64) -> &mut T {
        if self.width != width {
            *self = self.in_steps_of(width);
        }
        self.step(ts.div_euclid(width))
    }

    /// Start, in microseconds since 1970, and value of each step on an axis whose steps are not narrower.
    pub fn cut(&self, axis: &Axis) -> Vec<(i64, T)> {
        let (from, to) = axis.span();
        let mut cut = self.in_steps_of(axis.width).into_steps();
        cut.iter_mut().for_each(|(step, _)| *step = step.saturating_mul(axis.width));
        cut.retain(|(start, _)| (from..to).contains(start));
        cut
    }

    /// The same values in wider steps.
    fn in_steps_of(&self, width: i64) -> Self {
        let mut wider = Self { width, ..Self::default() };
        for (step, value) in self.others.iter().chain(&self.current) {
            wider.step(step.saturating_mul(self.width).div_euclid(width)).merge(value);
        }
        wider
    }

    /// The same values in at most `most` steps, as narrow as possible.
    fn in_at_most(mut self, most: usize) -> Self {
        while self.len() > most {
            self = self.in_steps_of(wider(self.width));
        }
        self
    }

    fn len(&self) -> usize {
        self.others.len() + usize::from(self.current.is_some())
    }

    /// All steps in ascending order.
    fn into_steps(mut self) -> Vec<(i64, T)> {
        self.put_back();
        self.others
    }

    /// Puts the current step among the others.
    fn put_back(&mut self) {
        if let Some((step, value)) = self.current.take() {
            let at = self.others.partition_point(|(other, _)| *other < step);
            self.others.insert(at, (step, value));
        }
    }

    fn step(&mut self, step: i64) -> &mut T {
        if self.current.as_ref().is_none_or(|(current, _)| *current != step) {
            self.put_back();
            let known = self.others.binary_search_by_key(&step, |(other, _)| *other);
            self.current = known.ok().map(|at| self.others.remove(at));
        }
        &mut self.current.get_or_insert_with(|| (step, T::default())).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Accumulate for u64 {
        fn merge(&mut self, other: &Self) {
            *self += other;
        }
    }

    /// Axis for some times, its outliers, and the counts of its steps.
    fn counted(times: &[i64], most: usize) -> (Axis, Option<Outliers>, Vec<(i64, u64)>) {
        let mut included = TimeSteps::new(most);
        let mut series = Series::<u64>::default();
        for &ts in times {
            included.include(ts);
            *series.at(included.width(), ts) += 1;
        }
        let (axis, outside) = included.axis();
        let axis = axis.in_at_most(most, 0);
        let steps = series.cut(&axis);
        (axis, outside, steps)
    }

    #[test]
    fn order_of_connections_does_not_matter() {
        let mut times: Vec<i64> = (0..500).map(|i| (i * 7919 % 500) * 61 * SECOND - 90 * SECOND).collect();
        let (axis, outside, steps) = counted(&times, 60);
        assert_eq!((steps.iter().map(|(_, n)| n).sum::<u64>(), outside), (500, None));
        assert!(axis.steps() <= 60 && axis.steps() > 20, "{axis:?}");
        times.sort_unstable();
        assert_eq!(counted(&times, 60).2, steps);
        times.reverse();
        assert_eq!(counted(&times, 60).2, steps);
    }

    /// A connection every half minute of a day, and some at other times.
    fn a_day_and(others: &[i64]) -> Vec<i64> {
        (0..2_880).map(|i| (1_713_484_800 + 30 * i) * SECOND).chain(others.iter().map(|s| s * SECOND)).collect()
    }

    #[test]
    fn outliers_do_not_stretch_the_axis() {
        let (axis, _, steps) = counted(&a_day_and(&[]), 300);
        assert_eq!(steps.len(), 288);
        for wrong in [0, 1_000_000_000, 1_710_000_000, 1_930_000_000, 4_102_444_799] {
            let mut times = a_day_and(&[wrong]);
            for _ in 0..2 {
                let (other, outside, same) = counted(&times, 300);
                let outside = outside.unwrap();
                assert_eq!((other.range, same), (axis.range, steps.clone()));
                assert_eq!(outside.connections, 1);
                assert!([outside.range.0, outside.range.1].contains(&(wrong * SECOND)), "{outside:?}");
                times.rotate_right(1);
            }
        }
        let (_, outside, same) = counted(&a_day_and(&[0, 0, 1_930_000_000]), 300);
        assert_eq!((outside.unwrap().connections, same), (3, steps));
    }

    #[test]
    fn near_or_frequent_times_stay_on_the_axis() {
        // One connection two days later, and a twelfth of all in another year.
        let next: Vec<i64> = vec![1_713_484_800 + 3 * 86_400];
        let other: Vec<i64> = (0..240).map(|i| 1_681_948_800 + 30 * i).collect();
        for others in [next, other] {
            let (_, outside, steps) = counted(&a_day_and(&others), 300);
            let drawn = steps.iter().map(|(_, n)| n).sum::<u64>();
            assert_eq!((outside, drawn), (None, 2_880 + others.len() as u64));
        }
    }

    #[test]
    fn a_burst_does_not_narrow_the_axis() {
        let burst = (0..100_000).map(|i| 1_713_500_000 * SECOND + i);
        let times: Vec<i64> = a_day_and(&[]).into_iter().chain(burst).collect();
        let (axis, outside, _) = counted(&times, 300);
        assert_eq!((axis.steps(), outside), (288, None));
    }

    #[test]
    fn every_width_divides_the_next() {
        let mut width = SECOND;
        for _ in 0..30 {
            assert_eq!(wider(width) % width, 0);
            width = wider(width);
        }
    }

    #[test]
    fn all_times_fit() {
        let (axis, _, steps) = counted(&[i64::MIN, 0, i64::MAX], 300);
        assert!(axis.steps() <= 300);
        assert_eq!(steps.iter().map(|(_, n)| n).sum::<u64>(), 3);
    }

    #[test]
    fn formats_widths() {
        let words: Vec<_> = WIDTHS.iter().map(|seconds| width_in_words(seconds * SECOND)).collect();
        assert_eq!(
            words,
            [
                "1 second",
                "5 seconds",
                "15 seconds",
                "1 minute",
                "5 minutes",
                "15 minutes",
                "1 hour",
                "3 hours",
                "6 hours",
                "12 hours",
                "1 day"
            ]
        );
    }
}
