//! The calibration plot: how often verdicts of a probability are right.

use maud::{Markup, html};

use super::format::{counted, number, percent};
use crate::score::{Bin, Evaluation};

/// The plot's drawing area, in units of its `viewBox`.
const SIZE: f64 = 320.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 270.0;
const SIDE: f64 = 250.0;

pub fn draw(evaluation: &Evaluation) -> Markup {
    let (calibration, temperature) = (&evaluation.calibration, evaluation.decision.temperature);
    let bins: Vec<&Bin> = calibration.bins.iter().filter(|bin| is_drawable(bin)).collect();
    if bins.is_empty() {
        return html! { p.none { "No verdict was counted, so there is nothing to compare probabilities with." } };
    }
    let most = bins.iter().map(|bin| bin.songs).max().unwrap_or(1);
    let label = format!("Calibration of songs: expected calibration error {}.", percent(calibration.ece));
    html! {
        div.beside {
            figure.chart.square {
                svg viewBox={ "0 0 " (SIZE) " " (SIZE) } role="img" aria-label=(label) {
                    title { (label) }
                    @for i in 0..=5 {
                        @let part = f64::from(i) / 5.0;
                        line.grid x1=(LEFT) x2=(LEFT + SIDE) y1=(c(y(part))) y2=(c(y(part))) {}
                        text.tick x=(LEFT - 6.0) y=(c(y(part) + 4.0)) text-anchor="end" { (20 * i) "\u{a0}%" }
                        text.tick x=(c(x(part))) y=(BOTTOM + 17.0) text-anchor="middle" { (20 * i) "\u{a0}%" }
                    }
                    @for bin in &bins {
                        rect.bin x=(c(x(bin.low) + 1.0)) width=(c((x(bin.high) - x(bin.low) - 2.0).max(1.0)))
                            y=(c(y(bin.accuracy))) height=(c(BOTTOM - y(bin.accuracy))) {}
                    }
                    line.mark x1=(c(x(0.0))) x2=(c(x(1.0))) y1=(c(y(0.0))) y2=(c(y(1.0))) {}
                    @for bin in &bins {
                        circle.point.s1 cx=(c(x(bin.confidence))) cy=(c(y(bin.accuracy)))
                            r=(c(3.0 + 5.0 * (bin.songs as f64 / most as f64).sqrt())) {}
                    }
                    line.axis x1=(LEFT) x2=(LEFT + SIDE) y1=(BOTTOM) y2=(BOTTOM) {}
                    text.tick x=(LEFT + SIDE / 2.0) y=(SIZE - 4.0) text-anchor="middle" { "probability said" }
                    text.tick transform="translate(10 145) rotate(-90)" text-anchor="middle" { "share that was right" }
                }
            }
            div {
                dl.facts {
                    dt { "Expected calibration error" } dd { (percent(calibration.ece)) }
                    dt { "Temperature" }
                    dd { (number(temperature.into(), 3)) ", chosen on these songs" }
                }
                p.note {
                    "Each bar and point stands for the songs whose winning probability lies in its range: bars reach to "
                    "the share that was right, points lie at the mean probability, the larger the more songs. On the dashed line, probabilities would be true; below it, the network is too confident."
                }
                details {
                    summary { "As a table" }
                    div.scroll tabindex="0" role="region" aria-label="Calibration" {
                        table {
                            thead { tr {
                                th scope="col" { "Range" } th scope="col" { "Mean probability" }
                                th scope="col" { "Right" } th scope="col" { "Count" }
                            } }
                            tbody {
                                @for bin in &bins {
                                    tr {
                                        th scope="row" { (percent(bin.low)) " to " (percent(bin.high)) }
                                        td { (percent(bin.confidence)) }
                                        td { (percent(bin.accuracy)) }
                                        td { (bin.songs) }
                                    }
                                }
                            }
                        }
                    }
                }
                p.note { "Counted: " (counted(bins.iter().map(|b| b.songs).sum(), "verdict")) "." }
            }
        }
    }
}

fn is_drawable(bin: &Bin) -> bool {
    let parts = [bin.low, bin.high, bin.confidence, bin.accuracy];
    bin.songs > 0 && parts.iter().all(|part| (0.0..=1.0).contains(part))
}

fn x(part: f64) -> f64 {
    LEFT + part * SIDE
}

fn y(part: f64) -> f64 {
    BOTTOM - part * SIDE
}

/// A coordinate.
fn c(value: f64) -> String {
    format!("{value:.1}")
}
