//! Time cut into steps of equal width, and figures for each step: a history of any length in bounded memory.
//!
//! Steps grow wider when too many have figures. Each width divides the next and steps are aligned to the calendar, so
//! figures counted in narrow steps are exact in wide ones, whatever the order in which connections come. Steps without
//! figures take no room: a connection of a wrong date makes no step wider, and the axis that is drawn leaves it out.

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// Widths of steps in seconds; beyond a day they double.
const WIDTHS: [i64; 11] = [1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600, 43_200, 86_400];

/// How far from the quartiles of the steps a time is within reach, in distances between these. Whatever is within reach,
/// the middle half of the steps takes a twentieth of the axis, and the whole of steady traffic a tenth.
const REACH: i64 = 10;
/// Only one connection of so many may be left out; more are a time of their own, not a wrong one.
const FEW: u64 = 20;

/// Figures that can be added up.
pub trait Figures: Clone + Default {
    /// Adds the other's.
    fn absorb(&mut self, other: &Self);
}

/// When connections began.
#[derive(Clone, Debug)]
pub struct Times {
    most: usize,
    began: Series<Began>,
}

/// The connections that began in one step.
#[derive(Clone, Copy, Debug, Default)]
struct Began {
    connections: u64,
    /// The earliest and the latest time, in microseconds since 1970.
    range: Option<(i64, i64)>,
}

impl Figures for Began {
    fn absorb(&mut self, other: &Self) {
        self.connections += other.connections;
        self.range = match (self.range, other.range) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (range, None) | (None, range) => range,
        };
    }
}

impl Times {
    /// None yet; told apart in at most so many steps.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(2), began: Series { width: SECOND, steps: Vec::new() } }
    }

    /// Counts a connection by when it began, in microseconds since 1970.
    pub fn include(&mut self, ts: i64) {
        let step = self.began.step(ts.div_euclid(self.began.width));
        step.absorb(&Began { connections: 1, range: Some((ts, ts)) });
        while self.began.steps.len() > self.most {
            self.began = self.began.in_steps_of(wider(self.began.width));
        }
    }

    /// The width of a step in microseconds.
    pub fn width(&self) -> i64 {
        self.began.width
    }

    /// The times to draw: all but those of a few connections that are far from the rest, and how these are told.
    pub fn axis(&self) -> (Axis, Option<Outside>) {
        let steps = &self.began.steps;
        let all = (0..steps.len(), 0);
        let (within, outside) = steps.len().checked_sub(1).map_or(all.clone(), |last| {
            let (low, high) = (steps[last / 4].0, steps[last - last / 4].0);
            let reach = high.saturating_sub(low).saturating_mul(REACH);
            let from = steps.partition_point(|(step, _)| *step < low.saturating_sub(reach));
            let to = steps.partition_point(|(step, _)| *step <= high.saturating_add(reach));
            let count = |steps: &[(i64, Began)]| steps.iter().map(|(_, began)| began.connections).sum::<u64>();
            let outside = count(&steps[..from]) + count(&steps[to..]);
            if outside <= (count(steps) / FEW).max(1) { (from..to, outside) } else { all }
        });
        let range = |steps: &[(i64, Began)]| {
            let mut sum = Began::default();
            steps.iter().for_each(|(_, began)| sum.absorb(began));
            sum.range.unwrap_or_default()
        };
        let axis = Axis { width: self.began.width, range: range(&steps[within]) };
        (axis, (outside > 0).then(|| Outside { connections: outside, range: range(steps) }))
    }
}

/// The connections that are not on the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// How many.
    pub connections: u64,
    /// The earliest and the latest time of all connections, in microseconds since 1970.
    pub range: (i64, i64),
}

/// A stretch of time, and how it is cut.
#[derive(Clone, Debug)]
pub struct Axis {
    width: i64,
    /// The earliest and the latest time, in microseconds since 1970.
    range: (i64, i64),
}

impl Axis {
    /// The earliest and the latest time.
    pub fn range(&self) -> (i64, i64) {
        self.range
    }

    /// The width of a step in microseconds.
    pub fn width(&self) -> i64 {
        self.width
    }

    /// The same time in at most so many steps, each at least so wide.
    pub fn in_at_most(&self, most: usize, width: i64) -> Self {
        let mut axis = Self { width: self.width.max(width), ..*self };
        while axis.steps() > most.max(2) {
            axis.width = wider(axis.width);
        }
        axis
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        let (first, last) = self.range;
        (last.div_euclid(self.width) - first.div_euclid(self.width) + 1) as usize
    }

    /// When the first step begins and the last one ends.
    pub fn span(&self) -> (i64, i64) {
        let (first, last) = self.range;
        let edge = |step: i64| step.saturating_mul(self.width);
        (edge(first.div_euclid(self.width)), edge(last.div_euclid(self.width) + 1))
    }
}

fn wider(width: i64) -> i64 {
    WIDTHS.iter().map(|seconds| seconds * SECOND).find(|&next| next > width).unwrap_or(width.saturating_mul(2))
}

/// The width of a step in words: `15 minutes`, `1 hour`, `2 days`.
pub fn in_words(width: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let seconds = width / SECOND;
    let (length, name) = UNITS.into_iter().find(|(length, _)| seconds % length == 0).unwrap_or((1, "second"));
    crate::human::counted((seconds / length) as u64, name)
}

