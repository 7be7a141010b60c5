//! The page of a run.

use maud::{Markup, html};

use super::chart::{Chart, Curve, Unit};
use super::data::{Mistake, Report, Validation};
use super::format::{clock, counted, duration, maybe, number, percent, short};
use super::{calibration, matrix, page, song};
use crate::score::Epoch;

/// The most columns of a song's picture. Every one costs about 100 bytes of the page.
pub const COLUMNS: usize = 800;

/// Mistakes that are listed.
const MISTAKES: usize = 25;

/// Rows of the table of epochs; of more, every k-th.
const ROWS: usize = 200;

/// A run's report as one page that needs nothing else: no network, no script.
pub fn html(report: &Report) -> String {
    let body = html! {
        header {
            p.kicker { "Training report" }
            h1 { bdi { (report.name) } }
            @if let Some(unfinished) = &report.unfinished { p.warning { "Not finished: " (unfinished) "." } }
            (headlines(report))
            nav aria-label="Sections" {
                @for (id, name) in sections(report) { a href={ "#" (id) } { (name) } " " }
            }
        }
        @for (id, name) in sections(report) {
            section aria-labelledby=(id) {
                h2 id=(id) { (name) }
                (section(id, report))
            }
        }
    };
    page::whole(&format!("{}: training report", report.name), &body)
}

const SECTIONS: [(&str, &str); 9] = [
    ("curves", "Curves"),
    ("songs", "Confusion of songs"),
    ("frames", "Confusion of frames"),
    ("genres", "Genres"),
    ("calibration", "Calibration"),
    ("mistakes", "Most confident mistakes"),
    ("listening", "Listening along"),
    ("configuration", "Configuration"),
    ("surroundings", "Dataset and machine"),
];

/// The sections that there is something to say in.
fn sections(report: &Report) -> impl Iterator<Item = (&'static str, &'static str)> {
    let taught = report.taught;
    let told = ["curves", "configuration", "surroundings"];
    SECTIONS.into_iter().filter(move |(id, _)| !taught || told.contains(id))
}

fn section(id: &str, report: &Report) -> Markup {
    let validated = report.validation.as_ref().filter(|v| v.evaluation.songs > 0);
    match (id, validated) {
        ("curves", _) => curves(report),
        ("configuration", _) if report.configuration.trim().is_empty() => none("No configuration was noted."),
        ("configuration", _) => html! { pre tabindex="0" { code { (report.configuration) } } },
        ("surroundings", _) => html! { (page::facts(&report.dataset)) (page::facts(&report.machine)) },
        ("listening", _) if report.songs.is_empty() => none("No song was looked at."),
        ("listening", _) => listening(report),
        (_, None) => none("No validation songs were judged, so there is nothing to show here."),
        ("songs", Some(v)) => matrix::draw(&v.evaluation.confusion, &report.genres, "song"),
        ("frames", Some(v)) => matrix::draw(&v.evaluation.frame_confusion, &report.genres, "frame"),
        ("genres", Some(v)) => genres(v, &report.genres),
        ("calibration", Some(v)) => calibration::draw(&v.evaluation),
        (_, Some(v)) => mistakes(v, &report.genres),
    }
}

fn none(text: &str) -> Markup {
    html! { p.none { (text) } }
}

