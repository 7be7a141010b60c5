//! The list of genres, and their names.

use std::collections::BTreeMap;

use super::names::squeezed;
use crate::files;

/// The text of `dataset/genres.txt`.
#[cfg(any(feature = "cli", feature = "internals"))]
pub const GENRES: &str = include_str!("../../dataset/genres.txt");

/// The 30 genres of `dataset/genres.txt`, in its order.
#[cfg(any(test, feature = "internals"))]
pub fn genres() -> Vec<String> {
    parse_genres(GENRES)
}

/// Reads a list of genres: a name a line; trailing commas, blank lines, `#` comments, byte order marks and any line
/// ending are tolerated. A name that comes twice counts once.
pub fn parse_genres(text: &str) -> Vec<String> {
    // A byte order mark comes midway where files were joined.
    let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let mut names: Vec<String> = Vec::new();
    for line in text.split(['\n', '\r']) {
        let name = line.split('#').next().unwrap_or_default();
        let name = name.trim_start_matches(blank).trim_end_matches(|c| c == ',' || blank(c));
        if !name.is_empty() && !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Why a genre of this name cannot be written into tags, if it cannot.
pub fn unwritable(name: &str) -> Option<&'static str> {
    if name.trim().is_empty() {
        Some("it is empty")
    } else if name.contains(';') {
        Some("it has a semicolon, which stands between genres in tags")
    } else if name.contains(char::is_control) {
        Some("it has a line break or another control character")
    } else {
        None
    }
}

/// What is probably not meant by these names, with the cure: names that a reader takes for one, and those that cannot be
/// written into tags.
pub(super) fn warnings(genres: &[String]) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for genre in genres {
        groups.entry(squeezed(genre)).or_default().push(files::shown_text(genre));
    }
    let groups = groups.into_values().filter(|group| group.len() > 1);
    let alike = groups.map(|group| {
        format!(
            "the genres \"{}\" look alike and are learnt as different ones (they differ in case, blanks, hyphens or the form \
             of characters alone): if they are one, move the songs into one folder",
            group.join("\", \"")
        )
    });
    let unwritable = genres.iter().filter_map(|genre| {
        let (why, shown) = (unwritable(genre)?, files::shown_text(genre));
        Some(format!(
            "the genre \"{shown}\" can be learnt, but label cannot write it into tags: {why}; rename its folder"
        ))
    });
    alike.chain(unwritable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tags_cannot_hold_are_known() {
        for (name, word) in [
            ("", "empty"),
            (" \t", "empty"),
            ("Soul; Funk", "semicolon"),
            ("A\nB", "line break"),
            ("\u{85}x", "control"),
        ] {
            assert!(unwritable(name).is_some_and(|why| why.contains(word)), "{name:?}");
        }
        assert!(
            genres().iter().chain(&["R&B / Soul, Funk".to_owned()]).all(|name| unwritable(name).is_none())
        );
    }

    #[test]
    fn thirty_genres() {
        let names = genres();
        assert_eq!(names.len(), 30);
        assert_eq!((names[0].as_str(), names[29].as_str()), ("alternativerock", "world"));
    }

    #[test]
    fn sloppy_lists_are_read() {
        let text = "\u{feff}rock,\r\n# comment\r\n\r\n  hip hop , \r\nrock\r\npop # the last";
        assert_eq!(parse_genres(text), ["rock", "hip hop", "pop"]);
        assert!(parse_genres("").is_empty());
        assert_eq!(parse_genres("a, ,\rb\n\u{feff}c\n , ,\n"), ["a", "b", "c"]);
    }
}
