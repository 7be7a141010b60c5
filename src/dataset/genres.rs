//! The list of genres.

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

#[cfg(test)]
mod tests {
    use super::*;

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