/// Figures for each step that has any.
#[derive(Clone, Debug, Default)]
pub struct Series<T> {
    /// In microseconds; that of the times when they were last asked.
    width: i64,
    /// The numbers of the steps, counted from 1970 and ascending, and their figures.
    steps: Vec<(i64, T)>,
}

impl<T: Figures> Series<T> {
    /// The figures of the step that a time belongs to. The times must include it.
    pub fn at(&mut self, times: &Times, ts: i64) -> &mut T {
        if self.width != times.width() {
            *self = self.in_steps_of(times.width());
        }
        self.step(ts.div_euclid(self.width))
    }

    /// Each step of an axis that has figures: its beginning, in microseconds since 1970, and these. The steps of the axis
    /// must not be narrower.
    pub fn cut(&self, axis: &Axis) -> Vec<(i64, T)> {
        let (from, to) = axis.span();
        let mut cut = self.in_steps_of(axis.width).steps;
        cut.iter_mut().for_each(|(step, _)| *step = step.saturating_mul(axis.width));
        cut.retain(|(start, _)| (from..to).contains(start));
        cut
    }

    /// The same figures in wider steps.
    fn in_steps_of(&self, width: i64) -> Self {
        let mut wider = Self { width, steps: Vec::new() };
        for (step, figures) in &self.steps {
            wider.step(step.saturating_mul(self.width).div_euclid(width)).absorb(figures);
        }
        wider
    }

    fn step(&mut self, step: i64) -> &mut T {
        // Most connections belong to the last step.
        let at = match self.steps.last() {
            Some((last, _)) if *last == step => self.steps.len() - 1,
            _ => self.steps.partition_point(|(other, _)| *other < step),
        };
        if self.steps.get(at).is_none_or(|(other, _)| *other != step) {
            self.steps.insert(at, (step, T::default()));
        }
        &mut self.steps[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Figures for u64 {
        fn absorb(&mut self, other: &Self) {
            *self += other;
        }
    }

    /// The axis of some times in at most so many steps, what is not on it, and the counts of its steps.
    fn counted(times: &[i64], most: usize) -> (Axis, Option<Outside>, Vec<(i64, u64)>) {
        let mut included = Times::new(most);
        let mut series = Series::<u64>::default();
        for &ts in times {
            included.include(ts);
            *series.at(&included, ts) += 1;
        }
        let (axis, outside) = included.axis();
        let axis = axis.in_at_most(most, 0);
        let steps = series.cut(&axis);
        (axis, outside, steps)
    }

    #[test]
    fn the_order_of_the_connections_changes_nothing() {
        let mut times: Vec<i64> = (0..500).map(|i| (i * 7919 % 500) * 61 * SECOND - 90 * SECOND).collect();
        let (axis, outside, steps) = counted(&times, 60);
        assert_eq!((steps.iter().map(|(_, n)| n).sum::<u64>(), outside), (500, None));
        assert!(axis.steps() <= 60 && axis.steps() > 20, "{axis:?}");
        times.sort_unstable();
        assert_eq!(counted(&times, 60).2, steps);
        times.reverse();
        assert_eq!(counted(&times, 60).2, steps);
    }

    /// A connection every half minute of a day, and some of other times before or behind them.
    fn a_day_and(others: &[i64]) -> Vec<i64> {
        (0..2_880).map(|i| (1_713_484_800 + 30 * i) * SECOND).chain(others.iter().map(|s| s * SECOND)).collect()
    }

    #[test]
    fn a_wrong_time_does_not_stretch_the_axis() {
        let (axis, _, steps) = counted(&a_day_and(&[]), 300);
        assert_eq!(steps.len(), 288);
        for wrong in [0, 1_000_000_000, 1_710_000_000, 1_930_000_000, 4_102_444_799] {
            let mut times = a_day_and(&[wrong]);
            for _ in 0..2 {
                let (other, outside, same) = counted(&times, 300);
                let outside = outside.unwrap();
                assert_eq!((other.range(), same), (axis.range(), steps.clone()));
                assert_eq!(outside.connections, 1);
                assert!([outside.range.0, outside.range.1].contains(&(wrong * SECOND)), "{outside:?}");
                times.rotate_right(1);
            }
        }
        let (_, outside, same) = counted(&a_day_and(&[0, 0, 1_930_000_000]), 300);
        assert_eq!((outside.unwrap().connections, same), (3, steps));
    }

    #[test]
    fn what_is_within_reach_or_not_rare_stays_on_the_axis() {
        // Two days later, and as much as a twelfth of all in another year.
        let next: Vec<i64> = vec![1_713_484_800 + 3 * 86_400];
        let other: Vec<i64> = (0..240).map(|i| 1_681_948_800 + 30 * i).collect();
        for others in [next, other] {
            let (_, outside, steps) = counted(&a_day_and(&others), 300);
            let drawn = steps.iter().map(|(_, n)| n).sum::<u64>();
            assert_eq!((outside, drawn), (None, 2_880 + others.len() as u64));
        }
    }

    #[test]
    fn a_burst_hides_nothing_of_the_days_around_it() {
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
    fn the_whole_of_time_fits() {
        let (axis, _, steps) = counted(&[i64::MIN, 0, i64::MAX], 300);
        assert!(axis.steps() <= 300);
        assert_eq!(steps.iter().map(|(_, n)| n).sum::<u64>(), 3);
    }

    #[test]
    fn widths_in_words() {
        let words: Vec<_> = WIDTHS.iter().map(|seconds| in_words(seconds * SECOND)).collect();
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
