//! Line charts over the epochs.

use std::fmt::Write;

use maud::{Markup, html};

use super::format::{number, short, ticks};

/// A chart's drawing area, in units of its `viewBox`. Charts are narrow, so that their letters stay legible on a
/// telephone.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 388.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 196.0;

/// Points that are drawn of a line; of more, every k-th.
const POINTS: usize = 400;

/// Lines with at most so many points have them marked.
const MARKED: usize = 32;

/// What a chart's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Numbers; the axis spans the values.
    Plain,
    /// Numbers from 0 on.
    FromZero,
    /// Shares; the axis goes from 0 to 100 %.
    Share,
}

/// A line: a name, and a value at every x. The line passes over values that are not finite.
#[derive(Clone, Debug)]
pub struct Curve {
    pub name: &'static str,
    pub values: Vec<f64>,
}

/// Lines over the same x.
pub struct Chart<'a> {
    pub title: &'a str,
    pub unit: Unit,
    /// Ascending.
    pub x: &'a [f64],
    pub lines: Vec<Curve>,
    /// An x to be marked, and its name.
    pub mark: Option<(f64, String)>,
}

impl Chart<'_> {
    /// The chart as a figure. Lines differ in colour, in dashes and in the form of their points.
    pub fn draw(&self) -> Markup {
        let Some(axes) = self.axes() else {
            return html! { figure.chart { figcaption { (self.title) } p.none { "No finite values." } } };
        };
        let lines = self.lines.iter().enumerate();
        html! {
            figure.chart {
                figcaption { (self.title) }
                ul.legend {
                    @for (i, line) in self.lines.iter().enumerate() {
                        li {
                            svg.swatch viewBox="0 0 34 12" aria-hidden="true" {
                                path.line.{ "s" (i) } d="M1,6H33" {}
                                path.point.{ "s" (i) } d=(point(i, 17.0, 6.0)) {}
                            }
                            (line.name)
                        }
                    }
                }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.summary()) {
                    title { (self.summary()) }
                    @for (value, label) in self.labels(&axes) {
                        line.grid x1=(LEFT) x2=(RIGHT) y1=(c(axes.y(value))) y2=(c(axes.y(value))) {}
                        text.tick x=(LEFT - 6.0) y=(c(axes.y(value) + 4.0)) text-anchor="end" { (label) }
                    }
                    line.axis x1=(LEFT) x2=(RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
                    @for x in epochs(axes.first, axes.last) {
                        line.axis x1=(c(axes.x(x))) x2=(c(axes.x(x))) y1=(BOTTOM) y2=(BOTTOM + 4.0) {}
                        text.tick x=(c(axes.x(x))) y=(BOTTOM + 17.0) text-anchor="middle" { (number(x, 0)) }
                    }
                    text.tick x=((LEFT + RIGHT) / 2.0) y=(HEIGHT - 3.0) text-anchor="middle" { "epoch" }
                    @if let Some((x, name)) = self.mark.as_ref().filter(|(x, _)| axes.spans(*x)) {
                        @let (x, side) = (axes.x(*x), if axes.x(*x) > (LEFT + RIGHT) / 2.0 { -1.0 } else { 1.0 });
                        line.mark x1=(c(x)) x2=(c(x)) y1=(TOP - 18.0) y2=(BOTTOM) {}
                        text.mark x=(c(x + 5.0 * side)) y=(TOP - 8.0) text-anchor=(if side < 0.0 { "end" } else { "start" }) {
                            (name)
                        }
                    }
                    @for (i, line) in lines {
                        @let (path, points) = path(&axes, self.x, &line.values, i);
                        path.line.{ "s" (i) } d=(path) {}
                        path.point.{ "s" (i) } d=(points) {}
                    }
                }
            }
        }
    }

    fn axes(&self) -> Option<Axes> {
        let finite = |values: &mut dyn Iterator<Item = f64>| {
            values.filter(|v| v.is_finite()).fold(None, |bounds: Option<(f64, f64)>, v| {
                Some(bounds.map_or((v, v), |(low, high)| (low.min(v), high.max(v))))
            })
        };
        let (first, last) = finite(&mut self.x.iter().copied())?;
        let (low, high) = finite(&mut self.lines.iter().flat_map(|line| line.values.iter().copied()))?;
        let (low, high) = match self.unit {
            Unit::Share => (0.0, 1.0),
            Unit::FromZero => (low.min(0.0), high.max(0.0)),
            Unit::Plain => (low, high),
        };
        // A flat line lies in the middle; one of many beyond the numbers' precision, too.
        let margin = if high > low { 0.04 * (high - low) } else { (0.1 * high.abs()).max(1e-9) };
        let low = if self.unit == Unit::Plain || low < 0.0 || high == low { low - margin } else { low };
        let high = if self.unit == Unit::Share { high } else { high + margin };
        (high - low).is_finite().then_some(Axes { first, last, low, high })
    }

    fn labels(&self, axes: &Axes) -> Vec<(f64, String)> {
        let (values, step) = ticks(axes.low, axes.high, 5);
        let tiny = self.unit != Unit::Share && step < 0.99e-4;
        let decimals = (-step.log10().floor()).clamp(0.0, 4.0) as usize;
        let label = |v: f64| match self.unit {
            Unit::Share => format!("{:.0}\u{a0}%", 100.0 * v),
            // Zero comes out of sums as what is almost zero.
            _ if v.abs() < 1e-6 * step => "0".into(),
            _ if tiny => format!("{v:.0e}").replace('-', "\u{2212}"),
            _ => number(v, decimals),
        };
        values.into_iter().map(|v| (v, label(v))).collect()
    }

    /// The chart in a sentence, for those who do not see it.
    fn summary(&self) -> String {
        let value = |v: Option<f64>| match (v, self.unit) {
            (None, _) => "nothing".into(),
            (Some(v), Unit::Share) => super::format::percent(v),
            (Some(v), _) => short(v),
        };
        let lines = self.lines.iter().map(|line| {
            let mut finite = line.values.iter().copied().filter(|v| v.is_finite());
            let first = finite.next();
            let last = finite.next_back().or(first);
            format!("{} from {} to {}", line.name, value(first), value(last))
        });
        format!("{} by epoch: {}.", self.title, lines.collect::<Vec<_>>().join("; "))
    }
}

