//! What the genres in tags stand for: spellings, parents, names that say nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;

use super::LabelError;
use crate::dataset::unwritable;
use crate::files;

/// The default, which is the file dataset/taxonomy.toml.
const DEFAULT: &str = include_str!("../../dataset/taxonomy.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    separators: Vec<String>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    genres: BTreeMap<String, Described>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    #[serde(default)]
    aliases: Vec<String>,
    parent: Option<String>,
}

/// What a spelling is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The genre of this name.
    Genre(String),
    /// Nothing about the music.
    Ignored,
    /// Something that the taxonomy does not name.
    Unknown,
}

/// Genres by their spellings.
#[derive(Clone, Debug)]
pub struct Taxonomy {
    separators: Vec<String>,
    meanings: HashMap<String, Meaning>,
    parents: HashMap<String, String>,
}

/// A spelling as it is compared.
fn key(spelling: &str) -> String {
    let spelling = spelling.to_lowercase().replace('&', " and ");
    let words = spelling.split(|c: char| c.is_whitespace() || "-_.'’\"".contains(c));
    words.map(|word| if word == "n" { "and" } else { word }).collect()
}

impl Taxonomy {
    /// The taxonomy in a file, or without one the default.
    ///
    /// # Errors
    /// [`LabelError`] where it cannot be read, or says two things of one spelling.
    pub fn open(path: Option<&Path>) -> Result<Self, LabelError> {
        match path {
            None => Self::parse(DEFAULT).map_err(LabelError::Other),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(LabelError::at(path))?;
                let fail = |why| LabelError::Other(format!("{}: {why}", files::shown(path)));
                Self::parse(&text).map_err(fail)
            }
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let document: Document = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let mut taxonomy =
            Self { separators: document.separators, meanings: HashMap::new(), parents: HashMap::new() };
        for name in document.genres.keys() {
            if let Some(why) = unwritable(name) {
                let name = files::shown_text(name);
                return Err(format!(
                    "\"{name}\" cannot be the name of a genre: {why}; it can be an alias of one"
                ));
            }
            taxonomy.learn(name, Meaning::Genre(name.clone()))?;
        }
        for (name, described) in &document.genres {
            for alias in &described.aliases {
                taxonomy.learn(alias, Meaning::Genre(name.clone()))?;
            }
            if let Some(parent) = &described.parent {
                if !document.genres.contains_key(parent) {
                    return Err(format!("the parent of \"{name}\", \"{parent}\", is not among the genres"));
                }
                taxonomy.parents.insert(name.clone(), parent.clone());
            }
        }
        for name in &document.ignore {
            taxonomy.learn(name, Meaning::Ignored)?;
        }
        for name in document.genres.keys() {
            if taxonomy.line(name).take(100).count() == 100 {
                return Err(format!("\"{name}\" is among its own parents"));
            }
        }
        Ok(taxonomy)
    }

    fn learn(&mut self, spelling: &str, meaning: Meaning) -> Result<(), String> {
        match self.meanings.insert(key(spelling), meaning.clone()) {
            Some(known) if known != meaning => {
                Err(format!("\"{spelling}\" stands for two things: {known:?} and {meaning:?}"))
            }
            _ => Ok(()),
        }
    }

    /// What a spelling is taken for.
    pub fn meaning(&self, spelling: &str) -> Meaning {
        self.meanings.get(&key(spelling)).cloned().unwrap_or(Meaning::Unknown)
    }

    /// How a genre is written: as the taxonomy names it, or else as it is.
    pub fn written(&self, genre: &str) -> String {
        match self.meaning(genre) {
            Meaning::Genre(name) => name,
            _ => genre.to_owned(),
        }
    }

    /// The spellings that a text of a tag lists, each with its meaning: the whole text where that is known, else its parts.
    pub fn read(&self, text: &str) -> Vec<(String, Meaning)> {
        let whole = text.trim();
        let meaning = self.meaning(whole);
        if meaning != Meaning::Unknown {
            return vec![(whole.to_owned(), meaning)];
        }
        let mut parts = vec![whole];
        for separator in &self.separators {
            parts = parts.iter().flat_map(|part| part.split(separator.as_str())).collect();
        }
        let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
        parts.map(|part| (part.to_owned(), self.meaning(part))).collect()
    }

