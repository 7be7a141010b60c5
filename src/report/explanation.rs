//! Why a song was recognised as it was: its spectrogram, what in it spoke for the verdict, and the verdicts on its frames.

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::colour::{BLUE_RED, MAGMA};
use super::data::Timeline;
use super::format::{clock, counted, percent, short};
use super::image::{Image, Spectrogram};
use super::{page, song};

/// The most columns of the pictures.
pub const COLUMNS: usize = 1600;

/// Genres whose probabilities are listed.
const LISTED: usize = 10;

/// What the drawing of a song's explanation is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The song's file.
    pub file: String,
    /// The model, in words.
    pub model: String,
    pub seconds: f64,
    /// The names that genres' numbers stand for.
    pub genres: Vec<String>,
    /// The genre that the gradient is of: the song's verdict.
    pub genre: usize,
    /// Whether the verdict is called unsure.
    pub unsure: bool,
    /// The song's, of every genre.
    pub probabilities: Vec<f64>,
    pub timeline: Timeline,
    pub spectrogram: Spectrogram,
    /// The gradient of the genre's logit to the spectrogram, a frame at a time; rows and time as in the spectrogram.
    pub gradient: Image,
}

/// The explanation as a page of its own. Its size is bounded, whatever the song's length.
pub fn explanation(what: &Explanation) -> String {
    let winner = what.genres.get(what.genre).map_or("?", String::as_str);
    let probability = what.probabilities.get(what.genre).copied().unwrap_or(f64::NAN);
    let body = html! {
        header {
            p.kicker { "Explanation" }
            h1 { bdi { (what.file) } }
            p {
                "Recognised as " strong { bdi { (winner) } } " (" (percent(probability)) ")"
                @if what.unsure { ", but unsure" }
                "; " (clock(what.seconds)) ", " (counted(what.timeline.moments.len(), "frame")) ", by "
                bdi { (what.model) } "."
            }
        }
        section { (pictures(what, winner)) }
        section aria-labelledby="probabilities" {
            h2 id="probabilities" { "Probabilities" }
            (probabilities(what))
        }
    };
    page::whole(&format!("{}: {winner}", what.file), &body)
}

fn pictures(what: &Explanation, winner: &str) -> Markup {
    let spectrogram = song::spectrogram(&what.spectrogram, COLUMNS, &what.file);
    let description = format!("Gradient of {winner} over the spectrogram of {}", what.file);
    let frequencies = &what.spectrogram.frequencies;
    let gradient = song::diverging(&what.gradient, frequencies, BLUE_RED, COLUMNS, &description);
    html! {
        figure.song.wide {
            div.strip {
                @match &spectrogram {
                    Some(picture) => (picture.markup),
                    None => { div {} p.none { "No spectrogram." } }
                }
                @match &gradient {
                    Some((markup, _)) => (markup),
                    None => { div {} p.none { "No gradient." } }
                }
                (song::lanes(&what.timeline, &what.genres, what.seconds, &[what.genre], None))
                (song::time_axis(what.seconds))
            }
            figcaption.below {
                dl.legend {
                    @if let Some(picture) = &spectrogram {
                        dt { "Above" }
                        dd {
                            "what the network hears: power by frequency and time, "
                            (song::scale(MAGMA, "quiet", "loud")) " over " (picture.decibels) "\u{a0}dB."
                        }
                    }
                    @if let Some((_, limit)) = &gradient {
                        dt { "Below it" }
                        dd {
                            "the gradient of the score (logit) of " strong { bdi { (winner) } } ": where more energy would "
                            (song::scale(BLUE_RED, "lower it", "raise it"))
                            @if *limit > 0.0 {
                                "; white: it would change nothing. Full colour from ±" (short(f64::from(*limit)))
                                " on, for energy that grows by a factor of e; the largest hundredth lies beyond."
                            } @else {
                                "; it is zero everywhere."
                            }
                        }
                    }
                    dt { "Lanes" }
                    dd {
                        "the genre that won each frame; bars are as high as it was probable, of long songs the mean over several frames. The "
                        "numbers are shares of the frames."
                    }
                }
            }
        }
    }
}

fn probabilities(what: &Explanation) -> Markup {
    let known = what.probabilities.iter().zip(&what.genres).enumerate();
    let mut ranked: Vec<(usize, f64, &str)> = known.map(|(i, (p, name))| (i, *p, name.as_str())).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let rest = ranked.len().saturating_sub(LISTED);
    ranked.truncate(LISTED);
    if ranked.is_empty() {
        return html! { p.none { "No probabilities." } };
    }
    html! {
        table.bars {
            thead { tr { th scope="col" { "Genre" } th.number scope="col" { "Probability" } } }
            tbody {
                @for (_, probability, name) in ranked {
                    tr {
                        th scope="row" { bdi { (name) } }
                        (page::bar(Some(probability)))
                    }
                }
            }
        }
        @if rest > 0 { p.note { (counted(rest, "genre")) " less probable left out." } }
    }
}
