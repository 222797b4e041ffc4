//! Charts of a report as inline SVG.
//!
//! Each chart is drawn for wide and for narrow pages, because scaled text would be illegible. The colours suit the
//! light theme; the style sheet maps them to the dark theme.

use std::ops::Range;

use anyhow::{Context, Result};
use detector::units::{DAY, MINUTE};
use plotters::chart::{ChartBuilder, ChartContext, MeshStyle};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::combinators::IntoLogRange;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TextStyle};

use super::aggregates::{Aggregates, BINS, HostStep, STEPS, ScoreBin, StepStats};
use super::timeline::{self, Axis, Series};
use crate::format;

/// Colours; `report.css` maps each of them.
const INK: RGBColor = RGBColor(0x5B, 0x64, 0x6E);
const GRID: RGBColor = RGBColor(0xDF, 0xE3, 0xE7);
const USUAL: RGBColor = RGBColor(0x6F, 0x8F, 0xAF);
const UNUSUAL: RGBColor = RGBColor(0xC2, 0x41, 0x0C);

/// Font size for plotters, which draws 15 as 12 pixels.
const TEXT: i32 = 15;

/// Chart in two sizes.
pub struct Chart {
    /// Text alternative.
    pub label: String,
    /// SVG for wide pages.
    pub wide: String,
    /// SVG for narrow pages.
    pub narrow: String,
}

/// Size of a chart.
#[derive(Clone, Copy)]
struct Size {
    width: u32,
    height: u32,
    /// Maximum number of labels on the horizontal axis.
    labels: usize,
    /// Maximum number of time steps.
    steps: usize,
}

const WIDE: Size = Size { width: 1080, height: 200, labels: 9, steps: STEPS };
const NARROW: Size = Size { width: 360, height: 180, labels: 4, steps: 90 };

