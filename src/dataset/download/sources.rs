//! Where a genre's songs are looked for: addresses as data.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::address::{self, Address};
use super::error::DownloadError;

/// The text of `dataset/soundcloud.toml`.
pub const SOUNDCLOUD: &str = include_str!("../../../dataset/soundcloud.toml");

/// How many songs a list is asked for: what SoundCloud gives in one request.
pub(super) const LIST: usize = 200;

/// Sources of songs, in the order in which they are tried.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    #[serde(rename = "source")]
    sources: Vec<Source>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Source {
    name: String,
    address: String,
    #[serde(default)]
    by_plays: bool,
    #[serde(default)]
    words: BTreeMap<String, String>,
}

impl Addresses {
    /// Reads the text of a table of addresses, of the form of `dataset/soundcloud.toml`. `path` is for messages.
    ///
    /// # Errors
    /// [`DownloadError::Addresses`] where it is no such table, or an address in it is none that yt-dlp may be given.
    pub fn parse(text: &str, path: &Path) -> Result<Self, DownloadError> {
        let fail = |reason: String| DownloadError::Addresses { path: path.to_owned(), reason };
        let table: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let line = at.map(|line| format!("line {line}: ")).unwrap_or_default();
            fail(format!("{line}{}", error.message().replace('\n', " ")))
        })?;
        if table.sources.is_empty() {
            return Err(fail("no [[source]] in it; see dataset/soundcloud.toml for an example".to_owned()));
        }
        for source in &table.sources {
            let words =
                source.words.values().map(String::as_str).chain(source.words.is_empty().then_some("x"));
            for word in words {
                let filled = source.fill("x", word);
                address::check(&filled)
                    .map_err(|why| fail(format!("source \"{}\": {filled}: {why}", source.name)))?;
            }
            if source.address.contains("{word}") && source.words.is_empty() {
                return Err(fail(format!("source \"{}\" needs a table of words, for {{word}}", source.name)));
            }
        }
        Ok(table)
    }

    /// The names of the sources, in their order.
    pub fn names(&self) -> Vec<&str> {
        self.sources.iter().map(|source| source.name.as_str()).collect()
    }

    /// The addresses for a genre, in the order in which they are tried; only those of the sources in `only`, where it
    /// names any.
    pub fn of(&self, genre: &str, only: &[String]) -> Vec<Address> {
        let wanted = |source: &&Source| only.is_empty() || only.contains(&source.name);
        let mut addresses: Vec<Address> = Vec::new();
        for address in self.sources.iter().filter(wanted).filter_map(|source| source.of(genre)) {
            if !addresses.iter().any(|before| before.text == address.text) {
                addresses.push(address);
            }
        }
        addresses
    }
}

impl Source {
    fn of(&self, genre: &str) -> Option<Address> {
        let word = self.words.get(genre);
        if self.address.contains("{word}") && word.is_none() {
            return None;
        }
        Some(Address {
            text: self.fill(genre, word.map_or("", String::as_str)),
            source: self.name.clone(),
            list: true,
            by_plays: self.by_plays,
        })
    }

    fn fill(&self, genre: &str, word: &str) -> String {
        let genre = if self.address.contains("://") { percent_encoded(genre) } else { genre.to_owned() };
        // The words last: what they hold is not looked at again.
        self.address.replace("{count}", &LIST.to_string()).replace("{genre}", &genre).replace("{word}", word)
    }
}

/// A genre's name as a part of a web address.
fn percent_encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::genres;

    fn parse(text: &str) -> Result<Addresses, String> {
        Addresses::parse(text, Path::new("a.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn every_genre_has_charts_and_a_search() {
        let table = parse(SOUNDCLOUD).unwrap();
        assert_eq!(table.names(), ["charts", "top50", "search", "name"]);
        for genre in genres() {
            let addresses = table.of(&genre, &[]);
            assert!(addresses.len() >= 2, "{genre}");
            assert!(addresses.iter().all(|a| address::check(&a.text).is_ok()), "{addresses:?}");
            assert!(addresses.iter().any(|a| a.text.ends_with(&format!("charts-top:{genre}"))));
            assert!(addresses.iter().any(|a| a.text.starts_with("scsearch200:") && a.by_plays));
        }
        let own = table.of("r&b/x", &[]);
        assert_eq!(own.len(), 1, "{own:?}");
        assert_eq!(table.of("pop", &["search".to_owned()]).len(), 1);
    }

    #[test]
    fn names_are_encoded_in_web_addresses() {
        let table = parse("[[source]]\nname='a'\naddress='https://h/{genre}'").unwrap();
        assert_eq!(table.of("a b/?#é", &[])[0].text, "https://h/a%20b%2F%3F%23%C3%A9");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("", "source"),
            ("source = []", "no [[source]]"),
            ("[[source]]\nname='a'", "line 1"),
            ("[[source]]\nname='a'\naddress='https://h'\nbyplays=true", "line 4: unknown field"),
            ("[[source]]\nname='a'\naddress='file:///etc/{genre}'", "https://"),
            ("[[source]]\nname='a'\naddress='{word}'\n[source.words]\nx='--exec'", "--exec"),
            ("[[source]]\nname='a'\naddress='https://h/{word}'", "needs a table of words"),
            ("x = [", "line 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("a.toml: ") && error.contains(words), "{text}: {error}");
        }
    }
}
