//! From what was heard to what would be written, and what contradicts a tag.

use std::fs::File;

use super::hear::stamp;
use super::index::{Heard, Index, Moment};
use super::library::Found;
use super::plan::{Chosen, Line};
use super::taxonomy::Taxonomy;
use serde::Serialize;

/// Genres that a plan lists with their probabilities.
const LISTED: usize = 5;

/// How genres are decided.
pub struct Deciding<'a> {
    /// The genres that the model knows, in its order.
    pub genres: &'a [String],
    /// Most genres a song.
    pub top: usize,
    /// Genres less probable than this are not written.
    pub threshold: f32,
    pub taxonomy: &'a Taxonomy,
}

impl Deciding<'_> {
    /// All genres with their probabilities, the most probable first.
    pub fn ranked(&self, heard: &Heard) -> Vec<Chosen> {
        let pairs = self.genres.iter().zip(&heard.probabilities);
        let mut ranked: Vec<Chosen> =
            pairs.map(|(genre, &probability)| Chosen { genre: genre.clone(), probability }).collect();
        ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        ranked
    }

    /// The line of a song that the index knows, or that could not be read.
    pub fn line(&self, song: &Found, index: &Index, how: &str) -> Line {
        let unread = |trouble: String| Line {
            path: song.name.clone(),
            size: 0,
            modified: 0,
            audio: String::new(),
            format: String::new(),
            tags: vec![],
            genres: vec![],
            probabilities: vec![],
            seconds: None,
            trouble: Some(trouble),
        };
        let stamp = match stamp(&song.path) {
            Ok(stamp) => stamp,
            Err(error) => return unread(format!("cannot be read: {error}")),
        };
        let Some(facts) = index.file(&song.path, stamp) else {
            let why = File::open(&song.path).err().map(|error| format!("cannot be read: {error}"));
            return unread(why.unwrap_or_else(|| "cannot be read".to_owned()));
        };
        let heard = index.heard(&facts.content, how);
        let mut ranked = heard.map(|heard| self.ranked(heard)).unwrap_or_default();
        let mut genres: Vec<String> = Vec::new();
        for chosen in ranked.iter().take(self.top).filter(|chosen| chosen.probability >= self.threshold) {
            let name = self.taxonomy.written(&chosen.genre);
            if !genres.contains(&name) {
                genres.push(name);
            }
        }
        ranked.truncate(LISTED);
        let writable = facts.trouble.is_none();
        let deaf = heard.map_or(Some("not heard yet"), |heard| heard.trouble.as_deref()).map(str::to_owned);
        Line {
            path: song.name.clone(),
            size: stamp.size,
            modified: stamp.modified,
            audio: if writable { facts.content.clone() } else { String::new() },
            format: facts.format.clone(),
            tags: facts.tags.clone(),
            genres,
            probabilities: ranked,
            seconds: heard.filter(|heard| heard.trouble.is_none()).map(|heard| heard.seconds),
            trouble: deaf.or_else(|| facts.trouble.clone()),
        }
    }

    /// Of the genres that the model knows, those that a song's tags name.
    pub fn known(&self, line: &Line) -> Vec<&str> {
        let named = self.taxonomy.genres(line.tagged());
        named.iter().filter_map(|genre| self.taxonomy.among(genre, self.genres)).collect()
    }

    /// How a song's audio contradicts its tags, if it does: they name genres that the model knows, and it is sure of
    /// another.
    pub fn contradiction(&self, line: &Line, moments: &[Moment]) -> Option<Contradiction> {
        let best = line.probabilities.first().filter(|best| best.probability >= self.threshold)?;
        let named = self.taxonomy.genres(line.tagged());
        let known = self.known(line);
        if known.is_empty() {
            return None;
        }
        let heard = self.taxonomy.written(&best.genre);
        // House is no contradiction to Electronic.
        let related = named.iter().any(|genre| {
            self.taxonomy.line(genre).any(|above| above == heard)
                || self.taxonomy.line(&heard).any(|above| above == genre)
        });
        if related || known.contains(&best.genre.as_str()) {
            return None;
        }
        let of =
            |genre: &str| line.probabilities.iter().find(|p| p.genre == genre).map_or(0.0, |p| p.probability);
        let tagged_probability = known.iter().map(|genre| of(genre)).fold(0.0, f32::max);
        Some(Contradiction {
            path: line.path.clone(),
            tagged: line.tagged().iter().map(|&genre| genre.to_owned()).collect(),
            tagged_probability,
            heard,
            probability: best.probability,
            moments: moments.to_vec(),
        })
    }
}

/// A song whose audio contradicts its tags.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contradiction {
    pub path: String,
    /// The genres that its tags name.
    pub tagged: Vec<String>,
    /// The largest probability of any of these.
    pub tagged_probability: f32,
    /// What is heard, as the taxonomy writes it.
    pub heard: String,
    pub probability: f32,
    /// The seconds that say so.
    pub moments: Vec<Moment>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::plan::Tagged;

    fn contradiction(tags: &[&str], probabilities: [f32; 3]) -> Option<String> {
        let genres = ["electronic", "house", "rock"].map(String::from);
        let taxonomy = Taxonomy::open(None).unwrap();
        let deciding = Deciding { genres: &genres, top: 1, threshold: 0.5, taxonomy: &taxonomy };
        let heard =
            Heard { seconds: 1.0, probabilities: probabilities.to_vec(), moments: vec![], trouble: None };
        let tags =
            tags.iter().map(|tag| Tagged { tag: "ID3v2.4".into(), genres: vec![(*tag).into()] }).collect();
        let line = Line {
            path: "a.mp3".into(),
            size: 1,
            modified: 1,
            audio: String::new(),
            format: "MP3".into(),
            tags,
            genres: vec![],
            probabilities: deciding.ranked(&heard),
            seconds: None,
            trouble: None,
        };
        deciding.contradiction(&line, &[]).map(|found| found.heard)
    }

    #[test]
    fn only_what_contradicts_is_told() {
        let rock = [0.1, 0.1, 0.8];
        assert_eq!(contradiction(&["Electronic"], rock).as_deref(), Some("Rock"));
        assert_eq!(contradiction(&["Techno"], rock).as_deref(), Some("Rock"));
        // It says so; says it among others; a kind of it; the whole of which it is a part.
        for tags in [&["rock"][..], &["Techno", "Classic Rock"], &["Punk"]] {
            assert_eq!(contradiction(tags, rock), None, "{tags:?}");
        }
        assert_eq!(contradiction(&["Electronic"], [0.1, 0.8, 0.1]), None);
        // Nothing that the model knows; nothing at all; not sure.
        assert_eq!(contradiction(&["Jazz"], rock), None);
        assert_eq!(contradiction(&["Other"], rock), None);
        assert_eq!(contradiction(&[], rock), None);
        assert_eq!(contradiction(&["Electronic"], [0.3, 0.3, 0.4]), None);
    }
}