impl Chart {
    fn new(label: String, draw: impl Fn(Size, &Canvas<'_>) -> Result<()>) -> Result<Self> {
        let svg = |size: Size| {
            let mut svg = String::new();
            let canvas = SVGBackend::with_string(&mut svg, (size.width, size.height)).into_drawing_area();
            draw(size, &canvas).context("cannot draw a chart")?;
            canvas.present()?;
            drop(canvas);
            Ok::<_, anyhow::Error>(svg)
        };
        Ok(Self { label, wide: svg(WIDE)?, narrow: svg(NARROW)? })
    }
}

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Width of a time step on narrow pages.
pub fn narrow_width(axis: &Axis) -> i64 {
    axis.in_at_most(NARROW.steps, 0).width
}

/// Number of connections in each time step.
pub fn traffic(aggregates: &Aggregates, axis: &Axis, noun: &str) -> Result<Chart> {
    let (axis, steps) = cut(aggregates, axis, WIDE);
    let label = format!(
        "Bar chart of the {} over time: {} in all, at most {} in {}",
        format::plural(noun),
        format::count(steps.iter().map(|(_, step)| step.connections).sum()),
        format::count(steps.iter().map(|(_, step)| step.connections).max().unwrap_or(0)),
        timeline::width_in_words(axis.width)
    );
    Chart::new(label, |size, canvas| {
        let (axis, steps) = cut(aggregates, &axis, size);
        let most = steps.iter().map(|(_, step)| step.connections).max().unwrap_or(0).max(1) as f64;
        let mut chart = over_time(canvas, &axis, 0.0..most * 1.05, size, &|n| format::short_count(*n))?;
        let bars = steps.iter().map(|(start, step)| {
            let (from, to) = inset(*start, &axis);
            Rectangle::new([(from, 0.0), (to, step.connections as f64)], USUAL.filled())
        });
        chart.draw_series(bars)?;
        Ok(())
    })
}

/// Highest scores and median of each time step, and the threshold.
pub fn scores(aggregates: &Aggregates, axis: &Axis, threshold: f64, noun: &str) -> Result<Chart> {
    let label = format!(
        "Chart of the scores over time: for each {}, the highest score, the highest anomalous score and the median; {} \
         anomalous, threshold {threshold:.4}",
        timeline::width_in_words(axis.in_at_most(STEPS, 0).width),
        format::counted(aggregates.anomalous, noun),
    );
    Chart::new(label, |size, canvas| {
        let (axis, steps) = cut(aggregates, axis, size);
        let medians: Vec<_> = steps
            .iter()
            .filter_map(|(start, step)| Some((start.saturating_add(axis.width / 2), step.median()?)))
            .collect();
        let lowest = medians.iter().map(|(_, median)| *median).fold(threshold, f64::min);
        let highest = steps.iter().map(|(_, step)| score(step)).fold(threshold.min(1.0), f64::max);
        let range = (lowest * 10.0 - 0.2).floor() / 10.0..(highest + 0.1).min(1.1);
        let mut chart = over_time(canvas, &axis, range.clone(), size, &|score| format!("{score:.1}"))?;
        let (from, to) = axis.span();
        chart.draw_series([PathElement::new([(from, threshold), (to, threshold)], UNUSUAL)])?;
        // The line is interrupted at steps without traffic.
        for run in medians.chunk_by(|a, b| b.0.saturating_sub(a.0) <= axis.width) {
            chart.draw_series([PathElement::new(run.to_vec(), USUAL.stroke_width(2))])?;
            if let [(at, median)] = run {
                chart.draw_series([Circle::new((*at, *median), 1, USUAL.filled())])?;
            }
        }
        let dots = steps.iter().flat_map(|(start, step)| {
            let dot = |units: u32, size: i32, style: ShapeStyle| {
                Circle::new((start.saturating_add(axis.width / 2), f64::from(units) / 1e6), size, style)
            };
            let usual = (step.highest_anomalous != Some(step.highest)).then(|| dot(step.highest, 2, USUAL.filled()));
            usual.into_iter().chain(step.highest_anomalous.map(|units| dot(units, 4, UNUSUAL.filled())))
        });
        chart.draw_series(dots)?;
        // The label is above all dots.
        let place = Pos::new(HPos::Right, VPos::Top);
        let text = format!("threshold {threshold:.4}");
        chart.draw_series([Text::new(text, (to, range.end), label_style(UNUSUAL).pos(place))])?;
        Ok(())
    })
}

/// Histogram of the scores on a logarithmic scale, because anomalies are rare.
pub fn distribution(aggregates: &Aggregates, threshold: f64, noun: &str) -> Result<Chart> {
    let label = format!(
        "Histogram of the scores of {} on a logarithmic scale: {} anomalous, threshold {threshold:.4}",
        format::counted(aggregates.connections(), noun),
        format::count(aggregates.anomalous)
    );
    let all = |bar: &ScoreBin| bar.connections;
    let first = aggregates.bins.iter().position(|bar| all(bar) > 0).unwrap_or(0);
    let last = aggregates.bins.iter().rposition(|bar| all(bar) > 0).unwrap_or(0);
    let most = aggregates.bins.iter().map(all).max().unwrap_or(0).max(1) as f64;
    let edge = |bar: usize| bar as f64 / BINS as f64;
    Chart::new(label, |size, canvas| {
        let (from, to) = (edge(first).min(threshold) - 0.01, edge(last + 1).max(threshold.min(1.0)) + 0.02);
        let mut chart = frame(canvas)
            .build_cartesian_2d(from..to, (0.5..most * 1.6).log_scale())
            .context("cannot lay out a chart")?;
        mesh(&mut chart)
            .x_labels(size.labels)
            .x_label_formatter(&|score| format!("{score:.2}"))
            .y_label_formatter(&|n| format::short_count(*n))
            .draw()?;
        let bars = aggregates.bins.iter().enumerate().flat_map(|(i, bar)| {
            let bar_of = |n: u64, color: RGBColor| {
                (n > 0).then(|| Rectangle::new([(edge(i), 0.5), (edge(i + 1) - 0.001, n as f64)], color.filled()))
            };
            bar_of(bar.connections, USUAL).into_iter().chain(bar_of(bar.anomalous, UNUSUAL))
        });
        chart.draw_series(bars)?;
        chart.draw_series([PathElement::new([(threshold, 0.5), (threshold, most * 1.6)], UNUSUAL)])?;
        let (side, text) =
            if threshold > (from + to) / 2.0 { (HPos::Right, "threshold  ") } else { (HPos::Left, "  threshold") };
        let style = label_style(UNUSUAL).pos(Pos::new(side, VPos::Top));
        chart.draw_series([Text::new(text, (threshold, most * 1.6), style)])?;
        Ok(())
    })
}

/// History of a host as two SVG paths, all and anomalous connections, one unit wide per step and 16 units high.
pub fn history(series: &Series<HostStep>, axis: &Axis) -> (String, String) {
    use std::fmt::Write;
    let cut = series.cut(axis);
    let most = cut.iter().map(|(_, step)| step.connections).max().unwrap_or(0).max(1);
    let (from, _) = axis.span();
    let (mut usual, mut unusual) = (String::new(), String::new());
    for (start, step) in &cut {
        let x = start.saturating_sub(from) / axis.width;
        let height = |n: u32, least: f64| (14.0 * f64::from(n) / f64::from(most)).max(least).round();
        // Writing to a `String` cannot fail.
        let all = height(step.connections, 1.0);
        let _ = write!(usual, "M{x} 16v-{all}h1v{all}z");
        if step.anomalous > 0 {
            // A minimum height makes few anomalous connections visible.
            let some = height(step.anomalous, 3.0);
            let _ = write!(unusual, "M{x} 16v-{some}h1v{some}z");
        }
    }
    (usual, unusual)
}

fn score(step: &StepStats) -> f64 {
    f64::from(step.highest) / 1e6
}

fn cut(aggregates: &Aggregates, axis: &Axis, size: Size) -> (Axis, Vec<(i64, StepStats)>) {
    let axis = axis.in_at_most(size.steps, aggregates.times.width());
    let steps = aggregates.traffic.cut(&axis);
    (axis, steps)
}

/// Edges of a bar, with a gap if bars are wide.
fn inset(start: i64, axis: &Axis) -> (i64, i64) {
    let gap = if axis.steps() > 100 { 0 } else { axis.width / 12 };
    (start.saturating_add(gap), start.saturating_add(axis.width - gap))
}

fn label_style(color: RGBColor) -> TextStyle<'static> {
    ("sans-serif", TEXT).into_font().color(&color)
}

