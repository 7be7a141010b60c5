//! What every page has: head, style, foot; and parts that several sections share.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::data::Fact;
use super::format::{self, maybe};

/// Nothing is loaded and nothing is run: whatever a name smuggled in would have no effect.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// A whole document, with no character in it that steers.
pub fn whole(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main { (body) }
                footer { "GenreRecognizer " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    format::clean(&page.into_string())
}

/// Names with their values.
pub fn facts(facts: &[Fact]) -> Markup {
    html! {
        @if facts.is_empty() {
            p.none { "Nothing was noted." }
        } @else {
            dl.facts {
                @for fact in facts { dt { (fact.name) } dd { bdi { (fact.value) } } }
            }
        }
    }
}

/// A share in a table, with a bar behind it.
pub fn bar(share: Option<f64>) -> Markup {
    let finite = share.filter(|share| share.is_finite());
    html! {
        @match finite {
            Some(share) => {
                td.bar style={ "--s:" (format!("{:.3}", share.clamp(0.0, 1.0))) } { (maybe(finite)) }
            }
            None => td.bar { (maybe(None)) }
        }
    }
}
