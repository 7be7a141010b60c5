//! A plan as a page: what each genre gets, and every file.

use std::collections::BTreeMap;

use maud::html;

use crate::label::{LabelError, Line, Plan};
use crate::{files, report};

/// Files that are listed: a browser takes no more with ease.
const LISTED: usize = 20_000;

/// The page.
pub fn page(plan: &Plan) -> Result<String, LabelError> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut unsure, mut troubled, mut lines) = (0, 0, Vec::new());
    for line in plan.lines()? {
        let (_, line) = line?;
        match &line.trouble {
            Some(_) => troubled += 1,
            None if line.genres.is_empty() => unsure += 1,
            None => line.genres.iter().for_each(|genre| *counts.entry(genre.clone()).or_default() += 1),
        }
        if lines.len() < LISTED {
            lines.push(line);
        }
    }
    let body = html! {
        header {
            p.kicker { "Plan of genres" }
            h1 { bdi { (files::shown(&plan.head.library)) } }
            p { (plan.len) " files; " (unsure) " unsure, " (troubled) " that cannot be labelled" }
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
            td { bdi { (line.path) } }
            td { bdi { (line.tagged().join("; ")) } }
            td {
                @match &line.trouble {
                    Some(trouble) => { "cannot be labelled: " (trouble) }
                    None if line.genres.is_empty() => { "unsure" }
                    None => { bdi { (line.genres.join("; ")) } }
                }
            }
            td { (heard.join(", ")) }
        }
    }
}
