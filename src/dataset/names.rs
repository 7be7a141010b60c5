//! Names that mean the same, however they are written.
//!
//! File systems, editors and tags differ in how they write "é": as one character or as a letter and an accent (Unicode's
//! composed and decomposed forms, NFC and NFD), and in what they make of capitals and blanks.

#[cfg(feature = "cli")]
use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::tracks::relative;

/// The composed form, in which a genre is called.
pub(super) fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// What names of one artist have in common: however capitals, blanks, accents and the shapes of letters are written.
pub(super) fn folded(name: &str) -> String {
    let plain: String = name.nfkc().collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    // Through capitals, because some letters share only those: ß and SS, σ and ς.
    words.to_uppercase().to_lowercase().nfkc().collect()
}

/// What names of genres have in common that a reader takes for one: as [`folded`], without what separates words.
pub(super) fn squeezed(name: &str) -> String {
    folded(name).chars().filter(|c| !c.is_whitespace() && !"-_".contains(*c)).collect()
}

/// What the paths of one file in tables of different systems have in common: composed, with `/` between folders.
pub(super) fn place(path: &str) -> String {
    composed(&relative(path).unwrap_or_else(|| path.to_owned()))
}

/// Values by the names of files. One that is not there as it is written is found by its [`place`], where only one file has
/// that.
#[cfg(feature = "cli")]
#[derive(Clone, Debug)]
pub(super) struct Places<T> {
    exact: HashMap<String, T>,
    /// The name in `exact` of a place; none where several have it.
    alike: HashMap<String, Option<String>>,
}

#[cfg(feature = "cli")]
impl<T> Places<T> {
    pub fn new(values: HashMap<String, T>) -> Self {
        let mut alike = HashMap::new();
        for name in values.keys() {
            alike.entry(place(name)).and_modify(|only| *only = None).or_insert_with(|| Some(name.clone()));
        }
        Self { exact: values, alike }
    }

    pub fn get(&self, name: &str) -> Option<&T> {
        let alike = || self.exact.get(self.alike.get(&place(name))?.as_ref()?);
        self.exact.get(name).or_else(alike)
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded() {
        for (one, other) in [
            ("Bj\u{f6}rk  Trio", " BJO\u{308}RK\u{a0}Trio "),
            ("Straße", "STRASSE"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ＡＢＢＡ", "abba"),
        ] {
            assert_eq!(folded(one), folded(other));
        }
        for (one, other) in
            [("hip hop", "Hip-Hop"), ("rock ", "Rock"), ("caf\u{e9}", "cafe\u{301}"), ("R_B", "rb")]
        {
            assert_eq!(squeezed(one), squeezed(other));
        }
        assert_ne!(folded("a b"), folded("ab"));
        assert_ne!(squeezed("cafe"), squeezed("caf\u{e9}"));
    }

    #[test]
    fn a_place_is_found_however_it_is_written() {
        let (composed, decomposed) = ("a/\u{e9}.mp3", "a/e\u{301}.mp3");
        let places = Places::new(HashMap::from([(composed.to_owned(), 1)]));
        assert_eq!(
            [composed, decomposed, r"a\e.mp3"].map(|name| places.get(name).copied()),
            [Some(1), Some(1), None]
        );
        // Where both forms are there, each is itself, and a third is neither.
        let both = [(composed.to_owned(), 1), (decomposed.to_owned(), 2)];
        let places = Places::new(HashMap::from(both));
        assert_eq!([composed, decomposed].map(|name| places.get(name).copied()), [Some(1), Some(2)]);
        assert_eq!(places.get("a//\u{e9}.mp3"), None);
        assert_eq!(places.values().sum::<i32>(), 3);
    }
}