/// The figures on top.
fn headlines(report: &Report) -> Markup {
    let effort = &report.effort;
    let (evaluation, best) = (report.validation.as_ref().map(|v| &v.evaluation), best(report));
    let song = evaluation.map(|e| e.song_accuracy).or(best.and_then(|e| e.validation_song_accuracy));
    let frame = evaluation.map(|e| e.frame_accuracy).or(best.and_then(|e| e.validation_frame_accuracy));
    let interval = evaluation.map(|e| e.song_interval).filter(|bounds| bounds.iter().all(|b| b.is_finite()));
    let counts = evaluation.map(|e| (counted(e.songs, "validation song"), counted(e.frames, "frame")));
    let card = |name: &str, value: String, note: String| {
        html! { div { dt { (name) } dd { (value) @if !note.is_empty() { small { (note) } } } } }
    };
    let interval = interval.map(|[low, high]| format!("{} to {} (95\u{a0}%); ", percent(low), percent(high)));
    let songs = interval.unwrap_or_default() + counts.as_ref().map_or("", |(songs, _)| songs);
    let frames = counts.as_ref().map_or("", |(_, frames)| frames).to_string();
    let kept = best.map_or(String::new(), |best| format!("model of epoch {}", best.epoch));
    let unsure = evaluation.and_then(|e| e.decision.unsure_below.map(|_| e.unsure_share));
    let of = evaluation.map_or("", |_| if unsure.is_some() { "of songs" } else { "no threshold" });
    let since = if effort.resumed { "since it was resumed" } else { "" };
    html! {
        dl.cards {
            @if report.taught {
                (card("Explained", maybe(frame), "of the variance of the teachers' embeddings, validation songs".into()))
            } @else {
                (card("Song accuracy", maybe(song), songs))
                (card("Frame accuracy", maybe(frame), frames))
                (card("Macro F1", maybe(evaluation.map(|e| e.macro_f1)), "mean over genres".into()))
                (card("Unsure", maybe(unsure), of.into()))
            }
            (card("Epochs", format!("{} of {}", effort.epochs, effort.planned), kept))
            (card("Time", duration(effort.seconds), since.into()))
            (card("Speed", number(effort.frames_per_second, 0), "training frames a second".into()))
        }
    }
}

/// What was not measured is drawn as missing.
fn known(figure: Option<f64>) -> f64 {
    figure.unwrap_or(f64::NAN)
}

/// The epoch whose model is kept.
fn best(report: &Report) -> Option<&Epoch> {
    report.history.iter().find(|epoch| Some(epoch.epoch) == report.best_epoch)
}

fn curves(report: &Report) -> Markup {
    let history = &report.history;
    if history.is_empty() {
        return none("No epoch has ended yet.");
    }
    let x: Vec<f64> = history.iter().map(|epoch| epoch.epoch as f64).collect();
    let line = |name, of: fn(&Epoch) -> f64| Curve { name, values: history.iter().map(of).collect() };
    let mut shares = vec![
        line("training frames", |e| e.train_accuracy),
        line("validation frames", |e| known(e.validation_frame_accuracy)),
    ];
    if !report.taught {
        shares.push(line("validation songs", |e| known(e.validation_song_accuracy)));
    }
    let mark = best(report).map(|best| (best.epoch as f64, format!("best: {}", best.epoch)));
    let charts = [
        Chart {
            title: "Loss",
            unit: Unit::Plain,
            x: &x,
            lines: vec![line("training", |e| e.train_loss), line("validation", |e| known(e.validation_loss))],
            mark: mark.clone(),
        },
        Chart {
            title: if report.taught { "Explained variance of the teachers' embeddings" } else { "Accuracy" },
            unit: Unit::Share,
            x: &x,
            lines: shares,
            mark,
        },
        Chart {
            title: "Learning rate",
            unit: Unit::FromZero,
            x: &x,
            lines: vec![line("at the epoch's end", |e| f64::from(e.learning_rate))],
            mark: None,
        },
    ];
    html! {
        @if history.len() == 1 {
            p.none { "One epoch makes no curve; these are its figures." }
            (epochs(report))
        } @else {
            div.charts { @for chart in &charts { (chart.draw()) } }
            p.note {
                "Training figures are of the frames while they were trained on, with dropout and augmentation; those of validation "
                "are of songs that were never trained on."
            }
            details { summary { "As a table" } (epochs(report)) }
        }
    }
}