fn frame<'a, 'b>(canvas: &'a Canvas<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(canvas);
    builder.margin_top(10).margin_right(14).x_label_area_size(26).y_label_area_size(46);
    builder
}

fn over_time<'a, 'b>(
    canvas: &'a Canvas<'b>,
    axis: &Axis,
    values: Range<f64>,
    size: Size,
    format: &dyn Fn(&f64) -> String,
) -> Result<ChartContext<'a, SVGBackend<'b>, Cartesian2d<Time, RangedCoordf64>>> {
    let (from, to) = axis.span();
    let time = Time { from, to, labels: size.labels };
    let mut chart = frame(canvas).build_cartesian_2d(time, values).context("cannot lay out a chart")?;
    mesh(&mut chart).y_label_formatter(format).draw()?;
    Ok(chart)
}

/// Horizontal grid lines.
fn mesh<'a, 'b, 'c, X, Y>(
    chart: &'c mut ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>,
) -> MeshStyle<'a, 'c, X, Y, SVGBackend<'b>>
where
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh()
        .light_line_style(ShapeStyle::from(GRID.mix(0.0)))
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(label_style(INK))
        .y_labels(4);
    mesh
}

/// Time axis in microseconds since 1970, labelled at round times.
#[derive(Clone, Copy)]
struct Time {
    from: i64,
    to: i64,
    labels: usize,
}

impl Time {
    /// Distance between two labels in microseconds.
    fn distance(&self) -> i64 {
        const SECONDS: [i64; 16] =
            [1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];
        let enough = |distance: &i64| self.to.saturating_sub(self.from) / distance < self.labels as i64;
        let known = SECONDS.into_iter().map(|seconds| seconds * 1_000_000);
        let weeks = (1..40).map(|doubled| (604_800_000_000i64).saturating_mul(1 << doubled));
        known.chain(weeks).find(enough).unwrap_or(i64::MAX)
    }
}

impl Ranged for Time {
    type FormatOption = NoDefaultFormatting;
    type ValueType = i64;

    fn map(&self, value: &i64, limit: (i32, i32)) -> i32 {
        let share = (*value as f64 - self.from as f64) / (self.to as f64 - self.from as f64).max(1.0);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<i64> {
        let distance = self.distance();
        let first = self.from.div_euclid(distance).saturating_add(1).saturating_mul(distance);
        std::iter::successors(Some(first), |at| at.checked_add(distance))
            .take_while(|at| *at < self.to)
            .take(self.labels + 1)
            .collect()
    }

    fn range(&self) -> Range<i64> {
        self.from..self.to
    }
}

impl ValueFormatter<i64> for Time {
    fn format_ext(&self, at: &i64) -> String {
        let distance = self.distance();
        let pattern = match () {
            () if distance >= 60 * DAY => "%Y-%m-%d",
            () if at % DAY == 0 => "%b %-d",
            () if distance < MINUTE => "%H:%M:%S",
            () => "%H:%M",
        };
        format::time(*at, pattern)
    }
}
