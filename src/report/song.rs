//! A song over time: pictures of frequency and time above lanes of verdicts, with their axes.
//!
//! Pictures and lanes stretch to the page's width while letters keep their size: axes are text at places in per cent.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};

use super::colour::{ColourMap, MAGMA};
use super::data::{SongFigure, Timeline};
use super::format::{clock, number, percent, ticks, whole_percent};
use super::image::{Frequencies, Image, Spectrogram};
use super::picture;

/// The most rows and columns of a picture. More would be finer than a screen shows.
pub const ROWS: usize = 256;

/// The most bars of a lane.
const BARS: usize = 300;

/// Genres with a lane of their own.
const LANES: usize = 4;

/// Frequencies that are labelled where they have room (Hz).
const LABELS: [f64; 8] = [50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

/// What a spectrogram's colours may span: 80 dB in natural logarithms of power.
const SPAN: f32 = 18.42;

/// A song of a report: what it is, what was said, and what the network heard when.
pub fn draw(song: &SongFigure, genres: &[String], columns: usize) -> Markup {
    let name = |genre: usize| genres.get(genre).map_or("?", String::as_str);
    let right = song.genre == song.said;
    html! {
        figure.song {
            figcaption {
                strong { bdi { (song.file) } }
                span.verdict.good[right].bad[!right] { (if right { "✓ " } else { "✗ " }) (song.why) }
                span {
                    "is " bdi { (name(song.genre)) } ", recognised as " bdi { (name(song.said)) } " ("
                    (percent(song.probability)) "), " (clock(song.seconds))
                }
            }
            @let picture = song.spectrogram.as_ref().and_then(|s| spectrogram(s, columns, &song.file));
            div.strip {
                @match &picture {
                    Some(picture) => (picture.markup),
                    None => { div {} p.none { "No spectrogram." } }
                }
                (lanes(&song.timeline, genres, song.seconds, &[song.genre, song.said], Some(song.genre)))
                (time_axis(song.seconds))
            }
            @if let Some(picture) = &picture {
                p.key { (scale(MAGMA, "quiet", "loud")) " over " (picture.decibels) "\u{a0}dB" }
            }
        }
    }
}

/// A spectrogram that is drawn.
pub struct Picture {
    pub markup: Markup,
    /// What the colours span.
    pub decibels: String,
}

/// A log-power spectrogram, with its frequency axis. None where there is nothing to draw.
pub fn spectrogram(spectrogram: &Spectrogram, columns: usize, name: &str) -> Option<Picture> {
    let image = &spectrogram.image;
    let image = image.is_drawable().then(|| image.pooled(ROWS, columns))?;
    let high = image.quantile(1.0, |v| v)?;
    // The quietest values are few, and would take the colours from the rest.
    let low = image.quantile(0.01, |v| v)?.max(high - SPAN);
    let address = picture::data_uri(&image, MAGMA, low, high)?;
    let rows = spectrogram.image.rows;
    let markup = panel(&address, &spectrogram.frequencies, rows, &format!("Spectrogram of {name}"));
    let decibels = 10.0 * f64::from(high - low) / std::f64::consts::LN_10;
    Some(Picture { markup, decibels: number(decibels, 0) })
}

/// A picture with its frequency axis: two cells of the grid.
pub fn panel(address: &str, frequencies: &Frequencies, rows: usize, description: &str) -> Markup {
    let mut labels: Vec<(f64, f64)> = Vec::new();
    for hz in LABELS.into_iter().filter(|hz| *hz < frequencies.high()) {
        let place = frequencies.place(hz, rows);
        // A label needs about a tenth of the picture's height.
        let room = labels.last().is_none_or(|(_, before)| place - before >= 0.1);
        if room && (0.03..0.97).contains(&place) {
            labels.push((hz, place));
        }
    }
    html! {
        div.hertz {
            @for (hz, place) in labels {
                span style={ "bottom:" (format!("{:.1}", 100.0 * place)) "%" } {
                    @if hz >= 1_000.0 { (number(hz / 1_000.0, 0)) "\u{a0}kHz" } @else { (number(hz, 0)) "\u{a0}Hz" }
                }
            }
        }
        img src=(PreEscaped(address)) alt=(description);
    }
}

/// The verdicts on a song's frames: a lane for each of the genres that won most, those of `always` included, and one
/// for the rest. A bar is as high as the genre was probable; of long songs it is the mean over several frames. `marked`,
/// the genre that would be right, has a tick.
pub fn lanes(
    timeline: &Timeline,
    genres: &[String],
    seconds: f64,
    always: &[usize],
    marked: Option<usize>,
) -> Markup {
    let moments = &timeline.moments;
    if moments.is_empty() || !(seconds > 0.0 && seconds.is_finite()) {
        return html! { div {} p.none { "No frame was recognised." } };
    }
    let mut won = vec![0usize; genres.len()];
    for moment in moments {
        won.get_mut(moment.genre).into_iter().for_each(|count| *count += 1);
    }
    let mut shown: Vec<usize> = (0..genres.len()).filter(|g| won[*g] > 0 || always.contains(g)).collect();
    shown.sort_by_key(|g| (!always.contains(g), std::cmp::Reverse(won[*g]), *g));
    // One more genre is no longer than a lane for the rest.
    let rest = if shown.len() > LANES + 1 { shown.split_off(LANES) } else { Vec::new() };
    shown.sort_by_key(|g| (std::cmp::Reverse(won[*g]), *g));
    let of_all = |count: usize| count as f64 / moments.len() as f64;
    let lane = |name: &str, right: bool, count: usize, of: &dyn Fn(usize) -> bool| {
        let share = format!("{}\u{a0}%", whole_percent(of_all(count)));
        let description = format!("{name}: {count} of {} frames", moments.len());
        html! {
            div.lane title=(description) {
                span.name { @if right { "✓\u{a0}" } bdi { (name) } }
                span.share { (share) }
            }
            svg.lane.right[right] viewBox={ "0 0 1000 100" } preserveAspectRatio="none" role="img" aria-label=(description) {
                title { (description) }
                path d=(bars(timeline, seconds, of)) {}
            }
        }
    };
    html! {
        @for &genre in &shown {
            (lane(&genres[genre], marked == Some(genre), won[genre], &|g| g == genre))
        }
        @if !rest.is_empty() {
            @let count = rest.iter().map(|g| won[*g]).sum();
            (lane(&format!("{} others", rest.len()), false, count, &|g| rest.contains(&g)))
        }
    }
}

/// The path of a lane's bars, 1000 wide and 100 high.
fn bars(timeline: &Timeline, seconds: f64, of: &dyn Fn(usize) -> bool) -> String {
    let mut path = String::new();
    let together = timeline.moments.len().div_ceil(BARS);
    for group in timeline.moments.chunks(together) {
        let won = group.iter().filter(|m| of(m.genre) && m.probability.is_finite());
        let height = 100.0 * won.map(|m| m.probability.clamp(0.0, 1.0)).sum::<f64>() / group.len() as f64;
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let x = |at: f64| 1000.0 * (at / seconds).clamp(0.0, 1.0);
        let (left, right) = (x(first.start), x(last.start + timeline.frame_seconds));
        if height >= 0.05 && right > left {
            // Writing to a string does not fail.
            let _ = write!(path, "M{left:.1},100V{:.1}H{right:.1}V100Z", 100.0 - height);
        }
    }
    path
}

/// The time axis: two cells of the grid.
pub fn time_axis(seconds: f64) -> Markup {
    let marks = if seconds.is_finite() && seconds > 0.0 { times(seconds) } else { Vec::new() };
    html! {
        div {}
        div.time {
            @for at in marks {
                span style={ "left:" (format!("{:.2}", 100.0 * at / seconds)) "%" } {
                    @if seconds < 5.0 { (number(at, 1)) "\u{a0}s" } @else { (clock(at)) }
                }
            }
        }
    }
}

/// Places of time to be labelled: four to seven round ones, far enough from the end for a label.
fn times(seconds: f64) -> Vec<f64> {
    const ROUND: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];
    let (marks, _) = match ROUND.into_iter().find(|step| seconds / step <= 6.0) {
        Some(step) if seconds >= 5.0 => {
            ((0..=(seconds / step) as usize).map(|i| i as f64 * step).collect(), step)
        }
        Some(_) => ticks(0.0, seconds, 5),
        None => {
            let (hours, step) = ticks(0.0, seconds / 3_600.0, 5);
            (hours.into_iter().map(|hour| 3_600.0 * hour).collect(), step)
        }
    };
    marks.into_iter().filter(|at: &f64| *at <= 0.97 * seconds).collect()
}

/// A colour map with the names of its ends.
pub fn scale(colours: ColourMap, low: &str, high: &str) -> Markup {
    html! {
        span.scale { (low) span.ramp style={ "background:" (PreEscaped(colours.css())) } {} (high) }
    }
}

/// A picture of values about zero, with its frequency axis, and the value of its full colours: the 99th percentile of the
/// values' sizes, so that a few large ones do not pale the rest. None where there is nothing to draw.
pub fn diverging(
    image: &Image,
    frequencies: &Frequencies,
    colours: ColourMap,
    columns: usize,
    name: &str,
) -> Option<(Markup, f32)> {
    let rows = image.rows;
    let image = image.is_drawable().then(|| image.pooled(ROWS, columns))?;
    let most = image.quantile(1.0, f32::abs)?;
    let limit = image.quantile(0.99, f32::abs).filter(|limit| *limit > 0.0).unwrap_or(most);
    let address = picture::data_uri(&image, colours, -limit, limit)?;
    Some((panel(&address, frequencies, rows, name), limit))
}