/// What the axes span.
struct Axes {
    first: f64,
    last: f64,
    low: f64,
    high: f64,
}

impl Axes {
    fn x(&self, x: f64) -> f64 {
        let part = if self.last > self.first { (x - self.first) / (self.last - self.first) } else { 0.5 };
        // Half a point's width from either end.
        LEFT + 8.0 + part * (RIGHT - LEFT - 16.0)
    }

    fn y(&self, y: f64) -> f64 {
        BOTTOM - (y - self.low) / (self.high - self.low) * (BOTTOM - TOP)
    }

    fn spans(&self, x: f64) -> bool {
        (self.first..=self.last).contains(&x)
    }
}

/// Whole epochs to be labelled.
fn epochs(first: f64, last: f64) -> Vec<f64> {
    let (mut ticks, step) = ticks(first, last, 6);
    ticks.retain(|t| t.fract() == 0.0);
    // The first one too, where its label has room.
    if ticks.first().is_some_and(|t| t - first > 0.5 * step) {
        ticks.insert(0, first);
    }
    ticks
}

/// A coordinate.
fn c(value: f64) -> String {
    format!("{value:.1}")
}

/// The line, and its points where they are few.
fn path(axes: &Axes, x: &[f64], y: &[f64], form: usize) -> (String, String) {
    let finite = x.iter().zip(y).filter(|(x, y)| x.is_finite() && y.is_finite());
    let places: Vec<(f64, f64)> = finite.map(|(&x, &y)| (axes.x(x), axes.y(y))).collect();
    let (every, last) = (places.len().div_ceil(POINTS).max(1), places.len().saturating_sub(1));
    let (mut line, mut points) = (String::new(), String::new());
    for (i, (x, y)) in places.iter().enumerate().filter(|(i, _)| i.is_multiple_of(every) || *i == last) {
        // Writing to a string does not fail.
        let _ = write!(line, "{}{x:.1},{y:.1}", if i == 0 { "M" } else { "L" });
        if places.len() <= MARKED {
            points += &point(form, *x, *y);
        }
    }
    (line, points)
}

/// The form that marks a line's points: circle, square, triangle.
fn point(form: usize, x: f64, y: f64) -> String {
    match form % 3 {
        0 => format!("M{:.1},{y:.1}a2.6,2.6 0 1 0 5.2,0a2.6,2.6 0 1 0 -5.2,0Z", x - 2.6),
        1 => format!("M{:.1},{:.1}h4.6v4.6h-4.6Z", x - 2.3, y - 2.3),
        _ => format!("M{x:.1},{:.1}l3.2,5.6h-6.4Z", y - 3.6),
    }
}
