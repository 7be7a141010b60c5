//! Confusion matrices.

use maud::{Markup, html};

use super::format::{MISSING, counted, percent, whole_percent};

/// Up to so many genres, cells have room for a count and a share.
const ROOMY: usize = 14;

/// Of more genres than this, cells are as small as their numbers.
const DENSE: usize = 32;

/// Of more genres than this, only the largest confusions are listed: a matrix would be a picture of nothing.
const MOST: usize = 60;

/// Confusions that are listed.
const LISTED: usize = 10;

/// A matrix of counts: what it is by row, what it was recognised as by column. `of` names what is counted, in the singular.
pub fn draw(counts: &[Vec<usize>], genres: &[String], of: &str) -> Markup {
    let n = genres.len();
    let total: usize = counts.iter().flatten().sum();
    if total == 0 || counts.len() != n || counts.iter().any(|row| row.len() != n) {
        return html! { p.none { "No " (of) " was counted." } };
    }
    html! {
        @if n <= MOST {
            (table(counts, genres, of))
        } @else {
            p.none { "A matrix of " (n) " genres has no room here; these are its largest confusions." }
        }
        (largest(counts, genres, of))
    }
}

fn table(counts: &[Vec<usize>], genres: &[String], of: &str) -> Markup {
    let roomy = genres.len() <= ROOMY;
    // Songs are few: their counts say more than shares do. Frames are many.
    let shares = !roomy && counts.iter().flatten().any(|&count| count > 999);
    let cells = if roomy {
        "count, and share of the row"
    } else if shares {
        "per cent of the row, a dot for less than half of one"
    } else {
        "count"
    };
    let explained = format!(
        "Rows: the {of}s' genre. Columns: what they were recognised as. Cells: {cells}; empty ones are zero. The stronger \
         the colour, the larger the share of the row; the diagonal, with a frame, is right."
    );
    html! {
        p.note { (explained) }
        div.scroll tabindex="0" role="region" aria-label={ "Confusion matrix of " (of) "s" } {
            table.matrix.roomy[roomy].dense[genres.len() > DENSE] {
                thead { tr {
                    td {}
                    @for genre in genres {
                        th.column scope="col" title=(genre) { span { bdi { (genre) } } }
                    }
                    th.total scope="col" { span { (of) "s" } }
                } }
                tbody {
                    @for (i, row) in counts.iter().enumerate() {
                        @let sum: usize = row.iter().sum();
                        tr {
                            th scope="row" title=(genres[i]) { bdi { (genres[i]) } }
                            @for (j, &count) in row.iter().enumerate() {
                                (cell(count, sum, i == j, shares, roomy, || format!("{}, said {}", genres[i], genres[j])))
                            }
                            td.total { (sum) }
                        }
                    }
                }
            }
        }
    }
}

fn cell(
    count: usize,
    sum: usize,
    right: bool,
    shares: bool,
    roomy: bool,
    names: impl Fn() -> String,
) -> Markup {
    if count == 0 {
        return html! { td.right[right] {} };
    }
    let share = count as f64 / sum as f64;
    html! {
        td.right[right].wrong[!right] style={ "--s:" (format!("{share:.2}")) }
            title={ (names()) ": " (count) " of " (sum) ", " (percent(share)) } {
            @if !shares { (count) } @else if share < 0.005 { "·" } @else { (whole_percent(share)) }
            @if roomy { small { (whole_percent(share)) "\u{a0}%" } }
        }
    }
}

/// The largest confusions, by their share of all that was confused.
fn largest(counts: &[Vec<usize>], genres: &[String], of: &str) -> Markup {
    let mut wrong: Vec<(usize, usize, usize)> = (counts.iter().enumerate())
        .flat_map(|(i, row)| row.iter().enumerate().map(move |(j, &count)| (count, i, j)))
        .filter(|&(count, i, j)| i != j && count > 0)
        .collect();
    if wrong.is_empty() {
        return html! { p.none { "No " (of) " was confused." } };
    }
    wrong.sort_by_key(|&(count, i, j)| (std::cmp::Reverse(count), i, j));
    let all: usize = wrong.iter().map(|(count, ..)| count).sum();
    wrong.truncate(LISTED);
    html! {
        details {
            summary { "Largest confusions (" (counted(all, of)) " in all)" }
            div.scroll tabindex="0" role="region" aria-label={ "Largest confusions of " (of) "s" } {
                table {
                    thead { tr {
                        th scope="col" { "Is" } th scope="col" { "Recognised as" }
                        th.number scope="col" { (of) "s" } th.number scope="col" { "Share of its genre" }
                    } }
                    tbody {
                        @for (count, i, j) in wrong {
                            @let sum: usize = counts[i].iter().sum();
                            tr {
                                td { bdi { (genres[i]) } }
                                td { bdi { (genres[j]) } }
                                td.number { (count) }
                                td.number { (if sum == 0 { MISSING.to_string() } else { percent(count as f64 / sum as f64) }) }
                            }
                        }
                    }
                }
            }
        }
    }
}
