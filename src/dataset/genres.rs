//! The list of genres.

/// The text of `dataset/genres.txt`.
pub const GENRES: &str = include_str!("../../dataset/genres.txt");

/// The 30 genres of `dataset/genres.txt`, in its order.
pub fn genres() -> Vec<String> {
    parse_genres(GENRES)
}

/// Reads a list of genres: a name a line; a trailing comma, blank lines, `#` comments, a byte order mark and CRLF
/// are tolerated. A name that comes twice counts once.
pub fn parse_genres(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let name = line.split('#').next().unwrap_or_default().trim().trim_end_matches(',').trim_end();
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
    }
}
