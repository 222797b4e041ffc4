//! ROC and precision-recall curves as SVG, with one line for each run and one colour for each setting.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use zeek_log::Output;

use super::metrics::{Setting, ranking};
use super::ranking::Ranking;
use crate::escape;

/// Colours for colour-blind readers (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const SIZE: (u32, u32) = (720, 640);
/// Minimum distance between drawn points; closer ones are not visible.
const RESOLUTION: f64 = 1e-3;

/// Kind of curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// True positive rate over false positive rate.
    Roc,
    /// Precision over recall.
    PrecisionRecall,
}

impl Curve {
    /// Draws the curves of all settings to a file.
    pub fn draw(self, settings: &[Setting], path: &Path) -> Result<()> {
        let text = self.svg(settings).map_err(|cause| anyhow!("cannot draw the curve: {cause}"))?;
        let mut output = Output::create(path)?;
        output.write(text.as_bytes())?;
        Ok(output.finish()?)
    }

    fn svg(self, settings: &[Setting]) -> Result<String, Box<dyn std::error::Error + '_>> {
        let (title, x, y) = match self {
            Self::Roc => ("ROC curve", "false positive rate", "true positive rate"),
            Self::PrecisionRecall => ("Precision-recall curve", "recall", "precision"),
        };
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        chart
            .configure_mesh()
            .x_desc(x)
            .y_desc(y)
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|value| format!("{value:.1}"))
            .y_label_formatter(&|value| format!("{value:.1}"))
            .label_style(("sans-serif", 14))
            .light_line_style(BLACK.mix(0.06))
            .draw()?;
        for (setting, colour) in settings.iter().zip(COLOURS.into_iter().cycle()) {
            for (i, run) in setting.runs.iter().enumerate() {
                let points = thin(self.points(&ranking(run)));
                let line = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
                if i == 0 {
                    line.label(escape::printable(&setting.name))
                        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
                }
            }
        }
        chart
            .configure_series_labels()
            .position(if self == Self::Roc { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::LowerLeft })
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 14))
            .draw()?;
        area.present()?;
        drop(chart);
        drop(area);
        Ok(text)
    }

    fn points(self, ranking: &Ranking) -> Vec<(f64, f64)> {
        let (malicious, benign) = (ranking.malicious as f64, ranking.benign as f64);
        let passing = ranking.passing().map(|(hits, alarms)| (hits as f64, alarms as f64));
        match self {
            Self::Roc => std::iter::once((0.0, 0.0))
                .chain(passing.map(|(hits, alarms)| (alarms / benign, hits / malicious)))
                .collect(),
            Self::PrecisionRecall => passing.map(|(hits, alarms)| (hits / malicious, hits / (hits + alarms))).collect(),
        }
    }
}

/// Removes points too close to the previous one; the first and last stay.
fn thin(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let end = points.last().copied();
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (x, y) in points {
        if kept.last().is_none_or(|last| (x - last.0).abs() >= RESOLUTION || (y - last.1).abs() >= RESOLUTION) {
            kept.push((x, y));
        }
    }
    kept.extend(end.filter(|end| kept.last() != Some(end)));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curve_points_match_their_definitions() {
        // In descending order: malicious, a tie of both classes, benign.
        let ranking = Ranking::new([(9, true), (5, true), (5, false), (1, false)]);
        assert_eq!(Curve::Roc.points(&ranking), [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
        assert_eq!(Curve::PrecisionRecall.points(&ranking), [(0.5, 1.0), (1.0, 2.0 / 3.0), (1.0, 0.5)]);
    }

    #[test]
    fn thinning_preserves_both_ends() {
        let points: Vec<_> = (0..=100_000).map(|i| (f64::from(i) / 1e5, 1.0)).collect();
        let kept = thin(points.clone());
        assert!(kept.len() <= 1002, "{}", kept.len());
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
    }
}
