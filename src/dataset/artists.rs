//! Who made a song: the names that a text lists.

use super::names::folded;
use super::scan::Entry;
use crate::audio::FileInfo;

/// What separates two artists in one text, between blanks and in any case.
const BETWEEN: [&str; 5] = ["/", "feat.", "feat", "ft.", "featuring"];

/// The artists that a text names, in order, each once: separated by `;`, a line's end or a NUL, or by a word of
/// [`BETWEEN`] between two others, in brackets or not. Commas, `&` and the like separate nothing: they are parts of names.
pub(super) fn artists(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut add = |words: &[&str], bracket: bool| {
        let name = words.join(" ");
        let name = if bracket { name.trim_end_matches([')', ']']) } else { &name };
        if !name.is_empty() && !all.iter().any(|known| folded(known) == folded(name)) {
            all.push(name.to_owned());
        }
    };
    for part in text.split([';', '\u{ff1b}', '\n', '\r', '\0']) {
        let mut name: Vec<&str> = Vec::new();
        let mut bracket = false;
        let mut words = part.split_whitespace().peekable();
        while let Some(word) = words.next() {
            let bare = word.trim_start_matches(['(', '[']);
            // A band may be called Little Feat.
            let between = !name.is_empty() && words.peek().is_some();
            if between && BETWEEN.contains(&bare.to_lowercase().as_str()) {
                add(&name, bracket);
                name.clear();
                bracket = bare != word;
            } else {
                name.push(word);
            }
        }
        add(&name, bracket);
    }
    all
}

/// Of a song that the dataset says nothing of, the artists that the file's tags name.
pub(super) fn known(entry: &Entry, file: &FileInfo) -> Vec<String> {
    if !entry.artists.is_empty() {
        return entry.artists.clone();
    }
    artists(&file.artists.join("\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_lists_names() {
        for (text, wanted) in [
            ("", &[][..]),
            (" ; ;", &[]),
            ("The Band", &["The Band"]),
            ("A One; B  Two", &["A One", "B Two"]),
            ("A One\0B Two\0a one", &["A One", "B Two"]),
            ("A One / B Two", &["A One", "B Two"]),
            ("A One feat. B Two", &["A One", "B Two"]),
            ("A One (Feat. B Two)", &["A One", "B Two"]),
            ("A One [ft. B Two]; C", &["A One", "B Two", "C"]),
            ("A One featuring B Two", &["A One", "B Two"]),
            ("A feat B", &["A", "B"]),
            // Names that have such signs in them.
            ("AC/DC", &["AC/DC"]),
            ("Earth, Wind & Fire", &["Earth, Wind & Fire"]),
            ("Little Feat", &["Little Feat"]),
            ("Sunn O)))", &["Sunn O)))"]),
            ("Godspeed (You)", &["Godspeed (You)"]),
        ] {
            assert_eq!(artists(text), wanted, "{text:?}");
        }
    }
}