fn epochs(report: &Report) -> Markup {
    let every = report.history.len().div_ceil(ROWS).max(1);
    let last = report.history.len() - 1;
    let shown = report.history.iter().enumerate().filter(|(i, _)| i.is_multiple_of(every) || *i == last);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Epochs" {
            table {
                thead { tr {
                    @for name in ["Epoch", "Training loss", "Training frames", "Validation loss", "Validation frames",
                        "Validation songs", "Learning rate"] {
                        th.number scope="col" { (name) }
                    }
                } }
                tbody {
                    @for (_, e) in shown {
                        tr {
                            th.number scope="row" {
                                @if Some(e.epoch) == report.best_epoch { "best\u{a0}" }
                                (e.epoch)
                            }
                            td.number { (number(e.train_loss, 4)) }
                            td.number { (percent(e.train_accuracy)) }
                            td.number { (number(known(e.validation_loss), 4)) }
                            td.number { (percent(known(e.validation_frame_accuracy))) }
                            td.number { (percent(known(e.validation_song_accuracy))) }
                            td.number { (short(e.learning_rate.into())) }
                        }
                    }
                }
            }
        }
        @if every > 1 { p.note { "Every " (every) "th epoch." } }
    }
}

fn genres(validation: &Validation, genres: &[String]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Genres" {
            table.bars {
                thead { tr {
                    th scope="col" { "Genre" }
                    th.number scope="col" { "Precision" }
                    th.number scope="col" { "Recall" }
                    th.number scope="col" { "F1" }
                    th.number scope="col" { "Validation songs" }
                    th.number scope="col" { "Training songs" }
                } }
                tbody {
                    @for ((name, figures), trained) in genres.iter().zip(&validation.evaluation.per_genre).zip(&validation.training_songs) {
                        tr {
                            th scope="row" { bdi { (name) } }
                            (page::bar(figures.score.precision))
                            (page::bar(figures.score.recall))
                            (page::bar(figures.score.f1))
                            td.number { (figures.score.songs) }
                            td.number { (trained) }
                        }
                    }
                }
            }
        }
        p.note {
            "Of songs. Precision: the share of songs recognised as the genre that are of it. Recall: the share of its songs that were "
            "recognised. F1: their harmonic mean. A dash: there was no song to count."
        }
    }
}

fn mistakes(validation: &Validation, genres: &[String]) -> Markup {
    if validation.mistakes.is_empty() {
        return match validation.wrong {
            0 => none("No mistakes: every validation song was recognised."),
            wrong => {
                none(&format!("{} recognised as another genre; none was listed.", counted(wrong, "song")))
            }
        };
    }
    let name = |genre: usize| genres.get(genre).map_or("?", String::as_str);
    let shown: &[Mistake] = &validation.mistakes[..validation.mistakes.len().min(MISTAKES)];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Most confident mistakes" {
            table.bars {
                thead { tr {
                    th scope="col" { "Song" }
                    th scope="col" { "Is" }
                    th scope="col" { "Recognised as" }
                    th.number scope="col" { "Probability" }
                    th.number scope="col" { "Of what it is" }
                } }
                tbody {
                    @for mistake in shown {
                        tr {
                            td.file { bdi { (mistake.file) } }
                            td { bdi { (name(mistake.genre)) } }
                            td { bdi { (name(mistake.said)) } }
                            (page::bar(Some(mistake.probability)))
                            (page::bar(Some(mistake.of_genre)))
                        }
                    }
                }
            }
        }
        p.note {
            (shown.len()) " of " (counted(validation.wrong.max(shown.len()), "mistake")) ". A file among them that is plainly what it was "
            "recognised as may lie in the wrong folder."
        }
    }
}

fn listening(report: &Report) -> Markup {
    let longest = report.songs.iter().map(|song| song.seconds).filter(|s| s.is_finite()).fold(0.0, f64::max);
    html! {
        p.note {
            "Validation songs as the network hears them: power by frequency and time (up to " (clock(longest)) "), and below it the genre "
            "that won each frame. Bars are as high as it was probable; numbers are shares of the frames; ✓ marks what the song is."
        }
        div.songs {
            @for song in &report.songs { (song::draw(song, &report.genres, COLUMNS)) }
        }
    }
}