    /// The genre itself, its parent, and so on.
    pub fn line<'a>(&'a self, genre: &'a str) -> impl Iterator<Item = &'a str> {
        std::iter::successors(Some(genre), |genre| self.parents.get(*genre).map(String::as_str))
    }

    /// The genres that texts of tags name, each once.
    pub fn genres<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut genres: Vec<String> = Vec::new();
        for (_, meaning) in texts.into_iter().flat_map(|text| self.read(text)) {
            if let Meaning::Genre(name) = meaning
                && !genres.contains(&name)
            {
                genres.push(name);
            }
        }
        genres
    }

    /// Of `known` genres, however they are spelt, the one that a genre is or descends from.
    pub fn among<'a>(&self, genre: &str, known: &'a [String]) -> Option<&'a str> {
        let written: Vec<String> = known.iter().map(|known| self.written(known)).collect();
        let at = self.line(genre).find_map(|genre| written.iter().position(|known| known == genre))?;
        known.get(at).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default() -> Taxonomy {
        Taxonomy::open(None).unwrap()
    }

    #[test]
    fn names_that_libraries_use_are_known() {
        let taxonomy = default();
        for (text, genres) in [
            ("Hip-Hop/Rap", &["Hip-Hop"][..]),
            ("hip hop", &["Hip-Hop"]),
            ("R&B", &["R&B"]),
            ("RnB", &["R&B"]),
            ("R'n'B", &["R&B"]),
            ("Drum & Bass", &["Drum & Bass"]),
            ("drum and bass", &["Drum & Bass"]),
            ("Drum'n'Bass", &["Drum & Bass"]),
            ("Alternative & Punk", &["Indie"]),
            ("Rock; Jazz, Blues", &["Rock", "Jazz", "Blues"]),
            ("Rock/Trip-Hop", &["Rock", "Trip-Hop"]),
            ("Electronic / Unknown / Zydeco", &["Electronic"]),
            ("Other", &[]),
            ("", &[]),
        ] {
            assert_eq!(taxonomy.genres([text]), genres, "{text}");
        }
        assert_eq!(taxonomy.meaning("Zydeco"), Meaning::Unknown);
        assert_eq!(taxonomy.meaning("unknown genre"), Meaning::Ignored);
        assert_eq!(
            (taxonomy.written("hiphop"), taxonomy.written("my own")),
            ("Hip-Hop".into(), "my own".into())
        );
        // Most names of ID3v1's first eighty say something about the music, or are known to say nothing.
        let known =
            |name: &&str| !taxonomy.genres([*name]).is_empty() || taxonomy.meaning(name) == Meaning::Ignored;
        let unknown: Vec<_> =
            super::super::tags::numbers::NAMES[..80].iter().filter(|name| !known(name)).collect();
        assert!(unknown.len() <= 20, "{unknown:?}");
    }

    #[test]
    fn a_genre_stands_for_its_parents() {
        let taxonomy = default();
        let known = ["electronic", "rock"].map(String::from);
        for (genre, among) in [("Deep House", Some("electronic")), ("Punk", Some("rock")), ("Jazz", None)] {
            assert_eq!(taxonomy.among(genre, &known), among);
        }
        assert_eq!(taxonomy.line("Deep House").collect::<Vec<_>>(), ["Deep House", "House", "Electronic"]);
    }

    #[test]
    fn contradictions_are_named() {
        for (text, wanted) in [
            ("[genres]\nA = { aliases = [\"c\"] }\nB = { aliases = [\"C\"] }", "two things"),
            ("[genres]\nA = { parent = \"B\" }", "not among"),
            ("[genres]\nA = { parent = \"B\" }\nB = { parent = \"A\" }", "own parents"),
            ("ignore = [\"a\"]\n[genres]\nA = {}", "two things"),
            ("nonsense = 1", "unknown field"),
            ("[genres]\n\"A; B\" = {}", "has a semicolon"),
        ] {
            let error = Taxonomy::parse(text).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
