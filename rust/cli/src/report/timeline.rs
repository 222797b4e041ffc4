//! Time cut into steps of equal width, and figures for each step: a history of any length in bounded memory.
//!
//! Steps grow wider when there would be too many. Each width divides the next and steps are aligned to the calendar, so
//! figures counted in narrow steps are exact in wide ones, whatever the order in which connections come.

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// Widths of steps in seconds; beyond a day they double.
const WIDTHS: [i64; 11] = [1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600, 43_200, 86_400];

/// Figures that can be added up.
pub trait Figures: Clone + Default {
    /// Adds the other's.
    fn absorb(&mut self, other: &Self);
}

/// How time is cut.
#[derive(Clone, Debug)]
pub struct Axis {
    width: i64,
    most: i64,
    /// The earliest and the latest time, in microseconds since 1970.
    range: Option<(i64, i64)>,
}

impl Axis {
    /// An axis of at most so many steps.
    pub fn new(most: i64) -> Self {
        Self { width: SECOND, most: most.max(2), range: None }
    }

    /// Makes room for a time, in microseconds since 1970.
    pub fn include(&mut self, ts: i64) {
        let (first, last) = self.range.map_or((ts, ts), |(first, last)| (first.min(ts), last.max(ts)));
        self.range = Some((first, last));
        while last.div_euclid(self.width) - first.div_euclid(self.width) >= self.most {
            self.width = wider(self.width);
        }
    }

    /// The earliest and the latest time.
    pub fn range(&self) -> (i64, i64) {
        self.range.unwrap_or_default()
    }

    /// The width of a step in microseconds.
    pub fn width(&self) -> i64 {
        self.width
    }

    /// The same time in at most so many steps.
    pub fn in_at_most(&self, most: i64) -> Self {
        let mut axis = Self { most: most.max(2), ..self.clone() };
        if let Some((first, last)) = self.range {
            axis.include(first);
            axis.include(last);
        }
        axis
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        let (first, last) = self.range();
        (last.div_euclid(self.width) - first.div_euclid(self.width) + 1) as usize
    }

    /// When the first step begins and the last one ends.
    pub fn span(&self) -> (i64, i64) {
        let (first, last) = self.range();
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

/// Figures for each step from the first to the last that has any.
#[derive(Clone, Debug, Default)]
pub struct Series<T> {
    /// In microseconds; that of the axis when it was last used.
    width: i64,
    /// The number of the first step, counted from 1970.
    first: i64,
    steps: Vec<T>,
}

impl<T: Figures> Series<T> {
    /// The figures of the step that a time belongs to. The axis must include the time.
    pub fn at(&mut self, axis: &Axis, ts: i64) -> &mut T {
        if self.width != axis.width {
            *self = self.cut(axis);
        }
        self.step(ts.div_euclid(axis.width))
    }

    /// The same figures in the steps of an axis, which may be wider.
    pub fn cut(&self, axis: &Axis) -> Self {
        let mut cut = Self { width: axis.width, first: 0, steps: Vec::new() };
        for (start, figures) in self.iter() {
            cut.step(start.div_euclid(axis.width)).absorb(figures);
        }
        cut
    }

    /// Each step's beginning, in microseconds since 1970, and its figures.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &T)> {
        (self.first..).zip(&self.steps).map(|(step, figures)| (step.saturating_mul(self.width), figures))
    }

    fn step(&mut self, step: i64) -> &mut T {
        if self.steps.is_empty() {
            self.first = step;
        }
        if step < self.first {
            self.steps.splice(0..0, (step..self.first).map(|_| T::default()));
            self.first = step;
        }
        let at = (step - self.first) as usize;
        if at >= self.steps.len() {
            self.steps.resize(at + 1, T::default());
        }
        &mut self.steps[at]
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

    fn counted(times: &[i64], most: i64) -> (Axis, Vec<(i64, u64)>) {
        let mut axis = Axis::new(most);
        let mut series = Series::<u64>::default();
        for &ts in times {
            axis.include(ts);
            *series.at(&axis, ts) += 1;
        }
        let cut = series.cut(&axis);
        let steps = cut.iter().map(|(start, &n)| (start, n)).collect();
        (axis, steps)
    }

    #[test]
    fn the_order_of_the_connections_changes_nothing() {
        let mut times: Vec<i64> = (0..500).map(|i| (i * 7919 % 500) * 61 * SECOND - 90 * SECOND).collect();
        let (axis, steps) = counted(&times, 60);
        assert_eq!(steps.iter().map(|(_, n)| n).sum::<u64>(), 500);
        assert!(axis.steps() <= 60 && axis.steps() > 20, "{axis:?}");
        times.sort_unstable();
        assert_eq!(counted(&times, 60).1, steps);
        times.reverse();
        assert_eq!(counted(&times, 60).1, steps);
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
        let (axis, steps) = counted(&[i64::MIN, 0, i64::MAX], 300);
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
