//! A plan as a page: what each genre gets, and every file.

use std::collections::BTreeMap;

use maud::html;

use crate::label::{LabelError, Line, Mode, Plan, Standing, Standings};
use crate::{files, report};

/// Files that are listed: a browser takes no more with ease.
const LISTED: usize = 20_000;

/// The page.
pub fn page(plan: &Plan) -> Result<String, LabelError> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut standings, mut lines) = (Standings::default(), Vec::new());
    for line in plan.lines()? {
        let (_, line) = line?;
        let standing = line.standing(Mode::OnlyIfEmpty);
        standings.count(standing);
        if standing == Standing::Named {
            line.genres.iter().for_each(|genre| *counts.entry(genre.clone()).or_default() += 1);
        }
        if lines.len() < LISTED {
            lines.push(line);
        }
    }
    let body = html! {
        header {
            p.kicker { "Plan of genres" }
            h1 { bdi { (files::shown(&plan.head.library)) } }
            p { (plan.len) " files: " (super::summary(&standings, 0)) }
        }
        section {
            h2 { "Genres" }
            table {
                thead { tr { th { "genre" } th { "files" } } }
                tbody {
                    @for (genre, count) in &counts { tr { td { bdi { (genre) } } td { (count) } } }
                }
            }
        }
        section {
            h2 { "Files" }
            @if plan.len > lines.len() { p.warning { "The first " (lines.len()) " of " (plan.len) "." } }
            table {
                thead { tr { th { "file" } th { "tagged" } th { "would get" } th { "heard" } } }
                tbody { @for line in &lines { (row(line)) } }
            }
        }
    };
    Ok(report::document("Plan of genres", &body))
}

fn row(line: &Line) -> maud::Markup {
    let heard: Vec<String> = line
        .probabilities
        .iter()
        .take(3)
        .map(|p| format!("{} {:.0} %", p.genre, 100.0 * p.probability))
        .collect();
    html! {
        tr {
            td { bdi { (files::shown_text(&line.path)) } }
            td { bdi { (line.tagged().join("; ")) } }
            td {
                @match line.standing(Mode::OnlyIfEmpty) {
                    Standing::Troubled => { "cannot be labelled: " (line.trouble.as_deref().unwrap_or_default()) }
                    Standing::Keeps => { "keeps it" }
                    Standing::Unsure => { "unsure" }
                    Standing::Named => { bdi { (line.genres.join("; ")) } }
                }
            }
            td { (heard.join(", ")) }
        }
    }
}
